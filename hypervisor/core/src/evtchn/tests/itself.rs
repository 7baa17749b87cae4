//! An event between vCPUs of a domain does the same in its quick form as in the general one, whatever it
//! finds.

use std::vec;
use std::vec::Vec;

use zerocopy::FromZeros;

use super::*;
use crate::evtchn::{ops, quick};
use crate::sched::Poll;

/// What the event finds, a bit each.
mod found {
    pub(super) const PENDING: u32 = 1;
    pub(super) const MASKED: u32 = 2;
    pub(super) const SELECTED: u32 = 4;
    pub(super) const UPCALL: u32 = 8;
    /// The other vCPU polls for it.
    pub(super) const POLLED: u32 = 16;
    /// The port notifies the other vCPU.
    pub(super) const FOR_OTHER: u32 = 32;
    /// The sender has no `vcpu_info`.
    pub(super) const NO_INFO: u32 = 64;
    pub(super) const ALL: u32 = 127;
}

/// What is there behind the event: the shared page, what the other vCPU polls for, and whether it is
/// still to be asked about that.
type Left = (Vec<u8>, Option<Poll>, u64);

fn send(case: u32, is_quick: bool) -> Left {
    let has = |what| case & what != 0;
    let hv = testkit::hypervisor(256, 2);
    let mut guest = Guest::new(hv, 1, 2);
    let (m, root) = (hv.machine, guest.dom.senders.root());
    let receiver = u16::from(has(found::FOR_OTHER));
    let mut port = guest.ipi(receiver.into()).unwrap();
    while port < 70 {
        port = guest.ipi(receiver.into()).unwrap();
    }
    let (page, word) = (guest.page(), port as usize / 64);
    let info = usize::from(receiver) * size_of::<vcpu_info>();
    for (what, at, bit) in [
        (
            found::PENDING,
            offset_of!(shared_info, evtchn_pending) + word * 8,
            port % 64,
        ),
        (
            found::MASKED,
            offset_of!(shared_info, evtchn_mask) + word * 8,
            port % 64,
        ),
        (
            found::SELECTED,
            info + offset_of!(vcpu_info, evtchn_pending_sel),
            word as u32,
        ),
        (found::UPCALL, info, 0),
    ] {
        let bit = 1 << bit;
        if has(what) {
            m.fetch_or_u64(page, at, bit);
        } else {
            m.fetch_and_u64(page, at, !bit);
        }
    }
    if has(found::POLLED) {
        guest.dom.lock().vcpus[1].sched.poll = Some(Poll::Port(port));
        root.set_polling(m, 1, true);
    }
    guest.vcpu.ports = guest.dom.lock().events.first_ports(m);
    if has(found::NO_INFO) {
        guest.vcpu.info = None;
        root.set_info(m, 0, None);
    }
    m.load_vcpu(&guest.vcpu);
    if is_quick {
        assert!(quick::send(m, || hv, EVTCHNOP_send.into(), port.into()));
    } else {
        ops::send(&mut testkit::context(hv, guest.dom, &mut guest.vcpu), port).unwrap();
    }
    let mut bytes = vec![0; 4096];
    m.read_frame(page, 0, &mut bytes);
    let polls = guest.dom.lock().vcpus[1].sched.poll;
    (bytes, polls, root.pollers(m))
}

#[test]
fn an_event_to_oneself_is_the_same_quickly() {
    for case in 0..=found::ALL {
        assert_eq!(send(case, true), send(case, false), "case {case:#b}");
    }
}

#[test]
fn an_event_to_oneself_is_told() {
    let (page, ..) = send(0, true);
    let selector = offset_of!(vcpu_info, evtchn_pending_sel);
    assert_eq!((page[0], page[selector]), (1, 1 << 1));
    // Nobody is told of a masked one.
    let (page, ..) = send(found::MASKED, true);
    assert_eq!((page[0], page[selector]), (0, 0));
}

/// Where the arguments of quick forms are: above the hypervisor's range.
const HIGH: u64 = crate::addr::HYPERVISOR_END;

#[test]
fn the_state_of_another_domain_s_port_is_not_told_quickly() {
    let hv = testkit::hypervisor(256, 1);
    let mut guest = Guest::new(hv, 1, 2);
    let port = guest.ipi(1).unwrap();
    guest.vcpu.ports = guest.dom.lock().events.first_ports(hv.machine);
    hv.machine.load_vcpu(&guest.vcpu);
    let asked = |dom| {
        let asked = guest::status_of(dom, port);
        hv.machine.set_window(HIGH, asked.as_bytes().to_vec());
        let args = [u64::from(EVTCHNOP_status), HIGH, 0, 0, 0, 0];
        let done = quick::event_channel_op(hv.machine, || hv, args);
        let mut op = evtchn_status::new_zeroed();
        hv.machine.copy_from_guest(HIGH, op.as_mut_bytes()).unwrap();
        (done, op.status, op.vcpu)
    };
    assert_eq!(asked(DOMID_SELF), (true, EVTCHNSTAT_ipi, 1));
    for other in [0, 1, 2, DOMID_SELF + 1, DOMID_SELF - 1] {
        assert_eq!(asked(other), (false, 99, 99), "domain {other}");
    }
}
