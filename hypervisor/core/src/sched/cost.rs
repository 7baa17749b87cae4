//! What decisions cost, counted on the host: each step whose number could grow with the number of
//! vCPUs, domains or CPUs. In the binary a step is nothing.

#[cfg(any(test, feature = "testkit"))]
std::thread_local! {
    static STEPS: core::cell::Cell<u64> = const { core::cell::Cell::new(0) };
}

/// One element of a queue, or one CPU, was looked at.
#[inline(always)]
pub(super) fn step() {
    #[cfg(any(test, feature = "testkit"))]
    STEPS.set(STEPS.get() + 1);
}

/// Steps that this thread made since it asked last.
#[cfg(any(test, feature = "testkit"))]
#[must_use]
pub fn take_steps() -> u64 {
    STEPS.take()
}
