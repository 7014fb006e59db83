//! The end: work is finished within a deadline, and what was not is named.

use std::time::Duration;

use outrigger::clock::Stopwatch;
use rustix::process::Signal;

use crate::support::outrigger::Outrigger;
use crate::support::place::Place;
use crate::support::scene::Scene;
use crate::support::server::Reply;
use crate::support::wait::{PATIENCE, wait_until};

#[test]
fn sigterm_ends_it_in_order() {
    let place = Place::new();
    let mut outrigger = Outrigger::start(place.path(), &[]);
    let watch = Stopwatch::start();
    let status = outrigger.terminate(PATIENCE);
    assert_eq!(status.code(), Some(0), "{}", outrigger.log());
    assert!(
        watch.elapsed() < Duration::from_secs(5),
        "took {:?}",
        watch.elapsed()
    );
}

#[test]
fn an_interrupt_from_the_keyboard_ends_it_too() {
    let scene = Scene::new("flag 1\n", "  - alert: Firing\n    expr: flag == 1\n");
    let mut outrigger = scene.start();
    scene.wait_for_told(1);
    let status = outrigger.end_by(Signal::INT, PATIENCE);
    assert_eq!(status.code(), Some(0), "{}", outrigger.log());
}

#[test]
fn with_a_receiver_that_hangs_it_ends_at_the_deadline_and_names_it() {
    let scene = Scene::new("flag 1\n", "  - alert: Firing\n    expr: flag == 1\n");
    scene.settings("shutdown_deadline: 2s\n");
    scene.recorder.reply(Reply::Hang);
    let mut outrigger = scene.start();
    wait_until("a message under way", PATIENCE, || {
        !scene.recorder.messages().is_empty()
    });
    let watch = Stopwatch::start();
    outrigger.terminate(PATIENCE);
    assert!(
        watch.elapsed() < Duration::from_secs(8),
        "took {:?}",
        watch.elapsed()
    );
    let log = outrigger.log();
    for part in ["under_way=1", "hook/webhook[0]", "after the next start"] {
        assert!(
            log.contains(part),
            "the log says what did not finish, {part:?}:\n{log}"
        );
    }

    // Nothing is lost by that: the message goes out after the next start.
    scene.recorder.reply(Reply::text(200, "ok"));
    outrigger.start_again();
    scene.wait_for_told(1);
}

#[test]
fn samples_and_firing_alerts_survive_an_orderly_restart() {
    let scene = Scene::new("flag 1\n", "  - alert: Firing\n    expr: flag == 1\n");
    let mut outrigger = scene.start();
    let before = outrigger.wait_for_alert("Firing", "firing");
    scene.wait_for_told(1);
    let samples = outrigger.value("count_over_time(flag[10m])").unwrap();
    assert_eq!(outrigger.terminate(PATIENCE).code(), Some(0));
    outrigger.start_again();
    assert!(outrigger.value("count_over_time(flag[10m])").unwrap() >= samples);
    assert_eq!(
        outrigger.wait_for_alert("Firing", "firing")["activeAt"],
        before["activeAt"]
    );
    assert_eq!(scene.told().len(), 1, "nobody is told anew");
}
