//! What Outrigger says about itself: logs, traces and its own metrics.
//!
//! A component registers its own metrics; this module holds only what belongs to the process as a whole. No module
//! above asks where logs and spans go.

pub mod logs;
pub mod metrics;
pub mod progress;
pub mod pulse;
pub mod traces;
