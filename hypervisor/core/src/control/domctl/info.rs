//! What kinds of frames a domain has.

use hypercall_abi::domctl::{
    XEN_DOMCTL_PFINFO_L1TAB, XEN_DOMCTL_PFINFO_LPINTAB, XEN_DOMCTL_PFINFO_LTAB_SHIFT,
    XEN_DOMCTL_PFINFO_NOTAB, XEN_DOMCTL_PFINFO_XTAB, xen_domctl_getpageframeinfo3,
};

use super::{Answer, Outcome};
use crate::addr::Mfn;
use crate::domain::Domain;
use crate::error::{Errno, Stop};
use crate::frame::word::Owner;
use crate::guest::GuestSlice;
use crate::hypercall::Cx;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;

/// Most frames of one request.
const MOST: u64 = 1024;

/// `XEN_DOMCTL_getpageframeinfo3`: replaces frame numbers by types.
pub(super) fn page_frames<M: Machine>(
    cx: &mut Cx<'_, M>,
    dom: &Domain,
    request: &xen_domctl_getpageframeinfo3,
) -> Outcome {
    if request.num > MOST {
        return Err(Errno::E2BIG.into());
    }
    let array = GuestSlice::<u64>::new(request.array, request.num)?;
    for index in cx.resume_at()..request.num {
        if !cx.budget.take(1) {
            cx.suspend_at(index);
            return Err(Stop::Retry);
        }
        let mfn = Mfn(array.read(cx.m(), index)?);
        array.write(cx.m(), index, &u64::from(kind(cx.hv, dom, mfn)))?;
    }
    Ok(Answer::None)
}

fn kind<M: Machine>(hv: &Hypervisor<M>, dom: &Domain, mfn: Mfn) -> u32 {
    let word = hv.frames.word(mfn);
    if word.owner() != Owner::domain(dom.slot) {
        return XEN_DOMCTL_PFINFO_XTAB;
    }
    let Some(level) = word.kind().level().filter(|_| word.is_validated()) else {
        return XEN_DOMCTL_PFINFO_NOTAB;
    };
    let table = XEN_DOMCTL_PFINFO_L1TAB + ((u32::from(level) - 1) << XEN_DOMCTL_PFINFO_LTAB_SHIFT);
    let pin = if word.is_pinned() {
        XEN_DOMCTL_PFINFO_LPINTAB
    } else {
        0
    };
    table | pin
}
