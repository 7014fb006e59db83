//! API keys: making, listing and revoking them.

use super::super::account;
use super::super::error::AuthError;
use super::super::role::{Scope, Scopes};
use super::super::token::{self, Kind};
use super::Auth;
use crate::db::auth::By;
use crate::db::auth::keys::{self, ApiKeyRow};
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;

/// The most good keys that one account may have.
const MOST: usize = 100;

/// A key that is asked for.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A key that was made.
#[derive(Debug)]
pub struct MadeKey {
    /// The key itself: shown once.
    pub key: Secret,
    /// What is stored.
    pub row: ApiKeyRow,
}

impl Auth {
    /// Makes an API key.
    ///
    /// # Errors
    /// Where fields are wrong, or a scope is above the account's role.
    pub async fn add_key(&self, user: &str, new: NewKey) -> Result<MadeKey, AuthError> {
        let now = self.now();
        let row = self.user(By::Id(user)).await?;
        let name = new.name.trim();
        if !(1..=100).contains(&name.chars().count()) {
            return Err(AuthError::field(
                "name",
                "name must have 1 to 100 characters",
            ));
        }
        if new.description.chars().count() > 500 {
            return Err(AuthError::field(
                "description",
                "description must have at most 500 characters",
            ));
        }
        if new.scopes.is_empty() {
            let all = Scope::ALL.map(Scope::as_str).join(", ");
            let message = format!("scopes must name at least one of {all}");
            return Err(AuthError::field("scopes", message));
        }
        let role = account::role_of(&row);
        let above: Vec<&str> = new.scopes.above(role).map(Scope::as_str).collect();
        if !above.is_empty() {
            let message = format!("scopes above the role {role}: {}", above.join(", "));
            return Err(AuthError::field("scopes", message));
        }
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(AuthError::field(
                "expires_at",
                "expires_at must be in the future",
            ));
        }
        let have = keys::list(&self.0.database, Some(user)).await?;
        if have.iter().filter(|key| is_good(key, now)).count() >= MOST {
            let message = format!("an account may have {MOST} API keys; revoke one first");
            return Err(AuthError::field("name", message));
        }
        let key = token::generate(Kind::ApiKey);
        let hash = token::hash(Kind::ApiKey, key.expose()).ok_or(AuthError::ApiKey)?;
        let scopes: Vec<&str> = new.scopes.iter().map(Scope::as_str).collect();
        let row = ApiKeyRow {
            id: uuid::Uuid::new_v4().to_string(),
            user: user.to_owned(),
            name: name.to_owned(),
            description: new.description,
            hash,
            scopes: scopes.join(","),
            created_at: now,
            expires_at: new.expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        let mut transaction = self.0.database.begin().await?;
        keys::insert(&mut transaction, &row).await?;
        transaction.commit().await?;
        tracing::info!(user.id = user, key.id = row.id, "API key made");
        Ok(MadeKey { key, row })
    }

    /// API keys of somebody, newest first; of everybody where nobody is named.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn keys(&self, user: Option<&str>) -> Result<Vec<ApiKeyRow>, AuthError> {
        Ok(keys::list(&self.0.database, user).await?)
    }

    /// An API key.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn key(&self, id: &str) -> Result<ApiKeyRow, AuthError> {
        let found = keys::by_id(&self.0.database, id).await?;
        found.ok_or(AuthError::NotFound { what: "API key" })
    }

    /// Ends an API key; ending it twice is no error.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn revoke_key(&self, id: &str) -> Result<(), AuthError> {
        let row = self.key(id).await?;
        let mut transaction = self.0.database.begin().await?;
        keys::revoke(&mut transaction, id, self.now()).await?;
        transaction.commit().await?;
        self.changed(&row.user);
        tracing::info!(user.id = row.user, key.id = id, "API key revoked");
        Ok(())
    }
}

/// Whether a key is neither revoked nor too old.
pub(super) fn is_good(key: &ApiKeyRow, now: Timestamp) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end)
}

/// The scopes of a row; words that do not read are none.
pub(super) fn scopes_of(key: &ApiKeyRow) -> Scopes {
    key.scopes
        .split(',')
        .filter_map(|word| word.parse::<Scope>().ok())
        .collect()
}
