//! Functions of range vectors: the loop over series and windows that they share.

use super::super::super::ast::{Expr, Extension, Function, FunctionId as Id};
use super::super::EvalError;
use super::super::evaluator::Evaluator;
use super::super::grid::{ABSENT, Duplicates, Grid, Steps};
use super::super::select::{RangeVector, Window};
use super::{over_time, regression};

/// How many samples are worked through, overlapping windows counted each, between two looks at the deadline.
const SAMPLES_BETWEEN_CHECKS: usize = 1 << 20;

impl Evaluator<'_> {
    pub(super) fn range_function(
        &mut self,
        function: &Function,
        args: &[Expr],
        steps: Steps,
    ) -> Result<Grid, EvalError> {
        let number = |evaluator: &mut Self, index: usize| evaluator.scalar(&args[index], steps);
        match function.id {
            Id::Rate | Id::Increase | Id::Delta => self.rate(function, &args[0], steps),
            Id::Irate | Id::Idelta => self.instant_rate(function, &args[0], steps),
            Id::QuantileOverTime => {
                let q = number(self, 0)?;
                let grid = self.over_windows(function, &args[1], steps, |window| {
                    over_time::quantile_over_time(window, q[window.step])
                })?;
                if grid.rows() > 0 {
                    self.warn_of_quantiles(&q, &args[0]);
                }
                Ok(grid)
            }
            Id::PredictLinear => {
                let ahead = number(self, 1)?;
                self.over_windows(function, &args[0], steps, |window| {
                    regression::predict_linear(window, ahead[window.step])
                })
            }
            Id::DoubleExponentialSmoothing => {
                let (smoothing, trend) = (number(self, 1)?, number(self, 2)?);
                for (what, factors) in [("smoothing", &smoothing), ("trend", &trend)] {
                    if let Some(bad) = factors.iter().find(|f| **f <= 0.0 || **f >= 1.0) {
                        return Err(EvalError::Invalid(format!(
                            "invalid {what} factor. Expected: 0 < {}f < 1, got: {bad:.6}",
                            &what[..1]
                        )));
                    }
                }
                self.over_windows(function, &args[0], steps, |window| {
                    regression::double_exponential_smoothing(
                        window,
                        smoothing[window.step],
                        trend[window.step],
                    )
                })
            }
            Id::Changes | Id::Resets => {
                let vector = self.checked_range_vector(function, &args[0], steps)?;
                let anchored = vector.extension == Some(Extension::Anchored);
                let counts: fn(f64, f64) -> bool = if function.id == Id::Changes {
                    |before, after| before != after && !(before.is_nan() && after.is_nan())
                } else {
                    |before, after| after < before
                };
                self.windows_of(function, vector, steps, |window| {
                    over_time::count_pairs(window, anchored, counts)
                })
            }
            id => match over_time::function(id) {
                Some(kernel) => self.over_windows(function, &args[0], steps, kernel),
                None => Err(EvalError::Invalid(format!(
                    "function {} is not supported",
                    function.name
                ))),
            },
        }
    }

    /// What `kernel` makes of each window that holds a sample.
    pub(super) fn over_windows(
        &mut self,
        function: &Function,
        arg: &Expr,
        steps: Steps,
        kernel: impl FnMut(&Window<'_>) -> Option<f64>,
    ) -> Result<Grid, EvalError> {
        let vector = self.checked_range_vector(function, arg, steps)?;
        self.windows_of(function, vector, steps, kernel)
    }

    fn windows_of(
        &mut self,
        function: &Function,
        vector: RangeVector,
        steps: Steps,
        mut kernel: impl FnMut(&Window<'_>) -> Option<f64>,
    ) -> Result<Grid, EvalError> {
        let mut grid = self.grid_for(&vector, steps)?;
        let mut cells = Vec::with_capacity(steps.count);
        for series in &vector.series {
            self.tick()?;
            cells.clear();
            let mut seen = 0;
            let mut ended = None;
            vector.windows.each(&series.samples, steps, |window| {
                seen += window.samples.len();
                if seen > SAMPLES_BETWEEN_CHECKS {
                    seen = 0;
                    ended = ended.take().or(self.check_deadline().err());
                }
                cells.push(if window.samples.is_empty() || ended.is_some() {
                    ABSENT
                } else {
                    kernel(&window).unwrap_or(ABSENT)
                });
            });
            if let Some(error) = ended {
                return Err(error);
            }
            grid.push_row(series.labels.clone(), cells.iter().copied());
        }
        self.drop_range_vector(vector);
        // These two read a sample as an offset does.
        if !matches!(function.id, Id::LastOverTime | Id::FirstOverTime) {
            grid.drop_names(Duplicates::Refuse)?;
        }
        Ok(grid)
    }

    /// An empty grid for the results of a range vector's series.
    pub(super) fn grid_for(
        &mut self,
        vector: &RangeVector,
        steps: Steps,
    ) -> Result<Grid, EvalError> {
        self.hold(vector.series.len().saturating_mul(steps.count))?;
        let mut grid = Grid::with_capacity(steps.count, vector.series.len());
        grid.nameless = vector.nameless;
        grid.same_name = vector.same_name;
        Ok(grid)
    }

    /// The range vector of a function that can do with its `anchored` or `smoothed`.
    pub(super) fn checked_range_vector(
        &mut self,
        function: &Function,
        arg: &Expr,
        steps: Steps,
    ) -> Result<RangeVector, EvalError> {
        let vector = self.range_vector(arg, steps)?;
        let counter = matches!(function.id, Id::Rate | Id::Increase | Id::Delta);
        match vector.extension {
            Some(Extension::Smoothed) if !counter => Err(EvalError::Invalid(format!(
                "smoothed modifier can only be used with: delta, increase, rate - not with {}",
                function.name
            ))),
            Some(Extension::Anchored)
                if !counter && !matches!(function.id, Id::Changes | Id::Resets) =>
            {
                Err(EvalError::Invalid(format!(
                    "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with {}",
                    function.name
                )))
            }
            _ => Ok(vector),
        }
    }
}
