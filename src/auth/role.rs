//! Roles of people and scopes of API keys.
//!
//! A role is what somebody may do at most; a scope narrows a key to a part of the product. A right is the meeting of both:
//! an editor's key for `metrics:read` reads metrics, and nothing else.
//!
//! | scope | least role |
//! |---|---|
//! | `metrics:read` `domains:read` `objectives:read` `monitoring:read` | viewer |
//! | `metrics:write` `domains:write` `objectives:write` `monitoring:write` | editor |
//! | `admin` (all of them, and people) | admin |

use std::fmt;
use std::str::FromStr;

/// What somebody may do at most; each includes those before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads and changes.
    Editor,
    /// Also deletes, reloads and manages people.
    Admin,
}

impl Role {
    /// All roles, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    /// As written in answers, settings and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    /// Every scope that this role may have.
    pub fn scopes(self) -> Scopes {
        Scope::ALL
            .into_iter()
            .filter(|scope| scope.least_role() <= self)
            .collect()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no role or no scope.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be one of {expected}")]
pub struct UnknownWord {
    expected: String,
}

impl FromStr for Role {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownWord {
            expected: Self::ALL.map(Self::as_str).join(", "),
        })
    }
}

/// A part of the product that a key may be narrowed to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// Metric definitions, their policies and figures.
    MetricsRead,
    /// Changes to metric definitions.
    MetricsWrite,
    /// Business domains.
    DomainsRead,
    /// Changes to business domains.
    DomainsWrite,
    /// Objectives.
    ObjectivesRead,
    /// Changes to objectives.
    ObjectivesWrite,
    /// Everything else: queries, alerts, silences, rules, targets, pages.
    MonitoringRead,
    /// Posting alerts, silences, acks.
    MonitoringWrite,
    /// All of the above, and people.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 9] = [
        Self::MetricsRead,
        Self::MetricsWrite,
        Self::DomainsRead,
        Self::DomainsWrite,
        Self::ObjectivesRead,
        Self::ObjectivesWrite,
        Self::MonitoringRead,
        Self::MonitoringWrite,
        Self::Admin,
    ];

    /// As written in answers, requests and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MetricsRead => "metrics:read",
            Self::MetricsWrite => "metrics:write",
            Self::DomainsRead => "domains:read",
            Self::DomainsWrite => "domains:write",
            Self::ObjectivesRead => "objectives:read",
            Self::ObjectivesWrite => "objectives:write",
            Self::MonitoringRead => "monitoring:read",
            Self::MonitoringWrite => "monitoring:write",
            Self::Admin => "admin",
        }
    }

    /// The least role that may have it.
    pub fn least_role(self) -> Role {
        match self {
            Self::MetricsRead | Self::DomainsRead | Self::ObjectivesRead | Self::MonitoringRead => {
                Role::Viewer
            }
            Self::MetricsWrite
            | Self::DomainsWrite
            | Self::ObjectivesWrite
            | Self::MonitoringWrite => Role::Editor,
            Self::Admin => Role::Admin,
        }
    }

    /// The scope that this one is part of: who may change may read.
    fn implied_by(self) -> Option<Self> {
        match self {
            Self::MetricsRead => Some(Self::MetricsWrite),
            Self::DomainsRead => Some(Self::DomainsWrite),
            Self::ObjectivesRead => Some(Self::ObjectivesWrite),
            Self::MonitoringRead => Some(Self::MonitoringWrite),
            Self::MetricsWrite
            | Self::DomainsWrite
            | Self::ObjectivesWrite
            | Self::MonitoringWrite
            | Self::Admin => None,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| UnknownWord {
            expected: Self::ALL.map(Self::as_str).join(", "),
        })
    }
}

/// Some of the scopes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u16);

impl Scopes {
    /// Whether a scope is in it, as itself or as part of a wider one.
    pub fn allow(self, scope: Scope) -> bool {
        self.has(scope)
            || self.has(Scope::Admin)
            || scope.implied_by().is_some_and(|wider| self.has(wider))
    }

    /// The scopes, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that a role may not have.
    pub fn above(self, role: Role) -> impl Iterator<Item = Scope> {
        self.iter().filter(move |scope| scope.least_role() > role)
    }

    fn has(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }
}

fn bit(scope: Scope) -> u16 {
    1 << scope as u16
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | bit(scope)))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(Scope::as_str))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert!("root".parse::<Role>().is_err());
        assert!("Admin".parse::<Role>().is_err());
        assert!("metrics:*".parse::<Scope>().is_err());
    }

    #[test]
    fn a_wider_scope_includes_the_narrower() {
        let check = |given: &[Scope], asked: Scope, want: bool| {
            let scopes: Scopes = given.iter().copied().collect();
            assert_eq!(scopes.allow(asked), want, "{given:?} {asked}");
        };
        check(&[Scope::MetricsWrite], Scope::MetricsRead, true);
        check(&[Scope::MetricsRead], Scope::MetricsWrite, false);
        check(&[Scope::MetricsWrite], Scope::DomainsRead, false);
        check(&[Scope::Admin], Scope::MonitoringWrite, true);
        check(&[], Scope::MetricsRead, false);
        check(&[Scope::MonitoringWrite], Scope::Admin, false);
    }

    #[test]
    fn scopes_above_a_role_are_named() {
        let given: Scopes = [Scope::MetricsRead, Scope::DomainsWrite, Scope::Admin]
            .into_iter()
            .collect();
        let above = |role| given.above(role).collect::<Vec<_>>();
        assert_eq!(above(Role::Viewer), [Scope::DomainsWrite, Scope::Admin]);
        assert_eq!(above(Role::Editor), [Scope::Admin]);
        assert_eq!(above(Role::Admin), []);
    }
}
