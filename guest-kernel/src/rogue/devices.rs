//! Devices: what dom0 did not let this domain use.

use super::*;
use hypercall_abi::domctl::*;
use hypercall_abi::event_channel::*;
use hypercall_abi::physdev::*;
use zerocopy::{FromZeros, Immutable, IntoBytes};

pub(super) const ROGUES: &[Rogue] = &[("devices", devices)];

/// Where devices are on a PC: the screen, firmware, where PCI memory is, and the interrupt controllers
/// and timers that the hypervisor drives.
const FRAMES: [u64; 10] = [
    0xa0, 0xb8, 0xf0, 0x80000, 0xe0000, 0xfd000, 0xfe000, 0xfec00, 0xfed00, 0xfee00,
];

/// A call with a structure; its result.
fn with<T: IntoBytes + Immutable>(nr: u64, cmd: u32, arg: &T) -> i64 {
    call(nr, [cmd.into(), &raw const *arg as u64, 0, 0, 0])
}

/// Maps frames, binds and maps interrupts, and gives itself the right to all of it.
fn devices() {
    let page = spare();
    for frame in FRAMES.into_iter().flat_map(|frame| frame..frame + 8) {
        for rights in [pte::RO, pte::RW] {
            for domid in [DOMID_SELF, DOMID_IO, DOMID_XEN, 0] {
                let request = mmu_update {
                    ptr: slot_of(page),
                    val: frame << 12 | rights,
                };
                let at = &raw const request as u64;
                if call(__HYPERVISOR_mmu_update, [at, 1, 0, domid.into(), 0]) == 0 {
                    breach!("frame {frame:#x} is mapped as if of {domid:#x}");
                }
            }
        }
    }
    for irq in 0..=256 {
        let mut bind = evtchn_bind_pirq::new_zeroed();
        bind.pirq = irq;
        if with(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, &bind) == 0 {
            breach!("PIRQ {irq} is bound");
        }
        let mut map = physdev_map_pirq::new_zeroed();
        (map.domid, map.r#type) = (DOMID_SELF, MAP_PIRQ_TYPE_GSI);
        (map.index, map.pirq) = (irq as i32, irq as i32);
        let mut unmap = physdev_unmap_pirq::new_zeroed();
        unmap.pirq = irq as i32;
        let done = with(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, &map) == 0
            || with(__HYPERVISOR_physdev_op, PHYSDEVOP_unmap_pirq, &unmap) == 0
            || with(__HYPERVISOR_physdev_op, PHYSDEVOP_eoi, &irq) == 0;
        if done {
            breach!("PIRQ {irq} is mapped, taken from dom0 or ended");
        }
    }
    for domain in 0..4 {
        for (cmd, member) in [
            (XEN_DOMCTL_ioport_permission, [1 << 32 | 0x80, 1]),
            (XEN_DOMCTL_iomem_permission, [0xfe000, 1]),
            (XEN_DOMCTL_irq_permission, [1 << 32 | 9, 0]),
        ] {
            let mut op = xen_domctl::new_zeroed();
            (op.cmd, op.domain) = (cmd, domain);
            op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
            op.u.set([member[0], member[1], 1_u64]);
            if call(__HYPERVISOR_domctl, [&raw const op as u64, 0, 0, 0, 0]) == 0 {
                breach!("command {cmd} about domain {domain} is obeyed");
            }
        }
    }
}
