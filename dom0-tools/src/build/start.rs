//! What a new guest finds: its start_info page and its first registers.

use alloc::format;

use hypercall_abi::Union;
use hypercall_abi::arch_x86_64::*;
use hypercall_abi::xen::*;
use zerocopy::FromZeros;

use super::{Layout, LayoutError, Ports};
use crate::image::PvKernel;

/// EFLAGS bit 1, which is always set, and IF.
const INITIAL_RFLAGS: u64 = 1 << 1 | 1 << 9;
/// DR6 and DR7 after reset.
const RESET_DR6: u64 = 0xffff_0ff0;
const RESET_DR7: u64 = 0x400;

/// Checks that a command line fits start_info.
pub(super) fn check_command_line(line: &str) -> Result<(), LayoutError> {
    if line.len() < MAX_GUEST_CMDLINE {
        Ok(())
    } else {
        Err(LayoutError::CommandLine(line.len()))
    }
}

/// The start_info page.
pub(super) fn start_info_page(
    layout: &Layout,
    frames: &[u64],
    ports: Ports,
    shared_info_frame: u64,
    command_line: &str,
    ramdisk_len: u64,
) -> start_info {
    let frame = |pfn: u64| frames[pfn as usize];
    let mut info = start_info::new_zeroed();
    let magic = format!("xen-{}.{}-x86_64", 3, 0);
    info.magic[..magic.len()].copy_from_slice(magic.as_bytes());
    info.nr_pages = layout.total_pages;
    info.shared_info = shared_info_frame << 12;
    info.store_mfn = frame(layout.store);
    info.store_evtchn = ports.store;
    let console = start_info_console_domU {
        mfn: frame(layout.console),
        evtchn: ports.console,
        _pad0: [0; 4],
    };
    info.console = Union::new(console);
    info.pt_base = layout.address(layout.tables.start);
    info.nr_pt_frames = layout.tables.end - layout.tables.start;
    info.mfn_list = layout.p2m_address;
    if ramdisk_len != 0 {
        info.mod_len = ramdisk_len;
        info.mod_start = if layout.ramdisk_by_pfn {
            info.flags |= SIF_MOD_START_PFN;
            layout.ramdisk.start
        } else {
            layout.address(layout.ramdisk.start)
        };
    }
    let p2m = layout.p2m_frames();
    info.first_p2m_pfn = p2m.start;
    info.nr_p2m_frames = p2m.end - p2m.start;
    for (slot, byte) in info.cmd_line.iter_mut().zip(command_line.bytes()) {
        *slot = byte.cast_signed();
    }
    info
}

/// The registers of vCPU 0.
pub(super) fn first_context(
    kernel: &PvKernel<'_>,
    layout: &Layout,
    frames: &[u64],
) -> vcpu_guest_context {
    let mut context = vcpu_guest_context::new_zeroed();
    let regs = &mut context.user_regs;
    regs.rip = kernel.entry;
    regs.rsi = layout.address(layout.start_info);
    regs.rsp = layout.address(layout.stack) + 4096;
    regs.rflags = INITIAL_RFLAGS;
    regs.cs = FLAT_KERNEL_CS;
    regs.ss = FLAT_KERNEL_SS;
    (regs.ds, regs.es, regs.fs, regs.gs) = (
        FLAT_KERNEL_DS,
        FLAT_KERNEL_DS,
        FLAT_KERNEL_DS,
        FLAT_KERNEL_DS,
    );
    context.kernel_ss = regs.ss.into();
    context.kernel_sp = regs.rsp;
    context.flags = VGCF_in_kernel | VGCF_online;
    // xen_pfn_to_cr3 of 64-bit guests.
    context.ctrlreg[3] = frames[layout.tables.start as usize] << 12;
    context.debugreg[6] = RESET_DR6;
    context.debugreg[7] = RESET_DR7;
    context
}
