//! xl.cfg: the configuration files of `xl create`.

mod domain;
mod error;
mod lexer;
mod parser;

pub use domain::{DomainConfig, EndAction, OnEnd};
pub use error::{ConfigError, Position, Warning};
pub use parser::{Assignment, Value, parse};
