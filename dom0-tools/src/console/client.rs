//! A client of the console service: what it wants to see, what it was given, what it types.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Log, push};
use crate::hyper::Mapping;
use crate::service::{Closed, Line, Transport};

/// Longest first line of a client, in bytes.
const GREETING_MAX: usize = 32;
/// Bytes that go to a client, or come from it, at once.
const PIECE: usize = 2048;

/// What a client is there for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// It has not said so yet.
    Unknown,
    /// A domain's console.
    Console(u32),
    /// What is in its log.
    Log(u32),
    /// What all guests say.
    All,
}

/// What one who hears all guests has to be told.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// How much of each guest's output it was given, or has missed.
    positions: BTreeMap<u32, u64>,
    /// Guests that have said something since, or have ended.
    due: BTreeSet<u32>,
}

/// A client.
pub(super) struct Attached<L> {
    pub(super) stream: L,
    pub(super) wish: Wish,
    /// Its first line, as far as it has come.
    greeting: Vec<u8>,
    /// How much of the guest's output it was given, or has missed.
    position: u64,
    heard: Heard,
    /// What is on the way to it.
    output: Vec<u8>,
    /// What is on the way from it to the guest.
    typed: Vec<u8>,
    /// Its end is closed: what it has sent is all.
    pub(super) leaving: bool,
}

impl<L: Transport> Attached<L> {
    pub(super) fn new(stream: L) -> Self {
        Attached {
            stream,
            wish: Wish::Unknown,
            greeting: Vec::new(),
            position: 0,
            heard: Heard::default(),
            output: Vec::new(),
            typed: Vec::new(),
            leaving: false,
        }
    }

    /// Whether it is to see or type what is a domain's.
    pub(super) fn is_at(&self, domain: u32) -> bool {
        match self.wish {
            Wish::Unknown => false,
            Wish::Console(of) | Wish::Log(of) => of == domain,
            Wish::All => true,
        }
    }

    /// A guest has said something, or has ended.
    pub(super) fn hear_of(&mut self, domain: u32) {
        if self.wish == Wish::All {
            self.heard.due.insert(domain);
        }
    }

    /// Another domain has that number now: what is left of the one before is missed.
    pub(super) fn begin_anew(&mut self, domain: u32) {
        self.heard.positions.remove(&domain);
    }

    /// Takes its first line, or what there is of it.
    pub(super) fn greet(&mut self) -> Result<(), Closed> {
        loop {
            let mut byte = [0];
            match self.stream.read(&mut byte) {
                Ok(0) => return Ok(()),
                Ok(_) if byte == [b'\n'] => break,
                Ok(_) => self.greeting.push(byte[0]),
                Err(closed) => return Err(closed),
            }
            if self.greeting.len() > GREETING_MAX {
                return Err(Closed::Protocol);
            }
        }
        let line = core::mem::take(&mut self.greeting);
        let line = str::from_utf8(&line).map_err(|_| Closed::Protocol)?.trim();
        let number = |text: &str| text.trim().parse().map_err(|_| Closed::Protocol);
        self.wish = match line.strip_prefix("log ") {
            Some(domain) => Wish::Log(number(domain)?),
            None if line == "all" => Wish::All,
            None => Wish::Console(number(line)?),
        };
        Ok(())
    }

    /// Sends what is on the way to it; whether all of it was taken.
    fn send(&mut self) -> Result<bool, Closed> {
        while !self.output.is_empty() {
            let count = self.stream.write(&self.output)?;
            if count == 0 {
                return Ok(false);
            }
            self.output.drain(..count);
        }
        Ok(true)
    }

    /// Gives it more of a log; whether it has all of it.
    pub(super) fn give(&mut self, log: &Log) -> Result<bool, Closed> {
        while self.send()? {
            let part = next_part(log, &mut self.position);
            if part.is_empty() {
                return Ok(true);
            }
            self.output = part;
        }
        Ok(false)
    }

    /// Gives it more of all guests: for each piece a line with the domain and the piece's length in
    /// bytes, and the piece. No bytes say that the domain has ended.
    pub(super) fn give_all<'a>(
        &mut self,
        log_of: impl Fn(u32) -> Option<(&'a Log, bool)>,
    ) -> Result<(), Closed> {
        while self.send()? {
            let Some(domain) = self.heard.due.pop_first() else {
                return Ok(());
            };
            let position = self.heard.positions.entry(domain).or_default();
            let (part, has_ended) = match log_of(domain) {
                Some((log, has_ended)) => (next_part(log, position), has_ended),
                None => (Vec::new(), true),
            };
            if !part.is_empty() {
                // There may be more.
                self.heard.due.insert(domain);
            } else if has_ended {
                self.heard.positions.remove(&domain);
            } else {
                continue;
            }
            self.output = format!("{domain} {}\n", part.len()).into_bytes();
            self.output.extend(part);
        }
        Ok(())
    }

    /// Takes what it types, as far as the guest has room for it. Returns what is wrong with the
    /// guest's ring.
    ///
    /// # Errors
    /// It is there no more.
    pub(super) fn take<P: Mapping>(
        &mut self,
        page: &mut P,
        line: &mut impl Line,
    ) -> Result<Option<String>, Closed> {
        loop {
            if self.typed.is_empty() {
                let mut bytes = alloc::vec![0; PIECE];
                let count = self.stream.read(&mut bytes)?;
                if count == 0 {
                    return Ok(None);
                }
                bytes.truncate(count);
                self.typed = bytes;
            }
            match push(page, &self.typed) {
                // Nobody is left to type the rest again.
                Ok(0) if self.leaving => return Err(Closed::Gone),
                Ok(0) => return Ok(None),
                Ok(count) => {
                    self.typed.drain(..count);
                    line.notify();
                }
                Err(fault) => return Ok(Some(format!("{fault}"))),
            }
        }
    }

    /// Takes and forgets what one sends that has nobody to send to.
    ///
    /// # Errors
    /// It is there no more.
    pub(super) fn ignore(&mut self) -> Result<(), Closed> {
        while self.stream.read(&mut [0; GREETING_MAX])? > 0 {}
        Ok(())
    }
}

/// The next piece of a log for one who has come to `position`, which goes on.
fn next_part(log: &Log, position: &mut u64) -> Vec<u8> {
    let mut part = Vec::new();
    if *position < log.lost {
        let missed = log.lost - *position;
        part = format!("[{missed} earlier bytes are not kept]\n").into_bytes();
        *position = log.lost;
    }
    let more = log.part(*position, PIECE);
    *position += more.len() as u64;
    part.extend(more);
    part
}
