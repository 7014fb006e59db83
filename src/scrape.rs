//! Scraping: from a configuration to samples in the store.

pub mod address;
pub mod append;
mod builds;
mod cache;
pub mod config;
pub mod discovery;
pub mod error;
pub mod manager;
pub mod metrics;
pub mod node;
pub mod readings;
pub mod schedule;
pub mod status;
pub mod target;
pub mod worker;

#[cfg(test)]
mod tests;
