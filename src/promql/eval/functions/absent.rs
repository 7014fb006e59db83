//! `absent`, `absent_over_time`: one series where there is none, labelled with what was asked for.

use super::super::super::ast::{Expr, ExprKind, Selector};
use super::super::evaluator::Evaluator;
use super::super::grid::{ABSENT, Grid, Steps, is_present};
use super::super::{EvalError, unwrap_parens};
use crate::model::labels::{Labels, LabelsBuilder, METRIC_NAME};
use crate::model::matcher::MatchOp;

impl Evaluator<'_> {
    pub(super) fn absent(&mut self, arg: &Expr, steps: Steps) -> Result<Grid, EvalError> {
        let grid = self.vector(arg, steps)?;
        self.release(grid.cells.len());
        let mut present = vec![false; steps.count];
        for row in 0..grid.rows() {
            for (present, cell) in present.iter_mut().zip(grid.row(row)) {
                *present |= is_present(*cell);
            }
        }
        Ok(where_absent(arg, &present))
    }

    pub(super) fn absent_over_time(&mut self, arg: &Expr, steps: Steps) -> Result<Grid, EvalError> {
        let vector = self.range_vector(arg, steps)?;
        let mut present = vec![false; steps.count];
        for series in &vector.series {
            self.tick()?;
            vector.windows.each(&series.samples, steps, |window| {
                present[window.step] |= !window.samples.is_empty();
            });
        }
        self.drop_range_vector(vector);
        Ok(where_absent(arg, &present))
    }
}

fn where_absent(arg: &Expr, present: &[bool]) -> Grid {
    let mut grid = Grid::empty(present.len());
    grid.push_row(
        asked_for(arg),
        present
            .iter()
            .map(|present| if *present { ABSENT } else { 1.0 }),
    );
    grid
}

/// The labels that a selector fixes with one single `=`.
fn asked_for(arg: &Expr) -> Labels {
    let selector: &Selector = match &unwrap_parens(arg).kind {
        ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => selector,
        _ => return Labels::empty(),
    };
    let mut labels = LabelsBuilder::default();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in &selector.matchers {
        if matcher.name() == METRIC_NAME {
            continue;
        }
        if matcher.op() == MatchOp::Equal && !seen.contains(&matcher.name()) {
            labels.set(matcher.name(), matcher.value());
            seen.push(matcher.name());
        } else {
            labels.remove(matcher.name());
        }
    }
    labels.build()
}
