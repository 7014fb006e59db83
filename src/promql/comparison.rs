//! Where an alert's expression holds its threshold: the outermost comparison, taken apart.
//!
//! ```text
//!   rate(errors[5m]) / rate(requests[5m]) > 0.05 and rate(requests[5m]) > 1
//!   └───────────── values ──────────────┘ op level  (what follows `and` only chooses)
//!   10 <= lag                                       values: lag    op: >=    level: 10
//! ```
//!
//! `and` and `unless` keep the left side's value, so the left side is looked into; `or` has two. A comparison with `bool`
//! yields 0 or 1 and chooses nothing: it is no comparison here.

use super::ast::{Binary, BinaryOp, Expr, ExprKind, FunctionId, ValueType};
use super::typecheck::type_of;

/// One way to read an expression: values, and what they are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Where the alert's value comes from.
    pub values: &'a Expr,
    /// What they are compared with.
    pub threshold: Option<Threshold<'a>>,
    /// Whether the values go on once the alert is over: they pass a threshold, or what follows `and` or `unless` ends it.
    pub go_on: bool,
}

/// The other side of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Threshold<'a> {
    /// The comparison, values on its left.
    pub op: BinaryOp,
    /// What they are compared with: a number, or an expression of its own.
    pub level: &'a Expr,
}

impl Threshold<'_> {
    /// The level, where it is made of numbers alone.
    pub fn number(&self) -> Option<f64> {
        number(self.level)
    }
}

/// The ways to read an expression, in the order of the text: one for each side of an `or`.
pub fn readings(expr: &Expr) -> Vec<Reading<'_>> {
    match &expr.kind {
        ExprKind::Paren(inner) => readings(inner),
        ExprKind::Binary(binary) => match binary.op {
            BinaryOp::Or => {
                let mut both = readings(&binary.left);
                both.extend(readings(&binary.right));
                both
            }
            BinaryOp::And | BinaryOp::Unless => {
                let mut left = readings(&binary.left);
                for reading in &mut left {
                    reading.go_on = true;
                }
                left
            }
            op if op.is_comparison() && !binary.return_bool => vec![compared(binary)],
            _ => vec![bare(expr)],
        },
        _ => vec![bare(expr)],
    }
}

/// What an `absent` looks for, for those to whom the gap tells more than a line at 1; any other expression itself.
pub fn looked_for(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Call { function, args } if function.id == FunctionId::Absent => {
            args.first().map_or(expr, |arg| unwrapped(arg))
        }
        _ => expr,
    }
}

fn bare(values: &Expr) -> Reading<'_> {
    Reading {
        values: unwrapped(values),
        threshold: None,
        go_on: false,
    }
}

fn compared(binary: &Binary) -> Reading<'_> {
    // Of a number and a vector it is the vector's value that the result has.
    let level_is_left =
        type_of(&binary.left) == ValueType::Scalar && type_of(&binary.right) != ValueType::Scalar;
    let (values, op, level) = if level_is_left {
        (&binary.right, turned(binary.op), &binary.left)
    } else {
        (&binary.left, binary.op, &binary.right)
    };
    Reading {
        values: unwrapped(values),
        threshold: Some(Threshold { op, level }),
        go_on: true,
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

/// The value of an expression of numbers alone.
fn number(expr: &Expr) -> Option<f64> {
    match &expr.kind {
        ExprKind::Number(number) => Some(*number),
        ExprKind::Paren(inner) => number(inner),
        ExprKind::Unary { negate, expr } => {
            number(expr).map(|value| if *negate { -value } else { value })
        }
        ExprKind::Binary(binary) => {
            let (left, right) = (number(&binary.left)?, number(&binary.right)?);
            match binary.op {
                BinaryOp::Add => Some(left + right),
                BinaryOp::Sub => Some(left - right),
                BinaryOp::Mul => Some(left * right),
                BinaryOp::Div => Some(left / right),
                BinaryOp::Mod => Some(left % right),
                BinaryOp::Pow => Some(left.powf(right)),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parser::parse;

    #[test]
    fn the_outermost_comparison_parts_values_from_threshold() {
        // `...` follows values that go on once the alert is over.
        let check = |text: &str, want: &[&str]| {
            let expr = parse(text).unwrap();
            let shown: Vec<String> = readings(&expr)
                .iter()
                .map(|reading| {
                    let values = reading.values;
                    let go_on = if reading.go_on { "..." } else { "" };
                    match &reading.threshold {
                        Some(Threshold { op, level }) => {
                            format!("{values}{go_on} | {} | {level}", op.as_str())
                        }
                        None => format!("{values}{go_on}"),
                    }
                })
                .collect();
            assert_eq!(shown, want, "{text}");
        };
        check("up == 0", &["up... | == | 0"]);
        check("(rate(a[5m]) > 0.5)", &["rate(a[5m])... | > | 0.5"]);
        check("5 < a", &["a... | > | 5"]);
        check("scalar(b) >= a", &["a... | <= | scalar(b)"]);
        check("a / b > 0.05 and b > 1", &["a / b... | > | 0.05"]);
        check("a > 1 unless on () b", &["a... | > | 1"]);
        check("a and on () b > 1", &["a..."]);
        check("(a or b) unless c", &["a...", "b..."]);
        check("a > 1 or b < 2", &["a... | > | 1", "b... | < | 2"]);
        check("a or b < 2", &["a", "b... | < | 2"]);
        check("a > on (job) b", &["a... | > | b"]);
        check("a > scalar(b)", &["a... | > | scalar(b)"]);
        check("(a + b) > 2 * 3", &["a + b... | > | 2 * 3"]);
        check("absent(up) unless on () b", &["absent(up)..."]);
        check("vector(1)", &["vector(1)"]);
        check("a > bool 1", &["a > bool 1"]);
        check("sum(up == 0) > 2", &["sum(up == 0)... | > | 2"]);
    }

    #[test]
    fn the_gap_is_where_an_absent_looks() {
        let check = |text: &str, want: &str| {
            assert_eq!(looked_for(&parse(text).unwrap()).to_string(), want);
        };
        check("absent((up{job=\"x\"}))", "up{job=\"x\"}");
        check("up", "up");
    }

    #[test]
    fn a_level_of_numbers_alone_is_a_number() {
        let check = |text: &str, want: Option<f64>| {
            let expr = parse(text).unwrap();
            let number = readings(&expr)[0].threshold.and_then(|it| it.number());
            assert_eq!(number, want, "{text}");
        };
        check("a > 5", Some(5.0));
        check("a < -5", Some(-5.0));
        check("(a >= 0.9 * (100 + 10 - 10) / 1 % 1000)", Some(90.0));
        check("a > 2 ^ 3", Some(8.0));
        check("a > b", None);
        check("a > scalar(b)", None);
        check("a", None);
    }
}
