//! Tokens of xl.cfg.

use alloc::format;
use alloc::string::String;
use core::iter::Peekable;
use core::str::Chars;

use super::{ConfigError, Position};

/// A token's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Number(i64),
    Text(String),
    Equals,
    PlusEquals,
    Open,
    Close,
    Comma,
    /// End of line or `;`.
    End,
}

impl Token {
    /// How error messages call it.
    pub(super) fn describe(&self) -> String {
        match self {
            Token::Word(word) => format!("`{word}`"),
            Token::Number(number) => format!("the number {number}"),
            Token::Text(text) => format!("the string \"{text}\""),
            Token::Equals => "`=`".into(),
            Token::PlusEquals => "`+=`".into(),
            Token::Open => "`[`".into(),
            Token::Close => "`]`".into(),
            Token::Comma => "`,`".into(),
            Token::End => "the end of the line".into(),
        }
    }
}

/// Splits a file into tokens, each with its position.
pub(super) struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    position: Position,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Lexer {
            chars: text.chars().peekable(),
            position: Position { line: 1, column: 1 },
        }
    }

    /// The next token, `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<(Position, Token)>, ConfigError> {
        self.skip_blank();
        let position = self.position;
        let Some(char) = self.advance() else {
            return Ok(None);
        };
        let token = match char {
            '\n' | ';' => Token::End,
            '=' => Token::Equals,
            '+' if self.chars.peek() == Some(&'=') => {
                self.advance();
                Token::PlusEquals
            }
            '[' => Token::Open,
            ']' => Token::Close,
            ',' => Token::Comma,
            '"' | '\'' => Token::Text(self.text(position, char)?),
            '-' | '0'..='9' => number(position, &self.word(char))?,
            'a'..='z' | 'A'..='Z' | '_' => Token::Word(self.word(char)),
            other => {
                return Err(ConfigError::new(
                    position,
                    format!("unexpected character {other:?}"),
                ));
            }
        };
        Ok(Some((position, token)))
    }

    /// Where the next character is.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    fn advance(&mut self) -> Option<char> {
        let char = self.chars.next()?;
        if char == '\n' {
            self.position = Position {
                line: self.position.line + 1,
                column: 1,
            };
        } else {
            self.position.column += 1;
        }
        Some(char)
    }

    fn skip_blank(&mut self) {
        let mut comment = false;
        while let Some(&char) = self.chars.peek() {
            comment |= char == '#';
            if char == '\n' || !(comment || char.is_whitespace()) {
                return;
            }
            self.advance();
        }
    }

    fn word(&mut self, first: char) -> String {
        let mut word = String::from(first);
        while let Some(&char) = self.chars.peek() {
            if !(char.is_ascii_alphanumeric() || char == '_') {
                break;
            }
            word.push(char);
            self.advance();
        }
        word
    }

    fn text(&mut self, start: Position, quote: char) -> Result<String, ConfigError> {
        let mut text = String::new();
        loop {
            let position = self.position;
            match self.advance() {
                None | Some('\n') => {
                    let message = format!("the string is not closed with {quote}");
                    return Err(ConfigError::new(start, message));
                }
                Some('\\') => text.push(self.escape(position)?),
                Some(char) if char == quote => return Ok(text),
                Some(char) => text.push(char),
            }
        }
    }

    fn escape(&mut self, position: Position) -> Result<char, ConfigError> {
        match self.advance() {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some(char @ ('\\' | '"' | '\'')) => Ok(char),
            _ => Err(ConfigError::new(
                position,
                "unknown escape; known: \\n \\r \\t \\\\ \\\" \\'",
            )),
        }
    }
}

/// Decimal, 0x hexadecimal or 0 octal, as in C.
fn number(position: Position, word: &str) -> Result<Token, ConfigError> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let hexadecimal = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let parsed = match hexadecimal {
        Some(hexadecimal) => i64::from_str_radix(hexadecimal, 16),
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8),
        None => digits.parse(),
    };
    match parsed {
        Ok(value) if digits.len() != word.len() => Ok(Token::Number(-value)),
        Ok(value) if !digits.starts_with('-') => Ok(Token::Number(value)),
        _ => Err(ConfigError::new(
            position,
            format!("`{word}` is not a number"),
        )),
    }
}
