//! `physdev_op` (physdev.h). No physical interrupt line belongs to a guest here, so the calls that
//! name lines find none, with the errno that real Xen has for a line that the machine lacks; Linux
//! copes with that. What stays is I/O privilege.

use hypercall_abi::physdev::{
    PHYSDEVOP_IRQ_UNMASK_NOTIFY, PHYSDEVOP_alloc_irq_vector, PHYSDEVOP_apic_read,
    PHYSDEVOP_apic_write, PHYSDEVOP_eoi, PHYSDEVOP_irq_status_query, PHYSDEVOP_map_pirq,
    PHYSDEVOP_set_iobitmap, PHYSDEVOP_set_iopl, PHYSDEVOP_setup_gsi, PHYSDEVOP_unmap_pirq,
    physdev_apic, physdev_eoi, physdev_irq, physdev_irq_status_query, physdev_map_pirq,
    physdev_set_iobitmap, physdev_set_iopl, physdev_setup_gsi, physdev_unmap_pirq,
};
use zerocopy::{FromBytes, IntoBytes};

use crate::error::{Errno, HypercallResult, Result};
use crate::guest::copy_in;
use crate::hypercall::Cx;
use crate::platform::Machine;

/// Highest I/O privilege level.
const MAX_IOPL: u32 = 3;
/// I/O ports there are.
const PORTS: u32 = 0x1_0000;

/// `physdev_op(cmd, arg)`.
///
/// # Errors
/// `EINVAL` for a line that does not exist, an impossible privilege level or bitmap size; `EPERM`
/// for a domain without hardware; `ENOSYS` for what is not offered; `EFAULT`.
pub fn physdev_op<M: Machine>(cx: &mut Cx<'_, M>, cmd: u64, arg: u64) -> HypercallResult {
    match cmd as u32 {
        PHYSDEVOP_set_iopl => set_iopl(cx, arg)?,
        PHYSDEVOP_set_iobitmap => set_iobitmap(cx, arg)?,
        // Obsolete, and nothing to do.
        PHYSDEVOP_IRQ_UNMASK_NOTIFY => {}
        PHYSDEVOP_eoi => no_such_line::<physdev_eoi, M>(cx, arg)?,
        PHYSDEVOP_irq_status_query => no_such_line::<physdev_irq_status_query, M>(cx, arg)?,
        PHYSDEVOP_map_pirq => no_such_line::<physdev_map_pirq, M>(cx, arg)?,
        PHYSDEVOP_unmap_pirq => no_such_line::<physdev_unmap_pirq, M>(cx, arg)?,
        PHYSDEVOP_alloc_irq_vector => hardware::<physdev_irq, M>(cx, arg)?,
        PHYSDEVOP_apic_read | PHYSDEVOP_apic_write => hardware::<physdev_apic, M>(cx, arg)?,
        PHYSDEVOP_setup_gsi => hardware::<physdev_setup_gsi, M>(cx, arg)?,
        _ => return Err(Errno::ENOSYS.into()),
    }
    Ok(0)
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

/// Takes the argument, of which nothing can be true.
fn no_such_line<T: FromBytes + IntoBytes, M: Machine>(cx: &Cx<'_, M>, arg: u64) -> Result<()> {
    copy_in::<T, M>(cx.m(), arg)?;
    Err(Errno::EINVAL)
}

/// As [`no_such_line`], for what only the domain with the hardware may ask.
fn hardware<T: FromBytes + IntoBytes, M: Machine>(cx: &Cx<'_, M>, arg: u64) -> Result<()> {
    if !cx.dom.is_privileged() {
        return Err(Errno::EPERM);
    }
    no_such_line::<T, M>(cx, arg)
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
                4 | 6 | 7 => Ok(0),
                5 | 8 | 9 | 10 | 12 | 13 | 14 | 21 => Err(Errno::EINVAL.into()),
                _ => Err(Errno::ENOSYS.into()),
            };
            assert_eq!(dom0, expected, "{cmd}");
            let expected = match cmd {
                8 | 9 | 10 | 21 => Err(Errno::EPERM.into()),
                _ => expected,
            };
            assert_eq!(other, expected, "{cmd}");
        }
    }
}
