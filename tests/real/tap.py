"""Every SDK of sdk_streams.py under every fault, with and without the tap. Exits 1 if anything differs.

Usage: tap.py BINARY
"""

import contextlib
import importlib.util
import json
import logging
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import support

BINARY = sys.argv[1]
# Beside those of sdk_streams.py.
FAULTS = ["", "truncate.fin", "truncate.reset", "truncate.no_terminal", "truncate.mid_event", "truncate.silent",
          "error_event", "empty", "garbage", "length", "refusal", "status.500", "status.529", "rate_limit", "auth",
          "refuse"]
# What the wire shows of each; a text that is cut under a natural stop shows nothing there.
VERDICTS = {
    "": "complete",
    "truncate.fin": "truncated",
    "truncate.reset": "truncated",
    "truncate.no_terminal": "truncated",
    "truncate.mid_event": "truncated",
    "truncate.silent": "complete",
    "error_event": "errored",
    "empty": "truncated",
    "garbage": "truncated errored",
    "length": "limited",
    "refusal": "refused",
    "status.500": "errored",
    "status.529": "errored",
    "rate_limit": "errored",
    "auth": "errored",
    "refuse": "errored",
}
# Ollama's own protocol has no refusal, and its compatible one swallows errors.
OTHERWISE = {("ollama", "refusal"): "complete refused", ("ollama", "error_event"): "truncated errored"}
# Base paths of the simulator that sdk_streams.py uses.
PROVIDERS = ["anthropic", "openai", "azure-openai", "openrouter", "vllm", "xai", "ollama", "gemini", "cohere",
             "mistral", "bedrock"]
VARS = {"azure-openai": 'vars = { resource = "r" }\n', "bedrock": 'vars = { region = "us-east-1" }\n'}


class Reports(BaseHTTPRequestHandler):
    """Takes what the tap reports."""

    taken = []
    lock = threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        with self.lock:
            self.taken += [json.loads(line) for line in body.splitlines()]
        self.send_response(202)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def started(arguments, log, pattern):
    """A process of ours; what the pattern finds in its first line."""
    with open(log, "w", encoding="utf-8") as errors:
        child = subprocess.Popen([BINARY, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True, env={"KEY": "k"})
    try:
        found = re.search(pattern, child.stdout.readline())
        if not found:
            raise SystemExit(f"{arguments[0]} did not come up: {log.read_text(encoding='utf-8')}")
        # Nobody reads on, and what it tells fits the pipe.
        yield found[1]
    finally:
        child.terminate()
        child.wait(timeout=30)


def rows(base):
    """The SDK calls of sdk_streams.py, against that base."""
    spec = importlib.util.spec_from_file_location("sdk_streams", support.HERE / "sdk_streams.py")
    module = importlib.util.module_from_spec(spec)
    sys.argv = [sys.argv[0], base]
    spec.loader.exec_module(module)
    return module.ROWS


# Of the second in which an answer was sent, and how long it took: some SDKs put all headers into an exception's text.
TIMES = re.compile(r"\w{3}, \d\d \w{3} \d{4} [\d:]+ GMT|\d{4}-\d\d-\d\dT[\d:.]+Z|\b1[789]\d{8}\b")


def outcome(ask, model, base):
    """All that a caller of the SDK sees, its own address and the time apart."""
    try:
        return ("returns", ask(model))
    except Exception as error:
        return ("raises", type(error).__name__, TIMES.sub("TIME", str(error).replace(base, "BASE")))


def configuration(origin):
    entry = '[[provider]]\nid = "{0}"\nbase_url = "{1}/{0}"\napi_key = {{ env = "KEY" }}\n{2}models = ["m"]\ncanary = false\nlong = false\n'
    return "".join(entry.format(name, origin, VARS.get(name, "")) for name in PROVIDERS)


def main():
    logging.disable(logging.CRITICAL)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Reports)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    simulator = ["simulate", "--listen", "127.0.0.1:0", "--seed", "7"]
    where = r"at (http://\S+)"
    with contextlib.ExitStack() as stack:
        work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        direct = stack.enter_context(started(simulator, work / "direct.log", where))
        behind = stack.enter_context(started(simulator, work / "behind.log", where))
        (work / "endturn.toml").write_text(configuration(behind), encoding="utf-8")
        tap = stack.enter_context(started(
            ["tap", "--listen", "127.0.0.1:0", "-c", str(work / "endturn.toml"),
             "--daemon", f"http://127.0.0.1:{server.server_address[1]}"], work / "tap.log", where))
        compare(direct, tap)
    verdicts()
    support.finish()


def compare(direct, tap):
    """A model of its own for each cell, so that either simulator draws the same for it."""
    cells = [(number, fault) for number in range(len(rows(direct))) for fault in FAULTS]
    sides = [(rows(base), base) for base in (direct, tap)]

    def ask(side, number, fault):
        calls, base = sides[side]
        return outcome(calls[number][2], f"m{number}!{fault}" if fault else f"m{number}", base)

    with ThreadPoolExecutor(16) as pool:
        asked = [[pool.submit(ask, side, *cell) for side in (0, 1)] for cell in cells]
        answers = [[one.result() for one in pair] for pair in asked]
    same = sum(wanted == got for wanted, got in answers)
    for (number, fault), (wanted, got) in zip(cells, answers):
        if wanted != got:
            support.check(f"{sides[0][0][number][:2]} {fault or 'healthy'}", got, wanted)
    support.check("calls that see the same", same, len(cells))
    with urllib.request.urlopen(tap, timeout=5) as answer:
        told = json.load(answer)
    support.check("replies without a verdict", sum(told["counts"]["unjudged"].values()), 0)


def verdicts():
    """Each reply was reported once, with the verdict that the wire shows."""
    wrong = []
    for report in Reports.taken:
        provider, model = report["target"].split("/", 1)
        fault = model.partition("!")[2]
        wanted = OTHERWISE.get((provider, fault), VERDICTS[fault])
        if report["verdict"] not in wanted.split():
            wrong.append((report["target"], report["verdict"], report.get("kind"), report.get("error")))
    support.check("reports with another verdict", wrong, [])
    ids = {report["id"] for report in Reports.taken}
    support.check("reports that came twice", len(Reports.taken) - len(ids), 0)
    models = {report["target"].split("/", 1)[1] for report in Reports.taken}
    support.check("calls that were reported", len(models), len(FAULTS) * 16)


main()
