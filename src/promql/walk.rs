//! Questions about an expression that need no data: which series it reads, how far back, and which labels it names.
//!
//! Rules use them to warn about what the store no longer holds, dashboards and runbooks to prove that what they show
//! exists. Nothing here evaluates.

use std::collections::BTreeSet;
use std::time::Duration;

use super::ast::{
    AtModifier, BinaryOp, DurationExpr, DurationKind, Expr, ExprKind, FunctionId, Selector, Span,
    TimeModifiers,
};
use crate::model::matcher::MatchOp;

/// What a look-back is measured from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Anchor {
    /// The time of each evaluation.
    Evaluation,
    /// The time that an `@` fixes, on the selector or on a subquery around it.
    Fixed(AtModifier),
}

/// One selector of an expression.
#[derive(Clone, Debug)]
pub struct SelectorUse<'a> {
    /// What it selects.
    pub selector: &'a Selector,
    /// Where it stands, its range included.
    pub span: Span,
    /// What `oldest` is measured from.
    pub anchor: Anchor,
    /// How far before the anchor its oldest sample may lie, in milliseconds: ranges and offsets of itself and of the
    /// subqueries around it. Negative where offsets lead into the future. The look-back of instant vectors is not in it.
    pub oldest: i64,
}

/// Calls `visit` for an expression and for each part of it, outermost first.
pub fn visit<'a>(expr: &'a Expr, visit_one: &mut impl FnMut(&'a Expr)) {
    visit_one(expr);
    for child in children(expr) {
        visit(child, visit_one);
    }
}

/// The expressions directly within another, in the order of the text.
pub fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::QueryTime(_) => Vec::new(),
        ExprKind::Selector(_) | ExprKind::Matrix { .. } => Vec::new(),
        ExprKind::Subquery { expr, .. } | ExprKind::Unary { expr, .. } | ExprKind::Paren(expr) => {
            vec![expr]
        }
        ExprKind::Call { args, .. } => args.iter().collect(),
        ExprKind::Aggregate(aggregate) => {
            let parameter = aggregate.param.as_deref();
            parameter.into_iter().chain([&*aggregate.expr]).collect()
        }
        ExprKind::Binary(binary) => vec![&binary.left, &binary.right],
    }
}

/// Every selector, in the order of the text.
pub fn selectors(expr: &Expr) -> Vec<SelectorUse<'_>> {
    let mut found = Vec::new();
    collect(expr, Anchor::Evaluation, 0, &mut found);
    found
}

/// The furthest that an evaluation looks back, zero at least. Selectors that `@` ties to a fixed timestamp do not count,
/// those tied to the query's start or end do: for a rule these are the time of its evaluation.
pub fn max_lookback(expr: &Expr) -> Duration {
    let oldest = selectors(expr)
        .iter()
        .filter(|used| !matches!(used.anchor, Anchor::Fixed(AtModifier::Timestamp(_))))
        .map(|used| used.oldest)
        .max()
        .unwrap_or(0);
    Duration::from_millis(u64::try_from(oldest).unwrap_or(0))
}

/// The names of metrics that selectors name exactly.
pub fn metric_names(expr: &Expr) -> BTreeSet<&str> {
    selectors(expr)
        .into_iter()
        .flat_map(|used| &used.selector.matchers)
        .filter(|matcher| matcher.name() == "__name__" && matcher.op() == MatchOp::Equal)
        .map(|matcher| matcher.value())
        .collect()
}

/// The names of labels that an expression mentions: in matchers, groupings, matching of vectors, and as arguments of the
/// functions that take label names. `__name__` is not among them.
pub fn label_names(expr: &Expr) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    visit(expr, &mut |expr| match &expr.kind {
        ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => {
            names.extend(selector.matchers.iter().map(|matcher| matcher.name()));
        }
        ExprKind::Aggregate(aggregate) => {
            names.extend(aggregate.labels.iter().map(String::as_str));
            // The text parameter is that of `count_values`: the label it makes.
            names.extend(aggregate.param.as_deref().and_then(text));
        }
        ExprKind::Binary(binary) => {
            let matching = &binary.matching;
            let labels = matching.labels.iter().chain(&matching.include);
            names.extend(labels.map(String::as_str));
        }
        ExprKind::Call { function, args } => {
            names.extend(
                args.iter()
                    .enumerate()
                    .filter(|(position, _)| takes_label(function.id, *position))
                    .filter_map(|(_, argument)| text(argument)),
            );
        }
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::QueryTime(_) => {}
        ExprKind::Subquery { .. } | ExprKind::Unary { .. } | ExprKind::Paren(_) => {}
    });
    names.remove("__name__");
    names.remove("");
    names
}

/// Whether a function's argument at a position is the name of a label.
fn takes_label(id: FunctionId, position: usize) -> bool {
    match id {
        // The destination and the source, with replacement and expression after each.
        FunctionId::LabelReplace => position == 1 || position == 3,
        // The destination, then the separator, then the sources.
        FunctionId::LabelJoin => position == 1 || position >= 3,
        FunctionId::SortByLabel | FunctionId::SortByLabelDesc => position >= 1,
        FunctionId::HistogramQuantiles => position == 1,
        _ => false,
    }
}

fn text(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::String(text) => Some(text),
        ExprKind::Paren(inner) => self::text(inner),
        _ => None,
    }
}

fn collect<'a>(expr: &'a Expr, anchor: Anchor, back: i64, found: &mut Vec<SelectorUse<'a>>) {
    let mut push = |selector: &'a Selector, range: i64| {
        let (anchor, back) = moved(&selector.at, anchor, back);
        found.push(SelectorUse {
            selector,
            span: expr.span.clone(),
            anchor,
            oldest: back.saturating_add(range),
        });
    };
    match &expr.kind {
        ExprKind::Selector(selector) => push(selector, 0),
        ExprKind::Matrix { selector, range } => push(selector, millis(range)),
        ExprKind::Subquery {
            expr, range, at, ..
        } => {
            let (anchor, back) = moved(at, anchor, back);
            collect(expr, anchor, back.saturating_add(millis(range)), found);
        }
        _ => {
            for child in children(expr) {
                collect(child, anchor, back, found);
            }
        }
    }
}

/// Where `offset` and `@` lead: an `@` forgets what was around it.
fn moved(at: &TimeModifiers, anchor: Anchor, back: i64) -> (Anchor, i64) {
    let offset = at.offset.as_ref().map_or(0, millis);
    match at.at {
        Some(fixed) => (Anchor::Fixed(fixed), offset),
        None => (anchor, back.saturating_add(offset)),
    }
}

/// A duration's length in an instant query, whose step and range are zero.
fn millis(duration: &DurationExpr) -> i64 {
    // Beyond what a float holds exactly no store reaches.
    seconds(duration).map_or(0, |seconds| (seconds * 1000.0).round() as i64)
}

fn seconds(duration: &DurationExpr) -> Option<f64> {
    let value = match &duration.kind {
        DurationKind::Millis(millis) => *millis as f64 / 1000.0,
        DurationKind::Query(_) => 0.0,
        DurationKind::Unary { negate, expr } => match negate {
            true => -seconds(expr)?,
            false => seconds(expr)?,
        },
        DurationKind::Pick {
            larger,
            left,
            right,
        } => match larger {
            true => seconds(left)?.max(seconds(right)?),
            false => seconds(left)?.min(seconds(right)?),
        },
        DurationKind::Binary { op, left, right } => {
            let (left, right) = (seconds(left)?, seconds(right)?);
            match op {
                BinaryOp::Add => left + right,
                BinaryOp::Sub => left - right,
                BinaryOp::Mul => left * right,
                BinaryOp::Div => left / right,
                BinaryOp::Mod => left % right,
                BinaryOp::Pow => left.powf(right),
                _ => return None,
            }
        }
    };
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::super::parser::parse;
    use super::*;

    #[test]
    fn look_back_adds_ranges_and_offsets_and_minds_fixed_times() {
        let check = |query: &str, seconds: u64| {
            let expr = parse(query).expect(query);
            assert_eq!(max_lookback(&expr).as_secs(), seconds, "{query}");
        };
        check("up", 0);
        check("1", 0);
        check("rate(a[5m])", 300);
        check("rate(a[5m] offset 1h)", 3900);
        check("a offset -1h", 0);
        check("rate(a[5m] offset -2m)", 180);
        check("max_over_time(rate(a[5m])[1h:1m])", 3900);
        check(
            "max_over_time(rate(a[5m] offset 1m)[1h:1m] offset 1d)",
            86_400 + 3600 + 360,
        );
        check("rate(a[5m]) / rate(a[1h])", 3600);
        check("sum(a offset 1w) > 2 * a", 604_800);
        check("rate(a[5m] @ 1000)", 0);
        check("rate(a[5m] @ end())", 300);
        check("max_over_time(rate(a[5m] @ end())[1h:])", 300);
        check("max_over_time(rate(a[5m])[1h:] @ 1000)", 0);
        check("rate(a[2m * (1 + 2)])", 360);
        check("rate(a[1m + step()])", 60);
        check("rate(a[max_of(1m, 90s)])", 90);
        check("rate(a[1m / step()])", 0);
    }

    #[test]
    fn selectors_come_in_order_with_their_place() {
        let query = "sum(rate(a{x='1'}[5m])) / on (y) (b @ 5 offset 1m)";
        let expr = parse(query).unwrap();
        let found: Vec<_> = selectors(&expr)
            .iter()
            .map(|used| (&query[used.span.clone()], used.anchor, used.oldest))
            .collect();
        assert_eq!(
            found,
            [
                ("a{x='1'}[5m]", Anchor::Evaluation, 300_000),
                (
                    "b @ 5 offset 1m",
                    Anchor::Fixed(AtModifier::Timestamp(5000)),
                    60_000
                ),
            ]
        );
    }

    #[test]
    fn names_of_metrics_and_labels_are_found_wherever_they_stand() {
        let check = |query: &str, metrics: &[&str], labels: &[&str]| {
            let expr = parse(query).expect(query);
            assert_eq!(Vec::from_iter(metric_names(&expr)), metrics, "{query}");
            assert_eq!(Vec::from_iter(label_names(&expr)), labels, "{query}");
        };
        check("b + a", &["a", "b"], &[]);
        check("{'my.metric', x='1'}", &["my.metric"], &["x"]);
        check("{__name__=~'a|b', y!~'c'}", &[], &["y"]);
        check(
            "sum by (a, b) (m) * on (c) group_left (d) n",
            &["m", "n"],
            &["a", "b", "c", "d"],
        );
        check("count_values(('v'), m)", &["m"], &["v"]);
        check(
            "label_replace(m, 'dst', '$1', 'src', '(.*)')",
            &["m"],
            &["dst", "src"],
        );
        check(
            "label_join(m, 'dst', '-', 's1', 's2')",
            &["m"],
            &["dst", "s1", "s2"],
        );
        check("sort_by_label(m, 'x', 'y')", &["m"], &["x", "y"]);
        check("topk(5, m{z='1'})", &["m"], &["z"]);
    }
}
