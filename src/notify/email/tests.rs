//! Against a real SMTP server (Python's aiosmtpd); a test says by name that it did not run where that is missing.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::*;
use crate::notify::config::Console;
use crate::notify::config::tests::load;
use crate::notify::integration::Reason;
use crate::notify::message::synthetic;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

struct Server {
    process: Child,
    output: BufReader<ChildStdout>,
    _input: ChildStdin,
    port: u16,
    directory: tempfile::TempDir,
}

impl Server {
    /// Starts it, or says that `test` did not run.
    fn start(test: &str, mode: &str, user: &str, password: &str, excluded: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let certificate = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let file = |name: &str, text: String| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let cert = file("cert.pem", certificate.cert.pem());
        let key = file("key.pem", certificate.signing_key.serialize_pem());
        let mut process = Command::new("python3")
            .args(["-c", include_str!("smtp_server.py"), mode])
            .args([&cert, &key, user, password, excluded])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let Ok(port) = line.trim().parse() else {
            let mut errors = String::new();
            process
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut errors)
                .unwrap();
            process.wait().unwrap();
            assert!(errors.contains("ModuleNotFoundError"), "{errors}");
            missing(test);
            return None;
        };
        Some(Self {
            _input: process.stdin.take().unwrap(),
            process,
            output,
            port,
            directory,
        })
    }

    /// The receivers' file with more lines for the e-mail integration.
    fn integration(&self, lines: &str) -> Arc<dyn Integration> {
        let text = format!(
            "receivers:\n- name: a\n  email_configs:\n  - smarthost: 127.0.0.1:{}\n    from: Outrigger <alerts@example.org>\n    hello: out.example.org\n{lines}",
            self.port
        );
        let text = text.replace(
            "@CA@",
            self.directory.path().join("cert.pem").to_str().unwrap(),
        );
        let (loaded, found) = load(&text, &[], Console::Off);
        assert_eq!(found, [""; 0], "{text}");
        Arc::clone(&loaded.receivers[0].integrations[0].integration)
    }

    fn received(&mut self) -> serde_json::Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.kill().is_ok() {
            drop(self.process.wait());
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "set by the script that runs all checks"
)]
fn missing(test: &str) {
    assert!(
        std::env::var_os("OUTRIGGER_REQUIRE_PEERS").is_none(),
        "{test}: python3 with aiosmtpd is missing"
    );
    eprintln!("{test} did not run: python3 with aiosmtpd is missing");
}

async fn send(integration: &Arc<dyn Integration>) -> Result<Delivered, SendError> {
    integration.send(&synthetic(NOW)[1], NOW).await
}

#[tokio::test]
async fn mail_goes_over_starttls_with_credentials_and_two_parts() {
    let test = "mail_goes_over_starttls_with_credentials_and_two_parts";
    let Some(mut server) = Server::start(test, "starttls", "user", "pass word", "") else {
        return;
    };
    let integration = server.integration(
        "    to: ops@example.org, Bea Ops <bea@example.org>\n    auth_username: user\n    auth_password: pass word\n    tls_config: {ca_file: '@CA@'}\n    headers: {x-team: 'é {{ .Status }}'}\n",
    );
    let delivered = send(&integration).await.unwrap();
    assert_eq!(
        (delivered.status.as_str(), delivered.template_failures.len()),
        ("250", 0)
    );
    let mail = server.received();
    assert_eq!(mail["from"], "alerts@example.org");
    assert_eq!(
        mail["to"],
        serde_json::json!(["ops@example.org", "bea@example.org"])
    );
    assert_eq!(
        (&mail["tls"], &mail["authenticated"]),
        (&true.into(), &true.into())
    );
    assert_eq!(mail["hello"], "out.example.org");
    let data = mail["data"].as_str().unwrap();
    let (head, body) = data.split_once("\r\n\r\n").unwrap();
    let head = head.replace("\r\n ", " ");
    for line in [
        "From: Outrigger <alerts@example.org>",
        "To: ops@example.org, Bea Ops <bea@example.org>",
        "Subject: [FIRING:1] HighErrorRate (critical): an example made up to try templates",
        "X-Team: =?utf-8?b?w6k=?= firing",
        "Message-ID: <00000000000000000000000000000000@example.org>",
        "Auto-Submitted: auto-generated",
        "Date: Tue, 14 Nov 2023 22:13:20 +0000",
    ] {
        assert!(
            head.lines().any(|candidate| candidate == line),
            "{line} is not in\n{head}"
        );
    }
    assert!(
        head.contains("\r\nReferences: <thread-") && head.contains("\r\nIn-Reply-To: <thread-")
    );
    let body = body.replace("=\r\n", "");
    let text = body.find("Content-Type: text/plain").unwrap();
    let html = body.find("Content-Type: text/html").unwrap();
    assert!(text < html);
    assert!(body.contains("Runbook:   http://localhost:9797/runbooks/example"));
    assert!(
        body.contains("<a href=3D\"http://localhost:9797/runbooks/example\""),
        "{body}"
    );
}

#[tokio::test]
async fn mail_goes_over_implicit_tls_and_login() {
    let Some(mut server) = Server::start(
        "mail_goes_over_implicit_tls_and_login",
        "smtps",
        "u",
        "p",
        "PLAIN",
    ) else {
        return;
    };
    let integration = server.integration(
        "    to: a@example.org\n    force_implicit_tls: true\n    auth_username: u\n    auth_password: p\n    tls_config: {insecure_skip_verify: true}\n    html: ''\n    threading: {enabled: false}\n",
    );
    send(&integration).await.unwrap();
    let mail = server.received();
    assert_eq!(
        (&mail["tls"], &mail["authenticated"]),
        (&true.into(), &true.into())
    );
    let data = mail["data"].as_str().unwrap();
    assert!(!data.contains("text/html") && !data.contains("References"));
}

#[tokio::test]
async fn wrong_credentials_and_strange_certificates_are_told_apart() {
    let test = "wrong_credentials_and_strange_certificates_are_told_apart";
    let Some(server) = Server::start(test, "starttls", "u", "p", "") else {
        return;
    };
    let auth = "    to: a@example.org\n    auth_username: u\n";
    let wrong = server.integration(&format!(
        "{auth}    auth_password: HUSH\n    tls_config: {{ca_file: '@CA@'}}\n"
    ));
    let error = send(&wrong).await.unwrap_err();
    assert_eq!(
        (error.reason, error.retryable),
        (Reason::Auth, false),
        "{error}"
    );
    assert!(!error.detail.contains("HUSH"));
    let strange = server.integration(&format!("{auth}    auth_password: p\n"));
    let error = send(&strange).await.unwrap_err();
    assert_eq!(
        (error.reason, error.retryable),
        (Reason::Tls, true),
        "{error}"
    );
}

#[tokio::test]
async fn tls_is_required_unless_told_otherwise() {
    let Some(mut server) =
        Server::start("tls_is_required_unless_told_otherwise", "plain", "", "", "")
    else {
        return;
    };
    let error = send(&server.integration("    to: a@example.org\n"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.reason, error.retryable),
        (Reason::Tls, false),
        "{error}"
    );
    let plain = server.integration("    to: a@example.org\n    require_tls: false\n");
    send(&plain).await.unwrap();
    assert_eq!(server.received()["tls"], false);
}

#[tokio::test]
async fn a_refused_recipient_does_not_keep_the_others_from_their_mail() {
    let test = "a_refused_recipient_does_not_keep_the_others_from_their_mail";
    let Some(mut server) = Server::start(test, "plain", "", "", "") else {
        return;
    };
    let to = |to: &str| server.integration(&format!("    to: {to}\n    require_tls: false\n"));
    let (some, none, later) = (
        to("unknown@example.org, a@example.org"),
        to("unknown@example.org"),
        to("a@example.org, later@example.org"),
    );
    assert_eq!(
        send(&some).await.unwrap().status,
        "250 (1 of 2 recipients refused)"
    );
    assert_eq!(
        server.received()["to"],
        serde_json::json!(["a@example.org"])
    );
    let error = send(&none).await.unwrap_err();
    assert_eq!(
        (error.reason, error.retryable),
        (Reason::ClientError, false)
    );
    assert!(!error.detail.contains("unknown@"), "{error}");
    let error = send(&later).await.unwrap_err();
    assert_eq!((error.reason, error.retryable), (Reason::RateLimited, true));
}

#[tokio::test]
async fn a_template_that_fails_leaves_a_readable_mail() {
    let Some(mut server) = Server::start(
        "a_template_that_fails_leaves_a_readable_mail",
        "plain",
        "",
        "",
        "",
    ) else {
        return;
    };
    let integration = server.integration(
        "    to: a@example.org\n    require_tls: false\n    html: '<body>{{ if eq .GroupKey \"bad\" }}{{ index .Alerts 99 }}{{ end }}</body>'\n",
    );
    let mut notification = synthetic(NOW).remove(1);
    notification.group_key = "bad".into();
    let delivered = integration.send(&notification, NOW).await.unwrap();
    assert_eq!(delivered.template_failures.len(), 1);
    let mail = server.received();
    let data = mail["data"].as_str().unwrap();
    assert!(
        data.contains("Built-in text, because a template failed"),
        "{data}"
    );
    assert!(data.contains("an example made up") && !data.contains("text/html"));
}
