//! Faulty queries, and the exact place and words of the complaint.

use super::*;

#[track_caller]
fn check(query: &str, want: &str) {
    let error = parse(query).expect_err(query);
    assert_eq!(error.to_string(), want, "{query}");
}

#[test]
fn grammar_faults_say_what_was_found_and_what_was_expected() {
    check("", "1:1: parse error: no expression found in input");
    check(
        "  # only a comment",
        "1:1: parse error: no expression found in input",
    );
    check(
        "up{",
        "1:4: parse error: unexpected end of input inside braces",
    );
    check(
        "up{job",
        "1:7: parse error: unexpected end of input inside braces",
    );
    check(
        "up{job=}",
        "1:8: parse error: unexpected \"}\" in label matching, expected string",
    );
    check(
        "up{job='a' env='b'}",
        "1:12: parse error: unexpected identifier \"env\" in label matching, expected \",\" or \"}\"",
    );
    check(
        "up{job>'a'}",
        "1:7: parse error: unexpected character inside braces: '>'",
    );
    check(
        "up{=\"a\"}",
        "1:4: parse error: unexpected \"=\" in label matching, expected identifier or \"}\"",
    );
    check(
        "up{job=~\"(\"}",
        "1:4: parse error: bad regular expression \"(\": unclosed group",
    );
    check(
        "sum(foo",
        "1:8: parse error: unexpected end of input in aggregation, expected \")\" for the parenthesis opened at 1:4",
    );
    check(
        "sum(",
        "1:5: parse error: unexpected end of input in aggregation, expected an expression",
    );
    check(
        "sum by (job",
        "1:12: parse error: unexpected end of input in grouping opts, expected \")\" for the parenthesis opened at 1:8",
    );
    check(
        "sum by job (up)",
        "1:8: parse error: unexpected identifier \"job\" in grouping opts, expected \"(\"",
    );
    check(
        "sum by (job) up",
        "1:14: parse error: unexpected identifier \"up\" in aggregation, expected \"(\"",
    );
    check(
        "sum by (1) (up)",
        "1:9: parse error: unexpected number \"1\" in grouping opts, expected label",
    );
    check(
        "sum by (\"\") (up)",
        "1:9: parse error: invalid label name for grouping: \"\"",
    );
    check(
        "sum()",
        "1:1: parse error: no arguments for aggregate expression provided",
    );
    check(
        "sum(a, b)",
        "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 1, got 2",
    );
    check(
        "topk(a)",
        "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
    );
    check(
        "abs(a, )",
        "1:6: parse error: trailing commas not allowed in function call args",
    );
    check(
        "a +",
        "1:4: parse error: unexpected end of input after \"+\", expected an expression",
    );
    check(
        "a +\n  * b",
        "2:3: parse error: unexpected operator \"*\" after \"+\", expected an expression",
    );
    check(
        "a b",
        "1:3: parse error: unexpected identifier \"b\", expected an operator or end of input",
    );
    check(
        "1 2",
        "1:3: parse error: unexpected number \"2\", expected an operator or end of input",
    );
    check("a)", "1:2: parse error: unexpected right parenthesis ')'");
    check(
        "(a",
        "1:3: parse error: unexpected end of input in parentheses, expected \")\" for the parenthesis opened at 1:1",
    );
    check(
        "(a\n  + b",
        "2:6: parse error: unexpected end of input in parentheses, expected \")\" for the parenthesis opened at 1:1",
    );
    check(
        "by(up)",
        "1:3: parse error: unexpected \"(\", \"by\" is not a function",
    );
    check(
        "job:up:sum(1)",
        "1:11: parse error: unexpected \"(\", \"job:up:sum\" is not a function",
    );
    check(
        "rat(up[5m])",
        "1:1: parse error: unknown function with name \"rat\", did you mean \"rate\"?",
    );
    check(
        "frobnicate(up)",
        "1:1: parse error: unknown function with name \"frobnicate\"",
    );
    check(
        "up[",
        "1:4: parse error: unexpected end of input in subquery or range selector, expected a duration",
    );
    check(
        "up[]",
        "1:4: parse error: unexpected \"]\" in subquery or range selector, expected a duration",
    );
    check(
        "up[5m",
        "1:6: parse error: unexpected end of input in subquery or range selector, expected an operator, \":\" or \"]\"",
    );
    check(
        "up[5m:",
        "1:7: parse error: unexpected end of input in subquery selector, expected a duration or \"]\"",
    );
    check(
        "up[5m:1m:1m]",
        "1:9: parse error: unexpected \":\" in subquery selector, expected an operator or \"]\"",
    );
    check(
        "up[0s]",
        "1:4: parse error: duration must be greater than 0",
    );
    check(
        "up[-5m]",
        "1:4: parse error: duration must be greater than 0",
    );
    check(
        "up[5m:0]",
        "1:7: parse error: duration must be greater than 0",
    );
    check("up[300y]", "1:4: parse error: duration out of range");
    check("up[1h/0]", "1:6: parse error: division by zero");
    check(
        "up[foo]",
        "1:4: parse error: unexpected identifier \"foo\" in subquery or range selector, expected a duration",
    );
    check(
        "up[5m[1m]]",
        "1:6: parse error: unexpected left bracket '['",
    );
    check(
        "up[1.0005]",
        "1:4: parse error: duration must be a whole number of milliseconds",
    );
    check(
        "sum(up)[5m]",
        "1:8: parse error: ranges only allowed for vector selectors; write [range:] for a subquery",
    );
    check(
        "up offset 5m [5m]",
        "1:14: parse error: no offset modifiers allowed before range",
    );
    check(
        "up @ 5 [5m]",
        "1:8: parse error: no @ modifiers allowed before range",
    );
    check(
        "up offset",
        "1:10: parse error: unexpected end of input in offset, expected number, duration, step(), or range()",
    );
    check(
        "up offset foo",
        "1:11: parse error: unexpected identifier \"foo\" in offset, expected number, duration, step(), or range()",
    );
    check(
        "up offset 1m offset 2m",
        "1:1: parse error: offset may not be set multiple times",
    );
    check(
        "sum(up) offset 1m",
        "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
    );
    check(
        "(up) @ 5",
        "1:1: parse error: @ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
    );
    check(
        "up @ foo",
        "1:6: parse error: unexpected identifier \"foo\" in @, expected timestamp, start() or end()",
    );
    check(
        "up @ Inf",
        "1:1: parse error: timestamp out of bounds for @ modifier: +Inf",
    );
    check(
        "up @ 1 @ 2",
        "1:1: parse error: @ <timestamp> may not be set multiple times",
    );
    check(
        "up @ start",
        "1:11: parse error: unexpected end of input in @, expected \"(\"",
    );
    check(
        "up anchored smoothed",
        "1:1: parse error: anchored and smoothed modifiers cannot be used together",
    );
    check(
        "up[5m:] anchored",
        "1:9: parse error: anchored modifier is not supported for subqueries",
    );
    check(
        "a + group_left b",
        "1:5: parse error: unexpected keyword \"group_left\", expected \"on\" or \"ignoring\" before it",
    );
    check(
        "a + on b",
        "1:8: parse error: unexpected identifier \"b\" in grouping opts, expected \"(\"",
    );
    check(
        "a + fill(b) c",
        "1:10: parse error: unexpected identifier \"b\" in fill modifier, expected number",
    );
    check(
        "a + fill(1) fill_left(1) c",
        "1:13: parse error: fill value may not be set multiple times",
    );
    check(
        "a + bool",
        "1:9: parse error: unexpected end of input after \"+\", expected an expression",
    );
    check(
        "foo{__name__=\"bar\"}",
        "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\"",
    );
    check(
        "foo{\"bar\"}",
        "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\"",
    );
    check(
        "start(1)",
        "1:1: parse error: expected 0 argument(s) in call to \"start\", got 1",
    );
}

#[test]
fn lexical_faults_are_found() {
    check("\"abc", "1:1: parse error: unterminated quoted string");
    check("'a\nb'", "1:1: parse error: unterminated quoted string");
    check("`abc", "1:1: parse error: unterminated raw string");
    check(
        "\"\\q\"",
        "1:2: parse error: unknown escape sequence \"\\q\"",
    );
    check("\"\\xff\"", "1:1: parse error: string is not valid UTF-8");
    check(
        "a =~ b",
        "1:3: parse error: unexpected character after '=': '~'",
    );
    check(
        "a = b",
        "1:3: parse error: unexpected \"=\", expected an operator or end of input; \"==\" compares",
    );
    check(
        "a ! b",
        "1:3: parse error: unexpected character after '!': ' '",
    );
    check(
        "a{b!c}",
        "1:4: parse error: unexpected character after '!': 'c'",
    );
    check(
        "a{b{",
        "1:4: parse error: unexpected character inside braces: '{'",
    );
    check(
        "a{1=\"b\"}",
        "1:3: parse error: unexpected character inside braces: '1'",
    );
    check("1..2", "1:1: parse error: bad number syntax: \"1..2\"");
    check("1_", "1:1: parse error: bad number syntax: \"1_\"");
    check("0xzz", "1:1: parse error: bad number syntax: \"0xzz\"");
    check(
        "5x",
        "1:1: parse error: bad number or duration syntax: \"5x\"",
    );
    check(
        "5m3h",
        "1:1: parse error: bad number or duration syntax: \"5m3h\"",
    );
    check(
        "1.5h",
        "1:1: parse error: bad number or duration syntax: \"1.5h\"",
    );
    check("a $ b", "1:3: parse error: unexpected character: '$'");
    check("é", "1:1: parse error: unexpected character: 'é'");
    check("a]", "1:2: parse error: unexpected right bracket ']'");
    check("a}", "1:2: parse error: unexpected character: '}'");
}

#[test]
fn type_faults_are_prometheus_s() {
    check(
        "rate(up)",
        "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector; add a range, such as [5m]",
    );
    check(
        "rate(sum(up))",
        "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector; apply it before aggregating, or add a subquery's range, such as [5m:]",
    );
    check(
        "sum(up[5m])",
        "1:5: parse error: expected type instant vector in aggregation expression, got range vector; wrap it in a function over time, such as rate",
    );
    check(
        "sum(1)",
        "1:5: parse error: expected type instant vector in aggregation expression, got scalar; vector() makes a vector of a scalar",
    );
    check(
        "topk(up, up)",
        "1:6: parse error: expected type scalar in aggregation parameter, got instant vector; scalar() makes a scalar of a vector",
    );
    check(
        "topk(\"5\", up)",
        "1:6: parse error: expected type scalar in aggregation parameter, got string",
    );
    check(
        "count_values(5, up)",
        "1:14: parse error: expected type string in aggregation parameter, got scalar",
    );
    check(
        "count_values(\"\", up)",
        "1:14: parse error: invalid label name \"\"",
    );
    check(
        "abs()",
        "1:1: parse error: expected 1 argument(s) in call to \"abs\", got 0",
    );
    check(
        "round(up, 1, 2)",
        "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3",
    );
    check(
        "label_join(up, \"a\")",
        "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 2",
    );
    check(
        "label_join(up, \"a\", \",\", b)",
        "1:26: parse error: expected type string in call to function \"label_join\", got instant vector",
    );
    check(
        "time(1)",
        "1:1: parse error: expected 0 argument(s) in call to \"time\", got 1",
    );
    check(
        "vector(up)",
        "1:8: parse error: expected type scalar in call to function \"vector\", got instant vector; scalar() makes a scalar of a vector",
    );
    check(
        "scalar(1)",
        "1:8: parse error: expected type instant vector in call to function \"scalar\", got scalar; vector() makes a vector of a scalar",
    );
    check(
        "info(up, foo{a=\"b\"})",
        "1:10: parse error: expected label selectors only, got vector selector instead",
    );
    check(
        "info(up, sum(up))",
        "1:10: parse error: expected label selectors only",
    );
    check(
        "1 == 1",
        "1:3: parse error: comparisons between scalars must use BOOL modifier",
    );
    check(
        "1 and 1",
        "1:1: parse error: set operator \"and\" not allowed in binary scalar expression",
    );
    check(
        "up or 1",
        "1:1: parse error: set operator \"or\" not allowed in binary scalar expression",
    );
    check(
        "up + bool up",
        "1:4: parse error: bool modifier can only be used on comparison operators",
    );
    check(
        "up[5m] + 1",
        "1:1: parse error: binary expression must contain only scalar and instant vector types, got range vector",
    );
    check(
        "1 + \"a\"",
        "1:5: parse error: binary expression must contain only scalar and instant vector types, got string",
    );
    check(
        "up + on(a) 1",
        "1:1: parse error: vector matching only allowed between instant vectors",
    );
    check(
        "up + fill(1) 1",
        "1:1: parse error: filling in missing series only allowed between instant vectors",
    );
    check(
        "a and on(x) group_left b",
        "1:1: parse error: no grouping allowed for \"and\" operation",
    );
    check(
        "a and fill(1) b",
        "1:1: parse error: filling in missing series not allowed for set operators",
    );
    check(
        "a + on(x) group_left(x) b",
        "1:3: parse error: label \"x\" must not occur in ON and GROUP clause at once",
    );
    check(
        "-\"a\"",
        "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got \"string\"",
    );
    check(
        "-up[5m]",
        "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got \"range vector\"",
    );
    check(
        "up[5m][5m:]",
        "1:1: parse error: subquery is only allowed on instant vector, got range vector instead",
    );
    check(
        "1[5m:]",
        "1:1: parse error: subquery is only allowed on instant vector, got scalar instead",
    );
    check(
        "{}",
        "1:1: parse error: vector selector must contain at least one non-empty matcher",
    );
    check(
        "{a=~\".*\"}",
        "1:1: parse error: vector selector must contain at least one non-empty matcher",
    );
    check(
        "rate({a=\"\"}[5m])",
        "1:6: parse error: vector selector must contain at least one non-empty matcher",
    );
}
