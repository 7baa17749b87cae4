//! vCPUs that come and go while the kernel runs, as the toolstack asks (`xl vcpu-set`), and what
//! those do that are up: they share the work of checksums, and with `busy` on the command line they
//! compute all the time besides.

use super::{MAX, Work, bind, context, count, finish, make_gdt, start, vcpu_op, wait};
use crate::check::page::address;
use crate::global::Global;
use crate::log::klog;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use guest_user::abi::Errno;
use hypercall_abi::vcpu::*;

/// Whether a vCPU was ever up; only vCPU 0 looks.
static KNOWN: Global<[bool; MAX]> = Global::new([false; MAX]);
/// Set for a vCPU that shall stop computing.
static STOP: [AtomicBool; MAX] = [const { AtomicBool::new(false) }; MAX];
/// How often each went round while it computed.
static ROUNDS: [AtomicU64; MAX] = [const { AtomicU64::new(0) }; MAX];

fn is_up(vcpu: usize) -> bool {
    vcpu_op(VCPUOP_is_up, vcpu, 0) == Ok(1)
}

fn is_busy() -> bool {
    crate::boot_info().has_word("busy")
}

/// How many vCPUs behind 0 are up, up to the first that is not.
pub(crate) fn helpers() -> usize {
    (1..MAX).take_while(|&vcpu| is_up(vcpu)).count()
}

/// Has `target` vCPUs up, and returns how many are.
///
/// # Errors
/// `EINVAL` for none, or more than the domain has; else what the hypervisor refuses.
pub(crate) fn set_count(target: u64) -> Result<u64, Errno> {
    let target = usize::try_from(target).map_err(|_| Errno::EINVAL)?;
    if target == 0 || target > count() {
        return Err(Errno::EINVAL);
    }
    for vcpu in (1..target).chain((target..count()).rev()) {
        set(vcpu, vcpu < target)?;
    }
    Ok(up())
}

/// Brings a vCPU other than 0 up or takes it down, if it is not.
///
/// # Errors
/// What the hypervisor refuses.
pub(crate) fn set(vcpu: usize, up: bool) -> Result<(), Errno> {
    match (is_up(vcpu), up) {
        (false, true) => bring_up(vcpu),
        (true, false) => take_down(vcpu),
        _ => Ok(()),
    }
}

/// How many vCPUs are up.
pub(crate) fn up() -> u64 {
    (1..MAX).filter(|&vcpu| is_up(vcpu)).count() as u64 + 1
}

/// Gives a vCPU that was never up all it needs for that.
pub(crate) fn initialise(vcpu: usize) -> Result<(), Errno> {
    let gdt = make_gdt(0)?;
    let mut context = context::new(vcpu, gdt);
    vcpu_op(VCPUOP_initialise, vcpu, address(&mut *context))?;
    bind(vcpu)?;
    vcpu_op(VCPUOP_stop_periodic_timer, vcpu, 0).map(drop)
}

fn bring_up(vcpu: usize) -> Result<(), Errno> {
    if !KNOWN.with(|known| known[vcpu]) {
        initialise(vcpu)?;
        KNOWN.with(|known| known[vcpu] = true);
    }
    vcpu_op(VCPUOP_up, vcpu, 0)?;
    // One that was up before comes back from its call to go down.
    finish(vcpu).ok_or(Errno::ETIMEDOUT)?;
    set_to_work(vcpu);
    Ok(())
}

/// The vCPU goes down by itself, at a place where it holds nothing.
fn take_down(vcpu: usize) -> Result<(), Errno> {
    call_off(vcpu)?;
    start(vcpu, go_down, vcpu as u64);
    if !wait(|| !is_up(vcpu)) {
        return Err(Errno::ETIMEDOUT);
    }
    let rounds = ROUNDS[vcpu].load(Ordering::Relaxed);
    klog!("vCPU {vcpu} is down after {rounds} rounds of work");
    Ok(())
}

extern "C" fn go_down(vcpu: u64) -> u64 {
    vcpu_op(VCPUOP_down, vcpu as usize, 0).expect("nobody is refused to go down")
}

fn set_to_work(vcpu: usize) {
    if is_busy() {
        STOP[vcpu].store(false, Ordering::SeqCst);
        start(vcpu, compute, vcpu as u64);
    }
}

/// Waits until a vCPU has nothing to do.
fn call_off(vcpu: usize) -> Result<(), Errno> {
    STOP[vcpu].store(true, Ordering::SeqCst);
    finish(vcpu).map(drop).ok_or(Errno::ETIMEDOUT)
}

extern "C" fn compute(vcpu: u64) -> u64 {
    let vcpu = vcpu as usize;
    while !STOP[vcpu].load(Ordering::SeqCst) {
        for step in 0..1000 {
            core::hint::black_box(step);
        }
        ROUNDS[vcpu].fetch_add(1, Ordering::Relaxed);
    }
    0
}

/// Runs `work` with each number of `0..=helpers` once: 0 here, the others on the vCPUs of these
/// numbers, all at once.
pub(crate) fn share(helpers: usize, work: Work) -> Result<(), Errno> {
    for vcpu in 1..=helpers {
        call_off(vcpu)?;
        start(vcpu, work, vcpu as u64);
    }
    work(0);
    for vcpu in 1..=helpers {
        finish(vcpu).ok_or(Errno::ETIMEDOUT)?;
        set_to_work(vcpu);
    }
    Ok(())
}
