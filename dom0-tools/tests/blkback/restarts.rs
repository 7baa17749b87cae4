//! A service that ends at any moment, and the one that comes after it: its front ends notice nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use dom0_tools::block::Blkback;
use dom0_tools::hyper::Mapping;
use dom0_tools::store::Store;
use dom0_tools::xenbus::Bus;
use hypercall_abi::io::blkif::*;
use hypercall_abi::io::xenbus::*;
use zerocopy::{FromBytes, IntoBytes};

use crate::fake::store::LEFT;
use crate::lab::*;

/// Where a backend notes the answer that it is about to give.
const NOTED: usize = 20;

impl Lab {
    /// The service ends, and another is started; what the one before had is given back.
    fn start_again(&mut self) {
        let driver = Blkback::new(self.machine.clone());
        self.bus = Bus::new(self.store.client(), driver).unwrap();
        self.turn();
    }

    /// A disk with a front end that uses it.
    fn used(&mut self) -> Front {
        self.plug(1, "w");
        let front = self.connect(1);
        self.says(1, XenbusStateConnected);
        front
    }
}

/// The requests of a front end: what it writes, the disk is made of. All of them are on their way at once.
fn story() -> Vec<blkif_request> {
    let mut all = Vec::new();
    for turn in 0..2 {
        for sector in [3, 9, 3].map(|sector| sector + 20 * u64::from(turn)) {
            all.push(request(BLKIF_OP_WRITE, sector, &[segment(20, turn, turn)]));
            all.push(request(BLKIF_OP_READ, sector, &[segment(21, turn, turn)]));
        }
        all.push(request(BLKIF_OP_FLUSH_DISKCACHE, 0, &[]));
        all.push(request(BLKIF_OP_WRITE_BARRIER, 0, &[]));
    }
    for (id, request) in (0..).zip(&mut all) {
        // Such as look like the beginning of an answer, or of a request.
        request.id = id << 8 | 1;
    }
    all
}

/// What a front end finds in its ring.
fn answers(front: &Front) -> Vec<(u64, u8, i16)> {
    let answer = |index: u32| {
        let mut bytes = [0; size_of::<blkif_response>()];
        (front.ring).read(64 + index as usize % 32 * 112, &mut bytes);
        let response = blkif_response::read_from_bytes(&bytes).unwrap();
        (response.id, response.operation, response.status)
    };
    (0..front.ring.load_u32(8)).map(answer).collect()
}

/// Has the story served by services of which each ends after so many of its steps, but for the last;
/// whether all of them ended. What the front end was told is right at each of these moments.
fn tell(ends: &[usize]) -> bool {
    let mut lab = Lab::new();
    let mut front1 = lab.used();
    let mut data = lab.machine.grant(1, 20, true);
    data.write(0, &[0x55; 1024]);
    lab.machine.grant(1, 21, true);
    let story = story();
    for request in &story {
        front1.send(request.as_bytes());
    }
    let expected: Vec<_> = (story.iter())
        .map(|request| match request.operation {
            BLKIF_OP_WRITE_BARRIER => (request.id, request.operation, BLKIF_RSP_EOPNOTSUPP),
            operation => (request.id, operation, BLKIF_RSP_OKAY),
        })
        .collect();
    let mut told = 0;
    for &steps in ends {
        LEFT.set(Some(steps));
        let run = catch_unwind(AssertUnwindSafe(|| while lab.bus.serve(4).unwrap() {}));
        LEFT.set(None);
        if run.is_ok() {
            return false;
        }
        let shown = answers(&front1);
        assert_eq!(shown[..], expected[..shown.len()]);
        told = lab.machine.notified(1, PORT);
        lab.start_again();
        assert_eq!((lab.state(&back(1)), lab.mapped()), (4, 1));
    }
    lab.serve();
    assert_eq!(answers(&front1), expected, "each is answered once");
    assert!(
        lab.machine.notified(1, PORT) > told,
        "it is told of answers"
    );
    // What was answered is not done again, nor left undone.
    let books = lab.machine.0.borrow();
    let wanted: Vec<u64> = (story.iter())
        .filter(|request| request.operation == BLKIF_OP_WRITE)
        .map(|request| request.sector_number)
        .collect();
    let mut done = books.writes.clone();
    assert!((wanted.len()..=wanted.len() + ends.len()).contains(&done.len()));
    done.dedup();
    assert_eq!(done, wanted);
    let disk = books.disks["disk"].borrow();
    for sector in wanted {
        assert_eq!(disk[sector as usize * 512..][..512], [0x55; 512]);
    }
    true
}

#[test]
fn one_that_ends_at_any_moment_leaves_each_request_to_be_answered_once() {
    let ended = (0..).take_while(|steps| tell(&[*steps])).count();
    assert!(ended > 100, "{ended} moments");
}

#[test]
fn one_that_ends_soon_after_another_loses_nothing_either() {
    for steps in 0..32 {
        for again in 0..9 {
            assert!(tell(&[steps, again, again / 2]));
        }
    }
}

#[test]
fn what_an_earlier_front_end_has_left_in_a_ring_is_no_answer() {
    let mut lab = Lab::new();
    lab.plug(1, "w");
    let mut ring = lab.machine.grant(1, RING, true);
    ring.store_u32(NOTED, 1);
    let mut front1 = Front { ring, produced: 0 };
    lab.offer(1);
    lab.says(1, XenbusStateConnected);
    assert_eq!(lab.state(&back(1)), 4);
    front1.send(request(BLKIF_OP_FLUSH_DISKCACHE, 0, &[]).as_bytes());
    lab.start_again();
    assert_eq!(lab.state(&back(1)), 4);
    assert_eq!(front1.ring.load_u32(8), 0);
    lab.serve();
    let id = request(0, 0, &[]).id;
    let done = (id, BLKIF_OP_FLUSH_DISKCACHE, BLKIF_RSP_OKAY);
    assert_eq!(answers(&front1), [done]);
    assert_eq!(lab.machine.0.borrow().flushes, 1);
}

/// What is said of a connection, and what is wrong with it.
type Wrong = (&'static str, fn(&mut Lab, &mut Front));

#[test]
fn where_a_connection_cannot_be_gone_on_with_it_is_made_anew() {
    let wrong: [Wrong; 6] = [
        ("`ring-ref`: ", |lab, _| {
            lab.write(&front(1), "ring-ref", "4000");
        }),
        ("its port: ", |lab, _| {
            lab.write(&front(1), "event-channel", "4000");
        }),
        ("it speaks", |lab, _| {
            lab.write(&front(1), "protocol", "x86_32-abi");
        }),
        // An answer to nothing.
        ("the index of its ring", |_, front| {
            front.ring.store_u32(NOTED, front.ring.load_u32(8) + 1);
        }),
        // One to more than there is room for.
        ("the index of its ring", |_, front| {
            front.ring.store_u32(NOTED, front.ring.load_u32(8) + 1);
            front.ring.store_u32(0, 77);
        }),
        ("another size", |lab, _| {
            let disk = lab.machine.0.borrow().disks["disk"].clone();
            disk.borrow_mut().truncate(512);
        }),
    ];
    for (what, happens) in wrong {
        let mut lab = Lab::new();
        let mut front1 = lab.used();
        let flush = request(BLKIF_OP_FLUSH_DISKCACHE, 0, &[]);
        assert_eq!(front1.ask(&mut lab, flush.as_bytes()), BLKIF_RSP_OKAY);
        happens(&mut lab, &mut front1);
        lab.start_again();
        assert_eq!((lab.state(&back(1)), lab.mapped()), (2, 0), "{what}");
        let said = lab.machine.0.borrow().log.last().cloned();
        assert!(said.is_some_and(|said| said.contains("begins anew: ") && said.contains(what)));
        // It is not connected by what it said to the one before.
        lab.says(1, XenbusStateConnected);
        assert_eq!((lab.state(&back(1)), lab.mapped()), (2, 0), "{what}");
        lab.says(1, XenbusStateInitialising);
        let mut front1 = lab.connect(1);
        assert_eq!(front1.ask(&mut lab, flush.as_bytes()), BLKIF_RSP_OKAY);
    }
}

#[test]
fn a_ring_that_cannot_be_is_closed_by_the_next_one() {
    let mut lab = Lab::new();
    let mut front1 = lab.used();
    front1.ring.store_u32(0, 77);
    lab.start_again();
    lab.serve();
    assert_eq!((lab.state(&back(1)), lab.mapped()), (6, 0));
    let said = lab.control.read_text(&format!("{}/error", back(1)));
    assert!(said.unwrap().contains("index"));
}
