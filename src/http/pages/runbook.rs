//! `/runbooks` and `/runbooks/<slug>`.

use askama::Template;

use super::view::{self, AlertRow, Bounded, MAX_ROWS};
use super::{Section, write};
use crate::model::timestamp::Timestamp;
use crate::runbooks::markdown::Heading;
use crate::runbooks::{Fault, Runbook, Runbooks};

/// One runbook, with the alerts it is for as they are now; `None` where that is not known.
pub fn render(runbook: &Runbook, now: Timestamp, live: Option<&Bounded<AlertRow>>) -> String {
    let headings = runbook.headings.iter();
    write(&RunbookTemplate {
        runbook,
        now,
        live,
        contents: headings
            .filter(|heading| heading.level == 2)
            .take(MAX_ROWS)
            .collect(),
    })
}

/// The list of all runbooks, and what is wrong with the others.
pub fn index(runbooks: &Runbooks) -> String {
    let (alerts, guides) = runbooks
        .list()
        .partition(|runbook| runbook.front_matter.alert.is_some());
    write(&IndexTemplate {
        alerts,
        guides,
        faults: runbooks.faults().iter().collect(),
    })
}

#[derive(Template)]
#[template(path = "runbook.html")]
struct RunbookTemplate<'a> {
    runbook: &'a Runbook,
    now: Timestamp,
    live: Option<&'a Bounded<AlertRow>>,
    contents: Vec<&'a Heading>,
}

#[derive(Template)]
#[template(path = "runbooks.html")]
struct IndexTemplate<'a> {
    alerts: Vec<&'a Runbook>,
    guides: Vec<&'a Runbook>,
    faults: Bounded<&'a Fault>,
}

impl RunbookTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Runbooks
    }
}

impl IndexTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Runbooks
    }
}
