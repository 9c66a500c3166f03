"""How many keywords of inbound messages a worker has found since its start."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.suppressions import KeywordAction


@dataclass
class KeywordTotals:
    """Written by one thread, read by the one that serves a scrape."""

    exact: dict[KeywordAction, int] = field(default_factory=lambda: dict.fromkeys(KeywordAction, 0))
    """Messages that were a keyword and nothing else, by what it asks for."""
    near_misses: int = 0
    """Messages that contained one."""
    replies: int = 0
    """Replies that were added."""
