//! `auth` in an `outrigger.yml`.
//!
//! ```yaml
//! auth:
//!   enabled: true            # false: who reaches the port may do everything
//!   anonymous: viewer        # the role of who does not log in: none (default), viewer, editor
//!   registration: open       # closed (default); who registers becomes a viewer
//!   public_metrics: false    # whether /metrics needs no login; true unless said
//!   access_token: 15m        # how long tokens last
//!   refresh_token: 7d
//!   refresh_grace: 2s        # a refresh token used twice within it is refused, and its session lives on
//!   session: 12h             # how long a browser stays logged in
//!   key_rotation: 30d        # how often the key that signs access tokens is replaced
//!   password: {memory: 19MiB, iterations: 2, concurrency: 2}
//!   login: {attempts: 5, window: 15m, lock: 1m}
//! ```

use std::ops::RangeInclusive;
use std::time::Duration;

use super::attempts::Limits;
use super::password::Cost;
use super::role::Role;
use crate::document::fields::{Fields, Value};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How people and programs prove who they are.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthConfig {
    /// Whether anything is asked for.
    pub enabled: bool,
    /// The role of who does not say who he is.
    pub anonymous: Option<Role>,
    /// Whether everybody may make himself an account, as a viewer.
    pub open_registration: bool,
    /// Whether `/metrics` is for everybody.
    pub public_metrics: bool,
    /// How long an access token lasts.
    pub access_token: Duration,
    /// How long a refresh token lasts.
    pub refresh_token: Duration,
    /// Within it a second use of a refresh token is taken for a race, not for theft.
    pub refresh_grace: Duration,
    /// How long a browser stays logged in.
    pub session: Duration,
    /// How often the signing key is replaced.
    pub key_rotation: Duration,
    /// What hashing a password costs.
    pub password: Cost,
    /// How many failed logins are borne.
    pub login: Limits,
}

impl AuthConfig {
    /// Whether `/metrics` asks for a login.
    pub fn hides_metrics(&self) -> bool {
        self.enabled && !self.public_metrics
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            anonymous: None,
            open_registration: false,
            public_metrics: true,
            access_token: Duration::from_secs(15 * 60),
            refresh_token: 7 * DAY,
            refresh_grace: Duration::from_secs(2),
            session: DAY / 2,
            key_rotation: 30 * DAY,
            password: Cost::default(),
            login: Limits::default(),
        }
    }
}

/// Reads `auth`.
pub fn read(root: &Fields<'_>) -> AuthConfig {
    let mut config = AuthConfig::default();
    let Some(auth) = root.get("auth").and_then(|value| value.fields()) else {
        return config;
    };
    config.enabled = auth.bool("enabled").unwrap_or(false);
    if let Some(value) = auth.get("anonymous") {
        config.anonymous = value
            .parse("write none, viewer or editor", anonymous)
            .flatten();
    }
    if let Some(value) = auth.get("registration") {
        config.open_registration = value
            .parse("write open or closed", registration)
            .unwrap_or(false);
    }
    config.public_metrics = auth.bool("public_metrics").unwrap_or(true);
    let least = Duration::from_secs(1);
    let span = |key, into: &mut Duration| {
        if let Some(found) = at_least(&auth, key, least) {
            *into = found;
        }
    };
    span("access_token", &mut config.access_token);
    span("refresh_token", &mut config.refresh_token);
    span("session", &mut config.session);
    span("key_rotation", &mut config.key_rotation);
    if let Some(grace) = auth.duration("refresh_grace") {
        config.refresh_grace = grace;
    }
    if let Some(value) = auth.get("key_rotation")
        && config.key_rotation < DAY
    {
        value.error("key_rotation is too short", "write at least 1d");
    }
    if let Some(password) = auth.get("password").and_then(|value| value.fields()) {
        read_password(&password, &mut config.password);
        password.finish();
    }
    if let Some(login) = auth.get("login").and_then(|value| value.fields()) {
        if let Some(attempts) = bounded(&login, "attempts", 1..=1_000) {
            config.login.attempts = attempts;
        }
        if let Some(window) = at_least(&login, "window", least) {
            config.login.window = window;
        }
        if let Some(lock) = at_least(&login, "lock", least) {
            config.login.lock = lock;
        }
        login.finish();
    }
    auth.finish();
    config
}

fn read_password(password: &Fields<'_>, cost: &mut Cost) {
    if let Some(value) = password.get("memory")
        && let Some(bytes) = value.bytes()
    {
        match u32::try_from(bytes / 1024) {
            Ok(kibibytes) if (8 * 1024..=1024 * 1024).contains(&kibibytes) => {
                cost.memory_kib = kibibytes;
            }
            _ => value.error("memory is out of range", "write 8MiB to 1GiB"),
        }
    }
    if let Some(iterations) = bounded(password, "iterations", 1..=100) {
        cost.iterations = iterations;
    }
    if let Some(concurrency) = bounded(password, "concurrency", 1..=64) {
        cost.concurrency = concurrency;
    }
}

fn anonymous(text: &str) -> Result<Option<Role>, String> {
    match text {
        "none" => Ok(None),
        "viewer" => Ok(Some(Role::Viewer)),
        "editor" => Ok(Some(Role::Editor)),
        other => Err(format!("no role for anonymous callers: {other:?}")),
    }
}

fn registration(text: &str) -> Result<bool, String> {
    match text {
        "open" => Ok(true),
        "closed" => Ok(false),
        other => Err(format!("unknown word {other:?}")),
    }
}

fn at_least(fields: &Fields<'_>, key: &'static str, least: Duration) -> Option<Duration> {
    let value: Value<'_> = fields.get(key)?;
    let duration = value.duration()?;
    if duration < least {
        value.error("is too short", "write a duration of a second or more");
        return None;
    }
    Some(duration)
}

fn bounded(fields: &Fields<'_>, key: &'static str, range: RangeInclusive<usize>) -> Option<u32> {
    u32::try_from(fields.number_in(key, range)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{self, diagnostics::Diagnostics};

    #[test]
    fn settings_are_read_and_mistakes_told() {
        let read = |text: &str| {
            let diagnostics = Diagnostics::default();
            let document = document::parse("f.yml", text, &diagnostics).unwrap();
            let root = document.value(&diagnostics).fields().unwrap();
            let config = super::read(&root);
            root.finish();
            (config, diagnostics.into_sorted().len())
        };
        assert_eq!(read("{}"), (AuthConfig::default(), 0));
        let (config, mistakes) = read(
            "auth: {enabled: true, anonymous: viewer, registration: open, access_token: 5m, refresh_grace: 0s, \
             password: {memory: 16MiB, iterations: 3}, login: {attempts: 3}}",
        );
        assert_eq!(mistakes, 0);
        assert!(config.enabled && config.open_registration);
        assert_eq!(config.anonymous, Some(Role::Viewer));
        assert_eq!(config.access_token, Duration::from_secs(300));
        assert_eq!(config.refresh_grace, Duration::ZERO);
        assert_eq!(config.password.memory_kib, 16 * 1024);
        assert_eq!(config.login.attempts, 3);
        for wrong in [
            "auth: {enabled: maybe}",
            "auth: {anonymous: admin}",
            "auth: {registration: yes please}",
            "auth: {access_token: 0s}",
            "auth: {key_rotation: 1h}",
            "auth: {password: {memory: 1MiB}}",
            "auth: {login: {attempts: 0}}",
            "auth: {secret: x}",
        ] {
            assert_eq!(read(wrong).1, 1, "{wrong}");
        }
    }
}
