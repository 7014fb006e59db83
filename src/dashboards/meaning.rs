//! Dashboards of what metrics mean: one for each business domain, one for each objective, out of their definitions.
//!
//! A definition whose `telemetry` names expressions gets panels; its own thresholds colour them. One without is named in the
//! dashboard's description. Expressions stand as they were written: nothing here knows which labels they have.

use crate::definitions::domain::Domain;
use crate::definitions::metric::{Direction, Metric, Status};
use crate::definitions::objective::{KeyResult, Objective};
use crate::definitions::resource::Resource;

use super::alerts::{Alerts, BAD, GOOD, NOTE, WARN, link};
use super::layout::Layout;
use super::model::{Dashboard, Link, Step, Thresholds};
use super::panel::Draft;
use super::service::names::slug;
use super::unit::Unit;
use super::variables::Frame;

/// The most metrics or key results that one dashboard shows.
const MAX_SHOWN: usize = 40;

/// A dashboard for each domain and each objective, in their order; links lead to the Outrigger at this address.
pub fn all(resources: &[Resource], outrigger: &str) -> Vec<Dashboard> {
    let metrics: Vec<&Metric> = resources
        .iter()
        .filter_map(|resource| match resource {
            Resource::Metric(metric) => Some(&**metric),
            Resource::Domain(_) | Resource::Objective(_) => None,
        })
        .collect();
    let made = resources.iter().filter_map(|resource| match resource {
        Resource::Domain(one) => Some(domain(one, &metrics, outrigger)),
        Resource::Objective(one) => Some(objective(one, &metrics, outrigger)),
        Resource::Metric(_) => None,
    });
    made.collect()
}

fn domain(domain: &Domain, metrics: &[&Metric], outrigger: &str) -> Dashboard {
    let alerts = Alerts::default();
    let of_it = metrics.iter().filter(|metric| {
        metric.business_domain == domain.name && metric.governance.status != Status::Deprecated
    });
    let mut unread = Vec::new();
    let (mut now, mut course) = (Vec::new(), Vec::new());
    for metric in of_it {
        match expression(metric) {
            Some(expr) if now.len() < MAX_SHOWN => {
                now.push(
                    panel(Draft::stat(&metric.short_name), metric, &expr)
                        .about(metric.description.clone()),
                );
                course.push(
                    panel(Draft::lines(&metric.name), metric, &expr).about(format!(
                        "{} {}. Better: {}. Owner: {}.",
                        sentence(&metric.description),
                        metric.definition.formula_detail.trim_end_matches('.'),
                        better(metric.definition.expected_direction),
                        metric.governance.owner_team
                    )),
                );
            }
            _ => unread.push(metric.name.as_str()),
        }
    }
    let mut layout = Layout::new(&alerts);
    if !now.is_empty() {
        layout = layout.open("Now", now).open("Over time", course);
    }
    let description = format!(
        "{}{}",
        sentence(domain.description.as_deref().unwrap_or(&domain.name)),
        not_read(&unread)
    );
    let frame = Frame {
        uid: &format!("domain-{}", slug(&domain.domain_id)),
        title: &domain.name,
        description: &description,
        tags: &["domain"],
        outrigger,
    };
    frame.around(&[], layout)
}

fn objective(objective: &Objective, metrics: &[&Metric], outrigger: &str) -> Dashboard {
    let alerts = Alerts::default();
    let mut unread = Vec::new();
    let mut drafts = Vec::new();
    for result in objective.key_results.iter().take(MAX_SHOWN) {
        let read = result.metric_ids.iter().find_map(|id| {
            let metric = metrics.iter().find(|metric| metric.metric_id == *id)?;
            Some((*metric, expression(metric)?))
        });
        match (read, result.current_value) {
            (Some((metric, expr)), _) => drafts.extend(of_result(result, &expr, links(metric))),
            (None, Some(current)) => {
                let expr = format!("vector({})", current.0);
                drafts.extend(of_result(result, &expr, Vec::new()));
            }
            (None, None) => unread.push(result.name.as_str()),
        }
    }
    let mut layout = Layout::new(&alerts);
    if !drafts.is_empty() {
        layout = layout.open("Key results", drafts);
    }
    let description = format!(
        "{} Until {}.{}",
        sentence(&objective.description),
        objective.timeframe.end.to_rfc3339(),
        not_read(&unread)
    );
    let frame = Frame {
        uid: &format!("objective-{}", slug(&objective.objective_id)),
        title: &objective.name,
        description: &description,
        tags: &["objective"],
        outrigger,
    };
    frame.around(&[], layout)
}

/// How far a key result is, and its course beside where it should come to.
fn of_result(result: &KeyResult, expr: &str, links: Vec<Link>) -> Vec<Draft> {
    let (target, baseline) = (result.target_value.0, result.baseline_value.0);
    let reached = match result.direction {
        Direction::Increase => thresholds(&[(None, WARN), (Some(target), GOOD)]),
        Direction::Decrease => thresholds(&[(None, GOOD), (Some(target), WARN)]),
    };
    let mut drafts = Vec::new();
    if (target - baseline).abs() > f64::EPSILON {
        drafts.push(
            Draft::gauge(&result.name)
                .about(format!(
                    "How far it is from where it started ({baseline}) to where it should come to ({target} {}).",
                    result.unit
                ))
                .query(
                    &format!("(({expr}) - ({baseline})) / ({target} - ({baseline}))"),
                    "reached",
                )
                .coloured(thresholds(&[(None, NOTE), (Some(1.0), GOOD)]))
                .leading_to(links.clone())
                .size(6, 8),
        );
    }
    drafts.push(
        Draft::lines(&format!("{}, over time", result.name))
            .about(format!(
                "{} Better: {}.",
                sentence(&result.description),
                better(result.direction)
            ))
            .unit(unit(&result.unit))
            .query(expr, "now")
            .query(&format!("vector({target})"), "target")
            .coloured(reached)
            .leading_to(links)
            .size(18, 8),
    );
    drafts
}

/// The expression of a metric's values, where it has one.
fn expression(metric: &Metric) -> Option<String> {
    let telemetry = metric.telemetry.as_ref()?;
    if let Some(value) = &telemetry.value {
        return Some(value.clone());
    }
    let (numerator, denominator) = (
        telemetry.numerator.as_ref()?,
        telemetry.denominator.as_ref()?,
    );
    Some(format!("({numerator}) / ({denominator})"))
}

fn panel(draft: Draft, metric: &Metric, expr: &str) -> Draft {
    let judged = &metric.targets_and_alerts;
    let (warning, critical) = (judged.warning_threshold.0, judged.critical_threshold.0);
    let steps = match metric.definition.expected_direction {
        Direction::Increase => thresholds(&[
            (None, BAD),
            (Some(critical), WARN),
            (Some(warning.max(critical)), GOOD),
        ]),
        Direction::Decrease => thresholds(&[
            (None, GOOD),
            (Some(warning.min(critical)), WARN),
            (Some(critical), BAD),
        ]),
    };
    draft
        .unit(unit(&metric.definition.unit))
        .query(expr, &metric.short_name)
        .coloured(steps)
        .leading_to(links(metric))
}

/// The definition, and where people read on.
fn links(metric: &Metric) -> Vec<Link> {
    let id = &metric.metric_id;
    let mut links = vec![link(
        format!("Definition: {}", metric.name),
        "What this figure means, and whose it is".to_owned(),
        format!("${{outrigger}}/api/v1/metrics/{id}"),
    )];
    for playbook in &metric.operational_usage.linked_playbooks {
        let is_web = ["http://", "https://"]
            .iter()
            .any(|scheme| playbook.url.starts_with(scheme));
        if is_web {
            links.push(link(
                playbook.name.clone(),
                "Playbook".to_owned(),
                playbook.url.clone(),
            ));
        }
    }
    links
}

fn thresholds(steps: &[(Option<f64>, &'static str)]) -> Thresholds {
    Thresholds {
        mode: "absolute",
        steps: steps
            .iter()
            .map(|(value, color)| Step {
                color,
                value: *value,
            })
            .collect(),
    }
}

/// The unit that a definition's words mean.
fn unit(words: &str) -> Unit {
    match words.trim().to_lowercase().as_str() {
        "ratio" | "share" | "fraction" => Unit::Share,
        "%" | "percent" | "percentage" => Unit::Percent,
        "s" | "sec" | "second" | "seconds" => Unit::Seconds,
        "ms" | "millisecond" | "milliseconds" => Unit::Milliseconds,
        "b" | "byte" | "bytes" => Unit::Bytes,
        "requests/s" | "req/s" | "rps" => Unit::RequestsPerSecond,
        "1/s" | "per second" => Unit::CountPerSecond,
        _ => Unit::Number,
    }
}

fn better(direction: Direction) -> &'static str {
    match direction {
        Direction::Increase => "higher",
        Direction::Decrease => "lower",
    }
}

fn sentence(text: &str) -> String {
    let text = text.trim();
    let stop = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{text}{stop}")
}

fn not_read(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        names => format!(" Not read from live series: {}.", names.join(", ")),
    }
}
