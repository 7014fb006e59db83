//! Runbooks: Markdown files, looked up by slug, rendered once to sanitised HTML.
//!
//! A set is loaded whole and never changes; a reload makes a new one and swaps it in. Loading does not fail: a file that
//! cannot be read becomes a [`Fault`], a mistake inside one becomes a note on its page, and the rest works. A slug is
//! looked up in a map and never becomes a path. Of a runbook's code only `promql` blocks are ever run, and those by who
//! shows the page (`blocks`); commands stay text.
//!
//! Loading reads files and renders; callers on the runtime do it in a blocking task.

pub mod blocks;
pub mod front_matter;
pub mod lint;
pub mod markdown;
mod nearest;
pub mod placeholders;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use self::front_matter::{FrontMatter, split};
use self::markdown::{Heading, Piece, Step, render};

/// The largest file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// The most files one folder may hold.
pub const MAX_FILES: usize = 1000;
/// The most names offered in place of a missing one.
pub const MAX_NEAREST: usize = 5;

/// A set of runbooks, in the order of their slugs.
#[derive(Clone, Debug, Default)]
pub struct Runbooks {
    by_slug: BTreeMap<String, Runbook>,
    faults: Vec<Fault>,
}

/// One page.
#[derive(Clone, Debug)]
pub struct Runbook {
    /// The file's name without `.md`; letters, digits, `.`, `_` and `-` only.
    pub slug: String,
    /// The first heading of level one, else the alert's name, else the slug.
    pub title: String,
    /// What the head of the file says.
    pub front_matter: FrontMatter,
    /// The text of the first paragraph, shortened.
    pub summary: String,
    /// What is wrong with the file, to be shown on its page.
    pub problems: Vec<String>,
    /// The headings below the title, in order; their `id`s are anchors in `html`.
    pub headings: Vec<Heading>,
    /// The text of each `promql` block, in order.
    pub queries: Vec<String>,
    /// Whom to turn to, and when; from the table below the heading "Escalation".
    pub escalation: Vec<Step>,
    /// The page below its title.
    pub pieces: Vec<Piece>,
}

/// A file that is not served, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The file's name, or the folder where the folder is at fault.
    pub file: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// What to say where a slug leads nowhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missing {
    /// Why, where there is a file of that name that cannot be served.
    pub reason: Option<String>,
    /// Slugs that look like it, the likeliest first.
    pub nearest: Vec<String>,
}

impl Runbooks {
    /// The runbooks that ship inside the binary.
    pub fn embedded() -> Self {
        let mut runbooks = Self::default();
        for (name, text) in crate::embedded::runbooks() {
            runbooks.add(name, text.as_bytes());
        }
        runbooks
    }

    /// The `*.md` files of a folder, links followed; folders in it are not entered.
    pub fn load(folder: &Path) -> Self {
        let mut runbooks = Self::default();
        if let Err(error) = runbooks.read_folder(folder) {
            runbooks.fault(
                &folder.display().to_string(),
                format!("read the folder of runbooks: {error}"),
            );
        }
        runbooks
    }

    /// These runbooks, and those of `fallback` whose slugs are not among them.
    #[must_use]
    pub fn over(mut self, fallback: Self) -> Self {
        for (slug, runbook) in fallback.by_slug {
            self.by_slug.entry(slug).or_insert(runbook);
        }
        self.faults.extend(fallback.faults);
        self
    }

    /// The runbook with this slug.
    pub fn get(&self, slug: &str) -> Option<&Runbook> {
        self.by_slug.get(slug)
    }

    /// The runbook whose front matter names this alert.
    pub fn for_alert(&self, alert: &str) -> Option<&Runbook> {
        self.list()
            .find(|runbook| runbook.front_matter.alert.as_deref() == Some(alert))
    }

    /// Where the runbook of an alert is: at the address that settings give for all of them, else the page here, where there
    /// is one. `here` is this process's external URL.
    pub fn address(&self, alert: &str, here: &str, elsewhere: Option<&str>) -> Option<String> {
        let page = self.for_alert(alert);
        match elsewhere {
            Some(base) => {
                let slug = page.map_or_else(|| slug_of(alert), |page| page.slug.clone());
                Some(format!("{}/{slug}", base.trim_end_matches('/')))
            }
            None => page.map(|page| format!("{here}/runbooks/{}", page.slug)),
        }
    }

    /// All runbooks in the order of their slugs.
    pub fn list(&self) -> impl Iterator<Item = &Runbook> {
        self.by_slug.values()
    }

    /// Files that are not served.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// What to say where [`get`](Self::get) found nothing.
    pub fn missing(&self, slug: &str) -> Missing {
        let file = format!("{slug}.md");
        Missing {
            reason: self
                .faults
                .iter()
                .find(|fault| fault.file == file)
                .map(|fault| fault.message.clone()),
            nearest: nearest::nearest(slug, self.by_slug.keys(), MAX_NEAREST),
        }
    }

    fn read_folder(&mut self, folder: &Path) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            // A name that is not UTF-8 is told as it can be shown; it could not stand in a link.
            let shown = name.to_string_lossy().into_owned();
            if shown.ends_with(".md") && !shown.starts_with('.') {
                names.push((shown, name));
            }
        }
        names.sort();
        if names.len() > MAX_FILES {
            self.fault(
                &folder.display().to_string(),
                format!(
                    "{} runbooks, of which the first {MAX_FILES} are served; remove some",
                    names.len()
                ),
            );
            names.truncate(MAX_FILES);
        }
        for (shown, name) in names {
            match read_capped(&folder.join(name)) {
                Ok(Some(bytes)) => self.add(&shown, &bytes),
                Ok(None) => {}
                Err(error) => self.fault(&shown, format!("read the file: {error}")),
            }
        }
        Ok(())
    }

    /// Adds one file; what is wrong with it is kept.
    fn add(&mut self, file: &str, bytes: &[u8]) {
        let slug = file.strip_suffix(".md").unwrap_or(file);
        if !is_slug(slug) {
            return self.fault(
                file,
                "the name may hold ASCII letters, digits, '.', '_' and '-' only; rename the file"
                    .to_owned(),
            );
        }
        if bytes.len() > MAX_FILE_BYTES {
            return self.fault(
                file,
                format!("larger than {} KiB; shorten it", MAX_FILE_BYTES >> 10),
            );
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                self.by_slug
                    .insert(slug.to_owned(), Runbook::new(slug, text));
            }
            Err(error) => self.fault(
                file,
                format!(
                    "not UTF-8 from byte {} on; save it as UTF-8",
                    error.valid_up_to()
                ),
            ),
        }
    }

    fn fault(&mut self, file: &str, message: String) {
        self.faults.push(Fault {
            file: file.to_owned(),
            message,
        });
    }
}

impl Runbook {
    fn new(slug: &str, text: &str) -> Self {
        let mut problems = Vec::new();
        let (front_matter, body) = split(text, &mut problems);
        let page = render(body);
        problems.extend(page.problems);
        let title = page
            .title
            .or_else(|| front_matter.alert.clone())
            .unwrap_or_else(|| slug.to_owned());
        Self {
            slug: slug.to_owned(),
            title,
            front_matter,
            summary: page.summary,
            problems,
            headings: page.headings,
            queries: page.queries,
            escalation: page.escalation,
            pieces: page.pieces,
        }
    }
}

/// The slug of an alert's name: `high-error-rate` of `HighErrorRate`, `api-instance-down` of `APIInstanceDown`. What may not
/// stand in a link becomes a hyphen.
pub fn slug_of(alert: &str) -> String {
    let letters: Vec<char> = alert.chars().collect();
    let mut out = String::with_capacity(alert.len() + 8);
    for (index, &c) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(index + 1);
        let begins = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase))
            });
        if begins {
            out.push('-');
        }
        out.push(match c {
            c if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') => c.to_ascii_lowercase(),
            _ => '-',
        });
    }
    out
}

/// Whether a name may stand in a link as it is. `..` passes and harms nothing: a slug is never joined to a path.
fn is_slug(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// The first bytes of a file, one more than allowed so that a larger one is noticed; `None` for what is no file.
fn read_capped(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // A pipe would block on opening.
    if !fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX) + 1;
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
