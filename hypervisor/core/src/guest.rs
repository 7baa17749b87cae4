//! Guest memory as claims: copied in once, checked, then used.

use core::mem::size_of;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::addr::guest_range;
use crate::error::{Errno, Result};
use crate::platform::Machine;

/// An array of `T` that a guest says is at an address. Nothing is known of it until an element is
/// copied in; the whole extent was checked against the hypervisor's range.
pub struct GuestSlice<T> {
    va: u64,
    len: u64,
    _element: core::marker::PhantomData<T>,
}

impl<T> Clone for GuestSlice<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for GuestSlice<T> {}

impl<T> GuestSlice<T> {
    /// Accepts `len` elements at `va`.
    ///
    /// # Errors
    /// `EFAULT` when the range overflows or reaches into the hypervisor's range.
    pub fn new(va: u64, len: u64) -> Result<Self> {
        let bytes = len
            .checked_mul(size_of::<T>() as u64)
            .ok_or(Errno::EFAULT)?;
        if bytes != 0 && !guest_range(va, bytes) {
            return Err(Errno::EFAULT);
        }
        Ok(Self {
            va,
            len,
            _element: core::marker::PhantomData,
        })
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The guest address of element `index`.
    #[must_use]
    pub fn address(&self, index: u64) -> u64 {
        self.va
            .wrapping_add(index.wrapping_mul(size_of::<T>() as u64))
    }
}

impl<T: FromBytes + IntoBytes + Immutable> GuestSlice<T> {
    /// Copies element `index` in.
    ///
    /// # Errors
    /// `EFAULT` when it is not mapped, `EINVAL` when `index` is out of bounds.
    pub fn read<M: Machine>(&self, m: &M, index: u64) -> Result<T> {
        if index >= self.len {
            return Err(Errno::EINVAL);
        }
        read_unchecked(m, self.address(index))
    }

    /// Copies elements from `first` on in, all at once, into `buffer`, as many as it holds. Gives
    /// how many could be read: fewer when one is not mapped, or there are no more.
    #[inline]
    pub fn read_many<M: Machine>(&self, m: &M, first: u64, buffer: &mut [T]) -> usize {
        let count = (buffer.len() as u64).min(self.len.saturating_sub(first)) as usize;
        let Some(buffer) = buffer.get_mut(..count) else {
            return 0;
        };
        let va = self.address(first);
        match m.copy_from_guest(va, buffer.as_mut_bytes()) {
            Ok(()) => count,
            Err(fault) => (fault.0.saturating_sub(va) as usize / size_of::<T>()).min(count),
        }
    }

    /// Copies elements out from `index` on; how many could be. All at once where they fit.
    pub fn write_some<M: Machine>(&self, m: &M, index: u64, from: &[T]) -> usize {
        if self.contains(index, from.len())
            && m.copy_to_guest(self.address(index), from.as_bytes())
                .is_ok()
        {
            return from.len();
        }
        let each = (index..).zip(from);
        each.take_while(|&(at, value)| self.write(m, at, value).is_ok())
            .count()
    }

    fn contains(&self, index: u64, count: usize) -> bool {
        index
            .checked_add(count as u64)
            .is_some_and(|end| end <= self.len)
    }

    /// Copies an element out.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn write<M: Machine>(&self, m: &M, index: u64, value: &T) -> Result<()> {
        if index >= self.len {
            return Err(Errno::EINVAL);
        }
        m.copy_to_guest(self.address(index), value.as_bytes())
            .map_err(|_| Errno::EFAULT)
    }
}

#[inline]
fn read_unchecked<T: FromBytes + IntoBytes, M: Machine>(m: &M, va: u64) -> Result<T> {
    let mut value = T::new_zeroed();
    m.copy_from_guest(va, value.as_mut_bytes())
        .map_err(|_| Errno::EFAULT)?;
    Ok(value)
}

/// Copies one structure in from guest address `va` of the current address space.
///
/// # Errors
/// `EFAULT` when the range is not the guest's or not mapped.
#[inline]
pub fn copy_in<T: FromBytes + IntoBytes, M: Machine>(m: &M, va: u64) -> Result<T> {
    if !guest_range(va, size_of::<T>() as u64) {
        return Err(Errno::EFAULT);
    }
    read_unchecked(m, va)
}

/// Copies one structure out to guest address `va` of the current address space.
///
/// # Errors
/// `EFAULT` when the range is not the guest's or not mapped writable.
#[inline]
pub fn copy_out<T: IntoBytes + Immutable, M: Machine>(m: &M, va: u64, value: &T) -> Result<()> {
    copy_out_bytes(m, va, value.as_bytes())
}

/// Copies bytes in.
///
/// # Errors
/// As [`copy_in`].
pub fn copy_in_bytes<M: Machine>(m: &M, va: u64, buf: &mut [u8]) -> Result<()> {
    if !guest_range(va, buf.len() as u64) {
        return Err(Errno::EFAULT);
    }
    m.copy_from_guest(va, buf).map_err(|_| Errno::EFAULT)
}

/// Copies bytes out.
///
/// # Errors
/// As [`copy_out`].
pub fn copy_out_bytes<M: Machine>(m: &M, va: u64, bytes: &[u8]) -> Result<()> {
    if !guest_range(va, bytes.len() as u64) {
        return Err(Errno::EFAULT);
    }
    m.copy_to_guest(va, bytes).map_err(|_| Errno::EFAULT)
}
