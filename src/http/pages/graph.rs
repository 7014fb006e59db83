//! `/graph` and `/query`: an expression and its value now. Here the source links of alerts land.

use std::time::Duration;

use askama::Template;

use super::view::{self, Bounded};
use super::{Section, write};
use crate::model::timestamp::Timestamp;

/// The values one row of a range shows.
const MAX_VALUES: usize = 20;

/// All that the page says.
#[derive(Clone, Debug)]
pub struct GraphPage {
    /// As it was given; may be empty.
    pub expression: String,
    /// What came of it.
    pub outcome: Outcome,
    /// The instant it was evaluated at.
    pub at: Option<Timestamp>,
    /// How long that took.
    pub duration: Option<Duration>,
    /// The evaluation's warnings.
    pub warnings: Vec<String>,
    /// Back to the alert and its runbook: text and address.
    pub links: Vec<(String, String)>,
}

impl GraphPage {
    /// Nothing evaluated yet.
    pub fn empty(expression: &str) -> Self {
        Self {
            expression: expression.to_owned(),
            outcome: Outcome::Empty,
            at: None,
            duration: None,
            warnings: Vec::new(),
            links: Vec::new(),
        }
    }

    /// It could not be evaluated at all.
    pub fn failed(expression: &str, message: &str) -> Self {
        Self {
            outcome: Outcome::Error(QueryError {
                message: message.to_owned(),
                excerpt: None,
            }),
            ..Self::empty(expression)
        }
    }
}

/// What came of an expression.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// None was given.
    Empty,
    /// A number.
    Scalar(String),
    /// A text.
    Text(String),
    /// A value for each series.
    Vector(Bounded<Row>),
    /// Several values for each series, `value @time`.
    Matrix(Bounded<Row>),
    /// It is wrong, or failed.
    Error(QueryError),
}

/// One series.
#[derive(Clone, Debug)]
pub struct Row {
    /// As PromQL writes it: `up{job="api"}`.
    pub series: String,
    /// As Prometheus writes them; one for a vector.
    pub values: Vec<String>,
}

/// Why there is no result.
#[derive(Clone, Debug)]
pub struct QueryError {
    /// What is wrong.
    pub message: String,
    /// The expression with a caret under the fault.
    pub excerpt: Option<String>,
}

/// The page.
pub fn render(page: &GraphPage) -> String {
    let (result, error) = match &page.outcome {
        Outcome::Empty => (None, None),
        Outcome::Scalar(value) => (Some(Shown::single("Scalar", value)), None),
        Outcome::Text(value) => (Some(Shown::single("String", value)), None),
        Outcome::Vector(rows) => (Some(Shown::rows("Instant vector", rows)), None),
        Outcome::Matrix(rows) => (Some(Shown::rows("Range vector", rows)), None),
        Outcome::Error(error) => (None, Some(error)),
    };
    let links = page.links.iter();
    write(&GraphTemplate {
        page,
        result,
        error,
        links: links
            .filter_map(|(text, href)| Some((text.as_str(), view::safe_link(href)?)))
            .collect(),
        rows: page.expression.lines().count().clamp(3, 15),
    })
}

#[derive(Template)]
#[template(path = "graph.html")]
struct GraphTemplate<'a> {
    page: &'a GraphPage,
    result: Option<Shown<'a>>,
    error: Option<&'a QueryError>,
    links: Vec<(&'a str, &'a str)>,
    rows: usize,
}

impl GraphTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Query
    }
}

/// A result as the template wants it: one value, or rows.
struct Shown<'a> {
    kind: &'static str,
    count: Option<String>,
    single: Option<&'a str>,
    rows: Option<&'a Bounded<Row>>,
}

impl<'a> Shown<'a> {
    fn single(kind: &'static str, value: &'a str) -> Self {
        Self {
            kind,
            count: None,
            single: Some(value),
            rows: None,
        }
    }

    fn rows(kind: &'static str, rows: &'a Bounded<Row>) -> Self {
        let count = rows.rows.len() + rows.more;
        Self {
            kind,
            count: Some(format!("{count} series")),
            single: None,
            rows: Some(rows),
        }
    }
}
