//! Network interfaces of guests: what goes through, what is refused, and that nobody keeps others
//! waiting.

mod fake;

use dom0_tools::hyper::Mapping;
use dom0_tools::net::{Bridge, Checksum, Fault, Frame, Options, Rate, Switch, Target};
use hypercall_abi::io::netif::*;
use proptest::prelude::*;

use fake::net::*;

const ALL: [u8; 6] = [0xff; 6];
const SECOND: u64 = 1_000_000_000;

/// A switch with a wire, and so many guests, whose domains are counted from 1.
fn world(guests: u16) -> (World, Granted, Cable, Vec<Guest>) {
    let (granted, cable) = (Granted::default(), Cable::default());
    let mut switch = Switch::new(Some((cable.clone(), "xenbr0")));
    let guests = (1..=guests)
        .map(|domain| Guest::new(domain, &mut switch, &granted, Options::default()))
        .collect();
    (switch, granted, cable, guests)
}

#[test]
fn frames_go_where_they_are_meant_to() {
    let (mut switch, mut granted, cable, mut guests) = world(3);
    guests.iter_mut().for_each(|guest| guest.offer(256));
    let to_two = frame(mac(2), mac(1), 1, 1514);
    let to_all = frame(ALL, mac(1), 2, 60);
    let to_stranger = frame([2, 0, 0, 0, 0, 9], mac(1), 3, 14 + 4);
    for bytes in [&to_two, &to_all, &to_stranger] {
        guests[0].send_in(bytes, 300, 0);
    }
    settle(&mut switch, &mut granted, 1);
    assert_eq!(guests[0].frames(), [] as [Vec<u8>; 0]);
    let expected = [to_two, to_all.clone(), to_stranger.clone()];
    assert_eq!(guests[1].frames(), expected);
    assert_eq!(guests[2].frames(), [to_all.clone(), to_stranger.clone()]);
    assert_eq!(*cable.sent.borrow(), [to_all, to_stranger]);
    assert!(
        guests[0]
            .answers()
            .iter()
            .all(|(_, status)| *status == NETIF_RSP_OKAY)
    );
    assert!(*guests[1].bell.0.borrow() > 0);

    // The stranger answers, and is known from then on.
    let answer = frame(mac(1), [2, 0, 0, 0, 0, 9], 4, 60);
    cable.arriving.borrow_mut().push_back(answer.clone());
    settle(&mut switch, &mut granted, 2);
    assert_eq!(guests[0].frames(), [answer]);
    let again = frame([2, 0, 0, 0, 0, 9], mac(1), 5, 60);
    guests[0].send(&again);
    settle(&mut switch, &mut granted, 3);
    assert_eq!(guests[1].frames().len() + guests[2].frames().len(), 0);
    assert_eq!(cable.sent.borrow().last(), Some(&again));
    // For 300 seconds.
    guests[0].send(&again);
    settle(&mut switch, &mut granted, 302 * SECOND);
    assert_eq!(guests[1].frames(), [again]);
}

#[test]
fn nobody_gets_what_is_anothers() {
    let (mut switch, mut granted, cable, mut guests) = world(3);
    guests.iter_mut().for_each(|guest| guest.offer(256));
    // The third says that it is the second, and is not heard.
    guests[2].send(&frame(ALL, mac(2), 1, 60));
    guests[2].send(&frame(mac(1), mac(2), 2, 60));
    // A group is nobody's source; what is for bridges goes no further.
    guests[2].send(&frame(ALL, [1, 0, 0, 0, 0, 1], 3, 60));
    guests[2].send(&frame([1, 0x80, 0xc2, 0, 0, 0], mac(3), 4, 60));
    settle(&mut switch, &mut granted, 1);
    assert!(guests[0].frames().is_empty() && guests[1].frames().is_empty());
    assert!(cable.sent.borrow().is_empty());
    let real = frame(mac(2), mac(1), 5, 60);
    guests[0].send(&real);
    settle(&mut switch, &mut granted, 2);
    assert_eq!(guests[1].frames(), [real]);
    assert!(guests[2].frames().is_empty());
    // Invented addresses do not push out what others are known by.
    cable
        .arriving
        .borrow_mut()
        .push_back(frame(ALL, [2, 0, 0, 0, 9, 9], 6, 60));
    settle(&mut switch, &mut granted, 3);
    for number in 0..500_u32 {
        let source = [2, 3, 0, 0, (number >> 8) as u8, number as u8];
        guests[2].send(&frame(mac(3), source, number, 60));
        settle(&mut switch, &mut granted, 4);
        guests[2].answers();
    }
    guests.iter_mut().for_each(|guest| drop(guest.frames()));
    guests[0].send(&frame([2, 0, 0, 0, 9, 9], mac(1), 7, 60));
    settle(&mut switch, &mut granted, 5);
    assert!(guests[1].frames().is_empty() && guests[2].frames().is_empty());
}

#[test]
fn a_port_is_known_by_few_addresses() {
    let mut bridge = Bridge::default();
    let mut hear = |port: u32, address: u32| {
        let [a, b, c, d] = address.to_be_bytes();
        let bytes = frame([0xff; 6], [2, 0, a, b, c, d], 1, 60);
        let frame = Frame::new(bytes, Checksum::Unknown).unwrap();
        assert_eq!(bridge.route(&frame, port, 0), Target::Others);
        bridge.known()
    };
    let known = (0..1000).map(|address| hear(1, address)).last();
    assert_eq!(known, Some(64));
    // Nobody else's room is taken.
    assert_eq!(hear(2, 5000), 65);
}

#[test]
fn bridges_are_apart() {
    let (mut switch, mut granted, cable, mut guests) = world(2);
    guests.iter_mut().for_each(|guest| guest.offer(256));
    let interface = switch.detach(guests[1].port).unwrap();
    switch.attach(interface, "private", Some(mac(2)));
    guests[0].send(&frame(ALL, mac(1), 1, 60));
    guests[0].send(&frame(mac(2), mac(1), 2, 60));
    guests[1].send(&frame(ALL, mac(2), 3, 60));
    settle(&mut switch, &mut granted, 1);
    assert!(guests[0].frames().is_empty() && guests[1].frames().is_empty());
    assert_eq!(cable.sent.borrow().len(), 2);
}

fn request(gref: u32, offset: u16, flags: u16, size: u16) -> netif_tx_request {
    netif_tx_request {
        gref,
        offset,
        flags,
        id: 7,
        size,
    }
}

#[test]
fn what_is_no_frame_comes_back_as_an_error() {
    let more = NETTXF_more_data;
    let many = |count: u16| {
        let mut all = vec![request(0, 0, more, 60 * count)];
        all.resize(usize::from(count), request(0, 0, more, 60));
        all.last_mut().unwrap().flags = 0;
        all
    };
    let bad = [
        vec![request(0, 0, 0, 0)],
        vec![request(0, 0, 0, 13)],
        vec![request(0, 0, 0, 1519)],
        vec![request(0, 0, 0, u16::MAX)],
        vec![request(0, 4096 - 59, 0, 60)],
        vec![request(0, u16::MAX, 0, 60)],
        vec![request(9999, 0, 0, 60)],
        // Pieces that have more bytes than the frame, one without its grant, one beyond its page.
        vec![request(0, 0, more, 60), request(0, 0, 0, 61)],
        vec![request(0, 0, more, 120), request(9999, 0, 0, 60)],
        vec![request(0, 0, more, 120), request(0, 4090, 0, 60)],
        many(19),
        many(24),
    ];
    let (mut switch, mut granted, _, mut guests) = world(2);
    guests[1].offer(256);
    for (index, requests) in bad.into_iter().enumerate() {
        requests.iter().for_each(|request| guests[0].ask(*request));
        let good = frame(mac(2), mac(1), 1, 60);
        guests[0].send(&good);
        let turn = settle(&mut switch, &mut granted, 1);
        assert_eq!(turn.broken, [], "{index}");
        let answers = guests[0].answers();
        assert_eq!(answers.len(), requests.len() + 1, "{index}");
        let (last, refused) = answers.split_last().unwrap();
        assert!(
            refused.iter().all(|answer| *answer == (7, NETIF_RSP_ERROR)),
            "{index}"
        );
        assert_eq!(last.1, NETIF_RSP_OKAY);
        assert_eq!(guests[1].frames(), [good]);
    }
    // Pieces up to the most there may be, and some that are empty, are a frame.
    for requests in [
        many(18),
        vec![request(0, 0, more, 60), request(0, 4096, 0, 0)],
    ] {
        guests[0].page(0).write(0, &frame(mac(2), mac(1), 1, 60));
        requests.iter().for_each(|request| guests[0].ask(*request));
        guests[0].show();
        settle(&mut switch, &mut granted, 1);
        assert_eq!(guests[1].frames().len(), 1);
    }
}

fn extra(kind: u8, flags: u8) -> [u8; 12] {
    [kind, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

#[test]
fn extra_information_was_not_offered() {
    let (mut switch, mut granted, _, mut guests) = world(2);
    guests[1].offer(256);
    for kind in 1..5 {
        guests[0].ask(request(0, 0, NETTXF_extra_info | NETTXF_more_data, 60));
        guests[0].ask(extra(kind, 1));
        guests[0].ask(extra(kind, 0));
        guests[0].ask(request(1, 0, 0, 30));
        guests[0].show();
        assert_eq!(settle(&mut switch, &mut granted, 1).broken, []);
        let statuses: Vec<i16> = guests[0].answers().iter().map(|answer| answer.1).collect();
        let (error, null) = (NETIF_RSP_ERROR, NETIF_RSP_NULL);
        assert_eq!(statuses, [error, null, null, error]);
        assert!(guests[1].frames().is_empty());
    }
}

/// What the first of two guests does to its rings ends its interface, and the other's goes on.
fn breaks(name: &str, spoil: impl Fn(&mut Guest)) -> Fault {
    let (mut switch, mut granted, cable, mut guests) = world(2);
    guests.iter_mut().for_each(|guest| guest.offer(100));
    spoil(&mut guests[0]);
    let waiting = frame(mac(1), mac(2), 1, 60);
    guests[1].send(&waiting);
    let turn = settle(&mut switch, &mut granted, 1);
    assert_eq!(turn.broken.len(), 1, "{name}");
    assert_eq!(turn.broken[0].port, guests[0].port);
    assert!(switch.interface(guests[0].port).is_none());
    guests[1].send(&waiting);
    settle(&mut switch, &mut granted, 1);
    assert_eq!(guests[1].answers().len(), 2);
    // Nobody has that address any more.
    assert_eq!(cable.sent.borrow().last(), Some(&waiting));
    turn.broken[0].fault
}

#[test]
fn a_ring_that_makes_no_sense_ends_the_interface() {
    for count in [257, 1000, 1 << 31, u32::MAX] {
        let fault = breaks("transmit", |guest| guest.tx.store_u32(REQ_PROD, count));
        assert_eq!(fault, Fault::Indices("transmit"));
        let fault = breaks("receive", |guest| guest.rx.store_u32(REQ_PROD, count));
        assert_eq!(fault, Fault::Indices("receive"));
    }
    let more = NETTXF_more_data;
    let unfinished = breaks("without an end", |guest| {
        guest.ask(request(0, 0, more, 60));
        guest.show();
    });
    assert_eq!(unfinished, Fault::Unfinished);
    let whole_ring = breaks("a ring without an end", |guest| {
        (0..SIZE).for_each(|_| guest.ask(request(0, 0, more, 60)));
        guest.show();
    });
    assert_eq!(whole_ring, Fault::Unfinished);
    let no_extra = breaks("extra information that is missing", |guest| {
        guest.ask(request(0, 0, NETTXF_extra_info, 60));
        guest.show();
    });
    assert_eq!(no_extra, Fault::Unfinished);
    for kind in [0, 5, 255] {
        let fault = breaks("extra information of no type", |guest| {
            guest.ask(request(0, 0, NETTXF_extra_info, 60));
            guest.ask(extra(kind, 1));
            guest.show();
        });
        assert_eq!(fault, Fault::Extra(kind));
    }
}

#[test]
fn a_flood_is_the_floods_loss() {
    let (mut switch, mut granted, _, mut guests) = world(4);
    let mut numbers = 0;
    for _ in 0..50 {
        // The first floods everybody; the third takes nothing and the fourth says so little.
        while guests[0].room() > 0 {
            guests[0].send(&frame(ALL, mac(1), numbers, 1514));
            numbers += 1;
        }
        guests[3].send(&frame(mac(2), mac(4), numbers, 60));
        guests[1].offer(8);
        settle(&mut switch, &mut granted, 1);
        guests[0].answers();
        guests[3].answers();
    }
    // Everything of the fourth has come, or waits.
    let mut of_fourth = 0;
    loop {
        guests[1].offer(256);
        settle(&mut switch, &mut granted, 1);
        let frames = guests[1].frames();
        if frames.is_empty() {
            break;
        }
        of_fourth += frames.iter().filter(|frame| frame[6..12] == mac(4)).count();
    }
    assert_eq!(of_fourth, 50);
    let third = switch.interface(guests[2].port).unwrap();
    assert!(third.waiting() <= 256 && third.counters().lost > 0);
    // What has waited for it is given as soon as it takes something.
    guests[2].offer(5);
    settle(&mut switch, &mut granted, 1);
    assert_eq!(guests[2].frames().len(), 5);
}

#[test]
fn a_page_that_is_not_granted_any_more_costs_one_frame() {
    let (mut switch, mut granted, _, mut guests) = world(2);
    guests[1].offer(3);
    granted.0.borrow_mut().remove(&(2, 1001));
    for number in 0..3 {
        guests[0].send(&frame(mac(2), mac(1), number, 60));
    }
    assert_eq!(settle(&mut switch, &mut granted, 1).broken, []);
    let lengths: Vec<usize> = guests[1].frames().iter().map(Vec::len).collect();
    assert_eq!(lengths, [60, 0, 60]);
}

#[test]
fn large_frames_are_agreed_upon() {
    let (mut switch, mut granted, _, mut guests) = world(3);
    for guest in &mut guests[..2] {
        guest.offer(256);
        switch.detach(guest.port);
        let options = Options {
            frame_max: 9014,
            ..Options::default()
        };
        guest.connect(&mut switch, options);
    }
    guests[2].offer(256);
    let large = frame(ALL, mac(1), 1, 9014);
    guests[0].send(&large);
    settle(&mut switch, &mut granted, 1);
    assert_eq!(guests[1].frames(), [large]);
    // One that has not agreed does not get them.
    assert!(guests[2].frames().is_empty());
}

#[test]
fn a_rate_holds() {
    let (mut switch, mut granted, _, mut guests) = world(2);
    guests[1].offer(256);
    switch.detach(guests[0].port);
    let rate = Some(Rate {
        bytes: 1000,
        interval: SECOND,
    });
    let options = Options {
        rate,
        ..Options::default()
    };
    guests[0].connect(&mut switch, options);
    for number in 0..40 {
        guests[0].send(&frame(mac(2), mac(1), number, 500));
    }
    let mut came = Vec::new();
    let mut now = SECOND;
    while came.iter().sum::<usize>() < 40 {
        let turn = settle(&mut switch, &mut granted, now);
        came.push(guests[1].frames().len());
        now = turn.due.unwrap_or(now + SECOND);
    }
    assert_eq!(came, [2; 20]);
    assert_eq!(now, 21 * SECOND);
}

#[test]
fn a_service_that_is_started_again_goes_on() {
    let (mut switch, mut granted, cable, mut guests) = world(2);
    guests.iter_mut().for_each(|guest| guest.offer(100));
    for number in 0..150 {
        guests[0].send(&frame(mac(2), mac(1), number, 60));
        if number % 30 == 29 {
            // Its memory is lost, the guests' is not; what it has not taken yet is served.
            let mut again = Switch::new(Some((cable.clone(), "xenbr0")));
            for guest in &mut guests {
                guest.connect(&mut again, Options::default());
            }
            switch = again;
        }
        if number % 7 == 0 {
            settle(&mut switch, &mut granted, 1);
            guests[0].answers();
            guests[1].offer(256);
        }
    }
    settle(&mut switch, &mut granted, 1);
    let numbers: Vec<u8> = guests[1].frames().iter().map(|frame| frame[14]).collect();
    assert_eq!(numbers, (0..150).collect::<Vec<u8>>());
}

/// A step of somebody.
#[derive(Debug, Clone)]
enum Step {
    Send {
        from: usize,
        to: usize,
        len: usize,
        piece: usize,
    },
    Offer(usize, u32),
    Turn,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_usize, 0..4_usize, 18..1514_usize, 100..2000_usize)
            .prop_map(|(from, to, len, piece)| Step::Send { from, to, len, piece }),
        2 => (0..3_usize, 1..40_u32).prop_map(|(guest, count)| Step::Offer(guest, count)),
        4 => Just(Step::Turn),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    /// Against a plain model: everybody gets what is for him, whole and in order, while nothing
    /// waits so long that it is dropped.
    #[test]
    fn everything_arrives_in_order(steps in prop::collection::vec(step(), 1..150)) {
        let (mut switch, mut granted, cable, mut guests) = world(3);
        let mut expected: Vec<Vec<Vec<u8>>> = vec![Vec::new(); 3];
        let mut got: Vec<Vec<Vec<u8>>> = vec![Vec::new(); 3];
        let mut outside = 0;
        let mut number = 0;
        for step in steps {
            match step {
                Step::Send { from, to, len, piece } => {
                    let to_mac = if to == 3 { ALL } else { mac(to as u16 + 1) };
                    let bytes = frame(to_mac, mac(from as u16 + 1), number, len);
                    let slots = bytes.len().div_ceil(piece) as u32;
                    if guests[from].room() < slots || slots > 18 || number >= 100 {
                        continue;
                    }
                    number += 1;
                    guests[from].send_in(&bytes, piece, 0);
                    // A frame to oneself goes nowhere.
                    let is_for = |guest: usize| guest != from && (to == 3 || to == guest);
                    for guest in (0..3).filter(|guest| is_for(*guest)) {
                        expected[guest].push(bytes.clone());
                    }
                    outside += usize::from(to == 3);
                }
                Step::Offer(guest, count) => guests[guest].offer(count),
                Step::Turn => {
                    prop_assert_eq!(settle(&mut switch, &mut granted, 1).broken, []);
                }
                Step::Restart => {
                    // What waits in the service is lost: so nothing may.
                    guests.iter_mut().for_each(|guest| guest.offer(256));
                    settle(&mut switch, &mut granted, 1);
                    switch = Switch::new(Some((cable.clone(), "xenbr0")));
                    for guest in &mut guests {
                        guest.connect(&mut switch, Options::default());
                    }
                }
            }
            for (guest, got) in guests.iter_mut().zip(&mut got) {
                guest.answers();
                got.extend(guest.frames());
            }
        }
        guests.iter_mut().for_each(|guest| guest.offer(256));
        settle(&mut switch, &mut granted, 1);
        for (guest, got) in guests.iter_mut().zip(&mut got) {
            got.extend(guest.frames());
        }
        // Frames of different senders come in any order, those of one in his.
        for (got, expected) in got.iter().zip(&expected) {
            for sender in 1..=3 {
                let of = |frames: &[Vec<u8>]| -> Vec<Vec<u8>> {
                    let is_his = |frame: &&Vec<u8>| frame[6..12] == mac(sender);
                    frames.iter().filter(is_his).cloned().collect()
                };
                prop_assert_eq!(of(got), of(expected));
            }
        }
        prop_assert_eq!(cable.sent.borrow().len(), outside);
    }
}
