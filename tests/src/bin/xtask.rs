//! `cargo xtask`: builds, boots and tests Paravane.

use std::process::ExitCode;

fn main() -> ExitCode {
    tests::cli::main()
}
