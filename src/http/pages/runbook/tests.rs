use super::*;
use crate::http::pages::tests::check_ids;
use crate::model::labels::Labels;

const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";

fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-20T03:12:45Z").unwrap()
}

/// A document whose pictures are ours and which holds nothing that acts.
fn check_page(html: &str) {
    assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"));
    for once in ["<main id=\"page-main\"", "<h1", "<title>"] {
        assert_eq!(html.matches(once).count(), 1, "{once} in {html}");
    }
    for never in ["<script>", "style=\"", "<iframe", "onerror=\"", "<img src"] {
        assert!(!html.contains(never), "{never} in {html}");
    }
    for source in html
        .split(" src=\"")
        .skip(1)
        .chain(html.split(" srcset=\"").skip(1))
    {
        assert!(
            source.starts_with("/runbooks/") || source.starts_with("/assets/"),
            "{source}"
        );
    }
    check_ids(html);
}

fn panel() -> Panel {
    Panel {
        alert: "HighErrorRate".to_owned(),
        rules: vec![RuleShown {
            severity: Some("critical".to_owned()),
            expression: "x > 0.05".to_owned(),
            pending_for: "5m".to_owned(),
            error: None,
        }],
        notifications: Some(Vec::new()),
        silence: "/silences?matchers=alertname%3D%22HighErrorRate%22#new".to_owned(),
        ledger: "/api/v2/ledger".to_owned(),
        ..Panel::default()
    }
}

fn instance(name: &str, value: &str) -> Instance {
    Instance {
        state: AlertState::Firing,
        severity: Some("critical".to_owned()),
        labels: vec![(name.to_owned(), value.to_owned())],
        value: "7.41%".to_owned(),
        limit: Some("> 5%".to_owned()),
        since: now() - std::time::Duration::from_secs(640),
        chosen: true,
        choose: "/runbooks/high-error-rate?instance=a".to_owned(),
        quiet: vec!["acknowledged"],
        actions: vec![("Silence", "/silence?alert=1&token=2".to_owned())],
    }
}

#[test]
fn every_shipped_runbook_is_a_whole_page() {
    let runbooks = Runbooks::embedded();
    for runbook in runbooks.list() {
        check_page(&render(runbook, now(), &Live::default()));
    }
    let active = HashMap::from([("TargetDown".to_owned(), AlertState::Firing)]);
    let html = index(&runbooks, &active);
    check_page(&html);
    let at = |slug: &str| html.find(&format!("/runbooks/{slug}\"")).unwrap();
    assert!(at("target-down") < at("api-instance-down"), "{html}");
    assert_eq!(html.matches(">firing<").count(), 1);
    for runbook in runbooks.list() {
        assert!(html.contains(&format!("href=\"/runbooks/{}\"", runbook.slug)));
    }
}

#[test]
fn a_page_says_how_its_alert_is() {
    let runbooks = Runbooks::embedded();
    let page = runbooks.get("high-error-rate").unwrap();
    let shown = |panel: Panel| {
        let live = Live {
            panel: Some(panel),
            ..Live::default()
        };
        let html = render(page, now(), &live);
        check_page(&html);
        html
    };
    let has = |html: &str, parts: &[&str]| {
        for part in parts {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    };
    let hour = std::time::Duration::from_secs(3600);
    let quiet = shown(Panel {
        last: Last::Fired(now() - hour * 3, now() - hour),
        ..panel()
    });
    has(
        &quiet,
        &[
            ">quiet<",
            "1h 0m ago</time>, for about 2h 0m",
            "Nobody was told",
            "/silences?matchers=",
            "L3: incident lead",
        ],
    );
    has(
        &shown(Panel {
            last: Last::Never,
            ..panel()
        }),
        &["has not fired in the last 24 hours"],
    );
    let firing = shown(Panel {
        firing: 1,
        instances: [instance("instance", "10.0.0.7:8080")]
            .into_iter()
            .collect(),
        notifications: Some(vec![Sent {
            at: now(),
            receiver: "critical".to_owned(),
            integration: "slack[0]".to_owned(),
            class: "good",
            kind: "delivered",
            reason: "delivered: 200".to_owned(),
        }]),
        ..panel()
    });
    has(
        &firing,
        &[
            "1 firing",
            "instance=10.0.0.7:8080",
            "10m 40s ago",
            "7.41%",
            "limit &#62; 5%",
            "acknowledged",
            "/silence?alert=1&#38;token=2",
            "critical over slack[0]",
            "/runbooks/high-error-rate/chart/dark.svg",
        ],
    );
    has(
        &shown(Panel {
            notifications: None,
            rules: Vec::new(),
            ..panel()
        }),
        &[
            "could not be read in time",
            "No rule here raises HighErrorRate",
        ],
    );
}

#[test]
fn results_stand_below_their_queries() {
    let runbooks = Runbooks::embedded();
    let page = runbooks.get("high-error-rate").unwrap();
    let live = Live {
        outcomes: vec![
            Outcome::Rows {
                rows: vec![blocks::Row {
                    series: format!("up{{x=\"{HOSTILE}\"}}"),
                    values: vec!["0.25".to_owned()],
                }],
                more: 3,
            },
            Outcome::Failed {
                message: format!("wrong {HOSTILE}"),
                excerpt: Some("  ^".to_owned()),
            },
        ],
        ..Live::default()
    };
    let html = render(page, now(), &live);
    check_page(&html);
    let at = |text: &str| {
        html.find(text)
            .unwrap_or_else(|| panic!("{text} is not in {html}"))
    };
    assert!(at("id=\"block-1\"") < at("0.25") && at("0.25") < at("and 3 more"));
    assert!(at("and 3 more") < at("id=\"block-2\"") && at("id=\"block-2\"") < at("wrong "));
    // The third did not get its turn.
    assert!(at("id=\"block-3\"") < at("Not run yet"));
    assert!(html.contains("/runbooks/high-error-rate/block/3\">Run</a>"));
}

#[test]
fn words_take_the_labels_of_the_alert_and_stay_text() {
    let runbooks = Runbooks::embedded();
    let page = runbooks.get("api-instance-down").unwrap();
    let filled = |value: &str| {
        let live = Live {
            values: Values::of(&Labels::from_pairs([("instance", value)])),
            parameters: "?instance=x&job=y".to_owned(),
            panel: Some(Panel {
                instances: [instance("instance", value)].into_iter().collect(),
                ..panel()
            }),
            ..Live::default()
        };
        let html = render(page, now(), &live);
        check_page(&html);
        html
    };
    let html = filled("10.0.0.7:8080");
    assert!(html.contains("http://10.0.0.7:8080/metrics"), "{html}");
    assert!(
        html.contains("APIInstanceDown: 10.0.0.7:8080 of SERVICE"),
        "{html}"
    );
    assert!(html.contains("?instance=x&#38;job=y"));
    let html = filled(HOSTILE);
    assert!(
        html.contains("http://INSTANCE/metrics"),
        "not filled in: {html}"
    );
}

#[test]
fn a_query_by_itself_is_a_page() {
    let runbooks = Runbooks::embedded();
    let page = runbooks.get("high-error-rate").unwrap();
    let rows = Outcome::Rows {
        rows: Vec::new(),
        more: 0,
    };
    let html = block(page, 0, now(), &Live::default(), &rows);
    check_page(&html);
    assert!(
        html.contains("no series") && html.contains("/block/1/light.svg"),
        "{html}"
    );
    assert!(html.contains("href=\"/runbooks/high-error-rate#block-1\""));
    let words = Outcome::Open(vec!["INSTANCE"]);
    let html = block(page, 0, now(), &Live::default(), &words);
    assert!(html.contains("it needs <code>INSTANCE</code>"), "{html}");
}
