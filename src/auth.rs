//! Who may do what: accounts, passwords, sessions, tokens, API keys, roles and scopes.
//!
//! Decisions are pure ([`attempts`], [`refresh`], [`signing::plan`], [`caller`]); [`service`] brings them together with the
//! database. Nothing here knows HTTP, and nothing here sends mail: a forgotten password is set anew by an administrator.

pub mod account;
pub mod attempts;
pub mod caller;
pub mod config;
pub mod error;
pub mod jwt;
pub mod metrics;
pub mod password;
pub mod refresh;
pub mod role;
pub mod service;
pub mod signing;
pub mod token;
