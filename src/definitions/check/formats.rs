//! Texts of a form: identifiers, addresses, names, times, words.

use super::{FindingKind, quote};
use crate::model::timestamp::Timestamp;

/// Why a text is refused.
pub(super) struct Refusal {
    pub(super) kind: FindingKind,
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Refusal {
    pub(super) fn format(message: &str, remedy: &str) -> Self {
        Self {
            kind: FindingKind::Format,
            message: message.to_owned(),
            remedy: remedy.to_owned(),
        }
    }
}

pub(super) fn in_length(text: &str, min: usize, max: usize) -> Result<(), Refusal> {
    let length = text.chars().count();
    if (min..=max).contains(&length) {
        return Ok(());
    }
    let message = if length == 0 {
        "is empty".to_owned()
    } else {
        format!("has {length} characters")
    };
    Err(Refusal {
        kind: FindingKind::Length,
        message,
        remedy: format!("write {min} to {max} characters"),
    })
}

pub(super) fn identifier(text: &str) -> Result<(), Refusal> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if text.bytes().all(fits) {
        return Ok(());
    }
    Err(Refusal::format(
        "is no identifier",
        "write letters A-Z and a-z, digits, _ and - only",
    ))
}

/// What almost every address fulfils; whether it exists only a message can tell.
pub(super) fn email(text: &str) -> Result<(), Refusal> {
    let sound = |part: &str| {
        !part.is_empty()
            && !part
                .chars()
                .any(|char| char.is_whitespace() || char.is_control() || "@<>,;".contains(char))
    };
    match text.rsplit_once('@') {
        Some((local, host)) if sound(local) && sound(host) => Ok(()),
        _ => Err(Refusal::format(
            "is no address of e-mail",
            "write one like team@example.com",
        )),
    }
}

pub(super) fn url(text: &str) -> Result<(), Refusal> {
    let remedy = "write one like https://example.com/page";
    let parsed: url::Url = text
        .parse()
        .map_err(|_| Refusal::format("is no URL", remedy))?;
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
        return Err(Refusal::format("is no http or https URL", remedy));
    }
    if parsed.password().is_some() {
        return Err(Refusal::format(
            "holds a password",
            "remove it: everybody who reads the definition would see it",
        ));
    }
    Ok(())
}

/// <https://prometheus.io/docs/concepts/data_model/>, the names that need no quotes.
pub(super) fn metric_name(text: &str) -> Result<(), Refusal> {
    let fits = |(i, byte): (usize, u8)| {
        byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || i > 0 && byte.is_ascii_digit()
    };
    if text.bytes().enumerate().all(fits) {
        return Ok(());
    }
    Err(Refusal::format(
        "is no name of a metric family",
        "write letters, digits, _ and : without a digit in front",
    ))
}

/// An instant, a time without an offset (then of UTC), or a day (then its midnight).
pub(super) fn time(text: &str) -> Result<Timestamp, Refusal> {
    let utc = |time: jiff::civil::DateTime| time.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let instant = text.parse::<jiff::Timestamp>().ok();
    let instant = instant.or_else(|| Some(utc(text.parse().ok()?)?.timestamp()));
    // Before and behind these years the text has another length.
    let instant = instant.map(|instant| Timestamp::from_millis(instant.as_millisecond()));
    instant
        .filter(|instant| instant.to_rfc3339().len() == "2026-11-20T06:55:00.000Z".len())
        .ok_or_else(|| {
            Refusal::format(
                "is no time",
                "write it in ISO 8601, such as 2026-11-20T06:55:00Z or 2026-11-20",
            )
        })
}

pub(super) fn one_of(words: &[&str], text: &str, secret: bool) -> Result<String, Refusal> {
    if words.contains(&text) {
        return Ok(text.to_owned());
    }
    let message = if secret {
        "is no known word".to_owned()
    } else {
        format!("is {:?}", quote(text))
    };
    Err(Refusal {
        kind: FindingKind::Choice,
        message,
        remedy: format!("write one of {}", words.join(", ")),
    })
}
