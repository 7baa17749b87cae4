//! Work in progress, marked in the store so that others can finish or undo it when the one who did
//! it is killed: `/libxl/work/<uuid>` = `<process> <verb> <name>`. The UUID is chosen before the
//! domain exists and tells which it is.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::store::{Store, StoreError};
use crate::uuid;

const PLACE: &str = "/libxl/work";

/// Somebody's work on a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Work {
    /// The domain's UUID.
    pub(super) handle: [u8; 16],
    /// The process that does it.
    pub(super) owner: u64,
    /// What it does: `making`, `destroying`.
    pub(super) verb: String,
    /// The domain's name.
    pub(super) name: String,
}

fn place(handle: &[u8; 16]) -> String {
    format!("{PLACE}/{}", uuid::to_text(handle))
}

impl Work {
    /// Marks it as begun.
    pub(super) fn begin<T: Store>(
        store: &mut T,
        handle: &[u8; 16],
        owner: u64,
        verb: &str,
        name: &str,
    ) -> Result<(), StoreError> {
        store.write_text(&place(handle), format!("{owner} {verb} {name}"))
    }

    /// Marks it as done.
    pub(super) fn end<T: Store>(store: &mut T, handle: &[u8; 16]) -> Result<(), StoreError> {
        store.remove(&place(handle))
    }

    /// All there is, whoever does it.
    pub(super) fn all<T: Store>(store: &mut T) -> Result<Vec<Self>, StoreError> {
        let mut all = Vec::new();
        for name in store.list_if_there(PLACE)? {
            let Some(handle) = uuid::parse(&name) else {
                continue;
            };
            // It may have ended meanwhile.
            let Some(text) = store.read_if_there(&place(&handle))? else {
                continue;
            };
            let mut words = text.splitn(3, ' ');
            let mut word = || words.next().unwrap_or_default().to_string();
            all.push(Work {
                handle,
                owner: word().parse().unwrap_or(0),
                verb: word(),
                name: word(),
            });
        }
        Ok(all)
    }
}
