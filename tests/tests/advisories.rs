//! Contract: for each class of published advisories that concerns what is built, by its letter, there
//! are named tests: on the host, where an unprivileged guest tries it on the fake machine
//! (`hypervisor/core/tests/advisories`), and as a guest program that finds the same on Paravane and on
//! real Xen (`guest-kernel/src/check/advisories`, run by the oracle).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The classes, and the advisories of each (xenbits.xen.org/xsa).
const CLASSES: [(char, &str, &[u16]); 11] = [
    (
        'a',
        "frames: owners, types, counts, translations",
        &[
            37, 58, 100, 109, 113, 214, 217, 222, 241, 242, 252, 284, 285, 287, 288, 291, 299, 309,
            310, 346, 355, 401, 402, 408,
        ],
    ),
    (
        'b',
        "page-table entries",
        &[
            148, 154, 167, 182, 227, 234, 273, 279, 286, 292, 294, 345, 402,
        ],
    ),
    (
        'c',
        "tables that name themselves",
        &[182, 185, 240, 286, 290, 299, 309],
    ),
    ('f', "memory_op", &[29, 31, 158, 159, 212, 231, 252, 385]),
    (
        'g',
        "entry, exit, iret, descriptors, callbacks",
        &[
            7, 8, 12, 44, 136, 183, 193, 202, 213, 214, 215, 244, 259, 260, 265, 293, 298, 339,
            444, 446,
        ],
    ),
    (
        'h',
        "emulated instructions",
        &[66, 67, 123, 200, 202, 298, 333, 375, 451, 470],
    ),
    (
        'i',
        "FPU and extended state",
        &[52, 53, 54, 62, 165, 172, 220, 267, 488],
    ),
    (
        'j',
        "CPUID, MSRs, control and debug registers",
        &[9, 12, 193, 253, 293, 333, 351, 444],
    ),
    (
        'l',
        "memory read twice, answers with leftovers",
        &[67, 72, 122, 132, 155, 164, 166, 202, 313, 500],
    ),
    (
        'm',
        "unbounded work, fairness",
        &[
            20, 24, 31, 45, 58, 97, 114, 125, 127, 136, 152, 226, 240, 264, 290, 296, 318, 344,
            356, 380, 410, 492, 499,
        ],
    ),
    (
        'n',
        "ways out of errors",
        &[
            26, 47, 58, 83, 149, 151, 159, 163, 207, 237, 253, 291, 316, 317, 334, 411, 458, 496,
            502,
        ],
    ),
];

/// Advisories that are tried on the host but are no guest program of their own, and why.
const NO_GUEST: [(u16, &str); 6] = [
    (58, "its half-validated trees are those of xsa_299"),
    (
        202,
        "a guest cannot change code between two reads of the hypervisor at will",
    ),
    (240, "its rings of tables are those of xsa_185"),
    (
        346,
        "needs CPUs: the oracle of several vCPUs, guest-kernel's check/smp_writes",
    ),
    (401, "as 346"),
    (492, "who waits for a lock is not for a guest to see"),
];

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&root).unwrap_or_else(|e| panic!("{}: {e}", root.display()))
}

/// The numbers in a name like `xsa_29_and_212_exchange`, behind `xsa_`.
fn numbers(name: &str) -> Vec<u16> {
    let words = name.split('_').filter(|word| *word != "and");
    words.map_while(|word| word.parse().ok()).collect()
}

/// Advisories of host tests, by class: each is a function with `#[test]` before it.
fn on_the_host() -> Vec<(char, u16)> {
    let text = read("hypervisor/core/tests/advisories/main.rs");
    let tests = text.split("#[test]\nfn row_").skip(1);
    let mut all = Vec::new();
    for test in tests {
        let (class, name) = test.split_once("_xsa_").expect("row_<class>_xsa_<number>");
        let class = class.chars().next().expect("a letter");
        let found = numbers(name);
        assert!(!found.is_empty(), "no number: {}", &name[..20]);
        all.extend(found.into_iter().map(|number| (class, number)));
    }
    all
}

/// Advisories of guest programs: the rows of the tables of checks.
fn as_guests() -> Vec<u16> {
    let files = ["entries", "leaving", "memory"];
    let texts = files.map(|file| read(&format!("guest-kernel/src/check/advisories/{file}.rs")));
    let rows = texts.iter().flat_map(|text| text.split("(\"xsa_").skip(1));
    rows.flat_map(numbers).collect()
}

#[test]
fn every_class_is_tried_on_the_host_and_by_a_guest() {
    let classes: BTreeMap<_, _> = CLASSES.iter().map(|(c, _, list)| (*c, *list)).collect();
    let (host, guests) = (on_the_host(), as_guests());
    for (class, number) in &host {
        let list = classes
            .get(class)
            .unwrap_or_else(|| panic!("no class {class}"));
        assert!(
            list.contains(number),
            "XSA-{number} is not of class {class}"
        );
    }
    for (class, what, list) in CLASSES {
        let tried = host.iter().filter(|(c, _)| *c == class).count();
        let programs = guests.iter().filter(|n| list.contains(n)).count();
        println!("{class}: {tried} on the host, {programs} as guests: {what}");
        assert!(tried > 0, "no host test is named row_{class}_xsa_…");
        assert!(programs > 0, "no guest program for class {class}");
    }
    for number in &guests {
        let known = classes.values().any(|list| list.contains(number));
        assert!(known, "XSA-{number} is of no class");
    }
}

#[test]
fn what_is_tried_on_the_host_is_a_guest_program_or_says_why_not() {
    let guests = as_guests();
    for (_, number) in on_the_host() {
        let excused = NO_GUEST.iter().any(|(n, _)| *n == number);
        let is_one = guests.contains(&number);
        assert!(
            is_one != excused,
            "XSA-{number}: guest {is_one}, excused {excused}"
        );
    }
    for (number, why) in NO_GUEST {
        let tried = on_the_host().iter().any(|(_, n)| *n == number);
        assert!(tried, "XSA-{number} is tried nowhere ({why})");
    }
}
