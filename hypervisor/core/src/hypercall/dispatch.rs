//! The dispatcher: from a hypercall number to its handler, and from the handler's outcome to the
//! guest's registers. The one place where errors and faults are applied.

use hypercall_abi::xen as nr;

use super::{Budget, Cx, multicall, version};
use crate::control::{console, domctl, physdev, platform, sysctl};
use crate::domain::{lifecycle, memory_op};
use crate::error::{Errno, HypercallResult, Stop};
use crate::evtchn;
use crate::grant;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::pv::{mmu_update, mmuext, walk};
use crate::sched::ops as sched_ops;
use crate::trap::{calls, iret};
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

/// Makes the table for people and the dispatch for machines from the same rows.
macro_rules! hypercalls {
    ($cx:ident, $a:ident; $($name:ident $number:ident $state:ident $note:literal => $call:expr,)*) => {
        /// All hypercalls there are; every other number is `-ENOSYS`.
        pub const TABLE: &[Row] = &[
            $(Row { nr: nr::$number, name: stringify!($name), state: State::$state, note: $note },)*
        ];

        /// Runs one hypercall.
        #[inline]
        pub(super) fn call<M: Machine>($cx: &mut Cx<'_, M>) -> HypercallResult {
            let (number, $a) = $cx.call;
            match number {
                $(nr::$number => $call,)*
                _ => Err(Errno::ENOSYS.into()),
            }
        }
    };
}

hypercalls! { cx, a;
    set_trap_table __HYPERVISOR_set_trap_table Whole "all vectors"
        => calls::set_trap_table(cx, a[0]),
    mmu_update __HYPERVISOR_mmu_update Whole "all commands, own and foreign tables"
        => mmu_update::mmu_update(cx, a[0], a[1], a[2], a[3]),
    set_gdt __HYPERVISOR_set_gdt Whole "up to 14 frames"
        => calls::set_gdt(cx, a[0], a[1]),
    stack_switch __HYPERVISOR_stack_switch Whole ""
        => calls::stack_switch(cx, a[0], a[1]),
    set_callbacks __HYPERVISOR_set_callbacks Whole ""
        => calls::set_callbacks(cx, a[0], a[1], a[2]),
    fpu_taskswitch __HYPERVISOR_fpu_taskswitch Whole ""
        => calls::fpu_taskswitch(cx, a[0]),
    platform_op __HYPERVISOR_platform_op Part "firmware_info, get_cpuinfo, settime64"
        => platform::platform_op(cx, a[0]),
    set_debugreg __HYPERVISOR_set_debugreg Whole ""
        => calls::set_debugreg(cx, a[0], a[1]),
    get_debugreg __HYPERVISOR_get_debugreg Whole ""
        => calls::get_debugreg(cx, a[0]),
    update_descriptor __HYPERVISOR_update_descriptor Whole ""
        => calls::update_descriptor(cx, a[0], a[1]),
    memory_op __HYPERVISOR_memory_op Part "reservations, exchange, memory maps, machphys, claims"
        => memory_op::memory_op(cx, a[0], a[1]),
    multicall __HYPERVISOR_multicall Whole "everything but itself"
        => multicall::multicall(cx, a[0], a[1]),
    update_va_mapping __HYPERVISOR_update_va_mapping Whole "all flushes"
        => mmu_update::update_va_mapping(cx, a[0], a[1], a[2]),
    set_timer_op __HYPERVISOR_set_timer_op Whole ""
        => sched_ops::set_timer_op(cx, a[0]),
    xen_version __HYPERVISOR_xen_version Whole "all sub-operations; there is no build id"
        => version::xen_version(cx, a[0], a[1]),
    console_io __HYPERVISOR_console_io Whole ""
        => console::console_io(cx, a[0], a[1], a[2]),
    grant_table_op __HYPERVISOR_grant_table_op Part "query_size, setup_table, versions"
        => grant::grant_table_op(cx, a[0], a[1], a[2]),
    vm_assist __HYPERVISOR_vm_assist Whole ""
        => calls::vm_assist(cx, a[0], a[1]),
    update_va_mapping_otherdomain __HYPERVISOR_update_va_mapping_otherdomain Whole ""
        => mmu_update::update_va_mapping_otherdomain(cx, a[0], a[1], a[2], a[3]),
    iret __HYPERVISOR_iret Whole ""
        => iret::iret(cx),
    vcpu_op __HYPERVISOR_vcpu_op Part "all but get_physid"
        => sched_ops::vcpu_op(cx, a[0], a[1], a[2]),
    set_segment_base __HYPERVISOR_set_segment_base Whole ""
        => calls::set_segment_base(cx, a[0], a[1]),
    mmuext_op __HYPERVISOR_mmuext_op Whole "superpage marks refused as real Xen refuses them"
        => mmuext::mmuext_op(cx, a[0], a[1], a[2], a[3]),
    sched_op __HYPERVISOR_sched_op Whole "pin_override for dom0"
        => sched_ops::sched_op(cx, a[0], a[1]),
    callback_op __HYPERVISOR_callback_op Whole "all types"
        => calls::callback_op(cx, a[0], a[1]),
    event_channel_op __HYPERVISOR_event_channel_op Part "two-level ABI whole; no FIFO"
        => evtchn::event_channel_op(cx, a[0], a[1]),
    physdev_op __HYPERVISOR_physdev_op Part "what a dom0 asks while it boots"
        => physdev::physdev_op(cx, a[0], a[1]),
    sysctl __HYPERVISOR_sysctl Part "what the toolstack needs"
        => sysctl::sysctl(cx, a[0]),
    domctl __HYPERVISOR_domctl Part "what the toolstack needs"
        => domctl::domctl(cx, a[0]),
}

/// Length of the `syscall` instruction: how far back a hypercall is run again.
pub(super) const SYSCALL_LENGTH: u64 = 2;

/// Runs the hypercall that `vcpu`, in kernel mode, asks for with its registers.
pub fn hypercall<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) {
    let number = vcpu.regs.rax;
    // Nothing to look up, nothing to go wrong: not worth a context.
    if number == nr::__HYPERVISOR_xen_version
        && vcpu.regs.rdi == version::VERSION_COMMAND
        && vcpu.walk.is_idle()
    {
        vcpu.regs.rax = version::VERSION;
        return;
    }
    let r = &vcpu.regs;
    let args = [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9];
    let result = run(hv, vcpu, (number, args));
    match result {
        // An iret has put the registers in place itself.
        Ok(_) if number == nr::__HYPERVISOR_iret => {}
        Ok(value) => vcpu.regs.rax = value as u64,
        Err(Stop::Err(e)) => vcpu.regs.rax = e.negated() as u64,
        Err(Stop::Retry) => vcpu.regs.rip = vcpu.regs.rip.wrapping_sub(SYSCALL_LENGTH),
        Err(Stop::Crash(crash)) => lifecycle::crash(hv, vcpu, crash),
    }
}

fn run<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu, call_: (u64, [u64; 6])) -> HypercallResult {
    let mut budget = Budget::new(hv.machine.budget());
    if !vcpu.walk.is_idle() {
        finish_walk(hv, vcpu, &mut budget)?;
    }
    let dom = hv.domains.slot(vcpu.slot);
    let mut cx = Cx {
        hv,
        vcpu,
        dom,
        budget,
        call: call_,
        depth: 0,
    };
    let result = call(&mut cx);
    if !cx.vcpu.walk.is_idle() && result != Err(Stop::Retry) {
        walk::forget_verdict(hv, &mut cx.vcpu.walk);
    }
    result
}

/// Page-table work that an earlier call left over comes first.
#[cold]
fn finish_walk<M: Machine>(
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
            assert!(row.nr < 64, "{}", row.name);
        }
    }
}
