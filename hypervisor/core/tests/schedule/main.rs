//! The scheduler in virtual time: the queues, policies and caps that the hypervisor runs, on up to
//! 512 CPUs with thousands of vCPUs. What is asserted is printed as well:
//! `cargo test -p hypervisor-core --test schedule -- --nocapture`; with `--ignored long` the same for
//! longer and on the largest machines, as
//! `cargo test --profile checked -p hypervisor-core --test schedule -- --ignored --nocapture`.
//!
//! The hypervisor itself has at most 64 CPUs, for its masks of CPUs are words; queues and policies
//! have no such limit.

mod world;

use hypervisor_core::platform::Nanos;
use hypervisor_core::sched::policy::Kind;
use world::{Habit, World};

const MS: Nanos = 1_000_000;
const SECOND: Nanos = 1_000_000_000;
const WEIGHT: u16 = 256;

/// `part` in tenths of percent of `whole`.
fn permille(part: u64, whole: u64) -> u64 {
    part * 1000 / whole.max(1)
}

/// What `percent` in a hundred of them do not exceed.
fn percentile(sorted: &[Nanos], percent: usize) -> Nanos {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * percent / 100).copied().unwrap_or(0)
}

/// vCPUs of weights 1:2:4 that all want all they can get, `per_cpu` of each on average.
fn shares(cpus: u32, domains: usize, seconds: u64) {
    let mut world = World::new(Kind::Credit2, cpus);
    let weights = [WEIGHT, 2 * WEIGHT, 4 * WEIGHT];
    let doms: Vec<_> = (0..domains)
        .map(|i| {
            (
                weights[i % 3],
                world.domain(4, weights[i % 3], 0, Habit::Hog),
            )
        })
        .collect();
    world.run_for(SECOND);
    world.measure_from_here();
    world.run_for(seconds * SECOND);
    let all: u64 = doms.iter().map(|(weight, _)| u64::from(*weight)).sum();
    let capacity = u64::from(cpus) * seconds * SECOND;
    let (mut worst, mut sums) = (0, [0; 3]);
    for (i, &(weight, dom)) in doms.iter().enumerate() {
        let used = world.used(dom);
        let fair = (u128::from(capacity) * u128::from(weight) / u128::from(all)) as u64;
        worst = worst.max(permille(used.abs_diff(fair), fair));
        sums[i % 3] += used;
    }
    let f = &world.figures;
    println!(
        "shares: {cpus} CPUs, {domains} domains of 4 vCPUs, weights 1:2:4: got 1:{:.3}:{:.3}, worst \
         domain {}.{} % off; idle while others waited {} ppm; {} switches per CPU and second; {:.1} \
         steps per decision, at most {}",
        sums[1] as f64 / sums[0] as f64,
        sums[2] as f64 / sums[0] as f64,
        worst / 10,
        worst % 10,
        f.wasted * 1000 / (capacity / 1000),
        f.switches / u64::from(cpus) / seconds,
        f.steps as f64 / f.decisions as f64,
        f.most_steps
    );
    assert!(worst <= 40, "a domain is {worst} permille off its share");
    let used: u64 = sums.iter().sum();
    assert!(permille(capacity - used, capacity) == 0, "CPUs were idle");
}

#[test]
fn shares_follow_the_weights_over_all_cpus() {
    shares(2, 6, 4);
    shares(7, 12, 4);
    shares(64, 96, 2);
    shares(256, 300, 1);
}

/// vCPUs that sleep most of the time, among `hogs` for each CPU that never do.
fn latency(kind: Kind, cpus: u32, hogs: u32, sleepers: u32, seconds: u64) -> (Nanos, Nanos) {
    let mut world = World::new(kind, cpus);
    for _ in 0..sleepers * cpus {
        let habit = Habit::Sleeper {
            work: 100_000,
            sleep: 20 * MS,
        };
        world.domain(1, WEIGHT, 0, habit);
    }
    for _ in 0..hogs * cpus {
        world.domain(1, WEIGHT, 0, Habit::Hog);
    }
    world.run_for(SECOND / 2);
    world.measure_from_here();
    world.run_for(seconds * SECOND);
    let used: Nanos = world.tasks.iter().map(|task| task.used).sum();
    let capacity = u64::from(cpus) * seconds * SECOND;
    let f = &mut world.figures;
    f.latencies.sort_unstable();
    let (median, high) = (percentile(&f.latencies, 50), percentile(&f.latencies, 99));
    println!(
        "latency: {}, {cpus} CPUs, per CPU {hogs} hogs and {sleepers} sleepers: {} wake-ups, median \
         {} us, 90 % {} us, 99 % {} us, longest {} us; CPUs busy {}.{} %, idle while others waited {} \
         ppm",
        kind.name(),
        f.latencies.len(),
        median / 1000,
        percentile(&f.latencies, 90) / 1000,
        high / 1000,
        percentile(&f.latencies, 100) / 1000,
        permille(used, capacity) / 10,
        permille(used, capacity) % 10,
        f.wasted * 1000 / (capacity / 1000),
    );
    assert!(!f.latencies.is_empty());
    if kind == Kind::Credit2 {
        assert!(
            f.wasted * 1000 <= capacity,
            "not work-conserving: {}",
            f.wasted
        );
    }
    (median, high)
}

/// Hogs that two CPUs cannot share out evenly, so that their queues' clocks drift apart, and one that
/// sleeps: gives the median and the longest of its waits.
fn uneven_latency(hogs: usize, sleep: Nanos, seconds: u64) -> (Nanos, Nanos) {
    let mut world = World::new(Kind::Credit2, 2);
    let habit = Habit::Sleeper { work: 5_000, sleep };
    world.domain(1, WEIGHT, 0, habit);
    for _ in 0..hogs {
        world.domain(1, WEIGHT, 0, Habit::Hog);
    }
    world.run_for(SECOND / 2);
    world.measure_from_here();
    world.run_for(seconds * SECOND);
    let waits = &mut world.figures.latencies;
    waits.sort_unstable();
    println!(
        "latency: credit2, 2 CPUs, {hogs} hogs and 1 that sleeps {} ms: {} wake-ups, median {} us, 99 % \
         {} us, longest {} us",
        sleep / MS,
        waits.len(),
        percentile(waits, 50) / 1000,
        percentile(waits, 99) / 1000,
        percentile(waits, 100) / 1000
    );
    (percentile(waits, 50), percentile(waits, 100))
}

#[test]
fn who_slept_is_not_late_where_clocks_drift_apart() {
    for hogs in 2..=5 {
        for sleep in [MS, 2 * MS, 4 * MS, 20 * MS] {
            let (median, longest) = uneven_latency(hogs, sleep, 10);
            assert!(median <= MS / 2 && longest <= 2 * MS, "{median} {longest}");
        }
    }
}

#[test]
fn who_sleeps_beside_one_that_was_alone_is_not_late() {
    for hogs in 1..=4 {
        let mut world = World::new(Kind::Credit2, 2);
        let habit = Habit::Sleeper {
            work: 5_000,
            sleep: 2 * MS,
        };
        world.domain(1, WEIGHT, 0, habit);
        world.domain(1, WEIGHT, 0, Habit::Hog);
        // The clock of the hog's CPU is that far ahead when others come.
        world.run_for(2 * SECOND);
        for _ in 0..hogs {
            world.domain(1, WEIGHT, 0, Habit::Hog);
        }
        world.measure_from_here();
        world.run_for(2 * SECOND);
        let longest = world.figures.latencies.iter().copied().max().unwrap_or(0);
        println!(
            "latency: beside one that was alone, and {hogs} more: longest {} us",
            longest / 1000
        );
        assert!(longest <= 8 * MS, "{longest}");
    }
}

#[test]
fn who_slept_runs_soon() {
    // Alone, at once.
    assert_eq!(latency(Kind::Credit2, 16, 0, 1, 1), (0, 0));
    // Among hogs, within the time for which a vCPU that just began is left alone.
    let (median, high) = latency(Kind::Credit2, 1, 2, 3, 4);
    assert!(median <= MS && high <= 2 * MS, "{median} {high}");
    let (median, high) = latency(Kind::Credit2, 64, 2, 10, 1);
    assert!(median <= MS && high <= 3 * MS, "{median} {high}");
    // Each on a CPU of its own there is nothing to wait for.
    assert_eq!(latency(Kind::Null, 256, 0, 1, 1), (0, 0));
}

/// Domains with caps from 3 % of a CPU to three CPUs, alone or among others that have none.
fn caps(cpus: u32, domains: usize, company: bool, seconds: u64) {
    let mut world = World::new(Kind::Credit2, cpus);
    let caps = [3, 25, 50, 100, 150, 300];
    let doms: Vec<_> = (0..domains)
        .map(|i| caps[i % 6])
        .map(|cap| (cap, world.domain(4, 4 * WEIGHT, cap, Habit::Hog)))
        .collect();
    if company {
        world.domain(2 * cpus as usize, 64, 0, Habit::Hog);
    }
    world.run_for(SECOND);
    world.measure_from_here();
    world.run_for(seconds * SECOND);
    let mut worst = 0;
    for &(cap, dom) in &doms {
        let fair = seconds * SECOND / 100 * u64::from(cap);
        let off = permille(world.used(dom).abs_diff(fair), fair);
        worst = worst.max(off);
        assert!(
            off <= 20,
            "cap {cap}: {} instead of {fair}",
            world.used(dom)
        );
    }
    let busy: Nanos = world.tasks.iter().map(|task| task.used).sum();
    println!(
        "caps: {cpus} CPUs, {domains} domains of 4 vCPUs capped at 3 to 300 %{}: worst {}.{} % off, \
         CPUs busy {} %",
        if company {
            ", and one without a cap"
        } else {
            ""
        },
        worst / 10,
        worst % 10,
        permille(busy, u64::from(cpus) * seconds * SECOND) / 10
    );
}

#[test]
fn caps_hold() {
    caps(16, 6, false, 4);
    caps(16, 6, true, 4);
    caps(128, 60, true, 2);
}

/// Loads of the given percentage: what is asked for is done, and no CPU idles while one waits.
fn throughput(kind: Kind, cpus: u32, load: u64, seconds: u64) -> u64 {
    let mut world = World::new(kind, cpus);
    // Each wants a fifth of a CPU.
    for _ in 0..u64::from(cpus) * load / 20 {
        let habit = Habit::Sleeper {
            work: 2 * MS,
            sleep: 8 * MS,
        };
        world.domain(1, WEIGHT, 0, habit);
    }
    world.run_for(SECOND / 2);
    world.measure_from_here();
    world.run_for(seconds * SECOND);
    let used: Nanos = world.tasks.iter().map(|task| task.used).sum();
    let capacity = u64::from(cpus) * seconds * SECOND;
    let f = &world.figures;
    println!(
        "throughput: {}, {cpus} CPUs, {} vCPUs that want {load} %: busy {}.{} %, idle while others \
         waited {} ppm, {:.1} steps per decision, at most {}",
        kind.name(),
        world.tasks.len(),
        permille(used, capacity) / 10,
        permille(used, capacity) % 10,
        f.wasted * 1000 / (capacity / 1000),
        f.steps as f64 / f.decisions as f64,
        f.most_steps
    );
    if kind == Kind::Credit2 {
        assert!(
            f.wasted * 1000 <= capacity,
            "not work-conserving: {}",
            f.wasted
        );
    }
    permille(used, capacity)
}

#[test]
fn no_cpu_idles_while_a_vcpu_waits() {
    for load in [60, 100, 200] {
        let busy = throughput(Kind::Credit2, 64, load, 1);
        assert!(load < 200 || busy >= 990, "{busy}");
        throughput(Kind::Null, 64, load, 1);
    }
    assert!(throughput(Kind::Credit2, 200, 300, 1) >= 995);
}

#[test]
fn null_lends_nothing_and_takes_nothing() {
    let mut world = World::new(Kind::Null, 200);
    let doms: Vec<_> = (0..300)
        .map(|_| world.domain(1, WEIGHT, 0, Habit::Hog))
        .collect();
    world.run_for(SECOND);
    let got: Vec<_> = doms.iter().map(|&dom| world.used(dom)).collect();
    let whole = got.iter().filter(|&&used| used > SECOND - 2 * MS).count();
    let none = got.iter().filter(|&&used| used == 0).count();
    assert_eq!((whole, none), (200, 100));
    println!("null: 200 CPUs, 300 vCPUs: {whole} have a CPU, {none} wait for one");
}

/// Steps per decision with so many vCPUs, in so many domains, on so many CPUs: mean and most.
fn cost(cpus: u32, vcpus: usize, domains: usize, cap: u16) -> (f64, u64) {
    let mut world = World::new(Kind::Credit2, cpus);
    for i in 0..domains {
        let habit = match i % 2 {
            0 => Habit::Hog,
            _ => Habit::Sleeper {
                work: MS,
                sleep: 50 * MS,
            },
        };
        world.domain(vcpus / domains, WEIGHT, cap, habit);
    }
    world.run_for(SECOND / 5);
    world.measure_from_here();
    world.run_for(SECOND);
    let f = &world.figures;
    let mean = f.steps as f64 / f.decisions as f64;
    println!(
        "cost: {cpus} CPUs, {vcpus} vCPUs in {domains} domains{}: {} decisions, {mean:.1} steps each, \
         at most {}",
        if cap == 0 { "" } else { " with caps" },
        f.decisions,
        f.most_steps
    );
    (mean, f.most_steps)
}

/// A decision takes so many steps at most with `vcpus` in a queue: one goes into the heap and one
/// out of it, each along one path, besides a few looks at other CPUs.
fn bound(vcpus: usize) -> u64 {
    16 + 4 * u64::from(vcpus.ilog2())
}

#[test]
fn a_decision_costs_the_logarithm_of_the_queue_at_most() {
    for vcpus in [4, 16, 64, 256, 1024, 4096, 16384] {
        let (_, most) = cost(1, vcpus, vcpus, 0);
        assert!(most <= bound(vcpus), "{vcpus} vCPUs: {most} steps");
    }
}

#[test]
fn a_decision_costs_the_same_in_few_domains_and_in_many() {
    let domains = [2, 32, 512, 2048];
    let costs = domains.map(|domains| cost(16, 2048, domains, 0));
    for (mean, most) in costs {
        assert!((mean - costs[0].0).abs() <= 0.1 * costs[0].0, "{costs:?}");
        assert!(most <= bound(2048), "{costs:?}");
    }
    // A cap that is used up concerns every vCPU of its domain, and none of another.
    let costs = [64, 256, 1024].map(|domains| cost(8, 4 * domains, domains, 1));
    for (_, most) in costs {
        assert!(most <= 4 * bound(4 * 1024), "{costs:?}");
    }
}

#[test]
#[ignore = "takes a minute"]
fn long() {
    for cpus in [1, 2, 4, 64, 512] {
        shares(cpus, 3 * cpus as usize, 10);
        latency(Kind::Credit2, cpus, 1, 4, 10);
        latency(Kind::Credit2, cpus, 4, 10, 10);
        throughput(Kind::Credit2, cpus, 100, 10);
        throughput(Kind::Null, cpus, 100, 10);
    }
    caps(512, 240, true, 10);
    cost(512, 65_000, 65_000, 0);
}
