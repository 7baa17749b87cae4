//! Requests and their replies, one at a time, and watches, of which is only kept which fired.

use super::share::Lost;
use super::wire::{self, Broken, Incoming, Message};
use alloc::string::String;
use alloc::vec::Vec;
use guest_user::abi::Errno;
use hypercall_abi::io::xs_wire::*;

/// The way to the daemon.
pub trait Link {
    /// Sends a message, whole or not at all; whether there was room.
    ///
    /// # Errors
    /// The rings are not what they should be.
    fn send(&mut self, message: &[u8]) -> Result<bool, Broken>;

    /// Takes bytes that came; how many.
    ///
    /// # Errors
    /// The rings are not what they should be.
    fn receive(&mut self, buf: &mut [u8]) -> Result<usize, Broken>;

    /// Begins to wait for a reply.
    fn begin(&mut self);

    /// Waits until the daemon has done something; false if it has not since [`Self::begin`], for
    /// so long that it is taken for dead.
    fn wait(&mut self) -> bool;
}

/// Why a request has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The daemon refuses it.
    Refused(Errno),
    /// The daemon does not answer.
    Silent,
    /// The daemon breaks the protocol.
    Broken,
}

impl From<Broken> for Failure {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

/// A refusal is no reason to stop; anything else is.
pub fn or_refused<T>(result: Result<T, Failure>) -> Result<Result<T, Errno>, Failure> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Failure::Refused(errno)) => Ok(Err(errno)),
        Err(failure) => Err(failure),
    }
}

/// Bytes received at once.
const PIECE: usize = 256;
/// Tokens of watches are numbers below this.
pub const WATCHES_MAX: usize = 32;
/// The most events of others' watches that wait to be taken.
const OTHERS_MAX: usize = 256;

/// A guest's side of its connection.
pub struct Client<L> {
    /// The way to the daemon.
    pub link: L,
    incoming: Incoming,
    last_id: u32,
    /// Watches that fired and were not yet looked at, by number.
    fired: u32,
    /// Events of watches that are not ours, `None` when there were too many.
    others: Option<Vec<Vec<u8>>>,
}

impl<L: Link> Client<L> {
    /// A client that has asked nothing yet.
    pub const fn new(link: L) -> Self {
        Self {
            link,
            incoming: Incoming::new(),
            last_id: 0,
            fired: 0,
            others: Some(Vec::new()),
        }
    }

    /// Forgets what came in part and which watches fired: the rings begin anew.
    pub fn forget(&mut self) {
        (self.incoming, self.fired) = (Incoming::new(), 0);
        self.others = Some(Vec::new());
    }

    /// The next message, if one has come whole.
    fn next(&mut self) -> Result<Option<Message>, Broken> {
        let mut piece = [0; PIECE];
        loop {
            let wanted = self.incoming.wants()?.min(PIECE);
            let n = self.link.receive(&mut piece[..wanted])?;
            if let Some(message) = self.incoming.push(&piece[..n])? {
                return Ok(Some(message));
            }
            if n == 0 {
                return Ok(None);
            }
        }
    }

    /// Notes a watch's event; those of watches that are not ours are kept for [`Self::take_others`].
    fn note(&mut self, message: Message) {
        let token = wire::strings(&message.payload).nth(1);
        let number = token.and_then(|token| core::str::from_utf8(token).ok()?.parse::<u32>().ok());
        if let Some(bit) = number.and_then(|number| 1u32.checked_shl(number)) {
            self.fired |= bit;
        } else if let Some(others) = &mut self.others {
            others.push(message.payload);
            if others.len() > OTHERS_MAX {
                self.others = None;
            }
        }
    }

    /// Takes the payloads of events of watches that are not ours.
    ///
    /// # Errors
    /// There were too many of them.
    pub fn take_others(&mut self) -> Result<Vec<Vec<u8>>, Lost> {
        self.others.replace(Vec::new()).ok_or(Lost)
    }

    /// The lowest watch that fired since it was last returned here. Does not wait.
    ///
    /// # Errors
    /// [`Failure::Broken`].
    pub fn fired(&mut self) -> Result<Option<u32>, Failure> {
        while let Some(message) = self.next()? {
            // What answers a request that was given up is nobody's.
            if message.kind == XS_WATCH_EVENT {
                self.note(message);
            }
        }
        let lowest = self.fired.trailing_zeros();
        self.fired &= self.fired.wrapping_sub(1);
        Ok((lowest < u32::BITS).then_some(lowest))
    }

    fn send(&mut self, message: &[u8]) -> Result<(), Failure> {
        while !self.link.send(message)? {
            if !self.link.wait() {
                return Err(Failure::Silent);
            }
        }
        Ok(())
    }

    /// Makes a request and waits for its reply.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn request(&mut self, kind: u32, parts: &[&[u8]]) -> Result<Vec<u8>, Failure> {
        self.request_in(0, kind, parts)
    }

    /// The same in a transaction.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn request_in(
        &mut self,
        transaction: u32,
        kind: u32,
        parts: &[&[u8]],
    ) -> Result<Vec<u8>, Failure> {
        self.last_id = self.last_id.wrapping_add(1);
        let id = self.last_id;
        let message = wire::request_in(transaction, kind, id, parts).map_err(Failure::Refused)?;
        self.link.begin();
        self.send(&message)?;
        loop {
            match self.next()? {
                Some(message) if message.kind == XS_WATCH_EVENT => self.note(message),
                Some(message) if message.id != id => {}
                Some(message) if message.kind == XS_ERROR => {
                    return Err(Failure::Refused(wire::error(&message.payload)));
                }
                Some(message) if message.kind == kind => return Ok(message.payload),
                Some(_) => return Err(Failure::Broken),
                None if self.link.wait() => {}
                None => return Err(Failure::Silent),
            }
        }
    }

    /// The value of a node, if it is text.
    ///
    /// # Errors
    /// See [`Failure`]; `EINVAL` for what is not text.
    pub fn read(&mut self, path: &str) -> Result<String, Failure> {
        let value = self.request(XS_READ, &[path.as_bytes(), &[0]])?;
        String::from_utf8(value).map_err(|_| Failure::Refused(Errno::EINVAL))
    }

    /// Writes a node.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn write(&mut self, path: &str, value: &str) -> Result<(), Failure> {
        let parts = [path.as_bytes(), &[0], value.as_bytes()];
        self.request(XS_WRITE, &parts).map(drop)
    }

    /// Watches it no more.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn unwatch(&mut self, path: &str, number: usize) -> Result<(), Failure> {
        let token = alloc::format!("{number}");
        let parts = [path.as_bytes(), &[0], token.as_bytes(), &[0]];
        self.request(XS_UNWATCH, &parts).map(drop)
    }

    /// Watches a node by a number below [`WATCHES_MAX`]; to watch it already is as good.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn watch(&mut self, path: &str, number: usize) -> Result<(), Failure> {
        assert!(number < WATCHES_MAX, "watch {number} has no bit");
        let token = alloc::format!("{number}");
        let parts = [path.as_bytes(), &[0], token.as_bytes(), &[0]];
        match self.request(XS_WATCH, &parts) {
            Ok(_) => Ok(()),
            Err(Failure::Refused(Errno::EEXIST)) => {
                self.fired |= 1 << number;
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::{self, tests::Bytes};
    use super::*;
    use std::collections::VecDeque;
    use std::vec;

    /// A daemon: for each request that it hears, its next answer; `None` is silence.
    struct Daemon {
        page: Bytes,
        heard: Vec<Vec<u8>>,
        answers: VecDeque<Option<Vec<u8>>>,
        /// What did not fit into the ring yet.
        left: Vec<u8>,
    }

    impl Daemon {
        fn client(answers: Vec<Option<Vec<u8>>>) -> Client<Daemon> {
            Client::new(Daemon {
                page: Bytes::new(),
                heard: Vec::new(),
                answers: answers.into(),
                left: Vec::new(),
            })
        }
    }

    impl Link for Daemon {
        fn send(&mut self, message: &[u8]) -> Result<bool, Broken> {
            ring::send(&mut self.page, message)
        }

        fn receive(&mut self, buf: &mut [u8]) -> Result<usize, Broken> {
            ring::receive(&mut self.page, buf)
        }

        fn begin(&mut self) {}

        fn wait(&mut self) -> bool {
            let request = self.page.take_requests();
            if !request.is_empty() {
                self.heard.push(request);
                let answer = self.answers.pop_front().flatten();
                self.left.extend(answer.unwrap_or_default());
            }
            let left = core::mem::take(&mut self.left);
            self.left = self.page.reply(&left).to_vec();
            self.left.len() < left.len()
        }
    }

    fn message(kind: u32, id: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = wire::request(kind, id, &[]).unwrap();
        bytes[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn a_node_is_read_and_written() {
        let mut client = Daemon::client(vec![
            Some(message(XS_READ, 1, b"65536")),
            Some(message(XS_WRITE, 2, b"OK\0")),
        ]);
        assert_eq!(client.read("memory/target"), Ok("65536".into()));
        assert_eq!(client.write("data/serves", "1"), Ok(()));
        let heard = &client.link.heard;
        assert_eq!(&heard[0][16..], b"memory/target\0");
        assert_eq!(&heard[1][16..], b"data/serves\x001");
    }

    #[test]
    fn refusals_are_told() {
        let mut client = Daemon::client(vec![
            Some(message(XS_ERROR, 1, b"ENOENT\0")),
            Some(message(XS_READ, 2, b"\xff")),
        ]);
        let refused = |errno| Err(Failure::Refused(errno));
        assert_eq!(client.read("x"), refused(Errno::ENOENT));
        assert_eq!(client.read("x"), refused(Errno::EINVAL));
        assert_eq!(
            client.write("x", &"y".repeat(2000)),
            Err(Failure::Refused(Errno::E2BIG))
        );
        assert_eq!(or_refused(client.read("x")), Err(Failure::Silent));
    }

    #[test]
    fn a_long_value_comes_in_pieces() {
        let value = "v".repeat(XENSTORE_PAYLOAD_MAX);
        let mut client = Daemon::client(vec![Some(message(XS_READ, 1, value.as_bytes()))]);
        assert_eq!(client.read("x"), Ok(value));
    }

    #[test]
    fn a_silent_daemon_is_given_up_and_its_late_answer_dropped() {
        let mut late = message(XS_READ, 1, b"late");
        late.extend(message(XS_READ, 2, b"now"));
        let mut client = Daemon::client(vec![None, Some(late)]);
        assert_eq!(client.read("x"), Err(Failure::Silent));
        assert_eq!(client.read("x"), Ok("now".into()));
    }

    #[test]
    fn a_full_ring_is_waited_for() {
        let mut client = Daemon::client(vec![]);
        while client.link.send(&[0; 128]).unwrap() {}
        client.link.answers = vec![Some(message(XS_IS_DOMAIN_INTRODUCED, 0, b"")); 2].into();
        assert_eq!(client.read("x"), Err(Failure::Silent));
        assert_eq!(client.link.heard.len(), 2);
    }

    #[test]
    fn watches_fire_whenever_they_come() {
        let event = |token: &str| {
            let payload = std::format!("control/shutdown\0{token}\0");
            message(XS_WATCH_EVENT, 0, payload.as_bytes())
        };
        let mut answer = event("3");
        answer.extend(message(XS_READ, 1, b""));
        for token in ["0", "3", "31", "32", "-1", "four", "4294967295"] {
            answer.extend(event(token));
        }
        answer.extend(message(XS_WATCH_EVENT, 0, b""));
        let mut client = Daemon::client(vec![Some(answer)]);
        assert_eq!(client.read("x"), Ok(String::new()));
        assert_eq!(client.fired(), Ok(Some(0)));
        assert_eq!(client.fired(), Ok(Some(3)));
        assert_eq!(client.fired(), Ok(Some(31)));
        assert_eq!(client.fired(), Ok(None));
    }

    #[test]
    fn a_watch_that_is_there_fires_once_more() {
        let mut client = Daemon::client(vec![
            Some(message(XS_WATCH, 1, b"OK\0")),
            Some(message(XS_ERROR, 2, b"EEXIST\0")),
        ]);
        assert_eq!(client.watch("control/shutdown", 0), Ok(()));
        assert_eq!(client.fired(), Ok(None));
        assert_eq!(client.watch("control/shutdown", 0), Ok(()));
        assert_eq!(client.fired(), Ok(Some(0)));
        assert_eq!(&client.link.heard[0][16..], b"control/shutdown\x000\0");
    }

    #[test]
    fn nonsense_breaks_the_connection() {
        let mut long = message(XS_READ, 1, b"");
        long[12..16].copy_from_slice(&5000u32.to_le_bytes());
        for answer in [long, message(XS_WRITE, 1, b"")] {
            let mut client = Daemon::client(vec![Some(answer)]);
            assert_eq!(client.read("x"), Err(Failure::Broken));
        }
        let mut client = Daemon::client(vec![]);
        let lie = core::mem::offset_of!(xenstore_domain_interface, rsp_prod);
        ring::Page::store(&mut client.link.page, lie, 1025);
        assert_eq!(client.fired(), Err(Failure::Broken));
    }
}
