"""Who may see and do what, in a browser: login, roles, logout."""

import re

from browser import BrowserTest
from scene import Scene, wait_until

PASSWORD = "correct horse battery staple"
MORE = """
auth: {enabled: true, password: {memory: 8MiB, iterations: 1}}
"""


class Access(BrowserTest):
    @classmethod
    def setUpClass(cls):
        cls.scene = Scene(more=MORE)
        cls.addClassCleanup(cls.scene.stop)
        scene = cls.scene.start()
        (scene.folder / "password").write_text(PASSWORD + "\n", encoding="utf-8")
        for name, role in (("vic", "viewer"), ("eddy", "editor"), ("ann", "admin")):
            scene.command("user", "add", name, "--email", f"{name}@example.org", "--role", role, "--password-file", "password",
                          "--config", "outrigger.yml", "--data", "data")
        scene.token = scene.command("apikey", "add", "ann", "tests", "--scope", "monitoring:read", "--config", "outrigger.yml",
                                    "--data", "data")
        scene.token = re.search(r"mdl_\S+", scene.token).group(0)
        scene.fault("pool")
        scene.message(lambda text: "DatabasePoolExhaustion" in text, "a message")

    def login(self, name, **options):
        window = self.window(expect_status=(200, 401, 403), **options)
        page = window.open("/silences")
        self.assertIn("/login", page.url, "who is nobody is led to the login")

        def inside():
            page.get_by_label("Name").fill(name)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name=re.compile("(Log|Sign) in")).click()
            page.wait_for_load_state()
            return "/login" not in page.url
        # A running one notices a new account within two seconds.
        wait_until(f"the login of {name}", inside)
        self.assertTrue(page.url.endswith("/silences"), f"and back to where he wanted to go: {page.url}")
        return window

    def silence(self, window, name, comment):
        page = window.open("/silences")
        page.get_by_label("Matchers, one a line").fill('alertname="DatabasePoolExhaustion"')
        page.get_by_label("Why").fill(comment)
        # Who is logged in has a name already, where the page knows it.
        names = page.get_by_label("Your name")
        if names.count() and not names.first.input_value():
            names.first.fill(name)
        page.get_by_role("button", name="Silence", exact=True).click()
        page.wait_for_load_state()
        return [silence for silence in self.scene.json("/api/v2/silences") if silence["comment"] == comment]

    def test_the_login_is_a_page_as_others_are(self):
        for theme in ("light", "dark"):
            for width in (1280, 380):
                window = self.window(theme=theme, width=width, expect_status=(200, 401))
                page = window.open("/login")
                self.look(window, f"login-{theme}-{width}")
                page.get_by_label("Name").fill("ann")
                page.get_by_label("Password").fill("not this one")
                page.get_by_role("button", name=re.compile("(Log|Sign) in")).click()
                page.get_by_role("alert").wait_for()
                self.look(window, f"login-refused-{theme}-{width}")

    def test_each_role_may_what_it_may_and_is_told_so(self):
        for name, may in (("vic", False), ("eddy", True), ("ann", True)):
            with self.subTest(name):
                window = self.login(name)
                window.shoot(f"role-{name}")
                form = window.page.get_by_label("Matchers, one a line")
                if form.count() == 0:
                    self.assertFalse(may, "an editor has the form")
                    continue
                made = self.silence(window, name, f"by {name}")
                window.shoot(f"role-{name}-after")
                self.assertEqual(bool(made), may)
                if made:
                    self.assertEqual(made[0]["createdBy"], name)

    def test_without_scripts_too(self):
        self.login("vic", scripts=False)

    def test_the_cookie_cannot_be_read_by_a_script_nor_sent_by_another_site(self):
        window = self.login("ann")
        cookies = window.context.cookies()
        self.assertTrue(cookies)
        for cookie in cookies:
            if "theme" not in cookie["name"]:
                self.assertTrue(cookie["httpOnly"], cookie["name"])
            self.assertIn(cookie["sameSite"], ("Lax", "Strict"))

    def test_after_the_logout_nothing_is_left(self):
        window = self.login("ann")
        page = window.open("/login")
        page.get_by_role("button", name=re.compile("(Log|Sign) out")).first.click()
        page.wait_for_load_state()
        page = window.open("/silences")
        self.assertIn("/login", page.url)
        page.go_back()
        self.assertNotIn("Again and again", page.locator("body").inner_text(), "a page from before is not shown again")
