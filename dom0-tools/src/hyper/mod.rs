//! The toolstack's door to the hypervisor.
//!
//! A front end implements [`Hyper`]: execute a [`Call`], map foreign frames. Everything else is
//! here, typed: [`HyperExt`]. Only this module can make a `Call`, and it makes only those whose
//! buffers are exactly what the public headers say the hypervisor reads and writes; so the front
//! end's one `unsafe` block can rely on it.

mod call;
mod domctl;
mod errno;
mod event;
mod memory;
mod physdev;
mod sysctl;
mod vcpu;

use hypercall_abi::xen::domid_t;

pub use call::{Arg, Call};
pub use domctl::{CreateDomain, DomctlExt, Permission};
pub use errno::Errno;
pub use event::EventExt;
pub use memory::MemoryExt;
pub use physdev::PhysdevExt;
pub use sysctl::{HypervisorInfo, SysctlExt, read_all_domains};
pub use vcpu::{Affinity, VcpuExt};

use crate::error::Error;

/// Bytes of a page.
pub const PAGE_SIZE: usize = 4096;
/// Frames that are mapped at once while a domain is built (1 MiB).
pub(crate) const MAP_BATCH: usize = 256;

/// What a mapping may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing: refused for page tables.
    Write,
}

/// Frames of another domain in this process's reach, unmapped when dropped.
///
/// The other domain can change them at any time: values are copied in and out, no reference to
/// them exists. Offsets are bytes from the start of the first frame.
pub trait Mapping {
    /// Copies out. Panics if the range is outside the mapping.
    fn read(&self, offset: usize, to: &mut [u8]);
    /// Copies in. Panics if the range is outside the mapping or it is not writable.
    fn write(&mut self, offset: usize, from: &[u8]);
    /// One aligned 32-bit load, before every later access (acquire).
    fn load_u32(&self, offset: usize) -> u32;
    /// One aligned 32-bit store, after every earlier access (release).
    fn store_u32(&mut self, offset: usize, value: u32);
    /// One aligned 64-bit load, before every later access (acquire).
    fn load_u64(&self, offset: usize) -> u64;
    /// One aligned 64-bit store, after every earlier access (release).
    fn store_u64(&mut self, offset: usize, value: u64);
}

/// What a control domain's front end can do for the library.
pub trait Hyper {
    /// Its foreign mappings.
    type Mapping: Mapping;

    /// Executes a hypercall and returns what the hypervisor returned: negative is `-errno`.
    fn hypercall(&mut self, call: &mut Call<'_>) -> i64;

    /// Maps frames of a domain in the given order; all or none.
    ///
    /// # Errors
    /// What refused it: a frame that is not the domain's, or a writable mapping of a page table.
    fn map_foreign(
        &mut self,
        domain: domid_t,
        frames: &[u64],
        access: Access,
    ) -> Result<Self::Mapping, Errno>;

    /// Four bytes of PCI configuration space, at bus (bits 16 to 23), device and function (8 to 15)
    /// and an offset that is a multiple of 4. All bits are set where nothing is.
    fn pci_read(&mut self, place: u32) -> u32;

    /// Writes them; where nothing is, nothing happens.
    fn pci_write(&mut self, place: u32, value: u32);
}

/// Typed hypercalls on any [`Hyper`].
pub trait HyperExt: Hyper + Sized {
    /// Executes `call`; `name` is the operation as in the public headers.
    ///
    /// # Errors
    /// [`Error::Hypercall`] if the hypervisor refuses it.
    fn execute(&mut self, name: &'static str, mut call: Call<'_>) -> Result<u64, Error> {
        let result = self.hypercall(&mut call);
        u64::try_from(result).map_err(|_| Error::Hypercall {
            operation: name,
            errno: Errno(-result),
        })
    }

    /// Maps frames, with a readable error.
    ///
    /// # Errors
    /// [`Error::Mapping`].
    fn map(
        &mut self,
        domain: domid_t,
        frames: &[u64],
        access: Access,
    ) -> Result<Self::Mapping, Error> {
        self.map_foreign(domain, frames, access)
            .map_err(|errno| Error::Mapping {
                domain,
                frames: frames.len(),
                errno,
            })
    }

    /// Fills frames of a domain: the bytes of `data` from the start of the first one, zeros up to
    /// the end of the last.
    ///
    /// # Errors
    /// If the frames cannot be mapped for writing.
    fn fill_frames(&mut self, domain: domid_t, frames: &[u64], data: &[u8]) -> Result<(), Error> {
        let zeros = [0; PAGE_SIZE];
        let mut data = data;
        for batch in frames.chunks(MAP_BATCH) {
            let mut mapping = self.map(domain, batch, Access::Write)?;
            for page in 0..batch.len() {
                let (now, later) = data.split_at(data.len().min(PAGE_SIZE));
                mapping.write(page * PAGE_SIZE, now);
                mapping.write(page * PAGE_SIZE + now.len(), &zeros[now.len()..]);
                data = later;
            }
        }
        Ok(())
    }
}

impl<H: Hyper> HyperExt for H {}
