//! A client of QEMU's machine protocol: one JSON object per line over a socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::paging::{Leaf, Range, parse_info_mem, parse_info_tlb};

/// QEMU answers at once unless it hangs.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// An open monitor.
pub struct Qmp {
    reader: BufReader<UnixStream>,
}

impl Qmp {
    /// Negotiates at a fresh connection.
    ///
    /// # Errors
    /// It is not QEMU that listens.
    pub fn greet(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
        let mut qmp = Self {
            reader: BufReader::new(stream),
        };
        let greeting = qmp.receive()?;
        ensure!(
            greeting.get("QMP").is_some(),
            "not a QEMU monitor: {greeting}"
        );
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Runs one command and returns its result; events that come between are dropped.
    ///
    /// # Errors
    /// QEMU refuses the command or goes away.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.reader.get_mut(), "{request}")?;
        loop {
            let mut answer = self.receive()?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refused `{command}`: {error}");
            }
            if let Some(result) = answer.get_mut("return") {
                return Ok(result.take());
            }
        }
    }

    /// Runs a command of the human monitor and returns what it prints.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn human(&mut self, command: &str) -> Result<String> {
        let answer = self.execute("human-monitor-command", &json!({ "command-line": command }))?;
        Ok(answer
            .as_str()
            .context("the monitor answered with something other than text")?
            .to_owned())
    }

    /// Stops the processors.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn stop(&mut self) -> Result<()> {
        self.execute("stop", &json!({})).map(drop)
    }

    /// Lets the processors run again.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn resume(&mut self) -> Result<()> {
        self.execute("cont", &json!({})).map(drop)
    }

    /// The leaves of the current page tables.
    ///
    /// # Errors
    /// As [`Qmp::execute`], or an answer of unknown form.
    pub fn leaves(&mut self) -> Result<Vec<Leaf>> {
        parse_info_tlb(&self.human("info tlb")?)
    }

    /// The ranges of equal rights in the current page tables.
    ///
    /// # Errors
    /// As [`Qmp::execute`], or an answer of unknown form.
    pub fn ranges(&mut self) -> Result<Vec<Range>> {
        parse_info_mem(&self.human("info mem")?)
    }

    fn receive(&mut self) -> Result<Value> {
        let mut line = String::new();
        ensure!(
            self.reader.read_line(&mut line)? != 0,
            "QEMU closed its monitor"
        );
        serde_json::from_str(&line)
            .with_context(|| format!("QEMU's monitor said `{}`", line.trim_end()))
    }
}
