//! The fake machine itself.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use spin::Mutex;

use super::state::{CpuState, EntryWrite, Happened, State};
use crate::addr::{
    ENTRIES, HYPERVISOR_SLOT_END, HYPERVISOR_SLOT_START, Mfn, PAGE_SIZE, table_index,
};
use crate::platform::{
    CopyFault, CpuId, CpuMask, Machine, Nanos, Refused, Segment, Shutdown, TscScale,
};
use crate::pv::entry::ValidEntry;
use crate::vcpu::{Mode, Regs, Vcpu};

/// Where a fake CPU sees its LDT, in the hypervisor's range.
pub const FAKE_LDT: u64 = 0xffff_8700_0002_0000;

/// Most CPUs of a fake machine.
pub const MAX_CPUS: usize = 64;

/// Present, writable and user bits of a page-table entry (processor manual, volume 3, 4.5).
const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What an access of the current guest wants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// A machine made of vectors. Every method may be called from several threads; "this CPU" is the
/// one chosen by [`FakeMachine::run_on`].
pub struct FakeMachine {
    words: Vec<AtomicU64>,
    frames: u64,
    clock: AtomicU64,
    cpu: AtomicU32,
    /// Guest accesses still to succeed before one fails; `u64::MAX` when none shall.
    accesses_left: AtomicU64,
    state: Mutex<State>,
}

impl FakeMachine {
    /// A machine of `frames` zeroed frames.
    #[must_use]
    pub fn new(frames: usize) -> Self {
        Self {
            words: (0..frames * ENTRIES).map(|_| AtomicU64::new(0)).collect(),
            frames: frames as u64,
            clock: AtomicU64::new(0),
            cpu: AtomicU32::new(0),
            accesses_left: AtomicU64::new(u64::MAX),
            state: Mutex::new(State::new(MAX_CPUS)),
        }
    }

    /// Number of frames.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Makes `cpu` the CPU that "this CPU" means.
    pub fn run_on(&self, cpu: CpuId) {
        assert!((cpu as usize) < MAX_CPUS);
        self.cpu.store(cpu, Ordering::SeqCst);
    }

    /// Sets the clock, in nanoseconds since the hypervisor started.
    pub fn set_now(&self, now: Nanos) {
        self.clock.store(now, Ordering::SeqCst);
    }

    /// Advances the clock.
    pub fn advance(&self, by: Nanos) {
        self.clock.fetch_add(by, Ordering::SeqCst);
    }

    /// Lets `successes` more guest accesses through and fails the one after them, once.
    pub fn fail_guest_access_after(&self, successes: u64) {
        self.accesses_left.store(successes, Ordering::SeqCst);
    }

    /// Takes back [`Self::fail_guest_access_after`]; true if the failure has not happened yet.
    pub fn stop_failing(&self) -> bool {
        self.accesses_left.swap(u64::MAX, Ordering::SeqCst) != u64::MAX
    }

    /// Declares `mfn` the hypervisor's own: writes to it through the guest methods panic.
    pub fn protect(&self, mfn: Mfn) {
        self.state.lock().protected.insert(mfn.0);
    }

    /// All table-entry writes so far, in order.
    #[must_use]
    pub fn entry_writes(&self) -> Vec<EntryWrite> {
        self.state.lock().entry_writes.clone()
    }

    /// Takes the record of what was asked of the hardware since the last call, in order.
    pub fn take_happened(&self) -> Vec<Happened> {
        core::mem::take(&mut self.state.lock().happened)
    }

    /// Takes what was written to the console.
    pub fn take_console(&self) -> Vec<u8> {
        core::mem::take(&mut self.state.lock().console_out)
    }

    /// Makes `bytes` the console's input.
    pub fn type_in(&self, bytes: &[u8]) {
        self.state.lock().console_in.extend(bytes);
    }

    /// Changes the state that tests may set: selectors that fault, MSRs, ports, CPUID leaves.
    pub fn configure(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
    }

    /// This CPU's state, as the last loads left it.
    #[must_use]
    pub fn cpu_state(&self) -> CpuState {
        self.with_cpu(|c| c.clone())
    }

    /// When `cpu`'s timer is armed for; `Nanos::MAX` when it is not.
    #[must_use]
    pub fn armed(&self, cpu: CpuId) -> Nanos {
        self.state.lock().cpus[cpu as usize].timer
    }

    fn with_cpu<T>(&self, f: impl FnOnce(&mut CpuState) -> T) -> T {
        let cpu = self.cpu.load(Ordering::SeqCst) as usize;
        f(&mut self.state.lock().cpus[cpu])
    }

    fn record(&self, what: Happened) {
        self.state.lock().happened.push(what);
    }

    fn word(&self, mfn: Mfn, offset: usize) -> &AtomicU64 {
        assert!(mfn.0 < self.frames, "{mfn:?} is not in the machine");
        assert!(offset < PAGE_SIZE, "offset {offset:#x} leaves the frame");
        &self.words[mfn.0 as usize * ENTRIES + offset / 8]
    }

    /// A word that the hypervisor writes on behalf of a guest.
    fn guest_word(&self, mfn: Mfn, offset: usize) -> &AtomicU64 {
        assert!(
            !self.state.lock().protected.contains(&mfn.0),
            "{mfn:?} is the hypervisor's own"
        );
        self.word(mfn, offset)
    }

    /// Replaces `bytes` at `offset`, each word in one atomic operation.
    fn put(&self, mfn: Mfn, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= PAGE_SIZE, "write leaves the frame");
        let mut at = offset;
        for &byte in bytes {
            let shift = at % 8 * 8;
            let word = self.guest_word(mfn, at);
            let _ = word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |w| {
                Some(w & !(0xff << shift) | u64::from(byte) << shift)
            });
            at += 1;
        }
    }

    fn byte(&self, mfn: Mfn, offset: usize) -> u8 {
        (self.word(mfn, offset).load(Ordering::SeqCst) >> (offset % 8 * 8)) as u8
    }

    /// Walks this CPU's root with a guest's rights.
    fn walk(&self, va: u64, access: Access) -> Result<(Mfn, usize), CopyFault> {
        let mut table = self.with_cpu(|c| c.root).ok_or(CopyFault(va))?;
        for level in (1..=4).rev() {
            let entry = self.read_entry(table, table_index(va, level));
            let refused = entry & PRESENT == 0
                || entry & USER == 0
                || (access == Access::Write && entry & WRITABLE == 0);
            let next = Mfn::containing(entry & ADDRESS);
            if refused || next.0 >= self.frames {
                return Err(CopyFault(va));
            }
            table = next;
        }
        Ok((table, va as usize % PAGE_SIZE))
    }

    /// Counts one guest access; fails it if it is the one chosen.
    fn count_access(&self, va: u64) -> Result<(), CopyFault> {
        match self.accesses_left.load(Ordering::SeqCst) {
            u64::MAX => Ok(()),
            0 => {
                self.accesses_left.store(u64::MAX, Ordering::SeqCst);
                Err(CopyFault(va))
            }
            left => {
                self.accesses_left.store(left - 1, Ordering::SeqCst);
                Ok(())
            }
        }
    }

    /// Calls `part` for every piece of `va..va + len` that lies in one page, with the piece's frame,
    /// offset in the frame, and position in the buffer.
    fn pieces(
        &self,
        va: u64,
        len: usize,
        access: Access,
        mut part: impl FnMut(Mfn, usize, core::ops::Range<usize>),
    ) -> Result<(), CopyFault> {
        self.count_access(va)?;
        let mut done = 0;
        while done < len {
            let at = va.wrapping_add(done as u64);
            let (mfn, offset) = self.walk(at, access)?;
            let piece = (PAGE_SIZE - offset).min(len - done);
            part(mfn, offset, done..done + piece);
            done += piece;
        }
        Ok(())
    }
}

impl Machine for FakeMachine {
    fn read_entry(&self, table: Mfn, index: usize) -> u64 {
        self.word(table, index * 8).load(Ordering::SeqCst)
    }

    fn eight_absent(&self, table: Mfn, index: usize) -> bool {
        assert!(index.is_multiple_of(8));
        (index..index + 8).all(|i| self.read_entry(table, i) & PRESENT == 0)
    }

    fn write_entry(&self, table: Mfn, index: usize, entry: ValidEntry) {
        let old = self
            .word(table, index * 8)
            .swap(entry.raw(), Ordering::SeqCst);
        self.state.lock().entry_writes.push(EntryWrite {
            table,
            index,
            old,
            new: entry.raw(),
        });
    }

    fn swap_entry(&self, table: Mfn, index: usize, old: u64, new: ValidEntry) -> Result<(), u64> {
        self.word(table, index * 8).compare_exchange(
            old,
            new.raw(),
            Ordering::SeqCst,
            Ordering::SeqCst,
        )?;
        self.state.lock().entry_writes.push(EntryWrite {
            table,
            index,
            old,
            new: new.raw(),
        });
        Ok(())
    }

    fn install_hypervisor_slots(&self, table: Mfn) {
        for slot in HYPERVISOR_SLOT_START..HYPERVISOR_SLOT_END {
            // Present and supervisor-only; the address says which slot it is.
            self.word(table, slot * 8)
                .store(PRESENT | WRITABLE | (slot as u64) << 40, Ordering::SeqCst);
        }
    }

    fn zero_frame(&self, mfn: Mfn) {
        for offset in (0..PAGE_SIZE).step_by(8) {
            self.guest_word(mfn, offset).store(0, Ordering::SeqCst);
        }
    }

    fn copy_frame(&self, dst: Mfn, src: Mfn) {
        for offset in (0..PAGE_SIZE).step_by(8) {
            let value = self.word(src, offset).load(Ordering::SeqCst);
            self.guest_word(dst, offset).store(value, Ordering::SeqCst);
        }
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
        self.byte(mfn, offset)
    }

    fn store_u8(&self, mfn: Mfn, offset: usize, value: u8) {
        self.put(mfn, offset, &[value]);
    }

    fn load_u32(&self, mfn: Mfn, offset: usize) -> u32 {
        assert_eq!(offset % 4, 0, "misaligned");
        (self.word(mfn, offset).load(Ordering::SeqCst) >> (offset % 8 * 8)) as u32
    }

    fn store_u32(&self, mfn: Mfn, offset: usize, value: u32) {
        assert_eq!(offset % 4, 0, "misaligned");
        let shift = offset % 8 * 8;
        let _ =
            self.guest_word(mfn, offset)
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |w| {
                    Some(w & !(0xffff_ffff << shift) | u64::from(value) << shift)
                });
    }

    fn load_u64(&self, mfn: Mfn, offset: usize) -> u64 {
        assert_eq!(offset % 8, 0, "misaligned");
        self.word(mfn, offset).load(Ordering::SeqCst)
    }

    fn store_u64(&self, mfn: Mfn, offset: usize, value: u64) {
        assert_eq!(offset % 8, 0, "misaligned");
        self.guest_word(mfn, offset).store(value, Ordering::SeqCst);
    }

    fn fetch_or_u64(&self, mfn: Mfn, offset: usize, bits: u64) -> u64 {
        assert_eq!(offset % 8, 0, "misaligned");
        self.guest_word(mfn, offset)
            .fetch_or(bits, Ordering::SeqCst)
    }

    fn fetch_and_u64(&self, mfn: Mfn, offset: usize, bits: u64) -> u64 {
        assert_eq!(offset % 8, 0, "misaligned");
        self.guest_word(mfn, offset)
            .fetch_and(bits, Ordering::SeqCst)
    }

    fn copy_from_guest(&self, va: u64, buf: &mut [u8]) -> Result<(), CopyFault> {
        self.pieces(va, buf.len(), Access::Read, |mfn, offset, part| {
            self.read_frame(mfn, offset, &mut buf[part]);
        })
    }

    fn copy_to_guest(&self, va: u64, bytes: &[u8]) -> Result<(), CopyFault> {
        self.pieces(va, bytes.len(), Access::Write, |mfn, offset, part| {
            self.put(mfn, offset, &bytes[part]);
        })
    }

    fn read_guest_u64(&self, va: u64) -> Result<u64, CopyFault> {
        let mut bytes = [0; 8];
        self.copy_from_guest(va, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn write_guest_u64(&self, va: u64, value: u64) -> Result<(), CopyFault> {
        self.copy_to_guest(va, &value.to_le_bytes())
    }

    fn load_root(&self, root: Mfn) {
        self.with_cpu(|c| c.root = Some(root));
        self.record(Happened::LoadRoot(root));
    }

    fn flush_tlb_local(&self) {
        self.record(Happened::FlushLocal);
    }

    fn invlpg_local(&self, va: u64) {
        self.record(Happened::Invlpg(va));
    }

    fn flush_cache(&self) {
        self.record(Happened::FlushCache);
    }

    fn flush_tlb_remote(&self, mask: CpuMask) {
        self.record(Happened::FlushRemote(mask));
    }

    fn load_gdt(&self, frames: &[Mfn]) {
        self.with_cpu(|c| c.gdt = frames.to_vec());
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
        state.ports.get(&port).map_or(all_ones, |v| v & all_ones)
    }

    fn port_out(&self, port: u16, size: u8, value: u32) {
        self.record(Happened::PortOut(port, size, value));
    }

    fn cpu(&self) -> CpuId {
        self.cpu.load(Ordering::SeqCst)
    }

    fn kick(&self, cpu: CpuId) {
        if cpu != self.cpu() {
            self.record(Happened::Kick(cpu));
        }
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
                Mode::Kernel => (vcpu.arch.kernel_root, vcpu.arch.gs_base_kernel),
                Mode::User => (vcpu.arch.user_root, vcpu.arch.gs_base_user),
            };
            c.gdt = vcpu.arch.gdt.to_vec();
            c.ldt_entries = vcpu.arch.ldt_entries;
            c.ldt_pages = vcpu.arch.ldt_pages;
            c.task_switched = vcpu.arch.task_switched;
            c.debugreg = vcpu.arch.debugreg;
        });
        self.record(Happened::Load(vcpu.id));
    }

    fn unload_vcpu(&self) {
        self.with_cpu(|c| c.root = None);
        self.record(Happened::Unload);
    }

    fn console_write(&self, bytes: &[u8]) {
        self.state.lock().console_out.extend_from_slice(bytes);
    }

    fn console_read(&self) -> Option<u8> {
        self.state.lock().console_in.pop_front()
    }

    fn read_log(&self, buf: &mut [u8], clear: bool) -> usize {
        let mut state = self.state.lock();
        let newest = state.log.len().saturating_sub(buf.len());
        let len = state.log.len() - newest;
        buf[..len].copy_from_slice(&state.log[newest..]);
        if clear {
            state.log.clear();
        }
        len
    }

    fn shutdown(&self, how: Shutdown) -> ! {
        panic!("the machine ends: {how:?}");
    }

    fn dump(&self, regs: &Regs, _va: Option<u64>) {
        self.record(Happened::Dump(regs.rip));
    }
}
