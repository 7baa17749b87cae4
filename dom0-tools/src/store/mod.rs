//! The store of xenstored: a tree of small values that domains read, write and watch.
//!
//! ```text
//!   server       requests -> replies, domains coming and going      client, nodes   typed requests
//!   connection   one client: messages in, replies and events out    ring     a guest's page
//!   view         what a request does: in the tree or a transaction  wire     messages as bytes
//!   tree, transaction, watch, permissions, quota, path              what it is made of
//!   journal      what is kept for the successor of a store that ends
//! ```
//!
//! The protocol is that of Xen's public header io/xs_wire.h; where that is silent, answers are
//! those of Xen 4.17's own xenstored. Nothing here blocks, and nothing that a client does costs
//! others more than its turn.

use crate::service::{Closed, Transport};

mod client;
mod connection;
mod journal;
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
pub use ring::RingTransport;
pub use server::Server;
pub use tree::{Node, Tree};
pub use wire::{Decoder, HEAD_SIZE, Message, error_name, error_of_name};
