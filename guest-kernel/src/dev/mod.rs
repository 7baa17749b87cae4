//! What the hypervisor offers instead of devices.

pub(crate) mod block;
pub(crate) mod console;
pub(crate) mod event;
pub(crate) mod fifo;
pub(crate) mod grant;
pub(crate) mod granted;
pub(crate) mod net;
pub(crate) mod pci;
pub(crate) mod raw_front;
pub(crate) mod ring;
pub(crate) mod shared;
pub(crate) mod store;
pub(crate) mod time;
