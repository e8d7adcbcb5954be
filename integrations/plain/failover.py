"""Failover in plain Python with the OpenAI SDK: the feed's order, each reply's ending checked, every outcome reported.

The SDK returns a stream that just ends as if it were whole; only the missing stop reason tells. A reply is handed on
when it is whole, so a broken one costs time and nothing else. Copy endturn_feed.py beside this file.
"""

from __future__ import annotations

import time
from typing import Any

from endturn_feed import Feed, Truncated, failure
from openai import OpenAI

VERDICTS = {"length": "limited", "content_filter": "refused"}


def answer(feed: Feed, clients: dict[str, tuple[OpenAI, str]], messages: list[Any]) -> str:
    """The reply of the first target that finishes one. `clients`: by target, the preferred one first."""
    last: Exception = RuntimeError("no target")
    for target in feed.usable(clients):
        client, model = clients[target]
        start, first, text, stop = time.monotonic(), None, "", None
        try:
            for chunk in client.chat.completions.create(model=model, messages=messages, stream=True):
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    stop = choice.finish_reason or stop
                first = first or (time.monotonic() - start) * 1000
            if stop is None:
                raise Truncated("the stream ended without a stop reason")
        except Exception as error:
            last = error
            if facts := failure(error, streaming=bool(text)):
                feed.report(target, ttft_ms=first, **facts)
            continue
        feed.report(target, VERDICTS.get(stop, "complete"), stop_reason=stop, ttft_ms=first)
        return text
    raise last


if __name__ == "__main__":
    # max_retries=0: to try the same one again is worse than to try the next.
    print(answer(
        Feed(),
        {
            "openai/gpt-5.2": (OpenAI(max_retries=0), "gpt-5.2"),
            "groq/gpt-oss-20b": (OpenAI(base_url="https://api.groq.com/openai/v1", max_retries=0), "gpt-oss-20b"),
        },
        [{"role": "user", "content": "Say hello."}],
    ))
