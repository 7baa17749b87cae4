//! netback: network interfaces of guests (io/netif.h), put on bridges.
//!
//! ```text
//!   interface   one guest's two rings: frames taken by grant copies, and given by grant copies
//!   bridge      which port a frame goes to, by the addresses it has seen
//!   switch      all interfaces and the wire to the outside, each served in turn
//!   driver      the switch on the backends' bus: what the store says of interfaces
//!   checksum    transport checksums that a guest left blank, for those who need them
//! ```
//!
//! A guest writes everything in its rings, and in its pages, at any time. What it says is copied
//! once and then checked; a frame is looked at when it is in memory of our own. One whose ring makes
//! no sense loses its interface; one that sends nonsense gets it back as an error; one that floods,
//! or takes nothing, loses frames of its own.

mod bridge;
pub mod checksum;
mod driver;
mod frame;
mod interface;
mod sending;
mod switch;

pub use bridge::{Bridge, Target};
pub use driver::{BRIDGE, Device, Netback};
pub use frame::{Checksum, ETHERNET_HEADER, Frame, Mac};
pub use interface::{Counters, Fault, Interface, Options, Rate};
pub use switch::{Broken, Switch, Turn, Wire};
