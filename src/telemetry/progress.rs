//! When a part of the process last got something done, for whoever watches that it does.
//!
//! Measured on the monotonic clock: a step of the wall clock is no standstill.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Stopwatch;

/// The last progress of one part; clones share it. A new one counts as having just progressed.
#[derive(Clone, Debug)]
pub struct Progress {
    since: Stopwatch,
    /// Milliseconds on the stopwatch.
    last: Arc<AtomicU64>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            since: Stopwatch::start(),
            last: Arc::default(),
        }
    }
}

impl Progress {
    /// Something was done just now.
    pub fn mark(&self) {
        self.last.store(self.elapsed(), Ordering::Relaxed);
    }

    /// How long ago something was done last.
    pub fn age(&self) -> Duration {
        let last = self.last.load(Ordering::Relaxed);
        Duration::from_millis(self.elapsed().saturating_sub(last))
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
