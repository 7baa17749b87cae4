//! memory.h and the extended MMU operations, for a domain under construction.

use alloc::vec::Vec;
use core::mem::offset_of;
use core::ops::Range;

use hypercall_abi::memory::*;
use hypercall_abi::xen::*;
use zerocopy::{FromZeros, IntoBytes};

use super::{Arg, Call, Hyper};
use crate::error::Error;

/// Pages asked for in one hypercall.
const POPULATE_BATCH: u64 = 1024;

/// Typed memory operations.
pub trait MemoryExt: super::HyperExt {
    /// XENMEM_populate_physmap: gives `domain` one frame for each PFN of the range, and returns
    /// the frames in that order. The machine-to-phys entries are set by the same operation.
    ///
    /// # Errors
    /// The hypervisor's refusal, or that it ran out of memory part-way.
    fn populate(&mut self, domain: domid_t, pfns: Range<u64>) -> Result<Vec<u64>, Error> {
        let mut frames = Vec::new();
        let mut next = pfns.start;
        while next < pfns.end {
            let count = POPULATE_BATCH.min(pfns.end - next);
            let mut extents: Vec<u64> = (next..next + count).collect();
            let done = self.populate_batch(domain, &mut extents)?;
            if done < count {
                let total = pfns.end - pfns.start;
                return Err(Error::OutOfMemory {
                    given: next - pfns.start + done,
                    wanted: total,
                });
            }
            frames.extend(extents);
            next += count;
        }
        Ok(frames)
    }

    #[doc(hidden)]
    fn populate_batch(&mut self, domain: domid_t, extents: &mut [u64]) -> Result<u64, Error> {
        let mut op = xen_memory_reservation::new_zeroed();
        op.nr_extents = extents.len() as u64;
        op.domid = domain;
        let arg = Arg::Structure {
            bytes: op.as_mut_bytes(),
            handle_at: offset_of!(xen_memory_reservation, extent_start),
            buffer: extents.as_mut_bytes(),
        };
        let args = [Arg::Value(XENMEM_populate_physmap.into()), arg];
        self.execute(
            "XENMEM_populate_physmap",
            Call::new(__HYPERVISOR_memory_op, args),
        )
    }

    /// MMUEXT_PIN_L4_TABLE: has the hypervisor validate a tree of page tables of `domain`.
    ///
    /// # Errors
    /// The hypervisor's refusal: some entry of the tree is not allowed.
    fn pin_l4_table(&mut self, domain: domid_t, mfn: u64) -> Result<(), Error> {
        let mut op = mmuext_op {
            cmd: MMUEXT_PIN_L4_TABLE,
            _pad0: [0; 4],
            arg1: mfn,
            arg2: 0,
        };
        let args = [
            Arg::Buffer(op.as_mut_bytes()),
            Arg::Value(1),
            Arg::Value(0),
            Arg::Value(domain.into()),
        ];
        self.execute(
            "MMUEXT_PIN_L4_TABLE",
            Call::new(__HYPERVISOR_mmuext_op, args),
        )
        .map(drop)
    }
}

impl<H: Hyper> MemoryExt for H {}
