//! Tests of the command line.

use super::*;
use proptest::prelude::*;

fn memory(text: &str) -> Dom0Memory {
    let options = parse(text.as_bytes());
    assert!(options.reports.is_empty(), "{:?}", options.reports);
    options.dom0_mem
}

fn bytes(bytes: i64) -> Option<Amount> {
    Some(Amount { bytes, percent: 0 })
}

#[test]
fn watchdog() {
    let of = |line: &str| {
        let options = parse(line.as_bytes());
        let ignored = options.reports.len();
        (options.watchdog, options.watchdog_timeout, ignored)
    };
    assert_eq!(of(""), (false, 5, 0));
    assert_eq!(of("watchdog watchdog_timeout=30"), (true, 30, 0));
    assert_eq!(of("watchdog no-watchdog"), (false, 5, 0));
    assert_eq!(of("watchdog=maybe watchdog_timeout=0"), (false, 5, 2));
    assert_eq!(of("watchdog_timeout watchdog_timeout=3601"), (false, 5, 2));
}

#[test]
fn interrupts_are_limited() {
    let of = |line: &str| {
        let options = parse(line.as_bytes());
        (options.irq_limit, options.reports.len())
    };
    assert_eq!(of(""), (10_000, 0));
    assert_eq!(of("irq_ratelimit=50"), (50, 0));
    assert_eq!(of("irq_ratelimit=0"), (0, 0));
    for line in [
        "irq_ratelimit",
        "irq_ratelimit=-1",
        "irq_ratelimit=4294967296",
    ] {
        assert_eq!(of(line), (10_000, 1), "{line}");
    }
}

#[test]
fn isolation_is_for_all_or_none() {
    let of = |line: &str| {
        let options = parse(line.as_bytes());
        (options.xpti, options.reports.len())
    };
    for line in [
        "xpti",
        "xpti=true",
        "xpti=dom0=on",
        "xpti=dom0=0,domu=1",
        "no-xpti=no",
    ] {
        assert_eq!(of(line), (true, 0), "{line}");
    }
    for line in [
        "",
        "xpti=0",
        "no-xpti",
        "xpti=default",
        "xpti=dom0=off,domu=no",
        "xpti xpti=no",
    ] {
        assert_eq!(of(line), (false, 0), "{line}");
    }
    for line in ["xpti=maybe", "xpti=dom1=on", "xpti=dom0", "xpti="] {
        assert_eq!(of(line), (false, 1), "{line}");
    }
}

#[test]
fn all_forms_of_dom0_mem() {
    assert_eq!(memory("dom0_mem=1024").size, bytes(1 << 20));
    assert_eq!(memory("dom0_mem=512B").size, bytes(512));
    assert_eq!(memory("dom0_mem=128M").size, bytes(128 << 20));
    assert_eq!(memory("dom0_mem=1g").size, bytes(1 << 30));
    assert_eq!(memory("dom0_mem=0x100K").size, bytes(256 << 10));
    assert_eq!(memory("dom0_mem=-64M").size, bytes(-(64 << 20)));
    let m = memory("dom0_mem=min:64M,max:-16M,50%");
    assert_eq!((m.min, m.max), (bytes(64 << 20), bytes(-(16 << 20))));
    assert_eq!(
        m.size,
        Some(Amount {
            bytes: 0,
            percent: 50
        })
    );
    let m = memory("dom0_mem=-4K+25%");
    assert_eq!(
        m.size,
        Some(Amount {
            bytes: -4096,
            percent: 25
        })
    );
    assert_eq!(m.size.unwrap().pages(400), 99);
    assert_eq!(bytes(-(1 << 20)).unwrap().pages(1000), 744);
    assert_eq!(bytes(-(1 << 40)).unwrap().pages(1000), 0);
    assert_eq!(bytes(i64::MAX).unwrap().pages(1000), 1000);
}

#[test]
fn xen_s_usual_line() {
    let o = parse(
        b"console=com1,vga com1=115200,8n1,0x2f8 loglvl=all guest_loglvl=error/debug dom0_max_vcpus=2-4 sched=null noreboot",
    );
    assert!(o.reports.is_empty(), "{:?}", o.reports);
    assert!(o.serial_console && o.noreboot);
    assert_eq!((o.com1.baud, o.com1.io_base), (Some(115_200), 0x2f8));
    assert_eq!((o.loglvl, o.guest_loglvl), (LogLevel::All, LogLevel::Error));
    assert_eq!(o.dom0_vcpus, VcpuRange { min: 2, max: 4 });
    assert_eq!(o.dom0_vcpus.count(8, 64), 4);
    assert_eq!(o.dom0_vcpus.count(1, 64), 2);
    assert_eq!(o.scheduler, Kind::Null);
    assert_eq!(parse(b"sched=credit2").scheduler, Kind::Credit2);
    assert!(!parse(b"noreboot no-noreboot").noreboot);
    assert!(!parse(b"noreboot=off").noreboot);
    assert!(!parse(b"console=none").serial_console);
    assert_eq!(without_image_name(b" /boot/paravane a=b c "), b"a=b c");
    assert_eq!(without_image_name(b"paravane"), b"");
}

#[test]
fn each_malformed_option_is_named_and_changes_nothing() {
    for (line, reason) in [
        ("dom0_mem=", "a value is missing"),
        ("dom0_mem", "a value is missing"),
        ("dom0_mem=12Q", "unknown unit (B, K, M, G, T)"),
        ("dom0_mem=M", "malformed size"),
        ("dom0_mem=--1M", "malformed size"),
        ("dom0_mem=99999999999G", "size too large"),
        ("dom0_mem=101%", "percentage above 100"),
        (
            "dom0_max_vcpus=0",
            "malformed or impossible number of vCPUs",
        ),
        ("dom0_max_vcpus=4-2", "minimum above maximum"),
        ("com1=0,8n1", "bit rate is not a divisor of 115200"),
        ("com1=9600,9n1", "malformed frame format (like 8n1)"),
        ("com1=,,0x10000", "I/O port out of range"),
        ("console=lpt", "no such console (com1, vga, none)"),
        (
            "loglvl=loud",
            "no such level (none, error, warning, info, debug, all)",
        ),
        ("sched=credit", "no such scheduler (credit2, null)"),
        ("noreboot=perhaps", "not a boolean"),
        ("no-dom0_mem=1G", "the option is not a boolean"),
        ("iommu=force", "unknown option"),
    ] {
        let o = parse(line.as_bytes());
        assert_eq!(o.reports.len(), 1, "{line}");
        assert_eq!(
            (o.reports[0].option.as_str(), o.reports[0].reason),
            (line, reason)
        );
        assert_eq!(o.dom0_mem, Dom0Memory::default());
        assert_eq!(o.com1, Serial::default());
    }
    let many = "x ".repeat(40);
    let o = parse(many.as_bytes());
    assert_eq!(
        (o.reports.len(), o.reports_lost),
        (MAX_REPORTS, 40 - MAX_REPORTS)
    );
}

proptest! {
    #[test]
    fn any_bytes_are_survived(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&line);
        let _ = without_image_name(&line);
    }

    #[test]
    fn any_value_is_survived(
        name in prop::sample::select(&["com1=", "dom0_mem=", "dom0_max_vcpus=", "loglvl=", "console="][..]),
        value in "[-+%0-9a-zA-Z:,x/]{0,40}",
        available in 0u64..1 << 40,
    ) {
        let o = parse([name.as_bytes(), value.as_bytes()].concat().as_slice());
        for amount in [o.dom0_mem.size, o.dom0_mem.min, o.dom0_mem.max].into_iter().flatten() {
            prop_assert!(amount.pages(available) <= available);
        }
    }
}
