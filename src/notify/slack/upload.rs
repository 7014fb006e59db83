//! The picture of an alert, in the thread of its message.
//!
//! ```text
//! files.getUploadURLExternal   ──▶ upload_url, file_id
//! POST upload_url              the bytes, without our token
//! files.completeUploadExternal ──▶ shown in the thread
//! ```
//!
//! Whatever fails, the message stands: it is never sent again for its picture. The bot needs the scope `files:write`.
//!
//! See <https://docs.slack.dev/messaging/working-with-files#upload>,
//! <https://docs.slack.dev/reference/methods/files.getUploadURLExternal> and
//! <https://docs.slack.dev/reference/methods/files.completeUploadExternal>.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::answer::api_error;
use super::conversation::{Conversation, method_url};
use crate::db::sent_messages::SentMessage;
use crate::model::alert::Alert;
use crate::notify::cut;
use crate::notify::integration::{Reason, SendError, Upload};

const BEGIN: &str = "files.getUploadURLExternal";
const COMPLETE: &str = "files.completeUploadExternal";
/// The longest it may take: the message's place is not free before.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Slack's limit of a description, and what titles need at most.
const MAX_DESCRIPTION: usize = 1000;

/// Uploads the first picture of a notification into a thread; nothing where it has none.
pub(super) async fn share(conversation: &Conversation<'_>, thread: &SentMessage) -> Upload {
    let drawn = conversation.notification.alerts.iter().find_map(|it| {
        let png = it.picture.as_ref()?.png.as_ref()?;
        Some((&*it.alert, Bytes::from_owner(png.clone())))
    });
    let Some((alert, png)) = drawn else {
        return Upload::None;
    };
    let uploading = upload(conversation, thread, alert, png);
    match tokio::time::timeout(TIMEOUT, uploading).await {
        Ok(Ok(())) => Upload::Done,
        Ok(Err(error)) => Upload::Failed(error.to_string()),
        Err(_) => Upload::Failed(format!("not uploaded within {TIMEOUT:?}")),
    }
}

async fn upload(
    conversation: &Conversation<'_>,
    thread: &SentMessage,
    alert: &Alert,
    png: Bytes,
) -> Result<(), SendError> {
    let title = cut::line(format!("Chart of {}", alert.name()), MAX_DESCRIPTION);
    let name = format!("{}.png", alert.fingerprint());
    let length = png.len().to_string();
    let fields = [
        ("filename", &*name),
        ("length", &length),
        ("alt_txt", &title),
    ];
    let begun = call(conversation, BEGIN, &fields).await?;
    let address = trusted(&begun.upload_url, &conversation.url).ok_or_else(|| {
        SendError::permanent(
            Reason::BadResponse,
            "Slack names an upload address that is not below the API's own host",
        )
    })?;
    let sender = &conversation.slack.sender;
    sender.post_bytes(address, png, conversation.now).await?;
    let files = json!([{"id": begun.file_id, "title": title}]).to_string();
    let fields = [
        ("files", &*files),
        ("channel_id", &thread.channel),
        ("thread_ts", &thread.message),
    ];
    call(conversation, COMPLETE, &fields).await.map(drop)
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    upload_url: String,
    #[serde(default)]
    file_id: String,
}

/// A form, since Slack takes JSON for some of its methods only.
async fn call(
    conversation: &Conversation<'_>,
    method: &str,
    fields: &[(&str, &str)],
) -> Result<Said, SendError> {
    let url = method_url(&conversation.url, method);
    let headers = conversation.headers.clone();
    let sender = &conversation.slack.sender;
    let named = |mut error: SendError| {
        error.detail = format!("{method}: {}", error.detail);
        error
    };
    let answer = sender.post_form(&url, fields, headers, conversation.now);
    let answer = answer.await.map_err(named)?;
    let said: Said = serde_json::from_slice(&answer.body).map_err(|_| {
        named(SendError::permanent(
            Reason::BadResponse,
            "no answer of Slack",
        ))
    })?;
    if said.ok {
        return Ok(said);
    }
    let mut error = named(api_error(&said.error));
    let remedy = match said.error.as_str() {
        "missing_scope" => "; give the bot the scope files:write, or turn pictures off",
        _ => "",
    };
    error.detail.push_str(remedy);
    Err(error)
}

/// The address to upload to, where it is the API's own host or one below it, as `files.slack.com` is: no answer leads
/// our requests elsewhere.
fn trusted(address: &str, api: &str) -> Option<reqwest::Url> {
    let address: reqwest::Url = address.parse().ok()?;
    let api: reqwest::Url = api.parse().ok()?;
    let (host, home) = (address.host_str()?, api.host_str()?);
    let below = host == home || host.strip_suffix(home)?.ends_with('.');
    (address.scheme() == api.scheme() && below).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_leads_nowhere_but_below_the_apis_own_host() {
        let api = "https://slack.com/api/chat.postMessage";
        let check = |address: &str, want: bool| {
            assert_eq!(trusted(address, api).is_some(), want, "{address}");
        };
        check("https://files.slack.com/upload/v1/ABC", true);
        check("https://slack.com/upload", true);
        check("http://files.slack.com/upload/v1/ABC", false);
        check("https://files.notslack.com/upload", false);
        check("https://slack.com.example.org/upload", false);
        check("https://169.254.169.254/latest", false);
        check("", false);
    }
}
