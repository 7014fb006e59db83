//! Which value of an alert is its worst, and which is its value once it is over: read from the outermost comparison of
//! its rule's expression ([`crate::promql::comparison`]).
//!
//! ```text
//!   rate(errors[5m]) > 0.05                    watched: rate(errors[5m])   worse is higher   threshold 0.05
//!   free / size < 0.1 and size > 0             watched: free / size        worse is lower    threshold 0.1
//!   10 <= lag                                  watched: lag                worse is higher   threshold 10
//!   a > b                                      watched: a                  worse is higher   no threshold: b has many values
//!   up == 0, x != 3                            worse is further from zero
//!   absent(up)                                 nothing is watched
//! ```

use crate::model::labels::{ALERT_NAME, Labels, METRIC_NAME};
use crate::promql::ast::{BinaryOp, Expr};
use crate::promql::comparison::{Reading, readings};

/// Which of an alert's values is its worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worst {
    /// The highest: `>`, `>=`.
    Highest,
    /// The lowest: `<`, `<=`.
    Lowest,
    /// The furthest from zero: anything else.
    Furthest,
}

impl Worst {
    /// Where values are compared so.
    fn under(op: Option<BinaryOp>) -> Self {
        match op {
            Some(BinaryOp::Gt | BinaryOp::Ge) => Self::Highest,
            Some(BinaryOp::Lt | BinaryOp::Le) => Self::Lowest,
            Some(_) | None => Self::Furthest,
        }
    }

    /// The worse of the worst so far and another value. What is no number is never the worst.
    pub fn of(self, so_far: Option<f64>, value: f64) -> Option<f64> {
        if value.is_nan() {
            return so_far;
        }
        let worse = so_far.is_none_or(|so_far| match self {
            Self::Highest => value > so_far,
            Self::Lowest => value < so_far,
            Self::Furthest => value.abs() > so_far.abs(),
        });
        if worse { Some(value) } else { so_far }
    }
}

/// What all comparisons of an expression agree on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watch {
    /// Which value is the worst.
    pub worst: Worst,
    /// The number it is compared with.
    pub threshold: Option<f64>,
}

impl Watch {
    /// Of an alert's expression.
    pub fn of(expr: &Expr) -> Self {
        let each = watched(expr).map(|reading| Self {
            worst: Worst::under(reading.threshold.map(|threshold| threshold.op)),
            threshold: reading.threshold.and_then(|threshold| threshold.number()),
        });
        let agreed = each.reduce(|so_far, other| Self {
            worst: match so_far.worst == other.worst {
                true => so_far.worst,
                false => Worst::Furthest,
            },
            threshold: so_far
                .threshold
                .filter(|_| so_far.threshold == other.threshold),
        });
        agreed.unwrap_or(Self {
            worst: Worst::Furthest,
            threshold: None,
        })
    }
}

/// The readings whose values an alert can have and that go on once it is over, in the order of the text.
pub fn watched(expr: &Expr) -> impl Iterator<Item = Reading<'_>> {
    readings(expr).into_iter().filter(|reading| reading.go_on)
}

/// The value that belongs to an alert among what the watched side yields: that of the one series with all labels of the
/// alert, those apart which the rule itself sets. `None` where there is none, or more than one.
pub fn value_of(
    alert: &Labels,
    rule_labels: &[(String, String)],
    samples: &[(Labels, f64)],
) -> Option<f64> {
    let own = |name: &str| {
        name == ALERT_NAME || name == METRIC_NAME || rule_labels.iter().any(|(own, _)| own == name)
    };
    let mut found = samples.iter().filter(|(labels, _)| {
        alert
            .iter()
            .filter(|(name, _)| !own(name))
            .all(|(name, value)| labels.get(name) == Some(value))
    });
    let (_, value) = found.next()?;
    found.next().is_none().then_some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parser::parse;

    #[test]
    fn the_outermost_comparison_says_what_is_worse() {
        use Worst::{Furthest, Highest, Lowest};
        let check = |query: &str, watched: &[&str], worst: Worst, threshold: Option<f64>| {
            let expr = parse(query).unwrap();
            let found: Vec<String> = super::watched(&expr)
                .map(|reading| reading.values.to_string())
                .collect();
            assert_eq!(found, watched, "{query}");
            assert_eq!(Watch::of(&expr), Watch { worst, threshold }, "{query}");
        };
        check("a > 5", &["a"], Highest, Some(5.0));
        check("(a >= 0.9 * 100)", &["a"], Highest, Some(90.0));
        check("a < -5", &["a"], Lowest, Some(-5.0));
        check("5 < a", &["a"], Highest, Some(5.0));
        check("scalar(b) >= a", &["a"], Lowest, None);
        check("a / b <= 1 and b > 10", &["a / b"], Lowest, Some(1.0));
        check("a > 1 unless on() b == 1", &["a"], Highest, Some(1.0));
        check("a and on() b > 1", &["a"], Furthest, None);
        check("a > 1 or b > 1", &["a", "b"], Highest, Some(1.0));
        check("a > 1 or b > 2", &["a", "b"], Highest, None);
        check("a > 1 or b < 1", &["a", "b"], Furthest, Some(1.0));
        check("a > b", &["a"], Highest, None);
        check("up == 0", &["up"], Furthest, Some(0.0));
        check("a > bool 1", &[], Furthest, None);
        check("absent(up)", &[], Furthest, None);
        check(
            "count(up == 0) > 2",
            &["count(up == 0)"],
            Highest,
            Some(2.0),
        );
    }

    #[test]
    fn the_worst_value_is_kept() {
        let check = |worst: Worst, values: &[f64], want: Option<f64>| {
            let got = values
                .iter()
                .fold(None, |so_far, value| worst.of(so_far, *value));
            assert_eq!(got, want, "{worst:?} {values:?}");
        };
        check(Worst::Highest, &[1.0, 3.0, 2.0], Some(3.0));
        check(Worst::Lowest, &[2.0, 1.0, 3.0], Some(1.0));
        check(Worst::Furthest, &[2.0, -4.0, 3.0], Some(-4.0));
        check(Worst::Highest, &[f64::NAN, 1.0, f64::NAN], Some(1.0));
        check(Worst::Highest, &[f64::NAN], None);
    }

    #[test]
    fn an_alerts_series_is_found_by_the_labels_it_did_not_get_from_its_rule() {
        let labels = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
        let rule = [("severity".to_owned(), "{{ $value }}".to_owned())];
        let alert = labels(&[("alertname", "A"), ("severity", "7"), ("instance", "a")]);
        let check = |series: &[&[(&str, &str)]], want: Option<f64>| {
            let samples: Vec<(Labels, f64)> = (1..)
                .map(f64::from)
                .zip(series)
                .map(|(value, pairs)| (labels(pairs), value))
                .collect();
            assert_eq!(value_of(&alert, &rule, &samples), want, "{series:?}");
        };
        check(
            &[
                &[("instance", "b")],
                &[("instance", "a"), ("__name__", "m")],
            ],
            Some(2.0),
        );
        // `on (instance)` leaves the result fewer labels than the series has.
        check(&[&[("instance", "a"), ("job", "x")]], Some(1.0));
        check(
            &[
                &[("instance", "a"), ("job", "x")],
                &[("instance", "a"), ("job", "y")],
            ],
            None,
        );
        check(&[&[("job", "x")]], None);
        check(&[], None);
    }
}
