//! `XENMEM_claim_pages`: memory set aside for a domain that is to get it.

use super::memory_ops::{DOMAINS, create, reservation, with};
use super::page::*;
use super::{Check, Report};
use crate::dev::time;
use crate::hypercall::HvResult;
use crate::mm::paging::pte;
use hypercall_abi::domctl::*;
use hypercall_abi::memory::*;
use hypercall_abi::sysctl::*;
use hypercall_abi::xen::*;
use zerocopy::FromZeros;

pub(super) const CHECKS: &[Check] = &[
    ("claim_refused", refused),
    ("claim", life),
    ("claim_of_two", of_two),
    ("claim_of_all", of_all),
    ("claim_own", own),
    ("claim_dying", dying),
];

/// A claim of `pages` for `domid`.
fn claim(domid: u16, pages: u64) -> HvResult {
    let mut arg = reservation(&mut [], domid);
    (arg.extent_start, arg.nr_extents) = (0, pages);
    with(XENMEM_claim_pages, &mut arg)
}

pub(super) fn destroy(domain: u16) -> HvResult {
    domctl(XEN_DOMCTL_destroydomain, domain, 0_u64).map(|_| 0)
}

pub(super) fn info(domain: u16) -> HvResult<xen_domctl_getdomaininfo> {
    let info = xen_domctl_getdomaininfo::new_zeroed();
    Ok(domctl(XEN_DOMCTL_getdomaininfo, domain, info)?.u.get())
}

/// The machine's free pages, and those of them that are claimed.
fn machine() -> (u64, u64) {
    let mut info = xen_sysctl_physinfo::new_zeroed();
    sysctl(XEN_SYSCTL_physinfo, &mut info).expect("the control domain may ask");
    (info.free_pages, info.outstanding_pages)
}

/// The free pages, once those of domains that have been destroyed are: real Xen frees them later.
pub(super) fn settled() -> u64 {
    /// How often in a row the number must be the same.
    const OFTEN: u32 = 50;
    const MILLISECOND: u64 = 1_000_000;
    let (mut free, mut times) = (0, 0);
    while times < OFTEN {
        let (now, _) = machine();
        times = if now == free { times + 1 } else { 0 };
        free = now;
        let _ = super::sched::poll_for(0, 0, time::system_time() + MILLISECOND);
    }
    free
}

/// Says how a step ended, and what `domain` has and claims then.
fn step(r: &mut Report, key: &str, result: HvResult, domain: u16) {
    let (free, all) = machine();
    match info(domain) {
        Ok(info) => r.line(format_args!(
            "{key}={} has={} claims={} all={all} enough={}",
            Shown(result),
            info.tot_pages,
            info.outstanding_pages,
            all <= free
        )),
        Err(errno) => r.result(key, Err(errno)),
    }
}

/// Pages come to `domain` or go, as `cmd` says.
fn change(cmd: u32, domain: u16, list: &mut [u64]) -> HvResult {
    with(cmd, &mut reservation(list, domain))
}

fn refused(r: &mut Report) {
    for (name, domid) in DOMAINS {
        r.result(name, claim(domid, 0));
    }
    let domain = match create(64) {
        Ok(domain) => domain,
        Err(errno) => return r.result("create", Err(errno)),
    };
    let wanted = || {
        let mut arg = reservation(&mut [], domain);
        (arg.extent_start, arg.nr_extents) = (0, 1);
        arg
    };
    let mut order = wanted();
    order.extent_order = 1;
    r.result("order", with(XENMEM_claim_pages, &mut order));
    let mut list = wanted();
    list.extent_start = 0x1000;
    r.result("list", with(XENMEM_claim_pages, &mut list));
    for flags in [1, XENMEMF_vnode, 1 << 8, 1 << 31] {
        let mut arg = wanted();
        arg.mem_flags = flags;
        let result = with(XENMEM_claim_pages, &mut arg);
        r.line(format_args!("flags_{flags:#x}={}", Shown(result)));
    }
    for (key, pages) in [
        ("beyond_maximum", 65),
        ("over_32_bits", (1 << 32) | 1),
        ("huge", 1 << 40),
        ("all_ones", u64::MAX),
    ] {
        step(r, key, claim(domain, pages), domain);
    }
    r.outcome("destroy", destroy(domain));
}

/// What becomes of a claim.
enum Act {
    Claim(u64),
    /// Pages come.
    Populate(usize),
    /// The last pages go.
    Decrease(usize),
    /// An extent of this order comes.
    Extent(u32),
    /// The domain may have so many pages.
    Most(u64),
}

fn life(r: &mut Report) {
    use Act::*;
    let domain = match create(64) {
        Ok(domain) => domain,
        Err(errno) => return r.result("create", Err(errno)),
    };
    let mut list = [0_u64; 64];
    let mut has = 0;
    for (key, act) in [
        ("some", Claim(16)),
        ("again", Claim(16)),
        ("fewer", Claim(8)),
        ("more", Claim(20)),
        ("too_many", Claim(65)),
        ("none", Claim(0)),
        ("none_again", Claim(0)),
        ("whole", Claim(64)),
        ("come", Populate(4)),
        ("goes", Decrease(1)),
        ("beside", Claim(2)),
        ("cancel", Claim(0)),
        ("fewer_than_there", Claim(2)),
        ("as_there", Claim(3)),
        ("one_more", Claim(4)),
        ("used_up", Populate(1)),
        ("goes_after", Decrease(1)),
        ("claim_6", Claim(6)),
        ("all_go", Decrease(3)),
        ("extent", Extent(2)),
        ("larger_extent", Extent(3)),
        ("come_back", Populate(2)),
        ("claim_20", Claim(20)),
        ("exceed", Populate(10)),
        ("go", Decrease(10)),
        ("claim_30", Claim(30)),
        ("lower_maximum", Most(24)),
        ("up_to_it", Populate(12)),
        ("higher", Most(64)),
        ("cancel_it", Claim(0)),
        ("rest", Claim(64)),
    ] {
        let result = match act {
            Claim(pages) => claim(domain, pages),
            Populate(count) => {
                let part = &mut list[has..has + count];
                part.fill(7);
                let result = change(XENMEM_populate_physmap, domain, part);
                has += result.unwrap_or(0) as usize;
                result
            }
            Decrease(count) => {
                has -= count;
                let part = &mut list[has..has + count];
                change(XENMEM_decrease_reservation, domain, part)
            }
            Extent(order) => {
                let mut first = [0];
                let mut arg = reservation(&mut first, domain);
                arg.extent_order = order;
                let result = with(XENMEM_populate_physmap, &mut arg);
                if result == Ok(1) {
                    for page in 0..1 << order {
                        list[has] = first[0] + page;
                        has += 1;
                    }
                }
                result
            }
            Most(pages) => {
                let most = xen_domctl_max_mem {
                    max_memkb: pages * 4,
                };
                domctl(XEN_DOMCTL_max_mem, domain, most).map(|_| 0)
            }
        };
        step(r, key, result, domain);
    }
    r.outcome("destroy", destroy(domain));
    r.line(format_args!("released={}", machine().1));
}

/// Claims of two domains add up.
fn of_two(r: &mut Report) {
    let (Ok(a), Ok(b)) = (create(64), create(64)) else {
        return r.error("a domain cannot be created");
    };
    step(r, "first", claim(a, 10), a);
    step(r, "second", claim(b, 20), b);
    let mut list = [0; 5];
    step(r, "come", change(XENMEM_populate_physmap, a, &mut list), a);
    step(r, "other", Ok(0), b);
    r.outcome("destroy_first", destroy(a));
    step(r, "left", Ok(0), b);
    r.outcome("destroy_second", destroy(b));
    r.line(format_args!("released={}", machine().1));
}

/// Nearly all there is is claimed: who may take what then.
fn of_all(r: &mut Report) {
    let (Ok(a), Ok(b)) = (create(1 << 20), create(64)) else {
        return r.error("a domain cannot be created");
    };
    let has = |domain: u16| info(domain).map(|info| info.tot_pages);
    let free = settled();
    r.result("more_than_free", claim(a, free + 1));
    r.result("most", claim(a, free - 8));
    let (now, all) = machine();
    r.line(format_args!(
        "free={} claimed={}",
        now == free,
        all == free - 8
    ));
    r.result("second", claim(b, 9));
    let mut list = [0; 12];
    let result = change(XENMEM_populate_physmap, b, &mut list);
    r.line(format_args!(
        "other={} has={}",
        Shown(result),
        Shown(has(b))
    ));
    let result = change(XENMEM_increase_reservation, b, &mut list[8..]);
    r.line(format_args!(
        "other_more={} has={}",
        Shown(result),
        Shown(has(b))
    ));
    let result = change(XENMEM_decrease_reservation, b, &mut list[4..8]);
    r.line(format_args!("goes={} has={}", Shown(result), Shown(has(b))));
    let mut extent = |key, domain, order| {
        let mut first = [0];
        let mut arg = reservation(&mut first, domain);
        arg.extent_order = order;
        let result = with(XENMEM_populate_physmap, &mut arg);
        r.line(format_args!(
            "{key}={} has={}",
            Shown(result),
            Shown(has(domain))
        ));
    };
    extent("extent_of_other", b, 3);
    extent("smaller_extent", b, 2);
    extent("extent_of_claim", a, 3);
    let mut some = [0; 4];
    let result = change(XENMEM_populate_physmap, a, &mut some);
    r.line(format_args!(
        "claimed_come={} has={}",
        Shown(result),
        Shown(has(a))
    ));
    let mut own = [0; 1];
    r.result(
        "own",
        change(XENMEM_increase_reservation, DOMID_SELF, &mut own),
    );
    exchange_one(r, "exchange");
    r.outcome("create", create(4).map(u64::from));
    let result = change(XENMEM_decrease_reservation, a, &mut some[..2]);
    r.line(format_args!(
        "claimed_go={} has={}",
        Shown(result),
        Shown(has(a))
    ));
    r.result(
        "own",
        change(XENMEM_increase_reservation, DOMID_SELF, &mut own),
    );
    r.result("cancel", claim(a, 0));
    exchange_one(r, "exchange_after");
    r.outcome("destroy", destroy(a));
    r.outcome("destroy_other", destroy(b));
    r.line(format_args!("released={}", machine().1));
}

/// Exchanges a page of the kernel's for another.
fn exchange_one(r: &mut Report, key: &str) {
    let page = Page::new();
    page.map(0).expect("a page can be unmapped");
    let (mut input, mut output) = ([page.mfn()], [page.pfn()]);
    let mut arg = xen_memory_exchange::new_zeroed();
    arg.r#in = reservation(&mut input, DOMID_SELF);
    arg.out = reservation(&mut output, DOMID_SELF);
    let result = with(XENMEM_exchange, &mut arg);
    if result.is_ok() {
        page.replace(crate::mm::Mfn(output[0]));
    }
    r.line(format_args!(
        "{key}={} done={}",
        Shown(result),
        arg.nr_exchanged
    ));
}

/// The control domain claims for itself.
fn own(r: &mut Report) {
    let Ok(before) = info(0) else {
        return r.error("no information");
    };
    let has = before.tot_pages;
    let step = |r: &mut Report, key, result| {
        let Ok(now) = info(0) else { return };
        r.line(format_args!(
            "{key}={} change={:#x} claims={}",
            Shown(result),
            now.tot_pages.wrapping_sub(has),
            now.outstanding_pages
        ));
    };
    step(r, "as_there", claim(0, has));
    step(r, "two_more", claim(0, has + 2));
    let mut page = [0];
    let result = change(XENMEM_increase_reservation, DOMID_SELF, &mut page);
    step(r, "come", result);
    let result = change(XENMEM_decrease_reservation, DOMID_SELF, &mut page);
    step(r, "goes", result);
    step(r, "cancel", claim(0, 0));
    step(r, "one_more", claim(0, has + 1));
    exchange_one(r, "exchange");
    step(r, "exchanged", Ok(0));
    step(r, "none", claim(0, 0));
}

/// A domain that is dying, because a page of it is mapped: no memory comes to it. That real Xen takes
/// another claim for it is not tried: that never ends.
fn dying(r: &mut Report) {
    let domain = match create(64) {
        Ok(domain) => domain,
        Err(errno) => return r.result("create", Err(errno)),
    };
    step(r, "claim", claim(domain, 16), domain);
    let mut list = [0; 2];
    let result = change(XENMEM_populate_physmap, domain, &mut list);
    step(r, "come", result, domain);
    let page = Page::new();
    let mapped = update(page.own_slot(), list[0] << 12 | pte::RO, domain);
    r.result("map", mapped);
    r.outcome("destroy", destroy(domain));
    step(r, "dead", Ok(0), domain);
    step(r, "none", claim(domain, 0), domain);
    let result = change(XENMEM_populate_physmap, domain, &mut [0]);
    step(r, "comes", result, domain);
    let result = change(XENMEM_increase_reservation, domain, &mut [0]);
    step(r, "increases", result, domain);
    drop(page);
    r.line(format_args!("released={}", machine().1));
}
