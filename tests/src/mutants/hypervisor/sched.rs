//! The seeds in the scheduler.

use crate::mutants::Invariant::{Bounded, Guard, PortsPair};
use crate::mutants::Tests::{Schedule, Unit};
use crate::mutants::{Mutant, seed};

pub(super) const ALL: &[Mutant] = &[
    seed(
        "a vCPU looks before it says that it sleeps",
        "sched/ops.rs",
        PortsPair,
        Unit("evtchn::tests::interleaved"),
        (
            "    me.sched.tell_senders(cx.hv, cx.dom, index);\n    if upcall_due",
            "    if upcall_due",
        ),
    ),
    seed(
        "a vCPU with a new vcpu_info looks where it was told before",
        "sched/vcpu_op.rs",
        PortsPair,
        Unit("evtchn::tests::coming"),
        (
            "    m.store_u64(new.mfn, selectors, u64::MAX);\n",
            "    let _ = selectors;\n",
        ),
    ),
    seed(
        "what a cap gave too much is not owed",
        "sched/cap.rs",
        Bounded,
        Unit("sched::"),
        (
            "            .min(self.size());\n        self.at",
            "            .clamp(0, self.size());\n        self.at",
        ),
    ),
    seed(
        "a cap that is not used is saved up",
        "sched/cap.rs",
        Bounded,
        Unit("sched::"),
        (
            "            .min(self.size());\n        self.at",
            "            .min(i64::MAX);\n        self.at",
        ),
    ),
    seed(
        "a CPU counts as idle while it runs",
        "sched/switch.rs",
        Bounded,
        Unit("sched::"),
        ("            hv.sched.cpu(cpu.id).idle.ends(now);\n", ""),
    ),
    seed(
        "a cap that is used up stops nobody",
        "sched/share.rs",
        Bounded,
        Unit("sched::"),
        (
            "        vcpu.sched.capped = true;\n",
            "        vcpu.sched.capped = false;\n",
        ),
    ),
    seed(
        "a refilled cap wakes nobody",
        "sched/share.rs",
        Bounded,
        Unit("sched::"),
        (
            "        vcpu.sched.capped = false;\n",
            "        vcpu.sched.capped &= true;\n",
        ),
    ),
    seed(
        "a sleeper saves up what it did not run",
        "sched/policy/credit2.rs",
        Bounded,
        Unit("sched::"),
        (
            "        let behind = if account.slept { SLEEPER_BONUS } else { WINDOW };\n",
            "        let behind = if account.slept { u64::MAX } else { WINDOW };\n",
        ),
    ),
    seed(
        "who has just woken waits for what is behind elsewhere",
        "sched/policy/credit2.rs",
        Bounded,
        Schedule("clocks_drift_apart"),
        (
            "        if than.saturating_add(SLEEPER_BONUS) <= cpus.runs(cpu) {\n",
            "        if than == u64::MAX {\n",
        ),
    ),
    seed(
        "a queue's clock may be far ahead of another's",
        "sched/policy/credit2.rs",
        Bounded,
        Schedule("beside_one_that_was_alone"),
        (
            "const WINDOW: u64 = 5_000_000;",
            "const WINDOW: u64 = 100_000_000;",
        ),
    ),
    seed(
        "weights weigh nothing",
        "sched/queue.rs",
        Bounded,
        Unit("sched::"),
        (
            "        running.vtime += virtual_time(ran, account.weight);\n",
            "        running.vtime += ran;\n",
        ),
    ),
    seed(
        "an idle CPU takes nothing from others",
        "sched/policy/credit2.rs",
        Bounded,
        Schedule("no_cpu_idles"),
        (
            "            return others.find_map(|from| cpus.take(from, cpu, REACH, u64::MAX));",
            "            return others.find_map(|_| None);",
        ),
    ),
    seed(
        "a vCPU is taken where it may not run",
        "sched/queue.rs",
        Guard,
        // Others would wait for ever.
        Unit("sched::tests::share::affinity"),
        (
            "|waiting: &Waiting<W>| cpu == from || waiting.affinity.contains(cpu);",
            "|waiting: &Waiting<W>| cpu == from || waiting.affinity != CpuSet::NONE;",
        ),
    ),
    seed(
        "no CPU hears of a vCPU that was woken",
        "sched/queues.rs",
        Bounded,
        Unit("sched::"),
        (
            "        concern.or_else(",
            "        concern.filter(|concern| concern.cpu == CpuId::MAX).or_else(",
        ),
    ),
    seed(
        "a vCPU that was woken waits for whatever the timer is armed for",
        "sched/run.rs",
        Bounded,
        Unit("sched::"),
        ("=> arm_by(hv, at),", "=> arm_by(hv, Nanos::MAX),"),
    ),
    seed(
        "who yields runs on",
        "sched/queues.rs",
        Bounded,
        Unit("sched::"),
        (
            "        let yielded = queue.take_yield();\n",
            "        let yielded = queue.take_yield() && !able;\n",
        ),
    ),
];
