//! A program that a test started: its output is kept, it ends with the test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::wait::wait_for;

/// A running program. Dropping it kills it; where the test fails its output is shown.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
    output: PathBuf,
    errors: PathBuf,
}

impl Process {
    /// Starts a program; its output goes to files in `directory`, added to what is there.
    pub(crate) fn start(name: &str, directory: &Path, command: &mut Command) -> Self {
        let output = directory.join(format!("{name}.stdout"));
        let errors = directory.join(format!("{name}.stderr"));
        let append = |path: &Path| {
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .expect("open output file")
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(append(&output))
            .stderr(append(&errors))
            .spawn()
            .unwrap_or_else(|error| panic!("start {name}: {error}"));
        Self {
            child,
            name: name.to_owned(),
            output,
            errors,
        }
    }

    /// What it wrote to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.errors).unwrap_or_default()).into_owned()
    }

    /// The environment it began with: `NAME=value`.
    pub(crate) fn environment(&self) -> Vec<String> {
        let path = format!("/proc/{}/environ", self.child.id());
        let text = std::fs::read_to_string(path).expect("read the environment of a child");
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process has an id");
        kill_process(id, signal)
            .unwrap_or_else(|error| panic!("send {signal:?} to {}: {error}", self.name));
    }

    /// How it ended, where it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("ask for a child of ours")
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self, deadline: Duration) -> ExitStatus {
        wait_for(&format!("the end of {}", self.name), deadline, || {
            self.child.try_wait().expect("ask for a child")
        })
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("kill a child of ours");
        self.child.wait().expect("wait for a child of ours");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
        if std::thread::panicking() {
            for (stream, text) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
                let lines: Vec<&str> = text.lines().collect();
                let tail = &lines[lines.len().saturating_sub(200)..];
                eprintln!("---- {} of {} ----\n{}", stream, self.name, tail.join("\n"));
            }
        }
    }
}
