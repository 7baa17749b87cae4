//! I/O ports: who may use them, and what answers.

use core::sync::atomic::Ordering;

use super::{bounce, clock};
use crate::domain::Domain;
use crate::guest::copy_in_bytes;
use crate::hypervisor::Hypervisor;
use crate::pci::{self, ADDRESS as PCI_ADDRESS, DATA as PCI_DATA, ENABLE as PCI_ENABLE};
use crate::platform::Machine;
use crate::vcpu::{Mode, Vcpu};

/// Control register of the interval timer (PIT).
const PIT_CONTROL: u16 = 0x43;
/// Bits of a PIT command that choose the counter.
const PIT_COUNTER: u32 = 3 << 6;
/// The counter that is the speaker's, and the guest's to use.
const PIT_COUNTER_2: u32 = 2 << 6;
/// System control port B: gate of PIT counter 2, speaker.
const SYSTEM_CONTROL: u16 = 0x61;
/// Bits of system control port B that may be written.
const SYSTEM_CONTROL_WRITABLE: u32 = 3;

/// Whether the code that runs has the I/O privilege level it needs. A kernel runs at level 1 in
/// this respect, or at level 0 if the domain wants the level to be architectural.
pub(crate) fn has_iopl<M: Machine>(hv: &Hypervisor<M>, vcpu: &Vcpu) -> bool {
    let needed = match vcpu.mode {
        Mode::User => 3,
        Mode::Kernel if bounce::shows_iopl(hv, vcpu) => 0,
        Mode::Kernel => 1,
    };
    vcpu.arch.iopl >= needed
}

/// Whether an access to `size` ports from `port` on is no fault, by privilege level or by the
/// guest's own bitmap.
pub(crate) fn may_use<M: Machine>(hv: &Hypervisor<M>, vcpu: &Vcpu, port: u16, size: u8) -> bool {
    if has_iopl(hv, vcpu) {
        return true;
    }
    let last = u32::from(port) + u32::from(size);
    if last > vcpu.arch.io_bitmap_ports {
        return false;
    }
    // The bits may lie in two bytes; those behind the bitmap's end are not looked at.
    let mut bytes = [0xff; 2];
    let first_byte = u32::from(port) / 8;
    let count = ((last - 1) / 8 - first_byte + 1) as usize;
    let at = vcpu.arch.io_bitmap.wrapping_add(u64::from(first_byte));
    let Some(read) = bytes.get_mut(..count) else {
        return false;
    };
    if copy_in_bytes(hv.machine, at, read).is_err() {
        return false;
    }
    let denied = u16::from_le_bytes(bytes) >> (port % 8);
    denied & ((1 << size) - 1) == 0
}

/// Whether a port is of a device that the hypervisor drives: the two interrupt controllers and
/// IMCR, PIT counters 0 and 1, the serial console.
#[inline]
const fn owned(port: u16) -> bool {
    matches!(
        port,
        0x20..=0x23 | 0x40..=0x41 | PIT_CONTROL | 0xa0..=0xa1 | 0x3f8..=0x3ff
    )
}

/// Whether a port is one of the four of the timer that the hypervisor may use, which are aligned.
#[inline(always)]
fn is_timer<M: Machine>(hv: &Hypervisor<M>, port: u16) -> bool {
    hv.config.timer_port == Some(port & !3)
}

/// Whether an access is the usual one: dom0's, of a byte, to a port that is nothing special.
#[inline(always)]
fn is_usual<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, port: u16, size: u8) -> bool {
    let special =
        owned(port) || clock::PORTS.contains(&port) || is_timer(hv, port) || port & !3 == PCI_DATA;
    size == 1 && dom.has_dom0s_ports() && !special
}

/// Whether a port is not the domain's: of a device that the hypervisor drives, or that it has no right
/// to.
#[inline(never)]
fn kept<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, port: u16) -> bool {
    owned(port) || is_timer(hv, port) || !dom.has_dom0s_ports() && lacks(dom, port)
}

/// Whether a domain whose ports were chosen has no right to one. What of the interval timer dom0 may
/// use is not among its ports.
#[cold]
fn lacks(dom: &Domain, port: u16) -> bool {
    if dom.is_privileged() {
        let timers = matches!(port, 0x42 | SYSTEM_CONTROL);
        return !timers && !dom.may_use_port(port);
    }
    !dom.may_use_port(port)
}

/// Whether the domain has the clock's ports, of which one is of no use without the other.
#[cold]
#[inline(never)]
fn has_clock<M: Machine>(hv: &Hypervisor<M>, dom: &Domain) -> bool {
    !clock::PORTS.into_iter().any(|port| kept(hv, dom, port))
}

/// Whether nothing answers an access: none of the domain's ports is meant, or it reaches beyond the last.
fn is_void(dom: &Domain, port: u16, size: u8) -> bool {
    let beyond = port > u16::MAX - (u16::from(size) - 1);
    beyond || !dom.has_devices() && !clock::touched(port, size)
}

/// Whether the machine takes an access as it is: all its ports are the domain's, and nothing special.
#[inline(never)]
fn is_whole<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, port: u16, size: u8) -> bool {
    let mut ports = (0..u16::from(size)).map(|i| port.wrapping_add(i));
    !clock::touched(port, size) && !ports.any(|at| kept(hv, dom, at))
}

/// All ones, as wide as the access: what answers where nothing is.
const fn nothing(size: u8) -> u32 {
    match size {
        1 => 0xff,
        2 => 0xffff,
        _ => u32::MAX,
    }
}

/// Whether an access lies in the PCI data port.
const fn is_pci_data(port: u16, size: u8) -> bool {
    port & !3 == PCI_DATA && (port & 3) + size as u16 <= 4
}

/// The address that the domain's accesses to the PCI data port are for, if they are for one.
fn pci_address(dom: &Domain) -> Option<u32> {
    let address = dom.pci_address.load(Ordering::Relaxed);
    (dom.is_privileged() && address & PCI_ENABLE != 0).then_some(address)
}

/// What `size` bytes from `port` on read as.
pub(crate) fn read<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, port: u16, size: u8) -> u32 {
    if is_usual(hv, dom, port, size) {
        return hv.machine.port_in(port, size);
    }
    read_odd(hv, dom, port, size)
}

#[inline(never)]
fn read_odd<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, port: u16, size: u8) -> u32 {
    if port == PCI_ADDRESS && size == 4 {
        return dom.pci_address.load(Ordering::Relaxed);
    }
    if is_void(dom, port, size) {
        return nothing(size);
    }
    let m = hv.machine;
    if is_pci_data(port, size) {
        return match pci_address(dom) {
            Some(address) => pci::read_port(m, address, port, size),
            None => nothing(size),
        };
    }
    if is_whole(hv, dom, port, size) {
        return m.port_in(port, size);
    }
    (0..size).fold(0, |value, i| {
        let at = port.wrapping_add(u16::from(i));
        let byte = if clock::PORTS.contains(&at) {
            clock::read(m, dom, at, has_clock(hv, dom))
        } else if kept(hv, dom, at) {
            0xff
        } else {
            m.port_in(at, 1) & 0xff
        };
        value | byte << (8 * i)
    })
}

/// Writes `size` bytes from `port` on, as far as the domain may.
pub(crate) fn write<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, port: u16, size: u8, value: u32) {
    if port != SYSTEM_CONTROL && is_usual(hv, dom, port, size) {
        hv.machine.port_out(port, size, value & 0xff);
        return;
    }
    write_odd(hv, dom, (port, size), value);
}

#[inline(never)]
fn write_odd<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, (port, size): (u16, u8), value: u32) {
    if port == PCI_ADDRESS && size == 4 {
        dom.pci_address.store(value, Ordering::Relaxed);
        return;
    }
    if is_void(dom, port, size) {
        return;
    }
    let m = hv.machine;
    if is_pci_data(port, size) {
        if let Some(address) = pci_address(dom) {
            pci::write_port(m, address, port, size, value);
        }
        return;
    }
    let controls = (0..size).any(|i| port.wrapping_add(i.into()) == SYSTEM_CONTROL);
    if !controls && is_whole(hv, dom, port, size) {
        m.port_out(port, size, value);
        return;
    }
    for i in 0..size {
        let at = port.wrapping_add(u16::from(i));
        write_byte(hv, dom, at, value >> (8 * i) & 0xff);
    }
}

fn write_byte<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, port: u16, value: u32) {
    let m = hv.machine;
    match port {
        _ if clock::PORTS.contains(&port) => {
            clock::write(m, dom, (port, value), has_clock(hv, dom));
        }
        PIT_CONTROL | SYSTEM_CONTROL if !dom.is_privileged() => {}
        PIT_CONTROL if value & PIT_COUNTER == PIT_COUNTER_2 => m.port_out(port, 1, value),
        SYSTEM_CONTROL => {
            let kept = m.port_in(port, 1) & !SYSTEM_CONTROL_WRITABLE;
            m.port_out(port, 1, kept & 0xff | value & SYSTEM_CONTROL_WRITABLE);
        }
        _ if kept(hv, dom, port) => {}
        _ => m.port_out(port, 1, value),
    }
}
