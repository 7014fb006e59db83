//! Builds the message.

use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailboxes, MultiPart, SinglePart};
use lettre::{Address, Message};
use md5::{Digest, Md5};

use super::{Email, Threading};
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;
use crate::notify::builtin;
use crate::notify::integration::{Reason, SendError};
use crate::notify::render::Rendering;

/// Subjects beyond this are cut; clients show far less.
const MAX_SUBJECT: usize = 250;

/// The message with its envelope.
///
/// # Errors
/// Where sender or recipients are no addresses.
pub fn message(
    email: &Email,
    rendering: &mut Rendering<'_>,
    notification: &Notification,
    now: Timestamp,
) -> Result<Message, SendError> {
    let from = addresses("from", &rendering.required(&email.from)?)?;
    let to = addresses("to", &rendering.required(&email.to)?)?;
    let [sender] = from.as_slice() else {
        return Err(configuration("from must be exactly one address"));
    };
    let domain = sender.domain().to_owned();
    let envelope = Envelope::new(Some(sender.clone()), to)
        .map_err(|_| configuration("to holds no address"))?;
    let seconds = u64::try_from(now.millis()).unwrap_or(0);
    let mut builder = Message::builder()
        .envelope(envelope)
        .date(SystemTime::UNIX_EPOCH + Duration::from_millis(seconds))
        .message_id(Some(format!("<{}@{domain}>", notification.id)));
    if let Some(thread) = thread(email.threading, notification) {
        let root = format!("<{thread}@{domain}>");
        builder = builder.in_reply_to(root.clone()).references(root);
    }
    let mut named = Vec::new();
    for (name, field) in &email.headers {
        let value = if name == "Subject" {
            let subject = rendering.text_or(field, || builtin::subject(notification));
            one_line(&subject).chars().take(MAX_SUBJECT).collect()
        } else {
            one_line(&rendering.text(field))
        };
        builder = builder.raw_header(header(name, value)?);
        named.push(name.as_str());
    }
    for (name, field) in [("From", &email.from), ("To", &email.to)] {
        if !named.contains(&name) {
            let value = one_line(&rendering.required(field)?);
            builder = builder.raw_header(header(name, value)?);
        }
    }
    builder
        .multipart(body(email, rendering, notification, now))
        .map_err(|error| configuration(format!("build the message: {error}")))
}

/// Text first, HTML last: the richest form comes last (RFC 2046, 5.1.4).
fn body(
    email: &Email,
    rendering: &mut Rendering<'_>,
    notification: &Notification,
    now: Timestamp,
) -> MultiPart {
    let html = email.html.as_ref().map(|field| rendering.html(field));
    let text = email
        .text
        .as_ref()
        .map(|field| rendering.text_or(field, || builtin::text(notification, now)));
    let plain = |apology: Option<String>, text: String| {
        let apology = apology.map(|apology| format!("{apology}\n\n"));
        SinglePart::plain(format!("{}{text}", apology.unwrap_or_default()))
    };
    let apology = rendering.apology();
    let parts = MultiPart::alternative();
    match (text, html) {
        (Some(text), Some(Some(html))) => parts
            .singlepart(plain(apology.clone(), text))
            .singlepart(SinglePart::html(apologized(html, apology.as_deref()))),
        (None, Some(Some(html))) => {
            parts.singlepart(SinglePart::html(apologized(html, apology.as_deref())))
        }
        // A client shows the last part it can: broken HTML is left out, not replaced by worse.
        (Some(text), Some(None) | None) => parts.singlepart(plain(apology, text)),
        (None, Some(None) | None) => {
            parts.singlepart(plain(apology, builtin::text(notification, now)))
        }
    }
}

/// Puts the apology at the beginning of the visible part.
fn apologized(html: String, apology: Option<&str>) -> String {
    let Some(apology) = apology else {
        return html;
    };
    let escaped = apology
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let note = format!("<p><b>{escaped}</b></p>");
    let start = html
        .find("<body")
        .and_then(|body| Some(body + html[body..].find('>')? + 1))
        .unwrap_or(0);
    format!("{}{note}{}", &html[..start], &html[start..])
}

/// The name of the thread a message belongs to: a digest of the group, since a group key may hold anything.
fn thread(threading: Threading, notification: &Notification) -> Option<String> {
    let day = match threading {
        Threading::Off => return None,
        Threading::Group => String::new(),
        Threading::GroupAndDay => notification
            .created_at
            .to_rfc3339()
            .chars()
            .take(10)
            .collect(),
    };
    let digest = Md5::digest(format!("{}\n{day}", notification.group_key));
    let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("thread-{name}"))
}

fn addresses(what: &str, text: &str) -> Result<Vec<Address>, SendError> {
    let list: Mailboxes = text
        .parse()
        .map_err(|_| configuration(format!("{what} is not a list of e-mail addresses")))?;
    Ok(list.into_iter().map(|mailbox| mailbox.email).collect())
}

/// Whether a text is a list of addresses, for checks at load.
pub fn is_address_list(text: &str) -> bool {
    addresses("", text).is_ok_and(|list| !list.is_empty())
}

fn header(name: &str, value: String) -> Result<HeaderValue, SendError> {
    let name = HeaderName::new_from_ascii(name.to_owned())
        .map_err(|_| configuration(format!("{name:?} is not a header name")))?;
    Ok(HeaderValue::new(name, value))
}

/// A line break in a header would begin another one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn configuration(detail: impl Into<String>) -> SendError {
    SendError::permanent(Reason::Configuration, detail)
}
