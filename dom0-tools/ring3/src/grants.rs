//! Grants and ports of other domains, through the kernel.

use arrayvec::ArrayVec;
use dom0_tools::grants::{Copy, Grants, Local, MapError};
use dom0_tools::hyper::{Access, Errno, PAGE_SIZE};
use dom0_tools::service::Port;
use dom0_tools::xenbus::Machine;
use guest_user::abi;
use guest_user::sys;
use hypercall_abi::grant_table::{
    GNTCOPY_dest_gref, GNTCOPY_source_gref, GNTST_bad_copy_arg, GNTST_okay, gnttab_copy,
    gnttab_copy_ptr,
};
use hypercall_abi::xen::DOMID_SELF;
use zerocopy::FromZeros;

use crate::{Door, ForeignFrames};

/// Copies that are asked for at once. Each may cross a border of pages on this side.
const AT_ONCE: usize = 64;

/// The parts of a copy that stay in a page on this side: where they begin and end.
fn parts(local: &Local<'_>) -> impl Iterator<Item = (u64, usize, usize)> {
    let (start, len) = match local {
        Local::From(from) => (from.as_ptr() as u64, from.len()),
        Local::To(to) => (to.as_ptr() as u64, to.len()),
    };
    let to_border = PAGE_SIZE - (start as usize) % PAGE_SIZE;
    let border = to_border.min(len);
    let parts = [(start, 0, border), (start + border as u64, border, len)];
    parts.into_iter().filter(|(_, from, to)| from < to)
}

/// One part as the kernel wants it.
fn operation(domain: u16, copy: &Copy<'_>, (at, from, to): (u64, usize, usize)) -> gnttab_copy {
    let mut op = gnttab_copy::new_zeroed();
    let mut theirs = gnttab_copy_ptr::new_zeroed();
    (theirs.u, theirs.domid) = (copy.gref.into(), domain);
    theirs.offset = copy.offset + from as u16;
    let mut ours = gnttab_copy_ptr::new_zeroed();
    (ours.u, ours.domid) = (at, DOMID_SELF);
    op.len = (to - from) as u16;
    (op.source, op.dest, op.flags) = match copy.local {
        Local::From(_) => (ours, theirs, GNTCOPY_dest_gref),
        Local::To(_) => (theirs, ours, GNTCOPY_source_gref),
    };
    op
}

impl Machine for Door {
    type Line = Port<Door>;

    fn bind(&mut self, domain: u16, port: u32) -> Result<Port<Door>, Errno> {
        Port::bind(*self, domain, port)
    }

    fn log(&mut self, message: &str) {
        crate::log(message);
    }
}

impl Grants for Door {
    type Mapping = ForeignFrames;

    fn map_grants(
        &mut self,
        domain: u16,
        refs: &[u32],
        access: Access,
    ) -> Result<ForeignFrames, MapError> {
        ForeignFrames::granted(domain, refs, access)
    }

    fn copy_grants(&mut self, domain: u16, copies: &mut [Copy<'_>]) -> Result<(), Errno> {
        for copies in copies.chunks_mut(AT_ONCE) {
            let mut ops = ArrayVec::<gnttab_copy, { 2 * AT_ONCE }>::new();
            for copy in copies.iter_mut() {
                let len = match &copy.local {
                    Local::From(from) => from.len(),
                    Local::To(to) => to.len(),
                };
                if len + usize::from(copy.offset) > PAGE_SIZE {
                    copy.status = GNTST_bad_copy_arg;
                    continue;
                }
                copy.status = GNTST_okay;
                ops.extend(parts(&copy.local).map(|part| operation(domain, copy, part)));
            }
            if ops.is_empty() {
                continue;
            }
            // SAFETY: what is written are the parts of slices that `copies` borrows mutably; any
            // bytes are bytes.
            let done = unsafe { sys::grant_copy(&mut ops) };
            done.map_err(|errno: abi::Errno| Errno(errno.0))?;
            let mut done = ops.iter();
            for copy in copies.iter_mut().filter(|copy| copy.status == GNTST_okay) {
                let count = parts(&copy.local).count();
                let refused = done.by_ref().take(count).map(|op| op.status);
                copy.status = { refused }
                    .filter(|status| *status != GNTST_okay)
                    .last()
                    .unwrap_or(GNTST_okay);
            }
        }
        Ok(())
    }
}
