//! The operations of the definition API, in the order of [`crate::http::definitions`]: those of every kind, those of one,
//! and the older paths.

mod around;
mod legacy;

use axum::http::Method;
use serde_json::{Value, json};

use super::operation::Operation;
use super::schemas::{name, of};
use crate::definitions::metric::{MetricType, Status, Tier};
use crate::definitions::objective::ObjectiveStatus;
use crate::definitions::resource::Kind;

const JSON: &[&str] = &["application/json"];
const JSON_OR_PATCH: &[&str] = &["application/json", "application/merge-patch+json"];
const JSON_OR_YAML: &[&str] = &["application/json", "application/yaml"];
const YAML: &[&str] = &["application/yaml"];
const PAGES: &[&str] = &[
    "X-Total-Count",
    "X-Page",
    "X-Per-Page",
    "X-Total-Pages",
    "Link",
    "X-Cache",
];
const SORTS: [&str; 9] = [
    "id",
    "name",
    "category",
    "tier",
    "business_domain",
    "metric_type",
    "status",
    "owner_team",
    "updated_at",
];

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        all.extend(of_kind(kind));
        all.extend(past(kind));
        all.extend(bulk(kind));
    }
    all.extend(around::policies());
    all.extend(around::live());
    all.extend(around::together());
    all.extend(around::about());
    all.extend(legacy::operations());
    all
}

fn get(path: impl Into<String>, id: impl Into<String>, tag: &'static str, what: &str) -> Operation {
    Operation::new(Method::GET, path, id, tag, what)
}

fn tag(kind: Kind) -> &'static str {
    kind.plural()
}

/// One definition, as it is answered for.
fn one(kind: Kind) -> Value {
    of::success(vec![
        ("data", of::named(name(kind))),
        ("warnings?", of::list(of::named("Finding"))),
    ])
}

fn page(of: Value) -> Value {
    of::success(vec![
        ("data", of::list(of)),
        ("pagination", of::named("Pagination")),
    ])
}

fn told() -> Value {
    of::success(vec![("message", of::text())])
}

fn counts() -> Value {
    of::map(of::whole(0))
}

/// What a list is narrowed by.
fn filtered(kind: Kind, list: Operation) -> Operation {
    let text = || of::bounded(0, 200);
    let list = list
        .query("search", "Words that each must be there.", text())
        .queries(
            "tags",
            "a,b for one of both; given twice, each must be there.",
        )
        .queries("tag", "The same.")
        .query("owner_team", "Whose it is.", of::text());
    let sorts: Vec<String> = SORTS
        .iter()
        .flat_map(|name| [(*name).to_owned(), format!("-{name}")])
        .collect();
    let sort = json!({"type": "string", "enum": sorts});
    let list = list.query("sort", "By what; with - in front downwards.", sort);
    match kind {
        Kind::Metric => list
            .query("category", "What kind of figure.", of::text())
            .query("business_domain", "The name of its domain.", of::text())
            .query("tier", "How much hangs on it.", of::words(Tier::WORDS))
            .query(
                "metric_type",
                "What it is for.",
                of::words(MetricType::WORDS),
            )
            .query("status", "Whether it is in use.", of::words(Status::WORDS)),
        Kind::Domain => list.query("status", "Whether it is in use.", of::words(Status::WORDS)),
        Kind::Objective => list.query(
            "status",
            "How far it is.",
            of::words(ObjectiveStatus::WORDS),
        ),
    }
}

fn of_kind(kind: Kind) -> Vec<Operation> {
    let (word, title, many) = (kind.as_str(), name(kind), kind.plural());
    let path = format!("/api/v1/{many}");
    let item = format!("{path}/{{id}}");
    let plural = format!("{title}s");
    let on = |method, path: &str, id: String, what: &str| {
        Operation::new(method, path, id, tag(kind), what)
    };
    let list = on(
        Method::GET,
        &path,
        format!("list{plural}"),
        &format!("List {many}"),
    );
    let new = of::named(&format!("{title}New"));
    let change = of::named(&format!("{title}Change"));
    vec![
        filtered(kind, list.paged(true)).if_none_match().answers_as(
            200,
            "A page of them.",
            JSON,
            &page(of::named(title)),
            &[PAGES, &["ETag"]].concat(),
        ),
        on(
            Method::POST,
            &path,
            format!("create{title}"),
            &format!("Make a {word}"),
        )
        .strict()
        .json(&new)
        .answers_as(201, "It was made.", JSON, &one(kind), &["ETag", "Location"])
        .fails(409, "Taken"),
        on(
            Method::GET,
            &item,
            format!("get{title}"),
            &format!("Read a {word}"),
        )
        .if_none_match()
        .answers_as(200, "It.", JSON, &one(kind), &["ETag", "X-Cache"]),
        on(
            Method::PUT,
            &item,
            format!("replace{title}Fields"),
            &format!("Change a {word}: fields that are given take the place of what was there"),
        )
        .strict()
        .if_match()
        .json(&change)
        .answers_as(200, "As it is now.", JSON, &one(kind), &["ETag"])
        .fails(409, "ReadOnly"),
        on(
            Method::PATCH,
            &item,
            format!("patch{title}"),
            &format!("Change a {word} at every depth; null removes (RFC 7396)"),
        )
        .strict()
        .if_match()
        .body(JSON_OR_PATCH, &of::named("MergePatch"))
        .answers_as(200, "As it is now.", JSON, &one(kind), &["ETag"])
        .fails(409, "ReadOnly"),
        on(
            Method::DELETE,
            &item,
            format!("delete{title}"),
            &format!("Remove a {word}; its history stays"),
        )
        .if_match()
        .answers(200, "It is gone.", &told())
        .fails(409, "ReadOnly"),
    ]
}

/// Revisions.
fn past(kind: Kind) -> Vec<Operation> {
    let title = name(kind);
    let path = format!("/api/v1/{}/{{id}}", kind.plural());
    let mut document = of::named("Revision");
    document = json!({"allOf": [document, of::object(vec![("document", of::nullable(of::named(title)))])]});
    let change = of::object(vec![
        ("field", of::text()),
        ("change", of::words(&["added", "removed", "changed"])),
        ("before?", json!({})),
        ("after?", json!({})),
    ]);
    let diff = of::object(vec![
        ("from", of::named("Revision")),
        ("to", of::named("Revision")),
        ("changes", of::list(change)),
    ]);
    let restored = of::object(vec![("revision?", of::whole(1))]);
    vec![
        get(
            format!("{path}/history"),
            format!("list{title}Revisions"),
            tag(kind),
            "Every write, the newest first, also after it was removed",
        )
        .paged(false)
        .answers_as(
            200,
            "A page of them.",
            JSON,
            &page(of::named("Revision")),
            PAGES,
        ),
        get(
            format!("{path}/history/{{revision}}"),
            format!("get{title}Revision"),
            tag(kind),
            "What it was then",
        )
        .in_path("revision", "Its number.", of::whole(1))
        .answers(
            200,
            "It; document is null of a removal.",
            &of::data(document),
        ),
        get(
            format!("{path}/history/diff"),
            format!("compare{title}Revisions"),
            tag(kind),
            "Each value that differs",
        )
        .query(
            "from",
            "The older one; else that before the newer.",
            of::whole(1),
        )
        .query("to", "The newer one; else the newest.", of::whole(1))
        .answers(200, "What differs.", &of::data(diff)),
        Operation::new(
            Method::POST,
            format!("{path}/restore"),
            format!("restore{title}"),
            tag(kind),
            "Bring a revision back as a new one; without a number, what was removed",
        )
        .if_match()
        .optional_json(&restored)
        .answers_as(200, "As it is now.", JSON, &one(kind), &["ETag"])
        .fails(409, "ReadOnly"),
    ]
}

/// How many at once are written.
fn batch(operation: Operation) -> Operation {
    let about = "Whether all is written or nothing.";
    let operation = operation.query("atomic", about, of::flag(true));
    let about = "Whether to say what would happen, and write nothing.";
    operation
        .query("dry_run", about, of::flag(false))
        .strict()
        .answers(200, "What became of each.", &of::data(of::named("Report")))
        .answers(
            207,
            "Some are refused, the others written.",
            &of::data(of::named("Report")),
        )
        .fails(404, "Missing")
        .fails(409, "Taken")
        .fails(412, "Stale")
}

fn bulk(kind: Kind) -> Vec<Operation> {
    let title = name(kind);
    let items = |of: Value| of::object(vec![("items", of::list(of))]);
    let removed = of::object(vec![
        ("ids?", of::list(of::text())),
        ("items?", of::list(of::any_object())),
    ]);
    let new = of::named(&format!("{title}New"));
    let change = of::named(&format!("{title}Change"));
    let anything = of::any_object();
    [
        (Method::POST, "Make", "bulkCreate", items(new)),
        (Method::PUT, "Change", "bulkReplace", items(change)),
        (Method::PATCH, "Patch", "bulkPatch", items(anything)),
        (Method::DELETE, "Remove", "bulkDelete", removed),
    ]
    .into_iter()
    .map(|(method, verb, id, body)| {
        let operation = Operation::new(
            method,
            format!("/api/v1/bulk/{}", kind.plural()),
            format!("{id}{title}s"),
            tag(kind),
            format!("{verb} up to 1,000 {} at once", kind.plural()),
        );
        batch(operation.json(&body))
    })
    .collect()
}
