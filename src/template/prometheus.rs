//! Functions of Prometheus's rule templates.
//!
//! <https://prometheus.io/docs/prometheus/latest/configuration/template_reference/>. Numbers are printed exactly as
//! Prometheus prints them. `now` and `urlQueryEscape` are newer than Prometheus 3.5.

use std::net::IpAddr;
use std::sync::Arc;

use super::builtins::wrong_type;
use super::error::Fault;
use super::format;
use super::functions::{Functions, number, one, scaled, smaller, text, texts, title};
use super::time;
use super::value::{Map, Object, Value};

/// One element of an instant vector, for templates: `.Labels` and `.Value`.
#[derive(Debug, Clone)]
pub struct QuerySample {
    labels: Map,
    value: Value,
}

impl QuerySample {
    /// From labels, the metric's name among them as `__name__`, and a value: a float, or the text of a histogram.
    pub fn new<K: Into<Arc<str>>, V: Into<Arc<str>>>(
        labels: impl IntoIterator<Item = (K, V)>,
        value: impl Into<Value>,
    ) -> Self {
        Self {
            labels: Map::strings(labels),
            value: value.into(),
        }
    }
}

impl Object for QuerySample {
    fn type_name(&self) -> &'static str {
        "*template.sample"
    }

    fn get(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        match (name, args) {
            ("Labels", []) => Some(Ok(self.labels.clone().into())),
            ("Value", []) => Some(Ok(self.value.clone())),
            _ => None,
        }
    }

    fn text(&self) -> Option<String> {
        let labels = Value::Map(self.labels.clone());
        Some(format!("{{{labels} {}}}", self.value))
    }
}

fn field(sample: &Value, name: &str) -> Result<Value, Fault> {
    match sample {
        Value::Object(object) if object.type_name() == "*template.sample" => object
            .get(name, &[])
            .unwrap_or(Ok(Value::Nil))
            .map_err(Fault::from),
        other => Err(wrong_type(other, "*template.sample")),
    }
}

fn label(sample: &Value, name: &str) -> Result<Value, Fault> {
    match field(sample, "Labels")? {
        Value::Map(labels) => Ok(labels.get(name)),
        other => Err(wrong_type(&other, "map[string]string")),
    }
}

fn samples(value: &Value) -> Result<&[Value], Fault> {
    match value {
        Value::List(list) => Ok(list.items()),
        other => Err(wrong_type(other, "template.queryResult")),
    }
}

pub(super) fn functions() -> Functions {
    numbers(vectors(Functions::shared()))
        .with("title", |_, args| Ok(title(text(args)?, false).into()))
        .with("args", |_, args| {
            let map: Map = args
                .iter()
                .enumerate()
                .map(|(index, value)| (format!("arg{index}"), value.clone()))
                .collect();
            Ok(map.into())
        })
        .with("stripPort", |_, args| {
            let address = text(args)?;
            Ok(split_host_port(address)
                .map_or(address, |(host, _)| host)
                .into())
        })
        .with(
            "stripDomain",
            |_, args| Ok(strip_domain(text(args)?).into()),
        )
        .with("graphLink", |_, args| Ok(link(text(args)?, 0)))
        .with("tableLink", |_, args| Ok(link(text(args)?, 1)))
        .with("urlQueryEscape", |_, args| {
            Ok(gotmpl::url_encode(text(args)?).into())
        })
        .with("externalURL", |context, _| Ok(context.external_url.into()))
        .with("pathPrefix", |context, _| {
            let path = url::Url::parse(context.external_url).map(|url| url.path().to_string());
            let path = path.unwrap_or_default();
            // Go keeps an absent path absent.
            let absent = path == "/" && !context.external_url.ends_with('/');
            Ok(if absent { "".into() } else { path.into() })
        })
        // Known by name only: rendering a template needs the machine, which answers it itself.
        .with("tmpl", |_, _| {
            Err("wrong arguments: want a template's name and data".into())
        })
}

fn link(expression: &str, tab: u8) -> Value {
    let expression = gotmpl::url_encode(expression);
    format!("/graph?g0.expr={expression}&g0.tab={tab}").into()
}

fn vectors(functions: Functions) -> Functions {
    functions
        .with("query", |context, args| {
            let expression = text(args)?;
            match context.query {
                Some(query) => {
                    let samples = query(expression)?;
                    Ok(Value::List(
                        samples.into_iter().map(Value::object).collect(),
                    ))
                }
                None => Err("queries are not available here".into()),
            }
        })
        .with("first", |_, args| match samples(one(args)?)? {
            [first, ..] => Ok(first.clone()),
            [] => Err("first() called on vector with no elements".into()),
        })
        .with("value", |_, args| field(one(args)?, "Value"))
        .with("strvalue", |_, args| label(one(args)?, "__value__"))
        .with("label", |_, args| match args {
            [name, sample] => label(sample, texts::<1>(std::slice::from_ref(name))?[0]),
            _ => Err("wrong number of args: want 2".into()),
        })
        .with("sortByLabel", |_, args| match args {
            [name, vector] => {
                let [name] = texts(std::slice::from_ref(name))?;
                let mut keyed = Vec::new();
                for sample in samples(vector)? {
                    let key = label(sample, name)?.as_text().cloned().unwrap_or_default();
                    keyed.push((key, sample.clone()));
                }
                keyed.sort_by(|(left, _), (right, _)| left.cmp(right));
                Ok(Value::List(
                    keyed.into_iter().map(|(_, sample)| sample).collect(),
                ))
            }
            _ => Err("wrong number of args: want 2".into()),
        })
}

fn numbers(functions: Functions) -> Functions {
    functions
        .with("humanize", |_, args| {
            Ok(humanize(number(one(args)?)?).into())
        })
        .with("humanize1024", |_, args| {
            Ok(humanize1024(number(one(args)?)?).into())
        })
        .with("humanizePercentage", |_, args| {
            let percent = number(one(args)?)? * 100.0;
            Ok(format!("{}%", format::significant(percent, 4)).into())
        })
        .with("humanizeTimestamp", |_, args| {
            let seconds = number(one(args)?)?;
            if seconds.is_nan() || seconds.is_infinite() {
                return Ok(format::significant(seconds, 4).into());
            }
            Ok(time::text(&time::from_seconds(seconds)?).into())
        })
        .with("toTime", |_, args| {
            let seconds = number(one(args)?)?;
            if seconds.is_nan() || seconds.is_infinite() {
                return Err("value is NaN or Inf".into());
            }
            Ok(time::from_seconds(seconds)?.into())
        })
        .with("toDuration", |_, args| {
            let nanos = number(one(args)?)? * 1e9;
            // The bounds themselves are out: i64::MAX is not a float.
            if nanos > i64::MIN as f64 && nanos < i64::MAX as f64 {
                Ok(Value::Duration(nanos as i64))
            } else {
                Err("value cannot be represented as a duration".into())
            }
        })
        .with("parseDuration", |_, args| {
            let nanos = time::parse_duration(text(args)?)?;
            Ok((nanos as f64 / 1e9).into())
        })
        .with("now", |context, args| match args {
            [] => Ok((context.now.as_millisecond() as f64 / 1000.0).into()),
            _ => Err("wrong number of args: want 0".into()),
        })
}

fn humanize(value: f64) -> String {
    if value == 0.0 || value.is_nan() || value.is_infinite() {
        return format::significant(value, 4);
    }
    let (scaled, prefix) = if value.abs() >= 1.0 {
        scaled(value, &["k", "M", "G", "T", "P", "E", "Z", "Y"], |value| {
            (value.abs() >= 1000.0).then_some(value / 1000.0)
        })
    } else {
        smaller(value)
    };
    format!("{}{prefix}", format::significant(scaled, 4))
}

fn humanize1024(value: f64) -> String {
    if value.abs() <= 1.0 || value.is_nan() || value.is_infinite() {
        return format::significant(value, 4);
    }
    let (scaled, prefix) = scaled(
        value,
        &["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"],
        |value| (value.abs() >= 1024.0).then_some(value / 1024.0),
    );
    format!("{}{prefix}", format::significant(scaled, 4))
}

/// Host and port of `host:port` or `[host]:port`, as Go's `net.SplitHostPort`.
fn split_host_port(address: &str) -> Option<(&str, &str)> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = port.strip_prefix(':')?;
        return (!host.contains('[') && !port.contains([':', '[', ']'])).then_some((host, port));
    }
    let (host, port) = address.rsplit_once(':')?;
    (!host.contains([':', '[', ']']) && !port.contains(['[', ']'])).then_some((host, port))
}

fn strip_domain(address: &str) -> String {
    let (host, port) = split_host_port(address).unwrap_or((address, ""));
    if host.parse::<IpAddr>().is_ok() {
        return address.to_string();
    }
    let name = host.split('.').next().unwrap_or(host);
    match port {
        "" => name.to_string(),
        port if name.contains(':') => format!("[{name}]:{port}"),
        port => format!("{name}:{port}"),
    }
}
