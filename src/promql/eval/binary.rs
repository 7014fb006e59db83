//! Binary operators: on numbers, between a vector and a number, and the set operators.

use super::super::ast::{Binary, BinaryOp as Op, VectorMatching};
use super::EvalError;
use super::evaluator::{Evaluator, Value};
use super::grid::{ABSENT, Duplicates, Grid, Steps, is_present};
use super::keys::{Groups, LabelPart};
use super::matching::match_vectors;

pub(super) fn eval(
    evaluator: &mut Evaluator<'_>,
    operation: &Binary,
    steps: Steps,
) -> Result<Value, EvalError> {
    let op = operation.op;
    if matches!(op, Op::TrimUpper | Op::TrimLower) {
        return Err(EvalError::Invalid(
            "operators </ and >/ are not supported: they work on native histograms only".to_owned(),
        ));
    }
    let left = evaluator.eval(&operation.left, steps)?;
    let right = evaluator.eval(&operation.right, steps)?;
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => Ok(Value::Scalar(
            left.iter()
                .zip(&right)
                .map(|(left, right)| on_scalars(op, *left, *right))
                .collect(),
        )),
        (Value::Vector(grid), Value::Scalar(numbers)) => {
            with_numbers(operation, grid, &numbers, false).map(Value::Vector)
        }
        (Value::Scalar(numbers), Value::Vector(grid)) => {
            with_numbers(operation, grid, &numbers, true).map(Value::Vector)
        }
        (Value::Vector(left), Value::Vector(right)) => {
            let held = left.cells.len() + right.cells.len();
            let result = if op.is_set() {
                set(op, &operation.matching, left, right)?
            } else {
                match_vectors(operation, left, right)?
            };
            evaluator.release(held);
            evaluator.hold(result.cells.len())?;
            Ok(Value::Vector(result))
        }
    }
}

/// An arithmetic operator's value; for a comparison the left operand.
pub(super) fn arithmetic(op: Op, left: f64, right: f64) -> f64 {
    match op {
        Op::Add => left + right,
        Op::Sub => left - right,
        Op::Mul => left * right,
        Op::Div => left / right,
        Op::Mod => left % right,
        Op::Pow => left.powf(right),
        Op::Atan2 => left.atan2(right),
        _ => left,
    }
}

/// Whether a comparison holds; arithmetic always does.
pub(super) fn holds(op: Op, left: f64, right: f64) -> bool {
    match op {
        Op::Eq => left == right,
        Op::Ne => left != right,
        Op::Gt => left > right,
        Op::Lt => left < right,
        Op::Ge => left >= right,
        Op::Le => left <= right,
        _ => true,
    }
}

pub(super) fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn on_scalars(op: Op, left: f64, right: f64) -> f64 {
    if op.is_comparison() {
        truth(holds(op, left, right))
    } else {
        arithmetic(op, left, right)
    }
}

fn with_numbers(
    operation: &Binary,
    mut grid: Grid,
    numbers: &[f64],
    numbers_left: bool,
) -> Result<Grid, EvalError> {
    let op = operation.op;
    let comparison = op.is_comparison();
    let steps = grid.steps.max(1);
    for row in grid.cells.chunks_mut(steps) {
        for (cell, number) in row.iter_mut().zip(numbers) {
            if !is_present(*cell) {
                continue;
            }
            let (left, right) = if numbers_left {
                (*number, *cell)
            } else {
                (*cell, *number)
            };
            if !comparison {
                *cell = arithmetic(op, left, right);
            } else if operation.return_bool {
                *cell = truth(holds(op, left, right));
            } else if !holds(op, left, right) {
                *cell = ABSENT;
            }
        }
    }
    if comparison && !operation.return_bool {
        grid.remove_empty_rows();
    } else {
        grid.drop_names(Duplicates::Merge)?;
    }
    Ok(grid)
}

/// The labels on which two sides meet.
pub(super) fn matched_part(matching: &VectorMatching) -> LabelPart<'_> {
    let names = matching.labels.iter().map(String::as_str);
    if matching.on {
        LabelPart::listed(names)
    } else {
        LabelPart::all_but(names.chain(["__type__", "__unit__"]))
    }
}

/// `and`, `or`, `unless`.
fn set(
    op: Op,
    matching: &VectorMatching,
    mut left: Grid,
    mut right: Grid,
) -> Result<Grid, EvalError> {
    let part = matched_part(matching);
    let mut groups = Groups::default();
    let left_groups = part.group(&left, &mut groups);
    let right_groups = part.group(&right, &mut groups);
    let keep = |grid: &mut Grid, own: &[u32], other: &[bool], wanted: bool| {
        let steps = grid.steps;
        for (row, group) in own.iter().enumerate() {
            for step in 0..steps {
                if other[*group as usize * steps + step] != wanted {
                    *grid.cell_mut(row, step) = ABSENT;
                }
            }
        }
        grid.remove_empty_rows();
    };
    if op != Op::Or {
        let present = presence(&right, &right_groups, groups.len());
        keep(&mut left, &left_groups, &present, op == Op::And);
        return Ok(left);
    }
    let present = presence(&left, &left_groups, groups.len());
    keep(&mut right, &right_groups, &present, false);
    if right.rows() == 0 {
        return Ok(left);
    }
    if left.rows() == 0 {
        return Ok(right);
    }
    left.write_out_names();
    right.write_out_names();
    let nameless = |grid: &Grid| {
        grid.same_name
            && grid.labels[0]
                .get(crate::model::labels::METRIC_NAME)
                .is_none()
    };
    left.same_name = nameless(&left) && nameless(&right);
    left.labels.append(&mut right.labels);
    left.cells.append(&mut right.cells);
    left.merge_duplicates(Duplicates::Merge)?;
    Ok(left)
}

/// Whether a group has a sample at a step.
fn presence(grid: &Grid, group_of: &[u32], groups: usize) -> Vec<bool> {
    let mut present = vec![false; groups * grid.steps];
    for (row, group) in group_of.iter().enumerate() {
        for (step, cell) in grid.row(row).iter().enumerate() {
            present[*group as usize * grid.steps + step] |= is_present(*cell);
        }
    }
    present
}
