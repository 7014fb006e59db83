//! The dashboards that ship with the product: written to `dashboards/`, and served.
//!
//! Metrics are those that the shipped rules read: the service's own, node_exporter's for the host, redis_exporter's for
//! Redis, and ours. Rates are taken over `$__rate_interval` from the metrics themselves, not from the recorded series, so that
//! panels work on a Prometheus that has no rule of ours.

mod api;
mod business;
mod infrastructure;
mod performance;
mod sidecar;

use super::alerts::Alerts;
use super::model::Dashboard;

/// Their files' names without `.json`, in the same order.
pub const NAMES: [&str; 5] = [
    "api",
    "business",
    "infrastructure",
    "performance",
    "sidecar",
];

/// All of them, in the order in which people need them; links lead to the Outrigger at this address.
pub fn all(outrigger: &str) -> Vec<Dashboard> {
    let alerts = Alerts::shipped();
    vec![
        api::dashboard(&alerts, outrigger),
        business::dashboard(&alerts, outrigger),
        infrastructure::dashboard(&alerts, outrigger),
        performance::dashboard(&alerts, outrigger),
        sidecar::dashboard(&alerts, outrigger),
    ]
}

/// The name of a dashboard's file.
pub fn file_name(dashboard: &Dashboard) -> String {
    let name = &dashboard.uid;
    format!("{}.json", name.strip_prefix("outrigger-").unwrap_or(name))
}
