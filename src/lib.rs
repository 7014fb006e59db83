//! Outrigger: one binary beside a service that scrapes it, evaluates alert rules, and tells people.
//!
//! `ARCHITECTURE.md` draws the way of the data and the floors of the modules: a module uses lower floors only.

// Tests may hold whole processes in their futures.
#![cfg_attr(not(test), warn(clippy::large_futures))]

pub mod alerts;
pub mod app;
pub mod auth;
pub mod charts;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dashboards;
pub mod db;
pub mod definitions;
pub mod document;
pub mod embedded;
pub mod enrich;
pub mod exposition;
pub mod http;
pub mod meaning;
pub mod model;
pub mod net;
pub mod notify;
pub mod promql;
pub mod rules;
pub mod runbooks;
pub mod scrape;
pub mod storage;
pub mod tasks;
pub mod telemetry;
pub mod template;
