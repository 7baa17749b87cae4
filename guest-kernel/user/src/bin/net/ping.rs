//! Echo requests, one after the other.

use crate::stack::Stack;
use alloc::vec;
use guest_user::{println, sys};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::icmp;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpAddress, Ipv4Address};

/// The identifier of the requests.
const IDENT: u16 = 0x7061;
/// How long an answer is waited for, ns; the first one may find nobody there yet.
const PATIENCE: u64 = 2_000_000_000;
/// How often a request is made again.
const TRIES: u32 = 30;
/// Where there are pauses, each of so many answers is told of.
const TOLD: u16 = 10;
/// Bytes of a request.
const LEN: usize = 56;

/// Takes answers; whether one is to request `number`, and carries what was sent.
fn answered(stack: &mut Stack, handle: smoltcp::iface::SocketHandle, number: u16) -> bool {
    let socket: &mut icmp::Socket<'_> = stack.socket(handle);
    while let Ok((bytes, _)) = socket.recv() {
        let packet = Icmpv4Packet::new_checked(bytes);
        let answer =
            packet.and_then(|packet| Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()));
        if let Ok(Icmpv4Repr::EchoReply { seq_no, data, .. }) = answer
            && seq_no == number
            && data == payload(number)
        {
            return true;
        }
    }
    false
}

fn payload(number: u16) -> [u8; LEN] {
    core::array::from_fn(|at| (at as u16).wrapping_mul(number.wrapping_add(7)) as u8)
}

/// Pings one after the other; with a `pause` between them, ns, and word of them now and then.
pub(crate) fn ping(
    stack: &mut Stack,
    whom: Ipv4Address,
    count: u16,
    pause: Option<u64>,
) -> Result<(), &'static str> {
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 8], vec![0; 2048]);
    let handle = stack.add(icmp::Socket::new(buffer(), buffer()));
    let socket: &mut icmp::Socket<'_> = stack.socket(handle);
    socket
        .bind(icmp::Endpoint::Ident(IDENT))
        .map_err(|_| "pings cannot be sent")?;
    let (mut lost, begun) = (0, sys::clock());
    for number in 1..=count {
        let mut tries = 0;
        loop {
            if tries == TRIES {
                return Err("a ping was not answered");
            }
            tries += 1;
            let data = payload(number);
            let request = Icmpv4Repr::EchoRequest {
                ident: IDENT,
                seq_no: number,
                data: &data,
            };
            let socket: &mut icmp::Socket<'_> = stack.socket(handle);
            if let Ok(bytes) = socket.send(request.buffer_len(), IpAddress::Ipv4(whom)) {
                let mut packet = Icmpv4Packet::new_unchecked(bytes);
                request.emit(&mut packet, &ChecksumCapabilities::default());
            }
            let deadline = sys::clock() + PATIENCE;
            let mut is_answered = answered(stack, handle, number);
            while !is_answered && sys::clock() < deadline {
                stack.turn(Some(deadline))?;
                is_answered = answered(stack, handle, number);
            }
            if is_answered {
                break;
            }
            lost += 1;
        }
        if let Some(pause) = pause {
            let until = sys::clock() + pause;
            while sys::clock() < until {
                stack.turn(Some(until))?;
            }
            if number.is_multiple_of(TOLD) {
                println!("net: {whom} has answered {number} pings so far");
            }
        }
    }
    let us = (sys::clock() - begun) / 1000;
    println!("net: {whom} has answered {count} pings in {us} us, {lost} asked again");
    stack.remove(handle);
    Ok(())
}
