"""How the provider of a gateway counts the segments of a text, and which texts it refuses. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from shared.domain.text_segments import count_segments
from shared.gateways.base import Capabilities, Provider


class TextRules(NamedTuple):
    """How segments are counted, and the longest text that is taken."""

    count_segments: Callable[[str], int] = count_segments
    max_text: int | None = None
    """In characters; None without a limit."""
    max_segments: int | None = None
    """None without a limit."""

    def refuses(self, text: str, segments: int) -> bool:
        """Whether a text of so many segments is too long."""
        too_many = self.max_segments is not None and segments > self.max_segments
        return too_many or (self.max_text is not None and len(text) > self.max_text)


ANY_RULES = TextRules()
"""Where the provider is not known: as phone networks split texts, without a limit."""


def text_rules(provider: Provider, capabilities: Capabilities, options: Mapping[str, str]) -> TextRules:
    """The rules of an account with these options, whose capabilities may be its own."""
    max_segments = provider.max_segments
    if provider.max_segments_option:
        option = options.get(provider.max_segments_option, "")
        max_segments = int(option) if option.isdigit() else None
    return TextRules(provider.count_segments, capabilities.max_text, max_segments)
