//! The seeds in event channels.

use crate::mutants::Invariant::{Bounded, Guard, PortsPair, Sum};
use crate::mutants::Tests::Unit;
use crate::mutants::{Mutant, seed};

pub(super) const ALL: &[Mutant] = &[
    seed(
        "the other end of a closed pair still leads here",
        "evtchn/close.rs",
        PortsPair,
        // Others would wait for ever.
        Unit("evtchn::tests::symmetry"),
        (
            "    other.events.rebind(hv.machine, other_port, unbound);\n",
            "    let _ = (other, other_port, unbound);\n",
        ),
    ),
    seed(
        "a port is another's while events for it are under way",
        "evtchn/close.rs",
        PortsPair,
        Unit("evtchn::tests::interleaved"),
        (
            "    looking::wait_for_all(hv);\n",
            "    let _ = looking::wait_for_all::<M>;\n",
        ),
    ),
    seed(
        "a pair is looked at before the lock, and not behind it",
        "evtchn/ops.rs",
        PortsPair,
        Unit("evtchn::tests::interleaved"),
        (
            "        && channel.binding == leads_here\n",
            "        && (true || channel.binding == leads_here)\n",
        ),
    ),
    seed(
        "a sender does not say that it looks",
        "evtchn/quick.rs",
        PortsPair,
        Unit("evtchn::tests::interleaved"),
        (
            "    let looking = Looking::begin(m, cmd);\n",
            "    let looking = Looking::begin(m, cmd & 0);\n",
        ),
    ),
    seed(
        "of those who look only one is waited for",
        "evtchn/looking.rs",
        PortsPair,
        Unit("evtchn::tests::interleaved"),
        (
            ".filter(|&cpu| cpu != me) {",
            ".filter(|&cpu| cpu != me).take(1) {",
        ),
    ),
    seed(
        "who sends to a closed port still finds its former pair",
        "evtchn/close.rs",
        PortsPair,
        Unit("evtchn::tests"),
        (
            "        .set_target(hv.machine, other_port, Target::NONE);\n",
            "        .set_target(hv.machine, other_port & 0, Target::NONE);\n",
        ),
    ),
    seed(
        "a frame of ports stays when its domain goes",
        "evtchn/table.rs",
        Sum,
        Unit("evtchn::tests"),
        (
            "            hv.free_own_page(table);\n        }\n    }",
            "            let _ = table;\n        }\n    }",
        ),
    ),
    seed(
        "another domain's port is told as one's own",
        "evtchn/quick.rs",
        Guard,
        Unit("evtchn::tests"),
        ("if asked as u16 != DOMID_SELF || port", "if port"),
    ),
    seed(
        "a masked event to oneself is told",
        "evtchn/quick.rs",
        Guard,
        Unit("evtchn::tests::itself"),
        (
            "    two_level::is_masked(m, page, bit) || m.mark_own_upcall",
            "    m.mark_own_upcall",
        ),
    ),
    seed(
        "who polls does not hear what its domain sends itself",
        "evtchn/quick.rs",
        Guard,
        Unit("evtchn::tests::itself"),
        (" || table::own_polls(m) {", " {"),
    ),
    seed(
        "a port that is nobody's has a priority",
        "evtchn/fifo_ops.rs",
        Bounded,
        Unit("evtchn::tests::fifo"),
        ("        return Err(Errno::EACCES.into());\n", ""),
    ),
];
