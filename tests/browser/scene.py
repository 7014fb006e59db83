"""An Outrigger beside a service that breaks on request and a recorder that stands for Slack; all end with the test."""

import http.server
import importlib.util
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PATIENCE = 60

# As the shipped ones, with windows of seconds: nobody waits five minutes in a test.
RULES = """
groups:
  - name: shop
    rules:
      - alert: HighErrorRate
        expr: |
          sum by (job, instance) (rate(http_requests_total{status=~"5.."}[4s]))
            / sum by (job, instance) (rate(http_requests_total[4s])) > 0.05
        for: 1s
        labels: {severity: critical}
        annotations:
          summary: '{{ $value | humanizePercentage }} of requests to {{ $labels.instance }} fail'
          description: 'The limit is 5 %.'
          runbook_url: '{{ $externalURL }}/runbooks/high-error-rate'
      - alert: DatabasePoolExhaustion
        expr: database_pool_active_connections / database_pool_max_connections > 0.8
        labels: {severity: warning}
        annotations:
          summary: 'Pool of {{ $labels.instance }} is {{ $value | humanizePercentage }} full'
          runbook_url: '{{ $externalURL }}/runbooks/database-pool-exhaustion'
      - alert: WaitsForever
        expr: up == 1
        for: 1h
        labels: {severity: info}
      - record: instance:http_requests:rate4s
        expr: sum by (job, instance) (rate(http_requests_total[4s]))
"""

ROUTING = """
route: {{receiver: slack, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}}
receivers:
- name: slack
  slack_configs:
  - {{api_url: '{slack}', channel: '#on-call', send_resolved: true}}
"""

SETTINGS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
alertmanager_config: alertmanager.yml
scrape_configs:
- job_name: shop
  static_configs: [{{targets: ['{service}'], labels: {{team: checkout}}}}]
- job_name: gone
  static_configs: [{{targets: ['127.0.0.1:9']}}]
{more}
"""


def wait_until(what, condition, patience=PATIENCE):
    """What the condition gives as soon as it is true; fails with what was waited for."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience} s for {what}")
        time.sleep(0.05)


def load_service():
    """The module of the compose file's demo service."""
    spec = importlib.util.spec_from_file_location("demo_service", ROOT / "deploy/compose/demo/service.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def free_port():
    """A port that nobody listens on now; Outrigger scrapes itself, so it has to know its own beforehand."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Recorder:
    """Takes whatever is posted and says ok, as Slack's webhooks do."""

    def __init__(self):
        messages = self.messages = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                messages.append(json.loads(body))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/services/slack"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def links(self, message):
        """All addresses in a message."""
        return list(dict.fromkeys(re.findall(r"https?://[^\s\"\\|<>]+", json.dumps(message, ensure_ascii=False).replace("&amp;", "&"))))

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Scene:
    """Everything; `with Scene() as scene`."""

    def __init__(self, more="", rules=RULES, routing=ROUTING, settings=SETTINGS, runbooks=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-browser-"))
        self.recorder = Recorder()
        self.windows = []
        self.service = load_service().Server(("127.0.0.1", 0))
        threading.Thread(target=self.service.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{self.service.server_address[1]}"
        (self.folder / "rules.yml").write_text(rules, encoding="utf-8")
        (self.folder / "alertmanager.yml").write_text(routing.format(slack=self.recorder.url), encoding="utf-8")
        if runbooks:
            (self.folder / "runbooks").mkdir()
            for name, text in runbooks.items():
                (self.folder / "runbooks" / name).write_text(text, encoding="utf-8")
            more += "\nrunbooks: runbooks\n"
        (self.folder / "outrigger.yml").write_text(settings.format(service=address, more=more), encoding="utf-8")
        self.process = None
        self.url = None
        self.token = None

    def command(self, *arguments, given=None):
        """Runs a command of the binary to its end."""
        run = subprocess.run([os.environ["OUTRIGGER"], *arguments], cwd=self.folder, input=given, capture_output=True,
                             text=True, timeout=60)
        assert run.returncode == 0, f"{arguments}: {run.stdout}{run.stderr}"
        return run.stdout

    def start(self, port=None):
        """Starts it; on the port it had, where it ran before."""
        self.port = port or free_port()
        self.log = open(self.folder / "log", "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [os.environ["OUTRIGGER"], "run", "--config", "outrigger.yml", "--data", "data", "--listen", f"127.0.0.1:{self.port}"],
            cwd=self.folder, stdout=self.log, stderr=self.log, env={**os.environ, "NO_COLOR": "1"})

        def listening():
            assert self.process.poll() is None, self.said()
            return re.search(r"Outrigger is ready address=(\S+)", self.said())
        self.url = "http://" + wait_until("Outrigger to listen", listening).group(1)
        return self

    def said(self):
        return (self.folder / "log").read_text(encoding="utf-8")

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        for window in self.windows:
            window.close()
        self.stop()

    def end(self):
        """Ends Outrigger alone."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(25)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process:
            self.log.close()
            self.process = None

    def stop(self):
        self.end()
        self.service.shutdown()
        self.service.server_close()
        self.recorder.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def fault(self, name, on=True):
        assert self.service.service.switch(name, on), name

    def ask(self, path, body=None, method=None):
        """(status, text) of a request."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        if self.token:
            headers["X-API-Key"] = self.token
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def json(self, path):
        status, text = self.ask(path)
        assert status == 200, f"{path}: {status} {text[:500]}"
        return json.loads(text)

    def firing(self, name):
        """Alerts of this name that Alertmanager's API shows."""
        return [alert for alert in self.json("/api/v2/alerts") if alert["labels"]["alertname"] == name]

    def define(self):
        """A metric, its domain and an objective."""
        metric = json.loads((ROOT / "tests/data/definitions/metric.json").read_text(encoding="utf-8"))
        metric["telemetry"] = {"value": "1 - sum(rate(http_requests_total{status='500'}[10s])) / sum(rate(http_requests_total[10s]))",
                               "families": ["http_requests_total"]}
        span = {"start": "2026-01-01T00:00:00.000Z", "end": "2099-01-01T00:00:00.000Z"}
        key_result = {"kr_id": "KR-1", "name": "Two nines", "description": "From nothing.", "target_value": 0.99, "baseline_value": 0,
                      "unit": "ratio", "direction": "increase", "metric_ids": ["CHECKOUT-SUCCESS"]}
        for kind, document in (
            ("metrics", metric),
            ("domains", {"domain_id": "SHOP", "name": "Shop", "owner_team": "shop", "description": "What sells."}),
            ("objectives", {"objective_id": "OBJ-SHOP", "name": "A checkout that works", "description": "Nobody loses a cart.",
                            "timeframe": span, "owner_team": "shop", "status": "active", "key_results": [key_result]}),
        ):
            status, text = self.ask(f"/api/v1/{kind}", document)
            assert status == 201, f"{kind}: {status} {text[:500]}"
        wait_until("a value", lambda: self.ask("/api/v1/metrics/CHECKOUT-SUCCESS/value")[0] == 200)

    def message(self, condition, what):
        """The first message to Slack that fulfils the condition."""
        return wait_until(what, lambda: next((m for m in list(self.recorder.messages) if condition(json.dumps(m))), None))
