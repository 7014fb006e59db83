//! The program, started as a user starts it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::http::{self, Answer, encoded};
use super::process::Process;
use super::wait::{PATIENCE, wait_for, wait_until};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_outrigger");

/// A running Outrigger.
#[derive(Debug)]
pub(crate) struct Outrigger {
    process: Process,
    directory: PathBuf,
    arguments: Vec<String>,
    port: u16,
}

impl Outrigger {
    /// Starts it in a directory, on a free port, and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect();
        // Between our look and its start another process may take the port.
        for _ in 0..5 {
            let port = free_port();
            let process = launch(directory, &arguments, port);
            let mut outrigger = Self {
                process,
                directory: directory.to_owned(),
                arguments: arguments.clone(),
                port,
            };
            if outrigger.becomes_ready() {
                return outrigger;
            }
            let said = outrigger.process.stderr();
            assert!(said.contains("in use"), "it ended while starting:\n{said}");
        }
        panic!("no free port found");
    }

    /// Waits until it is ready; `false` where it ends instead.
    fn becomes_ready(&mut self) -> bool {
        let address = self.address();
        wait_for("outrigger to be ready", PATIENCE, || {
            if self.process.ended().is_some() {
                return Some(false);
            }
            http::get(&address, "/-/ready")
                .is_ok_and(|answer| answer.status == 200)
                .then_some(true)
        })
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `http://host:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The environment it began with: `NAME=value`.
    pub(crate) fn environment(&self) -> Vec<String> {
        self.process.environment()
    }

    /// What it logged so far, since its first start.
    pub(crate) fn log(&self) -> String {
        self.process.stderr()
    }

    /// What it printed so far, since its first start.
    pub(crate) fn printed(&self) -> String {
        self.process.stdout()
    }

    /// Asks with GET.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        http::get(&self.address(), path).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Asks with POST.
    #[track_caller]
    pub(crate) fn post(&self, path: &str) -> Answer {
        http::post(&self.address(), path, "").unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// `data` of an answer of the API, which must be a success.
    #[track_caller]
    pub(crate) fn data(&self, path: &str) -> Value {
        let mut json = self.get(path).json();
        assert_eq!(json["status"], "success", "GET {path}: {json}");
        json["data"].take()
    }

    /// The series of an instant query, with their values.
    #[track_caller]
    pub(crate) fn query(&self, expression: &str) -> Vec<(Value, f64)> {
        let data = self.data(&format!("/api/v1/query?query={}", encoded(expression)));
        let series = data["result"].as_array().expect("a list of series");
        let value = |series: &Value| {
            series["value"][1]
                .as_str()
                .and_then(|text| text.parse().ok())
                .expect("a value")
        };
        series
            .iter()
            .map(|series| (series["metric"].clone(), value(series)))
            .collect()
    }

    /// The value of an instant query that has one series; `None` where it has none.
    #[track_caller]
    pub(crate) fn value(&self, expression: &str) -> Option<f64> {
        let series = self.query(expression);
        assert!(
            series.len() < 2,
            "{expression} has more than one series: {series:?}"
        );
        series.first().map(|(_, value)| *value)
    }

    /// Waits until an instant query has one series with this value.
    #[track_caller]
    pub(crate) fn wait_for_value(&self, expression: &str, expected: f64) {
        let mut last = None;
        wait_for(&format!("{expression} to be {expected}"), PATIENCE, || {
            last = self.value(expression);
            (last == Some(expected)).then_some(())
        });
    }

    /// Pending and firing alerts of a name.
    #[track_caller]
    pub(crate) fn alerts(&self, name: &str) -> Vec<Value> {
        let mut data = self.data("/api/v1/alerts");
        let alerts = data["alerts"].as_array_mut().expect("a list of alerts");
        std::mem::take(alerts)
            .into_iter()
            .filter(|alert| alert["labels"]["alertname"] == name)
            .collect()
    }

    /// Waits until exactly one alert of a name is in this state, and returns it.
    #[track_caller]
    pub(crate) fn wait_for_alert(&self, name: &str, state: &str) -> Value {
        wait_for(&format!("{name} to be {state}"), PATIENCE, || {
            let alerts = self.alerts(name);
            alerts.into_iter().find(|alert| alert["state"] == state)
        })
    }

    /// Waits until no alert of a name is left.
    #[track_caller]
    pub(crate) fn wait_for_quiet(&self, name: &str) {
        wait_until(&format!("no {name} any more"), PATIENCE, || {
            self.alerts(name).is_empty()
        });
    }

    /// The target of an address, once it was scraped.
    #[track_caller]
    pub(crate) fn target(&self, instance: &str) -> Value {
        wait_for(&format!("a scrape of {instance}"), PATIENCE, || {
            let data = self.data("/api/v1/targets");
            let targets = data["activeTargets"].as_array().expect("a list of targets");
            let target = targets
                .iter()
                .find(|target| target["labels"]["instance"] == instance);
            target
                .filter(|target| target["health"] != "unknown")
                .cloned()
        })
    }

    /// A metric of its own, summed over all labels, read from `/metrics`.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").body;
        let of_it = |line: &&str| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '{']))
                && !line.starts_with('#')
        };
        let values: Vec<f64> = text
            .lines()
            .filter(of_it)
            .map(|line| {
                line.rsplit(' ')
                    .next()
                    .and_then(|value| value.parse().ok())
                    .expect("a value")
            })
            .collect();
        assert!(!values.is_empty(), "/metrics has no {name}:\n{text}");
        values.iter().sum()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Asks it to end, and waits for it.
    #[track_caller]
    pub(crate) fn terminate(&mut self, deadline: Duration) -> ExitStatus {
        self.end_by(Signal::TERM, deadline)
    }

    /// Sends a signal that ends it, and waits for it.
    #[track_caller]
    pub(crate) fn end_by(&mut self, signal: Signal, deadline: Duration) -> ExitStatus {
        self.process.signal(signal);
        self.process.wait(deadline)
    }

    /// Kills it as a crash would.
    pub(crate) fn kill_9(&mut self) {
        self.process.kill();
    }

    /// Starts it again after its end: same port, same arguments, same directory.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        self.process = launch(&self.directory, &self.arguments, self.port);
        assert!(
            self.becomes_ready(),
            "it ended while starting again:\n{}",
            self.log()
        );
    }
}

/// Runs a command of the binary to its end.
pub(crate) fn run_to_end(directory: &Path, arguments: &[&str]) -> Output {
    command(directory)
        .args(arguments)
        .output()
        .expect("start the binary")
}

/// Makes an account for each role, named for it, in `data` of the directory.
#[track_caller]
pub(crate) fn add_accounts(directory: &Path, roles: &[&str], password: &str) {
    std::fs::write(directory.join("password"), format!("{password}\n"))
        .expect("write the password");
    for role in roles {
        let email = format!("{role}@example.org");
        let arguments = [
            "user",
            "add",
            role,
            "--role",
            role,
            "--email",
            &email,
            "--password-file",
            "password",
        ];
        let made = run_to_end(directory, &arguments);
        assert!(made.status.success(), "{made:?}");
    }
}

/// Starts it without waiting for anything.
pub(crate) fn launch_only(directory: &Path, arguments: &[&str]) -> Process {
    let arguments: Vec<String> = arguments
        .iter()
        .map(|argument| (*argument).to_owned())
        .collect();
    launch(directory, &arguments, free_port())
}

/// Starts it on any free port, without waiting for anything.
pub(crate) fn launch_anywhere(directory: &Path) -> Process {
    launch(directory, &[], 0)
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener
        .local_addr()
        .expect("a listener has an address")
        .port()
}

fn launch(directory: &Path, arguments: &[String], port: u16) -> Process {
    let mut command = command(directory);
    command
        .args(arguments)
        .arg("--listen")
        .arg(format!("127.0.0.1:{port}"));
    Process::start("outrigger", directory, &mut command)
}

/// The binary, in an environment that says nothing about it.
fn command(directory: &Path) -> Command {
    let mut command = Command::new(BINARY);
    let path = path();
    command
        .current_dir(directory)
        .env_clear()
        .env("PATH", path)
        .env("RUST_BACKTRACE", "1");
    command
}

#[expect(
    clippy::disallowed_methods,
    reason = "the only variable that the program is to inherit"
)]
fn path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}
