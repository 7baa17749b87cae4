//! Which CPUs forget translations when a guest asks for it.
//!
//! A vCPU's translations are on the CPU that runs it and nowhere else: a CPU that leaves a vCPU has
//! loaded another root before the vCPU counts as not running, and loading a root forgets all. What
//! starts to run after the guest changed its tables sees them as they are.

use hypercall_abi::xen::{
    MMUEXT_INVLPG_ALL, MMUEXT_INVLPG_LOCAL, MMUEXT_TLB_FLUSH_ALL, MMUEXT_TLB_FLUSH_LOCAL, UVMF_ALL,
    UVMF_FLUSHTYPE_MASK, UVMF_INVLPG, UVMF_TLB_FLUSH,
};

use crate::addr::guest_range;
use crate::domain::Domain;
use crate::error::Result;
use crate::guest::copy_in;
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::{CpuMask, Machine};

/// This CPU.
fn here<M: Machine>(cx: &Cx<'_, M>) -> CpuMask {
    1 << (cx.m().cpu() % 64)
}

/// The CPUs that run vCPUs of the caller's domain whose bits are set in `vcpus`.
fn running<M: Machine>(cx: &Cx<'_, M>, vcpus: u64) -> CpuMask {
    let mine = 1_u64 << (cx.vcpu.id.index % 64);
    let mut mask = if vcpus & mine != 0 { here(cx) } else { 0 };
    if vcpus & !mine != 0 {
        let state = cx.dom.lock();
        let running = state.vcpus.iter().map(|vcpu| vcpu.sched.running);
        for (index, cpu) in running.enumerate().take(64) {
            if let Some(cpu) = cpu
                && vcpus >> index & 1 != 0
            {
                mask |= 1 << (cpu % 64);
            }
        }
    }
    mask
}

/// The CPUs that run any vCPU of the caller's domain.
pub(super) fn all<M: Machine>(cx: &Cx<'_, M>) -> CpuMask {
    running(cx, u64::MAX)
}

/// The CPUs that run any vCPU of `dom`, one of which this CPU runs.
pub(crate) fn everywhere<M: Machine>(hv: &Hypervisor<M>, dom: &Domain) -> CpuMask {
    let state = dom.lock();
    let running = state.vcpus.iter().filter_map(|vcpu| vcpu.sched.running);
    running.fold(1 << (hv.machine.cpu() % 64), |mask, cpu| {
        mask | 1 << (cpu % 64)
    })
}

/// The CPUs that run the vCPUs in the bitmap at guest address `pointer`.
///
/// # Errors
/// `EFAULT`.
pub(super) fn listed<M: Machine>(cx: &Cx<'_, M>, pointer: u64) -> Result<CpuMask> {
    Ok(running(cx, copy_in(cx.m(), pointer)?))
}

/// An operation of `mmuext_op` that flushes no other CPU than this: whether it is one, and done.
#[inline(never)]
pub(super) fn quick<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, cmd: u32, va: u64) -> bool {
    let page = match cmd {
        MMUEXT_TLB_FLUSH_LOCAL | MMUEXT_TLB_FLUSH_ALL => None,
        MMUEXT_INVLPG_LOCAL | MMUEXT_INVLPG_ALL => Some(va),
        _ => return false,
    };
    let is_local = matches!(cmd, MMUEXT_TLB_FLUSH_LOCAL | MMUEXT_INVLPG_LOCAL);
    if !is_local && everywhere(hv, dom) != 1 << (hv.machine.cpu() % 64) {
        return false;
    }
    match page {
        None => hv.flush_local(),
        Some(va) if guest_range(va, 1) => hv.machine.invlpg_local(va),
        Some(_) => {}
    }
    true
}

/// Flushes this CPU.
pub(super) fn flush_here<M: Machine>(cx: &Cx<'_, M>) {
    cx.hv.flush_local();
}

/// Flushes the CPUs in `mask`.
pub(super) fn flush<M: Machine>(cx: &Cx<'_, M>, mask: CpuMask) {
    cx.hv.flush_mask(mask);
}

/// Invalidates one page on this CPU. A page that is not a guest's has no translation to forget.
#[inline]
pub(super) fn invlpg_here<M: Machine>(cx: &Cx<'_, M>, va: u64) {
    if guest_range(va, 1) {
        cx.m().invlpg_local(va);
    }
}

/// Invalidates one page on the CPUs in `mask`; others than this one flush all.
pub(super) fn invlpg<M: Machine>(cx: &Cx<'_, M>, mask: CpuMask, va: u64) {
    let here = here(cx);
    if mask & here != 0 {
        invlpg_here(cx, va);
    }
    if mask & !here != 0 {
        cx.hv.flush_mask(mask & !here);
    }
}

/// The flush that the `flags` of `update_va_mapping` ask for, of `va`.
///
/// # Errors
/// `EFAULT` when the bitmap of vCPUs cannot be read, whatever is to be flushed.
pub(super) fn flush_as_flags_say<M: Machine>(cx: &Cx<'_, M>, va: u64, flags: u64) -> Result<()> {
    let kind = flags & UVMF_FLUSHTYPE_MASK;
    let pointer = flags & !UVMF_FLUSHTYPE_MASK & !UVMF_ALL;
    if flags & UVMF_ALL == 0 && pointer == 0 {
        match kind {
            UVMF_TLB_FLUSH => flush_here(cx),
            UVMF_INVLPG => invlpg_here(cx, va),
            _ => {}
        }
        return Ok(());
    }
    let mask = if flags & UVMF_ALL != 0 {
        all(cx)
    } else {
        listed(cx, pointer)?
    };
    match kind {
        UVMF_TLB_FLUSH => flush(cx, mask),
        UVMF_INVLPG => invlpg(cx, mask, va),
        // The fourth type flushes nothing.
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::error::Errno;
    use crate::pv::mmuext::mmuext_op;
    use crate::testkit::{self, FakeMachine, Happened};
    use hypercall_abi::xen::*;

    /// Where the guest's arguments are: an operation, and behind it a bitmap of vCPUs.
    const WINDOW: u64 = 0x10_0000;
    const BITMAP: u64 = WINDOW + 64;
    const VA: u64 = 0x7000;

    struct Guests {
        hv: &'static Hypervisor<FakeMachine>,
        dom: &'static Domain,
    }

    /// Four CPUs. Of our domain, vCPU 0 runs on CPU 0 and makes the calls, vCPU 1 runs on CPU 2, and
    /// vCPU 2 does not run. CPU 3 runs another domain.
    fn guests() -> Guests {
        let hv = testkit::hypervisor(64, 4);
        let [dom, other] = [1, 2].map(|id| testkit::domain(hv, id, 3, 4));
        dom.lock().vcpus[0].sched.running = Some(0);
        dom.lock().vcpus[1].sched.running = Some(2);
        other.lock().vcpus[0].sched.running = Some(3);
        Guests { hv, dom }
    }

    impl Guests {
        /// What was flushed while `run` ran.
        fn flushed(
            &self,
            words: [u64; 9],
            run: impl FnOnce(&mut Cx<'_, FakeMachine>),
        ) -> Vec<Happened> {
            let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            self.hv.machine.set_window(WINDOW, bytes);
            let _ = self.hv.machine.take_happened();
            let mut vcpu = self.dom.homes.lock()[0].take().expect("at home");
            run(&mut testkit::context(self.hv, self.dom, &mut vcpu));
            self.dom.homes.lock()[0] = Some(vcpu);
            self.hv.machine.take_happened()
        }

        fn update_va(&self, flags: u64, vcpus: u64) -> Vec<Happened> {
            self.flushed([0, 0, 0, 0, 0, 0, 0, 0, vcpus], |cx| {
                flush_as_flags_say(cx, VA, flags).unwrap();
            })
        }

        fn extended(&self, cmd: u32, vcpus: u64) -> Vec<Happened> {
            let words = [u64::from(cmd), VA, BITMAP, 0, 0, 0, 0, 0, vcpus];
            self.flushed(words, |cx| {
                mmuext_op(cx, WINDOW, 1, 0, u64::from(DOMID_SELF)).unwrap();
            })
        }
    }

    const LOCAL: Happened = Happened::FlushLocal;
    const ONE: Happened = Happened::Invlpg(VA);
    const OTHER: Happened = Happened::FlushRemote(1 << 2);

    /// vCPUs in the bitmap, and what a flush of their TLBs, and of one page in them, comes to.
    fn lists() -> [(u64, Vec<Happened>, Vec<Happened>); 7] {
        [
            (0, vec![], vec![]),
            (0b001, vec![LOCAL], vec![ONE]),
            (0b010, vec![OTHER], vec![OTHER]),
            (0b011, vec![OTHER, LOCAL], vec![ONE, OTHER]),
            (0b100, vec![], vec![]),
            (0b101, vec![LOCAL], vec![ONE]),
            (u64::MAX, vec![OTHER, LOCAL], vec![ONE, OTHER]),
        ]
    }

    #[test]
    fn update_va_mapping_flushes_where_the_named_vcpus_run() {
        let g = guests();
        assert_eq!(g.update_va(UVMF_TLB_FLUSH | UVMF_LOCAL, 0), [LOCAL]);
        assert_eq!(g.update_va(UVMF_INVLPG | UVMF_LOCAL, 0), [ONE]);
        assert_eq!(g.update_va(UVMF_TLB_FLUSH | UVMF_ALL, 0), [OTHER, LOCAL]);
        assert_eq!(g.update_va(UVMF_INVLPG | UVMF_ALL, 0), [ONE, OTHER]);
        for (vcpus, all, one) in lists() {
            assert_eq!(
                g.update_va(UVMF_TLB_FLUSH | BITMAP, vcpus),
                all,
                "{vcpus:b}"
            );
            assert_eq!(g.update_va(UVMF_INVLPG | BITMAP, vcpus), one, "{vcpus:b}");
        }
        for nothing in [UVMF_NONE, UVMF_ALL, BITMAP, UVMF_FLUSHTYPE_MASK | UVMF_ALL] {
            assert_eq!(g.update_va(nothing, u64::MAX), [], "{nothing:x}");
        }
    }

    #[test]
    fn mmuext_op_flushes_where_the_named_vcpus_run() {
        let g = guests();
        assert_eq!(g.extended(MMUEXT_TLB_FLUSH_LOCAL, 0), [LOCAL]);
        assert_eq!(g.extended(MMUEXT_INVLPG_LOCAL, 0), [ONE]);
        assert_eq!(g.extended(MMUEXT_TLB_FLUSH_ALL, 0), [OTHER, LOCAL]);
        assert_eq!(g.extended(MMUEXT_INVLPG_ALL, 0), [ONE, OTHER]);
        for (vcpus, all, one) in lists() {
            assert_eq!(g.extended(MMUEXT_TLB_FLUSH_MULTI, vcpus), all, "{vcpus:b}");
            assert_eq!(g.extended(MMUEXT_INVLPG_MULTI, vcpus), one, "{vcpus:b}");
        }
    }

    #[test]
    fn quick_flushes_are_those_of_this_cpu_alone() {
        let g = guests();
        let quick = |dom: &Domain, cmd, va| {
            let _ = g.hv.machine.take_happened();
            let done = super::quick(g.hv, dom, cmd, va);
            (done, g.hv.machine.take_happened())
        };
        let [local, one] = [vec![LOCAL], vec![ONE]];
        assert_eq!(
            quick(g.dom, MMUEXT_TLB_FLUSH_LOCAL, 0),
            (true, local.clone())
        );
        assert_eq!(quick(g.dom, MMUEXT_INVLPG_LOCAL, VA), (true, one.clone()));
        // Not the hypervisor's own pages.
        assert_eq!(
            quick(g.dom, MMUEXT_INVLPG_LOCAL, 0xffff_8000_0000_0000),
            (true, vec![])
        );
        // vCPU 1 runs elsewhere.
        for cmd in [MMUEXT_TLB_FLUSH_ALL, MMUEXT_INVLPG_ALL, MMUEXT_PIN_L1_TABLE] {
            assert_eq!(quick(g.dom, cmd, VA), (false, vec![]));
        }
        g.dom.lock().vcpus[1].sched.running = None;
        assert_eq!(quick(g.dom, MMUEXT_TLB_FLUSH_ALL, 0), (true, local));
        assert_eq!(quick(g.dom, MMUEXT_INVLPG_ALL, VA), (true, one));
    }

    #[test]
    fn a_bitmap_that_cannot_be_read_flushes_nothing() {
        let g = guests();
        let bad = WINDOW + 0x10_0000;
        let happened = g.flushed([0; 9], |cx| {
            let refused = flush_as_flags_say(cx, VA, UVMF_TLB_FLUSH | bad);
            assert_eq!(refused, Err(Errno::EFAULT));
        });
        assert_eq!(happened, []);
    }
}
