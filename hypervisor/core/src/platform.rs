//! Everything the core needs of the machine, as one trait of small, checked operations.
//!
//! The binary implements it for the hardware, [`crate::testkit`] for a fake machine. All methods
//! take `&self`: the implementation keeps its state in per-CPU structures or atomics. Methods that
//! speak of "this CPU" act on the CPU that calls them.

use crate::addr::{Mfn, PAGE_SIZE};
use crate::hypercall::Budget;
use crate::pv::entry::ValidEntry;
use crate::vcpu::{InfoArea, Regs, Vcpu};
use core::sync::atomic::AtomicU64;
use zerocopy::IntoBytes;

/// Nanoseconds since the hypervisor started.
pub type Nanos = u64;
/// A physical CPU's number.
pub type CpuId = u32;
/// A set of physical CPUs, one bit each.
pub type CpuMask = u64;

/// A guest address could not be accessed; `0` is the first address that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyFault(pub u64);

/// An access the hardware refused with a fault (an MSR, a selector, a port).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// A segment register that a guest's selector is loaded into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Segment {
    Ds,
    Es,
    Fs,
    Gs,
}

/// The guest's parameters of the clock page, as `vcpu_time_info` wants them (xen.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TscScale {
    /// TSC value at `system_time`.
    pub tsc_timestamp: u64,
    /// Nanoseconds since boot at `tsc_timestamp`.
    pub system_time: Nanos,
    /// Fixed-point multiplier: `(tsc << shift) * mul >> 32` is nanoseconds.
    pub tsc_to_system_mul: u32,
    /// Left shift of the TSC difference (right, if negative).
    pub tsc_shift: i8,
}

/// How a line of an I/O APIC is wired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wiring {
    /// Triggered by the level, not by an edge.
    pub level: bool,
    /// Active low.
    pub low: bool,
}

/// Where the interrupts of a line go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Their vector, the same on all CPUs.
    pub vector: u8,
    /// How they are recognised.
    pub wiring: Wiring,
    /// The CPU that gets them.
    pub cpu: CpuId,
}

/// How the machine ends or restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Shutdown {
    Poweroff,
    Reboot,
    Halt,
}

/// The machine under the core.
pub trait Machine: Sync + Sized + 'static {
    // ---- frames, through the direct map -------------------------------------------------------
    /// Reads entry `index` of table `table` (one atomic 8-byte load).
    fn read_entry(&self, table: Mfn, index: usize) -> u64;
    /// The end of the absent entries from `index` (a multiple of 8) on, in whole groups of eight:
    /// the first of a group with a present one, or 512.
    fn absent_from(&self, table: Mfn, index: usize) -> usize;
    /// The begin of the absent entries before `end` (a multiple of 8), likewise: the one behind a
    /// group with a present one, or 0.
    fn absent_before(&self, table: Mfn, end: usize) -> usize;
    /// Stores a validated entry (one atomic 8-byte store).
    fn write_entry(&self, table: Mfn, index: usize, entry: ValidEntry);
    /// Replaces an entry if it still is `old`, for updates that must keep accessed and dirty bits;
    /// `Err` gives the value found.
    fn swap_entry(&self, table: Mfn, index: usize, old: u64, new: ValidEntry) -> Result<(), u64>;
    /// Copies the hypervisor's own L4 slots (256 to 271) into the new root `table`.
    fn install_hypervisor_slots(&self, table: Mfn);

    /// Zeroes a guest's frame.
    fn zero_frame(&self, mfn: Mfn);
    /// Copies one guest frame over another.
    fn copy_frame(&self, dst: Mfn, src: Mfn) {
        self.copy_part((dst, 0), (src, 0), PAGE_SIZE);
    }
    /// Copies bytes within guests' frames, from an offset in one to an offset in another; both
    /// offsets plus `len` are at most 4096.
    fn copy_part(&self, dst: (Mfn, usize), src: (Mfn, usize), len: usize);
    /// Reads bytes of a guest's frame; `offset + buf.len() <= 4096`.
    fn read_frame(&self, mfn: Mfn, offset: usize, buf: &mut [u8]);
    /// Writes bytes of a guest's frame; the implementation refuses (panics in debug, ignores in
    /// release) frames that the hypervisor owns.
    fn write_frame(&self, mfn: Mfn, offset: usize, bytes: &[u8]);
    /// Atomic byte load from a guest's frame.
    fn load_u8(&self, mfn: Mfn, offset: usize) -> u8;
    /// Atomic byte store into a guest's frame.
    fn store_u8(&self, mfn: Mfn, offset: usize, value: u8);
    /// Atomic aligned 32-bit load from a guest's frame.
    fn load_u32(&self, mfn: Mfn, offset: usize) -> u32;
    /// Atomic aligned 32-bit store (release) into a guest's frame.
    fn store_u32(&self, mfn: Mfn, offset: usize, value: u32);
    /// Atomic aligned 64-bit load from a guest's frame.
    fn load_u64(&self, mfn: Mfn, offset: usize) -> u64;
    /// Atomic aligned 64-bit store (release) into a guest's frame.
    fn store_u64(&self, mfn: Mfn, offset: usize, value: u64);
    /// Atomic or on an aligned word of a guest's frame (shared-info bitmaps); returns the old value.
    fn fetch_or_u64(&self, mfn: Mfn, offset: usize, bits: u64) -> u64;
    /// Atomic and on an aligned word of a guest's frame; returns the old value.
    fn fetch_and_u64(&self, mfn: Mfn, offset: usize, bits: u64) -> u64;
    /// Atomically takes `bits` off the lower half of an aligned word of a guest's frame.
    #[inline]
    fn clear_u32(&self, mfn: Mfn, offset: usize, bits: u32) {
        self.fetch_and_u64(mfn, offset, !u64::from(bits));
    }
    /// Replaces an aligned 32-bit word of a guest's frame if it still is `old`; `Err` gives the
    /// value found.
    fn exchange_u32(&self, mfn: Mfn, offset: usize, old: u32, new: u32) -> Result<(), u32>;

    /// Sets bit `bit` (below 32768) of a guest's frame atomically; whether it was set. A full barrier.
    fn set_bit(&self, mfn: Mfn, bit: usize) -> bool;
    /// Whether bit `bit` (below 32768) of a guest's frame is set.
    fn has_bit(&self, mfn: Mfn, bit: usize) -> bool;
    /// Clears bit `bit` of a guest's frame atomically; whether it was set. A full barrier.
    fn clear_bit(&self, mfn: Mfn, bit: usize) -> bool;

    // ---- looking at what others own, without a lock -------------------------------------------
    /// This CPU looks: its mark becomes `what`, which is not 0. A full barrier. See
    /// [`crate::evtchn::looking`].
    fn look(&self, what: u64);
    /// This CPU has looked: its mark becomes 0, after all that it did.
    fn look_away(&self);
    /// Another CPU's mark; `None` for one that is not up.
    fn looking_of(&self, cpu: CpuId) -> Option<&AtomicU64>;
    /// Word `FIRST` (at most 256) + `index` (below 256) of the frame of the running vCPU's first
    /// ports ([`Vcpu::ports`]); 0 if there is none. An index beyond brings no speculation beyond the
    /// frame.
    fn ports_word<const FIRST: usize>(&self, index: usize) -> u64;
    /// Word `INDEX` (below 512) of the root frame of the running vCPU's ports, likewise.
    fn ports_root_word<const INDEX: usize>(&self) -> u64;
    /// What the word of a port says that notifies the running vCPU: [`Vcpu::channel`].
    fn running_channel(&self) -> u64;
    /// A full barrier: what this CPU stored before is seen by whoever this CPU sees later.
    #[inline(always)]
    fn barrier(&self) {
        core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
    }
    /// Called before another CPU's mark is read. A fake machine lets others run there.
    #[inline(always)]
    fn others_may_run(&self) {}
    /// Called while nothing can be done before another CPU has done something.
    #[inline(always)]
    fn others_must_run(&self) {
        core::hint::spin_loop();
    }

    // ---- the current guest's virtual memory ---------------------------------------------------
    /// Copies from the current address space with the guest's own rights. The caller has checked
    /// the range with [`crate::addr::guest_range`].
    fn copy_from_guest(&self, va: u64, buf: &mut [u8]) -> Result<(), CopyFault>;
    /// Copies into the current address space with the guest's own rights; same precondition.
    fn copy_to_guest(&self, va: u64, bytes: &[u8]) -> Result<(), CopyFault>;
    /// One aligned or unaligned 8-byte load from the current address space; same precondition.
    fn read_guest_u64(&self, va: u64) -> Result<u64, CopyFault>;
    /// One 4-byte load from the current address space, or `otherwise` if it faults, as a number with
    /// zeros above; same precondition, of the first byte alone.
    fn read_guest_u32_or(&self, va: u64, otherwise: u32) -> u64;
    /// One 8-byte store into the current address space; same precondition.
    fn write_guest_u64(&self, va: u64, value: u64) -> Result<(), CopyFault>;
    /// Stores two words; same precondition.
    #[inline]
    fn write_guest_two(&self, va: u64, words: [u64; 2]) -> Result<(), CopyFault> {
        self.copy_to_guest(va, words.as_bytes())
    }
    /// Loads two words, as a request of `mmu_update` has; same precondition.
    #[inline]
    fn read_guest_two(&self, va: u64) -> Result<[u64; 2], CopyFault> {
        let mut words = [0; 2];
        self.copy_from_guest(va, words.as_mut_bytes())?;
        Ok(words)
    }
    /// Loads three words, as `mmuext_op` has; same precondition.
    #[inline]
    fn read_guest_three(&self, va: u64) -> Result<[u64; 3], CopyFault> {
        let mut words = [0; 3];
        self.copy_from_guest(va, words.as_mut_bytes())?;
        Ok(words)
    }
    /// Loads five words, as `gnttab_copy` has; same precondition.
    #[inline]
    fn read_guest_five(&self, va: u64) -> Result<[u64; 5], CopyFault> {
        let mut words = [0; 5];
        self.copy_from_guest(va, words.as_mut_bytes())?;
        Ok(words)
    }
    /// Loads the number and the first four arguments of a `multicall_entry`, which is there whole; same
    /// precondition.
    #[inline]
    fn read_guest_entry(&self, va: u64) -> Result<[u64; 5], CopyFault> {
        let mut words = [0; 8];
        self.copy_from_guest(va, words.as_mut_bytes())?;
        let [op, _, a, b, c, d, ..] = words;
        Ok([op, a, b, c, d])
    }
    /// Loads a frame of nine words, as `iret` takes it; same precondition.
    #[inline]
    fn read_guest_frame(&self, va: u64) -> Result<[u64; 9], CopyFault> {
        let mut words = [0; 9];
        self.copy_from_guest(va, words.as_mut_bytes())?;
        Ok(words)
    }
    /// Stores a frame of seven words, as handlers find it; same precondition.
    #[inline]
    fn write_guest_frame(&self, va: u64, words: [u64; 7]) -> Result<(), CopyFault> {
        self.copy_to_guest(va, words.as_bytes())
    }
    /// The same for vectors with an error code.
    #[inline]
    fn write_guest_error_frame(&self, va: u64, words: [u64; 8]) -> Result<(), CopyFault> {
        self.copy_to_guest(va, words.as_bytes())
    }
    /// Byte `at` of the running vCPU's `vcpu_info`, which is in `area`.
    #[inline]
    fn load_info(&self, area: InfoArea, at: usize) -> u8 {
        self.load_u8(area.mfn, usize::from(area.offset) + at)
    }
    /// Stores it.
    #[inline]
    fn store_info(&self, area: InfoArea, at: usize, value: u8) {
        self.store_u8(area.mfn, usize::from(area.offset) + at, value);
    }

    /// Sets bit `selector` (below 512) of the running vCPU's `vcpu_info` atomically and, if that is
    /// news, its first byte, the upcall flag. False, and nothing has changed, where that byte is not 0 or
    /// there is no `vcpu_info`.
    fn mark_own_upcall(&self, selector: usize) -> bool;

    // ---- address spaces and the TLB of this CPU and others ------------------------------------
    /// Loads CR3 with `root`, flushing this CPU's TLB (all but the hypervisor's global entries).
    fn load_root(&self, root: Mfn);
    /// Flushes this CPU's TLB, all but the hypervisor's global entries.
    fn flush_tlb_local(&self);
    /// Invalidates one page in this CPU's TLB.
    fn invlpg_local(&self, va: u64);
    /// Writes back and invalidates this CPU's caches.
    fn flush_cache(&self);
    /// Flushes the TLBs of the other CPUs in `mask` and waits until they have done it. They do it
    /// wherever they are: the caller may hold locks that they wait for.
    fn flush_tlb_remote(&self, mask: CpuMask);

    // ---- the running vCPU's descriptor tables and segments ------------------------------------
    /// Maps `frames` as the first GDT pages of this CPU (at most 14), the rest reads as zero.
    fn load_gdt(&self, frames: &[Mfn]);
    /// Sets this CPU's LDT to `entries` descriptors and forgets its mapped pages; 0 is a null LDT.
    fn load_ldt(&self, entries: u32);
    /// Maps `frame` as page `page` (0 to 15) of this CPU's LDT.
    fn map_ldt_page(&self, page: usize, frame: Mfn);
    /// The byte offset in the LDT that `va` has, if it lies where this CPU's LDT is mapped: an
    /// access there faulted because the page was not mapped yet.
    fn ldt_offset(&self, va: u64) -> Option<u32>;
    /// Loads a guest's data selector; a faulting selector becomes null and gives `Refused`.
    /// `Segment::Gs` means the guest's GS, never the hypervisor's.
    fn load_selector(&self, segment: Segment, selector: u16) -> Result<(), Refused>;
    /// The selector in a segment register as the guest left it.
    fn selector(&self, segment: Segment) -> u16;
    /// The guest's FS base on this CPU.
    fn fs_base(&self) -> u64;
    /// Sets the guest's FS base (canonical).
    fn set_fs_base(&self, base: u64);
    /// The guest's GS base on this CPU (what GS has while the guest runs).
    fn gs_base(&self) -> u64;
    /// Sets the guest's GS base (canonical).
    fn set_gs_base(&self, base: u64);
    /// Sets or clears CR0.TS for the guest on this CPU.
    fn set_task_switched(&self, ts: bool);
    /// Sets the bits of CR4 on this CPU that are the guest's own
    /// ([`crate::trap::registers::CR4_OF_HARDWARE`]); all others stay.
    fn set_guest_cr4(&self, bits: u64);
    /// Sets XCR0 on this CPU, to components that the processor has; nothing without XSAVE.
    fn set_xcr0(&self, components: u64);
    /// Sets TSC_AUX on this CPU, which has the register.
    fn set_tsc_aux(&self, value: u32);
    /// Loads debug registers (0-3, 6, 7) whose values the core has checked.
    fn load_debugreg(&self, index: usize, value: u64);
    /// Reads a debug register.
    fn debugreg(&self, index: usize) -> u64;

    // ---- devices and identification, only for what the core's policy allows --------------------
    /// CPUID on the hardware: (eax, ebx, ecx, edx).
    fn cpuid(&self, leaf: u32, subleaf: u32) -> (u32, u32, u32, u32);
    /// Reads a model-specific register; `Refused` if it faults.
    fn rdmsr(&self, msr: u32) -> Result<u64, Refused>;
    /// Reads an I/O port of `size` 1, 2 or 4 bytes.
    fn port_in(&self, port: u16, size: u8) -> u32;
    /// Writes an I/O port of `size` 1, 2 or 4 bytes.
    fn port_out(&self, port: u16, size: u8, value: u32);

    /// Units of work that one entry into the hypervisor may do before it is continued: see
    /// [`Budget`]. A fake machine gives fewer, so that tests see every continuation.
    #[inline(always)]
    fn budget(&self) -> u32 {
        Budget::FULL
    }

    // ---- CPUs and time ------------------------------------------------------------------------
    /// The CPU this runs on.
    fn cpu(&self) -> CpuId;
    /// Makes another CPU come back into the hypervisor soon and look for work (an IPI).
    fn kick(&self, cpu: CpuId);
    /// Makes this CPU look for work before it goes back to its guest: [`crate::sched::leave`] is to
    /// be called on the way out, also where it would be skipped.
    fn attend(&self);
    /// The running vCPU's `vcpu_info` is here now; on the way out the entry code looks there whether
    /// an upcall is pending.
    fn note_info(&self, info: Option<InfoArea>);
    /// Nanoseconds since the hypervisor started, monotonic over all CPUs.
    fn now(&self) -> Nanos;
    /// The time-stamp counter now.
    fn tsc(&self) -> u64;
    /// Parameters for guests' clock pages on this CPU.
    fn tsc_scale(&self) -> TscScale;
    /// Frequency of the time-stamp counter, in kHz.
    fn tsc_khz(&self) -> u32;
    /// Arms this CPU's timer interrupt at `deadline`; `Nanos::MAX` disarms.
    fn arm_timer(&self, deadline: Nanos);
    /// Wall-clock time at boot, nanoseconds since 1970.
    fn wallclock_at_boot(&self) -> Nanos;

    // ---- vCPU state that only hardware can move ------------------------------------------------
    /// Saves the running vCPU's hardware state (FPU, bases, selectors, debug registers) into it.
    fn save_vcpu(&self, vcpu: &mut Vcpu);
    /// Loads a vCPU's hardware state (FPU, GDT, LDT, bases, selectors, debug registers, root of its
    /// mode).
    fn load_vcpu(&self, vcpu: &Vcpu);
    /// Leaves the guest's address space and descriptor tables for the hypervisor's own, because this
    /// CPU has nothing to run. Afterwards what the vCPU that ran here held may be freed.
    fn unload_vcpu(&self);

    // ---- the machine itself ---------------------------------------------------------------------
    /// Non-maskable interrupts of this CPU so far.
    fn nmis(&self) -> u64;
    /// Leaves this CPU stuck, interrupts off, if there is a watchdog to notice; else does nothing.
    fn try_out_watchdog(&self);

    // ---- devices' interrupts -------------------------------------------------------------------
    /// Routes line `gsi` (ACPI's number of it), which is masked now. Nothing for a line that is not
    /// there.
    fn route_line(&self, gsi: u32, route: Route);
    /// Changes the CPU of a line that was routed, masked or not.
    fn aim_line(&self, gsi: u32, cpu: CpuId);
    /// Masks a line, or lets its interrupts through. The machine itself masks a level-triggered one
    /// as it takes its interrupt.
    fn mask_line(&self, gsi: u32, masked: bool);
    /// A register of the I/O APIC at machine address `base`; `None` if none is there.
    fn io_apic_register(&self, base: u64, register: u8) -> Option<u32>;
    /// Address and data of the message that brings `vector` to `cpu`.
    fn message(&self, vector: u8, cpu: CpuId) -> (u32, u32);

    // ---- console and end of the machine --------------------------------------------------------
    /// Writes to the console in order, whole.
    fn console_write(&self, bytes: &[u8]);
    /// Takes one byte of console input.
    fn console_read(&self) -> Option<u8>;
    /// Copies the log ring into `buf`, from position `from` on or its oldest byte; gives how many
    /// bytes, and the position behind them. Positions count all that was ever written, modulo 2^32.
    fn read_log(&self, from: Option<u32>, buf: &mut [u8]) -> (usize, u32);
    /// Forgets what is in the log ring before position `to`.
    fn clear_log(&self, to: u32);
    /// Whether there is more in the log than when this was last asked. A CPU that writes to it then
    /// interrupts itself with [`Irq::Kick`].
    fn take_log_news(&self) -> bool;
    /// Bytes of the hypervisor's heap that are in use.
    fn heap_used(&self) -> u64;
    /// Ends the machine.
    fn shutdown(&self, how: Shutdown) -> !;
    /// Logs a guest's registers and the page-table walk of `va`, for a crash report.
    fn dump(&self, regs: &Regs, va: Option<u64>);
}
