"""The pages, in one table: name of the picture, path, heading. `{…}` is filled in from the scene."""

PAGES = [
    ("status", "/", "Status"),
    ("query", "/graph", "Query"),
    ("query-result", "/graph?g0.expr=sum%20by%20(route)(rate(http_requests_total%5B10s%5D))", "Query"),
    ("query-mistake", "/graph?g0.expr=sum(rate(", "Query"),
    ("silences", "/silences", "Silences and acks"),
    ("silence-preview", "/silences?preview=1&matchers=job%3D%22shop%22&created_by=ann&comment=deploy", "Silences and acks"),
    ("runbooks", "/runbooks", "Runbooks"),
    ("runbook", "/runbooks/high-error-rate", "High"),
    ("ack", "{ack}", "Acknowledge"),
    ("silence", "{silence}", "Silence"),
]

# Answered with 404, and pages all the same.
MISSING = [
    ("missing", "/no-such-page", "404 Not Found"),
    ("missing-runbook", "/runbooks/no-such-runbook", "404 Not Found"),
]
