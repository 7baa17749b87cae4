//! The serial console: COM1, a 16550 at the ports the command line names.

use core::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use hypervisor_core::cmdline::Serial;
use spin::Mutex;

use crate::arch::cpu;
use crate::logging;

/// Offsets of a 16550's registers.
const DATA: u16 = 0;
const INTERRUPT_ENABLE: u16 = 1;
const FIFO_CONTROL: u16 = 2;
const LINE_CONTROL: u16 = 3;
const MODEM_CONTROL: u16 = 4;
const LINE_STATUS: u16 = 5;

const DATA_READY: u8 = 1;
const TRANSMITTER_EMPTY: u8 = 1 << 5;
const DIVISOR_LATCH: u8 = 1 << 7;
/// Status reads before a byte is given up: a line that is not there must not stop the machine.
const PATIENCE: u32 = 1_000_000;

/// First port of the console; 0 while there is none.
static PORT: AtomicU16 = AtomicU16::new(0);

/// Whether input raises no interrupt and must be looked for.
static POLLED: AtomicBool = AtomicBool::new(false);

/// Held while a piece of output goes out.
static OUTPUT: Mutex<()> = Mutex::new(());

/// Received bytes that nobody has read.
static INPUT: Mutex<Input> = Mutex::new(Input {
    bytes: [0; 256],
    head: 0,
    len: 0,
});

struct Input {
    bytes: [u8; 256],
    head: usize,
    len: usize,
}

impl Input {
    fn push(&mut self, byte: u8) {
        // What does not fit is lost, as it would be in the UART itself.
        if self.len < self.bytes.len() {
            let at = (self.head + self.len) % self.bytes.len();
            self.bytes[at] = byte;
            self.len += 1;
        }
    }

    fn pop(&mut self) -> Option<u8> {
        if self.len == 0 {
            return None;
        }
        let byte = self.bytes[self.head];
        self.head = (self.head + 1) % self.bytes.len();
        self.len -= 1;
        Some(byte)
    }
}

fn write_register(port: u16, register: u16, value: u8) {
    // SAFETY: a UART does not access memory.
    unsafe { cpu::outb(port + register, value) };
}

/// Sets the port up and makes it the console, unless nothing answers there.
pub(crate) fn init(serial: &Serial) {
    let port = serial.io_base;
    if cpu::inb(port + LINE_STATUS) == 0xff {
        return;
    }
    let parity = match serial.parity {
        b'o' => 1 << 3,
        b'e' => 3 << 3,
        b'm' => 5 << 3,
        b's' => 7 << 3,
        _ => 0,
    };
    let format = (serial.data_bits - 5) | (serial.stop_bits - 1) << 2 | parity;
    write_register(port, INTERRUPT_ENABLE, 0);
    if let Some(baud) = serial.baud {
        let divisor = (115_200 / baud) as u16;
        write_register(port, LINE_CONTROL, format | DIVISOR_LATCH);
        write_register(port, DATA, divisor as u8);
        write_register(port, INTERRUPT_ENABLE, (divisor >> 8) as u8);
    }
    write_register(port, LINE_CONTROL, format);
    write_register(port, FIFO_CONTROL, 0b111);
    // DTR, RTS, and OUT2, which lets the interrupt through.
    write_register(port, MODEM_CONTROL, 0b1011);
    PORT.store(port, Ordering::Relaxed);
}

/// Whether there is a console.
pub(crate) fn present() -> bool {
    PORT.load(Ordering::Relaxed) != 0
}

/// Lets the UART interrupt when input arrives.
pub(crate) fn enable_interrupt() {
    let port = PORT.load(Ordering::Relaxed);
    if port != 0 {
        write_register(port, INTERRUPT_ENABLE, 1);
    }
}

/// From now on [`is_polled`].
pub(crate) fn poll() {
    POLLED.store(present(), Ordering::Relaxed);
}

/// Whether [`receive`] is to be called every now and then, because no interrupt says when.
#[inline]
pub(crate) fn is_polled() -> bool {
    POLLED.load(Ordering::Relaxed)
}

/// Writes all of `bytes`, in one piece; newlines go out as CR LF.
pub(crate) fn write(bytes: &[u8]) {
    let port = PORT.load(Ordering::Relaxed);
    if port == 0 {
        return;
    }
    let _turn = if logging::is_ending() {
        OUTPUT.try_lock()
    } else {
        Some(OUTPUT.lock())
    };
    for &byte in bytes {
        if byte == b'\n' {
            send(port, b'\r');
        }
        send(port, byte);
    }
}

fn send(port: u16, byte: u8) {
    for _ in 0..PATIENCE {
        if cpu::inb(port + LINE_STATUS) & TRANSMITTER_EMPTY != 0 {
            break;
        }
        core::hint::spin_loop();
    }
    write_register(port, DATA, byte);
}

/// Takes what the UART has received into the buffer; true if there was anything.
pub(crate) fn receive() -> bool {
    let port = PORT.load(Ordering::Relaxed);
    if port == 0 {
        return false;
    }
    let mut any = false;
    let mut input = INPUT.lock();
    while cpu::inb(port + LINE_STATUS) & DATA_READY != 0 {
        input.push(cpu::inb(port + DATA));
        any = true;
    }
    any
}

/// Takes one byte of input.
pub(crate) fn read() -> Option<u8> {
    receive();
    INPUT.lock().pop()
}
