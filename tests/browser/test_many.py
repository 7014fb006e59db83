"""Ten thousand alerts: pages open, are bounded, and lead on to the rest. How fast is measured by tests/load/pages."""

import datetime

from browser import NARROW, BrowserTest
from pages import fixed
from scene import Scene, wait_until

ALERTS = 10_000
ROUTING = """
route: {{receiver: nobody, group_by: [alertname], group_wait: 10s}}
receivers: [{{name: nobody}}]
"""
MAX_ELEMENTS = 8_000


class Many(BrowserTest):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene(routing=ROUTING)
        cls.addClassCleanup(cls.scene.stop)
        scene = cls.scene.start()
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        for begin in range(0, ALERTS, 1000):
            status, text = scene.ask("/api/v2/alerts", [{
                "labels": {"alertname": f"Posted{number % 50:02}", "instance": f"host-{number:05}:9100", "job": "fleet",
                           "severity": ("critical", "warning", "info")[number % 3], "cluster": f"c{number % 7}"},
                "annotations": {"summary": f"host-{number:05} is unwell"}, "startsAt": now,
            } for number in range(begin, begin + 1000)])
            assert status == 200, text[:500]
        wait_until("all of them", lambda: len(scene.json("/api/v2/alerts")) >= ALERTS)

    def test_each_page_opens_and_is_bounded(self):
        window = self.window()
        for name, path, _ in fixed():
            page = window.open(path)
            with self.subTest(name):
                self.assertLess(page.evaluate("document.querySelectorAll('*').length"), MAX_ELEMENTS)
                self.assertLess(sum(size for _, size in window.sent), 400_000, window.sent)
                self.assertIsNone(window.too_wide())

    def test_the_list_of_alerts_leads_on_page_by_page(self):
        for scripts in (True, False):
            with self.subTest(scripts=scripts):
                window = self.window(scripts=scripts)
                page = window.open("/alerts")
                seen = set()
                for number in range(4):
                    shown = set(page.locator("main a[href^='/alerts/']").evaluate_all("all => all.map(e => e.getAttribute('href'))"))
                    self.assertTrue(shown, "alerts are links")
                    self.assertFalse(shown & seen, "the next page has others")
                    seen |= shown
                    self.look(window, f"many-alerts-{number}") if scripts and number < 2 else None
                    page.locator("a[rel=next]").first.click()
                    page.wait_for_load_state()

    def test_a_filter_finds_one_among_them(self):
        window = self.window(width=NARROW)
        page = window.open("/alerts")
        box = page.get_by_label("Matchers")
        box.fill('instance="host-07777:9100"')
        box.press("Enter")
        page.get_by_text("host-07777").first.wait_for()
        self.assertEqual(page.get_by_text("host-07776").count(), 0)
        self.look(window, "many-filtered")

    def test_a_silence_of_many_is_previewed(self):
        window = self.window(width=NARROW)
        page = window.open("/silences?preview=1&matchers=job%3D%22fleet%22&created_by=ann&comment=all")
        self.assertIn(f"{ALERTS}", page.locator("#preview").inner_text().replace(",", "").replace("\u202f", ""))
        self.look(window, "many-preview")
