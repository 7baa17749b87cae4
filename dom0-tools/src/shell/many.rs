//! `xl many-test`: so many guests at once, each made, asked, ballooned and destroyed. What the last
//! costs more than the first, and what each keeps of the machine besides its own memory.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hypercall_abi::xen::domid_t;

use super::command::{Failure, Outcome};
use super::cycles::Books;
use super::{Host, SECOND, Shell, TICK};
use crate::control::Ask;
use crate::error::Error;
use crate::hyper::{DomctlExt, SysctlExt};

/// Guests that are compared at either end: what happens beside the making differs a little.
const SAMPLE: usize = 5;
/// How long services may take to give everything back, ns.
const PATIENCE: u64 = 20 * SECOND;
/// Pages that each guest gives back, and takes again.
const MOVED: u64 = 16;
const KIB_PER_PAGE: u64 = 4;

pub(super) fn many_test<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name, count] = args else {
        return Err(Failure::Usage);
    };
    let count: usize = count.parse().map_err(|_| Failure::Usage)?;
    if count < 2 * SAMPLE {
        let why = format!("at least {} guests are compared", 2 * SAMPLE);
        return Err(Failure::refused(why));
    }
    // What is made once for all guests is there then.
    let first = shell.make_many(name, 1)?;
    shell.end_many(&first.domains)?;
    let before = shell.settled(None)?;
    let own = shell.system.free_pages();
    let made = shell.make_many(name, count)?;
    let (free, own_free) = (
        shell.system.physinfo()?.free_pages,
        shell.system.free_pages(),
    );
    let kept = before.free_pages.saturating_sub(free + made.pages) * KIB_PER_PAGE;
    let own_kept = own.saturating_sub(own_free) * KIB_PER_PAGE;
    let each = count as u64;
    shell.print(&format!(
        "{count} guests run; besides their own memory each keeps {} KiB of the hypervisor's and {} \
         KiB of domain 0's\n",
        kept / each,
        own_kept / each
    ));
    let checked = made
        .domains
        .iter()
        .try_for_each(|domain| shell.check_one(*domain));
    shell.end_many(&made.domains)?;
    checked?;
    let after = shell.settled(Some(&before))?;
    if after != before {
        return Err(Failure::refused(format!(
            "not everything came back: {before:?} before, {after:?} afterwards"
        )));
    }
    let mean = |times: &[u64]| times.iter().sum::<u64>() / times.len() as u64;
    let (early, late) = (
        mean(&made.times[..SAMPLE]),
        mean(&made.times[count - SAMPLE..]),
    );
    shell.print(&format!(
        "making one took {} us in the beginning and {} us in the end, {} % of that; everything is \
         back\n",
        early / 1000,
        late / 1000,
        late * 100 / early.max(1)
    ));
    Ok(())
}

/// Guests that were made.
struct Many {
    domains: Vec<domid_t>,
    /// How long the making of each took, ns.
    times: Vec<u64>,
    /// Pages of their own.
    pages: u64,
}

impl<S: Host> Shell<S> {
    fn make_many(&mut self, name: &str, count: usize) -> Result<Many, Error> {
        let mut config = self.read_config(name, "")?;
        let files = self.files_of(&config)?;
        let whole = config.name.clone();
        let mut many = Many {
            domains: Vec::new(),
            times: Vec::new(),
            pages: 0,
        };
        for number in 0..count {
            config.name = format!("{whole}-{number}");
            let begun = self.system.now();
            let made = self.make(&config, &files, 0)?;
            self.with(|domains, _| domains.done(made))?;
            many.times.push(self.system.now().saturating_sub(begun));
            self.system.unpause_domain(made.domain)?;
            many.pages += self.info_of(made.domain)?.tot_pages;
            many.domains.push(made.domain);
            // It is up, and waits: it takes no time from the making of the next.
            self.served(made.domain)?;
            self.ask_number(made.domain, Ask::Checksum)?;
            self.attend_guests();
        }
        Ok(many)
    }

    fn check_one(&mut self, domain: domid_t) -> Result<(), Error> {
        let pages = self.info_of(domain)?.tot_pages;
        let sum = self.ask_number(domain, Ask::Checksum)?;
        for target in [pages - MOVED, pages] {
            self.balloon(domain, target)?;
            if self.ask_number(domain, Ask::Checksum)? != sum {
                return Err(self.guest_error(domain, "its memory has changed"));
            }
        }
        let answered = self.ping(domain, 2)?;
        match answered {
            2 => Ok(()),
            _ => Err(self.guest_error(domain, String::from("it misses answers"))),
        }
    }

    fn end_many(&mut self, domains: &[domid_t]) -> Result<(), Error> {
        for domain in domains {
            self.destroy_domain(*domain)?;
        }
        self.attend_guests();
        Ok(())
    }

    /// What there is when the services have given back what they had of guests.
    fn settled(&mut self, wanted: Option<&Books>) -> Result<Books, Error> {
        let deadline = self.system.now() + PATIENCE;
        loop {
            let books = Books::of(&mut self.system)?;
            if wanted.is_none_or(|wanted| *wanted == books) || self.system.now() > deadline {
                return Ok(books);
            }
            self.wait(TICK);
        }
    }
}
