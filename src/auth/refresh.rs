//! What becomes of a refresh token that is presented.
//!
//! A token is good once. Used again it was stolen, from its owner or by him who is first: then its whole session ends, with
//! every token that descends from the same login. Only right after its first use a second one is taken for a race of two
//! windows: it is refused, and the session lives.

use std::time::Duration;

use super::account::Status;
use crate::model::timestamp::Timestamp;

/// What is known of a token.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was exchanged before.
    pub used_at: Option<Timestamp>,
    /// Whether its session was ended.
    pub revoked: bool,
    /// How its user stands; absent where there is none any more.
    pub status: Option<Status>,
}

/// What becomes of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// It is exchanged for the next.
    Rotate,
    /// Two windows asked at once; the other one has the next.
    Raced,
    /// It was used before: the session ends.
    Replayed,
    /// Its session was ended.
    Revoked,
    /// It is too old.
    Expired,
    /// Its user may not log in.
    NotActive,
}

impl Verdict {
    /// As a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rotate => "rotated",
            Self::Raced => "raced",
            Self::Replayed => "replayed",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::NotActive => "not_active",
        }
    }
}

/// Decides.
pub fn decide(token: Presented, grace: Duration, now: Timestamp) -> Verdict {
    if token.revoked {
        return Verdict::Revoked;
    }
    if let Some(used_at) = token.used_at {
        return if now.since(used_at) < grace {
            Verdict::Raced
        } else {
            Verdict::Replayed
        };
    }
    if now >= token.expires_at {
        return Verdict::Expired;
    }
    match token.status {
        Some(Status::Active) => Verdict::Rotate,
        Some(Status::Inactive | Status::Suspended) | None => Verdict::NotActive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let fresh = Presented {
            expires_at: at(1000),
            used_at: None,
            revoked: false,
            status: Some(Status::Active),
        };
        let check = |token: Presented, now: i64, want: Verdict| {
            assert_eq!(
                decide(token, Duration::from_secs(2), at(now)),
                want,
                "{token:?}"
            );
        };
        let used = Presented {
            used_at: Some(at(100)),
            ..fresh
        };
        check(fresh, 100, Verdict::Rotate);
        check(fresh, 999, Verdict::Rotate);
        check(fresh, 1000, Verdict::Expired);
        check(used, 100, Verdict::Raced);
        check(used, 101, Verdict::Raced);
        check(used, 102, Verdict::Replayed);
        // Theft that is noticed late is theft all the same.
        check(used, 5000, Verdict::Replayed);
        let revoked = Presented {
            revoked: true,
            ..used
        };
        check(revoked, 100, Verdict::Revoked);
        for status in [Some(Status::Suspended), Some(Status::Inactive), None] {
            check(Presented { status, ..fresh }, 100, Verdict::NotActive);
        }
        assert_eq!(decide(used, Duration::ZERO, at(100)), Verdict::Replayed);
    }
}
