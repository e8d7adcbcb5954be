"""integrations/plain: failover in Python with the OpenAI SDK and in TypeScript with fetch, over a provider that cuts.

Usage: plain.py BINARY [NODE ARGUMENT..]: how to run TypeScript; without it that half is skipped."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from world import CUT, FIRST, FULL_WORDS, HERE, SECOND, World, world

from support import check, finish

from endturn_feed import Feed
from failover import answer
from openai import OpenAI

NODE = sys.argv[2:]
# Ours on the simulator, so that its log tells them from endturn's canaries.
CLIENT = {FIRST: "gpt-5.2-client", SECOND: "gpt-oss-20b-client"}


def asked(one: World) -> tuple[int, int]:
    entries = one.log()["entries"]
    first, second = (sum(entry["model"] == model for entry in entries) for model in CLIENT.values())
    return first, second


def reports(one: World) -> list[str]:
    items = one.ask("GET", f"{one.url}/v1/observations?source=report&limit=100")["items"]
    return [f"{item['target']} {item['verdict']}" for item in reversed(items)]


def told(one: World, wanted: int) -> list[str]:
    until = time.monotonic() + 10
    while len(items := reports(one)) < wanted and time.monotonic() < until:
        time.sleep(0.1)
    return items


def through(name: str, one: World, words: Callable[[], int], hint: Callable[[], str]) -> None:
    """The same for both: well, cut, `avoid`, endturn dead."""
    until = time.monotonic() + 15
    while hint() != "allow" and time.monotonic() < until:
        time.sleep(0.1)
    check(f"{name}: the feed came", hint(), "allow")
    check(f"{name}, healthy: whole, by the first", (words(), asked(one)), (FULL_WORDS, (1, 0)))
    one.fault(FIRST.partition("/")[0], CUT)
    check(f"{name}, cut before the feed knows: whole, by the second", (words(), asked(one)), (FULL_WORDS, (2, 1)))
    wanted = [f"{FIRST} complete", f"{FIRST} truncated", f"{SECOND} complete"]
    check(f"{name}: what it reported", told(one, 3), wanted)
    one.until(FIRST, "avoid")
    until = time.monotonic() + 10
    while hint() != "avoid" and time.monotonic() < until:
        time.sleep(0.02)
    check(f"{name}: it knows", hint(), "avoid")
    check(f"{name}, `avoid`: whole, the first not asked", (words(), asked(one)), (FULL_WORDS, (2, 2)))
    one.daemon.kill()
    check(f"{name}, endturn dead: whole", words(), FULL_WORDS)
    until = time.monotonic() + 20
    while hint() != "no_opinion" and time.monotonic() < until:
        time.sleep(0.2)
    check(f"{name}: then it has no opinion", hint(), "no_opinion")
    check(f"{name}, as without a feed: whole, the first asked again", (words(), asked(one)), (FULL_WORDS, (3, 4)))


def python() -> None:
    with world() as one:
        feed = Feed(one.url)
        clients = {target: (OpenAI(base_url=one.base(target), api_key="k", max_retries=0), model)
                   for target, model in CLIENT.items()}
        ask = [{"role": "user", "content": "tell me something"}]
        through("Python", one, lambda: len(answer(feed, clients, ask).split()), lambda: feed.hint(FIRST))
        feed.close()


def typescript() -> None:
    with world() as one:
        choices = [{"target": target, "url": one.base(target), "key": "k", "model": model}
                   for target, model in CLIENT.items()]
        argv = [*NODE, str(HERE / "failover_test.mts"), one.url, json.dumps(choices)]
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def line(text: str) -> str:
            assert child.stdin and child.stdout
            child.stdin.write(text + "\n")
            child.stdin.flush()
            return child.stdout.readline().strip()

        try:
            through("TypeScript", one, lambda: int(line("tell me something")), lambda: line("hint"))
            assert child.stdin
            child.stdin.close()
            check("TypeScript: ends by itself", child.wait(10), 0)
        finally:
            child.kill()


print(f"openai {version('openai')}", flush=True)
# Side by side: most of it is waiting for what is known to grow stale.
with ThreadPoolExecutor() as pool:
    halves = [pool.submit(python)]
    if NODE:
        said = subprocess.run([*NODE, "--version"], capture_output=True, text=True, check=True).stdout.split()
        print(f"Node.js: {' '.join(said)}", flush=True)
        halves.append(pool.submit(typescript))
    else:
        print("TypeScript: SKIPPED, no Node.js of version 20 or later", flush=True)
    for half in halves:
        half.result()
finish()
