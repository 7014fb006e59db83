//! Which silences are too broad to be meant: those that would match any alert, and those that name no value of any label
//! and match a large part of what fires now.

use crate::alerts::quiet::GuardConfig;
use crate::model::matcher::Matcher;
use crate::model::silence::FORCE;

/// Label values that nobody uses; an expression that accepts one of them accepts anything.
const UNLIKELY: [&str; 2] = ["qzxjv", "Qzx-jv.0:9797"];

/// Why a silence is too broad.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooBroad {
    /// None of its matchers asks for anything in particular.
    #[error(
        "it matches any alert: name at least one value, such as alertname=\"X\"; to make it all the same add force=true, or the annotation {FORCE}=true"
    )]
    Anything,
    /// It matches a large part of what fires.
    #[error(
        "it matches {matched} of the {firing} alerts that fire: narrow it down; to make it all the same add force=true, or the annotation {FORCE}=true"
    )]
    Share {
        /// Alerts that it matches.
        matched: usize,
        /// Alerts that fire.
        firing: usize,
    },
}

/// Whether a silence with these matchers, which match so many of the alerts that fire, is too broad.
pub fn judge(
    config: &GuardConfig,
    matchers: &[Matcher],
    matched: usize,
    firing: usize,
) -> Result<(), TooBroad> {
    let particular = |matcher: &&Matcher| !matcher.op().is_negative() && !matcher.matches_empty();
    let named = |matcher: &Matcher| matcher.accepted_values().is_some();
    let mut asked = matchers.iter().filter(particular);
    if asked.clone().any(named) {
        return Ok(());
    }
    if asked.all(|matcher| UNLIKELY.iter().any(|value| matcher.matches(value))) {
        return Err(TooBroad::Anything);
    }
    if firing >= config.least && matched as f64 > config.share * firing as f64 {
        return Err(TooBroad::Share { matched, firing });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches_anything_or_most_is_too_broad() {
        let config = GuardConfig::default();
        let check = |matchers: &str, counts: (usize, usize), want: Result<(), TooBroad>| {
            let read = crate::alerts::matchers::parse(matchers).unwrap();
            assert_eq!(
                judge(&config, &read, counts.0, counts.1),
                want,
                "{matchers}"
            );
        };
        for anything in [
            "alertname=~\".+\"",
            "alertname=~\"[a-z]+\"",
            "alertname=~\".*\", severity!=\"none\"",
            "alertname!=\"X\", job=~\"..*\"",
            "job=\"\"",
        ] {
            check(anything, (0, 0), Err(TooBroad::Anything));
        }
        for named in [
            "alertname=\"X\"",
            "alertname=~\"A|B\", severity!=\"none\"",
            "alertname=~\".+\", instance=\"a\"",
            "alertname=\"qzxjv\"",
        ] {
            check(named, (10, 10), Ok(()));
        }
        for particular in [
            "alertname=~\"Disk.+\"",
            "job=~\".+\", alertname=~\"Disk.+\"",
        ] {
            check(particular, (5, 10), Ok(()));
            check(particular, (9, 9), Ok(()));
            let share = TooBroad::Share {
                matched: 6,
                firing: 10,
            };
            check(particular, (6, 10), Err(share));
        }
    }
}
