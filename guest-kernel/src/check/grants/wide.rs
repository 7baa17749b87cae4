//! What another domain grants: one that the control domain made, and that never runs.

use super::*;
use crate::check::memory_ops::{create, reservation};
use crate::hypercall::with_struct;
use crate::stretch::domains::destroy;
use guest_user::abi::Errno;
use hypercall_abi::memory::*;

pub(in super::super) const CHECKS: &[Check] = &[
    ("grant_of_other", of_other),
    ("grant_of_dying", of_dying),
    ("grant_of_given_up", of_given_up),
];

/// A domain with four pages, and its table.
fn other() -> HvResult<(u16, [u64; 4], Table)> {
    let domain = create(16)?;
    let mut list = [0_u64; 4];
    let mut arg = reservation(&mut list, domain);
    let done = with_struct(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &mut arg)?;
    if done != 4 {
        return Err(Errno::ENOMEM);
    }
    Ok((domain, list, Table::of(domain)?))
}

fn finish(r: &mut Report, domain: u16) {
    for _ in 0..1000 {
        match destroy(domain) {
            Err(Errno::EAGAIN) => {}
            result => return r.outcome("destroy", result),
        }
    }
    r.error("the domain is not destroyed");
}

/// Whether there still is such a domain.
fn is_there(domain: u16) -> bool {
    let mut query = gnttab_query_size::new_zeroed();
    query.dom = domain;
    let result = op(GNTTABOP_query_size, core::slice::from_mut(&mut query));
    result.is_ok() && query.status == GNTST_okay
}

fn of_other(r: &mut Report) {
    let (domain, frames, table) = match other() {
        Ok(other) => other,
        Err(errno) => return r.result("other", Err(errno)),
    };
    let at = Page::new();
    table.set(9, GTF_permit_access, ME, frames[0]);
    table.set(10, GTF_permit_access | GTF_readonly, ME, frames[1]);
    table.set(11, GTF_permit_access, domain, frames[2]);
    table.set(12, GTF_permit_access, ME, at.mfn());
    for (key, gref, flags) in [
        ("usual", 9, 0),
        ("read_only", 9, GNTMAP_readonly),
        ("granted_read_only", 10, 0),
        ("to_read", 10, GNTMAP_readonly),
        ("to_itself", 11, 0),
        ("not_its_own", 12, 0),
        ("not_its_own_to_read", 12, GNTMAP_readonly),
        ("empty", 13, 0),
        ("beyond", 512, 0),
    ] {
        let mapped = map(at.va(), GNTMAP_host_map | flags, gref, domain);
        r.line(format_args!(
            "{key}={mapped} bits={:#x} itself={} flags={:#x}",
            at.bits(),
            at.is_itself(),
            table.flags(gref % 512)
        ));
        if mapped.status == GNTST_okay {
            if flags == 0 {
                at.write(5, 0xabcd);
            }
            r.line(format_args!(
                "{key}_reads={:#x} unmap={} flags={:#x}",
                at.read(5),
                unmap(at.va(), 0, mapped.handle),
                table.flags(gref)
            ));
        }
        at.restore();
    }
    // Its owner must let go before the other can have it as a table; a copy of it may be had.
    let mapped = map(at.va(), GNTMAP_host_map, 9, domain);
    r.line(format_args!("mapped={mapped}"));
    let entry = at.own_entry();
    let window = Page::new();
    r.result(
        "by_update_as_own",
        update(window.own_slot(), entry & !0xfff | pte::RO, DOMID_SELF),
    );
    r.result(
        "by_update_as_its",
        update(window.own_slot(), entry & !0xfff | pte::RO, domain),
    );
    window.restore();
    // A change of bits that are the guest's.
    r.result("bits", at.map(entry | 1 << 9));
    r.result("less", at.map(entry & !2));
    r.line(format_args!(
        "unmap={} flags={:#x}",
        unmap(at.va(), 0, mapped.handle),
        table.flags(9)
    ));
    at.restore();
    r.line(format_args!(
        "unmap_later={} flags={:#x}",
        unmap(at.va(), 0, mapped.handle),
        table.flags(9)
    ));
    drop(table);
    finish(r, domain);
    r.line(format_args!("there={}", is_there(domain)));
}

/// The granter dies while its page is mapped.
fn of_dying(r: &mut Report) {
    let (domain, frames, table) = match other() {
        Ok(other) => other,
        Err(errno) => return r.result("other", Err(errno)),
    };
    let at = Page::new();
    let read_only = Page::new();
    table.set(9, GTF_permit_access, ME, frames[0]);
    table.set(10, GTF_permit_access, ME, frames[1]);
    let first = map(at.va(), GNTMAP_host_map, 9, domain);
    let second = map(read_only.va(), GNTMAP_host_map | GNTMAP_readonly, 9, domain);
    r.line(format_args!("first={first} second={second}"));
    drop(table);
    finish(r, domain);
    at.write(1, 7);
    r.line(format_args!(
        "there={} reads={}",
        is_there(domain),
        read_only.read(1)
    ));
    let third = Page::new();
    let late = map(third.va(), GNTMAP_host_map, 10, domain);
    r.line(format_args!("late={late}"));
    if late.status == GNTST_okay {
        r.line(format_args!(
            "late_unmap={}",
            unmap(third.va(), 0, late.handle)
        ));
    }
    third.restore();
    let mut copy = gnttab_copy::new_zeroed();
    copy.source.u = 9;
    copy.source.domid = domain;
    copy.dest.u = third.mfn();
    copy.dest.domid = DOMID_SELF;
    (copy.len, copy.flags, copy.status) = (8, GNTCOPY_source_gref, UNTOUCHED);
    let result = op(GNTTABOP_copy, core::slice::from_mut(&mut copy));
    r.line(format_args!("copy={}", Outcome(result, copy.status)));
    r.line(format_args!(
        "unmap={} there={}",
        unmap(at.va(), 0, first.handle),
        is_there(domain)
    ));
    at.restore();
    r.line(format_args!(
        "unmap_last={} there={}",
        unmap(read_only.va(), 0, second.handle),
        is_there(domain)
    ));
    r.line(format_args!(
        "unmap_again={}",
        unmap(read_only.va(), 0, second.handle)
    ));
}

/// The granter gives up the page that is mapped.
fn of_given_up(r: &mut Report) {
    let (domain, mut frames, table) = match other() {
        Ok(other) => other,
        Err(errno) => return r.result("other", Err(errno)),
    };
    let at = Page::new();
    table.set(9, GTF_permit_access, ME, frames[0]);
    let mapped = map(at.va(), GNTMAP_host_map, 9, domain);
    r.line(format_args!("mapped={mapped}"));
    let count = || {
        let mut arg = xen_memory_domain { domid: domain };
        with_struct(__HYPERVISOR_memory_op, XENMEM_current_reservation, &mut arg)
    };
    let before = count();
    let mut arg = reservation(&mut frames[..1], domain);
    let result = with_struct(
        __HYPERVISOR_memory_op,
        XENMEM_decrease_reservation,
        &mut arg,
    );
    r.line(format_args!(
        "given_up={} before={} now={}",
        Shown(result),
        Shown(before),
        Shown(count())
    ));
    at.write(1, 99);
    let other = Page::new();
    let again = map(other.va(), GNTMAP_host_map, 9, domain);
    r.line(format_args!("again={again} flags={:#x}", table.flags(9)));
    if again.status == GNTST_okay {
        r.line(format_args!(
            "again_unmap={}",
            unmap(other.va(), 0, again.handle)
        ));
    }
    other.restore();
    r.line(format_args!(
        "unmap={} flags={:#x} now={}",
        unmap(at.va(), 0, mapped.handle),
        table.flags(9),
        Shown(count())
    ));
    let late = map(at.va(), GNTMAP_host_map, 9, domain);
    r.line(format_args!("late={late} flags={:#x}", table.flags(9)));
    at.restore();
    drop(table);
    finish(r, domain);
}
