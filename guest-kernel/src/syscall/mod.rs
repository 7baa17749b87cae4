//! System calls: the table of `guest_user::abi`, served.

pub(crate) mod channel;
mod door;
mod file;
mod kept;
mod poll;
mod ports;
mod shared;

use crate::dev::{console, event, grant, time};
use crate::mm::{balloon, frame, p2m, space, user};
use crate::smp::plug;
use crate::trap::TrapFrame;
use crate::{boot_info, task};
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use guest_user::abi::*;

/// The longest path and the longest argument block, in bytes.
const PATH_MAX: u64 = 256;
const ARGS_MAX: u64 = 2048;

pub(crate) use file::{Open, inherited};
pub(crate) use ports::owner_of;

static SERVED: AtomicU64 = AtomicU64::new(0);

/// Serves the call that a frame holds; returns the value for rax.
pub(crate) fn dispatch(frame: &mut TrapFrame) -> i64 {
    SERVED.fetch_add(1, Ordering::Relaxed);
    let args = [
        frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9,
    ];
    match serve(frame, args) {
        Ok(value) => value.cast_signed(),
        Err(errno) => -errno.0,
    }
}

/// A program to run, and its arguments.
fn program(path: u64, path_len: u64, args: u64, len: u64) -> Result<(String, Vec<u8>), Errno> {
    let path = user::read_str(path, path_len, PATH_MAX)?;
    if len > ARGS_MAX {
        return Err(Errno::E2BIG);
    }
    Ok((path, user::read(args, len)?))
}

/// A deadline `ns` from now.
fn deadline(ns: u64) -> u64 {
    time::system_time().saturating_add(ns)
}

fn serve(frame: &mut TrapFrame, [a0, a1, a2, a3, a4, a5]: [u64; 6]) -> Result<u64, Errno> {
    match frame.rax {
        SYS_EXIT => task::exit((a0 & 0xff).cast_signed()),
        SYS_WRITE => file::write(a0, a1, a2),
        SYS_READ => file::read(a0, a1, a2),
        SYS_YIELD => {
            task::yield_now();
            Ok(0)
        }
        SYS_SLEEP => task::block(task::Wait::Time, deadline(a0)).map(|_| 0),
        SYS_GETPID => Ok(task::current()),
        SYS_SPAWN => {
            let (path, args) = program(a0, a1, a2, a3)?;
            task::spawn_process(&path, &args)
        }
        SYS_FORK => task::fork(frame),
        SYS_EXEC => {
            let (path, args) = program(a0, a1, a2, a3)?;
            task::exec(frame, &path, &args).map(|()| 0)
        }
        SYS_WAIT => task::wait(a0).map(i64::cast_unsigned),
        SYS_OPEN => file::open(&user::read_str(a0, a1, PATH_MAX)?),
        SYS_FSIZE => file::size(a0),
        SYS_PREAD => file::pread(a0, a1, a2, a3),
        SYS_PWRITE => file::pwrite(a0, a1, a2, a3),
        SYS_FLUSH => file::flush(a0),
        SYS_DISCARD => file::discard(a0, a1, a2),
        SYS_CLOSE => file::close(a0),
        SYS_MAP_ANON => with_space(|space| space.map_anon(a0)),
        SYS_UNMAP => with_space(|space| space.unmap(a0, a1)).map(|()| 0),
        SYS_CLOCK => Ok(time::uptime()),
        SYS_KILL => task::kill(a0).map(|()| 0),
        SYS_READDIR => file::readdir(a0, a1, a2),
        SYS_INFO => info(a0),
        SYS_SHUTDOWN => crate::shut_down(a0),
        SYS_BALLOON => balloon::set_target(a0),
        SYS_VCPUS => plug::set_count(a0),
        SYS_LISTEN => channel::listen(&user::read_str(a0, a1, CHANNEL_NAME_MAX)?),
        SYS_CONNECT => channel::connect(&user::read_str(a0, a1, CHANNEL_NAME_MAX)?),
        SYS_ACCEPT => channel::accept(a0),
        SYS_PEER => channel::peer(a0),
        SYS_POLL => poll::poll(a0, a1, a2),
        SYS_NEWS => poll::news(a0, a1, a2),
        SYS_KEEP | SYS_KEPT | SYS_KEEP_AS if !boot_info().is_dom0() => Err(Errno::EPERM),
        SYS_KEEP => kept::append(
            &user::read_str(a0, a1, CHANNEL_NAME_MAX)?,
            &user::read(a2, a3)?,
        ),
        SYS_KEPT => {
            let name = user::read_str(a0, a1, CHANNEL_NAME_MAX)?;
            let mut buf = buffer(a3)?;
            let count = kept::read(&name, a4, &mut buf)?;
            user::write(a2, &buf[..count])?;
            Ok(count as u64)
        }
        SYS_KEEP_AS => {
            let from = user::read_str(a0, a1, CHANNEL_NAME_MAX)?;
            let to = user::read_str(a2, a3, CHANNEL_NAME_MAX)?;
            kept::rename(&from, &to).map(|()| 0)
        }
        SYS_ALIVE => Ok(u64::from(task::is_alive(a0))),
        SYS_CONSOLE_POLL => poll::console(a0),
        SYS_CONSOLE_MODE => {
            console::set_raw(a0 != 0);
            Ok(0)
        }
        SYS_MAP_FOREIGN if !boot_info().is_dom0() => Err(Errno::EPERM),
        SYS_NET_ADDRESS => file::net_address(a0, a1),
        SYS_HYPERCALL => door::hypercall(a0, [a1, a2, a3, a4, a5]),
        SYS_MAP_FOREIGN => door::map_foreign(a0, a1, a2, a3),
        SYS_EVTCHN_WAIT => door::evtchn_wait(a0, a1),
        SYS_GRANT_MAP => shared::map(a0, a1, a2, a3, a4),
        SYS_GRANT_COPY => shared::copy(a0, a1),
        SYS_DMA_ALLOC => shared::dma(a0, a1),
        SYS_IOMEM_MAP => shared::io_memory(a0, a1),
        SYS_PCI_READ => shared::pci_read(a0),
        SYS_PCI_WRITE => shared::pci_write(a0, a1),
        SYS_GRANT_OFFER => shared::offer(a0, a1, a2),
        _ => Err(Errno::ENOSYS),
    }
}

fn with_space<R>(f: impl FnOnce(&mut space::AddressSpace) -> Result<R, Errno>) -> Result<R, Errno> {
    task::with_space(f).ok_or(Errno::EFAULT)?
}

fn info(what: u64) -> Result<u64, Errno> {
    Ok(match what {
        INFO_DOMID => u64::from(event::own_domid()?),
        INFO_IS_DOM0 => u64::from(boot_info().is_dom0()),
        INFO_PAGES => balloon::owned(),
        INFO_FREE_PAGES => frame::free_count(),
        INFO_PREEMPTIONS_SELF => task::preemptions().0,
        INFO_PREEMPTIONS => task::preemptions().1,
        INFO_FAULTS_SERVED => space::FAULTS_SERVED.load(Ordering::Relaxed),
        INFO_FAULTS_FATAL => task::fatal_faults(),
        INFO_EVENTS => event::taken(),
        INFO_SYSCALLS => SERVED.load(Ordering::Relaxed),
        INFO_PAGES_AT_BOOT => p2m::pages(),
        INFO_PROCESSES => task::processes(),
        INFO_WALLCLOCK => time::wallclock(),
        INFO_CHANNELS => channel::count(),
        INFO_PAGES_KEPT => grant::kept_by_others(),
        _ => return Err(Errno::EINVAL),
    })
}

/// Gives back what a process that ends holds besides memory. It runs for the last time.
pub(crate) fn clean_up(pid: u64) {
    file::close_all();
    ports::close_all(pid);
}

/// A zeroed buffer for at most `len` bytes.
fn buffer(len: u64) -> Result<Vec<u8>, Errno> {
    let len = len.min(user::COPY_MAX) as usize;
    let mut buf = Vec::new();
    buf.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    buf.resize(len, 0);
    Ok(buf)
}
