//! Why a query finds nothing: the name nearest to one that does not exist, the label that no series has.

use super::Hint;
use super::ask::Ask;
use crate::model::labels::METRIC_NAME;
use crate::model::matcher::{MatchOp, Matcher};
use crate::promql::ast::{Expr, ExprKind, Span};
use crate::promql::functions::nearest;
use crate::promql::walk;
use crate::storage::query::{QueryError, Queryable};

/// Selectors that are looked into.
const MAX_SELECTORS: usize = 3;
/// Names and values that are offered.
const MAX_OFFERED: usize = 5;

/// What stands in the way, one line for each selector that finds nothing at any time.
///
/// # Errors
/// Where the store fails.
pub(super) fn hints(
    storage: &dyn Queryable,
    ask: &Ask,
    expr: &Expr,
) -> Result<Vec<Hint>, QueryError> {
    let mut hints = Vec::new();
    let mut names = None;
    for (span, matchers) in selectors(expr).into_iter().take(MAX_SELECTORS) {
        if !found(storage, matchers.to_vec())?.is_empty() {
            continue;
        }
        let Some(name) = metric_name(matchers) else {
            continue;
        };
        let by_name = Matcher::equal(METRIC_NAME, name);
        if found(storage, vec![by_name.clone()])?.is_empty() {
            if names.is_none() {
                names = Some(storage.label_values(METRIC_NAME, &[], i64::MIN, i64::MAX)?);
            }
            let known = names.iter().flatten().map(String::as_str);
            hints.push(unknown(ask, &span, name, known));
            continue;
        }
        for matcher in matchers
            .iter()
            .filter(|matcher| matcher.name() != METRIC_NAME)
        {
            let set = vec![by_name.clone(), matcher.clone()];
            if !found(storage, set)?.is_empty() {
                continue;
            }
            let values = storage.label_values(
                matcher.name(),
                &[vec![by_name.clone()]],
                i64::MIN,
                i64::MAX,
            )?;
            hints.push(Hint {
                text: no_such_value(name, matcher, &values),
                links: Vec::new(),
            });
        }
    }
    Ok(hints)
}

/// The metrics that are read, each once.
pub(super) fn metric_names(expr: &Expr) -> Vec<&str> {
    let mut names = Vec::new();
    for (_, matchers) in selectors(expr) {
        if let Some(name) = metric_name(matchers)
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

fn selectors(expr: &Expr) -> Vec<(Span, &[Matcher])> {
    let mut found = Vec::new();
    walk::visit(expr, &mut |expr: &Expr| match &expr.kind {
        ExprKind::Selector(selector) | ExprKind::Matrix { selector, .. } => {
            found.push((expr.span.clone(), selector.matchers.as_slice()));
        }
        _ => {}
    });
    found
}

fn metric_name(matchers: &[Matcher]) -> Option<&str> {
    let named = |matcher: &&Matcher| {
        matcher.name() == METRIC_NAME && matches!(matcher.op(), MatchOp::Equal)
    };
    matchers.iter().find(named).map(Matcher::value)
}

/// The metrics whose series pass: a handful at most where they are many series.
fn found(storage: &dyn Queryable, set: Vec<Matcher>) -> Result<Vec<String>, QueryError> {
    storage.label_values(METRIC_NAME, &[set], i64::MIN, i64::MAX)
}

fn unknown<'a>(ask: &Ask, span: &Span, name: &str, known: impl Iterator<Item = &'a str>) -> Hint {
    let near = nearest(name, known, MAX_OFFERED);
    let links = near.into_iter().map(|near| {
        let text = &ask.expression;
        // The first time that the name stands in the selector.
        let within = text.get(span.clone()).unwrap_or_default();
        let replaced = within.replacen(name, near, 1);
        let expression = format!(
            "{}{replaced}{}",
            text.get(..span.start).unwrap_or_default(),
            text.get(span.end..).unwrap_or_default()
        );
        (near.to_owned(), ask.with_expression(&expression).link())
    });
    let links: Vec<_> = links.collect();
    let name = short(name);
    Hint {
        text: match links.len() {
            0 => format!("There is no metric {name}, and none with a name like it."),
            _ => format!("There is no metric {name}. Did you mean"),
        },
        links,
    }
}

fn no_such_value(name: &str, matcher: &Matcher, values: &[String]) -> String {
    let (name, label) = (short(name), short(matcher.name()));
    if values.is_empty() {
        return format!("No series of {name} has the label {label}.");
    }
    let some: Vec<String> = values
        .iter()
        .take(MAX_OFFERED)
        .map(|value| format!("{:?}", short(value)))
        .collect();
    let more = match values.len() - some.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "No series of {name} passes {}; its {label} is {}{more}.",
        short(&matcher.to_string()),
        some.join(", ")
    )
}

fn short(text: &str) -> String {
    crate::charts::text::fit(text, 600.0, 10.0, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::labels::Labels;
    use crate::promql::parser::parse;
    use crate::storage::{Storage, StorageConfig};

    fn storage() -> Storage {
        let storage = Storage::in_memory(StorageConfig::default());
        let mut appender = storage.appender();
        for pairs in [
            [("__name__", "http_requests_total"), ("job", "api")],
            [("__name__", "http_requests_total"), ("job", "shop")],
            [("__name__", "http_request_size_bytes"), ("job", "api")],
        ] {
            let series = appender.series(&Labels::from_pairs(pairs)).unwrap();
            appender.append(series, 1000, 1.0).unwrap();
        }
        appender.commit().unwrap();
        storage
    }

    fn told(text: &str) -> Vec<Hint> {
        let ask = Ask::of(text);
        hints(&storage(), &ask, &parse(text).unwrap()).unwrap()
    }

    #[test]
    fn a_name_that_does_not_exist_leads_to_the_nearest_that_does() {
        let hints = told("sum(rate(http_request_total{job=\"api\"}[5m])) > 1");
        assert_eq!(hints.len(), 1);
        assert_eq!(hints[0].links[0].0, "http_requests_total");
        assert!(
            hints[0].links[0].1.contains(
                "sum%28rate%28http_requests_total%7Bjob%3D%22api%22%7D%5B5m%5D%29%29+%3E+1"
            ),
            "{:?}",
            hints[0].links
        );
        let hints = told("nothing_like_that");
        assert!(hints[0].links.is_empty() && hints[0].text.contains("none with a name like it"));
    }

    #[test]
    fn a_matcher_that_no_series_passes_is_named_with_what_there_is() {
        let check = |text: &str, want: &[&str]| {
            let hints = told(text);
            let texts: Vec<&str> = hints.iter().map(|hint| hint.text.as_str()).collect();
            assert_eq!(texts, want, "{text}");
        };
        check(
            "http_requests_total{job=\"ship\"}",
            &[
                "No series of http_requests_total passes job=\"ship\"; its job is \"api\", \"shop\".",
            ],
        );
        check(
            "http_requests_total{zone=~\"a|b\"}",
            &["No series of http_requests_total has the label zone."],
        );
        // The series are there: that the comparison does not hold is no mistake.
        check("http_requests_total > 5", &[]);
        check("{job=\"x\"}", &[]);
        check("1 + 1", &[]);
    }

    #[test]
    fn each_metric_is_named_once() {
        let expr = parse("rate(a_total[5m]) / on (x) b + a_total").unwrap();
        assert_eq!(metric_names(&expr), ["a_total", "b"]);
    }
}
