//! One operation: a method on a path, and its JSON in the document.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::schemas::of;
use crate::auth::role::{Role, Scope};
use crate::http::access::{self, Access};

/// A method on a path, what it takes and what it answers.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: String,
    id: String,
    pub(super) tag: &'static str,
    summary: String,
    asks: Asks,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Vec<(u16, Value)>,
    deprecated: bool,
}

/// What is asked of the caller.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// What the path does, or more.
    Of(Access),
    /// To be somebody known: it is about himself.
    Known,
}

/// Where a parameter stands.
#[derive(Clone, Copy)]
enum Place {
    Path,
    Query,
    Header,
}

impl Operation {
    /// An operation that asks of its caller what the path does.
    pub(super) fn new(
        method: Method,
        path: impl Into<String>,
        id: impl Into<String>,
        tag: &'static str,
        summary: impl Into<String>,
    ) -> Self {
        let path = path.into();
        let asks = Asks::Of(access::needed(&method, &path, false));
        let operation = Self {
            method,
            asks,
            id: id.into(),
            tag,
            summary: summary.into(),
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            deprecated: path.starts_with("/api/")
                && !path.starts_with("/api/v1")
                && !path.starts_with("/api/auth/"),
            path,
        };
        if operation.path.contains("{id}") {
            return operation.parameter(
                Place::Path,
                "id",
                "The identifier.",
                of::pattern("^[A-Za-z0-9_-]{1,100}$"),
            );
        }
        operation
    }

    /// It asks for more than its path does.
    pub(super) fn needs(mut self, role: Role, scope: Scope) -> Self {
        self.asks = Asks::Of(Access::Needs(role, scope));
        self
    }

    /// It is about the caller himself.
    pub(super) fn own(mut self) -> Self {
        self.asks = Asks::Known;
        self
    }

    fn parameter(mut self, place: Place, name: &str, about: &str, schema: Value) -> Self {
        let (place, required) = match place {
            Place::Path => ("path", true),
            Place::Query => ("query", false),
            Place::Header => ("header", false),
        };
        self.parameters.push(
            json!({"name": name, "in": place, "required": required, "description": about, "schema": schema}),
        );
        self
    }

    /// A parameter of the path.
    pub(super) fn in_path(self, name: &str, about: &str, schema: Value) -> Self {
        self.parameter(Place::Path, name, about, schema)
    }

    /// A parameter of the query string that may be left out.
    pub(super) fn query(self, name: &str, about: &str, schema: Value) -> Self {
        self.parameter(Place::Query, name, about, schema)
    }

    /// One that may be given several times.
    pub(super) fn queries(self, name: &str, about: &str) -> Self {
        let mut operation = self.query(name, about, of::list(of::text()));
        if let Some(Value::Object(last)) = operation.parameters.last_mut() {
            last.insert("explode".to_owned(), true.into());
        }
        operation
    }

    /// The last parameter must be given.
    pub(super) fn required(mut self) -> Self {
        if let Some(last) = self.parameters.last_mut() {
            last["required"] = true.into();
        }
        self
    }

    /// Pages by number, offset and, where it has them, cursor.
    pub(super) fn paged(self, cursors: bool) -> Self {
        let paged = self
            .query("page", "Which page, from 1.", of::whole(1))
            .query(
                "offset",
                "How many to leave out; in place of page.",
                of::whole(0),
            )
            .query("limit", "The most of one page.", of::page_size());
        if !cursors {
            return paged;
        }
        let about = "The next_cursor of the page before; in place of page and offset.";
        paged.query("cursor", about, of::text())
    }

    /// Unknown fields may be refused.
    pub(super) fn strict(self) -> Self {
        let about = "Whether an unknown field is a mistake; else it is left out with a warning.";
        self.query("strict", about, of::flag(false))
    }

    /// An answer may be spared where the caller has it.
    pub(super) fn if_none_match(self) -> Self {
        let about = "The ETag that one has: 304 where it is still the one.";
        let mut operation = self.parameter(Place::Header, "If-None-Match", about, of::text());
        operation
            .answers
            .push((304, json!({"$ref": "#/components/responses/NotModified"})));
        operation
    }

    /// A write may be meant for one revision alone.
    pub(super) fn if_match(self) -> Self {
        let about = "The ETag of the revision that is meant: 412 where somebody was faster.";
        let mut operation = self.parameter(Place::Header, "If-Match", about, of::text());
        operation
            .answers
            .push((412, json!({"$ref": "#/components/responses/Stale"})));
        operation
    }

    /// A body of one of these media types that must be there.
    pub(super) fn body(mut self, kinds: &[&str], schema: &Value) -> Self {
        self.body = Some(json!({"required": true, "content": content(kinds, schema)}));
        self
    }

    /// A body of JSON that must be there.
    pub(super) fn json(self, schema: &Value) -> Self {
        self.body(&["application/json"], schema)
    }

    /// A body of JSON that may be left out.
    pub(super) fn optional_json(mut self, schema: &Value) -> Self {
        self = self.json(schema);
        if let Some(body) = &mut self.body {
            body["required"] = false.into();
        }
        self
    }

    /// An answer of JSON.
    pub(super) fn answers(self, status: u16, about: &str, schema: &Value) -> Self {
        self.answers_as(status, about, &["application/json"], schema, &[])
    }

    /// An answer of other media types, or with headers of its own.
    pub(super) fn answers_as(
        mut self,
        status: u16,
        about: &str,
        kinds: &[&str],
        schema: &Value,
        headers: &[&str],
    ) -> Self {
        let mut named = vec!["X-Request-ID"];
        named.extend_from_slice(headers);
        if self.deprecated {
            named.extend(["Deprecation", "Sunset", "Link"]);
        }
        let headers: Map<String, Value> = named
            .into_iter()
            .map(|name| {
                let reference = json!({"$ref": format!("#/components/headers/{name}")});
                (name.to_owned(), reference)
            })
            .collect();
        let answer =
            json!({"description": about, "headers": headers, "content": content(kinds, schema)});
        self.answers.push((status, answer));
        self
    }

    /// An answer of `components/responses`.
    pub(super) fn fails(mut self, status: u16, name: &str) -> Self {
        let reference = json!({"$ref": format!("#/components/responses/{name}")});
        self.answers.push((status, reference));
        self
    }

    /// As the document has it.
    pub(super) fn to_json(&self) -> Value {
        let mut answers = self.answers.clone();
        let mut add = |status: u16, name: &str| {
            if answers.iter().all(|(known, _)| *known != status) {
                let reference = json!({"$ref": format!("#/components/responses/{name}")});
                answers.push((status, reference));
            }
        };
        if self.body.is_some() || !self.parameters.is_empty() {
            add(400, "Invalid");
        }
        if self.asks != Asks::Of(Access::Open) {
            add(401, "Unknown");
            add(403, "Forbidden");
        }
        if self.path.contains("{id}") {
            add(404, "Missing");
        }
        if self.body.is_some() {
            add(408, "Slow");
            add(413, "TooLarge");
            add(415, "WrongType");
        }
        add(429, "TooMany");
        add(500, "Failed");
        add(503, "Unavailable");
        answers.sort_by_key(|(status, _)| *status);
        let answers: Map<String, Value> = answers
            .into_iter()
            .map(|(status, answer)| (status.to_string(), answer))
            .collect();
        let mut json = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.asked(),
            "security": self.security(),
        });
        if !self.parameters.is_empty() {
            json["parameters"] = self.parameters.clone().into();
        }
        if let Some(body) = &self.body {
            json["requestBody"] = body.clone();
        }
        json["responses"] = answers.into();
        if self.deprecated {
            json["deprecated"] = true.into();
        }
        json
    }

    /// Who may, in words.
    fn asked(&self) -> String {
        match self.asks {
            Asks::Known => "For whoever is logged in.".to_owned(),
            Asks::Of(Access::Open) => "Open to anybody.".to_owned(),
            Asks::Of(Access::Needs(role, scope)) => format!(
                "Where authentication is on: needs role {role}; an API key the scope {}.",
                scope.as_str()
            ),
        }
    }

    fn security(&self) -> Value {
        let open = json!({});
        let (bearer, key) = (json!({"bearer": []}), json!({"apiKey": []}));
        match self.asks {
            Asks::Of(Access::Open) => json!([]),
            // Anonymous callers may be viewers.
            Asks::Of(Access::Needs(Role::Viewer, _)) => json!([open, bearer, key]),
            Asks::Of(Access::Needs(..)) | Asks::Known => json!([bearer, key]),
        }
    }
}

fn content(kinds: &[&str], schema: &Value) -> Value {
    let of_kind = |kind: &&str| ((*kind).to_owned(), json!({"schema": schema}));
    kinds.iter().map(of_kind).collect::<Map<_, _>>().into()
}
