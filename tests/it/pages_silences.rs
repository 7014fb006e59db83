//! What people do on pages: silences begun from alerts, edited, searched; and who may.

use serde_json::{Value, json};

use crate::support::http::{self, Answer, encoded};
use crate::support::outrigger::{Outrigger, add_accounts};
use crate::support::scene::Scene;
use crate::support::wait::{PATIENCE, wait_until};

const RULES: &str = "  - alert: Firing\n    expr: flag == 1\n    labels: {severity: critical}\n";

fn token(outrigger: &Outrigger, cookie: &str) -> String {
    let page = get(outrigger, "/silences", cookie).body;
    let (_, rest) = page.split_once("name=\"token\" value=\"").expect("a form");
    rest.split('"').next().unwrap().to_owned()
}

fn get(outrigger: &Outrigger, path: &str, cookie: &str) -> Answer {
    let headers = [("accept", "text/html"), ("cookie", cookie)];
    http::request(&outrigger.address(), "GET", path, &headers, "").unwrap()
}

fn post(outrigger: &Outrigger, path: &str, form: &str, more: &[(&str, &str)]) -> Answer {
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
    headers.extend_from_slice(more);
    http::request(&outrigger.address(), "POST", path, &headers, form).unwrap()
}

#[track_caller]
fn silences(outrigger: &Outrigger) -> Vec<Value> {
    let all = outrigger.get("/api/v2/silences").json();
    let all = all.as_array().expect("a list").iter();
    all.filter(|silence| silence["status"]["state"] != "expired")
        .cloned()
        .collect()
}

#[test]
fn a_silence_begins_from_an_alert_is_edited_searched_and_made_again() {
    let scene = Scene::new("flag 1\n", RULES);
    let outrigger = scene.start();
    outrigger.wait_for_alert("Firing", "firing");
    scene.wait_for_told(1);
    let alerts = outrigger.get("/api/v2/alerts").json();
    let id = alerts[0]["fingerprint"].as_str().unwrap().to_owned();

    let page = outrigger.get(&format!("/silences?alert={id}")).body;
    for text in [
        "\nalertname=&#34;Firing&#34;\n",
        "severity=&#34;critical&#34;",
        "It would match 1 of the 1 alerts",
    ] {
        assert!(page.contains(text), "no {text} in {page}");
    }
    let gone = outrigger.get("/silences?alert=0000000000000000").body;
    assert!(
        gone.contains("This alert does not fire any more."),
        "{gone}"
    );

    let token = token(&outrigger, "");
    let matchers = encoded("alertname=\"Firing\"");
    let form = format!("do=create&token={token}&matchers={matchers}&created_by=ann");
    let made = post(
        &outrigger,
        "/silences",
        &format!("{form}&comment=work&lasts=1h"),
        &[],
    );
    assert_eq!(made.status, 303, "{made:?}");
    let before = silences(&outrigger).remove(0);
    let silence = before["id"].as_str().unwrap().to_owned();

    let edit = outrigger.get(&format!("/silences?edit={silence}")).body;
    for text in [
        "Change a silence",
        "value=\"work\"",
        "<option value=\"keep\" selected>",
    ] {
        assert!(edit.contains(text), "no {text} in {edit}");
    }
    let change = format!("{form}&edit={silence}&comment=longer+work&lasts=keep");
    assert_eq!(post(&outrigger, "/silences", &change, &[]).status, 303);
    let after = silences(&outrigger);
    assert_eq!(after.len(), 1, "{after:?}");
    assert_eq!(after[0]["id"], before["id"], "the same silence");
    assert_eq!(after[0]["comment"], "longer work");
    assert_eq!(after[0]["endsAt"], before["endsAt"]);

    let found = outrigger.get("/silences?q=LONGER").body;
    assert!(found.contains("longer work"), "{found}");
    let nothing = outrigger.get("/silences?q=nothing").body;
    assert!(nothing.contains("No silence is like that."), "{nothing}");

    let end = format!("do=expire&token={token}&id={silence}");
    assert_eq!(post(&outrigger, "/silences", &end, &[]).status, 303);
    let page = outrigger.get("/silences").body;
    let again = format!("/silences?like={silence}#new");
    assert!(page.contains(&again), "{page}");
    let like = outrigger.get(&format!("/silences?like={silence}")).body;
    assert!(
        like.contains("longer work") && like.contains("New silence"),
        "{like}"
    );
    let late = post(&outrigger, "/silences", &change, &[]);
    assert_eq!(late.status, 400);
    assert!(late.body.contains("This silence has ended"), "{late:?}");
}

#[test]
fn a_recurring_silence_is_changed_in_its_form() {
    let scene = Scene::new("flag 1\n", RULES);
    let outrigger = scene.start();
    let token = token(&outrigger, "");
    let matchers = encoded("alertname=\"Firing\"");
    let form = format!("do=create&token={token}&matchers={matchers}&created_by=ann&comment=nights");
    let made = format!("{form}&from=22:00&until=02:00&weekdays=sunday");
    assert_eq!(post(&outrigger, "/silences", &made, &[]).status, 303);
    let all = outrigger.data("/api/v1/recurring-silences");
    let id = all[0]["id"].as_str().unwrap().to_owned();
    let edit = outrigger
        .get(&format!("/silences?edit_recurring={id}"))
        .body;
    for text in [
        "value=\"sunday\"",
        "value=\"22:00\"",
        "value=\"02:00\"",
        "Change a silence",
    ] {
        assert!(edit.contains(text), "no {text} in {edit}");
    }
    let change = format!("{form}&edit_recurring={id}&from=20:00&until=21:00");
    assert_eq!(post(&outrigger, "/silences", &change, &[]).status, 303);
    let all = outrigger.data("/api/v1/recurring-silences");
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all}");
    assert!(all.to_string().contains("20:00"), "{all}");
}

#[test]
fn many_silences_are_paged() {
    let scene = Scene::new("flag 1\n", RULES);
    let outrigger = scene.start();
    for number in 0..60 {
        let silence = json!({
            "matchers": [{"name": "n", "value": format!("{number:03}"), "isRegex": false}],
            "startsAt": "2020-01-01T00:00:00Z", "endsAt": format!("2099-01-01T00:00:{number:02}Z"),
            "createdBy": "ann", "comment": "work",
        });
        let headers = [("content-type", "application/json")];
        let address = outrigger.address();
        let body = silence.to_string();
        let made = http::request(&address, "POST", "/api/v2/silences", &headers, &body);
        assert_eq!(made.unwrap().status, 200);
    }
    let first = outrigger.get("/silences").body;
    assert!(
        first.contains("1–50 of 60") && first.contains("n=&#34;000&#34;"),
        "{first}"
    );
    let second = outrigger.get("/silences?page=2").body;
    assert!(
        second.contains("51–60 of 60") && second.contains("n=&#34;059&#34;"),
        "{second}"
    );
    assert!(!second.contains("n=&#34;000&#34;"));
}

#[test]
fn who_may_not_act_sees_no_button_and_forms_of_other_sites_do_nothing() {
    const PASSWORD: &str = "Correct-horse 7 battery";
    let scene = Scene::new("flag 1\n", RULES);
    scene.settings("auth:\n  enabled: true\n  password: {memory: 8MiB, iterations: 1}\n");
    add_accounts(scene.place.path(), &["viewer", "editor"], PASSWORD);
    let outrigger = scene.start();
    scene.wait_for_told(1);
    let log_in = |name: &str, next: &str| {
        let password = encoded(PASSWORD);
        let form = format!("username={name}&password={password}&next={}", encoded(next));
        post(&outrigger, "/login", &form, &[])
    };
    let cookie = |answer: &Answer| {
        let cookie = answer.header("set-cookie").expect("a cookie");
        cookie.split(';').next().unwrap().to_owned()
    };

    // Nobody in particular is led to the login, and back to where he was.
    for path in [
        "/alerts?state=firing",
        "/ledger",
        "/definitions",
        "/dashboards",
        "/silences?alert=x",
    ] {
        let led = get(&outrigger, path, "");
        let to = format!("/login?next={}", encoded(path));
        let location = led.header("location").map(|text| text.replace('+', "%20"));
        assert_eq!(
            (led.status, location.as_deref()),
            (303, Some(&*to)),
            "{path}"
        );
    }
    let back = log_in("editor", "/alerts?state=firing");
    assert_eq!(
        (back.status, back.header("location")),
        (303, Some("/alerts?state=firing"))
    );
    let editor = cookie(&back);
    for elsewhere in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
    ] {
        let answer = log_in("viewer", elsewhere);
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/")),
            "{elsewhere}"
        );
    }
    let viewer = cookie(&log_in("viewer", "/"));

    // Whatever the form says, a silence is of the account that asks for it.
    let page = get(&outrigger, "/silences", &editor).body;
    assert!(page.contains("As <strong>editor</strong>") && !page.contains("name=\"created_by\""));
    let (proof, more) = (token(&outrigger, &editor), [("cookie", &*editor)]);
    let matchers = encoded("team=\"db\"");
    let form =
        format!("do=create&token={proof}&matchers={matchers}&created_by=root&comment=x&lasts=1h");
    assert_eq!(post(&outrigger, "/silences", &form, &more).status, 303);
    let page = get(&outrigger, "/silences", &viewer).body;
    assert!(page.contains("data-label=\"By\">editor<"), "{page}");

    wait_until("the alert on the page", PATIENCE, || {
        get(&outrigger, "/alerts", &viewer).body.contains("Firing")
    });
    let alert = get(&outrigger, "/alerts", &editor).body;
    let (_, rest) = alert.split_once("href=\"/alerts/").expect("a link");
    let one = format!("/alerts/{}", &rest[..16]);
    let acts = [
        "href=\"/ack?",
        "href=\"/silence?",
        "/silences?alert=",
        "name=\"do\"",
        "value=\"create\"",
    ];
    for path in ["/alerts", "/silences", &one] {
        let seen = get(&outrigger, path, &viewer);
        assert_eq!(seen.status, 200, "{path}");
        for act in acts {
            assert!(!seen.body.contains(act), "{path}: {act} in {}", seen.body);
        }
        let seen = get(&outrigger, path, &editor).body;
        assert!(acts.iter().any(|act| seen.contains(act)), "{path}: {seen}");
    }

    // A form counts from here, with its token, by who may.
    let token = token(&outrigger, &editor);
    let form = format!(
        "do=create&token={token}&matchers={}&created_by=ann&lasts=1h",
        encoded("alertname=\"Firing\"")
    );
    let own = format!("http://{}", outrigger.address());
    let sent = |cookie: &str, origin: &str| {
        let headers = [("cookie", cookie), ("origin", origin)];
        post(&outrigger, "/silences", &form, &headers).status
    };
    assert_eq!(sent(&viewer, &own), 403);
    assert_eq!(sent("", &own), 401);
    assert_eq!(sent(&editor, "https://evil.example"), 403);
    assert_eq!(sent(&editor, "null"), 403);
    for (path, form) in [
        ("/login", "username=x"),
        ("/logout", ""),
        ("/theme", "theme=dark"),
        ("/ack", "x=y"),
        ("/silence", "x=y"),
    ] {
        let evil = [("cookie", &*editor), ("origin", "https://evil.example")];
        assert_eq!(post(&outrigger, path, form, &evil).status, 403, "{path}");
        let cross = [("cookie", &*editor), ("sec-fetch-site", "cross-site")];
        assert_eq!(post(&outrigger, path, form, &cross).status, 403, "{path}");
    }
    assert_eq!(sent(&editor, &own), 303);
}
