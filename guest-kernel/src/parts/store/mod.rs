//! A guest's side of xenstore (`xen/io/xs_wire.h`): the two rings of its page, messages, requests
//! with their replies, and what the toolstack asks by nodes.
//!
//! The other end is a daemon that may be silent, wrong or hostile, and may begin anew: whatever it
//! does, memory is bounded, and no request waits for ever.

pub mod ask;
pub mod client;
pub mod ring;
pub mod share;
pub mod wire;
