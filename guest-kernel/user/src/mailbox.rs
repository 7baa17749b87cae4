//! The control page between the toolstack and a guest kernel.
//!
//! Until a xenstore runs, the page that `start_info.store_mfn` names is this raw mailbox, and
//! `start_info.store_evtchn` is its doorbell in both directions. Every word is a little-endian
//! `u64` at one of the offsets below; each word has exactly one writer. The toolstack writes a
//! command and its argument, then `REQUEST_SEQ` (a number it has not used before), then rings.
//! The guest answers by writing value and status, then `REPLY_SEQ`, then rings.
//!
//! Independently the guest may raise `GUEST_PING`; whoever holds the other end copies it to
//! `TOOLS_PONG` and rings.
//!
//! Both sides treat what they read as a claim of the other domain: fetched once, then checked.

/// Length of the page in bytes.
pub const PAGE_LEN: usize = 4096;
/// `MAGIC` once the guest serves the mailbox: "PVMBOX01" in memory order.
pub const MAGIC_VALUE: u64 = u64::from_le_bytes(*b"PVMBOX01");

/// Offsets of words the guest writes.
pub mod guest {
    /// [`super::MAGIC_VALUE`] when the guest is ready.
    pub const MAGIC: usize = 0x00;
    /// The request that the reply words answer.
    pub const REPLY_SEQ: usize = 0x08;
    /// 0, or the positive errno of a refused or failed command.
    pub const REPLY_STATUS: usize = 0x10;
    /// What the command computed.
    pub const REPLY_VALUE: usize = 0x18;
    /// Pages the guest owns.
    pub const CURRENT_PAGES: usize = 0x20;
    /// Pages the guest is trying to own.
    pub const TARGET_PAGES: usize = 0x28;
    /// The last checksum computed over the guest's patterned memory.
    pub const CHECKSUM: usize = 0x30;
    /// Doorbell notifications the guest took.
    pub const EVENTS_RECEIVED: usize = 0x38;
    /// Doorbell notifications the guest sent.
    pub const EVENTS_SENT: usize = 0x40;
    /// Raised by the guest for each ping.
    pub const GUEST_PING: usize = 0x48;
    /// Pings for which the guest saw the answer.
    pub const PINGS_ANSWERED: usize = 0x50;
    /// Processes that exist.
    pub const PROCESSES: usize = 0x58;
    /// Timer pre-emptions so far.
    pub const PREEMPTIONS: usize = 0x60;
    /// Processes ended by a fault so far.
    pub const FAULTS_FATAL: usize = 0x68;
    /// Events taken on all ports so far.
    pub const EVENTS: usize = 0x70;
}

/// Offsets of words the toolstack writes.
pub mod tools {
    /// Written last: a new number makes the request valid.
    pub const REQUEST_SEQ: usize = 0x800;
    /// One of the `super::command` numbers.
    pub const COMMAND: usize = 0x808;
    /// Its argument.
    pub const ARGUMENT: usize = 0x810;
    /// The last `GUEST_PING` seen.
    pub const TOOLS_PONG: usize = 0x818;
    /// `super::MAGIC_VALUE` from the beginning, behind the end of what xenstore's page has: this
    /// page is a mailbox.
    pub const MARK: usize = 0x820;
}

/// Commands of the toolstack.
pub mod command {
    /// Does nothing; the value is the argument.
    pub const ECHO: u64 = 1;
    /// Moves the guest's size to the argument in pages; the value is the size reached.
    pub const BALLOON: u64 = 2;
    /// Checksums the guest's memory pattern; the value is the checksum, the status is `EIO` if
    /// the memory no longer holds what was written.
    pub const CHECKSUM: u64 = 3;
    /// Makes the guest ping the toolstack argument times; the value is how many were answered.
    pub const PING: u64 = 4;
    /// Shuts the guest down with the argument as `SHUTDOWN_*` reason.
    pub const SHUTDOWN: u64 = 5;
    /// Makes the guest kernel panic on purpose.
    pub const CRASH: u64 = 6;
    /// Brings as many vCPUs up, or takes down, as it needs to have the argument up; the value is
    /// how many are.
    pub const VCPUS: u64 = 7;
}

/// Access to the words of the page, however it is mapped: the guest through its direct map, the
/// toolstack through a foreign mapping, a test through an array.
pub trait Words {
    /// Reads the word at a byte offset below [`PAGE_LEN`], once.
    fn load(&self, offset: usize) -> u64;
    /// Writes the word at a byte offset below [`PAGE_LEN`], after everything written before.
    fn store(&self, offset: usize, value: u64);
}

/// A request of the toolstack as the guest fetched it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The number that the reply must carry.
    pub seq: u64,
    /// What to do: one of [`command`].
    pub command: u64,
    /// With what.
    pub argument: u64,
}

/// The guest's side: the request that is newer than the last one answered.
pub fn next_request(page: &impl Words) -> Option<Request> {
    let seq = page.load(tools::REQUEST_SEQ);
    (seq != 0 && seq != page.load(guest::REPLY_SEQ)).then(|| Request {
        seq,
        command: page.load(tools::COMMAND),
        argument: page.load(tools::ARGUMENT),
    })
}

/// The guest's side: answers a request; `Err` holds a positive errno. Ring afterwards.
pub fn reply(page: &impl Words, seq: u64, result: Result<u64, u64>) {
    let (status, value) = match result {
        Ok(value) => (0, value),
        Err(errno) => (errno, 0),
    };
    page.store(guest::REPLY_VALUE, value);
    page.store(guest::REPLY_STATUS, status);
    page.store(guest::REPLY_SEQ, seq);
}

/// The toolstack's side: places a request and returns its number. Ring afterwards.
pub fn post(page: &impl Words, command: u64, argument: u64) -> u64 {
    let seq = page.load(tools::REQUEST_SEQ).wrapping_add(1).max(1);
    page.store(tools::COMMAND, command);
    page.store(tools::ARGUMENT, argument);
    page.store(tools::REQUEST_SEQ, seq);
    seq
}

/// The toolstack's side: the answer to request `seq`, once it is there; `Err` holds an errno.
pub fn answer(page: &impl Words, seq: u64) -> Option<Result<u64, u64>> {
    (page.load(guest::REPLY_SEQ) == seq).then(|| match page.load(guest::REPLY_STATUS) {
        0 => Ok(page.load(guest::REPLY_VALUE)),
        errno => Err(errno),
    })
}

/// The toolstack's side: answers a ping of the guest. True if there was a new one: ring then.
pub fn answer_ping(page: &impl Words) -> bool {
    let ping = page.load(guest::GUEST_PING);
    let new = ping != page.load(tools::TOOLS_PONG);
    if new {
        page.store(tools::TOOLS_PONG, ping);
    }
    new
}

/// Whether the toolstack uses the page as a mailbox, and not as that of xenstore.
pub fn is_marked(page: &impl Words) -> bool {
    page.load(tools::MARK) == MAGIC_VALUE
}

/// Whether a guest kernel serves this page.
pub fn is_served(page: &impl Words) -> bool {
    page.load(guest::MAGIC) == MAGIC_VALUE
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::RefCell;
    use std::vec::Vec;

    /// A page that remembers the order of its writes.
    struct Page {
        words: RefCell<[u64; PAGE_LEN / 8]>,
        writes: RefCell<Vec<usize>>,
    }

    impl Page {
        fn new() -> Self {
            Self {
                words: RefCell::new([0; PAGE_LEN / 8]),
                writes: RefCell::new(Vec::new()),
            }
        }
    }

    impl Words for Page {
        fn load(&self, offset: usize) -> u64 {
            self.words.borrow()[offset / 8]
        }

        fn store(&self, offset: usize, value: u64) {
            self.words.borrow_mut()[offset / 8] = value;
            self.writes.borrow_mut().push(offset);
        }
    }

    #[test]
    fn a_request_is_seen_once_and_answered() {
        let page = Page::new();
        assert_eq!(next_request(&page), None);
        let seq = post(&page, command::ECHO, 42);
        let request = next_request(&page).unwrap();
        assert_eq!(
            (request.seq, request.command, request.argument),
            (seq, command::ECHO, 42)
        );
        assert_eq!(answer(&page, seq), None);
        reply(&page, seq, Ok(42));
        assert_eq!(answer(&page, seq), Some(Ok(42)));
        assert_eq!(next_request(&page), None);
    }

    #[test]
    fn a_refusal_carries_its_errno_and_no_value() {
        let page = Page::new();
        let seq = post(&page, command::CHECKSUM, 0);
        reply(&page, seq, Err(5));
        assert_eq!(answer(&page, seq), Some(Err(5)));
        assert_eq!(page.load(guest::REPLY_VALUE), 0);
    }

    #[test]
    fn sequence_numbers_are_written_last() {
        let page = Page::new();
        let seq = post(&page, command::PING, 1);
        assert_eq!(page.writes.borrow().last(), Some(&tools::REQUEST_SEQ));
        reply(&page, seq, Ok(1));
        assert_eq!(page.writes.borrow().last(), Some(&guest::REPLY_SEQ));
    }

    #[test]
    fn sequence_numbers_skip_zero_when_they_wrap() {
        let page = Page::new();
        page.store(tools::REQUEST_SEQ, u64::MAX);
        assert_eq!(post(&page, command::ECHO, 0), 1);
        assert!(next_request(&page).is_some());
    }

    #[test]
    fn a_ping_is_answered_once() {
        let page = Page::new();
        assert!(!answer_ping(&page));
        page.store(guest::GUEST_PING, 1);
        assert!(answer_ping(&page));
        assert_eq!(page.load(tools::TOOLS_PONG), 1);
        assert!(!answer_ping(&page));
    }

    #[test]
    fn each_word_has_one_writer() {
        let page = Page::new();
        let seq = post(&page, command::ECHO, 0);
        answer_ping(&page);
        assert!(
            page.writes
                .borrow()
                .iter()
                .all(|&offset| offset >= tools::REQUEST_SEQ)
        );
        page.writes.borrow_mut().clear();
        reply(&page, seq, Ok(0));
        assert!(
            page.writes
                .borrow()
                .iter()
                .all(|&offset| offset < tools::REQUEST_SEQ)
        );
    }
}
