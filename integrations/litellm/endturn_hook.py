"""LiteLLM's router, steered by endturn: deployments that the feed says to avoid get no request.

config.yaml: `litellm_settings: callbacks: endturn_hook.instance` (this file and endturn_feed.py beside it).
In a program: `litellm.callbacks = [EndturnHook(Feed("http://127.0.0.1:7411"))]`.

LiteLLM asks after its own cooldowns and before `order` and the routing strategy, so both go on as they were. The answer
is read from memory. It also tells endturn what became of each request, for LiteLLM sees a fault before a canary does.
"""

from __future__ import annotations

import json
import os
import random
from datetime import datetime
from typing import Any

from endturn_feed import Feed
from litellm.integrations.custom_logger import CustomLogger

# Broken after the response head, and never connected, by the names of httpx, aiohttp and the SDKs.
BROKEN = {"ReadError", "RemoteProtocolError", "ClientPayloadError", "JSONDecodeError"}
UNCONNECTED = {"ConnectError", "ConnectTimeout", "ClientConnectorError", "PoolTimeout"}
LATE = {"Timeout", "APITimeoutError", "ReadTimeout", "TimeoutException", "ServerTimeoutError"}
VERDICTS = {"stop": "complete", "tool_calls": "complete", "function_call": "complete", "length": "limited",
            "content_filter": "refused"}
# Left in the dict that LiteLLM hands from a call's stream to its log: the provider sent a stop reason.
ENDED = "endturn_ended"


class EndturnHook(CustomLogger):
    """`bases` maps an `api_base` to endturn's provider id, for deployments that have one and name no target."""

    def __init__(self, feed: Feed, fail_closed: bool = False, bases: dict[str, str] | None = None) -> None:
        super().__init__()
        self.feed, self.fail_closed = feed, fail_closed
        self.bases = {base.rstrip("/"): provider for base, provider in (bases or {}).items()}
        # Targets of which a stop reason was seen: only of these its absence means something.
        self.ending: set[str] = set()

    def target(self, deployment: dict[str, Any]) -> str | None:
        """endturn's id of a deployment: `model_info.endturn_target`, else `model_info.id` if it looks like one, else
        the model, under the provider of its `api_base` if it has one. None: endturn has no opinion on it."""
        info, params = deployment.get("model_info") or {}, deployment.get("litellm_params") or {}
        for named in (info.get("endturn_target"), info.get("id")):
            if isinstance(named, str) and "/" in named:
                return named
        provider, _, model = str(params.get("model", "")).partition("/")
        if not model:
            provider, model = "openai", provider  # LiteLLM's own reading of a bare name.
        if base := params.get("api_base"):
            provider = self.bases.get(str(base).rstrip("/"), "")
        return f"{provider}/{model}" if provider else None

    def passes(self, deployment: dict[str, Any]) -> bool:
        """Whether it takes part in this request. One that comes back takes part in its share of them."""
        target = self.target(deployment)
        return target is None or self.feed.share(target) > random.random()

    async def async_filter_deployments(
        self, model: str, healthy_deployments: list, messages: Any, request_kwargs: Any = None,
        parent_otel_span: Any = None,
    ) -> list:
        kept = [deployment for deployment in healthy_deployments if self.passes(deployment)]
        # Nobody left: LiteLLM's own choice stands, or its "no deployments available".
        return kept if kept or self.fail_closed else healthy_deployments

    # What became of it. LiteLLM calls these one attempt at a time, and each only once.

    async def async_post_call_streaming_deployment_hook(
        self, request_data: dict, response_chunk: Any, call_type: Any
    ) -> None:
        """Called with a stream's last chunk if the provider sent a stop reason, not if LiteLLM made one up."""
        request_data[ENDED] = True

    async def async_log_success_event(
        self, kwargs: dict, response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        target, choices = self.target(deployment_of(kwargs)), getattr(response_obj, "choices", None)
        if not target or not choices or kwargs.get("cache_hit"):
            return
        verdict = VERDICTS.get(choices[0].finish_reason, "unknown")
        facts: dict[str, Any] = {"stop_reason": choices[0].finish_reason}
        if kwargs.get("stream"):
            if kwargs.get(ENDED):
                self.ending.add(target)
            else:
                # Of a body that just ends LiteLLM says `stop`. Some of its providers never tell: then nobody knows.
                known = target in self.ending
                verdict, facts = ("truncated", {"kind": "cut"}) if known else ("unknown", {})
            facts["ttft_ms"] = milliseconds(start_time, kwargs.get("completion_start_time"))
        self.feed.report(target, verdict, e2e_ms=milliseconds(start_time, end_time), **facts)

    async def async_log_failure_event(
        self, kwargs: dict, response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """Streams that broke after their first chunk; what failed before is told below."""
        target, first = self.target(deployment_of(kwargs)), kwargs.get("completion_start_time")
        if target and first and kwargs.get("stream"):
            facts = {"ttft_ms": milliseconds(start_time, first), "e2e_ms": milliseconds(start_time, end_time)}
            self.tell(target, kwargs.get("exception"), True, facts)

    async def async_post_call_failure_deployment_hook(
        self, request_data: Any, exception: Exception, call_type: Any, fallback_depth: int | None = None
    ) -> None:
        if target := self.target(deployment_of(dict(request_data))):
            self.tell(target, exception, False, {})

    def tell(self, target: str, exception: Any, streaming: bool, facts: dict[str, Any]) -> None:
        links = chain(exception)
        names = {type(link).__name__ for link in links}
        status = answered(links)
        if names & UNCONNECTED:
            self.feed.report(target, "errored", error="connect", **facts)  # LiteLLM says 500, but nobody answered.
        elif status is not None:
            self.feed.report(target, "errored", http_status=status, **facts)
        elif names & BROKEN:
            self.feed.report(target, "truncated", kind="cut", http_status=200, **facts)
        elif names & LATE:
            self.feed.report(target, "errored", error="timeout", **facts)
        elif streaming:
            word = "overloaded" if "overloaded" in str(exception).lower() else "server_error"
            self.feed.report(target, "errored", error=word, http_status=200, **facts)
        elif isinstance(said := getattr(exception, "status_code", None), int) and 400 <= said <= 599:
            self.feed.report(target, "errored", http_status=said)


def deployment_of(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The deployment of a call, from the two places where LiteLLM keeps it."""
    params = kwargs.get("litellm_params") or {}
    info = params.get("model_info") or kwargs.get("model_info") or {}
    base = params.get("api_base") or kwargs.get("api_base")
    provider, model = params.get("custom_llm_provider") or kwargs.get("custom_llm_provider"), str(kwargs.get("model"))
    if provider and not model.startswith(f"{provider}/"):
        model = f"{provider}/{model}"
    return {"model_info": info, "litellm_params": {"model": model, "api_base": base}}


def chain(exception: Any) -> list[Any]:
    """An exception with its causes, as far as that is bounded."""
    links: list[Any] = []
    while exception is not None and len(links) < 16:
        links.append(exception)
        exception = exception.__cause__ or exception.__context__ or getattr(exception, "original_exception", None)
    return links


def answered(links: list[Any]) -> int | None:
    """The status that the provider really sent: LiteLLM makes 500 of many, so the innermost one counts."""
    statuses = [getattr(getattr(link, "response", None), "status_code", None) for link in links]
    if any(type(link).__name__.endswith("HTTPStatusError") for link in links):
        return next((status for status in reversed(statuses) if isinstance(status, int) and status >= 400), None)
    return None


def milliseconds(start: Any, end: Any) -> float | None:
    both = isinstance(start, datetime) and isinstance(end, datetime)
    return max(0.0, (end - start).total_seconds() * 1000) if both else None


def from_environment() -> EndturnHook:
    """ENDTURN_URL, ENDTURN_TOKEN, ENDTURN_FAIL_CLOSED=1, ENDTURN_BASES={"http://10.0.0.7:8000/v1":"vllm"}."""
    feed = Feed(os.environ.get("ENDTURN_URL", "http://127.0.0.1:7411"), os.environ.get("ENDTURN_TOKEN"), "litellm")
    fail_closed = os.environ.get("ENDTURN_FAIL_CLOSED") == "1"
    return EndturnHook(feed, fail_closed, json.loads(os.environ.get("ENDTURN_BASES", "{}")))


def __getattr__(name: str) -> EndturnHook:
    """`instance`, made when the proxy asks for it: whoever imports the class alone starts nothing."""
    if name != "instance":
        raise AttributeError(name)
    globals()[name] = from_environment()
    return globals()[name]
