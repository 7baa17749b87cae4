//! The operations, as people think of them, and the measurements that belong to each: by one
//! hypercall, by many in one, and by the instruction that a kernel on the bare machine would use,
//! which traps.

use super::results::{Cost, Results, Side};

/// How an operation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One hypercall.
    Paravirtual,
    /// One of many in one hypercall.
    Batched,
    /// The privileged instruction, or the store into a page table.
    Trapped,
    /// What the processor does where there is no hypervisor.
    Native,
    /// A whole program, on a kernel of the side's.
    Program,
    /// From a guest's process to a service in dom0, and back.
    EndToEnd,
}

impl Way {
    /// Whether all instructions are what is counted, and not only those of the hypervisor.
    #[must_use]
    pub const fn counts_all(self) -> bool {
        matches!(self, Self::Native | Self::Program | Self::EndToEnd)
    }

    /// Whether a measurement of this way is there on a side.
    #[must_use]
    pub fn is_on(self, side: Side) -> bool {
        match self {
            Self::Program => true,
            Self::Native => side == Side::Native,
            _ => side != Side::Native,
        }
    }

    /// As people read it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Paravirtual => "PV",
            Self::Batched => "PV, batched",
            Self::Trapped => "trapped",
            Self::Native => "native",
            Self::Program => "program",
            Self::EndToEnd => "end to end",
        }
    }
}

/// An operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What it is.
    pub title: &'static str,
    /// The measurement's name for each way that there is.
    pub ways: &'static [(Way, &'static str)],
}

/// Operations of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The kind.
    pub title: &'static str,
    /// What there is.
    pub operations: &'static [Operation],
}

impl Operation {
    /// The cost of doing it in one way on one side.
    #[must_use]
    pub fn cost(self, results: &Results, side: Side, way: Way) -> Option<&Cost> {
        let (_, name) = self.ways.iter().find(|(known, _)| *known == way)?;
        results.cost(side, name)
    }
}

use Way::{Batched, EndToEnd, Native, Paravirtual, Program, Trapped};

const fn operation(title: &'static str, ways: &'static [(Way, &'static str)]) -> Operation {
    Operation { title, ways }
}

/// All.
pub const GROUPS: &[Group] = &[
    Group {
        title: "Entering",
        operations: &[
            operation(
                "null hypercall",
                &[
                    (Paravirtual, "null_hypercall"),
                    (Batched, "multicall_32_per_entry"),
                ],
            ),
            operation("unknown hypercall", &[(Paravirtual, "unknown_hypercall")]),
            operation("multicall of one", &[(Paravirtual, "multicall_1")]),
            operation("features asked for", &[(Paravirtual, "get_features")]),
        ],
    },
    Group {
        title: "Page tables",
        operations: &[
            operation(
                "entry: another frame",
                &[
                    (Paravirtual, "mmu_update_1_frame"),
                    (Batched, "mmu_update_32_frame_per_entry"),
                    (Trapped, "table_store_frame"),
                    (Native, "native_store_frame"),
                ],
            ),
            operation(
                "entry: other rights",
                &[
                    (Paravirtual, "mmu_update_1_rights"),
                    (Batched, "mmu_update_32_rights_per_entry"),
                    (Trapped, "table_store_rights"),
                    (Native, "native_store_rights"),
                ],
            ),
            operation(
                "entry: a bit of the guest's",
                &[
                    (Paravirtual, "mmu_update_1_available"),
                    (Batched, "mmu_update_32_available_per_entry"),
                    (Trapped, "table_store_available"),
                    (Native, "native_store_available"),
                ],
            ),
            operation(
                "entry: present, absent",
                &[
                    (Paravirtual, "mmu_update_1_present"),
                    (Batched, "mmu_update_32_present_per_entry"),
                    (Trapped, "table_store_present"),
                    (Native, "native_store_present"),
                ],
            ),
            operation(
                "mapping at an address",
                &[
                    (Paravirtual, "update_va_mapping_none"),
                    (Native, "native_mapping"),
                ],
            ),
            operation(
                "the same with INVLPG",
                &[
                    (Paravirtual, "update_va_mapping_invlpg"),
                    (Native, "native_mapping_invlpg"),
                ],
            ),
            operation(
                "the same with INVLPG everywhere",
                &[(Paravirtual, "update_va_mapping_invlpg_all")],
            ),
            operation(
                "the same with a TLB flush",
                &[
                    (Paravirtual, "update_va_mapping_flush"),
                    (Native, "native_mapping_flush"),
                ],
            ),
            operation(
                "TLB flush, local",
                &[
                    (Paravirtual, "tlb_flush_local"),
                    (Native, "native_tlb_flush"),
                ],
            ),
            operation("TLB flush, all", &[(Paravirtual, "tlb_flush_all")]),
            operation(
                "INVLPG, local",
                &[(Paravirtual, "invlpg_local"), (Native, "native_invlpg")],
            ),
            operation("INVLPG, all", &[(Paravirtual, "invlpg_all")]),
            operation(
                "pin and unpin, empty L1",
                &[(Paravirtual, "pin_unpin_l1_empty")],
            ),
            operation(
                "pin and unpin, L1 of 512",
                &[(Paravirtual, "pin_unpin_l1_512")],
            ),
        ],
    },
    Group {
        title: "Address spaces and switches",
        operations: &[
            operation(
                "root loaded, the same",
                &[
                    (Paravirtual, "new_baseptr_same"),
                    (Trapped, "mov_to_cr3_same"),
                    (Native, "native_root_same"),
                ],
            ),
            operation(
                "root loaded, another",
                &[
                    (Paravirtual, "new_baseptr_other"),
                    (Trapped, "mov_to_cr3_other"),
                    (Native, "native_root_other"),
                ],
            ),
            operation(
                "root of processes",
                &[(Paravirtual, "new_user_baseptr_other")],
            ),
            operation(
                "context switch",
                &[(Paravirtual, "context_switch"), (Native, "native_switch")],
            ),
            operation(
                "kernel stack named",
                &[(Paravirtual, "stack_switch"), (Native, "native_stack")],
            ),
            operation(
                "FS base",
                &[
                    (Paravirtual, "set_segment_base"),
                    (Trapped, "wrmsr_fs_base"),
                    (Native, "native_wrmsr_fs_base"),
                ],
            ),
            operation(
                "descriptor",
                &[
                    (Paravirtual, "update_descriptor"),
                    (Native, "native_descriptor"),
                ],
            ),
            operation(
                "FPU denied, given",
                &[
                    (Paravirtual, "fpu_taskswitch"),
                    (Trapped, "clts"),
                    (Native, "native_clts"),
                ],
            ),
            operation(
                "FPU exchanged at first use",
                &[
                    (Paravirtual, "fpu_switch"),
                    (Trapped, "fpu_switch_trapped"),
                    (Native, "native_fpu_switch"),
                ],
            ),
        ],
    },
    Group {
        title: "Events, timers, scheduling",
        operations: &[
            operation(
                "event, pending already",
                &[(Paravirtual, "evtchn_send_pending")],
            ),
            operation("event, masked", &[(Paravirtual, "evtchn_send_masked")]),
            operation(
                "event, upcalls masked",
                &[(Paravirtual, "evtchn_send_upcall_masked")],
            ),
            operation(
                "event, delivered and back",
                &[
                    (Paravirtual, "evtchn_send_upcall_and_iret"),
                    (Native, "native_interrupt_self"),
                ],
            ),
            operation(
                "event to another port, pending",
                &[(Paravirtual, "evtchn_send_pair_pending")],
            ),
            operation(
                "event to another port, masked",
                &[(Paravirtual, "evtchn_send_pair_masked")],
            ),
            operation("port unmasked", &[(Paravirtual, "evtchn_unmask")]),
            operation("port's status", &[(Paravirtual, "evtchn_status")]),
            operation("timer armed", &[(Paravirtual, "set_timer_op")]),
            operation(
                "one-shot timer armed",
                &[
                    (Paravirtual, "set_singleshot_timer"),
                    (Native, "native_timer"),
                ],
            ),
            operation(
                "one-shot timer stopped",
                &[
                    (Paravirtual, "stop_singleshot_timer"),
                    (Native, "native_timer_stopped"),
                ],
            ),
            operation(
                "timer armed, come, and back",
                &[
                    (Paravirtual, "timer_interrupt_and_iret"),
                    (Native, "native_timer_interrupt"),
                ],
            ),
            operation(
                "event to a vCPU that waits",
                &[(Paravirtual, "block_and_wake")],
            ),
            operation(
                "the same across processors",
                &[(Paravirtual, "wake_across"), (Native, "native_wake_across")],
            ),
            operation(
                "IPI to a vCPU that runs, and back",
                &[(Paravirtual, "ipi_and_iret"), (Native, "native_ipi")],
            ),
            operation("run states read", &[(Paravirtual, "get_runstate_info")]),
            operation("vCPU asked for", &[(Paravirtual, "vcpu_is_up")]),
            operation("yield", &[(Paravirtual, "yield")]),
            operation(
                "interrupts off",
                &[(Trapped, "cli"), (Native, "native_cli")],
            ),
            operation("interrupts on", &[(Trapped, "sti"), (Native, "native_sti")]),
        ],
    },
    Group {
        title: "Exceptions and system calls",
        operations: &[
            operation(
                "return alone",
                &[(Paravirtual, "iret"), (Native, "native_iret")],
            ),
            operation(
                "exception of the kernel and back",
                &[
                    (Paravirtual, "invalid_opcode_and_iret"),
                    (Native, "native_invalid_opcode"),
                ],
            ),
            operation(
                "page fault of the kernel and back",
                &[
                    (Paravirtual, "page_fault_and_iret"),
                    (Native, "native_page_fault"),
                ],
            ),
            operation(
                "page fault of a process and back",
                &[
                    (Paravirtual, "user_page_fault_and_iret"),
                    (Native, "native_user_page_fault"),
                ],
            ),
            operation(
                "system call of a process and back",
                &[
                    (Paravirtual, "user_syscall_and_iret"),
                    (Native, "native_user_syscall"),
                ],
            ),
        ],
    },
    Group {
        title: "Registers and ports",
        operations: &[
            operation(
                "CR0 read",
                &[(Trapped, "mov_from_cr0"), (Native, "native_mov_from_cr0")],
            ),
            operation(
                "CR3 read",
                &[(Trapped, "mov_from_cr3"), (Native, "native_mov_from_cr3")],
            ),
            operation(
                "CR4 written",
                &[
                    (Trapped, "mov_to_cr4_same"),
                    (Native, "native_mov_to_cr4_same"),
                ],
            ),
            operation(
                "MSR read",
                &[(Trapped, "rdmsr_efer"), (Native, "native_rdmsr")],
            ),
            operation(
                "debug register read",
                &[
                    (Paravirtual, "get_debugreg"),
                    (Trapped, "mov_from_dr7"),
                    (Native, "native_mov_from_dr7"),
                ],
            ),
            operation(
                "CPUID, forced",
                &[(Trapped, "forced_cpuid_0"), (Native, "native_cpuid_0")],
            ),
            operation(
                "CPUID of features, forced",
                &[(Trapped, "forced_cpuid_1"), (Native, "native_cpuid_1")],
            ),
            operation(
                "port written",
                &[(Trapped, "out_0x80"), (Native, "native_out_0x80")],
            ),
            operation(
                "port read",
                &[(Trapped, "in_0x80"), (Native, "native_in_0x80")],
            ),
        ],
    },
    Group {
        title: "Memory and grants",
        operations: &[
            operation(
                "page given up",
                &[
                    (Paravirtual, "decrease_1"),
                    (Batched, "decrease_64_per_page"),
                ],
            ),
            operation(
                "page taken back",
                &[
                    (Paravirtual, "populate_1"),
                    (Batched, "populate_64_per_page"),
                ],
            ),
            operation(
                "grant mapped",
                &[
                    (Paravirtual, "grant_map"),
                    (Batched, "grant_map_8_per_page"),
                ],
            ),
            operation(
                "grant unmapped",
                &[
                    (Paravirtual, "grant_unmap"),
                    (Batched, "grant_unmap_8_per_page"),
                ],
            ),
            operation("grant table's size", &[(Paravirtual, "grant_query_size")]),
            operation(
                "64 bytes copied",
                &[
                    (Paravirtual, "copy_64_bytes"),
                    (Native, "native_copy_64_bytes"),
                ],
            ),
            operation(
                "64 bytes copied from a grant",
                &[(Paravirtual, "copy_64_bytes_from_grant")],
            ),
            operation(
                "page copied from a grant",
                &[(Paravirtual, "copy_page_from_grant")],
            ),
            operation(
                "console byte",
                &[
                    (Paravirtual, "console_byte"),
                    (Native, "native_console_byte"),
                ],
            ),
        ],
    },
    Group {
        title: "Programs",
        operations: &[
            operation(
                "process started and ended",
                &[(Program, "process_started_and_ended")],
            ),
            operation(
                "process forked and ended",
                &[(Program, "process_forked_and_ended")],
            ),
            operation(
                "process forked, executed, ended",
                &[(Program, "process_forked_run_and_ended")],
            ),
            operation("system call served", &[(Program, "system_call")]),
            operation("4 KiB read from a file", &[(Program, "file_block")]),
            operation("4 KiB through a stream", &[(Program, "stream_block")]),
            operation("fresh page touched", &[(Program, "page_touched")]),
            operation("load of all of these", &[(Program, LOAD)]),
        ],
    },
    Group {
        title: "From end to end",
        operations: &[
            operation(
                "4 KiB read of a served file",
                &[(EndToEnd, "block_of_file")],
            ),
            operation("ping and its answer", &[(EndToEnd, "ping")]),
            operation("full frame of TCP", &[(EndToEnd, "tcp_frame")]),
        ],
    },
];

/// The whole load, for which paravirtual may take at most so many times what the bare machine takes.
pub const LOAD: &str = "load";

/// Measurements of the same operation with more and more of it in one call, for the plot of scaling:
/// what changes, and how many entries are in a call by which name.
pub const SCALING: &[(&str, &[(u32, &str)])] = &[
    (
        "another frame",
        &[
            (1, "mmu_update_1_frame"),
            (8, "mmu_update_8_frame_per_entry"),
            (32, "mmu_update_32_frame_per_entry"),
            (128, "mmu_update_128_frame_per_entry"),
        ],
    ),
    (
        "present, absent",
        &[
            (1, "mmu_update_1_present"),
            (8, "mmu_update_8_present_per_entry"),
            (32, "mmu_update_32_present_per_entry"),
            (128, "mmu_update_128_present_per_entry"),
        ],
    ),
    (
        "a bit of the guest's",
        &[
            (1, "mmu_update_1_available"),
            (8, "mmu_update_8_available_per_entry"),
            (32, "mmu_update_32_available_per_entry"),
            (128, "mmu_update_128_available_per_entry"),
        ],
    ),
];

/// All measurements that the operations name on a side.
pub fn names(side: Side) -> impl Iterator<Item = &'static str> {
    let ways = GROUPS.iter().flat_map(|group| group.operations);
    let ways = ways.flat_map(|operation| operation.ways.iter().copied());
    let points = SCALING.iter().flat_map(|(_, points)| points.iter());
    let points = points.map(|&(_, name)| (Way::Batched, name));
    let on = ways.chain(points).filter(move |(way, _)| way.is_on(side));
    on.map(|(_, name)| name)
}

/// What a program takes on Paravane by what it takes on the bare machine, all instructions counted.
#[must_use]
pub fn overhead(results: &Results, name: &str) -> Option<f64> {
    let native = results.cost(Side::Native, name)?.instructions();
    Some(results.cost(Side::Paravane, name)?.instructions() / native)
}

/// What a ceiling is of, rounded: an operation's instructions on Paravane, all where all are counted and
/// else the hypervisor's.
#[must_use]
pub fn for_ceiling(results: &Results, name: &str) -> Option<u64> {
    let cost = results.cost(Side::Paravane, name)?;
    let all = GROUPS.iter().flat_map(|group| group.operations);
    let way = all
        .flat_map(|operation| operation.ways)
        .find(|way| way.1 == name);
    let counted = match way.is_some_and(|(way, _)| way.counts_all()) {
        true => cost.instructions(),
        false => cost.hypervisor,
    };
    // Counted from outside, it may be one more than from inside.
    Some((counted - 1.0).ceil().max(0.0) as u64)
}

/// The geometric mean over all operations, done in one of some ways, of what they cost on Paravane by
/// what they cost on Xen, in the hypervisor's instructions; and which is the dearest by that measure.
#[must_use]
pub fn ratio(results: &Results, ways: &[Way]) -> Option<(f64, &'static str, f64)> {
    let operations = GROUPS.iter().flat_map(|group| group.operations);
    let named = operations.flat_map(|operation| operation.ways.iter());
    let ratios: Vec<(&str, f64)> = named
        .filter(|(way, _)| ways.contains(way))
        .filter_map(|&(_, name)| {
            let ours = results.cost(Side::Paravane, name)?.hypervisor;
            let theirs = results.cost(Side::Xen, name)?.hypervisor;
            (ours > 0.0 && theirs > 0.0).then_some((name, ours / theirs))
        })
        .collect();
    let &(worst, most) = ratios.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let mean = ratios.iter().map(|(_, ratio)| ratio.ln()).sum::<f64>() / ratios.len() as f64;
    Some((mean.exp(), worst, most))
}

#[cfg(test)]
mod tests {
    use super::super::results::samples;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_measurement_belongs_to_one_operation() {
        let of_operations = GROUPS.iter().flat_map(|group| group.operations);
        let mut seen = BTreeSet::new();
        for (_, name) in of_operations.flat_map(|operation| operation.ways) {
            assert!(seen.insert(name), "{name}");
        }
    }

    #[test]
    fn the_mean_is_geometric_and_the_dearest_is_named() {
        let mut results = samples::of(&[("null_hypercall", 10.0), ("yield", 10.0)]);
        let xen = results.sides.get_mut(&Side::Xen).unwrap();
        xen.get_mut("null_hypercall").unwrap().hypervisor = 10.0;
        xen.get_mut("yield").unwrap().hypervisor = 1000.0;
        let (mean, worst, most) = ratio(&results, &[Way::Paravirtual]).unwrap();
        assert!((mean - 0.1).abs() < 1e-9, "{mean}");
        assert_eq!((worst, most), ("null_hypercall", 1.0));
        assert!(ratio(&results, &[Way::Trapped]).is_none());
    }
}
