//! Why a rule fires or does not, in sentences: a pure function of what is known of it.

use std::time::Duration;

use crate::http::pages::{paged, view};
use crate::model::alert::AlertState;
use crate::model::duration;
use crate::model::labels::{ALERT_NAME, Labels};
use crate::model::timestamp::Timestamp;
use crate::rules::rule::Health;
use crate::rules::state::{AlertInstance, Holds};

/// What one side of the expression reads as, evaluated now.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// It yields nothing; the selectors of it that find no series at all.
    Nothing {
        /// As PromQL writes it.
        values: String,
        /// As PromQL writes them.
        missing: Vec<String>,
    },
    /// Series that an `absent` looks for are there.
    Present {
        /// As PromQL writes it.
        wanted: String,
        /// How many.
        count: usize,
    },
    /// Values, none of which is what the rule asks for.
    Compared {
        /// As PromQL writes it.
        values: String,
        /// `>`, `≤`, ...; none where nothing is compared.
        op: Option<&'static str>,
        /// What they are compared with, where that is one number.
        level: Option<f64>,
        /// What they are compared with, as PromQL writes it.
        level_text: String,
        /// How many values there are.
        count: usize,
        /// How many of them pass the comparison by itself.
        passing: usize,
        /// The value nearest to passing, and whose it is.
        nearest: (Labels, f64),
    },
    /// It cannot be evaluated.
    Failed(String),
}

/// What is known of a rule.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The time shown as now.
    pub now: Timestamp,
    /// Whether it raises alerts.
    pub alerting: bool,
    /// `for` and `keep_firing_for`.
    pub holds: Holds,
    /// Whether it works.
    pub health: &'a Health,
    /// Its alerts, the resolved among them.
    pub alerts: &'a [AlertInstance],
    /// Series of its last result.
    pub results: Option<usize>,
    /// What its sides read as; asked where nothing fires.
    pub found: &'a [Found],
}

/// The explanation, a sentence each.
pub fn explain(facts: &Facts<'_>) -> Vec<String> {
    match facts.health {
        Health::Failed(error) => {
            let kept = match facts.alerting {
                true => " What fired before goes on firing until it can be evaluated again.",
                false => " Nothing is recorded until it can be evaluated again.",
            };
            return vec![format!("Its evaluation fails: {error}.{kept}")];
        }
        Health::Unknown => {
            return vec!["It was not evaluated yet since the start.".to_owned()];
        }
        Health::Ok => {}
    }
    if !facts.alerting {
        return vec![match facts.results {
            Some(0) => {
                "Its last evaluation yielded nothing, so that nothing was recorded.".to_owned()
            }
            Some(1) => "Its last evaluation recorded 1 series.".to_owned(),
            Some(count) => format!("Its last evaluation recorded {count} series."),
            None => "It records what its expression yields.".to_owned(),
        }];
    }
    let mut sentences = firing(facts);
    sentences.extend(pending(facts));
    if sentences.is_empty() {
        sentences.extend(facts.found.iter().map(not_met));
        sentences.extend(resolved(facts));
    }
    sentences
}

fn of_state<'a>(facts: &Facts<'a>, state: AlertState) -> Vec<&'a AlertInstance> {
    let alerts = facts.alerts.iter();
    alerts.filter(|alert| alert.state == state).collect()
}

fn firing(facts: &Facts<'_>) -> Vec<String> {
    let mut alerts = of_state(facts, AlertState::Firing);
    let kept = alerts
        .iter()
        .filter(|alert| alert.keep_firing_since.is_some())
        .count();
    alerts.sort_by_key(|alert| alert.fired_at);
    let Some(first) = alerts.first() else {
        return Vec::new();
    };
    let since = first.fired_at.unwrap_or(first.active_at);
    let held = match facts.holds.pending_for {
        Duration::ZERO => String::new(),
        held => format!(", after the condition held for {}", duration::format(held)),
    };
    let mut sentences = vec![format!(
        "{} since {}{held}.",
        match alerts.len() {
            1 => format!(
                "It fires for {} at value {}",
                whose(&first.labels),
                paged::number(first.value)
            ),
            count => format!(
                "It fires for {count} series; the longest, {}, at value {}",
                whose(&first.labels),
                paged::number(first.value)
            ),
        },
        view::clock_text(&since),
    )];
    if kept > 0 {
        let until = alerts
            .iter()
            .filter_map(|alert| alert.keep_firing_since)
            .max()
            .map(|since| since + facts.holds.keep_firing_for);
        let until = until.map_or(String::new(), |until| {
            format!(", until {}", view::clock_text(&until))
        });
        sentences.push(format!(
            "For {kept} of them the condition no longer holds; keep_firing_for lets them go on{until}."
        ));
    }
    sentences
}

fn pending(facts: &Facts<'_>) -> Vec<String> {
    let mut alerts = of_state(facts, AlertState::Pending);
    alerts.sort_by_key(|alert| alert.active_at);
    let Some(first) = alerts.first() else {
        return Vec::new();
    };
    let fires = first.active_at + facts.holds.pending_for;
    let when = match fires > facts.now {
        true => format!(
            "fires at {} (in {})",
            view::clock_text(&fires),
            view::rough(&fires.since(facts.now))
        ),
        false => "fires with the next evaluation".to_owned(),
    };
    let what = match alerts.len() {
        1 => format!("{} is pending", whose(&first.labels)),
        count => format!(
            "{count} series are pending; the first, {},",
            whose(&first.labels)
        ),
    };
    vec![format!(
        "{what} since {} at value {}, and {when} if the condition still holds.",
        view::clock_text(&first.active_at),
        paged::number(first.value)
    )]
}

fn not_met(found: &Found) -> String {
    match found {
        Found::Failed(error) => format!("What it compares cannot be evaluated now: {error}."),
        Found::Nothing { values, missing } => match missing.as_slice() {
            [] => format!(
                "{values} yields nothing: its parts have series, but no two that belong together."
            ),
            [one] => format!("No series matches {one}."),
            many => format!("No series matches {}.", many.join(", nor ")),
        },
        Found::Present { wanted, count } => {
            format!("It fires where {wanted} is missing, and {count} of it are there.")
        }
        Found::Compared {
            op: None, values, ..
        } => format!("{values} has values now; the next evaluation takes them in."),
        Found::Compared {
            values,
            op: Some(op),
            level,
            level_text,
            count,
            passing,
            nearest: (labels, value),
        } => {
            let level = level.map_or_else(|| level_text.clone(), paged::number);
            let value = paged::number(*value);
            if *passing > 0 {
                return format!(
                    "{passing} of {count} values pass {op} {level} (such as {value} for {}), but what else the expression asks for does not hold for them.",
                    whose(labels)
                );
            }
            match count {
                1 => format!("The value {value} is not {op} {level}{}.", of(labels)),
                count => format!(
                    "None of {count} values of {values} is {op} {level}; the nearest is {value}{}.",
                    of(labels)
                ),
            }
        }
    }
}

fn resolved(facts: &Facts<'_>) -> Option<String> {
    let ended = facts.alerts.iter().filter_map(|alert| alert.resolved_at);
    let last = ended.max()?;
    Some(format!(
        "It last resolved {}.",
        view::ago(&facts.now, &last)
    ))
}

fn of(labels: &Labels) -> String {
    match labels.without_name().is_empty() {
        true => String::new(),
        false => format!(", for {}", whose(labels)),
    }
}

/// The labels that tell it from others.
fn whose(labels: &Labels) -> String {
    let own = labels
        .without_name()
        .filter(|name| !matches!(name, ALERT_NAME | "severity"));
    match own.is_empty() {
        true => "it".to_owned(),
        false => own.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse_rfc3339("2026-11-20T03:00:00Z").unwrap()
    }

    fn labels() -> Labels {
        Labels::from_pairs([("alertname", "A"), ("instance", "a:1")])
    }

    fn alert(state: AlertState) -> AlertInstance {
        AlertInstance {
            labels: labels(),
            annotations: Labels::empty(),
            known: Labels::empty(),
            state,
            value: 0.07,
            peak: None,
            saved_peak: None,
            peak_saved_at: None,
            resolved_value: None,
            active_at: now() - Duration::from_secs(60),
            fired_at: (state == AlertState::Firing).then(now),
            resolved_at: None,
            keep_firing_since: None,
            last_sent_at: None,
        }
    }

    fn compared(passing: usize, count: usize) -> Found {
        Found::Compared {
            values: "sum(x)".to_owned(),
            op: Some(">"),
            level: Some(0.05),
            level_text: "0.05".to_owned(),
            count,
            passing,
            nearest: (labels(), 0.041),
        }
    }

    #[test]
    fn each_state_has_its_words() {
        let check = |health: Health, alerts: &[AlertInstance], found: &[Found], want: &str| {
            let facts = Facts {
                now: now(),
                alerting: true,
                holds: Holds {
                    pending_for: Duration::from_secs(300),
                    keep_firing_for: Duration::ZERO,
                },
                health: &health,
                alerts,
                results: Some(0),
                found,
            };
            let said = explain(&facts).join(" ");
            assert!(said.starts_with(want), "{said}\nis not\n{want}");
        };
        let failed = Health::Failed("too many samples".to_owned());
        check(
            failed,
            &[],
            &[],
            "Its evaluation fails: too many samples. What fired before goes on",
        );
        check(Health::Unknown, &[], &[], "It was not evaluated yet");
        check(
            Health::Ok,
            &[alert(AlertState::Firing)],
            &[],
            "It fires for {instance=\"a:1\"} at value 0.07 since 2026-11-20 03:00:00 UTC, after the condition held for 5m.",
        );
        check(
            Health::Ok,
            &[alert(AlertState::Pending)],
            &[],
            "{instance=\"a:1\"} is pending since 2026-11-20 02:59:00 UTC at value 0.07, and fires at 2026-11-20 03:04:00 UTC (in 4m 0s)",
        );
        check(
            Health::Ok,
            &[],
            &[Found::Nothing {
                values: "x > 1".to_owned(),
                missing: vec!["x".to_owned()],
            }],
            "No series matches x.",
        );
        check(
            Health::Ok,
            &[],
            &[compared(0, 1)],
            "The value 0.041 is not > 0.05, for {instance=\"a:1\"}.",
        );
        check(
            Health::Ok,
            &[],
            &[compared(0, 3)],
            "None of 3 values of sum(x) is > 0.05; the nearest is 0.041, for {instance=\"a:1\"}.",
        );
        check(
            Health::Ok,
            &[],
            &[compared(2, 3)],
            "2 of 3 values pass > 0.05",
        );
        let ended = AlertInstance {
            resolved_at: Some(now() - Duration::from_secs(90)),
            ..alert(AlertState::Inactive)
        };
        let present = Found::Present {
            wanted: "up".to_owned(),
            count: 2,
        };
        check(
            Health::Ok,
            &[ended],
            &[present],
            "It fires where up is missing, and 2 of it are there. It last resolved 1m 30s ago.",
        );
    }
}
