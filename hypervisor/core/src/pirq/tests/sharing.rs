//! Lines that several domains hear.

use super::storms::MILLISECOND;
use super::*;
use proptest::prelude::*;

const SHARE: u32 = BIND_PIRQ__WILL_SHARE;
/// The PIRQ by which each of the others knows the line.
const THEIRS: u32 = 16;
const OPEN: Happened = Happened::MaskLine(LEVEL, false);
const SHUT: Happened = Happened::MaskLine(LEVEL, true);

/// dom0 and two others, which share a line in this order: the first of the others, dom0, the second.
struct Sharers {
    dom0: Dom0,
    others: [DomU; 2],
    ports: [Port; 3],
}

impl Sharers {
    fn of(line: u32) -> Self {
        let mut dom0 = Dom0::new();
        let hv = dom0.hv;
        let mut others = [1, 2].map(|id| DomU::new(hv, id));
        hv.machine.load_root(dom0.root);
        dom0.map(line as i32, line as i32).unwrap();
        for id in [1, 2] {
            dom0.map_for(id, line, THEIRS as i32).unwrap();
        }
        let first = others[0].bind_as(hv, THEIRS, SHARE).unwrap();
        let mine = dom0.bind_as(line, SHARE).unwrap();
        let second = others[1].bind_as(hv, THEIRS, SHARE).unwrap();
        dom0.asked();
        Self {
            dom0,
            others,
            ports: [first, mine, second],
        }
    }

    /// The vector of the other domain `n`'s PIRQ.
    fn vector(&self, n: usize) -> u8 {
        let state = self.others[n].dom.lock();
        state.pirqs.get(THEIRS).unwrap().vector
    }

    /// Who heard of an interrupt by the vector of the other domain `n`.
    fn interrupt(&self, n: usize) -> [bool; 3] {
        interrupt(self.dom0.hv, self.vector(n));
        let take = |dom: &Domain, port| {
            let state = dom.lock();
            let was = pending::is_set(self.dom0.hv, &state, port);
            if let Some(page) = state.shared_info {
                self.dom0.hv.machine.store_u64(page, 0x800, 0);
            }
            was
        };
        [
            take(self.others[0].dom, self.ports[0]),
            take(self.dom0.dom, self.ports[1]),
            take(self.others[1].dom, self.ports[2]),
        ]
    }

    /// The other domain `n` ends it; what became of the line.
    fn end(&mut self, n: usize) -> Vec<Happened> {
        end(self.dom0.hv, self.others[n].dom, THEIRS).unwrap();
        self.dom0.asked()
    }

    fn end_mine(&mut self) -> Vec<Happened> {
        self.dom0.eoi(LEVEL).unwrap();
        self.dom0.asked()
    }

    fn close(&mut self, n: usize) -> Vec<Happened> {
        let hv = self.dom0.hv;
        let dom = self.others[n].dom;
        unbind(hv, dom, &mut dom.lock(), THEIRS);
        self.dom0.asked()
    }
}

#[test]
fn a_line_is_shared_by_those_who_all_say_so() {
    let mut dom0 = Dom0::new();
    let hv = dom0.hv;
    let mut other = DomU::new(hv, 1);
    hv.machine.load_root(dom0.root);
    dom0.map(LEVEL as i32, LEVEL as i32).unwrap();
    dom0.map_for(1, LEVEL, THEIRS as i32).unwrap();
    for (first, second, may) in [
        (0, 0, false),
        (0, SHARE, false),
        (SHARE, 0, false),
        (SHARE, SHARE, true),
        (SHARE, 2, false),
        (SHARE | 2, SHARE, true),
    ] {
        let port = dom0.bind_as(LEVEL, first).unwrap();
        let bound = other.bind_as(hv, THEIRS, second);
        assert_eq!(bound.is_ok(), may, "{first} {second}");
        if may {
            unbind(hv, other.dom, &mut other.dom.lock(), THEIRS);
        } else {
            assert_eq!(bound, refused(Errno::EBUSY));
        }
        dom0.close(port);
    }
}

#[test]
fn all_hear_of_it_and_the_last_to_end_it_unmasks() {
    let mut s = Sharers::of(LEVEL);
    for _ in 0..3 {
        assert_eq!(s.interrupt(0), [true; 3]);
        assert_eq!(s.dom0.asked(), []);
        assert_eq!(s.end(1), []);
        // Nobody ends it for another by ending it twice.
        assert_eq!(s.end(1), []);
        assert_eq!(s.end_mine(), []);
        assert_eq!(s.end(0), [OPEN]);
        assert_eq!(s.end(0), []);
    }
}

#[test]
fn an_edge_is_an_event_for_each_and_needs_no_end() {
    let s = Sharers::of(EDGE);
    assert_eq!(s.interrupt(0), [true; 3]);
    assert_eq!(s.interrupt(0), [true; 3]);
    assert_eq!(s.dom0.asked(), []);
}

#[test]
fn who_does_not_end_it_is_not_waited_for() {
    let mut s = Sharers::of(LEVEL);
    s.dom0.at(MILLISECOND);
    assert_eq!(s.interrupt(0), [true; 3]);
    s.dom0.asked();
    assert_eq!(s.end(0), []);
    s.dom0.at(2 * MILLISECOND - 1);
    assert_eq!(s.dom0.asked(), []);
    s.dom0.at(2 * MILLISECOND);
    assert_eq!(s.dom0.asked(), [OPEN]);
    // It is too late now, and once more as before.
    assert_eq!(s.end_mine(), []);
    for time in 3..6 {
        assert_eq!(s.interrupt(0), [true; 3]);
        s.dom0.asked();
        s.dom0.at(time * MILLISECOND);
        assert_eq!(s.dom0.asked(), [OPEN]);
    }
    // Alone, nobody waits for it, nor does it for itself.
    s.close(1);
    s.dom0.close(s.ports[1]);
    s.dom0.asked();
    assert_eq!(s.interrupt(0), [true, false, false]);
    s.dom0.at(90 * MILLISECOND);
    assert_eq!(s.dom0.asked(), []);
    assert_eq!(s.end(0), [OPEN]);
}

#[test]
fn who_never_ended_it_alone_does_not_keep_it_from_who_comes() {
    let mut s = Sharers::of(LEVEL);
    s.close(0);
    s.close(1);
    s.dom0.interrupt(LEVEL);
    s.dom0.asked();
    let port = s.others[1].bind_as(s.dom0.hv, THEIRS, SHARE);
    assert_eq!(s.dom0.asked(), [OPEN]);
    s.dom0.interrupt(LEVEL);
    assert!(s.others[1].hears(s.dom0.hv, port.unwrap()));
}

#[test]
fn who_goes_takes_what_it_owes_along() {
    // One that is not the first.
    let mut s = Sharers::of(LEVEL);
    s.interrupt(0);
    s.dom0.asked();
    assert_eq!(s.end(0), []);
    assert_eq!(s.end_mine(), []);
    assert_eq!(s.close(1), [OPEN]);
    assert_eq!(s.interrupt(0), [true, true, false]);
    // The first: the line takes the next one's vector, and stays masked for it.
    let mut s = Sharers::of(LEVEL);
    s.interrupt(0);
    s.dom0.asked();
    let asked = s.close(0);
    assert!(
        matches!(asked[..], [Happened::RouteLine(LEVEL, route), SHUT]
            if route.vector == s.dom0.vector(LEVEL)),
        "{asked:?}"
    );
    assert_eq!(s.end(1), []);
    assert_eq!(s.end_mine(), [OPEN]);
    // The old vector is nobody's; what was masked as it came by that comes once more.
    assert_eq!(s.interrupt(0), [false; 3]);
    assert_eq!(s.dom0.asked(), [OPEN]);
    s.dom0.interrupt(LEVEL);
    assert!(s.dom0.take_pending(s.ports[1]));
    assert!(s.others[1].hears(s.dom0.hv, s.ports[2]));
    // The last.
    s.dom0.close(s.ports[1]);
    s.dom0.asked();
    assert_eq!(s.close(1), [SHUT]);
}

#[test]
fn a_sharer_that_dies_leaves_the_line_to_the_others() {
    let mut s = Sharers::of(LEVEL);
    s.interrupt(0);
    s.dom0.asked();
    assert_eq!(s.end_mine(), []);
    for n in [0, 1] {
        lifecycle::destroy_whole(s.dom0.hv, s.others[n].dom).unwrap();
    }
    assert_eq!(s.dom0.asked().last(), Some(&OPEN));
    s.dom0.hv.machine.load_root(s.dom0.root);
    s.dom0.interrupt(LEVEL);
    assert!(s.dom0.take_pending(s.ports[1]));
    assert_eq!(s.end_mine(), [OPEN]);
}

/// What one of three domains does to a line, or the time.
#[derive(Clone, Copy, Debug)]
enum Act {
    Bind(usize),
    Close(usize),
    End(usize),
    /// The device raises the line, if it is not masked.
    Raise,
    /// Whoever owes an end is late.
    Wait,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..3_usize).prop_map(Act::Bind),
        (0..3_usize).prop_map(Act::Close),
        (0..3_usize).prop_map(Act::End),
        (0..3_usize).prop_map(Act::End),
        Just(Act::Raise),
        Just(Act::Raise),
        Just(Act::Wait),
    ]
}

/// The same three, by what is said of a shared line.
#[derive(Default)]
struct Model {
    /// Who has it bound, the first to bind it first.
    bound: Vec<usize>,
    /// Who owes an end, alone or not when it came.
    owing: [bool; 3],
    /// Whom nobody waits for: it was alone when it came.
    alone: bool,
}

impl Model {
    fn masked(&self) -> bool {
        self.bound.is_empty() || self.owing.contains(&true)
    }
}

proptest! {
    /// A line is masked exactly as long as one who has it bound owes an end, or nobody has it.
    #[test]
    fn a_line_is_masked_while_one_is_owed(acts in prop::collection::vec(act(), 1..80)) {
        let Sharers { mut dom0, mut others, .. } = Sharers::of(LEVEL);
        let (hv, mut model) = (dom0.hv, Model::default());
        let doms = [dom0.dom, others[0].dom, others[1].dom];
        let pirqs = [LEVEL, THEIRS, THEIRS];
        // As the fixture has it: the first of the others, dom0, the second.
        model.bound = vec![1, 0, 2];
        let (mut masked, mut now) = (false, 0);
        for act in acts {
            match act {
                Act::Bind(n) if model.bound.contains(&n) => {}
                Act::Bind(n) => {
                    let bound = match n {
                        0 => dom0.bind_as(LEVEL, SHARE),
                        _ => others[n - 1].bind_as(hv, THEIRS, SHARE),
                    };
                    prop_assert!(bound.is_ok());
                    if !model.bound.is_empty() {
                        model.owing = [false; 3];
                    }
                    model.bound.push(n);
                }
                Act::Close(n) => {
                    unbind(hv, doms[n], &mut doms[n].lock(), pirqs[n]);
                    model.bound.retain(|&of| of != n);
                    model.owing[n] = false;
                }
                Act::End(n) => {
                    end(hv, doms[n], pirqs[n]).unwrap();
                    model.owing[n] = false;
                }
                Act::Raise if masked => {}
                Act::Raise => {
                    let first = model.bound[0];
                    masked = true;
                    let vector = doms[first].lock().pirqs.get(pirqs[first]).unwrap().vector;
                    interrupt(hv, vector);
                    model.bound.iter().for_each(|&n| model.owing[n] = true);
                    model.alone = model.bound.len() == 1;
                }
                Act::Wait => {
                    now += 2 * MILLISECOND;
                    dom0.at(now);
                    if !model.alone {
                        model.owing = [false; 3];
                    }
                }
            }
            for what in dom0.asked() {
                match what {
                    Happened::RouteLine(..) => masked = true,
                    Happened::MaskLine(_, now) => masked = now,
                    _ => {}
                }
            }
            prop_assert_eq!(masked, model.masked(), "{:?}", act);
        }
    }
}
