//! Waiting for something to happen, at most until a deadline.

use std::time::Duration;

use outrigger::clock::Stopwatch;

/// How long a test waits for what should take a second or two: the machine may be busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer; panics with `what` where there is none in time.
#[track_caller]
pub(crate) fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl FnMut() -> Option<T>,
) -> T {
    let watch = Stopwatch::start();
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(
            watch.elapsed() < deadline,
            "waited {deadline:?} in vain for: {what}"
        );
        std::thread::sleep(PAUSE);
    }
}

/// Asks until it is so; panics with `what` where it is not in time.
#[track_caller]
pub(crate) fn wait_until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, deadline, || condition().then_some(()));
}
