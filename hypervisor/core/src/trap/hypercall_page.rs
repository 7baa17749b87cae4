//! The hypercall page: 128 stubs of 32 bytes, one for each hypercall number
//! (arch-x86/xen-x86_64.h).

use hypercall_abi::xen::__HYPERVISOR_iret;

use crate::addr::PAGE_SIZE;

/// Bytes of a stub.
const STUB: usize = 32;

/// `int3`, what is not a stub's code.
const INT3: u8 = 0xcc;

/// Fills a page with the stubs. Each saves what `syscall` clobbers; that of `iret` leaves it on the
/// stack, with rax below, as the frame wants it.
pub fn fill(page: &mut [u8; PAGE_SIZE]) {
    page.fill(INT3);
    for (number, stub) in page.chunks_exact_mut(STUB).enumerate() {
        let [n0, n1, ..] = number.to_le_bytes();
        if number as u64 == __HYPERVISOR_iret {
            // push rcx; push r11; push rax; mov eax, number; syscall
            let code = [0x51, 0x41, 0x53, 0x50, 0xb8, n0, n1, 0, 0, 0x0f, 0x05];
            stub[..code.len()].copy_from_slice(&code);
        } else {
            // push rcx; push r11; mov eax, number; syscall; pop r11; pop rcx; ret
            let code = [
                0x51, 0x41, 0x53, 0xb8, n0, n1, 0, 0, 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3,
            ];
            stub[..code.len()].copy_from_slice(&code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stub_names_its_number() {
        let mut page = [0; PAGE_SIZE];
        fill(&mut page);
        for (number, stub) in page.chunks_exact(STUB).enumerate() {
            let at = stub.iter().position(|&b| b == 0xb8).unwrap() + 1;
            let named = u32::from_le_bytes(stub[at..at + 4].try_into().unwrap());
            assert_eq!(named as usize, number);
            assert!(stub.windows(2).any(|w| w == [0x0f, 0x05]));
            assert_eq!(stub.contains(&0xc3), number != 23);
        }
    }
}
