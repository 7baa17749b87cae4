//! The machine under test: a hypervisor on the fake machine, three domains, three CPUs.

use std::sync::atomic::Ordering;

use hypercall_abi::memory::{xen_memory_exchange, xen_memory_reservation};
use hypercall_abi::xen::{self as nr, multicall_entry};
use hypervisor_core::addr::Mfn;
use hypervisor_core::domain::lifecycle::{self, CreateParams};
use hypervisor_core::domain::{Domain, Phase};
use hypervisor_core::entry::Irq;
use hypervisor_core::frame::word::{Kind as FrameKind, Owner as FrameOwner, Word};
use hypervisor_core::hypervisor::Hypervisor;
use hypervisor_core::platform::Machine;
use hypervisor_core::pv::root::adopt_root;
use hypervisor_core::sched::{self, Cpu};
use hypervisor_core::testkit::{self, FAKE_LDT, FakeMachine, Happened};
use hypervisor_core::vcpu::{Callback, Mode, Root, TrapGate, Vcpu};
use zerocopy::{FromZeros, IntoBytes};

use super::call::Call;
use super::format::CPUS;
use super::model::{
    self, DOMAINS, FRAMES, Model, Owner, RESERVED, Set, Stage, VCPUS, bit, members,
};
use super::page::Page;
use super::toolstack::place_of;

/// Guest memory that the page tables cannot take away, and each vCPU's part of it.
const WINDOW: u64 = 0x7f80_0000_0000;
const PART: usize = 0xc000;
/// In a part: where `pdone` and the like are written, arguments, lists, the end of the stack; and the
/// same of the entries of a multicall.
const ANSWER: usize = 0;
pub(super) const ARGUMENT: usize = 0x40;
const LIST: usize = 0x400;
const CODE: usize = 0x1000;
pub(super) const STACK_END: usize = 0x3000;
const ENTRIES: usize = 0x4000;
const ENTRY: usize = 0x1000;
/// The context that a toolstack gives a vCPU.
pub(super) const CONTEXT: usize = 0xa000;
/// A bitmap of vCPUs 0 and 1.
pub const MASK_AT: u64 = WINDOW + 8;
/// Where the guest's handlers are said to be.
pub(super) const HANDLER: u64 = WINDOW + 0xf00;
/// Where the guest's `syscall` is said to be.
const SYSCALL_AT: u64 = WINDOW + 0xe00;
/// Bytes of a `multicall_entry`, and where its result is.
const MULTICALL_ENTRY: usize = size_of::<multicall_entry>();
const RESULT: usize = core::mem::offset_of!(multicall_entry, result);
/// What `pdone` and results hold before.
const UNTOLD: u32 = 0xdead;
/// Bytes of an LDT.
pub const WINDOW_LDT: u64 = 16 * 4096;

/// Stores that the guest kernel makes: `mov`, `xchg`, `lock cmpxchg`, `or`, `and`, `xor` of rbx at
/// the address in rdi.
pub const STORES: [&[u8]; 6] = [
    &[0x48, 0x89, 0x1f],
    &[0x48, 0x87, 0x1f],
    &[0xf0, 0x48, 0x0f, 0xb1, 0x1f],
    &[0x48, 0x09, 0x1f],
    &[0x48, 0x21, 0x1f],
    &[0x48, 0x31, 0x1f],
];

/// Most frames that the domains may have at first.
pub(super) const MAX_PAGES: [u32; DOMAINS] = [32, 14, 12];
/// Frames that they start with.
pub(super) const PAGES: [usize; DOMAINS] = [13, 11, 8];

/// Names a vCPU.
pub type Who = (usize, usize);

/// Where in the window a call has its arguments, lists and answers.
#[derive(Clone, Copy)]
pub struct Spot(usize);

impl Spot {
    /// Of a call that a vCPU makes.
    pub fn of(who: Who) -> Self {
        Self(part(who))
    }

    /// Of entry `n` of its multicall.
    pub fn entry(who: Who, n: usize) -> Self {
        Self(part(who) + ENTRIES + n * ENTRY)
    }
}

/// The world.
pub struct World {
    /// The hypervisor.
    pub hv: &'static Hypervisor<FakeMachine>,
    cpus: Vec<Cpu>,
    kicked: u64,
    lives: [u32; DOMAINS],
    /// The numbers of the domains that are, or were last, in each place.
    domids: [u16; DOMAINS],
}

/// How a way into the hypervisor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The call is to be made, or the instruction run, again.
    Again,
    /// The hypercall is done, with a result.
    Returned(i64),
    /// The guest goes on behind the instruction.
    Behind,
    /// The guest is in its handler.
    Handler,
}

/// All vCPUs, domain by domain.
fn everybody() -> impl Iterator<Item = Who> {
    (0..DOMAINS).flat_map(|d| (0..VCPUS[d]).map(move |v| (d, v)))
}

fn part(who: Who) -> usize {
    (who.0 * 2 + who.1) * PART
}

/// The guest address of something in a vCPU's part.
pub(super) fn at(who: Who, offset: usize) -> u64 {
    WINDOW + (part(who) + offset) as u64
}

impl World {
    /// A machine with all three domains, each with a tree of page tables.
    pub fn new() -> Self {
        let hv = testkit::hypervisor_with(FRAMES, u32::from(CPUS), |config| {
            config.max_mfn = model::NO_SUCH_FRAME;
        });
        hv.machine.simulate_tlbs();
        let mut window = vec![0; PART * 6];
        window[8] = 3;
        hv.machine.set_window(WINDOW, window);
        let mut world = Self {
            hv,
            cpus: Vec::new(),
            kicked: 0,
            lives: [0; DOMAINS],
            domids: [0, 1, 2],
        };
        world.populate();
        world
    }

    fn populate(&mut self) {
        self.cpus = (0..u32::from(CPUS)).map(Cpu::new).collect();
        self.domids = [0, 1, 2];
        for d in 0..DOMAINS {
            self.create(d);
        }
        for cpu in 0..self.cpus.len() {
            self.interrupt(cpu, Irq::Kick, 1024);
        }
    }

    /// Ends all domains, the first among them, and begins anew.
    ///
    /// # Errors
    /// A frame stayed with somebody.
    pub fn restart(&mut self) -> Result<(), String> {
        let hv = self.hv;
        for d in 0..DOMAINS {
            let Ok(dom) = hv.domains.find(self.domids[d]) else {
                continue;
            };
            // Nobody else may be destroyed.
            dom.privileged.store(false, Ordering::SeqCst);
            let _ = sched::pause_domain(hv, dom);
        }
        for cpu in 0..self.cpus.len() {
            self.interrupt(cpu, Irq::Kick, 1024);
        }
        for d in 0..DOMAINS {
            if let Ok(dom) = hv.domains.find(self.domids[d]) {
                lifecycle::destroy_whole(hv, dom).map_err(|e| format!("destroy: {e:?}"))?;
            }
        }
        for mfn in (RESERVED as u64..FRAMES as u64).map(Mfn) {
            let word = hv.frames.word(mfn);
            if word != Word::FREE {
                return Err(format!("all domains are gone, but {mfn:?} is {word:?}"));
            }
            for word in hv.machine.frame_words(mfn) {
                word.store(0, Ordering::Relaxed);
            }
        }
        hv.machine.set_now(0);
        hv.machine.set_budget(1024);
        hv.machine.forget_history();
        self.hv.machine.take_dirty();
        self.kicked = 0;
        self.populate();
        Ok(())
    }

    /// Which life a domain is in.
    pub fn life(&self, d: usize) -> u32 {
        self.lives[d]
    }

    /// The domain in a place, alive or not.
    pub fn domain(&self, d: usize) -> &'static Domain {
        self.hv.domains.slot(self.domids[d])
    }

    /// The number of the domain that is, or was last, in a place.
    pub fn domid(&self, d: usize) -> u16 {
        self.domids[d]
    }

    /// The place of the domain with a number.
    pub fn place(&self, domid: u16) -> Option<usize> {
        self.domids.iter().position(|&other| other == domid)
    }

    /// A domain came to be in a place.
    pub fn born(&mut self, d: usize, domid: u16) {
        self.domids[d] = domid;
        self.lives[d] += 1;
    }

    /// Whether there is a domain in a place, alive or not.
    pub fn exists(&self, d: usize) -> bool {
        self.hv.domains.find(self.domids[d]).is_ok()
    }

    /// How far a domain is made.
    pub fn stage(&self, d: usize) -> Stage {
        let dom = self.domain(d);
        let state = dom.lock();
        let ready = |v: usize| state.vcpus.get(v).is_some_and(|vcpu| vcpu.initialised);
        Stage {
            made: state.vcpus.len() == VCPUS[d],
            ready: [ready(0), ready(1)],
            paused: dom.pauses.load(Ordering::SeqCst) != 0,
        }
    }

    /// Whether the destruction of a domain was begun, and is not over.
    pub fn is_dying(&self, d: usize) -> bool {
        self.domain(d).phase() == Phase::Dying
    }

    /// The frames of a domain.
    pub fn owned(&self, d: usize) -> Set {
        let is = |f: &u64| owner(self.hv.frames.word(Mfn(*f))) == Owner::Domain(d);
        (0..FRAMES as u64).filter(is).fold(0, |set, f| set | bit(f))
    }

    /// The frames of the hypervisor's own in which a domain's ports are.
    pub fn ports(&self, d: usize) -> Set {
        let ports = self.domain(d).lock().events.first_ports(self.hv.machine);
        ports.map_or(0, |(root, first)| bit(root.0) | bit(first.0))
    }

    /// Whether there is a domain, and its destruction was not begun.
    pub fn is_alive(&self, d: usize) -> bool {
        self.domain(d).phase() == Phase::Alive
    }

    /// Most frames that a domain may have.
    pub fn max_pages(&self, d: usize) -> u32 {
        self.domain(d).max_pages.load(Ordering::Relaxed)
    }

    /// What was claimed for a domain.
    pub fn claim(&self, d: usize) -> u32 {
        self.domain(d).claimed()
    }

    /// Makes domain `d` as a toolstack does: memory, a tree of tables, vCPUs that run in it.
    fn create(&mut self, d: usize) {
        let hv = self.hv;
        let params = CreateParams {
            id: Some(self.domids[d]),
            handle: [0; 16],
            flags: 0,
            max_vcpus: VCPUS[d] as u32,
            privileged: d == 0,
            max_evtchn_port: -1,
            max_grant_frames: 4,
            max_maptrack_frames: 1,
        };
        let dom = lifecycle::create_whole(hv, params).expect("there is room");
        self.lives[d] += 1;
        dom.max_pages.store(MAX_PAGES[d], Ordering::SeqCst);
        let pages: Vec<Mfn> = (0..PAGES[d])
            .map_while(|_| hv.alloc_domain_page(dom).ok())
            .collect();
        for &page in &pages {
            hv.machine.zero_frame(page);
        }
        let root = (pages.len() >= 4).then(|| {
            for level in 1..4 {
                hv.machine
                    .store_u64(pages[level], 0, pages[level - 1].addr() | 7);
            }
            // pages[3] is the root, pages[2] its level-3 table, and so on down to pages[0].
            for (i, page) in pages.iter().enumerate() {
                let flags = if i < 4 { 1 } else { 3 };
                hv.machine.store_u64(pages[0], i * 8, page.addr() | flags);
            }
            pages[3]
        });
        let root = root.filter(|&root| adopt_root(hv, dom, root, true).is_ok());
        for v in 0..VCPUS[d] {
            let Some(root) = root else { break };
            adopt_root(hv, dom, root, false).expect("it is pinned");
            let mut homes = dom.homes.lock();
            let vcpu = homes[v].as_mut().expect("it does not run");
            vcpu.arch.kernel_root = Some(root).into();
            Self::prepare(vcpu, (d, v));
            let info = vcpu.info.expect("it has a place in the shared info");
            // Events are masked.
            hv.machine
                .store_u8(info.mfn, usize::from(info.offset) + 1, 1);
            drop(homes);
            let state = &mut dom.lock().vcpus[v];
            state.initialised = true;
            state.up = true;
        }
        if root.is_some() {
            sched::unpause_domain(hv, dom).expect("it was created paused");
        }
        self.collect_kicks();
    }

    fn prepare(vcpu: &mut Vcpu, who: Who) {
        vcpu.arch.traps = [TrapGate {
            cs: 0xe033,
            flags: 0,
            address: HANDLER,
        }; 256];
        let callback = Callback {
            address: HANDLER,
            mask_events: false,
        };
        vcpu.arch.syscall = callback;
        vcpu.arch.event = callback;
        vcpu.arch.failsafe = callback;
        vcpu.arch.kernel_ss = 0xe02b;
        vcpu.arch.kernel_sp = at(who, STACK_END);
        vcpu.regs.cs = 0xe033;
        vcpu.regs.ss = 0xe02b;
        vcpu.regs.rflags = 0x202;
    }

    /// The vCPU that a CPU runs.
    pub fn current(&self, cpu: usize) -> Option<Who> {
        let vcpu = self.cpus[cpu].current.as_ref()?;
        Some((place_of(vcpu.slot), usize::from(vcpu.id.index)))
    }

    /// Looks at a vCPU, wherever it is.
    pub fn vcpu<T>(&mut self, (d, v): Who, look: impl FnOnce(&mut Vcpu) -> T) -> Option<T> {
        for cpu in &mut self.cpus {
            if let Some(vcpu) = cpu.current.as_mut()
                && (place_of(vcpu.slot), usize::from(vcpu.id.index)) == (d, v)
            {
                return Some(look(vcpu));
            }
        }
        let mut homes = self.domain(d).homes.lock();
        homes.get_mut(v)?.as_mut().map(|vcpu| look(vcpu))
    }

    fn collect_kicks(&mut self) {
        for what in self.hv.machine.take_happened() {
            if let Happened::Kick(cpu) = what {
                self.kicked |= 1 << cpu;
            }
        }
        self.hv.machine.forget_history();
    }

    /// Lets CPUs that were asked to come into the hypervisor.
    pub fn answer_kicks(&mut self) {
        while self.kicked != 0 {
            let cpu = self.kicked.trailing_zeros() as usize;
            self.kicked &= self.kicked - 1;
            self.interrupt(cpu, Irq::Kick, 1024);
        }
    }

    /// Where an event came between, by the frame on the stack: behind rcx and r11. A guest that
    /// writes into its shared info makes its own events.
    fn interrupted_at(&self, rsp: u64) -> u64 {
        let mut bytes = [0; 8];
        self.hv
            .machine
            .read_window((rsp - WINDOW) as usize + 16, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// No event is pending, and none may come: guests write what they like into their shared info.
    fn mask_events(&self) {
        for d in 0..DOMAINS {
            let shared = self.domain(d).lock().shared_info;
            let Some(shared) = shared else { continue };
            for v in 0..VCPUS[d] {
                self.hv.machine.store_u32(shared, v * 64, 0x100);
            }
        }
    }

    fn enter(&mut self, cpu: usize, budget: u32) {
        self.mask_events();
        self.hv.machine.run_on(cpu as u32);
        self.hv.machine.set_budget(budget);
    }

    /// An interrupt on a CPU.
    pub fn interrupt(&mut self, cpu: usize, irq: Irq, budget: u32) {
        self.enter(cpu, budget);
        let _ = self.hv.on_interrupt(&mut self.cpus[cpu], irq);
        self.collect_kicks();
    }

    /// `syscall` of the guest on a CPU, with the registers as they are.
    fn syscall(&mut self, cpu: usize, budget: u32) {
        self.enter(cpu, budget);
        let _ = self.hv.on_syscall(&mut self.cpus[cpu]);
        self.collect_kicks();
    }

    fn registers(&mut self, cpu: usize) -> &mut Vcpu {
        self.cpus[cpu].current.as_mut().expect("it runs something")
    }

    /// Brings the vCPU on `cpu` into kernel mode.
    pub fn enter_kernel(&mut self, cpu: usize) {
        if self.registers(cpu).mode == Mode::User {
            self.registers(cpu).regs.rip = SYSCALL_AT;
            self.syscall(cpu, 1024);
        }
    }

    /// Into user mode if there is a root for it.
    pub fn enter_user(&mut self, cpu: usize, who: Who) {
        let vcpu = self.registers(cpu);
        if vcpu.mode == Mode::User || vcpu.arch.user_root == Root::NONE {
            return self.enter_kernel(cpu);
        }
        vcpu.regs.rsp = at(who, STACK_END - 0x200);
        vcpu.regs.rax = nr::__HYPERVISOR_iret;
        // rax, r11, rcx, flags, rip, cs, rflags, rsp, ss; events stay masked.
        let frame = [
            0,
            0,
            0,
            0,
            SYSCALL_AT,
            0xe033,
            2,
            at(who, STACK_END),
            0xe02b_u64,
        ];
        let bytes: Vec<u8> = frame.iter().flat_map(|w| w.to_le_bytes()).collect();
        self.hv
            .machine
            .write_window(part(who) + STACK_END - 0x200, &bytes);
        self.syscall(cpu, 1024);
    }

    /// Puts a hypercall's arguments in place.
    pub fn prepare_call(&mut self, cpu: usize, who: Who, call: &Call) {
        let (number, args) = self.arguments(who, Spot::of(who), call);
        let vcpu = self.registers(cpu);
        vcpu.regs.rax = number;
        let r = &mut vcpu.regs;
        (r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9) = (args[0], args[1], args[2], args[3], 0, 0);
        r.rsp = at(who, STACK_END);
    }

    fn put(&self, spot: Spot, offset: usize, words: &[u64]) -> u64 {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        self.put_bytes(spot, offset, &bytes)
    }

    pub(super) fn put_bytes(&self, spot: Spot, offset: usize, bytes: &[u8]) -> u64 {
        self.hv.machine.write_window(spot.0 + offset, bytes);
        WINDOW + (spot.0 + offset) as u64
    }

    fn get<const N: usize>(&self, spot: Spot, offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        self.hv.machine.read_window(spot.0 + offset, &mut bytes);
        bytes
    }

    fn reservation(start: u64, count: usize, order: u32, domid: u16) -> xen_memory_reservation {
        let mut r = xen_memory_reservation::new_zeroed();
        (r.extent_start, r.nr_extents) = (start, count as u64);
        (r.extent_order, r.domid) = (order, domid);
        r
    }

    fn arguments(&self, who: Who, spot: Spot, call: &Call) -> (u64, [u64; 4]) {
        let pdone = self.put_bytes(spot, ANSWER, &UNTOLD.to_le_bytes());
        match call {
            Call::Mmu(list, foreign, tell) => {
                let pdone = if *tell { pdone } else { 0 };
                let words: Vec<u64> = list.iter().flat_map(|&(ptr, val)| [ptr, val]).collect();
                let va = self.put(spot, LIST, &words);
                let count = list.len() as u64;
                (
                    nr::__HYPERVISOR_mmu_update,
                    [va, count, pdone, u64::from(*foreign)],
                )
            }
            Call::Va(va, val, flags, None) => {
                (nr::__HYPERVISOR_update_va_mapping, [*va, *val, *flags, 0])
            }
            Call::Va(va, val, flags, Some(domid)) => (
                nr::__HYPERVISOR_update_va_mapping_otherdomain,
                [*va, *val, *flags, u64::from(*domid)],
            ),
            Call::Ext(cmd, a, b, domid) => {
                let va = self.put(spot, ARGUMENT, &[u64::from(*cmd), *a, *b]);
                // Guests do not ask how many of one are done.
                let pdone = if matches!(cmd, 5 | 15) { 0 } else { pdone };
                (
                    nr::__HYPERVISOR_mmuext_op,
                    [va, 1, pdone, u64::from(*domid)],
                )
            }
            Call::Reserve(cmd, domid, extents, order) => {
                let list = self.put(spot, LIST, extents);
                let request = Self::reservation(list, extents.len(), *order, *domid);
                let va = self.put_bytes(spot, ARGUMENT, request.as_bytes());
                (nr::__HYPERVISOR_memory_op, [u64::from(*cmd), va, 0, 0])
            }
            Call::Exchange(ins, outs, io, oo) => {
                let mut request = xen_memory_exchange::new_zeroed();
                let list = self.put(spot, LIST, ins);
                request.r#in = Self::reservation(list, ins.len(), *io, 0x7ff0);
                let list = self.put(spot, LIST + 0x200, outs);
                request.out = Self::reservation(list, outs.len(), *oo, 0x7ff0);
                let va = self.put_bytes(spot, ARGUMENT, request.as_bytes());
                (nr::__HYPERVISOR_memory_op, [11, va, 0, 0])
            }
            Call::Claim(domid, pages) => {
                let request = Self::reservation(0, *pages as usize, 0, *domid);
                let va = self.put_bytes(spot, ARGUMENT, request.as_bytes());
                (nr::__HYPERVISOR_memory_op, [24, va, 0, 0])
            }
            Call::Reservation(cmd, domid) => {
                let va = self.put_bytes(spot, ARGUMENT, &domid.to_le_bytes());
                (nr::__HYPERVISOR_memory_op, [u64::from(*cmd), va, 0, 0])
            }
            Call::SetGdt(frames) => {
                let va = self.put(spot, LIST, frames);
                (
                    nr::__HYPERVISOR_set_gdt,
                    [va, frames.len() as u64 * 512, 0, 0],
                )
            }
            Call::Descriptor(at, raw) => (nr::__HYPERVISOR_update_descriptor, [*at, *raw, 0, 0]),
            Call::Assist(cmd, kind) => (nr::__HYPERVISOR_vm_assist, [*cmd, *kind, 0, 0]),
            Call::Create(..)
            | Call::MaxVcpus(..)
            | Call::SetContext(..)
            | Call::Unpause(_)
            | Call::MaxMem(..)
            | Call::Destroy(_) => {
                let va = self.domctl(who, spot, call);
                (nr::__HYPERVISOR_domctl, [va, 0, 0, 0])
            }
            Call::Multi(entries) => {
                let mut list = Vec::new();
                for (n, entry) in entries.iter().enumerate() {
                    let (op, [a, b, c, d]) = self.arguments(who, Spot::entry(who, n), entry);
                    list.extend([op, u64::from(UNTOLD), a, b, c, d, 0, 0]);
                }
                let va = self.put(spot, LIST, &list);
                (nr::__HYPERVISOR_multicall, [va, entries.len() as u64, 0, 0])
            }
            Call::LdtFault(_)
            | Call::Touch(..)
            | Call::Store(..)
            | Call::Tick
            | Call::Mode
            | Call::Anew => unreachable!("no hypercall"),
        }
    }

    /// Makes the hypercall that [`Self::prepare_call`] prepared, once.
    pub fn hypercall(&mut self, cpu: usize, who: Who, budget: u32) -> Ended {
        let regs = &mut self.registers(cpu).regs;
        (regs.rip, regs.rsp) = (SYSCALL_AT + 2, at(who, STACK_END));
        self.syscall(cpu, budget);
        let regs = self.vcpu(who, |vcpu| vcpu.regs);
        match regs {
            // Its domain is gone.
            None => Ended::Again,
            Some(r) if r.rip == SYSCALL_AT => Ended::Again,
            Some(r) if r.rip == HANDLER && self.interrupted_at(r.rsp) == SYSCALL_AT => Ended::Again,
            Some(r) => Ended::Returned(r.rax as i64),
        }
    }

    /// A page fault at `cr2`, of instruction `code`.
    pub fn page_fault(&mut self, cpu: usize, who: Who, error: u32, cr2: u64, budget: u32) -> Ended {
        self.enter(cpu, budget);
        let rip = at(who, CODE);
        let vcpu = self.registers(cpu);
        vcpu.regs.rip = rip;
        if vcpu.mode == Mode::Kernel {
            vcpu.regs.rsp = at(who, STACK_END);
        }
        let _ = self.hv.on_exception(&mut self.cpus[cpu], 14, error, cr2);
        self.collect_kicks();
        match self.vcpu(who, |vcpu| vcpu.regs.rip) {
            Some(now) if now == HANDLER => Ended::Handler,
            Some(now) if now == rip => Ended::Again,
            _ => Ended::Behind,
        }
    }

    /// The processor finds byte `offset` of the LDT missing.
    pub fn ldt_fault(&mut self, cpu: usize, who: Who, offset: u32) -> Ended {
        self.page_fault(cpu, who, 4, FAKE_LDT + u64::from(offset), 1024)
    }

    /// Puts a store instruction in place.
    pub fn prepare_store(&mut self, cpu: usize, who: Who, va: u64, form: usize, val: u64) {
        let mut code = [0x90; 16];
        code[..STORES[form].len()].copy_from_slice(STORES[form]);
        self.hv.machine.write_window(part(who) + CODE, &code);
        let regs = &mut self.registers(cpu).regs;
        (regs.rdi, regs.rbx, regs.rax) = (va, val, 0);
    }

    /// What was written back: `pdone`.
    pub fn told(&self, spot: Spot) -> Option<u64> {
        let told = u32::from_le_bytes(self.get(spot, ANSWER));
        (told != UNTOLD).then_some(u64::from(told))
    }

    /// Word `index` of the list that a call has, or of its output list.
    pub fn list(&self, spot: Spot, output: bool, index: usize) -> u64 {
        let offset = LIST + if output { 0x200 } else { 0 } + index * 8;
        u64::from_le_bytes(self.get(spot, offset))
    }

    /// Extents that an exchange says it did.
    pub fn exchanged(&self, spot: Spot) -> u64 {
        let offset = core::mem::offset_of!(xen_memory_exchange, nr_exchanged);
        u64::from_le_bytes(self.get(spot, ARGUMENT + offset))
    }

    /// The result of entry `n` of a multicall.
    pub fn result(&self, who: Who, n: usize) -> i64 {
        i64::from_le_bytes(self.get(Spot::of(who), LIST + n * MULTICALL_ENTRY + RESULT))
    }

    /// Whether the call that is prepared goes on with one that was given up.
    pub fn resumes(&mut self, cpu: usize, who: Who, call: &Call) -> bool {
        let regs = self.registers(cpu).regs;
        let direct = (regs.rax, regs.hypercall_args());
        let left = self.registers(cpu).continuation;
        let same = |at: usize, call| left[at].is_some_and(|c| c.call == call);
        let entry = |n| {
            let word =
                |i| u64::from_le_bytes(self.get(Spot::of(who), LIST + n * MULTICALL_ENTRY + i * 8));
            (word(0), std::array::from_fn(|i| word(i + 2)))
        };
        let inner = match call {
            Call::Multi(entries) => (0..entries.len()).any(|n| same(1, entry(n))),
            _ => false,
        };
        same(0, direct) || inner
    }

    /// The words of a frame.
    pub fn words(&self, f: usize) -> Page {
        let words = self.hv.machine.frame_words(Mfn(f as u64));
        Page::new(std::array::from_fn(|i| words[i].load(Ordering::Relaxed)))
    }

    /// Shows `look` the pages that the hypervisor shares with a domain.
    pub fn shared(&self, d: usize, look: impl FnMut(Mfn)) {
        let state = self.domain(d).lock();
        let grants = state.grants.frames.iter().copied();
        state.shared_info.into_iter().chain(grants).for_each(look);
    }

    /// What each vCPU holds, domain by domain.
    pub fn all_holdings(&mut self) -> Vec<model::Vcpu> {
        everybody().map(|who| self.holdings(who)).collect()
    }

    /// What a vCPU holds.
    pub fn holdings(&mut self, who: Who) -> model::Vcpu {
        let holdings = self.vcpu(who, |vcpu| model::Vcpu {
            kernel_root: vcpu.arch.kernel_root.get().map(|m| m.0),
            user_root: vcpu.arch.user_root.get().map(|m| m.0),
            gdt: vcpu.arch.gdt.iter().map(|m| m.0).collect(),
            ldt: (vcpu.arch.ldt_base, vcpu.arch.ldt_entries),
            ldt_pages: vcpu.arch.ldt_pages.map(|page| page.map(|m| m.0)),
        });
        holdings.unwrap_or_default()
    }

    /// Frames that unfinished operations have taken out of the free ones, and the domain each lot is
    /// charged to, unless that is gone.
    pub fn frames_in_hand(&mut self) -> Vec<(Option<usize>, u32)> {
        let mut all = Vec::new();
        for who in everybody() {
            let hand = self.vcpu(who, |vcpu| vcpu.frames_in_hand()).flatten();
            if let Some((slot, generation, frames)) = hand {
                let d = place_of(slot);
                let same = self.domain(d).generation() == generation;
                all.push((same.then_some(d), frames as u32));
            }
        }
        all
    }

    /// Whether a vCPU has page-table work left.
    pub fn working(&mut self, who: Who) -> bool {
        self.vcpu(who, |vcpu| !vcpu.walk.is_idle()).unwrap_or(false)
    }

    /// Whether a vCPU has something in hand of a call that it did not go on with.
    pub fn has_in_hand(&mut self, who: Who) -> bool {
        let holds =
            |vcpu: &mut Vcpu| vcpu.frames_in_hand().is_some() || !vcpu.arch.gdt_coming.is_empty();
        self.vcpu(who, holds).unwrap_or(false)
    }

    /// The model's facts about the frames of `set` become what is so.
    pub fn teach(&self, model: &mut Model, set: Set) {
        let mut shared = 0;
        for d in 0..DOMAINS {
            self.shared(d, |mfn| shared |= bit(mfn.0));
        }
        for f in members(set) {
            let word = self.hv.frames.word(Mfn(f as u64));
            let frame = &mut model.frames[f];
            let owner = owner(word);
            frame.data = match owner {
                Owner::Domain(d) if word.is_counted() => Some((d, self.lives[d])),
                // Whose data it is nobody saw.
                Owner::Free => Some((DOMAINS, 0)),
                _ => None,
            };
            frame.owner = owner;
            frame.claimed = word.is_allocated();
            frame.pinned = word.is_pinned().then(|| word.kind().level().unwrap_or(0));
            frame.shared = shared & bit(f as u64) != 0;
            model.mem[f] = self.words(f);
            model.m2p[f] = self.hv.m2p[f].load(Ordering::Relaxed);
        }
    }
}

/// The model's name for a frame's owner.
pub fn owner(word: Word) -> Owner {
    match word.owner() {
        FrameOwner::FREE => Owner::Free,
        other => other
            .slot()
            .map_or(Owner::Hypervisor, |slot| Owner::Domain(place_of(slot))),
    }
}

/// The model's name for a frame's use.
pub fn usage(word: Word) -> model::Use {
    match word.kind() {
        FrameKind::None => model::Use::None,
        FrameKind::Descriptors => model::Use::Descriptors,
        FrameKind::Writable => model::Use::Writable,
        table => model::Use::Table(table.level().unwrap_or(0)),
    }
}
