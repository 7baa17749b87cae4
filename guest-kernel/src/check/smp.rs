//! Several vCPUs: `vcpu_op` on another, contexts that are refused, events and timers of each,
//! going down and up, and the loss of stale translations everywhere.
//!
//! They build on one another: vCPU 1 is brought up on the way. Run by `smpcheck` on the kernel's
//! command line, on a machine of four processors.

use super::page::*;
use super::{Check, Report};
use crate::dev::{event, time};
use crate::hypercall::{self, HvResult};
use crate::mm::paging::pte;
use crate::smp::{self, context, member, vcpu_op};
use alloc::boxed::Box;
use core::arch::naked_asm;
use core::sync::atomic::{AtomicU64, Ordering};
use hypercall_abi::arch_x86_64::vcpu_guest_context;
use hypercall_abi::event_channel::*;
use hypercall_abi::vcpu::*;
use hypercall_abi::xen::*;

pub(super) const CHECKS: &[Check] = &[
    ("smp_before", before),
    ("smp_contexts", contexts),
    ("smp_bring_up", bring_up),
    ("smp_state", state),
    ("smp_remote", remote),
    ("smp_nmi", nmi),
    ("smp_events", events),
    ("smp_timers", timers),
    ("smp_down_up", down_up),
    ("smp_ports", ports),
    ("smp_affinity", super::smp_affinity::affinity),
    ("smp_pin_override", super::smp_affinity::overridden),
    ("smp_vcpuinfo", super::smp_affinity::info),
    ("smp_flushes", flushes),
    ("smp_stale_writes", super::smp_writes::check),
    ("smp_stale_roots", super::smp_roots::check),
];

/// The vCPU that most checks use.
const OTHER: usize = 1;
/// One that has no I/O privilege.
const SECOND: usize = 2;
/// Bits of the flags register: I/O privilege level 1.
const IOPL_1: u64 = 1 << 12;
const MILLISECOND: u64 = 1_000_000;

/// The state of a vCPU as its siblings see it.
fn runstate_of(vcpu: usize) -> i32 {
    let mut info = vcpu_runstate_info {
        state: -1,
        _pad0: [0; 4],
        state_entry_time: 0,
        time: [0; 4],
    };
    match vcpu_op(VCPUOP_get_runstate_info, vcpu, address(&mut info)) {
        Ok(_) => info.state,
        Err(_) => -1,
    }
}

fn before(r: &mut Report) {
    let count = smp::count();
    r.line(format_args!("vcpus={count}"));
    for vcpu in 0..=count {
        for (key, cmd) in [("is_up", VCPUOP_is_up), ("initialise", VCPUOP_initialise)] {
            let result = vcpu_op(cmd, vcpu, UNMAPPED);
            r.line(format_args!("{key}_{vcpu}={}", Shown(result)));
        }
        r.line(format_args!("runstate_{vcpu}={}", runstate_of(vcpu)));
    }
    for (key, cmd) in [
        ("up", VCPUOP_up),
        ("down", VCPUOP_down),
        ("nmi", VCPUOP_send_nmi),
        ("physid", VCPUOP_get_physid),
        ("stop_periodic", VCPUOP_stop_periodic_timer),
        ("stop_single", VCPUOP_stop_singleshot_timer),
    ] {
        let result = vcpu_op(cmd, 3, 0);
        r.line(format_args!("idle_{key}={}", Shown(result)));
    }
    for (key, addr) in BAD_ADDRESSES {
        for (name, cmd) in [
            ("runstate_area", VCPUOP_register_runstate_memory_area),
            ("time_area", VCPUOP_register_vcpu_time_memory_area),
        ] {
            let mut area = addr;
            let result = vcpu_op(cmd, 3, address(&mut area));
            r.line(format_args!("idle_{name}_{key}={}", Shown(result)));
        }
    }
}

fn initialise(vcpu: usize, context: &mut vcpu_guest_context) -> HvResult {
    vcpu_op(VCPUOP_initialise, vcpu, address(context))
}

/// A good context of vCPU `vcpu`, with a GDT of its own.
fn good(vcpu: usize) -> Box<vcpu_guest_context> {
    let gdt = smp::make_gdt(limit_of(vcpu)).expect("checks run while memory is plentiful");
    context::new(vcpu, gdt)
}

/// The limit of a vCPU's own segment, by which its GDT is known.
const fn limit_of(vcpu: usize) -> u16 {
    0x100 + vcpu as u16
}

fn contexts(r: &mut Report) {
    type Change = fn(&mut vcpu_guest_context);
    let (writable, mut c) = (Page::new(), good(OTHER));
    let cases: [(&str, Change); 15] = [
        ("rip", |c| c.user_regs.rip = NON_CANONICAL),
        ("trap", |c| c.trap_ctxt[255].address = NON_CANONICAL),
        ("event", |c| c.event_callback_eip = NON_CANONICAL),
        ("failsafe", |c| c.failsafe_callback_eip = NON_CANONICAL),
        ("syscall", |c| c.syscall_callback_eip = NON_CANONICAL),
        ("fs_base", |c| c.fs_base = NON_CANONICAL),
        ("gs_kernel", |c| c.gs_base_kernel = NON_CANONICAL),
        ("gs_user", |c| c.gs_base_user = NON_CANONICAL),
        ("gdt_ents", |c| c.gdt_ents = 7169),
        ("gdt_frame", |c| c.gdt_frames[0] = 0x3f_ffff),
        ("ldt_ents", |c| c.ldt_ents = 8193),
        ("ldt_base", |c| (c.ldt_base, c.ldt_ents) = (HOLE, 1)),
        ("root_none", |c| c.ctrlreg[3] = 0x3f_ffff << 12),
        ("root_gdt", |c| c.ctrlreg[3] = c.gdt_frames[0] << 12),
        ("user_root", |c| c.ctrlreg[1] = 0x3f_ffff << 12),
    ];
    for (key, change) in cases {
        let mut bad = c.clone();
        change(&mut bad);
        r.line(format_args!("{key}={}", Shown(initialise(OTHER, &mut bad))));
    }
    // Selectors are made fit, not refused: a vCPU for each, none of which is to run.
    let selectors: [(&str, Change); 4] = [
        ("cs_null", |c| c.user_regs.cs = 0),
        ("ss_null", |c| c.user_regs.ss = 0),
        ("ss_null_ring3", |c| c.user_regs.ss = 3),
        ("kernel_ss_null", |c| c.kernel_ss = 0),
    ];
    for ((key, change), vcpu) in selectors.into_iter().zip(4..) {
        let mut odd = good(vcpu);
        change(&mut odd);
        r.line(format_args!("{key}={}", Shown(initialise(vcpu, &mut odd))));
    }
    let gdt = core::mem::replace(&mut c.gdt_frames[0], writable.mfn());
    r.result("gdt_writable", initialise(OTHER, &mut c));
    c.gdt_frames[0] = gdt;
    r.result("up_after", vcpu_op(VCPUOP_up, OTHER, 0));
    c.user_regs.rflags = IOPL_1;
    r.result("good", initialise(OTHER, &mut c));
    r.result("good_again", initialise(OTHER, &mut c));
    r.result(
        "unmapped_again",
        vcpu_op(VCPUOP_initialise, OTHER, UNMAPPED),
    );
    r.line(format_args!(
        "up={} state={}",
        Shown(vcpu_op(VCPUOP_is_up, OTHER, 0)),
        runstate_of(OTHER)
    ));
}

fn bring_up(r: &mut Report) {
    r.result("second", initialise(SECOND, &mut good(SECOND)));
    for vcpu in [OTHER, SECOND] {
        r.outcome("ports", smp::bind(vcpu).map(|()| 0));
        r.result("up", vcpu_op(VCPUOP_up, vcpu, 0));
        r.result("up_again", vcpu_op(VCPUOP_up, vcpu, 0));
        r.result("is_up", vcpu_op(VCPUOP_is_up, vcpu, 0));
        let answer = smp::run_on(vcpu, add_one, 41);
        r.line(format_args!("answer={answer:?}"));
        let mask = member(vcpu).first_mask.load(Ordering::Relaxed);
        r.line(format_args!("first_mask={mask}"));
    }
    r.line(format_args!("blocked={}", wait_for_state(OTHER, 2)));
}

extern "C" fn add_one(value: u64) -> u64 {
    value + 1
}

/// Waits until a vCPU is in a state; says whether it came.
fn wait_for_state(vcpu: usize, state: i32) -> bool {
    smp::wait(|| runstate_of(vcpu) == state)
}

/// The limit that the calling vCPU's GDT gives to a selector.
extern "C" fn segment_limit(selector: u64) -> u64 {
    let limit: u64;
    // SAFETY: reading a segment's limit changes nothing.
    unsafe {
        core::arch::asm!("xor {0:e}, {0:e}", "lsl {0:r}, {1:r}", out(reg) limit, in(reg) selector)
    };
    limit
}

/// Reads a port that no device has; an exception goes on behind it, noted at `resume`.
#[unsafe(naked)]
extern "C" fn read_port(resume: u64) -> u64 {
    naked_asm!(
        "lea rax, [rip + 2f]",
        "mov [rdi], rax",
        "mov dx, 0x80",
        "in al, dx",
        "2: xor eax, eax",
        "ret"
    )
}

fn state(r: &mut Report) {
    for vcpu in [OTHER, SECOND] {
        let limit = smp::run_on(vcpu, segment_limit, smp::OWN_SELECTOR.into());
        r.line(format_args!("limit_{vcpu}={limit:x?}"));
        let them = member(vcpu);
        let done = smp::run_on(vcpu, read_port, them.resume.as_ptr() as u64);
        them.resume.store(0, Ordering::Relaxed);
        let vector = them.vector.swap(0, Ordering::Relaxed);
        r.line(format_args!("port_{vcpu}={done:?} vector={vector}"));
    }
}

fn remote(r: &mut Report) {
    let deadline = time::system_time() + 1000 * MILLISECOND;
    let mut single = vcpu_set_singleshot_timer {
        timeout_abs_ns: deadline,
        flags: 0,
        _pad0: [0; 4],
    };
    let mut period = vcpu_set_periodic_timer {
        period_ns: 1000 * MILLISECOND,
    };
    let mut physid = vcpu_get_physid { phys_id: 0 };
    for (key, cmd, arg) in [
        ("single", VCPUOP_set_singleshot_timer, address(&mut single)),
        ("stop_single", VCPUOP_stop_singleshot_timer, 0),
        ("period", VCPUOP_set_periodic_timer, address(&mut period)),
        ("stop_period", VCPUOP_stop_periodic_timer, 0),
        ("physid", VCPUOP_get_physid, address(&mut physid)),
        ("runstate_unmapped", VCPUOP_get_runstate_info, UNMAPPED),
        ("unknown", 99, 0),
    ] {
        r.line(format_args!("{key}={}", Shown(vcpu_op(cmd, OTHER, arg))));
    }
    let page = Page::new();
    for (key, vcpu, mfn, offset) in [
        ("info_up", OTHER, page.mfn(), 0),
        ("info_up_misaligned", OTHER, page.mfn(), 4),
        ("info_crosses", 3, page.mfn(), 4096 - 32),
        ("info_not_owned", 3, 0x3f_ffff, 0),
        ("info_none", 77, page.mfn(), 0),
    ] {
        let mut arg = vcpu_register_vcpu_info {
            mfn,
            offset,
            rsvd: 0,
        };
        let result = vcpu_op(VCPUOP_register_vcpu_info, vcpu, address(&mut arg));
        r.line(format_args!("{key}={}", Shown(result)));
    }
}

fn nmi(r: &mut Report) {
    let them = member(OTHER);
    let nmis = || them.nmis.load(Ordering::Relaxed);
    for (key, arg) in [("first", 0), ("second", 0), ("with_argument", 1)] {
        let before = nmis();
        let result = vcpu_op(VCPUOP_send_nmi, OTHER, arg);
        let came = result.is_ok() && smp::wait(|| nmis() > before);
        r.line(format_args!("{key}={} came={came}", Shown(result)));
    }
    r.line(format_args!("in_all={}", nmis()));
}

/// Sends to the port that `argument` names.
/// 1 if that fails.
extern "C" fn send_to(argument: u64) -> u64 {
    u64::from(hypercall::evtchn_send(argument as u32).is_err())
}

fn events(r: &mut Report) {
    let them = member(OTHER);
    for _ in 0..3 {
        let before = them.messages.load(Ordering::Relaxed);
        r.result("message", smp::message(OTHER));
        let came = smp::wait(|| them.messages.load(Ordering::Relaxed) > before);
        r.line(format_args!("came={came}"));
    }
    let mut mine = evtchn_bind_ipi { vcpu: 0, port: 0 };
    let bound = hypercall::event_channel_op(EVTCHNOP_bind_ipi, &mut mine);
    r.outcome("mine", bound);
    r.outcome("latched", event::take_latched(mine.port).map(u64::from));
    r.line(format_args!(
        "sent={:?}",
        smp::run_on(OTHER, send_to, mine.port.into())
    ));
    let latched = event::take_latched(mine.port).unwrap_or(false);
    r.line(format_args!("heard={latched}"));
    close(mine.port);
}

fn close(port: u32) {
    let closed = hypercall::event_channel_op(EVTCHNOP_close, &mut evtchn_close { port });
    closed.expect("a port that was bound can be closed");
    event::forget(port);
}

/// Waits for the calling vCPU's timer, which is vCPU `vcpu`; 0 unless it came early.
extern "C" fn sleep_on(vcpu: u64) -> u64 {
    let (vcpu, me) = (vcpu as usize, member(vcpu as usize));
    let before = me.ticks.load(Ordering::Relaxed);
    let deadline = time::system_time_on(vcpu) + 2 * MILLISECOND;
    let mut arg = vcpu_set_singleshot_timer {
        timeout_abs_ns: deadline,
        flags: 0,
        _pad0: [0; 4],
    };
    if vcpu_op(VCPUOP_set_singleshot_timer, vcpu, address(&mut arg)).is_err() {
        return 2;
    }
    while me.ticks.load(Ordering::Relaxed) == before {
        smp::block(vcpu);
    }
    u64::from(time::system_time_on(vcpu) < deadline)
}

/// Stops the ticker that the calling vCPU, `vcpu`, started with.
extern "C" fn stop_ticker(vcpu: u64) -> u64 {
    u64::from(vcpu_op(VCPUOP_stop_periodic_timer, vcpu as usize, 0).is_err())
}

fn timers(r: &mut Report) {
    for vcpu in [OTHER, SECOND] {
        let ticks = || member(vcpu).ticks.load(Ordering::Relaxed);
        r.line(format_args!(
            "stop={:?}",
            smp::run_on(vcpu, stop_ticker, vcpu as u64)
        ));
        let before = ticks();
        for _ in 0..3 {
            let early = smp::run_on(vcpu, sleep_on, vcpu as u64);
            r.line(format_args!("early_{vcpu}={early:?}"));
        }
        r.line(format_args!("ticks_{vcpu}={}", ticks() - before));
    }
    for vcpu in [OTHER as u32, 99] {
        let mut again = evtchn_bind_virq {
            virq: VIRQ_TIMER,
            vcpu,
            port: 0,
        };
        r.line(format_args!(
            "bind_{vcpu}={}",
            Shown(hypercall::event_channel_op(EVTCHNOP_bind_virq, &mut again))
        ));
    }
}

/// Goes down by itself; what the call answers once it is up again.
extern "C" fn go_down(vcpu: u64) -> u64 {
    vcpu_op(VCPUOP_down, vcpu as usize, 0).unwrap_or(99)
}

fn down_up(r: &mut Report) {
    let report = |r: &mut Report, key: &str| {
        let up = vcpu_op(VCPUOP_is_up, OTHER, 0);
        let offline = wait_for_state(OTHER, RUNSTATE_offline);
        r.line(format_args!("{key}={} offline={offline}", Shown(up)));
    };
    // One that is blocked stays so, whatever the toolstack says of it.
    smp::start(OTHER, go_down, OTHER as u64);
    smp::wait(|| vcpu_op(VCPUOP_is_up, OTHER, 0) == Ok(0));
    report(r, "by_itself");
    r.result("up", vcpu_op(VCPUOP_up, OTHER, 0));
    r.line(format_args!("answer={:?}", smp::finish(OTHER)));
    LOOKS.store(0, Ordering::SeqCst);
    STOP.store(0, Ordering::SeqCst);
    smp::start(OTHER, watch, address_of(&STOP));
    smp::wait(|| LOOKS.load(Ordering::SeqCst) > 0);
    r.result("by_sibling", vcpu_op(VCPUOP_down, OTHER, 0));
    report(r, "is_up");
    let looks = LOOKS.load(Ordering::SeqCst);
    // It hears of it when it is up again.
    STOP.store(1, Ordering::SeqCst);
    r.result("message", smp::message(OTHER));
    let until = time::system_time() + 5 * MILLISECOND;
    smp::wait(|| time::system_time() > until);
    r.line(format_args!(
        "stood_still={}",
        looks == LOOKS.load(Ordering::SeqCst)
    ));
    r.result("up", vcpu_op(VCPUOP_up, OTHER, 0));
    r.line(format_args!("finished={}", smp::finish(OTHER).is_some()));
    r.line(format_args!("works={:?}", smp::run_on(OTHER, add_one, 1)));
}

fn address_of(word: &'static AtomicU64) -> u64 {
    word.as_ptr() as u64
}

fn ports(r: &mut Report) {
    let them = member(OTHER);
    let others = || them.others.load(Ordering::Relaxed);
    let bind_vcpu = |port, vcpu| {
        let mut arg = evtchn_bind_vcpu { port, vcpu };
        hypercall::event_channel_op(EVTCHNOP_bind_vcpu, &mut arg)
    };
    let timer = evtchn_bind_ipi { vcpu: 99, port: 0 };
    r.result(
        "ipi_99",
        hypercall::event_channel_op(EVTCHNOP_bind_ipi, &mut { timer }),
    );
    let mut ipi = evtchn_bind_ipi { vcpu: 0, port: 0 };
    r.outcome(
        "ipi",
        hypercall::event_channel_op(EVTCHNOP_bind_ipi, &mut ipi),
    );
    r.result("move_ipi", bind_vcpu(ipi.port, OTHER as u32));
    close(ipi.port);
    // A pair within the domain can be moved.
    let mut unbound = evtchn_alloc_unbound {
        dom: DOMID_SELF,
        remote_dom: DOMID_SELF,
        port: 0,
    };
    let made = hypercall::event_channel_op(EVTCHNOP_alloc_unbound, &mut unbound);
    r.outcome("unbound", made);
    let mut pair = evtchn_bind_interdomain {
        remote_dom: DOMID_SELF,
        _pad0: [0; 2],
        remote_port: unbound.port,
        local_port: 0,
    };
    let made = hypercall::event_channel_op(EVTCHNOP_bind_interdomain, &mut pair);
    r.outcome("pair", made);
    r.result("move", bind_vcpu(pair.local_port, OTHER as u32));
    r.result("move_nowhere", bind_vcpu(pair.local_port, 99));
    event::give_away(pair.local_port);
    them.other_port.store(pair.local_port, Ordering::SeqCst);
    r.result("unmask", event::unmask(pair.local_port));
    for sends in 0..3 {
        let before = others();
        r.result("send", hypercall::evtchn_send(unbound.port));
        let came = smp::wait(|| others() > before);
        r.line(format_args!("came_{sends}={came}"));
    }
    them.other_port.store(0, Ordering::SeqCst);
    close(pair.local_port);
    close(unbound.port);
}

/// What the watching vCPU read last, how often it read, and whether it is to end.
static SEEN: AtomicU64 = AtomicU64::new(0);
static LOOKS: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicU64 = AtomicU64::new(0);

/// Reads a word over and over.
extern "C" fn watch(va: u64) -> u64 {
    while STOP.load(Ordering::SeqCst) == 0 {
        // SAFETY: the page behind `va` stays mapped readable until the watch ends.
        let seen = unsafe { (va as *const u64).read_volatile() };
        SEEN.store(seen, Ordering::SeqCst);
        LOOKS.fetch_add(1, Ordering::SeqCst);
    }
    0
}

/// What the watching vCPU reads from now on.
fn seen_now() -> u64 {
    let from = LOOKS.load(Ordering::SeqCst);
    // The first of them may have begun before.
    smp::wait(|| LOOKS.load(Ordering::SeqCst) >= from + 2);
    SEEN.load(Ordering::SeqCst)
}

/// A way to have vCPUs forget how an address is mapped, if they did not when it was changed.
enum Flush {
    /// With the change: these flags of `update_va_mapping`.
    Along(u64),
    /// A `mmuext_op` of its own, with the set of vCPUs where it wants one.
    Then(u32),
}

fn flushes(r: &mut Report) {
    let set = Box::new(1_u64 << OTHER);
    let at = core::ptr::from_ref(&*set) as u64;
    let mut stale = 0;
    for (key, flush) in [
        ("invlpg_multi", Flush::Then(MMUEXT_INVLPG_MULTI)),
        ("invlpg_all", Flush::Then(MMUEXT_INVLPG_ALL)),
        ("flush_multi", Flush::Then(MMUEXT_TLB_FLUSH_MULTI)),
        ("flush_all", Flush::Then(MMUEXT_TLB_FLUSH_ALL)),
        ("along_invlpg_multi", Flush::Along(UVMF_INVLPG | at)),
        ("along_invlpg_all", Flush::Along(UVMF_INVLPG | UVMF_ALL)),
        ("along_flush_multi", Flush::Along(UVMF_TLB_FLUSH | at)),
        ("along_flush_all", Flush::Along(UVMF_TLB_FLUSH | UVMF_ALL)),
    ] {
        let (page, new) = (Page::new(), Page::new());
        page.write(0, 1);
        new.write(0, 2);
        STOP.store(0, Ordering::SeqCst);
        smp::start(OTHER, watch, page.va());
        let first = seen_now();
        let flags = match flush {
            Flush::Along(flags) => flags,
            Flush::Then(_) => UVMF_NONE,
        };
        // SAFETY: only this check uses the page's address.
        let changed = unsafe { hypercall::update_va_mapping(page.va(), new.entry(pte::RW), flags) };
        let flushed = match flush {
            Flush::Along(_) => changed,
            Flush::Then(cmd) => {
                stale += u64::from(seen_now() == 1);
                changed.and(extended(cmd, page.va(), at))
            }
        };
        let second = seen_now();
        r.line(format_args!("{key}={} {first} {second}", Shown(flushed)));
        STOP.store(1, Ordering::SeqCst);
        smp::finish(OTHER);
        page.restore();
        extended(MMUEXT_TLB_FLUSH_ALL, 0, 0).expect("a flush is not refused");
    }
    crate::log::klog!("smp: the other vCPU saw {stale} of 4 changed mappings late");
}
