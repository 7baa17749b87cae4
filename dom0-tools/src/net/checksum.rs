//! Transport checksums (RFC 1071) of frames whose sender has left them blank.

use super::frame::{ETHERNET_HEADER, IPV4, IPV6, VLAN};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// IPv6's headers between its own and the transport's: hop-by-hop options, routing, destination.
const EXTENSIONS: [u8; 3] = [0, 43, 60];
/// The most of them that are looked at.
const EXTENSIONS_MAX: usize = 8;

/// A transport header: where it begins, where its data end, and the sum of what IP adds to it.
struct Transport {
    protocol: u8,
    start: usize,
    end: usize,
    pseudo: u32,
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// The sum of 16-bit words, to which carries are yet to be added.
fn sum(bytes: &[u8]) -> u32 {
    // A frame has fewer than 2^16 words, so that nothing is lost.
    let (words, rest) = bytes.as_chunks::<2>();
    let words: u32 = words
        .iter()
        .map(|&word| u32::from(u16::from_be_bytes(word)))
        .sum();
    words + rest.first().map_or(0, |&last| u32::from(last) << 8)
}

fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}

fn ipv4(frame: &[u8], at: usize) -> Option<Transport> {
    let header = usize::from(frame.get(at)? & 15) * 4;
    let total = usize::from(word(frame, at + 2)?);
    // Of a fragment the checksum is not in it, or covers what is not.
    let is_fragment = word(frame, at + 6)? & 0x3fff != 0;
    let protocol = *frame.get(at + 9)?;
    if frame[at] >> 4 != 4 || header < 20 || total < header || is_fragment {
        return None;
    }
    let addresses = frame.get(at + 12..at + 20)?;
    let pseudo = sum(addresses) + u32::from(protocol) + (total - header) as u32;
    Some(Transport {
        protocol,
        start: at + header,
        end: at + total,
        pseudo,
    })
}

fn ipv6(frame: &[u8], at: usize) -> Option<Transport> {
    if frame.get(at)? >> 4 != 6 {
        return None;
    }
    let end = at + 40 + usize::from(word(frame, at + 4)?);
    let mut protocol = *frame.get(at + 6)?;
    let addresses = frame.get(at + 8..at + 40)?;
    let mut start = at + 40;
    for _ in 0..EXTENSIONS_MAX {
        if !EXTENSIONS.contains(&protocol) {
            break;
        }
        // With a routing header the last destination is another one, which nobody asks for.
        if protocol == 43 {
            return None;
        }
        protocol = *frame.get(start)?;
        start += (usize::from(*frame.get(start + 1)?) + 1) * 8;
    }
    let length = end.checked_sub(start)? as u32;
    Some(Transport {
        protocol,
        start,
        end,
        pseudo: sum(addresses) + u32::from(protocol) + length,
    })
}

fn transport(frame: &[u8]) -> Option<Transport> {
    let mut at = ETHERNET_HEADER;
    let mut kind = word(frame, 12)?;
    if kind == VLAN {
        kind = word(frame, 16)?;
        at += 4;
    }
    match kind {
        IPV4 => ipv4(frame, at),
        IPV6 => ipv6(frame, at),
        _ => None,
    }
}

/// Computes the TCP or UDP checksum of an Ethernet frame, whatever is in its place, and whether the
/// frame has one: over IPv4 or IPv6, whole, with or without a VLAN tag.
#[must_use]
pub fn complete(frame: &mut [u8]) -> bool {
    let Some(transport) = transport(frame) else {
        return false;
    };
    let place = match transport.protocol {
        TCP => 16,
        UDP => 6,
        _ => return false,
    };
    let Some(segment) = frame.get_mut(transport.start..transport.end) else {
        return false;
    };
    let Some(field) = segment.get_mut(place..place + 2) else {
        return false;
    };
    field.fill(0);
    let computed = !fold(transport.pseudo + sum(segment));
    // UDP's 0 says that there is none.
    let none = transport.protocol == UDP && computed == 0;
    let computed = if none { u16::MAX } else { computed };
    segment[place..place + 2].copy_from_slice(&computed.to_be_bytes());
    true
}
