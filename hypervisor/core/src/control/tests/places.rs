//! Where vCPUs may run, what ends a vCPU's own word on that, and how long CPUs were idle.

use hypercall_abi::xen::xenctl_bitmap;

use super::*;

const HARD: u32 = XEN_VCPUAFFINITY_HARD;
const SOFT: u32 = XEN_VCPUAFFINITY_SOFT;
const FORCE: u32 = XEN_VCPUAFFINITY_FORCE;

impl Caller {
    /// Sets or gets domain 0's vCPU 0's affinity; the result, and the two maps afterwards.
    fn place(&mut self, cmd: u32, flags: u32, maps: [u64; 2]) -> (HypercallResult, [u64; 2]) {
        self.load();
        self.put(BUFFER, &maps);
        let map = |bitmap| xenctl_bitmap {
            bitmap,
            nr_bits: 64,
            _pad0: [0; 4],
        };
        let request = xen_domctl_vcpuaffinity {
            vcpu: 0,
            flags,
            cpumap_hard: map(BUFFER),
            cpumap_soft: map(BUFFER + 8),
        };
        let result = self.domctl(cmd, 0, request);
        (result, self.get(BUFFER))
    }

    fn set(&mut self, flags: u32, maps: [u64; 2]) -> HypercallResult {
        self.place(XEN_DOMCTL_setvcpuaffinity, flags, maps).0
    }

    fn in_force(&mut self) -> [u64; 2] {
        let (result, maps) = self.place(XEN_DOMCTL_getvcpuaffinity, HARD | SOFT, [0; 2]);
        assert_eq!(result, Ok(0));
        maps
    }
}

#[test]
fn a_vcpu_that_has_pinned_itself_stays_unless_that_is_ended_by_force() {
    let hv = testkit::hypervisor(256, 3);
    let mut dom0 = Caller::new(hv, 0);
    let pin = |dom0: &Caller, over: Option<u64>| {
        let sched = &mut dom0.dom.lock().vcpus[0].sched;
        sched.pinned_over = over;
        sched.account.affinity = 0b010.into();
    };
    assert_eq!(dom0.set(HARD | SOFT, [0b011, 0b110]), Ok(0));
    pin(&dom0, Some(0b011));
    for flags in [HARD, SOFT, HARD | SOFT] {
        assert_eq!(dom0.set(flags, [0b100, 0b100]), err(Errno::EBUSY));
    }
    assert_eq!(dom0.set(HARD, [1 << 40, 0]), err(Errno::EINVAL));
    assert_eq!(dom0.in_force(), [0b010, 0b110]);
    assert_eq!(dom0.set(HARD | FORCE, [0b101, 0]), Ok(0));
    assert_eq!(dom0.in_force(), [0b101, 0b110]);
    // It is ended first, whatever comes of the rest.
    pin(&dom0, Some(0b111));
    assert_eq!(dom0.set(HARD | FORCE, [1 << 40, 0]), err(Errno::EINVAL));
    assert_eq!(dom0.in_force(), [0b111, 0b110]);
    pin(&dom0, Some(0b101));
    assert_eq!(dom0.set(FORCE, [0b010, 0b010]), Ok(0));
    assert_eq!(dom0.in_force(), [0b101, 0b110]);
    assert_eq!(dom0.set(0, [1, 1]), err(Errno::EINVAL));
}

#[test]
fn idle_times_are_told_of_as_many_cpus_as_there_are() {
    let hv = testkit::hypervisor(256, 3);
    let mut dom0 = Caller::new(hv, 0);
    for (max_cpus, told) in [(0, 0), (2, 2), (3, 3), (u32::MAX, 3)] {
        dom0.load();
        dom0.put(BUFFER, &[u64::MAX; 4]);
        let mut request = xen_sysctl_getcpuinfo::new_zeroed();
        (request.max_cpus, request.info) = (max_cpus, BUFFER);
        let answer = dom0.sysctl(XEN_SYSCTL_getcpuinfo, request).unwrap();
        assert_eq!(answer.nr_cpus, told);
        let times: [u64; 4] = dom0.get(BUFFER);
        let written = times.iter().filter(|&&time| time != u64::MAX).count();
        assert_eq!(written, told as usize);
    }
}
