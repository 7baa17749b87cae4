//! The seeds. Each is as small as the mistake that it stands for, and says which promise it breaks.

use super::Invariant::{
    Bounded, FreeIsUnused, Guard, HypervisorUnreachable, OneOwner, PortsPair, References, Sum,
    TypeCount, WritableOrTable,
};
use super::Tests::{Faults, Order, Schedule, Traces, Unit};
use super::{Invariant, Mutant, Tests};

const fn seed(
    name: &'static str,
    file: &'static str,
    breaks: Invariant,
    killed_by: Tests,
    (from, to): (&'static str, &'static str),
) -> Mutant {
    Mutant {
        name,
        file,
        breaks,
        killed_by,
        from,
        to,
    }
}

/// All seeds; files are in `hypervisor/core/src`.
pub(super) const ALL: &[Mutant] = &[
    // ---- the frame word -------------------------------------------------------------------------
    seed(
        "anybody may refer to a frame",
        "frame/word.rs",
        OneOwner,
        Unit("frame::word"),
        (
            "pub const fn get(self, owner: Owner) -> Result<Self, Refusal> {\n        if self.0 & OWNER_MASK != owner_bits(owner) {",
            "pub const fn get(self, owner: Owner) -> Result<Self, Refusal> {\n        if false && self.0 & OWNER_MASK != owner_bits(owner) {",
        ),
    ),
    seed(
        "a second type over the first",
        "frame/word.rs",
        WritableOrTable,
        Unit("frame::word"),
        (
            "if self.0 & KIND_MASK != 0 {\n            return Err(Refusal::WrongKind);",
            "if false {\n            return Err(Refusal::WrongKind);",
        ),
    ),
    seed(
        "the kind outlives its last writable use",
        "frame/word.rs",
        TypeCount,
        Unit("frame::word"),
        (
            "Ok(Self(if next & TYPE_MASK == 0 {\n            next & !KIND_MASK\n",
            "Ok(Self(if next & TYPE_MASK == 0 {\n            next\n",
        ),
    ),
    seed(
        "a former table is not remembered as one",
        "frame/word.rs",
        WritableOrTable,
        Unit("frame::word"),
        ("& !KIND_MASK) | STALE))", "& !KIND_MASK)))"),
    ),
    seed(
        "the last use of a table is not seen",
        "frame/word.rs",
        TypeCount,
        Unit("frame::word"),
        (
            "if self.0 & TYPE_MASK == TYPE_ONE {\n            return Ok(None);",
            "if self.0 & TYPE_MASK == 0 {\n            return Ok(None);",
        ),
    ),
    seed(
        "a pin leaves no mark",
        "frame/word.rs",
        TypeCount,
        Unit("frame::word"),
        ("Ok(Self(self.0 | PINNED))", "Ok(self)"),
    ),
    seed(
        "a pin is taken off again and again",
        "frame/word.rs",
        TypeCount,
        Unit("pv::tests"),
        ("Ok(Self(self.0 & !PINNED))", "Ok(self)"),
    ),
    seed(
        "a frame is given up twice",
        "frame/word.rs",
        References,
        Unit("frame::word"),
        (
            "if self.0 & ALLOCATED == 0 || self.0 & REF_MASK == 0 {",
            "if self.0 & REF_MASK == 0 {",
        ),
    ),
    seed(
        "a table is used before it is checked",
        "frame/word.rs",
        WritableOrTable,
        Unit("frame::word"),
        (
            "if self.0 & VALIDATED == 0 {\n            return Err(Refusal::Locked);",
            "if false {\n            return Err(Refusal::Locked);",
        ),
    ),
    seed(
        "somebody else unpins",
        "frame/word.rs",
        OneOwner,
        Faults("refusals"),
        (
            "pub const fn unpin(self, owner: Owner) -> Result<Self, Refusal> {\n        if self.0 & OWNER_MASK != owner_bits(owner) {",
            "pub const fn unpin(self, owner: Owner) -> Result<Self, Refusal> {\n        if false && self.0 & OWNER_MASK != owner_bits(owner) {",
        ),
    ),
    seed(
        "somebody else gives up",
        "frame/word.rs",
        OneOwner,
        Unit("frame::word"),
        (
            "pub const fn give_up(self, owner: Owner) -> Result<Self, Refusal> {\n        if self.0 & OWNER_MASK != owner_bits(owner) {",
            "pub const fn give_up(self, owner: Owner) -> Result<Self, Refusal> {\n        if false && self.0 & OWNER_MASK != owner_bits(owner) {",
        ),
    ),
    // ---- the orders that the model check believes in ----------------------------------------------
    seed(
        "a table's end is stamped when others see it already",
        "frame/page.rs",
        WritableOrTable,
        Order,
        (
            "        self.frames.set_stamp(mfn, self.tlb.stamp());\n        match self.frames.change(mfn, Word::untype) {",
            "        let changed = self.frames.change(mfn, Word::untype);\n        self.frames.set_stamp(mfn, self.tlb.stamp());\n        match changed {",
        ),
    ),
    seed(
        "only the last writable use is stamped",
        "frame/word.rs",
        WritableOrTable,
        Order,
        (
            "let many = self.0 & TYPE_MASK > 2 * TYPE_ONE;",
            "let many = self.0 & TYPE_MASK > TYPE_ONE;",
        ),
    ),
    seed(
        "a flush counts from its end",
        "frame/tlb.rs",
        WritableOrTable,
        Order,
        (
            "        let begun = self.begin_flush();\n        flush();\n",
            "        flush();\n        let begun = self.begin_flush();\n",
        ),
    ),
    // ---- frames ---------------------------------------------------------------------------------
    seed(
        "a freed frame stays charged",
        "frame/claim.rs",
        Sum,
        Unit("pv::tests"),
        (
            "        self.map.release(first, count.into());\n        self.uncharge(dom, count);\n",
            "        self.map.release(first, count.into());\n        let _ = dom;\n",
        ),
    ),
    seed(
        "a freed frame keeps its domain's mark",
        "frame/page.rs",
        Sum,
        Unit("hypercall::tests"),
        ("            dom.frame_unmarked();\n", ""),
    ),
    seed(
        "a freed frame is lost",
        "frame/claim.rs",
        Sum,
        Traces("traces_agree"),
        (
            "        self.map.release(first, count.into());\n        self.uncharge(dom, count);\n",
            "        let _ = first;\n        self.uncharge(dom, count);\n",
        ),
    ),
    seed(
        "a freed frame keeps its number",
        "frame/page.rs",
        FreeIsUnused,
        Faults("refusals"),
        (
            "        self.set_m2p(mfn, INVALID_M2P);\n        self.frames.set(mfn, Word::FREE);",
            "        self.frames.set(mfn, Word::FREE);",
        ),
    ),
    seed(
        "a frame is free with a reference left",
        "frame/page.rs",
        FreeIsUnused,
        Unit("pv::tests"),
        (
            "let w = self.frames.change(mfn, |w| w.give_up(owner))?;\n        self.set_m2p(mfn, INVALID_M2P);\n        if w.refs() == 0 {",
            "let w = self.frames.change(mfn, |w| w.give_up(owner))?;\n        self.set_m2p(mfn, INVALID_M2P);\n        if w.refs() <= 1 {",
        ),
    ),
    seed(
        "another domain's data stays in a frame",
        "frame/page.rs",
        Guard,
        Faults("refusals"),
        ("        if scrub {\n", "        if false {\n"),
    ),
    seed(
        "what could not be allocated stays charged",
        "frame/claim.rs",
        Sum,
        Traces("traces_agree"),
        (
            "        let Some(first) = self.map.take(order) else {\n            dom.uncharge(count);\n",
            "        let Some(first) = self.map.take(order) else {\n",
        ),
    ),
    seed(
        "a forbidden descriptor is overlooked",
        "frame/page.rs",
        Guard,
        Unit("trap"),
        (
            "                None => {\n                    self.untype(mfn);\n                    return Err(Errno::EINVAL);\n                }",
            "                None => {}",
        ),
    ),
    seed(
        "nobody flushes for a new use",
        "frame/proof.rs",
        WritableOrTable,
        Unit("pv::tests"),
        ("if stale != 0 {", "if false {"),
    ),
    seed(
        "a use that ends leaves no stamp",
        "frame/page.rs",
        WritableOrTable,
        Unit("pv::tests::a_writable"),
        (
            "            info.set_stamp(self.tlb.stamp());\n            w.put_writable()",
            "            w.put_writable()",
        ),
    ),
    seed(
        "a table's end leaves no stamp",
        "frame/page.rs",
        WritableOrTable,
        Unit("pv::tests::a_former"),
        (
            "        self.frames.set_stamp(mfn, self.tlb.stamp());\n        match self.frames.change(mfn, Word::untype) {",
            "        match self.frames.change(mfn, Word::untype) {",
        ),
    ),
    seed(
        "a flush covers what ends during it",
        "frame/tlb.rs",
        WritableOrTable,
        Unit("frame::tlb"),
        (
            "(last.wrapping_sub(stamp) as i32) < 0",
            "(last.wrapping_sub(stamp) as i32) < -1",
        ),
    ),
    seed(
        "the clock stands still",
        "frame/tlb.rs",
        WritableOrTable,
        Unit("frame::tlb"),
        (
            "self.clock.fetch_add(1, Ordering::SeqCst)",
            "self.clock.fetch_add(0, Ordering::SeqCst)",
        ),
    ),
    seed(
        "a CPU that is back is not flushed",
        "frame/tlb.rs",
        WritableOrTable,
        Unit("frame::tlb"),
        (
            "            self.away.fetch_and(!bit, Ordering::SeqCst);",
            "            self.away.fetch_and(u64::MAX, Ordering::SeqCst);",
        ),
    ),
    seed(
        "a stamp goes back",
        "frame/table.rs",
        WritableOrTable,
        Unit("frame::table"),
        (
            "while (stamp.wrapping_sub(old as u32) as i32) > 0 {",
            "while stamp != old as u32 {",
        ),
    ),
    // ---- entries --------------------------------------------------------------------------------
    seed(
        "superpages are taken",
        "pv/entry.rs",
        HypervisorUnreachable,
        Unit("pv::entry"),
        (
            "if raw & !COMMON != 0 {",
            "if false && raw & !COMMON != 0 {",
        ),
    ),
    seed(
        "becoming writable is harmless",
        "pv/entry.rs",
        WritableOrTable,
        Unit("pv::tests"),
        (
            "pub const HARMLESS: u64 = ACCESSED | DIRTY | AVAILABLE;",
            "pub const HARMLESS: u64 = ACCESSED | DIRTY | AVAILABLE | RW;",
        ),
    ),
    seed(
        "another frame is harmless",
        "pv/entry.rs",
        References,
        Unit("pv::tests"),
        (
            "pub const HARMLESS: u64 = ACCESSED | DIRTY | AVAILABLE;",
            "pub const HARMLESS: u64 = ACCESSED | DIRTY | AVAILABLE | FRAME;",
        ),
    ),
    seed(
        "a writable mapping counts as read-only",
        "pv/update.rs",
        WritableOrTable,
        Unit("pv::tests"),
        (
            "self.try_get(pages, frame(raw), raw & RW != 0)",
            "self.try_get(pages, frame(raw), false)",
        ),
    ),
    seed(
        "a mapping that ends is still counted",
        "pv/update.rs",
        References,
        Unit("pv::tests"),
        (
            "            self.ungrant_page(replaced.unwrap_or(new));\n",
            "",
        ),
    ),
    seed(
        "the hypervisor's slots can be replaced",
        "pv/update.rs",
        HypervisorUnreachable,
        Unit("pv::tests"),
        (
            "if level == 4 && (HYPERVISOR_SLOT_START..HYPERVISOR_SLOT_END).contains(&index) {\n            return",
            "if false && (HYPERVISOR_SLOT_START..HYPERVISOR_SLOT_END).contains(&index) {\n            return",
        ),
    ),
    seed(
        "a table that is replaced is still counted",
        "pv/update.rs",
        TypeCount,
        Unit("pv::tests"),
        (
            "            walk::put_table(self, frame(replaced), walk);\n",
            "",
        ),
    ),
    seed(
        "others' frames pass for devices",
        "pv/update.rs",
        HypervisorUnreachable,
        Unit("pv::tests"),
        (
            "if self.frames.owner(mfn) != Owner::IO {\n            return Err(Errno::EBUSY);",
            "if false {\n            return Err(Errno::EBUSY);",
        ),
    ),
    seed(
        "any guest maps devices",
        "pv/update.rs",
        Guard,
        Faults("refusals"),
        (
            "self.devices.may_map(mfn) && (same || self.table.may_map(mfn))",
            "self.devices.may_map(mfn) || same || self.table.may_map(mfn)",
        ),
    ),
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
        "two domains have a line bound",
        "pirq/irqs.rs",
        Guard,
        Unit("pirq"),
        (
            "line.own || line.user.is_some_and(|user| user.place != place)",
            "line.own",
        ),
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
    // ---- walks ----------------------------------------------------------------------------------
    seed(
        "a new root lacks the hypervisor",
        "pv/walk.rs",
        HypervisorUnreachable,
        Faults("refusals"),
        (
            "                hv.machine.install_hypervisor_slots(done.table);\n",
            "",
        ),
    ),
    seed(
        "entries are skipped with their neighbours",
        "pv/walk.rs",
        References,
        Faults("refusals"),
        (
            "validate_some(hv, parties, step.table, first..end)",
            "validate_some(hv, parties, step.table, first..end - 1)",
        ),
    ),
    seed(
        "a walk that fails gives back too much",
        "pv/walk.rs",
        References,
        Unit("pv::tests"),
        (
            "            step.index = index as u16;\n            step.task = Task::Fail(errno);",
            "            step.index = index as u16 + 1;\n            step.task = Task::Fail(errno);",
        ),
    ),
    seed(
        "a refused child leaves its parent whole",
        "pv/walk.rs",
        TypeCount,
        Unit("pv::tests"),
        (
            "(Some(parent), Err(e)) => parent.task = Task::Fail(e),",
            "(Some(parent), Err(_)) => parent.index += 1,",
        ),
    ),
    seed(
        "children are not given up",
        "pv/walk.rs",
        TypeCount,
        Unit("pv::tests"),
        (
            "if let Some(level) = drop_use(hv, frame(raw)) {",
            "if let Some(level) = None::<u8> {",
        ),
    ),
    // ---- hypercalls -----------------------------------------------------------------------------
    seed(
        "any domain acts on any other",
        "pv/mmu_update.rs",
        Guard,
        Faults("refusals"),
        (
            "if !self.dom.is_privileged() {\n            // Whether",
            "if false {\n            // Whether",
        ),
    ),
    seed(
        "anybody renumbers a frame",
        "pv/mmu_update.rs",
        OneOwner,
        Faults("refusals"),
        (
            "if devices || hv.frames.owner(mfn) != parties.pages {",
            "if devices {",
        ),
    ),
    seed(
        "any domain renumbers devices' frames",
        "pv/mmu_update.rs",
        OneOwner,
        Faults("refusals"),
        (
            "if devices || hv.frames.owner(mfn) != parties.pages {",
            "if hv.frames.owner(mfn) != parties.pages {",
        ),
    ),
    seed(
        "an update flushes nothing",
        "pv/mmu_update.rs",
        Guard,
        Faults("refusals"),
        ("if flags != UVMF_NONE {", "if false {"),
    ),
    seed(
        "a table is cleared",
        "pv/mmuext.rs",
        WritableOrTable,
        Faults("refusals"),
        (
            "            cx.hv.page_get_writable(dom, mfn)?;\n            cx.m().zero_frame(mfn);\n            cx.hv.page_put_writable(mfn);",
            "            cx.hv.page_get(dom, mfn)?;\n            cx.m().zero_frame(mfn);\n            cx.hv.page_put(mfn);",
        ),
    ),
    seed(
        "a copied page stays referred to",
        "pv/mmuext.rs",
        References,
        Faults("refusals"),
        ("    cx.hv.page_put(src);\n", ""),
    ),
    seed(
        "what is pinned twice is counted twice",
        "pv/mmuext.rs",
        TypeCount,
        Faults("refusals"),
        (
            "        walk::put_table(cx.hv, table, walk);\n        return Err(Errno::EINVAL.into());",
            "        return Err(Errno::EINVAL.into());",
        ),
    ),
    seed(
        "an unpinned table stays in use",
        "pv/mmuext.rs",
        TypeCount,
        Faults("refusals"),
        (
            "    walk::put_table(cx.hv, table, &mut cx.vcpu.walk);\n",
            "",
        ),
    ),
    seed(
        "any guest writes back caches",
        "pv/mmuext.rs",
        Guard,
        Faults("refusals"),
        ("if !cx.dom.has_devices() {", "if false {"),
    ),
    seed(
        "the old root stays in use",
        "pv/root.rs",
        TypeCount,
        Faults("every_operation"),
        (
            "    load(hv, new);\n    retire(hv, dom, old, (&mut vcpu.walk, budget));",
            "    load(hv, new);\n    let _ = (dom, old, budget, retire::<M>);",
        ),
    ),
    // ---- memory, domains, ports -----------------------------------------------------------------
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
        "a destroyed domain's pins stay",
        "domain/lifecycle.rs",
        Sum,
        Faults("every_operation"),
        (
            "            root::unpin_if_pinned(hv, dom, mfn, &mut walk.1);\n            continue;",
            "            walk.0 = mfn.0 + 1;\n            continue;",
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
        "the other end of a closed pair still leads here",
        "evtchn/close.rs",
        PortsPair,
        // Others would wait for ever.
        Unit("evtchn::tests::symmetry"),
        (
            "    other.events.rebind(hv.machine, other_port, unbound);\n",
            "    let _ = (other, other_port, unbound);\n",
        ),
    ),
    seed(
        "a port is another's while events for it are under way",
        "evtchn/close.rs",
        PortsPair,
        Unit("evtchn::tests::interleaved"),
        (
            "    looking::wait_for_all(hv);\n",
            "    let _ = looking::wait_for_all::<M>;\n",
        ),
    ),
    seed(
        "a pair is looked at before the lock, and not behind it",
        "evtchn/ops.rs",
        PortsPair,
        Unit("evtchn::tests::interleaved"),
        (
            "        && channel.binding == leads_here\n",
            "        && (true || channel.binding == leads_here)\n",
        ),
    ),
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
        "a sender does not say that it looks",
        "evtchn/quick.rs",
        PortsPair,
        Unit("evtchn::tests::interleaved"),
        (
            "    let looking = Looking::begin(m, cmd);\n",
            "    let looking = Looking::begin(m, cmd & 0);\n",
        ),
    ),
    seed(
        "of those who look only one is waited for",
        "evtchn/looking.rs",
        PortsPair,
        Unit("evtchn::tests::interleaved"),
        (
            ".filter(|&cpu| cpu != me) {",
            ".filter(|&cpu| cpu != me).take(1) {",
        ),
    ),
    seed(
        "who sends to a closed port still finds its former pair",
        "evtchn/close.rs",
        PortsPair,
        Unit("evtchn::tests"),
        (
            "        .set_target(hv.machine, other_port, Target::NONE);\n",
            "        .set_target(hv.machine, other_port & 0, Target::NONE);\n",
        ),
    ),
    seed(
        "a frame of ports stays when its domain goes",
        "evtchn/table.rs",
        Sum,
        Unit("evtchn::tests"),
        (
            "            hv.free_own_page(table);\n        }\n    }",
            "            let _ = table;\n        }\n    }",
        ),
    ),
    seed(
        "another domain's port is told as one's own",
        "evtchn/quick.rs",
        Guard,
        Unit("evtchn::tests"),
        ("if asked as u16 != DOMID_SELF || port", "if port"),
    ),
    seed(
        "a masked event to oneself is told",
        "evtchn/quick.rs",
        Guard,
        Unit("evtchn::tests::itself"),
        (
            "    two_level::is_masked(m, page, bit) || m.mark_own_upcall",
            "    m.mark_own_upcall",
        ),
    ),
    seed(
        "who polls does not hear what its domain sends itself",
        "evtchn/quick.rs",
        Guard,
        Unit("evtchn::tests::itself"),
        (" || table::own_polls(m) {", " {"),
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
    // ---- claims ---------------------------------------------------------------------------------------
    seed(
        "others get frames that are claimed",
        "frame/claim.rs",
        Bounded,
        Unit("frame::claim"),
        (
            "        if self.unclaimed() < count.into() && own < count {",
            "        if self.map.free() < count.into() && own < count {",
        ),
    ),
    seed(
        "a claim is not over when it is met",
        "frame/claim.rs",
        Bounded,
        Unit("frame::claim"),
        (
            "        if dom.outstanding() == 0 {",
            "        if dom.outstanding() == u32::MAX {",
        ),
    ),
    seed(
        "the hypervisor itself takes claimed frames",
        "frame/claim.rs",
        Bounded,
        Unit("frame::claim"),
        (
            "        if self.unclaimed() == 0 {",
            "        if self.map.free() == 0 {",
        ),
    ),
    seed(
        "frames that go from a domain are not claimed again",
        "frame/claim.rs",
        Sum,
        Unit("frame::claim"),
        (
            "        dom.uncharge(count);\n        self.follow(dom, before);",
            "        dom.uncharge(count);\n        let _ = before;",
        ),
    ),
    seed(
        "more is claimed than is free",
        "frame/claim.rs",
        Sum,
        Unit("frame::claim"),
        (
            "        if u64::from(pages - has) > self.unclaimed() {",
            "        if u64::from(pages - has) > self.map.free() {",
        ),
    ),
    seed(
        "two claims of one domain",
        "frame/claim.rs",
        Sum,
        Unit("frame::claim"),
        (
            "dom.phase() != Phase::Alive || dom.has_claim() || pages > max",
            "dom.phase() != Phase::Alive || pages > max",
        ),
    ),
    // ---- the scheduler ----------------------------------------------------------------------------
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
        "a port that is nobody's has a priority",
        "evtchn/fifo_ops.rs",
        Bounded,
        Unit("evtchn::tests::fifo"),
        ("        return Err(Errno::EACCES.into());\n", ""),
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
    // ---- calls that are made in several steps -------------------------------------------------------
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
    // ---- grants ---------------------------------------------------------------------------------
    seed(
        "a grant is anybody's",
        "grant/quick/mod.rs",
        Guard,
        Unit("grant"),
        (
            "if word & (0xffff_0000 | u32::from(kind) | access.forbidden()) != right {",
            "if word & (u32::from(kind) | access.forbidden()) != right & 0xffff {",
        ),
    ),
    seed(
        "what is granted to be read is written",
        "grant/quick/mod.rs",
        Guard,
        Unit("grant"),
        (
            "GTF_readonly as u32 ^ self.0\n",
            "(GTF_readonly as u32 ^ self.0) & 0\n",
        ),
    ),
    seed(
        "a grant in use looks unused",
        "grant/quick/mod.rs",
        Guard,
        Unit("grant"),
        (
            "m.exchange_u32(shared.0, shared.1, word, word | access.marks())",
            "m.exchange_u32(shared.0, shared.1, word, word)",
        ),
    ),
    seed(
        "a granted page is mapped that nobody holds",
        "grant/quick/mod.rs",
        References,
        Unit("grant"),
        (
            "if !hv.try_get_here(owner, Mfn(frame.into()), access.writes()) {",
            "if !hv.try_get_here(owner, Mfn(frame.into()), false) {",
        ),
    ),
    seed(
        "a mapping's use of its entry is forgotten",
        "grant/quick/map.rs",
        References,
        Unit("grant"),
        (
            "m.store_u64(kept, at, u64::from(frame) | uses);",
            "m.store_u64(kept, at, u64::from(frame) | uses & 0);",
        ),
    ),
    seed(
        "what found no place stays in use",
        "grant/quick/map.rs",
        References,
        Unit("grant"),
        (
            "self.theirs.grants.unpin(hv.machine, track.gref(), pins);",
            "let _ = pins;",
        ),
    ),
    seed(
        "an unmapped handle can be unmapped again",
        "grant/quick/unmap.rs",
        References,
        Unit("grant"),
        (
            "grants.free_at(hv.machine, place, handle);",
            "let _ = handle;",
        ),
    ),
    seed(
        "one of two uses ends both",
        "grant/quick/unmap.rs",
        References,
        Unit("grant"),
        (
            "if m.load_u64(kept, place) >> 32 != u64::from(access.pins().0) {",
            "if m.load_u64(kept, place) >> 32 == 0 {",
        ),
    ),
    seed(
        "an unmapped page stays held",
        "grant/quick/unmap.rs",
        References,
        Unit("grant"),
        (
            "hv.page_put_writable_since(track.mfn(), stamp);",
            "let _ = stamp;",
        ),
    ),
    seed(
        "an entry is marked for good by a copy",
        "grant/quick/copy.rs",
        Guard,
        Unit("grant"),
        (
            "m.clear_u32(shared, at, access.marks());",
            "let _ = (shared, at);",
        ),
    ),
    seed(
        "two domains use one entry",
        "grant/entry.rs",
        Guard,
        Unit("grant"),
        (
            "if used && (active.grantee != caller ||",
            "if used && (false && active.grantee != caller ||",
        ),
    ),
    seed(
        "a writer that ends leaves the entry marked",
        "grant/entry.rs",
        Guard,
        Unit("grant"),
        (
            "if pins.writes() && !Pins(left).writes() {\n            flags = GTF_writing;",
            "if pins.writes() && !Pins(left).writes() {\n            flags = 0;",
        ),
    ),
    seed(
        "a device's hold on a page ends with the host's",
        "grant/map.rs",
        References,
        Unit("grant"),
        (
            "(gone, references) = (gone | DEVICE, references + 1);",
            "(gone, references) = (gone | DEVICE, references);",
        ),
    ),
    seed(
        "a domain that ends keeps what devices had",
        "grant/map.rs",
        References,
        Unit("grant"),
        (
            "if track.flags() & DEVICE != 0 {\n            put_page",
            "if track.flags() & DEVICE != 0 && false {\n            put_page",
        ),
    ),
    seed(
        "a copy keeps its page",
        "grant/copy.rs",
        References,
        Unit("grant"),
        ("put_page(hv, held.mfn, self.writes);", "let _ = held.mfn;"),
    ),
];
