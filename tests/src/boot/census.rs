//! What is in use in the whole machine, before something and after: by what a program of dom0's sees on
//! either hypervisor (event-channel ports of all domains, pages, nodes of the store), and by the
//! hypervisor's own word (who has which lines, I/O ports and frames of devices; Paravane: its heap).

use std::thread;
use std::time::Duration;

use super::balloon::command;
use crate::qemu::Machine;
use crate::require;
use crate::verdict::Checked;

/// Services give back what is theirs when they hear of an end: so often it is looked again, so long after.
const LOOKS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(500);
/// What the program says before each line, and at last.
const SAID: &str = "census: ";
const ALL: &str = "census: that is all";
/// What Xen says before the rights of a domain.
const XEN_RIGHTS: &str = "(XEN) Rangesets belonging to domain ";
/// How the lines of these rights begin.
const XEN_KINDS: [&str; 3] = ["Interrupts", "I/O Memory", "I/O Ports"];

/// What is in use, a line each, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Census(Vec<String>);

/// What Paravane says of interrupts, rights and its heap.
fn of_paravane(line: &str) -> Option<String> {
    let line = line.strip_prefix("(PVN) ")?;
    let tells = line.contains(" has ") || line.contains("of the heap used");
    tells.then(|| line.to_owned())
}

/// What Xen says of an interrupt that a domain has: without what changes from moment to moment.
fn xen_interrupt(line: &str) -> Option<String> {
    let (number, rest) = line.split_once("IRQ:")?.1.trim().split_once(' ')?;
    let (_, users) = rest.split_once("in-flight=")?;
    let users: Vec<&str> = users.split(" d").skip(1).collect();
    let domain = |user: &&str| user.split('(').next().map(str::to_owned);
    let users: Vec<String> = users.iter().filter_map(domain).collect();
    Some(format!("IRQ {number} of d{}", users.join(", d")))
}

/// What Xen says of interrupts and rights.
fn of_xen(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut domain = String::new();
    for line in text.lines() {
        if let Some(id) = line.strip_prefix(XEN_RIGHTS) {
            domain = id.trim_end_matches(':').to_owned();
            continue;
        }
        let right = line.strip_prefix("(XEN)").unwrap_or_default().trim_start();
        if XEN_KINDS.iter().any(|kind| right.starts_with(kind)) {
            lines.push(format!("d{domain} has {right}"));
        }
        lines.extend(xen_interrupt(line).filter(|_| line.starts_with("(XEN)")));
    }
    lines
}

impl Census {
    /// Counts; guests' output must not be on the terminal.
    pub(super) fn take(machine: &mut Machine) -> Checked<Self> {
        let begun = machine.console.text().len();
        command(machine, "run /bin/census", ALL)?;
        command(machine, "xl debug-keys iqm", "")?;
        let text = machine.console.text();
        let text = text.get(begun..).unwrap_or_default();
        let of_program = text.lines().filter_map(|line| line.strip_prefix(SAID));
        let mut lines: Vec<String> = of_program.map(str::to_owned).collect();
        lines.extend(text.lines().filter_map(of_paravane));
        lines.extend(of_xen(text));
        require!(
            lines.iter().any(|line| line.starts_with("d0 has ")),
            "nothing is said of dom0's rights{}",
            machine.tail()
        );
        lines.sort_unstable();
        Ok(Census(lines))
    }

    /// Requires that there is more now, and that of `parts` each is in a line of that: what this counts, it
    /// sees while it is there.
    pub(super) fn shows_more(&self, machine: &mut Machine, parts: &[&str]) -> Checked<()> {
        let more = Self::take(machine)?.beyond(self);
        for part in parts {
            require!(
                more.iter().any(|line| line.contains(part)),
                "there is nothing like `{part}`: {more:#?}"
            );
        }
        Ok(())
    }

    /// Lines that are not in another, as often as they are there.
    fn beyond(&self, other: &Self) -> Vec<String> {
        let mut others = other.0.clone();
        let mut is_new = |line: &&String| match others.iter().position(|other| other == *line) {
            Some(at) => {
                others.swap_remove(at);
                false
            }
            None => true,
        };
        self.0.iter().filter(|line| is_new(line)).cloned().collect()
    }

    /// Requires that all is as it was, as soon as everybody has heard of the end of what was not there.
    pub(super) fn holds_again(&self, machine: &mut Machine) -> Checked<()> {
        let mut now = Self::take(machine)?;
        for _ in 0..LOOKS {
            if now == *self {
                return Ok(());
            }
            thread::sleep(PAUSE);
            now = Self::take(machine)?;
        }
        require!(
            now == *self,
            "more than before: {:#?}, less: {:#?}{}",
            now.beyond(self),
            self.beyond(&now),
            machine.tail()
        );
        Ok(())
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_paravane_says_is_read() {
        let has = "d1 has ports c000, c07f";
        let said = |line: &str| of_paravane(&format!("(PVN) {line}"));
        assert_eq!(said(has).as_deref(), Some(has));
        assert_eq!(said("d1: Alive, 6144 of 6144 pages"), None);
        assert_eq!(of_paravane(has), None);
    }

    #[test]
    fn what_xen_says_is_read() {
        let text = "(XEN)    IRQ:  11 vec:a8 IO-APIC-level   status=030 aff:{0}/{0} in-flight=0 d0: 11(---), d1: 11(-M-)\n\
                    (XEN)    IRQ:   0 vec:f0 IO-APIC-edge    status=000 aff:{0}/{0} arch/x86/time.c#timer_interrupt()\n\
                    (XEN) Rangesets belonging to domain 1:\n\
                    (XEN)     Interrupts { 11 }\n\
                    (XEN)     I/O Memory { fe000-fe003 }\n\
                    (XEN)     I/O Ports  { c000-c07f }\n\
                    (XEN)     log-dirty  { }\n";
        let wanted = [
            "IRQ 11 of d0: 11, d1: 11",
            "d1 has Interrupts { 11 }",
            "d1 has I/O Memory { fe000-fe003 }",
            "d1 has I/O Ports  { c000-c07f }",
        ];
        assert_eq!(of_xen(text), wanted);
    }

    #[test]
    fn what_is_there_twice_is_counted_twice() {
        let census = |lines: &[&str]| Census(lines.iter().map(|&line| line.to_owned()).collect());
        let (one, two) = (census(&["a", "b"]), census(&["a", "a", "b"]));
        assert_eq!(two.beyond(&one), ["a"]);
        assert!(one.beyond(&two).is_empty());
    }
}
