//! Memory of the fake machine's domains: populated, validated as page tables, ballooned, and read
//! the way a guest reads it.

use std::collections::BTreeMap;

use hypercall_abi::errno::*;
use hypercall_abi::memory::*;
use hypercall_abi::xen::*;

use super::machine::{Machine, PAGE, Result};

impl Machine {
    pub(super) fn populate(
        &mut self,
        op: &xen_memory_reservation,
        extents: &mut [u8],
    ) -> Result<u64> {
        if op.extent_order != 0 || op.mem_flags != 0 || op.nr_extents * 8 != extents.len() as u64 {
            return Err(XEN_EINVAL);
        }
        let limit = self.domain(op.domid)?.max_pages;
        let before = self.pages_of(op.domid);
        for (done, extent) in extents.chunks_exact_mut(8).enumerate() {
            if before + done as u64 >= limit {
                return Ok(done as u64);
            }
            let Ok(mfn) = self.take_frame(op.domid) else {
                return Ok(done as u64);
            };
            self.frames[mfn as usize].m2p = u64::from_le_bytes(extent.try_into().unwrap());
            extent.copy_from_slice(&mfn.to_le_bytes());
        }
        Ok(op.nr_extents)
    }

    pub(super) fn pin(&mut self, op: &mmuext_op, id: domid_t) -> Result<()> {
        if op.cmd != MMUEXT_PIN_L4_TABLE {
            return Err(XEN_ENOSYS);
        }
        let mut tables = BTreeMap::new();
        self.collect_tables(op.arg1, 4, id, &mut tables)?;
        for (mfn, level) in &tables {
            if self.frames[*mfn as usize].mapped_writable != 0 {
                return Err(XEN_EINVAL);
            }
            for index in 0..512 {
                let entry = self.word(*mfn, index);
                let target = (entry & 0x000f_ffff_ffff_f000) >> 12;
                if *level == 1 && entry & 3 == 3 && tables.contains_key(&target) {
                    return Err(XEN_EINVAL);
                }
            }
        }
        for (mfn, level) in tables {
            self.frames[mfn as usize].table = level;
        }
        self.domain(id)?.pinned.insert(op.arg1);
        Ok(())
    }

    fn collect_tables(
        &self,
        mfn: u64,
        level: u8,
        id: domid_t,
        tables: &mut BTreeMap<u64, u8>,
    ) -> Result<()> {
        self.owned(mfn, id)?;
        if tables
            .insert(mfn, level)
            .is_some_and(|known| known != level)
        {
            return Err(XEN_EINVAL);
        }
        for index in 0..512 {
            let entry = self.word(mfn, index);
            if entry == 0 {
                continue;
            }
            // Present; no reserved, NX-less, or large-page bits; nothing in the hypervisor's slots.
            let reserved = 0xfff0_0000_0000_0000 | 0x198;
            let hypervisors = level == 4 && (256..272).contains(&index);
            if entry & 1 == 0 || entry & reserved != 0 || hypervisors {
                return Err(XEN_EINVAL);
            }
            let target = entry >> 12;
            if level > 1 {
                self.collect_tables(target, level - 1, id, tables)?;
            } else if self.owned(target, id)?.special {
                return Err(XEN_EINVAL);
            }
        }
        Ok(())
    }

    /// Gives or takes pages, as a guest's balloon would.
    pub fn balloon(&mut self, id: domid_t, pages: u64) {
        let pages = pages.min(self.domains[&id].max_pages);
        for _ in self.pages_of(id)..pages {
            if self.take_frame(id).is_err() {
                return;
            }
        }
        // The highest PFNs go first that are neither mapped nor tables.
        let idle = |mfn: &u64| {
            let frame = &self.frames[*mfn as usize];
            frame.owner == Some(id) && !frame.special && frame.mapped == 0 && frame.table == 0
        };
        let mut victims: Vec<u64> = (0..self.frames.len() as u64).filter(idle).collect();
        victims.sort_by_key(|mfn| std::cmp::Reverse(self.frames[*mfn as usize].m2p));
        let excess = self.pages_of(id).saturating_sub(pages) as usize;
        for mfn in victims.into_iter().take(excess) {
            let frame = &mut self.frames[mfn as usize];
            (frame.owner, frame.m2p) = (None, u64::MAX);
            self.free.push(mfn);
        }
    }

    /// The guest's own view: the frame behind a virtual address, and whether it can be written.
    pub fn walk(&self, id: domid_t, address: u64) -> Option<(u64, bool)> {
        let root = self.domains[&id].context?.ctrlreg[3] >> 12;
        let (mut mfn, mut writable) = (root, true);
        for level in (1..=4).rev() {
            let index = (address >> (3 + 9 * level)) as usize % 512;
            let entry = self.word(mfn, index);
            if entry & 1 == 0 {
                return None;
            }
            writable &= entry & 2 != 0;
            mfn = entry >> 12;
        }
        Some((mfn, writable))
    }

    /// Reads guest memory through the guest's page tables.
    pub fn read(&self, id: domid_t, address: u64, size: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < size {
            let at = address + bytes.len() as u64;
            let (mfn, _) = self.walk(id, at)?;
            let offset = (at % PAGE as u64) as usize;
            let end = PAGE.min(offset + size - bytes.len());
            bytes.extend(&self.frames[mfn as usize].data[offset..end]);
        }
        Some(bytes)
    }
}
