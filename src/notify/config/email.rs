//! `email_configs`.

use std::sync::Arc;

use super::Reader;
use super::global::read_smarthost;
use crate::document::fields::{Fields, Value};
use crate::net::credentials::read_secret_pair;
use crate::net::tls::TlsConfig;
use crate::notify::email::transport::{SmtpAuth, Transport};
use crate::notify::email::{Email, Threading, compose};
use crate::notify::render::Field;

/// The port where TLS begins with the connection.
const SUBMISSIONS: u16 = 465;

pub(super) fn read(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<Email> {
    let texts = &reader.texts;
    let to = fields.required("to").is_some();
    let to = to.then(|| texts.field(fields, "to", ""));
    check_addresses(fields, "to");
    check_addresses(fields, "from");
    let from = match (fields.get("from"), &reader.global.smtp.from) {
        (Some(_), _) => Some(texts.field(fields, "from", "")),
        (None, Some(from)) => Some(texts.compile(fields.value(), from, false)),
        (None, None) => {
            missing(fields, "sender", "from", "smtp_from");
            None
        }
    };
    let transport = read_transport(reader, fields);
    let mut headers = read_headers(reader, fields);
    let has = |headers: &[(String, Field)], name: &str| {
        headers.iter().any(|(candidate, _)| candidate == name)
    };
    if !has(&headers, "Subject") {
        headers.push(default_header(
            reader,
            fields,
            "Subject",
            r#"{{ template "email.default.subject" . }}"#,
        ));
    }
    let upstream_only = reader.surroundings.upstream_only;
    if !upstream_only && !has(&headers, "Auto-Submitted") {
        // Keeps holiday responders from answering (RFC 3834).
        headers.push(default_header(
            reader,
            fields,
            "Auto-Submitted",
            "auto-generated",
        ));
    }
    let html = texts.html(fields, "html", r#"{{ template "email.default.html" . }}"#);
    let default_text = match upstream_only {
        // Alertmanager's mail has no text part unless one is configured.
        true => "",
        false => r#"{{ template "email.default.text" . }}"#,
    };
    let text = texts.field(fields, "text", default_text);
    let threading = read_threading(fields, &headers, upstream_only);
    Some(Email {
        transport: transport?,
        to: to?,
        from: from?,
        headers,
        html: (!html.is_empty()).then_some(html),
        text: (!text.is_empty()).then_some(text),
        threading,
        surroundings: Arc::clone(reader.surroundings),
    })
}

fn read_transport(reader: &Reader<'_>, fields: &Fields<'_>) -> Option<Transport> {
    let smtp = &reader.global.smtp;
    let written = fields.get("smarthost").is_some();
    let smarthost = read_smarthost(fields, "smarthost").or_else(|| smtp.smarthost.clone());
    if smarthost.is_none() && !written {
        missing(fields, "mail server", "smarthost", "smtp_smarthost");
    }
    let secret = |inline, file| read_secret_pair(fields, inline, file, reader.base);
    let hello = fields.text("hello").or_else(|| smtp.hello.clone());
    let username = fields
        .text("auth_username")
        .or_else(|| smtp.auth_username.clone());
    let password =
        secret("auth_password", "auth_password_file").or_else(|| smtp.auth_password.clone());
    let cram = secret("auth_secret", "auth_secret_file").or_else(|| smtp.auth_secret.clone());
    let identity = fields
        .text("auth_identity")
        .or_else(|| smtp.auth_identity.clone());
    let require_tls = fields.bool("require_tls").or(smtp.require_tls);
    let implicit = fields
        .bool("force_implicit_tls")
        .or(smtp.force_implicit_tls);
    let tls = fields
        .get("tls_config")
        .and_then(|value| TlsConfig::read(&value, reader.base))
        .or_else(|| smtp.tls.clone())
        .unwrap_or_default();
    let auth = username.filter(|name| !name.is_empty()).map(|username| {
        if password.is_none() && cram.is_none() {
            fields.value().error(
                "auth_username without a password",
                "set auth_password or auth_password_file here, or smtp_auth_password under global",
            );
        }
        SmtpAuth {
            username,
            password,
            secret: cram,
            identity: identity.unwrap_or_default(),
        }
    });
    let (host, port) = smarthost?;
    Some(Transport {
        host,
        port,
        hello: hello.filter(|name| !name.is_empty()),
        implicit_tls: implicit.unwrap_or(port == SUBMISSIONS),
        require_tls: require_tls.unwrap_or(true),
        tls,
        auth,
    })
}

fn read_headers(reader: &Reader<'_>, fields: &Fields<'_>) -> Vec<(String, Field)> {
    let Some(value) = fields.get("headers") else {
        return Vec::new();
    };
    let mut headers: Vec<(String, Field)> = Vec::new();
    for (name, value) in value.pairs().unwrap_or_default() {
        let name = canonical(name);
        if lettre::message::header::HeaderName::new_from_ascii(name.clone()).is_err() {
            value.error(
                format!("{name:?} is not a header name"),
                "use letters, digits and dashes",
            );
            continue;
        }
        if headers.iter().any(|(known, _)| *known == name) {
            value.error(format!("duplicate header {name}"), "keep one of the two");
        }
        if matches!(
            name.as_str(),
            "Content-Type" | "Mime-Version" | "Content-Transfer-Encoding"
        ) {
            value.error(format!("header {name} may not be set here"), "remove it");
            continue;
        }
        if let Some(text) = value.text() {
            headers.push((name, reader.texts.compile(&value, text, false)));
        }
    }
    headers
}

fn default_header(
    reader: &Reader<'_>,
    fields: &Fields<'_>,
    name: &str,
    text: &str,
) -> (String, Field) {
    let path = format!("{}.headers.{name}", fields.value().path);
    let field = reader.texts.default_at(fields, path, name, text, false);
    (name.to_owned(), field)
}

fn read_threading(
    fields: &Fields<'_>,
    headers: &[(String, Field)],
    upstream_only: bool,
) -> Threading {
    let own = headers
        .iter()
        .any(|(name, _)| matches!(name.as_str(), "References" | "In-Reply-To"));
    let Some(value) = fields.get("threading") else {
        return if own || upstream_only {
            Threading::Off
        } else {
            Threading::Group
        };
    };
    let Some(inner) = value.fields() else {
        return Threading::Off;
    };
    let enabled = inner.bool("enabled").unwrap_or(false);
    let by_date = inner.get("thread_by_date");
    let daily = match by_date.as_ref().and_then(|value| value.text()) {
        Some("daily") => true,
        Some("none") | None => false,
        Some(_) => {
            if let Some(value) = by_date {
                value.error("unknown thread_by_date", "write none or daily");
            }
            false
        }
    };
    inner.finish();
    if enabled && own {
        value.error(
            "threading and the headers References or In-Reply-To exclude each other",
            "remove the headers, or threading",
        );
    }
    match (enabled, daily) {
        (false, _) => Threading::Off,
        (true, false) => Threading::Group,
        (true, true) => Threading::GroupAndDay,
    }
}

/// Addresses without templates are checked now.
fn check_addresses(fields: &Fields<'_>, key: &'static str) {
    let Some(value) = fields.get(key) else {
        return;
    };
    if let Some(text) = value.text()
        && !text.contains("{{")
        && !compose::is_address_list(text)
    {
        value.error(
            format!("{key} is not a list of e-mail addresses"),
            "write name@example.org, several separated by commas",
        );
    }
}

fn missing(fields: &Fields<'_>, what: &str, key: &str, global: &str) {
    let value: &Value<'_> = fields.value();
    value.error(
        format!("no {what}: neither here nor under global"),
        format!("set {key} here, or {global} under global"),
    );
}

/// `x-my-header` to `X-My-Header`.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut chars = word.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        let rest = chars.map(|c| c.to_ascii_lowercase());
        first.into_iter().chain(rest).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}
