//! What templates see of a notification: Alertmanager's data, and a little more.
//! See <https://prometheus.io/docs/alerting/latest/notifications/#data>.
//!
//! ```text
//! .Receiver .Status .Alerts(.Firing .Resolved) .GroupLabels .CommonLabels .CommonAnnotations .ExternalURL
//! .NotificationReason  alert: .Status .Labels .Annotations .StartsAt .EndsAt .GeneratorURL .Fingerprint
//!
//! only here:  .New .StillFiring .JustResolved, of .Alerts too: against what this integration was told last
//!             .GroupKey .Severity .Color .Lasting .TruncatedAlerts .Digest .AckURL .SilenceURL
//!             alert: .Name .Severity .Summary .RunbookURL .ChartURL .Picture .Lasting .Change .Flapping
//!                    .AckURL .SilenceURL
//!                    .Value .PeakValue .ResolvedValue .Threshold, and each with Text behind it for people
//!             digest: .Severity .OpenedAt .Total .Firing .Resolved .Counts .First .Worst .New .Groups .Storm
//!             count: .Name .Firing .Resolved .RunbookURL
//!             storm: .Stage (began, goes_on, over) .Since .Alerts .Kinds .Summary
//! ```
//!
//! A template that uses what is only here does not work in Alertmanager. `toJson` writes Alertmanager's data alone. Values
//! are nil, and their texts empty, where nobody knows them: alerts posted by others, a series that is gone.

use std::sync::Arc;
use std::time::Duration;

use super::render::Surroundings;
use crate::model::action_link::{Action, LINK_LASTS, Subject, link};
use crate::model::labels::Labels;
use crate::model::notification::{
    AlertPicture, AlertStatus, Change, FLAPPING, Notification, NotifiedAlert, severity_rank,
};
use crate::model::signature::Signer;
use crate::model::timestamp::Timestamp;
use crate::template::kv::Kv;
use crate::template::value::{List, Map, Object, Safe, Value};

/// The label that says how bad it is.
pub const SEVERITY: &str = "severity";
/// The annotation that says it in one line.
const SUMMARY: &str = "summary";

/// The first fields of a message's and of an alert's data are Alertmanager's.
const DATA: usize = 8;
const ALERT: usize = 7;
/// The fields that follow, without the lists that repeat alerts.
const DATA_OURS: usize = 8;

/// What the alerts of a message have in common.
#[derive(Clone, Debug)]
pub struct Common {
    /// Firing where any of them fires.
    pub status: AlertStatus,
    /// Labels equal in all of them.
    pub labels: Labels,
    /// Annotations equal in all of them.
    pub annotations: Labels,
}

impl Common {
    /// Compares them.
    pub fn of(alerts: &[NotifiedAlert]) -> Self {
        let firing = alerts
            .iter()
            .any(|alert| alert.status == AlertStatus::Firing);
        Self {
            status: if firing {
                AlertStatus::Firing
            } else {
                AlertStatus::Resolved
            },
            labels: shared(alerts, |alert| &alert.alert.labels),
            annotations: shared(alerts, |alert| &alert.alert.annotations),
        }
    }
}

fn shared<'a>(
    alerts: &'a [NotifiedAlert],
    set: impl Fn(&'a NotifiedAlert) -> &'a Labels,
) -> Labels {
    let Some((first, rest)) = alerts.split_first() else {
        return Labels::empty();
    };
    let mut pairs: Vec<(&str, &str)> = set(first).iter().collect();
    for alert in rest {
        let labels = set(alert);
        // As in Go, what is missing is equal to what is empty.
        pairs.retain(|(name, value)| labels.value(name) == *value);
    }
    Labels::verbatim(pairs.into_iter())
}

/// The receiver's name as Alertmanager hands it to templates and payloads: as a regular expression for itself
/// (`regexp.QuoteMeta`), since its UI filters by it.
pub fn receiver_pattern(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The highest severity among the alerts that fire, or among all where none does; empty where none has one.
pub fn severity(notification: &Notification) -> &str {
    let firing = notification.is_firing();
    notification
        .alerts
        .iter()
        .filter(|alert| !firing || alert.status == AlertStatus::Firing)
        .map(|alert| alert.alert.labels.value(SEVERITY))
        .filter(|severity| !severity.is_empty())
        .min_by_key(|severity| severity_rank(severity))
        .unwrap_or_default()
}

/// The colour of a status and severity.
pub fn color(firing: bool, severity: &str) -> &'static str {
    if !firing {
        return "#12a150";
    }
    match severity_rank(severity) {
        0 | 1 => "#d92d20",
        2 => "#e8590c",
        3 => "#f0a000",
        5 | 6 => "#2f7ed8",
        _ => "#6b7280",
    }
}

/// One line about an alert: its `summary`, or else its name.
pub fn summary(alert: &NotifiedAlert) -> &str {
    match alert.alert.annotations.value(SUMMARY) {
        "" => match alert.alert.name() {
            "" => "alert without a name",
            name => name,
        },
        summary => summary,
    }
}

/// A number for people: four significant digits, no exponent where it can be helped.
pub fn value_text(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN".to_owned()
        } else if value > 0.0 {
            "+Inf".to_owned()
        } else {
            "-Inf".to_owned()
        };
    }
    let magnitude = value.abs().log10().floor();
    if !(-5.0..12.0).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let decimals = (3.0 - magnitude).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A length of time for people, its two largest units: `2d 3h`, `5m`, `12s`.
pub fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let Some(first) = parts.iter().position(|(count, _)| *count > 0) else {
        return "0s".to_owned();
    };
    // Seconds say nothing once hours have passed.
    let last = (first + 2).min(parts.len());
    parts[first..last]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// How long an alert lasts at `now`, or lasted.
pub fn lasting(alert: &NotifiedAlert, now: Timestamp) -> Duration {
    let end = match alert.status {
        AlertStatus::Firing => now,
        AlertStatus::Resolved => alert.alert.ends_at,
    };
    end.since(alert.alert.starts_at)
}

/// How long the oldest alert lasts that fires, or how long the longest lasted where none does.
pub fn longest(notification: &Notification, now: Timestamp) -> Duration {
    let firing = notification.is_firing();
    let alerts = notification.alerts.iter();
    alerts
        .filter(|alert| !firing || alert.status == AlertStatus::Firing)
        .map(|alert| lasting(alert, now))
        .max()
        .unwrap_or_default()
}

/// Links by which people act on what a message is about; empty where nothing fires, and in Alertmanager's place.
struct Links<'a> {
    signer: Option<(&'a Signer, &'a str)>,
    until: Timestamp,
}

#[derive(Default)]
struct ActionUrls {
    ack: String,
    silence: String,
}

impl<'a> Links<'a> {
    fn new(notification: &Notification, surroundings: &'a Surroundings) -> Self {
        let signer = surroundings.signer.get();
        let signer = signer.filter(|_| !surroundings.upstream_only);
        Self {
            signer: signer.map(|signer| (signer, surroundings.external_url.as_str())),
            until: notification.created_at + LINK_LASTS,
        }
    }

    fn of(&self, subject: &Subject) -> ActionUrls {
        let Some((signer, base)) = self.signer else {
            return ActionUrls::default();
        };
        let url = |action| format!("{base}{}", link(signer, action, subject, self.until));
        ActionUrls {
            ack: url(Action::Ack),
            silence: url(Action::Silence),
        }
    }

    fn alert(&self, notified: &NotifiedAlert) -> ActionUrls {
        match notified.status {
            AlertStatus::Firing => self.of(&Subject::Alert(notified.alert.fingerprint())),
            AlertStatus::Resolved => ActionUrls::default(),
        }
    }

    /// A digest is of many groups.
    fn group(&self, notification: &Notification) -> ActionUrls {
        if notification.digest.is_some() || !notification.is_firing() {
            return ActionUrls::default();
        }
        self.of(&Subject::group(&notification.group_key))
    }
}

/// The value of a template's dot. `toJson` of it holds what Alertmanager's holds, and ours too unless `upstream_only`.
pub fn data(notification: &Notification, surroundings: &Surroundings, now: Timestamp) -> Value {
    let upstream_only = surroundings.upstream_only;
    let links = Links::new(notification, surroundings);
    let group = links.group(notification);
    let common = Common::of(&notification.alerts);
    let alerts: Vec<Value> = notification
        .alerts
        .iter()
        .map(|alert| alert_data(alert, &links, upstream_only, now))
        .collect();
    let severity = severity(notification);
    let digest = notification.digest.as_ref().map_or(Value::Nil, |digest| {
        digest::data(digest, notification, &alerts)
    });
    let changes = notification.alerts.iter().map(NotifiedAlert::change);
    let list = AlertList {
        changes: changes.collect(),
        alerts: alerts.into_iter().collect(),
    };
    let changed = |change| list.only(|other| other == change);
    let (new, still_firing, just_resolved) = (
        changed(Change::New),
        changed(Change::StillFiring),
        changed(Change::JustResolved),
    );
    Record::new(
        "template.Data",
        vec![
            ("Receiver", receiver_pattern(&notification.receiver).into()),
            ("Status", common.status.as_str().into()),
            ("Alerts", Value::object(list)),
            ("GroupLabels", kv(&notification.group_labels)),
            ("CommonLabels", kv(&common.labels)),
            ("CommonAnnotations", kv(&common.annotations)),
            ("ExternalURL", surroundings.external_url.as_str().into()),
            ("NotificationReason", notification.reason.as_str().into()),
            ("Lasting", duration_text(longest(notification, now)).into()),
            ("GroupKey", Value::from(&*notification.group_key)),
            ("Severity", severity.into()),
            ("Color", color(notification.is_firing(), severity).into()),
            ("TruncatedAlerts", count(notification.truncated)),
            ("Digest", digest),
            ("AckURL", group.ack.into()),
            ("SilenceURL", group.silence.into()),
            ("New", new),
            ("StillFiring", still_firing),
            ("JustResolved", just_resolved),
        ],
    )
    .in_json(if upstream_only {
        DATA
    } else {
        DATA + DATA_OURS
    })
    .into_value()
}

fn alert_data(
    notified: &NotifiedAlert,
    links: &Links<'_>,
    upstream_only: bool,
    now: Timestamp,
) -> Value {
    let alert = &notified.alert;
    let own = links.alert(notified);
    let ends_at = match notified.status {
        AlertStatus::Firing => zero_time(),
        AlertStatus::Resolved => time(alert.ends_at),
    };
    let picture = |part: fn(&AlertPicture) -> &Arc<str>| -> Arc<str> {
        notified
            .picture
            .as_ref()
            .map_or_else(|| Arc::from(""), |picture| Arc::clone(part(picture)))
    };
    Record::new(
        "template.Alert",
        vec![
            ("Status", notified.status.as_str().into()),
            ("Labels", kv(&alert.labels)),
            ("Annotations", kv(&notified.annotations())),
            ("StartsAt", time(alert.starts_at)),
            ("EndsAt", ends_at),
            ("GeneratorURL", Value::from(&*alert.generator_url)),
            ("Fingerprint", alert.fingerprint().to_string().into()),
            ("Name", alert.name().into()),
            ("Severity", alert.labels.value(SEVERITY).into()),
            ("Summary", summary(notified).into()),
            ("RunbookURL", notified.runbook().into()),
            ("Flapping", alert.annotations.value(FLAPPING).into()),
            ("Lasting", duration_text(lasting(notified, now)).into()),
            ("Change", notified.change().as_str().into()),
            ("ChartURL", Value::from(&*picture(|picture| &picture.link))),
            (
                "Picture",
                // Written by us: the scheme `cid:` is as good as `https:`.
                Value::Safe(Safe::Url, picture(|picture| &picture.image)),
            ),
            ("Value", number(alert.value)),
            ("ValueText", number_text(alert.value)),
            ("PeakValue", number(alert.course.peak)),
            ("PeakValueText", number_text(alert.course.peak)),
            ("ResolvedValue", number(alert.course.resolved)),
            ("ResolvedValueText", number_text(alert.course.resolved)),
            ("Threshold", number(alert.course.threshold)),
            ("ThresholdText", number_text(alert.course.threshold)),
            ("AckURL", own.ack.into()),
            ("SilenceURL", own.silence.into()),
        ],
    )
    .in_json(if upstream_only { ALERT } else { usize::MAX })
    .into_value()
}

fn number(value: Option<f64>) -> Value {
    value.map_or(Value::Nil, Value::from)
}

fn number_text(value: Option<f64>) -> Value {
    value.map(value_text).unwrap_or_default().into()
}

fn kv(labels: &Labels) -> Value {
    Kv::new(labels).into()
}

fn count(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn size(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn time(at: Timestamp) -> Value {
    jiff::Timestamp::from_millisecond(at.millis()).map_or(Value::Nil, |time| {
        time.to_zoned(jiff::tz::TimeZone::UTC).into()
    })
}

/// Go's zero time.
fn zero_time() -> Value {
    jiff::civil::date(1, 1, 1)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .map_or(Value::Nil, Value::from)
}

/// A struct: named fields.
#[derive(Debug)]
struct Record {
    type_name: &'static str,
    fields: Vec<(&'static str, Value)>,
    in_json: usize,
}

impl Record {
    fn new(type_name: &'static str, fields: Vec<(&'static str, Value)>) -> Self {
        Self {
            type_name,
            fields,
            in_json: usize::MAX,
        }
    }

    fn value(type_name: &'static str, fields: Vec<(&'static str, Value)>) -> Value {
        Self::new(type_name, fields).into_value()
    }

    /// How many of its first fields JSON shows.
    fn in_json(self, in_json: usize) -> Self {
        Self { in_json, ..self }
    }

    fn into_value(self) -> Value {
        Value::object(self)
    }
}

impl Object for Record {
    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn get(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        let (_, value) = self.fields.iter().find(|(field, _)| *field == name)?;
        args.is_empty().then(|| Ok(value.clone()))
    }

    fn json(&self) -> Value {
        // The names of Go's struct tags, as in the webhook's payload.
        let name = |field: &str| match field {
            "ExternalURL" => "externalURL".to_owned(),
            "GeneratorURL" => "generatorURL".to_owned(),
            field => {
                let mut chars = field.chars();
                let first = chars.next().map(|c| c.to_ascii_lowercase());
                first.into_iter().chain(chars).collect()
            }
        };
        self.fields
            .iter()
            .take(self.in_json)
            .map(|(field, value)| (name(field), value.clone()))
            .collect::<Map>()
            .into()
    }
}

/// `template.Alerts`: a list with the methods `Firing` and `Resolved`, and ours for what changed.
#[derive(Debug)]
struct AlertList {
    changes: Vec<Change>,
    alerts: List,
}

impl AlertList {
    fn only(&self, wanted: impl Fn(Change) -> bool) -> Value {
        let alerts = self.changes.iter().zip(self.alerts.items());
        alerts
            .filter(|(change, _)| wanted(**change))
            .map(|(_, alert)| alert.clone())
            .collect::<List>()
            .into()
    }
}

impl Object for AlertList {
    fn type_name(&self) -> &'static str {
        "template.Alerts"
    }

    fn get(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        let wanted: &[Change] = match (name, args) {
            ("Firing", []) => &[Change::New, Change::StillFiring],
            ("Resolved", []) => &[Change::JustResolved, Change::EndedBefore],
            ("New", []) => &[Change::New],
            ("StillFiring", []) => &[Change::StillFiring],
            ("JustResolved", []) => &[Change::JustResolved],
            _ => return None,
        };
        Some(Ok(self.only(|change| wanted.contains(&change))))
    }

    fn contents(&self) -> Option<Value> {
        Some(self.alerts.clone().into())
    }
}

/// Notifications for checking templates when they are loaded: none, one and several alerts, and a digest.
pub fn synthetic(now: Timestamp) -> Vec<Notification> {
    synthetic::all(now)
}

mod digest;
mod synthetic;

pub use self::digest::storm_text;

#[cfg(test)]
mod tests;
