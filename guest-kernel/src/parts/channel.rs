//! Local channels: named listeners, and streams of bytes between processes of one kernel.
//!
//! Nothing here blocks. Every operation names an end by its number, which is never used again, so
//! that a number from before a close is refused and not somebody else's.
//!
//! For each process it is noted which of its ends have news: something to read, room where there
//! was none, or the other end's close. Whoever has many ends looks at those alone.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use guest_user::abi::{CHANNEL_NAME_MAX, Errno, POLL_HUNG_UP, POLL_READABLE, POLL_WRITABLE};

/// The most bytes that wait in one direction of a stream.
const BUFFER_MAX: usize = 16 * 1024;
/// The most streams that wait at a listener.
const BACKLOG_MAX: usize = 16;
/// The most ends there are, listeners included.
const ENDS_MAX: usize = 4096;

/// One end of a stream, or a listener.
pub type Id = u64;

enum End {
    Listener {
        name: String,
        owner: u64,
        waiting: VecDeque<Id>,
    },
    Stream {
        other: Id,
        /// The process that has, or had, the other end.
        peer: u64,
        /// What the other end has written and this one has not read.
        incoming: VecDeque<u8>,
    },
}

/// A descriptor of a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Held {
    /// The process.
    pub process: u64,
    /// Its descriptor.
    pub fd: u64,
}

/// All channels of a kernel.
#[derive(Default)]
pub struct Channels {
    ends: BTreeMap<Id, End>,
    last: Id,
    /// By which descriptor an end is held.
    held: BTreeMap<Id, Held>,
    /// Ends of which something is to be told, by who holds them.
    news: BTreeMap<Held, Id>,
    /// Processes that have got news since [`Self::take_told`].
    told: BTreeSet<u64>,
}

impl Channels {
    /// No channels yet.
    pub const fn new() -> Self {
        Self {
            ends: BTreeMap::new(),
            last: 0,
            held: BTreeMap::new(),
            news: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }

    /// Says by which descriptor an end is held from now on. What is there already is news.
    pub fn hold(&mut self, id: Id, held: Held) {
        self.held.insert(id, held);
        if self
            .ready(id)
            .is_ok_and(|ready| ready & !POLL_WRITABLE != 0)
        {
            self.note(id);
        }
    }

    fn note(&mut self, id: Id) {
        if let Some(&held) = self.held.get(&id) {
            self.news.insert(held, id);
            self.told.insert(held.process);
        }
    }

    /// Descriptors of a process of which there is news, at most `most`, with what is ready; each is
    /// told once for all that has happened until then.
    pub fn take_news(&mut self, process: u64, most: usize) -> Vec<(u64, u32)> {
        let from = Held { process, fd: 0 };
        let until = Held {
            process,
            fd: u64::MAX,
        };
        let news = self.news.range(from..=until).take(most);
        let news: Vec<(Held, Id)> = news.map(|(held, id)| (*held, *id)).collect();
        let tell = |(held, id): (Held, Id)| {
            self.news.remove(&held);
            Some((held.fd, self.ready(id).ok()?))
        };
        news.into_iter().filter_map(tell).collect()
    }

    /// The processes that have got news since this was asked last.
    pub fn take_told(&mut self) -> BTreeSet<u64> {
        core::mem::take(&mut self.told)
    }

    /// How many ends there are.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    fn add(&mut self, end: End) -> Id {
        self.last += 1;
        self.ends.insert(self.last, end);
        self.last
    }

    fn check_room(&self, ends: usize) -> Result<(), Errno> {
        if self.ends.len() + ends > ENDS_MAX {
            return Err(Errno::ENOSPC);
        }
        Ok(())
    }

    /// Who listens at a name.
    #[must_use]
    pub fn listener(&self, name: &str) -> Option<Id> {
        let named = |end: &End| matches!(end, End::Listener { name: of, .. } if of == name);
        let found = self.ends.iter().find(|(_, end)| named(end));
        found.map(|(&id, _)| id)
    }

    /// Opens a name for process `owner`.
    ///
    /// # Errors
    /// `EINVAL` for a name that is empty or too long, `EEXIST` if it is taken, `ENOSPC` if there
    /// are too many channels.
    pub fn listen(&mut self, owner: u64, name: &str) -> Result<Id, Errno> {
        if name.is_empty() || name.len() as u64 > CHANNEL_NAME_MAX {
            return Err(Errno::EINVAL);
        }
        if self.listener(name).is_some() {
            return Err(Errno::EEXIST);
        }
        self.check_room(1)?;
        Ok(self.add(End::Listener {
            name: name.into(),
            owner,
            waiting: VecDeque::new(),
        }))
    }

    /// Makes a stream from process `owner` to whoever listens at `name`. It can be written to at
    /// once, before it is accepted.
    ///
    /// # Errors
    /// `ENOENT` without a listener, `EAGAIN` if too many streams wait there, `ENOSPC` if there are
    /// too many channels.
    pub fn connect(&mut self, owner: u64, name: &str) -> Result<Id, Errno> {
        let listener = self.listener(name).ok_or(Errno::ENOENT)?;
        self.check_room(2)?;
        let (own, other) = (self.last + 1, self.last + 2);
        let Some(End::Listener {
            owner: server,
            waiting,
            ..
        }) = self.ends.get_mut(&listener)
        else {
            return Err(Errno::ENOENT);
        };
        if waiting.len() >= BACKLOG_MAX {
            return Err(Errno::EAGAIN);
        }
        waiting.push_back(other);
        let server = *server;
        self.note(listener);
        for (other, peer) in [(other, server), (own, owner)] {
            self.add(End::Stream {
                other,
                peer,
                incoming: VecDeque::new(),
            });
        }
        Ok(own)
    }

    /// Takes the stream that has waited longest at a listener.
    ///
    /// # Errors
    /// `EAGAIN` if none waits, `EINVAL` if it is no listener.
    pub fn accept(&mut self, id: Id) -> Result<Id, Errno> {
        match self.ends.get_mut(&id) {
            Some(End::Listener { waiting, .. }) => waiting.pop_front().ok_or(Errno::EAGAIN),
            Some(End::Stream { .. }) => Err(Errno::EINVAL),
            None => Err(Errno::EBADF),
        }
    }

    /// Reads what is there; 0 when the other end is closed and everything was read.
    ///
    /// # Errors
    /// `EAGAIN` if nothing is there yet, `EINVAL` for a listener.
    pub fn read(&mut self, id: Id, buf: &mut [u8]) -> Result<usize, Errno> {
        let (other, waits) = match self.ends.get(&id) {
            Some(End::Stream {
                other, incoming, ..
            }) => (*other, !incoming.is_empty()),
            Some(End::Listener { .. }) => return Err(Errno::EINVAL),
            None => return Err(Errno::EBADF),
        };
        if !waits && !buf.is_empty() && self.ends.contains_key(&other) {
            return Err(Errno::EAGAIN);
        }
        let Some(End::Stream { incoming, .. }) = self.ends.get_mut(&id) else {
            return Err(Errno::EBADF);
        };
        let was_full = incoming.len() == BUFFER_MAX;
        let n = incoming.len().min(buf.len());
        for (to, byte) in buf.iter_mut().zip(incoming.drain(..n)) {
            *to = byte;
        }
        if was_full && n > 0 {
            self.note(other);
        }
        Ok(n)
    }

    /// Writes as much as there is room for; returns how much that was.
    ///
    /// # Errors
    /// `EPIPE` if the other end is closed, `EAGAIN` if there is no room, `ENOMEM`, `EINVAL` for a
    /// listener.
    pub fn write(&mut self, id: Id, data: &[u8]) -> Result<usize, Errno> {
        let other = match self.ends.get(&id) {
            Some(End::Stream { other, .. }) => *other,
            Some(End::Listener { .. }) => return Err(Errno::EINVAL),
            None => return Err(Errno::EBADF),
        };
        let Some(End::Stream { incoming, .. }) = self.ends.get_mut(&other) else {
            return Err(Errno::EPIPE);
        };
        let n = data.len().min(BUFFER_MAX - incoming.len());
        if n == 0 && !data.is_empty() {
            return Err(Errno::EAGAIN);
        }
        incoming.try_reserve(n).map_err(|_| Errno::ENOMEM)?;
        incoming.extend(&data[..n]);
        if n > 0 {
            self.note(other);
        }
        Ok(n)
    }

    /// The process that has the other end, or had it before it ended.
    ///
    /// # Errors
    /// `EINVAL` for a listener.
    pub fn peer(&self, id: Id) -> Result<u64, Errno> {
        match self.ends.get(&id) {
            Some(End::Stream { peer, .. }) => Ok(*peer),
            Some(End::Listener { .. }) => Err(Errno::EINVAL),
            None => Err(Errno::EBADF),
        }
    }

    /// What can be done without meeting `EAGAIN`: `POLL_*` bits.
    ///
    /// # Errors
    /// `EBADF` for an end that is closed.
    pub fn ready(&self, id: Id) -> Result<u32, Errno> {
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        match self.ends.get(&id) {
            Some(End::Listener { waiting, .. }) => Ok(bit(!waiting.is_empty(), POLL_READABLE)),
            Some(End::Stream {
                other, incoming, ..
            }) => Ok(match self.ends.get(other) {
                Some(End::Stream { incoming: out, .. }) => {
                    bit(!incoming.is_empty(), POLL_READABLE)
                        | bit(out.len() < BUFFER_MAX, POLL_WRITABLE)
                }
                _ => POLL_READABLE | POLL_HUNG_UP,
            }),
            None => Err(Errno::EBADF),
        }
    }

    /// Closes an end. Streams that wait at a listener go with it; what was written before can
    /// still be read at the other end.
    ///
    /// # Errors
    /// `EBADF` for an end that is closed.
    pub fn close(&mut self, id: Id) -> Result<(), Errno> {
        let end = self.ends.remove(&id).ok_or(Errno::EBADF)?;
        if let Some(held) = self.held.remove(&id) {
            self.news.remove(&held);
        }
        match end {
            End::Listener { waiting, .. } => {
                for stream in waiting {
                    if let Some(End::Stream { other, .. }) = self.ends.remove(&stream) {
                        self.note(other);
                    }
                }
            }
            End::Stream { other, .. } => self.note(other),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    const SERVER: u64 = 7;
    const CLIENT: u64 = 8;

    /// A listener, and both ends of a stream to it.
    fn connected() -> (Channels, Id, Id, Id) {
        let mut all = Channels::new();
        let listener = all.listen(SERVER, "store").unwrap();
        let client = all.connect(CLIENT, "store").unwrap();
        let server = all.accept(listener).unwrap();
        (all, listener, server, client)
    }

    fn read(all: &mut Channels, id: Id) -> Result<Vec<u8>, Errno> {
        let mut buf = [0; 64];
        all.read(id, &mut buf).map(|n| buf[..n].to_vec())
    }

    #[test]
    fn bytes_go_both_ways_in_order() {
        let (mut all, _, server, client) = connected();
        assert_eq!(read(&mut all, server), Err(Errno::EAGAIN));
        assert_eq!(all.write(client, b"ask"), Ok(3));
        assert_eq!(all.write(client, b"ing"), Ok(3));
        assert_eq!(all.write(server, b"answer"), Ok(6));
        assert_eq!(read(&mut all, server), Ok(b"asking".to_vec()));
        assert_eq!(read(&mut all, client), Ok(b"answer".to_vec()));
        assert_eq!(read(&mut all, client), Err(Errno::EAGAIN));
    }

    #[test]
    fn each_end_names_the_process_of_the_other() {
        let (mut all, listener, server, client) = connected();
        assert_eq!(all.peer(server), Ok(CLIENT));
        assert_eq!(all.peer(client), Ok(SERVER));
        assert_eq!(all.peer(listener), Err(Errno::EINVAL));
        all.close(client).unwrap();
        assert_eq!(all.peer(server), Ok(CLIENT));
    }

    #[test]
    fn a_name_has_one_listener_and_is_free_again_after_it() {
        let (mut all, listener, ..) = connected();
        assert_eq!(all.listen(9, "store"), Err(Errno::EEXIST));
        assert_eq!(all.connect(CLIENT, "stor"), Err(Errno::ENOENT));
        all.close(listener).unwrap();
        assert_eq!(all.connect(CLIENT, "store"), Err(Errno::ENOENT));
        assert!(all.listen(9, "store").is_ok());
        for name in ["", &"x".repeat(CHANNEL_NAME_MAX as usize + 1)] {
            assert_eq!(all.listen(9, name), Err(Errno::EINVAL));
        }
        assert!(
            all.listen(9, &"x".repeat(CHANNEL_NAME_MAX as usize))
                .is_ok()
        );
    }

    #[test]
    fn the_backlog_is_bounded_and_goes_with_its_listener() {
        let mut all = Channels::new();
        let listener = all.listen(SERVER, "store").unwrap();
        let clients: Vec<Id> = (0..BACKLOG_MAX)
            .map(|_| all.connect(CLIENT, "store").unwrap())
            .collect();
        assert_eq!(all.connect(CLIENT, "store"), Err(Errno::EAGAIN));
        let accepted = all.accept(listener).unwrap();
        all.write(accepted, b"first").unwrap();
        assert_eq!(read(&mut all, clients[0]), Ok(b"first".to_vec()));
        all.write(clients[1], b"never heard").unwrap();
        all.close(listener).unwrap();
        assert_eq!(read(&mut all, clients[0]), Err(Errno::EAGAIN));
        for &client in &clients[1..] {
            assert_eq!(read(&mut all, client), Ok(vec![]));
            assert_eq!(all.write(client, b"x"), Err(Errno::EPIPE));
            all.close(client).unwrap();
        }
        all.close(accepted).unwrap();
        all.close(clients[0]).unwrap();
        assert_eq!(all.count(), 0);
    }

    #[test]
    fn a_stream_that_nobody_reads_takes_so_much_and_no_more() {
        let (mut all, _, server, client) = connected();
        let flood = vec![b'x'; BUFFER_MAX + 1];
        assert_eq!(all.write(client, &flood), Ok(BUFFER_MAX));
        assert_eq!(all.write(client, b"y"), Err(Errno::EAGAIN));
        assert_eq!(all.write(client, b""), Ok(0));
        assert_eq!(all.ready(client), Ok(0));
        assert_eq!(read(&mut all, server).unwrap().len(), 64);
        assert_eq!(all.ready(client), Ok(POLL_WRITABLE));
        assert_eq!(all.write(client, &flood), Ok(64));
    }

    #[test]
    fn what_was_written_before_a_close_is_read_after_it() {
        let (mut all, _, server, client) = connected();
        all.write(client, b"last words").unwrap();
        all.close(client).unwrap();
        assert_eq!(all.ready(server), Ok(POLL_READABLE | POLL_HUNG_UP));
        assert_eq!(all.write(server, b"x"), Err(Errno::EPIPE));
        assert_eq!(read(&mut all, server), Ok(b"last words".to_vec()));
        assert_eq!(read(&mut all, server), Ok(vec![]));
    }

    #[test]
    fn readiness_is_what_the_next_operation_meets() {
        let (mut all, listener, server, client) = connected();
        assert_eq!(all.ready(listener), Ok(0));
        assert_eq!(all.ready(server), Ok(POLL_WRITABLE));
        all.write(client, b"x").unwrap();
        assert_eq!(all.ready(server), Ok(POLL_READABLE | POLL_WRITABLE));
        all.connect(CLIENT, "store").unwrap();
        assert_eq!(all.ready(listener), Ok(POLL_READABLE));
    }

    #[test]
    fn a_closed_end_is_nobodys_for_ever() {
        let (mut all, _, server, client) = connected();
        all.close(client).unwrap();
        let again = all.connect(CLIENT, "store").unwrap();
        assert_ne!(again, client);
        assert_eq!(all.close(client), Err(Errno::EBADF));
        assert_eq!(all.write(client, b"x"), Err(Errno::EBADF));
        assert_eq!(read(&mut all, client), Err(Errno::EBADF));
        assert_eq!(all.ready(client), Err(Errno::EBADF));
        assert_eq!(all.peer(client), Err(Errno::EBADF));
        assert_eq!(all.accept(client), Err(Errno::EBADF));
        assert_eq!(all.accept(server), Err(Errno::EINVAL));
    }

    #[test]
    fn news_is_told_once_to_whom_it_concerns() {
        let held = |process, fd| Held { process, fd };
        let (mut all, listener, server, client) = connected();
        all.hold(listener, held(SERVER, 3));
        all.hold(server, held(SERVER, 4));
        all.hold(client, held(CLIENT, 3));
        let quiet = |all: &mut Channels| {
            assert!(all.take_told().is_empty());
            [SERVER, CLIENT].map(|process| all.take_news(process, 9))
        };
        assert_eq!(quiet(&mut all), [vec![], vec![]]);
        all.write(client, b"a").unwrap();
        all.write(client, b"b").unwrap();
        assert_eq!(all.take_told(), [SERVER].into());
        assert_eq!(all.take_news(CLIENT, 9), []);
        let both = POLL_READABLE | POLL_WRITABLE;
        assert_eq!(all.take_news(SERVER, 9), [(4, both)]);
        // What is read is no news, nor is what was told and is still there.
        read(&mut all, server).unwrap();
        assert_eq!(quiet(&mut all), [vec![], vec![]]);
        // Room is, where there was none.
        all.write(server, &vec![b'x'; BUFFER_MAX]).unwrap();
        assert_eq!(
            all.take_news(CLIENT, 9),
            [(3, POLL_READABLE | POLL_WRITABLE)]
        );
        read(&mut all, client).unwrap();
        assert_eq!(all.take_news(SERVER, 9), [(4, POLL_WRITABLE)]);
        read(&mut all, client).unwrap();
        all.take_told();
        assert_eq!(quiet(&mut all), [vec![], vec![]]);
        // So is one who connects, as many at once as are asked for, and the end of one.
        let second = all.connect(CLIENT, "store").unwrap();
        all.close(client).unwrap();
        assert_eq!(all.take_news(SERVER, 1), [(3, POLL_READABLE)]);
        assert_eq!(
            all.take_news(SERVER, 1),
            [(4, POLL_READABLE | POLL_HUNG_UP)]
        );
        // What came before it was held is told.
        all.write(second, b"early").unwrap();
        let accepted = all.accept(listener).unwrap();
        all.hold(accepted, held(SERVER, 5));
        assert_eq!(all.take_news(SERVER, 9), [(5, both)]);
        // Nobody is told of a descriptor that is closed, whoever has its number next.
        all.write(second, b"late").unwrap();
        all.close(accepted).unwrap();
        all.take_told();
        assert_eq!(quiet(&mut all), [vec![], vec![]]);
        // One who waits at a listener that closes is told, too.
        let third = all.connect(CLIENT, "store").unwrap();
        all.hold(third, held(CLIENT, 7));
        all.close(listener).unwrap();
        assert_eq!(
            all.take_news(CLIENT, 9),
            [(7, POLL_READABLE | POLL_HUNG_UP)]
        );
    }

    #[test]
    fn there_are_only_so_many() {
        let mut all = Channels::new();
        let listener = all.listen(SERVER, "store").unwrap();
        let mut streams = Vec::new();
        let refused = loop {
            match all.connect(CLIENT, "store") {
                Ok(id) => streams.extend([id, all.accept(listener).unwrap()]),
                Err(e) => break e,
            }
        };
        assert_eq!(refused, Errno::ENOSPC);
        assert!(all.count() > ENDS_MAX - 2);
        for id in streams {
            all.close(id).unwrap();
        }
        assert!(all.connect(CLIENT, "store").is_ok());
    }
}
