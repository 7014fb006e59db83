//! Arithmetic that must come out as Prometheus's does: compensated sums, quantiles, minima that respect NaN.

/// A sum that carries what rounding lost (Neumaier's form of Kahan's summation, as Prometheus uses).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KahanSum {
    /// The sum so far.
    pub(super) sum: f64,
    /// What rounding lost so far.
    pub(super) lost: f64,
}

impl KahanSum {
    pub(super) fn starting_at(sum: f64) -> Self {
        Self { sum, lost: 0.0 }
    }

    pub(super) fn add(&mut self, value: f64) {
        let total = self.sum + value;
        if total.is_infinite() {
            self.lost = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.lost += (self.sum - total) + value;
        } else {
            self.lost += (value - total) + self.sum;
        }
        self.sum = total;
    }

    pub(super) fn value(self) -> f64 {
        self.sum + self.lost
    }
}

/// A mean: a plain sum while that fits a float, incremental from the value on that would overflow it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    total: KahanSum,
    count: f64,
    incremental: bool,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.total = KahanSum::starting_at(value);
            return;
        }
        if !self.incremental {
            let mut total = self.total;
            total.add(value);
            if !total.sum.is_infinite() {
                self.total = total;
                return;
            }
            self.incremental = true;
            self.total.sum /= self.count - 1.0;
            self.total.lost /= self.count - 1.0;
        }
        let kept = (self.count - 1.0) / self.count;
        self.total.sum *= kept;
        self.total.lost *= kept;
        self.total.add(value / self.count);
    }

    /// The mean; `None` where nothing was added.
    pub(super) fn value(self) -> Option<f64> {
        match (self.count, self.incremental) {
            (0.0, _) => None,
            (_, true) => Some(self.total.value()),
            (count, false) => Some(self.total.sum / count + self.total.lost / count),
        }
    }
}

/// Welford's running variance with compensated means.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Variance {
    count: f64,
    mean: KahanSum,
    squares: KahanSum,
}

impl Variance {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean.value();
        self.mean.add(delta / self.count);
        self.squares.add(delta * (value - self.mean.value()));
    }

    /// The population variance; `None` where nothing was added.
    pub(super) fn value(self) -> Option<f64> {
        (self.count > 0.0).then(|| self.squares.value() / self.count)
    }
}

/// The quantile of values, interpolated between neighbours; sorts them, NaN first.
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|a, b| nan_first(*a, *b));
    let last = (values.len() - 1) as f64;
    let rank = q * last;
    let lower = rank.floor().max(0.0);
    let upper = (lower + 1.0).min(last);
    let weight = rank - rank.floor();
    values[lower as usize] * (1.0 - weight) + values[upper as usize] * weight
}

/// Ascending, NaN before everything.
pub(super) fn nan_first(a: f64, b: f64) -> std::cmp::Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// Go's `math.Max`: NaN wins over all but `+Inf`.
pub(super) fn go_max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// Go's `math.Min`: NaN wins over all but `-Inf`.
pub(super) fn go_min(a: f64, b: f64) -> f64 {
    -go_max(-a, -b)
}

/// Whether two floats are equal but for rounding (`prometheus/util/almost`).
pub(super) fn almost_equal(a: f64, b: f64, epsilon: f64) -> bool {
    if a.is_nan() && b.is_nan() || a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < epsilon * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < epsilon
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compensated_sums_keep_what_plain_ones_lose() {
        let mut sum = KahanSum::default();
        for value in [5.0, 1e100, 1.0, -1e100] {
            sum.add(value);
        }
        assert_eq!(sum.value(), 6.0);
    }

    #[test]
    fn means_survive_sums_that_overflow() {
        let mut mean = Mean::default();
        assert_eq!(mean.value(), None);
        for _ in 0..4 {
            mean.add(f64::MAX);
        }
        let mean = mean.value().expect("four values");
        assert!(almost_equal(mean, f64::MAX, 1e-12), "{mean:e}");
    }

    #[test]
    fn quantiles_interpolate_and_answer_infinity_outside_their_range() {
        let check = |q: f64, values: &[f64], want: f64| {
            assert_eq!(quantile(q, &mut values.to_vec()), want);
        };
        check(0.5, &[3.0, 1.0], 2.0);
        check(0.0, &[3.0, 1.0], 1.0);
        check(1.0, &[3.0, 1.0], 3.0);
        check(-0.1, &[1.0], f64::NEG_INFINITY);
        check(1.1, &[1.0], f64::INFINITY);
        assert!(quantile(f64::NAN, &mut [1.0]).is_nan());
        assert!(quantile(0.5, &mut []).is_nan());
    }

    #[test]
    fn minima_and_maxima_treat_nan_as_go_does() {
        assert!(go_max(f64::NAN, 1.0).is_nan());
        assert_eq!(go_max(f64::NAN, f64::INFINITY), f64::INFINITY);
        assert_eq!(go_min(f64::NEG_INFINITY, f64::NAN), f64::NEG_INFINITY);
        assert_eq!(go_min(2.0, 1.0), 1.0);
    }
}
