//! Where an alert's expression holds its threshold: the outermost comparison, taken apart.
//!
//! ```text
//!   rate(errors[5m]) / rate(requests[5m]) > 0.05 and rate(requests[5m]) > 1
//!   └───────────── values ──────────────┘ op level  (what follows `and` only chooses)
//! ```

use crate::promql::ast::{BinaryOp, Expr, ExprKind, FunctionId, ValueType};
use crate::promql::typecheck::type_of;

/// One way to read an expression as values and what they are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Split<'a> {
    /// What is drawn.
    pub values: &'a Expr,
    /// The comparison, values on its left, and its other side.
    pub threshold: Option<(BinaryOp, &'a Expr)>,
}

/// The ways to read an expression, the most telling first: one for each side of an `or`.
pub fn split(expr: &Expr) -> Vec<Split<'_>> {
    let whole = Split {
        values: expr,
        threshold: None,
    };
    match &expr.kind {
        ExprKind::Paren(inner) => split(inner),
        ExprKind::Binary(binary) if binary.op == BinaryOp::Or => {
            let mut ways = split(&binary.left);
            ways.extend(split(&binary.right));
            ways
        }
        ExprKind::Binary(binary) if matches!(binary.op, BinaryOp::And | BinaryOp::Unless) => {
            split(&binary.left)
        }
        // With `bool` it yields 0 or 1 and chooses nothing.
        ExprKind::Binary(binary) if binary.op.is_comparison() && !binary.return_bool => {
            let level_is_left = type_of(&binary.left) == ValueType::Scalar
                && type_of(&binary.right) != ValueType::Scalar;
            let (values, op, level) = if level_is_left {
                (&binary.right, turned(binary.op), &binary.left)
            } else {
                (&binary.left, binary.op, &binary.right)
            };
            vec![Split {
                values: unwrapped(values),
                threshold: Some((op, level)),
            }]
        }
        // Of what is absent, the gap tells more than a line at 1.
        ExprKind::Call { function, args } if function.id == FunctionId::Absent => {
            let selected = args.first().map_or(expr, |arg| unwrapped(arg));
            vec![Split {
                values: selected,
                threshold: None,
            }]
        }
        _ => vec![whole],
    }
}

fn unwrapped(mut expr: &Expr) -> &Expr {
    while let ExprKind::Paren(inner) = &expr.kind {
        expr = inner;
    }
    expr
}

/// The comparison with its sides exchanged.
fn turned(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Ge => BinaryOp::Le,
        BinaryOp::Le => BinaryOp::Ge,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parser::parse;

    #[test]
    fn the_outermost_comparison_parts_values_from_threshold() {
        let check = |text: &str, want: &[&str]| {
            let expr = parse(text).unwrap();
            let shown: Vec<String> = split(&expr)
                .iter()
                .map(|way| match way.threshold {
                    Some((op, level)) => format!("{} | {} | {level}", way.values, op.as_str()),
                    None => way.values.to_string(),
                })
                .collect();
            assert_eq!(shown, want, "{text}");
        };
        check("up == 0", &["up | == | 0"]);
        check("(rate(a[5m]) > 0.5)", &["rate(a[5m]) | > | 0.5"]);
        check("5 < a", &["a | > | 5"]);
        check("a / b > 0.05 and b > 1", &["a / b | > | 0.05"]);
        check("a > 1 unless on () b", &["a | > | 1"]);
        check("a > 1 or b < 2", &["a | > | 1", "b | < | 2"]);
        check("a > on (job) b", &["a | > | b"]);
        check("a > scalar(b)", &["a | > | scalar(b)"]);
        check("(a + b) > 2 * 3", &["a + b | > | 2 * 3"]);
        check("absent(up{job=\"x\"})", &["up{job=\"x\"}"]);
        check("vector(1)", &["vector(1)"]);
        check("a > bool 1", &["a > bool 1"]);
        check("sum(up == 0) > 2", &["sum(up == 0) | > | 2"]);
    }
}
