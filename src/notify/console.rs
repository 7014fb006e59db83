//! The console: a block that a person can read on a terminal, one line of JSON elsewhere.
//!
//! It is the receiver of the zero-configuration run. It writes where it is told to; it knows no terminal itself.

use std::io::Write;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::json;

use super::builtin;
use super::integration::{Delivered, Integration, Kind, PictureUse, Reason, SendError};
use super::message;
use super::webhook;
use crate::model::notification::Notification;
use crate::model::timestamp::Timestamp;

/// Where the console's messages go.
pub type Output = Arc<Mutex<dyn Write + Send>>;

/// How a message is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// A block of lines with ANSI colours.
    Colored,
    /// The same block without colours.
    Plain,
    /// One JSON object a line: the webhook's payload with `time`, `receiver` and `message`.
    Json,
}

/// A configured console.
pub struct Console {
    /// Where to write.
    pub output: Output,
    /// How to write.
    pub style: Style,
    /// Where people reach this process.
    pub external_url: String,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console")
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}

impl Integration for Console {
    fn kind(&self) -> Kind {
        Kind::Console
    }

    fn pictures(&self) -> PictureUse {
        PictureUse::None
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Delivered, SendError>> {
        Box::pin(async move {
            let text = match self.style {
                Style::Colored => block(notification, now, true),
                Style::Plain => block(notification, now, false),
                Style::Json => line(notification, &self.external_url)?,
            };
            let output = Arc::clone(&self.output);
            // A pipe that nobody reads must not hold up the runtime.
            tokio::task::spawn_blocking(move || {
                let mut output = output.lock();
                output.write_all(text.as_bytes())?;
                output.flush()
            })
            .await
            .map_err(|_| SendError::temporary(Reason::Connection, "write message: panicked"))?
            .map_err(|error| {
                SendError::temporary(Reason::Connection, format!("write message: {error}"))
            })?;
            Ok(Delivered {
                status: "written".to_owned(),
                template_failures: Vec::new(),
                ..Delivered::default()
            })
        })
    }
}

fn block(notification: &Notification, now: Timestamp, colored: bool) -> String {
    let (start, end) = if colored {
        (ansi(notification), "\x1b[0m")
    } else {
        ("", "")
    };
    let mut out = format!(
        "\n{start}{}{end}  -> {}\n",
        printable(&builtin::subject(notification)),
        printable(&notification.receiver)
    );
    if let Some(undelivered) = &notification.undelivered {
        out.push_str(&printable(&format!("  {undelivered}\n")));
    }
    if let Some(digest) = &notification.digest {
        for count in &digest.counts {
            out.push_str(&format!(
                "  {}: {} firing, {} resolved\n",
                printable(&count.name),
                count.firing,
                count.resolved
            ));
        }
    }
    out.push_str(&printable(&builtin::text(notification, now)));
    out
}

/// Control characters of a label's value must not reach a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

fn ansi(notification: &Notification) -> &'static str {
    if !notification.is_firing() {
        return "\x1b[1;32m";
    }
    match crate::model::notification::severity_rank(message::severity(notification)) {
        0..=2 => "\x1b[1;31m",
        3 => "\x1b[1;33m",
        _ => "\x1b[1;34m",
    }
}

fn line(notification: &Notification, external_url: &str) -> Result<String, SendError> {
    let unreadable =
        |error: serde_json::Error| SendError::permanent(Reason::Configuration, error.to_string());
    let payload = webhook::payload(notification, external_url, 0)?;
    let payload: serde_json::Value = serde_json::from_slice(&payload).map_err(unreadable)?;
    let line = json!({
        "time": notification.created_at.to_rfc3339(),
        "message": builtin::subject(notification),
        "notification": payload,
    });
    let mut text = serde_json::to_string(&line).map_err(unreadable)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn written(style: Style, index: usize) -> String {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let output = Arc::new(Mutex::new(Vec::new()));
        let console = Console {
            output: Arc::clone(&output) as Output,
            style,
            external_url: "http://out:9797".to_owned(),
        };
        console
            .send(&message::synthetic(now)[index], now)
            .await
            .unwrap();
        let bytes = output.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[tokio::test]
    async fn a_terminal_gets_a_coloured_block() {
        let text = written(Style::Colored, 1).await;
        assert!(
            text.starts_with(
                "\n\x1b[1;31m[FIRING:1] HighErrorRate (critical)\x1b[0m  -> example\n"
            )
        );
        assert!(text.contains("  runbook: http://localhost:9797/runbooks/example\n"));
        assert!(!written(Style::Plain, 1).await.contains('\x1b'));
        assert!(
            written(Style::Plain, 4)
                .await
                .contains("HighErrorRate: 1 firing, 0 resolved")
        );
    }

    #[tokio::test]
    async fn a_pipe_gets_one_line_of_json() {
        let text = written(Style::Json, 3).await;
        assert_eq!(text.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["message"], "[FIRING:2] HighErrorRate (critical)");
        assert_eq!(value["notification"]["alerts"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\x1b[31mb\nc"), "a\u{fffd}[31mb\nc");
    }
}
