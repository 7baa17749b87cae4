//! What holds for network interfaces, whatever a guest writes in its rings.

use dom0_tools::hyper::Mapping;
use dom0_tools::net::{Options, Switch};

#[path = "../fake/store.rs"]
// Each user of the stand-ins has its part of them; a fuzz target is a crate of its own.
#[allow(dead_code, unreachable_pub, clippy::duplicate_mod)]
mod store;

#[path = "../fake/net.rs"]
#[allow(dead_code, unreachable_pub)]
mod fake;

use fake::{Cable, ENTRIES, Granted, Guest, RX, TX, World, frame, mac, settle};

const NOW: u64 = 1;

/// Takes `data` as what the first of three guests does. The others go on after each step.
pub(crate) fn check(data: &[u8]) {
    let (mut granted, cable) = (Granted::default(), Cable::default());
    let mut switch: World = Switch::new(Some((cable.clone(), "xenbr0")));
    let mut guests: Vec<Guest> = (1..=3)
        .map(|domain| Guest::new(domain, &mut switch, &granted, Options::default()))
        .collect();
    guests[1].offer(64);
    let mut bytes = data.iter().copied();
    let mut number = 0;
    while let Some(step) = bytes.next() {
        act(&mut bytes, step, &mut guests[0], &granted);
        settle(&mut switch, &mut granted, NOW);
        number += 1;
        let honest = frame(mac(2), mac(3), number, 60);
        guests[2].send(&honest);
        settle(&mut switch, &mut granted, NOW);
        guests[2].answers();
        // The first may be heard as well, but never in the third's name.
        let got = guests[1].frames();
        let of_third: Vec<_> = got.iter().filter(|frame| frame[6..12] == mac(3)).collect();
        assert_eq!(of_third, [&honest]);
        guests[1].offer(64);
        cable.sent.borrow_mut().clear();
        if switch.interface(guests[0].port).is_none() {
            guests[0].connect(&mut switch, Options::default());
        }
        let interface = switch.interface(guests[0].port);
        assert!(interface.is_some_and(|interface| interface.waiting() <= 256));
    }
}

fn act(bytes: &mut impl Iterator<Item = u8>, step: u8, guest: &mut Guest, granted: &Granted) {
    let mut next = || bytes.next().unwrap_or_default();
    let (is_tx, kind) = (step & 1 == 0, step >> 1 & 3);
    let (page, entry) = if is_tx {
        (&mut guest.tx, TX)
    } else {
        (&mut guest.rx, RX)
    };
    match kind {
        // An index, by a small step or by any.
        0 => {
            let by = i32::from(next().cast_signed());
            let index = page.load_u32(4 * usize::from(step >> 3 & 3));
            let value = index.wrapping_add_signed(by);
            page.store_u32(4 * usize::from(step >> 3 & 3), value);
        }
        1 => {
            let value = u32::from_le_bytes([next(), next(), next(), next()]);
            page.store_u32(4 * usize::from(step >> 3 & 3), value);
        }
        // An entry near the one that is next, and one more request.
        2 => {
            let at = page.load_u32(0).wrapping_add((step >> 3 & 1).into());
            let place = ENTRIES + (at % 256) as usize * entry;
            let request: Vec<u8> = (0..entry).map(|_| next()).collect();
            page.write(place, &request);
            page.store_u32(0, page.load_u32(0).wrapping_add(1));
        }
        // A grant that is taken back.
        _ => {
            let gref = u32::from(next()) + if is_tx { 0 } else { 1000 };
            granted.0.borrow_mut().remove(&(guest.domain, gref));
        }
    }
}
