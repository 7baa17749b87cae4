//! What each CPU keeps for itself, in its window, found through GS.

use core::arch::asm;
use core::cell::{Cell, UnsafeCell};
use core::hint::cold_path;
use core::sync::atomic::AtomicU64;

use hypervisor_core::addr::{ENTRIES, Mfn};
use hypervisor_core::hypervisor::Hypervisor;
use hypervisor_core::platform::CpuId;
use hypervisor_core::sched::Cpu;
use hypervisor_core::vcpu::{Regs, Vcpu};

use super::cpu;
use super::descriptors::Tss;
use super::isolated::{self, Roots};
use crate::boot::paging::Rights;
use crate::hw::Hw;
use crate::layout::{CPU_WINDOW_SIZE, CPU_WINDOWS, PAGE, window};

/// The part that entry.S knows.
#[repr(C)]
pub(crate) struct EntryArea {
    /// One register's room while there is no stack.
    pub(crate) scratch: Cell<u64>,
    /// Behind the last field of the running vCPU's [`Regs`].
    pub(crate) regs_end: Cell<u64>,
    /// The running vCPU's `Regs::r15`.
    pub(crate) regs: Cell<u64>,
    /// Top of the CPU's stack.
    pub(crate) stack: Cell<u64>,
    /// The [`PerCpu`] itself.
    pub(crate) own: Cell<u64>,
    /// The running vCPU's `vcpu_info` in the direct map; a word like one with a masked upcall if
    /// there is none.
    pub(crate) info: Cell<u64>,
    /// The root frame of the running vCPU's ports, in the direct map; a page of zeros if there is none.
    pub(crate) ports_root: Cell<*const u64>,
    /// The frame of its first ports, likewise.
    pub(crate) ports: Cell<*const u64>,
    /// What [`Vcpu::channel`] is of the running vCPU.
    pub(crate) channel: Cell<u64>,
    /// Whether the core is to be asked on the way out: [`hypervisor_core::platform::Machine::attend`].
    pub(crate) attention: Cell<bool>,
    /// Non-maskable interrupts so far.
    pub(crate) nmis: Cell<u64>,
    /// What other CPUs want of it.
    pub(crate) requests: Requests,
    /// The CPU's root and the guest's, with `xpti`.
    pub(crate) roots: Roots,
}

/// What a vCPU without ports has.
#[repr(align(4096))]
struct NoPorts([u64; ENTRIES]);
static NO_PORTS: NoPorts = NoPorts([0; ENTRIES]);

/// The CPU's mark that it looks at what others own; a full barrier.
#[inline(always)]
pub(crate) fn set_looking(what: u64) {
    // SAFETY: GS points to this CPU's data; the mark is an atomic.
    unsafe {
        asm!("xchg gs:[{offset}], {}", inout(reg) what => _, offset = const LOOKING, options(nostack, preserves_flags));
    }
}

/// Takes the mark away, behind all stores so far.
#[inline(always)]
pub(crate) fn clear_looking() {
    // SAFETY: as in `set_looking`.
    unsafe {
        asm!("mov qword ptr gs:[{offset}], 0", offset = const LOOKING, options(nostack, preserves_flags));
    }
}

const LOOKING: usize =
    core::mem::offset_of!(EntryArea, requests) + core::mem::offset_of!(Requests, looking);

/// Word `FIRST` (at most 256) + `index` (below 256) of the frame of the running vCPU's first ports.
#[inline(always)]
pub(crate) fn ports_word<const FIRST: usize>(index: usize) -> u64 {
    const { assert!(FIRST <= ENTRIES / 2) };
    let word: u64;
    // SAFETY: GS points to this CPU's data, and the field to a page of the direct map or of zeros;
    // the word is one inside, also where a check of the index was speculated past.
    unsafe {
        asm!(
            "and {index:e}, {most}",
            "mov {word}, gs:[{offset}]",
            "mov {word}, [{word} + 8 * {index} + {first}]",
            index = inout(reg) index => _, word = out(reg) word,
            most = const ENTRIES / 2 - 1, first = const FIRST * 8,
            offset = const core::mem::offset_of!(EntryArea, ports),
            options(readonly, nostack));
    }
    word
}

/// Word `INDEX` of the root frame of its ports.
#[inline(always)]
pub(crate) fn ports_root_word<const INDEX: usize>() -> u64 {
    const { assert!(INDEX < ENTRIES) };
    let word: u64;
    // SAFETY: as in `ports_word`.
    unsafe {
        asm!("mov {word}, gs:[{offset}]", "mov {word}, [{word} + {at}]",
            word = out(reg) word, at = const INDEX * 8,
            offset = const core::mem::offset_of!(EntryArea, ports_root),
            options(readonly, nostack, preserves_flags));
    }
    word
}

/// What [`Vcpu::channel`] is of the running vCPU.
#[inline(always)]
pub(crate) fn running_channel() -> u64 {
    let word: u64;
    // SAFETY: GS points to this CPU's data.
    unsafe {
        asm!("mov {}, gs:[{at}]", out(reg) word,
            at = const core::mem::offset_of!(EntryArea, channel),
            options(readonly, nostack, preserves_flags));
    }
    word
}

/// What CPUs say to each other: what a non-maskable interrupt is to do, set by others and answered by
/// entry.S; and what the CPU is doing that others may wait for.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// TLB flushes that were asked for.
    pub(crate) flushes: AtomicU64,
    /// `flushes` as it was before the latest flush began.
    pub(crate) flushed: AtomicU64,
    /// Not 0: halt for good.
    pub(crate) stop: AtomicU64,
    /// Not 0: halted.
    pub(crate) stopped: AtomicU64,
    /// Not 0: show the registers, and end the machine.
    pub(crate) show: AtomicU64,
    /// Not 0: the CPU looks at what other domains own, which they may wait for.
    pub(crate) looking: AtomicU64,
}

/// Interrupts that wait to be seen to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pending {
    /// A bit for each kind that is not a device's; see entry.rs.
    pub(crate) kinds: u8,
    /// A bit for each vector of a device's.
    devices: [u64; 4],
}

impl Pending {
    /// Notes the interrupt of a device.
    pub(crate) fn add_device(&mut self, vector: u8) {
        self.devices[usize::from(vector / 64)] |= 1 << (vector % 64);
    }

    /// Takes the vector of one.
    #[inline(never)]
    pub(crate) fn take_device(&mut self) -> Option<u8> {
        let word = self.devices.iter().position(|&word| word != 0)?;
        let bits = &mut self.devices[word];
        let bit = bits.trailing_zeros();
        *bits &= *bits - 1;
        Some((word as u32 * 64 + bit) as u8)
    }
}

/// What follows begins a page.
#[repr(C, align(4096))]
struct NewPage;

/// One CPU's own data. The first page is shown to guests with `xpti`, the second is not.
#[repr(C)]
pub(crate) struct PerCpu {
    entry: EntryArea,
    /// The CPU's task-state segment.
    pub(crate) tss: UnsafeCell<Tss>,
    _page: NewPage,
    hypervisor: Cell<Option<&'static Hypervisor<Hw>>>,
    /// The core's state of this CPU; lent out by entry.rs alone.
    pub(crate) cpu: UnsafeCell<Cpu>,
    /// Interrupts that came while the CPU idled.
    pub(crate) pending: Cell<Pending>,
    /// The last-level page table of this CPU's window, at its own address.
    window_table: u64,
    /// The one that shows guests part of it, likewise; 0 without `xpti`.
    shown_table: u64,
    /// The root without a guest.
    idle_root: u64,
    /// A page of zeros, machine address.
    zero_page: u64,
    /// Descriptors in the LDT.
    ldt_entries: Cell<u32>,
    /// LDT pages that are mapped, a bit each.
    ldt_mapped: Cell<u16>,
    /// How many of the first pages of its GDT may be a guest's.
    gdt_mapped: Cell<u64>,
    /// What was last loaded into the debug registers.
    pub(crate) debugreg: [Cell<u64>; 8],
    /// What TSC_AUX holds, 0 where there is none.
    pub(crate) tsc_aux: Cell<u32>,
}

const _: () = assert!(size_of::<PerCpu>() as u64 <= window::DATA_PAGES * PAGE);
const _: () = assert!(core::mem::offset_of!(PerCpu, entry) == 0);
const _: () = assert!(core::mem::offset_of!(PerCpu, hypervisor) as u64 == PAGE);

/// Address of the window of CPU `id`.
pub(crate) const fn window_of(id: CpuId) -> u64 {
    CPU_WINDOWS + id as u64 * CPU_WINDOW_SIZE
}

/// Top of the stack of CPU `id`.
pub(crate) const fn stack_of(id: CpuId) -> u64 {
    window_of(id) + (window::STACK + window::STACK_PAGES) * PAGE
}

/// Top of the stack of entries of CPU `id`, with `xpti`.
const fn entry_stack_of(id: CpuId) -> u64 {
    window_of(id) + (window::ENTRY_STACK + 1) * PAGE
}

/// The requests to CPU `id`.
///
/// # Safety
/// [`PerCpu::init`] was done for that CPU.
#[inline]
pub(crate) unsafe fn requests_to(id: CpuId) -> &'static Requests {
    let at = window_of(id) as usize
        + core::mem::offset_of!(PerCpu, entry)
        + core::mem::offset_of!(EntryArea, requests);
    // SAFETY: the caller's: it is there, for ever, and consists of atomics.
    unsafe { &*(at as *const Requests) }
}

/// The number of the CPU that runs this; 0 on the boot CPU before its [`PerCpu::init`].
pub(crate) fn number() -> CpuId {
    let base = cpu::rdmsr(cpu::msr::GS_BASE);
    match base.checked_sub(CPU_WINDOWS) {
        Some(offset) => (offset / CPU_WINDOW_SIZE) as CpuId,
        None => 0,
    }
}

/// Machine addresses that [`PerCpu::init`] needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowParts {
    /// The last-level page table that maps the window, where the hypervisor sees it.
    pub(crate) table: u64,
    /// The hypervisor's root.
    pub(crate) idle_root: u64,
    /// A page of zeros.
    pub(crate) zero_page: u64,
    /// The table that shows guests part of the window, likewise; 0 without `xpti`.
    pub(crate) shown_table: u64,
    /// The CPU's full root; 0 without `xpti`.
    pub(crate) full_root: u64,
}

impl PerCpu {
    /// Fills in the data of CPU `id` and makes GS point to it.
    ///
    /// # Safety
    /// The CPU that runs this is `id`, its window is mapped and not in use, and `parts` is true.
    #[inline(never)]
    pub(crate) unsafe fn init(id: CpuId, parts: WindowParts) -> &'static Self {
        let base = window_of(id);
        let stack = stack_of(id);
        let area = base as *mut Self;
        let dr = |value| Cell::new(value);
        let data = Self {
            entry: EntryArea {
                scratch: Cell::new(0),
                // Nothing runs: an exception from a guest cannot happen.
                regs_end: Cell::new(0),
                regs: Cell::new(0),
                stack: Cell::new(stack),
                own: Cell::new(base),
                info: Cell::new(0),
                ports_root: Cell::new(&raw const NO_PORTS.0[0]),
                ports: Cell::new(&raw const NO_PORTS.0[0]),
                channel: Cell::new(0),
                attention: Cell::new(false),
                nmis: Cell::new(0),
                requests: Requests::default(),
                roots: Roots::new(parts.full_root, entry_stack_of(id)),
            },
            tss: UnsafeCell::new(Tss::new(base, entry_stack_of(id))),
            _page: NewPage,
            hypervisor: Cell::new(None),
            cpu: UnsafeCell::new(Cpu::new(id)),
            pending: Cell::new(Pending::default()),
            window_table: parts.table,
            shown_table: parts.shown_table,
            idle_root: parts.idle_root,
            zero_page: parts.zero_page,
            ldt_entries: Cell::new(0),
            ldt_mapped: Cell::new(0),
            // Nothing is known of them yet.
            gdt_mapped: Cell::new(window::GDT_OWN - window::GDT),
            debugreg: [
                dr(0),
                dr(0),
                dr(0),
                dr(0),
                dr(0),
                dr(0),
                dr(0xffff_0ff0),
                dr(0x400),
            ],
            tsc_aux: Cell::new(0),
        };
        // SAFETY: the caller's: mapped, aligned, nobody else's.
        unsafe { area.write(data) };
        // SAFETY: GS is the hypervisor's in ring 0.
        unsafe { cpu::wrmsr(cpu::msr::GS_BASE, base) };
        // SAFETY: the guest's GS base: any canonical value.
        unsafe { cpu::wrmsr(cpu::msr::KERNEL_GS_BASE, 0) };
        // SAFETY: just written, never moved, never freed; shared references only.
        unsafe { &*area }
    }

    /// The data of the CPU that runs this.
    #[inline(always)]
    pub(crate) fn current() -> &'static Self {
        let own: *const Self;
        // SAFETY: GS points to this CPU's data from `init` on, whenever Rust code runs.
        unsafe {
            asm!("mov {}, gs:[{offset}]", out(reg) own,
                offset = const core::mem::offset_of!(EntryArea, own),
                options(readonly, nostack, preserves_flags, pure));
        }
        // SAFETY: `init` wrote it; it lives forever, and code never changes CPUs.
        unsafe { &*own }
    }

    /// The CPU's number.
    #[inline]
    pub(crate) fn id(&self) -> CpuId {
        ((self.entry.own.get() - CPU_WINDOWS) / CPU_WINDOW_SIZE) as CpuId
    }

    /// Where the ports of the running vCPU are in the direct map: the root frame, the first ports.
    pub(crate) fn set_ports(&self, ports: Option<[*mut u64; 2]>) {
        let none = &raw const NO_PORTS.0[0];
        let [root, first] = ports.map_or([none; 2], |ports| ports.map(<*mut u64>::cast_const));
        self.entry.ports_root.set(root);
        self.entry.ports.set(first);
    }

    /// What [`Vcpu::channel`] is of the running vCPU.
    pub(crate) fn set_channel(&self, channel: u64) {
        self.entry.channel.set(channel);
    }

    /// Non-maskable interrupts so far.
    pub(crate) fn nmis(&self) -> u64 {
        // SAFETY: a field of this CPU's, which entry.S changes at any time.
        unsafe { self.entry.nmis.as_ptr().read_volatile() }
    }

    /// The core is to be asked on the way to the guest.
    #[inline]
    pub(crate) fn attend(&self) {
        self.entry.attention.set(true);
    }

    /// Where the way out looks for a pending upcall: an address in the direct map.
    pub(crate) fn set_info(&self, at: Option<u64>) {
        // As if an upcall were pending, and masked: not for the quick ways, and never due.
        static NONE: u64 = 0x0101;
        self.entry.info.set(at.unwrap_or(&raw const NONE as u64));
    }

    /// Where byte `at` of the running vCPU's `vcpu_info` is; only for a vCPU that has one.
    #[inline(always)]
    pub(crate) fn info_byte(at: usize) -> *mut u8 {
        let info: *mut u8;
        // SAFETY: as in `current`.
        unsafe {
            asm!("mov {}, gs:[{offset}]", out(reg) info,
                offset = const core::mem::offset_of!(EntryArea, info),
                options(readonly, nostack, preserves_flags, pure));
        }
        info.wrapping_add(at)
    }

    /// As [`hypervisor_core::platform::Machine::mark_own_upcall`].
    #[inline(always)]
    pub(crate) fn mark_upcall(selector: usize) -> bool {
        let info = Self::info_byte(0);
        // SAFETY: the first byte of the running vCPU's `vcpu_info`, in the direct map, or of the word that
        // stands for none.
        if unsafe { info.read_volatile() } != 0 {
            cold_path();
            return false;
        }
        // SAFETY: a bit of the 64 bytes there, where no Rust object lies.
        unsafe {
            asm!("lock bts qword ptr [{info}], {bit}", "jc {was_set}",
                info = in(reg) info, bit = in(reg) selector % 512,
                was_set = label { return true }, options(nostack))
        };
        // SAFETY: as before. Nobody else has to be told: the vCPU runs here.
        unsafe { info.write_volatile(1) };
        true
    }

    /// Ties the CPU to the hypervisor.
    pub(crate) fn set_hypervisor(&self, hypervisor: &'static Hypervisor<Hw>) {
        self.hypervisor.set(Some(hypervisor));
    }

    /// The hypervisor.
    #[inline(always)]
    pub(crate) fn hypervisor(&self) -> &'static Hypervisor<Hw> {
        // SAFETY: start.rs sets it before it enters the scheduler, and only guests' entries and the
        // scheduler come here.
        unsafe { self.hypervisor.get().unwrap_unchecked() }
    }

    /// Vector and error code of the exception just taken from a guest.
    pub(crate) fn exception(&self) -> (u32, u32) {
        let at = (self.entry.regs_end.get() - REGS_SIZE + REGS_ERROR) as *const u64;
        // SAFETY: the running vCPU's `Regs`, just written by entry.S; the vCPU lives while it runs.
        let word = unsafe { at.read() };
        ((word >> 32) as u32, word as u32)
    }

    /// From now on entries save into this vCPU.
    pub(crate) fn set_running(&self, vcpu: &Vcpu) {
        let regs = core::ptr::from_ref(&vcpu.regs).expose_provenance() as u64;
        self.entry.regs.set(regs + REGS_R15);
        self.entry.regs_end.set(regs + REGS_SIZE);
        if !isolated::on() {
            // SAFETY: only this CPU touches its task-state segment, and only here.
            unsafe { (*self.tss.get()).set_rsp0(regs + REGS_SIZE) };
        }
    }

    /// Loads the root without a guest: nobody's tables are in use any more.
    pub(crate) fn leave_guest_space(&self) {
        if cpu::read_cr3() != self.idle_root {
            // SAFETY: the hypervisor's own root maps all of it.
            unsafe { isolated::load_root(self.idle_root) };
        }
    }

    /// The CPU's root and the guest's, with `xpti`.
    pub(crate) fn roots(&self) -> &Roots {
        &self.entry.roots
    }

    /// Sets entry `page` of the window's page table; true if it changed.
    fn set_window_page(&self, page: u64, value: u64) -> bool {
        let index = (u64::from(self.id()) * (CPU_WINDOW_SIZE / PAGE) + page) % 512;
        let entry = (self.window_table + index * 8) as *mut u64;
        // SAFETY: the table is this CPU's in the range of its window; the index is below 512.
        let old = unsafe { entry.read_volatile() };
        if old == value {
            return false;
        }
        // SAFETY: `page` is one of the GDT or LDT pages, on which no Rust object lies.
        unsafe { entry.write_volatile(value) };
        if self.shown_table != 0 {
            let shown = (self.shown_table + index * 8) as *mut u64;
            // SAFETY: as above, of the table that shows the same pages.
            unsafe { shown.write_volatile(value) };
        }
        cpu::invlpg(self.entry.own.get() + page * PAGE);
        true
    }

    /// Maps `frames` as the guest's GDT pages; the others read as zero.
    #[inline(never)]
    pub(crate) fn map_gdt(&self, frames: &[Mfn]) {
        let count = frames.len() as u64;
        let before = self.gdt_mapped.replace(count);
        for page in 0..count.max(before).min(window::GDT_OWN - window::GDT) {
            let value = match frames.get(page as usize) {
                Some(mfn) => mfn.addr() | DESCRIPTOR_PAGE,
                None => self.zero_page | Rights::Read.bits(),
            };
            self.set_window_page(window::GDT + page, value);
        }
    }

    /// Forgets the LDT's pages.
    pub(crate) fn unmap_ldt(&self) {
        let mut mapped = self.ldt_mapped.take();
        while mapped != 0 {
            self.set_window_page(window::LDT + u64::from(mapped.trailing_zeros()), 0);
            mapped &= mapped - 1;
        }
    }

    /// Maps one page of the LDT.
    pub(crate) fn map_ldt_page(&self, page: u64, frame: Mfn) {
        if page < window::LDT_PAGES {
            self.ldt_mapped.set(self.ldt_mapped.get() | 1 << page);
            self.set_window_page(window::LDT + page, frame.addr() | DESCRIPTOR_PAGE);
        }
    }

    /// The offset of `va` in the LDT's pages, if it is there.
    pub(crate) fn ldt_offset(&self, va: u64) -> Option<u32> {
        let offset = va.checked_sub(self.entry.own.get() + window::LDT * PAGE)?;
        (offset < window::LDT_PAGES * PAGE).then_some(offset as u32)
    }

    /// Sets the number of descriptors; true if it changed.
    pub(crate) fn replace_ldt_entries(&self, entries: u32) -> bool {
        self.ldt_entries.replace(entries) != entries
    }
}

/// A guest's descriptor page: the processor sets accessed bits in it.
const DESCRIPTOR_PAGE: u64 = Rights::Write.bits();
const REGS_SIZE: u64 = size_of::<Regs>() as u64;
const REGS_R15: u64 = core::mem::offset_of!(Regs, r15) as u64;
const REGS_ERROR: u64 = core::mem::offset_of!(Regs, error_vector) as u64;
