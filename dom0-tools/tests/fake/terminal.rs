//! The shell's other needs: a terminal that types a script of keys, files in memory, a clock that
//! moves when someone waits.

use std::collections::{BTreeMap, VecDeque};

use dom0_tools::hyper::{Access, Call, Errno, Hyper};
use dom0_tools::shell::Host;

use super::guest::TestProtocol;
use super::image::Image;
use super::machine::{Fake, FakeMapping};

pub struct Terminal {
    pub hyper: Fake,
    pub input: VecDeque<u8>,
    pub output: String,
    pub files: BTreeMap<String, Vec<u8>>,
    pub clock: u64,
    pub powered_off: bool,
    pub ran: Vec<String>,
}

impl Terminal {
    /// dom0 with two guests' files on a machine of 32 MiB.
    pub fn new() -> Self {
        let config = |name: &str, crash: &str| {
            format!(
                "name = \"{name}\"\nkernel = \"/boot/kernel\"\nramdisk = \"/boot/disk\"\n\
                 memory = 8\ncmdline = \"init=/bin/init\"\non_crash = \"{crash}\"\n"
            )
        };
        let files = [
            (
                "/etc/xen/guest1.cfg",
                config("guest1", "destroy").into_bytes(),
            ),
            (
                "/etc/xen/guest2.cfg",
                config("guest2", "preserve").into_bytes(),
            ),
            ("/boot/kernel", Image::modern().bytes()),
            ("/boot/disk", vec![7; 10_000]),
        ];
        Terminal {
            hyper: Fake::new(8192),
            input: VecDeque::new(),
            output: String::new(),
            files: files
                .into_iter()
                .map(|(name, data)| (name.to_string(), data))
                .collect(),
            clock: 1_000_000_000,
            powered_off: false,
            ran: Vec::new(),
        }
    }
}

impl Hyper for Terminal {
    type Mapping = FakeMapping;

    fn hypercall(&mut self, call: &mut Call<'_>) -> i64 {
        self.hyper.hypercall(call)
    }

    fn map_foreign(
        &mut self,
        domain: u16,
        frames: &[u64],
        access: Access,
    ) -> Result<FakeMapping, Errno> {
        self.hyper.map_foreign(domain, frames, access)
    }
}

impl Host for Terminal {
    type Control = TestProtocol;

    fn write(&mut self, bytes: &[u8]) {
        self.output += &String::from_utf8_lossy(bytes);
    }

    fn read_input(&mut self, buffer: &mut [u8], timeout: u64) -> usize {
        self.clock += timeout;
        let count = buffer.len().min(self.input.len());
        for (slot, byte) in buffer.iter_mut().zip(self.input.drain(..count)) {
            *slot = byte;
        }
        count
    }

    fn now(&mut self) -> u64 {
        self.clock
    }

    fn wallclock(&mut self) -> u64 {
        1_700_000_000 + self.clock / 1_000_000_000
    }

    fn events(&mut self) -> u64 {
        self.clock / 10_000_000
    }

    fn set_own_vcpus(&mut self, count: u32) -> Result<u64, Errno> {
        // Its one is up.
        match count {
            1 => Ok(1),
            _ => Err(Errno(22)),
        }
    }

    fn sleep(&mut self, ns: u64) {
        self.clock += ns;
    }

    fn wait_event(&mut self, _: u32, timeout: u64) -> bool {
        self.clock += timeout;
        false
    }

    fn read_file(&mut self, path: &str) -> Result<Vec<u8>, String> {
        self.files
            .get(path)
            .cloned()
            .ok_or_else(|| "no such file".into())
    }

    fn file_names(&mut self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    fn run_program(&mut self, path: &str, arguments: &[&str]) -> Result<i64, String> {
        self.ran.push(format!("{path} {}", arguments.join(" ")));
        if path == "/bin/true" {
            Ok(0)
        } else {
            Err("no such file".into())
        }
    }

    fn power_off(&mut self) {
        self.powered_off = true;
    }
}
