//! Event channels, FIFO form: its calls, the words and queues that a guest then sees, and the way
//! back. That way is a reset, which closes the kernel's own ports too: these checks come last.

use super::events::{
    alloc as alloc_unbound, bind_ipi, close, op, outcome, send, unmask, upcall_flag,
};
use super::page::*;
use super::{Check, Report};
use crate::dev::fifo::{self, PER_PAGE};
use crate::hypercall::HvResult;
use alloc::vec::Vec;
use hypercall_abi::event_channel::*;
use hypercall_abi::xen::DOMID_SELF;

pub(super) const CHECKS: &[Check] = &[
    ("fifo_before", before),
    ("fifo_control", control),
    ("fifo_masks", masks),
    ("fifo_ports", ports),
    ("fifo_many", many),
    ("fifo_evtchn_commands", |r| in_queues(r, "evtchn_commands")),
    ("fifo_evtchn_unbound", |r| in_queues(r, "evtchn_unbound")),
    ("fifo_evtchn_interdomain", |r| {
        in_queues(r, "evtchn_interdomain")
    }),
    ("fifo_evtchn_virq", |r| in_queues(r, "evtchn_virq")),
    ("fifo_evtchn_ipi", |r| in_queues(r, "evtchn_ipi")),
    ("fifo_evtchn_pirq", |r| in_queues(r, "evtchn_pirq")),
    ("fifo_evtchn_ports", |r| in_queues(r, "evtchn_ports")),
    ("fifo_evtchn_vcpu", |r| in_queues(r, "evtchn_vcpu")),
    ("fifo_evtchn_delivery", |r| in_queues(r, "evtchn_delivery")),
    ("fifo_evtchn_all", |r| {
        r.line(format_args!("n={}", super::events::CHECKS.len()))
    }),
    // Real Xen repeats what was pending at one switch at every later one: this is the last.
    ("fifo_queues", queues),
    ("fifo_reset", reset),
];

const PENDING: u32 = 1 << EVTCHN_FIFO_PENDING;
const MASKED: u32 = 1 << EVTCHN_FIFO_MASKED;
const LINKED: u32 = 1 << EVTCHN_FIFO_LINKED;

pub(super) fn init(gfn: u64, offset: u32, vcpu: u32) -> HvResult<u8> {
    let mut arg = evtchn_init_control {
        control_gfn: gfn,
        offset,
        vcpu,
        link_bits: 0,
        _pad: [0; 7],
    };
    op(EVTCHNOP_init_control, &mut arg).map(|_| arg.link_bits)
}

pub(super) fn expand(gfn: u64) -> HvResult {
    op(
        EVTCHNOP_expand_array,
        &mut evtchn_expand_array { array_gfn: gfn },
    )
}

pub(super) fn prioritise(port: u32, priority: u32) -> HvResult {
    op(
        EVTCHNOP_set_priority,
        &mut evtchn_set_priority { port, priority },
    )
}

/// The arrays and the control block of a domain in this form.
pub(super) struct Fifo {
    arrays: Vec<Page>,
    block: Page,
}

impl Fifo {
    /// Enters the form, with words for so many pages of ports.
    pub(super) fn begin(r: &mut Report, pages: usize) -> Option<Self> {
        let fifo = Self {
            arrays: (0..pages).map(|_| Page::new()).collect(),
            block: Page::new(),
        };
        let mut begun = init(fifo.block.mfn(), 0, 0).map(u64::from);
        for array in &fifo.arrays {
            begun = begun.and_then(|_| expand(array.mfn()));
        }
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

    /// The page and the place of a port's word.
    fn place(&self, port: u32) -> (&Page, usize) {
        let port = port as usize;
        (&self.arrays[port / PER_PAGE], port % PER_PAGE)
    }

    pub(super) fn word(&self, port: u32) -> u32 {
        let (page, i) = self.place(port);
        Self::half(page, i)
    }

    fn set_word(&self, port: u32, word: u32) {
        let (page, i) = self.place(port);
        Self::set_half(page, i, word);
    }

    pub(super) fn ready(&self) -> u32 {
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
                self.set_word(port, left);
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
    // The first reset closes them.
    crate::dev::event::forget_own();
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
    let port = alloc_unbound(DOMID_SELF, DOMID_SELF).unwrap_or(0);
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
    let Some(fifo) = Fifo::begin(r, 1) else {
        return;
    };
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
    let Some(fifo) = Fifo::begin(r, 1) else {
        return;
    };
    let port = bind_ipi(0).unwrap_or(0);
    r.line(format_args!("fresh={:#x}", fifo.word(port) >> 28));
    fifo.set_word(port, MASKED);
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
    let Some(fifo) = Fifo::begin(r, 1) else {
        return;
    };
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

/// Runs a check of the two-level form in this one, with words for all ports that the other has.
fn in_queues(r: &mut Report, name: &str) {
    let found = super::events::CHECKS
        .iter()
        .find(|(known, _)| *known == name);
    let Some((_, check)) = found else {
        return r.error("no such check");
    };
    super::events::clear_all_pending();
    let pages = EVTCHN_2L_NR_CHANNELS / PER_PAGE;
    let Some(fifo) = Fifo::begin(r, pages) else {
        return;
    };
    // What real Xen repeats of an earlier switch.
    fifo.empty(&[], |_| 0);
    fifo::enter(fifo.block.va(), fifo.arrays.iter().map(Page::va).collect());
    check(r);
    fifo::leave();
    r.result("end", end());
}

/// Ports that [`many`] binds, far more than the two-level form has.
const MANY: usize = 10_500;

/// What came out of the queues.
#[derive(Default)]
struct Taken {
    ports: usize,
    /// Of these, beyond the last port of the two-level form.
    high: usize,
    twice: usize,
    wrong_queue: usize,
    /// Before one that was sent to earlier, in the same queue.
    early: usize,
}

/// Events for more than ten thousand ports at once, of all priorities: each is delivered once, in
/// its queue, in the order of sending.
fn many(r: &mut Report) {
    let Some(fifo) = Fifo::begin(r, MANY / PER_PAGE + 1) else {
        return;
    };
    // What real Xen repeats of an earlier switch.
    fifo.empty(&[], |_| 0);
    let mut ports = Vec::new();
    while ports.len() < MANY {
        match bind_ipi(0) {
            Ok(port) => ports.push(port),
            Err(_) => break,
        }
    }
    let last = ports.last().copied().unwrap_or(0);
    let steps = ports.windows(2).filter(|pair| pair[1] == pair[0] + 1);
    r.line(format_args!(
        "bound={} high={} in_a_row={}",
        ports.len(),
        last as usize >= EVTCHN_2L_NR_CHANNELS,
        steps.count()
    ));
    let queue = |port: u32| port % 16;
    let done = |results: &mut dyn Iterator<Item = HvResult>| results.filter(Result::is_ok).count();
    let changed = done(&mut ports.iter().map(|&port| prioritise(port, queue(port))));
    r.line(format_args!("prioritised={changed}"));
    // Not in the order of their numbers, and each twice.
    let order = || ports.iter().rev().step_by(2).chain(ports.iter().step_by(2));
    let order: Vec<u32> = order().copied().collect();
    for key in ["sent", "sent_again"] {
        let sent = done(&mut order.iter().map(|&port| send(port)));
        r.line(format_args!("{key}={sent} ready={:#x}", fifo.ready()));
    }
    let taken = fifo.empty(&order, queue);
    r.line(format_args!(
        "taken={} high={} twice={} wrong_queue={} early={} left={}",
        taken.ports,
        taken.high,
        taken.twice,
        taken.wrong_queue,
        taken.early,
        ports
            .iter()
            .filter(|&&p| fifo.word(p) & PENDING != 0)
            .count()
    ));
    high_pair(r, &fifo);
    let closed = done(&mut ports.iter().step_by(2).map(|&port| close(port)));
    r.line(format_args!("closed={closed}"));
    let again = bind_ipi(0);
    r.line(format_args!(
        "lowest_again={}",
        again.ok() == ports.first().copied()
    ));
    r.result("end", end());
}

impl Fifo {
    /// Takes what is in all queues; `order` is that of sending, `queue` where a port belongs.
    fn empty(&self, order: &[u32], queue: impl Fn(u32) -> u32) -> Taken {
        let mut taken = Taken::default();
        let mut sent_at = alloc::vec![usize::MAX; self.arrays.len() * PER_PAGE];
        for (at, &port) in order.iter().enumerate() {
            sent_at[port as usize] = at;
        }
        for number in 0..16 {
            let (mut port, mut before) = (Self::half(&self.block, 2 + number as usize), 0);
            for _ in 0..=order.len().max(PER_PAGE) {
                if port == 0 {
                    break;
                }
                let word = self.word(port);
                let at = core::mem::replace(&mut sent_at[port as usize], usize::MAX);
                taken.ports += 1;
                taken.high += usize::from(port as usize >= EVTCHN_2L_NR_CHANNELS);
                taken.twice += usize::from(at == usize::MAX);
                taken.wrong_queue += usize::from(queue(port) != number);
                taken.early += usize::from(at < before);
                before = at;
                self.set_word(port, word & !(PENDING | LINKED | EVTCHN_FIFO_LINK_MASK));
                port = word & EVTCHN_FIFO_LINK_MASK;
            }
        }
        Self::set_half(&self.block, 0, 0);
        super::events::clear_upcall();
        taken
    }
}

/// A channel of which both ends are beyond the ports of the two-level form.
fn high_pair(r: &mut Report, fifo: &Fifo) {
    let near = alloc_unbound(DOMID_SELF, DOMID_SELF).unwrap_or(0);
    let far = super::events::bind(DOMID_SELF, near).unwrap_or(0);
    let high = |port: u32| port as usize >= EVTCHN_2L_NR_CHANNELS;
    r.line(format_args!("pair_high={},{}", high(near), high(far)));
    fifo.take(r, "pair_bound", &[near, far]);
    for (key, from) in [("near", near), ("far", far)] {
        r.line(format_args!("pair_{key}_send={}", Shown(send(from))));
        fifo.take(r, key, &[near, far]);
    }
    r.line(format_args!("pair_close={}", Shown(close(near))));
    r.line(format_args!("pair_left={}", Shown(close(far))));
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
