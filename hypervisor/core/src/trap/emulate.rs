//! Emulation of the privileged instructions that guest kernels execute although they know that
//! they run on Xen. The set is closed: whatever the decoder does not know is the guest's #GP.

use super::bounce::Interrupted;
use super::code::Code;
use super::decode::{Based, Insn, Op, PortOperand, decode, frequent};
use super::frame::{ExitFrame, RF};
use super::{GP, UD, bounce, cpuid, inject, inject_at, msr, port, registers, tables};
use crate::addr::{Mfn, guest_range};
use crate::domain::Domain;
use crate::error::{Errno, Stop};
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::pv::root;
use crate::vcpu::{Mode, Regs, Vcpu};
use hypercall_abi::arch_x86_64::{FLAT_RING3_CS32, FLAT_RING3_CS64};

/// `ud2`, then "xen", then `cpuid`: how a PV guest asks for CPUID as it is to see it.
const FORCED_CPUID: [u8; 7] = [0x0f, 0x0b, b'x', b'e', b'n', 0x0f, 0xa2];
/// The same in the low seven bytes of a word.
const FORCED_CPUID_WORD: u64 = u64::from_le_bytes([0x0f, 0x0b, b'x', b'e', b'n', 0x0f, 0xa2, 0]);
/// Direction flag.
const DF: u64 = 1 << 10;
/// Bit of a 64-bit code segment's descriptor.
const DESCRIPTOR_LONG: u64 = 1 << 53;
/// Elements that one entry moves of a repeated string instruction.
const STRING_ELEMENTS: u32 = 64;

/// How an emulated instruction ends.
enum Outcome {
    /// It is done; go on behind it.
    Done,
    /// Run it again: it was interrupted, or goes on.
    Again,
    /// It faults with #GP(0).
    Gp,
    /// It faults with #UD.
    Ud,
    /// It faults at a guest address, by a write if the flag says so.
    Page(u64, bool),
}

impl From<Errno> for Outcome {
    fn from(_: Errno) -> Self {
        Self::Gp
    }
}

/// `Done`, or the fault.
fn done(result: Result<(), Errno>) -> Outcome {
    result.map_or_else(Outcome::from, |()| Outcome::Done)
}

/// Emulates the forced `cpuid` at rip, if there is one; in either mode.
#[inline]
pub(crate) fn forced_cpuid<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) -> bool {
    let forced = match word_at(hv, vcpu.regs.rip) {
        // Seven of the eight bytes.
        Some(word) => word << 8 == FORCED_CPUID_WORD << 8,
        None => is_forced_at_end(hv, vcpu.regs.rip),
    };
    if forced {
        answer_cpuid(hv, vcpu);
    }
    forced
}

#[inline(never)]
fn answer_cpuid<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) {
    let (leaf, subleaf) = (vcpu.regs.rax as u32, vcpu.regs.rcx as u32);
    let dom = hv.domains.slot(vcpu.slot);
    let answer = cpuid::cpuid(hv, dom, vcpu, leaf, subleaf);
    let r = &mut vcpu.regs;
    r.rax = u64::from(answer.a);
    r.rbx = u64::from(answer.b);
    r.rcx = u64::from(answer.c);
    r.rdx = u64::from(answer.d);
    advance(hv, vcpu, FORCED_CPUID.len() as u8);
}

/// The eight bytes of code at `rip`; `None` if they are not all there.
#[inline(always)]
fn word_at<M: Machine>(hv: &Hypervisor<M>, rip: u64) -> Option<u64> {
    if !guest_range(rip, 8) {
        return None;
    }
    hv.machine.read_guest_u64(rip).ok()
}

/// Whether the forced `cpuid` is at `rip`, near the end of what is mapped.
#[cold]
#[inline(never)]
fn is_forced_at_end<M: Machine>(hv: &Hypervisor<M>, rip: u64) -> bool {
    let mut code = Code::new(rip);
    code.capture(hv);
    code.bytes().starts_with(&FORCED_CPUID)
}

/// Emulates the instruction at rip, which the processor refused; false if it is not known, or not
/// for the guest: then #GP is due.
#[inline]
pub(crate) fn privileged<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) -> bool {
    if vcpu.regs.cs as u16 == FLAT_RING3_CS64
        && let Some(word) = word_at(hv, vcpu.regs.rip)
        && let [first, second, third, ..] = word.to_le_bytes()
        && let Some(insn) = frequent([first, second, third])
    {
        return carry_out(hv, vcpu, &insn);
    }
    any_privileged(hv, vcpu)
}

/// The same for all code there is.
#[inline(never)]
fn any_privileged<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) -> bool {
    let mut code = Code::new(vcpu.regs.rip);
    code.capture(hv);
    let flat = matches!(vcpu.regs.cs as u16, FLAT_RING3_CS64 | FLAT_RING3_CS32);
    if code.bytes().is_empty() && flat && guest_range(vcpu.regs.rip, 1) {
        // A return that faulted was to lead there.
        page_fault(hv, vcpu, vcpu.regs.rip, false);
        return true;
    }
    if !runs_64_bit_code(hv, vcpu) {
        return false;
    }
    let insn = match decode(code.bytes()) {
        Some(insn) => insn,
        // It may be longer, or be none of those known.
        None => {
            code.capture(hv);
            match decode(code.bytes()) {
                Some(insn) => insn,
                None => return false,
            }
        }
    };
    carry_out(hv, vcpu, &insn)
}

#[inline]
fn carry_out<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, insn: &Insn) -> bool {
    match run(hv, vcpu, insn) {
        Outcome::Done => advance(hv, vcpu, insn.len),
        Outcome::Again => {}
        Outcome::Gp => return false,
        Outcome::Ud => inject(hv, vcpu, UD, None),
        Outcome::Page(va, write) => page_fault(hv, vcpu, va, write),
    }
    true
}

/// Goes on behind the instruction at rip, which is `len` bytes long; where the address space ends
/// there, the next fetch faults.
fn advance<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, len: u8) {
    let mut to = Interrupted::from_regs(vcpu);
    to.rip = to.rip.wrapping_add(u64::from(len));
    to.rflags &= !RF;
    match ExitFrame::new(to.rip, to.cs, to.rflags, to.rsp, to.ss) {
        Ok(exit) => exit.apply(&mut vcpu.regs),
        Err(_) => inject_at(hv, vcpu, GP, Some(0), to),
    }
}

/// Whether the code segment is a 64-bit one: the decoder knows no other code.
fn runs_64_bit_code<M: Machine>(hv: &Hypervisor<M>, vcpu: &Vcpu) -> bool {
    let cs = vcpu.regs.cs as u16;
    cs == FLAT_RING3_CS64
        || tables::descriptor(hv, vcpu, cs).is_some_and(|d| d & DESCRIPTOR_LONG != 0)
}

fn run<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, insn: &Insn) -> Outcome {
    let dom = hv.domains.slot(vcpu.slot);
    match insn.op {
        Op::In { port, size } => input(hv, dom, vcpu, port, size),
        Op::Out { port, size } => output(hv, dom, vcpu, port, size),
        Op::Ins { size } => string(hv, dom, vcpu, insn, size, input_element),
        Op::Outs { size } => string(hv, dom, vcpu, insn, size, output_element),
        // The guest masks events in vcpu_info; the processor's flag is not its own.
        Op::Cli | Op::Sti if port::has_iopl(hv, vcpu) => Outcome::Done,
        _ if vcpu.mode == Mode::User => Outcome::Gp,
        // It traps because the guest wants that of its user mode.
        Op::Rdtsc | Op::Rdtscp => {
            let now = hv.machine.tsc();
            let r = &mut vcpu.regs;
            (r.rax, r.rdx) = (now & 0xffff_ffff, now >> 32);
            if insn.op == Op::Rdtscp {
                r.rcx = u64::from(vcpu.arch.tsc_aux);
            }
            Outcome::Done
        }
        _ => kernel(hv, dom, vcpu, insn.op),
    }
}

/// Instructions that only the guest kernel may execute.
fn kernel<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, vcpu: &mut Vcpu, op: Op) -> Outcome {
    match op {
        Op::ReadCr { cr, reg } => {
            let value = match cr {
                0 => registers::cr0(vcpu),
                2 => bounce::cr2(hv, vcpu),
                3 => vcpu.arch.kernel_root.get().map_or(0, Mfn::addr),
                4 => registers::cr4(vcpu),
                _ => return Outcome::Gp,
            };
            *vcpu.regs.general_mut(reg) = value;
            Outcome::Done
        }
        Op::WriteCr { cr, reg } => {
            let value = vcpu.regs.general(reg);
            write_cr(hv, dom, vcpu, cr, value)
        }
        Op::ReadDr { dr: 4 | 5, .. } | Op::WriteDr { dr: 4 | 5, .. }
            if registers::cr4(vcpu) & registers::CR4_DE != 0 =>
        {
            Outcome::Ud
        }
        Op::ReadDr { dr, reg } => match registers::dr(vcpu, u32::from(dr)) {
            Ok(value) => {
                *vcpu.regs.general_mut(reg) = value;
                Outcome::Done
            }
            Err(_) => Outcome::Gp,
        },
        Op::WriteDr { dr, reg } => {
            let value = vcpu.regs.general(reg);
            done(registers::set_dr(hv, vcpu, u32::from(dr), value))
        }
        Op::Clts => {
            registers::set_ts(hv, vcpu, false);
            Outcome::Done
        }
        Op::FlushCache => {
            if dom.has_devices() {
                hv.machine.flush_cache();
            }
            Outcome::Done
        }
        Op::Rdmsr => rdmsr(hv, dom, vcpu),
        Op::Wrmsr => {
            let value = vcpu.regs.rdx << 32 | u64::from(vcpu.regs.rax as u32);
            let index = vcpu.regs.rcx as u32;
            done(msr::write(hv, dom, vcpu, index, value))
        }
        Op::Xsetbv if registers::cr4(vcpu) & registers::CR4_OSXSAVE == 0 => Outcome::Ud,
        Op::Xsetbv => {
            let value = vcpu.regs.rdx << 32 | u64::from(vcpu.regs.rax as u32);
            done(registers::set_xcr0(hv, vcpu, vcpu.regs.rcx as u32, value))
        }
        _ => Outcome::Gp,
    }
}

fn write_cr<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    vcpu: &mut Vcpu,
    cr: u8,
    value: u64,
) -> Outcome {
    match cr {
        0 => done(registers::set_cr0(hv, vcpu, value)),
        2 => {
            bounce::set_cr2(hv, vcpu, value);
            Outcome::Done
        }
        3 => write_cr3(hv, dom, vcpu, Mfn::containing(value)),
        4 => {
            registers::set_cr4(hv, vcpu, value);
            Outcome::Done
        }
        _ => Outcome::Gp,
    }
}

/// A new kernel root, as `MMUEXT_NEW_BASEPTR` sets it; the same one flushes the TLB.
fn write_cr3<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, vcpu: &mut Vcpu, new: Mfn) -> Outcome {
    let mut cx = Cx::new(hv, vcpu, dom, 0);
    match root::new_kernel_root(&mut cx, new) {
        Ok(()) => Outcome::Done,
        Err(Stop::Retry) => Outcome::Again,
        Err(_) => Outcome::Gp,
    }
}

/// An unknown register reads as 0 while the guest has no #GP handler, as xen.h promises for early
/// boot.
fn rdmsr<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, vcpu: &mut Vcpu) -> Outcome {
    let index = vcpu.regs.rcx as u32;
    let value = match msr::read(hv, dom, vcpu, index) {
        Ok(value) => value,
        Err(_) if vcpu.arch.traps[usize::from(GP)].address == 0 => 0,
        Err(_) => return Outcome::Gp,
    };
    vcpu.regs.rax = value & 0xffff_ffff;
    vcpu.regs.rdx = value >> 32;
    Outcome::Done
}

fn port_number(regs: &Regs, port: PortOperand) -> u16 {
    match port {
        PortOperand::Fixed(number) => u16::from(number),
        PortOperand::Dx => regs.rdx as u16,
    }
}

fn input<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    vcpu: &mut Vcpu,
    port: PortOperand,
    size: u8,
) -> Outcome {
    let number = port_number(&vcpu.regs, port);
    if !port::may_use(hv, vcpu, number, size) {
        return Outcome::Gp;
    }
    let value = u64::from(port::read(hv, dom, number, size));
    let rax = &mut vcpu.regs.rax;
    *rax = match size {
        1 => *rax & !0xff | value & 0xff,
        2 => *rax & !0xffff | value & 0xffff,
        _ => value,
    };
    Outcome::Done
}

fn output<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    vcpu: &mut Vcpu,
    port: PortOperand,
    size: u8,
) -> Outcome {
    let number = port_number(&vcpu.regs, port);
    if !port::may_use(hv, vcpu, number, size) {
        return Outcome::Gp;
    }
    let value = vcpu.regs.rax as u32;
    port::write(hv, dom, number, size, value);
    Outcome::Done
}

/// Moves one element between port and memory, and steps the address register; the fault if the
/// memory cannot be accessed.
type Element<M> = fn(&Hypervisor<M>, &Domain, &mut Vcpu, (u16, u8), &Insn) -> Result<(), Outcome>;

/// `ins` and `outs`, with or without `rep`. A long one goes on at the next entry, from what the
/// registers say.
fn string<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    vcpu: &mut Vcpu,
    insn: &Insn,
    size: u8,
    element: Element<M>,
) -> Outcome {
    let number = vcpu.regs.rdx as u16;
    if !port::may_use(hv, vcpu, number, size) {
        return Outcome::Gp;
    }
    if !insn.rep {
        return element(hv, dom, vcpu, (number, size), insn)
            .err()
            .unwrap_or(Outcome::Done);
    }
    for _ in 0..STRING_ELEMENTS {
        vcpu.regs.rcx = string_address(vcpu.regs.rcx, insn);
        if vcpu.regs.rcx == 0 {
            return Outcome::Done;
        }
        if let Err(fault) = element(hv, dom, vcpu, (number, size), insn) {
            return fault;
        }
        vcpu.regs.rcx -= 1;
    }
    Outcome::Again
}

/// `ins` stores at ES:RDI, whatever segment prefix there is.
fn input_element<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    vcpu: &mut Vcpu,
    (number, size): (u16, u8),
    insn: &Insn,
) -> Result<(), Outcome> {
    let va = string_address(vcpu.regs.rdi, insn);
    if insn.rep {
        vcpu.regs.rdi = va;
    }
    let mut bytes = [0; 4];
    let bytes = bytes.get_mut(..usize::from(size)).unwrap_or_default();
    // The memory first: what a port gave cannot be put back.
    if !guest_range(va, u64::from(size)) {
        return Err(Outcome::Gp);
    }
    let m = hv.machine;
    m.copy_from_guest(va, bytes)
        .and_then(|()| m.copy_to_guest(va, bytes))
        .map_err(|fault| Outcome::Page(fault.0, true))?;
    let value = port::read(hv, dom, number, size).to_le_bytes();
    bytes.copy_from_slice(value.get(..usize::from(size)).unwrap_or_default());
    m.copy_to_guest(va, bytes)
        .map_err(|fault| Outcome::Page(fault.0, true))?;
    vcpu.regs.rdi = stepped(&vcpu.regs, vcpu.regs.rdi, size, insn);
    Ok(())
}

/// `outs` loads from DS:RSI, or another segment that a prefix names.
fn output_element<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    vcpu: &mut Vcpu,
    (number, size): (u16, u8),
    insn: &Insn,
) -> Result<(), Outcome> {
    let offset = string_address(vcpu.regs.rsi, insn);
    if insn.rep {
        vcpu.regs.rsi = offset;
    }
    let m = hv.machine;
    let base = match insn.segment {
        None => 0,
        Some(Based::Fs) => m.fs_base(),
        Some(Based::Gs) => m.gs_base(),
    };
    let va = base.wrapping_add(offset);
    if !guest_range(va, u64::from(size)) {
        return Err(Outcome::Gp);
    }
    let mut value = [0; 4];
    let bytes = value.get_mut(..usize::from(size)).unwrap_or_default();
    m.copy_from_guest(va, bytes)
        .map_err(|fault| Outcome::Page(fault.0, false))?;
    port::write(hv, dom, number, size, u32::from_le_bytes(value));
    vcpu.regs.rsi = stepped(&vcpu.regs, vcpu.regs.rsi, size, insn);
    Ok(())
}

/// As much of a register as addresses have in this instruction.
const fn string_address(register: u64, insn: &Insn) -> u64 {
    if insn.address32 {
        register & 0xffff_ffff
    } else {
        register
    }
}

fn stepped(regs: &Regs, register: u64, size: u8, insn: &Insn) -> u64 {
    let step = u64::from(size);
    let next = if regs.rflags & DF == 0 {
        register.wrapping_add(step)
    } else {
        register.wrapping_sub(step)
    };
    string_address(next, insn)
}

/// #PF for an access that the hypervisor made in the guest's name. As on real Xen its error code
/// does not tell whether a page was there.
fn page_fault<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, va: u64, write: bool) {
    let mut error = u32::from(write) << 1;
    if vcpu.mode == Mode::User {
        error |= super::PF_USER;
    }
    bounce::set_cr2(hv, vcpu, va);
    inject(hv, vcpu, super::PF, Some(error));
}
