//! The dispatcher: from a hypercall number to its handler, and from the handler's outcome to the
//! guest's registers. The one place where errors and faults are applied.

use core::hint::cold_path;

use hypercall_abi::grant_table::{
    GNTTABOP_copy, GNTTABOP_map_grant_ref, GNTTABOP_query_size, GNTTABOP_unmap_grant_ref,
};
use hypercall_abi::xen as nr;

use super::quick::{self, Near, Outcome};
use super::{Budget, Cx, multicall, version};
use crate::addr::clamp_index;
use crate::control::{console, domctl, physdev, platform, sysctl};
use crate::domain::memory_op;
use crate::error::{Errno, HypercallResult, Stop};
use crate::evtchn;
use crate::grant;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::pv::{mmu_update, mmuext, walk};
use crate::sched::ops as sched_ops;
use crate::trap::{self, calls, iret};
use crate::vcpu::Vcpu;

/// How much of a hypercall is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All sub-operations a PV guest may use.
    Whole,
    /// Some sub-operations; the rest gives the errno of an unknown one.
    Part,
}

/// One row of the ABI table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Hypercall number.
    pub nr: u64,
    /// Name as in xen.h, without `__HYPERVISOR_`.
    pub name: &'static str,
    /// How much is there.
    pub state: State,
    /// What is there, in a few words.
    pub note: &'static str,
}

/// Calls a macro with every number that [`entry`] is made for.
#[macro_export]
macro_rules! every_hypercall {
    ($each:ident) => {
        $each! {
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
            32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60
            61 62 63 64
        }
    };
}

/// Hypercall numbers below this may be calls; it stands for all others.
pub const NUMBERS: u64 = 64;

/// The call that replaces the guest's registers, and so is entered in its own way.
pub const IRET: u64 = nr::__HYPERVISOR_iret;

/// The call that has a quick way of its own.
pub const EVENTS: u64 = nr::__HYPERVISOR_event_channel_op;

/// Whether page-table work that an earlier call left over comes before a call.
#[derive(PartialEq, Eq)]
enum Work {
    /// It may wait: the call has nothing to do with tables.
    Plain,
    /// It comes first.
    Tables,
}

/// How a call is compiled.
#[derive(PartialEq, Eq)]
enum Made {
    /// Into its entry, so that nothing is done for other calls.
    Often,
    /// Once for all such calls, with the number as a variable: small.
    Seldom,
}

/// Makes the table for people and the dispatch for machines from the same rows.
macro_rules! hypercalls {
    ($cx:ident, $a:ident; $($name:ident $number:ident $state:ident $work:ident $made:ident $note:literal => $call:expr,)*) => {
        /// All hypercalls there are; every other number is `-ENOSYS`.
        pub const TABLE: &[Row] = &[
            $(Row { nr: nr::$number, name: stringify!($name), state: State::$state, note: $note },)*
        ];

        const fn work(number: u64) -> Work {
            match number {
                $(nr::$number => Work::$work,)*
                _ => Work::Plain,
            }
        }

        const fn made(number: u64) -> Made {
            match number {
                $(nr::$number => Made::$made,)*
                _ => Made::Often,
            }
        }

        /// Runs hypercall `NUMBER`; nothing but its handler is left of this when it is compiled.
        #[inline(always)]
        fn handle<const NUMBER: u64, M: Machine>($cx: &mut Cx<'_, M>, $a: [u64; 6]) -> HypercallResult {
            match NUMBER {
                $(nr::$number => $call,)*
                _ => Err(Errno::ENOSYS.into()),
            }
        }
    };
}

hypercalls! { cx, a;
    set_trap_table __HYPERVISOR_set_trap_table Whole Tables Seldom "all vectors"
        => calls::set_trap_table(cx, a[0]),
    mmu_update __HYPERVISOR_mmu_update Whole Tables Often "all commands, own and foreign tables"
        => mmu_update::mmu_update(cx, a[0], a[1], a[2], a[3]),
    set_gdt __HYPERVISOR_set_gdt Whole Tables Seldom "up to 14 frames"
        => calls::set_gdt(cx, a[0], a[1]),
    stack_switch __HYPERVISOR_stack_switch Whole Plain Often ""
        => calls::stack_switch(cx, a[0], a[1]),
    set_callbacks __HYPERVISOR_set_callbacks Whole Plain Seldom ""
        => calls::set_callbacks(cx, a[0], a[1], a[2]),
    fpu_taskswitch __HYPERVISOR_fpu_taskswitch Whole Plain Often ""
        => calls::fpu_taskswitch(cx, a[0]),
    platform_op __HYPERVISOR_platform_op Part Tables Seldom "firmware_info, get_cpuinfo, settime64"
        => platform::platform_op(cx, a[0]),
    set_debugreg __HYPERVISOR_set_debugreg Whole Plain Seldom ""
        => calls::set_debugreg(cx, a[0], a[1]),
    get_debugreg __HYPERVISOR_get_debugreg Whole Plain Seldom ""
        => calls::get_debugreg(cx, a[0]),
    update_descriptor __HYPERVISOR_update_descriptor Whole Tables Often ""
        => calls::update_descriptor(cx, a[0], a[1]),
    memory_op __HYPERVISOR_memory_op Part Tables Often "all that PV guests have"
        => memory_op::memory_op(cx, a[0], a[1]),
    multicall __HYPERVISOR_multicall Whole Tables Often "everything but itself"
        => multicall::multicall(cx, a[0], a[1]),
    update_va_mapping __HYPERVISOR_update_va_mapping Whole Tables Often "all flushes"
        => mmu_update::update_va_mapping(cx, a[0], a[1], a[2]),
    set_timer_op __HYPERVISOR_set_timer_op Whole Plain Often ""
        => sched_ops::set_timer_op(cx, a[0]),
    xen_version __HYPERVISOR_xen_version Whole Plain Often "all sub-operations; there is no build id"
        => version::xen_version(cx, a[0], a[1]),
    console_io __HYPERVISOR_console_io Whole Plain Seldom ""
        => console::console_io(cx, a[0], a[1], a[2]),
    grant_table_op __HYPERVISOR_grant_table_op Whole Tables Often "version 1; tables are not printed, as in release builds"
        => grant::grant_table_op(cx, a[0], a[1], a[2]),
    vm_assist __HYPERVISOR_vm_assist Whole Plain Seldom ""
        => calls::vm_assist(cx, a[0], a[1]),
    update_va_mapping_otherdomain __HYPERVISOR_update_va_mapping_otherdomain Whole Tables Seldom ""
        => mmu_update::update_va_mapping_otherdomain(cx, a[0], a[1], a[2], a[3]),
    iret __HYPERVISOR_iret Whole Plain Often ""
        => iret::iret(cx),
    vcpu_op __HYPERVISOR_vcpu_op Part Tables Often "all but get_physid"
        => sched_ops::vcpu_op(cx, a[0], a[1], a[2]),
    set_segment_base __HYPERVISOR_set_segment_base Whole Plain Often ""
        => calls::set_segment_base(cx, a[0], a[1]),
    mmuext_op __HYPERVISOR_mmuext_op Whole Tables Often "superpage marks refused as real Xen refuses them"
        => mmuext::mmuext_op(cx, a[0], a[1], a[2], a[3]),
    sched_op __HYPERVISOR_sched_op Whole Plain Often "pin_override for dom0"
        => sched_ops::sched_op(cx, a[0], a[1]),
    callback_op __HYPERVISOR_callback_op Whole Plain Seldom "all types"
        => calls::callback_op(cx, a[0], a[1]),
    event_channel_op __HYPERVISOR_event_channel_op Whole Plain Often "two-level and FIFO ABI"
        => evtchn::event_channel_op(cx, a[0], a[1]),
    physdev_op __HYPERVISOR_physdev_op Part Tables Seldom "lines and dom0's messages; no MSI-X"
        => physdev::physdev_op(cx, a[0], a[1]),
    sysctl __HYPERVISOR_sysctl Part Tables Seldom "what the toolstack needs"
        => sysctl::sysctl(cx, a[0]),
    domctl __HYPERVISOR_domctl Part Tables Seldom "what the toolstack needs"
        => domctl::domctl(cx, a[0]),
}

/// Length of the `syscall` instruction: how far back a hypercall is run again.
pub(crate) const SYSCALL_LENGTH: u64 = 2;

/// Runs hypercall `NUMBER` of `vcpu`, in kernel mode; gives what the guest finds in rax. The entry
/// code has saved the registers that arguments and the instruction use, and no others.
#[inline(always)]
pub fn entry<const NUMBER: u64, M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    args: [u64; 6],
) -> u64 {
    if made(NUMBER) == Made::Seldom {
        return any_call(hv, vcpu, NUMBER);
    }
    let near = Near {
        hv,
        dom: hv.domains.slot(vcpu.slot),
    };
    if NUMBER == nr::__HYPERVISOR_grant_table_op {
        const MAP: u64 = GNTTABOP_map_grant_ref as u64;
        const UNMAP: u64 = GNTTABOP_unmap_grant_ref as u64;
        const COPY: u64 = GNTTABOP_copy as u64;
        const SIZE: u64 = GNTTABOP_query_size as u64;
        let [cmd, list, count, ..] = args;
        // Asked one by one, which takes less than a table of them.
        if cmd == MAP {
            return grants::<GNTTABOP_map_grant_ref, M>(hv, vcpu, list, count);
        }
        cold_path();
        if cmd == UNMAP {
            return grants::<GNTTABOP_unmap_grant_ref, M>(hv, vcpu, list, count);
        }
        cold_path();
        if cmd == COPY {
            return grants::<GNTTABOP_copy, M>(hv, vcpu, list, count);
        }
        cold_path();
        if cmd == SIZE && count == 1 && grant::quick::query_size(hv, near.dom, list) {
            return 0;
        }
        return whole_apart::<NUMBER, M>(hv, vcpu, 0);
    }
    match quick::call::<NUMBER, M>(&near, vcpu, (0, args)) {
        Outcome::Done => 0,
        Outcome::Failed(errno) => errno.negated() as u64,
        // So that the quick form has no registers to save.
        Outcome::Partly(units) if quick::is_apart(NUMBER) => {
            whole_apart::<NUMBER, M>(hv, vcpu, units)
        }
        Outcome::Partly(units) => whole::<NUMBER, M>(hv, vcpu, args, units),
    }
}

/// `grant_table_op` of operation `CMD`: each apart, for it has many registers to save.
#[inline(never)]
fn grants<const CMD: u32, M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    list: u64,
    count: u64,
) -> u64 {
    let near = Near {
        hv,
        dom: hv.domains.slot(vcpu.slot),
    };
    match quick::grants::<CMD, M>(&near, vcpu, (list, count)) {
        Outcome::Done => 0,
        Outcome::Failed(errno) => errno.negated() as u64,
        Outcome::Partly(units) => {
            whole_apart::<{ nr::__HYPERVISOR_grant_table_op }, M>(hv, vcpu, units)
        }
    }
}

/// The arguments are where the entry code saved them.
#[inline(never)]
fn whole_apart<const NUMBER: u64, M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    units: u32,
) -> u64 {
    let args = vcpu.regs.hypercall_args();
    whole::<NUMBER, M>(hv, vcpu, args, units)
}

/// As [`entry`], of a call that has no quick form, or of which that did what takes `units` of budget.
#[inline(always)]
fn whole<const NUMBER: u64, M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    args: [u64; 6],
    units: u32,
) -> u64 {
    let dom = hv.domains.slot(vcpu.slot);
    let mut cx = Cx::new(hv, vcpu, dom, NUMBER);
    cx.budget.take(units);
    let result = if work(NUMBER) == Work::Tables {
        with_tables(&mut cx, |cx| handle::<NUMBER, M>(cx, args))
    } else {
        handle::<NUMBER, M>(&mut cx, args)
    };
    answer(&mut cx, NUMBER, result)
}

/// Runs hypercall `number` in its whole form; the arguments are where the entry code saved them.
#[cold]
#[inline(never)]
fn any_call<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, number: u64) -> u64 {
    let dom = hv.domains.slot(vcpu.slot);
    let mut cx = Cx::new(hv, vcpu, dom, number);
    let args = cx.args();
    let handler = Calls::<M>::HANDLERS[place(number)];
    let result = if work(number) == Work::Tables {
        with_tables(&mut cx, |cx| handler(cx, args))
    } else {
        handler(&mut cx, args)
    };
    answer(&mut cx, number, result)
}

/// What the guest finds in rax behind call `number`, and what else becomes of it.
#[inline(always)]
fn answer<M: Machine>(cx: &mut Cx<'_, M>, number: u64, result: HypercallResult) -> u64 {
    match result {
        Ok(value) => value as u64,
        Err(Stop::Err(e)) => e.negated() as u64,
        Err(Stop::Retry) => {
            if !cx.vcpu.call_whole {
                // The entry code alone would deliver an event in the middle of the call.
                cx.hv.machine.attend();
                let regs = &mut cx.vcpu.regs;
                regs.rip = regs.rip.wrapping_sub(SYSCALL_LENGTH);
            }
            number
        }
        Err(Stop::Crash(crash)) => {
            trap::kill(cx.hv, cx.vcpu, crash, None);
            number
        }
    }
}

/// Runs a call that changes page tables, behind what an earlier one left over.
#[inline(always)]
fn with_tables<M: Machine>(
    cx: &mut Cx<'_, M>,
    call: impl FnOnce(&mut Cx<'_, M>) -> HypercallResult,
) -> HypercallResult {
    if !cx.vcpu.walk.is_idle() {
        end_former_walk(cx)?;
    }
    let result = call(cx);
    if !cx.vcpu.walk.is_idle() && result != Err(Stop::Retry) {
        walk::forget_verdict(cx.hv, &mut cx.vcpu.walk);
    }
    result
}

/// Hypercalls by number.
struct Calls<M>(core::marker::PhantomData<M>);

type Whole<M> = fn(&Hypervisor<M>, &mut Vcpu, [u64; 6]) -> u64;
type Handler<M> = fn(&mut Cx<'_, M>, [u64; 6]) -> HypercallResult;
type Inner<M> = fn(&mut Cx<'_, M>) -> HypercallResult;

macro_rules! whole {
    ($($number:literal)*) => { [$(entry::<$number, M>),*] };
}

macro_rules! handlers {
    ($($number:literal)*) => { [$(handler::<$number, M>),*] };
}

macro_rules! inner {
    ($($number:literal)*) => { [$(inner::<$number, M>),*] };
}

impl<M: Machine> Calls<M> {
    /// With their quick forms; the binary has these in a table of its own.
    const WHOLE: [Whole<M>; NUMBERS as usize + 1] = every_hypercall!(whole);
    const HANDLERS: [Handler<M>; NUMBERS as usize + 1] = every_hypercall!(handlers);
    const INNER: [Inner<M>; NUMBERS as usize + 1] = every_hypercall!(inner);
}

fn handler<const NUMBER: u64, M: Machine>(cx: &mut Cx<'_, M>, args: [u64; 6]) -> HypercallResult {
    handle::<NUMBER, M>(cx, args)
}

fn inner<const NUMBER: u64, M: Machine>(cx: &mut Cx<'_, M>) -> HypercallResult {
    if made(NUMBER) == Made::Seldom {
        return any_inner_call(cx);
    }
    let args = cx.vcpu.entry.args;
    if NUMBER == EVENTS && evtchn::quick::event_channel_op(cx.m(), || cx.hv, args) {
        return Ok(0);
    }
    // A list in a list is refused.
    if NUMBER == nr::__HYPERVISOR_multicall {
        return handle::<NUMBER, M>(cx, args);
    }
    let near = Near {
        hv: cx.hv,
        dom: cx.dom,
    };
    if let Outcome::Done = quick::call::<NUMBER, M>(&near, cx.vcpu, (1, args)) {
        cx.budget.take(quick::units::<NUMBER>(args));
        cx.hv.settle_aside(&mut cx.budget);
        if !cx.vcpu.walk.is_idle() {
            // What is left of it comes before the next entry.
            let _ = finish_walk(cx.hv, cx.vcpu, &mut cx.budget);
        }
        return Ok(0);
    }
    // What the entry before left over comes first, too; `update_descriptor` sees to it itself.
    let waits = work(NUMBER) == Work::Tables && NUMBER != nr::__HYPERVISOR_update_descriptor;
    if waits && !cx.vcpu.walk.is_idle() {
        finish_walk(cx.hv, cx.vcpu, &mut cx.budget)?;
    }
    handle::<NUMBER, M>(cx, args)
}

/// Runs a call that is seldom made, as an entry of a list.
#[cold]
#[inline(never)]
fn any_inner_call<M: Machine>(cx: &mut Cx<'_, M>) -> HypercallResult {
    if work(cx.number) == Work::Tables && !cx.vcpu.walk.is_idle() {
        finish_walk(cx.hv, cx.vcpu, &mut cx.budget)?;
    }
    let args = cx.vcpu.entry.args;
    (Calls::<M>::HANDLERS[place(cx.number)])(cx, args)
}

/// A number's place in the tables, whatever the processor speculates.
#[inline(always)]
fn place(number: u64) -> usize {
    clamp_index(number.min(NUMBERS) as usize, NUMBERS as usize + 1)
}

/// Has the hypercall in progress made again, from where it is now, with all registers saved.
#[cold]
pub(super) fn call_whole<M: Machine>(cx: &mut Cx<'_, M>) -> Stop {
    cx.vcpu.call_whole = true;
    cx.hv.machine.attend();
    Stop::Retry
}

/// Runs the call of the multicall entry in progress; `cx` has its number.
#[inline(always)]
pub(super) fn inner_call<M: Machine>(cx: &mut Cx<'_, M>) -> HypercallResult {
    (Calls::<M>::INNER[place(cx.number)])(cx)
}

/// Runs the hypercall that `vcpu`, in kernel mode, asks for with its registers, which all are saved,
/// and its quick form if it has one.
pub fn hypercall<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) {
    with_all_saved(vcpu, |vcpu, number| {
        let args = vcpu.regs.hypercall_args();
        (Calls::<M>::WHOLE[place(number)])(hv, vcpu, args)
    });
}

/// The same, of a call that was made before and found that it needs all registers.
pub(crate) fn hypercall_again<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) {
    with_all_saved(vcpu, |vcpu, number| any_call(hv, vcpu, number));
}

fn with_all_saved(vcpu: &mut Vcpu, call: impl FnOnce(&mut Vcpu, u64) -> u64) {
    let number = vcpu.regs.rax;
    vcpu.all_saved = true;
    let result = call(vcpu, number);
    vcpu.all_saved = false;
    // An iret has put the registers in place itself.
    if number != IRET {
        vcpu.regs.rax = result;
    }
}

/// Page-table work that an earlier call left over comes first, and what it came to is for nobody
/// but that call made again.
///
/// # Errors
/// `Retry` when it has not come to its end.
#[cold]
#[inline(never)]
fn end_former_walk<M: Machine>(cx: &mut Cx<'_, M>) -> Result<(), Stop> {
    finish_walk(cx.hv, cx.vcpu, &mut cx.budget)?;
    if !cx.goes_on() {
        walk::forget_verdict(cx.hv, &mut cx.vcpu.walk);
        finish_walk(cx.hv, cx.vcpu, &mut cx.budget)?;
    }
    Ok(())
}

/// Ends page-table work in progress, under the lock of the domain whose tables they are.
///
/// # Errors
/// `Retry` when it has not come to its end.
#[cold]
#[inline(never)]
pub(crate) fn finish_walk<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut Vcpu,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let tables_of = hv.domains.slot(vcpu.walk.slot);
    let _guard = tables_of.lock();
    walk::finish(hv, tables_of, &mut vcpu.walk, budget)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_is_a_call_of_the_public_interface() {
        let mut seen = BTreeSet::new();
        for row in TABLE {
            assert!(seen.insert(row.nr), "{} twice", row.name);
            assert!(row.nr < NUMBERS, "{}", row.name);
        }
    }
}
