//! What each path asks of a caller.
//!
//! Reading needs a viewer and changing an editor, unless a line here says otherwise: a path that nobody thought of is not
//! open. Handlers may ask for more with [`super::identity::require`].

use axum::http::Method;

use crate::auth::role::{Role, Scope};

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Nothing: probes, the login, links that carry a signature.
    Open,
    /// At least this role and, of an API key, this scope.
    Needs(Role, Scope),
}

/// Changes that anybody may ask for, as they change nothing: queries that come by POST.
const ASKING: [&str; 7] = [
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/series",
    "/api/v1/labels",
    "/api/v1/silences/preview",
    "/api/v1/search",
    "/api/search",
];

/// What a request for a path asks of its caller.
pub fn needed(method: &Method, path: &str, public_metrics: bool) -> Access {
    let mut parts = path.split('/').skip(1);
    let first = parts.next().unwrap_or_default();
    let open = match first {
        "health" | "assets" | "login" | "logout" | "theme" | "ack" | "silence" => true,
        // Signed, and nothing else is there.
        "render" => true,
        // What the API is like, which the program's source says as well.
        "openapi.json" | "openapi.yaml" | "api-docs" => true,
        "metrics" => public_metrics,
        "-" => matches!(path, "/-/healthy" | "/-/ready"),
        ".well-known" => path == "/.well-known/jwks.json",
        _ => false,
    };
    if open {
        return Access::Open;
    }
    let noun = match (first, parts.next()) {
        ("api", Some("v1")) => parts.next(),
        ("api", other) => other,
        // Their pages.
        ("definitions", Some("domains")) => Some("domains"),
        ("definitions", Some("objectives")) => Some("objectives"),
        ("definitions", _) => Some("metrics"),
        _ => None,
    };
    if noun == Some("bulk") {
        return of_noun(method, path, parts.next());
    }
    of_noun(method, path, noun)
}

fn of_noun(method: &Method, path: &str, noun: Option<&str>) -> Access {
    let (read, write) = match noun {
        // They look for themselves.
        Some("auth") => return Access::Open,
        Some("metrics" | "policies" | "stats" | "import" | "export" | "search" | "policy") => {
            (Scope::MetricsRead, Scope::MetricsWrite)
        }
        Some("domains") => (Scope::DomainsRead, Scope::DomainsWrite),
        Some("objectives") => (Scope::ObjectivesRead, Scope::ObjectivesWrite),
        _ => (Scope::MonitoringRead, Scope::MonitoringWrite),
    };
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || ASKING.contains(&path) {
        return Access::Needs(Role::Viewer, read);
    }
    let deletes_definition = *method == Method::DELETE && write != Scope::MonitoringWrite;
    if deletes_definition || path == "/-/reload" {
        return Access::Needs(Role::Admin, write);
    }
    Access::Needs(Role::Editor, write)
}

/// Whether a path belongs to the definition API or to accounts, whose errors have a form of their own.
pub fn is_about_definitions(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    if parts.next() != Some("api") {
        return false;
    }
    match parts.next() {
        Some("v1") => matches!(
            parts.next(),
            Some(
                "metrics"
                    | "domains"
                    | "objectives"
                    | "policies"
                    | "policy"
                    | "stats"
                    | "import"
                    | "export"
                    | "bulk"
                    | "search"
                    | "audit"
                    | "auth"
            )
        ),
        Some("v2") | None => false,
        // All that is neither Prometheus's nor Alertmanager's.
        Some(_) => true,
    }
}

/// Whether a path is about the caller himself: there a token that is not good is told of.
pub fn is_ones_own(path: &str) -> bool {
    let below = ["/api/auth/", "/api/v1/auth/"]
        .iter()
        .find_map(|base| path.strip_prefix(base));
    below.is_some_and(|what| !matches!(what, "login" | "register" | "refresh"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_asks_for_what_it_does() {
        let check = |method: Method, path: &str, want: Access| {
            assert_eq!(needed(&method, path, false), want, "{method} {path}");
        };
        let needs = Access::Needs;
        for open in [
            "/health/ready",
            "/-/healthy",
            "/assets/style.css",
            "/login",
            "/theme",
            "/api/auth/login",
            "/api/v1/auth/refresh",
            "/.well-known/jwks.json",
            "/render/alert/x.png",
            "/openapi.json",
            "/api-docs/index.css",
            "/ack",
        ] {
            check(Method::GET, open, Access::Open);
        }
        let see = needs(Role::Viewer, Scope::MonitoringRead);
        let act = needs(Role::Editor, Scope::MonitoringWrite);
        for path in [
            "/",
            "/metrics",
            "/silences",
            "/api/v1/query",
            "/api/v1/metadata",
            "/x",
        ] {
            check(Method::GET, path, see);
        }
        check(Method::POST, "/api/v1/query", see);
        check(Method::POST, "/api/v1/query/", act);
        for path in [
            "/silences",
            "/api/v2/silences",
            "/api/v2/alerts",
            "/api/v1/acks",
            "/x",
        ] {
            check(Method::POST, path, act);
        }
        check(Method::DELETE, "/api/v2/silence/1", act);
        check(
            Method::POST,
            "/-/reload",
            needs(Role::Admin, Scope::MonitoringWrite),
        );
        for base in ["/api", "/api/v1"] {
            let path = format!("{base}/metrics/x");
            check(Method::GET, &path, needs(Role::Viewer, Scope::MetricsRead));
            check(Method::PUT, &path, needs(Role::Editor, Scope::MetricsWrite));
            check(
                Method::DELETE,
                &path,
                needs(Role::Admin, Scope::MetricsWrite),
            );
            let path = format!("{base}/domains");
            check(
                Method::POST,
                &path,
                needs(Role::Editor, Scope::DomainsWrite),
            );
        }
        check(
            Method::POST,
            "/api/v1/bulk/domains",
            needs(Role::Editor, Scope::DomainsWrite),
        );
        check(
            Method::DELETE,
            "/api/v1/bulk/metrics",
            needs(Role::Admin, Scope::MetricsWrite),
        );
        check(
            Method::GET,
            "/api/v1/search",
            needs(Role::Viewer, Scope::MetricsRead),
        );
        for (path, scope) in [
            ("/definitions", Scope::MetricsRead),
            ("/definitions/metrics/x", Scope::MetricsRead),
            ("/definitions/domains", Scope::DomainsRead),
            ("/definitions/objectives/x", Scope::ObjectivesRead),
        ] {
            check(Method::GET, path, needs(Role::Viewer, scope));
        }
        assert_eq!(needed(&Method::GET, "/metrics", true), Access::Open);
        check(Method::GET, "/health.txt/../api", see);
    }
}
