//! The fake machine itself.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use spin::Mutex;

use super::state::{CpuState, EntryWrite, Happened, State};
use crate::addr::{ENTRIES, Mfn, PAGE_SIZE, table_index};
use crate::hypercall::Budget;
use crate::platform::{CopyFault, CpuId, Machine, Nanos};

/// Where a fake CPU sees its LDT, in the hypervisor's range.
pub const FAKE_LDT: u64 = 0xffff_8700_0002_0000;

/// Most CPUs of a fake machine.
pub const MAX_CPUS: usize = 64;

/// Present, writable and user bits of a page-table entry (processor manual, volume 3, 4.5).
pub(super) const PRESENT: u64 = 1;
pub(super) const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
pub(super) const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What an access of the current guest wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A way in which CPUs do not see what another did as the code has it: tests of code that several CPUs
/// run must find each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Weakness {
    /// None.
    None,
    /// Others do not see that a CPU looks ([`Machine::look`]).
    NoMark,
    /// Nobody waits for CPUs that look ([`Machine::looking_of`]).
    NoWait,
    /// A frame is zeroed only after the next store.
    LateZero,
    /// Stores pass later loads in spite of [`Machine::barrier`].
    NoBarrier,
}

/// A machine made of vectors. Every method may be called from several threads; "this CPU" is the
/// one chosen by [`FakeMachine::run_on`].
pub struct FakeMachine {
    words: &'static [AtomicU64],
    frames: u64,
    pub(super) clock: AtomicU64,
    pub(super) cpu: AtomicU32,
    /// Guest accesses still to succeed before one fails; `u64::MAX` when none shall.
    accesses_left: AtomicU64,
    /// What [`Machine::budget`] answers.
    pub(super) budget: AtomicU32,
    /// What the machine does wrong: a [`Weakness`].
    weakness: AtomicU8,
    /// Each CPU's mark that it looks.
    pub(super) looking: [AtomicU64; MAX_CPUS],
    /// See [`Self::take_dirty`].
    dirty: [AtomicU64; 2],
    /// See [`Self::epoch`].
    epoch: AtomicU64,
    pub(super) state: Mutex<State>,
}

impl FakeMachine {
    /// A machine of `frames` zeroed frames.
    #[must_use]
    pub fn new(frames: usize) -> Self {
        Self {
            words: super::forever((0..frames * ENTRIES).map(|_| AtomicU64::new(0))),
            frames: frames as u64,
            clock: AtomicU64::new(0),
            cpu: AtomicU32::new(0),
            accesses_left: AtomicU64::new(u64::MAX),
            budget: AtomicU32::new(Budget::FULL),
            weakness: AtomicU8::new(Weakness::None as u8),
            looking: [const { AtomicU64::new(0) }; MAX_CPUS],
            dirty: [const { AtomicU64::new(0) }; 2],
            epoch: AtomicU64::new(0),
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

    /// From now on the machine does what no machine may, in threads that take turns.
    pub fn weaken(&self, weakness: Weakness) {
        self.weakness.store(weakness as u8, Ordering::SeqCst);
    }

    pub(super) fn has(&self, weakness: Weakness) -> bool {
        self.weakness.load(Ordering::SeqCst) == weakness as u8
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

    /// Makes every entry into the hypervisor do at most `units` of work before it is continued.
    pub fn set_budget(&self, units: u32) {
        self.budget.store(units, Ordering::SeqCst);
    }

    /// A number that the test sets; what CPUs remember of page tables is marked with it.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Sets [`Self::epoch`].
    pub fn set_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    /// Which of the first 128 frames were written since the last call, a bit each.
    pub fn take_dirty(&self) -> u128 {
        let [low, high] = [0, 1].map(|i: usize| self.dirty[i].swap(0, Ordering::Relaxed));
        u128::from(high) << 64 | u128::from(low)
    }

    /// The words of a frame.
    #[must_use]
    pub fn frame_words(&self, mfn: Mfn) -> &[AtomicU64] {
        let start = mfn.0 as usize * ENTRIES;
        &self.words[start..start + ENTRIES]
    }

    /// Makes the `bytes.len()` bytes at `va` guest memory on every CPU, whatever the page tables
    /// say: a place for arguments that a guest cannot lose.
    pub fn set_window(&self, va: u64, bytes: Vec<u8>) {
        self.state.lock().window = (va, bytes);
    }

    /// Changes bytes of the window, from its byte `at` on.
    pub fn write_window(&self, at: usize, bytes: &[u8]) {
        self.state.lock().window.1[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Reads bytes of the window, from its byte `at` on.
    pub fn read_window(&self, at: usize, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.state.lock().window.1[at..at + bytes.len()]);
    }

    /// Forgets what was recorded of writes and of the hardware.
    pub fn forget_history(&self) {
        let mut state = self.state.lock();
        state.entry_writes.clear();
        state.happened.clear();
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

    pub(super) fn with_cpu<T>(&self, f: impl FnOnce(&mut CpuState) -> T) -> T {
        let cpu = self.cpu() as usize;
        f(&mut self.state.lock().cpus[cpu])
    }

    pub(super) fn record(&self, what: Happened) {
        self.state.lock().happened.push(what);
    }

    /// Entry `index` of a table.
    pub(super) fn entry(&self, table: Mfn, index: usize) -> u64 {
        self.word(table, index * 8).load(Ordering::SeqCst)
    }

    /// The processor sets accessed and dirty bits.
    pub(super) fn set_entry_bits(&self, table: Mfn, index: usize, bits: u64) {
        self.soil(table);
        self.word(table, index * 8).fetch_or(bits, Ordering::SeqCst);
    }

    /// Notes that a frame is written.
    pub(super) fn soil(&self, mfn: Mfn) {
        if let Some(dirty) = self.dirty.get((mfn.0 / 64) as usize) {
            dirty.fetch_or(1 << (mfn.0 % 64), Ordering::Relaxed);
        }
    }

    pub(super) fn word(&self, mfn: Mfn, offset: usize) -> &'static AtomicU64 {
        assert!(mfn.0 < self.frames, "{mfn:?} is not in the machine");
        assert!(offset < PAGE_SIZE, "offset {offset:#x} leaves the frame");
        &self.words[mfn.0 as usize * ENTRIES + offset / 8]
    }

    /// A word that the hypervisor writes on behalf of a guest.
    pub(super) fn guest_word(&self, mfn: Mfn, offset: usize) -> &'static AtomicU64 {
        assert!(
            !self.state.lock().protected.contains(&mfn.0),
            "{mfn:?} is the hypervisor's own"
        );
        self.soil(mfn);
        self.word(mfn, offset)
    }

    /// Replaces `bytes` at `offset`, each word in one atomic operation.
    pub(super) fn put(&self, mfn: Mfn, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= PAGE_SIZE, "write leaves the frame");
        for (at, &byte) in (offset..).zip(bytes) {
            let shift = at % 8 * 8;
            let word = self.guest_word(mfn, at);
            let _ = word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |w| {
                Some(w & !(0xff << shift) | u64::from(byte) << shift)
            });
        }
    }

    pub(super) fn byte(&self, mfn: Mfn, offset: usize) -> u8 {
        (self.word(mfn, offset).load(Ordering::SeqCst) >> (offset % 8 * 8)) as u8
    }

    /// Walks the tables from `root` with a guest's rights.
    pub(super) fn walk_tables(&self, root: Mfn, va: u64, write: bool) -> Result<(Mfn, usize), ()> {
        let mut table = root;
        for level in (1..=4).rev() {
            let entry = self.read_entry(table, table_index(va, level));
            let refused =
                entry & PRESENT == 0 || entry & USER == 0 || (write && entry & WRITABLE == 0);
            let next = Mfn::containing(entry & ADDRESS);
            if refused || next.0 >= self.frames {
                return Err(());
            }
            table = next;
        }
        Ok((table, va as usize % PAGE_SIZE))
    }

    /// Counts one guest access; fails it if it is the one chosen.
    pub(super) fn count_access(&self, va: u64) -> Result<(), CopyFault> {
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

    /// Where in the window the `len` bytes at `va` are, if they are in it.
    pub(super) fn in_window(&self, va: u64, len: usize) -> Option<usize> {
        let state = self.state.lock();
        let (start, bytes) = &state.window;
        let at = usize::try_from(va.checked_sub(*start)?).ok()?;
        (at.checked_add(len)? <= bytes.len()).then_some(at)
    }

    /// Calls `part` for every piece of `va..va + len` that lies in one page, with the piece's frame,
    /// offset in the frame, and position in the buffer.
    pub(super) fn pieces(
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
            let mfn = self
                .guest_access(at, access == Access::Write)
                .ok()
                .filter(|mfn| mfn.0 < self.frames)
                .ok_or(CopyFault(at))?;
            let offset = at as usize % PAGE_SIZE;
            let piece = (PAGE_SIZE - offset).min(len - done);
            part(mfn, offset, done..done + piece);
            done += piece;
        }
        Ok(())
    }
}
