//! What metrics mean: metric definitions, business domains, objectives with key results.
//!
//! ```text
//! JSON or YAML ─▶ catalog (which resource is it?) ─▶ check (against schema's rules) ─▶ metric | domain | objective
//!                                                                                          │
//!                     store ◀── change (what is written, by whom, as which version) ◀──────┘
//! ```
//!
//! [`schema`] says once, beside each field's type, what the field must be; [`check`] is the only validator and reads every
//! resource by those rules. What passed is a type, and its JSON is what is stored, answered and exported.
//!
//! It does not parse PromQL (that is handed in, see [`check::Checks`]), speak HTTP, or decide who may write.

pub mod catalog;
pub mod change;
pub mod check;
pub mod diff;
pub mod domain;
pub mod metric;
pub mod objective;
pub mod policy;
pub mod report;
pub mod resource;
pub mod schema;
pub mod search;
pub mod store;
#[cfg(test)]
pub(crate) mod testing;
pub mod versioning;
pub mod yaml;
