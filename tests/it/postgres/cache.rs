//! Two that share a PostgreSQL and a Redis.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::support::redis::Redis;

const PATH: &str = "/api/v1/metrics/A";

fn get(outrigger: &Outrigger, path: &str) -> Answer {
    ask(outrigger, "GET", path, "", &Value::Null)
}

/// The number of the write that an answer shows.
#[track_caller]
fn number(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    let data = &json["data"];
    let item = data.get(0).unwrap_or(data);
    let text = item["description"].as_str().unwrap_or_default();
    text.rsplit(' ').next().unwrap().parse().unwrap_or(0)
}

#[test]
fn what_one_wrote_the_other_reads_whatever_becomes_of_their_redis() {
    let test = "what_one_wrote_the_other_reads_whatever_becomes_of_their_redis";
    let Some(scene) = Scene::new(test) else {
        return;
    };
    let Some(mut redis) = Redis::start(test) else {
        return;
    };
    let cache = format!("  cache: {{redis: {{url: '{}'}}}}\n", redis.url());
    scene.configure(&scene.server.url("shared"), &cache);
    let both = [scene.start("one"), scene.start("other")];
    let made = ask(&both[0], "POST", METRICS, "", &metric("A", "A"));
    assert_eq!(made.status, 201, "{made:?}");
    let (over, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for outrigger in &both {
            let (over, written) = (&over, &written);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let before = written.load(Ordering::SeqCst);
                    let read = number(&get(outrigger, PATH));
                    assert!(read >= before, "{read} after {before} was answered");
                }
            });
        }
        let mut next = 0;
        let mut round = |state: &str| {
            for _ in 0..6 {
                next += 1;
                let (writer, reader) = (&both[next % 2], &both[(next + 1) % 2]);
                let body = json!({"description": format!("Write {next}")});
                let changed = ask(writer, "PATCH", PATH, "", &body);
                assert_eq!(changed.status, 200, "{state}: {changed:?}");
                written.store(next as u64, Ordering::SeqCst);
                for path in [PATH, METRICS, "/api/v1/metrics?search=write"] {
                    for (who, outrigger) in [("the other", reader), ("who wrote", writer)] {
                        let read = number(&get(outrigger, path));
                        assert_eq!(read, next as u64, "{state}: {who} reads {path}");
                    }
                }
            }
        };
        let up = |wanted: f64| {
            let up = |one: &Outrigger| one.metric("outrigger_definition_cache_redis_up") == wanted;
            both.iter().all(up)
        };
        round("at first");
        redis.kill();
        round("gone");
        wait_until("Redis to be given up", PATIENCE, || {
            round("still gone");
            up(0.0)
        });
        redis.start_again();
        round("back, and empty");
        wait_until("Redis to be believed again", PATIENCE, || {
            round("back");
            up(1.0)
        });
        redis.freeze();
        round("silent");
        redis.wake();
        wait_until("Redis to be believed once more", PATIENCE, || {
            round("awake");
            up(1.0)
        });
        over.store(true, Ordering::SeqCst);
    });

    // And it is used: what one has read the other need not read again.
    let [one, other] = &both;
    let body = json!({"name": "Another"});
    assert_eq!(ask(one, "PATCH", PATH, "", &body).status, 200);
    let copies = one.metric(SET);
    assert_eq!(get(one, PATH).header("x-cache"), Some("MISS"));
    wait_until("a copy in Redis", PATIENCE, || one.metric(SET) > copies);
    assert_eq!(get(other, PATH).header("x-cache"), Some("HIT"));
}

const SET: &str = "cache_operation_duration_seconds_count{operation=\"set\"}";
