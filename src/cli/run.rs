//! `outrigger run`.

use std::thread;

use tokio::runtime::Runtime;

use crate::app::{self, Running};
use crate::clock::Clock;
use crate::config::{self, Sources};

use super::check::report;
use super::exit;
use super::terminal::complain;

/// Threads that run tasks, at most: on a big machine more would only keep memory.
const MAX_WORKERS: usize = 4;

/// What the main thread of a program has on Linux.
const STACK_BYTES: usize = 8 << 20;

pub(super) fn run(sources: Sources) -> u8 {
    // Reading the configuration and building every component takes more stack than all that follows. A thread's stack is
    // given back when it ends.
    let started = thread::scope(|scope| {
        thread::Builder::new()
            .name("start".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || start(sources))
            .map(thread::ScopedJoinHandle::join)
    });
    let (runtime, running) = match started {
        Ok(Ok(Ok(started))) => started,
        Ok(Ok(Err(code))) => return code,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(error) => {
            complain(&format!("start a thread: {error}\n"));
            return exit::FAILED;
        }
    };
    runtime.block_on(running.until_stopped());
    // What still blocks a thread was named by the drain: it does not hold up the end.
    runtime.shutdown_background();
    exit::OK
}

/// What runs, or the exit code after it was said what is wrong.
fn start(sources: Sources) -> Result<(Runtime, Running), u8> {
    // Nothing is opened before the whole configuration is known to be right.
    let config = config::load(&sources, Clock::system().now()).map_err(|mistakes| {
        report(&mistakes, &sources);
        exit::MISTAKES
    })?;
    let workers = thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_WORKERS));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .map_err(|error| {
            complain(&format!("start the runtime: {error}\n"));
            exit::FAILED
        })?;
    match runtime.block_on(app::start(config, sources)) {
        Ok(running) => Ok((runtime, running)),
        Err(error) => {
            complain(&format!("error: {error:#}\n"));
            runtime.shutdown_background();
            Err(exit::FAILED)
        }
    }
}
