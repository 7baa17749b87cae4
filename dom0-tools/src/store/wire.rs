//! Messages as bytes: a head and a payload, as in xs_wire.h.

use alloc::vec::Vec;

use hypercall_abi::errno::XEN_EINVAL;
use hypercall_abi::io::xs_wire::*;
use zerocopy::{FromBytes, IntoBytes};

use super::Closed;
use crate::hyper::Errno;

/// Bytes of a message's head.
pub const HEAD_SIZE: usize = size_of::<xsd_sockmsg>();
/// The payload of a reply that has nothing to say.
pub(super) const OK: &[u8] = b"OK\0";

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `XS_*`.
    pub kind: u32,
    /// Chosen by who asks.
    pub request: u32,
    /// Transaction, 0 for none.
    pub transaction: u32,
    /// What it says: at most [`XENSTORE_PAYLOAD_MAX`] bytes.
    pub payload: Vec<u8>,
}

impl Message {
    /// Appends it to `bytes`.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let head = xsd_sockmsg {
            r#type: self.kind,
            req_id: self.request,
            tx_id: self.transaction,
            len: self.payload.len() as u32,
        };
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(&self.payload);
    }

    /// The strings of the payload, if each ends with NUL.
    #[must_use]
    pub fn strings(&self) -> Option<Vec<&[u8]>> {
        if self.payload.is_empty() {
            return Some(Vec::new());
        }
        let texts = self.payload.strip_suffix(&[0])?;
        Some(texts.split(|byte| *byte == 0).collect())
    }
}

/// Puts a stream of bytes together to messages.
#[derive(Debug, Default)]
pub struct Decoder {
    partial: Vec<u8>,
}

impl Decoder {
    /// Bytes that complete the head, or the message of that head. At most what a whole message
    /// has.
    #[must_use]
    pub fn wanted(&self) -> usize {
        match self.head() {
            Some(head) => HEAD_SIZE + head.len as usize - self.partial.len(),
            None => HEAD_SIZE - self.partial.len(),
        }
    }

    /// What has come of a message that is not whole.
    pub(super) fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// Begins with what had come of a message; false if that is more than a part of one.
    pub(super) fn resume(&mut self, partial: &[u8]) -> bool {
        partial.is_empty() || self.take(partial) == Ok(None)
    }

    fn head(&self) -> Option<xsd_sockmsg> {
        Some(xsd_sockmsg::read_from_prefix(&self.partial).ok()?.0)
    }

    /// Takes at most [`Self::wanted`] bytes, and returns the message that they complete.
    ///
    /// # Errors
    /// [`Closed::Protocol`]: its payload would be too long. Nothing behind it can be understood.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<Message>, Closed> {
        self.partial.extend_from_slice(bytes);
        let Some(head) = self.head() else {
            return Ok(None);
        };
        if head.len as usize > XENSTORE_PAYLOAD_MAX {
            return Err(Closed::Protocol);
        }
        if self.partial.len() < HEAD_SIZE + head.len as usize {
            return Ok(None);
        }
        let payload = self.partial.split_off(HEAD_SIZE);
        self.partial.clear();
        Ok(Some(Message {
            kind: head.r#type,
            request: head.req_id,
            transaction: head.tx_id,
            payload,
        }))
    }
}

/// An error as the payload of [`XS_ERROR`]; one without a name there is EINVAL.
#[must_use]
pub fn error_name(errno: Errno) -> &'static str {
    let named = |number| xsd_errors.iter().find(|(value, _)| *value == number);
    named(errno.0)
        .or(named(XEN_EINVAL))
        .map_or("EINVAL", |(_, name)| name)
}

/// The error of that name.
#[must_use]
pub fn error_of_name(name: &[u8]) -> Option<Errno> {
    let named = xsd_errors
        .iter()
        .find(|(_, known)| known.as_bytes() == name);
    named.map(|(value, _)| Errno(*value))
}

/// The number at the beginning of a string, as C's `atoi` takes it: 0 if there is none.
#[must_use]
pub(super) fn number(text: &[u8]) -> i64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0i64, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add((digit - b'0').into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_in_any_pieces() {
        let first = Message {
            kind: XS_READ,
            request: 1,
            transaction: 2,
            payload: b"/a\0".to_vec(),
        };
        let second = Message {
            payload: Vec::new(),
            ..first.clone()
        };
        let mut bytes = Vec::new();
        first.encode(&mut bytes);
        second.encode(&mut bytes);
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let count = decoder.wanted().min(bytes.len()).min(5);
            let piece: Vec<u8> = bytes.drain(..count).collect();
            found.extend(decoder.take(&piece).unwrap());
        }
        assert_eq!(found, [first, second]);
    }

    #[test]
    fn too_long_a_payload_ends_it() {
        for (len, result) in [
            (4096, Ok(None)),
            (4097, Err(Closed::Protocol)),
            (u32::MAX, Err(Closed::Protocol)),
        ] {
            let head = xsd_sockmsg {
                r#type: 0,
                req_id: 0,
                tx_id: 0,
                len,
            };
            assert_eq!(Decoder::default().take(head.as_bytes()), result);
        }
    }

    #[test]
    fn strings_end_with_nul() {
        let strings = |payload: &[u8]| {
            let message = Message {
                kind: 0,
                request: 0,
                transaction: 0,
                payload: payload.to_vec(),
            };
            message.strings().map(|strings| strings.len())
        };
        assert_eq!(strings(b""), Some(0));
        assert_eq!(strings(b"\0"), Some(1));
        assert_eq!(strings(b"a\0b\0"), Some(2));
        assert_eq!(strings(b"a\0b"), None);
    }

    #[test]
    fn numbers_are_read_as_xen_does() {
        let cases: [(&[u8], i64); 4] = [(b"12", 12), (b"12x", 12), (b"x", 0), (b"", 0)];
        for (text, value) in cases {
            assert_eq!(number(text), value);
        }
        assert_eq!(number(&[b'9'; 40]), i64::MAX);
    }

    #[test]
    fn errors_have_their_names() {
        assert_eq!(error_name(Errno(2)), "ENOENT");
        assert_eq!(error_name(Errno(9999)), "EINVAL");
        assert_eq!(error_of_name(b"EAGAIN"), Some(Errno(11)));
        assert_eq!(error_of_name(b"OK"), None);
    }
}
