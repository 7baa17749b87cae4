//! Who may access a node.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

/// What a domain may do with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    /// Reading its value, its list and its permissions.
    pub read: bool,
    /// Changing its value, and making nodes below it.
    pub write: bool,
}

impl Rights {
    /// Nothing: `n`.
    pub const NONE: Self = Rights {
        read: false,
        write: false,
    };
    /// `r`.
    pub const READ: Self = Rights {
        read: true,
        write: false,
    };
    /// `w`.
    pub const WRITE: Self = Rights {
        read: false,
        write: true,
    };
    /// `b`.
    pub const BOTH: Self = Rights {
        read: true,
        write: true,
    };

    fn letter(self) -> char {
        match (self.read, self.write) {
            (false, false) => 'n',
            (true, false) => 'r',
            (false, true) => 'w',
            (true, true) => 'b',
        }
    }

    fn from_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b'n' => Self::NONE,
            b'r' => Self::READ,
            b'w' => Self::WRITE,
            b'b' => Self::BOTH,
            _ => return None,
        })
    }
}

/// One entry of a node's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// The domain.
    pub domain: u32,
    /// What it may do.
    pub rights: Rights,
    /// It was meant for a domain that did not exist, or has ended since: a later domain of that
    /// number gets nothing by it.
    pub stale: bool,
}

/// A node's list, never empty: the first entry names the owner, and what everybody may do whom
/// no other entry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions(Rc<[Permission]>);

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// The domain.
    pub domain: u32,
    /// The domain whose rights it has as well.
    pub target: Option<u32>,
}

impl Who {
    /// The control domain.
    pub const CONTROL: Self = Who {
        domain: 0,
        target: None,
    };

    /// A domain.
    #[must_use]
    pub fn domain(domain: u32) -> Self {
        Who {
            domain,
            target: None,
        }
    }

    /// Whether it may do everything, without quotas.
    #[must_use]
    pub fn is_privileged(self) -> bool {
        self.domain == 0
    }

    fn is(self, domain: u32) -> bool {
        self.domain == domain || self.target == Some(domain)
    }
}

impl Permissions {
    /// The owner's alone.
    #[must_use]
    pub fn owned_by(owner: u32) -> Self {
        Self::new(&[(owner, Rights::NONE)]).unwrap_or_else(|| unreachable!("it has an entry"))
    }

    /// Of such a list; `None` if it is empty.
    #[must_use]
    pub fn new(entries: &[(u32, Rights)]) -> Option<Self> {
        let entry = |&(domain, rights)| Permission {
            domain,
            rights,
            stale: false,
        };
        (!entries.is_empty()).then(|| Permissions(entries.iter().map(entry).collect()))
    }

    /// Of entries as they are; `None` if there are none.
    pub(super) fn of_entries(entries: Vec<Permission>) -> Option<Self> {
        (!entries.is_empty()).then(|| Permissions(entries.into()))
    }

    /// From the strings of a message. `None` if there is none, or one that is not a letter and a
    /// number.
    pub fn parse<'a>(strings: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let entry = |string: &[u8]| {
            let (letter, number) = string.split_first()?;
            let number: i64 = str::from_utf8(number).ok()?.parse().ok()?;
            // As with Xen, what is no domain's number belongs to nobody.
            Some((number as u32, Rights::from_letter(*letter)?))
        };
        Self::new(&strings.map(entry).collect::<Option<Vec<_>>>()?)
    }

    /// As in messages: a letter and a number each, ended by NUL.
    #[must_use]
    pub fn to_strings(&self) -> String {
        let mut text = String::new();
        for entry in self.0.iter() {
            // Writing to a string does not fail.
            let _ = write!(text, "{}{}\0", entry.rights.letter(), entry.domain);
        }
        text
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Permission] {
        &self.0
    }

    /// The domain that may do everything, and whose quota the node counts for.
    #[must_use]
    pub fn owner(&self) -> u32 {
        self.0[0].domain
    }

    /// The same with another owner.
    #[must_use]
    pub fn with_owner(&self, owner: u32) -> Self {
        let mut entries = self.0.to_vec();
        entries[0].domain = owner;
        Permissions(entries.into())
    }

    /// The same, where entries for domains that are not `alive` count no more.
    #[must_use]
    pub fn outdated(&self, mut alive: impl FnMut(u32) -> bool) -> Self {
        let (first, rest) = self.0.split_at(1);
        let refresh = |entry: &Permission| Permission {
            stale: entry.stale || !alive(entry.domain),
            ..*entry
        };
        let rest = rest.iter().map(refresh);
        Permissions(first.iter().copied().chain(rest).collect())
    }

    /// Whether an entry after the first names this domain and counts.
    #[must_use]
    pub fn mentions(&self, domain: u32) -> bool {
        let names = |entry: &Permission| entry.domain == domain && !entry.stale;
        self.0[1..].iter().any(names)
    }

    /// Whether `who` is the owner, or as good.
    #[must_use]
    pub fn is_owner(&self, who: Who) -> bool {
        who.is_privileged() || who.is(self.owner())
    }

    /// What `who` may do.
    #[must_use]
    pub fn rights(&self, who: Who) -> Rights {
        if self.is_owner(who) {
            return Rights::BOTH;
        }
        let named = |entry: &&Permission| who.is(entry.domain) && !entry.stale;
        self.0[1..].iter().find(named).unwrap_or(&self.0[0]).rights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Permissions> {
        Permissions::parse(text.split(' ').map(str::as_bytes))
    }

    #[test]
    fn lists_are_read_and_written() {
        assert_eq!(
            parse("n1 r2 w3 b4").unwrap().to_strings(),
            "n1\0r2\0w3\0b4\0"
        );
        for bad in ["", "q1", "n", "n1x", "1", "n1 ", "n1 r"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        assert_eq!(Permissions::parse(core::iter::empty()), None);
    }

    #[test]
    fn the_first_entry_is_for_everybody_else() {
        let list = parse("r1 n2 w3").unwrap();
        let rights = |domain| list.rights(Who::domain(domain));
        assert_eq!([0, 1].map(rights), [Rights::BOTH; 2]);
        assert_eq!(
            [2, 3, 4].map(rights),
            [Rights::NONE, Rights::WRITE, Rights::READ]
        );
        let serves = |target| Who {
            domain: 4,
            target: Some(target),
        };
        assert!(list.is_owner(serves(1)));
        assert_eq!(list.rights(serves(3)), Rights::WRITE);
    }

    #[test]
    fn a_later_domain_of_that_number_gets_nothing() {
        let list = parse("n1 r2 r3").unwrap().outdated(|domain| domain != 2);
        assert_eq!(list.rights(Who::domain(2)), Rights::NONE);
        assert_eq!(list.rights(Who::domain(3)), Rights::READ);
        assert!(!list.mentions(2) && list.mentions(3) && !list.mentions(1));
        assert_eq!(list.to_strings(), "n1\0r2\0r3\0");
    }
}
