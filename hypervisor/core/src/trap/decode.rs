//! A decoder for the closed set of instructions that the emulator knows, in 64-bit code. Every
//! other byte sequence is no instruction to it.

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
    /// invd or wbinvd.
    FlushCache,
    Rdmsr,
    Wrmsr,
    Xsetbv,
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
}

/// Prefixes seen so far.
#[derive(Default)]
struct Prefixes {
    operand16: bool,
    address32: bool,
    rep: bool,
    rex: u8,
}

/// Bit of a REX prefix: extends the ModRM byte's `reg`.
const REX_R: u8 = 4;
/// Bit of a REX prefix: extends the ModRM byte's `rm`.
const REX_B: u8 = 1;

/// Decodes the instruction at the start of `bytes`; `None` if it is not there whole or not known.
/// Segment prefixes of string instructions are not known: nobody uses them with ports.
pub(crate) fn decode(bytes: &[u8]) -> Option<Insn> {
    let bytes = bytes.get(..bytes.len().min(MAX_LENGTH))?;
    let (p, at) = prefixes(bytes)?;
    let opcode = *bytes.get(at)?;
    let wide = if p.operand16 { 2 } else { 4 };
    let imm = bytes.get(at + 1).copied();
    let simple = |op| Some((op, 1));
    let (op, len) = match opcode {
        0x6c => simple(Op::Ins { size: 1 }),
        0x6d => simple(Op::Ins { size: wide }),
        0x6e => simple(Op::Outs { size: 1 }),
        0x6f => simple(Op::Outs { size: wide }),
        0xe4 | 0xe5 => {
            let size = if opcode & 1 == 0 { 1 } else { wide };
            Some((
                Op::In {
                    port: PortOperand::Fixed(imm?),
                    size,
                },
                2,
            ))
        }
        0xe6 | 0xe7 => {
            let size = if opcode & 1 == 0 { 1 } else { wide };
            Some((
                Op::Out {
                    port: PortOperand::Fixed(imm?),
                    size,
                },
                2,
            ))
        }
        0xec => simple(Op::In {
            port: PortOperand::Dx,
            size: 1,
        }),
        0xed => simple(Op::In {
            port: PortOperand::Dx,
            size: wide,
        }),
        0xee => simple(Op::Out {
            port: PortOperand::Dx,
            size: 1,
        }),
        0xef => simple(Op::Out {
            port: PortOperand::Dx,
            size: wide,
        }),
        0xfa => simple(Op::Cli),
        0xfb => simple(Op::Sti),
        0x0f => two_bytes(bytes.get(at + 1..)?, p.rex).map(|(op, len)| (op, len + 1)),
        _ => None,
    }?;
    Some(Insn {
        op,
        len: (at + len) as u8,
        rep: p.rep,
        address32: p.address32,
    })
}

fn prefixes(bytes: &[u8]) -> Option<(Prefixes, usize)> {
    let mut p = Prefixes::default();
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            0x66 => p.operand16 = true,
            0x67 => p.address32 = true,
            0xf2 | 0xf3 => p.rep = true,
            0x40..=0x4f => {
                // A REX prefix counts only right before the opcode.
                if !is_prefix(*bytes.get(at + 1)?) {
                    p.rex = byte;
                    return Some((p, at + 1));
                }
            }
            _ => return Some((p, at)),
        }
    }
    None
}

const fn is_prefix(byte: u8) -> bool {
    matches!(byte, 0x66 | 0x67 | 0xf2 | 0xf3 | 0x40..=0x4f)
}

/// Opcodes behind 0x0f; `bytes` starts at the second opcode byte.
fn two_bytes(bytes: &[u8], rex: u8) -> Option<(Op, usize)> {
    let opcode = *bytes.first()?;
    match opcode {
        0x01 if bytes.get(1) == Some(&0xd1) => return Some((Op::Xsetbv, 2)),
        0x06 => return Some((Op::Clts, 1)),
        0x08 | 0x09 => return Some((Op::FlushCache, 1)),
        0x30 => return Some((Op::Wrmsr, 1)),
        0x32 => return Some((Op::Rdmsr, 1)),
        _ => {}
    }
    if !matches!(opcode, 0x20..=0x23) {
        return None;
    }
    // The processor ignores the mode bits here: the operand is always a register.
    let modrm = *bytes.get(1)?;
    let extend = |bit: u8| if rex & bit != 0 { 8 } else { 0 };
    let special = modrm >> 3 & 7 | extend(REX_R);
    let reg = modrm & 7 | extend(REX_B);
    let op = match opcode {
        0x20 => Op::ReadCr { cr: special, reg },
        0x21 => Op::ReadDr { dr: special, reg },
        0x22 => Op::WriteCr { cr: special, reg },
        _ => Op::WriteDr { dr: special, reg },
    };
    Some((op, 2))
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
