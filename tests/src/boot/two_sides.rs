//! Contract: the same guest image, booted as dom0 on Debian's Xen and on Paravane,
//! gets the same result, errno and effect from every hypercall that it checks.

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
