//! Started with nothing: it scrapes itself and the host, holds the shipped rules and answers people.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use outrigger::clock::Stopwatch;
use serde_json::Value;

use crate::support::http;
use crate::support::outrigger::{Outrigger, launch_anywhere};
use crate::support::peers::peer;
use crate::support::place::Place;
use crate::support::wait::{PATIENCE, wait_for, wait_until};

/// Scrapes are spread over the 15 s of the default interval.
const FIRST_SCRAPES: Duration = Duration::from_secs(40);

#[test]
fn on_any_free_port_it_knows_which_one_it_got() {
    let place = Place::new();
    let process = launch_anywhere(place.path());
    let address = wait_for("the address in the log", PATIENCE, || {
        let log = process.stderr();
        let (_, rest) = log.split_once("Listening on")?;
        let (_, rest) = rest.split_once("address=")?;
        let address: String = rest.chars().take_while(|c| !c.is_whitespace()).collect();
        rest.contains('\n').then_some(address)
    });
    assert!(!address.ends_with(":0"), "{address}");
    let targets = || {
        let answer = http::get(&address, "/api/v1/targets").unwrap().json();
        answer["data"]["activeTargets"].to_string()
    };
    let own = format!("\"scrapeUrl\":\"http://{address}/metrics\"");
    wait_until("the target that it is itself", PATIENCE, || {
        targets().contains(&own)
    });
    let reloaded = http::post(&address, "/-/reload", "").unwrap();
    assert_eq!(reloaded.status, 200, "{}", reloaded.body);
    assert!(targets().contains(&own), "{}", targets());
}

#[test]
fn with_nothing_it_watches_itself_and_the_host() {
    let place = Place::new();
    let watch = Stopwatch::start();
    let outrigger = Outrigger::start(place.path(), &[]);
    assert!(
        watch.elapsed() < Duration::from_secs(5),
        "ready after {:?}",
        watch.elapsed()
    );

    let answers = |path: &str, status: u16, kind: &str, part: &str| {
        let answer = outrigger.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(
            answer
                .header("content-type")
                .unwrap_or_default()
                .starts_with(kind),
            "{path}: {:?}",
            answer.headers
        );
        assert!(
            answer.body.contains(part),
            "{path} lacks {part:?}:\n{}",
            answer.body
        );
    };
    answers("/", 200, "text/html", "Outrigger");
    answers("/runbooks", 200, "text/html", "high-error-rate");
    answers("/runbooks/high-error-rate", 200, "text/html", "<h1");
    answers("/runbooks/no-such-runbook", 404, "text/html", "");
    answers("/no-such-page", 404, "text/html", "");
    answers("/api/v1/nothing", 404, "application/json", "error");
    answers("/metrics", 200, "", "# TYPE");
    answers("/health", 200, "application/json", "\"ok\"");
    for path in [
        "/health/live",
        "/health/ready",
        "/health/startup",
        "/-/healthy",
        "/-/ready",
    ] {
        answers(path, 200, "text/plain", "Outrigger");
    }

    shipped_rules_are_loaded(&outrigger);

    wait_until("a scrape of itself and of the host", FIRST_SCRAPES, || {
        outrigger.value("up{job=\"outrigger\"}") == Some(1.0)
            && outrigger.value("count(node_load1)") == Some(1.0)
    });
    for name in [
        "node_memory_MemTotal_bytes",
        "node_filesystem_size_bytes",
        "node_cpu_seconds_total",
    ] {
        assert!(
            outrigger.value(&format!("count({name})")).is_some(),
            "the host has no {name}"
        );
    }
    wait_until("each group evaluated", FIRST_SCRAPES, || {
        rules(&outrigger).iter().all(|rule| rule["health"] == "ok")
    });
    assert!(
        place.join("data").is_dir(),
        "samples and state are in ./data"
    );
    metrics_are_clean(&outrigger);
}

/// Every rule of the repository's `rules/`.
fn shipped_rules_are_loaded(outrigger: &Outrigger) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut shipped = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        for line in std::fs::read_to_string(entry.unwrap().path())
            .unwrap()
            .lines()
        {
            let line = line.trim_start().trim_start_matches("- ");
            let name = line
                .strip_prefix("alert: ")
                .or_else(|| line.strip_prefix("record: "));
            shipped.extend(name.map(str::to_owned));
        }
    }
    let loaded: BTreeSet<String> = rules(outrigger)
        .iter()
        .map(|rule| rule["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(loaded, shipped);
    assert!(shipped.contains("HighErrorRate") && shipped.contains("DiskSpaceLow"));
}

fn rules(outrigger: &Outrigger) -> Vec<Value> {
    let data = outrigger.data("/api/v1/rules");
    let groups = data["groups"].as_array().unwrap();
    groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .cloned()
        .collect()
}

fn metrics_are_clean(outrigger: &Outrigger) {
    let Some(promtool) = peer(
        "with_nothing_it_watches_itself_and_the_host: promtool check metrics",
        "promtool",
    ) else {
        return;
    };
    // Gauges whose names the definition API's contract gives them, and nobody would today.
    let named = ["metrics_total", "domains_total", "objectives_total"];
    let is_named = |line: &&str| {
        let line = line.trim_start_matches("# HELP ");
        let line = line.trim_start_matches("# TYPE ");
        named.contains(&line.split([' ', '{']).next().unwrap_or_default())
    };
    let exposition = outrigger.get("/metrics").body;
    let lines = exposition.lines().filter(|line| !is_named(line));
    let exposition: String = lines.map(|line| format!("{line}\n")).collect();
    let mut check = Command::new(promtool);
    check
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = check.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(exposition.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success() && said.is_empty(),
        "promtool check metrics: {}\n{said}",
        output.status
    );
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn its_threads_share_one_heap() {
    let place = Place::new();
    let outrigger = Outrigger::start(place.path(), &[]);
    let heaps = |name: &String| name.starts_with("MALLOC_ARENA_MAX=");
    let said: Vec<_> = outrigger.environment().into_iter().filter(heaps).collect();
    assert_eq!(said, ["MALLOC_ARENA_MAX=1"]);
}
