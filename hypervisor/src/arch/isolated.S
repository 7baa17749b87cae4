# The ways in and out with `xpti`: while a guest runs, its page tables show of the hypervisor what is in
# .text.isolated, the page that GS points to, a stack for entries, the descriptor tables and the stacks
# of NMI and the like, and nothing else. So an entry saves on that stack, loads the CPU's full root, and
# only then goes on to the vCPU's `Regs`; a way out is the same backwards. There is one way in for each
# kind and one way out: the quick ways are for the default.
#
# What is on the entry stack while a guest runs is the frame with which this CPU last entered it, and of
# other registers nothing.

.section .text.isolated, "ax"

# Room for rax, and the root that shows everything.
.macro TO_FULL_ROOT
    pushq %rax
    movq %gs:{FULL_ROOT}, %rax
    movq %rax, %cr3
.endm

# The lowest words on the stack are given back, and nothing is left in them.
.macro POP_AND_WIPE registers:vararg
    .irp register, \registers
    popq \register
    movq $0, -8(%rsp)
    .endr
.endm

# One stub per vector, 8 bytes each; where the processor pushes an error code there is another below.
.balign 64
.global isolated_stubs
isolated_stubs:
.set vector, 0
.rept 256
    .balign 8
    .byte 0x6a, vector              # push $vector
    jmp isolated_without_error
    .set vector, vector + 1
.endr

.balign 16
.global isolated_error_stubs
isolated_error_stubs:
.irp vector, 10, 11, 12, 13, 14, 17, 21, 29, 30
    .balign 16
    movl $\vector, 4(%rsp)
    jmp isolated_entry
.endr

isolated_without_error:
    shlq $56, (%rsp)
    shrq $24, (%rsp)                # the vector in the upper half, no error code
isolated_entry:
    testb $3, 16(%rsp)
    jz isolated_from_ring0
    swapgs
isolated_from_guest:
    TO_FULL_ROOT
    jmp isolated_save

# The hypervisor was interrupted under its full root; but for `iretq`, which the processor refused, with
# the guest's GS base, root and registers. Its frame is where it was built.
isolated_from_ring0:
    pushq %rax
    leaq isolated_iret(%rip), %rax
    cmpq %rax, 16(%rsp)
    popq %rax
    jne from_ring0
    swapgs
    popq %gs:{SCRATCH}
    movq %gs:{ENTRY_STACK}, %rsp
    subq $40, %rsp
    pushq %gs:{SCRATCH}
    jmp isolated_from_guest

# The frame that `syscall` does not save, on the entry stack.
.macro SAVE_SYSCALL_FRAME cs
    swapgs
    movq %rsp, %gs:{SCRATCH}
    movq %gs:{ENTRY_STACK}, %rsp
    pushq $RING3_SS
    pushq %gs:{SCRATCH}
    pushq %r11
    pushq $\cs
    pushq %rcx
.endm

.balign 16
.global isolated_syscall
isolated_syscall:
    SAVE_SYSCALL_FRAME RING3_CS64
    pushq ${SYSCALL}
    TO_FULL_ROOT
    jmp isolated_syscall_save

.balign 16
.global isolated_syscall32
isolated_syscall32:
    SAVE_SYSCALL_FRAME RING3_CS32
    subq $2, (%rsp)
    pushq $0
    movl $6, 4(%rsp)
    jmp isolated_from_guest

# rsp points to the frame on the entry stack; all registers are the guest's.
.macro TO_GUEST_ROOT
    pushq %rax
    movq %gs:{GUEST_ROOT}, %rax
    movq %rax, %cr3
    POP_AND_WIPE %rax
.endm
isolated_leave:
    TO_GUEST_ROOT
    swapgs
isolated_iret:
    iretq

# The same behind a `syscall`, rip and rflags being in rcx and r11: a trap flag in them traps at once.
isolated_leave_by_sysret:
    TO_GUEST_ROOT
    movq 24(%rsp), %rsp
    swapgs
    sysretq

# #DB, from the stack of its own; see `debug_entry`.
.balign 16
.global isolated_debug
isolated_debug:
    testb $3, 8(%rsp)
    jz 1f
    swapgs
    pushq $0
    movl $1, 4(%rsp)
    pushq %rax
    movq %rsp, %rax
    movq %gs:{ENTRY_STACK}, %rsp
    pushq 48(%rax)
    pushq 40(%rax)
    pushq 32(%rax)
    pushq 24(%rax)
    pushq 16(%rax)
    pushq 8(%rax)
    pushq (%rax)
    movq $0, (%rax)
    movq %gs:{FULL_ROOT}, %rax
    movq %rax, %cr3
    jmp isolated_save
1:  DEBUG_IN_RING0

# NMI; see `nmi_entry`. It may come under either root. With the TLB it flushes what the full root has of
# the guest's.
.macro FLUSH_BOTH_ROOTS
    movq %cr3, %rcx
    pushq %rcx
    movq {FULL_ROOT}(%rax), %rcx
    movq %rcx, %cr3
    callq isolated_refresh
    popq %rcx
    movq %rcx, %cr3
.endm
.balign 16
.global isolated_nmi
isolated_nmi:
    NMI FLUSH_BOTH_ROOTS, POP_AND_WIPE, isolated_fatal

# #DF and #MC: the end.
.balign 16
.global isolated_double_fault, isolated_machine_check
isolated_double_fault:
    movl $8, 4(%rsp)
    jmp isolated_fatal
.balign 16
isolated_machine_check:
    pushq $0
    movl $18, 4(%rsp)
isolated_fatal:
    pushq %rax
    movq %rsp, %rax
    andq $-{WINDOW_SIZE}, %rax
    movq {FULL_ROOT}(%rax), %rax
    movq %rax, %cr3
    popq %rax
    jmp fatal

# From here on: what runs under the full root alone.
.section .text.entry, "ax"

# From the entry stack, where rax is on top, to the vCPU's `Regs`, in rax then.
.macro SAVE_FROM_ENTRY_STACK
    movq %gs:{REGS}, %rax
    movq %rdi, {RDI}(%rax)
    movq %rsi, {RSI}(%rax)
    movq %rdx, {RDX}(%rax)
    movq %rcx, {RCX}(%rax)
    movq %r8, {R8}(%rax)
    movq %r9, {R9}(%rax)
    movq %r10, {R10}(%rax)
    movq %r11, {R11}(%rax)
    movq %rbx, {RBX}(%rax)
    movq %rbp, {RBP}(%rax)
    movq %r12, {R12}(%rax)
    movq %r13, {R13}(%rax)
    movq %r14, {R14}(%rax)
    movq %r15, {R15}(%rax)
    POP_AND_WIPE {RAX}(%rax)
    popq {ERROR_VECTOR}(%rax)
    popq {RIP}(%rax)
    popq {CS}(%rax)
    popq {RFLAGS}(%rax)
    popq {RSP}(%rax)
    popq {SS}(%rax)
    movb $0, %gs:{FILLS}
    movq %gs:{STACK}, %rsp
    cld
    CLAC
.endm

# Exceptions and interrupts.
isolated_save:
    SAVE_FROM_ENTRY_STACK
    movq %gs:{SELF}, %rdi
    callq {from_guest}

.macro LOAD_BUT_RCX_AND_R11
    movq {R15}(%rdi), %r15
    movq {R14}(%rdi), %r14
    movq {R13}(%rdi), %r13
    movq {R12}(%rdi), %r12
    movq {RBP}(%rdi), %rbp
    movq {RBX}(%rdi), %rbx
    movq {R10}(%rdi), %r10
    movq {R9}(%rdi), %r9
    movq {R8}(%rdi), %r8
    movq {RAX}(%rdi), %rax
    movq {RDX}(%rdi), %rdx
    movq {RSI}(%rdi), %rsi
    movq {RDI}(%rdi), %rdi
.endm

# Back to the running vCPU, whose registers are all in its `Regs`: as `resume_guest`.
.global isolated_resume
isolated_resume:
    movq %gs:{REGS}, %rdi
    movq %gs:{ENTRY_STACK}, %rsp
    pushq {SS}(%rdi)
    pushq {RSP}(%rdi)
    pushq {RFLAGS}(%rdi)
    pushq {CS}(%rdi)
    pushq {RIP}(%rdi)
    cmpq ${SYSCALL}, {ERROR_VECTOR}(%rdi)
    jne 1f
    movq {RIP}(%rdi), %rcx
    shlq $16, %rcx
    sarq $16, %rcx
    cmpq {RIP}(%rdi), %rcx
    jne 1f
    movq {RFLAGS}(%rdi), %r11
    LOAD_BUT_RCX_AND_R11
    jmp isolated_leave_by_sysret
1:  andl $~0x23000, 16(%rsp)        # never VM or an I/O privilege level
    orl $0x200, 16(%rsp)            # always interrupts
    orb $3, 8(%rsp)                 # never ring 0
    movq {RCX}(%rdi), %rcx
    movq {R11}(%rdi), %r11
    LOAD_BUT_RCX_AND_R11
    jmp isolated_leave

# `syscall`: a hypercall, its handler called with the arguments where they are; or a process's.
isolated_syscall_save:
    SAVE_FROM_ENTRY_STACK
    cmpb ${KERNEL}, {MODE}(%rax)
    jne 1f
    movq {RAX}(%rax), %rax
    cmpq ${IRET}, %rax
    je 2f
    movq %r10, %rcx
    movl ${NUMBERS}, %r10d
    cmpq %r10, %rax
    cmovaeq %r10, %rax
    leaq {hypercalls}(%rip), %r11
    callq *(%r11,%rax,8)
    movq %gs:{REGS}, %rcx
    movq %rax, {RAX}(%rcx)
    jmp isolated_unless_due
1:  movq %gs:{SELF}, %rdi
    callq {from_user_syscall}
    jmp isolated_unless_due
2:  movq %gs:{REGS}, %rcx
    movq {RSP}(%rcx), %rsi
    movq %gs:{SELF}, %rdi
    callq {from_iret}
isolated_unless_due:
    UNLESS_DUE isolated_resume, 1f, %rcx
1:  movb $0, %gs:{ATTENTION}
    movq %gs:{SELF}, %rdi
    callq {on_attention}
    jmp isolated_resume

# The slots of the guest's root that the full root has copies of are read anew. rax is the CPU's window;
# uses rcx. The TLB is the caller's affair.
isolated_refresh:
    pushq %rbx
    pushq %rsi
    pushq %rdi
    movq {GUEST_TABLE}(%rax), %rsi
    movq {FULL_TABLE}(%rax), %rdi
    .irp n, 0, 1, 2, 3
    movzwl {SLOTS}+2*\n(%rax), %ecx
    movq (%rsi,%rcx,8), %rbx
    movq %rbx, (%rdi,%rcx,8)
    .endr
    popq %rdi
    popq %rsi
    popq %rbx
    retq

# Called in place of an instruction (isolated.rs) whose operand is in a register, one way in of 8 bytes for
# each; all registers are kept, as the instruction keeps them.
.macro IN_PLACE_OF_INSTRUCTION name, function
.balign 16
.global \name
\name:
    .irp register, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    .balign 8
    pushq %\register
    jmp 1f
    .endr
1:  pushq %rbp
    movq %rsp, %rbp
    pushfq
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    movq 8(%rbp), %rdi
    movq %rsp, %rax
    andq $-16, %rsp
    pushq %rax
    pushq %rax
    callq \function
    popq %rsp
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rax
    popfq
    popq %rbp
    leaq 8(%rsp), %rsp
    retq
.endm
IN_PLACE_OF_INSTRUCTION isolated_load_root, {switch_root}
IN_PLACE_OF_INSTRUCTION isolated_invlpg, {invalidate}
