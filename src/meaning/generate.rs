//! The rule file made of definitions: the same definitions give the same bytes.
//!
//! ```text
//! group "metrics: <domain>"      outrigger_metric_value{metric_id}, and an alert for each threshold
//! group "objective: <id>"        outrigger_key_result_progress{objective_id, kr_id}, outrigger_objective_progress{objective_id},
//!                                outrigger:slo_errors:ratio_<window>{objective_id, kr_id, metric_id}, and an alert for each burn
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use crate::definitions::metric::Metric;
use crate::definitions::objective::{KeyResult, Objective, ObjectiveStatus};
use crate::definitions::resource::Resource;
use crate::promql::ast::Expr;

use super::expression::read;
use super::rule_file::{Group, Rule, RuleFile};
use super::{budget, progress, threshold};

/// Which rules are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Those that record values and progress.
    Values,
    /// Those, and those that alert.
    Alerts,
}

/// What became of definitions.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Generated {
    /// The rules.
    pub file: RuleFile,
    /// What has none.
    pub left_out: Vec<LeftOut>,
}

/// A definition, or a part of one, that has no rules.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LeftOut {
    /// What: `metric A`, `objective O, key result 1`.
    pub what: String,
    /// Why, and what to do.
    pub why: String,
}

/// The rules of definitions, in whatever order these come.
pub fn generate<'r>(resources: impl IntoIterator<Item = &'r Resource>, scope: Scope) -> Generated {
    let mut metrics: BTreeMap<&str, &Metric> = BTreeMap::new();
    let mut objectives: BTreeMap<&str, &Objective> = BTreeMap::new();
    for resource in resources {
        match resource {
            Resource::Metric(metric) => drop(metrics.insert(&metric.metric_id, metric)),
            Resource::Objective(objective) => {
                objectives.insert(&objective.objective_id, objective);
            }
            Resource::Domain(_) => {}
        }
    }
    let mut maker = Maker {
        scope,
        read: HashMap::new(),
        left_out: Vec::new(),
    };
    maker.read(&metrics);
    let mut groups = maker.of_metrics(&metrics);
    for objective in objectives.values() {
        let rules = maker.of_objective(objective, &metrics);
        if !rules.is_empty() {
            let name = format!("objective: {}", objective.objective_id);
            groups.push(Group { name, rules });
        }
    }
    Generated {
        file: RuleFile { groups },
        left_out: maker.left_out,
    }
}

impl Generated {
    /// The file: what has no rules stands at its top.
    ///
    /// # Errors
    /// As for [`RuleFile::to_yaml`].
    pub fn to_yaml(&self) -> Result<String, serde_yaml::Error> {
        let mut text =
            "# Made of definitions by Outrigger. Change the definitions, not this file.\n"
                .to_owned();
        for LeftOut { what, why } in &self.left_out {
            let line = format!("{what}: {why}").replace(
                |character: char| {
                    character.is_control() || character == '\u{2028}' || character == '\u{2029}'
                },
                " ",
            );
            writeln!(text, "# Left out: {line}").expect("writing to a string cannot fail");
        }
        text.push_str(&self.file.to_yaml()?);
        Ok(text)
    }
}

/// The expressions of a metric that rules can use.
#[derive(Default)]
struct Read {
    value: Option<Expr>,
    fraction: Option<(Expr, Expr)>,
}

struct Maker<'m> {
    scope: Scope,
    read: HashMap<&'m str, Read>,
    left_out: Vec<LeftOut>,
}

impl<'m> Maker<'m> {
    fn leave_out(&mut self, what: String, why: impl Into<String>) {
        let why = why.into();
        self.left_out.push(LeftOut { what, why });
    }

    fn read(&mut self, metrics: &BTreeMap<&'m str, &'m Metric>) {
        for (id, metric) in metrics {
            let Some(telemetry) = &metric.telemetry else {
                continue;
            };
            let mut usable = |name: &str, text: &Option<String>| match read(text.as_ref()?) {
                Ok(expr) => Some(expr),
                Err(why) => {
                    let why = format!("telemetry.{name}: {why}");
                    self.left_out.push(LeftOut {
                        what: format!("metric {id}"),
                        why,
                    });
                    None
                }
            };
            let value = usable("value", &telemetry.value);
            let numerator = usable("numerator", &telemetry.numerator);
            let denominator = usable("denominator", &telemetry.denominator);
            let fraction = numerator.zip(denominator);
            self.read.insert(id, Read { value, fraction });
        }
    }

    /// One group for each domain: each would otherwise be a schedule of its own.
    fn of_metrics(&mut self, metrics: &BTreeMap<&'m str, &'m Metric>) -> Vec<Group> {
        let mut domains: BTreeMap<&str, Vec<Rule>> = BTreeMap::new();
        for (id, metric) in metrics {
            let read = self.read.get(id).and_then(|read| read.value.as_ref());
            let Some(value) = read.map(|expr| threshold::value(metric, expr)) else {
                continue;
            };
            let rules = domains.entry(&metric.business_domain).or_default();
            rules.push(value);
            if self.scope == Scope::Values {
                continue;
            }
            match threshold::alerts(metric) {
                Ok(alerts) => rules.extend(alerts),
                Err(why) => self.leave_out(format!("metric {id}, alerts"), why),
            }
        }
        domains
            .into_iter()
            .map(|(domain, rules)| Group {
                name: format!("metrics: {domain}"),
                rules,
            })
            .collect()
    }

    fn of_objective(
        &mut self,
        objective: &Objective,
        metrics: &BTreeMap<&'m str, &'m Metric>,
    ) -> Vec<Rule> {
        if objective.status == ObjectiveStatus::Cancelled {
            return Vec::new();
        }
        let is_live = |id: &str| self.read.get(id).is_some_and(|read| read.value.is_some());
        let mut rules = progress::rules(objective, is_live);
        if self.scope == Scope::Values {
            return rules;
        }
        for result in &objective.key_results {
            rules.extend(self.of_result(objective, result, metrics));
        }
        rules
    }

    fn of_result(
        &mut self,
        objective: &Objective,
        result: &KeyResult,
        metrics: &BTreeMap<&'m str, &'m Metric>,
    ) -> Vec<Rule> {
        let mut rules = Vec::new();
        let mut refused = Vec::new();
        for id in &result.metric_ids {
            let fraction = self
                .read
                .get(id.as_str())
                .and_then(|read| read.fraction.as_ref());
            let Some((metric, (above, below))) = metrics.get(id.as_str()).zip(fraction) else {
                continue;
            };
            let made = budget::is_watched(objective)
                .map_err(str::to_owned)
                .and_then(|()| budget::rules(objective, result, metric, (above, below)));
            match made {
                Ok(made) => rules.extend(made),
                Err(why) => refused.push(why),
            }
        }
        refused.dedup();
        let what = format!(
            "objective {}, key result {}",
            objective.objective_id, result.kr_id
        );
        for why in refused {
            self.leave_out(what.clone(), why);
        }
        rules
    }
}

#[cfg(test)]
mod tests;
