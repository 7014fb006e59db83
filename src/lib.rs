//! Outrigger: one binary beside a service that scrapes it, evaluates alert rules, and tells people.
//!
//! `ARCHITECTURE.md` draws the way of the data and the floors of the modules: a module uses lower floors only.

pub mod alerts;
pub mod clock;
pub mod db;
pub mod document;
pub mod enrich;
pub mod exposition;
pub mod model;
pub mod net;
pub mod promql;
pub mod rules;
pub mod scrape;
pub mod storage;
pub mod tasks;
pub mod telemetry;
pub mod template;
