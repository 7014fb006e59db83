//! Parts that a query holds more than once, as in `hits / (hits + misses)`: they are evaluated once.
//!
//! Parts are the same where their text is; so this needs no look at the trees. Only calls and aggregations are
//! shared: what stands between their parentheses is all they depend on, besides the steps.

use hashbrown::HashMap;

use super::super::ast::{Expr, ExprKind};
use super::evaluator::Value;
use super::grid::Steps;

/// Values of the parts that occur more than once.
#[derive(Debug, Default)]
pub(super) struct Shared<'a> {
    values: HashMap<&'a str, Option<(Steps, Value)>>,
}

impl<'a> Shared<'a> {
    /// Finds the parts of a query that occur more than once.
    pub(super) fn of(text: &'a str, expr: &Expr) -> Self {
        let mut parts = Vec::new();
        collect(text, expr, &mut parts);
        if parts.len() < 2 {
            return Self::default();
        }
        parts.sort_unstable();
        Self {
            values: parts
                .windows(2)
                .filter(|pair| pair[0] == pair[1])
                .map(|pair| (pair[0], None))
                .collect(),
        }
    }

    /// The text of a part worth keeping.
    pub(super) fn part(&self, text: &'a str, expr: &Expr) -> Option<&'a str> {
        if self.values.is_empty() {
            return None;
        }
        part_text(text, expr).filter(|part| self.values.contains_key(part))
    }

    /// The value of a part, where it has been evaluated at these steps.
    pub(super) fn get(&self, part: &str, steps: Steps) -> Option<&Value> {
        match self.values.get(part) {
            Some(Some((at, value))) if *at == steps => Some(value),
            _ => None,
        }
    }

    pub(super) fn put(&mut self, part: &'a str, steps: Steps, value: Value) {
        self.values.insert(part, Some((steps, value)));
    }
}

fn part_text<'a>(text: &'a str, expr: &Expr) -> Option<&'a str> {
    let part = text.get(expr.span.clone())?;
    let whole = match &expr.kind {
        ExprKind::Call { args, .. } => !args.is_empty() && part.ends_with(')'),
        // `by` may stand behind the parentheses.
        ExprKind::Aggregate(_) => part.ends_with(')'),
        _ => false,
    };
    whole.then_some(part)
}

fn collect<'a>(text: &'a str, expr: &Expr, parts: &mut Vec<&'a str>) {
    parts.extend(part_text(text, expr));
    match &expr.kind {
        ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::Selector(_)
        | ExprKind::Matrix { .. }
        | ExprKind::QueryTime(_) => {}
        ExprKind::Subquery { expr, .. } | ExprKind::Unary { expr, .. } | ExprKind::Paren(expr) => {
            collect(text, expr, parts);
        }
        ExprKind::Call { args, .. } => args.iter().for_each(|arg| collect(text, arg, parts)),
        ExprKind::Aggregate(aggregate) => collect(text, &aggregate.expr, parts),
        ExprKind::Binary(binary) => {
            collect(text, &binary.left, parts);
            collect(text, &binary.right, parts);
        }
    }
}
