//! vcpu_op, but for timers and areas of time.

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use hypercall_abi::sched::SHUTDOWN_poweroff;
use hypercall_abi::vcpu::*;
use hypercall_abi::xen::vcpu_info;

use super::*;
use crate::addr::Mfn;
use crate::error::Errno;
use crate::sched::ops::vcpu_op;

#[test]
fn vcpus_go_up_and_down() {
    let mut bench = Bench::new(2);
    let dom = bench.domain(1, 3);
    dom.lock().vcpus[2].initialised = false;
    dom.lock().vcpus[2].up = false;
    crate::sched::wake(bench.hv, dom, 2);
    bench.start();
    bench.start();
    let cpu = (0..2).find(|&c| bench.runs(c) == Some((1, 0))).unwrap();
    let op = |b: &mut Bench, cmd, id| b.vcpu_op(cpu, cmd, id, &0u64);
    assert_eq!(op(&mut bench, VCPUOP_is_up, 0), Ok(1));
    assert_eq!(op(&mut bench, VCPUOP_is_up, 2), Ok(0));
    for id in [3, 64, 4095, u64::from(u32::MAX)] {
        for cmd in [VCPUOP_is_up, VCPUOP_up, VCPUOP_initialise, 99] {
            assert_eq!(op(&mut bench, cmd, id), errno(Errno::ENOENT));
        }
    }
    assert_eq!(op(&mut bench, 99, 0), errno(Errno::ENOSYS));
    assert_eq!(op(&mut bench, VCPUOP_get_physid, 0), errno(Errno::EINVAL));
    assert_eq!(op(&mut bench, VCPUOP_up, 2), errno(Errno::EINVAL));
    assert_eq!(op(&mut bench, VCPUOP_up, 1), Ok(0));
    assert_eq!(op(&mut bench, VCPUOP_initialise, 1), errno(Errno::EEXIST));
    assert_eq!(op(&mut bench, VCPUOP_down, 1), Ok(0));
    bench.start();
    assert_eq!(op(&mut bench, VCPUOP_is_up, 1), Ok(0));
    assert!(dom.lock().vcpus[1].sched.running.is_none());
    assert_eq!(op(&mut bench, VCPUOP_up, 1), Ok(0));
    bench.start();
    assert!(dom.lock().vcpus[1].sched.running.is_some());
    assert_eq!(op(&mut bench, VCPUOP_down, 1), Ok(0));
    // The last one turns the light off.
    assert_eq!(op(&mut bench, VCPUOP_down, 0), Ok(0));
    assert_eq!(
        dom.shutdown.load(Ordering::SeqCst),
        SHUTDOWN_poweroff as u16 + 1
    );
}

fn register(mfn: Mfn, offset: u32) -> vcpu_register_vcpu_info {
    vcpu_register_vcpu_info {
        mfn: mfn.0,
        offset,
        rsvd: 0,
    }
}

#[test]
fn vcpu_info_moves_once_with_what_it_says() {
    let mut bench = Bench::new(1);
    let dom = bench.domain(1, 2);
    let other = bench.domain(2, 1);
    crate::sched::pause_domain(bench.hv, other).unwrap();
    dom.lock().vcpus[1].up = false;
    crate::sched::wake(bench.hv, dom, 1);
    bench.start();
    let page = bench.hv.alloc_domain_page(dom).unwrap();
    let foreign = bench.hv.alloc_domain_page(other).unwrap();
    let m = bench.hv.machine;
    let shared = dom.lock().shared_info.unwrap();
    m.store_u8(shared, 1, 1);
    let cmd = VCPUOP_register_vcpu_info;
    for (mfn, offset, why) in [
        (page, 4096 - 63, Errno::ENXIO),
        (page, 4096, Errno::ENXIO),
        (page, u32::MAX, Errno::ENXIO),
        (page, 4, Errno::ENXIO),
        (foreign, 0, Errno::EINVAL),
        (Mfn(0), 0, Errno::EINVAL),
        (Mfn(u64::MAX >> 12), 0, Errno::EINVAL),
        (Mfn(u64::MAX), 0, Errno::EINVAL),
    ] {
        let got = bench.vcpu_op(0, cmd, 0, &register(mfn, offset));
        assert_eq!(got, errno(why), "{mfn:?} {offset}");
    }
    let before = bench.hv.frames.word(page).refs();
    assert_eq!(bench.vcpu_op(0, cmd, 0, &register(page, 4096 - 64)), Ok(0));
    assert_eq!(bench.hv.frames.word(page).refs(), before + 1);
    let mut info = <vcpu_info as zerocopy::FromZeros>::new_zeroed();
    m.read_frame(page, 4096 - 64, info.as_mut_bytes());
    assert_eq!(
        (info.evtchn_upcall_pending, info.evtchn_upcall_mask),
        (1, 1)
    );
    assert_eq!(info.evtchn_pending_sel, u64::MAX);
    assert_eq!(
        (info.time.version & 1, info.time.tsc_to_system_mul),
        (0, 1 << 31)
    );
    let again = bench.vcpu_op(0, cmd, 0, &register(page, 0));
    assert_eq!(again, errno(Errno::EINVAL));
    // Another vCPU's, while it is down.
    assert_eq!(bench.vcpu_op(0, cmd, 1, &register(page, 64)), Ok(0));
    assert_eq!(
        m.load_u64(page, 64 + offset_of!(vcpu_info, evtchn_pending_sel)),
        u64::MAX
    );
    // Events go to the new place from now on.
    let sel = 4096 - 64 + offset_of!(vcpu_info, evtchn_pending_sel);
    m.store_u64(page, sel, 0);
    let port = bind_virq(bench.hv, dom, 0, hypercall_abi::xen::VIRQ_DEBUG);
    crate::evtchn::virq::send(bench.hv, dom, 0, hypercall_abi::xen::VIRQ_DEBUG);
    assert_eq!((m.load_u64(page, sel), m.load_u64(shared, 8)), (1, 0));
    assert!(take_pending(bench.hv, dom, port));
}

#[test]
fn an_up_vcpus_info_is_not_moved_by_others() {
    let mut bench = Bench::new(1);
    let dom = bench.domain(1, 2);
    bench.start();
    let me = bench.runs(0).unwrap().1;
    let page = bench.hv.alloc_domain_page(dom).unwrap();
    let cmd = VCPUOP_register_vcpu_info;
    let got = bench.vcpu_op(0, cmd, u64::from(1 - me), &register(page, 0));
    assert_eq!(got, errno(Errno::EINVAL));
}

#[test]
fn a_vcpu_without_a_place_in_shared_info_needs_one_first() {
    let mut bench = Bench::new(1);
    let dom = bench.domain(1, 34);
    for vcpu in dom.lock().vcpus.iter_mut().skip(1) {
        vcpu.up = false;
    }
    for index in 1..34 {
        crate::sched::wake(bench.hv, dom, index);
    }
    bench.start();
    let op = |b: &mut Bench, cmd| b.vcpu_op(0, cmd, 33, &0u64);
    assert_eq!(op(&mut bench, VCPUOP_up), errno(Errno::EINVAL));
    assert_eq!(op(&mut bench, VCPUOP_initialise), errno(Errno::EINVAL));
    let page = bench.hv.alloc_domain_page(dom).unwrap();
    let got = bench.vcpu_op(0, VCPUOP_register_vcpu_info, 33, &register(page, 128));
    assert_eq!(got, Ok(0));
    assert_eq!(bench.hv.machine.load_u8(page, 129), 1, "masked");
    assert_eq!(bench.vcpu_op(0, VCPUOP_up, 33, &0u64), Ok(0));
}

#[test]
fn nmis_take_no_argument_and_arguments_are_checked() {
    let mut bench = Bench::new(1);
    let dom = bench.domain(1, 2);
    bench.start();
    let me = u64::from(bench.runs(0).unwrap().1);
    assert_eq!(
        bench.vcpu_op(0, VCPUOP_send_nmi, me, &0u64),
        errno(Errno::EINVAL)
    );
    let other = 1 - me;
    let got = bench.call(0, |cx| vcpu_op(cx, VCPUOP_send_nmi.into(), other, 0));
    assert_eq!(got, Ok(0));
    assert!(dom.lock().vcpus[other as usize].sched.nmi);
    for cmd in [
        VCPUOP_get_runstate_info,
        VCPUOP_register_runstate_memory_area,
        VCPUOP_set_periodic_timer,
        VCPUOP_set_singleshot_timer,
        VCPUOP_register_vcpu_info,
        VCPUOP_register_vcpu_time_memory_area,
    ] {
        for va in [0, 0xffff_8000_0000_0000, u64::MAX] {
            let got = bench.call(0, |cx| vcpu_op(cx, cmd.into(), me, va));
            assert_eq!(got, errno(Errno::EFAULT), "operation {cmd} at {va:#x}");
        }
    }
}

/// The quick form gives what the whole one gives, or leaves it to that.
#[test]
fn quick_forms_answer_the_same() {
    use crate::sched::ops::{quick_vcpu_op, vcpu_op};
    let mut bench = Bench::new(1);
    bench.domain(1, 2);
    bench.start();
    for round in 1..40 {
        bench.run_until(round * 3 * MS);
        let index = u64::from(bench.runs(0).unwrap().1);
        let cmd = u64::from(VCPUOP_get_runstate_info);
        let answers = [true, false].map(|quick| {
            bench
                .call(0, |cx| match quick {
                    true => {
                        assert!(quick_vcpu_op(cx.hv, cx.vcpu, [cmd, index, ARG, 0, 0, 0]));
                        Ok(0)
                    }
                    false => vcpu_op(cx, cmd, index, ARG),
                })
                .unwrap();
            bench.read::<vcpu_runstate_info>(0, ARG).as_bytes().to_vec()
        });
        assert_eq!(answers[0], answers[1]);
        let (other, wrong) = (
            [cmd, 1 - index, ARG, 0, 0, 0],
            [cmd, index, 1 << 63, 0, 0, 0],
        );
        let timer = u64::from(VCPUOP_set_singleshot_timer);
        let crossing = [timer, index, ARG + 0xff8, 0, 0, 0];
        let past = [timer, index, ARG, 0, 0, 0];
        for args in [other, wrong, crossing, past] {
            bench
                .call_with(0, &1u64, |cx, _| {
                    let before = cx.vcpu.timers;
                    assert!(!quick_vcpu_op(cx.hv, cx.vcpu, args));
                    assert_eq!(cx.vcpu.timers, before);
                    Ok(0)
                })
                .unwrap();
        }
    }
}
