//! Devices' interrupt lines as event channels. A line may be that of several devices: of one process,
//! they share it; that of another process cannot be had.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use guest_user::dom0::{event, physdev};
use guest_user::sys;
use hypercall_abi::event_channel::{
    BIND_PIRQ__WILL_SHARE, EVTCHNOP_bind_pirq, EVTCHNOP_close, evtchn_bind_pirq, evtchn_close,
};
use hypercall_abi::physdev::{
    MAP_PIRQ_TYPE_GSI, PHYSDEVOP_eoi, PHYSDEVOP_map_pirq, PHYSDEVOP_setup_gsi, physdev_eoi,
    physdev_map_pirq, physdev_setup_gsi,
};
use hypercall_abi::xen::DOMID_SELF;
use spin::Mutex;
use zerocopy::FromZeros;

/// A line that is triggered by its level, low.
const LEVEL: u8 = 1;
const LOW: u8 = 1;

/// The lines that this process has.
static LINES: Mutex<Vec<Weak<Line>>> = Mutex::new(Vec::new());

struct Line {
    number: u8,
    pirq: u32,
    port: u32,
}

impl Line {
    fn bind(number: u8) -> Option<Self> {
        let mut setup = physdev_setup_gsi::new_zeroed();
        (setup.gsi, setup.triggering, setup.polarity) = (number.into(), LEVEL, LOW);
        // One that was set up before is as it is.
        let _ = physdev(PHYSDEVOP_setup_gsi, setup);
        let mut map = physdev_map_pirq::new_zeroed();
        (map.domid, map.r#type) = (DOMID_SELF, MAP_PIRQ_TYPE_GSI);
        (map.index, map.pirq) = (number.into(), number.into());
        let mapped = physdev(PHYSDEVOP_map_pirq, map);
        let pirq = mapped.map_or(number.into(), |map| map.pirq.cast_unsigned());
        let bind = evtchn_bind_pirq {
            pirq,
            flags: BIND_PIRQ__WILL_SHARE,
            port: 0,
        };
        let port = event(EVTCHNOP_bind_pirq, bind).ok()?.port;
        Some(Line { number, pirq, port })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let port = self.port;
        // It is this object's alone, so it is not refused.
        let _ = event(EVTCHNOP_close, evtchn_close { port });
    }
}

/// An interrupt line as an event channel.
pub(crate) struct Interrupt(Arc<Line>);

impl Interrupt {
    /// Binds a line; `None` if the hypervisor refuses it, as where another process has it.
    pub(crate) fn bind(number: u8) -> Option<Self> {
        let mut lines = LINES.lock();
        let known = lines.iter().filter_map(Weak::upgrade);
        if let Some(line) = { known }.find(|line| line.number == number) {
            return Some(Interrupt(line));
        }
        let line = Arc::new(Line::bind(number)?);
        lines.retain(|line| line.strong_count() > 0);
        lines.push(Arc::downgrade(&line));
        Some(Interrupt(line))
    }

    /// The port of its events.
    pub(crate) fn port(&self) -> u32 {
        self.0.port
    }

    /// Waits for an event, for at most so many nanoseconds.
    pub(crate) fn wait(&self, timeout: u64) {
        // That there was none in time, the device's own words tell.
        let _ = sys::evtchn_wait(self.port(), timeout);
    }

    /// Lets the line interrupt again, when the device does not hold it any more.
    pub(crate) fn end(&self) {
        // It is this process's own.
        let _ = physdev(PHYSDEVOP_eoi, physdev_eoi { irq: self.0.pirq });
    }
}
