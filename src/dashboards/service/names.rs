//! Names in queries and titles: quoted where they must be, readable where people see them.

use crate::model::labels::{is_legacy_label_name, is_legacy_metric_name, quote};

/// The longest slug: what a uid leaves behind its prefix.
const MAX_SLUG: usize = 30;

/// `name{matchers}`, or `{"name",matchers}` where the name needs quotes.
pub(super) fn selector(name: &str, matchers: &[String]) -> String {
    let inner = matchers.join(",");
    if is_legacy_metric_name(name) {
        format!("{name}{{{inner}}}")
    } else if inner.is_empty() {
        format!("{{{}}}", quote(name))
    } else {
        format!("{{{},{inner}}}", quote(name))
    }
}

/// The scope's matchers and more.
pub(super) fn matchers(scope: &str, more: &[String]) -> Vec<String> {
    let mut all = vec![scope.to_owned()];
    all.extend(more.iter().cloned());
    all
}

/// A label's name as queries write it.
pub(super) fn label(name: &str) -> String {
    if is_legacy_label_name(name) {
        name.to_owned()
    } else {
        quote(name)
    }
}

/// The words of a name, in lower case.
pub(super) fn words(name: &str) -> Vec<String> {
    name.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// A name as a title: `http_requests_total` is `Http requests`.
pub(super) fn title(name: &str) -> String {
    let mut words = words(name);
    if words.len() > 1 && words.last().is_some_and(|word| word == "total") {
        words.pop();
    }
    capitalised(&words.join(" "))
}

/// With a capital at the start.
pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// A job's name as part of an identity: lower case letters, digits and `-`. Names that differ in what is lost get a
/// number of their own.
pub(in crate::dashboards) fn slug(name: &str) -> String {
    let kept: String = name
        .chars()
        .map(|c| match c {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' => c,
            _ => '-',
        })
        .collect();
    if kept == name && name.len() <= MAX_SLUG && !name.is_empty() {
        return kept;
    }
    // FNV-1a: the same in every release, and no secret.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let head: String = kept.chars().take(MAX_SLUG - 9).collect();
    format!("{head}-{hash:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        let matchers = ["job=\"x\"".to_owned()];
        assert_eq!(selector("a_b", &matchers), "a_b{job=\"x\"}");
        assert_eq!(selector("a.b", &matchers), "{\"a.b\",job=\"x\"}");
        assert_eq!(selector("a.b", &[]), "{\"a.b\"}");
        assert_eq!(label("http.method"), "\"http.method\"");
    }

    #[test]
    fn slugs_fit_an_identity_and_differ_where_names_do() {
        assert_eq!(slug("shop_api"), "shop_api");
        assert_ne!(slug("Shop"), slug("sHop"));
        let long = slug(&"ä/".repeat(100));
        assert!(long.len() <= MAX_SLUG && long.is_ascii(), "{long}");
        assert!(!slug("").is_empty());
    }
}
