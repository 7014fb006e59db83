//! An objective's report, to read and to print.

use askama::Template;

use super::{Section, write};
use crate::definitions::report::Report;

/// The page.
pub fn render(report: &Report<'_>) -> String {
    write(&ObjectiveTemplate { report })
}

#[derive(Template)]
#[template(path = "objective.html")]
struct ObjectiveTemplate<'a> {
    report: &'a Report<'a>,
}

impl ObjectiveTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Elsewhere
    }
}
