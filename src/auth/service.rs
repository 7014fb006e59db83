//! Authentication at work: accounts, sessions and keys in the database, and who a request is from.
//!
//! ```text
//!   Authorization: Bearer <access token> ─▶ signature, end ─┐
//!   Authorization: Bearer mdl_…, X-API-Key ─▶ SHA-256 ──────┼─▶ the account now: role, status, epoch ─▶ Identity
//!   Cookie ─▶ SHA-256 ──────────────────────────────────────┘
//! ```
//!
//! What the database said of an account or key is believed for a second; a change through this process counts at once, one
//! by another (a command, a second Outrigger at the same database) within about two seconds.

mod accounts;
mod identify;
mod keys;
mod sessions;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

pub use self::accounts::{Changes, Wanted};
pub use self::keys::{MadeKey, NewKey};
pub use self::sessions::Tokens;

use super::attempts::Attempts;
use super::caller::Identity;
use super::config::AuthConfig;
use super::error::AuthError;
use super::metrics::Metrics;
use super::password::Hasher;
use super::signing::SigningKey;
use crate::clock::Clock;
use crate::db::auth::UserRow;
use crate::db::sql::Sql;
use crate::model::timestamp::Timestamp;

/// How long an answer of the database is believed.
const BELIEVED: Duration = Duration::from_secs(1);
/// How long it is believed while the database is down: nothing can be revoked then, and who delivers alerts must not be sent
/// away. Access tokens end by themselves long before.
const BELIEVED_WHILE_DOWN: Duration = Duration::from_secs(24 * 3600);
/// How often the signing keys are read again for a token whose key is not known: another process may have made it.
const REREAD_KEYS: Duration = Duration::from_secs(10);
/// The most accounts and keys that are remembered at a time.
const REMEMBERED: usize = 10_000;

/// Authentication. Clones share everything.
#[derive(Clone, Debug)]
pub struct Auth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: AuthConfig,
    database: Sql,
    clock: Clock,
    hasher: Hasher,
    metrics: Metrics,
    attempts: Mutex<Attempts>,
    accounts: Mutex<HashMap<String, Known<Account>>>,
    proofs: Mutex<HashMap<String, Known<Identity>>>,
    signing: ArcSwap<Vec<Arc<SigningKey>>>,
    signing_read: Mutex<Option<Timestamp>>,
    making_key: tokio::sync::Mutex<()>,
}

/// Something read from the database, and when.
#[derive(Clone, Debug)]
struct Known<T> {
    what: T,
    since: Timestamp,
}

/// An account, with its sessions that were ended while access tokens of them may be about.
#[derive(Clone, Debug)]
struct Account {
    row: Arc<UserRow>,
    ended_sessions: Arc<[String]>,
}

impl Auth {
    /// Authentication over a database.
    pub fn new(config: AuthConfig, database: Sql, clock: Clock, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            hasher: Hasher::new(config.password),
            config,
            database,
            clock,
            metrics,
            attempts: Mutex::default(),
            accounts: Mutex::default(),
            proofs: Mutex::default(),
            signing: ArcSwap::default(),
            signing_read: Mutex::default(),
            making_key: tokio::sync::Mutex::default(),
        }))
    }

    /// Its settings.
    pub fn config(&self) -> &AuthConfig {
        &self.0.config
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Forgets what is known of an account and of all keys and cookies: it was changed here.
    fn changed(&self, user: &str) {
        self.0.accounts.lock().remove(user);
        self.0.proofs.lock().clear();
    }
}

fn remembered<T: Clone>(
    known: &Mutex<HashMap<String, Known<T>>>,
    key: &str,
    now: Timestamp,
) -> Option<T> {
    remembered_for(BELIEVED, known, key, now)
}

/// What the database said, or, where it is down, what it said last.
fn or_remembered<T: Clone>(
    read: Result<T, AuthError>,
    known: &Mutex<HashMap<String, Known<T>>>,
    key: &str,
    now: Timestamp,
) -> Result<T, AuthError> {
    match read {
        Err(AuthError::Database(error)) if error.retry_after().is_some() => {
            let last = remembered_for(BELIEVED_WHILE_DOWN, known, key, now);
            last.ok_or(AuthError::Database(error))
        }
        read => read,
    }
}

fn remembered_for<T: Clone>(
    believed: Duration,
    known: &Mutex<HashMap<String, Known<T>>>,
    key: &str,
    now: Timestamp,
) -> Option<T> {
    let known = known.lock();
    let found = known.get(key)?;
    // A clock that steps back makes nothing last longer.
    let fresh = found.since <= now && now.since(found.since) < believed;
    fresh.then(|| found.what.clone())
}

fn remember<T>(known: &Mutex<HashMap<String, Known<T>>>, key: &str, what: T, now: Timestamp) {
    let mut known = known.lock();
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(key.to_owned(), Known { what, since: now });
}

#[cfg(test)]
mod tests;
