//! The toolstack as a portable library: it decides and describes, a front end does.
//!
//! Nothing here touches a device or a file. A front end implements [`hyper::Hyper`] (hypercalls
//! and foreign mappings) and [`shell::Host`] (terminal, files, time, streams to services), and gets
//! a domain builder, `xl` commands, the store and the consoles:
//!
//! ```text
//!   shell    lines -> commands -> plain text        config   xl.cfg -> DomainConfig
//!   domains  made, known by the store, taken apart  console  rings -> logs, attach
//!   build    image + layout -> a domain              image    bzImage, ELF64, Xen notes
//!   hyper    typed hypercalls over a two-method door  store    xenstored, and asking it
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod block;
pub mod build;
pub mod config;
pub mod console;
pub mod control;
pub mod cpuset;
pub mod domains;
mod error;
pub mod grants;
pub mod hyper;
pub mod image;
pub mod net;
pub mod pci;
pub mod service;
pub mod shell;
pub mod store;
pub mod uuid;
pub mod xenbus;

pub use error::Error;
