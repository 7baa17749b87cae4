//! `xl` in processes of their own, beside the shell: they see the same domains; and one that is
//! killed at any step of its work leaves nothing that the next command does not clean up.

mod fake;

use std::panic::{AssertUnwindSafe, catch_unwind};

use dom0_tools::hyper::DomctlExt;
use dom0_tools::shell::Shell;
use dom0_tools::store::Store;
use fake::session::{TestShell, ok, shell};

/// Runs a command of `xl` in a process of its own; its status and what it said.
fn xl(shell: &mut TestShell, process: u64, words: &[&str]) -> (i64, String) {
    let mut beside = Shell::new(shell.system().beside(process));
    let status = beside.run_single(words);
    let output = beside.system().output.clone();
    (status, output)
}

/// What there is in all: frames that are free, ports and nodes that are used.
fn books(shell: &mut TestShell) -> (usize, Vec<u32>, Vec<String>) {
    ok(shell, "sleep 0.1");
    let nodes = shell.system().world.nodes();
    let machine = shell.system().hyper.0.borrow();
    let ports = machine.ports.keys().copied().collect();
    (machine.free_frames(), ports, nodes)
}

#[test]
fn processes_see_the_same_domains() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1");
    let (status, list) = xl(&mut shell, 50, &["list"]);
    assert_eq!(status, 0, "{list}");
    assert!(list.contains("guest1  "), "{list}");
    let (status, said) = xl(&mut shell, 51, &["create", "guest2"]);
    assert_eq!((status, said.as_str()), (0, ""));
    let heard = ok(&mut shell, "sleep 0.1");
    assert!(heard.contains("[guest2] hello from the guest"), "{heard}");
    let (status, said) = xl(&mut shell, 52, &["ping", "guest2", "3"]);
    assert_eq!(status, 0, "{said}");
    // It is the shell that sees to the end.
    let (status, said) = xl(&mut shell, 53, &["crash", "guest1"]);
    assert_eq!(status, 0, "{said}");
    let heard = ok(&mut shell, "sleep 0.1");
    assert!(
        heard.contains("guest1 (domain 1) crashed: destroyed"),
        "{heard}"
    );
    let (status, said) = xl(&mut shell, 54, &["destroy", "guest2"]);
    assert_eq!((status, said.as_str()), (0, ""));
    assert!(!ok(&mut shell, "xl list").contains("guest2  "));
    let (status, said) = xl(&mut shell, 55, &["frobnicate"]);
    assert_eq!(status, 1);
    assert!(said.contains("no such command"), "{said}");
}

#[test]
fn a_name_whose_domain_others_have_destroyed_is_free() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1");
    ok(&mut shell, "xl destroy guest1");
    let before = books(&mut shell);
    ok(&mut shell, "xl create guest1");
    shell.system().hyper.destroy_domain(2).unwrap();
    let (status, said) = xl(&mut shell, 50, &["create", "guest1"]);
    assert_eq!(status, 0, "{said}");
    let told = "guest1 (domain 2) was destroyed by somebody else";
    assert!(said.starts_with(told), "{said}");
    assert!(!shell.system().world.nodes().contains(&"/libxl/2".into()));
    // One that is there keeps its name.
    let (status, said) = xl(&mut shell, 51, &["create", "guest1"]);
    assert_eq!(status, 1);
    assert!(said.contains("a domain named guest1 already"), "{said}");
    ok(&mut shell, "xl destroy guest1");
    assert_eq!(books(&mut shell), before);
}

#[test]
fn the_work_of_one_that_lives_is_left_to_it() {
    let mut shell = shell();
    ok(&mut shell, "xl create guest1");
    let world = shell.system().world.clone();
    let vm = world.client().read_text("/local/domain/1/vm").unwrap();
    let work = vm.replace("/vm/", "/libxl/work/");
    let mark = |owner: u64| {
        let text = format!("{owner} destroying guest1");
        world.client().write_text(&work, text).unwrap();
    };
    mark(60);
    assert!(ok(&mut shell, "xl list").contains("guest1  "));
    assert!(world.nodes().contains(&work));
    // Until it is no more.
    world.doom(60, 0);
    assert!(catch_unwind(AssertUnwindSafe(|| world.step(60))).is_err());
    let said = ok(&mut shell, "xl list");
    assert!(
        said.contains("process 60 ended while it was destroying"),
        "{said}"
    );
    assert!(!world.nodes().contains(&work) && !said.contains("guest1  "));
}

/// Kills `xl` at every `stride`th step of a command; the steps it takes when it is not killed.
fn kill_everywhere(words: &[&str], prepare: Option<&str>, stride: usize) -> (usize, usize) {
    let mut shell = shell();
    // Some nodes are made once for all domains.
    ok(&mut shell, "xl create guest1");
    ok(&mut shell, "xl destroy guest1");
    let before = books(&mut shell);
    let (mut kills, mut cleaned) = (0, 0);
    for (life, step) in (0..).step_by(stride).enumerate() {
        if let Some(line) = prepare {
            ok(&mut shell, line);
        }
        let process = 1000 + life as u64;
        shell.system().world.doom(process, step);
        let done = catch_unwind(AssertUnwindSafe(|| xl(&mut shell, process, words)));
        if let Ok((status, said)) = done {
            assert_eq!(status, 0, "{said}");
            println!("{words:?}: {kills} kills, {cleaned} of them to be cleaned up after");
            return (kills, cleaned);
        }
        kills += 1;
        let said = ok(&mut shell, "xl list");
        if said.contains(&format!("process {process} ended while it was ")) {
            cleaned += 1;
        }
        // Whatever was whole before or after is not touched.
        for name in ["guest1", "other"] {
            if said.contains(&format!("{name}  ")) {
                ok(&mut shell, &format!("xl destroy {name}"));
            }
        }
        assert_eq!(books(&mut shell), before, "step {step}: {said}");
    }
    unreachable!("it ends when nobody is killed")
}

#[test]
fn a_create_that_is_killed_leaves_nothing() {
    let (kills, cleaned) = kill_everywhere(&["create", "guest1", "memory=6"], None, 2);
    assert!(kills >= 40 && cleaned >= 35, "{kills} {cleaned}");
}

#[test]
fn a_destroy_that_is_killed_is_finished() {
    let prepare = "xl create guest1 memory=6";
    let (kills, cleaned) = kill_everywhere(&["destroy", "guest1"], Some(prepare), 1);
    assert!(kills >= 10 && cleaned >= 5, "{kills} {cleaned}");
}
