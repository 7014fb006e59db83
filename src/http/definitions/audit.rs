//! `GET /api/v1/audit`: who wrote what, the newest first; for admins.
//!
//! ```text
//! {"success": true, "data": [{"id", "timestamp", "actor", "source", "action", "kind", "target", "revision"}],
//!   "pagination": {…, "next_cursor"}}
//! ```
//!
//! Filters: `actor`, `source`, `action`, `kind`, `target`, `since` and `until` (RFC 3339).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::json;

use super::answer::Fault;
use super::window::Window;
use super::{Query, parameter};
use crate::auth::role::{Role, Scope};
use crate::db::definitions::audit::{self, AuditFilter, Entry};
use crate::http::context::Context;
use crate::http::identity::{Who, require};
use crate::http::problem::Problem;
use crate::model::timestamp::Timestamp;

pub(super) async fn audit(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    request: Request,
) -> Result<Response, Fault> {
    require(&caller, Role::Admin, Scope::Admin)?;
    let query = Query::of(&request);
    let window = Window::of(&query)?;
    let before = window.cursor().map(str::parse).transpose();
    let before = before.map_err(|_| parameter("cursor", "write the next_cursor of a page"))?;
    let text = |name| Ok::<_, Problem>(query.one(name)?.map(str::to_owned));
    let time = |name| {
        let time = query.one(name)?.map(Timestamp::parse_rfc3339).transpose();
        time.map_err(|_| parameter(name, "write RFC 3339, such as 2026-11-20T06:55:00Z"))
    };
    let filter = AuditFilter {
        actor: text("actor")?,
        source: text("source")?,
        action: text("action")?,
        kind: text("kind")?,
        target: text("target")?,
        since: time("since")?,
        until: time("until")?,
    };
    let (offset, limit) = (window.offset(), window.limit());
    let database = &context.definitions;
    let (mut page, total) = audit::list(database, &filter, before, limit + 1, offset).await?;
    let more = i64::try_from(page.len()).is_ok_and(|found| found > limit);
    if more {
        page.pop();
    }
    let next = page.last().filter(|_| more).map(|last| last.id.to_string());
    let entries: Vec<String> = page.iter().map(shown).collect();
    Ok(window.answer_with(&entries.join(","), total, next, "/api/v1/audit", &query))
}

fn shown(entry: &Entry) -> String {
    json!({
        "id": entry.id,
        "timestamp": entry.at.to_rfc3339(),
        "actor": entry.actor,
        "source": entry.source,
        "action": entry.action,
        "kind": entry.kind,
        "target": entry.target,
        "revision": entry.revision,
    })
    .to_string()
}
