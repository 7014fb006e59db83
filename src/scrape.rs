//! Scraping: from a configuration to samples in the store.

pub mod address;
pub mod config;
pub mod schedule;
pub mod target;
