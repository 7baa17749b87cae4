//! Where a vCPU goes on: the one constructor of what the processor's return instruction loads.

use hypercall_abi::arch_x86_64::{FLAT_KERNEL_CS, FLAT_KERNEL_SS, FLAT_USER_CS, FLAT_USER_SS};

use crate::addr::canonical;
use crate::vcpu::Regs;

/// Trap flag.
pub const TF: u64 = 1 << 8;
/// Interrupt flag.
pub const IF: u64 = 1 << 9;
/// Bits of the I/O privilege level.
pub const IOPL: u64 = 3 << 12;
/// Lowest bit of the I/O privilege level.
pub const IOPL_SHIFT: u32 = 12;
/// Nested task.
pub const NT: u64 = 1 << 14;
/// Resume flag.
pub const RF: u64 = 1 << 16;
/// Virtual-8086 mode.
pub const VM: u64 = 1 << 17;
/// Alignment check.
pub const AC: u64 = 1 << 18;
/// Virtual interrupt flag and its pending bit.
pub const VIF_VIP: u64 = 3 << 19;

/// Flags that a guest owns: CF PF AF ZF SF TF DF OF NT RF AC ID.
pub const GUEST_FLAGS: u64 = 0x0025_4dd5;
/// Flags that are always set while a guest runs: the reserved one, and interrupts.
pub const SET_FLAGS: u64 = 1 << 1 | IF;
/// Flags that a handler is not entered with.
const CLEARED_FOR_HANDLERS: u64 = TF | NT | RF | VM | AC;
/// Flags that a handler is entered with as they were.
pub const HANDLER_FLAGS: u64 = GUEST_FLAGS & !CLEARED_FOR_HANDLERS;

/// A place to go on that no guest can abuse: canonical RIP, privilege level 3, interrupts on, no
/// I/O privilege. Selectors may still be null, or ones that the descriptor tables do not hold; then
/// the return instruction faults, and the fault is the guest's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct ExitFrame {
    rip: u64,
    cs: u16,
    rflags: u64,
    rsp: u64,
    ss: u16,
    /// [`Regs::SYSCALL`] where `sysret` leads there, else 0: not the frame of a `syscall`, and all
    /// registers count.
    error_vector: u64,
}

/// There is no exit frame: RIP is not canonical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadExit;

impl ExitFrame {
    /// From values of a guest.
    ///
    /// # Errors
    /// What the processor would answer with #GP(0).
    #[inline]
    pub fn new(rip: u64, cs: u16, rflags: u64, rsp: u64, ss: u16) -> Result<Self, BadExit> {
        if !canonical(rip) {
            return Err(BadExit);
        }
        Ok(Self {
            rip,
            cs: cs | 3,
            rflags: rflags & GUEST_FLAGS | SET_FLAGS,
            rsp,
            ss: ss | 3,
            error_vector: 0,
        })
    }

    /// Behind a `syscall`: by `sysret`, to 64-bit code, with RCX and R11 as that leaves them. A
    /// trap flag strikes before the first instruction there, not behind it.
    ///
    /// # Errors
    /// When `rip` is not canonical.
    #[inline]
    pub fn behind_syscall(rip: u64, rflags: u64, rsp: u64) -> Result<Self, BadExit> {
        let frame = Self::new(rip, FLAT_USER_CS, rflags, rsp, FLAT_USER_SS)?;
        Ok(Self {
            error_vector: Regs::SYSCALL,
            ..frame
        })
    }

    /// Into a handler of the guest kernel: flat segments, the interrupted flags without those that
    /// a handler must not inherit.
    ///
    /// # Errors
    /// When the handler's address is not canonical.
    #[inline]
    pub fn handler(rip: u64, rflags: u64, rsp: u64) -> Result<Self, BadExit> {
        let rflags = rflags & HANDLER_FLAGS;
        Self::new(rip, FLAT_KERNEL_CS, rflags, rsp, FLAT_KERNEL_SS)
    }

    /// Puts it where the entry code loads it from.
    #[inline]
    pub fn apply(self, regs: &mut Regs) {
        regs.rip = self.rip;
        regs.cs = u64::from(self.cs);
        regs.rflags = self.rflags;
        regs.rsp = self.rsp;
        regs.ss = u64::from(self.ss);
        regs.error_vector = self.error_vector;
    }
}

/// `rflags` as a guest may have them.
#[inline]
#[must_use]
pub const fn guest_flags(rflags: u64) -> u64 {
    rflags & GUEST_FLAGS | SET_FLAGS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_safe(regs: &Regs) {
        assert!(canonical(regs.rip));
        assert_eq!((regs.cs & 3, regs.ss & 3), (3, 3));
        assert!(regs.cs >> 16 == 0 && regs.ss >> 16 == 0);
        assert_eq!(regs.rflags & (IF | 2), IF | 2);
        assert_eq!(regs.rflags & (IOPL | VM | VIF_VIP), 0);
        assert_eq!(regs.rflags & !0x25_4fd7, 0, "reserved flags");
    }

    #[test]
    fn flags_of_real_xen() {
        // Left side: given to iret; right side: as the next exception's frame showed them.
        for (given, seen) in [(0x324_7fd5, 0x24_4fd7), (0x24_7ed5, 0x24_4ed7), (0, 0x202)] {
            assert_eq!(guest_flags(given), seen);
        }
        let f = ExitFrame::handler(0x1000, 0x25_4fd7, 0x2000).unwrap();
        assert_eq!(f.rflags, 0x20_0ed7, "as read in a handler on real Xen");
    }

    proptest! {
        #[test]
        fn no_frame_is_dangerous(rip: u64, cs: u16, rflags: u64, rsp: u64, ss: u16) {
            let mut regs = Regs::default();
            match ExitFrame::new(rip, cs, rflags, rsp, ss) {
                Ok(f) => {
                    f.apply(&mut regs);
                    is_safe(&regs);
                }
                Err(BadExit) => prop_assert!(!canonical(rip)),
            }
            if let Ok(f) = ExitFrame::behind_syscall(rip, rflags, rsp) {
                f.apply(&mut regs);
                is_safe(&regs);
                prop_assert_eq!((regs.cs as u16, regs.ss as u16), (FLAT_USER_CS, FLAT_USER_SS));
            }
            if let Ok(f) = ExitFrame::handler(rip, rflags, rsp) {
                f.apply(&mut regs);
                is_safe(&regs);
                prop_assert_eq!(regs.rflags & CLEARED_FOR_HANDLERS, 0);
            }
        }

        #[test]
        fn canonical_code_and_all_selectors(low in 0_u64..1 << 47, high: bool, cs: u16, ss: u16) {
            let rip = if high { !low } else { low };
            let made = ExitFrame::new(rip, cs, u64::MAX, 0, ss);
            prop_assert!(made.is_ok());
        }
    }
}
