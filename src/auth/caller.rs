//! Who asks, and whether he may.

use std::sync::Arc;

use super::role::{Role, Scope, Scopes};

/// Who sent a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Caller {
    /// Nobody in particular, with the role that such callers have here, if any.
    ///
    /// Where authentication is off that is [`Role::Admin`]: who reaches the port may do everything.
    Anonymous(Option<Role>),
    /// Somebody known.
    User(Identity),
}

/// Somebody known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The user's id, a UUID.
    pub id: Arc<str>,
    /// The user's name.
    pub name: Arc<str>,
    /// The user's role now, not that at the login.
    pub role: Role,
    /// What the token or key was narrowed to; all scopes of the role for people.
    pub scopes: Scopes,
    /// How the user proved it.
    pub proof: Proof,
}

/// How somebody proved who he is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Proof {
    /// An access token of this session.
    Session(Arc<str>),
    /// The API key of this id.
    ApiKey(Arc<str>),
}

/// Why a caller may not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Nobody knows who asks.
    #[error("authentication required")]
    Unknown,
    /// The role is too low.
    #[error("requires role {needed}")]
    Role {
        /// The least role that may.
        needed: Role,
    },
    /// The key was not made for this.
    #[error("requires an API key with scope {needed}")]
    Scope {
        /// The scope it would need.
        needed: Scope,
    },
}

impl Caller {
    /// The caller where authentication is off.
    pub fn open() -> Self {
        Self::Anonymous(Some(Role::Admin))
    }

    /// The user's name; `anonymous` for nobody in particular.
    pub fn name(&self) -> &str {
        match self {
            Self::Anonymous(_) => "anonymous",
            Self::User(identity) => &identity.name,
        }
    }

    /// The user's id.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Anonymous(_) => None,
            Self::User(identity) => Some(&identity.id),
        }
    }

    /// Whether the caller has at least this role and, for keys, this scope.
    ///
    /// # Errors
    /// What is missing.
    pub fn allowed(&self, role: Role, scope: Scope) -> Result<(), Refusal> {
        let role = role.max(scope.least_role());
        match self {
            Self::Anonymous(Some(own)) if *own >= role => Ok(()),
            Self::Anonymous(_) => Err(Refusal::Unknown),
            Self::User(identity) if identity.role < role => Err(Refusal::Role { needed: role }),
            Self::User(identity) if !identity.scopes.allow(scope) => {
                Err(Refusal::Scope { needed: scope })
            }
            Self::User(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(role: Role, scopes: &[Scope]) -> Caller {
        Caller::User(Identity {
            id: "1".into(),
            name: "ada".into(),
            role,
            scopes: scopes.iter().copied().collect(),
            proof: Proof::ApiKey("k".into()),
        })
    }

    #[test]
    fn a_right_needs_the_role_and_the_scope() {
        let check = |caller: Caller, role, scope, want: Result<(), Refusal>| {
            assert_eq!(caller.allowed(role, scope), want, "{caller:?}");
        };
        let read = (Role::Viewer, Scope::MetricsRead);
        let write = (Role::Editor, Scope::MetricsWrite);
        let delete = (Role::Admin, Scope::MetricsWrite);
        let needs = |needed| Err(Refusal::Role { needed });
        check(
            Caller::Anonymous(None),
            read.0,
            read.1,
            Err(Refusal::Unknown),
        );
        check(
            Caller::Anonymous(Some(Role::Viewer)),
            read.0,
            read.1,
            Ok(()),
        );
        check(
            Caller::Anonymous(Some(Role::Viewer)),
            write.0,
            write.1,
            Err(Refusal::Unknown),
        );
        check(Caller::open(), Role::Admin, Scope::Admin, Ok(()));
        // A scope above the role is worth nothing: its owner was demoted.
        check(
            user(Role::Viewer, &[Scope::Admin]),
            write.0,
            write.1,
            needs(Role::Editor),
        );
        check(user(Role::Viewer, &[Scope::Admin]), read.0, read.1, Ok(()));
        check(
            user(Role::Admin, &[Scope::DomainsWrite]),
            read.0,
            read.1,
            Err(Refusal::Scope {
                needed: Scope::MetricsRead,
            }),
        );
        check(
            user(Role::Editor, &[Scope::MetricsWrite]),
            delete.0,
            delete.1,
            needs(Role::Admin),
        );
        // The scope's own least role counts too.
        check(
            user(Role::Viewer, &[Scope::MetricsWrite]),
            Role::Viewer,
            Scope::MetricsWrite,
            needs(Role::Editor),
        );
    }
}
