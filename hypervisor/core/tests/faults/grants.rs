//! Operations on what domains grant each other.

use hypercall_abi::grant_table::*;
use hypercall_abi::xen::{__HYPERVISOR_grant_table_op, DOMID_SELF};
use hypervisor_core::addr::Mfn;
use hypervisor_core::platform::Machine;
use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::operations::{HOLE, OnError, Operation, grant, hole, made, operations, spare};
use super::world::{BASE, Call, Caller, World};
use Caller::{Dom0, Guest};
use OnError::{Prefix, Undone};

/// The guest's entries that grant something.
const GREF: u32 = 3;
const DOM0: u16 = 0;
const GUEST: u16 = 1;

/// An operation on a list.
fn list<T: IntoBytes + Immutable>(w: &mut World, cmd: u32, all: &[T]) -> Call {
    let at = w.put(all);
    let args = [u64::from(cmd), at, all.len() as u64, 0, 0, 0];
    (__HYPERVISOR_grant_table_op, args)
}

/// The first frame of a domain's table, which it asks for.
fn table(w: &mut World, who: Caller) -> Mfn {
    made(w, who, |w| {
        let list = w.put(&[0_u64; 1]);
        let mut request = gnttab_setup_table::new_zeroed();
        (request.dom, request.nr_frames, request.frame_list) = (DOMID_SELF, 1, list);
        grant(w, GNTTABOP_setup_table, &request)
    });
    w.caller(who).dom.lock().grants.frames[0]
}

/// The guest grants its spare pages to `grantee`, from [`GREF`] on: three to be written.
fn granted(w: &mut World, grantee: u16) -> Mfn {
    let table = table(w, Guest);
    for n in 0..3 {
        let frame = spare(w, n);
        let entry = u64::from(GTF_permit_access) | u64::from(grantee) << 16 | frame << 32;
        let at = (GREF as usize + n) * 8;
        w.hv.machine.store_u64(table, at, entry);
    }
    table
}

/// Mappings of the first entries from the first empty address on.
fn maps(dom: u16, flags: u32, count: u32) -> Vec<gnttab_map_grant_ref> {
    (0..count)
        .map(|n| {
            let mut map = gnttab_map_grant_ref::new_zeroed();
            map.host_addr = HOLE + u64::from(n) * 4096;
            (map.flags, map.r#ref, map.dom) = (flags, GREF + n, dom);
            map
        })
        .collect()
}

fn map(w: &mut World, dom: u16, flags: u32, count: u32) -> Call {
    list(w, GNTTABOP_map_grant_ref, &maps(dom, flags, count))
}

/// The same, done.
fn mapped(w: &mut World, who: Caller, flags: u32) {
    let grantee = w.caller(who).dom.id();
    granted(w, grantee);
    made(w, who, |w| map(w, GUEST, flags, 2));
}

fn unmaps(count: u32) -> Vec<gnttab_unmap_grant_ref> {
    (0..count)
        .map(|n| {
            let mut unmap = gnttab_unmap_grant_ref::new_zeroed();
            (unmap.host_addr, unmap.handle) = (HOLE + u64::from(n) * 4096, n);
            unmap
        })
        .collect()
}

/// A copy of 100 bytes; `flags` say which sides are grants.
fn copy(w: &mut World, flags: u16) -> gnttab_copy {
    let mut copy = gnttab_copy::new_zeroed();
    (copy.len, copy.flags) = (100, flags);
    let side = |is_grant: bool, gref: u32, frame: u64| {
        let mut ptr = gnttab_copy_ptr::new_zeroed();
        (ptr.u, ptr.domid) = if is_grant {
            (gref.into(), GUEST)
        } else {
            (frame, DOMID_SELF)
        };
        ptr.offset = 8;
        ptr
    };
    let (from, to) = (w.dom0.pages[0].0, w.dom0.pages[1].0);
    copy.source = side(flags & GNTCOPY_source_gref != 0, GREF, from);
    copy.dest = side(flags & GNTCOPY_dest_gref != 0, GREF + 1, to);
    copy
}

fn copies(w: &mut World, flags: [u16; 2]) -> Call {
    granted(w, DOM0);
    let all = flags.map(|flags| copy(w, flags));
    list(w, GNTTABOP_copy, &all)
}

fn transfer(w: &mut World, domid: u16, accepted: u16) -> Call {
    let table = table(w, Guest);
    let entry = u64::from(accepted) | u64::from(GUEST) << 16;
    w.hv.machine.store_u64(table, GREF as usize * 8, entry);
    let mut transfer = gnttab_transfer::new_zeroed();
    (transfer.mfn, transfer.domid, transfer.r#ref) = (spare(w, 4), domid, GREF);
    list(w, GNTTABOP_transfer, &[transfer])
}

/// Undoes the mappings that dom0 has, wherever operations make them. What it overwrote itself stays.
pub fn unmap_all(w: &mut World) {
    let entry = w.dom0.tables[0].addr() + (hole(w) & 0xfff);
    let addresses = [HOLE, HOLE + 4096, HOLE + 2 * 4096, entry];
    let mappings = w.dom0.dom.lock().grants.list(w.hv.machine);
    for (handle, frame, _) in mappings.into_iter().rev() {
        for host_addr in addresses {
            let mut unmap = gnttab_unmap_grant_ref::new_zeroed();
            (unmap.host_addr, unmap.handle) = (host_addr, handle);
            unmap.dev_bus_addr = frame.addr();
            made(w, Dom0, |w| list(w, GNTTABOP_unmap_grant_ref, &[unmap]));
        }
    }
}

pub const GRANTS: &[Operation] = operations! {
    grant_map Dom0 Prefix |w| {
        granted(w, DOM0);
        map(w, GUEST, GNTMAP_host_map, 3)
    };
    grant_map_read_only Dom0 Prefix |w| {
        granted(w, DOM0);
        map(w, GUEST, GNTMAP_host_map | GNTMAP_readonly, 3)
    };
    grant_map_of_own Guest Prefix |w| {
        granted(w, GUEST);
        map(w, GUEST, GNTMAP_host_map, 2)
    };
    grant_map_for_devices Dom0 Prefix |w| {
        granted(w, DOM0);
        let mut all = maps(GUEST, GNTMAP_device_map, 3);
        all[1].flags |= GNTMAP_host_map | GNTMAP_readonly;
        all[2].flags |= GNTMAP_readonly;
        list(w, GNTTABOP_map_grant_ref, &all)
    };
    grant_map_entry Dom0 Prefix |w| {
        granted(w, DOM0);
        let mut all = maps(GUEST, GNTMAP_host_map | GNTMAP_contains_pte, 1);
        all[0].host_addr = w.dom0.tables[0].addr() + (hole(w) & 0xfff);
        list(w, GNTTABOP_map_grant_ref, &all)
    };
    grant_map_nothing Dom0 Prefix |w| {
        granted(w, DOM0);
        let mut all = maps(GUEST, GNTMAP_host_map, 3);
        (all[0].host_addr, all[1].dom) = (0x10, 7);
        all[2].r#ref = 600;
        list(w, GNTTABOP_map_grant_ref, &all)
    };
    grant_map_over_another Dom0 Prefix |w| {
        mapped(w, Dom0, GNTMAP_host_map);
        map(w, GUEST, GNTMAP_host_map, 2)
    };
    grant_unmap Dom0 Prefix |w| {
        mapped(w, Dom0, GNTMAP_host_map);
        list(w, GNTTABOP_unmap_grant_ref, &unmaps(3))
    };
    grant_unmap_devices Dom0 Prefix |w| {
        mapped(w, Dom0, GNTMAP_host_map | GNTMAP_device_map);
        let mut all = unmaps(2);
        all[0].dev_bus_addr = spare(w, 0) << 12;
        list(w, GNTTABOP_unmap_grant_ref, &all)
    };
    grant_replace Guest Prefix |w| {
        mapped(w, Guest, GNTMAP_host_map);
        let mut replace = gnttab_unmap_and_replace::new_zeroed();
        (replace.host_addr, replace.new_addr) = (HOLE, BASE);
        let mut bad = gnttab_unmap_and_replace::new_zeroed();
        (bad.host_addr, bad.new_addr, bad.handle) = (HOLE, BASE + 4096, 1);
        list(w, GNTTABOP_unmap_and_replace, &[replace, bad])
    };
    grant_copy Dom0 Prefix |w| copies(w, [GNTCOPY_source_gref, GNTCOPY_dest_gref]);
    grant_copy_between Dom0 Prefix |w| {
        copies(w, [GNTCOPY_source_gref | GNTCOPY_dest_gref, 0])
    };
    grant_copy_too_far Dom0 Prefix |w| {
        granted(w, DOM0);
        let mut far = copy(w, GNTCOPY_source_gref);
        far.len = 4090;
        let mut odd = copy(w, GNTCOPY_dest_gref);
        odd.source.u = 1 << 40;
        list(w, GNTTABOP_copy, &[far, odd])
    };
    grant_transfer Guest Prefix |w| transfer(w, GUEST, GTF_accept_transfer);
    grant_transfer_unwanted Guest Prefix |w| transfer(w, GUEST, GTF_permit_access);
    grant_transfer_to_nobody Guest Prefix |w| transfer(w, 7, GTF_accept_transfer);
    grant_status_frames Guest Undone |w| {
        let mut request = gnttab_get_status_frames::new_zeroed();
        (request.dom, request.nr_frames) = (DOMID_SELF, 1);
        request.frame_list = w.put(&[0_u64; 1]);
        grant(w, GNTTABOP_get_status_frames, &request)
    };
    grant_swap Guest Prefix |w| {
        granted(w, DOM0);
        let mut swap = gnttab_swap_grant_ref::new_zeroed();
        (swap.ref_a, swap.ref_b) = (GREF, GREF + 9);
        list(w, GNTTABOP_swap_grant_ref, &[swap])
    };
    grant_cache_flush Dom0 Prefix |w| {
        mapped(w, Dom0, GNTMAP_host_map);
        let mut flush = gnttab_cache_flush::new_zeroed();
        (flush.a, flush.length, flush.op) = (spare(w, 1) << 12, 64, GNTTAB_CACHE_CLEAN);
        list(w, GNTTABOP_cache_flush, &[flush])
    };
};
