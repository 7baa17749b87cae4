//! xl.cfg: what is read, what is warned about, and where errors point.

use dom0_tools::config::{
    Cpus, Disk, DiskFormat, DomainConfig, EndAction, Item, Position, Rate, Value, Vif, VirtualDisk,
    parse,
};
use proptest::prelude::*;

const FULL: &str = r#"# A guest
name = "web-1"; type = 'pv'
kernel = "/boot/vmlinux"   # comment
ramdisk = "/boot/initrd"
root = "/dev/xvda1 ro"
extra = "console=hvc0"
memory = 0x40
maxmem = 128
vcpus = 2
uuid = "01234567-89ab-CDEF-0123-456789abcdef"
on_poweroff = "preserve"
on_reboot = "destroy"
on_crash = "restart"
maxvcpus = 4
cpus = ["0-3,^1", 2]
cpu_weight = "512"
cap = 150
disk = [ 'phy:/dev/a,,xvda,w',
         'format=qcow2, vdev=xvdb, access=ro, target=/dev/b,c=d', ]
vif = [ 'mac=00:16:3e:00:00:01,bridge=xenbr0,rate=10Mb/s', '' ]
flavour = 010
"#;

#[test]
fn a_full_file_is_read() {
    let (config, warnings) = DomainConfig::read(FULL, "").unwrap();
    assert_eq!(config.name, "web-1");
    assert_eq!(config.kernel, "/boot/vmlinux");
    assert_eq!(config.ramdisk.as_deref(), Some("/boot/initrd"));
    assert_eq!(config.command_line, "root=/dev/xvda1 ro console=hvc0");
    assert_eq!(
        (config.memory_mib, config.max_memory_mib, config.vcpus),
        (64, 128, 2)
    );
    assert_eq!(config.uuid.unwrap()[..4], [0x01, 0x23, 0x45, 0x67]);
    assert_eq!(config.on_end.poweroff, EndAction::Preserve);
    assert_eq!(config.on_end.reboot, EndAction::Destroy);
    assert_eq!(config.on_end.crash, EndAction::Restart);
    assert_eq!(config.max_vcpus, 4);
    assert_eq!(config.cpus.of(0, 4).unwrap().unwrap().to_string(), "0,2-3");
    assert_eq!(config.cpus.of(1, 4).unwrap().unwrap().to_string(), "2");
    assert_eq!(config.cpus.of(2, 4).unwrap(), None);
    let refused = config.cpus.of(0, 2).unwrap_err();
    assert_eq!(refused, "there is no CPU 3: the machine has 2");
    assert_eq!((config.cpu_weight, config.cap), (Some(512), Some(150)));
    let [first, second] = &config.disks[..] else {
        panic!("{:?}", config.disks)
    };
    assert_eq!(first.target.as_deref(), Some("/dev/a"));
    assert_eq!(first.backend_type.as_deref(), Some("phy"));
    assert_eq!((first.vdev.number(), first.writable), (Some(0xca00), true));
    assert_eq!(second.target.as_deref(), Some("/dev/b,c=d"));
    assert_eq!(second.format, DiskFormat::Qcow2);
    assert!(!second.writable);
    assert_eq!(config.vifs[0].mac, Some([0, 0x16, 0x3e, 0, 0, 1]));
    assert_eq!(config.vifs[0].rate.unwrap().bytes_per_interval(), 62_500);
    assert_eq!(config.vifs[1], Vif::default());
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["line 21, column 1: unknown key `flavour` is ignored",]
    );
}

#[test]
fn values_have_their_kinds() {
    let values: Vec<Value> = parse("a = 010\nb = -5 ; c = ['x', 2, [\"y\"],]\nd = \"t\\\"\\n\"")
        .unwrap()
        .into_iter()
        .map(|assignment| assignment.value)
        .collect();
    let text = |text: &str| Value::Text(text.into());
    let item = |column, value| Item {
        position: Position { line: 2, column },
        value,
    };
    let list = Value::List(vec![
        item(15, text("x")),
        item(20, Value::Integer(2)),
        item(23, Value::List(vec![item(24, text("y"))])),
    ]);
    assert_eq!(
        values,
        [Value::Integer(8), Value::Integer(-5), list, text("t\"\n")]
    );
}

#[test]
fn later_values_win_and_plus_equals_appends() {
    let values = parse("a = 1\na = 2\nb = 'x'\nb += 'y'\nc = [1]\nc += [2]").unwrap();
    let found = |key: &str| values.iter().find(|a| a.key == key).unwrap().value.clone();
    assert_eq!(values.len(), 3);
    assert_eq!(found("a"), Value::Integer(2));
    assert_eq!(found("b"), Value::Text("xy".into()));
    let Value::List(items) = found("c") else {
        panic!("not a list")
    };
    let items: Vec<Value> = items.into_iter().map(|item| item.value).collect();
    assert_eq!(items, [Value::Integer(1), Value::Integer(2)]);
}

#[test]
fn overrides_win_and_are_named_in_errors() {
    let (config, _) = DomainConfig::read(FULL, "name=\"other\"\nvcpus=1\n").unwrap();
    assert_eq!((config.name.as_str(), config.vcpus), ("other", 1));
    let error = DomainConfig::read(FULL, "memory=0\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("overrides on the command line: memory is 0"),
        "{error}"
    );
}

#[test]
fn defaults_are_xls() {
    let (config, warnings) = DomainConfig::read(
        "name='a'\nkernel='/k'\nmemory=8\ncmdline='x'\nextra='y'",
        "",
    )
    .unwrap();
    assert_eq!(
        (config.max_memory_mib, config.vcpus, config.ramdisk),
        (8, 1, None)
    );
    assert_eq!(config.command_line, "x");
    assert_eq!(config.on_end.poweroff, EndAction::Destroy);
    assert_eq!(config.on_end.reboot, EndAction::Restart);
    assert_eq!(config.on_end.crash, EndAction::Destroy);
    assert_eq!(
        warnings[0].to_string(),
        "line 5, column 7: ignored: `cmdline` is given"
    );
}

#[test]
fn errors_say_what_and_where() {
    let base = "name = 'a'\nkernel = '/k'\nmemory = 8\n";
    let with = |line: &str| format!("{base}{line}");
    let cases = [
        (
            with("vcpus = 33"),
            "line 4, column 9: vcpus is 33, it must be from 1 to 32",
        ),
        (
            with("vcpus = 'two'"),
            "line 4, column 9: `vcpus` must be a number, this is a string",
        ),
        (
            with("maxmem = 4"),
            "line 4, column 10: maxmem (4) is less than memory (8)",
        ),
        (with("uuid = 'x'"), "`x` is not a UUID"),
        (with("type = 'hvm'"), "only paravirtual guests"),
        (
            with("on_crash = 'explode'"),
            "known are destroy, restart, preserve, rename-restart",
        ),
        (
            with("on_crash = 'coredump-restart'"),
            "line 4, column 12: on_crash \"coredump-restart\": cores of domains are not written",
        ),
        (with("on_reboot = 'soft-reset'"), "only HVM guests"),
        (
            with("vcpus = 4\nmaxvcpus = 2"),
            "line 5, column 12: maxvcpus (2) is less than vcpus (4)",
        ),
        (with("maxvcpus = 0"), "it must be from 1 to 32"),
        (
            with("cpus = '0,x'"),
            "line 4, column 8: cpus: `x` is not the number of a CPU",
        ),
        (
            with("cpus = [0,\n '3-1']"),
            "line 5, column 2: cpus: `3-1` is no range",
        ),
        (
            with("cpus = [[1]]"),
            "`cpus` must be CPUs or a list of them",
        ),
        (with("cpu_weight = 0"), "it must be from 1 to 65535"),
        (with("vcpus = 2\ncap = 201"), "it must be from 0 to 200"),
        (
            with("disk = 'phy:/dev/a,,xvda,w'"),
            "line 4, column 8: `disk` must be a list of strings, this is a string",
        ),
        (
            with("disk = ['a,,xvda', 7]"),
            "line 4, column 20: `disk` is a list of strings, this is a number",
        ),
        (
            with("disk = ['a,,xvda',\n  'b,,xvda']"),
            "line 5, column 3: disk: there is another xvda already",
        ),
        (with("disk = ['a']"), "disk: there is no vdev"),
        (with("disk = [',,xvda']"), "disk: there is no target"),
        (with("disk = ['a,ntfs,xvda']"), "`ntfs` is no format"),
        (
            with("disk = ['a,,vda']"),
            "`vda` is no name of a virtual disk",
        ),
        (with("disk = ['a,,xvda,x']"), "access `x`: known are"),
        (with("disk = ['a,,xvda,w,w']"), "`w` is not understood"),
        (
            with("disk = ['a,,xvda,w,access=r']"),
            "access is given twice",
        ),
        (
            with("disk = ['a,,hdc:cdrom,w']"),
            "a CD cannot be written to",
        ),
        (
            with("disk = ['vdev=xvda,cache=none,target=a']"),
            "`cache` is no parameter of a disk",
        ),
        (with("disk = ['vdev=xvda,target=']"), "target has no value"),
        (
            with("vif = [ 'mac' ]"),
            "line 4, column 9: vif: mac has no value",
        ),
        (with("vif = ['mac=1:2']"), "vif: `1:2` is not a MAC address"),
        (
            with("vif = ['mac=01:00:00:00:00:01']"),
            "is the MAC address of a group",
        ),
        (
            with("vif = ['mac=00:00:00:00:00:+1']"),
            "is not a MAC address",
        ),
        (
            with("vif = ['mac=00:16:3e:0:0:1:7']"),
            "is not a MAC address",
        ),
        (
            with("vif = ['mac=00:16:3e:00:00:01','mac=00:16:3E:00:00:01']"),
            "vif: another one has the same MAC address",
        ),
        (with("vif = ['rate=10']"), "`10` is not a rate"),
        (with("vif = ['rate=10MB/s@0ms']"), "is not a rate"),
        (with("vif = ['rate=1b/s']"), "lets no packet through"),
        (with("vif = ['rate=99999999999999GB/s']"), "is not a rate"),
        (with("vif = ['mtu=10']"), "it must be from 68 to 65535"),
        (with("vif = ['mtu=']"), "mtu has no value"),
        (with("vif = ['trusted=2']"), "known are 0 and 1"),
        (with("vif = ['model=e1000']"), "only paravirtual guests"),
        (with("vif = ['colour=red']"), "`colour` is no parameter"),
        (with("x = "), "expected a value, found the end of the file"),
        (
            with("x = \n"),
            "expected a value, found the end of the line",
        ),
        (
            with("x = 'open"),
            "line 4, column 5: the string is not closed with '",
        ),
        (with("x = \"\\q\""), "unknown escape"),
        (with("x = 12z"), "`12z` is not a number"),
        (with("x = 09"), "`09` is not a number"),
        (with("x = 99999999999999999999"), "is not a number"),
        (with("x = [1 2]"), "expected `,` or `]`, found the number 2"),
        (with("x = [1,"), "expected `]`, found the end of the file"),
        (with("x = 1 y = 2"), "expected the end of the line"),
        (with("x y"), "expected `=` after `x`, found `y`"),
        (
            with("x = yes"),
            "a value must be a number, a list or quoted: \"yes\"?",
        ),
        (with("= 3"), "expected a key, found `=`"),
        (with("x = @"), "unexpected character '@'"),
        (with("x = [[[[[[[[[1]]]]]]]]]"), "nested too deeply"),
        (
            with("x = 1\nx += 'a'"),
            "cannot append a string to a number",
        ),
        ("kernel = '/k'\nmemory = 8".into(), "`name` is missing"),
        ("name = 'a'\nmemory = 8".into(), "`kernel` is missing"),
        ("name = 'a'\nkernel = '/k'".into(), "`memory` is missing"),
        ("name = ''\nkernel = '/k'".into(), "`name` is empty"),
        ("name = 'a b'\nkernel = '/k'".into(), "contains ' '"),
        (
            "name = '12'\nkernel = '/k'".into(),
            "would be taken for a domain id",
        ),
    ];
    let count = cases.len();
    for (file, part) in cases {
        let error = DomainConfig::read(&file, "").expect_err(&file).to_string();
        assert!(error.contains(part), "`{error}` does not contain `{part}`");
    }
    println!("{count} wrong configurations refused, each by its cause and place");
}

/// A value of a parameter: anything without a comma, or blanks at its ends.
fn word() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[!-+.-~]([ -+.-~]{0,10}[!-+.-~])?")
}

fn disk() -> impl Strategy<Value = Disk> {
    let words = (word(), word(), prop::option::of("[!-~]([ -~]{0,20}[!-~])?"));
    let flags = (
        any::<bool>(),
        any::<bool>(),
        prop::option::of(any::<bool>()),
    );
    (words, flags, any::<bool>(), 0u32..30, 0u32..20, 0usize..5).prop_map(
        |((backend, script, target), (writable, cdrom, discard), direct, disk, part, kind)| {
            let formats = ["raw", "qcow", "qcow2", "vhd", "qed"];
            let text = format!("a,{},d{disk}p{part}", formats[kind]);
            let mut made = Disk::parse(&text).expect(&text);
            made.vdev = VirtualDisk::parse(&format!("d{disk}p{part}")).expect("a number");
            made.cdrom = cdrom;
            made.writable = writable && !cdrom;
            made.backend_type = [None, Some("phy"), Some("qdisk"), Some("standalone"), None][kind]
                .map(String::from);
            (made.backend, made.script, made.discard) = (backend, script, discard);
            made.direct_io_safe = direct;
            made.target = target.or((!cdrom).then(|| "x".into()));
            made
        },
    )
}

fn vif() -> impl Strategy<Value = Vif> {
    let words = (word(), word(), word(), word(), word(), word());
    let numbers = (
        any::<[u8; 6]>(),
        20u64..10_000_000_000,
        1u32..4_000_000,
        any::<u32>(),
    );
    (words, numbers, prop::option::of(68u32..=65535), 0u8..8).prop_map(
        |(
            (bridge, gateway, script, ip, backend, name),
            (mac, rate, interval, devid),
            mtu,
            bits,
        )| {
            let mac = [mac[0] & !1, mac[1], mac[2], mac[3], mac[4], mac[5]];
            let rate = Rate {
                bytes_per_second: rate.max(1_000_000),
                interval_us: interval,
            };
            let has = |bit: u8| bits & 1 << bit != 0;
            Vif {
                mac: has(0).then_some(mac),
                rate: has(1).then_some(rate),
                devid: has(2).then_some(devid),
                trusted: has(0).then_some(has(1)),
                bridge,
                gateway,
                script,
                ip,
                backend,
                name,
                mtu,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn noise_never_panics(noise in "[ -~\n\t\"'\\[\\]=,;#äλ]{0,120}") {
        let _ = DomainConfig::read(&noise, "");
    }

    #[test]
    fn mutations_of_a_sound_file_never_panic(at in 0usize..FULL.len(), byte in 0u8..128) {
        let mut file = FULL.as_bytes().to_vec();
        file[at] = byte;
        let _ = DomainConfig::read(core::str::from_utf8(&file).unwrap(), "");
    }

    /// Mutations of a device's description neither.
    #[test]
    fn devices_are_understood_or_refused(spec in "[ -~,=:a-x0-9]{0,60}") {
        if let Ok(disk) = Disk::parse(&spec) {
            prop_assert_eq!(Disk::parse(&disk.to_spec()), Ok(disk));
        }
        if let Ok(vif) = Vif::parse(&spec) {
            prop_assert_eq!(Vif::parse(&vif.to_spec()), Ok(vif));
        }
    }

    /// What is written reads back as the same.
    #[test]
    fn devices_round_trip(disk in disk(), vif in vif()) {
        let spec = disk.to_spec();
        prop_assert_eq!(Disk::parse(&spec), Ok(disk), "{}", spec);
        let spec = vif.to_spec();
        prop_assert_eq!(Vif::parse(&spec), Ok(vif), "{}", spec);
    }

    #[test]
    fn configurations_round_trip(
        name in "[a-z][a-z0-9_.-]{0,20}",
        kernel in "/[ -~]{1,40}",
        line in "[ -~äλ\n\t]{0,60}",
        memory in 1u64..100_000,
        more in 0u64..1000,
        vcpus in 1u32..=32,
        more_vcpus in 0u32..3,
        cpus in prop::option::of(prop::collection::vec(0u32..64, 1..4)),
        disk in prop::option::of(disk()),
        vif in prop::option::of(vif()),
        end in 0usize..4,
        uuid in prop::option::of(any::<[u8; 16]>()),
    ) {
        let (mut config, _) = DomainConfig::read("name='a'\nkernel='/k'\nmemory=8", "").unwrap();
        config.name = name;
        config.kernel = kernel;
        config.command_line = line;
        config.memory_mib = memory;
        config.max_memory_mib = memory + more;
        config.vcpus = vcpus;
        config.max_vcpus = (vcpus + more_vcpus).min(32);
        config.cpus = match cpus {
            None => Cpus::Any,
            Some(cpus) if cpus.len() == 1 => Cpus::Same(format!("{},^0,1", cpus[0])),
            Some(cpus) => Cpus::Each(cpus.iter().map(ToString::to_string).collect()),
        };
        config.cap = (memory % 2 == 0).then_some(vcpus as u16);
        config.cpu_weight = (more % 2 == 0).then_some(1 + more as u16);
        config.disks.extend(disk);
        config.vifs.extend(vif);
        config.on_end.crash = EndAction::ALL[end];
        config.uuid = uuid;
        let (read, warnings) = DomainConfig::read(&config.to_text(), "").unwrap();
        prop_assert_eq!(read, config);
        prop_assert_eq!(warnings.len(), 0);
    }
}
