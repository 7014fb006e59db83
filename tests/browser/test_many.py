"""Ten thousand alerts: pages open, are bounded, and lead on to the rest."""

import datetime
import time

from browser import NARROW, BrowserTest
from pages import PAGES
from scene import Scene, wait_until

ALERTS = 10_000
ROUTING = """
route: {{receiver: nobody, group_by: [alertname], group_wait: 10s}}
receivers: [{{name: nobody}}]
"""
# The debug build on two shared cores; the release build takes a twentieth of it.
SECONDS = 5
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
        for name, path, _ in PAGES:
            if "{" in path:
                continue
            began = time.monotonic()
            page = window.open(path)
            took = time.monotonic() - began
            with self.subTest(name):
                self.assertLess(took, SECONDS)
                self.assertLess(page.evaluate("document.querySelectorAll('*').length"), MAX_ELEMENTS)
                self.assertLess(sum(size for _, size in window.sent), 400_000, window.sent)
                self.assertIsNone(window.too_wide())

    def test_a_silence_of_many_is_previewed(self):
        window = self.window(width=NARROW)
        page = window.open("/silences?preview=1&matchers=job%3D%22fleet%22&created_by=ann&comment=all")
        self.assertIn(f"{ALERTS}", page.locator("#preview").inner_text().replace(",", "").replace("\u202f", ""))
        self.look(window, "many-preview")
