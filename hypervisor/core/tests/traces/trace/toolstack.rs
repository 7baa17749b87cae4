//! What the toolstack does: the commands that make a domain, bound and destroy it.

use hypercall_abi::arch_x86_64::{
    VGCF_in_kernel, VGCF_online, trap_info, vcpu_guest_context, xen_pfn_to_cr3,
};
use hypercall_abi::domctl::{
    XEN_DOMCTL_INTERFACE_VERSION, XEN_DOMCTL_createdomain, XEN_DOMCTL_destroydomain,
    XEN_DOMCTL_max_mem, XEN_DOMCTL_max_vcpus, XEN_DOMCTL_setvcpucontext, XEN_DOMCTL_unpausedomain,
    xen_domctl, xen_domctl_createdomain, xen_domctl_max_mem, xen_domctl_max_vcpus,
    xen_domctl_vcpucontext,
};
use hypervisor_core::error::Errno;
use zerocopy::{FromZeros, IntoBytes};

use super::call::{Call, Chooser};
use super::model::{DOMAINS, Model, Stage, Use, VCPUS, Vcpu, members};
use super::world::{ARGUMENT, CONTEXT, HANDLER, MAX_PAGES, PAGES, STACK_END, Spot, Who, World, at};

/// Frames that a domain needs for itself when it is made: its shared page, and two for its ports.
const FIRST_FRAMES: u32 = 3;
/// Numbers that the domains of a place have one after the other, before they come again: less than
/// the hypervisor has slots.
const LAST_DOMID: u16 = 250;
/// The page that may be one of descriptors: it is not mapped writable.
const READ_ONLY: usize = 5;

/// The number that the next domain has in the place of `domid`.
fn next_domid(place: usize, domid: u16) -> u16 {
    let next = domid + DOMAINS as u16;
    if next > LAST_DOMID {
        place as u16
    } else {
        next
    }
}

/// The place that the domain in a slot has.
pub fn place_of(slot: u16) -> usize {
    usize::from(slot) % DOMAINS
}

impl World {
    /// Puts the argument of a command of the toolstack in place.
    pub(super) fn domctl(&self, who: Who, spot: Spot, call: &Call) -> u64 {
        let mut op = xen_domctl::new_zeroed();
        op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
        (op.cmd, op.domain) = match call {
            Call::Create(_, domid, vcpus) => {
                let mut create = xen_domctl_createdomain::new_zeroed();
                create.max_vcpus = *vcpus;
                create.max_evtchn_port = u32::MAX;
                (create.max_grant_frames, create.grant_opts) = (4, 1);
                op.u.set(create);
                (XEN_DOMCTL_createdomain, *domid)
            }
            Call::MaxVcpus(domid, max) => {
                op.u.set(xen_domctl_max_vcpus { max: *max });
                (XEN_DOMCTL_max_vcpus, *domid)
            }
            Call::MaxMem(domid, pages) => {
                let max_memkb = u64::from(*pages) * 4;
                op.u.set(xen_domctl_max_mem { max_memkb });
                (XEN_DOMCTL_max_mem, *domid)
            }
            Call::SetContext(domid, v, root, gdt) => {
                let mut set = xen_domctl_vcpucontext::new_zeroed();
                set.vcpu = *v as u32;
                let place = self.place(*domid).unwrap_or(0);
                let context = context((place, *v), *root, gdt);
                // One for each vCPU: it is in no multicall.
                set.ctxt = self.put_bytes(Spot::of(who), CONTEXT, context.as_bytes());
                op.u.set(set);
                (XEN_DOMCTL_setvcpucontext, *domid)
            }
            Call::Unpause(domid) => (XEN_DOMCTL_unpausedomain, *domid),
            Call::Destroy(domid) => (XEN_DOMCTL_destroydomain, *domid),
            _ => unreachable!("not the toolstack's"),
        };
        self.put_bytes(spot, ARGUMENT, op.as_bytes())
    }
}

/// The context of a vCPU that runs as those do that the world makes itself.
fn context(who: Who, root: u64, gdt: &[u64]) -> vcpu_guest_context {
    let mut c = vcpu_guest_context::new_zeroed();
    c.flags = VGCF_in_kernel | VGCF_online;
    (c.user_regs.rip, c.user_regs.rsp, c.user_regs.rflags) = (HANDLER, at(who, STACK_END), 0x202);
    (c.user_regs.cs, c.user_regs.ss) = (0xe033, 0xe02b);
    for (vector, gate) in c.trap_ctxt.iter_mut().enumerate() {
        *gate = trap_info::new_zeroed();
        (gate.vector, gate.cs, gate.address) = (vector as u8, 0xe033, HANDLER);
    }
    c.gdt_frames[..gdt.len()].copy_from_slice(gdt);
    c.gdt_ents = gdt.len() as u64 * 512;
    (c.kernel_ss, c.kernel_sp) = (0xe02b, at(who, STACK_END));
    c.ctrlreg[3] = xen_pfn_to_cr3(root);
    c.event_callback_eip = HANDLER;
    c.failsafe_callback_eip = HANDLER;
    c.syscall_callback_eip = HANDLER;
    c
}

impl Chooser<'_> {
    /// The next thing to do for a domain that is to run, or something odd.
    pub(super) fn toolstack(&self, a: [u8; 6]) -> Call {
        let d = 1 + usize::from(a[0] % 2);
        let dom = &self.model.doms[d];
        let vcpus = VCPUS[d] as u32;
        if a[1] < 20 {
            return match a[2] % 5 {
                0 => Call::Create(d, dom.domid, vcpus),
                1 if !dom.exists => Call::Create(d, next_domid(d, dom.domid), 0),
                1 | 2 => Call::MaxVcpus(dom.domid, u32::from(a[3] % 4)),
                3 => Call::SetContext(dom.domid, usize::from(a[3] % 3), u64::from(a[4]), vec![]),
                _ => Call::Unpause(if a[3] < 32 { 0 } else { dom.domid }),
            };
        }
        if !dom.exists {
            return Call::Create(d, next_domid(d, dom.domid), vcpus);
        }
        if !dom.stage.made {
            return Call::MaxVcpus(dom.domid, vcpus);
        }
        if dom.max_pages == 0 {
            return Call::MaxMem(dom.domid, MAX_PAGES[d]);
        }
        if (self.model.charged(d) as usize) < PAGES[d] {
            let pfns = a[2..].iter().map(|&pfn| u64::from(pfn));
            return Call::Reserve(6, dom.domid, pfns.collect(), u32::from(a[1] < 40));
        }
        self.finish(d, a)
    }

    /// The same for one that has its memory.
    fn finish(&self, d: usize, a: [u8; 6]) -> Call {
        let (m, dom) = (self.model, &self.model.doms[d]);
        let own: Vec<u64> = members(m.owned(d))
            .filter(|&f| m.frames[f].claimed && !m.frames[f].shared)
            .map(|f| f as u64)
            .collect();
        let root = own.get(3).copied().unwrap_or(0);
        let missing: Vec<_> = tables(&own[..own.len().min(PAGES[d])])
            .filter(|&(table, index, entry)| m.mem[table as usize][index] != entry)
            .map(|(table, index, entry)| (table << 12 | (index as u64) << 3, entry))
            .take(4)
            .collect();
        let begun = m.counts.uses.get(root as usize) == Some(&Use::Table(4));
        if !missing.is_empty() && !begun {
            let foreign = (u32::from(dom.domid) + 1) << 16 | u32::from(dom.domid);
            return Call::Mmu(missing, foreign, true);
        }
        match (0..VCPUS[d]).find(|&v| !dom.stage.ready[v]) {
            Some(v) => {
                let page = own.get(READ_ONLY).copied();
                let gdt = page.filter(|_| a[2] < 60);
                Call::SetContext(dom.domid, v, root, gdt.into_iter().collect())
            }
            None => Call::Unpause(dom.domid),
        }
    }
}

/// The entries of a tree of tables that maps the pages of `own`, of which the first are the tables.
fn tables(own: &[u64]) -> impl Iterator<Item = (u64, usize, u64)> + '_ {
    let pages = own.iter().enumerate().map(|(i, page)| {
        let flags = if i < 4 || i == READ_ONLY { 1 } else { 3 };
        (own[0], i, page << 12 | flags)
    });
    let above = own
        .windows(2)
        .take(3)
        .map(|pair| (pair[1], 0, pair[0] << 12 | 7));
    pages.chain(above)
}

/// What a command of the toolstack comes to.
///
/// # Errors
/// That of the command.
pub fn judge(model: &mut Model, world: &World, me: usize, call: &Call) -> Result<(), Errno> {
    if me != 0 {
        // As on real Xen, a domain that is not there is told.
        if let Call::MaxMem(domid, _)
        | Call::MaxVcpus(domid, _)
        | Call::SetContext(domid, ..)
        | Call::Unpause(domid)
        | Call::Destroy(domid) = call
        {
            model.find(*domid)?;
        }
        return Err(Errno::EPERM);
    }
    match call {
        Call::Create(_, _, 0) => Err(Errno::EINVAL),
        Call::Create(_, domid, _) if model.find(*domid).is_ok() => Err(Errno::EEXIST),
        Call::Create(..) if model.unclaimed() < FIRST_FRAMES => Err(Errno::ENOMEM),
        Call::Create(..) => Ok(()),
        Call::MaxMem(domid, pages) => {
            let d = model.find(*domid)?;
            model.doms[d].max_pages = *pages;
            Ok(())
        }
        Call::MaxVcpus(domid, max) => {
            let d = model.find(*domid)?;
            // Nothing is left of one that is only still found.
            let gone = model.doms[d].dead && !world.is_dying(d);
            if *max != if gone { 0 } else { VCPUS[d] as u32 } {
                return Err(Errno::EINVAL);
            }
            if model.doms[d].dead {
                return Err(Errno::ESRCH);
            }
            model.doms[d].stage.made = true;
            Ok(())
        }
        Call::SetContext(domid, v, root, gdt) => {
            let d = model.find(*domid)?;
            set_context(model, (d, *v), *root, gdt)
        }
        Call::Unpause(domid) => {
            let d = model.find(*domid)?;
            let paused = std::mem::take(&mut model.doms[d].stage.paused);
            if paused { Ok(()) } else { Err(Errno::EINVAL) }
        }
        Call::Destroy(domid) => {
            let d = model.find(*domid)?;
            if d == 0 {
                return Err(Errno::EINVAL);
            }
            for f in members(model.owned(d)).filter(|&f| model.frames[f].shared) {
                model.mem[f] = world.words(f);
            }
            model.destroy(d);
            Ok(())
        }
        _ => unreachable!("not the toolstack's"),
    }
}

fn set_context(model: &mut Model, who: Who, root: u64, gdt: &[u64]) -> Result<(), Errno> {
    let (d, v) = who;
    let Stage {
        made,
        ready,
        paused,
    } = model.doms[d].stage;
    if !made || v >= VCPUS[d] {
        return Err(Errno::EINVAL);
    }
    if !paused {
        return Err(Errno::EBUSY);
    }
    if !ready[v] {
        return model.set_context(who, root, gdt);
    }
    let same = Vcpu {
        kernel_root: Some(root),
        gdt: gdt.to_vec(),
        ..Vcpu::default()
    };
    if model.doms[d].vcpus[v] == same {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}
