//! What is wrong with a configuration, and where.

use alloc::string::String;
use core::fmt;

/// A place in a configuration file, both counted from 1; columns count characters. Line 0 is the
/// command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line number.
    pub line: u32,
    /// Column number.
    pub column: u32,
}

impl Position {
    /// What the user gave on the command line.
    pub const COMMAND_LINE: Position = Position { line: 0, column: 0 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::COMMAND_LINE {
            return write!(f, "overrides on the command line");
        }
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}")]
pub struct ConfigError {
    /// Where the culprit starts.
    pub position: Position,
    /// What is wrong with it.
    pub message: String,
}

impl ConfigError {
    pub(crate) fn new(position: Position, message: impl Into<String>) -> Self {
        ConfigError {
            position,
            message: message.into(),
        }
    }
}

/// Something the file says that has no effect here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where it is said.
    pub position: Position,
    /// What is ignored.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.message)
    }
}
