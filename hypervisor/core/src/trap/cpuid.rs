//! CPUID as a PV guest is to see it: an allowlist of what works without being told, over what the
//! processor has. Guests ask through the forced-emulation prefix.

use super::registers::{CR4_OSXSAVE, cr4};
use crate::addr::PAGE_SHIFT;
use crate::domain::Domain;
use crate::hypercall::version::VERSION;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::vcpu::{Mode, Vcpu};

/// "XenV", "MMXe", "nVMM" (`XEN_CPUID_SIGNATURE_*`, arch-x86/cpuid.h).
const SIGNATURE: [u32; 3] = [0x566e_6558, 0x6558_4d4d, 0x4d4d_566e];
/// `XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD` (arch-x86/cpuid.h).
const FEAT1_MMU_PT_UPDATE_PRESERVE_AD: u32 = 1;

/// Highest leaf of the basic range that guests see.
const MAX_BASIC: u32 = 0xd;
/// First leaf of the hypervisor's own range, and of the processor's extended one.
const HYPERVISOR: u32 = 0x4000_0000;
const EXTENDED: u32 = 0x8000_0000;
/// Highest leaf of the extended range that guests see.
const MAX_EXTENDED: u32 = EXTENDED + 0xa;
/// Highest leaf of the hypervisor's range.
const MAX_HYPERVISOR: u32 = HYPERVISOR + 5;
/// The register through which a guest asks for a hypercall page.
pub(crate) const HYPERCALL_MSR: u32 = 0x4000_0000;

/// Leaf 1 ECX: SSE3 PCLMULQDQ SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX F16C RDRAND.
const F1C: u32 = 1
    | 1 << 1
    | 1 << 9
    | 1 << 12
    | 1 << 13
    | 1 << 19
    | 1 << 20
    | 1 << 22
    | 1 << 23
    | 1 << 25
    | 1 << 26
    | 1 << 28
    | 1 << 29
    | 1 << 30;
const F1C_XSAVE: u32 = 1 << 26;
const F1C_OSXSAVE: u32 = 1 << 27;
const F1C_HYPERVISOR: u32 = 1 << 31;
/// Leaf 1 EDX: FPU DE TSC MSR PAE MCE CX8 APIC MCA CMOV PAT CLFLUSH MMX FXSR SSE SSE2 SS HTT.
const F1D: u32 = 1
    | 1 << 2
    | 1 << 4
    | 1 << 5
    | 1 << 6
    | 1 << 7
    | 1 << 8
    | 1 << 9
    | 1 << 14
    | 1 << 15
    | 1 << 16
    | 1 << 19
    | 1 << 23
    | 1 << 24
    | 1 << 25
    | 1 << 26
    | 1 << 27
    | 1 << 28;
/// Leaf 1 EDX, for the kernel that has the hardware: MTRR.
const F1D_MTRR: u32 = 1 << 12;
/// Leaf 1 EDX, for the domain that has the hardware: ACPI.
const F1D_ACPI: u32 = 1 << 22;
/// Leaf 7 EBX: FSGSBASE BMI1 AVX2 BMI2 ERMS RDSEED ADX CLFLUSHOPT CLWB SHA.
const F7B: u32 =
    1 | 1 << 3 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 18 | 1 << 19 | 1 << 23 | 1 << 24 | 1 << 29;
/// Leaf 7 ECX: GFNI VAES VPCLMULQDQ RDPID.
const F7C: u32 = 1 << 8 | 1 << 9 | 1 << 10 | 1 << 22;
/// Leaf 7 EDX: FSRM.
const F7D: u32 = 1 << 4;
/// Leaf 7 subleaf 1 EAX: FZRM FSRS FSRCS.
const F71A: u32 = 7 << 10;
/// Leaf 0x80000001 ECX: LAHF CMP_LEGACY ABM SSE4A MISALIGNSSE PREFETCHW XOP FMA4 TBM.
const E1C: u32 = 1 | 1 << 1 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 11 | 1 << 16 | 1 << 21;
/// Leaf 0x80000001 EDX: SYSCALL NX MMXEXT FXSR_OPT RDTSCP LM 3DNOW.
const E1D: u32 = 1 << 11 | 1 << 20 | 1 << 22 | 1 << 25 | 1 << 27 | 1 << 29 | 3 << 30;
/// Leaf 0x80000001 EDX, bits that repeat leaf 1 on AMD.
const E1D_COMMON: u32 = 0x0183_f3ff;
/// Leaf 0x80000007 EDX: invariant TSC.
const E7D: u32 = 1 << 8;
/// Leaf 0x80000008 EBX: CLZERO, pointers always restored.
const E8B: u32 = 1 | 1 << 2;
/// Leaf 0x80000008 EAX: physical address bits.
const PHYSICAL_BITS: u32 = 0xff;
/// Leaf 0x80000008 EAX: 48 linear address bits.
const LINEAR_BITS: u32 = 48 << 8;

/// State components that guests may have enabled: x87, SSE, AVX.
const XCR0: u32 = 7;
/// Leaf 0xd subleaf 1 EAX: XSAVEOPT, XGETBV with ECX 1.
const FD1A: u32 = 1 | 1 << 2;
/// Bytes of the XSAVE area's legacy region and header.
const XSAVE_BASE: u32 = 576;

/// What CPUID answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// EAX.
    pub a: u32,
    /// EBX.
    pub b: u32,
    /// ECX.
    pub c: u32,
    /// EDX.
    pub d: u32,
}

const fn answer(a: u32, b: u32, c: u32, d: u32) -> Answer {
    Answer { a, b, c, d }
}

fn hardware<M: Machine>(hv: &Hypervisor<M>, leaf: u32, subleaf: u32) -> Answer {
    let (a, b, c, d) = hv.machine.cpuid(leaf, subleaf);
    answer(a, b, c, d)
}

/// State components that this processor has of those guests may use; 0 without XSAVE.
pub(crate) fn xcr0<M: Machine>(hv: &Hypervisor<M>) -> u32 {
    if hardware(hv, 1, 0).c & F1C_XSAVE == 0 {
        return 0;
    }
    hardware(hv, 0xd, 0).a & XCR0
}

/// What `vcpu` of `dom` sees. The first two leaves, which every 64-bit processor has, take one look at
/// the processor: in a virtual machine each is an exit.
pub(crate) fn cpuid<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    vcpu: &Vcpu,
    leaf: u32,
    subleaf: u32,
) -> Answer {
    match leaf {
        0 => {
            let real = hardware(hv, 0, 0);
            Answer {
                a: real.a.min(MAX_BASIC),
                ..real
            }
        }
        1 => leaf_1(dom, vcpu, hardware(hv, 1, 0)),
        HYPERVISOR..0x4000_0100 => own(hv, leaf, subleaf),
        EXTENDED..=MAX_EXTENDED => {
            if leaf > hardware(hv, EXTENDED, 0).a {
                return Answer::default();
            }
            extended(hv, dom, vcpu, leaf)
        }
        0..=MAX_BASIC if leaf <= hardware(hv, 0, 0).a => basic(hv, vcpu, leaf, subleaf),
        _ => Answer::default(),
    }
}

fn basic<M: Machine>(hv: &Hypervisor<M>, vcpu: &Vcpu, leaf: u32, subleaf: u32) -> Answer {
    let real = hardware(hv, leaf, subleaf);
    match leaf {
        // Caches and their geometry.
        2 | 4 => real,
        7 => match subleaf {
            0 => answer(real.a.min(1), real.b & F7B, real.c & F7C, real.d & F7D),
            1 => answer(real.a & F71A, 0, 0, 0),
            _ => Answer::default(),
        },
        0xd => xsave_leaf(hv, vcpu, subleaf, real),
        _ => Answer::default(),
    }
}

/// Whether this is the kernel of the domain that has the hardware, and not its user mode.
fn is_hardware_kernel(dom: &Domain, vcpu: &Vcpu) -> bool {
    dom.is_privileged() && vcpu.mode == Mode::Kernel
}

/// The bits of leaf 1 EDX that `vcpu` may see now.
fn leaf_1_edx(dom: &Domain, vcpu: &Vcpu) -> u32 {
    let mut bits = F1D;
    if dom.is_privileged() {
        bits |= F1D_ACPI;
    }
    if is_hardware_kernel(dom, vcpu) {
        bits |= F1D_MTRR;
    }
    bits
}

fn leaf_1(dom: &Domain, vcpu: &Vcpu, real: Answer) -> Answer {
    let mut c = real.c & F1C | F1C_HYPERVISOR;
    // The kernel that has the hardware sees that XSAVE is on, as plain CPUID shows it.
    let enabled = cr4(vcpu) & CR4_OSXSAVE != 0 || is_hardware_kernel(dom, vcpu);
    // Where there is XSAVE, it has the x87 state at least.
    if real.c & F1C_XSAVE != 0 && enabled {
        c |= F1C_OSXSAVE;
    }
    let d = real.d & leaf_1_edx(dom, vcpu);
    // Bits 31-24: the APIC id, which says nothing about a virtual CPU but its number.
    let b = real.b & 0x00ff_ffff | u32::from(vcpu.id.index as u8) << 24;
    answer(real.a, b, c, d)
}

fn xsave_leaf<M: Machine>(hv: &Hypervisor<M>, vcpu: &Vcpu, subleaf: u32, real: Answer) -> Answer {
    let may = xcr0(hv);
    if may == 0 {
        return Answer::default();
    }
    let avx = hardware(hv, 0xd, 2);
    let size = |components: u32| {
        if components & 4 != 0 {
            XSAVE_BASE.max(avx.b.saturating_add(avx.a))
        } else {
            XSAVE_BASE
        }
    };
    match subleaf {
        0 => answer(may, size(vcpu.arch.xcr0 as u32), size(may), 0),
        1 => answer(real.a & FD1A, 0, 0, 0),
        2 if may & 4 != 0 => answer(avx.a, avx.b, 0, 0),
        _ => Answer::default(),
    }
}

fn extended<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, vcpu: &Vcpu, leaf: u32) -> Answer {
    let real = hardware(hv, leaf, 0);
    match leaf - EXTENDED {
        0 => Answer {
            a: real.a.min(MAX_EXTENDED),
            ..real
        },
        1 => {
            let common = real.d & E1D_COMMON & leaf_1_edx(dom, vcpu);
            answer(real.a, 0, real.c & E1C, real.d & E1D | common)
        }
        // The processor's name, and its caches.
        2..=6 => real,
        7 => answer(0, 0, 0, real.d & E7D),
        8 => answer(real.a & PHYSICAL_BITS | LINEAR_BITS, real.b & E8B, 0, 0),
        _ => Answer::default(),
    }
}

/// The hypervisor's own leaves (arch-x86/cpuid.h).
fn own<M: Machine>(hv: &Hypervisor<M>, leaf: u32, subleaf: u32) -> Answer {
    match (leaf - HYPERVISOR, subleaf) {
        (0, _) => answer(MAX_HYPERVISOR, SIGNATURE[0], SIGNATURE[1], SIGNATURE[2]),
        (1, _) => answer(VERSION as u32, 0, 0, 0),
        // One page, asked for by that register.
        (2, _) => answer(1, HYPERCALL_MSR, FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0),
        (3, 2) => answer(hv.machine.tsc_khz(), 0, 0, 0),
        (5, 0) => {
            let frames = hv.frames.len().saturating_sub(1);
            let width = 64 - frames.leading_zeros() + PAGE_SHIFT;
            answer(0, width, 0, 0)
        }
        _ => Answer::default(),
    }
}
