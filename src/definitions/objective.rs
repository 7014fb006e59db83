//! An objective: what is to be reached by when, and the key results that show it.

use super::metric::Direction;
use super::schema::{
    ID, Kind, Number, TEXT, list, optional, or_empty, or_null, or_word, record, required, some,
    text, words,
};
use crate::model::timestamp::Timestamp;

words! {
    /// How far an objective is.
    ObjectiveStatus {
        /// It is thought about.
        Draft = "draft",
        /// It is worked on.
        Active = "active",
        /// It is over.
        Completed = "completed",
        /// It was given up.
        Cancelled = "cancelled",
    }
}

record! {
    /// What is to be reached by when.
    Objective {
        /// Its identifier.
        objective_id: String = required(ID);
        /// Its name.
        name: String = required(text(200));
        /// What it is about.
        description: String = required(text(2_000));
        /// From when to when.
        timeframe: Timeframe = required(Kind::Object(Timeframe::FIELDS));
        /// The team that owns it.
        owner_team: String = required(TEXT);
        /// How far it is.
        status: ObjectiveStatus = or_word(ObjectiveStatus::KIND, "draft");
        /// How much hangs on it.
        priority: String = or_word(text(50), "medium");
        /// The pillar of the strategy it stands on.
        #[serde(skip_serializing_if = "Option::is_none")]
        strategic_pillar: Option<String> = optional(TEXT);
        /// What shows that it is reached.
        key_results: Vec<KeyResult> = required(some(&Kind::Object(KeyResult::FIELDS)));
    }
}

record! {
    /// From when to when; the end lies behind the start.
    Timeframe {
        /// The first instant.
        #[serde(with = "super::resource::time")]
        start: Timestamp = required(Kind::Time);
        /// The last one.
        #[serde(with = "super::resource::time")]
        end: Timestamp = required(Kind::Time);
    }
}

record! {
    /// What shows that an objective is reached. Its identifier is its own within the objective.
    KeyResult {
        /// Its identifier.
        kr_id: String = required(ID);
        /// Its name.
        name: String = required(text(200));
        /// What it is about.
        description: String = required(text(2_000));
        /// Where it should come to.
        target_value: Number = required(Kind::Number);
        /// Where it started.
        baseline_value: Number = required(Kind::Number);
        /// Its unit.
        unit: String = required(TEXT);
        /// Which way is better.
        direction: Direction = required(Direction::KIND);
        /// Where it is; null where nobody has said.
        current_value: Option<Number> = or_null(Kind::Number);
        /// Metrics that tell it.
        metric_ids: Vec<String> = or_empty(list(&ID));
        /// How far it was said to be, in per cent.
        #[serde(skip_serializing_if = "Option::is_none")]
        progress_percentage: Option<Number> = optional(Kind::Number);
        /// How it was said to stand.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<String> = optional(text(50));
    }
}
