//! `xen/xen/hypercall.h`.

use crate::arch_x86_64::xen_ulong_t;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Hypervisor set trap table.
pub const __HYPERVISOR_set_trap_table: u64 = 0;
/// Hypervisor mmu update.
pub const __HYPERVISOR_mmu_update: u64 = 1;
/// Hypervisor set gdt.
pub const __HYPERVISOR_set_gdt: u64 = 2;
/// Hypervisor stack switch.
pub const __HYPERVISOR_stack_switch: u64 = 3;
/// Hypervisor set callbacks.
pub const __HYPERVISOR_set_callbacks: u64 = 4;
/// Hypervisor fpu taskswitch.
pub const __HYPERVISOR_fpu_taskswitch: u64 = 5;
/// compat since 0x00030101.
pub const __HYPERVISOR_sched_op_compat: u64 = 6;
/// Hypervisor platform op.
pub const __HYPERVISOR_platform_op: u64 = 7;
/// Hypervisor set debugreg.
pub const __HYPERVISOR_set_debugreg: u64 = 8;
/// Hypervisor get debugreg.
pub const __HYPERVISOR_get_debugreg: u64 = 9;
/// Hypervisor update descriptor.
pub const __HYPERVISOR_update_descriptor: u64 = 10;
/// Hypervisor memory op.
pub const __HYPERVISOR_memory_op: u64 = 12;
/// Hypervisor multicall.
pub const __HYPERVISOR_multicall: u64 = 13;
/// Hypervisor update va mapping.
pub const __HYPERVISOR_update_va_mapping: u64 = 14;
/// Hypervisor set timer op.
pub const __HYPERVISOR_set_timer_op: u64 = 15;
/// compat since 0x00030202.
pub const __HYPERVISOR_event_channel_op_compat: u64 = 16;
/// Hypervisor xen version.
pub const __HYPERVISOR_xen_version: u64 = 17;
/// Hypervisor console io.
pub const __HYPERVISOR_console_io: u64 = 18;
/// compat since 0x00030202.
pub const __HYPERVISOR_physdev_op_compat: u64 = 19;
/// Hypervisor grant table op.
pub const __HYPERVISOR_grant_table_op: u64 = 20;
/// Hypervisor vm assist.
pub const __HYPERVISOR_vm_assist: u64 = 21;
/// Hypervisor update va mapping otherdomain.
pub const __HYPERVISOR_update_va_mapping_otherdomain: u64 = 22;
/// x86 only.
pub const __HYPERVISOR_iret: u64 = 23;
/// Hypervisor vcpu op.
pub const __HYPERVISOR_vcpu_op: u64 = 24;
/// x86/64 only.
pub const __HYPERVISOR_set_segment_base: u64 = 25;
/// Hypervisor mmuext op.
pub const __HYPERVISOR_mmuext_op: u64 = 26;
/// Hypervisor xsm op.
pub const __HYPERVISOR_xsm_op: u64 = 27;
/// Hypervisor nmi op.
pub const __HYPERVISOR_nmi_op: u64 = 28;
/// Hypervisor sched op.
pub const __HYPERVISOR_sched_op: u64 = 29;
/// Hypervisor callback op.
pub const __HYPERVISOR_callback_op: u64 = 30;
/// Hypervisor xenoprof op.
pub const __HYPERVISOR_xenoprof_op: u64 = 31;
/// Hypervisor event channel op.
pub const __HYPERVISOR_event_channel_op: u64 = 32;
/// Hypervisor physdev op.
pub const __HYPERVISOR_physdev_op: u64 = 33;
/// Hypervisor hvm op.
pub const __HYPERVISOR_hvm_op: u64 = 34;
/// Hypervisor sysctl.
pub const __HYPERVISOR_sysctl: u64 = 35;
/// Hypervisor domctl.
pub const __HYPERVISOR_domctl: u64 = 36;
/// Hypervisor kexec op.
pub const __HYPERVISOR_kexec_op: u64 = 37;
/// Hypervisor tmem op.
pub const __HYPERVISOR_tmem_op: u64 = 38;
/// Hypervisor argo op.
pub const __HYPERVISOR_argo_op: u64 = 39;
/// Hypervisor xenpmu op.
pub const __HYPERVISOR_xenpmu_op: u64 = 40;
/// Hypervisor dm op.
pub const __HYPERVISOR_dm_op: u64 = 41;
/// Hypervisor hypfs op.
pub const __HYPERVISOR_hypfs_op: u64 = 42;
/// Architecture-specific hypercall definitions.
pub const __HYPERVISOR_arch_0: u64 = 48;
/// Architecture-specific hypercall definitions.
pub const __HYPERVISOR_arch_1: u64 = 49;
/// Architecture-specific hypercall definitions.
pub const __HYPERVISOR_arch_2: u64 = 50;
/// Architecture-specific hypercall definitions.
pub const __HYPERVISOR_arch_3: u64 = 51;
/// Architecture-specific hypercall definitions.
pub const __HYPERVISOR_arch_4: u64 = 52;
/// Architecture-specific hypercall definitions.
pub const __HYPERVISOR_arch_5: u64 = 53;
/// Architecture-specific hypercall definitions.
pub const __HYPERVISOR_arch_6: u64 = 54;
/// Architecture-specific hypercall definitions.
pub const __HYPERVISOR_arch_7: u64 = 55;
/// ` int ` HYPERVISOR_console_io(unsigned int cmd, ` unsigned int count, ` char buffer\[\]);
/// @cmd: Command (see below) @count: Size of the buffer to read/write @buffer: Pointer in the
/// guest memory List of commands: * CONSOLEIO_write: Write the buffer to Xen console.
pub const CONSOLEIO_write: u32 = 0;
/// Consoleio read.
pub const CONSOLEIO_read: u32 = 1;
/// Commands to HYPERVISOR_vm_assist().
pub const VMASST_CMD_enable: u32 = 0;
/// Vmasst cmd disable.
pub const VMASST_CMD_disable: u32 = 1;
/// x86/32 guests: simulate full 4GB segment limits.
pub const VMASST_TYPE_4gb_segments: u32 = 0;
/// x86/32 guests: trap (vector 15) whenever above vmassist is used.
pub const VMASST_TYPE_4gb_segments_notify: u32 = 1;
/// x86 guests: support writes to bottom-level PTEs.
pub const VMASST_TYPE_writable_pagetables: u32 = 2;
/// x86/PAE guests: support PDPTs above 4GB.
pub const VMASST_TYPE_pae_extended_cr3: u32 = 3;
/// x86 guests: Sane behaviour for virtual iopl - virtual iopl updated from do_iret()
/// hypercalls. - virtual iopl reported in bounce frames. - guest kernels assumed to be level 0
/// for the purpose of iopl checks.
pub const VMASST_TYPE_architectural_iopl: u32 = 4;
/// All guests: activate update indicator in vcpu_runstate_info Enable setting the
/// XEN_RUNSTATE_UPDATE flag in guest memory mapped vcpu_runstate_info during updates of the
/// runstate information.
pub const VMASST_TYPE_runstate_update_flag: u32 = 5;
/// x86/64 guests: strictly hide M2P from user mode.
pub const VMASST_TYPE_m2p_strict: u32 = 32;

/// ` enum neg_errnoval ` HYPERVISOR_multicall(multicall_entry_t call_list\[\], ` uint32_t
/// nr_calls); NB. The fields are logically the natural register size for this architecture.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct multicall_entry {
    /// Op.
    pub op: xen_ulong_t,
    /// Result.
    pub result: xen_ulong_t,
    /// Args.
    pub args: [xen_ulong_t; 6],
}
const _: () = assert!(size_of::<multicall_entry>() == 64);

/// Every hypercall number of `xen.h` with its name, in ascending order.
pub const HYPERCALL_NAMES: &[(u64, &str)] = &[
    (__HYPERVISOR_set_trap_table, "set_trap_table"),
    (__HYPERVISOR_mmu_update, "mmu_update"),
    (__HYPERVISOR_set_gdt, "set_gdt"),
    (__HYPERVISOR_stack_switch, "stack_switch"),
    (__HYPERVISOR_set_callbacks, "set_callbacks"),
    (__HYPERVISOR_fpu_taskswitch, "fpu_taskswitch"),
    (__HYPERVISOR_sched_op_compat, "sched_op_compat"),
    (__HYPERVISOR_platform_op, "platform_op"),
    (__HYPERVISOR_set_debugreg, "set_debugreg"),
    (__HYPERVISOR_get_debugreg, "get_debugreg"),
    (__HYPERVISOR_update_descriptor, "update_descriptor"),
    (__HYPERVISOR_memory_op, "memory_op"),
    (__HYPERVISOR_multicall, "multicall"),
    (__HYPERVISOR_update_va_mapping, "update_va_mapping"),
    (__HYPERVISOR_set_timer_op, "set_timer_op"),
    (
        __HYPERVISOR_event_channel_op_compat,
        "event_channel_op_compat",
    ),
    (__HYPERVISOR_xen_version, "xen_version"),
    (__HYPERVISOR_console_io, "console_io"),
    (__HYPERVISOR_physdev_op_compat, "physdev_op_compat"),
    (__HYPERVISOR_grant_table_op, "grant_table_op"),
    (__HYPERVISOR_vm_assist, "vm_assist"),
    (
        __HYPERVISOR_update_va_mapping_otherdomain,
        "update_va_mapping_otherdomain",
    ),
    (__HYPERVISOR_iret, "iret"),
    (__HYPERVISOR_vcpu_op, "vcpu_op"),
    (__HYPERVISOR_set_segment_base, "set_segment_base"),
    (__HYPERVISOR_mmuext_op, "mmuext_op"),
    (__HYPERVISOR_xsm_op, "xsm_op"),
    (__HYPERVISOR_nmi_op, "nmi_op"),
    (__HYPERVISOR_sched_op, "sched_op"),
    (__HYPERVISOR_callback_op, "callback_op"),
    (__HYPERVISOR_xenoprof_op, "xenoprof_op"),
    (__HYPERVISOR_event_channel_op, "event_channel_op"),
    (__HYPERVISOR_physdev_op, "physdev_op"),
    (__HYPERVISOR_hvm_op, "hvm_op"),
    (__HYPERVISOR_sysctl, "sysctl"),
    (__HYPERVISOR_domctl, "domctl"),
    (__HYPERVISOR_kexec_op, "kexec_op"),
    (__HYPERVISOR_tmem_op, "tmem_op"),
    (__HYPERVISOR_argo_op, "argo_op"),
    (__HYPERVISOR_xenpmu_op, "xenpmu_op"),
    (__HYPERVISOR_dm_op, "dm_op"),
    (__HYPERVISOR_hypfs_op, "hypfs_op"),
    (__HYPERVISOR_arch_0, "arch_0"),
    (__HYPERVISOR_arch_1, "arch_1"),
    (__HYPERVISOR_arch_2, "arch_2"),
    (__HYPERVISOR_arch_3, "arch_3"),
    (__HYPERVISOR_arch_4, "arch_4"),
    (__HYPERVISOR_arch_5, "arch_5"),
    (__HYPERVISOR_arch_6, "arch_6"),
    (__HYPERVISOR_arch_7, "arch_7"),
];

/// The header name of a hypercall number, without its `__HYPERVISOR_` prefix.
pub const fn hypercall_name(number: u64) -> Option<&'static str> {
    let mut i = 0;
    while i < HYPERCALL_NAMES.len() {
        if HYPERCALL_NAMES[i].0 == number {
            return Some(HYPERCALL_NAMES[i].1);
        }
        i += 1;
    }
    None
}
