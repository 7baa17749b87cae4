//! `xen/xen.h`, part 1: hypercall numbers, multicall, console and VM assists.

use crate::arch_x86_64::xen_ulong_t;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `set_trap_table(traps)`: registers exception handlers, an array of
/// [`trap_info`](crate::arch_x86_64::trap_info) that ends at address 0.
pub const __HYPERVISOR_set_trap_table: u64 = 0;
/// `mmu_update(reqs, count, done, foreigndom)`: writes page-table and M2P entries, an array of
/// [`mmu_update`](super::mmu_update).
pub const __HYPERVISOR_mmu_update: u64 = 1;
/// `set_gdt(frames, entries)`: installs the GDT from up to 14 frames.
pub const __HYPERVISOR_set_gdt: u64 = 2;
/// `stack_switch(ss, rsp)`: sets the kernel stack on which callbacks arrive.
pub const __HYPERVISOR_stack_switch: u64 = 3;
/// `set_callbacks(event, failsafe, syscall)`: registers the three entry points;
/// [`__HYPERVISOR_callback_op`] is the newer form.
pub const __HYPERVISOR_set_callbacks: u64 = 4;
/// `fpu_taskswitch(set)`: sets or clears the virtual CR0.TS.
pub const __HYPERVISOR_fpu_taskswitch: u64 = 5;
/// `sched_op` in the form that Xen had before version 3.1 or 3.2.
pub const __HYPERVISOR_sched_op_compat: u64 = 6;
/// `platform_op(op)`: see [`platform`](crate::platform).
pub const __HYPERVISOR_platform_op: u64 = 7;
/// `set_debugreg(reg, value)`.
pub const __HYPERVISOR_set_debugreg: u64 = 8;
/// `get_debugreg(reg)`: returns the register; -EINVAL is indistinguishable from a value.
pub const __HYPERVISOR_get_debugreg: u64 = 9;
/// `update_descriptor(maddr, desc)`: writes one GDT or LDT entry.
pub const __HYPERVISOR_update_descriptor: u64 = 10;
/// `memory_op(cmd, arg)`: see [`memory`](crate::memory). The continuation of a long call keeps
/// its progress above bit 5 of `cmd`.
pub const __HYPERVISOR_memory_op: u64 = 12;
/// `multicall(calls, count)`: runs an array of [`multicall_entry`].
pub const __HYPERVISOR_multicall: u64 = 13;
/// `update_va_mapping(va, val, flags)`: writes the L1 entry that maps `va`; `flags` are
/// `UVMF_*`.
pub const __HYPERVISOR_update_va_mapping: u64 = 14;
/// `set_timer_op(timeout)`: one-shot `VIRQ_TIMER` at a system time in ns; 0 cancels.
pub const __HYPERVISOR_set_timer_op: u64 = 15;
/// `event_channel_op` in the form that Xen had before version 3.1 or 3.2.
pub const __HYPERVISOR_event_channel_op_compat: u64 = 16;
/// `xen_version(cmd, arg)`: see [`version`](crate::version).
pub const __HYPERVISOR_xen_version: u64 = 17;
/// `console_io(cmd, count, buffer)`: the hypervisor's own console; `cmd` is `CONSOLEIO_*`.
pub const __HYPERVISOR_console_io: u64 = 18;
/// `physdev_op` in the form that Xen had before version 3.1 or 3.2.
pub const __HYPERVISOR_physdev_op_compat: u64 = 19;
/// `grant_table_op(cmd, args, count)`: see [`grant_table`](crate::grant_table).
pub const __HYPERVISOR_grant_table_op: u64 = 20;
/// `vm_assist(cmd, type)`: turns a `VMASST_TYPE_*` on or off.
pub const __HYPERVISOR_vm_assist: u64 = 21;
/// As [`__HYPERVISOR_update_va_mapping`], mapping a page of the domain in the fourth argument.
pub const __HYPERVISOR_update_va_mapping_otherdomain: u64 = 22;
/// `iret()`: returns to the context on the kernel stack, an
/// [`iret_context`](crate::arch_x86_64::iret_context).
pub const __HYPERVISOR_iret: u64 = 23;
/// `vcpu_op(cmd, vcpu, arg)`: see [`vcpu`](crate::vcpu).
pub const __HYPERVISOR_vcpu_op: u64 = 24;
/// `set_segment_base(which, base)`: sets FS or GS bases; `which` is `SEGBASE_*`.
pub const __HYPERVISOR_set_segment_base: u64 = 25;
/// `mmuext_op(ops, count, done, foreigndom)`: an array of [`mmuext_op`](super::mmuext_op).
pub const __HYPERVISOR_mmuext_op: u64 = 26;
/// `xsm_op(op)`: security modules.
pub const __HYPERVISOR_xsm_op: u64 = 27;
/// `nmi_op(cmd, arg)`: NMI callbacks in the older form.
pub const __HYPERVISOR_nmi_op: u64 = 28;
/// `sched_op(cmd, arg)`: see [`sched`](crate::sched).
pub const __HYPERVISOR_sched_op: u64 = 29;
/// `callback_op(cmd, arg)`: see [`callback`](crate::callback).
pub const __HYPERVISOR_callback_op: u64 = 30;
/// `xenoprof_op(op, arg)`: profiling.
pub const __HYPERVISOR_xenoprof_op: u64 = 31;
/// `event_channel_op(cmd, arg)`: see [`event_channel`](crate::event_channel).
pub const __HYPERVISOR_event_channel_op: u64 = 32;
/// `physdev_op(cmd, arg)`: see [`physdev`](crate::physdev).
pub const __HYPERVISOR_physdev_op: u64 = 33;
/// `hvm_op(op, arg)`: HVM guests; PV guests probe it.
pub const __HYPERVISOR_hvm_op: u64 = 34;
/// `sysctl(op)`: see [`sysctl`](crate::sysctl).
pub const __HYPERVISOR_sysctl: u64 = 35;
/// `domctl(op)`: see [`domctl`](crate::domctl).
pub const __HYPERVISOR_domctl: u64 = 36;
/// `kexec_op(op, arg)`: crash and replacement kernels.
pub const __HYPERVISOR_kexec_op: u64 = 37;
/// `tmem_op(op)`: transcendent memory, removed from Xen.
pub const __HYPERVISOR_tmem_op: u64 = 38;
/// `argo_op(...)`: messages between domains.
pub const __HYPERVISOR_argo_op: u64 = 39;
/// `xenpmu_op(op, arg)`: performance counters.
pub const __HYPERVISOR_xenpmu_op: u64 = 40;
/// `dm_op(domid, nr_bufs, bufs)`: device models.
pub const __HYPERVISOR_dm_op: u64 = 41;
/// `hypfs_op(...)`: the hypervisor's parameter tree.
pub const __HYPERVISOR_hypfs_op: u64 = 42;
/// Architecture-specific hypercall 0: on x86 `mca(op)`, machine checks.
pub const __HYPERVISOR_arch_0: u64 = 48;
/// Architecture-specific hypercall 1.
pub const __HYPERVISOR_arch_1: u64 = 49;
/// Architecture-specific hypercall 2.
pub const __HYPERVISOR_arch_2: u64 = 50;
/// Architecture-specific hypercall 3.
pub const __HYPERVISOR_arch_3: u64 = 51;
/// Architecture-specific hypercall 4.
pub const __HYPERVISOR_arch_4: u64 = 52;
/// Architecture-specific hypercall 5.
pub const __HYPERVISOR_arch_5: u64 = 53;
/// Architecture-specific hypercall 6.
pub const __HYPERVISOR_arch_6: u64 = 54;
/// Architecture-specific hypercall 7.
pub const __HYPERVISOR_arch_7: u64 = 55;
/// Write `count` bytes; 0 or a negative error.
pub const CONSOLEIO_write: u32 = 0;
/// Read up to `count` bytes of input; the number read or a negative error.
pub const CONSOLEIO_read: u32 = 1;
/// Turn an assist on.
pub const VMASST_CMD_enable: u32 = 0;
/// Turn an assist off.
pub const VMASST_CMD_disable: u32 = 1;
/// 32-bit guests: segments may span 4 GiB.
pub const VMASST_TYPE_4gb_segments: u32 = 0;
/// 32-bit guests: report each use of the former by vector 15.
pub const VMASST_TYPE_4gb_segments_notify: u32 = 1;
/// The guest may write L1 entries in place; each write is emulated and validated.
pub const VMASST_TYPE_writable_pagetables: u32 = 2;
/// PAE guests: the L3 table may lie above 4 GiB.
pub const VMASST_TYPE_pae_extended_cr3: u32 = 3;
/// IOPL follows `iret`, shows in bounce frames, and counts the guest kernel as ring 0.
pub const VMASST_TYPE_architectural_iopl: u32 = 4;
/// Mark a runstate area with [`XEN_RUNSTATE_UPDATE`](crate::vcpu::XEN_RUNSTATE_UPDATE) while it
/// is written.
pub const VMASST_TYPE_runstate_update_flag: u32 = 5;
/// The machine-to-phys table is never visible from user page tables.
pub const VMASST_TYPE_m2p_strict: u32 = 32;

/// One call of a multicall.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct multicall_entry {
    /// Hypercall number.
    pub op: xen_ulong_t,
    /// Its result, written by the hypervisor.
    pub result: xen_ulong_t,
    /// Its arguments.
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
