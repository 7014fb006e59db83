//! One running query: what it may use, what it has used, and the walk down the tree.

use super::super::ast::{Expr, ExprKind, QueryTime};
use super::annotations::Annotations;
use super::grid::{Duplicates, Grid, Steps};
use super::shared::Shared;
use super::{
    Deadline, EngineConfig, EvalError, Query, QueryResult, QueryValue, binary, invariant,
    unwrap_parens,
};
use crate::storage::query::Queryable;

/// The times of the query as its user gave them; milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueryTimes {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) step: i64,
}

/// A number or an instant vector, at every step.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Scalar(Vec<f64>),
    Vector(Grid),
}

impl Value {
    /// Samples it holds in memory.
    fn size(&self) -> usize {
        match self {
            Self::Scalar(_) => 0,
            Self::Vector(grid) => grid.cells.len(),
        }
    }
}

/// A running query.
pub(super) struct Evaluator<'a> {
    pub(super) source: &'a dyn Queryable,
    pub(super) times: QueryTimes,
    pub(super) lookback: i64,
    pub(super) default_subquery_step: i64,
    pub(super) annotations: Annotations,
    pub(super) samples_read: u64,
    pub(super) series_read: u64,
    text: &'a str,
    shared: Shared<'a>,
    deadline: &'a Deadline,
    max_samples: usize,
    // Samples of selected series and cells of grids that are in memory now.
    held: usize,
    ticks: u32,
}

/// How many series are worked through between two looks at the deadline.
const TICKS: u32 = 256;

impl<'a> Evaluator<'a> {
    pub(super) fn new(
        source: &'a dyn Queryable,
        config: &EngineConfig,
        query: &Query<'a>,
        times: QueryTimes,
    ) -> Self {
        let millis =
            |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self {
            source,
            times,
            lookback: millis(config.lookback),
            default_subquery_step: millis(config.default_subquery_step).max(1),
            annotations: Annotations::default(),
            samples_read: 0,
            series_read: 0,
            text: query.text,
            shared: Shared::of(query.text, query.expr),
            deadline: query.deadline,
            max_samples: config.max_samples,
            held: 0,
            ticks: 0,
        }
    }

    pub(super) fn finish(self, value: QueryValue) -> QueryResult {
        let (warnings, infos) = self.annotations.finish(self.text);
        QueryResult {
            value,
            warnings,
            infos,
            samples_read: self.samples_read,
            series_read: self.series_read,
        }
    }

    /// Called once a series.
    pub(super) fn tick(&mut self) -> Result<(), EvalError> {
        self.ticks += 1;
        if self.ticks >= TICKS {
            self.ticks = 0;
            self.deadline.check()?;
        }
        Ok(())
    }

    /// Accounts for samples about to be held.
    pub(super) fn hold(&mut self, samples: usize) -> Result<(), EvalError> {
        self.held = self.held.saturating_add(samples);
        if self.held > self.max_samples {
            return Err(EvalError::TooManySamples);
        }
        Ok(())
    }

    pub(super) fn release(&mut self, samples: usize) {
        self.held = self.held.saturating_sub(samples);
    }

    /// Refuses more steps than samples may be held: even what reads no series has a value at each.
    pub(super) fn bound_steps(&mut self, steps: Steps) -> Result<(), EvalError> {
        self.hold(steps.count)?;
        self.release(steps.count);
        Ok(())
    }

    /// Whether evaluation may go on; asked within long work on one series.
    pub(super) fn check_deadline(&self) -> Result<(), EvalError> {
        self.deadline.check()
    }

    /// How many more samples may be held.
    pub(super) fn room(&self) -> usize {
        self.max_samples.saturating_sub(self.held)
    }

    /// Evaluates an expression at every step; an expression that cannot depend on the step only once.
    pub(super) fn eval(&mut self, expr: &Expr, steps: Steps) -> Result<Value, EvalError> {
        self.deadline.check()?;
        if steps.count > 1 && invariant::is_invariant(expr) {
            return Ok(match self.eval_each(expr, steps.first())? {
                Value::Scalar(values) => Value::Scalar(vec![values[0]; steps.count]),
                Value::Vector(grid) => {
                    self.hold(grid.rows().saturating_mul(steps.count - 1))?;
                    Value::Vector(grid.repeat(steps.count))
                }
            });
        }
        self.eval_each(expr, steps)
    }

    fn eval_each(&mut self, expr: &Expr, steps: Steps) -> Result<Value, EvalError> {
        let Some(part) = self.shared.part(self.text, expr) else {
            return self.eval_alone(expr, steps);
        };
        if let Some(value) = self.shared.get(part, steps) {
            let value = value.clone();
            self.hold(value.size())?;
            return Ok(value);
        }
        let remarks = self.annotations.count();
        let value = self.eval_alone(expr, steps)?;
        // Remarks name their place, so that each place must make its own.
        if self.annotations.count() == remarks {
            self.hold(value.size())?;
            self.shared.put(part, steps, value.clone());
        }
        Ok(value)
    }

    fn eval_alone(&mut self, expr: &Expr, steps: Steps) -> Result<Value, EvalError> {
        match &expr.kind {
            ExprKind::Number(number) => Ok(Value::Scalar(vec![*number; steps.count])),
            ExprKind::QueryTime(which) => {
                Ok(Value::Scalar(vec![self.query_time(*which); steps.count]))
            }
            ExprKind::Selector(selector) => self.instant_selector(selector, steps),
            ExprKind::Call { function, args } => self.call(expr, function, args, steps),
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate, steps).map(Value::Vector),
            ExprKind::Binary(operation) => binary::eval(self, operation, steps),
            ExprKind::Unary { negate, expr } => {
                let value = self.eval(expr, steps)?;
                if *negate { negated(value) } else { Ok(value) }
            }
            ExprKind::Paren(expr) => self.eval(expr, steps),
            ExprKind::String(_) | ExprKind::Matrix { .. } | ExprKind::Subquery { .. } => Err(
                EvalError::Invalid("expected a number or an instant vector".to_owned()),
            ),
        }
    }

    /// `step()`, `range()`, `start()`, `end()` in seconds.
    pub(super) fn query_time(&self, which: QueryTime) -> f64 {
        let millis = match which {
            QueryTime::Step => self.times.step,
            QueryTime::Range => self.times.end - self.times.start,
            QueryTime::Start => self.times.start,
            QueryTime::End => self.times.end,
        };
        millis as f64 / 1000.0
    }

    /// An instant-vector argument.
    pub(super) fn vector(&mut self, expr: &Expr, steps: Steps) -> Result<Grid, EvalError> {
        match self.eval(expr, steps)? {
            Value::Vector(grid) => Ok(grid),
            Value::Scalar(_) => Err(EvalError::Invalid(
                "expected an instant vector, got a scalar".to_owned(),
            )),
        }
    }

    /// A scalar argument.
    pub(super) fn scalar(&mut self, expr: &Expr, steps: Steps) -> Result<Vec<f64>, EvalError> {
        match self.eval(expr, steps)? {
            Value::Scalar(values) => Ok(values),
            Value::Vector(_) => Err(EvalError::Invalid(
                "expected a scalar, got an instant vector".to_owned(),
            )),
        }
    }
}

/// A string argument.
pub(super) fn text_argument(expr: &Expr) -> Result<&str, EvalError> {
    match &unwrap_parens(expr).kind {
        ExprKind::String(text) => Ok(text),
        _ => Err(EvalError::Invalid("expected a string".to_owned())),
    }
}

fn negated(value: Value) -> Result<Value, EvalError> {
    match value {
        Value::Scalar(values) => Ok(Value::Scalar(values.iter().map(|value| -value).collect())),
        Value::Vector(mut grid) => {
            grid.map(|value| -value);
            grid.drop_names(Duplicates::Merge)?;
            Ok(Value::Vector(grid))
        }
    }
}
