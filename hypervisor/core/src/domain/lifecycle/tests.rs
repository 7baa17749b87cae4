//! Two CPUs that destroy a domain, one of which makes the next of its number, with one change at any
//! place.

use std::boxed::Box;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::vec;

use super::*;
use crate::testkit::turns::{self, Part, play_all};
use crate::testkit::{self, FakeMachine};

type Hv = &'static Hypervisor<FakeMachine>;

const ID: u16 = 1;
const VCPUS: u32 = 1;

fn params() -> CreateParams {
    CreateParams {
        id: Some(ID),
        handle: [1; 16],
        flags: 0,
        max_vcpus: VCPUS,
        privileged: false,
        max_evtchn_port: -1,
        max_grant_frames: 1,
        max_maptrack_frames: 1,
    }
}

/// Destroys the domain that is in a slot.
fn destroy_by_turns(hv: Hv, dom: &Domain) {
    while destroy(hv, dom, &mut Budget::new(u32::MAX)) != Ok(Progress::Done) {
        turns::wait();
    }
}

/// Makes the next domain of that number; whether all of it was made before it was destroyed.
fn create_next(hv: Hv) -> bool {
    let dom = create(hv, params()).expect("the number is free");
    let made = create_vcpus(hv, dom, &mut Budget::new(Budget::FULL));
    if made == Err(Errno::ESRCH) {
        return false;
    }
    assert_eq!(made, Ok(Progress::Done));
    dom.max_pages.store(4, Ordering::SeqCst);
    // Refused to one that is being destroyed.
    let _ = hv.alloc_domain_page(dom);
    let _ = crate::sched::unpause_domain(hv, dom);
    true
}

#[test]
fn who_destroys_a_domain_twice_does_no_harm_to_the_next_of_its_number() {
    let hv = testkit::hypervisor(24, 3);
    let free = hv.frames.free_frames();
    let survivors = Cell::new(0);
    let scene = || {
        let dom = testkit::domain(hv, ID, VCPUS as u16, 4);
        hv.alloc_domain_page(dom).unwrap();
        let whole = Arc::<AtomicBool>::default();
        let made = whole.clone();
        let first: Part = Box::new(move || {
            destroy_by_turns(hv, dom);
            made.store(create_next(hv), Ordering::SeqCst);
        });
        let second: Part = Box::new(move || destroy_by_turns(hv, dom));
        ((dom, whole), vec![first, second])
    };
    let orders = play_all(1, scene, |(dom, whole)| {
        if dom.phase() == Phase::Alive {
            assert!(whole.load(Ordering::SeqCst), "half of it was made");
            assert!(!dom.ending.load(Ordering::SeqCst));
            assert!(dom.lock().shared_info.is_some());
            assert_eq!(dom.lock().vcpus.len(), VCPUS as usize);
            assert_eq!(dom.tot_pages.load(Ordering::SeqCst), 1);
            survivors.set(survivors.get() + 1);
            destroy_whole(hv, dom).unwrap();
        }
        assert_eq!(dom.phase(), Phase::Free);
        assert_eq!(hv.frames.free_frames(), free, "frames are lost");
    });
    let survivors = survivors.get();
    assert!(
        0 < survivors && survivors < orders,
        "{survivors} of {orders}"
    );
}
