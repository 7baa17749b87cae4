//! Checks what processes share with other domains and with devices: granted pages mapped and copied,
//! what is refused, and that nothing is left of one that ends. The domain grants to itself.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use guest_user::abi::*;
use guest_user::check::{Done, refused, status, told};
use guest_user::{println, start, sys};
use hypercall_abi::grant_table::*;
use hypercall_abi::xen::DOMID_SELF;
use zerocopy::FromZeros;

guest_user::entry!(main);

/// Whether a process has come so far is looked at so often, and so long, in nanoseconds.
const PAUSE: u64 = 1_000_000;
const PATIENCE: u64 = 20_000_000_000;
const PAGE: usize = 4096;
/// A reference that nobody was given.
const NO_REF: u32 = 7;

fn main() -> i32 {
    let done = match (start::option("ref"), start::option("how")) {
        (Some(gref), Some(how)) => hold(gref, how),
        _ => all(),
    };
    status("sharer", done)
}

fn expect(what: &str, holds: bool) -> Done {
    if holds {
        Ok(())
    } else {
        Err(format!("not so: {what}"))
    }
}

/// A page that is mapped until it is dropped.
struct Page(*mut u8, u64);

impl Page {
    fn get(&self, i: usize) -> u8 {
        assert!(i < PAGE);
        // SAFETY: the byte is in the page, which is mapped.
        unsafe { self.0.wrapping_add(i).read_volatile() }
    }

    fn set(&self, i: usize, value: u8) {
        assert!(i < PAGE);
        // SAFETY: the byte is in the page, which is mapped, and nothing refers to it.
        unsafe { self.0.wrapping_add(i).write_volatile(value) };
    }

    fn at(&self) -> u64 {
        self.0 as u64
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: nothing uses the mapping after this.
        let undone = unsafe { sys::unmap(self.0, self.1) };
        if let Err(e) = undone {
            println!("sharer: a mapping stays: {e}");
            sys::exit(2);
        }
    }
}

struct Own {
    domid: u16,
}

impl Own {
    fn offer(&self, writable: bool) -> Done<(Page, u32)> {
        let (at, gref) = told("offer", sys::grant_offer(self.domid, writable))?;
        Ok((Page(at, 1), gref))
    }

    fn map(&self, gref: u32, writable: bool) -> sys::SysResult<Page> {
        let at = sys::grant_map(self.domid, &[gref], writable, &mut [9])?;
        Ok(Page(at, 1))
    }

    /// A copy of `len` bytes from a grant to an address.
    fn fetch(&self, gref: u32, offset: u16, to: u64, len: u16) -> gnttab_copy {
        let mut op = gnttab_copy::new_zeroed();
        (op.source.u, op.source.domid, op.source.offset) = (gref.into(), self.domid, offset);
        (op.dest.u, op.dest.domid) = (to, DOMID_SELF);
        (op.len, op.flags, op.status) = (len, GNTCOPY_source_gref, 9);
        op
    }

    /// A copy of `len` bytes from an address to a grant.
    fn store(&self, from: u64, gref: u32, offset: u16, len: u16) -> gnttab_copy {
        let back = self.fetch(gref, offset, from, len);
        let mut op = back;
        (op.source, op.dest, op.flags) = (back.dest, back.source, GNTCOPY_dest_gref);
        op
    }
}

fn copy(op: gnttab_copy) -> sys::SysResult<i16> {
    let mut ops = [op];
    // SAFETY: the copies that are asked for here go to pages that nothing refers to, or are refused.
    unsafe { sys::grant_copy(&mut ops) }?;
    Ok(ops[0].status)
}

fn mapping(own: &Own) -> Done {
    let (page, gref) = own.offer(true)?;
    page.set(5, 55);
    let seen = told("map", own.map(gref, true))?;
    expect(
        "what was written is seen",
        seen.get(5) == 55 && seen.get(6) == 0,
    )?;
    seen.set(6, 66);
    expect("what the other writes is seen", page.get(6) == 66)?;
    drop(seen);
    let seen = told("map to read", own.map(gref, false))?;
    expect("once more", seen.get(6) == 66)?;
    let (readonly, other) = own.offer(false)?;
    readonly.set(0, 1);
    refused(
        "writing a page to read",
        own.map(other, true).map(drop),
        Errno::EACCES,
    )?;
    expect(
        "reading it",
        told("map", own.map(other, false))?.get(0) == 1,
    )?;
    let mut statuses = [9; 3];
    let list = [gref, NO_REF, other];
    let map = sys::grant_map(own.domid, &list, false, &mut statuses);
    refused("one bad of three", map, Errno::EACCES)?;
    expect(
        "it is told which",
        statuses[0] == 0 && statuses[1] != 0 && statuses[2] == 0,
    )?;
    let at = told(
        "three",
        sys::grant_map(own.domid, &[gref, other, gref], false, &mut statuses),
    )?;
    let three = Page(at, 3);
    let last = Page(at.wrapping_add(2 * PAGE), 1);
    expect(
        "pages come in order",
        three.get(6) == 66 && last.get(6) == 66,
    )?;
    core::mem::forget(last);
    // SAFETY: nothing uses the mapping, and this is refused.
    refused(
        "unmapping a part",
        unsafe { sys::unmap(at, 1) },
        Errno::EINVAL,
    )
}

/// The grant ends while the page is mapped.
fn revoked(own: &Own) -> Done {
    let (page, gref) = own.offer(true)?;
    page.set(1, 11);
    let seen = told("map", own.map(gref, true))?;
    drop(page);
    expect("a mapped page is kept", kept()? == 1)?;
    refused(
        "mapping what is in use still, and over",
        own.map(NO_REF, true).map(drop),
        Errno::EACCES,
    )?;
    expect("it is what it was", seen.get(1) == 11)?;
    let others = [own.offer(true)?, own.offer(true)?];
    expect(
        "nothing else is made of it",
        others.iter().all(|(page, _)| page.get(1) == 0),
    )?;
    expect(
        "no other has its reference",
        others.iter().all(|of| of.1 != gref),
    )?;
    drop(seen);
    expect("it comes back", kept()? == 0)
}

fn copying(own: &Own) -> Done {
    let (page, gref) = own.offer(true)?;
    (0..16).for_each(|i| page.set(4080 + i, i as u8));
    let memory = Page(told("map_anon", sys::map_anon(2))?, 2);
    let to = memory.at() + 100;
    expect(
        "a copy",
        told("copy", copy(own.fetch(gref, 4080, to, 16)))? == GNTST_okay,
    )?;
    expect("its bytes", (0..16).all(|i| memory.get(100 + i) == i as u8))?;
    expect(
        "no more than those",
        memory.get(99) == 0 && memory.get(116) == 0,
    )?;
    expect(
        "a copy back",
        told("copy", copy(own.store(to, gref, 0, 16)))? == GNTST_okay,
    )?;
    expect("its bytes", page.get(15) == 15 && page.get(16) == 0)?;
    let status = |op| told("copy", copy(op));
    expect(
        "no such grant",
        status(own.fetch(NO_REF, 0, to, 16))? != GNTST_okay,
    )?;
    expect(
        "beyond the page",
        status(own.fetch(gref, 4090, to, 16))? == GNTST_bad_copy_arg,
    )?;
    let (_readonly, other) = own.offer(false)?;
    expect(
        "writing to read",
        status(own.store(to, other, 0, 16))? != GNTST_okay,
    )?;
    let mut list = [own.fetch(NO_REF, 0, to, 1), own.fetch(gref, 4095, to, 1)];
    // SAFETY: the bytes go to a page that nothing refers to.
    told("two", unsafe { sys::grant_copy(&mut list) })?;
    expect(
        "others are done",
        list[0].status != 0 && list[1].status == 0 && memory.get(100) == 15,
    )?;

    let code = main as *const () as u64;
    let unmapped = PAGE as u64;
    refused("to code", copy(own.fetch(gref, 0, code, 1)), Errno::EFAULT)?;
    refused(
        "to nowhere",
        copy(own.fetch(gref, 0, unmapped, 1)),
        Errno::EFAULT,
    )?;
    refused(
        "to the kernel",
        copy(own.fetch(gref, 0, !0xfff, 1)),
        Errno::EFAULT,
    )?;
    let granted = told("map", own.map(gref, true))?;
    refused(
        "to a granted page",
        copy(own.fetch(gref, 0, granted.at(), 1)),
        Errno::EFAULT,
    )?;
    refused(
        "across pages",
        copy(own.fetch(gref, 0, memory.at() + 4090, 16)),
        Errno::EINVAL,
    )?;
    let mut op = own.fetch(gref, 0, to, 1);
    op.dest.domid = own.domid;
    refused("to a frame", copy(op), Errno::EINVAL)?;
    op = own.fetch(gref, 0, to, 1);
    op.dest.offset = 1;
    refused("by an offset", copy(op), Errno::EINVAL)
}

/// Raw calls that no wrapper makes.
fn malformed(own: &Own) -> Done {
    let domid = u64::from(own.domid);
    let mut space = [0_u64; 8];
    let at = space.as_mut_ptr() as u64;
    let code = main as *const () as u64;
    let many = GRANTS_MAX + 1;
    for (nr, args, with) in [
        (SYS_GRANT_MAP, [domid, at, 0, 0, at], Errno::EINVAL),
        (SYS_GRANT_MAP, [domid, at, many, 0, at], Errno::EINVAL),
        (SYS_GRANT_MAP, [domid, at, u64::MAX, 0, at], Errno::EINVAL),
        (SYS_GRANT_MAP, [domid, at, 1, 2, at], Errno::EINVAL),
        (SYS_GRANT_MAP, [1 << 16, at, 1, 0, at], Errno::EINVAL),
        (SYS_GRANT_MAP, [domid, 0, 1, 0, at], Errno::EFAULT),
        (SYS_GRANT_MAP, [domid, at, 1, 0, code], Errno::EFAULT),
        (SYS_GRANT_COPY, [at, many, 0, 0, 0], Errno::EINVAL),
        (SYS_GRANT_COPY, [0, 1, 0, 0, 0], Errno::EFAULT),
        (SYS_GRANT_COPY, [code, 1, 0, 0, 0], Errno::EFAULT),
        (SYS_GRANT_OFFER, [domid, 2, at, 0, 0], Errno::EINVAL),
        (SYS_GRANT_OFFER, [1 << 16, 1, at, 0, 0], Errno::EINVAL),
        (SYS_GRANT_OFFER, [domid, 1, code, 0, 0], Errno::EFAULT),
        (SYS_DMA_ALLOC, [0, at, 0, 0, 0], Errno::EINVAL),
        (SYS_DMA_ALLOC, [3, at, 0, 0, 0], Errno::EINVAL),
        (
            SYS_DMA_ALLOC,
            [2 * DMA_PAGES_MAX, at, 0, 0, 0],
            Errno::EINVAL,
        ),
        (SYS_DMA_ALLOC, [1, code, 0, 0, 0], Errno::EFAULT),
        (SYS_IOMEM_MAP, [0xfee0_0001, 4096, 0, 0, 0], Errno::EINVAL),
        (SYS_IOMEM_MAP, [0xfee0_0000, 0, 0, 0, 0], Errno::EINVAL),
        (SYS_IOMEM_MAP, [!0xfff, 4096, 0, 0, 0], Errno::EINVAL),
        (SYS_PCI_READ, [1, 0, 0, 0, 0], Errno::EINVAL),
        (SYS_PCI_READ, [1 << 24, 0, 0, 0, 0], Errno::EINVAL),
        (SYS_PCI_WRITE, [0, 1 << 32, 0, 0, 0], Errno::EINVAL),
    ] {
        let [a0, a1, a2, a3, a4] = args;
        // SAFETY: all of these are refused; what a kernel with a fault would write is `space`.
        let result = result(unsafe { sys::raw(nr, [a0, a1, a2, a3, a4, 0]) });
        refused(&format!("call {nr} with {args:x?}"), result, with)?;
    }
    Ok(())
}

/// A machine address that is no memory's, far behind all of it.
const NOTHING: u64 = 0xfe00_0000;

/// Memory for devices; their registers.
fn devices() -> Done {
    let (at, address) = told("dma_alloc", sys::dma_alloc(16))?;
    let block = Page(at, 16);
    expect(
        "a machine address",
        address != 0 && address.is_multiple_of(PAGE as u64),
    )?;
    block.set(7, 77);
    drop(block);
    let (at, again) = told("dma_alloc", sys::dma_alloc(16))?;
    let block = Page(at, 16);
    expect(
        "the next driver has it, empty",
        again == address && block.get(7) == 0,
    )?;
    // Memory is no device.
    match sys::iomem_map(address, PAGE as u64) {
        Err(_) => {}
        Ok(_) => return Err("memory was mapped as a device's".into()),
    }
    let registers = told("iomem_map", sys::iomem_map(NOTHING, PAGE as u64))?;
    // SAFETY: nothing refers to the mapping.
    told("unmap of a device's", unsafe { sys::unmap(registers, 1) })?;
    let host_bridge = told("pci_read", sys::pci_read(0))?;
    expect("there is a PCI bus", host_bridge & 0xffff == 0x8086)
}

/// A process that maps the page, says so in it, and ends.
fn hold(gref: &str, how: &str) -> Done {
    let own = Own {
        domid: told("info", sys::info(INFO_DOMID))? as u16,
    };
    let gref = gref.parse().map_err(|_| "ref=N has no number")?;
    let page = told("map", own.map(gref, true))?;
    let (_mine, other) = own.offer(true)?;
    let own_too = told("map one's own", own.map(other, true))?;
    told("dma_alloc", sys::dma_alloc(1))?;
    page.set(0, 1);
    if how == "exit" {
        sys::exit(3);
    }
    loop {
        core::hint::black_box(own_too.get(0));
    }
}

fn ends(own: &Own) -> Done {
    for (how, status) in [("exit", 3), ("killed", STATUS_KILLED)] {
        let (page, gref) = own.offer(true)?;
        let args = format!("ref={gref}\0how={how}");
        let pid = told("spawn", sys::spawn("/bin/sharer", args.as_bytes()))?;
        let end = sys::clock() + PATIENCE;
        while page.get(0) == 0 {
            expect("the other maps it", sys::clock() < end)?;
            sys::sleep(PAUSE);
        }
        if how == "killed" {
            told("kill", sys::kill(pid))?;
        }
        expect("its end", told("wait", sys::wait(pid))? == status)?;
        drop(page);
        expect("nothing is kept", kept()? == 0)?;
    }
    Ok(())
}

fn kept() -> Done<u64> {
    told("info", sys::info(INFO_PAGES_KEPT))
}

fn all() -> Done {
    let own = Own {
        domid: told("info", sys::info(INFO_DOMID))? as u16,
    };
    let mut free = 0;
    for round in 0..3 {
        mapping(&own)?;
        revoked(&own)?;
        copying(&own)?;
        malformed(&own)?;
        devices()?;
        ends(&own)?;
        // In the first round, memory is taken that is kept for reuse.
        let now = told("info", sys::info(INFO_FREE_PAGES))?;
        expect("all pages came back", round < 2 || now == free)?;
        free = now;
    }
    println!("sharer: what is shared is as it should be, and comes back");
    Ok(())
}
