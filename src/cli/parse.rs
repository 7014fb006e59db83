//! `outrigger parse`: what a scrape would read.

use std::io::Read;

use clap::Args;

use crate::exposition::format::Format;
use crate::exposition::report;

use super::exit;
use super::terminal::{complain, print};

#[derive(Debug, Args)]
pub(super) struct ParseArgs {
    /// prometheus-text or openmetrics.
    #[arg(long, default_value = "prometheus-text")]
    format: String,
}

pub(super) fn parse(args: &ParseArgs) -> u8 {
    let Some(format) = Format::from_name(&args.format) else {
        complain(&format!(
            "unknown format {:?}; write prometheus-text or openmetrics\n",
            args.format
        ));
        return exit::MISTAKES;
    };
    let mut text = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut text) {
        complain(&format!("read standard input: {error}\n"));
        return exit::FAILED;
    }
    let report = report::to_json(&text, format);
    print(&format!("{report}\n"));
    if report["ok"] == true {
        exit::OK
    } else {
        exit::FAILED
    }
}
