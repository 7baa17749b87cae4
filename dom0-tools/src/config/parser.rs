//! Statements of xl.cfg: `key = value`, one per line or separated by `;`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::lexer::{Lexer, Token};
use super::{ConfigError, Position};

/// Nesting of lists that is still accepted; xl.cfg itself needs one.
const MAX_DEPTH: usize = 8;

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Integer(i64),
    /// A quoted string.
    Text(String),
    /// `[ a, b, ... ]`, possibly over several lines.
    List(Vec<Item>),
}

/// One value of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it starts.
    pub position: Position,
    /// What it is.
    pub value: Value,
}

impl Value {
    /// How error messages call its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Integer(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
        }
    }

    /// The same value as one that was given on the command line.
    fn of_command_line(self) -> Self {
        let Value::List(items) = self else {
            return self;
        };
        let moved = items.into_iter().map(|item| Item {
            position: Position::COMMAND_LINE,
            value: item.value.of_command_line(),
        });
        Value::List(moved.collect())
    }
}

/// One `key = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Where the key stands.
    pub position: Position,
    /// The key.
    pub key: String,
    /// Where the value starts.
    pub value_position: Position,
    /// The value.
    pub value: Value,
}

impl Assignment {
    /// The same assignment as one that was given on the command line.
    pub(super) fn of_command_line(self) -> Self {
        Assignment {
            position: Position::COMMAND_LINE,
            value_position: Position::COMMAND_LINE,
            key: self.key,
            value: self.value.of_command_line(),
        }
    }
}

/// Parses a whole file. A key given twice counts with its last value; `+=` appends to the string
/// or list given before.
///
/// # Errors
/// The first thing that is not xl.cfg syntax, with its position.
pub fn parse(text: &str) -> Result<Vec<Assignment>, ConfigError> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
    };
    let mut assignments: Vec<Assignment> = Vec::new();
    while let Some((position, token)) = parser.lexer.next()? {
        match token {
            Token::End => {}
            Token::Word(key) => {
                let (append, mut assignment) = parser.assignment(position, key)?;
                let known = assignments
                    .iter()
                    .position(|known| known.key == assignment.key);
                match known.map(|index| assignments.remove(index)) {
                    Some(before) if append => join(before, &mut assignment)?,
                    _ => {}
                }
                assignments.push(assignment);
            }
            other => {
                let message = format!("expected a key, found {}", other.describe());
                return Err(ConfigError::new(position, message));
            }
        }
    }
    Ok(assignments)
}

/// `before += after`, leaving the result in `after`.
fn join(before: Assignment, after: &mut Assignment) -> Result<(), ConfigError> {
    let joined = match (before.value, &after.value) {
        (Value::Text(mut first), Value::Text(second)) => {
            first.push_str(second);
            Value::Text(first)
        }
        (Value::List(mut first), Value::List(second)) => {
            first.extend(second.iter().cloned());
            Value::List(first)
        }
        (first, second) => {
            let message = format!("cannot append {} to {}", second.kind(), first.kind());
            return Err(ConfigError::new(after.value_position, message));
        }
    };
    after.value = joined;
    Ok(())
}

struct Parser<'a> {
    lexer: Lexer<'a>,
}

impl Parser<'_> {
    fn assignment(
        &mut self,
        position: Position,
        key: String,
    ) -> Result<(bool, Assignment), ConfigError> {
        let append = match self.token("`=`")? {
            (_, Token::Equals) => false,
            (_, Token::PlusEquals) => true,
            (found_at, found) => {
                let message = format!("expected `=` after `{key}`, found {}", found.describe());
                return Err(ConfigError::new(found_at, message));
            }
        };
        let (value_position, first) = self.token("a value")?;
        let value = self.value(value_position, first, 0)?;
        match self.lexer.next()? {
            None | Some((_, Token::End)) => {}
            Some((found_at, found)) => {
                let message = format!(
                    "expected the end of the line after the value, found {}",
                    found.describe()
                );
                return Err(ConfigError::new(found_at, message));
            }
        }
        Ok((
            append,
            Assignment {
                position,
                key,
                value_position,
                value,
            },
        ))
    }

    fn value(
        &mut self,
        position: Position,
        first: Token,
        depth: usize,
    ) -> Result<Value, ConfigError> {
        match first {
            Token::Number(number) => Ok(Value::Integer(number)),
            Token::Text(text) => Ok(Value::Text(text)),
            Token::Open if depth < MAX_DEPTH => self.list(depth + 1),
            Token::Open => Err(ConfigError::new(position, "lists are nested too deeply")),
            Token::Word(word) => {
                let message = format!("a value must be a number, a list or quoted: \"{word}\"?");
                Err(ConfigError::new(position, message))
            }
            other => {
                let message = format!("expected a value, found {}", other.describe());
                Err(ConfigError::new(position, message))
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, ConfigError> {
        let mut values = Vec::new();
        loop {
            let (position, token) = self.list_token()?;
            if token == Token::Close {
                return Ok(Value::List(values));
            }
            let value = self.value(position, token, depth)?;
            values.push(Item { position, value });
            match self.list_token()? {
                (_, Token::Close) => return Ok(Value::List(values)),
                (_, Token::Comma) => {}
                (position, other) => {
                    let message = format!("expected `,` or `]`, found {}", other.describe());
                    return Err(ConfigError::new(position, message));
                }
            }
        }
    }

    /// The next token inside a list, where lines may end anywhere.
    fn list_token(&mut self) -> Result<(Position, Token), ConfigError> {
        loop {
            match self.token("`]`")? {
                (_, Token::End) => {}
                found => return Ok(found),
            }
        }
    }

    fn token(&mut self, expected: &str) -> Result<(Position, Token), ConfigError> {
        let end = self.lexer.position();
        let missing = || {
            ConfigError::new(
                end,
                format!("expected {expected}, found the end of the file"),
            )
        };
        self.lexer.next()?.ok_or_else(missing)
    }
}
