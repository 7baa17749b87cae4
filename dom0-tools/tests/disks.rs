//! Domains' disks through the shell: their nodes as xl makes them, and hot-plug.

mod fake;

use dom0_tools::store::Store;

use fake::session::{TestShell, fails, ok, shell};

const CREATE: &str =
    "xl create guest1 disk=[\"/store/disk.img,raw,xvda,ro\",\"/dev/vda,,hdc:cdrom\"]";
const FRONT: &str = "/local/domain/1/device/vbd/51712";
const BACK: &str = "/local/domain/0/backend/vbd/1/51712";

fn node(shell: &mut TestShell, path: &str) -> Option<String> {
    let mut client = shell.system().world.client();
    client.read_if_there(path).unwrap()
}

#[test]
fn a_domain_has_the_disks_of_its_configuration() {
    let mut shell = shell();
    ok(&mut shell, CREATE);
    for (path, value) in [
        (format!("{FRONT}/backend"), BACK),
        (format!("{FRONT}/backend-id"), "0"),
        (format!("{FRONT}/state"), "1"),
        (format!("{FRONT}/virtual-device"), "51712"),
        (format!("{FRONT}/device-type"), "disk"),
        (format!("{BACK}/frontend"), FRONT),
        (format!("{BACK}/frontend-id"), "1"),
        (format!("{BACK}/online"), "1"),
        (format!("{BACK}/state"), "2"),
        (format!("{BACK}/params"), "/store/disk.img"),
        (format!("{BACK}/mode"), "r"),
        (format!("{BACK}/dev"), "xvda"),
        (format!("{BACK}/removable"), "0"),
        ("/libxl/1/device/vbd/51712/backend".into(), BACK),
        (BACK.replace("51712", "5632") + "/mode", "r"),
        (BACK.replace("51712", "5632") + "/device-type", "cdrom"),
    ] {
        assert_eq!(node(&mut shell, &path).as_deref(), Some(value), "{path}");
    }
    let listed = ok(&mut shell, "xl block-list guest1");
    let lines: Vec<&str> = listed.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            "Vdev  BE  handle state evt-ch ring-ref BE-path",
            "5632  0   1      2     -1     -1       /local/domain/0/backend/vbd/1/5632",
            "51712 0   1      2     -1     -1       /local/domain/0/backend/vbd/1/51712",
        ]
    );
    ok(&mut shell, "xl destroy guest1");
    assert_eq!(node(&mut shell, "/local/domain/0/backend/vbd/1"), None);
    assert_eq!(node(&mut shell, "/libxl/1"), None);
}

#[test]
fn disks_come_and_go() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1");
    ok(
        &mut shell,
        "xl block-attach guest1 /store/disk.img,raw,xvda,ro",
    );
    ok(
        &mut shell,
        "xl block-attach guest1 vdev=xvdb access=rw target=/dev/vda",
    );
    for (line, why) in [
        (
            "xl block-attach guest1 /dev/vda,,xvdb",
            "it has a disk xvdb already",
        ),
        (
            "xl block-attach guest1 vdev=xvdc,backend=nobody,target=/dev/vda",
            "no domain `nobody`",
        ),
        (
            "xl block-attach 0 /dev/vda,,xvdc",
            "domain 0 is given no disks",
        ),
        ("xl block-attach guest1 ,,hdd:cdrom", "it has no target"),
        ("xl block-detach guest1 xvdz", "no disk `xvdz`"),
    ] {
        fails(&mut shell, line, 1, why);
    }
    for line in [
        "xl block-attach guest1",
        "xl block-detach guest1",
        "xl block-list",
    ] {
        fails(&mut shell, line, 2, "usage");
    }
    ok(&mut shell, "xl block-detach guest1 xvda");
    assert_eq!(
        [node(&mut shell, FRONT), node(&mut shell, BACK)],
        [None, None]
    );
    ok(&mut shell, "xl block-detach guest1 51728");
    assert_eq!(ok(&mut shell, "xl block-list guest1").lines().count(), 1);
    // Nobody serves it.
    shell.system().world.end_backends();
    let waited = "waiting for domain 0 to serve vbd 51712";
    fails(
        &mut shell,
        "xl block-attach guest1 /dev/vda,,xvda",
        1,
        waited,
    );
    assert_eq!(node(&mut shell, FRONT), None);
}
