//! Answers of reads, kept until something is written.
//!
//! ```text
//! GET ──▶ epoch: which write was the last? ──▶ memory ──hit──▶ ready bytes, 304, gzip          X-Cache: HIT
//!                (see [`epoch`])                 │ miss; equal ones wait for the first
//!                                                ▼
//!                                    Redis, where there is one ──hit──▶ into memory            X-Cache: HIT
//!                                                │ miss, slow or down
//!                                                ▼
//!                                       handler ──▶ into memory, and into Redis behind its back  X-Cache: MISS
//! ```
//!
//! A key holds the epoch, so that nothing is ever taken out: after a write nobody asks for what was before it. Redis holds
//! copies; that it is gone, slow, or was emptied costs time alone.
//!
//! Only answers that depend on nothing but path, query, definitions and which kinds the caller may read are here ([`is_cached`]), and of these only those with
//! status 200: not live values.

mod answer;
pub mod config;
pub mod epoch;
pub mod metrics;
mod remote;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::header::IF_NONE_MATCH;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;
use futures_util::FutureExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use moka::future::Cache as Memory;
use tokio::sync::{OnceCell, Semaphore};
use tracing::Instrument as _;

use self::answer::Answer;
use self::config::CacheConfig;
use self::epoch::{Epoch, Epochs};
use self::metrics::Metrics;
use self::remote::Remote;
use crate::auth::caller::Caller;
use crate::auth::role::{Role, Scope};
use crate::clock::{Clock, Stopwatch};
use crate::db::definition_state;
use crate::db::sql::Sql;
use crate::definitions::resource::Kind;
use crate::http::context::Context;
use crate::model::signature::Signer;
use crate::model::timestamp::Timestamp;
use crate::tasks::Tasks;
use crate::telemetry::traces::STEP;

/// Longer addresses are not kept.
const LONGEST_KEY: usize = 2_048;
/// Writes to Redis that may be under way; more are left out.
const WRITES: usize = 16;
/// Set where an answer is older than what is stored: such a one is not kept.
const STALE: HeaderName = HeaderName::from_static("warning");
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Answers in memory and perhaps in Redis; clones share them.
#[derive(Clone)]
pub struct Cache {
    memory: Memory<String, Arc<Answer>>,
    remote: Option<Arc<Remote>>,
    writes: Arc<Semaphore>,
    epochs: Arc<Epochs>,
    /// Of the database; empty until a PostgreSQL has told it.
    identity: Arc<OnceCell<String>>,
    database: Sql,
    largest: usize,
    clock: Clock,
    tasks: Tasks,
    metrics: Metrics,
}

/// What the cache stands on.
#[derive(Debug)]
pub struct Dependencies {
    /// Holds the definitions.
    pub database: Sql,
    /// The index of the write-ahead log of SQLite, which is read where the definitions are there.
    pub index: PathBuf,
    /// Of this installation: copies in Redis of what is in its SQLite are told apart by it.
    pub signer: Signer,
    /// Tells the time.
    pub clock: Clock,
    /// For writes to Redis.
    pub tasks: Tasks,
    /// Figures.
    pub metrics: Metrics,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

/// Where an answer comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    Cache,
    Handler,
}

impl Cache {
    /// Empty; `None` where the settings want none.
    pub fn new(config: &CacheConfig, dependencies: Dependencies) -> Option<Self> {
        if !config.enabled {
            return None;
        }
        let metrics = dependencies.metrics;
        let memory = Memory::builder()
            .max_capacity(config.max_bytes)
            .weigher(|key: &String, answer: &Arc<Answer>| answer.weight(key.len()))
            .time_to_live(config.ttl)
            .build();
        let database = dependencies.database;
        let remote = config
            .redis
            .as_ref()
            .map(|redis| Arc::new(Remote::new(redis, config.ttl, metrics.clone())));
        let shared = database.is_shared();
        let identity = if shared {
            OnceCell::new()
        } else {
            let signed = dependencies
                .signer
                .sign("definition cache", "", Timestamp::MIN);
            // Its digits alone, and of them enough.
            let digits = signed.rsplit('-').next().unwrap_or_default();
            OnceCell::new_with(digits.get(..24).map(str::to_owned))
        };
        Some(Self {
            memory,
            remote,
            writes: Arc::new(Semaphore::new(WRITES)),
            epochs: Arc::new(Epochs::new(
                database.clone(),
                (!shared).then_some(dependencies.index),
            )),
            identity: Arc::new(identity),
            database,
            largest: usize::try_from(config.max_bytes / 4).unwrap_or(usize::MAX),
            clock: dependencies.clock,
            tasks: dependencies.tasks,
            metrics,
        })
    }

    /// Bytes in memory, for `/metrics`.
    pub async fn measure(&self) {
        self.memory.run_pending_tasks().await;
        self.metrics.size.set(self.memory.weighted_size() as i64);
    }

    /// The epoch of what is stored; `None` where nobody can say.
    pub async fn epoch(&self) -> Option<Epoch> {
        self.epochs.now(|| self.memory.invalidate_all()).await
    }

    /// What is kept in memory under a key.
    async fn kept(&self, key: &str) -> Option<Arc<Answer>> {
        let stopwatch = Stopwatch::start();
        let answer = self.memory.get(key).await?;
        self.metrics.looked_up(true, stopwatch.elapsed());
        Some(answer)
    }

    /// An answer from Redis, or made; equal requests at a time make one.
    async fn find(
        &self,
        key: &str,
        make: impl Future<Output = Response> + Send,
    ) -> (Arc<Answer>, Source) {
        let stopwatch = Stopwatch::start();
        let from_redis = std::sync::atomic::AtomicBool::new(false);
        // Each of those that wait holds room for it, several times: what is large is made by the one that does it.
        let init = async {
            if let Some(remote) = &self.remote
                && let Some(key) = Box::pin(self.shared_key(key)).await
                && let Some(answer) =
                    Box::pin(remote.get(&key, self.clock.now(), self.largest)).await
            {
                from_redis.store(true, std::sync::atomic::Ordering::Relaxed);
                return Ok(Arc::new(answer));
            }
            self.metrics.looked_up(false, stopwatch.elapsed());
            let answer = Arc::new(Answer::of(make.await).await);
            if !answer.may_be_kept(self.largest) {
                return Err(answer);
            }
            Box::pin(self.copy(key, &answer)).await;
            Ok(answer)
        };
        let found = self.memory.entry_by_ref(key).or_try_insert_with(init).await;
        match found {
            Ok(entry) => {
                let made = entry.is_fresh() && !from_redis.into_inner();
                if made {
                    return (entry.into_value(), Source::Handler);
                }
                self.metrics.looked_up(true, stopwatch.elapsed());
                (entry.into_value(), Source::Cache)
            }
            Err(answer) => (Arc::clone(&answer), Source::Handler),
        }
    }

    /// A key that no other database and no other version has.
    async fn shared_key(&self, key: &str) -> Option<String> {
        let ask = || definition_state::identity(&self.database);
        match self.identity.get_or_try_init(ask).await {
            Ok(identity) => {
                let version = env!("CARGO_PKG_VERSION");
                Some(format!("outrigger:{version}:{identity}:{key}"))
            }
            Err(error) => {
                tracing::warn!(%error, "Redis is not used: which database it would hold copies of is unknown");
                None
            }
        }
    }

    /// Writes an answer to Redis, where there is one that keeps up.
    async fn copy(&self, key: &str, answer: &Arc<Answer>) {
        let Some(remote) = &self.remote else { return };
        let Some(key) = self.shared_key(key).await else {
            return;
        };
        let Ok(slot) = Arc::clone(&self.writes).try_acquire_owned() else {
            self.metrics.copies_dropped.inc();
            return;
        };
        let (remote, clock) = (Arc::clone(remote), self.clock.clone());
        let answer = Arc::clone(answer);
        self.tasks.spawn("copy of an answer to Redis", async move {
            remote.set(&key, &answer, clock.now()).await;
            drop(slot);
        });
    }
}

/// Whether the answers of a route depend on path, query and definitions alone.
pub fn is_cached(route: &str) -> bool {
    let Some(below) = route
        .strip_prefix("/api/v1/")
        .or_else(|| route.strip_prefix("/api/"))
    else {
        return false;
    };
    if matches!(
        below,
        "stats" | "search" | "policies" | "policies/bundle.tar.gz" | "metrics/{id}/policy"
    ) {
        return true;
    }
    Kind::ALL.iter().any(|kind| {
        let below = below.strip_prefix(kind.plural());
        below.is_some_and(|below| matches!(below, "" | "/{id}" | "/{id}/history"))
    })
}

/// Which kinds a caller may read: a search answers with these alone.
fn rights(caller: Option<&Caller>) -> u8 {
    let scopes = [
        Scope::MetricsRead,
        Scope::DomainsRead,
        Scope::ObjectivesRead,
    ];
    scopes.into_iter().fold(0, |rights, scope| {
        let may = caller.is_some_and(|caller| caller.allowed(Role::Viewer, scope).is_ok());
        rights << 1 | u8::from(may)
    })
}

/// The step that the cache saves.
fn reading(route: Option<&MatchedPath>) -> tracing::Span {
    let one = route.is_some_and(|route| route.as_str().contains("{id}"));
    if one {
        tracing::debug_span!(target: STEP, "Storage.findById", component = "storage")
    } else {
        tracing::debug_span!(target: STEP, "Storage.findAll", component = "storage")
    }
}

/// Answers a read from the cache where it can.
pub(super) async fn cached<F: Future<Output = Response> + Send>(
    context: &Context,
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let Some(cache) = &context.cache else {
        return next(request).await;
    };
    let route = request.extensions().get::<MatchedPath>();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let address = request.uri().path_and_query().map(ToString::to_string);
    let address = address.filter(|address| address.len() <= LONGEST_KEY);
    let (Some(address), true) = (
        address,
        reads && route.is_some_and(|route| is_cached(route.as_str())),
    ) else {
        return next(request).await;
    };
    let span = tracing::debug_span!(
        target: STEP,
        "Cache.get",
        component = "cache",
        cache.hit = tracing::field::Empty,
    );
    let Some(epoch) = cache.epoch().await else {
        let mut response = next(request).await;
        response
            .headers_mut()
            .insert(X_CACHE, HeaderValue::from_static("MISS"));
        return response;
    };
    let rights = rights(request.extensions().get());
    let key = format!("{epoch} {rights} {address}");
    let (mut response, source) = match cache.kept(&key).instrument(span.clone()).await {
        Some(answer) => (answer.response(request.headers()), Source::Cache),
        None => {
            // What is kept is whole; who has it already is told so here.
            let asked = request.headers().clone();
            request.headers_mut().remove(IF_NONE_MATCH);
            *request.method_mut() = Method::GET;
            let reading = reading(request.extensions().get());
            let make = next(request).instrument(reading).boxed();
            let find = cache.find(&key, make).instrument(span.clone());
            let (answer, source) = Box::pin(find).await;
            (answer.response(&asked), source)
        }
    };
    span.record("cache.hit", source == Source::Cache);
    let told = match source {
        Source::Cache => "HIT",
        Source::Handler => "MISS",
    };
    let told = HeaderValue::from_static(told);
    response.headers_mut().insert(X_CACHE, told);
    response
}

/// Asks for what people ask for first, so that they need not wait for it.
pub async fn warm(context: Arc<Context>) {
    if context.cache.is_none() {
        return;
    }
    let routes: Router = super::routes(&context).with_state(Arc::clone(&context));
    let lists = Kind::ALL.map(|kind| format!("/api/v1/{}", kind.plural()));
    for path in lists.into_iter().chain(["/api/v1/stats".to_owned()]) {
        let Ok(mut request) = Request::get(path).body(Body::empty()) else {
            continue;
        };
        request.extensions_mut().insert(Caller::open());
        let Ok(response) = TowerToHyperService::new(routes.clone()).call(request).await;
        drop(response);
    }
}
