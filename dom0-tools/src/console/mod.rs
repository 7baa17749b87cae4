//! Guest consoles: the rings of io/console.h, drained into bounded logs, and the service that gives
//! them to who wants them.

mod client;
mod log;
mod ring;
mod service;

pub use log::{LineSplitter, Log};
pub use ring::{RingFault, drain, push};
pub use service::Consoles;
