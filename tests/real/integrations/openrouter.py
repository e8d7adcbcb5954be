"""integrations/openrouter: the request body that an SDK really sends, by what the feed says. OpenRouter itself is not
asked: what it makes of `provider.ignore` is its own word (its documentation of provider routing)."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Any

from world import CUT, FIRST, SECOND, world

from support import check, finish

from endturn_feed import Feed
from endturn_openrouter import provider_preferences, slug
from openai import OpenAI


class Bodies(BaseHTTPRequestHandler):
    """Keeps what it was sent and hands on nothing."""

    taken: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        self.taken.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        reply = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}]}
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bodies)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = OpenAI(base_url=f"http://127.0.0.1:{server.server_address[1]}", api_key="k", max_retries=0)
    slugs = {target: slug(target) for target in (FIRST, SECOND)}

    def sent(feed: Feed) -> Any:
        body = provider_preferences(feed, slugs, sort="price")
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], extra_body=body)
        return Bodies.taken[-1]["provider"]

    print(f"openai {version('openai')}", flush=True)
    with world() as one:
        feed = Feed(one.url)
        check("the feed came", feed.wait(10), True)
        check("healthy: nobody is ignored", sent(feed), {"sort": "price", "ignore": []})
        one.fault(FIRST.partition("/")[0], CUT)
        one.known(feed, FIRST, "avoid")
        check("`avoid`: the slug is ignored", sent(feed), {"sort": "price", "ignore": ["openai"]})
        feed.close()
    server.shutdown()


main()
finish()
