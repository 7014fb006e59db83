//! Dashboards for Grafana: a typed model of its JSON, the shipped ones, those generated from what a service exposes, and
//! a lint for anybody's.
//!
//! ```text
//!   shipped ──▶ panel (drafts) ──▶ layout ──▶ model ──▶ JSON: dashboards/*.json, /dashboards/<uid>.json
//!   service ──▶   ▲   families of one service: RED, USE, the rest
//!   meaning ──▶   ▲   definitions of one domain or objective
//!               alerts: thresholds and links, read from the shipped rules
//!
//!   anybody's JSON ──▶ lint ──▶ findings         queries ──▶ interpolate ──▶ PromQL
//! ```
//!
//! The same input gives the same bytes. Nothing here asks a store or a Grafana: who generates hands in what is known, and
//! the lint hands out queries to be run. The format is the classic one (`schemaVersion` 42), which every Grafana imports.
//! <https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/>

pub mod alerts;
pub mod interpolate;
pub mod layout;
pub mod lint;
pub mod meaning;
pub mod model;
pub mod options;
pub mod panel;
pub mod service;
pub mod shipped;
pub mod silent;
#[cfg(test)]
mod tests;
pub mod unit;
pub mod variables;
