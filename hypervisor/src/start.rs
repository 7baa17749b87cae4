//! The second half of the boot, on the boot CPU's own stack and under the final page tables: clocks,
//! interrupts, the core, dom0.

use alloc::boxed::Box;
use arrayvec::ArrayVec;

use hypervisor_core::addr::Mfn;
use hypervisor_core::build::unpack::{self, UnpackError};
use hypervisor_core::build::{Dom0Image, Dom0Options, Ramdisk, build_dom0};
use hypervisor_core::cmdline::LogLevel;
use hypervisor_core::frame::table::FrameTable;
use hypervisor_core::hypervisor::{Config, Hypervisor};

use crate::arch::percpu::PerCpu;
use crate::arch::{apic, cpu, descriptors, entry, features, fpu, ioapic, ipi};
use crate::boot::memory::{FrameSet, Frames};
use crate::boot::multiboot::{BootInfo, RAM};
use crate::hw::{HW, Hw};
use crate::layout::{DIRECT_MAP, PAGE};
use crate::{Booted, console, give_up, heap, logging, power, smp, time, watchdog};

/// dom0's kernel as an ELF image, and the frames that are free once it is copied.
pub(crate) struct Kernel {
    image: &'static [u8],
    frames: ArrayVec<Frames, 2>,
}

/// Bytes of the direct map.
///
/// # Safety
/// The range is memory that nothing writes to while the slice lives.
unsafe fn direct_bytes(start: u64, len: u64) -> &'static [u8] {
    // SAFETY: the caller's.
    unsafe { core::slice::from_raw_parts((DIRECT_MAP + start) as *const u8, len as usize) }
}

impl Kernel {
    /// The first module, unpacked if need be into memory taken from `usable`.
    ///
    /// # Errors
    /// Why there is no kernel.
    pub(crate) fn prepare(boot: &BootInfo, usable: &mut FrameSet) -> Result<Self, &'static str> {
        let module = boot
            .modules
            .first()
            .ok_or("no dom0 kernel: give it as the first module")?;
        let mut frames = ArrayVec::new();
        frames.push(Frames::touching(module.start, module.end));
        // SAFETY: the module's frames are nobody else's until `Kernel` gives them back.
        let bytes = unsafe { direct_bytes(module.start, module.end - module.start) };
        let packed = match unpack::inspect(bytes) {
            Ok(unpack::Kernel::Plain(image)) => return Ok(Self { image, frames }),
            Ok(unpack::Kernel::Packed(packed)) => packed,
            Err(reason) => return Err(report(reason)),
        };
        let pages = (packed.scratch_len() as u64).div_ceil(PAGE);
        let scratch = usable
            .take_high(pages, u64::MAX)
            .ok_or("too little memory to unpack dom0's kernel")?;
        info!(
            "Unpacking dom0's kernel ({}, {} KiB of memory)",
            packed.method(),
            pages * PAGE / 1024
        );
        let first = (DIRECT_MAP + scratch.start * PAGE) as *mut u8;
        // SAFETY: frames just taken, mapped by the direct map, nobody else's; any bytes are valid.
        let memory = unsafe { core::slice::from_raw_parts_mut(first, (pages * PAGE) as usize) };
        let image = packed.unpack(memory).map_err(report)?;
        frames.push(scratch);
        Ok(Self { image, frames })
    }
}

#[cold]
fn report(reason: UnpackError) -> &'static str {
    error!("dom0's kernel: {reason}");
    "dom0's kernel cannot be unpacked"
}

/// A kernel image whose frames become free when it is dropped.
struct Lent {
    kernel: Kernel,
    frames: &'static FrameTable,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.kernel.image
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        for f in &self.kernel.frames {
            self.frames.release_boot_memory(Mfn(f.start), f.len());
        }
    }
}

/// Runs once, on the boot CPU.
pub(crate) extern "C" fn start(booted: &'static mut Booted) -> ! {
    let space = booted.space;
    // SAFETY: once; `space::build` set this memory aside for the heap.
    unsafe { heap::init(space.heap.0, space.heap.1) };
    // SAFETY: the boot CPU is CPU 0, and `space::build` made its window.
    let own = unsafe { PerCpu::init(0, space.window(0)) };
    descriptors::load(own);
    let components = fpu::init();
    info!(
        "CPU: {}; {}; XCR0 {components:#x}",
        features::brand().trim_end(),
        booted.features
    );
    apic::mask_8259();
    apic::init();
    ipi::join(0);
    match time::init(booted.tsc, &booted.acpi, booted.options.clock) {
        Ok(clocks) => {
            let mode = apic::start_timer(clocks.apic_khz);
            info!(
                "TSC: {} kHz ({}); {} timer {} kHz, {mode}",
                time::khz(),
                clocks.source,
                apic::mode(),
                clocks.apic_khz
            );
        }
        Err(reason) => give_up(reason),
    }
    time::read_wallclock();
    if !power::can_switch_off() {
        warn!("ACPI: no way to switch the machine off");
    }
    ioapic::init(&booted.acpi);
    route_console(booted);
    let cpus = smp::bring_up(&booted.acpi, &space, booted.features, &booted.usable);
    info!(
        "Brought up {cpus} CPUs (of {} present)",
        (booted.acpi.cpus.len() as u32 + booted.acpi.cpus_lost).max(1)
    );

    let hv = match hypervisor(booted, cpus) {
        Ok(hv) => hv,
        Err(reason) => give_up(reason),
    };
    own.set_hypervisor(hv);
    let dom0_options = Dom0Options {
        memory: booted.options.dom0_mem,
        vcpus: booted.options.dom0_vcpus,
    };
    build(hv, booted, &dom0_options);
    // Nothing refers to the boot code, its stack and `booted` any more.
    for part in booted.image.boot_parts() {
        hv.frames.release_boot_memory(Mfn(part.start), part.len());
    }
    let (used, free) = heap::usage();
    info!("Heap: {} KiB used, {} KiB free", used / 1024, free / 1024);
    info!(
        "Starting dom0 {} us after the first instruction",
        time::now() / 1000
    );
    if booted.options.watchdog {
        watchdog::start(booted.options.watchdog_timeout, hv.sched.cpus());
    }
    logging::tell_of_news();
    smp::release(hv);
    entry::run()
}

/// ISA interrupt of the console, COM1.
const CONSOLE_LINE: u8 = 4;

fn route_console(booted: &Booted) {
    if !console::present() {
        return;
    }
    if ioapic::route_console(booted.acpi.isa_route(CONSOLE_LINE)) {
        console::enable_interrupt();
    } else {
        info!("Console: no interrupt for its input, polled");
        console::poll();
    }
}

/// Puts the core together: frame table, free memory, settings.
fn hypervisor(booted: &Booted, cpus: u32) -> Result<&'static Hypervisor<Hw>, &'static str> {
    let space = &booted.space;
    let kept = booted.image.kept();
    let pages = kept.len() + space.own.len();
    let total: u64 = booted
        .boot
        .map
        .iter()
        .filter(|r| r.kind == RAM)
        .map(|r| r.len)
        .sum();
    info!(
        "Hypervisor keeps {pages} pages ({} KiB) of {} MiB",
        pages * PAGE / 1024,
        total.div_ceil(1 << 20)
    );

    let frames =
        FrameTable::new(space.frame_table()).map_err(|_| "no memory for the frame table")?;
    for range in booted.usable.iter() {
        frames.release_boot_memory(Mfn(range.start), range.len());
    }
    mark_devices(&frames, booted);
    let mut config = Config {
        cpus,
        scheduler: booted.options.scheduler,
        command_line: booted.boot.command_line,
        noreboot: booted.options.noreboot,
        verbose_guests: booted.options.guest_loglvl >= LogLevel::Info,
        device_denied: ArrayVec::new(),
        device_read_only: ArrayVec::new(),
        timer_port: booted.acpi.pm_timer.map(|(port, _)| port),
        lines: ArrayVec::new(),
        console_line: console::present().then(|| booted.acpi.isa_route(CONSOLE_LINE).gsi),
        irq_limit: booted.options.irq_limit,
        m2p_start: Mfn(space.m2p / PAGE),
        memory_map: booted
            .boot
            .map
            .iter()
            .map(|r| (r.start, r.len, r.kind))
            .collect(),
        max_mfn: features::frame_limit(),
    };
    ioapic::wiring(&booted.acpi, &mut config.lines);
    let apic_page = cpu::rdmsr(cpu::msr::APIC_BASE) & 0x000f_ffff_ffff_f000;
    config.device_denied.push((Mfn::containing(apic_page), 1));
    for &(at, _) in &booted.acpi.ioapics {
        config.device_read_only.push((Mfn::containing(at), 1));
    }
    let hv = Hypervisor::new(&HW, frames, space.m2p(), config)
        .map_err(|_| "no memory for the hypervisor's tables")?;
    Ok(Box::leak(Box::new(hv)))
}

/// Marks what the frame table covers and no memory is: firmware's ranges and holes.
fn mark_devices(frames: &FrameTable, booted: &Booted) {
    let mut devices = FrameSet::default();
    devices.insert(Frames {
        start: 0,
        end: booted.space.frames,
    });
    for r in booted.boot.map.iter().filter(|r| r.kind == RAM) {
        devices.remove(Frames {
            start: r.start.div_ceil(PAGE),
            end: r.start.saturating_add(r.len) / PAGE,
        });
    }
    for r in booted.boot.map.iter().filter(|r| r.kind != RAM) {
        let range = Frames::touching(r.start, r.start.saturating_add(r.len));
        devices.insert(Frames {
            start: range.start.min(booted.space.frames),
            end: range.end.min(booted.space.frames),
        });
    }
    for range in devices.iter() {
        frames.mark_io(Mfn(range.start), range.len());
    }
}

fn build(hv: &'static Hypervisor<Hw>, booted: &mut Booted, options: &Dom0Options) {
    let modules = &booted.boot.modules;
    let ramdisk = match modules.get(1) {
        Some(m) if m.start % PAGE != 0 => give_up("the ramdisk module is not aligned to a page"),
        Some(m) => Some(Ramdisk {
            start: Mfn::containing(m.start),
            len: m.end - m.start,
        }),
        None => None,
    };
    if modules.len() > 2 {
        warn!("Only two modules are used, not {}", modules.len());
    }
    let kernel = Kernel {
        image: booted.kernel.image,
        frames: booted.kernel.frames.take(),
    };
    let image = Dom0Image {
        kernel: Lent {
            kernel,
            frames: &hv.frames,
        },
        ramdisk,
        cmdline: modules.first().map_or(&[], |m| m.arguments.as_bytes()),
    };
    match build_dom0(hv, image, options) {
        Ok(dom0) => {
            info!(
                "dom0: {} vCPUs, {} MiB, kernel at {:x}-{:x}, entry {:x}",
                dom0.vcpus,
                (dom0.pages * PAGE) >> 20,
                dom0.kernel.0,
                dom0.kernel.1,
                dom0.entry
            );
        }
        Err(reason) => give_up(reason),
    }
}
