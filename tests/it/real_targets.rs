//! Debian's node exporter and Prometheus as targets: what is stored is what they show.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::support::http;
use crate::support::outrigger::{Outrigger, free_port};
use crate::support::peers::peer;
use crate::support::place::Place;
use crate::support::process::Process;
use crate::support::scene::FAST;
use crate::support::wait::{PATIENCE, wait_for, wait_until};

/// What a look at the peer moves by itself: it is one connection more.
const MOVED_BY_LOOKING: [&str; 7] = [
    "go_",
    "net_conntrack_",
    "node_netstat_",
    "node_nf_conntrack_",
    "node_sockstat_",
    "process_",
    "promhttp_",
];

/// Labels of one series, its name among them, and its value.
type Series = (BTreeMap<String, String>, f64);

#[test]
fn samples_of_the_node_exporter_are_what_it_shows() {
    let Some(program) = peer(
        "samples_of_the_node_exporter_are_what_it_shows",
        "prometheus-node-exporter",
    ) else {
        return;
    };
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new(program);
    command.arg(format!("--web.listen-address={address}"));
    stored_is_shown(
        &address,
        "node-exporter",
        command,
        &["node_boot_time_seconds", "node_uname_info"],
    );
}

#[test]
fn samples_of_prometheus_are_what_it_shows() {
    let Some(program) = peer("samples_of_prometheus_are_what_it_shows", "prometheus") else {
        return;
    };
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let place = Place::new();
    let config = place.write("prometheus.yml", "global: {scrape_interval: 1h}\n");
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            place.join("tsdb").display()
        ))
        .arg(format!("--web.listen-address={address}"));
    stored_is_shown(
        &address,
        "prometheus",
        command,
        &[
            "prometheus_build_info",
            "prometheus_config_last_reload_successful",
        ],
    );
}

/// Starts a peer and an Outrigger that scrapes it; compares all names, and every value that stands still.
fn stored_is_shown(address: &str, job: &str, mut command: Command, stable: &[&str]) {
    let place = Place::new();
    let _peer = Process::start(job, place.path(), &mut command);
    wait_until("the peer to answer", PATIENCE, || {
        http::get(address, "/metrics").is_ok_and(|answer| answer.status == 200)
    });
    let config = format!(
        "{FAST}rule_files: []\nscrape_configs:\n- {{job_name: {job}, static_configs: [{{targets: ['{address}']}}]}}\n"
    );
    place.write("outrigger.yml", &config);
    let outrigger = Outrigger::start(place.path(), &["--config", "outrigger.yml"]);
    outrigger.wait_for_value(&format!("up{{job=\"{job}\"}}"), 1.0);

    // A series may appear, and a value that stood still may move, between a look and a scrape: then look again.
    let mut wrong = Vec::new();
    let mut compared = 0;
    let mut agreed = || {
        let before = shown(address);
        let last = outrigger.target(address)["lastScrape"].clone();
        wait_until("the next scrape", PATIENCE, || {
            outrigger.target(address)["lastScrape"] != last
        });
        let stored = stored(&outrigger, job);
        let after = shown(address);
        wrong = differences(&stored, &before, &after);
        compared = stored.len();
        wrong.is_empty()
    };
    let watch = outrigger::clock::Stopwatch::start();
    while !agreed() {
        assert!(
            watch.elapsed() < PATIENCE,
            "stored is not what the peer shows:\n{}",
            wrong.join("\n")
        );
    }
    assert!(compared > 100, "only {compared} series");
    let stored = stored(&outrigger, job);
    let shown = shown(address);
    for name in stable {
        let of_name = |series: &[Series]| -> Vec<Series> {
            series
                .iter()
                .filter(|(labels, _)| labels["__name__"] == *name)
                .cloned()
                .collect()
        };
        assert!(!of_name(&shown).is_empty(), "the peer has no {name}");
        assert_eq!(of_name(&stored), of_name(&shown), "{name}");
    }
}

/// What differs: names that only one side has, and values that stood still around the scrape but are stored otherwise.
fn differences(stored: &[Series], before: &[Series], after: &[Series]) -> Vec<String> {
    let names = |series: &[Series]| -> BTreeSet<String> {
        series
            .iter()
            .map(|(labels, _)| labels["__name__"].clone())
            .collect()
    };
    let mut wrong: Vec<String> = names(stored)
        .symmetric_difference(&names(before))
        .map(|name| format!("name on one side only: {name}"))
        .collect();
    let after: BTreeMap<_, _> = after.iter().cloned().collect();
    let stored: BTreeMap<_, _> = stored.iter().cloned().collect();
    let moved = |name: &str| {
        MOVED_BY_LOOKING
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    for (labels, value) in before
        .iter()
        .filter(|(labels, _)| !moved(&labels["__name__"]))
    {
        let still = after.get(labels).is_some_and(|other| same(*other, *value));
        match stored.get(labels) {
            Some(other) if still && !same(*other, *value) => {
                wrong.push(format!("{labels:?} is {value}, stored {other}"));
            }
            None if still => wrong.push(format!("{labels:?} is not stored")),
            _ => {}
        }
    }
    wrong
}

fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

/// The newest sample of each series of a job, without the labels and the series that scraping adds.
fn stored(outrigger: &Outrigger, job: &str) -> Vec<Series> {
    let mut found: Vec<Series> = outrigger
        .query(&format!("{{job=\"{job}\", __name__!~\"up|scrape_.*\"}}"))
        .into_iter()
        .map(|(metric, value)| {
            let labels: BTreeMap<String, String> = serde_json::from_value(metric).unwrap();
            let own = labels
                .into_iter()
                .filter(|(name, _)| !matches!(name.as_str(), "job" | "instance"));
            (own.collect(), value)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// What a direct look shows, asked for in the format a scraper asks for.
fn shown(address: &str) -> Vec<Series> {
    let accept = [(
        "accept",
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
    )];
    let text = wait_for("the peer's metrics", PATIENCE, || {
        http::request(address, "GET", "/metrics", &accept, "")
            .ok()
            .filter(|answer| answer.status == 200)
    })
    .body;
    let mut found: Vec<Series> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(read_line)
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// `name{label="value",...} value`, read with as little as these two peers need.
fn read_line(line: &str) -> Series {
    let name_end = line.find(['{', ' ']).expect("a name");
    let mut labels = BTreeMap::from([("__name__".to_owned(), line[..name_end].to_owned())]);
    let mut rest = &line[name_end..];
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (name, after) = rest
                .trim_start_matches(',')
                .split_once('=')
                .expect("a label");
            // A label's value is a JSON string as these two write it.
            let mut values = serde_json::Deserializer::from_str(after).into_iter::<Value>();
            let value = values.next().expect("a value").expect("a quoted value");
            // Neither Prometheus nor Outrigger keeps empty labels.
            if value != "" {
                let value = canonical(name, value.as_str().expect("a text"));
                labels.insert(name.to_owned(), value);
            }
            rest = &after[values.byte_offset()..];
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next().expect("a value");
    (labels, value.parse().expect("a number"))
}

/// A bound as it is stored: `1` and `1.0` are one bound, written the second way, as Prometheus 3 does.
fn canonical(label: &str, value: &str) -> String {
    let whole = matches!(label, "le" | "quantile") && value.parse::<u64>().is_ok();
    if whole {
        format!("{value}.0")
    } else {
        value.to_owned()
    }
}
