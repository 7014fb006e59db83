//! Unit tests of routing: alerts over time in, notifications and suppressions out.
//!
//! The tests run on the dispatcher that runs in production; its time is moved by hand, so that a day takes no longer
//! than a second. Receivers accept whatever they are sent, at once. The format is described in `docs/routing-tests.md`.

pub mod file;
mod report;
pub mod run;
#[cfg(test)]
mod tests;
