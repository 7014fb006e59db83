//! Selectors, what may follow an expression (`[5m]`, `offset`, `@`, `anchored`), and single literals.

use super::super::ast::{
    AtModifier, BinaryOp, DurationExpr, DurationKind, Expr, ExprKind, Extension, Selector, Span,
    TimeModifiers,
};
use super::super::lexer::{Keyword, TokenKind, names_a_metric};
use super::{Context, Node, ParseError, Parsed, Parser, literal};
use crate::model::duration;
use crate::model::matcher::{MatchOp, Matcher};

const AT: Context<'_> = Context::Named("@");
const METRIC_NAME: &str = "__name__";

impl Parser<'_> {
    /// `metric`, `metric{…}` or `{…}`.
    #[inline(never)]
    pub(super) fn vector_selector(&mut self) -> Parsed<Node> {
        let start = self.span().start;
        let mut matchers = Vec::new();
        if names_a_metric(self.peek()) {
            let span = self.advance();
            matchers.push(Matcher::equal(METRIC_NAME, self.text(&span)));
        } else if self.peek() != TokenKind::LeftBrace {
            return Err(self.unexpected(Context::Named("metric selector"), "metric name or \"{\""));
        }
        let named = !matchers.is_empty();
        if self.accept(TokenKind::LeftBrace).is_some() {
            self.label_matchers(&mut matchers)?;
        }
        let span = start..self.last_end;
        if named && let Some(other) = matchers[1..].iter().find(|m| m.name() == METRIC_NAME) {
            let message = format!(
                "metric name must not be set twice: {:?} or {:?}",
                matchers[0].value(),
                other.value()
            );
            return Err(self.error(span, message));
        }
        let selector = Selector {
            matchers,
            at: TimeModifiers::default(),
            extension: None,
        };
        Ok(Node::leaf(span, ExprKind::Selector(selector)))
    }

    /// Matchers after their opening brace, and the closing one.
    fn label_matchers(&mut self, matchers: &mut Vec<Matcher>) -> Parsed<()> {
        const CONTEXT: Context<'_> = Context::Named("label matching");
        while self.accept(TokenKind::RightBrace).is_none() {
            let start = self.span();
            let quoted = self.peek() == TokenKind::String;
            let name = match self.peek() {
                TokenKind::Identifier => {
                    self.advance();
                    self.text(&start).to_owned()
                }
                TokenKind::String => self.string()?,
                _ => return Err(self.unexpected(CONTEXT, "identifier or \"}\"")),
            };
            let op = match self.peek() {
                TokenKind::Equal => Some(MatchOp::Equal),
                TokenKind::Operator(BinaryOp::Ne) => Some(MatchOp::NotEqual),
                TokenKind::RegexEqual => Some(MatchOp::Regex),
                TokenKind::RegexNotEqual => Some(MatchOp::NotRegex),
                _ => None,
            };
            let matcher = match op {
                Some(op) => {
                    self.advance();
                    if self.peek() != TokenKind::String {
                        return Err(self.unexpected(CONTEXT, "string"));
                    }
                    let value = self.string()?;
                    Matcher::new(name, op, value).map_err(|error| {
                        self.error(start.start..self.last_end, error.to_string())
                    })?
                }
                // A quoted name alone is the metric's.
                None if quoted => Matcher::equal(METRIC_NAME, name),
                None => return Err(self.unexpected(CONTEXT, "label matching operator")),
            };
            matchers.push(matcher);
            if self.accept(TokenKind::Comma).is_none() {
                self.expect(TokenKind::RightBrace, CONTEXT, "\",\" or \"}\"")?;
                break;
            }
        }
        Ok(())
    }

    /// Ranges, subqueries, `offset`, `@`, `anchored` and `smoothed` after an expression.
    // Out of line: whoever recurses through the caller needs none of this.
    #[inline(never)]
    pub(super) fn modifiers(&mut self, mut node: Node) -> Parsed<Node> {
        loop {
            match self.peek() {
                TokenKind::LeftBracket => node = self.range(node)?,
                TokenKind::Keyword(Keyword::Offset) => self.offset(&mut node.expr)?,
                TokenKind::At => self.at(&mut node.expr)?,
                TokenKind::Keyword(Keyword::Anchored) => {
                    self.extension(&mut node.expr, Extension::Anchored)?;
                }
                TokenKind::Keyword(Keyword::Smoothed) => {
                    self.extension(&mut node.expr, Extension::Smoothed)?;
                }
                _ => return Ok(node),
            }
        }
    }

    #[inline(never)]
    fn range(&mut self, node: Node) -> Parsed<Node> {
        let Node { expr, height } = node;
        let opened = self.advance();
        let range = self.positive_duration("subquery or range selector", "a duration")?;
        let subquery = self.accept(TokenKind::Colon).is_some();
        let mut step = None;
        if subquery && self.peek() != TokenKind::RightBracket {
            step = Some(self.positive_duration("subquery selector", "a duration or \"]\"")?);
        }
        let (context, expected) = match subquery {
            true => (Context::Named("subquery selector"), "an operator or \"]\""),
            false => (
                Context::Named("subquery or range selector"),
                "an operator, \":\" or \"]\"",
            ),
        };
        let closed = self.expect(TokenKind::RightBracket, context, expected)?;
        let span = expr.span.start..closed.end;
        let kind = match expr.kind {
            _ if subquery => ExprKind::Subquery {
                expr,
                range,
                step,
                at: TimeModifiers::default(),
            },
            ExprKind::Selector(selector) => {
                let fault = match &selector.at {
                    TimeModifiers {
                        offset: Some(_), ..
                    } => Some("no offset modifiers allowed before range"),
                    // `m @ start() [5m]` is let through, as Prometheus does.
                    TimeModifiers {
                        at: Some(AtModifier::Timestamp(_)),
                        ..
                    } => Some("no @ modifiers allowed before range"),
                    _ => None,
                };
                if let Some(fault) = fault {
                    return Err(self.error(opened.start..closed.end, fault));
                }
                ExprKind::Matrix { selector, range }
            }
            _ => {
                return Err(self.error(
                    opened.start..closed.end,
                    "ranges only allowed for vector selectors; write [range:] for a subquery",
                ));
            }
        };
        self.node(span, kind, height)
    }

    fn offset(&mut self, expr: &mut Expr) -> Parsed<()> {
        self.advance();
        let offset = self.offset_duration()?;
        let end = self.last_end;
        let place = expr.span.clone();
        let Some(at) = time_modifiers(expr) else {
            return Err(self.misplaced(place, "offset"));
        };
        if at.offset.is_some() {
            return Err(self.error(place, "offset may not be set multiple times"));
        }
        // Nothing is moved by zero: as if it were not written.
        if !matches!(
            offset,
            DurationExpr {
                kind: DurationKind::Millis(0),
                ..
            }
        ) {
            at.offset = Some(offset);
        }
        expr.span.end = end;
        Ok(())
    }

    fn at(&mut self, expr: &mut Expr) -> Parsed<()> {
        self.advance();
        let value = match self.peek() {
            TokenKind::Keyword(keyword @ (Keyword::Start | Keyword::End)) => {
                self.advance();
                let opened = self.expect(TokenKind::LeftParen, AT, "\"(\"")?;
                self.close(&opened, AT, "\")\"")?;
                match keyword {
                    Keyword::Start => AtModifier::Start,
                    _ => AtModifier::End,
                }
            }
            _ => {
                let seconds = self.signed_number("@", "timestamp, start() or end()")?;
                let millis = (seconds * 1000.0).round();
                // The bounds are those of i64, as floats.
                if !(-9.2e18..9.2e18).contains(&millis) {
                    let text = crate::model::go_float::format_plain(seconds);
                    return Err(self.error(
                        expr.span.clone(),
                        format!("timestamp out of bounds for @ modifier: {text}"),
                    ));
                }
                AtModifier::Timestamp(millis as i64)
            }
        };
        let end = self.last_end;
        let place = expr.span.clone();
        let Some(at) = time_modifiers(expr) else {
            return Err(self.misplaced(place, "@"));
        };
        if at.at.is_some() {
            return Err(self.error(place, "@ <timestamp> may not be set multiple times"));
        }
        at.at = Some(value);
        expr.span.end = end;
        Ok(())
    }

    fn extension(&mut self, expr: &mut Expr, extension: Extension) -> Parsed<()> {
        let keyword = self.advance();
        let name = self.text(&keyword).to_ascii_lowercase();
        let selector = match &mut expr.kind {
            ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => selector,
            ExprKind::Subquery { .. } => {
                return Err(self.error(
                    keyword,
                    format!("{name} modifier is not supported for subqueries"),
                ));
            }
            _ => {
                return Err(self.error(
                    keyword,
                    format!(
                        "{name} modifier must be preceded by an instant vector selector or range vector selector"
                    ),
                ));
            }
        };
        match selector.extension {
            Some(other) if other != extension => {
                return Err(self.error(
                    expr.span.clone(),
                    "anchored and smoothed modifiers cannot be used together",
                ));
            }
            _ => selector.extension = Some(extension),
        }
        expr.span.end = keyword.end;
        Ok(())
    }

    fn misplaced(&self, span: Span, modifier: &str) -> Box<ParseError> {
        self.error(
            span,
            format!(
                "{modifier} modifier must be preceded by an instant vector selector or range vector selector or a subquery"
            ),
        )
    }

    /// A number or a duration in seconds, with or without a sign.
    pub(super) fn signed_number(&mut self, context: &'static str, expected: &str) -> Parsed<f64> {
        let negative = match self.peek() {
            TokenKind::Operator(op @ (BinaryOp::Sub | BinaryOp::Add)) => {
                self.advance();
                op == BinaryOp::Sub
            }
            _ => false,
        };
        if !matches!(self.peek(), TokenKind::Number | TokenKind::Duration) {
            return Err(self.unexpected(Context::Named(context), expected));
        }
        let value = self.number()?;
        Ok(if negative { -value } else { value })
    }

    /// The number or duration that stands here.
    pub(super) fn number(&mut self) -> Parsed<f64> {
        let is_duration = self.peek() == TokenKind::Duration;
        let span = self.advance();
        let text = self.text(&span);
        if is_duration {
            return match duration::parse(text) {
                // Prometheus holds durations in nanoseconds of 64 bits.
                Ok(value) if value.as_nanos() <= i64::MAX as u128 => Ok(value.as_secs_f64()),
                _ => Err(self.error(span, "duration out of range")),
            };
        }
        literal::number(text)
            .ok_or_else(|| self.error(span, format!("error parsing number: {text:?}")))
    }

    /// The string that stands here.
    pub(super) fn string(&mut self) -> Parsed<String> {
        let span = self.advance();
        literal::unquote(self.text(&span)).map_err(|(at, message)| {
            let start = span.start + at;
            self.error(start..span.end, message)
        })
    }
}

fn time_modifiers(expr: &mut Expr) -> Option<&mut TimeModifiers> {
    match &mut expr.kind {
        ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => Some(&mut selector.at),
        ExprKind::Subquery { at, .. } => Some(at),
        _ => None,
    }
}
