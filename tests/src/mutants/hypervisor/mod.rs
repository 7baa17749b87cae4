//! The seeds in the hypervisor's core, a file for each of its parts; files are in `hypervisor/core/src`.
//! Each seed is as small as the mistake that it stands for, and says which promise it breaks.

mod domain;
mod evtchn;
mod frame;
mod grant;
mod pv;
mod sched;

use super::Mutant;

/// All seeds of the core.
pub(super) const ALL: [&[Mutant]; 6] = [
    frame::ALL,
    pv::ALL,
    domain::ALL,
    evtchn::ALL,
    sched::ALL,
    grant::ALL,
];
