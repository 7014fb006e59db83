//! Who may do what: roles and the scopes of keys.
//!
//! Decisions are pure; nothing here knows HTTP.

pub mod caller;
pub mod role;
