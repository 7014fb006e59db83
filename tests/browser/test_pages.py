"""Every page: in both themes, wide and narrow, with scripts and without."""

import re

from browser import FIRST_PAINT_BYTES, NARROW, WIDE, BrowserTest
from pages import MISSING, PAGES
from scene import Scene, wait_until


class Pages(BrowserTest):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene()
        cls.addClassCleanup(cls.scene.stop)
        scene = cls.scene.start()
        # Something to see: definitions, an alert that fires, one that waits, a silence. Definitions come first: they put
        # labels on alerts, which would be others then.
        scene.define()
        scene.fault("pool")
        scene.fault("errors")
        wait_until("two alerts", lambda: scene.firing("HighErrorRate") and scene.firing("DatabasePoolExhaustion"))
        message = scene.message(lambda text: "HighErrorRate" in text, "a message")
        links = scene.recorder.links(message)
        scene.filled = {
            name: next(link for link in links if re.search(rf"/{name}\?", link)) for name in ("ack", "silence")
        }
        scene.filled["fingerprint"] = scene.firing("HighErrorRate")[0]["fingerprint"]
        status, text = scene.ask("/api/v2/silences", {
            "matchers": [{"name": "alertname", "value": "DatabasePoolExhaustion", "isRegex": False, "isEqual": True}],
            "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z", "createdBy": "ann", "comment": "known"})
        assert status == 200, text

    def path(self, path):
        return re.sub(r"\{(\w+)\}", lambda match: self.scene.filled[match.group(1)], path)

    def check(self, table, theme, width, statuses=(200,)):
        window = self.window(theme=theme, width=width, expect_status=statuses)
        for name, path, heading in table:
            page = window.open(self.path(path))
            with self.subTest(name, rule="heading"):
                self.assertIn(heading, page.locator("h1").first.inner_text())
            with self.subTest(name, rule="weight"):
                self.assertLessEqual(sum(size for _, size in window.sent), FIRST_PAINT_BYTES, window.sent)
            self.look(window, f"{name}-{theme}-{width}")

    def test_in_light_on_a_screen(self):
        self.check(PAGES, "light", WIDE)

    def test_in_dark_on_a_screen(self):
        self.check(PAGES, "dark", WIDE)

    def test_in_light_on_a_phone(self):
        self.check(PAGES, "light", NARROW)

    def test_in_dark_on_a_phone(self):
        self.check(PAGES, "dark", NARROW)

    def test_what_is_not_there_is_a_page_too(self):
        for theme in ("light", "dark"):
            self.check(MISSING, theme, NARROW, (404,))

    def test_without_scripts_everything_is_there(self):
        window = self.window(scripts=False)
        for name, path, heading in PAGES:
            page = window.open(self.path(path))
            with self.subTest(name):
                self.assertIn(heading, page.locator("h1").first.inner_text())
                self.assertGreater(len(page.locator("main").inner_text()), 20)
                self.assertGreater(page.locator("nav[aria-label] a").count(), 2)
                window.shoot(f"{name}-noscript")
                # Nothing that only a script would fill in is left open.
                self.assertNotRegex(page.locator("main").inner_text(), r"(?i)loading|enable javascript")

    def test_expressions_are_added_and_removed_by_the_form_alone(self):
        for scripts in (False, True):
            window = self.window(scripts=scripts)
            page = window.open("/graph?g0.expr=up&g0.tab=1")
            fields = page.locator(".expression textarea")
            with self.subTest(scripts=scripts):
                page.get_by_role("button", name="Add an expression").click()
                self.assertEqual(fields.count(), 2)
                fields.nth(1).fill("up == 0")
                page.get_by_role("button", name="Graph", exact=True).click()
                self.assertEqual([fields.nth(n).input_value() for n in range(2)], ["up", "up == 0"])
                self.assertEqual(page.locator("figure.course").count(), 2)
                self.assertIn("g1.expr=up+%3D%3D+0", page.url)
                # The field of a range: what Enter does in it is what was done before.
                page.locator("#range").fill("5m")
                page.locator("#range").press("Enter")
                page.wait_for_url(lambda url: "g0.range_input=5m" in url)
                self.assertEqual((fields.count(), page.locator("figure.course").count()), (2, 2))
                page.get_by_role("button", name="Remove expression 1").click()
                self.assertEqual((fields.count(), fields.first.input_value()), (1, "up == 0"))

    def test_pictures_are_there(self):
        window = self.window()
        for name, path, _ in PAGES:
            page = window.open(self.path(path))
            window.settle()
            with self.subTest(name):
                self.assertEqual(page.evaluate("[...document.images].filter(i => !i.naturalWidth).map(i => i.src)"), [])
                self.assertEqual(page.locator("img:not([alt])").count(), 0)

    def test_printed_the_page_is_its_content(self):
        window = self.window()
        page = window.open("/runbooks/high-error-rate")
        page.emulate_media(media="print")
        self.assertTrue(page.locator("h1").first.is_visible())
        self.assertFalse(page.locator("header nav").first.is_visible(), "the bar is not printed")
        window.shoot("runbook-print")

    def test_the_policy_holds_the_browser_to_this_host(self):
        window = self.window()
        answers = []
        window.page.on("response", lambda answer: answers.append(answer))
        for _, path, _ in PAGES:
            window.open(self.path(path))
        documents = [answer for answer in answers if answer.request.resource_type == "document"]
        self.assertGreaterEqual(len(documents), len(PAGES))
        for answer in documents:
            policy = answer.headers["content-security-policy"]
            self.assertIn("default-src 'none'", policy)
            self.assertNotRegex(policy, r"unsafe|https?:|\*", answer.url)

    def test_everything_is_reached_by_keyboard_and_seen_when_it_is(self):
        window = self.window()
        for name, path, _ in PAGES:
            page = window.open(self.path(path))
            # Where a field is focused at once, begin at the top all the same.
            page.evaluate("""() => {
                document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex');
            }""")
            seen = []
            for _ in range(400):
                page.keyboard.press("Tab")
                at = page.evaluate("""() => {
                    const e = document.activeElement;
                    if (!e || e === document.body) return null;
                    const style = getComputedStyle(e), box = e.getBoundingClientRect();
                    const shown = box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight;
                    const marked = parseFloat(style.outlineWidth) > 0 && style.outlineStyle !== 'none'
                        || style.boxShadow !== 'none';
                    return {what: e.outerHTML.slice(0, 120), shown, marked};
                }""")
                if at is None:
                    break
                seen.append(at)
            with self.subTest(name):
                self.assertIn("skip", seen[0]["what"], "the way past the bar comes first")
                hidden = [one["what"] for one in seen if not one["shown"]]
                self.assertEqual(hidden, [], "focused and not to be seen")
                unmarked = [one["what"] for one in seen if not one["marked"]]
                self.assertEqual(unmarked, [], "focused and not marked")
                stops = page.evaluate("""() => [...document.querySelectorAll(
                    'main a[href], main button, main input:not([type=hidden]), main select, main textarea, main summary')]
                    .filter(e => e.offsetParent && e.tabIndex >= 0 && !e.disabled && e.type !== 'radio').length""")
                self.assertGreaterEqual(len(seen), min(stops, 390), "everything is a stop")
        page = window.open("/")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        self.assertIn("#page-main", page.url)
