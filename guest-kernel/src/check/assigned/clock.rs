//! The clock's ports as a domain other than dom0 sees them: given, or not.

use super::*;
use crate::check::clock_ports::{DATA, INDEX, MEMORY, NO_NMI};
use hypercall_abi::physdev::*;

/// What dom0 sees in the register that is memory; what it has written to the port is `index` then.
fn memory(index: u8) -> u8 {
    devices::out8(INDEX, MEMORY);
    let value = devices::in8(DATA);
    devices::out8(INDEX, index);
    value
}

pub(super) fn clock(r: &mut Report) {
    instructions::set_iopl(1);
    let Some(puppet) = puppet(r) else { return };
    let was = memory(0x33);
    devices::out8(INDEX, MEMORY);
    devices::out8(DATA, 0x62);
    devices::out8(INDEX, 0x33);
    look(r, "privilege", &puppet);
    let mut level = physdev_set_iopl { iopl: 1 };
    r.result(
        "iopl",
        puppet.with(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &mut level),
    );
    r.line(format_args!("fresh={}", Came(puppet.in8(INDEX))));
    look(r, "nothing", &puppet);
    for (key, first, count) in [
        ("below", INDEX - 1, 1),
        ("index", INDEX, 1),
        ("data", DATA, 1),
        ("both", INDEX, 2),
        ("around", INDEX - 2, 6),
    ] {
        r.result(key, allow_ports(puppet.id, first.into(), count, 1));
        look(r, key, &puppet);
        r.result("take", allow_ports(puppet.id, first.into(), count, 0));
    }
    look(r, "taken", &puppet);
    devices::out8(INDEX, MEMORY);
    devices::out8(DATA, was);
    r.outcome("destroy", puppet.destroy());
    instructions::set_iopl(0);
}

/// dom0 gives its clock away, for good.
pub(super) fn given_away(r: &mut Report) {
    instructions::set_iopl(1);
    r.result("mine", allow_ports(0, INDEX.into(), 2, 0));
    devices::out8(INDEX, 0x35);
    r.line(format_args!("mine_index={:#x}", devices::in8(INDEX)));
    devices::out8(INDEX, MEMORY);
    r.line(format_args!("mine_data={:#x}", devices::in8(DATA)));
    devices::out8(DATA, 0x66);
    r.line(format_args!(
        "mine_wide={:#x} {:#x}",
        devices::in16(INDEX),
        devices::in32(INDEX)
    ));
    for (key, first) in [("mine_first", INDEX), ("mine_second", DATA)] {
        r.result(key, allow_ports(0, first.into(), 1, 1));
        devices::out8(INDEX, MEMORY);
        r.line(format_args!(
            "{key}_data={:#x} {:#x}",
            devices::in8(INDEX),
            devices::in8(DATA)
        ));
    }
    instructions::set_iopl(0);
}

fn look(r: &mut Report, key: &str, puppet: &Puppet) {
    let wrote = |done: Done| Came(done.map(|_| 0));
    for number in [0x34, MEMORY | NO_NMI, MEMORY] {
        let write = wrote(puppet.out8(INDEX, number));
        r.line(format_args!(
            "{key}_index{number:#x}={write} read={} mine={:#x}",
            Came(puppet.in8(INDEX)),
            devices::in8(INDEX)
        ));
        if number != 0x34 {
            r.line(format_args!("{key}_data={}", Came(puppet.in8(DATA))));
        }
    }
    let write = wrote(puppet.out8(DATA, 0x63));
    r.line(format_args!("{key}_write={write} now={:#x}", memory(0x33)));
    for (name, port) in [("below", INDEX - 1), ("index", INDEX), ("data", DATA)] {
        r.line(format_args!(
            "{key}_{name}_wide={} {}",
            Came(puppet.in16(port)),
            Came(puppet.in32(port))
        ));
    }
    let write = wrote(puppet.out16(INDEX, 0x6400 | u16::from(MEMORY)));
    let index = Came(puppet.in8(INDEX));
    r.line(format_args!(
        "{key}_write16={write} index={index} now={:#x}",
        memory(0x33)
    ));
    let write = wrote(puppet.out16(INDEX - 1, 0x3600));
    let index = Came(puppet.in8(INDEX));
    r.line(format_args!("{key}_write_below={write} index={index}"));
    let write = wrote(puppet.out32(INDEX, 0xffff_6500 | u32::from(MEMORY)));
    let index = Came(puppet.in8(INDEX));
    r.line(format_args!(
        "{key}_write32={write} index={index} now={:#x}",
        memory(0x33)
    ));
    let _ = memory(MEMORY);
    devices::out8(DATA, 0x62);
    devices::out8(INDEX, 0x33);
}
