//! Console rings against a model, hostile indices, logs, and line editing.

use std::collections::VecDeque;

use dom0_tools::console::{LineSplitter, Log, drain, push};
use dom0_tools::hyper::Mapping;
use dom0_tools::shell::{Editor, split};
use proptest::prelude::*;

/// A page by itself.
struct Page(Vec<u8>);

impl Page {
    fn new(consumer: u32, in_consumer: u32) -> Self {
        let mut page = Page(vec![0; 4096]);
        page.set(3080, consumer);
        page.set(3084, consumer);
        page.set(3072, in_consumer);
        page.set(3076, in_consumer);
        page
    }

    fn get(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().unwrap())
    }

    fn set(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

impl Mapping for Page {
    fn read(&self, offset: usize, to: &mut [u8]) {
        to.copy_from_slice(&self.0[offset..offset + to.len()]);
    }
    fn write(&mut self, offset: usize, from: &[u8]) {
        self.0[offset..offset + from.len()].copy_from_slice(from);
    }
    fn load_u32(&self, offset: usize) -> u32 {
        self.get(offset)
    }
    fn store_u32(&mut self, offset: usize, value: u32) {
        self.set(offset, value);
    }
    fn load_u64(&self, _: usize) -> u64 {
        unreachable!("the console ring has 32-bit indices")
    }
    fn store_u64(&mut self, _: usize, _: u64) {
        unreachable!("the console ring has 32-bit indices")
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Whatever is written and typed in whatever pieces arrives once and in order, across the
    /// wrap of ring and index.
    #[test]
    fn rings_behave_like_queues(
        start in any::<u32>(),
        steps in prop::collection::vec((0usize..3000, any::<u8>(), any::<bool>()), 1..40),
    ) {
        let mut page = Page::new(start, start);
        let mut typed: VecDeque<u8> = VecDeque::new();
        for (size, byte, toolstack_reads) in steps {
            let text: Vec<u8> = (0..size).map(|i| byte.wrapping_add(i as u8)).collect();
            // The guest writes what fits.
            let producer = page.get(3084);
            let room = 2048 - producer.wrapping_sub(page.get(3080)) as usize;
            let written = &text[..size.min(room)];
            for (index, byte) in written.iter().enumerate() {
                page.0[1024 + producer.wrapping_add(index as u32) as usize % 2048] = *byte;
            }
            page.set(3084, producer.wrapping_add(written.len() as u32));
            if toolstack_reads {
                let drained = drain(&mut page).unwrap();
                prop_assert!(drained.ends_with(written));
                prop_assert_eq!(page.get(3080), page.get(3084));
            }
            // The toolstack types what fits; the guest reads some of it.
            let taken = push(&mut page, &text).unwrap();
            prop_assert_eq!(taken, size.min(1024 - typed.len()));
            typed.extend(&text[..taken]);
            for _ in 0..typed.len().min(usize::from(byte) * 4) {
                let consumer = page.get(3072);
                prop_assert_eq!(typed.pop_front(), Some(page.0[consumer as usize % 1024]));
                page.set(3072, consumer.wrapping_add(1));
            }
        }
    }

    /// No indices make it panic or touch anything beyond the page.
    #[test]
    fn hostile_indices_are_refused(a in any::<u32>(), b in any::<u32>()) {
        let mut page = Page::new(0, 0);
        page.set(3080, a);
        page.set(3084, b);
        page.set(3072, a);
        page.set(3076, b);
        prop_assert_eq!(drain(&mut page).is_err(), b.wrapping_sub(a) > 2048);
        prop_assert_eq!(push(&mut page, b"x").is_err(), b.wrapping_sub(a) > 1024);
    }

    /// The log keeps the end of what was said.
    #[test]
    fn logs_are_bounded(pieces in prop::collection::vec(0usize..9000, 1..12)) {
        let mut log = Log::default();
        let mut all = Vec::new();
        for (index, size) in pieces.into_iter().enumerate() {
            let piece = vec![index as u8; size];
            log.append(&piece);
            all.extend(piece);
        }
        let kept = log.contents();
        prop_assert!(kept.len() <= 16 * 1024);
        prop_assert!(all.ends_with(&kept));
        prop_assert_eq!(kept.len() as u64 + log.lost, all.len() as u64);
    }

    /// Editing keeps the line and what the terminal shows of it the same.
    #[test]
    fn the_screen_shows_the_line(keys in prop::collection::vec(
        prop_oneof![
            4 => 0x20u8..0x7f, 2 => Just(0x7f), 1 => Just(0x15), 1 => Just(b'\r'),
            1 => Just(0x03), 1 => Just(0x1b), 1 => any::<u8>(),
        ], 0..200)
    ) {
        let mut editor = Editor::default();
        let mut screen = String::new();
        for key in keys {
            let edited = editor.take(key);
            for byte in edited.echo {
                match byte {
                    b'\n' => screen.clear(),
                    // "\x08 \x08" writes a blank over the last character and steps back again.
                    0x08 => { screen.pop(); }
                    0x07 => {}
                    byte => screen.push(byte as char),
                }
            }
            prop_assert_eq!(screen.trim_end(), editor.line().trim_end());
            prop_assert_eq!(edited.line.is_some(), edited.done && key != 0x03);
        }
    }
}

fn type_keys(editor: &mut Editor, keys: &[u8]) -> Vec<String> {
    keys.iter()
        .filter_map(|key| editor.take(*key).line)
        .collect()
}

#[test]
fn lines_are_edited_and_remembered() {
    let mut editor = Editor::default();
    assert_eq!(type_keys(&mut editor, b"xl lisr\x7ft\r"), ["xl list"]);
    assert_eq!(type_keys(&mut editor, b"wrong\x15help\r\n"), ["help"]);
    assert_eq!(type_keys(&mut editor, b"half\x03\r"), [""]);
    assert_eq!(type_keys(&mut editor, b"\x1b[A\x1b[A\r"), ["xl list"]);
    assert_eq!(type_keys(&mut editor, b"\x1b[A\x1b[A\x1b[B\r"), ["xl list"]);
    assert_eq!(type_keys(&mut editor, b"\x1b[3~ok\n"), ["ok"]);
}

#[test]
fn guest_lines_cannot_steer_the_terminal() {
    let mut lines = LineSplitter::default();
    assert_eq!(lines.take(b"one\r\ntwo \x1b[2J\xff"), ["one"]);
    assert_eq!(lines.take(b"\nthree"), ["two \u{fffd}[2J\u{fffd}"]);
    assert_eq!(lines.flush().as_deref(), Some("three"));
    assert_eq!(lines.flush(), None);
    assert_eq!(lines.take(&[b'x'; 600]).len(), 2);
}

#[test]
fn words_are_split_like_a_shell_does() {
    let words = |line: &str| split(line).unwrap();
    assert_eq!(words("  xl  list # all"), ["xl", "list"]);
    assert_eq!(words("echo 'a  b' \"c\" d#e"), ["echo", "a  b", "c", "d#e"]);
    assert_eq!(
        words("xl create g extra=\"a b\""),
        ["xl", "create", "g", "extra=\"a b\""]
    );
    assert_eq!(words("echo '' x"), ["echo", "", "x"]);
    assert!(split("echo 'open").is_err());
}
