//! The definition API: `/api/v1/metrics`, `/api/v1/domains`, `/api/v1/objectives`, each with `/{id}` and `/{id}/history`,
//! `/api/v1/stats`, and the policies made of metrics.
//!
//! ```text
//! GET    …              {"success": true, "data": […], "pagination": {page, limit, total, pages, hasNext, hasPrev}}
//! GET    …/{id}         {"success": true, "data": {…}}                    ETag; If-None-Match
//! POST   …              201 with the resource, and "warnings": […] where something is odd
//! PUT    …/{id}         what is given takes the place of what was there, the rest stays; If-Match
//! PATCH  …/{id}         the same at every depth, null removes (RFC 7396); If-Match
//! DELETE …/{id}         If-Match
//! ```
//!
//! Reading is open; writing needs an editor, deleting an admin. `?strict=true` refuses unknown fields. Errors are those of
//! [`super::problem`], but for a metric that is not there: its clients know `{"success": false, "error": "Metric not found"}`.

mod answer;
mod body;
pub mod cache;
pub mod figures;
mod generated;
mod items;
mod list;
mod live;
mod policies;
mod stats;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

use super::context::Context;
use super::problem::Problem;
use crate::auth::role::Scope;
use crate::definitions::check::Checks;
use crate::definitions::resource::Kind;
use crate::definitions::store::Store;
use crate::promql::parser;

/// All routes.
pub(super) fn routes(context: &Arc<Context>) -> Router<Arc<Context>> {
    let mut router = Router::new()
        .route("/api/v1/stats", get(stats::stats))
        .route("/api/v1/policies", get(policies::all))
        .route("/api/v1/policies/bundle.tar.gz", get(policies::bundle))
        .route("/api/v1/metrics/{id}/policy", get(policies::one));
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
    }
    let cached = from_fn_with_state(Arc::clone(context), cache::cached);
    // What is live changes without a write.
    router
        .route_layer(cached)
        .route("/api/v1/rules/generated", get(generated::generated))
        .route("/api/v1/metrics/{id}/value", get(live::value))
        .route("/api/v1/objectives/{id}/progress", get(live::progress))
}

/// The resources, read as strictly as the caller asks.
fn store(context: &Context, strict: bool) -> Store {
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
