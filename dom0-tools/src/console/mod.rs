//! Guest consoles: the rings of io/console.h, drained into bounded logs.

mod log;
mod ring;

pub use log::{LineSplitter, Log};
pub use ring::{RingFault, drain, push};
