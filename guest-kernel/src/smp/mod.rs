//! The other vCPUs: bring-up, work for them, and what they hear.
//!
//! Processes and everything in a [`crate::global::Global`] stay on vCPU 0. Another vCPU has a
//! stack, a GDT and event ports of its own, and runs the functions that vCPU 0 hands it; those
//! touch nothing that is shared but atomics.

pub(crate) mod context;
pub(crate) mod plug;

use crate::dev::{event, shared, time};
use crate::hypercall::{self, HvResult};
use crate::mm::{Pfn, frame, p2m, paging};
use crate::trap::{self, TrapFrame};
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use guest_user::abi::Errno;
use hypercall_abi::callback::CALLBACKTYPE_nmi;
use hypercall_abi::event_channel::*;
use hypercall_abi::vcpu::*;
use hypercall_abi::xen::{VIRQ_TIMER, shared_info, vcpu_info};

/// vCPUs that this kernel can use.
pub(crate) const MAX: usize = 8;
const STACK_SIZE: usize = 16 << 10;
/// How long vCPU 0 waits for another, in nanoseconds: then it is taken for dead.
const PATIENCE: u64 = 20_000_000_000;

/// What vCPU 0 can have another do.
pub(crate) type Work = extern "C" fn(u64) -> u64;

#[repr(C, align(4096))]
struct Stack(UnsafeCell<[u8; STACK_SIZE]>);

// SAFETY: only the vCPU that it belongs to uses it; others know its address.
unsafe impl Sync for Stack {}

static STACKS: [Stack; MAX] = [const { Stack(UnsafeCell::new([0; STACK_SIZE])) }; MAX];

/// A vCPU other than 0, as all see it.
pub(crate) struct Member {
    /// A [`Work`]; 0 when there is none.
    work: AtomicU64,
    argument: AtomicU64,
    result: AtomicU64,
    /// Its upcall mask when it ran its first instruction.
    pub(crate) first_mask: AtomicU32,
    message_port: AtomicU32,
    timer_port: AtomicU32,
    /// A port that a check bound to it; 0 for none.
    pub(crate) other_port: AtomicU32,
    /// Events of each of the three, and NMIs.
    pub(crate) messages: AtomicU64,
    pub(crate) ticks: AtomicU64,
    pub(crate) others: AtomicU64,
    pub(crate) nmis: AtomicU64,
    /// The time-stamp counter when it last began to take events.
    pub(crate) heard_at: AtomicU64,
    /// Where it goes on after an exception; 0 where it meets none.
    pub(crate) resume: AtomicU64,
    /// The vector of the last exception.
    pub(crate) vector: AtomicU64,
}

impl Member {
    const fn new() -> Self {
        Self {
            work: AtomicU64::new(0),
            argument: AtomicU64::new(0),
            result: AtomicU64::new(0),
            first_mask: AtomicU32::new(0),
            message_port: AtomicU32::new(0),
            timer_port: AtomicU32::new(0),
            other_port: AtomicU32::new(0),
            messages: AtomicU64::new(0),
            ticks: AtomicU64::new(0),
            others: AtomicU64::new(0),
            nmis: AtomicU64::new(0),
            heard_at: AtomicU64::new(0),
            resume: AtomicU64::new(0),
            vector: AtomicU64::new(0),
        }
    }
}

static MEMBERS: [Member; MAX] = [const { Member::new() }; MAX];

/// The vCPU of a number below [`MAX`].
pub(crate) fn member(vcpu: usize) -> &'static Member {
    &MEMBERS[vcpu]
}

/// `vcpu_op` on any vCPU of this domain.
pub(crate) fn vcpu_op(cmd: u32, vcpu: usize, arg: u64) -> HvResult {
    // SAFETY: callers pass structures of their own, or what is refused.
    unsafe { hypercall::vcpu_call(cmd, vcpu as u64, arg) }
}

/// How many vCPUs the domain has, up to [`MAX`].
pub(crate) fn count() -> usize {
    let exists = |&vcpu: &usize| vcpu_op(VCPUOP_is_up, vcpu, 0).is_ok();
    (0..MAX).take_while(exists).count()
}

fn stack_top(vcpu: usize) -> u64 {
    STACKS[vcpu].0.get() as u64 + STACK_SIZE as u64
}

/// The vCPU other than 0 whose stack `frame` is on.
fn owner_of(frame: &TrapFrame) -> Option<usize> {
    let at = core::ptr::from_ref(frame) as u64;
    let base = STACKS.as_ptr() as u64;
    let index = at.checked_sub(base)? / STACK_SIZE as u64;
    (index < MAX as u64).then_some(index as usize)
}

/// Binds vCPU `vcpu`'s ports: messages from its siblings, and its timer.
pub(crate) fn bind(vcpu: usize) -> HvResult<()> {
    let mut ipi = evtchn_bind_ipi {
        vcpu: vcpu as u32,
        port: 0,
    };
    hypercall::event_channel_op(EVTCHNOP_bind_ipi, &mut ipi)?;
    let mut timer = evtchn_bind_virq {
        virq: VIRQ_TIMER,
        vcpu: vcpu as u32,
        port: 0,
    };
    hypercall::event_channel_op(EVTCHNOP_bind_virq, &mut timer)?;
    let me = member(vcpu);
    me.message_port.store(ipi.port, Ordering::Relaxed);
    me.timer_port.store(timer.port, Ordering::Relaxed);
    for port in [ipi.port, timer.port] {
        event::give_away(port);
        event::unmask(port)?;
    }
    Ok(())
}

/// A GDT for a vCPU: one page, in which descriptor 1 is a data segment whose limit is `limit`.
pub(crate) fn make_gdt(limit: u16) -> Result<u64, Errno> {
    let page: Pfn = frame::alloc_zeroed().ok_or(Errno::ENOMEM)?;
    let data = 0x0000_f200_0000_0000 | u64::from(limit);
    frame::map_words(page, |i, _| if i == 1 { data } else { 0 });
    paging::protect(page, paging::pte::RO)?;
    Ok(p2m::mfn(page).0)
}

/// Selector of the descriptor that [`make_gdt`] makes.
pub(crate) const OWN_SELECTOR: u16 = 1 << 3 | 3;

/// Has vCPU `vcpu`, which is idle, run `work(argument)`.
pub(crate) fn start(vcpu: usize, work: Work, argument: u64) {
    let them = member(vcpu);
    them.argument.store(argument, Ordering::Relaxed);
    them.work.store(work as usize as u64, Ordering::Release);
    message(vcpu).expect("the port of messages is bound");
}

/// Sends a vCPU an event.
pub(crate) fn message(vcpu: usize) -> HvResult {
    hypercall::evtchn_send(member(vcpu).message_port.load(Ordering::Relaxed))
}

/// Waits until `done`; false if it did not come in time.
pub(crate) fn wait(done: impl Fn() -> bool) -> bool {
    let end = time::system_time() + PATIENCE;
    while !done() {
        if time::system_time() > end {
            return false;
        }
        hypercall::sched_yield();
    }
    true
}

/// The result of what [`start`] started.
pub(crate) fn finish(vcpu: usize) -> Option<u64> {
    let them = member(vcpu);
    wait(|| them.work.load(Ordering::Acquire) == 0).then(|| them.result.load(Ordering::Relaxed))
}

/// Runs `work(argument)` on vCPU `vcpu` and waits for its result.
pub(crate) fn run_on(vcpu: usize, work: Work, argument: u64) -> Option<u64> {
    start(vcpu, work, argument);
    finish(vcpu)
}

/// The offset of a vCPU's field in shared_info.
const fn info(vcpu: usize, field: usize) -> usize {
    offset_of!(shared_info, vcpu_info) + vcpu * size_of::<vcpu_info>() + field
}

/// Masks the calling vCPU's upcalls or lets them through; gives what was before.
fn set_mask(vcpu: usize, masked: bool) -> bool {
    let mask = shared::byte(info(vcpu, offset_of!(vcpu_info, evtchn_upcall_mask)));
    mask.swap(u8::from(masked), Ordering::SeqCst) != 0
}

/// Waits for an event on vCPU `vcpu`, which runs this with upcalls masked.
pub(crate) fn block(vcpu: usize) {
    hypercall::sched_block();
    set_mask(vcpu, true);
}

/// Where a vCPU other than 0 begins.
extern "C" fn main(vcpu: u64) -> ! {
    let vcpu = vcpu as usize;
    let me = member(vcpu);
    let masked = set_mask(vcpu, true);
    me.first_mask.store(u32::from(masked), Ordering::Relaxed);
    hypercall::register_callback(CALLBACKTYPE_nmi, trap::stub(trap::NMI), 0)
        .expect("a handler of NMIs is never refused");
    loop {
        let work = me.work.load(Ordering::Acquire);
        if work == 0 {
            block(vcpu);
            continue;
        }
        // SAFETY: `start` stored a `Work` there.
        let work = unsafe { core::mem::transmute::<usize, Work>(work as usize) };
        let result = work(me.argument.load(Ordering::Relaxed));
        me.result.store(result, Ordering::Relaxed);
        me.work.store(0, Ordering::Release);
    }
}

/// The way in on a vCPU other than 0; false on vCPU 0.
pub(crate) fn entered(frame: &mut TrapFrame) -> bool {
    let Some(vcpu) = owner_of(frame) else {
        return false;
    };
    let me = member(vcpu);
    match frame.vector {
        trap::EVENT => hear(vcpu),
        v if v == u64::from(trap::NMI) => {
            me.nmis.fetch_add(1, Ordering::Relaxed);
        }
        vector => {
            let resume = me.resume.load(Ordering::Relaxed);
            me.vector.store(vector, Ordering::Relaxed);
            assert!(
                resume != 0,
                "vector {vector} on vCPU {vcpu} at {:#x}",
                frame.rip
            );
            frame.rip = resume;
        }
    }
    true
}

/// Takes the vCPU's events.
fn hear(vcpu: usize) {
    // SAFETY: reading the time-stamp counter has no effect.
    let now = unsafe { core::arch::x86_64::_rdtsc() };
    let me = member(vcpu);
    me.heard_at.store(now, Ordering::Relaxed);
    let flag = shared::byte(info(vcpu, offset_of!(vcpu_info, evtchn_upcall_pending)));
    let selector = shared::word(info(vcpu, offset_of!(vcpu_info, evtchn_pending_sel)));
    while flag.swap(0, Ordering::SeqCst) != 0 {
        selector.store(0, Ordering::SeqCst);
        for (port, heard) in [
            (&me.message_port, &me.messages),
            (&me.timer_port, &me.ticks),
            (&me.other_port, &me.others),
        ] {
            let port = port.load(Ordering::Relaxed);
            if port != 0 && event::take(port) {
                heard.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
