//! Scraping: from a configuration to samples in the store.
//!
//! ```text
//! config ─▶ manager ◀─ discovery (static, files, pod annotations, this host)
//!              │ one worker a target, on slots of wall time
//!              ▼
//! fetch (net) ─▶ parse (exposition) ─▶ cache: known bytes? ──yes──▶ append ─▶ commit ─▶ hook
//!                                        └─no─▶ labels, metric_relabel_configs, limits ─┘
//! ```
//!
//! [`manager::ScrapeManager`] is the way in. What a scrape brings is decided as Prometheus decides it: a body with one
//! fault brings nothing but `up 0`; series that go are ended by stale markers; labels in conflict are renamed. Not here:
//! protobuf and native histograms, exemplars, metadata, other service discoveries, proxies.

pub mod address;
pub mod append;
mod builds;
mod cache;
pub mod config;
pub mod discovery;
pub mod error;
pub mod manager;
pub mod metadata;
pub mod metrics;
pub mod node;
pub mod readings;
pub mod schedule;
pub mod status;
pub mod target;
pub mod worker;

#[cfg(test)]
mod tests;
