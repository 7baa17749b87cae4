//! The machine: frames, domains, ports, and the hypercalls on them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use dom0_tools::hyper::{Access, Arg, Call, Errno, Hyper, Mapping};
use hypercall_abi::arch_x86_64::*;
use hypercall_abi::domctl::*;
use hypercall_abi::errno::*;
use hypercall_abi::memory::*;
use hypercall_abi::sysctl::*;
use hypercall_abi::xen::*;
use zerocopy::{FromBytes, IntoBytes};

use super::guest::Agent;

pub const PAGE: usize = 4096;
pub(super) type Result<T> = std::result::Result<T, i64>;

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
    /// Weight and cap.
    pub share: (u16, u16),
    pub vcpus: u32,
    /// Of these, the first so many are up.
    pub online: u32,
    /// Where each may run: hard, soft.
    pub affinity: Vec<[u8; 2]>,
    /// Whether it has pinned its vCPUs itself (SCHEDOP_pin_override).
    pub pinned_by_itself: bool,
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
    /// What domains were let use, in words.
    pub permitted: Vec<String>,
    /// Lines whose wiring is known.
    pub(super) set_up: BTreeSet<i32>,
    /// Which call (or mapping), counted from 0, is refused with ENOMEM.
    pub fail_at: Option<usize>,
    pub log: Vec<u8>,
    pub keys: Vec<u8>,
    pub ratelimit_us: u32,
    /// Idle time that each CPU tells next.
    pub idle: u64,
    pub(super) free: Vec<u64>,
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
            permitted: Vec::new(),
            set_up: BTreeSet::new(),
            fail_at: None,
            log: b"(PVN) a line of the hypervisor\n".to_vec(),
            keys: Vec::new(),
            ratelimit_us: 1000,
            idle: 0,
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

    pub(super) fn pages_of(&self, domain: domid_t) -> u64 {
        let mine = |frame: &&Frame| frame.owner == Some(domain) && !frame.special;
        self.frames.iter().filter(mine).count() as u64
    }

    pub fn word(&self, mfn: u64, index: usize) -> u64 {
        let data = &self.frames[mfn as usize].data;
        u64::from_le_bytes(data[8 * index..8 * index + 8].try_into().unwrap())
    }

    pub(super) fn take_frame(&mut self, owner: domid_t) -> Result<u64> {
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

    pub(super) fn domain(&mut self, domain: domid_t) -> Result<&mut Domain> {
        self.domains.get_mut(&domain).ok_or(XEN_ESRCH)
    }

    pub(super) fn owned(&self, mfn: u64, domain: domid_t) -> Result<&Frame> {
        let frame = self.frames.get(mfn as usize).ok_or(XEN_EINVAL)?;
        if frame.owner == Some(domain) {
            Ok(frame)
        } else {
            Err(XEN_EPERM)
        }
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
            (__HYPERVISOR_physdev_op, Arg::Value(cmd), arg, _) => {
                self.physdev(*cmd as u32, parts(arg)?.0)
            }
            (__HYPERVISOR_xen_version, Arg::Value(cmd), arg, _) => {
                Self::version(*cmd as u32, parts(arg).ok().map(|(bytes, _)| bytes))
            }
            _ => Err(XEN_ENOSYS),
        }
    }

    /// How many domains have shut down or are dying: grows with every end, and with every birth.
    pub fn ended(&self) -> usize {
        let ended = self.domains.values();
        let ended = ended.filter(|domain| domain.dying || domain.shutdown.is_some());
        ended.count() + (usize::from(self.next_domain) - self.domains.len()) * 100
    }

    /// Takes from a dying domain what nobody has mapped; it is gone when that is all.
    pub(super) fn reap(&mut self, id: domid_t) {
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

    fn pci_read(&mut self, _: u32) -> u32 {
        u32::MAX
    }

    fn pci_write(&mut self, _: u32, _: u32) {}
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
        let owner = self
            .frames
            .first()
            .and_then(|mfn| machine.frames[*mfn as usize].owner);
        if let Some(id) = owner.filter(|id| machine.domains.get(id).is_some_and(|d| d.dying)) {
            machine.reap(id);
        }
    }
}
