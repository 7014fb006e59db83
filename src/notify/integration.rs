//! The seam between the outbox and a way to reach people.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::db::sent_messages::SentMessage;
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;

/// The ways to reach people; the value of the label `integration`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Standard output.
    Console,
    /// A Discord channel's webhook.
    Discord,
    /// SMTP.
    Email,
    /// A Microsoft Teams connector (retired by Microsoft, still found).
    MsTeams,
    /// A Microsoft Teams workflow.
    MsTeamsV2,
    /// Opsgenie, or Jira Service Management's alerts.
    Opsgenie,
    /// PagerDuty's Events API.
    PagerDuty,
    /// Slack, or what speaks like it.
    Slack,
    /// A Telegram bot.
    Telegram,
    /// Alertmanager's JSON over HTTP.
    Webhook,
}

impl Kind {
    /// Alertmanager's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Discord => "discord",
            Self::Email => "email",
            Self::MsTeams => "msteams",
            Self::MsTeamsV2 => "msteamsv2",
            Self::Opsgenie => "opsgenie",
            Self::PagerDuty => "pagerduty",
            Self::Slack => "slack",
            Self::Telegram => "telegram",
            Self::Webhook => "webhook",
        }
    }
}

/// How an integration shows pictures of alerts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PictureUse {
    /// Not at all, and no template of it could link to one.
    None,
    /// Its templates may link to them.
    Links,
    /// It shows one from its public address.
    Shown,
    /// It carries so many within the message.
    Inline(usize),
    /// It uploads one beside the message.
    Uploaded,
}

/// One way to reach people, configured.
pub trait Integration: Send + Sync + fmt::Debug {
    /// Which way.
    fn kind(&self) -> Kind;

    /// How it shows pictures; what it is to show stands in the notification it is handed.
    fn pictures(&self) -> PictureUse {
        PictureUse::Links
    }

    /// Whether it changes messages that it sent: then [`Self::follow_up`] is called.
    fn follows_up(&self) -> bool {
        false
    }

    /// As [`Self::send`], knowing the message that was last sent about the group.
    fn follow_up<'a>(
        &'a self,
        notification: &'a Notification,
        earlier: Option<SentMessage>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Delivered, SendError>> {
        drop(earlier);
        self.send(notification, now)
    }

    /// Tries once. Bounded in time by itself; retrying is the outbox's affair.
    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Delivered, SendError>>;
}

/// What the other side said to a delivered message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Delivered {
    /// Its status: `200`, `250`.
    pub status: String,
    /// Templates that failed; the message was sent with built-in text in their place.
    pub template_failures: Vec<String>,
    /// The message, where it can be changed later.
    pub sent: Option<SentMessage>,
    /// The picture beside it.
    pub upload: Upload,
}

/// What became of a picture that is sent beside its message; the message is delivered all the same.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Upload {
    /// There was none.
    #[default]
    None,
    /// It stands beside the message.
    Done,
    /// The message stands without; why. Never a secret.
    Failed(String),
}

/// Why an attempt failed; the value of the label `reason`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// No answer in time.
    Timeout,
    /// No connection, or it broke.
    Connection,
    /// No trust, or no TLS where it is required.
    Tls,
    /// The other side asked to wait.
    RateLimited,
    /// The other side is in trouble.
    ServerError,
    /// The other side refuses this message.
    ClientError,
    /// The other side refuses our credentials.
    Auth,
    /// It answered, but not as it should.
    BadResponse,
    /// A file or template that the message needs cannot be used.
    Configuration,
    /// The receiver is no longer configured.
    Gone,
}

impl Reason {
    /// All of them, for metrics that begin at zero.
    pub const ALL: [Self; 10] = [
        Self::Timeout,
        Self::Connection,
        Self::Tls,
        Self::RateLimited,
        Self::ServerError,
        Self::ClientError,
        Self::Auth,
        Self::BadResponse,
        Self::Configuration,
        Self::Gone,
    ];

    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::ClientError => "client_error",
            Self::Auth => "auth",
            Self::BadResponse => "bad_response",
            Self::Configuration => "configuration",
            Self::Gone => "gone",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An attempt that did not deliver.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{detail}")]
pub struct SendError {
    /// The class of the failure.
    pub reason: Reason,
    /// Whether another attempt may succeed.
    pub retryable: bool,
    /// How long the other side asks us to wait.
    pub retry_after: Option<Duration>,
    /// What happened, for the log and the ledger; holds no secret and no address of a person.
    pub detail: String,
}

impl SendError {
    /// A failure that may pass.
    pub fn temporary(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            retryable: true,
            retry_after: None,
            detail: detail.into(),
        }
    }

    /// A failure that will be the same next time.
    pub fn permanent(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            retryable: false,
            retry_after: None,
            detail: detail.into(),
        }
    }
}
