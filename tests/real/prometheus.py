"""Prometheus on the demo, on a daemon with budgets and a dead collector, and on the former in the classic format."""

import http.server
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from support import ROOT, check, finish, process, serving

binary = sys.argv[1]

# Panels that may show nothing here, and why.
MAY_BE_EMPTY = {
    "Last export": "nobody takes what the daemon exports: its collector is dead",
    "Flags": "no side fact holds of a target of the demo",
}
# The demo's first fault comes after 10 s, its outage ends after 50 s; the alert waits for 30 s of avoid.
ALERT_S = 55
VARIABLES = {
    "$job": "endturn",
    "$instance": ".*",
    "$provider": "anthropic",
    "$model": "claude-haiku-4-5",
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def get(url, accept="*/*"):
    request = urllib.request.Request(url, headers={"accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers.get_content_type(), answer.read()


def classic(upstream):
    """Passes /metrics on as one asks who knows only the classic format: Prometheus always asks for OpenMetrics first."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            media, body = get(upstream, "text/plain;version=0.0.4")
            self.send_response(200)
            self.send_header("content-type", f"{media}; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def lint(body):
    told = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    return told.returncode, (told.stdout + told.stderr).decode()


def ask(port, path, **parameters):
    query = urllib.parse.urlencode(parameters)
    return json.loads(get(f"http://127.0.0.1:{port}{path}?{query}")[1])["data"]


def until(seconds, wanted):
    end = time.monotonic() + seconds
    while not wanted() and time.monotonic() < end:
        time.sleep(0.5)


def panels():
    """File, title and query of every panel, with the variables filled in."""
    for path in sorted((ROOT / "dashboards/grafana").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                query = target["expr"]
                for name, value in VARIABLES.items():
                    query = query.replace(name, value)
                yield path.name, panel["title"], query


def daemon_config(port, simulator, collector, work):
    """A provider that costs, one that refuses our key, budgets, a collector that is not there, a way to nobody."""
    return f"""
vantage = "here"
[server]
listen = "127.0.0.1:{port}"
[store]
path = "{work}/endturn.db"
[network]
anchors = []
[budget]
usd_per_day = 0.0002
[telemetry.otlp]
endpoint = "http://127.0.0.1:{collector}"
interval = "1s"
timeout = "500ms"
[[channel]]
name = "nobody"
type = "command"
command = ["/bin/true"]
[[provider]]
id = "anthropic"
base_url = "http://127.0.0.1:{simulator}/anthropic"
api_key = {{ env = "KEY" }}
usd_per_day = 0.0002
reach = {{ every = "1s" }}
canary = {{ every = "1s" }}
[[provider.model]]
id = "claude-haiku-4-5"
price = {{ input_usd_per_mtok = 1.0, output_usd_per_mtok = 5.0 }}
[[provider]]
id = "openai"
base_url = "http://127.0.0.1:{simulator}/openai/v1"
api_key = {{ env = "KEY" }}
models = ["gpt-5.2!auth"]
free = true
reach = {{ every = "1s" }}
canary = {{ every = "1s" }}
"""


def scrapes(jobs):
    lines = ["global: { scrape_interval: 1s, evaluation_interval: 1s }", "rule_files:"]
    lines += [f"  - {ROOT}/dashboards/prometheus/{name}.rules.yml" for name in ("recording", "alerts")]
    lines += ["scrape_configs:"]
    for name, ports in jobs.items():
        targets = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
        lines += [f"  - job_name: {name}", f"    static_configs: [{{ targets: [{targets}] }}]"]
    return "\n".join(lines) + "\n"


work = pathlib.Path(tempfile.mkdtemp(prefix="endturn-prometheus-"))
demo, daemon, simulator, prometheus = (free_port() for _ in range(4))
begun = time.monotonic()
try:
    (work / "endturn.toml").write_text(daemon_config(daemon, simulator, free_port(), work), encoding="utf-8")
    as_classic = classic(f"http://127.0.0.1:{demo}/metrics")
    jobs = {"endturn": [demo, daemon], "classic": [as_classic]}
    (work / "prometheus.yml").write_text(scrapes(jobs), encoding="utf-8")
    with (
        process([binary, "simulate", "--listen", f"127.0.0.1:{simulator}"], work / "simulator.log"),
        serving([binary, "demo", "--listen", f"127.0.0.1:{demo}"], work / "demo.log", f"http://127.0.0.1:{demo}/livez", 20),
        serving(
            [binary, "run", "-c", str(work / "endturn.toml")],
            work / "daemon.log",
            f"http://127.0.0.1:{daemon}/livez",
            20,
            {"KEY": "k"},
        ),
        serving(
            [
                "prometheus",
                f"--config.file={work}/prometheus.yml",
                f"--storage.tsdb.path={work}/tsdb",
                f"--web.listen-address=127.0.0.1:{prometheus}",
            ],
            work / "prometheus.log",
            f"http://127.0.0.1:{prometheus}/-/ready",
            20,
        ),
    ):
        alerts = lambda: {
            (alert["labels"]["alertname"], alert["labels"].get("model"))
            for alert in ask(prometheus, "/api/v1/alerts")["alerts"]
            if alert["state"] == "firing"
        }
        outage = ("EndturnTargetAvoid", "claude-haiku-4-5")
        until(ALERT_S, lambda: outage in alerts())
        check("the demo's outage fires", outage in alerts(), True)
        check("a well target does not", ("EndturnTargetAvoid", "gemini-2.5-flash-lite") in alerts(), False)

        targets = ask(prometheus, "/api/v1/targets", state="active")["activeTargets"]
        wrong = [(target["scrapePool"], target["lastError"]) for target in targets if target["health"] != "up"]
        check("scrapes that failed", wrong, [])
        open_metrics, body = get(f"http://127.0.0.1:{daemon}/metrics", "application/openmetrics-text;version=1.0.0")
        check("OpenMetrics is answered as such", (open_metrics, body.endswith(b"# EOF\n")), ("application/openmetrics-text", True))
        for name, port in (("demo", demo), ("daemon", daemon)):
            check(f"promtool on the {name}'s metrics", lint(get(f"http://127.0.0.1:{port}/metrics")[1]), (0, ""))

        # Both formats are the same samples to it.
        names = lambda job: set(ask(prometheus, "/api/v1/label/__name__/values", **{"match[]": f'{{job="{job}"}}'}))
        ours = lambda job: {name for name in names(job) if name.startswith("endturn_")}
        instance = f'instance="127.0.0.1:{demo}"'
        same = {
            name
            for name in ours("classic")
            if ask(prometheus, "/api/v1/query", query=f'{name}{{job="endturn", {instance}}}')["result"]
        }
        check("names in classic text only", sorted(ours("classic") - same), [])
        check("at least sixty of them", len(same) >= 60, True)
        kinds = ask(prometheus, "/api/v1/metadata", metric="endturn_attempts_total")
        check("a counter is one", {entry["type"] for entry in kinds.get("endturn_attempts_total", [])}, {"counter"})

        empty, shown = [], 0
        for board, title, query in panels():
            if ask(prometheus, "/api/v1/query", query=query)["result"]:
                shown += 1
            elif title not in MAY_BE_EMPTY:
                empty.append((board, title, query))
        check("queries of panels without data", empty, [])
        print(f"     {shown} queries show something; may be empty: {', '.join(sorted(MAY_BE_EMPTY))}")
        pending = {alert["labels"]["alertname"] for alert in ask(prometheus, "/api/v1/alerts")["alerts"]}
        for alert in ("EndturnOwnKeyTrouble", "EndturnExportLosses"):
            check(f"{alert} is seen", alert in pending, True)
finally:
    shutil.rmtree(work, ignore_errors=True)
print(f"     took {time.monotonic() - begun:.0f} s")
finish()
