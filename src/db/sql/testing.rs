//! The same tests over both engines.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use super::Sql;
use super::config::{Address, Config, Profile, Settings};
use super::peer::PostgresServer;
use crate::db::DbError;
use crate::model::secret::Secret;

/// Which engine a test runs over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// A fresh database of a test's own.
#[derive(Debug)]
pub(crate) struct Fresh {
    settings: Settings,
    directory: tempfile::TempDir,
}

impl Fresh {
    /// `None`, said by name, where the engine is not installed.
    pub(crate) fn new(engine: Engine, test: &str) -> Option<Self> {
        let mut settings = Settings::default();
        if engine == Engine::Postgres {
            let url = fresh_url(test)?;
            settings.postgres = Some(config(&url));
        }
        let directory = tempfile::tempdir().unwrap();
        Some(Self {
            settings,
            directory,
        })
    }

    /// Another one of the same engine.
    pub(crate) fn another(&self) -> Self {
        let engine = match self.settings.postgres {
            Some(_) => Engine::Postgres,
            None => Engine::Sqlite,
        };
        Self::new(engine, "another database").unwrap()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("outrigger.db")
    }

    /// Opens it, as each process does for itself.
    pub(crate) async fn open(&self) -> Sql {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<Sql, DbError> {
        Sql::open(&self.settings, &self.file()).await
    }
}

/// Settings of a PostgreSQL.
pub(crate) fn config(url: &str) -> Config {
    Config {
        address: Address::Inline(Secret::new(url)),
        password_file: None,
        password: None,
        profile: Profile::Small,
    }
}

/// The address of a fresh database in the server that all tests of this process share.
pub(crate) fn fresh_url(test: &str) -> Option<String> {
    static SERVER: OnceLock<Result<Mutex<PostgresServer>, String>> = OnceLock::new();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    match SERVER.get_or_init(|| PostgresServer::start().map(Mutex::new)) {
        Ok(server) => {
            let name = format!("fresh_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
            let mut server = server.lock();
            server.create(&name);
            Some(server.url(&name))
        }
        Err(why) => {
            absent(test, why);
            None
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pipeline says here that nothing may be left out"
)]
fn absent(test: &str, why: &str) {
    let required = std::env::var_os("OUTRIGGER_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "{test}: {why}, and OUTRIGGER_REQUIRE_PEERS=1");
    eprintln!("{test}: NOT RUN: {why}");
}

/// Tests over both engines of the functions that are named; each takes a [`Fresh`].
macro_rules! over_both_engines {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    use $crate::db::sql::testing::{Engine, Fresh};
                    if let Some(fresh) = Fresh::new(Engine::Sqlite, stringify!($test)) {
                        super::$test(fresh).await;
                    }
                }
            )*
        }
        mod on_postgres {
            $(
                #[tokio::test]
                async fn $test() {
                    use $crate::db::sql::testing::{Engine, Fresh};
                    if let Some(fresh) = Fresh::new(Engine::Postgres, stringify!($test)) {
                        super::$test(fresh).await;
                    }
                }
            )*
        }
    };
}
pub(crate) use over_both_engines;
