//! The routing explained and tested before anything happens, as its users do it.

use std::path::Path;

use crate::support::http;
use crate::support::outrigger::run_to_end;
use crate::support::place::Place;
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::server::Reply;
use crate::support::wait::{PATIENCE, wait_for};

/// Exit code, standard output and standard error.
fn program(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = run_to_end(directory, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

const ROUTING: &str = "\
time_intervals:
- {name: nights, time_intervals: [{times: [{start_time: '20:00', end_time: '24:00'}]}]}
route:
  receiver: team
  group_wait: 5s
  routes:
  - {matchers: [severity=info], receiver: chat, mute_time_intervals: [nights], group_by: [alertname]}
inhibit_rules:
- {name: down, source_matchers: [alertname=Down], target_matchers: [severity=info], equal: [job]}
receivers: [{name: team}, {name: chat, webhook_configs: [{url: 'http://127.0.0.1:1/'}]}]
";

#[test]
fn routes_are_shown_and_tried_from_their_file_alone() {
    let place = Place::new();
    place.write("am.yml", ROUTING);
    place.write("outrigger.yml", "alertmanager_config: am.yml\n");
    let (code, said, complaint) = program(place.path(), &["routes", "show"]);
    assert_eq!(code, Some(0), "{complaint}");
    let wanted = "\
am.yml
{} -> team
│   group_by [], group_wait 5s, group_interval 5m, repeat_interval 4h
└─ {severity=\"info\"} -> chat
       group_by [alertname], group_wait 5s, group_interval 5m, repeat_interval 4h, muted in [nights]
inhibition
  rule down: {alertname=\"Down\"} inhibits {severity=\"info\"} where equal: job
";
    assert_eq!(said, wanted);

    let test = |more: &[&str]| {
        let arguments = ["routes", "test", "--alertmanager-config", "am.yml"];
        let arguments: Vec<&str> = arguments.iter().chain(more).copied().collect();
        program(place.path(), &arguments)
    };
    let night = ["Slow", "severity=info", "--at", "2026-01-05T21:00:00Z"];
    let (code, said, complaint) = test(&night);
    assert_eq!(code, Some(0), "{complaint}");
    let wanted = "\
alert {alertname=\"Slow\", severity=\"info\"} at 2026-01-05T21:00:00.000Z

receiver chat (webhook[0])
  route   {} > {severity=\"info\"}
  group   {}/{severity=\"info\"}:{alertname=\"Slow\"}
  timers  group_wait 5s, group_interval 5m, repeat_interval 4h
  times   muted by nights

inhibition
  rule down: kept quiet while {alertname=\"Down\"} fires with job=\"\"
";
    assert_eq!(said, wanted);
    let (_, said, _) = test(&[&night[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["receivers"], serde_json::json!(["chat"]));
    assert_eq!(json["routes"][0]["mutedBy"], serde_json::json!(["nights"]));
    assert_eq!(json["inhibition"]["targetOf"][0]["name"], "down");

    assert_eq!(test(&["a=b", "--verify-receivers", "team"]).0, Some(0));
    let (code, _, complaint) = test(&["a=b", "--verify.receivers=chat"]);
    assert_eq!(code, Some(1));
    assert_eq!(complaint, "error: expected receivers chat, found team\n");
    let (code, _, complaint) = test(&["a=~b"]);
    assert_eq!(code, Some(2));
    assert!(complaint.contains("name=value"), "{complaint}");
}

#[test]
fn the_shipped_routing_passes_its_tests() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<String> = std::fs::read_dir(repository.join("tests/routes"))
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let arguments: Vec<&str> = ["test", "routes"]
        .into_iter()
        .chain(files.iter().map(String::as_str))
        .collect();
    let (code, said, complaint) = program(repository, &arguments);
    assert_eq!(code, Some(0), "{complaint}");
    assert_eq!(said.matches("  SUCCESS\n").count(), files.len());
}

#[test]
fn the_documents_example_of_a_routing_test_passes() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(repository.join("docs/routing-tests.md")).unwrap();
    let (_, rest) = document.split_once("```yaml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let place = Place::new();
    let shipped = repository.join("alertmanager/alertmanager.yml");
    std::fs::copy(shipped, place.path().join("alertmanager.yml")).unwrap();
    place.write("test.yml", example);
    let (code, _, complaint) = program(place.path(), &["test", "routes", "test.yml"]);
    assert_eq!(code, Some(0), "{complaint}");
}

#[test]
fn a_routing_test_that_fails_shows_what_happened_beside_what_was_expected() {
    let place = Place::new();
    place.write("am.yml", ROUTING);
    let indented = ROUTING.replace('\n', "\n  ");
    let inline = format!(
        "alertmanager:\n  {indented}\n\
         tests:\n\
         - name: right\n  routes: [{{labels: {{a: b}}, receivers: [team]}}]\n\
         - name: wrong\n  alerts: [{{labels: {{alertname: A, severity: info}}}}]\n  until: 1m\n  notifications: []\n"
    );
    place.write("inline.yml", &inline);
    let test = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["test", "routes"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        program(place.path(), &arguments)
    };
    let (code, _, complaint) = test(&["inline.yml", "--junit", "out.xml"]);
    assert_eq!(code, Some(1));
    let wanted = "wrong: notifications differ (- expected, + sent)\n    \
                  + 5s chat (webhook[0]): first_notification, firing A{severity=\"info\"}\n";
    assert!(complaint.contains(wanted), "{complaint}");
    assert!(!complaint.contains("right"), "{complaint}");
    let junit = std::fs::read_to_string(place.path().join("out.xml")).unwrap();
    assert!(junit.contains("tests=\"2\" failures=\"1\""), "{junit}");
    assert_eq!(test(&["inline.yml", "--run", "^right$"]).0, Some(0));

    let check = |text: &str, wanted: &str| {
        place.write("bad.yml", text);
        let (code, _, complaint) = test(&["bad.yml"]);
        assert_eq!(code, Some(1), "{text}: {complaint}");
        assert!(complaint.contains(wanted), "{text}: {complaint}");
    };
    check("tests: []\n", "bad.yml:1:1: no routing to test");
    check("alertmanager_config: am.yml\n", "there is no test in it");
    check("alertmanager_config: none.yml\ntests: [{}]\n", "none.yml");
    check(
        "alertmanager_config: am.yml\ntests: [{alert: []}]\n",
        "bad.yml:2:10: tests[0].alert: unknown key \"alert\"; did you mean \"alerts\"?",
    );
}

const RULES: &str = "  - {alert: Broken, expr: broken == 1, labels: {severity: warning}}
  - {alert: Slow, expr: broken == 1, for: 1h}
  - {alert: Full, expr: broken == 2}
";

#[test]
fn a_running_outrigger_explains_why_somebody_was_or_was_not_told() {
    let scene = Scene::new("broken{n=\"1\"} 1\nbroken{n=\"2\"} 1\n", RULES);
    let running = scene.start();
    let url = running.url();
    let explain = |words: &[&str]| {
        let arguments = [&["explain", "alert", "--url", &url], words].concat();
        program(scene.place.path(), &arguments)
    };
    scene.wait_for_told(1);
    let told = wait_for("the delivery explained", PATIENCE, || {
        let (_, said, _) = explain(&["Broken", "n=1"]);
        said.contains("=> hook webhook[0]: told (").then_some(said)
    });
    assert!(
        told.contains("  hook webhook[0]: queued for delivery: first notification of its group\n")
            && told.contains("  hook webhook[0]: delivered: 200\n")
            && told.contains("rule \"Broken\" of group \"service\": ")
            && !told.contains("n=\"2\""),
        "{told}"
    );
    let (code, said, _) = explain(&["Broken", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (code, json["alerts"].as_array().unwrap().len()),
        (Some(0), 2)
    );
    let fingerprint = json["alerts"][0]["fingerprint"].as_str().unwrap();
    let (_, said, _) = explain(&[fingerprint]);
    assert!(
        said.contains(fingerprint) && said.contains("told ("),
        "{said}"
    );

    let check = |words: &[&str], want: i32, wanted: &str| {
        let (code, said, complaint) = explain(words);
        assert_eq!(code, Some(want), "{said}{complaint}");
        assert!(said.contains(wanted), "{said}{complaint}");
    };
    check(&["Slow", "n=1"], 0, "is pending since ");
    check(&["Full"], 0, "inactive, its condition does not hold");
    check(&["Unheard"], 1, "no alert rule knows it");

    // The same through the API, page by page, under both names.
    let first =
        running.get("/api/v2/ledger?filter[]=n=%221%22&kind=enqueued&kind=delivered&limit=1");
    let first: serde_json::Value = serde_json::from_str(&first.body).unwrap();
    let cursor = first["next"].as_str().expect("another page");
    let path = format!("/api/v1/notifications/log?filter[]=n=%221%22&limit=1000&cursor={cursor}");
    let rest = running.data(&path);
    assert!(!rest.as_array().unwrap().is_empty());
    assert!(!rest.as_array().unwrap().contains(&first["data"][0]));
    let nobody = running.data("/api/v2/ledger?receiver=nobody");
    assert_eq!(nobody, serde_json::json!([]));
    let later = running.data("/api/v2/ledger?since=2100-01-01T00:00:00Z");
    assert_eq!(later, serde_json::json!([]));
    for wrong in [
        "filter[]=1",
        "cursor=x",
        "since=x",
        "fingerprint=x",
        "limit=x",
    ] {
        let answer = running.get(&format!("/api/v2/ledger?{wrong}"));
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
    }
}

#[test]
fn a_test_goes_through_the_real_receivers_and_leaves_no_trace_in_the_groups() {
    let scene = Scene::new("flag 0\n", "  - alert: Firing\n    expr: flag == 1\n");
    let (good, bad) = (scene.recorder.url("/hook"), Recorder::start());
    bad.reply(Reply::text(503, "come back later"));
    scene.place.write(
        "alertmanager.yml",
        &format!(
            "route: {{receiver: none, group_by: [alertname], routes: [{{matchers: [team=db], receiver: both}}]}}\n\
             receivers:\n- name: none\n- name: both\n  webhook_configs: [{{url: '{good}'}}, {{url: '{}'}}]\n",
            bad.url("/down")
        ),
    );
    let outrigger = scene.start();
    let run = |more: &[&str]| {
        let url = outrigger.url();
        let arguments = ["routes", "test", "TargetDown", "team=db", "--url", &url];
        let arguments: Vec<&str> = arguments.iter().chain(more).copied().collect();
        program(scene.place.path(), &arguments)
    };
    let json = |path: &str, body: &str, origin: &str| {
        let headers = [("content-type", "application/json"), ("origin", origin)];
        http::request(&outrigger.address(), "POST", path, &headers, body).unwrap()
    };

    let (code, said, complaint) = run(&["--verify-receivers", "both"]);
    assert_eq!(code, Some(0), "{complaint}");
    assert!(
        said.contains("receiver both (webhook[0], webhook[1])"),
        "{said}"
    );
    assert_eq!(scene.told().len(), 0, "it was only asked");

    let (code, said, complaint) = run(&["--send"]);
    assert_eq!(code, Some(1), "one of the two failed: {complaint}");
    assert!(said.contains("both webhook[0]: delivered: 200"), "{said}");
    assert!(
        said.contains("both webhook[1]: not delivered: answered 503"),
        "{said}"
    );
    let told = scene.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["groupLabels"]["alertname"], "[TEST] TargetDown");
    let annotations = &told[0]["alerts"][0]["annotations"];
    assert!(
        annotations["summary"]
            .as_str()
            .unwrap()
            .starts_with("[TEST]"),
        "{annotations}"
    );
    assert!(
        annotations["runbook_url"]
            .as_str()
            .unwrap()
            .contains("/runbooks/target-down?")
    );
    assert_eq!(bad.messages().len(), 1, "nothing is tried again");
    let ledger = outrigger.data("/api/v2/ledger?filter[]=alertname=TargetDown");
    let kinds: Vec<_> = ledger
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["kind"])
        .collect();
    assert_eq!(kinds, ["tested", "tested"], "{ledger}");
    assert_eq!(
        outrigger.get("/api/v2/alerts").json(),
        serde_json::json!([])
    );
    assert_eq!(
        outrigger.get("/api/v2/alerts/groups").json(),
        serde_json::json!([])
    );

    // The real alert is told as if nothing had been.
    let alert = r#"[{"labels":{"alertname":"TargetDown","team":"db"}}]"#;
    let ours = outrigger.url();
    assert_eq!(json("/api/v2/alerts", alert, &ours).status, 200);
    let silence = r#"{"matchers":[{"name":"team","value":"db","isRegex":false}],"startsAt":"2020-01-01T00:00:00Z","endsAt":"2100-01-01T00:00:00Z","createdBy":"a","comment":"c"}"#;
    let id = json("/api/v2/silences", silence, &ours).json()["silenceID"].to_string();
    let id = id.trim_matches('"');
    let (_, said, _) = run(&[]);
    assert!(said.contains(&format!("silenced by {id}")), "{said}");
    let saved = scene
        .place
        .write("silences.json", &outrigger.get("/api/v2/silences").body);
    let offline = [
        "routes",
        "test",
        "X",
        "team=db",
        "--alertmanager-config",
        "alertmanager.yml",
        "--silences",
    ];
    let saved = saved.to_str().unwrap();
    let arguments: Vec<&str> = offline.iter().copied().chain([saved]).collect();
    let (code, said, complaint) = program(scene.place.path(), &arguments);
    assert_eq!(code, Some(0), "{complaint}");
    assert!(said.contains(&format!("silenced by {id}")), "{said}");

    // Requests that do not fit, and pages of other sites.
    let path = "/api/v1/routes/test";
    let given = r#"{"labels":{"team":"db"},"send":true}"#;
    assert_eq!(json(path, given, "http://evil.example").status, 403);
    for (body, want) in [
        ("{}", 400),
        (r#"{"labels":{}}"#, 400),
        (r#"{"labels":{"a":"b"},"at":"x"}"#, 400),
        (r#"{"labels":{"a":"b"},"sned":true}"#, 400),
    ] {
        assert_eq!(json(path, body, &ours).status, want, "{body}");
    }
    assert_eq!(scene.told().len(), 1, "no test more");
}
