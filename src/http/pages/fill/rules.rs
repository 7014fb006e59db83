//! The struct of `/rules`.

use super::*;
use crate::http::pages::paged::{Address, Paging};
use crate::http::pages::rule::handlers::Addresses;
use crate::http::pages::rules::{self as page, RulesPage, Totals};
use crate::http::pages::view::MAX_ROWS;
use crate::http::params::Params;

/// A rule as far as it is asked for by a filter.
struct Known<'a> {
    group: &'a Group,
    index: usize,
    state: AlertState,
    active: usize,
    failing: bool,
}

/// The rules now, as far as they match.
pub(in crate::http::pages) fn rules(context: &Context, params: &Params) -> RulesPage {
    let groups = context.rules.groups();
    let addresses = Addresses::of(&groups);
    let text = params.get("q").unwrap_or_default();
    let state = params.get("state").unwrap_or_default();
    let needle = text.to_lowercase();
    let mut totals = Totals::default();
    let mut found = Vec::new();
    for group in &groups {
        for (index, rule) in group.rules.iter().enumerate() {
            let known = known(group, index, rule);
            totals.rules += 1;
            totals.firing += usize::from(known.state == AlertState::Firing);
            totals.pending += usize::from(known.state == AlertState::Pending);
            totals.failing += usize::from(known.failing);
            if is_wanted(&known, rule, state) && mentions(group, rule, &needle) {
                found.push(known);
            }
        }
    }
    let address = Address::new("/rules").with("q", text).with("state", state);
    let paging = Paging::of(found.len(), MAX_ROWS, params.get("page"), address);
    let mut shown: Vec<page::Group> = Vec::new();
    let mut last: Option<&Group> = None;
    for known in &found[paging.rows()] {
        if last.is_none_or(|last| !std::ptr::eq(last, known.group)) {
            last = Some(known.group);
            let row = group_row(known.group);
            shown.push(page::Group {
                name: row.name,
                file: row.file,
                interval: row.interval,
                last_evaluation: row.last_evaluation,
                duration: row.duration,
                rules: Vec::new(),
            });
        }
        if let Some(group) = shown.last_mut() {
            group.rules.push(row(known, &addresses));
        }
    }
    RulesPage {
        now: context.clock.now(),
        text: text.to_owned(),
        state: state.to_owned(),
        totals,
        groups: shown,
        paging,
    }
}

fn known<'a>(group: &'a Group, index: usize, rule: &Rule) -> Known<'a> {
    let memory = rule.memory();
    let states = memory.instances.values().map(|instance| instance.state);
    let active = states
        .clone()
        .filter(|state| *state != AlertState::Inactive);
    Known {
        group,
        index,
        state: states.max().unwrap_or(AlertState::Inactive),
        active: active.count(),
        failing: matches!(memory.health, rule::Health::Failed(_)),
    }
}

fn is_wanted(known: &Known<'_>, rule: &Rule, state: &str) -> bool {
    let alerting = rule.spec.kind != file::RuleKind::Recording;
    match state {
        "" => true,
        "failing" => known.failing,
        "alert" => alerting,
        "record" => !alerting,
        state => alerting && known.state.as_str() == state,
    }
}

/// Whether a text in lower case is somewhere in what the page says of a rule.
fn mentions(group: &Group, rule: &Rule, needle: &str) -> bool {
    let holds = |text: &str| text.to_lowercase().contains(needle);
    needle.is_empty()
        || holds(&rule.spec.name)
        || holds(&rule.spec.query)
        || holds(&group.spec.name)
        || holds(&group.spec.file)
}

fn row(known: &Known<'_>, addresses: &Addresses) -> page::Row {
    let rule = &known.group.rules[known.index];
    let short = rule_row(rule);
    let severity = rule.spec.labels.iter().find(|(name, _)| name == "severity");
    page::Row {
        name: short.name,
        address: addresses.of_rule(known.group, known.index),
        kind: short.kind,
        expression: short.expression,
        severity: severity.map(|(_, value)| value.clone()),
        health: short.health,
        state: short.state,
        active: known.active,
        error: short.error,
        last_evaluation: short.last_evaluation,
        duration: short.duration,
    }
}
