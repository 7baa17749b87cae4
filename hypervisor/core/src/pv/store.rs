//! Decoding of the stores to page tables that the hypervisor carries out for a guest.
//!
//! A closed set: the forms that kernels use on page-table entries. The bytes are captured once by
//! the caller; the address is the one that faulted, so that only the length of the addressing form
//! matters here, never its value.

use crate::trap::code::Code;
use crate::trap::frame::RF;
use crate::vcpu::Regs;

/// How the new value comes from the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `mov`: the operand.
    Move,
    /// `xchg`: the operand; the register gets the old value.
    Exchange,
    /// `cmpxchg`: the operand, if the old value equals rax.
    CompareExchange,
    /// `and` with the operand.
    And,
    /// `or` with the operand.
    Or,
    /// `xor` with the operand.
    Xor,
}

/// Where the operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A general register by its number in the encoding (0 rax, 1 rcx, 2 rdx, 3 rbx, 4 rsp, …).
    Register(u8),
    /// In the instruction, sign-extended.
    Immediate(u64),
}

impl Operand {
    /// Its value.
    #[inline]
    pub(crate) fn value(self, regs: &Regs) -> u64 {
        match self {
            Self::Register(n) => regs.general(n),
            Self::Immediate(value) => value,
        }
    }
}

/// A decoded store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    /// What it computes.
    pub operation: Operation,
    /// With what.
    pub operand: Operand,
    /// Bytes it stores: 8, or 1 for the immediate byte forms.
    pub width: u8,
    /// Length of the instruction.
    pub length: u8,
}

/// The bytes of an instruction up to its ModRM byte and the one behind, which all are in the first
/// eight.
struct Head {
    rest: u64,
    taken: u8,
}

impl Head {
    #[inline(always)]
    const fn peek(&self) -> u8 {
        self.rest as u8
    }

    #[inline(always)]
    const fn take(&mut self) -> u8 {
        let byte = self.peek();
        self.rest >>= 8;
        self.taken += 1;
        byte
    }
}

/// Decodes the store at the start of `code`; `None` for anything outside the set.
#[inline(always)]
#[must_use]
pub(crate) fn decode(code: &Code) -> Option<Store> {
    let mut head = Head {
        rest: code.first_word(),
        taken: 0,
    };
    // A kernel on one processor turns its lock prefixes into DS overrides, which mean nothing here.
    let mut locked = false;
    if matches!(head.peek(), 0xf0 | 0x3e) {
        locked = head.take() == 0xf0;
    }
    let mut rex = 0;
    if head.peek() & 0xf0 == 0x40 {
        rex = head.take();
    }
    let opcode = head.take();
    let second = if opcode == 0x0f { head.take() } else { 0 };
    let modrm = head.take();
    let after = usize::from(head.taken) + address_length(modrm, head.peek())?;
    let field = (modrm >> 3) & 7;
    let width = if opcode == 0x80 { 1 } else { 8 };
    if (width == 8) != (rex & 8 != 0) {
        return None;
    }
    let (operation, source) = form(opcode, second, field, locked)?;
    let (operand, length) = match source {
        Source::Register => (Operand::Register(field | (rex & 4) << 1), after),
        Source::Byte => {
            let byte = code.four_at(after) as i8;
            (Operand::Immediate(i64::from(byte) as u64), after + 1)
        }
        Source::Word => {
            let word = code.four_at(after) as i32;
            (Operand::Immediate(i64::from(word) as u64), after + 4)
        }
    };
    // What is not there was taken for zeros.
    (length <= code.len()).then_some(Store {
        operation,
        operand,
        width,
        length: length as u8,
    })
}

enum Source {
    Register,
    Byte,
    Word,
}

/// What an opcode does, and where its operand is; `second` counts behind 0x0f, `field` is the ModRM
/// byte's.
#[inline(always)]
const fn form(opcode: u8, second: u8, field: u8, locked: bool) -> Option<(Operation, Source)> {
    Some(match (opcode, second, field) {
        (0x89, ..) if !locked => (Operation::Move, Source::Register),
        (0xc7, _, 0) if !locked => (Operation::Move, Source::Word),
        (0x87, ..) => (Operation::Exchange, Source::Register),
        (0x0f, 0xb1, _) => (Operation::CompareExchange, Source::Register),
        (0x09, ..) => (Operation::Or, Source::Register),
        (0x21, ..) => (Operation::And, Source::Register),
        (0x31, ..) => (Operation::Xor, Source::Register),
        (0x80 | 0x81 | 0x83, _, 1 | 4 | 6) => (
            match field {
                1 => Operation::Or,
                4 => Operation::And,
                _ => Operation::Xor,
            },
            if opcode == 0x81 {
                Source::Word
            } else {
                Source::Byte
            },
        ),
        _ => return None,
    })
}

/// Bytes of SIB and displacement behind a ModRM byte, `next` being the byte there; `None` for a
/// register destination.
#[inline(always)]
const fn address_length(modrm: u8, next: u8) -> Option<usize> {
    let (mode, rm) = (modrm >> 6, modrm & 7);
    let (sib, base) = if rm == 4 { (1, next & 7) } else { (0, rm) };
    match (mode, base) {
        (3, _) => None,
        (0, 5) | (2, _) => Some(sib + 4),
        (1, _) => Some(sib + 1),
        _ => Some(sib),
    }
}

/// Carry, parity, adjust, zero, sign and overflow flags.
const ARITHMETIC: u64 = 0x8d5;
const ZERO: u64 = 1 << 6;

/// What a store does to memory and registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The entry's new value; `None` when it stays.
    pub value: Option<u64>,
    /// The general register (encoding number) that gets the old value.
    pub loads: Option<u8>,
    /// The arithmetic flags after it, if it sets them.
    pub flags: Option<u64>,
}

impl Store {
    /// Goes on behind it.
    #[inline]
    pub(crate) fn advance(&self, regs: &mut Regs) {
        regs.rip = regs.rip.wrapping_add(u64::from(self.length));
        regs.rflags &= !RF;
    }

    /// What the store does to an entry that is `old`, when byte `byte` (0 to 7) of it is addressed.
    #[must_use]
    pub fn effect(&self, regs: &Regs, old: u64, byte: u32) -> Effect {
        let operand = self.operand.value(regs);
        let combined = |value: u64| Effect {
            value: Some(value),
            loads: None,
            flags: None,
        };
        match self.operation {
            Operation::Move => combined(operand),
            Operation::Exchange => Effect {
                loads: match self.operand {
                    Operand::Register(n) => Some(n),
                    Operand::Immediate(_) => None,
                },
                ..combined(operand)
            },
            Operation::CompareExchange => {
                let equal = old == regs.rax;
                Effect {
                    value: equal.then_some(operand),
                    loads: (!equal).then_some(0),
                    flags: Some(compare_flags(regs.rax, old)),
                }
            }
            Operation::And | Operation::Or | Operation::Xor => self.logic(old, operand, byte),
        }
    }

    fn logic(&self, old: u64, operand: u64, byte: u32) -> Effect {
        let shift = if self.width == 1 { byte * 8 } else { 0 };
        let mask = if self.width == 1 { 0xff } else { u64::MAX };
        let part = old >> shift & mask;
        let part = mask
            & match self.operation {
                Operation::And => part & operand,
                Operation::Or => part | operand,
                _ => part ^ operand,
            };
        let sign = part >> (u32::from(self.width) * 8 - 1) & 1;
        Effect {
            value: Some(old & !(mask << shift) | part << shift),
            loads: None,
            flags: Some(result_flags(part) | sign << 7),
        }
    }
}

/// Parity and zero flag of a result.
fn result_flags(value: u64) -> u64 {
    let parity = u64::from((value as u8).count_ones().is_multiple_of(2)) << 2;
    parity | if value == 0 { ZERO } else { 0 }
}

/// The flags of `cmp left, right`.
fn compare_flags(left: u64, right: u64) -> u64 {
    let (difference, carry) = left.overflowing_sub(right);
    let overflow = ((left ^ right) & (left ^ difference)) >> 63;
    let adjust = (left ^ right ^ difference) >> 4 & 1;
    result_flags(difference)
        | u64::from(carry)
        | adjust << 4
        | (difference >> 63) << 7
        | overflow << 11
}

impl Effect {
    /// Puts the register and flag results of a store in place.
    pub fn apply(&self, regs: &mut Regs, old: u64) {
        if let Some(register) = self.loads {
            *regs.general_mut(register) = old;
        }
        if let Some(flags) = self.flags {
            regs.rflags = regs.rflags & !ARITHMETIC | flags;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(code: &[u8]) -> Option<Store> {
        super::decode(&code.into())
    }

    #[test]
    fn forms_that_linux_uses() {
        // xchg %rdx,(%rax); xchg %rsi,0(%rbp); lock andb $0xfd,(%r12): as the census found them.
        let s = decode(&[0x48, 0x87, 0x10, 0x90]).unwrap();
        assert_eq!(
            (s.operation, s.operand, s.length),
            (Operation::Exchange, Operand::Register(2), 3)
        );
        let s = decode(&[0x48, 0x87, 0x75, 0x00]).unwrap();
        assert_eq!((s.operand, s.length), (Operand::Register(6), 4));
        let s = decode(&[0xf0, 0x41, 0x80, 0x24, 0x24, 0xfd]).unwrap();
        assert_eq!((s.operation, s.width, s.length), (Operation::And, 1, 6));
        // The same on a machine with one processor.
        assert_eq!(decode(&[0x3e, 0x41, 0x80, 0x24, 0x24, 0xfd]), Some(s));
        assert_eq!(s.operand, Operand::Immediate(0xffff_ffff_ffff_fffd));
    }

    #[test]
    fn forms_of_every_length() {
        // mov %r9,0x12345678(%r12,%rcx,8)
        let s = decode(&[0x4d, 0x89, 0x8c, 0xcc, 0x78, 0x56, 0x34, 0x12]).unwrap();
        assert_eq!(
            (s.operation, s.operand, s.length),
            (Operation::Move, Operand::Register(9), 8)
        );
        // movq $0x0,0x10(%rip)
        let s = decode(&[0x48, 0xc7, 0x05, 0x10, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!((s.operand, s.length), (Operand::Immediate(0), 11));
        // lock cmpxchg %rcx,(%rdx)
        let s = decode(&[0xf0, 0x48, 0x0f, 0xb1, 0x0a]).unwrap();
        assert_eq!(
            (s.operation, s.operand, s.length),
            (Operation::CompareExchange, Operand::Register(1), 5)
        );
        // lock xorq $0x200,(%rdi)
        let s = decode(&[0xf0, 0x48, 0x81, 0x37, 0, 2, 0, 0]).unwrap();
        assert_eq!(
            (s.operation, s.operand),
            (Operation::Xor, Operand::Immediate(0x200))
        );
    }

    #[test]
    fn everything_else_is_refused() {
        // 32-bit mov, register destination, byte mov, lock mov, add, wide byte form, truncated.
        for code in [
            &[0x89, 0x10][..],
            &[0x48, 0x89, 0xd0],
            &[0x88, 0x10],
            &[0xf0, 0x48, 0x89, 0x10],
            &[0x48, 0x01, 0x10],
            &[0x48, 0x80, 0x20, 0x01],
            &[0x48],
            &[],
            &[0x66, 0x48, 0x89, 0x10],
        ] {
            assert_eq!(decode(code), None, "{code:x?}");
        }
    }

    #[test]
    fn byte_forms_touch_their_byte() {
        let s = decode(&[0xf0, 0x80, 0x20, 0xfd]).unwrap();
        let e = s.effect(&Regs::default(), 0x1122_3344_5566_77ff, 0);
        assert_eq!(e.value, Some(0x1122_3344_5566_77fd));
        let e = s.effect(&Regs::default(), 0x1122_3344_55ff_7700, 2);
        assert_eq!(e.value, Some(0x1122_3344_55fd_7700));
    }

    #[test]
    fn compare_exchange_both_ways() {
        let s = decode(&[0xf0, 0x48, 0x0f, 0xb1, 0x0a]).unwrap();
        let mut r = Regs {
            rax: 5,
            rcx: 9,
            ..Regs::default()
        };
        let e = s.effect(&r, 5, 0);
        assert_eq!((e.value, e.loads), (Some(9), None));
        assert_eq!(e.flags.unwrap() & ZERO, ZERO);
        let e = s.effect(&r, 6, 0);
        assert_eq!(e.value, None);
        e.apply(&mut r, 6);
        s.advance(&mut r);
        assert_eq!((r.rax, r.rip), (6, 5));
        assert_eq!(r.rflags & ZERO, 0);
        assert_eq!(r.rflags & 1, 1, "5 - 6 borrows");
    }

    proptest! {
        #[test]
        fn never_panics_and_never_exceeds_an_instruction(code in proptest::collection::vec(any::<u8>(), 0..20)) {
            if let Some(s) = decode(&code) {
                prop_assert!(usize::from(s.length) <= code.len() && s.length <= 15);
                let _ = s.effect(&Regs::default(), u64::MAX, 7);
            }
        }
    }
}
