//! The query API beside Debian's Prometheus with the same configuration: the same keys of the same types, the same
//! status for the same mistake.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::support::http;
use crate::support::outrigger::{Outrigger, free_port};
use crate::support::peers::peer;
use crate::support::place::Place;
use crate::support::process::Process;
use crate::support::scene::rule_file;
use crate::support::service::Service;
use crate::support::wait::{PATIENCE, wait_until};

/// Answers whose keys and types are compared.
const ANSWERS: [&str; 18] = [
    "/api/v1/query?query=flag",
    "/api/v1/query?query=flag%5B1m%5D",
    "/api/v1/query?query=1%2B1&time=1700000000",
    "/api/v1/query?query=%22text%22",
    "/api/v1/query?query=absent_metric",
    "/api/v1/query_range?query=flag&start=1700000000&end=1700000060&step=15s",
    "/api/v1/series?match[]=flag",
    "/api/v1/labels",
    "/api/v1/label/job/values",
    "/api/v1/rules",
    "/api/v1/rules?type=alert",
    "/api/v1/rules?type=record",
    "/api/v1/alerts",
    "/api/v1/targets",
    "/api/v1/targets?state=active",
    "/api/v1/metadata?metric=flag",
    "/api/v1/status/buildinfo",
    "/api/v1/status/config",
];

/// Mistakes: status and kind of error are compared.
const MISTAKES: [&str; 10] = [
    "/api/v1/query",
    "/api/v1/query?query=sum(",
    "/api/v1/query?query=up&time=yesterday",
    "/api/v1/query?query=up&timeout=soon",
    "/api/v1/query_range?query=up&start=1&end=2",
    "/api/v1/query_range?query=up&start=2&end=1&step=1",
    "/api/v1/query_range?query=up&start=0&end=100000&step=1",
    "/api/v1/query_range?query=up%5B1m%5D&start=1&end=2&step=1",
    "/api/v1/series",
    "/api/v1/rules?type=other",
];

#[test]
fn the_query_api_has_the_shapes_of_prometheus() {
    let Some(program) = peer("the_query_api_has_the_shapes_of_prometheus", "prometheus") else {
        return;
    };
    let place = Place::new();
    let service = Service::start("# HELP flag A flag.\n# TYPE flag gauge\nflag{path=\"/\"} 1\n");
    let rules = "  - alert: Firing\n    expr: flag == 1\n    labels: {severity: critical}\n    annotations: {summary: 'it fires'}\n\
                 \x20 - record: twice\n    expr: flag * 2\n    labels: {kind: sum}\n";
    place.write("rules.yml", &rule_file(rules));
    let config = format!(
        "global: {{scrape_interval: 250ms, evaluation_interval: 250ms}}\nrule_files: [rules.yml]\n\
         scrape_configs:\n- {{job_name: shop, static_configs: [{{targets: ['{}']}}]}}\n",
        service.address()
    );
    let file = place.write("prometheus.yml", &config);
    let theirs = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            place.join("tsdb").display()
        ))
        .arg(format!("--web.listen-address={theirs}"));
    let _peer = Process::start("prometheus", place.path(), &mut command);
    let outrigger = Outrigger::start(place.path(), &["--config.file", "prometheus.yml"]);
    let ours = outrigger.address();
    for address in [&ours, &theirs] {
        for path in ["/api/v1/query?query=twice", "/api/v1/query?query=ALERTS"] {
            wait_until(&format!("a series at {address}{path}"), PATIENCE, || {
                http::get(address, path)
                    .is_ok_and(|answer| answer.status == 200 && answer.body.contains("\"value\""))
            });
        }
    }

    let mut wrong = Vec::new();
    for path in ANSWERS {
        let (ours, theirs) = (
            http::get(&ours, path).unwrap(),
            http::get(&theirs, path).unwrap(),
        );
        if ours.status != theirs.status {
            wrong.push(format!(
                "{path}: status {} instead of {}: {}",
                ours.status, theirs.status, ours.body
            ));
            continue;
        }
        let missing: Vec<String> = shape(&theirs.json())
            .difference(&shape(&ours.json()))
            .cloned()
            .collect();
        if !missing.is_empty() {
            wrong.push(format!(
                "{path} lacks {missing:?}\n  ours {}\n  theirs {}",
                ours.body, theirs.body
            ));
        }
    }
    for path in MISTAKES {
        let (ours, theirs) = (
            http::get(&ours, path).unwrap(),
            http::get(&theirs, path).unwrap(),
        );
        let kind = |answer: &http::Answer| {
            (
                answer.status,
                answer.json()["status"].clone(),
                answer.json()["errorType"].clone(),
            )
        };
        if kind(&ours) != kind(&theirs) {
            wrong.push(format!(
                "{path}:\n  ours {} {}\n  theirs {} {}",
                ours.status, ours.body, theirs.status, theirs.body
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} answers differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Paths of an answer with the type at each, places in lists left out.
fn shape(value: &Value) -> BTreeSet<String> {
    fn walk(path: &str, value: &Value, found: &mut BTreeSet<String>) {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        };
        found.insert(format!("{path}: {kind}"));
        match value {
            Value::Array(items) => items
                .iter()
                .for_each(|item| walk(&format!("{path}[]"), item, found)),
            Value::Object(fields) => {
                fields
                    .iter()
                    .for_each(|(name, value)| walk(&format!("{path}.{name}"), value, found));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = BTreeSet::new();
    walk("", value, &mut found);
    found
}
