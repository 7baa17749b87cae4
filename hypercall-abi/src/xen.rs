//! `xen/xen.h`.

use crate::Union;
use crate::arch_x86_64::{arch_shared_info, arch_vcpu_info, xen_pfn_t, xen_ulong_t};
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
/// V. Timebase update, and/or requested timeout.
pub const VIRQ_TIMER: u32 = 0;
/// V. Request guest to dump debug info.
pub const VIRQ_DEBUG: u32 = 1;
/// G. (DOM0) Bytes received on emergency console.
pub const VIRQ_CONSOLE: u32 = 2;
/// G. (DOM0) Exceptional event for some domain.
pub const VIRQ_DOM_EXC: u32 = 3;
/// G. (DOM0) Trace buffer has records available.
pub const VIRQ_TBUF: u32 = 4;
/// G. (DOM0) A domain has paused for debugging.
pub const VIRQ_DEBUGGER: u32 = 6;
/// V. XenOprofile interrupt: new sample available.
pub const VIRQ_XENOPROF: u32 = 7;
/// G. (DOM0) Bytes received on console.
pub const VIRQ_CON_RING: u32 = 8;
/// G. (DOM0) PCPU state changed.
pub const VIRQ_PCPU_STATE: u32 = 9;
/// G. (DOM0) A memory event has occurred.
pub const VIRQ_MEM_EVENT: u32 = 10;
/// G. Argo interdomain message notification.
pub const VIRQ_ARGO: u32 = 11;
/// G. (DOM0) Low on heap memory.
pub const VIRQ_ENOMEM: u32 = 12;
/// V. PMC interrupt.
pub const VIRQ_XENPMU: u32 = 13;
/// Architecture-specific VIRQ definitions.
pub const VIRQ_ARCH_0: u32 = 16;
/// Virq arch 1.
pub const VIRQ_ARCH_1: u32 = 17;
/// Virq arch 2.
pub const VIRQ_ARCH_2: u32 = 18;
/// Virq arch 3.
pub const VIRQ_ARCH_3: u32 = 19;
/// Virq arch 4.
pub const VIRQ_ARCH_4: u32 = 20;
/// Virq arch 5.
pub const VIRQ_ARCH_5: u32 = 21;
/// Virq arch 6.
pub const VIRQ_ARCH_6: u32 = 22;
/// Virq arch 7.
pub const VIRQ_ARCH_7: u32 = 23;
/// Nr virqs.
pub const NR_VIRQS: u32 = 24;
/// checked '*ptr = val'. ptr is MA.
pub const MMU_NORMAL_PT_UPDATE: u64 = 0;
/// ptr = MA of frame to modify entry for.
pub const MMU_MACHPHYS_UPDATE: u64 = 1;
/// atomically: *ptr = val | (*ptr&(A|D)).
pub const MMU_PT_UPDATE_PRESERVE_AD: u64 = 2;
/// checked '*ptr = val'. ptr is MA.
pub const MMU_PT_UPDATE_NO_TRANSLATE: u64 = 3;
/// ` enum mmuext_cmd {.
pub const MMUEXT_PIN_L1_TABLE: u32 = 0;
/// Mmuext pin l2 table.
pub const MMUEXT_PIN_L2_TABLE: u32 = 1;
/// Mmuext pin l3 table.
pub const MMUEXT_PIN_L3_TABLE: u32 = 2;
/// Mmuext pin l4 table.
pub const MMUEXT_PIN_L4_TABLE: u32 = 3;
/// Mmuext unpin table.
pub const MMUEXT_UNPIN_TABLE: u32 = 4;
/// Mmuext new baseptr.
pub const MMUEXT_NEW_BASEPTR: u32 = 5;
/// Mmuext tlb flush local.
pub const MMUEXT_TLB_FLUSH_LOCAL: u32 = 6;
/// Mmuext invlpg local.
pub const MMUEXT_INVLPG_LOCAL: u32 = 7;
/// Mmuext tlb flush multi.
pub const MMUEXT_TLB_FLUSH_MULTI: u32 = 8;
/// Mmuext invlpg multi.
pub const MMUEXT_INVLPG_MULTI: u32 = 9;
/// Mmuext tlb flush all.
pub const MMUEXT_TLB_FLUSH_ALL: u32 = 10;
/// Mmuext invlpg all.
pub const MMUEXT_INVLPG_ALL: u32 = 11;
/// Mmuext flush cache.
pub const MMUEXT_FLUSH_CACHE: u32 = 12;
/// Mmuext set ldt.
pub const MMUEXT_SET_LDT: u32 = 13;
/// Mmuext new user baseptr.
pub const MMUEXT_NEW_USER_BASEPTR: u32 = 15;
/// Mmuext clear page.
pub const MMUEXT_CLEAR_PAGE: u32 = 16;
/// Mmuext copy page.
pub const MMUEXT_COPY_PAGE: u32 = 17;
/// Mmuext flush cache global.
pub const MMUEXT_FLUSH_CACHE_GLOBAL: u32 = 18;
/// Mmuext mark super.
pub const MMUEXT_MARK_SUPER: u32 = 19;
/// Mmuext unmark super.
pub const MMUEXT_UNMARK_SUPER: u32 = 20;

/// Mmuext op.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mmuext_op {
    /// Cmd.
    pub cmd: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Arg1.
    pub arg1: u64,
    /// Arg2.
    pub arg2: u64,
}
const _: () = assert!(size_of::<mmuext_op>() == 24);

/// No flushing at all.
pub const UVMF_NONE: u64 = 0;
/// Flush entire TLB(s).
pub const UVMF_TLB_FLUSH: u64 = 1;
/// Flush only one entry.
pub const UVMF_INVLPG: u64 = 2;
/// Uvmf flushtype mask.
pub const UVMF_FLUSHTYPE_MASK: u64 = 3;
/// Flush subset of TLBs.
pub const UVMF_MULTI: u64 = 0;
/// Flush local TLB.
pub const UVMF_LOCAL: u64 = 0;
/// Flush all TLBs.
pub const UVMF_ALL: u64 = 1 << 2;
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
/// Domain ids >= DOMID_FIRST_RESERVED cannot be used for ordinary domains.
pub const DOMID_FIRST_RESERVED: domid_t = 0x7FF0;
/// DOMID_SELF is used in certain contexts to refer to oneself.
pub const DOMID_SELF: domid_t = 0x7FF0;
/// DOMID_IO is used to restrict page-table updates to mapping I/O memory.
pub const DOMID_IO: domid_t = 0x7FF1;
/// DOMID_XEN is used to allow privileged domains to map restricted parts of Xen's heap space
/// (e.g., the machine_to_phys table).
pub const DOMID_XEN: domid_t = 0x7FF2;
/// DOMID_COW is used as the owner of sharable pages.
pub const DOMID_COW: domid_t = 0x7FF3;
/// DOMID_INVALID is used to identify pages with unknown owner.
pub const DOMID_INVALID: domid_t = 0x7FF4;
/// Idle domain.
pub const DOMID_IDLE: domid_t = 0x7FFF;
/// Mask for valid domain id values.
pub const DOMID_MASK: domid_t = 0x7FFF;

/// Domid t.
pub type domid_t = u16;

/// Send an array of these to HYPERVISOR_mmu_update().
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct mmu_update {
    /// Machine address of PTE.
    pub ptr: u64,
    /// New contents of PTE.
    pub val: u64,
}
const _: () = assert!(size_of::<mmu_update>() == 16);

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

/// Vcpu time info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_time_info {
    /// Updates to the following values are preceded and followed by an increment of 'version'.
    /// The guest can therefore detect updates by looking for changes to 'version'. If the
    /// least-significant bit of the version number is set then an update is in progress and the
    /// guest must wait to read a consistent set of values.
    pub version: u32,
    /// Pad0.
    pub pad0: u32,
    /// TSC at last update of time vals.
    pub tsc_timestamp: u64,
    /// Time, in nanosecs, since boot.
    pub system_time: u64,
    /// Current system time: system_time + ((((tsc - tsc_timestamp) &lt;&lt; tsc_shift) *
    /// tsc_to_system_mul) >> 32) CPU frequency (Hz): ((10^9 &lt;&lt; 32) / tsc_to_system_mul)
    /// >> tsc_shift.
    pub tsc_to_system_mul: u32,
    /// Tsc shift.
    pub tsc_shift: i8,
    /// Flags.
    pub flags: u8,
    /// Pad1.
    pub pad1: [u8; 2],
}
const _: () = assert!(size_of::<vcpu_time_info>() == 32);

/// Xen pvclock tsc stable bit.
pub const XEN_PVCLOCK_TSC_STABLE_BIT: u8 = 1;
/// Xen pvclock guest stopped.
pub const XEN_PVCLOCK_GUEST_STOPPED: u8 = 1 << 1;

/// Vcpu info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_info {
    /// 'evtchn_upcall_pending' is written non-zero by Xen to indicate a pending notification
    /// for a particular VCPU. It is then cleared by the guest OS /before/ checking for pending
    /// work, thus avoiding a set-and-check race.
    pub evtchn_upcall_pending: u8,
    /// Evtchn upcall mask.
    pub evtchn_upcall_mask: u8,
    /// Padding.
    pub _pad0: [u8; 6],
    /// Evtchn pending sel.
    pub evtchn_pending_sel: xen_ulong_t,
    /// Arch.
    pub arch: arch_vcpu_info,
    /// Time.
    pub time: vcpu_time_info,
}
const _: () = assert!(size_of::<vcpu_info>() == 64);

/// `incontents 200 startofday_shared Start-of-day shared data structure Xen/kernel shared data
/// -- pointer provided in start_info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct shared_info {
    /// Vcpu info.
    pub vcpu_info: [vcpu_info; 32],
    /// A domain can create "event channels" on which it can send and receive asynchronous event
    /// notifications.
    pub evtchn_pending: [xen_ulong_t; 64],
    /// Evtchn mask.
    pub evtchn_mask: [xen_ulong_t; 64],
    /// Version counter: see vcpu_time_info_t.
    pub wc_version: u32,
    /// Wc sec.
    pub wc_sec: u32,
    /// Wc nsec.
    pub wc_nsec: u32,
    /// Wc sec hi.
    pub wc_sec_hi: u32,
    /// Arch.
    pub arch: arch_shared_info,
}
const _: () = assert!(size_of::<shared_info>() == 3136);

/// Start info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct start_info {
    /// "xen-&lt;version>-&lt;platform>".
    pub magic: [u8; 32],
    /// Total pages allocated to this domain.
    pub nr_pages: u64,
    /// MACHINE address of shared info struct.
    pub shared_info: u64,
    /// SIF_xxx flags.
    pub flags: u32,
    /// Padding.
    pub _pad0: [u8; 4],
    /// MACHINE page number of shared page.
    pub store_mfn: xen_pfn_t,
    /// Event channel for store communication.
    pub store_evtchn: u32,
    /// Padding.
    pub _pad1: [u8; 4],
    /// Console.
    ///
    /// One of: `domU` ([`start_info_console_domU`]), `dom0` ([`start_info_console_dom0`]).
    pub console: Union<[u64; 2]>,
    /// VIRTUAL address of page directory.
    pub pt_base: u64,
    /// Number of bootstrap p.t. frames.
    pub nr_pt_frames: u64,
    /// VIRTUAL address of page-frame list.
    pub mfn_list: u64,
    /// VIRTUAL address of pre-loaded module.
    pub mod_start: u64,
    /// Size (bytes) of pre-loaded module.
    pub mod_len: u64,
    /// Cmd line.
    pub cmd_line: [i8; 1024],
    /// 1st pfn forming initial P->M table.
    pub first_p2m_pfn: u64,
    /// # of pfns forming initial P->M table.
    pub nr_p2m_frames: u64,
}
const _: () = assert!(size_of::<start_info>() == 1168);

/// Start info console domu.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct start_info_console_domU {
    /// MACHINE page number of console page.
    pub mfn: xen_pfn_t,
    /// Event channel for console page.
    pub evtchn: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<start_info_console_domU>() == 16);

/// Start info console dom0.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct start_info_console_dom0 {
    /// Offset of console_info struct.
    pub info_off: u32,
    /// Size of console_info struct from start.
    pub info_size: u32,
}
const _: () = assert!(size_of::<start_info_console_dom0>() == 8);

/// Max guest cmdline.
pub const MAX_GUEST_CMDLINE: usize = 1024;
/// Is the domain privileged?.
pub const SIF_PRIVILEGED: u32 = 1;
/// Is this the initial control domain?.
pub const SIF_INITDOMAIN: u32 = 1 << 1;
/// Is mod_start a multiboot module?.
pub const SIF_MULTIBOOT_MOD: u32 = 1 << 2;
/// Is mod_start a PFN?.
pub const SIF_MOD_START_PFN: u32 = 1 << 3;
/// Do Xen tools understand a virt. mapped.
pub const SIF_VIRT_P2M_4TOOLS: u32 = 1 << 4;
/// reserve 1 byte for xen-pm options.
pub const SIF_PM_MASK: u32 = 0xFF << 8;

/// A multiboot module is a package containing modules very similar to a multiboot module array.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_multiboot_mod_list {
    /// Address of first byte of the module.
    pub mod_start: u32,
    /// Address of last byte of the module (inclusive).
    pub mod_end: u32,
    /// Address of zero-terminated command line.
    pub cmdline: u32,
    /// Unused, must be zero.
    pub pad: u32,
}
const _: () = assert!(size_of::<xen_multiboot_mod_list>() == 16);

/// `incontents 200 startofday_dom0_console Dom0_console The console structure in
/// start_info.console.dom0 This structure includes a variety of information required to have a
/// working VGA/VESA console.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct dom0_vga_console_info {
    /// DOM0_VGA_CONSOLE_???.
    pub video_type: u8,
    /// Padding.
    pub _pad0: [u8; 3],
    /// U.
    ///
    /// One of: `text_mode_3` ([`dom0_vga_console_info_text_mode_3`]), `vesa_lfb`
    /// ([`dom0_vga_console_info_vesa_lfb`]).
    pub u: Union<[u32; 9]>,
}
const _: () = assert!(size_of::<dom0_vga_console_info>() == 40);

/// Xen vgatype text mode 3.
pub const XEN_VGATYPE_TEXT_MODE_3: u8 = 0x03;
/// Xen vgatype vesa lfb.
pub const XEN_VGATYPE_VESA_LFB: u8 = 0x23;
/// Xen vgatype efi lfb.
pub const XEN_VGATYPE_EFI_LFB: u8 = 0x70;

/// Dom0 vga console info text mode 3.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct dom0_vga_console_info_text_mode_3 {
    /// Font height, in pixels.
    pub font_height: u16,
    /// Cursor location (column, row).
    pub cursor_x: u16,
    /// Cursor location (column, row).
    pub cursor_y: u16,
    /// Number of rows and columns (dimensions in characters).
    pub rows: u16,
    /// Number of rows and columns (dimensions in characters).
    pub columns: u16,
}
const _: () = assert!(size_of::<dom0_vga_console_info_text_mode_3>() == 10);

/// Dom0 vga console info vesa lfb.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct dom0_vga_console_info_vesa_lfb {
    /// Width and height, in pixels.
    pub width: u16,
    /// Width and height, in pixels.
    pub height: u16,
    /// Bytes per scan line.
    pub bytes_per_line: u16,
    /// Bits per pixel.
    pub bits_per_pixel: u16,
    /// LFB physical address, and size (in units of 64kB).
    pub lfb_base: u32,
    /// Lfb size.
    pub lfb_size: u32,
    /// RGB mask offsets and sizes, as defined by VBE 1.2+.
    pub red_pos: u8,
    /// RGB mask offsets and sizes, as defined by VBE 1.2+.
    pub red_size: u8,
    /// Green pos.
    pub green_pos: u8,
    /// Green size.
    pub green_size: u8,
    /// Blue pos.
    pub blue_pos: u8,
    /// Blue size.
    pub blue_size: u8,
    /// Rsvd pos.
    pub rsvd_pos: u8,
    /// Rsvd size.
    pub rsvd_size: u8,
    /// VESA capabilities (offset 0xa, VESA command 0x4f00).
    pub gbl_caps: u32,
    /// Mode attributes (offset 0x0, VESA command 0x4f01).
    pub mode_attrs: u16,
    /// Pad.
    pub pad: u16,
    /// high 32 bits of lfb_base.
    pub ext_lfb_base: u32,
}
const _: () = assert!(size_of::<dom0_vga_console_info_vesa_lfb>() == 36);

/// Xen domain handle t.
pub type xen_domain_handle_t = [u8; 16];

/// Xen uuid t.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_uuid_t {
    /// A.
    pub a: [u8; 16],
}
const _: () = assert!(size_of::<xen_uuid_t>() == 16);

/// Xenctl bitmap.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xenctl_bitmap {
    /// Bitmap.
    pub bitmap: guest_handle,
    /// Nr bits.
    pub nr_bits: u32,
    /// Padding.
    pub _pad0: [u8; 4],
}
const _: () = assert!(size_of::<xenctl_bitmap>() == 16);

/// A guest virtual address as a structure carries it (`XEN_GUEST_HANDLE`): a claim, never a
/// pointer that may be followed unchecked. Null is 0.
pub type guest_handle = u64;

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
