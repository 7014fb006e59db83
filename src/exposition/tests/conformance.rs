//! The shared parser cases, when they lie beside the repository: good and bad ones are binding, lenient ones (where
//! authorities differ) are counted against what Prometheus does.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::exposition::format::Format;
use crate::exposition::report::to_json;

#[test]
fn the_shared_cases_are_read_as_prometheus_reads_them() {
    let cases =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/textformat/given");
    if !cases.is_dir() {
        eprintln!(
            "the_shared_cases_are_read_as_prometheus_reads_them did not run: no shared cases here"
        );
        return;
    }
    let mut failures = Vec::new();
    for class in ["good", "bad", "lenient"] {
        let paths = cases_in(&cases.join(class));
        assert!(!paths.is_empty(), "no {class} cases");
        let before = failures.len();
        for path in &paths {
            if let Some(why) = differs(path) {
                failures.push(format!("{class} {}: {why}", path.display()));
            }
        }
        let matching = paths.len() - (failures.len() - before);
        println!("{class}: {matching} of {} as Prometheus", paths.len());
    }
    let (lenient, binding): (Vec<String>, Vec<String>) = failures
        .into_iter()
        .partition(|failure| failure.starts_with("lenient"));
    println!("{}", lenient.join("\n"));
    assert!(binding.is_empty(), "\n{}", binding.join("\n"));
}

fn cases_in(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .expect("a directory of cases")
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    paths.sort();
    paths
}

/// How our reading of a case differs from the expected one.
fn differs(path: &Path) -> Option<String> {
    let case: Value = serde_json::from_slice(&fs::read(path).expect("a case")).expect("JSON");
    let name = case["format"].as_str().expect("a format");
    let format = Format::from_name(name).expect("a known format");
    let body = path.with_extension(match format {
        Format::OpenMetrics => "openmetrics",
        Format::PrometheusText => "prom",
    });
    let got = to_json(&fs::read(body).expect("an exposition"), format);
    // Through the same reader as the case: serde_json may read a float one bit off.
    let got: Value = serde_json::from_str(&got.to_string()).expect("our own JSON");
    let accept = case["prometheus_expect"] == "accept";
    if got["ok"] != accept {
        return Some(format!("expected accept = {accept}, got {got}"));
    }
    if !accept {
        return None;
    }
    // Prometheus drops an exemplar over the limit after parsing, we drop it in the report: lenient cases show that.
    let parts: &[&str] = if case["expect"] == "either" {
        &["samples"]
    } else {
        &["samples", "exemplars", "types", "help", "units"]
    };
    for part in parts.iter().copied() {
        let (mine, theirs) = (plain(&got[part]), plain(&case[part]));
        if part == "samples" && theirs.is_null() {
            return Some("the case has no samples".to_owned());
        }
        if !theirs.is_null() && mine != theirs {
            return Some(format!("{part}: got {mine}, expected {theirs}"));
        }
    }
    None
}

/// Every number as a float, so that `1` equals `1.0`; objects compare without order anyway.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(entries) => entries
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
        other => other.clone(),
    }
}
