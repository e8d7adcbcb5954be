"""LangChain agents on whoever can finish a reply: `create_agent(model=.., middleware=[HealthOrdered(feed, models)])`.

LangChain's own ModelFallbackMiddleware asks the primary first, every time, and waits for it to fail. This one orders
the models by endturn's feed before the call, and goes on to the next if one fails after all. A message without a stop
reason counts as failed once that model is known to send one: LangChain hands on such a message as if it were whole.
Copy endturn_feed.py beside this file.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from endturn_feed import Endings, Feed, Truncated, failure
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel

VERDICTS = {"length": "limited", "max_tokens": "limited", "content_filter": "refused", "refusal": "refused"}


class HealthOrdered(AgentMiddleware):
    """`models`: by target, in order of preference. The agent's own model isn't asked unless it is among them."""

    def __init__(self, feed: Feed, models: Mapping[str, BaseChatModel], fail_closed: bool = False) -> None:
        super().__init__()
        self.feed, self.models, self.fail_closed = feed, dict(models), fail_closed
        self.endings = Endings()

    def wrap_model_call(self, request: ModelRequest, handler: Callable[[ModelRequest], ModelResponse]) -> ModelResponse:
        last: Exception = RuntimeError("every target is to be avoided")
        for target in self.feed.usable(self.models, self.fail_closed):
            start = time.monotonic()
            try:
                return self.whole(target, handler(request.override(model=self.models[target])), start)
            except Exception as error:
                last = self.failed(target, error)
        raise last

    async def awrap_model_call(
        self, request: ModelRequest, handler: Callable[[ModelRequest], Awaitable[ModelResponse]]
    ) -> ModelResponse:
        last: Exception = RuntimeError("every target is to be avoided")
        for target in self.feed.usable(self.models, self.fail_closed):
            start = time.monotonic()
            try:
                return self.whole(target, await handler(request.override(model=self.models[target])), start)
            except Exception as error:
                last = self.failed(target, error)
        raise last

    def whole(self, target: str, response: ModelResponse, start: float) -> ModelResponse:
        stop = stop_reason(response.result[-1])
        if self.endings.cut(target, stop):
            raise Truncated("the message has no stop reason")
        if stop:
            e2e_ms = (time.monotonic() - start) * 1000
            self.feed.report(target, VERDICTS.get(stop, "complete"), stop_reason=stop, e2e_ms=e2e_ms)
        return response

    def failed(self, target: str, error: Exception) -> Exception:
        if (facts := failure(error)) and self.endings.tell(target):
            self.feed.report(target, **facts)
        return error


def stop_reason(message: Any) -> str | None:
    """As OpenAI, Anthropic and Ollama's packages name it."""
    told = getattr(message, "response_metadata", None) or {}
    return told.get("finish_reason") or told.get("stop_reason") or told.get("done_reason")
