//! Schemas (JSON Schema 2020-12): of definitions from their rules, of envelopes and errors by hand.

use serde_json::{Map, Value, json};

use crate::definitions::resource::Kind as Resource;
use crate::definitions::schema::{Field, Kind, LONGEST_LIST, LONGEST_TEXT, Presence};

/// Small schemas.
pub(super) mod of {
    use super::{Value, json};

    pub(in super::super) fn text() -> Value {
        json!({"type": "string"})
    }

    pub(in super::super) fn bounded(min: usize, max: usize) -> Value {
        json!({"type": "string", "minLength": min, "maxLength": max})
    }

    pub(in super::super) fn pattern(pattern: &str) -> Value {
        json!({"type": "string", "pattern": pattern})
    }

    pub(in super::super) fn time() -> Value {
        json!({"type": "string", "format": "date-time"})
    }

    pub(in super::super) fn uuid() -> Value {
        json!({"type": "string", "format": "uuid"})
    }

    pub(in super::super) fn whole(least: i64) -> Value {
        json!({"type": "integer", "minimum": least})
    }

    pub(in super::super) fn number() -> Value {
        json!({"type": "number"})
    }

    pub(in super::super) fn page_size() -> Value {
        json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})
    }

    pub(in super::super) fn flag(otherwise: bool) -> Value {
        json!({"type": "boolean", "default": otherwise})
    }

    pub(in super::super) fn words(words: &[&str]) -> Value {
        json!({"type": "string", "enum": words})
    }

    pub(in super::super) fn list(of: Value) -> Value {
        json!({"type": "array", "items": of})
    }

    /// One of `components/schemas`.
    pub(in super::super) fn named(name: &str) -> Value {
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// It or null.
    pub(in super::super) fn nullable(schema: Value) -> Value {
        json!({"anyOf": [schema, {"type": "null"}]})
    }

    /// Any keys, each with such a value.
    pub(in super::super) fn map(of: Value) -> Value {
        json!({"type": "object", "additionalProperties": of})
    }

    /// With whatever members; clients are made of that it is said.
    pub(in super::super) fn any_object() -> Value {
        json!({"type": "object", "additionalProperties": true})
    }

    /// An object whose members are all there, but for those whose name ends in `?`.
    pub(in super::super) fn object(members: Vec<(&str, Value)>) -> Value {
        let mut required = Vec::new();
        let mut properties = serde_json::Map::new();
        for (name, schema) in members {
            match name.strip_suffix('?') {
                Some(name) => properties.insert(name.to_owned(), schema),
                None => {
                    required.push(name);
                    properties.insert(name.to_owned(), schema)
                }
            };
        }
        let mut object = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            object["required"] = json!(required);
        }
        object
    }

    /// `success` and these.
    pub(in super::super) fn success(members: Vec<(&str, Value)>) -> Value {
        let mut all = vec![("success", json!({"type": "boolean", "const": true}))];
        all.extend(members);
        object(all)
    }

    /// `success` and `data`.
    pub(in super::super) fn data(data: Value) -> Value {
        success(vec![("data", data)])
    }
}

/// Which side of the wire a definition is on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Sent to make one.
    New,
    /// Sent to change one: the top level may be given in part.
    Change,
    /// As it is stored: what was left out is filled in.
    Stored,
}

/// The schema's name of a kind of definition.
pub(super) fn name(kind: Resource) -> &'static str {
    match kind {
        Resource::Metric => "Metric",
        Resource::Domain => "Domain",
        Resource::Objective => "Objective",
    }
}

/// All that operations refer to.
pub(super) fn components() -> Value {
    json!({
        "schemas": schemas(),
        "responses": responses(),
        "headers": headers(),
        "securitySchemes": {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An access token of POST /api/auth/login, or an API key.",
            },
            "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key, mdl_…"},
        },
    })
}

fn schemas() -> Value {
    let mut all = Map::new();
    for kind in Resource::ALL {
        let name = name(kind);
        for (suffix, form) in [
            ("", Form::Stored),
            ("New", Form::New),
            ("Change", Form::Change),
        ] {
            all.insert(format!("{name}{suffix}"), object(kind.fields(), form));
        }
    }
    all.insert(
        "MergePatch".to_owned(),
        json!({"type": "object", "additionalProperties": true, "description": "What changes, at every depth; null removes."}),
    );
    all.insert(
        "Catalog".to_owned(),
        json!({
            "anyOf": [of::any_object(), of::list(of::any_object())],
            "description": "A catalog, a list of definitions or one; also under data.",
        }),
    );
    let whole = || of::whole(0);
    let finding = of::object(vec![
        ("field", of::text()),
        ("type", of::text()),
        ("message", of::text()),
        ("remedy", of::text()),
    ]);
    let error = of::object(vec![
        (
            "code",
            of::pattern("^(AUTH|VAL|RES|SYS|EXT|RATE|BIZ)_[A-Z_]+$"),
        ),
        ("message", of::text()),
        ("details?", json!({})),
    ]);
    let problem = of::object(vec![
        ("success", json!({"type": "boolean", "const": false})),
        (
            "error",
            json!({"anyOf": [error, {"type": "string", "description": "Where there is no such metric: the message alone."}]}),
        ),
        ("requestId", of::text()),
        ("timestamp", of::time()),
    ]);
    let pagination = of::object(vec![
        ("limit", of::whole(1)),
        ("total", whole()),
        ("hasNext", json!({"type": "boolean"})),
        ("page?", of::whole(1)),
        ("pages?", of::whole(1)),
        ("hasPrev?", json!({"type": "boolean"})),
        ("next_cursor?", of::nullable(of::text())),
    ]);
    let revision = of::object(vec![
        ("revision", of::whole(1)),
        ("version", of::nullable(of::text())),
        ("change_type", of::nullable(of::text())),
        ("timestamp", of::time()),
        ("changed_by", of::text()),
        ("changes_summary", of::text()),
        ("fields_changed", of::list(of::text())),
    ]);
    let item = of::object(vec![
        ("place", of::text()),
        ("kind?", of::text()),
        ("id?", of::nullable(of::text())),
        (
            "outcome",
            of::words(&["created", "updated", "unchanged", "deleted", "refused"]),
        ),
        ("revision?", of::whole(1)),
        ("version?", of::nullable(of::text())),
        ("fields_changed?", of::list(of::text())),
        ("warnings?", of::list(of::named("Finding"))),
        ("error?", of::any_object()),
    ]);
    let report = of::object(vec![
        ("created", whole()),
        ("updated", whole()),
        ("unchanged", whole()),
        ("deleted", whole()),
        ("refused", whole()),
        ("atomic", json!({"type": "boolean"})),
        ("dry_run", json!({"type": "boolean"})),
        ("items", of::list(item)),
        ("warnings?", of::list(of::named("Finding"))),
        ("type?", of::text()),
        ("imported?", of::any_object()),
        ("total?", whole()),
    ]);
    let others = [
        ("Finding", finding),
        ("Problem", problem),
        ("Pagination", pagination),
        ("Revision", revision),
        ("Report", report),
        (
            "Policy",
            of::object(vec![
                ("metric_id", of::text()),
                ("policy", of::text()),
                ("package", of::text()),
            ]),
        ),
        ("User", super::accounts::user()),
        ("Tokens", super::accounts::tokens()),
        ("ApiKey", super::accounts::api_key()),
    ];
    all.extend(others.map(|(name, schema)| (name.to_owned(), schema)));
    all.into()
}

fn responses() -> Value {
    let problem = |about: &str, headers: &[&str]| {
        let mut names = vec!["X-Request-ID"];
        names.extend_from_slice(headers);
        let headers: Map<String, Value> = names
            .into_iter()
            .map(|name| {
                let reference = json!({"$ref": format!("#/components/headers/{name}")});
                (name.to_owned(), reference)
            })
            .collect();
        let content = json!({"application/json": {"schema": of::named("Problem")}});
        json!({"description": about, "headers": headers, "content": content})
    };
    let limits = [
        "Retry-After",
        "RateLimit-Limit",
        "RateLimit-Remaining",
        "RateLimit-Reset",
    ];
    json!({
        "NotModified": {"description": "It is what the caller has.", "headers": {"ETag": {"$ref": "#/components/headers/ETag"}}},
        "Invalid": problem("The body or a parameter is wrong; details name each field with a remedy.", &[]),
        "Unknown": problem("Nobody knows who asks.", &["WWW-Authenticate"]),
        "Forbidden": problem("The caller's role or the key's scope is too low.", &[]),
        "Missing": problem("There is no such thing.", &[]),
        "Taken": problem("The identifier is taken, or the definition comes from a file.", &[]),
        "ReadOnly": problem("The definition comes from a file; change it there.", &[]),
        "Stale": problem("Another revision is the newest one.", &[]),
        "Slow": problem("The body took too long to arrive.", &[]),
        "TooLarge": problem("The body is too large.", &[]),
        "WrongType": problem("The body is of another media type than those listed.", &[]),
        "Unevaluated": problem("The metric's expression cannot be evaluated.", &[]),
        "Gone": problem("This is not offered any more; the message says what is.", &[]),
        "TooMany": problem("Too many requests of this client.", &limits),
        "Failed": problem("It failed inside; the log says why.", &[]),
        "Unavailable": problem("The database cannot be used now; try again later.", &["Retry-After"]),
    })
}

fn headers() -> Value {
    let header = |about: &str, schema: Value| json!({"description": about, "schema": schema});
    let seconds = || of::whole(0);
    json!({
        "X-Request-ID": header("The request's id, the caller's own where it is sound.", of::text()),
        "ETag": header("Of this revision, for If-Match and If-None-Match.", of::text()),
        "Location": header("Where the new one is.", of::text()),
        "Link": header("Other pages, or what follows a deprecated path (RFC 8288).", of::text()),
        "X-Total-Count": header("How many there are on all pages.", of::whole(0)),
        "X-Page": header("Which page this is.", of::whole(1)),
        "X-Per-Page": header("The most on one page.", of::whole(1)),
        "X-Total-Pages": header("How many pages there are.", of::whole(1)),
        "X-Cache": header("Whether it came from memory; not there without a cache.", of::words(&["HIT", "MISS"])),
        "Deprecation": header("Since when the path is deprecated (RFC 9745).", of::text()),
        "Sunset": header("When it may go (RFC 8594).", of::text()),
        "WWW-Authenticate": header("How to authenticate.", of::text()),
        "Retry-After": header("Seconds to wait.", seconds()),
        "RateLimit-Limit": header("Requests in a window.", seconds()),
        "RateLimit-Remaining": header("Those that are left.", seconds()),
        "RateLimit-Reset": header("Seconds until all are there again.", seconds()),
    })
}

fn object(fields: &[Field], form: Form) -> Value {
    let filled = |field: &&Field| match field.presence {
        Presence::Required => form != Form::Change,
        Presence::Optional => false,
        Presence::OrNull | Presence::OrEmpty | Presence::OrWord(_) => form == Form::Stored,
    };
    let required: Vec<&str> = fields
        .iter()
        .filter(filled)
        .map(|field| field.name)
        .collect();
    // Below the top level, what is given is given in whole.
    let inner = match form {
        Form::Change => Form::New,
        form => form,
    };
    let properties: Map<String, Value> = fields
        .iter()
        .map(|field| (field.name.to_owned(), member(field, inner)))
        .collect();
    let mut object = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

fn member(field: &Field, form: Form) -> Value {
    let mut schema = value(&field.kind, form);
    if field.presence == Presence::OrNull {
        schema = of::nullable(schema);
    }
    if let (Presence::OrWord(word), Form::New) = (field.presence, form) {
        schema["default"] = word.into();
    }
    schema["description"] = field.about.trim().into();
    schema
}

fn value(kind: &Kind, form: Form) -> Value {
    match kind {
        Kind::Text { min, max } => of::bounded(*min, *max),
        Kind::Id(max) => of::pattern(&format!("^[A-Za-z0-9_-]{{1,{max}}}$")),
        Kind::Email => {
            json!({"type": "string", "format": "email", "minLength": 3, "maxLength": 254})
        }
        Kind::Url => {
            json!({"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": 2000})
        }
        Kind::Expression => of::bounded(1, LONGEST_TEXT),
        Kind::MetricName => {
            json!({"type": "string", "pattern": "^[A-Za-z_:][A-Za-z0-9_:]*$", "maxLength": 1000})
        }
        Kind::Number => of::number(),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Time => of::time(),
        Kind::OneOf(words) => of::words(words),
        Kind::Object(fields) => object(fields, form),
        Kind::Numbers => of::map(of::number()),
        Kind::AnyObject => of::any_object(),
        Kind::List { of, min } => {
            let mut list =
                json!({"type": "array", "items": value(of, form), "maxItems": LONGEST_LIST});
            if *min > 0 {
                list["minItems"] = (*min).into();
            }
            list
        }
    }
}
