//! `outrigger ack`: take charge of alerts that fire on a running Outrigger.

use clap::Args;
use serde_json::{Value, json};

use super::ask::{self, Server};
use super::exit;
use super::terminal::{complain, print};

#[derive(Debug, Args)]
pub(super) struct AckArgs {
    /// Matchers of the alerts, such as alertname="X" (a first word without = is the name), or fingerprints of 16 hexadecimal
    /// digits.
    #[arg(required = true, value_name = "MATCHER | FINGERPRINT")]
    alerts: Vec<String>,
    /// Who takes charge.
    #[arg(long, value_name = "NAME")]
    owner: String,
    /// What others should know.
    #[arg(long, default_value = "")]
    note: String,
    /// How long it holds at most, such as 4h, or never to end it; a day unless the settings say otherwise.
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
    /// Where Outrigger listens.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9797")]
    url: String,
}

/// Makes the ack and prints what it covers.
pub(super) fn ack(args: &AckArgs) -> u8 {
    let answer = Server::new(&args.url).and_then(|server| {
        ask::wait(async { server.post_json("/api/v1/acks", &body(args)).await })
    });
    match answer {
        Ok(answer) if answer["status"] == "success" => {
            let ack = &answer["data"];
            let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
            print(&format!("ack {}\n", text(&ack["id"])));
            for alert in ack["alerts"].as_array().into_iter().flatten() {
                let name = text(&alert["labels"]["alertname"]);
                print(&format!("  {} {name}\n", text(&alert["fingerprint"])));
            }
            exit::OK
        }
        Ok(answer) => {
            let reason = answer["error"].as_str().unwrap_or("it was refused");
            complain(&format!("error: {reason}\n"));
            exit::FAILED
        }
        Err(error) => {
            complain(&format!("error: {error:#}\n"));
            exit::FAILED
        }
    }
}

fn body(args: &AckArgs) -> Value {
    let is_fingerprint =
        |word: &String| word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut body = json!({"owner": args.owner, "note": args.note});
    if args.alerts.iter().all(is_fingerprint) {
        body["alerts"] = json!(args.alerts);
    } else {
        let matcher = |(i, word): (usize, &String)| match word.contains(['=', '~']) {
            false if i == 0 => format!("alertname={word:?}"),
            _ => word.clone(),
        };
        let matchers: Vec<String> = args.alerts.iter().enumerate().map(matcher).collect();
        body["matchers"] = json!(matchers);
    }
    if let Some(expires) = &args.expires {
        body["expiresIn"] = json!(expires);
    }
    body
}
