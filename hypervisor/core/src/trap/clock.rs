//! The clock's two ports, which every PC has: the number of a register, and what is in it.
//!
//! As on real Xen the number is each domain's own, which it writes and reads whatever it may use; the
//! clock sees it together with an access to the register, that of a domain which has both ports.

use core::ops::RangeInclusive;
use core::sync::atomic::Ordering;

use spin::Mutex;

use crate::domain::Domain;
use crate::platform::Machine;

/// Where the register's number is written.
pub(super) const INDEX: u16 = 0x70;
/// Where its content is read and written.
const DATA: u16 = 0x71;
/// Both.
pub(super) const PORTS: RangeInclusive<u16> = INDEX..=DATA;
/// Bits of the number that are the clock's. The one that is left holds back NMIs, by which the
/// hypervisor finds processors that are stuck: it is never written.
const NUMBER: u8 = 0x7f;

/// Covers the pair of accesses that one access to a register is.
static PAIR: Mutex<()> = Mutex::new(());

/// Whether any of the `size` ports from `port` on is one of them.
#[inline(never)]
pub(super) fn touched(port: u16, size: u8) -> bool {
    (0..u16::from(size)).any(|i| PORTS.contains(&port.wrapping_add(i)))
}

/// What a byte at `port`, one of [`PORTS`], reads as; of the register if the domain has `right` to it.
#[cold]
pub(super) fn read<M: Machine>(m: &M, dom: &Domain, port: u16, right: bool) -> u32 {
    let number = dom.clock_index.load(Ordering::Relaxed);
    if port == INDEX {
        return number.into();
    }
    if !right {
        return 0xff;
    }
    let _pair = PAIR.lock();
    m.port_out(INDEX, 1, (number & NUMBER).into());
    m.port_in(DATA, 1) & 0xff
}

/// Writes a byte there, likewise.
#[cold]
pub(super) fn write<M: Machine>(m: &M, dom: &Domain, (port, value): (u16, u32), right: bool) {
    if port == INDEX {
        dom.clock_index.store(value as u8, Ordering::Relaxed);
    } else if right {
        let number = dom.clock_index.load(Ordering::Relaxed);
        let _pair = PAIR.lock();
        m.port_out(INDEX, 1, (number & NUMBER).into());
        m.port_out(DATA, 1, value & 0xff);
    }
}
