use std::sync::Arc;

use smallvec::SmallVec;

use super::fill::{PAGE, page};
use super::scene::Scene;
use super::wanted::Wanted;
use super::*;
use crate::alerts::dispatch::view::{AlertSnapshot, View, Viewed, ViewedGroup};
use crate::http::pages::tests::{HOSTILE, check_page};
use crate::http::params::Params;
use crate::model::alert::{Alert, Course};
use crate::model::labels::Labels;
use crate::model::notification::AlertStatus;
use crate::model::signature::{KEY_BYTES, Signer};

fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-20T03:12:45Z").unwrap()
}

fn alert(labels: &[(&str, &str)], seconds_ago: u64) -> Arc<Alert> {
    let since = now() - std::time::Duration::from_secs(seconds_ago);
    Arc::new(Alert {
        labels: Labels::from_pairs(labels.iter().copied()),
        annotations: Labels::from_pairs([
            ("summary", "7 % of requests fail"),
            ("runbook_url", "/runbooks/high-error-rate"),
            ("dashboard_url", "javascript:alert(1)"),
        ]),
        starts_at: since,
        ends_at: now() + std::time::Duration::from_secs(60),
        updated_at: now(),
        generator_url: "https://prometheus.example/graph?g0.expr=up".into(),
        value: Some(0.07),
        course: Course::default(),
    })
}

fn shown(alert: Arc<Alert>) -> AlertSnapshot {
    AlertSnapshot {
        alert,
        status: AlertStatus::Firing,
        inhibited_by: None,
        silenced_by: Vec::new(),
        acked_by: None,
    }
}

fn group(receiver: &str, muted: bool) -> ViewedGroup {
    ViewedGroup {
        key: receiver.into(),
        receiver: receiver.into(),
        labels: Labels::from_pairs([("job", "api")]),
        next_flush: now(),
        muted_by: muted.then(|| "nights".to_owned()).into_iter().collect(),
    }
}

/// In these groups.
fn viewed(shown: AlertSnapshot, groups: &[usize]) -> Viewed {
    Viewed {
        shown,
        flaps: false,
        groups: SmallVec::from_slice(groups),
    }
}

/// Two groups that share an alert, and one that pends.
fn scene() -> Scene {
    let both = shown(alert(&[("alertname", "Both"), ("severity", "info")], 5));
    let mut silenced = shown(alert(&[("alertname", "Silenced"), ("job", "api")], 50));
    silenced.silenced_by.push("s".into());
    let mut acked = shown(alert(
        &[("alertname", "Acked"), ("severity", "critical")],
        9,
    ));
    acked.acked_by = Some("a".into());
    let mut inhibited = shown(alert(&[("alertname", "Inhibited"), ("job", "api")], 50));
    inhibited.inhibited_by = Some("0123456789abcdef".to_owned());
    let bad = shown(alert(&[("alertname", "Bad"), ("severity", "critical")], 60));
    let muted = shown(alert(
        &[("alertname", "Muted"), ("severity", "warning")],
        60,
    ));
    let bad = Viewed {
        flaps: true,
        ..viewed(bad, &[1])
    };
    let view = View {
        alerts: vec![
            viewed(both, &[0, 1]),
            viewed(muted, &[0]),
            viewed(silenced, &[1]),
            viewed(acked, &[1]),
            viewed(inhibited, &[1]),
            bad,
        ],
        groups: vec![group("night", true), group("team", false)],
    };
    let pending = alert(&[("alertname", "Pending"), ("severity", "warning")], 3);
    Scene::of(view, vec![(*pending).clone()])
}

fn shown_page(scene: &Scene, query: &str, may_act: bool) -> AlertsPage {
    let signer = Signer::new([7; KEY_BYTES]);
    let params = Params::of_query(query);
    let eye = Eye {
        now: now(),
        signer: &signer,
        external_url: "http://127.0.0.1:9797",
        may_act,
    };
    let wanted = Wanted::read(&params);
    page(scene, wanted, params.get("page"), false, &eye)
}

fn names(page: &AlertsPage) -> Vec<&str> {
    let rows = page.blocks.iter().flat_map(|block| &block.rows);
    rows.map(|row| row.name.as_str()).collect()
}

#[test]
fn each_state_is_counted_and_filters_what_is_shown() {
    let scene = scene();
    let all = shown_page(&scene, "view=flat", true);
    let counts: Vec<usize> = all.counts.iter().map(|count| count.count).collect();
    // Active, firing, pending, silenced, inhibited, muted, acked, flapping.
    assert_eq!(counts, [2, 6, 1, 1, 1, 1, 1, 1]);
    assert_eq!(
        names(&all),
        [
            "Bad",
            "Both",
            "Acked",
            "Pending",
            "Muted",
            "Inhibited",
            "Silenced"
        ],
        "what nobody looks after first, then by severity, then the newest"
    );
    let check = |query: &str, want: &[&str]| {
        assert_eq!(names(&shown_page(&scene, query, true)), want, "{query}");
    };
    check("view=flat&state=active", &["Bad", "Both"]);
    check(
        "view=flat&state=silenced&state=muted",
        &["Muted", "Silenced"],
    );
    check("view=flat&state=nonsense&q=OTH", &["Both"]);
    check("view=flat&severity=critical", &["Bad", "Acked"]);
    check(
        "view=flat&filter=severity%3D~%22crit.*%22",
        &["Bad", "Acked"],
    );
    check(
        "view=flat&filter=job%3Dapi&filter=alertname!%3DSilenced",
        &["Inhibited"],
    );
    check("view=flat&receiver=night", &["Both", "Muted"]);
    check("q=nothing+of+this", &[]);
}

#[test]
fn groups_stand_in_the_order_of_their_worst_alert_and_pending_ones_last() {
    let scene = scene();
    let page = shown_page(&scene, "", true);
    let headings: Vec<(&str, usize)> = page
        .blocks
        .iter()
        .filter_map(|block| block.heading.as_ref())
        .map(|heading| (heading.receiver.as_str(), heading.count))
        .collect();
    assert_eq!(headings, [("team", 5), ("night", 2), ("", 1)]);
    assert_eq!(
        page.blocks[1].heading.as_ref().unwrap().muted_by,
        ["nights"]
    );
    let html = render_list(&page);
    check_page(&html);
    for text in [
        "muted by nights",
        "Not handed to the routes yet",
        "href=\"/alerts/",
        "href=\"/ledger?fingerprint=",
        "href=\"/silences?alert=",
        "href=\"/ack?alert=",
        "href=\"/runbooks/high-error-rate?job=api\"",
    ] {
        assert!(html.contains(text), "{text} is not in {html}");
    }
    assert!(!html.contains("javascript:"), "{html}");
}

#[test]
fn who_may_not_act_sees_no_link_that_acts() {
    let html = render_list(&shown_page(&scene(), "", false));
    check_page(&html);
    assert!(
        !html.contains("/silences?alert=") && !html.contains("/ack?"),
        "{html}"
    );
    assert!(html.contains("Why<span"));
}

#[test]
fn a_wrong_matcher_is_shown_with_its_place_and_filters_nothing() {
    let page = shown_page(
        &scene(),
        "view=flat&filter=a%3D%22b%22,%20severity%22x%22",
        true,
    );
    let mistake = page.mistake.clone().unwrap();
    assert!(mistake.message.contains("expected one of"), "{mistake:?}");
    let excerpt = mistake.excerpt.unwrap();
    assert!(excerpt.ends_with("\n               ^"), "{excerpt}");
    assert_eq!(names(&page).len(), 7);
    check_page(&render_list(&page));
    let long = format!("filter={}", "x".repeat(5_000));
    let page = shown_page(&scene(), &long, true);
    assert!(page.mistake.is_some() && page.form.filter.is_empty());
}

#[test]
fn ten_thousand_alerts_are_one_small_page_after_the_other() {
    let numbers: Vec<String> = (0..10_000).map(|number| format!("{number:05}")).collect();
    let alerts = numbers.iter().map(|number| {
        let alert = alert(&[("alertname", "Many"), ("instance", number)], 5);
        viewed(shown(alert), &[0])
    });
    let view = View {
        alerts: alerts.rev().collect(),
        groups: vec![group("team", false)],
    };
    let scene = Scene::of(view, Vec::new());
    let page = shown_page(&scene, "page=3", true);
    assert_eq!(page.paging.text(), "101–150 of 10000");
    assert_eq!(page.counts[1].count, 10_000);
    assert_eq!(names(&page).len(), PAGE);
    let first = &page.blocks[0].rows[0].labels;
    assert_eq!(first[0].1, "00100", "in order, whatever order they come in");
    let html = render_list(&page);
    check_page(&html);
    assert!(html.contains("href=\"/alerts?page=2\"") && html.contains("href=\"/alerts?page=4\""));
    assert!(html.contains("10000 alerts"));
    assert!(html.len() < 150_000, "{} bytes", html.len());
    let last = shown_page(&scene, "page=999999", true);
    assert_eq!(last.paging.text(), "9951–10000 of 10000");
}

#[test]
fn hostile_alerts_are_inert_and_short() {
    let large = "x".repeat(1 << 20);
    let hostile = alert(
        &[
            ("alertname", HOSTILE),
            ("severity", HOSTILE),
            (HOSTILE, HOSTILE),
            ("large", &large),
        ],
        5,
    );
    let mut alert = (*hostile).clone();
    alert.annotations = Labels::verbatim_pairs([
        ("summary", HOSTILE),
        ("runbook_url", "javascript:alert(1)//https://"),
        ("dashboard_url", &*format!("https://x/{large}")),
        ("owner", HOSTILE),
    ]);
    alert.generator_url = "data:text/html,<script>alert(1)</script>".into();
    let view = View {
        alerts: vec![viewed(shown(Arc::new(alert)), &[0])],
        groups: vec![ViewedGroup {
            receiver: HOSTILE.into(),
            labels: Labels::from_pairs([(HOSTILE, HOSTILE)]),
            muted_by: vec![HOSTILE.to_owned()],
            ..group("x", false)
        }],
    };
    let scene = Scene::of(view, Vec::new());
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("filter", HOSTILE)
        .append_pair("severity", HOSTILE)
        .append_pair("receiver", HOSTILE)
        .append_pair("page", HOSTILE)
        .finish();
    for query in ["", &query, "view=flat"] {
        let html = render_list(&shown_page(&scene, query, true));
        check_page(&html);
        assert!(html.len() < 60_000, "{} bytes", html.len());
        for never in ["javascript:", "data:text", "\u{202e}", "\0"] {
            assert!(!html.contains(never), "{never:?} in {html}");
        }
    }
}

#[test]
fn one_alert_is_told_with_all_that_is_known_of_it() {
    let scene = scene();
    let signer = Signer::new([7; KEY_BYTES]);
    let eye = Eye {
        now: now(),
        signer: &signer,
        external_url: "http://127.0.0.1:9797",
        may_act: true,
    };
    let of = |row: Row, word: &str| AlertPage {
        now: now(),
        row,
        is_known: true,
        labels: vec![(word.to_owned(), word.to_owned())],
        annotations: vec![
            (word.to_owned(), word.to_owned(), None),
            (
                "runbook_url".to_owned(),
                word.to_owned(),
                Some("/runbooks/a".to_owned()),
            ),
        ],
        quiet: vec![(word.to_owned(), Some("/silences".to_owned()))],
        chart: Some("/alerts/00/chart.svg?theme=".to_owned()),
        episodes: vec![Episode {
            state: State::Pending,
            start: now() - std::time::Duration::from_secs(90),
            end: None,
        }],
        routes: vec![RouteRow {
            receiver: word.to_owned(),
            integrations: vec![word.to_owned()],
            path: vec![word.to_owned(), word.to_owned()],
            group: word.to_owned(),
            muted: Some(word.to_owned()),
            timing: word.to_owned(),
        }],
        why: super::super::ledger::Why::default(),
        notifications: vec![NotificationRow {
            at: now(),
            whom: word.to_owned(),
            reason: word.to_owned(),
            outcome: (word.to_owned(), "good"),
            link: "/ledger".to_owned(),
        }],
    };
    let row = |place: usize| super::fill::row(&scene.alerts[place], None, &eye);
    for word in ["plain words", HOSTILE] {
        let html = render_one(&of(row(0), word));
        check_page(&html);
        assert!(
            html.contains("1m 30s") && html.contains("srcset=\"/alerts/00/chart.svg?theme=dark\""),
            "{html}"
        );
    }
    let gone = AlertPage {
        is_known: false,
        chart: None,
        ..of(row(0), "x")
    };
    assert!(render_one(&gone).contains("what the ledger remembers"));
}
