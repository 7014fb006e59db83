//! Template fields of integrations: compiled when the configuration is loaded, rendered when a message is sent.
//!
//! A field that fails at send does not eat the message: it is replaced by built-in text, and the failure is told in the
//! message, the log and a counter.

use std::fmt;
use std::sync::OnceLock;

use super::http::load;
use super::integration::{Reason, SendError};
use super::message;
use crate::model::notification::Notification;
use crate::model::secret::Secret;
use crate::model::signature::LateSigner;
use crate::model::timestamp::Timestamp;
use crate::net::credentials::SecretSource;
use crate::template::error::TemplateError;
use crate::template::value::Value;
use crate::template::{Context, Limits, Template, TemplateSet};

/// What all fields share.
#[derive(Debug)]
pub struct Surroundings {
    /// Where people reach this process; `.ExternalURL`.
    pub external_url: String,
    /// Whether requests carry nothing that Alertmanager's would not.
    pub upstream_only: bool,
    /// Signs the links by which people acknowledge and silence.
    pub signer: LateSigner,
    /// The named templates: our own, and the user's over them.
    pub templates: TemplateSet,
}

/// One configured text.
#[derive(Debug)]
pub struct Field {
    /// Its path in the configuration, for the log: `slack_configs[0].title`.
    pub path: String,
    text: Text,
}

#[derive(Debug)]
enum Text {
    Plain(String),
    Template(Box<Template>),
}

impl Surroundings {
    /// The error as Alertmanager would class it: its chats and webhooks do not repeat what was refused for its rate, the
    /// next flush does.
    pub fn classed(&self, mut error: SendError) -> SendError {
        if self.upstream_only && error.reason == Reason::RateLimited {
            error.retryable = false;
            error.retry_after = None;
        }
        error
    }
}

impl Field {
    /// Compiles a text.
    ///
    /// # Errors
    /// Where the text is no template.
    pub fn compile(
        templates: &TemplateSet,
        path: impl Into<String>,
        text: &str,
    ) -> Result<Self, TemplateError> {
        let path = path.into();
        let text = if text.contains("{{") {
            Text::Template(Box::new(templates.compile(&path, text)?))
        } else {
            Text::Plain(text.to_owned())
        };
        Ok(Self { path, text })
    }

    /// Whether it is empty whatever the data.
    pub fn is_empty(&self) -> bool {
        matches!(&self.text, Text::Plain(text) if text.is_empty())
    }

    /// Makes it empty.
    pub fn clear(&mut self) {
        self.text = Text::Plain(String::new());
    }

    /// Renders it for made-up notifications; what fails here would fail at night.
    ///
    /// # Errors
    /// The first failure.
    pub fn try_out(
        &self,
        surroundings: &Surroundings,
        html: bool,
        now: Timestamp,
    ) -> Result<(), TemplateError> {
        for notification in message::synthetic(now) {
            let rendering = Rendering::new(surroundings, &notification, now);
            rendering.render(self, html)?;
        }
        Ok(())
    }
}

/// A secret, or a template that renders to one.
pub enum SecretText {
    /// Written, or in a file.
    Fixed(SecretSource),
    /// Rendered for each notification.
    Template(Field),
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(source) => f.debug_tuple("Fixed").field(source).finish(),
            // The template's text may hold the secret.
            Self::Template(field) => f.debug_tuple("Template").field(&field.path).finish(),
        }
    }
}

impl SecretText {
    /// The secret as it is now, for a notification.
    ///
    /// # Errors
    /// Where the file cannot be read (it may be on its way), or the template fails.
    pub async fn load(&self, rendering: &mut Rendering<'_>) -> Result<Secret, SendError> {
        match self {
            Self::Fixed(source) => load(source).await,
            Self::Template(field) => Ok(Secret::new(rendering.required(field)?.trim())),
        }
    }
}

/// Rendering of one message.
#[derive(Debug)]
pub struct Rendering<'a> {
    notification: &'a Notification,
    /// What templates see; made for the first of them.
    data: OnceLock<Value>,
    at: Timestamp,
    now: jiff::Timestamp,
    external_url: &'a str,
    /// Why this comes to another receiver than the routes chose.
    undelivered: Option<String>,
    surroundings: &'a Surroundings,
    /// What failed so far, one line each.
    pub failures: Vec<String>,
}

impl<'a> Rendering<'a> {
    /// Begins a message.
    pub fn new(
        surroundings: &'a Surroundings,
        notification: &'a Notification,
        now: Timestamp,
    ) -> Self {
        Self {
            notification,
            surroundings,
            data: OnceLock::new(),
            at: now,
            now: jiff::Timestamp::from_millisecond(now.millis()).unwrap_or_default(),
            external_url: &surroundings.external_url,
            undelivered: notification.undelivered.as_ref().map(ToString::to_string),
            failures: Vec::new(),
        }
    }

    /// Whether the message carries nothing that Alertmanager's would not.
    pub fn upstream_only(&self) -> bool {
        self.surroundings.upstream_only
    }

    /// The text of a field; empty where it fails.
    pub fn text(&mut self, field: &Field) -> String {
        self.text_or(field, String::new)
    }

    /// The text of a field, or of `otherwise` where it fails.
    pub fn text_or(&mut self, field: &Field, otherwise: impl FnOnce() -> String) -> String {
        self.render(field, false).unwrap_or_else(|error| {
            self.note(field, &error);
            otherwise()
        })
    }

    /// The HTML of a field, escaped for the place of each value; `None` where it fails.
    pub fn html(&mut self, field: &Field) -> Option<String> {
        match self.render(field, true) {
            Ok(html) => Some(html),
            Err(error) => {
                self.note(field, &error);
                None
            }
        }
    }

    /// The text of a field without which there is nowhere to send to.
    ///
    /// # Errors
    /// Where it fails; the same data will fail again.
    pub fn required(&mut self, field: &Field) -> Result<String, SendError> {
        self.render(field, false)
            .map_err(|error| SendError::permanent(Reason::Configuration, error.to_string()))
    }

    /// What the message itself has to begin with: that it was for somebody else, or that a field failed.
    pub fn apology(&self) -> Option<String> {
        match (&self.undelivered, self.failure()) {
            (Some(undelivered), Some(failure)) => Some(format!("{undelivered} {failure}")),
            (Some(undelivered), None) => Some(undelivered.clone()),
            (None, failure) => failure,
        }
    }

    /// One sentence, where a field failed.
    pub fn failure(&self) -> Option<String> {
        let first = self.failures.first()?;
        let more = match self.failures.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        Some(format!(
            "Built-in text, because a template failed: {first}{more}"
        ))
    }

    /// One sentence, where this was for somebody else.
    pub fn undelivered(&self) -> Option<&str> {
        self.undelivered.as_deref()
    }

    fn render(&self, field: &Field, html: bool) -> Result<String, TemplateError> {
        let data = || {
            self.data
                .get_or_init(|| message::data(self.notification, self.surroundings, self.at))
        };
        // Not kept: it may hold a query function, which is bound to one thread.
        let context = Context {
            now: self.now,
            external_url: self.external_url,
            query: None,
            limits: Limits::default(),
        };
        match (&field.text, html) {
            (Text::Plain(text), _) => Ok(text.clone()),
            (Text::Template(template), false) => template.render_text(data(), &context),
            (Text::Template(template), true) => template.render_html(data(), &context),
        }
    }

    fn note(&mut self, field: &Field, error: &TemplateError) {
        self.failures.push(format!(
            "{}: {}:{}:{}: {}",
            field.path, error.template, error.line, error.column, error.message
        ));
    }
}
