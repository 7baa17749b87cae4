//! `physdev_op` (physdev.h): I/O privilege, which every domain has a say in, and the hardware, which is
//! dom0's ([`crate::pirq`]).

use hypercall_abi::physdev::*;

use crate::error::{Errno, HypercallResult, Result};
use crate::guest::copy_in;
use crate::hypercall::Cx;
use crate::pirq::ops;
use crate::platform::Machine;

/// Highest I/O privilege level.
const MAX_IOPL: u32 = 3;
/// I/O ports there are.
const PORTS: u32 = 0x1_0000;

/// `physdev_op(cmd, arg)`.
///
/// # Errors
/// As each operation's in physdev.h; `EPERM` for a domain without hardware; `ENOSYS` for what is not
/// offered; `EFAULT`.
pub fn physdev_op<M: Machine>(cx: &mut Cx<'_, M>, cmd: u64, arg: u64) -> HypercallResult {
    match cmd as u32 {
        PHYSDEVOP_set_iopl => set_iopl(cx, arg)?,
        PHYSDEVOP_set_iobitmap => set_iobitmap(cx, arg)?,
        // Obsolete, and nothing to do.
        PHYSDEVOP_IRQ_UNMASK_NOTIFY => {}
        PHYSDEVOP_eoi => ops::eoi(cx, arg)?,
        PHYSDEVOP_irq_status_query => ops::irq_status_query(cx, arg)?,
        PHYSDEVOP_pirq_eoi_gmfn_v1 => ops::set_eoi_page(cx, arg, true)?,
        PHYSDEVOP_pirq_eoi_gmfn_v2 => ops::set_eoi_page(cx, arg, false)?,
        PHYSDEVOP_map_pirq => ops::map_pirq(cx, arg)?,
        PHYSDEVOP_unmap_pirq => ops::unmap_pirq(cx, arg)?,
        cmd @ (PHYSDEVOP_apic_read
        | PHYSDEVOP_apic_write
        | PHYSDEVOP_alloc_irq_vector
        | PHYSDEVOP_manage_pci_add
        | PHYSDEVOP_manage_pci_remove
        | PHYSDEVOP_restore_msi
        | PHYSDEVOP_manage_pci_add_ext
        | PHYSDEVOP_setup_gsi
        | PHYSDEVOP_get_free_pirq
        | PHYSDEVOP_pci_mmcfg_reserved
        | PHYSDEVOP_pci_device_add
        | PHYSDEVOP_pci_device_remove
        | PHYSDEVOP_restore_msi_ext
        | PHYSDEVOP_dbgp_op
        | PHYSDEVOP_prepare_msix
        | PHYSDEVOP_release_msix) => {
            if !cx.dom.is_privileged() {
                return Err(Errno::EPERM.into());
            }
            hardware(cx, cmd, arg)?;
        }
        _ => return Err(Errno::ENOSYS.into()),
    }
    Ok(0)
}

/// What only the domain with the hardware may ask.
fn hardware<M: Machine>(cx: &mut Cx<'_, M>, cmd: u32, arg: u64) -> Result<()> {
    match cmd {
        PHYSDEVOP_apic_read => ops::apic_read(cx, arg),
        PHYSDEVOP_apic_write => ops::apic_write(cx, arg),
        PHYSDEVOP_alloc_irq_vector => ops::alloc_irq_vector(cx, arg),
        PHYSDEVOP_setup_gsi => ops::setup_gsi(cx, arg),
        PHYSDEVOP_get_free_pirq => ops::get_free_pirq(cx, arg),
        PHYSDEVOP_manage_pci_add | PHYSDEVOP_manage_pci_remove | PHYSDEVOP_restore_msi => {
            let op: physdev_manage_pci = copy_in(cx.m(), arg)?;
            let id = ops::function_id(0, op.bus, op.devfn);
            match cmd {
                PHYSDEVOP_manage_pci_add => ops::add_function(cx, id),
                PHYSDEVOP_manage_pci_remove => ops::remove_function(cx, id),
                _ => ops::restore_function(cx, id),
            }
        }
        PHYSDEVOP_manage_pci_add_ext => {
            let op: physdev_manage_pci_ext = copy_in(cx.m(), arg)?;
            ops::add_function(cx, ops::function_id(0, op.bus, op.devfn))
        }
        PHYSDEVOP_pci_device_add => {
            let op: physdev_pci_device_add = copy_in(cx.m(), arg)?;
            ops::add_function(cx, ops::function_id(op.seg, op.bus, op.devfn))
        }
        PHYSDEVOP_pci_device_remove
        | PHYSDEVOP_restore_msi_ext
        | PHYSDEVOP_prepare_msix
        | PHYSDEVOP_release_msix => {
            let op: physdev_pci_device = copy_in(cx.m(), arg)?;
            let id = ops::function_id(op.seg, op.bus, op.devfn);
            match cmd {
                PHYSDEVOP_pci_device_remove => ops::remove_function(cx, id),
                PHYSDEVOP_restore_msi_ext => ops::restore_function(cx, id),
                _ => ops::keep_table(cx, id),
            }
        }
        PHYSDEVOP_pci_mmcfg_reserved => pci_mmcfg_reserved(cx, arg),
        // There is no debug port to be kept off.
        _ => copy_in::<physdev_dbgp_op, M>(cx.m(), arg).map(drop),
    }
}

/// No window of the configuration space is in use here: there is none to be trusted.
fn pci_mmcfg_reserved<M: Machine>(cx: &Cx<'_, M>, arg: u64) -> Result<()> {
    let op: physdev_pci_mmcfg_reserved = copy_in(cx.m(), arg)?;
    if op.flags & !XEN_PCI_MMCFG_RESERVED != 0 {
        return Err(Errno::EINVAL);
    }
    Err(Errno::ENODEV)
}

fn set_iopl<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let op: physdev_set_iopl = copy_in(cx.m(), arg)?;
    if op.iopl > MAX_IOPL {
        return Err(Errno::EINVAL);
    }
    cx.vcpu.arch.iopl = op.iopl as u8;
    Ok(())
}

/// The bitmap stays the guest's: it is looked at when a port is used.
fn set_iobitmap<M: Machine>(cx: &mut Cx<'_, M>, arg: u64) -> Result<()> {
    let op: physdev_set_iobitmap = copy_in(cx.m(), arg)?;
    if op.nr_ports > PORTS {
        return Err(Errno::EINVAL);
    }
    cx.vcpu.arch.io_bitmap = op.bitmap;
    cx.vcpu.arch.io_bitmap_ports = op.nr_ports;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;
    use crate::vcpu::{Vcpu, VcpuId};

    const BUFFER: u64 = 0x40_0000;

    fn run(domain: u16, cmd: u64, arg: &[u8], va: u64) -> (HypercallResult, Vcpu) {
        let hv = testkit::hypervisor(64, 1);
        let dom = testkit::domain(hv, domain, 1, 32);
        let page = hv.alloc_domain_page(dom).unwrap();
        hv.machine.write_frame(page, 0, arg);
        hv.machine.load_root(testkit::map(hv, dom, BUFFER, &[page]));
        let mut vcpu = Vcpu::new(VcpuId { domain, index: 0 }, dom.slot);
        let result = physdev_op(&mut testkit::context(hv, dom, &mut vcpu), cmd, va);
        (result, vcpu)
    }

    #[test]
    fn iopl_as_on_real_xen() {
        for iopl in 0..6_u32 {
            let (result, vcpu) = run(1, 6, &iopl.to_le_bytes(), BUFFER);
            if iopl <= 3 {
                assert_eq!((result, vcpu.arch.iopl), (Ok(0), iopl as u8));
            } else {
                assert_eq!((result, vcpu.arch.iopl), (Err(Errno::EINVAL.into()), 0));
            }
        }
        assert_eq!(run(1, 6, &[], 0x1000).0, Err(Errno::EFAULT.into()));
    }

    #[test]
    fn bitmap_size_is_bounded() {
        for (ports, ok) in [
            (0, true),
            (0x1_0000, true),
            (0x1_0001, false),
            (u32::MAX, false),
        ] {
            let mut op = [0; 16];
            op[..8].copy_from_slice(&0x1234_u64.to_le_bytes());
            op[8..12].copy_from_slice(&ports.to_le_bytes());
            let (result, vcpu) = run(0, 7, &op, BUFFER);
            assert_eq!(result.is_ok(), ok);
            assert_eq!(vcpu.arch.io_bitmap_ports, if ok { ports } else { 0 });
        }
    }

    #[test]
    fn every_number_has_an_answer() {
        for cmd in 0..64 {
            let dom0 = run(0, cmd, &[0; 64], BUFFER).0;
            let other = run(1, cmd, &[0; 64], BUFFER).0;
            let expected = match cmd {
                4..=7 | 10 | 15 | 20 | 23 | 25 | 29 => Ok(0),
                16 | 19 | 24 | 26 | 27 | 30 | 31 => Err(Errno::ENODEV.into()),
                21 => Err(Errno::EEXIST.into()),
                8 | 9 | 12..=14 | 17 | 28 => Err(Errno::EINVAL.into()),
                _ => Err(Errno::ENOSYS.into()),
            };
            assert_eq!(dom0, expected, "{cmd}");
            let expected = match cmd {
                8..=10 | 15 | 16 | 19..=21 | 23..=27 | 29..=31 => Err(Errno::EPERM.into()),
                // Of domain 0, which is not there.
                13 | 14 => Err(Errno::ESRCH.into()),
                _ => expected,
            };
            assert_eq!(other, expected, "{cmd}");
        }
    }
}
