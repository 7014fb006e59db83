//! Links in messages that lead to a page on which somebody acknowledges or silences what the message is about.
//!
//! ```text
//! <external URL>/ack?alert=<fingerprint>&token=<token>
//! <external URL>/silence?group=<digest of the group's key>&token=<token>
//! ```
//!
//! Following one changes nothing: chat services fetch links for their previews. The page asks, and a POST from it acts. The
//! token is proof that a message, or a page, of this installation named the action and what it is about.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::labels::Fingerprint;
use super::signature::{SignatureError, Signer};
use super::timestamp::Timestamp;

/// How long a link in a message leads somewhere.
pub const LINK_LASTS: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take charge.
    Ack,
    /// Keep quiet.
    Silence,
}

/// What a link is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One alert.
    Alert(Fingerprint),
    /// The alerts of a group, by the digest of its key.
    Group(String),
}

impl Action {
    /// The page's path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Ack => "/ack",
            Self::Silence => "/silence",
        }
    }
}

impl Subject {
    /// The group with this key.
    pub fn group(key: &str) -> Self {
        let mut text = String::with_capacity(16);
        for byte in &Sha256::digest(key.as_bytes())[..8] {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        }
        Self::Group(text)
    }

    /// From the parameters of a link.
    pub fn parse(alert: Option<&str>, group: Option<&str>) -> Option<Self> {
        match (alert, group) {
            (Some(alert), None) => Fingerprint::parse(alert).map(Self::Alert),
            (None, Some(group)) => {
                let digits =
                    group.len() == 16 && group.bytes().all(|byte| byte.is_ascii_hexdigit());
                digits.then(|| Self::Group(group.to_owned()))
            }
            (Some(_), Some(_)) | (None, None) => None,
        }
    }

    /// The parameter's name and value.
    pub fn parameter(&self) -> (&'static str, String) {
        match self {
            Self::Alert(fingerprint) => ("alert", fingerprint.to_string()),
            Self::Group(digest) => ("group", digest.clone()),
        }
    }

    fn signed(&self) -> String {
        let (name, value) = self.parameter();
        format!("{name}={value}")
    }
}

/// The token for an action on a subject.
pub fn token(signer: &Signer, action: Action, subject: &Subject, until: Timestamp) -> String {
    signer.sign(action.path(), &subject.signed(), until)
}

/// Until when a token holds that is for this action on this subject.
///
/// # Errors
/// Where it is not, or does not hold any more.
pub fn verify(
    signer: &Signer,
    action: Action,
    subject: &Subject,
    token: &str,
    now: Timestamp,
) -> Result<Timestamp, SignatureError> {
    signer.verify(action.path(), &subject.signed(), token, now)
}

/// The link's path and parameters, below the external URL.
pub fn link(signer: &Signer, action: Action, subject: &Subject, until: Timestamp) -> String {
    let token = token(signer, action, subject, until);
    format!("{}?{}&token={token}", action.path(), subject.signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::signature::KEY_BYTES;

    #[test]
    fn a_link_is_for_one_action_on_one_subject() {
        let signer = Signer::new([7; KEY_BYTES]);
        let (now, until) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
        let alert = Subject::Alert(Fingerprint(0xab));
        let group = Subject::group("{}:{}");
        let url = link(&signer, Action::Ack, &alert, until);
        let token = url
            .strip_prefix("/ack?alert=00000000000000ab&token=")
            .unwrap();
        let verify = |action, subject| verify(&signer, action, subject, token, now);
        assert_eq!(verify(Action::Ack, &alert), Ok(until));
        assert_eq!(verify(Action::Silence, &alert), Err(SignatureError::Wrong));
        assert_eq!(verify(Action::Ack, &group), Err(SignatureError::Wrong));
        let (name, value) = group.parameter();
        assert_eq!((name, value.len()), ("group", 16));
        assert_eq!(Subject::parse(None, Some(&value)), Some(group));
        for (alert, group) in [
            (None, None),
            (Some("ab"), None),
            (Some("00000000000000ab"), Some("00000000000000ab")),
            (None, Some("../../../../../..")),
        ] {
            assert_eq!(Subject::parse(alert, group), None);
        }
    }
}
