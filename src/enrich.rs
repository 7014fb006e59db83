//! Enrichment: what changes labels between parsing and storing.
//!
//! [`relabel`] is pure; [`host`], [`pod`] and [`build`] find out facts, and [`labels`] says which of them become labels.

pub mod build;
pub mod host;
pub mod labels;
pub mod pod;
pub mod relabel;
