//! The processor: registers, descriptors, entry and exit, guest copies, FPU, interrupt controllers.

pub(crate) mod apic;
pub(crate) mod cpu;
pub(crate) mod descriptors;
pub(crate) mod entry;
pub(crate) mod features;
pub(crate) mod fpu;
pub(crate) mod guest_copy;
pub(crate) mod ioapic;
pub(crate) mod ipi;
pub(crate) mod isolated;
pub(crate) mod percpu;
