//! The lexer of PromQL: query text to tokens, in one pass and without regular expressions.
//!
//! What a character means depends on where it stands, as in Prometheus: between braces every word is a label name;
//! between brackets a colon parts range from step; elsewhere it belongs to metric names. Tokens keep their place only;
//! numbers are read and strings unescaped by the parser. The first lexical fault ends the token list, so that a
//! mistake of grammar before it is reported first.
//! <https://prometheus.io/docs/prometheus/latest/querying/basics/>

use super::ast::{AggregateOp, BinaryOp, Span};
use crate::model::duration::DurationError;

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenKind {
    /// The end of the query.
    End,
    /// A lexical fault; see [`Lexed::fault`].
    Fault,
    /// `1`, `0x1f`, `1e3`, `Inf`, `NaN`.
    Number,
    /// `5m`, `1h30m`.
    Duration,
    /// `"…"`, `'…'` or `` `…` ``, quotes included.
    String,
    /// A word without a colon that is no keyword.
    Identifier,
    /// A word with a colon.
    MetricIdentifier,
    /// A keyword that is no operator.
    Keyword(Keyword),
    /// The name of an aggregation.
    Aggregate(AggregateOp),
    /// A binary operator; `!=` between braces too.
    Operator(BinaryOp),
    /// `=`
    Equal,
    /// `=~`
    RegexEqual,
    /// `!~`
    RegexNotEqual,
    /// `,`
    Comma,
    /// `:` between brackets.
    Colon,
    /// `@`
    At,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `{`
    LeftBrace,
    /// `}`
    RightBrace,
    /// `[`
    LeftBracket,
    /// `]`
    RightBracket,
}

/// Keywords that are no operators; all are case-insensitive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(
    missing_docs,
    reason = "each is the keyword of its name, in snake case"
)]
pub enum Keyword {
    Offset,
    Anchored,
    Smoothed,
    By,
    Without,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Fill,
    FillLeft,
    FillRight,
    Bool,
    Start,
    End,
    Step,
    Range,
}

/// One token.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    // Queries are at most 1 MiB long.
    start: u32,
    end: u32,
}

impl Token {
    /// Where it stands.
    pub fn span(&self) -> Span {
        self.start as usize..self.end as usize
    }
}

/// A query's tokens; the last one is the end or a fault.
#[derive(Debug)]
pub struct Lexed {
    /// The tokens, comments left out.
    pub tokens: Vec<Token>,
    /// What the last token's fault is, where it is one.
    pub fault: Option<String>,
}

/// Splits a query of at most 4 GiB into tokens.
pub fn lex(query: &str) -> Lexed {
    let mut lexer = Lexer {
        query,
        bytes: query.as_bytes(),
        position: 0,
        in_braces: false,
        in_brackets: false,
    };
    let mut tokens = Vec::with_capacity(query.len() / 4 + 2);
    loop {
        lexer.skip_blanks();
        let start = lexer.position;
        let (kind, fault) = match lexer.token() {
            Ok(kind) => (kind, None),
            Err(fault) => (TokenKind::Fault, Some(fault)),
        };
        tokens.push(Token {
            kind,
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(lexer.position).unwrap_or(u32::MAX),
        });
        if matches!(kind, TokenKind::End | TokenKind::Fault) {
            return Lexed { tokens, fault };
        }
    }
}

/// What a word means outside braces; words are case-insensitive.
pub fn word(text: &str) -> Option<TokenKind> {
    use self::Keyword as K;
    use AggregateOp as A;
    use BinaryOp as B;
    use TokenKind::{Aggregate, Keyword, Number, Operator};
    let mut buffer = [0; 12];
    let lower = buffer.get_mut(..text.len())?;
    lower.copy_from_slice(text.as_bytes());
    lower.make_ascii_lowercase();
    let kind = match &*lower {
        b"and" => Operator(B::And),
        b"or" => Operator(B::Or),
        b"unless" => Operator(B::Unless),
        b"atan2" => Operator(B::Atan2),
        b"sum" => Aggregate(A::Sum),
        b"avg" => Aggregate(A::Avg),
        b"count" => Aggregate(A::Count),
        b"min" => Aggregate(A::Min),
        b"max" => Aggregate(A::Max),
        b"group" => Aggregate(A::Group),
        b"stddev" => Aggregate(A::Stddev),
        b"stdvar" => Aggregate(A::Stdvar),
        b"topk" => Aggregate(A::Topk),
        b"bottomk" => Aggregate(A::Bottomk),
        b"count_values" => Aggregate(A::CountValues),
        b"quantile" => Aggregate(A::Quantile),
        b"limitk" => Aggregate(A::Limitk),
        b"limit_ratio" => Aggregate(A::LimitRatio),
        b"offset" => Keyword(K::Offset),
        b"anchored" => Keyword(K::Anchored),
        b"smoothed" => Keyword(K::Smoothed),
        b"by" => Keyword(K::By),
        b"without" => Keyword(K::Without),
        b"on" => Keyword(K::On),
        b"ignoring" => Keyword(K::Ignoring),
        b"group_left" => Keyword(K::GroupLeft),
        b"group_right" => Keyword(K::GroupRight),
        b"fill" => Keyword(K::Fill),
        b"fill_left" => Keyword(K::FillLeft),
        b"fill_right" => Keyword(K::FillRight),
        b"bool" => Keyword(K::Bool),
        b"start" => Keyword(K::Start),
        b"end" => Keyword(K::End),
        b"step" => Keyword(K::Step),
        b"range" => Keyword(K::Range),
        b"inf" | b"nan" => Number,
        _ => return None,
    };
    Some(kind)
}

/// Whether a word can be a metric name outside braces, without quotes.
pub fn names_a_metric(kind: TokenKind) -> bool {
    use Keyword as K;
    match kind {
        TokenKind::Identifier | TokenKind::MetricIdentifier | TokenKind::Aggregate(_) => true,
        TokenKind::Operator(op) => op.is_set(),
        TokenKind::Keyword(keyword) => !matches!(
            keyword,
            K::On | K::Ignoring | K::GroupLeft | K::GroupRight | K::Bool
        ),
        _ => false,
    }
}

struct Lexer<'a> {
    query: &'a str,
    bytes: &'a [u8],
    position: usize,
    in_braces: bool,
    in_brackets: bool,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        // Zero stands for the end: it begins no token.
        self.bytes.get(self.position + ahead).copied().unwrap_or(0)
    }

    fn skip_blanks(&mut self) {
        while self.position < self.bytes.len() {
            match self.bytes[self.position] {
                b' ' | b'\t' | b'\n' | b'\r' => self.position += 1,
                b'#' => {
                    self.position = memchr::memchr2(b'\n', b'\r', &self.bytes[self.position..])
                        .map_or(self.bytes.len(), |length| self.position + length);
                }
                _ => return,
            }
        }
    }

    fn token(&mut self) -> Result<TokenKind, String> {
        use BinaryOp as B;
        use TokenKind as T;
        if self.position == self.bytes.len() {
            return match self.in_braces {
                true => Err("unexpected end of input inside braces".to_owned()),
                false => Ok(T::End),
            };
        }
        let first = self.peek(0);
        let (kind, length) = match (first, self.peek(1)) {
            (b'a'..=b'z' | b'A'..=b'Z' | b'_', _) => return Ok(self.word()),
            (b'"' | b'\'', _) => return self.quoted(first),
            (b'`', _) => return self.raw(),
            (b',', _) => (T::Comma, 1),
            (b'=', b'~') if self.in_braces => (T::RegexEqual, 2),
            (b'=', b'=') if !self.in_braces => (T::Operator(B::Eq), 2),
            (b'=', b'~') => return Err("unexpected character after '=': '~'".to_owned()),
            (b'=', _) => (T::Equal, 1),
            (b'!', b'=') => (T::Operator(B::Ne), 2),
            (b'!', b'~') if self.in_braces => (T::RegexNotEqual, 2),
            (b'!', _) => return Err(self.unexpected(1, " after '!'")),
            (b'{', _) if !self.in_braces => {
                self.in_braces = true;
                (T::LeftBrace, 1)
            }
            (b'}', _) if self.in_braces => {
                self.in_braces = false;
                (T::RightBrace, 1)
            }
            _ if self.in_braces => return Err(self.unexpected(0, " inside braces")),
            (b'0'..=b'9', _) | (b'.', b'0'..=b'9') => return self.number(),
            (b':', _) if self.in_brackets => (T::Colon, 1),
            (b':', _) => return Ok(self.word()),
            (b'+', _) => (T::Operator(B::Add), 1),
            (b'-', _) => (T::Operator(B::Sub), 1),
            (b'*', _) => (T::Operator(B::Mul), 1),
            (b'/', _) => (T::Operator(B::Div), 1),
            (b'%', _) => (T::Operator(B::Mod), 1),
            (b'^', _) => (T::Operator(B::Pow), 1),
            (b'<', b'=') => (T::Operator(B::Le), 2),
            (b'<', b'/') => (T::Operator(B::TrimUpper), 2),
            (b'<', _) => (T::Operator(B::Lt), 1),
            (b'>', b'=') => (T::Operator(B::Ge), 2),
            (b'>', b'/') => (T::Operator(B::TrimLower), 2),
            (b'>', _) => (T::Operator(B::Gt), 1),
            (b'(', _) => (T::LeftParen, 1),
            (b')', _) => (T::RightParen, 1),
            (b'[', _) if self.in_brackets => return Err("unexpected left bracket '['".to_owned()),
            (b'[', _) => {
                self.in_brackets = true;
                (T::LeftBracket, 1)
            }
            (b']', _) if !self.in_brackets => {
                return Err("unexpected right bracket ']'".to_owned());
            }
            (b']', _) => {
                self.in_brackets = false;
                (T::RightBracket, 1)
            }
            (b'@', _) => (T::At, 1),
            _ => return Err(self.unexpected(0, "")),
        };
        self.position += length;
        Ok(kind)
    }

    fn unexpected(&self, ahead: usize, place: &str) -> String {
        match self
            .query
            .get(self.position + ahead..)
            .and_then(|rest| rest.chars().next())
        {
            Some(character) => format!("unexpected character{place}: {character:?}"),
            None => format!("unexpected end of input{place}"),
        }
    }

    fn word(&mut self) -> TokenKind {
        let start = self.position;
        let colons = !self.in_braces && !self.in_brackets;
        let mut colon = false;
        while let Some(&byte) = self.bytes.get(self.position) {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => {}
                b':' if colons => colon = true,
                _ => break,
            }
            self.position += 1;
        }
        if self.in_braces {
            return TokenKind::Identifier;
        }
        if colon {
            return TokenKind::MetricIdentifier;
        }
        match word(&self.query[start..self.position]) {
            // These came late to the language: they are keywords only where a parenthesis follows.
            Some(TokenKind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight))
                if !self.parenthesis_follows() =>
            {
                TokenKind::Identifier
            }
            Some(kind) => kind,
            None => TokenKind::Identifier,
        }
    }

    fn parenthesis_follows(&self) -> bool {
        self.bytes[self.position..]
            .iter()
            .find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
            == Some(&b'(')
    }

    fn number(&mut self) -> Result<TokenKind, String> {
        let start = self.position;
        let hexadecimal = self.peek(0) == b'0' && matches!(self.peek(1), b'x' | b'X');
        let mut letters = false;
        while let Some(&byte) = self.bytes.get(self.position) {
            match byte {
                b'0'..=b'9' | b'.' => {}
                b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                    letters |= !matches!(byte, b'_' | b'e' | b'E');
                    if matches!(byte, b'e' | b'E')
                        && !hexadecimal
                        && matches!(self.peek(1), b'+' | b'-')
                    {
                        self.position += 1;
                    }
                }
                _ => break,
            }
            self.position += 1;
        }
        let text = &self.query[start..self.position];
        if hexadecimal || !letters {
            return match super::parser::literal::number(text) {
                Some(_) => Ok(TokenKind::Number),
                None => Err(format!("bad number syntax: {text:?}")),
            };
        }
        match crate::model::duration::parse(text) {
            Ok(_) => Ok(TokenKind::Duration),
            Err(DurationError::OutOfRange(_)) => Err("duration out of range".to_owned()),
            Err(DurationError::Syntax(_)) => {
                Err(format!("bad number or duration syntax: {text:?}"))
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> Result<TokenKind, String> {
        let mut at = self.position + 1;
        loop {
            let Some(length) = memchr::memchr3(quote, b'\\', b'\n', &self.bytes[at..]) else {
                return Err("unterminated quoted string".to_owned());
            };
            at += length + 1;
            match self.bytes[at - 1] {
                b'\\' => {
                    // The escaped character may be of several bytes; none of its later ones ends a string.
                    if self.bytes.get(at).is_none_or(|byte| *byte == b'\n') {
                        return Err("unterminated quoted string".to_owned());
                    }
                    at += 1;
                }
                b'\n' => return Err("unterminated quoted string".to_owned()),
                _ => break,
            }
        }
        self.position = at;
        Ok(TokenKind::String)
    }

    fn raw(&mut self) -> Result<TokenKind, String> {
        match memchr::memchr(b'`', &self.bytes[self.position + 1..]) {
            Some(length) => {
                self.position += length + 2;
                Ok(TokenKind::String)
            }
            None => Err("unterminated raw string".to_owned()),
        }
    }
}
