//! Reads the crate's own source for its public items, so that none can be missing in the list.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use syn::{Fields, Item, UseTree, Visibility};

/// The names of all public items below `dir` (the crate's `src`), one per constant, type,
/// function and struct, and `struct.field` for fields.
///
/// A field that only makes C's padding explicit (`_pad0`, ...) has no counterpart in C and is
/// left out; so are private and test items.
pub fn public_items(dir: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut entries: Vec<_> = fs::read_dir(dir)
        .unwrap_or_else(|error| panic!("reading {}: {error}", dir.display()))
        .map(|entry| entry.expect("reading a directory").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            names.extend(public_items(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("reading a source file");
            names.extend(public_items_of(&text));
        }
    }
    names
}

/// As [`public_items`], of one file's text.
pub fn public_items_of(text: &str) -> BTreeSet<String> {
    let file = syn::parse_file(text).expect("the crate's source parses");
    let mut names = BTreeSet::new();
    for item in &file.items {
        match item {
            Item::Const(item) if is_public(&item.vis) => {
                names.insert(item.ident.to_string());
            }
            Item::Type(item) if is_public(&item.vis) => {
                names.insert(item.ident.to_string());
            }
            Item::Fn(item) if is_public(&item.vis) => {
                names.insert(item.sig.ident.to_string());
            }
            Item::Struct(item) if is_public(&item.vis) => {
                names.insert(item.ident.to_string());
                let Fields::Named(fields) = &item.fields else {
                    continue;
                };
                for field in &fields.named {
                    let name = field.ident.as_ref().expect("a named field").to_string();
                    if !is_padding(&name) {
                        names.insert(format!("{}.{}", item.ident, name.trim_start_matches("r#")));
                    }
                }
            }
            Item::Mod(item) => assert!(
                item.content.is_none() || !is_public(&item.vis),
                "public inline module `{}`: the scan does not look into it",
                item.ident,
            ),
            // Only re-exports of what is defined (and found) in a submodule.
            Item::Use(item) => assert!(
                !is_public(&item.vis) || is_local(&item.tree),
                "re-export of another crate's items",
            ),
            Item::Const(_) | Item::Type(_) | Item::Fn(_) | Item::Struct(_) | Item::Impl(_) => {}
            other => panic!("an item of a kind that the scan does not know: {other:?}"),
        }
    }
    names
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_padding(field: &str) -> bool {
    field
        .strip_prefix("_pad")
        .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
}

fn is_local(tree: &UseTree) -> bool {
    matches!(tree, UseTree::Path(path) if path.ident == "self" || path.ident == "union")
}
