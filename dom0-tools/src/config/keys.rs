//! Typed access to the assignments of a file, each used once.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::parser::{Assignment, Item, Value, parse};
use super::{ConfigError, Position, Warning};

/// Something with its place in the file.
pub(super) type Placed<T> = (Position, T);

/// The assignments not yet used, and what there is to warn of.
pub(super) struct Keys {
    assignments: Vec<Assignment>,
    pub(super) warnings: Vec<Warning>,
}

impl Keys {
    /// Reads a file and `overrides`, further assignments that win.
    pub(super) fn read(file: &str, overrides: &str) -> Result<Self, ConfigError> {
        let mut assignments = parse(file)?;
        let overrides = parse(overrides).map_err(|error| ConfigError {
            position: Position::COMMAND_LINE,
            ..error
        })?;
        for assignment in overrides {
            assignments.retain(|known| known.key != assignment.key);
            assignments.push(assignment.of_command_line());
        }
        Ok(Keys {
            assignments,
            warnings: Vec::new(),
        })
    }

    pub(super) fn warn(&mut self, position: Position, message: impl Into<String>) {
        let message = message.into();
        self.warnings.push(Warning { position, message });
    }

    /// What nobody has asked for.
    pub(super) fn rest(&mut self) -> Vec<Assignment> {
        core::mem::take(&mut self.assignments)
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Assignment> {
        let mut known = self.assignments.iter();
        let index = known.position(|assignment| assignment.key == key)?;
        Some(self.assignments.remove(index))
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<Placed<String>>, ConfigError> {
        match self.take(key) {
            None => Ok(None),
            Some(Assignment {
                value: Value::Text(text),
                value_position,
                ..
            }) => Ok(Some((value_position, text))),
            Some(other) => Err(wrong_kind(&other, "a string")),
        }
    }

    /// A string that must be there and not be empty.
    pub(super) fn required(
        &mut self,
        key: &str,
        example: &str,
    ) -> Result<Placed<String>, ConfigError> {
        let (position, text) = self.text(key)?.ok_or_else(|| missing(key, example))?;
        if text.is_empty() {
            return Err(ConfigError::new(position, format!("`{key}` is empty")));
        }
        Ok((position, text))
    }

    /// A number within bounds, of which `least` is not negative. As with xl, it may be quoted.
    pub(super) fn integer(
        &mut self,
        key: &str,
        least: i64,
        most: i64,
    ) -> Result<Option<Placed<u64>>, ConfigError> {
        let Some(assignment) = self.take(key) else {
            return Ok(None);
        };
        let value = match &assignment.value {
            Value::Integer(value) => Some(*value),
            Value::Text(text) => text.parse().ok(),
            Value::List(_) => None,
        };
        let value = value.ok_or_else(|| wrong_kind(&assignment, "a number"))?;
        if !(least..=most).contains(&value) {
            let message = format!("{key} is {value}, it must be from {least} to {most}");
            return Err(ConfigError::new(assignment.value_position, message));
        }
        Ok(Some((assignment.value_position, value.unsigned_abs())))
    }

    /// A list of strings, and where the key stands.
    pub(super) fn texts(
        &mut self,
        key: &str,
    ) -> Result<Option<Placed<Vec<Placed<String>>>>, ConfigError> {
        let Some(assignment) = self.take(key) else {
            return Ok(None);
        };
        let Value::List(items) = assignment.value else {
            return Err(wrong_kind(&assignment, "a list of strings"));
        };
        let texts = items.into_iter().map(|item| item_text(key, item));
        Ok(Some((
            assignment.position,
            texts.collect::<Result<_, _>>()?,
        )))
    }
}

fn item_text(key: &str, item: Item) -> Result<Placed<String>, ConfigError> {
    match item.value {
        Value::Text(text) => Ok((item.position, text)),
        other => {
            let message = format!("`{key}` is a list of strings, this is {}", other.kind());
            Err(ConfigError::new(item.position, message))
        }
    }
}

pub(super) fn wrong_kind(assignment: &Assignment, need: &str) -> ConfigError {
    let (key, kind) = (&assignment.key, assignment.value.kind());
    let message = format!("`{key}` must be {need}, this is {kind}");
    ConfigError::new(assignment.value_position, message)
}

pub(super) fn missing(key: &str, example: &str) -> ConfigError {
    let position = Position { line: 1, column: 1 };
    let message = format!("`{key}` is missing (for example: {example})");
    ConfigError::new(position, message)
}

/// One parameter of a disk's or interface's description: `key=value`, or a word alone.
pub(super) fn parameter(text: &str) -> (&str, Option<&str>) {
    match text.split_once('=') {
        Some((key, value)) => (key.trim(), Some(value.trim())),
        None => (text.trim(), None),
    }
}

/// Puts a parameter where it belongs.
///
/// # Errors
/// In words: that it is there already.
pub(super) fn put<T>(slot: &mut Option<T>, key: &str, value: T) -> Result<(), String> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{key} is given twice")),
    }
}

/// The value of a parameter that needs one.
///
/// # Errors
/// In words: that it has none.
pub(super) fn valued(key: &str, value: Option<&str>) -> Result<String, String> {
    match value.filter(|value| !value.is_empty()) {
        Some(value) => Ok(value.to_string()),
        None => Err(format!("{key} has no value")),
    }
}
