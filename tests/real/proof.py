"""The proof: 1,000 requests through an outage, by what steers them. Prints Markdown tables.

Usage: proof.py BINARY LANGCHAIN_PYTHON LITELLM_PYTHON [--write] [SEED]

With --write the tables replace those in README.md and docs/integrations.md, between the comments that name this script.

Two providers on the simulator, the first preferred, the second well throughout. The first cuts 60 % of its replies
under HTTP 200, then answers 529, then recovers. Every row has a simulator of its own with the same seed, the same times
of requests, and runs at the same time as the others. A reply is whole if the client got exactly the known text and no
error.
"""

from __future__ import annotations

import contextlib
import json
import math
import pathlib
import random
import subprocess
import sys
import threading
import time
from typing import Any

sys.path.append(str(pathlib.Path(__file__).resolve().parent / "integrations"))
from world import FIRST, SECOND, World, world

import support

BINARY, PYTHONS = sys.argv[1], {"langchain": sys.argv[2], "litellm": sys.argv[3]}
WRITE, SEED = "--write" in sys.argv[4:], int(next((word for word in sys.argv[4:] if word != "--write"), "7"))
ROOT = pathlib.Path(__file__).resolve().parents[2]
REQUESTS, SECONDS = 1000, 100
# When each part of the outage begins.
PHASES = {"well": 0, "60 % cut": 15, "529": 45, "recovery": 75}
CUTS = {
    "the connection closes": {"kind": "truncate", "at": 0.6, "how": "fin", "rate": 0.6},
    "the body ends cleanly": {"kind": "truncate", "at": 0.6, "how": "no_terminal", "rate": 0.6},
}
PROMPT = (
    "Write the English number words from one to twenty in order, in lowercase, separated by single spaces, on one "
    "line. Directly after twenty write a space and the word kestrel. Write nothing else."
)
ONES = "one two three four five six seven eight nine"
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
# The clients ask for models of their own, so that the simulator's log tells them from canaries.
MODELS = ["gpt-5.2-client", "gpt-oss-20b-client"]
EVERY_SECOND, EVERY_MINUTE = 'every = "1s", rest_after = 0', 'every = "60s"'
# Name, client, canaries (none: without endturn), whether the client reports.
ROWS = [
    ("LangChain `with_fallbacks`", "langchain", None, False),
    ("LiteLLM Router, its own cooldown", "litellm", None, False),
    ("the same with our hook, canaries every 1 s, no reports", "litellm", EVERY_SECOND, False),
    ("the same with our hook, canaries every 60 s, reports", "litellm", EVERY_MINUTE, True),
    ("`plain/failover.py`, canaries every 60 s, reports", "plain", EVERY_MINUTE, True),
]


def full_text() -> str:
    return f"{ONES} {TEENS} twenty kestrel"


def times() -> list[float]:
    """A request every tenth of a second, a little before or after."""
    drawn = random.Random(SEED)
    return [SECONDS / REQUESTS * (n + drawn.random()) for n in range(REQUESTS)]


def outage(worlds: list[World], start: float, cut: dict[str, Any]) -> None:
    first = FIRST.partition("/")[0]
    steps = [(PHASES["60 % cut"], cut), (PHASES["529"], {"kind": "status", "code": 529}), (PHASES["recovery"], None)]
    for at, fault in steps:
        time.sleep(max(0.0, start + at - time.monotonic()))
        for one in worlds:
            one.fault(first, fault) if fault else one.heal(first)


def row(one: World, client: str, canary: str | None, reports: bool, start: float) -> subprocess.Popen[str]:
    plan = {
        "client": client, "start": start, "times": times(), "targets": [FIRST, SECOND], "models": MODELS,
        "bases": [one.base(FIRST), one.base(SECOND)], "feed": one.url if canary else None, "reports": reports,
        "prompt": PROMPT,
    }
    python = PYTHONS["litellm" if client == "litellm" else "langchain"]
    argv = [python, "-B", str(support.HERE / "integrations" / "proof_client.py")]
    with open(one.work / "client.log", "w", encoding="utf-8") as log:
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    child.stdin.write(json.dumps(plan) + "\n")
    child.stdin.flush()
    return child


def wilson(good: int, n: int) -> str:
    """The 95 % interval of a share, in percent."""
    z, share = 1.96, good / n
    middle, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * half) / (1 + z * z / n) * 100 for sign in (-1, 1))
    return f"{low:.1f} to {high:.1f} %"


def measured(results: list[dict[str, Any]], one: World) -> dict[str, str]:
    """The cells of a row."""
    lost = [result for result in results if result["text"] != full_text() or result["error"]]
    whole = len(results) - len(lost)
    bounds = [*PHASES.values(), SECONDS]
    parts = [sum(begin <= result["at"] < end for result in lost) for begin, end in zip(bounds, bounds[1:])]
    seconds = sorted(result["seconds"] for result in results)
    middle, late = (seconds[len(seconds) * share // 100] for share in (50, 95))
    # The client's first request, before the clock started, is not counted.
    asked = [sum(entry["model"] == model for entry in one.log()["entries"]) - (model == MODELS[0]) for model in MODELS]
    last = max((result["at"] - PHASES["60 % cut"] for result in lost), default=None)
    return {
        "whole": f"**{whole}** ({wilson(whole, len(results))})",
        "lost in each part": " + ".join(map(str, parts)),
        "the last one lost was sent": "none was" if last is None else f"{last:.1f} s after the onset",
        "lost without an error": str(sum(not result["error"] for result in lost)),
        "time, p50 / p95": f"{middle:.1f} / {late:.1f} s",
        "requests to the first / second": f"{asked[0]} / {asked[1]}",
    }


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def round_of(cut: dict[str, Any]) -> list[dict[str, str]]:
    with contextlib.ExitStack() as stack:
        worlds = [stack.enter_context(world(canary, SEED, ready=False)) for _, _, canary, _ in ROWS]
        for one, (_, _, canary, _) in zip(worlds, ROWS):
            if canary:
                one.ready()
        # Far enough for all clients to come up; they tell when they have.
        start = time.monotonic() + 30
        children = [row(one, *rest, start) for one, (_, *rest) in zip(worlds, ROWS)]
        try:
            for one, child in zip(worlds, children):
                if child.stdout.readline() != "ready\n" or time.monotonic() > start:
                    raise SystemExit(f"a client did not come up: {(one.work / 'client.log').read_text()[-3000:]}")
            thread = threading.Thread(target=outage, args=(worlds, start, cut), daemon=True)
            thread.start()
            answers = [child.communicate(timeout=SECONDS + 180)[0] for child in children]
        finally:
            for child in children:
                child.kill()
        cells = []
        for one, answer, (name, *_) in zip(worlds, answers, ROWS):
            results = [json.loads(line) for line in answer.splitlines()]
            support.check(f"{name}: requests answered", len(results), REQUESTS)
            cells.append(measured(results, one))
        return cells


def put(path: pathlib.Path, part: str, text: str) -> None:
    """Puts the text between the two comments that name this part."""
    begin, end = f"<!-- {part}: written by tests/real/proof.sh --write -->\n", f"<!-- end of {part} -->"
    before, opened, rest = path.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise SystemExit(f"{path} has no place for {part}")
    path.write_text(f"{before}{begin}\n{text}\n\n{closed}{after}", encoding="utf-8")


def main() -> None:
    rounds = {cut: round_of(fault) for cut, fault in CUTS.items()}
    names = [name for name, *_ in ROWS]
    parts = ", ".join(f"{phase} from {at} s" for phase, at in PHASES.items())
    head = ["steered by", *(f"whole of {REQUESTS:,} when {cut}" for cut in CUTS), "lost without an error"]
    rows = [
        [name, *(cells[number]["whole"] for cells in rounds.values()),
         " / ".join(cells[number]["lost without an error"] for cells in rounds.values())]
        for number, name in enumerate(names)
    ]
    whole = table(head, rows)
    details = []
    for cut, cells in rounds.items():
        rest = [key for key in cells[0] if key not in ("whole", "lost without an error")]
        lines = [[name, *(row[key] for key in rest)] for name, row in zip(names, cells)]
        details.append(f"When {cut}:\n\n{table(['steered by', *rest], lines)}")
    print(f"\n{REQUESTS:,} requests in {SECONDS} s: {parts}\n\n{whole}\n", *details, sep="\n\n")
    # What isn't whole is not written.
    if WRITE and not support.failed:
        put(ROOT / "README.md", "the proof", whole)
        put(ROOT / "docs" / "integrations.md", "the proof", "\n\n".join([whole, *details]))
    support.finish()


main()
