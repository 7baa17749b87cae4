//! The clock's ports, 0x70 for the register's number and 0x71 for what is in it, and those beside
//! them: what a kernel and its processes read and write there.

use super::devices::{in8, in16, in32, out8, out16, out32};
use super::instructions::set_iopl;
use super::page::*;
use super::probe::{Code, code, iret};
use super::user::User;
use super::{Check, Report};
use crate::hypercall::with_struct;
use crate::smp;
use hypercall_abi::physdev::{PHYSDEVOP_set_iobitmap, physdev_set_iobitmap};
use hypercall_abi::xen::__HYPERVISOR_physdev_op;
use zerocopy::FromZeros;

pub(super) const CHECKS: &[Check] = &[
    ("clock_index", index),
    ("clock_data", data),
    ("clock_wide", wide),
    ("clock_user", user),
];

pub(super) const CHECKS_OF_SEVERAL: &[Check] = &[("clock_vcpus", vcpus)];

pub(super) const INDEX: u16 = 0x70;
pub(super) const DATA: u16 = 0x71;
/// A register that is memory and nothing else.
pub(super) const MEMORY: u8 = 0x50;
/// The bit of a register's number that holds NMIs back.
pub(super) const NO_NMI: u8 = 0x80;

/// What a register holds.
fn register(number: u8) -> u8 {
    out8(INDEX, number);
    in8(DATA)
}

fn index(r: &mut Report) {
    set_iopl(1);
    r.line(format_args!("fresh={:#x}", in8(INDEX)));
    for number in [0, 0x34, 0x7f, NO_NMI, 0xff, MEMORY, 0xd] {
        out8(INDEX, number);
        let first = in8(INDEX);
        let data = in8(DATA);
        // A register's number is for once on some machines.
        let (later, again) = (in8(INDEX), in8(DATA));
        r.line(format_args!(
            "index{number:#x}={first:#x} later={later:#x} same={}",
            number == 0 || data == again
        ));
    }
    out8(DATA, 0x11);
    r.line(format_args!("after_data={:#x}", in8(INDEX)));
    r.line(format_args!(
        "beside={:#x} {:#x}",
        in8(INDEX - 1),
        in8(DATA + 1)
    ));
    set_iopl(0);
}

fn data(r: &mut Report) {
    set_iopl(1);
    let was = register(MEMORY);
    for number in [MEMORY, MEMORY | NO_NMI] {
        out8(INDEX, number);
        out8(DATA, number ^ 0x3c);
        r.line(format_args!(
            "write{number:#x}={:#x} plain={:#x} held={:#x}",
            in8(DATA),
            register(MEMORY),
            register(MEMORY | NO_NMI)
        ));
    }
    // The clock's own: the reasons of interrupts it knows, and whether its battery is good.
    for number in [0xa, 0xb, 0xd] {
        let held = register(number);
        out8(DATA, held);
        r.line(format_args!(
            "register{number:#x}={held:#x} then={:#x}",
            register(number)
        ));
    }
    out8(INDEX, MEMORY);
    out8(DATA, was);
    set_iopl(0);
}

fn wide(r: &mut Report) {
    set_iopl(1);
    let was = register(MEMORY);
    out8(DATA, 0x3d);
    r.line(format_args!(
        "read16={:#x} below={:#x} above={:#x}",
        in16(INDEX),
        in16(INDEX - 1),
        in16(DATA)
    ));
    r.line(format_args!(
        "read32={:#x} below={:#x} {:#x} {:#x} above={:#x}",
        in32(INDEX),
        in32(INDEX - 1),
        in32(INDEX - 2),
        in32(INDEX - 3),
        in32(DATA)
    ));
    let mut shown = |key: &str| {
        let (index, data) = (in8(INDEX), in8(DATA));
        r.line(format_args!(
            "{key}={index:#x} data={data:#x} memory={:#x} next={:#x}",
            register(MEMORY),
            register(MEMORY + 1)
        ));
        out8(INDEX, MEMORY + 1);
        out8(DATA, 0);
        out8(INDEX, MEMORY);
        out8(DATA, 0x3d);
    };
    shown("before");
    out16(INDEX, 0x4651);
    shown("write16");
    out16(INDEX - 1, 0x51_ff);
    shown("write16_below");
    out16(DATA, 0xff_47);
    shown("write16_above");
    out32(INDEX, 0xffff_4851);
    shown("write32");
    out32(INDEX - 1, 0xff49_51ff);
    shown("write32_below");
    out32(INDEX - 2, 0x4a51_ffff);
    shown("write32_end");
    out32(INDEX - 3, 0x51ff_ffff);
    shown("write32_index");
    out8(DATA, was);
    set_iopl(0);
}

code! {
    user_index: "mov edx, 0x70", "mov eax, 0x51", "out dx, al", "xor eax, eax", "in al, dx", "ud2";
    user_data: "mov edx, 0x71", "xor eax, eax", "in al, dx", "ud2";
    user_wide: "mov edx, 0x70", "xor eax, eax", "in ax, dx", "ud2";
    user_wide_write: "mov edx, 0x70", "mov eax, 0x4b51", "out dx, ax", "xor eax, eax", "ud2";
}

fn user(r: &mut Report) {
    set_iopl(1);
    let was = register(MEMORY);
    out8(DATA, 0x3e);
    let user = User::new();
    let mut bits = [0xff_u8; 16];
    let mut look = |key: &str, bits: &[u8; 16], level: u32| {
        set_iopl(level);
        let mut bitmap = physdev_set_iobitmap::new_zeroed();
        bitmap.bitmap = bits.as_ptr() as u64;
        bitmap.nr_ports = 0x80;
        let result = with_struct(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, &mut bitmap);
        r.line(format_args!("{key}={}", Shown(result)));
        let cases: [(&str, Code); 4] = [
            ("index", user_index),
            ("data", user_data),
            ("wide", user_wide),
            ("wide_write", user_wide_write),
        ];
        for (name, code) in cases {
            let hit = iret(&user.context(code)).expect("user code comes back");
            let f = &hit.frame;
            r.line(format_args!(
                "{key}_{name}={} error={:#x} rax={:#x}",
                f.vector,
                f.error,
                f.rax & 0xffff
            ));
        }
        set_iopl(1);
        r.line(format_args!(
            "{key}_kernel={:#x} {:#x}",
            in8(INDEX),
            in8(DATA)
        ));
        out8(INDEX, MEMORY);
    };
    for level in [0, 1, 3] {
        look(
            ["level0", "level1", "level2", "level3"][level as usize],
            &bits,
            level,
        );
    }
    bits[14] = !1;
    look("only_index", &bits, 0);
    bits[14] = !2;
    look("only_data", &bits, 0);
    bits[14] = !3;
    look("both", &bits, 0);
    let mut none = physdev_set_iobitmap::new_zeroed();
    let result = with_struct(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, &mut none);
    r.result("no_bitmap", result);
    set_iopl(1);
    register(MEMORY);
    out8(DATA, was);
    set_iopl(0);
}

/// Writes a register's number, and what the PCI configuration is asked for; what it reads back.
extern "C" fn write_indices(number: u64) -> u64 {
    out8(INDEX, number as u8);
    out32(0xcf8, 0x8000_0000 | (number as u32) << 8);
    read_indices(0)
}

extern "C" fn read_indices(_: u64) -> u64 {
    u64::from(in32(0xcf8)) << 8 | u64::from(in8(INDEX))
}

/// Whether a domain's vCPUs share what they wrote.
fn vcpus(r: &mut Report) {
    /// One that has I/O privilege.
    const OTHER: usize = 1;
    set_iopl(1);
    write_indices(0x11);
    r.line(format_args!(
        "read={:x?}",
        smp::run_on(OTHER, read_indices, 0)
    ));
    r.line(format_args!(
        "written={:x?}",
        smp::run_on(OTHER, write_indices, 0x12)
    ));
    r.line(format_args!("mine={:x}", read_indices(0)));
    write_indices(0);
    set_iopl(0);
}
