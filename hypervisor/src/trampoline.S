# A CPU's way from reset to Rust: smp.rs copies this to a page below 1 MiB, where the CPU starts in
# real mode, fills in the words at the end, and takes the page back once all CPUs are up. It is data
# in the image: nothing here is executable but that copy, and the copy not writable where it is.

.set CR0_LONG, 0x80010033           # PG WP NE ET MP PE
.set CR4_PAE, 1 << 5
.set EFER, 0xc0000080
.set EFER_LME_NXE, (1 << 8) | (1 << 11)

.section .rodata.trampoline, "a"
.balign 16
.global trampoline_start, trampoline_end, trampoline_words
trampoline_start:
.code16
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    # Only the CPU that takes the ticket goes on: one that is late finds none.
    movl $1, %eax
    movl $2, %ecx
    lock cmpxchgl %ecx, (ticket - trampoline_start)
    jne 1f
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl (root - trampoline_start), %eax
    movl %eax, %cr3
    movl $EFER, %ecx
    rdmsr
    orl $EFER_LME_NXE, %eax
    wrmsr
    lgdtl (gdtr - trampoline_start)
    movl $CR0_LONG, %eax
    movl %eax, %cr0
    ljmpl *(far_pointer - trampoline_start)
1:  hlt
    jmp 1b

.code64
.balign 16
long_mode:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movq stack(%rip), %rsp
    movl number(%rip), %edi
    xorl %ebp, %ebp
    pushq $0
    jmpq *entry(%rip)

.balign 8
gdt:
    .quad 0, 0x00af9b000000ffff

# What smp.rs fills in; `Words` there has the same layout.
.balign 8
trampoline_words:
stack:       .quad 0
entry:       .quad 0
root:        .long 0
number:      .long 0
ticket:      .long 0
far_pointer: .long long_mode - trampoline_start
             .short 8
gdtr:        .short 15
             .long gdt - trampoline_start
trampoline_end:
