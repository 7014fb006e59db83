//! What the grammar holds but evaluation does not do: refused when an expression is loaded, not when it runs.

use super::ast::{BinaryOp, Expr, ExprKind, FunctionId, Span};

/// Something in a query that cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not supported: {why}")]
pub struct Unsupported {
    /// Where it stands.
    pub span: Span,
    /// What it is, as written.
    pub what: String,
    /// Why, and what to do instead.
    pub why: &'static str,
}

/// Finds the first part of an expression that cannot be evaluated.
///
/// # Errors
/// That part.
pub fn check(expr: &Expr) -> Result<(), Unsupported> {
    match &expr.kind {
        ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::Selector(_)
        | ExprKind::Matrix { .. }
        | ExprKind::QueryTime(_) => Ok(()),
        ExprKind::Call { function, args } => {
            if let Some(why) = refusal(function.id) {
                return Err(Unsupported {
                    span: expr.span.clone(),
                    what: format!("function {}", function.name),
                    why,
                });
            }
            args.iter().try_for_each(check)
        }
        ExprKind::Aggregate(aggregate) => {
            aggregate.param.as_deref().map_or(Ok(()), check)?;
            check(&aggregate.expr)
        }
        ExprKind::Binary(binary) => {
            let operator = match binary.op {
                BinaryOp::TrimUpper => Some("</"),
                BinaryOp::TrimLower => Some(">/"),
                _ => None,
            };
            if let Some(operator) = operator {
                return Err(Unsupported {
                    span: expr.span.clone(),
                    what: format!("operator {operator}"),
                    why: NATIVE,
                });
            }
            check(&binary.left)?;
            check(&binary.right)
        }
        ExprKind::Subquery { expr, .. } | ExprKind::Unary { expr, .. } | ExprKind::Paren(expr) => {
            check(expr)
        }
    }
}

const NATIVE: &str = "it works on native histograms, which are not stored; use the classic _bucket, _sum and _count series";

fn refusal(id: FunctionId) -> Option<&'static str> {
    match id {
        FunctionId::HistogramAvg
        | FunctionId::HistogramCount
        | FunctionId::HistogramStddev
        | FunctionId::HistogramStdvar
        | FunctionId::HistogramSum => Some(NATIVE),
        FunctionId::StartTimestamp => Some("start timestamps are not stored"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parser::parse;

    #[test]
    fn what_cannot_be_evaluated_is_named_with_its_place() {
        let check = |text: &str, want: Option<(Span, &str)>| {
            let found = check(&parse(text).expect(text)).err();
            assert_eq!(
                found
                    .as_ref()
                    .map(|found| (found.span.clone(), found.what.as_str())),
                want,
                "{text}"
            );
        };
        check("sum(rate(x_total[5m])) / 2 > 1", None);
        check(
            "1 + sum(histogram_count(x))",
            Some((8..26, "function histogram_count")),
        );
        check(
            "max_over_time((x >/ 2)[5m:])",
            Some((15..21, "operator >/")),
        );
        check(
            "topk(scalar(start_timestamp(x)), y)",
            Some((12..30, "function start_timestamp")),
        );
    }
}
