//! The machine as the core sees it.

mod end;
mod frames;
mod vcpu;

use core::sync::atomic::AtomicU64;

use hypervisor_core::addr::Mfn;
use hypervisor_core::platform::{
    CopyFault, CpuId, CpuMask, Machine, Nanos, Refused, Route, Segment, Shutdown, TscScale,
};
use hypervisor_core::pv::entry::ValidEntry;
use hypervisor_core::trap::registers::CR4_OF_HARDWARE;
use hypervisor_core::vcpu::{InfoArea, Regs, Vcpu};

use crate::arch::cpu::{self, cr0, msr};
use crate::arch::percpu::{self, PerCpu};
use crate::arch::{descriptors, fpu, guest_copy, ioapic, ipi, isolated};
use crate::{console, dump, heap, logging, own, time, watchdog};

pub(crate) use frames::read_table;

/// Where messages that interrupt go, but for the APIC they are for.
const MESSAGE_ADDRESS: u32 = 0xfee0_0000;

/// The hardware. Its state is in per-CPU data and in the modules that own it.
pub(crate) struct Hw;

/// The one machine there is.
pub(crate) static HW: Hw = Hw;

/// The address with bits 63 to 48 like bit 47: a no-op for what the core has checked.
#[inline(always)]
const fn made_canonical(va: u64) -> u64 {
    ((va as i64) << 16 >> 16) as u64
}

impl Machine for Hw {
    #[inline]
    fn read_entry(&self, table: Mfn, index: usize) -> u64 {
        frames::load(table, (index & 511) * 8)
    }

    #[inline]
    fn absent_from(&self, table: Mfn, index: usize) -> usize {
        frames::absent_from(table, index)
    }

    #[inline]
    fn absent_before(&self, table: Mfn, end: usize) -> usize {
        frames::absent_before(table, end)
    }

    #[inline]
    fn write_entry(&self, table: Mfn, index: usize, entry: ValidEntry) {
        frames::store(table, (index & 511) * 8, entry.raw());
    }

    #[inline]
    fn swap_entry(&self, table: Mfn, index: usize, old: u64, new: ValidEntry) -> Result<(), u64> {
        frames::exchange(table, (index & 511) * 8, old, new.raw())
    }

    fn install_hypervisor_slots(&self, table: Mfn) {
        for slot in 256..272 {
            if let Some(entry) = read_table(own::shown_root(), slot) {
                frames::store(table, slot as usize * 8, entry);
            }
        }
    }

    fn zero_frame(&self, mfn: Mfn) {
        frames::zero(mfn);
    }

    #[inline(always)]
    fn copy_part(&self, dst: (Mfn, usize), src: (Mfn, usize), len: usize) {
        frames::copy_part(dst, src, len);
    }

    fn read_frame(&self, mfn: Mfn, offset: usize, buf: &mut [u8]) {
        frames::read(mfn, offset, buf);
    }

    fn write_frame(&self, mfn: Mfn, offset: usize, bytes: &[u8]) {
        frames::write(mfn, offset, bytes);
    }

    #[inline]
    fn load_u8(&self, mfn: Mfn, offset: usize) -> u8 {
        frames::load(mfn, offset)
    }

    #[inline]
    fn store_u8(&self, mfn: Mfn, offset: usize, value: u8) {
        frames::store(mfn, offset, value);
    }

    #[inline]
    fn load_u32(&self, mfn: Mfn, offset: usize) -> u32 {
        frames::load(mfn, offset)
    }

    #[inline]
    fn store_u32(&self, mfn: Mfn, offset: usize, value: u32) {
        frames::store(mfn, offset, value);
    }

    #[inline]
    fn load_u64(&self, mfn: Mfn, offset: usize) -> u64 {
        frames::load(mfn, offset)
    }

    #[inline]
    fn store_u64(&self, mfn: Mfn, offset: usize, value: u64) {
        frames::store(mfn, offset, value);
    }

    #[inline]
    fn fetch_or_u64(&self, mfn: Mfn, offset: usize, bits: u64) -> u64 {
        frames::modify(mfn, offset, |old| old | bits)
    }

    #[inline]
    fn fetch_and_u64(&self, mfn: Mfn, offset: usize, bits: u64) -> u64 {
        frames::modify(mfn, offset, |old| old & bits)
    }

    #[inline(always)]
    fn clear_u32(&self, mfn: Mfn, offset: usize, bits: u32) {
        frames::clear_u32(mfn, offset, bits);
    }

    #[inline]
    fn exchange_u32(&self, mfn: Mfn, offset: usize, old: u32, new: u32) -> Result<(), u32> {
        frames::exchange_u32(mfn, offset, old, new)
    }

    #[inline(always)]
    fn set_bit(&self, mfn: Mfn, bit: usize) -> bool {
        frames::set_bit(mfn, bit)
    }

    #[inline(always)]
    fn has_bit(&self, mfn: Mfn, bit: usize) -> bool {
        frames::has_bit(mfn, bit)
    }

    #[inline(always)]
    fn clear_bit(&self, mfn: Mfn, bit: usize) -> bool {
        frames::clear_bit(mfn, bit)
    }

    #[inline(always)]
    fn look(&self, what: u64) {
        percpu::set_looking(what);
    }

    #[inline(always)]
    fn look_away(&self) {
        percpu::clear_looking();
    }

    #[inline(always)]
    fn ports_word<const FIRST: usize>(&self, index: usize) -> u64 {
        percpu::ports_word::<FIRST>(index)
    }

    #[inline(always)]
    fn ports_root_word<const INDEX: usize>(&self) -> u64 {
        percpu::ports_root_word::<INDEX>()
    }

    #[inline(always)]
    fn running_channel(&self) -> u64 {
        percpu::running_channel()
    }

    #[inline(always)]
    fn mark_own_upcall(&self, selector: usize) -> bool {
        PerCpu::mark_upcall(selector)
    }

    #[inline]
    fn looking_of(&self, cpu: CpuId) -> Option<&AtomicU64> {
        ipi::looking_of(cpu)
    }

    #[inline]
    fn copy_from_guest(&self, va: u64, buf: &mut [u8]) -> Result<(), CopyFault> {
        // SAFETY: the core checked the range (`guest_range`).
        unsafe { guest_copy::copy_from(va, buf) }
    }

    #[inline]
    fn copy_to_guest(&self, va: u64, bytes: &[u8]) -> Result<(), CopyFault> {
        // SAFETY: the core checked the range.
        unsafe { guest_copy::copy_to(va, bytes) }
    }

    #[inline]
    fn read_guest_u64(&self, va: u64) -> Result<u64, CopyFault> {
        // SAFETY: the core checked the range.
        unsafe { guest_copy::read_u64(va) }
    }

    #[inline(always)]
    fn read_guest_u32_or(&self, va: u64, otherwise: u32) -> u64 {
        // SAFETY: the core checked the range.
        unsafe { guest_copy::read_u32_or(va, otherwise) }
    }

    #[inline]
    fn write_guest_u64(&self, va: u64, value: u64) -> Result<(), CopyFault> {
        // SAFETY: the core checked the range.
        unsafe { guest_copy::write_u64(va, value) }
    }

    #[inline(always)]
    fn read_guest_two(&self, va: u64) -> Result<[u64; 2], CopyFault> {
        // SAFETY: the core checked the range.
        unsafe { guest_copy::read_two(va) }
    }

    #[inline(always)]
    fn write_guest_two(&self, va: u64, words: [u64; 2]) -> Result<(), CopyFault> {
        // SAFETY: the core checked the range.
        unsafe { guest_copy::write_two(va, words) }
    }

    #[inline(always)]
    fn read_guest_three(&self, va: u64) -> Result<[u64; 3], CopyFault> {
        // SAFETY: the core checked the range.
        unsafe { guest_copy::read_three(va) }
    }

    #[inline(always)]
    fn read_guest_five(&self, va: u64) -> Result<[u64; 5], CopyFault> {
        // SAFETY: the core checked the range.
        unsafe { guest_copy::read_five(va) }
    }

    #[inline(always)]
    fn read_guest_entry(&self, va: u64) -> Result<[u64; 5], CopyFault> {
        // SAFETY: the core checked the range.
        let [op, a, b, c, d, _] = unsafe { guest_copy::read_entry(va)? };
        Ok([op, a, b, c, d])
    }

    #[inline(always)]
    fn read_guest_frame(&self, va: u64) -> Result<[u64; 9], CopyFault> {
        // SAFETY: the core checked the range.
        unsafe { guest_copy::read_frame(va) }
    }

    #[inline(always)]
    fn write_guest_frame(&self, va: u64, words: [u64; 7]) -> Result<(), CopyFault> {
        // SAFETY: the core checked the range.
        unsafe { guest_copy::write_frame(va, words) }
    }

    #[inline(always)]
    fn write_guest_error_frame(&self, va: u64, words: [u64; 8]) -> Result<(), CopyFault> {
        // SAFETY: the core checked the range.
        unsafe { guest_copy::write_error_frame(va, words) }
    }

    #[inline(always)]
    fn load_info(&self, _: InfoArea, at: usize) -> u8 {
        let at = PerCpu::info_byte(at);
        // SAFETY: in the running vCPU's `vcpu_info`, in the direct map; volatile, as in `load`.
        unsafe { at.read_volatile() }
    }

    #[inline(always)]
    fn store_info(&self, _: InfoArea, at: usize, value: u8) {
        let at = PerCpu::info_byte(at);
        // SAFETY: as in `load_info`; no Rust object lies there.
        unsafe { at.write_volatile(value) };
    }

    #[inline]
    fn load_root(&self, root: Mfn) {
        // SAFETY: a validated L4 table, whose hypervisor slots `install_hypervisor_slots` filled.
        unsafe { isolated::load_root(root.addr()) };
    }

    #[inline]
    fn flush_tlb_local(&self) {
        // SAFETY: the root that is in force.
        unsafe { isolated::load_root(cpu::read_cr3()) };
    }

    #[inline]
    fn invlpg_local(&self, va: u64) {
        isolated::invlpg(va);
    }

    #[inline]
    fn flush_cache(&self) {
        cpu::wbinvd();
    }

    fn flush_tlb_remote(&self, mask: CpuMask) {
        ipi::flush(mask);
    }

    fn load_gdt(&self, frames: &[Mfn]) {
        PerCpu::current().map_gdt(frames);
    }

    fn load_ldt(&self, entries: u32) {
        let own = PerCpu::current();
        own.unmap_ldt();
        descriptors::load_ldt(own, entries);
    }

    fn map_ldt_page(&self, page: usize, frame: Mfn) {
        PerCpu::current().map_ldt_page(page as u64, frame);
    }

    fn ldt_offset(&self, va: u64) -> Option<u32> {
        PerCpu::current().ldt_offset(va)
    }

    fn load_selector(&self, segment: Segment, selector: u16) -> Result<(), Refused> {
        match segment {
            Segment::Ds => guest_copy::load_ds(selector),
            Segment::Es => guest_copy::load_es(selector),
            Segment::Fs => guest_copy::load_fs(selector),
            Segment::Gs => guest_copy::load_gs(selector),
        }
    }

    fn selector(&self, segment: Segment) -> u16 {
        match segment {
            Segment::Ds => guest_copy::ds(),
            Segment::Es => guest_copy::es(),
            Segment::Fs => guest_copy::fs(),
            Segment::Gs => guest_copy::gs(),
        }
    }

    #[inline]
    fn fs_base(&self) -> u64 {
        cpu::rdmsr(msr::FS_BASE)
    }

    #[inline]
    fn set_fs_base(&self, base: u64) {
        // SAFETY: the hypervisor does not use FS; canonical, so the write does not fault.
        unsafe { cpu::wrmsr(msr::FS_BASE, made_canonical(base)) };
    }

    #[inline]
    fn gs_base(&self) -> u64 {
        cpu::rdmsr(msr::KERNEL_GS_BASE)
    }

    #[inline]
    fn set_gs_base(&self, base: u64) {
        // SAFETY: becomes GS's base only on the way to the guest; canonical, as above.
        unsafe { cpu::wrmsr(msr::KERNEL_GS_BASE, made_canonical(base)) };
    }

    #[inline]
    fn set_task_switched(&self, ts: bool) {
        if ts {
            // SAFETY: only makes FPU instructions fault; `fpu` clears the bit before its own.
            unsafe { cpu::write_cr0(cpu::read_cr0() | cr0::TS) };
        } else {
            cpu::clts();
        }
    }

    #[inline]
    fn set_guest_cr4(&self, bits: u64) {
        let now = cpu::read_cr4();
        let next = now & !CR4_OF_HARDWARE | bits & CR4_OF_HARDWARE;
        if next != now {
            // SAFETY: the bits say what `rdtsc`, debug registers and instructions for bases do in
            // ring 3; the hypervisor does not depend on them. The core knows that there are all.
            unsafe { cpu::write_cr4(next) };
        }
    }

    fn set_xcr0(&self, components: u64) {
        fpu::set_components(components);
    }

    #[inline]
    fn set_tsc_aux(&self, value: u32) {
        if PerCpu::current().tsc_aux.replace(value) != value {
            // SAFETY: the core knows that there is the register, which the hypervisor does not use.
            unsafe { cpu::wrmsr(msr::TSC_AUX, u64::from(value)) };
        }
    }

    fn load_debugreg(&self, index: usize, value: u64) {
        if matches!(index, 0..=3 | 6 | 7) {
            PerCpu::current().debugreg[index].set(value);
            cpu::write_dr(index, value);
        }
    }

    fn debugreg(&self, index: usize) -> u64 {
        cpu::read_dr(index)
    }

    fn cpuid(&self, leaf: u32, subleaf: u32) -> (u32, u32, u32, u32) {
        cpu::cpuid(leaf, subleaf)
    }

    fn rdmsr(&self, register: u32) -> Result<u64, Refused> {
        guest_copy::rdmsr(register)
    }

    fn port_in(&self, port: u16, size: u8) -> u32 {
        match size {
            1 => u32::from(cpu::inb(port)),
            2 => u32::from(cpu::inw(port)),
            _ => cpu::inl(port),
        }
    }

    fn port_out(&self, port: u16, size: u8, value: u32) {
        match size {
            // SAFETY: the core's policy let this port through.
            1 => unsafe { cpu::outb(port, value as u8) },
            // SAFETY: as above.
            2 => unsafe { cpu::outw(port, value as u16) },
            // SAFETY: as above.
            _ => unsafe { cpu::outl(port, value) },
        }
    }

    #[inline]
    fn cpu(&self) -> CpuId {
        PerCpu::current().id()
    }

    fn kick(&self, cpu: CpuId) {
        ipi::kick(cpu);
    }

    #[inline]
    fn attend(&self) {
        PerCpu::current().attend();
    }

    fn note_info(&self, info: Option<InfoArea>) {
        let at = info.map(|area| frames::at::<u64>(area.mfn, usize::from(area.offset)) as u64);
        PerCpu::current().set_info(at);
    }

    #[inline]
    fn now(&self) -> Nanos {
        time::now()
    }

    #[inline]
    fn tsc(&self) -> u64 {
        cpu::rdtsc()
    }

    fn tsc_scale(&self) -> TscScale {
        time::scale()
    }

    fn tsc_khz(&self) -> u32 {
        time::khz()
    }

    #[inline]
    fn arm_timer(&self, deadline: Nanos) {
        time::arm(deadline);
    }

    fn wallclock_at_boot(&self) -> Nanos {
        time::wallclock_at_boot()
    }

    fn save_vcpu(&self, vcpu: &mut Vcpu) {
        vcpu::save(vcpu);
    }

    fn load_vcpu(&self, vcpu: &Vcpu) {
        vcpu::load(vcpu);
    }

    fn unload_vcpu(&self) {
        vcpu::unload();
    }

    fn nmis(&self) -> u64 {
        PerCpu::current().nmis()
    }

    fn try_out_watchdog(&self) {
        watchdog::try_out();
    }

    fn route_line(&self, gsi: u32, route: Route) {
        ioapic::route(gsi, route, true);
    }

    fn aim_line(&self, gsi: u32, cpu: CpuId) {
        ioapic::aim(gsi, cpu);
    }

    fn mask_line(&self, gsi: u32, masked: bool) {
        ioapic::mask(gsi, masked);
    }

    fn io_apic_register(&self, base: u64, register: u8) -> Option<u32> {
        ioapic::register_of(base, register)
    }

    fn message(&self, vector: u8, cpu: CpuId) -> (u32, u32) {
        (
            MESSAGE_ADDRESS | ioapic::destination(cpu) << 12,
            u32::from(vector),
        )
    }

    fn console_write(&self, bytes: &[u8]) {
        console::write(bytes);
    }

    fn console_read(&self) -> Option<u8> {
        console::read()
    }

    fn read_log(&self, from: Option<u32>, buf: &mut [u8]) -> (usize, u32) {
        logging::read(from, buf)
    }

    fn clear_log(&self, to: u32) {
        logging::clear(to);
    }

    fn take_log_news(&self) -> bool {
        logging::take_news()
    }

    fn heap_used(&self) -> u64 {
        heap::usage().0 as u64
    }

    fn shutdown(&self, how: Shutdown) -> ! {
        end::shutdown(how)
    }

    fn dump(&self, regs: &Regs, va: Option<u64>) {
        dump::cpu_state();
        dump::registers(regs);
        if let Some(va) = va {
            dump::walk(va);
        }
    }
}
