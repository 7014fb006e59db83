//! Registering, logging in and out, and one's own account.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::super::context::Context;
use super::super::identity::Who;
use super::super::problem::Problem;
use super::body::Body;
use super::{address, auth, known, logged_in, shown};
use crate::auth::account::NewUser;
use crate::auth::role::Role;
use crate::auth::service::Tokens;
use crate::db::auth::By;

/// `POST register`: always a viewer, whatever role is sent.
pub(super) async fn register(
    State(context): State<Arc<Context>>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let auth = auth(&context)?;
    let mut body = Body::read(request).await?;
    let user = new_user(&mut body, Role::Viewer);
    body.finish()?;
    let user = auth.register(user).await?;
    let tokens = auth.begin_session(&user).await?;
    let answer = json!({"success": true, "user": shown(&user), "tokens": tokens_shown(&tokens)});
    Ok((StatusCode::CREATED, Json(answer)))
}

/// The account that a body describes.
pub(super) fn new_user(body: &mut Body, role: Role) -> NewUser {
    NewUser {
        username: body.required("username"),
        email: body.required("email"),
        full_name: body.required("full_name"),
        password: body.secret("password"),
        role,
    }
}

/// `POST login`.
pub(super) async fn login(
    State(context): State<Arc<Context>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let auth = auth(&context)?;
    let from = address(&request);
    let mut body = Body::read(request).await?;
    let (username, password) = (body.required("username"), body.secret("password"));
    // No password is longer, and hashing takes its time.
    if username.len() > 200 || password.expose().len() > 1024 {
        body.error("username", "username or password is too long");
    }
    body.finish()?;
    let user = auth.check_password(&username, &password, from).await?;
    let tokens = auth.begin_session(&user).await?;
    // With the time of this login.
    let user = auth.user(By::Id(&user.id)).await?;
    Ok(Json(
        json!({"success": true, "user": shown(&user), "tokens": tokens_shown(&tokens)}),
    ))
}

/// `POST refresh`.
pub(super) async fn refresh(
    State(context): State<Arc<Context>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let auth = auth(&context)?;
    let mut body = Body::read(request).await?;
    let token = body.secret("refresh_token");
    body.finish()?;
    let tokens = auth.refresh(token.expose()).await?;
    Ok(Json(
        json!({"success": true, "tokens": tokens_shown(&tokens)}),
    ))
}

/// `POST logout`: this session, or all.
pub(super) async fn logout(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let auth = auth(&context)?;
    let identity = logged_in(&caller)?;
    let mut body = Body::read(request).await?;
    if body.flag("everywhere") {
        auth.log_out_everywhere(&identity.id).await?;
        return Ok(told("Logged out everywhere"));
    }
    let token = body.secret("refresh_token");
    body.finish()?;
    auth.log_out_session(&identity.id, token.expose()).await?;
    Ok(told("Logged out successfully"))
}

/// `GET me`.
pub(super) async fn me(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
) -> Result<Json<Value>, Problem> {
    let user = auth(&context)?.user(By::Id(&known(&caller)?.id)).await?;
    Ok(Json(json!({"success": true, "user": shown(&user)})))
}

/// `POST change-password`.
pub(super) async fn change_password(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let auth = auth(&context)?;
    let identity = logged_in(&caller)?;
    let from = address(&request);
    let mut body = Body::read(request).await?;
    let (current, new) = (body.secret("current_password"), body.secret("new_password"));
    body.finish()?;
    auth.change_password(&identity.id, &current, &new, from)
        .await?;
    Ok(told("Password changed; log in again"))
}

/// `GET /.well-known/jwks.json`.
pub(super) async fn key_set(
    State(context): State<Arc<Context>>,
) -> Result<impl IntoResponse, Problem> {
    let keys = auth(&context)?.key_set().await?;
    // The next key is in it an hour before it signs.
    Ok(([(header::CACHE_CONTROL, "public, max-age=600")], Json(keys)))
}

pub(super) fn told(message: &str) -> Json<Value> {
    Json(json!({"success": true, "message": message}))
}

fn tokens_shown(tokens: &Tokens) -> Value {
    json!({
        "access_token": tokens.access.expose(),
        "refresh_token": tokens.refresh.expose(),
        "expires_in": tokens.expires_in,
        "token_type": "Bearer",
        "token_id": tokens.refresh_id,
    })
}
