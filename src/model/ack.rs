//! An ack: somebody has taken charge of alerts that fire, so they need not be told of them again.
//!
//! It covers the alerts that fired when it was made, and ends for each of them by itself: when the alert resolves, when
//! the same trouble fires more severely, when the ack's time is over, or when somebody takes it back.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::labels::Labels;
use super::timestamp::Timestamp;

/// An ack.
#[derive(Clone, Debug, PartialEq)]
pub struct Ack {
    /// Its id, a UUID.
    pub id: Arc<str>,
    /// Who has taken charge.
    pub owner: String,
    /// What they say about it; may be empty.
    pub note: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it holds at most.
    pub expires_at: Option<Timestamp>,
    /// What it covers.
    pub alerts: Vec<AckedAlert>,
}

/// One alert that an ack covers.
#[derive(Clone, Debug, PartialEq)]
pub struct AckedAlert {
    /// Its labels.
    pub labels: Labels,
    /// The rank of the most severe alert that fired, when the ack was made, with the same labels but for the severity.
    pub rank: u8,
    /// When and why it ended; `None` while it holds.
    pub ended: Option<(Timestamp, AckEnd)>,
}

/// Why an ack ended for an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckEnd {
    /// The alert resolved.
    Resolved,
    /// An alert with the same labels fires with a higher severity.
    SeverityRose,
    /// Its time was over.
    Expired,
    /// Somebody took it back.
    Withdrawn,
    /// A newer ack covers the alert.
    Replaced,
}

impl AckEnd {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::Resolved,
        Self::SeverityRose,
        Self::Expired,
        Self::Withdrawn,
        Self::Replaced,
    ];

    /// The reason as the API and the database write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::SeverityRose => "severity_rose",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Replaced => "replaced",
        }
    }

    /// Reads what [`AckEnd::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.as_str() == text)
    }
}

/// As the end of a sentence.
impl fmt::Display for AckEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolved => "the alert resolved",
            Self::SeverityRose => "its severity rose",
            Self::Expired => "its time was over",
            Self::Withdrawn => "it was taken back",
            Self::Replaced => "a newer ack took its place",
        })
    }
}

impl Ack {
    /// Whether it still holds for any alert.
    pub fn holds(&self) -> bool {
        self.alerts.iter().any(|alert| alert.ended.is_none())
    }

    /// When it ended for the last of its alerts; `None` while it holds. One of no alerts never held.
    pub fn ended_at(&self) -> Option<Timestamp> {
        let ends = self
            .alerts
            .iter()
            .map(|alert| alert.ended.map(|(at, _)| at));
        let ends = ends.collect::<Option<Vec<_>>>()?;
        Some(ends.into_iter().max().unwrap_or(self.created_at))
    }
}
