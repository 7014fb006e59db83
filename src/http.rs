//! The one port: Prometheus's query API, Alertmanager's API, health, metrics, runbooks and pages.
//!
//! [`router`] is the table of contents. Handlers read what they are handed in [`context::Context`] and answer; nothing
//! here decides about rules, routes or targets.

pub mod access;
pub mod alertmanager;
pub mod auth;
pub mod compression;
pub mod context;
pub mod dashboards;
pub mod definitions;
mod entity_tag;
pub mod errors;
pub mod guard;
pub mod health;
pub mod identity;
pub mod ledger;
mod lenient;
pub mod limits;
pub mod live;
pub mod metrics;
pub mod middleware;
pub mod openapi;
pub mod pages;
pub mod params;
pub mod prefix;
pub mod problem;
pub mod prometheus;
pub mod quiet;
pub mod receivers;
pub mod render;
pub mod router;
pub mod routes;
pub mod server;
pub mod storms;
