//! What of a vCPU only the processor can hold.

use hypervisor_core::platform::{Machine, Segment};
use hypervisor_core::vcpu::{Mode, Vcpu};

use super::{HW, frames};
use crate::arch::percpu::PerCpu;
use crate::arch::{cpu, descriptors, fpu, guest_copy};

/// Takes what the processor holds of a vCPU.
pub(super) fn save(vcpu: &mut Vcpu) {
    fpu::save(&mut vcpu.fpu);
    let a = &mut vcpu.arch;
    a.ds = guest_copy::ds();
    a.es = guest_copy::es();
    a.fs = guest_copy::fs();
    a.gs = guest_copy::gs();
    a.fs_base = HW.fs_base();
    match vcpu.mode {
        Mode::Kernel => a.gs_base_kernel = HW.gs_base(),
        Mode::User => a.gs_base_user = HW.gs_base(),
    }
    // Only the processor itself changes this one.
    a.debugreg[6] = cpu::read_dr(6);
    PerCpu::current().debugreg[6].set(a.debugreg[6]);
}

/// Makes the processor hold a vCPU.
pub(super) fn load(vcpu: &Vcpu) {
    let own = PerCpu::current();
    let a = &vcpu.arch;
    let root = match vcpu.mode {
        Mode::Kernel => a.kernel_root,
        Mode::User => a.user_root,
    };
    match root.get() {
        Some(root) => HW.load_root(root),
        // The root of what ran before may be freed now.
        None => own.leave_guest_space(),
    }
    own.map_gdt(&a.gdt);
    own.unmap_ldt();
    if a.ldt_entries != 0 {
        for (page, frame) in a.ldt_pages.iter().enumerate() {
            if let Some(frame) = *frame {
                own.map_ldt_page(page as u64, frame);
            }
        }
    }
    if own.replace_ldt_entries(a.ldt_entries) {
        descriptors::load_ldt(own, a.ldt_entries);
    }
    load_segments(vcpu);
    fpu::load(&vcpu.fpu);
    fpu::set_components(a.xcr0);
    HW.set_task_switched(a.task_switched);
    HW.set_guest_cr4(a.cr4);
    HW.set_tsc_aux(a.tsc_aux);
    load_debug_registers(own, &a.debugreg);
    HW.note_info(vcpu.info);
    own.set_ports(
        vcpu.ports
            .map(|(root, first)| [frames::at(root, 0), frames::at(first, 0)]),
    );
    own.set_channel(vcpu.channel());
    own.set_running(vcpu);
}

/// Makes it hold none.
pub(super) fn unload() {
    let own = PerCpu::current();
    own.leave_guest_space();
    own.map_gdt(&[]);
    own.unmap_ldt();
    own.set_ports(None);
    if own.replace_ldt_entries(0) {
        descriptors::load_ldt(own, 0);
    }
}

fn load_segments(vcpu: &Vcpu) {
    let a = &vcpu.arch;
    for (now, wanted, segment) in [
        (guest_copy::ds(), a.ds, Segment::Ds),
        (guest_copy::es(), a.es, Segment::Es),
        (guest_copy::fs(), a.fs, Segment::Fs),
        (guest_copy::gs(), a.gs, Segment::Gs),
    ] {
        if now | wanted != 0 {
            // A selector that its descriptor table no longer bears out becomes null.
            let _ = HW.load_selector(segment, wanted);
        }
    }
    HW.set_fs_base(a.fs_base);
    HW.set_gs_base(match vcpu.mode {
        Mode::Kernel => a.gs_base_kernel,
        Mode::User => a.gs_base_user,
    });
}

fn load_debug_registers(own: &PerCpu, wanted: &[u64; 8]) {
    for index in [0, 1, 2, 3, 6, 7] {
        if own.debugreg[index].replace(wanted[index]) != wanted[index] {
            cpu::write_dr(index, wanted[index]);
        }
    }
}
