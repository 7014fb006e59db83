//! Aggregation operators that pick series of each group: `topk`, `bottomk`, `limitk`, `limit_ratio`.

use std::cmp::Ordering;

use super::super::ast::{Aggregate, AggregateOp as Op};
use super::EvalError;
use super::evaluator::Evaluator;
use super::grid::{ABSENT, Grid, is_present};
use super::numeric::nan_first;
use super::select::place;
use crate::model::go_float::format_general;

// The limits that Prometheus names: the outermost floats that are still 64-bit integers.
const LEAST_INTEGER: f64 = i64::MIN as f64;
const GREATEST_INTEGER: f64 = 9_223_372_036_854_774_784.0;

impl Evaluator<'_> {
    /// The rows of each group that the operator picks at each step.
    pub(super) fn pick(
        &mut self,
        aggregate: &Aggregate,
        parameters: &[f64],
        grid: Grid,
        members: &[Vec<u32>],
    ) -> Result<Grid, EvalError> {
        if !self.check_parameters(aggregate, parameters)? {
            return Ok(Grid::empty(grid.steps));
        }
        let mut picked = Vec::new();
        let mut present = Vec::new();
        let mut cells = Vec::new();
        if grid.steps > 1 {
            cells.resize(grid.cells.len(), ABSENT);
        }
        for rows in members {
            for (step, parameter) in parameters.iter().enumerate() {
                present.clear();
                present.extend(
                    rows.iter()
                        .map(|row| (grid.cell(*row as usize, step), *row as usize))
                        .filter(|(cell, _)| is_present(*cell)),
                );
                self.tick()?;
                pick_one_step(aggregate.op, *parameter, &grid, &mut present);
                if grid.steps == 1 {
                    picked.extend(present.iter().map(|(_, row)| *row));
                } else {
                    for (cell, row) in &present {
                        cells[row * grid.steps + step] = *cell;
                    }
                }
            }
        }
        if grid.steps == 1 {
            return Ok(grid.select_rows(&picked));
        }
        let mut result = Grid { cells, ..grid };
        result.remove_empty_rows();
        Ok(result)
    }

    /// Whether anything can be picked at all.
    fn check_parameters(
        &mut self,
        aggregate: &Aggregate,
        parameters: &[f64],
    ) -> Result<bool, EvalError> {
        let invalid = |text: String| Err(EvalError::Invalid(text));
        let missing = parameters.iter().any(|value| value.is_nan());
        let largest = parameters.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let smallest = parameters.iter().copied().fold(f64::INFINITY, f64::min);
        if aggregate.op == Op::LimitRatio {
            if missing {
                return invalid("Ratio value is NaN".to_owned());
            }
            for (value, bound) in [(largest, 1.0), (smallest, -1.0)] {
                if value.abs() > 1.0 && value.signum() == bound {
                    let span = aggregate.param.as_deref().map(place);
                    self.annotations.warn(
                        span.unwrap_or(&aggregate.expr.span),
                        format!(
                            "ratio value should be between -1 and 1, got {}, capping to {bound}",
                            format_general(value)
                        ),
                    );
                }
            }
            return Ok(largest != 0.0 || smallest != 0.0);
        }
        if missing {
            return invalid("Parameter value is NaN".to_owned());
        }
        if largest < 1.0 {
            return Ok(false);
        }
        if smallest <= LEAST_INTEGER {
            return invalid(format!(
                "Scalar value {} underflows int64",
                format_general(smallest)
            ));
        }
        if largest >= GREATEST_INTEGER {
            return invalid(format!(
                "Scalar value {} overflows int64",
                format_general(largest)
            ));
        }
        Ok(true)
    }
}

fn pick_one_step(op: Op, parameter: f64, grid: &Grid, present: &mut Vec<(f64, usize)>) {
    if op == Op::LimitRatio {
        let ratio = parameter.clamp(-1.0, 1.0);
        present.retain(|(_, row)| {
            let place = place_in_unit(grid, *row);
            if ratio >= 0.0 {
                place < ratio
            } else {
                place >= 1.0 + ratio
            }
        });
        return;
    }
    if parameter < 1.0 {
        present.clear();
        return;
    }
    // Saturates, where more are asked for than can exist.
    let count = (parameter as usize).min(present.len());
    match op {
        Op::Topk => {
            keep_best(present, count, nan_first);
            present.sort_by(|a, b| nan_first(b.0, a.0));
        }
        Op::Bottomk => {
            keep_best(present, count, descending_nan_first);
            present.sort_by(|a, b| descending_nan_first(b.0, a.0));
        }
        _ => present.truncate(count),
    }
}

fn descending_nan_first(a: f64, b: f64) -> Ordering {
    b.partial_cmp(&a)
        .unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// Keeps the `count` best values, the worst of those kept at the top of a heap meanwhile. Which of several equal values
/// stay depends on the heap; so this is the one that Prometheus uses (Go's `container/heap`).
fn keep_best(values: &mut Vec<(f64, usize)>, count: usize, order: fn(f64, f64) -> Ordering) {
    if count == 0 || values.len() <= count {
        values.truncate(count);
        return;
    }
    let worse = |a: (f64, usize), b: (f64, usize)| order(a.0, b.0).is_lt();
    for end in 1..count {
        let mut child = end;
        while child > 0 {
            let parent = (child - 1) / 2;
            if !worse(values[child], values[parent]) {
                break;
            }
            values.swap(child, parent);
            child = parent;
        }
    }
    for next in count..values.len() {
        if !worse(values[0], values[next]) {
            continue;
        }
        values[0] = values[next];
        let mut parent = 0;
        loop {
            let left = 2 * parent + 1;
            if left >= count {
                break;
            }
            let right = left + 1;
            let child = if right < count && worse(values[right], values[left]) {
                right
            } else {
                left
            };
            if !worse(values[child], values[parent]) {
                break;
            }
            values.swap(child, parent);
            parent = child;
        }
    }
    values.truncate(count);
}

/// Where a series falls between zero and one: the same in every query, evenly spread.
fn place_in_unit(grid: &Grid, row: usize) -> f64 {
    let fingerprint = if grid.nameless {
        super::grid::without_metadata(&grid.labels[row]).fingerprint()
    } else {
        grid.labels[row].fingerprint()
    };
    // FNV leaves the high bits of short texts uneven; this is the finishing step of SplitMix64.
    let mut hash = fingerprint.0;
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}
