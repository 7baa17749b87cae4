//! A granter that takes its grant back while another domain maps, unmaps and copies, in every order
//! with few changes.

use std::boxed::Box;
use std::sync::{Arc, Mutex};
use std::vec;

use hypercall_abi::grant_table::*;
use hypercall_abi::xen::DOMID_SELF;
use zerocopy::FromZeros;

use super::stage::{Hv, Party, mapping};
use crate::platform::Machine;
use crate::testkit;
use crate::testkit::turns::{Part, play_all};

const GREF: u32 = 3;
const GRANTER: u16 = 1;
const MAPPER: u16 = 2;

struct Scene {
    hv: Hv,
    granter: Party,
    mapper: Arc<Mutex<Party>>,
    /// What was seen while nobody was to have the page.
    seen: Arc<Mutex<std::vec::Vec<&'static str>>>,
}

fn granted(party: &Party) -> u64 {
    u64::from(GTF_permit_access) | u64::from(MAPPER) << 16 | party.pages[0].0 << 32
}

fn scene(hv: Hv) -> Scene {
    let granter = Party::new(hv, GRANTER);
    granter.set_word(hv, GREF, granted(&granter));
    Scene {
        hv,
        granter,
        mapper: Arc::new(Mutex::new(Party::new(hv, MAPPER))),
        seen: Arc::default(),
    }
}

impl Scene {
    /// The granter ends access as the interface says: by compare-and-swap, unless the page is in use.
    /// From then on until it grants anew, nobody may have the page.
    fn revokes(&self) -> Part {
        let (hv, shared, seen) = (self.hv, self.granter.shared, self.seen.clone());
        let page = self.granter.pages[0];
        let word = granted(&self.granter);
        Box::new(move || {
            let at = GREF as usize * 8;
            if hv.machine.exchange_u32(shared, at, word as u32, 0).is_ok() {
                let before = hv.frames.word(page).refs();
                if before != 1 {
                    seen.lock().unwrap().push("the page is used");
                }
                hv.machine.store_u32(shared, at, word as u32);
            }
        })
    }

    /// The mapper maps the page, and unmaps it if it got it.
    fn maps(&self) -> Part {
        let (hv, mapper) = (self.hv, self.mapper.clone());
        Box::new(move || {
            let party = &mut *mapper.lock().unwrap();
            let mut list = mapping(Party::address(0), GNTMAP_host_map, GREF, GRANTER);
            party.call(hv, GNTTABOP_map_grant_ref, &mut list[..]);
            if list[0].status == GNTST_okay {
                let mut undo = [gnttab_unmap_grant_ref::new_zeroed()];
                (undo[0].host_addr, undo[0].handle) = (Party::address(0), list[0].handle);
                party.call(hv, GNTTABOP_unmap_grant_ref, &mut undo);
                assert_eq!(undo[0].status, GNTST_okay);
            }
        })
    }

    /// The mapper copies from the page, or to it, if it may.
    fn copies(&self, to_grant: bool) -> Part {
        let (hv, mapper) = (self.hv, self.mapper.clone());
        Box::new(move || {
            let party = &mut *mapper.lock().unwrap();
            let mut list = [gnttab_copy::new_zeroed()];
            let copy = &mut list[0];
            let own = (party.pages[1].0, DOMID_SELF);
            let granted = (u64::from(GREF), GRANTER);
            let (from, to) = if to_grant {
                (own, granted)
            } else {
                (granted, own)
            };
            (copy.source.u, copy.source.domid) = from;
            (copy.dest.u, copy.dest.domid) = to;
            copy.len = 8;
            copy.flags = if to_grant {
                GNTCOPY_dest_gref
            } else {
                GNTCOPY_source_gref
            };
            party.call(hv, GNTTABOP_copy, &mut list);
            let status = list[0].status;
            assert!(
                matches!(status, GNTST_okay | GNTST_general_error),
                "{status}"
            );
        })
    }
}

/// The granter takes its grant back amid what `part` does, in every order with so many changes; more
/// than `fewest`, or nothing came between.
fn taken_back_amid((changes, fewest): (usize, usize), part: impl Fn(&Scene) -> Part) {
    let hv = testkit::hypervisor(96, 2);
    let made = || {
        let s = scene(hv);
        let parts = vec![part(&s), s.revokes()];
        (s, parts)
    };
    let orders = play_all(changes, made, |s: Scene| {
        assert!(s.seen.lock().unwrap().is_empty(), "{:?}", s.seen);
        assert_eq!(s.granter.word(hv, GREF), granted(&s.granter));
        s.granter.end(hv);
        let mapper = Arc::into_inner(s.mapper).expect("alone").into_inner();
        mapper.unwrap().end(hv);
    });
    assert!(orders > fewest, "{orders}");
}

#[test]
fn a_grant_that_was_taken_back_is_not_mapped() {
    taken_back_amid((1, 100), Scene::maps);
}

#[test]
fn a_grant_that_was_taken_back_is_not_copied() {
    for to_grant in [false, true] {
        taken_back_amid((3, 100), |scene| scene.copies(to_grant));
    }
}
