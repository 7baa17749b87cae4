//! Registers and page-table walks in the log, for crashes of guests and of the hypervisor.

use hypervisor_core::vcpu::Regs;

use crate::arch::cpu;
use crate::arch::percpu::PerCpu;
use crate::boot::paging::bits::{ADDRESS, LARGE, PRESENT};
use crate::hw;

/// Logs the general registers.
pub(crate) fn registers(r: &Regs) {
    error!("RIP:    {:04x}:[<{:016x}>]", r.cs as u16, r.rip);
    error!(
        "RFLAGS: {:016x}   vector {} error {:08x}",
        r.rflags,
        r.error_vector >> 32,
        r.error_vector as u32
    );
    error!(
        "rax: {:016x}   rbx: {:016x}   rcx: {:016x}",
        r.rax, r.rbx, r.rcx
    );
    error!(
        "rdx: {:016x}   rsi: {:016x}   rdi: {:016x}",
        r.rdx, r.rsi, r.rdi
    );
    error!(
        "rbp: {:016x}   rsp: {:016x}   r8:  {:016x}",
        r.rbp, r.rsp, r.r8
    );
    error!(
        "r9:  {:016x}   r10: {:016x}   r11: {:016x}",
        r.r9, r.r10, r.r11
    );
    error!(
        "r12: {:016x}   r13: {:016x}   r14: {:016x}",
        r.r12, r.r13, r.r14
    );
    error!("r15: {:016x}   ss: {:04x}", r.r15, r.ss as u16);
    error!(
        "cr0: {:016x}   cr3: {:016x}   cr4: {:016x}",
        cpu::read_cr0(),
        cpu::read_cr3(),
        cpu::read_cr4()
    );
}

/// Logs the entries of the tables in force that translate `va`.
pub(crate) fn walk(va: u64) {
    error!("Pagetable walk from {va:016x}:");
    let mut table = cpu::read_cr3() & ADDRESS;
    for level in (1..=4_u32).rev() {
        let index = va >> (12 + 9 * (level - 1)) & 511;
        let Some(entry) = hw::read_table(table, index) else {
            error!(" L{level} table at {table:x} is not in memory");
            return;
        };
        error!(" L{level}[0x{index:03x}] = {entry:016x}");
        if entry & PRESENT == 0 || (entry & LARGE != 0 && level > 1) {
            return;
        }
        table = entry & ADDRESS;
    }
}

/// Logs what is known of this CPU.
pub(crate) fn cpu_state() {
    let own = PerCpu::current();
    error!(
        "CPU:    {}   ds: {:04x} es: {:04x} fs: {:04x} gs: {:04x}   NMIs: {}",
        own.id(),
        crate::arch::guest_copy::ds(),
        crate::arch::guest_copy::es(),
        crate::arch::guest_copy::fs(),
        crate::arch::guest_copy::gs(),
        own.nmis()
    );
}
