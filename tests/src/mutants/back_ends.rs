//! The seeds in the back ends of disks and of network interfaces; files are in `dom0-tools/src`.

use super::Invariant::{Bounded, FreeIsUnused, Guard};
use super::Mutant;
use super::tools::seed;

/// All seeds of the back ends.
pub(super) const ALL: &[Mutant] = &[
    // ---- block --------------------------------------------------------------------------------------
    seed(
        "a request goes beyond the disk's end",
        "block/request.rs",
        Guard,
        "--test=blkback",
        (
            "(!segments.is_empty() && end <= disk.sectors).then_some(segments)",
            "(!segments.is_empty()).then_some(segments)",
        ),
    ),
    seed(
        "what may only be read is written",
        "block/request.rs",
        Guard,
        "--test=blkback",
        ("if write && !disk.writable {", "if false {"),
    ),
    seed(
        "an indirect request writes what may only be read",
        "block/request.rs",
        Guard,
        "--test=blkback",
        (
            "BLKIF_OP_WRITE if disk.writable => true,",
            "BLKIF_OP_WRITE => true,",
        ),
    ),
    seed(
        "an indirect request is answered by its form",
        "block/request.rs",
        Guard,
        "--test=blkback",
        (
            "BLKIF_OP_INDIRECT => request.nr_segments,",
            "BLKIF_OP_INDIRECT => BLKIF_OP_INDIRECT,",
        ),
    ),
    seed(
        "what is beyond the disk's end is given up",
        "block/request.rs",
        Guard,
        "--test=blkback",
        ("(count > 0 && end <= disk.sectors)", "(count > 0)"),
    ),
    seed(
        "what is not offered is given up",
        "block/request.rs",
        Guard,
        "--test=blkback",
        (
            "BLKIF_OP_DISCARD if disk.discards =>",
            "BLKIF_OP_DISCARD =>",
        ),
    ),
    seed(
        "what may only be read is given up",
        "block/mod.rs",
        Guard,
        "--test=blkback",
        ("let may = wanted.writable && store", "let may = store"),
    ),
    seed(
        "a segment goes beyond its page",
        "block/request.rs",
        Guard,
        "--test=blkback",
        (
            "if of.first_sect > of.last_sect || of.last_sect >= PER_PAGE {",
            "if of.first_sect > of.last_sect {",
        ),
    ),
    seed(
        "what was copied in part is answered as done",
        "block/serve.rs",
        Guard,
        "--test=blkback",
        ("copied && whole && (", "copied && ("),
    ),
    seed(
        "one disk's ring is served until it is empty",
        "block/serve.rs",
        Bounded,
        "--test=blkback",
        (
            "while served < most && connection.ring.take",
            "while connection.ring.take",
        ),
    ),
    seed(
        "a front end that waits is not told of answers",
        "block/serve.rs",
        Guard,
        "--test=blkback",
        (
            "if served > 0 && connection.ring.publish() {",
            "if served > 0 && connection.ring.publish() && false {",
        ),
    ),
    seed(
        "an answer lies over a request that is done again",
        "xenbus/ring.rs",
        Guard,
        "--test=blkback",
        ("self.page.store_u32(NOTED, self.put.wrapping_add(1));", ""),
    ),
    seed(
        "an answer that an earlier service has noted is not given",
        "xenbus/ring.rs",
        Guard,
        "--test=blkback",
        (
            "if ring.page.load_u32(NOTED) == ring.put.wrapping_add(1) {",
            "if false {",
        ),
    ),
    seed(
        "what was in a ring at first is taken for an answer",
        "xenbus/ring.rs",
        Guard,
        "--test=blkback",
        ("ring.page.store_u32(NOTED, ring.put);", ""),
    ),
    seed(
        "nobody is told of the last answers of an earlier service",
        "block/mod.rs",
        Guard,
        "--test=blkback",
        ("\n        line.notify();", "\n        let _ = &mut line;"),
    ),
    seed(
        "a disk that has another size is gone on with",
        "block/mod.rs",
        Guard,
        "--test=blkback",
        ("if known != Some(device.geometry.sectors) {", "if false {"),
    ),
    // ---- network ------------------------------------------------------------------------------------
    seed(
        "a frame is shorter than its pieces",
        "net/sending.rs",
        Guard,
        "--test=net",
        (
            "usize::from(first.size).checked_sub(others);",
            "Some(usize::from(first.size).saturating_sub(others));",
        ),
    ),
    seed(
        "a frame has as many pieces as a guest likes",
        "net/sending.rs",
        Bounded,
        "--test=net",
        (
            "\n            && pieces.len() <= XEN_NETIF_NR_SLOTS_MIN as usize",
            "",
        ),
    ),
    seed(
        "a frame that was fetched in part goes on",
        "net/sending.rs",
        Guard,
        "--test=net",
        ("frame.valid = whole;", "let _ = whole;"),
    ),
    seed(
        "one sender fills the queue of another",
        "net/interface.rs",
        Bounded,
        "--test=net",
        ("if of_port >= free\n", "if free == 0\n"),
    ),
    seed(
        "what an earlier service has answered is sent",
        "net/interface.rs",
        Guard,
        "--test=netback",
        ("frame.valid &= self.doubtful == 0;", ""),
    ),
    seed(
        "a rate is not kept",
        "net/interface.rs",
        Bounded,
        "--test=net",
        ("if self.allowance.left == 0 {", "if false {"),
    ),
    seed(
        "a blank checksum goes to one that cannot fill it in",
        "net/interface.rs",
        Guard,
        "--test=net_checksum",
        (
            "Checksum::Blank => self.takes_blank_v4,",
            "Checksum::Blank => true,",
        ),
    ),
    seed(
        "an address is believed that is another's",
        "net/bridge.rs",
        Guard,
        "--test=net",
        (
            "Some(Place { heard: None, .. }) => return false,",
            "Some(Place { heard: None, .. }) => return true,",
        ),
    ),
    seed(
        "a port has as many addresses as it likes",
        "net/bridge.rs",
        Bounded,
        "--test=net",
        ("if *count < LEARNT_PER_PORT {", "if true {"),
    ),
    seed(
        "frames cross from bridge to bridge",
        "net/switch.rs",
        Guard,
        "--test=net",
        (
            "Target::Others => port != from && *bridge == name,",
            "Target::Others => port != from,",
        ),
    ),
    seed(
        "an interface that is gone keeps its addresses",
        "net/switch.rs",
        FreeIsUnused,
        "--test=net",
        ("bridge.remove(port);", "let _ = bridge;"),
    ),
    seed(
        "who wants pages is given copies",
        "net/driver.rs",
        Guard,
        "--test=netback",
        ("if !says(\"request-rx-copy\")? {", "if false {"),
    ),
    // ---- the back ends' bus -------------------------------------------------------------------------
    seed(
        "more requests than there is room for",
        "xenbus/ring.rs",
        Bounded,
        "--lib",
        (
            "if unanswered > self.size || waiting > unanswered {",
            "if waiting > unanswered {",
        ),
    ),
    seed(
        "what comes while a back end goes to sleep is lost",
        "xenbus/ring.rs",
        Guard,
        "--lib",
        (
            "Ok(self.waiting()? >= wanted)",
            "Ok(self.waiting()? > wanted)",
        ),
    ),
    seed(
        "a front end of an earlier back end is connected",
        "xenbus/mod.rs",
        Guard,
        "--test=blkback",
        ("if waits && !entry.stale => {", "if waits => {"),
    ),
    seed(
        "a back end that closes keeps the ring",
        "xenbus/mod.rs",
        FreeIsUnused,
        "--test=netback",
        (
            "XenbusStateClosing if is_connected(state) => {\n                self.disconnect(key);",
            "XenbusStateClosing if is_connected(state) => {",
        ),
    ),
    seed(
        "a device of another domain is served",
        "xenbus/mod.rs",
        Guard,
        "--test=blkback",
        ("if said != Some(key.domain.into()) {", "if false {"),
    ),
    seed(
        "a device that is unplugged goes while it is used",
        "xenbus/mod.rs",
        Guard,
        "--test=blkback",
        ("if in_use.contains(&front) {", "if false {"),
    ),
];
