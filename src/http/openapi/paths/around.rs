//! What is made of definitions, and all kinds together.

use axum::http::Method;
use serde_json::json;

use super::{JSON, JSON_OR_YAML, PAGES, YAML, batch, counts, get, page};
use crate::auth::role::{Role, Scope};
use crate::definitions::metric::Direction;
use crate::definitions::resource::Kind;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schemas::of;

/// Policies made of metrics.
pub(super) fn policies() -> Vec<Operation> {
    let tag = "policies";
    let policy = of::named("Policy");
    let cached = &["ETag", "X-Cache"];
    vec![
        get(
            "/api/v1/policies",
            "listPolicies",
            tag,
            "The policy of each metric",
        )
        .if_none_match()
        .answers_as(
            200,
            "All of them.",
            JSON,
            &of::success(vec![
                ("data", of::list(policy.clone())),
                ("count", of::whole(0)),
            ]),
            cached,
        ),
        get(
            "/api/v1/policies/bundle.tar.gz",
            "getPolicyBundle",
            tag,
            "All policies as a bundle for the Open Policy Agent",
        )
        .if_none_match()
        .answers_as(
            200,
            "The bundle.",
            &["application/gzip"],
            &json!({"type": "string", "format": "binary"}),
            cached,
        ),
        get(
            "/api/v1/metrics/{id}/policy",
            "getMetricPolicy",
            tag,
            "The policy of a metric",
        )
        .if_none_match()
        .answers_as(200, "Its Rego.", JSON, &of::data(policy), cached),
    ]
}

/// What changes without a write.
pub(super) fn live() -> Vec<Operation> {
    let tag = "live values";
    let number = || of::nullable(of::number());
    let value = of::object(vec![
        ("metric_id", of::text()),
        ("name", of::text()),
        ("value", number()),
        ("verdict", of::text()),
        ("unit", of::text()),
        ("expected_direction", of::words(Direction::WORDS)),
        ("target_value", of::number()),
        ("warning_threshold", of::number()),
        ("critical_threshold", of::number()),
        ("at", of::time()),
        ("expression", of::text()),
        ("series", of::list(of::any_object())),
        ("series_left_out?", of::whole(1)),
        ("reason?", of::text()),
        ("history?", of::nullable(of::any_object())),
    ]);
    let progress = of::object(vec![
        ("objective_id", of::text()),
        ("name", of::text()),
        ("owner_team", of::text()),
        ("timeframe", of::any_object()),
        ("at", of::time()),
        ("progress", number()),
        ("expected", of::number()),
        ("verdict", of::text()),
        ("on_track", of::nullable(json!({"type": "boolean"}))),
        ("known", of::whole(0)),
        ("key_results", of::list(of::any_object())),
    ]);
    vec![
        get(
            "/api/v1/metrics/{id}/value",
            "getMetricValue",
            tag,
            "What a metric is worth now",
        )
        .query(
            "range",
            "Also its history of so long, such as 1h.",
            of::text(),
        )
        .query("step", "The history's step, such as 1m.", of::text())
        .answers(200, "Its value and verdict.", &of::data(value))
        .fails(422, "Unevaluated"),
        get(
            "/api/v1/objectives/{id}/progress",
            "getObjectiveProgress",
            tag,
            "How far an objective is",
        )
        .answers(200, "Its progress and pace.", &of::data(progress))
        .fails(422, "Unevaluated"),
        get(
            "/api/v1/objectives/{id}/report",
            "getObjectiveReport",
            tag,
            "How an objective stands, for people",
        )
        .query(
            "format",
            "In which form.",
            of::words(&["markdown", "md", "html"]),
        )
        .answers_as(
            200,
            "The report.",
            &["text/markdown", "text/html"],
            &of::text(),
            &["X-Cache"],
        ),
        get(
            "/api/v1/rules/generated",
            "getGeneratedRules",
            tag,
            "The rules made of definitions, as a rule file",
        )
        .if_none_match()
        .answers_as(200, "The file.", YAML, &json!({}), &["ETag"]),
    ]
}

/// Definitions of all kinds.
pub(super) fn together() -> Vec<Operation> {
    let tag = "catalog";
    let kinds = "Only these: metrics, domains, objectives; a comma between them.";
    let found = of::object(vec![
        ("kind", of::words(Kind::WORDS)),
        ("id", of::text()),
        ("name", of::text()),
        ("description", of::nullable(of::text())),
        ("score", of::number()),
        ("url", of::text()),
    ]);
    let entry = of::object(vec![
        ("id", of::whole(1)),
        ("timestamp", of::time()),
        ("actor", of::text()),
        ("source", of::text()),
        ("action", of::text()),
        ("kind", of::text()),
        ("target", of::text()),
        ("revision", of::whole(0)),
    ]);
    let import = Operation::new(
        Method::POST,
        "/api/v1/import",
        "importDefinitions",
        tag,
        "Take over up to 5,000 definitions",
    );
    let mut audit = get(
        "/api/v1/audit",
        "listAudit",
        tag,
        "Who wrote what, the newest first",
    )
    .needs(Role::Admin, Scope::Admin)
    .paged(true);
    for name in ["actor", "source", "action", "kind", "target"] {
        audit = audit.query(name, "Only of this.", of::text());
    }
    for name in ["since", "until"] {
        audit = audit.query(name, "RFC 3339.", of::time());
    }
    vec![
        batch(import.body(JSON_OR_YAML, &of::named("Catalog"))),
        get(
            "/api/v1/export",
            "exportDefinitions",
            tag,
            "All definitions as one catalog",
        )
        .query("format", "In which form.", of::words(&["json", "yaml"]))
        .query("kind", kinds, of::text())
        .answers_as(
            200,
            "A catalog that imports unchanged.",
            JSON_OR_YAML,
            &of::any_object(),
            &[],
        ),
        get(
            "/api/v1/search",
            "searchDefinitions",
            tag,
            "Definitions that hold every word",
        )
        .query("q", "The words.", of::bounded(1, 200))
        .required()
        .query("kind", kinds, of::text())
        .paged(false)
        .answers_as(
            200,
            "A page, the best fitting first.",
            JSON,
            &page(found),
            PAGES,
        ),
        audit.answers_as(200, "A page of them.", JSON, &page(entry), PAGES),
    ]
}

/// The API itself.
pub(super) fn about() -> Vec<Operation> {
    let tag = "about";
    let root = of::object(vec![
        ("version", of::text()),
        ("status", of::text()),
        ("endpoints", of::map(of::text())),
        ("documentation", of::text()),
    ]);
    let stats = of::object(vec![
        ("total", of::whole(0)),
        ("by_category", counts()),
        ("by_type", counts()),
        ("by_tier", counts()),
        ("by_domain", counts()),
    ]);
    let performance = of::object(vec![
        ("queries", of::map(of::number())),
        ("distribution", counts()),
        ("cache", of::nullable(of::any_object())),
    ]);
    let slow = of::object(vec![
        ("query", of::text()),
        ("duration", of::number()),
        ("timestamp", of::time()),
        ("params", of::list(json!({}))),
    ]);
    let pattern = of::object(vec![("pattern", of::text()), ("count", of::whole(1))]);
    let at = "/api/v1/stats/performance";
    vec![
        get("/api/v1", "getRoot", tag, "What there is").answers(200, "The paths.", &root),
        get(
            "/api/v1/stats",
            "getStats",
            tag,
            "How many metrics there are, by what",
        )
        .answers_as(200, "Counts.", JSON, &of::data(stats), &["X-Cache"]),
        get(
            at,
            "getPerformance",
            tag,
            "How long requests take, in milliseconds",
        )
        .answers(200, "Of the last requests.", &of::data(performance)),
        get(
            format!("{at}/slow-queries"),
            "listSlowQueries",
            tag,
            "The last slow requests",
        )
        .query(
            "limit",
            "The most of them.",
            json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 20}),
        )
        .answers(200, "The newest first.", &of::data(of::list(slow))),
        get(
            format!("{at}/patterns"),
            "listPatterns",
            tag,
            "The most frequent requests",
        )
        .answers(
            200,
            "The most frequent first.",
            &of::data(of::list(pattern)),
        ),
    ]
}
