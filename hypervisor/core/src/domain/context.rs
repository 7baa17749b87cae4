//! A vCPU's whole context (`vcpu_guest_context`, arch-x86/xen.h): what `XEN_DOMCTL_setvcpucontext`
//! and `VCPUOP_initialise` share.
//!
//! The structure is copied in piece by piece, each piece once: it is larger than a stack should
//! hold.

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use hypercall_abi::arch_x86_64::{
    FIRST_RESERVED_GDT_ENTRY, VGCF_failsafe_disables_events, VGCF_i387_valid, VGCF_in_kernel,
    VGCF_online, VGCF_syscall_disables_events, cpu_user_regs, trap_info, vcpu_guest_context,
    xen_cr3_to_pfn,
};
use hypercall_abi::xen::{
    VMASST_TYPE_architectural_iopl, VMASST_TYPE_m2p_strict, VMASST_TYPE_pae_extended_cr3,
    VMASST_TYPE_runstate_update_flag, VMASST_TYPE_writable_pagetables,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Domain;
use crate::addr::{Mfn, canonical, guest_range};
use crate::error::{Errno, HypercallResult, Result, Stop};
use crate::guest::{copy_in, copy_out};
use crate::hypercall::Cx;
use crate::platform::Machine;
use crate::pv::root::give_up_root;
use crate::pv::walk;
use crate::sched;
use crate::trap::frame::{ExitFrame, IOPL_SHIFT};
use crate::trap::tables::{UNITS_OF_PAGE, put_pages};
use crate::vcpu::{Callback, Mode, Pages, Regs, Root, TrapGate, Vcpu};

/// Descriptors in a page.
const PER_PAGE: u64 = 512;
/// Largest LDT, descriptors.
const LDT_ENTRIES: u64 = 8192;
/// MXCSR bits that exist on every processor with SSE2; others fault when loaded.
const MXCSR_MASK: u32 = 0xffff;
/// Offset of MXCSR in an FXSAVE image.
const MXCSR: usize = 24;
/// Offset of XSAVE's component bitmap, and the components that an FXSAVE image has.
const XSTATE_BV: usize = 512;
const X87_AND_SSE: u64 = 3;
/// vm_assist bits that a context may set.
const ASSISTS: u64 = 1 << VMASST_TYPE_writable_pagetables
    | 1 << VMASST_TYPE_pae_extended_cr3
    | 1 << VMASST_TYPE_architectural_iopl
    | 1 << VMASST_TYPE_runstate_update_flag
    | 1 << VMASST_TYPE_m2p_strict;

/// A `vcpu_guest_context` in the toolstack's memory.
pub(crate) struct Remote<'a, M: Machine> {
    m: &'a M,
    va: u64,
}

impl<M: Machine> Remote<'_, M> {
    fn read<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        copy_in(self.m, self.va.wrapping_add(offset as u64))
    }

    pub(crate) fn write<T: IntoBytes + Immutable>(&self, offset: usize, value: &T) -> Result<()> {
        copy_out(self.m, self.va.wrapping_add(offset as u64), value)
    }

    pub(crate) fn new(m: &M, va: u64) -> Result<Remote<'_, M>> {
        if !guest_range(va, size_of::<vcpu_guest_context>() as u64) {
            return Err(Errno::EFAULT);
        }
        Ok(Remote { m, va })
    }
}

/// The members behind the trap table but for those of them that are long; read at once.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Rest {
    pub(crate) ldt_base: u64,
    pub(crate) ldt_ents: u64,
    pub(crate) gdt_frames: [u64; 16],
    pub(crate) gdt_ents: u64,
    pub(crate) kernel_ss: u64,
    pub(crate) kernel_sp: u64,
    pub(crate) ctrlreg: [u64; 8],
    pub(crate) debugreg: [u64; 8],
    pub(crate) event_callback_eip: u64,
    pub(crate) failsafe_callback_eip: u64,
    pub(crate) syscall_callback_eip: u64,
    pub(crate) vm_assist: u64,
    pub(crate) fs_base: u64,
    pub(crate) gs_base_kernel: u64,
    pub(crate) gs_base_user: u64,
}

pub(crate) const REST: usize = offset_of!(vcpu_guest_context, ldt_base);
const _: () = assert!(REST + size_of::<Rest>() == size_of::<vcpu_guest_context>());

/// The frames of tables that a context names; a vCPU has a use of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tables {
    gdt: Pages,
    gdt_entries: u16,
    ldt: (u64, u32),
    kernel_root: Option<Mfn>,
    user_root: Option<Mfn>,
}

impl Tables {
    /// Checks what a context says of tables, without taking anything.
    fn claimed(rest: &Rest) -> Result<Self> {
        let ldt_ok = rest.ldt_ents == 0
            || rest.ldt_ents <= LDT_ENTRIES && guest_range(rest.ldt_base, rest.ldt_ents * 8);
        if rest.gdt_ents > u64::from(FIRST_RESERVED_GDT_ENTRY) || !ldt_ok {
            return Err(Errno::EINVAL);
        }
        let pages = rest.gdt_ents.div_ceil(PER_PAGE) as usize;
        let user = rest.ctrlreg[1];
        Ok(Self {
            gdt: rest
                .gdt_frames
                .iter()
                .take(pages)
                .map(|&mfn| Mfn(mfn))
                .collect(),
            gdt_entries: rest.gdt_ents as u16,
            ldt: (rest.ldt_base, rest.ldt_ents as u32),
            kernel_root: Some(Mfn(xen_cr3_to_pfn(rest.ctrlreg[3]))),
            user_root: (user != 0).then_some(Mfn(xen_cr3_to_pfn(user))),
        })
    }

    fn of(vcpu: &Vcpu) -> Self {
        Self {
            gdt: vcpu.arch.gdt.clone(),
            gdt_entries: vcpu.arch.gdt_entries,
            ldt: (vcpu.arch.ldt_base, vcpu.arch.ldt_entries),
            kernel_root: vcpu.arch.kernel_root.get(),
            user_root: vcpu.arch.user_root.get(),
        }
    }

    /// Takes the uses for vCPU `index`, which has no context yet, as far as the budget allows. What is
    /// taken is the vCPU's at once: the call made again goes on from there.
    fn take<M: Machine>(&self, cx: &mut Cx<'_, M>, dom: &Domain, index: usize) -> Result<(), Stop> {
        let _guard = dom.lock();
        if dom.is_dying() {
            return Err(Errno::ESRCH.into());
        }
        let mut taken = with_vcpu(dom, index, |vcpu| Self::of(vcpu))?;
        if !taken.begins(self) {
            // Another call's, which was given up.
            release(cx, dom, index)?;
            taken = Self::default();
        }
        for &page in self.gdt.iter().skip(taken.gdt.len()) {
            cx.afford(UNITS_OF_PAGE)?;
            cx.hv.page_get_descriptors(dom, page)?;
            with_vcpu(dom, index, |vcpu| vcpu.arch.gdt.push(page))?;
        }
        let uses = [
            (self.kernel_root, taken.kernel_root),
            (self.user_root, taken.user_root),
        ];
        for (place, (wanted, taken)) in uses.into_iter().enumerate() {
            let Some(root) = wanted.filter(|_| taken.is_none()) else {
                continue;
            };
            let walk = &mut cx.vcpu.walk;
            walk::get_table(cx.hv, dom, (root, 4), walk, &mut cx.budget)?;
            with_vcpu(dom, index, |vcpu| {
                let arch = &mut vcpu.arch;
                *[&mut arch.kernel_root, &mut arch.user_root][place] = wanted.into();
            })?;
        }
        Ok(())
    }

    /// Whether these are some of the uses of `all`, the first of each kind.
    fn begins(&self, all: &Self) -> bool {
        let among = |mine: Option<Mfn>, all| mine.is_none() || mine == all;
        among(self.kernel_root, all.kernel_root)
            && among(self.user_root, all.user_root)
            && all.gdt.starts_with(&self.gdt)
    }
}

/// Gives up the tables of a vCPU that has no context. Their release is queued, and ends before the
/// caller's next call if the budget does not suffice.
fn release<M: Machine>(cx: &mut Cx<'_, M>, dom: &Domain, index: usize) -> Result<(), Stop> {
    let walk = &mut cx.vcpu.walk;
    // The queue has room for what a call leaves.
    walk::forget_verdict(cx.hv, walk);
    if !walk.is_idle() && walk.slot != dom.slot {
        // Another domain's tables: they end under its lock, before the call is made again.
        return Err(Stop::Retry);
    }
    walk::finish(cx.hv, dom, walk, &mut cx.budget)?;
    with_vcpu(dom, index, |vcpu| {
        put_pages(cx.hv, &mut vcpu.arch.gdt);
        let roots = [vcpu.arch.kernel_root.take(), vcpu.arch.user_root.take()];
        for mfn in roots.into_iter().flatten() {
            give_up_root(cx.hv, mfn, walk);
        }
    })?;
    walk::finish(cx.hv, dom, walk, &mut cx.budget)
}

/// Works on vCPU `index` of `dom`, which does not run.
///
/// # Errors
/// `EBUSY` when it does.
fn with_vcpu<T>(dom: &Domain, index: usize, work: impl FnOnce(&mut Vcpu) -> T) -> Result<T> {
    let mut homes = dom.homes.lock();
    let vcpu = homes.get_mut(index).and_then(Option::as_mut);
    Ok(work(vcpu.ok_or(Errno::EBUSY)?))
}

/// `VCPUOP_initialise`: sets the context of a vCPU of the caller's own domain that has none.
///
/// # Errors
/// `ENOENT` when there is no such vCPU, `EEXIST` when it has a context; else as for
/// `XEN_DOMCTL_setvcpucontext`.
pub fn initialise<M: Machine>(cx: &mut Cx<'_, M>, index: u16, arg: u64) -> HypercallResult {
    let index = usize::from(index);
    let initialised = cx.dom.lock().vcpus.get(index).map(|v| v.initialised);
    if initialised.ok_or(Errno::ENOENT)? {
        return Err(Errno::EEXIST.into());
    }
    load(cx, cx.dom, index, arg)?;
    Ok(0)
}

/// Units of budget for what is read before tables are taken.
const UNITS: u32 = 160;
/// Progress: the context of this very vCPU has been read.
fn read_of(dom: &Domain, index: usize) -> u64 {
    u64::from(dom.generation()) << 32 | index as u64
}

/// Sets the whole context of vCPU `index` of `dom`, which does not run, from a `vcpu_guest_context`
/// at `va` of the caller's memory. The tables of a vCPU that is initialised cannot be changed any
/// more.
///
/// # Errors
/// `EINVAL` for addresses that are not canonical, frames that cannot be what they are named as, and
/// tables that are too long; `EBUSY` when the vCPU runs; `EFAULT`; `ESRCH` when the domain is being
/// destroyed; `Retry` when there is more to do than the budget allows.
pub(crate) fn load<M: Machine>(
    cx: &mut Cx<'_, M>,
    dom: &Domain,
    index: usize,
    va: u64,
) -> Result<(), Stop> {
    let result = go_on(cx, dom, index, va);
    if !matches!(result, Ok(()) | Err(Stop::Retry)) {
        cx.end_progress();
        let state = dom.lock();
        if !state.vcpus.get(index).is_some_and(|v| v.initialised)
            && release(cx, dom, index) == Err(Stop::Retry)
            && cx.vcpu.walk.slot != dom.slot
        {
            return Err(Stop::Retry);
        }
        // What is left of it comes before the caller's next call.
    }
    result
}

/// The same, but that a refusal leaves the vCPU what earlier runs took for it.
#[inline(never)]
fn go_on<M: Machine>(cx: &mut Cx<'_, M>, dom: &Domain, index: usize, va: u64) -> Result<(), Stop> {
    let remote = Remote::new(cx.m(), va)?;
    let flags: u64 = remote.read(offset_of!(vcpu_guest_context, flags))?;
    let user: cpu_user_regs = remote.read(offset_of!(vcpu_guest_context, user_regs))?;
    let rest: Rest = remote.read(REST)?;
    let regs = registers(&user)?;
    check_addresses(&rest)?;
    let tables = Tables::claimed(&rest)?;

    let first_time = !dom.lock().vcpus.get(index).is_some_and(|v| v.initialised);
    if !first_time && with_vcpu(dom, index, |vcpu| Tables::of(vcpu))? != tables {
        return Err(Errno::EINVAL.into());
    }
    // Before anything is made a table; once.
    let read = read_of(dom, index);
    if cx.resume() != Some(read) {
        cx.afford(UNITS)?;
        with_vcpu(dom, index, |vcpu| {
            read_traps(&remote, vcpu)?;
            if flags & VGCF_i387_valid != 0 {
                read_fpu(&remote, vcpu)?;
            }
            Ok::<_, Errno>(())
        })??;
    }
    if first_time && let Err(stop) = tables.take(cx, dom, index) {
        if stop == Stop::Retry {
            cx.suspend_at(read);
        }
        return Err(stop);
    }
    with_vcpu(dom, index, |vcpu| {
        vcpu.arch.gdt_entries = tables.gdt_entries;
        (vcpu.arch.ldt_base, vcpu.arch.ldt_entries) = tables.ldt;
        apply(vcpu, flags, &user, regs, &rest);
    })?;
    if index == 0 {
        dom.vm_assist
            .store(rest.vm_assist & ASSISTS, Ordering::Relaxed);
    }
    let mut state = dom.lock();
    if let Some(shared) = state.vcpus.get_mut(index) {
        shared.initialised = true;
        shared.up = flags & VGCF_online != 0;
    }
    sched::settle(cx.hv, dom, &mut state, index as u16);
    Ok(())
}

/// The registers to go on with; `EINVAL` for what could not be returned to.
fn registers(user: &cpu_user_regs) -> Result<Regs> {
    let mut regs = Regs {
        r15: user.r15,
        r14: user.r14,
        r13: user.r13,
        r12: user.r12,
        rbp: user.rbp,
        rbx: user.rbx,
        r11: user.r11,
        r10: user.r10,
        r9: user.r9,
        r8: user.r8,
        rax: user.rax,
        rcx: user.rcx,
        rdx: user.rdx,
        rsi: user.rsi,
        rdi: user.rdi,
        ..Regs::default()
    };
    ExitFrame::new(user.rip, user.cs, user.rflags, user.rsp, user.ss)
        .map_err(|_| Errno::EINVAL)?
        .apply(&mut regs);
    Ok(regs)
}

fn check_addresses(rest: &Rest) -> Result<()> {
    let addresses = [
        rest.event_callback_eip,
        rest.failsafe_callback_eip,
        rest.syscall_callback_eip,
        rest.fs_base,
        rest.gs_base_kernel,
        rest.gs_base_user,
    ];
    if addresses.into_iter().all(canonical) {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// The trap table, gate by gate; `EINVAL` for a handler that is not canonical.
#[inline(never)]
fn read_traps<M: Machine>(remote: &Remote<'_, M>, vcpu: &mut Vcpu) -> Result<()> {
    let mut gates = [TrapGate::default(); 256];
    for (i, gate) in gates.iter_mut().enumerate() {
        let offset = offset_of!(vcpu_guest_context, trap_ctxt) + i * size_of::<trap_info>();
        let given: trap_info = remote.read(offset)?;
        if !canonical(given.address) {
            return Err(Errno::EINVAL);
        }
        *gate = TrapGate {
            cs: given.cs | 3,
            flags: given.flags & 7,
            address: given.address,
        };
    }
    vcpu.arch.traps = gates;
    Ok(())
}

/// The FPU image, with what would fault when it is loaded taken out.
#[inline(never)]
fn read_fpu<M: Machine>(remote: &Remote<'_, M>, vcpu: &mut Vcpu) -> Result<()> {
    let image: [u8; 512] = remote.read(offset_of!(vcpu_guest_context, fpu_ctxt))?;
    let area = &mut vcpu.fpu.0;
    area.fill(0);
    area[..512].copy_from_slice(&image);
    if let Some(mxcsr) = area.get_mut(MXCSR..).and_then(|a| a.first_chunk_mut::<4>()) {
        *mxcsr = (u32::from_le_bytes(*mxcsr) & MXCSR_MASK).to_le_bytes();
    }
    area[XSTATE_BV..XSTATE_BV + 8].copy_from_slice(&X87_AND_SSE.to_le_bytes());
    Ok(())
}

/// Everything that needs no reference and cannot fail.
fn apply(vcpu: &mut Vcpu, flags: u64, user: &cpu_user_regs, regs: Regs, rest: &Rest) {
    vcpu.regs = regs;
    vcpu.mode = if flags & VGCF_in_kernel != 0 {
        Mode::Kernel
    } else {
        Mode::User
    };
    if vcpu.arch.user_root == Root::NONE {
        vcpu.mode = Mode::Kernel;
    }
    let arch = &mut vcpu.arch;
    (arch.ds, arch.es, arch.fs, arch.gs) = (user.ds, user.es, user.fs, user.gs);
    // The guest's I/O privilege level is where the processor has its own.
    arch.iopl = (user.rflags >> IOPL_SHIFT & 3) as u8;
    arch.kernel_ss = rest.kernel_ss as u16 | 3;
    arch.kernel_sp = rest.kernel_sp;
    let callback = |address, mask_events| Callback {
        address,
        mask_events,
    };
    arch.event = callback(rest.event_callback_eip, false);
    arch.failsafe = callback(
        rest.failsafe_callback_eip,
        flags & VGCF_failsafe_disables_events != 0,
    );
    arch.syscall = callback(
        rest.syscall_callback_eip,
        flags & VGCF_syscall_disables_events != 0,
    );
    arch.fs_base = rest.fs_base;
    arch.gs_base_kernel = rest.gs_base_kernel;
    arch.gs_base_user = rest.gs_base_user;
    arch.vm_assist = rest.vm_assist & ASSISTS;
    for (reg, &value) in rest.debugreg.iter().enumerate() {
        // As real Xen: what is not allowed is left out, without an error.
        if let Ok((index, value)) = crate::trap::registers::admit_dr(reg as u32, value, arch.cr4) {
            arch.debugreg[index] = value;
        }
    }
    vcpu.clock_stale = true;
}
