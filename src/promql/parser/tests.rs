use super::*;

/// Every evaluation of Prometheus's own test data that is not meant to fail must parse.
#[test]
fn every_query_of_the_conformance_data_parses() {
    let directory = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/conformance/promql/json"
    );
    let Ok(files) = std::fs::read_dir(directory) else {
        eprintln!("not run: {directory} is not there");
        return;
    };
    let (mut parsed, mut refused) = (0, Vec::new());
    for file in files {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let commands: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        for command in &commands {
            let Some(query) = command["expr"].as_str() else {
                continue;
            };
            match parse(query) {
                Ok(_) => parsed += 1,
                // Those that fail there fail at evaluation, or where we are stricter: a string that is not UTF-8.
                Err(_) if command["fail"].is_array() => {}
                Err(error) => refused.push(format!("{query}\n    {error}")),
            }
        }
    }
    eprintln!("{parsed} queries parse, {} do not", refused.len());
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn hostile_queries_are_errors_and_never_overflow_the_stack() {
    let check = |query: String| {
        let error = parse(&query).expect_err(&query[..20]);
        assert!(error.message.len() < 300, "{error}");
        assert!(!error.excerpt(&query).is_empty());
    };
    for times in [300, 10_000, 300_000] {
        check("(".repeat(times));
        check(format!("{}1{}", "(".repeat(times), ")".repeat(times)));
        check("-".repeat(times));
        check(format!("{}m", "-".repeat(times)));
        check(format!("1{}", "^1".repeat(times)));
        check(format!("1{}", "+1".repeat(times)));
        check("abs(".repeat(times));
        check("sum(".repeat(times));
        check(format!("m{}", "[1m:]".repeat(times)));
        check(format!("m[{}1m", "(".repeat(times)));
        check(format!("m[{}1m", "-".repeat(times)));
        check(format!("m[1m{}]", "+1m".repeat(times)));
        check(format!("m[1m{}]", "^1m".repeat(times)));
        check(format!("m offset {}1m", "-".repeat(times)));
        check(format!("m offset {}1m", "(".repeat(times)));
        check(format!("m[{}1m", "min_of(".repeat(times)));
    }
    check("x".repeat(MAX_QUERY_BYTES + 1));
    check("\"".repeat(MAX_QUERY_BYTES));
    check(format!("{}!", "1 ".repeat(MAX_QUERY_BYTES / 2 - 1)));
    // As deep as is allowed.
    let depth = 250;
    let query = format!("{}m{}", "abs(".repeat(depth), ")".repeat(depth));
    assert!(parse(&query).is_ok());
    assert!(parse(&format!("m{}", " or m".repeat(depth))).is_ok());
}
