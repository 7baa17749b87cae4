//! Lines and messages on the fake machine: what is routed and masked when, who hears what, and what
//! is refused.

use alloc::vec;

use hypercall_abi::event_channel::*;
use hypercall_abi::physdev::*;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

use super::*;
use crate::control::physdev::physdev_op;
use crate::domain::DOMID_SELF;
use crate::domain::lifecycle;
use crate::error::Stop;
use crate::evtchn::{event_channel_op, pending};
use crate::pirq::irqs::MOST_FUNCTIONS;
use crate::platform::{Route, Wiring};
use crate::testkit::{self, FakeMachine, Happened};
use crate::vcpu::{Vcpu, VcpuId};

mod sharing;
mod storms;

const ARG: u64 = 0x1000_0000;
/// A line that is triggered by its level, and one that is not.
const LEVEL: u32 = 9;
const EDGE: u32 = 8;
/// A function with one message: 00:03.0, and one without.
const WITH_MESSAGE: u16 = 3 << 3;
const WITHOUT: u16 = 4 << 3;

/// dom0, as it calls.
struct Dom0 {
    hv: &'static Hypervisor<FakeMachine>,
    dom: &'static Domain,
    vcpu: Vcpu,
    spare: Mfn,
    root: Mfn,
}

impl Dom0 {
    fn new() -> Self {
        Self::with_cpus(1)
    }

    fn with_cpus(cpus: u32) -> Self {
        Self::of(testkit::hypervisor(64, cpus))
    }

    /// Of which so many interrupts in a while are enough.
    fn with_limit(irq_limit: u32) -> Self {
        let change = |config: &mut Config| config.irq_limit = irq_limit;
        Self::of(testkit::hypervisor_with(64, 1, change))
    }

    fn of(hv: &'static Hypervisor<FakeMachine>) -> Self {
        let dom = testkit::domain(hv, 0, 1, 16);
        let [page, spare] = [(); 2].map(|()| hv.alloc_domain_page(dom).unwrap());
        let root = testkit::map(hv, dom, ARG, &[page]);
        hv.machine.load_root(root);
        let id = VcpuId {
            domain: 0,
            index: 0,
        };
        hv.machine.configure(|state| {
            for function in [WITH_MESSAGE, WITHOUT] {
                state.pci.insert((function, 4), 1 << 20);
                state.pci.insert((function, 0x34), 0x40);
            }
            // Two capabilities; the second is that of messages, with a wide address and mask bits.
            state.pci.insert((WITH_MESSAGE, 0x40), 0x5001);
            state
                .pci
                .insert((WITH_MESSAGE, 0x50), (1 << 7 | 1 << 8) << 16 | 5);
            // One that goes round in a circle.
            state.pci.insert((WITHOUT, 0x40), 0x4001);
        });
        Self {
            hv,
            dom,
            vcpu: Vcpu::new(id, dom.slot),
            spare,
            root,
        }
    }

    fn call<T: IntoBytes + FromBytes + Immutable>(
        &mut self,
        events: bool,
        cmd: u32,
        arg: T,
    ) -> Result<T, Stop> {
        let m = self.hv.machine;
        m.copy_to_guest(ARG, arg.as_bytes()).unwrap();
        let mut cx = testkit::context(self.hv, self.dom, &mut self.vcpu);
        if events {
            event_channel_op(&mut cx, cmd.into(), ARG)?;
        } else {
            physdev_op(&mut cx, cmd.into(), ARG)?;
        }
        let mut out = T::new_zeroed();
        m.copy_from_guest(ARG, out.as_mut_bytes()).unwrap();
        Ok(out)
    }

    fn map(&mut self, line: i32, pirq: i32) -> Result<i32, Stop> {
        let mut op = physdev_map_pirq::new_zeroed();
        (op.domid, op.r#type) = (DOMID_SELF, MAP_PIRQ_TYPE_GSI);
        (op.index, op.pirq) = (line, pirq);
        Ok(self.call(false, PHYSDEVOP_map_pirq, op)?.pirq)
    }

    fn map_message(&mut self, function: u16) -> Result<i32, Stop> {
        let mut op = physdev_map_pirq::new_zeroed();
        (op.domid, op.r#type) = (DOMID_SELF, MAP_PIRQ_TYPE_MSI_SEG);
        (op.index, op.pirq) = (-1, -1);
        op.devfn = function.into();
        Ok(self.call(false, PHYSDEVOP_map_pirq, op)?.pirq)
    }

    fn report(&mut self, function: u16) {
        let device = physdev_manage_pci {
            bus: 0,
            devfn: function as u8,
        };
        self.call(false, PHYSDEVOP_manage_pci_add, device).unwrap();
    }

    fn unmap(&mut self, pirq: i32) -> Result<(), Stop> {
        let mut op = physdev_unmap_pirq::new_zeroed();
        (op.domid, op.pirq) = (DOMID_SELF, pirq);
        self.call(false, PHYSDEVOP_unmap_pirq, op).map(drop)
    }

    fn bind(&mut self, pirq: u32) -> Result<Port, Stop> {
        self.bind_as(pirq, 0)
    }

    fn bind_as(&mut self, pirq: u32, flags: u32) -> Result<Port, Stop> {
        let mut op = evtchn_bind_pirq::new_zeroed();
        (op.pirq, op.flags) = (pirq, flags);
        Ok(self.call(true, EVTCHNOP_bind_pirq, op)?.port)
    }

    fn close(&mut self, port: Port) {
        self.call(true, EVTCHNOP_close, evtchn_close { port })
            .unwrap();
    }

    fn eoi(&mut self, irq: u32) -> Result<(), Stop> {
        self.call(false, PHYSDEVOP_eoi, physdev_eoi { irq })
            .map(drop)
    }

    fn vector(&self, pirq: u32) -> u8 {
        self.dom.lock().pirqs.get(pirq).unwrap().vector
    }

    fn interrupt(&self, pirq: u32) {
        interrupt(self.hv, self.vector(pirq));
    }

    /// Whether the port was pending, which it is not any more.
    fn take_pending(&self, port: Port) -> bool {
        let state = self.dom.lock();
        let was = pending::is_set(self.hv, &state, port);
        let page = state.shared_info.unwrap();
        self.hv.machine.store_u64(page, 0x800, 0);
        was
    }

    /// What was asked of the I/O APIC and of PCI since the last look.
    fn asked(&self) -> Vec<Happened> {
        let mut all = self.hv.machine.take_happened();
        all.retain(|what| {
            matches!(
                what,
                Happened::RouteLine(..) | Happened::AimLine(..) | Happened::MaskLine(..)
            )
        });
        all
    }
}

fn refused<T>(errno: Errno) -> Result<T, Stop> {
    Err(Stop::Err(errno))
}

#[test]
fn dom0_may_name_as_many_as_on_real_xen() {
    for (cpus, pirqs) in [(1, 208), (2, 416), (3, 440), (4, 648), (5, 648), (8, 856)] {
        assert_eq!(dom0_pirqs(24, cpus), pirqs, "{cpus} CPUs");
    }
}

#[test]
fn a_level_is_heard_once_for_each_end_of_interrupt() {
    let mut dom0 = Dom0::new();
    assert_eq!(dom0.map(LEVEL as i32, LEVEL as i32), Ok(9));
    let port = dom0.bind(LEVEL).unwrap();
    let vector = dom0.vector(LEVEL);
    let route = Route {
        vector,
        wiring: Wiring {
            level: true,
            low: false,
        },
        cpu: 0,
    };
    assert_eq!(
        dom0.asked(),
        [
            Happened::RouteLine(LEVEL, route),
            Happened::MaskLine(LEVEL, false)
        ]
    );
    for _ in 0..3 {
        dom0.interrupt(LEVEL);
        assert!(dom0.take_pending(port));
        assert_eq!(dom0.asked(), []);
        assert_eq!(dom0.eoi(LEVEL), Ok(()));
        assert_eq!(dom0.asked(), [Happened::MaskLine(LEVEL, false)]);
        // There is nothing more to end.
        assert_eq!(dom0.eoi(LEVEL), Ok(()));
        assert_eq!(dom0.asked(), []);
    }
}

#[test]
fn an_edge_needs_no_end_of_interrupt() {
    let mut dom0 = Dom0::new();
    dom0.map(EDGE as i32, EDGE as i32).unwrap();
    let port = dom0.bind(EDGE).unwrap();
    dom0.asked();
    for _ in 0..3 {
        dom0.interrupt(EDGE);
        dom0.interrupt(EDGE);
        assert!(dom0.take_pending(port));
        assert_eq!(dom0.eoi(EDGE), Ok(()));
        assert_eq!(dom0.asked(), []);
    }
}

#[test]
fn what_is_closed_is_masked_and_not_heard() {
    let mut dom0 = Dom0::new();
    dom0.map(LEVEL as i32, LEVEL as i32).unwrap();
    let port = dom0.bind(LEVEL).unwrap();
    dom0.interrupt(LEVEL);
    dom0.asked();
    dom0.close(port);
    assert_eq!(dom0.asked(), [Happened::MaskLine(LEVEL, true)]);
    // One that was under way, and a late end of interrupt.
    dom0.interrupt(LEVEL);
    assert!(!dom0.take_pending(port));
    assert_eq!(dom0.eoi(LEVEL), Ok(()));
    assert_eq!(dom0.asked(), []);
    assert_eq!(dom0.bind(LEVEL), Ok(port));
    assert_eq!(dom0.asked().last(), Some(&Happened::MaskLine(LEVEL, false)));
}

#[test]
fn vectors_that_nobody_has_are_nobodys() {
    let mut dom0 = Dom0::new();
    dom0.map(EDGE as i32, EDGE as i32).unwrap();
    let port = dom0.bind(EDGE).unwrap();
    for vector in 0..=u8::MAX {
        if vector != dom0.vector(EDGE) {
            interrupt(dom0.hv, vector);
        }
    }
    assert!(!dom0.take_pending(port));
    // Without dom0 there is nobody at all.
    interrupt(testkit::hypervisor(64, 1), FIRST_VECTOR);
}

#[test]
fn a_port_outlives_its_pirq() {
    let mut dom0 = Dom0::new();
    dom0.map(LEVEL as i32, LEVEL as i32).unwrap();
    let port = dom0.bind(LEVEL).unwrap();
    let vector = dom0.vector(LEVEL);
    dom0.asked();
    assert_eq!(dom0.unmap(LEVEL as i32), Ok(()));
    assert_eq!(dom0.asked(), [Happened::MaskLine(LEVEL, true)]);
    interrupt(dom0.hv, vector);
    assert!(!dom0.take_pending(port));
    assert_eq!(dom0.bind(LEVEL), refused(Errno::EPERM));
    assert_eq!(dom0.map(11, LEVEL as i32), refused(Errno::EEXIST));
    dom0.close(port);
    assert_eq!(dom0.asked(), []);
    assert_eq!(dom0.map(11, LEVEL as i32), Ok(9));
    // The line does not come back.
    assert_eq!(dom0.map(LEVEL as i32, -1), refused(Errno::EPERM));
}

#[test]
fn the_hypervisors_own_lines_stay_its_own() {
    let mut dom0 = Dom0::new();
    assert_eq!(dom0.map(0, 0), refused(Errno::EPERM));
    assert_eq!(dom0.map(4, 4), Ok(4));
    assert_eq!(dom0.bind(4), refused(Errno::EBUSY));
    assert_eq!(dom0.unmap(4), Ok(()));
    assert_eq!(dom0.asked(), []);
}

#[test]
fn a_line_that_is_set_up_while_it_is_bound_is_wired_so() {
    let mut dom0 = Dom0::new();
    dom0.map(EDGE as i32, EDGE as i32).unwrap();
    dom0.bind(EDGE).unwrap();
    dom0.asked();
    let mut op = physdev_setup_gsi::new_zeroed();
    (op.gsi, op.triggering, op.polarity) = (EDGE as i32, 1, 1);
    dom0.call(false, PHYSDEVOP_setup_gsi, op).unwrap();
    let asked = dom0.asked();
    let Some(Happened::RouteLine(EDGE, route)) = asked.first() else {
        panic!("{asked:?}");
    };
    assert!(route.wiring.level && route.wiring.low);
    let again = dom0.call(false, PHYSDEVOP_setup_gsi, op);
    assert_eq!(again.map(drop), refused(Errno::EEXIST));
}

#[test]
fn a_line_follows_the_vcpu_that_hears_it() {
    let mut dom0 = Dom0::with_cpus(2);
    dom0.map(EDGE as i32, EDGE as i32).unwrap();
    dom0.bind(EDGE).unwrap();
    dom0.asked();
    let m = dom0.hv.machine;
    let runs_on = |cpu| {
        let doing = crate::evtchn::table::Doing {
            waits: false,
            running: Some(cpu),
        };
        dom0.dom.senders.root().set_doing(m, 0, doing);
    };
    for (cpu, asked) in [
        (0, vec![]),
        (1, vec![Happened::AimLine(EDGE, 1)]),
        (1, vec![]),
        (0, vec![Happened::AimLine(EDGE, 0)]),
    ] {
        runs_on(cpu);
        dom0.interrupt(EDGE);
        assert_eq!(dom0.asked(), asked);
    }
}

#[test]
fn the_page_says_who_needs_an_end_of_interrupt() {
    for (cmd, unmasks) in [
        (PHYSDEVOP_pirq_eoi_gmfn_v1, true),
        (PHYSDEVOP_pirq_eoi_gmfn_v2, false),
    ] {
        let mut dom0 = Dom0::new();
        let m = dom0.hv.machine;
        let page = physdev_pirq_eoi_gmfn { gmfn: dom0.spare.0 };
        dom0.call(false, cmd, page).unwrap();
        let again = dom0.call(false, cmd, page).map(drop);
        assert_eq!(again, refused(Errno::EBUSY));
        m.store_u64(dom0.spare, 0, 1 << EDGE | 1 << 3);
        for line in [LEVEL, EDGE] {
            dom0.map(line as i32, line as i32).unwrap();
        }
        let port = dom0.bind(LEVEL).unwrap();
        dom0.bind(EDGE).unwrap();
        assert_eq!(m.load_u64(dom0.spare, 0), 1 << LEVEL | 1 << 3);
        // Mask bits of the shared page are behind the pending ones.
        let shared = dom0.dom.lock().shared_info.unwrap();
        m.store_u64(shared, 0xa00, 1 << port);
        dom0.eoi(LEVEL).unwrap();
        assert_eq!(m.load_u64(shared, 0xa00) == 0, unmasks);
    }
}

#[test]
fn messages_are_written_by_the_hypervisor() {
    let mut dom0 = Dom0::new();
    let m = dom0.hv.machine;
    let word = |offset: u8| {
        let mut value = None;
        m.configure(|state| value = state.pci.get(&(WITH_MESSAGE, offset)).copied());
        value.unwrap_or(0)
    };
    assert_eq!(dom0.map_message(WITH_MESSAGE), refused(Errno::ENODEV));
    for function in [WITH_MESSAGE, WITHOUT, 0x50] {
        dom0.report(function);
    }
    assert_eq!(dom0.map_message(WITHOUT), refused(Errno::ENODEV));
    assert_eq!(dom0.map_message(0x50), refused(Errno::ENODEV));
    let pirq = dom0.map_message(WITH_MESSAGE).unwrap();
    assert_eq!(pirq, 207);
    let vector = dom0.vector(pirq as u32);
    assert_eq!([0x54, 0x58].map(word), [0xfee0_0000, 0]);
    assert_eq!(word(0x5c), u32::from(vector));
    assert_eq!(word(0x60), 1, "masked until it is bound");
    let port = dom0.bind(pirq as u32).unwrap();
    assert_eq!(word(0x60), 0);
    dom0.interrupt(pirq as u32);
    assert!(dom0.take_pending(port));
    // The guest has switched it on, and for several; a restart loses all of it.
    m.configure(|state| {
        state.pci.insert((WITH_MESSAGE, 0x50), 0x01a1_0005);
        state.pci.insert((WITH_MESSAGE, 0x5c), 0);
    });
    let device = physdev_pci_device {
        seg: 0,
        bus: 0,
        devfn: WITH_MESSAGE as u8,
    };
    dom0.call(false, PHYSDEVOP_restore_msi_ext, device).unwrap();
    assert_eq!([0x50, 0x5c].map(word), [0x0181_0005, u32::from(vector)]);
    dom0.unmap(pirq).unwrap();
    assert_eq!(word(0x50) >> 16 & 1, 0, "switched off");
    assert_eq!(word(0x60), 1);
    interrupt(dom0.hv, vector);
    assert!(!dom0.take_pending(port));
}

#[test]
fn a_function_takes_its_messages_with_it() {
    let mut dom0 = Dom0::new();
    dom0.report(WITH_MESSAGE);
    let pirq = dom0.map_message(WITH_MESSAGE).unwrap();
    let device = physdev_manage_pci {
        bus: 0,
        devfn: WITH_MESSAGE as u8,
    };
    dom0.call(false, PHYSDEVOP_manage_pci_remove, device)
        .unwrap();
    assert_eq!(dom0.bind(pirq as u32), refused(Errno::EPERM));
    assert_eq!(dom0.unmap(pirq), Ok(()));
    assert_eq!(dom0.unmap(pirq), refused(Errno::EINVAL));
}

#[test]
fn there_are_so_many_vectors_and_functions() {
    let mut dom0 = Dom0::with_cpus(8);
    dom0.report(WITH_MESSAGE);
    let mapped: Vec<_> = (0..VECTORS)
        .map(|_| dom0.map_message(WITH_MESSAGE).unwrap())
        .collect();
    assert_eq!(dom0.map_message(WITH_MESSAGE), refused(Errno::ENOSPC));
    dom0.map(EDGE as i32, EDGE as i32).unwrap();
    assert_eq!(dom0.bind(EDGE), refused(Errno::ENOSPC));
    dom0.unmap(mapped[7]).unwrap();
    assert!(dom0.bind(EDGE).is_ok());
    let mut add = physdev_pci_device_add::new_zeroed();
    for segment in 1..MOST_FUNCTIONS {
        add.seg = segment as u16;
        dom0.call(false, PHYSDEVOP_pci_device_add, add).unwrap();
    }
    add.seg = MOST_FUNCTIONS as u16;
    let one_more = dom0.call(false, PHYSDEVOP_pci_device_add, add);
    assert_eq!(one_more.map(drop), refused(Errno::ENOMEM));
}

#[test]
fn all_is_silent_after_a_reset() {
    let mut dom0 = Dom0::new();
    for line in [LEVEL, EDGE] {
        dom0.map(line as i32, line as i32).unwrap();
        dom0.bind(line).unwrap();
    }
    dom0.asked();
    let reset = evtchn_reset { dom: DOMID_SELF };
    dom0.call(true, EVTCHNOP_reset, reset).unwrap();
    assert_eq!(
        dom0.asked(),
        [LEVEL, EDGE].map(|line| Happened::MaskLine(line, true))
    );
    assert!(dom0.bind(LEVEL).is_ok());
}

/// A domain without devices of its own, and what it is told of a PIRQ that it binds.
struct DomU {
    dom: &'static Domain,
    vcpu: Vcpu,
}

impl DomU {
    fn new(hv: &'static Hypervisor<FakeMachine>, id: u16) -> Self {
        let dom = testkit::domain(hv, id, 1, 16);
        let vcpu = Vcpu::new(
            VcpuId {
                domain: id,
                index: 0,
            },
            dom.slot,
        );
        Self { dom, vcpu }
    }

    fn bind(&mut self, hv: &'static Hypervisor<FakeMachine>, pirq: u32) -> Result<Port, Stop> {
        self.bind_as(hv, pirq, 0)
    }

    fn bind_as(
        &mut self,
        hv: &'static Hypervisor<FakeMachine>,
        pirq: u32,
        flags: u32,
    ) -> Result<Port, Stop> {
        let mut op = evtchn_bind_pirq::new_zeroed();
        (op.pirq, op.flags) = (pirq, flags);
        hv.machine.copy_to_guest(ARG, op.as_bytes()).unwrap();
        let mut cx = testkit::context(hv, self.dom, &mut self.vcpu);
        event_channel_op(&mut cx, EVTCHNOP_bind_pirq.into(), ARG)?;
        hv.machine.copy_from_guest(ARG, op.as_mut_bytes()).unwrap();
        Ok(op.port)
    }

    fn hears(&self, hv: &Hypervisor<FakeMachine>, port: Port) -> bool {
        pending::is_set(hv, &self.dom.lock(), port)
    }
}

impl Dom0 {
    fn map_for(&mut self, domid: u16, line: u32, pirq: i32) -> Result<i32, Stop> {
        let mut op = physdev_map_pirq::new_zeroed();
        (op.domid, op.r#type) = (domid, MAP_PIRQ_TYPE_GSI);
        (op.index, op.pirq) = (line as i32, pirq);
        Ok(self.call(false, PHYSDEVOP_map_pirq, op)?.pirq)
    }
}

#[test]
fn a_line_is_of_one_domain_at_a_time() {
    let mut dom0 = Dom0::new();
    let hv = dom0.hv;
    let mut others = [1, 2].map(|id| DomU::new(hv, id));
    hv.machine.load_root(dom0.root);
    dom0.map(LEVEL as i32, LEVEL as i32).unwrap();
    assert_eq!(others[0].bind(hv, 16), refused(Errno::EPERM));
    for id in [1, 2] {
        assert_eq!(dom0.map_for(id, LEVEL, -1), Ok(16));
        assert_eq!(dom0.map_for(id, LEVEL, 24 + 32), refused(Errno::EEXIST));
        assert_eq!(dom0.map_for(id, EDGE, 24 + 32), refused(Errno::EINVAL));
    }
    let port = others[0].bind(hv, 16).unwrap();
    assert_eq!(others[1].bind(hv, 16), refused(Errno::EBUSY));
    assert_eq!(dom0.bind(LEVEL), refused(Errno::EBUSY));
    let vector = others[0].dom.lock().pirqs.get(16).unwrap().vector;
    interrupt(hv, vector);
    assert!(others[0].hears(hv, port));
    dom0.asked();
    // It dies without a word: the line is masked, its vector and its numbers are free.
    lifecycle::destroy_whole(hv, others[0].dom).unwrap();
    assert_eq!(dom0.asked(), [Happened::MaskLine(LEVEL, true)]);
    assert_eq!(hv.irqs.lock().by_vector(vector), None);
    interrupt(hv, vector);
    let port = others[1].bind(hv, 16).unwrap();
    assert_eq!(others[1].dom.lock().pirqs.get(16).unwrap().vector, vector);
    interrupt(hv, vector);
    assert!(others[1].hears(hv, port));
}

#[test]
fn of_one_that_is_gone_no_right_is_kept() {
    let dom0 = Dom0::new();
    let other = DomU::new(dom0.hv, 1);
    let none = other.dom.rights_text();
    let give = |rights: &mut crate::domain::rights::Rights| {
        rights.set_line(LEVEL, true);
        rights.frames.set((1, 2), true)
    };
    other.dom.change_rights(give).unwrap();
    assert_ne!(other.dom.rights_text(), none);
    lifecycle::destroy_whole(dom0.hv, other.dom).unwrap();
    dom0.hv.machine.load_root(dom0.root);
    let text = other.dom.rights_text();
    assert!(text.contains("frames: Ranges([])"), "{text}");
    assert!(text.contains("lines: [0, 0, 0, 0]"), "{text}");
}

#[test]
fn a_vector_that_went_to_another_is_not_heard_by_the_first() {
    let mut dom0 = Dom0::new();
    let hv = dom0.hv;
    let mut other = DomU::new(hv, 1);
    hv.machine.load_root(dom0.root);
    dom0.map_for(1, EDGE, EDGE as i32).unwrap();
    let port = other.bind(hv, EDGE).unwrap();
    let vector = other.dom.lock().pirqs.get(EDGE).unwrap().vector;
    // As between the look at the vector and the domain's lock.
    other.dom.lock().pirqs.get_mut(EDGE).unwrap().vector = vector + 1;
    interrupt(hv, vector);
    assert!(!other.hears(hv, port));
}

#[test]
fn the_right_to_a_line_is_asked_when_it_is_bound() {
    let mut dom0 = Dom0::new();
    let hv = dom0.hv;
    let mut other = DomU::new(hv, 1);
    hv.machine.load_root(dom0.root);
    assert_eq!(line_to_give(dom0.dom, 9), Err(Errno::EPERM));
    assert_eq!(line_to_give(dom0.dom, 208), Err(Errno::EINVAL));
    dom0.map(LEVEL as i32, LEVEL as i32).unwrap();
    assert_eq!(line_to_give(dom0.dom, 9), Ok(Some(LEVEL)));
    dom0.map_for(1, LEVEL, 9).unwrap();
    let take = |rights: &mut crate::domain::rights::Rights| {
        rights.set_line(LEVEL, false);
        Ok(())
    };
    other.dom.change_rights(take).unwrap();
    assert_eq!(other.bind(hv, 9), refused(Errno::EPERM));
    assert_eq!(line_to_give(other.dom, 9), Err(Errno::EPERM));
    dom0.dom.change_rights(take).unwrap();
    assert_eq!(dom0.map_for(1, LEVEL, 9), refused(Errno::EPERM));
}
