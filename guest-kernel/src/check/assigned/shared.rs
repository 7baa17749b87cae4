//! A line that several domains have bound: who may, who hears it, and when it is heard again.

use super::interrupts::*;
use super::*;
use crate::check::pirq::{map, unmap};
use crate::dev::time;
use hypercall_abi::event_channel::BIND_PIRQ__WILL_SHARE;
use hypercall_abi::physdev::*;

const GSI: i32 = MAP_PIRQ_TYPE_GSI;
const SHARE: u32 = BIND_PIRQ__WILL_SHARE;
/// The PIRQs of the two domains; dom0's is the line's number.
const ONE: u32 = 20;
const OTHER: u32 = 21;
/// How long what comes at once may take.
const SOON: u64 = SECOND / 50;

struct Sharers {
    edu: Edu,
    gsi: u32,
    one: Puppet,
    other: Puppet,
}

impl Sharers {
    fn new(r: &mut Report) -> Option<Self> {
        let Some(edu) = Edu::find() else {
            r.error("no edu device");
            return None;
        };
        let gsi = configuration(edu.devfn, 0x3c) & 0xff;
        let one = puppet(r)?;
        let other = puppet(r)?;
        for (key, id, pirq) in [
            ("one", one.id, ONE as i32),
            ("other", other.id, OTHER as i32),
            ("mine", DOMID_SELF, gsi as i32),
        ] {
            let (result, pirq) = map(id, GSI, gsi as i32, pirq);
            r.line(format_args!("map_{key}={} pirq={pirq}", Shown(result)));
        }
        Some(Self {
            edu,
            gsi,
            one,
            other,
        })
    }

    fn end(self, r: &mut Report) {
        r.outcome("destroy", self.one.destroy());
        r.outcome("destroy_other", self.other.destroy());
        r.line(format_args!(
            "mine_at_last={}",
            take_line(&self.edu, self.gsi)
        ));
        instructions::set_iopl(0);
    }

    /// Raises one that nobody acknowledges; who hears it.
    fn raise(&self, (one, other): (u32, u32)) -> (bool, bool) {
        self.edu.raise(1);
        (comes(&self.one, one, SOON), comes(&self.other, other, SOON))
    }
}

/// Who may bind it beside whom.
pub(super) fn binding(r: &mut Report) {
    instructions::set_iopl(1);
    let Some(s) = Sharers::new(r) else { return };
    for first in [0, SHARE, 2, 3] {
        let bound = bind(&s.one, ONE, first);
        r.line(format_args!("first{first}={}", events::outcome(bound)));
        for second in [0, SHARE, 2, 3] {
            let other = bind(&s.other, OTHER, second);
            let mine = pirq::bind(s.gsi, second);
            r.line(format_args!(
                "first{first}_second{second}={} mine={}",
                events::outcome(other),
                events::outcome(mine)
            ));
            if let Ok(port) = other {
                r.result("close_other", close(&s.other, port));
            }
            if let Ok(port) = mine {
                r.outcome("close_mine", events::close(port as u32));
            }
        }
        if let Ok(port) = bound {
            r.result("close", close(&s.one, port));
        }
    }
    s.end(r);
}

/// Each hears it, and it comes again when all have ended it.
pub(super) fn heard(r: &mut Report) {
    instructions::set_iopl(1);
    let Some(s) = Sharers::new(r) else { return };
    let (one, other) = (bind(&s.one, ONE, SHARE), bind(&s.other, OTHER, SHARE));
    let (Ok(one), Ok(other)) = (one, other) else {
        return r.error("not shared");
    };
    let (mut heard, mut again) = ([0; 2], 0);
    for round in 1..=20 {
        let came = s.raise((one, other));
        heard[0] += u32::from(came.0);
        heard[1] += u32::from(came.1);
        s.edu.acknowledge(round);
        s.edu.acknowledge(1);
        let ended = if round % 2 == 0 {
            (eoi(&s.one, ONE), eoi(&s.other, OTHER))
        } else {
            let later = eoi(&s.other, OTHER);
            (eoi(&s.one, ONE), later)
        };
        again += u32::from(ended.0.is_err()) + u32::from(ended.1.is_err());
        s.one.take_pending(one);
        s.other.take_pending(other);
    }
    r.line(format_args!("heard={heard:?} refused={again}"));
    // One does not end it; for the other it goes on.
    let mut heard = 0;
    for _ in 0..20 {
        s.edu.raise(1);
        heard += u32::from(comes(&s.one, one, SECOND / 10));
        s.edu.acknowledge(1);
        let _ = eoi(&s.one, ONE);
        s.one.take_pending(one);
    }
    r.line(format_args!(
        "without_other={heard} other={}",
        s.other.take_pending(other)
    ));
    // Nobody ends it, and the device is not quiet.
    s.edu.raise(1);
    let mut times = 0;
    let end = time::uptime() + SECOND / 5;
    while time::uptime() < end {
        times += u32::from(s.one.take_pending(one));
    }
    // About once a millisecond it is taken for ended.
    let often = (50..=200).contains(&times);
    r.line(format_args!("unended={} often={often}", times > 0));
    s.edu.acknowledge(1);
    let _ = (eoi(&s.one, ONE), eoi(&s.other, OTHER));
    s.one.take_pending(one);
    s.other.take_pending(other);
    // One closes its port while it owes an end.
    let came = s.raise((one, other));
    s.edu.acknowledge(1);
    let _ = eoi(&s.one, ONE);
    r.result("close_other", close(&s.other, other));
    s.edu.raise(1);
    r.line(format_args!(
        "came={came:?} after_close={}",
        comes(&s.one, one, SOON)
    ));
    s.edu.acknowledge(1);
    let _ = eoi(&s.one, ONE);
    s.end(r);
}

/// One that has it alone does not end it; another one joins.
pub(super) fn joined(r: &mut Report) {
    instructions::set_iopl(1);
    let Some(s) = Sharers::new(r) else { return };
    let Ok(one) = bind(&s.one, ONE, SHARE) else {
        return r.error("not bound");
    };
    s.edu.raise(1);
    r.line(format_args!("came={}", comes(&s.one, one, SECOND)));
    s.edu.acknowledge(1);
    let Ok(other) = bind(&s.other, OTHER, SHARE) else {
        return r.error("not shared");
    };
    let mut heard = [0; 2];
    for _ in 0..5 {
        let came = s.raise((one, other));
        heard[0] += u32::from(came.0);
        heard[1] += u32::from(came.1);
        s.edu.acknowledge(1);
        let _ = eoi(&s.other, OTHER);
        s.one.take_pending(one);
        s.other.take_pending(other);
    }
    r.line(format_args!("heard={heard:?}"));
    s.end(r);
}

/// The first that bound it goes, in each of the ways; the other goes on.
pub(super) fn left(r: &mut Report) {
    for (way, key) in ["close", "unmap", "destroy"].into_iter().enumerate() {
        instructions::set_iopl(1);
        let Some(s) = Sharers::new(r) else { return };
        let (one, other) = (bind(&s.one, ONE, SHARE), bind(&s.other, OTHER, SHARE));
        let mine = pirq::bind(s.gsi, SHARE);
        let (Ok(one), Ok(other), Ok(mine)) = (one, other, mine) else {
            return r.error("not shared");
        };
        let mine = mine as u32;
        let came = s.raise((one, other));
        r.line(format_args!(
            "{key}_came={came:?} mine={}",
            events::pending(mine)
        ));
        s.edu.acknowledge(1);
        events::clear_pending(mine);
        events::clear_upcall();
        let _ = (pirq::eoi(s.gsi), eoi(&s.other, OTHER));
        let Sharers {
            edu,
            gsi,
            one: first,
            other: second,
        } = s;
        let gone = match way {
            0 => close(&first, one),
            1 => unmap(first.id, ONE as i32),
            _ => Ok(0),
        };
        r.result(key, gone);
        let first = if way == 2 {
            r.outcome("destroy_first", first.destroy());
            None
        } else {
            Some(first)
        };
        let mut heard = [0; 2];
        for _ in 0..5 {
            edu.raise(1);
            heard[0] += u32::from(comes(&second, other, SOON));
            heard[1] += u32::from(events::pending(mine));
            edu.acknowledge(1);
            events::clear_pending(mine);
            events::clear_upcall();
            let _ = (pirq::eoi(gsi), eoi(&second, OTHER));
            second.take_pending(other);
        }
        r.line(format_args!("{key}_heard={heard:?}"));
        r.outcome("close_mine", events::close(mine));
        if let Some(first) = first {
            r.line(format_args!("first_hears={}", first.take_pending(one)));
            r.outcome("destroy", first.destroy());
        }
        r.outcome("destroy_other", second.destroy());
        r.line(format_args!("{key}_mine={}", take_line(&edu, gsi)));
        instructions::set_iopl(0);
    }
}
