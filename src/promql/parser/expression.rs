//! Expressions: operators by precedence, signs, parentheses, calls and aggregations.

use super::super::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Cardinality, Expr, ExprKind, FunctionId, QueryTime,
    Span, VectorMatching,
};
use super::super::functions;
use super::super::lexer::{Keyword, TokenKind, names_a_metric};
use super::{Context, Node, Parsed, Parser};

impl Parser<'_> {
    /// Operands and operators that bind at least as tightly as `least`.
    pub(super) fn binary(&mut self, least: u8, context: Context<'_>) -> Parsed<Node> {
        self.enter()?;
        let mut left = self.operand(context)?;
        while let TokenKind::Operator(op) = self.peek()
            && op.precedence() >= least
        {
            left = self.binary_from(left, op)?;
        }
        self.leave();
        Ok(left)
    }

    /// The rest of a binary expression, from its operator on.
    #[inline(never)]
    fn binary_from(&mut self, left: Node, op: BinaryOp) -> Parsed<Node> {
        let operator = self.advance();
        let (return_bool, mut matching) = self.matching()?;
        if op.is_set() && matching.cardinality == Cardinality::OneToOne {
            matching.cardinality = Cardinality::ManyToMany;
        }
        let above = match op {
            // Of several powers the last is computed first.
            BinaryOp::Pow => op.precedence(),
            _ => op.precedence() + 1,
        };
        let right = self.binary(above, Context::After(self.text(&operator)))?;
        let height = left.height.max(right.height);
        let span = left.expr.span.start..right.expr.span.end;
        let binary = Box::new(Binary {
            op,
            left: *left.expr,
            right: *right.expr,
            return_bool,
            matching,
        });
        self.node(span, ExprKind::Binary(binary), height)
    }

    /// `bool`, `on (…)`, `group_left (…)`, `fill (…)`: what may follow an operator.
    fn matching(&mut self) -> Parsed<(bool, VectorMatching)> {
        let return_bool = self.accept(TokenKind::Keyword(Keyword::Bool)).is_some();
        let mut matching = VectorMatching::default();
        let mut grouped = false;
        if let TokenKind::Keyword(keyword @ (Keyword::On | Keyword::Ignoring)) = self.peek() {
            self.advance();
            matching.on = keyword == Keyword::On;
            matching.labels = self.grouping_labels()?;
            grouped = true;
        }
        if let TokenKind::Keyword(keyword @ (Keyword::GroupLeft | Keyword::GroupRight)) =
            self.peek()
        {
            if !grouped {
                return Err(self.unexpected(Context::Query, "\"on\" or \"ignoring\" before it"));
            }
            self.advance();
            matching.cardinality = match keyword {
                Keyword::GroupLeft => Cardinality::ManyToOne,
                _ => Cardinality::OneToMany,
            };
            if self.peek() == TokenKind::LeftParen {
                matching.include = self.grouping_labels()?;
            }
        }
        while let TokenKind::Keyword(
            keyword @ (Keyword::Fill | Keyword::FillLeft | Keyword::FillRight),
        ) = self.peek()
        {
            let span = self.advance();
            let sides = match keyword {
                Keyword::FillLeft => (true, false),
                Keyword::FillRight => (false, true),
                _ => (true, true),
            };
            let opened = self.expect(
                TokenKind::LeftParen,
                Context::Named("fill modifier"),
                "\"(\"",
            )?;
            let value = self.signed_number("fill modifier", "number")?;
            self.close(&opened, Context::Named("fill modifier"), "\")\"")?;
            if (sides.0 && matching.fill_left.is_some())
                || (sides.1 && matching.fill_right.is_some())
            {
                return Err(self.error(span, "fill value may not be set multiple times"));
            }
            if sides.0 {
                matching.fill_left = Some(value);
            }
            if sides.1 {
                matching.fill_right = Some(value);
            }
        }
        Ok((return_bool, matching))
    }

    /// `(label, "label.in.quotes", …)`
    fn grouping_labels(&mut self) -> Parsed<Vec<String>> {
        const CONTEXT: Context<'_> = Context::Named("grouping opts");
        let opened = self.expect(TokenKind::LeftParen, CONTEXT, "\"(\"")?;
        let mut labels = Vec::new();
        while self.peek() != TokenKind::RightParen {
            let span = self.span();
            let label = match self.peek() {
                TokenKind::String => self.string()?,
                TokenKind::Operator(BinaryOp::Atan2)
                | TokenKind::Keyword(_)
                | TokenKind::Identifier
                | TokenKind::MetricIdentifier
                | TokenKind::Aggregate(_) => {
                    self.advance();
                    self.text(&span).to_owned()
                }
                TokenKind::Operator(op) if op.is_set() => {
                    self.advance();
                    self.text(&span).to_owned()
                }
                _ => return Err(self.unexpected(CONTEXT, "label")),
            };
            if label.is_empty() {
                return Err(self.error(span, format!("invalid label name for grouping: {label:?}")));
            }
            labels.push(label);
            if self.accept(TokenKind::Comma).is_none() {
                break;
            }
        }
        self.close(&opened, CONTEXT, "\",\" or \")\"")?;
        Ok(labels)
    }

    /// A sign and its operand, or a primary expression and what modifies it.
    fn operand(&mut self, context: Context<'_>) -> Parsed<Node> {
        match self.peek() {
            TokenKind::Operator(BinaryOp::Sub) => self.signed(true),
            TokenKind::Operator(BinaryOp::Add) => self.signed(false),
            _ => {
                let node = self.primary(context)?;
                self.modifiers(node)
            }
        }
    }

    fn signed(&mut self, negate: bool) -> Parsed<Node> {
        let sign = self.advance();
        // A sign binds as tightly as a product: -2 ^ 2 is -4, and -a * b is (-a) * b.
        let mut operand = self.binary(BinaryOp::Mul.precedence() + 1, Context::Sign)?;
        let span = sign.start..operand.expr.span.end;
        if let ExprKind::Number(value) = &mut operand.expr.kind {
            *value = if negate { -*value } else { *value };
            operand.expr.span = span;
            return Ok(operand);
        }
        let expr = operand.expr;
        self.node(span, ExprKind::Unary { negate, expr }, operand.height)
    }

    fn primary(&mut self, context: Context<'_>) -> Parsed<Node> {
        match (self.peek(), self.peek_second()) {
            (TokenKind::Number | TokenKind::Duration, _) => self.number_literal(),
            (TokenKind::String, _) => self.string_literal(),
            (TokenKind::LeftParen, _) => self.parenthesised(),
            (
                TokenKind::Aggregate(op),
                TokenKind::LeftParen | TokenKind::Keyword(Keyword::By | Keyword::Without),
            ) => self.aggregate(op),
            (
                TokenKind::Keyword(
                    keyword @ (Keyword::Start | Keyword::End | Keyword::Step | Keyword::Range),
                ),
                TokenKind::LeftParen,
            ) => self.query_time_call(keyword),
            (TokenKind::Identifier, TokenKind::LeftParen) => self.call(),
            (TokenKind::LeftBrace, _) => self.vector_selector(),
            (kind, _) if names_a_metric(kind) => self.vector_selector(),
            _ => Err(self.unexpected(context, "an expression")),
        }
    }

    #[inline(never)]
    fn number_literal(&mut self) -> Parsed<Node> {
        let span = self.span();
        let value = self.number()?;
        Ok(Node::leaf(span, ExprKind::Number(value)))
    }

    #[inline(never)]
    fn string_literal(&mut self) -> Parsed<Node> {
        let span = self.span();
        let text = self.string()?;
        Ok(Node::leaf(span, ExprKind::String(text)))
    }

    fn parenthesised(&mut self) -> Parsed<Node> {
        let opened = self.advance();
        let inner = self.binary(0, Context::Parentheses)?;
        let closed = self.close(&opened, Context::Parentheses, "an operator or \")\"")?;
        let span = opened.start..closed.end;
        self.node(span, ExprKind::Paren(inner.expr), inner.height)
    }

    /// `start()`, `end()`, `step()` or `range()`.
    fn query_time_call(&mut self, keyword: Keyword) -> Parsed<Node> {
        let name = self.advance();
        let opened = self.advance();
        let (args, _) = self.arguments(&opened, self.text(&name))?;
        let span = name.start..self.last_end;
        if !args.is_empty() {
            let message = format!(
                "expected 0 argument(s) in call to {:?}, got {}",
                self.text(&name),
                args.len()
            );
            return Err(self.error(span, message));
        }
        let time = match keyword {
            Keyword::Start => QueryTime::Start,
            Keyword::End => QueryTime::End,
            Keyword::Step => QueryTime::Step,
            _ => QueryTime::Range,
        };
        Ok(Node::leaf(span, ExprKind::QueryTime(time)))
    }

    fn call(&mut self) -> Parsed<Node> {
        let name = self.advance();
        let opened = self.advance();
        let text = self.text(&name);
        let function = functions::lookup(text);
        let (args, height) = self.arguments(&opened, text)?;
        let Some(function) = function else {
            let hint = match functions::similar(text) {
                Some(similar) => format!(", did you mean {similar:?}?"),
                None => String::new(),
            };
            return Err(self.error(name, format!("unknown function with name {text:?}{hint}")));
        };
        if function.id == FunctionId::Info
            && let Some(labels) = args.get(1)
            && matches!(labels.kind, ExprKind::Selector(_))
            && !self.text(&labels.span).starts_with('{')
        {
            return Err(self.error(
                labels.span.clone(),
                "expected label selectors only, got vector selector instead",
            ));
        }
        let span = name.start..self.last_end;
        self.node(span, ExprKind::Call { function, args }, height)
    }

    /// Arguments after their opening parenthesis, and the height of the highest.
    fn arguments(&mut self, opened: &Span, name: &str) -> Parsed<(Vec<Expr>, u32)> {
        let mut args = Vec::new();
        let mut height = 0;
        if self.accept(TokenKind::RightParen).is_some() {
            return Ok((args, height));
        }
        let context = Context::Arguments(name);
        loop {
            let argument = self.binary(0, context)?;
            height = height.max(argument.height);
            args.push(*argument.expr);
            let Some(comma) = self.accept(TokenKind::Comma) else {
                break;
            };
            if self.peek() == TokenKind::RightParen {
                return Err(self.error(comma, "trailing commas not allowed in function call args"));
            }
        }
        self.close(opened, context, "an operator, \",\" or \")\"")?;
        Ok((args, height))
    }

    fn aggregate(&mut self, op: AggregateOp) -> Parsed<Node> {
        let name = self.advance();
        let text = self.text(&name);
        let mut grouping = self.aggregate_grouping()?;
        let opened = self.expect(TokenKind::LeftParen, Context::Named("aggregation"), "\"(\"")?;
        let (mut args, height) = self.arguments(&opened, text)?;
        if grouping.is_none() {
            grouping = self.aggregate_grouping()?;
        }
        let (without, labels) = grouping.unwrap_or_default();
        let span = name.start..self.last_end;
        let wanted = 1 + usize::from(op.takes_parameter());
        if args.is_empty() {
            return Err(self.error(span, "no arguments for aggregate expression provided"));
        }
        if args.len() != wanted {
            let message = format!(
                "wrong number of arguments for aggregate expression provided, expected {wanted}, got {}",
                args.len()
            );
            return Err(self.error(span, message));
        }
        let expr = Box::new(args.pop().expect("there are one or two arguments"));
        let param = args.pop().map(Box::new);
        let aggregate = Aggregate {
            op,
            expr,
            param,
            labels,
            without,
        };
        self.node(span, ExprKind::Aggregate(aggregate), height)
    }

    /// `by (…)` or `without (…)`, where it stands here; `true` for `without`.
    fn aggregate_grouping(&mut self) -> Parsed<Option<(bool, Vec<String>)>> {
        let TokenKind::Keyword(keyword @ (Keyword::By | Keyword::Without)) = self.peek() else {
            return Ok(None);
        };
        self.advance();
        Ok(Some((keyword == Keyword::Without, self.grouping_labels()?)))
    }
}
