"""LangChain's middleware avoids a provider that cuts; a LangGraph run that loses its provider resumes on another."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

from world import CUT, FIRST, FULL_WORDS, SECOND, World, world

from support import check, finish

from endturn_feed import Feed
from endturn_graph import build, run
from endturn_middleware import HealthOrdered
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver

# Ours on the simulator, so that its log tells them from endturn's canaries.
CLIENT = {FIRST: "gpt-5.2-client", SECOND: "gpt-oss-20b-client"}
PROVIDER = FIRST.partition("/")[0]


def models(one: World, streaming: bool) -> dict[str, ChatOpenAI]:
    return {
        target: ChatOpenAI(model=model, base_url=one.base(target), api_key="k", max_retries=0, streaming=streaming)
        for target, model in CLIENT.items()
    }


def asked(one: World, target: str) -> int:
    return sum(entry["model"] == CLIENT[target] for entry in one.log()["entries"])


def words(answer: Any) -> int:
    return len(answer["messages"][-1].content.split())


def langchain(one: World, feed: Feed) -> None:
    both = models(one, streaming=True)
    agent = create_agent(model=both[FIRST], middleware=[HealthOrdered(feed, both)])
    ask = {"messages": [{"role": "user", "content": "tell me something"}]}
    check("LangChain, healthy: whole", words(agent.invoke(ask)), FULL_WORDS)
    check("LangChain, healthy: the first was asked", (asked(one, FIRST), asked(one, SECOND)), (1, 0))
    one.fault(PROVIDER, CUT)
    check("LangChain, cut before the feed knows: whole, by the second", words(agent.invoke(ask)), FULL_WORDS)
    check("LangChain: asked", (asked(one, FIRST), asked(one, SECOND)), (2, 1))
    one.known(feed, FIRST, "avoid")
    check("LangChain, `avoid`: whole", words(agent.invoke(ask)), FULL_WORDS)
    check("LangChain, `avoid`, async: whole", words(asyncio.run(agent.ainvoke(ask))), FULL_WORDS)
    check("LangChain, `avoid`: the first was not asked", (asked(one, FIRST), asked(one, SECOND)), (2, 3))


class Breaking(ChatOpenAI):
    """The outage begins with this model's third reply."""

    def _stream(self, *args: Any, **kwargs: Any) -> Any:
        world_, count = self.metadata["world"], self.metadata["count"]
        count.append(1)
        if len(count) == 3:
            world_.fault(PROVIDER, CUT)
        return super()._stream(*args, **kwargs)


def langgraph(one: World, feed: Feed) -> None:
    both = models(one, streaming=True)
    both[FIRST] = Breaking(
        model=CLIENT[FIRST], base_url=one.base(FIRST), api_key="k", max_retries=0, streaming=True,
        metadata={"world": one, "count": []},
    )
    before = {target: asked(one, target) for target in CLIENT}
    graph = build(feed, both, InMemorySaver())
    result = run(graph, [f"step {number}: tell me something" for number in range(6)], "thread-1")
    check("LangGraph: six steps, each whole", [len(text.split()) for text in result["done"]], [FULL_WORDS] * 6)
    counts = [asked(one, target) - before[target] for target in CLIENT]
    # The first did two and lost one. None that was finished was done again.
    check("LangGraph: requests to the first and the second", counts, [3, 4])
    check("LangGraph: the feed says so too", one.until(FIRST, "avoid"), "avoid")
    # The process is gone, its saver is not: a graph of a new process goes on.
    saver = InMemorySaver()
    config: Any = {"configurable": {"thread_id": "thread-2"}}
    first = build(feed, both, saver)
    todo: Any = {"todo": ["a", "b", "c"], "done": []}
    for _ in first.stream(todo, config, stream_mode="values", interrupt_after=[SECOND]):
        pass
    check("LangGraph: stopped after a step", len(first.get_state(config).values["done"]), 1)
    check("LangGraph: taken up by another graph", len(build(feed, both, saver).invoke(None, config)["done"]), 3)


def main() -> None:
    print(", ".join(f"{name} {version(name)}" for name in ("langchain", "langgraph", "langchain-openai")), flush=True)
    for part, reports in ((langchain, False), (langgraph, True)):
        with world() as one:
            feed = Feed(one.url, reporter="agents")
            check("the feed came", feed.wait(10), True)
            if not reports:  # so that it is the canaries' evidence that steers
                feed.report = lambda *_, **__: None  # type: ignore[method-assign]
            part(one, feed)
            feed.close()


main()
finish()
