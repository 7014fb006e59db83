//! A business domain: what metrics belong together, and whose they are.

use serde_json::{Map, Value};

use super::metric::Status;
use super::schema::{ID, Kind, TEXT, list, optional, or_empty, or_word, record, required, text};
use crate::model::timestamp::Timestamp;

record! {
    /// What metrics belong together.
    Domain {
        /// Its identifier.
        domain_id: String = required(Kind::Id(50));
        /// Its name, by which metrics refer to it.
        name: String = required(text(200));
        /// What it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<String> = optional(text(2_000));
        /// The team that owns it.
        #[serde(skip_serializing_if = "Option::is_none")]
        owner_team: Option<String> = optional(TEXT);
        /// Whom to write to.
        #[serde(skip_serializing_if = "Option::is_none")]
        contact_email: Option<String> = optional(Kind::Email).secret();
        /// What each tier means here.
        #[serde(skip_serializing_if = "Option::is_none")]
        tier_focus: Option<Map<String, Value>> = optional(Kind::AnyObject);
        /// What matters in it.
        key_areas: Vec<String> = or_empty(list(&TEXT));
        /// Who else cares.
        stakeholders: Vec<String> = or_empty(list(&TEXT));
        /// Its most important metrics.
        key_metrics: Vec<String> = or_empty(list(&ID));
        /// The colour it is drawn in.
        #[serde(skip_serializing_if = "Option::is_none")]
        color: Option<String> = optional(text(50));
        /// Whether it is in use.
        status: Status = or_word(Status::KIND, "active");
        /// When it was made.
        #[serde(with = "super::resource::optional_time", default, skip_serializing_if = "Option::is_none")]
        created_at: Option<Timestamp> = optional(Kind::Time);
        /// When it was last changed.
        #[serde(with = "super::resource::optional_time", default, skip_serializing_if = "Option::is_none")]
        updated_at: Option<Timestamp> = optional(Kind::Time);
        /// Anything else.
        metadata: Map<String, Value> = or_empty(Kind::AnyObject);
    }
}
