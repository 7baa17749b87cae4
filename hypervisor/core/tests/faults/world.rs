//! A small machine with a control domain, a guest, and a domain that is being built.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use hypervisor_core::addr::{Mfn, table_index};
use hypervisor_core::domain::lifecycle;
use hypervisor_core::domain::{Domain, Phase};
use hypervisor_core::frame::word::{Kind, Owner};
use hypervisor_core::grant;
use hypervisor_core::hypercall::{Budget, dispatch};
use hypervisor_core::hypervisor::Hypervisor;
use hypervisor_core::platform::Machine;
use hypervisor_core::pv::{census, root};
use hypervisor_core::testkit::{self, FakeMachine};
use hypervisor_core::trap::{self, bounce};
use hypervisor_core::vcpu::{Mode, Regs, VcpuBox};
use zerocopy::{Immutable, IntoBytes};

/// Frames of the machine: most of the time of these tests goes into looking at all of them.
const FRAMES: usize = 128;
/// Where a domain that runs has its data pages.
pub const BASE: u64 = 0x40_0000;
/// Pages mapped there; the frames after them are its own and nothing else.
pub const MAPPED: usize = 4;
/// Where its arguments are, whatever its page tables say.
pub const ARGS: u64 = 0x7000_0000;
const ARGS_SIZE: usize = 4 * 4096;

/// Device frames: one that dom0 may have, one that nobody may have, one that is not for writing.
pub const DEVICE: u64 = 0x10_0000;
pub const DENIED: u64 = 0x10_0001;
pub const READ_ONLY: u64 = 0x10_0002;

/// A domain that runs, with its first vCPU in hand.
pub struct Guest {
    pub dom: &'static Domain,
    pub vcpu: VcpuBox,
    /// `MAPPED` data pages, then spare frames.
    pub pages: Vec<Mfn>,
    /// Level 1 to level 4.
    pub tables: [Mfn; 4],
}

pub struct World {
    pub hv: &'static Hypervisor<FakeMachine>,
    pub dom0: Guest,
    pub guest: Guest,
    /// Those of domain 2, which is paused; at their end a tree of tables that nobody has looked at.
    pub target_pages: Vec<Mfn>,
    free_at_start: u64,
    args: Vec<u8>,
    /// Mode and registers behind the last trap.
    went_on: Option<(Mode, Regs)>,
}

/// Who makes a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caller {
    Dom0,
    Guest,
}

/// A hypercall's number and arguments.
pub type Call = (u64, [u64; 6]);

/// How a guest comes into the hypervisor. For all but a call its registers are in place already.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    Call(Call),
    /// An exception: vector, error code and, for a page fault, its address.
    Exception(u8, u32, u64),
    /// `syscall` in user mode.
    Syscall,
    /// An event is delivered.
    Event,
    /// An NMI is.
    Nmi,
}

impl From<Call> for Way {
    fn from(call: Call) -> Self {
        Self::Call(call)
    }
}

/// Where the guest's handler of vector 0 is, in traps; that of vector `n` is `n` bytes behind.
pub const HANDLERS: u64 = 0x50_0000;
/// What [`World::run`] gives where an instruction ended as a fault in the guest's handler: this,
/// less the vector.
pub const FAULTED: i64 = -1000;
/// The vectors of faults.
const FAULTS: [u64; 3] = [6, 13, 14];
/// And where the domain died.
pub const DIED: i64 = -2000;

fn pages(hv: &Hypervisor<FakeMachine>, dom: &Domain, count: usize) -> Vec<Mfn> {
    let mut all: Vec<Mfn> = (0..count)
        .map(|_| hv.alloc_domain_page(dom).expect("a frame"))
        .collect();
    all.sort_unstable_by_key(|mfn| mfn.0);
    for (pfn, &mfn) in all.iter().enumerate() {
        hv.set_m2p(mfn, pfn as u64);
    }
    all
}

/// Links `tables`, level 1 first, to a tree that leads to `BASE`.
fn tree(m: &FakeMachine, tables: &[Mfn], mapped: &[Mfn]) {
    for (i, page) in mapped.iter().enumerate() {
        m.store_u64(tables[0], i * 8, page.addr() | 7);
    }
    for level in 2..=4 {
        let at = table_index(BASE, level) * 8;
        let entry = tables[level as usize - 2].addr() | 7;
        m.store_u64(tables[level as usize - 1], at, entry);
    }
}

impl Guest {
    fn new(hv: &'static Hypervisor<FakeMachine>, id: u16) -> Self {
        let dom = testkit::domain(hv, id, 2, 40);
        {
            // The second vCPU is for the tests to bring up.
            let mut state = dom.lock();
            state.vcpus[1].initialised = false;
            state.vcpus[1].up = false;
        }
        let all = pages(hv, dom, MAPPED + 8 + 4);
        let (data, tables) = all.split_at(MAPPED + 8);
        let tables = [tables[0], tables[1], tables[2], tables[3]];
        tree(hv.machine, &tables, &data[..MAPPED]);
        root::adopt_root(hv, dom, tables[3], false).expect("valid tables");
        let mut vcpu = dom.homes.lock()[0].take().expect("at home");
        vcpu.arch.kernel_root = Some(tables[3]).into();
        vcpu.info = dom.lock().vcpus[0].info;
        Self {
            dom,
            vcpu,
            pages: data.to_vec(),
            tables,
        }
    }
}

impl Guest {
    /// Makes a call as far as it comes in one entry; its result when it has ended.
    fn enter(&mut self, hv: &Hypervisor<FakeMachine>, (number, a): Call) -> Option<i64> {
        const START: u64 = 0x1000;
        let r = &mut self.vcpu.regs;
        (r.rax, r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9) =
            (number, a[0], a[1], a[2], a[3], a[4], a[5]);
        r.rip = START;
        dispatch::hypercall(hv, &mut self.vcpu);
        let ended = self.vcpu.regs.rip != START - 2;
        ended.then_some(self.vcpu.regs.rax as i64)
    }

    fn call(&mut self, hv: &Hypervisor<FakeMachine>, call: Call) -> i64 {
        let result = (0..MOST_ENTRIES).find_map(|_| self.enter(hv, call));
        result.unwrap_or_else(|| panic!("hypercall {} makes no progress", call.0))
    }

    fn trap(&mut self, hv: &Hypervisor<FakeMachine>, way: Way) -> i64 {
        let vcpu = &mut self.vcpu;
        let rip = vcpu.regs.rip;
        for _ in 0..MOST_ENTRIES {
            match way {
                Way::Call(_) => unreachable!("it has no registers"),
                Way::Exception(vector, error, cr2) => {
                    trap::exception(hv, vcpu, vector, error, cr2);
                }
                Way::Syscall => bounce::syscall(hv, vcpu),
                Way::Event => bounce::event(hv, vcpu),
                Way::Nmi => bounce::nmi(hv, vcpu),
            }
            if vcpu.crash.is_some() || vcpu.regs.rip != rip || succeeds_now(hv, way) {
                return 0;
            }
        }
        panic!("{way:?} makes no progress");
    }
}

/// Entries that one call or instruction may take.
const MOST_ENTRIES: u32 = 100_000;

/// Whether the access that faulted goes through when it is made once more.
fn succeeds_now(hv: &Hypervisor<FakeMachine>, way: Way) -> bool {
    let Way::Exception(14, error, cr2) = way else {
        return false;
    };
    match cr2.checked_sub(testkit::FAKE_LDT) {
        Some(offset) => hv.machine.cpu_state().ldt_pages[offset as usize / 4096].is_some(),
        None => hv.machine.guest_access(cr2, error & 2 != 0).is_ok(),
    }
}

impl World {
    pub fn new() -> Self {
        let hv = testkit::hypervisor_with(FRAMES, 2, |config| {
            config.device_denied.push((Mfn(DENIED), 1));
            config.device_read_only.push((Mfn(READ_ONLY), 1));
        });
        hv.machine.set_window(ARGS, vec![0; ARGS_SIZE]);
        let free_at_start = hv.frames.free_frames();
        let dom0 = Guest::new(hv, 0);
        let guest = Guest::new(hv, 1);
        let target = testkit::domain(hv, 2, 2, 24);
        for vcpu in &mut target.lock().vcpus {
            vcpu.initialised = false;
            vcpu.up = false;
        }
        target.pauses.store(1, Ordering::SeqCst);
        let target_pages = pages(hv, target, 8);
        tree(hv.machine, &target_pages[4..], &target_pages[..2]);
        hv.machine.reserve_records();
        Self {
            hv,
            dom0,
            guest,
            target_pages,
            free_at_start,
            args: Vec::new(),
            went_on: None,
        }
    }

    pub fn caller(&mut self, who: Caller) -> &mut Guest {
        match who {
            Caller::Dom0 => &mut self.dom0,
            Caller::Guest => &mut self.guest,
        }
    }

    /// Puts `value` behind the arguments so far; gives its guest address.
    pub fn put<T: IntoBytes + Immutable + ?Sized>(&mut self, value: &T) -> u64 {
        while !self.args.len().is_multiple_of(8) {
            self.args.push(0);
        }
        let at = self.args.len();
        self.args.extend_from_slice(value.as_bytes());
        assert!(self.args.len() <= ARGS_SIZE);
        ARGS + at as u64
    }

    /// Bytes of the arguments so far.
    pub fn args(&self) -> &[u8] {
        &self.args
    }

    /// Replaces bytes of the arguments.
    pub fn set_args(&mut self, args: Vec<u8>) {
        self.args = args;
    }

    /// Writes the arguments into the guest's memory.
    pub fn deliver(&self) {
        let mut window = self.args.clone();
        window.resize(ARGS_SIZE, 0);
        self.hv.machine.write_window(0, &window);
    }

    /// The guest's memory where the arguments were.
    pub fn window(&self) -> Vec<u8> {
        let mut window = vec![0; ARGS_SIZE];
        self.hv.machine.read_window(0, &mut window);
        window
    }

    /// What was left there, and where the guest went on behind a trap.
    pub fn answer(&self) -> Vec<u8> {
        let mut answer = self.window();
        answer.extend(format!("{:x?}", self.went_on).into_bytes());
        answer
    }

    /// Goes one way into the hypervisor to its end, however often it is continued; gives rax of a
    /// call, of other ways 0, and [`FAULTED`] or [`DIED`] where it came to that.
    pub fn run(&mut self, who: Caller, way: impl Into<Way>) -> i64 {
        let hv = self.hv;
        self.switch_to(who);
        let guest = self.caller(who);
        let way = way.into();
        let result = match way {
            Way::Call(call) => guest.call(hv, call),
            way => guest.trap(hv, way),
        };
        let died = guest.vcpu.crash.is_some();
        lifecycle::see_to_crash(hv, &mut guest.vcpu);
        let went_on = (guest.vcpu.mode, guest.vcpu.regs);
        if !matches!(way, Way::Call((number, _)) if number != dispatch::IRET) {
            self.went_on = Some(went_on);
        }
        let rip = went_on.1.rip;
        if died {
            DIED
        } else if FAULTS.contains(&rip.wrapping_sub(HANDLERS)) {
            FAULTED - (rip - HANDLERS) as i64
        } else {
            result
        }
    }

    fn switch_to(&mut self, who: Caller) {
        let hv = self.hv;
        let vcpu = &self.caller(who).vcpu;
        let root = match vcpu.mode {
            Mode::Kernel => vcpu.arch.kernel_root,
            Mode::User => vcpu.arch.user_root,
        };
        hv.machine.load_root(root.get().expect("it runs"));
    }

    /// Makes a call with little budget, and goes on with it as long as `amid` does not say that this is
    /// where to leave it: it has not ended then.
    pub fn interrupt(&mut self, who: Caller, call: Call, amid: impl Fn(&Self) -> bool) {
        self.switch_to(who);
        self.hv.machine.set_budget(1);
        while !amid(self) {
            let hv = self.hv;
            let ended = self.caller(who).enter(hv, call);
            assert_eq!(ended, None, "there is more to it");
        }
        self.hv.machine.set_budget(Budget::FULL);
    }

    /// Ends page-table work that a call may leave for the next one.
    pub fn settle(&mut self, who: Caller) {
        // An empty mmu_update: calls that change page tables end it first.
        self.run(who, (1, [ARGS, 0, 0, super::operations::SELF, 0, 0]));
    }

    /// Uses of frames that are not in any page table.
    fn held(&self) -> Vec<(Mfn, Kind)> {
        let mut held = grant::census::held(self.hv);
        for dom in self.hv.domains.iter() {
            let state = dom.lock();
            held.extend(state.shared_info.map(|mfn| (mfn, Kind::Writable)));
            let fifo = state.events.fifo_frames();
            held.extend(fifo.into_iter().map(|mfn| (mfn, Kind::Writable)));
            let page = state.pirqs.eoi_page();
            held.extend(page.map(|mfn| (mfn, Kind::Writable)));
            held.extend(state.grants.frames.iter().map(|&mfn| (mfn, Kind::Writable)));
            for shared in &state.vcpus {
                let registered = shared.info.filter(|i| Some(i.mfn) != state.shared_info);
                held.extend(registered.map(|info| (info.mfn, Kind::Writable)));
            }
            drop(state);
            let homes = dom.homes.lock();
            let mine = [&self.dom0, &self.guest]
                .into_iter()
                .filter(|g| g.dom.slot == dom.slot)
                .map(|g| &g.vcpu);
            for vcpu in homes.iter().flatten().chain(mine) {
                let arch = &vcpu.arch;
                let roots = [arch.kernel_root.get(), arch.user_root.get()];
                held.extend(roots.into_iter().flatten().map(|mfn| (mfn, Kind::L4)));
                let tables = arch.gdt.iter().chain(&arch.gdt_coming).copied();
                let pages = arch.ldt_pages.iter().copied().flatten();
                held.extend(tables.chain(pages).map(|mfn| (mfn, Kind::Descriptors)));
            }
        }
        held
    }

    /// Whether every frame's counts are what memory and the domains' states say, and every domain
    /// is charged for what it counts.
    pub fn check(&self) -> Result<(), String> {
        census::check(self.hv, &self.held())?;
        grant::census::check(self.hv)?;
        let mut marked = self.hv.frames.free_frames();
        for dom in self.hv.domains.iter() {
            let owner = Owner::domain(dom.slot);
            let words = (0..FRAMES as u64).map(|mfn| self.hv.frames.word(Mfn(mfn)));
            let own: Vec<_> = words.filter(|w| w.owner() == owner).collect();
            marked += own.len() as u64;
            let counted = own.iter().filter(|w| w.is_counted()).count();
            let charged = dom.tot_pages.load(Ordering::Relaxed) as usize;
            if counted != charged {
                return Err(format!(
                    "d{}: {counted} counted, {charged} charged",
                    dom.id()
                ));
            }
        }
        // Those of the hypervisor itself, and those in which it keeps domains' ports.
        marked += owned_by(self.hv, Owner::HYPERVISOR) + owned_by(self.hv, Owner::IO);
        if marked != FRAMES as u64 {
            return Err(format!("{marked} frames are free or somebody's"));
        }
        Ok(())
    }

    /// Everything that matters later, line by line: frames, machine-to-phys, domains, memory.
    pub fn state(&self) -> BTreeMap<String, String> {
        let mut lines = BTreeMap::new();
        for mfn in (0..FRAMES as u64).map(Mfn) {
            let word = self.hv.frames.word(mfn);
            // Whether a former table was flushed meanwhile shows in no result.
            let text = format!("{word:?}").replace(" stale", "");
            let m2p = self.hv.m2p[mfn.0 as usize].load(Ordering::Relaxed);
            lines.insert(format!("frame {:03}", mfn.0), format!("{text} pfn {m2p:x}"));
            if word.owner() != Owner::FREE && word.owner() != Owner::HYPERVISOR {
                let sum = self.hv.machine.frame_words(mfn).iter().enumerate().fold(
                    0_u64,
                    |sum, (i, w)| {
                        let value = w
                            .load(Ordering::Relaxed)
                            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
                        sum.rotate_left(7) ^ value.wrapping_add(i as u64)
                    },
                );
                lines.insert(format!("memory {:03}", mfn.0), format!("{sum:x}"));
            }
        }
        for dom in self.hv.domains.iter() {
            let name = format!("d{}", dom.id());
            let numbers = [
                u64::from(dom.tot_pages.load(Ordering::Relaxed)),
                u64::from(dom.max_pages.load(Ordering::Relaxed)),
                u64::from(dom.pauses.load(Ordering::Relaxed)),
                u64::from(dom.shutdown.load(Ordering::Relaxed)),
                dom.vm_assist.load(Ordering::Relaxed),
                u64::from(dom.outstanding()),
            ];
            let state = dom.lock();
            let events: Vec<_> = (0..state.events.len())
                .filter_map(|p| state.events.get(self.hv.machine, p).ok())
                .collect();
            let shared: Vec<_> = state
                .vcpus
                .iter()
                .map(|v| (v.initialised, v.up, v.info, v.virqs))
                .collect();
            let text = format!(
                "{:?} {numbers:?} {:?} {:?} {:?} {:?} {} {:?} {events:?} {shared:?}",
                dom.phase(),
                state.pirqs,
                state.events.fifo_frames(),
                state.handle,
                state.grants.frames,
                state.grants.text(self.hv.machine),
                state.memory_map,
            ) + &dom.rights_text();
            drop(state);
            lines.insert(name, text);
        }
        lines.insert("interrupts".into(), self.hv.irqs_text());
        for (name, guest) in [("dom0", &self.dom0), ("guest", &self.guest)] {
            let a = &guest.vcpu.arch;
            let text = format!(
                "{:?} {:?} {:?} {} {:?} {:?} {:?} {:x?} {:?}",
                a.kernel_root,
                a.user_root,
                a.gdt,
                a.gdt_entries,
                (a.ldt_base, a.ldt_entries),
                a.ldt_pages,
                guest.vcpu.info,
                (
                    a.event.address,
                    a.failsafe.address,
                    a.syscall.address,
                    a.iopl
                ),
                a.traps.iter().filter(|t| t.address != 0).count(),
            );
            lines.insert(format!("vcpu of {name}"), text);
        }
        lines
    }

    /// Leaves `count` frames free that nobody has claimed, the others to dom0, which may have them
    /// all.
    pub fn hoard(&mut self, count: u64) -> Vec<Mfn> {
        let dom0 = self.dom0.dom;
        let max = dom0.max_pages.swap(FRAMES as u32, Ordering::SeqCst);
        let mut hoarded = Vec::new();
        let (claimed, _) = self.hv.frames.claimed();
        while self.hv.frames.free_frames() > count + claimed {
            hoarded.push(self.hv.alloc_domain_page(dom0).expect("free"));
        }
        dom0.max_pages.store(max, Ordering::SeqCst);
        hoarded
    }

    /// Destroys all domains but dom0; whether everything they had came back.
    pub fn end(mut self) -> Result<(), String> {
        for who in [Caller::Guest, Caller::Dom0] {
            self.hv.machine.set_budget(Budget::FULL);
            self.settle(who);
        }
        self.check()?;
        // What dom0 mapped of others would keep them.
        super::grants::unmap_all(&mut self);
        let unmap = (14, [super::operations::HOLE, 0, 0, 0, 0, 0]);
        self.run(Caller::Dom0, unmap);
        let World {
            hv, guest, dom0, ..
        } = self;
        {
            let mut homes = guest.dom.homes.lock();
            // An interrupted destruction may have freed the places before.
            if homes.is_empty() {
                homes.push(None);
            }
            homes[0] = Some(guest.vcpu);
        }
        for dom in hv.domains.iter().filter(|d| d.slot != dom0.dom.slot) {
            lifecycle::destroy_whole(hv, dom).map_err(|e| format!("d{}: {e:?}", dom.id()))?;
            if dom.phase() != Phase::Free {
                return Err(format!("d{} is a {:?} now", dom.id(), dom.phase()));
            }
        }
        let dom0s = Owner::domain(dom0.dom.slot);
        let own = owned_by(hv, Owner::HYPERVISOR) - testkit::RESERVED_FRAMES;
        let of_grants = dom0.dom.lock().grants.own_frames();
        if own != FRAMES_OF_PORTS + of_grants {
            return Err(format!("{own} frames of ports and grants are left"));
        }
        let kept = owned_by(hv, dom0s) + own;
        let free = hv.frames.free_frames();
        if free + kept != self.free_at_start {
            return Err(format!("{free} free and {kept} of dom0: frames are lost"));
        }
        let events = dom0.dom.lock();
        for port in 0..events.events.len() {
            use hypervisor_core::evtchn::Binding;
            if let Ok(channel) = events.events.get(hv.machine, port)
                && let Binding::Interdomain { remote, .. } = channel.binding
                && remote != dom0.dom.id()
            {
                return Err(format!(
                    "port {port} of dom0 leads to d{remote}, which is gone"
                ));
            }
        }
        Ok(())
    }
}

/// Frames in which the hypervisor keeps the ports of a domain that has few.
const FRAMES_OF_PORTS: u64 = 2;

fn owned_by(hv: &Hypervisor<FakeMachine>, owner: Owner) -> u64 {
    let all = (0..FRAMES as u64).map(Mfn);
    all.filter(|&mfn| hv.frames.owner(mfn) == owner).count() as u64
}

/// What differs between two states, in words.
pub fn difference(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Vec<String> {
    let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
    keys.into_iter()
        .filter(|key| a.get(*key) != b.get(*key))
        .map(|key| format!("{key}: {:?} / {:?}", a.get(key), b.get(key)))
        .collect()
}
