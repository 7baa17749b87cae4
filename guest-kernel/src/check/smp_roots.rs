//! Hypercalls of other vCPUs that write through an entry of the root which goes, comes and changes,
//! while the tables behind it are given up and filled with what would lead elsewhere.

use super::Report;
use super::page::*;
use crate::mm::p2m;
use crate::mm::paging::{self, pte};
use crate::smp::{self, vcpu_op};
use core::sync::atomic::{AtomicU64, Ordering};
use guest_user::abi::Errno;
use hypercall_abi::vcpu::VCPUOP_get_runstate_info;
use hypercall_abi::xen::*;

/// vCPUs whose calls write.
const WRITERS: [usize; 2] = [1, 2];
const ROUNDS: u64 = 50;
/// Calls that are waited for before something is taken to be so.
const CALLS: u64 = 20;
/// A slot of the root that is free, and what is first behind it.
const SLOT: usize = 5;
const ADDRESS: u64 = (SLOT as u64) << 39;

static STOP: AtomicU64 = AtomicU64::new(0);
static WRITTEN: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// Has the hypervisor write its own state behind the slot, until it is to end; how many answers were
/// neither of the two.
extern "C" fn ask_on(vcpu: u64) -> u64 {
    let mut others = 0;
    while STOP.load(Ordering::Relaxed) == 0 {
        match vcpu_op(VCPUOP_get_runstate_info, vcpu as usize, ADDRESS) {
            Ok(0) => _ = WRITTEN.fetch_add(1, Ordering::SeqCst),
            Err(Errno::EFAULT) => _ = REFUSED.fetch_add(1, Ordering::SeqCst),
            _ => others += 1,
        }
    }
    others
}

/// Waits for some calls that come to this.
fn more(count: &AtomicU64) -> bool {
    let from = count.load(Ordering::SeqCst);
    smp::wait(|| count.load(Ordering::SeqCst) > from + CALLS)
}

/// Tables of levels 3, 2 and 1, and the page that they map at their first address.
struct Chain([Page; 4]);

impl Chain {
    /// All of it plain pages.
    fn new() -> Self {
        let chain = Self([(); 4].map(|()| Page::new()));
        chain.fill();
        chain
    }

    fn fill(&self) {
        let [l3, l2, l1, data] = &self.0;
        l3.write(0, l2.entry(pte::TABLE));
        l2.write(0, l1.entry(pte::TABLE));
        l1.write(0, data.entry(pte::RW));
    }

    /// Tables are not to be written to.
    fn protect(&self) {
        self.0[..3].iter().for_each(Page::protect);
    }

    fn data(&self) -> &Page {
        &self.0[3]
    }

    /// Puts it behind the slot.
    fn install(&self) -> bool {
        set(self.0[0].entry(pte::TABLE))
    }
}

/// Sets the slot's entry; whether that was allowed.
fn set(entry: u64) -> bool {
    let root = p2m::mfn(paging::boot_root().0).0;
    update((root << 12) + SLOT as u64 * 8, entry, DOMID_SELF).is_ok()
}

fn is_blank(page: &Page) -> bool {
    (0..512).all(|i| page.read(i) == 0)
}

/// Times that something was not as it must be.
struct Wrong(u64);

impl Wrong {
    fn unless(&mut self, right: bool) {
        self.0 += u64::from(!right);
    }
}

pub(super) fn check(r: &mut Report) {
    STOP.store(0, Ordering::SeqCst);
    for vcpu in WRITERS {
        smp::start(vcpu, ask_on, vcpu as u64);
    }
    changed(r);
    given_up(r);
    STOP.store(1, Ordering::SeqCst);
    for vcpu in WRITERS {
        r.line(format_args!("writer={:?}", smp::finish(vcpu)));
    }
}

/// The slot leads to one page, then to another, then nowhere: a new entry is found at once, an old one
/// is not behind a flush.
fn changed(r: &mut Report) {
    let (first, second) = (Chain::new(), Chain::new());
    first.protect();
    second.protect();
    let mut wrong = Wrong(0);
    for _ in 0..ROUNDS {
        wrong.unless(first.install() && more(&WRITTEN));
        wrong.unless(second.install() && extended(MMUEXT_TLB_FLUSH_ALL, 0, 0).is_ok());
        // What had begun before is over then.
        wrong.unless(more(&WRITTEN));
        (0..512).for_each(|i| first.data().write(i, 0));
        wrong.unless(more(&WRITTEN) && is_blank(first.data()) && !is_blank(second.data()));
        wrong.unless(set(0) && extended(MMUEXT_TLB_FLUSH_ALL, 0, 0).is_ok());
        wrong.unless(more(&REFUSED));
        (0..512).for_each(|i| second.data().write(i, 0));
        wrong.unless(more(&REFUSED) && is_blank(second.data()));
    }
    r.line(format_args!("changed={ROUNDS} wrong={}", wrong.0));
}

/// The level-3 table behind the slot becomes a plain page that would lead to another. No flush is asked
/// for: the hypervisor knows when it needs one.
fn given_up(r: &mut Report) {
    let (chain, elsewhere) = (Chain::new(), Chain::new());
    let mut wrong = Wrong(0);
    for _ in 0..ROUNDS {
        chain.protect();
        wrong.unless(chain.install() && more(&WRITTEN));
        wrong.unless(set(0));
        let l3 = &chain.0[0];
        l3.restore();
        l3.write(0, elsewhere.0[1].entry(pte::TABLE));
        wrong.unless(more(&REFUSED) && is_blank(elsewhere.data()));
        chain.0[..3].iter().for_each(Page::restore);
        chain.fill();
    }
    r.line(format_args!("given_up={ROUNDS} wrong={}", wrong.0));
}
