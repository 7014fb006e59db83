//! Why somebody is not let in, or an account is not changed.

use std::time::Duration;

use super::account::FieldError;
use super::password::HashError;
use crate::db::DbError;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Name or password is wrong, or the account is not active: nobody is told which.
    #[error("Invalid username or password")]
    Credentials,
    /// Too many failed logins.
    #[error("too many failed logins; try again later")]
    Locked(Duration),
    /// No token or key at all.
    #[error("no authentication token provided")]
    Missing,
    /// The access token is too old.
    #[error("access token expired")]
    Expired,
    /// The access token is not ours, or was revoked.
    #[error("invalid access token")]
    Token,
    /// The API key is unknown, revoked or too old.
    #[error("invalid API key")]
    ApiKey,
    /// The refresh token is unknown, used, revoked or too old.
    #[error("invalid refresh token")]
    Refresh,
    /// The refresh token was used a moment ago.
    #[error("refresh token was used a moment ago; use the newer one")]
    Raced,
    /// The present password is wrong.
    #[error("Invalid current password")]
    CurrentPassword,
    /// People do not register themselves here.
    #[error("registration is closed; ask an administrator for an account")]
    RegistrationClosed,
    /// Fields are wrong.
    #[error("validation failed: {}", list(.0))]
    Fields(Vec<FieldError>),
    /// Somebody else has it.
    #[error("{field} is taken")]
    Taken {
        /// `username` or `email`.
        field: &'static str,
    },
    /// There is no such thing.
    #[error("{what} not found")]
    NotFound {
        /// What.
        what: &'static str,
    },
    /// Somebody deletes himself.
    #[error("you cannot delete your own account")]
    OwnAccount,
    /// Passwords cannot be hashed now.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A signing key cannot be made or used.
    #[error("{0}")]
    SigningKey(&'static str),
}

impl AuthError {
    /// One field that is wrong.
    pub fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self::Fields(vec![FieldError {
            field,
            message: message.into(),
        }])
    }
}

fn list(errors: &[FieldError]) -> String {
    let messages: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    messages.join("; ")
}
