//! Every size, alignment, offset and constant of the crate against the C headers it mirrors.
//!
//! `list.rs` names each item once. From it come both sides of the comparison: the Rust values,
//! and the text of a C program that prints what the headers of Debian's `libxen-dev` say. A scan
//! of the crate's source proves that the list leaves nothing out.

#![allow(missing_docs, unreachable_pub)]
// The list's macro widens constants of every width with one `as`; i128 holds them all.
#![allow(clippy::cast_lossless)]

#[macro_use]
mod rows;
mod list;
mod probe;
mod scan;

use std::collections::BTreeSet;
use std::path::PathBuf;

use hypercall_abi::{io, xen};
use probe::{Row, Value, ask_c, differences};

/// Public items with no counterpart in the headers, and why.
const NOT_IN_C: &[(&str, &str)] = &[
    (
        "HYPERCALL_NAMES",
        "checked by `every_hypercall_number_has_its_name`",
    ),
    ("hypercall_name", "looks up HYPERCALL_NAMES"),
    ("Union", "how this crate writes a C union"),
    (
        "XEN_EMULATE_PREFIX",
        "assembly text in C; checked by `irregular`",
    ),
    (
        "XEN_DEFINE_UUID",
        "takes an array for C's last six arguments; checked by `irregular`",
    ),
    ("xsd_errors", "an array of pairs; checked by `irregular`"),
    (
        "ring_notify_needed",
        "the condition inside RING_PUSH_*_AND_CHECK_NOTIFY",
    ),
];

/// The rows whose two sides are not spelt alike: strings, tables and the UUID macro.
fn irregular() -> Vec<Row> {
    use io::{pciif, xs_wire};
    let text = |name: &str, rust: &str, c: &str| Row {
        name: format!("text {name}"),
        rust: Value::Text(rust.to_owned()),
        c: c.to_owned(),
    };
    let mut rows = vec![
        text("XS_WRITE_NONE", xs_wire::XS_WRITE_NONE, "XS_WRITE_NONE"),
        text("XEN_PCI_MAGIC", pciif::XEN_PCI_MAGIC, "XEN_PCI_MAGIC"),
        text(
            "XS_WRITE_CREATE",
            xs_wire::XS_WRITE_CREATE,
            "XS_WRITE_CREATE",
        ),
        text(
            "XS_WRITE_CREATE_EXCL",
            xs_wire::XS_WRITE_CREATE_EXCL,
            "XS_WRITE_CREATE_EXCL",
        ),
    ];
    let prefix: Vec<String> = (hypercall_abi::arch_x86_64::XEN_EMULATE_PREFIX.iter())
        .map(|byte| format!("0x{byte:02x}"))
        .collect();
    let assembly = format!(".byte {} ; ", prefix.join(","));
    rows.push(text("XEN_EMULATE_PREFIX", &assembly, "XEN_EMULATE_PREFIX"));
    for (i, (number, name)) in xs_wire::xsd_errors.iter().enumerate() {
        rows.push(text(
            &format!("xsd_errors[{i}]"),
            name,
            &format!("xsd_errors[{i}].errstring"),
        ));
        rows.push(Row::number(
            format!("number xsd_errors[{i}]"),
            i128::from(*number),
            format!("xsd_errors[{i}].errnum"),
        ));
    }
    let last = [0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    let uuid = xen::XEN_DEFINE_UUID(0x0011_2233, 0x4455, 0x6677, 0x8899, last);
    let c =
        "XEN_DEFINE_UUID(0x00112233, 0x4455, 0x6677, 0x8899, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff)";
    for (i, byte) in uuid.a.iter().enumerate() {
        let name = format!("XEN_DEFINE_UUID byte {i}");
        rows.push(Row::number(name, i128::from(*byte), format!("{c}.a[{i}]")));
    }
    let entries = i128::try_from(xs_wire::xsd_errors.len()).expect("16");
    let c = "sizeof(xsd_errors) / sizeof(xsd_errors[0])".to_owned();
    rows.push(Row::number("length xsd_errors".to_owned(), entries, c));
    rows
}

#[test]
fn rust_and_c_agree() {
    let mut rows = list::rows();
    rows.extend(irregular());
    let wrong = differences(&rows, &ask_c(&rows, "all"));
    assert!(
        wrong.is_empty(),
        "{} of {} differ from the headers:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
    println!(
        "{} sizes, alignments, offsets and constants agree with the headers",
        rows.len()
    );
}

/// The comparison itself can fail: each kind of wrong row is reported, and only those.
#[test]
fn a_wrong_row_is_reported() {
    let wrong_rows = [
        ("size of xen::mmu_update", 24),
        ("align of xen::vcpu_info", 4),
        ("offset of xen::start_info.flags", 40),
        ("size of xen::start_info.flags", 8),
        ("xen::__HYPERVISOR_iret", 24),
        ("grant_table::GNTST_bad_page", 9),
    ];
    let mut rows = list::rows();
    for (name, value) in wrong_rows {
        let row = rows
            .iter_mut()
            .find(|row| row.name == name)
            .expect("the list has this row");
        assert_ne!(
            row.rust,
            Value::Number(value),
            "{name} is meant to become wrong"
        );
        row.rust = Value::Number(value);
    }
    let mut text = irregular();
    text[0].rust = Value::Text("NOTHING".to_owned());
    rows.append(&mut text);

    let reported = differences(&rows, &ask_c(&rows, "wrong"));
    assert_eq!(reported.len(), wrong_rows.len() + 1, "{reported:#?}");
    for name in wrong_rows
        .iter()
        .map(|row| row.0)
        .chain(["text XS_WRITE_NONE"])
    {
        assert!(
            reported.iter().any(|line| line.starts_with(name)),
            "{name} was not reported"
        );
    }
}

/// What the list and [`NOT_IN_C`] know.
fn known_items() -> BTreeSet<String> {
    let listed = list::items();
    let strings = [
        "XEN_PCI_MAGIC",
        "XS_WRITE_NONE",
        "XS_WRITE_CREATE",
        "XS_WRITE_CREATE_EXCL",
    ];
    (listed.into_iter())
        .chain(strings.map(String::from))
        .chain(NOT_IN_C.iter().map(|(name, _)| (*name).to_owned()))
        .collect()
}

#[test]
fn the_list_names_every_public_item() {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let public = scan::public_items(&source);
    assert!(
        public.len() > 2000,
        "the scan found only {} items",
        public.len()
    );
    let missing: Vec<_> = public.difference(&known_items()).cloned().collect();
    assert!(
        missing.is_empty(),
        "not in tests/layout/list.rs: {missing:#?}"
    );
}

#[test]
fn an_unlisted_item_is_noticed() {
    let text = "
        pub const XENMEM_unlisted: u32 = 1;
        pub struct mmu_update { pub ptr: u64, pub val: u64, pub unlisted: u64, pub _pad0: [u8; 4] }
        pub type unlisted_t = u64;
        pub const fn unlisted() {}
        const private: u32 = 0;
    ";
    let found = scan::public_items_of(text);
    let known = known_items();
    let missing: Vec<_> = found.difference(&known).map(String::as_str).collect();
    assert_eq!(
        missing,
        [
            "XENMEM_unlisted",
            "mmu_update.unlisted",
            "unlisted",
            "unlisted_t"
        ]
    );
}

#[test]
fn every_hypercall_number_has_its_name() {
    let names: BTreeSet<_> = xen::HYPERCALL_NAMES.iter().map(|(_, name)| *name).collect();
    let listed = list::items();
    let constants: BTreeSet<_> = listed
        .iter()
        .filter_map(|item| item.strip_prefix("__HYPERVISOR_"))
        .collect();
    assert_eq!(names, constants);
    assert!(xen::HYPERCALL_NAMES.is_sorted_by_key(|(number, _)| number));
    for (number, name) in xen::HYPERCALL_NAMES {
        assert_eq!(xen::hypercall_name(*number), Some(*name));
        let row = format!("xen::__HYPERVISOR_{name}");
        let rust = list::rows()
            .into_iter()
            .find(|r| r.name == row)
            .map(|r| r.rust);
        assert_eq!(rust, Some(Value::Number(i128::from(*number))), "{row}");
    }
    assert_eq!(xen::hypercall_name(11), None);
}
