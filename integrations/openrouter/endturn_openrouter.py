"""OpenRouter without the providers that endturn sees failing: `provider.ignore` for the next request, from memory.

    body = provider_preferences(feed, {"anthropic/claude-haiku-4-5": "anthropic", "bedrock/..": "amazon-bedrock"})
    client.chat.completions.create(model="anthropic/claude-haiku-4.5", messages=.., extra_body=body)

OpenRouter names a model's providers by slugs, which are not endturn's ids: the mapping is yours. Give each slug the
target that is the same model at that provider, asked directly; a provider that endturn can't ask directly isn't ignored
by this. Copy endturn_feed.py beside this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from endturn_feed import Feed

# endturn's preset, OpenRouter's slug, where they differ. Others have the same name at both.
SLUGS = {
    "bedrock": "amazon-bedrock",
    "azure-openai": "azure",
    "gemini": "google-ai-studio",
    "vertex-gemini": "google-vertex",
    "vertex-claude": "google-vertex",
    "moonshot": "moonshotai",
    "nvidia-nim": "nvidia",
}


def slug(target: str) -> str:
    """The slug of a target's provider, if it has the id of its preset."""
    provider = target.partition("/")[0]
    return SLUGS.get(provider, provider)


def provider_preferences(feed: Feed, slugs: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """`extra_body` of a request: to ignore are those all of whose targets are to be avoided. If that would leave none
    of them, none is ignored: OpenRouter's own routing decides. `more`: further members of `provider`, as `sort`."""
    named = set(slugs.values())
    allowed = {name for target, name in slugs.items() if feed.allows(target)}
    ignore = sorted(named - allowed) if allowed else []
    return {"provider": {**more, "ignore": [*more.get("ignore", ()), *ignore]}} if ignore or more else {}
