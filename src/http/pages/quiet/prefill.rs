//! What stands in the form of `/silences` before anybody writes into it: of an alert, or of another silence.
//!
//! ```text
//! /silences?matchers=…&comment=…        as given
//! /silences?alert=<fingerprint>         the labels of an alert that fires or pends
//! /silences?edit=<id>                   a silence, to be changed
//! /silences?like=<id>                   a silence, for another one like it
//! /silences?edit_recurring=<id>         a recurring silence, to be changed
//! ```

use serde_json::Value;

use super::Form;
use super::list::{KEEP, form_of};
use crate::alerts::dispatch::view::Wanted;
use crate::alerts::matchers;
use crate::http::context::Context;
use crate::http::pages::alerts::fill::scene;
use crate::http::params::Params;
use crate::model::labels::{Fingerprint, Labels};
use crate::model::matcher::Matcher;

/// Labels with longer values are no good for a form; the others do.
const LONGEST: usize = 1_000;

/// The form, and what is odd about it. Who is logged in need not write his name.
pub(super) async fn form(
    context: &Context,
    params: &Params,
    name: Option<&str>,
) -> (Form, Option<&'static str>) {
    let mut form = form_of(params);
    let mut odd = None;
    if form.matchers.trim().is_empty() {
        if let Some(fingerprint) = params.get("alert").and_then(Fingerprint::parse) {
            match labels_of(context, fingerprint).await {
                Some(labels) => form.matchers = of_labels(&labels),
                None => odd = Some("This alert does not fire any more."),
            }
        } else if let Some(id) = params.get("edit").or_else(|| params.get("like")) {
            match context.alerts.silence(id.to_owned()).await {
                Ok(Some(silence)) => {
                    form.matchers = lines(&silence.matchers);
                    form.comment.clone_from(&silence.comment);
                    form.created_by.clone_from(&silence.created_by);
                    if !form.edit.is_empty() {
                        KEEP.clone_into(&mut form.lasts);
                    }
                }
                Ok(None) | Err(_) => {
                    odd = Some("There is no such silence any more.");
                    form.edit.clear();
                }
            }
        } else if !form.edit_recurring.is_empty() {
            let all = context.alerts.recurring().await.unwrap_or_default();
            let found = all
                .iter()
                .find(|one| *one.recurring.id == *form.edit_recurring);
            match found.map(|one| (one, of_schedule(&one.recurring.schedule))) {
                Some((one, Some(when))) => {
                    let id = std::mem::take(&mut form.edit_recurring);
                    form = Form {
                        matchers: lines(&one.recurring.matchers),
                        comment: one.recurring.comment.clone(),
                        created_by: one.recurring.created_by.clone(),
                        edit_recurring: id,
                        ..when
                    };
                }
                Some((_, None)) => {
                    odd = Some(
                        "Its times do not fit this form; change it with PUT /api/v1/recurring-silences/<id>.",
                    );
                    form.edit_recurring.clear();
                }
                None => {
                    odd = Some("There is no such recurring silence any more.");
                    form.edit_recurring.clear();
                }
            }
        }
    }
    if let Some(name) = name
        && form.created_by.is_empty()
    {
        name.clone_into(&mut form.created_by);
    }
    (form, odd)
}

async fn labels_of(context: &Context, fingerprint: Fingerprint) -> Option<Labels> {
    let (scene, _) = scene(context, Wanted::One(fingerprint)).await;
    let seen = scene.alerts.first()?;
    Some(seen.alert.labels.clone())
}

fn of_labels(labels: &Labels) -> String {
    let short = labels.iter().filter(|(_, value)| value.len() <= LONGEST);
    let all: Vec<Matcher> = short
        .map(|(name, value)| Matcher::equal(name, value))
        .collect();
    lines(&all)
}

/// One a line.
fn lines(all: &[Matcher]) -> String {
    let all: Vec<String> = all.iter().map(matchers::format).collect();
    all.join("\n")
}

/// The fields that make a schedule, where the form's fields can make it.
fn of_schedule(schedule: &str) -> Option<Form> {
    let schedule: Value = serde_json::from_str(schedule).ok()?;
    let [interval] = schedule.as_array()?.as_slice() else {
        return None;
    };
    let known = ["weekdays", "times", "location"];
    if interval
        .as_object()?
        .keys()
        .any(|key| !known.contains(&key.as_str()))
    {
        return None;
    }
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let days = interval["weekdays"].as_array().into_iter().flatten();
    let days: Vec<&str> = days.filter_map(Value::as_str).collect();
    let times = interval["times"].as_array().map_or(&[][..], Vec::as_slice);
    let (from, until) = match times {
        [] => (String::new(), String::new()),
        [time] => (text(time, "start_time"), text(time, "end_time")),
        // Over midnight.
        [morning, evening]
            if text(morning, "start_time") == "00:00" && text(evening, "end_time") == "24:00" =>
        {
            (text(evening, "start_time"), text(morning, "end_time"))
        }
        _ => return None,
    };
    Some(Form {
        weekdays: days.join(", "),
        from,
        // A field for a time knows no 24:00.
        until: if until == "24:00" {
            "00:00".to_owned()
        } else {
            until
        },
        zone: text(interval, "location"),
        lasts: "1h".to_owned(),
        ..Form::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::list::schedule_of;
    use super::*;

    #[test]
    fn a_schedule_comes_back_into_the_form_as_it_left_it() {
        let check = |weekdays: &str, from: &str, until: &str, zone: &str| {
            let form = Form {
                weekdays: weekdays.to_owned(),
                from: from.to_owned(),
                until: until.to_owned(),
                zone: zone.to_owned(),
                ..Form::default()
            };
            let schedule = schedule_of(&form).unwrap();
            let back = of_schedule(&schedule).unwrap();
            assert_eq!(schedule_of(&back).as_ref(), Some(&schedule));
            assert_eq!((back.weekdays, back.zone), (form.weekdays, form.zone));
        };
        check("monday:friday, sunday", "", "", "Europe/Berlin");
        check("", "08:00", "00:00", "");
        check("saturday", "22:00", "02:00", "UTC");
        for odd in [
            r#"[{"months": ["may"]}]"#,
            r#"[{}, {}]"#,
            r#"[{"times": [{"start_time": "01:00", "end_time": "02:00"}, {"start_time": "03:00", "end_time": "04:00"}]}]"#,
            "nonsense",
        ] {
            assert!(of_schedule(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn an_alerts_labels_become_matchers_that_read_back() {
        let labels = Labels::from_pairs([
            ("alertname", "A \"b\""),
            ("my label", "x\ny"),
            ("large", &"x".repeat(2_000)),
        ]);
        let text = of_labels(&labels);
        let read: Vec<Matcher> = text
            .lines()
            .flat_map(|line| matchers::parse(line).unwrap())
            .collect();
        assert_eq!(read.len(), 2, "{text}");
        assert!(read.iter().all(|matcher| matcher.matches_labels(&labels)));
    }
}
