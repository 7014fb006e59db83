//! `/graph` and `/query`: an expression, its values and their course. Here the source links of alerts land.

pub mod ask;
pub mod csv;
mod fill;
mod hints;
pub mod serve;

use std::time::Duration;

use askama::Template;

use self::ask::{Ask, RANGES, Tab};
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
    /// The form.
    pub ask: Ask,
    /// What came of it.
    pub outcome: Outcome,
    /// The instant it was evaluated at.
    pub at: Option<Timestamp>,
    /// How long that took.
    pub duration: Option<Duration>,
    /// Samples that were read.
    pub samples_read: Option<u64>,
    /// What makes the values doubtful.
    pub warnings: Vec<String>,
    /// What the writer of the query may want to know.
    pub infos: Vec<String>,
    /// Back to the alert and its runbook: text and address.
    pub links: Vec<(String, String)>,
    /// What is known of the metrics that are read.
    pub metrics: Vec<MetricNote>,
    /// Why there may be nothing.
    pub hints: Vec<Hint>,
    /// Where this result is to be had otherwise: text and address.
    pub exports: Vec<(&'static str, String)>,
    /// The same of the expressions behind it; of these only what is their own.
    pub others: Vec<GraphPage>,
}

impl GraphPage {
    /// Nothing evaluated yet.
    pub fn empty(expression: &str) -> Self {
        Self {
            expression: expression.to_owned(),
            ask: Ask::of(expression),
            outcome: Outcome::Empty,
            at: None,
            duration: None,
            samples_read: None,
            warnings: Vec::new(),
            infos: Vec::new(),
            links: Vec::new(),
            metrics: Vec::new(),
            hints: Vec::new(),
            exports: Vec::new(),
            others: Vec::new(),
        }
    }

    /// It could not be evaluated at all.
    pub fn failed(ask: &Ask, message: &str) -> Self {
        Self {
            ask: ask.clone(),
            outcome: Outcome::Error(QueryError {
                message: message.to_owned(),
                excerpt: None,
            }),
            others: ask.each().skip(1).map(Self::unasked).collect(),
            ..Self::empty(&ask.expression)
        }
    }

    fn unasked(ask: Ask) -> Self {
        Self {
            ask: ask.clone(),
            ..Self::empty(&ask.expression)
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
    /// The course.
    Course(Box<Plot>),
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

/// What a target says of a metric.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetricNote {
    /// Its name.
    pub name: String,
    /// `counter`, ...
    pub kind: &'static str,
    /// Its unit; may be empty.
    pub unit: String,
    /// Its help; may be empty.
    pub help: String,
}

/// Why there may be nothing, and what to try: text and address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hint {
    /// Why.
    pub text: String,
    /// What to try.
    pub links: Vec<(String, String)>,
}

/// A chart with its legend and its values.
#[derive(Clone, Debug)]
pub struct Plot {
    /// The drawing for wide screens; SVG, whole and escaped.
    pub wide: String,
    /// The one for phones.
    pub narrow: String,
    /// One row for each line.
    pub legend: Vec<LegendRow>,
    /// Series that are not drawn.
    pub more: usize,
    /// `threshold > 5`
    pub threshold: Option<String>,
    /// Whether anything was pending, and firing.
    pub shaded: (bool, bool),
    /// Whether rules were loaded in this time.
    pub reloaded: bool,
    /// The part of the expression that is drawn, where it is not all of it.
    pub part: Option<String>,
    /// `2026-11-20 UTC`
    pub days: String,
    /// The range's ends.
    pub ends: (Timestamp, Timestamp),
    /// Between values.
    pub step: Duration,
    /// What a script asks for: the part that is drawn.
    pub query: String,
    /// Some values, for who does not see the chart.
    pub values: Values,
}

/// One line of a chart.
#[derive(Clone, Debug)]
pub struct LegendRow {
    /// Number of the colour from 1, and of the dashes.
    pub look: (usize, usize),
    /// What tells it from the others.
    pub name: String,
    /// The last value, and the lowest, mean and highest.
    pub figures: [String; 4],
}

/// Values of the first lines at some times.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// The lines' names.
    pub names: Vec<String>,
    /// Time, and a value for each of `names`.
    pub rows: Vec<(Timestamp, Vec<String>)>,
}

/// The page.
pub fn render(page: &GraphPage) -> String {
    let parts = std::iter::once(page).chain(&page.others);
    write(&GraphTemplate {
        page,
        parts: parts.enumerate().map(Part::new).collect(),
        links: safe(&page.links),
    })
}

/// Those that lead to the web or to this site.
fn safe(links: &[(String, String)]) -> Vec<(&str, &str)> {
    links
        .iter()
        .filter_map(|(text, href)| Some((text.as_str(), view::safe_link(href)?)))
        .collect()
}

#[derive(Template)]
#[template(path = "graph.html")]
struct GraphTemplate<'a> {
    page: &'a GraphPage,
    parts: Vec<Part<'a>>,
    links: Vec<(&'a str, &'a str)>,
}

/// One expression and what came of it.
struct Part<'a> {
    /// Its place on the page, from 0.
    number: usize,
    page: &'a GraphPage,
    result: Option<Shown<'a>>,
    error: Option<&'a QueryError>,
    /// Lines of its field.
    rows: usize,
}

impl<'a> Part<'a> {
    fn new((number, page): (usize, &'a GraphPage)) -> Self {
        let (result, error) = match &page.outcome {
            Outcome::Empty => (None, None),
            Outcome::Scalar(value) => (Some(Shown::single("Scalar", value)), None),
            Outcome::Text(value) => (Some(Shown::single("String", value)), None),
            Outcome::Vector(rows) => (Some(Shown::rows("Instant vector", rows)), None),
            Outcome::Matrix(rows) => (Some(Shown::rows("Range vector", rows)), None),
            Outcome::Course(plot) => (Some(Shown::plot(plot)), None),
            Outcome::Error(error) => (None, Some(error)),
        };
        Self {
            number,
            page,
            result,
            error,
            rows: page.expression.lines().count().clamp(3, 15),
        }
    }

    /// The name of one of its elements: those of the first are as they are on a page of one expression.
    fn id(&self, name: &str) -> String {
        match self.number {
            0 => name.to_owned(),
            number => format!("{name}-{}", number + 1),
        }
    }
}

impl GraphTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Query
    }

    fn adds(&self) -> bool {
        self.page.ask.adds
    }

    fn may_add(&self) -> bool {
        !self.adds() && self.parts.len() < ask::MAX_EXPRESSIONS
    }

    fn is_graph(&self) -> bool {
        self.page.ask.tab == Tab::Graph
    }

    fn range(&self) -> String {
        crate::model::duration::format(self.page.ask.range)
    }

    fn step(&self) -> String {
        let step = self.page.ask.step;
        step.map_or_else(String::new, crate::model::duration::format)
    }

    fn fitting(&self) -> String {
        crate::model::duration::format(ask::fitting(self.page.ask.range))
    }

    /// As a field for date and time takes it.
    fn end(&self) -> String {
        let end = self.page.ask.end.map(|end| end.to_rfc3339());
        end.and_then(|end| end.get(..19).map(str::to_owned))
            .unwrap_or_default()
    }

    /// The usual ranges: text, address, and whether it is the one shown.
    fn ranges(&self) -> Vec<(&'static str, String, bool)> {
        let ask = &self.page.ask;
        RANGES
            .into_iter()
            .filter_map(|text| {
                let range = crate::model::duration::parse(text).ok()?;
                let link = ask.with_range(range, ask.end).link();
                Some((text, link, range == ask.range))
            })
            .collect()
    }

    /// Half a range earlier, half a range later, now, and a range of half and of double the length.
    fn moves(&self, plot: &Plot) -> Vec<(&'static str, String)> {
        let ask = &self.page.ask;
        let end = plot.ends.1;
        let half = ask.range / 2;
        let mut moves = vec![
            (
                "Earlier",
                ask.with_range(ask.range, Some(end - half)).link(),
            ),
            (
                "Shorter",
                ask.with_range(half.max(SHORTEST), ask.end).link(),
            ),
            ("Longer", ask.with_range(ask.range * 2, ask.end).link()),
        ];
        if ask.end.is_some() {
            moves.insert(
                1,
                ("Later", ask.with_range(ask.range, Some(end + half)).link()),
            );
            moves.insert(2, ("Until now", ask.with_range(ask.range, None).link()));
        }
        moves
    }
}

/// The shortest range that a link leads to.
const SHORTEST: Duration = Duration::from_secs(60);

/// A result as the template wants it: one value, rows, or a chart.
struct Shown<'a> {
    kind: &'static str,
    count: Option<String>,
    single: Option<&'a str>,
    rows: Option<&'a Bounded<Row>>,
    plot: Option<&'a Plot>,
}

impl<'a> Shown<'a> {
    fn single(kind: &'static str, value: &'a str) -> Self {
        Self {
            kind,
            count: None,
            single: Some(value),
            rows: None,
            plot: None,
        }
    }

    fn rows(kind: &'static str, rows: &'a Bounded<Row>) -> Self {
        let count = rows.rows.len() + rows.more;
        Self {
            kind,
            count: Some(format!("{count} series")),
            single: None,
            rows: Some(rows),
            plot: None,
        }
    }

    fn plot(plot: &'a Plot) -> Self {
        let count = plot.legend.len() + plot.more;
        Self {
            kind: "Graph",
            count: Some(format!("{count} series")),
            single: None,
            rows: None,
            plot: Some(plot),
        }
    }

    fn is_empty(&self) -> bool {
        self.rows.is_some_and(|rows| rows.rows.is_empty())
            || self.plot.is_some_and(|plot| plot.legend.is_empty())
    }
}

impl Plot {
    fn step_text(&self) -> String {
        crate::model::duration::format(self.step)
    }
}

impl LegendRow {
    fn dashes(&self) -> &'static str {
        ["", "5 2.5", "1.5 2.5"][self.look.1.min(2)]
    }
}
