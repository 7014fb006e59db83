//! Acks, silences beyond Alertmanager's, and the links in messages, through the running program.

use serde_json::{Value, json};

use crate::support::http::{self, Answer, encoded};
use crate::support::outrigger::Outrigger;
use crate::support::scene::{Scene, wait_for_evaluations};
use crate::support::wait::{PATIENCE, wait_for, wait_until};

const RULES: &str = "  - alert: Firing
    expr: flag == 1
    labels: {severity: critical}
    annotations: {summary: 'the <flag> is up'}
";
const REPEATS: &str =
    "group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1s";

#[track_caller]
fn ask(outrigger: &Outrigger, method: &str, path: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    http::request(
        &outrigger.address(),
        method,
        path,
        &headers,
        &body.to_string(),
    )
    .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

#[track_caller]
fn data(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    answer.json()["data"].clone()
}

fn acked() -> Value {
    json!({"matchers": ["alertname=\"Firing\""], "owner": "ann", "note": "on it"})
}

#[test]
fn an_ack_survives_a_crash_stops_repeats_and_its_end_is_told() {
    let scene = Scene::new("flag 1\n", RULES);
    scene.routing(REPEATS);
    let mut outrigger = scene.start();
    scene.wait_for_told(2);
    let answer = ask(&outrigger, "POST", "/api/v1/acks", &acked());
    // Answered for is written.
    outrigger.kill_9();
    let made = data(&answer, 200);
    assert_eq!(made["state"], "active", "{made}");
    assert_eq!(made["alerts"][0]["labels"]["alertname"], "Firing");
    outrigger.start_again();
    let path = format!("/api/v1/acks/{}", made["id"].as_str().expect("an id"));
    assert_eq!(outrigger.data(&path), made);

    outrigger.wait_for_alert("Firing", "firing");
    wait_until("the ack on record", PATIENCE, || {
        let log = outrigger.data("/api/v2/ledger?kind=acknowledged");
        log.to_string().contains("acknowledged by ann")
    });
    let before = scene.told().len();
    wait_for_evaluations(&outrigger, 12);
    assert_eq!(scene.told().len(), before, "not told again");
    // Alertmanager's contract knows no acks.
    let alerts = outrigger.get("/api/v2/alerts").json();
    assert_eq!(alerts[0]["status"]["state"], "active", "{alerts}");

    scene.service.expose("flag 0\n");
    let told = scene.wait_for_told(before + 1);
    assert_eq!(told[before]["status"], "resolved", "{}", told[before]);
    wait_until("the ack to end", PATIENCE, || {
        outrigger.data(&path)["state"] == "ended"
    });
    assert_eq!(outrigger.data(&path)["alerts"][0]["why"], "resolved");
    let log = outrigger.data("/api/v2/ledger?kind=ack_began&kind=ack_ended");
    assert_eq!(log.as_array().map(Vec::len), Some(2), "{log}");
}

#[test]
fn a_withdrawn_ack_lets_repeats_go_on_and_nonsense_is_refused() {
    let scene = Scene::new("flag 1\n", RULES);
    scene.routing(REPEATS);
    let outrigger = scene.start();
    scene.wait_for_told(1);
    let post = |body: &Value| ask(&outrigger, "POST", "/api/v1/acks", body);
    for (body, status) in [
        (json!({"matchers": ["a=\"b\""], "owner": "ann"}), 422),
        (json!({"matchers": ["alertname=\"Firing\""]}), 400),
        (json!({"owner": "ann"}), 400),
        (json!({"group": "x", "alerts": ["00"], "owner": "ann"}), 400),
        (json!({"alerts": ["xyz"], "owner": "ann"}), 400),
        (json!({"matchers": ["a=~\"(\""], "owner": "ann"}), 400),
        (
            json!({"group": "x", "owner": "ann", "expiresIn": "soon"}),
            400,
        ),
    ] {
        let answer = post(&body);
        assert_eq!(answer.status, status, "{body} {answer:?}");
    }
    let fingerprint = outrigger.get("/api/v2/alerts").json()[0]["fingerprint"].clone();
    let made = data(
        &post(&json!({"alerts": [fingerprint], "owner": "ann", "expiresIn": "1h"})),
        200,
    );
    let path = format!("/api/v1/acks/{}", made["id"].as_str().expect("an id"));
    wait_for_evaluations(&outrigger, 6);
    let before = scene.told().len();
    wait_for_evaluations(&outrigger, 8);
    assert_eq!(scene.told().len(), before);
    let ended = data(&ask(&outrigger, "DELETE", &path, &json!(null)), 200);
    assert_eq!(ended["alerts"][0]["why"], "withdrawn");
    scene.wait_for_told(before + 1);
    let absent = ask(&outrigger, "DELETE", "/api/v1/acks/nobody", &json!(null));
    assert_eq!(absent.status, 404);
    let active = outrigger.data("/api/v1/acks?active=true");
    assert_eq!(active, json!([]));
}

#[test]
fn what_is_too_broad_is_refused_by_every_way_in() {
    let scene = Scene::new("flag 1\n", RULES);
    let mut outrigger = scene.start();
    outrigger.wait_for_alert("Firing", "firing");
    let silence = |path: &str| {
        let silence = json!({
            "matchers": [{"name": "alertname", "value": ".+", "isRegex": true}],
            "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z",
            "createdBy": "ann", "comment": "work",
        });
        ask(&outrigger, "POST", path, &silence)
    };
    let refused = silence("/api/v2/silences");
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("matches any alert"), "{refused:?}");
    assert_eq!(silence("/api/v2/silences?force=true").status, 200);

    let broad = json!({"matchers": ["alertname=~\".+\""]});
    let preview = ask(&outrigger, "POST", "/api/v1/silences/preview", &broad);
    let preview = data(&preview, 200);
    assert_eq!(
        (&preview["matched"], &preview["firing"]),
        (&json!(1), &json!(1))
    );
    assert!(preview["tooBroad"].is_string(), "{preview}");
    let named =
        json!({"matchers": ["severity=\"critical\""], "schedule": [{"weekdays": ["sunday"]}]});
    let preview = data(
        &ask(&outrigger, "POST", "/api/v1/silences/preview", &named),
        200,
    );
    assert_eq!(preview["tooBroad"], Value::Null);
    assert_eq!(preview["alerts"][0]["labels"]["alertname"], "Firing");
    assert_eq!(preview["next"].as_array().map(Vec::len), Some(5));

    // A recurring one that holds all the time, over a crash.
    let mut recurring = json!({
        "matchers": ["alertname=\"Firing\""], "schedule": [{"location": "Europe/Berlin"}],
        "createdBy": "ann", "comment": "always",
    });
    let made = ask(&outrigger, "POST", "/api/v1/recurring-silences", &recurring);
    outrigger.kill_9();
    let made = data(&made, 200);
    outrigger.start_again();
    let path = format!(
        "/api/v1/recurring-silences/{}",
        made["id"].as_str().expect("an id")
    );
    let active = wait_for("the silence to be active", PATIENCE, || {
        outrigger.data(&path)["active"].as_str().map(str::to_owned)
    });
    let shown = outrigger.get(&format!("/api/v2/silence/{active}")).json();
    assert_eq!(shown["status"]["state"], "active", "{shown}");
    recurring["schedule"] = json!([{"weekdays": ["funday"]}]);
    let refused = ask(&outrigger, "PUT", &path, &recurring);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("funday"), "{refused:?}");
    data(&ask(&outrigger, "DELETE", &path, &json!(null)), 200);
    let shown = outrigger.get(&format!("/api/v2/silence/{active}")).json();
    assert_eq!(shown["status"]["state"], "expired", "{shown}");
    assert_eq!(outrigger.get(&path).status, 404);
}

#[test]
fn a_silence_until_resolved_ends_by_itself() {
    let scene = Scene::new("flag 1\n", RULES);
    scene.settings("silences: {settle: 1s}\n");
    let outrigger = scene.start();
    outrigger.wait_for_alert("Firing", "firing");
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "Firing", "isRegex": false}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "ann", "comment": "work", "annotations": {"outrigger/until": "resolved"},
    });
    let answer = ask(&outrigger, "POST", "/api/v2/silences", &silence);
    assert_eq!(answer.status, 200, "{answer:?}");
    let id = answer.json()["silenceID"]
        .as_str()
        .expect("an id")
        .to_owned();
    let state =
        || outrigger.get(&format!("/api/v2/silence/{id}")).json()["status"]["state"].clone();
    wait_for_evaluations(&outrigger, 10);
    assert_eq!(state(), "active");
    scene.service.expose("flag 0\n");
    wait_until("the silence to end", PATIENCE, || state() == "expired");
    let log = outrigger.data("/api/v2/ledger?kind=silence_ended");
    assert!(log.to_string().contains(&id), "{log}");
}

/// A webhook that is told the links alone.
fn linking(scene: &Scene) {
    let url = scene.recorder.url("/hook");
    let text = format!(
        "route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers:\n- name: hook\n  webhook_configs:\n  - url: '{url}'\n    \
         payload: {{ack: '{{{{ .AckURL }}}}', silence: '{{{{ .SilenceURL }}}}', one: '{{{{ range .Alerts }}}}{{{{ .AckURL }}}}{{{{ end }}}}', \
         status: '{{{{ .Status }}}}'}}\n"
    );
    scene.place.write("alertmanager.yml", &text);
}

#[test]
fn a_link_in_a_message_shows_asks_and_acts_on_post_alone() {
    let scene = Scene::new("flag 1\n", RULES);
    linking(&scene);
    let outrigger = scene.start();
    let told = scene.wait_for_told(1);
    let link = |name: &str| {
        let url = told[0][name].as_str().expect("a link").to_owned();
        let path = url.strip_prefix(&outrigger.url());
        path.unwrap_or_else(|| panic!("{url} is below the external URL"))
            .to_owned()
    };
    for name in ["ack", "silence", "one"] {
        let shown = outrigger.get(&link(name));
        assert_eq!(shown.status, 200, "{name} {shown:?}");
        assert!(
            shown.body.contains("the &#60;flag&#62; is up"),
            "{name} {shown:?}"
        );
        assert!(shown.body.contains("Nothing has happened yet"));
        assert_eq!(shown.header("cache-control"), Some("no-store"));
    }
    assert_eq!(outrigger.data("/api/v1/acks"), json!([]));
    assert_eq!(outrigger.get("/api/v2/silences").json(), json!([]));

    // Changed links and links for something else.
    let (path, query) = link("ack")
        .split_once('?')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("parameters");
    for (path, query) in [
        (path.as_str(), query.replace("token=1", "token=2")),
        (path.as_str(), query.replace("group=", "alert=")),
        ("/silence", query.clone()),
        (path.as_str(), String::new()),
    ] {
        let refused = outrigger.get(&format!("{path}?{query}"));
        assert_eq!(refused.status, 403, "{path}?{query}");
        assert!(refused.body.contains("href=\"/silences\""));
        let posted = http::post(&outrigger.address(), path, &format!("{query}&owner=eve"));
        assert_eq!(posted.expect("an answer").status, 403, "{path}?{query}");
    }
    assert_eq!(outrigger.data("/api/v1/acks"), json!([]));

    let post =
        |path: &str, form: &str| http::post(&outrigger.address(), path, form).expect("an answer");
    let anonymous = post("/ack", &query);
    assert_eq!(anonymous.status, 400, "{anonymous:?}");
    assert!(anonymous.body.contains("say who takes charge"));
    let done = post("/ack", &format!("{query}&owner=ann&note=on+it&lasts=4h"));
    assert_eq!(done.status, 303, "{done:?}");
    let page = outrigger.get(done.header("location").expect("a page"));
    assert!(page.body.contains("You have taken charge"), "{page:?}");
    let acks = outrigger.data("/api/v1/acks?active=true");
    assert_eq!(
        (&acks[0]["owner"], &acks[0]["note"]),
        (&json!("ann"), &json!("on it"))
    );

    let (_, query) = link("silence")
        .split_once('?')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("parameters");
    let done = post(
        "/silence",
        &format!("{query}&owner=ann&lasts=resolved&chosen=1&label=alertname"),
    );
    assert_eq!(done.status, 303, "{done:?}");
    let silences = outrigger.get("/api/v2/silences").json();
    assert_eq!(silences[0]["matchers"].as_array().map(Vec::len), Some(1));
    assert_eq!(silences[0]["annotations"]["outrigger/until"], "resolved");

    scene.service.expose("flag 0\n");
    outrigger.wait_for_quiet("Firing");
    wait_until("nothing to take charge of", PATIENCE, || {
        let shown = outrigger.get(&link("one"));
        shown.status == 200 && shown.body.contains("None of these alerts fires any more")
    });
}

#[test]
fn the_page_of_silences_makes_and_ends_them() {
    let scene = Scene::new("flag 1\n", RULES);
    let outrigger = scene.start();
    outrigger.wait_for_alert("Firing", "firing");
    let token_of = |page: &Answer| {
        let (_, rest) = page
            .body
            .split_once("name=\"token\" value=\"")
            .expect("a form");
        rest.split_once('"').expect("its end").0.to_owned()
    };
    let page = outrigger.get(&format!(
        "/silences?preview=1&matchers={}",
        encoded("alertname=\"Firing\"\nseverity=~\"crit.*\"")
    ));
    assert_eq!(page.status, 200, "{page:?}");
    assert!(
        page.body.contains("It would match 1 of the 1 alerts"),
        "{page:?}"
    );
    let token = token_of(&page);
    let post = |form: &str| http::post(&outrigger.address(), "/silences", form).expect("an answer");
    let matchers = encoded("alertname=\"Firing\"");
    let form = format!("do=create&matchers={matchers}&created_by=ann&comment=work&lasts=1h");
    assert_eq!(post(&form).status, 403, "no token");
    let made = post(&format!("{form}&token={token}"));
    assert_eq!(made.status, 303, "{made:?}");
    let silences = outrigger.get("/api/v2/silences").json();
    let id = silences[0]["id"].as_str().expect("an id").to_owned();
    let page = outrigger.get("/silences?done=created");
    assert!(page.body.contains("The silence holds."), "{page:?}");
    assert!(page.body.contains("alertname=&#34;Firing&#34;"), "{page:?}");
    let ended = post(&format!("do=expire&id={id}&token={token}"));
    assert_eq!(ended.status, 303, "{ended:?}");
    let shown = outrigger.get(&format!("/api/v2/silence/{id}")).json();
    assert_eq!(shown["status"]["state"], "expired");

    let broad = encoded("alertname=~\".+\"");
    let refused = post(&format!(
        "do=create&matchers={broad}&created_by=ann&token={token}"
    ));
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("Silence all the same"), "{refused:?}");
    let weekly = post(&format!(
        "do=create&matchers={matchers}&created_by=ann&weekdays=sunday&from=22:00&until=02:00&token={token}"
    ));
    assert_eq!(weekly.status, 303, "{weekly:?}");
    let recurring = outrigger.data("/api/v1/recurring-silences");
    let id = recurring[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        post(&format!("do=remove&id={id}&token={token}")).status,
        303
    );
    assert_eq!(outrigger.data("/api/v1/recurring-silences"), json!([]));
}
