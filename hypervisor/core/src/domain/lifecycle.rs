//! Creation, crash and destruction of domains.

#[cfg(test)]
mod tests;

use core::sync::atomic::Ordering;

use super::{
    DOMID_FIRST_RESERVED, Domain, DomainState, MAX_DOMAINS, MAX_VCPUS, Phase, Teardown, VcpuShared,
};
use crate::addr::Mfn;
use crate::error::{Errno, Result};
use crate::frame::word::Owner;
use crate::hypercall::Budget;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::pv::root;
use crate::trap::tables::put_pages;
use crate::vcpu::{InfoArea, Root, Vcpu, VcpuBox, VcpuId};
use hypercall_abi::xen::VIRQ_DOM_EXC;

/// What a domain is created with.
#[derive(Clone, Copy, Debug)]
pub struct CreateParams {
    /// The id wanted, or `None` for the next free one.
    pub id: Option<u16>,
    /// The toolstack's handle (uuid).
    pub handle: [u8; 16],
    /// Creation flags as given (`XEN_DOMCTL_CDF_*`).
    pub flags: u32,
    /// vCPUs it may have.
    pub max_vcpus: u32,
    /// Whether it is the control domain.
    pub privileged: bool,
    /// Most event-channel ports, or fewer than 0 for all the ABI has.
    pub max_evtchn_port: i32,
    /// Most grant-table frames.
    pub max_grant_frames: u32,
    /// Most frames, of 256 each, for its mappings of what others grant.
    pub max_maptrack_frames: u32,
}

/// What is left of a budgeted job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Nothing.
    Done,
    /// Call again.
    More,
}

/// Bytes of a `vcpu_info` in the shared-info page (xen.h).
const VCPU_INFO_SIZE: u16 = 64;
/// vCPUs whose `vcpu_info` lies in the shared-info page (`XEN_LEGACY_MAX_VCPUS`).
const LEGACY_VCPUS: u16 = 32;

/// Creates a domain: paused once, without memory and without its vCPUs ([`create_vcpus`]).
///
/// # Errors
/// `EEXIST` when the id is taken, `EINVAL` for impossible numbers, `ENOMEM` when the table, the
/// heap or memory is full; then nothing is left behind.
pub fn create<M: Machine>(hv: &Hypervisor<M>, params: CreateParams) -> Result<&Domain> {
    if params.max_vcpus == 0 || params.max_vcpus as usize > MAX_VCPUS {
        return Err(Errno::EINVAL);
    }
    let mut last = hv.domains.lock_creation();
    let id = match params.id {
        Some(id) if id >= DOMID_FIRST_RESERVED => return Err(Errno::EINVAL),
        Some(id) if hv.domains.slot(id).phase() != Phase::Free => return Err(Errno::EEXIST),
        Some(id) => id,
        None => next_id(hv, *last)?,
    };
    let dom = hv.domains.slot(id);
    // Nobody destroys what is half made. Who has this of a free slot takes no other lock.
    let _teardown = super::lock::take(&dom.teardown);
    let generation = hv.domains.next_generation();
    dom.set_identity(id, generation, Phase::Dying);
    let made = build(hv, dom, params);
    if let Err(e) = made {
        forget(hv, dom);
        return Err(e);
    }
    dom.set_identity(id, generation, Phase::Alive);
    if params.id.is_none() {
        *last = id;
    }
    Ok(dom)
}

fn next_id<M: Machine>(hv: &Hypervisor<M>, last: u16) -> Result<u16> {
    let mut id = last;
    for _ in 0..MAX_DOMAINS {
        id = if id + 1 >= DOMID_FIRST_RESERVED {
            1
        } else {
            id + 1
        };
        if hv.domains.slot(id).phase() == Phase::Free {
            return Ok(id);
        }
    }
    Err(Errno::ENOMEM)
}

fn build<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, params: CreateParams) -> Result<()> {
    dom.privileged.store(params.privileged, Ordering::Relaxed);
    dom.tot_pages.store(0, Ordering::Relaxed);
    dom.max_pages.store(0, Ordering::Relaxed);
    dom.vm_assist.store(0, Ordering::Relaxed);
    dom.pauses.store(1, Ordering::Relaxed);
    dom.ending.store(false, Ordering::Relaxed);
    dom.shutdown.store(0, Ordering::Relaxed);
    dom.pci_address.store(0, Ordering::Relaxed);
    dom.clock_index.store(0, Ordering::Relaxed);
    dom.init_rights(&hv.config)?;
    let count = params.max_vcpus as usize;
    let shared = hv.alloc_shared_page(dom)?;
    let mut state = dom.lock();
    *state = DomainState {
        handle: params.handle,
        flags: params.flags,
        shared_info: Some(shared),
        max_vcpus: params.max_vcpus,
        ..DomainState::default()
    };
    state
        .vcpus
        .try_reserve_exact(count)
        .map_err(|_| Errno::ENOMEM)?;
    crate::sched::area::write_wallclock(hv, shared);
    crate::evtchn::init(hv, dom, &mut state, params.max_evtchn_port)?;
    crate::pirq::init(&hv.config, &mut state, params.privileged)?;
    let mut homes = dom.homes.lock();
    homes.clear();
    homes.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    drop(homes);
    crate::grant::init(
        &mut state,
        params.max_grant_frames,
        params.max_maptrack_frames,
    )
}

/// Units of budget for making a vCPU.
const NEW_VCPU_UNITS: u32 = 60;
/// Units for freeing one.
const OLD_VCPU_UNITS: u32 = 32;

/// Makes the vCPUs that a domain was created for, not yet initialised, as far as the budget allows:
/// call until `Done`.
///
/// # Errors
/// `ENOMEM` or `ENOSPC` when there is no room for one more: those there are stay, and the next call
/// goes on. `ESRCH` when the domain is being destroyed.
pub fn create_vcpus<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    budget: &mut Budget,
) -> Result<Progress> {
    while add_vcpu(hv, dom, budget)? {
        if budget.is_spent() {
            return Ok(Progress::More);
        }
    }
    Ok(Progress::Done)
}

/// Adds a vCPU if the domain lacks one; whether it did.
fn add_vcpu<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, budget: &mut Budget) -> Result<bool> {
    let mut state = dom.lock();
    if dom.phase() != Phase::Alive {
        return Err(Errno::ESRCH);
    }
    let index = state.vcpus.len() as u16;
    if u32::from(index) >= state.max_vcpus {
        return Ok(false);
    }
    budget.take(NEW_VCPU_UNITS);
    let id = VcpuId {
        domain: dom.id(),
        index,
    };
    let mut vcpu = VcpuBox::new(id, dom.slot)?;
    vcpu.info = (state.shared_info).and_then(|shared| legacy_info(shared, index));
    let shared = VcpuShared {
        info: vcpu.info,
        ..VcpuShared::default()
    };
    vcpu.ports = state.events.first_ports(hv.machine);
    let (root, info) = (dom.senders.root(), vcpu.info);
    crate::sched::add_vcpu(hv, dom, &mut state, shared)?;
    root.set_info(hv.machine, index, info);
    // There is room in both lists since the domain was created.
    dom.homes.lock().push(Some(vcpu));
    Ok(true)
}

/// Creates a domain with its vCPUs however long it takes: for the control domain, and for tests.
///
/// # Errors
/// As [`create`] and [`create_vcpus`]; then nothing is left behind.
pub fn create_whole<M: Machine>(hv: &Hypervisor<M>, params: CreateParams) -> Result<&Domain> {
    let dom = create(hv, params)?;
    loop {
        match create_vcpus(hv, dom, &mut Budget::new(Budget::FULL)) {
            Ok(Progress::More) => {}
            Ok(Progress::Done) => return Ok(dom),
            Err(e) => {
                dom.set_identity(dom.id(), dom.generation(), Phase::Dying);
                while free_vcpus(hv, dom, &mut Budget::new(Budget::FULL)) == Progress::More {}
                let _creation = hv.domains.lock_creation();
                forget(hv, dom);
                return Err(e);
            }
        }
    }
}

/// Where a vCPU's `vcpu_info` is until it registers another place.
fn legacy_info(shared: Mfn, index: u16) -> Option<InfoArea> {
    (index < LEGACY_VCPUS).then_some(InfoArea {
        mfn: shared,
        offset: index * VCPU_INFO_SIZE,
    })
}

/// Ends the domain of the running vCPU if that did something that ends it ([`Vcpu::crash`]): says so
/// with a register dump and the page-table walk of the address at fault, and lets nobody else
/// notice. All of the vCPU's registers are saved.
#[cold]
pub fn see_to_crash<M: Machine>(hv: &Hypervisor<M>, vcpu: &mut Vcpu) {
    let Some((crash, va)) = vcpu.crash.take() else {
        return;
    };
    let dom = hv.domains.slot(vcpu.slot);
    log::error!("d{}v{} killed: {}", dom.id(), vcpu.id.index, crash.0);
    hv.machine.dump(&vcpu.regs, va);
    crate::sched::shutdown(hv, dom, SHUTDOWN_CRASH);
    vcpu.reschedule = true;
    hv.machine.attend();
}

/// `SHUTDOWN_crash` (sched.h).
const SHUTDOWN_CRASH: u8 = 3;

/// Destroys a domain step by step: call until `Done`, of which the control domain hears. Its vCPUs
/// never run again from the first call on. While one CPU is at it, others get `More`: else one of them
/// could go on with what it found when the domain is gone, and another is in its slot.
///
/// # Errors
/// `EINVAL` for the control domain.
pub fn destroy<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    budget: &mut Budget,
) -> Result<Progress> {
    if dom.is_privileged() {
        return Err(Errno::EINVAL);
    }
    let Some(mut teardown) = dom.teardown.try_lock() else {
        return Ok(Progress::More);
    };
    if matches!(dom.phase(), Phase::Zombie | Phase::Free) {
        return Ok(Progress::Done);
    }
    dom.ending.store(true, Ordering::Relaxed);
    if !crate::sched::stop(hv, dom) {
        return Ok(Progress::More);
    }
    debug_assert!(dom.ending.load(Ordering::Relaxed), "its vCPUs may run");
    dom.set_identity(dom.id(), dom.generation(), Phase::Dying);
    hv.frames.end_claim(dom);
    if crate::evtchn::close_all(hv, dom, budget) == Progress::More {
        return Ok(Progress::More);
    }
    // An empty table costs later calls nothing: as many ports as the budget has units would
    // otherwise leave none of it for what follows, call after call.
    if !crate::evtchn::release(hv, dom, &mut dom.lock(), budget) {
        return Ok(Progress::More);
    }
    if crate::pirq::unmap_all(hv, dom, budget) == Progress::More
        || release_vcpus(hv, dom, budget) == Progress::More
        || free_vcpus(hv, dom, budget) == Progress::More
        || release_frames(hv, dom, &mut teardown, budget) == Progress::More
        || crate::grant::release(hv, dom, budget) == Progress::More
    {
        return Ok(Progress::More);
    }
    let creation = hv.domains.lock_creation();
    forget(hv, dom);
    *teardown = Teardown::default();
    drop(teardown);
    drop(creation);
    crate::evtchn::virq::send_to_control_domain(hv, VIRQ_DOM_EXC);
    Ok(Progress::Done)
}

/// Destroys a domain however long it takes: for the hypervisor's own error paths and for tests.
///
/// # Errors
/// As [`destroy`].
pub fn destroy_whole<M: Machine>(hv: &Hypervisor<M>, dom: &Domain) -> Result<()> {
    loop {
        let mut budget = Budget::new(Budget::FULL);
        if destroy(hv, dom, &mut budget)? == Progress::Done {
            return Ok(());
        }
    }
}

/// Frees the vCPUs of a domain whose vCPUs hold nothing any more, last first.
fn free_vcpus<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, budget: &mut Budget) -> Progress {
    loop {
        let mut state = dom.lock();
        if state.vcpus.is_empty() {
            return Progress::Done;
        }
        if !budget.take(OLD_VCPU_UNITS) {
            return Progress::More;
        }
        crate::sched::remove_vcpu(hv, &mut state);
        dom.homes.lock().pop();
    }
}

/// Frees everything of a domain that counts no frames, and its slot; if frames of it are still
/// mapped or granted elsewhere, the slot is free when the last of them is.
fn forget<M: Machine>(hv: &Hypervisor<M>, dom: &Domain) {
    let mut state = dom.lock();
    let mut unbounded = Budget::new(u32::MAX);
    crate::evtchn::release(hv, dom, &mut state, &mut unbounded);
    crate::pirq::release(hv, &mut state);
    let shared = state.shared_info.take();
    *state = DomainState::default();
    drop(state);
    *dom.homes.lock() = alloc::vec::Vec::new();
    dom.end_rights();
    if let Some(mfn) = shared {
        hv.free_shared_page(mfn);
    }
    dom.bury();
}

/// Gives up what the vCPUs hold: roots, descriptor tables, registered areas, unfinished walks.
fn release_vcpus<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, budget: &mut Budget) -> Progress {
    // Not with the vCPUs locked: giving up takes the lock of creation, which comes before.
    let unfinished = || {
        let mut homes = dom.homes.lock();
        homes.iter_mut().flatten().find_map(|v| v.unfinished.take())
    };
    while let Some(unfinished) = unfinished() {
        super::unfinished::abandon(hv, Some(unfinished));
    }
    let mut homes = dom.homes.lock();
    // One vCPU's walk may wait for another's: first those that wait for nobody.
    let unfinished = |vcpu: &&mut VcpuBox| !vcpu.walk.is_idle();
    while let Some(vcpu) = homes
        .iter_mut()
        .flatten()
        .filter(unfinished)
        .min_by_key(|vcpu| vcpu.walk.level())
    {
        if finish_walk(hv, vcpu, budget) == Progress::More {
            return Progress::More;
        }
    }
    for vcpu in homes.iter_mut().flatten() {
        if finish_walk(hv, vcpu, budget) == Progress::More {
            return Progress::More;
        }
        if holds_nothing(vcpu) {
            continue;
        }
        if !budget.take(VCPU_UNITS) {
            return Progress::More;
        }
        put_pages(hv, &mut vcpu.arch.gdt);
        put_pages(hv, &mut vcpu.arch.gdt_coming);
        for page in &mut vcpu.arch.ldt_pages {
            if let Some(mfn) = page.take() {
                hv.page_put_descriptors(mfn);
            }
        }
        let roots = [vcpu.arch.kernel_root.take(), vcpu.arch.user_root.take()];
        for mfn in roots.into_iter().flatten() {
            root::give_up_root(hv, mfn, &mut vcpu.walk);
        }
        if finish_walk(hv, vcpu, budget) == Progress::More {
            return Progress::More;
        }
    }
    drop(homes);
    let mut state = dom.lock();
    let DomainState {
        vcpus, shared_info, ..
    } = &mut *state;
    for shared in vcpus.iter_mut() {
        if let Some(info) = shared.info.take()
            && Some(info.mfn) != *shared_info
        {
            hv.page_put_writable(info.mfn);
        }
    }
    Progress::Done
}

/// Units of budget for giving up what one vCPU holds, without its page tables.
const VCPU_UNITS: u32 = 32;

fn holds_nothing(vcpu: &Vcpu) -> bool {
    let arch = &vcpu.arch;
    arch.kernel_root == Root::NONE
        && arch.user_root == Root::NONE
        && arch.gdt.is_empty()
        && arch.gdt_coming.is_empty()
        && arch.ldt_pages.iter().all(Option::is_none)
}

fn finish_walk<M: Machine>(
    hv: &Hypervisor<M>,
    vcpu: &mut VcpuBox,
    budget: &mut Budget,
) -> Progress {
    while !vcpu.walk.is_idle() {
        let tables_of = hv.domains.slot(vcpu.walk.slot);
        let _guard = tables_of.lock();
        if crate::pv::walk::finish(hv, tables_of, &mut vcpu.walk, budget).is_err() {
            return Progress::More;
        }
        crate::pv::walk::forget_verdict(hv, &mut vcpu.walk);
    }
    Progress::Done
}

/// Unpins and gives up every frame the domain still holds. Frames that others have mapped stay
/// until they let go.
fn release_frames<M: Machine>(
    hv: &Hypervisor<M>,
    dom: &Domain,
    teardown: &mut Teardown,
    budget: &mut Budget,
) -> Progress {
    let owner = Owner::domain(dom.slot);
    let Teardown { frame, walk } = teardown;
    loop {
        {
            let _guard = dom.lock();
            crate::pv::walk::forget_verdict(hv, walk);
            if crate::pv::walk::finish(hv, dom, walk, budget).is_err() {
                return Progress::More;
            }
        }
        let Some(mfn) = next_held(hv, owner, frame, budget) else {
            if *frame < hv.frames.len() {
                return Progress::More;
            }
            break;
        };
        let _guard = dom.lock();
        if hv.frames.word(mfn).is_pinned() {
            root::unpin_if_pinned(hv, dom, mfn, walk);
            continue;
        }
        // Refused if the guest gave it up itself: then it was only the pin that held it.
        let _ = hv.release_domain_page(dom, mfn);
        *frame = mfn.0 + 1;
    }
    Progress::Done
}

/// Frames that are passed over for one unit of budget.
const FRAMES_PER_UNIT: u64 = 4;
/// Units for a frame that is given up.
const HELD: u32 = 14;

/// The next frame from `at` on that `owner` claims or has pinned; `None` when there is none, or the
/// budget is spent (then `at` is where to go on).
fn next_held<M: Machine>(
    hv: &Hypervisor<M>,
    owner: Owner,
    at: &mut u64,
    budget: &mut Budget,
) -> Option<Mfn> {
    while *at < hv.frames.len() {
        if at.is_multiple_of(FRAMES_PER_UNIT) && !budget.take(1) {
            return None;
        }
        let word = hv.frames.word(Mfn(*at));
        if word.owner() == owner && (word.is_allocated() || word.is_pinned()) {
            // Those of one unit come with it, or a small budget would never get to them.
            budget.take(HELD);
            return Some(Mfn(*at));
        }
        *at += 1;
    }
    None
}
