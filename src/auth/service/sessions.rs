//! Logging in, exchanging refresh tokens, logging out.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::account::{self, Status};
use super::super::error::AuthError;
use super::super::jwt::{self, Claims, Subject};
use super::super::metrics::Login;
use super::super::refresh::{self, Presented, Verdict};
use super::super::signing::{self, SigningKey};
use super::super::token::{self, Kind};
use super::Auth;
use crate::db::auth::sessions::{self, RefreshRow, SessionRow};
use crate::db::auth::{self, By, UserRow, keys};
use crate::model::secret::Secret;

/// What a login yields.
#[derive(Debug)]
pub struct Tokens {
    /// For requests.
    pub access: Secret,
    /// For the next ones; good once.
    pub refresh: Secret,
    /// Names the refresh token.
    pub refresh_id: String,
    /// Seconds that the access token lasts.
    pub expires_in: u64,
}

impl Auth {
    /// Whose name and password these are. An unknown name takes as long as a wrong password.
    ///
    /// # Errors
    /// Where they are nobody's, or there were too many failures.
    pub async fn check_password(
        &self,
        username: &str,
        password: &Secret,
        address: IpAddr,
    ) -> Result<UserRow, AuthError> {
        let metrics = &self.0.metrics;
        self.attempt(username, address)?;
        let found = auth::user(&self.0.database, By::Username(username)).await?;
        let stored = found.as_ref().map(|row| &row.password_hash);
        let right = match self.0.hasher.verify(password, stored).await {
            Ok(right) => right,
            Err(error) => {
                metrics.login(Login::Busy);
                return Err(error.into());
            }
        };
        match found {
            Some(row) if right && account::status_of(&row) == Status::Active => {
                self.0.attempts.lock().succeeded(username, address);
                metrics.login(Login::Succeeded);
                Ok(row)
            }
            _ => {
                metrics.login(Login::Failed);
                tracing::warn!(%address, "login failed");
                Err(AuthError::Credentials)
            }
        }
    }

    /// Begins a session of a program: an access token and a refresh token.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn begin_session(&self, user: &UserRow) -> Result<Tokens, AuthError> {
        let now = self.now();
        let session = SessionRow {
            id: uuid::Uuid::new_v4().to_string(),
            user: user.id.clone(),
            cookie_hash: None,
            created_at: now,
            expires_at: now + self.0.config.refresh_token,
            revoked_at: None,
        };
        let key = self.signing_key().await?;
        let access = self.access_token(&key, user, &session.id)?;
        let mut transaction = self.0.database.begin().await?;
        sessions::prune(&mut transaction, now - self.0.config.access_token).await?;
        sessions::insert(&mut transaction, &session).await?;
        self.note_login(&mut transaction, user).await?;
        let tokens = self.add_refresh(&mut transaction, session, access).await?;
        transaction.commit().await?;
        Ok(tokens)
    }

    /// Begins a session of a browser: its cookie.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn begin_browser_session(&self, user: &UserRow) -> Result<Secret, AuthError> {
        let now = self.now();
        let cookie = token::generate(Kind::Cookie);
        let session = SessionRow {
            id: uuid::Uuid::new_v4().to_string(),
            user: user.id.clone(),
            cookie_hash: token::hash(Kind::Cookie, cookie.expose()),
            created_at: now,
            expires_at: now + self.0.config.session,
            revoked_at: None,
        };
        let mut transaction = self.0.database.begin().await?;
        sessions::prune(&mut transaction, now - self.0.config.access_token).await?;
        sessions::insert(&mut transaction, &session).await?;
        self.note_login(&mut transaction, user).await?;
        transaction.commit().await?;
        Ok(cookie)
    }

    async fn note_login(
        &self,
        transaction: &mut crate::db::sql::Transaction,
        user: &UserRow,
    ) -> Result<(), AuthError> {
        // The row may have changed while the password was hashed.
        let found = auth::user_within(transaction, By::Id(&user.id)).await?;
        let mut row = found
            .filter(|row| row.epoch == user.epoch && account::status_of(row) == Status::Active)
            .ok_or(AuthError::Credentials)?;
        row.last_login_at = Some(self.now());
        Ok(auth::update_user(transaction, &row).await?)
    }

    /// Exchanges a refresh token for the next tokens.
    ///
    /// # Errors
    /// Where it is not good; a replayed one ends its session.
    pub async fn refresh(&self, presented: &str) -> Result<Tokens, AuthError> {
        let now = self.now();
        let metrics = &self.0.metrics;
        let Some(hash) = token::hash(Kind::Refresh, presented) else {
            metrics.refresh(None);
            return Err(AuthError::Refresh);
        };
        // Of a token that nobody has the writer is not bothered.
        if !sessions::is_refresh(&self.0.database, &hash).await? {
            metrics.refresh(None);
            return Err(AuthError::Refresh);
        }
        // Before the transaction: making a key takes a while, and writes.
        let key = self.signing_key().await?;
        let mut transaction = self.0.database.begin().await?;
        let Some(row) = sessions::refresh(&mut transaction, &hash).await? else {
            metrics.refresh(None);
            return Err(AuthError::Refresh);
        };
        let user = auth::user_within(&mut transaction, By::Id(&row.session.user)).await?;
        let token = Presented {
            expires_at: row.expires_at,
            used_at: row.used_at,
            revoked: row.session.revoked_at.is_some(),
            status: user.as_ref().map(account::status_of),
        };
        let verdict = refresh::decide(token, self.0.config.refresh_grace, now);
        metrics.refresh(Some(verdict));
        match (verdict, user) {
            (Verdict::Rotate, Some(user)) => {
                sessions::use_refresh(&mut transaction, &hash, now).await?;
                let until = now + self.0.config.refresh_token;
                sessions::extend(&mut transaction, &row.session.id, until).await?;
                let access = self.access_token(&key, &user, &row.session.id)?;
                let tokens = self.add_refresh(&mut transaction, row.session, access);
                let tokens = tokens.await?;
                transaction.commit().await?;
                Ok(tokens)
            }
            (Verdict::Replayed, _) => {
                sessions::revoke(&mut transaction, &row.session.id, now).await?;
                transaction.commit().await?;
                self.changed(&row.session.user);
                tracing::warn!(
                    user.id = row.session.user,
                    session = row.session.id,
                    "refresh token used twice; session ended"
                );
                Err(AuthError::Refresh)
            }
            (Verdict::Raced, _) => Err(AuthError::Raced),
            (Verdict::Rotate | Verdict::Revoked | Verdict::Expired | Verdict::NotActive, _) => {
                Err(AuthError::Refresh)
            }
        }
    }

    /// Ends the session of a refresh token, where it is this user's; a token of nobody is no error.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn log_out_session(&self, user: &str, presented: &str) -> Result<(), AuthError> {
        let Some(hash) = token::hash(Kind::Refresh, presented) else {
            return Ok(());
        };
        let mut transaction = self.0.database.begin().await?;
        let row = sessions::refresh(&mut transaction, &hash).await?;
        if let Some(row) = row.filter(|row| row.session.user == user) {
            sessions::revoke(&mut transaction, &row.session.id, self.now()).await?;
            transaction.commit().await?;
            self.changed(user);
        }
        Ok(())
    }

    /// Ends one session of a user.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn end_session(&self, user: &str, session: &str) -> Result<(), AuthError> {
        let mut transaction = self.0.database.begin().await?;
        sessions::revoke(&mut transaction, session, self.now()).await?;
        transaction.commit().await?;
        self.changed(user);
        Ok(())
    }

    async fn add_refresh(
        &self,
        transaction: &mut crate::db::sql::Transaction,
        session: SessionRow,
        access: Secret,
    ) -> Result<Tokens, AuthError> {
        let now = self.now();
        let refresh = token::generate(Kind::Refresh);
        let hash = token::hash(Kind::Refresh, refresh.expose()).ok_or(AuthError::Refresh)?;
        let row = RefreshRow {
            hash,
            id: uuid::Uuid::new_v4().to_string(),
            session,
            created_at: now,
            expires_at: now + self.0.config.refresh_token,
            used_at: None,
        };
        sessions::insert_refresh(transaction, &row).await?;
        Ok(Tokens {
            access,
            refresh,
            refresh_id: row.id,
            expires_in: self.0.config.access_token.as_secs(),
        })
    }

    fn access_token(
        &self,
        key: &SigningKey,
        user: &UserRow,
        session: &str,
    ) -> Result<Secret, AuthError> {
        let now = self.now();
        let subject = Subject {
            user: &user.id,
            username: &user.username,
            role: &user.role,
            session,
            epoch: user.epoch,
        };
        let claims = Claims::new(subject, now, now + self.0.config.access_token);
        Ok(Secret::new(jwt::sign(&claims, key)?))
    }

    /// The key that signs now; made where there is none, and replaced where it is old.
    async fn signing_key(&self) -> Result<Arc<SigningKey>, AuthError> {
        let now = self.now();
        let signs = |keys: &[Arc<SigningKey>]| {
            let made: Vec<_> = keys.iter().map(|key| key.created_at()).collect();
            let config = &self.0.config;
            signing::plan(&made, config.key_rotation, config.access_token, now)
        };
        let keys = self.0.signing.load_full();
        let plan = signs(&keys);
        if let Some(i) = plan.signs
            && !plan.make
            && plan.remove.is_empty()
        {
            return Ok(Arc::clone(&keys[i]));
        }
        let _one_at_a_time = self.0.making_key.lock().await;
        let keys = self.read_signing_keys().await?;
        let plan = signs(&keys);
        if plan.make || !plan.remove.is_empty() {
            let fresh = if plan.make {
                let id = uuid::Uuid::new_v4().to_string();
                let made = tokio::task::spawn_blocking(move || signing::generate(id, now)).await;
                Some(made.map_err(|_| AuthError::SigningKey("make signing key failed"))?)
            } else {
                None
            };
            let mut transaction = self.0.database.begin().await?;
            // Another process may have been faster; two keys do no harm.
            if let Some(row) = &fresh {
                keys::insert_signing(&mut transaction, row).await?;
                tracing::info!(key.id = row.id, "signing key made");
            }
            for i in plan.remove {
                keys::remove_signing(&mut transaction, keys[i].id()).await?;
            }
            transaction.commit().await?;
        }
        let keys = self.read_signing_keys().await?;
        let i = signs(&keys).signs;
        i.and_then(|i| keys.get(i).map(Arc::clone))
            .ok_or(AuthError::SigningKey("no signing key"))
    }

    /// All keys that tokens may be signed with, as the database has them.
    pub(super) async fn read_signing_keys(&self) -> Result<Arc<Vec<Arc<SigningKey>>>, AuthError> {
        let rows = keys::signing(&self.0.database).await?;
        let keys: Result<Vec<_>, AuthError> = rows
            .iter()
            .map(|row| Ok(Arc::new(SigningKey::read(row)?)))
            .collect();
        let keys = Arc::new(keys?);
        self.0.signing.store(Arc::clone(&keys));
        *self.0.signing_read.lock() = Some(self.now());
        Ok(keys)
    }

    /// The public halves of the keys, as a JSON Web Key Set (RFC 7517).
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn key_set(&self) -> Result<serde_json::Value, AuthError> {
        self.signing_key().await?;
        let keys = self.0.signing.load();
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        Ok(serde_json::json!({"keys": keys}))
    }
}
