//! The route tree: which receivers an alert goes to, and how it is grouped there (`alertmanager/dispatch/route.go`).

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use super::flap::FlapConfig;
use super::inhibit::InhibitRule;
use super::interval::NamedInterval;
use super::limits::Limits;
use super::quiet::QuietConfig;
use super::storm::StormConfig;
use super::throttle::ThrottleConfig;
use crate::model::labels::{Labels, quote};
use crate::model::matcher::Matcher;
use crate::model::notification::Integration;
use crate::model::timestamp::Timestamp;

/// A receiver as its own settings name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverInfo {
    /// Its name.
    pub name: String,
    /// Its integrations, in the order they are told.
    pub integrations: Vec<IntegrationInfo>,
}

/// One integration of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationInfo {
    /// `slack`, `email`, `webhook`, `console`, ...
    pub kind: String,
    /// Place among those of its kind, from 0.
    pub index: usize,
    /// Whether it wants to hear that alerts ended.
    pub send_resolved: bool,
}

/// A receiver as routes use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Its name.
    pub name: Arc<str>,
    /// Its integrations.
    pub targets: Vec<Target>,
}

/// One integration as routes use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The integration.
    pub integration: Integration,
    /// The integration as text, `webhook[0]`.
    pub text: Arc<str>,
    /// Whether it wants to hear that alerts ended.
    pub send_resolved: bool,
}

impl From<&ReceiverInfo> for Receiver {
    fn from(info: &ReceiverInfo) -> Self {
        let target = |info: &IntegrationInfo| {
            let integration = Integration {
                kind: info.kind.as_str().into(),
                index: info.index,
            };
            Target {
                text: integration.to_string().into(),
                integration,
                send_resolved: info.send_resolved,
            }
        };
        Self {
            name: info.name.as_str().into(),
            targets: info.integrations.iter().map(target).collect(),
        }
    }
}

/// Number of a route in [`Routing::routes`].
pub type RouteRef = usize;

/// One node of the tree, settings inherited.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Names the route over reloads: its key, and its place among its siblings.
    pub id: Arc<str>,
    /// Matchers from the root to here, the first part of group keys.
    pub key: Arc<str>,
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// Whether later siblings are tried too.
    pub continues: bool,
    /// The receiver.
    pub receiver: Arc<Receiver>,
    /// What groups are formed by.
    pub group_by: GroupBy,
    /// How long a new group waits for more alerts.
    pub group_wait: Duration,
    /// How long until a group's next flush.
    pub group_interval: Duration,
    /// How long until unchanged news are told again.
    pub repeat_interval: Duration,
    /// While one of these holds, nothing is sent.
    pub mute: Vec<Arc<NamedInterval>>,
    /// Where not empty: while none of these holds, nothing is sent.
    pub active: Vec<Arc<NamedInterval>>,
    /// Its children, in order.
    pub children: Vec<RouteRef>,
}

/// What groups are formed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// `...`: every label, so each alert is a group.
    All,
    /// These labels, sorted; none at all makes one group.
    Labels(Vec<String>),
}

/// Everything that decides on alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// The tree, parents before children; 0 is the root, which matches everything.
    pub routes: Vec<Route>,
    /// Inhibition rules, in order.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Limits on what is sent.
    pub throttle: ThrottleConfig,
    /// When messages are gathered because too many alerts begin.
    pub storm: StormConfig,
    /// When an alert is held because it flaps.
    pub flapping: FlapConfig,
    /// How acks and silences behave beyond Alertmanager.
    pub quiet: QuietConfig,
}

impl Routing {
    /// The same routes with these settings of acks and silences.
    #[must_use]
    pub fn with_quiet(mut self, quiet: QuietConfig) -> Self {
        self.quiet = quiet;
        self
    }

    /// The same routes under these limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self {
            throttle: limits.throttle,
            storm: limits.storm,
            flapping: limits.flapping,
            ..self
        }
    }

    /// The same routes with these token buckets.
    #[must_use]
    pub fn with_throttle(mut self, throttle: ThrottleConfig) -> Self {
        self.throttle = throttle;
        self
    }

    /// The routes an alert takes: depth first, left to right; a node counts only where no child of it matches.
    pub fn matching(&self, labels: &Labels) -> Vec<RouteRef> {
        let mut found = Vec::with_capacity(1);
        self.visit(0, labels, &mut found);
        found
    }

    fn visit(&self, route: RouteRef, labels: &Labels, found: &mut Vec<RouteRef>) -> bool {
        let node = &self.routes[route];
        if !node
            .matchers
            .iter()
            .all(|matcher| matcher.matches_labels(labels))
        {
            return false;
        }
        let before = found.len();
        for child in &node.children {
            if self.visit(*child, labels, found) && !self.routes[*child].continues {
                break;
            }
        }
        if found.len() == before {
            found.push(route);
        }
        true
    }
}

impl Route {
    /// The labels that name an alert's group.
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::All => labels.clone(),
            GroupBy::Labels(names) => labels.filter(|name| {
                names
                    .binary_search_by(|candidate| candidate.as_str().cmp(name))
                    .is_ok()
            }),
        }
    }

    /// The group's key as Alertmanager writes it: `{}/{severity="critical"}:{alertname="X"}`.
    pub fn group_key(&self, group_labels: &Labels) -> Arc<str> {
        let mut key = String::with_capacity(self.key.len() + 32);
        key.push_str(&self.key);
        key.push_str(":{");
        for (i, (name, value)) in group_labels.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(key, "{separator}{name}={}", quote(value))
                .expect("writing to a string cannot fail");
        }
        key.push('}');
        key.into()
    }

    /// Why nothing is sent at `now`, by the route's time intervals.
    pub fn muted_at(&self, now: Timestamp) -> Option<MutedBy<'_>> {
        if !self.active.is_empty() && !self.active.iter().any(|interval| interval.contains(now)) {
            return Some(MutedBy::Inactive);
        }
        let muting = self.mute.iter().find(|interval| interval.contains(now))?;
        Some(MutedBy::Interval(&muting.name))
    }
}

/// Which setting mutes a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MutedBy<'a> {
    /// No active interval holds.
    Inactive,
    /// This mute interval holds.
    Interval(&'a str),
}

/// `{a="1",b=~"2"}`: matchers in Alertmanager's order (name, value, operator).
pub(super) fn matchers_text(matchers: &mut [Matcher]) -> String {
    matchers.sort_by(|a, b| (a.name(), a.value(), order(a)).cmp(&(b.name(), b.value(), order(b))));
    let texts: Vec<String> = matchers.iter().map(super::matchers::format).collect();
    format!("{{{}}}", texts.join(","))
}

fn order(matcher: &Matcher) -> u8 {
    use crate::model::matcher::MatchOp;
    match matcher.op() {
        MatchOp::Equal => 0,
        MatchOp::NotEqual => 1,
        MatchOp::Regex => 2,
        MatchOp::NotRegex => 3,
    }
}

/// Receivers by name.
pub(super) type Receivers = HashMap<String, Arc<Receiver>>;
