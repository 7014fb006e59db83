//! The `tests` of a file of routing tests, read with every mistake at once.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::matchers;
use crate::document::fields::{Fields, Value};
use crate::document::{Kind, Position};
use crate::model::labels::Labels;
use crate::model::matcher::Matcher;
use crate::model::timestamp::Timestamp;

/// Reasons why somebody is not told. Where a test lists its suppressions, none of the first eight may be missing in it.
const REASONS: [&str; 11] = [
    "inhibited",
    "muted",
    "inactive",
    "silenced",
    "throttled",
    "held_in_storm",
    "held_flapping",
    "no_integration",
    "deduplicated",
    "never_told",
    "resolved_not_wanted",
];

/// Whether a test that lists its suppressions has to list those of this kind.
pub(super) fn has_to_be_listed(kind: &str) -> bool {
    REASONS[..8].contains(&kind)
}

/// What happens, and what must come of it.
#[derive(Clone, Debug)]
pub struct RouteTest {
    /// Its name; may be empty.
    pub name: String,
    /// Where it stands.
    pub position: Position,
    /// When it begins.
    pub start: Timestamp,
    /// How long it lasts; the last instant is part of it.
    pub until: Duration,
    /// Alerts, in the order of the file.
    pub alerts: Vec<AlertInput>,
    /// Silences, in the order of the file.
    pub silences: Vec<SilenceInput>,
    /// Every notification that is sent; `None` where the test does not ask.
    pub notifications: Option<Vec<ExpectedNotification>>,
    /// Why somebody is not told; `None` where the test does not ask.
    pub suppressions: Option<Vec<ExpectedSuppression>>,
    /// Who is told of which labels.
    pub routes: Vec<ExpectedRoute>,
}

/// An alert that fires for a while.
#[derive(Clone, Debug)]
pub struct AlertInput {
    /// Its labels.
    pub labels: Labels,
    /// When it begins to fire, since the start.
    pub at: Duration,
    /// When it ends; `None` where it outlasts the test.
    pub until: Option<Duration>,
}

/// A silence that holds for a while.
#[derive(Clone, Debug)]
pub struct SilenceInput {
    /// Its name in suppressions; its place from 0 where it has none.
    pub name: String,
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// From when on it holds, since the start.
    pub at: Duration,
    /// When it ends; `None` where it outlasts the test.
    pub until: Option<Duration>,
}

/// A notification that must be sent.
#[derive(Clone, Debug)]
pub struct ExpectedNotification {
    /// Where it stands.
    pub position: Position,
    /// When, since the start.
    pub at: Duration,
    /// To whom.
    pub receiver: String,
    /// To which of the receiver's integrations; to all of them where absent.
    pub integration: Option<String>,
    /// Why; for whatever reason where absent.
    pub reason: Option<String>,
    /// Its firing alerts.
    pub firing: BTreeSet<Labels>,
    /// Its resolved alerts.
    pub resolved: BTreeSet<Labels>,
}

/// Alerts of which somebody must not be told.
#[derive(Clone, Debug)]
pub struct ExpectedSuppression {
    /// Where it stands.
    pub position: Position,
    /// The alerts.
    pub alerts: BTreeSet<Labels>,
    /// Why.
    pub reason: String,
    /// By what; by anything where absent.
    pub by: Option<By>,
    /// Who would have been told; anybody where absent.
    pub receiver: Option<String>,
    /// When, since the start; at any time where absent.
    pub at: Option<Duration>,
}

/// What keeps an alert quiet.
#[derive(Clone, Debug)]
pub enum By {
    /// The name of an inhibition rule, of a time interval or of a silence.
    Name(String),
    /// One of these alerts.
    Alerts(BTreeSet<Labels>),
}

/// The receivers of labels.
#[derive(Clone, Debug)]
pub struct ExpectedRoute {
    /// Where it stands.
    pub position: Position,
    /// The labels.
    pub labels: Labels,
    /// The receivers, in the order of their routes.
    pub receivers: Vec<String>,
}

/// Reads the `tests` of a file's root.
pub fn read(root: &Fields<'_>) -> Vec<RouteTest> {
    root.items("tests").iter().filter_map(read_test).collect()
}

fn read_test(value: &Value<'_>) -> Option<RouteTest> {
    let fields = value.fields()?;
    let name = fields.text("name").unwrap_or_default();
    let start = fields.get("start_timestamp").and_then(|value| {
        let remedy = "write RFC 3339, such as 2026-01-31T00:00:00Z";
        value.parse(remedy, Timestamp::parse_rfc3339)
    });
    let alerts: Vec<AlertInput> = fields
        .items("alerts")
        .iter()
        .filter_map(read_alert)
        .collect();
    let silences: Vec<SilenceInput> = fields
        .items("silences")
        .iter()
        .enumerate()
        .filter_map(|(i, value)| read_silence(i, value))
        .collect();
    let notifications: Option<Vec<_>> = fields
        .get("notifications")
        .and_then(|value| value.items())
        .map(|items| {
            items
                .iter()
                .filter_map(|item| read_notification(item, &alerts))
                .collect()
        });
    let suppressions: Option<Vec<_>> = fields
        .get("suppressions")
        .and_then(|value| value.items())
        .map(|items| {
            items
                .iter()
                .filter_map(|item| read_suppression(item, &alerts))
                .collect()
        });
    let routes = fields
        .items("routes")
        .iter()
        .filter_map(read_route)
        .collect();
    let mentioned = alerts
        .iter()
        .flat_map(|alert| [Some(alert.at), alert.until])
        .flatten()
        .chain(silences.iter().map(|silence| silence.at))
        .chain(silences.iter().filter_map(|silence| silence.until))
        .chain(notifications.iter().flatten().map(|expected| expected.at))
        .chain(
            suppressions
                .iter()
                .flatten()
                .filter_map(|expected| expected.at),
        )
        .max();
    let until = fields.duration("until").or(mentioned).unwrap_or_default();
    fields.finish();
    Some(RouteTest {
        name,
        position: value.position(),
        start: start.unwrap_or_default(),
        until,
        alerts,
        silences,
        notifications,
        suppressions,
        routes,
    })
}

fn read_alert(value: &Value<'_>) -> Option<AlertInput> {
    let fields = value.fields()?;
    let labels = fields.required("labels").and_then(|value| labels(&value));
    let (at, until) = span(&fields, "alert");
    fields.finish();
    Some(AlertInput {
        labels: labels?,
        at,
        until,
    })
}

fn read_silence(place: usize, value: &Value<'_>) -> Option<SilenceInput> {
    let fields = value.fields()?;
    let name = fields.text("name");
    let mut matchers = Vec::new();
    for item in fields.required("matchers")?.items()? {
        let remedy = "write a matcher, such as alertname=~\"Disk.*\"";
        matchers.extend(item.parse(remedy, matchers::parse).unwrap_or_default());
    }
    if matchers.is_empty() {
        value.error(
            "a silence without matchers would silence everything",
            "write at least one matcher",
        );
    }
    let (at, until) = span(&fields, "silence");
    fields.finish();
    Some(SilenceInput {
        name: name.unwrap_or_else(|| place.to_string()),
        matchers,
        at,
        until,
    })
}

/// `at` and `until`.
fn span(fields: &Fields<'_>, what: &str) -> (Duration, Option<Duration>) {
    let at = fields.duration("at").unwrap_or_default();
    let until = fields.get("until").and_then(|value| {
        let until = value.duration()?;
        if until <= at {
            value.error(
                format!("the {what} ends before it begins"),
                format!(
                    "write a time after its `at`, or leave it out where the {what} does not end"
                ),
            );
        }
        Some(until)
    });
    (at, until)
}

fn read_notification(value: &Value<'_>, alerts: &[AlertInput]) -> Option<ExpectedNotification> {
    let fields = value.fields()?;
    let at = fields.required("at").and_then(|value| value.duration());
    let receiver = fields
        .required("receiver")
        .and_then(|value| value.text().map(str::to_owned));
    let firing = meant(&fields, "firing", alerts);
    let resolved = meant(&fields, "resolved", alerts);
    let expected = ExpectedNotification {
        position: value.position(),
        integration: fields.text("integration"),
        reason: fields.text("reason"),
        at: at.unwrap_or_default(),
        receiver: receiver?,
        firing,
        resolved,
    };
    fields.finish();
    Some(expected)
}

fn read_suppression(value: &Value<'_>, alerts: &[AlertInput]) -> Option<ExpectedSuppression> {
    let fields = value.fields()?;
    let alert = fields.required("alert");
    let reason = fields.required("reason").and_then(|value| {
        let reason = value.text()?;
        if !REASONS.contains(&reason) {
            value.error(
                format!("no such reason: {reason:?}"),
                format!("write one of {}", REASONS.join(", ")),
            );
        }
        Some(reason.to_owned())
    });
    let by = fields.get("by").and_then(|value| match value.node.kind {
        Kind::Mapping(_) => alerts_like(&value, alerts).map(By::Alerts),
        _ => value.text().map(|name| By::Name(name.to_owned())),
    });
    let receiver = fields.text("receiver");
    let at = fields.duration("at");
    fields.finish();
    Some(ExpectedSuppression {
        position: value.position(),
        alerts: alerts_like(&alert?, alerts)?,
        reason: reason?,
        by,
        receiver,
        at,
    })
}

fn read_route(value: &Value<'_>) -> Option<ExpectedRoute> {
    let fields = value.fields()?;
    let labels = fields.required("labels").and_then(|value| labels(&value));
    let receivers = fields.required("receivers").and_then(|value| value.texts());
    fields.finish();
    Some(ExpectedRoute {
        position: value.position(),
        labels: labels?,
        receivers: receivers?,
    })
}

fn labels(value: &Value<'_>) -> Option<Labels> {
    let pairs = value.pairs()?;
    if pairs.is_empty() {
        value.error("no labels", "write labels, such as alertname: InstanceDown");
        return None;
    }
    let texts = pairs
        .iter()
        .filter_map(|(name, value)| Some((*name, value.text()?)));
    Some(Labels::from_pairs(texts))
}

/// The alerts that the label sets of a list stand for.
fn meant(fields: &Fields<'_>, key: &'static str, alerts: &[AlertInput]) -> BTreeSet<Labels> {
    let items = fields.items(key);
    let sets = items.iter().filter_map(|item| alerts_like(item, alerts));
    sets.flatten().collect()
}

/// All alerts of the test that carry these labels.
fn alerts_like(value: &Value<'_>, alerts: &[AlertInput]) -> Option<BTreeSet<Labels>> {
    let wanted = labels(value)?;
    let carries = |labels: &Labels| {
        wanted
            .iter()
            .all(|(name, value)| labels.get(name) == Some(value))
    };
    let found: BTreeSet<Labels> = alerts
        .iter()
        .filter(|alert| carries(&alert.labels))
        .map(|alert| alert.labels.clone())
        .collect();
    if found.is_empty() {
        value.error(
            format!("no alert of this test carries {wanted}"),
            "write labels of one under `alerts:`",
        );
        return None;
    }
    Some(found)
}
