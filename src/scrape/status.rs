//! What is known of each target, for `/api/v1/targets` and the status page.

use std::sync::Arc;
use std::time::Duration;

use super::append::Counts;
use super::error::Outcome;
use super::metadata::Families;
use crate::model::labels::Labels;
use crate::model::timestamp::Timestamp;

/// Whether the last scrape brought samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Health {
    /// Not scraped yet.
    #[default]
    Unknown,
    /// It did.
    Up,
    /// It did not.
    Down,
}

impl Health {
    /// As the API shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// One target as it is now.
#[derive(Clone, Debug)]
pub struct TargetStatus {
    /// The job's name in the configuration: the API's `scrapePool`.
    pub job: String,
    /// Before relabelling.
    pub discovered: Labels,
    /// What its samples carry, build labels among them.
    pub labels: Labels,
    /// What is scraped; `builtin:node` for the host's collector.
    pub url: String,
    /// How often.
    pub interval: Duration,
    /// How long one scrape may take.
    pub timeout: Duration,
    /// Whether the last scrape brought samples.
    pub health: Health,
    /// Why the last scrape failed, with line and column where the body is at fault.
    pub last_error: Option<String>,
    /// What is wrong though the scrape succeeded: samples refused, time held.
    pub warning: Option<String>,
    /// When the last scrape began.
    pub last_scrape: Option<Timestamp>,
    /// How long it took.
    pub last_duration: Duration,
    /// What became of its samples.
    pub counts: Counts,
    /// Bytes of its body as sent.
    pub body_bytes: usize,
    /// What it says of its metrics.
    pub metadata: Arc<Families>,
}

/// A target that relabelling dropped.
#[derive(Clone, Debug)]
pub struct DroppedTarget {
    /// The job's name.
    pub job: String,
    /// Before relabelling.
    pub discovered: Labels,
    /// Why it is unusable, where it was not simply dropped.
    pub error: Option<String>,
}

/// All targets.
#[derive(Clone, Debug, Default)]
pub struct TargetsSnapshot {
    /// Those that are scraped, by job and URL.
    pub active: Vec<TargetStatus>,
    /// Those that are not; at most `keep_dropped_targets` of each job.
    pub dropped: Vec<DroppedTarget>,
    /// How many of each job are not, all counted.
    pub dropped_counts: Vec<(String, usize)>,
    /// Discovery files that cannot be used: each keeps what it last held.
    pub file_errors: Vec<String>,
}

/// One visit to one target: what the hook behind the commit is told.
#[derive(Clone, Debug)]
pub struct ScrapeOutcome {
    /// The job's name.
    pub job: String,
    /// What the target's samples carry.
    pub labels: Labels,
    /// The time of its samples.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// From its beginning to behind the commit.
    pub took: Duration,
    /// What became of its samples.
    pub counts: Counts,
}
