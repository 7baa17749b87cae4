//! Words of a command line.

use alloc::string::String;
use alloc::vec::Vec;

/// Splits a line at blanks. Quotes keep blanks and are kept where the word holds a `=`, because
/// there they are xl.cfg's (`xl create guest1 extra="a b"`); `#` at the start of a word begins a
/// comment.
///
/// # Errors
/// A quote that is not closed.
pub fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for char in line.chars() {
        match quote {
            Some(open) => {
                let word: &mut String = word.get_or_insert_default();
                if char == open {
                    quote = None;
                }
                if char != open || word.contains('=') {
                    word.push(char);
                }
            }
            None if char == '#' && word.is_none() => break,
            None if char.is_whitespace() => words.extend(word.take()),
            None if char == '"' || char == '\'' => {
                quote = Some(char);
                let word = word.get_or_insert_default();
                if word.contains('=') {
                    word.push(char);
                }
            }
            None => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    if quote.is_some() {
        Err("a quote is not closed")
    } else {
        Ok(words)
    }
}
