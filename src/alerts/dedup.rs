//! Whether a receiver has to be told (`alertmanager/notify/dedup_stage.go`).

use std::time::Duration;

use crate::db::notification_log::Told;
use crate::model::notification::Reason;
use crate::model::timestamp::Timestamp;

/// A group as one integration would see it now: fingerprints, sorted.
#[derive(Clone, Copy, Debug)]
pub struct GroupState<'a> {
    /// Alerts that fire.
    pub firing: &'a [u64],
    /// Alerts that ended.
    pub resolved: &'a [u64],
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Tell, for this reason.
    Notify(Reason),
    /// The receiver knows it all.
    Known,
    /// Nothing fires and nothing was said to fire: there is nothing to take back.
    NeverTold,
}

/// Decides from what was told before. `told` is `None` where nothing was, or it is too long ago.
pub fn decide(
    told: Option<&Told>,
    state: GroupState<'_>,
    send_resolved: bool,
    repeat_interval: Duration,
    now: Timestamp,
) -> Verdict {
    let Some(told) = told else {
        return if state.firing.is_empty() {
            Verdict::NeverTold
        } else {
            Verdict::Notify(Reason::FirstNotification)
        };
    };
    if !is_subset(state.firing, &told.firing) {
        // The last message said that all was over: this is a new beginning.
        return Verdict::Notify(if told.firing.is_empty() {
            Reason::FirstNotification
        } else {
            Reason::NewAlerts
        });
    }
    if state.firing.is_empty() {
        // Also where the integration does not want it: the log has to learn that nothing fires.
        return if !told.firing.is_empty() {
            Verdict::Notify(Reason::AllResolved)
        } else if is_subset(state.resolved, &told.resolved) {
            Verdict::Known
        } else {
            Verdict::NeverTold
        };
    }
    if send_resolved && !is_subset(state.resolved, &told.resolved) {
        return Verdict::Notify(Reason::NewResolved);
    }
    if told.at < now - repeat_interval {
        return Verdict::Notify(Reason::Repeat);
    }
    Verdict::Known
}

/// Both sorted.
fn is_subset(part: &[u64], whole: &[u64]) -> bool {
    let mut whole = whole.iter();
    part.iter()
        .all(|item| whole.by_ref().any(|candidate| candidate == item))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_alertmanagers() {
        use Reason::*;
        use Verdict::*;
        const HOUR: i64 = 3_600_000;
        let check = |told: Option<(&[u64], &[u64])>,
                     firing: &[u64],
                     resolved: &[u64],
                     send_resolved,
                     age,
                     want| {
            let told = told.map(|(firing, resolved)| Told {
                firing: firing.to_vec(),
                resolved: resolved.to_vec(),
                at: Timestamp::from_millis(10 * HOUR - age),
            });
            let verdict = decide(
                told.as_ref(),
                GroupState { firing, resolved },
                send_resolved,
                Duration::from_secs(3600),
                Timestamp::from_millis(10 * HOUR),
            );
            assert_eq!(
                verdict, want,
                "{told:?} {firing:?} {resolved:?} {send_resolved}"
            );
        };
        // Nothing told yet.
        check(None, &[1], &[], true, 0, Notify(FirstNotification));
        check(None, &[1], &[2], true, 0, Notify(FirstNotification));
        check(None, &[], &[2], true, 0, NeverTold);
        check(None, &[], &[], true, 0, NeverTold);
        // New alerts.
        check(Some((&[1], &[])), &[1, 2], &[], true, 0, Notify(NewAlerts));
        check(Some((&[1], &[])), &[2], &[1], true, 0, Notify(NewAlerts));
        check(
            Some((&[], &[1])),
            &[1],
            &[],
            true,
            0,
            Notify(FirstNotification),
        );
        // Over.
        check(Some((&[1], &[])), &[], &[1], true, 0, Notify(AllResolved));
        check(Some((&[1], &[])), &[], &[1], false, 0, Notify(AllResolved));
        check(Some((&[], &[1])), &[], &[1], true, 0, Known);
        check(Some((&[], &[1])), &[], &[2], true, 0, NeverTold);
        // Partly over.
        check(
            Some((&[1, 2], &[])),
            &[1],
            &[2],
            true,
            0,
            Notify(NewResolved),
        );
        check(Some((&[1, 2], &[])), &[1], &[2], false, 0, Known);
        check(Some((&[1], &[2])), &[1], &[2], true, 0, Known);
        check(Some((&[1], &[2])), &[1], &[], true, 0, Known);
        // Unchanged.
        check(Some((&[1, 2, 3], &[])), &[1, 3], &[], true, 0, Known);
        check(Some((&[1], &[])), &[1], &[], true, HOUR, Known);
        check(Some((&[1], &[])), &[1], &[], true, HOUR + 1, Notify(Repeat));
        check(Some((&[], &[])), &[], &[], true, 2 * HOUR, Known);
    }
}
