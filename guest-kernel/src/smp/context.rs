//! What a vCPU other than 0 starts with.

use super::{main, stack_top};
use crate::mm::{p2m, paging};
use crate::trap;
use alloc::boxed::Box;
use hypercall_abi::arch_x86_64::{
    FLAT_KERNEL_CS, FLAT_KERNEL_SS, VGCF_in_kernel, trap_info, vcpu_guest_context, xen_pfn_to_cr3,
};
use zerocopy::FromZeros;

/// Entries of a GDT of one page.
const GDT_ENTRIES: u64 = 512;

/// A context in which vCPU `vcpu` begins in [`main`], with the GDT in frame `gdt`.
pub(crate) fn new(vcpu: usize, gdt: u64) -> Box<vcpu_guest_context> {
    let mut c = Box::new(vcpu_guest_context::new_zeroed());
    c.flags = VGCF_in_kernel;
    let user = &mut c.user_regs;
    (user.rip, user.rdi) = (main as *const () as u64, vcpu as u64);
    // As behind a call.
    user.rsp = stack_top(vcpu) - 8;
    (user.cs, user.ss) = (FLAT_KERNEL_CS, FLAT_KERNEL_SS);
    for (vector, gate) in (0_u8..=255).zip(&mut c.trap_ctxt) {
        *gate = trap_info {
            vector,
            flags: 1 << 2, // enter with events masked
            cs: FLAT_KERNEL_CS,
            _pad0: [0; 4],
            address: trap::stub(vector),
        };
    }
    (c.gdt_frames[0], c.gdt_ents) = (gdt, GDT_ENTRIES);
    (c.kernel_ss, c.kernel_sp) = (FLAT_KERNEL_SS.into(), stack_top(vcpu));
    c.ctrlreg[3] = xen_pfn_to_cr3(p2m::mfn(paging::boot_root().0).0);
    let [event, failsafe, syscall] = trap::callbacks();
    c.event_callback_eip = event;
    c.failsafe_callback_eip = failsafe;
    c.syscall_callback_eip = syscall;
    c
}
