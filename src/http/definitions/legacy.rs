//! The older paths below `/api`: as their clients know them, with the headers that name what follows them.
//!
//! ```text
//! GET    /api/metrics, /api/domains, /api/objectives   {"success": true, "data": [all of them], "count": n}
//! POST   /api/domains/save, /api/objectives/save       {"domains": […]}: from now on these are all there are
//! POST   /api/import                                   {"data": …}
//! GET    /api/metrics/{id}/policy, /api/policies        Rego as text/plain; {"data": {"<name>.rego": Rego}, "count": n}
//! others                                               as below /api/v1
//! ```
//!
//! `Deprecation` is that of RFC 9745, `Sunset` that of RFC 8594. A save checks each and removes what is missing only for
//! an admin. Paths that took the address of a database or changed the storage answer 410.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::LINK;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::answer::{self, Fault};
use super::import::{self, Envelope};
use super::report::Report;
use super::{author, body, bulk, items, list, performance, policies, store, write_scope};
use crate::auth::role::Role;
use crate::db::definitions::{self as rows, Column};
use crate::definitions::catalog;
use crate::definitions::check::Findings;
use crate::definitions::resource::{Kind, Resource};
use crate::definitions::store::batch::{Mode, Replaced};
use crate::http::context::Context;
use crate::http::identity::{Who, require};
use crate::http::problem::Problem;

/// Since when these paths are deprecated (<https://www.rfc-editor.org/rfc/rfc9745>): 2026-11-20.
const DEPRECATION: &str = "@1795132800";
/// When they may go (<https://www.rfc-editor.org/rfc/rfc8594>).
const SUNSET: &str = "Sat, 20 Nov 2027 00:00:00 GMT";

/// Paths that are no more, and why.
const GONE: [(&str, &str); 6] = [
    ("/api/postgres/{*rest}", STORAGE),
    ("/api/database/{*rest}", STORAGE),
    ("/api/storage/{*rest}", STORAGE),
    ("/api/cache/{*rest}", STORAGE),
    (
        "/api/export/objective/docx",
        "reports are Markdown and HTML now: GET /api/v1/objectives/{id}/report",
    ),
    ("/api/export", "export from /api/v1/export"),
];
const STORAGE: &str = "the storage is set in outrigger.yml and by nobody over HTTP; definitions are read and written below /api/v1";

pub(super) fn routes() -> Router<Arc<Context>> {
    let mut router = Router::new()
        .route("/api/stats", get(stats))
        .route("/api/performance/stats", get(performance::legacy))
        .route("/api/policies", get(policies::files))
        .route("/api/metrics/{id}/policy", get(policies::text))
        .route(
            "/api/import",
            post(|state: State<_>, who, request: Request| {
                import::import(Envelope::Required, state, who, request)
            })
            .layer(DefaultBodyLimit::max(body::MAX_BULK_BYTES)),
        );
    for kind in Kind::ALL {
        let path = format!("/api/{}", kind.plural());
        let all = get(move |state: State<_>, request: Request| list::all(kind, state, request));
        let remove =
            move |state: State<_>, who, id, headers| items::remove(kind, state, who, id, headers);
        router = match kind {
            Kind::Metric => router
                .route(
                    &path,
                    all.post(move |state: State<_>, who, request: Request| {
                        items::create(kind, state, who, request)
                    }),
                )
                .route(
                    &format!("{path}/{{id}}"),
                    get(move |state: State<_>, id, headers| items::one(kind, state, id, headers))
                        .put(move |state: State<_>, who, id, request: Request| {
                            items::put(kind, state, who, id, request)
                        })
                        .delete(remove),
                ),
            Kind::Domain | Kind::Objective => router
                .route(&path, all)
                .route(&format!("{path}/{{id}}"), delete(remove))
                .route(
                    &format!("{path}/save"),
                    post(move |state: State<_>, who, request: Request| {
                        save(kind, state, who, request)
                    })
                    .layer(DefaultBodyLimit::max(body::MAX_BULK_BYTES)),
                ),
        };
    }
    let mut router = deprecated(router);
    for (path, reason) in GONE {
        let gone = move || async move {
            Problem::new(StatusCode::GONE, "BIZ_GONE", reason).into_response()
        };
        router = router.route(path, any(gone));
    }
    router
}

/// The routes with the headers of what is deprecated on each answer.
pub(super) fn deprecated(router: Router<Arc<Context>>) -> Router<Arc<Context>> {
    router.layer(from_fn(async |request: Request, next: Next| {
        let successor = successor(request.uri().path());
        let mut response = next.run(request).await;
        let headers = response.headers_mut();
        let name = HeaderName::from_static;
        headers.insert(name("deprecation"), HeaderValue::from_static(DEPRECATION));
        headers.insert(name("sunset"), HeaderValue::from_static(SUNSET));
        let link = format!("<{successor}>; rel=\"successor-version\"");
        if let Ok(link) = HeaderValue::try_from(link) {
            headers.append(LINK, link);
        }
        response
    }))
}

/// The path that follows an older one.
fn successor(path: &str) -> String {
    match path {
        "/api/domains/save" => "/api/v1/bulk/domains".to_owned(),
        "/api/objectives/save" => "/api/v1/bulk/objectives".to_owned(),
        "/api/performance/stats" => "/api/v1/stats/performance".to_owned(),
        _ => path.replacen("/api/", "/api/v1/", 1),
    }
}

async fn save(
    kind: Kind,
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    request: Request,
) -> Result<Response, Fault> {
    require(&caller, Role::Editor, write_scope(kind))?;
    let mut body = body::object(request).await?;
    let wrong = |message: String| Problem::new(StatusCode::BAD_REQUEST, "VAL_MALFORMED", message);
    let name = kind.plural();
    let Some(Value::Array(list)) = body.shift_remove(name) else {
        return Err(wrong(format!("the body holds no list under {name}")).into());
    };
    if list.len() > bulk::MOST {
        return Err(wrong(format!("the list holds more than {} items", bulk::MOST)).into());
    }
    let items = list.iter().enumerate();
    let items = items.map(|(i, value)| catalog::item(kind, value, format!("{name}[{i}]")));
    let items = items.collect();
    let may_remove = require(&caller, Role::Admin, write_scope(kind));
    let store = store(&context, false);
    let now = context.clock.now();
    let replaced = store
        .replace_all(kind, items, may_remove.is_ok(), author(&caller), now)
        .await?;
    match replaced {
        Replaced::WouldRemove(gone) => {
            let message = format!(
                "requires role admin: {} that the list does not hold would be removed",
                gone.len()
            );
            let problem = Problem::new(StatusCode::FORBIDDEN, "AUTH_ROLE_TOO_LOW", message);
            Err(problem.with_details(json!(gone)).into())
        }
        Replaced::Done(items) => {
            let report = Report {
                items,
                body: Findings::default(),
                mode: Mode {
                    atomic: true,
                    dry_run: false,
                },
            };
            Ok(report.answer(serde_json::Map::new()))
        }
    }
}

async fn stats(State(context): State<Arc<Context>>) -> Result<Json<Value>, Fault> {
    let mut data = json!({});
    let mut total = 0;
    for (name, column) in [
        ("byTier", Column::Tier),
        ("byMetricType", Column::MetricType),
        ("byBusinessDomain", Column::BusinessDomain),
    ] {
        let counts = rows::counts(&context.definitions, Kind::Metric.as_str(), column).await?;
        total = counts.iter().map(|(_, count)| count).sum::<i64>();
        data[name] = counts
            .into_iter()
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect();
    }
    let mut owners: BTreeMap<String, i64> = BTreeMap::new();
    for resource in store(&context, false).of_kind(Kind::Metric).await? {
        if let Resource::Metric(metric) = resource {
            *owners.entry(metric.governance.technical_owner).or_default() += 1;
        }
    }
    data["byOwner"] = json!(owners);
    data["total"] = total.into();
    Ok(Json(json!({"success": true, "data": data})))
}

/// All resources of a kind, in the older envelope.
pub(super) fn all(documents: &str, count: usize) -> Response {
    let body = format!("{{\"success\":true,\"data\":[{documents}],\"count\":{count}}}");
    answer::json_text(StatusCode::OK, body)
}
