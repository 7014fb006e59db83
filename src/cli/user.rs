//! `outrigger user`: accounts.

use clap::{Args, Subcommand};

use super::accounts::{PasswordArgs, PlaceArgs, named};
use super::terminal::print;
use crate::auth::account::{NewUser, Status};
use crate::auth::role::Role;
use crate::auth::service::{Auth, Changes, Wanted};
use crate::config::overrides::Environment;

#[derive(Debug, Args)]
pub(super) struct UserArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make an account; the first one is usually --role admin.
    Add {
        /// The name to log in with.
        name: String,
        /// The address.
        #[arg(long)]
        email: String,
        /// As people call him; the name unless given.
        #[arg(long)]
        full_name: Option<String>,
        /// viewer, editor or admin.
        #[arg(long, default_value = "viewer")]
        role: Role,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// List the accounts, the newest first.
    List,
    /// Give somebody another role; it counts at once.
    SetRole {
        /// Whom.
        name: String,
        /// viewer, editor or admin.
        role: Role,
    },
    /// Let somebody in no more, and end his sessions.
    Suspend {
        /// Whom.
        name: String,
    },
    /// Let somebody in again.
    Activate {
        /// Whom.
        name: String,
    },
    /// Set somebody's password, and end his sessions.
    Password {
        /// Whose.
        name: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// End all sessions of somebody.
    Logout {
        /// Whose.
        name: String,
    },
    /// Remove an account with its sessions and API keys.
    Delete {
        /// Whose.
        name: String,
    },
}

/// Runs it.
pub(super) fn user(args: UserArgs, environment: Environment) -> u8 {
    let what = args.what;
    args.place
        .run(environment, async move |auth| run(auth, what).await)
}

async fn run(auth: &Auth, what: What) -> anyhow::Result<()> {
    match what {
        What::Add {
            name,
            email,
            full_name,
            role,
            password,
        } => {
            let user = NewUser {
                full_name: full_name.unwrap_or_else(|| name.clone()),
                username: name,
                email,
                password: password.read()?,
                role,
            };
            let user = auth.add_user(user).await?;
            print(&format!("{} {} {}\n", user.id, user.username, user.role));
        }
        What::List => list(auth).await?,
        What::SetRole { name, role } => {
            let role = Some(role);
            change(auth, &name, |changes| Changes { role, ..changes }).await?;
        }
        What::Suspend { name } => {
            let status = Some(Status::Suspended);
            change(auth, &name, |changes| Changes { status, ..changes }).await?;
        }
        What::Activate { name } => {
            let status = Some(Status::Active);
            change(auth, &name, |changes| Changes { status, ..changes }).await?;
        }
        What::Password { name, password } => {
            let user = named(auth, &name).await?;
            auth.set_password(&user.id, &password.read()?).await?;
        }
        What::Logout { name } => {
            auth.log_out_everywhere(&named(auth, &name).await?.id)
                .await?;
        }
        What::Delete { name } => {
            auth.delete_user(&named(auth, &name).await?.id).await?;
        }
    }
    Ok(())
}

async fn change(
    auth: &Auth,
    name: &str,
    with: impl FnOnce(Changes) -> Changes,
) -> anyhow::Result<()> {
    let user = named(auth, name).await?;
    auth.change_user(&user.id, with(Changes::default())).await?;
    Ok(())
}

async fn list(auth: &Auth) -> anyhow::Result<()> {
    const PAGE: u32 = 500;
    let mut offset = 0;
    loop {
        let wanted = Wanted {
            limit: PAGE,
            offset,
            ..Wanted::default()
        };
        let users = auth.users(wanted).await?;
        for user in &users {
            let last = user
                .last_login_at
                .map_or_else(|| "never".to_owned(), |at| at.to_rfc3339());
            print(&format!(
                "{} {:20} {:7} {:10} last login {last}\n",
                user.id, user.username, user.role, user.status
            ));
        }
        if users.len() < PAGE as usize {
            return Ok(());
        }
        offset += PAGE;
    }
}
