//! What people keep quiet: the list and form at `/silences`, and the pages that links in messages lead to.
//!
//! Showing a page changes nothing. Every form carries a token, so that only what this process showed can be sent to it.

pub mod action;
mod fill;
pub mod list;
mod prefill;

use askama::Template;

use super::paged::Paging;
use super::view::{self, Bounded};
use super::{Section, write};
use crate::model::action_link::Action;
use crate::model::timestamp::Timestamp;

/// Everything at `/silences`.
#[derive(Clone, Debug)]
pub struct SilencesPage {
    /// The time shown as now.
    pub now: Timestamp,
    /// Proof that a form comes from this page.
    pub token: String,
    /// Whether only what Alertmanager has is shown.
    pub upstream_only: bool,
    /// Whether who looks may change anything.
    pub may_act: bool,
    /// What was done, or why not.
    pub notice: Option<Notice>,
    /// What fires, with links to acknowledge and silence it.
    pub firing: Matches,
    /// Acks that hold.
    pub acks: Bounded<AckRow>,
    /// What is looked for among the silences.
    pub search: String,
    /// Silences, active or to come: those of this page.
    pub silences: Vec<SilenceRow>,
    /// Which page it is.
    pub paging: Paging,
    /// Silences that are over.
    pub expired: Bounded<SilenceRow>,
    /// Silences that come again.
    pub recurring: Bounded<RecurringRow>,
    /// The form as it was filled in.
    pub form: Form,
    /// What the silence in the form would match.
    pub preview: Option<Matches>,
}

/// A sentence at the top.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Whether it went well.
    pub good: bool,
    /// The sentence.
    pub text: String,
}

/// An ack.
#[derive(Clone, Debug)]
pub struct AckRow {
    /// Its id.
    pub id: String,
    /// The alerts it holds for.
    pub alerts: Vec<String>,
    /// How many more.
    pub more: usize,
    /// Who is in charge.
    pub owner: String,
    /// What they say.
    pub note: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when at most.
    pub until: Option<Timestamp>,
}

/// A silence.
#[derive(Clone, Debug)]
pub struct SilenceRow {
    /// Its id.
    pub id: String,
    /// `active`, `pending` or `expired`.
    pub state: &'static str,
    /// As Alertmanager writes them.
    pub matchers: String,
    /// Why.
    pub comment: String,
    /// Who asked for it.
    pub created_by: String,
    /// From when on.
    pub starts: Timestamp,
    /// Until when.
    pub ends: Timestamp,
    /// Whether it ends when nothing fires any more that it matches.
    pub until_resolved: bool,
    /// Whether a recurring silence made it.
    pub recurs: bool,
    /// How many alerts it keeps quiet now.
    pub matched: usize,
}

/// A recurring silence.
#[derive(Clone, Debug)]
pub struct RecurringRow {
    /// Its id.
    pub id: String,
    /// As Alertmanager writes them.
    pub matchers: String,
    /// When, as `time_intervals`.
    pub schedule: String,
    /// Why.
    pub comment: String,
    /// Who asked for it.
    pub created_by: String,
    /// Whether it is active now.
    pub active: bool,
    /// The next times.
    pub next: Vec<String>,
}

/// A form for a silence.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// One a line.
    pub matchers: String,
    /// For how long.
    pub lasts: String,
    /// Who asks.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Days of the week, where it recurs.
    pub weekdays: String,
    /// Time of the day it begins, where it recurs.
    pub from: String,
    /// Time of the day it ends, where it recurs.
    pub until: String,
    /// The time zone, where it recurs.
    pub zone: String,
    /// The silence that is changed; empty for a new one.
    pub edit: String,
    /// The recurring silence that is changed; empty for a new one.
    pub edit_recurring: String,
}

impl Form {
    fn is_edit(&self) -> bool {
        !self.edit.is_empty() || !self.edit_recurring.is_empty()
    }

    fn recurs(&self) -> bool {
        let fields = [&self.weekdays, &self.from, &self.until];
        fields.iter().any(|field| !field.is_empty()) || !self.edit_recurring.is_empty()
    }
}

/// Alerts that are meant.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    /// They fire now.
    pub alerts: Bounded<MatchRow>,
    /// How many.
    pub matched: usize,
    /// How many alerts fire.
    pub firing: usize,
    /// Why it would be refused.
    pub too_broad: Option<String>,
    /// How many alerts of the last day match that somebody was told of, as far as the newest of the ledger tell.
    pub past: Option<String>,
    /// The next times, where it recurs.
    pub next: Vec<String>,
}

/// An alert that is meant.
#[derive(Clone, Debug)]
pub struct MatchRow {
    /// Its name.
    pub name: String,
    /// The `severity` label.
    pub severity: Option<String>,
    /// The other labels.
    pub labels: Vec<(String, String)>,
    /// The `summary` annotation.
    pub summary: Option<String>,
    /// Since when it fires.
    pub since: Timestamp,
    /// Whether somebody is in charge of it.
    pub acked: bool,
    /// Whether a silence matches it.
    pub silenced: bool,
    /// Links to the pages that acknowledge and silence it; empty where none are shown.
    pub links: Vec<(&'static str, String)>,
}

/// What a link in a message leads to.
#[derive(Clone, Debug)]
pub struct ActionPage {
    /// The time shown as now.
    pub now: Timestamp,
    /// What it offers to do.
    pub action: Action,
    /// The parameter that names what it is about.
    pub subject: (&'static str, String),
    /// The link's token.
    pub token: String,
    /// A link to the other action.
    pub other: String,
    /// What would be acknowledged or silenced.
    pub matches: Matches,
    /// For a silence: the labels it may go by.
    pub labels: Vec<LabelChoice>,
    /// For a silence: its matchers.
    pub matchers: String,
    /// As filled in.
    pub owner: String,
    /// As filled in.
    pub note: String,
    /// As filled in.
    pub lasts: String,
    /// Why it was not done.
    pub error: Option<String>,
}

/// A label that a silence may go by.
#[derive(Clone, Debug)]
pub struct LabelChoice {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Whether it does.
    pub chosen: bool,
}

impl Matches {
    fn has_links(&self) -> bool {
        self.alerts.rows.iter().any(|alert| !alert.links.is_empty())
    }
}

/// The list.
pub fn render_list(page: &SilencesPage) -> String {
    write(&SilencesTemplate { page })
}

/// The page of a link.
pub fn render_action(page: &ActionPage) -> String {
    let choices: &[(&str, &str)] = match page.action {
        Action::Ack => &[
            ("resolved", "Until it resolves"),
            ("1h", "1 hour"),
            ("4h", "4 hours"),
            ("24h", "1 day"),
        ],
        Action::Silence => &[
            ("1h", "1 hour"),
            ("4h", "4 hours"),
            ("resolved", "Until it resolves"),
        ],
    };
    write(&ActionTemplate {
        page,
        choices,
        acks: page.action == Action::Ack,
    })
}

#[derive(Template)]
#[template(path = "silences.html")]
struct SilencesTemplate<'a> {
    page: &'a SilencesPage,
}

#[derive(Template)]
#[template(path = "action.html")]
struct ActionTemplate<'a> {
    page: &'a ActionPage,
    choices: &'a [(&'static str, &'static str)],
    acks: bool,
}

impl SilencesTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        match self.page.upstream_only {
            true => Section::UPSTREAM,
            false => Section::ALL,
        }
    }

    fn section(&self) -> Section {
        Section::Silences
    }

    /// What the form offers.
    fn lengths(&self) -> &'static [(&'static str, &'static str)] {
        let all: &[(&str, &str)] = &[
            (list::KEEP, "as it is now"),
            ("30m", "30 minutes"),
            ("1h", "1 hour"),
            ("4h", "4 hours"),
            ("1d", "1 day"),
            ("1w", "1 week"),
            ("resolved", "until it resolves"),
        ];
        let first = usize::from(self.page.form.edit.is_empty());
        // Alertmanager's silences end by the clock alone.
        &all[first..all.len() - usize::from(self.page.upstream_only)]
    }
}

impl ActionTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Silences
    }
}
