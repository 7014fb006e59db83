//! `outrigger run`.

use std::thread::available_parallelism;

use crate::app;
use crate::clock::Clock;
use crate::config::{self, Sources};

use super::check::report;
use super::exit;
use super::terminal::complain;

/// Threads that run tasks, at most: on a big machine more would only keep memory.
const MAX_WORKERS: usize = 4;

pub(super) fn run(sources: Sources) -> u8 {
    // Nothing is opened before the whole configuration is known to be right.
    let config = match config::load(&sources, Clock::system().now()) {
        Ok(config) => config,
        Err(mistakes) => {
            report(&mistakes, &sources);
            return exit::MISTAKES;
        }
    };
    let workers = available_parallelism().map_or(1, |cores| cores.get().min(MAX_WORKERS));
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("start the runtime: {error}\n"));
            return exit::FAILED;
        }
    };
    let outcome = runtime.block_on(app::run(config, sources));
    // What still blocks a thread was named by the drain: it does not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => exit::OK,
        Err(error) => {
            complain(&format!("error: {error:#}\n"));
            exit::FAILED
        }
    }
}
