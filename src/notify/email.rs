//! E-mail: a message of text and HTML, handed to an SMTP server.
//!
//! [`transport`] speaks SMTP, [`compose`] builds the message. The same notification has the same `Message-ID` at every
//! attempt, so that mail servers and clients drop a repeated delivery; messages of one group refer to one thread.
//! Addresses of people are never logged.
//!
//! See <https://prometheus.io/docs/alerting/latest/configuration/#email_config>.

pub mod compose;
pub mod transport;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use self::transport::Transport;
use super::integration::{Delivered, Integration, Kind, PictureUse, SendError};
use super::render::{Field, Rendering, Surroundings};
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;

/// The most pictures in a message.
const MAX_PICTURES: usize = 3;

/// A configured e-mail integration.
#[derive(Debug)]
pub struct Email {
    /// The way to the server.
    pub transport: Transport,
    /// Recipients, comma-separated.
    pub to: Field,
    /// The sender.
    pub from: Field,
    /// Headers by canonical name; `Subject` is always among them, `To` and `From` may be.
    pub headers: Vec<(String, Field)>,
    /// The HTML part; absent where it is configured empty.
    pub html: Option<Field>,
    /// The text part; absent where it is configured empty.
    pub text: Option<Field>,
    /// Which messages form one thread.
    pub threading: Threading,
    /// What templates see beside the notification.
    pub surroundings: Arc<Surroundings>,
}

/// Which messages form one thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threading {
    /// Each stands alone.
    Off,
    /// All of a group.
    Group,
    /// All of a group on one day (UTC).
    GroupAndDay,
}

impl Integration for Email {
    fn kind(&self) -> Kind {
        Kind::Email
    }

    fn pictures(&self) -> PictureUse {
        PictureUse::Inline(MAX_PICTURES)
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Delivered, SendError>> {
        Box::pin(async move {
            let mut rendering = Rendering::new(&self.surroundings, notification, now);
            let message = compose::message(self, &mut rendering, notification, now)?;
            let status = self
                .transport
                .send(message.envelope(), &message.formatted())
                .await?;
            Ok(Delivered {
                status,
                template_failures: rendering.failures,
                ..Delivered::default()
            })
        })
    }
}

#[cfg(test)]
mod tests;
