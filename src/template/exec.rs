//! Evaluates pipelines and runs trees, as Go's `text/template` executes them.
//!
//! <https://pkg.go.dev/text/template>. [`Machine`] holds what one rendering needs; the HTML driver uses the same
//! machine one pipeline at a time. All work is charged against [`Limits::steps`], so that no text runs away.

use std::fmt::Write;
use std::sync::Arc;

use gotmpl::parse::{
    BranchNode, CommandNode, Expr, ListNode, Node, Number, PipeNode, Pos, TemplateNode,
};

use super::error::{ErrorKind, Fault, TemplateError};
use super::format::{self, Capped};
use super::parse::{Source, Tree};
use super::value::{MAX_DEPTH, Value};
use super::{Context, Set, builtins, time};

/// Deepest nesting of running control structures and template calls.
const DEEPEST: usize = 200;

/// Variables and counters of one rendering.
#[derive(Debug)]
pub(super) struct Scope {
    /// All live variables, innermost last.
    pub(super) variables: Vec<(Arc<str>, Value)>,
    /// Where the variables of the running template begin.
    pub(super) base: usize,
    pub(super) steps_left: u64,
    pub(super) depth: usize,
}

impl Scope {
    pub(super) fn new(
        dot: &Value,
        globals: impl IntoIterator<Item = (Arc<str>, Value)>,
        steps: u64,
    ) -> Self {
        let mut variables = vec![(Arc::from("$"), dot.clone())];
        variables.extend(globals);
        Self {
            variables,
            base: 0,
            steps_left: steps,
            depth: 0,
        }
    }
}

/// Why a body ended early.
#[derive(Debug)]
enum Stop {
    Break,
    Continue,
    Error(Box<TemplateError>),
}

impl From<TemplateError> for Stop {
    fn from(error: TemplateError) -> Self {
        Stop::Error(Box::new(error))
    }
}

/// One rendering.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    pub(super) set: &'a Set,
    pub(super) context: &'a Context<'a>,
    pub(super) scope: &'a mut Scope,
    pub(super) source: Arc<Source>,
}

type Evaluated<T> = Result<T, TemplateError>;

impl Machine<'_> {
    /// Runs a tree into `out`.
    pub(super) fn run(&mut self, tree: &Tree, dot: &Value, out: &mut Capped) -> Evaluated<()> {
        let outer = std::mem::replace(&mut self.source, Arc::clone(&tree.source));
        let ended = self.list(&tree.body, dot, out);
        self.source = outer;
        match ended {
            Ok(()) | Err(Stop::Break | Stop::Continue) => Ok(()),
            Err(Stop::Error(error)) => Err(*error),
        }
    }

    pub(super) fn fail<T>(&self, pos: Pos, fault: impl Into<Fault>) -> Evaluated<T> {
        let (kind, message) = match fault.into() {
            Fault::Failed(message) => (ErrorKind::Run, message),
            Fault::Limit(message) => (ErrorKind::Limit, message),
        };
        Err(self.source.error(pos.offset, kind, message))
    }

    /// Takes `cost` from the budget.
    pub(super) fn charge(&mut self, pos: Pos, cost: u64) -> Evaluated<()> {
        match self.scope.steps_left.checked_sub(cost) {
            Some(left) => {
                self.scope.steps_left = left;
                Ok(())
            }
            None => self.fail(
                pos,
                Fault::Limit("template takes too many steps".to_string()),
            ),
        }
    }

    pub(super) fn enter(&mut self, pos: Pos) -> Evaluated<()> {
        self.scope.depth += 1;
        if self.scope.depth > DEEPEST {
            return self.fail(
                pos,
                Fault::Limit("templates call each other too deep".to_string()),
            );
        }
        self.charge(pos, 1)
    }

    fn list(&mut self, list: &ListNode, dot: &Value, out: &mut Capped) -> Result<(), Stop> {
        list.nodes
            .iter()
            .try_for_each(|node| self.node(node, dot, out))
    }

    fn node(&mut self, node: &Node, dot: &Value, out: &mut Capped) -> Result<(), Stop> {
        match node {
            Node::Text(text) => {
                if out.write_str(&text.text).is_err() {
                    self.fail(text.pos, full(out))?;
                }
                Ok(())
            }
            Node::Action(action) => {
                let value = self.pipe(dot, &action.pipe)?;
                self.declare(&action.pipe, &value);
                if action.pipe.decl.is_empty() {
                    let written = match &value {
                        Value::Nil => out.write_str("<no value>"),
                        value => format::plain(out, value),
                    };
                    if written.is_err() {
                        self.fail(action.pos, full(out))?;
                    }
                }
                Ok(())
            }
            Node::If(branch) | Node::With(branch) => {
                let with = matches!(node, Node::With(_));
                self.scoped(branch.pos, |machine| machine.choose(branch, dot, with, out))
            }
            Node::Range(branch) => {
                self.scoped(branch.pos, |machine| machine.range(branch, dot, out))
            }
            Node::Template(call) => self.call_template(call, dot, out),
            Node::List(list) => self.list(list, dot, out),
            Node::Define(_) => Ok(()),
            Node::Break(_) => Err(Stop::Break),
            Node::Continue(_) => Err(Stop::Continue),
        }
    }

    /// Runs one control structure; its variables end with it.
    fn scoped(
        &mut self,
        pos: Pos,
        body: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.enter(pos)?;
        let mark = self.scope.variables.len();
        let ended = body(self);
        self.scope.variables.truncate(mark);
        self.scope.depth -= 1;
        ended
    }

    fn choose(
        &mut self,
        branch: &BranchNode,
        dot: &Value,
        with: bool,
        out: &mut Capped,
    ) -> Result<(), Stop> {
        let value = self.pipe(dot, &branch.pipe)?;
        self.declare(&branch.pipe, &value);
        if value.is_true() {
            return self.list(&branch.body, if with { &value } else { dot }, out);
        }
        match &branch.else_body {
            Some(otherwise) => self.list(otherwise, dot, out),
            None => Ok(()),
        }
    }

    fn range(&mut self, branch: &BranchNode, dot: &Value, out: &mut Capped) -> Result<(), Stop> {
        let value = self.pipe(dot, &branch.pipe)?;
        let items = self.items(&value, branch)?;
        let mark = self.scope.variables.len();
        for index in 0..items.len() {
            self.charge(branch.pos, 1)?;
            let (key, item) = items.get(index);
            self.iterate(&branch.pipe, key, &item);
            let ended = self.list(&branch.body, &item, out);
            self.scope.variables.truncate(mark);
            match ended {
                Ok(()) | Err(Stop::Continue) => {}
                Err(Stop::Break) => return Ok(()),
                Err(stop) => return Err(stop),
            }
        }
        match &branch.else_body {
            Some(otherwise) if items.len() == 0 => self.list(otherwise, dot, out),
            _ => Ok(()),
        }
    }

    /// What a `range` goes over.
    pub(super) fn items(&self, value: &Value, branch: &BranchNode) -> Evaluated<Items> {
        match value.plain() {
            Value::Nil => Ok(Items::Count(0)),
            Value::List(list) => Ok(Items::List(list)),
            Value::Map(map) => Ok(Items::Pairs(
                map.entries()
                    .iter()
                    .map(|(key, value)| (Value::String(Arc::clone(key)), value.clone()))
                    .collect(),
            )),
            Value::Int(count) if branch.pipe.decl.len() < 2 => {
                Ok(Items::Count(u64::try_from(count).unwrap_or(0)))
            }
            Value::Int(count) => {
                let message = format!("can't use {count} to iterate over more than one variable");
                self.fail(branch.pos, message)
            }
            other => self.fail(
                branch.pos,
                format!("range can't iterate over {}", other.type_name()),
            ),
        }
    }

    /// Sets the variables of one iteration.
    pub(super) fn iterate(&mut self, pipe: &PipeNode, key: Value, item: &Value) {
        match &*pipe.decl {
            [one] => self.set(one, item.clone(), pipe.is_assign),
            [first, second, ..] => {
                self.set(first, key, pipe.is_assign);
                self.set(second, item.clone(), pipe.is_assign);
            }
            [] => {}
        }
    }

    /// Sets the variable a pipeline declares or assigns.
    pub(super) fn declare(&mut self, pipe: &PipeNode, value: &Value) {
        for name in &pipe.decl {
            self.set(name, value.clone(), pipe.is_assign);
        }
    }

    fn set(&mut self, name: &str, value: Value, assign: bool) {
        if assign {
            let live = &mut self.scope.variables[self.scope.base..];
            if let Some((_, slot)) = live.iter_mut().rev().find(|(known, _)| &**known == name) {
                *slot = value;
            }
        } else {
            self.scope.variables.push((Arc::from(name), value));
        }
    }

    fn variable(&self, pos: Pos, name: &str) -> Evaluated<Value> {
        let live = &self.scope.variables[self.scope.base..];
        match live.iter().rev().find(|(known, _)| &**known == name) {
            Some((_, value)) => Ok(value.clone()),
            None => self.fail(pos, format!("undefined variable {name:?}")),
        }
    }

    fn call_template(
        &mut self,
        call: &TemplateNode,
        dot: &Value,
        out: &mut Capped,
    ) -> Result<(), Stop> {
        let argument = match &call.pipe {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Value::Nil,
        };
        Ok(self.named(call.pos, &call.name, &argument, out)?)
    }

    /// Runs a named template with its own variables.
    pub(super) fn named(
        &mut self,
        pos: Pos,
        name: &str,
        dot: &Value,
        out: &mut Capped,
    ) -> Evaluated<()> {
        let Some(tree) = self.set.tree(name) else {
            return self.fail(pos, format!("template {name:?} not defined"));
        };
        self.enter(pos)?;
        let base = std::mem::replace(&mut self.scope.base, self.scope.variables.len());
        self.scope.variables.push((Arc::from("$"), dot.clone()));
        let ended = self.run(&tree, dot, out);
        self.scope.variables.truncate(self.scope.base);
        self.scope.base = base;
        self.scope.depth -= 1;
        ended
    }

    /// The value of a pipeline; what it declares is left to the caller.
    pub(super) fn pipe(&mut self, dot: &Value, pipe: &PipeNode) -> Evaluated<Value> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(dot, command, value)?);
        }
        Ok(value.unwrap_or_default())
    }

    fn command(
        &mut self,
        dot: &Value,
        command: &CommandNode,
        piped: Option<Value>,
    ) -> Evaluated<Value> {
        self.charge(command.pos, 1)?;
        let Some((first, args)) = command.args.split_first() else {
            return self.fail(command.pos, "missing value for command");
        };
        match first {
            Expr::Identifier(pos, name) => return self.call(*pos, dot, name, args, piped),
            Expr::Field(pos, names) => {
                return self.chain(*pos, dot.clone(), names, dot, args, piped);
            }
            Expr::Variable(pos, name, names) if !names.is_empty() => {
                let receiver = self.variable(*pos, name)?;
                return self.chain(*pos, receiver, names, dot, args, piped);
            }
            Expr::Chain(pos, inner, names) => {
                let receiver = self.argument(dot, inner)?;
                return self.chain(*pos, receiver, names, dot, args, piped);
            }
            _ => {}
        }
        if piped.is_some() || !args.is_empty() {
            return self.fail(first.pos(), "can't give argument to non-function");
        }
        match first {
            Expr::Nil(pos) => self.fail(*pos, "nil is not a command"),
            other => self.argument(dot, other),
        }
    }

    fn argument(&mut self, dot: &Value, expr: &Expr) -> Evaluated<Value> {
        match expr {
            Expr::Dot(_) => Ok(dot.clone()),
            Expr::Field(pos, names) => self.chain(*pos, dot.clone(), names, dot, &[], None),
            Expr::Variable(pos, name, names) => {
                let receiver = self.variable(*pos, name)?;
                self.chain(*pos, receiver, names, dot, &[], None)
            }
            Expr::Identifier(pos, name) => self.call(*pos, dot, name, &[], None),
            Expr::Chain(pos, inner, names) => {
                let receiver = self.argument(dot, inner)?;
                self.chain(*pos, receiver, names, dot, &[], None)
            }
            Expr::Pipe(pos, pipe) => {
                self.enter(*pos)?;
                let value = self.pipe(dot, pipe)?;
                self.scope.depth -= 1;
                Ok(value)
            }
            Expr::String(_, text) => Ok(Value::String(Arc::clone(text))),
            Expr::Bool(_, value) => Ok(Value::Bool(*value)),
            Expr::Nil(_) => Ok(Value::Nil),
            Expr::Number(_, Number::Int(value)) => Ok(Value::Int(*value)),
            Expr::Number(_, Number::Float(value)) => Ok(Value::Float(*value)),
            Expr::Number(pos, Number::Uint(value)) => {
                self.fail(*pos, format!("{value} overflows int"))
            }
        }
    }

    fn arguments(
        &mut self,
        dot: &Value,
        args: &[Expr],
        piped: Option<Value>,
    ) -> Evaluated<Vec<Value>> {
        let mut values = Vec::with_capacity(args.len() + 1);
        for expr in args {
            values.push(self.argument(dot, expr)?);
        }
        values.extend(piped);
        Ok(values)
    }

    /// `receiver.a.b.c args...`: the arguments belong to the last name.
    fn chain(
        &mut self,
        pos: Pos,
        receiver: Value,
        names: &[gotmpl::parse::SmolStr],
        dot: &Value,
        args: &[Expr],
        piped: Option<Value>,
    ) -> Evaluated<Value> {
        let Some((last, before)) = names.split_last() else {
            return Ok(receiver);
        };
        let mut receiver = receiver;
        for (index, name) in before.iter().enumerate() {
            receiver = self.get(pos, &receiver, name, &[])?;
            // Absent data has no value at all; an absent value in data is a mistake.
            if matches!(receiver, Value::Nil) {
                let next = names[index + 1].as_str();
                return self.fail(pos, format!("nil pointer evaluating interface {{}}.{next}"));
            }
        }
        let args = self.arguments(dot, args, piped)?;
        self.get(pos, &receiver, last, &args)
    }

    fn get(&mut self, pos: Pos, receiver: &Value, name: &str, args: &[Value]) -> Evaluated<Value> {
        self.charge(pos, 1)?;
        let found = match receiver {
            Value::Nil if args.is_empty() => Some(Ok(Value::Nil)),
            Value::Map(map) if args.is_empty() => Some(Ok(map.get(name))),
            Value::Time(time) => time::time_method(time, name, args),
            Value::Duration(nanos) => time::duration_method(*nanos, name, args),
            Value::Object(object) => object.get(name, args),
            _ => None,
        };
        match found {
            Some(Ok(value)) => Ok(value),
            Some(Err(message)) => self.fail(pos, format!("error calling {name}: {message}")),
            None if args.is_empty() => {
                let kind = receiver.type_name();
                self.fail(pos, format!("can't evaluate field {name} in type {kind}"))
            }
            None => self.fail(
                pos,
                format!("{name} is not a method that takes these arguments"),
            ),
        }
    }

    fn call(
        &mut self,
        pos: Pos,
        dot: &Value,
        name: &str,
        args: &[Expr],
        piped: Option<Value>,
    ) -> Evaluated<Value> {
        if matches!(name, "and" | "or") {
            return self.shortcut(pos, dot, name, args, piped);
        }
        let values = self.arguments(dot, args, piped)?;
        let size: usize = values.iter().map(size).sum();
        // Compiling a regular expression takes longer than most calls.
        let base = if matches!(name, "match" | "reReplaceAll") {
            100
        } else {
            1
        };
        self.charge(pos, base + size as u64 / 64)?;
        let result = match (self.set.functions.get(name), &*values) {
            (Some(_), [Value::String(template), data]) if name == "tmpl" => {
                let mut out = Capped::new(self.context.limits.output);
                let template = Arc::clone(template);
                self.named(pos, &template, data, &mut out)?;
                Ok(Value::Safe(
                    super::value::Safe::Html,
                    out.into_text().into(),
                ))
            }
            (Some(function), values) => function(self.context, values),
            (None, values) => builtins::call(name, values, self.context.limits.output),
        };
        match result {
            Ok(value) => self.checked(pos, value),
            Err(Fault::Failed(message)) => {
                self.fail(pos, format!("error calling {name}: {message}"))
            }
            Err(limit) => self.fail(pos, limit),
        }
    }

    /// Refuses what has grown too large, and charges for texts by their length.
    fn checked(&mut self, pos: Pos, value: Value) -> Evaluated<Value> {
        if value.depth() > MAX_DEPTH {
            return self.fail(
                pos,
                Fault::Limit(format!("value is nested deeper than {MAX_DEPTH}")),
            );
        }
        if let Some(text) = value.as_text() {
            if text.len() > self.context.limits.output {
                return self.fail(
                    pos,
                    Fault::Limit("text exceeds the output limit".to_string()),
                );
            }
            let cost = text.len() as u64 / 64;
            self.charge(pos, cost)?;
        }
        Ok(value)
    }

    fn shortcut(
        &mut self,
        pos: Pos,
        dot: &Value,
        name: &str,
        args: &[Expr],
        piped: Option<Value>,
    ) -> Evaluated<Value> {
        let mut last = None;
        for expr in args {
            let value = self.argument(dot, expr)?;
            if value.is_true() == (name == "or") {
                return Ok(value);
            }
            last = Some(value);
        }
        match piped.or(last) {
            Some(value) => Ok(value),
            None => self.fail(
                pos,
                format!("wrong number of args for {name}: want at least 1 got 0"),
            ),
        }
    }
}

/// What a function may have to look at, roughly in bytes.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) | Value::Safe(_, text) => text.len(),
        Value::List(list) => list.items().len() * 16,
        Value::Map(map) => map.entries().len() * 16,
        _ => 0,
    }
}

fn full(out: &Capped) -> Fault {
    Fault::Limit(format!(
        "output exceeds its limit after {} bytes",
        out.len()
    ))
}

/// What a `range` goes over.
#[derive(Debug)]
pub(super) enum Items {
    Count(u64),
    List(super::value::List),
    Pairs(Vec<(Value, Value)>),
}

impl Items {
    pub(super) fn len(&self) -> u64 {
        match self {
            Items::Count(count) => *count,
            Items::List(list) => list.items().len() as u64,
            Items::Pairs(pairs) => pairs.len() as u64,
        }
    }

    /// Key and item at `index`, which must be less than the length.
    pub(super) fn get(&self, index: u64) -> (Value, Value) {
        let key = Value::Int(i64::try_from(index).unwrap_or(i64::MAX));
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        match self {
            Items::Count(_) => (key.clone(), key),
            Items::List(list) => (key, list.items().get(at).cloned().unwrap_or_default()),
            Items::Pairs(pairs) => pairs.get(at).cloned().unwrap_or_default(),
        }
    }
}
