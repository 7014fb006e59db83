//! What a failure says of PostgreSQL, and what to do about it.

use std::time::Duration;

use crate::db::DbError;

/// The server said nothing in time.
pub(super) fn silent(action: &'static str, limit: Duration) -> DbError {
    DbError::Unavailable {
        action,
        reason: format!("no answer within {} s", limit.as_secs()),
        retry_after: RETRY_AFTER,
        down: true,
    }
}

/// More is asked at once than there is time for.
pub(super) fn crowded(action: &'static str, limit: Duration) -> DbError {
    DbError::Unavailable {
        action,
        reason: format!("others were before it for {} s", limit.as_secs()),
        retry_after: RETRY_AFTER,
        down: false,
    }
}

/// When to try again where nothing better is known.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What a failure means: that the server cannot be used now, or that the statement failed.
pub(super) fn failed(action: &'static str, error: sqlx::Error) -> DbError {
    let (down, remedy) = match meaning(&error) {
        Meaning::Down(remedy) => (true, remedy),
        Meaning::Busy => (false, ""),
        Meaning::Statement => {
            return DbError::Query {
                action,
                source: error,
            };
        }
    };
    DbError::Unavailable {
        action,
        reason: format!("{error}{remedy}"),
        retry_after: RETRY_AFTER,
        down,
    }
}

/// What an error is one of.
enum Meaning {
    /// The server, or the way to it; with what to do about it, where that can be told.
    Down(&'static str),
    /// The server is there, and may do it later.
    Busy,
    /// The statement.
    Statement,
}

/// Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn meaning(error: &sqlx::Error) -> Meaning {
    let code = match error {
        sqlx::Error::Database(error) => error.code(),
        sqlx::Error::Tls(error) if error.to_string().contains("does not support TLS") => {
            return Meaning::Down(
                "; let it (ssl = on), or write sslmode=disable where the way to it is safe",
            );
        }
        sqlx::Error::Io(error) => return Meaning::Down(identity_remedy(error)),
        sqlx::Error::Configuration(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::BeginFailed
        | sqlx::Error::WorkerCrashed => return Meaning::Down(""),
        _ => return Meaning::Statement,
    };
    let code = code.unwrap_or_default();
    let of = |classes: &[&str]| classes.iter().any(|class| code.starts_with(class));
    match &*code {
        "28P01" => Meaning::Down("; correct the password in definitions.database"),
        "3D000" => Meaning::Down("; create the database, or name another in definitions.database"),
        "42501" => {
            Meaning::Down("; let its user create the schema outrigger, or create it for him")
        }
        // Lock and statement time-outs, deadlocks; a server that only reads, as after a switch to a standby.
        "55P03" | "57014" | "40001" | "40P01" | "25006" => Meaning::Busy,
        // The connection, its rights, the server's resources, its end and its start.
        _ if of(&["08", "28", "53", "57P", "58"]) => Meaning::Down(""),
        _ => Meaning::Statement,
    }
}

/// What to do where the server's certificate was refused, which the TLS library tells within the handshake's reading.
fn identity_remedy(error: &std::io::Error) -> &'static str {
    use rustls::CertificateError as Bad;
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(bad)) => match bad {
            // The latter where two CAs have one name.
            Bad::UnknownIssuer | Bad::BadSignature => {
                "; name the certificate of the CA that signed the server's: sslrootcert=FILE in the address"
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "; write the host name that its certificate is for, or give it one for this host"
            }
            Bad::Expired | Bad::ExpiredContext { .. } => "; renew the server's certificate",
            _ => "",
        },
        _ => "",
    }
}
