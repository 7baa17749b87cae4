//! What guests say, shown line by line and kept for a while.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hypercall_abi::xen::domid_t;

use super::{Host, Shell, TICK};
use crate::console::{LineSplitter, Log};
use crate::error::Error;
use crate::service::{Closed, Transport};
use crate::store::Store;

/// Bytes that are read at once.
const PIECE: usize = 2048;
/// Longest line in front of a piece of what a guest says: two numbers.
const HEAD_MAX: usize = 32;
/// How often a guest that has ended is listened to before it is held to be silent.
const LOOKS: usize = 50;

/// A guest that is listened to.
pub(super) struct View {
    pub(super) name: String,
    pub(super) log: Log,
    lines: LineSplitter,
    /// Its console has ended.
    has_ended: bool,
}

/// All guests that are listened to, by one stream.
pub(super) struct Views<T> {
    feed: Option<Feed<T>>,
    guests: BTreeMap<domid_t, View>,
}

/// The stream on which xenconsoled tells what all guests say.
struct Feed<T> {
    stream: T,
    /// What has come of it and is not whole.
    rest: Vec<u8>,
}

/// What a domain has said; nothing at its end.
struct Said {
    domain: domid_t,
    bytes: Vec<u8>,
}

impl<T: Transport> Feed<T> {
    /// The next piece, if all of it has come.
    ///
    /// # Errors
    /// The stream has ended, or is no such stream.
    fn next(&mut self) -> Result<Option<Said>, Closed> {
        loop {
            if let Some((domain, length, start)) = self.head()?
                && self.rest.len() - start >= length
            {
                let bytes = self.rest[start..start + length].to_vec();
                self.rest.drain(..start + length);
                return Ok(Some(Said { domain, bytes }));
            }
            let mut piece = [0; PIECE];
            match self.stream.read(&mut piece)? {
                0 => return Ok(None),
                count => self.rest.extend_from_slice(&piece[..count]),
            }
        }
    }

    /// Domain and length of the piece that has begun, and where it begins.
    fn head(&self) -> Result<Option<(domid_t, usize, usize)>, Closed> {
        let head = &self.rest[..self.rest.len().min(HEAD_MAX)];
        let Some(end) = head.iter().position(|byte| *byte == b'\n') else {
            return match head.len() {
                HEAD_MAX => Err(Closed::Protocol),
                _ => Ok(None),
            };
        };
        let text = str::from_utf8(&head[..end]).map_err(|_| Closed::Protocol)?;
        let (domain, length) = text.split_once(' ').ok_or(Closed::Protocol)?;
        let (domain, length) = (domain.parse(), length.parse());
        match (domain, length) {
            (Ok(domain), Ok(length)) => Ok(Some((domain, length, end + 1))),
            _ => Err(Closed::Protocol),
        }
    }
}

impl<T> Views<T> {
    /// Nobody is listened to.
    pub(super) fn new() -> Self {
        Views {
            feed: None,
            guests: BTreeMap::new(),
        }
    }

    pub(super) fn get(&self, domain: domid_t) -> Option<&View> {
        self.guests.get(&domain)
    }

    pub(super) fn get_mut(&mut self, domain: domid_t) -> Option<&mut View> {
        self.guests.get_mut(&domain)
    }

    /// Whether this life of a domain is known.
    fn knows(&self, domain: domid_t) -> bool {
        self.get(domain).is_some_and(|view| !view.has_ended)
    }
}

/// Sends what there is room for; more is never said at once here.
pub(super) fn send<T: Transport>(stream: &mut T, bytes: &[u8]) -> usize {
    // One that is gone says so when it is read.
    let sent = stream.write(bytes).unwrap_or(0);
    stream.flush();
    sent
}

/// What has come of a stream, and whether it is at its end.
pub(super) fn receive<T: Transport>(stream: &mut T) -> (Vec<u8>, bool) {
    let (mut all, mut piece) = (Vec::new(), [0; PIECE]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return (all, false),
            Ok(count) => all.extend_from_slice(&piece[..count]),
            Err(_) => return (all, true),
        }
    }
}

impl View {
    fn new(name: String) -> Self {
        View {
            name,
            log: Log::default(),
            lines: LineSplitter::default(),
            has_ended: false,
        }
    }

    /// Takes what it said; the whole lines that are complete now, or will never be.
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        self.log.append(bytes);
        let mut lines = self.lines.take(bytes);
        if bytes.is_empty() {
            lines.extend(self.end());
        }
        lines
    }

    /// Nothing more is heard of it; what it had begun to say.
    fn end(&mut self) -> Option<String> {
        self.has_ended = true;
        self.lines.flush()
    }

    fn shown(&self, line: &str) -> String {
        format!("[{}] {line}\n", self.name)
    }
}

impl<S: Host> Shell<S> {
    /// Begins to listen to guests that have come.
    pub(super) fn meet_guests(&mut self) {
        if !core::mem::take(&mut self.comings_due) {
            return;
        }
        if let Err(error) = self.try_to_meet_guests() {
            self.print(&format!("listening to guests: {error}\n"));
        }
    }

    fn try_to_meet_guests(&mut self) -> Result<(), Error> {
        if self.views.feed.is_none() {
            let stream = self.consoles("all")?;
            let rest = Vec::new();
            self.views.feed = Some(Feed { stream, rest });
        }
        let domains = self.with(|domains, _| Ok(domains.store().list("/local/domain")?))?;
        for domain in domains.iter().filter_map(|name| name.parse().ok()) {
            // One that ends at once has lost its name before it is heard.
            if domain != 0 && !self.views.knows(domain) {
                let name = self.with(|domains, _| domains.name(domain))?;
                self.views.guests.insert(domain, View::new(name));
            }
        }
        Ok(())
    }

    /// Takes what guests have said and shows complete lines, prefixed with the guest's name, unless
    /// a console has the terminal. How many bytes there were.
    pub(super) fn show_guest_output(&mut self) -> usize {
        let mut shown = String::new();
        let mut count = 0;
        while let Some(feed) = &mut self.views.feed {
            match feed.next() {
                Ok(Some(Said { domain, bytes })) => {
                    count += bytes.len();
                    shown += &self.take_said(domain, &bytes);
                }
                Ok(None) => break,
                Err(_) => {
                    shown += &self.lose_feed();
                    break;
                }
            }
        }
        if !shown.is_empty() && !self.attached && !self.quiet {
            self.print(&shown);
        }
        count
    }

    /// The lines that are complete by what a guest has said.
    fn take_said(&mut self, domain: domid_t, bytes: &[u8]) -> String {
        // Of one that was forgotten, the end says nothing new.
        if !bytes.is_empty() && !self.views.knows(domain) {
            let view = View::new(self.name(domain));
            self.views.guests.insert(domain, view);
        }
        let Some(view) = self.views.get_mut(domain) else {
            return String::new();
        };
        let lines = view.take(bytes);
        lines.iter().map(|line| view.shown(line)).collect()
    }

    /// xenconsoled has ended: nobody is heard until there is another.
    fn lose_feed(&mut self) -> String {
        self.views.feed = None;
        self.comings_due = self.watching;
        let mut shown = String::new();
        for view in self.views.guests.values_mut() {
            if let Some(line) = view.lines.flush() {
                shown += &view.shown(&line);
            }
        }
        shown
    }

    /// Shows the line that a guest has begun, as far as it is.
    pub(super) fn show_what_is_left_of(&mut self, domain: domid_t) {
        let Some(view) = self.views.get_mut(domain) else {
            return;
        };
        if let Some(line) = view.lines.flush()
            && !self.attached
            && !self.quiet
        {
            let line = view.shown(&line);
            self.print(&line);
        }
    }

    /// Listens until nobody says anything for a while: to the last words of a guest.
    pub(super) fn hear_out(&mut self) {
        for _ in 0..LOOKS {
            self.system.sleep(TICK / 4);
            if self.show_guest_output() == 0 {
                return;
            }
        }
    }

    /// Forgets guests that are gone and have said their last word.
    pub(super) fn forget_views(&mut self, there: &[domid_t]) {
        let guests = &mut self.views.guests;
        guests.retain(|domain, view| !view.has_ended || there.contains(domain));
    }
}
