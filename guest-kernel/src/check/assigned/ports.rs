//! Ports that a domain was given, and those that it was not.

use super::*;
use hypercall_abi::physdev::*;

/// Registers of the DMA controller's pages: what is written is read, and nothing comes of it.
const REGISTER: u16 = 0x81;

pub(super) fn ports(r: &mut Report) {
    instructions::set_iopl(1);
    let Some(puppet) = puppet(r) else { return };
    let id = puppet.id;
    for (at, value) in [(0, 0x51), (1, 0x52), (2, 0x53), (6, 0x57)] {
        devices::out8(REGISTER + at, value);
    }
    let look = |r: &mut Report, key: &str| {
        let read = puppet.in8(REGISTER);
        let wide = puppet.in32(REGISTER);
        r.line(format_args!("{key}={} wide={}", Came(read), Came(wide)));
        let wrote = puppet.out8(REGISTER, 0x61);
        let now = devices::in8(REGISTER);
        r.line(format_args!(
            "{key}_write={} now={now:#x}",
            Came(wrote.map(|_| 0))
        ));
        let wrote = puppet.out32(REGISTER, 0x6463_6271);
        let now = [0, 1, 2].map(|i| devices::in8(REGISTER + i));
        r.line(format_args!(
            "{key}_wide={} now={now:x?}",
            Came(wrote.map(|_| 0))
        ));
        for (at, value) in [(0, 0x51), (1, 0x52), (2, 0x53)] {
            devices::out8(REGISTER + at, value);
        }
    };
    look(r, "privilege");
    let mut level = physdev_set_iopl { iopl: 1 };
    r.result(
        "iopl",
        puppet.with(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &mut level),
    );
    look(r, "nothing");
    r.result("allow", allow_ports(id, REGISTER.into(), 1, 1));
    look(r, "one");
    r.result("allow_more", allow_ports(id, REGISTER.into(), 4, 1));
    look(r, "four");
    r.result(
        "take_middle",
        allow_ports(id, u32::from(REGISTER) + 1, 1, 0),
    );
    look(r, "hole");
    r.result("take", allow_ports(id, REGISTER.into(), 4, 0));
    look(r, "taken");
    // Ports of others' devices, and of the hypervisor's.
    for (key, port, count) in [
        ("pit", 0x40, 4),
        ("pit_two", 0x42, 1),
        ("speaker", 0x61, 1),
        ("pci", 0xcf8, 8),
        ("keyboard", 0x64, 1),
        ("high", 0xfffc, 4),
    ] {
        let before = puppet.in8(port);
        let allowed = allow_ports(id, port.into(), count, 1);
        let (byte, wide) = (puppet.in8(port), puppet.in32(port));
        r.line(format_args!(
            "{key}={} before={} byte={} wide={}",
            Shown(allowed),
            Came(before),
            byte == Ok(0xff),
            wide == Ok(0xffff_ffff)
        ));
    }
    // The address is remembered, but leads nowhere.
    let address = puppet.out32(0xcf8, 1 << 31);
    let shown = puppet.in32(0xcf8);
    r.line(format_args!(
        "pci_address={} shown={} data={}",
        Came(address.map(|_| 0)),
        Came(shown),
        Came(puppet.in32(0xcfc))
    ));
    r.outcome("take_all", allow_ports(id, 0, 0x1_0000, 0));
    r.line(format_args!("at_last={}", Came(puppet.in8(0x64))));
    r.outcome("destroy", puppet.destroy());
    instructions::set_iopl(0);
}
