//! What guests have said: a bounded memory, and lines for the terminal.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

/// Bytes kept per guest.
const LOG_SIZE: usize = 16 * 1024;
/// A line longer than this is shown in pieces.
const LINE_SIZE: usize = 256;

/// The last 16 KiB of a guest's console.
#[derive(Debug, Clone, Default)]
pub struct Log {
    bytes: VecDeque<u8>,
    /// Bytes that no longer are in the log.
    pub lost: u64,
}

impl Log {
    /// Appends, dropping the oldest bytes beyond the limit.
    pub fn append(&mut self, bytes: &[u8]) {
        let excess = (self.bytes.len() + bytes.len()).saturating_sub(LOG_SIZE);
        // First, so that never more than this is taken of memory.
        let old = excess.min(self.bytes.len());
        self.bytes.drain(..old);
        self.bytes.extend(&bytes[excess - old..]);
        self.lost += excess as u64;
    }

    /// What is kept, oldest first.
    pub fn contents(&self) -> Vec<u8> {
        self.bytes.iter().copied().collect()
    }

    /// How many bytes there have been.
    pub fn end(&self) -> u64 {
        self.lost + self.bytes.len() as u64
    }

    /// At most `count` bytes of what is kept, from the one on that came after `position` others.
    pub fn part(&self, position: u64, count: usize) -> Vec<u8> {
        let skip = usize::try_from(position.saturating_sub(self.lost)).unwrap_or(usize::MAX);
        self.bytes.iter().skip(skip).take(count).copied().collect()
    }
}

/// Cuts a stream of bytes into lines of plain text.
#[derive(Debug, Clone, Default)]
pub struct LineSplitter {
    partial: Vec<u8>,
}

impl LineSplitter {
    /// Takes bytes and returns the lines they complete.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' => lines.extend(self.finish_line()),
                b'\r' => {}
                _ => self.partial.push(byte),
            }
            if self.partial.len() >= LINE_SIZE {
                lines.extend(self.flush());
            }
        }
        lines
    }

    /// The unfinished line, if there is one.
    pub fn flush(&mut self) -> Option<String> {
        (!self.partial.is_empty())
            .then(|| self.finish_line())
            .flatten()
    }

    fn finish_line(&mut self) -> Option<String> {
        let bytes = core::mem::take(&mut self.partial);
        // A guest must not steer dom0's terminal: control characters become visible.
        let clean = |c: char| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        };
        Some(String::from_utf8_lossy(&bytes).chars().map(clean).collect())
    }
}
