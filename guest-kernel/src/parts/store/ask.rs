//! What the toolstack asks of this kernel by nodes of its own: `data/ask` holds
//! `<number> <word> [argument...]`, `data/answer` then `<number> ok <value>` or
//! `<number> error <errno>`.

use alloc::format;
use alloc::string::String;
use guest_user::abi::Errno;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The checksum of the patterned memory.
    Checksum,
    /// Figures of the kernel.
    Status,
    /// To follow `memory/target` now; the pages that are there then.
    Balloon,
    /// To follow `cpu/*/availability` now; the vCPUs that are up then.
    Vcpus,
    /// To bind this port of the asking domain and send so many events, each after the answer to
    /// the last; how many were answered.
    Ping {
        /// The asking domain's port.
        port: u32,
        /// How many events.
        count: u64,
    },
}

/// A question with the number that its answer must carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which question.
    pub number: u64,
    /// What is asked; the error of what is not understood.
    pub word: Result<Word, Errno>,
}

/// Reads what `data/ask` holds; `None` where no number says what would be answered.
pub fn parse(text: &str) -> Option<Ask> {
    let mut words = text.split_ascii_whitespace();
    let number = words.next()?.parse().ok()?;
    Some(Ask {
        number,
        word: word(&mut words).and_then(|word| match words.next() {
            None => Ok(word),
            Some(_) => Err(Errno::EINVAL),
        }),
    })
}

fn word<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<Word, Errno> {
    match words.next().unwrap_or("") {
        "checksum" => Ok(Word::Checksum),
        "status" => Ok(Word::Status),
        "balloon" => Ok(Word::Balloon),
        "vcpus" => Ok(Word::Vcpus),
        "ping" => Ok(Word::Ping {
            port: argument(words)?,
            count: argument(words)?,
        }),
        _ => Err(Errno::ENOSYS),
    }
}

fn argument<'a, T: core::str::FromStr>(
    words: &mut impl Iterator<Item = &'a str>,
) -> Result<T, Errno> {
    let word = words.next().ok_or(Errno::EINVAL)?;
    word.parse().map_err(|_| Errno::EINVAL)
}

/// What `data/answer` gets.
pub fn answer(number: u64, result: Result<String, Errno>) -> String {
    match result {
        Ok(value) => format!("{number} ok {value}"),
        Err(errno) => format!("{number} error {}", errno.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_understood() {
        let word = |text| parse(text).unwrap().word;
        assert_eq!(parse("7 checksum").unwrap().number, 7);
        assert_eq!(word("1 checksum"), Ok(Word::Checksum));
        assert_eq!(word("1 status"), Ok(Word::Status));
        assert_eq!(word(" 1  balloon "), Ok(Word::Balloon));
        assert_eq!(word("1 vcpus"), Ok(Word::Vcpus));
        assert_eq!(
            word("1 ping 12 500"),
            Ok(Word::Ping {
                port: 12,
                count: 500
            })
        );
    }

    #[test]
    fn what_is_not_understood_is_answered_so() {
        for (text, errno) in [
            ("1", Errno::ENOSYS),
            ("1 sing", Errno::ENOSYS),
            ("1 ping", Errno::EINVAL),
            ("1 ping 5", Errno::EINVAL),
            ("1 ping -5 1", Errno::EINVAL),
            ("1 ping 5 1 1", Errno::EINVAL),
            ("1 checksum all", Errno::EINVAL),
            ("1 ping 4294967296 1", Errno::EINVAL),
        ] {
            assert_eq!(
                parse(text),
                Some(Ask {
                    number: 1,
                    word: Err(errno)
                }),
                "{text}"
            );
        }
        for text in [
            "",
            " ",
            "checksum",
            "-1 checksum",
            "18446744073709551616 status",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn answers_carry_the_number() {
        assert_eq!(answer(3, Ok("0x12".into())), "3 ok 0x12");
        assert_eq!(answer(4, Err(Errno::EIO)), "4 error 5");
    }
}
