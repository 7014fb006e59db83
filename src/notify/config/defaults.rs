//! The named templates: Alertmanager's, Outrigger's own over them, the user's over both.
//!
//! In Alertmanager's place only its own are there, and every default reads as its does. Elsewhere the defaults are
//! Outrigger's, while names that templates written for Alertmanager call (`__subject`, `__text_alert_list`, ...) give what
//! they give there.

use super::TemplateFile;
use crate::document::Position;
use crate::document::diagnostics::{Diagnostic, Diagnostics};
use crate::notify::{markdown, slack};
use crate::template::TemplateSet;
use crate::template::functions::Functions;

/// Alertmanager's names.
const UPSTREAM: &str = include_str!("../templates/upstream.tmpl");
/// Its e-mail, shortened by [`spelled_out`].
const UPSTREAM_EMAIL: &str = include_str!("../templates/upstream_email.tmpl");

/// Outrigger's own.
const OWN: [(&str, &str); 7] = [
    ("act.tmpl", include_str!("../templates/act.tmpl")),
    ("slack.tmpl", include_str!("../templates/slack.tmpl")),
    ("email.tmpl", include_str!("../templates/email.tmpl")),
    ("markdown.tmpl", include_str!("../templates/markdown.tmpl")),
    ("pagers.tmpl", include_str!("../templates/pagers.tmpl")),
    ("telegram.tmpl", include_str!("../templates/telegram.tmpl")),
    ("common.tmpl", include_str!("../templates/common.tmpl")),
];

/// Own headlines follow a `__subject` of the user's.
const SUBJECT: &str = r#"{{ define "outrigger.subject" }}{{ template "__subject" . }}{{ end }}"#;

/// What the words between percent signs stand for in Alertmanager's e-mail, outer ones first.
const WORDS: [(&str, &str); 7] = [
    (
        "%row%",
        " <tr style=\"%base%\">\n <td class=\"content-block\" style=\"%base% vertical-align: top; padding: 0 0 20px;\" valign=\"top\">",
    ),
    ("%end%", " </td>\n </tr>"),
    ("%br%", "<br style=\"%base%\">"),
    ("%top%", "vertical-align: top;\" valign=\"top\""),
    (
        "%banner%",
        "margin: 0; %font% vertical-align: top; font-size: 16px; color: #fff; font-weight: 500; padding: 20px; text-align: center; border-radius: 3px 3px 0 0;",
    ),
    ("%base%", "margin: 0; %font% font-size: 14px;"),
    (
        "%font%",
        "font-family: 'Helvetica Neue', Helvetica, Arial, sans-serif; box-sizing: border-box;",
    ),
];

/// The templates that fields may call.
///
/// `wanted` says whether anything calls them; without, only the user's files are read, for their mistakes.
pub(super) fn template_set(
    files: &[TemplateFile],
    wanted: bool,
    upstream_only: bool,
    diagnostics: &Diagnostics,
) -> TemplateSet {
    let mut set = TemplateSet::new(functions());
    if wanted || !files.is_empty() {
        for (name, text) in built_in(upstream_only) {
            add_own(&mut set, name, &text);
        }
    }
    for file in files {
        if let Err(error) = set.add(&file.path, &file.text) {
            let position = Position {
                line: u32::try_from(error.line).unwrap_or(0),
                column: u32::try_from(error.column).unwrap_or(0),
            };
            diagnostics.push(
                Diagnostic::new(&file.path, position, "", error.message)
                    .remedy("correct the template"),
            );
        }
    }
    if !upstream_only && defines(files, "__subject") {
        add_own(&mut set, "subject.tmpl", SUBJECT);
    }
    set
}

/// Whether the user's files define a template of this name.
pub(super) fn defines(files: &[TemplateFile], name: &str) -> bool {
    let quoted = format!("{name:?}");
    if !files.iter().any(|file| file.text.contains(&quoted)) {
        return false;
    }
    let mut set = TemplateSet::new(functions());
    // A file that is no template has been reported.
    files.iter().any(|file| {
        set.add(&file.path, &file.text).is_ok() && set.names().any(|known| known == name)
    })
}

fn built_in(upstream_only: bool) -> Vec<(&'static str, String)> {
    let mut texts = vec![("upstream.tmpl", UPSTREAM.to_owned())];
    if upstream_only {
        texts.push(("upstream_email.tmpl", spelled_out(UPSTREAM_EMAIL)));
    } else {
        texts.extend(OWN.map(|(name, text)| (name, text.to_owned())));
    }
    texts
}

fn add_own(set: &mut TemplateSet, name: &str, text: &str) {
    set.add(name, text)
        .expect("our own templates are parsed by a test");
}

fn spelled_out(text: &str) -> String {
    let replaced = |text: String, (word, meaning): &(&str, &str)| text.replace(word, meaning);
    WORDS.iter().fold(text.to_owned(), replaced)
}

/// Alertmanager's functions, and those of our own templates.
fn functions() -> Functions {
    markdown::functions(Functions::alertmanager()).with("slackEscape", |_, args| match args {
        [value] => Ok(slack::escape(&value.to_string()).into()),
        _ => Err("slackEscape wants one argument".into()),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn own_and_upstream_templates_parse_and_call_only_what_is_there() {
        for upstream_only in [true, false] {
            let set = template_set(&[], true, upstream_only, &Diagnostics::default());
            for (_, text) in built_in(upstream_only) {
                for part in text.split("{{ template \"").skip(1) {
                    let (name, _) = part.split_once('"').unwrap();
                    assert!(set.get(name).is_some(), "{name}");
                }
                let shortened = WORDS.iter().any(|(word, _)| text.contains(word));
                assert!(!shortened, "{text}");
            }
        }
    }

    #[test]
    fn no_template_of_ours_replaces_another_one() {
        let mut seen: HashMap<&str, &str> = HashMap::new();
        for (file, text) in OWN {
            for define in text.split("define \"").skip(1) {
                let name = define.split('"').next().unwrap();
                assert_eq!(seen.insert(name, file), None, "{name} in {file}");
            }
        }
    }
}
