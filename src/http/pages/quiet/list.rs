//! `/silences`: the list, the form, and what their buttons do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

use super::fill::{Silenced, ack_row, matches, recurring_row, silence_row, span_text};
use super::{Bounded, Form, Matches, Notice, SilencesPage, prefill, render_list};
use crate::alerts::dispatch::view::Wanted;
use crate::alerts::explain::matchers_text;
use crate::alerts::interval::schedule::Schedule;
use crate::alerts::matchers;
use crate::alerts::recurring::RecurringRequest;
use crate::alerts::run::Closed;
use crate::alerts::run::acks::AckChangeError;
use crate::alerts::run::recurring::RecurringChangeError;
use crate::alerts::run::silences::ChangeError;
use crate::alerts::silence::SilenceRequest;
use crate::auth::caller::Caller;
use crate::auth::role::{Role, Scope};
use crate::http::context::Context;
use crate::http::identity::Who;
use crate::http::pages::paged::{Address, Paging, refusal};
use crate::http::pages::shell::signature;
use crate::http::pages::{error, see_other};
use crate::http::params::Params;
use crate::model::duration;
use crate::model::matcher::Matcher;
use crate::model::silence::{FORCE, RESOLVED, Silence, SilenceState, UNTIL};
use crate::model::timestamp::Timestamp;
use crate::model::words::is_unprintable;

const PATH: &str = "/silences";
/// How long a form may be left open.
const FORM_LASTS: Duration = Duration::from_secs(12 * 3600);
/// How long a silence until resolved lasts at most.
const FAR_END: Duration = Duration::from_secs(30 * 24 * 3600);
/// The longest name of who silences, in bytes, as of an ack's owner.
const LONGEST_NAME: usize = 200;
/// The longest comment, in bytes, as of an ack's note.
const LONGEST_COMMENT: usize = 4 << 10;
/// Occurrences shown in a preview.
const OCCURRENCES: usize = 5;
/// Silences on a page.
const PAGE: usize = 50;
/// Instead of a length: a silence that is changed ends when it would have.
pub(super) const KEEP: &str = "keep";

/// What a button did, as the next page's address names it.
const DONE: [(&str, &str); 7] = [
    ("created", "The silence holds."),
    ("changed", "The silence was changed."),
    ("recurs", "The silence will come again and again."),
    (
        "expired",
        "The silence has ended; what still fires is told again.",
    ),
    ("removed", "The recurring silence is gone."),
    (
        "acked",
        "You have taken charge: nobody is told again before the alerts resolve or become more severe.",
    ),
    (
        "withdrawn",
        "The ack is taken back; what still fires is told again.",
    ),
];

/// The page.
pub async fn show(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    params: Params,
) -> Response {
    let done = DONE
        .iter()
        .find(|(name, _)| params.get("done") == Some(name));
    let notice = done.map(|(_, text)| Notice {
        good: true,
        text: (*text).to_owned(),
    });
    answer(&context, &params, &caller, StatusCode::OK, notice).await
}

/// What a button asks for.
pub async fn act(
    State(context): State<Arc<Context>>,
    Who(caller): Who,
    params: Params,
) -> Response {
    let now = context.clock.now();
    let token = params.get("token").unwrap_or_default();
    if let Err(reason) = context.signer.verify("form", PATH, token, now) {
        tracing::warn!(%reason, "form at /silences refused");
        let message = "This form is too old, or not from this Outrigger. Load the page again and repeat what you did.";
        let page = error::render(StatusCode::FORBIDDEN.as_u16(), message);
        return (StatusCode::FORBIDDEN, Html(page)).into_response();
    }
    let id = params.get("id").unwrap_or_default().to_owned();
    let ours = !context.upstream_only;
    let done = match params.get("do") {
        Some("expire") => context
            .alerts
            .expire_silence(id)
            .await
            .map(|_| "expired")
            .map_err(|error| told(&error)),
        Some("withdraw") if ours => context
            .alerts
            .withdraw_ack(id)
            .await
            .map(|_| "withdrawn")
            .map_err(|error| told_of_ack(&error)),
        Some("remove") if ours => context
            .alerts
            .remove_recurring(id)
            .await
            .map(|_| "removed")
            .map_err(|error| told_of_recurring(&error)),
        Some("create") => create(&context, &params, now).await,
        Some(_) | None => Err("Nothing was asked for.".to_owned()),
    };
    match done {
        Ok(done) => see_other(&format!("{PATH}?done={done}")),
        Err(text) => {
            let notice = Some(Notice { good: false, text });
            answer(&context, &params, &caller, StatusCode::BAD_REQUEST, notice).await
        }
    }
}

/// Never kept by a browser or a proxy: it holds tokens.
pub(in crate::http::pages) fn uncached(status: StatusCode, html: String) -> Response {
    let headers = [(CACHE_CONTROL, "no-store")];
    (status, headers, Html(html)).into_response()
}

async fn create(
    context: &Context,
    params: &Params,
    now: Timestamp,
) -> Result<&'static str, String> {
    let mut form = form_of(params);
    form.created_by = signature(&form.created_by);
    let matchers = matchers_of(&form.matchers)?;
    let force = params.get("force") == Some("true");
    if let Some(schedule) = schedule_of(&form)
        && !context.upstream_only
    {
        check_words(&form)?;
        let edited = (!form.edit_recurring.is_empty()).then(|| form.edit_recurring.clone());
        let all = context.alerts.recurring().await;
        let all = all.map_err(|error| error.to_string())?;
        let before = all
            .iter()
            .map(|shown| &shown.recurring)
            .find(|known| edited.as_deref() == Some(&*known.id));
        let request = RecurringRequest {
            id: edited,
            matchers,
            schedule,
            starts_at: before.and_then(|before| before.starts_at),
            ends_at: before.and_then(|before| before.ends_at),
            created_by: form.created_by,
            comment: form.comment,
            force,
        };
        let set = context.alerts.set_recurring(request).await;
        return set
            .map(|_| "recurs")
            .map_err(|error| told_of_recurring(&error));
    }
    silence(context, matchers, &form, force, now).await?;
    Ok(if form.edit.is_empty() {
        "created"
    } else {
        "changed"
    })
}

/// What a person says of himself and of his reasons.
fn check_words(form: &Form) -> Result<(), String> {
    if form.created_by.trim().is_empty() {
        return Err("Say who you are: others will want to ask you.".to_owned());
    }
    for (what, text, longest) in [
        ("name", &form.created_by, LONGEST_NAME),
        ("comment", &form.comment, LONGEST_COMMENT),
    ] {
        if text.len() > longest {
            return Err(format!(
                "The {what} is longer than {longest} bytes; shorten it."
            ));
        }
        if text.chars().any(is_unprintable) {
            return Err(format!(
                "The {what} has characters that cannot be printed; leave them out."
            ));
        }
    }
    Ok(())
}

/// Makes or changes an ordinary silence.
pub(super) async fn silence(
    context: &Context,
    matchers: Vec<Matcher>,
    form: &Form,
    force: bool,
    now: Timestamp,
) -> Result<(), String> {
    check_words(form)?;
    let before = match form.edit.as_str() {
        "" => None,
        id => {
            let known = context.alerts.silence(id.to_owned()).await;
            let known = known.map_err(|error| error.to_string())?;
            let open = known.filter(|silence| silence.state(now) != SilenceState::Expired);
            Some(open.ok_or("This silence has ended; make a new one like it.")?)
        }
    };
    // What others wrote there stays.
    let kept = before.as_ref().map(|before| before.annotations.clone());
    let mut annotations: BTreeMap<_, _> = kept.unwrap_or_default();
    if form.lasts != KEEP {
        annotations.remove(UNTIL);
        annotations.remove(FORCE);
    }
    let until_resolved = form.lasts == RESOLVED && !context.upstream_only;
    let ends_at = match &before {
        Some(before) if form.lasts == KEEP => before.ends_at,
        _ if until_resolved => {
            annotations.insert(UNTIL.to_owned(), RESOLVED.to_owned());
            now + FAR_END
        }
        _ => now + duration::parse(&form.lasts).map_err(|_| "Say for how long.".to_owned())?,
    };
    if force {
        annotations.insert(FORCE.to_owned(), "true".to_owned());
    }
    let request = SilenceRequest {
        id: before.as_ref().map(|before| before.id.to_string()),
        matchers,
        starts_at: before.as_ref().map(|before| before.starts_at),
        ends_at,
        created_by: form.created_by.trim().to_owned(),
        comment: form.comment.trim().to_owned(),
        annotations,
    };
    let set = context.alerts.set_silence(request).await;
    set.map(drop).map_err(|error| told(&error))
}

async fn answer(
    context: &Context,
    params: &Params,
    caller: &Caller,
    status: StatusCode,
    notice: Option<Notice>,
) -> Response {
    match fill(context, params, caller, notice).await {
        Ok(page) => uncached(status, render_list(&page)),
        Err(Closed) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let page = error::render(status.as_u16(), "Shutting down; ask again later.");
            uncached(status, page)
        }
    }
}

async fn fill(
    context: &Context,
    params: &Params,
    caller: &Caller,
    mut notice: Option<Notice>,
) -> Result<SilencesPage, Closed> {
    let now = context.clock.now();
    let may_act = caller.allowed(Role::Editor, Scope::MonitoringWrite).is_ok();
    let view = context.alerts.view(Wanted::All).await?;
    let alerts: Vec<_> = view.alerts.into_iter().map(|one| one.shown).collect();
    let firing = Silenced::of(&alerts);
    let fires = if context.upstream_only {
        Matches::default()
    } else {
        super::fill::firing(context, &alerts, may_act, now)
    };
    let search = params.get("q").unwrap_or_default().trim();
    let search = if refusal(search).is_none() {
        search
    } else {
        ""
    };
    let mut silences = context.alerts.silences().await?;
    silences.retain(|silence| is_in(silence, &search.to_lowercase()));
    silences.sort_by_key(|silence| (silence.state(now), silence.ends_at, Arc::clone(&silence.id)));
    let (mut expired, open): (Vec<_>, Vec<_>) = silences
        .into_iter()
        .partition(|silence| silence.state(now) == SilenceState::Expired);
    expired.reverse();
    let (mut acks, mut recurring) = (Vec::new(), Vec::new());
    if !context.upstream_only {
        acks = context.alerts.acks().await?;
        acks.retain(|ack| ack.holds());
        acks.sort_by_key(|ack| (std::cmp::Reverse(ack.created_at), Arc::clone(&ack.id)));
        recurring = context.alerts.recurring().await?;
    }
    let address = Address::new(PATH).with("q", search);
    let paging = Paging::of(open.len(), PAGE, params.get("page"), address);
    let shown = open[paging.rows()].iter();
    let shown = shown.map(|silence| silence_row(silence, &firing, now));
    let (form, odd) = prefill::form(context, params, caller.id().map(|_| caller.name())).await;
    notice = notice.or(odd.map(Notice::bad));
    let mut preview = None;
    if !form.matchers.trim().is_empty() {
        match matchers_of(&form.matchers) {
            Ok(matchers) => {
                let mut found = matches(context, &matchers, now).await;
                if let Some(schedule) = schedule_of(&form) {
                    match Schedule::parse(&schedule) {
                        Ok(schedule) => {
                            let spans = schedule.upcoming(now, OCCURRENCES);
                            found.next = spans.iter().map(span_text).collect();
                        }
                        Err(error) => notice = notice.or(Some(Notice::bad(&error))),
                    }
                }
                preview = Some(found);
            }
            Err(error) => notice = notice.or(Some(Notice::bad(&error))),
        }
    }
    Ok(SilencesPage {
        now,
        token: context.signer.sign("form", PATH, now + FORM_LASTS),
        upstream_only: context.upstream_only,
        notice,
        firing: fires,
        acks: Bounded::map(&acks, ack_row),
        may_act,
        search: search.to_owned(),
        silences: shown.collect(),
        paging,
        expired: Bounded::map(&expired, |silence| {
            silence_row(silence, &Silenced::default(), now)
        }),
        recurring: Bounded::map(&recurring, recurring_row),
        form,
        preview,
    })
}

impl Notice {
    fn bad(text: &str) -> Self {
        Self {
            good: false,
            text: text.to_owned(),
        }
    }
}

/// Whether somebody's words are in a silence.
fn is_in(silence: &Silence, words: &str) -> bool {
    let holds = |text: &str| text.to_lowercase().contains(words);
    words.is_empty()
        || holds(&silence.comment)
        || holds(&silence.created_by)
        || *silence.id == *words
        || holds(&matchers_text(&silence.matchers))
}

pub(super) fn form_of(params: &Params) -> Form {
    let text = |name: &str| params.get(name).unwrap_or_default().to_owned();
    Form {
        matchers: text("matchers"),
        lasts: params.get("lasts").unwrap_or("1h").to_owned(),
        created_by: text("created_by"),
        comment: text("comment"),
        weekdays: text("weekdays"),
        from: text("from"),
        until: text("until"),
        zone: text("zone"),
        edit: text("edit"),
        edit_recurring: text("edit_recurring"),
    }
}

/// Matchers of a text area: one a line, or several with commas.
fn matchers_of(text: &str) -> Result<Vec<Matcher>, String> {
    let mut read = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = line.trim_end_matches(',');
        read.extend(matchers::parse(line).map_err(|error| format!("{line}: {error}"))?);
    }
    Ok(read)
}

/// The schedule that the form's fields make, where any is filled in. A time that ends before it begins goes over midnight.
pub(super) fn schedule_of(form: &Form) -> Option<String> {
    if form.weekdays.trim().is_empty() && form.from.is_empty() && form.until.is_empty() {
        return None;
    }
    let mut interval = json!({});
    let days: Vec<&str> = form
        .weekdays
        .split(',')
        .map(str::trim)
        .filter(|day| !day.is_empty())
        .collect();
    if !days.is_empty() {
        interval["weekdays"] = json!(days);
    }
    if !form.from.is_empty() || !form.until.is_empty() {
        let from = if form.from.is_empty() {
            "00:00"
        } else {
            &form.from
        };
        let until = match form.until.as_str() {
            "" | "00:00" => "24:00",
            until => until,
        };
        interval["times"] = if from < until {
            json!([{"start_time": from, "end_time": until}])
        } else {
            json!([{"start_time": "00:00", "end_time": until}, {"start_time": from, "end_time": "24:00"}])
        };
    }
    if !form.zone.trim().is_empty() {
        interval["location"] = json!(form.zone.trim());
    }
    Some(json!([interval]).to_string())
}

fn told(error: &ChangeError) -> String {
    match error {
        ChangeError::Refused(error) => error.to_string(),
        ChangeError::Unwritten(error) => unwritten(error),
        ChangeError::Closed(closed) => closed.to_string(),
    }
}

pub(super) fn told_of_ack(error: &AckChangeError) -> String {
    match error {
        AckChangeError::Refused(error) => error.to_string(),
        AckChangeError::Unwritten(error) => unwritten(error),
        AckChangeError::Closed(closed) => closed.to_string(),
    }
}

fn told_of_recurring(error: &RecurringChangeError) -> String {
    match error {
        RecurringChangeError::Refused(error) => error.to_string(),
        RecurringChangeError::Unwritten(error) => unwritten(error),
        RecurringChangeError::Closed(closed) => closed.to_string(),
    }
}

fn unwritten(error: &crate::db::DbError) -> String {
    tracing::error!(%error, "what was asked for at /silences cannot be written");
    "It could not be written, and nothing changed; the log says why.".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_fields_make_a_schedule() {
        let check = |weekdays: &str, from: &str, until: &str, want: &str| {
            let form = Form {
                weekdays: weekdays.to_owned(),
                from: from.to_owned(),
                until: until.to_owned(),
                ..Form::default()
            };
            let schedule = schedule_of(&form).unwrap_or_default();
            let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
            assert_eq!(read(&schedule), read(want));
            assert!(schedule.is_empty() || Schedule::parse(&schedule).is_ok());
        };
        check("", "", "", "");
        check(
            "monday:friday, sunday",
            "",
            "",
            r#"[{"weekdays":["monday:friday","sunday"]}]"#,
        );
        check(
            "",
            "08:00",
            "00:00",
            r#"[{"times":[{"end_time":"24:00","start_time":"08:00"}]}]"#,
        );
        check(
            "",
            "22:00",
            "02:00",
            r#"[{"times":[{"end_time":"02:00","start_time":"00:00"},{"end_time":"24:00","start_time":"22:00"}]}]"#,
        );
    }

    #[test]
    fn who_silences_says_so_briefly_and_in_letters() {
        let check = |name: &str, comment: &str, good: bool| {
            let form = Form {
                created_by: name.to_owned(),
                comment: comment.to_owned(),
                ..Form::default()
            };
            assert_eq!(check_words(&form).is_ok(), good, "{name:?} {comment:?}");
        };
        check("Änn 😀", "two\r\nlines", true);
        check("ann", "", true);
        check(" ", "why", false);
        check("ann\u{202e}", "why", false);
        check("ann", "\u{1b}[2J", false);
        check(&"x".repeat(LONGEST_NAME + 1), "", false);
        check("ann", &"x".repeat(LONGEST_COMMENT + 1), false);
    }

    #[test]
    fn matchers_stand_one_a_line_or_with_commas() {
        let read = matchers_of("a=\"b\"\n\n c=~\"d|e\", \nf!=g,h=i\n").unwrap();
        assert_eq!(read.len(), 4);
        let error = matchers_of("a=\"b\"\nnonsense").unwrap_err();
        assert!(error.starts_with("nonsense: "), "{error}");
    }
}
