//! The tools of the field work on what is shipped and on what runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::http;
use crate::support::outrigger::{BINARY, free_port, run_to_end};
use crate::support::peers::{absent, peer, run, succeed};
use crate::support::place::Place;
use crate::support::process::Process;
use crate::support::scene::Scene;
use crate::support::wait::{PATIENCE, wait_until};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files of a directory of the repository, as arguments.
fn files(directory: &str) -> Vec<String> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(repository().join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn promtool_accepts_the_shipped_rules() {
    let Some(promtool) = peer("promtool_accepts_the_shipped_rules", "promtool") else {
        return;
    };
    let files = files("rules");
    let arguments: Vec<&str> = ["check", "rules"]
        .into_iter()
        .chain(files.iter().map(String::as_str))
        .collect();
    succeed(&promtool, &arguments, repository());
}

#[test]
fn amtool_accepts_the_shipped_routing() {
    let Some(amtool) = peer("amtool_accepts_the_shipped_routing", "amtool") else {
        return;
    };
    let files = files("alertmanager");
    let arguments: Vec<&str> = ["check-config"]
        .into_iter()
        .chain(files.iter().map(String::as_str))
        .collect();
    succeed(&amtool, &arguments, repository());
}

#[test]
fn check_accepts_what_is_shipped() {
    let place = Place::new();
    let rules = repository().join("rules/*.yml");
    place.write(
        "outrigger.yml",
        &format!("rule_files: ['{}']\n", rules.display()),
    );
    let routing = repository()
        .join("alertmanager/alertmanager.yml")
        .display()
        .to_string();
    for arguments in [
        vec!["check"],
        vec![
            "check",
            "--config",
            "outrigger.yml",
            "--alertmanager-config",
            &routing,
        ],
    ] {
        let output = run_to_end(place.path(), &arguments);
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(said.contains("ok:"), "{said}");
    }
}

#[test]
fn queries_are_answered_to_its_own_command_and_to_promtool() {
    let scene = Scene::new(
        "flag{path=\"/\"} 42\n",
        "  - record: twice\n    expr: flag * 2\n",
    );
    let outrigger = scene.start();
    outrigger.wait_for_value("twice", 84.0);
    let instance = scene.service.address();
    let url = outrigger.url();

    let ask = |arguments: &[&str]| {
        let output = run_to_end(
            scene.place.path(),
            &[&["query", "--url", &url], arguments].concat(),
        );
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, said, _) = ask(&["flag"]);
    assert_eq!(
        (code, said.as_str()),
        (
            Some(0),
            format!("flag{{instance=\"{instance}\", job=\"shop\", path=\"/\"}} => 42\n").as_str()
        )
    );
    let (code, said, _) = ask(&["scalar(sum(flag)) + 1"]);
    assert_eq!((code, said.as_str()), (Some(0), "43\n"));
    let (code, said, _) = ask(&["--json", "twice"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, json["status"].as_str()), (Some(0), Some("success")));
    let (code, _, complaint) = ask(&["sum(flag"]);
    assert_eq!(code, Some(2), "{complaint}");
    assert!(
        complaint.contains('^'),
        "a caret under the fault: {complaint}"
    );
    let (code, said, _) = ask(&["flag == 1"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), ""),
        "no series is an answer"
    );

    let Some(promtool) = peer(
        "queries_are_answered_to_its_own_command_and_to_promtool",
        "promtool",
    ) else {
        return;
    };
    let said = succeed(
        &promtool,
        &["query", "instant", &url, "flag"],
        scene.place.path(),
    );
    assert!(
        said.starts_with(&format!(
            "flag{{instance=\"{instance}\", job=\"shop\", path=\"/\"}} => 42 @["
        )),
        "{said}"
    );
    let said = succeed(
        &promtool,
        &["query", "range", "--step=1s", &url, "flag"],
        scene.place.path(),
    );
    assert!(said.contains("42 @["), "{said}");
    let said = succeed(
        &promtool,
        &["query", "series", "--match=flag", &url],
        scene.place.path(),
    );
    assert!(said.contains("__name__=\"flag\""), "{said}");
    let said = succeed(
        &promtool,
        &["query", "labels", &url, "job"],
        scene.place.path(),
    );
    assert!(said.contains("shop"), "{said}");
    let output = run(
        &promtool,
        &["query", "instant", &url, "sum(flag"],
        scene.place.path(),
    );
    assert!(
        !output.status.success(),
        "a mistake is a mistake to promtool too"
    );
}

#[test]
fn asking_nobody_is_an_error() {
    let place = Place::new();
    let port = crate::support::outrigger::free_port();
    let output = run_to_end(
        place.path(),
        &["query", "--url", &format!("http://127.0.0.1:{port}"), "up"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("ask http://127.0.0.1"),
        "{BINARY}: {output:?}"
    );
}

/// What a user has who comes from Debian's Prometheus: two jobs, an `alerting` section, an empty list of rules.
#[test]
fn the_prometheus_yml_of_debian_is_accepted_as_it_is() {
    let file = Path::new("/etc/prometheus/prometheus.yml");
    if !file.is_file() {
        absent(
            "the_prometheus_yml_of_debian_is_accepted_as_it_is",
            "/etc/prometheus/prometheus.yml is not there",
        );
        return;
    }
    let place = Place::new();
    let output = run_to_end(
        place.path(),
        &["check", "--config.file", "/etc/prometheus/prometheus.yml"],
    );
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("warning:") && said.contains("alerting"),
        "what it does not use is told: {said}"
    );
    assert!(said.contains("2 jobs"), "{said}");
}

#[test]
fn in_alertmanagers_place_it_takes_its_flags_and_its_name() {
    let place = Place::new();
    place.write(
        "am.yml",
        "route: {receiver: team}\nreceivers: [{name: team}]\n",
    );
    let link = place.path().join("alertmanager");
    std::os::unix::fs::symlink(BINARY, &link).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(&link);
    command
        .current_dir(place.path())
        .args([
            "--config.file=am.yml",
            "--storage.path=state",
            "--cluster.listen-address=",
        ])
        .arg(format!("--web.listen-address={address}"));
    let _running = Process::start("alertmanager", place.path(), &mut command);
    let body = |path: &str| {
        http::get(&address, path)
            .map(|answer| answer.body)
            .unwrap_or_default()
    };
    wait_until("it shows its routing", PATIENCE, || {
        body("/api/v2/status").contains("receiver: team")
    });
    for path in ["/api/v1/targets", "/api/v1/rules", "/api/v1/acks"] {
        let answer = http::get(&address, path).expect("it answers");
        assert_eq!(
            answer.status, 404,
            "Alertmanager has no {path}: {}",
            answer.body
        );
    }
}
