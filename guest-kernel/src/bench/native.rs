//! The same operations on the bare machine, where each is what the processor itself does: the
//! instruction that a hypervisor stands in for, and for what interrupts the kernel or a process the
//! shortest handler that there can be.

use super::measure::{ROUNDS, alone, least};
use super::tables::changes;
use super::timer::{self, APART, TIMERS, timers};
use super::window::loops;
use super::{Bench, Figures, entries, fpu};
use crate::check::page::{Page, UNMAPPED};
use crate::check::probe;
use crate::mm::p2m;
use crate::mm::paging::{self, ENTRIES, index, pte};
use crate::native::{apic, cpu};
use crate::trap;
use core::arch::naked_asm;
use core::sync::atomic::{AtomicU64, Ordering};

pub(super) const BENCHES: &[Bench] = &[
    stores,
    translations,
    registers,
    switches,
    exceptions,
    returns,
    fpu_switches,
    user_mode,
    interrupts,
    timer_interrupts,
    devices,
];

const INVALID_OPCODE: u8 = 6;
const PAGE_FAULT: u8 = 14;
/// A vector that nothing else has.
const OWN: u8 = 0x50;
const EFER: u64 = 0xc000_0080;
const FS_BASE: u64 = 0xc000_0100;

const _: () = assert!(ROUNDS == 128);

/// A loop of [`ROUNDS`] rounds.
type Loop = extern "C" fn(u64, u64, u64) -> u64;

/// Defines loops in the kernel, with three arguments in rdi, r8 and r10; rax and rcx hold the first.
macro_rules! each {
    ($($name:ident: $opening:ident, $round:literal;)*) => {
        loops! { $(
            $name: $opening,
                "push rbx\nmov r8, rsi\nmov r10, rdx\nmov esi, 128",
                concat!("mov rax, rdi\nmov ecx, eax\n", $round),
                "pop rbx\nret";
        )* }
    };
}

each! {
    nothing: opening_of_own, "nop";
    store: opening, "mov [rdi], r8";
    store_and_invlpg: opening, "mov [rdi], r8\ninvlpg [r10]";
    store_and_flush: opening, "mov [rdi], r8\nmov cr3, r10";
    invlpg: opening, "invlpg [rdi]";
    read_cr0: opening, "mov rax, cr0";
    read_cr3: opening, "mov rax, cr3";
    write_cr3: opening, "mov cr3, rax";
    write_cr4: opening, "mov cr4, rax";
    read_dr7: opening, "mov rax, dr7";
    iret: opening, "mov rax, rsp\npush 0x10\npush rax\npush 2\npush 8\nlea rax, [rip + 3f]\npush rax\n\
        iretq\n3:";
    clts: opening, "clts";
    rdmsr: opening, "rdmsr";
    wrmsr: opening, "wrmsr";
    cpuid: opening, "cpuid";
    cli: opening, "cli";
    out_post: opening, "out 0x80, al";
    in_post: opening, "in al, 0x80";
    // The root, the stack for ring 0 and for system calls, three descriptors.
    switch: opening, "mov cr3, rdi\nmov [r8], r10\nmov [r8 + 8], r10\nmov [r8 + 16], r10\n\
        mov [r8 + 24], r10\nmov [r8 + 32], r10";
    store_half: opening, "mov [rdi], r8d";
    store_twice: opening, "mov [rdi], r8\nmov [rdi + 8], r8";
    copy: opening, "mov rax, [rdi]\nmov [r8], rax\nmov rax, [rdi + 8]\nmov [r8 + 8], rax\n\
        mov rax, [rdi + 16]\nmov [r8 + 16], rax\nmov rax, [rdi + 24]\nmov [r8 + 24], rax\n\
        mov rax, [rdi + 32]\nmov [r8 + 32], rax\nmov rax, [rdi + 40]\nmov [r8 + 40], rax\n\
        mov rax, [rdi + 48]\nmov [r8 + 48], rax\nmov rax, [rdi + 56]\nmov [r8 + 56], rax";
    send_byte: opening, "mov edx, 0x3fd\n3:\nin al, dx\ntest al, 0x20\njz 3b\nmov edx, 0x3f8\n\
        mov al, 0x20\nout dx, al";
}

loops! {
    // With interrupts on, as far as they come before the loop ends.
    sti: opening, "mov esi, 128", "sti", "cli\nret";
    // rdi: the register that sends; r10: the one that ends.
    interrupt_self: opening, "mov r8, rsi\nmov r10, rdx\nmov esi, 128\nsti", "mov [rdi], r8d",
        "cli\nret";
    // The same where an interrupt may take its time; r8: where they are counted.
    interrupt_and_wait: opening, "mov r8, rsi\nmov r10, rdx\nmov esi, 128\nsti",
        "mov rax, [r8]\nmov dword ptr [rdi], 0x40050\n3:\ncmp rax, [r8]\nje 3b",
        "cli\nret";
}

const _: () = assert!(apic::to_self(OWN) == 0x40050);

/// Measures a loop against one that does nothing.
fn measure(f: &mut Figures, name: &'static str, each: Loop, [a, b, c]: [u64; 3]) {
    against(f, name, each, nothing, [a, b, c]);
}

fn against(f: &mut Figures, name: &'static str, each: Loop, own: Loop, [a, b, c]: [u64; 3]) {
    f.begin(name, ROUNDS);
    let ticks = least(|| Ok(each(a, b, c).saturating_sub(alone(|| own(a, b, c)))));
    f.whole(name, ticks);
}

/// Where the entry that maps a page lies.
fn slot(page: &Page) -> u64 {
    page.own_table().0.va() + index(page.va(), 1) as u64 * 8
}

fn root() -> u64 {
    p2m::mfn(paging::boot_root().0).0 << 12
}

fn stores(f: &mut Figures) {
    let (page, other) = (Page::new(), Page::new());
    let names = [
        "native_store_frame",
        "native_store_rights",
        "native_store_available",
        "native_store_present",
    ];
    for (name, changed) in names.into_iter().zip(changes(&page, &other)) {
        measure(f, name, store, [slot(&page), changed, 0]);
    }
    let usual = page.entry(pte::RW);
    for (name, each, last) in [
        ("native_mapping", store as Loop, 0),
        ("native_mapping_invlpg", store_and_invlpg, page.va()),
        ("native_mapping_flush", store_and_flush, root()),
    ] {
        measure(f, name, each, [slot(&page), usual, last]);
    }
    cpu::flush();
}

fn translations(f: &mut Figures) {
    let page = Page::new();
    measure(f, "native_tlb_flush", write_cr3, [root(), 0, 0]);
    measure(f, "native_invlpg", invlpg, [page.va(), 0, 0]);
}

fn registers(f: &mut Figures) {
    let loops: [(&str, Loop, u64); 12] = [
        ("native_mov_from_cr0", read_cr0, 0),
        ("native_mov_from_cr3", read_cr3, 0),
        ("native_mov_to_cr4_same", write_cr4, cpu::cr4()),
        ("native_mov_from_dr7", read_dr7, 0),
        ("native_clts", clts, 0),
        ("native_rdmsr", rdmsr, EFER),
        ("native_wrmsr_fs_base", wrmsr, FS_BASE),
        ("native_cpuid_0", cpuid, 0),
        ("native_cpuid_1", cpuid, 1),
        ("native_cli", cli, 0),
        ("native_out_0x80", out_post, 0),
        ("native_in_0x80", in_post, 0),
    ];
    for (name, each, argument) in loops {
        measure(f, name, each, [argument, 0, 0]);
    }
    against(f, "native_sti", sti, entries::nothing, [0; 3]);
    cpu::deny_fpu(true);
}

fn switches(f: &mut Figures) {
    let page = Page::new();
    let other = Page::new();
    for i in 256..ENTRIES {
        other.write(i, paging::boot_root().read(i));
    }
    measure(f, "native_root_same", write_cr3, [root(), 0, 0]);
    measure(f, "native_root_other", write_cr3, [other.mfn() << 12, 0, 0]);
    cpu::load_root(root());
    measure(f, "native_switch", switch, [root(), page.va(), 0]);
    measure(f, "native_stack", store_twice, [page.va(), 0, 0]);
    measure(f, "native_descriptor", store, [page.va(), 0, 0]);
}

/// Skips the `ud2` that brought it here.
#[unsafe(naked)]
extern "C" fn skip_invalid_opcode() {
    naked_asm!("add qword ptr [rsp], 2", "iretq")
}

/// Skips the `mov` that brought it here, and the error code.
#[unsafe(naked)]
extern "C" fn skip_page_fault() {
    naked_asm!("add qword ptr [rsp + 8], 3", "add rsp, 8", "iretq")
}

/// Returns from a system call at once, but on a stack of the kernel's, where a hypervisor enters it.
#[unsafe(naked)]
extern "C" fn return_from_syscall() {
    naked_asm!(
        "mov [rip + {process}], rsp",
        "mov rsp, [rip + {kernel}]",
        "mov rsp, [rip + {process}]",
        "sysretq",
        process = sym PROCESS_STACK,
        kernel = sym KERNEL_STACK,
    )
}

static PROCESS_STACK: AtomicU64 = AtomicU64::new(0);
static KERNEL_STACK: AtomicU64 = AtomicU64::new(0);

/// Ends its interrupt, and counts it; r10 is where interrupts are ended.
#[unsafe(naked)]
extern "C" fn take_interrupt() {
    naked_asm!(
        "inc qword ptr [rip + {taken}]",
        "mov dword ptr [r10], 0",
        "iretq",
        taken = sym TAKEN,
    )
}

static TAKEN: AtomicU64 = AtomicU64::new(0);

fn exceptions(f: &mut Figures) {
    let gates: [(&str, Loop, u8, extern "C" fn()); 2] = [
        (
            "native_invalid_opcode",
            entries::invalid_opcode,
            INVALID_OPCODE,
            skip_invalid_opcode,
        ),
        (
            "native_page_fault",
            entries::page_fault,
            PAGE_FAULT,
            skip_page_fault,
        ),
    ];
    for (name, each, vector, handler) in gates {
        cpu::set_vector(vector, handler as *const () as u64);
        against(f, name, each, entries::nothing, [UNMAPPED, 0, 0]);
    }
    trap::init().expect("the kernel's own handlers can be registered again");
}

/// Loops in ring 3, which for that sees the kernel's code.
fn user_mode(f: &mut Figures) {
    let (kernel_stack, stack) = (Page::new(), Page::new());
    let kernel = index(kernel_stack.va(), 4);
    let entry = paging::boot_root().read(kernel);
    open(kernel, entry | pte::USER);
    cpu::set_kernel_stack(kernel_stack.va() + 4096);
    KERNEL_STACK.store(kernel_stack.va() + 4096, Ordering::Relaxed);
    cpu::set_system_call(return_from_syscall as *const () as u64);
    cpu::set_vector(PAGE_FAULT, skip_page_fault as *const () as u64);
    for (name, each) in [
        ("native_user_syscall", entries::user_syscall as Loop),
        ("native_user_page_fault", entries::user_page_fault),
    ] {
        let selectors = (cpu::USER_CODE, cpu::USER_DATA);
        let context = entries::context(each, stack.va() + 2048, selectors, 0);
        f.begin(name, ROUNDS);
        let ticks = least(|| match probe::iret(&context) {
            Some(hit) if hit.frame.vector == u64::from(INVALID_OPCODE) => Ok(hit
                .frame
                .rax
                .saturating_sub(alone(|| entries::nothing(0, 0, 0)))),
            _ => Err(0),
        });
        f.whole(name, ticks);
    }
    cpu::set_own_system_call();
    trap::init().expect("the kernel's own handlers can be registered again");
    open(kernel, entry);
}

/// Changes an entry of the root.
fn open(slot: usize, entry: u64) {
    // SAFETY: the same tables, open to ring 3 or not; no process runs.
    unsafe { paging::boot_root().write(slot, entry) }.expect("the kernel owns its root");
    cpu::flush();
}

fn returns(f: &mut Figures) {
    measure(f, "native_iret", iret, [0; 3]);
}

/// Gives the FPU, and exchanges what its registers hold.
#[unsafe(naked)]
extern "C" fn exchange() {
    naked_asm!(
        "clts",
        "fxsave [rip + {registers}]",
        "fxrstor [rip + {registers}]",
        "iretq",
        registers = sym fpu::REGISTERS,
    )
}

fn fpu_switches(f: &mut Figures) {
    cpu::set_vector(fpu::DEVICE_NOT_AVAILABLE, exchange as *const () as u64);
    let denied = cpu::cr0() | fpu::TASK_SWITCHED;
    let name = "native_fpu_switch";
    against(f, name, fpu::by_register, entries::nothing, [denied, 0, 0]);
    trap::init().expect("the kernel's own handlers can be registered again");
    cpu::deny_fpu(true);
}

timers! {
    arm_timer: opening, "mov [r10], r14d";
}

/// Ends the timer's interrupt, and says that it has come.
#[unsafe(naked)]
extern "C" fn take_timer() {
    naked_asm!(
        "mov [rip + {seen}], r12",
        "mov dword ptr [r8], 0",
        "iretq",
        seen = sym timer::SEEN,
    )
}

fn timer_interrupts(f: &mut Figures) {
    if !f.counts_instructions() {
        // The time of waiting cannot be taken off.
        return;
    }
    cpu::set_vector(apic::TIMER as u8, take_timer as *const () as u64);
    let name = "native_timer_interrupt";
    let arguments = [1, APART, apic::count_register(), apic::end_register()];
    f.begin(name, TIMERS);
    let ticks = least(|| {
        let own = alone(|| timer::loop_alone(f));
        cpu::let_interrupts_in(true);
        let all = timer::without_waiting(f, arm_timer, arguments);
        cpu::let_interrupts_in(false);
        Ok(all.saturating_sub(own) + f.scale.ticks(TIMERS))
    });
    f.result(name, ticks, TIMERS);
    trap::init().expect("the kernel's own handlers can be registered again");
}

/// An interrupt to oneself.
fn interrupts(f: &mut Figures) {
    cpu::set_vector(OWN, take_interrupt as *const () as u64);
    let register = apic::command_register();
    let (each, argument): (Loop, _) = match f.counts_instructions() {
        true => (interrupt_self, apic::to_self(OWN).into()),
        false => (interrupt_and_wait, TAKEN.as_ptr() as u64),
    };
    let before = TAKEN.load(Ordering::Relaxed);
    let name = "native_interrupt_self";
    f.begin(name, ROUNDS);
    let ticks = least(|| {
        let own = alone(|| entries::nothing(0, 0, 0));
        let all = each(register, argument, apic::end_register());
        Ok(all.saturating_sub(own))
    });
    match TAKEN.load(Ordering::Relaxed) - before {
        0 => f.refused(name, 0),
        taken if taken % ROUNDS != 0 => f.refused(name, taken as i64),
        _ => f.whole(name, ticks),
    }
    trap::init().expect("the kernel's own handlers can be registered again");
}

fn devices(f: &mut Figures) {
    let (from, to) = (Page::new(), Page::new());
    measure(f, "native_copy_64_bytes", copy, [from.va(), to.va(), 0]);
    // One that is far away.
    let far = u64::from(u32::MAX);
    measure(
        f,
        "native_timer",
        store_half,
        [apic::count_register(), far, 0],
    );
    measure(
        f,
        "native_timer_stopped",
        store_half,
        [apic::count_register(), 0, 0],
    );
    measure(f, "native_console_byte", send_byte, [0; 3]);
}

impl Figures {
    /// Reports what is left of a loop's ticks without the loop, of which a no-op stands for one
    /// instruction of the operation's.
    fn whole(&mut self, name: &'static str, ticks: Result<u64, i64>) {
        match ticks {
            Ok(ticks) => {
                let ticks = ticks + self.scale.ticks(ROUNDS);
                self.ticks(name, ticks, ROUNDS);
            }
            Err(result) => self.refused(name, result),
        }
    }
}
