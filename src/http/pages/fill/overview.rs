//! The overview's struct.

use std::collections::BTreeMap;

use super::*;
use crate::alerts::dispatch::view::{AlertSnapshot, Viewed, Wanted};
use crate::http::pages::overview::{OverviewPage, StorageRow, Unattended};
use crate::http::pages::rule::handlers::Addresses;
use crate::http::pages::view::first_by;
use crate::model::action_link::{Action, LINK_LASTS, Subject, link};
use crate::model::notification::severity_rank;

/// Alerts, targets, rules and notifications that the page shows at most.
const SHOWN: usize = 10;

/// The overview now.
pub(in crate::http::pages) async fn overview(context: &Context, may_act: bool) -> OverviewPage {
    let now = context.clock.now();
    let groups = context.rules.groups();
    let targets = context.targets.targets();
    let firing = tokio::time::timeout(ANSWER, context.alerts.view(Wanted::All)).await;
    let firing = firing.ok().and_then(Result::ok);
    let busy = firing.is_none();
    let firing = firing.unwrap_or_default().alerts;
    let addresses = Addresses::of(&groups);
    let (mut pending, mut fires, mut evaluated) = (0, 0, None);
    let (mut rules, mut failing) = (0, Vec::new());
    for group in &groups {
        evaluated = evaluated.max(group.last().at);
        for (index, rule) in group.rules.iter().enumerate() {
            rules += 1;
            let memory = rule.memory();
            for instance in memory.instances.values() {
                match instance.state {
                    AlertState::Pending => pending += 1,
                    AlertState::Firing => fires += 1,
                    AlertState::Inactive => {}
                }
            }
            if let rule::Health::Failed(error) = &memory.health {
                let address = addresses.of_rule(group, index);
                failing.push((rule.spec.name.clone(), address, error.clone()));
            }
        }
    }
    let down = || {
        let active = targets.active.iter();
        active.filter(|target| target.health == TargetHealth::Down)
    };
    let counts = Counts {
        // What has not reached the routes yet fires all the same.
        firing: if busy { fires } else { firing.len() },
        pending,
        targets: targets.active.len(),
        targets_down: down().count(),
        rules,
        rules_failing: failing.len(),
    };
    let notifications = recent(context, u32::try_from(SHOWN).unwrap_or(u32::MAX)).await;
    let backlog = outbox::backlog(&context.database, now);
    let stats = context.storage.stats();
    let configuration = Arc::clone(&context.configuration.borrow());
    let count =
        |quiet: fn(&AlertSnapshot) -> bool| firing.iter().filter(|one| quiet(&one.shown)).count();
    OverviewPage {
        now,
        readiness: readiness(context),
        refused: configuration
            .last_reload
            .as_ref()
            .filter(|reload| !reload.mistakes.is_empty())
            .map(|reload| reload.at),
        calming: calming(context, now).await,
        counts,
        severities: severities(&firing),
        silenced: count(|shown| !shown.silenced_by.is_empty()),
        acked: count(|shown| shown.acked_by.is_some()),
        inhibited: count(|shown| shown.inhibited_by.is_some()),
        busy,
        alerts: unattended((context, may_act), &firing, &groups, &addresses, now),
        down: first(down().map(target_row)),
        failing: first(failing),
        groups: groups.len(),
        evaluated,
        notifications,
        waiting: (backlog.waiting, backlog.oldest),
        receivers: super::failing(context),
        storage: StorageRow {
            series: stats.series,
            limit: stats.series_limit,
            failing: stats.wal_failing,
            newest: stats.newest_ms.map(Timestamp::from_millis),
        },
    }
}

fn first<T>(rows: impl IntoIterator<Item = T>) -> Bounded<T> {
    let mut rows = rows.into_iter();
    Bounded {
        rows: rows.by_ref().take(SHOWN).collect(),
        more: rows.count(),
    }
}

/// How many fire of each severity, the gravest first; those beyond a handful together.
fn severities(firing: &[Viewed]) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<(u8, &str), usize> = BTreeMap::new();
    for Viewed { shown, .. } in firing {
        let severity = shown.alert.labels.value("severity");
        *counts
            .entry((severity_rank(severity), severity))
            .or_default() += 1;
    }
    let named = |severity: &str| match severity {
        "" => "no severity".to_owned(),
        severity => severity.chars().take(40).collect(),
    };
    let all = counts.len();
    let mut shown: Vec<(String, usize)> = counts
        .iter()
        .take(if all > 6 { 5 } else { 6 })
        .map(|((_, severity), count)| (named(severity), *count))
        .collect();
    let rest: usize = counts.values().skip(shown.len()).sum();
    if rest > 0 {
        shown.push(("other severities".to_owned(), rest));
    }
    shown
}

/// The gravest and oldest that nobody has dealt with, with links for who may act.
fn unattended(
    (context, may_act): (&Context, bool),
    firing: &[Viewed],
    groups: &[Arc<Group>],
    addresses: &Addresses,
    now: Timestamp,
) -> Bounded<Unattended> {
    let open = firing.iter().map(|one| &one.shown).filter(|shown| {
        shown.silenced_by.is_empty() && shown.acked_by.is_none() && shown.inhibited_by.is_none()
    });
    let open = open.map(|shown| {
        let alert = &shown.alert;
        let rank = severity_rank(alert.labels.value("severity"));
        ((rank, alert.starts_at, &alert.labels), alert)
    });
    let (open, more) = first_by(open.collect(), SHOWN, |(a, _), (b, _)| a.cmp(b));
    let here = context.configuration.borrow().external_url.clone();
    let rows = open.into_iter().map(|(_, alert)| {
        let mut row = posted_row(alert);
        row.lead_to_runbook(&here);
        let subject = Subject::Alert(alert.fingerprint());
        let to = |text, action| {
            (
                text,
                link(&context.signer, action, &subject, now + LINK_LASTS),
            )
        };
        let value = alert.value.map_or_else(String::new, paged::number);
        Unattended {
            row: AlertRow { value, ..row },
            rule: addresses.of_alert(groups, alert.name()),
            links: match may_act {
                true => vec![
                    to("Acknowledge", Action::Ack),
                    to("Silence", Action::Silence),
                ],
                false => Vec::new(),
            },
        }
    });
    Bounded {
        rows: rows.collect(),
        more,
    }
}
