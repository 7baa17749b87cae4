//! The FIFO form: a guest that takes its events as event_channel.h says, and one that does not.

use std::vec::Vec;

use super::*;
use crate::addr::Mfn;
use crate::frame::word::{Kind, Owner};

const PENDING: u32 = 1 << EVTCHN_FIFO_PENDING;
const MASKED: u32 = 1 << EVTCHN_FIFO_MASKED;
const LINKED: u32 = 1 << EVTCHN_FIFO_LINKED;
const BUSY: u32 = 1 << EVTCHN_FIFO_BUSY;

/// What a domain in the FIFO form shares with the hypervisor: words for the first 1024 ports, and
/// both vCPUs' control blocks, 128 bytes apart.
#[derive(Clone, Copy)]
pub(super) struct Words {
    hv: &'static Hypervisor<FakeMachine>,
    /// The shared page, where the upcall flags are.
    shared: Mfn,
    array: Mfn,
    blocks: Mfn,
}

/// A guest in the FIFO form.
struct Fifo {
    guest: Guest,
    words: Words,
}

fn init(guest: &mut Guest, mfn: Mfn, offset: u32, vcpu: u32) -> Result<u8, Stop> {
    let op = evtchn_init_control {
        control_gfn: mfn.0,
        offset,
        vcpu,
        link_bits: 0,
        _pad: [0; 7],
    };
    Ok(guest.call(EVTCHNOP_init_control, op)?.link_bits)
}

fn expand(guest: &mut Guest, mfn: Mfn) -> Result<(), Stop> {
    let op = evtchn_expand_array { array_gfn: mfn.0 };
    guest.call(EVTCHNOP_expand_array, op).map(|_| ())
}

fn prioritise(guest: &mut Guest, port: Port, priority: u32) -> Result<(), Stop> {
    let op = evtchn_set_priority { port, priority };
    guest.call(EVTCHNOP_set_priority, op).map(|_| ())
}

/// Changes a port's queue where there are queues.
pub(super) fn prioritise_if(guest: &mut Guest, port: Port, priority: u32) {
    if guest.words.is_some() {
        prioritise(guest, port, priority).unwrap();
    }
}

fn page(guest: &Guest) -> Mfn {
    let mfn = guest.hv.alloc_domain_page(guest.dom).unwrap();
    guest.hv.machine.zero_frame(mfn);
    mfn
}

impl Words {
    /// Enters the form.
    pub(super) fn new(guest: &mut Guest) -> Self {
        let (array, blocks) = (page(guest), page(guest));
        let vcpus = guest.vcpus() as u32;
        for vcpu in 0..vcpus {
            assert_eq!(init(guest, blocks, vcpu * 128, vcpu), Ok(17));
        }
        expand(guest, array).unwrap();
        Self {
            hv: guest.hv,
            shared: guest.page(),
            array,
            blocks,
        }
    }

    fn word(self, port: Port) -> u32 {
        self.hv.machine.load_u32(self.array, port as usize * 4)
    }

    fn set_word(self, port: Port, word: u32) {
        let m = self.hv.machine;
        m.store_u32(self.array, port as usize * 4, word);
    }

    pub(super) fn mask(self, port: Port) {
        self.set_word(port, self.word(port) | MASKED);
    }

    pub(super) fn ready(self, vcpu: usize) -> u32 {
        self.hv.machine.load_u32(self.blocks, vcpu * 128)
    }

    /// Takes everything that waits, as a guest does: queue by queue, from the head on.
    pub(super) fn take(self, vcpu: usize) -> Vec<Port> {
        let m = self.hv.machine;
        let mut taken = Vec::new();
        m.store_u8(self.shared, vcpu * size_of::<vcpu_info>(), 0);
        for queue in 0..16 {
            if self.ready(vcpu) & 1 << queue == 0 {
                continue;
            }
            m.store_u32(self.blocks, vcpu * 128, self.ready(vcpu) & !(1 << queue));
            let mut port = m.load_u32(self.blocks, vcpu * 128 + 8 + queue * 4);
            while port != 0 {
                let word = self.word(port);
                assert!(word & LINKED != 0, "port {port} is in no queue");
                let next = word & EVTCHN_FIFO_LINK_MASK;
                let mut left = word & !(LINKED | EVTCHN_FIFO_LINK_MASK);
                if left & (PENDING | MASKED) == PENDING {
                    left &= !PENDING;
                    taken.push(port);
                }
                self.set_word(port, left);
                port = next;
            }
        }
        taken
    }

    /// Forgets everything that is pending, masked or not.
    pub(super) fn acknowledge(self, vcpus: usize) {
        (0..vcpus).for_each(|vcpu| drop(self.take(vcpu)));
        for port in 0..1024 {
            self.set_word(port, self.word(port) & !PENDING);
        }
    }
}

impl Fifo {
    fn ipi(&mut self, vcpu: u32) -> Port {
        self.guest.ipi(vcpu).unwrap()
    }
}

fn fifo() -> Fifo {
    let (_, mut guest) = pair(Form::TwoLevel);
    let words = Words::new(&mut guest);
    Fifo { guest, words }
}

#[test]
fn what_is_not_a_control_block_is_refused() {
    let (dom0, mut g) = pair(Form::TwoLevel);
    let (mfn, other) = (page(&g), page(&dom0));
    let table = page(&g);
    let owner = Owner::domain(g.dom.slot);
    g.hv.frames
        .change(table, |w| w.get_first(owner, Kind::L1))
        .unwrap();
    assert_eq!(expand(&mut g, mfn), errno(Errno::EOPNOTSUPP));
    assert_eq!(init(&mut g, mfn, 0, 2), errno(Errno::ENOENT));
    assert_eq!(init(&mut g, mfn, 0, u32::MAX), errno(Errno::ENOENT));
    for offset in [1, 4, 7, 4096 - 64, 4096, u32::MAX - 7] {
        assert_eq!(init(&mut g, mfn, offset, 0), errno(Errno::EINVAL));
    }
    for bad in [other, table, Mfn(u64::MAX), Mfn(1 << 40)] {
        assert_eq!(init(&mut g, bad, 0, 0), errno(Errno::EINVAL));
    }
    assert_eq!(g.hv.frames.word(mfn).refs(), 1);
    assert_eq!(init(&mut g, mfn, 4096 - 72, 0), Ok(17));
    assert_eq!(init(&mut g, mfn, 0, 0), errno(Errno::EINVAL));
    assert_eq!(g.hv.frames.word(mfn).refs(), 2, "a refused block is held");
    for bad in [other, table, Mfn(u64::MAX)] {
        assert_eq!(expand(&mut g, bad), errno(Errno::EINVAL));
    }
    let port = g.ipi(0).unwrap();
    assert_eq!(prioritise(&mut g, port, 16), errno(Errno::EINVAL));
    assert_eq!(prioritise(&mut g, 4096, 1), errno(Errno::EINVAL));
    assert_eq!(prioritise(&mut g, port, 15), Ok(()));
    for nobodys in [0, port + 1] {
        assert_eq!(prioritise(&mut g, nobodys, 16), errno(Errno::EACCES));
    }
}

#[test]
fn events_come_in_the_order_of_priorities_and_then_of_sending() {
    let mut f = fifo();
    let ports: Vec<Port> = (0..6).map(|_| f.ipi(0)).collect();
    for (port, priority) in [(ports[4], 0), (ports[1], 15), (ports[5], 0)] {
        prioritise(&mut f.guest, port, priority).unwrap();
    }
    for &port in &ports {
        f.guest.send(port).unwrap();
        f.guest.send(port).unwrap();
    }
    assert_eq!(f.guest.upcall(0), (1, 0));
    assert_eq!(f.words.ready(0), 1 << 0 | 1 << 7 | 1 << 15);
    let wanted = [4, 5, 0, 2, 3, 1].map(|i| ports[i]);
    assert_eq!(f.words.take(0), wanted);
    assert!(f.words.take(0).is_empty());
    // A queue that was taken empty begins anew, with its last port too.
    f.guest.send(ports[3]).unwrap();
    f.guest.send(ports[0]).unwrap();
    assert_eq!(f.words.take(0), [ports[3], ports[0]]);
}

#[test]
fn a_masked_port_waits_and_unmasking_queues_it_once() {
    let mut f = fifo();
    let port = f.ipi(1);
    f.words.set_word(port, MASKED);
    f.guest.send(port).unwrap();
    assert_eq!(f.words.word(port), MASKED | PENDING);
    assert_eq!((f.words.ready(1), f.guest.upcall(1)), (0, (0, 0)));
    assert!(f.guest.pending(port));
    f.guest.unmask(port).unwrap();
    assert_eq!(f.words.word(port), PENDING | LINKED);
    f.guest.unmask(port).unwrap();
    assert_eq!(
        (f.words.take(1), f.words.take(0)),
        ([port].to_vec(), [].to_vec())
    );
    f.guest.unmask(port).unwrap();
    assert_eq!(f.words.word(port), 0);
}

#[test]
fn what_was_pending_before_the_form_changed_is_pending_after() {
    let (_, mut g) = pair(Form::TwoLevel);
    let (early, quiet) = (g.ipi(0).unwrap(), g.ipi(0).unwrap());
    g.send(early).unwrap();
    let blocks = page(&g);
    init(&mut g, blocks, 0, 0).unwrap();
    let late = g.ipi(0).unwrap();
    g.send(late).unwrap();
    let array = page(&g);
    // In single steps, and with the call made again after each.
    let op = evtchn_expand_array { array_gfn: array.0 };
    g.load();
    g.hv.machine.copy_to_guest(ARG, op.as_bytes()).unwrap();
    let mut steps = 1;
    loop {
        let mut cx = testkit::context(g.hv, g.dom, &mut g.vcpu);
        cx.budget = Budget::new(1);
        match event_channel_op(&mut cx, u64::from(EVTCHNOP_expand_array), ARG) {
            Err(Stop::Retry) => steps += 1,
            result => break assert_eq!(result, Ok(0)),
        }
    }
    assert_eq!(steps, 64);
    assert_eq!(g.hv.frames.word(array).refs(), 2, "added more than once");
    let words = Words {
        hv: g.hv,
        shared: g.page(),
        array,
        blocks,
    };
    let f = Fifo { guest: g, words };
    assert_eq!(f.words.word(quiet), 0);
    assert_eq!(f.words.take(0), [early, late]);
}

#[test]
fn more_ports_than_two_levels_have() {
    let mut f = fifo();
    for _ in 1..5 {
        let more = page(&f.guest);
        expand(&mut f.guest, more).unwrap();
    }
    f.guest.dom.lock().events.limit = 5000;
    let mut last = 0;
    while let Ok(port) = f.guest.ipi(0) {
        last = port;
    }
    assert_eq!(last, 5000);
    assert_eq!(port_or(f.guest.ipi(0)), errno(Errno::ENOSPC));
    f.guest.send(last).unwrap();
    assert!(f.guest.pending(last));
    assert_eq!(f.guest.upcall(0).0, 1);
    f.guest.close(4097).unwrap();
    assert_eq!(f.guest.ipi(0), Ok(4097));
}

#[test]
fn a_port_that_changes_its_queue_leaves_the_old_one() {
    let mut f = fifo();
    let (a, b) = (f.ipi(0), f.ipi(0));
    f.guest.send(a).unwrap();
    assert_eq!(f.words.take(0), [a]);
    // `a` was the tail of the usual queue. It goes into another, and nothing may follow it there
    // that belongs into the usual one.
    prioritise(&mut f.guest, a, 3).unwrap();
    f.guest.send(a).unwrap();
    f.guest.send(b).unwrap();
    assert_eq!(f.words.ready(0), 1 << 3 | 1 << 7);
    assert_eq!(f.words.take(0), [a, b]);
}

#[test]
fn a_port_closed_in_a_queue_is_not_given_out_before_it_was_taken() {
    let mut f = fifo();
    let (a, b) = (f.ipi(0), f.ipi(0));
    f.guest.send(a).unwrap();
    f.guest.send(b).unwrap();
    f.guest.close(a).unwrap();
    assert_eq!(f.words.word(a) & PENDING, 0);
    assert_eq!(f.ipi(0), b + 1);
    assert_eq!(f.words.take(0), [b]);
    assert_eq!(f.ipi(0), a);
    f.guest.send(a).unwrap();
    assert_eq!(f.words.take(0), [a]);
}

#[test]
fn reset_gives_the_frames_back_and_ends_the_form() {
    let mut f = fifo();
    let port = f.ipi(0);
    f.guest.send(port).unwrap();
    assert_eq!(f.guest.reset(DOMID_SELF), Ok(()));
    for mfn in [f.words.array, f.words.blocks] {
        assert_eq!(f.guest.hv.frames.word(mfn).refs(), 1);
    }
    assert_eq!(
        expand(&mut f.guest, f.words.array),
        errno(Errno::EOPNOTSUPP)
    );
    let port = f.guest.ipi(1).unwrap();
    f.guest.acknowledge();
    f.guest.send(port).unwrap();
    assert_eq!(f.guest.upcall(1), (1, 1));
    // And it can be chosen again.
    assert_eq!(init(&mut f.guest, f.words.blocks, 0, 0), Ok(17));
}

#[test]
fn a_domain_in_the_form_is_destroyed_whole() {
    use crate::domain::lifecycle::destroy;
    let f = fifo();
    let Guest { hv, dom, .. } = f.guest;
    let calls = (1..1000).find(|_| destroy(hv, dom, &mut Budget::new(64)) == Ok(Progress::Done));
    assert!(calls.is_some(), "it is never done");
    for mfn in [f.words.array, f.words.blocks] {
        assert_eq!(hv.frames.owner(mfn), Owner::FREE);
    }
}

#[test]
fn a_guest_that_writes_nonsense_loses_its_own_events_only() {
    let mut f = fifo();
    let ports: Vec<Port> = (0..4).map(|_| f.ipi(0)).collect();
    for nonsense in [
        !0,
        LINKED,
        BUSY | LINKED,
        0x1ffff,
        PENDING | LINKED | 0x1fff0,
    ] {
        for &port in &ports {
            f.words.set_word(port, nonsense);
            let _ = f.guest.send(port);
            let _ = f.guest.unmask(port);
        }
    }
    let m = f.guest.hv.machine;
    for offset in (0..256).step_by(4) {
        m.store_u32(f.words.blocks, offset, !0);
    }
    f.guest.send(ports[0]).unwrap();
    assert_eq!(f.guest.reset(DOMID_SELF), Ok(()));
}
