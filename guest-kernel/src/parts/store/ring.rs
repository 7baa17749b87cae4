//! The rings: 1024 bytes each way, with free-running counts of bytes in and out.

use super::wire::Broken;
use core::mem::offset_of;
use hypercall_abi::io::xs_wire::*;

/// A page that two domains write: each access is one, of memory that may have changed since.
pub trait Page {
    /// Reads the 32-bit word at an offset, before everything that follows.
    fn load(&self, offset: usize) -> u32;
    /// Writes the 32-bit word at an offset, after everything before.
    fn store(&mut self, offset: usize, value: u32);
    /// Reads a byte.
    fn byte(&self, offset: usize) -> u8;
    /// Writes a byte.
    fn set_byte(&mut self, offset: usize, value: u8);
}

const REQ_CONS: usize = offset_of!(xenstore_domain_interface, req_cons);
const REQ_PROD: usize = offset_of!(xenstore_domain_interface, req_prod);
const RSP_CONS: usize = offset_of!(xenstore_domain_interface, rsp_cons);
const RSP_PROD: usize = offset_of!(xenstore_domain_interface, rsp_prod);
const CONNECTION: usize = offset_of!(xenstore_domain_interface, connection);
const FEATURES: usize = offset_of!(xenstore_domain_interface, server_features);
const SIZE: u32 = XENSTORE_RING_SIZE as u32;

/// Bytes between two counts.
fn between(produced: u32, consumed: u32) -> Result<u32, Broken> {
    let bytes = produced.wrapping_sub(consumed);
    if bytes > SIZE { Err(Broken) } else { Ok(bytes) }
}

/// Puts a message into the ring of requests, whole or not at all; whether there was room.
///
/// # Errors
/// Counts that no ring can have.
pub fn send(page: &mut impl Page, message: &[u8]) -> Result<bool, Broken> {
    let produced = page.load(REQ_PROD);
    let free = SIZE - between(produced, page.load(REQ_CONS))?;
    if message.len() > free as usize {
        return Ok(false);
    }
    for (at, &byte) in message.iter().enumerate() {
        let index = produced.wrapping_add(at as u32);
        page.set_byte(MASK_XENSTORE_IDX(index), byte);
    }
    page.store(REQ_PROD, produced.wrapping_add(message.len() as u32));
    Ok(true)
}

/// Takes bytes out of the ring of replies; how many.
///
/// # Errors
/// Counts that no ring can have.
pub fn receive(page: &mut impl Page, buf: &mut [u8]) -> Result<usize, Broken> {
    let consumed = page.load(RSP_CONS);
    let waiting = between(page.load(RSP_PROD), consumed)?;
    let n = buf.len().min(waiting as usize);
    for (at, byte) in buf[..n].iter_mut().enumerate() {
        let index = consumed.wrapping_add(at as u32);
        *byte = page.byte(offset_of!(xenstore_domain_interface, rsp) + MASK_XENSTORE_IDX(index));
    }
    page.store(RSP_CONS, consumed.wrapping_add(n as u32));
    Ok(n)
}

/// Whether a byte waits in the ring of replies.
pub fn has_reply(page: &impl Page) -> bool {
    page.load(RSP_PROD) != page.load(RSP_CONS)
}

/// Whether the ring of replies has room for nothing more.
pub fn is_full(page: &impl Page) -> bool {
    page.load(RSP_PROD).wrapping_sub(page.load(RSP_CONS)) >= SIZE
}

/// Asks the daemon to begin anew with empty rings; false if it cannot be asked.
pub fn ask_to_reconnect(page: &mut impl Page) -> bool {
    let can = page.load(FEATURES) & XENSTORE_SERVER_FEATURE_RECONNECTION != 0;
    if can {
        page.store(CONNECTION, XENSTORE_RECONNECT);
    }
    can
}

/// Whether the rings are in use.
pub fn is_connected(page: &impl Page) -> bool {
    page.load(CONNECTION) == XENSTORE_CONNECTED
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    /// A page as both sides see it.
    pub(in super::super) struct Bytes(pub(in super::super) Vec<u8>);

    impl Bytes {
        pub(in super::super) fn new() -> Self {
            Self(vec![0; 4096])
        }

        /// The daemon's side: takes all requests.
        pub(in super::super) fn take_requests(&mut self) -> Vec<u8> {
            let (from, to) = (self.load(REQ_CONS), self.load(REQ_PROD));
            let bytes = (0..to.wrapping_sub(from))
                .map(|i| self.byte(MASK_XENSTORE_IDX(from.wrapping_add(i))))
                .collect();
            self.store(REQ_CONS, to);
            bytes
        }

        /// The daemon's side: puts what there is room for, and returns the rest.
        pub(in super::super) fn reply<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
            let (mut at, out) = (self.load(RSP_PROD), self.load(RSP_CONS));
            let room = (SIZE - at.wrapping_sub(out)) as usize;
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            for &byte in now {
                let offset = offset_of!(xenstore_domain_interface, rsp);
                self.set_byte(offset + MASK_XENSTORE_IDX(at), byte);
                at = at.wrapping_add(1);
            }
            self.store(RSP_PROD, at);
            rest
        }
    }

    impl Page for Bytes {
        fn load(&self, offset: usize) -> u32 {
            let bytes = self.0[offset..offset + 4].try_into().unwrap();
            u32::from_le_bytes(bytes)
        }

        fn store(&mut self, offset: usize, value: u32) {
            self.0[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        }

        fn byte(&self, offset: usize) -> u8 {
            self.0[offset]
        }

        fn set_byte(&mut self, offset: usize, value: u8) {
            self.0[offset] = value;
        }
    }

    #[test]
    fn bytes_go_round_both_rings_and_counts_wrap() {
        let mut page = Bytes::new();
        for word in [REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD] {
            page.store(word, u32::MAX - 5);
        }
        let message: Vec<u8> = (0..700).map(|i| i as u8).collect();
        for _ in 0..5 {
            assert_eq!(send(&mut page, &message), Ok(true));
            assert_eq!(page.take_requests(), message);
            assert!(!has_reply(&page));
            assert!(page.reply(&message).is_empty());
            assert!(has_reply(&page));
            let mut buf = [0; 1024];
            assert_eq!(receive(&mut page, &mut buf), Ok(700));
            assert_eq!(buf[..700], message);
        }
    }

    #[test]
    fn a_message_goes_whole_or_not_at_all() {
        let mut page = Bytes::new();
        assert_eq!(send(&mut page, &[1; 1000]), Ok(true));
        assert_eq!(send(&mut page, &[2; 25]), Ok(false));
        assert_eq!(send(&mut page, &[2; 24]), Ok(true));
        assert_eq!(page.take_requests().len(), 1024);
    }

    #[test]
    fn a_small_buffer_takes_a_part() {
        let mut page = Bytes::new();
        page.reply(b"abcdef");
        let mut buf = [0; 4];
        assert_eq!(receive(&mut page, &mut buf), Ok(4));
        assert_eq!(receive(&mut page, &mut buf), Ok(2));
        assert_eq!(receive(&mut page, &mut buf), Ok(0));
        assert_eq!(&buf[..2], b"ef");
    }

    #[test]
    fn counts_that_no_ring_has_are_refused() {
        for lie in [1025, 5000, u32::MAX, 1 << 31] {
            let mut page = Bytes::new();
            page.store(RSP_PROD, lie);
            assert_eq!(receive(&mut page, &mut [0; 8]), Err(Broken));
            let mut page = Bytes::new();
            page.store(REQ_CONS, 0u32.wrapping_sub(lie));
            assert_eq!(send(&mut page, b"x"), Err(Broken));
        }
    }

    #[test]
    fn only_a_daemon_that_offers_it_is_asked_to_reconnect() {
        let mut page = Bytes::new();
        assert!(!ask_to_reconnect(&mut page));
        assert!(is_connected(&page));
        page.store(FEATURES, XENSTORE_SERVER_FEATURE_RECONNECTION);
        assert!(ask_to_reconnect(&mut page));
        assert!(!is_connected(&page));
    }
}
