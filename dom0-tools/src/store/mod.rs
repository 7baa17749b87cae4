//! The store of xenstored: a tree of small values that domains read, write and watch.
//!
//! ```text
//!   server       requests -> replies, domains coming and going      client, nodes   typed requests
//!   connection   one client: messages in, replies and events out    ring     a guest's page
//!   view         what a request does: in the tree or a transaction  wire     messages as bytes
//!   tree, transaction, watch, permissions, quota, path              what it is made of
//! ```
//!
//! The protocol is that of Xen's public header io/xs_wire.h; where that is silent, answers are
//! those of Xen 4.17's own xenstored. Nothing here blocks, and nothing that a client does costs
//! others more than its turn.

mod client;
mod connection;
mod nodes;
mod path;
mod permissions;
mod quota;
mod ring;
mod server;
mod transaction;
mod tree;
mod view;
mod watch;
mod wire;

pub use client::{Channel, Client, StoreError, Transacted, WatchEvent};
pub use connection::Id;
pub use nodes::Store;
pub use path::Path;
pub use permissions::{Permission, Permissions, Rights, Who};
pub use quota::{Quotas, Usage};
pub use ring::{Line, RingTransport};
pub use server::{DomainState, Platform, Server};
pub use tree::{Node, Tree};
pub use wire::{Decoder, HEAD_SIZE, Message, error_name, error_of_name};

/// Why a connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The other side has gone.
    #[error("the other side has closed it")]
    Gone,
    /// The indices of its ring make no sense.
    #[error("the indices of its ring make no sense")]
    Ring,
    /// It sent what is no message.
    #[error("it sent what is no message")]
    Protocol,
}

/// A stream of bytes in both directions. Nothing waits.
pub trait Transport {
    /// Takes what has arrived, at most as much as there is room for; 0 if there is nothing.
    ///
    /// # Errors
    /// Nothing more will come.
    fn read(&mut self, to: &mut [u8]) -> Result<usize, Closed>;
    /// Gives as much as the other side has room for, and returns how much that was.
    ///
    /// # Errors
    /// Nobody takes it any more.
    fn write(&mut self, from: &[u8]) -> Result<usize, Closed>;
    /// Tells the other side of what was taken and given since it was told last.
    fn flush(&mut self) {}
    /// It is used no more, and why: what the other side may be told of it.
    fn close(&mut self, _why: Closed) {}
    /// The other side begins anew.
    fn reset(&mut self) {}
}
