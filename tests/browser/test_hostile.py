"""What others say (labels, names, runbooks, queries, paths) is text on every page, and nothing of it runs."""

import datetime
import re
import urllib.parse

from browser import NARROW, BrowserTest
from pages import fixed
from scene import Scene, wait_until

SCRIPT = "<script>window.hacked=1;alert(1)</script>"
IMAGE = "<img src=x onerror=\"window.hacked=1\"><svg onload=window.hacked=1>"
RIGHT_TO_LEFT = "user\u202etxt.exe\u2066 \u05d0\u05d1\u05d2 \u0627\u0644\u0639"
LONG = "x" * 10_000
QUOTES = "\"' onmouseover='window.hacked=1' autofocus onfocus=window.hacked=1 x=\""
LINK = "javascript:window.hacked=1"
TEMPLATE = "{{constructor.constructor('window.hacked=1')()}} ${window.hacked=1} {% raw %}"
HOSTILE = [SCRIPT, IMAGE, RIGHT_TO_LEFT, LONG, QUOTES, LINK, TEMPLATE, "\u0001\u0007 a\u0000b".replace("\u0000", "\ufffd")]

RUNBOOK = f"""---
alert: HostileOne
severity: critical{SCRIPT}
owner: '{SCRIPT}{RIGHT_TO_LEFT}'
dashboards: ['{LINK}']
---
# {SCRIPT} {IMAGE}

[link]({LINK}) <a href="{LINK}">other</a> <iframe src="//example.org"></iframe> <style>body{{display:none}}</style>

![picture](http://example.org/x.png "{SCRIPT}") <form action="http://example.org"><input name=password></form>

```promql
up{{a="{SCRIPT}"}}
```
"""

RULES = f"""
groups:
  - name: "{SCRIPT}"
    rules:
      - alert: HostileOne
        expr: 'label_replace(up{{job="shop"}}, "evil", "{SCRIPT}", "", "") == 1'
        labels: {{severity: '{SCRIPT}'}}
        annotations:
          summary: '{SCRIPT} {RIGHT_TO_LEFT}'
          runbook_url: '{LINK}'
          dashboard_url: '{LINK}'
"""


class Hostile(BrowserTest):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene(rules=RULES, runbooks={"hostile.md": RUNBOOK, "broken.md": "---\nalert: [unclosed\n---\n# Broken\n"})
        cls.addClassCleanup(cls.scene.stop)
        scene = cls.scene.start()
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        alerts = [{
            "labels": {"alertname": text[:1000] if text != LONG else "Long", "evil": text, "severity": "critical"},
            "annotations": {"summary": text, "description": text, "runbook_url": LINK},
            "startsAt": now, "generatorURL": "http://example.org/" + urllib.parse.quote(text[:100]),
        } for text in HOSTILE]
        alerts.append({"labels": {"alertname": "Many", **{f"l{n:02}": LONG[:2000] for n in range(20)}}, "startsAt": now})
        for alert in alerts:
            status, text = scene.ask("/api/v2/alerts", [alert])
            assert status == 200, (str(alert)[:200], text[:500])
        status, text = scene.ask("/api/v2/silences", {
            "matchers": [{"name": "evil", "value": SCRIPT, "isRegex": False, "isEqual": True}],
            "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z", "createdBy": SCRIPT + RIGHT_TO_LEFT,
            "comment": IMAGE + QUOTES})
        assert status == 200, text
        wait_until("the rule to fire", lambda: scene.firing("HostileOne"))
        wait_until("all posted", lambda: len(scene.json("/api/v2/alerts")) >= len(alerts) + 1)
        scene.fingerprints = [alert["fingerprint"] for alert in scene.json("/api/v2/alerts")]

    def paths(self):
        paths = [path for _, path, _ in fixed()]
        quoted = [urllib.parse.quote(text[:2000], safe="") for text in HOSTILE]
        return paths + ["/runbooks/hostile", "/runbooks/broken"] + [
            path.format(text) for text in quoted for path in (
                "/graph?g0.expr={0}", "/runbooks/{0}", "/{0}", "/login?next={0}", "/ack?group={0}&token={0}",
                "/silences?preview=1&matchers={0}&created_by={0}&comment={0}", "/silence?alert={0}&token={0}",
                "/?filter={0}&page={0}", "/alerts?filter={0}", "/rules?filter={0}", "/ledger?receiver={0}&filter={0}",
                "/definitions?search={0}", "/dashboards?name={0}", "/alerts/{0}", "/rules/{0}")]

    def test_nothing_of_it_runs_or_leads_out(self):
        statuses = (200, 303, 400, 401, 403, 404, 405, 410, 414, 422)
        window = self.window(expect_status=statuses)
        for path in self.paths():
            page = window.open(path)
            with self.subTest(path[:80]):
                self.assertIsNone(page.evaluate("window.hacked ?? null"))
                self.assertEqual(page.locator("body script:not([src])").count(), 0, "a script in the page")
                self.assertEqual(page.locator("iframe, object, embed, img[onerror], svg[onload], style").count(), 0)
                self.assertEqual(page.evaluate("""() => [...document.querySelectorAll('a[href], form[action], [src]')]
                    .map(e => e.href || e.action || e.src).filter(u => /^(javascript|vbscript):/i.test(u))"""), [])
                self.assertEqual(page.evaluate("""() => [...document.querySelectorAll('*')].flatMap(e =>
                    [...e.attributes].filter(a => /^on/i.test(a.name)).map(a => e.tagName + ' ' + a.name))"""), [])
                # A field gives back what was typed into it; everywhere else what turns the direction of writing is visible.
                self.assertEqual(page.evaluate("""() => {
                    const clone = document.documentElement.cloneNode(true);
                    clone.querySelectorAll('textarea, input, [data-query]').forEach(e => e.remove());
                    return /[\\u202a-\\u202e\\u2066-\\u2069]/.test(clone.outerHTML);
                }"""), False)
                self.assertEqual(page.evaluate("""() => [...document.querySelectorAll('form')].filter(f =>
                    new URL(f.action).origin !== location.origin).length"""), 0, "forms stay here")

    def test_pages_with_it_keep_their_shape(self):
        for width in (1280, NARROW):
            window = self.window(width=width, theme="dark" if width == NARROW else "light", expect_status=(200, 404))
            for name, path, _ in fixed():
                window.open(path)
                with self.subTest(name, width=width):
                    window.shoot(f"hostile-{name}-{width}")
                    self.assertIsNone(window.too_wide())
            window.open("/runbooks/hostile")
            window.shoot(f"hostile-runbook-{width}")
            self.assertIsNone(window.too_wide())

    def test_each_alert_and_the_rule_is_a_page(self):
        window = self.window(width=NARROW, expect_status=(200,))
        for number, fingerprint in enumerate(self.scene.fingerprints):
            page = window.open(f"/alerts/{fingerprint}")
            with self.subTest(number):
                self.assertIsNone(page.evaluate("window.hacked ?? null"))
                self.assertIsNone(window.too_wide())
                self.assertEqual(page.locator("a[href^='javascript:']").count(), 0)
        window.shoot(f"hostile-alert-{NARROW}")
        page = window.open("/rules")
        page.get_by_role("link", name="HostileOne").first.click()
        page.wait_for_load_state()
        self.assertIn("HostileOne", page.locator("h1").first.inner_text())
        self.assertIsNone(window.too_wide())
        window.shoot(f"hostile-rule-{NARROW}")

    def test_a_broken_runbook_says_why_and_the_others_work(self):
        window = self.window()
        page = window.open("/runbooks/broken")
        self.assertRegex(page.locator("main").inner_text(), re.compile("mistake|broken|unclosed|front matter", re.I))
        window.shoot("broken-runbook")
        page = window.open("/runbooks/high-error-rate")
        self.assertIn("High", page.locator("h1").inner_text())

    def test_alerts_are_told_apart_by_who_reads_them(self):
        # What would turn the reading direction round is isolated: the rest of the line stays where it is.
        window = self.window()
        page = window.open("/silences")
        self.assertIn("Silences", page.locator("h1").inner_text())
        self.assertIn(SCRIPT, page.locator("main").inner_text(), "it is shown as what it is")
