//! Functions, by theme. This is the table of contents; what each computes is Prometheus's definition.
//! <https://prometheus.io/docs/prometheus/latest/querying/functions/>

use super::super::ast::{Expr, ExprKind, Function, FunctionId as Id, QueryTime};
use super::evaluator::{Evaluator, Value, text_argument};
use super::grid::{Duplicates, Grid, Steps, is_present};
use super::numeric::{go_max, go_min};
use super::select::Take;
use super::{EvalError, unwrap_parens};
use crate::model::labels::Labels;

mod absent;
mod date;
mod histogram;
mod info;
mod labels;
mod math;
mod over_time;
mod range;
mod rate;
mod regression;
mod sort;

impl Evaluator<'_> {
    pub(super) fn call(
        &mut self,
        expr: &Expr,
        function: &Function,
        args: &[Expr],
        steps: Steps,
    ) -> Result<Value, EvalError> {
        if let Some(value) = self.number_function(function.id, args, steps)? {
            return Ok(Value::Scalar(value));
        }
        if let Some(change) = math::function(function.id) {
            let mut grid = self.vector(&args[0], steps)?;
            grid.map(change);
            grid.drop_names(Duplicates::Merge)?;
            return Ok(Value::Vector(grid));
        }
        if let Some(part) = date::function(function.id) {
            return self.date(args, steps, part).map(Value::Vector);
        }
        let grid = match function.id {
            Id::Vector => {
                let cells = self.scalar(&args[0], steps)?;
                self.hold(cells.len())?;
                Grid {
                    labels: vec![Labels::empty()],
                    cells,
                    ..Grid::empty(steps.count)
                }
            }
            Id::Clamp | Id::ClampMax | Id::ClampMin => self.clamp(function.id, args, steps)?,
            Id::Round => self.round(args, steps)?,
            Id::Timestamp => self.timestamp(&args[0], steps)?,
            Id::Sort | Id::SortDesc => self.sort_by_value(expr, function.id, args, steps)?,
            Id::SortByLabel | Id::SortByLabelDesc => {
                self.sort_by_label(expr, function.id, args, steps)?
            }
            Id::Absent => self.absent(&args[0], steps)?,
            Id::AbsentOverTime => self.absent_over_time(&args[0], steps)?,
            Id::LabelReplace => self.label_replace(args, steps)?,
            Id::LabelJoin => self.label_join(args, steps)?,
            Id::HistogramQuantile => self.histogram_quantile(args, steps)?,
            Id::HistogramQuantiles => self.histogram_quantiles(args, steps)?,
            Id::HistogramFraction => self.histogram_fraction(args, steps)?,
            // They skip floats, and floats are all there is.
            Id::HistogramAvg
            | Id::HistogramCount
            | Id::HistogramStddev
            | Id::HistogramStdvar
            | Id::HistogramSum => {
                self.vector(&args[0], steps)?;
                Grid::empty(steps.count)
            }
            Id::Info => self.info(args, steps)?,
            Id::StartTimestamp => {
                return Err(EvalError::Invalid(
                    "function start_timestamp is not supported".to_owned(),
                ));
            }
            _ => self.range_function(function, args, steps)?,
        };
        Ok(Value::Vector(grid))
    }

    /// Functions that return numbers.
    fn number_function(
        &mut self,
        id: Id,
        args: &[Expr],
        steps: Steps,
    ) -> Result<Option<Vec<f64>>, EvalError> {
        let constant = |value: f64| vec![value; steps.count];
        Ok(Some(match id {
            Id::Time => steps.times().map(|time| time as f64 / 1000.0).collect(),
            Id::Pi => constant(std::f64::consts::PI),
            Id::Step => constant(self.query_time(QueryTime::Step)),
            Id::Range => constant(self.query_time(QueryTime::Range)),
            Id::Start => constant(self.query_time(QueryTime::Start)),
            Id::End => constant(self.query_time(QueryTime::End)),
            Id::MaxOf | Id::MinOf => {
                let left = self.scalar(&args[0], steps)?;
                let right = self.scalar(&args[1], steps)?;
                let pick = if id == Id::MaxOf { go_max } else { go_min };
                left.iter()
                    .zip(&right)
                    .map(|(left, right)| pick(*left, *right))
                    .collect()
            }
            Id::Scalar => {
                let grid = self.vector(&args[0], steps)?;
                self.release(grid.cells.len());
                let mut values = constant(f64::NAN);
                let mut seen = vec![0_u32; steps.count];
                for row in 0..grid.rows() {
                    for (step, cell) in grid.row(row).iter().enumerate() {
                        if is_present(*cell) {
                            seen[step] += 1;
                            values[step] = if seen[step] == 1 { *cell } else { f64::NAN };
                        }
                    }
                }
                values
            }
            _ => return Ok(None),
        }))
    }

    fn clamp(&mut self, id: Id, args: &[Expr], steps: Steps) -> Result<Grid, EvalError> {
        let mut grid = self.vector(&args[0], steps)?;
        let first = self.scalar(&args[1], steps)?;
        let (least, most) = match id {
            Id::ClampMin => (first, vec![f64::INFINITY; steps.count]),
            Id::ClampMax => (vec![f64::NEG_INFINITY; steps.count], first),
            _ => (first, self.scalar(&args[2], steps)?),
        };
        for row in grid.cells.chunks_mut(steps.count) {
            for (step, cell) in row.iter_mut().enumerate() {
                if !is_present(*cell) {
                    continue;
                }
                *cell = if most[step] < least[step] {
                    super::grid::ABSENT
                } else {
                    go_max(least[step], go_min(most[step], *cell))
                };
            }
        }
        grid.remove_empty_rows();
        grid.drop_names(Duplicates::Merge)?;
        Ok(grid)
    }

    fn round(&mut self, args: &[Expr], steps: Steps) -> Result<Grid, EvalError> {
        let mut grid = self.vector(&args[0], steps)?;
        let nearest = match args.get(1) {
            Some(nearest) => self.scalar(nearest, steps)?,
            None => vec![1.0; steps.count],
        };
        for row in grid.cells.chunks_mut(steps.count) {
            for (cell, nearest) in row.iter_mut().zip(&nearest) {
                if is_present(*cell) {
                    // By the inverse, as Prometheus does: it is less off for 0.1 and the like.
                    let inverse = 1.0 / nearest;
                    *cell = (*cell * inverse + 0.5).floor() / inverse;
                }
            }
        }
        grid.drop_names(Duplicates::Merge)?;
        Ok(grid)
    }

    /// When samples were taken, where they come straight from a selector; else the time of evaluation.
    fn timestamp(&mut self, arg: &Expr, steps: Steps) -> Result<Grid, EvalError> {
        let mut grid = match &unwrap_parens(arg).kind {
            ExprKind::Selector(selector) if selector.extension.is_none() => {
                let reference = self.reference(&selector.at)?;
                self.newest(&selector.matchers, reference, steps, Take::Time)?
            }
            _ => {
                let mut grid = self.vector(arg, steps)?;
                for row in grid.cells.chunks_mut(steps.count) {
                    for (cell, time) in row.iter_mut().zip(steps.times()) {
                        if is_present(*cell) {
                            *cell = time as f64 / 1000.0;
                        }
                    }
                }
                grid
            }
        };
        grid.drop_names(Duplicates::Merge)?;
        Ok(grid)
    }

    fn date(
        &mut self,
        args: &[Expr],
        steps: Steps,
        part: fn(i64) -> f64,
    ) -> Result<Grid, EvalError> {
        let Some(arg) = args.first() else {
            self.hold(steps.count)?;
            return Ok(Grid {
                labels: vec![Labels::empty()],
                cells: steps.times().map(|time| part(time / 1000)).collect(),
                ..Grid::empty(steps.count)
            });
        };
        let mut grid = self.vector(arg, steps)?;
        grid.map(|value| part(value as i64));
        grid.drop_names(Duplicates::Merge)?;
        Ok(grid)
    }
}

/// The text of a string argument that names a label.
fn label_argument<'e>(expr: &'e Expr, what: &str) -> Result<&'e str, EvalError> {
    let name = text_argument(expr)?;
    if name.is_empty() {
        return Err(EvalError::Invalid(format!("invalid {what}: {name}")));
    }
    Ok(name)
}
