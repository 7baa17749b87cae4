//! Memory given up and taken back, per page.

use super::measure::{Call, least, once};
use super::{Bench, Figures};
use crate::check::page::{Page, address};
use crate::mm::Mfn;
use hypercall_abi::memory::*;
use hypercall_abi::xen::{__HYPERVISOR_memory_op, DOMID_SELF};

pub(super) const BENCHES: &[Bench] = &[reservations];

/// Makes the call once with a list; its ticks. The list holds what the hypervisor made of it.
fn change(op: u32, list: &mut [u64]) -> Result<u64, i64> {
    let mut arg = xen_memory_reservation {
        extent_start: list.as_mut_ptr() as u64,
        nr_extents: list.len() as u64,
        extent_order: 0,
        mem_flags: 0,
        domid: DOMID_SELF,
        _pad0: [0; 6],
    };
    let call = Call::new(
        __HYPERVISOR_memory_op,
        [u64::from(op), address(&mut arg), 0, 0, 0],
    );
    // SAFETY: the frames given up are unmapped spare pages; the call writes the list.
    unsafe { once(&mut [call; 2], 1) }
}

fn reservations(f: &mut Figures) {
    cycle::<1>(f, ["decrease_1", "populate_1"]);
    cycle::<64>(f, ["decrease_64_per_page", "populate_64_per_page"]);
}

/// Gives up pages in one call and takes as many back in another.
fn cycle<const COUNT: usize>(f: &mut Figures, names: [&'static str; 2]) {
    let pages: [Page; COUNT] = core::array::from_fn(|_| Page::new());
    let mut frames = pages.each_ref().map(Page::mfn);
    for page in &pages {
        page.map(0).expect("a spare page can be unmapped");
    }
    let mut back = u64::MAX;
    let away = least(|| {
        f.begin(names[0], COUNT as u64);
        let away = change(XENMEM_decrease_reservation, &mut frames)?;
        frames = pages.each_ref().map(Page::pfn);
        f.begin(names[1], COUNT as u64);
        back = back.min(change(XENMEM_populate_physmap, &mut frames)?);
        Ok(away)
    });
    match away {
        Ok(away) => {
            f.ticks(names[0], away, COUNT as u64);
            f.ticks(names[1], back, COUNT as u64);
        }
        Err(result) => f.refused(names[0], result),
    }
    for (page, mfn) in pages.iter().zip(frames) {
        page.replace(Mfn(mfn));
    }
}
