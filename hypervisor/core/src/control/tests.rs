//! domctl and sysctl on the fake machine: who may call, what is refused, and what a context does.

mod places;

use std::vec::Vec;

use core::mem::offset_of;

use hypercall_abi::arch_x86_64::{VGCF_in_kernel, VGCF_online, vcpu_guest_context};
use hypercall_abi::domctl::*;
use hypercall_abi::grant_table::{
    GNTST_bad_domain, GNTST_general_error, GNTST_permission_denied, GNTTABOP_dump_table,
    GNTTABOP_query_size, GNTTABOP_set_version, GNTTABOP_setup_table, gnttab_query_size,
    gnttab_setup_table,
};
use hypercall_abi::sysctl::*;
use proptest::prelude::*;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

use super::domctl::domctl;
use super::sysctl::sysctl;
use crate::addr::{Mfn, PAGE_SIZE};
use crate::domain::{DOMID_SELF, Domain};
use crate::error::{Errno, HypercallResult, Stop};
use crate::grant::grant_table_op;
use crate::hypervisor::Hypervisor;
use crate::platform::Machine;
use crate::testkit::{self, FakeMachine};
use crate::vcpu::{Vcpu, VcpuId};

/// Where the caller's pages are.
const ARG: u64 = 0x1000_0000;
/// Its buffer, two pages and more.
const BUFFER: u64 = ARG + PAGE_SIZE as u64;

struct Caller {
    hv: &'static Hypervisor<FakeMachine>,
    dom: &'static Domain,
    vcpu: Vcpu,
}

impl Caller {
    fn new(hv: &'static Hypervisor<FakeMachine>, id: u16) -> Self {
        let dom = testkit::domain(hv, id, 1, 16);
        let pages: Vec<Mfn> = (0..4).map(|_| hv.alloc_domain_page(dom).unwrap()).collect();
        let mut vcpu = Vcpu::new(
            VcpuId {
                domain: id,
                index: 0,
            },
            dom.slot,
        );
        vcpu.arch.kernel_root = Some(testkit::map(hv, dom, ARG, &pages)).into();
        let caller = Self { hv, dom, vcpu };
        caller.load();
        caller
    }

    fn load(&self) {
        self.hv
            .machine
            .load_root(self.vcpu.arch.kernel_root.get().unwrap());
    }

    fn put<T: IntoBytes + Immutable>(&self, va: u64, value: &T) {
        self.hv.machine.copy_to_guest(va, value.as_bytes()).unwrap();
    }

    fn get<T: FromBytes + IntoBytes>(&self, va: u64) -> T {
        let mut value = T::new_zeroed();
        self.hv
            .machine
            .copy_from_guest(va, value.as_mut_bytes())
            .unwrap();
        value
    }

    fn raw_domctl(&mut self, op: &xen_domctl) -> HypercallResult {
        self.load();
        self.put(ARG, op);
        let mut cx = testkit::context(self.hv, self.dom, &mut self.vcpu);
        domctl(&mut cx, ARG)
    }

    fn domctl<T: IntoBytes + Immutable>(
        &mut self,
        cmd: u32,
        domain: u16,
        member: T,
    ) -> HypercallResult {
        self.raw_domctl(&request(cmd, domain, member))
    }

    fn answer<T: FromBytes>(&self) -> T {
        self.get::<xen_domctl>(ARG).u.get()
    }

    fn sysctl<T: IntoBytes + Immutable + FromBytes>(
        &mut self,
        cmd: u32,
        member: T,
    ) -> Result<T, Stop> {
        self.load();
        let mut op = xen_sysctl::new_zeroed();
        (op.cmd, op.interface_version) = (cmd, XEN_SYSCTL_INTERFACE_VERSION);
        op.u.set(member);
        self.put(ARG, &op);
        let mut cx = testkit::context(self.hv, self.dom, &mut self.vcpu);
        sysctl(&mut cx, ARG)?;
        Ok(self.get::<xen_sysctl>(ARG).u.get())
    }

    fn grant<T: IntoBytes + Immutable + FromBytes>(&mut self, cmd: u32, arg: T) -> Result<T, Stop> {
        self.load();
        self.put(ARG, &arg);
        let mut cx = testkit::context(self.hv, self.dom, &mut self.vcpu);
        grant_table_op(&mut cx, cmd.into(), ARG, 1)?;
        Ok(self.get(ARG))
    }

    fn create(&mut self) -> u16 {
        let result = self.domctl(XEN_DOMCTL_createdomain, 0, creation());
        assert_eq!(result, Ok(0));
        self.get::<xen_domctl>(ARG).domain
    }
}

fn request<T: IntoBytes + Immutable>(cmd: u32, domain: u16, member: T) -> xen_domctl {
    let mut op = xen_domctl::new_zeroed();
    (op.cmd, op.domain) = (cmd, domain);
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.u.set(member);
    op
}

fn creation() -> xen_domctl_createdomain {
    let mut c = xen_domctl_createdomain::new_zeroed();
    (c.max_vcpus, c.max_evtchn_port, c.max_grant_frames) = (2, 1023, 4);
    c.grant_opts = 1;
    c
}

fn err(errno: Errno) -> HypercallResult {
    Err(Stop::Err(errno))
}

#[test]
fn only_the_control_domain_and_only_this_version() {
    let hv = testkit::hypervisor(512, 1);
    let mut dom0 = Caller::new(hv, 0);
    let mut guest = Caller::new(hv, 5);
    for cmd in 0..90 {
        // As on real Xen, ports that are none are noticed first.
        let refusal = match cmd {
            XEN_DOMCTL_ioport_permission => Errno::EINVAL,
            _ => Errno::EPERM,
        };
        assert_eq!(guest.domctl(cmd, 5, [0_u64; 16]), err(refusal), "{cmd}");
        assert_eq!(
            guest.sysctl(cmd, [0_u64; 16]).map(drop),
            Err(Errno::EPERM.into()),
            "{cmd}"
        );
        let mut op = request(cmd, 5, [0_u64; 16]);
        op.interface_version ^= 1;
        assert_eq!(dom0.raw_domctl(&op), err(Errno::EACCES), "{cmd}");
    }
    assert_eq!(
        dom0.domctl(XEN_DOMCTL_pausedomain, 77, 0_u64),
        err(Errno::ESRCH)
    );
    assert_eq!(dom0.domctl(9999, 5, 0_u64), err(Errno::ENOSYS));
    let mut cx = testkit::context(hv, dom0.dom, &mut dom0.vcpu);
    assert_eq!(domctl(&mut cx, 0xffff_8000_0000_0000), err(Errno::EFAULT));
    assert_eq!(sysctl(&mut cx, 0x10), err(Errno::EFAULT));
}

#[test]
fn a_domain_s_life() {
    let hv = testkit::hypervisor(1024, 1);
    let mut dom0 = Caller::new(hv, 0);
    let free = hv.frames.free_frames();
    let id = dom0.create();
    assert_ne!(id, 0);
    assert_eq!(
        dom0.domctl(XEN_DOMCTL_createdomain, id, creation()),
        err(Errno::EEXIST)
    );
    assert_eq!(
        dom0.domctl(XEN_DOMCTL_max_vcpus, id, 3_u32),
        err(Errno::EINVAL)
    );
    assert_eq!(dom0.domctl(XEN_DOMCTL_max_vcpus, id, 2_u32), Ok(0));
    assert_eq!(dom0.domctl(XEN_DOMCTL_max_mem, id, 64_u64), Ok(0));
    assert_eq!(
        dom0.domctl(XEN_DOMCTL_setdomainhandle, id, [7_u8; 16]),
        Ok(0)
    );
    // The next higher id is found as well.
    assert_eq!(dom0.domctl(XEN_DOMCTL_getdomaininfo, 1, 0_u64), Ok(0));
    let info: xen_domctl_getdomaininfo = dom0.answer();
    assert_eq!(
        (info.domain, info.max_pages, info.handle),
        (id, 16, [7; 16])
    );
    assert_eq!(info.flags & XEN_DOMINF_paused, XEN_DOMINF_paused);
    assert_eq!(info.max_vcpu_id, 1);
    assert_eq!(
        dom0.domctl(XEN_DOMCTL_getdomaininfo, id + 1, 0_u64),
        err(Errno::ESRCH)
    );
    for cmd in [XEN_DOMCTL_pausedomain, XEN_DOMCTL_destroydomain] {
        assert_eq!(dom0.domctl(cmd, 0, 0_u64), err(Errno::EINVAL), "itself");
    }
    assert_eq!(dom0.domctl(XEN_DOMCTL_unpausedomain, id, 0_u64), Ok(0));
    assert_eq!(
        dom0.domctl(XEN_DOMCTL_unpausedomain, id, 0_u64),
        err(Errno::EINVAL)
    );
    let list = xen_sysctl_getdomaininfolist {
        first_domain: 0,
        _pad0: [0; 2],
        max_domains: 8,
        buffer: BUFFER,
        num_domains: 0,
        _pad1: [0; 4],
    };
    assert_eq!(
        dom0.sysctl(XEN_SYSCTL_getdomaininfolist, list)
            .unwrap()
            .num_domains,
        2
    );
    while dom0.domctl(XEN_DOMCTL_destroydomain, id, 0_u64) == Err(Stop::Retry) {}
    assert_eq!(
        dom0.domctl(XEN_DOMCTL_getdomaininfo, id, 0_u64),
        err(Errno::ESRCH)
    );
    assert_eq!(hv.frames.free_frames(), free, "every frame came back");
}

#[test]
fn creations_that_are_refused() {
    let hv = testkit::hypervisor(512, 1);
    let mut dom0 = Caller::new(hv, 0);
    let free = hv.frames.free_frames();
    let changes: [fn(&mut xen_domctl_createdomain); 7] = [
        |c| c.flags = XEN_DOMCTL_CDF_hvm,
        |c| c.flags = 1 << 31,
        |c| c.max_vcpus = 0,
        |c| c.max_vcpus = 65,
        |c| c.grant_opts = 3,
        |c| c.max_grant_frames = 0,
        |c| c.arch.emulation_flags = 1,
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut c = creation();
        change(&mut c);
        assert_eq!(
            dom0.domctl(XEN_DOMCTL_createdomain, 0, c),
            err(Errno::EINVAL),
            "{index}"
        );
        assert_eq!(hv.frames.free_frames(), free, "{index}");
    }
}

fn context_call(vcpu: u32) -> xen_domctl_vcpucontext {
    xen_domctl_vcpucontext {
        vcpu,
        _pad0: [0; 4],
        ctxt: BUFFER,
    }
}

/// A context with an empty root of the domain's.
fn context(root: Mfn) -> vcpu_guest_context {
    let mut c = vcpu_guest_context::new_zeroed();
    c.flags = VGCF_in_kernel | VGCF_online;
    c.user_regs.rip = 0x1000;
    (c.user_regs.cs, c.user_regs.ss) = (0xe033, 0xe02b);
    c.user_regs.rflags = u64::MAX;
    c.user_regs.rdi = 0x1234;
    c.ctrlreg[3] = root.addr();
    c
}

#[test]
fn contexts() {
    let hv = testkit::hypervisor(1024, 1);
    let mut dom0 = Caller::new(hv, 0);
    let id = dom0.create();
    let dom = hv.domains.find(id).unwrap();
    assert_eq!(dom0.domctl(XEN_DOMCTL_max_vcpus, id, 2_u32), Ok(0));
    assert_eq!(dom0.domctl(XEN_DOMCTL_max_mem, id, 64_u64), Ok(0));
    let root = hv.alloc_domain_page(dom).unwrap();
    let stranger = hv.alloc_domain_page(dom0.dom).unwrap();
    let good = context(root);
    let words = |c: &vcpu_guest_context, change: fn(&mut vcpu_guest_context)| {
        let mut c = *c;
        change(&mut c);
        c
    };
    let bad = [
        words(&good, |c| c.user_regs.rip = 1 << 48),
        words(&good, |c| c.trap_ctxt[255].address = 1 << 63),
        words(&good, |c| c.gdt_ents = 7169),
        words(&good, |c| (c.gdt_ents, c.gdt_frames[0]) = (1, 1)),
        words(&good, |c| c.ldt_ents = 8193),
        words(&good, |c| {
            (c.ldt_base, c.ldt_ents) = (0xffff_8000_0000_0000, 1)
        }),
        words(&good, |c| c.fs_base = 1 << 50),
        words(&good, |c| c.event_callback_eip = 1 << 47),
        words(&good, |c| c.ctrlreg[3] = u64::MAX),
        words(&good, |c| c.ctrlreg[1] = u64::MAX),
        context(stranger),
    ];
    for (index, c) in bad.iter().enumerate() {
        dom0.put(BUFFER, c);
        let result = dom0.domctl(XEN_DOMCTL_setvcpucontext, id, context_call(0));
        assert_eq!(result, err(Errno::EINVAL), "{index}");
        let word = hv.frames.word(root);
        assert_eq!(
            (word.types(), word.refs()),
            (0, 1),
            "nothing is held after {index}"
        );
    }
    dom0.put(BUFFER, &good);
    assert_eq!(
        dom0.domctl(XEN_DOMCTL_setvcpucontext, id, context_call(2)),
        err(Errno::EINVAL)
    );
    assert_eq!(
        dom0.domctl(XEN_DOMCTL_getvcpucontext, id, context_call(0)),
        err(Errno::ENODATA)
    );
    assert_eq!(
        dom0.domctl(XEN_DOMCTL_setvcpucontext, id, context_call(0)),
        Ok(0)
    );
    assert!(hv.frames.word(root).is_validated());
    dom0.put(BUFFER, &vcpu_guest_context::new_zeroed());
    assert_eq!(
        dom0.domctl(XEN_DOMCTL_getvcpucontext, id, context_call(0)),
        Ok(0)
    );
    assert_eq!(
        dom0.get::<u64>(BUFFER + offset_of!(vcpu_guest_context, flags) as u64) & good.flags,
        good.flags
    );
    let regs = BUFFER + offset_of!(vcpu_guest_context, user_regs) as u64;
    let user: hypercall_abi::arch_x86_64::cpu_user_regs = dom0.get(regs);
    assert_eq!((user.rip, user.rdi, user.cs), (0x1000, 0x1234, 0xe033));
    assert_eq!(
        user.rflags & 0x2_3000,
        0x3000,
        "the guest's own I/O privilege"
    );
    // A second time with another root: refused; with the same: taken.
    dom0.put(BUFFER, &words(&good, |c| c.ctrlreg[3] = 0x5000));
    assert_eq!(
        dom0.domctl(XEN_DOMCTL_setvcpucontext, id, context_call(0)),
        err(Errno::EINVAL)
    );
    dom0.put(BUFFER, &good);
    assert_eq!(
        dom0.domctl(XEN_DOMCTL_setvcpucontext, id, context_call(0)),
        Ok(0)
    );
    let free = hv.frames.free_frames();
    while dom0.domctl(XEN_DOMCTL_destroydomain, id, 0_u64) == Err(Stop::Retry) {}
    assert!(
        hv.frames.free_frames() > free + 1,
        "root and shared info came back"
    );
}

#[test]
fn grant_tables() {
    let hv = testkit::hypervisor(512, 1);
    let mut dom0 = Caller::new(hv, 0);
    let id = dom0.create();
    let setup = |dom, nr_frames| gnttab_setup_table {
        dom,
        _pad0: [0; 2],
        nr_frames,
        status: 77,
        _pad1: [0; 6],
        frame_list: BUFFER,
    };
    let done = dom0.grant(GNTTABOP_setup_table, setup(id, 2)).unwrap();
    assert_eq!(done.status, 0);
    let frames = &hv.domains.find(id).unwrap().lock().grants.frames.clone();
    assert_eq!(frames.len(), 2);
    assert_eq!(dom0.get::<[u64; 2]>(BUFFER), [frames[0].0, frames[1].0]);
    let status = |caller: &mut Caller, op: gnttab_setup_table| {
        caller.grant(GNTTABOP_setup_table, op).unwrap().status
    };
    assert_eq!(status(&mut dom0, setup(id, 5)), GNTST_general_error);
    assert_eq!(status(&mut dom0, setup(99, 1)), GNTST_bad_domain);
    let mut guest = Caller::new(hv, 5);
    assert_eq!(status(&mut guest, setup(id, 1)), GNTST_permission_denied);
    let query = gnttab_query_size {
        dom: id,
        ..gnttab_query_size::new_zeroed()
    };
    let size = dom0.grant(GNTTABOP_query_size, query).unwrap();
    assert_eq!((size.status, size.nr_frames, size.max_nr_frames), (0, 2, 4));
    assert_eq!(dom0.grant(GNTTABOP_set_version, 1_u32), Ok(1));
    assert_eq!(
        dom0.grant(GNTTABOP_set_version, 2_u32),
        Err(Errno::ENOSYS.into())
    );
    assert_eq!(
        dom0.grant(GNTTABOP_set_version, 3_u32),
        Err(Errno::EINVAL.into())
    );
    assert_eq!(
        dom0.grant(GNTTABOP_dump_table, [0_u64; 8]),
        Err(Errno::ENOSYS.into())
    );
    let own = gnttab_query_size {
        dom: DOMID_SELF,
        ..gnttab_query_size::new_zeroed()
    };
    assert_eq!(guest.grant(GNTTABOP_query_size, own).unwrap().status, 0);
}

#[test]
fn the_machine() {
    let hv = testkit::hypervisor(512, 2);
    let mut dom0 = Caller::new(hv, 0);
    let info = dom0
        .sysctl(XEN_SYSCTL_physinfo, xen_sysctl_physinfo::new_zeroed())
        .unwrap();
    assert_eq!((info.nr_cpus, info.total_pages), (2, 512));
    assert_eq!(info.free_pages, hv.frames.free_frames());
    hv.machine.configure(|s| s.log = b"(PVN) hello\n".to_vec());
    let mut console = xen_sysctl_readconsole::new_zeroed();
    (console.buffer, console.count, console.clear) = (BUFFER, 100, 1);
    let read = dom0.sysctl(XEN_SYSCTL_readconsole, console).unwrap();
    assert_eq!((read.count, read.index), (12, 12));
    assert_eq!(&dom0.get::<[u8; 12]>(BUFFER), b"(PVN) hello\n");
    assert_eq!(
        dom0.sysctl(XEN_SYSCTL_readconsole, console).unwrap().count,
        0,
        "cleared"
    );
    console.buffer = 0xffff_8000_0000_0000;
    assert_eq!(
        dom0.sysctl(XEN_SYSCTL_readconsole, console).map(drop),
        Err(Errno::EFAULT.into())
    );
}

#[test]
fn the_log_is_read_on_from_a_position() {
    let hv = testkit::hypervisor(64, 1);
    let mut dom0 = Caller::new(hv, 0);
    let append = |text: &[u8]| hv.machine.configure(|s| s.log.extend_from_slice(text));
    append(b"first second ");
    let mut console = xen_sysctl_readconsole::new_zeroed();
    let mut read = |incremental, clear, count| {
        (console.buffer, console.count) = (BUFFER, count);
        (console.incremental, console.clear) = (incremental, clear);
        console = dom0.sysctl(XEN_SYSCTL_readconsole, console).unwrap();
        let text = dom0.get::<[u8; 32]>(BUFFER)[..console.count as usize].to_vec();
        (text, console.index)
    };
    assert_eq!(read(0, 0, 6), (b"first ".to_vec(), 6));
    assert_eq!(read(1, 0, 32), (b"second ".to_vec(), 13));
    assert_eq!(read(1, 0, 32), (Vec::new(), 13));
    append(b"third ");
    assert_eq!(read(1, 0, 32), (b"third ".to_vec(), 19));
    // Only what was read is forgotten.
    assert_eq!(read(0, 1, 6), (b"first ".to_vec(), 6));
    assert_eq!(read(0, 0, 32), (b"second third ".to_vec(), 19));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_domctl_of_dom0_is_survived(
        calls in prop::collection::vec((0_u32..90, 0_u16..4, any::<[u64; 16]>(), any::<bool>()), 1..8),
    ) {
        let hv = testkit::hypervisor(256, 1);
        let mut dom0 = Caller::new(hv, 0);
        dom0.create();
        for (cmd, domain, mut member, plausible) in calls {
            if plausible {
                member = member.map(|word| match word % 4 {
                    0 => word % 5,
                    1 => BUFFER + word % 0x3000,
                    2 => 0,
                    _ => word,
                });
            }
            let _ = dom0.domctl(cmd, domain, member);
            let mut op = xen_sysctl::new_zeroed();
            (op.cmd, op.interface_version) = (cmd % 30, XEN_SYSCTL_INTERFACE_VERSION);
            op.u.set(member);
            // The restart key ends the fake machine, as it should.
            if op.cmd != XEN_SYSCTL_debug_keys {
                let _ = dom0.sysctl(op.cmd, member);
            }
        }
    }
}
