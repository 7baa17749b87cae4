//! Passes the linker script of the image to the linker, and the compiler's version to the banner.

use std::process::Command;

fn main() {
    let dir = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    println!("cargo:rerun-if-changed=paravane.ld");
    println!("cargo:rustc-link-arg-bins=-T{dir}/paravane.ld");
    let rustc = std::env::var("RUSTC").expect("cargo sets RUSTC");
    let version = Command::new(rustc).arg("--version").output();
    let version = version.ok().and_then(|o| String::from_utf8(o.stdout).ok());
    println!(
        "cargo:rustc-env=PARAVANE_BUILD={}",
        version.as_deref().map_or("rustc", str::trim)
    );
}
