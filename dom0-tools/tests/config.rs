//! xl.cfg: what is read, what is warned about, and where errors point.

use dom0_tools::config::{DomainConfig, EndAction, Value, parse};
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
disk = [ 'phy:/dev/a,xvda,w',
         'phy:/dev/b,xvdb,r', ]
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
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "line 14, column 1: `disk` is not served by this toolstack and is ignored",
            "line 16, column 1: unknown key `flavour` is ignored",
        ]
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
    let list = Value::List(vec![
        text("x"),
        Value::Integer(2),
        Value::List(vec![text("y")]),
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
    assert_eq!(
        found("c"),
        Value::List(vec![Value::Integer(1), Value::Integer(2)])
    );
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
            "known are destroy, restart, preserve",
        ),
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

    /// What is written reads back as the same.
    #[test]
    fn configurations_round_trip(
        name in "[a-z][a-z0-9_.-]{0,20}",
        kernel in "/[ -~]{1,40}",
        line in "[ -~äλ\n\t]{0,60}",
        memory in 1u64..100_000,
        more in 0u64..1000,
        vcpus in 1u32..=32,
        uuid in prop::option::of(any::<[u8; 16]>()),
    ) {
        let (mut config, _) = DomainConfig::read("name='a'\nkernel='/k'\nmemory=8", "").unwrap();
        config.name = name;
        config.kernel = kernel;
        config.command_line = line;
        config.memory_mib = memory;
        config.max_memory_mib = memory + more;
        config.vcpus = vcpus;
        config.uuid = uuid;
        let (read, warnings) = DomainConfig::read(&config.to_text(), "").unwrap();
        prop_assert_eq!(read, config);
        prop_assert!(warnings.is_empty());
    }
}
