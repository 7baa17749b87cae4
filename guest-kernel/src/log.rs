//! The kernel's own messages, on whatever console there is.

use crate::dev::console;
use core::fmt::{self, Write};

/// Gathers a message so that it reaches the console in few pieces.
struct Line {
    buf: [u8; 256],
    len: usize,
}

impl Line {
    fn flush(&mut self) {
        console::write_kernel(&self.buf[..self.len]);
        self.len = 0;
    }
}

impl Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for &byte in s.as_bytes() {
            if self.len == self.buf.len() {
                self.flush();
            }
            self.buf[self.len] = byte;
            self.len += 1;
        }
        Ok(())
    }
}

/// What the macros call.
pub(crate) fn print(args: fmt::Arguments<'_>) {
    let mut line = Line {
        buf: [0; 256],
        len: 0,
    };
    // `Line` never fails; an error here comes from a Display implementation.
    let _ = line.write_fmt(args);
    line.flush();
}

/// Prints a line as it is.
macro_rules! kprintln {
    ($($arg:tt)*) => { $crate::log::print(format_args!("{}\n", format_args!($($arg)*))) };
}

/// Prints a line that is marked as the kernel's.
macro_rules! klog {
    ($($arg:tt)*) => { $crate::log::print(format_args!("kernel: {}\n", format_args!($($arg)*))) };
}

pub(crate) use {klog, kprintln};
