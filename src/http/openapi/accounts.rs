//! The operations of [`crate::http::auth`]. The same paths are there below `/api/v1/auth`.

use axum::http::Method;
use serde_json::{Value, json};

use super::operation::Operation;
use super::schemas::of;
use crate::auth::role::{Role, Scope};

const TAG: &str = "accounts";

fn role() -> Value {
    of::words(&Role::ALL.map(Role::as_str))
}

fn scope() -> Value {
    of::words(&Scope::ALL.map(Scope::as_str))
}

fn status() -> Value {
    of::words(&["active", "inactive", "suspended"])
}

/// An account.
pub(super) fn user() -> Value {
    of::object(vec![
        ("user_id", of::uuid()),
        ("username", of::text()),
        ("email", of::text()),
        ("full_name", of::text()),
        ("role", role()),
        ("status", status()),
        ("created_at", of::time()),
        ("updated_at", of::time()),
        ("metadata", of::any_object()),
        ("last_login_at?", of::time()),
    ])
}

/// What a login gives.
pub(super) fn tokens() -> Value {
    of::object(vec![
        ("access_token", of::text()),
        ("refresh_token", of::text()),
        ("expires_in", of::whole(0)),
        ("token_type", json!({"type": "string", "const": "Bearer"})),
        ("token_id", of::text()),
    ])
}

/// An API key, without the key itself.
pub(super) fn api_key() -> Value {
    of::object(vec![
        ("key_id", of::uuid()),
        ("name", of::text()),
        ("scopes", of::list(scope())),
        ("created_at", of::time()),
        ("user_id?", of::uuid()),
        ("description?", of::text()),
        ("revoked?", json!({"type": "boolean"})),
        ("expires_at?", of::time()),
        ("last_used_at?", of::time()),
    ])
}

/// A text that is never shown again.
fn secret() -> Value {
    json!({"type": "string", "format": "password", "writeOnly": true})
}

fn new_user(more: Vec<(&str, Value)>) -> Value {
    let mut members = vec![
        ("username", of::pattern("^[A-Za-z0-9_-]{3,50}$")),
        ("email", json!({"type": "string", "format": "email"})),
        ("full_name", of::bounded(1, 100)),
        ("password", secret()),
    ];
    members.extend(more);
    of::object(members)
}

fn told() -> Value {
    of::success(vec![("message", of::text())])
}

fn on(method: Method, path: &str, id: &str, what: &str) -> Operation {
    Operation::new(method, format!("/api/auth/{path}"), id, TAG, what)
}

/// All of them.
pub(super) fn operations() -> Vec<Operation> {
    let mut all = sessions();
    all.extend(keys());
    all.extend(users());
    all
}

fn sessions() -> Vec<Operation> {
    let session = of::success(vec![
        ("user", of::named("User")),
        ("tokens", of::named("Tokens")),
    ]);
    let refreshed = of::success(vec![("tokens", of::named("Tokens"))]);
    let token = of::object(vec![("refresh_token", secret())]);
    let logout = of::object(vec![
        ("refresh_token?", secret()),
        ("everywhere?", of::flag(false)),
    ]);
    let login = of::object(vec![("username", of::text()), ("password", secret())]);
    let password = of::object(vec![
        ("current_password", secret()),
        ("new_password", secret()),
    ]);
    let me = of::success(vec![("user", of::named("User"))]);
    vec![
        on(
            Method::POST,
            "register",
            "register",
            "Make an account; where registration is open, a viewer",
        )
        .json(&new_user(vec![]))
        .answers(201, "The account and a session.", &session)
        .fails(403, "Forbidden")
        .fails(409, "Taken"),
        on(Method::POST, "login", "login", "Begin a session")
            .json(&login)
            .answers(200, "The account and a session.", &session)
            .fails(401, "Unknown"),
        on(
            Method::POST,
            "refresh",
            "refresh",
            "Change a refresh token for new tokens",
        )
        .json(&token)
        .answers(200, "New tokens; the old one is used up.", &refreshed)
        .fails(401, "Unknown"),
        on(
            Method::POST,
            "logout",
            "logout",
            "End this session, or all of one's own",
        )
        .json(&logout)
        .answers(200, "Done.", &told())
        .own(),
        on(Method::GET, "me", "getMe", "One's own account")
            .answers(200, "It.", &me)
            .own(),
        on(
            Method::POST,
            "change-password",
            "changePassword",
            "Change one's password",
        )
        .json(&password)
        .answers(200, "Done; all sessions ended.", &told())
        .own(),
        Operation::new(
            Method::GET,
            "/.well-known/jwks.json",
            "getKeySet",
            TAG,
            "Keys that access tokens are signed with",
        )
        .answers(
            200,
            "The keys (RFC 7517).",
            &of::object(vec![("keys", of::list(of::any_object()))]),
        ),
    ]
}

fn keys() -> Vec<Operation> {
    let list = of::success(vec![("api_keys", of::list(of::named("ApiKey")))]);
    let new = of::object(vec![
        ("name", of::bounded(1, 100)),
        ("scopes", {
            let mut scopes = of::list(scope());
            scopes["minItems"] = 1.into();
            scopes
        }),
        ("description?", of::bounded(0, 500)),
        ("expires_at?", of::time()),
    ]);
    let made = of::success(vec![
        ("api_key", of::text()),
        ("key_info", of::named("ApiKey")),
        ("message", of::text()),
    ]);
    vec![
        on(Method::GET, "api-keys", "listApiKeys", "One's own API keys")
            .answers(200, "All of them.", &list)
            .own(),
        on(Method::POST, "api-keys", "createApiKey", "Make an API key")
            .json(&new)
            .answers(201, "The key, which is not shown again.", &made)
            .own(),
        on(
            Method::DELETE,
            "api-keys/{id}",
            "revokeApiKey",
            "Revoke a key: one's own, or anybody's for an admin",
        )
        .answers(200, "It is revoked.", &told())
        .own(),
    ]
}

fn users() -> Vec<Operation> {
    let one = of::success(vec![("user", of::named("User"))]);
    let list = of::success(vec![
        ("users", of::list(of::named("User"))),
        ("count", of::whole(0)),
    ]);
    let made = of::success(vec![("user", of::named("User")), ("message", of::text())]);
    let change = of::object(vec![
        ("email?", json!({"type": "string", "format": "email"})),
        ("full_name?", of::bounded(1, 100)),
        ("role?", role()),
        ("status?", status()),
    ]);
    let admin = |operation: Operation| operation.needs(Role::Admin, Scope::Admin);
    vec![
        admin(on(
            Method::GET,
            "users",
            "listUsers",
            "Accounts, the newest first",
        ))
        .query("role", "Only of this one.", role())
        .query("status", "Only of this one.", status())
        .query("limit", "The most of them.", of::page_size())
        .query("offset", "How many to leave out.", of::whole(0))
        .answers(200, "Those asked for.", &list),
        admin(on(Method::POST, "users", "createUser", "Make an account"))
            .json(&new_user(vec![("role?", role())]))
            .answers(201, "It was made.", &made)
            .fails(409, "Taken"),
        on(
            Method::GET,
            "users/{id}",
            "getUser",
            "An account: one's own, or anybody's for an admin",
        )
        .answers(200, "It.", &one)
        .own(),
        admin(on(
            Method::PUT,
            "users/{id}",
            "changeUser",
            "Change an account",
        ))
        .json(&change)
        .answers(200, "As it is now.", &one)
        .fails(409, "Taken"),
        admin(on(
            Method::DELETE,
            "users/{id}",
            "deleteUser",
            "Remove an account with its sessions and keys; not one's own",
        ))
        .answers(200, "It is gone.", &told()),
        admin(on(
            Method::POST,
            "users/{id}/logout",
            "logOutUser",
            "End all sessions of somebody",
        ))
        .answers(200, "Done.", &told()),
    ]
}
