//! `/`: what needs somebody now, and if nothing does, that it is so.

use askama::Template;

use super::status::{Counts, NotificationRow, Readiness, ReceiverRow, TargetRow};
use super::view::{self, AlertRow, Bounded};
use super::{Section, write};
use crate::model::timestamp::Timestamp;

/// All that the page says.
#[derive(Clone, Debug)]
pub struct OverviewPage {
    /// The instant the page speaks of.
    pub now: Timestamp,
    /// Whether it serves.
    pub readiness: Readiness,
    /// When a reload was refused, where the last one was.
    pub refused: Option<Timestamp>,
    /// What keeps messages back now: storms and flapping alerts.
    pub calming: Vec<String>,
    /// Totals.
    pub counts: Counts,
    /// Firing alerts of each severity, the gravest first.
    pub severities: Vec<(String, usize)>,
    /// Firing alerts that a silence matches.
    pub silenced: usize,
    /// Firing alerts that somebody is in charge of.
    pub acked: usize,
    /// Firing alerts that another one stands for.
    pub inhibited: usize,
    /// Whether the routes did not answer in time, so that the three before are not known.
    pub busy: bool,
    /// The gravest that nobody has dealt with.
    pub alerts: Bounded<Unattended>,
    /// Targets that do not answer.
    pub down: Bounded<TargetRow>,
    /// Rules that cannot be evaluated: name, address, error.
    pub failing: Bounded<(String, String, String)>,
    /// Groups of rules.
    pub groups: usize,
    /// When a group was evaluated last.
    pub evaluated: Option<Timestamp>,
    /// The latest first.
    pub notifications: Bounded<NotificationRow>,
    /// Notifications that wait, and since when.
    pub waiting: (u64, Option<Timestamp>),
    /// Receivers that are left alone because they fail.
    pub receivers: Bounded<ReceiverRow>,
    /// The store.
    pub storage: StorageRow,
}

/// An alert that nobody has dealt with.
#[derive(Clone, Debug)]
pub struct Unattended {
    /// The alert.
    pub row: AlertRow,
    /// The page of its rule, where it is one of ours.
    pub rule: Option<String>,
    /// Pages that acknowledge and silence it.
    pub links: Vec<(&'static str, String)>,
}

/// How the store stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct StorageRow {
    /// Series now.
    pub series: usize,
    /// Most series at a time.
    pub limit: usize,
    /// Whether new samples are in memory only.
    pub failing: bool,
    /// Time of the newest sample.
    pub newest: Option<Timestamp>,
}

/// The page.
pub fn render(page: &OverviewPage) -> String {
    write(&OverviewTemplate { page })
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewTemplate<'a> {
    page: &'a OverviewPage,
}

impl OverviewTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Overview
    }

    /// Its alerts; all where it is not one severity.
    fn of_severity(&self, severity: &str) -> String {
        match severity {
            "no severity" | "other severities" => "/alerts".to_owned(),
            severity => {
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .append_pair("severity", severity)
                    .finish();
                format!("/alerts?{query}")
            }
        }
    }
}

impl OverviewPage {
    /// Whether nothing at all asks for anybody.
    fn is_quiet(&self) -> bool {
        self.counts.firing == 0 && self.counts.pending == 0 && self.troubles().is_empty()
    }

    /// What is wrong with the watch itself, while nothing fires.
    fn troubles(&self) -> Vec<String> {
        let some = |count: usize, one: &str, many: &str| match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {many}")),
        };
        let receivers = self.receivers.rows.len() + self.receivers.more;
        [
            some(
                self.counts.targets_down,
                "target does not answer",
                "targets do not answer",
            ),
            some(
                self.counts.rules_failing,
                "rule cannot be evaluated",
                "rules cannot be evaluated",
            ),
            some(receivers, "receiver fails", "receivers fail"),
            self.refused
                .map(|_| "the last reload was refused".to_owned()),
            self.storage
                .failing
                .then(|| "samples are kept in memory only".to_owned()),
            (self.counts.targets == 0).then(|| "nothing is scraped".to_owned()),
            (self.counts.rules == 0).then(|| "no rule is loaded".to_owned()),
            match &self.readiness {
                Readiness::Ready => None,
                Readiness::NotReady(reason) => Some(format!("not ready: {reason}")),
            },
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn storage_class(&self) -> &'static str {
        match self.storage {
            StorageRow { failing: true, .. } => "bad",
            StorageRow { series, limit, .. } if series * 10 >= limit * 9 => "warn",
            _ => "good",
        }
    }

    fn waiting_class(&self) -> &'static str {
        match (self.receivers.rows.is_empty(), self.waiting.0) {
            (false, _) => "bad",
            (true, 0) => "good",
            (true, _) => "info",
        }
    }
}
