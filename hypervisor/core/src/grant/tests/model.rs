//! What grants come to, in other words than the code's.

use std::collections::BTreeMap;
use std::vec::Vec;

use hypercall_abi::grant_table::*;

use crate::addr::Mfn;

/// A mapping, as far as it is there.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub(super) mapper: u16,
    pub(super) granter: u16,
    /// Which of the domains that had this number.
    pub(super) life: u32,
    pub(super) gref: u32,
    pub(super) frame: Mfn,
    pub(super) writes: bool,
    pub(super) host: bool,
    pub(super) device: bool,
    pub(super) handle: u32,
}

#[derive(Default)]
pub(super) struct Model {
    /// Shared entries, as memory has them.
    pub(super) words: BTreeMap<(u16, u32), u64>,
    pub(super) uses: Vec<Use>,
    /// Which page is whose, and whether it is a page table.
    pub(super) owners: BTreeMap<Mfn, (u16, bool)>,
    /// How often each domain was made.
    pub(super) lives: BTreeMap<u16, u32>,
}

/// What an entry is claimed for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Map,
    Copy,
}

impl Model {
    pub(super) fn life(&self, dom: u16) -> u32 {
        self.lives.get(&dom).copied().unwrap_or(0)
    }

    fn users(&self, granter: u16, gref: u32) -> Vec<&Use> {
        let life = self.life(granter);
        let all = self.uses.iter();
        all.filter(|u| (u.granter, u.life, u.gref) == (granter, life, gref))
            .collect()
    }

    pub(super) fn word(&self, granter: u16, gref: u32) -> u64 {
        self.words.get(&(granter, gref)).copied().unwrap_or(0)
    }

    /// Whether `owner` may give access to a page.
    pub(super) fn page(&self, owner: u16, frame: Mfn, writes: bool) -> Result<(), i16> {
        match self.owners.get(&frame) {
            Some(&(of, table)) if of == owner => {
                if writes && table {
                    Err(GNTST_general_error)
                } else {
                    Ok(())
                }
            }
            _ => Err(GNTST_bad_page),
        }
    }

    /// The page that an entry gives access to; the word has the marks then.
    pub(super) fn claim(
        &mut self,
        caller: u16,
        (granter, gref): (u16, u32),
        writes: bool,
        purpose: Purpose,
    ) -> Result<Mfn, i16> {
        let word = self.word(granter, gref);
        let (flags, grantee) = (word as u16, (word >> 16) as u16);
        let users = self.users(granter, gref);
        let first = users.first().map(|u| (u.mapper, u.frame));
        let written = users.iter().any(|u| u.writes);
        if first.is_some_and(|(user, _)| user != caller) {
            return Err(GNTST_general_error);
        }
        let named = Mfn(word >> 32);
        let mut frame = named;
        let mut undone = word;
        if first.is_none() || writes && !written {
            let mut kind = GTF_type_mask;
            if purpose == Purpose::Map {
                kind |= GTF_sub_page;
            }
            let right = flags & kind == GTF_permit_access && grantee == caller;
            if first.is_none() && !right || writes && flags & GTF_readonly != 0 {
                return Err(GNTST_general_error);
            }
            let mut marks = u64::from(GTF_reading);
            if writes {
                marks |= u64::from(GTF_writing);
            }
            self.words.insert((granter, gref), word | marks);
            // What a failure takes off again: not what others rely on.
            let alone = if first.is_some() {
                u64::from(GTF_writing)
            } else {
                marks
            };
            undone = (word | marks) & !alone;
        }
        if let Some((_, of)) = first {
            let reread = writes && !written && purpose == Purpose::Copy;
            if reread && of != named {
                let why = self.page(granter, named, true);
                self.words.insert((granter, gref), undone);
                return Err(why.err().unwrap_or(GNTST_general_error));
            }
            frame = of;
        }
        if let Err(status) = self.page(granter, frame, writes) {
            self.words.insert((granter, gref), undone);
            return Err(status);
        }
        if purpose == Purpose::Copy {
            self.words.insert((granter, gref), undone);
        }
        Ok(frame)
    }

    /// Marks go as uses of an entry go: `wrote` is what one that ended did.
    pub(super) fn ended(&mut self, (granter, life, gref): (u16, u32, u32), wrote: bool) {
        if life != self.life(granter) {
            return;
        }
        let users = self.users(granter, gref);
        let (any, written) = (!users.is_empty(), users.iter().any(|u| u.writes));
        let mut marks = 0;
        if wrote && !written {
            marks |= u64::from(GTF_writing);
        }
        if !any {
            marks |= u64::from(GTF_reading);
        }
        let word = self.word(granter, gref);
        self.words.insert((granter, gref), word & !marks);
    }
}
