//! One attempt at one notification: illustrated, sent, and what is said of its outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tracing::{Instrument, Span};

use crate::charts::pictures::Pictures;
use crate::clock::Stopwatch;
use crate::db::outbox::{Claimed, Outcome};
use crate::db::{Database, sent_messages};
use crate::model::notification::Notification;
use crate::model::runbook_link;
use crate::model::timestamp::Timestamp;
use crate::notify::illustrate::{self, illustrate};
use crate::notify::integration::{Delivered, Integration, Reason, SendError, Upload};
use crate::telemetry::traces;

/// What an attempt is made with.
pub(super) struct Attempt {
    pub(super) claimed: Claimed,
    /// `None` where the receiver is no longer configured.
    pub(super) integration: Option<Arc<dyn Integration>>,
    /// Whether its time is over: it is given up without asking anybody.
    pub(super) over: bool,
    /// When its time is over.
    pub(super) expires_at: Timestamp,
    /// Whether it is no span.
    pub(super) untraced: bool,
    pub(super) database: Database,
    pub(super) pictures: Option<Pictures>,
    pub(super) runbooks: Option<Arc<str>>,
}

/// How it ended.
pub(super) struct Finished {
    pub(super) notification: Notification,
    pub(super) attempts: u32,
    pub(super) expires_at: Timestamp,
    pub(super) result: Result<Delivered, SendError>,
    pub(super) took: Duration,
    /// Whether the receiver was asked at all.
    pub(super) tried: bool,
    /// What is said of the outcome belongs to the attempt's trace.
    pub(super) span: Span,
}

impl Attempt {
    /// Tries, in a trace of its own.
    pub(super) fn start(self, now: Timestamp) -> BoxFuture<'static, Finished> {
        if self.untraced {
            return self.run(Span::none(), now).boxed();
        }
        let notification = &self.claimed.notification;
        let span = tracing::info_span!(
            "send",
            receiver = %notification.receiver,
            integration = %notification.integration,
            notification.id = %notification.id,
            attempt = self.claimed.attempts + 1,
            trace.id = tracing::field::Empty,
        );
        traces::record_id(&span);
        self.run(span.clone(), now).instrument(span).boxed()
    }

    async fn run(self, span: Span, now: Timestamp) -> Finished {
        let stopwatch = Stopwatch::start();
        let Claimed {
            mut notification,
            attempts,
            last_error,
            expires_at: _,
        } = self.claimed;
        let tried = self.integration.is_some() && !self.over;
        let result = match self.integration {
            // Sending it now would mislead; `decide` expires it.
            _ if self.over => Err(SendError::temporary(
                Reason::Timeout,
                match last_error {
                    Some(error) => format!("its time was over; the last attempt: {error}"),
                    None => "its time was over before it could be sent".to_owned(),
                },
            )),
            None => Err(SendError::permanent(
                Reason::Gone,
                "the receiver is no longer configured",
            )),
            Some(integration) => {
                if let Some(here) = &self.runbooks {
                    runbook_link::lead(&mut notification, here);
                }
                let sending = async {
                    if let Some(pictures) = &self.pictures {
                        illustrate(&mut notification, pictures, integration.pictures()).await;
                    }
                    send(&*integration, &notification, &self.database, now).await
                };
                let result = AssertUnwindSafe(sending).catch_unwind().await;
                result.unwrap_or_else(|_| {
                    Err(SendError::temporary(
                        Reason::Configuration,
                        "sending panicked; this is a bug in Outrigger",
                    ))
                })
            }
        };
        // Its outcome may wait for the database; pictures would wait with it.
        illustrate::strip(&mut notification);
        Finished {
            notification,
            attempts,
            expires_at: self.expires_at,
            result,
            took: stopwatch.elapsed(),
            tried,
            span,
        }
    }
}

/// Tries once, with the message that was last sent about the group where the integration wants to know it.
async fn send(
    integration: &dyn Integration,
    notification: &Notification,
    database: &Database,
    now: Timestamp,
) -> Result<Delivered, SendError> {
    if !integration.follows_up() {
        return integration.send(notification, now).await;
    }
    let earlier = sent_messages::find(database, notification).await;
    let earlier =
        earlier.map_err(|error| SendError::temporary(Reason::Configuration, error.to_string()))?;
    integration.follow_up(notification, earlier, now).await
}

/// Says how an attempt ended.
pub(super) fn log(
    notification: &Notification,
    attempt: u32,
    result: &Result<Delivered, SendError>,
    outcome: &Outcome,
) {
    let receiver = &*notification.receiver;
    let integration = notification.integration.to_string();
    let id = &*notification.id;
    let group = &*notification.group_key;
    if let Ok(delivered) = result {
        for failure in &delivered.template_failures {
            tracing::error!(
                receiver,
                integration,
                notification.id = id,
                failure,
                "template failed, built-in text was sent; correct the template"
            );
        }
        if let Upload::Failed(error) = &delivered.upload {
            tracing::warn!(
                receiver,
                integration,
                notification.id = id,
                error,
                "message was sent without its picture"
            );
        }
    }
    match outcome {
        Outcome::Unsent => {}
        // In a storm a line for each would be a storm of its own: the ledger has them all.
        Outcome::Delivered { status, .. } if attempt == 1 => {
            tracing::debug!(
                receiver,
                integration,
                notification.id = id,
                group,
                status,
                "notification delivered"
            );
        }
        Outcome::Delivered { status, .. } => {
            tracing::info!(
                receiver,
                integration,
                notification.id = id,
                group,
                attempt,
                status,
                "notification delivered"
            );
        }
        Outcome::Retry { at, error } => {
            tracing::warn!(receiver, integration, notification.id = id, group, attempt, error, next_attempt = %at, "notification not delivered yet");
        }
        Outcome::Failed { error } => {
            tracing::error!(
                receiver,
                integration,
                notification.id = id,
                group,
                attempt,
                error,
                "notification refused, not delivered"
            );
        }
        Outcome::Expired { error } => {
            tracing::error!(
                receiver,
                integration,
                notification.id = id,
                group,
                attempt,
                error,
                "notification expired, not delivered"
            );
        }
    }
}
