//! Links to a runbook here that name the alert they are read for: its labels are the parameters, and the page's words are filled
//! in with them.
//!
//! ```text
//! <external URL>/runbooks/<slug>?instance=db-1%3A9100&job=node
//! ```
//!
//! They stand in messages with narrow limits, so they are short: a label that makes one too long is left out. The page asks the
//! alert that has the labels named for the others.

use std::sync::Arc;

use super::labels::{ALERT_NAME, Labels, is_legacy_label_name};
use super::notification::{Notification, RUNBOOK};

/// The longest value that is named, in bytes.
const LONGEST_VALUE: usize = 120;
/// The longest parameters, in bytes as they are encoded: many of these links stand in one message.
const LONGEST: usize = 400;

/// The address with the alert's labels; `None` where it does not lead to a runbook below `here`, our external URL, or has
/// parameters already.
pub fn with_labels(address: &str, here: &str, labels: &Labels) -> Option<String> {
    let path = address.strip_prefix(here).unwrap_or(address);
    let slug = path.strip_prefix("/runbooks/")?;
    if slug.is_empty() || slug.contains(['/', '?', '#']) {
        return None;
    }
    let mut parameters = String::new();
    for (name, value) in labels.iter() {
        if name == ALERT_NAME || !is_legacy_label_name(name) || value.len() > LONGEST_VALUE {
            continue;
        }
        let pair = url::form_urlencoded::Serializer::new(String::new())
            .append_pair(name, value)
            .finish();
        if parameters.len() + 1 + pair.len() <= LONGEST {
            parameters.push(if parameters.is_empty() { '?' } else { '&' });
            parameters.push_str(&pair);
        }
    }
    Some(format!("{address}{parameters}"))
}

/// Makes the links of a message to runbooks here, below our external URL, name the alert that they stand with.
pub fn lead(notification: &mut Notification, here: &str) {
    for notified in &mut notification.alerts {
        let address = notified.alert.annotations.value(RUNBOOK);
        let link = with_labels(address, here, &notified.alert.labels);
        notified.runbook = link.map(Arc::from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runbook_here_is_named_its_alert() {
        let check = |address: &str, labels: &[(&str, &str)], want: Option<&str>| {
            let labels = Labels::from_pairs(labels.iter().copied());
            let found = with_labels(address, "http://o/x", &labels);
            assert_eq!(found.as_deref(), want, "{address}");
        };
        let here = "http://o/x/runbooks/disk-full";
        let two = [("alertname", "DiskFull"), ("instance", "a:1"), ("job", "n")];
        let filled = "http://o/x/runbooks/disk-full?instance=a%3A1&job=n";
        check(here, &two, Some(filled));
        check(here, &two[..1], Some(here));
        check("/runbooks/a", &two[2..], Some("/runbooks/a?job=n"));
        // What a value holds stays a value.
        let hostile = [("a", "&b=<c>|\u{202e}%\n#")];
        let encoded = "/runbooks/a?a=%26b%3D%3Cc%3E%7C%E2%80%AE%25%0A%23";
        check("/runbooks/a", &hostile, Some(encoded));
        for other in [
            "",
            "http://o/x/runbooks/",
            "http://o/x/runbooks/a?b=c",
            "http://o/x/runbooks/a#b",
            "http://o/x/runbooks/a/block/1",
            "http://o/runbooks/a",
            "https://wiki.example.org/runbooks/a",
        ] {
            check(other, &two, None);
        }
    }

    #[test]
    fn many_and_long_labels_make_no_long_link() {
        let long = "é".repeat(LONGEST_VALUE);
        let names: Vec<String> = (0..200).map(|n| format!("l{n}")).collect();
        let mut pairs: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "value")).collect();
        pairs.push(("a_long", &long));
        pairs.push(("b_wide", &long[..LONGEST_VALUE]));
        pairs.push(("z", "last"));
        let address = "/runbooks/a";
        let link = with_labels(address, "", &Labels::from_pairs(pairs)).unwrap();
        assert!(link.len() <= address.len() + LONGEST, "{link}");
        assert!(
            link.contains("b_wide=%C3") && !link.contains("a_long"),
            "{link}"
        );
    }
}
