//! Lists of operations: each is copied in, done, and copied out again with what became of it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::error::{Errno, HypercallResult, Stop};
use crate::guest::{copy_in_bytes, copy_out_bytes};
use crate::hypercall::Cx;
use crate::platform::Machine;
use crate::pv::mmu_update::operations;

/// An operation of a list.
pub(super) trait Item: FromBytes + IntoBytes + Immutable + KnownLayout {}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout> Item for T {}

/// Bytes of the largest operation.
const LARGEST: usize = 40;
type Words = [u64; LARGEST / 8];
/// Does one, whatever it is.
type One<'a, M> = dyn FnMut(&mut Cx<'_, M>, &mut Words, &mut u32) -> Result<(), Stop> + 'a;

/// Does each operation of the list of `count` at `uop`, at `units` of budget each. One that fails says
/// so itself, and the list goes on.
///
/// # Errors
/// `EFAULT` for a list that is not there, to its end: what was done before is done. `Retry` when the
/// budget is spent.
pub(super) fn each<T: Item, M: Machine>(
    cx: &mut Cx<'_, M>,
    list: (u64, u64),
    units: u32,
    mut one: impl FnMut(&mut Cx<'_, M>, &mut T),
) -> HypercallResult {
    each_in_parts(cx, list, units, |cx, op, _| {
        one(cx, op);
        Ok(())
    })
}

/// As [`each`], for operations that can end the list, and can be interrupted: each has a number that
/// says how far it came.
#[inline(always)]
pub(super) fn each_in_parts<T: Item, M: Machine>(
    cx: &mut Cx<'_, M>,
    list: (u64, u64),
    units: u32,
    mut one: impl FnMut(&mut Cx<'_, M>, &mut T, &mut u32) -> Result<(), Stop>,
) -> HypercallResult {
    const { assert!(size_of::<T>() <= LARGEST) };
    run::<M>(cx, list, (size_of::<T>(), units), &mut |cx, words, part| {
        let (op, _) = T::mut_from_prefix(words.as_mut_bytes()).map_err(|_| Errno::EINVAL)?;
        one(cx, op, part)
    })
}

/// The same for all sorts, of `size` bytes each.
#[inline(never)]
fn run<M: Machine>(
    cx: &mut Cx<'_, M>,
    (uop, count): (u64, u64),
    (size, units): (usize, u32),
    one: &mut One<'_, M>,
) -> HypercallResult {
    operations::<u8, M>(cx, uop, count * size as u64, 0)?;
    let progress = cx.resume_at();
    // The count has 31 bits.
    let (mut done, mut part) = (progress & 0xffff_ffff, (progress >> 32) as u32);
    while done < count {
        if !cx.budget.take(units) {
            cx.suspend_at(done | u64::from(part) << 32);
            return Err(Stop::Retry);
        }
        let mut words = Words::default();
        let bytes = words.as_mut_bytes().get_mut(..size).unwrap_or_default();
        let at = uop.wrapping_add(done * size as u64);
        copy_in_bytes(cx.m(), at, bytes)?;
        let result = one(cx, &mut words, &mut part);
        if result == Err(Stop::Retry) {
            cx.suspend_at(done | u64::from(part) << 32);
        }
        result?;
        let bytes = words.as_bytes().get(..size).unwrap_or_default();
        copy_out_bytes(cx.m(), at, bytes)?;
        (done, part) = (done + 1, 0);
    }
    Ok(0)
}
