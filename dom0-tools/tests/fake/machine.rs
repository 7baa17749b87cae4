//! The machine: frames, domains, ports, and the hypercalls on them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use dom0_tools::hyper::{Access, Arg, Call, Errno, Hyper, Mapping};
use hypercall_abi::arch_x86_64::*;
use hypercall_abi::domctl::*;
use hypercall_abi::errno::*;
use hypercall_abi::event_channel::*;
use hypercall_abi::memory::*;
use hypercall_abi::sysctl::*;
use hypercall_abi::version::*;
use hypercall_abi::xen::*;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::guest::Agent;

pub const PAGE: usize = 4096;
type Result<T> = std::result::Result<T, i64>;

pub struct Frame {
    pub owner: Option<domid_t>,
    pub data: Box<[u8; PAGE]>,
    /// 0, or the level of the page table it was validated as.
    pub table: u8,
    pub mapped: u32,
    pub mapped_writable: u32,
    pub m2p: u64,
    /// Frames of the hypervisor shared with a guest (shared_info) are not its memory.
    pub special: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Port {
    Unbound(domid_t),
    Bound(domid_t, u32),
}

pub struct Domain {
    pub handle: [u8; 16],
    pub max_vcpus: u32,
    pub vcpus: u32,
    pub max_pages: u64,
    pub shared_info: u64,
    pub paused: bool,
    pub shutdown: Option<u32>,
    pub dying: bool,
    pub pinned: BTreeSet<u64>,
    pub context: Option<vcpu_guest_context>,
    pub ports: BTreeMap<u32, Port>,
    pub stub_pages: Vec<u64>,
    pub agent: Agent,
}

pub struct Machine {
    pub frames: Vec<Frame>,
    pub domains: BTreeMap<domid_t, Domain>,
    /// dom0's ports.
    pub ports: BTreeMap<u32, Port>,
    pub next_domain: domid_t,
    pub calls: usize,
    /// Which call (or mapping), counted from 0, is refused with ENOMEM.
    pub fail_at: Option<usize>,
    pub log: Vec<u8>,
    pub keys: Vec<u8>,
    free: Vec<u64>,
    scramble: u64,
}

impl Machine {
    pub fn new(frames: usize) -> Self {
        let frame = || Frame {
            owner: None,
            data: Box::new([0xa5; PAGE]),
            table: 0,
            mapped: 0,
            mapped_writable: 0,
            m2p: u64::MAX,
            special: false,
        };
        Machine {
            frames: (0..frames).map(|_| frame()).collect(),
            domains: BTreeMap::new(),
            ports: BTreeMap::new(),
            next_domain: 1,
            calls: 0,
            fail_at: None,
            log: b"(PVN) a line of the hypervisor\n".to_vec(),
            keys: Vec::new(),
            free: (0..frames as u64).collect(),
            scramble: 88_172_645_463_325_252,
        }
    }

    pub fn free_frames(&self) -> usize {
        self.frames
            .iter()
            .filter(|frame| frame.owner.is_none())
            .count()
    }

    fn pages_of(&self, domain: domid_t) -> u64 {
        let mine = |frame: &&Frame| frame.owner == Some(domain) && !frame.special;
        self.frames.iter().filter(mine).count() as u64
    }

    pub fn word(&self, mfn: u64, index: usize) -> u64 {
        let data = &self.frames[mfn as usize].data;
        u64::from_le_bytes(data[8 * index..8 * index + 8].try_into().unwrap())
    }

    fn take_frame(&mut self, owner: domid_t) -> Result<u64> {
        if self.free.is_empty() {
            return Err(XEN_ENOMEM);
        }
        // xorshift: no two neighbours of a domain are neighbours in the machine.
        self.scramble ^= self.scramble << 13;
        self.scramble ^= self.scramble >> 7;
        self.scramble ^= self.scramble << 17;
        let mfn = self
            .free
            .swap_remove((self.scramble % self.free.len() as u64) as usize);
        let frame = &mut self.frames[mfn as usize];
        frame.owner = Some(owner);
        frame.data.fill(0xa5);
        Ok(mfn)
    }

    fn count_call(&mut self) -> Result<()> {
        self.calls += 1;
        if self.fail_at == Some(self.calls - 1) {
            Err(XEN_ENOMEM)
        } else {
            Ok(())
        }
    }

    fn domain(&mut self, domain: domid_t) -> Result<&mut Domain> {
        self.domains.get_mut(&domain).ok_or(XEN_ESRCH)
    }

    fn info(&self, id: domid_t) -> xen_domctl_getdomaininfo {
        let mut info = xen_domctl_getdomaininfo::new_zeroed();
        info.domain = id;
        let Some(domain) = self.domains.get(&id) else {
            (info.flags, info.tot_pages, info.max_pages) = (XEN_DOMINF_running, 32768, 32768);
            (info.nr_online_vcpus, info.cpu_time) = (1, 5_930_000_000);
            return info;
        };
        for (set, flag) in [
            (domain.paused, XEN_DOMINF_paused),
            (domain.dying, XEN_DOMINF_dying),
            (domain.shutdown.is_some(), XEN_DOMINF_shutdown),
            (
                !domain.paused && domain.shutdown.is_none(),
                XEN_DOMINF_blocked,
            ),
        ] {
            info.flags |= if set { flag } else { 0 };
        }
        info.flags |= domain.shutdown.unwrap_or(0) << XEN_DOMINF_shutdownshift;
        info.tot_pages = self.pages_of(id);
        info.max_pages = domain.max_pages;
        info.shared_info_frame = domain.shared_info;
        info.cpu_time = 250_000_000;
        info.nr_online_vcpus = domain.vcpus;
        info.handle = domain.handle;
        info
    }

    fn create(&mut self, id: domid_t, create: &xen_domctl_createdomain) -> Result<domid_t> {
        let valid = create.flags == 0
            && create.iommu_opts == 0
            && create.arch.emulation_flags == 0
            && create.arch.misc_flags == 0
            && create.grant_opts == 1
            && create.vmtrace_size == 0
            && (1..=64).contains(&create.max_vcpus)
            && id == 0;
        if !valid {
            return Err(XEN_EINVAL);
        }
        let id = self.next_domain;
        let shared_info = self.take_frame(id)?;
        self.next_domain += 1;
        let frame = &mut self.frames[shared_info as usize];
        frame.special = true;
        frame.data.fill(0);
        let domain = Domain {
            handle: create.handle,
            max_vcpus: create.max_vcpus,
            vcpus: 0,
            max_pages: 0,
            shared_info,
            paused: true,
            shutdown: None,
            dying: false,
            pinned: BTreeSet::new(),
            context: None,
            ports: BTreeMap::new(),
            stub_pages: Vec::new(),
            agent: Agent::default(),
        };
        self.domains.insert(id, domain);
        Ok(id)
    }

    fn destroy(&mut self, id: domid_t) -> Result<()> {
        // The first call only begins, as on the real one.
        let domain = self.domain(id)?;
        if !domain.dying {
            domain.dying = true;
            return Err(XEN_EAGAIN);
        }
        for (port, state) in self.ports.clone() {
            if matches!(state, Port::Bound(remote, _) if remote == id) {
                self.ports.insert(port, Port::Unbound(id));
            }
        }
        let mut held = false;
        for (mfn, frame) in self.frames.iter_mut().enumerate() {
            if frame.owner != Some(id) {
                continue;
            }
            held |= frame.mapped != 0;
            if frame.mapped == 0 {
                (frame.owner, frame.table, frame.special) = (None, 0, false);
                self.free.push(mfn as u64);
            }
        }
        if !held {
            self.domains.remove(&id);
        }
        Ok(())
    }

    fn domctl(&mut self, op: &mut xen_domctl, buffer: Option<&mut [u8]>) -> Result<u64> {
        if op.interface_version != XEN_DOMCTL_INTERFACE_VERSION {
            return Err(XEN_EACCES);
        }
        let id = op.domain;
        match op.cmd {
            XEN_DOMCTL_createdomain => op.domain = self.create(id, &op.u.get())?,
            XEN_DOMCTL_destroydomain => self.destroy(id)?,
            XEN_DOMCTL_pausedomain => self.domain(id)?.paused = true,
            XEN_DOMCTL_unpausedomain => {
                let domain = self.domain(id)?;
                if domain.context.is_none() {
                    return Err(XEN_EINVAL);
                }
                domain.paused = false;
                self.run_agent(id);
            }
            XEN_DOMCTL_getdomaininfo => {
                if id != 0 {
                    self.domain(id)?;
                }
                op.u.set(self.info(id));
            }
            XEN_DOMCTL_max_mem => {
                self.domain(id)?.max_pages = op.u.get::<xen_domctl_max_mem>().max_memkb / 4;
            }
            XEN_DOMCTL_max_vcpus => {
                let max = op.u.get::<xen_domctl_max_vcpus>().max;
                let domain = self.domain(id)?;
                if max > domain.max_vcpus {
                    return Err(XEN_EINVAL);
                }
                domain.vcpus = max;
            }
            XEN_DOMCTL_hypercall_init => {
                let mfn = op.u.get::<xen_domctl_hypercall_init>().gmfn;
                self.owned(mfn, id)?;
                self.frames[mfn as usize].data.fill(0xc3);
                self.domain(id)?.stub_pages.push(mfn);
            }
            XEN_DOMCTL_setvcpucontext => {
                let context = vcpu_guest_context::read_from_bytes(buffer.ok_or(XEN_EFAULT)?)
                    .map_err(|_| XEN_EFAULT)?;
                self.set_context(id, op.u.get::<xen_domctl_vcpucontext>().vcpu, context)?;
            }
            _ => return Err(XEN_ENOSYS),
        }
        Ok(0)
    }

    fn set_context(&mut self, id: domid_t, vcpu: u32, context: vcpu_guest_context) -> Result<()> {
        let domain = self.domain(id)?;
        let regs = &context.user_regs;
        let root = context.ctrlreg[3] >> 12;
        let valid = vcpu < domain.vcpus
            && domain.pinned.contains(&root)
            && context.flags & VGCF_in_kernel != 0
            && (regs.cs & 3, regs.ss & 3) == (3, 3)
            && regs.rflags & 0x200 != 0
            && context.gdt_ents == 0;
        if !valid {
            return Err(XEN_EINVAL);
        }
        domain.context = Some(context);
        Ok(())
    }

    fn owned(&self, mfn: u64, domain: domid_t) -> Result<&Frame> {
        let frame = self.frames.get(mfn as usize).ok_or(XEN_EINVAL)?;
        if frame.owner == Some(domain) {
            Ok(frame)
        } else {
            Err(XEN_EPERM)
        }
    }

    fn populate(&mut self, op: &xen_memory_reservation, extents: &mut [u8]) -> Result<u64> {
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

    fn pin(&mut self, op: &mmuext_op, id: domid_t) -> Result<()> {
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

    fn event_op(&mut self, cmd: u32, bytes: &mut [u8]) -> Result<u64> {
        match cmd {
            EVTCHNOP_alloc_unbound => {
                let mut op =
                    evtchn_alloc_unbound::read_from_bytes(bytes).map_err(|_| XEN_EFAULT)?;
                if op.remote_dom != DOMID_SELF {
                    return Err(XEN_EINVAL);
                }
                let domain = self.domain(op.dom)?;
                op.port = domain.ports.len() as u32 + 1;
                domain.ports.insert(op.port, Port::Unbound(0));
                bytes.copy_from_slice(op.as_bytes());
            }
            EVTCHNOP_bind_interdomain => {
                let mut op =
                    evtchn_bind_interdomain::read_from_bytes(bytes).map_err(|_| XEN_EFAULT)?;
                op.local_port = self.ports.keys().next_back().map_or(1, |last| last + 1);
                let remote = self.domain(op.remote_dom)?;
                if remote.ports.get(&op.remote_port) != Some(&Port::Unbound(0)) {
                    return Err(XEN_EINVAL);
                }
                remote
                    .ports
                    .insert(op.remote_port, Port::Bound(0, op.local_port));
                self.ports
                    .insert(op.local_port, Port::Bound(op.remote_dom, op.remote_port));
                bytes.copy_from_slice(op.as_bytes());
            }
            EVTCHNOP_send | EVTCHNOP_close => {
                let port = u32::from_le_bytes(bytes.try_into().map_err(|_| XEN_EFAULT)?);
                let state = *self.ports.get(&port).ok_or(XEN_EINVAL)?;
                let Port::Bound(remote, remote_port) = state else {
                    if cmd == EVTCHNOP_close {
                        self.ports.remove(&port);
                    }
                    return Ok(0);
                };
                if cmd == EVTCHNOP_close {
                    self.ports.remove(&port);
                    self.domain(remote)?
                        .ports
                        .insert(remote_port, Port::Unbound(0));
                } else {
                    self.run_agent(remote);
                }
            }
            _ => return Err(XEN_ENOSYS),
        }
        Ok(0)
    }

    fn sysctl(&mut self, op: &mut xen_sysctl, buffer: Option<&mut [u8]>) -> Result<u64> {
        if op.interface_version != XEN_SYSCTL_INTERFACE_VERSION {
            return Err(XEN_EACCES);
        }
        match op.cmd {
            XEN_SYSCTL_physinfo => {
                let mut info = xen_sysctl_physinfo::new_zeroed();
                (info.nr_cpus, info.threads_per_core, info.cores_per_socket) = (2, 1, 2);
                info.total_pages = self.frames.len() as u64;
                info.free_pages = self.free_frames() as u64;
                info.cpu_khz = 2_400_123;
                info.capabilities = XEN_SYSCTL_PHYSCAP_pv;
                op.u.set(info);
            }
            XEN_SYSCTL_sched_id => op.u.set(xen_sysctl_sched_id {
                sched_id: XEN_SCHEDULER_CREDIT2,
            }),
            XEN_SYSCTL_getdomaininfolist => {
                let mut list: xen_sysctl_getdomaininfolist = op.u.get();
                let ids = std::iter::once(0).chain(self.domains.keys().copied());
                let ids: Vec<_> = ids.filter(|id| *id >= list.first_domain).collect();
                let slots = buffer.ok_or(XEN_EFAULT)?.chunks_exact_mut(112);
                list.num_domains = 0;
                for (slot, id) in slots.take(list.max_domains as usize).zip(ids) {
                    slot.copy_from_slice(self.info(id).as_bytes());
                    list.num_domains += 1;
                }
                op.u.set(list);
            }
            XEN_SYSCTL_readconsole => {
                let mut read: xen_sysctl_readconsole = op.u.get();
                let rest = &self.log[(read.index as usize).min(self.log.len())..];
                let count = rest.len().min(read.count as usize);
                buffer.ok_or(XEN_EFAULT)?[..count].copy_from_slice(&rest[..count]);
                (read.count, read.index) = (count as u32, read.index + count as u32);
                op.u.set(read);
            }
            XEN_SYSCTL_debug_keys => self.keys.extend(buffer.ok_or(XEN_EFAULT)?.iter()),
            _ => return Err(XEN_ENOSYS),
        }
        Ok(0)
    }

    fn version(cmd: u32, buffer: Option<&mut [u8]>) -> Result<u64> {
        let text = match cmd {
            XENVER_version => return Ok(4 << 16 | 17),
            XENVER_pagesize => return Ok(4096),
            XENVER_extraversion => ".0-fake",
            XENVER_capabilities => "xen-3.0-x86_64 ",
            XENVER_commandline => "console=com1",
            XENVER_compile_info | XENVER_changeset => "",
            XENVER_platform_parameters => "\0\0\0\0\0\u{0}",
            _ => return Err(XEN_ENOSYS),
        };
        buffer.ok_or(XEN_EFAULT)?[..text.len()].copy_from_slice(text.as_bytes());
        Ok(0)
    }

    fn dispatch(&mut self, call: &mut Call<'_>) -> Result<u64> {
        self.count_call()?;
        let number = call.number();
        let [first, second, _, fourth, _] = call.args_mut();
        match (number, first, second, fourth) {
            (__HYPERVISOR_domctl, arg, _, _) => {
                let (bytes, buffer) = parts(arg)?;
                let mut op = xen_domctl::read_from_bytes(bytes).map_err(|_| XEN_EFAULT)?;
                let result = self.domctl(&mut op, buffer);
                bytes.copy_from_slice(op.as_bytes());
                result
            }
            (__HYPERVISOR_sysctl, arg, _, _) => {
                let (bytes, buffer) = parts(arg)?;
                let mut op = xen_sysctl::read_from_bytes(bytes).map_err(|_| XEN_EFAULT)?;
                let result = self.sysctl(&mut op, buffer);
                bytes.copy_from_slice(op.as_bytes());
                result
            }
            (__HYPERVISOR_memory_op, Arg::Value(cmd), arg, _) => {
                if *cmd != u64::from(XENMEM_populate_physmap) {
                    return Err(XEN_ENOSYS);
                }
                let (bytes, buffer) = parts(arg)?;
                let op = xen_memory_reservation::read_from_bytes(bytes).map_err(|_| XEN_EFAULT)?;
                self.populate(&op, buffer.ok_or(XEN_EFAULT)?)
            }
            (__HYPERVISOR_mmuext_op, arg, Arg::Value(1), Arg::Value(domain)) => {
                let op = mmuext_op::read_from_bytes(parts(arg)?.0).map_err(|_| XEN_EFAULT)?;
                self.pin(&op, *domain as domid_t).map(|()| 0)
            }
            (__HYPERVISOR_event_channel_op, Arg::Value(cmd), arg, _) => {
                self.event_op(*cmd as u32, parts(arg)?.0)
            }
            (__HYPERVISOR_xen_version, Arg::Value(cmd), arg, _) => {
                Self::version(*cmd as u32, parts(arg).ok().map(|(bytes, _)| bytes))
            }
            _ => Err(XEN_ENOSYS),
        }
    }

    /// Lets a guest's agent run, as it would when it is notified.
    pub fn run_agent(&mut self, id: domid_t) {
        let Some(domain) = self.domains.get(&id) else {
            return;
        };
        if domain.paused || domain.shutdown.is_some() {
            return;
        }
        let mut agent = domain.agent.clone();
        agent.run(self, id);
        if let Some(domain) = self.domains.get_mut(&id) {
            domain.agent = agent;
        }
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

fn parts<'a>(arg: &'a mut Arg<'_>) -> Result<(&'a mut [u8], Option<&'a mut [u8]>)> {
    match arg {
        Arg::Value(_) => Err(XEN_EFAULT),
        Arg::Buffer(bytes) => Ok((bytes, None)),
        Arg::Structure {
            bytes,
            handle_at,
            buffer,
        } => {
            assert!(*handle_at + 8 <= bytes.len());
            Ok((bytes, Some(buffer)))
        }
    }
}

/// The front end over the fake machine.
#[derive(Clone)]
pub struct Fake(pub Rc<RefCell<Machine>>);

impl Fake {
    pub fn new(frames: usize) -> Self {
        Fake(Rc::new(RefCell::new(Machine::new(frames))))
    }
}

pub struct FakeMapping {
    machine: Rc<RefCell<Machine>>,
    frames: Vec<u64>,
    access: Access,
}

impl Hyper for Fake {
    type Mapping = FakeMapping;

    fn hypercall(&mut self, call: &mut Call<'_>) -> i64 {
        match self.0.borrow_mut().dispatch(call) {
            Ok(value) => value as i64,
            Err(errno) => -errno,
        }
    }

    fn map_foreign(
        &mut self,
        domain: domid_t,
        frames: &[u64],
        access: Access,
    ) -> std::result::Result<FakeMapping, Errno> {
        let mut machine = self.0.borrow_mut();
        machine.count_call().map_err(Errno)?;
        for mfn in frames {
            let frame = machine.owned(*mfn, domain).map_err(Errno)?;
            if access == Access::Write && frame.table != 0 {
                return Err(Errno(XEN_EINVAL));
            }
        }
        for mfn in frames {
            machine.frames[*mfn as usize].mapped += 1;
            machine.frames[*mfn as usize].mapped_writable += u32::from(access == Access::Write);
        }
        Ok(FakeMapping {
            machine: self.0.clone(),
            frames: frames.to_vec(),
            access,
        })
    }
}

impl Mapping for FakeMapping {
    fn read(&self, offset: usize, to: &mut [u8]) {
        let machine = self.machine.borrow();
        for (index, byte) in to.iter_mut().enumerate() {
            let at = offset + index;
            *byte = machine.frames[self.frames[at / PAGE] as usize].data[at % PAGE];
        }
    }

    fn write(&mut self, offset: usize, from: &[u8]) {
        assert_eq!(self.access, Access::Write);
        let mut machine = self.machine.borrow_mut();
        for (index, byte) in from.iter().enumerate() {
            let at = offset + index;
            machine.frames[self.frames[at / PAGE] as usize].data[at % PAGE] = *byte;
        }
    }

    fn load_u32(&self, offset: usize) -> u32 {
        let mut bytes = [0; 4];
        self.read(offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn store_u32(&mut self, offset: usize, value: u32) {
        self.write(offset, &value.to_le_bytes());
    }

    fn load_u64(&self, offset: usize) -> u64 {
        let mut bytes = [0; 8];
        self.read(offset, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn store_u64(&mut self, offset: usize, value: u64) {
        self.write(offset, &value.to_le_bytes());
    }
}

impl Drop for FakeMapping {
    fn drop(&mut self) {
        let mut machine = self.machine.borrow_mut();
        for mfn in &self.frames {
            let frame = &mut machine.frames[*mfn as usize];
            frame.mapped -= 1;
            frame.mapped_writable -= u32::from(self.access == Access::Write);
        }
    }
}
