//! An alert as it travels from the rules to the routes.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::labels::{ALERT_NAME, Fingerprint, Labels};
use super::timestamp::Timestamp;

/// State of one rule for one label set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Not active.
    Inactive,
    /// The condition holds, not yet for as long as `for` asks.
    Pending,
    /// Active long enough: people are told.
    Firing,
}

impl AlertState {
    /// The state as the APIs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// An alert handed to the routes: firing until `ends_at`, resolved from then on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Identity of the alert, `alertname` among them.
    pub labels: Labels,
    /// What people read.
    pub annotations: Labels,
    /// Since when it is active.
    pub starts_at: Timestamp,
    /// When it ended, or when it will count as ended unless it is sent again.
    pub ends_at: Timestamp,
    /// When the sender last said so.
    pub updated_at: Timestamp,
    /// Link to the expression behind it; may be empty.
    pub generator_url: Arc<str>,
    /// Value of the expression at the last evaluation, where the sender knows it.
    pub value: Option<f64>,
    /// What the value went through; empty where the sender does not know it.
    #[serde(default)]
    pub course: Course,
}

/// What the value of an alert's expression went through: a pointer, for most alerts that others post say nothing of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "CourseValues", into = "CourseValues")]
pub struct Course(Option<Box<CourseValues>>);

/// What is known of an alert's [`Course`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CourseValues {
    /// The most extreme value while it fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<f64>,
    /// The value on the good side of the threshold, when it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<f64>,
    /// The number it is compared with, where that is written in the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Whether it ended since its rule was changed or removed, whatever the value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

impl CourseValues {
    const UNKNOWN: Self = Self {
        peak: None,
        resolved: None,
        threshold: None,
        withdrawn: false,
    };
}

impl From<CourseValues> for Course {
    fn from(values: CourseValues) -> Self {
        Self((values != CourseValues::UNKNOWN).then(|| Box::new(values)))
    }
}

impl From<Course> for CourseValues {
    fn from(course: Course) -> Self {
        *course
    }
}

impl Deref for Course {
    type Target = CourseValues;

    fn deref(&self) -> &CourseValues {
        self.0.as_deref().unwrap_or(&CourseValues::UNKNOWN)
    }
}

impl DerefMut for Course {
    fn deref_mut(&mut self) -> &mut CourseValues {
        self.0.get_or_insert_default()
    }
}

impl PartialEq for Course {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Alert {
    /// The `alertname`, empty where there is none.
    pub fn name(&self) -> &str {
        self.labels.value(ALERT_NAME)
    }

    /// The identity shown in APIs.
    pub fn fingerprint(&self) -> Fingerprint {
        self.labels.fingerprint()
    }

    /// Whether it has ended at `now`.
    pub fn is_resolved(&self, now: Timestamp) -> bool {
        self.ends_at <= now
    }
}
