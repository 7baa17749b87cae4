//! `xl top`: the domains and what they do, again and again.
//!
//! Columns, order of the state's letters and options are xentop's, without devices, which there are
//! none of; `EVT/s` is ours: events that the domain's kernel took in a second, as that kernel says of
//! itself when the toolstack asks it. The hypervisor keeps no such count, and a
//! kernel that does not say shows as `-`.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::domctl::*;
use hypercall_abi::xen::domid_t;

use super::builtin::parse_seconds;
use super::command::{Failure, Outcome};
use super::{Host, SECOND, Shell, TICK};
use crate::control::{Ask, Status};
use crate::domains::{End, local};
use crate::error::Error;
use crate::hyper::{SysctlExt, read_all_domains};

/// What leaves a live view: `q`, `Q`, Escape, `^C`.
const LEAVE: [u8; 4] = [b'q', b'Q', 0x1b, 0x03];
/// Puts the cursor at the top left and clears what is there.
const CLEAR: &str = "\x1b[H\x1b[J";
/// How long a guest may take to say how many events it took, ns.
const ANSWER: u64 = SECOND / 4;
/// Longest name that is shown whole unless asked for.
const NAME_WIDTH: usize = 10;
const KIB_PER_PAGE: u64 = 4;

struct Options {
    /// One table below the other, for files and scripts, rather than a screen.
    batch: bool,
    /// From one look to the next, ns.
    delay: u64,
    /// How often to look; `None` for until told to stop.
    rounds: Option<u64>,
    full_names: bool,
}

fn options(args: &[&str]) -> Result<Options, Failure> {
    let mut options = Options {
        batch: false,
        delay: 3 * SECOND,
        rounds: None,
        full_names: false,
    };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match *word {
            "-b" => options.batch = true,
            "-f" => options.full_names = true,
            "-d" => {
                let text = words.next().ok_or(Failure::Usage)?;
                let delay = parse_seconds(text).filter(|delay| *delay > 0);
                options.delay = delay.ok_or(Failure::Usage)?;
            }
            "-i" | "-n" => {
                let count = words.next().and_then(|text| text.parse().ok());
                options.rounds = Some(count.filter(|count| *count > 0).ok_or(Failure::Usage)?);
            }
            _ => return Err(Failure::Usage),
        }
    }
    Ok(options)
}

/// What is counted up: the difference of two looks is a rate.
struct Look {
    at: u64,
    cpu_time: BTreeMap<domid_t, u64>,
    events: BTreeMap<domid_t, u64>,
    idle: Vec<u64>,
}

impl Look {
    /// Nanoseconds since another look.
    fn since(&self, before: &Look) -> u64 {
        self.at.saturating_sub(before.at).max(1)
    }
}

/// Tenths of a percent.
fn permille(part: u64, whole: u64) -> u64 {
    match u128::from(whole) {
        0 => 0,
        whole => (u128::from(part) * 1000 / whole) as u64,
    }
}

fn tenths(value: u64) -> String {
    format!("{}.{}", value / 10, value % 10)
}

pub(super) fn top<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let options = options(args)?;
    let mut before = None;
    let mut round = 0;
    loop {
        let infos = read_all_domains(&mut shell.system)?;
        let look = shell.look(&infos)?;
        let mut text = String::new();
        if !options.batch {
            text += CLEAR;
            text += &summary(shell, &infos, &look, before.as_ref())?;
        }
        text += &table(shell, &infos, &look, before.as_ref(), options.full_names)?;
        shell.print(&text);
        before = Some(look);
        round += 1;
        if options.rounds.is_some_and(|rounds| round >= rounds) || shell.left_alone(options.delay) {
            return Ok(());
        }
    }
}

/// xentop's state: dying, shut down, blocked, crashed, paused, running.
fn state(flags: u32) -> String {
    let letters = [
        (flags & XEN_DOMINF_dying != 0, 'd'),
        (flags & XEN_DOMINF_shutdown != 0, 's'),
        (flags & XEN_DOMINF_blocked != 0, 'b'),
        (End::of(flags & !XEN_DOMINF_dying) == Some(End::Crash), 'c'),
        (flags & XEN_DOMINF_paused != 0, 'p'),
        (flags & XEN_DOMINF_running != 0, 'r'),
    ];
    let letter = |(set, letter): (bool, char)| if set { letter } else { '-' };
    letters.into_iter().map(letter).collect()
}

/// The lines above the table: domains by state, memory, CPUs.
fn summary<S: Host>(
    shell: &mut Shell<S>,
    infos: &[xen_domctl_getdomaininfo],
    look: &Look,
    before: Option<&Look>,
) -> Result<String, Error> {
    let machine = shell.system.physinfo()?;
    let hypervisor = shell.system.hypervisor_info()?;
    let count = |flag: u32| infos.iter().filter(|info| info.flags & flag != 0).count();
    let crashed = infos
        .iter()
        .filter(|info| End::of(info.flags & !XEN_DOMINF_dying) == Some(End::Crash));
    let idle = before.map_or(0, |before| {
        let grown = look.idle.iter().zip(&before.idle);
        let idle = grown.map(|(now, then)| now.saturating_sub(*then)).sum();
        permille(idle, look.since(before) * look.idle.len() as u64)
    });
    let kib = |pages: u64| pages * KIB_PER_PAGE;
    Ok(format!(
        "xl top - Xen {}.{}{}\n\
         {} domains: {} running, {} blocked, {} paused, {} crashed, {} dying, {} shutdown\n\
         Mem: {}k total, {}k used, {}k free    CPUs: {} @ {}MHz, {} % idle\n",
        hypervisor.major,
        hypervisor.minor,
        hypervisor.extra,
        infos.len(),
        count(XEN_DOMINF_running),
        count(XEN_DOMINF_blocked),
        count(XEN_DOMINF_paused),
        crashed.count(),
        count(XEN_DOMINF_dying),
        count(XEN_DOMINF_shutdown),
        kib(machine.total_pages),
        kib(machine.total_pages.saturating_sub(machine.free_pages)),
        kib(machine.free_pages),
        machine.nr_cpus,
        machine.cpu_khz / 1000,
        tenths(idle),
    ))
}

fn table<S: Host>(
    shell: &mut Shell<S>,
    infos: &[xen_domctl_getdomaininfo],
    look: &Look,
    before: Option<&Look>,
    full_names: bool,
) -> Result<String, Error> {
    let total = shell.system.physinfo()?.total_pages;
    let mut text =
        "      NAME  STATE   CPU(sec) CPU(%)     MEM(k) MEM(%)  MAXMEM(k) MAXMEM(%) VCPUS   EVT/s\n"
            .to_string();
    for info in infos {
        let name = shell.name(info.domain);
        let shown = match name.char_indices().nth(NAME_WIDTH) {
            Some((end, _)) if !full_names => &name[..end],
            _ => &name,
        };
        text += &line(shown, info, total, look, before);
    }
    Ok(text)
}

fn line(
    name: &str,
    info: &xen_domctl_getdomaininfo,
    total: u64,
    look: &Look,
    before: Option<&Look>,
) -> String {
    let grown = |of: fn(&Look) -> &BTreeMap<domid_t, u64>| {
        let before = before?;
        let (now, then) = (of(look).get(&info.domain)?, of(before).get(&info.domain)?);
        Some((now.saturating_sub(*then), look.since(before)))
    };
    let busy = grown(|look| &look.cpu_time).map_or(0, |(ran, span)| permille(ran, span));
    let events = match (look.events.get(&info.domain), grown(|look| &look.events)) {
        (None, _) => "-".to_string(),
        (_, None) => "0".to_string(),
        (_, Some((count, span))) => {
            (u128::from(count) * u128::from(SECOND) / u128::from(span)).to_string()
        }
    };
    // A domain without a limit has no share of the machine as its limit either.
    let (most, most_share) = match info.max_pages {
        pages if pages > total => ("no limit".to_string(), "n/a".to_string()),
        pages => (
            (pages * KIB_PER_PAGE).to_string(),
            tenths(permille(pages, total)),
        ),
    };
    format!(
        "{name:>NAME_WIDTH$} {} {:>10} {:>6} {:>10} {:>6} {most:>10} {most_share:>9} {:>5} {events:>7}\n",
        state(info.flags),
        info.cpu_time / SECOND,
        tenths(busy),
        info.tot_pages * KIB_PER_PAGE,
        tenths(permille(info.tot_pages, total)),
        info.nr_online_vcpus,
    )
}

impl<S: Host> Shell<S> {
    fn look(&mut self, infos: &[xen_domctl_getdomaininfo]) -> Result<Look, Error> {
        let mut events = BTreeMap::new();
        events.insert(0, self.system.events());
        for info in infos.iter().filter(|info| End::of(info.flags).is_none()) {
            let domain = info.domain;
            let served = format!("{}/data/serves", local(domain));
            let paused = info.flags & XEN_DOMINF_paused != 0;
            if domain == 0 || paused || self.read_node(&served)?.is_none() {
                continue;
            }
            // Who does not answer soon is not waited for.
            let answer = self.ask_within(domain, Ask::Status, ANSWER);
            if let Some(status) = answer.ok().and_then(|text| Status::parse(&text)) {
                events.insert(domain, status.events);
            }
        }
        Ok(Look {
            at: self.system.now(),
            cpu_time: infos
                .iter()
                .map(|info| (info.domain, info.cpu_time))
                .collect(),
            events,
            idle: self.system.idle_times()?,
        })
    }

    /// Serves guests for a while; true if the user wants to leave.
    fn left_alone(&mut self, ns: u64) -> bool {
        let end = self.system.now().saturating_add(ns);
        loop {
            self.attend_guests();
            let left = end.saturating_sub(self.system.now());
            if left == 0 {
                return false;
            }
            let mut typed = [0; 16];
            let count = self.system.read_input(&mut typed, left.min(TICK));
            if typed[..count].iter().any(|byte| LEAVE.contains(byte)) {
                return true;
            }
        }
    }
}
