"""One client of the proof: sends its requests at their times and prints what came of each, a JSON line.

The plan comes on stdin, a line of JSON: `client`, `start` (of the monotonic clock), `times`, `targets`, `bases`,
`models`, `feed` (none: without endturn), `reports`, `prompt`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import world  # environment and paths

PLAN = json.loads(sys.stdin.readline())
TARGETS, BASES, MODELS = PLAN["targets"], PLAN["bases"], PLAN["models"]
MESSAGES = [{"role": "user", "content": PLAN["prompt"]}]
# Requests at a time; more wait, and their waiting counts.
AT_ONCE = 100
Ask = Callable[[], Awaitable[str]]


def langchain() -> Ask:
    """`with_fallbacks`, all else as it comes."""
    from langchain_openai import ChatOpenAI

    first, second = (ChatOpenAI(model=MODELS[n], base_url=BASES[n], api_key="k") for n in range(2))
    chat = first.with_fallbacks([second])

    async def ask() -> str:
        return "".join([str(chunk.content) async for chunk in chat.astream(MESSAGES)])

    return ask


def litellm() -> Ask:
    """The Router: the second deployment has a higher `order`, all else as it comes; with a feed, our hook beside it."""
    import litellm

    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    litellm.suppress_debug_info = True
    if PLAN["feed"]:
        from endturn_feed import Feed
        from endturn_hook import EndturnHook

        hook = EndturnHook(Feed(PLAN["feed"], reporter="litellm"))
        if not PLAN["reports"]:
            hook.feed.report = lambda *_, **__: None  # type: ignore[method-assign]
        litellm.callbacks = [hook]
        hook.feed.wait(10)
    models = [
        {
            "model_name": "chat",
            "litellm_params": {"model": f"openai/{MODELS[n]}", "api_base": BASES[n], "api_key": "k", "order": n + 1},
            "model_info": {"endturn_target": TARGETS[n]},
        }
        for n in range(2)
    ]
    router = litellm.Router(model_list=models)

    async def ask() -> str:
        text = ""
        async for chunk in await router.acompletion(model="chat", messages=MESSAGES, stream=True):
            text += (chunk.choices and chunk.choices[0].delta.content) or ""
        return text

    return ask


def plain() -> Ask:
    """integrations/plain/failover.py."""
    from endturn_feed import Feed
    from failover import answer
    from openai import OpenAI

    feed = Feed(PLAN["feed"], reporter="plain")
    feed.wait(10)
    clients = {
        TARGETS[n]: (OpenAI(base_url=BASES[n], api_key="k", max_retries=0), MODELS[n]) for n in range(len(TARGETS))
    }
    pool = ThreadPoolExecutor(AT_ONCE)

    async def ask() -> str:
        return await asyncio.get_running_loop().run_in_executor(pool, answer, feed, clients, MESSAGES)

    return ask


async def one(ask: Ask, gate: asyncio.Semaphore, at: float) -> dict[str, Any]:
    due = PLAN["start"] + at
    await asyncio.sleep(max(0.0, due - time.monotonic()))
    error, text = None, ""
    async with gate:
        try:
            text = await asyncio.wait_for(ask(), 60)
        except Exception as raised:
            error = type(raised).__name__
    return {"at": at, "text": text, "error": error, "seconds": time.monotonic() - due}


async def main() -> None:
    ask = {"langchain": langchain, "litellm": litellm, "plain": plain}[PLAN["client"]]()
    gate = asyncio.Semaphore(AT_ONCE)
    # What is loaded with the first request is no part of what is measured.
    await ask()
    print("ready", flush=True)
    for result in await asyncio.gather(*(one(ask, gate, at) for at in PLAN["times"])):
        print(json.dumps(result))


asyncio.run(main())
