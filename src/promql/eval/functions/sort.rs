//! Order of an instant query's result. A range query's result is always in the order of labels.

use std::cmp::Ordering;

use super::super::super::ast::{Expr, FunctionId as Id};
use super::super::EvalError;
use super::super::evaluator::{Evaluator, text_argument};
use super::super::grid::{Grid, Steps};
use crate::model::labels::Labels;

impl Evaluator<'_> {
    pub(super) fn sort_by_value(
        &mut self,
        expr: &Expr,
        id: Id,
        args: &[Expr],
        steps: Steps,
    ) -> Result<Grid, EvalError> {
        let descending = id == Id::SortDesc;
        self.sorted(expr, &args[0], steps, |grid, a, b| {
            let (a, b) = (grid.cell(a, 0), grid.cell(b, 0));
            // What is not a number comes last either way.
            let order = if descending {
                b.partial_cmp(&a)
            } else {
                a.partial_cmp(&b)
            };
            order.unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
        })
    }

    pub(super) fn sort_by_label(
        &mut self,
        expr: &Expr,
        id: Id,
        args: &[Expr],
        steps: Steps,
    ) -> Result<Grid, EvalError> {
        let names = args[1..]
            .iter()
            .map(text_argument)
            .collect::<Result<Vec<_>, _>>()?;
        let descending = id == Id::SortByLabelDesc;
        self.sorted(expr, &args[0], steps, |grid, a, b| {
            let order = names
                .iter()
                .map(|name| natural_order(grid.label(a, name), grid.label(b, name)))
                .find(|order| order.is_ne())
                .unwrap_or_else(|| Labels::cmp(&grid.labels[a], &grid.labels[b]));
            if descending { order.reverse() } else { order }
        })
    }

    fn sorted(
        &mut self,
        expr: &Expr,
        arg: &Expr,
        steps: Steps,
        order: impl Fn(&Grid, usize, usize) -> Ordering,
    ) -> Result<Grid, EvalError> {
        let grid = self.vector(arg, steps)?;
        if steps.count > 1 {
            self.annotations.warn(
                &expr.span,
                "sort is ineffective for range queries since results are always ordered by labels"
                    .to_owned(),
            );
        }
        if grid.steps != 1 {
            return Ok(grid);
        }
        let mut rows: Vec<_> = (0..grid.rows()).collect();
        rows.sort_by(|a, b| order(&grid, *a, *b));
        Ok(grid.select_rows(&rows))
    }
}

/// Runs of digits compare as numbers: `a2` before `a10`.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !a.is_empty() && !b.is_empty() {
        let (first, second) = (take_run(&mut a), take_run(&mut b));
        let order = match (first.parse::<i64>(), second.parse::<i64>()) {
            (Ok(first), Ok(second)) => first.cmp(&second),
            _ => first.cmp(second),
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Takes the digits, or all but digits, that a text begins with.
fn take_run<'t>(text: &mut &'t str) -> &'t str {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text
        .find(|c: char| c.is_ascii_digit() != digits)
        .unwrap_or(text.len());
    let (run, rest) = text.split_at(end);
    *text = rest;
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_sort_as_numbers() {
        let mut values = ["a10", "a2", "b", "a", "4m5", "4m1000", "10", "9", ""];
        values.sort_by(|a, b| natural_order(a, b));
        assert_eq!(
            values,
            ["", "4m5", "4m1000", "9", "10", "a", "a2", "a10", "b"]
        );
    }
}
