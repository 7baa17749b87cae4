//! The seeds in domains, their memory and devices, and in the calls themselves.

use crate::mutants::Invariant::{Bounded, Guard, OneOwner, References, Sum};
use crate::mutants::Tests::{Faults, Traces, Unit};
use crate::mutants::{Mutant, seed};

pub(super) const ALL: &[Mutant] = &[
    seed(
        "a denied device is mapped",
        "domain/rights.rs",
        Guard,
        Faults("refusals"),
        ("rights.frames.take(first.0, last)?;", "let _ = last;"),
    ),
    seed(
        "dom0 gives frames that it has not",
        "control/domctl/domain.rs",
        Guard,
        Faults("refusals"),
        (
            "if !cx.dom.may_give(|rights| rights.frames.has(first, last)) {",
            "if false {",
        ),
    ),
    seed(
        "the rights of a domain outlive it",
        "domain/lifecycle.rs",
        Guard,
        Unit("pirq"),
        ("dom.end_rights();", ""),
    ),
    seed(
        "two domains have a line bound",
        "pirq/irqs.rs",
        Guard,
        Unit("pirq"),
        (
            "user.place != place && !(shares && user.shares)",
            "user.place != place && false",
        ),
    ),
    seed(
        "a line is shared by who does not say so",
        "pirq/irqs.rs",
        Guard,
        Unit("pirq"),
        ("!(shares && user.shares)", "!shares"),
    ),
    seed(
        "one ends a shared interrupt for all",
        "pirq/irqs.rs",
        Guard,
        Unit("pirq"),
        (
            "&& core::mem::take(&mut user.owes)\n            && !line.is_owed()",
            "&& core::mem::take(&mut user.owes)",
        ),
    ),
    seed(
        "who goes leaves what it owes on a shared line",
        "pirq/irqs.rs",
        Bounded,
        Unit("pirq"),
        (
            "gone.owes && !line.is_owed()",
            "gone.owes && line.is_owed()",
        ),
    ),
    seed(
        "who never ended an interrupt alone keeps the line from who comes",
        "pirq/irqs.rs",
        Bounded,
        Unit("pirq"),
        ("} else if line.is_owed() {", "} else if false {"),
    ),
    seed(
        "who never ends an interrupt keeps the line from the others",
        "pirq/interrupt.rs",
        Bounded,
        Unit("pirq"),
        ("!heard.others.is_empty()", "heard.others.len() > 2"),
    ),
    seed(
        "a vector that is another's now is heard",
        "pirq/interrupt.rs",
        Guard,
        Unit("pirq"),
        (
            "if pirq.port == 0 || pirq.vector != vector {",
            "if pirq.port == 0 {",
        ),
    ),
    seed(
        "who dies keeps the vectors of its interrupts",
        "pirq/mod.rs",
        Guard,
        Unit("pirq"),
        (
            "if !state.pirqs.get(number).is_some_and(mapped) {",
            "if true {",
        ),
    ),
    seed(
        "frames that the guest cannot be told of stay",
        "domain/reservation.rs",
        Sum,
        Faults("refusals"),
        (
            "        cx.hv.give_up_frames(dom, &list[told..], &mut cx.budget);\n",
            "        let _ = &list;\n",
        ),
    ),
    seed(
        "a domain has more than it may",
        "domain/mod.rs",
        Bounded,
        Faults("refusals"),
        (
            "now.checked_add(pages).filter(|&n| n <= max)",
            "now.checked_add(pages).filter(|&n| n <= max || true)",
        ),
    ),
    seed(
        "frames in use are exchanged",
        "domain/exchange.rs",
        References,
        Faults("refusals"),
        ("|| w.refs() != 1 {", "{"),
    ),
    seed(
        "a failed exchange keeps what it got",
        "domain/exchange.rs",
        Sum,
        Faults("refusals"),
        ("self.stage = Stage::Undo(e);", "return Err(e);"),
    ),
    seed(
        "a domain dies before it rests",
        "domain/lifecycle.rs",
        Guard,
        Unit("sched::tests::share::a_destroyed_domain"),
        (
            "    dom.ending.store(true, Ordering::Relaxed);\n",
            "    dom.ending.store(true, Ordering::Relaxed);\n    dom.set_identity(dom.id(), dom.generation(), Phase::Dying);\n",
        ),
    ),
    seed(
        "a domain that dies does not rest",
        "domain/lifecycle.rs",
        Guard,
        Unit("sched::tests::share::a_destroyed_domain"),
        ("    dom.ending.store(true, Ordering::Relaxed);\n", ""),
    ),
    seed(
        "what is half made is destroyed",
        "domain/lifecycle.rs",
        Guard,
        Unit("domain::lifecycle"),
        (
            "    let _teardown = super::lock::take(&dom.teardown);\n",
            "",
        ),
    ),
    seed(
        "the end of a domain is that of the next of its number",
        "domain/lifecycle.rs",
        Guard,
        Unit("domain::lifecycle"),
        (
            "let Some(mut teardown) = dom.teardown.try_lock() else {",
            "let mut spare = Teardown::default();\n    let Some(mut teardown) = Some(&mut spare) else {",
        ),
    ),
    seed(
        "a destroyed domain's pins stay",
        "domain/lifecycle.rs",
        Sum,
        Faults("every_operation"),
        (
            "            root::unpin_if_pinned(hv, dom, mfn, walk);\n            continue;",
            "            *frame = mfn.0 + 1;\n            continue;",
        ),
    ),
    seed(
        "a destroyed domain's descriptors stay",
        "domain/lifecycle.rs",
        References,
        Faults("every_operation"),
        (
            "        put_pages(hv, &mut vcpu.arch.gdt);",
            "        vcpu.arch.gdt.clear();",
        ),
    ),
    seed(
        "an answer to a debug key is as long as it likes",
        "control/keys.rs",
        Bounded,
        Unit("control::keys"),
        ("if self.left == 0 {", "if false {"),
    ),
    seed(
        "a list goes on where results cannot be written",
        "hypercall/multicall.rs",
        Guard,
        Unit("hypercall::tests::lists"),
        (
            "        m.write_guest_u64(at + RESULT, result)?;\n",
            "        let _ = m.write_guest_u64(at + RESULT, result);\n",
        ),
    ),
    seed(
        "roots that end in a list are left over",
        "hypercall/quick.rs",
        References,
        Unit("hypercall::tests::lists"),
        (
            "    if done == count && vcpu.walk.is_idle() {",
            "    if done == count {",
        ),
    ),
    seed(
        "force does not end what a vCPU said of its place",
        "control/domctl/vcpu.rs",
        Bounded,
        Unit("control::"),
        (
            "        s.account.affinity = before.into();\n",
            "        let _ = before;\n",
        ),
    ),
    seed(
        "an interrupted multicall begins anew",
        "hypercall/multicall.rs",
        Bounded,
        Traces("traces_agree"),
        (
            "        cx.suspend_at(next);\n",
            "        cx.suspend_at(next & 0);\n",
        ),
    ),
    seed(
        "the entry in which a multicall was interrupted is left out",
        "hypercall/multicall.rs",
        Bounded,
        Traces("traces_agree"),
        (
            "        cx.suspend_at(next);\n",
            "        cx.suspend_at(next + 1);\n",
        ),
    ),
    seed(
        "an exchange goes on with one that was given up",
        "domain/unfinished.rs",
        OneOwner,
        Traces("found"),
        (
            "    if goes_on && unfinished.call ==",
            "    if unfinished.call ==",
        ),
    ),
    seed(
        "a call goes on where another was interrupted",
        "hypercall/mod.rs",
        Guard,
        Traces("traces_agree"),
        (
            "            Some(c) if c.call == call => Some(c.done),",
            "            Some(c) if c.call.0 == call.0 => Some(c.done),",
        ),
    ),
    seed(
        "the clock's index port holds NMIs back",
        "trap/clock.rs",
        Guard,
        Unit("clock"),
        ("const NUMBER: u8 = 0x7f;", "const NUMBER: u8 = 0xff;"),
    ),
    seed(
        "one of the clock's ports is enough for its registers",
        "trap/port.rs",
        Guard,
        Unit("clock"),
        (
            "!clock::PORTS.into_iter().any(|port| kept(hv, dom, port))",
            "!clock::PORTS.into_iter().all(|port| kept(hv, dom, port))",
        ),
    ),
    seed(
        "a wide access reaches the clock as it is",
        "trap/port.rs",
        Guard,
        Unit("clock"),
        (
            "!clock::touched(port, size) && !ports.any(|at| kept(hv, dom, at))",
            "!ports.any(|at| kept(hv, dom, at))",
        ),
    ),
];
