//! `console_io` (xen.h), and console input.

use arrayvec::ArrayVec;
use hypercall_abi::xen::{CONSOLEIO_read, CONSOLEIO_write, VIRQ_CON_RING, VIRQ_CONSOLE};

use crate::error::{Errno, HypercallResult, Stop};
use crate::evtchn::virq;
use crate::guest::{copy_in_bytes, copy_out_bytes};
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::{Machine, Nanos};

/// Bytes that are copied at once.
const CHUNK: usize = 128;
/// Budget units of a chunk: what it takes to send it.
const CHUNK_UNITS: u32 = 64;
/// Longest line of a guest; longer ones are broken.
const LINE: usize = 160;
/// Lines that a guest may write in one [`WINDOW`]; more are dropped, and counted.
const LINES: u32 = 64;
/// The time over which [`LINES`] counts.
const WINDOW: Nanos = 1_000_000_000;

/// What is known of a domain's output; for an unprivileged domain, what it needs to become whole
/// lines at a bounded rate.
#[derive(Clone, Debug, Default)]
pub struct GuestConsole {
    /// It wrote something.
    begun: bool,
    line: ArrayVec<u8, LINE>,
    window: Nanos,
    written: u32,
    dropped: u32,
}

impl GuestConsole {
    /// Adds a byte; `emit` gets each line that ends, without its newline.
    fn push(&mut self, byte: u8, now: Nanos, mut emit: impl FnMut(&[u8])) {
        if byte != b'\n' {
            // What moves the cursor could forge other lines.
            if matches!(byte, b' '..=b'~' | b'\t') {
                self.line.push(byte);
            }
            if !self.line.is_full() {
                return;
            }
        }
        if now.saturating_sub(self.window) >= WINDOW {
            self.window = now;
            self.written = 0;
            if self.dropped != 0 {
                let mut note = arrayvec::ArrayString::<32>::new();
                let text = format_args!("{} lines dropped", self.dropped);
                let _ = core::fmt::Write::write_fmt(&mut note, text);
                emit(note.as_bytes());
                self.dropped = 0;
            }
        }
        if self.written < LINES {
            self.written += 1;
            emit(&self.line);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
        self.line.clear();
    }
}

/// The log grew: raises `VIRQ_CON_RING` in dom0.
#[cold]
pub fn log_grew<M: Machine>(hv: &Hypervisor<M>) {
    virq::send_to_control_domain(hv, VIRQ_CON_RING);
}

/// Console input arrived: raises `VIRQ_CONSOLE` in dom0.
pub fn input<M: Machine>(hv: &Hypervisor<M>) {
    virq::send_to_control_domain(hv, VIRQ_CONSOLE);
}

/// `console_io(cmd, count, buffer)`.
///
/// # Errors
/// `EPERM` for other domains than dom0, unless the command line lets them write; `ENOSYS` for an
/// unknown command; `E2BIG` for reading more than 2 GiB; `EFAULT`.
pub fn console_io<M: Machine>(
    cx: &mut Cx<'_, M>,
    cmd: u64,
    count: u64,
    buffer: u64,
) -> HypercallResult {
    let may_write = cx.dom.is_privileged() || cx.hv.config.verbose_guests;
    let count = count as u32;
    match cmd as u32 {
        CONSOLEIO_write if may_write => write(cx, buffer, count),
        CONSOLEIO_read if cx.dom.is_privileged() => read(cx, buffer, count),
        CONSOLEIO_write | CONSOLEIO_read => Err(Errno::EPERM.into()),
        _ => Err(Errno::ENOSYS.into()),
    }
}

fn write<M: Machine>(cx: &mut Cx<'_, M>, buffer: u64, count: u32) -> HypercallResult {
    let count = u64::from(count);
    let mut done = cx.resume_at();
    while done < count {
        if !cx.budget.take(CHUNK_UNITS) {
            cx.suspend_at(done);
            return Err(Stop::Retry);
        }
        let mut chunk = [0; CHUNK];
        let len = (count - done).min(CHUNK as u64);
        let part = chunk.get_mut(..len as usize).unwrap_or_default();
        let at = buffer.checked_add(done).ok_or(Errno::EFAULT)?;
        copy_in_bytes(cx.m(), at, part)?;
        put(cx, part);
        done += len;
    }
    Ok(0)
}

/// Writes as dom0, raw, or as another domain, in lines that say whose they are.
fn put<M: Machine>(cx: &Cx<'_, M>, bytes: &[u8]) {
    let m = cx.m();
    let now = m.now();
    let mut state = cx.dom.lock();
    let first = !core::mem::replace(&mut state.console.begun, true);
    if cx.dom.is_privileged() {
        drop(state);
        if first {
            log::info!(
                "dom0's first console output {} us after the first instruction",
                now / 1000
            );
        }
        m.console_write(bytes);
        return;
    }
    for &byte in bytes {
        state.console.push(byte, now, |line| {
            m.console_write(&labelled(cx.dom.id(), line))
        });
    }
}

/// `line` as it appears on the console.
fn labelled(domain: u16, line: &[u8]) -> ArrayVec<u8, { LINE + 16 }> {
    let mut label = arrayvec::ArrayString::<16>::new();
    let _ = core::fmt::Write::write_fmt(&mut label, format_args!("(d{domain}) "));
    let mut all = ArrayVec::new();
    let newline = core::iter::once(b'\n');
    all.extend(
        label
            .bytes()
            .chain(line.iter().copied().take(LINE))
            .chain(newline),
    );
    all
}

fn read<M: Machine>(cx: &mut Cx<'_, M>, buffer: u64, count: u32) -> HypercallResult {
    if count > i32::MAX as u32 {
        return Err(Errno::E2BIG.into());
    }
    let mut chunk = ArrayVec::<u8, CHUNK>::new();
    while chunk.len() < (count as usize).min(CHUNK) {
        let Some(byte) = cx.m().console_read() else {
            break;
        };
        chunk.push(byte);
    }
    if !chunk.is_empty() {
        copy_out_bytes(cx.m(), buffer, &chunk)?;
    }
    Ok(chunk.len() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;
    use crate::vcpu::{Vcpu, VcpuId};
    use std::string::String;
    use std::vec::Vec;

    const BUFFER: u64 = 0x40_0000;

    fn run(domain: u16, text: &[u8], cmd: u64, count: u64, va: u64) -> (HypercallResult, String) {
        let hv = testkit::hypervisor(64, 1);
        let dom = testkit::domain(hv, domain, 1, 32);
        let page = hv.alloc_domain_page(dom).unwrap();
        hv.machine.write_frame(page, 0, text);
        hv.machine.load_root(testkit::map(hv, dom, BUFFER, &[page]));
        let mut vcpu = Vcpu::new(VcpuId { domain, index: 0 }, dom.slot);
        let mut cx = testkit::context(hv, dom, &mut vcpu);
        let mut result;
        loop {
            result = console_io(&mut cx, cmd, count, va);
            if result != Err(Stop::Retry) {
                break;
            }
            cx.budget = crate::hypercall::Budget::new(CHUNK_UNITS);
        }
        (
            result,
            String::from_utf8_lossy(&hv.machine.take_console()).into_owned(),
        )
    }

    #[test]
    fn dom0_writes_raw_and_whole() {
        let text: Vec<u8> = (0..4096).map(|i| b'a' + (i % 26) as u8).collect();
        let (result, out) = run(0, &text, 0, 4096, BUFFER);
        assert_eq!(result, Ok(0));
        assert_eq!(out.as_bytes(), text);
    }

    #[test]
    fn refusals() {
        assert_eq!(
            run(1, b"hello\n", 0, 6, BUFFER),
            (Err(Errno::EPERM.into()), String::new())
        );
        assert_eq!(run(1, b"", 1, 6, BUFFER).0, Err(Errno::EPERM.into()));
        assert_eq!(run(0, b"", 2, 6, BUFFER).0, Err(Errno::ENOSYS.into()));
        assert_eq!(run(0, b"", 0, 5, 0x1000).0, Err(Errno::EFAULT.into()));
        assert_eq!(run(0, b"", 0, 0, 0x1000).0, Ok(0));
        assert_eq!(run(0, b"", 1, 5, 0x1000).0, Ok(0));
        assert_eq!(
            run(0, b"", 1, 0x8000_0000, BUFFER).0,
            Err(Errno::E2BIG.into())
        );
        assert_eq!(
            run(0, b"", 0, 4, 0xffff_8100_0000_0000).0,
            Err(Errno::EFAULT.into())
        );
    }

    #[test]
    fn guest_lines_are_whole_harmless_and_few() {
        let mut console = GuestConsole::default();
        let mut lines = Vec::new();
        let mut put = |console: &mut GuestConsole, text: &[u8], now| {
            for &byte in text {
                console.push(byte, now, |line| {
                    lines.push(String::from_utf8(line.into()).unwrap())
                });
            }
        };
        put(&mut console, b"\x1b[2Jhal", 0);
        put(&mut console, b"lo\r\n", 0);
        for _ in 0..200 {
            put(&mut console, b"x\n", 1);
        }
        put(&mut console, &[b'y'; LINE + 1], WINDOW);
        assert_eq!(lines.first().unwrap(), "[2Jhallo");
        assert_eq!(lines.len() as u32, LINES + 2);
        assert_eq!(lines[LINES as usize], "137 lines dropped");
        assert_eq!(lines.last().unwrap().len(), LINE);
        assert_eq!(&labelled(3, b"hi")[..], b"(d3) hi\n");
        assert_eq!(labelled(u16::MAX, &[b'z'; 500]).len(), LINE + 10);
    }
}
