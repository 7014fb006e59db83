//! `/dashboards`: what Grafana can import, as JSON, or as a page where a browser asks for the list. The shipped ones, one for each job out of what it exposes, and one for
//! each domain and objective out of its definition.
//!
//! Links in them lead to this process's external URL. They are made anew for each request: a few milliseconds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, VARY};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};

use super::context::Context;
use super::definitions;
use super::errors::{self, ErrorKind};
use super::identity::is_browser;
use super::pages::dashboards::{DashboardsPage, Row, render};
use super::pages::paged::{Address, Paging, tidy};
use super::pages::view::Bounded;
use super::params::Params;
use super::prometheus::query::run;
use crate::dashboards::model::Dashboard;
use crate::dashboards::service::families::{About, Gathering};
use crate::dashboards::silent::{Reads, reads};
use crate::dashboards::{meaning, service, shipped};
use crate::db::definitions::Column;
use crate::definitions::resource::{Kind, Resource};
use crate::definitions::store::StoreError;
use crate::model::labels::METRIC_NAME;
use crate::model::matcher::{MatchOp, Matcher};
use crate::storage::query::Queryable;

const PATH: &str = "/dashboards/";
/// How far back a series may have ended that still counts as the service's.
const RECENT_MS: i64 = 15 * 60 * 1000;
/// Dashboards on the page.
const PAGE: usize = 25;
/// The longest text on the page, in characters.
const LONG: usize = 400;

/// All dashboards: identity, name, purpose, address.
pub async fn index(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    params: Params,
) -> Response {
    let base = address(&context);
    let mut jobs: Vec<String> = context
        .targets
        .targets()
        .active
        .into_iter()
        .map(|target| target.job)
        .collect();
    jobs.sort();
    jobs.dedup();
    // One address has two forms.
    let varies = [(VARY, "accept")];
    if is_browser(&headers) {
        let page = page(&context, jobs, base, params.get("page")).await;
        return (varies, Html(render(&page))).into_response();
    }
    let all = all(&context, &base).await;
    let listed: Vec<Value> = all
        .iter()
        .map(|dashboard| {
            json!({
                "uid": dashboard.uid,
                "title": dashboard.title,
                "description": dashboard.description,
                "tags": dashboard.tags,
                "panels": dashboard.all_panels().count(),
                "url": format!("{base}/dashboards/{}.json", dashboard.uid),
            })
        })
        .collect();
    let live: Vec<Value> = jobs
        .iter()
        .map(|job| json!({"job": job, "url": format!("{base}{}", of_job(job))}))
        .collect();
    let listed = json!({"dashboards": listed, "live": live});
    (varies, Json(listed)).into_response()
}

/// The path of a job's dashboard.
fn of_job(job: &str) -> String {
    let file: String = url::form_urlencoded::byte_serialize(job.as_bytes()).collect();
    // In a path a blank is no plus.
    format!("/dashboards/live/{}.json", file.replace('+', "%20"))
}

async fn page(
    context: &Arc<Context>,
    jobs: Vec<String>,
    base: String,
    wanted: Option<&str>,
) -> DashboardsPage {
    let now = context.clock.now().millis();
    let shipped = shipped::all(&base);
    let defined = told(defined(context).await);
    let address = Address::new("/dashboards");
    let paging = Paging::of(shipped.len() + defined.len(), PAGE, wanted, address);
    // Only those that are shown are made, and only their metrics are read.
    let rows = paging.rows();
    let before = rows.start.saturating_sub(shipped.len());
    let most = rows.end.saturating_sub(shipped.len()) - before;
    let mut defined: Vec<Resource> = defined.into_iter().skip(before).take(most).collect();
    let metrics = told(metrics_of(context, &defined).await);
    defined.extend(metrics);
    let shipped = shipped.into_iter().skip(rows.start).take(rows.len());
    let all: Vec<Dashboard> = shipped.chain(meaning::all(&defined, &base)).collect();
    let shown: Vec<Row> = all.iter().map(row).collect();
    let judged = run(context, move |context| {
        let storage = &context.storage;
        let names = storage.label_values(METRIC_NAME, &[], now - RECENT_MS, now)?;
        let is_there = |name: &str| names.binary_search_by(|one| one.as_str().cmp(name)).is_ok();
        let silent = |reads: &[Reads]| -> Vec<String> {
            let silent = reads.iter().filter(|panel| panel.nothing(is_there));
            silent.map(|panel| tidy(&panel.title, LONG)).collect()
        };
        let of = |one: &Dashboard| match shipped_reads().get(&one.uid) {
            Some(known) => silent(known),
            None => silent(&reads(one)),
        };
        Ok(all.iter().map(of).collect::<Vec<_>>())
    });
    let judged = judged.await.unwrap_or_else(|error| {
        tracing::warn!(
            reason = error.message(),
            "look for panels that read nothing"
        );
        Vec::new()
    });
    let mut rows = shown;
    for (row, silent) in rows.iter_mut().zip(judged) {
        row.silent = silent;
    }
    DashboardsPage {
        rows,
        paging,
        jobs: Bounded::map(&jobs, |job| (tidy(job, LONG), of_job(job))),
        external_url: base,
    }
}

/// What the panels of the shipped dashboards read, by their identities: hundreds of queries, which never change.
fn shipped_reads() -> &'static HashMap<String, Vec<Reads>> {
    static READS: OnceLock<HashMap<String, Vec<Reads>>> = OnceLock::new();
    READS.get_or_init(|| {
        let shipped = shipped::all("").into_iter();
        shipped.map(|one| (one.uid.clone(), reads(&one))).collect()
    })
}

fn row(dashboard: &Dashboard) -> Row {
    Row {
        title: tidy(&dashboard.title, LONG),
        description: tidy(&dashboard.description, LONG),
        href: format!("/dashboards/{}.json", dashboard.uid),
        uid: dashboard.uid.clone(),
        tags: dashboard.tags.iter().map(|tag| tidy(tag, LONG)).collect(),
        panels: dashboard.all_panels().count(),
        silent: Vec::new(),
    }
}

/// The shipped ones, and those of what is defined.
async fn all(context: &Context, base: &str) -> Vec<Dashboard> {
    let mut all = shipped::all(base);
    let resources = told(definitions::store(context, false).all().await);
    all.extend(meaning::all(&resources, base));
    all
}

fn told(read: Result<Vec<Resource>, StoreError>) -> Vec<Resource> {
    read.unwrap_or_else(|error| {
        tracing::warn!(%error, "read definitions for dashboards");
        Vec::new()
    })
}

/// What has a dashboard, in their order.
async fn defined(context: &Context) -> Result<Vec<Resource>, StoreError> {
    let store = definitions::store(context, false);
    let mut defined = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Metric) {
        defined.extend(store.of_kind(kind).await?);
    }
    Ok(defined)
}

/// The metrics that their dashboards show.
async fn metrics_of(context: &Context, defined: &[Resource]) -> Result<Vec<Resource>, StoreError> {
    let mut wanted = BTreeSet::new();
    for resource in defined {
        match resource {
            Resource::Domain(domain) => {
                wanted.insert((Column::BusinessDomain, domain.name.as_str()));
            }
            Resource::Objective(objective) => {
                let ids = objective.key_results.iter().flat_map(|one| &one.metric_ids);
                wanted.extend(ids.map(|id| (Column::Id, id.as_str())));
            }
            Resource::Metric(_) => {}
        }
    }
    let store = definitions::store(context, false);
    // Each once, in the order of all.
    let mut metrics = BTreeMap::new();
    for (column, value) in wanted {
        let equal = vec![(column, value.to_owned())];
        for metric in store.where_equal(Kind::Metric, equal).await? {
            let place = (metric.name().to_owned(), metric.id().to_owned());
            metrics.insert(place, metric);
        }
    }
    Ok(metrics.into_values().collect())
}

/// One dashboard, by its identity.
pub async fn one(
    State(context): State<Arc<Context>>,
    file: Result<Path<String>, PathRejection>,
) -> Response {
    let uid = file
        .ok()
        .and_then(|Path(file)| Some(file.strip_suffix(".json")?.to_owned()));
    let base = address(&context);
    let Some(uid) = uid else {
        return missing("there is no such dashboard; /dashboards lists them");
    };
    let mut all = all(&context, &base).await.into_iter();
    let found = all.find(|dashboard| dashboard.uid == uid);
    match found {
        Some(dashboard) => answer(&dashboard),
        None => missing("there is no such dashboard; /dashboards lists them"),
    }
}

/// The dashboard of a job, out of what its targets expose.
pub async fn live(
    State(context): State<Arc<Context>>,
    file: Result<Path<String>, PathRejection>,
) -> Response {
    let job = file
        .ok()
        .and_then(|Path(file)| Some(file.strip_suffix(".json")?.to_owned()));
    let Some(job) = job else {
        return missing("there is no such job; /dashboards lists them");
    };
    let mut about: BTreeMap<String, About> = BTreeMap::new();
    let mut is_known = false;
    for target in context.targets.targets().active {
        if target.job != job {
            continue;
        }
        is_known = true;
        for (family, metadata) in target.metadata.iter() {
            about.entry(family.clone()).or_insert_with(|| About {
                kind: metadata.kind,
                help: metadata.help.clone(),
            });
        }
    }
    if !is_known {
        return missing("there is no such job; /dashboards lists them");
    }
    let now = context.clock.now().millis();
    let base = address(&context);
    let made = run(&context, move |context| {
        let matcher =
            Matcher::new("job", MatchOp::Equal, job.as_str()).expect("equality takes any value");
        let mut gathering = Gathering::new(about);
        for series in context
            .storage
            .series(&[vec![matcher]], now - RECENT_MS, now)?
        {
            gathering.series(&series);
        }
        Ok(service::dashboard(&job, &gathering.finish(), &base))
    })
    .await;
    match made {
        Ok(dashboard) => answer(&dashboard),
        Err(error) => error.into_response(),
    }
}

fn address(context: &Context) -> String {
    context.configuration.borrow().external_url.clone()
}

fn answer(dashboard: &Dashboard) -> Response {
    ([(CONTENT_TYPE, "application/json")], dashboard.to_json()).into_response()
}

fn missing(what: &str) -> Response {
    errors::answer(PATH, ErrorKind::NotFound, what)
}
