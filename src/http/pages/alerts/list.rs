//! `/alerts`: the list.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::fill::{self, Eye};
use super::render_list;
use super::wanted::Wanted;
use crate::auth::role::{Role, Scope};
use crate::http::context::Context;
use crate::http::identity::Who;
use crate::http::pages::error;
use crate::http::pages::quiet::list::uncached;
use crate::http::params::Params;

/// The page.
pub async fn show(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    params: Params,
) -> Response {
    let may_act = caller.allowed(Role::Editor, Scope::MonitoringWrite).is_ok();
    let (scene, incomplete) = fill::scene(&context).await;
    // Ten thousand alerts are some milliseconds of work.
    let filled = tokio::task::spawn_blocking(move || {
        let external_url = context.configuration.borrow().external_url.clone();
        let eye = Eye {
            now: context.clock.now(),
            signer: &context.signer,
            external_url: &external_url,
            may_act,
        };
        let wanted = Wanted::read(&params);
        let status = match wanted.mistake {
            Some(_) => StatusCode::BAD_REQUEST,
            None => StatusCode::OK,
        };
        let page = fill::page(&scene, wanted, params.get("page"), incomplete, &eye);
        (status, page)
    });
    match filled.await {
        Ok((status, page)) => uncached(status, render_list(&page)),
        Err(error) => {
            tracing::error!(%error, "fill the list of alerts");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let message = "The page failed inside; the log says why.";
            uncached(status, error::render(status.as_u16(), message))
        }
    }
}
