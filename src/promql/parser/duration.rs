//! Durations of ranges, steps and offsets: literals, and the arithmetic on them that Prometheus calls experimental.
//!
//! After `offset` arithmetic needs parentheses: `m offset 1m * 2` doubles the value of `m offset 1m`, as in Prometheus,
//! where also `m offset (1m) * 2` is `m offset 2m`.

use super::super::ast::{BinaryOp, DurationExpr, DurationKind, QueryTime};
use super::super::lexer::{Keyword, TokenKind};
use super::{Context, Parsed, Parser};

const OFFSET: &str = "offset";
const AN_OFFSET: &str = "number, duration, step(), or range()";
const DURATION: &str = "duration expression";
const CONTEXT: Context<'_> = Context::Named(DURATION);

/// How many operators the durations of one query may hold; bounds the height of their trees.
const MAX_OPERATORS: u32 = 128;

/// Prometheus holds durations in nanoseconds of 64 bits.
const LONGEST_SECONDS: f64 = 9_223_372_036.0;

impl Parser<'_> {
    /// A duration between brackets; a literal one must be positive.
    pub(super) fn positive_duration(
        &mut self,
        context: &'static str,
        expected: &str,
    ) -> Parsed<DurationExpr> {
        let duration = self.duration(0, context, expected)?;
        match duration.kind {
            DurationKind::Millis(millis) if millis <= 0 => {
                Err(self.error(duration.span, "duration must be greater than 0"))
            }
            _ => Ok(duration),
        }
    }

    /// What follows `offset`: one operand, arithmetic in parentheses only. After parentheses without a sign more
    /// arithmetic may follow, as long as it is on durations.
    pub(super) fn offset_duration(&mut self) -> Parsed<DurationExpr> {
        let parenthesised = self.peek() == TokenKind::LeftParen;
        let operand = self.duration_operand(OFFSET, AN_OFFSET, true)?;
        match parenthesised && self.duration_follows_operator() {
            true => self.duration_from(operand, 0),
            false => Ok(operand),
        }
    }

    fn duration_follows_operator(&self) -> bool {
        let after = self.tokens.get(self.next + 1);
        matches!(self.peek(), TokenKind::Operator(op) if is_arithmetic(op))
            && after.is_some_and(|token| match token.kind {
                TokenKind::Number | TokenKind::Duration | TokenKind::LeftParen => true,
                TokenKind::Keyword(Keyword::Step | Keyword::Range) => self
                    .tokens
                    .get(self.next + 2)
                    .is_some_and(|token| token.kind == TokenKind::LeftParen),
                _ => false,
            })
    }

    fn duration(
        &mut self,
        least: u8,
        context: &'static str,
        expected: &str,
    ) -> Parsed<DurationExpr> {
        self.enter()?;
        let left = self.duration_operand(context, expected, false)?;
        let duration = self.duration_from(left, least)?;
        self.leave();
        Ok(duration)
    }

    /// The rest of a duration after its first operand.
    fn duration_from(&mut self, mut left: DurationExpr, least: u8) -> Parsed<DurationExpr> {
        while let TokenKind::Operator(op) = self.peek()
            && is_arithmetic(op)
            && op.precedence() >= least
        {
            self.duration_operators += 1;
            if self.duration_operators > MAX_OPERATORS {
                let message =
                    format!("more than {MAX_OPERATORS} operators in the query's durations");
                return Err(self.error(left.span, message));
            }
            let operator = self.advance();
            let above = match op {
                BinaryOp::Pow => op.precedence(),
                _ => op.precedence() + 1,
            };
            let right = self.duration(above, DURATION, "a duration")?;
            if right.kind == DurationKind::Millis(0) {
                match op {
                    BinaryOp::Div => return Err(self.error(operator, "division by zero")),
                    BinaryOp::Mod => return Err(self.error(operator, "modulo by zero")),
                    _ => {}
                }
            }
            left = DurationExpr {
                span: left.span.start..right.span.end,
                kind: DurationKind::Binary {
                    op,
                    left: Box::new(left),
                    right: Box::new(right),
                },
            };
        }
        Ok(left)
    }

    fn duration_operand(
        &mut self,
        context: &'static str,
        expected: &str,
        single: bool,
    ) -> Parsed<DurationExpr> {
        let span = self.span();
        match self.peek() {
            TokenKind::Operator(BinaryOp::Sub) => self.signed_duration(true, single),
            TokenKind::Operator(BinaryOp::Add) => self.signed_duration(false, single),
            TokenKind::Number | TokenKind::Duration => {
                let seconds = self.number()?;
                // Also where it is not a number.
                if seconds.is_nan() || seconds > LONGEST_SECONDS {
                    return Err(self.error(span, "duration out of range"));
                }
                let millis = (seconds * 1000.0).round();
                // The tree holds milliseconds: what is finer is refused rather than changed.
                if (seconds * 1000.0 - millis).abs() > millis.max(1.0) * 1e-9 {
                    return Err(self.error(span, "duration must be a whole number of milliseconds"));
                }
                Ok(DurationExpr {
                    span,
                    kind: DurationKind::Millis(millis as i64),
                })
            }
            TokenKind::Keyword(keyword @ (Keyword::Step | Keyword::Range)) => {
                self.advance();
                let opened = self.expect(TokenKind::LeftParen, CONTEXT, "\"(\"")?;
                let closed = self.close(&opened, CONTEXT, "\")\"")?;
                Ok(DurationExpr {
                    span: span.start..closed.end,
                    kind: DurationKind::Query(match keyword {
                        Keyword::Step => QueryTime::Step,
                        _ => QueryTime::Range,
                    }),
                })
            }
            TokenKind::LeftParen => {
                let opened = self.advance();
                let inner = self.duration(0, DURATION, "a duration")?;
                self.close(&opened, CONTEXT, "an operator or \")\"")?;
                Ok(inner)
            }
            TokenKind::Identifier => {
                let larger = match self.text(&span).to_ascii_lowercase().as_str() {
                    "max_of" => true,
                    "min_of" => false,
                    _ => return Err(self.unexpected(Context::Named(context), expected)),
                };
                self.advance();
                self.pick(span.start, larger)
            }
            _ => Err(self.unexpected(Context::Named(context), expected)),
        }
    }

    /// `min_of` and `max_of`, from their parenthesis on.
    fn pick(&mut self, start: usize, larger: bool) -> Parsed<DurationExpr> {
        let opened = self.expect(TokenKind::LeftParen, CONTEXT, "\"(\"")?;
        let left = self.duration(0, DURATION, "a duration")?;
        self.expect(TokenKind::Comma, CONTEXT, "an operator or \",\"")?;
        let right = self.duration(0, DURATION, "a duration")?;
        let closed = self.close(&opened, CONTEXT, "an operator or \")\"")?;
        Ok(DurationExpr {
            span: start..closed.end,
            kind: DurationKind::Pick {
                larger,
                left: Box::new(left),
                right: Box::new(right),
            },
        })
    }

    fn signed_duration(&mut self, negate: bool, single: bool) -> Parsed<DurationExpr> {
        let sign = self.advance();
        let operand = match single {
            true => {
                self.enter()?;
                let operand = self.duration_operand(OFFSET, AN_OFFSET, true)?;
                self.leave();
                operand
            }
            false => self.duration(BinaryOp::Mul.precedence() + 1, DURATION, "a duration")?,
        };
        let span = sign.start..operand.span.end;
        let kind = match operand.kind {
            kind if !negate => kind,
            DurationKind::Millis(millis) => DurationKind::Millis(-millis),
            _ => DurationKind::Unary {
                negate,
                expr: Box::new(operand),
            },
        };
        Ok(DurationExpr { span, kind })
    }
}

fn is_arithmetic(op: BinaryOp) -> bool {
    use BinaryOp::{Add, Div, Mod, Mul, Pow, Sub};
    matches!(op, Add | Sub | Mul | Div | Mod | Pow)
}
