//! The query page, its download and completion, charts under a signed link, and the page of the configuration: through
//! the running program.

use crate::support::http::{encoded, request};
use crate::support::outrigger::Outrigger;
use crate::support::scene::Scene;
use crate::support::wait::{PATIENCE, wait_until};

const EXPOSITION: &str = "\
# HELP shop_requests_total Requests by route.
# TYPE shop_requests_total counter
shop_requests_total{route=\"/cart\"} 5
shop_requests_total{route=\"/pay\"} 7
# TYPE shop_heap_bytes gauge
shop_heap_bytes 1048576
";
const RULES: &str = "  - alert: Busy\n    expr: shop_heap_bytes > 10\n";

fn started(exposition: &str) -> (Scene, Outrigger) {
    let scene = Scene::new(exposition, RULES);
    let outrigger = scene.start();
    wait_until("samples", PATIENCE, || !outrigger.query("up").is_empty());
    (scene, outrigger)
}

fn page(outrigger: &Outrigger, expression: &str, more: &str) -> String {
    let answer = outrigger.get(&format!("/graph?g0.expr={}{more}", encoded(expression)));
    assert_eq!(answer.status, 200, "{expression}: {}", answer.body);
    answer.body
}

#[test]
fn a_query_is_shown_as_a_table_and_as_a_graph_with_what_is_known_of_its_metrics() {
    let (_scene, outrigger) = started(EXPOSITION);
    let table = page(&outrigger, "shop_requests_total", "&g0.tab=1");
    for part in [
        "Instant vector, 2 series",
        "samples read",
        "route=&#34;/cart&#34;",
        "Requests by route.",
        "counter",
        "href=\"/graph.csv?",
        "href=\"/api/v1/query?",
    ] {
        assert!(table.contains(part), "{part} is not in {table}");
    }
    let graph = page(&outrigger, "shop_heap_bytes > 10", "&g0.range_input=5m");
    for part in [
        "<svg ",
        "data-series=\"0\"",
        "threshold &#62; 10",
        "Drawn is <code>shop_heap_bytes</code>",
        "MiB",
        "Values as a table",
        "href=\"/api/v1/query_range?",
        "aria-current=\"true\">5m</a>",
    ] {
        assert!(graph.contains(part), "{part} is not in {graph}");
    }
    wait_until("the alert on the chart", PATIENCE, || {
        page(&outrigger, "shop_heap_bytes > 10", "&range=5m").contains(">firing</span>")
    });
    assert!(
        !graph.contains("style=\""),
        "what the policy forbids: {graph}"
    );
}

#[test]
fn several_expressions_stand_below_each_other_over_one_time() {
    let (_scene, outrigger) = started(EXPOSITION);
    let two = "&g1.expr=shop_requests_total&g0.range_input=5m";
    let both = page(&outrigger, "shop_heap_bytes", two);
    for part in [
        "name=\"g0.expr\"",
        "name=\"g1.expr\"",
        "name=\"remove\" value=\"1\"",
        "name=\"add\"",
        "id=\"result-2\"",
        "id=\"chart-1-title\"",
        "id=\"chart-2-title\"",
        // The time is chosen for both.
        "g0.expr=shop_heap_bytes&#38;g1.expr=shop_requests_total&#38;g0.tab=0&#38;g0.range_input=15m",
        "href=\"/graph.csv?g0.expr=shop_requests_total&#38;g0.tab",
    ] {
        assert!(both.contains(part), "{part} is not in {both}");
    }
    assert_eq!(both.matches("aria-label=\"Time\"").count(), 1);
    // A wrong one does not keep the other from being shown.
    let half = page(&outrigger, "shop_heap_bytes", "&g1.expr=sum(&g0.tab=1");
    assert!(half.contains("Instant vector, 1 series") && half.contains("id=\"query-error-2\""));
    let without = page(&outrigger, "shop_heap_bytes", "&g1.expr=up&remove=0");
    assert!(without.contains("\nup</textarea>"), "{without}");
    assert!(!without.contains("name=\"g1.expr\""), "{without}");
    let more = page(&outrigger, "up", "&add=1");
    assert!(more.contains("id=\"another\" name=\"g1.expr\""), "{more}");
}

#[test]
fn a_mistake_is_shown_in_its_place_and_what_finds_nothing_leads_on() {
    let (_scene, outrigger) = started(EXPOSITION);
    let wrong = page(&outrigger, "sum(rate(x[5m])", "");
    assert!(wrong.contains("aria-invalid=\"true\""), "{wrong}");
    assert!(wrong.contains("               ^</pre>"), "{wrong}");
    let near = page(&outrigger, "shop_request_total", "");
    assert!(
        near.contains("Did you mean <a href=\"/graph?g0.expr=shop_requests_total"),
        "{near}"
    );
    let value = page(
        &outrigger,
        "shop_requests_total{route=\"/card\"}",
        "&tab=table",
    );
    assert!(
        value.contains("its route is &#34;/cart&#34;, &#34;/pay&#34;"),
        "{value}"
    );
    for (parameters, want) in [
        ("range=soon", "range: "),
        ("step=1ms&range=1d", "step: "),
        ("end=never", "end: "),
    ] {
        let answer = outrigger.get(&format!("/graph?expr=up&{parameters}"));
        assert!(answer.body.contains(want), "{parameters}: {}", answer.body);
        assert!(answer.body.contains("up</textarea>"), "the form is kept");
    }
}

#[test]
fn the_result_is_there_for_spreadsheets_and_no_cell_is_a_formula() {
    let (_scene, outrigger) =
        started("evil{a=\"=cmd|' /C calc'!A0\",b=\"+1\",c=\"</script>\"} -3\n");
    let answer = outrigger.get("/graph.csv?expr=evil&tab=table");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        answer.header("content-disposition"),
        Some("attachment; filename=\"outrigger-query.csv\"")
    );
    assert!(
        answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/csv"))
    );
    let mut lines = answer.body.lines();
    assert!(
        lines
            .next()
            .is_some_and(|head| head.starts_with("time,metric,a,b,c,"))
    );
    let row = lines.next().unwrap_or_default();
    assert!(
        row.contains("\"'=cmd|' /C calc'!A0\",\"'+1\",</script>,"),
        "{row}"
    );
    assert!(row.ends_with(",-3"), "{row}");
    let refused = outrigger.get("/graph.csv?expr=up%20%3E");
    assert_eq!(refused.status, 400, "{}", refused.body);
}

#[test]
fn hostile_texts_are_inert_in_expression_legend_axis_and_hints() {
    let evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}";
    let (_scene, outrigger) = started(&format!(
        "flag{{name=\"{evil}\"}} 1\nflag{{name=\"b\"}} 2\n"
    ));
    let check = |path: &str| {
        let body = outrigger.get(path).body;
        for never in ["<script>alert", "<img src=x", "style=\""] {
            assert!(!body.contains(never), "{never} in {path:.80}: {body:.4000}");
        }
        body
    };
    let graph = check("/graph?expr=flag");
    assert!(
        graph.contains("&lt;script&gt;") || graph.contains("&#60;script&#62;"),
        "{graph}"
    );
    check("/graph?expr=flag&tab=table");
    for text in [
        evil,
        "\"</textarea><script>alert(1)</script>",
        "flag{name=\"</script><script>alert(1)\"}",
        "a\u{0}b",
        "fla{x=\"<img src=x onerror=alert(1)>\"}",
    ] {
        let text = encoded(text);
        check(&format!("/graph?expr={text}"));
        check(&format!("/graph?expr={text}&tab=table"));
        check(&format!(
            "/graph?expr=up&range={text}&step={text}&end={text}"
        ));
    }
}

#[test]
fn a_signed_link_leads_to_a_picture_that_is_kept_and_no_other_does() {
    let (_scene, outrigger) = started(EXPOSITION);
    let html = page(&outrigger, "shop_heap_bytes", "&range=5m");
    let link = html
        .split("href=\"")
        .find(|part| part.starts_with("/render/query.png?"));
    let link = link
        .and_then(|part| part.split('"').next())
        .expect("a link");
    let link = link.replace("&#38;", "&");
    let answer = outrigger.get(&link);
    assert_eq!(answer.status, 200, "{link}");
    assert_eq!(answer.header("content-type"), Some("image/png"));
    let tag = answer.header("etag").expect("a tag").to_owned();
    let known = [("if-none-match", tag.as_str())];
    let again = request(&outrigger.address(), "GET", &link, &known, "").expect("an answer");
    // The quarter of a minute that it shows may have passed.
    let is_other = again.status == 200 && again.header("etag") != Some(tag.as_str());
    assert!(again.status == 304 || is_other, "{}", again.status);
    for wrong in [
        link.replace("shop_heap_bytes", "up"),
        link.replace("query.png", "query.svg"),
        link.replace("range=", "range=9"),
        "/render/query.png".to_owned(),
        "/render/query.png?expr=up&range=x&token=1-2".to_owned(),
    ] {
        assert_eq!(outrigger.get(&wrong).status, 403, "{wrong}");
    }
    assert_eq!(outrigger.get("/render/..%2fsecret").status, 404);
    let metrics = outrigger.get("/metrics").body;
    assert!(
        metrics.contains("outrigger_picture_cache_limit_bytes 4194304"),
        "{metrics}"
    );
}

#[test]
fn completion_has_the_language_and_the_script_comes_from_here() {
    let (_scene, outrigger) = started(EXPOSITION);
    let words = outrigger.get("/assets/promql.json").json();
    let words = words.as_array().expect("a list");
    let rate = words
        .iter()
        .find(|word| word["name"] == "rate")
        .expect("rate");
    assert_eq!(rate["form"], "rate(range vector)");
    let html = page(&outrigger, "up", "");
    let script = html
        .split("src=\"")
        .find(|part| part.starts_with("/assets/query.js"))
        .expect("a script");
    let answer = outrigger.get(script.split('"').next().unwrap_or_default());
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/javascript"))
    );
}

#[test]
fn the_configuration_page_tells_what_changed_and_why_a_reload_was_refused() {
    let (scene, outrigger) = started(EXPOSITION);
    let shown = || outrigger.get("/status/configuration").body;
    assert!(shown().contains("There was no reload since the start"));
    scene.rules("  - alert: Busy\n    expr: shop_heap_bytes > 20\n");
    wait_until("the change of the file", PATIENCE, || {
        shown().contains("class=\"added\"")
    });
    let page = shown();
    for part in [
        "expr shop_heap_bytes &#62; 10",
        "expr shop_heap_bytes &#62; 20",
        "changed",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    scene.place.write(
        "outrigger.yml",
        "scrape_configs:\n- job_name: a\n  basic_auth: {username: u, pasword: hunter2}\n",
    );
    assert_eq!(outrigger.post("/-/reload").status, 400);
    let page = shown();
    for part in [
        "The last reload was refused",
        "outrigger.yml:3:",
        "basic_auth: {username: …, pasword: …}",
        // What ran before goes on, and so does its page.
        "expr shop_heap_bytes &#62; 20",
        "job_name: shop",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(!page.contains("hunter2"), "{page}");
    assert_eq!(outrigger.get("/").status, 200);
}
