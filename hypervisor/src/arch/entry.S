# Every way into the hypervisor and out of it. A guest's registers are pushed straight into the
# running vCPU's `Regs`: %gs:REGS_END and the TSS point behind their last field.

.set RING3_CS32, 0xe023             # FLAT_RING3_CS32 (arch-x86/xen-x86_64.h)
.set RING3_SS, 0xe02b               # FLAT_RING3_SS64
.set RING3_CS64, 0xe033             # FLAT_RING3_CS64
.set GS_BASE, 0xc0000101

.macro SAVE_REGISTERS
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %rax
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
.endm

.macro RESTORE_REGISTERS
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rax
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
.endm

# The registers that hold a hypercall's arguments, from `Regs`.
.macro RESTORE_ARGUMENTS regs=%rsp
    movq {RDI}(\regs), %rdi
    movq {RSI}(\regs), %rsi
    movq {R10}(\regs), %r10
    movq {R8}(\regs), %r8
    movq {R9}(\regs), %r9
    movq {RDX}(\regs), %rdx
.endm

# To the guest behind its `syscall`, rax loaded, by way of the vCPU's `Regs`. `sysretq` takes rip from
# rcx and rflags from r11, and sets flat selectors. In ring 0 a rip that is not canonical would fault:
# with one (a guest's code ends where the addresses end) it goes on at `wild`, rcx and r11 in use.
.macro SYSRET rsp, wild
    movq {RIP}(%rsp), %rcx
    shlq $16, %rcx
    sarq $16, %rcx
    cmpq {RIP}(%rsp), %rcx
    jne \wild
    SYSRET_CHECKED \rsp
.endm

# The same for a canonical rip that is in rcx already.
.macro SYSRET_CHECKED rsp
    RESTORE_ARGUMENTS
    movq {RFLAGS}(%rsp), %r11
    movq \rsp, %rsp
    swapgs
    sysretq
.endm

# The registers that compiled code preserves.
.macro SAVE_PRESERVED
    movq %rbx, {RBX}(%rsp)
    movq %rbp, {RBP}(%rsp)
    movq %r12, {R12}(%rsp)
    movq %r13, {R13}(%rsp)
    movq %r14, {R14}(%rsp)
    movq %r15, {R15}(%rsp)
.endm

.macro RESTORE_PRESERVED
    movq {R15}(%rsp), %r15
    movq {R14}(%rsp), %r14
    movq {R13}(%rsp), %r13
    movq {R12}(%rsp), %r12
    movq {RBP}(%rsp), %rbp
    movq {RBX}(%rsp), %rbx
.endm

# The rest of the frame of a `syscall` whose rip and rflags are saved.
.macro FRAME_OF_SYSCALL
    movq $RING3_SS, {SS}(%rsp)
    movq $RING3_CS64, {CS}(%rsp)
    movq ${SYSCALL}, {ERROR_VECTOR}(%rsp)
    movq %gs:{SCRATCH}, %rcx
    movq %rcx, {RSP}(%rsp)
    movq {RIP}(%rsp), %rcx
    movq %rcx, {RCX}(%rsp)
    movq {RFLAGS}(%rsp), %rcx
    movq %rcx, {R11}(%rsp)
.endm

# On to `to` unless something is due before the guest runs on: this CPU was told so, or, where it goes
# on behind this, an upcall is pending and not masked.
.macro UNLESS_DUE to, due, scratch
    cmpb $0, %gs:{ATTENTION}
    jne \due
    movq %gs:{INFO}, \scratch
    cmpb $0, (\scratch)
    je \to
    cmpb $0, 1(\scratch)
    jne \to
.endm

# `clac` where the processor has SMAP, else three bytes of nothing: patched at boot.
.macro CLAC
700:.byte 0x0f, 0x1f, 0x00
    .pushsection .smap_sites, "a"
    .long 700b - ., 0x00ca010f
    .popsection
.endm

# #DB in ring 0 is ignored.
.macro DEBUG_IN_RING0
    pushq %rax
    movl $0xffff0ff0, %eax
    movq %rax, %dr6
    andl $~0x100, 24(%rsp)          # no single step in here
    orl $0x10000, 24(%rsp)          # and on past a breakpoint
    popq %rax
    iretq
.endm

.section .text.entry, "ax"
.global resume_guest

# `syscall`. In kernel mode a hypercall: its handler is called like any function, with the guest's
# arguments where they are anyway. Only what the call may change is saved; the rest is if something
# else than this guest is to go on.
.balign 64
.global syscall_entry
syscall_entry:
    swapgs
    movq %rsp, %gs:{SCRATCH}
    movq %gs:{REGS}, %rsp
    cmpb ${KERNEL}, {MODE}(%rsp)
    jne user_syscall
    movq %rdi, {RDI}(%rsp)
    movq %rsi, {RSI}(%rsp)
    movq %rdx, {RDX}(%rsp)
    movq %r10, {R10}(%rsp)
    movq %r8, {R8}(%rsp)
    movq %r9, {R9}(%rsp)
    movq %rcx, {RIP}(%rsp)
    movq %r11, {RFLAGS}(%rsp)
    movq %gs:{STACK}, %rsp
    movq %r10, %rcx
    movl ${NUMBERS}, %r10d          # a number that is none becomes this one, without a branch
    cmpq %r10, %rax
    cmovaeq %r10, %rax
    leaq {hypercalls}(%rip), %r11
    callq *(%r11,%rax,8)
    UNLESS_DUE 1f, hypercall_due, %rcx
    jmp event_quick
hypercall_due:
    movq %gs:{REGS}, %rsp
    movq %rax, {RAX}(%rsp)
    FRAME_OF_SYSCALL
something_due:
    movq %gs:{REGS}, %rsp
    SAVE_PRESERVED
    movb $0, %gs:{ATTENTION}
    movq %gs:{STACK}, %rsp
    movq %gs:{SELF}, %rdi
    callq {on_attention}
    jmp resume_guest
1:  movq %gs:{REGS}, %rsp
    SYSRET %gs:{SCRATCH}, to_wild
to_wild:
    movq %rax, {RAX}(%rsp)
    FRAME_OF_SYSCALL
    jmp resume_volatile

# Back to the running vCPU: by `sysretq` if it came by `syscall` and its frame was not replaced.
resume_guest:
    movq %gs:{REGS}, %rsp
    RESTORE_PRESERVED
resume_loaded:
    cmpq ${SYSCALL}, {ERROR_VECTOR}(%rsp)
    jne resume_volatile
    movq {RAX}(%rsp), %rax
    SYSRET {RSP}(%rsp), resume_volatile

resume_volatile:
    movq {RAX}(%rsp), %rax
    movq {RCX}(%rsp), %rcx
    movq {RDX}(%rsp), %rdx
    movq {RSI}(%rsp), %rsi
    movq {RDI}(%rsp), %rdi
    movq {R8}(%rsp), %r8
    movq {R9}(%rsp), %r9
    movq {R10}(%rsp), %r10
    movq {R11}(%rsp), %r11
    addq ${RIP}, %rsp
    andl $~0x23000, 16(%rsp)        # never VM or an I/O privilege level
    orl $0x200, 16(%rsp)            # always interrupts
    orb $3, 8(%rsp)                 # never ring 0
resume_frame:
    swapgs
iret_to_guest:
    iretq

# 32-bit `syscall`, which only AMD processors know: an undefined instruction here.
.balign 16
.global syscall32_entry
syscall32_entry:
    swapgs
    movq %rsp, %gs:{SCRATCH}
    movq %gs:{REGS_END}, %rsp
    pushq $RING3_SS
    pushq %gs:{SCRATCH}
    pushq %r11
    pushq $RING3_CS32
    pushq %rcx
    subq $2, (%rsp)
    pushq $0
    movl $6, 4(%rsp)
    jmp save_and_handle

# Exceptions and interrupts; the stack is the vCPU's `Regs` if a guest ran, else the CPU's stack.
.balign 16
exception_entry:
    testb $3, 16(%rsp)
    jz from_ring0
    swapgs
save_and_handle:
    cld
    CLAC
    SAVE_REGISTERS
    movq %gs:{STACK}, %rsp
    movq %gs:{SELF}, %rdi
    callq {from_guest}
    jmp resume_guest

# The exceptions that guests take all the time, with a way out of their own: `function` says whether
# an instruction was emulated, which may have changed any register.
.macro FREQUENT_EXCEPTION name, vector, function, has_error
.balign 16
.global \name
\name:
    .if \has_error == 0
    pushq $0
    .endif
    movl $\vector, 4(%rsp)
    testb $3, 16(%rsp)
    jz from_ring0
    swapgs
    .if \vector == 14
    testb ${PF_PRESENT}, (%rsp)
    jz page_fault_quick
page_fault_whole:
    .elseif \vector == 6
    jmp invalid_opcode_quick
invalid_opcode_whole:
    .endif
    cld
    CLAC
    SAVE_REGISTERS
    movl {ERROR_VECTOR}(%rsp), %esi
    movq %gs:{STACK}, %rsp
    movq %gs:{SELF}, %rdi
    callq \function
    testb %al, %al
    jnz resume_emulated
    jmp resume_bounced
.endm
resume_emulated:
    movq %gs:{REGS}, %rsp
    RESTORE_PRESERVED
resume_bounced:
    UNLESS_DUE 1f, something_due, %rax
    jmp something_due
1:  movq %gs:{REGS}, %rsp
    jmp resume_volatile
FREQUENT_EXCEPTION invalid_opcode_entry, 6, {from_invalid_opcode}, 0
FREQUENT_EXCEPTION general_protection_entry, 13, {from_general_protection}, 1
FREQUENT_EXCEPTION page_fault_entry, 14, {from_page_fault}, 1

from_ring0:
    pushq %rax
    leaq iret_to_guest(%rip), %rax
    cmpq %rax, 16(%rsp)
    popq %rax
    je iret_faulted
    SAVE_REGISTERS
    subq $8, %rsp
    movq %rsp, %rdi
    callq {from_hypervisor}
    addq $8, %rsp
    RESTORE_REGISTERS
    addq $8, %rsp
    iretq

# The processor refused what `iretq` was to load. The registers hold the guest's values already, its
# frame (rip to ss) is still in its `Regs`, and the new frame lies below it: as if the guest had
# faulted before its next instruction.
iret_faulted:
    swapgs
    popq %gs:{SCRATCH}
    movq %gs:{REGS_END}, %rsp
    subq $40, %rsp
    pushq %gs:{SCRATCH}
    jmp save_and_handle

# #DB has a stack of its own: it can hit the first instruction of `syscall_entry`, while the stack
# is the guest's (a breakpoint behind `mov ss`, carried into ring 0). There it is ignored.
.balign 16
debug_entry:
    testb $3, 8(%rsp)
    jz 1f
    swapgs
    movq %rax, %gs:{SCRATCH}
    movq %rsp, %rax
    movq %gs:{REGS_END}, %rsp
    pushq 32(%rax)
    pushq 24(%rax)
    pushq 16(%rax)
    pushq 8(%rax)
    pushq (%rax)
    pushq $0
    movl $1, 4(%rsp)
    movq %gs:{SCRATCH}, %rax
    jmp save_and_handle
1:  DEBUG_IN_RING0

# NMI: counted; and how other CPUs make this one flush its TLB, halt, or show its registers, whatever
# it does. GS may be anyone's, the stack lies in the CPU's window. A request that comes while this runs
# brings another NMI behind the `iretq`. `flush` has the window in rax, and rcx to use; what was saved
# is taken back by `restore`.
.macro NMI flush, restore, fatal
    pushq %rax
    pushq %rcx
    pushq %rdx
    movq %rsp, %rax
    andq $-{WINDOW_SIZE}, %rax
    incq {NMIS}(%rax)
    cmpq $0, {STOP}(%rax)
    jne 2f
    cmpq $0, {SHOW}(%rax)
    jne 4f
    movq {FLUSHES}(%rax), %rdx      # those asked for so far; then the flush, then the answer
    cmpq {FLUSHED}(%rax), %rdx
    je 1f
    \flush
    movq %rdx, {FLUSHED}(%rax)
1:  \restore %rdx, %rcx, %rax
    iretq
2:  movq $1, {STOPPED}(%rax)
3:  hlt
    jmp 3b
4:  popq %rdx
    popq %rcx
    popq %rax
    pushq $0
    movl $2, 4(%rsp)
    jmp \fatal
.endm

.macro FLUSH_TLB
    movq %cr3, %rcx
    movq %rcx, %cr3
.endm

.macro POP registers:vararg
    .irp register, \registers
    popq \register
    .endr
.endm

.balign 16
nmi_entry:
    NMI FLUSH_TLB, POP, fatal

# Interrupts are taken from the `hlt` on; `from_hypervisor` notes them.
.balign 16
.global wait_for_interrupt, halt_instruction
wait_for_interrupt:
    sti
halt_instruction:
    hlt
    cli
    retq

# #DF and #MC: the end.
.balign 16
double_fault_entry:
    movl $8, 4(%rsp)
    jmp fatal
.balign 16
machine_check_entry:
    pushq $0
    movl $18, 4(%rsp)
fatal:
    cld
    SAVE_REGISTERS
    subq $8, %rsp
    movq %rsp, %rdi
    movq %rsp, %rax
    andq $-{WINDOW_SIZE}, %rax
    movq %rax, %rdx
    shrq $32, %rdx
    movl $GS_BASE, %ecx
    wrmsr
    callq {fatal_exception}
    ud2

# One stub per vector, 16 bytes each.
.balign 16
.global vector_stubs
vector_stubs:
.set vector, 0
.rept 256
    .balign 16
    .if (vector != 8) && ((vector < 10) || (vector > 14)) && (vector != 17) && (vector != 21) && (vector != 29) && (vector != 30)
    pushq $0
    .endif
    movl $vector, 4(%rsp)
    jmp exception_entry
    .set vector, vector + 1
.endr

# Onto another stack, never to return.
.global switch_stack
switch_stack:
    movq %rdi, %rsp
    movq %rdx, %rdi
    xorl %ebp, %ebp
    pushq $0
    jmpq *%rsi
