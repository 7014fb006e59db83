//! From alerts to notifications: routes, groups, inhibition, mute times, deduplication, throttling, storms, flapping.
//!
//! ```text
//! insert ─▶ flap ─▶ routes ─▶ groups ──(group_wait, group_interval)──▶ flush
//!                                                                  │
//!     inhibit ─▶ active and mute times ─▶ silence ─▶ deduplicate ─▶ throttle, storm ─▶ outbox
//!        │                │                                │              │
//!        └────────────────┴──────────── ledger ◀───────────┴──────────────┘
//! ```
//!
//! Grouping, timers, inhibition and deduplication are Alertmanager's. [`dispatch`] decides, on values alone; [`run`]
//! feeds it, gives it the time and writes what it decided: one transaction a batch of flushes. Sending is not done here:
//! `notify` empties the outbox. Receivers' own settings are not read here either; this module is handed their names.

pub mod ack;
pub mod config;
pub mod dedup;
pub mod dispatch;
pub mod enrich;
pub mod explain;
pub mod flap;
pub mod inhibit;
pub mod interval;
pub mod limits;
pub mod matchers;
pub mod metrics;
pub mod quiet;
pub mod recurring;
pub mod route;
pub mod route_test;
pub mod run;
pub mod silence;
pub mod storm;
pub mod story;
pub mod throttle;
pub mod writes;
