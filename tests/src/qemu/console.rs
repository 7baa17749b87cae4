//! The serial console of a machine: every byte goes to a log file at once and to
//! a buffer that tests search while the machine runs.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How much of a line must be there before a text on it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// As much as is printed.
    Printed,
    /// All of it.
    Whole,
}

/// What a search of the console came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A wanted text: the index of the pattern, and the line it stands on so far.
    Wanted(usize, String),
    /// A text that must never appear: the line it stands on.
    Denied(String),
    /// The machine closed the console.
    Closed,
    /// The deadline passed.
    TimedOut,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The output side of a console.
pub struct Console {
    shared: Arc<Shared>,
    /// What was seen of the output. It is searched without the lock: whoever follows the machine must
    /// not wait, or the machine does.
    seen: Vec<u8>,
    /// Where the next search for a wanted text begins.
    cursor: usize,
}

impl Console {
    /// Follows `source` in a thread until it ends, copying it to `log` and, when
    /// `show` is set, to the standard output.
    pub fn follow(mut source: impl Read + Send + 'static, mut log: File, show: bool) -> Self {
        let shared = Arc::new(Shared::default());
        let console = Self {
            shared: Arc::clone(&shared),
            seen: Vec::new(),
            cursor: 0,
        };
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                let count = match source.read(&mut chunk) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Ok(0) | Err(_) => break,
                    Ok(count) => count,
                };
                // A full disk must not stop the test; the buffer still has the bytes.
                let _ = log.write_all(&chunk[..count]);
                if show {
                    let _ = io::stdout()
                        .write_all(&chunk[..count])
                        .and_then(|()| io::stdout().flush());
                }
                lock(&shared).bytes.extend_from_slice(&chunk[..count]);
                shared.changed.notify_all();
            }
            lock(&shared).closed = true;
            shared.changed.notify_all();
        });
        console
    }

    /// Everything printed so far, without carriage returns.
    #[must_use]
    pub fn text(&self) -> String {
        let bytes = lock(&self.shared).bytes.clone();
        clean(&bytes)
    }

    /// Everything printed since the last match.
    #[must_use]
    pub fn unread(&self) -> String {
        let bytes = lock(&self.shared).bytes[self.cursor..].to_vec();
        clean(&bytes)
    }

    /// Waits for the first of several texts after the last match, and moves past
    /// the line it stands on; of one that is not printed to its end, past the text
    /// alone, for the next may be half printed. `deny` is looked for in the same
    /// stretch, and wins where it comes first.
    pub fn wait_for(
        &mut self,
        wanted: &[&str],
        extent: Extent,
        deny: &[&str],
        deadline: Duration,
    ) -> Found {
        let end = Instant::now() + deadline;
        loop {
            let is_last = self.look();
            if let Some(found) = self.search(wanted, extent, deny) {
                return found;
            }
            if is_last {
                return Found::Closed;
            }
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                return Found::TimedOut;
            };
            let nothing_new =
                |state: &mut State| !state.closed && state.bytes.len() == self.seen.len();
            let changed = &self.shared.changed;
            let waited = changed.wait_timeout_while(lock(&self.shared), left, nothing_new);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Takes over what is new; whether nothing more will come.
    fn look(&mut self) -> bool {
        let state = lock(&self.shared);
        self.seen.extend_from_slice(&state.bytes[self.seen.len()..]);
        state.closed
    }

    /// Waits until the machine closes its console.
    pub fn wait_closed(&self, deadline: Duration) -> bool {
        let state = lock(&self.shared);
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, deadline, |state| !state.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    fn search(&mut self, wanted: &[&str], extent: Extent, deny: &[&str]) -> Option<Found> {
        let window = self.seen.get(self.cursor..)?;
        let denied = deny.iter().filter_map(|text| find(window, text)).min();
        let hit = wanted
            .iter()
            .enumerate()
            .filter_map(|(index, text)| Some((find(window, text)?, index)))
            .min();
        match (hit, denied) {
            (Some((at, index)), denied) if denied.is_none_or(|denied| at <= denied) => {
                let (line, end) = line_at(window, at);
                let behind = at + wanted[index].len();
                let is_whole = end < window.len();
                if extent == Extent::Whole && !is_whole {
                    return None;
                }
                self.cursor += if is_whole { end.max(behind) } else { behind };
                Some(Found::Wanted(index, line))
            }
            (_, Some(at)) => Some(Found::Denied(line_at(window, at).0)),
            _ => None,
        }
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(haystack: &[u8], needle: &str) -> Option<usize> {
    haystack
        .windows(needle.len().max(1))
        .position(|window| window == needle.as_bytes())
}

/// The line around `at` as far as it is printed, and where it ends.
fn line_at(bytes: &[u8], at: usize) -> (String, usize) {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let start = bytes[..at]
        .iter()
        .rposition(is_end)
        .map_or(0, |newline| newline + 1);
    let end = bytes[at..]
        .iter()
        .position(is_end)
        .map_or(bytes.len(), |length| at + length);
    (clean(&bytes[start..end]), end)
}

fn clean(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\r', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn console(text: &'static str) -> Console {
        let log = File::options().write(true).open("/dev/null").unwrap();
        Console::follow(text.as_bytes(), log, false)
    }

    #[test]
    fn matches_come_in_order_and_move_on() {
        let mut console = console("boot\r\nalpha one\r\nalpha two\r\nprompt# ");
        assert_eq!(
            console.wait_for(&["alpha"], Extent::Printed, &[], SOON),
            Found::Wanted(0, "alpha one".into())
        );
        assert_eq!(
            console.wait_for(&["none", "alpha"], Extent::Printed, &[], SOON),
            Found::Wanted(1, "alpha two".into())
        );
        assert_eq!(
            console.wait_for(&["prompt# "], Extent::Printed, &[], SOON),
            Found::Wanted(0, "prompt# ".into())
        );
        assert_eq!(
            console.wait_for(&["alpha"], Extent::Printed, &[], SOON),
            Found::Closed
        );
        assert!(console.wait_closed(SOON));
        assert_eq!(console.text(), "boot\nalpha one\nalpha two\nprompt# ");
    }

    #[test]
    fn a_text_that_was_half_printed_is_not_lost() {
        let (reader, mut writer) = io::pipe().unwrap();
        let log = File::options().write(true).open("/dev/null").unwrap();
        let mut console = Console::follow(reader, log, false);
        io::Write::write_all(&mut writer, b"one tw").unwrap();
        assert_eq!(
            console.wait_for(&["one"], Extent::Printed, &[], SOON),
            Found::Wanted(0, "one tw".into())
        );
        io::Write::write_all(&mut writer, b"o three\n").unwrap();
        assert!(matches!(
            console.wait_for(&["two"], Extent::Printed, &[], SOON),
            Found::Wanted(0, _)
        ));
    }

    #[test]
    fn a_line_that_was_half_printed_is_waited_for() {
        let (reader, mut writer) = io::pipe().unwrap();
        let log = File::options().write(true).open("/dev/null").unwrap();
        let mut console = Console::follow(reader, log, false);
        io::Write::write_all(&mut writer, b"\r\nrate: 100").unwrap();
        let soon = Duration::from_millis(20);
        let wanted = &["rate: "];
        assert_eq!(
            console.wait_for(wanted, Extent::Whole, &[], soon),
            Found::TimedOut
        );
        io::Write::write_all(&mut writer, b"0000 kHz\r\nrate: 7").unwrap();
        assert_eq!(
            console.wait_for(wanted, Extent::Whole, &[], SOON),
            Found::Wanted(0, "rate: 1000000 kHz".into())
        );
        drop(writer);
        assert_eq!(
            console.wait_for(wanted, Extent::Whole, &[], SOON),
            Found::Closed
        );
    }

    #[test]
    fn a_denied_text_wins_when_it_comes_first() {
        let mut first = console("PANIC here\nready\n");
        assert_eq!(
            first.wait_for(&["ready"], Extent::Printed, &["PANIC"], SOON),
            Found::Denied("PANIC here".into())
        );
        let mut second = console("ready\nPANIC here\n");
        assert_eq!(
            second.wait_for(&["ready"], Extent::Printed, &["PANIC"], SOON),
            Found::Wanted(0, "ready".into())
        );
        assert_eq!(
            second.wait_for(&["ready"], Extent::Printed, &["PANIC"], SOON),
            Found::Denied("PANIC here".into())
        );
    }

    #[test]
    fn a_silent_machine_times_out() {
        let (reader, _writer) = io::pipe().unwrap();
        let log = File::options().write(true).open("/dev/null").unwrap();
        let mut console = Console::follow(reader, log, false);
        assert_eq!(
            console.wait_for(&["x"], Extent::Printed, &[], Duration::from_millis(20)),
            Found::TimedOut
        );
    }
}
