//! Debug keys (`xl debug-keys`): questions that are answered in the log.

use core::fmt;
use core::sync::atomic::Ordering;

use hypercall_abi::vcpu::{RUNSTATE_runnable, RUNSTATE_running};
use hypercall_abi::xen::VIRQ_DEBUG;

use crate::domain::Domain;
use crate::evtchn::virq;
use crate::hypervisor::Hypervisor;
use crate::platform::{Machine, Nanos, Shutdown};
use crate::sched::share::share;

/// Lines that are shown before others get the CPU: each is sent to a console while this CPU waits.
const LINES: u32 = 12;
/// The same of lines about CPU time, which are short, and are best by one moment.
const TIMES: u32 = 20;
/// Where a domain's slot is in a place of an answer; below is the line.
const SLOT: u32 = 40;

/// A part of an answer: lines of one domain, or of what is no domain's.
struct Part {
    /// Lines that were shown before.
    before: u64,
    /// Lines that have been looked at.
    seen: u64,
    left: u32,
    /// The first line that there was no room for.
    rest: Option<u64>,
}

impl Part {
    fn from(line: u64, left: u32) -> Self {
        Part {
            before: line,
            seen: 0,
            left,
            rest: None,
        }
    }

    /// Whether the next line is to be shown.
    fn takes(&mut self) -> bool {
        let line = self.seen;
        self.seen += 1;
        if line < self.before || self.rest.is_some() {
            return false;
        }
        if self.left == 0 {
            self.rest = Some(line);
            return false;
        }
        self.left -= 1;
        true
    }

    /// The next line.
    #[inline(never)]
    fn line(&mut self, line: fmt::Arguments<'_>) {
        if self.takes() {
            say(line);
        }
    }

    /// A line about something that a domain has, by two numbers.
    fn has(&mut self, id: u16, what: &str, first: u64, second: u64) {
        self.line(format_args!("d{id} has {what} {first:x}, {second:x}"));
    }
}

/// Acts on a key, or goes on with its answer from a place on; from where to go on with it, if it has
/// not come to its end. 0 is its beginning.
pub(super) fn pressed<M: Machine>(hv: &Hypervisor<M>, key: u8, from: u64) -> Option<u64> {
    match key {
        b'i' => lines(hv, from),
        b'q' => of_domains(hv, from, LINES, &mut |dom, part| show_domain(hv, dom, part)),
        b'r' => {
            // Each part is by a moment of its own.
            let now = hv.machine.now();
            let name = hv.sched.policy().kind().name();
            say(format_args!("scheduler {name}, at {now} ns"));
            of_domains(hv, from, TIMES, &mut |dom, part| show_time(dom, now, part))
        }
        _ => {
            short(hv, key);
            None
        }
    }
}

/// Shows every domain from a place on, as far as a part of at most so many lines goes.
fn of_domains<M: Machine>(
    hv: &Hypervisor<M>,
    from: u64,
    most: u32,
    show: &mut dyn FnMut(&Domain, &mut Part),
) -> Option<u64> {
    let (first, line) = (from >> SLOT, from & ((1 << SLOT) - 1));
    let mut part = Part::from(line, most);
    for dom in hv.domains.iter() {
        let slot = u64::from(dom.slot);
        if slot < first {
            continue;
        }
        // The one that was begun may be gone.
        part.before = if slot == first { line } else { 0 };
        part.seen = 0;
        show(dom, &mut part);
        if let Some(line) = part.rest {
            return Some(slot << SLOT | line);
        }
    }
    None
}

/// Shows which interrupts are in use.
fn lines<M: Machine>(hv: &Hypervisor<M>, from: u64) -> Option<u64> {
    let mut part = Part::from(from, LINES);
    hv.irqs.lock().show(&mut |slot, what, number, pirq| {
        part.has(hv.domains.slot(slot).id(), what, number, pirq);
    });
    part.rest
}

/// Answers that are a line.
fn short<M: Machine>(hv: &Hypervisor<M>, key: u8) {
    let m = hv.machine;
    match key {
        b'h' => say(format_args!(
            "keys: h this list, i interrupts, m memory, n NMIs, q domains, r CPU time, R restart the \
             machine, W try out the watchdog"
        )),
        b'm' => say(format_args!(
            "memory: {} pages in all, {} free; {} bytes of the heap used",
            hv.frames.ram_frames(),
            hv.frames.free_frames(),
            m.heap_used()
        )),
        b'n' => say(format_args!("NMIs on this CPU, {}: {}", m.cpu(), m.nmis())),
        b'R' => {
            say(format_args!(
                "restarting the machine: asked for by a debug key"
            ));
            m.shutdown(Shutdown::Reboot)
        }
        b'W' => {
            let cpu = m.cpu();
            say(format_args!("this CPU, {cpu}, stops here if it is watched"));
            m.try_out_watchdog();
            say(format_args!("it is not watched"));
        }
        _ => say(format_args!(
            "no debug key {:?}; h lists them",
            char::from(key)
        )),
    }
}

/// A line of an answer.
#[cold]
#[inline(never)]
fn say(line: fmt::Arguments<'_>) {
    log::info!("{line}");
}

/// What every vCPU of a domain had by a moment.
fn show_time(dom: &Domain, now: Nanos, part: &mut Part) {
    let (id, (weight, cap)) = (dom.id(), share(dom).unwrap_or_default());
    part.line(format_args!("d{id}: weight {weight}, cap {cap} %"));
    for (index, vcpu) in dom.lock().vcpus.iter().enumerate() {
        let time = vcpu.sched.runstate(now).time;
        let [ran, waited] = [RUNSTATE_running, RUNSTATE_runnable].map(|of| time[of as usize]);
        part.line(format_args!(
            "  d{id}v{index}: ran {ran} ns, waited {waited} ns"
        ));
    }
}

/// Shows a domain, and asks the domain itself to show what it knows: `VIRQ_DEBUG` on each vCPU, as
/// on real Xen.
fn show_domain<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, part: &mut Part) {
    let (id, mut state) = (dom.id(), dom.lock());
    part.line(format_args!(
        "d{id}: {:?}, {} of {} pages, {} pauses, shutdown {}",
        dom.phase(),
        dom.tot_pages.load(Ordering::Relaxed),
        dom.max_pages.load(Ordering::Relaxed),
        dom.pauses.load(Ordering::Relaxed),
        dom.shutdown.load(Ordering::Relaxed)
    ));
    dom.show_rights(&mut |what, first, last| part.has(id, what, first, last));
    for (index, vcpu) in state.vcpus.iter().enumerate() {
        let s = &vcpu.sched;
        part.line(format_args!(
            "  d{id}v{index}: up {}, blocked {}, CPU {}, running {}",
            vcpu.up,
            s.blocked,
            s.account.cpu,
            s.running.is_some()
        ));
    }
    if part.rest.is_none() {
        for index in 0..state.vcpus.len() as u16 {
            virq::send_locked(hv, dom, &mut state, index, VIRQ_DEBUG);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::testkit;

    /// The whole of an answer in which domain d has 5 d lines, and where its parts begin.
    fn whole(
        hv: &Hypervisor<testkit::FakeMachine>,
        mut between: impl FnMut(usize),
    ) -> (Vec<(u16, u64)>, usize) {
        let (mut shown, mut from, mut parts) = (Vec::new(), 0, 0);
        loop {
            let next = of_domains(hv, from, LINES, &mut |dom, part| {
                for line in 0..u64::from(dom.id()) * 5 {
                    if part.takes() {
                        shown.push((dom.id(), line));
                    }
                }
            });
            parts += 1;
            match next {
                Some(next) => from = next,
                None => return (shown, parts),
            }
            between(parts);
        }
    }

    fn expected(domains: &[u16]) -> Vec<(u16, u64)> {
        let of = |&id: &u16| (0..u64::from(id) * 5).map(move |line| (id, line));
        domains.iter().flat_map(of).collect()
    }

    #[test]
    fn an_answer_in_parts_has_each_line_once() {
        let hv = testkit::hypervisor(64, 1);
        for id in [1, 3, 8] {
            testkit::domain(hv, id, 1, 4);
        }
        assert_eq!(whole(hv, |_| ()), (expected(&[1, 3, 8]), 5));
    }

    #[test]
    fn a_domain_that_ends_amid_its_answer_has_no_more_lines() {
        let hv = testkit::hypervisor(64, 1);
        for id in [3, 4, 8] {
            testkit::domain(hv, id, 1, 4);
        }
        let (shown, _) = whole(hv, |parts| {
            if parts == 1 {
                let dom = hv.domains.find(3).unwrap();
                crate::domain::lifecycle::destroy_whole(hv, dom).unwrap();
            }
        });
        let mut all = expected(&[3, 4, 8]);
        all.drain(LINES as usize..15);
        assert_eq!(shown, all);
    }

    #[test]
    fn an_answer_about_many_domains_has_parts_and_an_end() {
        let hv = testkit::hypervisor(256, 1);
        for id in 0..20 {
            testkit::domain(hv, id, 1, 4);
        }
        let mut from = Some(0);
        let mut parts = 0;
        while let Some(place) = from {
            from = pressed(hv, b'q', place);
            parts += 1;
        }
        assert!(parts > 3, "{parts}");
        assert!(parts < 100, "{parts}");
        assert_eq!(pressed(hv, b'h', 0), None);
    }
}
