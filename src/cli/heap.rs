//! One heap for all threads.
//!
//! glibc gives threads heaps of their own, and what is free in one is of no use to the others: a burst of alerts, which
//! passes through all threads, takes a third more memory than it holds. How many heaps there are is said by the environment
//! a program starts with, else only by a call that is not safe; so the program starts itself once more, as the same process.

use crate::config::overrides::Environment;

/// Starts the program anew with one heap, unless the environment chooses their number or has been given it here.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn share(environment: &Environment) {
    use std::os::unix::process::CommandExt;

    if environment.chooses_heaps {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut arguments = std::env::args_os();
    let mut command = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // Comes back only where it fails, such as after the file was replaced: many heaps will do.
    drop(command.args(arguments).env("MALLOC_ARENA_MAX", "1").exec());
}

/// Other allocators have no such heaps.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn share(_environment: &Environment) {}
