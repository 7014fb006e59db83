//! Expressions of definitions: read for use in rules, and stretched over longer windows.

use std::time::Duration;

use crate::model::duration;
use crate::promql::ast::{DurationKind, Expr, ExprKind, FunctionId, ValueType};
use crate::promql::{parser, support, typecheck, walk};

/// An expression that a rule can use.
///
/// # Errors
/// Why it cannot: not PromQL, not supported, or neither an instant vector nor a scalar.
pub fn read(text: &str) -> Result<Expr, String> {
    let expr = parser::parse(text).map_err(|error| format!("bad PromQL: {}", error.message))?;
    support::check(&expr).map_err(|error| error.to_string())?;
    match typecheck::type_of(&expr) {
        ValueType::Vector | ValueType::Scalar => Ok(expr),
        kind @ (ValueType::String | ValueType::Matrix) => Err(format!(
            "the expression is a {}; write one that gives a number, such as sum(rate(…))",
            kind.describe()
        )),
    }
}

/// A fraction over a window, whatever windows its sides were written with.
///
/// Where all that both sides read stands in functions like `rate`, their ranges become the window. Else both are averaged over
/// it, which is the same for what grows evenly and costs more.
pub fn ratio_over(numerator: &Expr, denominator: &Expr, window: Duration) -> String {
    let millis = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
    let (mut above, mut below) = (numerator.clone(), denominator.clone());
    let mut ranges = Vec::new();
    let stretched =
        stretch(&mut above, millis, &mut ranges) && stretch(&mut below, millis, &mut ranges);
    // What grows with its range must grow alike on both sides, or the fraction would change with the window.
    let alike =
        ranges.windows(2).all(|pair| pair[0] == pair[1]) || ranges.iter().all(|(grows, _)| !grows);
    if stretched && alike {
        return format!("({above}) / ({below})");
    }
    format!(
        "({}) / ({})",
        averaged(numerator, window),
        averaged(denominator, window)
    )
}

/// Sets every range to so many milliseconds; `false` where the expression reads anything in another way. `ranges` gets what
/// each was, and whether its function's result grows with it.
fn stretch(expr: &mut Expr, millis: i64, ranges: &mut Vec<(bool, i64)>) -> bool {
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => true,
        ExprKind::Selector(_) | ExprKind::Matrix { .. } => false,
        ExprKind::Subquery { .. } | ExprKind::QueryTime(_) => false,
        ExprKind::Call { function, args } => {
            let grows = match function.id {
                FunctionId::Rate | FunctionId::AvgOverTime => Some(false),
                FunctionId::Increase | FunctionId::SumOverTime | FunctionId::CountOverTime => {
                    Some(true)
                }
                _ => None,
            };
            if let Some(grows) = grows
                && let [argument] = args.as_mut_slice()
                && let ExprKind::Matrix { range, .. } = &mut argument.kind
            {
                let DurationKind::Millis(was) = range.kind else {
                    return false;
                };
                ranges.push((grows, was));
                range.kind = DurationKind::Millis(millis);
                return true;
            }
            args.iter_mut().all(|arg| stretch(arg, millis, ranges))
        }
        ExprKind::Aggregate(aggregate) => {
            let parameter = aggregate.param.as_deref_mut();
            parameter.is_none_or(|parameter| stretch(parameter, millis, ranges))
                && stretch(&mut aggregate.expr, millis, ranges)
        }
        ExprKind::Binary(binary) => {
            stretch(&mut binary.left, millis, ranges) && stretch(&mut binary.right, millis, ranges)
        }
        ExprKind::Unary { expr, .. } | ExprKind::Paren(expr) => stretch(expr, millis, ranges),
    }
}

fn averaged(expr: &Expr, window: Duration) -> String {
    if walk::selectors(expr).is_empty() {
        return expr.to_string();
    }
    let window = duration::format(window);
    match typecheck::type_of(expr) {
        ValueType::Scalar => format!("avg_over_time(vector({expr})[{window}:])"),
        ValueType::Vector | ValueType::String | ValueType::Matrix => {
            format!("avg_over_time(({expr})[{window}:])")
        }
    }
}

/// A number as PromQL writes it.
pub fn number(value: f64) -> String {
    format!("{value}")
}

/// Without the dust that differences of decimal fractions carry in their last digits: 1 - 0.999 is 0.0010000000000000009.
pub fn tidy(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_stretched_where_that_means_the_same() {
        let check = |numerator: &str, denominator: &str, want: &str| {
            let (above, below) = (read(numerator).unwrap(), read(denominator).unwrap());
            let got = ratio_over(&above, &below, Duration::from_secs(3_600));
            assert_eq!(got, want, "{numerator} / {denominator}");
            read(&got).unwrap_or_else(|error| panic!("{got}: {error}"));
        };
        check(
            "sum(rate(a[5m]))",
            "sum(rate(b[10m]))",
            "(sum(rate(a[1h]))) / (sum(rate(b[1h])))",
        );
        check(
            "sum by (x) (increase(a{c=\"d\"}[5m])) - increase(e[5m])",
            "increase(b[5m])",
            "(sum by (x) (increase(a{c=\"d\"}[1h])) - increase(e[1h])) / (increase(b[1h]))",
        );
        // Ten minutes beside five: the fraction of the stretched ones would be another.
        check(
            "increase(a[5m])",
            "increase(b[10m])",
            "(avg_over_time((increase(a[5m]))[1h:])) / (avg_over_time((increase(b[10m]))[1h:]))",
        );
        check(
            "busy",
            "scalar(all)",
            "(avg_over_time((busy)[1h:])) / (avg_over_time(vector(scalar(all))[1h:]))",
        );
        check("busy", "16", "(avg_over_time((busy)[1h:])) / (16)");
        check(
            "rate(a[5m] offset 1m)",
            "irate(b[5m])",
            "(avg_over_time((rate(a[5m] offset 1m))[1h:])) / (avg_over_time((irate(b[5m]))[1h:]))",
        );
    }

    #[test]
    fn what_no_rule_can_use_is_refused() {
        for wrong in ["sum(", "\"text\"", "up[5m]", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_lose_their_dust_and_nothing_else() {
        let check = |value: f64, want: &str| assert_eq!(number(tidy(value)), want);
        check(1.0 - 0.999, "0.001");
        check(14.4 * (1.0 - 0.999), "0.0144");
        check(-5.0, "-5");
        check(1.5e-15, "0.0000000000000015");
        check(250.5, "250.5");
        check(0.0, "0");
    }
}
