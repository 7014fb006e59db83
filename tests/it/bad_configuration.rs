//! Mistakes in files: each is told with its place and what to do, all at once, and nothing is started.
//!
//! `tests/data/config/bad/` holds one file a mistake. Its first line says what kind of file it is and what is expected:
//! `# rules: 6:24: part of the message`.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::outrigger::run_to_end;
use crate::support::place::Place;

/// What to do follows the message, or ends it.
const REMEDIES: [&str; 4] = ["; ", ", use one of ", ", did you mean ", ", expected "];

struct Bad {
    name: String,
    kind: String,
    /// What is told after the file's name.
    expected: String,
    text: String,
}

fn bad_files() -> Vec<Bad> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config/bad");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let first = text
            .lines()
            .next()
            .unwrap()
            .strip_prefix("# ")
            .expect("the expectation in the first line");
        let (kind, expected) = first.split_once(": ").expect("kind and expectation");
        Bad {
            name,
            kind: kind.to_owned(),
            expected: expected.to_owned(),
            text,
        }
    };
    paths.iter().map(read).collect()
}

/// Puts a file where its kind belongs, beside good ones; returns its name.
fn place_one(place: &Place, bad: &Bad) -> &'static str {
    let name = match bad.kind.as_str() {
        "settings" => "outrigger.yml",
        "rules" => "rules.yml",
        "routing" => "alertmanager.yml",
        other => panic!("{}: unknown kind {other:?}", bad.name),
    };
    place.write(
        "outrigger.yml",
        "rule_files: [rules.yml]\nalertmanager_config: alertmanager.yml\n",
    );
    place.write("rules.yml", "groups: []\n");
    place.write(
        "alertmanager.yml",
        "route: {receiver: team}\nreceivers: [{name: team}]\n",
    );
    place.write(name, &bad.text);
    name
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The file's expectation, after its name as it is printed.
fn expectation(file: &str, bad: &Bad) -> String {
    format!("error: {file}:{}", bad.expected)
}

#[test]
fn each_mistake_is_told_with_its_place_and_remedy() {
    let files = bad_files();
    assert!(files.len() >= 20);
    let mut wrong = Vec::new();
    for bad in &files {
        let place = Place::new();
        let file = place_one(&place, bad);
        let output = run_to_end(place.path(), &["check", "--config", "outrigger.yml"]);
        let said = stderr(&output);
        let expected = expectation(file, bad);
        let line = said.lines().find(|line| line.starts_with(&expected));
        let remedy = line.is_some_and(|line| REMEDIES.iter().any(|part| line.contains(part)));
        if output.status.code() != Some(2)
            || !remedy
            || !said.contains("1 mistake; nothing was started")
        {
            wrong.push(format!(
                "{}.yml: expected {:?} and a remedy, got {}:\n{said}",
                bad.name,
                expectation(file, bad),
                output.status
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        files.len(),
        wrong.join("\n")
    );
}

#[test]
fn all_mistakes_are_told_at_once_and_nothing_is_started() {
    let place = Place::new();
    let settings = "\
global: {scrape_intervall: 15s, evaluation_interval: 15 s}
throttel: {}
alertmanager_config: alertmanager.yml
rule_files: [rules/*.yml]
scrape_configs:
- job_name: shop
  relabel_configs: [{regex: '(', target_label: a}]
- job_name: shop
";
    let routing = "\
route: {receiver: teem, group_interval: 5 m}
receivers:
- name: team
- name: team
";
    place.write("outrigger.yml", settings);
    place.write("alertmanager.yml", routing);
    let rules: Vec<Bad> = bad_files()
        .into_iter()
        .filter(|bad| bad.kind == "rules")
        .collect();
    for bad in &rules {
        place.write(&format!("rules/{}.yml", bad.name), &bad.text);
    }
    for command in ["check", "run"] {
        let output = run_to_end(
            place.path(),
            &[command, "--config", "outrigger.yml", "--data", "data"],
        );
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{command}: {said}");
        let told = |prefix: &str| said.lines().any(|line| line.starts_with(prefix));
        for mistake in ["1:10", "1:54", "2:1", "7:29", "8:3"] {
            assert!(
                told(&format!("error: outrigger.yml:{mistake}: ")),
                "outrigger.yml:{mistake} in:\n{said}"
            );
        }
        for mistake in ["1:19", "1:41", "4:3"] {
            assert!(
                told(&format!("error: alertmanager.yml:{mistake}: ")),
                "alertmanager.yml:{mistake} in:\n{said}"
            );
        }
        for bad in &rules {
            let expected = expectation(&format!("rules/{}.yml", bad.name), bad);
            assert!(told(&expected), "{expected:?} in:\n{said}");
        }
        let count = 5 + 3 + rules.len();
        assert!(
            said.contains(&format!("{count} mistakes; nothing was started")),
            "{count} mistakes:\n{said}"
        );
        assert!(!place.join("data").exists(), "nothing was opened");
    }
}

#[test]
fn wrong_flags_are_mistakes_too() {
    let place = Place::new();
    let check = |arguments: &[&str], part: &str| {
        let output = run_to_end(place.path(), arguments);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            said.contains(part),
            "{arguments:?}: {part:?} is not in: {said}"
        );
    };
    check(&["--config", "missing.yml"], "missing.yml");
    check(&["--alertmanager-config", "missing.yml"], "missing.yml");
    check(&["--listen", "nonsense"], "nonsense");
    check(&["--listen", "0.0.0.0:0"], "--web.insecure");
    check(&["--target", "ftp://example.org/"], "--target");
    check(
        &["--target", "http://user:hunter2@example.org/"],
        "--target",
    );
    check(&["--retention", "1 day"], "--retention");
    check(&["--log-format", "xml"], "--log-format");
    check(&["--no-such-flag"], "--no-such-flag");
    check(&["check", "--config", "missing.yml"], "missing.yml");
    assert!(!place.join("data").exists(), "nothing was opened");
}
