"""What is around every page: themes, keys, the menu of a phone, news as they come."""

import re

from browser import NARROW, BrowserTest
from scene import Scene, wait_until


class Shell(BrowserTest):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene()
        cls.addClassCleanup(cls.scene.stop)
        cls.scene.start()

    def background(self, page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    def test_a_theme_that_is_chosen_stays_on_every_page(self):
        for scripts in (True, False):
            with self.subTest(scripts=scripts):
                window = self.window(theme="light", scripts=scripts)
                page = window.open("/silences")
                light = self.background(page)
                page.get_by_role("button", name="Dark", exact=True).click()
                page.wait_for_load_state()
                self.assertTrue(page.url.endswith("/silences"), "one stays where one was")
                dark = self.background(page)
                self.assertNotEqual(light, dark)
                page = window.open("/runbooks")
                self.assertEqual(self.background(page), dark)
                self.assertEqual(page.get_by_role("button", name="Dark", exact=True).get_attribute("aria-pressed"), "true")
                page.get_by_role("button", name=re.compile("^(Auto|System)", re.I)).click()
                page.wait_for_load_state()
                self.assertEqual(self.background(page), light, "and the system's choice counts again")

    def test_the_menu_of_a_phone_opens_and_leads_on(self):
        for scripts in (True, False):
            with self.subTest(scripts=scripts):
                window = self.window(width=NARROW, scripts=scripts)
                page = window.open("/runbooks")
                link = page.locator("header nav").get_by_role("link", name="Silences")
                self.assertFalse(link.is_visible(), "the pages are behind the menu")
                page.get_by_role("button", name="Menu").click()
                link.wait_for()
                window.shoot(f"menu-{NARROW}{'' if scripts else '-noscript'}")
                link.click()
                page.wait_for_url(re.compile("/silences$"))

    def test_keys_lead_through_the_pages(self):
        window = self.window()
        page = window.open("/")
        # At once, too: a key is not half of another one because the page is new.
        page.keyboard.press("q")
        page.keyboard.press("g")
        page.keyboard.press("s")
        page.wait_for_url(re.compile("/silences$"), wait_until="load")
        page.keyboard.press("?")
        dialog = page.get_by_role("dialog")
        dialog.wait_for()
        self.look(window, "keys")
        page.keyboard.press("Escape")
        dialog.wait_for(state="detached")
        # Letters that are typed are letters.
        page.get_by_label("Matchers, one a line").fill("")
        page.get_by_label("Matchers, one a line").press_sequentially("gs?")
        self.assertEqual(page.get_by_label("Matchers, one a line").input_value(), "gs?")
        page = window.open("/runbooks")
        page.keyboard.press("g")
        page.keyboard.press("q")
        page.wait_for_url(re.compile("/(graph|query)"))

    def test_news_come_by_themselves_and_leave_alone_what_is_typed(self):
        window = self.window()
        page = window.open("/silences")
        page.evaluate("window.same = true")
        page.get_by_label("Why").fill("half a sentence")
        status, text = self.scene.ask("/api/v2/silences", {
            "matchers": [{"name": "job", "value": "elsewhere", "isRegex": False, "isEqual": True}],
            "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z", "createdBy": "bob", "comment": "by another"})
        self.assertEqual(status, 200, text)
        page.get_by_text("by another").first.wait_for()
        self.assertEqual(page.get_by_label("Why").input_value(), "half a sentence")
        self.assertTrue(page.evaluate("window.same === true"), "the page was not loaded again")

        page = window.open("/")
        page.evaluate("window.same = true")
        self.scene.fault("pool")
        page.get_by_text("DatabasePoolExhaustion").first.wait_for()
        self.scene.fault("pool", False)
        wait_until("the alert to leave the page", lambda: "DatabasePoolExhaustion" not in page.locator("#now").inner_text())
        self.assertTrue(page.evaluate("window.same === true"), "the page was not loaded again")

    def test_a_page_whose_server_went_away_says_so_and_comes_back(self):
        with Scene() as scene:
            window = self.window(scene)
            page = window.open("/")
            page.get_by_text("Live", exact=True).wait_for()
            scene.end()
            page.get_by_text("Reconnecting").wait_for()
            scene.start(scene.port)
            page.get_by_text("Live", exact=True).wait_for(timeout=30_000)
            # What the browser says while nobody listened is what happened.
            window.faults = [fault for fault in window.faults if "ERR_CONNECTION_REFUSED" not in fault
                             and "ERR_INCOMPLETE_CHUNKED" not in fault and "ERR_EMPTY_RESPONSE" not in fault]
