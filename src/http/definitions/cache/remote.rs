//! Redis: copies of answers that other sidecars on the same database find.
//!
//! Every operation has a time-out, and a Redis that fails is left alone for a while: it is there to save time. What it holds
//! is believed, as the database's content is: who may write to it may write answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, FromRedisValue};
use tracing::Instrument as _;

use super::answer::Answer;
use super::config::RedisConfig;
use super::metrics::Metrics;
use crate::clock::Stopwatch;
use crate::model::circuit::{self, Admission, Change, Event, Settings, State};
use crate::model::timestamp::Timestamp;
use crate::net::credentials::SecretSource;
use crate::telemetry::traces::STEP;

/// Three failures in a row: then a second's pause, which doubles up to half a minute.
const BREAKER: Settings = Settings {
    failures: 3,
    pause: Duration::from_secs(1),
    longest_pause: Duration::from_secs(30),
};

/// Answers in Redis.
#[derive(Debug)]
pub(super) struct Remote {
    url: SecretSource,
    timeout: Duration,
    ttl: Duration,
    connection: tokio::sync::Mutex<Option<Connection>>,
    circuit: Mutex<State>,
    /// Whether somebody tries already whether a Redis that failed is back.
    trying: AtomicBool,
    metrics: Metrics,
}

#[derive(Clone)]
struct Connection(ConnectionManager);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

/// Why an operation came to nothing; never with the address, which may hold a password.
#[derive(Debug, thiserror::Error)]
enum RemoteError {
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("{0}")]
    Address(String),
    #[error("{}", kind(.0))]
    Redis(redis::RedisError),
}

fn kind(error: &redis::RedisError) -> String {
    match error.code() {
        Some(code) => code.to_owned(),
        None => format!("{:?}", error.kind()),
    }
}

impl Remote {
    pub(super) fn new(config: &RedisConfig, ttl: Duration, metrics: Metrics) -> Self {
        Self {
            url: config.url.clone(),
            timeout: config.timeout,
            ttl,
            connection: tokio::sync::Mutex::default(),
            circuit: Mutex::default(),
            trying: AtomicBool::new(false),
            metrics,
        }
    }

    /// The answer for a key, where Redis has one of at most so many bytes and says so in time.
    pub(super) async fn get(&self, key: &str, now: Timestamp, largest: usize) -> Option<Answer> {
        let mut command = redis::cmd("GET");
        command.arg(key);
        let value: Option<Vec<u8>> = self.run(command, false, now).await?;
        let bytes = value.filter(|bytes| bytes.len() <= largest.saturating_mul(2))?;
        let answer = Answer::from_bytes(bytes);
        if answer.is_none() {
            tracing::debug!("a value in Redis is no answer of ours");
        }
        answer
    }

    /// Copies an answer.
    pub(super) async fn set(&self, key: &str, answer: &Answer, now: Timestamp) {
        let span = tracing::debug_span!(target: STEP, "Cache.set", component = "cache", cache.system = "redis");
        let stopwatch = Stopwatch::start();
        let mut command = redis::cmd("SET");
        command.arg(key).arg(answer.to_bytes());
        command
            .arg("PX")
            .arg(u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX));
        let set: Option<()> = self.run(command, true, now).instrument(span).await;
        if set.is_some() {
            self.metrics.copied(stopwatch.elapsed());
        }
    }

    async fn run<T: FromRedisValue>(
        &self,
        command: Cmd,
        writing: bool,
        now: Timestamp,
    ) -> Option<T> {
        let _trial = match circuit::admission(*self.circuit.lock(), now) {
            Admission::All => None,
            Admission::One => Some(Trial::begin(&self.trying)?),
            Admission::Nothing(_) => return None,
        };
        let asked = async {
            let Connection(mut connection) = self.connect().await?;
            command
                .query_async::<T>(&mut connection)
                .await
                .map_err(RemoteError::Redis)
        };
        let result = match tokio::time::timeout(self.timeout, asked).await {
            Ok(result) => result,
            Err(_) => Err(RemoteError::Timeout(self.timeout)),
        };
        let event = match &result {
            Ok(_) => Event::Answered,
            Err(_) => Event::Failed { retry_after: None },
        };
        let change = {
            let mut circuit = self.circuit.lock();
            let (state, change) = circuit::after(&BREAKER, *circuit, event, now);
            *circuit = state;
            change
        };
        match (change, &result) {
            (Some(Change::Opened), Err(error)) => {
                self.metrics.redis_up.set(0);
                tracing::warn!(%error, "Redis fails; definitions are read without it until it is back");
            }
            (Some(Change::Closed), _) => {
                self.metrics.redis_up.set(1);
                tracing::info!("Redis answers again");
            }
            (_, Err(error)) => tracing::debug!(%error, "ask Redis"),
            (_, Ok(_)) => {}
        }
        if result.is_err() {
            self.metrics.failed(writing);
        }
        result.ok()
    }

    async fn connect(&self) -> Result<Connection, RemoteError> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let url = self.url.load().await;
        let url = url.map_err(|error| RemoteError::Address(error.to_string()))?;
        let client = redis::Client::open(url.expose())
            .map_err(|_| RemoteError::Address("url is no address of a Redis".to_owned()))?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(self.timeout.max(Duration::from_secs(1))))
            .set_response_timeout(Some(self.timeout))
            .set_number_of_retries(0);
        let manager =
            ConnectionManager::new_lazy_with_config(client, config).map_err(RemoteError::Redis)?;
        let made = Connection(manager);
        *connection = Some(made.clone());
        Ok(made)
    }
}

/// One attempt at a Redis that failed; the next may begin when it is dropped.
struct Trial<'a>(&'a AtomicBool);

impl<'a> Trial<'a> {
    fn begin(trying: &'a AtomicBool) -> Option<Self> {
        (!trying.swap(true, Ordering::AcqRel)).then_some(Self(trying))
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
