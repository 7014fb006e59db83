//! `/runbooks`, `/runbooks/<slug>` and `/runbooks/<slug>/block/<number>`.
//!
//! A page is the runbook's text with what is known of its alert on top and what its queries yield below each of them. All of
//! it is in the page: no script is needed. Charts are pictures with addresses of their own, in both themes.

pub mod live;

use std::collections::HashMap;

use askama::Template;

use super::view::{self, Bounded};
use super::{Section, write};
use crate::charts::text::escape;
use crate::model::alert::AlertState;
use crate::model::timestamp::Timestamp;
use crate::runbooks::blocks::{self, Outcome};
use crate::runbooks::markdown::{Heading, Piece};
use crate::runbooks::placeholders::{self, Values};
use crate::runbooks::{Fault, Runbook, Runbooks};

/// All that changes from one reading of a runbook to the next.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Labels that the link named.
    pub labels: Vec<(String, String)>,
    /// What the page's words are filled in with.
    pub values: Values,
    /// The same as parameters of an address, with the question mark; empty where there are none.
    pub parameters: String,
    /// Its alert, where it has one.
    pub panel: Option<Panel>,
    /// What became of each query, in order.
    pub outcomes: Vec<Outcome>,
}

/// The alert of a runbook.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// Its name.
    pub alert: String,
    /// How many of it fire.
    pub firing: usize,
    /// How many are pending.
    pub pending: usize,
    /// The rules that raise it.
    pub rules: Vec<RuleShown>,
    /// Its instances, those of the link first, then firing and oldest first.
    pub instances: Bounded<Instance>,
    /// The last time it fired, where nothing fires now.
    pub last: Last,
    /// What was sent of it, newest first; `None` where that could not be read in time.
    pub notifications: Option<Vec<Sent>>,
    /// Where the form for a silence is, filled in.
    pub silence: String,
    /// Where the ledger tells more.
    pub ledger: String,
    /// Where it is in dashboards' language: name and address.
    pub dashboards: Vec<(String, Option<String>)>,
}

/// A rule, as far as a reader needs it.
#[derive(Clone, Debug)]
pub struct RuleShown {
    /// Its `severity` label.
    pub severity: Option<String>,
    /// Its expression.
    pub expression: String,
    /// Its `for`, as written.
    pub pending_for: String,
    /// Why it cannot be evaluated.
    pub error: Option<String>,
}

/// One alert.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Pending or firing.
    pub state: AlertState,
    /// The `severity` label.
    pub severity: Option<String>,
    /// The other labels.
    pub labels: Vec<(String, String)>,
    /// The value as people read it; empty where nobody said.
    pub value: String,
    /// What it passed: `> 5%`.
    pub limit: Option<String>,
    /// When it became pending, or began to fire.
    pub since: Timestamp,
    /// Whether the page's words are filled in with its labels.
    pub chosen: bool,
    /// The address that does that.
    pub choose: String,
    /// Who is in charge of it, or that a silence keeps it quiet.
    pub quiet: Vec<&'static str>,
    /// Links that acknowledge and silence it.
    pub actions: Vec<(&'static str, String)>,
}

/// When an alert last fired.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Last {
    /// It fires, or nobody asked.
    #[default]
    Unasked,
    /// Not within so long.
    Never,
    /// From when until when, to a minute or so.
    Fired(Timestamp, Timestamp),
    /// It could not be found out in time.
    Unknown,
}

/// What became of a notification.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub receiver: String,
    /// By what.
    pub integration: String,
    /// The class of its badge.
    pub class: &'static str,
    /// In a word.
    pub kind: &'static str,
    /// In a sentence.
    pub reason: String,
}

/// One runbook.
pub fn render(runbook: &Runbook, now: Timestamp, live: &Live) -> String {
    let headings = runbook.headings.iter();
    write(&RunbookTemplate {
        runbook,
        now,
        live,
        contents: headings
            .filter(|heading| heading.level == 2)
            .take(view::MAX_ROWS)
            .collect(),
        body: body(runbook, live),
    })
}

/// One query of a runbook by itself, with more rows and its course.
pub fn block(
    runbook: &Runbook,
    number: usize,
    now: Timestamp,
    live: &Live,
    outcome: &Outcome,
) -> String {
    write(&BlockPage {
        runbook,
        now,
        block: BlockTemplate::new(runbook, number, live, outcome, true),
    })
}

/// The list of all runbooks, and what is wrong with the others. `active` are the alerts that are pending or firing.
pub fn index(runbooks: &Runbooks, active: &HashMap<String, AlertState>) -> String {
    let (mut alerts, guides): (Vec<&Runbook>, Vec<&Runbook>) = runbooks
        .list()
        .partition(|runbook| runbook.front_matter.alert.is_some());
    // What is needed now comes first.
    alerts.sort_by_key(|runbook| std::cmp::Reverse(state(runbook, active)));
    write(&IndexTemplate {
        active,
        alerts,
        guides,
        faults: runbooks.faults().iter().collect(),
    })
}

fn state(runbook: &Runbook, active: &HashMap<String, AlertState>) -> Option<AlertState> {
    active.get(runbook.front_matter.alert.as_deref()?).copied()
}

/// The runbook's text as HTML, words filled in, results in place.
fn body(runbook: &Runbook, live: &Live) -> String {
    let mut out = String::new();
    for piece in &runbook.pieces {
        match piece {
            Piece::Html(html) => out.push_str(html),
            Piece::Text(language, text) => {
                out.push_str(&escape(&placeholders::fill(*language, text, &live.values)));
            }
            Piece::Query(number) => {
                let outcome = live.outcomes.get(*number).unwrap_or(&Outcome::NotRun);
                out.push_str(&write(&BlockTemplate::new(
                    runbook, *number, live, outcome, false,
                )));
            }
        }
    }
    out
}

#[derive(Template)]
#[template(path = "runbook.html")]
struct RunbookTemplate<'a> {
    runbook: &'a Runbook,
    now: Timestamp,
    live: &'a Live,
    contents: Vec<&'a Heading>,
    body: String,
}

#[derive(Template)]
#[template(path = "runbook_block.html")]
struct BlockTemplate<'a> {
    slug: &'a str,
    number: usize,
    parameters: &'a str,
    text: String,
    outcome: &'a Outcome,
    course: bool,
    alone: bool,
}

#[derive(Template)]
#[template(path = "runbook_block_page.html")]
struct BlockPage<'a> {
    runbook: &'a Runbook,
    now: Timestamp,
    block: BlockTemplate<'a>,
}

#[derive(Template)]
#[template(path = "runbooks.html")]
struct IndexTemplate<'a> {
    active: &'a HashMap<String, AlertState>,
    alerts: Vec<&'a Runbook>,
    guides: Vec<&'a Runbook>,
    faults: Bounded<&'a Fault>,
}

impl<'a> BlockTemplate<'a> {
    fn new(
        runbook: &'a Runbook,
        number: usize,
        live: &'a Live,
        outcome: &'a Outcome,
        alone: bool,
    ) -> Self {
        let query = runbook.queries.get(number).map_or("", String::as_str);
        let text = blocks::filled(query, &live.values);
        let drawable = match outcome {
            Outcome::Rows { rows, .. } => alone || !rows.is_empty(),
            Outcome::NotRun => alone,
            Outcome::Single(_) => true,
            Outcome::Open(_) | Outcome::Failed { .. } => false,
        };
        Self {
            slug: &runbook.slug,
            number,
            parameters: &live.parameters,
            course: drawable && blocks::has_course(&text),
            text,
            outcome,
            alone,
        }
    }
}

impl IndexTemplate<'_> {
    fn state(&self, runbook: &Runbook) -> Option<AlertState> {
        state(runbook, self.active)
    }
}

impl RunbookTemplate<'_> {
    fn chart(&self, alert: &str) -> String {
        let before = format!("/runbooks/{}/chart/", self.runbook.slug);
        let alt = format!("Values of {alert} against its threshold");
        view::chart(&before, &format!(".svg{}", self.live.parameters), &alt)
    }
}

impl BlockTemplate<'_> {
    fn chart(&self) -> String {
        let before = format!("/runbooks/{}/block/{}/", self.slug, self.number + 1);
        let alt = format!("Course of query {} over the last hour", self.number + 1);
        view::chart(&before, &format!(".svg{}", self.parameters), &alt)
    }

    fn can_run(&self) -> bool {
        !matches!(self.outcome, Outcome::Open(_))
    }
}

macro_rules! in_section {
    ($($template:ident),*) => {$(
        impl $template<'_> {
            fn bar(&self) -> &'static [Section] {
                Section::ALL
            }

            fn section(&self) -> Section {
                Section::Runbooks
            }
        }
    )*};
}

in_section!(RunbookTemplate, BlockPage, IndexTemplate);

#[cfg(test)]
mod tests;
