//! `/alerts`: the list.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::scene::Scene;
use super::wanted::Wanted as Asked;
use super::{AlertsPage, Eye, fill, render_list};
use crate::alerts::dispatch::view::{View, Wanted};
use crate::auth::role::{Role, Scope};
use crate::http::context::Context;
use crate::http::identity::Who;
use crate::http::pages::error;
use crate::http::pages::quiet::list::uncached;
use crate::http::params::Params;
use crate::model::alert::Alert;

/// The page.
pub async fn show(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    params: Params,
) -> Response {
    let may_act = caller.allowed(Role::Editor, Scope::MonitoringWrite).is_ok();
    let (view, incomplete) = fill::view(&context, Wanted::All).await;
    // Ten thousand alerts are some milliseconds of work.
    let made = tokio::task::spawn_blocking(move || {
        let external_url = context.configuration.borrow().external_url.clone();
        let eye = Eye {
            now: context.clock.now(),
            signer: &context.signer,
            external_url: &external_url,
            may_act,
        };
        let pending = fill::pending(&context, &Wanted::All);
        page(view, pending, incomplete, &params, &eye)
    });
    // The shell around it is lent to this task, not to another thread.
    match made.await {
        Ok((false, page)) => uncached(StatusCode::OK, render_list(&page)),
        Ok((true, page)) => uncached(StatusCode::BAD_REQUEST, render_list(&page)),
        Err(error) => {
            tracing::error!(%error, "fill the list of alerts");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let message = "The page failed inside; the log says why.";
            uncached(status, error::render(status.as_u16(), message))
        }
    }
}

/// The page of what the routes and the rules know, as the parameters ask for it; the first says that they cannot be read.
pub fn page(
    view: View,
    pending: Vec<Alert>,
    incomplete: bool,
    params: &Params,
    eye: &Eye<'_>,
) -> (bool, AlertsPage) {
    let scene = Scene::of(view, pending);
    let wanted = Asked::read(params);
    let mistaken = wanted.mistake.is_some();
    let page = fill::page(&scene, wanted, params.get("page"), incomplete, eye);
    (mistaken, page)
}
