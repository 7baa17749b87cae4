//! C unions without `unsafe`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A C union as the words it occupies: `Union<[u64; 16]>` is 128 bytes, aligned to 8.
///
/// Members are read and written by value through [`get`](Self::get) and [`set`](Self::set);
/// which member is valid is told by the structure around the union (its `cmd`, usually).
/// Any bytes are a valid value of every member type, so a wrong choice gives wrong numbers and
/// nothing worse. A member larger than the union does not compile.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Union<W>(pub W);

impl<W: FromBytes + IntoBytes + Immutable> Union<W> {
    /// All bytes zero.
    pub fn zeroed() -> Self {
        Self(W::new_zeroed())
    }

    /// A union that holds `member`; the bytes beyond it are zero.
    pub fn new<T: IntoBytes + Immutable>(member: T) -> Self {
        let mut union = Self::zeroed();
        union.set(member);
        union
    }

    /// The union read as member type `T`.
    pub fn get<T: FromBytes>(&self) -> T {
        const {
            assert!(
                size_of::<T>() <= size_of::<W>(),
                "member larger than its union"
            )
        };
        match T::read_from_prefix(self.0.as_bytes()) {
            Ok((member, _)) => member,
            // Excluded by the assertion above.
            Err(_) => T::new_zeroed(),
        }
    }

    /// Overwrites the first bytes with `member`; the bytes beyond it stay.
    pub fn set<T: IntoBytes + Immutable>(&mut self, member: T) {
        const {
            assert!(
                size_of::<T>() <= size_of::<W>(),
                "member larger than its union"
            )
        };
        self.0.as_mut_bytes()[..size_of::<T>()].copy_from_slice(member.as_bytes());
    }
}

impl<W: FromBytes + IntoBytes + Immutable> Default for Union<W> {
    fn default() -> Self {
        Self::zeroed()
    }
}

#[cfg(test)]
mod tests {
    use super::Union;

    #[test]
    fn members_overlap_and_the_rest_stays() {
        let mut union = Union::<[u64; 2]>::new(0x1122_3344_u32);
        assert_eq!(union.0, [0x1122_3344, 0]);
        union.set([1_u64, 2]);
        union.set(0xffff_u16);
        assert_eq!(union.get::<[u64; 2]>(), [0xffff, 2]);
        assert_eq!(union.get::<u8>(), 0xff);
        assert_eq!(Union::<[u64; 2]>::default().get::<u64>(), 0);
    }
}
