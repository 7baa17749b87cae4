//! The trace format: eight bytes are one step, and every string of bytes is a trace.
//!
//! ```text
//! byte 0   bits 0-1 the CPU, bits 2-4 the budget, bits 5-7 patience
//! byte 1   the operation (a table gives common ones several numbers)
//! byte 2-7 operands: they choose among what there is when the step runs
//! ```

use alloc::vec::Vec;
use core::fmt;

/// Bytes of one step.
pub const STEP: usize = 8;
/// CPUs of the machine.
pub const CPUS: u8 = 3;

/// Budgets of one entry into the hypervisor that a step chooses from.
const BUDGETS: [u32; 8] = [1, 1, 2, 3, 8, 64, 512, 512];

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `mmu_update` of the caller's own tables, 1 to 4 requests.
    MmuUpdate,
    /// `mmu_update` of another's tables, or mapping another's pages.
    MmuForeign,
    /// `update_va_mapping`.
    UpdateVa,
    /// `update_va_mapping_otherdomain`.
    UpdateVaOther,
    /// `MMUEXT_PIN_L1_TABLE` to `L4`.
    Pin,
    /// `MMUEXT_UNPIN_TABLE`.
    Unpin,
    /// Either, of another domain's table.
    PinForeign,
    /// `MMUEXT_NEW_BASEPTR`.
    NewRoot,
    /// `MMUEXT_NEW_USER_BASEPTR`.
    NewUserRoot,
    /// `MMUEXT_CLEAR_PAGE`.
    ClearPage,
    /// `MMUEXT_COPY_PAGE`.
    CopyPage,
    /// All scopes of TLB and INVLPG flushes, FLUSH_CACHE, marks of superpages, an unknown one.
    Flush,
    /// `MMUEXT_SET_LDT`.
    SetLdt,
    /// The processor finds a page of the LDT missing.
    LdtFault,
    /// `set_gdt`.
    SetGdt,
    /// `update_descriptor`.
    Descriptor,
    /// `XENMEM_populate_physmap`.
    Populate,
    /// `XENMEM_increase_reservation`.
    Increase,
    /// `XENMEM_decrease_reservation`.
    Decrease,
    /// `XENMEM_exchange`.
    Exchange,
    /// `XENMEM_current_reservation`, `maximum_reservation`.
    Reservation,
    /// The guest reads or writes an address.
    Touch,
    /// The guest kernel stores to a page-table entry.
    Store,
    /// This CPU's timer.
    Tick,
    /// `iret` to user mode, or `syscall` back.
    Mode,
    /// `vm_assist`.
    Assist,
    /// `XEN_DOMCTL_max_mem`.
    MaxMem,
    /// `XEN_DOMCTL_destroydomain`.
    Destroy,
    /// The next of what a toolstack does to make a domain in the place of one that was destroyed:
    /// `XEN_DOMCTL_createdomain`.
    Create,
    /// As before, `XEN_DOMCTL_max_vcpus`.
    MaxVcpus,
    /// As before, `XEN_DOMCTL_setvcpucontext`.
    SetContext,
    /// As before, `XEN_DOMCTL_unpausedomain`.
    Unpause,
    /// `XENMEM_claim_pages`.
    Claim,
    /// `multicall` of several of the above.
    Multicall,
    /// Seldom: everything comes to rest, all domains end, and others begin. Else nothing.
    Anew,
}

use Kind::*;

/// How often each operation comes, of [`TOTAL`].
const WEIGHTS: [(Kind, u8); 35] = [
    (MmuUpdate, 46),
    (MmuForeign, 16),
    (UpdateVa, 20),
    (UpdateVaOther, 6),
    (Pin, 20),
    (Unpin, 12),
    (PinForeign, 4),
    (NewRoot, 10),
    (NewUserRoot, 6),
    (ClearPage, 6),
    (CopyPage, 4),
    (Flush, 8),
    (SetLdt, 3),
    (LdtFault, 4),
    (SetGdt, 4),
    (Descriptor, 4),
    (Populate, 9),
    (Increase, 3),
    (Decrease, 9),
    (Exchange, 4),
    (Reservation, 2),
    (Touch, 15),
    (Store, 10),
    (Tick, 4),
    (Mode, 5),
    (Assist, 1),
    (MaxMem, 1),
    (Destroy, 1),
    (Create, 6),
    (MaxVcpus, 0),
    (SetContext, 0),
    (Unpause, 0),
    (Claim, 2),
    (Multicall, 10),
    (Anew, 1),
];

/// One step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which CPU acts.
    pub cpu: u8,
    /// Units of work of each entry into the hypervisor.
    pub budget: u32,
    /// Whether an interrupted call is continued at once; else other CPUs come between.
    pub at_once: bool,
    /// What it does.
    pub kind: Kind,
    /// Operands.
    pub args: [u8; 6],
}

impl Step {
    /// The step that eight bytes are.
    #[must_use]
    pub fn decode(bytes: [u8; STEP]) -> Self {
        let mut number = bytes[1];
        let mut kind = MmuUpdate;
        for (candidate, weight) in WEIGHTS {
            kind = candidate;
            if number < weight {
                break;
            }
            number -= weight;
        }
        let mut args = [0; 6];
        args.copy_from_slice(&bytes[2..]);
        Self {
            cpu: bytes[0] % 4 % CPUS,
            budget: BUDGETS[usize::from(bytes[0] >> 2 & 7)],
            at_once: bytes[0] >> 5 < 4,
            kind,
            args,
        }
    }

    /// The step that chooses entry `n` of a multicall.
    #[must_use]
    pub fn entry(&self, n: u64) -> Self {
        let mut seed = [0; 8];
        seed[..6].copy_from_slice(&self.args);
        let mut random = Random(u64::from_le_bytes(seed) ^ (n + 1) << 48);
        Self::decode(random.next().to_le_bytes())
    }

    /// Six more operands, made from these: for the `n`th request of a list.
    #[must_use]
    pub fn more(&self, n: u64) -> [u8; 6] {
        let mut args = self.args;
        if n > 0 {
            let mut seed = [0; 8];
            seed[..6].copy_from_slice(&args);
            let mut random = Random(u64::from_le_bytes(seed) ^ n << 56);
            args.copy_from_slice(&random.next().to_le_bytes()[..6]);
        }
        args
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wait = if self.at_once { "" } else { " yielding" };
        write!(
            f,
            "cpu{} budget {}{wait}: {:?} {:02x?}",
            self.cpu, self.budget, self.kind, self.args
        )
    }
}

/// The steps of a trace; what is missing of the last is zero.
pub fn steps(bytes: &[u8]) -> impl Iterator<Item = Step> + '_ {
    bytes.chunks(STEP).map(|chunk| {
        let mut whole = [0; STEP];
        whole[..chunk.len()].copy_from_slice(chunk);
        Step::decode(whole)
    })
}

/// A generator of random traces (splitmix64).
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A trace of `steps` steps.
    pub fn trace(&mut self, steps: usize) -> Vec<u8> {
        (0..steps).flat_map(|_| self.next().to_le_bytes()).collect()
    }
}
