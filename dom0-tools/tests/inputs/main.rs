//! The inputs kept for fuzzing, as they are and cut short at every place.

mod block;
mod config;
mod image;
mod net;
mod pci;
mod store;

use std::fs;
use std::path::Path;

use proptest::prelude::*;

/// Hands every input of a fuzz target to its check.
fn replay(target: &str, check: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let (mut files, mut inputs) = (0, 0);
    for entry in fs::read_dir(&dir).unwrap() {
        let data = fs::read(entry.unwrap().path()).unwrap();
        for end in 0..=data.len() {
            check(&data[..end]);
            inputs += 1;
        }
        files += 1;
    }
    println!("{target}: {files} files, {inputs} inputs");
    assert!(files >= 4, "where are the inputs of {target}?");
}

#[test]
fn disks() {
    replay("block", block::check);
}

#[test]
fn configurations() {
    replay("config", config::check);
}

#[test]
fn images() {
    replay("image", image::check);
}

#[test]
fn networks() {
    replay("net", net::check);
}

#[test]
fn stores() {
    replay("store", store::check);
}

#[test]
fn pci_devices() {
    replay("pci", pci::check);
}

proptest! {
    /// Where nothing can be fuzzed, anything is tried: also longer than what is kept.
    #[test]
    fn any_pci_domain(data in prop::collection::vec(any::<u8>(), 0..400)) {
        pci::check(&data);
    }
}
