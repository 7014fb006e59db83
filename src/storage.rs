//! Samples: the series index, compressed chunks, the write-ahead log, retention.

pub mod query;
