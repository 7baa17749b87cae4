//! `xen_version` (version.h): who the hypervisor says it is.

use hypercall_abi::features::{
    XENFEAT_NR_SUBMAPS, XENFEAT_direct_mapped, XENFEAT_dom0, XENFEAT_gnttab_map_avail_bits,
    XENFEAT_highmem_assist, XENFEAT_memory_op_vnode_supported, XENFEAT_mmu_pt_update_preserve_ad,
    XENFEAT_pae_pgdir_above_4gb,
};
use hypercall_abi::version::{
    XENVER_build_id, XENVER_capabilities, XENVER_changeset, XENVER_commandline,
    XENVER_compile_info, XENVER_extraversion, XENVER_get_features, XENVER_guest_handle,
    XENVER_pagesize, XENVER_platform_parameters, XENVER_version, xen_compile_info,
    xen_feature_info, xen_platform_parameters,
};
use hypercall_abi::xen::VMASST_TYPE_pae_extended_cr3;
use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::Cx;
use crate::addr::{HYPERVISOR_START, PAGE_SIZE};
use crate::domain::Domain;
use crate::error::{Errno, HypercallResult, Result};
use crate::guest::{copy_in, copy_out, copy_out_bytes};
use crate::platform::Machine;
use core::sync::atomic::Ordering;

/// The ABI's version, 4.17, as that sub-operation answers it.
pub const VERSION: u64 = 4 << 16 | 17;

/// What follows the version in its written form.
const EXTRAVERSION: &str = ".0-paravane";
/// Guests that run, in the form that toolstacks parse.
pub const CAPABILITIES: &str = "xen-3.0-x86_64 ";

/// `xen_version(cmd, arg)`.
///
/// # Errors
/// `ENOSYS` for an unknown command; `EINVAL` for a feature map there is not, or an argument where
/// none belongs; `ENODATA` for the build id, which there is not; `EFAULT`.
#[inline]
pub fn xen_version<M: Machine>(cx: &mut Cx<'_, M>, cmd: u64, arg: u64) -> HypercallResult {
    // What most callers mean, often only to have pending events delivered.
    if cmd as u32 == XENVER_version {
        return Ok(VERSION as i64);
    }
    tell(cx, cmd, arg)
}

/// The sub-operations that copy something out.
#[inline(never)]
fn tell<M: Machine>(cx: &mut Cx<'_, M>, cmd: u64, arg: u64) -> HypercallResult {
    let m = cx.m();
    match cmd as u32 {
        XENVER_extraversion => put_text::<16, M>(m, arg, EXTRAVERSION)?,
        XENVER_compile_info => copy_out(m, arg, &compile_info())?,
        XENVER_capabilities => put_text::<1024, M>(m, arg, CAPABILITIES)?,
        // None is recorded; the field is there.
        XENVER_changeset => put_text::<64, M>(m, arg, "")?,
        XENVER_platform_parameters => {
            let parameters = xen_platform_parameters {
                virt_start: HYPERVISOR_START,
            };
            copy_out(m, arg, &parameters)?;
        }
        XENVER_get_features => get_features(cx, arg)?,
        XENVER_pagesize => {
            if arg != 0 {
                return Err(Errno::EINVAL.into());
            }
            return Ok(PAGE_SIZE as i64);
        }
        XENVER_guest_handle => {
            let handle = cx.dom.lock().handle;
            copy_out(m, arg, &handle)?;
        }
        XENVER_commandline => put_text::<1024, M>(m, arg, &cx.hv.config.command_line)?,
        XENVER_build_id => return Err(Errno::ENODATA.into()),
        _ => return Err(Errno::ENOSYS.into()),
    }
    Ok(0)
}

/// Copies `text` out as a C string in an array of `N` bytes, cut to fit.
fn put_text<const N: usize, M: Machine>(m: &M, va: u64, text: &str) -> Result<()> {
    copy_out_bytes(m, va, &c_string::<N>(text))
}

fn c_string<const N: usize>(text: &str) -> [u8; N] {
    let mut array = [0; N];
    let whole = text.as_bytes().iter().take(N.saturating_sub(1));
    for (to, from) in array.iter_mut().zip(whole) {
        *to = *from;
    }
    array
}

/// What the build knows of itself. There is no user and no date in it, so that the same source
/// gives the same image.
pub(crate) fn compile_info() -> xen_compile_info {
    let mut info = xen_compile_info::new_zeroed();
    fill(
        &mut info.compiler,
        concat!("paravane ", env!("CARGO_PKG_VERSION"), ", rustc"),
    );
    info
}

fn fill<T: IntoBytes + zerocopy::FromBytes + Immutable>(field: &mut T, text: &str) {
    let bytes = field.as_mut_bytes();
    let room = bytes.len().saturating_sub(1);
    for (to, from) in bytes.iter_mut().zip(text.bytes().take(room)) {
        *to = from;
    }
}

fn get_features<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> Result<()> {
    let mut info: xen_feature_info = copy_in(cx.m(), arg)?;
    if info.submap_idx >= XENFEAT_NR_SUBMAPS {
        return Err(Errno::EINVAL);
    }
    info.submap = features(cx.dom);
    copy_out(cx.m(), arg, &info)
}

/// The bits that Debian's Xen 4.17 reports to a PV guest.
fn features(dom: &Domain) -> u32 {
    let mut bits = 1 << XENFEAT_mmu_pt_update_preserve_ad
        | 1 << XENFEAT_highmem_assist
        | 1 << XENFEAT_gnttab_map_avail_bits
        | 1 << XENFEAT_memory_op_vnode_supported
        | 1 << XENFEAT_direct_mapped;
    if dom.vm_assist.load(Ordering::Relaxed) & 1 << VMASST_TYPE_pae_extended_cr3 != 0 {
        bits |= 1 << XENFEAT_pae_pgdir_above_4gb;
    }
    if dom.is_privileged() {
        bits |= 1 << XENFEAT_dom0;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;
    use crate::vcpu::{Vcpu, VcpuId};

    const BUFFER: u64 = 0x40_0000;

    /// Runs a command as dom0 or domU; the answer, and the first bytes of a buffer of 0xee.
    fn ask(dom0: bool, cmd: u64, arg: u64) -> (HypercallResult, [u8; 1100]) {
        let hv = testkit::hypervisor(64, 1);
        let dom = testkit::domain(hv, u16::from(!dom0), 1, 32);
        let page = hv.alloc_domain_page(dom).unwrap();
        hv.machine.write_frame(page, 0, &[0xee; 1100]);
        hv.machine.load_root(testkit::map(hv, dom, BUFFER, &[page]));
        let mut vcpu = Vcpu::new(
            VcpuId {
                domain: dom.id(),
                index: 0,
            },
            dom.slot,
        );
        let result = xen_version(&mut testkit::context(hv, dom, &mut vcpu), cmd, arg);
        let mut bytes = [0; 1100];
        hv.machine.read_frame(page, 0, &mut bytes);
        (result, bytes)
    }

    #[test]
    fn each_command_fills_exactly_its_structure() {
        for (cmd, len) in [
            (1, 16),
            (2, 144),
            (3, 1024),
            (4, 64),
            (5, 8),
            (8, 16),
            (9, 1024),
        ] {
            let (result, bytes) = ask(true, cmd, BUFFER);
            assert_eq!(result, Ok(0), "{cmd}");
            assert_ne!(bytes[len - 1], 0xee, "{cmd}");
            assert_eq!(bytes[len], 0xee, "{cmd}");
            let (result, _) = ask(true, cmd, 0x1000);
            assert_eq!(result, Err(Errno::EFAULT.into()), "{cmd}");
        }
    }

    #[test]
    fn numbers_and_refusals() {
        assert_eq!(ask(false, 0, 0).0, Ok(0x0004_0011));
        assert_eq!(ask(false, 1 << 32, 0).0, Ok(0x0004_0011));
        assert_eq!(ask(false, 7, 0).0, Ok(4096));
        assert_eq!(ask(false, 7, BUFFER).0, Err(Errno::EINVAL.into()));
        assert_eq!(ask(false, 10, BUFFER).0, Err(Errno::ENODATA.into()));
        assert_eq!(ask(false, 11, BUFFER).0, Err(Errno::ENOSYS.into()));
        assert_eq!(ask(false, u64::MAX, 0).0, Err(Errno::ENOSYS.into()));
        // A map of features that there is not: the buffer of 0xee names it.
        assert_eq!(ask(false, 6, BUFFER).0, Err(Errno::EINVAL.into()));
    }

    #[test]
    fn features_of_real_xen() {
        let hv = testkit::hypervisor(64, 1);
        assert_eq!(features(testkit::domain(hv, 0, 1, 8)), 0x2_28e0);
        assert_eq!(features(testkit::domain(hv, 1, 1, 8)), 0x2_20e0);
    }
}
