//! The one lock of a domain. Where two domains are locked at once, they are locked in the order of
//! their ids; on the host, where tests run, every lock taken is checked against those held.

use core::ops::{Deref, DerefMut};

use spin::{Mutex, MutexGuard};

use super::{Domain, DomainState};

/// A domain's lock, held.
pub struct DomainGuard<'a> {
    #[cfg(any(test, feature = "testkit"))]
    _held: order::Held,
    state: MutexGuard<'a, DomainState>,
}

impl Deref for DomainGuard<'_> {
    type Target = DomainState;
    #[inline]
    fn deref(&self) -> &DomainState {
        &self.state
    }
}

impl DerefMut for DomainGuard<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut DomainState {
        &mut self.state
    }
}

impl Domain {
    /// Takes the domain's lock.
    #[inline]
    pub fn lock(&self) -> DomainGuard<'_> {
        #[cfg(any(test, feature = "testkit"))]
        let held = order::Held::new(self.id());
        DomainGuard {
            #[cfg(any(test, feature = "testkit"))]
            _held: held,
            state: take(&self.state),
        }
    }
}

/// Takes a lock; in a test with several CPUs, by turns with the others.
#[inline]
pub(crate) fn take<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(any(test, feature = "testkit"))]
    return order::take_turns(lock);
    #[cfg(not(any(test, feature = "testkit")))]
    lock.lock()
}

/// Takes two domains' locks in domid order, whatever the order of the arguments; one lock if both
/// are the same domain. Returned in the order of the arguments.
#[inline(always)]
pub fn lock_pair<'a>(a: &'a Domain, b: &'a Domain) -> (DomainGuard<'a>, Option<DomainGuard<'a>>) {
    if core::ptr::eq(a, b) {
        return (a.lock(), None);
    }
    let (first, second) = lock_two(a, b);
    (first, Some(second))
}

#[inline(never)]
fn lock_two<'a>(a: &'a Domain, b: &'a Domain) -> (DomainGuard<'a>, DomainGuard<'a>) {
    if a.id() < b.id() {
        let first = a.lock();
        (first, b.lock())
    } else {
        let second = b.lock();
        (a.lock(), second)
    }
}

#[cfg(any(test, feature = "testkit"))]
mod order {
    use alloc::vec::Vec;
    use core::cell::RefCell;

    use spin::{Mutex, MutexGuard};

    use crate::platform::CpuId;
    use crate::testkit::turns;

    std::thread_local! {
        /// Ids of the domains that this thread has locked, with the CPU if it plays several.
        static HELD: RefCell<Vec<(Option<CpuId>, u16)>> = const { RefCell::new(Vec::new()) };
    }

    /// Takes a lock, by turns with the other CPUs of a test that has such.
    pub(super) fn take_turns<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
        turns::turn_after_stores();
        loop {
            match lock.try_lock() {
                Some(guard) => return guard,
                None if turns::wait() => {}
                None => return lock.lock(),
            }
        }
    }

    /// An entry in the list of locks held.
    pub(super) struct Held(u16);

    impl Held {
        /// A lock is about to be taken.
        pub(super) fn new(id: u16) -> Self {
            HELD.with_borrow_mut(|held| {
                let mine = held.iter().filter(|(cpu, _)| *cpu == turns::cpu());
                let last = mine.map(|&(_, id)| id).max();
                assert!(
                    last.is_none_or(|last| last < id),
                    "domain {id} is locked after domain {last:?}"
                );
                held.push((turns::cpu(), id));
            });
            Self(id)
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            turns::turn_after_stores();
            let mine = (turns::cpu(), self.0);
            HELD.with_borrow_mut(|held| held.retain(|&other| other != mine));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    #[test]
    fn pairs_are_locked_in_domid_order() {
        let hv = testkit::hypervisor(64, 1);
        let [a, b] = [3, 5].map(|id| testkit::domain(hv, id, 1, 4));
        drop(lock_pair(a, b));
        drop(lock_pair(b, a));
        assert!(lock_pair(a, a).1.is_none());
    }

    #[test]
    #[should_panic(expected = "domain 3 is locked after domain Some(5)")]
    fn the_other_order_is_found() {
        let hv = testkit::hypervisor(64, 1);
        let [a, b] = [3, 5].map(|id| testkit::domain(hv, id, 1, 4));
        let _second = b.lock();
        let _first = a.lock();
    }

    #[test]
    #[should_panic(expected = "domain 3 is locked after domain Some(3)")]
    fn a_lock_taken_twice_is_found() {
        let hv = testkit::hypervisor(64, 1);
        let dom = testkit::domain(hv, 3, 1, 4);
        let _once = dom.lock();
        let _twice = dom.lock();
    }
}
