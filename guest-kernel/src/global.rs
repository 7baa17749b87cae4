//! Kernel-wide state without locks.
//!
//! All of it belongs to vCPU 0 (see [`crate::smp`] for the others), which runs the kernel with event
//! upcalls masked and gives the processor up only inside `task::schedule` and `idle`. So a closure that does not call those is atomic, and a
//! [`Global`] needs no lock: it checks that it is not entered twice, and the scheduler checks
//! that none is open when it switches.

use core::cell::{Cell, RefCell};

/// A value used by one closure at a time.
pub(crate) struct Global<T>(RefCell<T>);

// SAFETY: vCPU 0 alone, upcalls masked in kernel mode: no two accesses are ever concurrent. Nested
// access is caught by the RefCell.
unsafe impl<T: Send> Sync for Global<T> {}

struct OpenCount(Cell<u32>);

// SAFETY: as for `Global`.
unsafe impl Sync for OpenCount {}

static OPEN: OpenCount = OpenCount(Cell::new(0));

impl<T> Global<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Runs `f` on the value. `f` must not give the processor up and must not enter this value
    /// again (that panics).
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.0.borrow_mut();
        OPEN.0.set(OPEN.0.get() + 1);
        let result = f(&mut value);
        OPEN.0.set(OPEN.0.get() - 1);
        result
    }
}

/// Panics if a [`Global`] is in use: the caller is about to give the processor up.
pub(crate) fn assert_none_open() {
    assert_eq!(
        OPEN.0.get(),
        0,
        "the processor is given up while kernel state is in use"
    );
}
