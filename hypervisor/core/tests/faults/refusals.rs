//! What is refused, and that a refusal changes nothing: each of these is what one mistake of
//! `cargo xtask mutants` would let through.

use std::sync::atomic::Ordering;

use hypercall_abi::domctl::*;
use hypercall_abi::memory::*;
use hypercall_abi::xen::*;
use hypervisor_core::addr::{HYPERVISOR_SLOT_END, HYPERVISOR_SLOT_START, Mfn, table_index};
use hypervisor_core::frame::proof::Flushed;
use hypervisor_core::frame::word::{Kind, Owner, Refusal, Word};
use hypervisor_core::hypercall::Budget;
use hypervisor_core::platform::Machine;
use hypervisor_core::testkit::Happened;
use zerocopy::FromZeros;

use super::operations::{
    HOLE, SELF, exchange, hole, memory, mmu, mmuext, reservation, reserve, spare, spare_tree,
};
use super::world::{BASE, Call, Caller, DENIED, DEVICE, MAPPED, READ_ONLY, World, difference};
use Caller::{Dom0, Guest};

const EPERM: i64 = -1;
const ENOMEM: i64 = -12;
const EACCES: i64 = -13;
const EBUSY: i64 = -16;
const EINVAL: i64 = -22;

/// Runs a call that `build` makes; gives its result.
fn call(w: &mut World, who: Caller, build: impl FnOnce(&mut World) -> Call) -> i64 {
    w.set_args(Vec::new());
    let call = build(w);
    w.deliver();
    let result = w.run(who, call);
    w.check().unwrap_or_else(|e| panic!("{call:x?}: {e}"));
    result
}

/// The same, which must be refused with `errno` and change nothing.
fn refused(w: &mut World, who: Caller, errno: i64, build: impl FnOnce(&mut World) -> Call) {
    let before = w.state();
    assert_eq!(call(w, who, build), errno);
    let changed = difference(&before, &w.state());
    assert!(changed.is_empty(), "{changed:#?}");
}

fn dom0_hole(w: &World) -> u64 {
    w.dom0.tables[0].addr() + (hole(w) & 0xfff)
}

#[test]
fn devices_are_for_the_privileged_as_far_as_they_are_given() {
    let w = &mut World::new();
    let entry = |mfn: u64| mfn << 12 | 7;
    refused(w, Guest, EPERM, |w| {
        mmu(w, &[(hole(w), entry(DEVICE))], SELF)
    });
    refused(w, Dom0, EPERM, |w| {
        mmu(w, &[(dom0_hole(w), entry(DENIED))], SELF)
    });
    let at = dom0_hole(w);
    let stored = |w: &World| {
        let index = (at & 0xfff) as usize / 8;
        w.hv.machine.read_entry(Mfn::containing(at), index)
    };
    for (mfn, writable) in [(DEVICE, 2), (READ_ONLY, 0)] {
        assert_eq!(call(w, Dom0, |w| mmu(w, &[(at, entry(mfn))], SELF)), 0);
        let raw = stored(w);
        assert_eq!((raw >> 12 & 0xff_ffff_ffff, raw & 2), (mfn, writable));
        assert_eq!(raw & 0x18, 0x18, "not cached");
    }
    refused(w, Guest, EINVAL, |w| {
        let uncached = spare(w, 0) << 12 | 0x1f;
        mmu(w, &[(hole(w), uncached)], SELF)
    });
}

#[test]
fn a_device_is_used_by_whom_it_was_given_to_and_no_longer() {
    let w = &mut World::new();
    let given_of = |w: &mut World, mfn: u64, allow: u64| {
        let mut op = xen_domctl::new_zeroed();
        (op.cmd, op.domain) = (XEN_DOMCTL_iomem_permission, 1);
        op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
        op.u.set([mfn, 1, allow]);
        (__HYPERVISOR_domctl, [w.put(&op), 0, 0, 0, 0, 0])
    };
    let given = |w: &mut World, allow: u64| given_of(w, DEVICE, allow);
    // Nobody has that one to give.
    refused(w, Dom0, EPERM, |w| given_of(w, DENIED, 1));
    refused(w, Dom0, EPERM, |w| given_of(w, DENIED, 0));
    let entry = |mfn: u64| mfn << 12 | 7;
    let io = u64::from(DOMID_IO);
    refused(w, Guest, EPERM, |w| given(w, 1));
    for domain in [SELF, io] {
        assert_eq!(call(w, Dom0, |w| given(w, 1)), 0);
        let at = hole(w);
        assert_eq!(
            call(w, Guest, |w| mmu(w, &[(at, entry(DEVICE))], domain)),
            0
        );
        // Not what was not given, nor what is no device.
        refused(w, Guest, EPERM, |w| {
            mmu(w, &[(at, entry(DEVICE + 1))], domain)
        });
        let other = w.target_pages[0].0;
        refused(w, Guest, EBUSY, |w| mmu(w, &[(at, entry(other))], domain));
        // dom0 maps it for the guest's sake, as far as both may.
        let own = dom0_hole(w);
        assert_eq!(call(w, Dom0, |w| mmu(w, &[(own, entry(DEVICE))], 1)), 0);
        assert_eq!(call(w, Dom0, |w| mmu(w, &[(own, 0)], SELF)), 0);
        // What is mapped stays; nothing is mapped anew.
        assert_eq!(call(w, Dom0, |w| given(w, 0)), 0);
        refused(w, Dom0, EPERM, |w| mmu(w, &[(own, entry(DEVICE))], 1));
        refused(w, Guest, EPERM, |w| mmu(w, &[(at, entry(DEVICE))], domain));
        assert_eq!(call(w, Guest, |w| mmu(w, &[(at, 0)], SELF)), 0);
        refused(w, Guest, EPERM, |w| mmu(w, &[(at, entry(DEVICE))], domain));
    }
    // Its machine-to-phys entry, if there is one, is not the guest's.
    refused(w, Guest, EINVAL, |w| mmu(w, &[(DEVICE << 12 | 1, 5)], io));
}

#[test]
fn others_frames_and_the_hypervisors_are_out_of_reach() {
    let w = &mut World::new();
    for mfn in [0, 1, w.dom0.pages[0].0, w.target_pages[0].0] {
        refused(w, Guest, EBUSY, |w| {
            mmu(w, &[(hole(w), mfn << 12 | 5)], SELF)
        });
        refused(w, Guest, EBUSY, |w| {
            mmu(w, &[(hole(w), mfn << 12 | 7)], SELF)
        });
        // The machine-to-phys entry of it.
        refused(w, Guest, EINVAL, |w| mmu(w, &[(mfn << 12 | 1, 5)], SELF));
        refused(w, Guest, EINVAL, |w| {
            mmuext(w, &[(MMUEXT_CLEAR_PAGE, mfn, 0)])
        });
        refused(w, Guest, EINVAL, |w| {
            mmuext(w, &[(MMUEXT_PIN_L1_TABLE, mfn, 0)])
        });
        refused(w, Guest, EINVAL, |w| {
            mmuext(w, &[(MMUEXT_UNPIN_TABLE, mfn, 0)])
        });
    }
}

#[test]
fn devices_frames_amid_memory_are_numbered_by_dom0() {
    let w = &mut World::new();
    let (device, beyond) = (Mfn(1), w.hv.frames.len());
    w.hv.frames.mark_io(device, 1);
    let number = |mfn: u64| mfn << 12 | 1;
    let (io, xen) = (u64::from(DOMID_IO), u64::from(DOMID_XEN));
    for domain in [SELF, io] {
        refused(w, Guest, EINVAL, |w| {
            mmu(w, &[(number(device.0), 5)], domain)
        });
    }
    refused(w, Dom0, EINVAL, |w| mmu(w, &[(number(device.0), 5)], xen));
    refused(w, Dom0, EINVAL, |w| mmu(w, &[(number(beyond), 5)], io));
    let own = w.guest.pages[0].0;
    refused(w, Dom0, EPERM, |w| mmu(w, &[(number(own), 5)], 2 << 16 | 1));
    assert_eq!(call(w, Dom0, |w| mmu(w, &[(number(device.0), 5)], io)), 0);
    assert_eq!(w.hv.m2p[1].load(Ordering::Relaxed), 5);
}

#[test]
fn tables_are_not_written_as_pages() {
    let w = &mut World::new();
    let [table, ..] = w.guest.tables.map(|mfn| mfn.0);
    let page = spare(w, 0);
    refused(w, Guest, EINVAL, |w| {
        mmuext(w, &[(MMUEXT_CLEAR_PAGE, table, 0)])
    });
    refused(w, Guest, EINVAL, |w| {
        mmuext(w, &[(MMUEXT_COPY_PAGE, table, page)])
    });
    refused(w, Guest, EBUSY, |w| {
        mmu(w, &[(hole(w), table << 12 | 7)], SELF)
    });
    assert_eq!(
        call(w, Guest, |w| mmu(w, &[(hole(w), table << 12 | 5)], SELF)),
        0
    );
    let before = w.state();
    assert_eq!(
        call(w, Guest, |w| mmuext(w, &[(MMUEXT_COPY_PAGE, page, table)])),
        0
    );
    assert!(!difference(&before, &w.state()).is_empty());
}

#[test]
fn a_table_is_pinned_once() {
    let w = &mut World::new();
    let root = spare_tree(w);
    assert_eq!(
        call(w, Guest, |w| mmuext(w, &[(MMUEXT_PIN_L4_TABLE, root, 0)])),
        0
    );
    for slot in HYPERVISOR_SLOT_START..HYPERVISOR_SLOT_END {
        let entry = w.hv.machine.read_entry(Mfn(root), slot);
        assert_ne!(entry, 0, "slot {slot} is the hypervisor's");
    }
    refused(w, Guest, EINVAL, |w| {
        mmuext(w, &[(MMUEXT_PIN_L4_TABLE, root, 0)])
    });
    refused(w, Guest, EINVAL, |w| {
        mmuext(w, &[(MMUEXT_PIN_L3_TABLE, root, 0)])
    });
    assert_eq!(
        call(w, Guest, |w| mmuext(w, &[(MMUEXT_UNPIN_TABLE, root, 0)])),
        0
    );
    refused(w, Guest, EINVAL, |w| {
        mmuext(w, &[(MMUEXT_UNPIN_TABLE, root, 0)])
    });
}

#[test]
fn flushes_are_those_asked_for() {
    let w = &mut World::new();
    let page = spare(w, 0) << 12 | 7;
    let update = |flags| (__HYPERVISOR_update_va_mapping, [HOLE, page, flags, 0, 0, 0]);
    for (flags, flush) in [
        (UVMF_INVLPG | UVMF_LOCAL, Happened::Invlpg(HOLE)),
        (UVMF_TLB_FLUSH | UVMF_LOCAL, Happened::FlushLocal),
        (UVMF_TLB_FLUSH | UVMF_ALL, Happened::FlushLocal),
    ] {
        let _ = w.hv.machine.take_happened();
        assert_eq!(call(w, Guest, |_| update(flags)), 0);
        let happened = w.hv.machine.take_happened();
        assert!(happened.contains(&flush), "{flags}: {happened:?}");
    }
    let flush = [(MMUEXT_FLUSH_CACHE, 0, 0)];
    refused(w, Guest, EACCES, |w| mmuext(w, &flush));
    assert_eq!(call(w, Dom0, |w| mmuext(w, &flush)), 0);
}

#[test]
fn memory_is_given_up_to_the_limit_and_exchanged_unused() {
    let w = &mut World::new();
    let dom = w.guest.dom;
    let used = w.guest.pages[0].0;
    refused(w, Guest, EINVAL, |w| {
        exchange(w, &[spare(w, 0), used], 0, &[0x20], 1)
    });
    refused(w, Guest, EINVAL, |w| {
        exchange(w, &[w.dom0.pages[MAPPED].0], 0, &[0x20], 0)
    });
    refused(w, Guest, EPERM, |w| {
        let mut request = xen_memory_exchange::new_zeroed();
        (request.r#in.domid, request.out.domid) = (0, 0);
        memory(w, XENMEM_exchange, &request)
    });
    let has = dom.tot_pages.load(Ordering::Relaxed);
    dom.max_pages.store(has + 1, Ordering::Relaxed);
    let populate = |w: &mut World| reserve(w, XENMEM_populate_physmap, &[0x20, 0x21, 0x22], 0);
    assert_eq!(call(w, Guest, populate), 1);
    assert_eq!(dom.tot_pages.load(Ordering::Relaxed), has + 1);
    // Another's memory is not the guest's to change.
    let theirs = w.dom0.pages[MAPPED].0;
    let before = w.state();
    let decrease = |w: &mut World| {
        let mut request = reservation(w.put(&[theirs]), 1, 0);
        request.domid = 0;
        memory(w, XENMEM_decrease_reservation, &request)
    };
    assert_eq!(call(w, Guest, decrease), 0);
    assert!(difference(&before, &w.state()).is_empty());
}

#[test]
fn a_freed_frame_has_no_number_and_no_contents() {
    let w = &mut World::new();
    let (hv, mfn) = (w.hv, w.guest.pages[MAPPED]);
    hv.machine.store_u64(mfn, 8, 0x5ec4e7);
    hv.page_get(w.guest.dom, mfn).unwrap();
    hv.release_domain_page(w.guest.dom, mfn).unwrap();
    // It is still the guest's, who may number it once more.
    hv.set_m2p(mfn, 7);
    hv.page_put(mfn);
    assert_eq!(hv.frames.owner(mfn), Owner::FREE);
    assert_eq!(hv.m2p[mfn.0 as usize].load(Ordering::Relaxed), u64::MAX);
    let got: Vec<Mfn> = (0..hv.frames.free_frames().min(20))
        .map(|_| hv.alloc_domain_page(w.dom0.dom).unwrap())
        .collect();
    assert!(got.contains(&mfn), "the one freed last is among the first");
    assert_eq!(hv.machine.load_u64(mfn, 8), 0, "another domain's data");
}

#[test]
fn only_the_owner_unpins() {
    let (me, other) = (Owner::domain(3), Owner::domain(4));
    let proof = Flushed::of_no_frame();
    let pinned = Word::allocated(me, &proof)
        .get_first(me, Kind::L1)
        .and_then(|w| w.validated(&proof))
        .and_then(Word::pin)
        .unwrap();
    assert_eq!(pinned.unpin(other), Err(Refusal::NotOwner));
    assert!(pinned.unpin(me).is_ok());
}

#[test]
fn only_the_privileged_act_on_others() {
    let w = &mut World::new();
    for domid in [0_u64, 2] {
        for cmd in [
            XENMEM_current_reservation,
            XENMEM_maximum_reservation,
            XENMEM_maximum_gpfn,
        ] {
            refused(w, Guest, EPERM, |w| memory(w, cmd, &domid));
        }
        let page = w.dom0.pages[0].addr() | 5;
        refused(w, Guest, EPERM, |w| mmu(w, &[(hole(w), page)], domid));
        let tables_of = (domid + 1) << 16 | SELF;
        refused(w, Guest, EPERM, |w| mmu(w, &[(hole(w), 0)], tables_of));
    }
}

/// Runs `build` with the guest access after `k` more failing; gives the result, the pages the guest
/// has more than before, and whether that access was made.
fn faulted(k: u64, build: impl FnOnce(&mut World) -> Call) -> (i64, i64, bool) {
    let w = &mut World::new();
    let pages = |w: &World| i64::from(w.guest.dom.tot_pages.load(Ordering::Relaxed));
    let before = pages(w);
    let call = build(w);
    w.deliver();
    w.hv.machine.fail_guest_access_after(k);
    let result = w.run(Guest, call);
    let untouched = w.hv.machine.stop_failing();
    (result, pages(w) - before, !untouched)
}

#[test]
fn a_guest_has_the_frames_it_was_told_of() {
    let mut failures = 0;
    for k in 0.. {
        let (done, more, failed) = faulted(k, |w| {
            reserve(w, XENMEM_increase_reservation, &[0, 0, 0], 1)
        });
        assert_eq!(done * 2, more, "access {k}");
        if !failed {
            break;
        }
        failures += 1;
    }
    assert!(failures >= 4, "the request and three answers");
}

/// The list of single frames goes on in a page that the guest may only read.
#[test]
fn a_guest_has_no_single_frames_that_it_cannot_be_told_of() {
    let w = &mut World::new();
    let second = BASE + 4096;
    let slot = w.guest.tables[0].addr() + table_index(second, 1) as u64 * 8;
    let read_only = w.guest.pages[1].addr() | 5;
    assert_eq!(call(w, Guest, |w| mmu(w, &[(slot, read_only)], SELF)), 0);
    let pages = |w: &World| w.guest.dom.tot_pages.load(Ordering::Relaxed);
    let before = pages(w);
    let increase = |w: &mut World| {
        let request = reservation(second - 16, 5, 0);
        memory(w, XENMEM_increase_reservation, &request)
    };
    assert_eq!(call(w, Guest, increase), 2);
    assert_eq!(pages(w), before + 2);
}

#[test]
fn an_exchange_needs_no_room_under_the_maximum() {
    for budget in [1, 5, Budget::FULL] {
        let w = &mut World::new();
        let dom = w.guest.dom;
        let has = dom.tot_pages.load(Ordering::Relaxed);
        dom.max_pages.store(has, Ordering::Relaxed);
        w.hv.machine.set_budget(budget);
        let singles = |w: &mut World| {
            let frames = [spare(w, 0), spare(w, 1), spare(w, 2), spare(w, 3)];
            exchange(w, &frames, 0, &[0x20, 0x22], 1)
        };
        assert_eq!(call(w, Guest, singles), 0, "budget {budget}");
        assert_eq!(dom.tot_pages.load(Ordering::Relaxed), has);
        // Nothing else may use the room that it had.
        for order in 0..2 {
            let more = |w: &mut World| reserve(w, XENMEM_increase_reservation, &[0], order);
            // A reservation says how much was done.
            refused(w, Guest, 0, more);
        }
    }
}

#[test]
fn an_exchange_leaves_the_amount_as_it_was() {
    for k in 0.. {
        let (_, more, failed) = faulted(k, |w| {
            let frames = [spare(w, 0), spare(w, 1), spare(w, 2), spare(w, 3)];
            exchange(w, &frames, 0, &[0x20, 0x22, 0x24, 0x26], 0)
        });
        assert_eq!(more, 0, "access {k}");
        if !failed {
            break;
        }
    }
    let w = &mut World::new();
    let before = w.guest.dom.tot_pages.load(Ordering::Relaxed);
    // A pair for two single frames, of which there is one.
    let pair = w.guest.pages[MAPPED].0 & !1;
    let pair = if pair < w.guest.pages[MAPPED].0 {
        pair + 2
    } else {
        pair
    };
    w.hoard(1);
    let result = call(w, Guest, |w| exchange(w, &[pair], 1, &[0x20, 0x21], 0));
    assert_eq!(result, ENOMEM);
    assert_eq!(w.guest.dom.tot_pages.load(Ordering::Relaxed), before);
}
