//! Table tests. The tables in `tests/data/template` hold a template and, below it, `= ` and what it renders to, or
//! `! ` and a part of the error. What renders was compared with Go's own packages.

use std::sync::Arc;

use jiff::Timestamp;

use super::error::{ErrorKind, TemplateError};
use super::functions::Functions;
use super::kv::Kv;
use super::value::{List, Map, Object, Value};
use super::{Context, Limits, TemplateSet};

fn now() -> Timestamp {
    "2024-05-06T08:08:09Z".parse().unwrap()
}

fn data() -> Value {
    let time = "2024-05-06T07:08:09.123456789+00:00[UTC]"
        .parse::<jiff::Zoned>()
        .unwrap();
    let inner: Map = [("b", Value::from("deep"))].into_iter().collect();
    let deep: Map = [("a", Value::from(inner))].into_iter().collect();
    let numbers: List = [1, 2, 3].into_iter().map(Value::Int).collect();
    let fields: Map = [
        ("Name", Value::from("O'Reilly <b>&")),
        ("Value", 1_234_567.0.into()),
        ("Small", 0.1.into()),
        ("Tiny", 1e-7.into()),
        ("Inf", f64::INFINITY.into()),
        ("NegInf", f64::NEG_INFINITY.into()),
        ("NaN", f64::NAN.into()),
        ("Three", 3.0.into()),
        ("Half", 0.5.into()),
        ("Hundred", 100_000.0.into()),
        ("Million", 1e6.into()),
        ("Int", 42.into()),
        ("Neg", (-7).into()),
        ("True", true.into()),
        ("False", false.into()),
        ("Items", Value::texts(["a", "b", "c"])),
        ("Ints", numbers.into()),
        (
            "Labels",
            Map::strings([("job", "api"), ("instance", "host:80")]).into(),
        ),
        ("EmptyMap", Map::strings::<&str, &str>([]).into()),
        ("Nil", Value::Nil),
        ("Empty", Value::texts::<&str>([])),
        ("Deep", deep.into()),
        ("Duration", Value::Duration(3_723_500_000_000)),
        ("Time", time.into()),
        ("Url", "https://x.test/a?b=c d&e=\"f\"".into()),
        ("Js", "javascript:alert(1)".into()),
        ("Script", "</script><x>".into()),
        (
            "Kv",
            Kv::new([("job", "api"), ("alertname", "Down"), ("zone", "z1")]).into(),
        ),
    ]
    .into_iter()
    .collect();
    fields.into()
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => {}
            },
            (c, _) => out.push(c),
        }
    }
    out
}

/// Runs a table; all differences are reported at once.
fn check_table(table: &str, render: impl Fn(&str) -> Result<String, TemplateError>) {
    let mut wrong = String::new();
    let mut lines = table.lines();
    while let Some(text) = lines.next() {
        if text.starts_with("# ") || text.is_empty() {
            continue;
        }
        let wanted = lines.next().unwrap_or_default();
        let got = render(text);
        let shown = match &got {
            Ok(text) => format!("= {text:?}"),
            Err(error) => format!("! {error}"),
        };
        let fits = match (got, wanted.split_at(2)) {
            (Ok(got), ("= ", wanted)) => got == unescape(wanted),
            (Err(error), ("! ", wanted)) => error.to_string().contains(wanted),
            _ => false,
        };
        if !fits {
            wrong.push_str(&format!("{text}\n  wanted {wanted}\n  got    {shown}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn text(set: Functions, text: &str) -> Result<String, TemplateError> {
    TemplateSet::new(set).render_text(text, &data(), &Context::at(now()))
}

#[test]
fn texts_render_as_with_go() {
    check_table(
        include_str!("../../tests/data/template/text.txt"),
        |template| text(Functions::none(), template),
    );
}
