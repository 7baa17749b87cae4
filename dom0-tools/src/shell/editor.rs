//! Editing of one line on a raw terminal.

use alloc::string::String;
use alloc::vec::Vec;

/// Bytes of a line, at most; more are refused with a bell.
const LINE_MAX: usize = 1024;
/// Lines remembered.
const HISTORY_MAX: usize = 32;

/// What a byte of input led to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edited {
    /// What to send to the terminal.
    pub echo: Vec<u8>,
    /// Whether the line has ended.
    pub done: bool,
    /// The line, if it ended with enter.
    pub line: Option<String>,
}

/// Where the editor is in an escape sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Escape {
    #[default]
    None,
    Started,
    Csi,
}

/// A line editor: backspace, ^U, ^C, history by arrow keys.
#[derive(Debug, Clone, Default)]
pub struct Editor {
    line: String,
    escape: Escape,
    history: Vec<String>,
    /// Which line of the history is shown; its length when none is.
    shown: usize,
    /// The last byte was CR: an LF right after belongs to it.
    after_cr: bool,
}

impl Editor {
    /// The line so far.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Takes one byte of input.
    pub fn take(&mut self, byte: u8) -> Edited {
        let after_cr = core::mem::replace(&mut self.after_cr, byte == b'\r');
        match (self.escape, byte) {
            (Escape::Started, b'[') => self.escape = Escape::Csi,
            (Escape::Csi, b'A') => return self.recall(self.shown.checked_sub(1)),
            (Escape::Csi, b'B') => return self.recall(Some(self.shown + 1)),
            // Parameters of a sequence that is not served.
            (Escape::Csi, b'0'..=b'9' | b';') => {}
            (Escape::Started | Escape::Csi, _) => self.escape = Escape::None,
            (Escape::None, 0x1b) => self.escape = Escape::Started,
            (Escape::None, b'\n') if after_cr => {}
            (Escape::None, _) => return self.key(byte),
        }
        Edited::default()
    }

    fn key(&mut self, byte: u8) -> Edited {
        match byte {
            b'\r' | b'\n' => self.enter(),
            // ^C
            0x03 => {
                self.line.clear();
                self.shown = self.history.len();
                Edited {
                    echo: b"^C\n".to_vec(),
                    done: true,
                    line: None,
                }
            }
            // ^U
            0x15 => self.replace(String::new()),
            0x08 | 0x7f if !self.line.is_empty() => {
                self.line.pop();
                Edited {
                    echo: b"\x08 \x08".to_vec(),
                    ..Edited::default()
                }
            }
            b' '..=b'~' if self.line.len() < LINE_MAX => {
                self.line.push(char::from(byte));
                Edited {
                    echo: alloc::vec![byte],
                    ..Edited::default()
                }
            }
            _ => Edited {
                echo: alloc::vec![0x07],
                ..Edited::default()
            },
        }
    }

    fn enter(&mut self) -> Edited {
        let line = core::mem::take(&mut self.line);
        if !line.trim().is_empty() && self.history.last() != Some(&line) {
            self.history.push(line.clone());
            let excess = self.history.len().saturating_sub(HISTORY_MAX);
            self.history.drain(..excess);
        }
        self.shown = self.history.len();
        Edited {
            echo: b"\n".to_vec(),
            done: true,
            line: Some(line),
        }
    }

    fn recall(&mut self, index: Option<usize>) -> Edited {
        self.escape = Escape::None;
        let Some(index) = index.filter(|index| *index <= self.history.len()) else {
            return Edited::default();
        };
        self.shown = index;
        let line = self.history.get(index).cloned().unwrap_or_default();
        self.replace(line)
    }

    fn replace(&mut self, line: String) -> Edited {
        let mut echo = b"\x08 \x08".repeat(self.line.len());
        echo.extend(line.bytes());
        self.line = line;
        Edited {
            echo,
            ..Edited::default()
        }
    }
}
