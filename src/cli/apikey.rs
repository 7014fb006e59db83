//! `outrigger apikey`: keys for programs.

use clap::{Args, Subcommand};

use super::accounts::{PlaceArgs, named};
use super::terminal::{complain, print};
use crate::auth::role::Scope;
use crate::auth::service::{Auth, NewKey};
use crate::clock::Clock;
use crate::config::overrides::Environment;
use crate::model::duration;

#[derive(Debug, Args)]
pub(super) struct ApikeyArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a key and print it; it is not shown again.
    Add {
        /// Whose rights it has, within its scopes.
        user: String,
        /// What it is called.
        name: String,
        /// What it may do, such as monitoring:read or metrics:write; may be repeated.
        #[arg(long = "scope", required = true, value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// What it is for.
        #[arg(long, default_value = "")]
        description: String,
        /// After how long it ends, such as 90d; never unless given.
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
    },
    /// List keys, the newest first; those of one account where it is named.
    List {
        /// Whose.
        user: Option<String>,
    },
    /// End a key.
    Revoke {
        /// The id, as `list` shows it.
        id: String,
    },
}

/// Runs it.
pub(super) fn apikey(args: ApikeyArgs, environment: Environment) -> u8 {
    let what = args.what;
    args.place
        .run(environment, async move |auth| run(auth, what).await)
}

async fn run(auth: &Auth, what: What) -> anyhow::Result<()> {
    match what {
        What::Add {
            user,
            name,
            scopes,
            description,
            expires,
        } => {
            let lasts = expires.as_deref().map(duration::parse).transpose()?;
            let new = NewKey {
                name,
                description,
                scopes: scopes.into_iter().collect(),
                expires_at: lasts.map(|lasts| Clock::system().now() + lasts),
            };
            let owner = named(auth, &user).await?;
            let made = auth.add_key(&owner.id, new).await?;
            complain(&format!("id {}\n", made.row.id));
            print(&format!("{}\n", made.key.expose()));
        }
        What::List { user } => {
            let owner = match &user {
                Some(name) => Some(named(auth, name).await?.id),
                None => None,
            };
            for key in auth.keys(owner.as_deref()).await? {
                let ends = match (key.revoked_at, key.expires_at) {
                    (Some(at), _) => format!("revoked {}", at.to_rfc3339()),
                    (None, Some(at)) => format!("ends {}", at.to_rfc3339()),
                    (None, None) => "does not end".to_owned(),
                };
                print(&format!(
                    "{} {:20} {} {ends}\n",
                    key.id, key.name, key.scopes
                ));
            }
        }
        What::Revoke { id } => auth.revoke_key(&id).await?,
    }
    Ok(())
}
