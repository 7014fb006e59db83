//! Takes the steps of one rendering, in the order the driver asks for them.

use std::sync::Arc;

use gotmpl::parse::PipeNode;
use jiff::Timestamp;

use super::super::error::{Fault, TemplateError};
use super::super::exec::{Items, Machine, Scope};
use super::super::value::{Safe, Value};
use super::super::{Context, Limits, Set};
use super::{Action, Step};

/// Most elements of lists and maps handed over as such, for scripts to read as JSON.
const ELEMENTS: usize = 10_000;

/// Where a control structure began.
pub(super) struct Opened {
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
pub(super) struct Called {
    base: usize,
    dot: Value,
    open: usize,
}

/// One rendering.
pub(super) struct Run {
    pub(super) set: Arc<Set>,
    pub(super) steps: Arc<[Step]>,
    pub(super) now: Timestamp,
    pub(super) external_url: String,
    pub(super) limits: Limits,
    pub(super) scope: Scope,
    pub(super) dot: Value,
    /// Open control structures of all running templates.
    pub(super) open: Vec<Opened>,
    pub(super) calls: Vec<Called>,
    pub(super) error: Option<TemplateError>,
}

impl Run {
    /// Takes the step whose number is the argument. `gotmpl`'s errors carry no place, so the real one is kept aside.
    pub(super) fn step(&mut self, args: &[gotmpl::Value]) -> gotmpl::Result<gotmpl::Value> {
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
                if !pipe.decl.is_empty() {
                    return Ok(gotmpl::Value::Nil);
                }
                let mut left = ELEMENTS;
                match convert(&value, &mut left) {
                    Some(value) => return Ok(value),
                    None => {
                        let fault =
                            Fault::Limit("value has too many elements for HTML".to_string());
                        return machine.fail(pipe.pos, fault);
                    }
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
