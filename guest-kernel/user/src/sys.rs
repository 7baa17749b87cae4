//! System calls, one safe function each where the kernel checks everything, `unsafe` where the
//! call can change memory that this program's own types vouch for.

use crate::abi::*;
use core::arch::asm;
use hypercall_abi::grant_table::gnttab_copy;

/// The result of a call that returns a value.
pub type SysResult<T> = Result<T, Errno>;

/// Makes a raw system call.
///
/// # Safety
/// The call must not make the kernel or the hypervisor write memory of this process, or unmap it,
/// in a way its types do not allow.
pub unsafe fn raw(nr: u64, a: [u64; 6]) -> i64 {
    let result: i64;
    // SAFETY: the kernel keeps every register but rax, rcx and r11, and does not use this stack;
    // what it does to memory is the caller's obligation.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") nr.cast_signed() => result,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// A call whose arguments are plain values: the kernel writes no memory of this process.
fn call(nr: u64, a0: u64, a1: u64, a2: u64, a3: u64) -> SysResult<u64> {
    // SAFETY: used only for numbers that read at most the buffers whose borrow the caller holds.
    result(unsafe { raw(nr, [a0, a1, a2, a3, 0, 0]) })
}

/// A call that fills `buf`; returns how much was filled.
fn fill(nr: u64, a0: u64, buf: &mut [u8], a3: u64) -> SysResult<usize> {
    let args = [a0, buf.as_mut_ptr() as u64, buf.len() as u64, a3, 0, 0];
    // SAFETY: the kernel writes at most `buf.len()` bytes at `buf`, which is borrowed mutably.
    let n = result(unsafe { raw(nr, args) })?;
    Ok((n as usize).min(buf.len()))
}

/// Ends this process.
pub fn exit(status: i32) -> ! {
    let _ = call(SYS_EXIT, status as u64, 0, 0, 0);
    unreachable!("the kernel does not return from exit")
}

/// Writes to a descriptor (1 or 2: the console, else a stream); returns how many bytes were taken.
pub fn write(fd: u64, data: &[u8]) -> SysResult<usize> {
    call(SYS_WRITE, fd, data.as_ptr() as u64, data.len() as u64, 0).map(|n| n as usize)
}

/// Reads from a descriptor; fd 0 is the console and blocks until there is a line (or, in raw mode,
/// a byte). A stream gives `EAGAIN` instead of blocking, and 0 when its other end is closed.
pub fn read(fd: u64, buf: &mut [u8]) -> SysResult<usize> {
    fill(SYS_READ, fd, buf, 0)
}

/// Lets another process run.
pub fn yield_now() {
    let _ = call(SYS_YIELD, 0, 0, 0, 0);
}

/// Sleeps for at least `ns` nanoseconds.
pub fn sleep(ns: u64) {
    let _ = call(SYS_SLEEP, ns, 0, 0, 0);
}

/// The number of this process.
pub fn getpid() -> u64 {
    call(SYS_GETPID, 0, 0, 0, 0).unwrap_or(0)
}

/// Starts a program of the ramdisk; `args` are separated by NUL bytes and exclude the path, which
/// the program sees as its first argument.
pub fn spawn(path: &str, args: &[u8]) -> SysResult<u64> {
    call(
        SYS_SPAWN,
        path.as_ptr() as u64,
        path.len() as u64,
        args.as_ptr() as u64,
        args.len() as u64,
    )
}

/// Starts a second process with this one's memory; there it returns 0, here its number. See
/// [`SYS_FORK`] for what else it has.
pub fn fork() -> SysResult<u64> {
    call(SYS_FORK, 0, 0, 0, 0)
}

/// Runs a program in the place of this one, with arguments as [`spawn`] has them. It returns only if
/// it cannot.
pub fn exec(path: &str, args: &[u8]) -> Errno {
    let result = call(
        SYS_EXEC,
        path.as_ptr() as u64,
        path.len() as u64,
        args.as_ptr() as u64,
        args.len() as u64,
    );
    result.err().unwrap_or(Errno::EINVAL)
}

/// Waits for a child to end and returns its status: 0 to 255 from `exit`, `STATUS_FAULT | vector`
/// after a fault, `STATUS_KILLED` after `kill`.
pub fn wait(pid: u64) -> SysResult<i64> {
    call(SYS_WAIT, pid, 0, 0, 0).map(u64::cast_signed)
}

/// Opens a file of the ramdisk for reading.
pub fn open(path: &str) -> SysResult<u64> {
    call(SYS_OPEN, path.as_ptr() as u64, path.len() as u64, 0, 0)
}

/// The length of an open file in bytes.
pub fn fsize(fd: u64) -> SysResult<u64> {
    call(SYS_FSIZE, fd, 0, 0, 0)
}

/// Reads from a place in an open file; 0 is its end.
pub fn pread(fd: u64, buf: &mut [u8], offset: u64) -> SysResult<usize> {
    fill(SYS_PREAD, fd, buf, offset)
}

/// Writes whole sectors to a disk.
pub fn pwrite(fd: u64, data: &[u8], offset: u64) -> SysResult<()> {
    let (ptr, len) = (data.as_ptr() as u64, data.len() as u64);
    call(SYS_PWRITE, fd, ptr, len, offset).map(drop)
}

/// Returns when what was written to a disk stays written.
pub fn flush(fd: u64) -> SysResult<()> {
    call(SYS_FLUSH, fd, 0, 0, 0).map(drop)
}

/// Lets the contents of whole sectors of a disk be forgotten.
pub fn discard(fd: u64, offset: u64, len: u64) -> SysResult<()> {
    call(SYS_DISCARD, fd, offset, len, 0).map(drop)
}

/// Closes a file descriptor.
pub fn close(fd: u64) -> SysResult<()> {
    call(SYS_CLOSE, fd, 0, 0, 0).map(drop)
}

/// Maps zeroed pages; memory is taken when a page is first touched.
pub fn map_anon(pages: u64) -> SysResult<*mut u8> {
    call(SYS_MAP_ANON, pages, 0, 0, 0).map(|va| va as *mut u8)
}

/// Undoes one mapping of any kind, whole.
///
/// # Safety
/// Nothing may use the mapping afterwards.
pub unsafe fn unmap(va: *mut u8, pages: u64) -> SysResult<()> {
    // SAFETY: the caller gives the mapping up.
    result(unsafe { raw(SYS_UNMAP, [va as u64, pages, 0, 0, 0, 0]) }).map(drop)
}

/// Nanoseconds since the kernel booted.
pub fn clock() -> u64 {
    call(SYS_CLOCK, 0, 0, 0, 0).unwrap_or(0)
}

/// Ends another process.
pub fn kill(pid: u64) -> SysResult<()> {
    call(SYS_KILL, pid, 0, 0, 0).map(drop)
}

/// The name of the ramdisk's file number `index`, cut to `buf`; returns its full length.
pub fn readdir(index: u64, buf: &mut [u8]) -> SysResult<usize> {
    let args = [index, buf.as_mut_ptr() as u64, buf.len() as u64, 0, 0, 0];
    // SAFETY: the kernel writes at most `buf.len()` bytes at `buf`, which is borrowed mutably.
    result(unsafe { raw(SYS_READDIR, args) }).map(|n| n as usize)
}

/// The address of a network interface that is open.
pub fn net_address(fd: u64) -> SysResult<[u8; 6]> {
    let mut address = [0; 6];
    let args = [fd, address.as_mut_ptr() as u64, 0, 0, 0, 0];
    // SAFETY: the kernel writes six bytes into the array, which is borrowed mutably.
    result(unsafe { raw(SYS_NET_ADDRESS, args) }).map(|_| address)
}

/// One of the `INFO_*` figures.
pub fn info(what: u64) -> SysResult<u64> {
    call(SYS_INFO, what, 0, 0, 0)
}

/// Shuts the domain down with a `SHUTDOWN_*` reason; returns only if that was refused.
pub fn shutdown(reason: u64) -> Errno {
    call(SYS_SHUTDOWN, reason, 0, 0, 0)
        .err()
        .unwrap_or(Errno::EIO)
}

/// Moves the domain's size towards `target_pages` and returns the pages it then has.
pub fn balloon(target_pages: u64) -> SysResult<u64> {
    call(SYS_BALLOON, target_pages, 0, 0, 0)
}

/// Has the domain use `count` vCPUs and returns how many are up.
pub fn vcpus(count: u64) -> SysResult<u64> {
    call(SYS_VCPUS, count, 0, 0, 0)
}

/// Opens a name for streams of other processes.
pub fn listen(name: &str) -> SysResult<u64> {
    call(SYS_LISTEN, name.as_ptr() as u64, name.len() as u64, 0, 0)
}

/// A stream to the process that listens at `name`; it need not have accepted it.
pub fn connect(name: &str) -> SysResult<u64> {
    call(SYS_CONNECT, name.as_ptr() as u64, name.len() as u64, 0, 0)
}

/// The next stream that waits at a listener; `Err(EAGAIN)` if none does.
pub fn accept(fd: u64) -> SysResult<u64> {
    call(SYS_ACCEPT, fd, 0, 0, 0)
}

/// The process that has the other end of a stream, or had it before it ended.
pub fn peer(fd: u64) -> SysResult<u64> {
    call(SYS_PEER, fd, 0, 0, 0)
}

/// Waits up to `timeout_ns` until something of `entries` is ready; returns how many are, and fills
/// in what is.
pub fn poll(entries: &mut [Poll], timeout_ns: u64) -> SysResult<usize> {
    let args = [
        entries.as_mut_ptr() as u64,
        entries.len() as u64,
        timeout_ns,
        0,
        0,
        0,
    ];
    // SAFETY: the kernel writes at most these entries, which are borrowed mutably and may hold any
    // numbers.
    result(unsafe { raw(SYS_POLL, args) }).map(|n| n as usize)
}

/// Waits up to `timeout_ns` until something happens to this process's descriptors of channels, or to
/// its event channels; fills in what, from the first entry on, and returns how many are filled in.
pub fn news(entries: &mut [Poll], timeout_ns: u64) -> SysResult<usize> {
    let args = [
        entries.as_mut_ptr() as u64,
        entries.len() as u64,
        timeout_ns,
        0,
        0,
        0,
    ];
    // SAFETY: the kernel writes at most these entries, which are borrowed mutably and may hold any
    // numbers.
    result(unsafe { raw(SYS_NEWS, args) }).map(|n| (n as usize).min(entries.len()))
}

/// Has the kernel keep bytes behind those that it keeps by that name; how many there are then.
pub fn keep(name: &str, data: &[u8]) -> SysResult<u64> {
    call(
        SYS_KEEP,
        name.as_ptr() as u64,
        name.len() as u64,
        data.as_ptr() as u64,
        data.len() as u64,
    )
}

/// Reads what is kept by a name, from an offset on; 0 is the end.
pub fn kept(name: &str, buf: &mut [u8], offset: u64) -> SysResult<usize> {
    let args = [
        name.as_ptr() as u64,
        name.len() as u64,
        buf.as_mut_ptr() as u64,
        buf.len() as u64,
        offset,
        0,
    ];
    // SAFETY: the kernel writes at most `buf.len()` bytes at `buf`, which is borrowed mutably.
    let n = result(unsafe { raw(SYS_KEPT, args) })?;
    Ok((n as usize).min(buf.len()))
}

/// Has what is kept by a name kept by another instead, or, with an empty one, no more.
pub fn keep_as(name: &str, other: &str) -> SysResult<()> {
    call(
        SYS_KEEP_AS,
        name.as_ptr() as u64,
        name.len() as u64,
        other.as_ptr() as u64,
        other.len() as u64,
    )
    .map(drop)
}

/// Whether a process has not ended.
pub fn alive(pid: u64) -> bool {
    call(SYS_ALIVE, pid, 0, 0, 0) == Ok(1)
}

/// Passes a hypercall through; addresses in `args` and in the structures they point to are
/// addresses of this process, in memory it has already touched.
///
/// # Safety
/// Every buffer the hypervisor may write must be valid for that and not otherwise borrowed.
pub unsafe fn hypercall(nr: u64, args: [u64; 5]) -> SysResult<u64> {
    let [a0, a1, a2, a3, a4] = args;
    // SAFETY: passed on to the caller.
    result(unsafe { raw(SYS_HYPERCALL, [nr, a0, a1, a2, a3, a4]) })
}

/// Maps frames of another domain, in order, as one range; all of them or none.
pub fn map_foreign(domid: u16, mfns: &[u64], writable: bool) -> SysResult<*mut u8> {
    call(
        SYS_MAP_FOREIGN,
        u64::from(domid),
        mfns.as_ptr() as u64,
        mfns.len() as u64,
        u64::from(writable),
    )
    .map(|va| va as *mut u8)
}

/// Maps pages that a domain grants, in order, all or none; what came of each is in `statuses`, which
/// is as long as `refs`. The domain may write them, and end the grant, at any time.
///
/// # Panics
/// If the lists differ in length.
pub fn grant_map(
    domid: u16,
    refs: &[u32],
    writable: bool,
    statuses: &mut [i16],
) -> SysResult<*mut u8> {
    assert_eq!(refs.len(), statuses.len(), "a status for each grant");
    let args = [
        u64::from(domid),
        refs.as_ptr() as u64,
        refs.len() as u64,
        u64::from(writable),
        statuses.as_mut_ptr() as u64,
        0,
    ];
    // SAFETY: the kernel writes the statuses, which are borrowed mutably.
    result(unsafe { raw(SYS_GRANT_MAP, args) }).map(|va| va as *mut u8)
}

/// A page of zeroes that a domain may use, and the reference by which it does.
pub fn grant_offer(domid: u16, writable: bool) -> SysResult<(*mut u8, u32)> {
    let mut gref = 0_u32;
    let args = [domid.into(), writable.into(), &raw mut gref as u64, 0, 0, 0];
    // SAFETY: the kernel writes the reference into the variable.
    let va = result(unsafe { raw(SYS_GRANT_OFFER, args) })?;
    Ok((va as *mut u8, gref))
}

/// Copies between grants and memory of this process; see `SYS_GRANT_COPY`.
///
/// # Safety
/// What the copies write in this process must not be borrowed, and may hold any bytes.
pub unsafe fn grant_copy(ops: &mut [gnttab_copy]) -> SysResult<()> {
    let args = [ops.as_mut_ptr() as u64, ops.len() as u64, 0, 0, 0, 0];
    // SAFETY: the kernel writes the statuses into `ops`, which are borrowed mutably; the rest is
    // passed on to the caller.
    result(unsafe { raw(SYS_GRANT_COPY, args) }).map(drop)
}

/// Zeroed pages for a device, a power of two, and the machine address of the first.
pub fn dma_alloc(pages: u64) -> SysResult<(*mut u8, u64)> {
    let mut address = 0_u64;
    let args = [pages, &raw mut address as u64, 0, 0, 0, 0];
    // SAFETY: the kernel writes the address into the variable.
    let va = result(unsafe { raw(SYS_DMA_ALLOC, args) })?;
    Ok((va as *mut u8, address))
}

/// Maps a device's registers.
pub fn iomem_map(address: u64, len: u64) -> SysResult<*mut u8> {
    call(SYS_IOMEM_MAP, address, len, 0, 0).map(|va| va as *mut u8)
}

/// Reads four bytes of PCI configuration space; see `SYS_PCI_READ`.
pub fn pci_read(place: u32) -> SysResult<u32> {
    call(SYS_PCI_READ, place.into(), 0, 0, 0).map(|value| value as u32)
}

/// Writes four bytes of PCI configuration space.
///
/// # Safety
/// No device may be told to write to memory that is not meant for it.
pub unsafe fn pci_write(place: u32, value: u32) -> SysResult<()> {
    call(SYS_PCI_WRITE, place.into(), value.into(), 0, 0).map(drop)
}

/// Waits until the event channel `port`, bound through [`hypercall`], is notified, and consumes
/// the notification. `Err(ETIMEDOUT)` after `timeout_ns`; 0 only asks.
pub fn evtchn_wait(port: u32, timeout_ns: u64) -> SysResult<()> {
    call(SYS_EVTCHN_WAIT, u64::from(port), timeout_ns, 0, 0).map(drop)
}

/// Waits up to `timeout_ns` for console input; true if a read would not block.
pub fn console_poll(timeout_ns: u64) -> bool {
    call(SYS_CONSOLE_POLL, timeout_ns, 0, 0, 0) == Ok(1)
}

/// Chooses between raw bytes and edited, echoed lines.
pub fn console_mode(raw: bool) {
    let _ = call(SYS_CONSOLE_MODE, u64::from(raw), 0, 0, 0);
}
