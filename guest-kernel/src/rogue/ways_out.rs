//! Ways between the modes: `iret` with any frame, `int`, `syscall` and `sysenter` of every kind,
//! instructions that only the hypervisor may execute, the hypervisor's memory.

use super::*;
use crate::check::probe::{code, iret};
use core::arch::naked_asm;
use hypercall_abi::arch_x86_64::{
    FLAT_KERNEL_CS, FLAT_KERNEL_SS, FLAT_RING3_CS32, FLAT_USER_CS, MACH2PHYS_VIRT_START,
    iret_context,
};

pub(super) const ROGUES: &[Rogue] = &[
    ("iret-selectors", iret_selectors),
    ("iret-rip", || leave(|frame| frame.rip = NON_CANONICAL)),
    ("iret-rip-hypervisor", || leave(|frame| frame.rip = IMAGE)),
    ("iret-rsp", || leave(|frame| frame.rsp = NON_CANONICAL)),
    ("iret-flags", iret_flags),
    ("iret-no-user-root", || {
        leave(|frame| frame.cs = u64::from(FLAT_USER_CS))
    }),
    ("iret-no-frame", iret_no_frame),
    ("iret-hypervisor-frame", iret_hypervisor_frame),
    ("int-all", int_all),
    ("int-untrapped", || {
        forget_traps();
        int_stub(0x20)();
    }),
    ("sysenter", || {
        klog!("sysenter: vector {:?}", vector_of(sysenter, 0));
    }),
    ("tf-syscall", tf_syscall),
    ("compat-entries", compat_entries),
    ("privileged", privileged),
    ("read-hypervisor", read_hypervisor),
    ("write-m2p", write_m2p),
];

code! {
    sysenter: "sysenter";
    read_byte: "movzx eax, byte ptr [rdi]";
    write_word: "mov qword ptr [rdi], rdi";
    stepped_syscall: "mov eax, 17", "xor edi, edi", "xor esi, esi",
        "pushfq", "or qword ptr [rsp], 0x100", "popfq", "syscall", "nop", "nop";
    // Each of these must fault, or be emulated without an effect on anyone else.
    cli: "cli";
    hlt: "hlt";
    lgdt: "lgdt [rsp]";
    lidt: "lidt [rsp]";
    lldt: "xor eax, eax", "lldt ax";
    ltr: "mov eax, 0x40", "ltr ax";
    load_cr0: "xor eax, eax", "mov cr0, rax";
    load_cr3: "xor eax, eax", "mov cr3, rax";
    load_cr4: "xor eax, eax", "mov cr4, rax";
    load_cr8: "xor eax, eax", "mov cr8, rax";
    load_dr7: "mov eax, 0x2400", "mov dr7, rax";
    lmsw: "xor eax, eax", "lmsw ax";
    wrmsr_lstar: "mov ecx, 0xc0000082", "xor eax, eax", "xor edx, edx", "wrmsr";
    wrmsr_efer: "mov ecx, 0xc0000080", "xor eax, eax", "xor edx, edx", "wrmsr";
    wrmsr_gs: "mov ecx, 0xc0000101", "xor eax, eax", "mov edx, 0xffff8700", "wrmsr";
    wrmsr_sysenter: "mov ecx, 0x176", "xor eax, eax", "xor edx, edx", "wrmsr";
    rdmsr_lstar: "mov ecx, 0xc0000082", "rdmsr";
    xsetbv: "xor ecx, ecx", "mov eax, 1", "xor edx, edx", "xsetbv";
    invlpg: "invlpg [rsp]";
    invd: "invd";
    wbinvd: "wbinvd";
    swapgs: "swapgs";
    sysretq: "lea rcx, [rip]", "mov r11d, 2", "sysretq";
    clts: "clts";
    in_serial: "mov edx, 0x3fd", "in al, dx";
    out_reset: "mov edx, 0xcf9", "mov eax, 6", "out dx, al";
    out_debug_exit: "mov edx, 0x604", "mov eax, 0x2000", "out dx, ax";
    vmcall: "vmcall";
}

const PRIVILEGED: &[(&str, Code)] = &[
    ("cli", cli),
    ("hlt", hlt),
    ("lgdt", lgdt),
    ("lidt", lidt),
    ("lldt", lldt),
    ("ltr", ltr),
    ("mov cr0", load_cr0),
    ("mov cr3", load_cr3),
    ("mov cr4", load_cr4),
    ("mov cr8", load_cr8),
    ("mov dr7", load_dr7),
    ("lmsw", lmsw),
    ("wrmsr lstar", wrmsr_lstar),
    ("wrmsr efer", wrmsr_efer),
    ("wrmsr gs", wrmsr_gs),
    ("wrmsr sysenter", wrmsr_sysenter),
    ("rdmsr lstar", rdmsr_lstar),
    ("xsetbv", xsetbv),
    ("invlpg", invlpg),
    ("invd", invd),
    ("wbinvd", wbinvd),
    ("swapgs", swapgs),
    ("sysret", sysretq),
    ("clts", clts),
    ("in", in_serial),
    ("out to the reset port", out_reset),
    ("out to the power port", out_debug_exit),
    ("vmcall", vmcall),
];

extern "C" fn landing() -> ! {
    panic!("an iret came to where it was sent");
}

/// A frame that would be right.
fn good_frame() -> iret_context {
    iret_context {
        rax: 0,
        r11: 0,
        rcx: 0,
        flags: 0,
        rip: landing as *const () as u64,
        cs: u64::from(FLAT_KERNEL_CS & !3),
        rflags: 2,
        rsp: spare().va() + PAGE_SIZE - 8,
        ss: u64::from(FLAT_KERNEL_SS),
    }
}

/// Leaves by a frame that is wrong in one way; no handler is left.
fn leave(spoil: fn(&mut iret_context)) {
    let mut frame = good_frame();
    spoil(&mut frame);
    forget_traps();
    let hit = iret(&frame);
    klog!(
        "iret came back: vector {:?}",
        hit.map(|hit| hit.frame.vector)
    );
}

/// All selectors of one kind in turn, kernel mode's and its stack's; each must fault or be made
/// harmless, and the mode must be what it was.
fn iret_selectors() {
    const COMPAT: u64 = FLAT_RING3_CS32 as u64 & !3;
    let mut faults = 0;
    for selector in (0..0x1_0000_u64).step_by(8).map(|s| s | 1) {
        for in_cs in [false, true] {
            let mut frame = good_frame_at(undefined);
            if in_cs && selector & !3 == COMPAT {
                // Valid: 32-bit code at an address that only 64-bit code reaches.
                continue;
            }
            if in_cs {
                frame.cs = selector;
            } else {
                frame.ss = selector;
            }
            let Some(hit) = iret(&frame) else { continue };
            if hit.frame.vector != 6 {
                faults += 1;
            }
            if hit.frame.vector == 6 && hit.frame.cs as u16 & 0xfffc == 0xe008 {
                breach!(
                    "the hypervisor's code selector {:#x} was used",
                    hit.frame.cs
                );
            }
        }
    }
    klog!("16384 frames, {faults} faults");
}

code! {
    undefined: "ud2";
}

/// A frame that goes to `code`, on a page taken once.
fn good_frame_at(code: Code) -> iret_context {
    static STACK: crate::global::Global<Option<Pfn>> = crate::global::Global::new(None);
    let page = STACK.with(|page| *page.get_or_insert_with(spare));
    iret_context {
        rip: code as *const () as u64,
        rsp: page.va() + PAGE_SIZE - 8,
        rax: 0,
        r11: 0,
        rcx: 0,
        flags: 0,
        cs: u64::from(FLAT_KERNEL_CS & !3),
        rflags: 2,
        ss: u64::from(FLAT_KERNEL_SS),
    }
}

code! {
    flags_seen: "pushfq", "pop rax", "ud2";
}

/// Every flag: I/O privilege, virtual 8086 mode and disabled interrupts must not stick.
fn iret_flags() {
    const IOPL: u64 = 3 << 12;
    const VM: u64 = 1 << 17;
    const IF: u64 = 1 << 9;
    for bit in (0..64).filter(|&bit| bit != 8) {
        let mut frame = good_frame_at(flags_seen);
        frame.rflags = 2 | 1 << bit;
        let Some(hit) = iret(&frame) else { continue };
        let seen = hit.frame.rax;
        if hit.frame.vector == 6 && (seen & (IOPL | VM) != 0 || seen & IF == 0) {
            breach!("flags {:#x} became {seen:#x} for real", frame.rflags);
        }
    }
    let mut frame = good_frame_at(flags_seen);
    frame.rflags = !(1 << 8);
    klog!(
        "all flags: vector {:?}",
        iret(&frame).map(|hit| hit.frame.vector)
    );
}

/// The frame that `iret` reads is nowhere.
fn iret_no_frame() {
    // SAFETY: control does not come back: there is no stack to come back on.
    unsafe {
        core::arch::asm!(
            "xor esp, esp",
            "mov eax, 23",
            "syscall",
            "ud2",
            options(noreturn)
        )
    }
}

/// The frame that `iret` reads is in the hypervisor's memory.
fn iret_hypervisor_frame() {
    // SAFETY: control does not come back: there is no stack to come back on.
    unsafe {
        core::arch::asm!(
            "mov rsp, {}", "mov eax, 23", "syscall", "ud2",
            in(reg) OWN_MEMORY,
            options(noreturn)
        )
    }
}

/// `int n; ret` for each n, four bytes apart.
#[unsafe(naked)]
extern "C" fn int_stubs(_: u64) {
    naked_asm!(
        ".set number, 0",
        ".rept 256",
        ".byte 0xcd, number, 0xc3, 0x90",
        ".set number, number + 1",
        ".endr",
    )
}

/// The code that makes software interrupt `vector`.
fn int_stub(vector: u8) -> impl Fn() -> Option<u64> {
    move || {
        let at = (int_stubs as *const ()).wrapping_byte_add(usize::from(vector) * 4);
        // SAFETY: every fourth byte of `int_stubs` begins a function of this type.
        let code = unsafe { core::mem::transmute::<*const (), Code>(at) };
        vector_of(code, 0)
    }
}

fn int_all() {
    let (mut own, mut refused) = (0, 0);
    for vector in 0..=255 {
        match int_stub(vector)() {
            Some(seen) if seen == u64::from(vector) => own += 1,
            Some(13) => refused += 1,
            other => breach!("int {vector:#x} came as {other:?}"),
        }
    }
    klog!("{own} software interrupts came to their own handlers, {refused} were refused");
}

/// Single steps into a hypercall: the debug exception must be the guest's, not the hypervisor's.
fn tf_syscall() {
    let mut seen = 0;
    for _ in 0..100 {
        seen += u32::from(vector_of(stepped_syscall, 0) == Some(1));
    }
    klog!("{seen} of 100 stepped system calls were reported as debug exceptions");
}

/// Where the 32-bit code goes: in the lower half, where a 32-bit pointer reaches.
const LOW: u64 = 0x40_0000;

#[unsafe(naked)]
extern "C" fn far_to_compat(_: u64) {
    naked_asm!("push 0xe023", "push rdi", "retfq")
}

/// Makes a page of code at [`LOW`].
fn map_low(bytes: &[u8]) {
    let root = paging::boot_root();
    let page = spare();
    frame::fill(page, 0, bytes);
    protect(page, UVMF_INVLPG | UVMF_LOCAL);
    let mut table = root;
    for level in (2..=4).rev() {
        let i = index(LOW, level);
        table = table.next(i).unwrap_or_else(|| {
            let lower = Table::alloc().expect("there is memory to spare");
            table.link(i, lower).expect("an empty table can be linked");
            lower
        });
    }
    // SAFETY: nothing was mapped in the lower half.
    let done = unsafe { table.write(index(LOW, 1), pte::new(p2m::mfn(page), pte::RX)) };
    done.expect("own code can be mapped");
}

/// `syscall`, `sysenter`, `int 0x80`, `int 0x82` and a far return to the hypervisor's selector,
/// all from 32-bit code.
fn compat_entries() {
    const CODE: [(&str, &[u8]); 5] = [
        ("syscall", &[0x0f, 0x05, 0x0f, 0x0b]),
        ("sysenter", &[0x0f, 0x34, 0x0f, 0x0b]),
        ("int 0x80", &[0xcd, 0x80, 0x0f, 0x0b]),
        ("int 0x82", &[0xcd, 0x82, 0x0f, 0x0b]),
        ("ud2", &[0x0f, 0x0b, 0x0f, 0x0b]),
    ];
    let mut page = [0x90; CODE.len() * 16];
    for (i, (_, bytes)) in CODE.iter().enumerate() {
        page[i * 16..i * 16 + bytes.len()].copy_from_slice(bytes);
    }
    map_low(&page);
    for (i, (name, _)) in CODE.iter().enumerate() {
        let hit = attempt(far_to_compat, LOW + i as u64 * 16, true);
        klog!(
            "{name} in 32-bit code: vector {:?}",
            hit.map(|hit| hit.frame.vector)
        );
    }
}

fn privileged() {
    let mut faults = 0;
    for &(name, code) in PRIVILEGED {
        match vector_of(code, 0) {
            Some(_) => faults += 1,
            None => klog!("{name} had no effect"),
        }
    }
    klog!(
        "{faults} of {} privileged instructions faulted",
        PRIVILEGED.len()
    );
}

/// Reads all over the hypervisor's range; only the machine-to-phys table may answer.
fn read_hypervisor() {
    let mut tried = 0;
    let mut at = |address: u64| {
        tried += 1;
        if attempt(read_byte, address, true).is_none() {
            breach!("{address:#x} can be read");
        }
    };
    for base in HYPERVISORS {
        for page in 0..512 {
            at(base + page * PAGE_SIZE);
        }
    }
    for slot in 257..272 {
        for part in 0..64 {
            at(0xffff_0000_0000_0000 | slot << 39 | part << 33);
        }
    }
    klog!("{tried} addresses of the hypervisor's tried");
}

/// Writes to the machine-to-phys table, directly and by asking.
fn write_m2p() {
    let own = MACH2PHYS_VIRT_START + mfn(spare()) * 8;
    if vector_of(write_word, own) != Some(14) {
        breach!("the machine-to-phys table was written");
    }
    let mut accepted = 0;
    let shared = crate::boot_info().shared_info_ma() >> 12;
    for frame in (0..0x2_0000).filter(|&frame| frame != shared) {
        if p2m::pfn_of(crate::mm::Mfn(frame)).is_none() {
            let result = update(frame << 12 | u64::from(MMU_MACHPHYS_UPDATE as u8), 1);
            accepted += u32::from(result >= 0);
        }
    }
    if accepted > 0 {
        breach!("{accepted} entries of others were changed");
    }
}
