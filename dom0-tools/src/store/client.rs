//! Asking the store: typed requests over any channel to it.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use hypercall_abi::errno::{XEN_E2BIG, XEN_EAGAIN, XEN_EINVAL, XEN_ENOENT};
use hypercall_abi::io::xs_wire::*;

use super::nodes::Store;
use super::wire::{Decoder, Message, error_of_name};
use super::{Closed, Transport};
use crate::hyper::Errno;

/// How often a transaction is tried before others are held to be at fault.
const TRIES: usize = 100;

/// A stream to the store on which one can wait.
pub trait Channel: Transport {
    /// Waits until more may be read or written, or `timeout` nanoseconds are over; `None` waits
    /// for ever.
    fn wait(&mut self, timeout: Option<u64>);
}

/// A request that was not answered as hoped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store has refused it.
    #[error("the store refused {operation} {subject}: {errno}")]
    Refused {
        /// What was asked for.
        operation: &'static str,
        /// Of which node or domain.
        subject: String,
        /// Its answer.
        errno: Errno,
    },
    /// There is no store any more.
    #[error("the connection to the store has ended: {0}")]
    Closed(#[from] Closed),
    /// An answer makes no sense.
    #[error("the store answered what makes no sense: {0}")]
    Garbled(String),
}

impl StoreError {
    /// The store's refusal, if it is one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            StoreError::Refused { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    /// Whether it says that there is no such node.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.errno() == Some(Errno(XEN_ENOENT))
    }
}

type Result<T> = core::result::Result<T, StoreError>;

/// Something that was watched has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchEvent {
    /// What has changed: relative if the watch was.
    pub path: String,
    /// The watch's token.
    pub token: String,
}

pub(super) fn garbled(what: &str) -> StoreError {
    StoreError::Garbled(what.to_string())
}

/// A connection to the store.
pub struct Client<C> {
    channel: C,
    decoder: Decoder,
    last_request: u32,
    events: VecDeque<WatchEvent>,
}

impl<C: Channel> Client<C> {
    /// Over a channel that nobody has used.
    pub fn new(channel: C) -> Self {
        Client {
            channel,
            decoder: Decoder::default(),
            last_request: 0,
            events: VecDeque::new(),
        }
    }

    /// The channel, to wait for it together with others.
    pub fn channel_mut(&mut self) -> &mut C {
        &mut self.channel
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            // What arrives meanwhile is taken, or neither side would get on.
            if let Some(message) = self.receive()? {
                self.take_event(&message)?;
            }
            let count = self.channel.write(bytes)?;
            bytes = &bytes[count..];
            self.channel.flush();
            if count == 0 {
                self.channel.wait(None);
            }
        }
        Ok(())
    }

    /// The next message, if it has arrived.
    fn receive(&mut self) -> Result<Option<Message>> {
        loop {
            let mut bytes = vec![0; self.decoder.wanted()];
            let count = self.channel.read(&mut bytes)?;
            if count == 0 {
                return Ok(None);
            }
            self.channel.flush();
            if let Some(message) = self.decoder.take(&bytes[..count])? {
                return Ok(Some(message));
            }
        }
    }

    fn take_event(&mut self, message: &Message) -> Result<()> {
        let strings = message.strings().unwrap_or_default();
        let [path, token] = strings[..] else {
            return Err(garbled("an event without path and token"));
        };
        if message.kind != XS_WATCH_EVENT {
            return Err(garbled("a reply that nobody waits for"));
        }
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (path, token) = (text(path), text(token));
        self.events.push_back(WatchEvent { path, token });
        Ok(())
    }

    fn request(
        &mut self,
        kind: u32,
        transaction: u32,
        operation: &'static str,
        payload: &[&[u8]],
    ) -> Result<Vec<u8>> {
        let subject = || {
            let subject = payload.first().copied().unwrap_or_default();
            String::from_utf8_lossy(subject).into_owned()
        };
        let refused = |errno| StoreError::Refused {
            operation,
            subject: subject(),
            errno,
        };
        let payload = payload.concat();
        if payload.len() > XENSTORE_PAYLOAD_MAX {
            return Err(refused(Errno(XEN_E2BIG)));
        }
        self.last_request = self.last_request.wrapping_add(1).max(1);
        let request = self.last_request;
        let mut bytes = Vec::new();
        let message = Message {
            kind,
            request,
            transaction,
            payload,
        };
        message.encode(&mut bytes);
        self.send(&bytes)?;
        loop {
            let Some(reply) = self.receive()? else {
                self.channel.wait(None);
                continue;
            };
            if reply.kind == XS_WATCH_EVENT {
                self.take_event(&reply)?;
            } else if reply.request != request {
                return Err(garbled("a reply to another request"));
            } else if reply.kind == XS_ERROR {
                let name = reply.payload.strip_suffix(&[0]).unwrap_or(&reply.payload);
                return Err(refused(error_of_name(name).unwrap_or(Errno(XEN_EINVAL))));
            } else if reply.kind != kind {
                return Err(garbled("a reply of another kind"));
            } else {
                return Ok(reply.payload);
            }
        }
    }

    /// Does all of `act` at once: others see all of its changes, or none. It may be done several
    /// times, whenever others have come between. Its own error ends it, and nothing has changed.
    ///
    /// # Errors
    /// Those of `act`, and of beginning and ending. EAGAIN: others come between all the time.
    pub fn transaction<R, E: From<StoreError>>(
        &mut self,
        mut act: impl FnMut(&mut Transacted<'_, C>) -> core::result::Result<R, E>,
    ) -> core::result::Result<R, E> {
        let mut tries = 0;
        loop {
            tries += 1;
            let reply = self.ask(XS_TRANSACTION_START, "beginning a transaction", &[&[0]])?;
            let number = reply.strip_suffix(&[0]).unwrap_or(&reply);
            let number = str::from_utf8(number)
                .ok()
                .and_then(|text| text.parse().ok());
            let number = number.ok_or_else(|| garbled("a transaction without a number"))?;
            let result = act(&mut Transacted {
                client: self,
                number,
            });
            let what = if result.is_ok() { b"T\0" } else { b"F\0" };
            let end = self.request(XS_TRANSACTION_END, number, "a transaction", &[what]);
            let result = result?;
            match end {
                Ok(_) => return Ok(result),
                Err(error) if error.errno() == Some(Errno(XEN_EAGAIN)) && tries < TRIES => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks to be told of changes at and below a node. One event comes at once.
    ///
    /// # Errors
    /// See [`Store::ask`].
    pub fn watch(&mut self, path: &str, token: &str) -> Result<()> {
        let payload: [&[u8]; 4] = [path.as_bytes(), &[0], token.as_bytes(), &[0]];
        self.ask(XS_WATCH, "watching", &payload).map(drop)
    }

    /// Ends a watch. Events of it that have arrived are dropped.
    ///
    /// # Errors
    /// See [`Store::ask`].
    pub fn unwatch(&mut self, path: &str, token: &str) -> Result<()> {
        let payload: [&[u8]; 4] = [path.as_bytes(), &[0], token.as_bytes(), &[0]];
        self.ask(XS_UNWATCH, "watching no more", &payload)?;
        self.events
            .retain(|event| event.token != token || !event.path.starts_with(path));
        Ok(())
    }

    /// The next event, if one has arrived.
    ///
    /// # Errors
    /// There is no store any more.
    pub fn next_event(&mut self) -> Result<Option<WatchEvent>> {
        while let Some(message) = self.receive()? {
            self.take_event(&message)?;
        }
        Ok(self.events.pop_front())
    }

    /// The next event; waits for it once for at most `timeout` nanoseconds, `None` for ever.
    ///
    /// # Errors
    /// There is no store any more.
    pub fn wait_event(&mut self, timeout: Option<u64>) -> Result<Option<WatchEvent>> {
        loop {
            if let Some(event) = self.next_event()? {
                return Ok(Some(event));
            }
            self.channel.wait(timeout);
            if timeout.is_some() {
                return self.next_event();
            }
        }
    }

    /// Connects a domain: `frame` is the machine frame of its page, `port` its unbound port.
    ///
    /// # Errors
    /// See [`Store::ask`].
    pub fn introduce(&mut self, domain: u16, frame: u64, port: u32) -> Result<()> {
        let payload = format!("{domain}\0{frame}\0{port}\0");
        self.ask(XS_INTRODUCE, "introducing domain", &[payload.as_bytes()])
            .map(drop)
    }

    /// Disconnects a domain.
    ///
    /// # Errors
    /// See [`Store::ask`].
    pub fn release(&mut self, domain: u16) -> Result<()> {
        self.about_domain(XS_RELEASE, "releasing domain", domain)
            .map(drop)
    }

    /// Whether a domain is connected.
    ///
    /// # Errors
    /// See [`Store::ask`].
    pub fn is_introduced(&mut self, domain: u16) -> Result<bool> {
        let kind = XS_IS_DOMAIN_INTRODUCED;
        Ok(self.about_domain(kind, "asking for domain", domain)? == b"T\0")
    }

    /// A domain runs again that had shut down.
    ///
    /// # Errors
    /// See [`Store::ask`].
    pub fn resume(&mut self, domain: u16) -> Result<()> {
        self.about_domain(XS_RESUME, "resuming domain", domain)
            .map(drop)
    }

    fn about_domain(&mut self, kind: u32, operation: &'static str, domain: u16) -> Result<Vec<u8>> {
        self.ask(kind, operation, &[domain.to_string().as_bytes(), &[0]])
    }

    /// A command to the store itself; returns what it says.
    ///
    /// # Errors
    /// See [`Store::ask`].
    pub fn control(&mut self, words: &[&str]) -> Result<String> {
        let payload: Vec<u8> = words
            .iter()
            .flat_map(|word| word.bytes().chain([0]))
            .collect();
        let reply = self.ask(XS_CONTROL, "control", &[&payload])?;
        let reply = reply.strip_suffix(&[0]).unwrap_or(&reply);
        Ok(String::from_utf8_lossy(reply).into_owned())
    }
}

impl<C: Channel> Store for Client<C> {
    fn ask(&mut self, kind: u32, operation: &'static str, payload: &[&[u8]]) -> Result<Vec<u8>> {
        self.request(kind, 0, operation, payload)
    }
}

/// The store as an open transaction sees it.
pub struct Transacted<'a, C> {
    client: &'a mut Client<C>,
    number: u32,
}

impl<C: Channel> Store for Transacted<'_, C> {
    fn ask(&mut self, kind: u32, operation: &'static str, payload: &[&[u8]]) -> Result<Vec<u8>> {
        self.client.request(kind, self.number, operation, payload)
    }
}
