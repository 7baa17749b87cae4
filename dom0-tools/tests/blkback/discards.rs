//! Sectors that a front end gives up: offered where the disk can do that, and then checked.

use dom0_tools::store::Store;
use hypercall_abi::io::blkif::*;
use hypercall_abi::io::xenbus::*;
use zerocopy::{FromZeros, IntoBytes};

use crate::lab::*;

/// A disk with a front end, which is told that it can do this, or that it cannot.
fn lab(granularity: Option<u32>, mode: &str, enabled: Option<&str>) -> (Lab, Front) {
    let mut lab = Lab::new();
    lab.machine.0.borrow_mut().granularity = granularity;
    if let Some(enabled) = enabled {
        lab.write(&back(1), "discard-enable", enabled);
    }
    lab.plug(1, mode);
    let front = lab.connect(1);
    (lab, front)
}

fn discard(sector: u64, count: u64) -> [u8; size_of::<blkif_request>()] {
    let mut request = blkif_request_discard::new_zeroed();
    (request.operation, request.id) = (BLKIF_OP_DISCARD, 77);
    (request.sector_number, request.nr_sectors) = (sector, count);
    // What lies behind it is no part of it.
    let mut entry = [0xee; size_of::<blkif_request>()];
    entry[..size_of::<blkif_request_discard>()].copy_from_slice(request.as_bytes());
    entry
}

fn said(lab: &mut Lab, name: &str) -> Option<u64> {
    let path = format!("{}/{name}", back(1));
    lab.control.read_number(&path).unwrap()
}

fn on_disk(lab: &Lab) -> Vec<u8> {
    lab.machine.0.borrow().disks["disk"].borrow().clone()
}

#[test]
fn sectors_are_given_up_and_no_others() {
    for enabled in [None, Some("1")] {
        let (mut lab, mut front) = lab(Some(1024), "w", enabled);
        assert_eq!(said(&mut lab, "feature-discard"), Some(1));
        assert_eq!(said(&mut lab, "discard-granularity"), Some(1024));
        assert_eq!(said(&mut lab, "discard-alignment"), Some(0));
        assert_eq!(said(&mut lab, "discard-secure"), None);
        let mut wanted = content();
        wanted[3 * 512..7 * 512].fill(0);
        let mut secure = discard(3, 4);
        // Not offered, and thus not heard.
        secure[1] = BLKIF_DISCARD_SECURE;
        assert_eq!(front.ask(&mut lab, &secure), BLKIF_RSP_OKAY);
        assert_eq!(on_disk(&lab), wanted);
        let all = SECTORS as u64;
        assert_eq!(front.ask(&mut lab, &discard(0, all)), BLKIF_RSP_OKAY);
        assert_eq!(on_disk(&lab), [0; SECTORS * 512]);
    }
}

#[test]
fn what_is_not_on_the_disk_is_not_given_up() {
    let (mut lab, mut front) = lab(Some(512), "w", None);
    let all = SECTORS as u64;
    for (sector, count) in [
        (0, 0),
        (all, 1),
        (all - 1, 2),
        (0, all + 1),
        (1, u64::MAX),
        (u64::MAX, 1),
        (u64::MAX, u64::MAX),
        (0, 1 << 55),
    ] {
        let status = front.ask(&mut lab, &discard(sector, count));
        assert_eq!(status, BLKIF_RSP_ERROR, "{count} from {sector} on");
    }
    lab.machine.0.borrow_mut().broken_disk = true;
    assert_eq!(front.ask(&mut lab, &discard(0, 1)), BLKIF_RSP_ERROR);
    assert_eq!(on_disk(&lab), content());
    assert_eq!(lab.state(&back(1)), 4);
}

#[test]
fn where_it_is_not_offered_nothing_is_given_up() {
    for (granularity, mode, enabled) in [
        (None, "w", None),
        (None, "w", Some("1")),
        (Some(512), "r", None),
        (Some(512), "w", Some("0")),
    ] {
        let (mut lab, mut front) = lab(granularity, mode, enabled);
        assert_eq!(said(&mut lab, "feature-discard"), Some(0));
        assert_eq!(said(&mut lab, "discard-granularity"), None);
        for request in [discard(0, 1), discard(u64::MAX, 0)] {
            assert_eq!(front.ask(&mut lab, &request), BLKIF_RSP_EOPNOTSUPP);
        }
        assert_eq!(on_disk(&lab), content());
    }
    // Nor any more where a back end that begins anew does not offer it.
    let (mut lab, _) = lab(Some(512), "w", None);
    lab.machine.0.borrow_mut().granularity = None;
    lab.says(1, XenbusStateInitialising);
    let mut front = lab.connect(1);
    assert_eq!(said(&mut lab, "feature-discard"), Some(0));
    assert_eq!(front.ask(&mut lab, &discard(0, 1)), BLKIF_RSP_EOPNOTSUPP);
}
