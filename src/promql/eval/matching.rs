//! Operators between two vectors: which series meet, and what the result is called.
//!
//! Series meet in groups of equal matching labels, computed once a series. In a group one side has one series at a
//! time; which one that is may change from step to step, as when a process restarts under another label.

use hashbrown::{HashMap, HashSet};

use super::super::ast::{Binary, Cardinality};
use super::EvalError;
use super::binary::{arithmetic, holds, matched_part, truth};
use super::grid::{ABSENT, Grid, is_metadata, is_present};
use super::keys::{Groups, LabelPart, members};
use crate::model::labels::{Labels, LabelsBuilder};

/// The result of an arithmetic or comparison operator between two vectors.
pub(super) fn match_vectors(
    operation: &Binary,
    left: Grid,
    right: Grid,
) -> Result<Grid, EvalError> {
    let matching = &operation.matching;
    let swapped = matching.cardinality == Cardinality::OneToMany;
    let (many, one) = if swapped {
        (right, left)
    } else {
        (left, right)
    };
    let part = matched_part(matching);
    let mut groups = Groups::default();
    let many_groups = part.group(&many, &mut groups);
    let one_groups = part.group(&one, &mut groups);
    let matcher = Matching {
        operation,
        swapped,
        // With `group_right` too: Prometheus swaps the sides but not what fills them, and so says its test.
        fill_many: matching.fill_left,
        fill_one: matching.fill_right,
        many_members: members(&many_groups, groups.len()),
        one_members: members(&one_groups, groups.len()),
        result: Grid::with_capacity(many.steps, many.rows()),
        row_of: HashMap::new(),
        many,
        one,
        part,
    };
    matcher.run()
}

struct Matching<'a> {
    operation: &'a Binary,
    /// The left operand is the "one" side.
    swapped: bool,
    fill_many: Option<f64>,
    fill_one: Option<f64>,
    many: Grid,
    one: Grid,
    many_members: Vec<Vec<u32>>,
    one_members: Vec<Vec<u32>>,
    part: LabelPart<'a>,
    result: Grid,
    row_of: HashMap<Labels, usize>,
}

impl Matching<'_> {
    fn run(mut self) -> Result<Grid, EvalError> {
        let steps = self.many.steps;
        let keeps_labels = self.keeps_labels();
        if keeps_labels {
            self.result.nameless = self.many.nameless || self.drops_name();
            self.result.same_name = self.many.same_name;
        } else {
            self.result.same_name = self.drops_name();
        }
        let mut one_at = vec![None; steps];
        let mut taken = vec![false; steps];
        for group in 0..self.many_members.len() {
            self.one_row_at_each_step(group, &mut one_at)?;
            if self.fill_one.is_none() && one_at.iter().all(Option::is_none) {
                continue;
            }
            taken.fill(false);
            if keeps_labels {
                self.group_keeping_labels(group, &one_at, &mut taken)?;
            } else {
                self.group_with_new_labels(group, &one_at, &mut taken)?;
            }
            if let Some(fill) = self.fill_many {
                self.fill_missing(fill, &one_at, &taken)?;
            }
        }
        self.result.remove_empty_rows();
        Ok(self.result)
    }

    /// The "one" side's row of a group at each step; an error where there are two.
    fn one_row_at_each_step(
        &self,
        group: usize,
        one_at: &mut [Option<u32>],
    ) -> Result<(), EvalError> {
        one_at.fill(None);
        for &row in &self.one_members[group] {
            for (step, cell) in self.one.row(row as usize).iter().enumerate() {
                if !is_present(*cell) {
                    continue;
                }
                match one_at[step] {
                    None => one_at[step] = Some(row),
                    Some(first) if self.matters_at(step) => {
                        return Err(self.duplicates_on_one_side(first, row));
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Prometheus looks at nothing where the other side is empty as a whole.
    fn matters_at(&self, step: usize) -> bool {
        self.fill_many.is_some()
            || self.fill_one.is_some()
            || (0..self.many.rows()).any(|row| is_present(self.many.cell(row, step)))
    }

    fn duplicates_on_one_side(&self, first: u32, second: u32) -> EvalError {
        let side = if self.swapped { "left" } else { "right" };
        let print = |row: u32| plain(self.one.visible(row as usize));
        EvalError::Invalid(format!(
            "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}, {}];\
             many-to-many matching not allowed: matching labels must be unique on one side",
            plain(self.part.of(&self.one, first as usize).iter()),
            print(first),
            print(second),
        ))
    }

    fn drops_name(&self) -> bool {
        !self.operation.op.is_comparison() || self.operation.return_bool
    }

    /// Whether a result is called as its "many" side, but for the name: no label set need be built then.
    fn keeps_labels(&self) -> bool {
        let matching = &self.operation.matching;
        let all_kept = matching.cardinality != Cardinality::OneToOne
            || !matching.on && matching.labels.is_empty();
        all_kept
            && matching.include.is_empty()
            && self.fill_many.is_none()
            && (!self.drops_name() || self.many.same_name)
            && !self
                .many
                .labels
                .iter()
                .any(|labels| labels.get("__type__").or(labels.get("__unit__")).is_some())
    }

    /// Result of two cells; absent where a comparison does not hold.
    fn value(&self, many: f64, one: f64) -> f64 {
        let (left, right) = if self.swapped {
            (one, many)
        } else {
            (many, one)
        };
        let op = self.operation.op;
        let held = holds(op, left, right);
        if self.operation.return_bool {
            truth(held)
        } else if held {
            arithmetic(op, left, right)
        } else {
            ABSENT
        }
    }

    /// The other side's cell for a row of the "many" side.
    fn partner(&self, step: usize, one_at: &[Option<u32>]) -> Option<f64> {
        match one_at[step] {
            Some(row) => Some(self.one.cell(row as usize, step)),
            None => self.fill_one,
        }
    }

    fn take(&self, taken: &mut bool) -> Result<(), EvalError> {
        if *taken && self.operation.matching.cardinality == Cardinality::OneToOne {
            return Err(EvalError::Invalid(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                    .to_owned(),
            ));
        }
        *taken = true;
        Ok(())
    }

    fn group_keeping_labels(
        &mut self,
        group: usize,
        one_at: &[Option<u32>],
        taken: &mut [bool],
    ) -> Result<(), EvalError> {
        let rows = std::mem::take(&mut self.many_members[group]);
        for &row in &rows {
            let row = row as usize;
            let target = self.result.push_absent(self.many.labels[row].clone());
            for (step, taken) in taken.iter_mut().enumerate() {
                let cell = self.many.cell(row, step);
                if let (true, Some(other)) = (is_present(cell), self.partner(step, one_at)) {
                    self.take(taken)?;
                    *self.result.cell_mut(target, step) = self.value(cell, other);
                }
            }
        }
        self.many_members[group] = rows;
        Ok(())
    }

    fn group_with_new_labels(
        &mut self,
        group: usize,
        one_at: &[Option<u32>],
        taken: &mut [bool],
    ) -> Result<(), EvalError> {
        let rows = std::mem::take(&mut self.many_members[group]);
        let check_unique =
            rows.len() > 1 && self.operation.matching.cardinality != Cardinality::OneToOne;
        let mut written = HashSet::new();
        for &row in &rows {
            let row = row as usize;
            let mut last: Option<(Option<u32>, usize)> = None;
            for (step, taken) in taken.iter_mut().enumerate() {
                let cell = self.many.cell(row, step);
                let (true, Some(other)) = (is_present(cell), self.partner(step, one_at)) else {
                    continue;
                };
                let target = match last {
                    Some((one, target)) if one == one_at[step] => target,
                    _ => {
                        let labels = match one_at[step] {
                            Some(one) => self.result_labels(
                                self.many.visible(row),
                                self.one.visible(one as usize),
                            ),
                            None => self.result_labels(
                                self.many.visible(row),
                                self.part.of(&self.many, row).iter(),
                            ),
                        };
                        let target = self.target(labels);
                        last = Some((one_at[step], target));
                        target
                    }
                };
                self.take(taken)?;
                if check_unique && !written.insert((target, step)) {
                    return Err(EvalError::Invalid(
                        "multiple matches for labels: grouping labels must ensure unique matches"
                            .to_owned(),
                    ));
                }
                self.put(target, step, self.value(cell, other))?;
            }
        }
        self.many_members[group] = rows;
        Ok(())
    }

    /// Rows of the "one" side that met nothing meet the fill value.
    fn fill_missing(
        &mut self,
        fill: f64,
        one_at: &[Option<u32>],
        taken: &[bool],
    ) -> Result<(), EvalError> {
        for step in 0..one_at.len() {
            let (Some(one), false) = (one_at[step], taken[step]) else {
                continue;
            };
            let row = one as usize;
            let labels =
                self.result_labels(self.part.of(&self.one, row).iter(), self.one.visible(row));
            let target = self.target(labels);
            let value = self.value(fill, self.one.cell(row, step));
            self.put(target, step, value)?;
        }
        Ok(())
    }

    fn target(&mut self, labels: Labels) -> usize {
        if let Some(row) = self.row_of.get(&labels) {
            return *row;
        }
        let row = self.result.push_absent(labels.clone());
        self.row_of.insert(labels, row);
        row
    }

    fn put(&mut self, row: usize, step: usize, value: f64) -> Result<(), EvalError> {
        if is_present(value) {
            let cell = self.result.cell_mut(row, step);
            if is_present(*cell) {
                return Err(EvalError::DuplicateLabels);
            }
            *cell = value;
        }
        Ok(())
    }

    fn result_labels<'l>(
        &self,
        many: impl Iterator<Item = (&'l str, &'l str)>,
        one: impl Iterator<Item = (&'l str, &'l str)> + Clone,
    ) -> Labels {
        let matching = &self.operation.matching;
        let drops_name = self.drops_name();
        let one_to_one = matching.cardinality == Cardinality::OneToOne;
        let kept = many.filter(|(name, _)| {
            let listed = matching.labels.iter().any(|label| label == name);
            !(drops_name && is_metadata(name) || one_to_one && listed != matching.on)
        });
        if matching.include.is_empty() {
            return Labels::from_sorted(kept);
        }
        let mut builder = LabelsBuilder::default();
        for (name, value) in kept {
            builder.set(name, value);
        }
        for included in &matching.include {
            let value = one
                .clone()
                .find(|(name, _)| name == included)
                .map_or("", |(_, value)| value);
            builder.set(included, value);
        }
        builder.build()
    }
}

/// `{name="value", ...}` with the metric name among the labels, as Prometheus prints label sets in errors.
fn plain<'l>(labels: impl Iterator<Item = (&'l str, &'l str)>) -> String {
    let pairs: Vec<_> = labels
        .map(|(name, value)| {
            let name = if crate::model::labels::is_legacy_label_name(name) {
                name.to_owned()
            } else {
                crate::model::labels::quote(name)
            };
            format!("{name}={}", crate::model::labels::quote(value))
        })
        .collect();
    format!("{{{}}}", pairs.join(", "))
}
