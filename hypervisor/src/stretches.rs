//! How long the hypervisor keeps interrupts off: from an entry, or the end of a wait, to the way back
//! to a guest or the next wait. Noted only in an image built with the feature `stretches`, which the
//! boot test `longest_path` boots; in any other image nothing of it is left.

use arrayvec::ArrayVec;
use spin::Mutex;

use hypervisor_core::addr::guest_range;

use crate::arch::{cpu, guest_copy};

const ON: bool = cfg!(feature = "stretches");
/// Kinds of entries that are told apart; of more, the shorter are forgotten.
const KINDS: usize = 128;
/// How many are printed.
const SHOWN: usize = 40;

/// What brought a CPU into the hypervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A hypercall's number and its first argument; once kept, its number and operation.
    Hypercall(u64, u64),
    /// `syscall` in user mode.
    UserSyscall,
    /// An exception or interrupt of this vector.
    Vector(u32),
    /// An interrupt that ended a wait.
    Wait,
}

impl Entry {
    /// Without what only makes two calls of one operation different.
    fn kind(self) -> Self {
        match self {
            // Those whose first argument is the operation.
            Self::Hypercall(number @ (12 | 18 | 20 | 21 | 24 | 28..=30 | 32 | 33), operation) => {
                Self::Hypercall(number, operation & 0x3f)
            }
            // Those whose first argument is a structure that begins with it, or a list of such.
            Self::Hypercall(number @ (7 | 26 | 35 | 36), at) => {
                Self::Hypercall(number, first_word(at).into())
            }
            Self::Hypercall(number, _) => Self::Hypercall(number, 0),
            other => other,
        }
    }
}

/// The word at `va` of the guest's memory; all ones if there is none.
fn first_word(va: u64) -> u32 {
    let mut word = [0xff; 4];
    if guest_range(va, 4) {
        // SAFETY: the range was checked.
        let _ = unsafe { guest_copy::copy_from(va, &mut word) };
    }
    u32::from_le_bytes(word)
}

struct Stretch {
    entry: Entry,
    ticks: u64,
}

/// One CPU is enough to measure: with several, they would wait for one another here.
struct Record {
    /// What runs now, and since when.
    now: Option<(Entry, u64)>,
    /// The longest of each kind.
    longest: ArrayVec<Stretch, KINDS>,
}

static RECORD: Mutex<Record> = Mutex::new(Record {
    now: None,
    longest: ArrayVec::new_const(),
});

/// A stretch begins.
#[inline(always)]
pub(crate) fn begin(entry: Entry) {
    if ON {
        let kind = entry.kind();
        RECORD.lock().now = Some((kind, cpu::rdtsc()));
    }
}

/// The stretch ends, unless more is due on the way out: then it is noted again, longer.
#[inline(always)]
pub(crate) fn end() {
    if ON {
        note(cpu::rdtsc());
    }
}

fn note(tsc: u64) {
    let mut record = RECORD.lock();
    let Some((entry, since)) = record.now else {
        return;
    };
    record.keep(entry, tsc.wrapping_sub(since));
    // What this took is nobody's.
    record.now = Some((entry, since.wrapping_add(cpu::rdtsc().wrapping_sub(tsc))));
}

impl Record {
    fn keep(&mut self, entry: Entry, ticks: u64) {
        let longest = &mut self.longest;
        if let Some(stretch) = longest.iter_mut().find(|stretch| stretch.entry == entry) {
            stretch.ticks = stretch.ticks.max(ticks);
            return;
        }
        if longest.is_full() {
            let shortest = (0..longest.len()).min_by_key(|&index| longest[index].ticks);
            if let Some(shortest) = shortest {
                longest.swap_remove(shortest);
            }
        }
        longest.push(Stretch { entry, ticks });
    }
}

/// Prints the longest, when the machine ends.
pub(crate) fn print() {
    if !ON {
        return;
    }
    let mut record = RECORD.lock();
    (record.longest).sort_unstable_by_key(|stretch| core::cmp::Reverse(stretch.ticks));
    for stretch in record.longest.iter().take(SHOWN) {
        match stretch.entry {
            Entry::Hypercall(number, operation) => {
                info!("STRETCH {} hypercall {number} {operation}", stretch.ticks);
            }
            Entry::UserSyscall => info!("STRETCH {} syscall", stretch.ticks),
            Entry::Vector(vector) => info!("STRETCH {} vector {vector}", stretch.ticks),
            Entry::Wait => info!("STRETCH {} wait", stretch.ticks),
        }
    }
    info!("STRETCHES END");
}
