//! What the routes would do with an alert, before there is one.
//!
//! It reads the routes alone: whether an alert that inhibits fires, or a silence matches, it does not know.

pub mod json;

use std::sync::Arc;

use super::inhibit::InhibitRule;
use super::matchers;
use super::route::{Route, RouteRef, Routing};
use crate::model::labels::Labels;
use crate::model::matcher::Matcher;
use crate::model::timestamp::Timestamp;

/// What would happen to an alert with these labels.
#[derive(Clone, Debug)]
pub struct Explanation<'a> {
    /// The routes it takes, in order.
    pub taken: Vec<Taken<'a>>,
    /// Rules by which other alerts may keep it quiet.
    pub target_of: Vec<&'a InhibitRule>,
    /// Rules by which it may keep others quiet.
    pub source_of: Vec<&'a InhibitRule>,
}

/// One route that an alert takes.
#[derive(Clone, Debug)]
pub struct Taken<'a> {
    /// The route.
    pub route: &'a Route,
    /// The routes from the root down to it.
    pub path: Vec<&'a Route>,
    /// The labels that name the alert's group.
    pub group_labels: Labels,
    /// The group's key.
    pub group_key: Arc<str>,
    /// Mute intervals that hold.
    pub muted_by: Vec<&'a str>,
    /// Whether the route has active intervals and none of them holds.
    pub inactive: bool,
}

impl Taken<'_> {
    /// Whether nothing would be sent at the time asked about.
    pub fn is_muted(&self) -> bool {
        self.inactive || !self.muted_by.is_empty()
    }
}

/// Follows an alert with these labels through the routes at `now`.
pub fn explain<'a>(routing: &'a Routing, labels: &Labels, now: Timestamp) -> Explanation<'a> {
    let rules = &routing.inhibit_rules;
    Explanation {
        taken: routing
            .matching(labels)
            .into_iter()
            .map(|route| taken(routing, route, labels, now))
            .collect(),
        target_of: rules
            .iter()
            .filter(|rule| rule.takes_target(labels))
            .collect(),
        source_of: rules
            .iter()
            .filter(|rule| rule.takes_source(labels))
            .collect(),
    }
}

fn taken<'a>(routing: &'a Routing, index: RouteRef, labels: &Labels, now: Timestamp) -> Taken<'a> {
    let route = &routing.routes[index];
    let mut path = vec![route];
    let mut below = index;
    // Parents stand before their children.
    for parent in (0..index).rev() {
        if routing.routes[parent].children.contains(&below) {
            path.push(&routing.routes[parent]);
            below = parent;
        }
    }
    path.reverse();
    let group_labels = route.group_labels(labels);
    let holding = route.mute.iter().filter(|interval| interval.contains(now));
    Taken {
        route,
        path,
        group_key: route.group_key(&group_labels),
        group_labels,
        muted_by: holding.map(|interval| interval.name.as_str()).collect(),
        inactive: !route.active.is_empty()
            && !route.active.iter().any(|interval| interval.contains(now)),
    }
}

/// Matchers as Alertmanager prints them: `{severity="critical"}`.
pub fn matchers_text(matchers: &[Matcher]) -> String {
    let texts: Vec<String> = matchers.iter().map(matchers::format).collect();
    format!("{{{}}}", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::config::tests::routing;
    use super::*;

    const FILE: &str = r#"
time_intervals:
- name: nights
  time_intervals: [{times: [{start_time: '20:00', end_time: '24:00'}]}]
- name: days
  time_intervals: [{times: [{start_time: '08:00', end_time: '20:00'}]}]
inhibit_rules:
- {source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [job]}
route:
  receiver: a
  routes:
  - matchers: [team=db]
    receiver: b
    continue: true
    routes:
    - {matchers: [severity=warning], receiver: c, group_by: [job], mute_time_intervals: [nights]}
  - {matchers: [team=db], receiver: hook, active_time_intervals: [days]}
"#;

    #[test]
    fn an_alert_is_followed_to_each_of_its_receivers() {
        let check = |time: &str, severity: &str, want: &[&str], rules: (usize, usize)| {
            let routing = routing(FILE).unwrap();
            let labels = [("team", "db"), ("severity", severity), ("job", "x")];
            let now = Timestamp::parse_rfc3339(time).unwrap();
            let explained = explain(&routing, &Labels::from_pairs(labels), now);
            let taken: Vec<String> = explained
                .taken
                .iter()
                .map(|taken| {
                    format!(
                        "{} {} {} {:?} {}",
                        taken.route.receiver.name,
                        taken.path.len(),
                        taken.group_key,
                        taken.muted_by,
                        taken.inactive
                    )
                })
                .collect();
            assert_eq!(taken, want, "{time} {severity}");
            assert_eq!(
                (explained.target_of.len(), explained.source_of.len()),
                rules,
                "{severity}"
            );
        };
        check(
            "2026-01-05T12:00:00Z",
            "warning",
            &[
                r#"c 3 {}/{team="db"}/{severity="warning"}:{job="x"} [] false"#,
                r#"hook 2 {}/{team="db"}:{} [] false"#,
            ],
            (1, 0),
        );
        check(
            "2026-01-05T21:00:00Z",
            "warning",
            &[
                r#"c 3 {}/{team="db"}/{severity="warning"}:{job="x"} ["nights"] false"#,
                r#"hook 2 {}/{team="db"}:{} [] true"#,
            ],
            (1, 0),
        );
        check(
            "2026-01-05T12:00:00Z",
            "critical",
            &[
                r#"b 2 {}/{team="db"}:{} [] false"#,
                r#"hook 2 {}/{team="db"}:{} [] false"#,
            ],
            (0, 1),
        );
    }
}
