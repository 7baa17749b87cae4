//! Whole builds: what dom0 finds in its memory, and that its page tables are what they should be.

use std::vec::Vec;

use hypercall_abi::xen::{SIF_INITDOMAIN, SIF_MOD_START_PFN, SIF_PRIVILEGED, start_info};
use zerocopy::{FromZeros, IntoBytes};

use super::image::{BASE, BSS_LEN, Choice, STUBS, TEXT, TEXT_LEN, kernel, text_byte};
use crate::addr::{Mfn, PAGE_SIZE, table_index};
use crate::build::{BuildError, Dom0, Dom0Image, Dom0Options, Ramdisk, build_dom0};
use crate::cmdline;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::pv::entry::{PRESENT, RW, frame};
use crate::testkit::{self, FakeMachine};

const FRAMES: usize = 8192;
/// The ramdisk: of the frames that the fake machine keeps for the hypervisor.
const RAMDISK: Ramdisk = Ramdisk {
    start: Mfn(1),
    len: 2 * PAGE_SIZE as u64 + 100,
};

fn build_with(
    hv: &Hypervisor<FakeMachine>,
    choice: Choice,
    line: &str,
) -> Result<Dom0, BuildError> {
    for page in 0..3 {
        hv.machine.write_frame(
            Mfn(RAMDISK.start.0 + page),
            0,
            &[0x50 + page as u8; PAGE_SIZE],
        );
    }
    let parsed = cmdline::parse(line.as_bytes());
    let image = Dom0Image {
        kernel: kernel(choice),
        ramdisk: Some(RAMDISK),
        cmdline: b"console=hvc0",
    };
    let options = Dom0Options {
        memory: parsed.dom0_mem,
        vcpus: parsed.dom0_vcpus,
    };
    build_dom0(hv, image, &options)
}

/// Reads through dom0's own page tables.
struct View<'a> {
    hv: &'a Hypervisor<FakeMachine>,
    root: Mfn,
}

impl View<'_> {
    fn entry(&self, va: u64) -> Option<u64> {
        let mut table = self.root;
        for level in (1..=4).rev() {
            let entry = self.hv.machine.read_entry(table, table_index(va, level));
            if entry & PRESENT == 0 {
                return None;
            }
            if level == 1 {
                return Some(entry);
            }
            table = frame(entry);
        }
        None
    }

    fn read(&self, va: u64, buf: &mut [u8]) {
        for (at, byte) in buf.iter_mut().enumerate() {
            let va = va + at as u64;
            let mfn = frame(self.entry(va).unwrap());
            *byte = self.hv.machine.load_u8(mfn, va as usize % PAGE_SIZE);
        }
    }

    fn word(&self, va: u64) -> u64 {
        let mfn = frame(self.entry(va).unwrap());
        self.hv.machine.load_u64(mfn, va as usize % PAGE_SIZE)
    }
}

fn started(hv: &Hypervisor<FakeMachine>, dom0: &Dom0) -> (Mfn, start_info) {
    let dom = hv.domains.find(0).unwrap();
    let homes = dom.homes.lock();
    let vcpu = homes[0].as_ref().unwrap();
    let root = vcpu.arch.kernel_root.get().unwrap();
    assert_eq!(vcpu.regs.rip, BASE + TEXT + 0x10);
    assert_eq!(vcpu.regs.rsi, dom0.start_info);
    assert_eq!((vcpu.regs.cs, vcpu.regs.ss), (0xe033, 0xe02b));
    let info = vcpu.info.unwrap();
    assert_eq!(
        hv.machine.load_u8(info.mfn, usize::from(info.offset) + 1),
        1,
        "masked"
    );
    let view = View { hv, root };
    assert_ne!(view.entry(vcpu.regs.rsp - 8).unwrap() & RW, 0, "the stack");
    let mut start = start_info::new_zeroed();
    view.read(dom0.start_info, start.as_mut_bytes());
    (root, start)
}

/// What must hold of every dom0.
fn check(hv: &Hypervisor<FakeMachine>, dom0: &Dom0) -> start_info {
    let (root, start) = started(hv, dom0);
    let view = View { hv, root };
    let dom = hv.domains.find(0).unwrap();
    assert_eq!(start.nr_pages, dom0.pages);
    assert!(start.magic.starts_with(b"xen-3.0-x86_64\0"));
    assert_eq!(start.flags & 3, SIF_PRIVILEGED | SIF_INITDOMAIN);
    assert_eq!(start.cmd_line[..13].as_bytes(), b"console=hvc0\0");
    assert_eq!(start.shared_info, dom.lock().shared_info.unwrap().addr());
    let word = hv.frames.word(root);
    assert!(word.is_validated() && word.is_pinned());

    let tables = start.pt_base..start.pt_base + start.nr_pt_frames * PAGE_SIZE as u64;
    let (first, end) = dom0.mapped;
    for (pfn, va) in (first..end).step_by(PAGE_SIZE).enumerate() {
        let entry = view
            .entry(va)
            .unwrap_or_else(|| panic!("{va:x} is not mapped"));
        let mfn = frame(entry);
        assert_eq!(entry & RW == 0, tables.contains(&va), "{va:x}");
        assert_eq!(
            view.word(start.mfn_list + pfn as u64 * 8),
            mfn.0,
            "P2M of {va:x}"
        );
    }
    assert!(view.entry(end).is_none());
    assert_eq!(frame(view.entry(start.pt_base).unwrap()), root);

    let mut seen = std::collections::BTreeSet::new();
    for pfn in 0..dom0.pages {
        let mfn = view.word(start.mfn_list + pfn * 8);
        assert!(seen.insert(mfn), "frame {mfn:x} twice");
        assert_eq!(
            hv.m2p[mfn as usize].load(core::sync::atomic::Ordering::Relaxed),
            pfn
        );
        assert!(hv.page_get(dom, Mfn(mfn)).is_ok());
        hv.page_put(Mfn(mfn));
    }
    let mut text = [0; (TEXT_LEN + BSS_LEN) as usize];
    view.read(BASE + TEXT, &mut text);
    for (index, &byte) in text.iter().enumerate() {
        let va = BASE + TEXT + index as u64;
        if (STUBS..STUBS + PAGE_SIZE as u64).contains(&va) {
            continue;
        }
        let expected = if index < TEXT_LEN as usize {
            text_byte(index as u64)
        } else {
            0
        };
        assert_eq!(byte, expected, "{va:x}");
    }
    let mut stub = [0; 8];
    view.read(STUBS + 29 * 32, &mut stub);
    assert_eq!(stub, [0x51, 0x41, 0x53, 0xb8, 29, 0, 0, 0]);
    start
}

fn check_ramdisk(hv: &Hypervisor<FakeMachine>, mfns: &[u64]) {
    assert_eq!(mfns, [1, 2, 3], "handed over where it lay");
    let mut tail = [0xff; PAGE_SIZE];
    hv.machine.read_frame(Mfn(3), 0, &mut tail);
    assert_eq!(tail[..100], [0x52; 100]);
    assert!(
        tail[100..].iter().all(|&b| b == 0),
        "the loader's rest is wiped"
    );
}

#[test]
fn a_plain_kernel() {
    let hv = testkit::hypervisor(FRAMES, 2);
    let dom0 = build_with(hv, Choice::default(), "dom0_mem=16M").unwrap();
    assert_eq!((dom0.pages, dom0.vcpus), (4096, 2));
    let start = check(hv, &dom0);
    let (root, _) = started(hv, &dom0);
    let view = View { hv, root };
    assert_eq!(start.flags & SIF_MOD_START_PFN, 0);
    assert_eq!(start.mod_len, RAMDISK.len);
    let mfns: Vec<u64> = (0..3)
        .map(|i| frame(view.entry(start.mod_start + i * 4096).unwrap()).0)
        .collect();
    check_ramdisk(hv, &mfns);
    assert_eq!((start.first_p2m_pfn, start.nr_p2m_frames), (0, 0));
}

#[test]
fn a_kernel_that_wants_its_p2m_elsewhere() {
    let hv = testkit::hypervisor(FRAMES, 1);
    let choice = Choice {
        init_p2m: Some(0x80_0000_0000),
        mod_start_pfn: true,
        more_bss: 5 << 20,
    };
    let dom0 = build_with(hv, choice, "").unwrap();
    let left = FRAMES as u64 - 2 - FRAMES_OF_PORTS;
    assert_eq!(dom0.pages, left - left / 16);
    let start = check(hv, &dom0);
    let (root, _) = started(hv, &dom0);
    let view = View { hv, root };
    assert_eq!(start.mfn_list, 0x80_0000_0000);
    assert_ne!(start.flags & SIF_MOD_START_PFN, 0);
    let p2m = |pfn: u64| view.word(start.mfn_list + pfn * 8);
    let mfns: Vec<u64> = (0..3).map(|i| p2m(start.mod_start + i)).collect();
    check_ramdisk(hv, &mfns);
    let first = frame(view.entry(start.mfn_list).unwrap()).0;
    assert_eq!(p2m(start.first_p2m_pfn), first);
    assert_eq!(start.nr_p2m_frames, dom0.pages.div_ceil(512) + 3);
}

#[test]
fn what_does_not_fit_is_refused() {
    let hv = testkit::hypervisor(FRAMES, 1);
    let huge = Choice {
        more_bss: 64 << 20,
        ..Choice::default()
    };
    let refused = build_with(hv, huge, "");
    assert!(
        matches!(refused, Err(BuildError::KernelTooLarge { .. })),
        "{refused:?}"
    );
    let hv = testkit::hypervisor(FRAMES, 1);
    let refused = build_with(hv, Choice::default(), "dom0_mem=1M");
    assert!(matches!(refused, Err(BuildError::Layout(_))), "{refused:?}");
    let hv = testkit::hypervisor(FRAMES, 1);
    let p2m = Choice {
        init_p2m: Some(BASE - (1 << 30)),
        ..Choice::default()
    };
    let refused = build_with(hv, p2m, "");
    assert!(matches!(refused, Err(BuildError::Layout(_))), "{refused:?}");
    let hv = testkit::hypervisor(FRAMES, 1);
    let image = Dom0Image {
        kernel: b"MZ",
        ramdisk: None,
        cmdline: b"",
    };
    let refused = build_dom0(hv, image, &Dom0Options::default());
    assert!(matches!(refused, Err(BuildError::Elf(_))), "{refused:?}");
}

/// A kernel owner that gives frames to the free pool when it is dropped.
struct Module(&'static Hypervisor<FakeMachine>, Vec<u8>);

impl AsRef<[u8]> for Module {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        self.0.frames.release_boot_memory(Mfn(0), 2);
    }
}

/// Frames in which the hypervisor keeps the ports of a domain that has few.
const FRAMES_OF_PORTS: u64 = 2;

#[test]
fn the_kernel_s_own_frames_become_dom0_s() {
    let hv = testkit::hypervisor(FRAMES, 1);
    let image = Dom0Image {
        kernel: Module(hv, kernel(Choice::default())),
        ramdisk: None,
        cmdline: b"",
    };
    let everything = cmdline::parse(b"dom0_mem=100%").dom0_mem;
    let options = Dom0Options {
        memory: everything,
        ..Dom0Options::default()
    };
    let dom0 = build_dom0(hv, image, &options).unwrap();
    // All but the frames kept back, the reserve, shared info and the ports.
    assert_eq!(dom0.pages, FRAMES as u64 - 2 - 256 - 1 - FRAMES_OF_PORTS);
}
