//! A real Redis.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use super::outrigger::free_port;
use super::peers::peer;
use super::place::Place;
use super::process::Process;
use super::wait::{PATIENCE, wait_until};

/// A Redis that keeps nothing on the disk.
#[derive(Debug)]
pub(crate) struct Redis {
    program: PathBuf,
    place: Place,
    port: u16,
    process: Process,
}

impl Redis {
    /// Starts it on a free port; `None`, and said so, where it is not installed.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let program = peer(test, "redis-server")?;
        let (place, port) = (Place::new(), free_port());
        let process = launch(&program, place.path(), port);
        let redis = Self {
            program,
            place,
            port,
            process,
        };
        redis.wait();
        Some(redis)
    }

    /// Its address as settings write it.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, empty, on the port that it had.
    pub(crate) fn start_again(&mut self) {
        self.process = launch(&self.program, self.place.path(), self.port);
        self.wait();
    }

    /// It takes connections and answers nothing, until it is [woken](Self::wake).
    pub(crate) fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// It answers again.
    pub(crate) fn wake(&self) {
        self.process.signal(Signal::CONT);
    }

    fn wait(&self) {
        let address = format!("127.0.0.1:{}", self.port);
        wait_until("Redis to listen", PATIENCE, || {
            std::net::TcpStream::connect(&address).is_ok()
        });
    }
}

fn launch(program: &Path, directory: &Path, port: u16) -> Process {
    let mut command = Command::new(program);
    command.current_dir(directory);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
    command.args(["--save", "", "--appendonly", "no"]);
    Process::start("redis", directory, &mut command)
}
