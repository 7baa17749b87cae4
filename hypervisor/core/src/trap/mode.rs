//! The two address spaces of a 64-bit guest, and what changes with them.

use crate::error::Crash;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::vcpu::{Mode, Vcpu};

/// Switches between the kernel and the user root, and exchanges the GS base as `swapgs` does.
///
/// # Errors
/// When the guest has no root for the other mode, which ends the domain.
pub(crate) fn toggle<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) -> Result<(), Crash> {
    let m = hv.machine;
    let (to, root) = match vcpu.mode {
        Mode::Kernel => (Mode::User, vcpu.arch.user_root.get()),
        Mode::User => (Mode::Kernel, vcpu.arch.kernel_root.get()),
    };
    let root = root.ok_or(Crash("no page table for the mode it enters"))?;
    let now = m.gs_base();
    let next = match to {
        Mode::User => {
            vcpu.arch.gs_base_kernel = now;
            vcpu.arch.gs_base_user
        }
        Mode::Kernel => {
            vcpu.arch.gs_base_user = now;
            vcpu.arch.gs_base_kernel
        }
    };
    if next != now {
        m.set_gs_base(next);
    }
    vcpu.mode = to;
    // The flush is not noted: that costs another one at times, and spares the clock, which all CPUs
    // share, the ticks of all system calls.
    m.load_root(root);
    Ok(())
}
