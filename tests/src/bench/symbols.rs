//! Which function an address belongs to.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use object::{Object, ObjectSymbol, SymbolKind};

/// The functions of a binary, by the address where each begins.
#[derive(Clone, Debug, Default)]
pub(super) struct Symbols(BTreeMap<u64, (u64, String)>);

impl Symbols {
    /// Reads those of an ELF file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = object::File::parse(&*bytes)?;
        let functions = file.symbols().filter(|symbol| symbol.is_definition());
        let named = functions.filter_map(|symbol| {
            let is_code = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Label);
            let name = symbol
                .name()
                .ok()
                .filter(|name| is_code && !name.is_empty())?;
            let name = format!("{:#}", rustc_demangle::demangle(name));
            Some((symbol.address(), (symbol.size(), name)))
        });
        Ok(Self(named.collect()))
    }

    /// The function that holds an address.
    pub(super) fn of(&self, address: u64) -> Option<&str> {
        let (&begin, (size, name)) = self.0.range(..=address).next_back()?;
        // What assembly defines has no size: it goes on to the next.
        (*size == 0 || address < begin + size).then_some(name)
    }
}
