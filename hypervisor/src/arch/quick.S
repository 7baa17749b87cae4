# The ways that guests take all the time, in their plain form: a process's system call into its
# kernel, a page fault without a translation, an invalid opcode, the event callback behind a
# hypercall, and the kernel's `iret` hypercall. They do what `trap::bounce` and `trap::iret` of the core
# do, with the registers where they are; anything that is not plain goes there, before anything of
# it has been done here. The tests of those hold for these: guests see no difference.
#
# Plain is: no event waits (which a vCPU without its `vcpu_info` has), the kernel has no I/O
# privilege level that it might see, its stack is above the hypervisor's range, and its tables
# have what is needed. An event that comes meanwhile brings an interrupt, whether or not it is masked:
# it is taken as soon as the guest runs.

.set KERNEL_GS_BASE, 0xc0000102
.set UPCALL_MASK, 1                 # of `vcpu_info`; byte 0 is what is pending

# What a handler finds on its stack, and `iret` there (arch-x86/xen-x86_64.h).
.set BOUNCE_FRAME, 56              # and 8 more with an error code
.set IRET_RAX, 0
.set IRET_R11, 8
.set IRET_RCX, 16
.set IRET_FLAGS, 24
.set IRET_RIP, 32
.set IRET_CS, 40
.set IRET_RFLAGS, 48
.set IRET_RSP, 56
.set IRET_SS, 64
.set IRET_FRAME, 72
.set IN_SYSCALL, 0x100              # VGCF_in_syscall

.pushsection .rodata
.balign 8
hypervisor_end: .quad {HYPERVISOR_END}
.popsection

# The place of a handler's frame of `size` bytes below the stack pointer in `at`.
.macro PLACE_FRAME at, size, unfit
    andq $-16, \at
    subq $\size, \at
    jc \unfit
    cmpq hypervisor_end(%rip), \at
    jb \unfit
.endm

# `stac` where the processor has SMAP.
.macro STAC
700:.byte 0x0f, 0x1f, 0x00
    .pushsection .smap_sites, "a"
    .long 700b - ., 0x00cb010f
    .popsection
.endm

# An access to guest memory, rsp being the CPU's stack: where it faults, it goes on at `to`.
.macro MAY_FAULT to, instruction:vararg
701:\instruction
    .pushsection .ex_table, "a"
    .long 701b - ., \to - .
    .popsection
.endm

# The rest of the frame of a handler, from the flags that it interrupts: as `ExitFrame::handler`.
.macro FRAME_OF_HANDLER flags, flags32
    andl ${HANDLER_FLAGS}, \flags32
    orl ${SET_FLAGS}, \flags32
    movq \flags, {RFLAGS}(%rsp)
    movq $RING3_CS64, {CS}(%rsp)
    movq $RING3_SS, {SS}(%rsp)
.endm

# To the guest, all registers loaded, by the frame in `Regs`, whose flags and selectors are as the core's
# `ExitFrame` has them.
.macro RESUME
    addq ${RIP}, %rsp
    jmp resume_frame
.endm

# The guest's GS base is that of the other mode from now on. Uses rax, rcx, rdx.
.macro EXCHANGE_GS_BASE regs, now, next
    movl $KERNEL_GS_BASE, %ecx
    rdmsr
    shlq $32, %rdx
    orq %rdx, %rax
    movq %rax, \now(\regs)
    cmpq \next(\regs), %rax
    je 702f
    movq \next(\regs), %rax         # made canonical, so that the write does not fault
    shlq $16, %rax
    sarq $16, %rax
    movq %rax, %rdx
    shrq $32, %rdx
    wrmsr
702:
.endm

# To the guest's user mode, if it has a root for it. Uses rax, rcx, rdx. No flush is noted: one that
# the clock does not know of costs another, and spares the clock the ticks of all system calls.
.macro ENTER_USER_MODE regs
    EXCHANGE_GS_BASE \regs, {GS_BASE_KERNEL}, {GS_BASE_USER}
    movb ${USER}, {MODE}(\regs)
    movq {USER_ROOT}(\regs), %rax
    movq %rax, %cr3
.endm

# Where to go on, from a frame of `iret` in registers, as `ExitFrame::new`; and whether events are
# masked there.
.macro GO_ON_AS_IRET_SAYS
    testl ${IF}, %edi
    sete UPCALL_MASK(%r10)
    andl ${GUEST_FLAGS}, %edi
    orl ${SET_FLAGS}, %edi
    movq %rdi, {RFLAGS}(%rsp)
    movq %r8, {RIP}(%rsp)
    movq %r9, {RSP}(%rsp)
.endm

# Unless rip in r8 is canonical, on to `wild`.
.macro CANONICAL scratch, wild
    movq %r8, \scratch
    shlq $16, \scratch
    sarq $16, \scratch
    cmpq %r8, \scratch
    jne \wild
.endm

# `syscall` in user mode, to the handler that the kernel registered. rsp is the vCPU's `Regs`, the
# rest is the guest's: rip in rcx, the flags in r11, the stack pointer in SCRATCH.
.balign 16
user_syscall:
    movq %rax, {RAX}(%rsp)
    movq %rdx, {RDX}(%rsp)
    movq %rcx, {RIP}(%rsp)
    movq %gs:{INFO}, %rdx
    cmpw $0, (%rdx)                 # nothing is pending, nothing is masked
    jne user_syscall_whole
    cmpb $0, {IOPL}(%rsp)
    jne user_syscall_whole
    cmpq $0, {SYSCALL_HANDLER}(%rsp)
    je user_syscall_whole
    movq {KERNEL_ROOT}(%rsp), %rdx
    testq %rdx, %rdx
    jz user_syscall_whole
    movq {KERNEL_SP}(%rsp), %rax
    PLACE_FRAME %rax, BOUNCE_FRAME, user_syscall_whole
    movq %rdx, %cr3
    movq %rsp, %rdx
    movq %gs:{STACK}, %rsp
    STAC
    MAY_FAULT user_syscall_faulted, movq %rcx, (%rax)
    MAY_FAULT user_syscall_faulted, movq %r11, 8(%rax)
    MAY_FAULT user_syscall_faulted, movq %rcx, 16(%rax)
    MAY_FAULT user_syscall_faulted, movq $RING3_CS64, 24(%rax)
    MAY_FAULT user_syscall_faulted, movq %r11, 32(%rax)
    movq %gs:{SCRATCH}, %rcx
    MAY_FAULT user_syscall_faulted, movq %rcx, 40(%rax)
    MAY_FAULT user_syscall_faulted, movq $RING3_SS, 48(%rax)
    CLAC
    movq %rdx, %rsp
    movq %rax, {RSP}(%rsp)
    EXCHANGE_GS_BASE %rsp, {GS_BASE_USER}, {GS_BASE_KERNEL}
    movb ${KERNEL}, {MODE}(%rsp)
    movq %gs:{INFO}, %rdx
    movb {SYSCALL_MASKS}(%rsp), %al
    movb %al, UPCALL_MASK(%rdx)
    movq {RIP}(%rsp), %rcx
    movq {SYSCALL_HANDLER}(%rsp), %rax
    movq %rax, {RIP}(%rsp)
    movl %r11d, %eax
    FRAME_OF_HANDLER %rax, %eax
    movq {RAX}(%rsp), %rax
    movq {RDX}(%rsp), %rdx
    RESUME

# The kernel's stack cannot be written, which ends its domain.
user_syscall_faulted:
    CLAC
    movq %rdx, %rsp
    movq {USER_ROOT}(%rsp), %rax
    movq %rax, %cr3
user_syscall_whole:
    movq %rdi, {RDI}(%rsp)
    movq %rsi, {RSI}(%rsp)
    movq %r10, {R10}(%rsp)
    movq %r8, {R8}(%rsp)
    movq %r9, {R9}(%rsp)
    movq %r11, {RFLAGS}(%rsp)
    FRAME_OF_SYSCALL
    movq %gs:{STACK}, %rsp
    movq %gs:{SELF}, %rdi
    callq {from_user_syscall}
    jmp resume_changed

# Enters the handler of an exception from either mode, its frame being in `Regs`, to which rsp points;
# there rax, rcx and rdx are saved, r11 is the guest's. CR2, for one with an error code, is in SCRATCH.
.macro BOUNCE_EXCEPTION gate, flags, size, has_error, whole
    movq %gs:{INFO}, %rdx
    cmpb $0, (%rdx)
    jne 9f
    cmpb $0, {IOPL}(%rsp)
    jne 9f
    cmpq $0, \gate(%rsp)
    je 9f
    .if \has_error
    movq %gs:{SCRATCH}, %rcx
    movq %rcx, {INFO_CR2}(%rdx)
    .endif
    xorl %ecx, %ecx                 # behind cs: whether events were masked; they are, or IF shows
    cmpb $0, UPCALL_MASK(%rdx)
    setne %cl
    cmpb ${KERNEL}, {MODE}(%rsp)
    jne 1f
    movq {RSP}(%rsp), %rax
    PLACE_FRAME %rax, \size, 9f
    andl $0xfffc, {CS}(%rsp)        # the kernel does not see that it runs at level 3
    .if \has_error
    andb $~{PF_USER}, {ERROR_VECTOR}(%rsp)
    .endif
    jmp 2f
1:  cmpq $0, {KERNEL_ROOT}(%rsp)
    je 9f
    movq {KERNEL_SP}(%rsp), %rax
    PLACE_FRAME %rax, \size, 9f
    andl $0xffff, {CS}(%rsp)
    movq {KERNEL_ROOT}(%rsp), %rdx
    movq %rdx, %cr3
2:  movl %ecx, {CS}+4(%rsp)
    shll $9, %ecx
    xorl %ecx, {RFLAGS}(%rsp)       # IF is set in ring 3
    movq %rsp, %rdx
    movq %gs:{STACK}, %rsp
    STAC
    movq {RCX}(%rdx), %rcx
    MAY_FAULT 8f, movq %rcx, (%rax)
    MAY_FAULT 8f, movq %r11, 8(%rax)
    .if \has_error
    movl {ERROR_VECTOR}(%rdx), %ecx
    MAY_FAULT 8f, movq %rcx, 16(%rax)
    .endif
    movq {RIP}(%rdx), %rcx
    MAY_FAULT 8f, movq %rcx, \size-40(%rax)
    movq {CS}(%rdx), %rcx
    MAY_FAULT 8f, movq %rcx, \size-32(%rax)
    movq {RFLAGS}(%rdx), %rcx
    MAY_FAULT 8f, movq %rcx, \size-24(%rax)
    movq {RSP}(%rdx), %rcx
    MAY_FAULT 8f, movq %rcx, \size-16(%rax)
    movzwl {SS}(%rdx), %ecx
    MAY_FAULT 8f, movq %rcx, \size-8(%rax)
    CLAC
    movq %rdx, %rsp
    movq %rax, {RSP}(%rsp)
    cmpb ${KERNEL}, {MODE}(%rsp)
    je 3f
    EXCHANGE_GS_BASE %rsp, {GS_BASE_USER}, {GS_BASE_KERNEL}
    movb ${KERNEL}, {MODE}(%rsp)
3:  testb ${GATE_MASK}, \flags(%rsp)
    jz 4f
    movq %gs:{INFO}, %rdx
    movb $1, UPCALL_MASK(%rdx)
4:  movq \gate(%rsp), %rax
    movq %rax, {RIP}(%rsp)
    movl {RFLAGS}(%rsp), %eax
    FRAME_OF_HANDLER %rax, %eax
    movq {RAX}(%rsp), %rax
    movq {RCX}(%rsp), %rcx
    movq {RDX}(%rsp), %rdx
    RESUME

# The stack cannot be written.
8:  CLAC
    movq %rdx, %rsp
    cmpb ${KERNEL}, {MODE}(%rsp)
    je 5f
    movq {USER_ROOT}(%rsp), %rax
    movq %rax, %cr3
5:  .if \has_error
    movq %gs:{SCRATCH}, %rax
    movq %rax, %cr2
    .endif
9:  movq {RAX}(%rsp), %rax
    movq {RCX}(%rsp), %rcx
    movq {RDX}(%rsp), %rdx
    addq ${ERROR_VECTOR}, %rsp
    jmp \whole
.endm

# Saves what BOUNCE_EXCEPTION uses; the exception's frame is all that is in `Regs`.
.macro BEGIN_EXCEPTION
    subq ${ERROR_VECTOR}, %rsp
    movq %rax, {RAX}(%rsp)
    movq %rcx, {RCX}(%rsp)
    movq %rdx, {RDX}(%rsp)
.endm

# #PF without a translation. In the hypervisor's range it may be that of an LDT's page.
.balign 16
page_fault_quick:
    BEGIN_EXCEPTION
    movq %cr2, %rcx
    movq %rcx, %rax
    sarq $43, %rax                  # 0xffff8000 to 0xffff87ff in the upper half
    cmpq $-16, %rax
    je 9f
    movq %rcx, %gs:{SCRATCH}
    BOUNCE_EXCEPTION {PAGE_FAULT_GATE}, {PAGE_FAULT_FLAGS}, BOUNCE_FRAME+8, 1, page_fault_whole

# #UD, unless it is the forced `cpuid`.
.balign 16
invalid_opcode_quick:
    cld
    CLAC
    SAVE_REGISTERS
    movq %gs:{STACK}, %rsp
    movq %gs:{SELF}, %rdi
    callq {from_forced_cpuid}
    testb %al, %al
    jnz resume_emulated
    movq %gs:{REGS}, %rsp
    RESTORE_ARGUMENTS
    movq {R11}(%rsp), %r11
    BOUNCE_EXCEPTION {INVALID_OPCODE_GATE}, {INVALID_OPCODE_FLAGS}, BOUNCE_FRAME, 0, invalid_opcode_whole

# An event is due behind a hypercall, whose result is in rax: what is left of its registers is in
# `Regs`, its stack pointer in SCRATCH; rcx points to `vcpu_info`. A handler above the hypervisor's range
# is canonical, as `sysretq` must have it; what that leaves in rcx and r11 nobody sees, for they are on the
# handler's stack.
.balign 16
event_quick:
    movq %gs:{REGS}, %rdx
    cmpb $0, {IOPL}(%rdx)
    jne hypercall_due
    movq {EVENT_HANDLER}(%rdx), %rdi
    cmpq hypervisor_end(%rip), %rdi
    jb hypercall_due
    movq %gs:{SCRATCH}, %r8
    movq %r8, %r9
    PLACE_FRAME %r9, BOUNCE_FRAME, hypercall_due
    movq {RIP}(%rdx), %r10
    movq {RFLAGS}(%rdx), %r11
    STAC
    MAY_FAULT event_faulted, movq %r10, (%r9)
    MAY_FAULT event_faulted, movq %r11, 8(%r9)
    MAY_FAULT event_faulted, movq %r10, 16(%r9)
    MAY_FAULT event_faulted, movq $RING3_CS64-3, 24(%r9)
    MAY_FAULT event_faulted, movq %r11, 32(%r9)
    MAY_FAULT event_faulted, movq %r8, 40(%r9)
    MAY_FAULT event_faulted, movq $RING3_SS, 48(%r9)
    CLAC
    movb $1, UPCALL_MASK(%rcx)
    movq %rdi, %rcx
    andl ${HANDLER_FLAGS}, %r11d
    orl ${SET_FLAGS}, %r11d
    movq %r9, %rsp
    RESTORE_ARGUMENTS %rdx
    swapgs
    sysretq
event_faulted:
    CLAC
    jmp hypercall_due

# The iret hypercall, called as the others are. What a fault leaves undone, or is not plain, the core
# reads anew.
.balign 16
.global iret_hypercall
iret_hypercall:
    movq %gs:{REGS}, %r11
    movq %gs:{SCRATCH}, %rcx        # the frame
    movq %gs:{INFO}, %r10
    cmpb $0, (%r10)
    jne iret_whole
    cmpb $0, {IOPL}(%r11)
    jne iret_whole
    movq %rcx, %rax
    addq $IRET_FRAME, %rax
    jc iret_whole
    cmpq hypervisor_end(%rip), %rcx
    jb iret_whole
    STAC
    MAY_FAULT iret_faults, movl IRET_FLAGS(%rcx), %eax
    MAY_FAULT iret_faults, movzwl IRET_CS(%rcx), %edx
    MAY_FAULT iret_faults, movq IRET_RIP(%rcx), %r8
    MAY_FAULT iret_faults, movq IRET_RFLAGS(%rcx), %rdi
    MAY_FAULT iret_faults, movq IRET_RSP(%rcx), %r9
    testl ${IOPL_FLAGS}, %edi
    jnz iret_faults
    testl $IN_SYSCALL, %eax
    jz iret_from_trap

    # Behind a system call of 64-bit user code: rcx and r11 as `sysretq` leaves them, flat selectors.
    MAY_FAULT iret_faults, movq IRET_RAX(%rcx), %rsi
    CLAC
    cmpw $RING3_CS32, %dx
    je iret_whole
    notl %edx
    testb $3, %dl
    jnz iret_whole
    cmpq $0, {USER_ROOT}(%r11)
    je iret_whole
    CANONICAL %rcx, iret_whole
    movq %r11, %rsp
    ENTER_USER_MODE %rsp
    GO_ON_AS_IRET_SAYS
    movq %rsi, %rax
    movq %r8, %rcx
    SYSRET_CHECKED {RSP}(%rsp)

    # All of a frame, to either mode.
iret_from_trap:
    MAY_FAULT iret_faults, movzwl IRET_SS(%rcx), %esi
    MAY_FAULT iret_faults, movq IRET_R11(%rcx), %r11
    MAY_FAULT iret_faults, movq IRET_RAX(%rcx), %rax
    MAY_FAULT iret_faults, movq IRET_RCX(%rcx), %rcx
    CLAC
    movq %gs:{REGS}, %rsp
    orl $3, %esi
    movq %rsi, {SS}(%rsp)
    CANONICAL %rsi, iret_whole
    movl %edx, %esi
    orl $3, %edx
    movq %rdx, {CS}(%rsp)
    cmpq %rdx, %rsi                 # level 3, which is user mode
    jne 1f
    cmpq $0, {USER_ROOT}(%rsp)
    je iret_whole
    movq %rax, {RAX}(%rsp)
    movq %rcx, {RCX}(%rsp)
    ENTER_USER_MODE %rsp
    movq {RAX}(%rsp), %rax
    movq {RCX}(%rsp), %rcx
1:  GO_ON_AS_IRET_SAYS
    RESTORE_ARGUMENTS
    RESUME

iret_faults:
    CLAC
iret_whole:
    movq %gs:{SCRATCH}, %rsi
    movq %gs:{SELF}, %rdi
    movq %gs:{STACK}, %rsp
    callq {from_iret}
    testb %al, %al
    movl ${IRET}, %eax
    jz hypercall_due
resume_changed:
    UNLESS_DUE 1f, something_due, %rax
    jmp something_due
1:  movq %gs:{REGS}, %rsp
    jmp resume_loaded
