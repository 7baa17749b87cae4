# Everything of the kernel that cannot be Rust: the ELF notes, the first instruction, the way in
# from the hypervisor (exceptions, events, system calls), the way out (iret), and the switch
# between two kernel stacks. AT&T syntax.

    .macro note_string type, text
    .balign 4
    .long 4, 2f - 1f, \type
    .asciz "Xen"
1:  .asciz "\text"
2:  .balign 4
    .endm

    .macro note_quad type, value:vararg
    .balign 4
    .long 4, 2f - 1f, \type
    .asciz "Xen"
1:  .quad \value
2:
    .endm

    .section .note.Xen, "a", @note
    note_string 5, "xen-3.0"                    # XEN_VERSION
    note_string 6, "paravane-guest"             # GUEST_OS
    note_string 7, "0.1"                        # GUEST_VERSION
    note_string 8, "generic"                    # LOADER
    note_quad   1, _start                       # ENTRY
    note_quad   2, hypercall_page               # HYPERCALL_PAGE
    note_quad   3, VIRT_BASE                    # VIRT_BASE
    note_quad   4, 0                            # PADDR_OFFSET
    note_string 10, "pae_pgdir_above_4gb|dom0"  # FEATURES
    note_quad   17, 0x810                       # SUPPORTED_FEATURES: the same two, as bits
    note_quad   12, 0xffff800000000000          # HV_START_LOW
    note_quad   13, 1, 1                        # L1_MFN_VALID: mask, value
    note_quad   15, 0x8000000000                # INIT_P2M: L4 slot 1, moved up by the kernel
    note_quad   16, 1                           # MOD_START_PFN: the ramdisk may come by PFN

    .section .bss
    .balign 4096
    .global boot_stack_bottom, boot_stack_top
boot_stack_bottom:
    .skip 32768
boot_stack_top:

    .text
    .global _start
_start:
    cld
    leaq boot_stack_top(%rip), %rsp
    xorl %ebp, %ebp
    movq %rsi, %rdi                             # start_info
    call kernel_main
    ud2

# The hypervisor enters with rcx, r11 (, error code), rip, cs, rflags, rsp, ss on the kernel stack.
# Each stub completes that to the vector and error words of a TrapFrame.
    .balign 32
    .global exception_stubs
exception_stubs:
    .set vector, 0
    .rept 256
    .balign 32
    popq %rcx
    popq %r11
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

    .global syscall_stub
    .balign 16
syscall_stub:
    popq %rcx
    popq %r11
    pushq $0
    pushq $0x100
    jmp trap_common

    .global event_stub
    .balign 16
event_stub:
    popq %rcx
    popq %r11
    pushq $0
    pushq $0x101
    jmp trap_common

# The hypervisor could not load a segment register on the way out; ds, es, fs, gs follow r11.
    .global failsafe_stub
    .balign 16
failsafe_stub:
    popq %rcx
    popq %r11
    addq $32, %rsp
    pushq $0
    pushq $0x102
    jmp trap_common

trap_common:
    cld
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
    movq %rsp, %rdi
    movq %rsp, %rbx
    andq $-16, %rsp
    call trap_entry
    movq %rbx, %rsp

# rsp points to a TrapFrame: restore it and leave by the iret hypercall.
trap_return:
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
    addq $8, %rsp                               # vector
    movq $0, (%rsp)                             # the error word becomes iret_context.flags
    jmp hypercall_page + 23 * 32                # pushes rcx, r11, rax; does not return

# switch_stacks(save: *mut u64 in rdi, next: u64 in rsi)
    .global switch_stacks
switch_stacks:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

# Where a new task's stack "returns" to: a TrapFrame (process) or, in r12, a function (kernel task).
    .global process_first_run, kernel_task_first_run
process_first_run:
    call after_switch
    jmp trap_return

kernel_task_first_run:
    call after_switch
    call *%r12
    ud2
