//! The messages about one group: the first is posted, later ones change it and are answered in its thread.
//!
//! ```text
//!  first_notification ──▶ chat.postMessage ──▶ channel and ts, written with the delivery
//!                              ▲                    │
//!                         gone │                    ▼  new_alerts, new_resolved, all_resolved, repeat
//!                              └──────────── chat.update (what is true now), then
//!                                            chat.postMessage with thread_ts (what changed)
//! ```
//!
//! A new beginning is a new message. Where the message is gone (deleted, its channel archived) the state is posted anew.
//! An attempt that ends between two calls is repeated as a whole: changing a message twice does no harm, and the answer
//! comes last. What a crash leaves is at most one message or answer twice for each attempt whose outcome was not written;
//! `client_msg_id` is the same in each attempt, so that Slack can tell, but Slack promises nothing of it.
//!
//! See <https://docs.slack.dev/reference/methods/chat.update>.

use http::HeaderMap;
use sha2::{Digest, Sha256};

use super::answer::{Said, understand};
use super::{Access, Request, Slack, upload};
use crate::db::sent_messages::SentMessage;
use crate::model::notification::{Notification, NotifiedAlert, Reason as Why};
use crate::model::timestamp::Timestamp;
use crate::notify::integration::{Delivered, Reason, SendError, Upload};
use crate::notify::render::Rendering;
use crate::notify::wire;

const POST: &str = "chat.postMessage";
const UPDATE: &str = "chat.update";

/// One delivery.
pub(super) struct Conversation<'a> {
    pub(super) slack: &'a Slack,
    pub(super) notification: &'a Notification,
    /// Where to post.
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) now: Timestamp,
    pub(super) template_failures: Vec<String>,
}

/// What a call came to.
enum Call {
    Accepted {
        status: String,
        sent: Option<SentMessage>,
    },
    Gone(SendError),
}

impl Conversation<'_> {
    pub(super) async fn run(
        mut self,
        earlier: Option<SentMessage>,
    ) -> Result<Delivered, SendError> {
        let begins = match self.notification.reason {
            Why::FirstNotification | Why::Digest => true,
            // Who stands in for another receiver is not to find a page in an old message.
            _ => self.notification.undelivered.is_some() && calls(self.notification),
        };
        if let Some(earlier) = earlier.filter(|_| !begins) {
            if let Some(delivered) = self.change(earlier).await? {
                return Ok(delivered);
            }
            return self.post("anew").await;
        }
        self.post("first").await
    }

    /// A message of its own.
    async fn post(mut self, which: &str) -> Result<Delivered, SendError> {
        let whole;
        // What the message is changed to later begins as the whole state too.
        let shown = if self.slack.updates.message {
            whole = as_if_new(self.notification);
            &whole
        } else {
            self.notification
        };
        let mut request = self.request(shown);
        request.client_msg_id = self.own_id(which);
        match self.call(self.url.clone(), request).await? {
            Call::Accepted { status, sent } => Ok(Delivered {
                status,
                upload: match &sent {
                    Some(sent) => self.illustrate(sent).await,
                    None => Upload::None,
                },
                sent,
                template_failures: self.template_failures,
            }),
            Call::Gone(error) => Err(error),
        }
    }

    /// Changes the message and answers in its thread; `None` where it is gone.
    async fn change(&mut self, earlier: SentMessage) -> Result<Option<Delivered>, SendError> {
        let updates = self.slack.updates;
        let mut status = String::new();
        let mut upload = Upload::None;
        if updates.message {
            let mut request = self.request(&as_if_new(self.notification));
            request.channel.clone_from(&earlier.channel);
            request.ts.clone_from(&earlier.message);
            match self.call(method_url(&self.url, UPDATE), request).await? {
                Call::Accepted { status: said, .. } => status = said,
                Call::Gone(error) => {
                    tracing::info!(%error, "the first message is gone: post the state anew");
                    return Ok(None);
                }
            }
        }
        if updates.thread {
            let mut request = self.request(self.notification);
            request.channel.clone_from(&earlier.channel);
            request.thread_ts.clone_from(&earlier.message);
            request.reply_broadcast = updates.broadcast && calls(self.notification);
            request.client_msg_id = self.own_id("answer");
            match self.call(self.url.clone(), request).await? {
                Call::Accepted { status: said, .. } => {
                    status = said;
                    upload = self.illustrate(&earlier).await;
                }
                Call::Gone(error) => {
                    tracing::info!(%error, "the thread is gone: post the state anew");
                    return Ok(None);
                }
            }
        }
        Ok(Some(Delivered {
            status,
            upload,
            sent: Some(earlier),
            template_failures: std::mem::take(&mut self.template_failures),
        }))
    }

    /// Puts the picture into the thread that the message begins, or stands in.
    async fn illustrate(&self, thread: &SentMessage) -> Upload {
        upload::share(self, thread).await
    }

    fn request(&mut self, notification: &Notification) -> Request {
        let mut rendering = Rendering::new(&self.slack.surroundings, notification, self.now);
        let request = self.slack.request(&mut rendering, notification, self.now);
        for failure in rendering.failures {
            if !self.template_failures.contains(&failure) {
                self.template_failures.push(failure);
            }
        }
        request
    }

    async fn call(&self, url: String, mut request: Request) -> Result<Call, SendError> {
        loop {
            let body = wire::encode(&request)
                .map_err(|error| SendError::permanent(Reason::Configuration, error.to_string()))?;
            let sender = &self.slack.sender;
            let answer = sender
                .post_json(&url, body, self.headers.clone(), self.now)
                .await
                .map_err(|error| self.slack.surroundings.classed(error))?;
            return match understand(&answer)? {
                Said::Accepted(sent) => Ok(Call::Accepted {
                    status: answer.status.as_str().to_owned(),
                    sent,
                }),
                Said::Gone(error) => Ok(Call::Gone(error)),
                // An earlier attempt came through, and its message was deleted since.
                Said::LostDuplicate(_) if !request.client_msg_id.is_empty() => {
                    request.client_msg_id.clear();
                    continue;
                }
                Said::LostDuplicate(error) => Err(error),
            };
        }
    }

    /// The same in each attempt at the same message, as a UUID; empty where Slack's API is not spoken, or nothing of ours
    /// may be in it.
    fn own_id(&self, which: &str) -> String {
        if self.slack.surroundings.upstream_only || !matches!(self.slack.access, Access::Bot { .. })
        {
            return String::new();
        }
        let mut hash = Sha256::new();
        hash.update(self.notification.id.as_bytes());
        hash.update(which.as_bytes());
        let mut bytes: [u8; 16] = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        // The version and variant bits of a random UUID (RFC 9562).
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        parts.join("-")
    }
}

/// Whether somebody has to look: what fires is not to hide in a thread.
fn calls(notification: &Notification) -> bool {
    match notification.reason {
        Why::FirstNotification
        | Why::NewAlerts
        | Why::Repeat
        | Why::Digest
        | Why::Storm
        | Why::Flapping => true,
        Why::NewResolved | Why::AllResolved => false,
    }
}

/// As for a reader who knows nothing: everything that fires is new.
fn as_if_new(notification: &Notification) -> Notification {
    let mut whole = notification.clone();
    for alert in &mut whole.alerts {
        *alert = NotifiedAlert {
            known: false,
            ..alert.clone()
        };
    }
    whole
}

/// Where another method is called: beside where messages are posted.
pub(super) fn method_url(url: &str, method: &str) -> String {
    match url.rfind(POST) {
        Some(at) => format!("{}{method}{}", &url[..at], &url[at + POST.len()..]),
        None => format!("{}/{method}", url.trim_end_matches('/')),
    }
}
