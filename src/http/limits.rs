//! How much one client may ask of the definition API and of the login.
//!
//! ```text
//! RateLimit-Limit: 6000   RateLimit-Remaining: 5999   RateLimit-Reset: 1   RateLimit-Policy: 6000;w=60
//! 429 RATE_LIMITED, Retry-After: 3
//! ```
//!
//! A client is an API key, a user or an address, whichever is known first. Not limited are the monitoring paths: alerts that
//! are posted, queries, `/metrics` and probes must come through. What is asked for stands in [`config`], how tokens are counted
//! in [`bucket`]; who is forgotten when there are too many starts anew with a full bucket.

pub mod bucket;
pub mod client;
pub mod config;

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use self::bucket::{Buckets, Standing, Verdict};
use self::client::ClientAddress;
use self::config::{LimitsConfig, Rate};
use super::access::{self, Access};
use super::context::Context;
use super::problem::Problem;
use crate::auth::caller::{Caller, Proof};
use crate::auth::role::Scope;

/// What a client's requests are counted against.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Budget {
    /// Reading definitions.
    Reads,
    /// Changing definitions.
    Writes,
    /// Logging in, refreshing, registering.
    Login,
}

impl Budget {
    const ALL: [Self; 3] = [Self::Reads, Self::Writes, Self::Login];

    fn label(self) -> BudgetLabel {
        let budget = match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Login => "login",
        };
        BudgetLabel { budget }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct BudgetLabel {
    budget: &'static str,
}

/// Figures; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    refused: Family<BudgetLabel, Counter>,
    clients: Gauge,
    forgotten: Counter,
}

impl Metrics {
    /// Adds them to a registry.
    pub fn register(&self, registry: &mut Registry) {
        for budget in Budget::ALL {
            drop(self.refused.get_or_create(&budget.label()));
        }
        registry.register(
            "outrigger_rate_limit_refused_requests",
            "Requests answered with 429, by budget",
            self.refused.clone(),
        );
        registry.register(
            "outrigger_rate_limit_clients",
            "Clients whose requests are remembered",
            self.clients.clone(),
        );
        registry.register(
            "outrigger_rate_limit_forgotten_clients",
            "Clients forgotten because there were too many",
            self.forgotten.clone(),
        );
    }
}

/// The clients and what is left to them.
#[derive(Debug)]
pub struct Limiter {
    config: LimitsConfig,
    buckets: Mutex<Buckets<(Budget, u64)>>,
    hasher: RandomState,
    metrics: Metrics,
}

impl Limiter {
    /// With nobody known.
    pub fn new(config: LimitsConfig, metrics: Metrics) -> Self {
        Self {
            buckets: Mutex::new(Buckets::new(config.clients)),
            config,
            hasher: RandomState::new(),
            metrics,
        }
    }

    fn rate(&self, budget: Budget, address: IpAddr) -> Option<Rate> {
        let rate = match budget {
            Budget::Reads => self.config.reads,
            Budget::Writes => self.config.writes,
            Budget::Login => self.config.login,
        };
        let spared = address.is_loopback() && !rate.loopback;
        (self.config.enabled && rate.requests > 0 && !spared).then_some(rate)
    }

    /// Whom a request is counted for; a login is nobody's yet.
    fn client(&self, budget: Budget, caller: Option<&Caller>, address: IpAddr) -> u64 {
        match caller {
            Some(Caller::User(identity)) if budget != Budget::Login => match &identity.proof {
                Proof::ApiKey(id) => self.hasher.hash_one(("key", id)),
                Proof::Session(_) => self.hasher.hash_one(("user", &identity.id)),
            },
            Some(_) | None => self.hasher.hash_one(client::network_of(address)),
        }
    }
}

/// Lets a request pass where its client has not asked for too much.
pub async fn limit<F: Future<Output = Response>>(
    context: &Context,
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let limiter = &context.limiter;
    let address = client::address(&request, &limiter.config.trusted_proxies);
    request.extensions_mut().insert(ClientAddress(address));
    let budget = budget(request.method(), request.uri().path());
    let limited = budget.and_then(|budget| Some((budget, limiter.rate(budget, address)?)));
    let Some((budget, rate)) = limited else {
        return next(request).await;
    };
    let client = limiter.client(budget, request.extensions().get(), address);
    let (verdict, forgotten) = {
        let mut buckets = limiter.buckets.lock();
        let taken = buckets.take((budget, client), rate, context.clock.now());
        limiter.metrics.clients.set(buckets.len() as i64);
        taken
    };
    limiter.metrics.forgotten.inc_by(forgotten);
    let (standing, mut response) = match verdict {
        Verdict::Pass(standing) => (standing, next(request).await),
        Verdict::Refuse(standing, wait) => {
            let label = budget.label();
            tracing::debug!(budget = label.budget, "request refused: too many");
            limiter.metrics.refused.get_or_create(&label).inc();
            (standing, refusal(request.uri().path(), wait))
        }
    };
    tell(response.headers_mut(), rate, standing);
    response
}

/// What a request is counted against.
fn budget(method: &Method, path: &str) -> Option<Budget> {
    let below = ["/api/v1/auth", "/api/auth", ""]
        .iter()
        .find_map(|base| path.strip_prefix(base))?;
    if path == "/login" || (below.len() < path.len() && is_entrance(below)) {
        return (*method == Method::POST).then_some(Budget::Login);
    }
    let Access::Needs(_, scope) = access::needed(method, path, true) else {
        return None;
    };
    match scope {
        Scope::MetricsRead | Scope::DomainsRead | Scope::ObjectivesRead => Some(Budget::Reads),
        Scope::MetricsWrite | Scope::DomainsWrite | Scope::ObjectivesWrite => Some(Budget::Writes),
        _ => None,
    }
}

fn is_entrance(below: &str) -> bool {
    matches!(below, "/login" | "/refresh" | "/register")
}

fn refusal(path: &str, wait: u64) -> Response {
    let message = format!("too many requests; ask again in {wait} s");
    if path.starts_with("/api/") {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message);
        return problem.retry_after(wait).into_response();
    }
    let mut response = (StatusCode::TOO_MANY_REQUESTS, message + "\n").into_response();
    let name = axum::http::header::RETRY_AFTER;
    response.headers_mut().insert(name, wait.into());
    response
}

/// The headers of <https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-07>.
fn tell(headers: &mut HeaderMap, rate: Rate, standing: Standing) {
    for (name, value) in [
        ("ratelimit-limit", u64::from(rate.requests)),
        ("ratelimit-remaining", standing.remaining),
        ("ratelimit-reset", standing.full_in),
    ] {
        headers.insert(HeaderName::from_static(name), value.into());
    }
    let policy = format!("{};w={}", rate.requests, rate.per.as_secs().max(1));
    if let Ok(policy) = policy.try_into() {
        headers.insert(HeaderName::from_static("ratelimit-policy"), policy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_and_logins_are_counted_and_monitoring_is_not() {
        let check = |method: Method, path: &str, want: Option<Budget>| {
            assert_eq!(budget(&method, path), want, "{method} {path}");
        };
        for path in [
            "/api/v1/metrics",
            "/api/metrics/x",
            "/api/v1/domains",
            "/api/objectives",
        ] {
            check(Method::GET, path, Some(Budget::Reads));
            check(Method::HEAD, path, Some(Budget::Reads));
            check(Method::POST, path, Some(Budget::Writes));
            check(Method::DELETE, path, Some(Budget::Writes));
        }
        for path in [
            "/login",
            "/api/auth/login",
            "/api/v1/auth/refresh",
            "/api/auth/register",
        ] {
            check(Method::POST, path, Some(Budget::Login));
            check(Method::GET, path, None);
        }
        for path in [
            "/",
            "/metrics",
            "/health",
            "/health/ready",
            "/-/ready",
            "/api/v2/alerts",
            "/api/v1/query",
            "/api/v1/alerts",
            "/silences",
            "/api/v1/auth/me",
            "/api/auth/users",
        ] {
            check(Method::GET, path, None);
            check(Method::POST, path, None);
        }
    }

    #[test]
    fn defaults_spare_this_machine_and_settings_do_not() {
        let home: IpAddr = [127, 0, 0, 1].into();
        let other: IpAddr = [10, 0, 0, 1].into();
        let limiter = Limiter::new(LimitsConfig::default(), Metrics::default());
        assert_eq!(limiter.rate(Budget::Reads, home), None);
        assert!(limiter.rate(Budget::Reads, other).is_some());
        let mut config = LimitsConfig::default();
        config.reads.loopback = true;
        config.writes.requests = 0;
        let limiter = Limiter::new(config.clone(), Metrics::default());
        assert!(limiter.rate(Budget::Reads, home).is_some());
        assert_eq!(limiter.rate(Budget::Writes, other), None);
        config.enabled = false;
        let limiter = Limiter::new(config, Metrics::default());
        assert_eq!(limiter.rate(Budget::Reads, other), None);
    }
}
