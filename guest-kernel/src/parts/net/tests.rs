//! Both rings against a back end that is honest, and ones that are not.

use super::*;
use crate::front_ring::{Broken, Words};
use std::cell::RefCell;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

/// A page that both sides have.
#[derive(Clone)]
struct Shared(Rc<RefCell<Vec<u32>>>);

impl Shared {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(vec![0xdead_beef; 1024])))
    }

    fn entry(&self, index: u32, words: usize, word: usize) -> usize {
        64 + (index as usize % BUFFERS * words + word) * 4
    }
}

impl Words for Shared {
    fn load(&self, offset: usize) -> u32 {
        self.0.borrow()[offset / 4]
    }
    fn store(&mut self, offset: usize, value: u32) {
        self.0.borrow_mut()[offset / 4] = value;
    }
    fn fence(&self) {}
}

const REQ_PROD: usize = 0;
const REQ_EVENT: usize = 4;
const RSP_PROD: usize = 8;
const RSP_EVENT: usize = 12;

/// A back end of one ring.
struct Back {
    page: Shared,
    words: usize,
    taken: u32,
    answered: u32,
}

impl Back {
    fn new(page: &Shared, words: usize) -> Self {
        Self {
            page: page.clone(),
            words,
            taken: 0,
            answered: 0,
        }
    }

    fn take(&mut self) -> Option<Vec<u32>> {
        if self.page.load(REQ_PROD) == self.taken {
            return None;
        }
        let word = |word| {
            self.page
                .load(self.page.entry(self.taken, self.words, word))
        };
        let request = (0..self.words).map(word).collect();
        self.taken += 1;
        Some(request)
    }

    /// Writes a response; it is seen when shown.
    fn answer(&mut self, words: &[u32]) {
        for (word, value) in words.iter().enumerate() {
            let place = self.page.entry(self.answered, self.words, word);
            self.page.store(place, *value);
        }
        self.answered += 1;
    }

    fn show(&mut self) {
        self.page.store(RSP_PROD, self.answered);
    }
}

fn receiver() -> (Receiver<Shared>, Back) {
    let page = Shared::new();
    let back = Back::new(&page, 2);
    let mut front = Receiver::new(page);
    (0..BUFFERS as u16).for_each(|buffer| front.give(buffer, 1000 + u32::from(buffer)));
    assert!(front.publish());
    (front, back)
}

fn piece(id: u32, offset: u32, flags: u32, status: i16) -> [u32; 2] {
    let status = u32::from(status.cast_unsigned());
    [id | offset << 16, flags | status << 16]
}

#[test]
fn frames_of_one_piece_and_many_come_in_order_for_ever() {
    let (mut front, mut back) = receiver();
    let mut pieces = Vec::new();
    let mut seen = [0; BUFFERS];
    for round in 0..1000_u32 {
        let parts = round % 5 + 1;
        for part in 0..parts {
            let request = back.take().expect("every buffer is given again");
            assert_eq!(request[1], 1000 + request[0]);
            let more = if part + 1 < parts { 4 } else { 0 };
            back.answer(&piece(request[0], part, more, 100 + part as i16));
        }
        assert_eq!(front.take(&mut pieces), Ok(false), "before it is shown");
        back.show();
        assert_eq!(front.has_frame(), Ok(true));
        assert_eq!(front.take(&mut pieces), Ok(true));
        assert_eq!(pieces.len(), parts as usize);
        for (part, piece) in pieces.iter().enumerate() {
            assert_eq!((piece.offset, piece.len), (part as u16, 100 + part as u16));
            seen[usize::from(piece.buffer)] += 1;
            front.give(piece.buffer, 1000 + u32::from(piece.buffer));
        }
        front.publish();
    }
    assert_eq!(seen.iter().sum::<i32>(), 3000);
    assert!(seen.iter().all(|times| (11..=12).contains(times)));
}

#[test]
fn a_frame_that_is_none_gives_its_buffers_back() {
    let bad: [&[[u32; 2]]; 5] = [
        &[piece(0, 0, 0, -1)],
        &[piece(0, 0, 0, 0)],
        &[piece(0, 4000, 0, 97)],
        &[piece(0, 0, 4, 10), piece(1, 0, 0, -2)],
        &[piece(0, 0, 4, i16::MIN), piece(1, 0, 0, 60)],
    ];
    for bad in bad {
        let (mut front, mut back) = receiver();
        bad.iter().for_each(|words| back.answer(words));
        back.show();
        let mut pieces = Vec::new();
        assert_eq!(front.take(&mut pieces), Ok(false));
        assert_eq!(pieces.len(), bad.len());
        assert_eq!(front.dropped(), 1);
    }
    let (mut front, mut back) = receiver();
    (0..19).for_each(|id| back.answer(&piece(id, 0, if id < 18 { 4 } else { 0 }, 10)));
    back.show();
    let mut pieces = Vec::new();
    assert_eq!(front.take(&mut pieces), Ok(false));
    assert_eq!(pieces.len(), 19);
}

#[test]
fn answers_that_nobody_asked_for_break_the_ring() {
    let bad: [&[[u32; 2]]; 4] = [
        // Of another place, of no buffer, with extra information, without an end.
        &[piece(1, 0, 0, 60)],
        &[piece(0xffff, 0, 0, 60)],
        &[piece(0, 0, 8, 60)],
        &[piece(0, 0, 4, 60)],
    ];
    for bad in bad {
        let (mut front, mut back) = receiver();
        bad.iter().for_each(|words| back.answer(words));
        back.show();
        assert_eq!(front.take(&mut Vec::new()), Err(Broken));
    }
    for count in [257, 5000, u32::MAX, 1 << 31] {
        let (mut front, mut back) = receiver();
        back.page.store(RSP_PROD, count);
        assert_eq!(front.take(&mut Vec::new()), Err(Broken), "{count}");
        assert_eq!(front.has_frame(), Err(Broken));
        assert_eq!(front.want_event(), Err(Broken));
    }
}

#[test]
fn sent_buffers_come_back_in_any_order() {
    let page = Shared::new();
    let mut back = Back::new(&page, 3);
    let mut front = Transmitter::new(page, 8);
    let mut sent = 0_u32;
    for round in 0..300 {
        while let Some(buffer) = front.buffer() {
            front.send(500 + u32::from(buffer), 60 + (sent % 1000) as u16);
            sent += 1;
        }
        front.publish();
        let requests: Vec<_> = core::iter::from_fn(|| back.take()).collect();
        assert!(!requests.is_empty());
        let mut ids: Vec<u32> = requests.iter().map(|request| request[2] & 0xffff).collect();
        for (request, id) in requests.iter().zip(&ids) {
            assert_eq!((request[0], request[1]), (500 + id, 0));
        }
        ids.rotate_left(round % 3);
        ids.truncate(5);
        for id in &ids {
            back.answer(&[*id | if *id == 3 { 0xffff << 16 } else { 0 }]);
        }
        back.show();
        // What was not answered is still away.
        front.collect().unwrap();
        for id in requests.iter().map(|request| request[2] & 0xffff) {
            if !ids.contains(&id) {
                back.answer(&[id]);
            }
        }
        back.show();
        front.collect().unwrap();
    }
    assert_eq!(sent, 2400);
    assert!(
        (100..=300).contains(&front.refused()),
        "{}",
        front.refused()
    );
}

#[test]
fn a_buffer_comes_back_once() {
    for answers in [&[0_u32, 0][..], &[8], &[0xffff], &[1, 2]] {
        let page = Shared::new();
        let mut back = Back::new(&page, 3);
        let mut front = Transmitter::new(page, 8);
        front.send(9, 60);
        front.send(9, 60);
        front.publish();
        answers.iter().for_each(|id| back.answer(&[*id]));
        back.show();
        assert_eq!(front.collect(), Err(Broken), "{answers:?}");
    }
}

#[test]
fn events_are_asked_for_and_sent_when_wanted() {
    let page = Shared::new();
    let mut back = Back::new(&page, 3);
    let mut front = Transmitter::new(page.clone(), 8);
    front.send(9, 60);
    assert!(front.publish(), "the first request is announced");
    assert!(!front.publish(), "nothing new");
    front.send(9, 60);
    assert!(!front.publish(), "nobody has asked");
    back.page.store(REQ_EVENT, 3);
    front.send(9, 60);
    assert!(front.publish());
    assert_eq!(front.want_event(), Ok(false));
    assert_eq!(page.load(RSP_EVENT), 1);
    back.answer(&[0]);
    back.show();
    assert_eq!(front.want_event(), Ok(true));
}
