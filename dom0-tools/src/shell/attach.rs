//! Guest consoles on the terminal.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hypercall_abi::xen::domid_t;

use super::builtin::parse_seconds;
use super::command::{Failure, Outcome};
use super::views::{receive, send};
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
    let domain = shell.guest(name)?;
    if !log_only {
        return attach(shell, domain);
    }
    shell.show_guest_output();
    let log = whole_log(shell, domain)?;
    shell.system.write(&log);
    Ok(())
}

/// What a domain has said, as far as it is kept.
fn whole_log<S: Host>(shell: &mut Shell<S>, domain: domid_t) -> Result<Vec<u8>, Failure> {
    let mut stream = shell.console_of_kind("log ", domain)?;
    let mut log = Vec::new();
    loop {
        let (bytes, ended) = receive(&mut stream);
        log.extend(bytes);
        if ended {
            return Ok(log);
        }
        crate::store::Channel::wait(&mut stream, Some(TICK));
    }
}

/// Waits, for so many seconds at most, until a guest's kept output has a text in it.
pub(super) fn expect<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [name, seconds, text @ ..] = args else {
        return Err(Failure::Usage);
    };
    let text = text.join(" ");
    let (domain, patience) = (shell.guest(name)?, parse_seconds(seconds));
    let end = patience
        .ok_or(Failure::Usage)?
        .saturating_add(shell.system.now());
    loop {
        shell.attend_guests();
        let heard = shell.views.get(domain).map(|view| view.log.contents());
        if String::from_utf8_lossy(&heard.unwrap_or_default()).contains(&text) {
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
    let mut stream = shell.console_of_kind("", domain)?;
    shell.attached = true;
    relay(shell, &mut stream);
    shell.attached = false;
    shell.print("\n");
    Ok(())
}

fn relay<S: Host>(shell: &mut Shell<S>, stream: &mut S::Stream) {
    let mut waiting: Vec<u8> = Vec::new();
    let mut leaving = false;
    loop {
        shell.attend_guests();
        let (bytes, ended) = receive(stream);
        // The terminal ends lines with LF alone, guests often with CR LF.
        let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
        shell.system.write(text.as_bytes());
        if !waiting.is_empty() {
            let taken = send(stream, &waiting);
            waiting.drain(..taken);
        }
        if ended || leaving {
            return;
        }
        let mut input = [0; 64];
        let count = shell.system.read_input(&mut input, TICK);
        let typed = &input[..count];
        waiting.extend(typed.iter().take_while(|byte| **byte != LEAVE));
        leaving |= typed.contains(&LEAVE);
    }
}
