//! `cargo xtask decoders`: what the decoders of this crate cost, and iced-x86, which knows every
//! instruction, in executed instructions.
//!
//! The program starts itself a second time and has that process execute one instruction after the
//! other, counting. No clock has any part in it.

use std::hint::black_box;
use std::process::{Command, ExitCode};

use hypervisor_core::testkit::decoders::{self, Fetched};
use iced_x86::{Decoder, DecoderOptions, Instruction};
use nix::Result;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// Which of this crate's decoders an instruction is for.
#[derive(Clone, Copy, PartialEq)]
enum For {
    Emulator,
    TableStore,
}

const FORMS: [(&str, For, &[u8]); 14] = [
    ("rdmsr", For::Emulator, &[0x0f, 0x32]),
    ("wrmsr", For::Emulator, &[0x0f, 0x30]),
    ("mov %cr3,%rax", For::Emulator, &[0x0f, 0x20, 0xd8]),
    ("mov %rax,%cr3", For::Emulator, &[0x0f, 0x22, 0xd8]),
    ("clts", For::Emulator, &[0x0f, 0x06]),
    ("out %al,(%dx)", For::Emulator, &[0xee]),
    ("in (%dx),%ax", For::Emulator, &[0x66, 0xed]),
    ("rep outsl", For::Emulator, &[0xf3, 0x6f]),
    ("mov %r8,%cr4", For::Emulator, &[0x41, 0x0f, 0x22, 0xe0]),
    ("mov %rdx,(%rax)", For::TableStore, &[0x48, 0x89, 0x10]),
    (
        "movq $0,8(%rbx)",
        For::TableStore,
        &[0x48, 0xc7, 0x43, 8, 0, 0, 0, 0],
    ),
    ("xchg %rdx,(%rax)", For::TableStore, &[0x48, 0x87, 0x10]),
    (
        "lock cmpxchg %rdx,(%rcx)",
        For::TableStore,
        &[0xf0, 0x48, 0x0f, 0xb1, 0x11],
    ),
    (
        "lock andb $0xfd,(%r12)",
        For::TableStore,
        &[0xf0, 0x41, 0x80, 0x24, 0x24, 0xfd],
    ),
];

/// The argument that makes this program the counted process.
const COUNTED: &str = "counted";

fn main() -> ExitCode {
    let done = if std::env::args().nth(1).as_deref() == Some(COUNTED) {
        decode_all().map(|()| true)
    } else {
        count_all()
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("cannot count: {e}");
            ExitCode::from(2)
        }
    }
}

/// Code as it is found in memory: other instructions follow.
fn padded(code: &[u8]) -> [u8; 16] {
    let mut bytes = [0x90; 16];
    bytes[..code.len()].copy_from_slice(code);
    bytes
}

#[inline(never)]
fn ours(which: For, bytes: &[u8; 16], fetched: &Fetched) -> Option<u8> {
    match which {
        For::Emulator => decoders::privileged(bytes),
        For::TableStore => fetched.decode(),
    }
}

#[inline(never)]
fn iced(bytes: &[u8; 16]) -> Option<u8> {
    let mut instruction = Instruction::default();
    Decoder::new(64, bytes, DecoderOptions::NONE).decode_out(&mut instruction);
    let instruction = black_box(&instruction);
    (!instruction.is_invalid()).then_some(instruction.len() as u8)
}

/// Decodes each form with each decoder, and with none: a signal parts one from the next.
fn decode_all() -> Result<()> {
    // What a decoder sets up at its first use is no part of what it costs.
    let _ = iced(&padded(&[0x90]));
    ptrace::traceme()?;
    raise(Signal::SIGSTOP)?;
    for (_, which, code) in FORMS {
        let bytes = black_box(padded(code));
        let fetched = black_box(Fetched::new(&bytes));
        raise(Signal::SIGUSR1)?;
        raise(Signal::SIGUSR1)?;
        let our = black_box(ours(black_box(which), &bytes, &fetched));
        raise(Signal::SIGUSR1)?;
        let their = black_box(iced(&bytes));
        raise(Signal::SIGUSR1)?;
        assert_eq!((our, their), (Some(code.len() as u8), our));
    }
    Ok(())
}

/// Has a process execute instructions up to its next signal; how many they were, or `None` at its
/// end.
fn steps(process: Pid) -> Result<Option<u64>> {
    for count in 0.. {
        ptrace::step(process, None)?;
        match waitpid(process, None)? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
            WaitStatus::Stopped(_, Signal::SIGUSR1) => return Ok(Some(count)),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// Prints the table; whether the decoders of this crate cost less in every row.
fn count_all() -> Result<bool> {
    let program = std::env::current_exe().map_err(|_| nix::Error::ENOENT)?;
    let mut child = Command::new(program)
        .arg(COUNTED)
        .spawn()
        .map_err(|_| nix::Error::ENOEXEC)?;
    let process = Pid::from_raw(child.id() as i32);
    waitpid(process, None)?;
    println!(
        "{:26} {:>6} {:>9}",
        "instructions to decode", "ours", "iced-x86"
    );
    let mut less = true;
    for (name, ..) in FORMS {
        // What comes before, nothing, ours, iced-x86.
        let parts = [
            steps(process)?,
            steps(process)?,
            steps(process)?,
            steps(process)?,
        ];
        let [_, Some(nothing), Some(ours), Some(iced)] = parts else {
            println!("{name}: the counted process ended early");
            return Ok(false);
        };
        let (ours, iced) = (ours - nothing, iced - nothing);
        println!("{name:26} {ours:6} {iced:9}");
        less &= ours < iced;
    }
    ptrace::cont(process, None)?;
    let end = child.wait().map_err(|_| nix::Error::ECHILD)?;
    Ok(less && end.success())
}
