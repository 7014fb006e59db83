//! `/definitions`, `/definitions/domains`, `/definitions/objectives`: the lists.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::live::{Patience, of_objective};
use super::{Choice, ListPage, Row, address, render_list};
use crate::db::DbError;
use crate::db::definitions::{self as rows, Column, Filter, Stored};
use crate::definitions::domain::Domain;
use crate::definitions::metric::{Metric, Status};
use crate::definitions::objective::{Objective, ObjectiveStatus};
use crate::definitions::resource::Kind;
use crate::definitions::search::words;
use crate::http::context::Context;
use crate::http::pages::error;
use crate::http::pages::paged::{Address, Paging, refusal, tidy};
use crate::http::pages::quiet::list::uncached;
use crate::http::params::Params;

/// Metrics and domains on a page.
const PAGE: usize = 50;
/// Objectives on a page: each is several queries.
const OBJECTIVES: usize = 20;
/// Values that a choice offers.
const VALUES: usize = 200;
/// Words that are looked for.
const WORDS: usize = 20;
/// The longest description, in characters.
const LONG: usize = 240;

/// `/definitions`.
pub async fn metrics(state: State<Arc<Context>>, params: Params) -> Response {
    show(Kind::Metric, state, params).await
}

/// `/definitions/domains`.
pub async fn domains(state: State<Arc<Context>>, params: Params) -> Response {
    show(Kind::Domain, state, params).await
}

/// `/definitions/objectives`.
pub async fn objectives(state: State<Arc<Context>>, params: Params) -> Response {
    show(Kind::Objective, state, params).await
}

async fn show(kind: Kind, State(context): State<Arc<Context>>, params: Params) -> Response {
    match fill(kind, &context, &params).await {
        Ok(page) => {
            let status = match page.mistake {
                Some(_) => StatusCode::BAD_REQUEST,
                None => StatusCode::OK,
            };
            uncached(status, render_list(&page))
        }
        Err(error) => failed(&error),
    }
}

/// The database of definitions cannot be read.
pub(super) fn failed(error: &DbError) -> Response {
    tracing::error!(%error, "read definitions for their page");
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let message = "The definitions cannot be read now; the log says why. Try again later.";
    uncached(status, error::render(status.as_u16(), message))
}

pub(super) fn path(kind: Kind) -> &'static str {
    match kind {
        Kind::Metric => "/definitions",
        Kind::Domain => "/definitions/domains",
        Kind::Objective => "/definitions/objectives",
    }
}

fn columns(kind: Kind) -> &'static [(&'static str, &'static str, Column)] {
    const OWNER: (&str, &str, Column) = ("owner_team", "Owner", Column::OwnerTeam);
    const STATUS: (&str, &str, Column) = ("status", "Status", Column::Status);
    match kind {
        Kind::Metric => &[
            ("tier", "Tier", Column::Tier),
            ("business_domain", "Domain", Column::BusinessDomain),
            OWNER,
            ("category", "Category", Column::Category),
            STATUS,
        ],
        Kind::Domain | Kind::Objective => &[OWNER, STATUS],
    }
}

async fn fill(kind: Kind, context: &Arc<Context>, params: &Params) -> Result<ListPage, DbError> {
    let database = &context.definitions;
    let mut mistake = None;
    let mut text = |name: &str| {
        let text = params.get(name).unwrap_or_default().trim().to_owned();
        match refusal(&text) {
            Some(reason) => {
                mistake = Some(format!("{name}: {reason}"));
                String::new()
            }
            None => text,
        }
    };
    let search = text("q");
    let mut filter = Filter::default();
    let mut address = Address::new(path(kind)).with("q", &*search);
    let mut filters = Vec::new();
    for (name, label, column) in columns(kind) {
        let chosen = text(name);
        if !chosen.is_empty() {
            filter.equal.push((*column, chosen.clone()));
            address = address.with(name, &*chosen);
        }
        let mut values = rows::counts(database, kind.as_str(), *column).await?;
        values.truncate(VALUES);
        if !chosen.is_empty() && !values.iter().any(|(value, _)| *value == chosen) {
            values.push((chosen.clone(), 0));
        }
        filters.push(Choice {
            name,
            label,
            values,
            chosen,
        });
    }
    filter.search = words(&search);
    filter.search.truncate(WORDS);
    let size = match kind {
        Kind::Metric | Kind::Domain => PAGE,
        Kind::Objective => OBJECTIVES,
    };
    // The number of the page is known only when it is known how many there are.
    let nothing = Filter {
        limit: 0,
        ..filter.clone()
    };
    let (_, total) = rows::list(database, kind.as_str(), &nothing).await?;
    let total = usize::try_from(total).unwrap_or_default();
    let paging = Paging::of(total, size, params.get("page"), address);
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    (filter.limit, filter.offset) = (number(size), number(paging.rows().start));
    let (found, _) = rows::list(database, kind.as_str(), &filter).await?;
    let mut kinds = Vec::new();
    for other in [Kind::Metric, Kind::Domain, Kind::Objective] {
        let all = Filter::default();
        let (_, count) = rows::list(database, other.as_str(), &all).await?;
        let name = match other {
            Kind::Metric => "Metrics",
            Kind::Domain => "Domains",
            Kind::Objective => "Objectives",
        };
        kinds.push((name, count, path(other), other == kind));
    }
    let of_domains = match kind {
        Kind::Domain => {
            rows::counts(database, Kind::Metric.as_str(), Column::BusinessDomain).await?
        }
        Kind::Metric | Kind::Objective => Vec::new(),
    };
    let mut shown = Vec::with_capacity(found.len());
    let patience = Patience::begin();
    for stored in &found {
        shown.push(row(kind, context, stored, &of_domains, &patience).await);
    }
    Ok(ListPage {
        kind,
        search,
        filters,
        kinds,
        rows: shown,
        paging,
        mistake,
    })
}

async fn row(
    kind: Kind,
    context: &Arc<Context>,
    stored: &Stored,
    of_domains: &[(String, i64)],
    patience: &Patience,
) -> Row {
    let read = match kind {
        Kind::Metric => serde_json::from_str(&stored.document)
            .ok()
            .map(|metric: Metric| metric_row(&metric)),
        Kind::Domain => serde_json::from_str(&stored.document)
            .ok()
            .map(|domain: Domain| domain_row(&domain, of_domains)),
        Kind::Objective => match serde_json::from_str::<Objective>(&stored.document) {
            Ok(objective) => {
                let mut row = objective_row(&objective);
                let progress = Box::pin(of_objective(context, &objective));
                let progress = patience.wait(progress).await;
                row.progress = progress.map(|(progress, _)| progress);
                Some(row)
            }
            Err(_) => None,
        },
    };
    read.unwrap_or_else(|| Row {
        href: address(kind, &stored.id),
        name: tidy(&stored.id, LONG),
        id: tidy(&stored.id, LONG),
        badges: vec![("cannot be read".to_owned(), "bad")],
        ..Row::default()
    })
}

fn status_class(status: Status) -> &'static str {
    match status {
        Status::Active => "good",
        Status::Deprecated => "warn",
        Status::Draft => "idle",
    }
}

pub(super) fn metric_row(metric: &Metric) -> Row {
    let status = metric.governance.status;
    Row {
        href: address(Kind::Metric, &metric.metric_id),
        name: tidy(&metric.name, LONG),
        id: tidy(&metric.metric_id, LONG),
        description: tidy(&metric.description, LONG),
        badges: vec![
            (metric.tier.as_str().to_owned(), "info"),
            (status.as_str().to_owned(), status_class(status)),
        ],
        facts: vec![
            ("Domain", tidy(&metric.business_domain, LONG)),
            ("Owner", tidy(&metric.governance.owner_team, LONG)),
            ("Category", tidy(&metric.category, LONG)),
        ],
        progress: None,
    }
}

pub(super) fn domain_row(domain: &Domain, of_domains: &[(String, i64)]) -> Row {
    let metrics = of_domains.iter().find(|(name, _)| *name == domain.name);
    let mut facts = vec![(
        "Metrics",
        metrics.map_or(0, |(_, count)| *count).to_string(),
    )];
    let owner = domain.owner_team.iter();
    facts.extend(owner.map(|owner| ("Owner", tidy(owner, LONG))));
    Row {
        href: address(Kind::Domain, &domain.domain_id),
        name: tidy(&domain.name, LONG),
        id: tidy(&domain.domain_id, LONG),
        description: tidy(domain.description.as_deref().unwrap_or_default(), LONG),
        badges: vec![(
            domain.status.as_str().to_owned(),
            status_class(domain.status),
        )],
        facts,
        progress: None,
    }
}

pub(super) fn objective_row(objective: &Objective) -> Row {
    let class = match objective.status {
        ObjectiveStatus::Active => "info",
        ObjectiveStatus::Completed => "good",
        ObjectiveStatus::Draft | ObjectiveStatus::Cancelled => "idle",
    };
    let until: String = objective
        .timeframe
        .end
        .to_rfc3339()
        .chars()
        .take(10)
        .collect();
    Row {
        href: address(Kind::Objective, &objective.objective_id),
        name: tidy(&objective.name, LONG),
        id: tidy(&objective.objective_id, LONG),
        description: tidy(&objective.description, LONG),
        badges: vec![(objective.status.as_str().to_owned(), class)],
        facts: vec![
            ("Owner", tidy(&objective.owner_team, LONG)),
            ("Until", until),
        ],
        progress: None,
    }
}
