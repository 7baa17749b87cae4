//! The first serial port: the console of the bare machine.

use super::cpu::{input, out};
use hypercall_abi::xen::VIRQ_CONSOLE;

const PORT: u16 = 0x3f8;
const DATA: u16 = PORT;
const INTERRUPTS: u16 = PORT + 1;
const FIFO: u16 = PORT + 2;
const LINE_CONTROL: u16 = PORT + 3;
const MODEM_CONTROL: u16 = PORT + 4;
const LINE_STATUS: u16 = PORT + 5;
const RECEIVED: u8 = 1 << 0;
const MAY_SEND: u8 = 1 << 5;

/// The two interrupt controllers, and the first vector that they are given.
const PIC: [u16; 2] = [0x20, 0xa0];
const FIRST_VECTOR: u8 = 0x20;
/// The port's line of the first.
const LINE: u8 = 4;
const END_OF_INTERRUPT: u8 = 0x20;

/// The vector of the port's interrupt.
pub(super) const INTERRUPT: u64 = (FIRST_VECTOR + LINE) as u64;

/// 115,200 baud, 8 bits, and an interrupt when something was received.
pub(super) fn init() {
    out(INTERRUPTS, 0);
    out(LINE_CONTROL, 0x80);
    out(DATA, 1);
    out(INTERRUPTS, 0);
    out(LINE_CONTROL, 3);
    out(FIFO, 7);
    // Ready, and the line to the interrupt controller on.
    out(MODEM_CONTROL, 0xb);
    for (controller, (first, other)) in PIC
        .into_iter()
        .zip([(FIRST_VECTOR, 4), (FIRST_VECTOR + 8, 2)])
    {
        out(controller, 0x11);
        out(controller + 1, first);
        out(controller + 1, other);
        out(controller + 1, 1);
    }
    out(PIC[0] + 1, !(1 << LINE));
    out(PIC[1] + 1, !0);
    out(INTERRUPTS, 1);
}

/// Ends the interrupt; which virtual one it stands for.
pub(super) fn end_of_interrupt() -> u32 {
    out(PIC[0], END_OF_INTERRUPT);
    VIRQ_CONSOLE
}

/// Sends bytes; a terminal wants a carriage return with each newline.
pub(super) fn write(bytes: &[u8]) {
    for &byte in bytes {
        if byte == b'\n' {
            send(b'\r');
        }
        send(byte);
    }
}

fn send(byte: u8) {
    while input(LINE_STATUS) & MAY_SEND == 0 {
        core::hint::spin_loop();
    }
    out(DATA, byte);
}

/// Takes what was received; how many bytes.
pub(super) fn read(to: &mut [u8]) -> usize {
    let mut count = 0;
    while count < to.len() && input(LINE_STATUS) & RECEIVED != 0 {
        to[count] = input(DATA);
        count += 1;
    }
    count
}
