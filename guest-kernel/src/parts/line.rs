//! The line discipline: edits and echoes a line, or passes bytes through.

use alloc::collections::VecDeque;

/// The longest line that can be edited, in bytes.
const LINE_MAX: usize = 1024;
/// The most finished input that waits for a reader, in bytes.
const READY_MAX: usize = 4096;

const BACKSPACE: u8 = 8;
const DELETE: u8 = 127;
const KILL_LINE: u8 = 21; // ^U

/// Input between the console and its readers.
#[derive(Default)]
pub struct Line {
    raw: bool,
    edit: VecDeque<u8>,
    ready: VecDeque<u8>,
}

impl Line {
    /// No input, in line mode.
    pub const fn new() -> Self {
        Self {
            raw: false,
            edit: VecDeque::new(),
            ready: VecDeque::new(),
        }
    }

    /// Chooses raw bytes or edited lines; what was typed so far becomes readable.
    pub fn set_raw(&mut self, raw: bool) {
        self.raw = raw;
        if raw {
            self.ready.append(&mut self.edit);
        }
    }

    /// Takes a byte as typed; returns what to show for it.
    pub fn typed(&mut self, byte: u8) -> &'static [u8] {
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
    pub fn has_input(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes what is readable: in line mode at most one line.
    pub fn take(&mut self, buf: &mut [u8]) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn type_text(line: &mut Line, text: &[u8]) -> Vec<u8> {
        text.iter()
            .flat_map(|&byte| line.typed(byte))
            .copied()
            .collect()
    }

    fn take(line: &mut Line) -> Vec<u8> {
        let mut buf = [0; 64];
        let n = line.take(&mut buf);
        buf[..n].to_vec()
    }

    #[test]
    fn a_line_is_edited_echoed_and_given_whole() {
        let mut line = Line::new();
        assert_eq!(type_text(&mut line, b"xlx\x7f li"), b"xlx\x08 \x08 li");
        assert!(!line.has_input());
        assert_eq!(type_text(&mut line, b"st\r"), b"st\n");
        assert_eq!(take(&mut line), b"xl list\n");
        assert_eq!(take(&mut line), b"");
    }

    #[test]
    fn one_read_gives_one_line_and_a_small_buffer_a_part_of_it() {
        let mut line = Line::new();
        type_text(&mut line, b"one\ntwo\n");
        let mut small = [0; 2];
        assert_eq!((line.take(&mut small), &small), (2, b"on"));
        assert_eq!(take(&mut line), b"e\n");
        assert_eq!(take(&mut line), b"two\n");
    }

    #[test]
    fn the_line_can_be_dropped_and_nothing_else_erased() {
        let mut line = Line::new();
        assert_eq!(type_text(&mut line, b"\x7f\x08"), b"");
        type_text(&mut line, b"rubbish\x15good\n");
        assert_eq!(take(&mut line), b"good\n");
    }

    #[test]
    fn raw_mode_passes_everything_and_echoes_nothing() {
        let mut line = Line::new();
        type_text(&mut line, b"ab");
        line.set_raw(true);
        assert_eq!(type_text(&mut line, b"\x03\r\xff"), b"");
        assert_eq!(take(&mut line), b"ab\x03\r\xff");
    }

    #[test]
    fn a_flood_without_a_reader_is_bounded() {
        for raw in [false, true] {
            let mut line = Line::new();
            line.set_raw(raw);
            for i in 0..100_000u32 {
                line.typed(if i % 100 == 99 { b'\n' } else { b'x' });
            }
            assert!(line.ready.len() <= READY_MAX && line.edit.len() <= LINE_MAX);
        }
    }
}
