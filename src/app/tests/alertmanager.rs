//! Alertmanager's API; status codes and codes in bodies are those that the real one answers with.

use serde_json::json;

use super::*;
use crate::model::timestamp::Timestamp;

async fn ask(
    place: &Place,
    method: Method,
    path: &str,
    kind: &str,
    body: &str,
) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, kind)
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = place.send(request).await;
    (response.status(), text(response).await)
}

async fn post(place: &Place, path: &str, body: &str) -> (StatusCode, String) {
    ask(place, Method::POST, path, "application/json", body).await
}

fn in_an_hour() -> String {
    (Clock::system().now() + Duration::from_secs(3600)).to_rfc3339()
}

#[tokio::test]
async fn in_alertmanagers_place_nothing_of_ours_is_served() {
    let place = Place::upstream_only().await;
    let check = async |method: Method, path: &str, want: u16| {
        let request = Request::builder().method(method).uri(path);
        let response = place.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), want, "{path}");
    };
    for path in ["/", "/silences", "/metrics", "/-/healthy", "/-/ready"] {
        check(Method::GET, path, 200).await;
    }
    for name in ["alerts", "alerts/groups", "silences", "receivers", "status"] {
        check(Method::GET, &format!("/api/v2/{name}/"), 200).await;
    }
    for path in [
        "/graph",
        "/query",
        "/runbooks",
        "/render/alert/0000000000000001.png",
        "/ack",
        "/silence",
        "/api/v1/query",
        "/api/v1/storms",
        "/api/v1/acks",
        "/api/v1/recurring-silences",
        "/api/v1/notifications/receivers",
        "/api/v1/metrics",
        "/api/metrics",
        "/openapi.json",
        "/api-docs/",
        "/dashboards",
    ] {
        check(Method::GET, path, 404).await;
    }
    for path in [
        "/api/v1/routes/test",
        "/api/v1/storms/team/end",
        "/api/v1/silences/preview",
    ] {
        check(Method::POST, path, 404).await;
    }
    let page = text(place.get("/").await).await;
    for ours in ["/graph", "/runbooks", "Targets", "Rules"] {
        assert!(!page.contains(ours), "{ours}: {page}");
    }
    place.end().await;
}

#[tokio::test]
async fn the_status_page_shows_what_others_post() {
    for place in [Place::new().await, Place::upstream_only().await] {
        let body = r#"[{"labels":{"alertname":"Posted","severity":"critical"},"annotations":{"summary":"it is <hot>"}}]"#;
        assert_eq!(post(&place, "/api/v2/alerts", body).await.0, 200);
        let page = text(place.get("/").await).await;
        assert!(page.contains("1 firing"), "{page}");
        assert!(page.contains("Posted") && page.contains("it is "), "{page}");
        assert!(!page.contains("<hot>"), "{page}");
        place.end().await;
    }
}

#[tokio::test]
async fn bad_alerts_are_refused_as_alertmanager_refuses_them() {
    let place = Place::new().await;
    let check = async |body: &str, want: u16, code: Option<u16>| {
        let (status, said) = post(&place, "/api/v2/alerts", body).await;
        assert_eq!(status, want, "{body}: {said}");
        if want == 200 {
            assert_eq!(said, "", "{body}");
            return;
        }
        let said: Value = serde_json::from_str(&said).unwrap();
        match code {
            Some(code) => assert_eq!(said["code"], code, "{body}: {said}"),
            None => assert!(said.is_string(), "{body}: {said}"),
        }
    };
    check("[]", 200, None).await;
    check("", 422, Some(602)).await;
    check("{}", 400, Some(400)).await;
    check("{bad", 400, Some(400)).await;
    check("[{}]", 422, Some(602)).await;
    check(r#"[{"labels":{"a":1}}]"#, 400, Some(400)).await;
    check(
        r#"[{"labels":{"a":"b"},"startsAt":"nope"}]"#,
        400,
        Some(400),
    )
    .await;
    check(
        r#"[{"labels":{"a":"b"},"generatorURL":"::bad"}]"#,
        422,
        Some(601),
    )
    .await;
    check(r#"[{"labels":{}}]"#, 400, None).await;
    check(r#"[{"labels":{"a":""}}]"#, 400, None).await;
    check(r#"[{"labels":{"":"b"}}]"#, 400, None).await;
    let ends_first = r#"[{"labels":{"a":"b"},"startsAt":"2026-01-02T00:00:00Z","endsAt":"2026-01-01T00:00:00Z"}]"#;
    check(ends_first, 400, None).await;
    let (status, said) = ask(&place, Method::POST, "/api/v2/alerts", "text/plain", "[]").await;
    assert_eq!(status, 415, "{said}");
    let large = format!("[{}", " ".repeat(17 << 20));
    assert_eq!(post(&place, "/api/v2/alerts", &large).await.0, 413);
    assert_eq!(place.json("/api/v2/alerts").await, json!([]));

    // A request half of which is valid: that half is taken.
    check(r#"[{"labels":{"a":"b"}},{"labels":{}}]"#, 400, None).await;
    assert_eq!(
        place.json("/api/v2/alerts").await[0]["labels"],
        json!({"a": "b"})
    );
    for path in ["/api/v2/nope", "/api/v2/silence/x/y"] {
        let response = place.get(path).await;
        assert_eq!(response.status(), 404);
        assert_eq!(json(response).await["code"], 404);
    }
    let (status, said) = ask(
        &place,
        Method::PUT,
        "/api/v2/alerts",
        "application/json",
        "[]",
    )
    .await;
    assert_eq!((status.as_u16(), said.contains("405")), (405, true));
    place.end().await;
}

/// What Alertmanager stores of a body and answers, taken from the real one (`ä` and `a-b` as label names from 0.27 on).
#[tokio::test]
async fn a_body_is_read_as_alertmanager_reads_it() {
    const JSON: &str = "application/json";
    let place = Place::new().await;
    let check = async |kind: &str, body: &[u8], want: u16, stored: &[&str]| {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let mut request = Request::builder().method(Method::POST);
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request
            .uri("/api/v2/alerts")
            .body(Body::from(body.to_vec()));
        let response = place.send(request.unwrap()).await;
        assert_eq!(response.status(), want, "{kind} {shown}");
        let listed = place.json("/api/v2/alerts").await;
        let mut names: Vec<&str> = listed
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|alert| alert["labels"]["n"].as_str())
            .collect();
        names.sort_unstable();
        assert_eq!(names, stored, "{kind} {shown}");
        // The next one finds nothing.
        let ended: Vec<Value> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|alert| json!({"labels": alert["labels"], "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2020-01-02T00:00:00Z"}))
            .collect();
        post(&place, "/api/v2/alerts", &json!(ended).to_string()).await;
    };
    let alert = |name: &str| format!(r#"{{"labels":{{"n":"{name}"}}}}"#);
    let one = format!("[{}]", alert("a"));
    // Types.
    check(
        "application/json; charset=utf-8",
        one.as_bytes(),
        200,
        &["a"],
    )
    .await;
    check("Application/JSON", one.as_bytes(), 200, &["a"]).await;
    check("", one.as_bytes(), 415, &[]).await;
    check("text/plain", one.as_bytes(), 415, &[]).await;
    check("application/json;;;=", one.as_bytes(), 400, &[]).await;
    check("", b"", 422, &[]).await;
    check("text/plain", b" ", 415, &[]).await;
    // One value is read.
    check(JSON, b" \n", 422, &[]).await;
    check(JSON, b"null", 200, &[]).await;
    check(JSON, format!("{one} rest").as_bytes(), 200, &["a"]).await;
    check(JSON, &one.as_bytes()[..one.len() - 1], 400, &[]).await;
    check(JSON, b"[null]", 400, &[]).await;
    check(JSON, b"\xef\xbb\xbf[]", 400, &[]).await;
    // Characters.
    check(
        JSON,
        b"[{\"labels\":{\"n\":\"a\xff\xfe\"}}]",
        200,
        &["a\u{fffd}\u{fffd}"],
    )
    .await;
    check(
        JSON,
        br#"[{"labels":{"n":"a\ud800"}}]"#,
        200,
        &["a\u{fffd}"],
    )
    .await;
    check(JSON, b"[{\"labels\":{\"n\":\"a\"}}\xff]", 400, &[]).await;
    check(JSON, b"[{\"labels\":{\"n\":\"a\x01\"}}]", 400, &[]).await;
    check(JSON, br#"[{"labels":{"n":"a\u0000"}}]"#, 200, &["a\0"]).await;
    // Keys.
    check(
        JSON,
        br#"[{"labels":{"n":"a"},"labels":{"n":"b"}}]"#,
        200,
        &["b"],
    )
    .await;
    check(JSON, br#"[{"LABELS":{"n":"a"}}]"#, 200, &["a"]).await;
    check(JSON, br#"[{"labels":{"n":"a","n":"b"}}]"#, 200, &["b"]).await;
    check(
        JSON,
        br#"[{"labels":{"n":"a","x":null},"else":[{}]}]"#,
        200,
        &["a"],
    )
    .await;
    check(JSON, br#"[{"labels":null}]"#, 422, &[]).await;
    check(JSON, br#"[{"labels":[]}]"#, 400, &[]).await;
    check(
        JSON,
        r#"[{"labels":{"n":"a","ä":"x","a-b":"y"}}]"#.as_bytes(),
        200,
        &["a"],
    )
    .await;
    // Deep and large ones.
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    check(JSON, deep(200_000).as_bytes(), 400, &[]).await;
    let unknown = format!(r#"[{{"labels":{{"n":"a"}},"else":{}}}]"#, deep(5_000));
    check(JSON, unknown.as_bytes(), 200, &["a"]).await;
    let deep_labels = format!(r#"[{{"labels":{{"n":{}}}}}]"#, deep(200_000));
    check(JSON, deep_labels.as_bytes(), 400, &[]).await;
    let padded = format!("[{},{}]", alert("a"), " ".repeat(17 << 20));
    check(JSON, padded.as_bytes(), 413, &[]).await;
    check(JSON, b"\x1f\x8b\x08\0\0\0\0\0", 400, &[]).await;
    // Some are valid: those are stored.
    let half = format!("[{},{{\"labels\":{{}}}},{}]", alert("a"), alert("b"));
    check(JSON, half.as_bytes(), 400, &["a", "b"]).await;
    // One that does not fit the description spoils them all.
    check(JSON, format!("[{},{{}}]", alert("a")).as_bytes(), 422, &[]).await;
    place.end().await;
}

#[tokio::test]
async fn alerts_are_told_as_alertmanager_tells_them() {
    let place = Place::new().await;
    let end = in_an_hour();
    let body = json!([
        {"labels": {"alertname": "A", "e": ""}, "annotations": {"x": "y"}, "generatorURL": "http://g/1"},
        {"labels": {"alertname": "B", "severity": "page"}, "startsAt": "2026-01-02T03:04:05.678Z", "endsAt": end},
        {"labels": {"alertname": "Over"}, "startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-02T00:00:01Z"},
    ]);
    let (status, said) = post(&place, "/api/v2/alerts", &body.to_string()).await;
    assert_eq!((status.as_u16(), said.as_str()), (200, ""));
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "B|C", "isRegex": true}],
        "startsAt": "2026-01-01T00:00:00Z", "endsAt": end, "createdBy": "ann", "comment": "work",
    });
    let (status, said) = post(&place, "/api/v2/silences", &silence.to_string()).await;
    assert_eq!(status, 200, "{said}");
    let id = serde_json::from_str::<Value>(&said).unwrap()["silenceID"].clone();

    let alerts = place.json("/api/v2/alerts").await;
    let by_name = |name: &str| {
        let alerts = alerts.as_array().unwrap().iter();
        alerts
            .clone()
            .find(|alert| alert["labels"]["alertname"] == name)
            .cloned()
    };
    let mut a = by_name("A").unwrap();
    // What the real one answers with for these labels.
    assert_eq!(a["fingerprint"], "d2c6efc389df0927");
    assert_eq!(a["updatedAt"], a["startsAt"]);
    let time = |value: &Value| Timestamp::parse_rfc3339(value.as_str().unwrap()).unwrap();
    let lasts = time(&a["endsAt"]).since(time(&a["startsAt"]));
    assert_eq!(lasts, Duration::from_secs(300), "resolve_timeout");
    for key in ["startsAt", "endsAt", "updatedAt", "fingerprint"] {
        a.as_object_mut().unwrap().remove(key);
    }
    let receivers = a.as_object_mut().unwrap().remove("receivers").unwrap();
    assert_eq!(receivers.as_array().unwrap().len(), 1);
    let active = json!({"inhibitedBy": [], "mutedBy": [], "silencedBy": [], "state": "active"});
    let want = json!({
        "labels": {"alertname": "A"}, "annotations": {"x": "y"}, "generatorURL": "http://g/1", "status": active,
    });
    assert_eq!(a, want);
    let b = by_name("B").unwrap();
    assert_eq!(b["startsAt"], "2026-01-02T03:04:05.678Z");
    assert_eq!(b["endsAt"], end.as_str());
    assert_eq!(b.get("generatorURL"), None);
    assert_eq!(b["status"]["silencedBy"], json!([id]));
    assert_eq!(b["status"]["state"], "suppressed");
    assert_eq!(by_name("Over"), None);

    let check = async |query: &str, want: &[&str]| {
        let names = |alerts: &Value| -> Vec<String> {
            let alerts = alerts.as_array().unwrap().iter();
            alerts
                .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
                .collect()
        };
        let mut listed = names(&place.json(&format!("/api/v2/alerts?{query}")).await);
        listed.sort();
        assert_eq!(listed, want, "{query}");
        let groups = place.json(&format!("/api/v2/alerts/groups?{query}")).await;
        let groups = groups.as_array().unwrap().iter();
        let mut grouped: Vec<String> = groups.flat_map(|group| names(&group["alerts"])).collect();
        grouped.sort();
        assert_eq!(grouped, want, "groups {query}");
    };
    check("", &["A", "B"]).await;
    check("silenced=false", &["A"]).await;
    check("active=false", &["B"]).await;
    check("active=false&silenced=false", &[]).await;
    check("inhibited=false&muted=false&unprocessed=false", &["A", "B"]).await;
    check("filter=alertname%3DA", &["A"]).await;
    check("filter=severity%3D%22%22", &["A"]).await;
    check("filter=severity!%3D%22%22", &["B"]).await;
    check(
        "filter=alertname%3D~%22A%7CB%22&filter=severity%3Dpage",
        &["B"],
    )
    .await;
    check("receiver=.*", &["A", "B"]).await;
    check("receiver=nobody", &[]).await;
    for query in ["filter=bad%20x", "filter=a%3D~%22(%22", "receiver=("] {
        for path in ["/api/v2/alerts", "/api/v2/alerts/groups"] {
            let response = place.get(&format!("{path}?{query}")).await;
            assert_eq!(response.status(), 400, "{query}");
            assert!(json(response).await.is_string());
        }
    }
    let status = place.json("/api/v2/status").await;
    assert_eq!(status["cluster"]["peers"].as_array().unwrap().len(), 1);
    assert_eq!(status["cluster"]["status"], "disabled");
    let original = status["config"]["original"].as_str().unwrap();
    assert!(original.contains("receiver:"), "{original}");
    let all = place.json("/api/v2/receivers").await;
    assert!(all.as_array().unwrap().contains(&receivers[0]), "{all}");
    place.end().await;
}

#[tokio::test]
async fn silences_are_made_changed_and_ended() {
    let place = Place::new().await;
    let end = in_an_hour();
    let silence = |changes: Value| {
        let mut silence = json!({
            "matchers": [{"name": "a", "value": "b", "isRegex": false}],
            "startsAt": "2026-01-01T00:00:00Z", "endsAt": end, "createdBy": "", "comment": "",
        });
        for (key, value) in changes.as_object().unwrap() {
            match value.is_null() {
                true => drop(silence.as_object_mut().unwrap().remove(key)),
                false => silence[key] = value.clone(),
            }
        }
        silence.to_string()
    };
    let check = async |changes: Value, want: u16, code: Option<u16>| {
        let body = silence(changes);
        let (status, said) = post(&place, "/api/v2/silences", &body).await;
        assert_eq!(status, want, "{body}: {said}");
        let said: Value = serde_json::from_str(&said).unwrap();
        match code {
            Some(code) => assert_eq!(said["code"], code, "{body}: {said}"),
            None => assert!(said.is_string(), "{body}: {said}"),
        }
    };
    let matcher = |name: &str, value: &str, regex: bool| json!({"matchers": [{"name": name, "value": value, "isRegex": regex}]});
    check(json!({"comment": null}), 422, Some(602)).await;
    check(json!({"startsAt": null}), 422, Some(602)).await;
    check(json!({"matchers": []}), 422, Some(612)).await;
    check(json!({"matchers": [{"name": "a"}]}), 422, Some(602)).await;
    check(matcher("a", "", false), 400, None).await;
    check(matcher("a", "(", true), 400, None).await;
    check(matcher("", "b", false), 400, None).await;
    check(json!({"endsAt": "2025-01-01T00:00:00Z"}), 400, None).await;
    check(json!({"endsAt": "2026-01-02T00:00:00Z"}), 400, None).await;
    let unknown = "11111111-2222-3333-4444-555555555555";
    check(json!({"id": unknown}), 404, None).await;
    assert_eq!(post(&place, "/api/v2/silences", "").await.0, 422);
    for (id, want) in [("nope", 422), (unknown, 404)] {
        let path = format!("/api/v2/silence/{id}");
        assert_eq!(place.get(&path).await.status(), want);
        let deleted = ask(&place, Method::DELETE, &path, "application/json", "").await;
        assert_eq!(deleted.0, want);
    }

    let made = async |changes: Value| {
        let (status, said) = post(&place, "/api/v2/silences", &silence(changes)).await;
        assert_eq!(status, 200, "{said}");
        let said: Value = serde_json::from_str(&said).unwrap();
        said["silenceID"].as_str().unwrap().to_owned()
    };
    let id = made(json!({"comment": "c", "createdBy": "ann"})).await;
    let shown = place.json(&format!("/api/v2/silence/{id}")).await;
    assert_eq!(shown["status"], json!({"state": "active"}));
    assert_eq!(shown["startsAt"], shown["updatedAt"], "a past start is now");
    assert_eq!(
        shown["matchers"],
        json!([{"isEqual": true, "isRegex": false, "name": "a", "value": "b"}])
    );
    let same = json!({"id": id, "startsAt": shown["startsAt"], "comment": "longer"});
    assert_eq!(made(same).await, id);
    let other = made(json!({"id": id, "matchers": [{"name": "a", "value": "c", "isRegex": false, "isEqual": false}, {"name": "d", "value": "e", "isRegex": false}]})).await;
    assert_ne!(other, id);
    let states = async |query: &str| -> Vec<(String, String)> {
        let list = place.json(&format!("/api/v2/silences{query}")).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = list.as_array().unwrap().iter();
        list.map(|silence| (text(&silence["id"]), text(&silence["status"]["state"])))
            .collect()
    };
    let state = |id: &str, state: &str| (id.to_owned(), state.to_owned());
    assert_eq!(
        states("").await,
        [state(&other, "active"), state(&id, "expired")]
    );
    assert_eq!(states("?filter=a!%3Dc").await, [state(&other, "active")]);
    for _ in 0..2 {
        let path = format!("/api/v2/silence/{other}");
        let deleted = ask(&place, Method::DELETE, &path, "application/json", "").await;
        assert_eq!(deleted, (StatusCode::OK, String::new()));
    }
    assert_eq!(states("?filter=a!%3Dc").await, [state(&other, "expired")]);
    place.end().await;
}
