//! The ends of domains that have much: every line there is, thousands of mappings of another's pages,
//! pages that another has mapped thousands of times.

use super::domains::destroy;
use super::grants::{self, COUNT, FIRST, done};
use crate::check::page::{Page, address, domctl, update};
use crate::check::puppet::Puppet;
use crate::hypercall::{HvResult, flush_tlb, with_struct};
use crate::mm::paging::pte;
use alloc::vec::Vec;
use guest_user::abi::Errno;
use hypercall_abi::domctl::*;
use hypercall_abi::event_channel::*;
use hypercall_abi::grant_table::*;
use hypercall_abi::physdev::*;
use hypercall_abi::xen::*;
use zerocopy::{FromZeros, IntoBytes};

/// Lines of this machine.
const LINES: i32 = 24;
/// Ranges of ports and of frames that a domain may have.
const RANGES: u32 = 64;
/// Where nothing is that anybody minds.
const FIRST_PORT: u32 = 0x1000;
const FIRST_FRAME: u64 = 0xfe000;
/// Mappings that a domain has: those that have an entry of its table, and others.
const ENTRIES: usize = 480;
const MAPPINGS: usize = 8192;
/// Mappings of one call of a puppet's, and words of each.
const AT_ONCE: usize = 96;
const WORDS: usize = size_of::<gnttab_map_grant_ref>() / 8;

/// Ends a puppet: as often as it takes.
fn end(puppet: Puppet) -> HvResult {
    let id = puppet.id;
    match puppet.destroy() {
        Err(Errno::EAGAIN) => {}
        result => return result,
    }
    loop {
        match destroy(id) {
            Err(Errno::EAGAIN) => {}
            result => return result,
        }
    }
}

/// A domain has every line there is, bound, and as many ranges as it may have.
pub(super) fn devices() -> HvResult {
    let puppet = Puppet::new()?;
    for i in 0..RANGES {
        let ports = [FIRST_PORT + 4 * i, 1, 1];
        domctl(XEN_DOMCTL_ioport_permission, puppet.id, ports)?;
        let frames = [FIRST_FRAME + 4 * u64::from(i), 1, 1];
        domctl(XEN_DOMCTL_iomem_permission, puppet.id, frames)?;
    }
    let mut bound = 0;
    for line in 1..LINES {
        let mut map = physdev_map_pirq::new_zeroed();
        (map.domid, map.r#type) = (puppet.id, MAP_PIRQ_TYPE_GSI);
        (map.index, map.pirq) = (line, line);
        with_struct(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, &mut map)?;
        let mut bind = evtchn_bind_pirq::new_zeroed();
        bind.pirq = map.pirq as u32;
        let nr = __HYPERVISOR_event_channel_op;
        match puppet.with(nr, EVTCHNOP_bind_pirq, &mut bind) {
            Ok(_) => bound += 1,
            // The console's, and what an earlier check has.
            Err(Errno::EBUSY) => {}
            Err(errno) => return Err(errno),
        }
    }
    end(puppet)?;
    if bound > LINES / 2 {
        Ok(0)
    } else {
        Err(Errno::EBUSY)
    }
}

/// What the mapping with number `i` is: in an entry of a table, or for devices alone.
fn wanted(i: usize, slot: impl Fn(usize) -> u64, gref: u32, dom: u16) -> gnttab_map_grant_ref {
    let mut map = gnttab_map_grant_ref::new_zeroed();
    (map.r#ref, map.dom) = (gref, dom);
    (map.host_addr, map.flags) = if i < ENTRIES {
        (
            slot(i),
            GNTMAP_host_map | GNTMAP_contains_pte | GNTMAP_readonly,
        )
    } else {
        (0, GNTMAP_device_map | GNTMAP_readonly)
    };
    map
}

/// A domain ends that has mapped this one's pages.
pub(super) fn mapper() -> HvResult {
    let table = grants::table()?;
    let puppet = Puppet::new()?;
    let page = Page::new();
    let grefs = FIRST as usize..FIRST as usize + COUNT;
    let set = |gref: usize, word| table[gref / 512].write(gref % 512, word);
    for gref in grefs.clone() {
        let flags = u64::from(GTF_permit_access);
        set(gref, flags | u64::from(puppet.id) << 16 | page.mfn() << 32);
    }
    let all: Vec<usize> = (0..MAPPINGS).collect();
    for part in all.chunks(AT_ONCE) {
        let mut words = [0_u64; AT_ONCE * WORDS];
        for (words, &i) in words.chunks_mut(WORDS).zip(part) {
            let gref = FIRST + (i % COUNT) as u32;
            let map = wanted(i, |i| puppet.slot(i + 16), gref, 0);
            words.as_mut_bytes().copy_from_slice(map.as_bytes());
        }
        let count = part.len() as u64;
        let nr = __HYPERVISOR_grant_table_op;
        puppet.list(nr, GNTTABOP_map_grant_ref, &mut words, count)?;
        for words in words.chunks_mut(WORDS).take(part.len()) {
            let mut map = gnttab_map_grant_ref::new_zeroed();
            map.as_mut_bytes().copy_from_slice(words.as_bytes());
            if map.status != GNTST_okay {
                return Err(Errno(i64::from(-map.status)));
            }
        }
    }
    end(puppet)?;
    for gref in grefs {
        // Nobody uses it any more.
        let flags = table[gref / 512].read(gref % 512) as u16;
        if flags != GTF_permit_access {
            return Err(Errno::EBUSY);
        }
        set(gref, 0);
    }
    for window in &table {
        window.restore();
    }
    Ok(0)
}

/// A domain ends whose page this one has mapped.
pub(super) fn granter() -> HvResult {
    const GREFS: usize = 128;
    let puppet = Puppet::new()?;
    let mut frames = [0_u64];
    let mut setup = [gnttab_setup_table::new_zeroed()];
    (setup[0].dom, setup[0].nr_frames) = (puppet.id, 1);
    setup[0].frame_list = address(&mut frames);
    done(GNTTABOP_setup_table, &mut setup, |op| op.status)?;
    let window = Page::new();
    update(window.own_slot(), frames[0] << 12 | pte::RW, puppet.id)?;
    flush_tlb();
    for gref in 0..GREFS {
        let word = u64::from(GTF_permit_access) | puppet.spare() << 32;
        window.write(64 + gref, word);
    }
    window.restore();
    let spare = super::table(0, 0..0);
    crate::check::page::extended(MMUEXT_PIN_L1_TABLE, spare.mfn(), 0)?;
    let mut maps: Vec<_> = (0..MAPPINGS)
        .map(|i| wanted(i, |i| spare.slot(i), 64 + (i % GREFS) as u32, puppet.id))
        .collect();
    done(GNTTABOP_map_grant_ref, &mut maps, |op| op.status)?;
    end(puppet)?;
    let mut unmaps: Vec<_> = maps.iter().map(super::grants::unmap).collect();
    done(GNTTABOP_unmap_grant_ref, &mut unmaps, |op| op.status)?;
    crate::check::page::extended(MMUEXT_UNPIN_TABLE, spare.mfn(), 0)
}
