"""A LangGraph run that loses its provider in the middle goes on with another one, from its last finished step.

A conditional edge asks endturn's feed who does the next step; each provider is a node. A step that fails raises, so
the checkpointer holds the run as it was after the step before. `resume` lets the edge decide anew from there, without
the provider that was lost: finished steps are not paid for twice. Copy endturn_feed.py beside this file.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypedDict

from endturn_feed import Feed, Truncated, failure
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph


class Work(TypedDict):
    """What is to be done, and what is."""

    todo: list[str]
    done: Annotated[list[str], operator.add]


class Lost(Exception):
    """A step failed at this target; the run stands where it stood before."""

    def __init__(self, target: str) -> None:
        super().__init__(f"{target} did not finish a step")
        self.target = target


def build(feed: Feed, models: Mapping[str, BaseChatModel], saver: BaseCheckpointSaver) -> CompiledStateGraph:
    """`models`: by target, in order of preference. Each step is one streamed reply."""

    def next_step(state: Work, config: RunnableConfig) -> str:
        if len(state["done"]) == len(state["todo"]):
            return END
        lost = config.get("configurable", {}).get("lost", ())
        ordered = feed.order(models)  # memory only: no request is made here
        return next((target for target in ordered if target not in lost), ordered[0])

    def step(target: str) -> Callable[[Work], dict[str, list[str]]]:
        def run(state: Work) -> dict[str, list[str]]:
            text, stop = "", None
            try:
                for chunk in models[target].stream(state["todo"][len(state["done"])]):
                    text += str(chunk.content)
                    stop = chunk.response_metadata.get("finish_reason") or stop
                if stop is None:
                    raise Truncated("the stream ended without a stop reason")
            except Exception as error:
                if facts := failure(error, streaming=bool(text)):
                    feed.report(target, **facts)
                raise Lost(target) from error
            feed.report(target, "complete", stop_reason=stop)
            return {"done": [text]}

        return run

    graph = StateGraph(Work)
    graph.add_node("choose", lambda state: {})
    graph.add_edge(START, "choose")
    # A node's name must not hold `:`, which model ids do.
    names = {target: target.replace(":", "_") for target in models}
    graph.add_conditional_edges("choose", next_step, {**names, END: END})
    for target, name in names.items():
        graph.add_node(name, step(target))
        graph.add_edge(name, "choose")
    return graph.compile(checkpointer=saver)


def resume(graph: CompiledStateGraph, config: RunnableConfig, lost: list[str]) -> Any:
    """Goes on after the last finished step, elsewhere than with `lost` if there is another."""
    config = {**config, "configurable": {**config["configurable"], "lost": lost}}
    # As if `choose` had just run: its edge is decided again.
    graph.update_state(config, None, as_node="choose")
    return graph.invoke(None, config)


def run(graph: CompiledStateGraph, todo: list[str], thread: str) -> Any:
    """To the end, over as many providers as it takes. One that lost a step stays out until another step is lost."""
    config: RunnableConfig = {"configurable": {"thread_id": thread}}
    lost: list[str] = []
    done = 0
    while True:
        try:
            return resume(graph, config, lost) if lost else graph.invoke({"todo": todo, "done": []}, config)
        except Lost as error:
            now = len(graph.get_state(config).values["done"])
            lost = [*(lost if now == done else []), error.target]
            done = now
            if len(set(lost)) < len(lost):  # everyone failed at this step
                raise
