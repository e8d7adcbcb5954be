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

from endturn_feed import Endings, Feed, failure
from litellm.integrations.custom_logger import CustomLogger

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
        # Of a body that just ends LiteLLM says `stop`; which providers' streams tell better is found out here.
        self.endings = Endings()

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

    def share(self, deployment: dict[str, Any]) -> float:
        """The share of requests that it takes part in: all, none, or while it comes back some."""
        target = self.target(deployment)
        return 1.0 if target is None else self.feed.share(target)

    async def async_filter_deployments(
        self, model: str, healthy_deployments: list, messages: Any, request_kwargs: Any = None,
        parent_otel_span: Any = None,
    ) -> list:
        shares = [(self.share(deployment), deployment) for deployment in healthy_deployments]
        drawn = random.random()
        kept = [deployment for share, deployment in shares if share > drawn]
        # Who comes back is better than nobody. If nobody is left, LiteLLM's own choice stands, or it says "no
        # deployments available".
        kept = kept or [deployment for share, deployment in shares if share > 0]
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
        reason, ttft_ms = choices[0].finish_reason, None
        verdict, kind = VERDICTS.get(reason, "unknown"), None
        if kwargs.get("stream"):
            if self.endings.cut(target, reason if kwargs.get(ENDED) else None):
                verdict, kind, reason = "truncated", "cut", None
            if not self.endings.tell(target):
                return
            ttft_ms = milliseconds(start_time, kwargs.get("completion_start_time"))
        e2e_ms = milliseconds(start_time, end_time)
        self.feed.report(target, verdict, kind=kind, stop_reason=reason, ttft_ms=ttft_ms, e2e_ms=e2e_ms)

    async def async_log_failure_event(
        self, kwargs: dict, response_obj: Any, start_time: datetime, end_time: datetime
    ) -> None:
        """Streams that broke after their first chunk; what failed before is told below."""
        if first := kwargs.get("completion_start_time"):
            times = {"ttft_ms": milliseconds(start_time, first), "e2e_ms": milliseconds(start_time, end_time)}
            self.failed(kwargs, kwargs.get("exception"), bool(kwargs.get("stream")), times)

    async def async_post_call_failure_deployment_hook(
        self, request_data: Any, exception: Exception, call_type: Any, fallback_depth: int | None = None
    ) -> None:
        self.failed(dict(request_data), exception, False, {})

    def failed(self, kwargs: dict[str, Any], error: Any, streaming: bool, times: dict[str, Any]) -> None:
        target, facts = self.target(deployment_of(kwargs)), failure(error, streaming)
        if target and facts and (self.endings.tell(target) or not kwargs.get("stream")):
            self.feed.report(target, **facts, **times)


def deployment_of(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The deployment of a call, from the two places where LiteLLM keeps it."""
    params = kwargs.get("litellm_params") or {}
    info = params.get("model_info") or kwargs.get("model_info") or {}
    base = params.get("api_base") or kwargs.get("api_base")
    provider, model = params.get("custom_llm_provider") or kwargs.get("custom_llm_provider"), str(kwargs.get("model"))
    if provider and not model.startswith(f"{provider}/"):
        model = f"{provider}/{model}"
    return {"model_info": info, "litellm_params": {"model": model, "api_base": base}}


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
