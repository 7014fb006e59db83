//! The functions every Go template has, except `and` and `or`, which evaluate lazily and live in `exec`.
//!
//! <https://pkg.go.dev/text/template#hdr-Functions>. `call` is known but has nothing to call: data holds no functions.

use std::fmt::Write;
use std::sync::Arc;

use super::error::Fault;
use super::format::{self, Capped};
use super::value::{List, Value};

const NAMES: [&str; 18] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or",
    "print", "printf", "println", "slice",
];

pub(super) fn known(name: &str) -> bool {
    name == "urlquery" || NAMES.contains(&name)
}

/// Calls the built-in `name`; texts it makes are at most `limit` bytes long.
pub(super) fn call(name: &str, args: &[Value], limit: usize) -> Result<Value, Fault> {
    let mut out = Capped::new(limit);
    match (name, args) {
        ("eq", [first, rest @ ..]) if !rest.is_empty() => {
            for other in rest {
                if equal(first, other)? {
                    return Ok(true.into());
                }
            }
            Ok(false.into())
        }
        ("ne", [left, right]) => Ok((!equal(left, right)?).into()),
        ("lt", [left, right]) => Ok(less(left, right)?.into()),
        ("le", [left, right]) => Ok((less(left, right)? || equal(left, right)?).into()),
        // As in Go, so that NaN is greater than everything.
        ("gt", [left, right]) => Ok((!(less(left, right)? || equal(left, right)?)).into()),
        ("ge", [left, right]) => Ok((!less(left, right)?).into()),
        ("not", [value]) => Ok((!value.is_true()).into()),
        ("len", [value]) => length(value),
        ("index", [value, keys @ ..]) => keys
            .iter()
            .try_fold(value.clone(), |value, key| index(&value, key)),
        ("slice", [value, bounds @ ..]) if bounds.len() <= 3 => slice(value, bounds),
        ("print", args) => {
            format::sprint(&mut out, args)?;
            Ok(out.into_text().into())
        }
        ("println", args) => {
            format::sprintln(&mut out, args)?;
            Ok(out.into_text().into())
        }
        ("printf", [format, args @ ..]) => match format.as_text() {
            Some(format) => {
                format::sprintf(&mut out, format, args)?;
                Ok(out.into_text().into())
            }
            None => Err(wrong_type(format, "string")),
        },
        ("html", args) => escaped(out, args, gotmpl::html_escape),
        ("js", args) => escaped(out, args, gotmpl::js_escape),
        ("urlquery", args) => escaped(out, args, gotmpl::url_encode),
        ("call", _) => Err("nothing in the data can be called".into()),
        (name, args) => Err(format!("wrong number of args for {name}: got {}", args.len()).into()),
    }
}

/// An argument that is not what the function takes.
pub(super) fn wrong_type(value: &Value, wanted: &str) -> Fault {
    format!(
        "wrong type for value; expected {wanted}; got {}",
        value.type_name()
    )
    .into()
}

fn escaped(mut out: Capped, args: &[Value], escape: fn(&str) -> String) -> Result<Value, Fault> {
    match args {
        [Value::Nil] => out.write_str("<no value>")?,
        args => format::sprint(&mut out, args)?,
    }
    Ok(escape(&out.into_text()).into())
}

/// What Go calls a basic kind: values of one kind compare.
enum Basic<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

fn basic(value: &Value) -> Option<Basic<'_>> {
    match value {
        Value::Bool(value) => Some(Basic::Bool(*value)),
        Value::Int(value) | Value::Duration(value) => Some(Basic::Int(*value)),
        Value::Float(value) => Some(Basic::Float(*value)),
        Value::String(text) | Value::Safe(_, text) => Some(Basic::Text(text)),
        _ => None,
    }
}

fn incompatible(left: &Value, right: &Value) -> Fault {
    format!(
        "incompatible types for comparison: {} and {}",
        left.type_name(),
        right.type_name()
    )
    .into()
}

fn equal(left: &Value, right: &Value) -> Result<bool, Fault> {
    match (left, right) {
        (Value::Nil, Value::Nil) => return Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => return Ok(false),
        (Value::Time(left), Value::Time(right)) => return Ok(left.timestamp() == right.timestamp()),
        _ => {}
    }
    match (basic(left), basic(right)) {
        (Some(Basic::Bool(left)), Some(Basic::Bool(right))) => Ok(left == right),
        (Some(Basic::Int(left)), Some(Basic::Int(right))) => Ok(left == right),
        (Some(Basic::Float(left)), Some(Basic::Float(right))) => Ok(left == right),
        (Some(Basic::Text(left)), Some(Basic::Text(right))) => Ok(left == right),
        (None, None) => Err(format!("non-comparable type {}", left.type_name()).into()),
        _ => Err(incompatible(left, right)),
    }
}

fn less(left: &Value, right: &Value) -> Result<bool, Fault> {
    match (basic(left), basic(right)) {
        (Some(Basic::Int(left)), Some(Basic::Int(right))) => Ok(left < right),
        (Some(Basic::Float(left)), Some(Basic::Float(right))) => Ok(left < right),
        (Some(Basic::Text(left)), Some(Basic::Text(right))) => Ok(left < right),
        (Some(Basic::Bool(_)), Some(Basic::Bool(_))) | (None, _) | (_, None) => {
            Err("invalid type for comparison".into())
        }
        _ => Err(incompatible(left, right)),
    }
}

fn length(value: &Value) -> Result<Value, Fault> {
    let length = match value.plain() {
        Value::String(text) | Value::Safe(_, text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.entries().len(),
        Value::Nil => return Err("len of nil pointer".into()),
        other => return Err(format!("len of type {}", other.type_name()).into()),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn position(key: &Value, length: usize) -> Result<usize, Fault> {
    match key {
        Value::Int(at) => usize::try_from(*at)
            .ok()
            .filter(|at| *at <= length)
            .ok_or_else(|| format!("index out of range: {at}").into()),
        Value::Nil => Err("cannot index slice/array with nil".into()),
        other => Err(format!("cannot index slice/array with type {}", other.type_name()).into()),
    }
}

fn index(value: &Value, key: &Value) -> Result<Value, Fault> {
    let out_of_range = || Fault::from(format!("index out of range: {key}"));
    match value.plain() {
        Value::List(list) => {
            let at = position(key, list.items().len())?;
            list.items().get(at).cloned().ok_or_else(out_of_range)
        }
        Value::String(text) | Value::Safe(_, text) => {
            let byte = text.as_bytes().get(position(key, text.len())?);
            byte.map(|byte| Value::Int((*byte).into()))
                .ok_or_else(out_of_range)
        }
        Value::Map(map) => match key.as_text() {
            Some(key) => Ok(map.get(key)),
            None => Err(format!("value has type {}; should be string", key.type_name()).into()),
        },
        Value::Nil => Err("index of untyped nil".into()),
        other => Err(format!("can't index item of type {}", other.type_name()).into()),
    }
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, Fault> {
    let plain = value.plain();
    let length = match &plain {
        Value::String(text) | Value::Safe(_, text) if bounds.len() < 3 => text.len(),
        Value::String(_) | Value::Safe(..) => return Err("cannot 3-index slice a string".into()),
        Value::List(list) => list.items().len(),
        Value::Nil => return Err("slice of untyped nil".into()),
        other => return Err(format!("can't slice item of type {}", other.type_name()).into()),
    };
    let at = |which: usize, otherwise: usize| {
        bounds
            .get(which)
            .map_or(Ok(otherwise), |bound| position(bound, length))
    };
    let start = at(0, 0)?;
    let end = at(1, length)?;
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}").into());
    }
    if at(2, length)? < end {
        return Err(format!("invalid slice index: {end} > {}", at(2, length)?).into());
    }
    match plain {
        Value::List(list) => Ok(list.items()[start..end]
            .iter()
            .cloned()
            .collect::<List>()
            .into()),
        // Go cuts bytes; what is no longer UTF-8 becomes the replacement character.
        other => {
            let text = other.as_text().map_or(&[][..], |text| text.as_bytes());
            Ok(Value::String(Arc::from(String::from_utf8_lossy(
                &text[start..end],
            ))))
        }
    }
}
