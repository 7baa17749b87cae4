//! A session at the shell over the fake machine: lines in, status and output out.

use dom0_tools::shell::Shell;

use super::terminal::Terminal;

pub type TestShell = Shell<Terminal>;

pub fn shell() -> TestShell {
    Shell::new(Terminal::new())
}

/// Runs a line; returns status and output.
pub fn run(shell: &mut TestShell, line: &str) -> (i64, String) {
    shell.system().output.clear();
    let status = shell.run_line(line);
    (status, shell.system().output.clone())
}

#[track_caller]
pub fn ok(shell: &mut TestShell, line: &str) -> String {
    let (status, output) = run(shell, line);
    assert_eq!(status, 0, "{line}: {output}");
    output
}

#[track_caller]
pub fn fails(shell: &mut TestShell, line: &str, status: i64, part: &str) {
    let (found, output) = run(shell, line);
    assert_eq!(found, status, "{line}: {output}");
    assert!(
        output.contains(part),
        "{line}: `{output}` does not contain `{part}`"
    );
}
