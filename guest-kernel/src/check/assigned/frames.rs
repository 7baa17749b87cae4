//! Frames of a device in a domain's page tables.

use super::*;

/// Bits of an entry that choose how memory is cached.
const UNCACHED: u64 = 1 << 4;
const WRITE_THROUGH: u64 = 1 << 3;

pub(super) fn frames(r: &mut Report) {
    instructions::set_iopl(1);
    let Some(edu) = Edu::find() else {
        return r.error("no edu device");
    };
    let Some(puppet) = puppet(r) else { return };
    let id = puppet.id;
    let device = registers(&edu) | pte::RW;
    let look = |r: &mut Report, key: &str| {
        for (name, entry) in [
            ("plain", device),
            ("uncached", device | UNCACHED),
            ("through", device | WRITE_THROUGH),
            ("read_only", device & !pte::WRITE),
            ("next", device + 0x1000),
            ("beyond", device + (1 << 20)),
        ] {
            let result = puppet.map(entry);
            let shown = result.map(|_| puppet.load(WINDOW));
            match shown {
                Ok(value) => r.line(format_args!("{key}_{name}=ok id={}", Came(value))),
                Err(_) => r.result(&format(key, name), result),
            }
            let _ = puppet.map(0);
        }
        for (name, domid) in [
            ("self", DOMID_SELF),
            ("io", DOMID_IO),
            ("xen", DOMID_XEN),
            ("dom0", 0),
            ("own_id", id),
        ] {
            let result = puppet.update(device, domid);
            r.line(format_args!("{key}_update_{name}={}", Shown(result)));
            let _ = puppet.update(0, DOMID_SELF);
            let m2p = device & !0xfff | MMU_MACHPHYS_UPDATE;
            let result = puppet.request(m2p, 7, domid);
            r.line(format_args!("{key}_m2p_{name}={}", Shown(result)));
            let flags = UVMF_INVLPG | UVMF_LOCAL;
            let args = [WINDOW, device, flags, domid.into(), 0];
            let result = puppet.call(__HYPERVISOR_update_va_mapping_otherdomain, args);
            r.line(format_args!("{key}_va_{name}={}", Shown(result)));
            let _ = puppet.map(0);
            // An empty list, of which only the domain is looked at.
            let none = puppet.call(__HYPERVISOR_mmu_update, [0, 0, 0, domid.into(), 0]);
            r.line(format_args!("{key}_no_update_{name}={}", Shown(none)));
        }
        let own = puppet.spare() << 12 | pte::RW;
        for (name, entry) in [
            ("own", own),
            ("own_uncached", own | UNCACHED),
            ("own_through", own | WRITE_THROUGH),
            ("own_both", own | UNCACHED | WRITE_THROUGH),
        ] {
            r.line(format_args!("{key}_{name}={}", Shown(puppet.map(entry))));
        }
        let _ = puppet.map(0);
        r.line(format_args!(
            "{key}_wbinvd={}",
            Came(puppet.flush().map(|_| 0))
        ));
        for (name, cmd) in [
            ("flush", MMUEXT_FLUSH_CACHE),
            ("flush_global", MMUEXT_FLUSH_CACHE_GLOBAL),
        ] {
            r.line(format_args!("{key}_{name}={}", Shown(puppet.extended(cmd))));
        }
        // The control domain, in its own tables and in the puppet's.
        let window = Page::new();
        for (name, domid) in [("by_dom0", id), ("by_dom0_io", DOMID_IO)] {
            let result = update(window.own_slot(), device, domid);
            r.line(format_args!("{key}_{name}={}", Shown(result)));
            window.restore();
        }
        for (name, entry) in [("for_it", device), ("for_it_uncached", own | UNCACHED)] {
            for (owner, pages) in [("it", id), ("self", DOMID_SELF), ("io", DOMID_IO)] {
                let result = update_foreign(puppet.window_slot(), entry, (id, pages));
                r.line(format_args!("{key}_{name}_{owner}={}", Shown(result)));
                let _ = puppet.map(0);
            }
        }
    };
    look(r, "nothing");
    let first = device >> 12;
    let first = first & 0xf_ffff;
    r.result("allow", allow_frames(id, first, 1, 1));
    look(r, "one");
    r.result("map", puppet.map(device));
    let stored = puppet.store(WINDOW + 4, 0x1234_5678);
    let loaded = puppet.load(WINDOW + 4);
    r.line(format_args!(
        "liveness={} inverse={}",
        Came(stored.map(|_| 0)),
        Came(loaded)
    ));
    r.result("take", allow_frames(id, first, 1, 0));
    r.line(format_args!("still={}", Came(puppet.load(WINDOW))));
    r.result("still_same", puppet.map(device));
    r.line(format_args!("still_there={}", Came(puppet.load(WINDOW))));
    r.result("again_read_only", puppet.map(device & !pte::WRITE));
    r.line(format_args!("gone={}", Came(puppet.load(WINDOW))));
    let _ = puppet.map(0);
    r.result("unmapped", puppet.map(device));
    look(r, "taken");
    r.result("allow_port", allow_ports(id, 0x81, 1, 1));
    look(r, "port");
    r.result("take_port", allow_ports(id, 0x81, 1, 0));
    // Memory, its own and others', is nothing that is given so.
    r.outcome("allow_memory", allow_frames(id, Page::new().mfn(), 1, 1));
    let page = Page::new();
    r.outcome("allow_page", allow_frames(id, page.mfn(), 1, 1));
    r.result("memory", puppet.map(page.entry(pte::RW)));
    // Where the hypervisor's own devices are.
    for (key, frame) in [
        ("io_apic", 0xfec00_u64),
        ("local_apic", 0xfee00),
        ("bios", 0xf0),
        ("vga", 0xb8),
    ] {
        let allowed = allow_frames(id, frame, 1, 1);
        let writable = puppet.map(frame << 12 | pte::RW);
        let read_only = puppet.map(frame << 12 | pte::RO);
        r.line(format_args!(
            "{key}={} writable={} read_only={}",
            Shown(allowed),
            Shown(writable),
            Shown(read_only)
        ));
        let _ = puppet.map(0);
    }
    r.outcome("destroy", puppet.destroy());
    instructions::set_iopl(0);
}

/// `key_name`.
fn format(key: &str, name: &str) -> alloc::string::String {
    alloc::format!("{key}_{name}")
}
