//! What published advisories about paravirtual hypervisors describe, tried on the hypervisor under
//! this kernel (`XSA` numbers, from xenbits.xen.org/xsa).
//!
//! A check is named after its advisory. What must be refused answers with an error number; what
//! must have no effect says what it saw instead. Acts after which a domain is ended are rogues.

pub(super) mod entries;
pub(super) mod leaving;
pub(super) mod memory;
