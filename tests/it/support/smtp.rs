//! A real SMTP server (Python's aiosmtpd) that writes down each mail.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::peers::{absent, peer};
use super::process::Process;
use super::wait::{PATIENCE, wait_for};

/// The server: prints its port, then each mail as a line of JSON.
const PROGRAM: &str = r#"
import asyncio, base64, email, email.policy, json, sys
from aiosmtpd.smtp import SMTP

def say(value):
    print(json.dumps(value), flush=True)

class Keep:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: (lambda body: body.get_content() if body else None)(mail.get_body((kind,)))
        images = [{"id": image["content-id"], "type": image.get_content_type(), "disposition": image.get_content_disposition(),
                   "data": base64.b64encode(image.get_content()).decode()}
                  for image in mail.walk() if image.get_content_maintype() == "image"]
        say({"images": images, "from": envelope.mail_from, "to": envelope.rcpt_tos, "subject": str(mail["subject"]),
             "text": part("plain"), "html": part("html")})
        return "250 OK"

async def main():
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Keep(), hostname="localhost"), "127.0.0.1", 0)
    say({"port": server.sockets[0].getsockname()[1]})
    await server.serve_forever()

asyncio.run(main())
"#;

/// A running server.
#[derive(Debug)]
pub(crate) struct SmtpSink {
    process: Process,
    port: u64,
}

impl SmtpSink {
    /// Starts it; `None` where Python or aiosmtpd is missing.
    pub(crate) fn start(test: &str, directory: &Path) -> Option<Self> {
        let python = peer(test, "python3")?;
        let found = Command::new(&python)
            .args(["-c", "import aiosmtpd"])
            .output()
            .is_ok_and(|o| o.status.success());
        if !found {
            absent(test, "python3 has no aiosmtpd");
            return None;
        }
        let process = Process::start(
            "smtp",
            directory,
            Command::new(python).args(["-c", PROGRAM]),
        );
        let port = wait_for("the SMTP server's port", PATIENCE, || {
            lines(&process)
                .first()
                .and_then(|line| line["port"].as_u64())
        });
        Some(Self { process, port })
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The mails so far: `from`, `to`, `subject`, `text`, `html`, `images` (`id`, `type`, `disposition`, `data` in base 64).
    pub(crate) fn mails(&self) -> Vec<Value> {
        lines(&self.process).split_off(1)
    }
}

/// Complete lines only: the last one may still be being written.
fn lines(process: &Process) -> Vec<Value> {
    let text = process.stdout();
    let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
    complete
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}
