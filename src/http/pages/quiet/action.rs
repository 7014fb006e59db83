//! `/ack` and `/silence`: where links in messages lead. GET shows what would be done, POST does it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::fill::{exactly, matches};
use super::list::{silence, told_of_ack, uncached};
use super::{ActionPage, Form, LabelChoice, render_action};
use crate::alerts::ack::{AckRequest, AckTarget};
use crate::alerts::dispatch::view::{AlertSnapshot, Wanted};
use crate::alerts::explain::matchers_text;
use crate::alerts::run::Closed;
use crate::db::ledger::{self, LedgerFilter};
use crate::http::context::Context;
use crate::http::pages::shell::signature;
use crate::http::pages::{error, see_other};
use crate::http::params::Params;
use crate::http::quiet::acks::expiry;
use crate::model::action_link::{Action, Subject, link, verify};
use crate::model::labels::{Fingerprint, Labels};
use crate::model::matcher::Matcher;
use crate::model::notification::AlertStatus;
use crate::model::signature::SignatureError;
use crate::model::silence::RESOLVED;
use crate::model::timestamp::Timestamp;

/// What a link is about, as it is now.
struct Meant {
    /// The alerts that fire.
    alerts: Vec<AlertSnapshot>,
    /// The group's key, for a group.
    key: Option<Arc<str>>,
    /// Labels to silence by, and whether they are offered as chosen.
    labels: Vec<(String, String, bool)>,
}

/// A link that was followed and is in order.
struct Followed {
    action: Action,
    subject: Subject,
    token: String,
    /// When the link ends; what it leads to ends no later.
    until: Timestamp,
    meant: Meant,
}

/// `GET /ack`.
pub async fn show_ack(State(context): State<Arc<Context>>, params: Params) -> Response {
    show(&context, Action::Ack, &params).await
}

/// `GET /silence`.
pub async fn show_silence(State(context): State<Arc<Context>>, params: Params) -> Response {
    show(&context, Action::Silence, &params).await
}

/// `POST /ack`.
pub async fn ack(State(context): State<Arc<Context>>, params: Params) -> Response {
    let followed = match follow(&context, Action::Ack, &params).await {
        Ok(followed) => followed,
        Err(response) => return response,
    };
    let lasts = match params.get("lasts") {
        Some(RESOLVED) | None => None,
        lasts => lasts,
    };
    let made = match expiry(lasts, None) {
        Ok(expiry) => {
            let target = match (&followed.subject, &followed.meant.key) {
                (Subject::Alert(fingerprint), _) => AckTarget::Fingerprints(vec![*fingerprint]),
                (Subject::Group(_), Some(key)) => AckTarget::Group(key.to_string()),
                // No alert is in a group that is gone.
                (Subject::Group(_), None) => AckTarget::Fingerprints(Vec::new()),
            };
            let request = AckRequest {
                target,
                owner: signature(params.get("owner").unwrap_or_default()),
                note: params.get("note").unwrap_or_default().to_owned(),
                expiry,
            };
            let made = context.alerts.acknowledge(request).await;
            made.map_err(|error| told_of_ack(&error))
        }
        Err(error) => Err(error.message().to_owned()),
    };
    match made {
        Ok(_) => see_other("/silences?done=acked"),
        Err(error) => page(&context, followed, &params, Some(error)).await,
    }
}

/// `POST /silence`.
pub async fn act_silence(State(context): State<Arc<Context>>, params: Params) -> Response {
    let followed = match follow(&context, Action::Silence, &params).await {
        Ok(followed) => followed,
        Err(response) => return response,
    };
    let form = Form {
        lasts: params.get("lasts").unwrap_or_default().to_owned(),
        created_by: signature(params.get("owner").unwrap_or_default()),
        comment: params.get("note").unwrap_or_default().to_owned(),
        ..Form::default()
    };
    let matchers = matchers_of(&choices(&followed.meant, &params));
    let force = params.get("force") == Some("true");
    let now = context.clock.now();
    match silence(&context, matchers, &form, force, now).await {
        Ok(()) => see_other("/silences?done=created"),
        Err(error) => page(&context, followed, &params, Some(error)).await,
    }
}

async fn show(context: &Context, action: Action, params: &Params) -> Response {
    match follow(context, action, params).await {
        Ok(followed) => page(context, followed, params, None).await,
        Err(response) => response,
    }
}

/// Checks the token and finds what the link is about; else the page that says what is wrong.
async fn follow(context: &Context, action: Action, params: &Params) -> Result<Followed, Response> {
    let now = context.clock.now();
    let token = params.get("token").unwrap_or_default();
    let subject = Subject::parse(params.get("alert"), params.get("group"));
    let checked = subject.ok_or(SignatureError::Wrong).and_then(|subject| {
        verify(&context.signer, action, &subject, token, now).map(|until| (subject, until))
    });
    let (subject, until) = checked.map_err(|reason| {
        let (status, message) = match reason {
            SignatureError::Wrong => (
                StatusCode::FORBIDDEN,
                "This link was changed on its way, or another Outrigger wrote it. Follow it from the message itself, or use the list of silences.",
            ),
            SignatureError::Expired => (
                StatusCode::GONE,
                "This link has expired. A newer message has a newer one; the list of silences works at any time.",
            ),
        };
        tracing::info!(%reason, path = action.path(), "link refused");
        uncached(status, error::render(status.as_u16(), message))
    })?;
    let meant = match find(context, &subject).await {
        Ok(meant) => meant,
        Err(Closed) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let page = error::render(status.as_u16(), "Shutting down; ask again later.");
            return Err(uncached(status, page));
        }
    };
    if meant.labels.is_empty() && action == Action::Silence {
        let status = StatusCode::NOT_FOUND;
        let message = "Nothing of this fires any more, so there is nothing to silence. The list of silences takes any matchers.";
        return Err(uncached(status, error::render(status.as_u16(), message)));
    }
    Ok(Followed {
        action,
        subject,
        token: token.to_owned(),
        until,
        meant,
    })
}

async fn find(context: &Context, subject: &Subject) -> Result<Meant, Closed> {
    match subject {
        Subject::Alert(fingerprint) => {
            let view = context.alerts.view(Wanted::One(*fingerprint)).await?;
            let alerts: Vec<AlertSnapshot> = view.alerts.into_iter().map(|one| one.shown).collect();
            let labels = match alerts.first() {
                Some(shown) => Some(shown.alert.labels.clone()),
                None => remembered(context, *fingerprint).await,
            };
            let all = labels.iter().flat_map(|labels| labels.iter());
            Ok(Meant {
                alerts,
                key: None,
                labels: all
                    .map(|(name, value)| (name.to_owned(), value.to_owned(), true))
                    .collect(),
            })
        }
        Subject::Group(_) => {
            let snapshot = context.alerts.snapshot().await?;
            let mut groups = snapshot.groups.into_iter();
            let Some(mut group) = groups.find(|group| Subject::group(&group.key) == *subject)
            else {
                return Ok(Meant {
                    alerts: Vec::new(),
                    key: None,
                    labels: Vec::new(),
                });
            };
            group
                .alerts
                .retain(|shown| shown.status == AlertStatus::Firing);
            let shared = shared(&group.alerts);
            let grouped = shared
                .iter()
                .any(|(name, _)| group.labels.get(name).is_some());
            let labels = shared.iter().map(|(name, value)| {
                let chosen = !grouped || group.labels.get(name).is_some();
                (name.to_owned(), value.to_owned(), chosen)
            });
            Ok(Meant {
                labels: labels.collect(),
                alerts: group.alerts,
                key: Some(group.key),
            })
        }
    }
}

/// The labels of an alert that does not fire any more, where the ledger knows it.
async fn remembered(context: &Context, fingerprint: Fingerprint) -> Option<Labels> {
    let filter = LedgerFilter {
        fingerprint: Some(fingerprint),
        ..LedgerFilter::default()
    };
    let entries = ledger::recent(&context.database, &filter, 20).await;
    let entries = entries
        .inspect_err(|error| tracing::error!(%error, "read ledger"))
        .unwrap_or_default();
    entries.into_iter().find_map(|entry| entry.labels)
}

/// The labels that all of them have.
fn shared(alerts: &[AlertSnapshot]) -> Labels {
    let Some((first, rest)) = alerts.split_first() else {
        return Labels::empty();
    };
    let labels = &first.alert.labels;
    labels.filter(|name| {
        rest.iter()
            .all(|other| other.alert.labels.get(name) == labels.get(name))
    })
}

/// The labels as the form has them, or as they are offered.
fn choices(meant: &Meant, params: &Params) -> Vec<LabelChoice> {
    let filled = params.get("chosen").is_some();
    let named: Vec<&str> = params.all("label").collect();
    let labels = meant.labels.iter();
    labels
        .map(|(name, value, chosen)| LabelChoice {
            name: name.clone(),
            value: value.clone(),
            chosen: if filled {
                named.contains(&name.as_str())
            } else {
                *chosen
            },
        })
        .collect()
}

fn matchers_of(labels: &[LabelChoice]) -> Vec<Matcher> {
    let chosen = labels.iter().filter(|label| label.chosen);
    chosen
        .map(|label| Matcher::equal(&label.name, &label.value))
        .collect()
}

async fn page(
    context: &Context,
    followed: Followed,
    params: &Params,
    error: Option<String>,
) -> Response {
    let now = context.clock.now();
    let Followed {
        action,
        subject,
        token,
        until,
        meant,
    } = followed;
    let labels = choices(&meant, params);
    let matchers = matchers_of(&labels);
    let (other, lasts, matches) = match action {
        Action::Ack => (Action::Silence, RESOLVED, exactly(&meant.alerts)),
        Action::Silence => (Action::Ack, "1h", matches(context, &matchers, now).await),
    };
    let status = match error {
        Some(_) => StatusCode::BAD_REQUEST,
        None => StatusCode::OK,
    };
    let page = ActionPage {
        now,
        action,
        other: link(&context.signer, other, &subject, until),
        subject: subject.parameter(),
        token,
        matches,
        labels,
        matchers: matchers_text(&matchers),
        owner: params.get("owner").unwrap_or_default().to_owned(),
        note: params.get("note").unwrap_or_default().to_owned(),
        lasts: params.get("lasts").unwrap_or(lasts).to_owned(),
        error,
    };
    uncached(status, render_action(&page))
}
