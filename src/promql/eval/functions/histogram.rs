//! `histogram_quantile`, `histogram_quantiles`, `histogram_fraction` on classic histograms: series with an `le` each.

use super::super::super::ast::Expr;
use super::super::EvalError;
use super::super::annotations::ForcedMonotonicity;
use super::super::evaluator::{Evaluator, text_argument};
use super::super::grid::{ABSENT, Duplicates, Grid, Steps, is_metadata, is_present};
use super::super::keys::{Groups, LabelPart, members};
use super::super::numeric::almost_equal;
use super::super::select::place;
use crate::model::go_float::format_plain;
use crate::model::labels::{BUCKET_LABEL, Labels};

/// Differences of neighbouring buckets that rounding can explain.
const SMALL_DIFFERENCE: f64 = 1e-12;

/// How many observations were at most `bound`.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    bound: f64,
    count: f64,
}

/// Buckets that had to be raised to the one before.
#[derive(Clone, Copy, Debug)]
struct Raised {
    bounds: (f64, f64),
    difference: f64,
}

/// The histograms in a vector of buckets.
struct Histograms {
    buckets: Grid,
    /// Each histogram's labels without `le` and name, and its rows with their bounds, in order of these.
    list: Vec<(Labels, Vec<(f64, usize)>)>,
}

impl Evaluator<'_> {
    pub(super) fn histogram_quantile(
        &mut self,
        args: &[Expr],
        steps: Steps,
    ) -> Result<Grid, EvalError> {
        let q = self.scalar(&args[0], steps)?;
        let histograms = self.histograms(&args[1], steps)?;
        self.warn_of_quantiles(&q, &args[0]);
        let grid = self.per_histogram(&histograms, steps, |evaluator, step, buckets| {
            let (value, raised) = bucket_quantile(q[step], buckets);
            evaluator.tell_of_raised(&args[1], steps.time(step), raised);
            value
        })?;
        self.release(histograms.buckets.cells.len());
        Ok(grid)
    }

    pub(super) fn histogram_quantiles(
        &mut self,
        args: &[Expr],
        steps: Steps,
    ) -> Result<Grid, EvalError> {
        let histograms = self.histograms(&args[0], steps)?;
        let label = text_argument(&args[1])?;
        let mut result = Grid::empty(steps.count);
        for arg in &args[2..] {
            let q = self.scalar(arg, steps)?;
            self.warn_of_quantiles(&q, arg);
            let grid = self.per_histogram(&histograms, steps, |evaluator, step, buckets| {
                let (value, raised) = bucket_quantile(q[step], buckets);
                evaluator.tell_of_raised(&args[1], steps.time(step), raised);
                value
            })?;
            // The label follows the quantile, which may change from step to step.
            let mut rows = hashbrown::HashMap::new();
            for row in 0..grid.rows() {
                for (step, q) in q.iter().enumerate() {
                    let cell = grid.cell(row, step);
                    if is_present(cell) {
                        let target = *rows.entry((row, q.to_bits())).or_insert_with(|| {
                            result.push_absent(grid.labels[row].with(label, &open_metrics(*q)))
                        });
                        *result.cell_mut(target, step) = cell;
                    }
                }
            }
        }
        self.release(histograms.buckets.cells.len());
        result.merge_duplicates(Duplicates::Merge)?;
        Ok(result)
    }

    pub(super) fn histogram_fraction(
        &mut self,
        args: &[Expr],
        steps: Steps,
    ) -> Result<Grid, EvalError> {
        let lower = self.scalar(&args[0], steps)?;
        let upper = self.scalar(&args[1], steps)?;
        let histograms = self.histograms(&args[2], steps)?;
        let grid = self.per_histogram(&histograms, steps, |_, step, buckets| {
            bucket_fraction(lower[step], upper[step], buckets)
        })?;
        self.release(histograms.buckets.cells.len());
        Ok(grid)
    }

    fn histograms(&mut self, arg: &Expr, steps: Steps) -> Result<Histograms, EvalError> {
        let buckets = self.vector(arg, steps)?;
        let part = LabelPart::without_only([BUCKET_LABEL]);
        let mut groups = Groups::default();
        let group_of = part.group(&buckets, &mut groups);
        let mut list = Vec::with_capacity(groups.len());
        for rows in members(&group_of, groups.len()) {
            let labels = part
                .of(&buckets, rows[0] as usize)
                .filter(|name| !is_metadata(name));
            let mut bounds = Vec::with_capacity(rows.len());
            for row in rows {
                let row = row as usize;
                let bound = buckets.label(row, BUCKET_LABEL);
                match bound.parse::<f64>() {
                    Ok(bound) => bounds.push((bound, row)),
                    Err(_) => {
                        let name = buckets.label(row, crate::model::labels::METRIC_NAME);
                        let mut text = format!(
                            "bucket label \"le\" is missing or has a malformed value of {bound:?}"
                        );
                        if !name.is_empty() {
                            text.push_str(&format!(" for metric name {name:?}"));
                        }
                        self.annotations.warn(place(arg), text);
                    }
                }
            }
            bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
            list.push((labels, bounds));
        }
        Ok(Histograms { buckets, list })
    }

    /// What `value` makes of each histogram at each step.
    fn per_histogram(
        &mut self,
        histograms: &Histograms,
        steps: Steps,
        mut value: impl FnMut(&mut Self, usize, &mut Vec<Bucket>) -> f64,
    ) -> Result<Grid, EvalError> {
        let mut grid = Grid::with_capacity(steps.count, histograms.list.len());
        self.hold(histograms.list.len().saturating_mul(steps.count))?;
        let mut buckets = Vec::new();
        let mut cells = Vec::with_capacity(steps.count);
        for (labels, rows) in &histograms.list {
            self.tick()?;
            cells.clear();
            for step in 0..steps.count {
                buckets.clear();
                buckets.extend(rows.iter().filter_map(|(bound, row)| {
                    let count = histograms.buckets.cell(*row, step);
                    is_present(count).then_some(Bucket {
                        bound: *bound,
                        count,
                    })
                }));
                cells.push(if buckets.is_empty() {
                    ABSENT
                } else {
                    value(self, step, &mut buckets)
                });
            }
            grid.push_row(labels.clone(), cells.iter().copied());
        }
        if !histograms.buckets.same_name {
            grid.merge_duplicates(Duplicates::Merge)?;
        }
        Ok(grid)
    }

    fn tell_of_raised(&mut self, arg: &Expr, time: i64, raised: Option<Raised>) {
        if let Some(raised) = raised {
            self.annotations.forced_monotonicity(ForcedMonotonicity {
                place: place(arg).start,
                buckets: raised.bounds,
                difference: raised.difference,
                times_ms: (time, time),
                count: 1,
            });
        }
    }
}

/// As OpenMetrics writes floats: `1.0` rather than `1`.
fn open_metrics(value: f64) -> String {
    let text = format_plain(value);
    if text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-')
    {
        text + ".0"
    } else {
        text
    }
}

/// The value below which the share `q` of observations lies, linear within a bucket. Buckets are in order.
fn bucket_quantile(q: f64, buckets: &mut Vec<Bucket>) -> (f64, Option<Raised>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if !ends_in_infinity(buckets) {
        return (f64::NAN, None);
    }
    merge_equal_bounds(buckets);
    let raised = make_monotonic(buckets);
    let [.., before_last, last] = buckets.as_slice() else {
        return (f64::NAN, None);
    };
    if last.count == 0.0 {
        return (f64::NAN, None);
    }
    let rank = q * last.count;
    let finite = &buckets[..buckets.len() - 1];
    let index = finite
        .iter()
        .position(|bucket| bucket.count >= rank)
        .unwrap_or(finite.len());
    let value = if index == finite.len() {
        before_last.bound
    } else if index == 0 && buckets[0].bound <= 0.0 {
        buckets[0].bound
    } else {
        let below = match index.checked_sub(1) {
            Some(below) => buckets[below],
            None => Bucket {
                bound: 0.0,
                count: 0.0,
            },
        };
        let bucket = buckets[index];
        below.bound
            + (bucket.bound - below.bound) * ((rank - below.count) / (bucket.count - below.count))
    };
    (value, raised)
}

/// The share of observations between two values, linear within a bucket. Buckets are in order.
fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if !ends_in_infinity(buckets) {
        return f64::NAN;
    }
    merge_equal_bounds(buckets);
    make_monotonic(buckets);
    let total = buckets.last().map_or(0.0, |bucket| bucket.count);
    if total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let rank = |value: f64| {
        let mut below = Bucket {
            bound: if buckets[0].bound > 0.0 {
                0.0
            } else {
                f64::NEG_INFINITY
            },
            count: 0.0,
        };
        for bucket in buckets.iter() {
            if below.bound >= value {
                return below.count;
            }
            if bucket.bound > value {
                return if below.bound.is_infinite() {
                    bucket.count
                } else {
                    below.count
                        + (bucket.count - below.count) * (value - below.bound)
                            / (bucket.bound - below.bound)
                };
            }
            below = *bucket;
        }
        total
    };
    (rank(upper).min(total) - rank(lower).min(total)) / total
}

fn ends_in_infinity(buckets: &[Bucket]) -> bool {
    buckets
        .last()
        .is_some_and(|bucket| bucket.bound == f64::INFINITY)
}

/// One bucket a bound: `le="1"` and `le="1.0"` may both be there.
fn merge_equal_bounds(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|next, kept| {
        let same = next.bound == kept.bound;
        if same {
            kept.count += next.count;
        }
        same
    });
}

/// Raises buckets that are below their predecessor; tells of those where it is more than rounding.
fn make_monotonic(buckets: &mut [Bucket]) -> Option<Raised> {
    let mut raised: Option<Raised> = None;
    let mut before = buckets[0].count;
    for bucket in &mut buckets[1..] {
        if bucket.count == before {
            continue;
        }
        if almost_equal(before, bucket.count, SMALL_DIFFERENCE) {
            bucket.count = before;
        } else if bucket.count < before {
            let difference = before - bucket.count;
            let raised = raised.get_or_insert(Raised {
                bounds: (bucket.bound, bucket.bound),
                difference,
            });
            raised.bounds.0 = raised.bounds.0.min(bucket.bound);
            raised.bounds.1 = raised.bounds.1.max(bucket.bound);
            raised.difference = raised.difference.max(difference);
            bucket.count = before;
        } else {
            before = bucket.count;
        }
    }
    raised
}
