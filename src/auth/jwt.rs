//! Access tokens: JSON Web Tokens (RFC 7519) signed with RS256 (RFC 7518), and nothing else: a token that names another
//! algorithm is refused before anything is computed.
//!
//! ```text
//! header   {"alg": "RS256", "typ": "JWT", "kid": "<key>"}
//! claims   {"iss": "outrigger", "aud": "outrigger", "sub": "<user id>", "user_id": "<user id>", "username", "role",
//!           "sid": "<session>", "epoch": 0, "jti", "iat", "exp"}
//! ```
//!
//! `username` and `role` are for readers elsewhere; here both are looked up.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::error::AuthError;
use super::signing::SigningKey;
use crate::model::timestamp::Timestamp;

const OURS: &str = "outrigger";
/// Longer ones are not ours.
const LONGEST: usize = 4096;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    /// The user's id.
    pub sub: String,
    user_id: String,
    /// The user's name when it was made.
    pub username: String,
    /// The user's role when it was made.
    pub role: String,
    /// The session it belongs to.
    pub sid: String,
    /// The user's epoch when it was made.
    pub epoch: i64,
    jti: String,
    iat: i64,
    /// When it ends, in seconds of Unix time.
    pub exp: i64,
}

/// Of whom a token speaks.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The user's id.
    pub user: &'a str,
    /// The user's name.
    pub username: &'a str,
    /// The user's role.
    pub role: &'a str,
    /// The session.
    pub session: &'a str,
    /// The user's epoch.
    pub epoch: i64,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

impl Claims {
    /// What a token says that is made now.
    pub fn new(subject: Subject<'_>, now: Timestamp, until: Timestamp) -> Self {
        Self {
            iss: OURS.to_owned(),
            aud: OURS.to_owned(),
            sub: subject.user.to_owned(),
            user_id: subject.user.to_owned(),
            username: subject.username.to_owned(),
            role: subject.role.to_owned(),
            sid: subject.session.to_owned(),
            epoch: subject.epoch,
            jti: uuid::Uuid::new_v4().to_string(),
            iat: now.millis().div_euclid(1000),
            exp: until.millis().div_euclid(1000),
        }
    }
}

/// Signs a token.
///
/// # Errors
/// Where the key does not sign.
pub fn sign(claims: &Claims, key: &SigningKey) -> Result<String, AuthError> {
    let header = Header {
        alg: "RS256".to_owned(),
        typ: "JWT".to_owned(),
        kid: key.id().to_owned(),
    };
    let unsigned = format!("{}.{}", part(&header)?, part(claims)?);
    let signature = key.sign(unsigned.as_bytes())?;
    Ok(format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn part(value: &impl Serialize) -> Result<String, AuthError> {
    let text = serde_json::to_vec(value);
    let text = text.map_err(|_| AuthError::SigningKey("write access token failed"))?;
    Ok(URL_SAFE_NO_PAD.encode(text))
}

/// The key that a token says it was signed with; nothing of it is proved.
pub fn key_id(token: &str) -> Option<String> {
    if token.len() > LONGEST {
        return None;
    }
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    let header: Header = serde_json::from_slice(&header).ok()?;
    (header.alg == "RS256").then_some(header.kid)
}

/// What a token says, once it is known to be ours and not too old.
///
/// # Errors
/// Where it is neither.
pub fn verify(token: &str, key: &SigningKey, now: Timestamp) -> Result<Claims, AuthError> {
    if key_id(token).as_deref() != Some(key.id()) {
        return Err(AuthError::Token);
    }
    let (unsigned, signature) = token.rsplit_once('.').ok_or(AuthError::Token)?;
    let (_, claims) = unsigned.split_once('.').ok_or(AuthError::Token)?;
    let decode = |text| URL_SAFE_NO_PAD.decode(text).map_err(|_| AuthError::Token);
    if !key.verifies(unsigned.as_bytes(), &decode(signature)?) {
        return Err(AuthError::Token);
    }
    let claims: Claims = serde_json::from_slice(&decode(claims)?).map_err(|_| AuthError::Token)?;
    if claims.iss != OURS || claims.aud != OURS {
        return Err(AuthError::Token);
    }
    if now.millis() >= claims.exp.saturating_mul(1000) {
        return Err(AuthError::Expired);
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::signing::tests::key;

    #[test]
    fn a_token_is_good_until_it_ends_and_only_as_it_was_signed() {
        let subject = Subject {
            user: "u",
            username: "ada",
            role: "editor",
            session: "s",
            epoch: 3,
        };
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let claims = Claims::new(subject, at(100), at(1000));
        let (key, other) = (key("a"), key("b"));
        let token = sign(&claims, &key).unwrap();
        let check = |token: &str, now, want: &str| {
            let said = match verify(token, &key, at(now)) {
                Ok(claims) => claims.username,
                Err(error) => error.to_string(),
            };
            assert_eq!(said, want, "{token}");
        };
        check(&token, 999, "ada");
        check(&token, 1000, "access token expired");
        const INVALID: &str = "invalid access token";
        check(&sign(&claims, &other).unwrap(), 100, INVALID);
        let parts: Vec<&str> = token.split('.').collect();
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        // The same claims with a higher role; no signature; another algorithm; the key's name alone.
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        let raised = encoded(&text.replace("editor", "admin"));
        check(&[parts[0], &raised, parts[2]].join("."), 100, INVALID);
        check(&format!("{}.{}.", parts[0], parts[1]), 100, INVALID);
        for alg in ["none", "HS256", "RS512", "rs256"] {
            let header = encoded(&format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"a"}}"#));
            check(&[&header, parts[1], parts[2]].join("."), 100, INVALID);
        }
        for broken in ["", ".", "..", "a.b.c", &"x".repeat(5000)] {
            check(broken, 100, INVALID);
        }
        let elsewhere = Claims {
            iss: "other".to_owned(),
            ..claims
        };
        check(&sign(&elsewhere, &key).unwrap(), 100, INVALID);
    }
}
