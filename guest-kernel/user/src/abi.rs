//! The system-call contract between the guest kernel and its processes: numbers, flags, errors.
//!
//! A call is the `syscall` instruction with the number in `rax` and arguments in `rdi`, `rsi`,
//! `rdx`, `r10`, `r8`, `r9`; the result is in `rax`, and a value in `-4095..=-1` is `-errno`.
//! `rcx` and `r11` are lost, everything else is kept.

/// `exit(status)`: ends the process; only the low 8 bits of the status are kept.
pub const SYS_EXIT: u64 = 0;
/// `write(fd, ptr, len) -> written`: fds 1 and 2 are the console; a stream takes what it has room
/// for, else `-EAGAIN`, and `-EPIPE` if its other end is closed.
pub const SYS_WRITE: u64 = 1;
/// `read(fd, ptr, len) -> read`: fd 0 is the console and blocks; a stream does not (`-EAGAIN`), and
/// 0 means that its other end is closed.
pub const SYS_READ: u64 = 2;
/// `yield()`: lets another process run.
pub const SYS_YIELD: u64 = 3;
/// `sleep(ns)`: blocks for at least that many nanoseconds.
pub const SYS_SLEEP: u64 = 4;
/// `getpid() -> pid`.
pub const SYS_GETPID: u64 = 5;
/// `spawn(path, path_len, args, args_len) -> pid`: arguments are NUL-separated, path excluded.
pub const SYS_SPAWN: u64 = 6;
/// `wait(pid) -> status`: blocks until that child has ended; see [`STATUS_FAULT`].
pub const SYS_WAIT: u64 = 7;
/// `open(path, len) -> fd`: a file of the ramdisk; `/dev/xvda`, a disk that another domain serves; or
/// `/mnt/xvda/...`, a file in an ext2 or ext4 file system there, as it is at that moment.
pub const SYS_OPEN: u64 = 8;
/// `fsize(fd) -> bytes`.
pub const SYS_FSIZE: u64 = 9;
/// `pread(fd, ptr, len, offset) -> read`: 0 at the end of the file. Of a disk, whole sectors of 512
/// bytes that it has, else `-EINVAL`.
pub const SYS_PREAD: u64 = 10;
/// `close(fd)`.
pub const SYS_CLOSE: u64 = 11;
/// `map_anon(pages) -> va`: zeroed memory, given page by page at first touch.
pub const SYS_MAP_ANON: u64 = 12;
/// `unmap(va, pages)`: exactly one earlier mapping.
pub const SYS_UNMAP: u64 = 13;
/// `clock() -> ns` since this kernel booted.
pub const SYS_CLOCK: u64 = 14;
/// `kill(pid)`: ends another process with [`STATUS_KILLED`].
pub const SYS_KILL: u64 = 15;
/// `readdir(index, ptr, len) -> name length`: the names of the ramdisk, `-ENOENT` past the last.
pub const SYS_READDIR: u64 = 16;
/// `info(what) -> value`: one of the `INFO_*` figures.
pub const SYS_INFO: u64 = 17;
/// `shutdown(reason)`: ends the domain with a `SHUTDOWN_*` reason of `xen/sched.h`.
pub const SYS_SHUTDOWN: u64 = 18;
/// `balloon(target_pages) -> pages now`: gives pages to the hypervisor or takes them back.
pub const SYS_BALLOON: u64 = 19;
/// `vcpus(count) -> vcpus up`: brings vCPUs of the domain up, or takes them down.
pub const SYS_VCPUS: u64 = 20;
/// `listen(name, len) -> fd`: opens a name of up to [`CHANNEL_NAME_MAX`] bytes for streams from
/// other processes; `-EEXIST` if it is taken.
pub const SYS_LISTEN: u64 = 21;
/// `connect(name, len) -> fd`: a stream to whoever listens there, which need not have accepted it;
/// `-ENOENT` without a listener, `-EAGAIN` if too many wait there already.
pub const SYS_CONNECT: u64 = 22;
/// `accept(fd) -> fd`: the next stream that waits at a listener, else `-EAGAIN`.
pub const SYS_ACCEPT: u64 = 23;
/// `peer(fd) -> pid`: the process that has, or had, the other end of a stream.
pub const SYS_PEER: u64 = 24;
/// `poll(entries, count, timeout_ns) -> ready`: waits until one of the [`Poll`] entries is ready,
/// of which there are at most [`POLL_MAX`], and fills in all `ready` fields.
pub const SYS_POLL: u64 = 25;
/// `alive(pid) -> 1` while that process has not ended, else 0.
pub const SYS_ALIVE: u64 = 26;
/// `news(entries, count, timeout_ns) -> filled`: waits until something has happened to a descriptor
/// of a channel or an event channel of the process since it was last told so, and fills in at most
/// `count` [`Poll`] entries, one for each: of a descriptor, what is ready now; events of event
/// channels are taken. What happens is bytes that come, room where there was none, a stream that
/// waits at a listener, and the close of the other end. It takes no time to have many of them.
pub const SYS_NEWS: u64 = 31;
/// `keep(name, name_len, ptr, len) -> bytes kept`: dom0 only; appends up to [`KEPT_MAX`] bytes to what
/// the kernel keeps by that name, which outlives the process; all of them or none.
pub const SYS_KEEP: u64 = 27;
/// `kept(name, name_len, ptr, len, offset) -> read`: dom0 only; `-ENOENT` for a name by which nothing
/// is kept, 0 at the end.
pub const SYS_KEPT: u64 = 28;
/// `keep_as(name, name_len, other, other_len)`: dom0 only; what is kept by a name is kept by another
/// from now on, instead of what was; by none, with an empty one.
pub const SYS_KEEP_AS: u64 = 29;

/// `hypercall(nr, a0, a1, a2, a3, a4)`: an allow-list passed through unchanged, which outside of
/// dom0 is short: event channels and devices' interrupts.
pub const SYS_HYPERCALL: u64 = 32;
/// `map_foreign(domid, mfns, count, writable) -> va`: dom0 only, all frames or none.
pub const SYS_MAP_FOREIGN: u64 = 33;
/// `evtchn_wait(port, timeout_ns)`: 0 or `-ETIMEDOUT`; consumes the event.
pub const SYS_EVTCHN_WAIT: u64 = 34;
/// `console_poll(timeout_ns) -> 1 if input waits, else 0`.
pub const SYS_CONSOLE_POLL: u64 = 36;
/// `console_mode(raw)`: 1 gives every byte unedited and unechoed, 0 gives edited lines.
pub const SYS_CONSOLE_MODE: u64 = 37;

/// `grant_map(domid, refs, count, writable, statuses) -> va`: maps pages that a domain grants, in
/// order, all or none. `refs` are `u32`, at most [`GRANTS_MAX`]; `statuses` receives an `i16` for
/// each, `GNTST_*`. `-EACCES` if one of them is not 0. `unmap` undoes it, and so does the end.
pub const SYS_GRANT_MAP: u64 = 40;
/// `grant_copy(ops, count)`: `struct gnttab_copy` of `xen/grant_table.h`, at most [`GRANTS_MAX`], with
/// each status filled in. A side that is no grant names the domain `DOMID_SELF`, in `u` an address
/// of this process, and 0 as the offset; it stays in its page.
pub const SYS_GRANT_COPY: u64 = 41;
/// `dma_alloc(pages, address) -> va`: zeroed memory that a device may reach, with frames that follow
/// one another; at `address` their machine address is written. A power of two, at most
/// [`DMA_PAGES_MAX`]. `unmap` gives it back.
pub const SYS_DMA_ALLOC: u64 = 42;
/// `iomem_map(machine address, len) -> va`: registers of a device, uncached; from a page boundary on.
/// `unmap` undoes it.
pub const SYS_IOMEM_MAP: u64 = 43;
/// `pci_read(place) -> value`: four bytes of PCI configuration space, at bus (bits 16 to 23), device
/// and function (8 to 15), and an offset that is a multiple of 4. Outside of dom0 it is that of the
/// devices that the domain was given, on a bus of their own; `-ENODEV` as long as there are none.
pub const SYS_PCI_READ: u64 = 44;
/// `pci_write(place, value)`: as `pci_read`.
pub const SYS_PCI_WRITE: u64 = 45;

/// `grant_offer(domid, writable, ref) -> va`: a page of zeroes that a domain may use by the
/// reference, an `u32` that is written at `ref`. `unmap` ends that, and so does the end; if the
/// domain has it mapped still, the page comes back when it lets go.
pub const SYS_GRANT_OFFER: u64 = 46;

/// `pwrite(fd, ptr, len, offset) -> written`: to a disk, whole sectors, all of them or an error; when it
/// returns, whoever serves the disk has taken them. `-EACCES` if it is to be read only.
pub const SYS_PWRITE: u64 = 47;
/// `flush(fd)`: returns when what was written to a disk stays written.
pub const SYS_FLUSH: u64 = 48;
/// `discard(fd, offset, len)`: what is in whole sectors of a disk may be forgotten; until they are written
/// again, anything may be read there. `-EACCES` if it is to be read only, `-EOPNOTSUPP` if whoever serves
/// it does not offer that.
pub const SYS_DISCARD: u64 = 49;

/// `fork() -> pid`, and 0 in the process that this starts: it has the memory of the caller as it is
/// now, and its descriptors of files of the ramdisk and of disks. Everything else stays the caller's
/// alone: streams, event channels, pages of other domains, or that these or devices reach. Memory that
/// neither of the two has written since cannot be written by a hypercall.
pub const SYS_FORK: u64 = 51;
/// `exec(path, path_len, args, args_len)`: as `spawn`, in the place of the running program, which does
/// not go on; the process stays, with its number, descriptors and event channels. On an error, it goes on.
pub const SYS_EXEC: u64 = 52;

/// The most grants of one call.
pub const GRANTS_MAX: u64 = 512;
/// The most pages for a device that follow one another.
pub const DMA_PAGES_MAX: u64 = 64;

/// `net_address(fd, ptr)`: writes the six bytes of a network interface's address.
pub const SYS_NET_ADDRESS: u64 = 50;

/// The longest name of a listener, in bytes.
pub const CHANNEL_NAME_MAX: u64 = 64;
/// The most bytes that are added at once to what is kept.
pub const KEPT_MAX: u64 = 1 << 20;
/// The most entries of one poll.
pub const POLL_MAX: u64 = 8192;

/// [`Poll::kind`]: `id` is a descriptor of a listener or a stream.
pub const POLL_FD: u32 = 0;
/// [`Poll::kind`]: `id` is an event channel that the process has bound; it is readable while
/// an event waits, which [`SYS_EVTCHN_WAIT`] takes.
pub const POLL_PORT: u32 = 1;
/// [`Poll::kind`]: console input; `id` is 0.
pub const POLL_CONSOLE: u32 = 2;
/// A read (of a listener: an accept) does not meet `EAGAIN`.
pub const POLL_READABLE: u32 = 1;
/// A write does not meet `EAGAIN`.
pub const POLL_WRITABLE: u32 = 2;
/// The other end is closed: told whether it was wanted or not.
pub const POLL_HUNG_UP: u32 = 4;

/// What a poll watches.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poll {
    /// One of [`POLL_FD`], [`POLL_PORT`], [`POLL_CONSOLE`].
    pub kind: u32,
    /// Which one of that kind.
    pub id: u32,
    /// `POLL_READABLE` and `POLL_WRITABLE`, as wanted.
    pub wanted: u32,
    /// The kernel's answer: those of the wanted that hold, and `POLL_HUNG_UP`.
    pub ready: u32,
}

/// Own domain id.
pub const INFO_DOMID: u64 = 0;
/// 1 in the control domain, else 0.
pub const INFO_IS_DOM0: u64 = 1;
/// Pages the domain owns now.
pub const INFO_PAGES: u64 = 2;
/// Pages nobody in the domain uses.
pub const INFO_FREE_PAGES: u64 = 3;
/// How often the calling process was pre-empted by the timer.
pub const INFO_PREEMPTIONS_SELF: u64 = 4;
/// How often any process was pre-empted by the timer.
pub const INFO_PREEMPTIONS: u64 = 5;
/// Page faults answered with memory (demand zero, stack growth).
pub const INFO_FAULTS_SERVED: u64 = 6;
/// Processes ended because they faulted.
pub const INFO_FAULTS_FATAL: u64 = 7;
/// Event-channel notifications taken.
pub const INFO_EVENTS: u64 = 8;
/// System calls served.
pub const INFO_SYSCALLS: u64 = 9;
/// Pages the domain was started with, the balloon's upper end.
pub const INFO_PAGES_AT_BOOT: u64 = 10;
/// Processes that exist.
pub const INFO_PROCESSES: u64 = 11;
/// Seconds since 1970, from the hypervisor's wallclock.
pub const INFO_WALLCLOCK: u64 = 12;
/// Listeners and ends of streams that exist.
pub const INFO_CHANNELS: u64 = 13;

/// Pages that were granted to other domains and are kept by them, though the grant is over.
pub const INFO_PAGES_KEPT: u64 = 14;

/// Set in the status of a process ended by a processor exception; the low 8 bits are its vector.
pub const STATUS_FAULT: i64 = 0x100;
/// The status of a process ended by `kill`.
pub const STATUS_KILLED: i64 = 0x200;

/// The longest `-errno` a result can be.
pub const MAX_ERRNO: i64 = 4095;
/// First address of a program image.
pub const USER_BASE: u64 = 0x40_0000;
/// End of what a process can map: one L4 slot, the lowest.
pub const USER_END: u64 = 0x80_0000_0000;

/// An error of a system call or, through the door, of a hypercall: a positive errno value.
///
/// The values are those of `xen/errno.h`, which agree with the system-call errors of Unix.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i64);

macro_rules! errnos {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Self = Self($value);)*

            /// The error in plain words.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    _ => "unknown error",
                }
            }

            /// The symbolic name, as in `xen/errno.h` without its prefix.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    _ => "E?",
                }
            }
        }
    };
}

errnos! {
    EPERM = 1, "operation not permitted";
    ENOENT = 2, "no such file";
    ESRCH = 3, "no such process or domain";
    EIO = 5, "input/output error";
    E2BIG = 7, "too much";
    ENOEXEC = 8, "not an executable";
    EBADF = 9, "bad file descriptor";
    ECHILD = 10, "no such child";
    EAGAIN = 11, "try again";
    ENOMEM = 12, "out of memory";
    EACCES = 13, "access denied";
    EFAULT = 14, "bad address";
    EBUSY = 16, "busy";
    EEXIST = 17, "exists already";
    EXDEV = 18, "cross-device";
    ENODEV = 19, "no such device";
    EINVAL = 22, "invalid argument";
    EMFILE = 24, "too many open files";
    ENOSPC = 28, "no space left";
    EPIPE = 32, "the other end is closed";
    ERANGE = 34, "out of range";
    ENOSYS = 38, "not implemented";
    ENODATA = 61, "no data";
    EOPNOTSUPP = 95, "not supported";
    ETIMEDOUT = 110, "timed out";
}

impl core::fmt::Debug for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} (errno {})", self.text(), self.0)
    }
}

impl core::error::Error for Errno {}

/// Splits a raw result into value and error.
pub fn result(raw: i64) -> Result<u64, Errno> {
    if (-MAX_ERRNO..0).contains(&raw) {
        Err(Errno(-raw))
    } else {
        Ok(raw.cast_unsigned())
    }
}
