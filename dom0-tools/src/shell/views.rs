//! What guests say, shown line by line and kept for a while.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hypercall_abi::xen::domid_t;

use super::{Host, Shell, TICK};
use crate::console::{LineSplitter, Log};
use crate::error::Error;
use crate::service::Transport;
use crate::store::Store;

/// Bytes that are read at once.
const PIECE: usize = 2048;
/// How often a guest that has ended is listened to before it is held to be silent.
const LOOKS: usize = 50;

/// A guest that is listened to.
pub(super) struct View<T> {
    pub(super) name: String,
    stream: Option<T>,
    pub(super) log: Log,
    lines: LineSplitter,
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

impl<T: Transport> View<T> {
    /// Takes what came since the last look; the whole lines that are complete now, or will never be.
    fn look(&mut self) -> (usize, Vec<String>) {
        let Some(stream) = &mut self.stream else {
            return (0, Vec::new());
        };
        let (bytes, ended) = receive(stream);
        self.log.append(&bytes);
        let mut lines = self.lines.take(&bytes);
        if ended {
            self.stream = None;
            lines.extend(self.lines.flush());
        }
        (bytes.len(), lines)
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
        let domains = self.with(|domains, _| Ok(domains.store().list("/local/domain")?))?;
        for domain in domains.iter().filter_map(|name| name.parse().ok()) {
            let is_heard = |view: &View<_>| view.stream.is_some();
            if domain == 0 || self.views.get(&domain).is_some_and(is_heard) {
                continue;
            }
            let stream = self.console_of_kind("", domain)?;
            let name = self.with(|domains, _| domains.name(domain))?;
            let view = View {
                name,
                stream: Some(stream),
                log: Log::default(),
                lines: LineSplitter::default(),
            };
            self.views.insert(domain, view);
        }
        Ok(())
    }

    /// Takes what guests have said and shows complete lines, prefixed with the guest's name, unless
    /// a console has the terminal. How many bytes there were.
    pub(super) fn show_guest_output(&mut self) -> usize {
        let mut shown = String::new();
        let mut count = 0;
        for view in self.views.values_mut() {
            let (bytes, lines) = view.look();
            count += bytes;
            for line in lines {
                shown += &format!("[{}] {line}\n", view.name);
            }
        }
        if !shown.is_empty() && !self.attached && !self.quiet {
            self.print(&shown);
        }
        count
    }

    /// Shows the line that a guest has begun, as far as it is.
    pub(super) fn show_what_is_left_of(&mut self, domain: domid_t) {
        let Some(view) = self.views.get_mut(&domain) else {
            return;
        };
        if let Some(line) = view.lines.flush()
            && !self.attached
            && !self.quiet
        {
            let line = format!("[{}] {line}\n", view.name);
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
        self.views
            .retain(|domain, view| view.stream.is_some() || there.contains(domain));
    }
}

/// All views, by domain.
pub(super) type Views<T> = BTreeMap<domid_t, View<T>>;
