//! `xl list` as JSON: rows of the table, or what domains were made from with libxl's names.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hypercall_abi::domctl::{XEN_INVALID_MAX_VCPU_ID, xen_domctl_getdomaininfo};
use serde_json::{Value, json};

use super::list::state;
use super::{Host, SECOND, Shell};
use crate::config::{Cpus, Disk, DomainConfig, Pci, Vif};
use crate::domains::PAGES_PER_MIB;
use crate::pci::Address;
use crate::uuid;

/// KiB of a page.
const KIB_PER_PAGE: u64 = 4;

/// The domains as one array.
pub(super) fn list<S: Host>(
    shell: &mut Shell<S>,
    infos: &[xen_domctl_getdomaininfo],
    long: bool,
) -> String {
    let mut all: Vec<Value> = Vec::new();
    for info in infos {
        let name = shell.name(info.domain);
        let known = shell.with(|domains, _| domains.known(info.domain));
        let config = known.ok().map(|known| known.config);
        all.push(match long {
            true => configuration(&name, info, config.as_ref()),
            false => row(&name, info),
        });
    }
    let text = serde_json::to_string_pretty(&all);
    // Strings, numbers and lists of them can always be written.
    text.unwrap_or_default() + "\n"
}

fn row(name: &str, info: &xen_domctl_getdomaininfo) -> Value {
    json!({
        "name": name,
        "domid": info.domain,
        "memory_mib": info.tot_pages / PAGES_PER_MIB,
        "vcpus": info.nr_online_vcpus,
        "state": state(info.flags),
        "cpu_time_ns": info.cpu_time,
        "cpu_time_s": info.cpu_time / SECOND,
    })
}

/// What xl shows of a domain's configuration; what the hypervisor knows is as it is now.
fn configuration(
    name: &str,
    info: &xen_domctl_getdomaininfo,
    config: Option<&DomainConfig>,
) -> Value {
    let max_vcpus = match info.max_vcpu_id {
        XEN_INVALID_MAX_VCPU_ID => 0,
        last => last + 1,
    };
    let mut built = json!({
        "max_vcpus": max_vcpus,
        "avail_vcpus": (0..info.nr_online_vcpus).collect::<Vec<_>>(),
        "target_memkb": info.tot_pages * KIB_PER_PAGE,
        "type.pv": {},
    });
    if info.max_pages < u64::from(u32::MAX) {
        built["max_memkb"] = json!(info.max_pages * KIB_PER_PAGE);
    }
    let mut whole = json!({
        "c_info": { "type": "pv", "name": name, "uuid": uuid::to_text(&info.handle) },
    });
    if let Some(config) = config {
        built["kernel"] = json!(config.kernel);
        if let Some(ramdisk) = &config.ramdisk {
            built["ramdisk"] = json!(ramdisk);
        }
        built["cmdline"] = json!(config.command_line);
        built["sched_params"] = json!({ "weight": config.cpu_weight, "cap": config.cap });
        match &config.cpus {
            Cpus::Any => {}
            Cpus::Same(list) => built["vcpu_hard_affinity"] = json!([list]),
            Cpus::Each(lists) => built["vcpu_hard_affinity"] = json!(lists),
        }
        whole["disks"] = config.disks.iter().map(disk).collect();
        whole["nics"] = config.vifs.iter().map(nic).collect();
        whole["pcidevs"] = config.pcis.iter().map(pci).collect();
        whole["on_poweroff"] = json!(config.on_end.poweroff.name());
        whole["on_reboot"] = json!(config.on_end.reboot.name());
        whole["on_crash"] = json!(config.on_end.crash.name());
    }
    whole["b_info"] = built;
    json!({ "domid": info.domain, "config": whole })
}

fn disk(disk: &Disk) -> Value {
    json!({
        "vdev": disk.vdev.to_string(),
        "pdev_path": disk.target,
        "format": disk.format.name(),
        "readwrite": u8::from(disk.writable),
        "is_cdrom": u8::from(disk.cdrom),
        "backend_domname": disk.backend,
        "script": disk.script,
    })
}

fn pci(pci: &Pci) -> Value {
    let Address {
        segment,
        bus,
        device,
        function,
    } = pci.address;
    json!({ "domain": segment, "bus": bus, "dev": device, "func": function })
}

fn nic(vif: &Vif) -> Value {
    json!({
        "mac": vif.mac.map(|mac| Vif::mac_text(&mac)),
        "bridge": vif.bridge,
        "script": vif.script,
        "ip": vif.ip,
        "ifname": vif.name,
        "backend_domname": vif.backend,
        "mtu": vif.mtu,
    })
}
