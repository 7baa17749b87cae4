//! The domain builder against a strict fake hypervisor: what the guest will see is read back
//! through the page tables that were built; every refusal leaves nothing behind.

mod fake;

use dom0_tools::build::{BuildRequest, Built, build};
use fake::image::{INIT_P2M, Image, VIRT_BASE};
use fake::machine::{Fake, Machine, Port};
use hypercall_abi::elfnote::*;
use hypercall_abi::xen::*;
use zerocopy::FromBytes;

const PAGES: u64 = 3000;
const COMMAND_LINE: &str = "init=/bin/init quiet";

fn request<'a>(kernel: &'a [u8], ramdisk: &'a [u8]) -> BuildRequest<'a> {
    BuildRequest {
        kernel,
        ramdisk,
        command_line: COMMAND_LINE,
        pages: PAGES,
        max_pages: PAGES + 50,
        vcpus: 2,
        handle: [9; 16],
    }
}

fn ramdisk() -> Vec<u8> {
    (0..20_001u32).map(|i| (i * 13) as u8).collect()
}

/// Checks a built domain the way its kernel would see it.
fn check(machine: &Machine, built: &Built, image: &Image, disk: &[u8]) {
    let id = built.domain;
    let domain = &machine.domains[&id];
    let context = domain.context.expect("vCPU 0 has a context");
    let regs = context.user_regs;
    let virt_base = image
        .notes
        .iter()
        .find(|(kind, _)| i64::from(*kind) == XEN_ELFNOTE_VIRT_BASE);
    let virt_base = virt_base.map_or(0, |(_, value)| {
        u64::from_le_bytes(value[..].try_into().unwrap())
    });

    let info = machine
        .read(id, regs.rsi, size_of::<start_info>())
        .expect("start_info is mapped");
    let info = start_info::read_from_bytes(&info).unwrap();
    assert!(info.magic.starts_with(b"xen-3.0-x86_64\0"));
    assert_eq!(info.nr_pages, PAGES);
    assert_eq!(info.shared_info, domain.shared_info << 12);
    assert_eq!(info.flags & (SIF_PRIVILEGED | SIF_INITDOMAIN), 0);
    let line: Vec<u8> = info
        .cmd_line
        .iter()
        .map(|c| *c as u8)
        .take_while(|c| *c != 0)
        .collect();
    assert_eq!(line, COMMAND_LINE.as_bytes());

    // Every PFN has its own frame, in the list, in M2P, and owned by the domain.
    let list = machine
        .read(id, info.mfn_list, 8 * PAGES as usize)
        .expect("the P2M is mapped");
    let list: Vec<u64> = list
        .chunks(8)
        .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
        .collect();
    for (pfn, mfn) in list.iter().enumerate() {
        let frame = &machine.frames[*mfn as usize];
        assert_eq!((frame.owner, frame.m2p), (Some(id), pfn as u64));
    }
    for mfn in &list {
        assert_eq!(machine.frames[*mfn as usize].mapped, 0, "a mapping is left");
    }

    // The bootstrap region is PFN after PFN, page tables read-only, the rest writable.
    assert_eq!(
        machine.walk(id, info.pt_base),
        Some((context.ctrlreg[3] >> 12, false))
    );
    let region_end =
        (info.pt_base + (info.nr_pt_frames + 1) * 4096 + (512 << 10)).next_multiple_of(4 << 20);
    let tables = info.pt_base..info.pt_base + info.nr_pt_frames * 4096;
    for (pfn, address) in (virt_base..region_end).step_by(4096).enumerate() {
        let (mfn, writable) = machine.walk(id, address).expect("the region is mapped");
        assert_eq!(mfn, list[pfn]);
        assert_eq!(writable, !tables.contains(&address));
        assert_eq!(
            machine.frames[mfn as usize].table != 0,
            tables.contains(&address)
        );
    }
    assert_eq!(machine.walk(id, region_end), None);
    assert!(tables.contains(&(regs.rsp - 4096 - 1)) && regs.rsp.is_multiple_of(4096));

    // No table was made in vain: those of the P2M list are the rest of what is called its frames.
    let all_tables = machine
        .frames
        .iter()
        .filter(|frame| frame.table != 0)
        .count() as u64;
    let list_tables = info.nr_p2m_frames - PAGES.div_ceil(512);
    assert_eq!(all_tables, info.nr_pt_frames + list_tables);

    // The kernel is where it wants to be, its BSS is zero.
    let stubs: Vec<u64> = domain.stub_pages.clone();
    for (paddr, data, size) in &image.segments {
        let memory = machine.read(id, virt_base + paddr, *size as usize).unwrap();
        for (offset, byte) in memory.iter().enumerate() {
            let at = virt_base + paddr + offset as u64;
            let (mfn, _) = machine.walk(id, at).unwrap();
            if !stubs.contains(&mfn) {
                assert_eq!(*byte, data.get(offset).copied().unwrap_or(0), "at {at:#x}");
            }
        }
    }

    // The ramdisk, by address or by PFN.
    assert_eq!(info.mod_len, disk.len() as u64);
    if !disk.is_empty() {
        let found = if info.flags & SIF_MOD_START_PFN != 0 {
            let start = info.mod_start as usize;
            let frames = &list[start..start + disk.len().div_ceil(4096)];
            let mut found = Vec::new();
            frames
                .iter()
                .for_each(|mfn| found.extend(*machine.frames[*mfn as usize].data));
            found
        } else {
            machine.read(id, info.mod_start, disk.len()).unwrap()
        };
        assert_eq!(&found[..disk.len()], disk);
    }

    // Ports and their pages.
    let console: start_info_console_domU = info.console.get();
    assert_eq!(
        (console.mfn, info.store_mfn),
        (built.console_mfn, built.store_mfn)
    );
    assert_eq!(
        (console.evtchn, info.store_evtchn),
        (built.ports.console, built.ports.store)
    );
    for (port, mfn) in [
        (console.evtchn, console.mfn),
        (info.store_evtchn, info.store_mfn),
    ] {
        assert_eq!(domain.ports[&port], Port::Unbound(0));
        assert!(
            machine.frames[mfn as usize]
                .data
                .iter()
                .all(|byte| *byte == 0)
        );
    }
    let masked =
        (0..32).all(|vcpu| machine.frames[domain.shared_info as usize].data[64 * vcpu + 1] == 1);
    assert!(masked, "events are not masked");
    assert!(domain.paused);
}

fn variants() -> Vec<Image> {
    let low = Image::modern()
        .with(XEN_ELFNOTE_VIRT_BASE, 0)
        .with(XEN_ELFNOTE_ENTRY, 0x10_0000)
        .without(XEN_ELFNOTE_HYPERCALL_PAGE);
    vec![
        Image::plain(),
        Image::modern(),
        Image::modern().without(XEN_ELFNOTE_MOD_START_PFN),
        Image::modern().without(XEN_ELFNOTE_INIT_P2M),
        low,
        // A P2M that shares the region's L4 entry, and one that shares its L3 table's too.
        Image::modern().with(XEN_ELFNOTE_INIT_P2M, 0xffff_ff80_0000_0000),
        Image::modern().with(XEN_ELFNOTE_INIT_P2M, VIRT_BASE + (1 << 29)),
        // One that straddles tables of every level.
        Image::modern().with(XEN_ELFNOTE_INIT_P2M, (1 << 39) - 4096),
    ]
}

#[test]
fn guests_find_what_the_abi_promises() {
    let mut built_domains = 0;
    for image in variants() {
        for disk in [Vec::new(), ramdisk()] {
            let mut fake = Fake::new(4000);
            let kernel = image.bytes();
            let built = build(&mut fake, &request(&kernel, &disk), &mut |_, _| {}).unwrap();
            check(&fake.0.borrow(), &built, &image, &disk);
            built_domains += 1;
        }
    }
    println!("{built_domains} domains built and read back through their page tables");
}

#[test]
fn p2m_frames_cover_the_list_and_its_tables() {
    let mut fake = Fake::new(4000);
    let kernel = Image::modern().bytes();
    let built = build(&mut fake, &request(&kernel, &[]), &mut |_, _| {}).unwrap();
    let machine = fake.0.borrow();
    let rsi = machine.domains[&built.domain]
        .context
        .unwrap()
        .user_regs
        .rsi;
    let info = machine
        .read(built.domain, rsi, size_of::<start_info>())
        .unwrap();
    let info = start_info::read_from_bytes(&info).unwrap();
    assert_eq!(info.mfn_list, INIT_P2M);
    // 3000 entries: 6 pages, and an L3, an L2 and an L1 table of their own.
    assert_eq!(info.nr_p2m_frames, 6 + 3);
}

/// Refuses the k-th call or mapping, for every k: the machine is as before.
#[test]
fn every_refusal_leaves_nothing_behind() {
    let kernel = Image::modern().bytes();
    let disk = ramdisk();
    let mut whole = Fake::new(4000);
    build(&mut whole, &request(&kernel, &disk), &mut |_, _| {}).unwrap();
    let calls = whole.0.borrow().calls;
    for failing in 0..calls {
        let mut fake = Fake::new(4000);
        let free = fake.0.borrow().free_frames();
        fake.0.borrow_mut().fail_at = Some(failing);
        let error = build(&mut fake, &request(&kernel, &disk), &mut |_, _| {})
            .expect_err("one call is refused");
        assert!(error.to_string().contains("refused"), "{error}");
        let machine = fake.0.borrow();
        assert_eq!(
            machine.free_frames(),
            free,
            "call {failing}: frames are lost"
        );
        assert!(
            machine.domains.is_empty(),
            "call {failing}: a domain is left"
        );
    }
    println!("{calls} points of failure, nothing left behind at any");
}

#[test]
fn running_out_of_memory_is_said_and_undone() {
    let mut fake = Fake::new(1500);
    let kernel = Image::plain().bytes();
    let error = build(&mut fake, &request(&kernel, &[]), &mut |_, _| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("of 3000 pages"), "{error}");
    assert_eq!(fake.0.borrow().free_frames(), 1500);
}

#[test]
fn bad_requests_are_refused_before_anything_is_created() {
    let kernel = Image::plain().bytes();
    let long = "x".repeat(1024);
    let cases = [
        BuildRequest {
            kernel: b"not a kernel",
            ..request(&kernel, &[])
        },
        BuildRequest {
            pages: 10,
            ..request(&kernel, &[])
        },
        BuildRequest {
            command_line: &long,
            ..request(&kernel, &[])
        },
    ];
    for case in cases {
        let mut fake = Fake::new(4000);
        build(&mut fake, &case, &mut |_, _| {}).expect_err("it must be refused");
        assert_eq!(fake.0.borrow().calls, 0);
    }
}

/// The checks above can fail: a builder's typical mistakes are noticed by the fake.
#[test]
fn the_fake_refuses_what_a_hypervisor_would() {
    use dom0_tools::hyper::{Access, DomctlExt, Hyper, Mapping, MemoryExt};
    let mut fake = Fake::new(4000);
    let kernel = Image::modern().bytes();
    let built = build(&mut fake, &request(&kernel, &[]), &mut |_, _| {}).unwrap();
    let root = fake.0.borrow().domains[&built.domain]
        .context
        .unwrap()
        .ctrlreg[3]
        >> 12;
    assert!(
        fake.map_foreign(built.domain, &[root], Access::Write)
            .is_err()
    );
    assert!(fake.map_foreign(0, &[root], Access::Read).is_err());
    let mut page = fake
        .map_foreign(built.domain, &[built.store_mfn], Access::Write)
        .unwrap();
    // A table that maps its own frame writable, and one still mapped writable here.
    page.store_u64(0, root << 12 | 7);
    assert!(fake.pin_l4_table(built.domain, built.store_mfn).is_err());
    page.store_u64(0, 0);
    assert!(fake.pin_l4_table(built.domain, built.store_mfn).is_err());
    // A domain with a mapped frame does not go away.
    fake.destroy_domain(built.domain).unwrap();
    assert!(fake.domain_info(built.domain).unwrap().is_some());
    drop(page);
    assert!(fake.domain_info(built.domain).unwrap().is_none());
    assert_eq!(fake.0.borrow().free_frames(), 4000);
}
