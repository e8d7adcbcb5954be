"""endturn's feed in a Python program: who can finish a reply right now. One file, standard library only: copy it.

    feed = Feed("http://127.0.0.1:7411")
    for target in feed.order(["anthropic/claude-haiku-4-5", "openai/gpt-5.2"]):
        ...                                               # the first that answers
    feed.report("anthropic/claude-haiku-4-5", "complete", ttft_ms=412.0)

A thread follows the event stream and keeps a snapshot; whoever asks reads memory and never waits. What is known holds
for 15 s after it came. Past that, without a network at endturn's end, or with endturn dead, nothing is known, and all
goes on as if there were no feed: every target is allowed, in the order that you gave.
"""

from __future__ import annotations

import collections
import json
import random
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

# Heartbeats come every 5 s: after this long without a byte the connection is dead.
SILENCE_S = 12.0
# Pause before connecting again, drawn: clients of a restarted endturn don't come all at once.
RETRY_S = (0.5, 2.0)
# An event larger than this is none of endturn's.
MAX_LINE = 16 << 20
# Reports that wait, reports in a body, and how long one may wait: an older one would tell of the past as of now.
MAX_WAITING, MAX_BODY, MAX_AGE_S = 10_000, 1_000, 30.0

# What is tried first. Words of a later version count as no opinion; `throttle` and `blocked` speak of endturn's key.
RANK = {"allow": 0, "no_opinion": 0, "ramp": 0, "suspect": 1, "throttle": 2, "blocked": 3, "avoid": 4}

# What went wrong, by the names that httpx, aiohttp, requests and the vendors' SDKs have for it.
UNCONNECTED = {"ConnectError", "ConnectTimeout", "ClientConnectorError", "PoolTimeout", "NewConnectionError"}
BROKEN = {"ReadError", "RemoteProtocolError", "ClientPayloadError", "IncompleteRead", "JSONDecodeError", "Truncated"}
LATE = {"Timeout", "APITimeoutError", "ReadTimeout", "TimeoutException", "TimeoutError", "ServerTimeoutError"}


class Truncated(Exception):
    """A reply that ended without a stop reason, for who finds one: `failure` knows it."""


class Feed:
    """Follows one endturn. Make one a process, after any fork; threads are daemons, so it needs no closing."""

    def __init__(self, base: str = "http://127.0.0.1:7411", token: str | None = None, reporter: str = "python") -> None:
        self._base, self._reporter = base.rstrip("/"), reporter
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        # No proxy of the environment: it would stand between a decision and its evidence.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        # Replaced as a whole, so readers need no lock: hint and weight by target, and until when they hold.
        self._known: tuple[dict[str, tuple[str, float]], float] = ({}, 0.0)
        self._waiting: collections.deque[tuple[float, str]] = collections.deque()
        self._wake = threading.Condition()
        self._closed = threading.Event()
        self.dropped = 0  # reports that were not delivered
        for work in (self._follow, self._deliver):
            threading.Thread(target=work, name=f"endturn{work.__name__}", daemon=True).start()

    def hint(self, target: str) -> str:
        """The routing hint: `allow`, `avoid`, .. and `no_opinion` where nothing is known."""
        return self._look(target)[0]

    def allows(self, target: str) -> bool:
        """False only while the feed is fresh and says `avoid`."""
        return self.hint(target) != "avoid"

    def share(self, target: str) -> float:
        """The share of its usual requests that a target should get: 0 to avoid, less than 1 while it comes back."""
        hint, weight = self._look(target)
        return {"avoid": 0.0, "ramp": weight}.get(hint, 1.0)

    def order(self, targets: Iterable[str]) -> list[str]:
        """All of them, in the order in which to try them; yours stands among equals. Last come those to avoid."""
        return sorted(targets, key=self._rank)

    def usable(self, targets: Iterable[str], fail_closed: bool = False) -> list[str]:
        """As `order`, without those to avoid. If that leaves none: all of them, or with `fail_closed` none."""
        ordered = self.order(targets)
        return [target for target in ordered if self.allows(target)] or ([] if fail_closed else ordered)

    def report(self, target: str, verdict: str, **facts: Any) -> None:
        """Tells what became of a request (members: docs/reports.md). Never waits; what doesn't fit is dropped."""
        told = {"id": uuid.uuid4().hex, "target": target, "verdict": verdict, "reporter": self._reporter}
        body = json.dumps(told | {name: fact for name, fact in facts.items() if fact is not None})
        with self._wake:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append((time.monotonic(), body))
                self._wake.notify()
            else:
                self.dropped += 1

    def wait(self, seconds: float) -> bool:
        """For starts and tests, never for a request: whether the feed is known, at the latest after so long."""
        until = time.monotonic() + seconds
        while not self.fresh() and time.monotonic() < until:
            time.sleep(0.01)
        return self.fresh()

    def fresh(self) -> bool:
        """Whether anything is known right now."""
        return time.monotonic() < self._known[1]

    def close(self) -> None:
        """Ends both threads; what was known is forgotten, what waits to be reported is lost."""
        self._closed.set()
        self._known = ({}, 0.0)
        with self._wake:
            self._wake.notify()

    def _look(self, target: str) -> tuple[str, float]:
        hints, until = self._known
        return hints.get(target, ("no_opinion", 1.0)) if time.monotonic() < until else ("no_opinion", 1.0)

    def _rank(self, target: str) -> int:
        hint = self.hint(target)
        if hint == "ramp" and random.random() >= self.share(target):
            return RANK["suspect"]  # Coming back: its share of requests finds it in its place, the others behind.
        return RANK.get(hint, 0)

    def _follow(self) -> None:
        while not self._closed.is_set():
            try:
                request = urllib.request.Request(self._base + "/v1/events", headers=self._headers)
                with self._open(request, timeout=SILENCE_S) as stream:
                    self._read(stream)
            except Exception:
                pass  # Whatever came: what is known holds until it is stale, and this goes on.
            self._closed.wait(random.uniform(*RETRY_S))

    def _read(self, stream: Any) -> None:
        """Events until the stream ends. Each connection begins with a snapshot, since it asks for no revision."""
        event = ""
        hints: dict[str, tuple[str, float]] | None = None
        while (line := stream.readline(MAX_LINE)) and not self._closed.is_set():
            if line.startswith(b"event:"):
                event = line[6:].strip().decode()
            elif line.startswith(b"data:"):
                feed = json.loads(line[5:])
                if event == "snapshot":
                    hints = {}
                if hints is None:
                    raise ValueError("a change came before its snapshot")
                # A copy: whoever reads the old one goes on undisturbed.
                hints = hints | {t["id"]: _routing(t["routing"]) for t in feed.get("targets", ())}
                # How long it holds is a difference of endturn's own clock, counted from now by ours: two machines'
                # clocks are never compared.
                holds = _instant(feed["stale_after"]) - _instant(feed["generated_at"])
                self._known = (hints, time.monotonic() + holds if feed["network"] == "online" else 0.0)

    def _deliver(self) -> None:
        while not self._closed.is_set():
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._closed.is_set())
                oldest = time.monotonic() - MAX_AGE_S
                while self._waiting and self._waiting[0][0] < oldest:
                    self._waiting.popleft()
                    self.dropped += 1
                batch = [self._waiting[n][1] for n in range(min(len(self._waiting), MAX_BODY))]
            if batch and self._post(batch):
                with self._wake:
                    for _ in batch:
                        self._waiting.popleft()
            elif batch:
                self._closed.wait(random.uniform(*RETRY_S))  # Sent again under the same ids: it counts once.

    def _post(self, batch: list[str]) -> bool:
        headers = {"Content-Type": "application/x-ndjson", **self._headers}
        try:
            request = urllib.request.Request(self._base + "/v1/reports", "\n".join(batch).encode(), headers)
            with self._open(request, timeout=5) as answer:
                return bool(answer.status == 202)
        except Exception:
            return False


class Endings:
    """Whether a missing stop reason means a cut: only at a target that has shown one before. Some libraries hand none
    on; of those targets nothing is reported, for failures without the successes beside them look like an outage."""

    def __init__(self) -> None:
        self._shown: set[str] = set()
        self._hidden: set[str] = set()

    def cut(self, target: str, stop: str | None) -> bool:
        """Takes note of how a reply ended that raised nothing; whether it was cut."""
        if stop:
            self._shown.add(target)
            self._hidden.discard(target)
        elif target not in self._shown:
            self._hidden.add(target)
        return not stop and target in self._shown

    def tell(self, target: str) -> bool:
        """Whether its replies tell how they end, as far as is known."""
        return target not in self._hidden


def failure(error: BaseException | None, streaming: bool = False) -> dict[str, Any] | None:
    """Verdict and facts of an exception, for `report`: `feed.report(target, **failure(error))`. `streaming`: a part of
    the reply had come. None: it isn't one that tells of the provider."""
    links: list[BaseException] = []
    link = error
    while link is not None and len(links) < 16:
        links.append(link)
        link = link.__cause__ or link.__context__ or getattr(link, "original_exception", None)
    names = {kind.__name__ for link in links for kind in type(link).__mro__}
    if names & UNCONNECTED:
        return {"verdict": "errored", "error": "connect"}
    if any(name.endswith(("HTTPStatusError", "APIStatusError")) for name in names):
        # The innermost: routers make 500 of many a status.
        statuses = [getattr(getattr(link, "response", None), "status_code", None) for link in reversed(links)]
        if status := next((status for status in statuses if isinstance(status, int) and status >= 400), None):
            return {"verdict": "errored", "http_status": status}
    if names & LATE:
        return {"verdict": "errored", "error": "timeout"}
    if names & BROKEN:
        return {"verdict": "truncated", "kind": "cut", "http_status": 200}
    if streaming:
        word = "overloaded" if "overloaded" in str(error).lower() else "server_error"
        return {"verdict": "errored", "error": word, "http_status": 200}
    said = getattr(error, "status_code", None)
    return {"verdict": "errored", "http_status": said} if isinstance(said, int) and 400 <= said <= 599 else None


def _routing(routing: dict[str, Any]) -> tuple[str, float]:
    return str(routing["hint"]), float(1.0 if routing.get("weight") is None else routing["weight"])


def _instant(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
