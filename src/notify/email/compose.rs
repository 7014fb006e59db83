//! Builds the message.

use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailboxes, MultiPart, SinglePart};
use lettre::{Address, Message};
use md5::{Digest, Md5};

use super::{Email, Threading};
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;
use crate::notify::integration::{Reason, SendError};
use crate::notify::render::Rendering;
use crate::notify::{builtin, cut};

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
    let upstream_only = email.surroundings.upstream_only;
    let mut named = Vec::new();
    for (name, field) in &email.headers {
        let value = if name == "Subject" {
            rendering.text_or(field, || builtin::subject(notification))
        } else {
            rendering.text(field)
        };
        builder = builder.raw_header(match (upstream_only, name.as_str()) {
            (true, _) => upstream_header(name, value)?,
            (false, "Subject") => header(name, cut::line(one_line(&value), MAX_SUBJECT))?,
            (false, _) => header(name, one_line(&value))?,
        });
        named.push(name.as_str());
    }
    for (name, field) in [("From", &email.from), ("To", &email.to)] {
        if !named.contains(&name) {
            let value = rendering.required(field)?;
            builder = builder.raw_header(match upstream_only {
                true => upstream_header(name, value)?,
                false => header(name, one_line(&value))?,
            });
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
        (Some(text), Some(Some(html))) => illustrated(
            parts.singlepart(plain(apology.clone(), text)),
            apologized(html, apology.as_deref()),
            notification,
        ),
        (None, Some(Some(html))) => illustrated(
            parts.build(),
            apologized(html, apology.as_deref()),
            notification,
        ),
        // A client shows the last part it can: broken HTML is left out, not replaced by worse.
        (Some(text), Some(None) | None) => parts.singlepart(plain(apology, text)),
        (None, Some(None) | None) => {
            parts.singlepart(plain(apology, builtin::text(notification, now)))
        }
    }
}

/// Adds the HTML, and with it the pictures that it shows (RFC 2387). Where a template of the user's shows none, they stand
/// at its end.
fn illustrated(parts: MultiPart, mut html: String, notification: &Notification) -> MultiPart {
    let mut images = Vec::new();
    for notified in &notification.alerts {
        let Some(picture) = &notified.picture else {
            continue;
        };
        let (Some(id), Some(png)) = (picture.image.strip_prefix("cid:"), &picture.png) else {
            continue;
        };
        if !html.contains(&*picture.image) {
            // The name is written by us, of hexadecimal digits.
            let image = format!(
                "<p><img src=\"{}\" alt=\"\" style=\"max-width:100%\"></p>",
                picture.image
            );
            let end = html.rfind("</body").unwrap_or(html.len());
            html.insert_str(end, &image);
        }
        images.push((id.to_owned(), png.to_vec()));
    }
    if images.is_empty() {
        return parts.singlepart(SinglePart::html(html));
    }
    let png = ContentType::parse("image/png").expect("it is a media type");
    let mut related = MultiPart::related().singlepart(SinglePart::html(html));
    for (id, image) in images {
        related = related.singlepart(Attachment::new_inline(id).body(image, png.clone()));
    }
    parts.multipart(related)
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

/// A header encoded as Go's `mime.QEncoding` does it: whole, blanks kept, line breaks and all that is not ASCII in
/// encoded words (RFC 2047).
fn upstream_header(name: &str, value: String) -> Result<HeaderValue, SendError> {
    let encoded = q_encoded(&value);
    let name = HeaderName::new_from_ascii(name.to_owned())
        .map_err(|_| configuration(format!("{name:?} is not a header name")))?;
    Ok(HeaderValue::dangerous_new_pre_encoded(name, value, encoded))
}

fn q_encoded(value: &str) -> String {
    // An encoded word has at most 75 characters, 12 of them around its content.
    const ROOM: usize = 63;
    if value.chars().all(|c| matches!(c, ' '..='~' | '\t')) {
        return value.to_owned();
    }
    let mut out = "=?utf-8?q?".to_owned();
    let mut length = 0;
    for c in value.chars() {
        let plain = matches!(c, ' '..='~') && !matches!(c, '=' | '?' | '_');
        let size = if plain { 1 } else { 3 * c.len_utf8() };
        if length + size > ROOM {
            out.push_str("?= =?utf-8?q?");
            length = 0;
        }
        length += size;
        match c {
            ' ' => out.push('_'),
            c if plain => out.push(c),
            c => {
                let mut buffer = [0; 4];
                let bytes = c.encode_utf8(&mut buffer).bytes();
                out.extend(bytes.map(|byte| format!("={byte:02X}")));
            }
        }
    }
    out.push_str("?=");
    out
}

/// A line break in a header would begin another one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn configuration(detail: impl Into<String>) -> SendError {
    SendError::permanent(Reason::Configuration, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_encoded_as_go_does() {
        // What Go 1.19's mime.QEncoding.Encode("utf-8", ...) gives.
        let check = |value: &str, want: &str| assert_eq!(q_encoded(value), want);
        check("[FIRING:1] One ", "[FIRING:1] One ");
        check("a_b=c?\td", "a_b=c?\td");
        check("a\r\nBcc: x", "=?utf-8?q?a=0D=0ABcc:_x?=");
        check("é_=?", "=?utf-8?q?=C3=A9=5F=3D=3F?=");
        let words = "=?utf-8?q?".to_owned() + &"=C3=A9".repeat(10) + "?= =?utf-8?q?=C3=A9?=";
        check(&"é".repeat(11), &words);
    }
}
