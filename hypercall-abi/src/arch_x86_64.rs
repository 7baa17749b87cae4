//! `xen/arch_x86_64.h`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Xen pfn t.
pub type xen_pfn_t = u64;

/// A number of GDT entries are reserved by Xen.
pub const FIRST_RESERVED_GDT_PAGE: u32 = 14;
/// First reserved gdt byte.
pub const FIRST_RESERVED_GDT_BYTE: u32 = FIRST_RESERVED_GDT_PAGE * 4096;
/// First reserved gdt entry.
pub const FIRST_RESERVED_GDT_ENTRY: u32 = FIRST_RESERVED_GDT_BYTE / 8;
/// Maximum number of virtual CPUs in legacy multi-processor guests.
pub const XEN_LEGACY_MAX_VCPUS: usize = 32;

/// Xen ulong t.
pub type xen_ulong_t = u64;

/// Trap info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct trap_info {
    /// exception vector.
    pub vector: u8,
    /// 0-3: privilege level; 4: clear event enable?.
    pub flags: u8,
    /// code selector.
    pub cs: u16,
    /// Padding.
    pub _pad0: [u8; 4],
    /// code offset.
    pub address: u64,
}
const _: () = assert!(size_of::<trap_info>() == 16);

/// RDTSC timestamp.
pub type tsc_timestamp_t = u64;

/// The following is all CPU context.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_guest_context {
    /// User-level FPU registers.
    pub fpu_ctxt: vcpu_guest_context_fpu_ctxt,
    /// VGCF_* flags.
    pub flags: u64,
    /// User-level CPU registers.
    pub user_regs: cpu_user_regs,
    /// Virtual IDT.
    pub trap_ctxt: [trap_info; 256],
    /// LDT (linear address, # ents).
    pub ldt_base: u64,
    /// LDT (linear address, # ents).
    pub ldt_ents: u64,
    /// GDT (machine frames, # ents).
    pub gdt_frames: [u64; 16],
    /// GDT (machine frames, # ents).
    pub gdt_ents: u64,
    /// Virtual TSS (only SS1/SP1).
    pub kernel_ss: u64,
    /// Virtual TSS (only SS1/SP1).
    pub kernel_sp: u64,
    /// CR0-CR7 (control registers).
    pub ctrlreg: [u64; 8],
    /// DB0-DB7 (debug registers).
    pub debugreg: [u64; 8],
    /// Event callback eip.
    pub event_callback_eip: u64,
    /// Failsafe callback eip.
    pub failsafe_callback_eip: u64,
    /// Syscall callback eip.
    pub syscall_callback_eip: u64,
    /// VMASST_TYPE_* bitmap.
    pub vm_assist: u64,
    /// Segment base addresses.
    pub fs_base: u64,
    /// Gs base kernel.
    pub gs_base_kernel: u64,
    /// Gs base user.
    pub gs_base_user: u64,
}
const _: () = assert!(size_of::<vcpu_guest_context>() == 5168);

/// User-level FPU registers.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct vcpu_guest_context_fpu_ctxt {
    /// User-level FPU registers.
    pub x: [u8; 512],
}
const _: () = assert!(size_of::<vcpu_guest_context_fpu_ctxt>() == 512);

/// Vgcf i387 valid.
pub const VGCF_I387_VALID: u64 = 1;
/// Vgcf in kernel.
pub const VGCF_IN_KERNEL: u64 = 1 << 2;
/// Vgcf i387 valid.
pub const VGCF_i387_valid: u64 = 1;
/// Vgcf in kernel.
pub const VGCF_in_kernel: u64 = 1 << 2;
/// Vgcf failsafe disables events.
pub const VGCF_failsafe_disables_events: u64 = 1 << 3;
/// Vgcf syscall disables events.
pub const VGCF_syscall_disables_events: u64 = 1 << 4;
/// Vgcf online.
pub const VGCF_online: u64 = 1 << 5;

/// Arch shared info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct arch_shared_info {
    /// Number of valid entries in the p2m table(s) anchored at pfn_to_mfn_frame_list_list
    /// and/or p2m_vaddr.
    pub max_pfn: u64,
    /// Frame containing list of mfns containing list of mfns containing p2m.
    pub pfn_to_mfn_frame_list_list: xen_pfn_t,
    /// Nmi reason.
    pub nmi_reason: u64,
    /// cr3 value of the p2m address space.
    pub p2m_cr3: u64,
    /// virtual address of the p2m list.
    pub p2m_vaddr: u64,
    /// generation count of p2m mapping.
    pub p2m_generation: u64,
}
const _: () = assert!(size_of::<arch_shared_info>() == 48);

/// struct xen_arch_domainconfig's ABI is covered by XEN_DOMCTL_INTERFACE_VERSION.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_arch_domainconfig {
    /// Emulation flags.
    pub emulation_flags: u32,
    /// Misc flags.
    pub misc_flags: u32,
}
const _: () = assert!(size_of::<xen_arch_domainconfig>() == 8);

/// Xen x86 emu lapic.
pub const XEN_X86_EMU_LAPIC: u32 = 1;
/// Xen x86 emu hpet.
pub const XEN_X86_EMU_HPET: u32 = 1 << 1;
/// Xen x86 emu pm.
pub const XEN_X86_EMU_PM: u32 = 1 << 2;
/// Xen x86 emu rtc.
pub const XEN_X86_EMU_RTC: u32 = 1 << 3;
/// Xen x86 emu ioapic.
pub const XEN_X86_EMU_IOAPIC: u32 = 1 << 4;
/// Xen x86 emu pic.
pub const XEN_X86_EMU_PIC: u32 = 1 << 5;
/// Xen x86 emu vga.
pub const XEN_X86_EMU_VGA: u32 = 1 << 6;
/// Xen x86 emu iommu.
pub const XEN_X86_EMU_IOMMU: u32 = 1 << 7;
/// Xen x86 emu pit.
pub const XEN_X86_EMU_PIT: u32 = 1 << 8;
/// Xen x86 emu use pirq.
pub const XEN_X86_EMU_USE_PIRQ: u32 = 1 << 9;
/// Xen x86 emu vpci.
pub const XEN_X86_EMU_VPCI: u32 = 1 << 10;
/// Xen x86 emu all.
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
/// Select whether to use a relaxed behavior for accesses to MSRs not explicitly handled by Xen
/// instead of injecting a #GP to the guest.
pub const XEN_X86_MSR_RELAXED: u32 = 1;
/// Max XEN_X86_* constant.
pub const XEN_X86_MISC_FLAGS_MAX: u32 = XEN_X86_MSR_RELAXED;

/// Representations of architectural CPUID and MSR information.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_cpuid_leaf {
    /// Leaf.
    pub leaf: u32,
    /// Subleaf.
    pub subleaf: u32,
    /// A.
    pub a: u32,
    /// B.
    pub b: u32,
    /// C.
    pub c: u32,
    /// D.
    pub d: u32,
}
const _: () = assert!(size_of::<xen_cpuid_leaf>() == 24);

/// Xen cpuid no subleaf.
pub const XEN_CPUID_NO_SUBLEAF: u32 = 0xffff_ffff;

/// Xen msr entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct xen_msr_entry {
    /// Idx.
    pub idx: u32,
    /// Reserved MBZ.
    pub flags: u32,
    /// Val.
    pub val: u64,
}
const _: () = assert!(size_of::<xen_msr_entry>() == 16);

/// Debug console IO port, also called "port E9 hack". Each character written to this IO port
/// will be printed on the hypervisor console, subject to log level restrictions.
pub const XEN_HVM_DEBUGCONS_IOPORT: u16 = 0xe9;
/// GDT index 260.
pub const FLAT_RING3_CS32: u16 = 0xe023;
/// GDT index 262.
pub const FLAT_RING3_CS64: u16 = 0xe033;
/// GDT index 261.
pub const FLAT_RING3_DS32: u16 = 0xe02b;
/// NULL selector.
pub const FLAT_RING3_DS64: u16 = 0x0000;
/// GDT index 261.
pub const FLAT_RING3_SS32: u16 = 0xe02b;
/// GDT index 261.
pub const FLAT_RING3_SS64: u16 = 0xe02b;
/// Flat kernel ds64.
pub const FLAT_KERNEL_DS64: u16 = FLAT_RING3_DS64;
/// Flat kernel ds32.
pub const FLAT_KERNEL_DS32: u16 = FLAT_RING3_DS32;
/// Flat kernel ds.
pub const FLAT_KERNEL_DS: u16 = FLAT_KERNEL_DS64;
/// Flat kernel cs64.
pub const FLAT_KERNEL_CS64: u16 = FLAT_RING3_CS64;
/// Flat kernel cs32.
pub const FLAT_KERNEL_CS32: u16 = FLAT_RING3_CS32;
/// Flat kernel cs.
pub const FLAT_KERNEL_CS: u16 = FLAT_KERNEL_CS64;
/// Flat kernel ss64.
pub const FLAT_KERNEL_SS64: u16 = FLAT_RING3_SS64;
/// Flat kernel ss32.
pub const FLAT_KERNEL_SS32: u16 = FLAT_RING3_SS32;
/// Flat kernel ss.
pub const FLAT_KERNEL_SS: u16 = FLAT_KERNEL_SS64;
/// Flat user ds64.
pub const FLAT_USER_DS64: u16 = FLAT_RING3_DS64;
/// Flat user ds32.
pub const FLAT_USER_DS32: u16 = FLAT_RING3_DS32;
/// Flat user ds.
pub const FLAT_USER_DS: u16 = FLAT_USER_DS64;
/// Flat user cs64.
pub const FLAT_USER_CS64: u16 = FLAT_RING3_CS64;
/// Flat user cs32.
pub const FLAT_USER_CS32: u16 = FLAT_RING3_CS32;
/// Flat user cs.
pub const FLAT_USER_CS: u16 = FLAT_USER_CS64;
/// Flat user ss64.
pub const FLAT_USER_SS64: u16 = FLAT_RING3_SS64;
/// Flat user ss32.
pub const FLAT_USER_SS32: u16 = FLAT_RING3_SS32;
/// Flat user ss.
pub const FLAT_USER_SS: u16 = FLAT_USER_SS64;
/// Hypervisor virt start.
pub const HYPERVISOR_VIRT_START: u64 = 0xffff_8000_0000_0000;
/// Hypervisor virt end.
pub const HYPERVISOR_VIRT_END: u64 = 0xffff_8800_0000_0000;
/// Mach2phys virt start.
pub const MACH2PHYS_VIRT_START: u64 = 0xffff_8000_0000_0000;
/// Mach2phys virt end.
pub const MACH2PHYS_VIRT_END: u64 = 0xffff_8040_0000_0000;
/// Mach2phys nr entries.
pub const MACH2PHYS_NR_ENTRIES: u64 = (MACH2PHYS_VIRT_END - MACH2PHYS_VIRT_START) >> 3;
/// int HYPERVISOR_set_segment_base(unsigned int which, unsigned long base) @which == SEGBASE_*
/// ; @base == 64-bit base address Returns 0 on success.
pub const SEGBASE_FS: u32 = 0;
/// Segbase gs user.
pub const SEGBASE_GS_USER: u32 = 1;
/// Segbase gs kernel.
pub const SEGBASE_GS_KERNEL: u32 = 2;
/// Set user %gs specified in base\[15:0\].
pub const SEGBASE_GS_USER_SEL: u32 = 3;
/// Guest exited in SYSCALL context? Return to guest with SYSRET?.
pub const VGCF_in_syscall: u64 = 1 << 8;
/// Vgcf in syscall.
pub const VGCF_IN_SYSCALL: u64 = VGCF_in_syscall;

/// Iret context.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct iret_context {
    /// Top of stack (%rsp at point of hypercall).
    pub rax: u64,
    /// Top of stack (%rsp at point of hypercall).
    pub r11: u64,
    /// Top of stack (%rsp at point of hypercall).
    pub rcx: u64,
    /// Top of stack (%rsp at point of hypercall).
    pub flags: u64,
    /// Top of stack (%rsp at point of hypercall).
    pub rip: u64,
    /// Top of stack (%rsp at point of hypercall).
    pub cs: u64,
    /// Top of stack (%rsp at point of hypercall).
    pub rflags: u64,
    /// Top of stack (%rsp at point of hypercall).
    pub rsp: u64,
    /// Top of stack (%rsp at point of hypercall).
    pub ss: u64,
}
const _: () = assert!(size_of::<iret_context>() == 72);

/// Cpu user regs.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct cpu_user_regs {
    /// R15.
    pub r15: u64,
    /// R14.
    pub r14: u64,
    /// R13.
    pub r13: u64,
    /// R12.
    pub r12: u64,
    /// Rbp.
    pub rbp: u64,
    /// Rbx.
    pub rbx: u64,
    /// R11.
    pub r11: u64,
    /// R10.
    pub r10: u64,
    /// R9.
    pub r9: u64,
    /// R8.
    pub r8: u64,
    /// Rax.
    pub rax: u64,
    /// Rcx.
    pub rcx: u64,
    /// Rdx.
    pub rdx: u64,
    /// Rsi.
    pub rsi: u64,
    /// Rdi.
    pub rdi: u64,
    /// private.
    pub error_code: u32,
    /// private.
    pub entry_vector: u32,
    /// Rip.
    pub rip: u64,
    /// Cs.
    pub cs: u16,
    /// Pad0.
    pub _pad0: [u16; 1],
    /// Saved upcall mask.
    pub saved_upcall_mask: u8,
    /// Pad1.
    pub _pad1: [u8; 3],
    /// rflags.IF == !saved_upcall_mask.
    pub rflags: u64,
    /// Rsp.
    pub rsp: u64,
    /// Ss.
    pub ss: u16,
    /// Pad2.
    pub _pad2: [u16; 3],
    /// Es.
    pub es: u16,
    /// Pad3.
    pub _pad3: [u16; 3],
    /// Ds.
    pub ds: u16,
    /// Pad4.
    pub _pad4: [u16; 3],
    /// Fs.
    pub fs: u16,
    /// Pad5.
    pub _pad5: [u16; 3],
    /// Gs.
    pub gs: u16,
    /// Pad6.
    pub _pad6: [u16; 3],
}
const _: () = assert!(size_of::<cpu_user_regs>() == 200);

/// Arch vcpu info.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct arch_vcpu_info {
    /// Cr2.
    pub cr2: u64,
    /// sizeof(vcpu_info_t) == 64.
    pub pad: u64,
}
const _: () = assert!(size_of::<arch_vcpu_info>() == 16);

/// Xen callback t.
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
