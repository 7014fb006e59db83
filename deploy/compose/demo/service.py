#!/usr/bin/env python3
"""A service to watch: it makes up its own traffic, and breaks on request. Standard library only.

    service.py [HOST:PORT]          127.0.0.1:8080 unless given; port 0 takes a free one, which is printed

    GET  /metrics                   what Outrigger scrapes, under the names that the shipped rules and dashboards read
    GET  /health                    200 as long as it runs
    GET  /faults                    the faults, and which of them are switched on
    POST /faults/NAME               switches one on
    DELETE /faults/NAME             switches it off again; /faults/all: all of them

The numbers advance with the clock when they are asked for, so that nothing runs in between.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = {
    "errors": "a third of the requests end with status 500: HighErrorRate",
    "slow": "requests take two seconds: SlowResponseTimes",
    "rush": "five hundred requests a second: HighRequestRate",
    "down": "/metrics answers 503: APIInstanceDown",
    "pool": "48 of 50 database connections are taken: DatabasePoolExhaustion, HighDatabaseConnections",
    "queries": "database queries take 1.5 seconds: SlowDatabaseQueries",
    "cold": "most lookups miss the cache: LowCacheHitRate",
    "redis": "Redis has used 95 % of its memory: HighRedisMemory",
    "idle": "nobody creates anything: NoMetricsCreated",
    "loop": "a script creates two domains a second: UnusualDomainActivity, from a day after the first start on",
}
DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SIZES = (100, 1000, 10_000, 100_000)
ROUTES = ("/api/orders", "/api/orders/:id", "/api/customers")
REDIS_LIMIT = 64 << 20


class Histogram:
    def __init__(self, bounds):
        self.bounds = bounds
        self.counts = [0.0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value, count):
        place = next((at for at, bound in enumerate(self.bounds) if value <= bound), len(self.bounds))
        self.counts[place] += count
        self.sum += value * count


class Service:
    """What the service has done so far, and what is wrong with it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.faults = set()
        self.then = time.monotonic()
        self.counters = {}
        self.histograms = {}
        # A minute's work at once: counters have values before the first scrape.
        self.work(60)

    def count(self, name, labels, by):
        family = self.counters.setdefault(name, {})
        family[labels] = family.get(labels, 0.0) + by

    def observe(self, name, labels, bounds, value, count):
        family = self.histograms.setdefault(name, {})
        family.setdefault(labels, Histogram(bounds)).add(value, count)

    def work(self, seconds):
        """Advances everything by so many seconds of traffic."""
        requests = (500 if "rush" in self.faults else 12) * seconds
        failed = 0.33 if "errors" in self.faults else 0.002
        taken = 2.0 if "slow" in self.faults else 0.04
        for place, route in enumerate(ROUTES):
            share = requests * (0.5, 0.3, 0.2)[place]
            for method, part in (("GET", 0.8), ("POST", 0.2)):
                good = "201" if method == "POST" else "200"
                for status, kept in ((good, 0.98 - failed), ("404", 0.02), ("500", failed)):
                    labels = f'method="{method}",route="{route}",status="{status}"'
                    self.count("http_requests_total", labels, share * part * kept)
                    for factor, weight in ((0.5, 0.6), (1, 0.34), (3, 0.06)):
                        self.observe("http_request_duration_seconds", labels, DURATIONS,
                                     taken * factor, share * part * kept * weight)
                    self.observe("http_response_size_bytes", labels, SIZES, 700 * (place + 1), share * part * kept)
            self.count("errors_total", f'type="internal",route="{route}"', share * failed)
        hits = 0.2 if "cold" in self.faults else 0.93
        self.count("cache_hits_total", 'operation="get"', 2 * requests * hits)
        self.count("cache_misses_total", 'operation="get"', 2 * requests * (1 - hits))
        self.observe("cache_operation_duration_seconds", 'operation="get"', DURATIONS, 0.0008, 2 * requests)
        queries = 2 * requests * (1 - hits)
        for operation, part in (("find", 0.8), ("save", 0.2)):
            labels = f'operation="{operation}"'
            taken = 1.5 if "queries" in self.faults else 0.012
            self.observe("database_query_duration_seconds", labels, DURATIONS, taken, queries * part)
            self.count("database_errors_total", labels, queries * part * failed / 10)
        created = 0 if "idle" in self.faults else seconds / 20
        self.count("metrics_created_total", 'category="sales"', created * 0.7)
        self.count("metrics_created_total", 'category="costs"', created * 0.3)
        self.count("domains_created_total", "", created / 5 + (2 * seconds if "loop" in self.faults else 0))
        self.count("objectives_created_total", "", created / 3)
        for name, rate in (("redis_commands_processed_total", 4 * requests), ("redis_keyspace_hits_total", requests * hits),
                           ("redis_keyspace_misses_total", requests * (1 - hits)),
                           ("redis_expired_keys_total", requests / 50), ("redis_evicted_keys_total", requests / 500),
                           ("demo_process_cpu_seconds_total", requests * 0.002)):
            self.count(name, "", rate)

    def gauges(self):
        pool = 48 if "pool" in self.faults else 7
        redis = 0.95 if "redis" in self.faults else 0.4
        return {
            "metrics_total": {'category="sales"': 42, 'category="costs"': 17},
            "domains_total": {"": 6}, "objectives_total": {"": 9},
            "cache_size_bytes": {"": 3 << 20},
            "database_pool_active_connections": {"": pool}, "database_pool_max_connections": {"": 50},
            "redis_memory_used_bytes": {"": int(REDIS_LIMIT * redis)}, "redis_memory_max_bytes": {"": REDIS_LIMIT},
            "redis_connected_clients": {"": 3},
            "demo_process_resident_memory_bytes": {"": 90 << 20},
        }

    def exposition(self):
        with self.lock:
            now = time.monotonic()
            self.work(now - self.then)
            self.then = now
            lines = []
            for kind, families in (("counter", self.counters), ("gauge", self.gauges())):
                for name, series in families.items():
                    lines.append(f"# TYPE {name} {kind}")
                    lines += [f"{name}{{{labels}}} {value:.15g}" if labels else f"{name} {value:.15g}"
                              for labels, value in series.items()]
            for name, series in self.histograms.items():
                lines.append(f"# TYPE {name} histogram")
                for labels, histogram in series.items():
                    below = 0.0
                    for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts):
                        below += count
                        lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {below:.15g}')
                    lines.append(f"{name}_sum{{{labels}}} {histogram.sum:.15g}")
                    lines.append(f"{name}_count{{{labels}}} {below:.15g}")
            return "\n".join(lines) + "\n"

    def switch(self, name, on):
        with self.lock:
            now = time.monotonic()
            self.work(now - self.then)
            self.then = now
            chosen = set(FAULTS) if name == "all" else {name}
            if not chosen <= set(FAULTS) or (on and name == "all"):
                return False
            self.faults = self.faults | chosen if on else self.faults - chosen
            return True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, text, kind="text/plain; charset=utf-8"):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        service = self.server.service
        if self.path == "/metrics":
            if "down" in service.faults:
                return self.answer(503, "broken on request\n")
            return self.answer(200, service.exposition(), "text/plain; version=0.0.4")
        if self.path == "/health":
            return self.answer(200, "ok\n")
        if self.path in ("/", "/faults"):
            state = {name: {"on": name in service.faults, "what": what} for name, what in FAULTS.items()}
            return self.answer(200, json.dumps(state, indent=2) + "\n", "application/json")
        return self.answer(404, "there is /metrics, /health and /faults\n")

    def change(self, on):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        folder, _, name = self.path.strip("/").partition("/")
        if folder != "faults" or not self.server.service.switch(name, on):
            return self.answer(404, f"no such fault; there are {', '.join(FAULTS)}\n")
        return self.answer(200, f"{name} {'on' if on else 'off'}\n")

    def do_POST(self):
        # A page of another site must not break things here; a browser always says where it comes from.
        if self.headers.get("Origin"):
            return self.answer(403, "not from a page\n")
        return self.change(True)

    def do_DELETE(self):
        return self.change(False)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address):
        super().__init__(address, Handler)
        self.service = Service()


def main():
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8080").rpartition(":")
    server = Server((host, int(port)))
    print(f"listening on {server.server_address[0]}:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
