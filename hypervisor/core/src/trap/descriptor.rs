//! Which segment descriptors a guest may have, and in what form.
//!
//! The processor trusts GDT and LDT; so a descriptor page holds only what this module admitted.
//! The forms are those that Debian's Xen 4.17 stores for a 64-bit guest.

use hypercall_abi::arch_x86_64::{FIRST_RESERVED_GDT_BYTE, FLAT_USER_CS};

/// Bit 47: the descriptor is present.
const PRESENT: u64 = 1 << 47;
/// Bits 45-46: descriptor privilege level.
const DPL: u64 = 3 << 45;
/// Bit 44: code or data, not a system descriptor.
const CODE_OR_DATA: u64 = 1 << 44;
/// Bits 40-43 of a system descriptor: its type.
const TYPE: u64 = 0xf << 40;
/// A call gate.
const TYPE_CALL_GATE: u64 = 0xc << 40;
/// Lowest bit of a gate's target selector.
const GATE_SELECTOR: u32 = 16;
/// Bits 16-17 of a gate: requested privilege level of the target's selector.
const GATE_RPL: u64 = 3 << GATE_SELECTOR;
/// Bits 32-39 of a gate: parameters to copy, which 64-bit gates do not have, and reserved bits.
const GATE_PARAMETERS: u64 = 0xff << 32;
/// Bit 2 of a selector: it is one of the LDT's.
const LOCAL: u16 = 1 << 2;

/// The form in which the 8-byte descriptor `raw` may stand in a guest's table; `None` when no form
/// may.
///
/// A descriptor that is not present is any number. Code and data get privilege level 3, the only
/// one guests run at. A call gate gets level 0, so that guests cannot go through it; it has
/// no parameters, and does not lead to the hypervisor's selectors. The reserved type 0, which is the second half of a call
/// gate, does nothing and stays. All other system descriptors (interrupt, trap and task gates, TSS,
/// LDT) are refused.
#[inline]
#[must_use]
pub const fn admit(raw: u64) -> Option<u64> {
    if raw & PRESENT == 0 {
        Some(raw)
    } else if raw & CODE_OR_DATA != 0 {
        Some(raw | DPL)
    } else if raw & TYPE == TYPE_CALL_GATE {
        if raw & GATE_PARAMETERS == 0 && gate_may_lead_to((raw >> GATE_SELECTOR) as u16) {
            Some((raw & !DPL) | GATE_RPL)
        } else {
            None
        }
    } else if raw & TYPE == 0 {
        Some(raw)
    } else {
        None
    }
}

/// Whether a call gate may lead to `selector`: one that the guest describes itself, or the 64-bit
/// code of guests.
const fn gate_may_lead_to(selector: u16) -> bool {
    const RESERVED: u32 = FIRST_RESERVED_GDT_BYTE;
    selector == FLAT_USER_CS || selector & LOCAL != 0 || (selector as u32) < RESERVED
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What Debian's Xen 4.17 answered to update_descriptor, and what it stored.
    #[test]
    fn stores_what_real_xen_stores() {
        let admitted = [
            (0, 0),
            (0x00af_fa00_0000_ffff, 0x00af_fa00_0000_ffff),
            (0x00cf_9200_0000_ffff, 0x00cf_f200_0000_ffff),
            (0x00af_9a00_0000_ffff, 0x00af_fa00_0000_ffff),
            (0x00af_ba00_0000_ffff, 0x00af_fa00_0000_ffff),
            (0x00af_fe00_0000_ffff, 0x00af_fe00_0000_ffff),
            (0x00ef_fa00_0000_ffff, 0x00ef_fa00_0000_ffff),
            (0x0000_ec00_0000_0000, 0x0000_8c00_0003_0000),
            (0x0000_0c00_0000_0000, 0x0000_0c00_0000_0000),
            (1, 1),
            (0xffff_faff_ffff_ffff, 0xffff_faff_ffff_ffff),
        ];
        for (raw, stored) in admitted {
            // 0xba is code with DPL 1.
            assert_eq!(
                admit(raw).map(|d| d & !(1 << 53)),
                Some(stored & !(1 << 53))
            );
        }
        let refused = [
            0x0000_e900_0000_ffff_u64,
            0x0000_8900_0000_0067,
            0x0000_8200_0000_0067,
            0x0000_e200_0000_0067,
            0x0000_8e00_0000_0000,
            0x0000_ee00_0000_0000,
            0x0000_8500_0000_0000,
            // Call gates to the hypervisor's selectors.
            0x0000_8c00_e008_0000,
            0x0000_8c00_e030_0000,
            0x0000_8c00_e023_0000,
            0x0000_8c00_fff8_0000,
            // With parameters.
            0x0000_8c01_e033_0000,
            0x0000_8c80_e033_0000,
        ];
        for raw in refused {
            assert_eq!(admit(raw), None, "{raw:#x}");
        }
    }

    /// Every access byte, whatever the rest: nothing present and privileged is ever admitted but
    /// a gate that nobody can use.
    #[test]
    fn every_access_byte() {
        for access in 0..=255_u64 {
            for rest in [0, 0x00ff_0000_ffff_ffff_u64, 0xff6f_00ff_ffff_ffff] {
                let raw = access << 40 | rest & !(0xff << 40);
                let Some(stored) = admit(raw) else {
                    assert_eq!(access & 0x90, 0x80, "{access:#x}");
                    assert!(
                        access & 0xf != 0 && (access & 0xf != 0xc || raw & GATE_PARAMETERS != 0)
                    );
                    continue;
                };
                let dpl = stored >> 45 & 3;
                match (access & 0x80 != 0, access & 0x10 != 0) {
                    (false, _) => assert_eq!(stored, raw),
                    (true, false) if access & 0xf == 0 => assert_eq!(stored, raw),
                    (true, true) => assert_eq!(dpl, 3),
                    (true, false) => assert_eq!((dpl, access & 0xf), (0, 0xc)),
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_stored_form_is_admitted_unchanged(raw: u64) {
            if let Some(stored) = admit(raw) {
                prop_assert_eq!(admit(stored), Some(stored));
            }
        }
    }
}
