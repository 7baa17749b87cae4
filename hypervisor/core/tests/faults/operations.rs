//! The operations that the sweeps go through: what a guest or the toolstack can ask for that has
//! an effect on frames, ports, domains or the asker's memory.

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use hypercall_abi::arch_x86_64::{
    VGCF_in_kernel, VGCF_online, arch_shared_info, trap_info, vcpu_guest_context,
};
use hypercall_abi::domctl::*;
use hypercall_abi::grant_table::*;
use hypercall_abi::memory::*;
use hypercall_abi::sysctl::*;
use hypercall_abi::vcpu::*;
use hypercall_abi::xen::*;
use hypervisor_core::addr::table_index;
use hypervisor_core::platform::Machine;
use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::world::{BASE, Call, Caller, MAPPED, Way, World};
use Caller::{Dom0, Guest};

/// What is left after an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnError {
    /// Nothing: as if it had never been asked for.
    Undone,
    /// What was done before it, as the interface says (lists, reservations, answers in parts).
    Prefix,
    /// The guest is in its handler, or dead: no frame is used otherwise than before.
    Faults,
}
use OnError::{Prefix, Undone};

pub struct Operation {
    pub name: &'static str,
    pub caller: Caller,
    pub on_error: OnError,
    /// Prepares the world and says what the guest does.
    pub prepare: fn(&mut World) -> Way,
}

pub const SELF: u64 = DOMID_SELF as u64;
/// The domain that is being built, in `World`.
const TARGET: u16 = 2;
const PRESENT_RW_USER: u64 = 7;

/// A frame that the guest owns and nothing uses.
pub fn spare(w: &World, n: usize) -> u64 {
    w.guest.pages[MAPPED + n].0
}

/// The first address that no page is mapped at, and its level-1 entry's machine address.
pub const HOLE: u64 = BASE + MAPPED as u64 * 4096;
pub fn hole(w: &World) -> u64 {
    w.guest.tables[0].addr() + table_index(HOLE, 1) as u64 * 8
}

/// A call that a preparation makes, which succeeds.
pub fn made(w: &mut World, who: Caller, build: impl FnOnce(&mut World) -> Call) -> i64 {
    let call = build(w);
    w.deliver();
    let result = w.run(who, call);
    assert!(result >= 0, "a preparation failed: {call:x?} gave {result}");
    w.set_args(Vec::new());
    result
}

pub fn mmu(w: &mut World, requests: &[(u64, u64)], foreign: u64) -> Call {
    let list: Vec<u64> = requests.iter().flat_map(|&(ptr, val)| [ptr, val]).collect();
    let at = w.put(&list[..]);
    let done = w.put(&0_u32);
    (
        __HYPERVISOR_mmu_update,
        [at, requests.len() as u64, done, foreign, 0, 0],
    )
}

pub fn mmuext(w: &mut World, ops: &[(u32, u64, u64)]) -> Call {
    let list: Vec<mmuext_op> = ops
        .iter()
        .map(|&(cmd, arg1, arg2)| mmuext_op {
            cmd,
            _pad0: [0; 4],
            arg1,
            arg2,
        })
        .collect();
    let at = w.put(&list[..]);
    let done = w.put(&0_u32);
    (
        __HYPERVISOR_mmuext_op,
        [at, ops.len() as u64, done, SELF, 0, 0],
    )
}

/// The same call without a place for the number of what was done: the form that guests use most.
fn unreported((number, mut args): Call) -> Call {
    args[2] = 0;
    (number, args)
}

/// Links the guest's first spare frames as a tree of tables of their own; gives its root.
pub fn spare_tree(w: &World) -> u64 {
    let m = w.hv.machine;
    let frame = |n: usize| w.guest.pages[MAPPED + n];
    for i in 0..3 {
        m.store_u64(frame(0), i * 8, frame(4).addr() | 5);
    }
    // Alone among eight, and alone at the end.
    m.store_u64(frame(0), 20 * 8, frame(4).addr() | 5);
    m.store_u64(frame(0), 511 * 8, w.guest.pages[0].addr() | PRESENT_RW_USER);
    for level in 1..4 {
        m.store_u64(frame(level), 8, frame(level - 1).addr() | PRESENT_RW_USER);
    }
    spare(w, 3)
}

pub fn op<T: IntoBytes + Immutable>(w: &mut World, number: u64, cmd: u32, arg: &T) -> Call {
    let at = w.put(arg);
    (number, [cmd.into(), at, 0, 0, 0, 0])
}

pub fn memory<T: IntoBytes + Immutable>(w: &mut World, cmd: u32, arg: &T) -> Call {
    op(w, __HYPERVISOR_memory_op, cmd, arg)
}

/// A claim of so many pages more than `domain` has; none ends it.
fn claim(w: &mut World, domain: u16, more: u64) -> Call {
    let dom = w.hv.domains.find(domain).expect("it is there");
    let has = dom.tot_pages.load(Ordering::Relaxed);
    let pages = if more == 0 { 0 } else { more + u64::from(has) };
    let mut request = reservation(0, pages, 0);
    request.domid = domain;
    memory(w, XENMEM_claim_pages, &request)
}

pub fn vcpu<T: IntoBytes + Immutable>(w: &mut World, cmd: u32, index: u64, arg: &T) -> Call {
    let at = w.put(arg);
    (__HYPERVISOR_vcpu_op, [cmd.into(), index, at, 0, 0, 0])
}

pub fn grant<T: IntoBytes + Immutable>(w: &mut World, cmd: u32, arg: &T) -> Call {
    let at = w.put(arg);
    (__HYPERVISOR_grant_table_op, [cmd.into(), at, 1, 0, 0, 0])
}

pub fn domctl<T: IntoBytes + Immutable>(w: &mut World, cmd: u32, member: T) -> Call {
    let mut op = xen_domctl::new_zeroed();
    (op.cmd, op.domain) = (cmd, TARGET);
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.u.set(member);
    (__HYPERVISOR_domctl, [w.put(&op), 0, 0, 0, 0, 0])
}

/// The `domctl` that was put last, for domain `id`; 0 stands for any new one.
fn named(w: &mut World, call: Call, id: u16) -> Call {
    let mut args = w.args().to_vec();
    args[offset_of!(xen_domctl, domain)..][..2].copy_from_slice(&id.to_ne_bytes());
    w.set_args(args);
    call
}

/// Creates a domain of three vCPUs.
fn create_domain(w: &mut World, id: u16) -> Call {
    let mut c = xen_domctl_createdomain::new_zeroed();
    (c.max_vcpus, c.max_evtchn_port, c.max_grant_frames) = (3, 1023, 4);
    c.grant_opts = 1;
    let call = domctl(w, XEN_DOMCTL_createdomain, c);
    named(w, call, id)
}

pub fn sysctl<T: IntoBytes + Immutable>(w: &mut World, cmd: u32, member: T) -> Call {
    let mut op = xen_sysctl::new_zeroed();
    (op.cmd, op.interface_version) = (cmd, XEN_SYSCTL_INTERFACE_VERSION);
    op.u.set(member);
    (__HYPERVISOR_sysctl, [w.put(&op), 0, 0, 0, 0, 0])
}

pub fn reservation(list: u64, count: u64, order: u32) -> xen_memory_reservation {
    let mut r = xen_memory_reservation::new_zeroed();
    (r.extent_start, r.nr_extents, r.extent_order) = (list, count, order);
    r.domid = DOMID_SELF;
    r
}

pub fn reserve(w: &mut World, cmd: u32, extents: &[u64], order: u32) -> Call {
    let list = w.put(extents);
    let request = reservation(list, extents.len() as u64, order);
    memory(w, cmd, &request)
}

pub fn exchange(w: &mut World, ins: &[u64], in_order: u32, outs: &[u64], out_order: u32) -> Call {
    let in_list = w.put(ins);
    let out_list = w.put(outs);
    let request = xen_memory_exchange {
        r#in: reservation(in_list, ins.len() as u64, in_order),
        out: reservation(out_list, outs.len() as u64, out_order),
        nr_exchanged: 0,
    };
    memory(w, XENMEM_exchange, &request)
}

fn context(w: &World) -> vcpu_guest_context {
    let mut c = vcpu_guest_context::new_zeroed();
    c.flags = VGCF_in_kernel | VGCF_online;
    c.user_regs.rip = 0x1000;
    (c.user_regs.cs, c.user_regs.ss) = (0xe033, 0xe02b);
    (c.gdt_ents, c.gdt_frames[0]) = (512, w.target_pages[3].0);
    (c.trap_ctxt[14].vector, c.trap_ctxt[14].address) = (14, 0x2000);
    c.ctrlreg[3] = w.target_pages[7].addr();
    c
}

fn set_context(w: &mut World) -> Call {
    let c = context(w);
    let ctxt = w.put(&c);
    let request = xen_domctl_vcpucontext {
        vcpu: 0,
        _pad0: [0; 4],
        ctxt,
    };
    domctl(w, XEN_DOMCTL_setvcpucontext, request)
}

fn affinity(w: &mut World, cmd: u32, force: u32) -> Call {
    let hard = w.put(&1_u64);
    let soft = w.put(&3_u64);
    let map = |bitmap| xenctl_bitmap {
        bitmap,
        nr_bits: 64,
        _pad0: [0; 4],
    };
    let request = xen_domctl_vcpuaffinity {
        vcpu: 0,
        flags: XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT | force,
        cpumap_hard: map(hard),
        cpumap_soft: map(soft),
    };
    domctl(w, cmd, request)
}

macro_rules! operations {
    ($($name:ident $caller:ident $on_error:ident |$w:ident| $build:expr;)*) => {
        &[$(Operation {
            name: stringify!($name),
            caller: $caller,
            on_error: $on_error,
            prepare: |$w| $crate::world::Way::from($build),
        }),*]
    };
}

#[allow(unused_imports, reason = "for further tables")]
pub(crate) use operations;

pub const MEMORY: &[Operation] = operations! {
    mmu_map_writable Guest Prefix |w| {
        let (at, page) = (hole(w), spare(w, 0));
        mmu(w, &[(at, page << 12 | PRESENT_RW_USER)], SELF)
    };
    mmu_replace Guest Prefix |w| {
        let (at, page) = (w.guest.tables[0].addr(), spare(w, 0));
        mmu(w, &[(at, page << 12 | 5), (at | 2, page << 12 | 0x65)], SELF)
    };
    mmu_batch_with_table Guest Prefix |w| {
        let at = hole(w);
        spare_tree(w);
        let upper = w.guest.tables[1].addr() + 8 * 100;
        let (table, page) = (spare(w, 0), spare(w, 5));
        let list = [
            (at, page << 12 | PRESENT_RW_USER),
            (upper, table << 12 | PRESENT_RW_USER),
            (page << 12 | 1, 0x77),
            (upper, 0),
            (at | 2, 0),
        ];
        mmu(w, &list, SELF)
    };
    mmu_refused_in_the_middle Guest Prefix |w| {
        let at = hole(w);
        let list = [(at, spare(w, 0) << 12 | PRESENT_RW_USER), (at + 8, 0x1007), (at + 16, 0)];
        // The second entry names the hypervisor's frame.
        mmu(w, &list, SELF)
    };
    mmu_foreign Dom0 Prefix |w| {
        let at = w.dom0.tables[0].addr() + table_index(HOLE, 1) as u64 * 8;
        let page = w.guest.pages[0].addr();
        mmu(w, &[(at, page | PRESENT_RW_USER), (at, 0)], 1)
    };
    mmu_quick Guest Undone |w| {
        let (at, page) = (hole(w), spare(w, 0));
        unreported(mmu(w, &[(at, page << 12 | PRESENT_RW_USER)], SELF))
    };
    mmu_quick_list Guest Prefix |w| {
        let (at, page, other) = (hole(w), spare(w, 0), w.guest.tables[0].addr());
        let list = [
            (at, page << 12 | PRESENT_RW_USER),
            (at + 8, page << 12 | 5),
            (at, 0),
            (other, page << 12 | 5),
        ];
        unreported(mmu(w, &list, SELF))
    };
    mmu_quick_refused Guest Prefix |w| {
        let (at, page) = (hole(w), spare(w, 0));
        let list = [(at, page << 12 | PRESENT_RW_USER), (at + 8, 0x1007), (at, 0)];
        unreported(mmu(w, &list, SELF))
    };
    mmu_quick_with_table Guest Prefix |w| {
        spare_tree(w);
        let upper = w.guest.tables[1].addr() + 8 * 100;
        let (at, table) = (hole(w), spare(w, 0));
        let list = [(at, spare(w, 5) << 12 | 5), (upper, table << 12 | PRESENT_RW_USER)];
        unreported(mmu(w, &list, SELF))
    };
    new_root_quick Guest Prefix |w| {
        let root = spare_tree(w);
        made(w, Guest, |w| mmuext(w, &[(MMUEXT_PIN_L4_TABLE, root, 0)]));
        unreported(mmuext(w, &[(MMUEXT_NEW_BASEPTR, root, 0)]))
    };
    same_root_quick Guest Undone |w| {
        let root = w.guest.tables[3].0;
        unreported(mmuext(w, &[(MMUEXT_NEW_BASEPTR, root, 0)]))
    };
    multicall_of_quick_calls Guest Prefix |w| {
        let (at, page) = (hole(w), spare(w, 0) << 12 | PRESENT_RW_USER);
        let inner = unreported(mmu(w, &[(at, page), (at, 0)], SELF));
        let entry = |(op, args): Call| multicall_entry { op, result: 0, args };
        let mapping = (__HYPERVISOR_update_va_mapping, [HOLE, page, 0, 0, 0, 0]);
        let list = w.put([entry(inner), entry(mapping)].as_bytes());
        (__HYPERVISOR_multicall, [list, 2, 0, 0, 0, 0])
    };
    update_va_mapping Guest Undone |w| {
        let page = spare(w, 0) << 12 | PRESENT_RW_USER;
        (__HYPERVISOR_update_va_mapping, [HOLE, page, UVMF_INVLPG | UVMF_LOCAL, 0, 0, 0])
    };
    update_va_mapping_and_flush_others Guest Prefix |w| {
        let mask = w.put(&3_u64);
        let page = spare(w, 0) << 12 | PRESENT_RW_USER;
        (__HYPERVISOR_update_va_mapping, [HOLE, page, UVMF_TLB_FLUSH | mask, 0, 0, 0])
    };
    update_va_mapping_otherdomain Dom0 Undone |w| {
        let page = w.guest.pages[0].addr() | PRESENT_RW_USER;
        (__HYPERVISOR_update_va_mapping_otherdomain, [HOLE, page, UVMF_INVLPG, 1, 0, 0])
    };
    pin_tree Guest Prefix |w| {
        let root = spare_tree(w);
        mmuext(w, &[(MMUEXT_PIN_L4_TABLE, root, 0)])
    };
    pin_and_unpin_tree Guest Prefix |w| {
        let root = spare_tree(w);
        mmuext(w, &[(MMUEXT_PIN_L4_TABLE, root, 0), (MMUEXT_UNPIN_TABLE, root, 0)])
    };
    pin_of_a_bad_tree Guest Prefix |w| {
        let root = spare_tree(w);
        let own = spare(w, 1) << 12;
        // The last level-1 entry maps the level-2 table writable.
        w.hv.machine.store_u64(w.guest.pages[MAPPED], 510 * 8, own | PRESENT_RW_USER);
        mmuext(w, &[(MMUEXT_PIN_L1_TABLE, w.guest.pages[MAPPED + 6].0, 0), (MMUEXT_PIN_L4_TABLE, root, 0)])
    };
    new_roots Guest Prefix |w| {
        let root = spare_tree(w);
        let old = w.guest.tables[3].0;
        let list = [
            (MMUEXT_NEW_USER_BASEPTR, root, 0),
            (MMUEXT_NEW_BASEPTR, root, 0),
            (MMUEXT_NEW_BASEPTR, old, 0),
            (MMUEXT_NEW_USER_BASEPTR, 0, 0),
        ];
        mmuext(w, &list)
    };
    mmuext_flushes Guest Prefix |w| {
        let mask = w.put(&3_u64);
        let list = [
            (MMUEXT_TLB_FLUSH_LOCAL, 0, 0),
            (MMUEXT_INVLPG_LOCAL, BASE, 0),
            (MMUEXT_TLB_FLUSH_MULTI, 0, mask),
            (MMUEXT_INVLPG_MULTI, BASE, mask),
            (MMUEXT_TLB_FLUSH_ALL, 0, 0),
            (MMUEXT_INVLPG_ALL, BASE, 0),
        ];
        mmuext(w, &list)
    };
    mmuext_pages_and_ldt Guest Prefix |w| {
        let (a, b) = (spare(w, 0), spare(w, 1));
        let list = [
            (MMUEXT_CLEAR_PAGE, a, 0),
            (MMUEXT_COPY_PAGE, b, w.guest.pages[0].0),
            (MMUEXT_SET_LDT, BASE, 64),
            (MMUEXT_SET_LDT, 0, 0),
        ];
        mmuext(w, &list)
    };
    mmuext_marks_refused Guest Prefix |w| {
        let page = spare(w, 0);
        mmuext(w, &[(MMUEXT_TLB_FLUSH_LOCAL, 0, 0), (MMUEXT_MARK_SUPER, page, 0)])
    };
    set_gdt Guest Undone |w| {
        let frames = [spare(w, 0), spare(w, 1)];
        let list = w.put(&frames);
        (__HYPERVISOR_set_gdt, [list, 1024, 0, 0, 0, 0])
    };
    set_gdt_refused Guest Undone |w| {
        let frames = [spare(w, 0), w.guest.pages[0].0];
        let list = w.put(&frames);
        (__HYPERVISOR_set_gdt, [list, 1024, 0, 0, 0, 0])
    };
    update_descriptor Guest Undone |w| {
        let page = spare(w, 0);
        (__HYPERVISOR_update_descriptor, [page << 12 | 16, 0x00cf_f200_0000_ffff, 0, 0, 0, 0])
    };
    set_trap_table Guest Prefix |w| {
        let mut table = [trap_info::new_zeroed(); 3];
        (table[0].vector, table[0].cs, table[0].address) = (3, 0xe033, 0x1000);
        (table[1].vector, table[1].cs, table[1].address) = (14, 0xe033, 0x2000);
        let list = w.put(table.as_bytes());
        (__HYPERVISOR_set_trap_table, [list, 0, 0, 0, 0, 0])
    };
    multicall Guest Prefix |w| {
        let at = hole(w);
        let page = spare(w, 0) << 12 | PRESENT_RW_USER;
        let inner = mmu(w, &[(at, page), (at, 0)], SELF);
        let entry = |(op, args): Call| multicall_entry { op, result: 0, args };
        let list = [
            entry(inner),
            entry((__HYPERVISOR_update_va_mapping, [HOLE, page, 0, 0, 0, 0])),
            entry((__HYPERVISOR_stack_switch, [0xe02b, 0x9000, 0, 0, 0, 0])),
            entry((__HYPERVISOR_multicall, [0; 6])),
        ];
        let list = w.put(list.as_bytes());
        (__HYPERVISOR_multicall, [list, 4, 0, 0, 0, 0])
    };
    increase_reservation Guest Prefix |w| reserve(w, XENMEM_increase_reservation, &[0, 0, 0], 0);
    increase_of_order_2 Guest Prefix |w| reserve(w, XENMEM_increase_reservation, &[0, 0], 2);
    populate_physmap Guest Prefix |w| reserve(w, XENMEM_populate_physmap, &[0x20, 0x30], 1);
    decrease_reservation Guest Prefix |w| {
        let frames = [spare(w, 0), spare(w, 1), w.guest.pages[0].0];
        reserve(w, XENMEM_decrease_reservation, &frames, 0)
    };
    exchange_to_contiguous Guest Prefix |w| {
        let frames = [spare(w, 0), spare(w, 1), spare(w, 2), spare(w, 3)];
        exchange(w, &frames, 0, &[0x20, 0x22], 1)
    };
    exchange_to_single Guest Prefix |w| {
        let pair = reserve(w, XENMEM_populate_physmap, &[0x40], 1);
        w.deliver();
        assert_eq!(w.run(Guest, pair), 1);
        let mut first = [0; 8];
        w.hv.machine.read_window(0, &mut first);
        w.set_args(Vec::new());
        exchange(w, &[u64::from_le_bytes(first)], 1, &[0x20, 0x22], 0)
    };
    current_reservation Dom0 Undone |w| memory(w, XENMEM_current_reservation, &1_u64);
    maximum_reservation Dom0 Undone |w| memory(w, XENMEM_maximum_reservation, &1_u64);
    maximum_gpfn Dom0 Undone |w| {
        let shared = w.guest.dom.lock().shared_info.expect("it is alive");
        let at = offset_of!(shared_info, arch) + offset_of!(arch_shared_info, max_pfn);
        w.hv.machine.store_u64(shared, at, 16);
        memory(w, XENMEM_maximum_gpfn, &1_u64)
    };
    machphys_mapping Guest Undone |w| memory(w, XENMEM_machphys_mapping, &[0_u64; 3]);
    machphys_mfn_list Dom0 Prefix |w| {
        let mut request = xen_machphys_mfn_list::new_zeroed();
        request.max_extents = 4;
        request.extent_start = w.put(&[0_u64; 4]);
        memory(w, XENMEM_machphys_mfn_list, &request)
    };
    set_memory_map Dom0 Undone |w| {
        let map = [[0_u8; 20]; 2];
        let mut request = xen_foreign_memory_map::new_zeroed();
        request.domid = TARGET;
        request.map.nr_entries = 2;
        request.map.buffer = w.put(map.as_bytes());
        memory(w, XENMEM_set_memory_map, &request)
    };
    machine_memory_map Dom0 Prefix |w| {
        let mut request = xen_memory_map::new_zeroed();
        request.nr_entries = 4;
        request.buffer = w.put(&[0_u8; 80]);
        memory(w, XENMEM_machine_memory_map, &request)
    };
    claim_pages Dom0 Undone |w| claim(w, TARGET, 4);
    claim_pages_none Dom0 Undone |w| {
        made(w, Dom0, |w| claim(w, TARGET, 4));
        claim(w, TARGET, 0)
    };
    populate_claimed Guest Prefix |w| {
        made(w, Dom0, |w| claim(w, 1, 6));
        reserve(w, XENMEM_populate_physmap, &[0x20, 0x30, 0x31], 0)
    };
    populate_order_claimed Guest Prefix |w| {
        made(w, Dom0, |w| claim(w, 1, 6));
        reserve(w, XENMEM_populate_physmap, &[0x20, 0x30], 1)
    };
    decrease_claimed Guest Prefix |w| {
        made(w, Dom0, |w| claim(w, 1, 6));
        let frames = [spare(w, 0), spare(w, 1)];
        reserve(w, XENMEM_decrease_reservation, &frames, 0)
    };
    exchange_claimed Guest Prefix |w| {
        made(w, Dom0, |w| claim(w, 1, 2));
        let frames = [spare(w, 0), spare(w, 1), spare(w, 2), spare(w, 3)];
        exchange(w, &frames, 0, &[0x20, 0x22], 1)
    };
    grant_setup_table Guest Prefix |w| {
        let list = w.put(&[0_u64; 3]);
        let mut request = gnttab_setup_table::new_zeroed();
        (request.dom, request.nr_frames, request.frame_list) = (DOMID_SELF, 3, list);
        grant(w, GNTTABOP_setup_table, &request)
    };
    grant_query_size Guest Undone |w| {
        let mut request = gnttab_query_size::new_zeroed();
        request.dom = DOMID_SELF;
        grant(w, GNTTABOP_query_size, &request)
    };
    grant_set_version Guest Undone |w| grant(w, GNTTABOP_set_version, &1_u32);
    grant_get_version Guest Undone |w| {
        let mut request = gnttab_get_version::new_zeroed();
        request.dom = DOMID_SELF;
        grant(w, GNTTABOP_get_version, &request)
    };
    vcpu_initialise Guest Undone |w| {
        let mut c = vcpu_guest_context::new_zeroed();
        c.flags = VGCF_in_kernel;
        (c.user_regs.cs, c.user_regs.ss) = (0xe033, 0xe02b);
        (c.gdt_ents, c.gdt_frames[0]) = (512, spare(w, 5));
        c.ctrlreg[1] = spare_tree(w) << 12;
        c.ctrlreg[3] = w.guest.tables[3].addr();
        vcpu(w, VCPUOP_initialise, 1, &c)
    };
    vcpu_initialise_refused Guest Undone |w| {
        let mut c = vcpu_guest_context::new_zeroed();
        (c.user_regs.cs, c.user_regs.ss) = (0xe033, 0xe02b);
        (c.gdt_ents, c.gdt_frames[0]) = (512, spare(w, 5));
        c.ctrlreg[1] = w.guest.pages[0].addr();
        c.ctrlreg[3] = spare_tree(w) << 12;
        vcpu(w, VCPUOP_initialise, 1, &c)
    };
    vcpu_register_info Guest Undone |w| {
        let area = vcpu_register_vcpu_info { mfn: spare(w, 0), offset: 64, rsvd: 0 };
        vcpu(w, VCPUOP_register_vcpu_info, 0, &area)
    };
    vcpu_register_info_of_another Guest Undone |w| {
        let area = vcpu_register_vcpu_info { mfn: spare(w, 0), offset: 64, rsvd: 0 };
        vcpu(w, VCPUOP_register_vcpu_info, 1, &area)
    };
    vcpu_register_runstate Guest Prefix |w| {
        let area = vcpu_register_runstate_memory_area { addr: BASE };
        vcpu(w, VCPUOP_register_runstate_memory_area, 0, &area)
    };
    vcpu_register_time Guest Prefix |w| {
        let area = vcpu_register_time_memory_area { addr: BASE };
        vcpu(w, VCPUOP_register_vcpu_time_memory_area, 0, &area)
    };
    vcpu_runstate Guest Undone |w| vcpu(w, VCPUOP_get_runstate_info, 0, &[0_u64; 6]);
    vcpu_periodic_timer Guest Undone |w| vcpu(w, VCPUOP_set_periodic_timer, 0, &1_000_000_u64);
    vcpu_singleshot_timer Guest Undone |w| {
        vcpu(w, VCPUOP_set_singleshot_timer, 0, &[1_000_000_u64, 0])
    };
    set_callbacks Guest Undone |w| {
        let _ = w;
        (__HYPERVISOR_set_callbacks, [0x1000, 0x2000, 0x3000, 0, 0, 0])
    };
    callback_register Guest Undone |w| {
        let mut r = hypercall_abi::callback::callback_register::new_zeroed();
        r.address = 0x5000;
        op(w, __HYPERVISOR_callback_op, 0, &r)
    };
    console_write Dom0 Prefix |w| {
        let text = w.put(&b"one line\nand another, longer than the first\nand a rest"[..]);
        (__HYPERVISOR_console_io, [0, 54, text, 0, 0, 0])
    };
    version_texts Guest Undone |w| {
        let at = w.put(&[0_u8; 1024]);
        (__HYPERVISOR_xen_version, [3, at, 0, 0, 0, 0])
    };
    physdev_iopl Guest Undone |w| op(w, __HYPERVISOR_physdev_op, 6, &1_u32);
    add_to_physmap Dom0 Undone |w| memory(w, XENMEM_add_to_physmap, &[0_u64; 8]);
    remove_from_physmap Dom0 Undone |w| memory(w, XENMEM_remove_from_physmap, &[0_u64; 8]);
    set_pod_target Dom0 Undone |w| memory(w, XENMEM_set_pod_target, &[0_u64; 8]);
    get_pod_target Dom0 Undone |w| memory(w, XENMEM_get_pod_target, &[0_u64; 8]);
    access_op Dom0 Undone |w| memory(w, XENMEM_access_op, &[0_u64; 8]);
    add_to_physmap_batch Dom0 Undone |w| memory(w, XENMEM_add_to_physmap_batch, &[0_u64; 8]);
    reserved_device_memory_map Dom0 Undone |w| memory(w, XENMEM_reserved_device_memory_map, &[0_u64; 8]);
    acquire_resource Dom0 Prefix |w| {
        let mut r = xen_mem_acquire_resource::new_zeroed();
        (r.domid, r.r#type, r.nr_frames) = (TARGET, XENMEM_resource_grant_table, 3);
        r.frame_list = w.put(&[0_u64; 3]);
        memory(w, XENMEM_acquire_resource, &r)
    };
    domctl_createdomain Dom0 Prefix |w| create_domain(w, 0);
    domctl_max_vcpus_made Dom0 Prefix |w| {
        const NEW: u16 = 9;
        made(w, Dom0, |w| create_domain(w, NEW));
        let call = domctl(w, XEN_DOMCTL_max_vcpus, 3_u32);
        named(w, call, NEW)
    };
    domctl_max_mem Dom0 Undone |w| domctl(w, XEN_DOMCTL_max_mem, 64_u64);
    domctl_max_vcpus Dom0 Undone |w| domctl(w, XEN_DOMCTL_max_vcpus, 2_u32);
    domctl_setvcpucontext Dom0 Undone |w| set_context(w);
    domctl_setvcpucontext_refused Dom0 Undone |w| {
        let call = set_context(w);
        w.hv.machine.store_u64(w.target_pages[4], 24, w.target_pages[6].addr() | PRESENT_RW_USER);
        call
    };
    domctl_getvcpucontext Dom0 Prefix |w| {
        made(w, Dom0, set_context);
        let ctxt = w.put(&vcpu_guest_context::new_zeroed());
        domctl(w, XEN_DOMCTL_getvcpucontext, xen_domctl_vcpucontext { vcpu: 0, _pad0: [0; 4], ctxt })
    };
    domctl_destroydomain Dom0 Prefix |w| {
        made(w, Dom0, set_context);
        domctl(w, XEN_DOMCTL_destroydomain, 0_u64)
    };
    domctl_destroydomain_claimed Dom0 Prefix |w| {
        made(w, Dom0, |w| claim(w, TARGET, 4));
        domctl(w, XEN_DOMCTL_destroydomain, 0_u64)
    };
    domctl_getdomaininfo Dom0 Undone |w| domctl(w, XEN_DOMCTL_getdomaininfo, 0_u64);
    domctl_pause Dom0 Undone |w| domctl(w, XEN_DOMCTL_pausedomain, 0_u64);
    domctl_hypercall_init Dom0 Undone |w| {
        let page = w.target_pages[2].0;
        domctl(w, XEN_DOMCTL_hypercall_init, page)
    };
    domctl_getpageframeinfo3 Dom0 Prefix |w| {
        made(w, Dom0, set_context);
        let frames: Vec<u64> = w.target_pages.iter().map(|mfn| mfn.0).collect();
        let array = w.put(&frames[..]);
        let request = xen_domctl_getpageframeinfo3 { num: frames.len() as u64, array };
        domctl(w, XEN_DOMCTL_getpageframeinfo3, request)
    };
    domctl_setvcpuaffinity Dom0 Prefix |w| affinity(w, XEN_DOMCTL_setvcpuaffinity, 0);
    domctl_setvcpuaffinity_forced Dom0 Prefix |w| {
        w.guest.dom.lock().vcpus[0].sched.pinned_over = Some(3);
        affinity(w, XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_FORCE)
    };
    domctl_getvcpuaffinity Dom0 Prefix |w| affinity(w, XEN_DOMCTL_getvcpuaffinity, 0);
    domctl_getvcpuinfo Dom0 Undone |w| {
        domctl(w, XEN_DOMCTL_getvcpuinfo, xen_domctl_getvcpuinfo::new_zeroed())
    };
    sysctl_getdomaininfolist Dom0 Prefix |w| {
        let mut list = xen_sysctl_getdomaininfolist::new_zeroed();
        list.max_domains = 4;
        list.buffer = w.put(&[0_u8; 1024]);
        sysctl(w, XEN_SYSCTL_getdomaininfolist, list)
    };
    sysctl_readconsole Dom0 Prefix |w| {
        w.hv.machine.configure(|s| s.log = vec![b'x'; 100]);
        let mut request = xen_sysctl_readconsole::new_zeroed();
        request.buffer = w.put(&[0_u8; 64]);
        request.count = 64;
        sysctl(w, XEN_SYSCTL_readconsole, request)
    };
    sysctl_physinfo Dom0 Undone |w| sysctl(w, XEN_SYSCTL_physinfo, xen_sysctl_physinfo::new_zeroed());
    sysctl_getcpuinfo Dom0 Prefix |w| {
        let mut request = xen_sysctl_getcpuinfo::new_zeroed();
        (request.max_cpus, request.info) = (2, w.put(&[0_u8; 16]));
        sysctl(w, XEN_SYSCTL_getcpuinfo, request)
    };
    sysctl_cputopoinfo Dom0 Prefix |w| {
        let mut request = xen_sysctl_cputopoinfo::new_zeroed();
        request.num_cpus = 2;
        request.cputopo = w.put(&[0_u8; 64]);
        sysctl(w, XEN_SYSCTL_cputopoinfo, request)
    };
    sysctl_numainfo Dom0 Prefix |w| {
        let mut request = xen_sysctl_numainfo::new_zeroed();
        request.num_nodes = 1;
        request.meminfo = w.put(&[0_u8; 32]);
        request.distance = w.put(&[0_u8; 32]);
        sysctl(w, XEN_SYSCTL_numainfo, request)
    };
};

/// Those whose untouched outcome is an error: refused half-way, to see the other half undone.
pub const REFUSED: &[&str] = &[
    "mmu_refused_in_the_middle",
    "mmu_quick_refused",
    "mmuext_marks_refused",
    "pin_of_a_bad_tree",
    "evtchn_bind_pirq",
    "evtchn_reset_under_way",
    "fifo_init_control_twice",
    "fifo_expand_by_a_table",
    "set_gdt_refused",
    "vcpu_initialise_refused",
    "domctl_setvcpucontext_refused",
    "add_to_physmap",
    "remove_from_physmap",
    "set_pod_target",
    "get_pod_target",
    "access_op",
    "add_to_physmap_batch",
];
