//! What `outrigger user` and `outrigger apikey` share: the database of accounts, and passwords that nobody sees.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::ask;
use super::check::report;
use super::exit;
use super::terminal::complain;
use crate::auth::metrics::Metrics;
use crate::auth::service::Auth;
use crate::clock::Clock;
use crate::config::overrides::{Environment, Overrides};
use crate::config::{self, Sources};
use crate::db::auth::{By, UserRow};
use crate::db::sql::Sql;
use crate::model::secret::Secret;

/// The longest file with a password.
const MAX_BYTES: u64 = 4096;

/// Where the accounts are.
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    /// outrigger.yml. Without it outrigger.yml here is used, where there is one.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The data directory [default: ./data].
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

/// Where a password comes from. It is never an argument: others would see it in the list of processes.
#[derive(Debug, Args)]
pub(super) struct PasswordArgs {
    /// Read the password from a file. Without it a terminal is asked, or the first line of standard input is taken.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PlaceArgs {
    /// Opens the accounts and does something with them.
    pub(super) fn run(
        self,
        environment: Environment,
        work: impl AsyncFnOnce(&Auth) -> anyhow::Result<()>,
    ) -> u8 {
        let here = || Some(PathBuf::from("outrigger.yml")).filter(|path| path.exists());
        let flags = Overrides {
            data: self.data,
            ..Overrides::default()
        };
        let sources = Sources {
            file: self.config.or(environment.config).or_else(here),
            overrides: environment.overrides.with(flags),
            ..Sources::default()
        };
        let clock = Clock::system();
        let settings = match config::load(&sources, clock.now()) {
            Ok(config) => config.settings,
            Err(mistakes) => {
                report(&mistakes, &sources);
                return exit::MISTAKES;
            }
        };
        if !settings.auth.enabled {
            complain("note: auth.enabled is not set, so nobody is asked who he is\n");
        }
        let done = ask::wait(async {
            let file = settings.data.join("outrigger.db");
            let database = Sql::open(&settings.definitions, &file).await?;
            let auth = Auth::new(settings.auth, database.clone(), clock, Metrics::default());
            let done = work(&auth).await;
            database.close().await;
            done
        });
        match done {
            Ok(()) => exit::OK,
            Err(error) => {
                complain(&format!("error: {error:#}\n"));
                exit::FAILED
            }
        }
    }
}

/// The account of a name.
pub(super) async fn named(auth: &Auth, name: &str) -> anyhow::Result<UserRow> {
    auth.user(By::Username(name))
        .await
        .with_context(|| format!("find {name:?}"))
}

impl PasswordArgs {
    /// Reads the password; on a terminal twice.
    pub(super) fn read(&self) -> anyhow::Result<Secret> {
        if let Some(path) = &self.password_file {
            return from_file(path);
        }
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return line(stdin.lock());
        }
        let first = unseen("Password: ")?;
        let second = unseen("Once more: ")?;
        anyhow::ensure!(first == second, "the two are not the same");
        Ok(first)
    }
}

fn from_file(path: &Path) -> anyhow::Result<Secret> {
    let file = std::fs::File::open(path).with_context(|| format!("read {}", path.display()))?;
    line(std::io::BufReader::new(file)).with_context(|| format!("read {}", path.display()))
}

fn line(reader: impl BufRead) -> anyhow::Result<Secret> {
    let mut text = String::new();
    reader.take(MAX_BYTES).read_line(&mut text)?;
    let text = text.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!text.is_empty(), "there is no password");
    Ok(Secret::new(text))
}

/// Reads a line from the terminal without showing it.
fn unseen(prompt: &str) -> anyhow::Result<Secret> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let stdin = std::io::stdin();
    complain(prompt);
    let before = tcgetattr(&stdin).context("ask the terminal")?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &silent).context("silence the terminal")?;
    let read = line(stdin.lock());
    tcsetattr(&stdin, OptionalActions::Flush, &before).context("restore the terminal")?;
    complain("\n");
    read
}
