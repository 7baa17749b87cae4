//! Event channels, FIFO form: its calls, the words and queues that a guest then sees, and the way
//! back. That way is a reset, which closes the kernel's own ports too: these checks come last.

use super::events::{alloc, bind_ipi, close, op, outcome, send, unmask, upcall_flag};
use super::page::*;
use super::{Check, Report};
use crate::hypercall::HvResult;
use hypercall_abi::event_channel::*;
use hypercall_abi::xen::DOMID_SELF;

pub(super) const CHECKS: &[Check] = &[
    ("fifo_before", before),
    ("fifo_control", control),
    ("fifo_masks", masks),
    ("fifo_ports", ports),
    // Real Xen repeats what was pending at one switch at every later one: this is the last.
    ("fifo_queues", queues),
    ("fifo_reset", reset),
];

const PENDING: u32 = 1 << EVTCHN_FIFO_PENDING;
const MASKED: u32 = 1 << EVTCHN_FIFO_MASKED;
const LINKED: u32 = 1 << EVTCHN_FIFO_LINKED;

fn init(gfn: u64, offset: u32, vcpu: u32) -> HvResult<u8> {
    let mut arg = evtchn_init_control {
        control_gfn: gfn,
        offset,
        vcpu,
        link_bits: 0,
        _pad: [0; 7],
    };
    op(EVTCHNOP_init_control, &mut arg).map(|_| arg.link_bits)
}

fn expand(gfn: u64) -> HvResult {
    op(
        EVTCHNOP_expand_array,
        &mut evtchn_expand_array { array_gfn: gfn },
    )
}

fn prioritise(port: u32, priority: u32) -> HvResult {
    op(
        EVTCHNOP_set_priority,
        &mut evtchn_set_priority { port, priority },
    )
}

/// The array and the control block of a domain in this form.
struct Fifo {
    array: Page,
    block: Page,
}

impl Fifo {
    fn begin(r: &mut Report) -> Option<Self> {
        let fifo = Self {
            array: Page::new(),
            block: Page::new(),
        };
        let begun = init(fifo.block.mfn(), 0, 0).and_then(|_| expand(fifo.array.mfn()));
        if begun.is_err() {
            r.result("begin", begun);
            return None;
        }
        Some(fifo)
    }

    fn half(page: &Page, i: usize) -> u32 {
        (page.read(i / 2) >> (i % 2 * 32)) as u32
    }

    fn set_half(page: &Page, i: usize, value: u32) {
        let shift = i % 2 * 32;
        let other = page.read(i / 2) & !(0xffff_ffff << shift);
        page.write(i / 2, other | u64::from(value) << shift);
    }

    fn word(&self, port: u32) -> u32 {
        Self::half(&self.array, port as usize)
    }

    fn ready(&self) -> u32 {
        Self::half(&self.block, 0)
    }

    /// Takes all that waits, and shows it as places in `ports`: `queue:port,port`.
    fn take(&self, r: &mut Report, key: &str, ports: &[u32]) {
        let place = |port| ports.iter().position(|&p| p == port);
        r.line(format_args!(
            "{key}_ready={:#x} flag={}",
            self.ready(),
            upcall_flag()
        ));
        for queue in 0..16 {
            if self.ready() & 1 << queue == 0 {
                continue;
            }
            Self::set_half(&self.block, 0, self.ready() & !(1 << queue));
            let mut port = Self::half(&self.block, 2 + queue);
            // A broken queue would have no end.
            for _ in 0..ports.len() + 1 {
                if port == 0 {
                    break;
                }
                let word = self.word(port);
                r.line(format_args!(
                    "{key}_queue{queue}={:?} bits={:#x}",
                    place(port),
                    word >> 28
                ));
                let left = word & !(PENDING | LINKED | EVTCHN_FIFO_LINK_MASK);
                Self::set_half(&self.array, port as usize, left);
                port = word & EVTCHN_FIFO_LINK_MASK;
            }
        }
        super::events::clear_upcall();
    }
}

fn end() -> HvResult {
    op(EVTCHNOP_reset, &mut evtchn_reset { dom: DOMID_SELF })
}

fn before(r: &mut Report) {
    super::events::clear_all_pending();
    let page = Page::new();
    r.result("expand", expand(page.mfn()));
    let port = bind_ipi(0).unwrap_or(0);
    r.result("priority", prioritise(port, 3));
    r.result("priority_beyond", prioritise(port, 16));
    r.result("priority_no_port", prioritise(4095, 3));
    r.result("close", close(port));
}

fn control(r: &mut Report) {
    let (page, table) = (Page::new(), Page::read_only());
    for (key, gfn, offset, vcpu) in [
        ("vcpu_beyond", page.mfn(), 0, 8192),
        ("vcpu_beyond_odd", page.mfn(), 4, 8192),
        ("offset4", page.mfn(), 4, 0),
        ("offset_last", page.mfn(), 4096 - 64, 0),
        ("offset_page", page.mfn(), 4096, 0),
        ("offset_all_ones", page.mfn(), u32::MAX - 7, 0),
        ("frame_none", u64::MAX, 0, 0),
        ("frame_far", 1 << 36, 0, 0),
    ] {
        r.line(format_args!("{key}={}", outcome(init(gfn, offset, vcpu))));
    }
    let port = alloc(DOMID_SELF, DOMID_SELF).unwrap_or(0);
    let bits = init(page.mfn(), 4096 - 72, 0);
    r.line(format_args!("init={}", Shown(bits.map(u64::from))));
    r.line(format_args!("again={}", outcome(init(page.mfn(), 0, 0))));
    r.result("expand_none", expand(u64::MAX));
    r.result("expand", expand(table.mfn()));
    r.result("priority", prioritise(port, 15));
    r.result("priority_beyond", prioritise(port, 16));
    r.result("priority_no_port", prioritise(4095, 3));
    r.result("priority_all_ones", prioritise(u32::MAX, 3));
    r.result("end", end());
    r.result("expand_after", expand(table.mfn()));
}

fn queues(r: &mut Report) {
    let early = bind_ipi(0).unwrap_or(0);
    r.result("send_early", send(early));
    let Some(fifo) = Fifo::begin(r) else { return };
    let mut ports = [early; 6];
    for port in &mut ports[1..] {
        *port = bind_ipi(0).unwrap_or(0);
    }
    fifo.take(r, "early", &ports);
    r.result("priority4", prioritise(ports[4], 0));
    r.result("priority1", prioritise(ports[1], 15));
    for &port in &ports {
        r.result("send", send(port));
    }
    r.result("send_again", send(ports[2]));
    fifo.take(r, "six", &ports);
    fifo.take(r, "none", &ports);
    r.result("send_last", send(ports[5]));
    r.result("priority5", prioritise(ports[5], 2));
    fifo.take(r, "moved_late", &ports);
    r.result("send_moved", send(ports[5]));
    r.result("send_usual", send(ports[3]));
    fifo.take(r, "moved", &ports);
    r.result("end", end());
}

fn masks(r: &mut Report) {
    let Some(fifo) = Fifo::begin(r) else { return };
    let port = bind_ipi(0).unwrap_or(0);
    r.line(format_args!("fresh={:#x}", fifo.word(port) >> 28));
    Fifo::set_half(&fifo.array, port as usize, MASKED);
    r.result("send_masked", send(port));
    r.line(format_args!("masked={:#x}", fifo.word(port) >> 28));
    fifo.take(r, "masked", &[port]);
    r.result("unmask", unmask(port));
    r.line(format_args!("unmasked={:#x}", fifo.word(port) >> 28));
    r.result("unmask_again", unmask(port));
    fifo.take(r, "unmasked", &[port]);
    r.result("unmask_quiet", unmask(port));
    fifo.take(r, "quiet", &[port]);
    r.result("end", end());
}

/// Ports beyond those of the two-level form, one that waits for its word, and one closed while in
/// a queue.
fn ports(r: &mut Report) {
    let Some(fifo) = Fifo::begin(r) else { return };
    let (first, second) = (bind_ipi(0).unwrap_or(0), bind_ipi(0).unwrap_or(0));
    r.result("send_first", send(first));
    r.result("close_linked", close(first));
    r.line(format_args!("closed={:#x}", fifo.word(first) >> 28));
    let third = bind_ipi(0);
    r.line(format_args!("reused={}", third == Ok(first)));
    r.result("send_second", send(second));
    fifo.take(r, "closed", &[first, second]);
    let again = bind_ipi(0);
    r.line(format_args!("free_again={}", again == Ok(first)));
    let mut last = 0;
    let mut bound = 0;
    while bound < 5000 {
        match bind_ipi(0) {
            Ok(port) => last = port,
            Err(_) => break,
        }
        bound += 1;
    }
    r.line(format_args!("bound={bound}"));
    r.result("send_wordless", send(last));
    fifo.take(r, "wordless", &[last]);
    let more: [Page; 4] = core::array::from_fn(|_| Page::new());
    for page in &more {
        r.result("expand", expand(page.mfn()));
    }
    r.line(format_args!(
        "words_ready={:#x} flag={}",
        fifo.ready(),
        upcall_flag()
    ));
    r.result("end", end());
}

fn reset(r: &mut Report) {
    r.result("reset", end());
    let port = bind_ipi(0);
    r.line(format_args!("bind={}", outcome(port)));
    let Ok(port) = port else { return };
    r.result("send", send(port));
    r.line(format_args!("pending={}", super::events::pending(port)));
    r.result("close", close(port));
}
