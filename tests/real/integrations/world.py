"""A simulator with faults on demand and a daemon that watches it: what every check of an integration stands on."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
# At the end: a script of ours is called as a package is.
sys.path += [str(HERE.parent), *(str(ROOT / "integrations" / name) for name in os.listdir(ROOT / "integrations"))]
# Loopback only: nothing here tells anybody of its use, and no proxy comes between.
os.environ |= {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
    "ANONYMIZED_TELEMETRY": "false",
    "NO_PROXY": "127.0.0.1",
    # LiteLLM would fetch a tokenizer to count a llama's tokens.
    "HF_HUB_OFFLINE": "1",
}

import support

# The one that fails and the one that stays well, with their paths on the simulator.
FIRST, SECOND = "openai/gpt-5.2", "groq/gpt-oss-20b"
PATHS = {"openai": "/openai/v1", "groq": "/groq/openai/v1", "anthropic": "/anthropic"}
# Half of these replies are missing, and nothing on the wire says so.
CUT = {"kind": "truncate", "at": 0.5, "how": "no_terminal"}
FULL_WORDS = 120


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class World:
    """Both, on ports of their own."""

    def __init__(self, binary: str, work: pathlib.Path, canary: str, seed: int) -> None:
        self.binary, self.work, self.canary, self.seed = binary, work, canary, seed
        self.sim, self.url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.daemon: Any = None

    def base(self, target: str) -> str:
        """The base URL for a client of a target."""
        return self.sim + PATHS[target.partition("/")[0]]

    def ask(self, method: str, url: str, body: Any = None) -> Any:
        request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def fault(self, place: str, fault: dict[str, Any]) -> None:
        self.ask("PUT", f"{self.sim}/control/faults/{place}", fault)

    def heal(self, place: str) -> None:
        self.ask("DELETE", f"{self.sim}/control/faults/{place}")

    def log(self, since: int | None = None) -> dict[str, Any]:
        """What the simulator saw, whoever asked."""
        return self.ask("GET", f"{self.sim}/control/log" + ("" if since is None else f"?since={since}"))

    def clock(self) -> float:
        """How far the simulator's clock is from `time.monotonic`, in seconds, to half a round trip."""
        before = time.monotonic()
        now_us = self.log(1 << 60)["now_us"]
        return now_us / 1e6 - (before + time.monotonic()) / 2

    def hints(self) -> dict[str, str]:
        feed = self.ask("GET", f"{self.url}/v1/health")
        return {target["id"]: target["routing"]["hint"] for target in feed["targets"]}

    def until(self, target: str, *wanted: str, seconds: float = 60) -> str:
        """Waits for one of these hints."""
        until = time.monotonic() + seconds
        while (hint := self.hints().get(target, "")) not in wanted:
            if time.monotonic() > until:
                raise SystemExit(f"{target} is {hint!r} and not {wanted} after {seconds} s")
            time.sleep(0.05)
        return hint

    def known(self, feed: Any, target: str, hint: str) -> None:
        """Waits until the feed says so, and until the client's own copy of it does."""
        self.until(target, hint)
        until = time.monotonic() + 10
        while feed.hint(target) != hint:
            if time.monotonic() > until:
                raise SystemExit(f"the client takes {target} for {feed.hint(target)!r} and not {hint!r}")
            time.sleep(0.02)

    def ready(self) -> None:
        for target in (FIRST, SECOND):
            self.until(target, "allow", seconds=90)

    def config(self) -> str:
        host = self.url.removeprefix("http://")
        text = f'[server]\nlisten = "{host}"\n[store]\npath = "{self.work}/endturn.db"\n[network]\nanchors = []\n'
        for target in (FIRST, SECOND):
            provider, model = target.split("/", 1)
            text += (
                f'[[provider]]\nid = "{provider}"\nbase_url = "{self.base(target)}"\napi_key = {{ env = "KEY" }}\n'
                f'free = true\nofficial = false\nmodels = ["{model}"]\nreach = {{ every = "1s" }}\nlong = false\n'
                f"canary = {{ {self.canary} }}\n"
            )
        return text + f'[[route]]\nname = "chat"\ntargets = ["{FIRST}", "{SECOND}"]\n'


@contextlib.contextmanager
def world(
    canary: str | None = 'every = "300ms", rest_after = 0', seed: int = 7, ready: bool = True
) -> Iterator[World]:
    """Up and, if so wished, with a verdict on both targets. Without a canary: without endturn."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        one = World(sys.argv[1], pathlib.Path(folder), canary or "", seed)
        (one.work / "endturn.toml").write_text(one.config(), encoding="utf-8")
        simulate = [one.binary, "simulate", "--listen", one.sim.removeprefix("http://"), "--seed", str(one.seed)]
        stack.enter_context(support.serving(simulate, one.work / "sim.log", f"{one.sim}/control/faults", 20))
        if canary is None:
            yield one
            return
        run = [one.binary, "run", "-c", str(one.work / "endturn.toml")]
        one.daemon = stack.enter_context(
            support.serving(run, one.work / "run.log", f"{one.url}/livez", 20, {"KEY": "k"})
        )
        if ready:
            one.ready()
        yield one
