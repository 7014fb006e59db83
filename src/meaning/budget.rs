//! Rules of error budgets: how fast what an objective allows to fail is used up, over several windows at once.
//!
//! A long window keeps a short disturbance from waking anybody, a short one ends the alert soon after the trouble
//! (<https://sre.google/workbook/alerting-on-slos/>). The budget is `1 - target` where more is better, and the target itself where
//! the fraction counts failures; a target in percent is one of a hundred. The factors are those of a budget for 30 days.

use std::time::Duration;

use crate::definitions::metric::{Direction, Metric, Severity};
use crate::definitions::objective::{KeyResult, Objective, ObjectiveStatus};
use crate::model::duration;
use crate::promql::ast::Expr;

use super::expression::{number, ratio_over, tidy};
use super::rule_file::{Rule, camel, plain};
use super::threshold::{links, owner_labels};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Two windows, how many times faster than allowed the budget is used up in both, and how bad that is.
const BURNS: [(u64, u64, f64, Severity); 4] = [
    (HOUR, 5 * MINUTE, 14.4, Severity::Critical),
    (6 * HOUR, 30 * MINUTE, 6.0, Severity::Critical),
    (DAY, 2 * HOUR, 3.0, Severity::Warning),
    (3 * DAY, 6 * HOUR, 1.0, Severity::Warning),
];

/// Whether an objective's budgets are watched.
pub(super) fn is_watched(objective: &Objective) -> Result<(), &'static str> {
    match objective.status {
        ObjectiveStatus::Active => Ok(()),
        ObjectiveStatus::Draft => Err("it is a draft; its budgets are watched once it is active"),
        ObjectiveStatus::Completed => Err("it is completed"),
        ObjectiveStatus::Cancelled => Err("it is cancelled"),
    }
}

/// The rules of one key result on one metric; or why there are none.
pub(super) fn rules(
    objective: &Objective,
    result: &KeyResult,
    metric: &Metric,
    (numerator, denominator): (&Expr, &Expr),
) -> Result<Vec<Rule>, String> {
    let target = share(result);
    // A goal of less than one percent is one that was meant as a ratio.
    let mistaken = is_percent(result)
        && result.direction == Direction::Increase
        && result.target_value.0 <= 1.0;
    if mistaken || !(target > 0.0 && target < 1.0) {
        return Err(format!(
            "its target {} is not a ratio between 0 and 1; write it as one, such as 0.999, or in percent with the unit %, where numerator and denominator tell it",
            number(result.target_value.0)
        ));
    }
    let budget = match result.direction {
        Direction::Increase => tidy(1.0 - target),
        Direction::Decrease => target,
    };
    let ids = [
        ("objective_id", objective.objective_id.clone()),
        ("kr_id", result.kr_id.clone()),
        ("metric_id", metric.metric_id.clone()),
    ];
    let mut windows: Vec<u64> = BURNS
        .iter()
        .flat_map(|(long, short, ..)| [*long, *short])
        .collect();
    windows.sort_unstable();
    windows.dedup();
    let mut rules: Vec<Rule> = windows
        .into_iter()
        .map(|window| {
            let ratio = ratio_over(numerator, denominator, Duration::from_secs(window));
            let errors = match result.direction {
                Direction::Increase => format!("1 - {ratio}"),
                Direction::Decrease => ratio,
            };
            Rule::record(&series(window), errors, ids.clone())
        })
        .collect();
    // More than everything cannot fail: such a rule would never fire.
    let possible = BURNS
        .iter()
        .filter(|(_, _, factor, _)| factor * budget < 1.0);
    rules.extend(possible.map(|burn| alert(objective, result, metric, burn, budget)));
    Ok(rules)
}

fn is_percent(result: &KeyResult) -> bool {
    let unit = result.unit.trim().to_ascii_lowercase();
    matches!(&*unit, "%" | "percent" | "percentage" | "pct")
}

/// The target as a share of all: where its unit says so it is written in percent.
fn share(result: &KeyResult) -> f64 {
    let target = result.target_value.0;
    if is_percent(result) {
        tidy(target / 100.0)
    } else {
        target
    }
}

fn series(window: u64) -> String {
    format!("outrigger:slo_errors:ratio_{}", span(window))
}

fn span(seconds: u64) -> String {
    duration::format(Duration::from_secs(seconds))
}

fn alert(
    objective: &Objective,
    result: &KeyResult,
    metric: &Metric,
    (long, short, factor, severity): &(u64, u64, f64, Severity),
    budget: f64,
) -> Rule {
    let (id, kr_id) = (&objective.objective_id, &result.kr_id);
    let metric_id = &metric.metric_id;
    let threshold = number(tidy(factor * budget));
    let ids = format!("{{kr_id=\"{kr_id}\", metric_id=\"{metric_id}\", objective_id=\"{id}\"}}");
    let over = |window: u64| format!("{}{ids} > {threshold}", series(window));
    let mut labels = owner_labels(metric);
    labels.insert("owner_team", plain(&objective.owner_team));
    labels.insert("objective_id", id.clone());
    labels.insert("kr_id", kr_id.clone());
    labels.insert("window", span(*long));
    labels.insert("severity", severity.as_str().to_owned());
    let mut annotations = links(metric);
    let (long_span, factor) = (span(*long), number(*factor));
    annotations.insert(
        "summary",
        format!(
            "{}: {} uses up its error budget {factor} times too fast",
            plain(&objective.name),
            plain(&result.name)
        ),
    );
    annotations.insert(
        "description",
        format!(
            "{{{{ $value | humanizePercentage }}}} failed in the last {long_span}, and the last {} was no better: more than {threshold}, \
             which is {factor} times the {} that the objective allows. {}",
            span(*short),
            number(budget),
            plain(&result.description)
        ),
    );
    Rule {
        alert: Some(format!("{}BudgetBurn", camel(id))),
        expr: format!("{} and {}", over(*long), over(*short)),
        labels,
        annotations,
        ..Rule::default()
    }
}
