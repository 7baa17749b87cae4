//! Instructions of a guest that end in the hypervisor: privileged ones, stores to page tables, and
//! what enters or leaves a handler. Code and stack are where the arguments of calls are, so that
//! they fault and change as those do.

use hypercall_abi::arch_x86_64::{FLAT_KERNEL_CS, FLAT_KERNEL_SS, FLAT_USER_CS, iret_context};
use hypercall_abi::xen::*;
use hypervisor_core::platform::Machine;
use hypervisor_core::testkit::FAKE_LDT;
use hypervisor_core::vcpu::{Mode, Regs, TrapGate};
use zerocopy::FromZeros;

use super::operations::{HOLE, OnError, Operation, hole, made, mmu, mmuext, operations};
use super::operations::{SELF, spare, spare_tree};
use super::world::{BASE, Call, Caller, HANDLERS, MAPPED, Way, World};
use Caller::Guest;
use OnError::Faults;

/// Vectors.
const UD: u8 = 6;
const GP: u8 = 13;
const PF: u8 = 14;
/// Error code of a page fault: a store by a guest to a page that is there.
const STORE: u32 = 7;

/// The guest is at `code`, with handlers for all vectors and a stack.
fn at(w: &mut World, code: &[u8]) {
    let stack = w.put(&[0_u64; 64]) + 512;
    let mut bytes = [0x90; 32];
    bytes[..code.len()].copy_from_slice(code);
    let rip = w.put(&bytes);
    let vcpu = &mut w.guest.vcpu;
    for (vector, gate) in vcpu.arch.traps.iter_mut().enumerate() {
        let address = HANDLERS + vector as u64;
        *gate = TrapGate {
            cs: FLAT_KERNEL_CS,
            flags: 4,
            address,
        };
    }
    vcpu.arch.kernel_sp = stack - 128;
    vcpu.regs = Regs {
        rip,
        cs: FLAT_KERNEL_CS.into(),
        rflags: 0x202,
        rsp: stack,
        ss: FLAT_KERNEL_SS.into(),
        ..Regs::default()
    };
}

/// The processor refuses `code`, with these registers.
fn refused(w: &mut World, code: &[u8], set: impl FnOnce(&mut Regs)) -> Way {
    at(w, code);
    set(&mut w.guest.vcpu.regs);
    Way::Exception(GP, 0, 0)
}

/// `code` stores rdx at rax, where entry `index` of the guest's level-1 table is seen.
fn stores(w: &mut World, code: &[u8], index: u64, rdx: u64) -> Way {
    let table = w.guest.tables[0].addr();
    made(w, Guest, |w| mmu(w, &[(hole(w), table | 5)], SELF));
    at(w, code);
    let va = HOLE + index * 8;
    let r = &mut w.guest.vcpu.regs;
    (r.rax, r.rbx, r.rdx) = (va, va, rdx);
    Way::Exception(PF, STORE, va)
}

/// A store of an entry that maps a page.
pub fn store_to_vacant_entry(w: &mut World) -> Way {
    let page = spare(w, 1) << 12 | 7;
    stores(w, &[0x48, 0x89, 0x10], VACANT, page)
}

/// The level-1 entry of the first page, in a table that nothing else is in.
const FIRST: u64 = 0;
/// An entry without a page.
const VACANT: u64 = 9;

/// All ports are the guest's, by a bitmap.
fn with_ports(w: &mut World) {
    let bitmap = w.put(&[0_u8; 64]);
    let arch = &mut w.guest.vcpu.arch;
    (arch.io_bitmap, arch.io_bitmap_ports) = (bitmap, 512);
}

/// The same, and three words to read or write.
fn string(w: &mut World, code: &[u8]) -> Way {
    with_ports(w);
    let words = w.put(&[7_u32; 4]);
    refused(w, code, |r| {
        (r.rdx, r.rcx, r.rsi, r.rdi) = (0x80, 3, words, words);
    })
}

/// A user root, and `syscall` and event handlers.
fn with_user_mode(w: &mut World) {
    made(w, Guest, |w| {
        let root = spare_tree(w);
        mmuext(w, &[(MMUEXT_NEW_USER_BASEPTR, root, 0)])
    });
    let callbacks = [0x5000, 0x6000, 0x7000, 0, 0, 0];
    made(w, Guest, |_| (__HYPERVISOR_set_callbacks, callbacks));
}

fn in_user_mode(w: &mut World) {
    with_user_mode(w);
    at(w, &[]);
    w.guest.vcpu.mode = Mode::User;
}

/// Returns to `cs:rip`.
fn iret(w: &mut World, cs: u16, rip: u64) -> Call {
    let mut frame = iret_context::new_zeroed();
    (frame.cs, frame.rip) = (cs.into(), rip);
    at(w, &[]);
    (frame.ss, frame.rsp) = (FLAT_KERNEL_SS.into(), w.guest.vcpu.regs.rsp);
    (frame.rflags, frame.rcx, frame.r11) = (0x202, 5, 6);
    let stack = w.put(&frame);
    w.guest.vcpu.regs.rsp = stack;
    (__HYPERVISOR_iret, [0; 6])
}

fn set_ldt(w: &mut World, base: u64) -> Way {
    let page = spare(w, 0) << 12 | 5;
    made(w, Guest, |w| mmu(w, &[(hole(w), page)], SELF));
    made(w, Guest, |w| mmuext(w, &[(MMUEXT_SET_LDT, base, 64)]));
    at(w, &[]);
    Way::Exception(PF, 4, FAKE_LDT + 16)
}

pub const TRAPS: &[Operation] = operations! {
    mov_to_cr3 Guest Faults |w| {
        let root = spare_tree(w) << 12;
        refused(w, &[0x0f, 0x22, 0xd8], |r| r.rax = root)
    };
    mov_to_cr3_refused Guest Faults |w| {
        let page = w.guest.pages[0].addr();
        refused(w, &[0x0f, 0x22, 0xd8], |r| r.rax = page)
    };
    mov_from_cr3 Guest Faults |w| refused(w, &[0x0f, 0x20, 0xd8], |_| ());
    mov_to_cr0 Guest Faults |w| refused(w, &[0x0f, 0x22, 0xc0], |r| r.rax = 0x8005_003b);
    mov_from_cr2 Guest Faults |w| refused(w, &[0x0f, 0x20, 0xd0], |_| ());
    mov_to_cr4 Guest Faults |w| refused(w, &[0x0f, 0x22, 0xe0], |r| r.rax = 0x664);
    mov_to_dr7 Guest Faults |w| refused(w, &[0x0f, 0x23, 0xf8], |r| r.rax = 0x400);
    mov_from_dr6 Guest Faults |w| refused(w, &[0x0f, 0x21, 0xf0], |_| ());
    clts Guest Faults |w| refused(w, &[0x0f, 0x06], |_| ());
    wbinvd Guest Faults |w| refused(w, &[0x0f, 0x09], |_| ());
    cli_without_iopl Guest Faults |w| refused(w, &[0xfa], |_| ());
    unknown_instruction Guest Faults |w| refused(w, &[0x0f, 0x01, 0xc1], |_| ());
    rdmsr Guest Faults |w| refused(w, &[0x0f, 0x32], |r| r.rcx = 0xc000_0080);
    rdmsr_refused Guest Faults |w| refused(w, &[0x0f, 0x32], |r| r.rcx = 0x1234);
    wrmsr_fs_base Guest Faults |w| {
        refused(w, &[0x0f, 0x30], |r| (r.rcx, r.rax) = (0xc000_0100, BASE))
    };
    wrmsr_hypercall_page Guest Faults |w| {
        let page = spare(w, 0) << 12;
        refused(w, &[0x0f, 0x30], |r| (r.rcx, r.rax) = (0x4000_0000, page))
    };
    wrmsr_hypercall_page_in_a_table Guest Faults |w| {
        let table = w.guest.tables[0].addr();
        refused(w, &[0x0f, 0x30], |r| (r.rcx, r.rax) = (0x4000_0000, table))
    };
    port_in Guest Faults |w| {
        with_ports(w);
        refused(w, &[0xec], |r| r.rdx = 0x80)
    };
    port_out_wide Guest Faults |w| {
        with_ports(w);
        refused(w, &[0xef], |r| r.rdx = 0x81)
    };
    port_in_without_right Guest Faults |w| refused(w, &[0xec], |r| r.rdx = 0x80);
    ins Guest Faults |w| string(w, &[0x6d]);
    rep_ins Guest Faults |w| string(w, &[0xf3, 0x6d]);
    outs Guest Faults |w| string(w, &[0x6f]);
    rep_outs Guest Faults |w| string(w, &[0xf3, 0x6f]);
    rep_outs_of_no_memory Guest Faults |w| {
        with_ports(w);
        refused(w, &[0xf3, 0x6f], |r| (r.rdx, r.rcx, r.rsi) = (0x80, 3, HOLE))
    };
    code_in_a_descriptor_table Guest Faults |w| {
        // 64-bit code by a descriptor of the guest's own.
        let page = w.guest.pages[MAPPED];
        w.hv.machine.store_u64(page, 8, 0x00af_fb00_0000_ffff);
        let list = w.put(&[page.0]);
        made(w, Guest, |_| (__HYPERVISOR_set_gdt, [list, 512, 0, 0, 0, 0]));
        refused(w, &[0x0f, 0x20, 0xd8], |r| r.cs = 0xb)
    };
    forced_cpuid Guest Faults |w| {
        at(w, &[0x0f, 0x0b, b'x', b'e', b'n', 0x0f, 0xa2]);
        Way::Exception(UD, 0, 0)
    };
    invalid_opcode Guest Faults |w| {
        at(w, &[0x0f, 0x0b]);
        Way::Exception(UD, 0, 0)
    };
    int_0x80 Guest Faults |w| {
        at(w, &[0xcd, 0x80]);
        Way::Exception(GP, 0x80 << 3 | 2, 0)
    };
    int_without_right Guest Faults |w| {
        at(w, &[0xcd, 0x21]);
        Way::Exception(GP, 0x21 << 3 | 2, 0)
    };
    exception_without_handler Guest Faults |w| {
        at(w, &[]);
        w.guest.vcpu.arch.traps[0].address = 0;
        Way::Exception(0, 0, 0)
    };
    breakpoint Guest Faults |w| {
        at(w, &[]);
        Way::Exception(3, 0, 0)
    };
    debug_exception Guest Faults |w| {
        at(w, &[]);
        Way::Exception(1, 0, 0)
    };
    fpu_switched Guest Faults |w| {
        at(w, &[]);
        w.guest.vcpu.arch.task_switched = true;
        Way::Exception(7, 0, 0)
    };
    store_mov Guest Faults |w| {
        let page = spare(w, 0) << 12 | 7;
        stores(w, &[0x48, 0x89, 0x10], VACANT, page)
    };
    store_mov_over_a_page Guest Faults |w| {
        let page = spare(w, 0) << 12 | 5;
        stores(w, &[0x48, 0x89, 0x10], FIRST, page)
    };
    store_immediate Guest Faults |w| stores(w, &[0x48, 0xc7, 0, 0, 0, 0, 0], FIRST, 0);
    store_xchg Guest Faults |w| stores(w, &[0x48, 0x87, 0x10], FIRST, 0);
    store_cmpxchg Guest Faults |w| {
        let (old, new) = (w.guest.pages[0].addr() | 7, spare(w, 0) << 12 | 7);
        let way = stores(w, &[0xf0, 0x48, 0x0f, 0xb1, 0x13], FIRST, new);
        w.guest.vcpu.regs.rax = old;
        way
    };
    store_cmpxchg_unequal Guest Faults |w| {
        stores(w, &[0xf0, 0x48, 0x0f, 0xb1, 0x13], FIRST, 0)
    };
    store_and_byte Guest Faults |w| stores(w, &[0xf0, 0x80, 0x20, 0xfd], FIRST, 0);
    store_or Guest Faults |w| stores(w, &[0xf0, 0x48, 0x09, 0x10], FIRST, 0x200);
    store_xor Guest Faults |w| stores(w, &[0xf0, 0x48, 0x31, 0x10], FIRST, 2);
    store_refused Guest Faults |w| stores(w, &[0x48, 0x89, 0x10], VACANT, 1 << 12 | 7);
    store_of_a_writable_table Guest Faults |w| {
        let table = w.guest.tables[1].addr() | 7;
        stores(w, &[0x48, 0x89, 0x10], VACANT, table)
    };
    store_of_an_unknown_form Guest Faults |w| {
        let page = spare(w, 0) << 12 | 7;
        stores(w, &[0x48, 0x01, 0x10], VACANT, page)
    };
    stale_translation Guest Faults |w| {
        at(w, &[]);
        Way::Exception(PF, STORE, BASE)
    };
    page_fault Guest Faults |w| {
        at(w, &[]);
        Way::Exception(PF, 6, HOLE)
    };
    ldt_page Guest Faults |w| set_ldt(w, HOLE);
    ldt_page_is_a_page Guest Faults |w| set_ldt(w, BASE);
    user_syscall Guest Faults |w| {
        in_user_mode(w);
        Way::Syscall
    };
    user_syscall_without_handler Guest Faults |w| {
        in_user_mode(w);
        w.guest.vcpu.arch.syscall.address = 0;
        Way::Syscall
    };
    user_page_fault Guest Faults |w| {
        in_user_mode(w);
        Way::Exception(PF, 4, HOLE)
    };
    event Guest Faults |w| {
        in_user_mode(w);
        Way::Event
    };
    nmi Guest Faults |w| {
        with_user_mode(w);
        at(w, &[]);
        w.guest.vcpu.arch.nmi.address = 0x8000;
        Way::Nmi
    };
    iret_to_kernel Guest Faults |w| iret(w, FLAT_KERNEL_CS & !3, 0x8000);
    iret_to_user Guest Faults |w| {
        with_user_mode(w);
        iret(w, FLAT_USER_CS, 0x8000)
    };
    iret_to_user_without_root Guest Faults |w| iret(w, FLAT_USER_CS, 0x8000);
    iret_to_no_address Guest Faults |w| iret(w, FLAT_KERNEL_CS & !3, 1 << 60);
    iret_from_nowhere Guest Faults |w| {
        let call = iret(w, FLAT_KERNEL_CS & !3, 0x8000);
        w.guest.vcpu.regs.rsp = BASE + MAPPED as u64 * 4096;
        call
    };
};

/// Those that end as a fault of the guest's, or as its death.
pub const FAULTING: &[&str] = &[
    "mov_to_cr3_refused",
    "cli_without_iopl",
    "unknown_instruction",
    "rdmsr_refused",
    "wrmsr_hypercall_page_in_a_table",
    "port_in_without_right",
    "rep_outs_of_no_memory",
    "invalid_opcode",
    "int_without_right",
    "store_refused",
    "store_of_a_writable_table",
    "store_of_an_unknown_form",
    "page_fault",
    "ldt_page_is_a_page",
    "exception_without_handler",
    "user_syscall_without_handler",
    "user_page_fault",
    "iret_to_user_without_root",
    "iret_to_no_address",
    "iret_from_nowhere",
];
