//! Unit tests of rules: input series, simulated time, expected alerts and samples, in promtool's format.
//!
//! ```text
//!   x_test.yml ──file──▶ TestFile ──run──▶ one store in memory for each test
//!                          │                 │ at each evaluation_interval: samples up to now,
//!   rules/*.yml ──▶ GroupSpec ──────────────▶│ then every group, as in production
//!                                            ▼
//!                              failures: what was expected, what came
//! ```
//!
//! The rules are evaluated by the code that evaluates them in production; only the clock and the store are others. As in
//! promtool, every group is evaluated at each `evaluation_interval` whatever its own `interval`, input samples later than
//! the last evaluation do not exist, and NaN equals nothing.
//!
//! Stricter than promtool: expressions and labels of a file are checked before any of its tests runs, a series is given
//! once, and a rule file that is named without a pattern has to exist. Native histograms are refused.
//! <https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/>

pub mod file;
pub mod run;

#[cfg(test)]
mod tests;
