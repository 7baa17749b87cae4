//! The seeds in grants.

use crate::mutants::Invariant::{Guard, References};
use crate::mutants::Tests::Unit;
use crate::mutants::{Mutant, seed};

pub(super) const ALL: &[Mutant] = &[
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
