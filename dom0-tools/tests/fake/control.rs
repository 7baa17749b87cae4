//! domctl, sysctl and xen_version of the fake machine.

use hypercall_abi::arch_x86_64::*;
use hypercall_abi::domctl::*;
use hypercall_abi::errno::*;
use hypercall_abi::physdev::*;
use hypercall_abi::sysctl::*;
use hypercall_abi::version::*;
use hypercall_abi::xen::*;
use std::collections::{BTreeMap, BTreeSet};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::guest::Agent;
use super::machine::{Domain, Machine, Port, Result};

impl Machine {
    fn info(&self, id: domid_t) -> xen_domctl_getdomaininfo {
        let mut info = xen_domctl_getdomaininfo::new_zeroed();
        info.domain = id;
        let Some(domain) = self.domains.get(&id) else {
            (info.flags, info.tot_pages) = (XEN_DOMINF_running, 32768);
            (info.nr_online_vcpus, info.cpu_time) = (1, 5_930_000_000);
            info.max_pages = u32::MAX.into();
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
        info.nr_online_vcpus = domain.online;
        info.max_vcpu_id = domain.vcpus.wrapping_sub(1);
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
            online: 1,
            affinity: Vec::new(),
            pinned_by_itself: false,
            share: (256, 0),
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
        self.reap(id);
        Ok(())
    }

    pub(super) fn domctl(&mut self, op: &mut xen_domctl, buffer: Option<&mut [u8]>) -> Result<u64> {
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
                domain.affinity = vec![[3, 3]; max as usize];
            }
            XEN_DOMCTL_getvcpuinfo => {
                let mut info: xen_domctl_getvcpuinfo = op.u.get();
                self.vcpu_info(id, &mut info)?;
                op.u.set(info);
            }
            XEN_DOMCTL_getvcpuaffinity | XEN_DOMCTL_setvcpuaffinity => {
                let set = op.cmd == XEN_DOMCTL_setvcpuaffinity;
                self.affinity(id, set, &op.u.get(), buffer.ok_or(XEN_EFAULT)?)?;
            }
            XEN_DOMCTL_scheduler_op => self.schedule(id, op)?,
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
            XEN_DOMCTL_iomem_permission => {
                let asked: xen_domctl_iomem_permission = op.u.get();
                let (first, count) = (asked.first_mfn, asked.nr_mfns);
                self.permit(id, format!("frames {first:#x} {count}"), asked.allow_access)?;
            }
            XEN_DOMCTL_ioport_permission => {
                let asked: xen_domctl_ioport_permission = op.u.get();
                let (first, count) = (asked.first_port, asked.nr_ports);
                self.permit(id, format!("ports {first:#x} {count}"), asked.allow_access)?;
            }
            XEN_DOMCTL_irq_permission => {
                let asked: xen_domctl_irq_permission = op.u.get();
                // Only one that dom0 has.
                if !self
                    .permitted
                    .contains(&format!("{DOMID_SELF} line {}", asked.pirq))
                {
                    return Err(XEN_EPERM);
                }
                self.permit(id, format!("irq {}", asked.pirq), asked.allow_access)?;
            }
            _ => return Err(XEN_ENOSYS),
        }
        Ok(0)
    }

    fn permit(&mut self, id: domid_t, what: String, allow: u8) -> Result<()> {
        self.domain(id)?;
        let what = format!("{id} {what}");
        self.permitted.retain(|permitted| *permitted != what);
        match allow {
            0 => {}
            1 => self.permitted.push(what),
            _ => return Err(XEN_EINVAL),
        }
        Ok(())
    }

    pub(super) fn physdev(&mut self, cmd: u32, bytes: &mut [u8]) -> Result<u64> {
        match cmd {
            PHYSDEVOP_setup_gsi => {
                let op = physdev_setup_gsi::read_from_bytes(bytes).map_err(|_| XEN_EFAULT)?;
                if (op.triggering, op.polarity) != (1, 1) {
                    return Err(XEN_EINVAL);
                }
                if !self.set_up.insert(op.gsi) {
                    return Err(XEN_EEXIST);
                }
            }
            PHYSDEVOP_map_pirq => {
                let op = physdev_map_pirq::read_from_bytes(bytes).map_err(|_| XEN_EFAULT)?;
                if op.r#type != MAP_PIRQ_TYPE_GSI || op.index != op.pirq {
                    return Err(XEN_EINVAL);
                }
                let mapped = format!("{} line {}", op.domid, op.pirq);
                if !self.permitted.contains(&mapped) {
                    self.permitted.push(mapped);
                }
            }
            PHYSDEVOP_unmap_pirq => {
                let op = physdev_unmap_pirq::read_from_bytes(bytes).map_err(|_| XEN_EFAULT)?;
                let mapped = format!("{} line {}", op.domid, op.pirq);
                let at = self.permitted.iter().position(|other| *other == mapped);
                self.permitted.remove(at.ok_or(XEN_EINVAL)?);
            }
            _ => return Err(XEN_ENOSYS),
        }
        Ok(0)
    }

    fn vcpu_info(&mut self, id: domid_t, info: &mut xen_domctl_getvcpuinfo) -> Result<()> {
        info.cpu_time = 120_000_000;
        if id == 0 && info.vcpu == 0 {
            (info.online, info.running, info.cpu) = (1, 1, 1);
            return Ok(());
        }
        let domain = self.domain(id)?;
        if info.vcpu >= domain.vcpus {
            return Err(XEN_EINVAL);
        }
        info.online = u8::from(info.vcpu < domain.online);
        info.blocked = u8::from(!domain.paused);
        Ok(())
    }

    /// One map at a time, of the machine's two CPUs; domain 0's is not kept.
    fn affinity(
        &mut self,
        id: domid_t,
        set: bool,
        request: &xen_domctl_vcpuaffinity,
        map: &mut [u8],
    ) -> Result<()> {
        const HARD: u32 = XEN_VCPUAFFINITY_HARD;
        let forced = request.flags & XEN_VCPUAFFINITY_FORCE != 0;
        let (which, bits) = match request.flags & !XEN_VCPUAFFINITY_FORCE {
            HARD => (
                0,
                [request.cpumap_hard.nr_bits, request.cpumap_soft.nr_bits],
            ),
            XEN_VCPUAFFINITY_SOFT => (
                1,
                [request.cpumap_soft.nr_bits, request.cpumap_hard.nr_bits],
            ),
            _ => return Err(XEN_EINVAL),
        };
        if bits != [2, 0] || map.len() != 1 {
            return Err(XEN_EFAULT);
        }
        if id == 0 {
            map[0] = 3;
            return Ok(());
        }
        let domain = self.domain(id)?;
        let vcpu = domain.affinity.get_mut(request.vcpu as usize);
        let known = &mut vcpu.ok_or(XEN_EINVAL)?[which];
        if set {
            if map[0] & 3 == 0 {
                return Err(XEN_EINVAL);
            }
            if domain.pinned_by_itself && which == 0 && !forced {
                return Err(XEN_EBUSY);
            }
            *known = map[0] & 3;
        }
        map[0] = *known;
        Ok(())
    }

    /// Weight and cap, as credit2 has them; domain 0's are not kept.
    fn schedule(&mut self, id: domid_t, op: &mut xen_domctl) -> Result<()> {
        let mut request: xen_domctl_scheduler_op = op.u.get();
        let asked: xen_domctl_sched_credit2 = request.u.get();
        let mut share = (256, 0);
        if id != 0 {
            let domain = self.domain(id)?;
            if request.cmd == XEN_DOMCTL_SCHEDOP_putinfo {
                if u32::from(asked.cap) > 100 * domain.vcpus {
                    return Err(XEN_EINVAL);
                }
                domain.share = (asked.weight, asked.cap);
            }
            share = domain.share;
        }
        let (weight, cap) = share;
        request.u.set(xen_domctl_sched_credit2 { weight, cap });
        op.u.set(request);
        Ok(())
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

    pub(super) fn sysctl(&mut self, op: &mut xen_sysctl, buffer: Option<&mut [u8]>) -> Result<u64> {
        if op.interface_version != XEN_SYSCTL_INTERFACE_VERSION {
            return Err(XEN_EACCES);
        }
        match op.cmd {
            XEN_SYSCTL_physinfo => {
                let mut info = xen_sysctl_physinfo::new_zeroed();
                (info.nr_cpus, info.threads_per_core, info.cores_per_socket) = (2, 1, 2);
                info.max_cpu_id = 1;
                info.total_pages = self.frames.len() as u64;
                info.free_pages = self.free_frames() as u64;
                info.cpu_khz = 2_400_123;
                info.capabilities = XEN_SYSCTL_PHYSCAP_pv;
                op.u.set(info);
            }
            XEN_SYSCTL_sched_id => op.u.set(xen_sysctl_sched_id {
                sched_id: XEN_SCHEDULER_CREDIT2,
            }),
            XEN_SYSCTL_scheduler_op => {
                let mut request: xen_sysctl_scheduler_op = op.u.get();
                let mut settings: xen_sysctl_credit2_schedule = request.u.get();
                if request.cmd == XEN_SYSCTL_SCHEDOP_putinfo {
                    if !matches!(settings.ratelimit_us, 0 | 100..=500_000) {
                        return Err(XEN_EINVAL);
                    }
                    self.ratelimit_us = settings.ratelimit_us;
                }
                settings.ratelimit_us = self.ratelimit_us;
                request.u.set(settings);
                op.u.set(request);
            }
            XEN_SYSCTL_getcpuinfo => {
                let mut request: xen_sysctl_getcpuinfo = op.u.get();
                let buffer = buffer.ok_or(XEN_EFAULT)?;
                // Half of the time of each of the two.
                self.idle += 500_000_000;
                for slot in buffer.chunks_exact_mut(8).take(2) {
                    slot.copy_from_slice(&self.idle.to_le_bytes());
                }
                request.nr_cpus = request.max_cpus.min(2);
                op.u.set(request);
            }
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
                let count = self.log.len().min(read.count as usize);
                buffer.ok_or(XEN_EFAULT)?[..count].copy_from_slice(&self.log[..count]);
                if read.clear != 0 {
                    self.log.clear();
                }
                (read.count, read.index) = (count as u32, count as u32);
                op.u.set(read);
            }
            XEN_SYSCTL_debug_keys => self.keys.extend(buffer.ok_or(XEN_EFAULT)?.iter()),
            _ => return Err(XEN_ENOSYS),
        }
        Ok(0)
    }

    pub(super) fn version(cmd: u32, buffer: Option<&mut [u8]>) -> Result<u64> {
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
}
