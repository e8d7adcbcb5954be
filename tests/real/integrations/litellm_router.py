"""LiteLLM's Router with our hook: no request to a truncating provider later than 1 s after the feed says `avoid`, and
it serves on when endturn is killed. The simulator's log is the ground truth."""

from __future__ import annotations

import asyncio
import logging
import time
import urllib.parse
from importlib.metadata import version

from world import CUT, FIRST, FULL_WORDS, SECOND, World, world

from support import check, finish

import litellm
from endturn_feed import Feed
from endturn_hook import EndturnHook

# Ours on the simulator, so that its log tells them from endturn's canaries.
CLIENT = {FIRST: "gpt-5.2-client", SECOND: "gpt-oss-20b-client"}
MESSAGES = [{"role": "user", "content": "tell me something"}]


def router(one: World) -> litellm.Router:
    models = [
        {
            "model_name": "chat",
            "litellm_params": {"model": f"openai/{CLIENT[target]}", "api_base": one.base(target), "api_key": "k",
                               "order": number},
            "model_info": {"id": f"d{number}", "endturn_target": target},
        }
        for number, target in ((1, FIRST), (2, SECOND))
    ]
    # Its cooldown is off: what steers is the feed alone.
    return litellm.Router(model_list=models, num_retries=0, disable_cooldowns=True)


async def words(one: litellm.Router, quiet: bool = False) -> int:
    """The words of one streamed reply, or -1 for an error."""
    count = 0
    try:
        async for chunk in await one.acompletion(model="chat", messages=MESSAGES, stream=True, max_tokens=300):
            count += len(((chunk.choices and chunk.choices[0].delta.content) or "").split())
    except Exception as error:
        if not quiet:
            print(f"     {type(error).__name__}: {str(error)[:120]}", flush=True)
        return -1
    return count


async def traffic(one: litellm.Router, stop: asyncio.Event, every: float = 0.1) -> list[tuple[float, int]]:
    """A request every so often, until told to stop: when, and the words that came."""
    times, asked = [], []
    while not stop.is_set():
        times.append(time.monotonic())
        asked.append(asyncio.create_task(words(one)))
        await asyncio.sleep(every)
    return list(zip(times, await asyncio.gather(*asked)))


def requests_of_ours(one: World, target: str) -> list[float]:
    """When they arrived, by the clock of this process."""
    log, ahead = one.log(), one.clock()
    return [entry["arrival_us"] / 1e6 - ahead for entry in log["entries"] if entry["model"] == CLIENT[target]]


async def steered(one: World, hook: EndturnHook) -> None:
    chat, stop = router(one), asyncio.Event()
    running = asyncio.create_task(traffic(chat, stop))
    await asyncio.sleep(2)
    check("healthy: requests went to the first", len(requests_of_ours(one, FIRST)) > 10, True)
    check("healthy: none to the second", len(requests_of_ours(one, SECOND)), 0)
    one.fault(FIRST.partition("/")[0], CUT)
    # The feed as anybody sees it: not the hook's own snapshot.
    await asyncio.to_thread(one.until, FIRST, "avoid")
    said = time.monotonic()
    await asyncio.sleep(4)
    stop.set()
    replies = await running
    late = [round(at - said, 3) for at in requests_of_ours(one, FIRST) if at > said]
    check("requests to the first later than 1 s after `avoid`", [at for at in late if at > 1], [])
    print(f"     the last one arrived {max(late, default=0):.3f} s after the feed said so; {len(late)} in all after it")
    check("replies since then are whole", {count for at, count in replies if at > said + 1}, {FULL_WORDS})
    print(f"     of {len(replies)} replies {sum(count != FULL_WORDS for _, count in replies)} were cut, all before")


async def both_out(one: World, hook: EndturnHook) -> None:
    one.fault(SECOND.partition("/")[0], {"kind": "truncate", "at": 0.9, "how": "no_terminal"})
    await asyncio.to_thread(one.known, hook.feed, SECOND, "avoid")
    chat = router(one)
    check("all out: the first is asked as without a feed", await words(chat), FULL_WORDS // 2)
    hook.fail_closed = True
    check("all out, fail_closed: no request", await words(chat), -1)
    hook.fail_closed = False
    one.heal(SECOND.partition("/")[0])
    # Coming back it is better than the first, which is out.
    await asyncio.to_thread(one.known, hook.feed, SECOND, "ramp")


async def killed(one: World, hook: EndturnHook) -> None:
    """The first still cuts, and nobody says so any longer."""
    chat, stop = router(one), asyncio.Event()
    before = len(requests_of_ours(one, FIRST))
    running = asyncio.create_task(traffic(chat, stop, 0.25))
    await asyncio.sleep(1)
    one.daemon.kill()
    dead = time.monotonic()
    await asyncio.sleep(18)
    stop.set()
    replies = await running
    check("endturn dead: every request was answered", min(count for _, count in replies) > 0, True)
    again = [at - dead for at in requests_of_ours(one, FIRST)[before:]]
    # A heartbeat came at most 5 s before.
    check("what was known holds, then goes", bool(again) and min(again) > 8, True)
    print(f"     first request to the first target {min(again, default=0):.1f} s after the kill")


async def told(one: World, hook: EndturnHook) -> None:
    """What LiteLLM's events make of each fault, as endturn keeps it."""
    wanted = {
        "": "complete", "!truncate.fin": "truncated cut", "!truncate.no_terminal": "truncated cut",
        "!truncate.mid_event": "truncated cut", "!length": "limited", "!error_event": "errored server_error",
        "!status.529": "errored overloaded", "!status.500": "errored server_error", "!rate_limit": "errored rate_limit",
        "!refuse": "errored connect", "!auth": "errored auth",
    }
    async def one_fault(protocol: str, base: str, fault: str, verdict: str) -> None:
        # A healthy one comes first: without it the absence of a stop reason means nothing.
        target, healthy = f"told-{protocol}/m{fault}", [""] if "mid_event" in fault or "no_terminal" in fault else []
        for number, ending in enumerate([*healthy, fault]):
            params = {"model": f"{protocol}/m{ending}", "api_base": one.sim + base, "api_key": "k"}
            model = {"model_name": "chat", "litellm_params": params, "model_info": {"endturn_target": target}}
            await words(litellm.Router(num_retries=0, disable_cooldowns=True, model_list=[model]), quiet=True)
            found = await asyncio.to_thread(reports, one, target, number + 1)
        check(f"report, {protocol} {fault or 'healthy'}", found, [verdict, *("complete" for _ in healthy)])

    for protocol, base in (("openai", "/openai/v1"), ("anthropic", "/anthropic")):
        await asyncio.gather(*(one_fault(protocol, base, *row) for row in wanted.items()))
        # LiteLLM calls an overload in the stream a server error, in OpenAI's words.
        wanted["!error_event"] = "errored overloaded"


def reports(one: World, target: str, wanted: int) -> list[str]:
    """Verdict and kind of each report of a target, newest first, once there are so many."""
    until = time.monotonic() + 15
    url = f"{one.url}/v1/observations?source=report&target={urllib.parse.quote(target)}&limit=100"
    while len(items := one.ask("GET", url)["items"]) < wanted and time.monotonic() < until:
        time.sleep(0.1)
    return [" ".join(word for word in (item["verdict"], item.get("kind")) if word) for item in items]


def names() -> None:
    """Which deployment is which target."""
    hook = EndturnHook(Feed("http://127.0.0.1:9"), bases={"http://10.0.0.7:8000/v1/": "vllm"})
    rows = [
        ({"endturn_target": "a/b", "id": "c/d"}, {"model": "e/f"}, "a/b"),
        ({"id": "c/d"}, {"model": "e/f"}, "c/d"),
        ({"id": "0f3a"}, {"model": "anthropic/claude-haiku-4-5"}, "anthropic/claude-haiku-4-5"),
        ({}, {"model": "openrouter/meta-llama/llama-3.1-8b"}, "openrouter/meta-llama/llama-3.1-8b"),
        ({}, {"model": "gpt-5.2"}, "openai/gpt-5.2"),
        ({}, {"model": "openai/qwen", "api_base": "http://10.0.0.7:8000/v1"}, "vllm/qwen"),
        # A server of one's own is not the vendor.
        ({}, {"model": "openai/qwen", "api_base": "http://10.0.0.8:8000/v1"}, None),
    ]
    for info, params, wanted in rows:
        check(f"target of {info} {params}", hook.target({"model_info": info, "litellm_params": params}), wanted)
    hook.feed.close()


async def run() -> None:
    litellm.suppress_debug_info = True
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    with world() as one:
        print(f"LiteLLM {version('litellm')}", flush=True)
        hook = EndturnHook(Feed(one.url, reporter="litellm"))
        litellm.callbacks = [hook]
        check("the feed came", hook.feed.wait(10), True)
        names()
        await told(one, hook)
        # Reports out of the way: what follows is steered by canaries alone.
        hook.feed.report = lambda *_, **__: None  # type: ignore[method-assign]
        await steered(one, hook)
        await both_out(one, hook)
        await killed(one, hook)
        hook.feed.close()


asyncio.run(run())
finish()
