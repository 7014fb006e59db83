//! `/definitions` and what is below: what metrics mean, who owns them, how they are now; domains and objectives.
//!
//! Read only: definitions are changed through their API, the command line or files.

pub mod chart;
mod fields;
pub mod list;
mod live;
pub mod one;
#[cfg(test)]
mod tests;

use askama::Template;

use super::paged::Paging;
use super::view;
use super::{Section, write};
use crate::definitions::resource::Kind;
use crate::model::timestamp::Timestamp;

/// A list of definitions of one kind.
#[derive(Clone, Debug)]
pub struct ListPage {
    /// The kind.
    pub kind: Kind,
    /// The words that are looked for.
    pub search: String,
    /// What can be narrowed by: parameter, name, values with how many there are, the one chosen.
    pub filters: Vec<Choice>,
    /// How many there are of each kind, and where.
    pub kinds: Vec<(&'static str, i64, &'static str, bool)>,
    /// The rows of this page.
    pub rows: Vec<Row>,
    /// Which page it is.
    pub paging: Paging,
    /// What is wrong with the search.
    pub mistake: Option<String>,
}

/// What a list can be narrowed by.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The parameter.
    pub name: &'static str,
    /// What the label says.
    pub label: &'static str,
    /// Values, each with how many there are.
    pub values: Vec<(String, i64)>,
    /// The one that is chosen.
    pub chosen: String,
}

/// One definition in a list.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its page.
    pub href: String,
    /// Its name.
    pub name: String,
    /// Its identifier.
    pub id: String,
    /// What it tells.
    pub description: String,
    /// Words about it: tier, status, verdict.
    pub badges: Vec<(String, &'static str)>,
    /// Owner, domain and the like.
    pub facts: Vec<(&'static str, String)>,
    /// How far it is.
    pub progress: Option<Progress>,
}

/// How far something is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// In per cent.
    pub percent: u32,
    /// In words.
    pub text: String,
    /// The class of its badge.
    pub class: &'static str,
}

/// One definition.
#[derive(Clone, Debug)]
pub struct OnePage {
    /// The time shown as now.
    pub now: Timestamp,
    /// The kind.
    pub kind: Kind,
    /// Name, identifier, what it tells, words about it, owner.
    pub head: Row,
    /// Its value now, for a metric.
    pub live: Option<Live>,
    /// The address of its chart, in front of the theme's name.
    pub chart: Option<String>,
    /// Its fields, laid out for reading.
    pub sections: Vec<Fields>,
    /// Key results of an objective, metrics of a domain.
    pub parts: Vec<Row>,
    /// Parts that are not shown, and where they are.
    pub more: Option<(usize, String)>,
    /// Alerting rules that watch it: name, state, link.
    pub rules: Vec<(String, &'static str, String)>,
    /// Its versions, newest first.
    pub history: Vec<Version>,
    /// Which page of them.
    pub paging: Paging,
    /// What one version changed.
    pub difference: Option<Difference>,
}

/// The value of a metric now.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// As it is read; none where there is none.
    pub value: Option<String>,
    /// Its unit.
    pub unit: String,
    /// How it stands, and the class of its badge.
    pub verdict: (String, &'static str),
    /// Why there is none.
    pub reason: Option<String>,
    /// Series that it is the worst of.
    pub series: usize,
    /// Target, warning, critical.
    pub limits: Vec<(&'static str, String)>,
}

/// Fields that belong together.
#[derive(Clone, Debug)]
pub struct Fields {
    /// What they are about.
    pub title: &'static str,
    /// Each with its values.
    pub rows: Vec<(&'static str, Vec<Cell>)>,
}

/// A value of a field.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The text.
    pub text: String,
    /// Where it leads.
    pub href: Option<String>,
    /// Whether it is an expression or an identifier.
    pub code: bool,
}

/// One write.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its revision.
    pub revision: i64,
    /// The version it led to.
    pub version: Option<String>,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// What it was.
    pub summary: String,
    /// Where its changes are shown.
    pub link: Option<String>,
}

/// In what two revisions differ.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The older.
    pub from: i64,
    /// The newer.
    pub to: i64,
    /// Field, before, after.
    pub changes: Vec<(String, Option<String>, Option<String>)>,
    /// Changes that are not shown.
    pub more: usize,
}

/// The list.
pub fn render_list(page: &ListPage) -> String {
    write(&ListTemplate { page })
}

/// One definition.
pub fn render_one(page: &OnePage) -> String {
    write(&OneTemplate { page })
}

#[derive(Template)]
#[template(path = "definitions.html")]
struct ListTemplate<'a> {
    page: &'a ListPage,
}

#[derive(Template)]
#[template(path = "definition.html")]
struct OneTemplate<'a> {
    page: &'a OnePage,
}

impl ListTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Definitions
    }
}

impl OneTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Definitions
    }

    fn plural(&self) -> &'static str {
        self.page.kind.plural()
    }
}

/// The page of a definition.
fn address(kind: Kind, id: &str) -> String {
    let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("/definitions/{}/{}", kind.plural(), id.replace('+', "%20"))
}
