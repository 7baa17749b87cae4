//! The front end's side of io/xenbus.h: what to do about the state that the back end says it has.

#![expect(
    non_upper_case_globals,
    reason = "states have the names of the public header"
)]

use hypercall_abi::io::xenbus::*;

/// How often a front end begins anew because its back end has closed, or has begun anew.
const AGAIN_MAX: u32 = 64;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until there is another state.
    Wait,
    /// Make what is to be shared, say where it is, and say [`XenbusStateConnected`].
    Connect,
    /// Give back what is shared, and say [`XenbusStateClosed`].
    Close,
    /// Say [`XenbusStateInitialising`]: there is nothing shared.
    Begin,
}

/// A front end: what it has said last.
#[derive(Clone, Copy, Debug)]
pub struct Front {
    state: XenbusState,
    again: u32,
}

impl Default for Front {
    fn default() -> Self {
        Self::new()
    }
}

impl Front {
    /// As the toolstack has made its nodes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: XenbusStateInitialising,
            again: 0,
        }
    }

    /// What it has said last.
    #[must_use]
    pub fn state(&self) -> XenbusState {
        self.state
    }

    /// Notes what was said.
    pub fn said(&mut self, state: XenbusState) {
        self.state = state;
    }

    /// What to do when the back end has a state, 0 if it says none, and is to be there (`online`)
    /// or to go.
    pub fn step(&mut self, back: XenbusState, online: bool) -> Step {
        let connected = matches!(self.state, XenbusStateConnected | XenbusStateReconfiguring);
        match back {
            XenbusStateInitWait | XenbusStateInitialised if connected => Step::Close,
            XenbusStateInitWait | XenbusStateInitialised
                if self.state == XenbusStateInitialising =>
            {
                Step::Connect
            }
            // Not before it has closed: one that waits might not see that this one has, and take what
            // it says next for what it said to an earlier one.
            XenbusStateClosed if self.state == XenbusStateClosed && online => {
                if self.again == AGAIN_MAX {
                    return Step::Wait;
                }
                self.again += 1;
                Step::Begin
            }
            XenbusStateClosing | XenbusStateClosed if self.state != XenbusStateClosed => {
                Step::Close
            }
            // Its nodes are gone.
            XenbusStateUnknown if connected => Step::Close,
            _ => Step::Wait,
        }
    }
}

impl Front {
    /// What to say to a back end that is to change what it serves, when there is nothing in the way of
    /// that; `None` for nothing, which is always so where nothing can change.
    #[must_use]
    pub fn change(&self, back: XenbusState) -> Option<XenbusState> {
        match (self.state, back) {
            (XenbusStateConnected, XenbusStateReconfiguring) => Some(XenbusStateReconfiguring),
            // It is done; or it was called off.
            (XenbusStateReconfiguring, XenbusStateReconfigured | XenbusStateConnected) => {
                Some(XenbusStateConnected)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_agreed_upon_and_ends() {
        let mut front = Front::new();
        assert_eq!(
            front.change(XenbusStateReconfiguring),
            None,
            "not before it is used"
        );
        settle(&mut front, XenbusStateInitWait, true);
        assert_eq!(front.change(XenbusStateConnected), None);
        let agreed = front.change(XenbusStateReconfiguring);
        assert_eq!(agreed, Some(XenbusStateReconfiguring));
        front.said(XenbusStateReconfiguring);
        assert_eq!(front.change(XenbusStateReconfiguring), None);
        for ended in [XenbusStateReconfigured, XenbusStateConnected] {
            assert_eq!(front.step(ended, true), Step::Wait);
            assert_eq!(front.change(ended), Some(XenbusStateConnected));
        }
        for over in [XenbusStateInitWait, XenbusStateClosing, XenbusStateUnknown] {
            assert_eq!(front.change(over), None);
            assert_eq!(front.step(over, true), Step::Close);
        }
    }

    /// A back end as it should be.
    fn answer(back: XenbusState, front: XenbusState) -> XenbusState {
        match (front, back) {
            (XenbusStateInitialising, XenbusStateInitWait) => back,
            (XenbusStateInitialising, _) => XenbusStateInitWait,
            (XenbusStateConnected, XenbusStateInitWait) => XenbusStateConnected,
            (XenbusStateClosed, _) => XenbusStateClosed,
            _ => back,
        }
    }

    /// Both take turns until neither has anything to do.
    fn settle(front: &mut Front, mut back: XenbusState, online: bool) -> XenbusState {
        for _ in 0..20 {
            let step = front.step(back, online);
            let said = match step {
                Step::Wait => front.state(),
                Step::Connect => XenbusStateConnected,
                Step::Close => XenbusStateClosed,
                Step::Begin => XenbusStateInitialising,
            };
            front.said(said);
            let now = answer(back, said);
            if step == Step::Wait && now == back {
                return back;
            }
            back = now;
        }
        panic!("they do not come to rest");
    }

    #[test]
    fn they_connect_and_close() {
        let mut front = Front::new();
        assert_eq!(front.step(XenbusStateUnknown, true), Step::Wait);
        assert_eq!(front.step(XenbusStateInitialising, true), Step::Wait);
        let back = settle(&mut front, XenbusStateInitWait, true);
        assert_eq!(
            (front.state(), back),
            (XenbusStateConnected, XenbusStateConnected)
        );
        let back = settle(&mut front, XenbusStateClosing, false);
        assert_eq!(front.state(), XenbusStateClosed);
        assert_eq!(back, XenbusStateClosed);
        assert_eq!(front.step(XenbusStateClosed, false), Step::Wait);
    }

    #[test]
    fn they_connect_again_when_the_back_end_was_started_again() {
        let mut front = Front::new();
        settle(&mut front, XenbusStateInitWait, true);
        for new in [XenbusStateInitWait, XenbusStateClosed] {
            // It closes first, and begins when the other has seen that.
            assert_eq!(front.step(new, true), Step::Close);
            front.said(XenbusStateClosed);
            let back = settle(&mut front, new, true);
            assert_eq!(
                (front.state(), back),
                (XenbusStateConnected, XenbusStateConnected)
            );
        }
        assert_eq!(front.step(XenbusStateUnknown, false), Step::Close);
    }

    #[test]
    fn one_that_always_closes_is_left_alone() {
        let mut front = Front::new();
        let mut begun = 0;
        for _ in 0..1000 {
            match front.step(XenbusStateClosed, true) {
                Step::Close => front.said(XenbusStateClosed),
                Step::Begin => {
                    begun += 1;
                    front.said(XenbusStateInitialising);
                }
                _ => {}
            }
        }
        assert_eq!(begun, AGAIN_MAX);
    }
}
