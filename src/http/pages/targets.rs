//! `/targets`: who is scraped, how that goes, and what relabelling made of them.

use std::time::Duration;

use askama::Template;

use super::paged::Paging;
use super::status::Health;
use super::view::{self, Bounded};
use super::{Section, write};
use crate::model::timestamp::Timestamp;

/// All that the page says.
#[derive(Clone, Debug)]
pub struct TargetsPage {
    /// The instant the page speaks of.
    pub now: Timestamp,
    /// The text that targets are filtered by.
    pub text: String,
    /// The state that they are filtered by: `up`, `down`, `unknown` or empty.
    pub state: String,
    /// How many of all targets are up.
    pub up: usize,
    /// All targets.
    pub all: usize,
    /// Those of this page, by job.
    pub jobs: Vec<Job>,
    /// Which page this is.
    pub paging: Paging,
    /// Targets that relabelling dropped.
    pub dropped: Bounded<Dropped>,
    /// Discovery files that cannot be used.
    pub file_errors: Bounded<String>,
}

/// The targets of one job, as far as they are on this page.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// How many of all its targets are up.
    pub up: usize,
    /// All its targets.
    pub all: usize,
    /// The targets.
    pub targets: Vec<Row>,
}

/// One target.
#[derive(Clone, Debug)]
pub struct Row {
    /// The `instance` label.
    pub instance: String,
    /// What is scraped.
    pub url: String,
    /// How its last scrape went.
    pub health: Health,
    /// When its last scrape began.
    pub last_scrape: Option<Timestamp>,
    /// How long that took.
    pub duration: Option<Duration>,
    /// How many samples it gave.
    pub samples: Option<u64>,
    /// Why it failed, or what is wrong though it succeeded.
    pub error: Option<String>,
    /// How often it is scraped.
    pub interval: Duration,
    /// How long one scrape may take.
    pub timeout: Duration,
    /// Bytes of its last answer.
    pub bytes: usize,
    /// What its samples carry.
    pub labels: Vec<(String, String)>,
    /// Before relabelling.
    pub discovered: Vec<(String, String)>,
}

/// A target that is not scraped.
#[derive(Clone, Debug)]
pub struct Dropped {
    /// The job's name.
    pub job: String,
    /// Before relabelling.
    pub discovered: Vec<(String, String)>,
    /// Why it is unusable, where it was not simply dropped.
    pub error: Option<String>,
}

/// The page.
pub fn render(page: &TargetsPage) -> String {
    write(&TargetsTemplate {
        page,
        paging: &page.paging,
    })
}

#[derive(Template)]
#[template(path = "targets.html")]
struct TargetsTemplate<'a> {
    page: &'a TargetsPage,
    paging: &'a Paging,
}

impl TargetsTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Targets
    }

    /// What the form offers.
    fn states(&self) -> [(&'static str, &'static str); 4] {
        [
            ("", "any state"),
            ("up", "up"),
            ("down", "down"),
            ("unknown", "not scraped yet"),
        ]
    }
}

impl Job {
    fn class(&self) -> &'static str {
        if self.up == self.all { "good" } else { "bad" }
    }
}

impl Row {
    fn state(&self) -> &'static str {
        match self.health {
            Health::Good => "up",
            Health::Bad => "down",
            Health::Unknown => "not yet",
        }
    }
}
