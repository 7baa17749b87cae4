//! Random traces of memory operations (`trace=SEED[,STEPS[,SHOW]]` on the command line): the format
//! and the generator of the hypervisor's own random tests, played by a real guest with its spare
//! pages. The same seed gives the same steps everywhere, so what this prints must be the same on Xen and on
//! Paravane: every [`SLICE`] steps a digest of all results, and of what the pages and their
//! mappings hold then. From step `SHOW` on each result, page and mapping has a line of its own.
//!
//! Frames have no numbers in any of this, only places among the spare pages; accessed and dirty
//! bits, which depend on the processor, are left out.

#[path = "../../hypervisor/core/tests/traces/trace/format.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the hypervisor's tests use all of it"
)]
mod format;

use crate::check::page::{self, Page, UNMAPPED};
use crate::check::probe::{self, code};
use crate::hypercall::{self, HvResult};
use crate::log::kprintln;
use crate::mm::paging::pte;
use alloc::vec::Vec;
use format::{Kind, Random, Step};
use hypercall_abi::xen::*;

/// Spare pages, the whole world of a trace.
const PAGES: usize = 16;
/// Steps between two digests.
const SLICE: u64 = 500;
/// Entries of a page that steps touch; none belongs to the hypervisor in a root.
const INDICES: [usize; 6] = [0, 1, 2, 255, 300, 511];
/// A frame that no machine here has.
const FAR: u64 = 1 << 36;
/// A domain that does not exist.
const NOBODY: u16 = 77;
/// The frame's number in an entry.
const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// Low and high bits of the entries that steps write.
const FLAGS: [u64; 16] = [
    pte::TABLE,
    pte::RO,
    pte::RW,
    pte::TABLE,
    pte::RO,
    pte::RX,
    0,
    0,
    pte::PRESENT,
    pte::PRESENT | pte::WRITE,
    pte::RW | 1 << 9,
    pte::RO | 7 << 9,
    pte::TABLE | 1 << 7,
    pte::RO | 1 << 8,
    pte::RW & !(pte::ACCESSED | pte::DIRTY),
    pte::WRITE | pte::USER | 1 << 10,
];

code! {
    load: "mov rax, [rdi]";
    store: "mov rax, [rdi]", "mov rcx, [rdi + 8]", "mov [rax], rcx";
}

struct World {
    pages: Vec<Page>,
    digest: u64,
    done: u64,
    refused: u64,
    skipped: u64,
    show: bool,
}

/// Plays the trace that the option's value names.
pub(crate) fn run(option: &str) {
    let mut numbers = option.split(',').map(|word| word.parse::<u64>().ok());
    let Some(Some(seed)) = numbers.next() else {
        kprintln!("TRACE what is `{option}`? trace=SEED[,STEPS[,SHOW]] is meant");
        return;
    };
    let steps = numbers.next().flatten().unwrap_or(10_000);
    let show = numbers.next().flatten().unwrap_or(u64::MAX);
    let mut world = World {
        pages: (0..PAGES).map(|_| Page::new()).collect(),
        digest: 0xcbf2_9ce4_8422_2325,
        done: 0,
        refused: 0,
        skipped: 0,
        show: false,
    };
    let mut random = Random(seed);
    for number in 1..=steps {
        world.show = number >= show;
        let step = Step::decode(random.next().to_le_bytes());
        world.step(number, &step);
        if number % SLICE == 0 {
            world.look();
            let World {
                digest,
                done,
                refused,
                ..
            } = world;
            kprintln!("TRACE {number} digest={digest:#018x} done={done} refused={refused}");
        }
    }
    kprintln!("TRACES DONE steps={steps} skipped={}", world.skipped);
    // The pages stay what the trace made of them: the machine ends here.
    core::mem::forget(world.pages);
}

impl World {
    fn page(&self, operand: u8) -> &Page {
        &self.pages[usize::from(operand) % PAGES]
    }

    fn frame(&self, operand: u8) -> u64 {
        match self.pages.get(usize::from(operand) % (PAGES + 1)) {
            Some(page) => page.mfn(),
            None => FAR,
        }
    }

    fn entry(&self, frame: u8, flags: u8) -> u64 {
        self.frame(frame) << 12 | FLAGS[usize::from(flags) % FLAGS.len()]
    }

    /// An entry in terms of places among the pages.
    fn shown(&self, entry: u64) -> u64 {
        let frame = (entry & FRAME) >> 12;
        let place = self.pages.iter().position(|page| page.mfn() == frame);
        let name = place.map_or(0xfff, |place| place as u64);
        entry & !(FRAME | pte::ACCESSED | pte::DIRTY) | name << 12
    }

    fn mix(&mut self, value: u64) {
        for byte in value.to_le_bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn step(&mut self, number: u64, step: &Step) {
        let Some(result) = self.act(step) else {
            self.skipped += 1;
            return;
        };
        if self.show {
            kprintln!(
                "STEP {number} {:?} {:?} {:#x}",
                step.kind,
                step.args,
                result
            );
        }
        if result < 0 {
            self.refused += 1;
        } else {
            self.done += 1;
        }
        self.mix(step.kind as u64);
        self.mix(result as u64);
    }

    /// Does what the step says and gives its result; `None` for what this guest leaves out.
    fn act(&mut self, step: &Step) -> Option<i64> {
        let a = step.args;
        let outcome = match step.kind {
            Kind::MmuUpdate => return Some(self.updates(step, DOMID_SELF)),
            Kind::MmuForeign | Kind::PinForeign => return Some(self.updates(step, NOBODY)),
            Kind::UpdateVa => {
                let kinds = [UVMF_NONE, UVMF_TLB_FLUSH, UVMF_INVLPG];
                let scope = [UVMF_LOCAL, UVMF_ALL][usize::from(a[4]) % 2];
                let flags = kinds[usize::from(a[3]) % 3] | scope;
                let entry = self.entry(a[1], a[2]);
                // SAFETY: the address is a spare page's, which nothing but probes uses.
                unsafe { hypercall::update_va_mapping(self.page(a[0]).va(), entry, flags) }
            }
            Kind::UpdateVaOther => {
                let entry = self.entry(a[1], a[2]);
                let args = [
                    self.page(a[0]).va(),
                    entry,
                    UVMF_INVLPG,
                    u64::from(NOBODY),
                    0,
                ];
                // SAFETY: as above, and there is no such domain.
                unsafe { page::call(__HYPERVISOR_update_va_mapping_otherdomain, args) }
            }
            Kind::Pin => {
                let level = [
                    MMUEXT_PIN_L1_TABLE,
                    MMUEXT_PIN_L2_TABLE,
                    MMUEXT_PIN_L3_TABLE,
                    MMUEXT_PIN_L4_TABLE,
                ][usize::from(a[1]) % 4];
                self.clear_hypervisor_slots(a[0]);
                page::extended(level, self.frame(a[0]), 0)
            }
            Kind::Unpin => page::extended(MMUEXT_UNPIN_TABLE, self.frame(a[0]), 0),
            Kind::NewUserRoot => {
                let root = if a[1].is_multiple_of(4) {
                    0
                } else {
                    self.frame(a[0])
                };
                page::extended(MMUEXT_NEW_USER_BASEPTR, root, 0)
            }
            Kind::ClearPage => page::extended(MMUEXT_CLEAR_PAGE, self.frame(a[0]), 0),
            Kind::CopyPage => page::extended(MMUEXT_COPY_PAGE, self.frame(a[0]), self.frame(a[1])),
            Kind::Flush => self.flush(a),
            Kind::SetLdt => {
                let at = [self.page(a[0]).va(), UNMAPPED & !0xfff, 0][usize::from(a[1]) % 3];
                page::extended(MMUEXT_SET_LDT, at, u64::from(a[2]) * 8)
            }
            Kind::Descriptor => {
                let at = self.page(a[0]).slot(INDICES[usize::from(a[1]) % 6]);
                let descriptor = [0, 0x00af_fb00_0000_ffff, 0x00cf_9b00_0000_ffff];
                let args = [at, descriptor[usize::from(a[2]) % 3], 0, 0, 0];
                // SAFETY: the page is spare.
                unsafe { page::call(__HYPERVISOR_update_descriptor, args) }
            }
            Kind::Touch => return Some(self.touch(a)),
            Kind::Store => return Some(self.store(a)),
            _ => return None,
        };
        Some(signed(outcome))
    }

    /// `mmu_update` of one to four entries: how many were done, or why not even one was.
    fn updates(&self, step: &Step, domid: u16) -> i64 {
        let commands = [
            MMU_NORMAL_PT_UPDATE,
            MMU_NORMAL_PT_UPDATE,
            MMU_PT_UPDATE_PRESERVE_AD,
            MMU_PT_UPDATE_NO_TRANSLATE,
        ];
        let count = 1 + u64::from(step.args[5] % 4);
        let request = |n| {
            let a = step.more(n);
            let slot = self.page(a[0]).slot(INDICES[usize::from(a[1]) % 6]);
            mmu_update {
                ptr: slot | commands[usize::from(a[4]) % 4],
                val: self.entry(a[2], a[3]),
            }
        };
        let requests: Vec<mmu_update> = (0..count).map(request).collect();
        // SAFETY: only entries of spare pages change, and no Rust object is in them.
        match unsafe { hypercall::mmu_update(&requests, domid) } {
            Ok(()) => count as i64,
            Err((done, errno)) => -(errno.0 << 8 | done as i64),
        }
    }

    /// What was a root may hold entries of the hypervisor's own, which differ.
    fn clear_hypervisor_slots(&self, operand: u8) {
        let table = self.frame(operand) << 12;
        for index in 256..272 {
            // Refused while it is a root.
            let _ = page::update(table + index * 8, 0, DOMID_SELF);
        }
    }

    fn flush(&self, a: [u8; 6]) -> HvResult {
        let (cmd, arg) = match a[0] % 6 {
            0 => (MMUEXT_TLB_FLUSH_LOCAL, 0),
            1 => (MMUEXT_INVLPG_LOCAL, self.page(a[1]).va()),
            2 => (MMUEXT_TLB_FLUSH_ALL, 0),
            3 => (MMUEXT_INVLPG_ALL, self.page(a[1]).va()),
            4 => (MMUEXT_MARK_SUPER, self.frame(a[1])),
            _ => (99, 0),
        };
        page::extended(cmd, arg, 0)
    }

    /// Reads a word: what it shows, or that it faults.
    fn touch(&self, a: [u8; 6]) -> i64 {
        // What is not flushed may or may not be remembered by the processor.
        hypercall::flush_tlb();
        let (page, index) = (self.page(a[0]), INDICES[usize::from(a[1]) % 6]);
        match probe::attempt(load, page.va() + index as u64 * 8, true) {
            Some(hit) => -(hit.frame.error as i64) - 1,
            None => (self.shown(page.read(index)) >> 1) as i64,
        }
    }

    /// Stores an entry by an instruction: into plain memory, into a table, or not.
    fn store(&self, a: [u8; 6]) -> i64 {
        hypercall::flush_tlb();
        let index = INDICES[usize::from(a[1]) % 6];
        let words = [
            self.page(a[0]).va() + index as u64 * 8,
            self.entry(a[2], a[3]),
        ];
        match probe::attempt(store, words.as_ptr() as u64, true) {
            Some(hit) => -(hit.frame.error as i64) - 1,
            None => 0,
        }
    }

    /// Takes in what every page is mapped as, and what it holds where it can be read.
    fn look(&mut self) {
        hypercall::flush_tlb();
        for place in 0..PAGES {
            let page = &self.pages[place];
            let (entry, va) = (page.own_entry(), page.va());
            let mut seen = [0; INDICES.len()];
            if entry & pte::PRESENT != 0 && probe::attempt(load, va, true).is_none() {
                seen = INDICES.map(|index| self.shown(self.pages[place].read(index)));
            }
            let entry = self.shown(entry);
            if self.show {
                kprintln!("LOOK page {place} mapped {entry:#x} holds {seen:x?}");
            }
            self.mix(entry);
            for word in seen {
                self.mix(word);
            }
        }
    }
}

fn signed(result: HvResult) -> i64 {
    match result {
        Ok(value) => value as i64,
        Err(errno) => -errno.0,
    }
}
