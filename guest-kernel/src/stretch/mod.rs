//! What takes the hypervisor longest: calls of the greatest sizes, and lists of many calls that are
//! themselves long. The boot test `longest_path` looks at how long interrupts stayed off meanwhile.

pub(crate) mod domains;
mod grants;
mod memory;
mod puppets;

use crate::check::page::{Page, UNMAPPED, address, call, extended};
use crate::hypercall::{self, HvResult, flush_tlb};
use crate::log::kprintln;
use crate::mm::paging::{self, ENTRIES, pte};
use crate::mm::{PAGE_SIZE, p2m};
use alloc::vec::Vec;
use guest_user::abi::Errno;
use hypercall_abi::arch_x86_64::{FLAT_KERNEL_CS, trap_info};
use hypercall_abi::event_channel::*;
use hypercall_abi::xen::*;
use zerocopy::FromZeros;

/// A piece of work, by name.
type Work = (&'static str, fn() -> HvResult);

/// The last takes dom0's own ports away.
const WORK: &[Work] = &[
    ("a full tree", full_tree),
    ("entries of many tables", entries),
    ("entries of an upper table", upper_entries),
    ("reservations", memory::reservations),
    ("exchanges", memory::exchanges),
    ("pages given up", memory::given_up),
    ("operations on pages", memory::page_operations),
    ("grants", grants::all),
    ("lists of calls", lists),
    ("a list of different calls", domains::mixed),
    ("a page of console output", console),
    ("the log", domains::log),
    ("a vCPU's context", domains::initialise),
    ("the largest domain", domains::largest),
    ("many domains", domains::many),
    ("a domain with devices", puppets::devices),
    ("a domain that maps much", puppets::mapper),
    ("a domain of which much is mapped", puppets::granter),
    ("all ports", ports),
];

/// Entries of a list of calls.
const CALLS: usize = 256;
/// A hypercall: its number and arguments.
type Call = (u64, [u64; 6]);
/// Requests of one `mmu_update`.
const REQUESTS: usize = 4096;

/// Does all of it, and says what was refused.
pub(crate) fn run() {
    for (name, work) in WORK {
        match work() {
            Ok(_) => kprintln!("STRETCH-WORK {name}: done"),
            Err(errno) => kprintln!("STRETCH-WORK {name}: -{}", errno.0),
        }
    }
    kprintln!("STRETCH-WORK END n={}", WORK.len());
}

/// A page full of `word`, that is mapped read-only.
fn page_of(word: u64) -> Page {
    table(word, 0..0)
}

/// A page that can become a table, of as many entries `entry` as there are outside `hole`.
fn table(entry: u64, hole: core::ops::Range<usize>) -> Page {
    let table = Page::new();
    for i in (0..ENTRIES).filter(|i| !hole.contains(i)) {
        table.write(i, entry);
    }
    table.protect();
    flush_tlb();
    table
}

/// Tables of each level, lowest first, in which every entry is present; the last page is data.
fn tree() -> [Page; 5] {
    let data = Page::new();
    let l1 = table(data.entry(pte::RW), 0..0);
    let l2 = table(l1.entry(pte::TABLE), 0..0);
    let l3 = table(l2.entry(pte::TABLE), 0..0);
    let l4 = table(l3.entry(pte::TABLE), 256..272);
    [l1, l2, l3, l4, data]
}

/// Validated from the bottom in one go, from the top in one go, and given up likewise.
fn full_tree() -> HvResult {
    let tables = tree();
    let pins = [
        MMUEXT_PIN_L1_TABLE,
        MMUEXT_PIN_L2_TABLE,
        MMUEXT_PIN_L3_TABLE,
        MMUEXT_PIN_L4_TABLE,
    ];
    for (table, pin) in tables.iter().zip(pins) {
        extended(pin, table.mfn(), 0)?;
    }
    for table in &tables[..4] {
        extended(MMUEXT_UNPIN_TABLE, table.mfn(), 0)?;
    }
    for (table, pin) in tables.iter().zip(pins) {
        extended(pin, table.mfn(), 0)?;
        extended(MMUEXT_UNPIN_TABLE, table.mfn(), 0)?;
    }
    Ok(0)
}

/// Makes all requests of a list, all of which must succeed.
fn update(requests: &[mmu_update]) -> HvResult {
    // SAFETY: the lists change entries of spare tables, or frame numbers to what they are.
    let result = unsafe { hypercall::mmu_update(requests, DOMID_SELF) };
    result.map(|()| 0).map_err(|(_, errno)| errno)
}

/// A long list, of what `request` gives for each number.
fn requests(request: impl Fn(usize) -> mmu_update) -> Vec<mmu_update> {
    (0..REQUESTS).map(request).collect()
}

/// Each request is for another table than the one before; another frame, or none.
fn entries() -> HvResult {
    let pages: [Page; 4] = core::array::from_fn(|_| Page::new());
    let tables: [Page; 4] = core::array::from_fn(|_| table(0, 0..0));
    for table in &tables {
        extended(MMUEXT_PIN_L1_TABLE, table.mfn(), 0)?;
    }
    let slot = |i: usize| tables[i % 4].slot(i / 4 % ENTRIES);
    for kind in [MMU_NORMAL_PT_UPDATE, MMU_PT_UPDATE_PRESERVE_AD] {
        for turn in 0..3 {
            update(&requests(|i| mmu_update {
                ptr: slot(i) | kind,
                val: pages[(i + turn) % 4].entry(pte::RW),
            }))?;
        }
        update(&requests(|i| mmu_update {
            ptr: slot(i) | kind,
            val: 0,
        }))?;
    }
    update(&requests(|i| mmu_update {
        ptr: pages[i % 4].mfn() << 12 | MMU_MACHPHYS_UPDATE,
        val: pages[i % 4].pfn(),
    }))?;
    for table in &tables {
        extended(MMUEXT_UNPIN_TABLE, table.mfn(), 0)?;
    }
    Ok(0)
}

/// Each request hangs a full table in, or takes it out: it is validated or given up every time.
fn upper_entries() -> HvResult {
    let data = Page::new();
    let l1 = table(data.entry(pte::RW), 0..0);
    let l2 = table(0, 0..0);
    extended(MMUEXT_PIN_L2_TABLE, l2.mfn(), 0)?;
    let upper = |i: usize, present: bool| mmu_update {
        ptr: l2.slot(i % ENTRIES) | MMU_NORMAL_PT_UPDATE,
        val: if present { l1.entry(pte::TABLE) } else { 0 },
    };
    update(&(0..64).map(|i| upper(0, i % 2 == 0)).collect::<Vec<_>>())?;
    update(&(0..ENTRIES).map(|i| upper(i, true)).collect::<Vec<_>>())?;
    update(&(0..ENTRIES).map(|i| upper(i, false)).collect::<Vec<_>>())?;
    extended(MMUEXT_UNPIN_TABLE, l2.mfn(), 0)
}

/// Makes all calls of a list in a multicall; each must succeed.
fn list(calls: &[Call]) -> HvResult {
    let entry = |&(op, args): &Call| multicall_entry {
        op,
        result: 0,
        args,
    };
    let mut list: Vec<multicall_entry> = calls.iter().map(entry).collect();
    let at = list.as_mut_ptr() as u64;
    // SAFETY: the calls change nothing, or what nothing here depends on.
    unsafe { call(__HYPERVISOR_multicall, [at, list.len() as u64, 0, 0, 0]) }?;
    match list.iter().find(|entry| (entry.result as i64) < 0) {
        Some(entry) => {
            kprintln!("STRETCH-WORK call {} {:x?}", entry.op, entry.args);
            Err(Errno(-(entry.result as i64)))
        }
        None => Ok(0),
    }
}

/// One call many times over in a multicall.
fn repeat(op: u64, args: [u64; 6]) -> HvResult {
    list(&[(op, args); CALLS])
}

/// A whole trap table.
fn gates() -> [trap_info; 257] {
    let mut gates = [trap_info::new_zeroed(); 257];
    for (vector, gate) in gates[..256].iter_mut().enumerate() {
        *gate = trap_info {
            vector: vector as u8,
            flags: 3,
            cs: FLAT_KERNEL_CS,
            address: UNMAPPED,
            ..trap_info::new_zeroed()
        };
    }
    gates
}

/// Calls that change nothing, or what nothing here depends on.
fn lists() -> HvResult {
    let mut gates = gates();
    let traps = repeat(
        __HYPERVISOR_set_trap_table,
        [address(&mut gates), 0, 0, 0, 0, 0],
    );
    crate::trap::init()?;
    traps?;
    let pages: [Page; 14] = core::array::from_fn(|_| Page::read_only());
    let mut frames: [u64; 14] = core::array::from_fn(|i| pages[i].mfn());
    repeat(
        __HYPERVISOR_set_gdt,
        [address(&mut frames), 14 * 512, 0, 0, 0, 0],
    )?;
    repeat(__HYPERVISOR_set_gdt, [0; 6])?;
    let page = Page::new();
    let flush = UVMF_TLB_FLUSH | UVMF_ALL;
    let map = [page.va(), page.entry(pte::RW), flush, 0, 0, 0];
    repeat(__HYPERVISOR_update_va_mapping, map)?;
    let mut root = hypercall::mmuext_frame(MMUEXT_NEW_BASEPTR, p2m::mfn(paging::boot_root().0).0);
    repeat(
        __HYPERVISOR_mmuext_op,
        [address(&mut root), 1, 0, u64::from(DOMID_SELF), 0, 0],
    )?;
    let mut unbound = evtchn_alloc_unbound {
        dom: DOMID_SELF,
        remote_dom: DOMID_SELF,
        port: 0,
    };
    let alloc = [
        u64::from(EVTCHNOP_alloc_unbound),
        address(&mut unbound),
        0,
        0,
        0,
        0,
    ];
    repeat(__HYPERVISOR_event_channel_op, alloc)?;
    let mut status = evtchn_status {
        dom: DOMID_SELF,
        port: unbound.port,
        ..evtchn_status::new_zeroed()
    };
    let status = [u64::from(EVTCHNOP_status), address(&mut status), 0, 0, 0, 0];
    repeat(__HYPERVISOR_event_channel_op, status)?;
    repeat(__HYPERVISOR_set_timer_op, [0; 6])?;
    repeat(__HYPERVISOR_xen_version, [0; 6])?;
    repeat(__HYPERVISOR_set_debugreg, [0; 6])?;
    repeat(__HYPERVISOR_fpu_taskswitch, [1, 0, 0, 0, 0, 0])?;
    repeat(__HYPERVISOR_sched_op, [0; 6])
}

fn console() -> HvResult {
    let text = [b'.'; PAGE_SIZE as usize];
    hypercall::console_write(&text)?;
    hypercall::console_write(b"\n")
}

/// Takes every port there is and closes all.
fn ports() -> HvResult {
    loop {
        let mut unbound = evtchn_alloc_unbound {
            dom: DOMID_SELF,
            remote_dom: DOMID_SELF,
            port: 0,
        };
        match hypercall::event_channel_op(EVTCHNOP_alloc_unbound, &mut unbound) {
            Ok(_) => {
                let mut bound = evtchn_bind_interdomain {
                    remote_dom: DOMID_SELF,
                    _pad0: [0; 2],
                    remote_port: unbound.port,
                    local_port: 0,
                };
                match hypercall::event_channel_op(EVTCHNOP_bind_interdomain, &mut bound) {
                    Ok(_) | Err(Errno::ENOSPC) => {}
                    Err(errno) => return Err(errno),
                }
            }
            Err(Errno::ENOSPC) => break,
            Err(errno) => return Err(errno),
        }
    }
    let mut reset = evtchn_reset { dom: DOMID_SELF };
    hypercall::event_channel_op(EVTCHNOP_reset, &mut reset)
}
