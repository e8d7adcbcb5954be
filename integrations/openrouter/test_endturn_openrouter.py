"""Which providers OpenRouter is told to ignore. Needs endturn_feed.py on the path."""

from __future__ import annotations

import unittest
from typing import Any

from endturn_openrouter import provider_preferences, slug


class Hints:
    """A feed that knows what a test says."""

    def __init__(self, *avoided: str) -> None:
        self.avoided = avoided

    def allows(self, target: str) -> bool:
        return target not in self.avoided


SLUGS = {"anthropic/m": "anthropic", "bedrock/m": "amazon-bedrock", "bedrock/m-eu": "amazon-bedrock"}


class Preferences(unittest.TestCase):
    def test_rows(self) -> None:
        rows = [
            ((), {}, {}),
            (("anthropic/m",), {}, {"provider": {"ignore": ["anthropic"]}}),
            # One region of a provider is no reason to ignore the other.
            (("bedrock/m",), {}, {}),
            (("bedrock/m", "bedrock/m-eu"), {}, {"provider": {"ignore": ["amazon-bedrock"]}}),
            # All out: none is ignored.
            (tuple(SLUGS), {}, {}),
            ((), {"sort": "price", "ignore": ["x"]}, {"provider": {"sort": "price", "ignore": ["x"]}}),
            (("anthropic/m",), {"ignore": ["x"]}, {"provider": {"ignore": ["x", "anthropic"]}}),
        ]
        for avoided, more, wanted in rows:
            hints: Any = Hints(*avoided)
            self.assertEqual(provider_preferences(hints, SLUGS, **more), wanted, avoided)

    def test_slugs(self) -> None:
        self.assertEqual([slug("bedrock/m"), slug("groq/m/n")], ["amazon-bedrock", "groq"])


if __name__ == "__main__":
    unittest.main()
