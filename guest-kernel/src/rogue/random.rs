//! Twenty thousand hypercalls with arguments drawn from what hurts, from the same seeds on every run.

use super::*;
use crate::random::Random;
use hypercall_abi::arch_x86_64::MACH2PHYS_VIRT_START;

pub(super) const ROGUES: &[Rogue] = &[
    ("random-calls", || random_calls(0x5eed_0000_0000_0001)),
    ("random-calls-2", || random_calls(0x0ddb_a110_0000_0007)),
    ("random-multicalls", random_multicalls),
];

const CALLS: u64 = 20_000;

/// The pages that random calls may do anything to, and the numbers they are drawn with.
struct Chaos {
    random: Random,
    /// Arguments are built here; its mapping is never asked to change.
    buffer: Pfn,
    /// Pages whose mappings and types may become anything.
    victims: [Pfn; 4],
}

impl Chaos {
    fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            buffer: spare(),
            victims: [spare(), spare(), spare(), spare()],
        }
    }

    fn victim(&mut self) -> Pfn {
        self.victims[self.random.below(4) as usize]
    }

    /// A word: a small number, an address, a frame, an entry, or nonsense.
    fn word(&mut self) -> u64 {
        let r = &mut self.random;
        match r.below(20) {
            0 => 0,
            1..=4 => r.below(40),
            5 => u64::MAX - r.below(3),
            6 => u64::from(u32::MAX) - r.below(2),
            7 => HYPERVISORS[r.below(4) as usize] + r.below(1 << 20),
            8 => MACH2PHYS_VIRT_START + r.below(1 << 21),
            9 => NON_CANONICAL,
            10 => r.next(),
            11 => 0x7ff0 + r.below(6),
            12 => r.below(0x2_0000),
            13 => r.below(0x2_0000) << 12 | r.below(0x1000),
            14 => paging::boot_root().0.va(),
            15 => mfn(paging::boot_root().0),
            16 => mfn(self.victim()),
            17 => pte::new(p2m::mfn(self.victim()), pte::RW),
            18 => slot_of(self.victim()),
            _ => self.victim().va(),
        }
    }

    /// An argument: a word, or where words are.
    fn argument(&mut self) -> u64 {
        if self.random.below(3) == 0 {
            self.buffer.va() + self.random.below(32) * 8
        } else {
            self.word()
        }
    }

    fn fill(&mut self) {
        for i in 0..64 {
            let word = self.word();
            write(self.buffer, i, word);
        }
    }

    /// A call that does not by right end or stop this domain: those have rogues of their own.
    fn draw(&mut self) -> (u64, [u64; 5]) {
        loop {
            let nr = self.random.below(64);
            let mut args: [u64; 5] = core::array::from_fn(|_| self.argument());
            match nr {
                // iret goes anywhere.
                23 => continue,
                // Block, shut down, poll, watchdog.
                6 | 29 if [1, 2, 3, 6].contains(&(args[0] as u32)) => continue,
                // A vCPU that goes down, or sends itself an NMI.
                24 if [2, 11].contains(&(args[0] as u32)) => continue,
                // Breakpoints on what the kernel itself does.
                8 if args[0] == 7 => continue,
                // A list made here could hold an iret.
                13 => args[0] = self.word(),
                14 | 22 => args[0] = self.victim().va() + self.random.below(2),
                _ => {}
            }
            return (nr, args);
        }
    }
}

fn random_calls(seed: u64) {
    let mut chaos = Chaos::new(seed);
    let (mut refused, mut kinds) = (0, 0_u64);
    for _ in 0..CALLS {
        chaos.fill();
        let (nr, args) = chaos.draw();
        if call(nr, args) < 0 {
            refused += 1;
        } else {
            kinds |= 1 << nr;
        }
    }
    klog!(
        "{CALLS} random calls, {refused} refused, {} kinds accepted",
        kinds.count_ones()
    );
}

/// The same in lists of eight.
fn random_multicalls() {
    let mut chaos = Chaos::new(0xfeed_0000_0000_0003);
    let list = spare();
    let mut refused = 0;
    for _ in 0..CALLS / 8 {
        chaos.fill();
        for entry in 0..8 {
            let (nr, args) = chaos.draw();
            write(list, entry * 8, nr);
            for (i, arg) in args.into_iter().enumerate() {
                write(list, entry * 8 + 2 + i, arg);
            }
            write(list, entry * 8 + 7, 0);
        }
        let _ = call(__HYPERVISOR_multicall, [list.va(), 8, 0, 0, 0]);
        refused += (0..8)
            .filter(|entry| read(list, entry * 8 + 1).cast_signed() < 0)
            .count();
    }
    klog!("{CALLS} random calls in lists of eight, {refused} refused");
}
