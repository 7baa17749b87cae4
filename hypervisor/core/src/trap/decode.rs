//! A decoder for the closed set of instructions that the emulator knows, in 64-bit code. Every
//! other byte sequence is no instruction to it.
//!
//! This one is on the path, and not iced-x86, which knows every instruction and takes two to four
//! times as long (`cargo xtask decoders` counts); and what the emulator takes stays a closed set. The
//! tests compare it with yaxpeax-x86.

/// Most bytes of an instruction.
pub(crate) const MAX_LENGTH: usize = 15;

/// Which port an I/O instruction names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortOperand {
    /// The byte in the instruction.
    Fixed(u8),
    /// DX.
    Dx,
}

/// What an instruction does. Register operands are numbers 0 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "names of the processor manual")]
pub(crate) enum Op {
    In {
        port: PortOperand,
        size: u8,
    },
    Out {
        port: PortOperand,
        size: u8,
    },
    Ins {
        size: u8,
    },
    Outs {
        size: u8,
    },
    Cli,
    Sti,
    ReadCr {
        cr: u8,
        reg: u8,
    },
    WriteCr {
        cr: u8,
        reg: u8,
    },
    ReadDr {
        dr: u8,
        reg: u8,
    },
    WriteDr {
        dr: u8,
        reg: u8,
    },
    Clts,
    /// invd, wbinvd or wbnoinvd.
    FlushCache,
    Rdtsc,
    Rdtscp,
    Rdmsr,
    Wrmsr,
    Xsetbv,
}

/// A segment whose base is not 0 in 64-bit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "names of the processor manual")]
pub(crate) enum Based {
    Fs,
    Gs,
}

/// A decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Insn {
    /// What it does.
    pub op: Op,
    /// Its length in bytes.
    pub len: u8,
    /// Whether a `rep` prefix repeats it.
    pub rep: bool,
    /// Whether addresses in registers are 32 bits wide.
    pub address32: bool,
    /// The segment prefix, which counts for `outs` only.
    pub segment: Option<Based>,
}

/// Prefixes seen so far.
#[derive(Default)]
struct Prefixes {
    operand16: bool,
    address32: bool,
    rep: bool,
    segment: Option<Based>,
    rex: u8,
}

/// Bit of a REX prefix: 64-bit operands.
const REX_W: u8 = 8;
/// Bit of a REX prefix: extends the ModRM byte's `reg`.
const REX_R: u8 = 4;
/// Bit of a REX prefix: extends the ModRM byte's `rm`.
const REX_B: u8 = 1;

/// Decodes the instruction at the start of `bytes`; `None` if it is not there whole or not known.
/// None of these may have a `lock` prefix.
#[inline]
pub(crate) fn decode(bytes: &[u8]) -> Option<Insn> {
    match bytes {
        [first, second, third, ..] => {
            frequent([*first, *second, *third]).or_else(|| general(bytes))
        }
        _ => general(bytes),
    }
}

/// The forms that kernels execute all the time, which have no prefix: a few comparisons.
#[inline(always)]
pub(crate) fn frequent([first, second, third]: [u8; 3]) -> Option<Insn> {
    let (special, reg) = (third >> 3 & 7, third & 7);
    let size = if first & 1 == 0 { 1 } else { 4 };
    let (op, len) = match first {
        0x0f => match second {
            0x32 => (Op::Rdmsr, 2),
            0x30 => (Op::Wrmsr, 2),
            0x20 => (Op::ReadCr { cr: special, reg }, 3),
            0x22 => (Op::WriteCr { cr: special, reg }, 3),
            0x06 => (Op::Clts, 2),
            _ => return None,
        },
        0xec | 0xed => (
            Op::In {
                port: PortOperand::Dx,
                size,
            },
            1,
        ),
        0xee | 0xef => (
            Op::Out {
                port: PortOperand::Dx,
                size,
            },
            1,
        ),
        0xe4 | 0xe5 => (
            Op::In {
                port: PortOperand::Fixed(second),
                size,
            },
            2,
        ),
        0xe6 | 0xe7 => (
            Op::Out {
                port: PortOperand::Fixed(second),
                size,
            },
            2,
        ),
        0xfa => (Op::Cli, 1),
        0xfb => (Op::Sti, 1),
        _ => return None,
    };
    Some(Insn {
        op,
        len,
        rep: false,
        address32: false,
        segment: None,
    })
}

/// All forms.
#[inline(never)]
fn general(bytes: &[u8]) -> Option<Insn> {
    let bytes = bytes.get(..bytes.len().min(MAX_LENGTH))?;
    let mut p = Prefixes::default();
    let mut at = 0;
    let opcode = loop {
        let byte = *bytes.get(at)?;
        at += 1;
        if !p.take(byte) {
            break byte;
        }
    };
    let op = if opcode == 0x0f {
        let second = *bytes.get(at)?;
        at += 1;
        let (op, more) = two_bytes(second, bytes.get(at..)?, &p)?;
        at += more;
        op
    } else {
        let (op, more) = one_byte(opcode, bytes.get(at).copied(), p.operand_size())?;
        at += more;
        op
    };
    Some(Insn {
        op,
        len: at as u8,
        rep: p.rep,
        address32: p.address32,
        segment: p.segment,
    })
}

impl Prefixes {
    /// Notes `byte` if it is a prefix. A REX prefix counts only right before the opcode.
    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        if byte & 0xf0 == 0x40 {
            self.rex = byte;
            return true;
        }
        match byte {
            0x66 => self.operand16 = true,
            0x67 => self.address32 = true,
            0xf2 | 0xf3 => self.rep = true,
            0x64 => self.segment = Some(Based::Fs),
            0x65 => self.segment = Some(Based::Gs),
            // In 64-bit code these neither name a segment nor end the effect of one that does.
            0x26 | 0x2e | 0x36 | 0x3e => {}
            _ => return false,
        }
        self.rex = 0;
        true
    }

    /// Bytes of a port access that is not a byte's: there is none of eight.
    const fn operand_size(&self) -> u8 {
        if self.operand16 && self.rex & REX_W == 0 {
            2
        } else {
            4
        }
    }
}

/// One-byte opcodes; `next` is the byte behind. Gives the number of bytes taken from there.
#[inline]
fn one_byte(opcode: u8, next: Option<u8>, wide: u8) -> Option<(Op, usize)> {
    let size = if opcode & 1 == 0 { 1 } else { wide };
    let dx = PortOperand::Dx;
    Some(match opcode {
        0x6c | 0x6d => (Op::Ins { size }, 0),
        0x6e | 0x6f => (Op::Outs { size }, 0),
        0xe4 | 0xe5 => {
            let port = PortOperand::Fixed(next?);
            (Op::In { port, size }, 1)
        }
        0xe6 | 0xe7 => {
            let port = PortOperand::Fixed(next?);
            (Op::Out { port, size }, 1)
        }
        0xec | 0xed => (Op::In { port: dx, size }, 0),
        0xee | 0xef => (Op::Out { port: dx, size }, 0),
        0xfa => (Op::Cli, 0),
        0xfb => (Op::Sti, 0),
        _ => return None,
    })
}

/// Opcodes behind 0x0f; `behind` starts behind the second opcode byte. Gives the number of bytes
/// taken from there.
#[inline]
fn two_bytes(opcode: u8, behind: &[u8], p: &Prefixes) -> Option<(Op, usize)> {
    match opcode {
        0x20..=0x23 => {
            // The processor ignores the mode bits here: the operand is always a register.
            let modrm = *behind.first()?;
            let special = modrm >> 3 & 7 | (p.rex & REX_R) << 1;
            let reg = modrm & 7 | (p.rex & REX_B) << 3;
            let op = match opcode {
                0x20 => Op::ReadCr { cr: special, reg },
                0x21 => Op::ReadDr { dr: special, reg },
                0x22 => Op::WriteCr { cr: special, reg },
                _ => Op::WriteDr { dr: special, reg },
            };
            Some((op, 1))
        }
        0x32 => Some((Op::Rdmsr, 0)),
        0x30 => Some((Op::Wrmsr, 0)),
        0x06 => Some((Op::Clts, 0)),
        0x08 | 0x09 => Some((Op::FlushCache, 0)),
        0x31 => Some((Op::Rdtsc, 0)),
        0x01 => match behind.first()? {
            // With these prefixes it would be another instruction, and is none.
            0xd1 if !p.operand16 && !p.rep => Some((Op::Xsetbv, 1)),
            0xf9 => Some((Op::Rdtscp, 1)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    fn op(bytes: &[u8]) -> Option<(Op, u8)> {
        decode(bytes).map(|i| (i.op, i.len))
    }

    #[test]
    fn known_encodings() {
        let dx = PortOperand::Dx;
        assert_eq!(op(&[0xec]), Some((Op::In { port: dx, size: 1 }, 1)));
        assert_eq!(op(&[0x66, 0xed]), Some((Op::In { port: dx, size: 2 }, 2)));
        assert_eq!(op(&[0xef]), Some((Op::Out { port: dx, size: 4 }, 1)));
        let fixed = Op::Out {
            port: PortOperand::Fixed(0x42),
            size: 1,
        };
        assert_eq!(op(&[0xe6, 0x42]), Some((fixed, 2)));
        assert_eq!(op(&[0xfa]), Some((Op::Cli, 1)));
        assert_eq!(
            op(&[0x0f, 0x20, 0xe0]),
            Some((Op::ReadCr { cr: 4, reg: 0 }, 3))
        );
        assert_eq!(
            op(&[0x0f, 0x22, 0xe7]),
            Some((Op::WriteCr { cr: 4, reg: 7 }, 3))
        );
        assert_eq!(
            op(&[0x44, 0x0f, 0x20, 0xc0]),
            Some((Op::ReadCr { cr: 8, reg: 0 }, 4))
        );
        assert_eq!(
            op(&[0x41, 0x0f, 0x20, 0xd4]),
            Some((Op::ReadCr { cr: 2, reg: 12 }, 4))
        );
        assert_eq!(
            op(&[0x0f, 0x23, 0xf8]),
            Some((Op::WriteDr { dr: 7, reg: 0 }, 3))
        );
        assert_eq!(op(&[0x0f, 0x32]), Some((Op::Rdmsr, 2)));
        assert_eq!(op(&[0x0f, 0x01, 0xd1]), Some((Op::Xsetbv, 3)));
        assert!(decode(&[0xf3, 0x6c]).unwrap().rep);
    }

    #[test]
    fn what_is_not_known() {
        let unknown: [&[u8]; 12] = [
            &[],
            &[0x0f],
            &[0x66],
            &[0x48],
            &[0xe4],
            &[0x0f, 0x20],
            &[0x0f, 0x01, 0xf8],
            &[0x0f, 0x0b],
            &[0xf4],
            &[0x90],
            &[0x66; 16],
            &[0xf0, 0xfa],
        ];
        for bytes in unknown {
            assert_eq!(decode(bytes), None, "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Some(i) = decode(&bytes) {
                prop_assert!(i.len >= 1 && usize::from(i.len) <= bytes.len().min(MAX_LENGTH));
                // Nothing behind its end has a say.
                prop_assert_eq!(decode(&bytes[..usize::from(i.len)]), Some(i));
            }
        }

        #[test]
        fn prefixes_then_opcode(
            before in prop::collection::vec(prop::sample::select(vec![0x66_u8, 0x67, 0xf2, 0xf3, 0x48, 0x4f]), 0..6),
            opcode in prop::sample::select(vec![0xec_u8, 0xed, 0xee, 0xef, 0xfa, 0xfb, 0x6c, 0x6f]),
        ) {
            let mut bytes = before.clone();
            bytes.push(opcode);
            let i = decode(&bytes).unwrap();
            prop_assert_eq!(usize::from(i.len), bytes.len());
        }
    }
}
