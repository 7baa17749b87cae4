//! Contract: the same guest image, booted as dom0 on Debian's Xen and on Paravane,
//! gets the same result, errno and effect from every hypercall that it checks; and
//! devices interrupt it alike: 1,000 times by a level-triggered line and 3,000 times by a message,
//! each once.

use super::BootTest;
use crate::oracle::{self, Subject};

pub(super) const TEST: BootTest = BootTest {
    name: "oracle",
    contract: "every self-check of our guest answers the same on Debian's Xen and on Paravane",
    run: |lab, report| oracle::run(lab, Subject::ONE, report).map(drop),
};

pub(super) const TEST_OF_SEVERAL: BootTest = BootTest {
    name: "oracle_smp",
    contract: "our guest on eight vCPUs of four processors sees the same on both sides",
    run: |lab, report| oracle::run(lab, Subject::SEVERAL, report).map(drop),
};

pub(super) const TEST_OF_DEVICES: BootTest = BootTest {
    name: "oracle_devices",
    contract: "lines and messages of devices reach our guest as events, the same on both sides",
    run: |lab, report| oracle::run(lab, Subject::DEVICES, report).map(drop),
};
