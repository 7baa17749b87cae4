//! Commands of the shell itself.

use alloc::format;
use alloc::string::String;

use super::command::{Command, Failure, Outcome, shell_commands, xl_commands};
use super::{Host, SECOND, Shell};
use crate::error::Error;

pub(super) fn xl<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (name, args) = args.split_first().ok_or(Failure::Usage)?;
    let Some(command) = xl_commands::<S>()
        .iter()
        .find(|command| command.name == *name)
    else {
        return Err(Failure::refused(format!(
            "no such command: {name} (try `xl help`)"
        )));
    };
    // Without a store there is nothing to clean up, and the command says so if it needs one.
    if let Err(error) = shell.clean_up()
        && !error.ends_the_store()
    {
        shell.print(&format!("xl {name}: {error}\n"));
    }
    match shell.run_command(command, "xl ", args) {
        0 => Ok(()),
        status => Err(Failure::Status(status)),
    }
}

fn overview<S: Host>(prefix: &str, commands: &[Command<S>]) -> String {
    let line = |c: &Command<S>| {
        let call = format!("{prefix}{} {}", c.name, c.arguments);
        format!("  {call:<28} {}\n", c.summary)
    };
    commands.iter().map(line).collect()
}

pub(super) fn xl_help<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let Some(name) = args.first() else {
        let text = overview("xl ", xl_commands::<S>());
        shell.print(&format!("xl commands (`xl help COMMAND` for one):\n{text}"));
        return Ok(());
    };
    let command = xl_commands::<S>()
        .iter()
        .find(|command| command.name == *name);
    let command = command.ok_or_else(|| Failure::refused(format!("no such command: {name}")))?;
    let Command {
        arguments,
        summary,
        example,
        ..
    } = command;
    shell.print(&format!(
        "usage: xl {name} {arguments}\n  {summary}\n  example: {example}\n"
    ));
    Ok(())
}

pub(super) fn help<S: Host>(shell: &mut Shell<S>, _: &[&str]) -> Outcome {
    let text = overview("", shell_commands::<S>());
    shell.print(&format!("commands:\n{text}\n"));
    xl_help(shell, &[])
}

pub(super) fn echo<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    shell.print(&format!("{}\n", args.join(" ")));
    Ok(())
}

pub(super) fn sleep<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [seconds] = args else {
        return Err(Failure::Usage);
    };
    let ns = parse_seconds(seconds).ok_or(Failure::Usage)?;
    shell.wait(ns);
    Ok(())
}

/// Reads seconds with up to nine decimals as nanoseconds.
pub(super) fn parse_seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = 10u64.pow(9 - fraction.len() as u32);
    let whole: u64 = whole.parse().ok()?;
    whole
        .checked_mul(SECOND)?
        .checked_add(fraction.parse::<u64>().ok()? * scale)
}

pub(super) fn run<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let (path, arguments) = args.split_first().ok_or(Failure::Usage)?;
    match shell.system.run_program(path, arguments) {
        Ok(0) => Ok(()),
        Ok(status) => {
            shell.print(&format!("{path}: ended with status {status}\n"));
            Err(Failure::Status(status))
        }
        Err(reason) => Err(Failure::refused(format!("cannot run {path}: {reason}"))),
    }
}

pub(super) fn script<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [path] = args else {
        return Err(Failure::Usage);
    };
    match shell.run_script(path) {
        0 => Ok(()),
        status => Err(Failure::Status(status)),
    }
}

pub(super) fn ls<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let prefix = args.first().copied().unwrap_or("").trim_start_matches('/');
    let mut names = shell.system.file_names();
    names.retain(|name| name.trim_start_matches('/').starts_with(prefix));
    if names.is_empty() && !prefix.is_empty() {
        return Err(Failure::refused(format!("no file starts with /{prefix}")));
    }
    names.sort();
    for name in names {
        shell.print(&format!("/{}\n", name.trim_start_matches('/')));
    }
    Ok(())
}

pub(super) fn cat<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let [path] = args else {
        return Err(Failure::Usage);
    };
    let bytes = shell.read_file(path)?;
    shell.print(&String::from_utf8_lossy(&bytes));
    Ok(())
}

pub(super) fn exit<S: Host>(shell: &mut Shell<S>, args: &[&str]) -> Outcome {
    let status = match args {
        [] => 0,
        [status] => status.parse().map_err(|_| Failure::Usage)?,
        _ => return Err(Failure::Usage),
    };
    shell.leave = Some(status);
    Ok(())
}

pub(super) fn poweroff<S: Host>(shell: &mut Shell<S>, _: &[&str]) -> Outcome {
    shell.system.power_off();
    shell.leave = Some(0);
    Ok(())
}

impl<S: Host> Shell<S> {
    pub(super) fn read_file(&mut self, path: &str) -> Result<alloc::vec::Vec<u8>, Error> {
        let file = self.system.read_file(path);
        file.map_err(|reason| Error::File {
            path: path.into(),
            reason,
        })
    }
}
