//! The table of contents of the product.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};

use super::alertmanager;
use super::context::Context;
use super::definitions;
use super::errors::{self, ErrorKind};
use super::pages::runbook::live as runbooks;
use super::pages::{quiet as quiet_pages, rule};
use super::prometheus::{query, rules, series, status, targets};
use super::quiet::{acks, preview, recurring};
use super::{
    auth, compression, dashboards, guard, health, identity, ledger, limits, live, metrics,
    middleware, openapi, pages, receivers, render, routes, storms,
};

/// The largest body of a request.
const MAX_BODY_BYTES: usize = 4 << 20;

/// All routes.
pub fn router(context: Arc<Context>) -> Router {
    let mut metrics = get(metrics::metrics);
    if context.upstream_only {
        // As Alertmanager: these and nothing else.
        metrics = metrics.layer(compression::gzip());
    }
    Router::new()
        // Pages.
        .route("/", get(pages::handlers::home))
        .route(
            "/silences",
            get(quiet_pages::list::show).post(quiet_pages::list::act),
        )
        .route("/assets/{name}", get(pages::assets::serve))
        // Probes and metrics.
        .route("/metrics", metrics)
        .route("/health", get(health::health))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/health/startup", get(health::startup))
        .route("/-/healthy", get(health::live))
        .route("/-/ready", get(health::ready))
        .route("/-/reload", post(status::reload).put(status::reload))
        // Why somebody was, or was not, told; under its older name too.
        .route("/api/v2/ledger", get(ledger::entries))
        .route("/api/v1/notifications/log", get(ledger::entries))
        .merge(alertmanagers(context.upstream_only))
        .merge(beyond_upstream(&context))
        .merge(authentication(context.auth.is_some()))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(Arc::clone(&context), around))
        .with_state(context)
}

/// What is around every request, the outermost first. One layer: each of axum's copies all that is below it, every time.
async fn around(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let context = &*context;
    let to_pages = |request| pages::shell::around(context, request, |request| next.run(request));
    let to_limits = |request| limits::limit(context, request, to_pages);
    let to_identity = |request| identity::identify(context, request, to_limits);
    let to_guard = |request| guard::guard(context, request, to_identity);
    guard::headers(middleware::observe(context, request, to_guard).await)
}

/// Alertmanager's API; in its place a slash at the end of a path changes nothing, as there.
fn alertmanagers(upstream_only: bool) -> Router<Arc<Context>> {
    use alertmanager::{alerts, silences, status};
    let ends: &[&str] = if upstream_only { &["", "/"] } else { &[""] };
    let mut router = Router::new();
    for end in ends {
        let path = |name: &str| format!("/api/v2/{name}{end}");
        router = router
            .route(&path("alerts"), get(alerts::list).post(alerts::post))
            .route(&path("alerts/groups"), get(alerts::groups))
            .route(&path("receivers"), get(status::receivers))
            .route(&path("status"), get(status::status))
            .route(&path("silences"), get(silences::list).post(silences::post))
            .route(
                &path("silence/{id}"),
                get(silences::one).delete(silences::expire),
            );
    }
    router
}

/// What Alertmanager has not; not there in its place. Left are two pages where its own would be, probes, and the ledger,
/// which is only read.
fn beyond_upstream(context: &Arc<Context>) -> Router<Arc<Context>> {
    if context.upstream_only {
        return Router::new();
    }
    Router::new()
        // Pages.
        .route("/status", get(pages::handlers::status))
        .route("/targets", get(pages::handlers::targets))
        .route("/rules", get(pages::handlers::rules))
        .route("/rules/{group}/{rule}", get(rule::handlers::show))
        .route(
            "/rules/{group}/{rule}/chart.svg",
            get(rule::handlers::chart),
        )
        .route("/theme", post(pages::shell::choose))
        .route("/events", get(live::events))
        .route("/graph", get(pages::graph::serve::page))
        .route("/query", get(pages::graph::serve::page))
        .route("/status/configuration", get(pages::configuration::serve))
        .route("/graph.csv", get(pages::graph::serve::download))
        .route("/assets/promql.json", get(pages::graph::serve::words))
        .route("/alerts", get(pages::alerts::list::show))
        .route("/alerts/{fingerprint}", get(pages::alerts::one::show))
        .route(
            "/alerts/{fingerprint}/chart.svg",
            get(pages::alerts::one::chart),
        )
        .route("/ledger", get(pages::ledger::list::show))
        .route("/definitions", get(pages::catalogue::list::metrics))
        .route("/definitions/metrics", get(pages::catalogue::list::metrics))
        .route("/definitions/domains", get(pages::catalogue::list::domains))
        .route(
            "/definitions/objectives",
            get(pages::catalogue::list::objectives),
        )
        .route("/definitions/{kind}/{id}", get(pages::catalogue::one::show))
        .route(
            "/definitions/metrics/{id}/chart.svg",
            get(pages::catalogue::chart::chart),
        )
        .route("/runbooks", get(runbooks::index))
        .route("/runbooks/{slug}", get(runbooks::page))
        .route("/runbooks/{slug}/chart/{theme}", get(runbooks::chart))
        .route("/runbooks/{slug}/block/{number}", get(runbooks::block))
        .route(
            "/runbooks/{slug}/block/{number}/{theme}",
            get(runbooks::block_chart),
        )
        .route("/render/alert/{file}", get(render::alert))
        .route("/render/{file}", get(render::query))
        // Dashboards, for Grafana.
        .route("/dashboards", get(dashboards::index))
        .route("/dashboards/{file}", get(dashboards::one))
        .route("/dashboards/live/{file}", get(dashboards::live))
        // Prometheus's API.
        .route("/api/v1/query", get(query::instant).post(query::instant))
        .route("/api/v1/query_range", get(query::range).post(query::range))
        .route("/api/v1/series", get(series::series).post(series::series))
        .route("/api/v1/labels", get(series::names).post(series::names))
        .route("/api/v1/label/{name}/values", get(series::values))
        .route("/api/v1/rules", get(rules::rules))
        .route("/api/v1/rules/{group}/{rule}", get(rule::handlers::json))
        .route("/api/v1/alerts", get(rules::alerts))
        .route("/api/v1/targets", get(targets::targets))
        .route("/api/v1/metadata", get(targets::metadata))
        .route("/api/v1/status/buildinfo", get(status::buildinfo))
        .route("/api/v1/status/runtimeinfo", get(status::runtimeinfo))
        .route("/api/v1/status/config", get(status::config))
        // What metrics mean.
        .merge(definitions::routes(context))
        .merge(openapi::routes())
        // Routes and receivers: tried, and as they stand.
        .route("/api/v1/routes/test", post(routes::test))
        .route("/api/v1/notifications/receivers", get(receivers::receivers))
        .route("/api/v1/storms", get(storms::list))
        .route("/api/v1/storms/{receiver}/end", post(storms::end))
        // Who has taken charge of what.
        .route("/api/v1/acks", get(acks::list).post(acks::post))
        .route("/api/v1/acks/{id}", get(acks::one).delete(acks::withdraw))
        // Where links in messages lead.
        .route(
            "/ack",
            get(quiet_pages::action::show_ack).post(quiet_pages::action::ack),
        )
        .route(
            "/silence",
            get(quiet_pages::action::show_silence).post(quiet_pages::action::act_silence),
        )
        // Silences beyond Alertmanager's.
        .route("/api/v1/silences/preview", post(preview::post))
        .route(
            "/api/v1/recurring-silences",
            get(recurring::list).post(recurring::post),
        )
        .route(
            "/api/v1/recurring-silences/{id}",
            get(recurring::one)
                .put(recurring::put)
                .delete(recurring::remove),
        )
}

/// Accounts, tokens and the login; not there where nothing is asked for.
fn authentication(on: bool) -> Router<Arc<Context>> {
    if on { auth::router() } else { Router::new() }
}

async fn not_found(request: Request) -> Response {
    let path = request.uri().path();
    let what = if path.starts_with("/api/v2/") {
        &format!("path {path} was not found")
    } else if path.starts_with("/api/") {
        "no such path"
    } else {
        "there is no such page"
    };
    errors::answer(path, ErrorKind::NotFound, what)
}

async fn wrong_method(request: Request) -> Response {
    errors::answer(
        request.uri().path(),
        ErrorKind::Method,
        "the method does not fit this path; the Allow header names those that do",
    )
}
