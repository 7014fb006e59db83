//! The definition API below `/api/v1`, and the older paths (`legacy`).
//!
//! ```text
//! metrics, domains, objectives:
//! GET    …              {"success": true, "data": […], "pagination": {page, limit, total, pages, hasNext, hasPrev, next_cursor}}
//! GET    …/{id}         {"success": true, "data": {…}}                    ETag; If-None-Match
//! POST   …              201 with the resource, and "warnings": […] where something is odd
//! PUT    …/{id}         what is given takes the place of what was there, the rest stays; If-Match
//! PATCH  …/{id}         the same at every depth, null removes (RFC 7396); If-Match
//! DELETE …/{id}         If-Match
//! …/{id}/history, …/history/{revision}, …/history/diff, …/restore         [`list`], [`revisions`]
//!
//! bulk/{kind} · import · export · search · audit · objectives/{id}/report · stats · stats/performance
//! ```
//!
//! Reading is open; writing needs an editor, deleting an admin. `?strict=true` refuses unknown fields. Errors are those of
//! [`super::problem`], but for a metric that is not there: its clients know `{"success": false, "error": "Metric not found"}`.

mod answer;
mod audit;
mod body;
mod bulk;
pub mod cache;
mod cursor;
mod export;
pub mod figures;
mod generated;
mod import;
mod items;
mod legacy;
mod list;
pub(super) mod live;
mod objective;
mod performance;
mod policies;
mod report;
mod revisions;
mod root;
mod search;
mod stats;
mod window;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::WARNING;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};

use self::import::Envelope;
use self::performance::Performance;
use super::context::Context;
use super::identity::require;
use super::problem::Problem;
use crate::auth::caller::Caller;
use crate::auth::role::{Role, Scope};
use crate::db::sql::stale;
use crate::definitions::check::Checks;
use crate::definitions::resource::Kind;
use crate::definitions::store::{Author, Store};
use crate::promql::parser;

/// All routes.
pub(super) fn routes(context: &Arc<Context>) -> Router<Arc<Context>> {
    let performance = Performance::default();
    let state = (Arc::clone(context), performance.clone());
    stored()
        .merge(changing())
        .route_layer(from_fn_with_state(state, around))
        .layer(Extension(performance))
}

/// What is around each of them, the outermost first.
async fn around(
    State((context, performance)): State<(Arc<Context>, Performance)>,
    request: Request,
    next: Next,
) -> Response {
    // The mark is made within, so that the cache keeps no such answer.
    let marked = |request| told_when_stale(next.run(request));
    let cached = |request| cache::cached(&context, request, marked);
    performance.measure(request, cached).await
}

/// All routes as they stand, for comparing them with what is written about them.
#[cfg(test)]
pub(super) fn bare() -> Router<Arc<Context>> {
    stored().merge(changing())
}

/// What is live changes without a write: it is not kept.
fn changing() -> Router<Arc<Context>> {
    Router::new()
        .route("/api/v1/rules/generated", get(generated::generated))
        .route("/api/v1/metrics/{id}/value", get(live::value))
        .route("/api/v1/objectives/{id}/progress", get(live::progress))
}

/// What changes with a write alone, and so may be kept.
fn stored() -> Router<Arc<Context>> {
    let import = |state: State<_>, who, request: Request| {
        import::import(Envelope::Optional, state, who, request)
    };
    let mut router = Router::new()
        .route("/api/v1/policies", get(policies::all))
        .route("/api/v1/policies/bundle.tar.gz", get(policies::bundle))
        .route("/api/v1/metrics/{id}/policy", get(policies::one))
        .route("/api/v1", get(root::root))
        .route("/api/v1/", get(root::root))
        .route("/api/v1/stats", get(stats::stats))
        .route("/api/v1/stats/performance", get(performance::summary))
        .route(
            "/api/v1/stats/performance/slow-queries",
            get(performance::slow_queries),
        )
        .route(
            "/api/v1/stats/performance/patterns",
            get(performance::patterns),
        )
        .route("/api/v1/objectives/{id}/report", get(objective::report))
        .route("/api/v1/search", get(search::search))
        .route("/api/v1/audit", get(audit::audit))
        .route("/api/v1/export", get(export::export))
        .route("/api/v1/import", post(import).layer(bulk_limit()));
    for kind in Kind::ALL {
        let path = format!("/api/v1/{}", kind.plural());
        router = router
            .route(
                &path,
                get(move |state: State<_>, request: Request| list::list(kind, state, request))
                    .post(move |state: State<_>, who, request: Request| {
                        items::create(kind, state, who, request)
                    }),
            )
            .route(
                &format!("{path}/{{id}}"),
                get(move |state: State<_>, id, headers| items::one(kind, state, id, headers))
                    .put(move |state: State<_>, who, id, request: Request| {
                        items::put(kind, state, who, id, request)
                    })
                    .patch(move |state: State<_>, who, id, request: Request| {
                        items::patch(kind, state, who, id, request)
                    })
                    .delete(move |state: State<_>, who, id, headers| {
                        items::remove(kind, state, who, id, headers)
                    }),
            )
            .route(
                &format!("{path}/{{id}}/history"),
                get(move |state: State<_>, id, request: Request| {
                    list::history(kind, state, id, request)
                }),
            );
        router = router
            .route(
                &format!("{path}/{{id}}/history/{{revision}}"),
                get(move |state: State<_>, path| revisions::one(kind, state, path)),
            )
            .route(
                &format!("{path}/{{id}}/history/diff"),
                get(move |state: State<_>, id, request: Request| {
                    revisions::diff(kind, state, id, request)
                }),
            )
            .route(
                &format!("{path}/{{id}}/restore"),
                post(move |state: State<_>, who, id, request: Request| {
                    revisions::restore(kind, state, who, id, request)
                }),
            );
        let bulk =
            move |state: State<_>, who, request: Request| bulk::write(kind, state, who, request);
        router = router.route(
            &format!("/api/v1/bulk/{}", kind.plural()),
            post(bulk)
                .put(bulk)
                .patch(bulk)
                .delete(bulk)
                .layer(bulk_limit()),
        );
    }
    router.merge(legacy::routes())
}

fn bulk_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(body::MAX_BULK_BYTES)
}

/// Who writes over HTTP.
fn author(caller: &Caller) -> Author<'_> {
    Author {
        name: caller.name(),
        source: "api",
    }
}

/// The kinds that are asked for and may be read; all of these where none is named.
fn kinds(query: &Query, caller: &Caller) -> Result<Vec<Kind>, Problem> {
    let named: Vec<&str> = query
        .all("kind")
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if named.is_empty() {
        let readable = |kind: &Kind| require(caller, Role::Viewer, read_scope(*kind)).is_ok();
        return Ok(Kind::ALL.into_iter().filter(readable).collect());
    }
    let find = |name: &str| {
        let fits = |kind: &Kind| kind.plural() == name || kind.as_str() == name;
        let kind = Kind::ALL.into_iter().find(fits);
        kind.ok_or_else(|| parameter("kind", "write metrics, domains or objectives"))
    };
    let named: Vec<Kind> = named.into_iter().map(find).collect::<Result<_, _>>()?;
    for kind in &named {
        require(caller, Role::Viewer, read_scope(*kind))?;
    }
    let wanted = |kind: &Kind| named.contains(kind);
    Ok(Kind::ALL.into_iter().filter(wanted).collect())
}

/// Something failed inside; the log says what.
fn internal() -> Problem {
    let message = "the request failed inside; the log says why";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "SYS_INTERNAL", message)
}

/// What a caller needs to read one of a kind.
pub(in crate::http) const fn read_scope(kind: Kind) -> Scope {
    match kind {
        Kind::Metric => Scope::MetricsRead,
        Kind::Domain => Scope::DomainsRead,
        Kind::Objective => Scope::ObjectivesRead,
    }
}

/// An answer that was read from the snapshot, since the database is down, says so: `Warning: 110` as caches do, and
/// `X-Stale` with the seconds since it was known to be the newest.
async fn told_when_stale(answer: impl Future<Output = Response>) -> Response {
    let (mut response, age) = stale::watch(answer).await;
    if let Some(age) = age {
        let headers = response.headers_mut();
        let warning = HeaderValue::from_static("110 outrigger \"Response is Stale\"");
        headers.insert(WARNING, warning);
        let age = HeaderValue::from(age.as_secs());
        headers.insert(HeaderName::from_static("x-stale"), age);
    }
    response
}

/// The resources, read as strictly as the caller asks.
pub(super) fn store(context: &Context, strict: bool) -> Store {
    let checks = Checks {
        expression: |text| {
            let parsed = parser::parse(text);
            parsed.map(drop).map_err(|error| error.to_string())
        },
        strict,
    };
    Store::new(context.definitions.clone(), checks)
}

const fn write_scope(kind: Kind) -> Scope {
    match kind {
        Kind::Metric => Scope::MetricsWrite,
        Kind::Domain => Scope::DomainsWrite,
        Kind::Objective => Scope::ObjectivesWrite,
    }
}

fn parameter(name: &str, message: &str) -> Problem {
    let message = format!("invalid parameter {name}: {message}");
    Problem::new(StatusCode::BAD_REQUEST, "VAL_PARAMETER", message)
}

/// The parameters of a query string, in their order.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(request: &Request) -> Self {
        let query = request.uri().query().unwrap_or_default();
        Self(
            url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The one value of a parameter; an empty one counts as absent.
    fn one<'q>(&'q self, name: &str) -> Result<Option<&'q str>, Problem> {
        let mut all = self.all(name);
        match (all.next(), all.next()) {
            (_, Some(_)) => Err(parameter(name, "is given twice; give it once")),
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
        }
    }

    fn all<'q, 'n>(&'q self, name: &'n str) -> impl Iterator<Item = &'q str> + use<'q, 'n> {
        let found = self
            .0
            .iter()
            .filter(move |(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str, least: i64, most: i64) -> Result<Option<i64>, Problem> {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(parameter(
                name,
                &format!("write a whole number from {least} to {most}"),
            )),
        }
    }

    fn strict(&self) -> Result<bool, Problem> {
        match self.one("strict")? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(parameter("strict", "write true or false")),
        }
    }
}
