//! Who a request is from.

use std::sync::Arc;
use std::time::Duration;

use super::super::account::{self, Status};
use super::super::caller::{Identity, Proof};
use super::super::error::AuthError;
use super::super::jwt;
use super::super::role::Scopes;
use super::super::signing::SigningKey;
use super::super::token::{self, Kind};
use super::keys::{is_good, scopes_of};
use super::{Account, Auth, REREAD_KEYS, or_remembered, remember, remembered};
use crate::db::auth::{self, By, keys, sessions};
use crate::model::timestamp::Timestamp;

/// How exactly the last use of a key is known.
const LAST_USE: Duration = Duration::from_secs(60);
/// Access tokens of sessions that ended longer ago than they last plus this are too old anyway.
const SLACK: Duration = Duration::from_secs(60);

impl Auth {
    /// Who holds an access token or an API key.
    ///
    /// # Errors
    /// Where it is not good, or its owner not active.
    pub async fn bearer(&self, text: &str) -> Result<Identity, AuthError> {
        let found = if text.starts_with(Kind::ApiKey.prefix()) {
            self.api_key(text).await
        } else {
            self.access(text).await
        };
        if found.is_err() {
            self.0.metrics.refused();
        }
        found
    }

    async fn access(&self, text: &str) -> Result<Identity, AuthError> {
        let now = self.now();
        let id = jwt::key_id(text).ok_or(AuthError::Token)?;
        let mut keys = self.0.signing.load_full();
        let known = |keys: &[Arc<SigningKey>]| keys.iter().any(|key| key.id() == id);
        if !known(&keys) && self.may_reread_keys(now) {
            // After a start, and where another process made a key.
            keys = self.read_signing_keys().await?;
        }
        let key = keys.iter().find(|key| key.id() == id);
        let claims = jwt::verify(text, key.ok_or(AuthError::Token)?, now)?;
        let account = self.account(&claims.sub).await?.ok_or(AuthError::Token)?;
        let row = &account.row;
        if account::status_of(row) != Status::Active
            || row.epoch != claims.epoch
            || account.ended_sessions.contains(&claims.sid)
        {
            return Err(AuthError::Token);
        }
        let proof = Proof::Session(claims.sid.as_str().into());
        Ok(identity(&account, None, proof))
    }

    /// Whether the keys have not been read for a while: tokens of keys that never were cost no reading each.
    fn may_reread_keys(&self, now: Timestamp) -> bool {
        let read = *self.0.signing_read.lock();
        read.is_none_or(|read| now < read || now.since(read) >= REREAD_KEYS)
    }

    async fn api_key(&self, text: &str) -> Result<Identity, AuthError> {
        let now = self.now();
        let hash = token::hash(Kind::ApiKey, text).ok_or(AuthError::ApiKey)?;
        if let Some(known) = remembered(&self.0.proofs, &hash, now) {
            return Ok(known);
        }
        let read = self.read_api_key(&hash, now).await;
        or_remembered(read, &self.0.proofs, &hash, now)
    }

    async fn read_api_key(&self, hash: &str, now: Timestamp) -> Result<Identity, AuthError> {
        let database = &self.0.database;
        let row = keys::by_hash(database, hash).await?;
        let row = row
            .filter(|row| token::same(&row.hash, hash) && is_good(row, now))
            .ok_or(AuthError::ApiKey)?;
        let account = self.account(&row.user).await?.ok_or(AuthError::ApiKey)?;
        if account::status_of(&account.row) != Status::Active {
            return Err(AuthError::ApiKey);
        }
        if row.last_used_at.is_none_or(|at| now.since(at) >= LAST_USE) {
            match self.note_use(&row.id, now).await {
                // The key is good, even where nobody can write that it was used.
                Err(AuthError::Database(error)) if error.retry_after().is_some() => {}
                noted => noted?,
            }
        }
        let proof = Proof::ApiKey(row.id.as_str().into());
        let identity = identity(&account, Some(scopes_of(&row)), proof);
        remember(&self.0.proofs, hash, identity.clone(), now);
        Ok(identity)
    }

    async fn note_use(&self, key: &str, now: Timestamp) -> Result<(), AuthError> {
        let mut transaction = self.0.database.begin().await?;
        keys::used(&mut transaction, key, now).await?;
        Ok(transaction.commit().await?)
    }

    /// Whose browser a cookie is from; of a cookie that is not good nobody's.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn cookie(&self, text: &str) -> Result<Option<Identity>, AuthError> {
        let now = self.now();
        let Some(hash) = token::hash(Kind::Cookie, text) else {
            return Ok(None);
        };
        if let Some(known) = remembered(&self.0.proofs, &hash, now) {
            return Ok(Some(known));
        }
        let read = self.read_cookie(&hash, now).await;
        match or_remembered(read, &self.0.proofs, &hash, now) {
            Ok(identity) => Ok(Some(identity)),
            Err(AuthError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read_cookie(&self, hash: &str, now: Timestamp) -> Result<Identity, AuthError> {
        let session = sessions::of_cookie(&self.0.database, hash).await?;
        let good = session.filter(|row| row.revoked_at.is_none() && now < row.expires_at);
        let session = good.ok_or(AuthError::Missing)?;
        let account = self.account(&session.user).await?;
        let account = account.filter(|account| account::status_of(&account.row) == Status::Active);
        let account = account.ok_or(AuthError::Missing)?;
        let proof = Proof::Session(session.id.as_str().into());
        let identity = identity(&account, None, proof);
        remember(&self.0.proofs, hash, identity.clone(), now);
        Ok(identity)
    }

    async fn account(&self, id: &str) -> Result<Option<Account>, AuthError> {
        let now = self.now();
        if let Some(known) = remembered(&self.0.accounts, id, now) {
            return Ok(Some(known));
        }
        let read = self.read_account(id, now).await;
        match or_remembered(read, &self.0.accounts, id, now) {
            Ok(account) => Ok(Some(account)),
            Err(AuthError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read_account(&self, id: &str, now: Timestamp) -> Result<Account, AuthError> {
        let database = &self.0.database;
        let row = auth::user(database, By::Id(id)).await?;
        let row = row.ok_or(AuthError::NotFound { what: "User" })?;
        let since: Timestamp = now - (self.0.config.access_token + SLACK);
        let ended = sessions::revoked_since(database, id, since).await?;
        let account = Account {
            row: Arc::new(row),
            ended_sessions: ended.into(),
        };
        remember(&self.0.accounts, id, account.clone(), now);
        Ok(account)
    }
}

fn identity(account: &Account, scopes: Option<Scopes>, proof: Proof) -> Identity {
    let role = account::role_of(&account.row);
    Identity {
        id: account.row.id.as_str().into(),
        name: account.row.username.as_str().into(),
        role,
        scopes: scopes.unwrap_or_else(|| role.scopes()),
        proof,
    }
}
