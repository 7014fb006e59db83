use super::*;
use crate::definitions::domain::Domain;
use crate::definitions::metric::{Metric, Playbook};
use crate::definitions::objective::Objective;
use crate::http::pages::paged::Address;
use crate::http::pages::tests::{HOSTILE, check_page};

fn metric() -> Metric {
    let text = include_str!("../../../../tests/data/definitions/metric.json");
    serde_json::from_str(text).unwrap()
}

fn row(word: &str) -> Row {
    Row {
        href: address(Kind::Metric, word),
        name: word.to_owned(),
        id: word.to_owned(),
        description: word.to_owned(),
        badges: vec![(word.to_owned(), "good")],
        facts: vec![("Owner", word.to_owned())],
        progress: Some(Progress {
            percent: 52,
            text: word.to_owned(),
            class: "warn",
        }),
    }
}

fn one(kind: Kind, word: &str, sections: Vec<Fields>) -> OnePage {
    OnePage {
        now: Timestamp::from_millis(2_000),
        kind,
        head: row(word),
        live: Some(Live {
            value: Some(word.to_owned()),
            unit: word.to_owned(),
            verdict: (word.to_owned(), "bad"),
            reason: Some(word.to_owned()),
            series: 3,
            limits: vec![("Target", word.to_owned())],
        }),
        chart: Some("/chart.svg?theme=".to_owned()),
        sections,
        parts: vec![row(word)],
        more: Some((7, "/definitions".to_owned())),
        rules: vec![(word.to_owned(), "firing", "/alerts".to_owned())],
        history: vec![Version {
            revision: 2,
            version: Some(word.to_owned()),
            at: Timestamp::from_millis(0),
            by: word.to_owned(),
            summary: word.to_owned(),
            link: Some("/definitions/metrics/x?from=1&to=2#changes".to_owned()),
        }],
        paging: Paging::of(20, 10, Some("1"), Address::new("/definitions/metrics/x")),
        difference: Some(Difference {
            from: 1,
            to: 2,
            changes: vec![(word.to_owned(), Some(word.to_owned()), None)],
            more: 3,
        }),
    }
}

#[test]
fn a_list_of_definitions_is_a_document_and_hostile_text_in_it_is_inert() {
    for word in ["plain", HOSTILE] {
        let page = ListPage {
            kind: Kind::Metric,
            search: word.to_owned(),
            filters: vec![Choice {
                name: "tier",
                label: "Tier",
                values: vec![(word.to_owned(), 3)],
                chosen: word.to_owned(),
            }],
            kinds: vec![("Metrics", 3, "/definitions", true)],
            rows: vec![row(word)],
            paging: Paging::of(
                120,
                50,
                Some("2"),
                Address::new("/definitions").with("q", word),
            ),
            mistake: Some(word.to_owned()),
        };
        let html = render_list(&page);
        check_page(&html);
        for text in ["value=\"52\"", "51–100 of 120", " selected>"] {
            assert!(html.contains(text), "{text} is not in {html}");
        }
        let nothing = ListPage {
            rows: Vec::new(),
            search: String::new(),
            paging: Paging::of(0, 50, None, Address::new("/definitions")),
            ..page
        };
        assert!(render_list(&nothing).contains("None is defined yet."));
    }
}

#[test]
fn a_definition_is_laid_out_and_names_no_connection() {
    let mut metric = metric();
    metric.data.primary_sources[0].connection_id = "secret-connection".to_owned();
    metric.operational_usage.linked_playbooks = vec![Playbook {
        name: "Evil".to_owned(),
        url: "javascript:alert(1)".to_owned(),
    }];
    let html = render_one(&one(Kind::Metric, "plain", fields::metric(&metric)));
    check_page(&html);
    for text in [
        metric.definition.formula.as_str(),
        "Better when",
        "it rises",
        "<del>plain</del>",
        "1–10 of 20",
        "srcset=\"/chart.svg?theme=dark-small\"",
        "and 3 more changes",
    ] {
        assert!(html.contains(text), "{text} is not in {html}");
    }
    for never in ["secret-connection", "javascript:"] {
        assert!(!html.contains(never), "{never} in {html}");
    }
}

#[test]
fn hostile_definitions_are_inert() {
    let hostile = |kind: Kind, sections| check_page(&render_one(&one(kind, HOSTILE, sections)));
    let mut metric = metric();
    for text in [
        &mut metric.definition.formula,
        &mut metric.definition.unit,
        &mut metric.alignment.why_it_matters,
        &mut metric.governance.owner_team,
    ] {
        *text = HOSTILE.to_owned();
    }
    metric.tags = vec![HOSTILE.to_owned(), "x".repeat(1 << 20)];
    metric.relationships.upstream_metric_ids = vec![HOSTILE.to_owned()];
    hostile(Kind::Metric, fields::metric(&metric));
    let domain = serde_json::json!({"domain_id": "SHOP", "name": "Shop", "key_areas": [], "stakeholders": [],
        "key_metrics": [], "status": "active", "metadata": {}});
    let mut domain: Domain = serde_json::from_value(domain).unwrap();
    domain.key_areas = vec![HOSTILE.to_owned()];
    domain.owner_team = Some(HOSTILE.to_owned());
    hostile(Kind::Domain, fields::domain(&domain));
    let objective = serde_json::json!({"objective_id": "OBJ", "name": "o", "description": "d", "owner_team": "t",
        "timeframe": {"start": "2026-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"}, "status": "active",
        "priority": "high", "key_results": []});
    let mut objective: Objective = serde_json::from_value(objective).unwrap();
    objective.owner_team = HOSTILE.to_owned();
    hostile(Kind::Objective, fields::objective(&objective));
}
