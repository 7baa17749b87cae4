//! What the store has somebody keep for its successor: one record for each change, and all of it in
//! records when those have become many.
//!
//! What is kept goes from process to process of one domain, and is written in whole batches: what
//! does not make sense is refused as a whole.

use alloc::rc::Rc;
use alloc::vec::Vec;

use super::path::Path;
use super::permissions::{Permission, Permissions, Rights};

/// How a domain is connected: the machine frame of its page, and its port.
pub(super) type Place = (u64, u32);

/// What is known of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Known {
    pub(super) place: Option<Place>,
    pub(super) target: Option<u32>,
    pub(super) shutdown: bool,
}

/// Where a conversation over a ring is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Talk {
    /// The consumer's index of requests.
    pub(super) taken: u32,
    /// The part of a request that was taken.
    pub(super) partial: Vec<u8>,
    /// The producer's index of replies, in front of `output`.
    pub(super) given: u32,
    /// What is to be given.
    pub(super) output: Vec<u8>,
    /// The last transaction's number.
    pub(super) transaction: u32,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// A node is made, behind the others of its parent, or changed.
    Set(Path, Permissions, Vec<u8>),
    /// A node is there no more.
    Remove(Path),
    /// A domain is known, or has ended.
    Domain(u32, Option<Known>),
    /// Who is told of one of the store's own events.
    Special(Rc<str>, Permissions),
    /// A domain watches: key, bytes not told in front of paths, token.
    Watch(u32, Rc<str>, u32, Rc<[u8]>),
    /// It does so no more.
    Unwatch(u32, Rc<str>, Rc<[u8]>),
    /// It watches nothing.
    NoWatches(u32),
    /// Where the conversation with a domain is.
    Talk(u32, Talk),
}

/// Records that are to be kept.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Whether anybody keeps them.
    pub(super) on: bool,
    pub(super) bytes: Vec<u8>,
}

impl Journal {
    pub(super) fn note(&mut self, record: &Record) {
        if self.on {
            record.encode(&mut self.bytes);
        }
    }
}

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn number(&mut self, number: u32) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u32);
        self.0.extend_from_slice(bytes);
        self
    }

    fn maybe(&mut self, number: Option<u32>) -> &mut Self {
        self.number(number.is_some().into());
        self.number(number.unwrap_or(0))
    }

    fn permissions(&mut self, list: &Permissions) -> &mut Self {
        self.number(list.entries().len() as u32);
        for entry in list.entries() {
            let Rights { read, write } = entry.rights;
            self.number(entry.domain);
            self.number(u32::from(read) | u32::from(write) << 1 | u32::from(entry.stale) << 2);
        }
        self
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*number))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()? as usize;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<Rc<str>> {
        Some(str::from_utf8(self.bytes()?).ok()?.into())
    }

    fn path(&mut self) -> Option<Path> {
        Path::parse(self.bytes()?, 0)
    }

    fn maybe(&mut self) -> Option<Option<u32>> {
        let (is, number) = (self.number()?, self.number()?);
        Some((is != 0).then_some(number))
    }

    fn permissions(&mut self) -> Option<Permissions> {
        let count = self.number()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let (domain, bits) = (self.number()?, self.number()?);
            let rights = Rights {
                read: bits & 1 != 0,
                write: bits & 2 != 0,
            };
            let stale = bits & 4 != 0;
            entries.push(Permission {
                domain,
                rights,
                stale,
            });
        }
        Permissions::of_entries(entries)
    }
}

impl Record {
    fn encode(&self, to: &mut Vec<u8>) {
        let mut to = Writer(to);
        match self {
            Record::Set(path, permissions, value) => {
                to.number(1).bytes(path.as_str().as_bytes());
                to.permissions(permissions).bytes(value);
            }
            Record::Remove(path) => {
                to.number(2).bytes(path.as_str().as_bytes());
            }
            Record::Domain(domain, None) => {
                to.number(3).number(*domain);
            }
            Record::Domain(domain, Some(known)) => {
                let (frame, port) = known.place.unwrap_or_default();
                to.number(4).number(*domain);
                to.maybe(known.place.map(|_| port));
                to.bytes(&frame.to_le_bytes());
                to.maybe(known.target).number(known.shutdown.into());
            }
            Record::Special(event, permissions) => {
                to.number(5)
                    .bytes(event.as_bytes())
                    .permissions(permissions);
            }
            Record::Watch(domain, key, relative, token) => {
                to.number(6).number(*domain).bytes(key.as_bytes());
                to.number(*relative).bytes(token);
            }
            Record::Unwatch(domain, key, token) => {
                to.number(7).number(*domain);
                to.bytes(key.as_bytes()).bytes(token);
            }
            Record::NoWatches(domain) => {
                to.number(8).number(*domain);
            }
            Record::Talk(domain, talk) => {
                to.number(9).number(*domain);
                to.number(talk.taken).bytes(&talk.partial);
                to.number(talk.given).bytes(&talk.output);
                to.number(talk.transaction);
            }
        }
    }

    fn decode(from: &mut Reader<'_>) -> Option<Record> {
        Some(match from.number()? {
            1 => Record::Set(from.path()?, from.permissions()?, from.bytes()?.to_vec()),
            2 => Record::Remove(from.path()?),
            3 => Record::Domain(from.number()?, None),
            4 => {
                let (domain, port) = (from.number()?, from.maybe()?);
                let frame = u64::from_le_bytes(from.bytes()?.try_into().ok()?);
                let known = Known {
                    place: port.map(|port| (frame, port)),
                    target: from.maybe()?,
                    shutdown: from.number()? != 0,
                };
                Record::Domain(domain, Some(known))
            }
            5 => Record::Special(from.text()?, from.permissions()?),
            6 => Record::Watch(
                from.number()?,
                from.text()?,
                from.number()?,
                from.bytes()?.into(),
            ),
            7 => Record::Unwatch(from.number()?, from.text()?, from.bytes()?.into()),
            8 => Record::NoWatches(from.number()?),
            9 => {
                let domain = from.number()?;
                let talk = Talk {
                    taken: from.number()?,
                    partial: from.bytes()?.to_vec(),
                    given: from.number()?,
                    output: from.bytes()?.to_vec(),
                    transaction: from.number()?,
                };
                Record::Talk(domain, talk)
            }
            _ => return None,
        })
    }

    /// All records of what was kept; `None` if it is no such thing.
    pub(super) fn all(bytes: &[u8]) -> Option<Vec<Record>> {
        let mut from = Reader(bytes);
        let mut all = Vec::new();
        while !from.0.is_empty() {
            all.push(Record::decode(&mut from)?);
        }
        Some(all)
    }
}
