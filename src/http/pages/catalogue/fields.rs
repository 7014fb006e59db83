//! The fields of a definition, laid out for reading.
//!
//! Names of connections are left out: who runs the systems knows them.

use super::{Cell, Fields, address};
use crate::definitions::domain::Domain;
use crate::definitions::metric::{Direction, Metric};
use crate::definitions::objective::Objective;
use crate::definitions::resource::Kind;
use crate::http::pages::paged::{Address, tidy};
use crate::http::pages::view;

/// Values of a field that are shown.
const VALUES: usize = 50;
/// The longest value, in characters.
const LONG: usize = 2_000;

pub(super) fn text(text: &str) -> Cell {
    Cell {
        text: tidy(text, LONG),
        href: None,
        code: false,
    }
}

fn code(text: &str) -> Cell {
    Cell {
        code: true,
        ..self::text(text)
    }
}

fn expression(text: &str) -> Cell {
    let href = (text.len() <= LONG).then(|| view::graph_link(text));
    Cell { href, ..code(text) }
}

fn of_kind(kind: Kind, id: &str) -> Cell {
    Cell {
        href: Some(address(kind, id)),
        ..code(id)
    }
}

fn web(name: &str, url: &str) -> Cell {
    let href = view::safe_link(url).map(str::to_owned);
    Cell { href, ..text(name) }
}

fn all(texts: &[String]) -> Vec<Cell> {
    texts.iter().take(VALUES).map(|one| text(one)).collect()
}

fn ids(kind: Kind, ids: &[String]) -> Vec<Cell> {
    ids.iter()
        .take(VALUES)
        .map(|id| of_kind(kind, id))
        .collect()
}

/// Fields without a value are left out.
fn fields(title: &'static str, rows: Vec<(&'static str, Vec<Cell>)>) -> Fields {
    let said = |(_, cells): &(&str, Vec<Cell>)| cells.iter().any(|cell| !cell.text.is_empty());
    Fields {
        title,
        rows: rows.into_iter().filter(said).collect(),
    }
}

fn better(direction: Direction) -> Vec<Cell> {
    vec![text(match direction {
        Direction::Increase => "it rises",
        Direction::Decrease => "it falls",
    })]
}

/// The list of metrics of a domain.
pub(super) fn metrics_of(domain: &str) -> String {
    Address::new("/definitions")
        .with("business_domain", domain)
        .text()
}

pub(super) fn metric(metric: &Metric) -> Vec<Fields> {
    let Metric {
        alignment,
        definition,
        data,
        governance,
        targets_and_alerts: limits,
        visualization,
        relationships,
        operational_usage: usage,
        ..
    } = metric;
    let telemetry = metric.telemetry.as_ref();
    let read = |text: Option<&String>| text.map(|text| vec![expression(text)]).unwrap_or_default();
    let sources = data.primary_sources.iter().chain(&data.secondary_sources);
    let rules = limits.alert_rules.iter().take(VALUES).map(|rule| {
        text(&format!(
            "{} ({}): {} over {}, to {}",
            rule.rule_id,
            rule.severity.as_str(),
            rule.condition,
            rule.evaluation_window,
            rule.notify_channels.join(", ")
        ))
    });
    let dimensions = metric.dimensions.iter().take(VALUES).map(|dimension| {
        let values = match dimension.allowed_values.as_slice() {
            [] => "any value".to_owned(),
            values => values.join(", "),
        };
        text(&format!("{}: {values}", dimension.name))
    });
    let dashboards = visualization.dashboard_locations.iter().take(VALUES);
    let playbooks = usage.linked_playbooks.iter().take(VALUES);
    vec![
        fields(
            "What it means",
            vec![
                ("Why it matters", vec![text(&alignment.why_it_matters)]),
                ("Formula", vec![code(&definition.formula)]),
                ("In words", vec![text(&definition.formula_detail)]),
                ("Unit", vec![text(&definition.unit)]),
                ("Better when", better(definition.expected_direction)),
                ("Counted", vec![code(&definition.numerator.event_name)]),
                ("Divided by", vec![code(&definition.denominator.event_name)]),
                ("Split by", dimensions.collect()),
            ],
        ),
        fields(
            "How it is read",
            vec![
                (
                    "Value",
                    read(telemetry.and_then(|read| read.value.as_ref())),
                ),
                (
                    "Numerator",
                    read(telemetry.and_then(|read| read.numerator.as_ref())),
                ),
                (
                    "Denominator",
                    read(telemetry.and_then(|read| read.denominator.as_ref())),
                ),
                (
                    "Families",
                    telemetry
                        .map(|read| {
                            read.families
                                .iter()
                                .take(VALUES)
                                .map(|name| expression(name))
                                .collect()
                        })
                        .unwrap_or_default(),
                ),
                (
                    "Sources",
                    sources
                        .take(VALUES)
                        .map(|source| {
                            text(&format!("{}: {}", source.system, source.table_or_stream))
                        })
                        .collect(),
                ),
                ("Freshness", vec![text(&data.data_freshness)]),
                ("Changes", vec![text(&data.update_frequency)]),
                ("Kept", vec![text(&data.data_retention)]),
            ],
        ),
        fields(
            "When somebody is told",
            vec![
                ("Alert rules", rules.collect()),
                ("Compared with", vec![text(&limits.comparison_baseline)]),
                (
                    "Runbooks",
                    playbooks.map(|one| web(&one.name, &one.url)).collect(),
                ),
                (
                    "Dashboards",
                    dashboards.map(|one| web(&one.tool, &one.url)).collect(),
                ),
            ],
        ),
        fields(
            "Who answers for it",
            vec![
                ("Owner", vec![text(&governance.owner_team)]),
                ("Technical owner", vec![text(&governance.technical_owner)]),
                ("Business owner", vec![text(&governance.business_owner)]),
                (
                    "Classification",
                    vec![text(&governance.data_classification)],
                ),
                (
                    "About persons",
                    vec![text(if governance.pii_involved { "yes" } else { "no" })],
                ),
                ("Rules it is under", all(&governance.regulatory_constraints)),
                ("Version", vec![text(&governance.version)]),
            ],
        ),
        fields(
            "What it is for",
            vec![
                ("Decisions", all(&usage.decision_use_cases)),
                ("Looked at", vec![text(&usage.review_cadence)]),
                ("Strategic pillar", vec![text(&alignment.strategic_pillar)]),
                (
                    "Objectives",
                    ids(Kind::Objective, &alignment.primary_objective_ids),
                ),
                (
                    "Moved by",
                    ids(Kind::Metric, &relationships.upstream_metric_ids),
                ),
                (
                    "Moves",
                    ids(Kind::Metric, &relationships.downstream_metric_ids),
                ),
                ("At the cost of", all(&relationships.tradeoffs)),
                ("Tags", all(&metric.tags)),
                ("Notes", vec![text(&metric.metadata.notes)]),
            ],
        ),
    ]
}

pub(super) fn domain(domain: &Domain) -> Vec<Fields> {
    let optional = |given: &Option<String>| given.iter().map(|one| text(one)).collect();
    vec![fields(
        "About it",
        vec![
            ("Owner", optional(&domain.owner_team)),
            ("Write to", optional(&domain.contact_email)),
            ("Key areas", all(&domain.key_areas)),
            ("Key metrics", ids(Kind::Metric, &domain.key_metrics)),
            ("Stakeholders", all(&domain.stakeholders)),
        ],
    )]
}

pub(super) fn objective(objective: &Objective) -> Vec<Fields> {
    let day = |at: crate::model::timestamp::Timestamp| -> String {
        at.to_rfc3339().chars().take(10).collect()
    };
    let timeframe = &objective.timeframe;
    let pillar = objective.strategic_pillar.iter();
    vec![fields(
        "About it",
        vec![
            ("Owner", vec![text(&objective.owner_team)]),
            ("From", vec![text(&day(timeframe.start))]),
            ("Until", vec![text(&day(timeframe.end))]),
            ("Priority", vec![text(&objective.priority)]),
            (
                "Strategic pillar",
                pillar.map(|pillar| text(pillar)).collect(),
            ),
        ],
    )]
}
