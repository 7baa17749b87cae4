//! A running machine, as a test sees it.

use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use anyhow::{Context, Result, anyhow};
use nix::fcntl::{FcntlArg, fcntl};

use super::console::{Console, Extent, Found};
use super::qmp::Qmp;
use super::{Config, PROGRAM};
use crate::verdict::{Checked, Trouble};

/// What no machine of ours may print unless a test says so: the hypervisor's panic or
/// refusal, and dom0's end (other guests' lines begin with their names).
const DENIED: [&str; 4] = [
    PANIC,
    "(PVN) Cannot start",
    "(PVN) dom0 crashed",
    "\nkernel panic",
];

/// How a panic of the hypervisor begins.
pub const PANIC: &str = "(PVN) PANIC";

/// Lines of console output shown when an expectation fails.
const TAIL_LINES: usize = 12;

/// Bytes that a machine may be ahead of us with its output. Where there is no room its UART is not
/// ready, for which a hypervisor waits: that must not be our doing.
const PIPE: i32 = 1 << 20;

/// A QEMU process with its console. Dropping it ends the process, and no other.
pub struct Machine {
    child: Child,
    input: ChildStdin,
    /// The output so far.
    pub console: Console,
    log: PathBuf,
    monitor: PathBuf,
    deadline: Duration,
    deny: Vec<&'static str>,
}

impl Machine {
    /// Starts the machine; its console goes to `dir/name.log`. `deadline` bounds
    /// each expectation: a safety net against hangs, far above what is needed.
    ///
    /// # Errors
    /// QEMU cannot be started, or the log not written.
    pub fn start(config: &Config, dir: &Path, name: &str, deadline: Duration) -> Result<Self> {
        Self::start_with(config, &dir.join(name), deadline, false)
    }

    /// As [`Machine::start`], and shows the console on the standard output.
    ///
    /// # Errors
    /// As [`Machine::start`].
    pub fn start_shown(
        config: &Config,
        dir: &Path,
        name: &str,
        deadline: Duration,
    ) -> Result<Self> {
        Self::start_with(config, &dir.join(name), deadline, true)
    }

    fn start_with(config: &Config, dir: &Path, deadline: Duration, show: bool) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        config.link_modules(dir)?;
        let log = dir.join("console.log");
        let complaints = dir.join("qemu.log");
        let monitor = monitor_socket();
        let mut command = Command::new(PROGRAM);
        command
            .args(config.args())
            .args([
                "-chardev",
                "stdio,id=console,signal=off",
                "-serial",
                "chardev:console",
            ])
            .arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", monitor.display()))
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&complaints)?);
        fs::write(dir.join("command"), format!("{command:?}\n"))?;
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {PROGRAM}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for as pipes");
        };
        // As large as the system lets it be; a smaller one is only slower.
        let _ = fcntl(&output, FcntlArg::F_SETPIPE_SZ(PIPE));
        let console = Console::follow(output, File::create(&log)?, show);
        Ok(Self {
            child,
            input,
            console,
            log,
            monitor,
            deadline,
            deny: DENIED.to_vec(),
        })
    }

    /// Replaces what the machine may not print: for tests of refusals and panics.
    pub fn deny_only(&mut self, texts: &[&'static str]) {
        self.deny = texts.to_vec();
    }

    /// The console's log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Waits for a text after the last match; returns its line as far as printed.
    ///
    /// # Errors
    /// A failure when the machine ends, prints a denied text, or stays silent.
    pub fn expect(&mut self, text: &str) -> Checked<String> {
        self.expect_any(&[text]).map(|(_, line)| line)
    }

    /// Waits for the first of several texts; returns which, and its line.
    ///
    /// # Errors
    /// As [`Machine::expect`].
    pub fn expect_any(&mut self, texts: &[&str]) -> Checked<(usize, String)> {
        self.wait_for(texts, Extent::Printed)
    }

    fn wait_for(&mut self, texts: &[&str], extent: Extent) -> Checked<(usize, String)> {
        let why = match self
            .console
            .wait_for(texts, extent, &self.deny, self.deadline)
        {
            Found::Wanted(index, line) => return Ok((index, line)),
            Found::Denied(line) => format!("the console said `{line}`"),
            Found::Closed => format!("the machine ended{}", self.complaints()),
            Found::TimedOut => format!("nothing came in {} s", self.deadline.as_secs()),
        };
        Err(Trouble::Failure(format!(
            "waited for {}, but {why}{}",
            quoted(texts),
            self.tail()
        )))
    }

    /// Waits for a text after the last match, and for the end of its line, which it returns.
    ///
    /// # Errors
    /// As [`Machine::expect`].
    pub fn expect_line(&mut self, text: &str) -> Checked<String> {
        self.wait_for(&[text], Extent::Whole).map(|(_, line)| line)
    }

    /// Waits for several texts, in any order.
    ///
    /// # Errors
    /// As [`Machine::expect`], naming those that did not come.
    pub fn expect_all(&mut self, texts: &[&str]) -> Checked<()> {
        let mut left = texts.to_vec();
        while !left.is_empty() {
            let (index, line) = self.expect_any(&left)?;
            let matched = left.swap_remove(index);
            // One line may answer several expectations.
            left.retain(|text| !line.contains(text) || *text == matched);
        }
        Ok(())
    }

    /// Types a line into the console.
    ///
    /// # Errors
    /// A failure when the machine is gone.
    pub fn type_line(&mut self, line: &str) -> Checked<()> {
        let typed = self
            .input
            .write_all(format!("{line}\r").as_bytes())
            .and_then(|()| self.input.flush());
        typed.map_err(|_| {
            Trouble::Failure(format!(
                "the machine ended before `{line}` was typed{}",
                self.tail()
            ))
        })
    }

    /// Opens the machine's monitor.
    ///
    /// # Errors
    /// QEMU does not answer.
    pub fn monitor(&self) -> Result<Qmp> {
        let end = Instant::now() + self.deadline;
        // The socket is there a moment before QEMU listens at it.
        loop {
            match UnixStream::connect(&self.monitor) {
                Ok(stream) => return Qmp::greet(stream),
                Err(error) if Instant::now() > end => {
                    return Err(anyhow!("QEMU's monitor does not answer: {error}"));
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Waits for the end of dom0's script, which must have succeeded.
    ///
    /// # Errors
    /// A failure when it has not, or does not end.
    pub fn expect_script_done(&mut self) -> Checked<()> {
        let line = self.expect_line("script exited with status ")?;
        if line.trim_end().ends_with("status 0") {
            return Ok(());
        }
        Err(Trouble::Failure(format!("{line}{}", self.tail())))
    }

    /// Whether the machine ends by itself within a time.
    pub fn ends_within(&mut self, time: Duration) -> bool {
        self.console.wait_closed(time)
    }

    /// Waits until the machine ends by itself.
    ///
    /// # Errors
    /// A failure when it does not.
    pub fn expect_end(&mut self) -> Checked<ExitStatus> {
        if !self.console.wait_closed(self.deadline) {
            return Err(Trouble::Failure(format!(
                "the machine did not end{}",
                self.tail()
            )));
        }
        Ok(self.child.wait()?)
    }

    /// The last lines of the console and where the rest is, for a message.
    #[must_use]
    pub fn tail(&self) -> String {
        format!(
            "; last lines:\n{}\n    log: {}",
            indent(&last_lines(&self.console.text(), TAIL_LINES)),
            self.log.display()
        )
    }

    /// What QEMU wrote to its error output, for a message.
    fn complaints(&self) -> String {
        let text = fs::read_to_string(self.log.with_file_name("qemu.log")).unwrap_or_default();
        let text = text.trim();
        if text.is_empty() {
            String::new()
        } else {
            format!(" (QEMU: {text})")
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Fails only if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.monitor);
    }
}

/// A short path of our own: socket paths are limited to some hundred bytes.
fn monitor_socket() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    env::temp_dir().join(format!("paravane-{}-{number}.qmp", process::id()))
}

fn quoted(texts: &[&str]) -> String {
    texts
        .iter()
        .map(|text| format!("`{}`", text.escape_debug()))
        .collect::<Vec<_>>()
        .join(" or ")
}

/// The last `count` lines that are not blank.
#[must_use]
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| format!("    | {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
