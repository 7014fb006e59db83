//! `/api/auth/*`, the same below `/api/v1/auth/`, `/.well-known/jwks.json`, and the login page.
//!
//! ```text
//! POST /api/auth/register          username, email, password, full_name       201 {user, tokens}
//! POST /api/auth/login             username, password                         200 {user, tokens}
//! POST /api/auth/refresh           refresh_token                              200 {tokens}
//! POST /api/auth/logout            refresh_token | everywhere: true           200 {message}
//! GET  /api/auth/me                                                           200 {user}
//! POST /api/auth/change-password   current_password, new_password             200 {message}
//! GET, POST /api/auth/api-keys, DELETE /api/auth/api-keys/{id}
//! GET, POST /api/auth/users, GET, PUT, DELETE /api/auth/users/{id}, POST /api/auth/users/{id}/logout
//! ```
//!
//! They are there only where authentication is on. Every answer has `success`; errors are [`super::problem`]s. Unknown fields
//! are left out.

mod body;
mod keys;
pub mod page;
mod session;
mod users;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{delete, get, post};
use serde_json::{Value, json};

use super::context::Context;
use super::limits::client::ClientAddress;
use super::problem::Problem;
use crate::auth::caller::{Caller, Identity, Proof};
use crate::auth::service::Auth;
use crate::db::auth::UserRow;

/// The routes of authentication.
pub fn router() -> Router<Arc<Context>> {
    let api = || {
        Router::new()
            .route("/register", post(session::register))
            .route("/login", post(session::login))
            .route("/refresh", post(session::refresh))
            .route("/logout", post(session::logout))
            .route("/me", get(session::me))
            .route("/change-password", post(session::change_password))
            .route("/api-keys", get(keys::list).post(keys::add))
            .route("/api-keys/{id}", delete(keys::revoke))
            .route("/users", get(users::list).post(users::add))
            .route(
                "/users/{id}",
                get(users::one).put(users::change).delete(users::remove),
            )
            .route("/users/{id}/logout", post(users::log_out))
    };
    Router::new()
        .nest("/api/auth", api())
        .nest("/api/v1/auth", api())
        .route("/login", get(page::show).post(page::log_in))
        .route("/logout", post(page::log_out))
        // Tokens are for who asked.
        .layer(from_fn(never_cached))
        .route("/.well-known/jwks.json", get(session::key_set))
}

async fn never_cached(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let never = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, never);
    response
}

/// Authentication; these routes are there only with it.
fn auth(context: &Context) -> Result<&Auth, Problem> {
    context.auth.as_ref().ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "RES_NOT_FOUND",
            "authentication is off",
        )
    })
}

/// Somebody known.
fn known(caller: &Caller) -> Result<&Identity, Problem> {
    match caller {
        Caller::User(identity) => Ok(identity),
        Caller::Anonymous(_) => Err(crate::auth::caller::Refusal::Unknown.into()),
    }
}

/// Somebody who logged in: a key does not change passwords or make keys.
fn logged_in(caller: &Caller) -> Result<&Identity, Problem> {
    let identity = known(caller)?;
    match identity.proof {
        Proof::Session(_) => Ok(identity),
        Proof::ApiKey(_) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "AUTH_LOGIN_NEEDED",
            "an API key may not do this; log in",
        )),
    }
}

/// Where a request comes from; this machine where nobody says.
fn address(request: &Request) -> IpAddr {
    let found = request.extensions().get::<ClientAddress>();
    found.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.0)
}

/// An id, which must be a UUID.
fn uuid(text: &str) -> Result<String, Problem> {
    let parsed = uuid::Uuid::parse_str(text);
    parsed.map(|id| id.to_string()).map_err(|_| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "VAL_INVALID_ID",
            "the id must be a UUID",
        )
    })
}

/// An account as answers show it.
fn shown(user: &UserRow) -> Value {
    let mut json = json!({
        "user_id": user.id,
        "username": user.username,
        "email": user.email,
        "full_name": user.full_name,
        "role": user.role,
        "status": user.status,
        "created_at": user.created_at.to_rfc3339(),
        "updated_at": user.updated_at.to_rfc3339(),
        "metadata": {},
    });
    if let Some(at) = user.last_login_at {
        json["last_login_at"] = at.to_rfc3339().into();
    }
    json
}
