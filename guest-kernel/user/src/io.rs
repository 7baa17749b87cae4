//! Printing to the console: one system call per piece of up to 512 bytes.

use crate::sys;
use core::fmt::{self, Write};

/// A console writer that gathers small pieces; flushed when full and when dropped.
pub struct Console {
    buf: [u8; 512],
    len: usize,
}

impl Console {
    /// An empty writer.
    pub const fn new() -> Self {
        Self {
            buf: [0; 512],
            len: 0,
        }
    }

    /// Writes out what has been gathered. A console that refuses bytes loses them: there is
    /// nobody to tell.
    pub fn flush(&mut self) {
        let mut rest = &self.buf[..self.len];
        while !rest.is_empty() {
            match sys::write(1, rest) {
                Ok(n) if n > 0 => rest = &rest[n.min(rest.len())..],
                _ => break,
            }
        }
        self.len = 0;
    }

    /// Appends bytes.
    pub fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.len == self.buf.len() {
                self.flush();
            }
            let n = bytes.len().min(self.buf.len() - self.len);
            self.buf[self.len..self.len + n].copy_from_slice(&bytes[..n]);
            self.len += n;
            bytes = &bytes[n..];
        }
    }
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Write for Console {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.put(s.as_bytes());
        Ok(())
    }
}

/// What [`print!`] and [`println!`] call.
pub fn print(args: fmt::Arguments<'_>) {
    // The writer itself never fails; an error here comes from a Display implementation.
    let _ = Console::new().write_fmt(args);
}

/// Prints to the console.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::io::print(format_args!($($arg)*)) };
}

/// Prints a line to the console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arg:tt)*) => { $crate::io::print(format_args!("{}\n", format_args!($($arg)*))) };
}
