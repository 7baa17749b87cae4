//! That nothing is left out of the sweeps: every hypercall of the dispatcher's table, and every
//! command of those that have commands, is an operation of [`all`](super::all).

use std::collections::BTreeSet;

use hypercall_abi::platform::*;
use hypercall_abi::xen::*;
use hypervisor_core::hypercall::dispatch::TABLE;
use zerocopy::FromZeros;

use super::operations::{domctl, sysctl};
use super::world::{ARGS, Call, Caller, Way, World};
use super::{all, prepared};

/// What a command of a call that knows it not gives.
const UNKNOWN: [i64; 2] = [-38, -95];
/// Commands are looked for below this; memory_op has its own progress in the bits above.
const COMMANDS: u32 = 64;
/// And those of the toolstack's calls below this.
const TOOLSTACK_COMMANDS: u32 = 128;

/// Calls whose command is their first argument.
const BY_ARGUMENT: [u64; 9] = [
    __HYPERVISOR_memory_op,
    __HYPERVISOR_xen_version,
    __HYPERVISOR_console_io,
    __HYPERVISOR_grant_table_op,
    __HYPERVISOR_vcpu_op,
    __HYPERVISOR_sched_op,
    __HYPERVISOR_callback_op,
    __HYPERVISOR_event_channel_op,
    __HYPERVISOR_physdev_op,
];
/// And those where a structure begins with it.
const BY_STRUCTURE: [u64; 3] = [
    __HYPERVISOR_platform_op,
    __HYPERVISOR_sysctl,
    __HYPERVISOR_domctl,
];

/// Which command of its call it is; 0 where there are no commands.
fn command(w: &World, (number, args): Call) -> u32 {
    if BY_ARGUMENT.contains(&number) {
        return args[0] as u32;
    }
    if !BY_STRUCTURE.contains(&number) {
        return 0;
    }
    let mut bytes = [0; 4];
    let at = args[0] - ARGS;
    w.hv.machine.read_window(at as usize, &mut bytes);
    u32::from_le_bytes(bytes)
}

/// A call of this command with arguments that are there, and zero.
fn probe(w: &mut World, number: u64, command: u32) -> Call {
    if number == __HYPERVISOR_platform_op {
        let mut op = xen_platform_op::new_zeroed();
        (op.cmd, op.interface_version) = (command, XENPF_INTERFACE_VERSION);
        return (number, [w.put(&op), 0, 0, 0, 0, 0]);
    }
    if number == __HYPERVISOR_sysctl {
        return sysctl(w, command, 0_u64);
    }
    if number == __HYPERVISOR_domctl {
        return domctl(w, command, 0_u64);
    }
    let at = w.put(&[0_u64; 64]);
    // What is no address is a count of one, the first vCPU, or no bytes.
    let (second, third) = match number {
        n if n == __HYPERVISOR_grant_table_op => (at, 1),
        n if n == __HYPERVISOR_console_io || n == __HYPERVISOR_vcpu_op => (0, at),
        _ => (at, 0),
    };
    (number, [command.into(), second, third, 0, 0, 0])
}

fn is_known(number: u64, command: u32) -> bool {
    let mut w = World::new();
    let call = probe(&mut w, number, command);
    w.deliver();
    !UNKNOWN.contains(&w.run(Caller::Dom0, call))
}

#[test]
fn nothing_is_left_out() {
    let mut there = BTreeSet::new();
    for operation in all() {
        let (w, way) = prepared(operation);
        if let Way::Call(call) = way {
            there.insert((call.0, command(&w, call)));
        }
    }
    let mut missing = Vec::new();
    for row in TABLE {
        let commands = match row.nr {
            nr if BY_ARGUMENT.contains(&nr) => COMMANDS,
            nr if BY_STRUCTURE.contains(&nr) => TOOLSTACK_COMMANDS,
            _ => 1,
        };
        for command in 0..commands {
            if !there.contains(&(row.nr, command)) && (commands == 1 || is_known(row.nr, command)) {
                missing.push(format!("{} {command}", row.name));
            }
        }
    }
    assert!(missing.is_empty(), "no operation for {missing:#?}");
}
