//! The parser of PromQL: the complete grammar of Prometheus 3.14, what is experimental there included.
//!
//! A precedence-climbing parser over the tokens of [`lexer`]; [`typecheck`] then
//! proves the tree. It refuses nothing for being experimental: that is the evaluator's decision. The first fault ends
//! the parse; its message says what was found and what was expected there. Hostile input is bounded: length, nesting,
//! and the height of the tree, so that whoever walks it may recurse.
//! <https://prometheus.io/docs/prometheus/latest/querying/basics/>

use std::fmt;

use super::ast::{Expr, ExprKind, Span};
use super::lexer::{self, Token, TokenKind};
use super::typecheck;
use crate::model::matcher::Matcher;

mod duration;
mod expression;
pub(in crate::promql) mod literal;
mod selector;
pub mod series;

/// The longest query that is read, in bytes.
pub const MAX_QUERY_BYTES: usize = 1 << 20;

/// How deep parentheses, calls and signs may nest, and how high the tree may grow; a chain of operators counts each.
/// Evaluation recurses over the tree: in a debug build, 200 levels fit the 2 MiB stack of a worker and 250 do not.
pub const MAX_DEPTH: u32 = 128;

/// Why a text is not a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Where the fault is, in bytes of the query; empty at its end.
    pub span: Span,
    /// What is wrong, without its place.
    pub message: String,
    /// The line of the fault's begin, from 1.
    pub line: usize,
    /// The column of the fault's begin, in characters from 1.
    pub column: usize,
}

impl ParseError {
    fn new(query: &str, span: Span, message: String) -> Self {
        let (line, column) = line_and_column(query, span.start);
        Self {
            span,
            message,
            line,
            column,
        }
    }

    /// Something else that is wrong with a query, at a place in it.
    pub fn at(query: &str, span: Span, message: String) -> Self {
        Self::new(query, span, message)
    }

    /// The query's line with the fault, and under it a mark below the faulty part: two lines, without a line break at
    /// the end. Long lines are cut around the fault.
    pub fn excerpt(&self, query: &str) -> String {
        const BEFORE: usize = 60;
        const WIDTH: usize = 120;
        let line = query.split('\n').nth(self.line - 1).unwrap_or_default();
        let skipped = (self.column - 1).saturating_sub(BEFORE);
        let shown: String = line
            .trim_end_matches('\r')
            .chars()
            .skip(skipped)
            .take(WIDTH)
            // One column each, so that the mark stands where it should.
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let indent = self.column - 1 - skipped;
        let faulty = query.get(self.span.clone()).unwrap_or_default();
        let faulty = faulty.split('\n').next().unwrap_or_default();
        let room = shown.chars().count().saturating_sub(indent);
        let marks = faulty.chars().count().min(room).max(1);
        format!("{shown}\n{:indent$}{}", "", "^".repeat(marks))
    }
}

/// As Prometheus shows it: `1:5: parse error: …`.
impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            message,
            ..
        } = self;
        write!(f, "{line}:{column}: parse error: {message}")
    }
}

impl std::error::Error for ParseError {}

/// Reads a query and checks its types.
///
/// # Errors
/// The first fault of the text, or of its types.
pub fn parse(query: &str) -> Result<Expr, ParseError> {
    read(query).map_err(|error| *error)
}

fn read(query: &str) -> Parsed<Expr> {
    let mut parser = Parser::new(query)?;
    let mut expr = parser.query()?;
    match typecheck::check(&mut expr) {
        Ok(_) => Ok(expr),
        Err(fault) => Err(parser.error(trimmed(query, fault.span), fault.message)),
    }
}

/// The grammar alone, for tests of it.
#[cfg(test)]
pub(in crate::promql) fn parse_untyped(query: &str) -> Result<Expr, ParseError> {
    let parsed = Parser::new(query).and_then(|mut parser| parser.query());
    parsed.map_err(|error| *error)
}

/// Reads a metric selector, as the parameter `match[]` of the query API takes it: `up{job="x"}`.
///
/// # Errors
/// The first fault of the text; a selector whose matchers all accept the empty value; anything more than a selector.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    read_selector(text).map_err(|error| *error)
}

fn read_selector(text: &str) -> Parsed<Vec<Matcher>> {
    let mut parser = Parser::new(text)?;
    if parser.peek() == TokenKind::End {
        return Err(parser.error(0..0, "no selector found in input"));
    }
    let expr = *parser.vector_selector()?.expr;
    if parser.peek() != TokenKind::End {
        return Err(parser.unexpected(Context::Named("metric selector"), "end of input"));
    }
    let ExprKind::Selector(selector) = expr.kind else {
        return Err(parser.error(expr.span, "expected a metric selector"));
    };
    match typecheck::check_matchers(&selector.matchers) {
        Ok(()) => Ok(selector.matchers),
        Err(message) => Err(parser.error(expr.span, message)),
    }
}

/// An expression and the height of its tree. Boxed, as is the error: the parser recurses, and its frames stay small.
struct Node {
    expr: Box<Expr>,
    height: u32,
}

impl Node {
    fn leaf(span: Span, kind: ExprKind) -> Self {
        Self {
            expr: Box::new(Expr { span, kind }),
            height: 1,
        }
    }
}

type Parsed<T> = Result<T, Box<ParseError>>;

/// What is being read, for messages.
#[derive(Clone, Copy)]
enum Context<'a> {
    Query,
    Parentheses,
    Sign,
    After(&'a str),
    Arguments(&'a str),
    Named(&'static str),
}

impl fmt::Display for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query => Ok(()),
            Self::Parentheses => f.write_str(" in parentheses"),
            Self::Sign => f.write_str(" in unary expression"),
            Self::After(operator) => write!(f, " after {operator:?}"),
            Self::Arguments(name) => write!(f, " in arguments of {name:?}"),
            Self::Named(name) => write!(f, " in {name}"),
        }
    }
}

struct Parser<'a> {
    query: &'a str,
    tokens: Vec<Token>,
    fault: Option<String>,
    // Index of the next token; never past the last one, which is the end or a fault.
    next: usize,
    // How many calls deep the parser stands; bounded by `MAX_DEPTH`.
    depth: u32,
    duration_operators: u32,
    // Where the last consumed token ended.
    last_end: usize,
}

impl<'a> Parser<'a> {
    fn new(query: &'a str) -> Parsed<Self> {
        if query.len() > MAX_QUERY_BYTES {
            let message = format!(
                "query is {} bytes long, at most {MAX_QUERY_BYTES} are read",
                query.len()
            );
            return Err(Box::new(ParseError::new(query, 0..0, message)));
        }
        let lexed = lexer::lex(query);
        Ok(Self {
            query,
            tokens: lexed.tokens,
            fault: lexed.fault,
            next: 0,
            depth: 0,
            duration_operators: 0,
            last_end: 0,
        })
    }

    fn query(&mut self) -> Parsed<Expr> {
        if self.peek() == TokenKind::End {
            return Err(self.error(0..0, "no expression found in input"));
        }
        let expr = *self.binary(0, Context::Query)?.expr;
        match self.peek() {
            TokenKind::End => Ok(expr),
            _ => Err(self.trailing(&expr)),
        }
    }

    fn peek(&self) -> TokenKind {
        self.tokens[self.next].kind
    }

    fn peek_second(&self) -> TokenKind {
        self.tokens
            .get(self.next + 1)
            .map_or(TokenKind::End, |token| token.kind)
    }

    fn span(&self) -> Span {
        self.tokens[self.next].span()
    }

    fn text(&self, span: &Span) -> &'a str {
        &self.query[span.clone()]
    }

    /// Takes the next token; the last one stays.
    fn advance(&mut self) -> Span {
        let span = self.span();
        if self.next + 1 < self.tokens.len() {
            self.next += 1;
            self.last_end = span.end;
        }
        span
    }

    fn accept(&mut self, kind: TokenKind) -> Option<Span> {
        (self.peek() == kind).then(|| self.advance())
    }

    fn expect(&mut self, kind: TokenKind, context: Context<'_>, expected: &str) -> Parsed<Span> {
        match self.accept(kind) {
            Some(span) => Ok(span),
            None => Err(self.unexpected(context, expected)),
        }
    }

    /// Expects the parenthesis that closes the one at `opened`.
    fn close(&mut self, opened: &Span, context: Context<'_>, expected: &str) -> Parsed<Span> {
        match self.accept(TokenKind::RightParen) {
            Some(span) => Ok(span),
            None if self.peek() == TokenKind::End => {
                let (line, column) = line_and_column(self.query, opened.start);
                let expected = format!("\")\" for the parenthesis opened at {line}:{column}");
                Err(self.unexpected(context, &expected))
            }
            None => Err(self.unexpected(context, expected)),
        }
    }

    /// Begins a part of the grammar that may contain itself; `leave` ends it.
    fn enter(&mut self) -> Parsed<()> {
        if self.depth >= MAX_DEPTH {
            return Err(self.too_deep(self.span()));
        }
        self.depth += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    /// A node over others, the highest of which is `below`.
    fn node(&self, span: Span, kind: ExprKind, below: u32) -> Parsed<Node> {
        if below >= MAX_DEPTH {
            return Err(self.too_deep(span));
        }
        Ok(Node {
            expr: Box::new(Expr { span, kind }),
            height: below + 1,
        })
    }

    fn too_deep(&self, span: Span) -> Box<ParseError> {
        self.error(
            span,
            format!(
                "expression is nested more than {MAX_DEPTH} levels deep; split it with recording rules"
            ),
        )
    }

    #[inline(never)]
    fn error(&self, span: Span, message: impl Into<String>) -> Box<ParseError> {
        Box::new(ParseError::new(self.query, span, message.into()))
    }

    /// The next token does not fit here.
    #[inline(never)]
    fn unexpected(&self, context: Context<'_>, expected: &str) -> Box<ParseError> {
        let token = self.tokens[self.next];
        if let (TokenKind::Fault, Some(fault)) = (token.kind, &self.fault) {
            return self.error(token.span(), fault.as_str());
        }
        let found = self.describe(token);
        let message = format!("unexpected {found}{context}, expected {expected}");
        self.error(token.span(), message)
    }

    /// A whole expression was read, and something follows.
    fn trailing(&self, expr: &Expr) -> Box<ParseError> {
        if self.peek() == TokenKind::RightParen {
            return self.error(self.span(), "unexpected right parenthesis ')'");
        }
        let name = self.text(&expr.span);
        if self.peek() == TokenKind::LeftParen && matches!(expr.kind, ExprKind::Selector(_)) {
            return self.error(
                self.span(),
                format!("unexpected \"(\", {name:?} is not a function"),
            );
        }
        let expected = match self.peek() {
            TokenKind::Equal => "an operator or end of input; \"==\" compares",
            _ => "an operator or end of input",
        };
        self.unexpected(Context::Query, expected)
    }

    fn describe(&self, token: Token) -> String {
        let text = self.text(&token.span());
        let shortened = match text.char_indices().nth(40) {
            Some((position, _)) => format!("{:?}...", &text[..position]),
            None => format!("{text:?}"),
        };
        match token.kind {
            TokenKind::End => "end of input".to_owned(),
            TokenKind::Number => format!("number {shortened}"),
            TokenKind::Duration => format!("duration {shortened}"),
            // Its own quotes suffice.
            TokenKind::String => format!("string {}", shortened_string(text)),
            TokenKind::Identifier => format!("identifier {shortened}"),
            TokenKind::MetricIdentifier => format!("metric identifier {shortened}"),
            TokenKind::Keyword(_) => format!("keyword {shortened}"),
            TokenKind::Aggregate(_) => format!("aggregation {shortened}"),
            TokenKind::Operator(_) => format!("operator {shortened}"),
            _ => shortened,
        }
    }
}

/// A span without the blanks at its ends: what stands between two operands is the operator.
fn trimmed(query: &str, span: Span) -> Span {
    let text = &query[span.clone()];
    let start = span.start + (text.len() - text.trim_start().len());
    start..start + text.trim().len()
}

fn shortened_string(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(40) {
        Some((position, _)) => format!("{}...", &line[..position]),
        None if line.len() < text.len() => format!("{line}..."),
        None => line.to_owned(),
    }
}

fn line_and_column(query: &str, position: usize) -> (usize, usize) {
    let before = query.get(..position).unwrap_or(query);
    let line_start = before.rfind('\n').map_or(0, |line_break| line_break + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;
