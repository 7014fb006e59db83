//! What the routes do, as the command line and the API write it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::inhibit::InhibitRule;
use super::super::interval::NamedInterval;
use super::super::route::{GroupBy, Route};
use super::{Explanation, Taken, matchers_text};
use crate::model::duration;
use crate::model::labels::Labels;
use crate::model::timestamp::Timestamp;

/// One route without its children.
pub fn route(route: &Route) -> Value {
    json!({
        "matchers": matchers_text(&route.matchers),
        "receiver": route.receiver.name.as_ref(),
        "integrations": route.receiver.targets.iter().map(|target| target.text.as_ref()).collect::<Vec<_>>(),
        "continue": route.continues,
        "groupBy": match &route.group_by {
            GroupBy::All => vec!["..."],
            GroupBy::Labels(names) => names.iter().map(String::as_str).collect(),
        },
        "groupWait": duration::format(route.group_wait),
        "groupInterval": duration::format(route.group_interval),
        "repeatInterval": duration::format(route.repeat_interval),
        "muteTimeIntervals": names(&route.mute),
        "activeTimeIntervals": names(&route.active),
    })
}

/// One inhibition rule.
pub fn rule(rule: &InhibitRule) -> Value {
    json!({
        "name": rule.name,
        "source": matchers_text(&rule.source),
        "target": matchers_text(&rule.target),
        "equal": rule.equal,
        "together": rule
            .more
            .iter()
            .map(|source| json!({"source": matchers_text(&source.matchers), "equal": source.equal}))
            .collect::<Value>(),
    })
}

/// What would happen to an alert with these labels.
pub fn explanation(explanation: &Explanation<'_>, labels: &Labels, at: Timestamp) -> Value {
    let taken = |taken: &Taken<'_>| {
        let mut json = route(taken.route);
        let path = taken.path.iter();
        json["path"] = path.map(|route| matchers_text(&route.matchers)).collect();
        json["groupKey"] = json!(taken.group_key.as_ref());
        json["groupLabels"] = json!(taken.group_labels);
        json["muted"] = json!(taken.is_muted());
        json["mutedBy"] = json!(taken.muted_by);
        json["inactive"] = json!(taken.inactive);
        json
    };
    let rules = |rules: &[&InhibitRule]| rules.iter().map(|of| rule(of)).collect::<Value>();
    let receivers = explanation.taken.iter();
    json!({
        "labels": labels,
        "at": at.to_rfc3339(),
        "receivers": receivers.map(|taken| &*taken.route.receiver.name).collect::<Vec<_>>(),
        "routes": explanation.taken.iter().map(taken).collect::<Vec<_>>(),
        "inhibition": {
            "targetOf": rules(&explanation.target_of),
            "sourceOf": rules(&explanation.source_of),
        },
    })
}

fn names(intervals: &[Arc<NamedInterval>]) -> Vec<&str> {
    let names = intervals.iter().map(|interval| interval.name.as_str());
    names.collect()
}
