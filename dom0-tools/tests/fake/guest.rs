//! Guests that answer: just enough behaviour behind the store and the console pages for the
//! toolstack's side to be exercised.

use dom0_tools::store::{Channel, Client, Store};
use hypercall_abi::xen::{domid_t, start_info, start_info_console_domU};
use zerocopy::FromBytes;

use super::machine::{Fake, Machine};

/// How a guest behaves.
#[derive(Clone, Debug, Default)]
pub struct Agent {
    /// Does nothing that it is told.
    pub silent: bool,
    /// Somebody else's kernel: follows the standard nodes, and listens to no questions.
    pub foreign: bool,
    /// Its memory changes when it is ballooned.
    pub forgetful: bool,
    /// Claims to have ballooned, and does nothing.
    pub lazy: bool,
    /// What it has read from its console.
    pub typed: Vec<u8>,
    checksum: u64,
    said_hello: bool,
    /// The last question that it answered.
    answered: String,
    /// How often it was asked.
    events: u64,
}

/// Lets every guest that runs do what it is told.
pub fn serve_all<C: Channel>(fake: &Fake, store: &mut Client<C>) {
    let ids: Vec<domid_t> = fake.0.borrow().domains.keys().copied().collect();
    for id in ids {
        let mut machine = fake.0.borrow_mut();
        let domain = &machine.domains[&id];
        if domain.paused || domain.shutdown.is_some() || domain.dying {
            continue;
        }
        let mut agent = domain.agent.clone();
        agent.console(&mut machine, id);
        drop(machine);
        if !agent.silent {
            agent.follow(fake, id, store);
        }
        if let Some(domain) = fake.0.borrow_mut().domains.get_mut(&id) {
            domain.agent = agent;
        }
    }
}

impl Agent {
    /// Greets, and reads what was typed.
    pub fn console(&mut self, machine: &mut Machine, id: domid_t) {
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
    }

    fn follow<C: Channel>(&mut self, fake: &Fake, id: domid_t, store: &mut Client<C>) {
        let own = format!("/local/domain/{id}");
        let read = |store: &mut Client<C>, node: &str| {
            let value = store.read_if_there(&format!("{own}/{node}")).unwrap();
            value.unwrap_or_default()
        };
        if read(store, "name").is_empty() {
            return;
        }
        if !self.foreign {
            store.write(&format!("{own}/data/serves"), b"1").unwrap();
        }
        let ended = match (
            read(store, "control/shutdown").as_str(),
            read(store, "control/sysrq").as_str(),
        ) {
            ("poweroff", _) => Some(("control/shutdown", 0)),
            ("reboot", _) => Some(("control/shutdown", 1)),
            (_, "c") => Some(("control/sysrq", 3)),
            _ => None,
        };
        if let Some((node, reason)) = ended {
            store.write(&format!("{own}/{node}"), b"").unwrap();
            fake.0.borrow_mut().domains.get_mut(&id).unwrap().shutdown = Some(reason);
            return;
        }
        let ask = read(store, "data/ask");
        if !self.foreign && (ask.is_empty() || ask == self.answered) {
            return;
        }
        let target = read(store, "memory/target").parse::<u64>().unwrap() / 4;
        let online = (0..32).take_while(|vcpu| {
            let node = format!("cpu/{vcpu}/availability");
            read(store, &node) == "online"
        });
        let online = online.count() as u64;
        if self.foreign {
            if !self.lazy {
                let mut machine = fake.0.borrow_mut();
                machine.balloon(id, target);
                machine.domains.get_mut(&id).unwrap().online = online as u32;
            }
            return;
        }
        let answer = self.answer(fake, id, &ask, target, online);
        store
            .write(&format!("{own}/data/answer"), answer.as_bytes())
            .unwrap();
        self.answered = ask;
    }

    fn answer(&mut self, fake: &Fake, id: domid_t, ask: &str, target: u64, online: u64) -> String {
        let words: Vec<&str> = ask.split(' ').collect();
        self.events += 1;
        let mut machine = fake.0.borrow_mut();
        let value = match words[1] {
            "balloon" => {
                if !self.lazy {
                    machine.balloon(id, target);
                }
                self.checksum += u64::from(self.forgetful);
                target.to_string()
            }
            "checksum" => self.checksum.to_string(),
            "ping" => words[3].to_string(),
            "vcpus" => {
                if !self.lazy {
                    machine.domains.get_mut(&id).unwrap().online = online as u32;
                }
                online.to_string()
            }
            "status" => format!("0 0 {} 3 40 1", self.events),
            _ => return format!("{} error 38", words[0]),
        };
        format!("{} ok {value}", words[0])
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
