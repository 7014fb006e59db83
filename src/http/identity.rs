//! Who sends a request, and whether he may.
//!
//! [`identify`] puts a [`Caller`] into each request's extensions; handlers take [`Who`] and ask [`require`]:
//!
//! ```text
//! async fn create(Who(caller): Who, …) -> Result<…, Problem> {
//!     require(&caller, Role::Editor, Scope::MetricsWrite)?;
//! ```

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use super::problem::Problem;
use crate::auth::caller::{Caller, Refusal};
use crate::auth::role::{Role, Scope};

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

/// Finds out who asks.
pub async fn identify(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Caller::open());
    next.run(request).await
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
