//! `outrigger test routes`: unit tests of routing, with simulated time.

use std::path::{Path, PathBuf};

use clap::Args;
use regex::Regex;

use super::super::junit::{Case, Suite};
use super::{chosen, complain_of, refused};
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
        Err(mistakes) => return refused(suite, &mistakes, no_color),
    };
    for (i, test) in file.tests.iter().enumerate() {
        let Some(name) = chosen(&args.run, i, &test.name) else {
            continue;
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
