//! What has moved, as numbers that only grow: whoever shows something asks whether it must be shown anew.
//!
//! A part of the process counts on where it changes something, at the cost of one addition; nobody is woken, nothing is
//! written, and the numbers mean nothing but that they differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One number; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// Something changed.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How often something changed.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The numbers of all parts; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Pulses {
    /// Alerts began, went on to another state, or ended; somebody was told of them, or was not.
    pub alerts: Pulse,
    /// A group was evaluated or replaced.
    pub rules: Pulse,
    /// A target was scraped.
    pub targets: Pulse,
    /// Silences and acks changed.
    pub silences: Pulse,
    /// A notification was delivered, or failed; the configuration was loaded anew.
    pub status: Pulse,
}
