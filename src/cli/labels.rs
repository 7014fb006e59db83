//! Labels and times on the command line.

use crate::model::labels::{ALERT_NAME, Labels};
use crate::model::timestamp::Timestamp;

/// Reads `name=value` words; a first word without `=` is the alert's name, as amtool takes it.
///
/// # Errors
/// The word that is none, with what to write.
pub(super) fn labels(words: &[String]) -> Result<Labels, String> {
    let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(words.len());
    for (i, word) in words.iter().enumerate() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.trim(), unquoted(value.trim())),
            None if i == 0 && !word.is_empty() => (ALERT_NAME, word.as_str()),
            None => {
                return Err(format!(
                    "not a label: {word:?}; write name=value, such as severity=critical"
                ));
            }
        };
        if name.is_empty() || name.ends_with('!') || value.starts_with('~') {
            return Err(format!(
                "not a label: {word:?}; an alert's labels are written name=value, without other operators"
            ));
        }
        if pairs.iter().any(|(known, _)| *known == name) {
            return Err(format!("label {name:?} twice; keep one of the two"));
        }
        pairs.push((name, value));
    }
    Ok(Labels::from_pairs(pairs))
}

fn unquoted(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value)
}

/// Reads a time: RFC 3339, or seconds since the epoch.
///
/// # Errors
/// Where it is neither.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() => Ok(Timestamp::from_seconds(seconds)),
        Ok(_) | Err(_) => Timestamp::parse_rfc3339(text).map_err(|_| {
            "write seconds since the epoch or RFC 3339, such as 2026-01-31T09:00:00Z".to_owned()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_words_and_the_first_may_be_the_name() {
        let check = |words: &[&str], want: Option<&str>| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let read = labels(&words).map(|labels| labels.to_string());
            assert_eq!(read.as_deref().ok(), want, "{words:?}");
        };
        check(&["Down", "a=b"], Some(r#"{a="b", alertname="Down"}"#));
        check(&["a=b=c", r#"d="e f""#], Some(r#"{a="b=c", d="e f"}"#));
        check(&["a=b", "Down"], None);
        check(&["a!=b"], None);
        check(&["a=~b"], None);
        check(&["a=b", "a=c"], None);
    }
}
