//! Aggregation operators that make one series of each group; those that pick series are in [`super::top`].

use hashbrown::HashMap;

use super::super::ast::{Aggregate, AggregateOp as Op, Expr};
use super::EvalError;
use super::evaluator::{Evaluator, text_argument};
use super::grid::{ABSENT, Grid, Steps, is_present};
use super::keys::{Groups, LabelPart, members};
use super::numeric::{KahanSum, Mean, quantile};
use super::select::place;
use crate::model::go_float::{format_general, format_plain};
use crate::model::labels::METRIC_NAME;

impl Evaluator<'_> {
    pub(super) fn aggregate(
        &mut self,
        aggregate: &Aggregate,
        steps: Steps,
    ) -> Result<Grid, EvalError> {
        let names = aggregate.labels.iter().map(String::as_str);
        let part = if aggregate.without {
            LabelPart::all_but(names)
        } else {
            LabelPart::listed(names)
        };
        let parameter = || {
            aggregate
                .param
                .as_deref()
                .ok_or_else(|| EvalError::Invalid("expected a parameter".to_owned()))
        };
        if aggregate.op == Op::CountValues {
            let label = text_argument(parameter()?)?;
            let grid = self.vector(&aggregate.expr, steps)?;
            let result = count_values(aggregate, label, &grid)?;
            self.release(grid.cells.len());
            self.hold(result.cells.len())?;
            return Ok(result);
        }
        let parameters = match &aggregate.param {
            Some(parameter) => self.scalar(parameter, steps)?,
            None => Vec::new(),
        };
        let grid = self.vector(&aggregate.expr, steps)?;
        let mut groups = Groups::default();
        let group_of = part.group(&grid, &mut groups);
        let held = grid.cells.len();
        let result = match aggregate.op {
            Op::Topk | Op::Bottomk | Op::Limitk | Op::LimitRatio => {
                let members = members(&group_of, groups.len());
                self.pick(aggregate, &parameters, grid, &members)?
            }
            Op::Quantile => {
                // Here one warning each of the outermost will do, as in Prometheus.
                let largest = parameters.iter().copied().fold(f64::NAN, f64::max);
                let smallest = parameters.iter().copied().fold(f64::NAN, f64::min);
                let missing = parameters.iter().copied().find(|q| q.is_nan());
                let outermost = [missing.unwrap_or(0.0), largest, smallest];
                if !parameters.is_empty() {
                    self.warn_of_quantiles(&outermost, parameter()?);
                }
                let members = members(&group_of, groups.len());
                one_row_a_group(
                    &grid,
                    &group_of,
                    &part,
                    quantiles(&grid, &members, &parameters),
                )
            }
            op => {
                let cells = reduce(op, &grid, &group_of, groups.len());
                one_row_a_group(&grid, &group_of, &part, cells)
            }
        };
        self.release(held);
        self.hold(result.cells.len())?;
        Ok(result)
    }

    /// Warns of quantiles outside of zero to one.
    pub(super) fn warn_of_quantiles(&mut self, quantiles: &[f64], parameter: &Expr) {
        let mut told = None;
        for q in quantiles {
            let wrong = q.is_nan() || *q < 0.0 || *q > 1.0;
            if wrong && told.replace(q.to_bits()) != Some(q.to_bits()) {
                self.annotations.warn(
                    place(parameter),
                    format!(
                        "quantile value should be between 0 and 1, got {}",
                        format_general(*q)
                    ),
                );
            }
        }
    }
}

/// The grid of the groups' cells, labelled with what the grouping leaves.
fn one_row_a_group(grid: &Grid, group_of: &[u32], part: &LabelPart<'_>, cells: Vec<f64>) -> Grid {
    let mut labels = Vec::new();
    // Groups are numbered in the order of their first rows.
    for (row, group) in group_of.iter().enumerate() {
        if *group as usize == labels.len() {
            labels.push(part.of(grid, row));
        }
    }
    let mut result = Grid {
        cells,
        same_name: !labels
            .iter()
            .any(|labels| labels.get(METRIC_NAME).is_some()),
        labels,
        ..Grid::empty(grid.steps)
    };
    result.remove_empty_rows();
    result
}

/// One cell a group and step.
fn reduce(op: Op, grid: &Grid, group_of: &[u32], groups: usize) -> Vec<f64> {
    match op {
        Op::Sum => fold(
            grid,
            group_of,
            groups,
            |sum: &mut Option<KahanSum>, value| match sum {
                None => *sum = Some(KahanSum::starting_at(value)),
                Some(sum) => sum.add(value),
            },
            |sum| sum.map(KahanSum::value),
        ),
        Op::Avg => fold(grid, group_of, groups, Mean::add, Mean::value),
        Op::Stdvar | Op::Stddev => fold(grid, group_of, groups, Spread::add, |spread| {
            let variance = spread.variance()?;
            Some(if op == Op::Stddev {
                variance.sqrt()
            } else {
                variance
            })
        }),
        Op::Min => fold(
            grid,
            group_of,
            groups,
            |least: &mut Option<f64>, value| {
                if least.is_none_or(|least| least > value || least.is_nan()) {
                    *least = Some(value);
                }
            },
            |least| least,
        ),
        Op::Max => fold(
            grid,
            group_of,
            groups,
            |most: &mut Option<f64>, value| {
                if most.is_none_or(|most| most < value || most.is_nan()) {
                    *most = Some(value);
                }
            },
            |most| most,
        ),
        Op::Count => fold(
            grid,
            group_of,
            groups,
            |count: &mut u64, _| *count += 1,
            |count| (count > 0).then_some(count as f64),
        ),
        Op::Group => fold(
            grid,
            group_of,
            groups,
            |seen: &mut bool, _| *seen = true,
            |seen| seen.then_some(1.0),
        ),
        // The others never come here: they do not fold values into one.
        Op::CountValues | Op::Bottomk | Op::Topk | Op::Quantile | Op::Limitk | Op::LimitRatio => {
            vec![ABSENT; groups * grid.steps]
        }
    }
}

fn fold<A: Clone + Copy + Default>(
    grid: &Grid,
    group_of: &[u32],
    groups: usize,
    add: impl Fn(&mut A, f64),
    value: impl Fn(A) -> Option<f64>,
) -> Vec<f64> {
    let steps = grid.steps;
    let mut totals = vec![A::default(); groups * steps];
    for (row, group) in group_of.iter().enumerate() {
        let first = *group as usize * steps;
        for (total, cell) in totals[first..first + steps].iter_mut().zip(grid.row(row)) {
            if is_present(*cell) {
                add(total, *cell);
            }
        }
    }
    totals
        .into_iter()
        .map(|total| value(total).unwrap_or(ABSENT))
        .collect()
}

/// Running variance of an aggregation; one infinite or missing value makes it NaN.
#[derive(Clone, Copy, Debug, Default)]
struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.mean = value;
            self.squares = if value.is_finite() { 0.0 } else { f64::NAN };
            return;
        }
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn variance(self) -> Option<f64> {
        (self.count > 0.0).then(|| self.squares / self.count)
    }
}

fn quantiles(grid: &Grid, members: &[Vec<u32>], parameters: &[f64]) -> Vec<f64> {
    let mut cells = Vec::with_capacity(members.len() * grid.steps);
    let mut values = Vec::new();
    for rows in members {
        for (step, q) in parameters.iter().enumerate() {
            values.clear();
            values.extend(
                rows.iter()
                    .map(|row| grid.cell(*row as usize, step))
                    .filter(|cell| is_present(*cell)),
            );
            cells.push(if values.is_empty() {
                ABSENT
            } else {
                quantile(*q, &mut values)
            });
        }
    }
    cells
}

/// One series a group and value, named by the value.
fn count_values(aggregate: &Aggregate, label: &str, grid: &Grid) -> Result<Grid, EvalError> {
    if label.is_empty() {
        return Err(EvalError::Invalid(format!("invalid label name {label:?}")));
    }
    // The new label hides one of the same name, so that the groups are made without that.
    let names = aggregate.labels.iter().map(String::as_str);
    let part = if aggregate.without {
        LabelPart::all_but(names.chain([label]))
    } else {
        LabelPart::listed(names.filter(|name| *name != label))
    };
    let keeps_value = !aggregate.without || !aggregate.labels.iter().any(|name| name == label);
    let group_of = part.group(grid, &mut Groups::default());
    let mut rows: HashMap<(u32, String), usize> = HashMap::new();
    let mut result = Grid::empty(grid.steps);
    for (row, group) in group_of.iter().enumerate() {
        for step in 0..grid.steps {
            let cell = grid.cell(row, step);
            if !is_present(cell) {
                continue;
            }
            let text = if keeps_value {
                format_plain(cell)
            } else {
                String::new()
            };
            let target = *rows.entry((*group, text)).or_insert_with_key(|(_, text)| {
                result.push_absent(part.of(grid, row).with(label, text))
            });
            let count = result.cell_mut(target, step);
            *count = if is_present(*count) {
                *count + 1.0
            } else {
                1.0
            };
        }
    }
    result.same_name = !result
        .labels
        .iter()
        .any(|labels| labels.get(METRIC_NAME).is_some());
    Ok(result)
}
