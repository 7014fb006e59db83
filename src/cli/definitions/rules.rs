//! `outrigger definitions rules`: the rule file made of definitions.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::{CHECKS, open};
use crate::cli::ask::wait;
use crate::cli::check::complain_of;
use crate::cli::terminal::{Paint, complain, print};
use crate::cli::{SourceArgs, exit};
use crate::config::settings::Settings;
use crate::definitions::store::Store;
use crate::document::diagnostics::Diagnostics;
use crate::meaning::generate::{Scope, generate};
use crate::rules::file;

/// The file's name where a directory is given.
const FILE: &str = "definitions.yml";

#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    /// Where to: a file, or a directory for a `definitions.yml`; printed where absent.
    #[arg(long, value_name = "FILE|DIR")]
    pub(super) out: Option<PathBuf>,
    /// Write nothing: exits with 2 where the file is not what would be written, or its rules do not load.
    #[arg(long)]
    pub(super) check: bool,
    #[command(flatten)]
    pub(super) sources: SourceArgs,
}

pub(super) fn rules(
    settings: &Settings,
    out: Option<&Path>,
    check: bool,
    no_color: bool,
) -> anyhow::Result<u8> {
    let resources = wait(async {
        let database = open(settings).await?;
        let resources = Store::new(database.clone(), CHECKS).all().await;
        database.close().await;
        Ok(resources?)
    })?;
    let generated = generate(&resources, Scope::Alerts);
    let text = generated.to_yaml()?;
    let paint = Paint::stderr(no_color);
    for left_out in &generated.left_out {
        let (what, why) = (&left_out.what, &left_out.why);
        complain(&format!("{} {what}: {why}\n", paint.warn("left out:")));
    }
    let path = out.map(|out| match out.is_dir() {
        true => out.join(FILE),
        false => out.to_owned(),
    });
    let name = path
        .as_ref()
        .map_or(FILE.to_owned(), |path| path.display().to_string());
    let diagnostics = Diagnostics::default();
    let groups = file::read(&name, &text, Duration::from_secs(60), &diagnostics);
    let mistakes = diagnostics.into_sorted();
    complain_of(&mistakes, paint);
    if !mistakes.is_empty() {
        return Ok(exit::MISTAKES);
    }
    let count: usize = groups.iter().map(|group| group.rules.len()).sum();
    let said = format!("{count} rules in {} groups", groups.len());
    match path {
        None if check => print(&format!("{said}\n")),
        None => print(&text),
        Some(path) if check => {
            if !fs::read_to_string(&path).is_ok_and(|written| written == text) {
                complain(&format!(
                    "{} {name} is not what the definitions give; run the same without --check\n",
                    paint.bad("error:")
                ));
                return Ok(exit::MISTAKES);
            }
            print(&format!("{said}; {name} is up to date\n"));
        }
        Some(path) => {
            write(&path, &text).with_context(|| format!("write {name}"))?;
            print(&format!("{said} written to {name}\n"));
        }
    }
    Ok(exit::OK)
}

/// Who reads the file meanwhile sees the old one or the new one.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, text)?;
    fs::rename(&beside, path)
}
