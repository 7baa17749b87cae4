//! Pages that other domains grant to this one: what a backend needs of them.

use alloc::vec::Vec;

use hypercall_abi::xen::domid_t;

use crate::hyper::{Access, Errno, Mapping};

/// Why granted pages cannot be mapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// The hypervisor refuses some of them.
    #[error("the hypervisor answers {0:?} of the grants")]
    Refused(
        /// `GNTST_*` of each.
        Vec<i16>,
    ),
    /// Nothing was asked of the hypervisor.
    #[error("{0}")]
    Errno(Errno),
}

/// This side of a copy; its length is that of the copy, at most a page.
#[derive(Debug)]
pub enum Local<'a> {
    /// Bytes go to the other domain.
    From(&'a [u8]),
    /// Bytes come from there.
    To(&'a mut [u8]),
}

/// Bytes to copy between a granted page and memory of this process.
#[derive(Debug)]
pub struct Copy<'a> {
    /// The granted page.
    pub gref: u32,
    /// The first byte there.
    pub offset: u16,
    /// This side.
    pub local: Local<'a>,
    /// What came of it, `GNTST_*`.
    pub status: i16,
}

/// What a backend can do with grants of others.
pub trait Grants {
    /// Pages that are mapped until it is dropped.
    type Mapping: Mapping;

    /// Maps pages of a domain in the order given: all, or none.
    ///
    /// # Errors
    /// See [`MapError`].
    fn map_grants(
        &mut self,
        domain: domid_t,
        refs: &[u32],
        access: Access,
    ) -> Result<Self::Mapping, MapError>;

    /// Copies, in order, and fills in what came of each.
    ///
    /// # Errors
    /// Nothing was asked of the hypervisor.
    fn copy_grants(&mut self, domain: domid_t, copies: &mut [Copy<'_>]) -> Result<(), Errno>;
}
