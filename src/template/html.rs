//! Context-aware escaping, as Go's `html/template` does it.
//!
//! `gotmpl::html` knows in which HTML context each action stands and puts the right escapers behind it, but it would
//! also evaluate the actions in its own way. So it gets a tree in which each pipeline is a call of one function with the
//! number of a [`Step`], and that function evaluates the real pipeline with [`Machine`]:
//!
//! ```text
//! {{range .Alerts}}{{.Labels.x}}{{end}}   becomes   {{range call $ 0}}{{$_ := call $ 1}}{{call $ 2}}{{end}}{{$_ := call $ 3}}
//! ```
//!
//! `gotmpl` thus drives text, branches and loops; dot, variables and values are ours. The function travels as the data
//! (`$`), so compiled templates are shared between threads.

use std::fmt;
use std::sync::Arc;

use gotmpl::parse::{BranchNode, ListNode, Node, PipeNode, Pos, SmolStr, TemplateNode};
use parking_lot::Mutex;

use rewrite::Rewriter;
use run::Run;

use super::error::{ErrorKind, TemplateError};
use super::exec::Scope;
use super::format::Capped;
use super::parse::{Source, Tree};
use super::value::Value;
use super::{Context, Set};

mod rewrite;
mod run;

/// The name the body of the compiled text goes by; no text can define it.
const ENTRY: &str = "\0entry";

/// What one number stands for.
#[derive(Debug)]
struct Step {
    source: Arc<Source>,
    /// How many control structures are open around it in its template.
    level: usize,
    action: Action,
}

#[derive(Debug)]
enum Action {
    /// Evaluates, sets variables, gives the value.
    Value(PipeNode),
    /// Opens an `if` or `with`, gives whether it holds.
    Choose { pipe: PipeNode, with: bool },
    /// Opens a `range`, gives the number of iterations.
    Range(Box<BranchNode>),
    /// Begins an iteration of the range at this level.
    Next,
    /// Closes the control structure at this level.
    Close,
    /// Enters a template with the value as dot.
    Call(TemplateNode),
    /// Leaves a template.
    Return,
}

/// A text and the templates it may call, ready to render as HTML.
pub(super) struct Escaped {
    template: gotmpl::html::Template,
    steps: Arc<[Step]>,
    places: Places,
}

/// Escaping errors tell a line only, not in which text. So the rewritten nodes carry a number instead of their line:
/// that of a place in this list, from 1. The first place is the beginning of the compiled text.
struct Places(Vec<(Arc<Source>, usize)>);

impl Places {
    fn mark(&mut self, source: &Arc<Source>, pos: Pos) -> Pos {
        self.0.push((Arc::clone(source), pos.offset));
        Pos::new(pos.offset, self.0.len())
    }

    fn error(&self, error: &gotmpl::TemplateError) -> TemplateError {
        let (place, kind, message) = match error {
            gotmpl::TemplateError::Escape {
                line, description, ..
            } => (*line, ErrorKind::Parse, description.clone()),
            gotmpl::TemplateError::Write => {
                (0, ErrorKind::Limit, "output exceeds its limit".to_string())
            }
            gotmpl::TemplateError::RecursionLimit => (
                0,
                ErrorKind::Limit,
                "templates call each other too deep".to_string(),
            ),
            other => (0, ErrorKind::Run, other.to_string()),
        };
        let (source, offset) = &self.0[place.saturating_sub(1).min(self.0.len() - 1)];
        match place {
            0 => TemplateError {
                line: 0,
                column: 0,
                ..source.error(0, kind, message)
            },
            _ => source.error(*offset, kind, message),
        }
    }
}

impl fmt::Debug for Escaped {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Escaped")
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
}

impl Escaped {
    pub(super) fn new(set: &Set, entry: &Tree) -> Result<Self, TemplateError> {
        let mut rewriter = Rewriter {
            source: Arc::clone(&entry.source),
            level: 0,
            steps: Vec::new(),
            places: Places(vec![(Arc::clone(&entry.source), 0)]),
        };
        // What is rendered is one call of the entry, so that it is a template like the others.
        let body = rewriter.list(&entry.body)?;
        let mut template = gotmpl::html::Template::new(ENTRY)
            .max_range_iters(0)
            .parse("{{template \"\\x00body\" $}}")
            .and_then(|template| template.add_parse_tree("\0body", body))
            .map_err(|error| rewriter.places.error(&error))?;
        for (name, tree) in reachable(set, entry) {
            rewriter.source = Arc::clone(&tree.source);
            let body = rewriter.list(&tree.body)?;
            template = template
                .add_parse_tree(&name, body)
                .map_err(|error| rewriter.places.error(&error))?;
        }
        Ok(Self {
            template,
            steps: rewriter.steps.into(),
            places: rewriter.places,
        })
    }

    pub(super) fn render(
        &self,
        set: &Arc<Set>,
        data: &Value,
        context: &Context<'_>,
    ) -> Result<String, TemplateError> {
        let run = Arc::new(Mutex::new(Run {
            set: Arc::clone(set),
            steps: Arc::clone(&self.steps),
            now: context.now,
            external_url: context.external_url.to_string(),
            limits: context.limits,
            scope: Scope::new(data, [], context.limits.steps),
            dot: data.clone(),
            open: Vec::new(),
            calls: Vec::new(),
            error: None,
        }));
        let shared = Arc::clone(&run);
        let function = gotmpl::Value::Function(Arc::new(move |args| shared.lock().step(args)));
        let mut out = Capped::new(context.limits.output);
        let ended = self.template.execute_fmt(&mut out, &function);
        if let Some(error) = run.lock().error.take() {
            return Err(error);
        }
        match ended {
            Ok(()) => Ok(out.into_text()),
            Err(error) => Err(self.places.error(&error)),
        }
    }
}

/// The templates a body may call, directly or not. Only they are escaped: one that cannot be escaped, but is meant for
/// text, must not spoil the others.
fn reachable(set: &Set, entry: &Tree) -> Vec<(Arc<str>, Tree)> {
    let mut found: Vec<(Arc<str>, Tree)> = Vec::new();
    let mut next = 0;
    let mut names = Vec::new();
    called(&entry.body, &mut names);
    loop {
        for name in names.drain(..) {
            if let Some(tree) = set.tree(&name)
                && !found.iter().any(|(known, _)| **known == *name)
            {
                found.push((Arc::from(name.as_str()), tree));
            }
        }
        let Some((_, tree)) = found.get(next) else {
            return found;
        };
        called(&tree.body, &mut names);
        next += 1;
    }
}

fn called(list: &ListNode, names: &mut Vec<SmolStr>) {
    for node in &list.nodes {
        match node {
            Node::Template(call) => names.push(call.name.clone()),
            Node::List(list) => called(list, names),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                called(&branch.body, names);
                if let Some(otherwise) = &branch.else_body {
                    called(otherwise, names);
                }
            }
            _ => {}
        }
    }
}
