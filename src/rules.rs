//! Recording and alerting rules: files, groups, schedule, state machine, restore.
//!
//! ```text
//!   rules/*.yml ──file──▶ GroupSpec ──manager──▶ Group (one task each)
//!                                                  │ a scrape landed, or the slot is over
//!                                                  ▼
//!                              evaluate ──▶ state (pure) ──▶ store: recorded series, ALERTS
//!                                                        ├──▶ database: what survives a restart
//!                                                        └──▶ alerts: firing and resolved
//! ```
//!
//! Nothing here decides who is told: firing and resolved alerts are handed on.

pub mod file;
pub mod group;
pub mod history;
pub mod known;
pub mod manager;
pub mod metrics;
pub mod rule;
pub mod schedule;
pub mod state;
pub mod unit_test;
pub mod worst;
