//! From alerts to the rows of the pages.

use std::time::Duration;

use super::scene::{Scene, Seen};
use super::wanted::{Wanted, find};
use super::{AlertsPage, Block, Count, Eye, Heading, Row, State};
use crate::alerts::dispatch::view::{self as routed, View};
use crate::http::context::Context;
use crate::http::pages::paged::{LONGEST_FILTER, Paging, number, refusal, tidy};
use crate::http::pages::view;
use crate::model::action_link::{Action, LINK_LASTS, Subject, link};
use crate::model::alert::{Alert, AlertState, Course};
use crate::model::labels::{ALERT_NAME, Labels};
use crate::model::runbook_link;
use crate::rules::known::with_missing;

/// How long the dispatcher may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Alerts on a page.
pub(super) const PAGE: usize = 50;
/// Labels of an alert in a list.
const LABELS: usize = 12;
/// The longest name or value in a list, in characters.
pub(super) const SHORT: usize = 120;
/// The longest text of people in a list, in characters.
pub(super) const LONG: usize = 400;
/// Severities that the form offers.
const SEVERITIES: usize = 12;
/// Labels and annotations that say who looks after something, the first counts.
const OWNERS: [&str; 3] = ["owner_team", "owner", "team"];

/// What the routes and the rules know now; the second says that the routes did not answer in time.
pub(in crate::http::pages) async fn scene(
    context: &Context,
    wanted: routed::Wanted,
) -> (Scene, bool) {
    let pending = pending(context, &wanted);
    let (view, incomplete) = view(context, wanted).await;
    (Scene::of(view, pending), incomplete)
}

/// What the routes know; the second says that they did not answer in time.
pub(super) async fn view(context: &Context, wanted: routed::Wanted) -> (View, bool) {
    match tokio::time::timeout(ANSWER, context.alerts.view(wanted)).await {
        Ok(Ok(view)) => (view, false),
        Ok(Err(_)) | Err(_) => (View::default(), true),
    }
}

/// The pending alerts of the rules, with the labels they will be told with.
pub(super) fn pending(context: &Context, wanted: &routed::Wanted) -> Vec<Alert> {
    let mut pending = Vec::new();
    for group in context.rules.groups() {
        for rule in &group.rules {
            let memory = rule.memory();
            let instances = memory.instances.values();
            for instance in instances.filter(|one| one.state == AlertState::Pending) {
                let labels = with_missing(&instance.labels, &instance.known);
                if !wanted.takes(&labels) {
                    continue;
                }
                pending.push(Alert {
                    labels,
                    annotations: instance.annotations.clone(),
                    starts_at: instance.active_at,
                    ends_at: instance.active_at,
                    updated_at: memory.last_evaluation.unwrap_or(instance.active_at),
                    generator_url: view::graph_link(&rule.spec.query).into(),
                    value: Some(instance.value),
                    course: Course::default(),
                });
            }
        }
    }
    pending
}

/// The list.
pub(super) fn page(
    scene: &Scene,
    wanted: Wanted,
    page: Option<&str>,
    incomplete: bool,
    eye: &Eye<'_>,
) -> AlertsPage {
    let mut found = find(scene, &wanted);
    let address = wanted.address();
    let paging = Paging::of(found.total, PAGE, page, address.clone());
    let blocks = found.window(paging.rows()).into_iter();
    let blocks = blocks.map(|(group, count, places)| {
        let of_group = group.map(|group| &scene.groups[group].labels);
        let rows = places.into_iter();
        Block {
            heading: (!wanted.form.flat).then(|| heading(scene, group, count)),
            rows: rows
                .map(|place| row(&scene.alerts[place], of_group, eye))
                .collect(),
        }
    });
    let blocks: Vec<Block> = blocks.collect();
    let counts = State::ALL.into_iter().zip(found.counts);
    let counts = counts.map(|(state, count)| {
        let chosen = wanted.form.states.contains(&state.word());
        let others = address.clone().without("state");
        let word = if chosen { "" } else { state.word() };
        Count {
            state,
            count,
            chosen,
            link: others.with("state", word).text(),
        }
    });
    let other_view = address.clone().without("view");
    let view = if wanted.form.flat { "" } else { "flat" };
    AlertsPage {
        now: eye.now,
        incomplete,
        counts: counts.collect(),
        severities: severities(scene, &wanted.form.severity),
        known: scene.alerts.len(),
        blocks,
        paging,
        other_view: other_view.with("view", view).text(),
        mistake: wanted.mistake,
        form: wanted.form,
    }
}

fn severities(scene: &Scene, chosen: &str) -> Vec<String> {
    let mut known: Vec<&str> = Vec::new();
    let given = scene.alerts.iter();
    let given = given.map(|seen| seen.alert.labels.value("severity"));
    for severity in given.chain([chosen]) {
        let plain = severity.len() <= SHORT && refusal(severity).is_none();
        if !severity.is_empty() && plain && !known.contains(&severity) {
            known.push(severity);
        }
        if known.len() == SEVERITIES {
            break;
        }
    }
    known.sort_by_key(|severity| {
        (
            crate::model::notification::severity_rank(severity),
            *severity,
        )
    });
    known.into_iter().map(str::to_owned).collect()
}

fn heading(scene: &Scene, group: Option<usize>, count: usize) -> Heading {
    match group.map(|group| &scene.groups[group]) {
        Some(group) => Heading {
            receiver: tidy(&group.receiver, SHORT),
            labels: pairs(&group.labels, |_| true).take(LABELS).collect(),
            count,
            muted_by: group
                .muted_by
                .iter()
                .map(|name| tidy(name, SHORT))
                .collect(),
            next: Some(group.next),
        },
        None => Heading {
            receiver: String::new(),
            labels: Vec::new(),
            count,
            muted_by: Vec::new(),
            next: None,
        },
    }
}

pub(super) fn pairs(
    labels: &Labels,
    keep: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (String, String)> {
    labels
        .iter()
        .filter(move |(name, _)| keep(name))
        .map(|(name, value)| (tidy(name, SHORT), tidy(value, SHORT)))
}

/// One alert; labels that its group says already are left out.
pub(super) fn row(seen: &Seen, group: Option<&Labels>, eye: &Eye<'_>) -> Row {
    let alert = &seen.alert;
    let fingerprint = alert.fingerprint();
    let said = |name: &str| {
        matches!(name, ALERT_NAME | "severity")
            || group.is_some_and(|group| group.get(name).is_some())
    };
    let labels: Vec<_> = pairs(&alert.labels, |name| !said(name))
        .take(LABELS)
        .collect();
    let all = alert.labels.iter().filter(|(name, _)| !said(name)).count();
    let text = |text: Option<&str>, limit| {
        text.filter(|text| !text.is_empty())
            .map(|text| tidy(text, limit))
    };
    let mut acts = Vec::new();
    if eye.may_act {
        acts.push(("Silence", format!("/silences?alert={fingerprint}#new")));
        if seen.states.has(State::Firing) && !seen.states.has(State::Acked) {
            let subject = Subject::Alert(fingerprint);
            let until = eye.now + LINK_LASTS;
            let href = link(eye.signer, Action::Ack, &subject, until);
            acts.push(("Acknowledge", href));
        }
    }
    Row {
        fingerprint: fingerprint.to_string(),
        name: match alert.name() {
            "" => "(no name)".to_owned(),
            name => tidy(name, SHORT),
        },
        states: seen
            .states
            .list()
            .filter(|state| *state != State::Active)
            .collect(),
        severity: text(alert.labels.get("severity"), SHORT),
        more_labels: all - labels.len(),
        labels,
        summary: text(alert.annotations.get("summary"), LONG),
        value: alert.value.map(number),
        since: alert.starts_at,
        owner: OWNERS.into_iter().find_map(|name| {
            let of = |labels: &Labels| text(labels.get(name), SHORT);
            of(&alert.labels).or_else(|| of(&alert.annotations))
        }),
        links: links(alert, eye.external_url),
        acts,
    }
}

/// Where an alert leads, as far as that is a web address or a path of ours.
fn links(alert: &Alert, external_url: &str) -> Vec<(String, String)> {
    let mut links = Vec::new();
    let mut add = |name: &str, url: &str| {
        if url.len() <= LONGEST_FILTER
            && let Some(url) = view::safe_link(url)
        {
            links.push((name.to_owned(), url.to_owned()));
        }
    };
    let runbook = alert.annotations.value("runbook_url");
    let path = runbook.strip_prefix(external_url).unwrap_or(runbook);
    let live = runbook_link::with_labels(path, "", &alert.labels);
    add("Runbook", live.as_deref().unwrap_or(runbook));
    add("Dashboard", alert.annotations.value("dashboard_url"));
    add("Query", &alert.generator_url);
    links
}
