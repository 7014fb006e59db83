//! From the state of the product to a runbook's page, and the handlers of all addresses below `/runbooks`.
//!
//! ```text
//!   /runbooks/<slug>?instance=…&job=…             the page; parameters are labels of an alert
//!   /runbooks/<slug>/chart/<theme>.svg?…          the alert's values against its threshold
//!   /runbooks/<slug>/block/<n>?…                  one query by itself, from 1
//!   /runbooks/<slug>/block/<n>/<theme>.svg?…      its course
//! ```
//!
//! Every part of the page has a limit of its own, so that a slow one is missing instead of being waited for.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};

use super::{Last, Live, Panel, Sent};
use crate::auth::role::{Role, Scope};
use crate::charts::alert::{self as alert_chart, ChartError, Sight, Subject};
use crate::charts::chart::Chart;
use crate::charts::svg;
use crate::charts::svg::paper::Sheet;
use crate::db::ledger::{self, LedgerEntry, LedgerFilter};
use crate::http::context::Context;
use crate::http::errors::{ApiError, ErrorKind};
use crate::http::identity::Who;
use crate::http::pages::{error, runbook};
use crate::http::params::Params;
use crate::http::prometheus::query::run as run_query;
use crate::model::labels::{ALERT_NAME, Labels, is_legacy_label_name, quote};
use crate::model::matcher::Matcher;
use crate::model::timestamp::Timestamp;
use crate::promql::eval::{Deadline, Query, QueryRange, QueryValue};
use crate::promql::parser;
use crate::runbooks::blocks::{Outcome, Runner};
use crate::runbooks::placeholders::Values;
use crate::runbooks::{Runbook, blocks};

use instances::Found;

mod instances;

/// The time all queries of a page have, and each of them.
const BLOCKS: Duration = Duration::from_millis(30);
const BLOCK: Duration = Duration::from_millis(15);
/// The longest search for the last time it fired.
const LAST_FIRED: Duration = Duration::from_millis(10);
/// The longest reading of the ledger.
const LEDGER: Duration = Duration::from_millis(150);
/// Rows of a query on the page, and on its own.
const ROWS: usize = 10;
const ALL_ROWS: usize = 100;
/// How far back notifications and firing are looked for.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Notifications shown, and entries of the ledger looked at for them.
const SENT: u32 = 8;
const EFFORT: usize = 10_000;
/// Labels taken from an address, and the longest value.
const MAX_LABELS: usize = 32;
const MAX_VALUE: usize = 1024;
/// How long a chart may be kept.
const CACHING: &str = "private, max-age=10";
/// What is said of notifications. Not said is why nothing was sent: the ledger tells that at length.
const KINDS: [&str; 8] = [
    "enqueued",
    "delivered",
    "failed",
    "expired",
    "fell_back",
    "silenced",
    "inhibited",
    "throttled",
];

type Slug = Result<Path<String>, PathRejection>;
type SlugAnd<T> = Result<Path<(String, T)>, PathRejection>;

/// `/runbooks`.
pub async fn index(State(context): State<Arc<Context>>) -> Html<String> {
    let active = instances::active(&context);
    Html(runbook::index(&context.runbooks.borrow(), &active))
}

/// `/runbooks/{slug}`.
pub async fn page(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    slug: Slug,
    params: Params,
) -> Response {
    // What is not UTF-8 is no runbook's name.
    let slug = slug.map_or_else(|_| "\u{fffd}".to_owned(), |Path(slug)| slug);
    let runbooks = Arc::clone(&context.runbooks.borrow());
    let Some(page) = runbooks.get(&slug) else {
        return missing(&context, &slug);
    };
    let now = context.clock.now();
    let mut live = live(&context, page, &params, now).await;
    let may_act = caller.allowed(Role::Editor, Scope::MonitoringWrite).is_ok();
    if let Some(panel) = live.panel.as_mut().filter(|_| !may_act) {
        // Whoever follows a signed link may do what it says.
        let rows = &mut panel.instances.rows;
        rows.iter_mut().for_each(|one| one.actions.clear());
    }
    let headers = [(CACHE_CONTROL, "no-store")];
    (headers, Html(runbook::render(page, now, &live))).into_response()
}

/// `/runbooks/{slug}/block/{number}`.
pub async fn block(
    State(context): State<Arc<Context>>,
    path: SlugAnd<usize>,
    params: Params,
) -> Response {
    let runbooks = Arc::clone(&context.runbooks.borrow());
    let found = path.ok().and_then(|Path((slug, number))| {
        let page = runbooks.get(&slug)?;
        let number = number.checked_sub(1)?;
        Some((page, number, page.queries.get(number)?.clone()))
    });
    let Some((page, number, query)) = found else {
        return no_such();
    };
    let now = context.clock.now();
    let mut live = Live::default();
    let found = found_instances(&context, page).await;
    choose(&mut live, &found, &params);
    let values = live.values.clone();
    let outcome = run_query(&context, move |context| {
        let deadline = deadline(context, context.query_timeout);
        let runner = runner(context, now);
        Ok(runner.run_one(&query, &values, ALL_ROWS, &deadline))
    })
    .await;
    let outcome = outcome.unwrap_or_else(|error| Outcome::Failed {
        message: error.message().to_owned(),
        excerpt: None,
    });
    let headers = [(CACHE_CONTROL, "no-store")];
    let html = runbook::block(page, number, now, &live, &outcome);
    (headers, Html(html)).into_response()
}

/// `/runbooks/{slug}/block/{number}/{theme}.svg`.
pub async fn block_chart(
    State(context): State<Arc<Context>>,
    path: Result<Path<(String, usize, String)>, PathRejection>,
    params: Params,
) -> Response {
    let runbooks = Arc::clone(&context.runbooks.borrow());
    let found = path.ok().and_then(|Path((slug, number, file))| {
        let page = runbooks.get(&slug)?;
        let query = page.queries.get(number.checked_sub(1)?)?;
        Some((page, query.clone(), sheet(&file)?))
    });
    let Some((page, query, sheet)) = found else {
        return no_such();
    };
    let mut live = Live::default();
    let found = found_instances(&context, page).await;
    choose(&mut live, &found, &params);
    let text = blocks::filled(&query, &live.values);
    let now = context.clock.now();
    drawn(&context, sheet, move |context, deadline| {
        runner(context, now).course(&text, deadline)
    })
    .await
}

/// `/runbooks/{slug}/chart/{theme}.svg`.
pub async fn chart(
    State(context): State<Arc<Context>>,
    path: SlugAnd<String>,
    params: Params,
) -> Response {
    let runbooks = Arc::clone(&context.runbooks.borrow());
    let found = path.ok().and_then(|Path((slug, file))| {
        let page = runbooks.get(&slug)?;
        Some((page, sheet(&file)?))
    });
    let Some((page, sheet)) = found else {
        return no_such();
    };
    let mut live = Live::default();
    let found = found_instances(&context, page).await;
    choose(&mut live, &found, &params);
    let name = page.front_matter.alert.clone().unwrap_or_default();
    let Some((source, subject)) = found.to_draw(&name, live.parameters.is_empty(), &params) else {
        return no_such();
    };
    let now = context.clock.now();
    drawn(&context, sheet, move |context, deadline| {
        let pictures = context.pictures.as_ref().map(|pictures| pictures.config());
        let external = pictures.map(|config| config.external_labels.clone());
        let sight = Sight {
            storage: &context.storage,
            engine: &context.engine,
            deadline,
            external_labels: external.as_deref().unwrap_or_default(),
        };
        match subject {
            Some((labels, since)) => {
                let subject = Subject {
                    labels,
                    since,
                    ended: None,
                    until: now,
                };
                alert_chart::draw(&source, &subject, sight)
            }
            None => alert_chart::course(&source.text, &source.expr, now, sight),
        }
    })
    .await
}

fn missing(context: &Context, slug: &str) -> Response {
    let runbooks = Arc::clone(&context.runbooks.borrow());
    let page = error::missing_runbook(slug, &runbooks.missing(slug));
    (StatusCode::NOT_FOUND, Html(page)).into_response()
}

fn no_such() -> Response {
    let status = StatusCode::NOT_FOUND;
    let page = error::render(status.as_u16(), "There is no such part of a runbook.");
    (status, Html(page)).into_response()
}

/// `light.svg`, `dark-small.svg`, ...
fn sheet(file: &str) -> Option<Sheet> {
    Sheet::parse(file.strip_suffix(".svg")?)
}

/// A drawing, or one that says that there is nothing to see.
async fn drawn(
    context: &Arc<Context>,
    sheet: Sheet,
    draw: impl FnOnce(&Context, &Deadline) -> Result<Chart, ChartError> + Send + 'static,
) -> Response {
    let svg = run_query(context, move |context| {
        let deadline = deadline(context, crate::charts::pictures::TIMEOUT);
        let chart = match draw(context, &deadline) {
            Ok(chart) => chart,
            Err(ChartError::NoData) => {
                let now = context.clock.now();
                Chart {
                    start: now - Duration::from_secs(3600),
                    end: now,
                    ..Chart::default()
                }
            }
            Err(error) => return Err(ApiError::new(ErrorKind::Execution, error.to_string())),
        };
        Ok(svg::draw_sheet(&chart, sheet))
    })
    .await;
    match svg {
        Ok(svg) => {
            let headers = [(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, CACHING)];
            (headers, svg).into_response()
        }
        Err(error) => error.into_response(),
    }
}

fn deadline(context: &Context, limit: Duration) -> Deadline {
    Deadline::after(limit).or_when(context.tasks.stop_token())
}

fn runner(context: &Context, at: Timestamp) -> Runner<'_> {
    Runner {
        storage: &context.storage,
        engine: &context.engine,
        at,
    }
}

async fn found_instances(context: &Context, page: &Runbook) -> Found {
    match &page.front_matter.alert {
        Some(alert) => instances::find(context, alert).await,
        None => Found::default(),
    }
}

/// All that changes.
async fn live(context: &Arc<Context>, page: &Runbook, params: &Params, now: Timestamp) -> Live {
    let mut live = Live::default();
    let found = found_instances(context, page).await;
    choose(&mut live, &found, params);
    let queries = page.queries.clone();
    let values = live.values.clone();
    let alert = page.front_matter.alert.clone();
    // A rule remembers the alerts that ended lately, also those too short to be seen at every minute.
    let ended = found.ended().filter(|_| found.firing() == 0);
    let asks_last = alert
        .clone()
        .filter(|_| found.firing() == 0 && ended.is_none());
    let ran = evaluated(context, now, queries, values, asks_last);
    let told = async {
        let Some(alert) = &alert else {
            return None;
        };
        let limited = tokio::time::timeout(LEDGER, told_lately(context, alert, now));
        limited.await.ok().flatten()
    };
    let ((outcomes, last), sent) = tokio::join!(ran, told);
    let last = ended.map_or(last, |(from, until)| Last::Fired(from, until));
    live.outcomes = outcomes;
    live.panel = alert.map(|alert| Panel {
        firing: found.firing(),
        pending: found.pending(),
        rules: found.rules(),
        instances: found.rows(context, &page.slug, params, now),
        last,
        notifications: sent,
        silence: address("/silences", &[("matchers", &named(&alert))], "#new"),
        ledger: address("/ledger", &[("filter", &named(&alert))], ""),
        dashboards: dashboards(page),
        alert,
    });
    live
}

/// `alertname="X"`.
fn named(alert: &str) -> String {
    format!("{ALERT_NAME}={}", quote(alert))
}

fn address(path: &str, pairs: &[(&str, &str)], fragment: &str) -> String {
    let parameters = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{path}?{parameters}{fragment}")
}

/// The shipped ones are there for Grafana; other names may be addresses.
fn dashboards(page: &Runbook) -> Vec<(String, Option<String>)> {
    let names = page.front_matter.dashboards.iter();
    let shown = |name: &String| {
        let shipped = crate::dashboards::shipped::NAMES.contains(&name.as_str());
        let address = match shipped {
            true => Some(format!("/dashboards/outrigger-{name}.json")),
            false => crate::http::pages::view::safe_link(name).map(str::to_owned),
        };
        (name.clone(), address)
    };
    names.map(shown).take(ALL_ROWS).collect()
}

/// Labels of the address: what words are filled in with, and what links carry on. Where the address says nothing and there is
/// one alert, its labels are taken.
fn choose(live: &mut Live, found: &Found, params: &Params) {
    live.labels = labels_of(params);
    let given = Labels::from_pairs(live.labels.iter().map(|(name, value)| (name, value)));
    let own = match live.labels.is_empty() {
        true => found.only(),
        // What the link does not name the alert may know.
        false => found.chosen(&given),
    };
    let all = match own {
        Some(own) => crate::rules::known::with_missing(&given, &own),
        None => given,
    };
    live.values = Values::of(&all);
    live.parameters = match live.labels.is_empty() {
        true => String::new(),
        false => parameters(
            live.labels
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        ),
    };
}

/// `?instance=…`, for the addresses of a page.
pub(in crate::http::pages) fn parameters<'a>(
    labels: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let pairs = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(labels.take(MAX_LABELS))
        .finish();
    format!("?{pairs}")
}

/// The parameters that are labels; the first of each name.
fn labels_of(params: &Params) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = Vec::new();
    for (name, value) in params.pairs() {
        let known = labels.iter().any(|(other, _)| other == name);
        if labels.len() < MAX_LABELS
            && !known
            && is_legacy_label_name(name)
            && !value.is_empty()
            && value.len() <= MAX_VALUE
        {
            labels.push((name.to_owned(), value.to_owned()));
        }
    }
    labels
}

/// Queries, and when the alert last fired; nothing where no place is left for another query.
async fn evaluated(
    context: &Arc<Context>,
    now: Timestamp,
    queries: Vec<String>,
    values: Values,
    alert: Option<String>,
) -> (Vec<Outcome>, Last) {
    let none = (Vec::new(), Last::Unknown);
    let Ok(place) = Arc::clone(&context.queries).try_acquire_owned() else {
        return none;
    };
    let context = Arc::clone(context);
    let work = tokio::task::spawn_blocking(move || {
        let all = deadline(&context, BLOCKS);
        let runner = runner(&context, now);
        let outcomes = runner.run_all(&queries, &values, ROWS, (BLOCK, &all));
        let last = alert.map_or(Last::Unasked, |alert| last_fired(&context, &alert, now));
        drop(place);
        (outcomes, last)
    });
    work.await.unwrap_or(none)
}

/// The last stretch of time in which it fired, from `ALERTS` in each minute of a day: seconds of firing count too.
fn last_fired(context: &Context, alert: &str, now: Timestamp) -> Last {
    const MINUTE_MS: i64 = 60_000;
    let text = format!(
        "count(max_over_time(ALERTS{{{},alertstate=\"firing\"}}[1m]))",
        named(alert)
    );
    let Ok(expr) = parser::parse(&text) else {
        return Last::Unknown;
    };
    let deadline = deadline(context, LAST_FIRED);
    let query = Query {
        text: &text,
        expr: &expr,
        deadline: &deadline,
    };
    let range = QueryRange {
        start_ms: (now - DAY).millis(),
        end_ms: now.millis(),
        step_ms: MINUTE_MS,
    };
    let Ok(result) = context.engine.range(&context.storage, &query, range) else {
        return Last::Unknown;
    };
    let QueryValue::Matrix(series) = result.value else {
        return Last::Unknown;
    };
    let Some(samples) = series.first().map(|series| &series.samples) else {
        return Last::Never;
    };
    let mut runs = samples.chunk_by(|a, b| b.timestamp_ms - a.timestamp_ms <= MINUTE_MS);
    let Some((first, last)) = runs.next_back().and_then(|run| run.first().zip(run.last())) else {
        return Last::Never;
    };
    // A value stands for the minute before it.
    Last::Fired(
        Timestamp::from_millis(first.timestamp_ms - MINUTE_MS),
        Timestamp::from_millis(last.timestamp_ms),
    )
}

/// What became of notifications of it.
async fn told_lately(context: &Context, alert: &str, now: Timestamp) -> Option<Vec<Sent>> {
    let filter = LedgerFilter {
        matchers: vec![Matcher::equal(ALERT_NAME, alert)],
        kinds: KINDS.map(str::to_owned).to_vec(),
        since: Some(now - DAY),
        ..LedgerFilter::default()
    };
    let page = ledger::page_within(&context.database, &filter, SENT, EFFORT).await;
    let page = page.inspect_err(|error| tracing::error!(%error, "read ledger for a runbook"));
    Some(page.ok()?.entries.iter().map(sent).collect())
}

fn sent(entry: &LedgerEntry) -> Sent {
    let kind = entry.decision.kind();
    Sent {
        at: entry.at,
        receiver: entry.receiver.to_string(),
        integration: entry.integration.to_string(),
        class: match kind {
            "delivered" => "good",
            "failed" | "expired" => "bad",
            "fell_back" => "warn",
            "silenced" | "inhibited" | "throttled" => "idle",
            _ => "info",
        },
        kind: match kind {
            "fell_back" => "fell back",
            kind => kind,
        },
        reason: entry.decision.to_string(),
    }
}
