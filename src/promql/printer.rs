//! Expressions as text, on one line, as Prometheus prints them: `sum by (job) (rate(http_requests_total[5m]))`.
//!
//! What is printed parses to the same tree. Parentheses of the query are kept, and put in where a tree that was built
//! rather than parsed needs them. Not exactly Prometheus's text: numbers written as durations print as seconds,
//! and the arithmetic of experimental duration expressions carries units.

use std::fmt::{self, Display, Formatter, Result, Write};

use super::ast::{
    Aggregate, AtModifier, Binary, BinaryOp, Cardinality, DurationExpr, DurationKind, Expr,
    ExprKind, Extension, FunctionId, QueryTime, Selector, TimeModifiers, VectorMatching,
};
use super::lexer::{self, TokenKind};
use crate::model::duration;
use crate::model::go_float;
use crate::model::labels::{is_legacy_label_name, is_legacy_metric_name, quote};
use crate::model::matcher::{MatchOp, Matcher};

/// Binds more tightly than any operator.
const ATOM: u8 = 10;

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.kind {
            ExprKind::Number(value) => f.write_str(&go_float::format_plain(*value)),
            ExprKind::String(text) => f.write_str(&quote(text)),
            ExprKind::Selector(selector) => {
                write_matchers(f, selector)?;
                write_at(f, &selector.at)?;
                write_extension(f, selector)?;
                write_offset(f, &selector.at)
            }
            ExprKind::Matrix { selector, range } => {
                write_matchers(f, selector)?;
                write!(f, "[{range}]")?;
                write_extension(f, selector)?;
                write_at(f, &selector.at)?;
                write_offset(f, &selector.at)
            }
            ExprKind::Subquery {
                expr,
                range,
                step,
                at,
            } => {
                write_operand(f, expr, ATOM)?;
                write!(f, "[{range}:")?;
                if let Some(step) = step {
                    write!(f, "{step}")?;
                }
                f.write_char(']')?;
                write_at(f, at)?;
                write_offset(f, at)
            }
            ExprKind::Call { function, args } => {
                write!(f, "{}(", function.name)?;
                if let (FunctionId::Info, [vector, labels]) = (function.id, args.as_slice())
                    && let ExprKind::Selector(selector) = &labels.kind
                {
                    // The second argument takes no name before its braces.
                    write!(f, "{vector}, ")?;
                    write_braces(f, selector, None)?;
                    write_at(f, &selector.at)?;
                    write_extension(f, selector)?;
                    write_offset(f, &selector.at)?;
                } else {
                    separated(f, args, |f, argument| write!(f, "{argument}"))?;
                }
                f.write_char(')')
            }
            ExprKind::Aggregate(aggregate) => write_aggregate(f, aggregate),
            ExprKind::Binary(binary) => write_binary(f, binary),
            ExprKind::Unary { negate, expr } => {
                f.write_char(if *negate { '-' } else { '+' })?;
                write_operand(f, expr, BinaryOp::Mul.precedence() + 1)
            }
            ExprKind::Paren(expr) => write!(f, "({expr})"),
            ExprKind::QueryTime(time) => write!(f, "{time}()"),
        }
    }
}

impl Display for QueryTime {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Step => "step",
            Self::Range => "range",
            Self::Start => "start",
            Self::End => "end",
        })
    }
}

/// A selector alone, with its matchers, `@` and `offset`.
impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write_matchers(f, self)?;
        write_at(f, &self.at)?;
        write_extension(f, self)?;
        write_offset(f, &self.at)
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.kind {
            DurationKind::Millis(millis) => write_millis(f, *millis),
            DurationKind::Query(time) => write!(f, "{time}()"),
            DurationKind::Unary { negate, expr } => {
                f.write_char(if *negate { '-' } else { '+' })?;
                write_duration(f, expr, BinaryOp::Mul.precedence() + 1)
            }
            DurationKind::Binary { op, left, right } => {
                let (least_left, least_right) = sides(*op);
                write_duration(f, left, least_left)?;
                write!(f, " {} ", op.as_str())?;
                match &right.kind {
                    DurationKind::Unary { .. } | DurationKind::Millis(_) => write!(f, "{right}"),
                    _ => write_duration(f, right, least_right),
                }
            }
            DurationKind::Pick {
                larger,
                left,
                right,
            } => {
                let name = if *larger { "max_of" } else { "min_of" };
                write!(f, "{name}({left}, {right})")
            }
        }
    }
}

fn write_aggregate(f: &mut Formatter<'_>, aggregate: &Aggregate) -> Result {
    f.write_str(aggregate.op.as_str())?;
    if aggregate.without || !aggregate.labels.is_empty() {
        let keyword = if aggregate.without { "without" } else { "by" };
        write!(f, " {keyword} ")?;
        write_labels(f, &aggregate.labels)?;
        f.write_char(' ')?;
    }
    f.write_char('(')?;
    if let Some(parameter) = &aggregate.param {
        write!(f, "{parameter}, ")?;
    }
    write!(f, "{})", aggregate.expr)
}

fn write_binary(f: &mut Formatter<'_>, binary: &Binary) -> Result {
    let (least_left, least_right) = sides(binary.op);
    match ends_in_offset_arithmetic(&binary.left) {
        true => write!(f, "({})", binary.left)?,
        false => write_operand(f, &binary.left, least_left)?,
    }
    write!(f, " {}", binary.op.as_str())?;
    if binary.return_bool {
        f.write_str(" bool")?;
    }
    write_matching(f, &binary.matching)?;
    f.write_char(' ')?;
    match &binary.right.kind {
        // A sign needs parentheses on the left only: 2 ^ -1.
        ExprKind::Unary { .. } | ExprKind::Number(_) => write!(f, "{}", binary.right),
        _ => write_operand(f, &binary.right, least_right),
    }
}

fn write_matching(f: &mut Formatter<'_>, matching: &VectorMatching) -> Result {
    let group = match matching.cardinality {
        Cardinality::ManyToOne => Some("group_left"),
        Cardinality::OneToMany => Some("group_right"),
        Cardinality::OneToOne | Cardinality::ManyToMany => None,
    };
    if matching.on || !matching.labels.is_empty() || group.is_some() {
        f.write_str(if matching.on { " on " } else { " ignoring " })?;
        write_labels(f, &matching.labels)?;
    }
    if let Some(group) = group {
        write!(f, " {group} ")?;
        write_labels(f, &matching.include)?;
    }
    let fill = |f: &mut Formatter<'_>, name: &str, value: f64| {
        write!(f, " {name} ({})", go_float::format_plain(value))
    };
    match (matching.fill_left, matching.fill_right) {
        (Some(left), Some(right)) if left.to_bits() == right.to_bits() => fill(f, "fill", left),
        (left, right) => {
            if let Some(value) = left {
                fill(f, "fill_left", value)?;
            }
            if let Some(value) = right {
                fill(f, "fill_right", value)?;
            }
            Ok(())
        }
    }
}

/// Whether an operator after the expression would go on with its offset: `m offset (1m + 1m) * 2`.
fn ends_in_offset_arithmetic(expr: &Expr) -> bool {
    let at = match &expr.kind {
        ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => &selector.at,
        ExprKind::Subquery { at, .. } => at,
        ExprKind::Unary { expr, .. } => return ends_in_offset_arithmetic(expr),
        ExprKind::Binary(binary) => return ends_in_offset_arithmetic(&binary.right),
        _ => return false,
    };
    at.offset.as_ref().is_some_and(|offset| {
        matches!(
            offset.kind,
            DurationKind::Unary { .. } | DurationKind::Binary { .. }
        )
    })
}

/// How tightly the operands of an operator must bind to need no parentheses.
fn sides(op: BinaryOp) -> (u8, u8) {
    match op {
        BinaryOp::Pow => (op.precedence() + 1, op.precedence()),
        _ => (op.precedence(), op.precedence() + 1),
    }
}

fn write_operand(f: &mut Formatter<'_>, expr: &Expr, least: u8) -> Result {
    let tightness = match &expr.kind {
        ExprKind::Binary(binary) => binary.op.precedence(),
        ExprKind::Unary { .. } => BinaryOp::Mul.precedence(),
        ExprKind::Number(value) if value.is_sign_negative() || value.is_infinite() => {
            BinaryOp::Mul.precedence()
        }
        _ => ATOM,
    };
    match tightness < least {
        true => write!(f, "({expr})"),
        false => write!(f, "{expr}"),
    }
}

fn write_duration(f: &mut Formatter<'_>, duration: &DurationExpr, least: u8) -> Result {
    let tightness = match &duration.kind {
        DurationKind::Binary { op, .. } => op.precedence(),
        DurationKind::Unary { .. } => BinaryOp::Mul.precedence(),
        DurationKind::Millis(millis) if *millis < 0 => BinaryOp::Mul.precedence(),
        _ => ATOM,
    };
    match tightness < least {
        true => write!(f, "({duration})"),
        false => write!(f, "{duration}"),
    }
}

fn write_matchers(f: &mut Formatter<'_>, selector: &Selector) -> Result {
    let mut names = selector
        .matchers
        .iter()
        .filter(|matcher| matcher.name() == "__name__");
    // The name stands before the braces where it alone decides the metric and needs no quotes.
    let outside = match (names.next(), names.next()) {
        (Some(name), None) if name.op() == MatchOp::Equal && is_bare_metric_name(name.value()) => {
            Some(name)
        }
        _ => None,
    };
    if let Some(name) = outside {
        f.write_str(name.value())?;
        if selector.matchers.len() == 1 {
            return Ok(());
        }
    }
    write_braces(f, selector, outside)
}

/// All matchers but one between braces, sorted by their text.
fn write_braces(f: &mut Formatter<'_>, selector: &Selector, outside: Option<&Matcher>) -> Result {
    let mut inside: Vec<String> = selector
        .matchers
        .iter()
        .filter(|matcher| outside.is_none_or(|name| !std::ptr::eq(name, *matcher)))
        .map(ToString::to_string)
        .collect();
    inside.sort_unstable();
    write!(f, "{{{}}}", inside.join(","))
}

/// Whether a metric's name can be written without quotes and braces.
pub fn is_bare_metric_name(name: &str) -> bool {
    is_legacy_metric_name(name) && lexer::word(name).is_none_or(lexer::names_a_metric)
}

fn write_extension(f: &mut Formatter<'_>, selector: &Selector) -> Result {
    match selector.extension {
        None => Ok(()),
        Some(Extension::Anchored) => f.write_str(" anchored"),
        Some(Extension::Smoothed) => f.write_str(" smoothed"),
    }
}

fn write_at(f: &mut Formatter<'_>, modifiers: &TimeModifiers) -> Result {
    match modifiers.at {
        None => Ok(()),
        Some(AtModifier::Start) => f.write_str(" @ start()"),
        Some(AtModifier::End) => f.write_str(" @ end()"),
        Some(AtModifier::Timestamp(millis)) => {
            let sign = if millis < 0 { "-" } else { "" };
            let millis = millis.unsigned_abs();
            write!(f, " @ {sign}{}.{:03}", millis / 1000, millis % 1000)
        }
    }
}

fn write_offset(f: &mut Formatter<'_>, modifiers: &TimeModifiers) -> Result {
    let Some(offset) = &modifiers.offset else {
        return Ok(());
    };
    match &offset.kind {
        DurationKind::Millis(_) | DurationKind::Query(_) | DurationKind::Pick { .. } => {
            write!(f, " offset {offset}")
        }
        DurationKind::Unary { .. } | DurationKind::Binary { .. } => write!(f, " offset ({offset})"),
    }
}

fn write_millis(f: &mut Formatter<'_>, millis: i64) -> Result {
    let sign = if millis < 0 { "-" } else { "" };
    let length = std::time::Duration::from_millis(millis.unsigned_abs());
    write!(f, "{sign}{}", duration::format(length))
}

fn write_labels(f: &mut Formatter<'_>, labels: &[String]) -> Result {
    f.write_char('(')?;
    separated(f, labels, |f, label| {
        // `inf` and `nan` would be read as numbers.
        let bare = is_legacy_label_name(label) && lexer::word(label) != Some(TokenKind::Number);
        match bare {
            true => f.write_str(label),
            false => f.write_str(&quote(label)),
        }
    })?;
    f.write_char(')')
}

fn separated<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    mut write: impl FnMut(&mut Formatter<'_>, &T) -> fmt::Result,
) -> Result {
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
