//! Entries of another domain's tables that the control domain writes, and whose pages they may map: by
//! whose they are, and by whose it says that they are.

use super::claims::{info, settled};
use super::page::*;
use super::puppet::{Puppet, WINDOW};
use super::{Check, Report};
use crate::hypercall::HvResult;
use crate::mm::paging::pte;
use hypercall_abi::domctl::*;
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("foreign_pages", pages),
    ("foreign_seen", seen),
    ("foreign_owner_dies", owner_dies),
    ("foreign_table_dies", table_dies),
];

/// Two domains that do what they are told.
fn two(r: &mut Report) -> Option<(Puppet, Puppet)> {
    match (Puppet::new(), Puppet::new()) {
        (Ok(one), Ok(other)) => Some((one, other)),
        (one, other) => {
            for puppet in [one, other].into_iter().flatten() {
                let _ = puppet.destroy();
            }
            r.error("no puppets");
            None
        }
    }
}

fn shared_info(puppet: &Puppet) -> u64 {
    info(puppet.id).map_or(0, |info| info.shared_info_frame)
}

fn pages(r: &mut Report) {
    let Some((it, other)) = two(r) else { return };
    let (page, window) = (Page::new(), Page::new());
    let typed = Page::read_only();
    let pinned = extended(MMUEXT_PIN_L1_TABLE, typed.mfn(), 0);
    r.result("pin", pinned);
    let frames = [
        ("mine", page.mfn()),
        ("my_table", typed.mfn()),
        ("its", it.spare()),
        ("its_table", it.table()),
        ("its_shared", shared_info(&it)),
        ("others", other.spare()),
        ("others_table", other.table()),
        ("others_shared", shared_info(&other)),
        ("device", 0xb8),
        ("high_device", 0xfeb00),
        ("far", 1 << 32),
        ("none", (1 << 40) - 1),
    ];
    let owners = [
        ("self", DOMID_SELF),
        ("dom0", 0),
        ("it", it.id),
        ("other", other.id),
        ("io", DOMID_IO),
        ("xen", DOMID_XEN),
        ("nobody", NOBODY),
    ];
    for (frame, mfn) in frames {
        for (right, bits) in [("read", pte::RO), ("write", pte::RW)] {
            let entry = mfn << 12 | bits;
            for (owner, pages) in owners {
                let into_its = update_foreign(it.window_slot(), entry, (it.id, pages));
                let keeping = it.window_slot() | MMU_PT_UPDATE_PRESERVE_AD;
                let again = update_foreign(keeping, entry, (it.id, pages));
                let _ = it.map(0);
                let into_mine = update(window.own_slot(), entry, pages);
                window.restore();
                let by_number = update_foreign(window.own_slot(), entry, (0, pages));
                window.restore();
                r.line(format_args!(
                    "{frame}_{right}_{owner}={} again={} mine={} by_number={}",
                    Shown(into_its),
                    Shown(again),
                    Shown(into_mine),
                    Shown(by_number)
                ));
            }
        }
        for (owner, pages) in owners {
            let number = mfn << 12 | MMU_MACHPHYS_UPDATE;
            let result = update_foreign(number, 7, (it.id, pages));
            // The pages that the kernel has keep their numbers.
            let mine = match frame {
                "mine" => page.pfn(),
                "my_table" => typed.pfn(),
                _ => 7,
            };
            r.line(format_args!(
                "{frame}_m2p_{owner}={} mine={} by_number={}",
                Shown(result),
                Shown(update(number, mine, pages)),
                Shown(update_foreign(number, mine, (0, pages)))
            ));
        }
    }
    // The other's own word on it.
    let entry = it.spare() << 12 | pte::RO;
    for (owner, pages) in owners {
        let result = other.update(entry, pages);
        r.line(format_args!("itself_{owner}={}", Shown(result)));
        let _ = other.map(0);
    }
    r.result("unpin", extended(MMUEXT_UNPIN_TABLE, typed.mfn(), 0));
    r.outcome("destroy", it.destroy());
    r.outcome("destroy_other", other.destroy());
    drop((page, window, typed));
}

/// Maps a frame, whosever, into the puppet's window.
fn give(puppet: &Puppet, mfn: u64) -> HvResult {
    let entry = mfn << 12 | pte::RW;
    update_foreign(puppet.window_slot(), entry, (puppet.id, DOMID_SELF))
}

/// What the puppet finds in its window, and makes of it.
fn use_window(r: &mut Report, key: &str, puppet: &Puppet) {
    let (before, stored) = (puppet.load(WINDOW), puppet.store(WINDOW, 0x77));
    let after = puppet.load(WINDOW);
    r.line(format_args!(
        "{key}={before:x?} stored={} after={after:x?}",
        stored.is_ok()
    ));
}

fn seen(r: &mut Report) {
    let Some((it, other)) = two(r) else { return };
    let page = Page::new();
    page.write(0, 0x1111);
    for (key, mfn) in [("mine", page.mfn()), ("others", other.spare())] {
        r.result(key, give(&it, mfn));
        use_window(r, key, &it);
        // It maps it once more itself, which it may not.
        let slot = it.slot(20);
        r.result("copy", it.request(slot, mfn << 12 | pte::RO, DOMID_SELF));
        r.result(
            "same",
            it.request(it.window_slot(), mfn << 12 | pte::RW | 0x60, DOMID_SELF),
        );
        r.result(
            "less",
            it.request(it.window_slot(), mfn << 12 | pte::RO, DOMID_SELF),
        );
        r.result("unmap", it.map(0));
    }
    r.line(format_args!("mine_now={:#x}", page.read(0)));
    // A page that becomes a table while another has it mapped writable, and the other way round.
    r.result("give", give(&it, page.mfn()));
    page.protect();
    r.result("pin", extended(MMUEXT_PIN_L1_TABLE, page.mfn(), 0));
    r.result("ungive", it.map(0));
    page.map(0).expect("a page can be unmapped");
    page.restore();
    page.write(0, 0);
    page.protect();
    r.result("pin_later", extended(MMUEXT_PIN_L1_TABLE, page.mfn(), 0));
    r.result("give_table", give(&it, page.mfn()));
    r.result("unpin", extended(MMUEXT_UNPIN_TABLE, page.mfn(), 0));
    r.result("give_later", give(&it, page.mfn()));
    r.result("ungive", it.map(0));
    drop(page);
    r.outcome("destroy", it.destroy());
    r.outcome("destroy_other", other.destroy());
}

/// Whether a domain is there: dying, with so many pages; or not.
fn state(r: &mut Report, key: &str, domid: u16) {
    let _ = settled();
    match info(domid) {
        Ok(info) => r.line(format_args!(
            "{key}=there dying={} pages={}",
            info.flags & XEN_DOMINF_dying != 0,
            info.tot_pages
        )),
        Err(errno) => r.result(key, Err(errno)),
    }
}

/// The owner of a page dies while another has it mapped.
fn owner_dies(r: &mut Report) {
    let Some((it, other)) = two(r) else { return };
    let (id, spare, shared) = (other.id, other.spare(), shared_info(&other));
    let table = other.table();
    r.result("give", give(&it, spare));
    r.outcome("destroy", other.destroy());
    state(r, "dying", id);
    use_window(r, "still", &it);
    // Once more, and others of its pages.
    let again = |r: &mut Report, key: &str, mfn: u64| {
        let slot = it.slot(20);
        for (owner, pages) in [("self", DOMID_SELF), ("id", id)] {
            let result = update_foreign(slot, mfn << 12 | pte::RW, (it.id, pages));
            r.line(format_args!("{key}_{owner}={}", Shown(result)));
            let _ = it.request(slot, 0, DOMID_SELF);
        }
    };
    again(r, "again", spare);
    again(r, "freed", table);
    again(r, "shared", shared);
    r.result("unmap", it.map(0));
    state(r, "gone", id);
    again(r, "gone", spare);
    r.outcome("destroy_it", it.destroy());
}

/// The owner of the table dies.
fn table_dies(r: &mut Report) {
    let Some((it, other)) = two(r) else { return };
    let page = Page::new();
    page.write(0, 0x2222);
    let id = it.id;
    r.result("give", give(&it, other.spare()));
    let slot = it.slot(20);
    let entry = page.entry(pte::RW);
    r.result("give_mine", update_foreign(slot, entry, (id, DOMID_SELF)));
    r.outcome("destroy", it.destroy());
    state(r, "gone", id);
    r.line(format_args!("mine={:#x}", page.read(0)));
    page.protect();
    page.restore();
    let id = other.id;
    r.outcome("destroy_other", other.destroy());
    state(r, "other_gone", id);
    drop(page);
}
