//! What Slack answers: `ok` from an incoming webhook, JSON from its API, errors behind status 200 too.

use serde::Deserialize;

use crate::db::sent_messages::SentMessage;
use crate::notify::http::{Answer, quote};
use crate::notify::integration::{Reason, SendError};

#[derive(Deserialize)]
struct ApiAnswer {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    ts: String,
}

/// What an answer of class 2xx says.
#[derive(Debug)]
pub(super) enum Said {
    /// Accepted. The API says where the message is, an incoming webhook does not.
    Accepted(Option<SentMessage>),
    /// The message that was to be changed or answered cannot be: deleted, its channel gone, somebody else's.
    Gone(SendError),
    /// Slack knows the message's own id, but not the message any more.
    LostDuplicate(SendError),
}

/// Reads an answer of class 2xx.
pub(super) fn understand(answer: &Answer) -> Result<Said, SendError> {
    if answer.media_type == "application/json" {
        let parsed: ApiAnswer = serde_json::from_slice(&answer.body).map_err(|_| {
            SendError::temporary(
                Reason::BadResponse,
                format!("answer is no JSON: {}", quote(&answer.body)),
            )
        })?;
        if parsed.ok {
            let known = !parsed.channel.is_empty() && !parsed.ts.is_empty();
            return Ok(Said::Accepted(known.then_some(SentMessage {
                channel: parsed.channel,
                message: parsed.ts,
            })));
        }
        let error = api_error(&parsed.error);
        return match parsed.error.as_str() {
            "message_not_found"
            | "cant_update_message"
            | "edit_window_closed"
            | "cannot_reply_to_message"
            | "thread_not_found"
            | "channel_not_found"
            | "is_archived"
            | "is_inactive"
            | "not_in_channel" => Ok(Said::Gone(error)),
            "duplicate_message_not_found" | "duplicate_channel_not_found" => {
                Ok(Said::LostDuplicate(error))
            }
            _ => Err(error),
        };
    }
    // An incoming webhook says `ok`; some that imitate it say nothing.
    match answer.body.trim_ascii() {
        b"ok" | b"" => Ok(Said::Accepted(None)),
        body => Err(SendError::permanent(
            Reason::ClientError,
            format!("Slack says: {}", quote(body)),
        )),
    }
}

/// The errors of <https://docs.slack.dev/reference/methods/chat.postMessage#errors>, by what helps.
pub(super) fn api_error(error: &str) -> SendError {
    let detail = format!("Slack says: {}", quote(error.as_bytes()));
    match error {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => {
            SendError::temporary(Reason::RateLimited, detail)
        }
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "accesslimited" => SendError::temporary(Reason::ServerError, detail),
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "missing_scope"
        | "not_allowed_token_type"
        | "no_permission" => SendError::permanent(Reason::Auth, detail),
        _ => SendError::permanent(Reason::ClientError, detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_behind_status_200_are_understood() {
        let check =
            |media_type: &str, body: &'static str, want: Result<Option<&str>, (Reason, bool)>| {
                let answer = Answer {
                    status: http::StatusCode::OK,
                    media_type: media_type.to_owned(),
                    body: body.into(),
                };
                let got = match understand(&answer) {
                    Ok(Said::Accepted(sent)) => Ok(sent.map(|sent| sent.message)),
                    Ok(Said::Gone(error) | Said::LostDuplicate(error)) | Err(error) => {
                        Err((error.reason, error.retryable))
                    }
                };
                let want = want.map(|ts| ts.map(str::to_owned));
                assert_eq!(got, want, "{body}");
            };
        check("text/html", "ok", Ok(None));
        check("text/plain", "ok\n", Ok(None));
        check(
            "text/plain",
            "invalid_payload",
            Err((Reason::ClientError, false)),
        );
        check("application/json", r#"{"ok":true}"#, Ok(None));
        check(
            "application/json",
            r#"{"ok":true,"channel":"C1","ts":"1.2","message":{}}"#,
            Ok(Some("1.2")),
        );
        check(
            "application/json",
            r#"{"ok":false,"error":"message_not_found"}"#,
            Err((Reason::ClientError, false)),
        );
        check(
            "application/json",
            r#"{"ok":false,"error":"ratelimited"}"#,
            Err((Reason::RateLimited, true)),
        );
        check(
            "application/json",
            r#"{"ok":false,"error":"invalid_auth"}"#,
            Err((Reason::Auth, false)),
        );
        check(
            "application/json",
            r#"{"ok":false,"error":"channel_not_found"}"#,
            Err((Reason::ClientError, false)),
        );
        check(
            "application/json",
            r#"{"ok":false,"error":"internal_error"}"#,
            Err((Reason::ServerError, true)),
        );
        check(
            "application/json",
            "<html>",
            Err((Reason::BadResponse, true)),
        );
    }
}
