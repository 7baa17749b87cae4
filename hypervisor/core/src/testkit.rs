//! A fake machine for tests: memory in a vector, a clock that is set, and a record of everything
//! that was asked of the hardware.

pub mod decoders;
mod fetch;
mod machine;
mod platform;
mod state;
mod tlb;
pub mod turns;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

pub use machine::{FAKE_LDT, FakeMachine, MAX_CPUS, Weakness};
pub use state::{CpuState, EntryWrite, Happened, State};
pub use tlb::{CpuTlb, Paging, Translation};

use crate::addr::Mfn;
use crate::domain::Domain;
use crate::domain::lifecycle::{self, CreateParams};
use crate::frame::table::{FrameInfo, FrameTable};
use crate::hypercall::Cx;
use crate::hypervisor::{Config, Hypervisor};
use crate::platform::Nanos;
use crate::vcpu::Vcpu;

/// The wall-clock time at which every fake machine boots: 2001-09-09 01:46:40.5 UTC.
pub const WALLCLOCK_AT_BOOT: Nanos = 1_000_000_000_500_000_000;

/// Frames at the start of memory that [`hypervisor`] keeps for the hypervisor itself.
pub const RESERVED_FRAMES: u64 = 4;

fn forever<T>(items: impl Iterator<Item = T>) -> &'static [T] {
    Box::leak(items.collect::<Vec<_>>().into_boxed_slice())
}

/// A hypervisor on a fake machine with `frames` frames and `cpus` CPUs, without domains. All frames
/// but the first [`RESERVED_FRAMES`] are free. Nothing of it is ever given back to the host.
#[must_use]
pub fn hypervisor(frames: usize, cpus: u32) -> &'static Hypervisor<FakeMachine> {
    hypervisor_with(frames, cpus, |_| ())
}

/// As [`hypervisor`], with settings that `change` changed.
#[must_use]
pub fn hypervisor_with(
    frames: usize,
    cpus: u32,
    change: impl FnOnce(&mut Config),
) -> &'static Hypervisor<FakeMachine> {
    let machine: &'static FakeMachine = Box::leak(Box::new(FakeMachine::new(frames)));
    let info = forever((0..frames).map(|_| FrameInfo::default()));
    let m2p = forever((0..frames).map(|_| AtomicU64::new(u64::MAX)));
    let table = FrameTable::new(info).expect("the host has memory");
    table.release_boot_memory(Mfn(RESERVED_FRAMES), frames as u64 - RESERVED_FRAMES);
    let mut config = Config {
        cpus,
        scheduler: Default::default(),
        command_line: Default::default(),
        noreboot: false,
        verbose_guests: false,
        device_denied: Default::default(),
        device_read_only: Default::default(),
        timer_port: Some(0x608),
        m2p_start: Mfn(0),
        memory_map: Default::default(),
        lines: (0..24)
            .map(|gsi| crate::platform::Wiring {
                level: (9..12).contains(&gsi),
                low: false,
            })
            .collect(),
        console_line: Some(4),
        irq_limit: 10_000,
        max_mfn: 1 << 40,
    };
    change(&mut config);
    let hv = Hypervisor::new(machine, table, m2p, config).expect("the host has memory");
    Box::leak(Box::new(hv))
}

/// Creates domain `id` with `vcpus` vCPUs, each initialised and up and not paused, at most
/// `max_pages` frames, none yet but its shared info, and all ports of the two-level ABI. Domain 0
/// is privileged.
pub fn domain(
    hv: &'static Hypervisor<FakeMachine>,
    id: u16,
    vcpus: u16,
    max_pages: u32,
) -> &'static Domain {
    let params = CreateParams {
        id: Some(id),
        handle: [0; 16],
        flags: 0,
        max_vcpus: u32::from(vcpus),
        privileged: id == 0,
        max_evtchn_port: -1,
        max_grant_frames: 4,
        max_maptrack_frames: 1,
    };
    let dom = lifecycle::create_whole(hv, params).expect("the domain can be created");
    dom.max_pages.store(max_pages, Ordering::SeqCst);
    for vcpu in &mut dom.lock().vcpus {
        vcpu.initialised = true;
        vcpu.up = true;
    }
    crate::sched::unpause_domain(hv, dom).expect("it was created paused");
    dom
}

/// What a hypercall handler gets when `vcpu` of `dom` calls it directly.
pub fn context<'a>(
    hv: &'a Hypervisor<FakeMachine>,
    dom: &'a Domain,
    vcpu: &'a mut Vcpu,
) -> Cx<'a, FakeMachine> {
    Cx::new(hv, vcpu, dom, 0)
}

/// Gives `dom` an address space in which page `i` of the array that starts at `va` is `pages[i]`,
/// user and writable, and returns its root. The tables are made of frames that nobody owns, so they
/// serve guest copies and nothing else.
pub fn map(hv: &'static Hypervisor<FakeMachine>, dom: &Domain, va: u64, pages: &[Mfn]) -> Mfn {
    use crate::addr::{ENTRIES, PAGE_SIZE, table_index};
    use crate::platform::Machine;
    assert!(va.is_multiple_of(PAGE_SIZE as u64));
    assert!(
        table_index(va, 1) + pages.len() <= ENTRIES,
        "one table holds {ENTRIES} entries"
    );
    let m = hv.machine;
    let table = || hv.alloc_shared_page(dom).expect("a frame is free");
    let tables = [table(), table(), table(), table()];
    for level in (2..=4).rev() {
        let next = tables[level as usize - 2].addr() | 7;
        let at = table_index(va, level) * 8;
        m.store_u64(tables[level as usize - 1], at, next);
    }
    for (i, page) in pages.iter().enumerate() {
        m.store_u64(tables[0], (table_index(va, 1) + i) * 8, page.addr() | 7);
    }
    tables[3]
}
