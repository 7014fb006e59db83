//! Accounts: making, finding, changing and removing them.

use super::super::account::{self, NewUser, Status};
use super::super::error::AuthError;
use super::super::metrics::Login;
use super::super::password;
use super::super::role::Role;
use super::Auth;
use crate::db::auth::{self, By, UserRow, UsersWanted, sessions};
use crate::model::secret::Secret;

/// Which accounts are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Those of this role.
    pub role: Option<Role>,
    /// Those of this status.
    pub status: Option<Status>,
    /// At most so many.
    pub limit: u32,
    /// After so many.
    pub offset: u32,
}

/// What is to change of an account; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The address.
    pub email: Option<String>,
    /// The full name.
    pub full_name: Option<String>,
    /// The role.
    pub role: Option<Role>,
    /// The status.
    pub status: Option<Status>,
}

impl Auth {
    /// Makes an account.
    ///
    /// # Errors
    /// Where fields are wrong, or name or address is taken.
    pub async fn add_user(&self, user: NewUser) -> Result<UserRow, AuthError> {
        let user = user.checked().map_err(AuthError::Fields)?;
        let database = &self.0.database;
        // Asked before the hash, which costs, and again within the transaction.
        for (field, by) in [
            ("username", By::Username(&user.username)),
            ("email", By::Email(&user.email)),
        ] {
            if auth::user(database, by).await?.is_some() {
                return Err(AuthError::Taken { field });
            }
        }
        let password_hash = self.0.hasher.hash(&user.password).await?;
        let now = self.now();
        let row = UserRow {
            id: uuid::Uuid::new_v4().to_string(),
            username: user.username,
            email: user.email,
            full_name: user.full_name,
            role: user.role.as_str().to_owned(),
            status: Status::Active.as_str().to_owned(),
            password_hash,
            epoch: 0,
            created_at: now,
            updated_at: now,
            last_login_at: None,
        };
        let mut transaction = database.begin().await?;
        for (field, by) in [
            ("username", By::Username(&row.username)),
            ("email", By::Email(&row.email)),
        ] {
            if auth::user_within(&mut transaction, by).await?.is_some() {
                return Err(AuthError::Taken { field });
            }
        }
        auth::insert_user(&mut transaction, &row).await?;
        transaction.commit().await?;
        tracing::info!(user.id = row.id, role = row.role, "account made");
        Ok(row)
    }

    /// Makes an account for somebody who asks for it himself: always a viewer.
    ///
    /// # Errors
    /// Where registration is closed; else as [`Auth::add_user`].
    pub async fn register(&self, user: NewUser) -> Result<UserRow, AuthError> {
        if !self.0.config.open_registration {
            return Err(AuthError::RegistrationClosed);
        }
        let role = Role::Viewer;
        self.add_user(NewUser { role, ..user }).await
    }

    /// An account.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn user(&self, by: By<'_>) -> Result<UserRow, AuthError> {
        let found = auth::user(&self.0.database, by).await?;
        found.ok_or(AuthError::NotFound { what: "User" })
    }

    /// Accounts, newest first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn users(&self, wanted: Wanted) -> Result<Vec<UserRow>, AuthError> {
        let wanted = UsersWanted {
            role: wanted.role.map(Role::as_str),
            status: wanted.status.map(Status::as_str),
            limit: wanted.limit,
            offset: wanted.offset,
        };
        Ok(auth::users(&self.0.database, wanted).await?)
    }

    /// Changes an account. A role counts from now on; who is no longer active is logged out everywhere.
    ///
    /// # Errors
    /// Where fields are wrong, the address is taken, or there is no such account.
    pub async fn change_user(&self, id: &str, changes: Changes) -> Result<UserRow, AuthError> {
        let now = self.now();
        let mut transaction = self.0.database.begin().await?;
        let found = auth::user_within(&mut transaction, By::Id(id)).await?;
        let mut row = found.ok_or(AuthError::NotFound { what: "User" })?;
        if let Some(email) = changes.email {
            let email = email.trim().to_lowercase();
            account::check_email(&email).map_err(|error| AuthError::field("email", error))?;
            let other = auth::user_within(&mut transaction, By::Email(&email)).await?;
            if other.is_some_and(|other| other.id != row.id) {
                return Err(AuthError::Taken { field: "email" });
            }
            row.email = email;
        }
        if let Some(full_name) = changes.full_name {
            let full_name = full_name.trim().to_owned();
            account::check_full_name(&full_name)
                .map_err(|error| AuthError::field("full_name", error))?;
            row.full_name = full_name;
        }
        if let Some(role) = changes.role {
            row.role = role.as_str().to_owned();
        }
        if let Some(status) = changes.status {
            row.status = status.as_str().to_owned();
            if status != Status::Active {
                row.epoch += 1;
                sessions::revoke_all(&mut transaction, &row.id, now).await?;
            }
        }
        row.updated_at = now;
        auth::update_user(&mut transaction, &row).await?;
        transaction.commit().await?;
        self.changed(&row.id);
        tracing::info!(
            user.id = row.id,
            role = row.role,
            status = row.status,
            "account changed"
        );
        Ok(row)
    }

    /// Removes an account with its sessions and keys.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn delete_user(&self, id: &str) -> Result<(), AuthError> {
        let mut transaction = self.0.database.begin().await?;
        if !auth::delete_user(&mut transaction, id).await? {
            return Err(AuthError::NotFound { what: "User" });
        }
        transaction.commit().await?;
        self.changed(id);
        tracing::info!(user.id = id, "account deleted");
        Ok(())
    }

    /// Changes somebody's password, who knows the present one, and logs him out everywhere.
    ///
    /// # Errors
    /// Where the present one is wrong, or the new one too weak.
    pub async fn change_password(
        &self,
        id: &str,
        current: &Secret,
        new: &Secret,
        address: std::net::IpAddr,
    ) -> Result<(), AuthError> {
        let row = self.user(By::Id(id)).await?;
        // Who holds a stolen token does not try passwords here either.
        self.attempt(&row.username, address)?;
        let right = self.0.hasher.verify(current, Some(&row.password_hash));
        if !right.await? {
            self.0.metrics.login(Login::Failed);
            return Err(AuthError::CurrentPassword);
        }
        self.0.attempts.lock().succeeded(&row.username, address);
        self.set_password(id, new).await
    }

    /// Sets somebody's password, and logs him out everywhere.
    ///
    /// # Errors
    /// Where it is too weak, or there is no such account.
    pub async fn set_password(&self, id: &str, new: &Secret) -> Result<(), AuthError> {
        let row = self.user(By::Id(id)).await?;
        password::check(new.expose(), &row.username)
            .map_err(|error| AuthError::field("new_password", error))?;
        let hash = self.0.hasher.hash(new).await?;
        self.log_out(id, Some(hash)).await
    }

    /// Ends all sessions and access tokens of somebody.
    ///
    /// # Errors
    /// Where there is no such account.
    pub async fn log_out_everywhere(&self, id: &str) -> Result<(), AuthError> {
        self.log_out(id, None).await
    }

    async fn log_out(&self, id: &str, password: Option<Secret>) -> Result<(), AuthError> {
        let now = self.now();
        let mut transaction = self.0.database.begin().await?;
        let found = auth::user_within(&mut transaction, By::Id(id)).await?;
        let mut row = found.ok_or(AuthError::NotFound { what: "User" })?;
        if let Some(hash) = password {
            row.password_hash = hash;
        }
        row.epoch += 1;
        row.updated_at = now;
        auth::update_user(&mut transaction, &row).await?;
        sessions::revoke_all(&mut transaction, id, now).await?;
        transaction.commit().await?;
        self.changed(id);
        tracing::info!(user.id = id, "logged out everywhere");
        Ok(())
    }

    /// Counts an attempt to prove a password.
    pub(super) fn attempt(&self, name: &str, address: std::net::IpAddr) -> Result<(), AuthError> {
        let limits = self.0.config.login;
        let now = self.now();
        let counted = self.0.attempts.lock().begin(limits, name, address, now);
        counted.map_err(|wait| {
            self.0.metrics.login(Login::Locked);
            AuthError::Locked(wait)
        })
    }
}
