//! Prometheus's own tests of PromQL, read from the shared conformance files where they are present.
//!
//! Histogram samples are left out when loading: class `classic` holds without them. Each instant query is also run as
//! the middle of a range query, and with `@` put on every selector at other times, as the reference runner does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use outrigger::model::labels::Labels;
use outrigger::model::sample::{STALE_NAN, Sample, is_stale};
use outrigger::promql::ast::{AtModifier, Expr, ExprKind, TimeModifiers};
use outrigger::promql::eval::{
    Deadline, Engine, EvalError, Query, QueryRange, QueryResult, QueryValue,
};
use outrigger::promql::parser::parse;
use outrigger::storage::query::Series;
use serde_json::Value;

use crate::memory_source::MemorySource;

#[test]
fn promql_answers_as_prometheus_does() {
    let Some(files) = conformance_files() else {
        println!(
            "promql_answers_as_prometheus_does did not run: ../shared/conformance/promql/json is absent"
        );
        return;
    };
    let mut tally: std::collections::BTreeMap<String, (usize, usize)> = Default::default();
    let mut failures = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a readable file");
        let commands: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        let mut source = MemorySource::default();
        for command in commands {
            match command["cmd"].as_str().expect("a command") {
                "clear" => source.clear(),
                "load" => load(&mut source, &command),
                _ => {
                    let class = command["class"].as_str().expect("a class").to_owned();
                    let (passed, all) = tally.entry(class.clone()).or_default();
                    *all += 1;
                    match check(&source, &command) {
                        Ok(()) => *passed += 1,
                        Err(reason) => failures.push((
                            class,
                            format!(
                                "{}:{} {}: {reason}",
                                file.file_stem().expect("a name").to_string_lossy(),
                                command["source_line"],
                                command["expr"].as_str().unwrap_or_default()
                            ),
                        )),
                    }
                }
            }
        }
    }
    for (class, (passed, all)) in &tally {
        println!("{class}: {passed} of {all}");
    }
    for (class, failure) in &failures {
        if class == "classic" || class == "experimental" {
            println!("[{class}] {failure}");
        }
    }
    let classic = failures
        .iter()
        .filter(|(class, _)| class == "classic")
        .count();
    assert_eq!(classic, 0, "classic evaluations fail");
}

fn conformance_files() -> Option<Vec<PathBuf>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/promql/json");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .ok()?
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    Some(files)
}

fn load(source: &mut MemorySource, command: &Value) {
    for series in command["series"].as_array().expect("series") {
        let samples: Vec<_> = series["samples"]
            .as_array()
            .expect("samples")
            .iter()
            .filter_map(|sample| {
                Some(Sample {
                    timestamp_ms: sample[0].as_i64().expect("a time"),
                    value: number(&sample[1])?,
                })
            })
            .collect();
        if !samples.is_empty() {
            source.append(labels(&series["labels"]), samples);
        }
    }
}

fn labels(value: &Value) -> Labels {
    Labels::from_pairs(
        value
            .as_object()
            .expect("labels")
            .iter()
            .map(|(name, value)| (name, value.as_str().expect("a label's value"))),
    )
}

/// A float; `None` for histograms.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Object(_) => None,
        Value::String(text) => Some(match text.as_str() {
            "stale" => STALE_NAN,
            text => text.parse().expect("a float"),
        }),
        number => Some(number.as_f64().expect("a number")),
    }
}

fn run(
    source: &MemorySource,
    text: &str,
    expr: &Expr,
    when: When,
) -> Result<QueryResult, EvalError> {
    let engine = Engine::default();
    let deadline = Deadline::after(Duration::from_secs(60));
    let query = Query {
        text,
        expr,
        deadline: &deadline,
    };
    match when {
        When::At(at_ms) => engine.instant(source, &query, at_ms),
        When::During(range) => engine.range(source, &query, range),
    }
}

#[derive(Clone, Copy)]
enum When {
    At(i64),
    During(QueryRange),
}

fn check(source: &MemorySource, command: &Value) -> Result<(), String> {
    let text = command["expr"].as_str().expect("an expression");
    let millis = |name: &str| command[name].as_i64().unwrap_or_default();
    let when = if command["type"] == "instant" {
        When::At(millis("at_ms"))
    } else {
        When::During(QueryRange {
            start_ms: millis("start_ms"),
            end_ms: millis("end_ms"),
            step_ms: millis("step_ms"),
        })
    };
    let parsed = parse(text);
    let fails = command["fail"].as_array();
    let expr = match (parsed, fails) {
        (Ok(expr), _) => expr,
        (Err(_), Some(_)) => return Ok(()),
        (Err(error), None) => return Err(format!("is not parsed: {error}")),
    };
    let result = match (run(source, text, &expr, when), fails) {
        (Err(error), Some(expected)) => {
            return matches_one(&error.to_string(), expected)
                .then_some(())
                .ok_or_else(|| format!("fails with {error:?}, want {expected:?}"));
        }
        (Err(error), None) => return Err(format!("fails: {error}")),
        (Ok(result), Some(_)) => return Err(format!("should fail, is {:?}", result.value)),
        (Ok(result), None) => result,
    };
    check_annotations(command, "warn", &result.warnings)?;
    check_annotations(command, "info", &result.infos)?;
    check_value(command, &result.value, when)?;
    if let (When::At(at), QueryValue::Vector(_) | QueryValue::Scalar { .. }) = (when, &result.value)
    {
        check_as_middle_of_a_range(source, command, &expr, at)?;
        check_with_fixed_time(source, command, &expr, at)?;
    }
    Ok(())
}

fn matches_one(text: &str, expected: &[Value]) -> bool {
    expected.iter().any(|expected| {
        if let Some(message) = expected["msg"].as_str() {
            message == text
        } else if let Some(pattern) = expected["regex"].as_str() {
            regex::Regex::new(pattern)
                .expect("a pattern")
                .is_match(text)
        } else {
            true
        }
    })
}

fn check_annotations(command: &Value, kind: &str, got: &[String]) -> Result<(), String> {
    if command[format!("no_{kind}")] == Value::Bool(true) && !got.is_empty() {
        return Err(format!("unwanted {kind}: {got:?}"));
    }
    let Some(expected) = command[kind].as_array() else {
        return Ok(());
    };
    let all_met = expected.iter().all(|one| {
        got.iter()
            .any(|text| matches_one(text, std::slice::from_ref(one)))
    });
    if all_met && got.iter().all(|text| matches_one(text, expected)) {
        Ok(())
    } else {
        Err(format!("{kind} is {got:?}, want {expected:?}"))
    }
}

fn check_value(command: &Value, got: &QueryValue, when: When) -> Result<(), String> {
    match got {
        QueryValue::Scalar { value, .. } => match number(&command["scalar"]) {
            Some(want) if almost_equal(*value, want) => Ok(()),
            want => Err(format!("is scalar {value}, want {want:?}")),
        },
        QueryValue::String { value, .. } => (command["string"].as_str().unwrap_or_default()
            == value)
            .then_some(())
            .ok_or_else(|| format!("is {value:?}, want {}", command["string"])),
        QueryValue::Vector(vector) => {
            let series: Vec<_> = vector
                .iter()
                .map(|sample| Series {
                    labels: sample.labels.clone(),
                    samples: vec![Sample {
                        timestamp_ms: sample.timestamp_ms,
                        value: sample.value,
                    }],
                })
                .collect();
            let at = vector.first().map_or(0, |sample| sample.timestamp_ms);
            let ordered = command["ordered"] == Value::Bool(true);
            same_series(series, expected(command, at, 1), ordered)
        }
        QueryValue::Matrix(series) => {
            let (start, step) = match when {
                When::During(range) => (range.start_ms, range.step_ms),
                When::At(_) => {
                    let range = &command["range_vector"];
                    let millis = |name: &str| range[name].as_i64().expect("a time");
                    (millis("start_ms"), millis("step_ms"))
                }
            };
            if let (When::During(_), Some(want)) = (when, number_of(&command["scalar"])) {
                let constant = series.len() == 1
                    && series[0]
                        .samples
                        .iter()
                        .all(|sample| almost_equal(sample.value, want));
                return constant
                    .then_some(())
                    .ok_or_else(|| format!("is {series:?}, want {want}"));
            }
            same_series(series.clone(), expected(command, start, step), false)
        }
    }
}

fn number_of(value: &Value) -> Option<f64> {
    (!value.is_null()).then(|| number(value)).flatten()
}

/// Expected series; points without a value are left out, as are histograms.
fn expected(command: &Value, start: i64, step: i64) -> Vec<Series> {
    command["expected"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|series| Series {
            labels: labels(&series["labels"]),
            samples: series["values"]
                .as_array()
                .expect("values")
                .iter()
                .zip(0..)
                .filter(|(value, _)| !value.is_null())
                .filter_map(|(value, index)| {
                    Some(Sample {
                        timestamp_ms: start + index * step,
                        value: number(value)?,
                    })
                })
                .collect(),
        })
        .filter(|series| !series.samples.is_empty())
        .collect()
}

fn same_series(mut got: Vec<Series>, mut want: Vec<Series>, ordered: bool) -> Result<(), String> {
    if !ordered {
        got.sort_by(|a, b| a.labels.cmp(&b.labels));
        want.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
    let same = got.len() == want.len()
        && got.iter().zip(&want).all(|(got, want)| {
            got.labels == want.labels
                && got.samples.len() == want.samples.len()
                && got.samples.iter().zip(&want.samples).all(|(got, want)| {
                    got.timestamp_ms == want.timestamp_ms && almost_equal(got.value, want.value)
                })
        });
    same.then_some(())
        .ok_or_else(|| format!("is {}, want {}", print(&got), print(&want)))
}

fn print(series: &[Series]) -> String {
    let lines: Vec<_> = series
        .iter()
        .map(|series| {
            let samples: Vec<_> = series
                .samples
                .iter()
                .map(|sample| format!("{}@{}", sample.value, sample.timestamp_ms))
                .collect();
            format!("{} {}", series.labels, samples.join(" "))
        })
        .collect();
    format!("[{}]", lines.join("; "))
}

fn almost_equal(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if a.is_nan() && b.is_nan() || a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < 1e-6 * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < 1e-6
}

/// Reference check (a): the query as the middle point of a range query.
fn check_as_middle_of_a_range(
    source: &MemorySource,
    command: &Value,
    expr: &Expr,
    at: i64,
) -> Result<(), String> {
    let text = command["expr"].as_str().unwrap_or_default();
    let own_time = ["start()", "end()", "range()", "step()"]
        .iter()
        .any(|word| text.contains(word));
    if own_time || command["ordered"] == Value::Bool(true) {
        return Ok(());
    }
    let range = QueryRange {
        start_ms: at - 60_000,
        end_ms: at + 60_000,
        step_ms: 60_000,
    };
    let result = run(source, text, expr, When::During(range))
        .map_err(|error| format!("as a range: {error}"))?;
    let QueryValue::Matrix(series) = result.value else {
        return Err("as a range: is no matrix".to_owned());
    };
    let middle: Vec<_> = series
        .into_iter()
        .map(|mut series| {
            series.samples.retain(|sample| sample.timestamp_ms == at);
            series
        })
        .filter(|series| !series.samples.is_empty())
        .collect();
    let want = match number_of(&command["scalar"]) {
        Some(value) => vec![Series {
            labels: Labels::empty(),
            samples: vec![Sample {
                timestamp_ms: at,
                value,
            }],
        }],
        None => expected(command, at, 1),
    };
    same_series(middle, want, false).map_err(|reason| format!("as a range: {reason}"))
}

/// Reference check (b): with `@` on every selector the time of evaluation does not matter.
fn check_with_fixed_time(
    source: &MemorySource,
    command: &Value,
    expr: &Expr,
    at: i64,
) -> Result<(), String> {
    const READS_TIME: [&str; 14] = [
        "time",
        "start",
        "end",
        "range",
        "step",
        "timestamp",
        "predict_linear",
        "hour",
        "minute",
        "month",
        "year",
        "day_of_month",
        "day_of_week",
        "days_in_month",
    ];
    let text = command["expr"].as_str().unwrap_or_default();
    if READS_TIME.iter().any(|word| text.contains(word)) || text.contains("day_of_year") {
        return Ok(());
    }
    let mut fixed = expr.clone();
    fix_time(&mut fixed, at);
    for other in [-10 * at, 0, at / 5, at, 10 * at] {
        let result = run(source, text, &fixed, When::At(other))
            .map_err(|error| format!("with @ at {other}: {error}"))?;
        check_value_at(command, result.value)
            .map_err(|reason| format!("with @ at {other}: {reason}"))?;
    }
    Ok(())
}

fn check_value_at(command: &Value, value: QueryValue) -> Result<(), String> {
    check_value(command, &value, When::At(0))
}

fn fix_time(expr: &mut Expr, at: i64) {
    let fix = |modifiers: &mut TimeModifiers| {
        modifiers.at.get_or_insert(AtModifier::Timestamp(at));
    };
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::QueryTime(_) => {}
        ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => fix(&mut selector.at),
        // What is inside is evaluated at the subquery's own times.
        ExprKind::Subquery { at: own, .. } => fix(own),
        ExprKind::Call { args, .. } => args.iter_mut().for_each(|arg| fix_time(arg, at)),
        ExprKind::Aggregate(aggregate) => {
            fix_time(&mut aggregate.expr, at);
            if let Some(param) = &mut aggregate.param {
                fix_time(param, at);
            }
        }
        ExprKind::Binary(binary) => {
            fix_time(&mut binary.left, at);
            fix_time(&mut binary.right, at);
        }
        ExprKind::Unary { expr, .. } | ExprKind::Paren(expr) => fix_time(expr, at),
    }
}
