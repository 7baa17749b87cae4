//! The two decoders of guest code, of privileged instructions and of stores to page tables,
//! against yaxpeax-x86: every combination of prefixes and opcode that counts, every ModRM byte.
//!
//! What both decode must be the same instruction of the same length. What only one of them decodes
//! must be on a list below, with the reason.

use std::collections::BTreeSet;

use yaxpeax_arch::LengthedInstruction;
use yaxpeax_x86::long_mode::{InstDecoder, Instruction, Opcode, Operand, RegSpec};
use yaxpeax_x86::long_mode::{Segment, register_class as class};

use super::*;
use crate::pv::store::{self, Operation, Store};
use crate::trap::decode::{Based, Insn, MAX_LENGTH, Op, PortOperand, decode};
use proptest::prelude::*;

fn other(bytes: &[u8]) -> Option<Instruction> {
    let bytes = &bytes[..bytes.len().min(MAX_LENGTH)];
    InstDecoder::default().decode_slice(bytes).ok()
}

fn length(i: &Instruction) -> u64 {
    i.len().to_const()
}

/// Bytes of an operand in AL, AX or EAX.
fn accumulator(operand: Operand) -> Option<u8> {
    let Operand::Register { reg } = operand else {
        return None;
    };
    [(RegSpec::al(), 1), (RegSpec::ax(), 2), (RegSpec::eax(), 4)]
        .into_iter()
        .find_map(|(r, size)| (r == reg).then_some(size))
}

fn port(operand: Operand) -> Option<PortOperand> {
    match operand {
        Operand::ImmediateU8 { imm } => Some(PortOperand::Fixed(imm)),
        Operand::ImmediateI8 { imm } => Some(PortOperand::Fixed(imm as u8)),
        Operand::Register { reg } if reg == RegSpec::dx() => Some(PortOperand::Dx),
        _ => None,
    }
}

/// A control or debug register and a general one, from a `mov`.
fn special(to: Operand, from: Operand) -> Option<Op> {
    let (Operand::Register { reg: to }, Operand::Register { reg: from }) = (to, from) else {
        return None;
    };
    let (t, f) = (to.num(), from.num());
    match (to.class(), from.class()) {
        (class::Q, class::CR) => Some(Op::ReadCr { cr: f, reg: t }),
        (class::CR, class::Q) => Some(Op::WriteCr { cr: t, reg: f }),
        (class::Q, class::DR) => Some(Op::ReadDr { dr: f, reg: t }),
        (class::DR, class::Q) => Some(Op::WriteDr { dr: t, reg: f }),
        _ => None,
    }
}

/// What the other decoder's instruction is, if it is one that the emulator knows.
fn known(i: &Instruction) -> Option<Op> {
    let size = || i.mem_size().map(|s| s.bytes_size().unwrap_or(0));
    match i.opcode() {
        Opcode::IN => Some(Op::In {
            port: port(i.operand(1))?,
            size: accumulator(i.operand(0))?,
        }),
        Opcode::OUT => Some(Op::Out {
            port: port(i.operand(0))?,
            size: accumulator(i.operand(1))?,
        }),
        Opcode::INS => Some(Op::Ins { size: size()? }),
        Opcode::OUTS => Some(Op::Outs { size: size()? }),
        Opcode::CLI => Some(Op::Cli),
        Opcode::STI => Some(Op::Sti),
        Opcode::CLTS => Some(Op::Clts),
        Opcode::INVD | Opcode::WBINVD => Some(Op::FlushCache),
        Opcode::RDTSC => Some(Op::Rdtsc),
        Opcode::RDTSCP => Some(Op::Rdtscp),
        Opcode::RDMSR => Some(Op::Rdmsr),
        Opcode::WRMSR => Some(Op::Wrmsr),
        Opcode::XSETBV => Some(Op::Xsetbv),
        Opcode::MOV => special(i.operand(0), i.operand(1)),
        _ => None,
    }
}

/// What only the emulator's decoder takes, and why that is right.
fn only_ours(bytes: &[u8], ours: &Insn) -> bool {
    // Of two REX prefixes in a row the processor forgets the first.
    let rex = |b: &u8| b & 0xf0 == 0x40;
    if bytes
        .windows(2)
        .take(usize::from(ours.len))
        .any(|two| two.iter().all(rex))
    {
        return true;
    }
    match ours.op {
        // There are no such registers; the processor says #UD before anybody decodes, so that
        // only code changed meanwhile comes here, and the emulator says #GP.
        Op::ReadCr { cr, .. } | Op::WriteCr { cr, .. } => !matches!(cr, 0 | 2 | 3 | 4 | 8),
        Op::ReadDr { dr, .. } | Op::WriteDr { dr, .. } => dr >= 8,
        _ => false,
    }
}

/// Whether a REX.W stands right before the opcode of a string instruction.
fn wins(bytes: &[u8]) -> bool {
    let opcode = bytes.iter().position(|b| matches!(b, 0x6d | 0x6f));
    opcode.is_some_and(|at| at > 0 && bytes[at - 1] & 0xf8 == 0x48)
}

fn compare(bytes: &[u8]) -> Result<bool, std::string::String> {
    let (ours, theirs) = (decode(bytes), other(bytes));
    let fail = |why: &str| {
        let text = theirs.map(|i| std::format!("{:?} {} bytes", i.opcode(), length(&i)));
        Err(std::format!("{why}: {bytes:02x?}: {ours:x?}, {text:?}"))
    };
    match (ours, theirs) {
        (Some(ours), Some(i)) => {
            // A REX.W takes the effect from 0x66 here too, as on real Xen (check `strings`).
            let their = match known(&i) {
                Some(Op::Ins { size: 2 }) if wins(bytes) => Some(Op::Ins { size: 4 }),
                Some(Op::Outs { size: 2 }) if wins(bytes) => Some(Op::Outs { size: 4 }),
                other => other,
            };
            if u64::from(ours.len) != length(&i) || their != Some(ours.op) {
                return fail("another instruction");
            }
            if matches!(ours.op, Op::Ins { .. } | Op::Outs { .. }) {
                if ours.rep != (i.prefixes.rep() || i.prefixes.repnz()) {
                    return fail("another repeat");
                }
                if ours.address32 != i.prefixes.address_size() {
                    return fail("another address size");
                }
            }
            if matches!(ours.op, Op::Outs { .. }) {
                let segment = match i.segment_override_for_op(1) {
                    Some(Segment::FS) => Some(Based::Fs),
                    Some(Segment::GS) => Some(Based::Gs),
                    _ => None,
                };
                if segment != ours.segment {
                    return fail("another segment");
                }
            }
            Ok(true)
        }
        (Some(ours), None) if !only_ours(bytes, &ours) => fail("only ours"),
        (None, Some(i)) if known(&i).is_some() => fail("only theirs"),
        (ours, _) => Ok(ours.is_some()),
    }
}

/// Every prefix that there is, REX prefixes among them.
fn prefixes() -> Vec<u8> {
    let legacy = [
        0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
    ];
    legacy.into_iter().chain(0x40..=0x4f).collect()
}

/// Calls `f` with every opcode of one and two bytes behind no, one and two prefixes, and every
/// ModRM byte where there is at most one prefix.
fn everything(mut f: impl FnMut(&[u8])) {
    let mut lists: Vec<Vec<u8>> = std::vec![std::vec![]];
    for first in prefixes() {
        lists.push(std::vec![first]);
        for second in prefixes() {
            lists.push(std::vec![first, second]);
        }
    }
    for list in lists {
        for opcode in 0..=0x1ff_u16 {
            let step = if list.len() < 2 { 1 } else { 0x7f };
            for modrm in (0..=0xff_u8).step_by(step) {
                let mut bytes = [0x90; 16];
                let mut at = list.len();
                bytes[..at].copy_from_slice(&list);
                if opcode > 0xff {
                    bytes[at] = 0x0f;
                    at += 1;
                }
                bytes[at] = opcode as u8;
                bytes[at + 1] = modrm;
                bytes[at + 2..at + 8].copy_from_slice(&[0x24, 0x12, 0x80, 0xff, 0x7f, 0x01]);
                f(&bytes);
            }
        }
    }
}

/// A form of the emulator's closed set: an operation, its operand's size or kind.
fn form(op: Op) -> (&'static str, u8) {
    let sized = |port, size| match port {
        PortOperand::Fixed(_) => size,
        PortOperand::Dx => 0x10 | size,
    };
    match op {
        Op::In { port, size } => ("in", sized(port, size)),
        Op::Out { port, size } => ("out", sized(port, size)),
        Op::Ins { size } => ("ins", size),
        Op::Outs { size } => ("outs", size),
        Op::Cli => ("cli", 0),
        Op::Sti => ("sti", 0),
        Op::ReadCr { cr, .. } => ("read cr", cr),
        Op::WriteCr { cr, .. } => ("write cr", cr),
        Op::ReadDr { dr, .. } => ("read dr", dr),
        Op::WriteDr { dr, .. } => ("write dr", dr),
        Op::Clts => ("clts", 0),
        Op::FlushCache => ("flush cache", 0),
        Op::Rdtsc => ("rdtsc", 0),
        Op::Rdtscp => ("rdtscp", 0),
        Op::Rdmsr => ("rdmsr", 0),
        Op::Wrmsr => ("wrmsr", 0),
        Op::Xsetbv => ("xsetbv", 0),
    }
}

/// All forms that there are.
fn forms() -> BTreeSet<(&'static str, u8)> {
    let plain = [
        "cli",
        "sti",
        "clts",
        "flush cache",
        "rdtsc",
        "rdtscp",
        "rdmsr",
        "wrmsr",
        "xsetbv",
    ];
    let mut all: BTreeSet<_> = plain.map(|name| (name, 0)).into();
    for size in [1, 2, 4] {
        all.extend(["in", "out"].map(|name| (name, size)));
        all.extend(["in", "out"].map(|name| (name, 0x10 | size)));
        all.extend(["ins", "outs"].map(|name| (name, size)));
    }
    for register in 0..16 {
        let moves = ["read cr", "write cr", "read dr", "write dr"];
        all.extend(moves.map(|name| (name, register)));
    }
    all
}

#[test]
fn privileged_instructions_as_another_decoder_has_them() {
    let (mut tried, mut wrong) = (0_u64, Vec::new());
    let mut compared = BTreeSet::new();
    everything(|bytes| {
        tried += 1;
        match compare(bytes) {
            Ok(true) => compared.extend(decode(bytes).map(|insn| form(insn.op))),
            Ok(false) => {}
            Err(why) => wrong.push(why),
        }
    });
    assert_eq!(compared, forms());
    assert!(
        wrong.is_empty(),
        "{} of {tried} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}

/// The store that the other decoder's instruction is, if it is one to memory of a kind that
/// kernels use on tables: operation, register or immediate, and width.
fn known_store(i: &Instruction) -> Option<(Operation, store::Operand, u8)> {
    let operation = match i.opcode() {
        Opcode::MOV => Operation::Move,
        Opcode::XCHG => Operation::Exchange,
        Opcode::CMPXCHG => Operation::CompareExchange,
        Opcode::AND => Operation::And,
        Opcode::OR => Operation::Or,
        Opcode::XOR => Operation::Xor,
        _ => return None,
    };
    let (to, from) = if i.operand(0).is_memory() {
        (i.operand(0), i.operand(1))
    } else if operation == Operation::Exchange {
        (i.operand(1), i.operand(0))
    } else {
        return None;
    };
    if !to.is_memory() {
        return None;
    }
    let width = i.mem_size()?.bytes_size()?;
    let operand = match from {
        Operand::Register { reg } if reg.class() == class::Q => store::Operand::Register(reg.num()),
        Operand::ImmediateI8 { imm } => store::Operand::Immediate(i64::from(imm) as u64),
        Operand::ImmediateU8 { imm } => store::Operand::Immediate(i64::from(imm as i8) as u64),
        Operand::ImmediateI32 { imm } => store::Operand::Immediate(i64::from(imm) as u64),
        Operand::ImmediateI64 { imm } => store::Operand::Immediate(imm as u64),
        _ => return None,
    };
    Some((operation, operand, width))
}

/// Stores that are refused: the guest sees its page fault, as for any store that is none to a
/// table.
fn refused(bytes: &[u8], (operation, _, width): &(Operation, store::Operand, u8)) -> bool {
    let legacy = |b: &u8| {
        matches!(
            b,
            0x66 | 0x67 | 0xf2 | 0xf3 | 0x26 | 0x2e | 0x36 | 0x64 | 0x65
        )
    };
    let rex = |b: &u8| b & 0xf0 == 0x40;
    let before = bytes
        .iter()
        .take_while(|b| legacy(b) || rex(b) || matches!(b, 0xf0 | 0x3e));
    let before: Vec<u8> = before.copied().collect();
    let opcode = bytes[before.len()];
    // Prefixes that no kernel's table store has: all but one `lock`, or the 0x3e in its place.
    before.iter().any(legacy)
        || before.iter().filter(|b| !rex(b)).count() > 1
        || before.iter().filter(|b| rex(b)).count() > 1
        || before.iter().position(|b| matches!(b, 0xf0 | 0x3e)).is_some_and(|at| at > 0)
        // Two and four bytes; single bytes that are no immediate's.
        || !matches!(width, 1 | 8)
        || (*width == 1 && opcode != 0x80)
        // REX.W on a byte's form means nothing.
        || (*width == 1 && before.iter().any(|b| rex(b) && b & 8 != 0))
        // To an absolute 64-bit address.
        || (*operation == Operation::Move && opcode == 0xa3)
}

fn compare_store(bytes: &[u8]) -> Result<bool, std::string::String> {
    let (ours, theirs) = (store::decode(&bytes.into()), other(bytes));
    let fail = |why: &str| {
        let text = theirs.map(|i| std::format!("{:?} {} bytes", i.opcode(), length(&i)));
        Err(std::format!("{why}: {bytes:02x?}: {ours:x?}, {text:?}"))
    };
    let their = theirs.and_then(|i| Some((known_store(&i)?, length(&i))));
    match (ours, their) {
        (
            Some(Store {
                operation,
                operand,
                width,
                length,
            }),
            Some(their),
        ) => {
            if their == ((operation, operand, width), u64::from(length)) {
                Ok(true)
            } else {
                fail("another store")
            }
        }
        (Some(_), None) => fail("only ours"),
        (None, Some((their, _))) if !refused(bytes, &their) => fail("only theirs"),
        (None, _) => Ok(false),
    }
}

/// All forms of stores: an operation, whether with an immediate operand, and the width.
fn store_forms() -> Vec<(Operation, bool, u8)> {
    let logic = [Operation::And, Operation::Or, Operation::Xor];
    let registers = [
        Operation::Move,
        Operation::Exchange,
        Operation::CompareExchange,
    ];
    let mut all: Vec<_> = registers.map(|o| (o, false, 8)).into();
    all.push((Operation::Move, true, 8));
    for operation in logic {
        all.extend([
            (operation, false, 8),
            (operation, true, 8),
            (operation, true, 1),
        ]);
    }
    all
}

#[test]
fn table_stores_as_another_decoder_has_them() {
    let (mut tried, mut wrong) = (0_u64, Vec::new());
    let mut missing = store_forms();
    everything(|bytes| {
        tried += 1;
        match compare_store(bytes) {
            Ok(false) => {}
            Ok(true) => {
                let store = store::decode(&bytes.into()).expect("it was compared");
                let immediate = matches!(store.operand, store::Operand::Immediate(_));
                let form = (store.operation, immediate, store.width);
                assert!(store_forms().contains(&form), "{form:?} is on no list");
                missing.retain(|other| *other != form);
            }
            Err(why) => wrong.push(why),
        }
    });
    assert!(missing.is_empty(), "not compared: {missing:?}");
    assert!(
        wrong.is_empty(),
        "{} of {tried} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn random_bytes(
        before in prop::collection::vec(prop::sample::select(prefixes()), 0..5),
        opcode in prop::sample::select(std::vec![
            0x6c_u8, 0x6d, 0x6e, 0x6f, 0xe4, 0xe5, 0xe6, 0xe7, 0xec, 0xed, 0xee, 0xef, 0xfa, 0xfb,
            0x0f, 0x80, 0x81, 0x83, 0x87, 0x89, 0xc7, 0x09, 0x21, 0x31,
        ]),
        behind in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let bytes: Vec<u8> = before.into_iter().chain([opcode]).chain(behind).collect();
        prop_assert!(compare(&bytes).is_ok(), "{:?}", compare(&bytes));
        prop_assert!(compare_store(&bytes).is_ok(), "{:?}", compare_store(&bytes));
    }
}
