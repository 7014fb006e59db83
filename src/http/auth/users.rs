//! Accounts, for administrators.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::context::Context;
use super::super::identity::{Who, require};
use super::super::params::Params;
use super::super::problem::Problem;
use super::body::Body;
use super::session::{new_user, told};
use super::{auth, known, shown, uuid};
use crate::auth::caller::Caller;
use crate::auth::error::AuthError;
use crate::auth::role::{Role, Scope};
use crate::auth::service::{Changes, Wanted};
use crate::db::auth::By;

fn administrator(caller: &Caller) -> Result<(), Problem> {
    require(caller, Role::Admin, Scope::Admin)
}

/// `GET users`, newest first.
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    params: Params,
) -> Result<Json<Value>, Problem> {
    administrator(&caller)?;
    let wanted = wanted(&params)?;
    let users = auth(&context)?.users(wanted).await?;
    let users: Vec<Value> = users.iter().map(shown).collect();
    Ok(Json(
        json!({"success": true, "count": users.len(), "users": users}),
    ))
}

fn wanted(params: &Params) -> Result<Wanted, AuthError> {
    let number = |name: &'static str, least: u32, most: u32, otherwise: u32| {
        let Some(text) = params.get(name) else {
            return Ok(otherwise);
        };
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => {
                let message = format!("{name} must be a number from {least} to {most}");
                Err(AuthError::field(name, message))
            }
        }
    };
    let role = params.get("role").map(str::parse::<Role>).transpose();
    let status = params.get("status").map(str::parse).transpose();
    Ok(Wanted {
        role: role.map_err(|error| AuthError::field("role", format!("role {error}")))?,
        status: status
            .map_err(|error: String| AuthError::field("status", format!("status {error}")))?,
        limit: number("limit", 1, 1000, 100)?,
        offset: number("offset", 0, u32::MAX, 0)?,
    })
}

/// `POST users`.
pub(super) async fn add(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    administrator(&caller)?;
    let mut body = Body::read(request).await?;
    let role = body.word("role").unwrap_or(Role::Viewer);
    let user = new_user(&mut body, role);
    body.finish()?;
    let user = auth(&context)?.add_user(user).await?;
    let answer = json!({"success": true, "user": shown(&user), "message": "User created"});
    Ok((StatusCode::CREATED, Json(answer)))
}

/// `GET users/{id}`: one's own, or anybody's for an administrator.
pub(super) async fn one(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let own = *known(&caller)?.id == *id;
    if !own {
        administrator(&caller)?;
    }
    let user = auth(&context)?.user(By::Id(&uuid(&id)?)).await?;
    Ok(Json(json!({"success": true, "user": shown(&user)})))
}

/// `PUT users/{id}`: what is sent changes, the rest stays.
pub(super) async fn change(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    administrator(&caller)?;
    let id = uuid(&id)?;
    let mut body = Body::read(request).await?;
    let fields = ["email", "full_name", "role", "status"];
    if fields.iter().all(|field| body.value(field).is_none()) {
        body.error(
            "body",
            "send at least one of email, full_name, role, status",
        );
    }
    let changes = Changes {
        email: body.optional("email"),
        full_name: body.optional("full_name"),
        role: body.word("role"),
        status: body.word("status"),
    };
    body.finish()?;
    let user = auth(&context)?.change_user(&id, changes).await?;
    Ok(Json(json!({"success": true, "user": shown(&user)})))
}

/// `DELETE users/{id}`, with sessions and keys; not oneself.
pub(super) async fn remove(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    administrator(&caller)?;
    let id = uuid(&id)?;
    if *known(&caller)?.id == *id {
        return Err(AuthError::OwnAccount.into());
    }
    auth(&context)?.delete_user(&id).await?;
    Ok(told("User deleted"))
}

/// `POST users/{id}/logout`: ends all sessions and access tokens of somebody.
pub(super) async fn log_out(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    administrator(&caller)?;
    auth(&context)?.log_out_everywhere(&uuid(&id)?).await?;
    Ok(told("Logged out everywhere"))
}
