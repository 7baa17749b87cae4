//! Domains' network interfaces through the shell: their nodes as xl makes them, and hot-plug.

mod fake;

use dom0_tools::store::Store;

use fake::session::{TestShell, fails, ok, shell};

const CREATE: &str = "xl create guest1 vif=[\"mac=00:16:3e:01:02:03,bridge=br1,rate=1MB/s\",\"\"]";

fn node(shell: &mut TestShell, path: &str) -> Option<String> {
    let mut client = shell.system().world.client();
    client.read_if_there(path).unwrap()
}

#[track_caller]
fn nodes(shell: &mut TestShell, at: &str, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        let found = node(shell, &format!("{at}/{name}"));
        assert_eq!(found.as_deref(), Some(*value), "{at}/{name}");
    }
}

#[test]
fn a_domain_has_the_interfaces_of_its_configuration() {
    let mut shell = shell();
    ok(&mut shell, CREATE);
    let (front, back) = (
        "/local/domain/1/device/vif/0",
        "/local/domain/0/backend/vif/1/0",
    );
    nodes(
        &mut shell,
        front,
        &[
            ("backend", back),
            ("backend-id", "0"),
            ("state", "1"),
            ("handle", "0"),
            ("mac", "00:16:3e:01:02:03"),
            ("trusted", "1"),
        ],
    );
    nodes(
        &mut shell,
        back,
        &[
            ("frontend", front),
            ("frontend-id", "1"),
            ("online", "1"),
            ("state", "2"),
            ("handle", "0"),
            ("mac", "00:16:3e:01:02:03"),
            ("bridge", "br1"),
            ("rate", "50000,50000"),
            ("type", "vif"),
        ],
    );
    nodes(
        &mut shell,
        "/libxl/1/device/vif/0",
        &[("frontend", front), ("backend", back), ("bridge", "br1")],
    );
    nodes(
        &mut shell,
        "/local/domain/0/backend/vif/1/1",
        &[("bridge", "xenbr0")],
    );
    let mut client = shell.system().world.client();
    let of_front = client.permissions(front).unwrap().to_strings();
    let of_back = client.permissions(back).unwrap().to_strings();
    assert_eq!(
        (of_front.as_str(), of_back.as_str()),
        ("n1\0r0\0", "n0\0r1\0")
    );

    let mac = node(&mut shell, "/local/domain/1/device/vif/1/mac").unwrap();
    assert!(mac.starts_with("00:16:3e:"), "{mac}");
    let listed = ok(&mut shell, "xl network-list guest1");
    let lines: Vec<&str> = listed.lines().map(str::trim_end).collect();
    assert_eq!(
        lines[..2],
        [
            "Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path",
            "0   0  00:16:3e:01:02:03      0     2     -1    -1/-1          \
             /local/domain/0/backend/vif/1/0",
        ]
    );
    ok(&mut shell, "xl destroy guest1");
    assert_eq!(node(&mut shell, "/local/domain/0/backend/vif/1"), None);
    assert_eq!(node(&mut shell, "/libxl/1"), None);
}

#[test]
fn interfaces_come_and_go() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1");
    ok(
        &mut shell,
        "xl network-attach guest1 mac=00:16:3e:00:00:07 bridge=private",
    );
    ok(&mut shell, "xl network-attach guest1");
    ok(&mut shell, "xl network-attach guest1 devid=5");
    let listed = ok(&mut shell, "xl network-list guest1");
    assert_eq!(listed.lines().count(), 4, "{listed}");
    fails(
        &mut shell,
        "xl network-attach guest1 devid=5",
        1,
        "interface 5 already",
    );
    fails(
        &mut shell,
        "xl network-attach guest1 color=red",
        1,
        "`color` is no parameter",
    );
    fails(
        &mut shell,
        "xl network-attach guest1 backend=nobody",
        1,
        "no domain `nobody`",
    );
    fails(
        &mut shell,
        "xl network-attach 0",
        1,
        "domain 0 is given no interfaces",
    );
    fails(&mut shell, "xl network-attach", 2, "usage");
    fails(
        &mut shell,
        "xl network-detach guest1 9",
        1,
        "no interface `9`",
    );
    fails(&mut shell, "xl network-list", 2, "usage");
    ok(&mut shell, "xl network-detach guest1 00:16:3E:00:00:07");
    ok(&mut shell, "xl network-detach guest1 5");
    let listed = ok(&mut shell, "xl network-list guest1");
    assert_eq!(listed.lines().count(), 2, "{listed}");
    for path in [
        "/local/domain/1/device/vif/0",
        "/local/domain/0/backend/vif/1/0",
        "/libxl/1/device/vif/0",
    ] {
        assert_eq!(node(&mut shell, path), None);
    }
    assert!(node(&mut shell, "/local/domain/0/backend/vif/1/1").is_some());
}

#[test]
fn without_a_back_end_there_is_no_interface() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest2");
    shell.system().world.end_backends();
    let waited = "waiting for domain 0 to serve vif 0";
    fails(&mut shell, CREATE, 1, waited);
    assert!(!ok(&mut shell, "xl list").contains("guest1"));
    fails(&mut shell, "xl network-attach guest2", 1, waited);
    assert_eq!(ok(&mut shell, "xl network-list guest2").lines().count(), 1);
    fails(
        &mut shell,
        "xl create guest1 vif=[\"devid=1\",\"devid=1\"]",
        1,
        "the number 1",
    );
}

#[test]
fn an_interface_that_does_not_close_is_removed_all_the_same() {
    let mut shell = shell();
    ok(&mut shell, CREATE);
    shell.system().world.end_backends();
    fails(
        &mut shell,
        "xl network-detach guest1 1",
        1,
        "has not closed",
    );
    assert_eq!(ok(&mut shell, "xl network-list guest1").lines().count(), 2);
    ok(&mut shell, "xl destroy guest1");
    assert_eq!(node(&mut shell, "/local/domain/0/backend/vif/1"), None);
}
