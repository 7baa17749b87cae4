//! `xenctl_bitmap` (xen.h): sets of CPUs and nodes in the toolstack's memory.

use hypercall_abi::xen::xenctl_bitmap;

use crate::addr::guest_range;
use crate::error::{Errno, Result};
use crate::guest::{copy_in_bytes, copy_out_bytes};
use crate::platform::Machine;

/// Longest bitmap the toolstack may hand over, bits.
const MOST_BITS: u32 = 8192;
/// Bytes of the bitmaps that there are here: 64 bits.
const BYTES: usize = 8;

/// The first 64 bits of a bitmap.
///
/// # Errors
/// `EFAULT`.
pub(super) fn read<M: Machine>(m: &M, map: &xenctl_bitmap) -> Result<u64> {
    let bits = map.nr_bits.min(u64::BITS);
    let mut bytes = [0; BYTES];
    let len = (bits as usize).div_ceil(8);
    copy_in_bytes(m, map.bitmap, &mut bytes[..len])?;
    let known = if bits == 0 {
        0
    } else {
        u64::MAX >> (u64::BITS - bits)
    };
    Ok(u64::from_le_bytes(bytes) & known)
}

/// Writes `value` to a bitmap; bits that it has beyond 64 become 0.
///
/// # Errors
/// `EINVAL` for a bitmap longer than there can be CPUs, `EFAULT`.
pub(super) fn write<M: Machine>(m: &M, map: &xenctl_bitmap, value: u64) -> Result<()> {
    if map.nr_bits > MOST_BITS {
        return Err(Errno::EINVAL);
    }
    let len = u64::from(map.nr_bits.div_ceil(8));
    if !guest_range(map.bitmap, len) {
        return Err(Errno::EFAULT);
    }
    let mut rest = value;
    for chunk in (0..len).step_by(BYTES) {
        let now = (len - chunk).min(BYTES as u64) as usize;
        let bytes = core::mem::take(&mut rest).to_le_bytes();
        copy_out_bytes(m, map.bitmap + chunk, &bytes[..now])?;
    }
    Ok(())
}
