//! Timelines with silences until resolved and recurring ones.

use std::time::Duration;

use super::timelines::check;
use super::*;
use crate::alerts::matchers;
use crate::alerts::recurring::RecurringRequest;
use crate::alerts::silence::{SilenceError, SilenceRequest};
use crate::model::silence::{FORCE, RESOLVED, SilenceState, UNTIL};

fn simulation() -> Simulation {
    check(&[ONE], "0", "")
}

fn silence(matchers: &str, now: Timestamp, annotation: (&str, &str)) -> SilenceRequest {
    SilenceRequest {
        id: None,
        matchers: matchers::parse(matchers).unwrap(),
        starts_at: None,
        ends_at: now + Duration::from_secs(30 * 24 * 3600),
        created_by: "ann".to_owned(),
        comment: "until it is over".to_owned(),
        annotations: [(annotation.0.to_owned(), annotation.1.to_owned())].into(),
    }
}

fn state(simulation: &Simulation, id: &str) -> SilenceState {
    let silence = simulation.dispatcher.silences.get(id);
    silence.expect("it is there").state(simulation.now)
}

fn kinds(simulation: &Simulation) -> Vec<&'static str> {
    let entries = simulation.disk.ledger.iter();
    let whole = entries.filter(|entry| entry.labels.is_none());
    whole.map(|entry| entry.decision.kind()).collect()
}

#[test]
fn a_silence_until_resolved_ends_when_nothing_it_matches_fires_for_a_while() {
    let mut simulation = simulation();
    simulation.fire("Down i=a");
    let request = silence("alertname=Down", simulation.now, (UNTIL, RESOLVED));
    let change = simulation
        .dispatcher
        .set_silence(request, "s", simulation.now);
    simulation.dispatcher.silences.apply(change.unwrap().rows);
    simulation.until(600.0);
    simulation.resolve("Down i=a");
    simulation.until(800.0);
    // It comes back before the settle time of five minutes is over.
    simulation.fire("Down i=a");
    simulation.until(2_000.0);
    assert_eq!(state(&simulation, "s"), SilenceState::Active);
    // A restart knows nothing of the alert yet.
    simulation.restart();
    simulation.until(2_200.0);
    simulation.fire("Down i=a");
    simulation.until(2_400.0);
    assert_eq!(state(&simulation, "s"), SilenceState::Active);

    simulation.resolve("Down i=a");
    simulation.until(2_690.0);
    assert_eq!(state(&simulation, "s"), SilenceState::Active);
    simulation.until(2_720.0);
    assert_eq!(state(&simulation, "s"), SilenceState::Expired);
    assert_eq!(kinds(&simulation), ["silence_ended"]);
    assert_eq!(simulation.sent, [""; 0]);
    simulation.fire("Down i=a");
    simulation.until(2_730.0);
    assert_eq!(
        simulation.sent,
        ["2721 hook first_notification: +Down[i=a]"]
    );
}

#[test]
fn a_recurring_silence_keeps_quiet_while_its_schedule_holds() {
    let mut simulation = simulation();
    // The timeline begins at 13:46:40.
    let request = |force| RecurringRequest {
        id: None,
        matchers: matchers::parse("alertname=Backup").unwrap(),
        schedule: r#"[{"times":[{"start_time":"13:50","end_time":"13:55"}]}]"#.to_owned(),
        starts_at: None,
        ends_at: None,
        created_by: "ann".to_owned(),
        comment: "backup".to_owned(),
        force,
    };
    let set = simulation
        .dispatcher
        .set_recurring(request(false), "r", simulation.now);
    let (recurring, schedule) = set.unwrap();
    simulation.dispatcher.recurrings.apply(recurring, schedule);
    simulation.until(250.0);
    let shown = simulation.dispatcher.recurring(simulation.now);
    let id = shown[0].active.clone().expect("it is active");
    simulation.fire("Backup");
    simulation.until(300.0);
    assert_eq!(simulation.decisions("Backup"), ["silenced"]);
    // The same occurrence once more: one that was expired early stays so.
    let change = simulation.dispatcher.silences.expire(&id, simulation.now);
    simulation.dispatcher.silences.apply(change.unwrap().rows);
    simulation.dispatcher.recurrings = Recurrings::restore(vec![
        simulation.dispatcher.recurring(simulation.now)[0]
            .recurring
            .as_ref()
            .clone(),
    ]);
    simulation.until(400.0);
    assert_eq!(state(&simulation, &id), SilenceState::Expired);
    assert_eq!(simulation.sent, ["301 hook first_notification: +Backup"]);

    simulation.until(86_400.0 + 250.0);
    let again = simulation.dispatcher.recurring(simulation.now)[0]
        .active
        .clone();
    let again = again.expect("active on the next day too");
    assert_ne!(again, id);
    simulation.until(86_400.0 + 501.0);
    assert_eq!(state(&simulation, &again), SilenceState::Expired);
    assert_eq!(kinds(&simulation), ["silence_began", "silence_began"]);
}

#[test]
fn a_clock_that_was_ahead_does_not_keep_a_recurring_silence_away() {
    let mut simulation = simulation();
    let request = RecurringRequest {
        id: None,
        matchers: matchers::parse("alertname=Backup").unwrap(),
        schedule: r#"[{"times":[{"start_time":"13:50","end_time":"13:55"}]}]"#.to_owned(),
        starts_at: None,
        ends_at: None,
        created_by: "ann".to_owned(),
        comment: "backup".to_owned(),
        force: false,
    };
    let start = simulation.now;
    let day = Duration::from_secs(86_400);
    simulation.now = start + day * 100;
    let set = simulation
        .dispatcher
        .set_recurring(request, "r", simulation.now);
    let (recurring, schedule) = set.unwrap();
    simulation.dispatcher.recurrings.apply(recurring, schedule);
    simulation.flush();
    simulation.now = start;
    let dispatcher = &mut simulation.dispatcher;
    dispatcher.clock_stepped_back(day * 100, start);
    simulation.until(250.0);
    let shown = simulation.dispatcher.recurring(simulation.now);
    assert!(shown[0].active.is_some());
}

#[test]
fn what_is_too_broad_is_refused_unless_it_is_forced() {
    let simulation = simulation();
    let set = |matchers: &str, annotation| {
        let request = silence(matchers, simulation.now, annotation);
        let change = simulation
            .dispatcher
            .set_silence(request, "s", simulation.now);
        change.map(|_| ())
    };
    assert!(matches!(
        set("alertname=~\".+\"", ("a", "b")),
        Err(SilenceError::TooBroad(_))
    ));
    assert_eq!(set("alertname=~\".+\"", (FORCE, "true")), Ok(()));
    assert_eq!(set("alertname=Down", ("a", "b")), Ok(()));
    let preview =
        simulation
            .dispatcher
            .preview(&matchers::parse("a=~\".+\"").unwrap(), 10, simulation.now);
    assert!(preview.too_broad.is_some());
}
