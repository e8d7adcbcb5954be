"""A daemon, a provider that breaks and heals, and Alertmanager between them and a receiver of its notifications."""

import http.server
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from support import check, finish, serving

binary = sys.argv[1]
# Longest until a fault is an alarm, and until its end is believed.
TURN_S, HEAL_S = 40, 120
# What the configuration below says, and for how many of it a telling holds.
REPEAT_S, MISSES = 10, 4

notified = []


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        notified.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def ask(url, method="GET", body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def until(seconds, wanted):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = wanted()
        if got:
            return got
        time.sleep(0.25)
    return wanted()


work = pathlib.Path(tempfile.mkdtemp(prefix="endturn-alertmanager-"))
receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
simulator, daemon, other, manager = (free_port() for _ in range(4))
FAULTS = f"http://127.0.0.1:{simulator}/control/faults"
ALERTS = f"http://127.0.0.1:{manager}/am/api/v2/alerts"

(work / "alertmanager.yml").write_text(
    f"""
route:
  receiver: people
  group_by: [alertname, provider]
  group_wait: 2s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: people
    webhook_configs:
      - url: http://127.0.0.1:{receiver.server_address[1]}/
        send_resolved: true
""",
    encoding="utf-8",
)


def configured(vantage, port, provider, path, models):
    """A daemon that watches one provider and tells the Alertmanager."""
    config = work / f"{vantage}.toml"
    config.write_text(
        f"""
vantage = "{vantage}"
[server]
listen = "127.0.0.1:{port}"
[store]
path = "{work}/{vantage}.db"
[network]
anchors = []
[[provider]]
id = "{provider}"
base_url = "http://127.0.0.1:{simulator}{path}"
api_key = {{ env = "KEY" }}
models = {json.dumps(models)}
free = true
official = false
reach = {{ every = "1s" }}
canary = {{ every = "1s" }}
long = false
[[channel]]
name = "prometheus"
type = "alertmanager"
url = "http://127.0.0.1:{manager}/am"
allow_private = true
repeat = "{REPEAT_S}s"
[[alert]]
name = "ill"
on = ["down"]
group_wait = "3s"
channels = ["prometheus"]
""",
        encoding="utf-8",
    )
    log, ready = work / f"{vantage}.log", f"http://127.0.0.1:{port}/readyz"
    return config, serving([binary, "run", "-c", config], log, ready, 30, {"KEY": "k"})


here, watching = configured("here", daemon, "openai", "/openai/v1", ["gpt-5.2", "gpt-5.2-mini"])
_, doomed = configured("there", other, "anthropic", "/anthropic", ["claude-haiku-4-5"])
run_manager = [
    "prometheus-alertmanager",
    f"--config.file={work}/alertmanager.yml",
    f"--storage.path={work}/am",
    f"--web.listen-address=127.0.0.1:{manager}",
    "--web.route-prefix=/am/",
    "--cluster.listen-address=",
]


def alerts(**labels):
    """Every alert that stands and has these labels."""
    return [alert for alert in ask(ALERTS) if labels.items() <= alert["labels"].items()]


def targets(**labels):
    return sorted(alert["labels"]["target"] for alert in alerts(**labels))


def told(status):
    return [
        each for each in notified if each["status"] == status and each["groupLabels"].get("provider") == "openai"
    ]


def grouped():
    return [each for each in told("firing") if sorted(alert["labels"]["target"] for alert in each["alerts"]) == BOTH]


BOTH = ["openai/gpt-5.2", "openai/gpt-5.2-mini"]
TRUNCATED = {"kind": "truncate", "rate": 1.0, "at": 0.6, "how": "fin"}
with (
    serving([binary, "simulate", "--listen", f"127.0.0.1:{simulator}"], work / "simulator.log", FAULTS, 20),
    serving(run_manager, work / "manager.log", f"http://127.0.0.1:{manager}/am/-/ready", 30),
    watching,
):
    ask(FAULTS + "/anthropic", "PUT", TRUNCATED)
    with doomed as child:
        argv = [binary, "alert", "test", "prometheus", "-c", here]
        tried = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env={"KEY": "k"})
        check("a test is taken", tried.returncode, 0)
        shown = until(5, lambda: alerts(alertname="endturn_test"))
        check("and shown", [alert["annotations"]["state"] for alert in shown], ["test"])
        check("nothing stands before the fault", targets(provider="openai"), [])

        ask(FAULTS + "/openai", "PUT", TRUNCATED)
        check("another vantage tells its own", bool(until(TURN_S, lambda: targets(vantage="there"))), True)
        until(TURN_S, lambda: targets(provider="openai") == BOTH)
        check("both targets are alerts", targets(provider="openai"), BOTH)
        # Without a word: it can't take anything back.
        child.kill()
        child.wait()
        died = time.monotonic()

    alert = alerts(target=BOTH[0])[0]
    labels = alert["labels"]
    check("its name and rule", (labels["alertname"], labels["rule"]), ("endturn_ill", "ill"))
    check("its model", labels["model"], "gpt-5.2")
    check("whence it was seen", labels["vantage"], "here")
    check("why", alert["annotations"]["code"], "truncated")
    query = ["amtool", f"--alertmanager.url=http://127.0.0.1:{manager}/am", "alert", "query", "provider=openai"]
    amtool = subprocess.run([*query, "-o", "json"], capture_output=True, text=True, timeout=20, check=True)
    found = sorted(each["labels"]["target"] for each in json.loads(amtool.stdout))
    check("amtool finds them by their labels", found, BOTH)
    check("people get them in one notification", bool(until(15, grouped)), True)
    first = {alert["fingerprint"]: alert["endsAt"] for alert in alerts(provider="openai")}

    def renewed():
        return any(alert["endsAt"] > first.get(alert["fingerprint"], "9") for alert in alerts(provider="openai"))

    check("they are told again, for longer", until(2 * REPEAT_S + 5, renewed), True)
    check("one severity stands for each", targets(provider="openai"), BOTH)

    ask(FAULTS + "/openai", "DELETE")
    healed = time.monotonic()
    until(HEAL_S, lambda: not targets(provider="openai"))
    print(f"     {time.monotonic() - healed:.0f} s from the end of the fault to the end of the alerts")
    check("none stands once all is well", targets(provider="openai"), [])
    check("people are told that it is over", bool(until(15, lambda: told("resolved"))), True)

    gone = until(died + REPEAT_S * MISSES + 15 - time.monotonic(), lambda: not targets(vantage="there"))
    check("a daemon that dies leaves no alarm behind", gone or not targets(vantage="there"), True)
receiver.shutdown()
finish()
