//! A configuration as xl.cfg text, which reads back as the same.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Cpus, Disk, DomainConfig, Pci, Vif};

fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn list<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    let items: Vec<String> = items.iter().map(|item| quote(&text(item))).collect();
    format!("[{}]", items.join(", "))
}

impl DomainConfig {
    /// The configuration as a file.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (key, value) in self.values() {
            text += &format!("{key} = {value}\n");
        }
        text
    }

    /// All keys with their values, as a file has them.
    fn values(&self) -> Vec<(&'static str, String)> {
        let line = (!self.command_line.is_empty()).then_some(&self.command_line);
        let cpus = match &self.cpus {
            Cpus::Any => None,
            Cpus::Same(all) => Some(quote(all)),
            Cpus::Each(lists) => Some(list(lists, Clone::clone)),
        };
        let disks = (!self.disks.is_empty()).then(|| list(&self.disks, Disk::to_spec));
        let vifs = (!self.vifs.is_empty()).then(|| list(&self.vifs, Vif::to_spec));
        let pcis = (!self.pcis.is_empty()).then(|| list(&self.pcis, Pci::to_spec));
        let number = |value: u64| Some(value.to_string());
        let end = &self.on_end;
        let all = [
            ("name", Some(quote(&self.name))),
            ("type", Some(quote("pv"))),
            ("kernel", Some(quote(&self.kernel))),
            ("ramdisk", self.ramdisk.as_deref().map(quote)),
            ("cmdline", line.map(|line| quote(line))),
            ("memory", number(self.memory_mib)),
            ("maxmem", number(self.max_memory_mib)),
            ("vcpus", number(self.vcpus.into())),
            ("maxvcpus", number(self.max_vcpus.into())),
            ("cpus", cpus),
            (
                "cpu_weight",
                self.cpu_weight.map(|weight| weight.to_string()),
            ),
            ("cap", self.cap.map(|cap| cap.to_string())),
            ("disk", disks),
            ("vif", vifs),
            ("pci", pcis),
            (
                "uuid",
                self.uuid.map(|uuid| quote(&crate::uuid::to_text(&uuid))),
            ),
            ("on_poweroff", Some(quote(end.poweroff.name()))),
            ("on_reboot", Some(quote(end.reboot.name()))),
            ("on_crash", Some(quote(end.crash.name()))),
        ];
        let given = all.into_iter();
        given
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    }
}
