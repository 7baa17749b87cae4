//! What drivers among the processes ask for: pages that other domains grant, memory and registers
//! of devices.

use super::with_space;
use crate::dev::grant::Access;
use crate::dev::pci;
use crate::mm::{Mfn, PAGE_SIZE, user};
use crate::{boot_info, hypercall};
use alloc::vec::Vec;
use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};
use guest_user::abi::*;
use hypercall_abi::grant_table::*;
use hypercall_abi::physdev::{PHYSDEVOP_set_iopl, physdev_set_iopl};
use hypercall_abi::xen::{__HYPERVISOR_physdev_op, DOMID_SELF};
use zerocopy::{FromBytes, IntoBytes};

/// The most pages of a device's registers that are mapped at once: 64 MiB.
const IO_PAGES_MAX: u64 = 16_384;
/// Numbers of frames beyond this are not those of page-table entries.
const MFN_END: u64 = 1 << 40;
/// The ports of PCI configuration space: what is meant, and four bytes of what is there.
const PCI_ADDRESS: u16 = 0xcf8;
const PCI_DATA: u16 = 0xcfc;

fn domain(domid: u64) -> Result<u16, Errno> {
    u16::try_from(domid).map_err(|_| Errno::EINVAL)
}

/// Reads `count` structures of the process.
fn read_list<T: FromBytes>(ptr: u64, count: u64) -> Result<Vec<T>, Errno> {
    let size = size_of::<T>();
    let bytes = user::read(ptr, count * size as u64)?;
    let mut list = Vec::new();
    list.try_reserve_exact(count as usize)
        .map_err(|_| Errno::ENOMEM)?;
    list.extend(
        bytes
            .chunks_exact(size)
            .filter_map(|item| T::read_from_bytes(item).ok()),
    );
    Ok(list)
}

/// Serves `SYS_GRANT_MAP`.
pub(super) fn map(
    domid: u64,
    refs: u64,
    count: u64,
    writable: u64,
    statuses_at: u64,
) -> Result<u64, Errno> {
    if count == 0 || count > GRANTS_MAX || writable > 1 {
        return Err(Errno::EINVAL);
    }
    let (domid, refs) = (domain(domid)?, read_list::<u32>(refs, count)?);
    // What came of it must be told, so it must be possible to tell.
    user::check_writable(statuses_at, count * size_of::<i16>() as u64)?;
    let mut statuses = alloc::vec![0_i16; refs.len()];
    let result = with_space(|space| space.map_grants(domid, &refs, writable == 1, &mut statuses));
    user::write(statuses_at, statuses.as_bytes())?;
    result
}

/// Serves `SYS_GRANT_OFFER`.
pub(super) fn offer(domid: u64, writable: u64, gref_at: u64) -> Result<u64, Errno> {
    let access = match writable {
        0 => Access::Read,
        1 => Access::Write,
        _ => return Err(Errno::EINVAL),
    };
    let domid = domain(domid)?;
    user::check_writable(gref_at, size_of::<u32>() as u64)?;
    let (va, gref) = with_space(|space| space.offer(domid, access))?;
    user::write(gref_at, &gref.to_le_bytes())?;
    Ok(va)
}

/// Puts the frame into a side of a copy that is an address of the process.
fn localize(side: &mut gnttab_copy_ptr, len: u16, write: bool) -> Result<(), Errno> {
    // A frame of another domain is named by a grant, or not at all.
    if side.domid != DOMID_SELF || side.offset != 0 {
        return Err(Errno::EINVAL);
    }
    let (mfn, offset) = with_space(|space| space.own_frame(side.u, len.into(), write))?;
    (side.u, side.offset) = (mfn.0, offset as u16);
    Ok(())
}

/// Serves `SYS_GRANT_COPY`.
pub(super) fn copy(ptr: u64, count: u64) -> Result<u64, Errno> {
    if count > GRANTS_MAX {
        return Err(Errno::EINVAL);
    }
    let asked = read_list::<gnttab_copy>(ptr, count)?;
    user::check_writable(ptr, size_of_val(&asked[..]) as u64)?;
    let mut ops = asked.clone();
    for op in &mut ops {
        if op.flags & GNTCOPY_source_gref == 0 {
            localize(&mut op.source, op.len, false)?;
        }
        if op.flags & GNTCOPY_dest_gref == 0 {
            localize(&mut op.dest, op.len, true)?;
        }
        op.status = GNTST_general_error;
    }
    // SAFETY: bytes go to pages of the process, which asks for it, and to those of others.
    let result = unsafe { hypercall::grant_table_op(GNTTABOP_copy, &mut ops) };
    let told = asked.into_iter().zip(&ops).map(|(mut asked, op)| {
        asked.status = op.status;
        asked
    });
    user::write(ptr, told.collect::<Vec<_>>().as_bytes())?;
    result
}

/// Serves `SYS_DMA_ALLOC`.
pub(super) fn dma(pages: u64, address_at: u64) -> Result<u64, Errno> {
    if !pages.is_power_of_two() || pages > DMA_PAGES_MAX {
        return Err(Errno::EINVAL);
    }
    user::check_writable(address_at, 8)?;
    let order = pages.trailing_zeros();
    let (va, mfn) = with_space(|space| space.map_dma(order))?;
    user::write(address_at, &(mfn.0 * PAGE_SIZE).to_le_bytes())?;
    Ok(va)
}

/// Serves `SYS_IOMEM_MAP`; the hypervisor knows what the domain may map.
pub(super) fn io_memory(address: u64, len: u64) -> Result<u64, Errno> {
    let pages = len.div_ceil(PAGE_SIZE);
    let first = address / PAGE_SIZE;
    if !address.is_multiple_of(PAGE_SIZE) || pages == 0 || pages > IO_PAGES_MAX {
        return Err(Errno::EINVAL);
    }
    if first + pages > MFN_END {
        return Err(Errno::EINVAL);
    }
    with_space(|space| space.map_io(Mfn(first), pages as usize))
}

/// Whether the kernel may use ports: the hypervisor is asked once.
fn may_use_ports() -> Result<(), Errno> {
    static ASKED: AtomicBool = AtomicBool::new(false);
    if !boot_info().is_dom0() {
        return Err(Errno::EPERM);
    }
    if !ASKED.load(Ordering::Relaxed) {
        let mut arg = physdev_set_iopl { iopl: 1 };
        hypercall::with_struct(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &mut arg)?;
        ASKED.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// The word that names a place in PCI configuration space to its address port.
fn pci_place(place: u64) -> Result<u32, Errno> {
    let valid = place < 1 << 24 && place.is_multiple_of(4);
    if valid {
        Ok(place as u32 | 1 << 31)
    } else {
        Err(Errno::EINVAL)
    }
}

fn port_out(port: u16, value: u32) {
    // SAFETY: the port is one of PCI configuration space, so no memory changes but by a device that
    // is told to write there; that is the driver's matter, which dom0 trusts.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack)) };
}

/// Serves `SYS_PCI_READ`.
pub(super) fn pci_read(place: u64) -> Result<u64, Errno> {
    let word = pci_place(place)?;
    if !boot_info().is_dom0() {
        return pci::read(place).map(u64::from);
    }
    may_use_ports()?;
    port_out(PCI_ADDRESS, word);
    let value: u32;
    // SAFETY: as in `port_out`; reading changes no memory.
    unsafe { asm!("in eax, dx", in("dx") PCI_DATA, out("eax") value, options(nostack)) };
    Ok(value.into())
}

/// Serves `SYS_PCI_WRITE`.
pub(super) fn pci_write(place: u64, value: u64) -> Result<u64, Errno> {
    let (word, value) = (pci_place(place)?, u32::try_from(value));
    let value = value.map_err(|_| Errno::EINVAL)?;
    if !boot_info().is_dom0() {
        return pci::write(place, value).map(|()| 0);
    }
    may_use_ports()?;
    port_out(PCI_ADDRESS, word);
    port_out(PCI_DATA, value);
    Ok(0)
}
