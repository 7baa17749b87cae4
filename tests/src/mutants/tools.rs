//! The seeds in the toolstack and its services; files are in `dom0-tools/src`.

use super::Invariant::{Bounded, FreeIsUnused, Guard, OneOwner};
use super::{Invariant, Mutant, Tests};

/// A seed of the toolstack's, which a target of its tests must notice.
pub(super) const fn seed(
    name: &'static str,
    file: &'static str,
    breaks: Invariant,
    test: &'static str,
    texts: (&'static str, &'static str),
) -> Mutant {
    super::seed(name, file, breaks, Tests::Tools(test), texts)
}

/// All seeds of the toolstack.
pub(super) const ALL: &[Mutant] = &[
    // ---- the store ------------------------------------------------------------------------------
    seed(
        "a transaction is committed over what others have changed",
        "store/transaction.rs",
        Guard,
        "--test=store_model",
        (
            "if self.lost || !self.entries.iter().all(unchanged) {",
            "if self.lost {",
        ),
    ),
    seed(
        "a transaction that is given up is committed",
        "store/server/requests.rs",
        Guard,
        "--test=store_model",
        ("b\"F\" => false,", "b\"F\" => true,"),
    ),
    seed(
        "a transaction makes nodes of a domain that has ended",
        "store/transaction.rs",
        OneOwner,
        "--test=store",
        (
            "self.lost |= now.permissions.owner() == domain;",
            "self.lost |= false;",
        ),
    ),
    seed(
        "whom no entry names may do everything",
        "store/permissions.rs",
        Guard,
        "--lib",
        (
            ".unwrap_or(&self.0[0]).rights",
            ".map_or(Rights::BOTH, |entry| entry.rights)",
        ),
    ),
    seed(
        "a later domain of that number has the rights of the one before",
        "store/permissions.rs",
        Guard,
        "--lib",
        (
            "who.is(entry.domain) && !entry.stale;",
            "who.is(entry.domain);",
        ),
    ),
    seed(
        "a node's owner gives it to another",
        "store/view.rs",
        Guard,
        "--test=store_oracle",
        (
            "if !self.who.is_privileged() && permissions.owner() != node.permissions.owner() {",
            "if false && permissions.owner() != node.permissions.owner() {",
        ),
    ),
    seed(
        "a domain owns as many nodes as it likes",
        "store/view.rs",
        Bounded,
        "--test=store_clients",
        (
            "let fits = fits(now.nodes, growth.nodes, quotas.nodes)\n            && fits",
            "let fits = true\n            && fits",
        ),
    ),
    seed(
        "a domain has as many watches as it likes",
        "store/watch.rs",
        Bounded,
        "--test=store_clients",
        ("count.watches < quotas.watches && ", ""),
    ),
    seed(
        "a domain has as many transactions open as it likes",
        "store/server/requests.rs",
        Bounded,
        "--test=store_clients",
        (
            "if !who.is_privileged() && open >= self.quotas.transactions {",
            "if false && open >= self.quotas.transactions {",
        ),
    ),
    seed(
        "who watches a node is not told of those below it",
        "store/watch.rs",
        Guard,
        "--test=store_oracle",
        ("at = path.parent();", "at = None;"),
    ),
    seed(
        "who may not read a node is told that it changes",
        "store/server/mod.rs",
        Guard,
        "--test=store_oracle",
        (
            "if change.readers.iter().any(may_read) {",
            "if change.readers.iter().any(may_read) || true {",
        ),
    ),
    seed(
        "a guest that tells only of an empty ring is not heard to its end",
        "store/ring.rs",
        Guard,
        "--test=store",
        ("more = self.page.load_u32(REQ_PROD) != consumer;", ""),
    ),
    seed(
        "a guest's ring holds more than it is long",
        "store/ring.rs",
        Guard,
        "--test=store_clients",
        (
            "if used > XENSTORE_RING_SIZE {",
            "if used > usize::MAX / 2 {",
        ),
    ),
    seed(
        "the nodes of a domain outlive it",
        "store/server/domains.rs",
        FreeIsUnused,
        "--test=store",
        (
            "        self.tree.forget(domain);\n        self.remove_nodes(domain);",
            "        self.tree.forget(domain);",
        ),
    ),
    seed(
        "a request is done of which the next store knows nothing",
        "store/server/keep.rs",
        Guard,
        "--test=store_successor",
        (
            "        self.keep();\n        if let Some(connection) = self.connections.get_mut(&id)\n            && connection.send()",
            "        if let Some(connection) = self.connections.get_mut(&id)\n            && connection.send()",
        ),
    ),
    seed(
        "the next store gives again what was given",
        "store/connection.rs",
        Guard,
        "--test=store_successor",
        (
            "match talk.output.get(given..) {",
            "match talk.output.get(given * 0..) {",
        ),
    ),
    seed(
        "a transaction that the store before this one forgot is none",
        "store/connection.rs",
        Guard,
        "--test=store_successor",
        (
            "(1..=self.lost_transactions).contains(&transaction)",
            "(1..self.lost_transactions).contains(&transaction)",
        ),
    ),
    // ---- consoles -------------------------------------------------------------------------------
    seed(
        "a console's ring holds more than it is long",
        "console/ring.rs",
        Guard,
        "--test=console",
        ("if used > OUT_SIZE {", "if used > u32::MAX - 1 {"),
    ),
    seed(
        "the log is not bounded",
        "console/log.rs",
        Bounded,
        "--test=console",
        ("self.bytes.drain(..old);", "self.bytes.drain(..0);"),
    ),
    seed(
        "a guest that dies has its last words unheard",
        "console/service.rs",
        Guard,
        "--test=consoles",
        (
            "for domain in gone {\n            self.drain(domain);",
            "for domain in gone {",
        ),
    ),
    seed(
        "one who hears all guests hears the first piece of each",
        "console/client.rs",
        Guard,
        "--test=consoles",
        (
            "// There may be more.\n                self.heard.due.insert(domain);",
            "// There may be more.",
        ),
    ),
    // ---- kernels and configurations -------------------------------------------------------------
    seed(
        "one segment is loaded over another",
        "image/pv.rs",
        OneOwner,
        "--test=image",
        ("if end > pair[1].offset {", "if end > u64::MAX - 1 {"),
    ),
    seed(
        "a segment has more in the file than in memory",
        "image/elf.rs",
        Guard,
        "--test=image",
        (
            "if header.p_filesz > header.p_memsz {",
            "if header.p_filesz > u64::MAX - 1 {",
        ),
    ),
    seed(
        "a kernel's pages reach into the hypervisor's range",
        "image/pv.rs",
        Guard,
        "--test=image",
        (
            "if end > HYPERVISOR_VIRT_START && address < HYPERVISOR_VIRT_END {",
            "if false && end > HYPERVISOR_VIRT_START && address < HYPERVISOR_VIRT_END {",
        ),
    ),
    seed(
        "a window takes any amount of memory",
        "image/unpack.rs",
        Bounded,
        "--test=unpack",
        (
            "const MAX_WINDOW: usize = 128 << 20;",
            "const MAX_WINDOW: usize = 1 << 40;",
        ),
    ),
    seed(
        "a number of a configuration is out of bounds",
        "config/keys.rs",
        Guard,
        "--test=config",
        (
            "if !(least..=most).contains(&value) {",
            "if !(least..=i64::MAX).contains(&value) {",
        ),
    ),
    seed(
        "an error in a configuration names the line before",
        "config/lexer.rs",
        Guard,
        "--test=config",
        (
            "line: self.position.line + 1,",
            "line: self.position.line.max(2),",
        ),
    ),
    // ---- domains --------------------------------------------------------------------------------
    seed(
        "a create that is killed is nobody's",
        "domains/mod.rs",
        FreeIsUnused,
        "--test=killed",
        (
            "Work::begin(&mut self.store, &handle, self.owner, \"making\", &config.name)?;",
            "",
        ),
    ),
    seed(
        "a destroy that is killed is nobody's",
        "domains/mod.rs",
        FreeIsUnused,
        "--test=killed",
        (
            "Work::begin(&mut self.store, &handle, self.owner, \"destroying\", &name)?;",
            "",
        ),
    ),
    seed(
        "what is cleaned up is taken off the list first",
        "domains/mod.rs",
        FreeIsUnused,
        "--test=killed",
        (
            "let domains = domains_with(hyper, &handle)?;\n",
            "Work::end(&mut self.store, &handle)?;\n            let domains: Vec<domid_t> = Vec::new();\n",
        ),
    ),
    seed(
        "the work of one that lives is cleaned up",
        "domains/mod.rs",
        Guard,
        "--test=killed",
        (
            "if work.owner == self.owner || is_alive(hyper, work.owner) {",
            "if work.owner == self.owner {",
        ),
    ),
    seed(
        "a device that is served is given to another back end",
        "domains/devices.rs",
        Guard,
        "--test=pci",
        (
            "Ok(hyper.domain_info(device.backend)?.is_some())",
            "Ok(hyper.domain_info(device.backend)?.is_none())",
        ),
    ),
    seed(
        "devices of a domain that is destroyed reach memory still",
        "domains/mod.rs",
        FreeIsUnused,
        "--test=pci",
        ("self.quiesce_pcis(hyper, domain)?;", ""),
    ),
    seed(
        "a device that goes leaves its rights",
        "domains/hot_plug.rs",
        Guard,
        "--test=pci",
        (
            "set_rights(hyper, domain, &device, Permission::Denied)?;",
            "let _ = (&device, Permission::Denied);",
        ),
    ),
    seed(
        "a device that goes takes the line of another with it",
        "domains/hot_plug.rs",
        Guard,
        "--test=pci",
        ("device.line.filter(|_| !is_shared)", "device.line"),
    ),
    seed(
        "a device that comes is reached before it is the domain's",
        "domains/hot_plug.rs",
        Guard,
        "--test=pci",
        (
            "let back = change.device.back();\n        let path = format!(\"{back}/num_devs\");",
            "permit(hyper, change.device.domain, &placed)?;\n        let back = change.device.back();\n        let path = format!(\"{back}/num_devs\");",
        ),
    ),
    seed(
        "a device that was taken reaches memory again",
        "pci/serve.rs",
        Guard,
        "--test=pciback",
        (
            "entry.at == at && entry.state == XenbusStateInitialised",
            "entry.at == at",
        ),
    ),
    seed(
        "a device that went is another's and the domain's",
        "pci/mod.rs",
        OneOwner,
        "--test=pciback",
        (
            "self.slots.retain(|_, given| is_listed(given.at));",
            "self.slots.retain(|_, given| is_listed(given.at) || true);",
        ),
    ),
    seed(
        "devices are moved when one before them goes",
        "pci/slots.rs",
        Guard,
        "--test=pciback",
        ("known.filter(is_free).or_else(free)", "free().or(known)"),
    ),
];
