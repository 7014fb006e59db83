//! `outrigger test rules`: unit tests of rules, in promtool's format and with its exit codes. `outrigger test routes`:
//! unit tests of routing.

mod routes;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use regex::Regex;

use crate::clock::Stopwatch;
use crate::config::files;
use crate::document::diagnostics::{Diagnostic, Diagnostics};
use crate::rules::file::{self as rule_file, GroupSpec};
use crate::rules::unit_test::file::{self as test_file, TestFile};
use crate::rules::unit_test::run::{self, Failure};

use super::exit;
use super::junit::{self, Case, Suite};
use super::terminal::{Paint, complain, print};

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Unit tests of rules, in promtool's format. Exits with 1 where a test fails or a file is wrong.
    Rules(RuleTestArgs),
    /// Unit tests of routing: alerts over time, and who is told what. Exits with 1 where a test fails or a file is wrong.
    Routes(routes::RouteTestArgs),
}

#[derive(Debug, Args)]
struct RuleTestArgs {
    /// Run only the tests whose name matches; may be repeated.
    #[arg(long, value_name = "REGEX")]
    run: Vec<Regex>,
    /// Print all samples of each test and the time it took.
    #[arg(long)]
    debug: bool,
    /// Print only the lines that are missing (-) or too much (+).
    #[arg(long)]
    diff: bool,
    /// Take no offence at unknown keys in rule files.
    #[arg(long)]
    ignore_unknown_fields: bool,
    /// Write the results as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Test files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs the tests; returns the exit code.
pub(super) fn test(args: &TestArgs, no_color: bool) -> u8 {
    match &args.what {
        What::Rules(args) => test_files(&args.files, args.junit.as_deref(), no_color, |path| {
            test_one(args, path, no_color)
        }),
        What::Routes(args) => test_files(&args.files, args.junit.as_deref(), no_color, |path| {
            routes::test_one(args, path, no_color)
        }),
    }
}

/// Runs the tests of each file and says how they went; returns the exit code.
fn test_files(
    files: &[PathBuf],
    junit: Option<&Path>,
    no_color: bool,
    test_one: impl Fn(&Path) -> Suite,
) -> u8 {
    let mut suites = Vec::new();
    for path in files {
        print(&format!("Unit Testing:  {}\n", path.display()));
        let suite = test_one(path);
        if suite.is_good() {
            print(&format!(
                "  {}\n\n",
                Paint::stdout(no_color).good("SUCCESS")
            ));
        } else {
            print("\n");
        }
        suites.push(suite);
    }
    let mut code = if suites.iter().all(Suite::is_good) {
        exit::OK
    } else {
        exit::FAILED
    };
    if let Some(path) = junit
        && let Err(error) = std::fs::write(path, junit::to_xml(&suites))
    {
        complain(&format!("write {}: {error}\n", path.display()));
        code = exit::FAILED;
    }
    code
}

fn test_one(args: &RuleTestArgs, path: &Path, no_color: bool) -> Suite {
    let mut suite = Suite {
        name: path.display().to_string(),
        ..Suite::default()
    };
    let (file, groups) = match load(path, args.ignore_unknown_fields) {
        Ok(loaded) => loaded,
        Err(mistakes) => return refused(suite, &mistakes, no_color),
    };
    for (i, test) in file.tests.iter().enumerate() {
        let Some(name) = chosen(&args.run, i, &test.name) else {
            continue;
        };
        let stopwatch = Stopwatch::start();
        let outcome = run::run(&file, test, &groups);
        let elapsed = stopwatch.elapsed();
        let failures: Vec<String> = outcome
            .failures
            .iter()
            .map(|failure| told(&file, &name, failure, args.diff))
            .collect();
        if !failures.is_empty() {
            complain_of(&failures, no_color);
        }
        if args.debug {
            complain(&format!("DEBUG: test {name:?} took {elapsed:?}\n"));
            complain(&outcome.samples());
        }
        suite.cases.push(Case {
            name,
            elapsed,
            failures,
        });
    }
    suite
}

/// The test file and the groups of its rule files, or every mistake in them.
fn load(path: &Path, lenient: bool) -> Result<(TestFile, Vec<GroupSpec>), Vec<Diagnostic>> {
    let name = path.display().to_string();
    let diagnostics = Diagnostics::default();
    let file = files::read(path, &diagnostics)
        .and_then(|text| test_file::read(&name, &text, &diagnostics));
    let of_rules = if lenient {
        Diagnostics::ignoring_unknown_keys()
    } else {
        Diagnostics::default()
    };
    let mut groups = Vec::new();
    let mut seen = HashSet::new();
    for (pattern, position) in file.iter().flat_map(|file| &file.rule_files) {
        let base = path.parent().unwrap_or(Path::new(""));
        match files::expand(&base.join(pattern)) {
            Ok(found) => {
                if found.is_empty() {
                    complain(&format!("  WARNING: no file matches {pattern}\n"));
                }
                for path in found {
                    if seen.insert(path.clone())
                        && let Some(text) = files::read(&path, &of_rules)
                    {
                        let name = path.display().to_string();
                        let interval = file.as_ref().map(|file| file.evaluation_interval);
                        let interval = interval.unwrap_or_default();
                        groups.extend(rule_file::read(&name, &text, interval, &of_rules));
                    }
                }
            }
            Err(error) => diagnostics.push(
                Diagnostic::new(&name, *position, "rule_files", error)
                    .remedy("write a path; * stands for any file name"),
            ),
        }
    }
    let mut found = diagnostics.into_sorted();
    found.extend(of_rules.into_sorted());
    match file {
        Some(file) if found.is_empty() => Ok((file, groups)),
        _ => Err(found),
    }
}

/// A failure with the place of its expectation, for a person.
fn told(file: &TestFile, test: &str, failure: &Failure, diff: bool) -> String {
    let text = if diff {
        failure.diff()
    } else {
        failure.to_string()
    };
    let place = match failure.position {
        position if position.line > 0 => {
            format!("{}:{}:{}", file.name, position.line, position.column)
        }
        _ => file.name.to_string(),
    };
    format!("{place}: {test}: {text}")
}

/// The result of a file that cannot be read, its mistakes told.
fn refused(mut suite: Suite, mistakes: &[Diagnostic], no_color: bool) -> Suite {
    let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    complain_of(&mistakes, no_color);
    suite.error = Some(mistakes.join("\n"));
    suite
}

/// What to call the test at a place of its file; `None` where `--run` leaves it out.
fn chosen(run: &[Regex], place: usize, name: &str) -> Option<String> {
    if !run.is_empty() && !run.iter().any(|run| run.is_match(name)) {
        return None;
    }
    Some(match name {
        "" => format!("unnamed#{place}"),
        name => name.to_owned(),
    })
}

fn complain_of(faults: &[String], no_color: bool) {
    let mut text = format!("  {}:\n", Paint::stderr(no_color).bad("FAILED"));
    for fault in faults {
        text.push_str(&format!("{fault}\n\n"));
    }
    complain(&text);
}
