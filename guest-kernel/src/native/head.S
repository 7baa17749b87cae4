# The kernel on the bare machine: the multiboot header, the way to long mode, and the entries that
# the processor makes by itself. AT&T syntax. What the kernel finds here is what a loader of
# paravirtual kernels would have made; from `kernel_main` on it is the same code.
#
# The hypercall page of the image holds the machine's own way for each call (see `calls.rs`); a
# hypervisor writes its own over it.

    .set BASE, 0xffffffff80000000       # VIRT_BASE: where physical address 0 is seen
    .set MB_MAGIC, 0x1badb002
    .set MB_FLAGS, 0x00010003           # modules on page boundaries, memory, own load addresses
    .set CR0_LONG, 0x80010033           # PG WP NE ET MP PE
    .set CR4_PAE, 1 << 5
    .set EFER, 0xc0000080
    .set EFER_SCE_LME_NXE, 1 | 1 << 8 | 1 << 11
    .set KERNEL_CODE, 0x08
    .set USER_CODE, 0x23
    .set USER_DATA, 0x1b

    .section .text.hypercall_page, "ax"
    .balign 4096
    .global hypercall_page
hypercall_page:
    .set number, 0
    .rept 120
    .balign 32
    .if number == 23
    addq $8, %rsp                       # iret: behind the word of flags is what the processor wants
    iretq
    .else
    movl $number, %eax
    jmp native_hypercall
    .endif
    .set number, number + 1
    .endr
    .balign 32

# In the first 8 KiB of the file, where loaders look for it.
    .balign 4
native_multiboot:
    .long MB_MAGIC, MB_FLAGS, -(MB_MAGIC + MB_FLAGS)
    .long native_multiboot - BASE, __image_start - BASE, __load_end - BASE, __image_end - BASE
    .long native_start32 - BASE
    .balign 4096, 0x90

    .text
# A call as the hypercall page makes it: the number in eax, arguments as of a system call. Changes what
# a hypercall may change.
native_hypercall:
    pushq %r9
    movq %r8, %r9
    movq %r10, %r8
    movq %rdx, %rcx
    movq %rsi, %rdx
    movq %rdi, %rsi
    movl %eax, %edi
    call native_call
    popq %r9
    ret

# To 64-bit code by the tables at native_l4, from 32-bit code or real mode; the GDT is loaded.
    .macro TO_LONG_MODE to
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $(native_l4 - BASE), %eax
    movl %eax, %cr3
    movl $EFER, %ecx
    rdmsr
    orl $EFER_SCE_LME_NXE, %eax
    wrmsr
    movl $CR0_LONG, %eax
    movl %eax, %cr0
    ljmpl $KERNEL_CODE, $(\to - BASE)
    .endm

    .code32
native_start32:
    cli
    cld
    movl %eax, %edi                     # multiboot's magic number
    movl %ebx, %esi                     # multiboot's information

    # The first GiB by pages of 2 MiB, seen at 0 and at BASE.
    movl $(native_l2 - BASE), %ebx
    movl $0x83, %eax
    movl $512, %ecx
1:  movl %eax, (%ebx)
    movl $0, 4(%ebx)
    addl $8, %ebx
    addl $0x200000, %eax
    loop 1b
    movl $(native_l2 - BASE + 3), native_l3 - BASE
    movl $(native_l2 - BASE + 3), native_l3 - BASE + 510 * 8
    movl $(native_l3 - BASE + 3), native_l4 - BASE
    movl $(native_l3 - BASE + 3), native_l4 - BASE + 511 * 8

    lgdtl native_gdtr - BASE
    TO_LONG_MODE native_start64

    .code64
native_start64:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movabsq $native_high, %rax
    jmpq *%rax
native_high:
    leaq boot_stack_top(%rip), %rsp
    xorl %ebp, %ebp
    movl %edi, %edi
    movl %esi, %esi
    call native_main                    # makes what follows start_info, and returns its address
    movq %rax, %rdi
    leaq boot_stack_top(%rip), %rsp
    call kernel_main
    ud2

# Where another processor begins, in the page below 1 MiB that a copy of this was put into and that the
# interrupt named: in real mode, its code segment the page. From there to long mode in one step.
    .code16
    .global native_second, native_second_end
native_second:
    cli
    movw %cs, %ax
    movw %ax, %ds
    lgdtl native_second_gdtr - native_second
    TO_LONG_MODE native_second64
    .balign 8
native_second_gdtr:
    .short native_gdt_end - native_gdt - 1
    .long native_gdt - BASE
native_second_end:

    .code64
native_second64:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movabsq $native_second_high, %rax
    jmpq *%rax
native_second_high:
    leaq native_second_stack_top(%rip), %rsp
    xorl %ebp, %ebp
    call native_second_main
    ud2

# What the processor pushes for an exception or interrupt is what `trap_common` expects, but for the
# words of error and vector.
    .balign 32
    .global native_stubs
native_stubs:
    .set vector, 0
    .rept 256
    .balign 32
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

# A system call changes neither stack nor interrupt frame: make the one that an interrupt would.
    .global native_syscall
    .balign 16
native_syscall:
    movq %rsp, native_user_rsp(%rip)
    movq native_kernel_rsp(%rip), %rsp
    pushq $USER_DATA
    pushq native_user_rsp(%rip)
    pushq %r11
    pushq $USER_CODE
    pushq %rcx
    pushq $0
    pushq $0x100
    jmp trap_common

    .section .rodata
    .balign 8
native_gdtr:
    .short native_gdt_end - native_gdt - 1
    .long native_gdt - BASE

    .data
    .balign 8
    .global native_gdt
native_gdt:
    .quad 0
    .quad 0x00af9b000000ffff            # 0x08 kernel code
    .quad 0x00cf93000000ffff            # 0x10 kernel data
    .quad 0x00cff3000000ffff            # 0x18 user data
    .quad 0x00affb000000ffff            # 0x20 user code
    .quad 0, 0                          # 0x28 task state
native_gdt_end:
    .global native_kernel_rsp, native_user_rsp
native_kernel_rsp: .quad 0
native_user_rsp:   .quad 0

    .section .bss
    .balign 4096
native_l4: .skip 4096
native_l3: .skip 4096
native_l2: .skip 4096
    .skip 16384
native_second_stack_top:
