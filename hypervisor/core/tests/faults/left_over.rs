//! What an interrupted call leaves, when something else comes before it is made again: it neither takes
//! part in that nor is taken up by it.

use std::sync::atomic::Ordering;

use hypercall_abi::domctl::*;
use hypercall_abi::xen::*;
use zerocopy::{FromZeros, IntoBytes};

use super::operations::{domctl, mmuext, spare_tree};
use super::traps::store_to_vacant_entry;
use super::world::{Call, Caller, MAPPED, World, difference};
use Caller::{Dom0, Guest};

const ESRCH: i64 = -3;

/// Pins a tree of another domain's.
fn pin_of(w: &mut World, domain: u64, root: u64) -> Call {
    let (number, mut args) = mmuext(w, &[(MMUEXT_PIN_L4_TABLE, root, 0)]);
    args[3] = domain;
    (number, args)
}

#[test]
fn a_trapped_store_ends_work_on_anothers_tables_as_anothers() {
    let w = &mut World::new();
    w.guest.dom.privileged.store(true, Ordering::Relaxed);
    let way = store_to_vacant_entry(w);
    let regs = w.guest.vcpu.regs;
    let root = w.target_pages[7].0;
    let pin = pin_of(w, 2, root);
    w.deliver();
    w.interrupt(Guest, pin, |w| w.guest.vcpu.walk.level() == 1);
    w.guest.vcpu.regs = regs;
    assert_eq!(w.run(Guest, way), 0);
    assert_eq!(w.run(Guest, pin), 0, "its tables are good");
    w.check().expect("counts are as memory says");
}

#[test]
fn a_refused_context_ends_work_on_anothers_tables_as_anothers() {
    let w = &mut World::new();
    let root = spare_tree(w);
    let pin = pin_of(w, 1, root);
    let mut context = xen_domctl_vcpucontext::new_zeroed();
    context.ctxt = w.put(&[0xff_u8; 6000]);
    let set = domctl(w, XEN_DOMCTL_setvcpucontext, context);
    w.deliver();
    let before = w.state();
    w.interrupt(Dom0, pin, |w| w.dom0.vcpu.walk.level() == 2);
    assert!(w.run(Dom0, set) < 0);
    w.settle(Dom0);
    let mut changed = difference(&before, &w.state());
    // The hypervisor's part of a root stays.
    changed.retain(|line| !line.starts_with("memory"));
    assert!(
        changed.is_empty(),
        "nobody went on with the pin: {changed:#?}"
    );
    w.check().expect("counts are as memory says");
}

#[test]
fn a_domain_that_goes_leaves_no_progress_to_another() {
    let w = &mut World::new();
    let frames: Vec<u64> = w.target_pages.iter().map(|mfn| mfn.0).collect();
    let array = w.put(&frames[..]);
    let request = xen_domctl_getpageframeinfo3 {
        num: frames.len() as u64,
        array,
    };
    let ask = domctl(w, XEN_DOMCTL_getpageframeinfo3, request);
    let here = w.args().to_vec();
    let types = |w: &World| -> Vec<u64> {
        let window = w.window();
        let words = window.as_chunks::<8>().0.iter().take(frames.len());
        words.map(|word| u64::from_le_bytes(*word)).collect()
    };
    w.deliver();
    assert_eq!(w.run(Dom0, ask), 0);
    let whole = types(w);
    w.deliver();
    w.interrupt(Dom0, ask, |w| types(w)[2] == whole[2]);
    let mut gone = here.clone();
    let domain = frames.len() * 8 + core::mem::offset_of!(xen_domctl, domain);
    gone[domain] = 99;
    w.set_args(gone);
    w.deliver();
    assert_eq!(w.run(Dom0, ask), ESRCH);
    w.set_args(here);
    w.deliver();
    assert_eq!(w.run(Dom0, ask), 0);
    assert_eq!(types(w), whole, "all from the first on");
}

#[test]
fn an_entry_of_a_list_leaves_no_progress_to_another() {
    let w = &mut World::new();
    let table = w.guest.pages[MAPPED];
    let pinned = |w: &World| w.hv.frames.word(table).is_pinned();
    let ops = [
        (MMUEXT_PIN_L1_TABLE, table.0, 0),
        (MMUEXT_UNPIN_TABLE, table.0, 0),
    ];
    let (op, args) = mmuext(w, &ops);
    let before = w.args().to_vec();
    let with_entry = |w: &mut World, op, args| {
        w.set_args(before.clone());
        let entry = multicall_entry {
            op,
            result: 0,
            args,
        };
        let list = w.put(entry.as_bytes());
        w.deliver();
        (__HYPERVISOR_multicall, [list, 1, 0, 0, 0, 0])
    };
    let call = with_entry(w, op, args);
    w.interrupt(Guest, call, pinned);
    let other = with_entry(w, __HYPERVISOR_xen_version, [0; 6]);
    assert_eq!(other, call);
    assert_eq!(w.run(Guest, other), 0);
    with_entry(w, op, args);
    assert_eq!(w.run(Guest, call), 0);
    // The first operation was made again, and refused.
    assert!(pinned(w));
}
