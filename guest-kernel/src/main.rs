//! A small paravirtual kernel: dom0 or domU, on Paravane and on Xen.
//!
//! The order of initialisation, and what happens when the first process ends. Everything else is
//! in its module: `arch` (entry), `boot` (start_info), `mm`, `dev`, `trap`, `task`, `syscall`.
#![no_std]
#![no_main]

extern crate alloc;

mod bench;
mod boot;
mod check;
mod cycle;
mod death;
mod dev;
mod global;
mod hypercall;
mod load;
mod log;
mod mm;
mod native;
mod panic;
mod pattern;
mod ramdisk;
mod random;
mod rogue;
mod sensitive;
mod smp;
mod stretch;
mod syscall;
mod task;
mod trace;
mod trap;

use boot::BootInfo;
use core::sync::atomic::{AtomicPtr, Ordering};
use guest_user::abi::Errno;
use hypercall_abi::sched::{SHUTDOWN_crash, SHUTDOWN_poweroff, SHUTDOWN_suspend};
use hypercall_abi::version::XENVER_version;
use hypercall_abi::xen::VIRQ_TIMER;
use log::klog;

core::arch::global_asm!(include_str!("arch/entry.S"), options(att_syntax));

static BOOT: AtomicPtr<BootInfo> = AtomicPtr::new(core::ptr::null_mut());

/// start_info, once the heap exists.
pub(crate) fn boot_info() -> &'static BootInfo {
    let boot = BOOT.load(Ordering::Relaxed);
    assert!(!boot.is_null(), "start_info is used before it is kept");
    // SAFETY: `kernel_main` stored a leaked box there, which nothing changes.
    unsafe { &*boot }
}

/// Called by `entry.S` with the address of start_info.
#[unsafe(no_mangle)]
extern "C" fn kernel_main(start_info: u64) -> ! {
    // SAFETY: `entry.S` passes on what the hypervisor put into rsi.
    let boot = unsafe { BootInfo::read(start_info) };
    if let Err(e) = init(&boot) {
        panic!("initialisation failed: {e}");
    }
    let mut checks = boot.has_word("selfcheck");
    if checks {
        check::run(boot.option("only").unwrap_or(""));
    }
    if boot.has_word("devicecheck") {
        checks = true;
        check::run_devices();
    }
    if boot.has_word("assigncheck") {
        checks = true;
        check::run_assigned();
    }
    if boot.has_word("smpcheck") {
        checks = true;
        check::run_smp();
    }
    let benches = boot.has_word("bench");
    if benches {
        bench::run(&boot);
    }
    let table = boot.has_word("sensitive");
    if table {
        sensitive::run();
    }
    let long = boot.has_word("stretches");
    if long {
        stretch::run();
    }
    if (checks || benches || table || long) && boot.option("init").is_none() {
        power_off();
    }
    if let Some(seed) = boot.option("trace") {
        trace::run(seed);
        power_off();
    }
    if let Some(name) = boot.option("load") {
        load::run(&boot, name);
        power_off();
    }
    if let Some(name) = boot.option("cycle") {
        cycle::run(&boot, name);
        power_off();
    }
    if let Some(which) = boot.option("death") {
        death::run(&boot, which);
    }
    if let Some(name) = boot.option("rogue") {
        rogue::run(name);
        power_off();
    }
    start_init(&boot);
    task::idle()
}

fn init(boot: &BootInfo) -> Result<(), Errno> {
    trap::init()?;
    // Kernel and programs are built without floating point; a process that uses it all the same
    // would find, and leave, registers of another.
    hypercall::deny_fpu()?;
    mm::direct::find(boot)?;
    dev::console::init_output(boot);
    banner(boot);
    mm::direct::take_over(boot)?;
    let kept = alloc::boxed::Box::leak(alloc::boxed::Box::new(*boot));
    BOOT.store(kept, Ordering::Relaxed);
    mm::balloon::init(mm::p2m::pages());
    dev::shared::init(boot.shared_info_ma())?;
    dev::shared::publish_max_pfn(mm::p2m::pages());
    dev::event::init();
    dev::time::init();
    dev::event::bind_virq(VIRQ_TIMER, dev::event::Handler::Timer)?;
    dev::console::init_input(boot)?;
    dev::store::init(boot)?;
    klog!(
        "{} pages, {} free",
        mm::balloon::owned(),
        mm::frame::free_count()
    );
    mount_ramdisk(boot);
    Ok(())
}

fn banner(boot: &BootInfo) {
    let version = hypercall::xen_version(XENVER_version).unwrap_or(0);
    klog!(
        "{} on {}, version {}.{}",
        if boot.is_dom0() { "dom0" } else { "domU" },
        boot.magic(),
        version >> 16,
        version & 0xffff
    );
    klog!("command line: {}", boot.command_line());
    if boot.nr_pages() > mm::MAX_PAGES {
        klog!(
            "{} pages beyond 1.5 GiB are not used",
            boot.nr_pages() - mm::MAX_PAGES
        );
    }
}

fn mount_ramdisk(boot: &BootInfo) {
    let Some((pfn, len)) = boot.ramdisk() else {
        klog!("no ramdisk");
        return;
    };
    let fits = pfn
        .0
        .checked_add(len.div_ceil(mm::PAGE_SIZE))
        .is_some_and(|end| end <= mm::p2m::pages());
    if !fits {
        klog!("the ramdisk lies outside the domain's memory");
        return;
    }
    // SAFETY: the loader put the ramdisk into these pages, which are reserved and in the direct
    // map; nothing writes them.
    let archive = unsafe { core::slice::from_raw_parts(pfn.va() as *const u8, len as usize) };
    match ramdisk::init(archive) {
        Ok(files) => klog!("ramdisk: {files} files, {} KiB", len / 1024),
        Err(why) => klog!("ramdisk unreadable: {why}"),
    }
}

/// Starts the first process, with the words of the command line as arguments.
fn start_init(boot: &BootInfo) {
    let usual = if boot.is_dom0() {
        "/bin/sh"
    } else {
        "/bin/init"
    };
    let path = boot.option("init").unwrap_or(usual);
    let mut args = alloc::vec::Vec::new();
    for word in boot.command_line().split_ascii_whitespace() {
        if !word.starts_with("init=") {
            args.extend_from_slice(word.as_bytes());
            args.push(0);
        }
    }
    match task::spawn_process(path, &args) {
        Ok(pid) => task::set_init(pid),
        Err(e) => panic!("{path} cannot be started: {e}"),
    }
}

/// Ends the domain as a process or the toolstack asks; returns only if that is refused.
pub(crate) fn shut_down(reason: u64) -> Result<u64, Errno> {
    // Suspending needs a kernel that can resume.
    let reason = u32::try_from(reason).map_err(|_| Errno::EINVAL)?;
    if reason == SHUTDOWN_suspend {
        return Err(Errno::EOPNOTSUPP);
    }
    hypercall::shutdown(reason)
}

/// The first process ended: so does the domain.
pub(crate) fn init_ended(status: i64) -> ! {
    if status == 0 {
        power_off();
    }
    klog!("the first process ended with status {status:#x}");
    let _ = hypercall::shutdown(SHUTDOWN_crash);
    unreachable!("the hypervisor refuses to end the domain");
}

fn power_off() -> ! {
    klog!("power off");
    let _ = hypercall::shutdown(SHUTDOWN_poweroff);
    unreachable!("the hypervisor refuses to end the domain");
}
