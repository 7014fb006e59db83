//! Prometheus's HTTP API, in its shapes: <https://prometheus.io/docs/prometheus/latest/querying/api/>

pub mod query;
pub mod rules;
pub mod series;
pub mod status;
pub mod targets;
mod value;
