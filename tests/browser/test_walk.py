"""The on-call walk: a message arrives at night, and everything up to its end is done in the browser."""

import re
import urllib.parse

from browser import NARROW, BrowserTest
from scene import Scene, wait_until


class Walk(BrowserTest):
    def walk(self, theme, width, scripts):
        with Scene() as scene:
            self.steps(scene, self.window(scene, theme=theme, width=width, scripts=scripts), f"walk-{width}")

    def test_from_the_message_to_the_end_on_a_phone_at_night(self):
        self.walk("dark", NARROW, True)

    def test_from_the_message_to_the_end_without_scripts(self):
        self.walk("light", 1280, False)

    def steps(self, scene, window, name):
        # The service works; nothing is told.
        wait_until("a calm service", lambda: self.value(scene, "up{job='shop'}") == 1)
        self.assertEqual(scene.recorder.messages, [])

        # It breaks, and Slack is told.
        scene.fault("errors")
        message = scene.message(lambda text: "HighErrorRate" in text and "FIRING" in text, "a message to Slack")
        links = scene.recorder.links(message)
        self.assertEqual([link for link in links if not link.startswith(scene.url)], [], "links lead to Outrigger")

        # Its runbook, with the state of now.
        runbook = next(link for link in links if "/runbooks/" in link)
        self.assertIn("?instance=", runbook, "the alert that the message is of")
        page = window.open(runbook)
        window.shoot(f"{name}-1-runbook")
        main = page.locator("main").inner_text()
        self.assertIn("firing", main)
        self.assertIn(f"instance={scene.service.server_address[0]}:{scene.service.server_address[1]}", main)
        self.assertRegex(main, r"(?i)quick check")

        # A query of it, run from the page.
        query = page.locator('main a[href*="/graph?"], main a[href*="/query?"]').filter(has_text=re.compile(r"run|query", re.I))
        query.first.click()
        page.wait_for_url(re.compile(r"/(graph|query)\?"))
        self.assertNotEqual(page.locator("#expression").input_value().strip(), "")
        window.shoot(f"{name}-2-query")
        page.locator("#expression").fill('sum by (status) (rate(http_requests_total{status="500"}[10s]))')
        page.get_by_role("button", name="Table", exact=True).click()
        page.get_by_text('status="500"').first.wait_for()
        # And back to where it came from.
        page.go_back()

        # The silence that the message offers: nothing happens before the form is sent.
        page = window.open(next(link for link in links if "/silence?" in link))
        self.assertEqual(scene.json("/api/v2/silences"), [])
        page.get_by_label("Your name").fill("ann")
        page.get_by_label("Why").fill("rolling back")
        page.get_by_role("button", name="Preview").click()
        page.wait_for_url(re.compile("ann"), wait_until="load")
        page.get_by_text(re.compile(r"matches 1 of the 1 alert")).wait_for()
        window.shoot(f"{name}-3-preview")
        self.assertEqual(scene.json("/api/v2/silences"), [], "a preview silences nothing")
        page.get_by_role("button", name="Silence", exact=True).click()
        page.wait_for_url(re.compile("/silences"), wait_until="load")
        page.get_by_text("rolling back").first.wait_for()
        window.shoot(f"{name}-4-silenced")
        silences = scene.json("/api/v2/silences")
        self.assertEqual([(silence["createdBy"], silence["comment"]) for silence in silences], [("ann", "rolling back")])
        wait_until("the alert to be silenced", lambda: [
            alert for alert in scene.firing("HighErrorRate") if alert["status"]["state"] == "suppressed"])

        # Mended; the page says so, and the silence is taken back.
        scene.fault("errors", False)
        wait_until("the alert to end", lambda: not scene.firing("HighErrorRate"))
        page = window.open("/runbooks/high-error-rate")
        page.get_by_text(re.compile(r"not firing|does not fire", re.I)).first.wait_for()
        self.assertRegex(page.locator("main").inner_text(), "It last fired")
        window.shoot(f"{name}-5-resolved")
        page = window.open("/silences")
        page.get_by_role("button", name=re.compile("^Expire")).click()
        page.get_by_text(re.compile(r"nothing is silenced", re.I)).wait_for()
        self.assertEqual({silence["status"]["state"] for silence in scene.json("/api/v2/silences")}, {"expired"})

    def value(self, scene, expression):
        answer = scene.json("/api/v1/query?query=" + urllib.parse.quote(expression))["data"]["result"]
        return float(answer[0]["value"][1]) if answer else None

    def test_who_takes_charge_is_seen_and_resolved_is_told(self):
        with Scene() as scene:
            window = self.window(scene)
            scene.fault("pool")
            message = scene.message(lambda text: "DatabasePoolExhaustion" in text, "a message to Slack")
            page = window.open(next(link for link in scene.recorder.links(message) if "/ack?" in link))
            page.get_by_label("Your name").fill("bob")
            page.get_by_label("Note").fill("on it")
            page.get_by_role("button", name="Acknowledge", exact=True).click()
            page = window.open("/silences")
            page.get_by_text("on it").first.wait_for()
            self.assertIn("bob", page.locator("main").inner_text())
            self.look(window, "walk-acknowledged")
            scene.fault("pool", False)
            scene.message(lambda text: "RESOLVED" in text, "the end in Slack")
            wait_until("the ack to end", lambda: "on it" not in window.open("/silences").locator("main").inner_text())
