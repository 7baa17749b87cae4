//! Checks in dom0 that a process leaves nothing, however it ends: event channels, frames of
//! another domain, local channels, memory. Argument: `domain=N`, a domain whose shared page is
//! mapped. With `how=...` it is the process that holds and ends.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use guest_user::abi::*;
use guest_user::check::{Done, refused, status, told};
use guest_user::dom0::{event, is_used, next_domain, ports_used};
use guest_user::{println, start, sys};
use hypercall_abi::event_channel::*;
use hypercall_abi::xen::*;
use zerocopy::FromZeros;

guest_user::entry!(main);

/// A process is waited for no longer, in nanoseconds.
const PATIENCE: u64 = 60_000_000_000;
/// Ends before counting, so that what the kernel keeps for reuse is there.
const WARM_UP: usize = 2;

fn main() -> i32 {
    let domain = start::option("domain").and_then(|n| n.parse().ok());
    let name = start::option("name").unwrap_or("holder");
    let done = match (domain, start::option("how")) {
        (None, _) => Err("which domain=N?".into()),
        (Some(domain), Some(how)) => hold(domain, name, how),
        (Some(domain), None) => all(domain, name),
    };
    status("holder", done)
}

fn shared_page(domain: u16) -> Done<u64> {
    let info = told("getdomaininfo", next_domain(domain))?;
    if info.domain != domain {
        return Err(format!("there is no domain {domain}"));
    }
    Ok(info.shared_info_frame)
}

/// Two ports of the process that are each other's ends.
fn pair() -> Done<(u32, u32)> {
    let mut alloc = evtchn_alloc_unbound::new_zeroed();
    (alloc.dom, alloc.remote_dom) = (DOMID_SELF, DOMID_SELF);
    let free = told("alloc_unbound", event(EVTCHNOP_alloc_unbound, alloc))?.port;
    let mut loopback = evtchn_bind_interdomain::new_zeroed();
    (loopback.remote_dom, loopback.remote_port) = (DOMID_SELF, free);
    let loopback = told(
        "bind_interdomain",
        event(EVTCHNOP_bind_interdomain, loopback),
    )?;
    Ok((free, loopback.local_port))
}

/// Ports of every kind that a process can bind without a peer.
fn bind() -> Done<alloc::vec::Vec<u32>> {
    let mut alloc = evtchn_alloc_unbound::new_zeroed();
    (alloc.dom, alloc.remote_dom) = (DOMID_SELF, DOMID_SELF);
    let spare = told("alloc_unbound", event(EVTCHNOP_alloc_unbound, alloc))?.port;
    let (free, loopback) = pair()?;
    let mut virq = evtchn_bind_virq::new_zeroed();
    virq.virq = VIRQ_DEBUG;
    let virq = told("bind_virq", event(EVTCHNOP_bind_virq, virq))?;
    let ipi = evtchn_bind_ipi::new_zeroed();
    let ipi = told("bind_ipi", event(EVTCHNOP_bind_ipi, ipi))?;
    Ok(alloc::vec![free, spare, loopback, virq.port, ipi.port])
}

/// The process that holds, says so, and ends as it is told.
fn hold(domain: u16, name: &str, how: &str) -> Done {
    let stream = told("connect", sys::connect(name))?;
    let second = format!("{name} of {}", sys::getpid());
    told("listen", sys::listen(&second))?;
    told("connect", sys::connect(&second))?;
    let ports = bind()?;
    let frame = shared_page(domain)?;
    let page = told("map_foreign", sys::map_foreign(domain, &[frame], true))?;
    // SAFETY: the page was just mapped; any bytes are a word.
    let word = unsafe { page.cast::<u64>().read_volatile() };
    core::hint::black_box(word);
    for port in &ports {
        told("write", sys::write(stream, &port.to_le_bytes()))?;
    }
    let mut entries = [readable(POLL_FD, stream as u32)];
    match how {
        "exit" => {
            // Not before the other has looked.
            told("poll", sys::poll(&mut entries, PATIENCE))?;
            sys::exit(3)
        }
        "fault" => {
            told("poll", sys::poll(&mut entries, PATIENCE))?;
            // SAFETY: nothing of this program is at address 0.
            unsafe { core::arch::asm!("mov qword ptr [{}], 1", in(reg) 0u64) };
        }
        "killed while it polls" => {
            told("poll", sys::poll(&mut entries, PATIENCE))?;
        }
        "killed while it waits" => {
            told("wait", sys::evtchn_wait(ports[1], PATIENCE))?;
        }
        _ => loop {
            core::hint::spin_loop();
        },
    }
    Err(format!("survived `{how}`"))
}

fn readable(kind: u32, id: u32) -> Poll {
    Poll {
        kind,
        id,
        wanted: POLL_READABLE,
        ready: 0,
    }
}

/// Ways to end, and the status then.
const ENDS: [(&str, i64); 5] = [
    ("exit", 3),
    ("fault", STATUS_FAULT | 14),
    ("killed while it polls", STATUS_KILLED),
    ("killed while it waits", STATUS_KILLED),
    ("killed while it computes", STATUS_KILLED),
];

fn all(domain: u16, name: &str) -> Done {
    let listener = told("listen", sys::listen(name))?;
    let mut before = figures()?;
    for (i, &(how, status)) in ENDS.iter().cycle().take(WARM_UP + ENDS.len()).enumerate() {
        if i == WARM_UP {
            before = figures()?;
        }
        one(domain, name, listener, how, status)?;
    }
    let after = figures()?;
    if after != before {
        return Err(format!("there were {before:?}, now there are {after:?}"));
    }
    told("close", sys::close(listener))?;
    println!(
        "holder: {} processes that held ports and frames ended, {} ports are in use as before",
        WARM_UP + ENDS.len(),
        before.ports
    );
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Figures {
    ports: usize,
    free_pages: u64,
    channels: u64,
}

fn figures() -> Done<Figures> {
    Ok(Figures {
        ports: ports_used(),
        free_pages: told("info", sys::info(INFO_FREE_PAGES))?,
        channels: told("info", sys::info(INFO_CHANNELS))?,
    })
}

fn one(domain: u16, name: &str, listener: u64, how: &str, status: i64) -> Done {
    let before = ports_used();
    let args = format!("domain={domain}\0name={name}\0how={how}");
    let pid = told("spawn", sys::spawn("/bin/holder", args.as_bytes()))?;
    let mut entry = [readable(POLL_FD, listener as u32)];
    told("poll", sys::poll(&mut entry, PATIENCE))?;
    let stream = told("accept", sys::accept(listener))?;
    let mut ports = alloc::vec::Vec::new();
    for _ in 0..5 {
        let mut entry = [readable(POLL_FD, stream as u32)];
        told("poll", sys::poll(&mut entry, PATIENCE))?;
        let mut port = [0; 4];
        if told("read", sys::read(stream, &mut port))? != 4 {
            return Err(format!("`{how}` ended too early"));
        }
        ports.push(u32::from_le_bytes(port));
    }
    if ports_used() != before + ports.len() {
        return Err(format!("{} ports are in use, {before} were", ports_used()));
    }
    for &port in &ports {
        others(port)?;
    }
    own_ports_together()?;
    if how.starts_with("killed") {
        told("kill", sys::kill(pid))?;
    } else {
        told("write", sys::write(stream, b"!"))?;
    }
    match told("wait", sys::wait(pid))? {
        ended if ended == status => {}
        ended => return Err(format!("`{how}` ended with {ended:#x}")),
    }
    if let Some(port) = ports.iter().find(|&&port| is_used(port)) {
        return Err(format!("port {port} outlives `{how}`"));
    }
    told("close", sys::close(stream))
}

/// The ports of the process on which there were events since this was asked last.
fn ports_with_news() -> Done<alloc::vec::Vec<u32>> {
    let mut entries = [readable(POLL_FD, 0); 16];
    let count = told("news", sys::news(&mut entries, 0))?;
    let of_port = |entry: &&Poll| entry.kind == POLL_PORT;
    let ports = entries[..count].iter().filter(of_port);
    Ok(ports.map(|entry| entry.id).collect())
}

/// News comes of all ports of the process, and of no other's.
fn own_ports_together() -> Done {
    let before = ports_with_news()?;
    let (free, loopback) = pair()?;
    // Binding itself is an event.
    let bound = ports_with_news()?;
    told("send", event(EVTCHNOP_send, evtchn_send { port: loopback }))?;
    let sent = ports_with_news()?;
    let after = ports_with_news()?;
    for port in [loopback, free] {
        told("close", event(EVTCHNOP_close, evtchn_close { port }))?;
    }
    let found = [before, bound, sent, after];
    let right = [&[][..], &[loopback], &[free], &[]];
    if found.iter().eq(right) {
        return Ok(());
    }
    Err(format!("events came as {found:?} instead of {right:?}"))
}

/// A port of another process is out of reach.
fn others(port: u32) -> Done {
    let close = event(EVTCHNOP_close, evtchn_close { port });
    refused("another's close", close, Errno::EPERM)?;
    let unmask = event(EVTCHNOP_unmask, evtchn_unmask { port });
    refused("another's unmask", unmask, Errno::EPERM)?;
    let wait = sys::evtchn_wait(port, 0);
    refused("another's wait", wait, Errno::EPERM)?;
    let mut entry = [readable(POLL_PORT, port)];
    let poll = sys::poll(&mut entry, 0);
    refused("another's poll", poll, Errno::EPERM)
}
