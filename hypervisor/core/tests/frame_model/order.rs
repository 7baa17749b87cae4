//! The model's steps against the code: a long random run of operations, one after the other, each
//! made by the real hypervisor on a fake machine and by the model. Both must touch the frame's word,
//! its stamp, the clock and the page-table entries in the same order, and come to the same.

use hypercall_abi::xen::{__HYPERVISOR_mmu_update, __HYPERVISOR_mmuext_op};
use hypercall_abi::xen::{DOMID_SELF, MMUEXT_TLB_FLUSH_LOCAL, mmuext_op};
use hypervisor_core::addr::{Mfn, table_index};
use hypervisor_core::domain::Domain;
use hypervisor_core::entry::Resume;
use hypervisor_core::frame::order::{self, Touch};
use hypervisor_core::hypercall::dispatch;
use hypervisor_core::hypervisor::Hypervisor;
use hypervisor_core::platform::Machine;
use hypervisor_core::pv::root;
use hypervisor_core::sched::{self, Cpu};
use hypervisor_core::testkit::{self, FakeMachine};
use hypervisor_core::vcpu::{Vcpu, VcpuId};
use zerocopy::IntoBytes;

use super::*;

/// Where arguments of calls are.
const ARGS: u64 = 0x7000_0000;
/// The first of the entries that may map the frame, one for each CPU.
const MAPPINGS: u64 = 0x40_0000;
/// The first of those of level 2 that may name it as a table.
const TABLES: u64 = 0xc80_0000;

/// A machine of which one frame is watched.
struct Bench {
    hv: &'static Hypervisor<FakeMachine>,
    dom: &'static Domain,
    /// What CPU 2 runs, now and then.
    other: &'static Domain,
    cpu: Cpu,
    vcpu: Vcpu,
    frame: Mfn,
    /// Level 1 to 4.
    tables: [Mfn; 4],
}

impl Bench {
    fn new() -> Self {
        let hv = testkit::hypervisor(64, CPUS as u32);
        let hoarder = testkit::domain(hv, 0, 1, 64);
        let dom = testkit::domain(hv, 1, 1, 64);
        let other = testkit::domain(hv, 2, 1, 64);
        assert_eq!(Owner::domain(dom.slot), ME);
        for asleep in [hoarder, dom] {
            sched::pause_domain(hv, asleep).expect("it runs");
        }
        let tables = [(); 4].map(|()| hv.alloc_domain_page(dom).expect("a frame"));
        for level in 2..=4 {
            let (at, next) = (table_index(MAPPINGS, level) * 8, tables[level as usize - 2]);
            hv.machine
                .store_u64(tables[level as usize - 1], at, next.addr() | 7);
        }
        root::adopt_root(hv, dom, tables[3], false).expect("valid tables");
        let mut vcpu = Vcpu::new(
            VcpuId {
                domain: 1,
                index: 0,
            },
            dom.slot,
        );
        vcpu.arch.kernel_root = Some(tables[3]).into();
        let frame = hv.alloc_domain_page(dom).expect("a frame");
        while hv.frames.free_frames() != 0 {
            hv.alloc_domain_page(hoarder).expect("one is free");
        }
        hv.machine.set_window(ARGS, vec![0; 4096]);
        let mut bench = Self {
            hv,
            dom,
            other,
            cpu: Cpu::new(2),
            vcpu,
            frame,
            tables,
        };
        assert_eq!(bench.leave(), Resume::Guest);
        order::watch(&hv.frames, frame);
        bench
    }

    /// CPU 2 does what there is to do for it.
    fn leave(&mut self) -> Resume {
        self.hv.machine.run_on(2);
        sched::leave(self.hv, &mut self.cpu)
    }

    /// What the model says of this machine.
    fn state(&self, model: &FrameModel) -> State {
        let mut state = model.init_states().remove(0);
        state.clock = Reading::of(&self.hv.tlb);
        state
    }

    fn call(&mut self, number: u64, argument: &[u8]) {
        self.hv.machine.write_window(0, argument);
        let r = &mut self.vcpu.regs;
        (r.rax, r.rdi, r.rsi, r.rdx) = (number, ARGS, 1, 0);
        r.r10 = DOMID_SELF.into();
        dispatch::hypercall(self.hv, &mut self.vcpu);
    }

    /// Stores an entry of `level` for a CPU; refused or not.
    fn store(&mut self, cpu: usize, level: u32, entry: u64) {
        let first = table_index(if level == 1 { MAPPINGS } else { TABLES }, level);
        let at = self.tables[level as usize - 1].addr() + (first + cpu) as u64 * 8;
        self.call(__HYPERVISOR_mmu_update, [at, entry].as_bytes());
    }

    /// Makes the hypervisor do what the model begins; gives what it touched.
    fn run(&mut self, cpu: usize, operation: Operation, entry: Entry) -> Vec<Touch> {
        let (hv, frame) = (self.hv, self.frame);
        hv.machine.run_on(cpu as u32);
        hv.machine.load_root(self.tables[3]);
        order::take_touched();
        match operation {
            Operation::MapReadOnly => self.store(cpu, 1, frame.addr() | 5),
            Operation::MapWritable => self.store(cpu, 1, frame.addr() | 7),
            Operation::MapTable => self.store(cpu, 2, frame.addr() | 7),
            Operation::Unmap if entry == Entry::Table => self.store(cpu, 2, 0),
            Operation::Unmap => self.store(cpu, 1, 0),
            Operation::GiveUp => hv.release_domain_page(self.dom, frame).expect("it has it"),
            Operation::Allocate => {
                assert_eq!(
                    hv.alloc_domain_page(self.dom),
                    Ok(frame),
                    "none else is free"
                );
            }
            Operation::FlushLocal => {
                let flush = mmuext_op {
                    cmd: MMUEXT_TLB_FLUSH_LOCAL,
                    _pad0: [0; 4],
                    arg1: 0,
                    arg2: 0,
                };
                self.call(__HYPERVISOR_mmuext_op, flush.as_bytes());
            }
            Operation::Idle => {
                sched::pause_domain(hv, self.other).expect("it runs");
                assert_eq!(self.leave(), Resume::Idle);
            }
            Operation::Enter => {
                sched::unpause_domain(hv, self.other).expect("it is paused");
                assert_eq!(self.leave(), Resume::Guest);
            }
        }
        order::take_touched()
    }
}

/// What one step of the model touches.
fn touches(before: &State, after: &State, Move { cpu, begins }: Move) -> Vec<Touch> {
    let word = Touch::Word(after.word);
    let touch = match (begins, before.steps[cpu]) {
        (Some(Operation::Unmap), _) => Touch::Entry { present: false },
        (Some(Operation::GiveUp), _) => word,
        (Some(_), _) => return Vec::new(),
        (_, Step::Store(_)) => Touch::Entry { present: true },
        (_, Step::Examine) => Touch::Examine,
        (_, Step::ReadStamp(_)) => Touch::ReadStamp,
        (_, Step::WhoIsStale(..)) => Touch::WhoIsStale,
        (_, Step::BeginRemote(..) | Step::BeginLocal(_)) => Touch::BeginFlush,
        (_, Step::Remote(0, mask, ..)) => {
            let others = (0..CPUS).filter(|&c| c != cpu && mask & 1 << c != 0);
            return others.map(|c| Touch::EndFlush(c as u32)).collect();
        }
        (_, Step::Remote(left, ..)) => Touch::Flush(left.trailing_zeros()),
        (_, Step::Local(..)) => Touch::Flush(cpu as u32),
        (_, Step::EndLocal(..)) => Touch::EndFlush(cpu as u32),
        (_, Step::ReadClock(_)) => Touch::ReadClock,
        (_, Step::Stamp(stamp, _)) => Touch::Stamp(stamp),
        (_, Step::ReadFreeStamp) => Touch::FromFreeMap,
        (_, Step::ToFreeList) => Touch::ToFreeMap,
        (_, Step::LeaveSpace) => Touch::LeaveSpace,
        (_, Step::SayAway) => Touch::SayAway,
        (_, Step::SayBack) => Touch::SayBack,
        (_, Step::EnterSpace) => Touch::EnterSpace,
        // What remains changes the word, or is refused.
        _ if after.word != before.word => word,
        _ => return Vec::new(),
    };
    vec![touch]
}

/// Makes the model do an operation to its end.
fn model_run(model: &FrameModel, s: &mut State, cpu: usize, operation: Operation) -> Vec<Touch> {
    let mut all = Vec::new();
    let mut begins = Some(operation);
    s.left = 1;
    while begins.is_some() || s.steps[cpu] != Step::Free {
        let step = Move {
            cpu,
            begins: begins.take(),
        };
        let after = model.next_state(s, step).expect("it can begin");
        all.extend(touches(s, &after, step));
        *s = after;
    }
    all
}

/// A table's contents are looked at entry by entry, and once more as it ceases to be one.
fn examined_once(touched: Vec<Touch>) -> Vec<Touch> {
    let mut all: Vec<Touch> = Vec::new();
    for touch in touched {
        let again = matches!(all.last(), Some(Touch::Examine | Touch::Word(_)));
        if touch != Touch::Examine || !again {
            all.push(touch);
        }
    }
    all
}

#[test]
fn the_code_has_the_order_of_the_model() {
    let model = model(Mistake::None, ALL);
    let mut bench = Bench::new();
    let mut state = bench.state(&model);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut seen = std::collections::BTreeMap::new();
    for step in 0..20_000 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let (cpu, operation) = (
            (random >> 33) as usize % CPUS,
            OPERATIONS[(random >> 40) as usize % OPERATIONS.len()],
        );
        let in_guest = state.in_guest[cpu] || operation == Operation::Enter;
        if !in_guest || model.begin(&state, cpu, operation).is_none() {
            continue;
        }
        let entry = state.entries[cpu];
        let wanted = model_run(&model, &mut state, cpu, operation);
        let touched = examined_once(bench.run(cpu, operation, entry));
        assert_eq!(touched, wanted, "step {step}: {operation:?} of CPU {cpu}");
        let frames = &bench.hv.frames;
        assert_eq!(frames.word(bench.frame), state.word(), "step {step}");
        assert_eq!(frames.stamp(bench.frame), state.stamp, "step {step}");
        assert_eq!(Reading::of(&bench.hv.tlb), state.clock, "step {step}");
        *seen
            .entry(format!("{operation:?}: {} touches", wanted.len()))
            .or_insert(0) += 1;
    }
    for (what, times) in &seen {
        println!("{times:6} times {what}");
    }
    // Refused, done at once, and with flushes of one and of several CPUs.
    let kinds = |operation: &str| seen.keys().filter(|k| k.starts_with(operation)).count();
    assert!(
        kinds("MapTable") >= 4 && kinds("MapWritable") >= 3 && kinds("Unmap") >= 4,
        "{seen:?}"
    );
}
