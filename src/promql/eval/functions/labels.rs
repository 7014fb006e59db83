//! `label_replace`, `label_join`: they look at series, never at samples.

use super::super::super::ast::Expr;
use super::super::EvalError;
use super::super::evaluator::{Evaluator, text_argument};
use super::super::grid::{Duplicates, Grid, Steps};
use super::label_argument;
use crate::model::labels::METRIC_NAME;
use crate::model::re2::anchored;

impl Evaluator<'_> {
    pub(super) fn label_replace(&mut self, args: &[Expr], steps: Steps) -> Result<Grid, EvalError> {
        let pattern = text_argument(&args[4])?;
        let pattern = anchored(pattern).map_err(|_| {
            EvalError::Invalid(format!(
                "invalid regular expression in label_replace(): {pattern}"
            ))
        })?;
        let target = label_argument(&args[1], "destination label name in label_replace()")?;
        let replacement = text_argument(&args[2])?;
        let source = text_argument(&args[3])?;
        let mut grid = self.vector(&args[0], steps)?;
        grid.write_out_names();
        let mut value = String::new();
        for labels in &mut grid.labels {
            self.tick()?;
            let Some(captures) = pattern.captures(labels.value(source)) else {
                continue;
            };
            value.clear();
            captures.expand(replacement, &mut value);
            drop(captures);
            *labels = labels.with(target, &value);
        }
        relabelled(grid, target)
    }

    pub(super) fn label_join(&mut self, args: &[Expr], steps: Steps) -> Result<Grid, EvalError> {
        let separator = text_argument(&args[2])?;
        let sources = args[3..]
            .iter()
            .map(|arg| label_argument(arg, "source label name in label_join()"))
            .collect::<Result<Vec<_>, _>>()?;
        let target = label_argument(&args[1], "destination label name in label_join()")?;
        let mut grid = self.vector(&args[0], steps)?;
        grid.write_out_names();
        for labels in &mut grid.labels {
            self.tick()?;
            let values: Vec<_> = sources.iter().map(|source| labels.value(source)).collect();
            *labels = labels.with(target, &values.join(separator));
        }
        relabelled(grid, target)
    }
}

fn relabelled(mut grid: Grid, target: &str) -> Result<Grid, EvalError> {
    grid.same_name &= target != METRIC_NAME;
    grid.merge_duplicates(Duplicates::Merge)?;
    Ok(grid)
}
