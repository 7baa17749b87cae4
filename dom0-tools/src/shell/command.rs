//! The command table: names, usage, dispatch.

use alloc::format;
use alloc::string::String;

use super::host::Host;
use super::{
    Shell, attach, block, builtin, cycles, deaths, demo, guests, lifecycle, list, many, network,
    pci, sched, top, vcpus,
};
use crate::error::Error;

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// It was called wrongly: its usage is shown.
    Usage,
    /// It was refused or failed.
    Error(Error),
    /// It ended with a status and has said why itself.
    Status(i64),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Error(error.into())
    }
}

impl Failure {
    /// A refusal in words.
    pub fn refused(reason: impl Into<String>) -> Self {
        Failure::Error(Error::Refused(reason.into()))
    }
}

/// The result of a command.
pub(super) type Outcome = Result<(), Failure>;

/// A command.
pub(super) struct Command<S: Host> {
    /// Its name, after `xl` for the toolstack's.
    pub(super) name: &'static str,
    /// Its arguments.
    pub(super) arguments: &'static str,
    /// What it does, in one line.
    pub(super) summary: &'static str,
    /// How it is typically used.
    pub(super) example: &'static str,
    /// What runs.
    pub(super) run: fn(&mut Shell<S>, &[&str]) -> Outcome,
}

macro_rules! commands {
    ($($name:literal $arguments:literal $summary:literal $example:literal => $run:path;)*) => {
        &[$(Command {
            name: $name, arguments: $arguments, summary: $summary, example: $example, run: $run,
        }),*]
    };
}

/// Commands of `xl`.
pub(super) fn xl_commands<S: Host>() -> &'static [Command<S>] {
    commands! {
        "list" "[-l|--json] [NAME...]"
            "show domains (-l: what they were made from; both as JSON)" "xl list -l guest1"
            => list::list;
        "info" "" "show the machine and the hypervisor" "xl info" => list::info;
        "domid" "NAME" "show a domain's id" "xl domid guest1" => list::domid;
        "domname" "ID" "show a domain's name" "xl domname 1" => list::domname;
        "rename" "NAME NEW-NAME" "give a domain another name" "xl rename guest1 web"
            => list::rename;
        "uptime" "[-s] [NAME...]" "show how long domains have run (-s in one line each)"
            "xl uptime -s" => list::uptime;
        "top" "[-b] [-f] [-d SECONDS] [-i ROUNDS]"
            "show what domains use, until q or so often (-b one table below the other, -f whole names); \
             EVT/s is what a domain's kernel says of itself"
            "xl top -b -d 1 -i 5" => top::top;
        "vcpu-list" "[NAME...]" "show vCPUs: state, CPU time, hard and soft affinity"
            "xl vcpu-list guest1" => vcpus::list;
        "vcpu-pin" "[-f] NAME VCPU|all CPUS|- [SOFT CPUS|-]"
            "say where vCPUs may run and had better run (-: as before; -f: whatever the domain asked for)"
            "xl vcpu-pin guest1 all 0-3,^1 2" => vcpus::pin;
        "vcpu-set" "[-i] NAME COUNT"
            "have a domain use so many vCPUs (-i: also more than the machine has CPUs)"
            "xl vcpu-set guest1 2" => vcpus::set;
        "dmesg" "[-c]" "show (and clear) the hypervisor's log" "xl dmesg" => list::dmesg;
        "debug-keys" "KEYS" "press keys at the hypervisor's console" "xl debug-keys h"
            => list::debug_keys;
        "create" "[-p] [-n] [-c] NAME|FILE [KEY=VALUE...]"
            "build and start a domain (-p paused, -n only check, -c with its console)"
            "xl create guest1 memory=24" => lifecycle::create;
        "pause" "NAME" "stop a domain's vCPUs" "xl pause guest1" => lifecycle::pause;
        "unpause" "NAME" "let them run again" "xl unpause guest1" => lifecycle::unpause;
        "destroy" "NAME" "end a domain at once and free all it has" "xl destroy guest1"
            => lifecycle::destroy;
        "shutdown" "[-w] NAME|-a" "ask a domain, or all, to power off (-w and wait)"
            "xl shutdown -w guest1" => guests::shutdown;
        "reboot" "[-w] NAME|-a" "ask a domain, or all, to reboot (-w and wait for the end)"
            "xl reboot guest1" => guests::reboot;
        "mem-set" "NAME SIZE" "have a domain grow or shrink to SIZE MiB (or with k, m, g)"
            "xl mem-set guest1 16" => guests::mem_set;
        "mem-max" "NAME SIZE" "set how far a domain may grow, in MiB (or with k, m, g)"
            "xl mem-max guest1 32" => guests::mem_max;
        "sched-credit2" "[-p POOL] [-d NAME [-w WEIGHT] [-c CAP]] | -s [-r MICROSECONDS]"
            "show or set weights and caps (percent of a CPU, 0 for none); -s the scheduler's rate limit"
            "xl sched-credit2 -d guest1 -w 512" => sched::credit2;
        "block-attach" "NAME DISK..."
            "give a domain another disk, as `disk` of a configuration says it"
            "xl block-attach guest1 /store/disk.img,raw,xvdb,ro" => block::attach;
        "block-detach" "NAME NUMBER|VDEV" "take a disk from a domain" "xl block-detach guest1 xvdb"
            => block::detach;
        "block-list" "NAME..." "show the disks of domains" "xl block-list guest1" => block::list;
        "network-attach" "NAME [mac=MAC] [bridge=BRIDGE] [backend=DOMAIN] [rate=RATE]..."
            "give a domain another network interface" "xl network-attach guest1 bridge=xenbr0"
            => network::attach;
        "network-detach" "NAME NUMBER|MAC" "take a network interface from a domain"
            "xl network-detach guest1 0" => network::detach;
        "network-list" "NAME..." "show the network interfaces of domains" "xl network-list guest1"
            => network::list;
        "pci-assignable-add" "DEVICE" "have a PCI device be given to domains, if no driver of dom0 has it"
            "xl pci-assignable-add 00:04.0" => pci::assignable_add;
        "pci-assignable-remove" "DEVICE" "have it be dom0's own again"
            "xl pci-assignable-remove 00:04.0" => pci::assignable_remove;
        "pci-assignable-list" "" "show PCI devices that can be given to domains"
            "xl pci-assignable-list" => pci::assignable_list;
        "pci-attach" "NAME DEVICE" "give a running domain another PCI device that is assignable"
            "xl pci-attach guest1 00:04.0" => pci::attach;
        "pci-detach" "[-f] NAME DEVICE"
            "take a PCI device from a running domain that lets go of it (-f: whatever the domain does)"
            "xl pci-detach guest1 00:04.0" => pci::detach;
        "pci-list" "NAME" "show the PCI devices of a domain" "xl pci-list guest1" => pci::list;
        "console" "[-l] NAME" "use a domain's console, leave with ^] (-l: only show its log)"
            "xl console guest1" => attach::console;
        "quiet" "[on|off]" "keep guest output off this terminal" "xl quiet" => attach::quiet;
        "ping" "NAME [COUNT]" "have a domain send events to dom0 and answer them"
            "xl ping guest1 5" => demo::ping;
        "checksum" "NAME" "have a domain checksum its memory" "xl checksum guest1"
            => demo::checksum;
        "balloon-test" "NAME [CYCLES]" "shrink and regrow a domain while it checks its memory"
            "xl balloon-test guest1" => demo::balloon_test;
        "crash-test" "NAME|FILE CYCLES"
            "make, start, crash and destroy a domain over and over, and see that everything comes back"
            "xl crash-test cycle 12" => cycles::crash_test;
        "death-test" "NAME|FILE COUNT [FIRST]"
            "have domains die amid transfers of a disk and of a network interface, and see that everything comes back"
            "xl death-test /store/dying.cfg 30" => deaths::death_test;
        "many-test" "NAME|FILE COUNT"
            "have so many domains at once, check and balloon each, and see what one costs"
            "xl many-test many 100" => many::many_test;
        "status" "NAME" "show what a domain's kernel says of itself" "xl status guest1"
            => demo::status;
        "crash" "NAME" "have a domain's kernel crash on purpose" "xl crash guest2" => demo::crash;
        "help" "[COMMAND]" "show this, or one command's usage" "xl help create" => builtin::xl_help;
    }
}

/// Commands of the shell itself.
pub(super) fn shell_commands<S: Host>() -> &'static [Command<S>] {
    commands! {
        "xl" "COMMAND..." "manage domains" "xl help" => builtin::xl;
        "demo" "[NAME NAME]" "show the whole of it with two running guests" "demo guest1 guest2"
            => demo::demo;
        "run" "PROGRAM [ARGUMENT...]" "run a program and wait for it" "run /bin/hello"
            => builtin::run;
        "script" "FILE" "run the lines of a file until one fails" "script /etc/script"
            => builtin::script;
        "ls" "[PREFIX]" "list files" "ls /etc" => builtin::ls;
        "cat" "FILE" "show a file" "cat /etc/xen/guest1.cfg" => builtin::cat;
        "echo" "[TEXT...]" "print text" "echo hello" => builtin::echo;
        "sleep" "SECONDS" "wait (fractions allowed)" "sleep 0.5" => builtin::sleep;
        "expect" "NAME SECONDS TEXT..." "wait until a domain's console has said TEXT"
            "expect guest1 60 all is well" => attach::expect;
        "help" "" "show this" "help" => builtin::help;
        "exit" "[STATUS]" "leave the shell or the script" "exit 0" => builtin::exit;
        "poweroff" "" "end the machine" "poweroff" => builtin::poweroff;
    }
}

impl<S: Host> Shell<S> {
    /// Runs a command given as words and returns its status.
    pub fn execute(&mut self, words: &[&str]) -> i64 {
        let Some((name, arguments)) = words.split_first() else {
            return 0;
        };
        match shell_commands::<S>()
            .iter()
            .find(|command| command.name == *name)
        {
            Some(command) => self.run_command(command, "", arguments),
            None => {
                self.print(&format!("{name}: no such command (try `help`)\n"));
                127
            }
        }
    }

    pub(super) fn run_command(&mut self, command: &Command<S>, prefix: &str, args: &[&str]) -> i64 {
        let name = format!("{prefix}{}", command.name);
        match (command.run)(self, args) {
            Ok(()) => 0,
            Err(Failure::Status(status)) => status,
            Err(Failure::Error(error)) => {
                self.print(&format!("{name}: {error}\n"));
                1
            }
            Err(Failure::Usage) => {
                let Command {
                    arguments,
                    summary,
                    example,
                    ..
                } = command;
                self.print(&format!(
                    "usage: {name} {arguments}\n  {summary}\n  example: {example}\n"
                ));
                2
            }
        }
    }
}
