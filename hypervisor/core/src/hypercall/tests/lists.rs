//! Multicalls: what the quick forms of entries do is what the whole ones do, in lists of any mixture.

use core::mem::offset_of;

use hypercall_abi::xen::{self as nr, DOMID_SELF, multicall_entry};

use super::*;

/// Where the operations of `mmuext_op` and the list of GDT frames are; the list of calls is at
/// [`BASE`].
const OPS: u64 = BASE + 0x2000;
/// Of [`World::guest`]'s pages: two more roots, and a page of descriptors.
const ROOT: usize = DATA + 3;
const ROOTS: [usize; 3] = [ROOT, DATA + 4, DATA + 5];
const GDT: usize = DATA + 6;

struct World {
    hv: &'static Hypervisor<FakeMachine>,
    guest: Guest,
}

impl World {
    /// A guest with three roots that map the same, none of them pinned, and a GDT.
    fn new(budget: u32) -> Self {
        let hv = testkit::hypervisor(FRAMES, 1);
        hv.machine.set_budget(budget);
        let mut guest = guest(hv, false);
        for _ in 0..3 {
            guest.pages.push(hv.alloc_domain_page(guest.dom).unwrap());
        }
        for copy in &ROOTS[1..] {
            hv.machine.copy_frame(guest.pages[*copy], guest.pages[ROOT]);
        }
        hv.machine.load_root(guest.pages[ROOT]);
        let mut world = Self { hv, guest };
        let gdt = world.guest.pages[GDT].0;
        hv.machine.write_guest_u64(OPS, gdt).unwrap();
        assert_eq!(
            world.call(nr::__HYPERVISOR_set_gdt, [OPS, 16, 0, 0, 0, 0]),
            0
        );
        world
    }

    /// Makes a hypercall until it is done; its result.
    fn call(&mut self, number: u64, [a, b, c, d, e, f]: [u64; 6]) -> u64 {
        let vcpu = &mut self.guest.vcpu;
        for _ in 0..2000 {
            let r = &mut vcpu.regs;
            (r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9) = (a, b, c, d, e, f);
            r.rip = 0x1000;
            let result = entry_of(number, self.hv, vcpu, [a, b, c, d, e, f]);
            if vcpu.regs.rip == 0x1000 && !vcpu.call_whole {
                return result;
            }
            vcpu.call_whole = false;
        }
        panic!("a call that does not end");
    }

    /// Makes a list of calls; its own result. What is left of released roots is done as well, as
    /// before the next call.
    fn list(&mut self, list: &[(u64, [u64; 4])]) -> u64 {
        let result = self.list_alone(list);
        self.call(nr::__HYPERVISOR_multicall, [BASE, 0, 0, 0, 0, 0]);
        result
    }

    fn list_alone(&mut self, list: &[(u64, [u64; 4])]) -> u64 {
        for (at, (op, args)) in (BASE..).step_by(size_of::<multicall_entry>()).zip(list) {
            let [a, b, c, d] = *args;
            let words = [*op, !0, a, b, c, d, 0, 0];
            for (at, word) in (at..).step_by(8).zip(words) {
                self.hv.machine.write_guest_u64(at, word).unwrap();
            }
        }
        let args = [BASE, list.len() as u64, 0, 0, 0, 0];
        self.call(nr::__HYPERVISOR_multicall, args)
    }

    fn results(&self, count: usize) -> Vec<u64> {
        let at = BASE + offset_of!(multicall_entry, result) as u64;
        let result = |i| self.hv.machine.read_guest_u64(at + i * 64).unwrap();
        (0..count as u64).map(result).collect()
    }

    /// Everything that a list may change.
    fn state(&self) -> impl PartialEq + core::fmt::Debug + use<> {
        let (hv, arch) = (self.hv, &self.guest.vcpu.arch);
        let bytes = |page: Mfn| (0..512).map(move |i| hv.machine.load_u64(page, i * 8));
        let pages = &self.guest.pages;
        (
            pages.iter().map(|&p| hv.frames.word(p)).collect::<Vec<_>>(),
            pages.iter().copied().flat_map(bytes).collect::<Vec<_>>(),
            (arch.kernel_ss, arch.kernel_sp, arch.task_switched),
            (arch.kernel_root.get(), arch.user_root.get()),
        )
    }
}

/// A direct call as the entry code makes it.
fn entry_of(number: u64, hv: &Hypervisor<FakeMachine>, vcpu: &mut VcpuBox, args: [u64; 6]) -> u64 {
    match number {
        nr::__HYPERVISOR_multicall => {
            dispatch::entry::<{ nr::__HYPERVISOR_multicall }, _>(hv, vcpu, args)
        }
        nr::__HYPERVISOR_set_gdt => {
            dispatch::entry::<{ nr::__HYPERVISOR_set_gdt }, _>(hv, vcpu, args)
        }
        _ => unreachable!("no other is made directly"),
    }
}

/// An entry, before there are frames.
#[derive(Clone, Copy, Debug)]
enum Item {
    Stack(u16, u64),
    Switched(bool),
    Descriptor(u16, u64),
    Mapping(u8, bool, u8),
    Root(u32, u8),
    Null,
    Unknown,
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        2 => any::<(u16, u64)>().prop_map(|(ss, sp)| Item::Stack(ss, sp)),
        1 => any::<bool>().prop_map(Item::Switched),
        3 => (any::<u16>(), prop::sample::select(&[
            0, 0x00cf_f300_0000_ffff, 0x00af_9b00_0000_ffff, 0x0000_8900_0000_0067, u64::MAX,
        ][..])).prop_map(|(at, raw)| Item::Descriptor(at, raw)),
        2 => any::<(u8, bool, u8)>().prop_map(|(page, present, flags)| Item::Mapping(page, present, flags)),
        4 => (prop::sample::select(&[5, 15, 5, 15, 6, 2, 3, 99][..]), 0..4_u8).prop_map(|(cmd, n)| Item::Root(cmd, n)),
        1 => Just(Item::Null),
        1 => Just(Item::Unknown),
    ]
}

impl Item {
    /// The call, the `index`th of a list, whose operation is put where it belongs.
    fn call(self, world: &World, index: usize) -> (u64, [u64; 4]) {
        let pages = &world.guest.pages;
        match self {
            Self::Stack(ss, sp) => (nr::__HYPERVISOR_stack_switch, [ss.into(), sp, 0, 0]),
            Self::Switched(ts) => (nr::__HYPERVISOR_fpu_taskswitch, [ts.into(), 0, 0, 0]),
            Self::Descriptor(at, raw) => {
                let page = pages[if at & 0x1000 == 0 { GDT } else { DATA - 1 }];
                let place = page.addr() | u64::from(at & 0xfff);
                (nr::__HYPERVISOR_update_descriptor, [place, raw, 0, 0])
            }
            Self::Mapping(page, present, flags) => {
                let page = usize::from(page) % 3 + 4;
                let raw = pages[page].addr() | 6 | u64::from(present);
                let va = BASE + page as u64 * 4096;
                (
                    nr::__HYPERVISOR_update_va_mapping,
                    [va, raw, u64::from(flags % 4), 0],
                )
            }
            Self::Root(cmd, n) => {
                let at = OPS + index as u64 * 24;
                let root = ROOTS
                    .get(usize::from(n))
                    .map_or(pages[0], |&root| pages[root]);
                for (i, word) in [cmd.into(), root.0, 0].into_iter().enumerate() {
                    world
                        .hv
                        .machine
                        .write_guest_u64(at + i as u64 * 8, word)
                        .unwrap();
                }
                (nr::__HYPERVISOR_mmuext_op, [at, 1, 0, DOMID_SELF.into()])
            }
            Self::Null => (nr::__HYPERVISOR_xen_version, [0; 4]),
            Self::Unknown => (60, [0; 4]),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// With the least budget no entry is run in its quick form.
    #[test]
    fn a_list_does_the_same_quickly(items in prop::collection::vec(item(), 1..60)) {
        let mut worlds = [1, 13, 512].map(World::new);
        let ends = worlds.each_mut().map(|world| {
            let list: Vec<_> = items.iter().enumerate().map(|(i, item)| item.call(world, i)).collect();
            (world.list(&list), world.results(items.len()), world.state())
        });
        prop_assert_eq!(&ends[0], &ends[1]);
        prop_assert_eq!(&ends[0], &ends[2]);
        prop_assert_eq!(ends[0].0, 0);
    }
}

#[test]
fn a_list_whose_results_cannot_be_written_fails_where_it_is() {
    let mut world = World::new(512);
    let hv = world.hv;
    let stack = |sp| (nr::__HYPERVISOR_stack_switch, [0, sp, 0, 0]);
    assert_eq!(world.list(&[stack(1), stack(2)]), 0);
    assert_eq!(
        (world.results(2), world.guest.vcpu.arch.kernel_sp),
        ([0, 0].into(), 2)
    );
    // The list's page becomes read-only: the first entry is done, and nobody hears of it.
    let tables = world.guest.pages[DATA];
    hv.machine.fetch_and_u64(tables, 0, !2);
    let args = [BASE, 2, 0, 0, 0, 0];
    let fault = crate::error::Errno::EFAULT.negated() as u64;
    assert_eq!(world.call(nr::__HYPERVISOR_multicall, args), fault);
    assert_eq!(world.guest.vcpu.arch.kernel_sp, 1);
}

/// The quick form leaves a root that nobody else uses; its tables are released before the call is over.
#[test]
fn a_root_that_ends_in_a_list_is_released() {
    const PIN: u32 = nr::MMUEXT_PIN_L4_TABLE;
    const NEW_ROOT: u32 = nr::MMUEXT_NEW_BASEPTR;
    let mut world = World::new(512);
    let pin = Item::Root(PIN, 1).call(&world, 0);
    assert_eq!(
        (world.list_alone(&[pin]), world.results(1)),
        (0, [0].into())
    );
    let first = world.guest.pages[ROOT];
    let load = Item::Root(NEW_ROOT, 1).call(&world, 0);
    assert_eq!(
        (world.list_alone(&[load]), world.results(1)),
        (0, [0].into())
    );
    let vcpu = &world.guest.vcpu;
    assert_eq!(
        vcpu.arch.kernel_root.get(),
        Some(world.guest.pages[ROOTS[1]])
    );
    assert!(vcpu.walk.is_idle());
    assert!(!world.hv.frames.word(first).is_validated());
}
