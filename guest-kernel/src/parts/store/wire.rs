//! Messages: a head of four words and a payload.

use alloc::vec::Vec;
use guest_user::abi::Errno;
use hypercall_abi::io::xs_wire::*;
use zerocopy::{FromBytes, IntoBytes};

const HEAD_LEN: usize = size_of::<xsd_sockmsg>();

/// The daemon breaks the protocol: nothing that it says means anything any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// A message from the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `XS_*`.
    pub kind: u32,
    /// The request that it answers.
    pub id: u32,
    /// The transaction that it belongs to; 0 is none.
    pub transaction: u32,
    /// What it says.
    pub payload: Vec<u8>,
}

/// A request whose payload is the parts one behind the other.
///
/// # Errors
/// `E2BIG` for one that the ring could never hold.
pub fn request(kind: u32, id: u32, parts: &[&[u8]]) -> Result<Vec<u8>, Errno> {
    request_in(0, kind, id, parts)
}

/// The same in a transaction; 0 is none.
///
/// # Errors
/// `E2BIG` for one that the ring could never hold.
pub fn request_in(transaction: u32, kind: u32, id: u32, parts: &[&[u8]]) -> Result<Vec<u8>, Errno> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    if HEAD_LEN + len > XENSTORE_RING_SIZE {
        return Err(Errno::E2BIG);
    }
    Ok(message(transaction, kind, id, &parts.concat()))
}

/// A message, whoever sends it. Its payload is at most [`XENSTORE_PAYLOAD_MAX`] long.
pub fn message(transaction: u32, kind: u32, id: u32, payload: &[u8]) -> Vec<u8> {
    let head = xsd_sockmsg {
        r#type: kind,
        req_id: id,
        tx_id: transaction,
        len: payload.len() as u32,
    };
    [head.as_bytes(), payload].concat()
}

/// Messages out of bytes that come in any pieces. At most one that is not whole is kept.
#[derive(Default)]
pub struct Incoming(Vec<u8>);

impl Incoming {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many bytes are wanted before another message can be whole.
    ///
    /// # Errors
    /// A head whose payload is longer than payloads are.
    pub fn wants(&self) -> Result<usize, Broken> {
        match xsd_sockmsg::read_from_prefix(&self.0) {
            Ok((head, _)) if head.len as usize > XENSTORE_PAYLOAD_MAX => Err(Broken),
            Ok((head, _)) => Ok(HEAD_LEN + head.len as usize - self.0.len()),
            Err(_) => Ok(HEAD_LEN - self.0.len()),
        }
    }

    /// Takes bytes, at most as many as are wanted; returns a message that is whole by them.
    ///
    /// # Errors
    /// As [`Self::wants`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Message>, Broken> {
        if bytes.len() > self.wants()? {
            return Err(Broken);
        }
        self.0.extend_from_slice(bytes);
        if self.wants()? > 0 {
            return Ok(None);
        }
        let Ok((head, payload)) = xsd_sockmsg::read_from_prefix(&self.0) else {
            return Ok(None);
        };
        let message = Message {
            kind: head.r#type,
            id: head.req_id,
            transaction: head.tx_id,
            payload: payload.to_vec(),
        };
        self.0.clear();
        Ok(Some(message))
    }
}

/// The error that an `XS_ERROR` names; `EIO` for a name that is none.
pub fn error(payload: &[u8]) -> Errno {
    let name = payload.strip_suffix(&[0]).unwrap_or(payload);
    let known = xsd_errors.iter().find(|error| error.1.as_bytes() == name);
    known.map_or(Errno::EIO, |error| Errno(error.0))
}

/// The payload of an `XS_ERROR`; `EINVAL` for an error that has no name there.
pub fn error_payload(errno: Errno) -> Vec<u8> {
    let known = xsd_errors.iter().find(|error| error.0 == errno.0);
    let name = known.map_or("EINVAL", |error| error.1);
    [name.as_bytes(), &[0]].concat()
}

/// The strings of a payload, each of which ends in NUL.
pub fn strings(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = payload.strip_suffix(&[0]).unwrap_or(payload);
    whole.split(|&byte| byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as a daemon would send it.
    fn sent(kind: u32, id: u32, payload: &[u8]) -> Vec<u8> {
        request(kind, id, &[payload]).unwrap()
    }

    #[test]
    fn a_request_is_its_head_and_its_parts() {
        let bytes = request(XS_WRITE, 7, &[b"data/x", &[0], b"value"]).unwrap();
        assert_eq!(bytes.len(), 16 + 12);
        assert_eq!(
            bytes[..16],
            [11, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0]
        );
        assert_eq!(&bytes[16..], b"data/x\0value");
        assert_eq!(request(XS_WRITE, 7, &[&[0; 1009]]), Err(Errno::E2BIG));
        assert!(request(XS_WRITE, 7, &[&[0; 1008]]).is_ok());
    }

    #[test]
    fn messages_come_in_any_pieces() {
        let mut bytes = sent(XS_READ, 1, b"value");
        bytes.extend(sent(XS_WATCH_EVENT, 0, b""));
        bytes.extend(sent(XS_ERROR, 2, b"ENOENT\0"));
        for most in 1..bytes.len() {
            let mut incoming = Incoming::new();
            let mut found = Vec::new();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let n = incoming.wants().unwrap().min(most).min(rest.len());
                found.extend(incoming.push(&rest[..n]).unwrap());
                rest = &rest[n..];
            }
            let kinds: Vec<u32> = found.iter().map(|message| message.kind).collect();
            assert_eq!(kinds, [XS_READ, XS_WATCH_EVENT, XS_ERROR]);
            assert_eq!(found[0].payload, b"value");
            assert_eq!((found[2].id, error(&found[2].payload)), (2, Errno::ENOENT));
        }
    }

    #[test]
    fn a_payload_has_its_limit() {
        let mut head = sent(XS_READ, 1, b"");
        head[12..16].copy_from_slice(&(XENSTORE_PAYLOAD_MAX as u32).to_le_bytes());
        let mut incoming = Incoming::new();
        assert_eq!(incoming.push(&head), Ok(None));
        assert_eq!(incoming.wants(), Ok(XENSTORE_PAYLOAD_MAX));
        for len in [XENSTORE_PAYLOAD_MAX as u32 + 1, u32::MAX] {
            head[12..16].copy_from_slice(&len.to_le_bytes());
            assert_eq!(Incoming::new().push(&head), Err(Broken));
        }
    }

    #[test]
    fn errors_have_the_names_of_the_header() {
        assert_eq!(error(b"EACCES\0"), Errno::EACCES);
        assert_eq!(error(b"EQUOTA\0"), Errno::EIO);
        assert_eq!(error(b""), Errno::EIO);
    }

    #[test]
    fn strings_end_in_nul() {
        let all = |payload| strings(payload).collect::<Vec<_>>();
        assert_eq!(
            all(b"control/shutdown\x003\0"),
            [&b"control/shutdown"[..], b"3"]
        );
        assert_eq!(all(b"cut"), [b"cut"]);
        assert_eq!(all(b""), [b""]);
    }
}
