//! A guest that answers: just enough behaviour behind the store and console pages for the
//! toolstack's side to be exercised, with its own minimal protocol.

use dom0_tools::control::{Protocol, Request, Status};
use dom0_tools::hyper::Mapping;
use hypercall_abi::xen::{domid_t, start_info, start_info_console_domU};
use zerocopy::FromBytes;

use super::machine::{FakeMapping, Machine};

/// How the guest behaves.
#[derive(Clone, Debug, Default)]
pub struct Agent {
    /// Never serves its page.
    pub silent: bool,
    /// Its memory changes when it is ballooned.
    pub forgetful: bool,
    /// Claims to have ballooned, and does nothing.
    pub lazy: bool,
    /// What it has read from its console.
    pub typed: Vec<u8>,
    checksum: u64,
    said_hello: bool,
}

const MAGIC: u64 = 0x7e57;
const REPLIED: usize = 8;
const STATUS: usize = 16;
const VALUE: usize = 24;
/// Here: how often the guest ran.
const EVENTS: usize = 32;
const REQUESTED: usize = 0x800;
const COMMAND: usize = 0x808;
const ARGUMENT: usize = 0x810;

impl Agent {
    pub fn run(&mut self, machine: &mut Machine, id: domid_t) {
        let context = machine.domains[&id]
            .context
            .expect("a running guest has a context");
        let page = machine.read(id, context.user_regs.rsi, size_of::<start_info>());
        let info = start_info::read_from_bytes(&page.expect("start_info is mapped")).unwrap();
        let console = info.console.get::<start_info_console_domU>().mfn;
        self.read_console(machine, console);
        if !self.said_hello {
            self.said_hello = true;
            self.checksum = 0x1234_5678;
            Self::say(machine, console, b"hello from the guest\nno newline yet");
        }
        let ran = machine.word(info.store_mfn, EVENTS / 8) + 1;
        put(machine, info.store_mfn, EVENTS, ran);
        if !self.silent {
            put(machine, info.store_mfn, 0, MAGIC);
            self.serve(machine, id, info.store_mfn);
        }
    }

    fn serve(&mut self, machine: &mut Machine, id: domid_t, page: u64) {
        let request = machine.word(page, REQUESTED / 8);
        if request == machine.word(page, REPLIED / 8) {
            return;
        }
        let argument = machine.word(page, ARGUMENT / 8);
        let value = match machine.word(page, COMMAND / 8) {
            1 => {
                if !self.lazy {
                    machine.balloon(id, argument);
                }
                self.checksum += u64::from(self.forgetful);
                argument
            }
            2 => self.checksum,
            3 => argument,
            4 => {
                machine.domains.get_mut(&id).unwrap().shutdown = Some(argument as u32);
                return;
            }
            5 => {
                machine.domains.get_mut(&id).unwrap().shutdown = Some(3);
                return;
            }
            6 => {
                if !self.lazy {
                    machine.domains.get_mut(&id).unwrap().online = argument as u32;
                }
                argument
            }
            _ => u64::MAX,
        };
        put(machine, page, VALUE, value);
        put(machine, page, STATUS, 0);
        put(machine, page, REPLIED, request);
    }

    fn read_console(&mut self, machine: &mut Machine, ring: u64) {
        let data = &mut machine.frames[ring as usize].data;
        let index = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().unwrap());
        let (mut consumer, producer) = (index(3072), index(3076));
        while consumer != producer {
            self.typed.push(data[consumer as usize % 1024]);
            consumer = consumer.wrapping_add(1);
        }
        data[3072..3076].copy_from_slice(&consumer.to_le_bytes());
    }

    /// Writes to the console ring, as much as there is room for.
    pub fn say(machine: &mut Machine, ring: u64, text: &[u8]) {
        let data = &mut machine.frames[ring as usize].data;
        let index =
            |data: &[u8; 4096], at: usize| u32::from_le_bytes(data[at..at + 4].try_into().unwrap());
        let (consumer, mut producer) = (index(data, 3080), index(data, 3084));
        for byte in text {
            if producer.wrapping_sub(consumer) == 2048 {
                break;
            }
            data[1024 + producer as usize % 2048] = *byte;
            producer = producer.wrapping_add(1);
        }
        data[3084..3088].copy_from_slice(&producer.to_le_bytes());
    }
}

fn put(machine: &mut Machine, mfn: u64, offset: usize, value: u64) {
    machine.frames[mfn as usize].data[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
}

/// The toolstack's side of the same.
pub struct TestProtocol;

impl Protocol<FakeMapping> for TestProtocol {
    fn is_served(page: &FakeMapping) -> bool {
        page.load_u64(0) == MAGIC
    }

    fn post(page: &mut FakeMapping, request: Request) -> u64 {
        let (command, argument) = match request {
            Request::Balloon(pages) => (1, pages),
            Request::Checksum => (2, 0),
            Request::Ping(count) => (3, count),
            Request::Vcpus(count) => (6, count),
            Request::Shutdown(reason) => (4, reason),
            Request::Crash => (5, 0),
        };
        let number = page.load_u64(REQUESTED) + 1;
        page.store_u64(COMMAND, command);
        page.store_u64(ARGUMENT, argument);
        page.store_u64(REQUESTED, number);
        number
    }

    fn answer(page: &FakeMapping, number: u64) -> Option<Result<u64, u64>> {
        (page.load_u64(REPLIED) == number).then(|| match page.load_u64(STATUS) {
            0 => Ok(page.load_u64(VALUE)),
            errno => Err(errno),
        })
    }

    fn answer_ping(_: &mut FakeMapping) -> bool {
        false
    }

    fn status(page: &FakeMapping) -> Status {
        Status {
            events: page.load_u64(EVENTS),
            processes: 3,
            preemptions: 40,
            faults: 1,
            ..Status::default()
        }
    }
}
