//! Devices' interrupt lines as event channels.

use guest_user::dom0::{event, physdev};
use hypercall_abi::event_channel::{BIND_PIRQ__WILL_SHARE, EVTCHNOP_bind_pirq, evtchn_bind_pirq};
use hypercall_abi::physdev::{
    MAP_PIRQ_TYPE_GSI, PHYSDEVOP_eoi, PHYSDEVOP_map_pirq, PHYSDEVOP_setup_gsi, physdev_eoi,
    physdev_map_pirq, physdev_setup_gsi,
};
use hypercall_abi::xen::DOMID_SELF;
use zerocopy::FromZeros;

/// A line that is triggered by its level, low.
const LEVEL: u8 = 1;
const LOW: u8 = 1;

/// An interrupt line as an event channel.
pub(crate) struct Interrupt {
    pirq: u32,
    port: u32,
}

impl Interrupt {
    /// Binds a line; `None` if the hypervisor refuses it.
    pub(crate) fn bind(line: u8) -> Option<Self> {
        let mut setup = physdev_setup_gsi::new_zeroed();
        (setup.gsi, setup.triggering, setup.polarity) = (line.into(), LEVEL, LOW);
        // One that was set up before is as it is.
        let _ = physdev(PHYSDEVOP_setup_gsi, setup);
        let mut map = physdev_map_pirq::new_zeroed();
        (map.domid, map.r#type) = (DOMID_SELF, MAP_PIRQ_TYPE_GSI);
        (map.index, map.pirq) = (line.into(), line.into());
        let mapped = physdev(PHYSDEVOP_map_pirq, map);
        let pirq = mapped.map_or(line.into(), |map| map.pirq.cast_unsigned());
        let bind = evtchn_bind_pirq {
            pirq,
            flags: BIND_PIRQ__WILL_SHARE,
            port: 0,
        };
        let bound = event(EVTCHNOP_bind_pirq, bind).ok()?;
        let port = bound.port;
        Some(Interrupt { pirq, port })
    }

    /// The port of its events.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    /// Lets the line interrupt again, when the device does not hold it any more.
    pub(crate) fn end(&self) {
        // It is this process's own.
        let _ = physdev(PHYSDEVOP_eoi, physdev_eoi { irq: self.pirq });
    }
}
