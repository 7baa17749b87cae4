//! Much data over TCP. A client sends how many bytes it wants, eight bytes with the lowest first; it
//! gets so many of a known pattern, and their CRC-32.

use crate::stack::Stack;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddrV4;
use crc32fast::Hasher;
use guest_user::work::pattern;
use guest_user::{println, sys};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::wire::IpEndpoint;

/// Bytes of a socket's buffer.
const BUFFER: usize = 128 << 10;
/// How long nothing may come or go, ns.
const PATIENCE: u64 = 60_000_000_000;
/// The seed of the pattern.
const SEED: u64 = 6;
/// The first port of connections that begin here.
const PORTS: u16 = 49_152;

type Done<T = ()> = Result<T, &'static str>;

fn new_socket(stack: &mut Stack) -> SocketHandle {
    let buffer = || SocketBuffer::new(vec![0; BUFFER]);
    stack.add(Socket::new(buffer(), buffer()))
}

/// Turns until `done` has something to say of the socket.
fn until<T>(
    stack: &mut Stack,
    handle: SocketHandle,
    patience: Option<u64>,
    mut done: impl FnMut(&mut Socket<'static>) -> Option<T>,
) -> Done<T> {
    let deadline = patience.map(|patience| sys::clock() + patience);
    loop {
        if let Some(result) = done(stack.socket(handle)) {
            return Ok(result);
        }
        if deadline.is_some_and(|deadline| sys::clock() > deadline) {
            return Err("nothing comes or goes any more");
        }
        stack.turn(deadline)?;
    }
}

/// Sends all of `bytes`.
fn send(stack: &mut Stack, handle: SocketHandle, mut bytes: &[u8]) -> Done {
    while !bytes.is_empty() {
        let sent = until(stack, handle, Some(PATIENCE), |socket| {
            if !socket.may_send() {
                return Some(Err("the other side does not listen any more"));
            }
            let sent = socket.send_slice(bytes).ok().filter(|sent| *sent > 0);
            sent.map(Ok)
        })??;
        bytes = &bytes[sent..];
    }
    Ok(())
}

/// Fills `to`, or a part of it.
fn receive(stack: &mut Stack, handle: SocketHandle, to: &mut [u8]) -> Done<usize> {
    until(stack, handle, Some(PATIENCE), |socket| {
        if !socket.may_recv() {
            return Some(Err("the other side has nothing more to say"));
        }
        let got = socket.recv_slice(to).ok().filter(|got| *got > 0);
        got.map(Ok)
    })?
}

fn receive_all(stack: &mut Stack, handle: SocketHandle, to: &mut [u8]) -> Done {
    let mut filled = 0;
    while filled < to.len() {
        filled += receive(stack, handle, &mut to[filled..])?;
    }
    Ok(())
}

/// Ends a connection in which all was said.
fn close(stack: &mut Stack, handle: SocketHandle) -> Done {
    stack.socket::<Socket<'_>>(handle).close();
    let ended = until(stack, handle, Some(PATIENCE), |socket| {
        let over = [State::Closed, State::TimeWait];
        over.contains(&socket.state()).then_some(())
    });
    stack.remove(handle);
    ended
}

/// The bytes of the pattern from a place on, which is a multiple of 8.
fn piece(from: u64, len: usize) -> Vec<u8> {
    let words = from / 8..(from + len as u64).div_ceil(8);
    let mut bytes: Vec<u8> = words
        .flat_map(|at| pattern(SEED, at).to_le_bytes())
        .collect();
    bytes.truncate(len);
    bytes
}

pub(crate) fn fetch(stack: &mut Stack, whom: SocketAddrV4, bytes: u64) -> Done {
    let handle = new_socket(stack);
    let (own, whom) = (
        PORTS + (sys::clock() % 10_000) as u16,
        IpEndpoint::from(whom),
    );
    let (socket, context) = stack.socket_and_context(handle);
    let connected = socket.connect(context, whom, own);
    connected.map_err(|_| "it cannot be connected to")?;
    until(stack, handle, Some(PATIENCE), |socket| {
        match socket.state() {
            State::SynSent | State::SynReceived => None,
            State::Closed => Some(Err("the other side refuses the connection")),
            _ => Some(Ok(())),
        }
    })??;
    send(stack, handle, &bytes.to_le_bytes())?;
    let begun = sys::clock();
    let (mut crc, mut right) = (Hasher::new(), true);
    let mut buffer = vec![0; BUFFER];
    let mut at = 0;
    while at < bytes {
        // Whole words at a time, but at the end.
        let len = (bytes - at).min(BUFFER as u64) as usize;
        receive_all(stack, handle, &mut buffer[..len])?;
        crc.update(&buffer[..len]);
        right &= buffer[..len] == piece(at, len);
        at += len as u64;
    }
    let mut told = [0; 4];
    receive_all(stack, handle, &mut told)?;
    let (told, crc) = (u32::from_le_bytes(told), crc.finalize());
    if !right || told != crc {
        return Err("what has come is not what was sent");
    }
    let ms = (sys::clock() - begun) / 1_000_000;
    println!("net: {bytes} bytes from {whom} are right, CRC-32 {crc:08x}, in {ms} ms");
    close(stack, handle)
}

pub(crate) fn serve(stack: &mut Stack, port: u16, clients: u64) -> Done {
    println!("net: serving at port {port}");
    for _ in 0..clients {
        let handle = new_socket(stack);
        let listening = stack.socket::<Socket<'_>>(handle).listen(port);
        listening.map_err(|_| "that port cannot be listened at")?;
        until(stack, handle, None, |socket| {
            socket.may_recv().then_some(())
        })?;
        match serve_one(stack, handle) {
            Ok((whom, bytes)) => println!("net: {whom} has got {bytes} bytes"),
            Err(why) => {
                println!("net: a client is given up: {why}");
                stack.socket::<Socket<'_>>(handle).abort();
                stack.turn(Some(0))?;
                stack.remove(handle);
            }
        }
    }
    Ok(())
}

fn serve_one(stack: &mut Stack, handle: SocketHandle) -> Done<(IpEndpoint, u64)> {
    let mut wanted = [0; 8];
    receive_all(stack, handle, &mut wanted)?;
    let whom = stack.socket::<Socket<'_>>(handle).remote_endpoint();
    let whom = whom.ok_or("nobody is there any more")?;
    let bytes = u64::from_le_bytes(wanted);
    let mut crc = Hasher::new();
    let mut at = 0;
    while at < bytes {
        let len = (bytes - at).min(BUFFER as u64) as usize;
        let piece = piece(at, len);
        crc.update(&piece);
        send(stack, handle, &piece)?;
        at += len as u64;
    }
    send(stack, handle, &crc.finalize().to_le_bytes())?;
    close(stack, handle)?;
    Ok((whom, bytes))
}
