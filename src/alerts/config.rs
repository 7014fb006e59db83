//! Reads the routing part of an `alertmanager.yml`: `route`, `inhibit_rules`, `time_intervals`, `mute_time_intervals`.
//!
//! `global`, `receivers` and `templates` are read by the module that sends; the receivers' names come from there. Every
//! mistake is reported with its place; reading goes on. Defaults and inheritance are Alertmanager's
//! (<https://prometheus.io/docs/alerting/latest/configuration/#route>).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::flap::FlapConfig;
use super::inhibit::{InhibitRule, Source};
use super::interval::{self, NamedInterval};
use super::matchers;
use super::quiet::QuietConfig;
use super::route::{
    GroupBy, Receiver, ReceiverInfo, Receivers, Route, RouteRef, Routing, matchers_text,
};
use super::storm::StormConfig;
use super::throttle::ThrottleConfig;
use crate::document::fields::{Fields, Value, nearest};
use crate::model::matcher::{MatchOp, Matcher};

const GROUP_WAIT: Duration = Duration::from_secs(30);
const GROUP_INTERVAL: Duration = Duration::from_secs(5 * 60);
const REPEAT_INTERVAL: Duration = Duration::from_secs(4 * 60 * 60);

/// Reads the routing keys of a file's root; throttling has its defaults. The caller ends the reading with
/// [`Fields::finish`] when the other keys are taken too. `None` where there is no tree to speak of; where there is one,
/// it counts only if nothing was reported.
pub fn read(root: &Fields<'_>, receivers: &[ReceiverInfo]) -> Option<Routing> {
    let mut intervals: HashMap<String, Arc<NamedInterval>> = HashMap::new();
    for key in ["mute_time_intervals", "time_intervals"] {
        for value in root.items(key) {
            let Some(named) = interval::read_named(&value) else {
                continue;
            };
            let name = named.name.clone();
            if intervals.insert(name.clone(), Arc::new(named)).is_some() {
                value.error(
                    format!("time interval {name:?} is defined twice"),
                    "rename one of the two",
                );
            }
        }
    }
    let inhibit_rules = root
        .items("inhibit_rules")
        .iter()
        .enumerate()
        .filter_map(|(i, value)| read_inhibit_rule(value, i))
        .collect();
    let receivers: Receivers = receivers
        .iter()
        .map(|info| (info.name.clone(), Arc::new(Receiver::from(info))))
        .collect();
    let mut reader = RouteReader {
        receivers: &receivers,
        intervals: &intervals,
        routes: Vec::new(),
    };
    reader.read(&root.required("route")?, None);
    let routes = reader.routes;
    (!routes.is_empty()).then_some(Routing {
        routes,
        inhibit_rules,
        throttle: ThrottleConfig::default(),
        storm: StormConfig::default(),
        flapping: FlapConfig::default(),
        quiet: QuietConfig::default(),
    })
}

struct RouteReader<'a> {
    receivers: &'a Receivers,
    intervals: &'a HashMap<String, Arc<NamedInterval>>,
    routes: Vec<Route>,
}

struct Parent {
    route: RouteRef,
    /// Place of the child among its siblings.
    position: usize,
}

impl RouteReader<'_> {
    fn read(&mut self, value: &Value<'_>, parent: Option<&Parent>) -> Option<RouteRef> {
        let fields = value.fields()?;
        let above = parent.map(|parent| self.routes[parent.route].clone());
        let receiver = self.receiver(&fields, above.as_ref());
        let mut matchers = read_matchers(&fields, ["match", "match_re", "matchers"]);
        if parent.is_none() {
            for key in ["match", "match_re", "matchers"] {
                if let Some(value) = fields.get(key) {
                    value.error(
                        "the root route takes every alert and has no matchers",
                        "move them to a route below it",
                    );
                }
            }
            matchers.clear();
            if let Some(value) = fields.get("continue")
                && value.bool() == Some(true)
            {
                value.error(
                    "the root route has nothing to continue with",
                    "remove `continue`",
                );
            }
        }
        let text = matchers_text(&mut matchers);
        let (key, id) = match (&above, parent) {
            (Some(above), Some(parent)) => {
                let key = format!("{}/{text}", above.key);
                let id = format!("{key}/{}", parent.position);
                (key, id)
            }
            _ => (text.clone(), text),
        };
        let (mute, active) = (
            self.intervals(&fields, "mute_time_intervals", parent.is_none()),
            self.intervals(&fields, "active_time_intervals", parent.is_none()),
        );
        let route = Route {
            id: id.into(),
            key: key.into(),
            matchers,
            continues: fields.bool("continue").unwrap_or(false),
            receiver,
            group_by: read_group_by(&fields).unwrap_or_else(|| {
                above
                    .as_ref()
                    .map_or(GroupBy::Labels(Vec::new()), |above| above.group_by.clone())
            }),
            group_wait: fields
                .duration("group_wait")
                .unwrap_or(above.as_ref().map_or(GROUP_WAIT, |above| above.group_wait)),
            group_interval: positive(&fields, "group_interval").unwrap_or(
                above
                    .as_ref()
                    .map_or(GROUP_INTERVAL, |above| above.group_interval),
            ),
            repeat_interval: positive(&fields, "repeat_interval").unwrap_or(
                above
                    .as_ref()
                    .map_or(REPEAT_INTERVAL, |above| above.repeat_interval),
            ),
            mute,
            active,
            children: Vec::new(),
        };
        let index = self.routes.len();
        self.routes.push(route);
        for (position, child) in fields.items("routes").iter().enumerate() {
            let parent = Parent {
                route: index,
                position,
            };
            if let Some(child) = self.read(child, Some(&parent)) {
                self.routes[index].children.push(child);
            }
        }
        fields.finish();
        Some(index)
    }

    fn receiver(&self, fields: &Fields<'_>, above: Option<&Route>) -> Arc<Receiver> {
        let nobody = || {
            Arc::new(Receiver {
                name: "".into(),
                targets: Vec::new(),
            })
        };
        let inherited = || above.map_or_else(nobody, |above| Arc::clone(&above.receiver));
        let Some(value) = fields.get("receiver") else {
            if above.is_none() {
                fields.value().error(
                    "the root route has no receiver",
                    "add `receiver:` with the name of the receiver that gets what no other route takes",
                );
            }
            return inherited();
        };
        let Some(name) = value.text() else {
            return inherited();
        };
        if let Some(receiver) = self.receivers.get(name) {
            return Arc::clone(receiver);
        }
        let known: Vec<&str> = self.receivers.keys().map(String::as_str).collect();
        let remedy = match nearest(name, &known) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("add a receiver named {name:?} under `receivers:`"),
        };
        value.error(
            format!("route to receiver {name:?}, which is not defined"),
            remedy,
        );
        inherited()
    }

    fn intervals(
        &self,
        fields: &Fields<'_>,
        key: &'static str,
        is_root: bool,
    ) -> Vec<Arc<NamedInterval>> {
        let Some(value) = fields.get(key) else {
            return Vec::new();
        };
        let items = value.items().unwrap_or_default();
        if is_root && !items.is_empty() {
            value.error(
                format!("the root route has no {key}: it is the last resort of every alert"),
                "move it to a route below",
            );
            return Vec::new();
        }
        let find = |item: &Value<'_>| {
            let name = item.text()?;
            let found = self.intervals.get(name);
            if found.is_none() {
                let known: Vec<&str> = self.intervals.keys().map(String::as_str).collect();
                let remedy = match nearest(name, &known) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("define {name:?} under `time_intervals:`"),
                };
                item.error(format!("time interval {name:?} is not defined"), remedy);
            }
            found.cloned()
        };
        items.iter().filter_map(find).collect()
    }
}

fn positive(fields: &Fields<'_>, key: &'static str) -> Option<Duration> {
    let value = fields.get(key)?;
    let duration = value.duration()?;
    if duration.is_zero() {
        value.error(
            format!("{key} is zero"),
            "write a duration above zero, such as 5m",
        );
        return None;
    }
    Some(duration)
}

/// `None` where nothing is written: then the parent's holds. An empty list makes one group of all.
fn read_group_by(fields: &Fields<'_>) -> Option<GroupBy> {
    let items = fields.get("group_by").map(|value| one_or_many(&value))?;
    let mut names: Vec<String> = Vec::with_capacity(items.len());
    let mut all = false;
    for item in &items {
        match item.text()? {
            "..." => all = true,
            "" => item.error("empty label name in group_by", "remove it"),
            name if names.iter().any(|known| known == name) => {
                item.error(
                    format!("label {name:?} twice in group_by"),
                    "keep one of the two",
                );
            }
            name => names.push(name.to_owned()),
        }
    }
    if all && !names.is_empty() {
        fields.value().error(
            "group_by has `...` (every label) and other labels",
            "keep `...` alone, or the labels alone",
        );
    }
    if all {
        return Some(GroupBy::All);
    }
    names.sort_unstable();
    Some(GroupBy::Labels(names))
}

/// A list, or one value standing for a list of one.
fn one_or_many<'a>(value: &Value<'a>) -> Vec<Value<'a>> {
    match value.node.kind {
        crate::document::Kind::Scalar { .. } => vec![value.clone()],
        _ => value.items().unwrap_or_default(),
    }
}

/// Equality and expression mappings of old, and the list of matchers, in one.
fn read_matchers(fields: &Fields<'_>, keys: [&'static str; 3]) -> Vec<Matcher> {
    let [equal, regex, list] = keys;
    let mut found = Vec::new();
    for (key, op) in [(equal, MatchOp::Equal), (regex, MatchOp::Regex)] {
        for (name, value) in fields
            .get(key)
            .and_then(|value| value.pairs())
            .unwrap_or_default()
        {
            let matcher = value.parse("correct the regular expression (RE2 syntax)", |text| {
                let matcher = Matcher::new(name, op, text)?;
                match op {
                    // Upstream's group keys show these expressions with their anchors.
                    MatchOp::Regex => Matcher::new(name, op, format!("^(?:{text})$")),
                    MatchOp::Equal | MatchOp::NotEqual | MatchOp::NotRegex => Ok(matcher),
                }
            });
            if !crate::model::labels::is_legacy_label_name(name) {
                value.error(
                    format!("not a label name: {name:?}"),
                    format!("use `{list}:` for names with other characters"),
                );
            }
            found.extend(matcher);
        }
    }
    found.extend(read_matcher_list(fields, list));
    found
}

fn read_matcher_list(fields: &Fields<'_>, key: &'static str) -> Vec<Matcher> {
    let items = fields.get(key).map(|value| one_or_many(&value));
    let remedy = "write matchers such as severity=\"critical\" or team=~\"db|web\"";
    let read = |item: &Value<'_>| item.parse(remedy, matchers::parse).unwrap_or_default();
    items.unwrap_or_default().iter().flat_map(read).collect()
}

fn read_inhibit_rule(value: &Value<'_>, position: usize) -> Option<InhibitRule> {
    let fields = value.fields()?;
    let name = fields.text("name").unwrap_or_else(|| position.to_string());
    let source = read_matchers(
        &fields,
        ["source_match", "source_match_re", "source_matchers"],
    );
    let target = read_matchers(
        &fields,
        ["target_match", "target_match_re", "target_matchers"],
    );
    let equal = read_equal(&fields);
    let mut sources: Vec<Source> = fields
        .items("sources")
        .iter()
        .filter_map(read_source)
        .collect();
    let alone = [
        "source_match",
        "source_match_re",
        "source_matchers",
        "equal",
    ];
    if !sources.is_empty()
        && let Some(other) = alone.iter().find_map(|key| fields.get(key))
    {
        other.error(
            "sources and the keys of a single source exclude each other",
            "move it into an entry of sources",
        );
    }
    fields.finish();
    if sources.is_empty() {
        return Some(InhibitRule {
            name,
            source,
            target,
            equal,
            more: Vec::new(),
        });
    }
    let first = sources.remove(0);
    Some(InhibitRule {
        name,
        source: first.matchers,
        target,
        equal: first.equal,
        more: sources,
    })
}

fn read_equal(fields: &Fields<'_>) -> Vec<String> {
    let items = fields.get("equal").map(|value| one_or_many(&value));
    let items = items.unwrap_or_default();
    let names = items.iter().filter_map(|item| item.text());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// An entry of `sources`, all of which must have an alert that fires.
fn read_source(value: &Value<'_>) -> Option<Source> {
    let fields = value.fields()?;
    let matchers = read_matcher_list(&fields, "matchers");
    if matchers.iter().all(Matcher::matches_empty) {
        value.error(
            "a source needs a matcher that does not match the empty string",
            "add `matchers:`, such as severity=\"critical\"",
        );
    }
    let equal = read_equal(&fields);
    fields.finish();
    Some(Source { matchers, equal })
}

#[cfg(test)]
pub(super) mod tests;
