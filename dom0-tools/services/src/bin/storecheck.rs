//! Checks the services from outside, as their clients see them, with a domain that never runs: its
//! pages are written from here, as a guest might. Starts the services where they are not there yet.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem::offset_of;

use dom0_ring3::check::{PATIENCE, client, events, overtaken, silent};
use dom0_ring3::{Door, ForeignFrames, STORE, Stream};
use dom0_tools::hyper::{
    Access, CreateDomain, DomctlExt, Errno, EventExt, HyperExt, Mapping, MemoryExt,
};
use dom0_tools::service::{Closed, Transport};
use dom0_tools::store::{Channel, Client, Permissions, Rights, Store};
use guest_user::check::{Done, same, status, told};
use guest_user::{println, sys};
use hypercall_abi::errno::{XEN_EACCES, XEN_EAGAIN};
use hypercall_abi::io::console::xencons_interface;
use hypercall_abi::io::xs_wire::{
    XENSTORE_ERROR_NONE, XENSTORE_ERROR_RINGIDX, XENSTORE_RING_SIZE, xenstore_domain_interface,
};

guest_user::entry!(main);

/// Between two looks.
const PAUSE: u64 = 5_000_000;
/// Where xenconsoled listens.
const CONSOLE: &str = "console";

fn main() -> i32 {
    let done = check().map(|()| println!("storecheck: the services do as they should"));
    status("storecheck", done)
}

/// Looks until there is something, or patience ends.
fn until<T>(what: &str, mut look: impl FnMut() -> Done<Option<T>>) -> Done<T> {
    let end = sys::clock() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if sys::clock() > end {
            return Err(format!("{what} did not come"));
        }
        sys::sleep(PAUSE);
    }
}

fn check() -> Done {
    let started = [
        provide(STORE, "/bin/xenstored")?,
        provide(CONSOLE, "/bin/xenconsoled")?,
    ];
    nodes()?;
    silent(&mut client()?, "/check/beside")?;
    told("removing", client()?.remove("/check"))?;
    let mut guest = Guest::new()?;
    guest.talk()?;
    guest.speak()?;
    guest.break_rings()?;
    guest.end()?;
    // The consoles first: they end by themselves when there is no store.
    for pid in started.into_iter().rev().flatten() {
        told("kill", sys::kill(pid))?;
        told("wait", sys::wait(pid))?;
    }
    Ok(())
}

/// Starts a service unless somebody listens there; its process.
fn provide(name: &str, path: &str) -> Done<Option<u64>> {
    if Stream::connect(name).is_ok() {
        return Ok(None);
    }
    let pid = told(path, sys::spawn(path, b""))?;
    until(path, || Ok(Stream::connect(name).ok()))?;
    Ok(Some(pid))
}

fn nodes() -> Done {
    let (mut one, mut two) = (client()?, client()?);
    told("writing", one.write("/check/a", b"1"))?;
    same(
        "what another reads",
        told("reading", two.read("/check/a"))?,
        b"1".to_vec(),
    )?;
    told("watching", two.watch("/check", "token"))?;
    overtaken(&mut one, &mut two, "/check/a", &[10])?;
    same(
        "events",
        events(&mut two, 3)?,
        ["/check", "/check/a", "/check/a"]
            .map(String::from)
            .to_vec(),
    )?;
    told("removing", one.remove("/check"))?;
    same(
        "the store's own check",
        told("control", one.control(&["check"]))?.as_str(),
        "OK",
    )
}

/// A domain that never runs, with its two pages.
struct Guest {
    domain: u16,
    home: String,
    store: ForeignFrames,
    console: ForeignFrames,
    control: Client<Stream>,
    terminal: Option<Stream>,
}

impl Guest {
    /// Makes it and its nodes as a toolstack does, and waits until its console is connected.
    fn new() -> Done<Self> {
        let create = CreateDomain {
            handle: [7; 16],
            max_vcpus: 1,
        };
        let domain = told("a domain", Door.create_domain(&create))?;
        // Not one without vCPUs: an event for such a domain ends Xen 4.17.
        told("its vCPU", Door.set_max_vcpus(domain, 1))?;
        told("its memory", Door.set_max_memory(domain, 16))?;
        let frames = told("its pages", Door.populate(domain, 0..2))?;
        told("clearing", Door.fill_frames(domain, &frames, &[]))?;
        let ports = [(); 2].map(|()| Door.alloc_unbound(domain));
        let [store, console] = ports;
        let (store, console) = (told("a port", store)?, told("a port", console)?);
        let mut control = client()?;
        let home = format!("/local/domain/{domain}");
        let own = u32::from(domain);
        let readable = Permissions::new(&[(0, Rights::NONE), (own, Rights::READ)]);
        let readable = readable.ok_or("no permissions")?;
        let made = control.transaction(|nodes| {
            nodes.make(&home)?;
            nodes.set_permissions(&home, &readable)?;
            nodes.write(&format!("{home}/name"), b"checked")?;
            nodes.write_text(&format!("{home}/console/ring-ref"), frames[1])?;
            nodes.write_text(&format!("{home}/console/port"), console)?;
            nodes.make(&format!("{home}/data"))?;
            nodes.set_permissions(&format!("{home}/data"), &Permissions::owned_by(own))
        });
        told("its nodes", made)?;
        told("introducing", control.introduce(domain, frames[0], store))?;
        until("its console", || {
            let state = control.read_if_there(&format!("{home}/console/state"));
            Ok(told("its console", state)?.filter(|state| state == "connected"))
        })?;
        let map = |frame: u64| Door.map(domain, &[frame], Access::Write);
        Ok(Guest {
            domain,
            store: told("its page", map(frames[0]))?,
            console: told("its page", map(frames[1]))?,
            home,
            control,
            terminal: None,
        })
    }

    /// The guest asks the store, through its ring.
    fn talk(&mut self) -> Done {
        let mut waker = client()?;
        let mut own = Client::new(Ring {
            page: &mut self.store,
            domain: self.domain,
            waker: &mut waker,
        });
        same(
            "its name",
            told("reading", own.read_text("name"))?.as_str(),
            "checked",
        )?;
        told("writing", own.write("data/x", &[b'x'; 1500]))?;
        same(
            "its value",
            told("reading", own.read("data/x"))?,
            [b'x'; 1500].to_vec(),
        )?;
        let refused = own.write("name", b"").err().and_then(|error| error.errno());
        same("its refusal", refused, Some(Errno(XEN_EACCES)))?;
        told("watching", own.watch("data", "t"))?;
        told("watching", own.watch("@releaseDomain", "t"))?;
        let number = self.domain;
        same(
            "introduced",
            told("asking", self.control.is_introduced(number))?,
            true,
        )
    }

    /// Text on its console, both ways.
    fn speak(&mut self) -> Done {
        say(&mut self.console, b"first words\n");
        let mut terminal = told("connecting", Stream::connect(CONSOLE))?;
        let greeting = format!("{}\nls\r", self.domain);
        same(
            "the greeting",
            told("greeting", terminal.write(greeting.as_bytes()))?,
            greeting.len(),
        )?;
        same(
            "its words",
            hear(&mut terminal, 12)?.as_str(),
            "first words\n",
        )?;
        let page = &self.console;
        let typed = until("what is typed", || {
            let count = page.load_u32(offset_of!(xencons_interface, in_prod));
            let mut bytes = [0; 3];
            page.read(offset_of!(xencons_interface, r#in), &mut bytes);
            Ok((count == 3).then_some(bytes))
        })?;
        same("what is typed", &typed, b"ls\r")?;
        self.terminal = Some(terminal);
        Ok(())
    }

    /// Indices that make no sense end its connection, and nobody else's.
    fn break_rings(&mut self) -> Done {
        let error_at = offset_of!(xenstore_domain_interface, error);
        same(
            "its error",
            self.store.load_u32(error_at),
            XENSTORE_ERROR_NONE,
        )?;
        let producer = offset_of!(xenstore_domain_interface, req_prod);
        let far = self.store.load_u32(producer).wrapping_add(1 << 20);
        self.store.store_u32(producer, far);
        let (store, control, domain) = (&self.store, &mut self.control, self.domain);
        let error = until("its error", || {
            told("asking", control.resume(domain))?;
            let error = store.load_u32(error_at);
            Ok((error != XENSTORE_ERROR_NONE).then_some(error))
        })?;
        same("its error", error, XENSTORE_ERROR_RINGIDX)?;
        same("others", nodes(), Ok(()))
    }

    /// It is destroyed: what it said is heard, its nodes go, and all that was mapped of it.
    fn end(mut self) -> Done {
        told("watching", self.control.watch("@releaseDomain", "end"))?;
        told("an event", self.control.wait_event(Some(PATIENCE)))?;
        say(&mut self.console, b"last words");
        drop((self.store, self.console));
        match Door.destroy_domain(self.domain) {
            // Its pages are mapped by the services still.
            Ok(()) => {}
            Err(error) if error.to_string().contains(&Errno(XEN_EAGAIN).to_string()) => {}
            Err(error) => return Err(format!("destroying: {error}")),
        }
        let event = told("its end", self.control.wait_event(Some(PATIENCE)))?;
        event.ok_or("nobody told of its end")?;
        same(
            "introduced",
            told("asking", self.control.is_introduced(self.domain))?,
            false,
        )?;
        let left = told("listing", self.control.list(&self.home))?;
        same(
            "what is left",
            left,
            ["name", "console"].map(String::from).to_vec(),
        )?;
        let mut terminal = self.terminal.ok_or("no terminal")?;
        same(
            "its last words",
            hear(&mut terminal, 10)?.as_str(),
            "last words",
        )?;
        same("its terminal", closes(&mut terminal)?, String::new())?;
        let mut log = told("connecting", Stream::connect(CONSOLE))?;
        let greeting = format!("log {}\n", self.domain);
        told("greeting", log.write(greeting.as_bytes()))?;
        same(
            "its log",
            closes(&mut log)?.as_str(),
            "first words\nlast words",
        )?;
        told("removing", self.control.remove(&self.home))?;
        let domain = self.domain;
        until("its whole end", || {
            let info = told("looking", Door.domain_info(domain))?;
            Ok(info.is_none().then_some(()))
        })
    }
}

/// The guest's output.
fn say(page: &mut ForeignFrames, text: &[u8]) {
    let producer = offset_of!(xencons_interface, out_prod);
    let at = page.load_u32(producer);
    let out = offset_of!(xencons_interface, out);
    page.write(out + at as usize, text);
    page.store_u32(producer, at + text.len() as u32);
}

/// So many bytes of a stream.
fn hear(stream: &mut Stream, count: usize) -> Done<String> {
    let mut bytes = Vec::new();
    until("output", || {
        let mut piece = [0; 64];
        let most = piece.len().min(count - bytes.len());
        let read = told("output", stream.read(&mut piece[..most]))?;
        bytes.extend_from_slice(&piece[..read]);
        Ok((bytes.len() == count).then_some(()))
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What comes of a stream until it is closed.
fn closes(stream: &mut Stream) -> Done<String> {
    let mut bytes = Vec::new();
    until("the end of a stream", || {
        let mut piece = [0; 64];
        let read = stream.read(&mut piece);
        bytes.extend_from_slice(&piece[..read.unwrap_or(0)]);
        Ok(read.is_err().then_some(()))
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The guest's side of its store ring. It cannot send events, as it does not run: who says that it
/// does again has the store look.
struct Ring<'a> {
    page: &'a mut ForeignFrames,
    domain: u16,
    waker: &'a mut Client<Stream>,
}

impl Ring<'_> {
    /// Index of the one who takes, how many bytes there are, and where the next one is.
    fn used(&self, consumer: usize, producer: usize) -> (u32, usize) {
        let (consumer, producer) = (self.page.load_u32(consumer), self.page.load_u32(producer));
        (consumer, producer.wrapping_sub(consumer) as usize)
    }
}

impl Transport for Ring<'_> {
    fn read(&mut self, to: &mut [u8]) -> Result<usize, Closed> {
        let taken = offset_of!(xenstore_domain_interface, rsp_cons);
        let given = offset_of!(xenstore_domain_interface, rsp_prod);
        let ring = offset_of!(xenstore_domain_interface, rsp);
        let (at, used) = self.used(taken, given);
        let start = at as usize % XENSTORE_RING_SIZE;
        let count = to.len().min(used).min(XENSTORE_RING_SIZE - start);
        self.page.read(ring + start, &mut to[..count]);
        self.page.store_u32(taken, at.wrapping_add(count as u32));
        Ok(count)
    }

    fn write(&mut self, from: &[u8]) -> Result<usize, Closed> {
        let taken = offset_of!(xenstore_domain_interface, req_cons);
        let given = offset_of!(xenstore_domain_interface, req_prod);
        let ring = offset_of!(xenstore_domain_interface, req);
        let (at, used) = self.used(taken, given);
        let at = at.wrapping_add(used as u32);
        let start = at as usize % XENSTORE_RING_SIZE;
        let room = (XENSTORE_RING_SIZE - used).min(XENSTORE_RING_SIZE - start);
        let count = from.len().min(room);
        self.page.write(ring + start, &from[..count]);
        self.page.store_u32(given, at.wrapping_add(count as u32));
        Ok(count)
    }
}

impl Channel for Ring<'_> {
    fn wait(&mut self, _: Option<u64>) {
        // If the store is there no more, the next request says so.
        let _ = self.waker.resume(self.domain);
    }
}
