"""An AutoGen model client that is whichever of yours can finish a reply: `AssistantAgent("a", HealthOrdered(..))`.

`create` asks the clients in the feed's order and goes on to the next if one fails or gives no finish reason. A stream
goes on to the next only before its first piece, since what was handed out can't be taken back; if it breaks later, it
raises.
Copy endturn_feed.py beside this file.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from autogen_core.models import ChatCompletionClient, CreateResult, ModelInfo, RequestUsage
from endturn_feed import Endings, Feed, Truncated, failure

VERDICTS = {"length": "limited", "content_filter": "refused"}


class HealthOrdered(ChatCompletionClient):
    """`clients`: by target, in order of preference. What is asked of the model itself, the first one answers."""

    component_type = "model"

    def __init__(self, feed: Feed, clients: Mapping[str, ChatCompletionClient], fail_closed: bool = False) -> None:
        self.feed, self.clients, self.fail_closed = feed, dict(clients), fail_closed
        self.first = next(iter(self.clients.values()))
        self.endings = Endings()

    async def create(self, *args: Any, **kwargs: Any) -> CreateResult:
        last: Exception = RuntimeError("every target is to be avoided")
        for target in self.feed.usable(self.clients, self.fail_closed):
            try:
                return self._whole(target, await self.clients[target].create(*args, **kwargs))
            except Exception as error:
                last = self._failed(target, error, False)
        raise last

    async def create_stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[str | CreateResult, None]:
        last: Exception = RuntimeError("every target is to be avoided")
        for target in self.feed.usable(self.clients, self.fail_closed):
            begun = False
            try:
                async for piece in self.clients[target].create_stream(*args, **kwargs):
                    piece = self._whole(target, piece) if isinstance(piece, CreateResult) else piece
                    begun = True
                    yield piece
                return
            except Exception as error:
                last = self._failed(target, error, begun)
                if begun:
                    raise
        raise last

    def _whole(self, target: str, result: CreateResult) -> CreateResult:
        reason = None if result.finish_reason == "unknown" else result.finish_reason
        if self.endings.cut(target, reason):
            raise Truncated("the reply has no finish reason")
        if reason:
            self.feed.report(target, VERDICTS.get(reason, "complete"), stop_reason=reason)
        return result

    def _failed(self, target: str, error: Exception, streaming: bool) -> Exception:
        if (facts := failure(error, streaming)) and self.endings.tell(target):
            self.feed.report(target, **facts)
        return error

    async def close(self) -> None:
        for client in self.clients.values():
            await client.close()

    def actual_usage(self) -> RequestUsage:
        return total(client.actual_usage() for client in self.clients.values())

    def total_usage(self) -> RequestUsage:
        return total(client.total_usage() for client in self.clients.values())

    def count_tokens(self, messages: Any, **kwargs: Any) -> int:
        return self.first.count_tokens(messages, **kwargs)

    def remaining_tokens(self, messages: Any, **kwargs: Any) -> int:
        return min(client.remaining_tokens(messages, **kwargs) for client in self.clients.values())

    @property
    def capabilities(self) -> Any:
        return self.first.capabilities

    @property
    def model_info(self) -> ModelInfo:
        return self.first.model_info


def total(usages: Any) -> RequestUsage:
    each = list(usages)
    prompt = sum(usage.prompt_tokens for usage in each)
    return RequestUsage(prompt_tokens=prompt, completion_tokens=sum(usage.completion_tokens for usage in each))
