//! The routing explained and tested before anything happens, as its users do it.

use std::path::Path;

use crate::support::outrigger::run_to_end;
use crate::support::place::Place;

/// Exit code, standard output and standard error.
fn outrigger(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
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
    let (code, said, complaint) = outrigger(place.path(), &["routes", "show"]);
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
        outrigger(place.path(), &arguments)
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
