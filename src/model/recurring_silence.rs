//! A silence that comes again: matchers and a schedule in the form of Alertmanager's `time_intervals`.

use std::sync::Arc;

use super::matcher::Matcher;
use super::timestamp::Timestamp;

/// A recurring silence.
#[derive(Clone, Debug, PartialEq)]
pub struct RecurringSilence {
    /// Its id, a UUID.
    pub id: Arc<str>,
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// When it is active: a JSON list in the form of `time_intervals`.
    pub schedule: String,
    /// From when on it may be active.
    pub starts_at: Option<Timestamp>,
    /// Until when it may be active.
    pub ends_at: Option<Timestamp>,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Who asked for it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}
