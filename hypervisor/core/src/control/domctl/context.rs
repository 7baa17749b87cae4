//! `setvcpucontext` and `getvcpucontext`: a vCPU's whole state in the toolstack's memory.
//!
//! The structure is copied in piece by piece, each piece once: it is larger than a stack should
//! hold.

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use arrayvec::ArrayVec;
use hypercall_abi::arch_x86_64::{
    FIRST_RESERVED_GDT_ENTRY, VGCF_failsafe_disables_events, VGCF_i387_valid, VGCF_in_kernel,
    VGCF_online, VGCF_syscall_disables_events, cpu_user_regs, trap_info, vcpu_guest_context,
    xen_cr3_to_pfn, xen_pfn_to_cr3,
};
use hypercall_abi::domctl::xen_domctl_vcpucontext;
use hypercall_abi::xen::{
    VMASST_TYPE_architectural_iopl, VMASST_TYPE_m2p_strict, VMASST_TYPE_pae_extended_cr3,
    VMASST_TYPE_runstate_update_flag, VMASST_TYPE_writable_pagetables, vcpu_info,
};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

use super::{Answer, Outcome};
use crate::addr::{Mfn, canonical, guest_range};
use crate::domain::Domain;
use crate::error::{Errno, Result, Stop};
use crate::guest::{copy_in, copy_out};
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::pv::root::{adopt_root, drain, give_up_root};
use crate::pv::walk::Walk;
use crate::sched;
use crate::trap::frame::ExitFrame;
use crate::vcpu::{Callback, Mode, Regs, TrapGate, Vcpu};

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
struct Remote<'a, M: Machine> {
    m: &'a M,
    va: u64,
}

impl<M: Machine> Remote<'_, M> {
    fn read<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        copy_in(self.m, self.va.wrapping_add(offset as u64))
    }

    fn write<T: IntoBytes + Immutable>(&self, offset: usize, value: &T) -> Result<()> {
        copy_out(self.m, self.va.wrapping_add(offset as u64), value)
    }

    fn new(m: &M, va: u64) -> Result<Remote<'_, M>> {
        if !guest_range(va, size_of::<vcpu_guest_context>() as u64) {
            return Err(Errno::EFAULT);
        }
        Ok(Remote { m, va })
    }
}

/// The members behind the trap table but for those of them that are long; read at once.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Rest {
    ldt_base: u64,
    ldt_ents: u64,
    gdt_frames: [u64; 16],
    gdt_ents: u64,
    kernel_ss: u64,
    kernel_sp: u64,
    ctrlreg: [u64; 8],
    debugreg: [u64; 8],
    event_callback_eip: u64,
    failsafe_callback_eip: u64,
    syscall_callback_eip: u64,
    vm_assist: u64,
    fs_base: u64,
    gs_base_kernel: u64,
    gs_base_user: u64,
}

const REST: usize = offset_of!(vcpu_guest_context, ldt_base);
const _: () = assert!(REST + size_of::<Rest>() == size_of::<vcpu_guest_context>());

/// The frames of tables that a context names, each with the use a vCPU has of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tables {
    gdt: ArrayVec<Mfn, 14>,
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
            kernel_root: vcpu.arch.kernel_root,
            user_root: vcpu.arch.user_root,
        }
    }

    /// Takes the uses; nothing is kept when one is refused.
    fn take<M: Machine>(&self, hv: &Hypervisor<M>, dom: &Domain) -> Result<()> {
        let mut pages = 0;
        let mut roots = ArrayVec::<Mfn, 2>::new();
        let taken = (|| {
            for &mfn in &self.gdt {
                hv.page_get_descriptors(dom, mfn)?;
                pages += 1;
            }
            for root in [self.kernel_root, self.user_root].into_iter().flatten() {
                adopt_root(hv, dom, root, false)?;
                roots.push(root);
            }
            Ok(())
        })();
        if taken.is_err() {
            for &mfn in &self.gdt[..pages] {
                hv.page_put_descriptors(mfn);
            }
            let _guard = dom.lock();
            let mut walk = Walk::default();
            for root in roots {
                give_up_root(hv, root, &mut walk);
                drain(hv, dom, &mut walk);
            }
        }
        taken
    }

    fn store(self, vcpu: &mut Vcpu) {
        vcpu.arch.gdt = self.gdt;
        vcpu.arch.gdt_entries = self.gdt_entries;
        (vcpu.arch.ldt_base, vcpu.arch.ldt_entries) = self.ldt;
        vcpu.arch.kernel_root = self.kernel_root;
        vcpu.arch.user_root = self.user_root;
    }
}

/// The vCPU's number, checked, of a domain that has come to rest.
fn subject<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_vcpucontext,
) -> Result<usize, Stop> {
    let index = request.vcpu as usize;
    if dom.slot == cx.dom.slot || index >= dom.lock().vcpus.len() {
        return Err(Errno::EINVAL.into());
    }
    let held = dom.pauses.load(Ordering::Relaxed) != 0 || dom.shutdown.load(Ordering::Relaxed) != 0;
    if !held {
        return Err(Errno::EBUSY.into());
    }
    if !sched::stop(cx.hv, dom) {
        return Err(Stop::Retry);
    }
    Ok(index)
}

/// `XEN_DOMCTL_setvcpucontext`. The tables of a vCPU that is initialised cannot be changed any
/// more. The domain must be paused or shut down.
pub(super) fn set<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_vcpucontext,
) -> Outcome {
    let index = subject(cx, dom, request)?;
    let remote = Remote::new(cx.m(), request.ctxt)?;
    let flags: u64 = remote.read(offset_of!(vcpu_guest_context, flags))?;
    let user: cpu_user_regs = remote.read(offset_of!(vcpu_guest_context, user_regs))?;
    let rest: Rest = remote.read(REST)?;
    let regs = registers(&user)?;
    check_addresses(&rest)?;
    let tables = Tables::claimed(&rest)?;

    let first_time = !dom.lock().vcpus.get(index).is_some_and(|v| v.initialised);
    let mut homes = dom.homes.lock();
    let vcpu = homes
        .get_mut(index)
        .and_then(Option::as_mut)
        .ok_or(Errno::EBUSY)?;
    if !first_time && tables != Tables::of(vcpu) {
        return Err(Errno::EINVAL.into());
    }
    read_traps(&remote, vcpu)?;
    if flags & VGCF_i387_valid != 0 {
        read_fpu(&remote, vcpu)?;
    }
    // The domain's lock is taken inside: not while the homes are locked.
    drop(homes);
    if first_time {
        tables.take(cx.hv, dom)?;
    }
    let mut homes = dom.homes.lock();
    let vcpu = homes
        .get_mut(index)
        .and_then(Option::as_mut)
        .ok_or(Errno::EBUSY)?;
    if first_time {
        tables.store(vcpu);
    }
    apply(vcpu, flags, &user, regs, &rest);
    let info = vcpu.info;
    drop(homes);
    if let Some(info) = info {
        let mask = usize::from(info.offset) + offset_of!(vcpu_info, evtchn_upcall_mask);
        cx.m().store_u8(info.mfn, mask, user.saved_upcall_mask);
    }
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
    Ok(Answer::None)
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
    if vcpu.arch.user_root.is_none() {
        vcpu.mode = Mode::Kernel;
    }
    let arch = &mut vcpu.arch;
    (arch.ds, arch.es, arch.fs, arch.gs) = (user.ds, user.es, user.fs, user.gs);
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
        if let Ok((index, value)) = crate::trap::registers::admit_dr(reg as u32, value) {
            arch.debugreg[index] = value;
        }
    }
    vcpu.clock_stale = true;
}

/// `XEN_DOMCTL_getvcpucontext`, of an initialised vCPU.
pub(super) fn get<M: Machine>(
    cx: &Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_vcpucontext,
) -> Outcome {
    let index = subject(cx, dom, request)?;
    let (initialised, up) = {
        let state = dom.lock();
        state
            .vcpus
            .get(index)
            .map_or((false, false), |v| (v.initialised, v.up))
    };
    if !initialised {
        return Err(Errno::ENODATA.into());
    }
    let remote = Remote::new(cx.m(), request.ctxt)?;
    let mut homes = dom.homes.lock();
    let vcpu = homes
        .get_mut(index)
        .and_then(Option::as_mut)
        .ok_or(Errno::EBUSY)?;
    let mask = vcpu.info.map_or(0, |info| {
        let offset = usize::from(info.offset) + offset_of!(vcpu_info, evtchn_upcall_mask);
        cx.m().load_u8(info.mfn, offset)
    });
    if let Some(image) = vcpu.fpu.0.first_chunk::<512>() {
        remote.write(offset_of!(vcpu_guest_context, fpu_ctxt), image)?;
    }
    remote.write(
        offset_of!(vcpu_guest_context, flags),
        &context_flags(vcpu, up),
    )?;
    remote.write(
        offset_of!(vcpu_guest_context, user_regs),
        &user_regs(vcpu, mask),
    )?;
    for (i, gate) in vcpu.arch.traps.iter().enumerate() {
        let mut info = trap_info::new_zeroed();
        if gate.address != 0 {
            (info.vector, info.flags, info.cs) = (i as u8, gate.flags, gate.cs);
            info.address = gate.address;
        }
        let offset = offset_of!(vcpu_guest_context, trap_ctxt) + i * size_of::<trap_info>();
        remote.write(offset, &info)?;
    }
    remote.write(REST, &rest_of(vcpu))?;
    Ok(Answer::Written)
}

fn context_flags(vcpu: &Vcpu, up: bool) -> u64 {
    let mut flags = VGCF_i387_valid;
    for (flag, holds) in [
        (VGCF_in_kernel, vcpu.mode == Mode::Kernel),
        (VGCF_online, up),
        (
            VGCF_failsafe_disables_events,
            vcpu.arch.failsafe.mask_events,
        ),
        (VGCF_syscall_disables_events, vcpu.arch.syscall.mask_events),
    ] {
        if holds {
            flags |= flag;
        }
    }
    flags
}

fn user_regs(vcpu: &Vcpu, upcall_mask: u8) -> cpu_user_regs {
    let (r, arch) = (&vcpu.regs, &vcpu.arch);
    let mut user = cpu_user_regs::new_zeroed();
    (user.r15, user.r14, user.r13, user.r12) = (r.r15, r.r14, r.r13, r.r12);
    (user.rbp, user.rbx, user.r11, user.r10) = (r.rbp, r.rbx, r.r11, r.r10);
    (user.r9, user.r8, user.rax, user.rcx) = (r.r9, r.r8, r.rax, r.rcx);
    (user.rdx, user.rsi, user.rdi) = (r.rdx, r.rsi, r.rdi);
    (user.rip, user.rflags, user.rsp) = (r.rip, r.rflags, r.rsp);
    (user.cs, user.ss) = (r.cs as u16, r.ss as u16);
    (user.ds, user.es, user.fs, user.gs) = (arch.ds, arch.es, arch.fs, arch.gs);
    user.saved_upcall_mask = upcall_mask;
    user
}

fn rest_of(vcpu: &Vcpu) -> Rest {
    let arch = &vcpu.arch;
    let mut rest = Rest::new_zeroed();
    (rest.ldt_base, rest.ldt_ents) = (arch.ldt_base, arch.ldt_entries.into());
    for (to, mfn) in rest.gdt_frames.iter_mut().zip(&arch.gdt) {
        *to = mfn.0;
    }
    rest.gdt_ents = arch.gdt_entries.into();
    (rest.kernel_ss, rest.kernel_sp) = (arch.kernel_ss.into(), arch.kernel_sp);
    rest.ctrlreg[1] = arch.user_root.map_or(0, |mfn| xen_pfn_to_cr3(mfn.0));
    rest.ctrlreg[3] = arch.kernel_root.map_or(0, |mfn| xen_pfn_to_cr3(mfn.0));
    rest.debugreg = arch.debugreg;
    rest.event_callback_eip = arch.event.address;
    rest.failsafe_callback_eip = arch.failsafe.address;
    rest.syscall_callback_eip = arch.syscall.address;
    rest.vm_assist = arch.vm_assist;
    rest.fs_base = arch.fs_base;
    (rest.gs_base_kernel, rest.gs_base_user) = (arch.gs_base_kernel, arch.gs_base_user);
    rest
}
