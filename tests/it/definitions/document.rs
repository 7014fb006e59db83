//! The OpenAPI document and its pages, as a running Outrigger gives them.

use super::start;
use crate::support::place::Place;

#[test]
fn the_document_and_its_pages_come_out_of_the_binary() {
    let place = Place::new();
    let api = start(&place);
    let document = api.get("/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.contains_key("/api/v1/metrics/{id}"));
    // Authentication is off.
    assert!(!paths.contains_key("/api/auth/login"));
    let tag = api.get("/openapi.json").header("etag").unwrap().to_owned();
    let known = api.ask("GET", "/openapi.json", &[("if-none-match", &tag)], "");
    assert_eq!((known.status, known.body.as_str()), (304, ""));
    let yaml = api.get("/openapi.yaml");
    assert_eq!(yaml.header("content-type"), Some("application/yaml"));
    assert!(yaml.body.starts_with("openapi: 3.1.0\n"), "{}", yaml.body);

    let moved = api.get("/api-docs");
    assert_eq!(
        (moved.status, moved.header("location")),
        (308, Some("/api-docs/"))
    );
    let page = api.get("/api-docs/");
    assert_eq!(page.header("content-type"), Some("text/html"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self';"), "{policy}");
    // Plain for who does not say that he takes gzip.
    assert_eq!(page.header("content-encoding"), None);
    assert!(page.body.contains("swagger-ui-bundle.js"), "{}", page.body);
    let packed = api.ask("GET", "/api-docs/", &[("accept-encoding", "gzip")], "");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let setup = api.get("/api-docs/swagger-initializer.js");
    assert!(setup.body.contains("../openapi.json"), "{}", setup.body);
    for file in ["swagger-ui-bundle.js", "swagger-ui.css"] {
        assert_eq!(api.get(&format!("/api-docs/{file}")).status, 200, "{file}");
    }
    assert_eq!(api.get("/api-docs/nothing").status, 404);
    let other = api.get("/runbooks");
    let policy = other.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self'"), "{policy}");
}

/// No path answers that it is not there, or that it takes another method.
#[test]
fn every_documented_operation_is_answered() {
    let place = Place::new();
    let api = start(&place);
    let document = api.get("/openapi.json").json();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let asked = path.replace("{id}", "none").replace("{revision}", "1");
            let answer = api.ask(&method.to_uppercase(), &asked, &[], "");
            assert!(
                answer.status < 500 && answer.status != 405,
                "{method} {path}: {answer:?}"
            );
            // What is not there is told by who knows the path.
            assert!(!answer.body.contains("no such path"), "{method} {path}");
        }
    }
}
