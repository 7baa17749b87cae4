//! I/O ports: who reaches which, and what answers where nothing is.

use super::privileged::{IN_AL_DX, IN_AX_DX, IN_EAX_DX, OUT_DX_AL, OUT_DX_EAX};
use super::*;
use crate::testkit::Happened::PortOut;

#[test]
fn dom0_reaches_all_but_the_hypervisors_devices() {
    let mut g = dom0();
    for port in 0..=u16::MAX {
        g.hv.machine
            .configure(|s| s.ports.insert(port, 0x11).map_or((), drop));
    }
    for port in [
        0x20, 0x21, 0x22, 0x23, 0x40, 0x41, 0x43, 0xa0, 0xa1, 0x3f8, 0x3ff,
    ] {
        g.vcpu.regs.rdx = port;
        g.vcpu.regs.rax = 0x30;
        assert!(run(&mut g, IN_AL_DX));
        assert_eq!(g.vcpu.regs.rax, 0xff, "{port:x}");
        g.vcpu.regs.rax = 0x30;
        assert!(run(&mut g, OUT_DX_AL));
        assert_eq!(g.hv.machine.take_happened(), [], "{port:x}");
    }
    for port in [
        0x42, 0x60, 0x6f, 0x72, 0x80, 0x3f7, 0x400, 0x2f8, 0xcf9, 0xffff,
    ] {
        g.vcpu.regs.rdx = port;
        g.vcpu.regs.rax = 0;
        assert!(run(&mut g, IN_AL_DX));
        assert_eq!(g.vcpu.regs.rax, 0x11, "{port:x}");
        assert!(run(&mut g, OUT_DX_AL));
        assert_eq!(
            g.hv.machine.take_happened(),
            [PortOut(port as u16, 1, 0x11)]
        );
    }
    // A wide access that touches one of them is taken apart.
    g.vcpu.regs.rdx = 0x3f6;
    assert!(run(&mut g, IN_EAX_DX));
    assert_eq!(g.vcpu.regs.rax, 0xffff_1111);
    assert!(run(&mut g, OUT_DX_EAX));
    let two = [PortOut(0x3f6, 1, 0x11), PortOut(0x3f7, 1, 0x11)];
    assert_eq!(g.hv.machine.take_happened(), two);
    g.vcpu.regs.rdx = 0xffff;
    g.vcpu.regs.rax = 0;
    assert!(run(&mut g, IN_EAX_DX));
    assert_eq!(g.vcpu.regs.rax, 0xffff_ffff, "beyond the last port");
    assert!(run(&mut g, OUT_DX_EAX));
    assert_eq!(g.hv.machine.take_happened(), []);
}

#[test]
fn the_timer_chip_is_shared_by_counters() {
    let mut g = dom0();
    g.hv.machine
        .configure(|s| s.ports.insert(0x61, 0x30).map_or((), drop));
    g.vcpu.regs.rdx = 0x43;
    for (command, passes) in [(0x30, false), (0x74, false), (0xb0, true), (0xc2, false)] {
        g.vcpu.regs.rax = command;
        assert!(run(&mut g, OUT_DX_AL));
        assert_eq!(g.hv.machine.take_happened().len(), usize::from(passes));
    }
    g.vcpu.regs.rdx = 0x61;
    g.vcpu.regs.rax = 0xff;
    assert!(run(&mut g, OUT_DX_AL));
    assert_eq!(g.hv.machine.take_happened(), [PortOut(0x61, 1, 0x33)]);
}

#[test]
fn pci_configuration_is_one_access() {
    let mut g = dom0();
    g.hv.machine
        .configure(|s| s.ports.insert(0xcfe, 0x1237).map_or((), drop));
    g.vcpu.regs.rdx = 0xcf8;
    g.vcpu.regs.rax = 0x8000_0010;
    assert!(run(&mut g, OUT_DX_EAX));
    assert_eq!(g.hv.machine.take_happened(), []);
    g.vcpu.regs.rdx = 0xcfe;
    assert!(run(&mut g, IN_AX_DX));
    assert_eq!(g.vcpu.regs.rax & 0xffff, 0x1237);
    assert_eq!(
        g.hv.machine.take_happened(),
        [PortOut(0xcf8, 4, 0x8000_0010)]
    );
    // With the enable bit clear nothing is there.
    g.vcpu.regs.rdx = 0xcf8;
    g.vcpu.regs.rax = 0x10;
    assert!(run(&mut g, OUT_DX_EAX));
    g.vcpu.regs.rdx = 0xcfe;
    assert!(run(&mut g, IN_AX_DX));
    assert_eq!(g.vcpu.regs.rax & 0xffff, 0xffff);
}

#[test]
fn a_domain_without_hardware_finds_no_device() {
    let mut g = guest(1);
    g.vcpu.arch.iopl = 1;
    g.hv.machine
        .configure(|s| s.ports.insert(0x42, 7).map_or((), drop));
    g.vcpu.regs.rdx = 0x42;
    g.vcpu.regs.rax = 0x1234_5678_55aa_55aa;
    assert!(run(&mut g, IN_AL_DX));
    assert_eq!(g.vcpu.regs.rax, 0x1234_5678_55aa_55ff);
    assert!(run(&mut g, IN_AX_DX));
    assert_eq!(g.vcpu.regs.rax, 0x1234_5678_55aa_ffff);
    assert!(run(&mut g, IN_EAX_DX));
    assert_eq!(g.vcpu.regs.rax, 0xffff_ffff);
    assert!(run(&mut g, OUT_DX_EAX));
    // The configuration address is a register of the guest's own.
    g.vcpu.regs.rdx = 0xcf8;
    g.vcpu.regs.rax = 0x8000_0000;
    assert!(run(&mut g, OUT_DX_EAX));
    g.vcpu.regs.rax = 0;
    assert!(run(&mut g, IN_EAX_DX));
    assert_eq!(g.vcpu.regs.rax, 0x8000_0000);
    assert!(
        g.hv.machine
            .take_happened()
            .iter()
            .all(|h| !matches!(h, PortOut(..)))
    );
}

#[test]
fn ports_are_used_by_whom_they_were_given_to() {
    let g = &mut guest(1);
    let given = [0x80_u16, 0x81, 0x82, 0x42, 0x61];
    let lay_out = |hv: &Hypervisor<FakeMachine>| {
        hv.machine.configure(|state| {
            (state.ports).extend(given.map(|port| (port, u32::from(port))));
        });
    };
    lay_out(g.hv);
    let read = |g: &Guest, at, size| port::read(g.hv, g.dom, at, size);
    assert_eq!(read(g, 0x80, 1), 0xff);
    g.dom.change_ports((0x80, 0x81), true).unwrap();
    assert_eq!(
        [0x80, 0x81, 0x82].map(|at| read(g, at, 1)),
        [0x80, 0x81, 0xff]
    );
    assert_eq!(read(g, 0x80, 4), 0xffff_8180);
    g.hv.machine.take_happened();
    for (at, size) in [(0x80, 4), (0x82, 1), (0x43, 1), (0x61, 1), (0xcfc, 4)] {
        port::write(g.hv, g.dom, at, size, 0x4433_2211);
    }
    let written = [(0x80, 0x11), (0x81, 0x22)].map(|(at, value)| Happened::PortOut(at, 1, value));
    assert_eq!(g.hv.machine.take_happened(), written);
    g.dom.change_ports((0, 0xffff), false).unwrap();
    assert_eq!(read(g, 0x80, 1), 0xff);
    // dom0 may lose some, but not what it has of the interval timer; the ACPI timer it never had.
    let g = &mut guest(0);
    lay_out(g.hv);
    g.hv.machine.configure(|state| {
        state.ports.insert(0x608, 5);
    });
    assert_eq!([0x80, 0x608].map(|at| read(g, at, 1)), [0x80, 0xff]);
    g.dom.change_ports((0x80, 0x80), false).unwrap();
    assert_eq!(
        [0x80, 0x81, 0x42, 0x61, 0x608].map(|at| read(g, at, 1)),
        [0xff, 0x81, 0x42, 0x61, 0xff]
    );
}

/// A clock whose registers all hold 0x5c.
fn with_clock(hv: &Hypervisor<FakeMachine>) {
    hv.machine.configure(|state| {
        state.ports.insert(0x71, 0x5c);
    });
}

#[test]
fn the_clocks_index_is_the_domains_own_and_goes_with_the_data() {
    let g = dom0();
    with_clock(g.hv);
    let (hv, dom) = (g.hv, g.dom);
    let other = testkit::domain(hv, 1, 1, 4);
    let happened = || hv.machine.take_happened();
    assert_eq!(port::read(hv, dom, 0x70, 1), 0);
    port::write(hv, dom, 0x70, 1, 0x134);
    port::write(hv, other, 0x70, 1, 0xff);
    assert_eq!(port::read(hv, dom, 0x70, 1), 0x34);
    assert_eq!(port::read(hv, other, 0x70, 1), 0xff);
    assert_eq!(happened(), [], "the clock has not heard of it");
    assert_eq!(port::read(hv, dom, 0x71, 1), 0x5c);
    assert_eq!(happened(), [PortOut(0x70, 1, 0x34)]);
    // The bit that holds NMIs back is remembered, and never written.
    port::write(hv, dom, 0x70, 1, 0xb4);
    port::write(hv, dom, 0x71, 1, 0x99);
    assert_eq!(happened(), [PortOut(0x70, 1, 0x34), PortOut(0x71, 1, 0x99)]);
    assert_eq!(port::read(hv, dom, 0x70, 1), 0xb4);
    // Wide accesses are taken apart, from the lowest port on.
    assert_eq!(port::read(hv, dom, 0x70, 4), 0xffff_5cb4);
    assert_eq!(port::read(hv, dom, 0x6e, 4), 0x5cb4_ffff);
    assert_eq!(port::read(hv, dom, 0x71, 2), 0xff5c);
    happened();
    port::write(hv, dom, 0x70, 2, 0x7712);
    assert_eq!(happened(), [PortOut(0x70, 1, 0x12), PortOut(0x71, 1, 0x77)]);
    port::write(hv, dom, 0x6f, 2, 0x13aa);
    assert_eq!(happened(), [PortOut(0x6f, 1, 0xaa)]);
    assert_eq!(port::read(hv, dom, 0x70, 1), 0x13);
}

#[test]
fn the_clocks_registers_need_both_ports() {
    let g = guest(1);
    with_clock(g.hv);
    let (hv, dom) = (g.hv, g.dom);
    for given in [
        None,
        Some((0x70, 0x70)),
        Some((0x71, 0x71)),
        Some((0x60, 0x70)),
    ] {
        if let Some(ports) = given {
            dom.change_ports(ports, true).unwrap();
        }
        port::write(hv, dom, 0x70, 1, 0x34);
        port::write(hv, dom, 0x71, 1, 0x77);
        assert_eq!(port::read(hv, dom, 0x70, 2), 0xff34, "{given:x?}");
        assert_eq!(hv.machine.take_happened(), [], "{given:x?}");
        dom.change_ports((0, 0xffff), false).unwrap();
    }
    dom.change_ports((0x70, 0x71), true).unwrap();
    assert_eq!(port::read(hv, dom, 0x6e, 4), 0x5c34_ffff);
    assert_eq!(hv.machine.take_happened(), [PortOut(0x70, 1, 0x34)]);
    port::write(hv, dom, 0x70, 4, 0xffff_7735);
    assert_eq!(
        hv.machine.take_happened(),
        [PortOut(0x70, 1, 0x35), PortOut(0x71, 1, 0x77)]
    );
    // dom0 loses its clock like any other domain.
    let g = dom0();
    with_clock(g.hv);
    g.dom.change_ports((0x70, 0x70), false).unwrap();
    port::write(g.hv, g.dom, 0x70, 1, 0x34);
    assert_eq!(port::read(g.hv, g.dom, 0x70, 2), 0xff34);
}
