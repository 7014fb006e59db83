//! The older paths.

use axum::http::Method;

use super::{JSON, JSON_OR_YAML, batch, counts, filtered, one, told};
use crate::definitions::resource::Kind;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schemas::{name, of};

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    let tag = "older paths";
    let on = |method, path: &str, id: &str, what: &str| Operation::new(method, path, id, tag, what);
    let all = |kind| {
        of::success(vec![
            ("data", of::list(of::named(name(kind)))),
            ("count", of::whole(0)),
        ])
    };
    let mut operations = Vec::new();
    for kind in Kind::ALL {
        let (title, many) = (name(kind), kind.plural());
        let (path, item) = (format!("/api/{many}"), format!("/api/{many}/{{id}}"));
        let list = on(
            Method::GET,
            &path,
            &format!("legacyList{title}s"),
            "All of them",
        );
        operations.push(filtered(kind, list).answers(200, "All of them.", &all(kind)));
        operations.push(
            on(
                Method::DELETE,
                &item,
                &format!("legacyDelete{title}"),
                "Remove one",
            )
            .if_match()
            .answers(200, "It is gone.", &told())
            .fails(409, "ReadOnly"),
        );
        if kind == Kind::Metric {
            continue;
        }
        let list = of::object(vec![(many, of::list(of::named(&format!("{title}New"))))]);
        operations.push(
            on(
                Method::POST,
                &format!("{path}/save"),
                &format!("legacySave{title}s"),
                "From now on these are all there are",
            )
            .json(&list)
            .answers(200, "What became of each.", &of::data(of::named("Report")))
            .fails(409, "ReadOnly"),
        );
    }
    let metric = one(Kind::Metric);
    let total = of::object(vec![
        ("total", of::whole(0)),
        ("byTier", counts()),
        ("byMetricType", counts()),
        ("byBusinessDomain", counts()),
        ("byOwner", counts()),
    ]);
    let performance = of::object(vec![
        ("performance", of::any_object()),
        ("memory", of::any_object()),
        ("uptime", of::text()),
    ]);
    let files = of::success(vec![("data", of::map(of::text())), ("count", of::whole(0))]);
    let imported = of::object(vec![("data", of::named("Catalog"))]);
    let import = on(
        Method::POST,
        "/api/import",
        "legacyImport",
        "Take over definitions",
    );
    operations.extend([
        on(
            Method::POST,
            "/api/metrics",
            "legacyCreateMetric",
            "Make a metric",
        )
        .strict()
        .json(&of::named("MetricNew"))
        .answers_as(201, "It was made.", JSON, &metric, &["ETag", "Location"])
        .fails(409, "Taken"),
        on(
            Method::GET,
            "/api/metrics/{id}",
            "legacyGetMetric",
            "Read a metric",
        )
        .if_none_match()
        .answers_as(200, "It.", JSON, &metric, &["ETag"]),
        on(
            Method::PUT,
            "/api/metrics/{id}",
            "legacyReplaceMetricFields",
            "Change a metric",
        )
        .strict()
        .if_match()
        .json(&of::named("MetricChange"))
        .answers_as(200, "As it is now.", JSON, &metric, &["ETag"])
        .fails(409, "ReadOnly"),
        on(
            Method::GET,
            "/api/metrics/{id}/policy",
            "legacyGetMetricPolicy",
            "A policy as text",
        )
        .if_none_match()
        .answers_as(200, "Its Rego.", &["text/plain"], &of::text(), &["ETag"]),
        on(
            Method::GET,
            "/api/policies",
            "legacyListPolicies",
            "All policies by their file",
        )
        .if_none_match()
        .answers_as(200, "All of them.", JSON, &files, &["ETag"]),
        on(
            Method::GET,
            "/api/stats",
            "legacyGetStats",
            "How many metrics there are",
        )
        .answers(200, "Counts.", &of::data(total)),
        on(
            Method::GET,
            "/api/performance/stats",
            "legacyGetPerformance",
            "How requests go",
        )
        .answers(200, "Figures.", &of::data(performance)),
        batch(import.body(JSON_OR_YAML, &imported)),
    ]);
    operations
}
