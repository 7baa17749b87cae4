//! The processor: descriptors, vectors, control registers.

use crate::global::Global;
use core::arch::asm;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Selectors of `head.S`'s descriptors.
pub(crate) const KERNEL_CODE: u16 = 0x08;
pub(crate) const KERNEL_DATA: u16 = 0x10;
pub(crate) const USER_CODE: u16 = 0x23;
pub(crate) const USER_DATA: u16 = 0x1b;
const TASK: u16 = 0x28;
const TASK_INDEX: usize = TASK as usize / 8;
const GDT_ENTRIES: usize = TASK_INDEX + 2;

const EFER: u32 = 0xc000_0080;
const STAR: u32 = 0xc000_0081;
const LSTAR: u32 = 0xc000_0082;
const SFMASK: u32 = 0xc000_0084;
/// Cleared by a system call: trap, interrupt and direction flag, nested task, alignment check.
const CLEARED: u64 = 1 << 8 | 1 << 9 | 1 << 10 | 1 << 14 | 1 << 18;
/// CR0: the next instruction of the FPU faults.
const TASK_SWITCHED: u64 = 1 << 3;
/// Bytes per stub in `head.S`.
const STUB_LEN: u64 = 32;

unsafe extern "C" {
    static native_stubs: u8;
    static native_syscall: u8;
    static native_gdt: [AtomicU64; GDT_ENTRIES];
    static native_kernel_rsp: AtomicU64;
}

/// The task state in words: of its contents only the stack for ring 0 is used, at [`RSP0`].
static TASK_STATE: [AtomicU32; 26] = {
    let mut state = [const { AtomicU32::new(0) }; 26];
    // The map of ports lies beyond the segment: none is open to ring 3.
    state[25] = AtomicU32::new(TASK_STATE_LEN << 16);
    state
};
const TASK_STATE_LEN: u32 = 104;
/// Low and high half.
const RSP0: [usize; 2] = [1, 2];

/// A gate of the IDT: two words.
type Gate = [u64; 2];

static IDT: Global<[Gate; 256]> = Global::new([[0; 2]; 256]);

/// What `lgdt` and `lidt` read.
#[repr(C, packed)]
struct TablePointer {
    limit: u16,
    base: u64,
}

/// Loads descriptors and the MSRs of system calls.
pub(super) fn init() {
    let task = &raw const TASK_STATE as u64;
    let limit = u64::from(TASK_STATE_LEN) - 1;
    let low = limit | (task & 0xff_ffff) << 16 | 0x89 << 40 | (task >> 24 & 0xff) << 56;
    // SAFETY: `head.S` defines the table, which is written only here.
    let gdt = unsafe { &native_gdt };
    gdt[TASK_INDEX].store(low, Ordering::Relaxed);
    gdt[TASK_INDEX + 1].store(task >> 32, Ordering::Relaxed);
    load_descriptors();
    // SAFETY: the descriptor was just made.
    unsafe { asm!("ltr {:x}", in(reg) TASK) };
    // `syscall` loads the first, and its stack's behind it; `sysret` those behind the second.
    wrmsr(
        STAR,
        u64::from(KERNEL_CODE) << 32 | u64::from(KERNEL_DATA) << 48,
    );
    set_own_system_call();
    wrmsr(SFMASK, CLEARED);
    // `head.S` has system calls, no-execute pages and long mode on.
    assert_eq!(
        rdmsr(EFER) & 0xd01,
        0xd01,
        "long mode is not as it was left"
    );
}

/// Gives vectors to `head.S`'s stubs; for each whether ring 3 may call it.
pub(super) fn set_vectors(may_be_called: impl Fn(u8) -> bool) {
    let stubs = &raw const native_stubs as u64;
    IDT.with(|idt| {
        for vector in 0..=255_u8 {
            let to = stubs + u64::from(vector) * STUB_LEN;
            let level = if may_be_called(vector) { 3 } else { 0 };
            idt[usize::from(vector)] = gate(to, level);
        }
        VECTORS.store(core::ptr::from_ref(idt) as u64, Ordering::Release);
    });
    load_vectors();
}

/// Where the vectors are.
static VECTORS: AtomicU64 = AtomicU64::new(0);

fn load_vectors() {
    let pointer = TablePointer {
        limit: (256 * size_of::<Gate>() - 1) as u16,
        base: VECTORS.load(Ordering::Acquire),
    };
    // SAFETY: the table is static, and each gate leads to a stub.
    unsafe { asm!("lidt [{}]", in(reg) &raw const pointer) };
}

/// Has the second processor use the same descriptors and vectors; it runs in ring 0 alone.
pub(super) fn init_second() {
    load_descriptors();
    load_vectors();
}

fn load_descriptors() {
    let gdt = TablePointer {
        limit: (GDT_ENTRIES * 8 - 1) as u16,
        base: &raw const native_gdt as u64,
    };
    // SAFETY: the same table at the address where it stays, with the selectors in use.
    unsafe { asm!("lgdt [{}]", in(reg) &raw const gdt) };
    // SAFETY: flat data, as before.
    unsafe { asm!("mov ss, {:x}", in(reg) KERNEL_DATA) };
}

/// A gate for interrupts, which ring `level` may call.
const fn gate(to: u64, level: u64) -> Gate {
    let low = to & 0xffff | (KERNEL_CODE as u64) << 16 | (0x8e | level << 5) << 40;
    [low | (to >> 16 & 0xffff) << 48, to >> 32]
}

/// Gives a vector to a handler that returns as the processor wants it.
pub(crate) fn set_vector(vector: u8, handler: u64) {
    IDT.with(|idt| idt[usize::from(vector)] = gate(handler, 0));
}

/// Has system calls enter a handler.
pub(crate) fn set_system_call(handler: u64) {
    wrmsr(LSTAR, handler);
}

/// Has system calls enter the kernel.
pub(crate) fn set_own_system_call() {
    set_system_call(&raw const native_syscall as u64);
}

/// Names the stack on which the kernel is entered from ring 3.
pub(crate) fn set_kernel_stack(top: u64) {
    TASK_STATE[RSP0[0]].store(top as u32, Ordering::Relaxed);
    TASK_STATE[RSP0[1]].store((top >> 32) as u32, Ordering::Relaxed);
    // SAFETY: `head.S` defines the word, and reads it where a system call enters.
    unsafe { &native_kernel_rsp }.store(top, Ordering::Relaxed);
}

/// Loads a root, which forgets translations.
pub(crate) fn load_root(physical: u64) {
    // SAFETY: callers name roots that map the kernel as it is.
    unsafe { asm!("mov cr3, {}", in(reg) physical, options(nostack)) };
}

/// The physical address of the root.
pub(crate) fn root() -> u64 {
    let root: u64;
    // SAFETY: reading the register changes nothing; its other bits are not in use.
    unsafe { asm!("mov {}, cr3", out(reg) root, options(nomem, nostack, preserves_flags)) };
    root
}

/// Forgets all translations.
pub(crate) fn flush() {
    // SAFETY: the root stays the same.
    unsafe { asm!("mov {0}, cr3", "mov cr3, {0}", out(reg) _, options(nostack)) };
}

/// Forgets the translation of an address.
pub(crate) fn flush_page(va: u64) {
    // SAFETY: no mapping changes.
    unsafe { asm!("invlpg [{}]", in(reg) va, options(nostack)) };
}

/// The address of the last page fault.
pub(crate) fn fault_address() -> u64 {
    let address: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack)) };
    address
}

/// CR4.
pub(crate) fn cr4() -> u64 {
    let cr4: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr4", out(reg) cr4, options(nomem, nostack)) };
    cr4
}

/// CR0.
pub(crate) fn cr0() -> u64 {
    let cr0: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr0", out(reg) cr0, options(nomem, nostack)) };
    cr0
}

/// Lets interrupts in, or not.
pub(crate) fn let_interrupts_in(let_in: bool) {
    match let_in {
        // SAFETY: the vectors lead to handlers that leave all as it is.
        true => unsafe { asm!("sti", options(nostack)) },
        // SAFETY: as above.
        false => unsafe { asm!("cli", options(nostack)) },
    }
}

/// Makes the next instruction of the FPU fault, or not.
pub(crate) fn deny_fpu(deny: bool) {
    let cr0 = cr0();
    let wanted = if deny {
        cr0 | TASK_SWITCHED
    } else {
        cr0 & !TASK_SWITCHED
    };
    // SAFETY: the kernel itself uses no FPU.
    unsafe { asm!("mov cr0, {}", in(reg) wanted, options(nostack)) };
}

/// Waits for an interrupt, with interrupts on; they are off again behind it.
pub(super) fn wait() {
    // SAFETY: the vectors lead to the kernel's stubs, and nothing of the kernel's is in use here.
    unsafe { asm!("sti", "hlt", "cli") };
}

/// Resets the machine: a breakpoint without vectors is a fault that nobody handles.
pub(super) fn reset() -> ! {
    let none = TablePointer { limit: 0, base: 0 };
    loop {
        // SAFETY: nothing of the kernel's is to run any more.
        unsafe { asm!("lidt [{}]", "int3", in(reg) &raw const none) };
    }
}

/// Reads an MSR.
pub(crate) fn rdmsr(msr: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: callers name MSRs that every processor with long mode has.
    unsafe { asm!("rdmsr", in("ecx") msr, out("eax") low, out("edx") high) };
    u64::from(high) << 32 | u64::from(low)
}

/// Writes an MSR.
pub(crate) fn wrmsr(msr: u32, value: u64) {
    // SAFETY: as above; callers keep the kernel's own entries and segments as they are.
    unsafe { asm!("wrmsr", in("ecx") msr, in("eax") value as u32, in("edx") (value >> 32) as u32) };
}

/// Writes to a port.
pub(super) fn out(port: u16, value: u8) {
    // SAFETY: callers are drivers of devices that every PC has.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nostack)) };
}

/// Writes a word of two bytes to a port.
pub(super) fn out_word(port: u16, value: u16) {
    // SAFETY: as above.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nostack)) };
}

/// Reads from a port.
pub(super) fn input(port: u16) -> u8 {
    let value: u8;
    // SAFETY: as above.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nostack)) };
    value
}
