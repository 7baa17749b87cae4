//! Tables as firmware makes them, and as it must not.

use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// Where the tests have their tables.
const RSDT: u64 = 0x7fe_0000;
const XSDT: u64 = 0x7fe_1000;
const FIRST: u64 = 0x7ff_0000;

/// Tables by address, and the first MiB.
#[derive(Default)]
struct Memory {
    tables: BTreeMap<u64, Vec<u8>>,
    low: Vec<u8>,
}

impl Firmware for Memory {
    fn bytes(&self, start: u64, len: u64) -> Option<&[u8]> {
        let (at, table) = self.tables.range(..=start).next_back()?;
        let from = (start - at) as usize;
        table.get(from..from.checked_add(usize::try_from(len).ok()?)?)
    }

    fn low_bytes(&self, start: u64, len: u64) -> Option<&[u8]> {
        self.low.get(start as usize..(start + len) as usize)
    }
}

/// A table with its header and a sum of 0.
fn table(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..4].copy_from_slice(signature);
    bytes[4..8].copy_from_slice(&((HEADER + body.len()) as u32).to_le_bytes());
    bytes.extend(body);
    seal(&mut bytes, 9);
    bytes
}

fn seal(bytes: &mut [u8], at: usize) {
    bytes[at] = 0;
    let sum = bytes.iter().fold(0_u8, |sum, &b| sum.wrapping_add(b));
    bytes[at] = sum.wrapping_neg();
}

fn pointer() -> Vec<u8> {
    let mut bytes = vec![0; 36];
    bytes[..8].copy_from_slice(b"RSD PTR ");
    bytes[15] = 2;
    bytes[16..20].copy_from_slice(&(RSDT as u32).to_le_bytes());
    bytes[20..24].copy_from_slice(&36_u32.to_le_bytes());
    bytes[24..32].copy_from_slice(&XSDT.to_le_bytes());
    seal(&mut bytes[..20], 8);
    seal(&mut bytes, 32);
    bytes
}

/// Memory with `tables`, named by an RSDT and an XSDT.
fn memory(tables: &[Vec<u8>]) -> Memory {
    let mut memory = Memory::default();
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for (at, table) in (FIRST..).step_by(0x10_0000).zip(tables) {
        short.extend((at as u32).to_le_bytes());
        long.extend(at.to_le_bytes());
        memory.tables.insert(at, table.clone());
    }
    memory.tables.insert(RSDT, self::table(b"RSDT", &short));
    memory.tables.insert(XSDT, self::table(b"XSDT", &long));
    memory
}

/// A MADT with these entries.
fn madt(entries: &[&[u8]]) -> Vec<u8> {
    table(b"APIC", &[&[0; 8], &entries.concat()[..]].concat())
}

/// A local APIC, and a local x2APIC.
fn cpu(id: u8, flags: u8) -> [u8; 8] {
    [0, 8, 99, id, flags, 0, 0, 0]
}

fn x2apic(id: u32, flags: u8) -> [u8; 16] {
    let mut entry = [0; 16];
    (entry[0], entry[1], entry[8]) = (9, 16, flags);
    entry[4..8].copy_from_slice(&id.to_le_bytes());
    entry
}

fn facts(tables: &[Vec<u8>]) -> Facts {
    read(&memory(tables), &pointer()).expect("there are tables")
}

#[test]
fn cpus_of_both_kinds_once_each_if_enabled() {
    let found = facts(&[madt(&[
        &cpu(0, 1),
        &cpu(2, 1),
        &cpu(3, 0),
        &x2apic(2, 1),
        &x2apic(300, 1),
        &x2apic(301, 2),
    ])]);
    assert_eq!((&found.cpus[..], found.cpus_lost), (&[0, 2, 300][..], 0));
}

#[test]
fn cpus_beyond_those_that_are_used_are_counted() {
    let entries: Vec<_> = (0..70).map(|id| x2apic(id, 1)).collect();
    let entries: Vec<&[u8]> = entries.iter().map(|e| &e[..]).collect();
    let found = facts(&[madt(&entries)]);
    assert_eq!((found.cpus.len(), found.cpus_lost), (MAX_CPUS, 6));
}

#[test]
fn interrupts_go_where_overrides_say() {
    let found = facts(&[madt(&[
        &[1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
        &[2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
        &[2, 10, 0, 9, 9, 0, 0, 0, 0x0f, 0],
        &[2, 10, 0, 16, 16, 0, 0, 0, 0, 0],
    ])]);
    assert_eq!(&found.ioapics[..], &[(0xfec0_0000, 0)]);
    let route = |isa| {
        let route = found.isa_route(isa);
        (route.gsi, route.low, route.level)
    };
    assert_eq!(route(0), (2, false, false));
    assert_eq!(route(4), (4, false, false));
    assert_eq!(route(9), (9, true, true));
    assert_eq!(found.overrides.len(), 2, "there are 16 ISA interrupts");
}

#[test]
fn entries_end_where_one_is_malformed() {
    let mut none: Vec<&[u8]> = vec![&[0, 0], &[0, 8, 0, 5, 1, 0, 0, 0]];
    assert!(facts(&[madt(&none)]).cpus.is_empty(), "a length of 0");
    none[0] = &[7, 1];
    assert!(facts(&[madt(&none)]).cpus.is_empty(), "a length of 1");
    let first = cpu(4, 1);
    let cut: [&[u8]; 2] = [&first, &[0, 200, 0, 5, 1, 0, 0, 0]];
    assert_eq!(
        &facts(&[madt(&cut)]).cpus[..],
        &[4],
        "longer than the table"
    );
    let short: [&[u8]; 2] = [&[0, 4, 0, 5], &first];
    assert_eq!(
        &facts(&[madt(&short)]).cpus[..],
        &[4],
        "shorter than its kind"
    );
}

#[test]
fn clocks() {
    let mut fadt = vec![0; 132 - HEADER];
    let mut put = |at: usize, value: u32| {
        fadt[at - HEADER..][..4].copy_from_slice(&value.to_le_bytes());
    };
    put(76, 0x608);
    put(112, 1 << 8);
    fadt[91 - HEADER] = 4;
    let mut hpet = vec![0; 20];
    hpet[8..16].copy_from_slice(&0xfed0_0000_u64.to_le_bytes());
    let found = facts(&[table(b"FACP", &fadt), table(b"HPET", &hpet)]);
    assert_eq!(found.pm_timer, Some((0x608, true)));
    assert_eq!(found.hpet, Some(0xfed0_0000));
    // In I/O space, or not at a page's begin.
    hpet[4] = 1;
    assert_eq!(facts(&[table(b"HPET", &hpet)]).hpet, None);
    (hpet[4], hpet[8]) = (0, 8);
    assert_eq!(facts(&[table(b"HPET", &hpet)]).hpet, None);
}

#[test]
fn roots() {
    let good = madt(&[&cpu(1, 1)]);
    let one = |memory: &Memory, pointer: &[u8]| {
        read(memory, pointer).map(|facts| facts.cpus.first().copied())
    };
    // The root pointer in the BIOS's area, at a multiple of 16.
    let mut found = memory(core::slice::from_ref(&good));
    found.low = vec![0; 1 << 20];
    assert_eq!(one(&found, &[]), Err("no ACPI root pointer"));
    found.low[0xf_1230..][..36].copy_from_slice(&pointer());
    assert_eq!(one(&found, &[]), Ok(Some(1)));
    // A wrong sum, and a table that is not there: the short list serves.
    let mut wrong = pointer();
    wrong[33] ^= 1;
    found.tables.remove(&XSDT);
    assert_eq!(one(&found, &wrong), Ok(Some(1)));
    found.tables.remove(&RSDT);
    assert_eq!(one(&found, &pointer()), Err("malformed ACPI root table"));
    // A table with a wrong sum, or a length that it has not, is as good as not there.
    for at in [4, 40] {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        assert_eq!(one(&memory(&[bad, good.clone()]), &pointer()), Ok(Some(1)));
    }
    let mut bad = good.clone();
    bad[40] ^= 0x40;
    assert_eq!(one(&memory(&[bad]), &pointer()), Ok(None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever stands in tables whose sums are right, reading them ends, and finds no more than there is
    /// room for.
    #[test]
    fn nothing_in_a_table_matters_to_the_reader(
        signature in prop::sample::select(vec![*b"APIC", *b"FACP", *b"HPET"]),
        body in prop::collection::vec(prop_oneof![3 => 0..16_u8, 1 => any::<u8>()], 0..400),
        dsdt in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut body = body;
        if signature == *b"FACP" && body.len() > 8 {
            body[4..8].copy_from_slice(&((FIRST + 0x10_0000) as u32).to_le_bytes());
        }
        let aml = [&b"\x08_S5_\x12"[..], &dsdt[..]].concat();
        let found = facts(&[table(&signature, &body), table(b"DSDT", &aml)]);
        prop_assert!(found.cpus.len() <= MAX_CPUS && found.ioapics.len() <= MAX_IO_APICS);
    }

    #[test]
    fn nothing_in_memory_matters_to_the_reader(
        given in prop::collection::vec(any::<u8>(), 0..40),
        list in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut memory = memory(core::slice::from_ref(&list));
        memory.tables.insert(XSDT, table(b"XSDT", &list));
        let _ = read(&memory, &given);
        let _ = read(&memory, &pointer());
    }
}
