//! Sending against everything that takes ports away, gives them to others, moves them, or puts vCPUs
//! to sleep: three CPUs, in every order with few changes ([`play_all`]), with the code as it is. What the
//! code relies on is taken away in turn ([`Weakness`]), and each time it must be noticed.

use std::boxed::Box;
use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use super::*;
use crate::domain::lifecycle;
use crate::evtchn::ops::{alloc_unbound_in, bind_pair, send};
use crate::evtchn::quick;
use crate::sched::{self, Cpu};
use crate::testkit::Weakness;
use crate::testkit::turns::{Part, play_all};

type Hv = &'static Hypervisor<FakeMachine>;

/// The domain that sends, and the one that it sends to.
const SENDER: u16 = 1;
const RECEIVER: u16 = 2;

/// How a sender goes about it.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Quick,
    General,
}

/// A machine on which scenes are played, one after the other.
pub(super) struct Stage {
    hv: Hv,
    way: Way,
}

/// A pair of ports between the two domains, with nothing pending.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub(super) hv: Hv,
    way: Way,
    from: &'static Domain,
    pub(super) to: &'static Domain,
    near: Port,
    pub(super) far: Port,
}

pub(super) fn vcpu(dom: &Domain) -> Vcpu {
    let id = VcpuId {
        domain: dom.id(),
        index: 0,
    };
    let mut vcpu = Vcpu::new(id, dom.slot);
    vcpu.info = dom.lock().vcpus[0].info;
    vcpu
}

impl Stage {
    pub(super) fn new(way: Way) -> Self {
        let hv = testkit::hypervisor(96, 3);
        hv.machine.set_window(ARG, vec![0; 64]);
        Self { hv, way }
    }

    pub(super) fn pair(&self) -> Pair {
        let hv = self.hv;
        let [from, to] = [SENDER, RECEIVER].map(|id| testkit::domain(hv, id, 2, 8));
        let (mut a, mut b) = (vcpu(from), vcpu(to));
        let far = alloc_unbound_in(&testkit::context(hv, to, &mut b), to, SENDER).unwrap();
        let near = bind_pair(&testkit::context(hv, from, &mut a), RECEIVER, far).unwrap();
        Pair {
            hv,
            way: self.way,
            from,
            to,
            near,
            far,
        }
    }

    /// Plays a scene with all CPUs and one change, and with the first two CPUs and two; gives the
    /// number of orders.
    fn play(&self, parts: impl Fn(Pair) -> Vec<Part>, end: impl Fn(Pair)) -> usize {
        self.play_some(&parts, &end, 2, 2) + self.play_some(&parts, &end, 3, 1)
    }

    fn play_some(
        &self,
        parts: impl Fn(Pair) -> Vec<Part>,
        end: impl Fn(Pair),
        cpus: usize,
        changes: usize,
    ) -> usize {
        let scene = || {
            let pair = self.pair();
            (pair, parts(pair).into_iter().take(cpus).collect())
        };
        play_all(changes, scene, |pair| {
            end(pair);
            self.clear();
        })
    }

    /// Off with the domains.
    pub(super) fn clear(&self) {
        for id in [SENDER, RECEIVER] {
            let dom = self.hv.domains.find(id).unwrap();
            lifecycle::destroy_whole(self.hv, dom).unwrap();
        }
    }
}

/// Plays with a machine that does what no machine may; true if that was noticed.
fn is_noticed<T>(weakness: Weakness, play: impl Fn(&Stage) -> T) -> bool {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let stage = Stage::new(Way::Quick);
    stage.hv.machine.weaken(weakness);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(&stage)));
    std::panic::set_hook(hook);
    result.is_err()
}

impl Pair {
    /// A CPU on which the sender's domain sends through its port.
    pub(super) fn sends(self) -> Part {
        self.sends_to(self.near)
    }

    fn sends_to(self, port: Port) -> Part {
        // What it has at hand it has without a lock.
        let vcpu = self.sending();
        Box::new(move || self.send(vcpu, port))
    }

    /// A vCPU of the sender's.
    fn sending(self) -> Vcpu {
        let mut vcpu = vcpu(self.from);
        vcpu.ports = self.from.lock().events.first_ports(self.hv.machine);
        vcpu
    }

    fn send(self, mut vcpu: Vcpu, port: Port) {
        self.hv.machine.load_vcpu(&vcpu);
        let cmd = u64::from(EVTCHNOP_send);
        let done = match self.way {
            Way::Quick => quick::send(self.hv.machine, || self.hv, cmd, port.into()),
            Way::General => false,
        };
        if !done {
            // The port may be closed by now.
            let _ = send(&mut testkit::context(self.hv, self.from, &mut vcpu), port);
        }
    }

    pub(super) fn does(self, what: impl FnOnce(Self) + Send + 'static) -> Part {
        Box::new(move || what(self))
    }

    /// The page and offset of a vCPU's flag.
    fn flag(self, vcpu: usize) -> (crate::addr::Mfn, usize) {
        let page = self.to.lock().shared_info.unwrap();
        (page, vcpu * size_of::<vcpu_info>())
    }

    pub(super) fn is_pending(self, port: Port) -> bool {
        pending::is_set(self.hv, &self.to.lock(), port)
    }

    /// The receiver's shared page.
    pub(super) fn page(self) -> crate::addr::Mfn {
        self.flag(0).0
    }

    /// Whether a vCPU of the receiver is told of the ports' first word.
    pub(super) fn is_told(self, vcpu: usize) -> bool {
        let (page, at) = self.flag(vcpu);
        let m = self.hv.machine;
        let selector = m.load_u64(page, at + offset_of!(vcpu_info, evtchn_pending_sel));
        m.load_u8(page, at) != 0 && selector & 1 != 0
    }

    /// What vCPU 0 of the receiver does on an upcall; how often the port's event was taken.
    pub(super) fn takes(self) -> u32 {
        let m = self.hv.machine;
        let (page, at) = self.flag(0);
        let mut taken = 0;
        while m.clear_bit(page, at * 8) {
            let selector = at + offset_of!(vcpu_info, evtchn_pending_sel);
            if m.fetch_and_u64(page, selector, 0) & 1 == 0 {
                continue;
            }
            let word = offset_of!(shared_info, evtchn_pending) * 8;
            taken += u32::from(m.clear_bit(page, word + self.far as usize));
        }
        taken
    }

    /// The receiver makes a new port, which nobody sends to; it has the old one's number if that is
    /// free.
    fn opens_another(self) {
        let mut vcpu = vcpu(self.to);
        self.hv
            .machine
            .write_window(0, evtchn_bind_ipi { vcpu: 1, port: 0 }.as_bytes());
        let mut cx = testkit::context(self.hv, self.to, &mut vcpu);
        event_channel_op(&mut cx, u64::from(EVTCHNOP_bind_ipi), ARG).unwrap();
    }
}

/// The receiver closes its end and uses the port for something else.
fn reuse(stage: &Stage) -> usize {
    let parts = |pair: Pair| {
        let receiver = pair.does(|pair| {
            close::close(pair.hv, pair.to, pair.far).unwrap();
            pair.opens_another();
        });
        vec![pair.sends(), receiver, pair.sends()]
    };
    stage.play(parts, |pair| {
        let state = pair.to.lock();
        let channel = state.events.get(pair.hv.machine, pair.far).unwrap();
        assert_eq!((channel.binding, channel.vcpu), (Binding::Ipi, 1));
        drop(state);
        assert!(!pair.is_pending(pair.far), "a stranger's port is pending");
    })
}

#[test]
fn a_port_s_next_user_gets_no_event_of_the_last() {
    for way in [Way::Quick, Way::General] {
        let schedules = reuse(&Stage::new(way));
        assert!(schedules > 100, "{schedules}");
    }
}

#[test]
fn senders_that_are_not_marked_are_noticed() {
    assert!(is_noticed(Weakness::NoMark, reuse));
}

#[test]
fn closing_without_waiting_is_noticed() {
    assert!(is_noticed(Weakness::NoWait, reuse));
}

/// The receiver is destroyed and another domain made in its place, with a port of the same number.
fn succession(stage: &Stage) -> usize {
    let parts = |pair: Pair| {
        let toolstack = pair.does(|pair| {
            lifecycle::destroy_whole(pair.hv, pair.to).unwrap();
            testkit::domain(pair.hv, RECEIVER, 2, 8);
            pair.opens_another();
        });
        vec![pair.sends(), toolstack]
    };
    let end = |pair: Pair| {
        for port in 0..64 {
            assert!(
                !pair.is_pending(port),
                "a stranger's port {port} is pending"
            );
        }
        assert!(!pair.is_told(0) && !pair.is_told(1), "a stranger is told");
    };
    // Long parts: two changes would be too many orders.
    stage.play_some(parts, end, 2, 1)
}

#[test]
fn a_domain_gets_no_event_of_the_one_before_it() {
    for way in [Way::Quick, Way::General] {
        succession(&Stage::new(way));
    }
    assert!(is_noticed(Weakness::NoWait, succession));
    assert!(is_noticed(Weakness::NoMark, succession));
}

/// The sender closes its end and binds anew, while the receiver takes events.
fn rebinding(stage: &Stage) {
    let parts = |pair: Pair| {
        let sender = pair.does(|pair| {
            close::close(pair.hv, pair.from, pair.near).unwrap();
            let mut vcpu = vcpu(pair.from);
            let cx = testkit::context(pair.hv, pair.from, &mut vcpu);
            let near = bind_pair(&cx, RECEIVER, pair.far).unwrap();
            pair.send(pair.sending(), near);
        });
        let receiver = pair.does(|pair| {
            pair.takes();
        });
        vec![pair.sends(), sender, receiver]
    };
    stage.play(parts, |pair| {
        let told = pair.is_told(0);
        assert!(
            told || !pair.is_pending(pair.far),
            "pending, and nobody is told"
        );
    });
}

#[test]
fn an_event_that_is_pending_is_told_whatever_becomes_of_its_sender() {
    for way in [Way::Quick, Way::General] {
        rebinding(&Stage::new(way));
    }
}

#[test]
fn an_event_is_taken_once() {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let parts = |pair: Pair| {
        let taken = taken.clone();
        let receiver = pair.does(move |pair| {
            let times = pair.takes();
            taken.lock().unwrap().push(times);
        });
        vec![pair.sends(), receiver, pair.sends()]
    };
    Stage::new(Way::Quick).play(parts, |pair| {
        let before = taken.lock().unwrap().pop().unwrap();
        let after = pair.takes();
        assert!((1..=2).contains(&(before + after)), "{before} and {after}");
        assert!(!pair.is_pending(pair.far) && !pair.is_told(0));
    });
}

/// The receiver moves the port to its other vCPU, and masks and unmasks it.
#[test]
fn a_port_that_moves_tells_one_of_its_vcpus() {
    for way in [Way::Quick, Way::General] {
        let parts = |pair: Pair| {
            let mover = pair.does(|pair| {
                let op = evtchn_bind_vcpu {
                    port: pair.far,
                    vcpu: 1,
                };
                pair.hv.machine.write_window(0, op.as_bytes());
                let mut vcpu = vcpu(pair.to);
                let mut cx = testkit::context(pair.hv, pair.to, &mut vcpu);
                event_channel_op(&mut cx, u64::from(EVTCHNOP_bind_vcpu), ARG).unwrap();
            });
            let masker = pair.does(|pair| {
                let page = pair.flag(0).0;
                let mask = offset_of!(shared_info, evtchn_mask) * 8 + pair.far as usize;
                pair.hv.machine.set_bit(page, mask);
                pending::unmask(pair.hv, pair.to, &mut pair.to.lock(), pair.far);
            });
            vec![pair.sends(), mover, masker]
        };
        Stage::new(way).play(parts, |pair| {
            assert!(pair.is_pending(pair.far));
            assert!(pair.is_told(0) || pair.is_told(1), "nobody is told");
        });
    }
}

/// The receiver's vCPU 0 runs on CPU 1 and blocks, or polls; CPU 2 has nothing to do and looks for
/// work.
fn sleeping(stage: &Stage, changes: usize, polls: bool) {
    let hv = stage.hv;
    let scene = || {
        let pair = stage.pair();
        let _ = pair.takes();
        for dom in [pair.from, pair.to] {
            for vcpu in 0..2 {
                if dom.slot != pair.to.slot || vcpu != 0 {
                    sched::pause_vcpu(hv, dom, vcpu).unwrap();
                }
            }
        }
        hv.machine.run_on(1);
        let mut cpu = Cpu::new(1);
        let _ = sched::leave(hv, &mut cpu);
        assert_eq!(cpu.current.as_ref().map(|vcpu| vcpu.id.index), Some(0));
        hv.machine.take_happened();
        let cpus = Arc::new(Mutex::new(Vec::new()));
        let after = cpus.clone();
        let sleeper = pair.does(move |pair| {
            let vcpu = cpu.current.as_mut().unwrap();
            let poll = hypercall_abi::sched::sched_poll {
                ports: ARG + 32,
                nr_ports: 1,
                _pad0: [0; 4],
                timeout: 0,
            };
            hv.machine.write_window(0, poll.as_bytes());
            hv.machine.write_window(32, &pair.far.to_le_bytes());
            let cmd = if polls {
                hypercall_abi::sched::SCHEDOP_poll
            } else {
                hypercall_abi::sched::SCHEDOP_block
            };
            let mut cx = testkit::context(hv, pair.to, vcpu);
            sched::ops::sched_op(&mut cx, cmd.into(), ARG).unwrap();
            let _ = sched::leave(hv, &mut cpu);
            after.lock().unwrap().push(cpu);
        });
        let after = cpus.clone();
        let idler = pair.does(move |_| {
            let mut cpu = Cpu::new(2);
            let _ = sched::leave(hv, &mut cpu);
            after.lock().unwrap().push(cpu);
        });
        ((pair, cpus), vec![pair.sends(), sleeper, idler])
    };
    play_all(changes, scene, |(pair, cpus)| {
        assert!(pair.is_pending(pair.far));
        let sched = pair.to.lock().vcpus[0].sched.clone();
        assert!(!sched.blocked, "it sleeps over an event");
        assert_eq!(sched.poll, None);
        let pollers = pair.to.senders.root().pollers(hv.machine);
        assert_eq!(pollers, 0, "it is said to poll");
        // Off the CPUs with it.
        sched::pause_domain(hv, pair.to).unwrap();
        for mut cpu in cpus.lock().unwrap().drain(..) {
            hv.machine.run_on(cpu.id);
            let _ = sched::leave(hv, &mut cpu);
            assert!(cpu.current.is_none());
        }
        stage.clear();
    });
}

#[test]
fn no_event_is_slept_over() {
    for way in [Way::Quick, Way::General] {
        for polls in [false, true] {
            sleeping(&Stage::new(way), 1, polls);
        }
    }
}

#[test]
fn falling_asleep_without_a_barrier_is_noticed() {
    assert!(is_noticed(Weakness::NoBarrier, |s| sleeping(s, 2, false)));
}

/// The receiver changes to the FIFO form.
#[test]
fn no_event_is_lost_when_the_form_changes() {
    for way in [Way::Quick, Way::General] {
        let stage = Stage::new(way);
        let hv = stage.hv;
        let scene = || {
            let pair = stage.pair();
            let _ = pair.takes();
            let pages = [(); 2].map(|()| hv.alloc_domain_page(pair.to).unwrap());
            for page in pages {
                hv.machine.zero_frame(page);
            }
            let changer = pair.does(move |pair| {
                let mut vcpu = vcpu(pair.to);
                let init = evtchn_init_control {
                    control_gfn: pages[0].0,
                    offset: 0,
                    vcpu: 0,
                    link_bits: 0,
                    _pad: [0; 7],
                };
                hv.machine.write_window(0, init.as_bytes());
                let mut cx = testkit::context(hv, pair.to, &mut vcpu);
                event_channel_op(&mut cx, u64::from(EVTCHNOP_init_control), ARG).unwrap();
                let array = evtchn_expand_array {
                    array_gfn: pages[1].0,
                };
                hv.machine.write_window(0, array.as_bytes());
                event_channel_op(&mut cx, u64::from(EVTCHNOP_expand_array), ARG).unwrap();
            });
            ((pair, pages), vec![pair.sends(), changer])
        };
        play_all(1, scene, |(pair, [block, array])| {
            let word = hv.machine.load_u32(array, pair.far as usize * 4);
            let wanted = 1 << EVTCHN_FIFO_PENDING | 1 << EVTCHN_FIFO_LINKED;
            assert_eq!(word, wanted);
            assert_eq!(hv.machine.load_u32(block, 8 + 7 * 4), pair.far);
            assert_ne!(hv.machine.load_u8(pair.flag(0).0, 0), 0);
            stage.clear();
        });
    }
}

/// A domain whose table of ports grows into a frame that had others' data.
fn growing(stage: &Stage) {
    let hv = stage.hv;
    let scene = || {
        let pair = stage.pair();
        while pair.from.lock().events.len() < PORTS_PER_TABLE as Port {
            pair.from.lock().events.grow(hv).unwrap();
        }
        // What is free is full of what looks like ports that are bound to the receiver's.
        let there = Channel {
            binding: Binding::Interdomain {
                remote: RECEIVER,
                port: 40,
            },
            ..Channel::default()
        };
        for mfn in (testkit::RESERVED_FRAMES..hv.machine.frames()).map(crate::addr::Mfn) {
            if hv.frames.owner(mfn) == crate::frame::word::Owner::FREE {
                let words = hv.machine.frame_words(mfn);
                words
                    .iter()
                    .for_each(|w| w.store(there.to_word(), core::sync::atomic::Ordering::SeqCst));
            }
        }
        let grows = pair.does(|pair| pair.from.lock().events.grow(pair.hv).unwrap());
        let sends = pair.sends_to(PORTS_PER_TABLE as Port + 3);
        (pair, vec![sends, grows])
    };
    play_all(1, scene, |pair| {
        assert!(
            !pair.is_pending(40),
            "an event went to a port that nobody bound"
        );
        stage.clear();
    });
}

#[test]
fn ports_are_blank_before_they_are_found() {
    growing(&Stage::new(Way::General));
    assert!(is_noticed(Weakness::LateZero, growing));
}

/// Sending to a domain in the FIFO form takes its lock, behind the look: the pair may be gone then.
#[test]
fn the_fifo_form_is_as_careful() {
    let stage = Stage::new(Way::General);
    let hv = stage.hv;
    let scene = || {
        let pair = stage.pair();
        let page = hv.alloc_domain_page(pair.to).unwrap();
        hv.machine.zero_frame(page);
        let mut fifo = crate::evtchn::fifo::Fifo::new().unwrap();
        fifo.push(page);
        hv.page_get_writable(pair.to, page).unwrap();
        let mut state = pair.to.lock();
        state.events.root.set_page(hv.machine, None);
        state.events.fifo = Some(fifo);
        drop(state);
        pair.from
            .lock()
            .events
            .root
            .set_target(hv.machine, pair.near, Target::NONE);
        let receiver = pair.does(|pair| {
            close::close(pair.hv, pair.to, pair.far).unwrap();
            pair.opens_another();
        });
        (pair, vec![pair.sends(), receiver])
    };
    play_all(2, scene, |pair| {
        assert!(!pair.is_pending(pair.far), "a stranger's port is pending");
        stage.clear();
    });
}
