"""A CrewAI model that is whichever of yours can finish a reply: `Agent(llm=HealthOrdered(feed, {..}), ..)`.

Every call asks the models in the feed's order and goes on to the next if one fails. CrewAI hands on text alone, so that
what became of a streamed reply isn't known here: outcomes are reported of models that don't stream.
Copy endturn_feed.py beside this file.
"""

from __future__ import annotations

from typing import Any

from crewai import BaseLLM
from endturn_feed import Feed, failure


class HealthOrdered(BaseLLM):
    """`llms`: by target, in order of preference."""

    feed: Any = None
    llms: dict[str, Any] = {}
    fail_closed: bool = False

    def __init__(self, feed: Feed, llms: dict[str, BaseLLM], fail_closed: bool = False, **more: Any) -> None:
        super().__init__(model=next(iter(llms)), feed=feed, llms=llms, fail_closed=fail_closed, **more)

    def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        last: Exception = RuntimeError("every target is to be avoided")
        for target in self.feed.usable(self.llms, self.fail_closed):
            try:
                return self._whole(target, self.llms[target].call(messages, *args, **kwargs))
            except Exception as error:
                last = self._failed(target, error)
        raise last

    async def acall(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        last: Exception = RuntimeError("every target is to be avoided")
        for target in self.feed.usable(self.llms, self.fail_closed):
            try:
                return self._whole(target, await self.llms[target].acall(messages, *args, **kwargs))
            except Exception as error:
                last = self._failed(target, error)
        raise last

    def _whole(self, target: str, answer: Any) -> Any:
        if not self.llms[target].stream:
            self.feed.report(target, "complete")
        return answer

    def _failed(self, target: str, error: Exception) -> Exception:
        if (facts := failure(error)) and not self.llms[target].stream:
            self.feed.report(target, **facts)
        return error

    def supports_function_calling(self) -> bool:
        return all(llm.supports_function_calling() for llm in self.llms.values())

    def supports_stop_words(self) -> bool:
        return all(llm.supports_stop_words() for llm in self.llms.values())

    def get_context_window_size(self) -> int:
        """The smallest: a prompt has to fit whoever is asked."""
        return min(llm.get_context_window_size() for llm in self.llms.values())
