//! `outrigger test routes`: unit tests of routing, with simulated time.

use std::path::{Path, PathBuf};

use clap::Args;
use regex::Regex;

use super::super::junit::{Case, Suite};
use super::complain_of;
use crate::alerts::route_test::run;
use crate::clock::{Clock, Stopwatch};
use crate::config::route_tests;

#[derive(Debug, Args)]
pub(super) struct RouteTestArgs {
    /// Run only the tests whose name matches; may be repeated.
    #[arg(long, value_name = "REGEX")]
    run: Vec<Regex>,
    /// Write the results as JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Test files, see docs/routing-tests.md.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

pub(super) fn test_one(args: &RouteTestArgs, path: &Path, no_color: bool) -> Suite {
    let mut suite = Suite {
        name: path.display().to_string(),
        ..Suite::default()
    };
    // The time is that of trial messages alone.
    let file = match route_tests::load(path, Clock::system().now()) {
        Ok(file) => file,
        Err(mistakes) => {
            let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            complain_of(&mistakes, no_color);
            suite.error = Some(mistakes.join("\n"));
            return suite;
        }
    };
    for (i, test) in file.tests.iter().enumerate() {
        if !args.run.is_empty() && !args.run.iter().any(|run| run.is_match(&test.name)) {
            continue;
        }
        let name = if test.name.is_empty() {
            format!("unnamed#{i}")
        } else {
            test.name.clone()
        };
        let stopwatch = Stopwatch::start();
        let failures: Vec<String> = run::run(&file.routing, test)
            .iter()
            .map(|failure| {
                let (line, column) = (failure.position.line, failure.position.column);
                format!("{}:{line}:{column}: {name}: {}", file.name, failure.text)
            })
            .collect();
        if !failures.is_empty() {
            complain_of(&failures, no_color);
        }
        suite.cases.push(Case {
            name,
            elapsed: stopwatch.elapsed(),
            failures,
        });
    }
    suite
}
