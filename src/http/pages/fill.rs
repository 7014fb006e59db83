//! From the state of the product to the structs of the pages.

pub(super) mod overview;
pub(super) mod rules;
pub(super) mod targets;

use std::sync::Arc;

use super::paged;
use super::status::{
    ConfigError, Counts, GroupRow, Health, NotificationRow, Outcome, Readiness, ReceiverRow,
    Reload, RuleKind, RuleRow, StatusPage, TargetRow,
};
use super::view::{AlertRow, Bounded, MAX_ROWS, first_by, several};
use crate::alerts::dispatch::view::Wanted;
use crate::alerts::storm::StormSnapshot;
use crate::db::outbox::{self, Headline};
use crate::http::context::{self, Context};
use crate::model::alert::{Alert, AlertState};
use crate::model::circuit::State;
use crate::model::duration;
use crate::model::labels::{ALERT_NAME, Labels};
use crate::model::timestamp::Timestamp;
use crate::notify::{self, message::storm_text};
use crate::rules::file;
use crate::rules::group::Group;
use crate::rules::rule::{self, Rule};
use crate::rules::state::AlertInstance;
use crate::scrape::status::{Health as TargetHealth, TargetStatus};

/// How long the dispatcher may take to answer.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(1);
/// Notifications shown.
const NOTIFICATIONS: u32 = 20;

/// The status page now.
pub(super) async fn status(context: &Context) -> StatusPage {
    let now = context.clock.now();
    let configuration = Arc::clone(&context.configuration.borrow());
    let targets = context.targets.targets();
    let groups = context.rules.groups();
    let posted = posted(context).await;
    let mut alerts = known(&groups);
    alerts.extend(posted);
    let count = |state| alerts.iter().filter(|alert| alert.state == state).count();
    let counts = Counts {
        firing: count(AlertState::Firing),
        pending: count(AlertState::Pending),
        targets: targets.active.len(),
        targets_down: targets
            .active
            .iter()
            .filter(|target| target.health == TargetHealth::Down)
            .count(),
        rules: groups.iter().map(|group| group.rules.len()).sum(),
        rules_failing: groups
            .iter()
            .flat_map(|group| &group.rules)
            .filter(|rule| is_failing(rule))
            .count(),
    };
    let notifications = recent(context, NOTIFICATIONS).await;
    let mut shown = alert_rows(alerts);
    for row in &mut shown.rows {
        row.lead_to_runbook(&configuration.external_url);
    }
    StatusPage {
        now,
        upstream_only: context.upstream_only,
        calming: calming(context, now).await,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime: now.since(context.started),
        readiness: readiness(context),
        config_file: configuration
            .file
            .as_ref()
            .map(|path| path.display().to_string()),
        last_reload: configuration.last_reload.as_ref().map(reload),
        listen: context.listen.to_string(),
        counts,
        alerts: shown,
        targets: targets.active.iter().map(target_row).collect(),
        groups: groups.iter().map(|group| group_row(group)).collect(),
        failing: failing(context),
        notifications,
        storage: storage(context, now)
            .into_iter()
            .chain(heartbeat(context, now))
            .collect(),
    }
}

fn readiness(context: &Context) -> Readiness {
    match *context.readiness.borrow() {
        context::Readiness::Ready => Readiness::Ready,
        context::Readiness::Starting => Readiness::NotReady("starting".to_owned()),
        context::Readiness::Stopping => Readiness::NotReady("stopping".to_owned()),
    }
}

/// The last notifications, as many as this.
async fn recent(context: &Context, most: u32) -> Bounded<NotificationRow> {
    match outbox::headlines(&context.database, most).await {
        Ok(headlines) => headlines.iter().map(notification_row).collect(),
        Err(error) => {
            tracing::error!(%error, "read notifications for a page");
            Bounded::default()
        }
    }
}

/// Storms and flapping alerts, a line each. A dispatcher that is busy does not keep the page waiting.
async fn calming(context: &Context, now: Timestamp) -> Vec<String> {
    let asked = tokio::time::timeout(ANSWER, context.alerts.calming()).await;
    let Ok(Ok((storms, flapping))) = asked else {
        return Vec::new();
    };
    let storm = |storm: &StormSnapshot| {
        let words = storm_text(&storm.news, now);
        format!(
            "Storm at receiver {}: {words}. Its messages come as summaries; POST /api/v1/storms/{}/end ends it.",
            storm.receiver, storm.receiver
        )
    };
    let mut lines: Vec<String> = storms.iter().map(storm).collect();
    match flapping.as_slice() {
        [] => {}
        [one] => lines.push(format!(
            "{} flaps and is held as firing: {} changes.",
            one.labels, one.changes
        )),
        many => lines.push(format!(
            "{} alerts flap and are held as firing; /api/v1/storms lists them.",
            many.len()
        )),
    }
    lines
}

/// A pending or firing alert, as far as it is needed to count and to sort it.
struct Known<'a> {
    state: AlertState,
    since: Timestamp,
    labels: Labels,
    source: Source<'a>,
}

enum Source<'a> {
    Rule(&'a Rule),
    Posted(Arc<Alert>),
}

/// Those of the rules here.
fn known(groups: &[Arc<Group>]) -> Vec<Known<'_>> {
    let mut known = Vec::new();
    for rule in groups.iter().flat_map(|group| &group.rules) {
        let memory = rule.memory();
        let active = memory.instances.iter();
        let active = active.filter(|(_, instance)| instance.state != AlertState::Inactive);
        known.extend(active.map(|(labels, instance)| Known {
            state: instance.state,
            since: instance.active_at,
            labels: labels.clone(),
            source: Source::Rule(rule),
        }));
    }
    known
}

/// The rows that a page shows, firing and oldest first.
fn alert_rows(known: Vec<Known<'_>>) -> Bounded<AlertRow> {
    let (shown, more) = first_by(known, MAX_ROWS, |a, b| {
        (b.state, a.since, &a.labels).cmp(&(a.state, b.since, &b.labels))
    });
    let rows = shown.into_iter().filter_map(|one| match one.source {
        Source::Posted(alert) => Some(posted_row(&alert)),
        // It may be over by now.
        Source::Rule(rule) => {
            let memory = rule.memory();
            let instance = memory.instances.get(&one.labels)?;
            Some(alert_row(rule, instance))
        }
    });
    Bounded {
        rows: rows.collect(),
        more,
    }
}

pub(super) fn firing_first(rows: &mut [AlertRow]) {
    rows.sort_by(|a, b| {
        (b.state, a.since, &a.name, &a.labels).cmp(&(a.state, b.since, &b.name, &b.labels))
    });
}

/// The alerts that others post. A dispatcher that is busy does not keep the page waiting.
async fn posted(context: &Context) -> Vec<Known<'static>> {
    let asked = tokio::time::timeout(ANSWER, context.alerts.view(Wanted::All)).await;
    let Ok(Ok(view)) = asked else {
        return Vec::new();
    };
    // Rules' own carry their value, and stand among the rules' with more.
    let posted = view.alerts.into_iter().map(|one| one.shown.alert);
    let posted = posted.filter(|alert| alert.value.is_none());
    let known = posted.map(|alert| Known {
        state: AlertState::Firing,
        since: alert.starts_at,
        labels: alert.labels.clone(),
        source: Source::Posted(alert),
    });
    known.collect()
}

fn posted_row(alert: &Alert) -> AlertRow {
    AlertRow {
        name: alert.name().to_owned(),
        state: AlertState::Firing,
        value: String::new(),
        since: alert.starts_at,
        expression: None,
        ..described(&alert.labels, &alert.annotations)
    }
}

pub(super) fn alert_row(rule: &Rule, instance: &AlertInstance) -> AlertRow {
    AlertRow {
        name: rule.spec.name.clone(),
        state: instance.state,
        value: paged::number(instance.value),
        since: instance.active_at,
        expression: Some(rule.spec.query.clone()),
        ..described(&instance.labels, &instance.annotations)
    }
}

/// What labels and annotations say of an alert.
fn described(labels: &Labels, annotations: &Labels) -> AlertRow {
    let text = |value: Option<&str>| value.map(str::to_owned);
    AlertRow {
        name: String::new(),
        state: AlertState::Firing,
        severity: text(labels.get("severity")),
        labels: labels
            .iter()
            .filter(|(name, _)| !matches!(*name, ALERT_NAME | "severity"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        summary: text(annotations.get("summary")),
        value: String::new(),
        since: Timestamp::from_millis(0),
        runbook: text(annotations.get("runbook_url")),
        expression: None,
    }
}

fn is_failing(rule: &Rule) -> bool {
    matches!(rule.memory().health, rule::Health::Failed(_))
}

fn target_row(target: &TargetStatus) -> TargetRow {
    TargetRow {
        job: target.labels.get("job").unwrap_or(&target.job).to_owned(),
        instance: target.labels.value("instance").to_owned(),
        health: match target.health {
            TargetHealth::Up => Health::Good,
            TargetHealth::Down => Health::Bad,
            TargetHealth::Unknown => Health::Unknown,
        },
        last_scrape: target.last_scrape,
        duration: target.last_scrape.map(|_| target.last_duration),
        samples: target
            .last_scrape
            .and_then(|_| u64::try_from(target.counts.scraped).ok()),
        error: target.last_error.clone().or_else(|| target.warning.clone()),
    }
}

fn group_row(group: &Group) -> GroupRow {
    let last = group.last();
    GroupRow {
        name: group.spec.name.clone(),
        file: group.spec.file.to_string(),
        interval: group.spec.interval,
        last_evaluation: last.at,
        duration: last.at.map(|_| last.duration),
        rules: group.rules.iter().map(|rule| rule_row(rule)).collect(),
    }
}

pub(super) fn rule_row(rule: &Rule) -> RuleRow {
    let memory = rule.memory();
    let alerting = rule.spec.kind != file::RuleKind::Recording;
    let (health, error) = match &memory.health {
        rule::Health::Unknown => (Health::Unknown, None),
        rule::Health::Ok => (Health::Good, None),
        rule::Health::Failed(error) => (Health::Bad, Some(error.clone())),
    };
    let state = memory
        .instances
        .values()
        .map(|instance| instance.state)
        .max()
        .unwrap_or(AlertState::Inactive);
    RuleRow {
        name: rule.spec.name.clone(),
        kind: if alerting {
            RuleKind::Alerting
        } else {
            RuleKind::Recording
        },
        expression: rule.spec.query.clone(),
        health,
        state: alerting.then_some(state),
        error,
        last_evaluation: memory.last_evaluation,
        duration: memory.last_evaluation.map(|_| memory.evaluation_time),
    }
}

/// The receivers whose circuit is open.
fn failing(context: &Context) -> Bounded<ReceiverRow> {
    let circuits = context.circuits.list().into_iter();
    let open = circuits.filter_map(|((receiver, integration), circuit)| match circuit.state {
        State::Closed { .. } => None,
        State::Open { since, until, .. } => Some(ReceiverRow {
            receiver: receiver.to_string(),
            integration: integration.to_string(),
            since,
            until,
            error: circuit.last_error,
        }),
    });
    open.collect()
}

fn notification_row(headline: &Headline) -> NotificationRow {
    NotificationRow {
        at: headline.updated_at,
        receiver: headline.receiver.clone(),
        integration: headline.integration.to_string(),
        group: headline.group_labels.to_string(),
        outcome: match headline.state {
            "delivered" => Outcome::Delivered,
            "failed" | "expired" => Outcome::Failed,
            "superseded" => Outcome::Suppressed,
            _ => Outcome::Waiting,
        },
        detail: Some(match headline.last_error.as_str() {
            "" => several(&headline.alerts, "alert", "alerts"),
            error => format!(
                "{} after {} attempts: {error}",
                headline.state, headline.attempts
            ),
        }),
    }
}

fn reload(reload: &context::Reload) -> Reload {
    Reload {
        at: reload.at,
        succeeded: reload.mistakes.is_empty(),
        errors: Bounded::map(&reload.mistakes, |mistake| ConfigError {
            file: mistake.file.to_string(),
            line: (mistake.position.line > 0).then_some(mistake.position.line),
            column: (mistake.position.line > 0).then_some(mistake.position.column),
            message: match mistake.path.as_str() {
                "" => mistake.message.clone(),
                path => format!("{path}: {}", mistake.message),
            },
            excerpt: mistake.excerpt.clone(),
            remedy: mistake.remedy.clone(),
        }),
    }
}

/// How the heartbeat stands, where there is one.
fn heartbeat(context: &Context, now: Timestamp) -> Option<(String, String)> {
    let standing = context.heartbeat.lock().clone()?;
    let last = match standing.last_ping {
        Some(at) => format!("last ping {}", super::view::ago(&now, &at)),
        None => "no ping has arrived yet".to_owned(),
    };
    let text = if !standing.stuck.is_empty() {
        let why = notify::heartbeat::describe(&standing.stuck);
        format!("withheld: {why}; {last}")
    } else if let Some(error) = &standing.error {
        format!("failing: {error}; {last}")
    } else {
        last
    };
    Some(("Heartbeat".to_owned(), text))
}

fn storage(context: &Context, now: Timestamp) -> Vec<(String, String)> {
    let stats = context.storage.stats();
    let newest = stats.newest_ms.map_or_else(
        || "none".to_owned(),
        |millis| {
            format!(
                "{} ago",
                duration::format(now.since(Timestamp::from_millis(millis)))
            )
        },
    );
    let log = if stats.wal_failing {
        "failing: new samples are in memory only"
    } else {
        "ok"
    };
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    [
        (
            "Series",
            format!("{} of {}", stats.series, stats.series_limit),
        ),
        ("Samples since start", stats.samples_appended.to_string()),
        ("Newest sample", newest),
        ("Chunks", stats.chunks.to_string()),
        ("Memory of samples", megabytes(stats.bytes)),
        (
            "Write-ahead log",
            format!("{log}, {}", megabytes(stats.wal_bytes)),
        ),
        (
            "Replay at start",
            format!("{:.3} s", stats.replay.as_secs_f64()),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
