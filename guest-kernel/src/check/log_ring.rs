//! The hypervisor's log as the control domain reads it, and the virtual interrupt that tells of news.

use super::control::control;
use super::events::{bind_virq, close, pending};
use super::page::*;
use super::{Check, Report};
use crate::dev::time;
use crate::hypercall::HvResult;
use hypercall_abi::Union;
use hypercall_abi::sysctl::*;
use hypercall_abi::xen::*;
use zerocopy::FromZeros;

pub(super) const CHECKS: &[Check] = &[("log_ring", log_ring), ("debug_virq", debug_virq)];

/// How long news of the log may take, nanoseconds.
const PATIENCE: u64 = 200_000_000;

fn ask(cmd: u32, u: impl zerocopy::IntoBytes + zerocopy::Immutable) -> (HvResult, xen_sysctl) {
    let mut op = xen_sysctl {
        cmd,
        interface_version: XEN_SYSCTL_INTERFACE_VERSION,
        u: Union::zeroed(),
    };
    op.u.set(u);
    let result = control(__HYPERVISOR_sysctl, &mut op);
    (result, op)
}

/// Reads up to `count` bytes into a buffer of 64; gives how many came, and where they ended.
fn read(incremental: u8, clear: u8, index: u32, count: u32) -> HvResult<(u32, u32)> {
    let mut buffer = [0_u8; 64];
    let mut request = xen_sysctl_readconsole::new_zeroed();
    (request.incremental, request.clear) = (incremental, clear);
    (request.index, request.count) = (index, count);
    request.buffer = buffer.as_mut_ptr() as u64;
    let (result, op) = ask(XEN_SYSCTL_readconsole, request);
    let request: xen_sysctl_readconsole = op.u.get();
    result.map(|_| (request.count, request.index))
}

/// Reads on from `index` to the end; gives the end.
fn read_on(mut index: u32) -> HvResult<u32> {
    loop {
        match read(1, 0, index, 64)? {
            (0, end) => return Ok(end),
            (_, end) => index = end,
        }
    }
}

fn press(key: u8) -> HvResult {
    let mut request = xen_sysctl_debug_keys::new_zeroed();
    (request.keys, request.nr_keys) = (&raw const key as u64, 1);
    ask(XEN_SYSCTL_debug_keys, request).0
}

/// Waits for an event; whether it came.
fn comes(port: u32) -> bool {
    let until = time::system_time() + PATIENCE;
    while !pending(port) && time::system_time() < until {
        core::hint::spin_loop();
    }
    pending(port)
}

/// The key that shows all domains has them asked as well.
fn debug_virq(r: &mut Report) {
    let Ok(port) = bind_virq(VIRQ_DEBUG, 0) else {
        r.line(format_args!("bound=false"));
        return;
    };
    let before = pending(port);
    let pressed = press(b'q');
    r.line(format_args!(
        "pressed={} before={before} asked={} close={}",
        Shown(pressed),
        comes(port),
        Shown(close(port))
    ));
}

fn log_ring(r: &mut Report) {
    let (Ok((_, oldest)), Ok((count, after))) = (read(0, 0, 0, 0), read(0, 0, 0, 10)) else {
        r.line(format_args!("readable=false"));
        return;
    };
    r.line(format_args!(
        "part={count} ends={}",
        after.wrapping_sub(oldest)
    ));
    let Ok(end) = read_on(after) else {
        r.line(format_args!("read_on=false"));
        return;
    };
    r.line(format_args!(
        "at_end={} behind_start={}",
        Shown(read(1, 0, end, 64).map(|(count, _)| count.into())),
        // From before the oldest byte on: from the oldest.
        read(1, 0, oldest.wrapping_sub(100), 10) == Ok((10, after))
    ));
    let Ok(port) = bind_virq(VIRQ_CON_RING, 0) else {
        r.line(format_args!("bound=false"));
        return;
    };
    let before = pending(port);
    let pressed = press(b'h');
    r.line(format_args!(
        "pressed={} before={before} told={} more={}",
        Shown(pressed),
        comes(port),
        matches!(read(1, 0, end, 64), Ok((64, _)))
    ));
    r.line(format_args!("close={}", Shown(close(port))));
    // What was read is forgotten, and no more than that.
    let cleared = read(0, 1, 0, 10);
    r.line(format_args!(
        "cleared={} goes_on={}",
        cleared == Ok((10, after)),
        read(0, 0, 0, 5) == Ok((5, after.wrapping_add(5)))
    ));
    let end = read_on(after);
    let all = end.and_then(|end| read(1, 1, end, 64));
    r.line(format_args!(
        "all={} nothing_left={}",
        Shown(all.map(|(count, _)| count.into())),
        Shown(read(0, 0, 0, 64).map(|(count, _)| count.into()))
    ));
}
