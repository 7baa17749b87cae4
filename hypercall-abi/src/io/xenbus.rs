//! `xen/io/xenbus.h`: the states of the two ends of a split driver, as their `state` nodes say.

/// State of one end: a decimal number in the store.
pub type XenbusState = u32;

/// Not known: as if there were no node.
pub const XenbusStateUnknown: XenbusState = 0;
/// Not begun yet.
pub const XenbusStateInitialising: XenbusState = 1;
/// Ready, and waits for what the other end says.
pub const XenbusStateInitWait: XenbusState = 2;
/// Has said what it has to say, and waits for the other end to connect.
pub const XenbusStateInitialised: XenbusState = 3;
/// In use.
pub const XenbusStateConnected: XenbusState = 4;
/// Being closed, after an error or because it is unplugged.
pub const XenbusStateClosing: XenbusState = 5;
/// Closed.
pub const XenbusStateClosed: XenbusState = 6;
/// Being changed.
pub const XenbusStateReconfiguring: XenbusState = 7;
/// Changed.
pub const XenbusStateReconfigured: XenbusState = 8;
