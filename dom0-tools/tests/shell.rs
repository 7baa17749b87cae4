//! The shell over the fake machine, its guests answering: sessions as a user would have them.

mod fake;

use dom0_tools::shell::Start;
use fake::guest::Agent;
use fake::session::{TestShell, fails, ok, run, shell};
use hypercall_abi::xen::{start_info, start_info_console_domU};
use zerocopy::FromBytes;

fn free(shell: &mut TestShell) -> usize {
    shell.system().hyper.0.borrow().free_frames()
}

fn agent(shell: &mut TestShell, id: u16, change: impl FnOnce(&mut Agent)) {
    change(
        &mut shell
            .system()
            .hyper
            .0
            .borrow_mut()
            .domains
            .get_mut(&id)
            .unwrap()
            .agent,
    );
}

/// The frame of a guest's console ring.
fn ring(shell: &mut TestShell, id: u16) -> u64 {
    let machine = shell.system().hyper.0.borrow();
    let rsi = machine.domains[&id].context.unwrap().user_regs.rsi;
    let info = machine.read(id, rsi, size_of::<start_info>()).unwrap();
    let info = start_info::read_from_bytes(&info).unwrap();
    info.console.get::<start_info_console_domU>().mfn
}

#[test]
fn a_guest_lives_from_create_to_destroy() {
    let mut shell = shell();
    let before = free(&mut shell);
    let output = ok(&mut shell, "xl create guest1");
    assert!(
        output.contains("[guest1] hello from the guest\n"),
        "{output}"
    );
    assert!(!output.contains("no newline yet"));
    let list = ok(&mut shell, "xl list");
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(
        lines[0],
        "Name                                        ID   Mem VCPUs\tState\tTime(s)"
    );
    assert_eq!(
        lines[1],
        "Domain-0                                     0   128     1     r-----       5.9"
    );
    assert_eq!(
        lines[2],
        "guest1                                       1     8     1     -b----       0.2"
    );
    assert_eq!(ok(&mut shell, "xl domid guest1"), "1\n");
    assert_eq!(ok(&mut shell, "xl domname 1"), "guest1\n");
    ok(&mut shell, "xl pause guest1");
    assert!(ok(&mut shell, "xl list guest1").contains("--p---"));
    ok(&mut shell, "xl unpause 1");
    ok(&mut shell, "xl destroy guest1");
    assert_eq!(ok(&mut shell, "xl list").lines().count(), 2);
    assert_eq!(free(&mut shell), before);
}

#[test]
fn overrides_and_dry_runs() {
    let mut shell = shell();
    let text = ok(
        &mut shell,
        "xl create -n guest1 name=other memory=12 cmdline='a \"b\" c'",
    );
    assert!(text.contains("name = \"other\"\n"), "{text}");
    assert!(text.contains("cmdline = \"a \\\"b\\\" c\"\n"), "{text}");
    assert!(text.contains("memory = 12\n"), "{text}");
    assert_eq!(ok(&mut shell, "xl list").lines().count(), 2);
    ok(&mut shell, "xl create -p /etc/xen/guest1.cfg name=other");
    assert!(ok(&mut shell, "xl list other").contains("--p---"));
    assert!(!shell.system().output.contains("hello"));
}

#[test]
fn lists_are_json_if_asked_for() {
    let mut shell = shell();
    ok(
        &mut shell,
        "xl create guest1 maxmem=12 vcpus=2 cpu_weight=300 disk=['/d,,xvda,r'] vif=['mtu=900']",
    );
    let read = |text: String| serde_json::from_str::<serde_json::Value>(&text).expect(&text);
    let rows = read(ok(&mut shell, "xl list --json"));
    assert_eq!(rows[0]["name"], "Domain-0");
    let row = &rows[1];
    assert_eq!(row["name"], "guest1");
    assert_eq!((&row["domid"], &row["memory_mib"]), (&1.into(), &8.into()));
    assert_eq!(row["state"], "-b----");
    let long = read(ok(&mut shell, "xl list -l guest1"));
    assert_eq!(long.as_array().unwrap().len(), 1);
    let config = &long[0]["config"];
    assert_eq!(long[0]["domid"], 1);
    assert_eq!(config["c_info"]["name"], "guest1");
    assert_eq!(config["b_info"]["max_vcpus"], 2);
    assert_eq!(config["b_info"]["max_memkb"], 12 << 10);
    assert_eq!(config["b_info"]["kernel"], "/boot/kernel");
    assert_eq!(config["b_info"]["sched_params"]["weight"], 300);
    assert_eq!(config["disks"][0]["vdev"], "xvda");
    assert_eq!(config["nics"][0]["mtu"], 900);
    assert_eq!(config["on_crash"], "destroy");
    fails(&mut shell, "xl list -x", 2, "usage");
}

#[test]
fn domains_are_renamed() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1");
    ok(&mut shell, "xl create guest2");
    ok(&mut shell, "xl rename guest1 web");
    assert_eq!(ok(&mut shell, "xl domid web"), "1\n");
    for (name, part) in [
        ("guest2", "there is a domain named guest2 already"),
        ("Domain-0", "there is a domain named Domain-0 already"),
        ("7", "would be taken for a domain id"),
        ("a/b", "contains '/'"),
    ] {
        fails(&mut shell, &format!("xl rename web {name}"), 1, part);
    }
    fails(&mut shell, "xl rename 0 zero", 1, "was not created by xl");
    ok(&mut shell, "xl create guest1");
}

#[test]
fn all_are_asked_to_end() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1");
    ok(&mut shell, "xl create guest2");
    let output = ok(&mut shell, "xl shutdown -a -w");
    for name in ["guest1", "guest2"] {
        assert!(output.contains(&format!("{name} (domain ")), "{output}");
    }
    assert_eq!(ok(&mut shell, "xl list").lines().count(), 2);
    ok(&mut shell, "xl shutdown -w -a");
    fails(&mut shell, "xl shutdown -a guest1", 2, "usage");
    fails(&mut shell, "xl reboot -w", 2, "usage");
}

#[test]
fn files_come_from_the_store() {
    let mut shell = shell();
    let kernel = shell.system().files["/boot/kernel"].clone();
    let mut packed = stored_gzip(&kernel);
    packed.extend((kernel.len() as u32).to_le_bytes());
    let config = b"name = 'mine'\nkernel = 'mykernel.gz'\nmemory = 8".to_vec();
    shell
        .system()
        .files
        .insert("/store/mine.cfg".into(), config);
    shell
        .system()
        .files
        .insert("/store/mykernel.gz".into(), packed);
    let output = ok(&mut shell, "xl create mine");
    assert!(
        output.contains("mine: kernel unpacked by gzip to 9 KiB\n"),
        "{output}"
    );
    ok(&mut shell, "xl create mine.cfg name=again");
    fails(
        &mut shell,
        "xl create mine name=x kernel=other",
        1,
        "cannot read /store/other: no such file",
    );
}

/// A gzip file without compression, and without the length at its end.
fn stored_gzip(data: &[u8]) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let length = data.len() as u16;
    file.push(1);
    file.extend(length.to_le_bytes());
    file.extend((!length).to_le_bytes());
    file.extend(data);
    file.extend(crc32fast::hash(data).to_le_bytes());
    file
}

#[test]
fn failures_say_who_refused_what_and_why() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1");
    let bad = b"memory = 8\nname = 'x'\nkernel = /boot".to_vec();
    shell.system().files.insert("/etc/xen/bad.cfg".into(), bad);
    let cases = [
        (
            "xl create guest1",
            1,
            "there is a domain named guest1 already",
        ),
        (
            "xl create nothere",
            1,
            "cannot read /etc/xen/nothere.cfg: no such file",
        ),
        (
            "xl create guest2 kernel=/boot/none",
            1,
            "cannot read /boot/none",
        ),
        ("xl create guest2 kernel=/boot/disk", 1, "not an ELF file"),
        ("xl create guest2 memory=1", 1, "needs 4"),
        (
            "xl create guest2 memory=9999",
            1,
            "the machine is out of memory",
        ),
        (
            "xl create guest2 memory=many",
            1,
            "overrides on the command line: `memory` must be",
        ),
        (
            "xl create bad",
            1,
            "/etc/xen/bad.cfg: line 3, column 10: unexpected character '/'",
        ),
        ("xl create", 2, "usage: xl create"),
        (
            "xl create -z guest2",
            2,
            "example: xl create guest1 memory=24",
        ),
        ("xl destroy nobody", 1, "there is no domain `nobody`"),
        ("xl destroy Domain-0", 1, "use `poweroff`"),
        ("xl pause 0", 1, "cannot pause itself"),
        ("xl mem-set guest1 99", 1, "its maxmem is 8 MiB"),
        ("xl mem-set guest1 much", 2, "usage"),
        ("xl mem-max guest1 2", 1, "it has 8 MiB"),
        ("xl mem-max guest1 99999999999999g", 2, "usage"),
        ("xl ping Domain-0", 1, "domain 0 was not created by xl"),
        ("xl frobnicate", 1, "no such command: frobnicate"),
        ("frobnicate", 127, "frobnicate: no such command"),
        ("cat /none", 1, "cannot read /none: no such file"),
        ("ls /none", 1, "no file starts with /none"),
        ("run /bin/none", 1, "cannot run /bin/none: no such file"),
        ("script /none", 127, "cannot read /none"),
        ("sleep forever", 2, "usage"),
        ("echo 'open", 2, "a quote is not closed"),
    ];
    let count = cases.len();
    for (line, status, part) in cases {
        fails(&mut shell, line, status, part);
    }
    assert_eq!(
        ok(&mut shell, "xl list").lines().count(),
        3,
        "a failed create left a domain"
    );
    println!("{count} failures explained");
}

#[test]
fn guests_are_asked_and_believed_only_when_it_is_true() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1");
    assert_eq!(
        ok(&mut shell, "xl mem-set guest1 6"),
        "guest1 has 6 MiB now\n"
    );
    assert!(ok(&mut shell, "xl list guest1").contains("     6     1"));
    ok(&mut shell, "xl mem-set guest1 8192k");
    assert!(ok(&mut shell, "xl mem-max guest1 12").contains("may have 12 MiB"));
    assert!(ok(&mut shell, "xl balloon-test guest1 9").contains("9 cycles moved"));
    assert!(ok(&mut shell, "xl ping guest1 3").contains("sent 3 events to dom0, 3 were answered"));
    assert!(ok(&mut shell, "xl checksum guest1").contains("0x0000000012345678"));
    assert!(ok(&mut shell, "xl balloon-test guest1").contains("its memory is unchanged"));
    assert!(ok(&mut shell, "xl status guest1").contains("3 processes, 40 pre-emptions"));
    agent(&mut shell, 1, |agent| agent.forgetful = true);
    fails(
        &mut shell,
        "xl balloon-test guest1",
        1,
        "memory changed while it shrank",
    );
    ok(&mut shell, "xl mem-set guest1 8");
    agent(&mut shell, 1, |agent| agent.lazy = true);
    fails(
        &mut shell,
        "xl mem-set guest1 6",
        1,
        "it says 1536, it has 2048",
    );
    agent(&mut shell, 1, |agent| agent.silent = true);
    fails(&mut shell, "xl ping guest1", 1, "no answer for 20 s");
}

#[test]
fn ends_are_noticed_and_acted_upon() {
    let mut shell = shell();
    let before = free(&mut shell);
    ok(&mut shell, "xl create guest1");
    ok(&mut shell, "xl create guest2");
    let output = ok(&mut shell, "xl crash guest2");
    assert!(
        output.contains("guest2 (domain 2) crashed: kept for examination"),
        "{output}"
    );
    assert!(output.contains("[guest2] no newline yet"), "{output}");
    assert!(ok(&mut shell, "xl list guest2").contains("---sc-"));
    assert!(ok(&mut shell, "xl ping guest1").contains("5 were answered"));
    fails(&mut shell, "xl ping guest2", 1, "guest guest2: it crashed");
    let output = ok(&mut shell, "xl shutdown -w guest1");
    assert!(
        output.contains("guest1 (domain 1) powered off: destroyed"),
        "{output}"
    );
    ok(&mut shell, "xl destroy guest2");
    assert_eq!(free(&mut shell), before);
}

#[test]
fn restarts_are_limited() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1 on_reboot=restart");
    ok(&mut shell, "sleep 10");
    let output = ok(&mut shell, "xl reboot guest1");
    assert!(
        output.contains("guest1 (domain 1) asked for a reboot: restarting it"),
        "{output}"
    );
    assert!(ok(&mut shell, "xl list guest1").contains("    2     8"));
    // Two short lives more are followed by a restart, the next is not.
    for _ in 0..2 {
        let output = ok(&mut shell, "xl reboot guest1");
        assert!(output.contains("restarting it"), "{output}");
    }
    let output = ok(&mut shell, "xl reboot guest1");
    assert!(
        output.contains("destroyed and not restarted, for it ended within 60 s of its start"),
        "{output}"
    );
    fails(&mut shell, "xl list guest1", 1, "there is no domain");
    // A long life between them ends the row.
    ok(&mut shell, "xl create guest1");
    for life in 0..12 {
        let output = ok(&mut shell, "xl reboot guest1");
        assert!(output.contains("restarting it"), "life {life}: {output}");
        if life % 3 == 2 {
            ok(&mut shell, "sleep 61");
        }
    }
}

#[test]
fn a_guest_may_be_kept_and_restarted() {
    let mut shell = shell();
    ok(
        &mut shell,
        "xl create guest1 memory=6 on_crash=rename-restart",
    );
    for kept in 1..=3 {
        let output = ok(&mut shell, "xl crash guest1");
        assert!(
            output.contains("crashed: kept for examination, and restarting it"),
            "{output}"
        );
        assert!(
            output.contains(&format!("is guest1-{kept} now")),
            "{output}"
        );
        let kept = ok(&mut shell, &format!("xl list guest1-{kept}"));
        assert!(kept.contains("---sc-"), "{kept}");
        assert!(ok(&mut shell, "xl list guest1").contains("-b----"));
    }
    let output = ok(&mut shell, "xl crash guest1");
    assert!(output.contains("kept and not restarted"), "{output}");
    assert!(ok(&mut shell, "xl list guest1").contains("---sc-"));
}

#[test]
fn vcpus_are_placed_and_shared_as_configured() {
    let mut shell = shell();
    ok(
        &mut shell,
        "xl create guest1 vcpus=1 maxvcpus=3 cpus=[1,'0'] cpu_weight=300 cap=120",
    );
    let list = ok(&mut shell, "xl vcpu-list guest1");
    let places: Vec<&str> = list
        .lines()
        .skip(1)
        .filter_map(|l| l.split(' ').rev().nth(2))
        .collect();
    assert_eq!(places, ["1", "0", "all"], "{list}");
    assert!(ok(&mut shell, "xl sched-credit2 -d guest1").contains("    300  120"));
    fails(
        &mut shell,
        "xl create guest2 cpus=2-3",
        1,
        "cpus of vCPU 0: there is no CPU 2: the machine has 2",
    );
    fails(&mut shell, "xl list guest2", 1, "there is no domain");
}

#[test]
fn the_demo_tells_the_whole_story() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1");
    ok(&mut shell, "xl create guest2");
    let output = ok(&mut shell, "demo");
    for part in [
        "* xl list",
        "5 were answered",
        "unchanged",
        "guest2 crashed, as it was asked to",
        "---sc-",
    ] {
        assert!(output.contains(part), "{output}");
    }
}

#[test]
fn consoles_attach_both_ways_and_survive_hostile_rings() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1");
    shell.system().input.extend(b"ls\r\x1d");
    let output = ok(&mut shell, "xl console guest1");
    assert!(output.contains("no newline yet"), "{output}");
    // What was typed is delivered with the next look at the guest; it was in the same batch.
    let ring = ring(&mut shell, 1);
    Agent::say(&mut shell.system().hyper.0.borrow_mut(), ring, b"\nmore\n");
    let output = ok(&mut shell, "sleep 0.1");
    assert!(
        output.contains("[guest1] no newline yet\n[guest1] more\n"),
        "{output}"
    );
    ok(&mut shell, "xl quiet");
    Agent::say(&mut shell.system().hyper.0.borrow_mut(), ring, b"unseen\n");
    assert_eq!(ok(&mut shell, "sleep 0.1"), "");
    assert!(ok(&mut shell, "xl console -l guest1").ends_with("more\nunseen\n"));
    shell.system().hyper.0.borrow_mut().frames[ring as usize].data[3084] ^= 0x55;
    shell.system().hyper.0.borrow_mut().frames[ring as usize].data[3087] ^= 0x55;
    let output = ok(&mut shell, "xl quiet off") + &ok(&mut shell, "sleep 0.1");
    assert!(
        output.contains("[guest1] [its console ring is corrupt"),
        "{output}"
    );
    assert_eq!(ok(&mut shell, "echo y"), "y\n");
    ok(&mut shell, "xl ping guest1");
}

#[test]
fn typed_text_reaches_the_guest() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1");
    // `^]` comes in a batch of its own: 64 bytes are read at once.
    let line = [b'a'; 64];
    shell.system().input.extend(line);
    shell.system().input.push_back(0x1d);
    ok(&mut shell, "xl console guest1");
    ok(&mut shell, "sleep 0.1");
    assert_eq!(
        shell.system().hyper.0.borrow().domains[&1].agent.typed,
        line
    );
}

#[test]
fn scripts_stop_at_the_first_failure() {
    let mut shell = shell();
    let script = "# comment\necho one\n\nxl destroy nobody\necho never\n";
    shell
        .system()
        .files
        .insert("/etc/script".into(), script.into());
    let start = Start {
        create: vec![],
        script: Some("/etc/script"),
    };
    assert_eq!(shell.run(&start), 1);
    let output = shell.system().output.clone();
    assert!(
        output.contains("+ echo one\none\n+ xl destroy nobody\n"),
        "{output}"
    );
    assert!(output.contains("/etc/script:4: status 1\n"), "{output}");
    assert!(
        output.ends_with("script exited with status 1\n"),
        "{output}"
    );
    assert!(!output.contains("never"));
    assert!(shell.system().powered_off);
}

#[test]
fn scripts_nest_and_exit() {
    let mut shell = shell();
    shell.system().files.insert(
        "/a".into(),
        b"script /b\necho after\nexit 7\necho never".to_vec(),
    );
    shell
        .system()
        .files
        .insert("/b".into(), b"echo inner\nrun /bin/true x y".to_vec());
    shell
        .system()
        .files
        .insert("/loop".into(), b"script /loop".to_vec());
    assert_eq!(
        shell.run(&Start {
            create: vec![],
            script: Some("/a")
        }),
        7
    );
    assert!(shell.system().output.contains("after") && !shell.system().output.contains("never"));
    assert_eq!(shell.system().ran, ["/bin/true x y"]);
    fails(&mut shell, "script /loop", 2, "nested too deeply");
}

#[test]
fn services_that_end_are_started_again_and_leave_nothing() {
    let mut shell = shell();
    // The third of them, each time.
    for process in [103, 106] {
        shell.system().world.end(process);
    }
    let script = "xl list\nxl list\nxl list\n";
    let files = &mut shell.system().files;
    files.insert("/etc/script".into(), script.into());
    let start = Start {
        create: vec![],
        script: Some("/etc/script"),
    };
    assert_eq!(shell.run(&start), 0);
    let system = shell.system();
    let started = |path: &str| system.started.iter().filter(|of| *of == path).count();
    assert_eq!(started("/bin/blkback"), 3);
    assert_eq!(started("/bin/xenstored"), 1);
    assert_eq!(system.forgotten, [103, 106]);
}

#[test]
fn the_prompt_edits_shows_guests_and_leaves() {
    let mut shell = shell();
    shell
        .system()
        .input
        .extend(b"echo hallo\x7f\x7fo\rfoo\x03exit 3\r");
    let start = Start {
        create: vec!["guest1", "guest9"],
        script: None,
    };
    assert_eq!(shell.run(&start), 3);
    let output = shell.system().output.clone();
    assert!(
        output.contains("[guest1] hello from the guest\n"),
        "{output}"
    );
    assert!(
        output.contains("xl create: cannot read /etc/xen/guest9.cfg"),
        "{output}"
    );
    assert!(output.contains("dom0# echo hallo"), "{output}");
    assert!(
        output.contains("\nhallo\n") || output.contains("\nhalo\n"),
        "{output}"
    );
    assert!(output.contains("dom0# foo^C\n"), "{output}");
}

#[test]
fn help_names_everything() {
    let mut shell = shell();
    let help = ok(&mut shell, "help");
    for word in ["xl list", "xl create", "poweroff", "script FILE", "^]"] {
        assert!(help.contains(word), "{word} is missing in {help}");
    }
    assert!(ok(&mut shell, "xl help create").contains("example: xl create guest1 memory=24"));
    let lines = help.lines().map(str::trim_start);
    let commands: Vec<&str> = lines
        .filter_map(|line| line.strip_prefix("xl ")?.split(' ').next())
        .filter(|word| !["commands", "COMMAND..."].contains(word))
        .collect();
    assert!(commands.len() > 30, "{commands:?}");
    for command in commands {
        let help = ok(&mut shell, &format!("xl help {command}"));
        let example = format!("example: xl {command}");
        assert!(help.contains(&example), "{help}");
    }
    assert!(ok(&mut shell, "xl info").contains("xen_version            : 4.17.0-fake"));
    assert_eq!(
        ok(&mut shell, "xl dmesg -c"),
        "(PVN) a line of the hypervisor\n"
    );
    assert_eq!(ok(&mut shell, "xl dmesg"), "");
    ok(&mut shell, "xl debug-keys hq");
    assert_eq!(shell.system().hyper.0.borrow().keys, b"hq");
    assert!(ok(&mut shell, "ls /etc/xen").contains("/etc/xen/guest1.cfg\n"));
    assert!(ok(&mut shell, "xl uptime").contains("Domain-0"));
}

/// A hundred guests come and go; at every tenth the k-th call fails instead.
#[test]
fn nothing_is_lost_over_many_lives() {
    let mut shell = shell();
    ok(&mut shell, "xl quiet");
    let before = free(&mut shell);
    let (mut built, mut refused) = (0, 0);
    for life in 0..100usize {
        let calls = shell.system().hyper.0.borrow().calls;
        let fail = (life % 10 == 9).then_some(calls + life / 3);
        shell.system().hyper.0.borrow_mut().fail_at = fail;
        match run(&mut shell, "xl create guest1").0 {
            0 => {
                built += 1;
                shell.system().hyper.0.borrow_mut().fail_at = None;
                ok(&mut shell, "xl destroy guest1");
            }
            _ => refused += 1,
        }
        assert_eq!(free(&mut shell), before, "life {life}");
        assert_eq!(
            shell.system().hyper.0.borrow().ports.len(),
            0,
            "life {life}"
        );
    }
    println!("{built} guests built and destroyed, {refused} refused half-way, nothing lost");
    assert!(built >= 90 && refused >= 1);
}
