//! `/rules/{group}/{rule}`: one rule, why it fires or does not, and what its last evaluations did.

pub mod explain;
pub mod handlers;

use std::time::Duration;

use askama::Template;

use super::status::{Health, RuleKind};
use super::view::{self, AlertRow, Bounded};
use super::{Section, write};
use crate::model::alert::AlertState;
use crate::model::timestamp::Timestamp;

/// All that the page says.
#[derive(Clone, Debug)]
pub struct RulePage {
    /// The instant the page speaks of.
    pub now: Timestamp,
    /// The alert's or the recorded metric's name.
    pub name: String,
    /// Which of the two.
    pub kind: RuleKind,
    /// Its group.
    pub group: String,
    /// The file it stands in.
    pub file: String,
    /// The line.
    pub line: u32,
    /// Between two evaluations.
    pub interval: Duration,
    /// How far evaluations look from the past.
    pub offset: Duration,
    /// How long the condition must hold.
    pub pending_for: Duration,
    /// How long the alert goes on after the condition.
    pub keep_firing_for: Duration,
    /// As written.
    pub expression: String,
    /// Labels that it adds, as written.
    pub labels: Vec<(String, String)>,
    /// Annotations, as written.
    pub annotations: Vec<(String, String)>,
    /// The worst state of its alerts; none for a recording rule.
    pub state: Option<AlertState>,
    /// How its last evaluation went.
    pub health: Health,
    /// Why it is as it is, a sentence each.
    pub explanation: Vec<String>,
    /// The chart's address, in front of the theme's name and behind it.
    pub chart: (String, String),
    /// The same as JSON.
    pub json: String,
    /// Where else to look: text and address.
    pub links: Vec<(String, String)>,
    /// Its alerts, firing first.
    pub alerts: Bounded<AlertRow>,
    /// The last evaluations, the newest first.
    pub evaluations: Vec<EvaluationRow>,
}

/// One evaluation.
#[derive(Clone, Debug)]
pub struct EvaluationRow {
    /// When.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Samples read.
    pub samples: u64,
    /// Series read.
    pub series: u64,
    /// Series of the result.
    pub results: usize,
    /// Why it failed.
    pub error: Option<String>,
}

/// The page.
pub fn render(page: &RulePage) -> String {
    let links = page.links.iter();
    write(&RuleTemplate {
        page,
        links: links
            .filter_map(|(text, href)| Some((text.as_str(), view::safe_link(href)?)))
            .collect(),
    })
}

#[derive(Template)]
#[template(path = "rule.html")]
struct RuleTemplate<'a> {
    page: &'a RulePage,
    links: Vec<(&'a str, &'a str)>,
}

impl RuleTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Rules
    }

    fn chart(&self) -> String {
        let (before, after) = &self.page.chart;
        let alt = "The expression over the last hours, with its threshold; the table of evaluations says the same in numbers.";
        view::chart_at_once(before, after, alt)
    }
}
