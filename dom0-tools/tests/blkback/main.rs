//! blkback between the store and front ends: states of both sides, requests, and front ends that lie.

mod discards;
#[path = "../fake/mod.rs"]
mod fake;
mod lab;
mod restarts;

use dom0_tools::block::INDIRECT_MAX;
use dom0_tools::hyper::Mapping;
use dom0_tools::store::Store;
use hypercall_abi::io::blkif::*;
use hypercall_abi::io::xenbus::*;
use proptest::prelude::*;
use zerocopy::{FromZeros, IntoBytes};

use lab::*;

#[test]
fn a_device_is_connected_served_and_unplugged() {
    let mut lab = Lab::new();
    lab.plug(1, "w");
    assert_eq!(lab.state(&back(1)), 2);
    let mut front1 = lab.connect(1);
    assert_eq!(lab.state(&back(1)), 4);
    let sectors = lab.control.read_number(&format!("{}/sectors", back(1)));
    assert_eq!(sectors, Ok(Some(SECTORS as u64)));
    let page = lab.machine.grant(1, 20, true);
    let read = request(BLKIF_OP_READ, 3, &[segment(20, 1, 2)]);
    assert_eq!(front1.ask(&mut lab, read.as_bytes()), BLKIF_RSP_OKAY);
    assert_eq!(page.0.borrow()[512..1536], content()[3 * 512..5 * 512]);
    assert!(page.0.borrow()[1536..].iter().all(|byte| *byte == 0));
    assert_eq!(lab.machine.notified(1, PORT), 1);
    page.0.borrow_mut().fill(9);
    let write = request(BLKIF_OP_WRITE, 60, &[segment(20, 0, 1), segment(20, 7, 7)]);
    assert_eq!(front1.ask(&mut lab, write.as_bytes()), BLKIF_RSP_OKAY);
    let disk = lab.machine.0.borrow().disks["disk"].clone();
    assert_eq!(disk.borrow()[60 * 512..63 * 512], [9; 3 * 512]);
    assert_eq!(disk.borrow()[63 * 512..], content()[63 * 512..]);
    let flush = request(BLKIF_OP_FLUSH_DISKCACHE, 0, &[]);
    assert_eq!(front1.ask(&mut lab, flush.as_bytes()), BLKIF_RSP_OKAY);
    assert_eq!(lab.machine.0.borrow().flushes, 1);
    // Unplugged: it waits for the front end, and then is closed.
    lab.control
        .write_text(&format!("{}/online", back(1)), 0)
        .unwrap();
    lab.control
        .write_text(&format!("{}/state", back(1)), 5)
        .unwrap();
    lab.turn();
    assert_eq!(front1.ask(&mut lab, flush.as_bytes()), BLKIF_RSP_OKAY);
    lab.says(1, XenbusStateClosing);
    lab.says(1, XenbusStateClosed);
    assert_eq!((lab.state(&back(1)), lab.mapped()), (6, 0));
    assert!(!lab.machine.0.borrow().ports[&(1, PORT)].1);
    lab.control.remove(&back(1)).unwrap();
    lab.turn();
    // Its number can be used again.
    lab.control
        .write_text(&format!("{}/state", front(1)), 1)
        .unwrap();
    lab.plug(1, "r");
    assert_eq!(lab.state(&back(1)), 2);
}

#[test]
fn indirect_requests_have_their_segments_in_a_page() {
    let mut lab = Lab::new();
    lab.plug(1, "w");
    let mut front1 = lab.connect(1);
    let (mut list, page) = (
        lab.machine.grant(1, 30, true),
        lab.machine.grant(1, 20, true),
    );
    for i in 0..INDIRECT_MAX {
        list.write(8 * i, segment(20, i as u8 % 8, i as u8 % 8).as_bytes());
    }
    let mut indirect = blkif_request_indirect::new_zeroed();
    (indirect.operation, indirect.indirect_op) = (BLKIF_OP_INDIRECT, BLKIF_OP_READ);
    (indirect.nr_segments, indirect.sector_number) = (INDIRECT_MAX as u16, 32);
    indirect.indirect_grefs[0] = 30;
    assert_eq!(front1.ask(&mut lab, indirect.as_bytes()), BLKIF_RSP_OKAY);
    // The last eight are what stays.
    assert_eq!(page.0.borrow()[..], content()[56 * 512..]);
    let refused =
        |lab: &mut Lab, front: &mut Front, change: &dyn Fn(&mut blkif_request_indirect)| {
            let mut other = indirect;
            change(&mut other);
            assert_eq!(front.ask(lab, other.as_bytes()), BLKIF_RSP_ERROR);
        };
    refused(&mut lab, &mut front1, &|r| r.sector_number = 33);
    refused(&mut lab, &mut front1, &|r| r.nr_segments = 0);
    refused(&mut lab, &mut front1, &|r| {
        r.nr_segments = INDIRECT_MAX as u16 + 1
    });
    refused(&mut lab, &mut front1, &|r| r.nr_segments = u16::MAX);
    refused(&mut lab, &mut front1, &|r| {
        r.indirect_op = BLKIF_OP_INDIRECT
    });
    refused(&mut lab, &mut front1, &|r| {
        r.indirect_op = BLKIF_OP_FLUSH_DISKCACHE
    });
    refused(&mut lab, &mut front1, &|r| r.indirect_grefs[0] = 31);
    list.write(0, segment(20, 0, 8).as_bytes());
    refused(&mut lab, &mut front1, &|_| {});
    assert_eq!(lab.state(&back(1)), 4);
}

#[test]
fn requests_that_cannot_be_are_refused_and_change_nothing() {
    let mut lab = Lab::new();
    lab.plug(1, "w");
    lab.plug(2, "r");
    let (mut front1, mut front2) = (lab.connect(1), lab.connect(2));
    lab.machine.grant(1, 20, true);
    lab.machine.grant(1, 21, false);
    lab.machine.grant(2, 20, true);
    let good = segment(20, 0, 0);
    let mut many = request(BLKIF_OP_WRITE, 0, &[good; 11]);
    many.nr_segments = 12;
    for (refused, with) in [
        (
            request(BLKIF_OP_WRITE, SECTORS as u64, &[good]),
            BLKIF_RSP_ERROR,
        ),
        (
            request(BLKIF_OP_WRITE, SECTORS as u64 - 1, &[good; 2]),
            BLKIF_RSP_ERROR,
        ),
        (request(BLKIF_OP_WRITE, u64::MAX, &[good]), BLKIF_RSP_ERROR),
        (
            request(BLKIF_OP_READ, u64::MAX - 1, &[good; 2]),
            BLKIF_RSP_ERROR,
        ),
        (request(BLKIF_OP_WRITE, 0, &[]), BLKIF_RSP_ERROR),
        (many, BLKIF_RSP_ERROR),
        (
            request(BLKIF_OP_WRITE, 0, &[segment(20, 2, 1)]),
            BLKIF_RSP_ERROR,
        ),
        (
            request(BLKIF_OP_WRITE, 0, &[segment(20, 0, 8)]),
            BLKIF_RSP_ERROR,
        ),
        (
            request(BLKIF_OP_WRITE, 0, &[segment(20, 255, 255)]),
            BLKIF_RSP_ERROR,
        ),
        (
            request(BLKIF_OP_WRITE, 0, &[good, segment(99, 0, 0)]),
            BLKIF_RSP_ERROR,
        ),
        (
            request(BLKIF_OP_READ, 0, &[segment(21, 0, 0)]),
            BLKIF_RSP_ERROR,
        ),
        (
            request(BLKIF_OP_FLUSH_DISKCACHE, 0, &[good]),
            BLKIF_RSP_ERROR,
        ),
        (
            request(BLKIF_OP_WRITE_BARRIER, 0, &[good]),
            BLKIF_RSP_EOPNOTSUPP,
        ),
        (request(BLKIF_OP_DISCARD, 0, &[]), BLKIF_RSP_EOPNOTSUPP),
        (request(BLKIF_OP_RESERVED_1, 0, &[]), BLKIF_RSP_EOPNOTSUPP),
        (request(255, 0, &[]), BLKIF_RSP_EOPNOTSUPP),
    ] {
        assert_eq!(
            front1.ask(&mut lab, refused.as_bytes()),
            with,
            "{refused:?}"
        );
    }
    let write = request(BLKIF_OP_WRITE, 0, &[good]);
    assert_eq!(
        front2.ask(&mut lab, write.as_bytes()),
        BLKIF_RSP_ERROR,
        "it is to be read"
    );
    // Nor is it written by what has its segments in a page.
    lab.machine
        .grant(2, 30, true)
        .write(0, segment(20, 0, 0).as_bytes());
    let mut indirect = blkif_request_indirect::new_zeroed();
    (indirect.operation, indirect.indirect_op) = (BLKIF_OP_INDIRECT, BLKIF_OP_WRITE);
    (indirect.nr_segments, indirect.indirect_grefs[0]) = (1, 30);
    assert_eq!(front2.ask(&mut lab, indirect.as_bytes()), BLKIF_RSP_ERROR);
    let disk = lab.machine.0.borrow().disks["disk"].clone();
    assert_eq!(*disk.borrow(), content());
    lab.machine.0.borrow_mut().broken_disk = true;
    for operation in [BLKIF_OP_READ, BLKIF_OP_WRITE] {
        let on_broken = request(operation, 0, &[good]);
        assert_eq!(front1.ask(&mut lab, on_broken.as_bytes()), BLKIF_RSP_ERROR);
    }
    assert_eq!([lab.state(&back(1)), lab.state(&back(2))], [4, 4]);
}

#[test]
fn a_ring_that_cannot_be_ends_one_connection() {
    let mut lab = Lab::new();
    lab.plug(1, "w");
    lab.plug(2, "w");
    let (mut front1, mut front2) = (lab.connect(1), lab.connect(2));
    let flush = request(BLKIF_OP_FLUSH_DISKCACHE, 0, &[]);
    front1.ring.store_u32(0, 33);
    front2.send(flush.as_bytes());
    lab.serve();
    assert_eq!([lab.state(&back(1)), lab.state(&back(2))], [6, 4]);
    assert_eq!(front2.ring.load_u32(8), 1);
    let said = lab.control.read_text(&format!("{}/error", back(1)));
    assert!(said.unwrap().contains("index"));
    assert_eq!(lab.mapped(), 1);
    // It may begin anew.
    lab.says(1, XenbusStateInitialising);
    assert_eq!(lab.state(&back(1)), 2);
    let mut front1 = lab.connect(1);
    assert_eq!(front1.ask(&mut lab, flush.as_bytes()), BLKIF_RSP_OKAY);
}

#[test]
fn nobody_keeps_others_waiting() {
    let mut lab = Lab::new();
    lab.plug(1, "w");
    lab.plug(2, "w");
    let (mut front1, mut front2) = (lab.connect(1), lab.connect(2));
    let flush = request(BLKIF_OP_FLUSH_DISKCACHE, 0, &[]);
    for _ in 0..32 {
        front1.send(flush.as_bytes());
    }
    front2.send(flush.as_bytes());
    let (driver, devices) = lab.bus.connected();
    let more: Vec<_> = devices
        .map(|(_, device)| driver.serve(device, 4).unwrap())
        .collect();
    assert_eq!(more, [true, false]);
    assert_eq!([front1.ring.load_u32(8), front2.ring.load_u32(8)], [4, 1]);
}

#[test]
fn front_ends_that_vanish_or_say_nonsense_are_closed() {
    let mut lab = Lab::new();
    lab.plug(1, "w");
    lab.connect(1);
    // Its nodes go, as with a domain that is destroyed; then the backend's.
    lab.control.remove(&front(1)).unwrap();
    lab.turn();
    assert_eq!((lab.state(&back(1)), lab.mapped()), (6, 0));
    lab.control.remove("/local/domain/0/backend/vbd/1").unwrap();
    lab.turn();
    assert_eq!(lab.bus.connected().1.count(), 0);
    for (name, value) in [
        ("ring-ref", "twenty"),
        ("ring-ref", "4294967296"),
        ("ring-ref", "77"),
        ("event-channel", "-1"),
        ("event-channel", "6"),
        ("protocol", "x86_32-abi"),
        ("state", "4294967299"),
        ("state", "nine"),
    ] {
        lab.control
            .write_text(&format!("{}/state", front(2)), 1)
            .unwrap();
        lab.plug(2, "w");
        let ring = lab.machine.grant(2, RING, true);
        assert_eq!(lab.state(&back(2)), 2, "{name} {value}");
        let ports = |lab: &Lab| {
            lab.machine
                .0
                .borrow_mut()
                .ports
                .insert((2, PORT), (0, false))
        };
        ports(&lab);
        for (usual, number) in [("ring-ref", RING), ("event-channel", PORT)] {
            let path = format!("{}/{usual}", front(2));
            lab.control.write_text(&path, number).unwrap();
        }
        lab.control
            .write(&format!("{}/protocol", front(2)), b"x86_64-abi")
            .unwrap();
        lab.control
            .write_text(&format!("{}/{name}", front(2)), value)
            .unwrap();
        lab.turn();
        if name != "state" {
            lab.says(2, XenbusStateInitialised);
            assert_eq!(
                (lab.state(&back(2)), lab.mapped()),
                (6, 0),
                "{name} {value}"
            );
        } else {
            assert_ne!(lab.state(&back(2)), 4, "{name} {value}");
        }
        drop(ring);
        lab.control.remove(&back(2)).unwrap();
        lab.turn();
    }
}

#[test]
fn what_the_toolstack_gets_wrong_is_said() {
    let mut lab = Lab::new();
    lab.machine.0.borrow_mut().disks.clear();
    lab.plug(1, "w");
    assert_eq!(lab.state(&back(1)), 6);
    let said = lab.control.read_text(&format!("{}/error", back(1)));
    assert_eq!(said.unwrap(), "there is no disk");
    assert!(lab.machine.0.borrow().log[0].contains("there is no disk"));
    // A front end of another domain than its place says.
    lab.control
        .write_text(&format!("{}/frontend-id", back(2)), 1)
        .unwrap();
    lab.control
        .write_text(&format!("{}/frontend", back(2)), front(1))
        .unwrap();
    lab.turn();
    let said = lab.machine.0.borrow().log.last().cloned();
    assert!(said.is_some_and(|said| said.ends_with("its front end is another's")));
    assert_eq!(lab.bus.connected().1.count(), 0);
}

proptest! {
    /// Whatever bytes are in a ring: a backend that serves them stays inside of the disk.
    #[test]
    fn any_bytes_are_answered(entries in prop::collection::vec(any::<[u8; 32]>(), 1..64)) {
        let mut lab = Lab::new();
        lab.plug(1, "w");
        let mut front1 = lab.connect(1);
        let mut grants = (0..8).map(|gref| lab.machine.grant(1, gref + 16, gref % 3 != 0));
        for (page, entry) in grants.by_ref().zip(&entries) {
            page.0.borrow_mut()[..32].copy_from_slice(entry);
        }
        drop(grants);
        for bytes in entries {
            let mut entry = [0; 112];
            for (i, byte) in entry.iter_mut().enumerate() {
                *byte = bytes[i % 32];
            }
            // Mostly what nearly makes sense.
            entry[0] %= 8;
            entry[1] %= 13;
            entry[17..24].fill(0);
            for at in (24..112).step_by(8) {
                entry[at] = 16 + entry[at] % 9;
                entry[at + 1..at + 4].fill(0);
                entry[at + 4] %= 9;
                entry[at + 5] %= 9;
            }
            let status = front1.ask(&mut lab, &entry);
            prop_assert!((BLKIF_RSP_EOPNOTSUPP..=BLKIF_RSP_OKAY).contains(&status));
        }
    }
}
