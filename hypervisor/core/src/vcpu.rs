//! One virtual CPU: what belongs to it alone and moves with it from CPU to CPU.
//!
//! A [`Vcpu`] is owned by exactly one place: its home slot in the domain while it does not run,
//! the [`crate::sched::Cpu`] that runs it while it does. So its fields need no lock.

use alloc::boxed::Box;
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use hypercall_abi::vcpu::vcpu_runstate_info;
use hypercall_abi::xen::multicall_entry;
use zerocopy::FromZeros;

use crate::addr::Mfn;
use crate::domain::unfinished::Unfinished;
use crate::error::{Crash, Errno, Result};
use crate::hypercall::dispatch::SYSCALL_LENGTH;
use crate::platform::Nanos;

/// Names a virtual CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VcpuId {
    /// The domain's id.
    pub domain: u16,
    /// The vCPU's number in its domain.
    pub index: u16,
}

/// Registers of a guest as the entry code saves them, in the order of `cpu_user_regs`
/// (arch-x86/xen-x86_64.h). The stack of the first entry instructions is this very structure: the
/// TSS's RSP0 points behind `ss`, hence the alignment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(16))]
#[allow(missing_docs, reason = "register names")]
pub struct Regs {
    pub _align: u64,
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    /// Error code in bits 31-0, vector in bits 63-32; [`Regs::SYSCALL`] while this is the frame of
    /// a `syscall`, whose rcx and r11 may be left as `sysret` leaves them.
    pub error_vector: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

const _: () = assert!(size_of::<Regs>() == 176);

impl Regs {
    /// A general register by its number in instruction encodings (0 rax, 1 rcx, 2 rdx, 3 rbx,
    /// 4 rsp, …); bits above the low four do not count.
    #[must_use]
    pub fn general(&self, number: u8) -> u64 {
        match number & 15 {
            0 => self.rax,
            1 => self.rcx,
            2 => self.rdx,
            3 => self.rbx,
            4 => self.rsp,
            5 => self.rbp,
            6 => self.rsi,
            7 => self.rdi,
            8 => self.r8,
            9 => self.r9,
            10 => self.r10,
            11 => self.r11,
            12 => self.r12,
            13 => self.r13,
            14 => self.r14,
            _ => self.r15,
        }
    }

    /// The same for writing.
    pub fn general_mut(&mut self, number: u8) -> &mut u64 {
        match number & 15 {
            0 => &mut self.rax,
            1 => &mut self.rcx,
            2 => &mut self.rdx,
            3 => &mut self.rbx,
            4 => &mut self.rsp,
            5 => &mut self.rbp,
            6 => &mut self.rsi,
            7 => &mut self.rdi,
            8 => &mut self.r8,
            9 => &mut self.r9,
            10 => &mut self.r10,
            11 => &mut self.r11,
            12 => &mut self.r12,
            13 => &mut self.r13,
            14 => &mut self.r14,
            _ => &mut self.r15,
        }
    }
}

impl Regs {
    /// The arguments of a hypercall, in order.
    #[inline(always)]
    #[must_use]
    pub fn hypercall_args(&self) -> [u64; 6] {
        [self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9]
    }

    /// `error_vector` of a `syscall`: no exception has vector 0 and an error code.
    pub const SYSCALL: u64 = 0x100;
}

/// Which of its two address spaces a 64-bit PV guest runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Kernel root; `syscall` is a hypercall. The entry code compares with this.
    Kernel = 0,
    /// User root; `syscall` bounces to the guest's handler.
    User,
}

/// One row of the guest's trap table (`trap_info`, xen.h); address 0 means not set.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrapGate {
    /// Handler's selector, RPL raised to the guest kernel's.
    pub cs: u16,
    /// Bits 0-1: privilege level from which `int n` may reach it; bit 2: mask events on entry.
    pub flags: u8,
    /// Handler's address (canonical).
    pub address: u64,
}

/// A callback that the guest registered (callback.h).
#[derive(Clone, Copy, Debug, Default)]
pub struct Callback {
    /// Address, 0 = none.
    pub address: u64,
    /// Whether events are masked on entry.
    pub mask_events: bool,
}

/// The root of an address space, or none: its machine address, as the entry code loads it into CR3,
/// or 0, where no root can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Root(u64);

impl Root {
    /// None.
    pub const NONE: Self = Self(0);

    /// Its frame.
    #[inline]
    #[must_use]
    pub const fn get(self) -> Option<Mfn> {
        match self.0 {
            0 => None,
            address => Some(Mfn::containing(address)),
        }
    }

    /// Puts another one in its place; the frame of the old one.
    #[inline]
    pub fn replace(&mut self, new: Mfn) -> Option<Mfn> {
        core::mem::replace(self, Some(new).into()).get()
    }

    /// Leaves none; the frame of the old one.
    pub fn take(&mut self) -> Option<Mfn> {
        core::mem::replace(self, Self::NONE).get()
    }
}

impl From<Option<Mfn>> for Root {
    #[inline]
    fn from(root: Option<Mfn>) -> Self {
        Self(root.map_or(0, Mfn::addr))
    }
}

/// Pages of a GDT.
pub type Pages = ArrayVec<Mfn, 14>;

/// The guest-visible processor state besides the general registers.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "register names")]
pub struct Arch {
    pub traps: [TrapGate; 256],
    pub event: Callback,
    pub failsafe: Callback,
    pub syscall: Callback,
    pub syscall32: Callback,
    pub sysenter: Callback,
    pub nmi: Callback,
    pub kernel_ss: u16,
    pub kernel_sp: u64,
    /// GDT frames, each holding one reference and one descriptor-page type.
    pub gdt: Pages,
    /// The same of those that an unfinished `set_gdt` has taken.
    pub gdt_coming: Pages,
    pub gdt_entries: u16,
    pub ldt_base: u64,
    pub ldt_entries: u32,
    /// LDT pages mapped so far, each holding one reference and one descriptor-page type.
    pub ldt_pages: [Option<Mfn>; 16],
    /// Kernel root: one reference and one L4 type.
    pub kernel_root: Root,
    /// User root: one reference and one L4 type.
    pub user_root: Root,
    pub fs_base: u64,
    pub gs_base_kernel: u64,
    pub gs_base_user: u64,
    pub ds: u16,
    pub es: u16,
    pub fs: u16,
    pub gs: u16,
    /// CR0.TS as the guest set it.
    pub task_switched: bool,
    /// The guest's view of CR4's changeable bits.
    pub cr4: u64,
    /// XCR0 as the guest set it.
    pub xcr0: u64,
    /// TSC_AUX, which RDTSCP and RDPID read.
    pub tsc_aux: u32,
    /// MCG_STATUS, which holds what is written to it.
    pub mcg_status: u64,
    pub debugreg: [u64; 8],
    /// I/O privilege level, 0 to 3, as set through physdev_op.
    pub iopl: u8,
    /// Guest address of its I/O permission bitmap, set through physdev_op.
    pub io_bitmap: u64,
    /// Ports that the bitmap covers, from 0 on; 0 when there is none.
    pub io_bitmap_ports: u32,
    /// vm_assist bits in force (VMASST_TYPE_*), a copy of the domain's for quick reading.
    pub vm_assist: u64,
}

/// Where a vCPU's `vcpu_info` lives: a frame held by a reference, and a byte offset in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfoArea {
    /// The frame.
    pub mfn: Mfn,
    /// Byte offset of the structure in the frame.
    pub offset: u16,
}

/// Progress of a hypercall that ran out of its budget. The guest gets no event before the call has
/// ended ([`Vcpu::is_amid_call`]), so that no other call comes between; a guest that manages to make
/// one (by a fault at the instruction itself) loses the progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// Hypercall number and arguments it belongs to.
    pub call: (u64, [u64; 6]),
    /// Items finished.
    pub done: u64,
    /// Guest address of the instruction that makes the call again.
    pub rip: u64,
}

/// XCR0 of a vCPU that starts: x87 and SSE.
const XCR0_INITIAL: u64 = 3;

/// Room for the FPU image in XSAVE's standard format (legacy area, header, AVX).
#[derive(Clone)]
#[repr(C, align(64))]
pub struct FpuArea(pub [u8; 1024]);

impl FpuArea {
    /// The state a processor has after `fninit` with MXCSR at its default: all exceptions masked.
    #[must_use]
    pub const fn initial() -> Self {
        let mut image = [0; 1024];
        // FCW = 0x37f at byte 0, MXCSR = 0x1f80 at byte 24 of the legacy area.
        image[0] = 0x7f;
        image[1] = 0x03;
        image[24] = 0x80;
        image[25] = 0x1f;
        Self(image)
    }
}

/// A virtual CPU.
#[repr(C, align(64))]
pub struct Vcpu {
    /// Saved registers; first, because entry code finds them by the structure's address.
    pub regs: Regs,
    /// FPU image while not running.
    pub fpu: FpuArea,
    /// Whose it is.
    pub id: VcpuId,
    /// The domain's slot in the domain table.
    pub slot: u16,
    /// Current address space.
    pub mode: Mode,
    /// Processor state.
    pub arch: Arch,
    /// The `vcpu_info` in use; `None` until the domain has its shared-info page.
    pub info: Option<InfoArea>,
    /// The frames of its domain's ports that [`crate::platform::Machine::ports_word`] reads: the root,
    /// and the first ports'.
    pub ports: Option<(Mfn, Mfn)>,
    /// Unfinished hypercalls: the outer one (multicall) and the one in it.
    pub continuation: [Option<Continuation>; 2],
    /// Requests of `mmu_update` that were copied in last; kept here, for a local would be zeroed on
    /// every call.
    pub requests: [hypercall_abi::xen::mmu_update; crate::pv::mmu_update::BATCH],
    /// What an interrupted memory operation has in hand.
    pub(crate) unfinished: Option<Unfinished>,
    /// Page-table work in progress (see [`crate::pv::walk`]).
    pub walk: crate::pv::walk::WalkState,
    /// The multicall entry in progress.
    pub entry: multicall_entry,
    /// Set by a handler that wants to give up the CPU once the hypercall is done; see
    /// [`crate::hypercall::Cx::reschedule`].
    pub reschedule: bool,
    /// Whether all its registers are saved, and not only those that a hypercall may change.
    pub all_saved: bool,
    /// Set by a hypercall that is to be made again with all registers saved.
    pub call_whole: bool,
    /// What it did that ends its domain, and an address that explains it: seen to as soon as all its
    /// registers are saved.
    pub crash: Option<(Crash, Option<u64>)>,
    /// Its deadlines while it runs; see [`crate::sched::VcpuSched::timers`].
    pub timers: crate::sched::Timers,
    /// Its runstate while it runs, but for the time that it ran.
    pub runstate: vcpu_runstate_info,
    /// When it would have begun to run, had it run without a break since.
    pub ran_from: Nanos,
    /// Whether an NMI is to be delivered.
    pub nmi: bool,
    /// Set while the vCPU's clock page must be written before it runs on.
    pub clock_stale: bool,
}

/// A vCPU on the heap; made without aborting when memory is short.
pub struct VcpuBox(Box<[Vcpu; 1]>);

impl VcpuBox {
    /// Allocates.
    ///
    /// # Errors
    /// `ENOMEM` when the heap is exhausted.
    pub fn new(id: VcpuId, slot: u16) -> Result<Self> {
        let mut v = Vec::new();
        v.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)?;
        v.push(Vcpu::new(id, slot));
        let one = v.into_boxed_slice().try_into();
        one.map(Self).map_err(|_| Errno::ENOMEM)
    }
}

impl core::ops::Deref for VcpuBox {
    type Target = Vcpu;
    fn deref(&self) -> &Vcpu {
        &self.0[0]
    }
}

impl core::ops::DerefMut for VcpuBox {
    fn deref_mut(&mut self) -> &mut Vcpu {
        &mut self.0[0]
    }
}

impl Vcpu {
    /// What the word of a port says that is for events between vCPUs and notifies this one: its lower
    /// bits ([`crate::platform::Machine::running_channel`]).
    #[must_use]
    pub const fn channel(&self) -> u64 {
        crate::evtchn::channel_to(self.id.index)
    }

    /// Whether the next instruction makes a hypercall again that is not done yet.
    #[must_use]
    pub fn is_amid_call(&self) -> bool {
        self.continuation[0].is_some_and(|c| c.rip == self.regs.rip)
    }

    /// Records that `done` items of a call are finished: of a direct one (`depth` 0), or of one in a
    /// multicall (1).
    #[cold]
    pub fn suspend_at(&mut self, depth: usize, call: (u64, [u64; 6]), done: u64) {
        self.continuation[depth & 1] = Some(Continuation {
            call,
            done,
            rip: self.regs.rip.wrapping_sub(SYSCALL_LENGTH),
        });
    }

    /// A vCPU as it is before its context is set.
    #[must_use]
    pub fn new(id: VcpuId, slot: u16) -> Self {
        Self {
            regs: Regs::default(),
            fpu: FpuArea::initial(),
            id,
            slot,
            mode: Mode::Kernel,
            arch: Arch {
                traps: [TrapGate::default(); 256],
                event: Callback::default(),
                failsafe: Callback::default(),
                syscall: Callback::default(),
                syscall32: Callback::default(),
                sysenter: Callback::default(),
                nmi: Callback::default(),
                kernel_ss: 0,
                kernel_sp: 0,
                gdt: Pages::new_const(),
                gdt_coming: Pages::new_const(),
                gdt_entries: 0,
                ldt_base: 0,
                ldt_entries: 0,
                ldt_pages: [None; 16],
                kernel_root: Root::NONE,
                user_root: Root::NONE,
                fs_base: 0,
                gs_base_kernel: 0,
                gs_base_user: 0,
                ds: 0,
                es: 0,
                fs: 0,
                gs: 0,
                task_switched: false,
                cr4: 0,
                xcr0: XCR0_INITIAL,
                tsc_aux: 0,
                mcg_status: 0,
                debugreg: [0, 0, 0, 0, 0, 0, 0xffff_0ff0, 0x400],
                iopl: 0,
                io_bitmap: 0,
                io_bitmap_ports: 0,
                vm_assist: 0,
            },
            info: None,
            ports: None,
            continuation: [None; 2],
            requests: [const { hypercall_abi::xen::mmu_update { ptr: 0, val: 0 } };
                crate::pv::mmu_update::BATCH],
            unfinished: None,
            walk: crate::pv::walk::WalkState::default(),
            entry: multicall_entry::new_zeroed(),
            reschedule: false,
            all_saved: false,
            call_whole: false,
            crash: None,
            timers: crate::sched::Timers::default(),
            runstate: vcpu_runstate_info::new_zeroed(),
            ran_from: 0,
            nmi: false,
            clock_stale: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are those of instruction encodings (processor manual, volume 2, 2.1.5).
    #[test]
    fn registers_by_their_numbers() {
        let mut r = Regs::default();
        for number in 0..16 {
            *r.general_mut(number) = 100 + u64::from(number);
            assert_eq!(r.general(number | 0x30), 100 + u64::from(number));
        }
        assert_eq!([r.rax, r.rcx, r.rdx, r.rbx], [100, 101, 102, 103]);
        assert_eq!([r.rsp, r.rbp, r.rsi, r.rdi], [104, 105, 106, 107]);
        assert_eq!([r.r8, r.r9, r.r10, r.r11], [108, 109, 110, 111]);
        assert_eq!([r.r12, r.r13, r.r14, r.r15], [112, 113, 114, 115]);
    }
}
