//! The toolstack in ring 3 of the guest kernel's dom0: `/bin/sh`, its first process, and `/bin/xl`
//! for single commands.
//!
//! As `/bin/sh` it takes the kernel's command line: `script=FILE` runs a file and powers off,
//! `autostart=NAME,NAME` says which domains to create first (guest1 and guest2 unless a script is
//! given).
#![no_std]
#![no_main]

extern crate alloc;

mod system;

use alloc::vec::Vec;

use dom0_tools::shell::{Shell, Start};
use guest_user::start::{args, option};
use guest_user::sys;

use crate::system::Dom0;

guest_user::entry!(main);

/// Domains that a prompt starts with.
const AUTOSTART: &str = "guest1,guest2";

fn main() -> i32 {
    let mut shell = Shell::new(Dom0);
    let words: Vec<&str> = args().collect();
    let status = match words.split_first() {
        Some((path, command)) if path.ends_with("/xl") => shell.run_single(command),
        _ => interactive(&mut shell),
    };
    i32::try_from(status).unwrap_or(1)
}

fn interactive(shell: &mut Shell<Dom0>) -> i64 {
    let script = option("script");
    let default = if script.is_some() { "" } else { AUTOSTART };
    let names = option("autostart").unwrap_or(default);
    let create = names.split(',').filter(|name| !name.is_empty()).collect();
    sys::console_mode(true);
    let status = shell.run(&Start { create, script });
    sys::console_mode(false);
    status
}
