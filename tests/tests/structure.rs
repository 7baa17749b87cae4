//! Contract: the wall between the crates stands. Dependencies point as the layers
//! do, every crate inherits the workspace's lints, the crates that must not contain
//! unsafe code forbid it at their root, and the top level holds only what belongs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// For each crate of the workspace, the crates of the workspace it may use.
const MAY_USE: [(&str, &[&str]); 10] = [
    ("hypercall-abi", &[]),
    ("hypervisor-core", &["hypercall-abi"]),
    ("hypervisor", &["hypervisor-core", "hypercall-abi"]),
    ("guest-user", &["hypercall-abi"]),
    ("guest-kernel", &["hypercall-abi", "guest-user"]),
    ("dom0-tools", &["hypercall-abi"]),
    ("dom0-ring3", &["dom0-tools", "guest-user", "hypercall-abi"]),
    (
        "dom0-services",
        &["dom0-ring3", "dom0-tools", "guest-user", "hypercall-abi"],
    ),
    (
        "xl",
        &["dom0-ring3", "dom0-tools", "guest-user", "hypercall-abi"],
    ),
    // Of the images the lab uses what cargo built; of the core, its table of calls.
    ("tests", &["hypervisor-core"]),
];

/// Crates without a line of unsafe code, enforced at their root.
const FORBID_UNSAFE: [&str; 4] = ["hypercall-abi", "hypervisor-core", "dom0-tools", "tests"];

/// What the top level holds, besides files and directories whose names begin with a
/// dot, cargo's `target` and the lab's `build`.
const TOP_LEVEL: [&str; 11] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "dom0-tools",
    "guest-kernel",
    "hypercall-abi",
    "hypervisor",
    "rust-toolchain.toml",
    "tests",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

struct Member {
    manifest: PathBuf,
    uses: BTreeSet<String>,
}

/// The crates of the workspace with their dependencies of every kind, by name.
fn members() -> BTreeMap<String, Member> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            // A crate names itself when its integration tests need a feature of it.
            let uses = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .map(name)
                .filter(|used| *used != name(package))
                .collect();
            let manifest = package["manifest_path"].as_str().unwrap().into();
            (name(package), Member { manifest, uses })
        })
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let members = members();
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        members.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        known,
        "the crates of the workspace"
    );
    for (name, allowed) in MAY_USE {
        for used in members[name]
            .uses
            .iter()
            .filter(|used| known.contains(used.as_str()))
        {
            assert!(
                allowed.contains(&used.as_str()),
                "{name} must not depend on {used}"
            );
        }
    }
}

#[test]
fn every_crate_inherits_the_workspace_lints() {
    for (name, member) in members() {
        let manifest = fs::read_to_string(&member.manifest).unwrap();
        let lints = manifest
            .split("\n[")
            .find_map(|section| section.strip_prefix("lints]"));
        let inherits = lints.is_some_and(|section| {
            section
                .lines()
                .any(|line| line.trim() == "workspace = true")
        });
        assert!(inherits, "{name} does not inherit the workspace's lints");
    }
}

#[test]
fn safe_crates_forbid_unsafe_code_at_their_root() {
    let members = members();
    for name in FORBID_UNSAFE {
        let root = members[name].manifest.with_file_name("src").join("lib.rs");
        let text = fs::read_to_string(&root).unwrap();
        assert!(
            text.lines().any(|line| line == "#![forbid(unsafe_code)]"),
            "{} does not",
            root.display()
        );
    }
}

#[test]
fn the_top_level_holds_only_what_belongs_there() {
    let found: BTreeSet<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.') && name != "target" && name != "build")
        .collect();
    assert_eq!(found, TOP_LEVEL.map(String::from).into());
}
