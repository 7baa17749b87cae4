//! Asks a C compiler what Xen's public headers say.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// One fact of the ABI: its name, what Rust says, and a C expression that says the same.
pub struct Row {
    pub name: String,
    pub rust: Value,
    pub c: String,
}

/// What a [`Row`] compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A size, an alignment, an offset or a numeric constant.
    Number(i128),
    /// A string constant.
    Text(String),
}

impl Row {
    pub fn number(name: String, rust: i128, c: String) -> Self {
        Self {
            name,
            rust: Value::Number(rust),
            c,
        }
    }
}

/// The headers that the list draws on, with the macros it needs to name what C left anonymous.
const PRELUDE: &str = r#"
#if !__has_include(<xen/xen.h>) || !__has_include(<xen/domctl.h>)
#error "Xen's public headers are missing: install Debian's libxen-dev (4.17)"
#endif
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/domctl.h>
#include <xen/elfnote.h>
#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/io/console.h>
#include <xen/io/netif.h>
#include <xen/io/ring.h>
#include <xen/io/blkif.h>
#include <xen/io/pciif.h>
#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>
#if XEN_DOMCTL_INTERFACE_VERSION != 0x15 || __XEN_LATEST_INTERFACE_VERSION__ != 0x40e00
#error "these are not the headers of Xen 4.17; name a directory with them in XEN_HEADERS"
#endif
#define MEMBER(type, path) __typeof__(((type *)0)->path)
DEFINE_RING_TYPES(probe, uint8_t, uint8_t);
#define NUMBER(i, e) \
    ((e) < 0 ? printf("%d %lld\n", i, (long long)(e)) : printf("%d %llu\n", i, (unsigned long long)(e)))
#define TEXT(i, e) printf("%d %s\n", i, e)
"#;

/// The C program that prints one line, index and value, for each row.
fn program(rows: &[Row]) -> String {
    let mut text = String::from(PRELUDE);
    text.push_str("int main(void) {\n");
    for (i, row) in rows.iter().enumerate() {
        let print = match row.rust {
            Value::Number(_) => "NUMBER",
            Value::Text(_) => "TEXT",
        };
        writeln!(text, "{print}({i}, {});", row.c).expect("writing to a string");
    }
    text.push_str("return 0; }\n");
    text
}

/// Compiles and runs the probe; the values come in the order of the rows. `label` keeps probes
/// of tests that run at the same time apart.
///
/// Panics with the cause if there is no compiler or no header, or if the probe does not compile:
/// a layout that cannot be checked is a failure.
pub fn ask_c(rows: &[Row], label: &str) -> Vec<Value> {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let source = dir.join(format!("probe-{label}.c"));
    let binary = dir.join(format!("probe-{label}"));
    fs::write(&source, program(rows)).expect("writing the probe's source");

    let mut cc = Command::new("cc");
    if let Some(headers) = env::var_os("XEN_HEADERS") {
        cc.arg("-I").arg(headers);
    }
    // gnu89: flexible array members get length 0 instead of none, so that they have a size.
    cc.args([
        "-std=gnu89",
        "-w",
        "-O0",
        "-D__XEN_TOOLS__",
        "-D__XEN_INTERFACE_VERSION__=0x40e00",
    ]);
    let compiled = cc
        .arg("-o")
        .arg(&binary)
        .arg(&source)
        .output()
        .unwrap_or_else(|error| {
            panic!("the layout test needs a C compiler as `cc` (install gcc): {error}")
        });
    let complaint = String::from_utf8_lossy(&compiled.stderr).into_owned();
    assert!(
        compiled.status.success(),
        "the C probe {} does not compile; it needs the headers of Debian's libxen-dev 4.17 in \
         /usr/include/xen (or XEN_HEADERS=DIR, holding xen/):\n{complaint}",
        source.display(),
    );

    let run = Command::new(&binary).output().expect("running the probe");
    assert!(run.status.success(), "the C probe failed: {}", run.status);
    parse(rows, &run)
}

fn parse(rows: &[Row], run: &Output) -> Vec<Value> {
    let text = String::from_utf8(run.stdout.clone()).expect("the probe prints ASCII");
    let values: Vec<Value> = (text.lines().enumerate().zip(rows))
        .map(|((i, line), row)| {
            let (index, value) = line
                .split_once(' ')
                .expect("the probe prints `index value`");
            assert_eq!(index.parse(), Ok(i), "the probe's lines are out of order");
            match row.rust {
                Value::Number(_) => Value::Number(value.parse().expect("the probe's number")),
                Value::Text(_) => Value::Text(value.to_owned()),
            }
        })
        .collect();
    assert_eq!(values.len(), rows.len(), "the probe answered only in part");
    values
}

/// The rows on which Rust and C differ, one line each.
pub fn differences(rows: &[Row], c: &[Value]) -> Vec<String> {
    rows.iter()
        .zip(c)
        .filter(|(row, c)| row.rust != **c)
        .map(|(row, c)| format!("{}: Rust {:?}, C {c:?} (`{}`)", row.name, row.rust, row.c))
        .collect()
}
