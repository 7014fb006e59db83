//! The table of functions a template may call beside Go's own, and what the two products' tables share.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use regex::Regex;

use super::Context;
use super::builtins::wrong_type;
use super::error::Fault;
use super::format::{self, Capped};
use super::value::{Safe, Value};
use super::{alertmanager, prometheus, time};
use crate::model::re2;

/// A template function.
pub type Function = Arc<dyn Fn(&Context<'_>, &[Value]) -> Result<Value, Fault> + Send + Sync>;

/// Functions by name. Cheap to clone.
#[derive(Clone)]
pub struct Functions(Arc<BTreeMap<&'static str, Function>>);

impl fmt::Debug for Functions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.keys()).finish()
    }
}

impl Functions {
    /// Go's own functions only.
    pub fn none() -> Self {
        Self(Arc::default())
    }

    /// Those of Prometheus's rules.
    ///
    /// <https://prometheus.io/docs/prometheus/latest/configuration/template_reference/#functions>
    pub fn prometheus() -> Self {
        prometheus::functions()
    }

    /// Those of Alertmanager's notification templates.
    ///
    /// <https://prometheus.io/docs/alerting/latest/notifications/#functions>
    pub fn alertmanager() -> Self {
        alertmanager::functions()
    }

    /// With one function more, or another one under a name.
    #[must_use]
    pub fn with(
        mut self,
        name: &'static str,
        function: impl Fn(&Context<'_>, &[Value]) -> Result<Value, Fault> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.0).insert(name, Arc::new(function));
        self
    }

    pub(super) fn get(&self, name: &str) -> Option<&Function> {
        self.0.get(name)
    }

    /// Those both products have.
    pub(super) fn shared() -> Self {
        Self::none()
            .with("toUpper", |_, args| Ok(text(args)?.to_uppercase().into()))
            .with("toLower", |_, args| Ok(text(args)?.to_lowercase().into()))
            .with("safeHtml", |_, args| {
                Ok(Value::Safe(Safe::Html, text(args)?.into()))
            })
            .with("match", |_, args| {
                let [pattern, text] = texts(args)?;
                Ok(compile(pattern)?.is_match(text).into())
            })
            .with("reReplaceAll", |context, args| {
                let [pattern, replacement, text] = texts(args)?;
                replace_all(&compile(pattern)?, replacement, text, context.limits.output)
            })
            .with("humanizeDuration", |_, args| {
                Ok(humanize_duration(number(one(args)?)?).into())
            })
    }
}

/// The only argument.
pub(super) fn one(args: &[Value]) -> Result<&Value, Fault> {
    match args {
        [value] => Ok(value),
        _ => Err(format!("wrong number of args: want 1 got {}", args.len()).into()),
    }
}

/// All arguments as texts.
pub(super) fn texts<const N: usize>(args: &[Value]) -> Result<[&str; N], Fault> {
    if args.len() != N {
        return Err(format!("wrong number of args: want {N} got {}", args.len()).into());
    }
    let mut found = [""; N];
    for (slot, value) in found.iter_mut().zip(args) {
        *slot = value.as_text().ok_or_else(|| wrong_type(value, "string"))?;
    }
    Ok(found)
}

/// The only argument as text.
pub(super) fn text(args: &[Value]) -> Result<&str, Fault> {
    texts::<1>(args).map(|[text]| text)
}

/// A number, or a text or duration taken as one (a duration in seconds).
pub(super) fn number(value: &Value) -> Result<f64, Fault> {
    match value {
        Value::Float(value) => Ok(*value),
        Value::Int(value) => Ok(*value as f64),
        Value::Duration(nanos) => Ok(*nanos as f64 / 1e9),
        Value::String(text) => parse_float(text).ok_or_else(|| {
            let shown = format::quote(text, false);
            format!("strconv.ParseFloat: parsing {shown}: invalid syntax").into()
        }),
        other => Err(format!("can't convert {} to float", other.type_name()).into()),
    }
}

/// As Go's `strconv.ParseFloat`, without hexadecimal and underscores.
fn parse_float(text: &str) -> Option<f64> {
    text.parse().ok()
}

fn compile(pattern: &str) -> Result<Regex, Fault> {
    re2::compile(pattern).map_err(|error| error.to_string().into())
}

fn replace_all(
    pattern: &Regex,
    replacement: &str,
    text: &str,
    limit: usize,
) -> Result<Value, Fault> {
    let mut out = Capped::new(limit);
    let mut expanded = String::new();
    let mut copied = 0;
    for found in pattern.captures_iter(text) {
        let whole = found.get_match();
        out.write_str(&text[copied..whole.start()])?;
        expanded.clear();
        found.expand(replacement, &mut expanded);
        out.write_str(&expanded)?;
        copied = whole.end();
    }
    out.write_str(&text[copied..])?;
    Ok(out.into_text().into())
}

/// Seconds as `1d 2h 3m 4s`, `12.35s` or `1.5ms`.
pub(super) fn humanize_duration(seconds: f64) -> String {
    if seconds.is_nan() || seconds.is_infinite() {
        return format::significant(seconds, 4);
    }
    if seconds == 0.0 {
        return format!("{}s", format::significant(seconds, 4));
    }
    if seconds.abs() < 1.0 {
        let (scaled, prefix) = smaller(seconds);
        return format!("{}{prefix}s", format::significant(scaled, 4));
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let size = seconds.abs();
    // Saturates where Go would wrap around.
    let whole = size as i64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    let rest = whole % 60;
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", format::significant(size, 4)),
        (0, 0, _) => format!("{sign}{minutes}m {rest}s"),
        (0, _, _) => format!("{sign}{hours}h {minutes}m {rest}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {rest}s"),
    }
}

/// Scales a number below 1 up, with the prefix for it.
pub(super) fn smaller(number: f64) -> (f64, &'static str) {
    scaled(
        number,
        &["m", "u", "n", "p", "f", "a", "z", "y"],
        |number| (number.abs() < 1.0).then_some(number * 1000.0),
    )
}

/// Takes steps as long as `step` gives the next number.
pub(super) fn scaled(
    number: f64,
    prefixes: &[&'static str],
    step: impl Fn(f64) -> Option<f64>,
) -> (f64, &'static str) {
    let mut current = (number, "");
    for prefix in prefixes {
        match step(current.0) {
            Some(next) => current = (next, prefix),
            None => break,
        }
    }
    current
}

/// Capitalises the first letter of each word; the other letters stay, or become small. A word may begin with digits.
pub(super) fn title(text: &str, lower_rest: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = false;
    let mut capitalised = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        // An apostrophe or a dot between letters does not end a word.
        let joins = word
            && matches!(c, '\'' | '\u{2019}' | '.' | ':')
            && chars.peek().is_some_and(|next| next.is_alphabetic());
        word = joins || c.is_alphanumeric() || c == '_';
        match (c.is_alphabetic(), capitalised && word) {
            (true, false) => out.extend(c.to_uppercase()),
            (true, true) if lower_rest => out.extend(c.to_lowercase()),
            _ => out.push(c),
        }
        capitalised = word && (capitalised || c.is_alphabetic());
    }
    out
}

/// A time for functions that take one.
pub(super) fn instant(value: &Value) -> Result<&jiff::Zoned, Fault> {
    match value {
        Value::Time(time) => Ok(time),
        other => Err(wrong_type(other, "time.Time")),
    }
}

/// Writes `value` as Go's `encoding/json` does, with `<`, `>` and `&` escaped.
pub(super) fn json(out: &mut Capped, value: &Value) -> Result<(), Fault> {
    match value {
        Value::Nil => out.write_str("null")?,
        Value::Bool(value) => write!(out, "{value}")?,
        Value::Int(value) | Value::Duration(value) => write!(out, "{value}")?,
        Value::Float(value) if value.is_finite() => json_float(out, *value)?,
        Value::Float(value) => {
            let shown = Value::Float(*value);
            return Err(format!("json: unsupported value: {shown}").into());
        }
        Value::String(text) | Value::Safe(_, text) => json_text(out, text)?,
        Value::Time(time) => json_text(out, &time::rfc3339(time))?,
        Value::List(list) => {
            out.write_char('[')?;
            for (index, item) in list.items().iter().enumerate() {
                if index > 0 {
                    out.write_char(',')?;
                }
                json(out, item)?;
            }
            out.write_char(']')?;
        }
        Value::Map(map) => {
            out.write_char('{')?;
            for (index, (key, item)) in map.entries().iter().enumerate() {
                if index > 0 {
                    out.write_char(',')?;
                }
                json_text(out, key)?;
                out.write_char(':')?;
                json(out, item)?;
            }
            out.write_char('}')?;
        }
        Value::Object(object) => json(out, &object.json())?,
    }
    Ok(())
}

/// Plain notation from 1e-6 up to 1e21, the exponent without leading zeros otherwise.
fn json_float(out: &mut Capped, value: f64) -> fmt::Result {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((mantissa, exponent)) if !exponent.starts_with('-') => {
                write!(out, "{mantissa}e+{exponent}")
            }
            _ => out.write_str(&text),
        };
    }
    write!(out, "{value}")
}

fn json_text(out: &mut Capped, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\u{8}' => out.write_str("\\b")?,
            '\u{c}' => out.write_str("\\f")?,
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                write!(out, "\\u{:04x}", u32::from(c))?
            }
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}
