"""integrations/litellm/config.yaml as it is, in LiteLLM's proxy: it loads the hook, and a client of the proxy gets
whole replies while the first provider cuts."""

from __future__ import annotations

import json
import os
import pathlib
import secrets
import shutil
import sys
import time
import urllib.request
from importlib.metadata import version

from world import CUT, FIRST, FULL_WORDS, ROOT, SECOND, World, free_port, world

import support
from support import check, finish

# It takes 20 to 50 s on an idle machine.
START_S = 240


def words(port: int, key: str) -> int:
    body = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "tell me something"}]}
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    text = ""
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=60) as reply:
        for line in reply:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:]).get("choices", ()):
                    text += choice["delta"].get("content") or ""
    return len(text.split())


def canaries_apart(one: World, target: str, since: float) -> int:
    """Requests of more words than a canary's."""
    ahead = one.clock()
    provider = target.partition("/")[0]
    return sum(
        entry["provider"] == provider and entry["tokens"] > 21 and entry["arrival_us"] / 1e6 - ahead > since
        for entry in one.log()["entries"]
    )


def main() -> None:
    key, port = "sk-" + secrets.token_hex(24), free_port()
    print(f"LiteLLM {version('litellm')}, its proxy", flush=True)
    with world() as one:
        # As a user lays it out: the three files beside each other.
        for name in ("litellm/config.yaml", "litellm/endturn_hook.py", "python/endturn_feed.py"):
            shutil.copy(ROOT / "integrations" / name, one.work)
        env = {"LITELLM_MASTER_KEY": key, "ENDTURN_URL": one.url, "PYTHONPATH": str(one.work), "FIRST_KEY": "k",
               "FIRST_BASE": one.base(FIRST), "SECOND_KEY": "k", "SECOND_BASE": one.base(SECOND)}
        argv = [pathlib.Path(sys.executable).parent / "litellm", "--config", one.work / "config.yaml"]
        argv += ["--host", "127.0.0.1", "--port", str(port)]
        url = f"http://127.0.0.1:{port}/health/liveliness"
        with support.serving(argv, one.work / "proxy.log", url, START_S, {**os.environ, **env}):
            begun = time.monotonic()
            check("healthy: whole", words(port, key), FULL_WORDS)
            check("healthy: by the first", canaries_apart(one, FIRST, begun), 1)
            one.fault(FIRST.partition("/")[0], CUT)
            one.until(FIRST, "avoid")
            time.sleep(1)  # what the hook has to know it by; it can't be asked from here
            said = time.monotonic()
            check("`avoid`: all whole", {words(port, key) for _ in range(5)}, {FULL_WORDS})
            check("`avoid`: none by the first", canaries_apart(one, FIRST, said), 0)
            reported = one.ask("GET", f"{one.url}/v1/observations?source=report&limit=100")["items"]
            check("it reports", (SECOND, "complete") in {(item["target"], item["verdict"]) for item in reported}, True)
            one.daemon.kill()
            check("endturn dead: whole", words(port, key), FULL_WORDS)


main()
finish()
