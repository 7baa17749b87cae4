//! GDT, TSS, LDT and IDT. The GDT begins with the guest's pages; the hypervisor's descriptors lie
//! behind them, from selector 0xe000 on (`FIRST_RESERVED_GDT_BYTE`, arch-x86/xen.h).

use core::arch::asm;

use super::cpu::{self, msr};
use super::entry;
use super::percpu::{PerCpu, window_of};
use crate::layout::{self, PAGE, window};

/// Ring-0 code.
pub(crate) const KERNEL_CS: u16 = 0xe008;
const KERNEL_DS: u16 = 0xe010;
/// `FLAT_RING3_CS32` (arch-x86/xen-x86_64.h); `sysretq` takes SS 8 and CS 16 behind it.
const RING3_CS32: u16 = 0xe023;
const TSS_SELECTOR: u16 = 0xe040;
const LDT_SELECTOR: u16 = 0xe050;
const FIRST: u16 = 0xe000;
/// Descriptors of 8 bytes.
const OWN_DESCRIPTORS: usize = 12;

/// RFLAGS bits cleared by `syscall`: TF, IF, DF, NT, AC, and IOPL.
const SYSCALL_MASK: u64 = 1 << 8 | 1 << 9 | 1 << 10 | 3 << 12 | 1 << 14 | 1 << 18;

/// The task-state segment: stacks, and no I/O permission bitmap.
#[repr(C, packed(4))]
pub(crate) struct Tss {
    _reserved0: u32,
    rsp: [u64; 3],
    _reserved1: u64,
    ist: [u64; 7],
    _reserved2: u64,
    _reserved3: u16,
    io_bitmap: u16,
}

const _: () = assert!(size_of::<Tss>() == 104);

impl Tss {
    /// For the CPU whose window is at `base`; `rsp0` is the stack on which the processor saves a guest's
    /// frame.
    pub(crate) fn new(base: u64, rsp0: u64) -> Self {
        let mut ist = [0; 7];
        for (slot, page) in ist.iter_mut().zip(window::IST) {
            *slot = base + (page + 1) * PAGE;
        }
        Self {
            _reserved0: 0,
            rsp: [rsp0, 0, 0],
            _reserved1: 0,
            ist,
            _reserved2: 0,
            _reserved3: 0,
            io_bitmap: size_of::<Self>() as u16,
        }
    }

    /// Sets the stack on which the processor saves a guest's frame.
    #[inline]
    pub(crate) fn set_rsp0(&mut self, top: u64) {
        self.rsp[0] = top;
    }
}

/// A system descriptor of `kind` (9 TSS, 2 LDT) in two words.
const fn system_descriptor(base: u64, limit: u32, kind: u64) -> [u64; 2] {
    let limit = limit as u64;
    let low = (limit & 0xffff)
        | (base & 0xff_ffff) << 16
        | (kind | 0x80) << 40
        | (limit >> 16) << 48
        | (base >> 24 & 0xff) << 56;
    [low, base >> 32]
}

#[repr(C, packed)]
struct TablePointer {
    limit: u16,
    base: u64,
}

fn write_descriptor(id: u32, selector: u16, value: u64) {
    let page = window_of(id) + window::GDT_OWN * PAGE;
    let at = (page + u64::from(selector - FIRST)) as *mut u64;
    // SAFETY: in the page of this CPU's own descriptors, which no reference covers.
    unsafe { at.write_volatile(value) };
}

/// Loads GDT, TSS, a null LDT, IDT, and the entry points of `syscall`, on this CPU.
pub(crate) fn load(own: &PerCpu) {
    let id = own.id();
    write_descriptor(id, FIRST, 0);
    write_descriptor(id, KERNEL_CS, 0x00af_9b00_0000_ffff);
    write_descriptor(id, KERNEL_DS, 0x00cf_9300_0000_ffff);
    write_descriptor(id, RING3_CS32 & !3, 0x00cf_fb00_0000_ffff);
    write_descriptor(id, (RING3_CS32 & !3) + 8, 0x00cf_f300_0000_ffff);
    write_descriptor(id, (RING3_CS32 & !3) + 16, 0x00af_fb00_0000_ffff);
    let tss = system_descriptor(own.tss.get() as u64, size_of::<Tss>() as u32 - 1, 9);
    write_descriptor(id, TSS_SELECTOR, tss[0]);
    write_descriptor(id, TSS_SELECTOR + 8, tss[1]);

    own.map_gdt(&[]);
    let gdt = TablePointer {
        limit: FIRST + 8 * OWN_DESCRIPTORS as u16 - 1,
        base: window_of(id) + window::GDT * PAGE,
    };
    // SAFETY: the table is mapped and stays so; the selectors used now are in it.
    unsafe { asm!("lgdt [{}]", in(reg) &gdt, options(readonly, nostack, preserves_flags)) };
    // SAFETY: a far return to the next instruction with the new table's ring-0 code selector.
    unsafe {
        asm!(
            "push {cs}", "lea {t}, [rip + 2f]", "push {t}", "retfq", "2:",
            cs = in(reg) u64::from(KERNEL_CS), t = out(reg) _, options(preserves_flags)
        );
    }
    // SAFETY: a flat writable data segment.
    unsafe {
        asm!("mov ss, {:e}", in(reg) u32::from(KERNEL_DS), options(nostack, preserves_flags))
    };
    // SAFETY: the descriptor was just written.
    unsafe { asm!("ltr {:x}", in(reg) TSS_SELECTOR, options(nostack, preserves_flags)) };
    load_ldt(own, 0);

    let idt = TablePointer {
        limit: 256 * 16 - 1,
        base: layout::IDT,
    };
    // SAFETY: the table was built before the final page tables came into force and is read-only.
    unsafe { asm!("lidt [{}]", in(reg) &idt, options(readonly, nostack, preserves_flags)) };
    set_syscall_entry();
}

fn set_syscall_entry() {
    let (entry64, entry32) = entry::syscall_entries();
    let star = u64::from(RING3_CS32) << 48 | u64::from(KERNEL_CS) << 32;
    let values = [
        (msr::STAR, star),
        (msr::LSTAR, entry64),
        (msr::CSTAR, entry32),
        (msr::SFMASK, SYSCALL_MASK),
        (msr::EFER, cpu::rdmsr(msr::EFER) | msr::EFER_SCE),
    ];
    for (register, value) in values {
        // SAFETY: entry.S's entry points and the GDT's selectors.
        unsafe { cpu::wrmsr(register, value) };
    }
}

/// Sets this CPU's LDT to the first `entries` descriptors of its LDT pages; 0 is no LDT.
pub(crate) fn load_ldt(own: &PerCpu, entries: u32) {
    let entries = entries.min((window::LDT_PAGES * PAGE / 8) as u32);
    let selector = if entries == 0 {
        0
    } else {
        let base = window_of(own.id()) + window::LDT * PAGE;
        let ldt = system_descriptor(base, entries * 8 - 1, 2);
        write_descriptor(own.id(), LDT_SELECTOR, ldt[0]);
        write_descriptor(own.id(), LDT_SELECTOR + 8, ldt[1]);
        LDT_SELECTOR
    };
    // SAFETY: null, or the descriptor just written; pages of it that are not mapped fault.
    unsafe { asm!("lldt {:x}", in(reg) selector, options(nostack, preserves_flags)) };
}

/// The interrupt descriptor of `vector`: an interrupt gate, on a stack of its own where the current
/// one cannot be trusted; open to guests' `int3` and `into` only.
pub(crate) fn gate(vector: u8) -> [u64; 2] {
    let entry = entry::vector_entry(vector);
    let ist: u64 = match vector {
        8 => 1,
        2 => 2,
        18 => 3,
        1 => 4,
        _ => 0,
    };
    let dpl: u64 = if matches!(vector, 3 | 4) { 3 } else { 0 };
    let low = (entry & 0xffff)
        | u64::from(KERNEL_CS) << 16
        | ist << 32
        | (0x8e | dpl << 5) << 40
        | (entry >> 16 & 0xffff) << 48;
    [low, entry >> 32]
}
