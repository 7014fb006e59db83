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

use gotmpl::parse::{
    ActionNode, BranchNode, CommandNode, Expr, ListNode, Node, Number, PipeNode, Pos, SmolStr,
    TemplateNode,
};
use jiff::Timestamp;
use parking_lot::Mutex;

use super::error::{ErrorKind, TemplateError};
use super::exec::{Items, Machine, Scope};
use super::format::Capped;
use super::parse::{Source, Tree};
use super::value::{Safe, Value};
use super::{Context, Limits, Set};

/// Most elements of lists and maps handed over as such, for scripts to read as JSON.
const ELEMENTS: usize = 10_000;

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
    entry: Arc<Source>,
    template: gotmpl::html::Template,
    steps: Arc<[Step]>,
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
        };
        // What is rendered is one call of the entry, so that it is a template like the others.
        let foreign = |error: &gotmpl::TemplateError| foreign(&entry.source, error);
        let body = rewriter.list(&entry.body)?;
        let mut template = gotmpl::html::Template::new(ENTRY)
            .max_range_iters(0)
            .parse("{{template \"\\x00body\" $}}")
            .and_then(|template| template.add_parse_tree("\0body", body))
            .map_err(|error| foreign(&error))?;
        for (name, tree) in reachable(set, entry) {
            rewriter.source = Arc::clone(&tree.source);
            let body = rewriter.list(&tree.body)?;
            template = template
                .add_parse_tree(&name, body)
                .map_err(|error| foreign(&error))?;
        }
        Ok(Self {
            entry: Arc::clone(&entry.source),
            template,
            steps: rewriter.steps.into(),
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
            Err(error) => Err(foreign(&self.entry, &error)),
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

fn foreign(source: &Source, error: &gotmpl::TemplateError) -> TemplateError {
    let (line, kind, message) = match error {
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
    TemplateError {
        template: source.name.clone(),
        line,
        column: 0,
        kind,
        message,
    }
}

/// Turns trees into trees of calls.
struct Rewriter {
    source: Arc<Source>,
    level: usize,
    steps: Vec<Step>,
}

impl Rewriter {
    fn step(&mut self, pos: Pos, action: Action) -> CommandNode {
        let number = i64::try_from(self.steps.len()).unwrap_or(i64::MAX);
        self.steps.push(Step {
            source: Arc::clone(&self.source),
            level: self.level,
            action,
        });
        CommandNode {
            pos,
            args: vec![
                Expr::Identifier(pos, SmolStr::new_static("call")),
                Expr::Variable(pos, SmolStr::new_static("$"), Vec::new()),
                Expr::Number(pos, Number::Int(number)),
            ],
        }
    }

    fn pipe(&mut self, pos: Pos, action: Action) -> PipeNode {
        PipeNode {
            pos,
            decl: Vec::new(),
            commands: vec![self.step(pos, action)],
            is_assign: false,
        }
    }

    /// A step that writes nothing.
    fn silent(&mut self, pos: Pos, action: Action) -> Node {
        let mut pipe = self.pipe(pos, action);
        pipe.decl.push(SmolStr::new_static("$_"));
        Node::Action(ActionNode { pos, pipe })
    }

    fn list(&mut self, list: &ListNode) -> Result<ListNode, TemplateError> {
        let mut nodes = Vec::with_capacity(list.nodes.len());
        for node in &list.nodes {
            self.node(node, &mut nodes)?;
        }
        Ok(ListNode {
            pos: list.pos,
            nodes,
        })
    }

    fn node(&mut self, node: &Node, nodes: &mut Vec<Node>) -> Result<(), TemplateError> {
        match node {
            Node::Text(_) | Node::Break(_) | Node::Continue(_) => nodes.push(node.clone()),
            Node::Define(_) => {}
            Node::List(list) => nodes.push(Node::List(self.list(list)?)),
            Node::Action(action) if !action.pipe.decl.is_empty() => {
                nodes.push(self.silent(action.pos, Action::Value(action.pipe.clone())));
            }
            Node::Action(action) => {
                let (pipe, escaper) = self.predefined(&action.pipe)?;
                let mut pipe = self.pipe(action.pos, Action::Value(pipe));
                if let Some(name) = escaper {
                    pipe.commands.push(CommandNode {
                        pos: action.pos,
                        args: vec![Expr::Identifier(action.pos, name)],
                    });
                }
                nodes.push(Node::Action(ActionNode {
                    pos: action.pos,
                    pipe,
                }));
            }
            Node::If(branch) | Node::With(branch) => {
                let with = matches!(node, Node::With(_));
                let pipe = branch.pipe.clone();
                let opened = self.pipe(branch.pos, Action::Choose { pipe, with });
                let rewritten = self.branch(branch, opened, false)?;
                nodes.push(Node::If(rewritten));
                nodes.push(self.silent(branch.pos, Action::Close));
            }
            Node::Range(branch) => {
                let opened = self.pipe(branch.pos, Action::Range(Box::new(branch.clone())));
                let rewritten = self.branch(branch, opened, true)?;
                nodes.push(Node::Range(rewritten));
                nodes.push(self.silent(branch.pos, Action::Close));
            }
            Node::Template(call) => {
                nodes.push(self.silent(call.pos, Action::Call(call.clone())));
                let state = Expr::Variable(call.pos, SmolStr::new_static("$"), Vec::new());
                let pipe = PipeNode {
                    pos: call.pos,
                    decl: Vec::new(),
                    commands: vec![CommandNode {
                        pos: call.pos,
                        args: vec![state],
                    }],
                    is_assign: false,
                };
                nodes.push(Node::Template(TemplateNode {
                    pos: call.pos,
                    name: call.name.clone(),
                    pipe: Some(pipe),
                }));
                nodes.push(self.silent(call.pos, Action::Return));
            }
        }
        Ok(())
    }

    fn branch(
        &mut self,
        branch: &BranchNode,
        pipe: PipeNode,
        loops: bool,
    ) -> Result<BranchNode, TemplateError> {
        let next = loops.then(|| self.silent(branch.pos, Action::Next));
        self.level += 1;
        let mut body = self.list(&branch.body)?;
        let else_body = branch
            .else_body
            .as_ref()
            .map(|list| self.list(list))
            .transpose()?;
        self.level -= 1;
        if let Some(next) = next {
            body.nodes.insert(0, next);
        }
        Ok(BranchNode {
            pos: branch.pos,
            pipe,
            body,
            else_body,
        })
    }

    /// Splits off `html` or `urlquery` at the end of a pipeline, which the escaping pass wants to see: it merges them
    /// with its own escapers. Elsewhere in a pipeline they are an error.
    fn predefined(&self, pipe: &PipeNode) -> Result<(PipeNode, Option<SmolStr>), TemplateError> {
        let mut pipe = pipe.clone();
        let last = pipe.commands.len().saturating_sub(1);
        let mut escaper = None;
        for (index, command) in pipe.commands.iter_mut().enumerate() {
            if let Some(Expr::Identifier(pos, name)) = command.args.first_mut()
                && matches!(name.as_str(), "html" | "urlquery")
            {
                if index != last {
                    let message = format!(
                        "predefined escaper {:?} disallowed in template",
                        name.as_str()
                    );
                    return Err(self.source.error(pos.offset, ErrorKind::Parse, message));
                }
                // Its arguments become one text, as the escaper would make them.
                escaper = Some(std::mem::replace(name, SmolStr::new_static("print")));
            }
        }
        Ok((pipe, escaper))
    }
}

/// Where a control structure began.
struct Opened {
    variables: usize,
    dot: Value,
    looping: Option<Loop>,
}

struct Loop {
    items: Items,
    next: u64,
    pipe: PipeNode,
}

/// What a template call interrupted.
struct Called {
    base: usize,
    dot: Value,
    open: usize,
}

/// One rendering.
struct Run {
    set: Arc<Set>,
    steps: Arc<[Step]>,
    now: Timestamp,
    external_url: String,
    limits: Limits,
    scope: Scope,
    dot: Value,
    /// Open control structures of all running templates.
    open: Vec<Opened>,
    calls: Vec<Called>,
    error: Option<TemplateError>,
}

impl Run {
    /// Takes the step whose number is the argument. `gotmpl`'s errors carry no place, so the real one is kept aside.
    fn step(&mut self, args: &[gotmpl::Value]) -> gotmpl::Result<gotmpl::Value> {
        let steps = Arc::clone(&self.steps);
        let step = match args {
            [gotmpl::Value::Int(number)] => usize::try_from(*number)
                .ok()
                .and_then(|number| steps.get(number)),
            _ => None,
        };
        let Some(step) = step else {
            return Err(gotmpl::TemplateError::Exec("unknown step".to_string()));
        };
        self.take(step).map_err(|error| {
            let message = error.to_string();
            self.error = Some(error);
            gotmpl::TemplateError::Exec(message)
        })
    }

    fn take(&mut self, step: &Step) -> Result<gotmpl::Value, TemplateError> {
        let floor = self.calls.last().map_or(0, |call| call.open);
        let index = floor + step.level;
        let context = Context {
            now: self.now,
            external_url: &self.external_url,
            query: None,
            limits: self.limits,
        };
        let mut machine = Machine {
            set: &self.set,
            context: &context,
            scope: &mut self.scope,
            source: Arc::clone(&step.source),
        };
        match &step.action {
            Action::Value(pipe) => {
                let value = machine.pipe(&self.dot, pipe)?;
                machine.declare(pipe, &value);
                let mut left = ELEMENTS;
                match convert(&value, &mut left) {
                    Some(value) => return Ok(value),
                    None => return machine.fail(pipe.pos, "value has too many elements for HTML"),
                }
            }
            Action::Choose { pipe, with } => {
                machine.charge(pipe.pos, 1)?;
                self.open.truncate(index);
                self.open.push(Opened {
                    variables: machine.scope.variables.len(),
                    dot: self.dot.clone(),
                    looping: None,
                });
                let value = machine.pipe(&self.dot, pipe)?;
                machine.declare(pipe, &value);
                let holds = value.is_true();
                if holds && *with {
                    self.dot = value;
                }
                return Ok(gotmpl::Value::Bool(holds));
            }
            Action::Range(branch) => {
                machine.charge(branch.pos, 1)?;
                self.open.truncate(index);
                let value = machine.pipe(&self.dot, &branch.pipe)?;
                let items = machine.items(&value, branch)?;
                let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
                self.open.push(Opened {
                    variables: machine.scope.variables.len(),
                    dot: self.dot.clone(),
                    looping: Some(Loop {
                        items,
                        next: 0,
                        pipe: branch.pipe.clone(),
                    }),
                });
                return Ok(gotmpl::Value::Int(count));
            }
            Action::Next => {
                self.open.truncate(index + 1);
                if let Some(Opened {
                    variables,
                    looping: Some(looping),
                    ..
                }) = self.open.last_mut()
                {
                    machine.scope.variables.truncate(*variables);
                    machine.charge(looping.pipe.pos, 1)?;
                    let (key, item) = looping.items.get(looping.next);
                    looping.next += 1;
                    machine.iterate(&looping.pipe, key, &item);
                    self.dot = item;
                }
            }
            Action::Close => {
                self.open.truncate(index + 1);
                if let Some(opened) = self.open.pop() {
                    machine.scope.variables.truncate(opened.variables);
                    self.dot = opened.dot;
                }
            }
            Action::Call(call) => {
                machine.enter(call.pos)?;
                let argument = match &call.pipe {
                    Some(pipe) => machine.pipe(&self.dot, pipe)?,
                    None => Value::Nil,
                };
                self.calls.push(Called {
                    base: self.scope.base,
                    dot: std::mem::replace(&mut self.dot, argument.clone()),
                    open: self.open.len(),
                });
                self.scope.base = self.scope.variables.len();
                self.scope.variables.push((Arc::from("$"), argument));
            }
            Action::Return => {
                if let Some(call) = self.calls.pop() {
                    self.scope.variables.truncate(self.scope.base);
                    self.scope.base = call.base;
                    self.scope.depth -= 1;
                    self.dot = call.dot;
                    self.open.truncate(call.open);
                }
            }
        }
        Ok(gotmpl::Value::Nil)
    }
}

/// A value for the escapers: scalars and containers keep their type, which matters in scripts only. `None` when there
/// are more than `left` elements.
fn convert(value: &Value, left: &mut usize) -> Option<gotmpl::Value> {
    *left = left.checked_sub(1)?;
    Some(match value {
        Value::Nil => gotmpl::Value::Nil,
        Value::Bool(value) => gotmpl::Value::Bool(*value),
        Value::Int(value) => gotmpl::Value::Int(*value),
        Value::Float(number) => {
            let native = gotmpl::Value::Float(*number);
            let shown = value.to_string();
            if native.to_string() == shown {
                native
            } else {
                gotmpl::Value::String(shown.into())
            }
        }
        Value::String(text) => gotmpl::Value::String(Arc::clone(text)),
        Value::Safe(kind, text) => gotmpl::Value::Safe {
            kind: match kind {
                Safe::Html => gotmpl::SafeKind::Html,
                Safe::Url => gotmpl::SafeKind::Url,
            },
            s: Arc::clone(text),
        },
        Value::Time(_) | Value::Duration(_) => gotmpl::Value::String(value.to_string().into()),
        Value::List(list) => {
            let items: Option<Vec<_>> = list
                .items()
                .iter()
                .map(|item| convert(item, left))
                .collect();
            gotmpl::Value::List(items?.into())
        }
        Value::Map(map) => {
            let entries = map.entries().iter();
            let entries: Option<_> = entries
                .map(|(key, item)| Some((Arc::clone(key), convert(item, left)?)))
                .collect();
            gotmpl::Value::Map(Arc::new(entries?))
        }
        Value::Object(object) => match (object.text(), object.contents()) {
            (Some(text), _) => gotmpl::Value::String(text.into()),
            (None, Some(contents)) => convert(&contents, left)?,
            (None, None) => convert(&object.json(), left)?,
        },
    })
}
