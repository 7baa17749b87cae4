//! Isolation of the hypervisor from the guest that runs (`xpti`), for processors that read ahead of what
//! page tables forbid (Meltdown).
//!
//! **Roots.** A guest runs on its own L4 table, whose hypervisor slots show only what the ways in need
//! (`boot::space` builds them; isolated.S says what). The hypervisor runs on a root of the CPU's own, the
//! *full root*: its slots for the hypervisor are the whole, and of the guest's slots a few are copies,
//! for it reads and writes guests' memory by guests' addresses. So the guest's own table stays the one
//! that the processor walks for the guest and sets accessed bits in, and nothing needs to be told to
//! other CPUs when it changes.
//!
//! **Copies** are nothing but a TLB for L4 entries, and as right as that: they are read anew whenever the
//! CPU flushes its TLB in a way that [`Tlb`](hypervisor_core::frame::tlb::Tlb) counts on, which is when a
//! root is loaded, a flush asked for, or another CPU's NMI orders one; and at every INVLPG, which on
//! processors forgets upper levels, too. A table that went out of use is not used anew before that. An
//! entry that there is no copy of, or an old one, faults in the hypervisor, which then fetches it
//! ([`fetch`]), like a processor that does not remember what is not present.
//!
//! **NMIs** order flushes between any two instructions. One in the middle of reading copies anew makes
//! that start again; the TLB is flushed behind it, and no guest address is used before.
//!
//! **The window**, in which an entry is in ring 0 under the guest's root, is in .text.isolated. Interrupts
//! are off there; #DB, NMI, #MC and #DF have stacks that are always shown, and change to the full root
//! where they need it; the only instruction that may fault is the last `iretq`.
//!
//! **What is left to see**: the windows of all CPUs are shown, for the guest's table is the same on
//! all of them. In them are descriptor tables, the frames (rip, cs, rflags, rsp, ss) with which guests
//! were entered, and addresses; no other register of a guest, and nothing of the hypervisor's data.
//!
//! Every way in and out flushes the TLB: address space identifiers (PCID) would spare that, which
//! needs processors to measure it on, not instruction counts. The ways of the default are not touched:
//! interrupt table and `syscall` entry are chosen at boot, and the instructions that load a root are
//! replaced by calls.

use core::arch::asm;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering};

use super::cpu;
use super::percpu::PerCpu;
use crate::layout::DIRECT_MAP;
use crate::own;

static ON: AtomicBool = AtomicBool::new(false);

/// Whether guests are isolated from the hypervisor: known once the command line is read.
#[inline]
pub(crate) fn on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Slots of the guest's root that are copied at a time.
const COPIES: usize = 4;
/// Copies fetched in one entry at most. One that takes more by itself does not get on: a vCPU beside it
/// changes its root all the time.
const FETCHES: u8 = 200;

/// What isolated.S and the CPU's full root know of the guest's.
#[repr(C)]
pub(crate) struct Roots {
    /// Machine address of the CPU's root with everything.
    pub(crate) full: Cell<u64>,
    /// Machine address of the root to load on the way to the guest.
    pub(crate) guest: Cell<u64>,
    /// Where the hypervisor sees `full`.
    pub(crate) full_table: Cell<u64>,
    /// Where it sees `guest`.
    pub(crate) guest_table: Cell<u64>,
    /// Top of the stack of entries.
    pub(crate) entry_stack: Cell<u64>,
    /// The slots that are copied.
    pub(crate) slots: [Cell<u16>; COPIES],
    /// The one to give up next.
    next: Cell<u8>,
    /// Copies fetched in this entry.
    pub(crate) fetches: Cell<u8>,
}

impl Roots {
    /// For a CPU whose full root is at machine address `full`, which no guest has run on yet.
    pub(crate) fn new(full: u64, entry_stack: u64) -> Self {
        Self {
            full: Cell::new(full),
            guest: Cell::new(own::shown_root()),
            full_table: Cell::new(own::address_of(full).unwrap_or(0)),
            guest_table: Cell::new(own::address_of(own::shown_root()).unwrap_or(0)),
            entry_stack: Cell::new(entry_stack),
            slots: [const { Cell::new(0) }; COPIES],
            next: Cell::new(0),
            fetches: Cell::new(0),
        }
    }

    fn copy(&self, slot: u16) -> *mut u64 {
        (self.full_table.get() + u64::from(slot) * 8) as *mut u64
    }

    /// Entry `slot` of the guest's root.
    fn guests(&self, slot: u16) -> u64 {
        let at = (self.guest_table.get() + u64::from(slot) * 8) as *const u64;
        // SAFETY: an entry of a root in the direct map, or of the one without a guest; volatile, for
        // other CPUs change it.
        unsafe { at.read_volatile() }
    }

    fn set_copy(&self, slot: u16, entry: u64) {
        // SAFETY: an entry of this CPU's full root in a slot that is the guest's.
        unsafe { self.copy(slot).write_volatile(entry) };
    }

    /// Reads the copies anew, with no NMI in between, and flushes the TLB.
    fn refresh(&self, own: &PerCpu) {
        loop {
            let before = own.nmis();
            for slot in &self.slots {
                self.set_copy(slot.get(), self.guests(slot.get()));
            }
            if own.nmis() == before {
                break;
            }
        }
        // SAFETY: the full root maps all of the hypervisor.
        unsafe { cpu::write_cr3(self.full.get()) };
    }
}

/// An instruction that may have to be a call. Its one operand is a register, or where it points.
#[repr(C)]
struct Site {
    /// Behind it, relative to this field.
    end: i32,
    /// What is called, relative to this field: ways in of 8 bytes for each register.
    target: i32,
}

unsafe extern "C" {
    static __isolated_sites_start: Site;
    static __isolated_sites_end: Site;
    fn isolated_load_root();
    fn isolated_invlpg();
}

/// Bytes of a `call`.
const CALL_LEN: usize = 5;
const CALL: u8 = 0xe8;
/// The prefix by which registers 8 to 15 are meant; it stands before a two-byte opcode.
const REX_B: u8 = 0x41;

/// Makes isolation the rule, before there are page tables and an interrupt table for guests.
///
/// # Safety
/// The image's code is mapped writable: head.S's tables are in force.
pub(crate) unsafe fn switch_on() {
    ON.store(true, Ordering::Relaxed);
    let mut row = &raw const __isolated_sites_start;
    while row < &raw const __isolated_sites_end {
        // SAFETY: between the table's bounds, which the linker script sets.
        let Site { end, target } = unsafe { row.read() };
        let end = (row as u64).wrapping_add_signed(i64::from(end));
        let target = (row as u64 + 4).wrapping_add_signed(i64::from(target));
        let site = (end - CALL_LEN as u64) as *mut [u8; CALL_LEN];
        // SAFETY: the last bytes of an instruction, in the image.
        let register = operand_of(unsafe { site.read() });
        let distance = (target + 8 * register).wrapping_sub(end) as u32;
        let mut call = [CALL; CALL_LEN];
        call[1..].copy_from_slice(&distance.to_le_bytes());
        // SAFETY: code that nobody runs now, writable by the caller's word; at most prefixes that a
        // `call` may have, too, stay in front.
        unsafe { site.write(call) };
        row = row.wrapping_add(1);
    }
}

/// The register that an instruction with a two-byte opcode names, from its last bytes.
fn operand_of(bytes: [u8; CALL_LEN]) -> u64 {
    let (high, operand) = match bytes {
        // Memory that r12 or r13 points to takes a byte more.
        [REX_B, _, _, operand, _] => (8, operand),
        [_, REX_B, _, _, operand] => (8, operand),
        [.., operand] => (0, operand),
    };
    high + u64::from(operand & 7)
}

/// Loads a root, and with it flushes the TLB: a guest's, the hypervisor's without a guest, or the present
/// one anew.
///
/// # Safety
/// It maps all of the hypervisor, or with `xpti` what guests are shown of it.
#[inline(always)]
pub(crate) unsafe fn load_root(root: u64) {
    // SAFETY: the caller's. Two prefixes without meaning make it as long as the call that may replace it,
    // which keeps all registers and aligns its stack; there is no red zone.
    unsafe {
        asm!(
            ".byte 0x3e, 0x3e", "mov cr3, {root}", "770:",
            ".pushsection .isolated_sites, \"a\"", ".long 770b - .", ".long {target} - .", ".popsection",
            root = in(reg) root, target = sym isolated_load_root, options(nostack, preserves_flags)
        );
    }
}

/// Invalidates the translation of a guest's address.
#[inline(always)]
pub(crate) fn invlpg(va: u64) {
    // SAFETY: forgetting a cached translation is always allowed; else as in `load_root`.
    unsafe {
        asm!(
            ".byte 0x3e, 0x3e", "invlpg [{va}]", "770:",
            ".pushsection .isolated_sites, \"a\"", ".long 770b - .", ".long {target} - .", ".popsection",
            va = in(reg) va, target = sym isolated_invlpg, options(nostack, preserves_flags)
        );
    }
}

/// In place of loading `root`.
pub(super) extern "C" fn switch_root(root: u64) {
    let own = PerCpu::current();
    let roots = own.roots();
    if root == own::root() {
        let shown = own::shown_root();
        roots.guest.set(shown);
        roots.guest_table.set(own::address_of(shown).unwrap_or(0));
    } else if root != roots.full.get() {
        // An NMI in between finds one of the two, and is followed by reading all anew.
        roots.guest.set(root);
        roots.guest_table.set(DIRECT_MAP + root);
    }
    roots.refresh(own);
}

/// In place of INVLPG.
pub(super) extern "C" fn invalidate(_va: u64) {
    let own = PerCpu::current();
    own.roots().refresh(own);
}

/// The hypervisor faulted at `va`: true if the guest's root has an entry for it that was not copied, and
/// now is.
#[cold]
pub(crate) fn fetch(va: u64) -> bool {
    let slot = (va >> 39 & 511) as u16;
    if !on() || (256..272).contains(&slot) {
        return false;
    }
    let own = PerCpu::current();
    let roots = own.roots();
    // SAFETY: an entry of this CPU's full root.
    let copied = unsafe { roots.copy(slot).read_volatile() };
    if roots.guests(slot) == copied || roots.fetches.get() == FETCHES {
        return false;
    }
    roots.fetches.set(roots.fetches.get() + 1);
    if roots.slots.iter().all(|copied| copied.get() != slot) {
        let next = usize::from(roots.next.get()) % COPIES;
        roots.next.set(next as u8 + 1);
        // First it is not read any more, then it is taken away.
        let old = roots.slots[next].replace(slot);
        roots.set_copy(old, 0);
    }
    roots.refresh(own);
    true
}
