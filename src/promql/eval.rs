//! Evaluation of syntax trees over series: what Prometheus 3's engine answers, for float samples.
//!
//! An instant query is a range query of one step. A selector is read once for the whole range; series are then walked
//! once, all steps in turn, and label sets are looked at once a series, never once a sample.
//!
//! Native histograms do not exist in the store; what needs them is refused by [`super::support::check`]. Experimental
//! syntax is evaluated wherever a tree holds it: whether it may be written is the parser's business.
//! <https://prometheus.io/docs/prometheus/latest/querying/basics/>

use std::time::Duration;

use self::evaluator::{Evaluator, QueryTimes, Value};
use self::grid::{Grid, Steps, is_present};
use super::ast::{Expr, ExprKind, ValueType};
use super::typecheck::type_of;
use crate::clock::Stopwatch;
use crate::model::labels::Labels;
use crate::model::sample::Sample;
use crate::storage::query::{QueryError, Queryable, Series};
use crate::tasks::Stop;

mod aggregate;
mod annotations;
mod binary;
mod durations;
mod evaluator;
mod functions;
mod grid;
mod invariant;
mod keys;
mod matching;
mod numeric;
mod select;
mod shared;
#[cfg(test)]
mod tests;
mod top;

/// Evaluates expressions. Holds no state between queries.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    config: EngineConfig,
}

/// Bounds and defaults of evaluation.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// How far back an instant selector looks for a sample.
    pub lookback: Duration,
    /// The most samples held in memory at a time.
    pub max_samples: usize,
    /// The step of subqueries that name none.
    pub default_subquery_step: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            lookback: Duration::from_secs(300),
            max_samples: 50_000_000,
            default_subquery_step: Duration::from_secs(60),
        }
    }
}

/// An expression and the circumstances of its evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The text the tree was parsed from: annotations name places in it.
    pub text: &'a str,
    /// The tree.
    pub expr: &'a Expr,
    /// When to give up.
    pub deadline: &'a Deadline,
}

/// When an evaluation gives up: after a time, or when it is told to.
#[derive(Clone, Debug)]
pub struct Deadline {
    running: Stopwatch,
    limit: Duration,
    stop: Option<Stop>,
}

impl Deadline {
    /// Gives up after `limit`, from now on.
    pub fn after(limit: Duration) -> Self {
        Self {
            running: Stopwatch::start(),
            limit,
            stop: None,
        }
    }

    /// Gives up as well when `stop` is cancelled.
    #[must_use]
    pub fn or_when(self, stop: Stop) -> Self {
        Self {
            stop: Some(stop),
            ..self
        }
    }

    /// Whether evaluation may go on.
    ///
    /// # Errors
    /// [`EvalError::TimedOut`] or [`EvalError::Canceled`].
    pub fn check(&self) -> Result<(), EvalError> {
        if self.stop.as_ref().is_some_and(Stop::is_cancelled) {
            return Err(EvalError::Canceled);
        }
        if self.running.elapsed() > self.limit {
            return Err(EvalError::TimedOut);
        }
        Ok(())
    }
}

/// What a query answers.
#[derive(Clone, Debug)]
pub struct QueryResult {
    /// The value.
    pub value: QueryValue,
    /// What makes the value doubtful; as Prometheus words it, with line and column.
    pub warnings: Vec<String>,
    /// What the writer of the query may want to know; likewise.
    pub infos: Vec<String>,
    /// Samples read from the source.
    pub samples_read: u64,
    /// Series read from the source; one that two selectors find counts twice.
    pub series_read: u64,
}

/// A value of one of the four types; times in milliseconds.
#[derive(Clone, Debug)]
pub enum QueryValue {
    /// A number.
    Scalar {
        /// When.
        timestamp_ms: i64,
        /// The number.
        value: f64,
    },
    /// Text.
    String {
        /// When.
        timestamp_ms: i64,
        /// The text.
        value: String,
    },
    /// One value a series, in the order that sorting functions give.
    Vector(Vec<VectorSample>),
    /// Samples over time, sorted by labels.
    Matrix(Vec<Series>),
}

/// A series at one time.
#[derive(Clone, Debug)]
pub struct VectorSample {
    /// Its identity.
    pub labels: Labels,
    /// The time of evaluation.
    pub timestamp_ms: i64,
    /// Its value.
    pub value: f64,
}

/// Why a query has no answer; texts are Prometheus's where it has one.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// More samples than [`EngineConfig::max_samples`].
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// The deadline passed.
    #[error("query timed out in expression evaluation")]
    TimedOut,
    /// It was told to stop.
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// The source failed.
    #[error("expanding series: {0}")]
    Source(QueryError),
    /// Two series of a result have the same labels.
    #[error("vector cannot contain metrics with the same labelset")]
    DuplicateLabels,
    /// The data or a parameter does not allow an answer.
    #[error("{0}")]
    Invalid(String),
}

impl From<QueryError> for EvalError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::TooManySamples { .. } => Self::TooManySamples,
            other => Self::Source(other),
        }
    }
}

/// The times of a range query, in milliseconds; `end_ms` is included where a step falls on it.
#[derive(Clone, Copy, Debug)]
pub struct QueryRange {
    /// The first time.
    pub start_ms: i64,
    /// The last time.
    pub end_ms: i64,
    /// Time between evaluations; more than zero.
    pub step_ms: i64,
}

impl Engine {
    /// An engine with these bounds.
    pub fn new(config: EngineConfig) -> Self {
        Self { config }
    }

    /// The value of an expression at one time. Blocking.
    ///
    /// # Errors
    /// Where the data does not allow an answer, or a bound is passed.
    pub fn instant(
        &self,
        source: &dyn Queryable,
        query: &Query<'_>,
        at_ms: i64,
    ) -> Result<QueryResult, EvalError> {
        let times = QueryTimes {
            start: at_ms,
            end: at_ms,
            step: 0,
        };
        let mut evaluator = Evaluator::new(source, &self.config, query, times);
        let steps = Steps::single(at_ms);
        let expr = unwrap_parens(query.expr);
        let value = match (&expr.kind, type_of(expr)) {
            (ExprKind::String(text), _) => QueryValue::String {
                timestamp_ms: at_ms,
                value: text.clone(),
            },
            (_, ValueType::Matrix) => {
                QueryValue::Matrix(sorted(evaluator.matrix_value(expr, at_ms)?))
            }
            _ => match evaluator.eval(expr, steps)? {
                Value::Scalar(values) => QueryValue::Scalar {
                    timestamp_ms: at_ms,
                    value: values[0],
                },
                Value::Vector(grid) => QueryValue::Vector(vector_samples(grid, at_ms)),
            },
        };
        Ok(evaluator.finish(value))
    }

    /// The values of a scalar or instant-vector expression at each step of a range, always a matrix. Blocking.
    ///
    /// # Errors
    /// Where the data does not allow an answer, a bound is passed, or the expression is of another type.
    pub fn range(
        &self,
        source: &dyn Queryable,
        query: &Query<'_>,
        range: QueryRange,
    ) -> Result<QueryResult, EvalError> {
        let expr = unwrap_parens(query.expr);
        let kind = type_of(expr);
        if matches!(kind, ValueType::String | ValueType::Matrix) {
            return Err(EvalError::Invalid(format!(
                "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
                kind.describe()
            )));
        }
        if range.step_ms <= 0 {
            return Err(EvalError::Invalid(
                "zero or negative query resolution step widths are not accepted".to_owned(),
            ));
        }
        let times = QueryTimes {
            start: range.start_ms,
            end: range.end_ms,
            step: range.step_ms,
        };
        let mut evaluator = Evaluator::new(source, &self.config, query, times);
        let steps = Steps::between(range.start_ms, range.end_ms, range.step_ms);
        evaluator.bound_steps(steps)?;
        let series = if steps.count == 0 {
            Vec::new()
        } else {
            match evaluator.eval(expr, steps)? {
                Value::Scalar(values) => vec![Series {
                    labels: Labels::empty(),
                    samples: samples(&values, steps),
                }],
                Value::Vector(mut grid) => {
                    grid.write_out_names();
                    row_series(&grid, steps)
                }
            }
        };
        Ok(evaluator.finish(QueryValue::Matrix(sorted(series))))
    }
}

fn vector_samples(mut grid: Grid, at_ms: i64) -> Vec<VectorSample> {
    grid.write_out_names();
    let cells = grid.cells;
    grid.labels
        .into_iter()
        .zip(cells)
        .filter(|(_, cell)| is_present(*cell))
        .map(|(labels, value)| VectorSample {
            labels,
            timestamp_ms: at_ms,
            value,
        })
        .collect()
}

/// The samples of each row that has any.
fn row_series(grid: &Grid, steps: Steps) -> Vec<Series> {
    grid.labels
        .iter()
        .enumerate()
        .map(|(row, labels)| Series {
            labels: labels.clone(),
            samples: samples(grid.row(row), steps),
        })
        .filter(|series| !series.samples.is_empty())
        .collect()
}

fn samples(cells: &[f64], steps: Steps) -> Vec<Sample> {
    cells
        .iter()
        .zip(steps.times())
        .filter(|(cell, _)| is_present(**cell))
        .map(|(cell, timestamp_ms)| Sample {
            timestamp_ms,
            value: *cell,
        })
        .collect()
}

fn sorted(mut series: Vec<Series>) -> Vec<Series> {
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    series
}

fn unwrap_parens(mut expr: &Expr) -> &Expr {
    while let ExprKind::Paren(inner) = &expr.kind {
        expr = inner;
    }
    expr
}
