"""CrewAI's and AutoGen's agents on our model clients: a provider that cuts is survived, then avoided.

Usage: frameworks.py BINARY crewai|autogen
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version

from world import CUT, FIRST, FULL_WORDS, SECOND, World, world

from support import check, finish

from endturn_feed import Feed

# Ours on the simulator, so that its log tells them from endturn's canaries.
CLIENT = {FIRST: "gpt-5.2-client", SECOND: "gpt-oss-20b-client"}


def asked(one: World) -> tuple[int, int]:
    entries = one.log()["entries"]
    first, second = (sum(entry["model"] == model for entry in entries) for model in CLIENT.values())
    return first, second


def through(name: str, one: World, feed: Feed, words: Callable[[], int]) -> None:
    check(f"{name}, healthy: whole, by the first", (words(), asked(one)), (FULL_WORDS, (1, 0)))
    one.fault(FIRST.partition("/")[0], CUT)
    check(f"{name}, cut before the feed knows: whole, by the second", (words(), asked(one)), (FULL_WORDS, (2, 1)))
    one.known(feed, FIRST, "avoid")
    check(f"{name}, `avoid`: whole, the first not asked", (words(), asked(one)), (FULL_WORDS, (2, 2)))
    one.daemon.kill()
    check(f"{name}, endturn dead: whole", words(), FULL_WORDS)


def crewai(one: World, feed: Feed) -> None:
    from crewai import LLM, Agent, Crew, Task
    from endturn_llm import HealthOrdered

    print(f"crewai {version('crewai')}", flush=True)
    llms = {
        target: LLM(model=model, provider="openai", base_url=one.base(target), api_key="k", max_retries=0)
        for target, model in CLIENT.items()
    }
    # An agent's reply has to be in its format; the simulator's filler isn't, so the model is asked by itself as well.
    llm = HealthOrdered(feed, llms)
    through("CrewAI", one, feed, lambda: len(llm.call("tell me something").split()))
    agent = Agent(role="writer", goal="write", backstory="a writer", llm=HealthOrdered(feed, llms), max_iter=1)
    crew = Crew(agents=[agent], tasks=[Task(description="Write.", expected_output="text", agent=agent)])
    check("CrewAI: a crew's output", len(str(crew.kickoff()).split()), FULL_WORDS)


def autogen(one: World, feed: Feed) -> None:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_core.models import UserMessage
    from autogen_ext.models.openai import OpenAIChatCompletionClient
    from endturn_client import HealthOrdered

    print(f"autogen-agentchat {version('autogen-agentchat')}, autogen-ext {version('autogen-ext')}", flush=True)
    info = {"family": "unknown", "function_calling": True}
    info |= dict.fromkeys(("vision", "json_output", "structured_output"), False)
    clients = {
        target: OpenAIChatCompletionClient(
            model=model, base_url=one.base(target), api_key="k", max_retries=0, model_info=info
        )
        for target, model in CLIENT.items()
    }
    client = HealthOrdered(feed, clients)

    async def agent() -> int:
        result = await AssistantAgent("writer", client).run(task="tell me something")
        return len(result.messages[-1].content.split())

    async def stream() -> int:
        pieces = [piece async for piece in client.create_stream([UserMessage(content="tell", source="user")])]
        return len(pieces[-1].content.split())

    runner = asyncio.Runner()
    through("AutoGen", one, feed, lambda: runner.run(agent()))
    check("AutoGen, a stream: whole", runner.run(stream()), FULL_WORDS)
    runner.run(client.close())
    runner.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as home, world() as one:
        # CrewAI keeps things at home.
        os.environ |= {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home}
        feed = Feed(one.url, reporter=sys.argv[2])
        check("the feed came", feed.wait(10), True)
        {"crewai": crewai, "autogen": autogen}[sys.argv[2]](one, feed)
        feed.close()


main()
finish()
