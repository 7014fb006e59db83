//! Enrichment: what changes labels between parsing and storing.
//!
//! Pure functions over label sets; where the values come from (host, pod, definitions) is for higher floors to say.

pub mod relabel;
