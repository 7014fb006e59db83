//! `/status`, and `/` in Alertmanager's place: one page that says how it stands.

use std::time::Duration;

use askama::Template;

use super::view::{self, AlertRow, Bounded};
use super::{Section, write};
use crate::model::alert::AlertState;
use crate::model::timestamp::Timestamp;

/// All that the page says.
#[derive(Clone, Debug)]
pub struct StatusPage {
    /// The instant the page speaks of.
    pub now: Timestamp,
    /// Whether only what Alertmanager has is shown: no targets, no rules.
    pub upstream_only: bool,
    /// The product's version.
    pub version: String,
    /// Since the start.
    pub uptime: Duration,
    /// Whether it serves.
    pub readiness: Readiness,
    /// The file in use; none where it runs on what is built in.
    pub config_file: Option<String>,
    /// None before the first reload.
    pub last_reload: Option<Reload>,
    /// `127.0.0.1:9797`.
    pub listen: String,
    /// What keeps messages back now: storms and flapping alerts.
    pub calming: Vec<String>,
    /// Totals, over what is not shown too.
    pub counts: Counts,
    /// Firing first, then pending.
    pub alerts: Bounded<AlertRow>,
    /// Down first.
    pub targets: Bounded<TargetRow>,
    /// In the order of their files.
    pub groups: Bounded<GroupRow>,
    /// Those that are left alone because they fail.
    pub failing: Bounded<ReceiverRow>,
    /// The latest first.
    pub notifications: Bounded<NotificationRow>,
    /// Names and figures, as they are to be shown.
    pub storage: Vec<(String, String)>,
}

/// Whether it serves, and why not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// It does.
    Ready,
    /// Not yet, or no longer; with the reason.
    NotReady(String),
}

/// The totals at the top.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    /// Alerts that fire.
    pub firing: usize,
    /// Alerts that are pending.
    pub pending: usize,
    /// All targets.
    pub targets: usize,
    /// Targets whose last scrape failed.
    pub targets_down: usize,
    /// All rules.
    pub rules: usize,
    /// Rules whose last evaluation failed.
    pub rules_failing: usize,
}

/// How the last reload went.
#[derive(Clone, Debug)]
pub struct Reload {
    /// When.
    pub at: Timestamp,
    /// Whether the new configuration runs.
    pub succeeded: bool,
    /// Why not.
    pub errors: Bounded<ConfigError>,
}

/// One mistake in a file.
#[derive(Clone, Debug)]
pub struct ConfigError {
    /// The file's name.
    pub file: String,
    /// Line from 1; none where only the file is known.
    pub line: Option<u32>,
    /// Column from 1.
    pub column: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// Text with a caret under the fault.
    pub excerpt: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// One target.
#[derive(Clone, Debug)]
pub struct TargetRow {
    /// The `job` label.
    pub job: String,
    /// The `instance` label.
    pub instance: String,
    /// How its last scrape went.
    pub health: Health,
    /// When its last scrape began.
    pub last_scrape: Option<Timestamp>,
    /// How long that took.
    pub duration: Option<Duration>,
    /// How many samples it gave.
    pub samples: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// How a scrape or an evaluation went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    /// Well.
    Good,
    /// It failed.
    Bad,
    /// There was none yet.
    Unknown,
}

/// One group of rules.
#[derive(Clone, Debug)]
pub struct GroupRow {
    /// The group's name.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// Between two evaluations.
    pub interval: Duration,
    /// When it was last evaluated.
    pub last_evaluation: Option<Timestamp>,
    /// How long that took.
    pub duration: Option<Duration>,
    /// Its rules in order.
    pub rules: Bounded<RuleRow>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct RuleRow {
    /// The alert's or the recorded metric's name.
    pub name: String,
    /// Which of the two.
    pub kind: RuleKind,
    /// PromQL.
    pub expression: String,
    /// How its last evaluation went.
    pub health: Health,
    /// The worst state of its alerts; none for a recording rule.
    pub state: Option<AlertState>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was last evaluated.
    pub last_evaluation: Option<Timestamp>,
    /// How long that took.
    pub duration: Option<Duration>,
}

/// What a rule makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleKind {
    /// Alerts.
    Alerting,
    /// Series.
    Recording,
}

/// An integration of a receiver that is left alone for a while.
#[derive(Clone, Debug)]
pub struct ReceiverRow {
    /// The receiver's name.
    pub receiver: String,
    /// `slack[0]`, ...
    pub integration: String,
    /// Since when.
    pub since: Timestamp,
    /// When one notification is tried.
    pub until: Timestamp,
    /// The last failure.
    pub error: String,
}

/// One notification.
#[derive(Clone, Debug)]
pub struct NotificationRow {
    /// When it was decided.
    pub at: Timestamp,
    /// The receiver's name.
    pub receiver: String,
    /// `slack[0]`, `console`, ...
    pub integration: String,
    /// The group's labels.
    pub group: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The reason, or the error.
    pub detail: Option<String>,
}

/// What became of a notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was delivered.
    Delivered,
    /// It waits for its next try.
    Waiting,
    /// It is part of a digest.
    Digested,
    /// It was not needed: deduplicated, inhibited, muted.
    Suppressed,
    /// It was given up.
    Failed,
}

/// The page.
pub fn render(page: &StatusPage) -> String {
    write(&StatusTemplate { page })
}

#[derive(Template)]
#[template(path = "status.html")]
struct StatusTemplate<'a> {
    page: &'a StatusPage,
}

impl StatusTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        match self.page.upstream_only {
            true => Section::UPSTREAM,
            false => Section::ALL,
        }
    }

    fn section(&self) -> Section {
        match self.page.upstream_only {
            true => Section::Home,
            false => Section::Status,
        }
    }
}

impl Readiness {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::NotReady(_) => "Not ready",
        }
    }

    pub(super) fn class(&self) -> &'static str {
        match self {
            Self::Ready => "good",
            Self::NotReady(_) => "bad",
        }
    }
}

impl Counts {
    pub(super) fn alerts_text(&self) -> String {
        match (self.firing, self.pending) {
            (0, 0) => "none".to_owned(),
            (firing, 0) => format!("{firing} firing"),
            (0, pending) => format!("{pending} pending"),
            (firing, pending) => format!("{firing} firing, {pending} pending"),
        }
    }

    pub(super) fn alerts_class(&self) -> &'static str {
        match (self.firing, self.pending) {
            (0, 0) => "good",
            (0, _) => "warn",
            _ => "bad",
        }
    }

    pub(super) fn targets_text(&self) -> String {
        match self.targets {
            0 => "none".to_owned(),
            all => format!("{} of {all} up", all.saturating_sub(self.targets_down)),
        }
    }

    pub(super) fn targets_class(&self) -> &'static str {
        // No target at all is nothing to be calm about.
        match (self.targets, self.targets_down) {
            (0, _) => "warn",
            (_, 0) => "good",
            _ => "bad",
        }
    }

    pub(super) fn rules_text(&self) -> String {
        match (self.rules, self.rules_failing) {
            (0, _) => "none".to_owned(),
            (all, 0) => format!("{all} healthy"),
            (all, failing) => format!("{failing} of {all} failing"),
        }
    }

    pub(super) fn rules_class(&self) -> &'static str {
        match (self.rules, self.rules_failing) {
            (0, _) => "warn",
            (_, 0) => "good",
            _ => "bad",
        }
    }
}

impl ConfigError {
    pub(super) fn place(&self) -> String {
        match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", self.file),
            (Some(line), None) => format!("{}:{line}", self.file),
            (None, _) => self.file.clone(),
        }
    }
}

impl Health {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Bad => "failing",
            Self::Unknown => "not yet",
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Unknown => "idle",
        }
    }
}

impl GroupRow {
    pub(super) fn failing(&self) -> usize {
        let rules = self.rules.rows.iter();
        rules.filter(|rule| rule.health == Health::Bad).count()
    }

    pub(super) fn troubled(&self) -> bool {
        self.failing() > 0
    }

    pub(super) fn class(&self) -> &'static str {
        if self.troubled() { "bad" } else { "good" }
    }

    pub(super) fn text(&self) -> String {
        match (self.failing(), self.rules.rows.len() + self.rules.more) {
            (0, 1) => "1 rule ok".to_owned(),
            (0, all) => format!("{all} rules ok"),
            (failing, _) => format!("{failing} failing"),
        }
    }
}

impl ReceiverRow {
    pub(super) fn wait(&self, now: &Timestamp) -> String {
        view::rough(&self.until.since(*now))
    }
}

impl RuleKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Alerting => "alert",
            Self::Recording => "record",
        }
    }
}

impl Outcome {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Waiting => "waiting",
            Self::Digested => "in digest",
            Self::Suppressed => "not sent",
            Self::Failed => "failed",
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Delivered => "good",
            Self::Waiting => "warn",
            Self::Digested => "info",
            Self::Suppressed => "idle",
            Self::Failed => "bad",
        }
    }
}
