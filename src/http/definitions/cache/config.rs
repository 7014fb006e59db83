//! `definitions.cache` in an `outrigger.yml`.
//!
//! ```yaml
//! definitions:
//!   cache:
//!     enabled: true
//!     ttl: 10m             # after which even what nobody changed is read again
//!     max_bytes: 16MiB     # in memory
//!     redis:               # shared by sidecars that share a database
//!       url: redis://:password@127.0.0.1:6379/0      # rediss:// with TLS; or url_file
//!       timeout: 50ms      # slower answers count as none
//! ```

use std::path::Path;
use std::time::Duration;

use crate::document::fields::Fields;
use crate::model::secret::Secret;
use crate::net::credentials::SecretSource;

/// How answers are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CacheConfig {
    /// Whether they are.
    pub enabled: bool,
    /// For how long at most.
    pub ttl: Duration,
    /// How much of them in memory.
    pub max_bytes: u64,
    /// Where others find them.
    pub redis: Option<RedisConfig>,
}

/// A Redis.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RedisConfig {
    /// Its address, often with a password.
    pub url: SecretSource,
    /// How long an operation may take.
    pub timeout: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            ttl: Duration::from_secs(600),
            max_bytes: 16 << 20,
            redis: None,
        }
    }
}

/// Reads `cache` of `definitions`; `base` is what `url_file` is relative to.
pub fn read(definitions: &Fields<'_>, base: &Path) -> CacheConfig {
    let mut config = CacheConfig::default();
    let Some(cache) = definitions.get("cache").and_then(|value| value.fields()) else {
        return config;
    };
    config.enabled = cache.bool("enabled").unwrap_or(true);
    if let Some(ttl) = cache.duration_above_zero("ttl") {
        config.ttl = ttl;
    }
    if let Some(value) = cache.get("max_bytes")
        && let Some(bytes) = value.bytes()
    {
        if (64 << 10..=64 << 30).contains(&bytes) {
            config.max_bytes = bytes;
        } else {
            value.error("max_bytes is out of range", "write 64KiB to 64GiB");
        }
    }
    config.redis = cache
        .get("redis")
        .and_then(|value| value.fields())
        .and_then(|redis| {
            let config = read_redis(&redis, base);
            redis.finish();
            config
        });
    cache.finish();
    config
}

fn read_redis(redis: &Fields<'_>, base: &Path) -> Option<RedisConfig> {
    const REMEDY: &str = "write redis://host:6379/0, or rediss:// for TLS";
    let timeout = redis.duration_above_zero("timeout");
    let timeout = timeout.unwrap_or(Duration::from_millis(50));
    let file = redis.text("url_file");
    let url = match (redis.get("url"), file) {
        (Some(value), Some(_)) => {
            value.error("url and url_file are both given", "keep one of them");
            return None;
        }
        (Some(value), None) => {
            // Its text is not repeated: it may hold a password.
            let text = value.text()?;
            if redis::Client::open(text).is_err() {
                value.error("url is no address of a Redis", REMEDY);
                return None;
            }
            SecretSource::Inline(Secret::new(text))
        }
        (None, Some(path)) => SecretSource::File(base.join(path)),
        (None, None) => {
            redis.value().error("redis has no url", REMEDY);
            return None;
        }
    };
    Some(RedisConfig { url, timeout })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{self, diagnostics::Diagnostics};

    #[test]
    fn settings_are_read_and_mistakes_told_without_the_password() {
        let read = |text: &str| {
            let diagnostics = Diagnostics::default();
            let document = document::parse("f.yml", text, &diagnostics).unwrap();
            let root = document.value(&diagnostics).fields().unwrap();
            let config = super::read(&root, Path::new("/etc/outrigger"));
            root.finish();
            (config, diagnostics.into_sorted())
        };
        assert_eq!(read("{}").0, CacheConfig::default());
        let (config, mistakes) = read(
            "cache: {ttl: 5m, max_bytes: 1MiB, redis: {url: 'redis://:hidden@127.0.0.1:6379/0', timeout: 20ms}}",
        );
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert_eq!(
            (config.ttl, config.max_bytes),
            (Duration::from_secs(300), 1 << 20)
        );
        assert!(!format!("{config:?}").contains("hidden"));
        let (config, _) = read("cache: {enabled: false, redis: {url_file: redis.url}}");
        let file = SecretSource::File("/etc/outrigger/redis.url".into());
        assert_eq!((config.enabled, config.redis.unwrap().url), (false, file));
        for wrong in [
            "cache: {ttl: 0s}",
            "cache: {max_bytes: 1KiB}",
            "cache: {redis: {}}",
            "cache: {redis: {url: 'http://:hidden@h'}}",
            "cache: {redis: {url: 'redis://h', url_file: f}}",
            "cache: {redis: {url: 'redis://h', timeout: 0s}}",
            "cache: {size: 1}",
        ] {
            let mistakes = read(wrong).1;
            assert_eq!(mistakes.len(), 1, "{wrong}");
            assert!(!format!("{mistakes:?}").contains("hidden"), "{mistakes:?}");
        }
    }
}
