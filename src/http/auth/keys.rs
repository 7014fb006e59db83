//! One's own API keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::context::Context;
use super::super::identity::{Who, require};
use super::super::problem::Problem;
use super::body::Body;
use super::session::told;
use super::{auth, known, logged_in, uuid};
use crate::auth::role::{Role, Scope};
use crate::auth::service::NewKey;
use crate::db::auth::keys::ApiKeyRow;
use crate::model::timestamp::Timestamp;

/// `GET api-keys`.
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
) -> Result<Json<Value>, Problem> {
    let keys = auth(&context)?.keys(Some(&known(&caller)?.id)).await?;
    let keys: Vec<Value> = keys.iter().map(shown).collect();
    Ok(Json(json!({"success": true, "api_keys": keys})))
}

/// `POST api-keys`: the key itself is shown here, and nowhere else.
pub(super) async fn add(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let auth = auth(&context)?;
    let identity = logged_in(&caller)?;
    let mut body = Body::read(request).await?;
    let name = body.required("name");
    let description = body.optional("description").unwrap_or_default();
    let mut scopes: Vec<Scope> = Vec::new();
    match body.value("scopes").cloned() {
        Some(Value::Array(words)) => {
            for word in words {
                match word.as_str().map(str::parse) {
                    Some(Ok(scope)) => scopes.push(scope),
                    Some(Err(error)) => body.error("scopes", format!("scopes {error}")),
                    None => body.error("scopes", "scopes must be a list of texts"),
                }
            }
        }
        None => body.error("scopes", "scopes is required"),
        Some(_) => body.error("scopes", "scopes must be a list of texts"),
    }
    let expires_at = match body.optional("expires_at") {
        None => None,
        Some(text) => {
            let parsed = Timestamp::parse_rfc3339(&text).ok();
            if parsed.is_none() {
                let message = "expires_at must be a time such as 2027-01-31T00:00:00Z";
                body.error("expires_at", message);
            }
            parsed
        }
    };
    body.finish()?;
    let new = NewKey {
        name,
        description,
        scopes: scopes.into_iter().collect(),
        expires_at,
    };
    let made = auth.add_key(&identity.id, new).await?;
    let mut info = json!({
        "key_id": made.row.id,
        "name": made.row.name,
        "scopes": words(&made.row),
        "created_at": made.row.created_at.to_rfc3339(),
    });
    if let Some(at) = made.row.expires_at {
        info["expires_at"] = at.to_rfc3339().into();
    }
    let answer = json!({
        "success": true,
        "api_key": made.key.expose(),
        "key_info": info,
        "message": "Keep this key: it is not shown again",
    });
    Ok((StatusCode::CREATED, Json(answer)))
}

/// `DELETE api-keys/{id}`: one's own, or anybody's for an administrator.
pub(super) async fn revoke(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let auth = auth(&context)?;
    let identity = logged_in(&caller)?;
    let key = auth.key(&uuid(&id)?).await?;
    if key.user != *identity.id {
        require(&caller, Role::Admin, Scope::Admin)?;
    }
    auth.revoke_key(&key.id).await?;
    Ok(told("API key revoked"))
}

fn words(key: &ApiKeyRow) -> Vec<&str> {
    key.scopes.split(',').collect()
}

fn shown(key: &ApiKeyRow) -> Value {
    let mut json = json!({
        "key_id": key.id,
        "user_id": key.user,
        "name": key.name,
        "description": key.description,
        "scopes": words(key),
        "created_at": key.created_at.to_rfc3339(),
        "revoked": key.revoked_at.is_some(),
    });
    for (name, at) in [
        ("expires_at", key.expires_at),
        ("last_used_at", key.last_used_at),
    ] {
        if let Some(at) = at {
            json[name] = at.to_rfc3339().into();
        }
    }
    json
}
