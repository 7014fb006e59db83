//! Grafana's variables in a query, replaced as Grafana would: `$name`, `${name}`, `${name:format}`, `[[name]]`.
//!
//! Formats are not applied: what is put in is one value, or a pattern, and either reads the same in every format that PromQL
//! takes. `$1` and the like belong to `label_replace` and stay.
//! <https://grafana.com/docs/grafana/latest/visualizations/dashboards/variables/variable-syntax/>

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::duration;

/// Values of variables.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// In texts, where matchers are.
    quoted: BTreeMap<String, String>,
    /// Anywhere else: durations, numbers, names.
    bare: BTreeMap<String, String>,
}

/// Lengths of time that stand for Grafana's own.
#[derive(Clone, Copy, Debug)]
pub struct Intervals {
    /// `$__rate_interval`, in milliseconds.
    pub rate_ms: u64,
    /// `$__interval`.
    pub step_ms: u64,
    /// `$__range`.
    pub range_ms: u64,
}

/// A query with its variables replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// PromQL.
    pub text: String,
    /// Variables that nothing is known of; they stand where they stood.
    pub unknown: Vec<String>,
}

impl Values {
    /// Grafana's own variables.
    pub fn of(intervals: Intervals) -> Self {
        let mut values = Self::default();
        let millis = |ms: u64| duration::format(Duration::from_millis(ms));
        for (name, value) in [
            ("__rate_interval", millis(intervals.rate_ms)),
            ("__rate_interval_ms", intervals.rate_ms.to_string()),
            ("__interval", millis(intervals.step_ms)),
            ("__interval_ms", intervals.step_ms.to_string()),
            ("__range", millis(intervals.range_ms)),
            ("__range_s", (intervals.range_ms / 1000).to_string()),
            ("__range_ms", intervals.range_ms.to_string()),
            ("__from", "0".to_owned()),
            ("__to", intervals.range_ms.to_string()),
            ("__dashboard", "dashboard".to_owned()),
            ("__name", "name".to_owned()),
            ("__org", "1".to_owned()),
            ("__user", "user".to_owned()),
        ] {
            values.set(name, &value, &value);
        }
        values
    }

    /// Sets a variable: within texts, and anywhere else.
    pub fn set(&mut self, name: &str, quoted: &str, bare: &str) {
        self.quoted.insert(name.to_owned(), quoted.to_owned());
        self.bare.insert(name.to_owned(), bare.to_owned());
    }

    /// A query with its variables replaced.
    pub fn replace(&self, query: &str) -> Replaced {
        let mut text = String::with_capacity(query.len());
        let mut unknown = Vec::new();
        let mut quote: Option<char> = None;
        let mut rest = query;
        while let Some(next) = rest.chars().next() {
            if let Some((name, length)) = variable(rest) {
                let values = match quote {
                    Some(_) => &self.quoted,
                    None => &self.bare,
                };
                match values.get(name) {
                    Some(value) => text.push_str(value),
                    None => {
                        unknown.push(name.to_owned());
                        text.push_str(&rest[..length]);
                    }
                }
                rest = &rest[length..];
                continue;
            }
            let mut taken = next.len_utf8();
            match quote {
                // Raw texts have no escapes.
                Some(open) if next == '\\' && open != '`' => {
                    taken += rest[taken..].chars().next().map_or(0, char::len_utf8);
                }
                Some(open) if next == open => quote = None,
                None if matches!(next, '"' | '\'' | '`') => quote = Some(next),
                _ => {}
            }
            text.push_str(&rest[..taken]);
            rest = &rest[taken..];
        }
        Replaced { text, unknown }
    }
}

/// The variable at the start of a text: its name, and how many bytes it takes.
fn variable(text: &str) -> Option<(&str, usize)> {
    let (inner, length) = if let Some(rest) = text.strip_prefix("${") {
        let end = rest.find('}')?;
        (&rest[..end], end + 3)
    } else if let Some(rest) = text.strip_prefix("[[") {
        let end = rest.find("]]")?;
        (&rest[..end], end + 4)
    } else {
        let rest = text.strip_prefix('$')?;
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        (&rest[..end], end + 1)
    };
    let name = inner.split([':', '.']).next().unwrap_or_default();
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(is_word);
    is_name.then_some((name, length))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_in_each_spelling() {
        let mut values = Values::of(Intervals {
            rate_ms: 300_000,
            step_ms: 60_000,
            range_ms: 3_600_000,
        });
        values.set("job", ".*", "api");
        let check = |query: &str, want: &str, unknown: &[&str]| {
            let got = values.replace(query);
            assert_eq!(
                (got.text.as_str(), got.unknown),
                (want, unknown.iter().map(ToString::to_string).collect())
            );
        };
        check("rate(a[$__rate_interval])", "rate(a[5m])", &[]);
        check("a[${__interval}:] + $__range_s", "a[1m:] + 3600", &[]);
        check(
            r#"a{job=~"$job",x=~"${job:regex}",y='[[job]]'}"#,
            r#"a{job=~".*",x=~".*",y='.*'}"#,
            &[],
        );
        check("sum by ($job) (a)", "sum by (api) (a)", &[]);
        check("a{x=\"$other\"}", "a{x=\"$other\"}", &["other"]);
        check(
            r#"label_replace(a, "b", "$1-${2}x", "c", "(.+)$")"#,
            r#"label_replace(a, "b", "$1-${2}x", "c", "(.+)$")"#,
            &[],
        );
        check(r#"a{x="\"$job"} $job"#, r#"a{x="\".*"} api"#, &[]);
        check("${ ä $", "${ ä $", &[]);
    }
}
