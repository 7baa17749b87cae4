//! The line discipline: edits and echoes a line, or passes bytes through. Pure.

use alloc::collections::VecDeque;

/// The longest line that can be edited, in bytes.
const LINE_MAX: usize = 1024;
/// The most finished input that waits for a reader, in bytes.
const READY_MAX: usize = 4096;

const BACKSPACE: u8 = 8;
const DELETE: u8 = 127;
const KILL_LINE: u8 = 21; // ^U

/// Input between the console and its readers.
pub(crate) struct Line {
    raw: bool,
    edit: VecDeque<u8>,
    ready: VecDeque<u8>,
}

impl Line {
    pub(crate) const fn new() -> Self {
        Self {
            raw: false,
            edit: VecDeque::new(),
            ready: VecDeque::new(),
        }
    }

    /// Chooses raw bytes or edited lines; what was typed so far becomes readable.
    pub(crate) fn set_raw(&mut self, raw: bool) {
        self.raw = raw;
        if raw {
            self.ready.append(&mut self.edit);
        }
    }

    /// Takes a byte as typed; returns what to show for it.
    pub(crate) fn typed(&mut self, byte: u8) -> &'static [u8] {
        if self.raw {
            if self.ready.len() < READY_MAX {
                self.ready.push_back(byte);
            }
            return b"";
        }
        match byte {
            b'\r' | b'\n' => {
                if self.ready.len() + self.edit.len() < READY_MAX {
                    self.ready.append(&mut self.edit);
                    self.ready.push_back(b'\n');
                }
                b"\n"
            }
            BACKSPACE | DELETE => match self.edit.pop_back() {
                Some(_) => b"\x08 \x08",
                None => b"",
            },
            KILL_LINE => {
                self.edit.clear();
                b"^U\n"
            }
            b' '..=b'~' if self.edit.len() < LINE_MAX => {
                self.edit.push_back(byte);
                printable(byte)
            }
            _ => b"",
        }
    }

    /// Whether a read would return something.
    pub(crate) fn has_input(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes what is readable: in line mode at most one line.
    pub(crate) fn take(&mut self, buf: &mut [u8]) -> usize {
        let mut n = 0;
        while n < buf.len() {
            let Some(byte) = self.ready.pop_front() else {
                break;
            };
            buf[n] = byte;
            n += 1;
            if byte == b'\n' && !self.raw {
                break;
            }
        }
        n
    }
}

/// The one-byte string of a printable character.
fn printable(byte: u8) -> &'static [u8] {
    static ASCII: [u8; 95] = {
        let mut table = [0; 95];
        let mut i = 0;
        while i < 95 {
            table[i] = b' ' + i as u8;
            i += 1;
        }
        table
    };
    let i = byte.saturating_sub(b' ') as usize;
    ASCII.get(i..i + 1).unwrap_or(b"")
}
