use super::*;
use crate::model::labels::Labels;
use crate::model::notification::{Integration, Reason};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn notification(id: &str, group: &str, receiver: &str, created_at: i64) -> Notification {
    Notification {
        id: id.into(),
        group_key: group.into(),
        receiver: receiver.into(),
        integration: Integration {
            kind: "webhook".into(),
            index: 0,
        },
        reason: Reason::FirstNotification,
        group_labels: Labels::empty(),
        alerts: Vec::new(),
        truncated: 0,
        created_at: at(created_at),
        digest: None,
        undelivered: None,
    }
}

fn add(queue: &Queue, notification: Notification, bytes: usize) -> i64 {
    let number = queue.numbers(1);
    let (lane, place) = queue.place(&notification, "webhook[0]");
    let entry = Entry {
        id: Arc::clone(&notification.id),
        idempotency_key: Arc::clone(&notification.id),
        lane,
        gathers: false,
        place,
        created_at: notification.created_at,
        next_attempt_at: notification.created_at,
        updated_at: notification.created_at,
        expires_at: None,
        attempts: 0,
        last_error: None,
        bytes,
        sending: false,
        notification: Some(Box::new(notification)),
    };
    queue.apply(vec![Change::Added(number, Box::new(entry))]);
    number
}

/// The numbers taken, `limit` of each lane.
fn taken(queue: &Queue, limit: Take, now: i64) -> Vec<i64> {
    let picked = queue.take(|_, _| limit, at(now));
    picked.iter().map(|one| one.number).collect()
}

const ALL: Take = Take::UpTo(100);

#[test]
fn the_next_of_a_group_is_due_when_the_one_before_it_ended() {
    let queue = Queue::default();
    let first = add(&queue, notification("a", "g", "team", 1), 10);
    let second = add(&queue, notification("b", "g", "team", 2), 10);
    let other = add(&queue, notification("c", "g", "people", 3), 10);
    assert_eq!(taken(&queue, ALL, 9), [first, other]);
    assert_eq!(queue.behind(first).as_deref(), Some("b"));
    assert_eq!(taken(&queue, ALL, 9), [0; 0]);
    let waits = Change::Waits {
        number: first,
        at: at(20),
        error: "503".into(),
        now: at(9),
    };
    queue.apply(vec![waits]);
    assert_eq!(
        taken(&queue, ALL, 19),
        [0; 0],
        "nor is the second before it"
    );
    assert_eq!(queue.backlog(at(10)).next_attempt, Some(at(20)));
    let again = queue.take(|_, _| ALL, at(20));
    assert_eq!(again[0].number, first);
    assert_eq!(
        (again[0].attempts, again[0].last_error.as_deref()),
        (1, Some("503"))
    );
    queue.apply(vec![Change::Ended(first)]);
    assert_eq!(taken(&queue, ALL, 20), [second]);
    assert_eq!(queue.find("a"), None);
    assert_eq!(queue.find("b"), Some((second, Fate::Sending)));
    queue.apply(vec![Change::Returned(second)]);
    assert_eq!(queue.find("b"), Some((second, Fate::Pending)));
    queue.apply(vec![Change::Ended(second), Change::Ended(other)]);
    assert_eq!(queue.backlog(at(0)), Backlog::default());
    assert_eq!(queue.state.lock().kept, 0);
}

#[test]
fn a_lane_gives_what_is_asked_of_it() {
    let queue = Queue::default();
    for n in 0..10 {
        let id = format!("{n}");
        add(&queue, notification(&id, &id, "team", n), 200 << 10);
    }
    // Two and a half of them are as many bytes as are taken at a time.
    assert_eq!(taken(&queue, ALL, 9), [1, 2]);
    assert_eq!(taken(&queue, Take::UpTo(1), 9), [3]);
    assert_eq!(taken(&queue, Take::UpTo(0), 9), [0; 0]);
    assert_eq!(taken(&queue, Take::WrittenBy(at(3), 9), 9), [4]);
    let waits = |number| Change::Waits {
        number,
        at: at(1000),
        error: "503".into(),
        now: at(9),
    };
    queue.apply((1..=4).map(waits).collect());
    queue.apply((5..=10).map(Change::Ended).collect());
    assert_eq!(taken(&queue, ALL, 10), [0; 0]);
    assert_eq!(taken(&queue, Take::One, 10), [1], "due or not");
    let lane = ("team".to_owned(), "webhook[0]".to_owned());
    queue.apply(vec![Change::Revived(lane, at(11))]);
    assert_eq!(taken(&queue, Take::UpTo(1), 11), [2]);
    // What was touched later than it is now.
    queue.clock_stepped_back(at(5));
    assert_eq!(taken(&queue, Take::UpTo(1), 5), [3]);
}

#[test]
fn only_so_much_is_kept_as_a_whole() {
    let queue = Queue::default();
    for n in 0..=KEPT_ALERTS {
        let id = format!("{n}");
        add(&queue, notification(&id, &id, "team", 1), 1);
    }
    let picked = queue.take(|_, _| Take::UpTo(u32::MAX), at(1));
    let kept = picked.iter().filter(|one| one.notification.is_some());
    assert_eq!((picked.len(), kept.count()), (KEPT_ALERTS + 1, KEPT_ALERTS));
    add(&queue, notification("later", "later", "team", 1), 1);
    assert!(queue.take(|_, _| ALL, at(1))[0].notification.is_some());
}
