//! Rules of one objective's progress: a series for each key result, and their mean.

use crate::definitions::metric::Direction;
use crate::definitions::objective::{KeyResult, Objective};

use super::expression::number;
use super::rule_file::Rule;
use super::threshold::recorded;

/// The series of a key result's progress.
const OF_RESULT: &str = "outrigger_key_result_progress";
/// The series of an objective's progress.
const OF_OBJECTIVE: &str = "outrigger_objective_progress";

/// The rules, where at least one key result is known; `is_live` says which metrics have a value.
pub(super) fn rules(objective: &Objective, is_live: impl Fn(&str) -> bool) -> Vec<Rule> {
    let id = &objective.objective_id;
    let mut rules: Vec<Rule> = objective
        .key_results
        .iter()
        .filter_map(|result| {
            let live = result.metric_ids.iter().find(|metric| is_live(metric));
            let labels = [
                ("objective_id", id.clone()),
                ("kr_id", result.kr_id.clone()),
            ];
            Some(Rule::record(OF_RESULT, progress(result, live)?, labels))
        })
        .collect();
    if !rules.is_empty() {
        let mean = format!("avg({OF_RESULT}{{objective_id=\"{id}\"}})");
        rules.push(Rule::record(
            OF_OBJECTIVE,
            mean,
            [("objective_id", id.clone())],
        ));
    }
    rules
}

/// As [`super::judge::progress`] computes it.
fn progress(result: &KeyResult, live: Option<&String>) -> Option<String> {
    let (worst, reached) = match result.direction {
        Direction::Increase => ("min", ">="),
        Direction::Decrease => ("max", "<="),
    };
    let live = live.map(|metric| format!("{worst}({})", recorded(metric)));
    let stored = result
        .current_value
        .map(|value| format!("vector({})", number(value.0)));
    let value = match (live, stored) {
        (Some(live), Some(stored)) => format!("({live} or {stored})"),
        (Some(value), None) | (None, Some(value)) => value,
        (None, None) => return None,
    };
    let (baseline, target) = (result.baseline_value.0, result.target_value.0);
    if baseline == target {
        return Some(format!("{value} {reached} bool {}", number(target)));
    }
    Some(format!(
        "clamp(({value} - ({})) / ({} - ({})), 0, 1)",
        number(baseline),
        number(target),
        number(baseline)
    ))
}
