//! FPU and vector registers: one domain fills them and stays, another looks for what is left of it.

use super::*;
use core::arch::naked_asm;

pub(super) const ROGUES: &[Rogue] = &[("fpu-fill", fpu_fill), ("fpu-read", fpu_read)];

/// Bytes of sixteen registers of 32.
const AREA: usize = 16 * 32;

#[repr(C, align(64))]
struct Area([u8; AREA]);

macro_rules! registers {
    ($name:ident, $($line:literal),+) => {
        #[unsafe(naked)]
        extern "C" fn $name(_: u64) {
            naked_asm!($($line,)+ "ret")
        }
    };
}

registers! { load_xmm,
    "movaps xmm0, [rdi]", "movaps xmm1, [rdi+32]", "movaps xmm2, [rdi+64]",
    "movaps xmm3, [rdi+96]", "movaps xmm4, [rdi+128]", "movaps xmm5, [rdi+160]",
    "movaps xmm6, [rdi+192]", "movaps xmm7, [rdi+224]", "movaps xmm8, [rdi+256]",
    "movaps xmm9, [rdi+288]", "movaps xmm10, [rdi+320]", "movaps xmm11, [rdi+352]",
    "movaps xmm12, [rdi+384]", "movaps xmm13, [rdi+416]", "movaps xmm14, [rdi+448]",
    "movaps xmm15, [rdi+480]"
}
registers! { enable_avx,
    "mov rax, cr4", "or rax, 0x40000", "mov cr4, rax",
    "xor ecx, ecx", "xor edx, edx", "mov eax, 7", "xsetbv"
}
registers! { load_ymm,
    "vmovaps ymm0, [rdi]", "vmovaps ymm1, [rdi+32]", "vmovaps ymm2, [rdi+64]",
    "vmovaps ymm3, [rdi+96]", "vmovaps ymm4, [rdi+128]", "vmovaps ymm5, [rdi+160]",
    "vmovaps ymm6, [rdi+192]", "vmovaps ymm7, [rdi+224]", "vmovaps ymm8, [rdi+256]",
    "vmovaps ymm9, [rdi+288]", "vmovaps ymm10, [rdi+320]", "vmovaps ymm11, [rdi+352]",
    "vmovaps ymm12, [rdi+384]", "vmovaps ymm13, [rdi+416]", "vmovaps ymm14, [rdi+448]",
    "vmovaps ymm15, [rdi+480]"
}
registers! { store_xmm,
    "movaps [rdi], xmm0", "movaps [rdi+32], xmm1", "movaps [rdi+64], xmm2",
    "movaps [rdi+96], xmm3", "movaps [rdi+128], xmm4", "movaps [rdi+160], xmm5",
    "movaps [rdi+192], xmm6", "movaps [rdi+224], xmm7", "movaps [rdi+256], xmm8",
    "movaps [rdi+288], xmm9", "movaps [rdi+320], xmm10", "movaps [rdi+352], xmm11",
    "movaps [rdi+384], xmm12", "movaps [rdi+416], xmm13", "movaps [rdi+448], xmm14",
    "movaps [rdi+480], xmm15"
}
registers! { store_ymm,
    "vmovaps [rdi], ymm0", "vmovaps [rdi+32], ymm1", "vmovaps [rdi+64], ymm2",
    "vmovaps [rdi+96], ymm3", "vmovaps [rdi+128], ymm4", "vmovaps [rdi+160], ymm5",
    "vmovaps [rdi+192], ymm6", "vmovaps [rdi+224], ymm7", "vmovaps [rdi+256], ymm8",
    "vmovaps [rdi+288], ymm9", "vmovaps [rdi+320], ymm10", "vmovaps [rdi+352], ymm11",
    "vmovaps [rdi+384], ymm12", "vmovaps [rdi+416], ymm13", "vmovaps [rdi+448], ymm14",
    "vmovaps [rdi+480], ymm15"
}

registers! { load_x87,
    "fninit", "fldpi", "fldl2e", "fldlg2", "fldln2", "fld1", "fldpi", "fldl2t", "fldpi",
    "fstp qword ptr [rdi]", "fldpi",
    "push 0x5f80", "ldmxcsr [rsp]", "add rsp, 8"
}
registers! { store_x87, "fxsave64 [rdi]" }

/// What a register image of an FPU that nobody used holds before its vector registers: control
/// word, MXCSR and the mask of its bits; no status, no tags, no pointers, no registers.
fn is_initial(image: &[u8; 512]) -> bool {
    let zero = |range: core::ops::Range<usize>| image[range].iter().all(|&b| b == 0);
    image[..2] == [0x7f, 0x03]
        && zero(2..24)
        && image[24..28] == [0x80, 0x1f, 0, 0]
        && zero(32..160)
}

/// Lets the vector registers be used, all their bits if they have more than 128.
fn allow() {
    assert_eq!(call(__HYPERVISOR_fpu_taskswitch, [0; 5]), 0);
    let _ = vector_of(enable_avx, 0);
}

/// Fills every register that there is, again and again, and gives the processor up in between.
fn fpu_fill() {
    let mut area = Area([0x5a; AREA]);
    allow();
    let at = &raw mut area as u64;
    let wide = vector_of(load_ymm, at).is_none();
    klog!(
        "registers are filled, {} bits each",
        if wide { 256 } else { 128 }
    );
    loop {
        let _ = vector_of(load_x87, at);
        area.0[..8].fill(0x5a);
        let _ = vector_of(if wide { load_ymm } else { load_xmm }, at);
        hypercall::sched_yield();
    }
}

/// Looks into every register that there is, many times, beside a domain that fills them.
fn fpu_read() {
    let mut area = Area([0xff; AREA]);
    allow();
    let at = &raw mut area as u64;
    let wide = vector_of(store_ymm, at).is_none();
    let (store, width) = if wide {
        (store_ymm as Code, 32)
    } else {
        (store_xmm as Code, 16)
    };
    for _ in 0..2000 {
        if let Some(vector) = vector_of(store_x87, at) {
            panic!("FPU registers cannot be read: vector {vector}");
        }
        // SAFETY: the area is this function's; the assembly just wrote its 512 bytes.
        let image = unsafe { core::ptr::read_volatile(&raw const area) };
        if !is_initial(&image.0) {
            breach!("FPU registers hold something: {:x?}", &image.0[..64]);
            break;
        }
        if let Some(vector) = vector_of(store, at) {
            panic!("vector registers cannot be read: vector {vector}");
        }
        // SAFETY: the area is this function's; the assembly just wrote it.
        let seen = unsafe { core::ptr::read_volatile(&raw const area) };
        let left = seen
            .0
            .chunks(32)
            .flat_map(|r| &r[..width])
            .filter(|&&b| b != 0)
            .count();
        if left > 0 {
            breach!("{left} bytes of vector registers hold something");
            break;
        }
        hypercall::sched_yield();
    }
    klog!(
        "vector registers of {} bits hold nothing of others",
        width * 8
    );
}
