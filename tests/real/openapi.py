"""A daemon with a history for schemathesis to ask: one target well, one cut short, one overloaded.

    openapi.py BINARY SCHEMATHESIS

Model ids carry their faults, so there are incidents, failures and figures of every kind without a call to the simulator.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

import support

BINARY, SCHEMATHESIS = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
SIMULATOR, DAEMON = 18621, 18622
MODELS = ["gpt-5.2-chat", "gpt-5.2!truncate.fin", "gpt-5.2-mini!status.529"]
START_S, FAULTS_S = 20, 60
# How much is made of each operation. No time limit: it would go on until that is spent, and find more on fast machines.
EXAMPLES, SEED = 60, 20260620
# An event stream has no end to wait for: tests/it/ holds it.
EXCLUDED = ["/v1/events"]

CONFIG = f"""
[server]
listen = "127.0.0.1:{DAEMON}"
[store]
path = "endturn.db"
[network]
anchors = []
[[provider]]
id = "openai"
base_url = "http://127.0.0.1:{SIMULATOR}/openai/v1"
api_key = {{ env = "OPENAPI_TEST_KEY" }}
models = {json.dumps(MODELS)}
free = true
polite = false
official = false
reach = {{ every = "500ms" }}
canary = {{ every = "500ms" }}
long = false
"""


def states():
    with urllib.request.urlopen(f"http://127.0.0.1:{DAEMON}/v1/health", timeout=5) as answer:
        return [target["state"] for target in json.load(answer)["targets"]]


def wait_for_faults():
    until = time.monotonic() + FAULTS_S
    while (now := states())[0] != "operational" or any(state in ("operational", "unknown") for state in now[1:]):
        if time.monotonic() > until:
            raise SystemExit(f"the daemon did not find the faults: {now}")
        time.sleep(0.5)


def main():
    with tempfile.TemporaryDirectory(prefix="endturn-openapi-") as name:
        folder = pathlib.Path(name)
        (folder / "endturn.toml").write_text(CONFIG, encoding="utf-8")
        simulator = [BINARY, "simulate", "--listen", f"127.0.0.1:{SIMULATOR}"]
        daemon = [BINARY, "run", "-c", folder / "endturn.toml"]
        log, env = folder / "log", {"OPENAPI_TEST_KEY": "k"}
        with (
            support.serving(simulator, log, f"http://127.0.0.1:{SIMULATOR}/control/faults", START_S),
            support.serving(daemon, log, f"http://127.0.0.1:{DAEMON}/livez", START_S, env) as running,
        ):
            wait_for_faults()
            found = subprocess.run(
                [SCHEMATHESIS, "--config-file", str(support.HERE / "schemathesis.toml"), "run"]
                + [f"--max-examples={EXAMPLES}", f"--seed={SEED}"]
                + [f"--exclude-path={path}" for path in EXCLUDED]
                + ["--request-timeout=15", "--generation-database=none", "--no-color"]
                + [f"http://127.0.0.1:{DAEMON}/openapi.json"],
                cwd=folder,
                check=False,
            ).returncode
            if running.poll() is not None:
                raise SystemExit("the daemon ended:\n" + log.read_text(encoding="utf-8", errors="replace")[-6000:])
    sys.exit(found)


main()
