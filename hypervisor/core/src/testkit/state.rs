//! What the fake machine remembers.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::fetch::Fetches;
use super::tlb::CpuTlb;
use crate::addr::Mfn;
use crate::pci;
use crate::platform::{CpuId, CpuMask, Nanos, Route};
use crate::vcpu::{InfoArea, VcpuId};

/// One write of a table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryWrite {
    /// The table.
    pub table: Mfn,
    /// The entry's index in it.
    pub index: usize,
    /// What it held.
    pub old: u64,
    /// What it holds now.
    pub new: u64,
}

/// Something that was asked of the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// CR3 was loaded.
    LoadRoot(Mfn),
    /// This CPU's TLB was flushed.
    FlushLocal,
    /// One page was invalidated.
    Invlpg(u64),
    /// This CPU's caches were written back.
    FlushCache,
    /// Other CPUs' TLBs were flushed.
    FlushRemote(CpuMask),
    /// A CPU was interrupted.
    Kick(CpuId),
    /// A vCPU's hardware state was saved.
    Save(VcpuId),
    /// A vCPU's hardware state was loaded.
    Load(VcpuId),
    /// This CPU went back to the hypervisor's own address space.
    Unload,
    /// A port was written: port, size, value.
    PortOut(u16, u8, u32),
    /// A line was routed.
    RouteLine(u32, Route),
    /// A line was aimed at another CPU.
    AimLine(u32, CpuId),
    /// A line was masked, or let through.
    MaskLine(u32, bool),
    /// Registers were dumped, with this instruction pointer.
    Dump(u64),
}

/// One CPU.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "register names")]
pub struct CpuState {
    pub root: Option<Mfn>,
    pub gdt: Vec<Mfn>,
    pub ldt_entries: u32,
    pub ldt_pages: [Option<Mfn>; 16],
    /// DS, ES, FS, GS.
    pub selectors: [u16; 4],
    pub fs_base: u64,
    pub gs_base: u64,
    pub task_switched: bool,
    /// The guest's bits of CR4.
    pub guest_cr4: u64,
    /// XCR0.
    pub xcr0: u64,
    /// TSC_AUX.
    pub tsc_aux: u32,
    /// The frames of the running vCPU's ports.
    pub ports: Option<(Mfn, Mfn)>,
    /// Its `vcpu_info`.
    pub info: Option<InfoArea>,
    /// What the word of a port says that notifies it.
    pub channel: u64,
    pub debugreg: [u64; 8],
    /// When the timer fires; `Nanos::MAX` is never.
    pub timer: Nanos,
}

/// The machine's state but for its memory and its clock.
pub struct State {
    pub(super) cpus: Vec<CpuState>,
    pub(super) entry_writes: Vec<EntryWrite>,
    pub(super) happened: Vec<Happened>,
    pub(super) protected: BTreeSet<u64>,
    /// What each CPU remembers of page tables; `None` when CPUs remember nothing.
    pub(super) tlbs: Option<Vec<CpuTlb>>,
    /// Guest memory that no page table can take away: its address and its bytes.
    pub(super) window: (u64, Vec<u8>),
    /// How the window is read, while that is watched.
    pub(super) fetches: Option<Fetches>,
    pub(super) console_out: Vec<u8>,
    pub(super) console_in: VecDeque<u8>,
    /// Whether [`Self::log`] has news.
    pub log_news: bool,
    /// How much of [`Self::log`] was cleared.
    pub log_cleared: usize,
    /// What `read_log` reads.
    pub log: Vec<u8>,
    /// Selectors whose load faults.
    pub faulting_selectors: Vec<u16>,
    /// Model-specific registers there are.
    pub msrs: BTreeMap<u32, u64>,
    /// What ports read as; all ones where nothing is said.
    pub ports: BTreeMap<u16, u32>,
    /// PCI configuration registers of four bytes, by function and offset; functions without any are
    /// not there.
    pub pci: BTreeMap<(u16, u8), u32>,
    /// What was last written to the port of PCI configuration addresses.
    pub(super) pci_address: u32,
    /// CPUID by leaf and subleaf; zeros where nothing is said.
    pub cpuid: BTreeMap<(u32, u32), (u32, u32, u32, u32)>,
}

impl State {
    pub(super) fn new(cpus: usize) -> Self {
        let cpu = CpuState {
            root: None,
            gdt: Vec::new(),
            ldt_entries: 0,
            ldt_pages: [None; 16],
            selectors: [0; 4],
            fs_base: 0,
            gs_base: 0,
            task_switched: false,
            guest_cr4: 0,
            xcr0: 3,
            tsc_aux: 0,
            ports: None,
            info: None,
            channel: 0,
            debugreg: [0, 0, 0, 0, 0, 0, 0xffff_0ff0, 0x400],
            timer: Nanos::MAX,
        };
        Self {
            cpus: alloc::vec![cpu; cpus],
            entry_writes: Vec::new(),
            happened: Vec::new(),
            protected: BTreeSet::new(),
            tlbs: None,
            window: (0, Vec::new()),
            fetches: None,
            console_out: Vec::new(),
            console_in: VecDeque::new(),
            log_news: false,
            log_cleared: 0,
            log: Vec::new(),
            faulting_selectors: Vec::new(),
            msrs: BTreeMap::new(),
            ports: BTreeMap::new(),
            pci: BTreeMap::new(),
            pci_address: 0,
            cpuid: BTreeMap::new(),
        }
    }

    /// The PCI register that the address names, if its function is there; what it has no word of is 0.
    fn pci_at(&self) -> Option<(u16, u8)> {
        let at = (
            (self.pci_address >> 8) as u16,
            self.pci_address as u8 & 0xfc,
        );
        let there = self.pci.keys().any(|(function, _)| *function == at.0);
        there.then_some(at)
    }

    /// What a PCI data port reads as; `None` for other ports and functions that are not there.
    pub(super) fn pci_register(&self, port: u16) -> Option<u32> {
        let byte = port.checked_sub(pci::DATA).filter(|byte| *byte < 4)?;
        let word = self.pci.get(&self.pci_at()?).copied().unwrap_or(0);
        Some(word >> (8 * byte))
    }

    /// A write to a port, if it is one of PCI's.
    pub(super) fn write_pci(&mut self, port: u16, size: u8, value: u32) {
        if port == pci::ADDRESS && size == 4 {
            self.pci_address = value;
            return;
        }
        let byte = port.wrapping_sub(pci::DATA);
        if let (0..4, Some(at)) = (byte, self.pci_at()) {
            let mask = u32::MAX >> (32 - 8 * u32::from(size)) << (8 * byte);
            let word = self.pci.entry(at).or_default();
            *word = *word & !mask | value << (8 * byte) & mask;
        }
    }
}
