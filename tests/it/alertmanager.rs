//! Alertmanager's half: silences over crashes, `amtool`, and alerts of a real Prometheus.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::http;
use crate::support::outrigger::{BINARY, Outrigger, free_port};
use crate::support::peers::{peer, run, succeed};
use crate::support::place::Place;
use crate::support::process::Process;
use crate::support::scene::{Scene, wait_for_evaluations};
use crate::support::wait::{PATIENCE, wait_for, wait_until};

const RULES: &str = "  - alert: Firing
    expr: flag == 1
    labels: {severity: critical}
";

fn ask(outrigger: &Outrigger, method: &str, path: &str, body: &Value) -> http::Answer {
    let headers = [("content-type", "application/json")];
    let (address, body) = (outrigger.address(), body.to_string());
    http::request(&address, method, path, &headers, &body)
        .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// Makes a silence on an alert name and returns its id.
fn silence(outrigger: &Outrigger, name: &str) -> String {
    let silence = json!({
        "matchers": [{"name": "alertname", "value": name, "isRegex": false}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "ann", "comment": "work",
    });
    let answer = ask(outrigger, "POST", "/api/v2/silences", &silence);
    assert_eq!(answer.status, 200, "{answer:?}");
    let id = answer.json()["silenceID"].clone();
    id.as_str().expect("an id").to_owned()
}

#[test]
fn a_silence_survives_a_crash_and_its_alerts_are_told_when_it_ends() {
    let scene = Scene::new("flag 0\n", RULES);
    let mut outrigger = scene.start();
    let id = silence(&outrigger, "Firing");
    // Answered for is written.
    outrigger.kill_9();
    outrigger.start_again();
    let shown = outrigger.get(&format!("/api/v2/silence/{id}")).json();
    assert_eq!(shown["status"]["state"], "active", "{shown}");

    scene.service.expose("flag 1\n");
    outrigger.wait_for_alert("Firing", "firing");
    wait_until("the silence on record", PATIENCE, || {
        let log = outrigger.data("/api/v1/notifications/log?kind=silenced");
        log.to_string().contains(&format!("silenced by {id}"))
    });
    let alerts = outrigger.get("/api/v2/alerts").json();
    assert_eq!(alerts[0]["status"]["silencedBy"], json!([id]), "{alerts}");
    assert_eq!(
        outrigger.get("/api/v2/alerts?silenced=false").json(),
        json!([])
    );
    // As people type it into curl, which escapes nothing.
    let listed = outrigger.get("/api/v2/alerts?filter=alertname=~\"F.*\"");
    assert_eq!(
        listed.json().as_array().map(Vec::len),
        Some(1),
        "{listed:?}"
    );
    wait_for_evaluations(&outrigger, 8);
    assert_eq!(scene.told(), Vec::<Value>::new());

    let answer = ask(
        &outrigger,
        "DELETE",
        &format!("/api/v2/silence/{id}"),
        &json!(null),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = scene.wait_for_told(1);
    assert_eq!(told[0]["alerts"][0]["labels"]["alertname"], "Firing");
    outrigger.kill_9();
    outrigger.start_again();
    let shown = outrigger.get(&format!("/api/v2/silence/{id}")).json();
    assert_eq!(shown["status"]["state"], "expired", "{shown}");
    assert!(outrigger.metric("outrigger_silences") >= 1.0);
}

/// `amtool`, talking to an Outrigger.
struct Amtool<'a> {
    program: PathBuf,
    url: String,
    place: &'a Path,
}

impl Amtool<'_> {
    fn all<'b>(&'b self, arguments: &[&'b str]) -> Vec<&'b str> {
        let before = [
            "--no-version-check",
            "--alertmanager.url",
            self.url.as_str(),
        ];
        [&before, arguments].concat()
    }

    #[track_caller]
    fn says(&self, arguments: &[&str]) -> String {
        succeed(&self.program, &self.all(arguments), self.place)
    }

    fn fails(&self, arguments: &[&str]) {
        let output = run(&self.program, &self.all(arguments), self.place);
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn amtool_works_with_it() {
    let Some(program) = peer("amtool_works_with_it", "amtool") else {
        return;
    };
    let scene = Scene::new("flag 0\n", RULES);
    let outrigger = scene.start();
    let amtool = Amtool {
        program,
        url: outrigger.url(),
        place: scene.place.path(),
    };
    let says = |arguments: &[&str]| amtool.says(arguments);

    assert!(says(&["config", "show"]).contains("receiver: hook"));
    assert!(says(&["config", "routes", "test", "a=b"]).contains("hook"));
    assert!(says(&["cluster", "show"]).contains("outrigger-"));
    says(&[
        "alert",
        "add",
        "Disk",
        "instance=a",
        "--annotation=summary=full",
        "--generator-url=http://g/1",
    ]);
    says(&["alert", "add", "alertname=Other", "instance=b"]);
    let alerts = says(&["alert", "query", "Disk"]);
    assert!(
        alerts.contains("Disk") && !alerts.contains("Other"),
        "{alerts}"
    );
    let told = wait_for("both alerts told", PATIENCE, || {
        let told = scene.told();
        (told.len() == 2).then_some(told)
    });
    let disk = |message: &&Value| message["groupLabels"]["alertname"] == "Disk";
    let disk = told.iter().find(disk).expect("a message of the disk");
    assert_eq!(disk["alerts"][0]["annotations"]["summary"], "full");
    assert_eq!(disk["alerts"][0]["generatorURL"], "http://g/1");

    let id = says(&[
        "silence",
        "add",
        "Disk",
        "instance=~a|c",
        "-c",
        "work",
        "-a",
        "ann",
        "-d",
        "2h",
    ]);
    let id = id.trim();
    let silences = says(&["silence", "query"]);
    assert!(
        silences.contains(id) && silences.contains("ann"),
        "{silences}"
    );
    assert!(says(&["alert", "query", "--silenced"]).contains("Disk"));
    assert!(!says(&["alert", "query", "--active"]).contains("Disk"));
    let longer = says(&["silence", "update", id, "-d", "5h", "-c", "longer"]);
    assert!(longer.contains("longer"), "{longer}");
    let saved = says(&["-o", "json", "silence", "query"]);
    let saved = scene.place.write("silences.json", &saved);
    let open = says(&["silence", "query", "-q"]);
    says(&["silence", "expire", open.trim()]);
    assert!(!says(&["silence", "query"]).contains("longer"));
    assert!(says(&["silence", "query", "--expired"]).contains("longer"));
    says(&[
        "silence",
        "import",
        "--force",
        saved.to_str().expect("a plain path"),
    ]);
    assert!(says(&["silence", "query"]).contains("longer"));
    amtool.fails(&["silence", "expire", "11111111-2222-3333-4444-555555555555"]);
}

/// A real Prometheus with one rule that fires at once, of a name that the shipped runbooks know; it sends to this address.
fn prometheus(program: PathBuf, place: &Place, to: &str) -> Process {
    let rules = "groups: [{name: g, rules: [{alert: TargetDown, expr: vector(7), labels: {severity: page, team: north}, annotations: {summary: 'it is {{ $value }}'}}]}]";
    place.write("rules.yml", rules);
    let config = place.write(
        "prometheus.yml",
        &format!(
            "global: {{evaluation_interval: 1s, external_labels: {{site: north}}}}\nrule_files: [rules.yml]\n\
             alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]}}\n",
            to
        ),
    );
    let mut command = Command::new(program);
    // It knows nobody to send to in its first seconds; what it sent then it sends again.
    command
        .arg("--rules.alert.resend-delay=1s")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--web.listen-address=127.0.0.1:{}", free_port()))
        .arg(format!(
            "--storage.tsdb.path={}",
            place.path().join("data").display()
        ));
    Process::start("prometheus", place.path(), &mut command)
}

/// What its alert looks like at the webhook; returns its annotations.
#[track_caller]
fn foreign_alert(scene: &Scene) -> Value {
    let told = scene.wait_for_told(1);
    let alert = &told[0]["alerts"][0];
    let labels =
        json!({"alertname": "TargetDown", "severity": "page", "team": "north", "site": "north"});
    assert_eq!(alert["labels"], labels);
    assert_eq!(alert["status"], "firing");
    let url = alert["generatorURL"].as_str().expect("a link");
    assert!(url.contains("vector%287%29"), "{url}");
    alert["annotations"].clone()
}

#[test]
fn alerts_of_a_real_prometheus_arrive_with_runbook_and_owner() {
    let test = "alerts_of_a_real_prometheus_arrive_with_runbook_and_owner";
    let Some(program) = peer(test, "prometheus") else {
        return;
    };
    let scene = Scene::new("flag 0\n", RULES);
    scene.settings(
        "enrich: {alerts: {rules: [{matchers: [team=north], annotations: {owner: ann, summary: not this}}]}}\n",
    );
    let outrigger = scene.start();
    let place = Place::new();
    let _prometheus = prometheus(program, &place, &outrigger.address());
    let annotations = foreign_alert(&scene);
    assert_eq!(annotations["summary"], "it is 7");
    assert_eq!(annotations["owner"], "ann");
    // The runbook, with the labels of the alert.
    let runbook = annotations["runbook_url"].as_str().expect("a link");
    let path = runbook.strip_prefix(&outrigger.url()).expect("a page here");
    assert!(path.starts_with("/runbooks/target-down?"), "{runbook}");
    assert!(path.contains("team=north"), "{runbook}");
    assert_eq!(outrigger.get(path).status, 200);
    let listed = outrigger.get("/api/v2/alerts").json();
    let told = &scene.told()[0]["alerts"][0];
    assert_eq!(listed[0]["fingerprint"], told["fingerprint"], "{listed}");
    let ledger = outrigger.data("/api/v2/ledger?filter[]=alertname=TargetDown&kind=enqueued");
    assert_eq!(ledger[0]["labels"]["site"], "north", "{ledger}");
}

#[test]
fn alerts_of_a_real_prometheus_are_left_as_they_are_in_alertmanagers_place() {
    let test = "alerts_of_a_real_prometheus_are_left_as_they_are_in_alertmanagers_place";
    let Some(program) = peer(test, "prometheus") else {
        return;
    };
    let scene = Scene::new("flag 0\n", RULES);
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(BINARY);
    command.current_dir(scene.place.path()).args([
        "alertmanager",
        "--config.file=alertmanager.yml",
        "--storage.path=data",
        &format!("--web.listen-address={address}"),
    ]);
    let _alertmanager = Process::start("alertmanager", scene.place.path(), &mut command);
    wait_until("the routes to be ready", PATIENCE, || {
        http::get(&address, "/-/ready").is_ok_and(|answer| answer.status == 200)
    });
    let place = Place::new();
    let _prometheus = prometheus(program, &place, &address);
    assert_eq!(foreign_alert(&scene), json!({"summary": "it is 7"}));
}
