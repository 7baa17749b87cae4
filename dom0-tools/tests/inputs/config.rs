//! What holds for every configuration file, whatever is in it.

use dom0_tools::config::{DomainConfig, Position};

/// Reads `data` as a file: it is refused at a place that it has, or understood, and then what is
/// written of it is understood as the same.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    match DomainConfig::read(text, "") {
        Err(error) => assert!(is_in(error.position, text), "{error} in {text:?}"),
        Ok((config, warnings)) => {
            for warning in warnings {
                assert!(is_in(warning.position, text), "{warning} in {text:?}");
            }
            let written = config.to_text();
            match DomainConfig::read(&written, "") {
                Ok((read, _)) => assert_eq!(read, config, "{text:?}"),
                Err(error) => panic!("{error} in {written:?} from {text:?}"),
            }
        }
    }
}

/// Whether a file has this place, or it is that just behind its end.
fn is_in(position: Position, text: &str) -> bool {
    let (line, column) = (position.line as usize, position.column as usize);
    let mut lines = text.split('\n');
    line > 0 && column > 0 && {
        let length = lines.nth(line - 1).map(|line| line.chars().count());
        length.is_some_and(|length| column <= length + 1)
    }
}
