//! The Popek-Goldberg table of this machine: which instructions that show or change the state of a
//! machine trap when the guest runs them, which are emulated, and which do something else than on
//! a machine of the guest's own, without a word.
//!
//! Chosen by `sensitive` on the command line. Each instruction runs in kernel and in user mode, one
//! line each: `SENSITIVE <instruction> kernel=<verdict> user=<verdict>`. The verdicts are found by
//! running: an exception is one that arrived; whether the hypervisor was entered is told by the
//! time-stamp counter, which must count instructions (see [`crate::bench`]); whether it did the
//! same as on the bare machine is told by what it left in registers, compared with what this kernel
//! itself set up: its descriptor tables, its interrupt flag, its CR0.

mod table;

use crate::bench::measure;
use crate::check::instructions::set_iopl;
use crate::check::page::{Page, call, extended};
use crate::check::probe::{self, Code};
use crate::check::user::User;
use crate::log::kprintln;
use crate::trap::Hit;
use core::fmt;
use hypercall_abi::xen::*;

/// What r15 holds once the code came to its end.
const THE_END: u64 = 0x0e4d;
/// More instructions than any of the pieces has; the hypervisor needs more for whatever it does.
const DIRECT: u64 = 30;
/// Descriptors of the kernel's GDT.
const GDT_ENTRIES: u64 = 512;
/// The interrupt flag.
const IF: u64 = 1 << 9;

/// One instruction.
struct Row {
    name: &'static str,
    code: Code,
    /// Whether it did and showed what it does on a machine of the guest's own.
    same: fn(&Seen) -> bool,
    /// The vector of the handler that it calls, if it calls one.
    calls: Option<u64>,
}

/// What is known of an instruction that ran through.
struct Seen {
    /// It ran in user mode.
    user: bool,
    /// r8 and r9, where the code left what it saw.
    first: u64,
    second: u64,
    /// The flags afterwards; the interrupt flag as the kernel set it.
    rflags: u64,
    /// CR0 as the kernel reads it.
    cr0: u64,
    /// EAX to EDX of leaf 1, as forced emulation shows them, added up.
    cpuid: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It met this exception.
    Traps(u64),
    /// The hypervisor was entered, and it did what it does on the bare machine.
    Emulated,
    /// The hypervisor was entered, and it did something else.
    EmulatedDiffers,
    /// The processor ran it, as on the bare machine.
    Same,
    /// The processor ran it, otherwise than on the bare machine.
    Differs,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Traps(vector) => write!(f, "traps({vector})"),
            Self::Emulated => f.write_str("emulated"),
            Self::EmulatedDiffers => f.write_str("emulated-differs"),
            Self::Same => f.write_str("same"),
            Self::Differs => f.write_str("silently-differs"),
        }
    }
}

/// The kernel's own tables and state, which instructions should show.
struct Own {
    gdt: Page,
    ldt: Page,
    user: User,
    cr0: u64,
    cpuid: u64,
}

impl Own {
    fn new() -> Self {
        let (gdt, ldt) = (Page::new(), Page::new());
        for (i, descriptor) in table::DESCRIPTORS {
            gdt.write(i, descriptor);
        }
        gdt.protect();
        ldt.protect();
        let frame = gdt.mfn();
        let list = &raw const frame as u64;
        // SAFETY: this kernel uses none of the selectors in a guest's part of the table.
        unsafe { call(__HYPERVISOR_set_gdt, [list, GDT_ENTRIES, 0, 0, 0]) }
            .expect("a page of good descriptors is a GDT");
        extended(MMUEXT_SET_LDT, ldt.va(), 512).expect("a page can be an LDT");
        set_iopl(1);
        let mut own = Self {
            gdt,
            ldt,
            user: User::new(),
            cr0: 0,
            cpuid: 0,
        };
        for code in [table::PREPARE, table::CLTS] {
            let _ = own.kernel(code);
        }
        own.cr0 = own.kernel(table::READ_CR0).frame.r8;
        own.cpuid = own.kernel(table::FORCED_CPUID).frame.r8;
        own
    }

    /// Runs a piece in kernel mode with events let through.
    fn kernel(&self, code: Code) -> Hit {
        probe::attempt(code, 0, false).expect("each piece ends in `ud2`")
    }

    fn judge(&self, row: &Row, hit: &Hit, user: bool, scale: measure::Scale) -> Verdict {
        let f = &hit.frame;
        if f.vector != 6 || f.r15 != THE_END {
            return match row.calls {
                Some(vector) if vector == f.vector => Verdict::Emulated,
                _ => Verdict::Traps(f.vector),
            };
        }
        let same = (row.same)(&Seen {
            user,
            first: f.r8,
            second: f.r9,
            rflags: f.rflags,
            cr0: self.cr0,
            cpuid: self.cpuid,
        });
        let entered = scale.tenths(f.r14, 1) > DIRECT * 10;
        match (entered, same) {
            (true, true) => Verdict::Emulated,
            (true, false) => Verdict::EmulatedDiffers,
            (false, true) => Verdict::Same,
            (false, false) => Verdict::Differs,
        }
    }

    fn row(&self, row: &Row, scale: measure::Scale) {
        let kernel = self.judge(row, &self.kernel(row.code), false, scale);
        let hit = probe::iret(&self.user.context(row.code)).expect("each piece ends in `ud2`");
        let user = self.judge(row, &hit, true, scale);
        kprintln!("SENSITIVE {} kernel={kernel} user={user}", row.name);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        extended(MMUEXT_SET_LDT, 0, 0).expect("an LDT can be given up");
        // SAFETY: as above.
        unsafe { call(__HYPERVISOR_set_gdt, [0; 5]) }.expect("a GDT can be given up");
        self.gdt.restore();
        self.ldt.restore();
        set_iopl(0);
        crate::hypercall::deny_fpu().expect("the FPU can always be denied");
    }
}

/// Runs all instructions.
pub(crate) fn run() {
    let Some(scale) = measure::calibrate() else {
        kprintln!("SENSITIVE error=the time-stamp counter does not count instructions");
        return;
    };
    let own = Own::new();
    for row in table::ROWS {
        own.row(row, scale);
    }
    kprintln!("SENSITIVE DONE n={}", table::ROWS.len());
}
