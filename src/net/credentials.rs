//! Who we are to the other side: basic auth, an `Authorization` header, custom headers.
//!
//! A secret that stands in a file is read again on each use, so that a rotated one is picked up without a reload.

use std::path::{Path, PathBuf};

use base64::Engine;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::document::fields::{Fields, Value};
use crate::model::secret::Secret;

/// The largest secret file that is read, in bytes.
const MAX_SECRET_BYTES: u64 = 1 << 20;

/// A secret, or the file that holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecretSource {
    /// In the configuration itself.
    Inline(Secret),
    /// In a file, whose surrounding white space does not count.
    File(PathBuf),
}

/// What goes into the `Authorization` header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Authorization {
    /// User and password.
    Basic {
        /// The user; from a file where it is rotated too.
        username: SecretSource,
        /// The password; absent means empty.
        password: Option<SecretSource>,
    },
    /// A scheme and its credentials, `Bearer <token>` mostly.
    Scheme {
        /// `Bearer` unless told otherwise.
        scheme: String,
        /// The token.
        credentials: SecretSource,
    },
}

/// One custom header; each source is one value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CustomHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its values, in the order in which they are sent.
    pub values: Vec<SecretSource>,
}

/// Why credentials cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file is missing, unreadable or too large.
    #[error("read {path:?}: {source}; check that the file exists and may be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The bytes may not stand in a header.
    #[error(
        "{what} holds characters that no header may hold; remove line breaks and control characters"
    )]
    NotAHeader {
        /// Which setting.
        what: &'static str,
    },
}

impl SecretSource {
    /// The secret as it is now.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub async fn load(&self) -> Result<Secret, CredentialsError> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => read_secret(path)
                .await
                .map_err(|source| CredentialsError::Read {
                    path: path.clone(),
                    source,
                }),
        }
    }
}

async fn read_secret(path: &Path) -> std::io::Result<Secret> {
    if tokio::fs::metadata(path).await?.len() > MAX_SECRET_BYTES {
        return Err(std::io::Error::other("the file is larger than 1 MiB"));
    }
    let text = tokio::fs::read_to_string(path).await?;
    Ok(Secret::new(text.trim()))
}

impl Authorization {
    /// Adds the header.
    ///
    /// # Errors
    /// Where a file cannot be read or its content may not stand in a header.
    pub async fn add_to(&self, headers: &mut HeaderMap) -> Result<(), CredentialsError> {
        let (text, what) = match self {
            Self::Basic { username, password } => {
                let username = username.load().await?;
                let password = match password {
                    Some(password) => password.load().await?,
                    None => Secret::default(),
                };
                let pair = format!("{}:{}", username.expose(), password.expose());
                let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
                (format!("Basic {encoded}"), "basic_auth")
            }
            Self::Scheme {
                scheme,
                credentials,
            } => {
                let credentials = credentials.load().await?;
                (
                    format!("{scheme} {}", credentials.expose()),
                    "authorization",
                )
            }
        };
        headers.insert(AUTHORIZATION, sensitive(&text, what)?);
        Ok(())
    }
}

impl CustomHeader {
    /// Adds the header's values, instead of what was there.
    ///
    /// # Errors
    /// As for [`Authorization::add_to`].
    pub async fn add_to(&self, headers: &mut HeaderMap) -> Result<(), CredentialsError> {
        headers.remove(&self.name);
        for source in &self.values {
            let value = source.load().await?;
            headers.append(
                self.name.clone(),
                sensitive(value.expose(), "http_headers")?,
            );
        }
        Ok(())
    }
}

fn sensitive(text: &str, what: &'static str) -> Result<HeaderValue, CredentialsError> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| CredentialsError::NotAHeader { what })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads `basic_auth`, `authorization`, `bearer_token` and `bearer_token_file`; more than one of them is a mistake.
pub fn read_authorization(fields: &Fields<'_>, base: &Path) -> Option<Authorization> {
    let mut found: Vec<(&'static str, Option<Authorization>)> = Vec::new();
    if let Some(value) = fields.get("basic_auth") {
        found.push(("basic_auth", read_basic(&value, base)));
    }
    if let Some(value) = fields.get("authorization") {
        found.push(("authorization", read_scheme(&value, base)));
    }
    if let Some(credentials) = read_secret_pair(fields, "bearer_token", "bearer_token_file", base) {
        let bearer = Authorization::Scheme {
            scheme: "Bearer".to_owned(),
            credentials,
        };
        found.push(("bearer_token", Some(bearer)));
    }
    if found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        fields.value().error(
            format!("{} exclude each other", names.join(" and ")),
            "keep one of them",
        );
    }
    found.pop().and_then(|(_, authorization)| authorization)
}

fn read_basic(value: &Value<'_>, base: &Path) -> Option<Authorization> {
    let fields = value.fields()?;
    let username = read_secret_pair(&fields, "username", "username_file", base);
    let password = read_secret_pair(&fields, "password", "password_file", base);
    fields.finish();
    Some(Authorization::Basic {
        username: username.unwrap_or(SecretSource::Inline(Secret::default())),
        password,
    })
}

fn read_scheme(value: &Value<'_>, base: &Path) -> Option<Authorization> {
    let fields = value.fields()?;
    let scheme = fields.text("type").unwrap_or_else(|| "Bearer".to_owned());
    if scheme.trim().eq_ignore_ascii_case("basic") {
        value.error(
            "authorization type cannot be \"basic\"",
            "use basic_auth with username and password instead",
        );
    }
    let credentials = read_secret_pair(&fields, "credentials", "credentials_file", base);
    fields.finish();
    if credentials.is_none() {
        value.error(
            "authorization lacks credentials",
            "add credentials or credentials_file",
        );
    }
    Some(Authorization::Scheme {
        scheme: scheme.trim().to_owned(),
        credentials: credentials?,
    })
}

/// Reads a secret given inline or as a file; both at once is a mistake.
pub fn read_secret_pair(
    fields: &Fields<'_>,
    inline: &'static str,
    file: &'static str,
    base: &Path,
) -> Option<SecretSource> {
    let secret = fields.text(inline);
    let path = fields.text(file);
    match (secret, path) {
        (Some(_), Some(_)) => {
            fields.value().error(
                format!("{inline} and {file} exclude each other"),
                "keep one of them",
            );
            None
        }
        (Some(secret), None) => Some(SecretSource::Inline(Secret::new(secret))),
        (None, Some(path)) => Some(SecretSource::File(base.join(path))),
        (None, None) => None,
    }
}

/// Headers that the client sets itself and that a configuration may not touch.
const RESERVED: [&str; 14] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-prometheus-scrape-timeout-seconds",
];

/// Reads `http_headers`: name to `values`, `secrets` and `files`.
pub fn read_headers(fields: &Fields<'_>, base: &Path) -> Vec<CustomHeader> {
    let Some(value) = fields.get("http_headers") else {
        return Vec::new();
    };
    let mut headers = Vec::new();
    for (name, value) in value.pairs().unwrap_or_default() {
        let Ok(name) = name.parse::<HeaderName>() else {
            value.error("not a header name", "use letters, digits and dashes");
            continue;
        };
        if RESERVED.contains(&name.as_str()) {
            value.error(
                format!("header {name} may not be set here"),
                "remove it; credentials belong in basic_auth or authorization",
            );
        }
        let Some(sources) = value.fields() else {
            continue;
        };
        let texts = |key| {
            let items = sources.items(key);
            let texts = items.iter().filter_map(|item| item.text());
            texts.map(str::to_owned).collect::<Vec<_>>()
        };
        let inline = texts("values").into_iter().chain(texts("secrets"));
        let mut values: Vec<_> = inline
            .map(|text| SecretSource::Inline(Secret::new(text)))
            .collect();
        let files = texts("files").into_iter();
        values.extend(files.map(|path| SecretSource::File(base.join(path))));
        sources.finish();
        headers.push(CustomHeader { name, values });
    }
    headers
}
