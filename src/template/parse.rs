//! From text to checked syntax trees.
//!
//! The crate `gotmpl` parses. It forgives what Go refuses (a stray or missing `{{end}}`, an unknown function, an
//! undeclared variable), and its recursion is bounded by nesting only in part; [`balance`] looks at the actions first
//! and [`Checker`] at the tree afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;

use gotmpl::parse::{BranchNode, CommandNode, Expr, ListNode, Node, Parser, PipeNode, Pos};

use super::error::{ErrorKind, TemplateError};

/// Longest text taken for a template.
const LONGEST: usize = 1 << 20;
/// Deepest nesting of control structures, each `else if` counting as one.
const DEEPEST: usize = 60;

/// The text a tree was parsed from, to name places in it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    text: String,
}

impl Source {
    pub(super) fn error(
        &self,
        offset: usize,
        kind: ErrorKind,
        message: impl Into<String>,
    ) -> TemplateError {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        TemplateError {
            template: self.name.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            kind,
            message: message.into(),
        }
    }
}

/// A body with the text it came from.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) source: Arc<Source>,
    pub(super) body: Arc<ListNode>,
}

/// The body of a text and the templates it defines.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) body: Tree,
    pub(super) defines: Vec<(Arc<str>, Tree)>,
}

/// Parses `text`. `known` tells the names of functions; `globals` are variables set before the body runs.
pub(super) fn parse(
    name: &str,
    text: &str,
    known: &dyn Fn(&str) -> bool,
    globals: &[&str],
) -> Result<Parsed, TemplateError> {
    let source = Arc::new(Source {
        name: name.to_string(),
        text: text.to_string(),
    });
    if text.len() > LONGEST {
        return Err(source.error(
            0,
            ErrorKind::Parse,
            format!("text is longer than {LONGEST} bytes"),
        ));
    }
    balance(&source)?;
    let (body, defines) = Parser::new(text, "{{", "}}")
        .and_then(Parser::parse)
        .map_err(|error| foreign(&source, &error))?;
    let mut checker = Checker {
        source: &source,
        known,
        variables: globals.iter().map(|name| (*name).to_string()).collect(),
    };
    checker.list(&body)?;
    let mut seen = BTreeSet::new();
    let mut named = Vec::new();
    for define in defines {
        checker.variables.clear();
        checker.list(&define.body)?;
        let empty = define.body.is_empty_tree();
        if !empty && !seen.insert(define.name.clone()) {
            let message = format!("multiple definition of template {:?}", define.name.as_str());
            return Err(source.error(define.pos.offset, ErrorKind::Parse, message));
        }
        let tree = Tree {
            source: Arc::clone(&source),
            body: Arc::new(define.body),
        };
        // As in Go, an empty body does not replace another one of the same text.
        if !empty || !seen.contains(&define.name) {
            named.push((Arc::from(define.name.as_str()), tree));
        }
    }
    let body = Tree {
        source,
        body: Arc::new(body),
    };
    Ok(Parsed {
        body,
        defines: named,
    })
}

fn foreign(source: &Source, error: &gotmpl::TemplateError) -> TemplateError {
    let (line, column, message) = match error {
        gotmpl::TemplateError::Parse {
            line, col, message, ..
        }
        | gotmpl::TemplateError::Lex {
            line, col, message, ..
        } => (*line, *col, message.clone()),
        other => (0, 0, other.to_string()),
    };
    TemplateError {
        template: source.name.clone(),
        line,
        column,
        kind: ErrorKind::Parse,
        message: message.replace("empty command", "missing value for command"),
    }
}

/// An open control structure.
struct Open<'a> {
    keyword: &'a str,
    at: usize,
    otherwise: bool,
    /// How many levels it takes: one, and one for each `else if`.
    levels: usize,
}

/// Checks that control structures are closed and nested as Go wants it.
fn balance(source: &Source) -> Result<(), TemplateError> {
    let fail = |at: usize, message: String| Err(source.error(at, ErrorKind::Parse, message));
    let text = source.text.as_str();
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("{{") {
        let start = at + found;
        let Some(action) = action_end(text, start + 2) else {
            return fail(start, "unclosed action".to_string());
        };
        at = action.end;
        let mut words = text[action.start..action.end - 2]
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|word| !word.is_empty());
        let body = text[action.start..].trim_start();
        let keyword = match words.next() {
            Some(word) if body.starts_with(word) => word,
            _ => continue,
        };
        let position = text.len() - body.len();
        match keyword {
            "if" | "with" | "range" | "block" | "define" => {
                if keyword == "define" && !open.is_empty() {
                    return fail(
                        position,
                        "unexpected {{define}} inside another control structure".to_string(),
                    );
                }
                open.push(Open {
                    keyword,
                    at: position,
                    otherwise: false,
                    levels: 1,
                });
            }
            "else" => {
                let chained = words.next().filter(|word| matches!(*word, "if" | "with"));
                let Some(top) = open.last_mut() else {
                    return fail(position, "unexpected {{else}}".to_string());
                };
                if top.otherwise || matches!(top.keyword, "define" | "block") {
                    return fail(position, "unexpected {{else}}".to_string());
                }
                match chained {
                    Some(word) if word == top.keyword => top.levels += 1,
                    Some(word) => {
                        let message =
                            format!("unexpected {{{{else {word}}}}} in {{{{{}}}}}", top.keyword);
                        return fail(position, message);
                    }
                    None => top.otherwise = true,
                }
            }
            "end" => match open.pop() {
                Some(_) => {}
                None => return fail(position, "unexpected {{end}}".to_string()),
            },
            "break" | "continue" => {
                let inside = open
                    .iter()
                    .rev()
                    .take_while(|outer| !matches!(outer.keyword, "define" | "block"))
                    .any(|outer| outer.keyword == "range");
                if !inside {
                    return fail(position, format!("{{{{{keyword}}}}} outside {{{{range}}}}"));
                }
            }
            _ => {}
        }
        if open.iter().map(|outer| outer.levels).sum::<usize>() > DEEPEST {
            return fail(
                position,
                format!("control structures are nested deeper than {DEEPEST}"),
            );
        }
    }
    match open.last() {
        Some(unclosed) => fail(
            unclosed.at,
            format!("unclosed {{{{{}}}}}: missing {{{{end}}}}", unclosed.keyword),
        ),
        None => Ok(()),
    }
}

/// The inside of the action that begins at `start`, after its `{{`; the end includes its `}}`.
fn action_end(text: &str, start: usize) -> Option<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let trimmed = bytes.get(start) == Some(&b'-')
        && bytes.get(start + 1).is_some_and(u8::is_ascii_whitespace);
    let inside = if trimmed { start + 2 } else { start };
    if text[inside..].starts_with("/*") {
        let end = inside + 2 + text[inside + 2..].find("*/")? + 2;
        return Some(end..end + text[end..].find("}}")? + 2);
    }
    let mut at = inside;
    while at < bytes.len() {
        match bytes[at] {
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(inside..at + 2),
            quote @ (b'"' | b'\'') => {
                at += 1;
                while *bytes.get(at)? != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'`' => {
                at += 1;
                while *bytes.get(at)? != b'`' {
                    at += 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Finds unknown functions, undeclared variables and pipelines that cannot run.
struct Checker<'a> {
    source: &'a Source,
    known: &'a dyn Fn(&str) -> bool,
    variables: Vec<String>,
}

impl Checker<'_> {
    fn fail<T>(&self, pos: Pos, message: String) -> Result<T, TemplateError> {
        Err(self.source.error(pos.offset, ErrorKind::Parse, message))
    }

    fn list(&mut self, list: &ListNode) -> Result<(), TemplateError> {
        let mark = self.variables.len();
        list.nodes.iter().try_for_each(|node| self.node(node))?;
        self.variables.truncate(mark);
        Ok(())
    }

    fn node(&mut self, node: &Node) -> Result<(), TemplateError> {
        match node {
            Node::Text(_) | Node::Break(_) | Node::Continue(_) | Node::Define(_) => Ok(()),
            Node::List(list) => self.list(list),
            Node::Action(action) => self.pipe(&action.pipe),
            Node::Template(call) => call.pipe.as_ref().map_or(Ok(()), |pipe| self.pipe(pipe)),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => self.branch(branch),
        }
    }

    fn branch(&mut self, branch: &BranchNode) -> Result<(), TemplateError> {
        let mark = self.variables.len();
        self.pipe(&branch.pipe)?;
        self.list(&branch.body)?;
        if let Some(otherwise) = &branch.else_body {
            self.list(otherwise)?;
        }
        self.variables.truncate(mark);
        Ok(())
    }

    fn pipe(&mut self, pipe: &PipeNode) -> Result<(), TemplateError> {
        for (stage, command) in pipe.commands.iter().enumerate() {
            let literal = matches!(
                command.args.first(),
                Some(
                    Expr::Dot(_)
                        | Expr::Nil(_)
                        | Expr::Bool(..)
                        | Expr::Number(..)
                        | Expr::String(..)
                )
            );
            if stage > 0 && literal {
                return self.fail(
                    command.pos,
                    format!("non executable command in pipeline stage {}", stage + 1),
                );
            }
            self.command(command)?;
        }
        for name in &pipe.decl {
            if pipe.is_assign {
                self.variable(pipe.pos, name)?;
            } else {
                self.variables.push(name.to_string());
            }
        }
        Ok(())
    }

    fn command(&mut self, command: &CommandNode) -> Result<(), TemplateError> {
        command.args.iter().try_for_each(|expr| self.expr(expr))
    }

    fn expr(&mut self, expr: &Expr) -> Result<(), TemplateError> {
        match expr {
            Expr::Variable(pos, name, _) => self.variable(*pos, name),
            Expr::Identifier(pos, name) if !(self.known)(name) => {
                self.fail(*pos, format!("function {:?} not defined", name.as_str()))
            }
            Expr::Chain(_, inner, _) => self.expr(inner),
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            _ => Ok(()),
        }
    }

    fn variable(&self, pos: Pos, name: &str) -> Result<(), TemplateError> {
        if name == "$" || self.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        self.fail(pos, format!("undefined variable {name:?}"))
    }
}
