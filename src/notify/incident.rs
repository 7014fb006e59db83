//! What services that keep incidents open are told: PagerDuty and Opsgenie.
//!
//! An incident is named by its group's key, so that the end of the group ends it. A digest opens one incident of its own,
//! which a person ends, and ends those of the groups in it that no longer fire. A storm opens one for all its messages, and
//! its last message ends it.

use sha2::{Digest as _, Sha256};

use crate::model::notification::{AlertStatus, Notification, StormStage};

/// One thing to tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Names the incident.
    pub key: String,
    /// Whether it begins or goes on, rather than ends.
    pub fires: bool,
    /// Whether the message belongs to it; else only the end is told.
    pub whole: bool,
}

/// What to tell, in order.
pub fn steps(notification: &Notification) -> Vec<Step> {
    let mut own = Step {
        key: key(&notification.group_key),
        fires: notification.is_firing(),
        whole: true,
    };
    let Some(digest) = &notification.digest else {
        return vec![own];
    };
    let storm = digest.storm.as_ref();
    if let Some(storm) = storm {
        own.fires = storm.stage != StormStage::Over;
    }
    let ended = digest.groups.iter().filter(|group| group.firing == 0);
    let ended = ended.map(|group| Step {
        key: key(&group.group_key),
        fires: false,
        whole: false,
    });
    let opened = (own.fires || storm.is_some()).then_some(own);
    opened.into_iter().chain(ended).collect()
}

/// The SHA-256 of a group's key in hexadecimal digits, as Alertmanager names incidents.
fn key(group_key: &str) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(group_key.as_bytes()) {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

/// Runbooks and sources of the alerts that fire, each once: an address and what to call it. A runbook's address tells of the
/// alert behind its `?`: the first one's serves for all.
pub fn links(notification: &Notification, limit: usize) -> Vec<(String, String)> {
    let mut links: Vec<(String, String)> = Vec::new();
    for alert in &notification.alerts {
        if alert.status != AlertStatus::Firing {
            continue;
        }
        let name = alert.alert.name();
        let runbook = (alert.runbook(), "Runbook");
        let source = (&*alert.alert.generator_url, "Source");
        for (address, what) in [runbook, source] {
            let page = |address: &str| match what {
                "Runbook" => address.split('?').next().map(str::to_owned),
                _ => Some(address.to_owned()),
            };
            let known = links
                .iter()
                .any(|(known, _)| known == address || page(known) == page(address));
            if !address.is_empty() && !known && links.len() < limit {
                links.push((address.to_owned(), format!("{what}: {name}")));
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::timestamp::Timestamp;
    use crate::notify::message;

    #[test]
    fn a_digest_ends_the_incidents_of_groups_that_no_longer_fire() {
        let mut digest = message::synthetic(Timestamp::from_millis(0)).remove(4);
        let check = |digest: &Notification, want: &[(bool, bool)]| {
            let steps: Vec<_> = steps(digest)
                .iter()
                .map(|step| (step.fires, step.whole))
                .collect();
            assert_eq!(steps, want);
        };
        check(&digest, &[(true, true)]);
        if let Some(parts) = &mut digest.digest {
            let mut ended = parts.groups[0].clone();
            ended.firing = 0;
            parts.groups.push(ended);
        }
        check(&digest, &[(true, true), (false, false)]);
        for alert in &mut digest.alerts {
            alert.status = AlertStatus::Resolved;
        }
        check(&digest, &[(false, false)]);
        let storm = message::synthetic(Timestamp::from_millis(0)).split_off(7);
        check(&storm[0], &[(true, true)]);
        check(&storm[1], &[(false, true)]);
        assert_eq!(
            key(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
