//! The seeds in frames: their words, who has them, and when a TLB still knows them.

use crate::mutants::Invariant::{
    Bounded, FreeIsUnused, Guard, OneOwner, References, Sum, TypeCount, WritableOrTable,
};
use crate::mutants::Tests::{Faults, Order, Traces, Unit};
use crate::mutants::{Mutant, seed};

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
];
