//! Pages and frames: reservations and exchanges of every size, pages given up while they are mapped,
//! operations on whole pages.

use super::{CALLS, Call, list, repeat, update};
use crate::check::page::{Page, address, call, extended};
use crate::hypercall::{HvResult, mmuext_frame, with_struct};
use crate::mm::paging::{ENTRIES, pte};
use alloc::vec::Vec;
use guest_user::abi::Errno;
use hypercall_abi::memory::*;
use hypercall_abi::xen::*;

/// Where populated pages are in this domain's own numbering: behind all that it uses.
const FAR: u64 = 0x100_0000;
/// Frames of a 2 MiB and of a 1 GiB extent, as powers of two.
const LARGE: u32 = 9;
const HUGE: u32 = 18;

fn reservation(list: &mut [u64], order: u32) -> xen_memory_reservation {
    xen_memory_reservation {
        extent_start: list.as_mut_ptr() as u64,
        nr_extents: list.len() as u64,
        extent_order: order,
        mem_flags: 0,
        domid: DOMID_SELF,
        _pad0: [0; 6],
    }
}

/// Changes the domain's memory by all extents of the list.
fn change(cmd: u32, list: &mut [u64], order: u32) -> HvResult {
    let mut arg = reservation(list, order);
    match with_struct(__HYPERVISOR_memory_op, cmd, &mut arg)? {
        done if done == list.len() as u64 => Ok(done),
        _ => Err(Errno::ENOMEM),
    }
}

/// Takes and gives back extents of a size; more pages than are free without other's data in them.
fn extents(order: u32, count: u64) -> HvResult {
    let mut list: Vec<u64> = (0..count).map(|i| FAR + (i << order)).collect();
    change(XENMEM_populate_physmap, &mut list, order)?;
    change(XENMEM_decrease_reservation, &mut list, order)?;
    change(XENMEM_increase_reservation, &mut list, order)?;
    change(XENMEM_decrease_reservation, &mut list, order)
}

pub(super) fn reservations() -> HvResult {
    extents(0, 4096)?;
    extents(LARGE, 8)?;
    extents(HUGE, 1)
}

fn swap(input: (&mut [u64], u32), output: (&mut [u64], u32)) -> HvResult {
    let mut arg = xen_memory_exchange {
        r#in: reservation(input.0, input.1),
        out: reservation(output.0, output.1),
        nr_exchanged: 0,
    };
    with_struct(__HYPERVISOR_memory_op, XENMEM_exchange, &mut arg)
}

/// One extent for many, and many for one.
pub(super) fn exchanges() -> HvResult {
    let mut large = [0];
    change(XENMEM_increase_reservation, &mut large, LARGE)?;
    let mut small: Vec<u64> = (0..1 << LARGE).map(|i| FAR + i).collect();
    swap((&mut large, LARGE), (&mut small, 0))?;
    large[0] = FAR;
    swap((&mut small, 0), (&mut large, LARGE))?;
    change(XENMEM_decrease_reservation, &mut large, LARGE)
}

/// A live table whose entries map frames that are given up: each goes when its entry does.
fn table_of_given_up() -> HvResult<Page> {
    let mut frames: Vec<u64> = alloc::vec![0; ENTRIES];
    change(XENMEM_increase_reservation, &mut frames, 0)?;
    let table = Page::new();
    for (i, frame) in frames.iter().enumerate() {
        table.write(i, frame << 12 | pte::RW);
    }
    table.protect();
    crate::hypercall::flush_tlb();
    extended(MMUEXT_PIN_L1_TABLE, table.mfn(), 0)?;
    change(XENMEM_decrease_reservation, &mut frames, 0)?;
    Ok(table)
}

/// Frames that are freed by the way: with their table, by requests, by lists of requests.
pub(super) fn given_up() -> HvResult {
    let table = table_of_given_up()?;
    extended(MMUEXT_UNPIN_TABLE, table.mfn(), 0)?;
    let clear = |table: &Page| -> Vec<mmu_update> {
        let request = |i| mmu_update {
            ptr: table.slot(i) | MMU_NORMAL_PT_UPDATE,
            val: 0,
        };
        (0..ENTRIES).map(request).collect()
    };
    let table = table_of_given_up()?;
    update(&clear(&table))?;
    extended(MMUEXT_UNPIN_TABLE, table.mfn(), 0)?;
    let table = table_of_given_up()?;
    let mut requests = clear(&table);
    let calls = requests.chunks_mut(32).map(|chunk| {
        let to = u64::from(DOMID_SELF);
        let args = [chunk.as_mut_ptr() as u64, chunk.len() as u64, 0, to, 0, 0];
        (__HYPERVISOR_mmu_update, args)
    });
    list(&calls.collect::<Vec<Call>>())?;
    extended(MMUEXT_UNPIN_TABLE, table.mfn(), 0)
}

/// Operations of `mmuext_op` that are no pins, each many times over, in one call and one by one.
pub(super) fn page_operations() -> HvResult {
    let [one, other] = core::array::from_fn(|_| Page::new());
    let mut vcpus = 1_u64;
    for (cmd, arg1, arg2) in [
        (MMUEXT_CLEAR_PAGE, one.mfn(), 0),
        (MMUEXT_COPY_PAGE, one.mfn(), other.mfn()),
        (MMUEXT_TLB_FLUSH_LOCAL, 0, 0),
        (MMUEXT_INVLPG_LOCAL, one.va(), 0),
        (MMUEXT_TLB_FLUSH_ALL, 0, 0),
        (MMUEXT_INVLPG_ALL, one.va(), 0),
        (MMUEXT_TLB_FLUSH_MULTI, 0, address(&mut vcpus)),
        (MMUEXT_INVLPG_MULTI, one.va(), address(&mut vcpus)),
        (MMUEXT_FLUSH_CACHE, 0, 0),
        (MMUEXT_SET_LDT, 0, 0),
    ] {
        let mut ops = [mmuext_frame(cmd, arg1); CALLS];
        for op in &mut ops {
            op.arg2 = arg2;
        }
        let to = u64::from(DOMID_SELF);
        let mut args = |count| [address(&mut ops), count, 0, to, 0, 0];
        let (all, single) = (args(CALLS as u64), args(1));
        // SAFETY: as in a list.
        unsafe {
            call(
                __HYPERVISOR_mmuext_op,
                *all.first_chunk().expect("five of six"),
            )
        }?;
        repeat(__HYPERVISOR_mmuext_op, single)?;
    }
    Ok(0)
}
