"""Spans and log records of real programs, sent to a daemon, against what it makes of them."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from support import HERE, check, finish, serving

binary = sys.argv[1]

# What becomes of each model's call, by whoever told of it. OpenTelemetry's instrumentation 2.4b0 tells of a stream
# neither its end nor its tokens, so a whole one can't be told from a cut one unless the SDK raised; of the Responses API
# it tells nothing.
WANTED = {
    "gpt-5.2": ("unknown", "complete", "complete", "complete"),
    "gpt-5.2!truncate.fin": ("truncated cut", "errored connect", "truncated cut", "errored connect"),
    "gpt-5.2!truncate.reset": ("truncated cut", "errored connect", "truncated cut", "errored connect"),
    "gpt-5.2!truncate.no_terminal": ("unknown", "truncated garbled", "truncated cut", "truncated garbled"),
    "gpt-5.2!status.529": ("errored overloaded",) * 4,
    "gpt-5.2!status.500": ("errored server_error",) * 4,
    "gpt-5.2!rate_limit": ("errored rate_limit",) * 4,
    "gpt-5.2!hang": ("errored timeout",) * 4,
    "gpt-5.2!length": ("unknown", "limited", "limited", "limited"),
    "gpt-5.2!refusal": ("unknown", "refused", "refused", "refused"),
    "gpt-5.2-responses!status.529": (None, None, "errored overloaded", "errored overloaded"),
}
CALLS = sum(verdict is not None for verdicts in WANTED.values() for verdict in verdicts)
SENDERS = [(name, manner) for name in ("contrib", "openllmetry") for manner in ("stream", "whole")]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def ask(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return json.load(answer)


def observations(port, wanted):
    """All of them, once there are so many."""
    until = time.monotonic() + 30
    while True:
        items = ask(port, "/v1/observations?source=report&limit=500")["items"]
        if len(items) >= wanted or time.monotonic() > until:
            return items
        time.sleep(0.2)


def words(item):
    return " ".join(word for word in (item["verdict"], item.get("kind")) if word)


def spans(port, simulator):
    argv = [sys.executable, str(HERE / "otlp_send.py")]
    urls = [f"http://127.0.0.1:{simulator}", f"http://127.0.0.1:{port}"]
    # Half of what they say on stderr is about each other's attributes.
    sending = [subprocess.Popen([*argv, *sender, *urls], stderr=subprocess.DEVNULL) for sender in SENDERS]
    for sender, child in zip(SENDERS, sending):
        check(f"{'-'.join(sender)} ends well", child.wait(120), 0)
    items = observations(port, CALLS)
    check("one observation a call", len(items), CALLS)
    for number, sender in enumerate(SENDERS):
        name = "-".join(sender)
        own = {item["target"]: item for item in items if item["reporter"] == name}
        for model, verdicts in WANTED.items():
            item = own.get(f"openai/{model}")
            check(f"{name} {model}", item and words(item), verdicts[number])
        whole = own["openai/gpt-5.2"]
        if name == "openllmetry-stream":
            check(f"{name}: a first chunk before the end", 0 < whole["ttft_ms"] < whole["e2e_ms"], True)
        elif sender[1] == "whole":
            check(f"{name}: tokens", (whole["input_tokens"] > 0, whole["output_tokens"]), (True, 120))
    return items


def claude(port, simulator, home, told):
    """Claude Code: a request that works, told by its log records."""
    binary = os.environ.get("ENDTURN_CLAUDE")
    if not binary:
        print("Claude Code: SKIPPED, ENDTURN_CLAUDE names no binary", flush=True)
        return
    env = {
        "HOME": str(home),
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{simulator}/anthropic",
        "ANTHROPIC_API_KEY": "none",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_LOGS_EXPORT_INTERVAL": "500",
    }
    argv = [binary, "-p", "say hello", "--model", "claude-haiku-4-5"]
    run = subprocess.run(
        argv, env={**os.environ, **env}, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, timeout=90
    )
    check("Claude Code ends well", run.returncode, 0)
    items = [item for item in observations(port, told + 1) if item["reporter"] == "claude-code"]
    check("Claude Code", [(item["target"], words(item)) for item in items], [("anthropic/claude-haiku-4-5", "complete")])


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        simulator, port = free_port(), free_port()
        provider = '[[provider]]\nid = "{0}"\nbase_url = "http://127.0.0.1:{1}/{2}"\napi_key = {{ env = "KEY" }}\n'
        provider += 'models = ["{3}"]\nfree = true\nreach = false\ncanary = {{ every = "1h" }}\n'
        config = f'[server]\nlisten = "127.0.0.1:{port}"\n[store]\npath = "{folder}/endturn.db"\n[network]\nanchors = []\n'
        config += provider.format("openai", simulator, "openai/v1", "gpt-5.2")
        config += provider.format("anthropic", simulator, "anthropic", "claude-haiku-4-5")
        (folder / "endturn.toml").write_text(config)
        simulate = [binary, "simulate", "--listen", f"127.0.0.1:{simulator}"]
        run = [binary, "run", "-c", str(folder / "endturn.toml")]
        log = folder / "otlp.log"
        urls = [f"http://127.0.0.1:{simulator}/control/log", f"http://127.0.0.1:{port}/livez"]
        with serving(simulate, log, urls[0], 20), serving(run, log, urls[1], 20, {"KEY": "k"}):
            items = spans(port, simulator)
            claude(port, simulator, folder, len(items))
            text = json.dumps(ask(port, "/v1/observations?source=report&limit=500"))
            check("no prompt in any observation", "confidential" in text, False)
        check("nor in the store", any(b"confidential" in file.read_bytes() for file in folder.glob("endturn.db*")), False)
        check("nor in a log", b"confidential" in log.read_bytes(), False)
    finish()


main()
