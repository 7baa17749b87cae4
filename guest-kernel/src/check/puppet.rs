//! A domain that does what it is told: another domain's hypercalls and instructions, one at a time,
//! as the control domain asks for them. It runs a page of code that waits for orders in a page that
//! both have mapped.

use super::memory_ops::{create_with, reservation, with};
use super::page::*;
use super::sched::poll_for;
use crate::dev::time;
use crate::hypercall::{HvResult, flush_tlb};
use crate::mm::paging::{ENTRIES, pte};
use alloc::boxed::Box;
use core::mem::offset_of;
use guest_user::abi::{self, Errno};
use hypercall_abi::arch_x86_64::*;
use hypercall_abi::domctl::*;
use hypercall_abi::memory::XENMEM_populate_physmap;
use hypercall_abi::xen::*;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

core::arch::global_asm!(
    ".pushsection .text.puppet, \"ax\"",
    ".balign 16",
    "puppet_start:",
    "mov ebx, {orders}",
    "2:",
    "mov r15, [rbx]",
    "test r15, r15",
    "jnz 3f",
    // Nothing to do: `SCHEDOP_yield`.
    "mov eax, 29",
    "xor edi, edi",
    "xor esi, esi",
    "syscall",
    "jmp 2b",
    "3:",
    "mov qword ptr [rbx + 64], 0",
    "mov rax, [rbx + 8]",
    "mov rdi, [rbx + 16]",
    "mov rsi, [rbx + 24]",
    "mov rdx, [rbx + 32]",
    "mov r10, [rbx + 40]",
    "mov r8, [rbx + 48]",
    "call r15",
    "4:",
    "mov [rbx + 56], rax",
    "mov qword ptr [rbx], 0",
    "jmp 2b",
    "puppet_ud:",
    "mov qword ptr [rbx + 64], 6",
    "jmp 5f",
    "puppet_gp:",
    "mov qword ptr [rbx + 64], 13",
    "jmp 5f",
    "puppet_pf:",
    "mov qword ptr [rbx + 64], 14",
    "5:",
    "mov esp, {stack}",
    "xor eax, eax",
    "jmp 4b",
    "puppet_hypercall:",
    "syscall",
    "ret",
    "puppet_in8:",
    "xor eax, eax",
    "in al, dx",
    "ret",
    "puppet_in16:",
    "xor eax, eax",
    "in ax, dx",
    "ret",
    "puppet_in32:",
    "in eax, dx",
    "ret",
    "puppet_out8:",
    "out dx, al",
    "ret",
    "puppet_out16:",
    "out dx, ax",
    "ret",
    "puppet_out32:",
    "out dx, eax",
    "ret",
    "puppet_load:",
    "mov eax, [rdi]",
    "ret",
    "puppet_store:",
    "mov [rdi], esi",
    "ret",
    "puppet_flush:",
    "wbinvd",
    "ret",
    "puppet_end:",
    ".popsection",
    orders = const ORDERS,
    stack = const STACK_TOP,
);

unsafe extern "C" {
    static puppet_start: u8;
    static puppet_ud: u8;
    static puppet_gp: u8;
    static puppet_pf: u8;
    static puppet_hypercall: u8;
    static puppet_in8: u8;
    static puppet_in16: u8;
    static puppet_in32: u8;
    static puppet_out8: u8;
    static puppet_out16: u8;
    static puppet_out32: u8;
    static puppet_load: u8;
    static puppet_store: u8;
    static puppet_flush: u8;
    static puppet_end: u8;
}

/// Where its pages are mapped, in this order: code, orders, stack.
const CODE: u64 = 0x40_0000;
const ORDERS: u64 = CODE + 0x1000;
const STACK_TOP: u64 = CODE + 0x3000;
/// Where it may map something.
pub(crate) const WINDOW: u64 = CODE + 0x10_000;
/// Where a hypercall's structure is, in the page of orders: at this word.
const STRUCTURE: usize = 32;
/// Words of a list that fits there.
const LONGEST_LIST: usize = ENTRIES - STRUCTURE;
/// Frames: those three, a spare one, and the tables from the lowest to the root.
const FRAMES: usize = 8;
const SPARE: usize = 3;
const TABLES: usize = 4;
/// How long an order may take.
const PATIENCE: u64 = 2_000_000_000;

/// What an order came to: a value, or the vector of the exception that it met.
pub(crate) type Done = Result<u64, u64>;

/// The place in the puppet of a piece of its code.
fn place(of: *const u8) -> u64 {
    CODE + (of as u64 - &raw const puppet_start as u64)
}

pub(crate) struct Puppet {
    pub(crate) id: u16,
    frames: [u64; FRAMES],
    orders: Page,
    shared: Page,
}

impl Puppet {
    /// A new one, which waits for orders.
    pub(crate) fn new() -> HvResult<Self> {
        let id = create_with(4 * FRAMES as u64, -1)?;
        domctl(XEN_DOMCTL_max_vcpus, id, xen_domctl_max_vcpus { max: 2 })?;
        let mut frames = [0, 1, 2, 3, 4, 5, 6, 7];
        with(XENMEM_populate_physmap, &mut reservation(&mut frames, id))?;
        let info = xen_domctl_getdomaininfo::new_zeroed();
        let info: xen_domctl_getdomaininfo = domctl(XEN_DOMCTL_getdomaininfo, id, info)?.u.get();
        let puppet = Self {
            id,
            frames,
            orders: Page::new(),
            shared: Page::new(),
        };
        puppet.fill()?;
        map_of(&puppet.orders, frames[1], id)?;
        map_of(&puppet.shared, info.shared_info_frame, id)?;
        // Events stay pending: it has no handler.
        puppet.shared.write(0, 1 << 8);
        puppet.start()?;
        Ok(puppet)
    }

    /// Writes its code and its tables.
    fn fill(&self) -> HvResult<()> {
        let window = Page::new();
        let with_frame = |frame: usize, write: &dyn Fn(&Page)| -> HvResult<()> {
            map_of(&window, self.frames[frame], self.id)?;
            (0..ENTRIES).for_each(|i| window.write(i, 0));
            write(&window);
            window.restore();
            Ok(())
        };
        let words = place(&raw const puppet_end).div_ceil(8) - CODE / 8;
        with_frame(0, &|page| {
            for i in 0..words as usize {
                // SAFETY: the section goes on, or ends in padding to 16 bytes.
                let word = unsafe { (&raw const puppet_start).cast::<u64>().add(i) };
                // SAFETY: as above; it need not be aligned.
                page.write(i, unsafe { word.read_unaligned() });
            }
        })?;
        for frame in [1, 2, SPARE] {
            with_frame(frame, &|_| ())?;
        }
        let entry = |frame: usize, bits: u64| self.frames[frame] << 12 | bits;
        with_frame(TABLES, &|page| {
            page.write(0, entry(0, pte::RX));
            page.write(1, entry(1, pte::RW));
            page.write(2, entry(2, pte::RW));
        })?;
        with_frame(TABLES + 1, &|page| page.write(2, entry(TABLES, pte::TABLE)))?;
        with_frame(TABLES + 2, &|page| {
            page.write(0, entry(TABLES + 1, pte::TABLE));
        })?;
        with_frame(TABLES + 3, &|page| {
            page.write(0, entry(TABLES + 2, pte::TABLE));
        })
    }

    /// Has it run.
    fn start(&self) -> HvResult<()> {
        let mut c = Box::new(vcpu_guest_context::new_zeroed());
        c.flags = VGCF_in_kernel | VGCF_online;
        (c.user_regs.rip, c.user_regs.rsp) = (CODE, STACK_TOP);
        (c.user_regs.cs, c.user_regs.ss) = (FLAT_KERNEL_CS, FLAT_KERNEL_SS);
        (c.kernel_ss, c.kernel_sp) = (FLAT_KERNEL_SS.into(), STACK_TOP);
        for (vector, address) in [
            (6, place(&raw const puppet_ud)),
            (13, place(&raw const puppet_gp)),
            (14, place(&raw const puppet_pf)),
        ] {
            let gate = &mut c.trap_ctxt[usize::from(vector)];
            (gate.vector, gate.cs, gate.address) = (vector, FLAT_KERNEL_CS, address);
        }
        c.ctrlreg[3] = xen_pfn_to_cr3(self.frames[TABLES + 3]);
        let request = xen_domctl_vcpucontext {
            vcpu: 0,
            _pad0: [0; 4],
            ctxt: address(&mut *c),
        };
        domctl(XEN_DOMCTL_setvcpucontext, self.id, request)?;
        domctl(XEN_DOMCTL_unpausedomain, self.id, 0_u64).map(drop)
    }

    /// Has it call `service` with these registers: rax, rdi, rsi, rdx, r10, r8.
    fn order(&self, service: u64, registers: [u64; 6]) -> Done {
        for (i, register) in (1..).zip(registers) {
            self.orders.write(i, register);
        }
        self.orders.write(0, service);
        let end = time::uptime() + PATIENCE;
        while self.orders.read(0) != 0 {
            if time::uptime() > end {
                return Err(u64::MAX);
            }
            let _ = poll_for(0, 0, time::system_time() + 100_000);
        }
        match self.orders.read(8) {
            0 => Ok(self.orders.read(7)),
            vector => Err(vector),
        }
    }

    /// A hypercall of its own.
    pub(crate) fn call(&self, nr: u64, args: [u64; 5]) -> HvResult {
        let [a, b, c, d, e] = args;
        match self.order(place(&raw const puppet_hypercall), [nr, a, b, c, d, e]) {
            Ok(rax) => abi::result(rax as i64),
            Err(_) => Err(Errno(999)),
        }
    }

    /// A hypercall whose second argument is a structure.
    pub(crate) fn with<T>(&self, nr: u64, cmd: u32, arg: &mut T) -> HvResult
    where
        T: IntoBytes + FromBytes + Immutable,
    {
        let mut words = [0_u64; 16];
        let bytes = arg.as_bytes();
        words.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        for (i, word) in (STRUCTURE..).zip(words) {
            self.orders.write(i, word);
        }
        let at = ORDERS + 8 * STRUCTURE as u64;
        let result = self.call(nr, [cmd.into(), at, 0, 0, 0]);
        for (i, word) in (STRUCTURE..).zip(&mut words) {
            *word = self.orders.read(i);
        }
        let size = size_of::<T>();
        arg.as_mut_bytes()
            .copy_from_slice(&words.as_bytes()[..size]);
        result
    }

    /// A `domctl` of its own, given as words.
    pub(crate) fn domctl(&self, op: &[u64; 16]) -> HvResult {
        for (i, &word) in (STRUCTURE..).zip(op) {
            self.orders.write(i, word);
        }
        let at = ORDERS + 8 * STRUCTURE as u64;
        self.call(__HYPERVISOR_domctl, [at, 0, 0, 0, 0])
    }

    /// A hypercall whose second argument is a list, of which there are `count` in `words`; what became of
    /// it is in their place.
    pub(crate) fn list(&self, nr: u64, cmd: u32, words: &mut [u64], count: u64) -> HvResult {
        assert!(words.len() <= LONGEST_LIST);
        for (i, &word) in (STRUCTURE..).zip(words.iter()) {
            self.orders.write(i, word);
        }
        let at = ORDERS + 8 * STRUCTURE as u64;
        let result = self.call(nr, [cmd.into(), at, count, 0, 0]);
        for (i, word) in (STRUCTURE..).zip(words) {
            *word = self.orders.read(i);
        }
        result
    }

    /// An extended operation of its own that has no arguments.
    pub(crate) fn extended(&self, cmd: u32) -> HvResult {
        for (i, word) in (STRUCTURE..).zip([cmd.into(), 0, 0]) {
            self.orders.write(i, word);
        }
        let at = ORDERS + 8 * STRUCTURE as u64;
        self.call(__HYPERVISOR_mmuext_op, [at, 1, 0, DOMID_SELF.into(), 0])
    }

    /// Maps `entry` at [`WINDOW`] by `update_va_mapping`.
    pub(crate) fn map(&self, entry: u64) -> HvResult {
        let flags = UVMF_INVLPG | UVMF_LOCAL;
        self.call(__HYPERVISOR_update_va_mapping, [WINDOW, entry, flags, 0, 0])
    }

    /// The same by `mmu_update` as if it were of `domid`.
    pub(crate) fn update(&self, entry: u64, domid: u16) -> HvResult {
        self.request(self.window_slot(), entry, domid)
    }

    /// One `mmu_update` of its own.
    pub(crate) fn request(&self, ptr: u64, val: u64, domid: u16) -> HvResult {
        self.orders.write(STRUCTURE, ptr);
        self.orders.write(STRUCTURE + 1, val);
        let at = ORDERS + 8 * STRUCTURE as u64;
        self.call(__HYPERVISOR_mmu_update, [at, 1, 0, domid.into(), 0])
    }

    /// The machine address of the entry for [`WINDOW`].
    pub(crate) fn window_slot(&self) -> u64 {
        self.slot((WINDOW - CODE) as usize / 0x1000)
    }

    /// The machine address of entry `i` of its lowest table, of which the first three are used.
    pub(crate) fn slot(&self, i: usize) -> u64 {
        (self.table() << 12) + i as u64 * 8
    }

    /// Its lowest table.
    pub(crate) fn table(&self) -> u64 {
        self.frames[TABLES]
    }

    /// A page of its own that nothing needs.
    pub(crate) fn spare(&self) -> u64 {
        self.frames[SPARE]
    }

    pub(crate) fn in8(&self, port: u16) -> Done {
        self.read_port(&raw const puppet_in8, port)
    }

    pub(crate) fn in16(&self, port: u16) -> Done {
        self.read_port(&raw const puppet_in16, port)
    }

    pub(crate) fn in32(&self, port: u16) -> Done {
        self.read_port(&raw const puppet_in32, port)
    }

    pub(crate) fn out8(&self, port: u16, value: u8) -> Done {
        self.write_port(&raw const puppet_out8, port, value.into())
    }

    pub(crate) fn out16(&self, port: u16, value: u16) -> Done {
        self.write_port(&raw const puppet_out16, port, value.into())
    }

    pub(crate) fn out32(&self, port: u16, value: u32) -> Done {
        self.write_port(&raw const puppet_out32, port, value)
    }

    fn read_port(&self, service: *const u8, port: u16) -> Done {
        let done = self.order(place(service), [0, 0, 0, port.into(), 0, 0]);
        done.map(|value| value & 0xffff_ffff)
    }

    fn write_port(&self, service: *const u8, port: u16, value: u32) -> Done {
        self.order(place(service), [value.into(), 0, 0, port.into(), 0, 0])
    }

    pub(crate) fn load(&self, at: u64) -> Done {
        let done = self.order(place(&raw const puppet_load), [0, at, 0, 0, 0, 0]);
        done.map(|value| value & 0xffff_ffff)
    }

    pub(crate) fn store(&self, at: u64, value: u32) -> Done {
        self.order(
            place(&raw const puppet_store),
            [0, at, value.into(), 0, 0, 0],
        )
    }

    pub(crate) fn flush(&self) -> Done {
        self.order(place(&raw const puppet_flush), [0; 6])
    }

    /// Whether an event of its `port` is pending; takes it.
    pub(crate) fn take_pending(&self, port: u32) -> bool {
        let word = offset_of!(shared_info, evtchn_pending) / 8 + port as usize / 64;
        let was = self.shared.read(word);
        self.shared.write(word, was & !(1 << (port % 64)));
        // The next one is to be noticed as well.
        self.shared.write(0, 1 << 8);
        self.shared.write(1, 0);
        was & 1 << (port % 64) != 0
    }

    /// Ends it.
    pub(crate) fn destroy(self) -> HvResult {
        let Self {
            id, orders, shared, ..
        } = self;
        drop((orders, shared));
        flush_tlb();
        super::claims::destroy(id)
    }
}

/// Maps a frame of `domid` where a page is.
fn map_of(page: &Page, mfn: u64, domid: u16) -> HvResult<()> {
    update(page.own_slot(), mfn << 12 | pte::RW, domid)?;
    flush_tlb();
    Ok(())
}
