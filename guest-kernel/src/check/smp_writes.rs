//! Writes of other vCPUs through translations that they remember, while the page becomes a table,
//! or is given up and used anew.

use super::Report;
use super::page::*;
use crate::hypercall;
use crate::mm::paging::pte;
use crate::smp::{self, member};
use core::arch::naked_asm;
use core::sync::atomic::{AtomicU64, Ordering};
use hypercall_abi::memory::{XENMEM_decrease_reservation, XENMEM_populate_physmap};
use hypercall_abi::xen::*;

/// vCPUs that write.
const WRITERS: [usize; 2] = [1, 2];
const ROUNDS: u64 = 100;
/// Reads of a page that must not change.
const READS: usize = 5;

static STOP: AtomicU64 = AtomicU64::new(0);
static WRITES: AtomicU64 = AtomicU64::new(0);

/// Where a writer goes on after a fault, and the page it writes to.
#[repr(C)]
struct Target {
    resume: *mut u64,
    va: u64,
    stop: *mut u64,
    writes: *mut u64,
}

/// Writes even numbers, which are entries of a table that are not present, all over the page, until
/// it is to end; a fault goes on with the next word.
#[unsafe(naked)]
extern "C" fn write_on(target: u64) -> u64 {
    naked_asm!(
        "push rbx",
        "mov rsi, [rdi]",
        "mov rdx, [rdi + 8]",
        "mov r8, [rdi + 16]",
        "mov r9, [rdi + 24]",
        "lea rax, [rip + 2f]",
        "mov [rsi], rax",
        "xor ecx, ecx",
        "1:",
        "lea rcx, [rcx + 8]",
        "and ecx, 0xff8",
        "add rbx, 2",
        "and rbx, -2",
        "mov [rdx + rcx], rbx",
        "lock inc qword ptr [r9]",
        "2:",
        "cmp qword ptr [r8], 0",
        "je 1b",
        "mov qword ptr [rsi], 0",
        "xor eax, eax",
        "pop rbx",
        "ret",
    )
}

fn content(page: &Page) -> u64 {
    (0..512).fold(0_u64, |sum, i| sum.rotate_left(5) ^ page.read(i))
}

/// How often the page was not as at first.
fn changes(page: &Page) -> u64 {
    let first = content(page);
    (0..READS).map(|_| u64::from(content(page) != first)).sum()
}

/// Lets the writers write a little.
fn let_write() {
    let from = WRITES.load(Ordering::Relaxed);
    smp::wait(|| WRITES.load(Ordering::Relaxed) > from + 50);
}

pub(super) fn check(r: &mut Report) {
    let page = Page::new();
    let targets = WRITERS.map(|vcpu| Target {
        resume: member(vcpu).resume.as_ptr(),
        va: page.va(),
        stop: STOP.as_ptr(),
        writes: WRITES.as_ptr(),
    });
    for (vcpu, target) in WRITERS.into_iter().zip(&targets) {
        smp::start(vcpu, write_on, core::ptr::from_ref(target) as u64);
    }
    as_table(r, &page);
    given_up(r, &page);
    STOP.store(1, Ordering::SeqCst);
    for vcpu in WRITERS {
        r.line(format_args!("writer={:?}", smp::finish(vcpu)));
    }
}

/// The page is a validated table for a while, over and over: of level 2, because to one of level 1
/// the hypervisor carries writes out, checked.
fn as_table(r: &mut Report, page: &Page) {
    let (mut pinned, mut changed) = (0, 0);
    for _ in 0..ROUNDS {
        let_write();
        // SAFETY: only the writers use the address, and they expect to fault.
        let protected =
            unsafe { hypercall::update_va_mapping(page.va(), page.entry(pte::RO), UVMF_NONE) };
        protected.expect("a page can be mapped read-only");
        if extended(MMUEXT_PIN_L2_TABLE, page.mfn(), 0).is_ok() {
            pinned += 1;
            changed += changes(page);
            extended(MMUEXT_UNPIN_TABLE, page.mfn(), 0).expect("a pinned table can be unpinned");
        }
        page.restore();
    }
    r.line(format_args!("pinned={pinned} changed={changed}"));
}

/// The page's frame goes back to the hypervisor and serves another page, over and over.
fn given_up(r: &mut Report, page: &Page) {
    let mut changed = 0;
    for _ in 0..ROUNDS {
        let_write();
        // SAFETY: only the writers use the address, and they expect to fault.
        let unmapped = unsafe { hypercall::update_va_mapping(page.va(), 0, UVMF_NONE) };
        unmapped.expect("a page can be unmapped");
        let mut frames = [page.mfn()];
        // SAFETY: the frame is mapped nowhere any more.
        let given = unsafe { hypercall::reservation(XENMEM_decrease_reservation, &mut frames) };
        assert_eq!(given, Ok(1), "an unused page can be given up");
        let other = Page::new();
        frames = [page.pfn()];
        // SAFETY: the new frame is used by nobody.
        let got = unsafe { hypercall::reservation(XENMEM_populate_physmap, &mut frames) };
        assert_eq!(got, Ok(1), "what was given up can be had again");
        page.replace(crate::mm::Mfn(frames[0]));
        // Under an address that the writers never knew.
        other
            .map(page.entry(pte::RW))
            .expect("an own page can be mapped");
        (0..512).for_each(|i| other.write(i, 1));
        changed += changes(&other);
        changed += u64::from((0..512).any(|i| other.read(i) != 1));
        other.restore();
        page.restore();
    }
    r.line(format_args!("reused={ROUNDS} changed={changed}"));
}
