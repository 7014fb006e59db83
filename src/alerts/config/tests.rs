use super::super::route::IntegrationInfo;
use super::*;
use crate::document::{diagnostics::Diagnostics, parse};
use crate::model::labels::Labels;

/// What `read` makes of an `outrigger.yml`, or the mistakes it finds.
pub(in super::super) fn section<T>(
    text: &str,
    read: impl Fn(&crate::document::fields::Fields<'_>) -> T,
) -> Result<T, Vec<String>> {
    let diagnostics = Diagnostics::default();
    let document = crate::document::parse("o.yml", text, &diagnostics).unwrap();
    let fields = document.value(&diagnostics).fields().unwrap();
    let config = read(&fields);
    fields.finish();
    match diagnostics.into_sorted() {
        mistakes if mistakes.is_empty() => Ok(config),
        mistakes => Err(mistakes.iter().map(ToString::to_string).collect()),
    }
}

/// Reads a file's routing part; receivers are `a`, `b`, `c`, `hook` with one webhook each.
pub(in super::super) fn routing(text: &str) -> Result<Routing, Vec<String>> {
    routing_with(text, &["a", "b", "c", "hook"])
}

fn routing_with(text: &str, names: &[&str]) -> Result<Routing, Vec<String>> {
    let diagnostics = Diagnostics::default();
    let receivers: Vec<ReceiverInfo> = names
        .iter()
        .map(|name| ReceiverInfo {
            name: (*name).to_owned(),
            integrations: vec![IntegrationInfo {
                kind: "webhook".to_owned(),
                index: 0,
                send_resolved: true,
            }],
        })
        .collect();
    let mut routing = None;
    if let Some(document) = parse("am.yml", text, &diagnostics)
        && let Some(fields) = document.value(&diagnostics).fields()
    {
        routing = read(&fields, &receivers);
        fields.finish();
    }
    if diagnostics.is_empty() {
        return Ok(routing.expect("no mistake, so there is a tree"));
    }
    Err(diagnostics
        .into_sorted()
        .iter()
        .map(ToString::to_string)
        .collect())
}

fn labels(text: &str) -> Labels {
    Labels::from_pairs(
        text.split_whitespace()
            .map(|pair| pair.split_once('=').unwrap()),
    )
}

const TREE: &str = r#"
route:
  receiver: a
  group_by: [alertname]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 3s
  routes:
  - matchers: ['severity=~"page|critical"']
    receiver: b
    continue: true
  - matchers: [team="db"]
    group_by: [...]
    routes:
    - {matchers: [severity="page", env!=test], receiver: c}
    - {match: {severity: warning}, match_re: {env: 'p.*'}, group_by: [b, a], group_wait: 0s}
  - matchers: service=~".+"
    group_by: []
"#;

#[test]
fn alerts_take_the_routes_that_alertmanager_takes() {
    let routing = routing(TREE).unwrap();
    let check = |alert: &str, want: &[&str]| {
        let alert = labels(alert);
        let keys: Vec<String> = routing
            .matching(&alert)
            .into_iter()
            .map(|route| {
                let route = &routing.routes[route];
                let key = route.group_key(&route.group_labels(&alert));
                format!("{} {key}", route.receiver.name)
            })
            .collect();
        assert_eq!(keys, want);
    };
    check("alertname=X", &[r#"a {}:{alertname="X"}"#]);
    check("other=X", &["a {}:{}"]);
    check(
        "alertname=X severity=critical",
        &[r#"b {}/{severity=~"page|critical"}:{alertname="X"}"#],
    );
    check(
        "alertname=X severity=page team=db",
        &[
            r#"b {}/{severity=~"page|critical"}:{alertname="X"}"#,
            r#"c {}/{team="db"}/{env!="test",severity="page"}:{alertname="X", severity="page", team="db"}"#,
        ],
    );
    check(
        "alertname=X severity=page team=db env=test",
        &[
            r#"b {}/{severity=~"page|critical"}:{alertname="X"}"#,
            r#"a {}/{team="db"}:{alertname="X", env="test", severity="page", team="db"}"#,
        ],
    );
    check(
        "alertname=X severity=warning team=db env=prod a=1 b=2",
        &[r#"a {}/{team="db"}/{env=~"^(?:p.*)$",severity="warning"}:{a="1", b="2"}"#],
    );
    check("alertname=X service=s", &[r#"a {}/{service=~".+"}:{}"#]);
}

#[test]
fn settings_are_inherited_and_defaulted() {
    let tree = routing(TREE).unwrap();
    let check = |id: &str, wait: u64, interval: u64, repeat: u64| {
        let route = tree.routes.iter().find(|route| &*route.id == id).expect(id);
        let seconds = [
            route.group_wait,
            route.group_interval,
            route.repeat_interval,
        ]
        .map(|d| d.as_secs());
        assert_eq!(seconds, [wait, interval, repeat], "{id}");
    };
    check("{}", 1, 2, 3);
    check(r#"{}/{team="db"}/1"#, 1, 2, 3);
    check(
        r#"{}/{team="db"}/{env=~"^(?:p.*)$",severity="warning"}/1"#,
        0,
        2,
        3,
    );
    let defaults = routing("route: {receiver: a}").unwrap();
    let root = &defaults.routes[0];
    let seconds = [root.group_wait, root.group_interval, root.repeat_interval].map(|d| d.as_secs());
    assert_eq!(seconds, [30, 300, 14_400]);
}

#[test]
fn every_mistake_is_told_with_its_place_and_remedy() {
    let check = |text: &str, want: &[&str]| {
        let problems = routing(text).expect_err(text);
        assert_eq!(problems.len(), want.len(), "{problems:#?}");
        for (problem, want) in problems.iter().zip(want) {
            assert!(problem.starts_with(want), "{problem}\n  wanted {want}");
        }
    };
    check("{}", &[r#"am.yml:1:1: missing key "route""#]);
    check(
        "route: {}",
        &["am.yml:1:8: route: the root route has no receiver"],
    );
    check(
        "route: {receiver: hok}",
        &[
            r#"am.yml:1:19: route.receiver: route to receiver "hok", which is not defined; did you mean "hook"?"#,
        ],
    );
    check(
        "route: {receiver: a, matchers: [a=b], mute_time_intervals: [t]}\ntime_intervals: [{name: t}]",
        &[
            "am.yml:1:32: route.matchers: the root route takes every alert",
            "am.yml:1:60: route.mute_time_intervals: the root route has no mute_time_intervals",
        ],
    );
    check(
        "route:\n  receiver: a\n  group_by: [x, x]\n  group_interval: 0s\n  repeat_interval: 0m\n  group_wiat: 1s\n",
        &[
            r#"am.yml:3:17: route.group_by[1]: label "x" twice"#,
            "am.yml:4:19: route.group_interval: group_interval is zero",
            "am.yml:5:20: route.repeat_interval: repeat_interval is zero",
            r#"am.yml:6:3: route.group_wiat: unknown key "group_wiat"; did you mean "group_wait"?"#,
        ],
    );
    check(
        "route: {receiver: a, group_by: [x, ...]}",
        &["am.yml:1:8: route: group_by has `...`"],
    );
    check(
        "route: {receiver: a, routes: [{matchers: ['a=~\"(\"', 'b']}, {match_re: {c: '['}}, {receiver: nobody}, {active_time_intervals: [nights]}]}\ntime_intervals: [{name: night}, {name: night}]",
        &[
            "am.yml:1:43: route.routes[0].matchers[0]: bad regular expression",
            "am.yml:1:53: route.routes[0].matchers[1]: expected one of",
            "am.yml:1:75: route.routes[1].match_re.c: bad regular expression",
            r#"am.yml:1:93: route.routes[2].receiver: route to receiver "nobody", which is not defined; add"#,
            r#"am.yml:1:127: route.routes[3].active_time_intervals[0]: time interval "nights" is not defined; did you mean "night"?"#,
            "am.yml:2:33: time_intervals[1]: time interval \"night\" is defined twice",
        ],
    );
    check(
        "route: {receiver: a}\ninhibit_rules:\n- {source_matchers: [a=b], target_match: {1x: y}, equals: [c]}\n",
        &[
            "am.yml:3:47: inhibit_rules[0].target_match.1x: not a label name",
            r#"am.yml:3:51: inhibit_rules[0].equals: unknown key "equals"; did you mean "equal"?"#,
        ],
    );
    check(
        "route: {receiver: a}\ninhibit_rules:\n- {sources: [{matchers: []}], source_matchers: [a=b], target_matchers: [e=f]}\n",
        &[
            "am.yml:3:14: inhibit_rules[0].sources[0]: a source needs a matcher",
            "am.yml:3:48: inhibit_rules[0].source_matchers: sources and the keys of a single source exclude each other",
        ],
    );
}

#[test]
fn inhibition_rules_take_old_and_new_matchers() {
    let routing = routing(
        "route: {receiver: a}\ninhibit_rules:\n- {source_match: {a: b}, source_match_re: {c: d.*}, target_matchers: ['e!=\"f\"'], equal: [z, y, z]}\n- {name: n, source_matchers: ['a=\"b\"', 'c=d'], target_matchers: ['e=f']}\n",
    )
    .unwrap();
    let rule = &routing.inhibit_rules[0];
    assert_eq!((rule.source.len(), rule.target.len()), (2, 1));
    assert_eq!(
        (rule.name.as_str(), rule.equal.as_slice()),
        ("0", &["y".to_owned(), "z".to_owned()][..])
    );
    assert_eq!(routing.inhibit_rules[1].name, "n");
}

#[test]
fn inhibition_rules_may_have_several_sources() {
    let rules = "route: {receiver: a}\ninhibit_rules:\n";
    let routing = routing(&format!(
        "{rules}- {{sources: [{{matchers: [a=b], equal: [z]}}, {{matchers: [c=d]}}], target_matchers: [e=f]}}\n"
    ))
    .unwrap();
    let rule = &routing.inhibit_rules[0];
    assert_eq!(
        (rule.source.len(), rule.equal.len(), rule.more.len()),
        (1, 1, 1)
    );
    assert_eq!(rule.more[0].matchers[0].name(), "c");
}
