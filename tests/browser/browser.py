"""Chromium, and what must hold on every page that is opened in it."""

import os
import pathlib
import re
import unittest

from playwright.sync_api import Error, sync_playwright

# What is sent before anything shows: page, style sheet, script.
FIRST_PAINT_BYTES = 60_000
WIDE, NARROW = 1280, 380
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

_running = {}


def chromium():
    """The one browser of this run."""
    if not _running:
        _running["playwright"] = sync_playwright().start()
        _running["browser"] = _running["playwright"].chromium.launch(
            executable_path=os.environ["CHROMIUM"],
            # A container has no user namespaces for the sandbox; names are looked up nowhere.
            args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"])
        _running["axe"] = pathlib.Path(os.environ["AXE"]).read_text(encoding="utf-8")
    return _running["browser"]


def close():
    if _running:
        _running["browser"].close()
        _running["playwright"].stop()
        _running.clear()


class Window:
    """A page that notes what it must not do: errors on the console, requests to other hosts, dialogs."""

    def __init__(self, base, theme="light", width=WIDE, scripts=True, expect_status=(200,)):
        self.base = base
        self.scripts = scripts
        self.expect_status = expect_status
        self.faults = []
        self.sent = []
        self.context = chromium().new_context(
            color_scheme=theme, viewport={"width": width, "height": 800}, java_script_enabled=scripts,
            locale="en-GB", timezone_id="UTC", reduced_motion="reduce")
        self.context.set_default_timeout(30_000)
        self.context.route(self.foreign, self.refuse)
        self.page = self.context.new_page()
        self.page.on("console", self.said)
        self.page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        self.page.on("dialog", self.dialog)
        self.page.on("requestfinished", self.finished)

    def foreign(self, url):
        return not url.startswith((self.base + "/", "data:", "blob:", "about:"))

    def refuse(self, route):
        self.faults.append(f"request to another host: {route.request.url}")
        route.abort()

    def said(self, message):
        # A page with another status than 200 is said on the console too; it is judged where it is opened.
        status = re.search(r"status of (\d+)", message.text)
        if message.type == "error" and not (status and int(status.group(1)) in self.expect_status):
            self.faults.append(f"console: {message.text} ({message.location.get('url')})")

    def dialog(self, dialog):
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def finished(self, request):
        if request.resource_type in ("document", "stylesheet", "script", "font"):
            try:
                sizes = request.sizes()
            except Error:
                return
            self.sent.append((request.url, sizes["responseBodySize"] + sizes["responseHeadersSize"]))

    def open(self, path):
        """Opens a path of Outrigger and holds its status to what is expected."""
        self.sent.clear()
        # A stream of events never ends: the network is not waited for.
        answer = self.page.goto(self.base + path if path.startswith("/") else path, wait_until="load")
        if answer.status not in self.expect_status:
            self.faults.append(f"{path}: status {answer.status}")
        return self.page

    def axe(self):
        """Violations that keep somebody from using the page."""
        self.page.evaluate(_running["axe"] + "; undefined")
        found = self.page.evaluate(
            "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})", AXE_TAGS)
        return [f"{violation['impact']} {violation['id']}: {violation['help']}: "
                + "; ".join(f"{' '.join(map(str, node['target']))} {(node.get('failureSummary') or '')[:240]!r}"
                            for node in violation["nodes"][:4])
                for violation in found["violations"] if violation["impact"] in ("serious", "critical")]

    def too_wide(self):
        """What stands out of the page at its right side, where the page can be scrolled sideways."""
        return self.page.evaluate("""() => {
            const root = document.documentElement, width = root.clientWidth;
            if (root.scrollWidth <= width) return null;
            const out = [...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > width + 1
                && !e.closest('.scroll') && getComputedStyle(e).position !== 'fixed');
            return `${root.scrollWidth} > ${width}: ` + out.slice(0, 4).map(e => e.tagName + '.' + e.className).join(', ');
        }""")

    def settle(self):
        """Waits for the pictures, those below the window's edge too."""
        self.page.evaluate("""async () => {
            const all = [...document.images];
            all.forEach(image => { image.loading = 'eager'; });
            await Promise.all(all.map(image => image.complete ? null : new Promise(done => {
                image.addEventListener('load', done); image.addEventListener('error', done); })));
        }""")

    def shoot(self, name):
        if self.scripts:
            self.settle()
        self.page.screenshot(path=str(pathlib.Path(os.environ["BROWSER_ARTEFACTS"]) / f"{name}.png"), full_page=True,
                             animations="disabled")

    def close(self):
        """Ends what it still loads; harmless to repeat."""
        if self.context:
            self.context.close()
        self.context = None


class BrowserTest(unittest.TestCase):
    """A test that looks at pages; every window it opens is judged when it ends."""

    scene = None

    def window(self, scene=None, **options):
        scene = scene or self.scene
        window = Window(scene.url, **options)
        # What a browser loads last, such as its icon, is not to meet a server that went away.
        scene.windows.append(window)
        self.addCleanup(self.judge, window)
        return window

    def judge(self, window):
        window.close()
        self.assertEqual(window.faults, [], "console, requests and dialogs")

    def look(self, window, name):
        """Accessibility, width, and a picture of what is open now."""
        window.shoot(name)
        with self.subTest(name, rule="accessible"):
            self.assertEqual(window.axe(), [])
        with self.subTest(name, rule="no sideways scrolling"):
            self.assertIsNone(window.too_wide())
