//! The Paravane hypervisor on the bare machine: what runs at boot, in order.
#![no_std]
#![no_main]

extern crate alloc;

#[macro_use]
mod logging;

mod acpi;
mod arch;
mod boot;
mod console;
mod dump;
mod heap;
mod hw;
mod layout;
mod own;
mod panic;
mod power;
mod smp;
mod start;
mod stretches;
mod time;
mod watchdog;

use core::sync::atomic::Ordering;

use hypervisor_core::acpi::{Facts, MAX_IO_APICS};
use hypervisor_core::cmdline::{self, Options};

use crate::arch::features::Features;
use crate::arch::{apic, cpu, entry, ioapic, isolated, percpu};
use crate::boot::memory::{self, FrameSet, Frames};
use crate::boot::multiboot::{self, BootInfo};
use crate::boot::space::{self, Image, Space};
use crate::layout::PAGE;
use crate::start::Kernel;

/// What the first half of the boot hands to the second.
pub(crate) struct Booted {
    pub(crate) boot: BootInfo,
    pub(crate) options: Options,
    pub(crate) acpi: Facts,
    pub(crate) features: Features,
    pub(crate) image: Image,
    pub(crate) space: Space,
    /// Free frames.
    pub(crate) usable: FrameSet,
    pub(crate) kernel: Kernel,
    /// TSC value at the first instruction.
    pub(crate) tsc: u64,
}

/// Rust's first function, called by head.S: `magic` and `info` from the boot loader, `tsc` from the
/// first instruction.
extern "C" fn boot_main(magic: u32, info: u32, tsc: u64) -> ! {
    let boot = multiboot::read(magic, info);
    let line = boot.as_ref().map_or("", |b| b.command_line.as_str());
    let options = cmdline::parse(line.as_bytes());
    if options.serial_console {
        console::init(&options.com1);
    }
    logging::init(options.loglvl);
    panic::NO_REBOOT.store(options.noreboot, Ordering::Relaxed);
    info!(
        "Paravane {} (Xen PV ABI 4.17), built by {}",
        env!("CARGO_PKG_VERSION"),
        env!("PARAVANE_BUILD")
    );
    let booted = boot.and_then(|boot| set_up(boot, options, tsc));
    match booted {
        Ok(mut booted) => {
            let stack = percpu::stack_of(0);
            let booted: *mut Booted = &mut booted;
            // SAFETY: this frame is never left; its memory is given back when all of it was used.
            let booted = unsafe { &mut *booted };
            // SAFETY: the boot CPU's stack, mapped by the page tables now in force.
            unsafe { entry::on_stack(stack, start::start, booted) }
        }
        Err(reason) => give_up(reason),
    }
}

/// Says why there is nothing to run, and stops.
pub(crate) fn give_up(reason: impl core::fmt::Display) -> ! {
    error!("Cannot start: {reason}");
    error!("Halted.");
    cpu::halt_forever()
}

/// Everything that needs the first page tables: reading what boot loader and firmware say, and
/// building the final ones.
fn set_up(boot: BootInfo, options: Options, tsc: u64) -> Result<Booted, &'static str> {
    info!("Command line: {}", boot.command_line);
    for report in &options.reports {
        warn!("{report}");
    }
    if options.reports_lost != 0 {
        warn!(
            "command line: {} more options ignored",
            options.reports_lost
        );
    }
    log_map(&boot);
    let image = Image::new();
    let mut usable = memory::usable(&boot);
    info!(
        "Memory: {} KiB usable, loaded by {}",
        usable.frames() * PAGE / 1024,
        boot.protocol
    );
    usable.remove(image.frames());
    let mut lent = arrayvec::ArrayVec::<Frames, 16>::new();
    lent.extend(image.boot_parts());
    for (number, module) in boot.modules.iter().enumerate() {
        info!(
            "Module {number}: {:#x}-{:#x} ({} KiB) {}",
            module.start,
            module.end,
            (module.end.saturating_sub(module.start)) / 1024,
            module.arguments
        );
        let frames = Frames::touching(module.start, module.end);
        if module.end <= module.start || !usable.contains(frames) {
            return Err("a module does not lie in free memory");
        }
        usable.remove(frames);
        lent.push(frames);
    }

    let acpi = acpi::read(&boot).unwrap_or_else(|reason| {
        warn!("ACPI: {reason}");
        Facts::default()
    });
    power::init(&acpi);
    let local_apic = apic::find()?;
    let features = Features::detect();
    // SAFETY: head.S's tables are in force.
    unsafe { features.patch() };
    if options.xpti {
        // SAFETY: as above.
        unsafe { isolated::switch_on() };
        info!("Guests are isolated from the hypervisor (xpti)");
    }
    let mut devices = arrayvec::ArrayVec::<_, { 2 + MAX_IO_APICS }>::new();
    devices.extend(local_apic.map(|at| (apic::LOCAL_PAGE, at)));
    devices.extend(
        (0..)
            .zip(&acpi.ioapics)
            .map(|(index, &(at, _))| (ioapic::page(index), at)),
    );
    devices.extend(acpi.hpet.map(|at| (time::HPET_PAGE, at)));
    let space = space::build(
        image,
        &mut usable,
        &lent,
        acpi.cpus.len().max(1) as u32,
        &devices,
    )?;
    if usable.lost != 0 {
        warn!("Memory: {} ranges too many, not used", usable.lost);
    }
    // SAFETY: maps the running code, this stack (through the direct map) and all data alike.
    unsafe { cpu::write_cr3(space.root) };
    // SAFETY: the final tables are in force.
    unsafe { features.enable() };
    own::init(space.own, space.frames, space.root, space.shown_root);
    let kernel = Kernel::prepare(&boot, &mut usable)?;
    Ok(Booted {
        boot,
        options,
        acpi,
        features,
        image,
        space,
        usable,
        kernel,
        tsc,
    })
}

fn log_map(boot: &BootInfo) {
    info!("Memory map:");
    for r in &boot.map {
        let kind = match r.kind {
            multiboot::RAM => "usable",
            3 => "ACPI data",
            4 => "ACPI NVS",
            5 => "unusable",
            _ => "reserved",
        };
        info!(
            " {:016x} - {:016x} ({kind})",
            r.start,
            r.start.saturating_add(r.len)
        );
    }
    if boot.ranges_lost != 0 {
        warn!(" {} more ranges, not used", boot.ranges_lost);
    }
    if boot.modules_lost != 0 {
        warn!("{} modules too many, not used", boot.modules_lost);
    }
}
