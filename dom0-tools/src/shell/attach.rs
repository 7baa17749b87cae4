//! Guest consoles on the terminal.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hypercall_abi::xen::domid_t;

use super::builtin::parse_seconds;
use super::command::{Failure, Outcome};
use super::{Host, Shell, TICK};

/// `^]`: leaves an attached console.
const LEAVE: u8 = 0x1d;

pub(super) fn quiet<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    shell.quiet = match args {
        [] | ["on"] => true,
        ["off"] => false,
        _ => return Err(Failure::Usage),
    };
    Ok(())
}

pub(super) fn console<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (log_only, name) = match args {
        ["-l", name] => (true, name),
        [name] => (false, name),
        _ => return Err(Failure::Usage),
    };
    let domain = shell.find(name)?;
    if !log_only {
        return attach(shell, domain);
    }
    shell.show_guest_output();
    show_log(shell, domain)
}

fn show_log<S: Host>(shell: &mut Shell<S>, domain: domid_t) -> Outcome {
    let log = &shell.domains.guest(domain)?.log;
    let (lost, contents) = (log.lost, log.contents());
    if lost != 0 {
        shell.print(&format!("[{lost} earlier bytes are no longer kept]\n"));
    }
    shell.system.write(&contents);
    Ok(())
}

/// Waits, for so many seconds at most, until a guest's kept output has a text in it.
pub(super) fn expect<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name, seconds, text @ ..] = args else {
        return Err(Failure::Usage);
    };
    let text = text.join(" ");
    let (domain, patience) = (shell.find(name)?, parse_seconds(seconds));
    let end = patience
        .ok_or(Failure::Usage)?
        .saturating_add(shell.system.now());
    loop {
        shell.attend_guests();
        let guest = shell.domains.guest(domain)?;
        if String::from_utf8_lossy(&guest.log.contents()).contains(&text) {
            return Ok(());
        }
        if shell.system.now() >= end {
            let why = format!("{name} did not say `{text}` within {seconds} s");
            return Err(Failure::refused(why));
        }
        shell.system.sleep(TICK);
    }
}

/// Connects terminal and console until `^]` or the end of the guest.
pub(super) fn attach<S: Host>(shell: &mut Shell<S>, domain: domid_t) -> Outcome {
    show_log(shell, domain)?;
    shell.attached = Some(domain);
    let result = relay(shell, domain);
    shell.attached = None;
    shell.print("\n");
    result
}

fn relay<S: Host>(shell: &mut Shell<S>, domain: domid_t) -> Outcome {
    let mut waiting: Vec<u8> = Vec::new();
    loop {
        shell.attend_guests();
        // The guest may have ended, and may have been destroyed for it.
        let Ok(guest) = shell.domains.guest(domain) else {
            return Ok(());
        };
        if guest.end.is_some() {
            return Ok(());
        }
        if !waiting.is_empty() {
            let taken = guest.type_at_console(&mut shell.system, &waiting)?;
            waiting.drain(..taken);
        }
        let mut input = [0; 64];
        let count = shell.system.read_input(&mut input, TICK);
        let typed = &input[..count];
        waiting.extend(typed.iter().take_while(|byte| **byte != LEAVE));
        if typed.contains(&LEAVE) {
            return Ok(());
        }
    }
}

impl<S: Host> Shell<S> {
    /// Drains every guest's console and shows complete lines, prefixed with the guest's name; of
    /// an attached guest every byte, and then of no other.
    pub(super) fn show_guest_output(&mut self) {
        let mut shown = Vec::new();
        for guest in &mut self.domains.guests {
            let name = guest.name();
            let prefix = format!("[{name}] ");
            match guest.drain_console(&mut self.system) {
                Ok(bytes) => {
                    let mut lines = guest.lines.take(&bytes);
                    if guest.end.is_some() {
                        lines.extend(guest.lines.flush());
                    }
                    if self.attached == Some(guest.domain) {
                        // The terminal ends lines with LF alone, guests often with CR LF.
                        let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
                        self.system.write(text.as_bytes());
                    } else if self.attached.is_none() && !self.quiet {
                        shown.extend(lines.iter().map(|line| format!("{prefix}{line}\n")));
                    }
                }
                Err(error) => shown.push(format!("{error}\n")),
            }
        }
        for line in shown {
            self.print(&line);
        }
    }
}
