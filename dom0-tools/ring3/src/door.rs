//! The privileged door: hypercalls and foreign frames.

use dom0_tools::hyper::{Access, Arg, Call, Errno, Hyper, PAGE_SIZE};
use guest_user::sys;

use crate::mapping::ForeignFrames;

/// The control domain that this process runs in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Door;

/// Writes to every page of every buffer: the kernel gives memory at first touch, and the
/// hypervisor cannot wait for it.
fn touch(call: &mut Call<'_>) {
    let touch_buffer = |buffer: &mut [u8]| {
        for page in buffer.chunks_mut(PAGE_SIZE) {
            for at in [0, page.len() - 1] {
                page[at] = core::hint::black_box(page[at]);
            }
        }
    };
    for arg in call.args_mut() {
        match arg {
            Arg::Value(_) => {}
            Arg::Buffer(buffer) => touch_buffer(buffer),
            Arg::Structure { bytes, buffer, .. } => {
                touch_buffer(bytes);
                touch_buffer(buffer);
            }
        }
    }
}

impl Hyper for Door {
    type Mapping = ForeignFrames;

    fn hypercall(&mut self, call: &mut Call<'_>) -> i64 {
        touch(call);
        let args = call.lower();
        // SAFETY: every address in `args`, and in the structures they point to, is that of a
        // buffer that `call` borrows mutably until after this call; the library makes only calls
        // whose buffers are as long as the operation's definition says.
        let result = unsafe { sys::hypercall(call.number(), args) };
        match result {
            Ok(value) => i64::try_from(value).unwrap_or(i64::MAX),
            Err(errno) => -errno.0,
        }
    }

    fn map_foreign(
        &mut self,
        domain: u16,
        frames: &[u64],
        access: Access,
    ) -> Result<ForeignFrames, Errno> {
        ForeignFrames::new(domain, frames, access)
    }

    fn pci_read(&mut self, place: u32) -> u32 {
        // Where nothing is, all bits are set.
        sys::pci_read(place).unwrap_or(u32::MAX)
    }

    fn pci_write(&mut self, place: u32, value: u32) {
        // SAFETY: devices are given to domains, or taken from them: by these, memory of this process is
        // not reached. A refusal is found by what is read later.
        let _ = unsafe { sys::pci_write(place, value) };
    }
}
