//! The shell's other needs: a terminal that types a script of keys, files in memory, a clock that
//! moves when someone waits.

use std::collections::{BTreeMap, VecDeque};

use dom0_tools::hyper::{Access, Call, Errno, Hyper};
use dom0_tools::shell::Host;

use super::image::Image;
use super::machine::{Fake, FakeMapping};
use super::world::{Wire, World};

pub struct Terminal {
    pub hyper: Fake,
    pub input: VecDeque<u8>,
    pub output: String,
    pub files: BTreeMap<String, Vec<u8>>,
    pub world: World,
    pub process: u64,
    pub powered_off: bool,
    pub ran: Vec<String>,
    /// PCI configuration space, and what was written there.
    pub pci: BTreeMap<u32, u32>,
    pub pci_written: Vec<(u32, u32)>,
    /// Programs beside this one; their process numbers begin with 101.
    pub started: Vec<String>,
    /// Those of them that were forgotten.
    pub forgotten: Vec<u64>,
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
        let world = World::new(Fake::new(8192));
        Terminal {
            hyper: world.fake(),
            world,
            process: 3,
            input: VecDeque::new(),
            output: String::new(),
            files: files
                .into_iter()
                .map(|(name, data)| (name.to_string(), data))
                .collect(),
            powered_off: false,
            ran: Vec::new(),
            started: Vec::new(),
            forgotten: Vec::new(),
            pci: BTreeMap::new(),
            pci_written: Vec::new(),
        }
    }
}

impl Terminal {
    /// Another process of the same dom0, with the same files.
    pub fn beside(&self, process: u64) -> Self {
        Terminal {
            hyper: self.hyper.clone(),
            world: self.world.clone(),
            process,
            files: self.files.clone(),
            input: VecDeque::new(),
            output: String::new(),
            powered_off: false,
            ran: Vec::new(),
            started: Vec::new(),
            forgotten: Vec::new(),
            pci: self.pci.clone(),
            pci_written: Vec::new(),
        }
    }
}

impl Hyper for Terminal {
    type Mapping = FakeMapping;

    fn hypercall(&mut self, call: &mut Call<'_>) -> i64 {
        self.world.step(self.process);
        self.hyper.hypercall(call)
    }

    fn map_foreign(
        &mut self,
        domain: u16,
        frames: &[u64],
        access: Access,
    ) -> Result<FakeMapping, Errno> {
        self.world.step(self.process);
        self.hyper.map_foreign(domain, frames, access)
    }

    fn pci_read(&mut self, place: u32) -> u32 {
        self.pci.get(&place).copied().unwrap_or(u32::MAX)
    }

    fn pci_write(&mut self, place: u32, value: u32) {
        self.pci_written.push((place, value));
    }
}

impl Host for Terminal {
    type Stream = Wire;

    fn connect(&mut self, service: &str) -> Result<Wire, Errno> {
        self.world.connect(self.process, service)
    }

    fn pid(&mut self) -> u64 {
        self.process
    }

    fn is_alive(&mut self, process: u64) -> bool {
        self.world.is_alive(process)
    }

    fn start_program(&mut self, path: &str) -> Result<u64, String> {
        self.started.push(path.to_string());
        Ok(100 + self.started.len() as u64)
    }

    fn forget_program(&mut self, process: u64) {
        assert!(!self.world.is_alive(process), "{process} has not ended");
        self.forgotten.push(process);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.output += &String::from_utf8_lossy(bytes);
    }

    fn read_input(&mut self, buffer: &mut [u8], timeout: u64) -> usize {
        self.world.turn();
        self.world.pass(timeout);
        let count = buffer.len().min(self.input.len());
        for (slot, byte) in buffer.iter_mut().zip(self.input.drain(..count)) {
            *slot = byte;
        }
        count
    }

    fn now(&mut self) -> u64 {
        self.world.now()
    }

    fn wallclock(&mut self) -> u64 {
        1_700_000_000 + self.world.now() / 1_000_000_000
    }

    fn events(&mut self) -> u64 {
        self.world.now() / 10_000_000
    }

    fn free_pages(&mut self) -> u64 {
        // One is used for each event.
        100_000 - self.events()
    }

    fn set_own_vcpus(&mut self, count: u32) -> Result<u64, Errno> {
        // Its one is up.
        match count {
            1 => Ok(1),
            _ => Err(Errno(22)),
        }
    }

    fn sleep(&mut self, ns: u64) {
        self.world.turn();
        self.world.pass(ns);
    }

    fn wait_event(&mut self, _: u32, timeout: u64) -> bool {
        self.sleep(timeout);
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
