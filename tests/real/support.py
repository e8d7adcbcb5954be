"""What the checks against programs of others have in common: processes of ours, probes and their verdicts, a tally."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Longest probe, and longest start of what we wrote.
PROBE_S, PROXY_S = 90, 20

failed = []

# Whoever ends this script has its servers ended too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def check(what, got, wanted):
    """One line; what failed decides how the script exits."""
    if got == wanted:
        print(f"ok   {what}: {got}", flush=True)
    else:
        failed.append(what)
        print(f"FAIL {what}: got {got}, wanted {wanted}", flush=True)


def finish():
    """Exits 1 if a check failed."""
    for what in failed:
        print(f"failed: {what}", file=sys.stderr)
    sys.exit(bool(failed))


@contextlib.contextmanager
def process(argv, log, env=None):
    """A process with a group of its own, ended with all that it started."""
    with open(log, "ab") as file:
        child = subprocess.Popen(
            argv,
            stdout=file,
            stderr=file,
            env={**os.environ, **(env or {})},
            cwd=log.parent,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        for number, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=seconds)
                if not group_lives(child.pid):
                    break


def group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def serving(argv, log, url, seconds, env=None):
    """A process, once its URL answers with 200."""
    with process(argv, log, env) as child:
        until = time.monotonic() + seconds
        while not answers(url):
            if child.poll() is not None or time.monotonic() > until:
                tail = log.read_text(encoding="utf-8", errors="replace")[-6000:]
                raise SystemExit(f"{argv[0]} did not come up:\n{tail}")
            time.sleep(0.2)
        yield child


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError, http.client.HTTPException):
        return False


@contextlib.contextmanager
def proxied(upstream_port, work, modes):
    """The damaging proxy, with a mode for each port."""
    ports = [f"{port}:{mode}" for port, mode in modes.items()]
    with process([sys.executable, HERE / "proxy.py", str(upstream_port), work, *ports], work / "proxy.log"):
        until = time.monotonic() + PROXY_S
        # All are open or none is, and a connection to some counts as one: the last is asked.
        while not open_port(list(modes)[-1]):
            if time.monotonic() > until:
                raise SystemExit("the proxy did not come up: " + (work / "proxy.log").read_text(encoding="utf-8"))
            time.sleep(0.05)
        yield


def open_port(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def probe(binary, config, target, kind="canary", env=None):
    """The observation of one probe; what is none is told as a verdict."""
    argv = [binary, "probe", target, "-c", config, "--kind", kind, "--json"]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=PROBE_S, check=False, env={**os.environ, **(env or {})}
    )
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"verdict": f"no verdict: {done.stdout[:200]!r} {done.stderr[-300:]!r}", "kind": None, "flags": []}


def verdict(observation, *flags):
    """Verdict, kind, and those of the flags that are set."""
    parts = [observation["verdict"], observation["kind"], *(flag for flag in flags if flag in observation["flags"])]
    return " ".join(part for part in parts if part)
