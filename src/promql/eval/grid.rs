//! Vectors over the steps of a query: one row a series, one cell a step.
//!
//! ```text
//!            step 0   step 1   step 2
//! row 0        1.5      1.7     ABSENT     labels[0]
//! row 1      ABSENT     3.0      3.0       labels[1]
//! ```
//!
//! All cells stand in one allocation, row after row. A cell without a sample holds the stale marker: that is a
//! signalling NaN, which no arithmetic returns, and samples that carry it never enter a grid.
//!
//! Dropping the metric name is a flag on the grid as long as no two rows can become equal by it: the label sets are
//! rebuilt only where somebody looks at them.

use hashbrown::HashMap;

use super::EvalError;
use crate::model::labels::{Labels, METRIC_NAME};
use crate::model::sample::{STALE_NAN, is_stale};

/// A cell without a sample.
pub(super) const ABSENT: f64 = STALE_NAN;

/// Whether a cell holds a sample.
pub(super) fn is_present(cell: f64) -> bool {
    !is_stale(cell)
}

/// The times at which an expression is evaluated: `count` times from `start` on, `step` apart; milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Steps {
    pub(super) start: i64,
    pub(super) step: i64,
    pub(super) count: usize,
}

impl Steps {
    pub(super) fn single(at: i64) -> Self {
        Self {
            start: at,
            step: 1,
            count: 1,
        }
    }

    /// From `start` to `end` inclusive; none where the end is before the start.
    pub(super) fn between(start: i64, end: i64, step: i64) -> Self {
        let step = step.max(1);
        let count = if end < start {
            0
        } else {
            usize::try_from(end.saturating_sub(start) / step)
                .map_or(usize::MAX, |steps| steps.saturating_add(1))
        };
        Self { start, step, count }
    }

    /// Only the first of them.
    pub(super) fn first(self) -> Self {
        Self {
            count: self.count.min(1),
            ..self
        }
    }

    pub(super) fn time(self, index: usize) -> i64 {
        self.start + index as i64 * self.step
    }

    pub(super) fn end(self) -> i64 {
        self.time(self.count.saturating_sub(1))
    }

    pub(super) fn times(self) -> impl Iterator<Item = i64> {
        (0..self.count).map(move |index| self.time(index))
    }
}

/// An instant vector at every step.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    /// Cells a row.
    pub(super) steps: usize,
    /// One label set a row; rows are distinct.
    pub(super) labels: Vec<Labels>,
    /// `labels.len() * steps` cells.
    pub(super) cells: Vec<f64>,
    /// The rows' names count as dropped, though `labels` still hold them.
    pub(super) nameless: bool,
    /// No two rows become equal when the names are dropped.
    pub(super) same_name: bool,
}

/// What is done with rows that become equal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Duplicates {
    /// Two rows are one row where they have no sample at the same step.
    Merge,
    /// An error always.
    Refuse,
}

impl Grid {
    pub(super) fn empty(steps: usize) -> Self {
        Self {
            steps,
            labels: Vec::new(),
            cells: Vec::new(),
            nameless: false,
            same_name: true,
        }
    }

    pub(super) fn with_capacity(steps: usize, rows: usize) -> Self {
        Self {
            labels: Vec::with_capacity(rows),
            cells: Vec::with_capacity(rows * steps),
            ..Self::empty(steps)
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.steps..(row + 1) * self.steps]
    }

    pub(super) fn cell(&self, row: usize, step: usize) -> f64 {
        self.cells[row * self.steps + step]
    }

    pub(super) fn cell_mut(&mut self, row: usize, step: usize) -> &mut f64 {
        &mut self.cells[row * self.steps + step]
    }

    /// Adds a row of absent cells; its index.
    pub(super) fn push_absent(&mut self, labels: Labels) -> usize {
        self.labels.push(labels);
        self.cells.resize(self.labels.len() * self.steps, ABSENT);
        self.labels.len() - 1
    }

    /// Adds a row from an iterator of `steps` cells, unless all of them are absent.
    pub(super) fn push_row(&mut self, labels: Labels, cells: impl Iterator<Item = f64>) {
        let start = self.cells.len();
        self.cells.extend(cells);
        debug_assert_eq!(self.cells.len(), start + self.steps);
        if self.cells[start..].iter().any(|cell| is_present(*cell)) {
            self.labels.push(labels);
        } else {
            self.cells.truncate(start);
        }
    }

    /// Replaces each sample's value.
    pub(super) fn map(&mut self, change: impl Fn(f64) -> f64) {
        for cell in &mut self.cells {
            if is_present(*cell) {
                *cell = change(*cell);
            }
        }
    }

    /// Removes rows without any sample.
    pub(super) fn remove_empty_rows(&mut self) {
        let steps = self.steps;
        let mut kept = 0;
        for row in 0..self.labels.len() {
            if !self.row(row).iter().any(|cell| is_present(*cell)) {
                continue;
            }
            if kept != row {
                self.labels.swap(kept, row);
                self.cells
                    .copy_within(row * steps..(row + 1) * steps, kept * steps);
            }
            kept += 1;
        }
        self.labels.truncate(kept);
        self.cells.truncate(kept * steps);
    }

    /// The rows in another order; `order` holds each row's index at most once.
    pub(super) fn select_rows(&self, order: &[usize]) -> Self {
        let mut selected = Self::with_capacity(self.steps, order.len());
        selected.nameless = self.nameless;
        selected.same_name = self.same_name;
        for &row in order {
            selected.labels.push(self.labels[row].clone());
            selected.cells.extend_from_slice(self.row(row));
        }
        selected
    }

    /// A row's labels as an expression sees them.
    pub(super) fn visible(&self, row: usize) -> impl Iterator<Item = (&str, &str)> + Clone {
        let nameless = self.nameless;
        self.labels[row]
            .iter()
            .filter(move |(name, _)| !nameless || !is_metadata(name))
    }

    /// A row's label as an expression sees it, empty where it lacks it.
    pub(super) fn label(&self, row: usize, name: &str) -> &str {
        if self.nameless && is_metadata(name) {
            ""
        } else {
            self.labels[row].value(name)
        }
    }

    /// Drops the metric names.
    pub(super) fn drop_names(&mut self, duplicates: Duplicates) -> Result<(), EvalError> {
        if self.nameless {
            return Ok(());
        }
        if self.same_name && !self.labels.iter().any(has_type_or_unit) {
            self.nameless = true;
            return Ok(());
        }
        self.nameless = true;
        self.write_out_names();
        self.merge_duplicates(duplicates)
    }

    /// Takes dropped names out of the label sets themselves.
    pub(super) fn write_out_names(&mut self) {
        if self.nameless {
            for labels in &mut self.labels {
                *labels = without_metadata(labels);
            }
            self.nameless = false;
            self.same_name = true;
        }
    }

    /// Makes rows distinct again after a change of labels.
    pub(super) fn merge_duplicates(&mut self, duplicates: Duplicates) -> Result<(), EvalError> {
        let mut first_with: HashMap<Labels, usize> = HashMap::with_capacity(self.rows());
        let mut merged = Vec::new();
        for row in 0..self.rows() {
            match first_with.entry(self.labels[row].clone()) {
                hashbrown::hash_map::Entry::Vacant(entry) => {
                    entry.insert(row);
                }
                hashbrown::hash_map::Entry::Occupied(entry) => {
                    if duplicates == Duplicates::Refuse {
                        return Err(EvalError::DuplicateLabels);
                    }
                    merged.push((*entry.get(), row));
                }
            }
        }
        if merged.is_empty() {
            return Ok(());
        }
        for (into, from) in merged {
            for step in 0..self.steps {
                let cell = std::mem::replace(self.cell_mut(from, step), ABSENT);
                if is_present(cell) {
                    let target = self.cell_mut(into, step);
                    if is_present(*target) {
                        return Err(EvalError::DuplicateLabels);
                    }
                    *target = cell;
                }
            }
        }
        self.remove_empty_rows();
        Ok(())
    }

    /// The one row of a grid at every step of a query, where the grid was evaluated at its first step only.
    pub(super) fn repeat(self, steps: usize) -> Self {
        debug_assert_eq!(self.steps, 1);
        Self {
            steps,
            cells: self
                .cells
                .iter()
                .flat_map(|cell| std::iter::repeat_n(*cell, steps))
                .collect(),
            ..self
        }
    }
}

/// Labels that describe the metric rather than the series; they are dropped together (`prometheus/schema`).
pub(super) fn is_metadata(name: &str) -> bool {
    name.starts_with("__") && matches!(name, METRIC_NAME | "__type__" | "__unit__")
}

pub(super) fn without_metadata(labels: &Labels) -> Labels {
    labels.filter(|name| !is_metadata(name))
}

fn has_type_or_unit(labels: &Labels) -> bool {
    labels
        .iter()
        .take_while(|(name, _)| *name <= "__unit__")
        .any(|(name, _)| matches!(name, "__type__" | "__unit__"))
}
