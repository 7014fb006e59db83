//! Overview, targets, rules, and one rule.

use super::*;
use crate::http::pages::overview::{OverviewPage, StorageRow, Unattended};
use crate::http::pages::paged::{Address, Paging};
use crate::http::pages::rule::{EvaluationRow, RulePage};
use crate::http::pages::rules::{Group, Row as RuleLine, RulesPage, Totals};
use crate::http::pages::targets::{Dropped, Job, Row as TargetLine, TargetsPage};
use crate::http::pages::{overview, rule, rules, targets};

fn calm() -> OverviewPage {
    OverviewPage {
        now: now(),
        readiness: Readiness::Ready,
        refused: None,
        calming: Vec::new(),
        counts: Counts {
            targets: 3,
            rules: 12,
            ..Counts::default()
        },
        severities: Vec::new(),
        silenced: 0,
        acked: 0,
        inhibited: 0,
        busy: false,
        alerts: Bounded::default(),
        down: Bounded::default(),
        failing: Bounded::default(),
        groups: 2,
        evaluated: Some(before(3)),
        notifications: Bounded::default(),
        waiting: (0, None),
        receivers: Bounded::default(),
        storage: StorageRow {
            series: 400,
            limit: 10_000,
            failing: false,
            newest: Some(before(1)),
        },
    }
}

#[test]
fn the_overview_says_all_quiet_only_where_the_watch_is_whole() {
    let check = |change: fn(&mut OverviewPage), quiet: bool, says: &str| {
        let mut page = calm();
        change(&mut page);
        let html = overview::render(&page);
        check_document(&html);
        assert_eq!(html.contains("All quiet"), quiet, "{html}");
        assert!(html.contains(says), "{says} is not in {html}");
    };
    check(|_| {}, true, "3 targets answer, 12 rules are evaluated");
    check(|page| page.counts.pending = 1, false, "1 alert is pending");
    check(
        |page| page.counts.targets_down = 2,
        false,
        "2 targets do not answer",
    );
    check(|page| page.counts.targets = 0, false, "nothing is scraped");
    check(|page| page.storage.failing = true, false, "in memory only");
    check(
        |page| page.refused = Some(before(60)),
        false,
        "reload was refused",
    );
    check(
        |page| {
            page.counts.firing = 2;
            page.acked = 2;
        },
        false,
        "acknowledged, silenced or inhibited",
    );
}

fn a_target(hostile: &str) -> TargetLine {
    let pair = || vec![(hostile.to_owned(), hostile.to_owned())];
    TargetLine {
        instance: hostile.to_owned(),
        url: hostile.to_owned(),
        health: Health::Bad,
        last_scrape: Some(before(5)),
        duration: Some(Duration::from_millis(3)),
        samples: Some(12_345),
        error: Some(hostile.to_owned()),
        interval: Duration::from_secs(15),
        timeout: Duration::from_secs(10),
        bytes: 48_211,
        labels: pair(),
        discovered: pair(),
    }
}

fn a_rule(hostile: &str) -> RulePage {
    let pair = || vec![(hostile.to_owned(), hostile.to_owned())];
    RulePage {
        now: now(),
        name: hostile.to_owned(),
        kind: RuleKind::Alerting,
        group: hostile.to_owned(),
        file: hostile.to_owned(),
        line: 31,
        interval: Duration::from_secs(15),
        offset: Duration::ZERO,
        pending_for: Duration::from_secs(300),
        keep_firing_for: Duration::ZERO,
        expression: hostile.to_owned(),
        labels: pair(),
        annotations: pair(),
        state: Some(AlertState::Firing),
        health: Health::Good,
        explanation: vec![hostile.to_owned()],
        chart: ("/rules/g/r/chart.svg?theme=".to_owned(), "&at=1".to_owned()),
        json: "/api/v1/rules/g/r".to_owned(),
        links: vec![
            ("bad".to_owned(), "javascript:alert(1)".to_owned()),
            (hostile.to_owned(), "/runbooks/x".to_owned()),
        ],
        alerts: [alert(hostile, AlertState::Firing, hostile, 60)]
            .into_iter()
            .collect(),
        evaluations: vec![EvaluationRow {
            at: before(4),
            took: Duration::from_micros(310),
            samples: 12_000,
            series: 400,
            results: 1,
            error: Some(hostile.to_owned()),
        }],
    }
}

#[test]
fn hostile_text_is_inert_in_overview_targets_and_rules() {
    let h = || HOSTILE.to_owned();
    let mut page = calm();
    page.counts.firing = 1;
    page.severities = vec![(h(), 1)];
    page.calming = vec![h()];
    page.readiness = Readiness::NotReady(h());
    page.alerts.rows.push(Unattended {
        row: AlertRow {
            summary: Some(h()),
            labels: vec![(h(), h())],
            runbook: Some("javascript:alert(1)".to_owned()),
            ..alert(HOSTILE, AlertState::Firing, HOSTILE, 60)
        },
        rule: Some("/rules/a/b".to_owned()),
        links: vec![("Silence", "/silence?a=b".to_owned())],
    });
    page.down.rows.push(target(HOSTILE, Some(HOSTILE)));
    page.failing.rows.push((h(), "/rules/a/b".to_owned(), h()));
    let html = overview::render(&page);
    check_document(&html);
    assert!(!html.contains("javascript:"), "{html}");

    let html = targets::render(&TargetsPage {
        now: now(),
        text: h(),
        state: h(),
        up: 0,
        all: 1,
        jobs: vec![Job {
            name: h(),
            up: 0,
            all: 1,
            targets: vec![a_target(HOSTILE)],
        }],
        paging: Paging::of(0, 1, None, Address::new("/")),
        dropped: [Dropped {
            job: h(),
            discovered: vec![(h(), h())],
            error: Some(h()),
        }]
        .into_iter()
        .collect(),
        file_errors: [h()].into_iter().collect(),
    });
    check_document(&html);
    assert!(
        html.contains("48.2 kB") && html.contains("12\u{202f}345"),
        "{html}"
    );

    let html = rules::render(&RulesPage {
        now: now(),
        text: h(),
        state: String::new(),
        totals: Totals::default(),
        groups: vec![Group {
            name: h(),
            file: h(),
            interval: Duration::from_secs(15),
            last_evaluation: None,
            duration: None,
            rules: vec![RuleLine {
                name: h(),
                address: "/rules/a/b".to_owned(),
                kind: RuleKind::Alerting,
                expression: h(),
                severity: Some(h()),
                health: Health::Bad,
                state: Some(AlertState::Pending),
                active: 2,
                error: Some(h()),
                last_evaluation: Some(before(2)),
                duration: None,
            }],
        }],
        paging: Paging::of(0, 1, None, Address::new("/")),
    });
    check_document(&html);

    let html = rule::render(&a_rule(HOSTILE));
    // The one picture is the chart, in the browser's own theme and as wide as the screen.
    assert_eq!(html.matches("<img").count(), 1, "{html}");
    let (start, end) = (html.find("<picture>"), html.find("</picture>"));
    let picture = &html[start.unwrap()..end.unwrap()];
    for part in [
        "<source media=\"screen and (prefers-color-scheme: dark)\" srcset=\"/rules/g/r/chart.svg?theme=dark&amp;at=1\"",
        "<source media=\"screen and (prefers-color-scheme: dark) and (max-width: 40rem)\" srcset=\"/rules/g/r/chart.svg?theme=dark-small&amp;at=1\"",
        "<source media=\"screen and (max-width: 40rem)\" srcset=\"/rules/g/r/chart.svg?theme=light-small&amp;at=1\"",
        "<img class=\"chart\" src=\"/rules/g/r/chart.svg?theme=light&amp;at=1\"",
    ] {
        assert!(picture.contains(part), "{part} is not in {picture}");
    }
    check_document(&html.replace(picture, ""));
    assert!(!html.contains("javascript:"), "{html}");
}
