"""The pages, in one table: name of the picture, path, heading. `{…}` is filled in from the scene."""

PAGES = [
    ("overview", "/", "Overview"),
    ("alerts", "/alerts", "Alerts"),
    ("alert", "/alerts/{fingerprint}", "HighErrorRate"),
    ("silences", "/silences", "Silences and acks"),
    ("silence-preview", "/silences?preview=1&matchers=job%3D%22shop%22&created_by=ann&comment=deploy", "Silences and acks"),
    ("rules", "/rules", "Rules"),
    ("rule", "/rules/shop/HighErrorRate", "HighErrorRate"),
    ("targets", "/targets", "Targets"),
    ("query", "/graph", "Query"),
    ("query-result", "/graph?g0.expr=sum%20by%20(route)(rate(http_requests_total%5B10s%5D))&g0.tab=1", "Query"),
    ("query-graph", "/graph?g0.expr=sum%20by%20(route)(rate(http_requests_total%5B10s%5D))&g0.tab=0", "Query"),
    ("query-several", "/graph?g0.expr=sum%20by%20(route)(rate(http_requests_total%5B10s%5D))&g1.expr=up&g2.expr=sum(", "Query"),
    ("query-mistake", "/graph?g0.expr=sum(rate(", "Query"),
    ("ledger", "/ledger", "Ledger"),
    ("definitions", "/definitions", "Definitions"),
    ("definition", "/definitions/metrics/CHECKOUT-SUCCESS", "Checkout success"),
    ("objective", "/definitions/objectives/OBJ-SHOP", "A checkout that works"),
    ("dashboards", "/dashboards", "Dashboards"),
    ("runbooks", "/runbooks", "Runbooks"),
    ("runbook", "/runbooks/high-error-rate", "HighErrorRate"),
    ("status", "/status", "Status"),
    ("ack", "{ack}", "Acknowledge"),
    ("silence", "{silence}", "Silence"),
]

# Answered with 404, and pages all the same.
MISSING = [
    ("missing", "/no-such-page", "404 Not Found"),
    ("missing-runbook", "/runbooks/no-such-runbook", "404 Not Found"),
    ("missing-rule", "/rules/no-such-group/no-such-rule", "404 Not Found"),
    ("missing-alert", "/alerts/0000000000000000", "404 Not Found"),
    ("missing-definition", "/definitions/metrics/NOTHING", "404 Not Found"),
]


def fixed():
    """Those that need nothing of a scene."""
    needs = ("{", "CHECKOUT-SUCCESS", "OBJ-SHOP", "/rules/shop/")
    return [entry for entry in PAGES if not any(word in entry[1] for word in needs)]
