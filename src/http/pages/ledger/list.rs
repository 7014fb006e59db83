//! `/ledger`: the handler.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::fill::{rows, why};
use super::{Form, LedgerPage, render};
use crate::alerts::matchers;
use crate::db::ledger::{self, LedgerFilter};
use crate::http::context::Context;
use crate::http::pages::alerts::Mistake;
use crate::http::pages::alerts::wanted::mistake;
use crate::http::pages::paged::{Address, refusal, tidy};
use crate::http::pages::quiet::list::uncached;
use crate::http::params::Params;
use crate::model::labels::{ALERT_NAME, Fingerprint};
use crate::model::matcher::Pattern;
use crate::model::timestamp::Timestamp;

/// Entries on a page.
const PAGE: u32 = 100;
/// Entries looked at for a page: some milliseconds.
pub(in crate::http::pages) const EFFORT: usize = 10_000;

/// The page.
pub async fn show(State(context): State<Arc<Context>>, params: Params) -> Response {
    let now = context.clock.now();
    let text = |name: &str| params.get(name).unwrap_or_default().trim().to_owned();
    let filters: Vec<&str> = params
        .all("filter")
        .filter(|text| !text.is_empty())
        .collect();
    let form = Form {
        filter: filters.join(", "),
        receiver: text("receiver"),
        kind: text("kind"),
        since: text("since"),
        until: text("until"),
        fingerprint: text("fingerprint").to_ascii_lowercase(),
        notification: text("notification"),
    };
    let mut page = LedgerPage {
        now,
        form,
        mistake: None,
        alert: None,
        rows: Vec::new(),
        older: None,
        newest: None,
        looked_back_to: None,
    };
    let mut filter = match read(&page.form) {
        Ok(filter) => filter,
        Err(mistake) => {
            page.mistake = Some(mistake);
            page.form = plain(page.form);
            return uncached(StatusCode::BAD_REQUEST, render(&page));
        }
    };
    filter.before = params.get("cursor").and_then(|text| text.parse().ok());
    let status = fill(&context, &mut page, &filter).await;
    uncached(status, render(&page))
}

async fn fill(context: &Context, page: &mut LedgerPage, filter: &LedgerFilter) -> StatusCode {
    let read = async {
        if let Some(fingerprint) = filter.fingerprint {
            let (why, entries) = why(context, fingerprint, None).await?;
            let labels = entries.iter().find_map(|entry| entry.labels.clone());
            let name = labels.map(|labels| tidy(labels.value(ALERT_NAME), 120));
            let name = name.unwrap_or_else(|| fingerprint.to_string());
            page.alert = Some((name, format!("/alerts/{fingerprint}"), why));
        }
        ledger::page_within(&context.database, filter, PAGE, EFFORT).await
    };
    match read.await {
        Ok(found) => {
            page.rows = rows(&found.entries);
            let address = address(&page.form);
            page.older = found
                .next
                .map(|cursor| address.clone().with("cursor", cursor.to_string()).text());
            page.newest = filter.before.map(|_| address.text());
            page.looked_back_to = found.looked_back_to;
            StatusCode::OK
        }
        Err(error) => {
            tracing::error!(%error, "read ledger for its page");
            page.mistake = Some(Mistake {
                message: "the ledger cannot be read now; the log says why".to_owned(),
                excerpt: None,
            });
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

fn address(form: &Form) -> Address {
    Address::new("/ledger")
        .with("filter", &*form.filter)
        .with("receiver", &*form.receiver)
        .with("kind", &*form.kind)
        .with("since", &*form.since)
        .with("until", &*form.until)
        .with("fingerprint", &*form.fingerprint)
        .with("notification", &*form.notification)
}

fn fields(form: &Form) -> [(&'static str, &str); 7] {
    [
        ("matchers", &form.filter),
        ("receiver", &form.receiver),
        ("decision", &form.kind),
        ("from", &form.since),
        ("until", &form.until),
        ("fingerprint", &form.fingerprint),
        ("notification", &form.notification),
    ]
}

/// What is refused is not written back.
fn plain(mut form: Form) -> Form {
    for field in [
        &mut form.filter,
        &mut form.receiver,
        &mut form.kind,
        &mut form.since,
        &mut form.until,
        &mut form.fingerprint,
        &mut form.notification,
    ] {
        if refusal(field).is_some() {
            field.clear();
        }
    }
    form
}

fn read(form: &Form) -> Result<LedgerFilter, Mistake> {
    let wrong = |message: String| Mistake {
        message: tidy(&message, 300),
        excerpt: None,
    };
    let refused = fields(form)
        .into_iter()
        .find_map(|(name, text)| Some((name, refusal(text)?)));
    if let Some((name, reason)) = refused {
        return Err(wrong(format!("{name}: {reason}")));
    }
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let matchers = matchers::parse(&form.filter).map_err(|error| mistake(&form.filter, &error))?;
    let receiver = given(&form.receiver).map(|text| Pattern::new(&text));
    let fingerprint = given(&form.fingerprint).map(|text| {
        Fingerprint::parse(&text)
            .ok_or_else(|| wrong("fingerprint: write 16 hexadecimal digits".to_owned()))
    });
    Ok(LedgerFilter {
        fingerprint: fingerprint.transpose()?,
        matchers,
        notification: given(&form.notification),
        kinds: given(&form.kind).into_iter().collect(),
        receiver: receiver
            .transpose()
            .map_err(|error| wrong(format!("receiver: {error}")))?,
        since: time(&form.since).map_err(|error| wrong(format!("from: {error}")))?,
        until: time(&form.until).map_err(|error| wrong(format!("until: {error}")))?,
        before: None,
    })
}

/// A time as a browser's field writes it, in UTC and to the minute or second, or as RFC 3339.
fn time(text: &str) -> Result<Option<Timestamp>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let whole = match text.len() {
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text.to_owned(),
    };
    Timestamp::parse_rfc3339(&whole)
        .map(Some)
        .map_err(|_| "write a day and a time, such as 2026-11-20T06:55, in UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_a_browsers_field_or_rfc_3339() {
        let check = |text: &str, want: Option<&str>| {
            let read = time(text).ok().flatten().map(|at| at.to_rfc3339());
            assert_eq!(read.as_deref(), want, "{text}");
        };
        check("2026-11-20T06:55", Some("2026-11-20T06:55:00.000Z"));
        check("2026-11-20T06:55:01", Some("2026-11-20T06:55:01.000Z"));
        check(
            "2026-11-20T07:55:00+01:00",
            Some("2026-11-20T06:55:00.000Z"),
        );
        assert!(time("yesterday").is_err());
        assert!(time("äääääääääääääääää").is_err());
        assert_eq!(time(""), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |form: Form, want: &str| {
            let message = read(&form).err().map(|mistake| mistake.message);
            assert!(
                message
                    .as_deref()
                    .is_some_and(|text| text.starts_with(want)),
                "{message:?}"
            );
        };
        let form = |change: fn(&mut Form)| {
            let mut form = Form::default();
            change(&mut form);
            form
        };
        assert!(read(&Form::default()).is_ok());
        check(form(|form| form.filter = "a".to_owned()), "matchers: ");
        check(form(|form| form.receiver = "(".to_owned()), "receiver: ");
        check(form(|form| form.since = "x".to_owned()), "from: ");
        check(
            form(|form| form.fingerprint = "xyz".to_owned()),
            "fingerprint: ",
        );
        check(
            form(|form| form.kind = "x".repeat(3000)),
            "decision: longer",
        );
        assert_eq!(plain(form(|form| form.kind = "x".repeat(3000))).kind, "");
    }
}
