"""What whoever reads the feed has to obey, held against endturn_feed.py. `python3 -m unittest` in this directory."""

from __future__ import annotations

import io
import json
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest import mock

import endturn_feed
from endturn_feed import Feed

GENERATED, STALE = "2026-06-20T13:01:00.000Z", "2026-06-20T13:01:15.000Z"


class Clock:
    """The module's clock, moved by hand. The date of this machine never plays a part."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def event(name: str, hints: dict[str, str], weight: float | None = 1.0, **head: Any) -> bytes:
    targets = [{"id": target, "routing": {"hint": hint, "weight": weight}} for target, hint in hints.items()]
    feed = {"generated_at": GENERATED, "stale_after": STALE, "network": "online", "targets": targets, **head}
    return f"event: {name}\nid: 1\ndata: {json.dumps(feed)}\n\n".encode()


class Rules(unittest.TestCase):
    def setUp(self) -> None:
        with mock.patch.object(endturn_feed.threading, "Thread"):
            self.feed = Feed("http://127.0.0.1:9")
        self.clock = Clock()
        patch = mock.patch.object(endturn_feed, "time", self.clock)
        patch.start()
        self.addCleanup(patch.stop)

    def read(self, *events: bytes) -> None:
        self.feed._read(io.BytesIO(b"retry: 3000\n\n: comment\n\n" + b"".join(events)))

    def test_without_a_feed_everything_is_allowed_in_the_given_order(self) -> None:
        self.assertFalse(self.feed.fresh())
        self.assertEqual(self.feed.order(["b", "a"]), ["b", "a"])
        self.assertTrue(self.feed.allows("a"))

    def test_hints_rank(self) -> None:
        hints = {"a": "avoid", "s": "suspect", "t": "throttle", "b": "blocked", "n": "no_opinion", "o": "allow"}
        self.read(event("snapshot", hints))
        self.assertEqual(self.feed.order(["a", "b", "t", "s", "n", "o"]), ["n", "o", "s", "t", "b", "a"])
        self.assertEqual([target for target in hints if not self.feed.allows(target)], ["a"])

    def test_what_is_not_named_or_has_an_unknown_word_passes(self) -> None:
        self.read(event("snapshot", {"a": "avoid", "w": "word_of_a_later_version"}, weight=None))
        self.assertEqual(self.feed.order(["a", "w", "other"]), ["w", "other", "a"])
        self.assertTrue(self.feed.allows("w"))
        self.assertTrue(self.feed.allows("other"))

    def test_it_holds_as_long_as_endturn_said_from_receipt_on(self) -> None:
        self.read(event("snapshot", {"a": "avoid"}))
        self.clock.now += 14.99
        self.assertFalse(self.feed.allows("a"))
        self.clock.now += 0.01
        self.assertTrue(self.feed.allows("a"))
        self.assertEqual(self.feed.order(["a", "b"]), ["a", "b"])

    def test_a_heartbeat_renews_what_is_known(self) -> None:
        # Four lines from the one's data to the other's: 12 s.
        self.feed._read(Slow(event("snapshot", {"a": "avoid"}) + event("heartbeat", {}), self.clock))
        self.clock.now += 5
        self.assertFalse(self.feed.allows("a"))

    def test_changes_are_merged_and_a_snapshot_replaces(self) -> None:
        snapshot = event("snapshot", {"a": "avoid", "b": "allow"})
        self.read(snapshot, event("health", {"b": "avoid"}), event("heartbeat", {}))
        self.assertEqual([self.feed.allows("a"), self.feed.allows("b")], [False, False])
        self.read(event("snapshot", {"b": "avoid"}))
        self.assertEqual([self.feed.allows("a"), self.feed.allows("b")], [True, False])

    def test_a_network_that_is_not_online_tells_nothing(self) -> None:
        self.read(event("snapshot", {"a": "avoid"}), event("health", {}, network="offline"))
        self.assertTrue(self.feed.allows("a"))
        self.read(event("snapshot", {"a": "avoid"}, network="doubtful"))
        self.assertTrue(self.feed.allows("a"))

    def test_a_change_without_its_snapshot_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            self.read(event("health", {"a": "avoid"}))

    def test_all_out(self) -> None:
        self.read(event("snapshot", {"a": "avoid", "b": "avoid", "c": "suspect"}))
        self.assertEqual(self.feed.usable(["a", "b"]), ["a", "b"])
        self.assertEqual(self.feed.usable(["a", "b"], fail_closed=True), [])
        self.assertEqual(self.feed.usable(["a", "c"], fail_closed=True), ["c"])

    def test_a_target_that_comes_back_gets_its_share(self) -> None:
        self.read(event("snapshot", {"a": "ramp", "b": "allow"}, weight=0.25))
        self.assertEqual([self.feed.share(target) for target in "abc"], [0.25, 1.0, 1.0])
        for drawn, first in ((0.0, "a"), (0.2499, "a"), (0.25, "b"), (0.99, "b")):
            with mock.patch.object(endturn_feed.random, "random", lambda drawn=drawn: drawn):
                self.assertEqual(self.feed.order(["a", "b"])[0], first, drawn)

    def test_reports_that_nobody_takes_are_bounded(self) -> None:
        for _ in range(endturn_feed.MAX_WAITING + 3):
            self.feed.report("a", "complete")
        self.assertEqual((len(self.feed._waiting), self.feed.dropped), (endturn_feed.MAX_WAITING, 3))


class Outcomes(unittest.TestCase):
    def test_a_missing_stop_reason_is_a_cut_where_one_was_shown(self) -> None:
        endings = endturn_feed.Endings()
        steps = [("a", "stop", False, True), ("a", None, True, True), ("b", None, False, False),
                 ("b", None, False, False), ("b", "stop", False, True), ("b", "", True, True)]
        for number, (target, stop, cut, tells) in enumerate(steps):
            self.assertEqual((endings.cut(target, stop), endings.tell(target)), (cut, tells), number)
        self.assertTrue(endings.tell("never seen"))

    def test_failures(self) -> None:
        def named(name: str, base: type[Exception] = Exception, **members: Any) -> Exception:
            error = type(name, (base,), {})("it says overloaded_error")
            for member, value in members.items():
                setattr(error, member, value)
            return error

        def caused(error: Exception, *causes: Exception) -> Exception:
            link: BaseException = error
            for cause in causes:
                link.__cause__ = cause
                link = cause
            return error

        def answer(status: int) -> mock.Mock:
            return mock.Mock(status_code=status)

        made_up = named("InternalServerError", status_code=500, response=answer(500))
        rows: list[tuple[Exception, bool, dict[str, Any] | None]] = [
            (caused(made_up, named("HTTPStatusError", response=answer(529))), False, {"http_status": 529}),
            (caused(named("X", status_code=500), named("ConnectError")), False, {"error": "connect"}),
            (caused(named("X"), named("ReadTimeout")), False, {"error": "timeout"}),
            (caused(named("X", status_code=500), named("JSONDecodeError")), False, {"kind": "cut", "http_status": 200}),
            (endturn_feed.Truncated("no stop reason"), True, {"kind": "cut", "http_status": 200}),
            (named("APIError"), True, {"error": "overloaded", "http_status": 200}),
            (named("RateLimitError", status_code=429), False, {"http_status": 429}),
            (named("ValueError"), False, None),
        ]
        for error, streaming, wanted in rows:
            verdict = "truncated" if wanted and "kind" in wanted else "errored"
            expected = wanted and {"verdict": verdict, **wanted}
            self.assertEqual(endturn_feed.failure(error, streaming), expected, repr(error))

    def test_a_ring_of_causes_ends(self) -> None:
        error = ValueError()
        error.__cause__ = error
        self.assertIsNone(endturn_feed.failure(error))


class Slow(io.BytesIO):
    """A stream whose lines come 3 s apart."""

    def __init__(self, data: bytes, clock: Clock) -> None:
        super().__init__(data)
        self.clock = clock

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if line:
            self.clock.now += 3
        return line


class Endturn(BaseHTTPRequestHandler):
    """As much of endturn as a client sees: breaks its first stream, refuses the first reports."""

    protocol_version = "HTTP/1.1"
    streams = 0
    posts: list[list[dict[str, Any]]] = []
    told = threading.Event()

    def do_GET(self) -> None:
        kind = type(self)
        kind.streams += 1
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        data = event("snapshot", {"a": "avoid" if kind.streams > 1 else "allow"})
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()
        if kind.streams == 1:
            self.close_connection = True  # Cut in the middle of the body.
        else:
            self.server.done.wait(30)  # type: ignore[attr-defined]

    def do_POST(self) -> None:
        kind = type(self)
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        kind.posts.append([json.loads(line) for line in body.splitlines()])
        first = len(kind.posts) == 1
        self.send_response(503 if first else 202)
        self.send_header("content-length", "0")
        self.end_headers()
        if not first:
            kind.told.set()

    def log_message(self, *_: Any) -> None:
        pass


class Wire(unittest.TestCase):
    def test_it_comes_back_after_a_cut_and_reports_count_once(self) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Endturn)
        server.daemon_threads = True
        server.done = threading.Event()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with mock.patch.object(endturn_feed, "RETRY_S", (0.01, 0.02)):
            feed = Feed(f"http://127.0.0.1:{server.server_address[1]}/", token="t", reporter="me")
            feed.report("a", "truncated", kind="cut", ttft_ms=None)
            self.assertTrue(Endturn.told.wait(20))
            # The second connection tells otherwise than the first: both were read.
            waited = threading.Event()
            for _ in range(2000):
                if not feed.allows("a"):
                    break
                waited.wait(0.01)
            self.assertFalse(feed.allows("a"))
        feed.close()
        server.done.set()  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()
        first, second = Endturn.posts
        self.assertEqual(first, second)
        (report,) = second
        self.assertEqual(len(report.pop("id")), 32)
        self.assertEqual(report, {"target": "a", "verdict": "truncated", "reporter": "me", "kind": "cut"})


if __name__ == "__main__":
    unittest.main()
