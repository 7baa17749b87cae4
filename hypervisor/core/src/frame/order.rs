//! In which order a frame's word, its stamp and the flush clock are touched, as a test sees it.
//!
//! The model check of `tests/frame_model` has these orders written out, a step for each touch; there
//! the real code is watched while it does the same, and must touch the same things in the same order.
//! Outside of tests nothing is left of this.

/// One access to what several CPUs share of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touch {
    /// The frame's word is replaced by this one.
    Word(u64),
    /// A page-table entry that names the frame is stored, or one that did is replaced.
    Entry {
        /// Whether it names the frame now.
        present: bool,
    },
    /// The frame's contents are examined as a table.
    Examine,
    /// The frame's stamp is read.
    ReadStamp,
    /// The frame is stamped, unless it bears a later stamp.
    Stamp(u32),
    /// The clock is read, for a stamp.
    ReadClock,
    /// It is asked which CPUs have not flushed since a stamp.
    WhoIsStale,
    /// A flush begins.
    BeginFlush,
    /// A CPU flushes.
    Flush(u32),
    /// The flush of a CPU is noted.
    EndFlush(u32),
    /// The frame leaves the free map.
    FromFreeMap,
    /// And comes to it.
    ToFreeMap,
    /// A CPU leaves the guests' address spaces.
    LeaveSpace,
    /// It says so.
    SayAway,
    /// It says that it is on its way to one.
    SayBack,
    /// It enters one.
    EnterSpace,
}

#[cfg(any(test, feature = "testkit"))]
mod watched {
    use std::cell::{Cell, RefCell};
    use std::vec::Vec;

    use super::Touch;
    use crate::addr::Mfn;
    use crate::frame::table::{FrameInfo, FrameTable};

    std::thread_local! {
        /// The frame that this thread watches: its number, and where the table has it.
        static FRAME: Cell<Option<(Mfn, usize)>> = const { Cell::new(None) };
        static TOUCHED: RefCell<Vec<Touch>> = const { RefCell::new(Vec::new()) };
    }

    fn place(info: &FrameInfo) -> usize {
        core::ptr::from_ref(info) as usize
    }

    /// From now on this thread's touches of `mfn`, and of the clock, are noted.
    pub fn watch(frames: &FrameTable, mfn: Mfn) {
        FRAME.set(frames.info(mfn).map(|info| (mfn, place(info))));
        TOUCHED.take();
    }

    /// What was touched since the last call.
    pub fn take_touched() -> Vec<Touch> {
        TOUCHED.take()
    }

    pub(crate) fn is_watched(mfn: Mfn) -> bool {
        FRAME.get().is_some_and(|(watched, _)| watched == mfn)
    }

    pub(crate) fn touched(touch: Touch) {
        if FRAME.get().is_some() {
            TOUCHED.with_borrow_mut(|all| all.push(touch));
        }
    }

    pub(crate) fn touched_info(info: &FrameInfo, touch: Touch) {
        if FRAME.get().is_some_and(|(_, at)| at == place(info)) {
            touched(touch);
        }
    }

    pub(crate) fn touched_frame(mfn: Mfn, touch: Touch) {
        if is_watched(mfn) {
            touched(touch);
        }
    }
}

#[cfg(any(test, feature = "testkit"))]
pub use watched::{take_touched, watch};
#[cfg(any(test, feature = "testkit"))]
pub(crate) use watched::{touched, touched_frame, touched_info};

#[cfg(not(any(test, feature = "testkit")))]
mod unwatched {
    use super::Touch;
    use crate::addr::Mfn;
    use crate::frame::table::FrameInfo;

    #[inline(always)]
    pub(crate) const fn touched(_: Touch) {}
    #[inline(always)]
    pub(crate) const fn touched_info(_: &FrameInfo, _: Touch) {}
    #[inline(always)]
    pub(crate) const fn touched_frame(_: Mfn, _: Touch) {}
}

#[cfg(not(any(test, feature = "testkit")))]
pub(crate) use unwatched::{touched, touched_frame, touched_info};
