//! Real programs of others. Where one is not installed, the test says so by name and passes; where the environment says
//! `OUTRIGGER_REQUIRE_PEERS=1` it fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where a program is, found along `PATH`.
#[expect(
    clippy::disallowed_methods,
    reason = "a test finds its peers as a shell does"
)]
pub(crate) fn peer(test: &str, program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file());
    if found.is_none() {
        absent(test, &format!("{program} is not installed"));
    }
    found
}

/// Says that a test, or a part of it, did not run.
#[expect(
    clippy::disallowed_methods,
    reason = "the pipeline says here that nothing may be left out"
)]
pub(crate) fn absent(test: &str, why: &str) {
    let required = std::env::var_os("OUTRIGGER_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "{test}: {why}, and OUTRIGGER_REQUIRE_PEERS=1");
    eprintln!("{test}: NOT RUN: {why}");
}

/// Runs a program to its end and expects success; returns what it wrote.
#[track_caller]
pub(crate) fn succeed(program: &Path, arguments: &[&str], directory: &Path) -> String {
    let output = run(program, arguments, directory);
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success(),
        "{} {arguments:?}: {}\n{text}",
        program.display(),
        output.status
    );
    text
}

/// Runs a program to its end.
pub(crate) fn run(program: &Path, arguments: &[&str], directory: &Path) -> Output {
    let started = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .output();
    started.unwrap_or_else(|error| panic!("start {}: {error}", program.display()))
}
