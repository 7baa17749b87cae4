//! Interrupts that come too often are held back, and let through again.

use super::*;
use crate::entry::{Irq, Resume};
use crate::platform::Nanos;
use crate::sched::Cpu;

pub(super) const MILLISECOND: Nanos = 1_000_000;
/// Where the function's message has its control word and its mask bits.
const CONTROL: u8 = 0x50;
const MASK_BITS: u8 = 0x60;
/// Bits of the control word, in the upper half: messages are on, and can be masked.
const ON: u32 = 1 << 16;
const MASKABLE: u32 = 1 << 24;

impl Dom0 {
    /// The time is `now`, and the timer fires if it is armed for that.
    pub(super) fn at(&self, now: Nanos) {
        self.hv.machine.set_now(now);
        let mut cpu = Cpu::new(0);
        let resume = self.hv.on_interrupt(&mut cpu, Irq::Timer);
        assert!(matches!(resume, Resume::Guest | Resume::Idle));
        // Whoever runs there now, the caller's addresses are the test's.
        self.hv.machine.load_root(self.root);
    }

    fn word(&self, offset: u8) -> u32 {
        let mut value = 0;
        self.hv.machine.configure(|state| {
            value = state.pci.get(&(WITH_MESSAGE, offset)).copied().unwrap_or(0);
        });
        value
    }

    fn set_word(&self, offset: u8, value: u32) {
        self.hv.machine.configure(|state| {
            state.pci.insert((WITH_MESSAGE, offset), value);
        });
    }

    /// An edge-triggered line, bound.
    fn edge(&mut self) -> Port {
        self.map(EDGE as i32, EDGE as i32).unwrap();
        let port = self.bind(EDGE).unwrap();
        self.asked();
        port
    }

    /// A message, bound and switched on.
    fn message(&mut self) -> (u32, Port) {
        self.report(WITH_MESSAGE);
        let pirq = self.map_message(WITH_MESSAGE).unwrap() as u32;
        let port = self.bind(pirq).unwrap();
        self.set_word(CONTROL, self.word(CONTROL) | ON);
        (pirq, port)
    }
}

const HELD: [Happened; 1] = [Happened::MaskLine(EDGE, true)];
const FREE: [Happened; 1] = [Happened::MaskLine(EDGE, false)];

#[test]
fn a_line_is_masked_for_the_rest_of_the_while() {
    let mut dom0 = Dom0::with_limit(3);
    let port = dom0.edge();
    dom0.at(MILLISECOND);
    for _ in 0..2 {
        dom0.interrupt(EDGE);
        assert!(dom0.take_pending(port));
        assert_eq!(dom0.asked(), []);
    }
    dom0.interrupt(EDGE);
    assert_eq!(dom0.asked(), HELD);
    // One that was under way.
    dom0.interrupt(EDGE);
    assert!(dom0.take_pending(port));
    dom0.at(10 * MILLISECOND);
    assert_eq!(dom0.asked(), []);
    assert!(!dom0.take_pending(port));
    dom0.at(11 * MILLISECOND);
    assert_eq!(dom0.asked(), FREE);
    assert!(dom0.take_pending(port), "what came meanwhile is one event");
    // And so on.
    for _ in 0..3 {
        dom0.interrupt(EDGE);
    }
    assert_eq!(dom0.asked(), HELD);
    dom0.at(100 * MILLISECOND);
    assert_eq!(dom0.asked(), FREE);
}

#[test]
fn a_slow_one_is_never_held_back() {
    let mut dom0 = Dom0::with_limit(3);
    dom0.edge();
    for tenth in 0..100 {
        dom0.at(tenth * 5 * MILLISECOND);
        dom0.interrupt(EDGE);
        assert_eq!(dom0.asked(), []);
    }
}

#[test]
fn levels_and_any_number_have_no_limit() {
    let mut dom0 = Dom0::with_limit(3);
    dom0.map(LEVEL as i32, LEVEL as i32).unwrap();
    dom0.bind(LEVEL).unwrap();
    dom0.asked();
    for _ in 0..10 {
        dom0.interrupt(LEVEL);
        assert_eq!(dom0.asked(), []);
        dom0.eoi(LEVEL).unwrap();
        dom0.asked();
    }
    let mut dom0 = Dom0::with_limit(0);
    dom0.edge();
    (0..100).for_each(|_| dom0.interrupt(EDGE));
    assert_eq!(dom0.asked(), []);
}

#[test]
fn two_are_let_through_each_at_its_time() {
    let mut dom0 = Dom0::with_limit(2);
    let port = dom0.edge();
    dom0.map(3, 3).unwrap();
    let other = dom0.bind(3).unwrap();
    dom0.at(MILLISECOND);
    (0..2).for_each(|_| dom0.interrupt(EDGE));
    dom0.at(5 * MILLISECOND);
    (0..2).for_each(|_| dom0.interrupt(3));
    dom0.take_pending(port);
    dom0.take_pending(other);
    dom0.asked();
    dom0.at(12 * MILLISECOND);
    assert_eq!(dom0.asked(), FREE);
    assert!(dom0.take_pending(port) && !dom0.take_pending(other));
    dom0.at(16 * MILLISECOND);
    assert_eq!(dom0.asked(), [Happened::MaskLine(3, false)]);
    assert!(dom0.take_pending(other) && !dom0.take_pending(port));
}

#[test]
fn a_message_is_masked_or_switched_off() {
    for maskable in [true, false] {
        let mut dom0 = Dom0::with_limit(2);
        if !maskable {
            dom0.set_word(CONTROL, dom0.word(CONTROL) & !MASKABLE);
        }
        let (pirq, port) = dom0.message();
        let passes = |dom0: &Dom0| match maskable {
            true => dom0.word(MASK_BITS) == 0,
            false => dom0.word(CONTROL) & ON != 0,
        };
        dom0.at(MILLISECOND);
        dom0.interrupt(pirq);
        assert!(passes(&dom0));
        dom0.interrupt(pirq);
        assert!(!passes(&dom0));
        assert!(dom0.take_pending(port));
        dom0.at(11 * MILLISECOND);
        assert!(passes(&dom0));
        assert!(dom0.take_pending(port));
    }
}

#[test]
fn what_is_closed_or_unmapped_meanwhile_stays_so() {
    let mut dom0 = Dom0::with_limit(2);
    let port = dom0.edge();
    (0..2).for_each(|_| dom0.interrupt(EDGE));
    dom0.close(port);
    assert_eq!(dom0.asked().last(), HELD.last());
    dom0.at(20 * MILLISECOND);
    assert_eq!(dom0.asked(), []);
    // It begins anew with its next port.
    let port = dom0.bind(EDGE).unwrap();
    dom0.asked();
    dom0.interrupt(EDGE);
    assert_eq!(dom0.asked(), []);
    dom0.interrupt(EDGE);
    assert_eq!(dom0.asked(), HELD);
    dom0.unmap(EDGE as i32).unwrap();
    dom0.close(port);
    dom0.asked();
    dom0.at(40 * MILLISECOND);
    assert_eq!(dom0.asked(), []);
    assert!(!dom0.take_pending(port));
}
