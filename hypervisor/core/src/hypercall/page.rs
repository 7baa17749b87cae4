//! The hypercall page: a stub of 32 bytes for each hypercall number, which a guest calls instead of
//! knowing how to enter the hypervisor (arch-x86/xen-x86_64.h).

use hypercall_abi::xen::__HYPERVISOR_iret;

use crate::addr::PAGE_SIZE;

/// Bytes of one stub.
const STUB: usize = 32;

/// Fills a hypercall page. `syscall` destroys rcx and r11, so each stub keeps them; the one of
/// `iret` leaves them on the stack with rax, as the top of its `iret_context`.
pub fn fill(page: &mut [u8; PAGE_SIZE]) {
    // int3, so that a jump between stubs is noticed.
    page.fill(0xcc);
    for (number, stub) in page.chunks_exact_mut(STUB).enumerate() {
        let nr = (number as u32).to_le_bytes();
        let mov = [0xb8, nr[0], nr[1], nr[2], nr[3]];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            stub[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        // push %rcx; push %r11
        put(&[0x51, 0x41, 0x53]);
        if number as u64 == __HYPERVISOR_iret {
            // push %rax; mov $23,%eax; syscall
            put(&[0x50]);
            put(&mov);
            put(&[0x0f, 0x05]);
        } else {
            // mov $nr,%eax; syscall; pop %r11; pop %rcx; ret
            put(&mov);
            put(&[0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stubs_are_where_guests_look_for_them() {
        let mut page = [0; PAGE_SIZE];
        fill(&mut page);
        let stub = &page[17 * STUB..][..14];
        assert_eq!(stub, b"\x51\x41\x53\xb8\x11\0\0\0\x0f\x05\x41\x5b\x59\xc3");
        let iret = &page[23 * STUB..][..12];
        assert_eq!(iret, b"\x51\x41\x53\x50\xb8\x17\0\0\0\x0f\x05\xcc");
    }
}
