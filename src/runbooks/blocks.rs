//! What the `promql` blocks of a runbook yield now.
//!
//! Nobody waits for a page because of its queries: all blocks of one share a time, each has a part of it at most, and what
//! does not fit is left to a page of its own. Of a result the first rows are kept. Alerts and rules are none of its business.

use std::time::Duration;

use super::placeholders::{self, Language, Values};
use crate::charts::alert::{self, ChartError, Sight};
use crate::charts::chart::Chart;
use crate::model::go_float;
use crate::model::timestamp::Timestamp;
use crate::promql::ast::{Expr, ValueType};
use crate::promql::eval::{Deadline, Engine, EvalError, Query, QueryResult, QueryValue};
use crate::promql::{parser, support, typecheck};
use crate::storage::query::Queryable;

/// Values shown of one series of a range vector: the last ones.
const VALUES: usize = 5;

/// What evaluates, and when it is.
#[derive(Clone, Copy)]
pub struct Runner<'a> {
    /// The store.
    pub storage: &'a dyn Queryable,
    /// Evaluates.
    pub engine: &'a Engine,
    /// The time of evaluation.
    pub at: Timestamp,
}

impl std::fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// What became of a block.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// There was no time left for it.
    NotRun,
    /// These words stand in it and nobody said what for.
    Open(Vec<&'static str>),
    /// It is wrong, or failed.
    Failed {
        /// Why.
        message: String,
        /// The expression with a caret under the fault.
        excerpt: Option<String>,
    },
    /// A number or a text.
    Single(String),
    /// A value for each series, or several.
    Rows {
        /// The first ones.
        rows: Vec<Row>,
        /// How many more.
        more: usize,
    },
}

/// One series.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// As PromQL writes it.
    pub series: String,
    /// As Prometheus writes them; one for a vector.
    pub values: Vec<String>,
}

/// The text of a block with its words filled in.
pub fn filled(query: &str, values: &Values) -> String {
    placeholders::fill(Language::Promql, query, values)
}

/// Whether its course over time can be drawn.
pub fn has_course(text: &str) -> bool {
    parse(text).is_ok_and(|expr| {
        matches!(
            typecheck::type_of(&expr),
            ValueType::Vector | ValueType::Scalar
        )
    })
}

impl Runner<'_> {
    /// Runs blocks one after the other, each for `each` at most, until `all` is over. Blocking.
    pub fn run_all(
        &self,
        queries: &[String],
        values: &Values,
        rows: usize,
        (each, all): (Duration, &Deadline),
    ) -> Vec<Outcome> {
        let run = |query: &String| {
            if all.check().is_err() {
                return Outcome::NotRun;
            }
            let deadline = Deadline::after(each);
            match self.run(query, values, rows, &deadline) {
                Err(EvalError::TimedOut | EvalError::Canceled) => Outcome::NotRun,
                outcome => told(outcome),
            }
        };
        queries.iter().map(run).collect()
    }

    /// Runs one block. Blocking.
    pub fn run_one(
        &self,
        query: &str,
        values: &Values,
        rows: usize,
        deadline: &Deadline,
    ) -> Outcome {
        told(self.run(query, values, rows, deadline))
    }

    fn run(
        &self,
        query: &str,
        values: &Values,
        rows: usize,
        deadline: &Deadline,
    ) -> Result<Outcome, EvalError> {
        let open = placeholders::left(Language::Promql, query, values);
        if !open.is_empty() {
            return Ok(Outcome::Open(open));
        }
        let text = filled(query, values);
        let expr = match parse(&text) {
            Ok(expr) => expr,
            Err(failed) => return Ok(failed),
        };
        let query = Query {
            text: &text,
            expr: &expr,
            deadline,
        };
        let result = self
            .engine
            .instant(self.storage, &query, self.at.millis())?;
        Ok(shown(result, rows))
    }

    /// The course of a block over the last hour. Blocking.
    ///
    /// # Errors
    /// Where the expression is wrong or fails, or there is nothing to see.
    pub fn course(&self, text: &str, deadline: &Deadline) -> Result<Chart, ChartError> {
        let expr = parse(text).map_err(|_| ChartError::NoData)?;
        let sight = Sight {
            storage: self.storage,
            engine: self.engine,
            deadline,
            external_labels: &[],
        };
        alert::course(text, &expr, self.at, sight)
    }
}

fn told(outcome: Result<Outcome, EvalError>) -> Outcome {
    outcome.unwrap_or_else(|error| Outcome::Failed {
        message: error.to_string(),
        excerpt: None,
    })
}

fn parse(text: &str) -> Result<Expr, Outcome> {
    let expr = parser::parse(text).map_err(|error| Outcome::Failed {
        message: error.to_string(),
        excerpt: Some(error.excerpt(text)),
    })?;
    support::check(&expr).map_err(|error| Outcome::Failed {
        message: error.to_string(),
        excerpt: None,
    })?;
    Ok(expr)
}

fn shown(result: QueryResult, limit: usize) -> Outcome {
    fn rows<T>(found: Vec<T>, limit: usize, row: impl FnMut(T) -> Row) -> Outcome {
        let more = found.len().saturating_sub(limit);
        Outcome::Rows {
            rows: found.into_iter().take(limit).map(row).collect(),
            more,
        }
    }
    match result.value {
        QueryValue::Scalar { value, .. } => Outcome::Single(go_float::format_sample(value)),
        QueryValue::String { value, .. } => Outcome::Single(value),
        QueryValue::Vector(samples) => rows(samples, limit, |sample| Row {
            series: sample.labels.to_string(),
            values: vec![go_float::format_sample(sample.value)],
        }),
        QueryValue::Matrix(series) => rows(series, limit, |series| Row {
            series: series.labels.to_string(),
            values: series
                .samples
                .iter()
                .rev()
                .take(VALUES)
                .map(|sample| {
                    let at = Timestamp::from_millis(sample.timestamp_ms);
                    format!("{} @{at}", go_float::format_sample(sample.value))
                })
                .collect(),
        }),
    }
}
