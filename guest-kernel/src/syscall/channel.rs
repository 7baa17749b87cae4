//! Local channels as descriptors: `guest_kernel::channel` with the waking of those who poll, or wait
//! for news.

use super::file::{self, Open};
use crate::global::Global;
use crate::task::{self, Wait};
use alloc::vec::Vec;
use guest_kernel::channel::{Channels, Held, Id};
use guest_user::abi::Errno;

static CHANNELS: Global<Channels> = Global::new(Channels::new());

/// Changes channels; whoever polls looks again if something was changed.
fn change<R>(f: impl FnOnce(&mut Channels) -> Result<R, Errno>) -> Result<R, Errno> {
    let (result, told) = CHANNELS.with(|all| Ok((f(all)?, all.take_told())))?;
    task::wake(Wait::Poll);
    told.into_iter().for_each(task::wake_for_news);
    Ok(result)
}

/// The end that a descriptor of the running process stands for.
pub(super) fn end(fd: u64) -> Result<Id, Errno> {
    match file::get(fd)? {
        Open::Channel(id) => Ok(id),
        _ => Err(Errno::EBADF),
    }
}

/// Makes an end and a descriptor of it: both, or neither.
fn add(make: impl FnOnce(&mut Channels) -> Result<Id, Errno>) -> Result<u64, Errno> {
    file::check_room()?;
    let id = change(make)?;
    let fd = file::add(Open::Channel(id))?;
    let process = task::current();
    CHANNELS.with(|all| all.hold(id, Held { process, fd }));
    Ok(fd)
}

/// Has a task of the kernel's own hold an end: what happens there wakes it.
fn hold_in_kernel(task: u64, id: Id) -> Id {
    let held = Held {
        process: task,
        fd: id,
    };
    CHANNELS.with(|all| all.hold(id, held));
    id
}

/// Opens a name for a task of the kernel.
pub(crate) fn listen_in_kernel(task: u64, name: &str) -> Result<Id, Errno> {
    change(|all| all.listen(task, name)).map(|id| hold_in_kernel(task, id))
}

/// Whether somebody listens at a name.
pub(crate) fn is_taken(name: &str) -> bool {
    CHANNELS.with(|all| all.listener(name).is_some())
}

/// The next stream that waits at such a name.
pub(crate) fn accept_in_kernel(task: u64, listener: Id) -> Result<Id, Errno> {
    change(|all| all.accept(listener)).map(|id| hold_in_kernel(task, id))
}

/// Descriptors of the running process of which there is news, with what is ready.
pub(super) fn take_news(most: usize) -> Vec<(u64, u32)> {
    let process = task::current();
    CHANNELS.with(|all| all.take_news(process, most))
}

pub(super) fn listen(name: &str) -> Result<u64, Errno> {
    let owner = task::current();
    add(|all| all.listen(owner, name))
}

pub(super) fn connect(name: &str) -> Result<u64, Errno> {
    let owner = task::current();
    add(|all| all.connect(owner, name))
}

pub(super) fn accept(fd: u64) -> Result<u64, Errno> {
    let listener = end(fd)?;
    add(|all| all.accept(listener))
}

pub(crate) fn read(id: Id, buf: &mut [u8]) -> Result<usize, Errno> {
    change(|all| all.read(id, buf))
}

pub(crate) fn write(id: Id, data: &[u8]) -> Result<usize, Errno> {
    change(|all| all.write(id, data))
}

pub(super) fn peer(fd: u64) -> Result<u64, Errno> {
    let id = end(fd)?;
    CHANNELS.with(|all| all.peer(id))
}

/// `POLL_*` bits of a descriptor.
pub(super) fn ready(fd: u64) -> Result<u32, Errno> {
    let id = end(fd)?;
    CHANNELS.with(|all| all.ready(id))
}

pub(crate) fn close(id: Id) -> Result<(), Errno> {
    change(|all| all.close(id))
}

/// How many ends there are.
pub(super) fn count() -> u64 {
    CHANNELS.with(|all| all.count()) as u64
}
