//! The fake machine as the core sees it.

use core::sync::atomic::{AtomicU64, Ordering};

use super::machine::{ADDRESS, Access, FAKE_LDT, FakeMachine, PRESENT, WRITABLE, Weakness};
use super::state::{EntryWrite, Happened};
use super::tlb::CpuTlb;
use super::turns;
use crate::addr::{ENTRIES, HYPERVISOR_SLOT_END, HYPERVISOR_SLOT_START, Mfn, PAGE_SIZE};
use crate::frame::order::{Touch, touched, touched_frame};
use crate::platform::{
    CopyFault, CpuId, CpuMask, Machine, Nanos, Refused, Route, Segment, Shutdown, TscScale,
};
use crate::pv::entry::ValidEntry;
use crate::vcpu::{InfoArea, Mode, Regs, Vcpu};

/// An entry that a frame is watched in: see [`crate::frame::order`].
fn entry_replaced(old: u64, new: u64) {
    for (entry, present) in [(old, false), (new, true)] {
        if entry & PRESENT != 0 {
            touched_frame(Mfn::containing(entry & ADDRESS), Touch::Entry { present });
        }
    }
}

/// Where the fake machine's I/O APIC is.
const IO_APIC: u64 = 0xfec0_0000;

impl Machine for FakeMachine {
    fn read_entry(&self, table: Mfn, index: usize) -> u64 {
        touched_frame(table, Touch::Examine);
        self.word(table, index * 8).load(Ordering::SeqCst)
    }

    fn absent_from(&self, table: Mfn, index: usize) -> usize {
        let absent =
            |from: &usize| (*from..from + 8).all(|i| self.read_entry(table, i) & PRESENT == 0);
        let mut groups = (index..512).step_by(8);
        groups.find(|from| !absent(from)).unwrap_or(512)
    }

    fn absent_before(&self, table: Mfn, end: usize) -> usize {
        let absent = |to: &usize| (to - 8..*to).all(|i| self.read_entry(table, i) & PRESENT == 0);
        let mut groups = (8..=end).rev().step_by(8);
        groups.find(|to| !absent(to)).unwrap_or(0)
    }

    fn write_entry(&self, table: Mfn, index: usize, entry: ValidEntry) {
        self.soil(table);
        let old = self
            .word(table, index * 8)
            .swap(entry.raw(), Ordering::SeqCst);
        entry_replaced(old, entry.raw());
        self.state.lock().entry_writes.push(EntryWrite {
            table,
            index,
            old,
            new: entry.raw(),
        });
    }

    fn swap_entry(&self, table: Mfn, index: usize, old: u64, new: ValidEntry) -> Result<(), u64> {
        self.soil(table);
        self.word(table, index * 8).compare_exchange(
            old,
            new.raw(),
            Ordering::SeqCst,
            Ordering::SeqCst,
        )?;
        entry_replaced(old, new.raw());
        self.state.lock().entry_writes.push(EntryWrite {
            table,
            index,
            old,
            new: new.raw(),
        });
        Ok(())
    }

    fn install_hypervisor_slots(&self, table: Mfn) {
        self.soil(table);
        for slot in HYPERVISOR_SLOT_START..HYPERVISOR_SLOT_END {
            // Present and supervisor-only; the address says which slot it is.
            self.word(table, slot * 8)
                .store(PRESENT | WRITABLE | (slot as u64) << 40, Ordering::SeqCst);
        }
    }

    fn zero_frame(&self, mfn: Mfn) {
        let words: [_; ENTRIES] = core::array::from_fn(|i| self.guest_word(mfn, i * 8));
        if self.has(Weakness::LateZero) && turns::later(&words) {
            return;
        }
        for word in words {
            word.store(0, Ordering::SeqCst);
        }
    }

    fn copy_part(&self, dst: (Mfn, usize), src: (Mfn, usize), len: usize) {
        let mut bytes = [0; PAGE_SIZE];
        self.read_frame(src.0, src.1, &mut bytes[..len]);
        self.put(dst.0, dst.1, &bytes[..len]);
    }

    fn read_frame(&self, mfn: Mfn, offset: usize, buf: &mut [u8]) {
        for (i, byte) in buf.iter_mut().enumerate() {
            *byte = self.byte(mfn, offset + i);
        }
    }

    fn write_frame(&self, mfn: Mfn, offset: usize, bytes: &[u8]) {
        self.put(mfn, offset, bytes);
    }

    fn load_u8(&self, mfn: Mfn, offset: usize) -> u8 {
        turns::turn();
        self.byte(mfn, offset)
    }

    fn store_u8(&self, mfn: Mfn, offset: usize, value: u8) {
        turns::turn_after_stores();
        self.put(mfn, offset, &[value]);
    }

    fn load_u32(&self, mfn: Mfn, offset: usize) -> u32 {
        assert_eq!(offset % 4, 0, "misaligned");
        turns::turn();
        (self.word(mfn, offset).load(Ordering::SeqCst) >> (offset % 8 * 8)) as u32
    }

    fn store_u32(&self, mfn: Mfn, offset: usize, value: u32) {
        assert_eq!(offset % 4, 0, "misaligned");
        turns::turn_after_stores();
        let shift = offset % 8 * 8;
        let _ =
            self.guest_word(mfn, offset)
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |w| {
                    Some(w & !(0xffff_ffff << shift) | u64::from(value) << shift)
                });
    }

    fn load_u64(&self, mfn: Mfn, offset: usize) -> u64 {
        assert_eq!(offset % 8, 0, "misaligned");
        turns::turn();
        let word = self.word(mfn, offset);
        turns::stored(word).unwrap_or_else(|| word.load(Ordering::SeqCst))
    }

    fn store_u64(&self, mfn: Mfn, offset: usize, value: u64) {
        assert_eq!(offset % 8, 0, "misaligned");
        turns::store(self.guest_word(mfn, offset), value);
    }

    fn fetch_or_u64(&self, mfn: Mfn, offset: usize, bits: u64) -> u64 {
        assert_eq!(offset % 8, 0, "misaligned");
        turns::turn_after_stores();
        self.guest_word(mfn, offset)
            .fetch_or(bits, Ordering::SeqCst)
    }

    fn fetch_and_u64(&self, mfn: Mfn, offset: usize, bits: u64) -> u64 {
        assert_eq!(offset % 8, 0, "misaligned");
        turns::turn_after_stores();
        self.guest_word(mfn, offset)
            .fetch_and(bits, Ordering::SeqCst)
    }

    fn exchange_u32(&self, mfn: Mfn, offset: usize, old: u32, new: u32) -> Result<(), u32> {
        assert_eq!(offset % 4, 0, "misaligned");
        turns::turn_after_stores();
        let shift = offset % 8 * 8;
        let change = |w: u64| {
            ((w >> shift) as u32 == old)
                .then_some(w & !(0xffff_ffff << shift) | u64::from(new) << shift)
        };
        self.guest_word(mfn, offset & !7)
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, change)
            .map(|_| ())
            .map_err(|w| (w >> shift) as u32)
    }

    fn set_bit(&self, mfn: Mfn, bit: usize) -> bool {
        self.fetch_or_u64(mfn, bit / 64 * 8, 1 << (bit % 64)) >> (bit % 64) & 1 != 0
    }

    fn has_bit(&self, mfn: Mfn, bit: usize) -> bool {
        self.load_u64(mfn, bit / 64 * 8) >> (bit % 64) & 1 != 0
    }

    fn clear_bit(&self, mfn: Mfn, bit: usize) -> bool {
        self.fetch_and_u64(mfn, bit / 64 * 8, !(1 << (bit % 64))) >> (bit % 64) & 1 != 0
    }

    fn look(&self, what: u64) {
        turns::turn_after_stores();
        if self.has(Weakness::NoMark) {
            return;
        }
        self.looking[self.cpu() as usize].swap(what, Ordering::SeqCst);
    }

    fn look_away(&self) {
        turns::turn_after_stores();
        self.looking[self.cpu() as usize].store(0, Ordering::SeqCst);
    }

    fn ports_word<const FIRST: usize>(&self, index: usize) -> u64 {
        assert!(FIRST <= 256 && index < 256, "outside the frame of ports");
        let ports = self.with_cpu(|c| c.ports);
        ports.map_or(0, |(_, table)| self.load_u64(table, (FIRST + index) * 8))
    }

    fn ports_root_word<const INDEX: usize>(&self) -> u64 {
        let ports = self.with_cpu(|c| c.ports);
        ports.map_or(0, |(root, _)| self.load_u64(root, INDEX * 8))
    }

    fn running_channel(&self) -> u64 {
        self.with_cpu(|c| c.channel)
    }

    fn mark_own_upcall(&self, selector: usize) -> bool {
        let info = self.with_cpu(|c| c.info);
        let Some(area) = info.filter(|&area| self.load_info(area, 0) == 0) else {
            return false;
        };
        if !self.set_bit(area.mfn, usize::from(area.offset) * 8 + selector) {
            self.store_info(area, 0, 1);
        }
        true
    }

    fn barrier(&self) {
        if !self.has(Weakness::NoBarrier) {
            turns::turn_after_stores();
        }
    }

    fn others_may_run(&self) {
        turns::turn();
    }

    fn others_must_run(&self) {
        turns::wait();
    }

    fn looking_of(&self, cpu: CpuId) -> Option<&AtomicU64> {
        let marks = self.looking.get(cpu as usize);
        marks.filter(|_| !self.has(Weakness::NoWait))
    }

    fn copy_from_guest(&self, va: u64, buf: &mut [u8]) -> Result<(), CopyFault> {
        if let Some(at) = self.in_window(va, buf.len()) {
            self.fetch_window(at, buf);
            return self.count_access(va);
        }
        self.pieces(va, buf.len(), Access::Read, |mfn, offset, part| {
            self.read_frame(mfn, offset, &mut buf[part]);
        })
    }

    fn copy_to_guest(&self, va: u64, bytes: &[u8]) -> Result<(), CopyFault> {
        if let Some(at) = self.in_window(va, bytes.len()) {
            self.count_access(va)?;
            self.write_window(at, bytes);
            return Ok(());
        }
        self.pieces(va, bytes.len(), Access::Write, |mfn, offset, part| {
            self.put(mfn, offset, &bytes[part]);
        })
    }

    fn read_guest_u64(&self, va: u64) -> Result<u64, CopyFault> {
        let mut bytes = [0; 8];
        self.copy_from_guest(va, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn read_guest_u32_or(&self, va: u64, otherwise: u32) -> u64 {
        let mut bytes = [0; 4];
        match self.copy_from_guest(va, &mut bytes) {
            Ok(()) => u32::from_le_bytes(bytes).into(),
            Err(_) => otherwise.into(),
        }
    }

    fn write_guest_u64(&self, va: u64, value: u64) -> Result<(), CopyFault> {
        self.copy_to_guest(va, &value.to_le_bytes())
    }

    fn load_root(&self, root: Mfn) {
        self.with_cpu(|c| c.root = Some(root));
        self.change_tlbs(1 << self.cpu(), CpuTlb::flush);
        self.record(Happened::LoadRoot(root));
    }

    fn flush_tlb_local(&self) {
        touched(Touch::Flush(self.cpu()));
        self.change_tlbs(1 << self.cpu(), CpuTlb::flush);
        self.record(Happened::FlushLocal);
    }

    fn invlpg_local(&self, va: u64) {
        self.change_tlbs(1 << self.cpu(), |tlb| tlb.invalidate(va));
        self.record(Happened::Invlpg(va));
    }

    fn flush_cache(&self) {
        self.record(Happened::FlushCache);
    }

    fn flush_tlb_remote(&self, mask: CpuMask) {
        for cpu in (0..CpuId::BITS * 2).filter(|cpu| mask >> cpu & 1 != 0) {
            touched(Touch::Flush(cpu));
        }
        self.change_tlbs(mask & !(1 << self.cpu()), CpuTlb::flush);
        self.record(Happened::FlushRemote(mask));
    }

    fn load_gdt(&self, frames: &[Mfn]) {
        self.with_cpu(|c| {
            c.gdt.clear();
            c.gdt.extend_from_slice(frames);
        });
    }

    fn load_ldt(&self, entries: u32) {
        self.with_cpu(|c| {
            c.ldt_entries = entries;
            c.ldt_pages = [None; 16];
        });
    }

    fn map_ldt_page(&self, page: usize, frame: Mfn) {
        self.with_cpu(|c| c.ldt_pages[page] = Some(frame));
    }

    fn ldt_offset(&self, va: u64) -> Option<u32> {
        let offset = va.checked_sub(FAKE_LDT)?;
        (offset < 16 * PAGE_SIZE as u64).then_some(offset as u32)
    }

    fn load_selector(&self, segment: Segment, selector: u16) -> Result<(), Refused> {
        let refused = self.state.lock().faulting_selectors.contains(&selector);
        let loaded = if refused { 0 } else { selector };
        self.with_cpu(|c| c.selectors[segment as usize] = loaded);
        if refused { Err(Refused) } else { Ok(()) }
    }

    fn selector(&self, segment: Segment) -> u16 {
        self.with_cpu(|c| c.selectors[segment as usize])
    }

    fn fs_base(&self) -> u64 {
        self.with_cpu(|c| c.fs_base)
    }

    fn set_fs_base(&self, base: u64) {
        self.with_cpu(|c| c.fs_base = base);
    }

    fn gs_base(&self) -> u64 {
        self.with_cpu(|c| c.gs_base)
    }

    fn set_gs_base(&self, base: u64) {
        self.with_cpu(|c| c.gs_base = base);
    }

    fn set_task_switched(&self, ts: bool) {
        self.with_cpu(|c| c.task_switched = ts);
    }

    fn set_guest_cr4(&self, bits: u64) {
        assert_eq!(bits & !crate::trap::registers::CR4_OF_HARDWARE, 0);
        self.with_cpu(|c| c.guest_cr4 = bits);
    }

    fn set_xcr0(&self, components: u64) {
        self.with_cpu(|c| c.xcr0 = components);
    }

    fn set_tsc_aux(&self, value: u32) {
        self.with_cpu(|c| c.tsc_aux = value);
    }

    fn load_debugreg(&self, index: usize, value: u64) {
        self.with_cpu(|c| c.debugreg[index] = value);
    }

    fn debugreg(&self, index: usize) -> u64 {
        self.with_cpu(|c| c.debugreg[index])
    }

    fn cpuid(&self, leaf: u32, subleaf: u32) -> (u32, u32, u32, u32) {
        let state = self.state.lock();
        state
            .cpuid
            .get(&(leaf, subleaf))
            .copied()
            .unwrap_or_default()
    }

    fn rdmsr(&self, msr: u32) -> Result<u64, Refused> {
        self.state.lock().msrs.get(&msr).copied().ok_or(Refused)
    }

    fn port_in(&self, port: u16, size: u8) -> u32 {
        let all_ones = u32::MAX >> (32 - 8 * u32::from(size));
        let state = self.state.lock();
        let pci = state.pci_register(port);
        let value = pci.or_else(|| state.ports.get(&port).copied());
        value.map_or(all_ones, |v| v & all_ones)
    }

    fn port_out(&self, port: u16, size: u8, value: u32) {
        self.state.lock().write_pci(port, size, value);
        self.record(Happened::PortOut(port, size, value));
    }

    fn route_line(&self, gsi: u32, route: Route) {
        self.record(Happened::RouteLine(gsi, route));
    }

    fn aim_line(&self, gsi: u32, cpu: CpuId) {
        self.record(Happened::AimLine(gsi, cpu));
    }

    fn mask_line(&self, gsi: u32, masked: bool) {
        self.record(Happened::MaskLine(gsi, masked));
    }

    fn io_apic_register(&self, base: u64, register: u8) -> Option<u32> {
        let value = if register == 1 { 0x17_0020 } else { 0 };
        (base == IO_APIC).then_some(value)
    }

    fn message(&self, vector: u8, cpu: CpuId) -> (u32, u32) {
        (0xfee0_0000 | cpu << 12, u32::from(vector))
    }

    fn budget(&self) -> u32 {
        self.budget.load(Ordering::SeqCst)
    }

    fn cpu(&self) -> CpuId {
        turns::cpu().unwrap_or_else(|| self.cpu.load(Ordering::SeqCst))
    }

    fn kick(&self, cpu: CpuId) {
        if cpu != self.cpu() {
            self.record(Happened::Kick(cpu));
        }
    }

    // A fake CPU always leaves by `sched::leave`, which looks for itself.
    fn attend(&self) {}

    fn note_info(&self, info: Option<InfoArea>) {
        self.with_cpu(|c| c.info = info);
    }

    fn now(&self) -> Nanos {
        self.clock.load(Ordering::SeqCst)
    }

    fn tsc(&self) -> u64 {
        // A counter of 2 GHz.
        self.now() * 2
    }

    fn tsc_scale(&self) -> TscScale {
        TscScale {
            tsc_timestamp: 0,
            system_time: 0,
            tsc_to_system_mul: 1 << 31,
            tsc_shift: 0,
        }
    }

    fn tsc_khz(&self) -> u32 {
        2_000_000
    }

    fn arm_timer(&self, deadline: Nanos) {
        self.with_cpu(|c| c.timer = deadline);
    }

    fn wallclock_at_boot(&self) -> Nanos {
        super::WALLCLOCK_AT_BOOT
    }

    fn save_vcpu(&self, vcpu: &mut Vcpu) {
        self.with_cpu(|c| {
            vcpu.arch.fs_base = c.fs_base;
            [vcpu.arch.ds, vcpu.arch.es, vcpu.arch.fs, vcpu.arch.gs] = c.selectors;
            match vcpu.mode {
                Mode::Kernel => vcpu.arch.gs_base_kernel = c.gs_base,
                Mode::User => vcpu.arch.gs_base_user = c.gs_base,
            }
        });
        self.record(Happened::Save(vcpu.id));
    }

    fn load_vcpu(&self, vcpu: &Vcpu) {
        self.with_cpu(|c| {
            c.fs_base = vcpu.arch.fs_base;
            c.selectors = [vcpu.arch.ds, vcpu.arch.es, vcpu.arch.fs, vcpu.arch.gs];
            (c.root, c.gs_base) = match vcpu.mode {
                Mode::Kernel => (vcpu.arch.kernel_root.get(), vcpu.arch.gs_base_kernel),
                Mode::User => (vcpu.arch.user_root.get(), vcpu.arch.gs_base_user),
            };
            c.gdt.clear();
            c.gdt.extend_from_slice(&vcpu.arch.gdt);
            c.ldt_entries = vcpu.arch.ldt_entries;
            c.ldt_pages = vcpu.arch.ldt_pages;
            c.task_switched = vcpu.arch.task_switched;
            c.guest_cr4 = vcpu.arch.cr4 & crate::trap::registers::CR4_OF_HARDWARE;
            c.xcr0 = vcpu.arch.xcr0;
            c.tsc_aux = vcpu.arch.tsc_aux;
            (c.ports, c.info, c.channel) = (vcpu.ports, vcpu.info, vcpu.channel());
            c.debugreg = vcpu.arch.debugreg;
        });
        self.change_tlbs(1 << self.cpu(), CpuTlb::flush);
        touched(Touch::EnterSpace);
        self.record(Happened::Load(vcpu.id));
    }

    fn unload_vcpu(&self) {
        self.with_cpu(|c| c.root = None);
        self.change_tlbs(1 << self.cpu(), CpuTlb::flush);
        touched(Touch::LeaveSpace);
        self.record(Happened::Unload);
    }

    fn nmis(&self) -> u64 {
        0
    }

    fn try_out_watchdog(&self) {}

    fn console_write(&self, bytes: &[u8]) {
        self.state.lock().console_out.extend_from_slice(bytes);
    }

    fn console_read(&self) -> Option<u8> {
        self.state.lock().console_in.pop_front()
    }

    fn heap_used(&self) -> u64 {
        0
    }

    fn read_log(&self, from: Option<u32>, buf: &mut [u8]) -> (usize, u32) {
        let state = self.state.lock();
        let first = state.log_cleared.max(from.unwrap_or(0) as usize);
        let rest = state.log.get(first..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        (len, (first.min(state.log.len()) + len) as u32)
    }

    fn clear_log(&self, to: u32) {
        let mut state = self.state.lock();
        state.log_cleared = state.log_cleared.max(to as usize);
    }

    fn take_log_news(&self) -> bool {
        core::mem::take(&mut self.state.lock().log_news)
    }

    fn shutdown(&self, how: Shutdown) -> ! {
        panic!("the machine ends: {how:?}");
    }

    fn dump(&self, regs: &Regs, _va: Option<u64>) {
        self.record(Happened::Dump(regs.rip));
    }
}
