//! `/alerts` and `/alerts/{fingerprint}`: what fires or is about to, what keeps it quiet, and all that is known of one.
//!
//! Alerts are shown as the routes see them: those of the rules here and those that others post. Pending ones are known to
//! their rules alone and stand in no group.

mod episodes;
pub(super) mod fill;
pub mod list;
pub mod one;
pub(super) mod scene;
#[cfg(test)]
mod tests;
pub(super) mod wanted;

use askama::Template;

use super::paged::Paging;
use super::view;
use super::{Section, write};
use crate::model::signature::Signer;
use crate::model::timestamp::Timestamp;

/// What is said of an alert; several may hold at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It fires and nothing keeps it quiet: somebody must act.
    Active,
    /// It fires.
    Firing,
    /// Its condition holds, not yet for long enough.
    Pending,
    /// A silence matches.
    Silenced,
    /// Another alert speaks for it.
    Inhibited,
    /// A time interval keeps all of its routes quiet.
    Muted,
    /// Somebody has taken charge.
    Acked,
    /// It changes too often and is held.
    Flapping,
}

impl State {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Active,
        Self::Firing,
        Self::Pending,
        Self::Silenced,
        Self::Inhibited,
        Self::Muted,
        Self::Acked,
        Self::Flapping,
    ];

    /// The word in addresses and badges.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Firing => "firing",
            Self::Pending => "pending",
            Self::Silenced => "silenced",
            Self::Inhibited => "inhibited",
            Self::Muted => "muted",
            Self::Acked => "acked",
            Self::Flapping => "flapping",
        }
    }

    /// What it means, for the pointer.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Active => "fires, and nothing keeps it quiet",
            Self::Firing => "fires",
            Self::Pending => "its condition holds, not yet for long enough",
            Self::Silenced => "a silence matches it",
            Self::Inhibited => "another alert speaks for it",
            Self::Muted => "a time interval keeps its routes quiet",
            Self::Acked => "somebody has taken charge of it",
            Self::Flapping => "changes too often, and is held as firing",
        }
    }

    /// The class of its badge.
    pub fn class(self) -> &'static str {
        match self {
            Self::Active | Self::Firing => "bad",
            Self::Pending | Self::Flapping => "warn",
            Self::Acked => "info",
            Self::Silenced | Self::Inhibited | Self::Muted => "idle",
        }
    }
}

/// Who looks at a page: links that act are for who may.
#[derive(Clone, Copy, Debug)]
pub struct Eye<'a> {
    /// When.
    pub now: Timestamp,
    /// Signs links that act.
    pub signer: &'a Signer,
    /// Where people reach this process.
    pub external_url: &'a str,
    /// Whether he may act.
    pub may_act: bool,
}

/// Everything at `/alerts`.
#[derive(Clone, Debug)]
pub struct AlertsPage {
    /// The time shown as now.
    pub now: Timestamp,
    /// Why some are missing: the routes did not answer in time.
    pub incomplete: bool,
    /// As filled in.
    pub form: Form,
    /// What is wrong with the matchers.
    pub mistake: Option<Mistake>,
    /// How many there are of each state, of those that the rest of the form asks for.
    pub counts: Vec<Count>,
    /// Severities that there are.
    pub severities: Vec<String>,
    /// How many there are at all.
    pub known: usize,
    /// The rows of this page.
    pub blocks: Vec<Block>,
    /// Which page it is.
    pub paging: Paging,
    /// The address of the other way to show them.
    pub other_view: String,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// Matchers.
    pub filter: String,
    /// A word in name, labels or summary.
    pub text: String,
    /// A severity.
    pub severity: String,
    /// A receiver.
    pub receiver: String,
    /// The words of the states.
    pub states: Vec<&'static str>,
    /// Whether they stand one by one, without their groups.
    pub flat: bool,
}

/// What is wrong with matchers, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// In words.
    pub message: String,
    /// The text with a caret under the fault.
    pub excerpt: Option<String>,
}

/// How many alerts are in a state.
#[derive(Clone, Debug)]
pub struct Count {
    /// The state.
    pub state: State,
    /// How many.
    pub count: usize,
    /// Whether only these are shown.
    pub chosen: bool,
    /// Where they are shown, or where all are again.
    pub link: String,
}

/// Alerts of one group, or alerts without groups.
#[derive(Clone, Debug)]
pub struct Block {
    /// The group; none where they stand one by one.
    pub heading: Option<Heading>,
    /// Some of its alerts.
    pub rows: Vec<Row>,
}

/// A group of alerts.
#[derive(Clone, Debug)]
pub struct Heading {
    /// Who is told; empty where nobody is yet.
    pub receiver: String,
    /// The labels it was formed by.
    pub labels: Vec<(String, String)>,
    /// How many of its alerts are asked for.
    pub count: usize,
    /// Time intervals that keep it quiet.
    pub muted_by: Vec<String>,
    /// When its receiver is told next, if there is anything to tell.
    pub next: Option<Timestamp>,
}

/// One alert.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its fingerprint.
    pub fingerprint: String,
    /// Its name.
    pub name: String,
    /// Its states, the first the strongest.
    pub states: Vec<State>,
    /// The `severity` label.
    pub severity: Option<String>,
    /// The other labels, but those that its group is named by.
    pub labels: Vec<(String, String)>,
    /// Labels that are not shown.
    pub more_labels: usize,
    /// The `summary` annotation.
    pub summary: Option<String>,
    /// The value as Prometheus writes it.
    pub value: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Who looks after it.
    pub owner: Option<String>,
    /// Runbook, dashboard, query.
    pub links: Vec<(String, String)>,
    /// Silence and acknowledge; empty for who may not.
    pub acts: Vec<(&'static str, String)>,
}

/// Everything at `/alerts/{fingerprint}`.
#[derive(Clone, Debug)]
pub struct AlertPage {
    /// The time shown as now.
    pub now: Timestamp,
    /// The alert.
    pub row: Row,
    /// Whether it is there now; else it is what the ledger remembers.
    pub is_known: bool,
    /// All its labels.
    pub labels: Vec<(String, String)>,
    /// Its annotations; the third is the address where it is one.
    pub annotations: Vec<(String, String, Option<String>)>,
    /// What keeps it quiet: sentence and link.
    pub quiet: Vec<(String, Option<String>)>,
    /// The address of its chart, in front of the theme's name.
    pub chart: Option<String>,
    /// When it was pending and firing.
    pub episodes: Vec<Episode>,
    /// The routes it takes.
    pub routes: Vec<RouteRow>,
    /// What is known of why somebody was told, or not.
    pub why: super::ledger::Why,
    /// The notifications it was in, the newest first.
    pub notifications: Vec<NotificationRow>,
}

/// A time during which an alert was pending or firing.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Which.
    pub state: State,
    /// From when on.
    pub start: Timestamp,
    /// Until when; none where it lasts.
    pub end: Option<Timestamp>,
}

impl Episode {
    fn lasted(&self, now: &Timestamp) -> String {
        let end = self.end.unwrap_or(*now).max(self.start);
        view::rough(&end.since(self.start))
    }
}

/// A route that an alert takes.
#[derive(Clone, Debug)]
pub struct RouteRow {
    /// Who is told.
    pub receiver: String,
    /// By which integrations.
    pub integrations: Vec<String>,
    /// The matchers of the routes down to it.
    pub path: Vec<String>,
    /// The labels of its group.
    pub group: String,
    /// Why nothing would be sent now.
    pub muted: Option<String>,
    /// When the group is told for the first time, of changes, and again.
    pub timing: String,
}

/// A notification that an alert was in.
#[derive(Clone, Debug)]
pub struct NotificationRow {
    /// When it was decided.
    pub at: Timestamp,
    /// To whom.
    pub whom: String,
    /// Why.
    pub reason: String,
    /// What became of it, and the class of its badge.
    pub outcome: (String, &'static str),
    /// All that the ledger has on it.
    pub link: String,
}

/// The list.
pub fn render_list(page: &AlertsPage) -> String {
    write(&AlertsTemplate { page })
}

/// One alert.
pub fn render_one(page: &AlertPage) -> String {
    write(&AlertTemplate { page })
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsTemplate<'a> {
    page: &'a AlertsPage,
}

#[derive(Template)]
#[template(path = "alert.html")]
struct AlertTemplate<'a> {
    page: &'a AlertPage,
}

impl AlertsTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Alerts
    }
}

impl AlertTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Alerts
    }
}
