//! `info`: adds the labels of info series (`target_info` unless told otherwise) that share `instance` and `job`.

use hashbrown::{HashMap, HashSet};

use super::super::super::ast::{Expr, ExprKind};
use super::super::evaluator::Evaluator;
use super::super::grid::{Duplicates, Grid, Steps, is_present};
use super::super::select::{Reference, Take};
use super::super::{EvalError, unwrap_parens};
use crate::model::labels::{Labels, LabelsBuilder, METRIC_NAME};
use crate::model::matcher::{MatchOp, Matcher};

const TARGET_INFO: &str = "target_info";
/// The labels by which a series and an info series belong together.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// Values of the identifying labels.
type Identity = [String; 2];

fn identity(labels: &Labels) -> Identity {
    IDENTIFYING.map(|name| labels.value(name).to_owned())
}

/// The info series that are true at a step: by name and identity, the newest one.
type Infos<'g> = HashMap<Identity, Vec<(&'g str, usize, f64)>>;

impl Evaluator<'_> {
    pub(super) fn info(&mut self, args: &[Expr], steps: Steps) -> Result<Grid, EvalError> {
        let mut grid = self.vector(&args[0], steps)?;
        grid.write_out_names();
        let asked: Vec<Matcher> = match args.get(1).map(|arg| &unwrap_parens(arg).kind) {
            Some(ExprKind::Selector(selector)) => selector.matchers.clone(),
            _ => vec![Matcher::equal(METRIC_NAME, TARGET_INFO)],
        };
        let (names, data): (Vec<_>, Vec<_>) = asked
            .into_iter()
            .partition(|matcher| matcher.name() == METRIC_NAME);
        // Info series themselves stay as they are.
        let is_info = |labels: &Labels| {
            !names.is_empty()
                && names
                    .iter()
                    .all(|matcher| matcher.matches(labels.metric_name()))
        };
        let untouched: Vec<bool> = grid.labels.iter().map(is_info).collect();
        let infos = self.info_series(&args[0], &grid, &untouched, &names, &data, steps)?;
        let mut result = Grid::with_capacity(steps.count, grid.rows());
        let mut row_of: HashMap<Labels, usize> = HashMap::new();
        for step in 0..steps.count {
            self.tick()?;
            let by_identity = newest_infos(&infos, step)?;
            for (row, untouched) in untouched.iter().enumerate() {
                let cell = grid.cell(row, step);
                if !is_present(cell) {
                    continue;
                }
                let labels = if *untouched {
                    grid.labels[row].clone()
                } else {
                    match enriched(&grid.labels[row], &infos, &by_identity, &data)? {
                        Some(labels) => labels,
                        None => continue,
                    }
                };
                let target = *row_of
                    .entry(labels)
                    .or_insert_with_key(|labels| result.push_absent(labels.clone()));
                let target = result.cell_mut(target, step);
                if is_present(*target) {
                    return Err(EvalError::DuplicateLabels);
                }
                *target = cell;
            }
        }
        result.same_name = false;
        result.merge_duplicates(Duplicates::Merge)?;
        Ok(result)
    }

    /// Info series of the identities in the grid; their cells are the times of their samples.
    fn info_series(
        &mut self,
        arg: &Expr,
        grid: &Grid,
        untouched: &[bool],
        names: &[Matcher],
        data: &[Matcher],
        steps: Steps,
    ) -> Result<Grid, EvalError> {
        let mut matchers = Vec::new();
        for name in IDENTIFYING {
            let values: HashSet<&str> = grid
                .labels
                .iter()
                .zip(untouched)
                .filter(|(_, untouched)| !**untouched)
                .map(|(labels, _)| labels.value(name))
                .filter(|value| !value.is_empty())
                .collect();
            if values.is_empty() {
                continue;
            }
            let values: Vec<_> = values.into_iter().map(regex::escape).collect();
            let matcher = Matcher::new(name, MatchOp::Regex, values.join("|"))
                .map_err(|error| EvalError::Invalid(error.to_string()))?;
            matchers.push(matcher);
        }
        if matchers.is_empty() {
            return Ok(Grid::empty(steps.count));
        }
        matchers.extend(data.iter().cloned());
        if names.is_empty() {
            matchers.push(Matcher::equal(METRIC_NAME, TARGET_INFO));
        }
        matchers.extend(names.iter().cloned());
        let reference = self.first_reference(arg)?.unwrap_or_default();
        self.newest(&matchers, reference, steps, Take::Millis)
    }

    /// When the first selector of an expression reads: info series are read at the same time.
    fn first_reference(&self, expr: &Expr) -> Result<Option<Reference>, EvalError> {
        match &expr.kind {
            ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => {
                self.reference(&selector.at).map(Some)
            }
            ExprKind::Subquery { expr, at, .. } => {
                let outer = self.reference(at)?;
                Ok(self.first_reference(expr)?.map(|inner| outer.then(inner)))
            }
            ExprKind::Unary { expr, .. } | ExprKind::Paren(expr) => self.first_reference(expr),
            ExprKind::Call { args, .. } => {
                for arg in args {
                    if let Some(found) = self.first_reference(arg)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
            ExprKind::Aggregate(aggregate) => self.first_reference(&aggregate.expr),
            ExprKind::Binary(binary) => match self.first_reference(&binary.left)? {
                None => self.first_reference(&binary.right),
                found => Ok(found),
            },
            ExprKind::Number(_) | ExprKind::String(_) | ExprKind::QueryTime(_) => Ok(None),
        }
    }
}

fn newest_infos(infos: &Grid, step: usize) -> Result<Infos<'_>, EvalError> {
    let mut by_identity: Infos<'_> = HashMap::new();
    for (row, labels) in infos.labels.iter().enumerate() {
        let taken_at = infos.cell(row, step);
        if !is_present(taken_at) {
            continue;
        }
        let name = labels.metric_name();
        let known = by_identity.entry(identity(labels)).or_default();
        match known.iter_mut().find(|(other, ..)| *other == name) {
            None => known.push((name, row, taken_at)),
            Some((_, other, other_at)) if *other_at == taken_at => {
                return Err(EvalError::Invalid(format!(
                    "found duplicate series for info metric: existing {} @ {taken_at}, new {labels} @ {taken_at}",
                    infos.labels[*other]
                )));
            }
            Some(older) => {
                if older.2 < taken_at {
                    *older = (name, row, taken_at);
                }
            }
        }
    }
    Ok(by_identity)
}

/// A series' labels with those of its info series; `None` where it lacks what was asked for.
fn enriched(
    labels: &Labels,
    infos: &Grid,
    by_identity: &Infos<'_>,
    data: &[Matcher],
) -> Result<Option<Labels>, EvalError> {
    let Some(found) = by_identity.get(&identity(labels)) else {
        let optional = data.iter().all(Matcher::matches_empty);
        return Ok(optional.then(|| labels.clone()));
    };
    let mut added = LabelsBuilder::default();
    for (_, row, _) in found {
        for (name, value) in &infos.labels[*row] {
            let asked = data.is_empty() || data.iter().any(|matcher| matcher.name() == name);
            if name == METRIC_NAME || !asked {
                continue;
            }
            if added.get(name).is_some_and(|other| other != value) {
                return Err(EvalError::Invalid(format!("conflicting label: {name}")));
            }
            if labels.get(name).is_none() {
                added.set(name, value);
            }
        }
    }
    let mut builder = LabelsBuilder::from(labels);
    for (name, value) in added.iter() {
        builder.set(name, value);
    }
    Ok(Some(builder.build()))
}
