//! The seeds in page tables: entries, walks, and the hypercalls that change them.

use crate::mutants::Invariant::{
    Guard, HypervisorUnreachable, OneOwner, References, TypeCount, WritableOrTable,
};
use crate::mutants::Tests::{Faults, Traces, Unit};
use crate::mutants::{Mutant, seed};

pub(super) const ALL: &[Mutant] = &[
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
            "devices.may_map(mfn) && (same || self.table.may_map(mfn))",
            "devices.may_map(mfn) || same || self.table.may_map(mfn)",
        ),
    ),
    seed(
        "the control domain maps anyone's pages as its own",
        "pv/update.rs",
        Guard,
        Unit("decision"),
        (
            "&& self.pages == Owner::from(dom) && !core::ptr::eq(dom, self.table)",
            "&& self.pages == Owner::from(dom)",
        ),
    ),
    seed(
        "whoever names devices' frames names all",
        "pv/update.rs",
        Guard,
        Unit("decision"),
        ("&& self.pages == Owner::from(dom) && !core", "&& !core"),
    ),
    seed(
        "the control domain hands on none but its own pages",
        "pv/update.rs",
        Guard,
        Traces("traces_agree"),
        (
            "any.slot().is_some() && parties.mean_all_pages()",
            "any.slot().is_some() && parties.mean_all_pages() && false",
        ),
    ),
    seed(
        "a page is numbered beside another's table",
        "pv/mmu_update.rs",
        Guard,
        Traces("traces_agree"),
        (
            "if !core::ptr::eq(parties.table, cx.dom) {\n        return Err(Errno::EPERM);",
            "if false {\n        return Err(Errno::EPERM);",
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
            "if denied || beyond || cx.hv.frames.owner(mfn) != parties.pages {",
            "if denied || beyond {",
        ),
    ),
    seed(
        "any domain renumbers devices' frames",
        "pv/mmu_update.rs",
        OneOwner,
        Faults("refusals"),
        (
            "if denied || beyond || cx.hv.frames.owner(mfn) != parties.pages {",
            "if beyond || cx.hv.frames.owner(mfn) != parties.pages {",
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
];
