//! Outrigger: one binary beside a service that scrapes it, evaluates alert rules, and tells people.
//!
//! `ARCHITECTURE.md` draws the way of the data and the floors of the modules: a module uses lower floors only.

pub mod clock;
pub mod document;
pub mod embedded;
pub mod enrich;
pub mod exposition;
pub mod model;
pub mod promql;
pub mod runbooks;
pub mod storage;
pub mod tasks;
pub mod telemetry;
