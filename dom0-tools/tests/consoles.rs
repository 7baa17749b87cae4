//! The console service: guests found through the store, clients in both directions, and nothing
//! lost of a guest that ends.

mod fake;

use dom0_tools::console::Consoles;
use dom0_tools::hyper::Mapping;
use dom0_tools::service::{DomainState, Transport};
use dom0_tools::store::Store;

use fake::store::{Domains, End, Page, Shared, Waiting as Waits, pair};

/// Offsets in `struct xencons_interface`.
const OUT: usize = 1024;
const IN_CONS: usize = 3072;
const IN_PROD: usize = 3076;
const OUT_CONS: usize = 3080;
const OUT_PROD: usize = 3084;

type Service = Consoles<Domains, Waits<End>, End>;

/// A store, and the service beside it.
fn service(domains: &[u32]) -> (Shared, Service) {
    let store = Shared::new(domains);
    let states = domains.iter().map(|domain| (*domain, DomainState::Alive));
    let machine = Domains {
        states: states.collect(),
        ..Domains::default()
    };
    let consoles = Consoles::new(machine, store.client()).unwrap();
    (store, consoles)
}

/// Makes a guest as the toolstack does; its console page.
fn introduce(store: &Shared, consoles: &mut Service, domain: u16) -> Page {
    let mut client = store.client();
    let console = format!("/local/domain/{domain}/console");
    client
        .write_text(&format!("{console}/ring-ref"), 77)
        .unwrap();
    client.write_text(&format!("{console}/port"), 3).unwrap();
    client.introduce(domain, 1, 5).unwrap();
    turn(store, consoles);
    assert_eq!(
        client.read_text(&format!("{console}/state")).unwrap(),
        "connected"
    );
    consoles.machine_mut().pages[&domain.into()].0.clone()
}

fn turn(store: &Shared, consoles: &mut Service) {
    store.run();
    consoles.turn().unwrap();
}

/// The guest says something, as much as there is room for.
fn say(page: &mut Page, text: &[u8]) -> usize {
    let (consumer, producer) = (page.load_u32(OUT_CONS), page.load_u32(OUT_PROD));
    let count = text
        .len()
        .min(2048 - producer.wrapping_sub(consumer) as usize);
    for (index, byte) in text[..count].iter().enumerate() {
        let at = producer.wrapping_add(index as u32) as usize % 2048;
        page.write(OUT + at, &[*byte]);
    }
    page.store_u32(OUT_PROD, producer.wrapping_add(count as u32));
    count
}

/// What the guest was typed.
fn typed(page: &mut Page) -> Vec<u8> {
    let (consumer, producer) = (page.load_u32(IN_CONS), page.load_u32(IN_PROD));
    let bytes = (consumer..producer).map(|at| {
        let mut byte = [0];
        page.read(at as usize % 1024, &mut byte);
        byte[0]
    });
    let bytes = bytes.collect();
    page.store_u32(IN_CONS, producer);
    bytes
}

fn attach(consoles: &mut Service, greeting: &str) -> End {
    let (mut ours, theirs) = pair();
    ours.write(greeting.as_bytes()).unwrap();
    consoles.connect(theirs);
    ours
}

/// What a client was given; the flag tells whether the stream is closed.
fn given(end: &mut End) -> (String, bool) {
    let mut all = Vec::new();
    loop {
        let mut piece = [0; 999];
        match end.read(&mut piece) {
            Ok(0) => return (String::from_utf8(all).unwrap(), false),
            Ok(count) => all.extend(&piece[..count]),
            Err(_) => return (String::from_utf8(all).unwrap(), true),
        }
    }
}

#[test]
fn consoles_go_both_ways() {
    let (store, mut consoles) = service(&[1, 2]);
    // Before there is any domain in the store.
    turn(&store, &mut consoles);
    let mut page = introduce(&store, &mut consoles, 1);
    introduce(&store, &mut consoles, 2);
    assert_eq!(say(&mut page, b"before\n"), 7);
    turn(&store, &mut consoles);
    let mut clients = [
        attach(&mut consoles, "1\n"),
        attach(&mut consoles, "1\nls\n"),
    ];
    let mut other = attach(&mut consoles, "2\n");
    turn(&store, &mut consoles);
    say(&mut page, b"then\n");
    turn(&store, &mut consoles);
    for client in &mut clients {
        assert_eq!(given(client), ("before\nthen\n".into(), false));
    }
    assert_eq!(given(&mut other), (String::new(), false));
    clients[0].write(b"rm").unwrap();
    turn(&store, &mut consoles);
    assert_eq!(typed(&mut page), b"ls\nrm");
    // More than the ring holds comes as the guest takes it.
    let much: Vec<u8> = (0..3000u32).map(|number| number as u8).collect();
    clients[0].write(&much).unwrap();
    let mut seen = Vec::new();
    for _ in 0..10 {
        turn(&store, &mut consoles);
        seen.extend(typed(&mut page));
    }
    assert_eq!(seen, much);
    let [first, _] = clients;
    drop(first);
    turn(&store, &mut consoles);
    assert_eq!(consoles.count(), (2, 2));
}

#[test]
fn a_guest_that_dies_fast_is_heard() {
    let (store, mut consoles) = service(&[1]);
    let mut page = introduce(&store, &mut consoles, 1);
    let mut client = attach(&mut consoles, "1\n");
    turn(&store, &mut consoles);
    say(&mut page, b"my last words");
    consoles.machine_mut().states.clear();
    store.0.borrow_mut().machine_mut().states.clear();
    store.0.borrow_mut().domains_changed();
    turn(&store, &mut consoles);
    assert_eq!(given(&mut client), ("my last words".into(), true));
    assert_eq!(consoles.count().1, 0);
    // Its log is kept, and closed behind its end.
    for greeting in ["log 1\n", "1\n"] {
        let mut late = attach(&mut consoles, greeting);
        turn(&store, &mut consoles);
        assert_eq!(given(&mut late), ("my last words".into(), true));
    }
}

#[test]
fn a_log_ends_where_it_is() {
    let (store, mut consoles) = service(&[1]);
    let mut page = introduce(&store, &mut consoles, 1);
    say(&mut page, b"so far");
    turn(&store, &mut consoles);
    let mut log = attach(&mut consoles, "log 1\n");
    turn(&store, &mut consoles);
    assert_eq!(given(&mut log), ("so far".into(), true));
}

#[test]
fn who_asks_for_nothing_gets_nothing() {
    let (store, mut consoles) = service(&[1]);
    introduce(&store, &mut consoles, 1);
    for greeting in [
        "7\n",
        "x\n",
        "\n",
        "log\n",
        "log x\n",
        "-1\n",
        &"1".repeat(40),
    ] {
        let mut client = attach(&mut consoles, greeting);
        turn(&store, &mut consoles);
        assert_eq!(given(&mut client), (String::new(), true), "{greeting:?}");
    }
    // One that says only half of it waits, and stops nobody.
    let mut slow = attach(&mut consoles, "log");
    turn(&store, &mut consoles);
    assert_eq!(given(&mut slow), (String::new(), false));
    slow.write(b" 1\n").unwrap();
    turn(&store, &mut consoles);
    assert!(given(&mut slow).1);
}

#[test]
fn one_stream_hears_all_guests() {
    let (store, mut consoles) = service(&[1, 2, 3]);
    let pages = [1, 2].map(|domain| introduce(&store, &mut consoles, domain));
    let [mut first, mut second] = pages;
    say(&mut first, b"before\n");
    turn(&store, &mut consoles);
    // Also what nobody was told of.
    say(&mut second, b"quietly\n");
    let mut all = attach(&mut consoles, "all\n");
    consoles.turn_of_due().unwrap();
    let heard = "1 7\nbefore\n2 8\nquietly\n";
    assert_eq!(given(&mut all), (heard.into(), false));
    // Only of whom there is news.
    say(&mut first, b"one");
    say(&mut second, b"two\nlines\n");
    consoles.event(2);
    consoles.turn_of_due().unwrap();
    assert_eq!(given(&mut all), ("2 10\ntwo\nlines\n".into(), false));
    consoles.event(1);
    consoles.turn_of_due().unwrap();
    assert_eq!(given(&mut all), ("1 3\none".into(), false));
    let mut third = introduce(&store, &mut consoles, 3);
    say(&mut third, b"!");
    consoles.event(3);
    consoles.turn_of_due().unwrap();
    assert_eq!(given(&mut all), ("3 1\n!".into(), false));
    // The end is told behind the last words, and once; of a ring that is broken as well.
    say(&mut first, b"bye");
    second.store_u32(OUT_PROD, 99_999);
    consoles.machine_mut().states.remove(&1);
    store.0.borrow_mut().machine_mut().states.remove(&1);
    store.0.borrow_mut().domains_changed();
    turn(&store, &mut consoles);
    let (text, closed) = given(&mut all);
    assert!(text.starts_with("1 3\nbye1 0\n2 ") && text.ends_with("]\n2 0\n"));
    turn(&store, &mut consoles);
    assert_eq!((given(&mut all), closed), ((String::new(), false), false));
    drop(all);
    turn(&store, &mut consoles);
    assert_eq!(consoles.count(), (0, 1));
}

/// One who hears all and does not read misses of each guest what is not kept, and no more.
#[test]
fn one_who_hears_all_and_sleeps_stops_nobody() {
    let (store, mut consoles) = service(&[1, 2]);
    let [mut loud, mut soft] = [1, 2].map(|domain| introduce(&store, &mut consoles, domain));
    let mut all = attach(&mut consoles, "all\n");
    say(&mut soft, b"psst\n");
    let mut said = 0;
    while said < 100_000 {
        said += say(&mut loud, &[b'x'; 1500]);
        turn(&store, &mut consoles);
    }
    let mut late = String::new();
    for _ in 0..10 {
        late += &given(&mut all).0;
        turn(&store, &mut consoles);
    }
    assert_eq!(late.matches("2 5\npsst\n").count(), 1);
    let (before, _) = late.split_once(" earlier bytes").unwrap();
    let lost: usize = before.rsplit('[').next().unwrap().parse().unwrap();
    assert_eq!(late.matches('x').count() + lost, said);
}

#[test]
fn what_is_typed_behind_a_full_ring_goes_with_who_typed_it() {
    let (store, mut consoles) = service(&[1]);
    let mut page = introduce(&store, &mut consoles, 1);
    let mut client = attach(&mut consoles, "1\n");
    client.write(&[b'x'; 1500]).unwrap();
    turn(&store, &mut consoles);
    assert_eq!(consoles.count(), (1, 1));
    drop(client);
    consoles.leaves(1);
    consoles.turn_of_due().unwrap();
    assert_eq!(consoles.count(), (0, 1));
    assert_eq!(typed(&mut page).len(), 1024);
}

#[test]
fn a_hostile_ring_ends_that_console_only() {
    let (store, mut consoles) = service(&[1, 2]);
    let (mut bad, mut good) = (
        introduce(&store, &mut consoles, 1),
        introduce(&store, &mut consoles, 2),
    );
    say(&mut bad, b"fine\n");
    turn(&store, &mut consoles);
    bad.store_u32(OUT_PROD, 99_999);
    say(&mut good, b"good");
    turn(&store, &mut consoles);
    assert!(consoles.machine_mut().log[0].contains("more than 2048 apart"));
    let mut client = attach(&mut consoles, "1\n");
    turn(&store, &mut consoles);
    let (text, closed) = given(&mut client);
    assert!(
        text.starts_with("fine\n\n[its console ring is corrupt") && closed,
        "{text}"
    );
    assert_eq!(consoles.log(2).unwrap().contents(), b"good");
    // The input ring is found when something is typed.
    good.store_u32(IN_PROD, 5000);
    let mut client = attach(&mut consoles, "2\nx");
    turn(&store, &mut consoles);
    turn(&store, &mut consoles);
    assert!(given(&mut client).1);
    assert_eq!(consoles.machine_mut().log.len(), 2);
}

#[test]
fn a_client_that_does_not_read_stops_nobody() {
    let (store, mut consoles) = service(&[1]);
    let mut page = introduce(&store, &mut consoles, 1);
    let mut asleep = attach(&mut consoles, "1\n");
    let mut awake = attach(&mut consoles, "1\n");
    let (mut said, mut heard) = (0, 0);
    while said < 100_000 {
        said += say(&mut page, &[b'x'; 1500]);
        turn(&store, &mut consoles);
        heard += given(&mut awake).0.len();
    }
    assert_eq!(heard, said);
    let mut late = String::new();
    for _ in 0..10 {
        late += &given(&mut asleep).0;
        turn(&store, &mut consoles);
    }
    let lost: usize = late.split(['[', ' ']).nth(1).unwrap().parse().unwrap();
    let marks = late.matches('x').count();
    assert_eq!(marks + lost, said);
}

#[test]
fn logs_of_ended_guests_are_few() {
    let domains: Vec<u32> = (1..=100).collect();
    let (store, mut consoles) = service(&domains);
    for domain in 1..=100u16 {
        let mut page = introduce(&store, &mut consoles, domain);
        say(&mut page, b"hello");
    }
    consoles.machine_mut().states.clear();
    store.0.borrow_mut().machine_mut().states.clear();
    store.0.borrow_mut().domains_changed();
    turn(&store, &mut consoles);
    let kept = (1..=100).filter(|domain| consoles.log(*domain).is_some());
    assert_eq!(kept.count(), 32);
}

#[test]
fn a_service_that_begins_anew_finds_its_guests() {
    let (store, mut consoles) = service(&[1]);
    let mut page = introduce(&store, &mut consoles, 1);
    say(&mut page, b"before\n");
    turn(&store, &mut consoles);
    say(&mut page, b"between\n");
    let machine = Domains {
        states: [(1, DomainState::Alive)].into(),
        pages: consoles.machine_mut().pages.clone(),
        ..Domains::default()
    };
    drop(consoles);
    let mut consoles = Consoles::new(machine, store.client()).unwrap();
    turn(&store, &mut consoles);
    let mut client = attach(&mut consoles, "1\nls\n");
    turn(&store, &mut consoles);
    // What the one before had taken went with it.
    assert_eq!(given(&mut client), ("between\n".into(), false));
    assert_eq!(typed(&mut page), b"ls\n");
}
