//! Spare pages that checks map, type and spoil, and the words to describe what became of them.

use crate::hypercall::{self, HvResult, raw};
use crate::mm::paging::{self, Table, index, pte};
use crate::mm::{Mfn, PAGE_SIZE, Pfn, frame, p2m};
use core::fmt;
use guest_user::abi;
use hypercall_abi::Union;
use hypercall_abi::domctl::{XEN_DOMCTL_INTERFACE_VERSION, xen_domctl};
use hypercall_abi::sysctl::{XEN_SYSCTL_INTERFACE_VERSION, xen_sysctl};
use hypercall_abi::xen::*;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

/// An address that no table maps, in the half that processes use.
pub(crate) const UNMAPPED: u64 = 0x1000;
/// An address in the hypervisor's own range, beyond its machine-to-phys table.
pub(crate) const HOLE: u64 = 0xffff_8300_0000_0000;
/// An address that is not canonical.
pub(crate) const NON_CANONICAL: u64 = 0x8000_0000_0000_0000;
/// A domain that does not exist.
pub(crate) const NOBODY: u16 = 77;
/// Addresses that are no buffers, by name.
pub(crate) const BAD_ADDRESSES: [(&str, u64); 3] = [
    ("unmapped", UNMAPPED),
    ("hypervisor", HOLE),
    ("non_canonical", NON_CANONICAL),
];
/// The bits of an entry that hold the frame number.
const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// Makes a hypercall.
///
/// # Safety
/// As for [`raw`].
pub(crate) unsafe fn call(nr: u64, args: [u64; 5]) -> HvResult {
    // SAFETY: passed on to the caller.
    abi::result(unsafe { raw(nr, args) })
}

/// The address of a structure, as a hypercall argument.
pub(crate) fn address<T>(of: &mut T) -> u64 {
    core::ptr::from_mut(of) as u64
}

/// A `domctl` by the control domain, about `domain`, with this member of its union; the structure as it
/// came back.
pub(crate) fn domctl<T: IntoBytes + Immutable>(
    cmd: u32,
    domain: u16,
    member: T,
) -> HvResult<xen_domctl> {
    let mut op = xen_domctl::new_zeroed();
    (op.cmd, op.domain) = (cmd, domain);
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.u.set(member);
    // SAFETY: the control domain may; what is written is the structure and what it names.
    unsafe { call(__HYPERVISOR_domctl, [address(&mut op), 0, 0, 0, 0]) }?;
    Ok(op)
}

/// A `sysctl` of `cmd` with `u` in its union; what it answers there.
pub(crate) fn sysctl<T>(cmd: u32, u: &mut T) -> HvResult
where
    T: FromBytes + IntoBytes + Immutable,
{
    let mut op = xen_sysctl {
        cmd,
        interface_version: XEN_SYSCTL_INTERFACE_VERSION,
        u: Union::zeroed(),
    };
    op.u.set(core::mem::replace(u, T::new_zeroed()));
    // SAFETY: the operations made here write the structure alone, or what it names.
    let result = unsafe { call(__HYPERVISOR_sysctl, [address(&mut op), 0, 0, 0, 0]) };
    *u = op.u.get();
    result
}

/// A hypercall's result in the form that lines have it.
pub(crate) struct Shown(pub(crate) HvResult);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(value) => write!(f, "{value:#x}"),
            Err(errno) => write!(f, "-{}({})", errno.name(), errno.0),
        }
    }
}

/// A page of the kernel's that a check may do anything with; it is whole and free again when
/// this is dropped.
pub(crate) struct Page(Pfn);

impl Page {
    /// A page of zeroes, mapped writable like all free pages.
    pub(crate) fn new() -> Self {
        Self(frame::alloc_zeroed().expect("checks run while memory is plentiful"))
    }

    /// A page of zeroes that is mapped read-only, so that it can become a table.
    pub(crate) fn read_only() -> Self {
        let page = Self::new();
        page.protect();
        page
    }

    pub(crate) fn va(&self) -> u64 {
        self.0.va()
    }

    pub(crate) fn pfn(&self) -> u64 {
        self.0.0
    }

    pub(crate) fn mfn(&self) -> u64 {
        p2m::mfn(self.0).0
    }

    /// An entry that maps this page.
    pub(crate) fn entry(&self, bits: u64) -> u64 {
        self.mfn() << 12 | bits
    }

    /// The machine address of the page's entry `i`, if it is a table.
    pub(crate) fn slot(&self, i: usize) -> u64 {
        (self.mfn() << 12) + i as u64 * 8
    }

    /// Puts `entry` where the kernel's tables map this page.
    pub(crate) fn map(&self, entry: u64) -> HvResult {
        // SAFETY: nothing but the check uses this address.
        unsafe { hypercall::update_va_mapping(self.va(), entry, UVMF_INVLPG | UVMF_LOCAL) }
    }

    /// Puts another frame behind this page. The old one is gone.
    pub(crate) fn replace(&self, mfn: Mfn) {
        p2m::set(self.0, Some(mfn));
    }

    /// The table whose entry `own_index` maps this page.
    pub(crate) fn own_table(&self) -> Table {
        paging::find_l1(paging::boot_root(), self.va()).expect("the direct map has this page")
    }

    /// The machine address of the entry that maps this page.
    pub(crate) fn own_slot(&self) -> u64 {
        self.own_table().entry_address(index(self.va(), 1))
    }

    /// The entry that maps this page now.
    pub(crate) fn own_entry(&self) -> u64 {
        self.own_table().read(index(self.va(), 1))
    }

    /// The bits of the entry that maps this page now, without the frame.
    pub(crate) fn bits(&self) -> u64 {
        self.own_entry() & !FRAME
    }

    /// Whether this page's address shows itself.
    pub(crate) fn is_itself(&self) -> bool {
        self.own_entry() & FRAME == self.mfn() << 12
    }

    /// Makes the mapping the usual writable one again.
    pub(crate) fn restore(&self) {
        let entry = self.entry(pte::RW);
        self.map(entry).expect("a check leaves its page untyped");
    }

    /// Makes the mapping read-only.
    pub(crate) fn protect(&self) {
        self.map(self.entry(pte::RO))
            .expect("a page can be mapped read-only");
    }

    /// Reads word `i` through the mapping.
    pub(crate) fn read(&self, i: usize) -> u64 {
        assert!(i < (PAGE_SIZE / 8) as usize);
        let word = (self.va() as *const u64).wrapping_add(i);
        // SAFETY: checks leave the page mapped when they read it; the hypervisor may change it.
        unsafe { word.read_volatile() }
    }

    /// Writes word `i` through the mapping, which must be writable.
    pub(crate) fn write(&self, i: usize, value: u64) {
        assert!(i < (PAGE_SIZE / 8) as usize);
        let word = (self.va() as *mut u64).wrapping_add(i);
        // SAFETY: the page is this check's own and mapped writable.
        unsafe { word.write_volatile(value) };
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.restore();
        frame::free(self.0);
    }
}

/// The bits of an entry, and `present` or not: what a line says of it.
pub(crate) fn bits(entry: u64) -> u64 {
    entry & !FRAME
}

/// Changes one entry by its machine address; `domid` is the page's owner.
pub(crate) fn update(ptr: u64, val: u64, domid: u16) -> HvResult {
    let request = mmu_update { ptr, val };
    // SAFETY: checks change entries of their own spare pages only, or ask for what is refused.
    let result = unsafe { hypercall::mmu_update(&[request], domid) };
    result.map(|()| 0).map_err(|(_, errno)| errno)
}

/// The same where the table is `table`'s, and the page is `pages`'s.
pub(crate) fn update_foreign(ptr: u64, val: u64, (table, pages): (u16, u16)) -> HvResult {
    let mut request = mmu_update { ptr, val };
    let foreign = (u64::from(table) + 1) << 16 | u64::from(pages);
    let args = [address(&mut request), 1, 0, foreign, 0];
    // SAFETY: as in `update`; of others' tables an entry that nothing needs.
    unsafe { call(__HYPERVISOR_mmu_update, args) }
}

/// One extended operation.
pub(crate) fn extended(cmd: u32, arg1: u64, arg2: u64) -> HvResult {
    let op = mmuext_op {
        cmd,
        _pad0: [0; 4],
        arg1,
        arg2,
    };
    // SAFETY: checks name their own spare pages only, or ask for what is refused.
    unsafe { hypercall::mmuext(&[op]) }
}
