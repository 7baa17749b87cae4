//! xl.cfg: the configuration files of `xl create`.

mod cpus;
mod disk;
mod domain;
mod error;
mod keys;
mod lexer;
mod parser;
mod pci;
mod text;
mod vdev;
mod vif;

pub use cpus::Cpus;
pub use disk::{Disk, DiskFormat};
pub(crate) use domain::check_name;
pub use domain::{DomainConfig, EndAction, OnEnd};
pub use error::{ConfigError, Position, Warning};
pub use parser::{Assignment, Item, Value, parse};
pub use pci::Pci;
pub use vdev::VirtualDisk;
pub use vif::{Rate, Vif};
