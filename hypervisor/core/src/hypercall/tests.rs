//! Hostile hypercalls by the thousand: nothing panics, nobody else's frames change, and when the
//! domain is destroyed every frame it had is free again.

mod lists;

use proptest::prelude::*;
use std::vec::Vec;

use super::dispatch;
use crate::addr::{HYPERVISOR_START, Mfn, table_index};
use crate::domain::lifecycle::{self, CreateParams};
use crate::domain::{Domain, Phase};
use crate::frame::word::Word;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::pv::root;
use crate::testkit::{self, FakeMachine};
use crate::vcpu::VcpuBox;

/// Where a test guest has its pages.
const BASE: u64 = 0x40_0000;
/// Data pages of a test guest; its four tables come on top.
const DATA: usize = 8;
const FRAMES: usize = 160;

struct Guest {
    dom: &'static Domain,
    vcpu: VcpuBox,
    pages: Vec<Mfn>,
}

/// A domain with a valid address space: `DATA` writable pages at `BASE`, tables out of its reach.
fn guest(hv: &'static Hypervisor<FakeMachine>, privileged: bool) -> Guest {
    let params = CreateParams {
        id: None,
        handle: [7; 16],
        flags: 0,
        max_vcpus: 2,
        privileged,
        max_evtchn_port: -1,
        max_grant_frames: 4,
        max_maptrack_frames: 1,
    };
    let dom = lifecycle::create_whole(hv, params).expect("room");
    dom.max_pages
        .store(40, core::sync::atomic::Ordering::Relaxed);
    let pages: Vec<Mfn> = (0..DATA + 4)
        .map(|_| hv.alloc_domain_page(dom).expect("a frame"))
        .collect();
    let tables = &pages[DATA..];
    for (i, page) in pages[..DATA].iter().enumerate() {
        hv.machine.store_u64(tables[0], i * 8, page.addr() | 7);
    }
    for level in 2..=4 {
        let at = table_index(BASE, level) * 8;
        let entry = tables[level as usize - 2].addr() | 7;
        hv.machine.store_u64(tables[level as usize - 1], at, entry);
    }
    root::adopt_root(hv, dom, tables[3], false).expect("valid tables");
    let mut vcpu = dom.homes.lock()[0].take().expect("at home");
    vcpu.arch.kernel_root = Some(tables[3]).into();
    Guest { dom, vcpu, pages }
}

/// Words a hostile guest tries: indices into its own frames are resolved when they are used.
#[derive(Clone, Copy, Debug)]
enum Value {
    Plain(u64),
    /// An address in its own memory.
    Own(u16),
    /// One of its frames' numbers.
    Frame(u8),
    /// One of its frames' addresses with flags.
    Entry(u8, u16),
}

impl Value {
    fn resolve(self, g: &Guest) -> u64 {
        let frame = |n: u8| g.pages[usize::from(n) % g.pages.len()];
        match self {
            Self::Plain(v) => v,
            Self::Own(offset) => BASE + u64::from(offset) % (DATA as u64 * 4096),
            Self::Frame(n) => frame(n).0,
            Self::Entry(n, flags) => frame(n).addr() | u64::from(flags & 0xfff),
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (0..24_u64).prop_map(Value::Plain),
        2 => any::<u64>().prop_map(Value::Plain),
        1 => prop::sample::select(&[
            HYPERVISOR_START, HYPERVISOR_START - 1, u64::MAX, 1 << 47, 0x7ff0, 0x7ff1, 0x7ff2,
            0x8000_0000, u64::MAX - 7, 0x1_0000_0000, 0xffff_ffff,
        ][..]).prop_map(Value::Plain),
        6 => any::<u16>().prop_map(|v| Value::Own(v & !7)),
        1 => any::<u16>().prop_map(Value::Own),
        4 => any::<u8>().prop_map(Value::Frame),
        4 => any::<(u8, u16)>().prop_map(|(n, f)| Value::Entry(n, f)),
    ]
}

#[derive(Clone, Debug)]
struct Call {
    number: u64,
    args: [Value; 6],
    /// What the guest puts into its memory first: where, and words.
    memory: (u16, Vec<Value>),
}

fn call(numbers: &'static [u64], others: u32) -> impl Strategy<Value = Call> {
    let number = prop_oneof![9 => prop::sample::select(numbers), others => 0..70_u64];
    let args = prop::array::uniform6(value());
    let memory = (any::<u16>(), prop::collection::vec(value(), 0..24));
    (number, args, memory).prop_map(|(number, args, memory)| Call {
        number,
        args,
        memory,
    })
}

fn make(hv: &'static Hypervisor<FakeMachine>, g: &mut Guest, call: &Call) {
    let (at, words) = &call.memory;
    for (i, word) in words.iter().enumerate() {
        let va = Value::Own(at & !7).resolve(g) + i as u64 * 8;
        // Some of its pages may be gone or read-only by now.
        let _ = hv.machine.write_guest_u64(va, word.resolve(g));
    }
    let a = call.args.map(|v| v.resolve(g));
    let r = &mut g.vcpu.regs;
    (r.rax, r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9) =
        (call.number, a[0], a[1], a[2], a[3], a[4], a[5]);
    for _ in 0..2000 {
        g.vcpu.regs.rip = 0x1000;
        dispatch::hypercall(hv, &mut g.vcpu);
        if g.vcpu.regs.rip != 0x1000 - 2 {
            return;
        }
    }
}

/// Every call but those that end the machine when dom0 makes them, and raw hardware access.
const NUMBERS: &[u64] = &[
    0, 1, 1, 1, 2, 3, 4, 5, 8, 9, 10, 12, 12, 12, 13, 13, 14, 14, 15, 17, 18, 20, 21, 22, 24, 25,
    26, 26, 26, 29, 30, 32, 32, 33, 35, 36, 7,
];
const PRIVILEGED_NUMBERS: &[u64] = &[1, 10, 12, 12, 14, 20, 22, 26, 32, 35, 36, 36, 36];

fn bystander(hv: &'static Hypervisor<FakeMachine>) -> (Guest, Vec<Word>) {
    let mut g = guest(hv, false);
    *g.dom.homes.lock() = Vec::new();
    g.vcpu.walk = Default::default();
    let words = g.pages.iter().map(|&p| hv.frames.word(p)).collect();
    (g, words)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_hostile_guest_harms_itself_alone(calls in prop::collection::vec(call(NUMBERS, 1), 1..150)) {
        let hv = testkit::hypervisor(FRAMES, 1);
        let (other, words) = bystander(hv);
        let free = hv.frames.free_frames();
        let mut g = guest(hv, false);
        hv.machine.load_root(g.pages[DATA + 3]);
        for call in &calls {
            make(hv, &mut g, call);
            if g.dom.shutdown.load(core::sync::atomic::Ordering::Relaxed) != 0 {
                break;
            }
        }
        for (&page, &word) in other.pages.iter().zip(&words) {
            prop_assert_eq!(hv.frames.word(page), word, "a bystander's {:?}", page);
        }
        let Guest { dom, vcpu, .. } = g;
        dom.homes.lock()[0] = Some(vcpu);
        lifecycle::destroy_whole(hv, dom).expect("not the control domain");
        prop_assert_eq!(dom.phase(), Phase::Free);
        prop_assert_eq!(dom.tot_pages.load(core::sync::atomic::Ordering::Relaxed), 0);
        prop_assert_eq!(hv.frames.free_frames(), free);
    }

    #[test]
    fn not_even_a_privileged_one_panics_the_hypervisor(
        calls in prop::collection::vec(call(PRIVILEGED_NUMBERS, 0), 1..100),
    ) {
        let hv = testkit::hypervisor(FRAMES, 1);
        let _other = bystander(hv);
        let mut g = guest(hv, true);
        hv.machine.load_root(g.pages[DATA + 3]);
        for call in &calls {
            make(hv, &mut g, call);
        }
    }
}
