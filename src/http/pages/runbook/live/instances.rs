//! The alerts of a runbook: those of the rules here, pending or firing, and those that others posted.

use std::collections::HashMap;

use crate::alerts::dispatch::view::{AlertSnapshot, Wanted};
use crate::charts::alert::Source;
use crate::charts::chart::comparison;
use crate::charts::unit::guess;
use crate::http::context::Context;
use crate::http::pages::runbook::{Instance, RuleShown};
use crate::http::pages::view::Bounded;
use crate::http::params::Params;
use crate::model::action_link::{Action, LINK_LASTS, Subject as LinkSubject, link};
use crate::model::alert::AlertState;
use crate::model::duration;
use crate::model::go_float;
use crate::model::labels::{ALERT_NAME, Labels};
use crate::model::timestamp::Timestamp;
use crate::promql::comparison::{looked_for, readings};
use crate::rules::file::{RuleKind, RuleSpec};
use crate::rules::rule::Health;

/// How long the dispatcher may take to answer.
const ANSWER: std::time::Duration = std::time::Duration::from_millis(100);
/// Instances shown.
const SHOWN: usize = 20;
/// Sets of names that the labels of one rule's alerts have: one, but where a template leaves some empty.
const NAME_SETS: usize = 8;

/// The rules of a name, and its alerts.
#[derive(Debug, Default)]
pub(super) struct Found {
    rules: Vec<RuleFound>,
    alerts: Vec<AlertFound>,
    /// Of those that ended lately, from when until when the last one fired.
    ended: Option<(Timestamp, Timestamp)>,
}

#[derive(Debug)]
struct RuleFound {
    shown: RuleShown,
    source: Source,
}

impl RuleFound {
    /// A value as people read it, and what it passed: `39.5%` and `> 5%`.
    fn told(&self, value: f64) -> (String, Option<String>) {
        let ways = readings(&self.source.expr);
        let Some(way) = ways.first() else {
            return (go_float::format_sample(value), None);
        };
        let passed = way
            .threshold
            .and_then(|passed| Some((passed.op, passed.number()?)));
        let (low, high) = passed.map_or((value, value), |(_, level)| {
            (value.min(level), value.max(level))
        });
        let extent = (low.is_finite() && high.is_finite()).then_some((low, high));
        let unit = guess::unit(looked_for(way.values), extent);
        let limit = passed.map(|(op, level)| format!("{} {}", comparison(op), unit.value(level)));
        (unit.value(value), limit)
    }
}

#[derive(Debug)]
struct AlertFound {
    labels: Labels,
    state: AlertState,
    value: Option<f64>,
    since: Timestamp,
    /// Which of the rules; `None` where it was posted.
    rule: Option<usize>,
    /// As the routes know it, where they do.
    routed: Option<AlertSnapshot>,
}

impl AlertFound {
    /// Whether it has all of these: itself, or as the routes know it, for a link in a message has what it got on its way too.
    fn has(&self, given: &Labels) -> bool {
        let routed = self.routed.as_ref().map(|routed| &routed.alert.labels);
        given.iter().all(|(name, value)| {
            self.labels.get(name) == Some(value)
                || routed.is_some_and(|routed| routed.get(name) == Some(value))
        })
    }
}

/// The names of the alerts here that are pending or firing.
pub(super) fn active(context: &Context) -> HashMap<String, AlertState> {
    let mut active = HashMap::new();
    for rule in context.rules.groups().iter().flat_map(|group| &group.rules) {
        let memory = rule.memory();
        let states = memory.instances.values().map(|instance| instance.state);
        let worst = states.max().filter(|state| *state != AlertState::Inactive);
        if let Some(worst) = worst {
            let known = active.entry(rule.spec.name.clone()).or_insert(worst);
            *known = worst.max(*known);
        }
    }
    active
}

/// Finds them, firing and oldest first.
pub(super) async fn find(context: &Context, name: &str) -> Found {
    let mut found = Found::default();
    for group in context.rules.groups() {
        for rule in group.rules.iter().filter(|rule| rule.spec.name == name) {
            let memory = rule.memory();
            let error = match &memory.health {
                Health::Failed(error) => Some(error.clone()),
                Health::Unknown | Health::Ok => None,
            };
            let Some(rule_found) = rule_found(&rule.spec, error) else {
                continue;
            };
            found.rules.push(rule_found);
            let number = found.rules.len() - 1;
            let ended = memory.instances.values();
            let ended = ended.filter(|instance| instance.state == AlertState::Inactive);
            let ended = ended.filter_map(|instance| instance.fired_at.zip(instance.resolved_at));
            found.ended = found
                .ended
                .into_iter()
                .chain(ended)
                .max_by_key(|(_, until)| *until);
            let active = memory.instances.values();
            let active = active.filter(|instance| instance.state != AlertState::Inactive);
            found.alerts.extend(active.map(|instance| AlertFound {
                labels: instance.labels.clone(),
                state: instance.state,
                value: Some(instance.value),
                since: instance.fired_at.unwrap_or(instance.active_at),
                rule: Some(number),
                routed: None,
            }));
        }
    }
    let asked = context.alerts.view(Wanted::Named(name.to_owned()));
    let asked = tokio::time::timeout(ANSWER, asked).await;
    let routed = asked.ok().and_then(Result::ok).unwrap_or_default();
    let routed = routed.alerts.into_iter().map(|one| one.shown);
    found.take(routed.collect());
    found
        .alerts
        .sort_by(|a, b| (b.state, a.since, &a.labels).cmp(&(a.state, b.since, &b.labels)));
    found
}

fn rule_found(spec: &RuleSpec, error: Option<String>) -> Option<RuleFound> {
    let RuleKind::Alerting { holds, .. } = &spec.kind else {
        return None;
    };
    let severity = spec.labels.iter().find(|(name, _)| name == "severity");
    Some(RuleFound {
        shown: RuleShown {
            severity: severity.map(|(_, value)| value.clone()),
            expression: spec.text.trim().to_owned(),
            pending_for: duration::format(holds.pending_for),
            error,
        },
        source: Source {
            text: spec.text.clone(),
            expr: std::sync::Arc::clone(&spec.expr),
            query: spec.query.clone(),
            pending_for: holds.pending_for,
            rule_labels: spec.labels.iter().map(|(name, _)| name.clone()).collect(),
        },
    })
}

impl Found {
    /// What the routes know: of the alerts here where they have all their labels, else others' alerts.
    fn take(&mut self, routed: Vec<AlertSnapshot>) {
        let mut mine: HashMap<u64, usize> = HashMap::new();
        let mut names: Vec<Vec<String>> = Vec::new();
        for (index, alert) in self.alerts.iter().enumerate() {
            mine.insert(alert.labels.fingerprint().0, index);
            let own = || alert.labels.iter().map(|(name, _)| name);
            let known = names.iter().any(|known| own().eq(known.iter()));
            if !known && names.len() < NAME_SETS {
                names.push(own().map(str::to_owned).collect());
            }
        }
        for shown in routed {
            let labels = &shown.alert.labels;
            // On its way out an alert may get more labels, never others.
            let index = names.iter().find_map(|names| {
                let own = labels.filter(|name| names.iter().any(|own| own == name));
                mine.get(&own.fingerprint().0).copied()
            });
            match index {
                Some(index) => self.alerts[index].routed = Some(shown),
                None if shown.alert.value.is_none() => self.alerts.push(AlertFound {
                    labels: labels.clone(),
                    state: AlertState::Firing,
                    value: None,
                    since: shown.alert.starts_at,
                    rule: None,
                    routed: Some(shown),
                }),
                // Just resolved.
                None => {}
            }
        }
    }

    /// From when until when it fired, where it ended lately.
    pub(super) fn ended(&self) -> Option<(Timestamp, Timestamp)> {
        self.ended
    }

    pub(super) fn firing(&self) -> usize {
        self.count(AlertState::Firing)
    }

    pub(super) fn pending(&self) -> usize {
        self.count(AlertState::Pending)
    }

    fn count(&self, state: AlertState) -> usize {
        self.alerts
            .iter()
            .filter(|alert| alert.state == state)
            .count()
    }

    pub(super) fn rules(&self) -> Vec<RuleShown> {
        self.rules.iter().map(|rule| rule.shown.clone()).collect()
    }

    /// The labels of the only alert there is.
    pub(super) fn only(&self) -> Option<Labels> {
        match self.alerts.as_slice() {
            [one] => Some(one.labels.clone()),
            _ => None,
        }
    }

    /// The labels of the first alert that has these.
    pub(super) fn chosen(&self, given: &Labels) -> Option<Labels> {
        self.first(given).map(|alert| alert.labels.clone())
    }

    fn first(&self, given: &Labels) -> Option<&AlertFound> {
        self.alerts.iter().find(|alert| alert.has(given))
    }

    /// What the chart is of: the alert of the link, or the first; the rule by itself where there is none.
    pub(super) fn to_draw(
        &self,
        name: &str,
        free: bool,
        params: &Params,
    ) -> Option<(Source, Option<(Labels, Timestamp)>)> {
        let given = Labels::from_pairs(super::labels_of(params));
        let alert = match free {
            true => self.alerts.first(),
            false => self.first(&given),
        };
        let rule = alert.and_then(|alert| alert.rule).unwrap_or(0);
        let source = self.rules.get(rule)?.source.clone();
        let subject = alert.map(|alert| (alert.labels.with(ALERT_NAME, name), alert.since));
        Some((source, subject))
    }

    pub(super) fn rows(
        &self,
        context: &Context,
        slug: &str,
        params: &Params,
        now: Timestamp,
    ) -> Bounded<Instance> {
        let given = super::labels_of(params);
        let given = Labels::from_pairs(given);
        let chosen = match given.is_empty() {
            true => self.alerts.first().filter(|_| self.alerts.len() == 1),
            false => self.first(&given),
        };
        let is_chosen =
            |alert: &&AlertFound| chosen.is_some_and(|chosen| std::ptr::eq(chosen, *alert));
        let others = self.alerts.iter().filter(|alert| !is_chosen(alert));
        let ordered = chosen.into_iter().chain(others).take(SHOWN);
        Bounded {
            rows: ordered
                .map(|alert| {
                    let rule = alert.rule.and_then(|rule| self.rules.get(rule));
                    let told = alert.value.zip(rule).map(|(value, rule)| rule.told(value));
                    let (value, limit) = told.unwrap_or_default();
                    Instance {
                        value,
                        limit,
                        ..row(context, alert, slug, is_chosen(&alert), now)
                    }
                })
                .collect(),
            more: self.alerts.len().saturating_sub(SHOWN),
        }
    }
}

fn row(
    context: &Context,
    alert: &AlertFound,
    slug: &str,
    chosen: bool,
    now: Timestamp,
) -> Instance {
    let others = || {
        let labels = alert.labels.iter();
        labels.filter(|(name, _)| *name != ALERT_NAME)
    };
    let mut quiet = Vec::new();
    let mut actions = Vec::new();
    if let Some(routed) = &alert.routed {
        if routed.acked_by.is_some() {
            quiet.push("acknowledged");
        }
        if !routed.silenced_by.is_empty() {
            quiet.push("silenced");
        }
        if routed.inhibited_by.is_some() {
            quiet.push("inhibited");
        }
        let subject = LinkSubject::Alert(routed.alert.fingerprint());
        for (text, action) in [("Acknowledge", Action::Ack), ("Silence", Action::Silence)] {
            let href = link(&context.signer, action, &subject, now + LINK_LASTS);
            actions.push((text, href));
        }
    }
    Instance {
        state: alert.state,
        severity: alert.labels.get("severity").map(str::to_owned),
        labels: others()
            .filter(|(name, _)| *name != "severity")
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        value: String::new(),
        limit: None,
        since: alert.since,
        chosen,
        choose: format!("/runbooks/{slug}{}", super::parameters(others())),
        quiet,
        actions,
    }
}
