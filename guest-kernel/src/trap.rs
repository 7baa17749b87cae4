//! Entries from the hypervisor: exceptions, events, system calls.

use crate::dev::{event, shared};
use crate::global::Global;
use crate::hypercall;
use crate::log::kprintln;
use crate::native;
use crate::task;
use core::sync::atomic::{AtomicU64, Ordering};
use guest_user::abi::{Errno, STATUS_FAULT};
use hypercall_abi::arch_x86_64::{
    FLAT_KERNEL_CS, FLAT_KERNEL_SS, FLAT_USER_CS, FLAT_USER_SS, trap_info,
};
use hypercall_abi::callback::*;

/// Everything an entry saves, as `entry.S` pushes it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct TrapFrame {
    pub(crate) r15: u64,
    pub(crate) r14: u64,
    pub(crate) r13: u64,
    pub(crate) r12: u64,
    pub(crate) rbp: u64,
    pub(crate) rbx: u64,
    pub(crate) r11: u64,
    pub(crate) r10: u64,
    pub(crate) r9: u64,
    pub(crate) r8: u64,
    pub(crate) rax: u64,
    pub(crate) rcx: u64,
    pub(crate) rdx: u64,
    pub(crate) rsi: u64,
    pub(crate) rdi: u64,
    pub(crate) vector: u64,
    pub(crate) error: u64,
    pub(crate) rip: u64,
    pub(crate) cs: u64,
    pub(crate) rflags: u64,
    pub(crate) rsp: u64,
    pub(crate) ss: u64,
}

const SYSCALL: u64 = 0x100;
pub(crate) const EVENT: u64 = 0x101;
const FAILSAFE: u64 = 0x102;
pub(crate) const NMI: u8 = 2;
const BREAKPOINT: u8 = 3;
const OVERFLOW: u8 = 4;
const DEVICE_NOT_AVAILABLE: u64 = 7;
const PAGE_FAULT: u64 = 14;
/// Bits of a page fault's error code.
const FAULT_WRITE: u64 = 1 << 1;
const FAULT_EXEC: u64 = 1 << 4;
/// The kernel's code selector as frames have it: not ring 3, so that `iret` goes to kernel mode.
const KERNEL_CS: u64 = FLAT_KERNEL_CS as u64 & !3;
/// The flag that is always set; without the interrupt flag, `iret` masks events.
const RFLAGS_ALWAYS: u64 = 1 << 1;
/// Bytes per stub in `entry.S`.
const STUB_LEN: u64 = 32;

unsafe extern "C" {
    static exception_stubs: u8;
    static syscall_stub: u8;
    static event_stub: u8;
    static failsafe_stub: u8;
}

/// The kernel's entry for a vector.
pub(crate) fn stub(vector: u8) -> u64 {
    &raw const exception_stubs as u64 + u64::from(vector) * STUB_LEN
}

/// The kernel's entries for events, for failures to load a selector, and for system calls.
pub(crate) fn callbacks() -> [u64; 3] {
    [
        &raw const event_stub as u64,
        &raw const failsafe_stub as u64,
        &raw const syscall_stub as u64,
    ]
}

/// Registers all vectors and callbacks.
pub(crate) fn init() -> Result<(), Errno> {
    const LAST: trap_info = trap_info {
        vector: 0,
        flags: 0,
        cs: 0,
        _pad0: [0; 4],
        address: 0,
    };
    static TABLE: Global<[trap_info; 257]> = Global::new([LAST; 257]);
    TABLE.with(|table| {
        for vector in 0..=255u8 {
            // A process may use int3 and into; any other software interrupt is its fault (#GP).
            let dpl = if matches!(vector, BREAKPOINT | OVERFLOW) {
                3
            } else {
                0
            };
            table[usize::from(vector)] = trap_info {
                vector,
                flags: dpl | 1 << 2, // enter with events masked
                cs: FLAT_KERNEL_CS,
                _pad0: [0; 4],
                address: stub(vector),
            };
        }
        hypercall::set_trap_table(table)
    })?;
    let kinds = [
        CALLBACKTYPE_event,
        CALLBACKTYPE_failsafe,
        CALLBACKTYPE_syscall,
    ];
    for (kind, address) in kinds.into_iter().zip(callbacks()) {
        hypercall::register_callback(kind, address, CALLBACKF_mask_events)?;
    }
    Ok(())
}

/// The selectors of the kernel as frames have them: code and stack.
fn kernel_selectors() -> (u64, u64) {
    if native::is_native() {
        return (
            native::cpu::KERNEL_CODE.into(),
            native::cpu::KERNEL_DATA.into(),
        );
    }
    (KERNEL_CS, FLAT_KERNEL_SS.into())
}

/// The selectors of processes: code and stack.
pub(crate) fn user_selectors() -> (u64, u64) {
    if native::is_native() {
        return (native::cpu::USER_CODE.into(), native::cpu::USER_DATA.into());
    }
    (FLAT_USER_CS.into(), FLAT_USER_SS.into())
}

impl TrapFrame {
    /// Whether the entry came from a process.
    pub(crate) fn in_user_mode(&self) -> bool {
        self.cs & 3 == 3
    }

    /// Prints the registers.
    pub(crate) fn dump(&self) {
        let f = self;
        kprintln!(
            "  rip {:016x}  cs {:04x}  rsp {:016x}  ss {:04x}  rflags {:08x}",
            f.rip,
            f.cs & 0xffff,
            f.rsp,
            f.ss & 0xffff,
            f.rflags
        );
        kprintln!(
            "  rax {:016x}  rbx {:016x}  rcx {:016x}  rdx {:016x}",
            f.rax,
            f.rbx,
            f.rcx,
            f.rdx
        );
        kprintln!(
            "  rsi {:016x}  rdi {:016x}  rbp {:016x}  r8  {:016x}",
            f.rsi,
            f.rdi,
            f.rbp,
            f.r8
        );
        kprintln!(
            "  r9  {:016x}  r10 {:016x}  r11 {:016x}  r12 {:016x}",
            f.r9,
            f.r10,
            f.r11,
            f.r12
        );
        kprintln!(
            "  r13 {:016x}  r14 {:016x}  r15 {:016x}",
            f.r13,
            f.r14,
            f.r15
        );
    }
}

/// The name of an exception.
pub(crate) fn exception_name(vector: u64) -> &'static str {
    match vector {
        0 => "divide error",
        1 => "debug exception",
        2 => "NMI",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound range exceeded",
        6 => "invalid opcode",
        7 => "device not available",
        8 => "double fault",
        10 => "invalid TSS",
        11 => "segment not present",
        12 => "stack fault",
        13 => "general protection fault",
        14 => "page fault",
        16 => "floating-point error",
        17 => "alignment check",
        18 => "machine check",
        19 => "SIMD floating-point error",
        FAILSAFE => "segment register could not be restored",
        _ => "unexpected vector",
    }
}

/// An entry that ended a probe: an exception or a system call.
#[derive(Clone, Copy)]
pub(crate) struct Hit {
    pub(crate) frame: TrapFrame,
    /// The faulting address if it was a page fault, else 0.
    pub(crate) address: u64,
    /// Whether the handler was entered with events masked.
    pub(crate) masked: bool,
}

/// Where the running probe continues, and its stack there; 0 when there is no probe.
pub(crate) static PROBE_RESUME: AtomicU64 = AtomicU64::new(0);
pub(crate) static PROBE_STACK: AtomicU64 = AtomicU64::new(0);
static PROBE_HIT: Global<Option<Hit>> = Global::new(None);

/// Ends a probe (see `check::probe`); returns what it met.
pub(crate) fn take_hit() -> Option<Hit> {
    PROBE_RESUME.store(0, Ordering::Relaxed);
    PROBE_HIT.with(Option::take)
}

/// If a probe runs, notes what it met and lets the kernel go on behind it, with events masked.
fn end_probe(frame: &mut TrapFrame) -> bool {
    let resume = PROBE_RESUME.swap(0, Ordering::Relaxed);
    if resume == 0 {
        return false;
    }
    let address = if frame.vector == PAGE_FAULT {
        shared::cr2()
    } else {
        0
    };
    let hit = Hit {
        frame: *frame,
        address,
        masked: shared::upcall_mask(),
    };
    PROBE_HIT.with(|h| *h = Some(hit));
    frame.rip = resume;
    frame.rsp = PROBE_STACK.load(Ordering::Relaxed);
    (frame.cs, frame.ss) = kernel_selectors();
    frame.rflags = RFLAGS_ALWAYS;
    true
}

/// The only way into Rust from `entry.S`.
#[unsafe(no_mangle)]
extern "C" fn trap_entry(frame: &mut TrapFrame) {
    if native::is_native() {
        native::interrupt(frame);
    }
    if crate::smp::entered(frame) {
        return;
    }
    if frame.vector != EVENT && end_probe(frame) {
        return;
    }
    match frame.vector {
        EVENT => event::deliver(),
        SYSCALL => frame.rax = crate::syscall::dispatch(frame).cast_unsigned(),
        _ if frame.in_user_mode() => user_exception(frame),
        _ => kernel_exception(frame),
    }
    if frame.in_user_mode() {
        task::before_user_mode();
    }
}

fn user_exception(frame: &TrapFrame) {
    let address = shared::cr2();
    let mut why = "";
    if frame.vector == PAGE_FAULT {
        let (write, exec) = (
            frame.error & FAULT_WRITE != 0,
            frame.error & FAULT_EXEC != 0,
        );
        match task::with_space(|space| space.fault(address, write, exec)) {
            Some(Ok(())) => return,
            Some(Err(Errno::ENOMEM)) => why = " for want of memory",
            _ => {}
        }
    }
    report(frame, address, why);
    if frame.vector == DEVICE_NOT_AVAILABLE {
        // The hypervisor lets the FPU through after it has told of one attempt.
        hypercall::deny_fpu().expect("the FPU can always be denied");
    }
    task::count_fatal_fault();
    task::exit(STATUS_FAULT | (frame.vector & 0xff).cast_signed());
}

/// Tells why the running process is ended.
fn report(frame: &TrapFrame, address: u64, why: &str) {
    let (pid, name) = task::current_name();
    kprintln!(
        "kernel: process {pid} ({name}) is ended{why}: {} (vector {}, error {:#x})",
        exception_name(frame.vector),
        frame.vector,
        frame.error
    );
    if frame.vector == PAGE_FAULT {
        let what = match frame.error {
            e if e & FAULT_EXEC != 0 => "executing",
            e if e & FAULT_WRITE != 0 => "writing",
            _ => "reading",
        };
        kprintln!("  while {what} address {address:#x}");
    }
    frame.dump();
}

fn kernel_exception(frame: &TrapFrame) {
    let address = if frame.vector == PAGE_FAULT {
        shared::cr2()
    } else {
        0
    };
    frame.dump();
    crate::panic::backtrace(frame.rbp);
    panic!(
        "{} in the kernel at {:#x} (error {:#x}, address {address:#x})",
        exception_name(frame.vector),
        frame.rip,
        frame.error
    );
}
