//! dom0 with its services in one process: the store and the consoles over the fake machine, guests
//! that do as the store tells them. Whoever waits lets all of them have their turn.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use dom0_tools::console::Consoles;
use dom0_tools::hyper::Errno;
use dom0_tools::service::{Below, Closed, Transport};
use dom0_tools::store::{Channel, Client, Quotas, Server, Store as _};
use hypercall_abi::errno::XEN_ENOENT;

use super::machine::Fake;
use super::store::{End, pair};

type Store = Rc<RefCell<Server<Below<Fake>, End>>>;

/// A client's end whose waiting is the store's turn, and nobody else's.
pub struct OfStore {
    end: End,
    store: Store,
}

impl Transport for OfStore {
    fn read(&mut self, to: &mut [u8]) -> Result<usize, Closed> {
        self.end.read(to)
    }
    fn write(&mut self, from: &[u8]) -> Result<usize, Closed> {
        self.end.write(from)
    }
}

impl Channel for OfStore {
    fn wait(&mut self, _: Option<u64>) {
        self.store.borrow_mut().turn();
    }
}

struct Parts {
    fake: Fake,
    store: Store,
    consoles: RefCell<Consoles<Below<Fake>, OfStore, End>>,
    /// By which guests see what they are told, and answer.
    guests: RefCell<Client<OfStore>>,
    clock: Cell<u64>,
    /// Domains that have ended, as last seen: the store is told when there are others.
    ended: Cell<usize>,
    /// Processes that are no more.
    dead: RefCell<Vec<u64>>,
    /// Nobody serves devices.
    unserved: Cell<bool>,
    /// A process, and after how many steps of it that is its end.
    doomed: Cell<Option<(u64, usize)>>,
}

/// All of it.
#[derive(Clone)]
pub struct World(Rc<Parts>);

fn client(store: &Store) -> Client<OfStore> {
    let (ours, theirs) = pair();
    store.borrow_mut().connect(theirs);
    Client::new(OfStore {
        end: ours,
        store: store.clone(),
    })
}

impl World {
    pub fn new(fake: Fake) -> Self {
        let below = || Below::new(fake.clone(), |message| println!("{message}"));
        let store = Rc::new(RefCell::new(Server::new(below(), Quotas::default())));
        client(&store).make("/local/domain").unwrap();
        let consoles = Consoles::new(below(), client(&store)).unwrap();
        World(Rc::new(Parts {
            consoles: RefCell::new(consoles),
            guests: RefCell::new(client(&store)),
            fake,
            store,
            clock: Cell::new(1_000_000_000),
            ended: Cell::new(0),
            unserved: Cell::new(false),
            dead: RefCell::new(Vec::new()),
            doomed: Cell::new(None),
        }))
    }

    pub fn now(&self) -> u64 {
        self.0.clock.get()
    }

    pub fn pass(&self, ns: u64) {
        self.0.clock.set(self.now().saturating_add(ns));
    }

    pub fn fake(&self) -> Fake {
        self.0.fake.clone()
    }

    /// A client of the store, as any process of dom0 may be.
    pub fn client(&self) -> Client<OfStore> {
        client(&self.0.store)
    }

    /// The names of all nodes.
    pub fn nodes(&self) -> Vec<String> {
        let store = self.0.store.borrow();
        let nodes = store.tree().iter();
        nodes.map(|(path, _)| path.as_str().to_string()).collect()
    }

    /// Nobody serves devices from now on.
    pub fn end_backends(&self) {
        self.0.unserved.set(true);
    }

    /// Back ends that do nothing but answer.
    fn serve_devices(&self) {
        let is_backend = |path: &String| path.contains("/backend/") && path.ends_with("/state");
        for path in self.nodes().iter().filter(|path| is_backend(path)) {
            let client = &mut self.0.guests.borrow_mut();
            let is_pci = path.contains("/backend/pci/");
            let answer = match client.read_text(path).as_deref() {
                Ok("1" | "7") if is_pci => "4",
                Ok("1") => "2",
                Ok("5") => "6",
                _ => continue,
            };
            if is_pci {
                Self::serve_pci(client, path);
            }
            client.write_text(path, answer).unwrap();
        }
    }

    /// Devices of a domain come and go.
    fn serve_pci(client: &mut Client<OfStore>, state: &str) {
        for number in 0..32 {
            let path = format!("{state}-{number}");
            match client.read_if_there(&path).unwrap().as_deref() {
                Some("1") => client.write_text(&path, 3).unwrap(),
                Some("5") => client.write_text(&path, 6).unwrap(),
                _ => {}
            }
        }
    }

    /// A process is to end within its next steps, whatever it does then.
    pub fn doom(&self, process: u64, steps: usize) {
        self.0.doomed.set(Some((process, steps)));
    }

    /// A process takes a step: a hypercall, or a word to a service. It may be its last.
    pub fn step(&self, process: u64) {
        match self.0.doomed.get() {
            Some((doomed, 0)) if doomed == process => {
                self.0.doomed.set(None);
                self.0.dead.borrow_mut().push(process);
                // Nobody is told of it.
                std::panic::resume_unwind(Box::new("killed"));
            }
            Some((doomed, steps)) if doomed == process => {
                self.0.doomed.set(Some((doomed, steps - 1)));
            }
            _ => {}
        }
    }

    /// A process ends.
    pub fn end(&self, process: u64) {
        self.0.dead.borrow_mut().push(process);
    }

    pub fn is_alive(&self, process: u64) -> bool {
        !self.0.dead.borrow().contains(&process)
    }

    pub fn connect(&self, process: u64, service: &str) -> Result<Wire, Errno> {
        let (ours, theirs) = pair();
        match service {
            "xenstore" => {
                self.0.store.borrow_mut().connect(theirs);
            }
            "console" => {
                self.0.consoles.borrow_mut().connect(theirs);
            }
            // It serves nobody here.
            "blkback" | "netback" | "pciback" => {}
            _ => return Err(Errno(XEN_ENOENT)),
        }
        Ok(Wire {
            end: ours,
            world: self.clone(),
            process,
        })
    }

    /// Everybody does what there is to do.
    pub fn turn(&self) {
        let Parts {
            fake,
            store,
            consoles,
            guests,
            ended,
            ..
        } = &*self.0;
        while store.borrow_mut().turn() {}
        super::guest::serve_all(fake, &mut guests.borrow_mut());
        if !self.0.unserved.get() {
            self.serve_devices();
        }
        let now = fake.0.borrow().ended();
        if ended.replace(now) != now {
            store.borrow_mut().domains_changed();
        }
        while store.borrow_mut().turn() {}
        consoles.borrow_mut().turn().unwrap();
        while store.borrow_mut().turn() {}
    }
}

/// A stream from a process to a service.
pub struct Wire {
    end: End,
    world: World,
    process: u64,
}

impl Transport for Wire {
    fn read(&mut self, to: &mut [u8]) -> Result<usize, Closed> {
        self.end.read(to)
    }
    fn write(&mut self, from: &[u8]) -> Result<usize, Closed> {
        self.world.step(self.process);
        self.end.write(from)
    }
}

impl Channel for Wire {
    /// Time passes if nothing comes.
    fn wait(&mut self, timeout: Option<u64>) {
        self.world.turn();
        if !self.end.is_readable() {
            self.world.pass(timeout.unwrap_or(1_000_000));
        }
    }
}
