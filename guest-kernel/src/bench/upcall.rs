//! Handlers of events that do as little as there can be, for vCPUs 0 and 1.

use crate::dev::shared;
use core::mem::offset_of;
use core::sync::atomic::AtomicU64;
use hypercall_abi::xen::{shared_info, vcpu_info};

/// All but the bit of the port whose event each vCPU takes; of ports below 64.
pub(super) static OTHERS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Instructions of a handler, its `syscall` included, without what it is given to do besides.
pub(super) const HANDLER: u64 = 13;

/// The offset of a vCPU's field in shared_info.
pub(super) const fn info(vcpu: usize, field: usize) -> usize {
    shared::VCPU0 + vcpu * size_of::<vcpu_info>() + field
}

/// Where the bits of pending ports below 64 are.
pub(super) const PENDING: usize = offset_of!(shared_info, evtchn_pending);

/// Defines handlers: the vCPU that each is for, and what it does besides taking the event.
macro_rules! upcalls {
    ($($name:ident: $vcpu:literal, $and:literal $(, $key:ident = sym $symbol:path)?;)*) => { $(
        #[unsafe(naked)]
        extern "C" fn $name() {
            core::arch::naked_asm!(
                "pop rcx",
                "pop r11",
                "push 0",
                "push rcx",
                "push r11",
                "push rax",
                "movabs rcx, {shared}",
                "mov byte ptr [rcx + {flag}], 0",
                "mov qword ptr [rcx + {selector}], 0",
                "mov r11, [rip + {others} + 8 * {vcpu}]",
                "lock and [rcx + {pending}], r11",
                $and,
                "mov eax, {iret}",
                "syscall",
                shared = const $crate::mm::SHARED_INFO_VA,
                flag = const $crate::bench::upcall::info(
                    $vcpu,
                    core::mem::offset_of!(hypercall_abi::xen::vcpu_info, evtchn_upcall_pending)
                ),
                selector = const $crate::bench::upcall::info(
                    $vcpu,
                    core::mem::offset_of!(hypercall_abi::xen::vcpu_info, evtchn_pending_sel)
                ),
                vcpu = const $vcpu,
                pending = const $crate::bench::upcall::PENDING,
                others = sym $crate::bench::upcall::OTHERS,
                iret = const hypercall_abi::xen::__HYPERVISOR_iret,
                $($key = sym $symbol,)?
            )
        }
    )* };
}

pub(super) use upcalls;
