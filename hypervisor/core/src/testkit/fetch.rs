//! Guest memory that changes between two reads: who reads twice what he was given notices.

use alloc::vec::Vec;

use super::machine::FakeMachine;

/// How often each byte of the window was read, and what every second read of it gives.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetches {
    counts: Vec<u8>,
    other: Vec<u8>,
}

impl Fetches {
    fn pass(&mut self, at: usize, bytes: &mut [u8]) {
        let range = at..at + bytes.len();
        let (Some(counts), Some(other)) =
            (self.counts.get_mut(range.clone()), self.other.get(range))
        else {
            return;
        };
        for ((byte, count), &other) in bytes.iter_mut().zip(counts).zip(other) {
            *count = count.saturating_add(1);
            if *count % 2 == 0 {
                *byte = other;
            }
        }
    }
}

impl FakeMachine {
    /// From now on every second read of a byte of the window gives that of `other`, which is as
    /// long as the window.
    pub fn alternate_window(&self, other: Vec<u8>) {
        let counts = alloc::vec![0; other.len()];
        self.state.lock().fetches = Some(Fetches { counts, other });
    }

    /// Ends [`Self::alternate_window`]; how often each byte was read.
    pub fn stop_alternating(&self) -> Vec<u8> {
        let fetches = self.state.lock().fetches.take();
        fetches.map_or_else(Vec::new, |f| f.counts)
    }

    /// The guest's memory in the window, read by the hypervisor.
    pub(super) fn fetch_window(&self, at: usize, bytes: &mut [u8]) {
        let mut state = self.state.lock();
        bytes.copy_from_slice(&state.window.1[at..at + bytes.len()]);
        if let Some(fetches) = state.fetches.as_mut() {
            fetches.pass(at, bytes);
        }
    }

    /// Makes room for what the machine will record, so that it needs no heap for a while: a test
    /// that takes the heap away means the hypervisor's.
    pub fn reserve_records(&self) {
        let mut state = self.state.lock();
        state.happened.reserve(1 << 12);
        state.entry_writes.reserve(1 << 12);
        state.console_out.reserve(1 << 12);
        for cpu in &mut state.cpus {
            cpu.gdt.reserve(16);
        }
    }
}
