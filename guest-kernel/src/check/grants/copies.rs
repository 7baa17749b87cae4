//! `GNTTABOP_copy`.

use super::*;
use alloc::boxed::Box;

pub(in super::super) const CHECKS: &[Check] = &[
    ("grant_copy", forms),
    ("grant_copy_borders", borders),
    ("grant_copy_frames", frames),
    ("grant_copy_entries", entries),
    ("grant_copy_flags", odd_flags),
    ("grant_copy_mapped", mapped),
    ("grant_copy_lists", lists),
];

/// A side of a copy.
#[derive(Clone, Copy)]
enum Side {
    Gref(u32, u16),
    Gmfn(u64, u16),
}

impl Side {
    fn ptr(self, offset: u16) -> gnttab_copy_ptr {
        let mut ptr = gnttab_copy_ptr::new_zeroed();
        ptr.offset = offset;
        (ptr.u, ptr.domid) = match self {
            Self::Gref(gref, domid) => (gref.into(), domid),
            Self::Gmfn(mfn, domid) => (mfn, domid),
        };
        ptr
    }

    const fn flag(self, flag: u16) -> u16 {
        match self {
            Self::Gref(..) => flag,
            Self::Gmfn(..) => 0,
        }
    }
}

fn wanted_copy((from, source): (Side, u16), (to, dest): (Side, u16), len: u16) -> gnttab_copy {
    let mut copy = gnttab_copy::new_zeroed();
    copy.source = from.ptr(source);
    copy.dest = to.ptr(dest);
    copy.len = len;
    copy.flags = from.flag(GNTCOPY_source_gref) | to.flag(GNTCOPY_dest_gref);
    copy.status = UNTOUCHED;
    copy
}

fn copy(source: (Side, u16), dest: (Side, u16), len: u16) -> Outcome {
    let mut list = [wanted_copy(source, dest, len)];
    let result = op(GNTTABOP_copy, &mut list);
    Outcome(result, list[0].status)
}

/// Two pages, both granted, with all bytes of the one different from the other's.
struct Scene {
    table: Table,
    from: Page,
    to: Page,
}

const FROM: u32 = 30;
const TO: u32 = 31;

impl Scene {
    fn new() -> HvResult<Self> {
        let scene = Self {
            table: Table::of(DOMID_SELF)?,
            from: Page::new(),
            to: Page::new(),
        };
        for i in 0..512 {
            scene
                .from
                .write(i, 0x0101_0101_0101_0101 * (i as u64 % 255 + 1));
        }
        scene.table.grant(FROM, &scene.from, 0);
        scene.table.grant(TO, &scene.to, 0);
        Ok(scene)
    }

    /// How many bytes of the destination are not zero, from where; and they are zero again.
    fn arrived(&self) -> (usize, usize) {
        let mut bytes = Box::new([0_u8; 4096]);
        for (i, chunk) in bytes.chunks_exact_mut(8).enumerate() {
            chunk.copy_from_slice(&self.to.read(i).to_le_bytes());
            self.to.write(i, 0);
        }
        let first = bytes.iter().position(|&b| b != 0).unwrap_or(0);
        (bytes.iter().filter(|&&b| b != 0).count(), first)
    }

    fn sides(&self) -> [(&'static str, Side, Side); 4] {
        let gref = (Side::Gref(FROM, ME), Side::Gref(TO, ME));
        let gmfn = (
            Side::Gmfn(self.from.mfn(), DOMID_SELF),
            Side::Gmfn(self.to.mfn(), DOMID_SELF),
        );
        [
            ("gref_gref", gref.0, gref.1),
            ("gref_gmfn", gref.0, gmfn.1),
            ("gmfn_gref", gmfn.0, gref.1),
            ("gmfn_gmfn", gmfn.0, gmfn.1),
        ]
    }

    fn show(&self, r: &mut Report, key: &str, outcome: &Outcome) {
        let (count, first) = self.arrived();
        r.line(format_args!(
            "{key}={outcome} bytes={count} from={first} flags={:#x},{:#x}",
            self.table.flags(FROM),
            self.table.flags(TO)
        ));
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.table.clear(FROM);
        self.table.clear(TO);
    }
}

fn forms(r: &mut Report) {
    let Ok(s) = Scene::new() else {
        return r.error("no table");
    };
    for (key, from, to) in s.sides() {
        let done = copy((from, 16), (to, 32), 64);
        s.show(r, key, &done);
    }
    let mfns = (s.from.mfn(), s.to.mfn());
    for (key, from, to) in [
        ("own_id", Side::Gmfn(mfns.0, ME), Side::Gmfn(mfns.1, ME)),
        (
            "gref_self",
            Side::Gref(FROM, DOMID_SELF),
            Side::Gref(TO, DOMID_SELF),
        ),
        ("from_nobody", Side::Gref(FROM, NOBODY), Side::Gref(TO, ME)),
        ("to_nobody", Side::Gref(FROM, ME), Side::Gref(TO, NOBODY)),
        (
            "gmfn_of_nobody",
            Side::Gmfn(mfns.0, NOBODY),
            Side::Gref(TO, ME),
        ),
        (
            "gmfn_of_io",
            Side::Gmfn(mfns.0, DOMID_IO),
            Side::Gref(TO, ME),
        ),
        (
            "gmfn_of_xen",
            Side::Gmfn(mfns.0, DOMID_XEN),
            Side::Gref(TO, ME),
        ),
        ("gref_of_io", Side::Gref(FROM, DOMID_IO), Side::Gref(TO, ME)),
        ("no_source", Side::Gref(FROM + 5, ME), Side::Gref(TO, ME)),
        ("no_dest", Side::Gref(FROM, ME), Side::Gref(TO + 5, ME)),
        (
            "source_beyond",
            Side::Gref(u32::MAX, ME),
            Side::Gref(TO, ME),
        ),
        (
            "dest_beyond",
            Side::Gref(FROM, ME),
            Side::Gref(64 * 512, ME),
        ),
        (
            "both_nobody",
            Side::Gref(FROM, NOBODY),
            Side::Gref(TO, NOBODY),
        ),
        (
            "denied_and_nobody",
            Side::Gmfn(mfns.0, ME),
            Side::Gref(TO, NOBODY),
        ),
        (
            "nobody_and_denied",
            Side::Gref(FROM, NOBODY),
            Side::Gmfn(mfns.1, ME),
        ),
        (
            "bad_source_and_denied",
            Side::Gref(500, ME),
            Side::Gmfn(mfns.1, ME),
        ),
        (
            "bad_frame_bad_ref",
            Side::Gmfn(0xf_ffff, DOMID_SELF),
            Side::Gref(500, ME),
        ),
        (
            "bad_ref_bad_frame",
            Side::Gref(500, ME),
            Side::Gmfn(0xf_ffff, DOMID_SELF),
        ),
        ("into_itself", Side::Gref(TO, ME), Side::Gref(TO, ME)),
    ] {
        let done = copy((from, 0), (to, 8), 8);
        s.show(r, key, &done);
    }
}

fn borders(r: &mut Report) {
    let Ok(s) = Scene::new() else {
        return r.error("no table");
    };
    for (key, from, to) in [
        (
            "nobody_and_long",
            Side::Gref(FROM, NOBODY),
            Side::Gref(TO, ME),
        ),
        ("bad_ref_and_long", Side::Gref(500, ME), Side::Gref(TO, ME)),
        (
            "bad_dest_and_long",
            Side::Gref(FROM, ME),
            Side::Gref(501, ME),
        ),
        ("denied_and_long", Side::Gmfn(1, ME), Side::Gref(TO, ME)),
        (
            "bad_frame_and_long",
            Side::Gmfn(0xf_ffff, DOMID_SELF),
            Side::Gref(TO, ME),
        ),
    ] {
        let done = copy((from, 1), (to, 1), 4096);
        s.show(r, key, &done);
    }
    for (source, dest, len) in [
        (0, 0, 4096),
        (0, 0, 4097),
        (0, 0, 0),
        (4096, 0, 0),
        (0, 4096, 0),
        (4095, 0, 1),
        (4095, 0, 2),
        (0, 4095, 2),
        (4096, 0, 1),
        (1, 0, 4095),
        (1, 0, 4096),
        (0, 1, 4096),
        (0xffff, 0, 1),
        (0xffff, 0, 0xffff),
        (0, 0, 0xffff),
        (3, 5, 7),
    ] {
        for (key, from, to) in s.sides() {
            let done = copy((from, source), (to, dest), len);
            s.show(r, &alloc::format!("{key}_{source}_{dest}_{len}"), &done);
        }
    }
}

/// Frames of all sorts on both sides.
fn frames(r: &mut Report) {
    let Ok(s) = Scene::new() else {
        return r.error("no table");
    };
    let l1 = Page::read_only();
    r.result("pin", extended(MMUEXT_PIN_L1_TABLE, l1.mfn(), 0));
    for (key, frame) in [
        ("l1_table", l1.mfn()),
        ("bios", 0xf0),
        ("apic", 0xfee00),
        ("beyond_memory", 0x10_0000),
        ("all_ones", 0xffff_ffff),
        ("wide", u64::MAX),
        ("not_given_out", nobodys()),
    ] {
        let gmfn = Side::Gmfn(frame, DOMID_SELF);
        let done = copy((gmfn, 0), (Side::Gref(TO, ME), 0), 0);
        s.show(r, &alloc::format!("{key}_source"), &done);
        let done = copy((Side::Gref(FROM, ME), 0), (gmfn, 0), 0);
        s.show(r, &alloc::format!("{key}_dest"), &done);
        for (mode, grant) in [("", 0), ("_read_only", GTF_readonly)] {
            s.table.set(FROM, GTF_permit_access | grant, ME, frame);
            let done = copy((Side::Gref(FROM, ME), 0), (Side::Gref(TO, ME), 0), 0);
            s.show(r, &alloc::format!("{key}{mode}_gref_source"), &done);
            s.table.grant(FROM, &s.from, 0);
            s.table.set(TO, GTF_permit_access | grant, ME, frame);
            let done = copy((Side::Gref(FROM, ME), 0), (Side::Gref(TO, ME), 0), 0);
            s.show(r, &alloc::format!("{key}{mode}_gref_dest"), &done);
            s.table.grant(TO, &s.to, 0);
        }
    }
    r.result("unpin", extended(MMUEXT_UNPIN_TABLE, l1.mfn(), 0));
}

/// A frame of the hypervisor's or nobody's.
fn nobodys() -> u64 {
    (0x1000..0x2_0000)
        .find(|&mfn| crate::mm::p2m::pfn_of(crate::mm::Mfn(mfn)).is_none())
        .unwrap_or(0)
}

fn entries(r: &mut Report) {
    let Ok(s) = Scene::new() else {
        return r.error("no table");
    };
    for (key, flags, domid) in [
        ("invalid", GTF_invalid, ME),
        ("transfer", GTF_accept_transfer, ME),
        ("transitive", GTF_transitive, ME),
        ("read_only", GTF_permit_access | GTF_readonly, ME),
        ("other_grantee", GTF_permit_access, 1),
        ("stale", GTF_permit_access | GTF_reading | GTF_writing, ME),
        ("pwt", GTF_permit_access | GTF_PWT, ME),
        ("sub_page", GTF_permit_access | GTF_sub_page, ME),
        ("high", GTF_permit_access | 0xfe00, ME),
    ] {
        s.table.set(FROM, flags, domid, s.from.mfn());
        let done = copy((Side::Gref(FROM, ME), 0), (Side::Gref(TO, ME), 0), 8);
        s.show(r, &alloc::format!("{key}_source"), &done);
        s.table.grant(FROM, &s.from, 0);
        s.table.set(TO, flags, domid, s.to.mfn());
        let done = copy((Side::Gref(FROM, ME), 0), (Side::Gref(TO, ME), 0), 8);
        s.show(r, &alloc::format!("{key}_dest"), &done);
        s.table.grant(TO, &s.to, 0);
    }
}

/// Flags that say something else than the operands.
fn odd_flags(r: &mut Report) {
    let Ok(s) = Scene::new() else {
        return r.error("no table");
    };
    for flags in [4, 7, 8, 0x8000, 0xffff] {
        let sides = s.sides();
        let (_, from, to) = sides[0];
        let mut list = [wanted_copy((from, 0), (to, 0), 8)];
        list[0].flags = flags;
        let result = op(GNTTABOP_copy, &mut list);
        s.show(
            r,
            &alloc::format!("{flags:#x}"),
            &Outcome(result, list[0].status),
        );
    }
    // Frame numbers with more bits than an entry has.
    let mut list = [wanted_copy(
        (Side::Gref(FROM, ME), 0),
        (Side::Gref(TO, ME), 0),
        8,
    )];
    list[0].source.u |= 0xdead << 32;
    let result = op(GNTTABOP_copy, &mut list);
    s.show(r, "wide_gref", &Outcome(result, list[0].status));
}

/// Copies from and to entries that are mapped.
fn mapped(r: &mut Report) {
    let Ok(s) = Scene::new() else {
        return r.error("no table");
    };
    let at = Page::new();
    for (key, flags) in [("", 0), ("_read_only", GNTMAP_readonly)] {
        let to = map(at.va(), GNTMAP_host_map | flags, TO, ME);
        r.line(format_args!("map{key}={to}"));
        let done = copy((Side::Gref(FROM, ME), 0), (Side::Gref(TO, ME), 0), 8);
        s.show(r, &alloc::format!("to{key}"), &done);
        let done = copy((Side::Gref(TO, ME), 0), (Side::Gref(FROM, ME), 0), 0);
        s.show(r, &alloc::format!("from{key}"), &done);
        // Another frame meanwhile, and none: what is in use is what was.
        s.table.set(TO, GTF_permit_access, ME, s.from.mfn());
        let done = copy((Side::Gref(FROM, ME), 0), (Side::Gref(TO, ME), 0), 8);
        s.show(r, &alloc::format!("moved{key}"), &done);
        s.table.clear(TO);
        let done = copy((Side::Gref(FROM, ME), 0), (Side::Gref(TO, ME), 0), 8);
        s.show(r, &alloc::format!("cleared{key}"), &done);
        s.table
            .set(TO, GTF_permit_access | GTF_readonly, ME, s.to.mfn());
        let done = copy((Side::Gref(FROM, ME), 0), (Side::Gref(TO, ME), 0), 8);
        s.show(r, &alloc::format!("revoked{key}"), &done);
        s.table.grant(TO, &s.to, GTF_reading | GTF_writing);
        r.line(format_args!("unmap{key}={}", unmap(at.va(), 0, to.handle)));
        at.restore();
        s.table.grant(TO, &s.to, 0);
    }
}

/// What a list does about one that fails, and one with the same operands as the one before.
fn lists(r: &mut Report) {
    let Ok(s) = Scene::new() else {
        return r.error("no table");
    };
    let good = || wanted_copy((Side::Gref(FROM, ME), 0), (Side::Gref(TO, ME), 64), 8);
    let mut list: [gnttab_copy; 6] = core::array::from_fn(|_| good());
    list[1].dest.offset = 128;
    list[2].source.u = 500;
    list[3].dest.domid = NOBODY;
    list[4].len = 5000;
    let result = op(GNTTABOP_copy, &mut list);
    let statuses: [i16; 6] = core::array::from_fn(|i| list[i].status);
    r.line(format_args!(
        "bad_amid={} statuses={statuses:?} bytes={:?}",
        Shown(result),
        s.arrived()
    ));
    let mut list: [gnttab_copy; 200] = core::array::from_fn(|_| good());
    for (i, copy) in list.iter_mut().enumerate() {
        copy.dest.offset = i as u16 * 8;
    }
    let result = op(GNTTABOP_copy, &mut list);
    let done = list.iter().filter(|c| c.status == GNTST_okay).count();
    r.line(format_args!(
        "many={} done={done} bytes={:?} flags={:#x},{:#x}",
        Shown(result),
        s.arrived(),
        s.table.flags(FROM),
        s.table.flags(TO)
    ));
}
