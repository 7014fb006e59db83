//! Expressions whose value is the same at every step of a query, so that one evaluation is enough.

use super::super::ast::{Expr, ExprKind, FunctionId as Id, TimeModifiers};

/// Whether the value cannot depend on the time of evaluation. Plain numbers say no: there is nothing to save.
pub(super) fn is_invariant(expr: &Expr) -> bool {
    !matches!(expr.kind, ExprKind::Number(_)) && is_fixed(expr)
}

fn is_fixed(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::QueryTime(_) => true,
        ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => has_time(&selector.at),
        ExprKind::Subquery { at, .. } => has_time(at),
        ExprKind::Call { function, args } => {
            !reads_time(function.id, args.len()) && args.iter().all(is_fixed)
        }
        ExprKind::Aggregate(aggregate) => {
            is_fixed(&aggregate.expr) && aggregate.param.as_deref().is_none_or(is_fixed)
        }
        ExprKind::Binary(binary) => is_fixed(&binary.left) && is_fixed(&binary.right),
        ExprKind::Unary { expr, .. } | ExprKind::Paren(expr) => is_fixed(expr),
    }
}

fn has_time(at: &TimeModifiers) -> bool {
    at.at.is_some()
}

/// Functions that look at the time of evaluation themselves.
fn reads_time(id: Id, args: usize) -> bool {
    match id {
        Id::Time | Id::Timestamp | Id::PredictLinear | Id::StartTimestamp => true,
        Id::DayOfMonth
        | Id::DayOfWeek
        | Id::DayOfYear
        | Id::DaysInMonth
        | Id::Hour
        | Id::Minute
        | Id::Month
        | Id::Year => args == 0,
        _ => false,
    }
}
