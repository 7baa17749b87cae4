# From the boot loader to Rust: 32-bit protected mode, first page tables, long mode, high half.
# Everything in .boot and .bootbss runs at its load address and is dropped afterwards.

.set MB1_MAGIC, 0x1badb002
.set MB1_FLAGS, 0x00010003          # modules on page boundaries, memory map, own load addresses
.set MB2_MAGIC, 0xe85250d6

.set CR0_LONG, 0x80010033           # PG WP NE ET MP PE
.set CR4_PAE, 1 << 5
.set EFER, 0xc0000080
.set EFER_LME_NXE, (1 << 8) | (1 << 11)
.set PRESENT_WRITE, 3
.set LARGE, 1 << 7

.section .boot.header, "a"
.balign 8
multiboot1_header:
    .long MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)
    .long multiboot1_header, __load_start, __load_end, __image_end, start32

.balign 8
multiboot2_header:
    .long MB2_MAGIC, 0, multiboot2_header_end - multiboot2_header
    .long -(MB2_MAGIC + (multiboot2_header_end - multiboot2_header))
    # Information request: command line, modules, memory map.
    .short 1, 0
    .long 20, 1, 3, 6
    .balign 8
    # Load addresses.
    .short 2, 0
    .long 24, multiboot2_header, __load_start, __load_end, __image_end
    .balign 8
    # Entry.
    .short 3, 0
    .long 12, start32
    .balign 8
    # Modules on page boundaries.
    .short 6, 0
    .long 8
    # End.
    .short 0, 0
    .long 8
multiboot2_header_end:

.section .boot, "ax"
.code32
.global start32
start32:
    cli
    cld
    movl %eax, %edi                 # multiboot magic
    movl %ebx, %esi                 # multiboot information
    rdtsc
    movl %eax, boot_tsc
    movl %edx, boot_tsc + 4
    movl $boot_stack_top, %esp

    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb no_long_mode
    movl $0x80000001, %eax
    cpuid
    andl $(1 << 29 | 1 << 20), %edx # LM, NX
    cmpl $(1 << 29 | 1 << 20), %edx
    jne no_long_mode

    # The first 4 GiB by 2 MiB pages, seen at 0, at the direct map and at the image's address.
    movl $boot_l2, %ebx
    movl $(PRESENT_WRITE | LARGE), %eax
1:  movl %eax, (%ebx)
    movl $0, 4(%ebx)
    addl $8, %ebx
    addl $0x200000, %eax
    jnc 1b
    movl $boot_l3, %ebx
    movl $(boot_l2 + PRESENT_WRITE), %eax
    movl $4, %ecx
2:  movl %eax, (%ebx)
    addl $8, %ebx
    addl $4096, %eax
    loop 2b
    movl $(boot_l3 + PRESENT_WRITE), boot_l4
    movl $(boot_l3 + PRESENT_WRITE), boot_l4 + {DIRECT_MAP_SLOT} * 8
    movl $(boot_l3 + PRESENT_WRITE), boot_l4 + {IMAGE_SLOT} * 8

    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $boot_l4, %eax
    movl %eax, %cr3
    movl $EFER, %ecx
    rdmsr
    orl $EFER_LME_NXE, %eax
    wrmsr
    movl $CR0_LONG, %eax
    movl %eax, %cr0
    lgdtl boot_gdtr
    ljmpl $8, $start64

no_long_mode:
    movl $no_long_mode_text, %esi
    movw $0x3f8, %dx
3:  lodsb
    testb %al, %al
    jz 4f
    outb %al, %dx
    jmp 3b
4:  hlt
    jmp 4b
no_long_mode_text:
    .asciz "(PVN) This processor has no 64-bit mode with no-execute pages: cannot run here.\r\n"

.code64
start64:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movabsq $start_high, %rax
    jmpq *%rax

.balign 8
boot_gdt:
    .quad 0, 0x00af9b000000ffff
boot_gdtr:
    .short 15
    .long boot_gdt

.section .text.entry, "ax"
# At the image's final address; the stack is seen through the direct map from here on.
start_high:
    movabsq $(boot_stack_top + {DIRECT_MAP}), %rsp
    movl %edi, %edi
    movl %esi, %esi
    xorl %ebp, %ebp
    movabsq $(boot_tsc + {DIRECT_MAP}), %rdx
    movq (%rdx), %rdx
    pushq $0
    callq {boot_main}
    ud2

.section .bootbss, "aw", @nobits
.balign 4096
boot_l4:    .skip 4096
boot_l3:    .skip 4096
boot_l2:    .skip 4 * 4096
boot_stack: .skip 262144             # unpacking a kernel takes 86 KiB of it, what leads there 73
boot_stack_top:
boot_tsc:   .skip 8
