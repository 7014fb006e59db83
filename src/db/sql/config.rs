//! Which database definitions and accounts are in: `definitions.database` in `outrigger.yml`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::DbError;
use super::SLOW;
use crate::document::fields::Fields;
use crate::model::secret::Secret;

/// The longest file with an address or password.
const MAX_BYTES: usize = 4096;

/// Settings of definitions' database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The PostgreSQL; the process's own SQLite where absent.
    pub postgres: Option<Config>,
    /// From which time on a statement is logged as slow.
    pub slow: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            postgres: None,
            slow: SLOW,
        }
    }
}

/// A PostgreSQL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// `postgres://user@host:port/database`
    pub address: Address,
    /// A file with the password, read at each connect, so that a rotated one is picked up.
    pub password_file: Option<PathBuf>,
    /// The password, from the environment.
    pub password: Option<Secret>,
    /// How many connections, and how patient they are.
    pub profile: Profile,
}

/// Where the address stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// In the settings; it may hold a password.
    Inline(Secret),
    /// In a file.
    File(PathBuf),
}

/// How many connections are made, and how long is waited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Profile {
    /// For a sidecar that is asked now and then.
    Small,
    /// For most.
    #[default]
    Standard,
    /// For one that answers many.
    High,
}

impl Profile {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "small" => Ok(Self::Small),
            "standard" => Ok(Self::Standard),
            "high" => Ok(Self::High),
            other => Err(format!("unknown pool {other:?}")),
        }
    }

    /// The most connections.
    pub const fn connections(self) -> u32 {
        match self {
            Self::Small => 3,
            Self::Standard => 10,
            Self::High => 40,
        }
    }

    /// How long is waited for a connection, and for its being made.
    pub const fn wait(self) -> Duration {
        match self {
            Self::Small | Self::Standard => Duration::from_secs(2),
            Self::High => Duration::from_secs(1),
        }
    }

    /// How long a statement may take, and wait for a lock.
    pub const fn statement(self) -> Duration {
        match self {
            Self::Small => Duration::from_secs(10),
            Self::Standard => Duration::from_secs(5),
            Self::High => Duration::from_secs(3),
        }
    }
}

impl Config {
    /// The server of an address, with what is usual.
    pub fn at(address: Address) -> Self {
        Self {
            address,
            password_file: None,
            password: None,
            profile: Profile::default(),
        }
    }

    /// The address as it is now.
    ///
    /// # Errors
    /// Where its file cannot be read.
    pub(super) fn address(&self) -> Result<Secret, DbError> {
        match &self.address {
            Address::Inline(address) => Ok(address.clone()),
            Address::File(path) => from_file(path, "read the address of PostgreSQL"),
        }
    }

    /// The password as it is now, where it does not stand in the address.
    ///
    /// # Errors
    /// Where its file cannot be read.
    pub(super) fn password(&self) -> Result<Option<Secret>, DbError> {
        match &self.password_file {
            Some(path) => from_file(path, "read the password of PostgreSQL").map(Some),
            None => Ok(self.password.clone()),
        }
    }
}

fn from_file(path: &Path, action: &'static str) -> Result<Secret, DbError> {
    let text = std::fs::read_to_string(path).map_err(|error| DbError::Value {
        action,
        reason: format!("{}: {error}", path.display()),
    })?;
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_BYTES {
        let reason = format!("{} holds none of up to {MAX_BYTES} bytes", path.display());
        return Err(DbError::Value { action, reason });
    }
    Ok(Secret::new(text))
}

/// Reads `database` in `definitions`; paths are relative to `base`.
pub fn read(definitions: &Fields<'_>, base: &Path) -> Settings {
    let mut settings = Settings::default();
    if let Some(value) = definitions.get("database")
        && let Some(database) = value.fields()
    {
        let url = database.get("url");
        let file = database.text("url_file").map(|path| base.join(path));
        let password_file = database.text("password_file").map(|path| base.join(path));
        let mut profile = Profile::default();
        if let Some(value) = database.get("pool")
            && let Some(named) = value.parse("write small, standard or high", Profile::parse)
        {
            profile = named;
        }
        if let Some(value) = database.get("slow_query") {
            settings.slow = value.duration_above_zero().unwrap_or(settings.slow);
        }
        let address = match (url, file) {
            (Some(url), Some(_)) => {
                url.error("url and url_file exclude each other", "keep one of them");
                None
            }
            (Some(url), None) => url.text().and_then(|text| {
                let checked = check_address(text);
                if let Err(message) = &checked {
                    url.error(message.clone(), "write postgres://user@host:5432/database");
                }
                checked.ok().map(|()| Address::Inline(Secret::new(text)))
            }),
            (None, Some(file)) => Some(Address::File(file)),
            (None, None) => None,
        };
        settings.postgres = address.map(|address| Config {
            password_file,
            profile,
            ..Config::at(address)
        });
        database.finish();
    }
    settings
}

/// Whether a text is an address of PostgreSQL; the message does not repeat it.
///
/// # Errors
/// Where it is none.
pub fn check_address(text: &str) -> Result<(), String> {
    let url: url::Url = text
        .parse()
        .map_err(|error| format!("not an address of PostgreSQL: {error}"))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(format!(
            "not an address of PostgreSQL: its scheme is {:?}",
            url.scheme()
        ));
    }
    if url.query_pairs().any(|(name, _)| name == "password") {
        return Err("an address of PostgreSQL has no parameter password".to_owned());
    }
    Ok(())
}

/// The address without its user and password.
pub(super) fn place(address: &Secret) -> String {
    let Ok(url) = address.expose().parse::<url::Url>() else {
        return "PostgreSQL".to_owned();
    };
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!(
        "postgres://{}{port}{}",
        url.host_str().unwrap_or_default(),
        url.path()
    )
}

/// Whether TLS need not be asked for: the address says how, or the server is on this machine.
pub(super) fn decides_on_tls(address: &Secret) -> bool {
    let Ok(url) = address.expose().parse::<url::Url>() else {
        return true;
    };
    let names = |wanted: &[&str]| url.query_pairs().any(|(name, _)| wanted.contains(&&*name));
    // Hosts of this scheme are not parsed; a socket's directory is written with %2F.
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let local = ip.map_or_else(
        |_| host.is_empty() || host == "localhost" || host.starts_with("%2f"),
        |ip| ip.is_loopback(),
    );
    names(&["sslmode", "ssl-mode"]) || local || names(&["host"])
}
