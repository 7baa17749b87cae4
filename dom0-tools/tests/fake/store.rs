//! The store with clients in the same process: pipes for local clients, pages for domains.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use dom0_tools::hyper::{Errno, Mapping};
use dom0_tools::service::{Closed, DomainState, Line, Machine, Transport};
use dom0_tools::store::{Channel, Client, Decoder, Message, Quotas, Server};

/// Bytes that a pipe holds in one direction.
const PIPE_SIZE: usize = 16 << 10;

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    closed: bool,
}

/// One end of a local channel; closed when dropped.
pub struct End {
    from: Rc<RefCell<Pipe>>,
    to: Rc<RefCell<Pipe>>,
}

/// The two ends of a channel.
pub fn pair() -> (End, End) {
    let (a, b) = (
        Rc::<RefCell<Pipe>>::default(),
        Rc::<RefCell<Pipe>>::default(),
    );
    let first = End {
        from: a.clone(),
        to: b.clone(),
    };
    (first, End { from: b, to: a })
}

impl Drop for End {
    fn drop(&mut self) {
        self.from.borrow_mut().closed = true;
        self.to.borrow_mut().closed = true;
    }
}

impl End {
    /// Whether there is something to read, or nothing more will come.
    pub fn is_readable(&self) -> bool {
        let pipe = self.from.borrow();
        pipe.closed || !pipe.bytes.is_empty()
    }
}

impl Transport for End {
    fn read(&mut self, to: &mut [u8]) -> Result<usize, Closed> {
        let mut pipe = self.from.borrow_mut();
        if pipe.bytes.is_empty() && pipe.closed {
            return Err(Closed::Gone);
        }
        let count = to.len().min(pipe.bytes.len());
        for byte in &mut to[..count] {
            *byte = pipe.bytes.pop_front().unwrap();
        }
        Ok(count)
    }

    fn write(&mut self, from: &[u8]) -> Result<usize, Closed> {
        let mut pipe = self.to.borrow_mut();
        if pipe.closed {
            return Err(Closed::Gone);
        }
        let count = from.len().min(PIPE_SIZE - pipe.bytes.len());
        pipe.bytes.extend(&from[..count]);
        Ok(count)
    }
}

/// What others do before a step.
type Deed = Box<dyn FnOnce()>;

thread_local! {
    /// After how many more of its steps a service is to end that runs now.
    pub static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    /// After how many more of them others do something, and what.
    pub static MEANWHILE: RefCell<Option<(usize, Deed)>> = const { RefCell::new(None) };
}

/// A step that others see: it may be the last, and others may have done something before.
pub fn step() {
    match MEANWHILE.take() {
        Some((0, deed)) => deed(),
        Some((left, deed)) => MEANWHILE.set(Some((left - 1, deed))),
        None => {}
    }
    match LEFT.get() {
        Some(0) => std::panic::resume_unwind(Box::new("its end")),
        Some(left) => LEFT.set(Some(left - 1)),
        None => {}
    }
}

/// A page that both sides have.
#[derive(Clone)]
pub struct Page(pub Rc<RefCell<Vec<u8>>>);

impl Default for Page {
    fn default() -> Self {
        Page(Rc::new(RefCell::new(vec![0; 4096])))
    }
}

impl Mapping for Page {
    fn read(&self, offset: usize, to: &mut [u8]) {
        to.copy_from_slice(&self.0.borrow()[offset..offset + to.len()]);
    }
    fn write(&mut self, offset: usize, from: &[u8]) {
        step();
        self.0.borrow_mut()[offset..offset + from.len()].copy_from_slice(from);
    }
    fn load_u32(&self, offset: usize) -> u32 {
        let bytes = &self.0.borrow()[offset..offset + 4];
        u32::from_le_bytes(bytes.try_into().unwrap())
    }
    fn store_u32(&mut self, offset: usize, value: u32) {
        self.write(offset, &value.to_le_bytes());
    }
    fn load_u64(&self, _: usize) -> u64 {
        unreachable!("these pages have 32-bit indices")
    }
    fn store_u64(&mut self, _: usize, _: u64) {
        unreachable!("these pages have 32-bit indices")
    }
}

/// An event channel that counts.
#[derive(Clone, Default)]
pub struct Bell(pub Rc<RefCell<u32>>, pub u32);

impl Line for Bell {
    fn notify(&mut self) {
        *self.0.borrow_mut() += 1;
    }
    fn port(&self) -> u32 {
        self.1
    }
}

/// A domain's end of its ring, as a guest's driver.
pub struct GuestEnd {
    pub page: Page,
    pub bell: Bell,
}

impl Transport for GuestEnd {
    fn read(&mut self, to: &mut [u8]) -> Result<usize, Closed> {
        let (consumer, producer) = (self.page.load_u32(2056), self.page.load_u32(2060));
        let count = to.len().min(producer.wrapping_sub(consumer) as usize);
        for (index, byte) in to[..count].iter_mut().enumerate() {
            let at = 1024 + consumer.wrapping_add(index as u32) as usize % 1024;
            *byte = self.page.0.borrow()[at];
        }
        self.page
            .store_u32(2056, consumer.wrapping_add(count as u32));
        Ok(count)
    }

    fn write(&mut self, from: &[u8]) -> Result<usize, Closed> {
        let (consumer, producer) = (self.page.load_u32(2048), self.page.load_u32(2052));
        let count = from
            .len()
            .min(1024 - producer.wrapping_sub(consumer) as usize);
        for (index, byte) in from[..count].iter().enumerate() {
            let at = producer.wrapping_add(index as u32) as usize % 1024;
            self.page.0.borrow_mut()[at] = *byte;
        }
        self.page
            .store_u32(2052, producer.wrapping_add(count as u32));
        Ok(count)
    }
}

/// The machine: domains, their states, pages and event channels.
#[derive(Default)]
pub struct Domains {
    pub states: BTreeMap<u32, DomainState>,
    pub pages: BTreeMap<u32, (Page, Bell)>,
    pub log: Vec<String>,
    /// What is kept for the next store; `None` where nothing can be.
    pub kept: Option<Rc<RefCell<Vec<u8>>>>,
}

impl Machine for Domains {
    type Page = Page;
    type Line = Bell;

    fn domain(&mut self, domain: u32) -> DomainState {
        self.states
            .get(&domain)
            .copied()
            .unwrap_or(DomainState::Gone)
    }

    fn connect(&mut self, domain: u32, _: u64, port: u32) -> Result<(Page, Bell), Errno> {
        // Port 99 is one that cannot be bound.
        if self.domain(domain) == DomainState::Gone || port == 99 {
            return Err(Errno(hypercall_abi::errno::XEN_EINVAL));
        }
        let (_, bell) = self.pages.entry(domain).or_default();
        bell.1 = domain;
        Ok(self.pages[&domain].clone())
    }

    fn log(&mut self, message: &str) {
        self.log.push(message.into());
    }

    fn keep(&mut self, bytes: &[u8]) -> bool {
        step();
        let kept = self.kept.as_ref();
        kept.map(|kept| kept.borrow_mut().extend(bytes)).is_some()
    }

    fn keep_instead(&mut self, bytes: &[u8]) -> bool {
        step();
        let kept = self.kept.as_ref();
        kept.map(|kept| *kept.borrow_mut() = bytes.to_vec())
            .is_some()
    }
}

/// The store, shared by everybody in this process.
#[derive(Clone)]
pub struct Shared(pub Rc<RefCell<Server<Domains, End>>>);

impl Shared {
    pub fn new(domains: &[u32]) -> Self {
        Self::with_quotas(domains, Quotas::default())
    }

    pub fn with_quotas(domains: &[u32], quotas: Quotas) -> Self {
        let states = domains
            .iter()
            .map(|domain| (*domain, DomainState::Alive))
            .collect();
        let machine = Domains {
            states,
            ..Domains::default()
        };
        Shared(Rc::new(RefCell::new(Server::new(machine, quotas))))
    }

    /// A store whose changes are kept, which begins with what is.
    pub fn keeping(machine: Domains) -> Self {
        let kept = machine.kept.as_ref().map(|kept| kept.borrow().clone());
        let server = Server::successor(machine, Quotas::default(), &kept.unwrap_or_default());
        Shared(Rc::new(RefCell::new(server)))
    }

    /// A client of the control domain.
    pub fn client(&self) -> Client<Waiting<End>> {
        let (ours, theirs) = pair();
        self.0.borrow_mut().connect(theirs);
        Client::new(self.waiting(ours))
    }

    /// A client in a domain that was introduced.
    pub fn guest(&self, domain: u32) -> Client<Waiting<GuestEnd>> {
        Client::new(self.waiting(self.guest_end(domain)))
    }

    pub fn guest_end(&self, domain: u32) -> GuestEnd {
        let mut server = self.0.borrow_mut();
        let pages = &mut server.machine_mut().pages;
        let (page, bell) = pages.entry(domain).or_default().clone();
        GuestEnd { page, bell }
    }

    fn waiting<T>(&self, end: T) -> Waiting<T> {
        Waiting {
            end,
            server: self.clone(),
        }
    }

    /// Serves until nobody has anything to ask.
    pub fn run(&self) {
        while self.0.borrow_mut().turn() {}
    }
}

/// An end whose waiting is the server's turn.
pub struct Waiting<T> {
    pub end: T,
    server: Shared,
}

impl<T: Transport> Transport for Waiting<T> {
    fn read(&mut self, to: &mut [u8]) -> Result<usize, Closed> {
        self.end.read(to)
    }
    fn write(&mut self, from: &[u8]) -> Result<usize, Closed> {
        self.end.write(from)
    }
}

impl<T: Transport> Channel for Waiting<T> {
    fn wait(&mut self, _: Option<u64>) {
        self.server.0.borrow_mut().turn();
    }
}

/// A client that sends any message, and sees every one that comes.
pub struct Raw {
    pub end: Box<dyn Transport>,
    decoder: Decoder,
}

impl Raw {
    pub fn local(store: &Shared) -> Self {
        let (ours, theirs) = pair();
        store.0.borrow_mut().connect(theirs);
        Raw::over(Box::new(ours))
    }

    pub fn guest(store: &Shared, domain: u32) -> Self {
        Raw::over(Box::new(store.guest_end(domain)))
    }

    fn over(end: Box<dyn Transport>) -> Self {
        let decoder = Decoder::default();
        Raw { end, decoder }
    }

    pub fn send(&mut self, store: &Shared, message: &Message) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let count = self.end.write(rest).unwrap();
            rest = &rest[count..];
            store.run();
        }
    }

    /// All that has come, and comes as long as it is taken.
    pub fn arrived(&mut self, store: &Shared) -> Vec<Message> {
        store.run();
        let mut messages = Vec::new();
        loop {
            let mut bytes = vec![0; self.decoder.wanted()];
            let count = self.end.read(&mut bytes).unwrap();
            messages.extend(self.decoder.take(&bytes[..count]).unwrap());
            store.run();
            if count == 0 {
                return messages;
            }
        }
    }

    /// Asks, and returns the reply.
    pub fn ask(&mut self, store: &Shared, kind: u32, transaction: u32, payload: &[u8]) -> Message {
        let message = Message {
            kind,
            request: 7,
            transaction,
            payload: payload.to_vec(),
        };
        self.send(store, &message);
        let mut arrived = self.arrived(store);
        arrived.retain(|message| message.request == 7);
        assert_eq!(arrived.len(), 1, "{message:?}");
        arrived.remove(0)
    }
}
