//! Who sends a request, and whether he may.
//!
//! [`identify`] puts a [`Caller`] into each request's extensions and refuses what [`super::access`] does not allow; handlers
//! that ask for more take [`Who`] and ask [`require`]:
//!
//! ```text
//! async fn create(Who(caller): Who, …) -> Result<…, Problem> {
//!     require(&caller, Role::Editor, Scope::MetricsWrite)?;
//! ```
//!
//! A token or key that is not good is refused, except where anonymous callers may read: there it is as if there were none.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request};
use axum::http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, COOKIE, LOCATION, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::access::{self, Access};
use super::context::Context;
use super::errors::{self, ErrorKind};
use super::problem::Problem;
use crate::auth::caller::{Caller, Refusal};
use crate::auth::error::AuthError;
use crate::auth::role::{Role, Scope};
use crate::auth::service::Auth;

/// The cookie of a browser that is logged in.
pub const COOKIE_NAME: &str = "outrigger_session";

/// The caller of this request.
#[derive(Clone, Debug)]
pub struct Who(pub Caller);

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Without the middleware nobody may do anything.
        let caller = parts.extensions.get::<Caller>().cloned();
        Ok(Self(caller.unwrap_or(Caller::Anonymous(None))))
    }
}

/// Finds out who asks, and lets him pass where he may.
pub async fn identify<F: Future<Output = Response>>(
    context: &Context,
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let Some(auth) = &context.auth else {
        request.extensions_mut().insert(Caller::open());
        return next(request).await;
    };
    let config = auth.config();
    let path = request.uri().path();
    let access = access::needed(request.method(), path, config.public_metrics);
    let anonymous = Caller::Anonymous(config.anonymous);
    let allowed = |caller: &Caller| match access {
        Access::Open => Ok(()),
        Access::Needs(role, scope) => caller.allowed(role, scope),
    };
    let caller = match Box::pin(find(auth, request.headers())).await {
        Ok(Some(caller)) => caller,
        Ok(None) => anonymous,
        // A probe or a login page is not kept from anybody.
        Err(AuthError::Database(_)) if matches!(access, Access::Open) => anonymous,
        Err(AuthError::Database(error)) => {
            let what = "nobody can be let in: the database does not answer";
            let mut response = errors::answer(path, ErrorKind::Unavailable, what);
            match error.retry_after() {
                // Said once, when it began.
                Some(wait) => {
                    let seconds = HeaderValue::from(wait.as_secs().max(1));
                    response.headers_mut().insert(RETRY_AFTER, seconds);
                }
                None => tracing::error!(%error, "find out who asks"),
            }
            return response;
        }
        // Who logs in anew sends the old token along.
        Err(_) if allowed(&anonymous).is_ok() && !access::is_ones_own(path) => anonymous,
        Err(error) => return refused(&request, access, &error.into()),
    };
    if let Err(refusal) = allowed(&caller) {
        return refused(&request, access, &refusal.into());
    }
    let private = matches!(caller, Caller::User(_));
    request.extensions_mut().insert(caller);
    let mut response = next(request).await;
    if private {
        // What somebody may see is nothing for a cache that others share.
        let private = HeaderValue::from_static("private");
        response
            .headers_mut()
            .entry(CACHE_CONTROL)
            .or_insert(private);
    }
    response
}

async fn find(auth: &Auth, headers: &HeaderMap) -> Result<Option<Caller>, AuthError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let found = if let Some(key) = text("x-api-key") {
        auth.bearer(key).await.map(Some)
    } else if let Some(given) = text(AUTHORIZATION.as_str()) {
        match given.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                auth.bearer(token.trim()).await.map(Some)
            }
            _ => Err(AuthError::Missing),
        }
    } else if let Some(cookie) = cookie(headers, COOKIE_NAME) {
        auth.cookie(cookie).await
    } else {
        Ok(None)
    };
    Ok(found?.map(Caller::User))
}

/// The value of a cookie.
pub fn cookie<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| value)
}

/// Whether an answer is for a person's eyes.
pub fn is_browser(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// In the form that suits the path; browsers are led to the login.
fn refused(request: &Request, access: Access, problem: &Problem) -> Response {
    let path = request.uri().path();
    let unknown = problem.status() == StatusCode::UNAUTHORIZED;
    let browser = is_browser(request.headers());
    if unknown && browser && *request.method() == Method::GET && !path.starts_with("/api/") {
        let next = request
            .uri()
            .path_and_query()
            .map_or("/", |next| next.as_str());
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("next", next)
            .finish();
        let to = format!("/login?{query}");
        return (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response();
    }
    let monitoring = matches!(
        access,
        Access::Needs(_, Scope::MonitoringRead | Scope::MonitoringWrite)
    );
    if !monitoring {
        return problem.clone().into_response();
    }
    let kind = match problem.status() {
        StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized,
        _ => ErrorKind::Forbidden,
    };
    errors::answer(path, kind, problem.message())
}

/// Lets a caller pass that has at least this role and, for API keys, this scope.
///
/// # Errors
/// 401 where nobody knows who asks, 403 where he may not.
pub fn require(caller: &Caller, role: Role, scope: Scope) -> Result<(), Problem> {
    caller.allowed(role, scope).map_err(Problem::from)
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::Unknown => (StatusCode::UNAUTHORIZED, "AUTH_REQUIRED"),
            Refusal::Role { .. } => (StatusCode::FORBIDDEN, "AUTH_ROLE_TOO_LOW"),
            Refusal::Scope { .. } => (StatusCode::FORBIDDEN, "AUTH_SCOPE_MISSING"),
        };
        let message = match refusal {
            Refusal::Unknown => {
                "authentication required: send Authorization: Bearer <token>, or X-API-Key"
                    .to_owned()
            }
            Refusal::Role { .. } | Refusal::Scope { .. } => refusal.to_string(),
        };
        Self::new(status, code, message)
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let message = error.to_string();
        let of = |status, code| Self::new(status, code, message);
        match &error {
            AuthError::Credentials | AuthError::CurrentPassword => {
                of(StatusCode::UNAUTHORIZED, "AUTH_INVALID_CREDENTIALS")
            }
            AuthError::Locked(wait) => of(StatusCode::TOO_MANY_REQUESTS, "RATE_LOGIN_LOCKED")
                .retry_after(wait.as_secs().max(1)),
            AuthError::Missing => of(StatusCode::UNAUTHORIZED, "AUTH_REQUIRED"),
            AuthError::Expired => of(StatusCode::UNAUTHORIZED, "AUTH_TOKEN_EXPIRED"),
            AuthError::Token => of(StatusCode::UNAUTHORIZED, "AUTH_TOKEN_INVALID"),
            AuthError::ApiKey => of(StatusCode::UNAUTHORIZED, "AUTH_API_KEY_INVALID"),
            AuthError::Refresh => of(StatusCode::UNAUTHORIZED, "AUTH_REFRESH_INVALID"),
            AuthError::Raced => of(StatusCode::UNAUTHORIZED, "AUTH_REFRESH_RACED"),
            AuthError::RegistrationClosed => of(StatusCode::FORBIDDEN, "AUTH_REGISTRATION_CLOSED"),
            AuthError::Fields(fields) => {
                let details = fields.iter().map(
                    |error| serde_json::json!({"field": error.field, "message": error.message}),
                );
                let details = details.collect();
                of(StatusCode::BAD_REQUEST, "VAL_INVALID_FIELDS").with_details(details)
            }
            AuthError::Taken { .. } => of(StatusCode::CONFLICT, "RES_CONFLICT"),
            AuthError::NotFound { .. } => of(StatusCode::NOT_FOUND, "RES_NOT_FOUND"),
            AuthError::OwnAccount => of(StatusCode::BAD_REQUEST, "VAL_OWN_ACCOUNT"),
            AuthError::Hash(_) => of(StatusCode::SERVICE_UNAVAILABLE, "SYS_BUSY").retry_after(5),
            AuthError::Database(error) if error.retry_after().is_some() => Self::unavailable(error)
                .unwrap_or_else(|| of(StatusCode::SERVICE_UNAVAILABLE, "SYS_BUSY")),
            AuthError::Database(_) | AuthError::SigningKey(_) => {
                tracing::error!(%error, "authentication failed inside");
                let message = "the request failed inside; the log says why";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "SYS_INTERNAL", message)
            }
        }
    }
}
