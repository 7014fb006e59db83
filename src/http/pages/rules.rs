//! `/rules`: every rule by its group, with its state.

use std::time::Duration;

use askama::Template;

use super::paged::Paging;
use super::status::{Health, RuleKind};
use super::view;
use super::{Section, write};
use crate::model::alert::AlertState;
use crate::model::timestamp::Timestamp;

/// All that the page says.
#[derive(Clone, Debug)]
pub struct RulesPage {
    /// The instant the page speaks of.
    pub now: Timestamp,
    /// The text that rules are filtered by.
    pub text: String,
    /// The state that they are filtered by; empty for all.
    pub state: String,
    /// Totals over all rules.
    pub totals: Totals,
    /// Those of this page, by group.
    pub groups: Vec<Group>,
    /// Which page this is.
    pub paging: Paging,
}

/// How many rules are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Of alerts and of series.
    pub rules: usize,
    /// With an alert that fires.
    pub firing: usize,
    /// With an alert that is pending, and none that fires.
    pub pending: usize,
    /// That cannot be evaluated.
    pub failing: usize,
}

/// The rules of one group, as far as they are on this page.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// Between two evaluations.
    pub interval: Duration,
    /// When it was last evaluated.
    pub last_evaluation: Option<Timestamp>,
    /// How long that took.
    pub duration: Option<Duration>,
    /// The rules.
    pub rules: Vec<Row>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Row {
    /// The alert's or the recorded metric's name.
    pub name: String,
    /// The rule's page.
    pub address: String,
    /// Which of the two.
    pub kind: RuleKind,
    /// PromQL.
    pub expression: String,
    /// The `severity` label.
    pub severity: Option<String>,
    /// How its last evaluation went.
    pub health: Health,
    /// The worst state of its alerts; none for a recording rule.
    pub state: Option<AlertState>,
    /// Alerts that fire and are pending.
    pub active: usize,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was last evaluated.
    pub last_evaluation: Option<Timestamp>,
    /// How long that took.
    pub duration: Option<Duration>,
}

/// The page.
pub fn render(page: &RulesPage) -> String {
    write(&RulesTemplate {
        page,
        paging: &page.paging,
    })
}

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesTemplate<'a> {
    page: &'a RulesPage,
    paging: &'a Paging,
}

impl RulesTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Rules
    }

    /// What the form offers.
    fn states(&self) -> [(&'static str, &'static str); 7] {
        [
            ("", "any state"),
            ("firing", "firing"),
            ("pending", "pending"),
            ("inactive", "inactive"),
            ("failing", "cannot be evaluated"),
            ("alert", "alerts"),
            ("record", "records"),
        ]
    }
}
