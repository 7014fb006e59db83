//! What an expression's values mean, from the names of its metrics and what is done with them.
//!
//! Prometheus has no units but the habit of ending names in them
//! (<https://prometheus.io/docs/practices/naming/>). A guess that fails costs a suffix, so nothing here is an error.

use super::Unit;
use crate::promql::ast::{AggregateOp, Binary, BinaryOp, Expr, ExprKind, FunctionId, Selector};

/// What is known of a value while it is computed.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Dimension {
    Number(f64),
    Plain,
    Seconds,
    Bytes,
    Instant,
    Ratio,
    Percent,
    PerSecond,
    BytesPerSecond,
    SecondsPerSecond,
    /// Of two plain ones: a share, if what comes out looks like one.
    Quotient,
}

/// The unit of an expression whose values, threshold included, lie in `extent`.
pub fn unit(expr: &Expr, extent: Option<(f64, f64)>) -> Unit {
    match of(expr) {
        Dimension::Seconds => Unit::Seconds,
        Dimension::Bytes => Unit::Bytes,
        Dimension::BytesPerSecond => Unit::BytesPerSecond,
        Dimension::PerSecond => Unit::PerSecond,
        Dimension::Ratio => Unit::Ratio,
        Dimension::Percent => Unit::Percent,
        Dimension::Quotient => match extent {
            Some((low, high)) if low >= 0.0 && high <= 1.0 => Unit::Ratio,
            _ => Unit::Plain,
        },
        Dimension::Number(_)
        | Dimension::Plain
        | Dimension::Instant
        | Dimension::SecondsPerSecond => Unit::Plain,
    }
}

fn of(expr: &Expr) -> Dimension {
    match &expr.kind {
        ExprKind::Number(value) => Dimension::Number(*value),
        ExprKind::String(_) | ExprKind::QueryTime(_) => Dimension::Plain,
        ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => of_selector(selector),
        ExprKind::Subquery { expr, .. } | ExprKind::Unary { expr, .. } | ExprKind::Paren(expr) => {
            of(expr)
        }
        ExprKind::Call { function, args } => of_call(function.id, args),
        ExprKind::Aggregate(aggregate) => match aggregate.op {
            AggregateOp::Count | AggregateOp::CountValues | AggregateOp::Group => Dimension::Plain,
            _ => of(&aggregate.expr),
        },
        ExprKind::Binary(binary) => of_binary(binary),
    }
}

fn of_selector(selector: &Selector) -> Dimension {
    let name = selector
        .matchers
        .iter()
        .find(|matcher| matcher.name() == "__name__")
        .map_or("", |matcher| matcher.value());
    // Recording rules are named level:metric:operations.
    let parts: Vec<&str> = name.split(':').collect();
    if parts
        .iter()
        .any(|part| part.split('_').any(|word| word == "ratio"))
    {
        return Dimension::Ratio;
    }
    let of_name = parts.iter().find_map(|part| by_suffix(part));
    let rated = parts.len() > 2 && parts[2..].iter().any(|part| part.contains("rate"));
    match (of_name, rated) {
        (Some(dimension), true) => rate(dimension),
        (Some(dimension), false) => dimension,
        (None, true) => Dimension::PerSecond,
        (None, false) => Dimension::Plain,
    }
}

fn by_suffix(name: &str) -> Option<Dimension> {
    if name.ends_with("_count") {
        return None;
    }
    let name = ["_total", "_sum", "_bucket", "_max", "_min"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name);
    let dimension = match name.rsplit('_').next().unwrap_or_default() {
        "seconds"
            if name.ends_with("_timestamp_seconds") || name.ends_with("start_time_seconds") =>
        {
            Dimension::Instant
        }
        "seconds" => Dimension::Seconds,
        "bytes" => Dimension::Bytes,
        "ratio" => Dimension::Ratio,
        "percent" => Dimension::Percent,
        _ => return None,
    };
    Some(dimension)
}

fn rate(dimension: Dimension) -> Dimension {
    match dimension {
        Dimension::Bytes => Dimension::BytesPerSecond,
        Dimension::Seconds => Dimension::SecondsPerSecond,
        Dimension::Plain | Dimension::Number(_) => Dimension::PerSecond,
        _ => Dimension::Plain,
    }
}

fn of_call(function: FunctionId, args: &[Expr]) -> Dimension {
    use FunctionId as F;
    let first = || args.first().map_or(Dimension::Plain, of);
    match function {
        F::Rate | F::Irate | F::Deriv => rate(first()),
        // What comes out is where in the buckets it lies: a rate of them does not matter.
        F::HistogramQuantile => match args.get(1).map_or(Dimension::Plain, of) {
            Dimension::SecondsPerSecond => Dimension::Seconds,
            Dimension::BytesPerSecond => Dimension::Bytes,
            Dimension::PerSecond => Dimension::Plain,
            other => other,
        },
        F::QuantileOverTime => args.get(1).map_or(Dimension::Plain, of),
        F::Time | F::Timestamp => Dimension::Instant,
        F::HistogramFraction => Dimension::Ratio,
        F::Abs
        | F::AvgOverTime
        | F::MinOverTime
        | F::MaxOverTime
        | F::SumOverTime
        | F::LastOverTime
        | F::FirstOverTime
        | F::StddevOverTime
        | F::MadOverTime
        | F::Ceil
        | F::Floor
        | F::Round
        | F::Clamp
        | F::ClampMax
        | F::ClampMin
        | F::Delta
        | F::Idelta
        | F::Increase
        | F::HistogramAvg
        | F::LabelReplace
        | F::LabelJoin
        | F::PredictLinear
        | F::Scalar
        | F::Vector
        | F::Sort
        | F::SortDesc
        | F::SortByLabel
        | F::SortByLabelDesc => first(),
        _ => Dimension::Plain,
    }
}

fn of_binary(binary: &Binary) -> Dimension {
    let (left, right) = (of(&binary.left), of(&binary.right));
    // `100 * part / whole` is parsed as `(100 * part) / whole`.
    if binary.op == BinaryOp::Div
        && let Some(part) = hundredfold(&binary.left)
        && let Dimension::Quotient | Dimension::Ratio = combine(BinaryOp::Div, part, right)
    {
        return Dimension::Percent;
    }
    if binary.op.is_comparison() && binary.return_bool {
        return Dimension::Plain;
    }
    combine(binary.op, left, right)
}

/// What is multiplied by a hundred.
fn hundredfold(expr: &Expr) -> Option<Dimension> {
    match &expr.kind {
        ExprKind::Paren(inner) => hundredfold(inner),
        ExprKind::Binary(binary) if binary.op == BinaryOp::Mul => {
            match (of(&binary.left), of(&binary.right)) {
                (Dimension::Number(100.0), other) | (other, Dimension::Number(100.0)) => {
                    Some(other)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn combine(op: BinaryOp, left: Dimension, right: Dimension) -> Dimension {
    use Dimension as D;
    match (op, left, right) {
        (op, left, _) if op.is_comparison() || op.is_set() => left,
        (BinaryOp::Sub, D::Instant, D::Instant) => D::Seconds,
        (BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mod, D::Number(_), other) => other,
        (BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mod, other, _) => other,
        (BinaryOp::Mul, D::Ratio | D::Quotient, D::Number(100.0))
        | (BinaryOp::Mul, D::Number(100.0), D::Ratio | D::Quotient) => D::Percent,
        (BinaryOp::Mul, D::Ratio | D::Quotient, other)
        | (BinaryOp::Mul, other, D::Ratio | D::Quotient) => match other {
            D::Number(_) => D::Ratio,
            other => other,
        },
        (BinaryOp::Mul, D::Number(a), D::Number(b)) => D::Number(a * b),
        // `8 * bytes` are bits, `1000 * seconds` are milliseconds.
        (BinaryOp::Mul, D::Number(_), _) | (BinaryOp::Mul, _, D::Number(_)) => D::Plain,
        (BinaryOp::Mul, left, D::Plain) => left,
        (BinaryOp::Mul, D::Plain, right) => right,
        (BinaryOp::Div, D::Percent, D::Number(100.0)) => D::Ratio,
        (BinaryOp::Div, _, D::Number(_)) => D::Plain,
        (BinaryOp::Div, D::SecondsPerSecond, D::PerSecond) => D::Seconds,
        (BinaryOp::Div, D::BytesPerSecond, D::PerSecond) => D::Bytes,
        (BinaryOp::Div, D::Bytes, D::BytesPerSecond) => D::Seconds,
        (BinaryOp::Div, D::Seconds, D::Seconds)
        | (BinaryOp::Div, D::Bytes, D::Bytes)
        | (BinaryOp::Div, D::PerSecond, D::PerSecond)
        | (BinaryOp::Div, D::BytesPerSecond, D::BytesPerSecond)
        | (BinaryOp::Div, D::SecondsPerSecond, D::SecondsPerSecond) => D::Quotient,
        (BinaryOp::Div, D::Plain, D::Plain) => D::Quotient,
        (BinaryOp::Div, left, D::Plain) => left,
        _ => D::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parser::parse;

    #[test]
    fn the_unit_follows_from_names_and_operations() {
        let check = |text: &str, want: Unit| {
            let expr = parse(text).unwrap();
            assert_eq!(unit(&expr, Some((0.0, 0.5))), want, "{text}");
        };
        check("up", Unit::Plain);
        check("process_resident_memory_bytes", Unit::Bytes);
        check("rate(http_requests_total[5m])", Unit::PerSecond);
        check(
            "rate(node_network_receive_bytes_total[5m])",
            Unit::BytesPerSecond,
        );
        check("rate(process_cpu_seconds_total[5m])", Unit::Plain);
        check(
            "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
            Unit::Seconds,
        );
        check(
            "rate(d_seconds_sum[5m]) / rate(d_seconds_count[5m])",
            Unit::Seconds,
        );
        check(
            "sum(rate(errors_total[5m])) / sum(rate(requests_total[5m]))",
            Unit::Ratio,
        );
        check("100 * a_bytes / b_bytes", Unit::Percent);
        check("100 * (a_bytes / b_bytes)", Unit::Percent);
        check("1 - a_bytes / b_bytes", Unit::Ratio);
        check("time() - process_start_time_seconds", Unit::Seconds);
        check("time() - last_success_timestamp_seconds", Unit::Seconds);
        check(
            "predict_linear(node_filesystem_avail_bytes[1h], 3600)",
            Unit::Bytes,
        );
        check("count(up == 0)", Unit::Plain);
        check("job:errors:ratio_rate5m", Unit::Ratio);
        check("job:requests:rate5m", Unit::PerSecond);
        check("avg_over_time(latency_seconds[5m])", Unit::Seconds);
    }

    #[test]
    fn a_quotient_above_one_is_no_share() {
        let expr = parse("queue_length / workers").unwrap();
        assert_eq!(unit(&expr, Some((0.0, 40.0))), Unit::Plain);
        assert_eq!(unit(&expr, Some((0.0, 0.9))), Unit::Ratio);
    }
}
