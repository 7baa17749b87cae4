//! The shell's commands about scheduling, over the fake machine of two CPUs.

mod fake;

use fake::machine::Domain;
use fake::session::{TestShell, fails, ok, shell};

/// The words of each line.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| line.split_whitespace().collect())
        .collect()
}

/// guest1 with four vCPUs, one of them up.
fn with_four() -> TestShell {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1 vcpus=4");
    shell
}

/// Changes a domain behind the toolstack's back.
fn change(shell: &mut TestShell, id: u16, how: impl FnOnce(&mut Domain)) {
    let mut machine = shell.system().hyper.0.borrow_mut();
    how(machine.domains.get_mut(&id).unwrap());
}

#[test]
fn weights_and_caps_are_shown_and_set() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1");
    assert_eq!(ok(&mut shell, "xl sched-credit2 -d guest1 -w 512"), "");
    ok(&mut shell, "xl sched-credit2 -d guest1 -c 50");
    let all = ok(&mut shell, "xl sched-credit2");
    let rows: Vec<Vec<&str>> = all
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["Cpupool", "Pool-0:", "ratelimit=1000us"]);
    assert_eq!(rows[1], ["Name", "ID", "Weight", "Cap"]);
    assert_eq!(rows[2], ["Domain-0", "0", "256", "0"]);
    assert_eq!(rows[3], ["guest1", "1", "512", "50"]);
    let one = ok(&mut shell, "xl sched-credit2 -d guest1");
    assert_eq!(one.lines().last(), all.lines().last());
    fails(
        &mut shell,
        "xl sched-credit2 -d guest1 -c 101",
        1,
        "a cap of 101 % is more than guest1 could use",
    );
    fails(&mut shell, "xl sched-credit2 -d nobody -w 1", 1, "nobody");
    for wrong in [
        "-d",
        "-w 5",
        "-d guest1 -w -1",
        "-d guest1 -w 65536",
        "-x 1",
        "-s -d guest1",
        "-s -w 5",
        "-r 1000",
        "-p Pool-0 -d guest1",
    ] {
        fails(&mut shell, &format!("xl sched-credit2 {wrong}"), 2, "usage");
    }
}

#[test]
fn the_schedulers_own_settings_are_shown_and_set() {
    let mut shell = shell();
    let shown = |limit| format!("Cpupool Pool-0: ratelimit={limit}us\n");
    assert_eq!(ok(&mut shell, "xl sched-credit2 -s"), shown(1000));
    ok(&mut shell, "xl sched-credit2 -s -r 500");
    assert_eq!(ok(&mut shell, "xl sched-credit2 -s -p Pool-0"), shown(500));
    ok(&mut shell, "xl sched-credit2 -p 0 -s -r 0");
    assert!(ok(&mut shell, "xl sched-credit2").starts_with(&shown(0)));
    let refused = "the hypervisor refused XEN_SYSCTL_scheduler_op: invalid argument (EINVAL, 22)";
    fails(&mut shell, "xl sched-credit2 -s -r 99", 1, refused);
    let pool = "there is no CPU pool `other`: all CPUs are in Pool-0";
    fails(&mut shell, "xl sched-credit2 -s -p other", 1, pool);
    let none = "a weight is from 1 to 65535";
    fails(&mut shell, "xl sched-credit2 -d Domain-0 -w 0", 1, none);
}

#[test]
fn vcpus_are_listed_as_xl_lists_them() {
    let mut shell = with_four();
    let list = ok(&mut shell, "xl vcpu-list");
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)",
            "Domain-0                             0     0     1   r--       0.1  all / all",
            "guest1                               1     0     0   -b-       0.1  all / all",
        ]
    );
    assert_eq!(
        lines[5],
        "guest1                               1     3     -   --p       0.1  all / all"
    );
    assert_eq!(
        (
            lines.len(),
            ok(&mut shell, "xl vcpu-list Domain-0").lines().count()
        ),
        (6, 2)
    );
    assert_eq!(ok(&mut shell, "xl vcpu-list guest1 0").lines().count(), 6);
    fails(
        &mut shell,
        "xl vcpu-list guest1 nobody",
        1,
        "there is no domain `nobody`",
    );
    ok(&mut shell, "xl pause guest1");
    assert!(ok(&mut shell, "xl vcpu-list guest1").contains("   ---       0.1"));
}

#[test]
fn vcpus_are_pinned_hard_and_soft() {
    let mut shell = with_four();
    let affinities = |shell: &mut TestShell| -> Vec<String> {
        let list = ok(shell, "xl vcpu-list guest1");
        let of = |line: &str| line.split("0.1  ").nth(1).unwrap_or("").to_string();
        list.lines().skip(1).map(of).collect()
    };
    assert_eq!(ok(&mut shell, "xl vcpu-pin guest1 1 0"), "");
    assert_eq!(
        affinities(&mut shell),
        ["all / all", "0 / all", "all / all", "all / all"]
    );
    ok(&mut shell, "xl vcpu-pin guest1 2 - 1");
    ok(&mut shell, "xl vcpu-pin guest1 3 all,^0 1");
    assert_eq!(
        affinities(&mut shell),
        ["all / all", "0 / all", "all / 1", "1 / 1"]
    );
    let apart = ok(&mut shell, "xl vcpu-pin 1 0 0 1");
    assert!(apart.contains("hard affinity (0) and its soft affinity (1) have no CPU in common"));
    ok(&mut shell, "xl vcpu-pin guest1 all 0-1 all");
    assert_eq!(affinities(&mut shell), ["all / all"; 4]);
    for (line, status, part) in [
        ("guest1 4 0", 1, "guest1 has no vCPU 4: it was made with 4"),
        ("guest1 0 2", 1, "there is no CPU 2: the machine has 2"),
        ("guest1 0 ^0", 1, "`^0` leaves no CPU"),
        ("guest1 0 zero", 1, "`zero` is not the number of a CPU"),
        ("nobody 0 0", 1, "there is no domain `nobody`"),
        ("guest1 0 - -", 2, "example: xl vcpu-pin"),
        ("guest1 some 0", 2, "usage"),
        ("guest1 0", 2, "usage"),
        ("", 2, "usage"),
    ] {
        fails(&mut shell, &format!("xl vcpu-pin {line}"), status, part);
    }
    change(&mut shell, 1, |guest| guest.pinned_by_itself = true);
    fails(
        &mut shell,
        "xl vcpu-pin guest1 0 1",
        1,
        "refused XEN_DOMCTL_setvcpuaffinity: busy",
    );
    ok(&mut shell, "xl vcpu-pin guest1 0 - 1");
    ok(&mut shell, "xl vcpu-pin -f guest1 0 1");
}

#[test]
fn other_kernels_follow_the_standard_nodes() {
    let mut shell = shell();
    ok(&mut shell, "xl create -p guest1 vcpus=2 memory=16");
    change(&mut shell, 1, |guest| guest.agent.foreign = true);
    ok(&mut shell, "xl unpause guest1");
    let said = ok(&mut shell, "xl vcpu-set guest1 1");
    assert!(said.starts_with("guest1 has 1 vCPUs now\n"), "{said}");
    let said = ok(&mut shell, "xl mem-set guest1 8");
    assert_eq!(said, "guest1 has 8 MiB now\n");
    let list = ok(&mut shell, "xl list guest1");
    assert_eq!(rows(&list)[1][2..4], ["8", "1"]);
    change(&mut shell, 1, |guest| guest.agent.lazy = true);
    fails(&mut shell, "xl mem-set guest1 10", 1, "no answer for 20 s");
    // As with xl, that a guest does not use what it is given is said, and is no failure.
    let said = ok(&mut shell, "xl vcpu-set guest1 2");
    let told = "guest1 was told to use 2 vCPUs (in the store: cpu/0..1/availability = online) and \
                has 1 up\n";
    assert!(said.starts_with(told), "{said}");
    assert!(said.contains("echo 1 > /sys/devices/system/cpu/cpu1/online"));
}

#[test]
fn vcpus_come_and_go_and_the_hypervisor_is_asked() {
    let mut shell = with_four();
    for count in [2, 1] {
        let said = ok(&mut shell, &format!("xl vcpu-set guest1 {count}"));
        assert_eq!(said, format!("guest1 has {count} vCPUs now\n"));
        let list = ok(&mut shell, "xl list guest1");
        assert_eq!(rows(&list)[1][3], count.to_string());
    }
    for (line, status, part) in [
        (
            "guest1 4",
            1,
            "4 vCPUs are more than the machine has CPUs (2): use -i",
        ),
        (
            "guest1 5",
            1,
            "guest1 can have from 1 to 4 vCPUs: that many it was made with",
        ),
        ("guest1 0", 1, "from 1 to 4"),
        ("guest1 -1", 2, "usage"),
        ("guest1", 2, "example: xl vcpu-set guest1 2"),
        ("nobody 1", 1, "there is no domain `nobody`"),
        ("Domain-0 2", 1, "Domain-0 can have from 1 to 1 vCPUs"),
    ] {
        fails(&mut shell, &format!("xl vcpu-set {line}"), status, part);
    }
    ok(&mut shell, "xl vcpu-set Domain-0 1");
    ok(&mut shell, "xl vcpu-set -i guest1 4");
    // What is up already needs no leave.
    ok(&mut shell, "xl vcpu-set guest1 3");
    change(&mut shell, 1, |guest| guest.agent.lazy = true);
    fails(
        &mut shell,
        "xl vcpu-set guest1 2",
        1,
        "asked for 2 vCPUs, it says 2, it has 3",
    );
}

#[test]
fn uptimes_are_told_long_and_short() {
    let mut shell = shell();
    ok(&mut shell, "sleep 3");
    ok(&mut shell, "xl create guest1");
    shell.system().world.pass(90_000_000_000_000);
    let long = ok(&mut shell, "xl uptime");
    assert_eq!(rows(&long)[1], ["Domain-0", "0", "1", "day,", "1:00:04"]);
    assert_eq!(rows(&long)[2], ["guest1", "1", "1", "day,", "1:00:00"]);
    assert_eq!(ok(&mut shell, "xl uptime guest1").lines().count(), 2);
    assert_eq!(
        ok(&mut shell, "xl uptime -s 0"),
        " 23:13:24 up 1 day,  1:00,  Domain-0 (0)\n"
    );
    fails(
        &mut shell,
        "xl uptime nobody",
        1,
        "there is no domain `nobody`",
    );
    fails(&mut shell, "xl uptime -x", 2, "usage");
}

#[test]
fn top_shows_rates_between_looks() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1");
    ok(&mut shell, "xl create guest2 name=a-long-name");
    agent_silent(&mut shell, 2);
    let text = ok(&mut shell, "xl top -b -d 2 -i 2");
    let tables = rows(&text);
    assert_eq!(tables.len(), 8);
    let heading = [
        "NAME",
        "STATE",
        "CPU(sec)",
        "CPU(%)",
        "MEM(k)",
        "MEM(%)",
        "MAXMEM(k)",
        "MAXMEM(%)",
        "VCPUS",
        "EVT/s",
    ];
    assert_eq!(tables[0], heading);
    // The fake machine's clocks stand still, but dom0 takes 100 events in each second.
    let dom0 = |rate| {
        [
            "Domain-0", "-----r", "5", "0.0", "131072", "400.0", "no", "limit", "n/a", "1", rate,
        ]
    };
    assert_eq!(tables[1], dom0("0"));
    assert_eq!(tables[5], dom0("100"));
    let guest = [
        "guest1", "--b---", "0", "0.0", "8192", "25.0", "8192", "25.0", "1", "0",
    ];
    assert_eq!(tables[6], guest);
    assert_eq!((tables[7][0], tables[7][9]), ("a-long-nam", "-"));
    let whole = ok(&mut shell, "xl top -b -f -n 1");
    assert!(whole.contains("\na-long-name --b---"), "{whole}");
    for wrong in ["-i", "-i 0", "-d 0", "-d x", "-x", "3"] {
        fails(
            &mut shell,
            &format!("xl top {wrong}"),
            2,
            "example: xl top -b -d 1 -i 5",
        );
    }
}

/// A guest whose kernel does not serve its page.
fn agent_silent(shell: &mut TestShell, id: u16) {
    change(shell, id, |guest| guest.agent.silent = true);
}

#[test]
fn a_live_top_ends_at_a_key() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1 cmdline=x");
    shell.system().input.extend(b"xq");
    let text = ok(&mut shell, "xl top -d 1");
    assert_eq!(text.matches("\x1b[H\x1b[J").count(), 1);
    assert!(
        text.contains("2 domains: 1 running, 1 blocked, 0 paused, 0 crashed, 0 dying, 0 shutdown")
    );
    assert!(text.contains("CPUs: 2 @ 2400MHz, 0.0 % idle"), "{text}");
    let text = ok(&mut shell, "xl top -d 1 -i 2");
    assert!(text.contains("CPUs: 2 @ 2400MHz, 50.0 % idle"), "{text}");
}
