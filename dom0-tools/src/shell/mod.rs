//! The control domain's shell: `xl` commands, scripts, guest consoles on one terminal.
//!
//! The shell is a long-lived process: it starts the services, hears what guests say, and sees to
//! those that end, whenever it waits: at the prompt, in `sleep`, while it waits for a guest's
//! answer. What is known of domains is in the store, so that `xl` in a process of its own does the
//! same commands.

mod attach;
mod block;
mod builtin;
mod command;
mod cycles;
mod deaths;
mod demo;
mod devices;
mod editor;
mod guests;
mod host;
mod json;
mod lifecycle;
mod list;
mod many;
mod network;
mod pci;
mod sched;
mod services;
mod top;
mod vcpus;
mod views;
mod words;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub use command::Failure;
pub use editor::{Edited, Editor};
pub use host::Host;
pub use words::split;

use self::services::Service;
use self::views::Views;
use crate::domains::Domains;

/// How long the shell waits before it looks at its guests again, ns.
pub(crate) const TICK: u64 = 20_000_000;
/// Nanoseconds of a second.
pub(crate) const SECOND: u64 = 1_000_000_000;
/// What the user types after.
const PROMPT: &str = "dom0# ";
/// Scripts that call scripts, at most.
const SCRIPT_DEPTH: u32 = 8;

/// What the shell does when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start<'a> {
    /// Domains to create first: configuration names or files.
    pub create: Vec<&'a str>,
    /// A script to run instead of a prompt; the machine is powered off after it.
    pub script: Option<&'a str>,
}

/// The shell over a front end.
pub struct Shell<S: Host> {
    pub(crate) system: S,
    /// The domains, once the store was needed.
    domains: Option<Domains<S::Stream>>,
    services: Vec<Service>,
    /// Whether this process hears guests, and sees to those that end.
    watching: bool,
    /// Guests that are listened to.
    views: Views<S::Stream>,
    /// Guests have come, or ended, that were not seen to.
    comings_due: bool,
    ends_due: bool,
    /// Whether guest output stays off the terminal.
    quiet: bool,
    /// Whether a guest's console has the terminal.
    attached: bool,
    editor: Editor,
    /// Whether a prompt with the editor's line is on the terminal's last line.
    prompt_shown: bool,
    /// Set by `exit`: the status to leave with.
    pub(crate) leave: Option<i64>,
    script_depth: u32,
}

impl<S: Host> Shell<S> {
    /// A shell.
    pub fn new(system: S) -> Self {
        Shell {
            system,
            domains: None,
            services: Vec::new(),
            watching: true,
            views: Views::new(),
            comings_due: true,
            ends_due: true,
            quiet: false,
            attached: false,
            editor: Editor::default(),
            prompt_shown: false,
            leave: None,
            script_depth: 0,
        }
    }

    /// Runs one command of `xl` beside a shell that looks after the guests.
    pub fn run_single(&mut self, words: &[&str]) -> i64 {
        self.watching = false;
        self.comings_due = false;
        self.execute(&[&["xl"], words].concat())
    }

    /// The front end.
    pub fn system(&mut self) -> &mut S {
        &mut self.system
    }

    /// Runs until `exit` or the end of the script, and returns the status to end with.
    pub fn run(&mut self, start: &Start<'_>) -> i64 {
        self.start_services();
        for name in &start.create {
            // A guest that cannot be created is reported; the prompt is the place to repair it.
            self.execute(&["xl", "create", name]);
        }
        if let Some(path) = start.script {
            let status = self.run_script(path);
            self.print(&format!("script exited with status {status}\n"));
            self.system.power_off();
            return status;
        }
        self.print("Type `help` for the commands.\n");
        while self.leave.is_none() {
            if let Some(line) = self.read_line() {
                self.run_line(&line);
            }
        }
        self.leave.unwrap_or(0)
    }

    /// Runs the lines of a file; the first that fails decides the status.
    pub fn run_script(&mut self, path: &str) -> i64 {
        let text = match self.system.read_file(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(reason) => {
                self.print(&format!("script: cannot read {path}: {reason}\n"));
                return 127;
            }
        };
        if self.script_depth == SCRIPT_DEPTH {
            self.print(&format!("script: {path}: scripts are nested too deeply\n"));
            return 2;
        }
        self.script_depth += 1;
        let mut status = 0;
        for (number, line) in text.lines().enumerate() {
            let shown = line.trim();
            if shown.is_empty() || shown.starts_with('#') {
                continue;
            }
            self.print(&format!("+ {shown}\n"));
            status = self.run_line(line);
            if status != 0 {
                self.print(&format!("{path}:{}: status {status}\n", number + 1));
            }
            if status != 0 || self.leave.is_some() {
                break;
            }
        }
        self.script_depth -= 1;
        // `exit` ends the script it stands in.
        if self.script_depth == 0 {
            self.leave.take().unwrap_or(status)
        } else {
            status
        }
    }

    /// Runs one line and returns its status.
    pub fn run_line(&mut self, line: &str) -> i64 {
        let status = match split(line) {
            Ok(words) => self.execute(&words.iter().map(String::as_str).collect::<Vec<_>>()),
            Err(error) => {
                self.print(&format!("{error}\n"));
                2
            }
        };
        self.attend_guests();
        status
    }

    /// Prints text, taking the prompt out of the way.
    pub(crate) fn print(&mut self, text: &str) {
        if self.prompt_shown {
            self.system.write(b"\r\x1b[K");
            self.prompt_shown = false;
        }
        self.system.write(text.as_bytes());
    }

    /// Waits for a line, serving guests meanwhile. `None` after `^C`.
    fn read_line(&mut self) -> Option<String> {
        loop {
            if !self.prompt_shown {
                let line = format!("{PROMPT}{}", self.editor.line());
                self.system.write(line.as_bytes());
                self.prompt_shown = true;
            }
            let mut byte = [0];
            if self.system.read_input(&mut byte, TICK) == 0 {
                self.attend_guests();
                continue;
            }
            let edited = self.editor.take(byte[0]);
            self.system.write(&edited.echo);
            if edited.done {
                self.prompt_shown = false;
                return edited.line;
            }
        }
    }

    /// Serves guests for a while.
    pub(crate) fn wait(&mut self, ns: u64) {
        let end = self.system.now().saturating_add(ns);
        loop {
            self.attend_guests();
            let left = end.saturating_sub(self.system.now());
            if left == 0 {
                return;
            }
            self.system.sleep(left.min(TICK));
        }
    }
}
