//! System calls of the guest kernel as what the library needs.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use dom0_ring3::{Door, ForeignFrames, Stream};
use dom0_tools::hyper::{Access, Call, Errno, Hyper};
use dom0_tools::shell::Host;
use guest_user::abi::{INFO_EVENTS, INFO_FREE_PAGES, INFO_WALLCLOCK};
use guest_user::sys;
use hypercall_abi::sched::SHUTDOWN_poweroff;

/// Bytes of a file that are read at once.
const READ_SIZE: usize = 64 * 1024;
/// A file larger than this is refused: it would not fit dom0's memory anyway.
const FILE_MAX: u64 = 256 << 20;
/// Longest file name.
const NAME_MAX: usize = 256;

/// The control domain this program runs in.
pub(crate) struct Dom0;

impl Hyper for Dom0 {
    type Mapping = ForeignFrames;

    fn hypercall(&mut self, call: &mut Call<'_>) -> i64 {
        Door.hypercall(call)
    }

    fn map_foreign(
        &mut self,
        domain: u16,
        frames: &[u64],
        access: Access,
    ) -> Result<ForeignFrames, Errno> {
        Door.map_foreign(domain, frames, access)
    }

    fn pci_read(&mut self, place: u32) -> u32 {
        Door.pci_read(place)
    }

    fn pci_write(&mut self, place: u32, value: u32) {
        Door.pci_write(place, value);
    }
}

impl Host for Dom0 {
    type Stream = Stream;

    fn connect(&mut self, service: &str) -> Result<Stream, Errno> {
        Stream::connect(service).map_err(|errno| Errno(errno.0))
    }

    fn pid(&mut self) -> u64 {
        sys::getpid()
    }

    fn is_alive(&mut self, process: u64) -> bool {
        sys::alive(process)
    }

    fn start_program(&mut self, path: &str) -> Result<u64, String> {
        sys::spawn(path, &[]).map_err(|errno| errno.to_string())
    }

    fn forget_program(&mut self, process: u64) {
        // What it says of its end, or that it is forgotten already, is nobody's concern.
        let _ = sys::wait(process);
    }

    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match sys::write(1, bytes) {
                Ok(count) if count > 0 => bytes = &bytes[count.min(bytes.len())..],
                // A terminal that takes nothing leaves nobody to tell.
                _ => return,
            }
        }
    }

    fn read_input(&mut self, buffer: &mut [u8], timeout: u64) -> usize {
        if sys::console_poll(timeout) {
            sys::read(0, buffer).unwrap_or(0)
        } else {
            0
        }
    }

    fn now(&mut self) -> u64 {
        sys::clock()
    }

    fn wallclock(&mut self) -> u64 {
        sys::info(INFO_WALLCLOCK).unwrap_or(0)
    }

    fn events(&mut self) -> u64 {
        sys::info(INFO_EVENTS).unwrap_or(0)
    }

    fn free_pages(&mut self) -> u64 {
        sys::info(INFO_FREE_PAGES).unwrap_or(0)
    }

    fn set_own_vcpus(&mut self, count: u32) -> Result<u64, Errno> {
        sys::vcpus(count.into()).map_err(|errno| Errno(errno.0))
    }

    fn sleep(&mut self, ns: u64) {
        sys::sleep(ns);
    }

    fn wait_event(&mut self, port: u32, timeout: u64) -> bool {
        sys::evtchn_wait(port, timeout).is_ok()
    }

    fn read_file(&mut self, path: &str) -> Result<Vec<u8>, String> {
        let file = File::open(path)?;
        let size = sys::fsize(file.0).map_err(|errno| errno.to_string())?;
        if size > FILE_MAX {
            return Err(format!("it has {size} bytes, more than {FILE_MAX}"));
        }
        let mut contents = Vec::new();
        let whole = contents.try_reserve_exact(size as usize);
        whole.map_err(|_| format!("no memory for its {size} bytes"))?;
        contents.resize(size as usize, 0);
        let mut done = 0;
        while done < contents.len() {
            let end = contents.len().min(done + READ_SIZE);
            match sys::pread(file.0, &mut contents[done..end], done as u64) {
                Ok(0) => return Err(format!("it ends after {done} of {size} bytes")),
                Ok(count) => done += count,
                Err(errno) => return Err(errno.to_string()),
            }
        }
        Ok(contents)
    }

    fn file_names(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        let mut buffer = [0; NAME_MAX];
        while let Ok(length) = sys::readdir(names.len() as u64, &mut buffer) {
            let name = &buffer[..length.min(NAME_MAX)];
            names.push(String::from_utf8_lossy(name).into_owned());
        }
        names
    }

    fn run_program(&mut self, path: &str, arguments: &[&str]) -> Result<i64, String> {
        sys::console_mode(false);
        let child = sys::spawn(path, arguments.join("\0").as_bytes());
        let status = child.and_then(sys::wait);
        sys::console_mode(true);
        status.map_err(|errno| errno.to_string())
    }

    fn power_off(&mut self) {
        let refused = sys::shutdown(u64::from(SHUTDOWN_poweroff));
        self.write(format!("the kernel refused to power off: {refused}\n").as_bytes());
    }
}

/// An open file, closed when dropped.
struct File(u64);

impl File {
    fn open(path: &str) -> Result<Self, String> {
        sys::open(path).map(File).map_err(|errno| errno.to_string())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Fails only for a descriptor that is not open.
        let _ = sys::close(self.0);
    }
}
