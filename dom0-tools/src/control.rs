//! What a guest kernel of ours can be asked over the store: `data/ask` holds
//! `<number> <word> [arguments]`, `data/answer` then `<number> ok <value>` or
//! `<number> error <errno>`. What every guest understands (`control/shutdown`, `memory/target`,
//! `cpu/*/availability`) goes by nodes of its own.

use alloc::format;
use alloc::string::{String, ToString};

use crate::hyper::Errno;

/// What a guest kernel can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The checksum over its patterned memory; EIO if the pattern is damaged.
    Checksum,
    /// Its [`Status`].
    Status,
    /// To follow `memory/target` now; the pages that it has then.
    Balloon,
    /// To follow `cpu/*/availability` now; the vCPUs that are up then.
    Vcpus,
    /// To send so many events to a port of this domain, each after the answer to the last; how
    /// many were answered.
    Ping {
        /// The port.
        port: u32,
        /// How many events.
        count: u64,
    },
}

impl Ask {
    /// What `data/ask` is to hold.
    pub fn text(self, number: u64) -> String {
        match self {
            Ask::Checksum => format!("{number} checksum"),
            Ask::Status => format!("{number} status"),
            Ask::Balloon => format!("{number} balloon"),
            Ask::Vcpus => format!("{number} vcpus"),
            Ask::Ping { port, count } => format!("{number} ping {port} {count}"),
        }
    }
}

/// The number of a question or an answer.
pub fn number(text: &str) -> Option<u64> {
    text.split(' ').next()?.parse().ok()
}

/// The answer to a question, if `data/answer` holds it. What makes no sense is EINVAL.
pub fn answer(text: &str, asked: u64) -> Option<Result<String, Errno>> {
    if number(text) != Some(asked) {
        return None;
    }
    let mut words = text.splitn(3, ' ').skip(1);
    Some(match (words.next(), words.next()) {
        (Some("ok"), Some(value)) => Ok(value.to_string()),
        (Some("error"), Some(errno)) => Err(Errno(errno.parse().unwrap_or(22))),
        _ => Err(Errno(22)),
    })
}

/// What a guest kernel says of itself. Claims, shown as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Events it took of its channel to the store.
    pub events_received: u64,
    /// Events it sent there.
    pub events_sent: u64,
    /// Events it took on all its ports.
    pub events: u64,
    /// Ring-3 processes it runs.
    pub processes: u64,
    /// How often its timer took the processor from a process.
    pub preemptions: u64,
    /// Processes it ended because they faulted.
    pub faults: u64,
}

impl Status {
    /// Reads the answer: six numbers.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ').map(|word| word.parse().ok());
        let mut word = || words.next().flatten();
        let status = Status {
            events_received: word()?,
            events_sent: word()?,
            events: word()?,
            processes: word()?,
            preemptions: word()?,
            faults: word()?,
        };
        words.next().is_none().then_some(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_belong_to_questions() {
        assert_eq!(answer("7 ok 12 13", 7), Some(Ok("12 13".into())));
        assert_eq!(answer("7 error 5", 7), Some(Err(Errno(5))));
        for (text, asked) in [("6 ok 1", 7), ("", 7), ("x ok 1", 7), ("ok", 7)] {
            assert_eq!(answer(text, asked), None, "{text}");
        }
        for text in ["7", "7 ok", "7 perhaps 1", "7 error much"] {
            assert_eq!(answer(text, 7), Some(Err(Errno(22))), "{text}");
        }
    }

    #[test]
    fn a_status_has_six_numbers() {
        let status = Status::parse("1 2 3 4 5 6").unwrap();
        assert_eq!((status.events_received, status.faults), (1, 6));
        for text in ["", "1 2 3 4 5", "1 2 3 4 5 x", "1 2 3 4 5 6 7"] {
            assert_eq!(Status::parse(text), None, "{text}");
        }
    }
}
