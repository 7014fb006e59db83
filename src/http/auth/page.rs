//! `/login`: a form, and a cookie for who fills it in rightly.

use std::sync::Arc;

use askama::Template;
use axum::extract::{FromRequest, Request, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use super::super::context::Context;
use super::super::identity::{COOKIE_NAME, Who};
use super::super::pages::{Section, here, write};
use super::super::params::Params;
use super::super::problem::Problem;
use super::{address, auth};
use crate::auth::caller::{Caller, Proof};
use crate::model::secret::Secret;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginTemplate<'a> {
    name: Option<&'a str>,
    next: &'a str,
    mistake: Option<&'a str>,
}

impl LoginTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Elsewhere
    }
}

/// `GET /login`.
pub async fn show(Who(caller): Who, params: Params) -> Html<String> {
    let name = match &caller {
        Caller::User(identity) => Some(&*identity.name),
        Caller::Anonymous(_) => None,
    };
    Html(write(&LoginTemplate {
        name,
        next: here(params.get("next")),
        mistake: None,
    }))
}

/// `POST /login`.
pub async fn log_in(
    State(context): State<Arc<Context>>,
    request: Request,
) -> Result<Response, Problem> {
    let auth = auth(&context)?;
    let from = address(&request);
    let params = Params::from_request(request, &()).await;
    let params = params
        .map_err(|error| Problem::new(error.status(), "VAL_BODY", error.message().to_owned()))?;
    let next = here(params.get("next"));
    let username = params.get("username").unwrap_or_default();
    let password = Secret::new(params.get("password").unwrap_or_default());
    let cookie = async {
        let user = auth.check_password(username, &password, from).await?;
        auth.begin_browser_session(&user).await
    };
    match cookie.await {
        Ok(cookie) => {
            let lasts = auth.config().session.as_secs();
            let response = (StatusCode::SEE_OTHER, [(LOCATION, next.to_owned())]);
            Ok(with_cookie(
                &context,
                response.into_response(),
                cookie.expose(),
                lasts,
            ))
        }
        Err(error) => {
            let problem = Problem::from(error);
            let page = write(&LoginTemplate {
                name: None,
                next,
                mistake: Some(problem.message()),
            });
            Ok((problem.status(), Html(page)).into_response())
        }
    }
}

/// `POST /logout`.
pub async fn log_out(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
) -> Result<Response, Problem> {
    if let Caller::User(identity) = &caller
        && let Proof::Session(session) = &identity.proof
    {
        auth(&context)?.end_session(&identity.id, session).await?;
    }
    let response = (StatusCode::SEE_OTHER, [(LOCATION, "/login")]).into_response();
    Ok(with_cookie(&context, response, "", 0))
}

/// Lax, so that who follows a link from a message is known; changes by other sites are refused by their origin.
fn with_cookie(context: &Context, mut response: Response, value: &str, lasts: u64) -> Response {
    let tls = context
        .configuration
        .borrow()
        .external_url
        .starts_with("https://");
    let secure = if tls { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE_NAME}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={lasts}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}
