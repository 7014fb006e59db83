mod watch;

use std::time::Duration;

use super::graph::{GraphPage, QueryError, Row};
use super::status::{
    ConfigError, Counts, GroupRow, Health, NotificationRow, Readiness, ReceiverRow, Reload,
    RuleKind, RuleRow, StatusPage, TargetRow,
};
use super::view::{AlertRow, Bounded, MAX_ROWS};
use super::*;
use crate::model::alert::AlertState;
use crate::model::timestamp::Timestamp;
use crate::runbooks::{Missing, Runbooks};

/// What a hostile label value, name or error may hold.
pub(super) const HOSTILE: &str =
    "\"'><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}\0{{ 7*7 }}";

fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-20T03:12:45Z").unwrap()
}

fn before(seconds: u64) -> Timestamp {
    now() - Duration::from_secs(seconds)
}

fn alert(name: &str, state: AlertState, severity: &str, since: u64) -> AlertRow {
    AlertRow {
        name: name.to_owned(),
        state,
        severity: Some(severity.to_owned()),
        labels: vec![
            ("instance".to_owned(), "10.2.0.17:8080".to_owned()),
            ("job".to_owned(), "api".to_owned()),
        ],
        summary: Some("7.4 % of requests to 10.2.0.17:8080 fail".to_owned()),
        value: "0.0741".to_owned(),
        since: before(since),
        runbook: Some("/runbooks/high-error-rate".to_owned()),
        expression: Some("instance:http_request_errors:ratio_rate5m > 0.05".to_owned()),
    }
}

fn target(instance: &str, error: Option<&str>) -> TargetRow {
    TargetRow {
        job: "api".to_owned(),
        instance: instance.to_owned(),
        health: if error.is_some() {
            Health::Bad
        } else {
            Health::Good
        },
        last_scrape: Some(before(7)),
        duration: Some(Duration::from_micros(1840)),
        samples: error.is_none().then_some(1043),
        error: error.map(str::to_owned),
    }
}

fn rule(name: &str, kind: RuleKind, error: Option<&str>) -> RuleRow {
    RuleRow {
        name: name.to_owned(),
        kind,
        expression: "up == 0".to_owned(),
        health: if error.is_some() {
            Health::Bad
        } else {
            Health::Good
        },
        state: (kind == RuleKind::Alerting).then_some(AlertState::Inactive),
        error: error.map(str::to_owned),
        last_evaluation: Some(before(9)),
        duration: Some(Duration::from_micros(212)),
    }
}

fn group(name: &str, error: Option<&str>) -> GroupRow {
    GroupRow {
        name: name.to_owned(),
        file: "rules/api.yml".to_owned(),
        interval: Duration::from_secs(15),
        last_evaluation: Some(before(9)),
        duration: Some(Duration::from_micros(1310)),
        rules: [
            rule("instance:http_requests:rate5m", RuleKind::Recording, None),
            rule("HighErrorRate", RuleKind::Alerting, error),
        ]
        .into_iter()
        .collect(),
    }
}

fn notification(outcome: status::Outcome, detail: Option<&str>) -> NotificationRow {
    NotificationRow {
        at: before(95),
        receiver: "critical".to_owned(),
        integration: "slack[0]".to_owned(),
        group: "{alertname=\"HighErrorRate\", job=\"api\"}".to_owned(),
        outcome,
        detail: detail.map(str::to_owned),
    }
}

/// A bad night: something of everything.
fn troubled() -> StatusPage {
    StatusPage {
        upstream_only: false,
        calming: Vec::new(),
        now: now(),
        version: "0.1.0".to_owned(),
        uptime: Duration::from_secs(273_912),
        readiness: Readiness::Ready,
        config_file: Some("/etc/outrigger/outrigger.yml".to_owned()),
        last_reload: Some(Reload {
            at: before(340),
            succeeded: false,
            errors: [ConfigError {
                file: "rules/api.yml".to_owned(),
                line: Some(31),
                column: Some(15),
                message: "unexpected end of input, expected a closing parenthesis".to_owned(),
                excerpt: Some(
                    "sum(rate(http_requests_total[5m])\n                                 ^"
                        .to_owned(),
                ),
                remedy: Some("close the parenthesis opened at column 4".to_owned()),
            }]
            .into_iter()
            .collect(),
        }),
        listen: "127.0.0.1:9797".to_owned(),
        counts: Counts {
            firing: 1,
            pending: 1,
            targets: 3,
            targets_down: 1,
            rules: 4,
            rules_failing: 1,
        },
        alerts: [
            alert("HighErrorRate", AlertState::Firing, "critical", 640),
            alert("SlowResponseTimes", AlertState::Pending, "warning", 95),
        ]
        .into_iter()
        .collect(),
        targets: [
            target(
                "10.2.0.18:8080",
                Some("connect to 10.2.0.18:8080: connection refused"),
            ),
            target("10.2.0.17:8080", None),
            target("localhost:9797", None),
        ]
        .into_iter()
        .collect(),
        groups: [
            group(
                "api",
                Some("vector cannot contain metrics with the same labelset"),
            ),
            group("host", None),
        ]
        .into_iter()
        .collect(),
        failing: [ReceiverRow {
            receiver: "on-call".to_owned(),
            integration: "slack[0]".to_owned(),
            since: before(130),
            until: now() + Duration::from_secs(42),
            error: "server_error: answered 503".to_owned(),
        }]
        .into_iter()
        .collect(),
        notifications: [
            notification(status::Outcome::Delivered, None),
            notification(
                status::Outcome::Suppressed,
                Some("inhibited by APIInstanceDown"),
            ),
            notification(
                status::Outcome::Failed,
                Some("hooks.slack.com answered 503; given up after 5m"),
            ),
        ]
        .into_iter()
        .collect(),
        storage: vec![
            ("Series".to_owned(), "1 463".to_owned()),
            ("Samples".to_owned(), "2.1 M".to_owned()),
            (
                "Write-ahead log".to_owned(),
                "12 MiB in 2 segments".to_owned(),
            ),
        ],
    }
}

/// A first start: nothing of anything.
fn quiet() -> StatusPage {
    StatusPage {
        upstream_only: false,
        calming: Vec::new(),
        readiness: Readiness::NotReady("reading the write-ahead log".to_owned()),
        config_file: None,
        last_reload: None,
        counts: Counts::default(),
        alerts: Bounded::default(),
        targets: Bounded::default(),
        groups: Bounded::default(),
        failing: Bounded::default(),
        notifications: Bounded::default(),
        storage: Vec::new(),
        ..troubled()
    }
}

fn query(expression: &str, outcome: graph::Outcome) -> GraphPage {
    GraphPage {
        expression: expression.to_owned(),
        outcome,
        at: Some(now()),
        duration: Some(Duration::from_micros(431)),
        warnings: Vec::new(),
        links: vec![
            (
                "Runbook HighErrorRate".to_owned(),
                "/runbooks/high-error-rate".to_owned(),
            ),
            ("bad".to_owned(), "javascript:alert(1)".to_owned()),
        ],
        ..GraphPage::empty(expression)
    }
}

fn rows(count: usize) -> Bounded<Row> {
    Bounded::map(0..count, |number| Row {
        series: format!("up{{instance=\"10.2.0.{number}:8080\", job=\"api\"}}"),
        values: vec!["1".to_owned()],
    })
}

/// Every page is one whole document that asks nobody else for anything, with one script of ours and no inline style.
fn check_document(html: &str) {
    let without = ["app.js", "query.js"]
        .map(script)
        .iter()
        .fold(html.to_owned(), |html, ours| html.replace(ours, ""));
    assert!(
        !without.contains("<img") && !without.contains(" src=\""),
        "{html}"
    );
    check_page(html);
}

/// How a page asks for one of our scripts.
fn script(name: &str) -> String {
    let address = assets::address(name);
    format!("<script src=\"{address}\" defer></script>")
}

/// As [`check_document`], for pages that show charts of their own.
pub(super) fn check_page(html: &str) {
    let foreign = ["src=\"http", "srcset=\"http", "src=\"//", "src=\"data"];
    assert!(!foreign.iter().any(|never| html.contains(never)), "{html}");
    assert!(!html.contains("<img src=x"), "{html}");
    assert!(!html.contains('\u{202e}'), "it turns what follows: {html}");
    let (ours, more) = (script("app.js"), script("query.js"));
    assert_eq!(html.matches(&ours).count(), 1, "{html}");
    let html = &html.replace(&ours, "").replace(&more, "");
    assert!(html.starts_with("<!DOCTYPE html>"), "{html}");
    assert!(html.trim_end().ends_with("</html>"));
    for once in [
        "<main id=\"page-main\" tabindex=\"-1\">",
        "<h1",
        "<title>",
        "<html lang=\"en\" data-theme=\"auto\">",
    ] {
        assert_eq!(html.matches(once).count(), 1, "{once} in {html}");
    }
    for never in ["<script", "style=\"", "<iframe", "onerror=\""] {
        assert!(!html.contains(never), "{never} in {html}");
    }
    check_ids(html);
}

/// No id comes twice.
pub(super) fn check_ids(html: &str) {
    let mut ids: Vec<&str> = html
        .split(" id=\"")
        .skip(1)
        .filter_map(|part| part.split('"').next())
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id comes twice in {html}");
}

#[test]
fn the_status_page_says_what_is_wrong_first() {
    let html = status::render(&troubled());
    check_document(&html);
    let place = |text: &str| {
        html.find(text)
            .unwrap_or_else(|| panic!("{text} is not in {html}"))
    };
    assert!(place("1 firing, 1 pending") < place("The last reload was refused"));
    assert!(place("rules/api.yml:31:15") < place("HighErrorRate"));
    for text in [
        "<title>1 firing · Status · Outrigger</title>",
        "2 of 3 up",
        "1 of 4 failing",
        ">10m 40s ago</time>",
        "href=\"/runbooks/high-error-rate\"",
        "href=\"/graph?g0.expr=instance%3Ahttp_request_errors%3Aratio_rate5m+%3E+0.05&#38;g0.tab=1\"",
        "connection refused",
        "1.84 ms",
        "1\u{202f}043",
        "inhibited by APIInstanceDown",
        "3d 4h",
        "close the parenthesis opened at column 4",
    ] {
        place(text);
    }
    // Only the group in trouble is open.
    assert_eq!(html.matches("<details open>").count(), 1);
}

#[test]
fn the_status_page_of_a_first_start_says_so() {
    let html = status::render(&quiet());
    check_document(&html);
    for text in [
        "Not ready: reading the write-ahead log",
        "Nothing fires and nothing is pending.",
        "No target is configured.",
        "No rule is loaded.",
        "No notification was sent yet.",
        "built in",
        "none since the start",
    ] {
        assert!(html.contains(text), "{text} is not in {html}");
    }
}

#[test]
fn lists_are_bounded_and_say_so() {
    let mut page = troubled();
    page.alerts = Bounded::map(0..10_000, |_| alert("A", AlertState::Firing, "critical", 1));
    page.targets = Bounded::map(0..=MAX_ROWS, |_| target("t", None));
    let html = status::render(&page);
    assert!(html.contains("and 9900 more alerts"));
    assert!(html.contains("and 1 more target<"));
    assert_eq!(html.matches("Runbook<span").count(), MAX_ROWS);

    let html = graph::render(&query("up", graph::Outcome::Vector(rows(250))));
    assert!(
        html.contains("Instant vector, 250 series, in 431 µs"),
        "{html}"
    );
    assert!(html.contains("and 150 more series"));
}

#[test]
fn hostile_text_is_inert_on_every_page() {
    let h = || HOSTILE.to_owned();
    let mut page = troubled();
    page.config_file = Some(h());
    page.readiness = Readiness::NotReady(h());
    page.storage = vec![(h(), h())];
    for alert in &mut page.alerts.rows {
        *alert = AlertRow {
            name: h(),
            severity: Some(h()),
            labels: vec![(h(), h())],
            summary: Some(h()),
            value: h(),
            runbook: Some("javascript:alert(1)//https://".to_owned()),
            expression: Some(h()),
            ..alert.clone()
        };
    }
    page.targets.rows[0].error = Some(h());
    page.targets.rows[0].instance = h();
    page.groups.rows[0].name = h();
    page.groups.rows[0].rules.rows[0].name = h();
    page.notifications.rows[0].group = h();
    page.notifications.rows[0].detail = Some(h());
    let html = status::render(&page);
    check_document(&html);
    assert!(!html.contains("javascript:"), "{html}");

    for outcome in [
        graph::Outcome::Error(QueryError {
            message: h(),
            excerpt: Some(h()),
        }),
        graph::Outcome::Text(h()),
        graph::Outcome::Vector(
            [Row {
                series: h(),
                values: vec![h()],
            }]
            .into_iter()
            .collect(),
        ),
    ] {
        let mut page = query(&format!("</textarea>{HOSTILE}"), outcome);
        page.warnings.push(h());
        let html = graph::render(&page);
        check_document(&html);
        assert_eq!(html.matches("</textarea>").count(), 1, "{html}");
        assert!(!html.contains("javascript:"), "{html}");
    }

    check_document(&error::render(500, HOSTILE));
    let missing = Missing {
        reason: Some(h()),
        nearest: vec![h()],
    };
    check_document(&error::missing_runbook(HOSTILE, &missing));
}

#[test]
fn a_fault_in_a_query_is_shown_under_the_expression() {
    let html = graph::render(&query(
        "sum(rate(x[5m])",
        graph::Outcome::Error(QueryError {
            message: "1:16: unexpected end of input".to_owned(),
            excerpt: Some("sum(rate(x[5m])\n               ^".to_owned()),
        }),
    ));
    check_document(&html);
    assert!(
        html.contains("sum(rate(x[5m])\n               ^</pre>"),
        "{html}"
    );
    assert!(html.contains("aria-invalid=\"true\""));
    assert!(html.contains("<a href=\"/runbooks/high-error-rate\">Runbook HighErrorRate</a>"));
}

#[test]
fn every_kind_of_result_is_shown() {
    let check = |outcome: graph::Outcome, text: &str| {
        let html = graph::render(&query("x", outcome));
        check_document(&html);
        assert!(html.contains(text), "{text} is not in {html}");
    };
    check(graph::Outcome::Empty, "autocomplete=\"off\">\nx</textarea>");
    check(graph::Outcome::Scalar("42".to_owned()), "<code>42</code>");
    check(graph::Outcome::Text("word".to_owned()), "<code>word</code>");
    check(graph::Outcome::Vector(rows(0)), "Nothing matches");
    let values = (0..30).map(|n| format!("{n} @{n}")).collect();
    let matrix = [Row {
        series: "up".to_owned(),
        values,
    }];
    check(
        graph::Outcome::Matrix(matrix.into_iter().collect()),
        "and 10 more",
    );
}

#[test]
fn a_missing_runbook_offers_the_nearest() {
    let missing = Runbooks::embedded().missing("high-eror-rate");
    let html = error::missing_runbook("high-eror-rate", &missing);
    check_document(&html);
    assert!(
        html.contains("<a href=\"/runbooks/high-error-rate\">"),
        "{html}"
    );
    assert!(
        html.contains("<span class=\"code\">404</span> Not Found"),
        "{html}"
    );
}

#[test]
fn links_that_leave_in_disguise_are_not_made() {
    for link in [
        "javascript:alert(1)",
        "//evil.example",
        "/\\evil.example",
        "data:,x",
        "x",
        "",
        "é",
    ] {
        assert_eq!(view::safe_link(link), None, "{link}");
    }
    for link in [
        "https://wiki.example/x",
        "HTTP://wiki.example",
        "/runbooks/a",
    ] {
        assert_eq!(view::safe_link(link), Some(link));
    }
}

#[test]
fn durations_and_times_are_written_for_people() {
    let exact = |nanos: u64| view::exact(&Duration::from_nanos(nanos));
    assert_eq!(exact(0), "0 s");
    assert_eq!(exact(212_000), "212 µs");
    assert_eq!(exact(1_840_000), "1.84 ms");
    assert_eq!(exact(20_000_000), "20 ms");
    assert_eq!(exact(15_000_000_000), "15 s");
    assert_eq!(exact(600_000_000_000), "10m 0s");
    assert_eq!(view::ago(&now(), &before(0)), "just now");
    assert_eq!(view::ago(&before(5), &now()), "in the future");
    assert_eq!(view::clock_text(&now()), "2026-11-20 03:12:45 UTC");
    assert_eq!(view::count(&Some(1_234_567)), "1\u{202f}234\u{202f}567");
    assert_eq!(view::count(&None), "–");
}

#[test]
fn the_policy_lets_nothing_in_but_our_style_and_script() {
    let policy = SECURITY_HEADERS[0].1;
    let want = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; ";
    assert!(policy.starts_with(want), "{policy}");
    assert!(!policy.contains("unsafe"));
    for (name, value) in SECURITY_HEADERS {
        assert!(axum::http::HeaderName::from_static(name).as_str() == name);
        axum::http::HeaderValue::from_static(value);
    }
    assert!(!assets::STYLE.contains("url(") && !assets::STYLE.contains("@import"));
    for evaluated in ["eval(", "innerHTML", "document.write", "Function("] {
        assert!(!assets::SCRIPT.contains(evaluated), "{evaluated}");
    }
}
