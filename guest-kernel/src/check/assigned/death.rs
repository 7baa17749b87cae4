//! What a domain had when it died.

use super::interrupts::*;
use super::*;
use crate::check::pirq::map;
use hypercall_abi::physdev::MAP_PIRQ_TYPE_GSI;

/// A domain dies with a line and a frame: the next one gets them.
pub(super) fn death(r: &mut Report) {
    instructions::set_iopl(1);
    let Some(edu) = Edu::find() else {
        return r.error("no edu device");
    };
    let gsi = configuration(edu.devfn, 0x3c) & 0xff;
    for turn in 0..3 {
        let Some(puppet) = puppet(r) else { return };
        let id = puppet.id;
        let device = registers(&edu) | pte::RW;
        r.result("allow", allow_frames(id, registers(&edu) >> 12, 1, 1));
        r.result("map", puppet.map(device));
        let (result, pirq) = map(id, MAP_PIRQ_TYPE_GSI, gsi as i32, 20 + turn);
        r.line(format_args!("line={} pirq={pirq}", Shown(result)));
        let pirq = pirq as u32;
        let bound = bind(&puppet, pirq, 0);
        r.line(format_args!("bind={}", events::outcome(bound)));
        let Ok(port) = bound else { return };
        // It raises its device itself.
        let raised = puppet.store(WINDOW + 0x60, 1);
        let came = comes(&puppet, port, SECOND);
        r.line(format_args!(
            "raised={} came={came}",
            Came(raised.map(|_| 0))
        ));
        // In the last turn nobody acknowledges: it dies with the line asserted.
        if turn != 2 {
            edu.acknowledge(1);
        }
        r.outcome("destroy", puppet.destroy());
    }
    edu.acknowledge(1);
    r.line(format_args!("mine_at_last={}", take_line(&edu, gsi)));
    instructions::set_iopl(0);
}
