//! Domains' PCI devices through the shell: what the hypervisor is asked for, and their nodes as xl makes
//! them.

mod fake;

use std::panic::{AssertUnwindSafe, catch_unwind};

use dom0_tools::shell::Shell;
use dom0_tools::store::Store;

use fake::session::{TestShell, fails, ok, shell};

const BACK: &str = "/local/domain/0/backend/pci/1/0";
const FRONT: &str = "/local/domain/1/device/pci/0";
const CREATE: &str = "xl create guest1 pci=[\"00:04.0\",\"0000:00:05.0,permissive=0\"]";
/// Places of the command register and of the line of the first device.
const COMMAND: u32 = 0x2004;
const LINE: u32 = 0x203c;

fn node(shell: &mut TestShell, path: &str) -> Option<String> {
    let mut client = shell.system().world.client();
    client.read_if_there(path).unwrap()
}

/// Two devices that pciback has claimed, one of them without an interrupt.
fn with_devices() -> TestShell {
    let mut shell = shell();
    let mut client = shell.system().world.client();
    for (slot, regions) in [(4, "ports 0xc000 0x80,memory 0x1fe000000 0x4000"), (5, "")] {
        let node = format!("/libxl/pciback/0000-00-{slot:02x}-0");
        client.write(&format!("{node}/state"), b"ready").unwrap();
        client
            .write_text(&format!("{node}/regions"), regions)
            .unwrap();
    }
    let pci = &mut shell.system().pci;
    pci.extend([
        (COMMAND, 0x0010_0507),
        (LINE, 0x10b),
        (0x2804, 7),
        (0x283c, 0xff),
    ]);
    shell
}

#[test]
fn a_domain_is_given_what_its_devices_have() {
    let mut shell = with_devices();
    let listed = ok(&mut shell, "xl pci-assignable-list");
    assert_eq!(listed, "0000:00:04.0\n0000:00:05.0\n");
    ok(&mut shell, CREATE);
    let permitted = shell.system().hyper.0.borrow().permitted.clone();
    let wanted = [
        "1 ports 0xc000 128",
        "1 frames 0x1fe000 4",
        "32752 line 11",
        "1 line 11",
        "1 irq 11",
    ];
    assert_eq!(permitted, wanted);
    assert_eq!(shell.system().pci_written[0], (COMMAND, 0x0500));
    for (path, value) in [
        (format!("{FRONT}/backend"), BACK),
        (format!("{BACK}/frontend"), FRONT),
        (format!("{BACK}/domain"), "guest1"),
        (format!("{BACK}/num_devs"), "2"),
        (format!("{BACK}/dev-1"), "0000:00:05.0"),
        (format!("{BACK}/state"), "4"),
    ] {
        assert_eq!(node(&mut shell, &path).as_deref(), Some(value), "{path}");
    }
    let listed = ok(&mut shell, "xl pci-list guest1");
    assert_eq!(
        listed,
        "Vdev Device\n00.0 0000:00:04.0\n01.0 0000:00:05.0\n"
    );
    assert_eq!(ok(&mut shell, "xl pci-assignable-list"), "");
    let long = ok(&mut shell, "xl list -l guest1");
    assert!(long.contains("pcidevs"), "{long}");
    fails(
        &mut shell,
        "xl create guest2 pci=[\"00:04.0\"]",
        1,
        "already assigned to a domain",
    );
    fails(
        &mut shell,
        "xl pci-assignable-remove 00:04.0",
        1,
        "domain 1 has PCI device",
    );
    shell.system().pci_written.clear();
    ok(&mut shell, "xl destroy guest1");
    assert_eq!(shell.system().pci_written, [(COMMAND, 0x0500), (0x2804, 0)]);
    assert_eq!(node(&mut shell, "/local/domain/0/backend/pci/1"), None);
    // The line is set up already.
    ok(&mut shell, CREATE);
    let permitted = shell.system().hyper.0.borrow().permitted.clone();
    assert_eq!(permitted.last().map(String::as_str), Some("2 irq 11"));
    ok(&mut shell, "xl destroy guest1");
    ok(&mut shell, "xl pci-assignable-remove 00:04.0");
    assert_eq!(ok(&mut shell, "xl pci-assignable-list"), "0000:00:05.0\n");
}

#[test]
fn what_is_not_assignable_is_not_given() {
    let mut shell = with_devices();
    for (line, why) in [
        (
            "xl create guest1 pci=[\"00:06.0\"]",
            "0000:00:06.0 is not assignable",
        ),
        (
            "xl create guest1 pci=[\"00:04.0\",\"0:4.0\"]",
            "0000:00:04.0 is there already",
        ),
        ("xl create guest1 pci=[\"00:04.8\"]", "no PCI device"),
        (
            "xl create guest1 pci=[\"00:04.0,permissive=1\"]",
            "`permissive` is not served",
        ),
        (
            "xl create guest1 pci=[\"00:04.0,seize=2\"]",
            "known are 0, 1",
        ),
        (
            "xl create guest1 pci=[\"00:04.0,colour=1\"]",
            "no parameter of a PCI device",
        ),
        ("xl create guest1 pci=[\"00:04.0@7\"]", "cannot be chosen"),
        ("xl pci-assignable-add 4", "no PCI device"),
        ("xl pci-assignable-remove 00:06.0", "is not assignable"),
    ] {
        fails(&mut shell, line, 1, why);
    }
    for line in [
        "xl pci-assignable-add",
        "xl pci-list",
        "xl pci-assignable-list x",
    ] {
        fails(&mut shell, line, 2, "usage");
    }
    assert!(shell.system().hyper.0.borrow().permitted.is_empty());
    // Nobody looks whether it can be.
    fails(
        &mut shell,
        "xl pci-assignable-add 00:06.0",
        1,
        "cannot be given away",
    );
    assert_eq!(node(&mut shell, "/libxl/pciback/0000-00-06-0"), None);
}

/// Rights of domains that are others than dom0's.
fn rights(shell: &mut TestShell) -> Vec<String> {
    let permitted = shell.system().hyper.0.borrow().permitted.clone();
    let of_guests = |right: &&String| !right.starts_with("32752 ");
    permitted.iter().filter(of_guests).cloned().collect()
}

#[test]
fn devices_come_and_go_while_a_domain_runs() {
    let mut shell = with_devices();
    ok(&mut shell, "xl create guest1 pci=[\"00:05.0\"]");
    shell.system().pci_written.clear();
    ok(&mut shell, "xl pci-attach guest1 00:04.0");
    let of_disk = ["ports 0xc000 128", "frames 0x1fe000 4", "line 11", "irq 11"];
    let of_disk: Vec<String> = of_disk.iter().map(|what| format!("1 {what}")).collect();
    assert_eq!(rights(&mut shell), of_disk);
    assert_eq!(shell.system().pci_written, [(COMMAND, 0x0500)]);
    for (name, value) in [
        ("num_devs", Some("2")),
        ("dev-1", Some("0000:00:04.0")),
        ("key-1", Some("0000:00:04.0")),
        ("state-1", Some("3")),
        ("state", Some("4")),
    ] {
        assert_eq!(
            node(&mut shell, &format!("{BACK}/{name}")).as_deref(),
            value
        );
    }
    let listed = "Vdev Device\n00.0 0000:00:05.0\n01.0 0000:00:04.0\n";
    assert_eq!(ok(&mut shell, "xl pci-list guest1"), listed);
    // What is behind it is numbered anew, and stays in its slot.
    let mut client = shell.system().world.client();
    for (number, slot) in [(0, "0000:00:00.0"), (1, "0000:00:07.0")] {
        client
            .write_text(&format!("{BACK}/vdev-{number}"), slot)
            .unwrap();
    }
    ok(&mut shell, "xl pci-detach guest1 00:05.0");
    let listed = "Vdev Device\n07.0 0000:00:04.0\n";
    assert_eq!(ok(&mut shell, "xl pci-list guest1"), listed);
    for (name, value) in [
        ("num_devs", Some("1")),
        ("dev-0", Some("0000:00:04.0")),
        ("state-0", Some("3")),
        ("state", Some("4")),
        ("dev-1", None),
        ("key-1", None),
        ("opts-1", None),
        ("vdev-1", None),
        ("state-1", None),
    ] {
        assert_eq!(
            node(&mut shell, &format!("{BACK}/{name}")).as_deref(),
            value
        );
    }
    assert_eq!(rights(&mut shell), of_disk);
    shell.system().pci_written.clear();
    ok(&mut shell, "xl pci-detach guest1 0:4.0");
    assert!(rights(&mut shell).is_empty());
    assert_eq!(shell.system().pci_written, [(COMMAND, 0x0500)]);
    assert_eq!(node(&mut shell, &format!("{BACK}/state")), None);
    assert_eq!(node(&mut shell, &format!("{FRONT}/state")), None);
    assert_eq!(ok(&mut shell, "xl pci-list guest1"), "Vdev Device\n");
    // A domain without any is given its first.
    ok(&mut shell, "xl pci-attach guest1 00:04.0");
    assert_eq!(rights(&mut shell), of_disk);
    assert_eq!(
        node(&mut shell, &format!("{BACK}/num_devs")).as_deref(),
        Some("1")
    );
    assert_eq!(ok(&mut shell, "xl pci-assignable-list"), "0000:00:05.0\n");
}

#[test]
fn a_line_that_another_device_has_as_well_stays() {
    let mut shell = with_devices();
    shell.system().pci.insert(0x283c, 0x10b);
    ok(&mut shell, CREATE);
    ok(&mut shell, "xl pci-detach guest1 00:05.0");
    let all = rights(&mut shell);
    assert!(all.contains(&"1 line 11".to_string()), "{all:?}");
    ok(&mut shell, "xl pci-detach guest1 00:04.0");
    assert!(rights(&mut shell).is_empty());
}

#[test]
fn what_cannot_come_or_go_is_refused() {
    let mut shell = with_devices();
    ok(&mut shell, "xl create guest1 pci=[\"00:05.0\"]");
    ok(&mut shell, "xl create guest2");
    let nodes = shell.system().world.nodes();
    for (line, why) in [
        ("xl pci-attach guest1 00:06.0", "is not assignable"),
        (
            "xl pci-attach guest1 00:05.0",
            "already assigned to a domain",
        ),
        (
            "xl pci-attach guest2 00:05.0",
            "already assigned to a domain",
        ),
        ("xl pci-attach guest2 00:04", "no PCI device"),
        ("xl pci-attach guest2 00:04.0,permissive=1", "is not served"),
        (
            "xl pci-attach nobody 00:04.0",
            "there is no domain `nobody`",
        ),
        (
            "xl pci-attach 0 00:04.0",
            "domain 0 is given no PCI devices",
        ),
        (
            "xl pci-detach guest1 00:04.0",
            "has no PCI device 0000:00:04.0",
        ),
        (
            "xl pci-detach guest2 00:05.0",
            "has no PCI device 0000:00:05.0",
        ),
        ("xl pci-detach guest1 5", "no PCI device"),
        (
            "xl pci-detach nobody 00:05.0",
            "there is no domain `nobody`",
        ),
        ("xl pci-detach 0 00:05.0", "has no PCI device"),
    ] {
        fails(&mut shell, line, 1, why);
    }
    for line in [
        "xl pci-attach guest1",
        "xl pci-detach guest1",
        "xl pci-detach -x guest1 00:05.0",
        "xl pci-detach -f guest1",
    ] {
        fails(&mut shell, line, 2, "usage");
    }
    assert!(rights(&mut shell).is_empty());
    assert_eq!(shell.system().world.nodes(), nodes);
}

#[test]
fn a_guest_that_never_answers_is_not_waited_for_without_end() {
    let mut shell = with_devices();
    ok(&mut shell, "xl create guest1 pci=[\"00:04.0\"]");
    ok(&mut shell, "xl create guest2");
    shell.system().world.end_backends();
    let (before, mut nodes) = (rights(&mut shell), shell.system().world.nodes());
    let begun = shell.system().world.now();
    let late = "no answer for 20 s";
    fails(&mut shell, "xl pci-attach guest1 00:05.0", 1, late);
    // One without devices, which does not look for any.
    fails(&mut shell, "xl pci-attach guest2 00:05.0", 1, late);
    fails(
        &mut shell,
        "xl pci-detach guest1 00:04.0",
        1,
        "as if it were in use",
    );
    assert!(shell.system().world.now() < begun + 100_000_000_000);
    assert_eq!(rights(&mut shell), before, "it is as it was");
    nodes.push("/libxl/2/device".to_string());
    nodes.sort_unstable();
    assert_eq!(shell.system().world.nodes(), nodes);
    for (name, value) in [("state", "4"), ("state-0", "3"), ("num_devs", "1")] {
        let said = node(&mut shell, &format!("{BACK}/{name}"));
        assert_eq!(said.as_deref(), Some(value), "{name}");
    }
    // By force, all but the ends' closing is done.
    let forced = "xl pci-detach -f guest1 00:04.0";
    fails(&mut shell, forced, 1, "its nodes are removed");
    assert!(rights(&mut shell).is_empty());
    assert_eq!(node(&mut shell, &format!("{BACK}/state")), None);
}

/// Kills `xl` at each of its steps: what the domain may reach is what the store says it has. Then the
/// same is done by another. How often it was killed.
fn kill_everywhere(words: &[&str]) -> u64 {
    let mut shell = with_devices();
    ok(&mut shell, "xl create guest1");
    let world = shell.system().world.clone();
    for step in 0.. {
        if words[0] == "pci-detach" {
            ok(&mut shell, "xl pci-attach guest1 00:04.0");
        }
        let process = 1000 + step;
        world.doom(process, step as usize);
        let mut beside = Shell::new(shell.system().beside(process));
        let done = catch_unwind(AssertUnwindSafe(|| beside.run_single(words)));
        if let Ok(status) = done {
            assert_eq!(status, 0);
            return step;
        }
        let listed = ok(&mut shell, "xl pci-list guest1");
        let has_it = listed.contains("0000:00:04.0");
        let rights = rights(&mut shell);
        assert!(has_it || rights.is_empty(), "step {step}: {rights:?}");
        let free = ok(&mut shell, "xl pci-assignable-list");
        assert_ne!(has_it, free.contains("0000:00:04.0"), "step {step}");
        if has_it {
            ok(&mut shell, "xl pci-detach guest1 00:04.0");
        }
        assert!(self::rights(&mut shell).is_empty(), "step {step}");
    }
    unreachable!("it ends when nobody is killed")
}

#[test]
fn whoever_is_killed_leaves_no_device_to_two() {
    let attached = kill_everywhere(&["pci-attach", "guest1", "00:04.0"]);
    let detached = kill_everywhere(&["pci-detach", "guest1", "00:04.0"]);
    assert!(attached >= 20 && detached >= 20, "{attached} {detached}");
}

#[test]
fn a_disk_whose_back_end_has_gone_is_attached_anew() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest2");
    ok(
        &mut shell,
        "xl create guest1 disk=[\"phy:/dev/vda,xvda,w,backend=guest2\"]",
    );
    let attach = "xl block-attach guest1 /dev/vda,raw,xvda,w,backend=guest2";
    fails(&mut shell, attach, 1, "it has a disk xvda already");
    ok(&mut shell, "xl destroy guest2");
    ok(&mut shell, "xl create guest2");
    ok(&mut shell, attach);
    let path = "/local/domain/2/device/vbd/51712/backend";
    let backend = node(&mut shell, path);
    assert_eq!(
        backend.as_deref(),
        Some("/local/domain/3/backend/vbd/2/51712")
    );
}

#[test]
fn an_interface_whose_back_end_has_gone_is_attached_anew() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest2");
    ok(&mut shell, "xl create guest1 vif=[\"backend=guest2\"]");
    let mac = "/local/domain/2/device/vif/0/mac";
    let before = node(&mut shell, mac);
    let attach = "xl network-attach guest1 devid=0 backend=guest2";
    fails(&mut shell, attach, 1, "it has an interface 0 already");
    ok(&mut shell, "xl destroy guest2");
    ok(&mut shell, "xl create guest2");
    ok(&mut shell, attach);
    let path = "/local/domain/2/device/vif/0/backend";
    let backend = node(&mut shell, path);
    assert_eq!(backend.as_deref(), Some("/local/domain/3/backend/vif/2/0"));
    assert_eq!(node(&mut shell, mac), before, "it has the same address");
    // One that is named by no number is another.
    ok(&mut shell, "xl network-attach guest1 backend=guest2");
    assert!(node(&mut shell, "/local/domain/2/device/vif/1/mac").is_some());
}
