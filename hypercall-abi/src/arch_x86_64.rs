//! `xen/arch-x86/xen.h` and `xen/arch-x86/xen-x86_64.h`: registers, selectors, traps and the
//! reserved address range of 64-bit PV guests.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A frame number: an address divided by 4096.
pub type xen_pfn_t = u64;

/// First GDT page that belongs to the hypervisor.
pub const FIRST_RESERVED_GDT_PAGE: u32 = 14;
/// Its offset in bytes.
pub const FIRST_RESERVED_GDT_BYTE: u32 = FIRST_RESERVED_GDT_PAGE * 4096;
/// Its first entry: guests may use entries below.
pub const FIRST_RESERVED_GDT_ENTRY: u32 = FIRST_RESERVED_GDT_BYTE / 8;
/// vCPUs that have their [`vcpu_info`](crate::xen::vcpu_info) in the shared page.
pub const XEN_LEGACY_MAX_VCPUS: usize = 32;

/// An `unsigned long` of the guest.
pub type xen_ulong_t = u64;

/// An exception handler of the guest.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct trap_info {
    /// Exception vector.
    pub vector: u8,
    /// Bits 1:0: from which mode `int` may reach it (0 none, 1 and 2 kernel, 3 both); bit 2:
    /// mask events on entry.
    pub flags: u8,
    /// Code selector.
    pub cs: u16,
    /// Padding.
    pub _pad0: [u8; 4],
    /// Address; 0 ends an array.
    pub address: u64,
}
const _: () = assert!(size_of::<trap_info>() == 16);

/// A value of the time-stamp counter.
pub type tsc_timestamp_t = u64;

/// Everything about a vCPU that a toolstack or `VCPUOP_initialise` sets.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_guest_context {
    /// An FXSAVE image.
    pub fpu_ctxt: vcpu_guest_context_fpu_ctxt,
    /// `VGCF_*`.
    pub flags: u64,
    /// General registers.
    pub user_regs: cpu_user_regs,
    /// Exception handlers, by vector.
    pub trap_ctxt: [trap_info; 256],
    /// Linear address of the LDT.
    pub ldt_base: u64,
    /// Its number of entries.
    pub ldt_ents: u64,
    /// Frames of the GDT.
    pub gdt_frames: [u64; 16],
    /// Its number of entries.
    pub gdt_ents: u64,
    /// Stack selector of the kernel.
    pub kernel_ss: u64,
    /// Stack pointer of the kernel, on which callbacks arrive.
    pub kernel_sp: u64,
    /// CR0 to CR7. CR3 names the kernel's root as [`xen_pfn_to_cr3`] gives it, CR1 the user's.
    pub ctrlreg: [u64; 8],
    /// DR0 to DR7.
    pub debugreg: [u64; 8],
    /// Entry point for events.
    pub event_callback_eip: u64,
    /// Entry point when guest selectors cannot be loaded.
    pub failsafe_callback_eip: u64,
    /// Entry point for SYSCALL from user mode.
    pub syscall_callback_eip: u64,
    /// Bitmap of `VMASST_TYPE_*`.
    pub vm_assist: u64,
    /// Base of FS.
    pub fs_base: u64,
    /// Base of GS in kernel mode.
    pub gs_base_kernel: u64,
    /// Base of GS in user mode.
    pub gs_base_user: u64,
}
const _: () = assert!(size_of::<vcpu_guest_context>() == 5168);

/// [`vcpu_guest_context::fpu_ctxt`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_guest_context_fpu_ctxt {
    /// The image.
    pub x: [u8; 512],
}
const _: () = assert!(size_of::<vcpu_guest_context_fpu_ctxt>() == 512);

/// As [`VGCF_i387_valid`], in its older spelling.
pub const VGCF_I387_VALID: u64 = 1;
/// As [`VGCF_in_kernel`], in its older spelling.
pub const VGCF_IN_KERNEL: u64 = 1 << 2;
/// `fpu_ctxt` holds state.
pub const VGCF_i387_valid: u64 = 1;
/// The vCPU is in guest kernel mode.
pub const VGCF_in_kernel: u64 = 1 << 2;
/// The failsafe callback starts with events masked.
pub const VGCF_failsafe_disables_events: u64 = 1 << 3;
/// The syscall callback starts with events masked.
pub const VGCF_syscall_disables_events: u64 = 1 << 4;
/// The vCPU is up.
pub const VGCF_online: u64 = 1 << 5;

/// The x86 part of [`shared_info`](crate::xen::shared_info), written by the guest for tools
/// that read its P2M.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct arch_shared_info {
    /// Entries of the P2M.
    pub max_pfn: u64,
    /// Frame of the list of frames of lists of the P2M's frames; 0 not yet there, all ones: use
    /// `p2m_vaddr`.
    pub pfn_to_mfn_frame_list_list: xen_pfn_t,
    /// Bits of the reason for the last NMI.
    pub nmi_reason: u64,
    /// Root of the page tables in which `p2m_vaddr` is valid, in the form of
    /// [`xen_pfn_to_cr3`]; 0 if there is no linear P2M.
    pub p2m_cr3: u64,
    /// Virtual address of the linear P2M.
    pub p2m_vaddr: u64,
    /// Odd while the guest changes the mappings of the linear P2M.
    pub p2m_generation: u64,
}
const _: () = assert!(size_of::<arch_shared_info>() == 48);

/// The x86 part of a domain's creation.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_arch_domainconfig {
    /// `XEN_X86_EMU_*`; 0 for PV (`XEN_X86_EMU_PIT` for dom0).
    pub emulation_flags: u32,
    /// [`XEN_X86_MSR_RELAXED`].
    pub misc_flags: u32,
}
const _: () = assert!(size_of::<xen_arch_domainconfig>() == 8);

/// HVM: emulate local APICs.
pub const XEN_X86_EMU_LAPIC: u32 = 1;
/// HVM: emulate the HPET.
pub const XEN_X86_EMU_HPET: u32 = 1 << 1;
/// HVM: emulate ACPI's power-management registers.
pub const XEN_X86_EMU_PM: u32 = 1 << 2;
/// HVM: emulate the real-time clock.
pub const XEN_X86_EMU_RTC: u32 = 1 << 3;
/// HVM: emulate an I/O APIC.
pub const XEN_X86_EMU_IOAPIC: u32 = 1 << 4;
/// HVM: emulate the 8259 interrupt controllers.
pub const XEN_X86_EMU_PIC: u32 = 1 << 5;
/// HVM: emulate the VGA's memory.
pub const XEN_X86_EMU_VGA: u32 = 1 << 6;
/// HVM: emulate an AMD IOMMU.
pub const XEN_X86_EMU_IOMMU: u32 = 1 << 7;
/// Emulate the 8254 timer; dom0 of PV kind has it too.
pub const XEN_X86_EMU_PIT: u32 = 1 << 8;
/// HVM: route physical interrupts over event channels.
pub const XEN_X86_EMU_USE_PIRQ: u32 = 1 << 9;
/// Emulate PCI configuration space (PVH dom0).
pub const XEN_X86_EMU_VPCI: u32 = 1 << 10;
/// All `XEN_X86_EMU_*` flags.
pub const XEN_X86_EMU_ALL: u32 = XEN_X86_EMU_LAPIC
    | XEN_X86_EMU_HPET
    | XEN_X86_EMU_PM
    | XEN_X86_EMU_RTC
    | XEN_X86_EMU_IOAPIC
    | XEN_X86_EMU_PIC
    | XEN_X86_EMU_VGA
    | XEN_X86_EMU_IOMMU
    | XEN_X86_EMU_PIT
    | XEN_X86_EMU_USE_PIRQ
    | XEN_X86_EMU_VPCI;
/// Reads of unknown MSRs give 0 and writes do nothing, instead of #GP.
pub const XEN_X86_MSR_RELAXED: u32 = 1;
/// The highest flag of [`xen_arch_domainconfig::misc_flags`].
pub const XEN_X86_MISC_FLAGS_MAX: u32 = XEN_X86_MSR_RELAXED;

/// One leaf of a CPUID policy.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_cpuid_leaf {
    /// EAX before CPUID.
    pub leaf: u32,
    /// ECX before CPUID, or [`XEN_CPUID_NO_SUBLEAF`].
    pub subleaf: u32,
    /// EAX after CPUID.
    pub a: u32,
    /// EBX after CPUID.
    pub b: u32,
    /// ECX after CPUID.
    pub c: u32,
    /// EDX after CPUID.
    pub d: u32,
}
const _: () = assert!(size_of::<xen_cpuid_leaf>() == 24);

/// The leaf has no subleaves.
pub const XEN_CPUID_NO_SUBLEAF: u32 = 0xffff_ffff;

/// One MSR of a policy.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_msr_entry {
    /// MSR number.
    pub idx: u32,
    /// Must be zero.
    pub flags: u32,
    /// Its value.
    pub val: u64,
}
const _: () = assert!(size_of::<xen_msr_entry>() == 16);

/// Port whose bytes go to the hypervisor's console.
pub const XEN_HVM_DEBUGCONS_IOPORT: u16 = 0xe9;
/// Ring 3, 32-bit code. The `FLAT_*` selectors name flat segments of the hypervisor, in every
/// GDT from [`FIRST_RESERVED_GDT_ENTRY`] on.
pub const FLAT_RING3_CS32: u16 = 0xe023;
/// Ring 3, 64-bit code.
pub const FLAT_RING3_CS64: u16 = 0xe033;
/// Ring 3, 32-bit data.
pub const FLAT_RING3_DS32: u16 = 0xe02b;
/// Ring 3, data for 64-bit code: the null selector.
pub const FLAT_RING3_DS64: u16 = 0x0000;
/// Ring 3, stack for 32-bit code.
pub const FLAT_RING3_SS32: u16 = 0xe02b;
/// Ring 3, stack for 64-bit code.
pub const FLAT_RING3_SS64: u16 = 0xe02b;
/// Guest kernel, data for 64-bit code. PV kernels run in ring 3 like their user programs, so
/// that all selectors that follow name ring 3.
pub const FLAT_KERNEL_DS64: u16 = FLAT_RING3_DS64;
/// Guest kernel, data for 32-bit code.
pub const FLAT_KERNEL_DS32: u16 = FLAT_RING3_DS32;
/// Guest kernel, data.
pub const FLAT_KERNEL_DS: u16 = FLAT_KERNEL_DS64;
/// Guest kernel, 64-bit code.
pub const FLAT_KERNEL_CS64: u16 = FLAT_RING3_CS64;
/// Guest kernel, 32-bit code.
pub const FLAT_KERNEL_CS32: u16 = FLAT_RING3_CS32;
/// Guest kernel, code.
pub const FLAT_KERNEL_CS: u16 = FLAT_KERNEL_CS64;
/// Guest kernel, stack for 64-bit code.
pub const FLAT_KERNEL_SS64: u16 = FLAT_RING3_SS64;
/// Guest kernel, stack for 32-bit code.
pub const FLAT_KERNEL_SS32: u16 = FLAT_RING3_SS32;
/// Guest kernel, stack.
pub const FLAT_KERNEL_SS: u16 = FLAT_KERNEL_SS64;
/// Guest user mode, data for 64-bit code.
pub const FLAT_USER_DS64: u16 = FLAT_RING3_DS64;
/// Guest user mode, data for 32-bit code.
pub const FLAT_USER_DS32: u16 = FLAT_RING3_DS32;
/// Guest user mode, data.
pub const FLAT_USER_DS: u16 = FLAT_USER_DS64;
/// Guest user mode, 64-bit code.
pub const FLAT_USER_CS64: u16 = FLAT_RING3_CS64;
/// Guest user mode, 32-bit code.
pub const FLAT_USER_CS32: u16 = FLAT_RING3_CS32;
/// Guest user mode, code.
pub const FLAT_USER_CS: u16 = FLAT_USER_CS64;
/// Guest user mode, stack for 64-bit code.
pub const FLAT_USER_SS64: u16 = FLAT_RING3_SS64;
/// Guest user mode, stack for 32-bit code.
pub const FLAT_USER_SS32: u16 = FLAT_RING3_SS32;
/// Guest user mode, stack.
pub const FLAT_USER_SS: u16 = FLAT_USER_SS64;
/// First address of the range that belongs to the hypervisor.
pub const HYPERVISOR_VIRT_START: u64 = 0xffff_8000_0000_0000;
/// The address after that range.
pub const HYPERVISOR_VIRT_END: u64 = 0xffff_8800_0000_0000;
/// First address of the machine-to-phys table, which guests can read.
pub const MACH2PHYS_VIRT_START: u64 = 0xffff_8000_0000_0000;
/// The address after the largest possible table.
pub const MACH2PHYS_VIRT_END: u64 = 0xffff_8040_0000_0000;
/// Entries of the largest possible table.
pub const MACH2PHYS_NR_ENTRIES: u64 = (MACH2PHYS_VIRT_END - MACH2PHYS_VIRT_START) >> 3;
/// Base of FS.
pub const SEGBASE_FS: u32 = 0;
/// Base of GS in user mode.
pub const SEGBASE_GS_USER: u32 = 1;
/// Base of GS in kernel mode.
pub const SEGBASE_GS_KERNEL: u32 = 2;
/// Not a base: loads the user GS selector from bits 15:0.
pub const SEGBASE_GS_USER_SEL: u32 = 3;
/// In [`iret_context::flags`]: leave by SYSRET, dropping RCX, R11, CS and SS.
pub const VGCF_in_syscall: u64 = 1 << 8;
/// As [`VGCF_in_syscall`], in its older spelling.
pub const VGCF_IN_SYSCALL: u64 = VGCF_in_syscall;

/// What `iret` finds at RSP.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct iret_context {
    /// RAX to return with.
    pub rax: u64,
    /// R11 to return with.
    pub r11: u64,
    /// RCX to return with.
    pub rcx: u64,
    /// 0 or [`VGCF_in_syscall`].
    pub flags: u64,
    /// Where to return to.
    pub rip: u64,
    /// Code selector; RPL 3 returns to user mode, anything lower to the kernel.
    pub cs: u64,
    /// Flags; IF becomes the event mask, inverted.
    pub rflags: u64,
    /// Stack pointer.
    pub rsp: u64,
    /// Stack selector.
    pub ss: u64,
}
const _: () = assert!(size_of::<iret_context>() == 72);

/// Registers of a vCPU at a trap or switch. A name stands for the whole register; C has unions
/// over its parts.
#[allow(
    missing_docs,
    reason = "a field without a comment is the register of its name"
)]
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct cpu_user_regs {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    /// Error code of the exception; private to the hypervisor.
    pub error_code: u32,
    /// Vector of the exception; private to the hypervisor.
    pub entry_vector: u32,
    pub rip: u64,
    pub cs: u16,
    /// Unused.
    pub _pad0: [u16; 1],
    /// The event mask,
    /// [`vcpu_info::evtchn_upcall_mask`](crate::xen::vcpu_info::evtchn_upcall_mask).
    pub saved_upcall_mask: u8,
    /// Unused.
    pub _pad1: [u8; 3],
    /// Flags; IF is the event mask, inverted.
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u16,
    /// Unused.
    pub _pad2: [u16; 3],
    pub es: u16,
    /// Unused.
    pub _pad3: [u16; 3],
    pub ds: u16,
    /// Unused.
    pub _pad4: [u16; 3],
    pub fs: u16,
    /// Unused.
    pub _pad5: [u16; 3],
    pub gs: u16,
    /// Unused.
    pub _pad6: [u16; 3],
}
const _: () = assert!(size_of::<cpu_user_regs>() == 200);

/// The x86 part of [`vcpu_info`](crate::xen::vcpu_info).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct arch_vcpu_info {
    /// Faulting address of the last page fault.
    pub cr2: u64,
    /// Fills [`vcpu_info`](crate::xen::vcpu_info) to 64 bytes.
    pub pad: u64,
}
const _: () = assert!(size_of::<arch_vcpu_info>() == 16);

/// Address of a callback.
pub type xen_callback_t = u64;

/// The CR3 value that names frame `pfn` as a page-table root.
pub const fn xen_pfn_to_cr3(pfn: xen_pfn_t) -> u64 {
    pfn << 12
}

/// The frame that a CR3 value names.
pub const fn xen_cr3_to_pfn(cr3: u64) -> xen_pfn_t {
    cr3 >> 12
}

/// The bytes (`ud2a; .ascii "xen"`) before an instruction that ask the hypervisor to emulate it.
/// Only `cpuid` may follow.
pub const XEN_EMULATE_PREFIX: [u8; 5] = [0x0f, 0x0b, b'x', b'e', b'n'];
