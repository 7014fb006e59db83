//! Who may do what, through the program: accounts by command, tokens and keys over HTTP, roles over every part.

use serde_json::{Value, json};

use crate::support::http::{self, Answer};
use crate::support::outrigger::{Outrigger, add_accounts, run_to_end};
use crate::support::place::Place;
use crate::support::wait::{PATIENCE, wait_until};

const PASSWORD: &str = "Correct-horse 7 battery";
const SETTINGS: &str = "\
scrape_self: true
auth:
  enabled: true
  registration: open
  refresh_grace: 0s
  password: {memory: 8MiB, iterations: 1}
";

struct Scene {
    place: Place,
    outrigger: Outrigger,
}

impl Scene {
    /// Runs with an account for each role, named for it.
    fn new() -> Self {
        let place = Place::new();
        place.write("outrigger.yml", SETTINGS);
        add_accounts(place.path(), &["viewer", "editor", "admin"], PASSWORD);
        let outrigger = Outrigger::start(place.path(), &["--config", "outrigger.yml"]);
        Self { place, outrigger }
    }

    fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("content-type", "application/json")];
        if !token.is_empty() {
            headers.push(("authorization", bearer.as_str()));
        }
        let body = body.to_string();
        http::request(&self.outrigger.address(), method, path, &headers, &body).unwrap()
    }

    fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.ask("POST", path, token, &body)
    }

    #[track_caller]
    fn log_in(&self, name: &str) -> (String, String) {
        let body = json!({"username": name, "password": PASSWORD});
        let answer = self.post("/api/v1/auth/login", "", body);
        assert_eq!(answer.status, 200, "{answer:?}");
        tokens(&answer)
    }
}

/// Access and refresh token of an answer.
fn tokens(answer: &Answer) -> (String, String) {
    let json = answer.json();
    let text = |name: &str| json["tokens"][name].as_str().expect("a token").to_owned();
    (text("access_token"), text("refresh_token"))
}

#[track_caller]
fn command(place: &Place, arguments: &[&str]) -> String {
    let output = run_to_end(place.path(), arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str, words: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let json = answer.json();
    assert_eq!(json["success"], false);
    assert_eq!(json["error"]["code"], code, "{json}");
    let message = json["error"]["message"].as_str().expect("a message");
    assert!(message.contains(words), "{message}");
    assert_eq!(json["requestId"].as_str(), answer.header("x-request-id"));
    assert!(json["timestamp"].is_string());
}

#[test]
fn people_register_log_in_refresh_and_log_out() {
    let scene = Scene::new();
    let ada = json!({"username": "ada", "email": "ada@example.org", "full_name": "Ada", "password": PASSWORD, "role": "admin"});
    let registered = scene.post("/api/auth/register", "", ada.clone());
    assert_eq!(registered.status, 201, "{registered:?}");
    let user = &registered.json()["user"];
    assert_eq!(
        (&user["role"], &user["status"]),
        (&json!("viewer"), &json!("active"))
    );
    assert!(user.get("password_hash").is_none());
    let taken = scene.post("/api/auth/register", "", ada);
    refused(&taken, 409, "RES_CONFLICT", "username");
    let weak = json!({"username": "bob", "email": "bob@example.org", "full_name": "Bob", "password": "weak"});
    let weak = scene.post("/api/auth/register", "", weak);
    refused(&weak, 400, "VAL_INVALID_FIELDS", "password");

    for name in ["ada", "nobody"] {
        let wrong = json!({"username": name, "password": "Wrong-password-1"});
        let wrong = scene.post("/api/auth/login", "", wrong);
        refused(&wrong, 401, "AUTH_INVALID_CREDENTIALS", "Invalid");
    }
    let headers = [("content-type", "application/json")];
    let address = scene.outrigger.address();
    let broken = http::request(
        &address,
        "POST",
        "/api/auth/login",
        &headers,
        "{\"password\": hunter2",
    )
    .unwrap();
    refused(&broken, 400, "VAL_BODY", "not JSON");
    assert!(!broken.body.contains("hunter2"));
    let form = http::post(&address, "/api/auth/login", "username=ada").unwrap();
    refused(&form, 415, "VAL_MEDIA_TYPE", "JSON");

    let (access, refresh) = scene.log_in("ada");
    let me = scene.ask("GET", "/api/auth/me", &access, &Value::Null);
    assert_eq!(me.json()["user"]["username"], "ada", "{me:?}");
    assert_eq!(me.header("cache-control"), Some("no-store"));
    let tampered = format!("{access}x");
    let tampered = scene.ask("GET", "/api/auth/me", &tampered, &Value::Null);
    refused(&tampered, 401, "AUTH_TOKEN_INVALID", "invalid access token");
    let nobody = scene.outrigger.get("/api/auth/me");
    refused(&nobody, 401, "AUTH_REQUIRED", "authentication");
    assert_eq!(nobody.header("content-type"), Some("application/json"));
    let keys = scene.outrigger.get("/.well-known/jwks.json").json();
    assert_eq!(keys["keys"][0]["alg"], "RS256");

    let again = |token: &str| scene.post("/api/auth/refresh", "", json!({"refresh_token": token}));
    let next = again(&refresh);
    assert_eq!(next.status, 200, "{next:?}");
    let (newer, newer_refresh) = tokens(&next);
    assert_ne!(newer_refresh, refresh);
    let me = |token: &str| scene.ask("GET", "/api/auth/me", token, &Value::Null).status;
    assert_eq!(me(&newer), 200);
    // The old one again: the whole session ends.
    refused(
        &again(&refresh),
        401,
        "AUTH_REFRESH_INVALID",
        "refresh token",
    );
    refused(
        &again(&newer_refresh),
        401,
        "AUTH_REFRESH_INVALID",
        "refresh token",
    );
    assert_eq!(me(&newer), 401);

    let (access, refresh) = scene.log_in("ada");
    let out = scene.post(
        "/api/auth/logout",
        &access,
        json!({"refresh_token": refresh}),
    );
    assert!(out.body.contains("Logged out"), "{out:?}");
    assert_eq!(me(&access), 401);
    let metrics = scene.outrigger.get("/metrics").body;
    assert!(
        metrics.contains("outrigger_auth_refreshes_total{outcome=\"replayed\"} 1"),
        "{metrics}"
    );
}

#[test]
fn roles_count_over_the_whole_product() {
    let scene = Scene::new();
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "X", "isRegex": false}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z", "createdBy": "a", "comment": "c",
    });
    let asks: [(&str, &str, Value, [u16; 4]); 11] = [
        // What nobody, a viewer, an editor and an administrator are answered.
        ("GET", "/-/ready", Value::Null, [200; 4]),
        ("GET", "/metrics", Value::Null, [200; 4]),
        ("GET", "/", Value::Null, [401, 200, 200, 200]),
        (
            "GET",
            "/api/v1/query?query=1",
            Value::Null,
            [401, 200, 200, 200],
        ),
        ("GET", "/api/v2/alerts", Value::Null, [401, 200, 200, 200]),
        ("POST", "/api/v2/silences", silence, [401, 403, 200, 200]),
        ("POST", "/-/reload", Value::Null, [401, 403, 403, 200]),
        ("GET", "/api/auth/users", Value::Null, [401, 403, 403, 200]),
        ("GET", "/api/v1/metrics", Value::Null, [401, 200, 200, 200]),
        ("POST", "/api/v1/metrics", json!({}), [401, 403, 400, 400]),
        (
            "DELETE",
            "/api/v1/metrics/x",
            Value::Null,
            [401, 403, 403, 404],
        ),
    ];
    let callers = [
        String::new(),
        scene.log_in("viewer").0,
        scene.log_in("editor").0,
        scene.log_in("admin").0,
    ];
    for (method, path, body, want) in &asks {
        let found = callers
            .each_ref()
            .map(|token| scene.ask(method, path, token, body).status);
        assert_eq!(found, *want, "{method} {path}");
    }
    // A change by a command counts in the process that runs.
    let silences = || {
        scene
            .post("/api/v2/silences", &callers[2], asks[5].2.clone())
            .status
    };
    command(&scene.place, &["user", "set-role", "editor", "viewer"]);
    wait_until("the demotion to count", PATIENCE, || silences() == 403);
    command(&scene.place, &["user", "suspend", "editor"]);
    wait_until("the suspension to count", PATIENCE, || silences() == 401);
    let again = json!({"username": "editor", "password": PASSWORD});
    let again = scene.post("/api/auth/login", "", again);
    refused(&again, 401, "AUTH_INVALID_CREDENTIALS", "Invalid");
    assert!(command(&scene.place, &["user", "list"]).contains("suspended"));

    let viewer = scene
        .ask("GET", "/api/auth/me", &callers[1], &Value::Null)
        .json();
    let id = viewer["user"]["user_id"].as_str().unwrap();
    let path = format!("/api/auth/users/{id}");
    let promoted = scene.ask("PUT", &path, &callers[3], &json!({"role": "editor"}));
    assert_eq!(promoted.json()["user"]["role"], "editor", "{promoted:?}");
    let silence = scene.post("/api/v2/silences", &callers[1], asks[5].2.clone());
    assert_eq!(silence.status, 200);
    assert_eq!(
        scene.ask("DELETE", &path, &callers[3], &Value::Null).status,
        200
    );
    assert_eq!(
        scene
            .ask("GET", "/api/auth/me", &callers[1], &Value::Null)
            .status,
        401
    );
}

#[test]
fn keys_of_programs_may_what_they_were_made_for() {
    let scene = Scene::new();
    let key = command(
        &scene.place,
        &[
            "apikey",
            "add",
            "editor",
            "prometheus",
            "--scope",
            "monitoring:write",
            "--expires",
            "90d",
        ],
    );
    let key = key.trim();
    assert!(key.starts_with("mdl_") && key.len() == 68, "{key}");
    let address = scene.outrigger.address();
    let with_key = |method: &str, path: &str, body: &str| {
        let headers = [("x-api-key", key), ("content-type", "application/json")];
        http::request(&address, method, path, &headers, body).unwrap()
    };
    let alerts = r#"[{"labels": {"alertname": "X"}}]"#;
    assert_eq!(with_key("POST", "/api/v2/alerts", alerts).status, 200);
    assert_eq!(
        scene.ask("GET", "/api/v2/alerts", key, &Value::Null).status,
        200
    );
    assert_eq!(with_key("POST", "/-/reload", "").status, 403);
    refused(
        &with_key("POST", "/api/auth/api-keys", "{}"),
        403,
        "AUTH_LOGIN_NEEDED",
        "log in",
    );

    let (access, _) = scene.log_in("viewer");
    let ask = |scopes: Value| {
        scene.post(
            "/api/auth/api-keys",
            &access,
            json!({"name": "mine", "scopes": scopes}),
        )
    };
    refused(
        &ask(json!(["admin"])),
        400,
        "VAL_INVALID_FIELDS",
        "above the role",
    );
    refused(&ask(json!(["root"])), 400, "VAL_INVALID_FIELDS", "scopes");
    let made = ask(json!(["metrics:read"]));
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let mine = made["api_key"].as_str().unwrap();
    let me = |key: &str| scene.ask("GET", "/api/auth/me", key, &Value::Null).status;
    assert_eq!(me(mine), 200);
    // It speaks of metric definitions only.
    let query = scene.ask("GET", "/api/v1/query?query=1", mine, &Value::Null);
    assert_eq!(
        (query.status, &query.json()["status"]),
        (403, &json!("error"))
    );
    // Whatever signs the address has.
    let (editor, _) = scene.log_in("editor");
    let domain = json!({"domain_id": "SHOP", "name": "Shop"});
    assert_eq!(scene.post("/api/v1/domains", &editor, domain).status, 201);
    let page = |path: &str, token: &str| scene.ask("GET", path, token, &Value::Null).status;
    for kind in ["domains", "%64omains"] {
        let path = format!("/definitions/{kind}/SHOP");
        assert_eq!(page(&path, &access), 200, "{path}");
        assert!(matches!(page(&path, mine), 403 | 404), "{path}");
    }
    let list = scene.ask("GET", "/api/auth/api-keys", &access, &Value::Null);
    assert!(
        !list.body.contains(mine) && !list.body.contains("hash"),
        "{list:?}"
    );
    let path = format!(
        "/api/auth/api-keys/{}",
        made["key_info"]["key_id"].as_str().unwrap()
    );
    let (other, _) = scene.log_in("editor");
    assert_eq!(scene.ask("DELETE", &path, &other, &Value::Null).status, 403);
    assert_eq!(
        scene.ask("DELETE", &path, &access, &Value::Null).status,
        200
    );
    assert_eq!(me(mine), 401);
}

#[test]
fn a_browser_is_led_to_the_login_and_back() {
    let scene = Scene::new();
    let address = scene.outrigger.address();
    let get = |path: &str, cookie: &str| {
        let headers = [("accept", "text/html"), ("cookie", cookie)];
        http::request(&address, "GET", path, &headers, "").unwrap()
    };
    let led = get("/silences?a=b", "");
    let login = "/login?next=%2Fsilences%3Fa%3Db";
    assert_eq!((led.status, led.header("location")), (303, Some(login)));
    assert!(get(login, "").body.contains("value=\"/silences?a=b\""));
    let fill = |password: &str| {
        let password = http::encoded(password);
        let form = format!("username=viewer&password={password}&next=%2Fsilences");
        http::post(&address, "/login", &form).unwrap()
    };
    let wrong = fill("wrong");
    assert_eq!(wrong.status, 401);
    assert!(wrong.body.contains("Invalid username or password"));
    let right = fill(PASSWORD);
    assert_eq!(
        (right.status, right.header("location")),
        (303, Some("/silences"))
    );
    let cookie = right.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let page = get("/silences", cookie);
    assert_eq!(page.status, 200);
    let shown = "<strong>viewer</strong> <span>viewer</span></p><button class=\"small\">Sign out";
    assert!(page.body.contains(shown), "{}", page.body);
    // Who is not known is not told that something happens either.
    let events = http::get(&address, "/events").unwrap();
    assert_eq!(events.status, 401, "{events:?}");
    let out = [("cookie", cookie)];
    let out = http::request(&address, "POST", "/logout", &out, "").unwrap();
    assert_eq!(out.status, 303);
    assert_eq!(get("/silences", cookie).status, 303);
}

#[test]
fn too_many_failures_lock_a_name_whether_somebody_has_it_or_not() {
    let scene = Scene::new();
    for name in ["viewer", "nobody"] {
        let fail = || {
            let body = json!({"username": name, "password": "Wrong-password-1"});
            scene.post("/api/auth/login", "", body)
        };
        for _ in 0..5 {
            refused(&fail(), 401, "AUTH_INVALID_CREDENTIALS", "Invalid");
        }
        let locked = fail();
        refused(&locked, 429, "RATE_LOGIN_LOCKED", "too many");
        assert!(locked.header("retry-after").is_some());
    }
}

#[test]
fn without_authentication_there_is_no_login_and_other_addresses_stay_refused() {
    let place = Place::new();
    place.write("outrigger.yml", "scrape_self: true\n");
    let outrigger = Outrigger::start(place.path(), &["--config", "outrigger.yml"]);
    for path in ["/api/auth/me", "/login", "/.well-known/jwks.json"] {
        assert_eq!(outrigger.get(path).status, 404, "{path}");
    }
    assert_eq!(outrigger.get("/api/v1/query?query=1").status, 200);
    let check = |settings: &str| {
        place.write(
            "elsewhere.yml",
            &format!("web: {{listen: '0.0.0.0:9797'}}\n{settings}"),
        );
        run_to_end(place.path(), &["check", "--config", "elsewhere.yml"])
            .status
            .success()
    };
    assert!(!check(""));
    assert!(!check("auth: {enabled: false}\n"));
    assert!(check("auth: {enabled: true}\n"));
}

#[test]
fn older_paths_and_bulk_writes_ask_for_the_same_roles() {
    let scene = Scene::new();
    let token = |name| scene.log_in(name).0;
    let (viewer, editor, admin) = (token("viewer"), token("editor"), token("admin"));
    let list = |ids: &[&str]| {
        let domain = |id: &&str| json!({"domain_id": id, "name": id});
        json!({"domains": ids.iter().map(domain).collect::<Vec<_>>()})
    };
    let save = "/api/domains/save";
    refused(
        &scene.post(save, "", list(&["A"])),
        401,
        "AUTH_REQUIRED",
        "",
    );
    refused(
        &scene.post(save, &viewer, list(&["A"])),
        403,
        "AUTH_ROLE_TOO_LOW",
        "editor",
    );
    assert_eq!(scene.post(save, &editor, list(&["A", "B"])).status, 200);
    // What a list leaves out would be removed.
    let removing = scene.post(save, &editor, list(&["A"]));
    refused(&removing, 403, "AUTH_ROLE_TOO_LOW", "admin");
    assert_eq!(removing.json()["error"]["details"], json!(["B"]));
    assert_eq!(scene.post(save, &admin, list(&["A"])).status, 200);
    let none = json!({});
    for path in ["/api/domains/A", "/api/metrics/A", "/api/objectives/A"] {
        refused(
            &scene.ask("DELETE", path, "", &none),
            401,
            "AUTH_REQUIRED",
            "",
        );
        refused(
            &scene.ask("DELETE", path, &editor, &none),
            403,
            "AUTH_ROLE_TOO_LOW",
            "admin",
        );
    }
    let ids = json!({"ids": ["A"]});
    let bulk = "/api/v1/bulk/domains";
    refused(
        &scene.ask("DELETE", bulk, &editor, &ids),
        403,
        "AUTH_ROLE_TOO_LOW",
        "admin",
    );
    assert_eq!(scene.ask("DELETE", bulk, &admin, &ids).status, 200);
    let import = json!({"data": {"domain_id": "A", "name": "A"}});
    refused(
        &scene.post("/api/import", &viewer, import.clone()),
        403,
        "AUTH_ROLE_TOO_LOW",
        "editor",
    );
    assert_eq!(scene.post("/api/import", &editor, import).status, 200);
    refused(
        &scene.ask("GET", "/api/v1/audit", &editor, &none),
        403,
        "AUTH_ROLE_TOO_LOW",
        "admin",
    );
    let audit = scene
        .ask("GET", "/api/v1/audit?kind=domain", &admin, &none)
        .json();
    assert_eq!(audit["data"][0]["actor"], "editor", "{audit}");
}
